use proptest::prelude::*;

use super::*;

const KOREAN: &[&str] = &["시발", "씨발", "병신", "개새끼", "ㅅㅂ", "꺼져"];
const ENGLISH: &[&str] = &[
    "fuck",
    "shit",
    "ass",
    "bitch",
    "cunt",
    "dick",
    "son of a bitch",
];
const JAPANESE: &[&str] = &["死ね", "バカ", "キチガイ"];
const SPANISH: &[&str] = &["puta", "coño", "mierda", "cabrón", "ano"];
const THAI: &[&str] = &["ควย", "เหี้ย", "สัตว์นรก"];

fn list(words: &[&str]) -> Vec<Arc<str>> {
    words.iter().map(|word| Arc::from(*word)).collect()
}

fn words() -> Words {
    let mut lists = Lists::default();
    lists.replace(Language::Korean, &list(KOREAN));
    lists.replace(Language::English, &list(ENGLISH));
    lists.replace(Language::Japanese, &list(JAPANESE));
    lists.replace(Language::Spanish, &list(SPANISH));
    lists.replace(Language::Thai, &list(THAI));
    Words::compile(&lists)
}

#[test]
fn a_disguised_word_is_found() {
    let words = words();
    let missed = DISGUISED.iter().filter(|text| !words.finds(text));
    assert_eq!(missed.collect::<Vec<_>>(), [&""; 0]);
}

#[test]
fn an_innocent_is_not() {
    let words = words();
    let accused = INNOCENT.iter().filter(|text| words.finds(text));
    assert_eq!(accused.collect::<Vec<_>>(), [&""; 0]);
}

/// Listed words, as they are written to get past a list.
const DISGUISED: &[&str] = &[
    // Korean: whole, in letters, split, filled, stretched, initials.
    "시발",
    "아 시발 진짜",
    "이시발놈아",
    "ㅅㅣㅂㅏㄹ",
    "ㅅ ㅣ ㅂ ㅏ ㄹ",
    "시 발",
    "시1발",
    "시.발",
    "시~~발",
    "시💩발",
    "시ㅂㅏㄹ",
    "시발ㄹㄹ",
    "시\u{200b}발",
    "시\u{3164}발",
    "\u{1109}\u{1175}\u{1107}\u{1161}\u{11af}",
    "ㅅㅂ",
    "ㅅ.ㅂ",
    "ㅅ ㅂ",
    "ㅅㅅㅅㅂㅂ",
    "병@신",
    "병 신",
    "개.새.끼",
    "개 새 끼",
    "꺼-져",
    "ㄲㅓㅈㅕ",
    "ｼ 씨발",
    // English: case, width, styles, look-alikes, signs, accents, spacing, repetition.
    "fuck",
    "FUCK!",
    "ｆｕｃｋ",
    "𝓯𝓾𝓬𝓴",
    "ⓕⓤⓒⓚ",
    "fuuuuck",
    "f.u.c.k",
    "f u c k",
    "F-U-C-K",
    "f\u{200d}uck",
    "fück",
    "f̶u̶c̶k̶",
    "f\u{336}\u{353}uc\u{301}k",
    "fuсk",
    "ѕhit",
    "sh1t",
    "sh!t",
    "a$$",
    "@ss",
    "you ass",
    "ass, really",
    "a s s",
    "b1tch",
    "bítch",
    "진짜fuck",
    "fuck진짜",
    "kiss.shit",
    "kiss shit",
    "son of a bitch",
    "SON  OF A B1TCH",
    "fuck69",
    // Japanese: Kana, width, stretched, filled.
    "死ね",
    "死  ね",
    "死.ね",
    "死\u{200b}ね",
    "死ねえええ",
    "お前死ねよ",
    "ばか",
    "バカ",
    "ﾊﾞｶ",
    "バーーカ",
    "ば か",
    "ばっかじゃないbaka バカ",
    "きちがい",
    "キ チ ガ イ",
    // Spanish: accents are letters, case and repetition are not.
    "puta",
    "¡PUTA!",
    "puuuta",
    "p u t a",
    "pu.ta",
    "hijo de puta",
    "coño",
    "COÑO",
    "con\u{303}o",
    "cabrón",
    "mi3rda",
    // Thai: no spaces, tone marks, repetition, zero width.
    "ควย",
    "ไอ้ควยเอ๊ย",
    "ค ว ย",
    "ค.ว.ย",
    "ค\u{200b}วย",
    "ควยยยยย",
    "เหี้ย",
    "เหี้ยยยย",
    "เห\u{200b}ี้ย",
    "ไอสัตว์นรกนี่",
];

/// What looks like a listed word, and is none.
const INNOCENT: &[&str] = &[
    "",
    " ",
    "...",
    "12345",
    "😀👍🏽",
    "사랑해요",
    "다시 발매합니다",
    "다시 발표",
    "역시 발라드",
    "시작",
    "발시려",
    "옷 바지",
    "옷바지",
    "맛집",
    "이것 봐",
    "개 새집",
    "새 끼니",
    "병원 신청",
    "ㅋㅋㅋㅋㅋ",
    "ㅠㅠ",
    "ㅅ",
    "응원법",
    "시밭",
    "class",
    "Class of 2026",
    "bass",
    "assist",
    "assassin's",
    "pass",
    "as",
    "a",
    "grass-fed",
    "Scunthorpe",
    "Dickens",
    "Moby-Dickens",
    "cocktail",
    "shiitake mushrooms",
    "shift",
    "mishit",
    "the pens",
    "f",
    "u",
    "fuc",
    "duck",
    "so nice of a batch",
    "I pass a song",
    "la computadora",
    "disputa",
    "reputación",
    "diputado",
    "el cono",
    "feliz año",
    "AÑO NUEVO",
    "cabro",
    "死",
    "死なないで",
    "必死に",
    "必死",
    "ばらか",
    "か",
    "カバ",
    "キチン",
    "กล้วย",
    "ขวย",
    "เหี่ยว",
    "เหลือ",
    "สัตว์",
    "รักนะ",
    "สวย",
    "مرحبا بكم",
    "привет",
    "नमस्ते",
    "xin chào",
];

#[test]
fn a_list_is_replaced_whole_and_an_empty_one_is_none() {
    let mut lists = Lists::default();
    lists.replace(Language::English, &list(&["one", "..."]));
    assert!(Words::compile(&lists).finds("ONE"));
    lists.replace(Language::English, &list(&["two"]));
    let words = Words::compile(&lists);
    assert!(words.finds("two") && !words.finds("one") && !words.finds("..."));
    lists.replace(Language::English, &[]);
    assert_eq!(lists, Lists::default());
    assert!(!Words::compile(&lists).finds("two"));
}

#[test]
fn accents_are_letters_but_in_english() {
    let only = |language, word| {
        let mut lists = Lists::default();
        lists.replace(language, &list(&[word]));
        Words::compile(&lists)
    };
    assert!(only(Language::English, "ano").finds("año"));
    assert!(!only(Language::Spanish, "ano").finds("año"));
    assert!(!only(Language::Vietnamese, "lồn").finds("lớn"));
    assert!(only(Language::Russian, "хуй").finds("ХУЙ"));
    assert!(
        only(Language::Russian, "хуй").finds("xуй"),
        "with a Latin x"
    );
}

proptest! {
    /// Whatever is put between the characters of a word of an unparted script, and around it, it stays that word.
    #[test]
    fn nothing_between_its_letters_hides_a_word(
        place in 0..6usize,
        fillers in prop::collection::vec("[\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}.,!?~*_/0-9♥・…]{0,4}", 8),
        before in "[가-힣ぁ-ん一-龠 ]{0,8}",
        after in "[가-힣一-龠 ]{0,8}",
    ) {
        let word = ["시발", "병신", "개새끼", "死ね", "バカ", "ควย"][place];
        let mut fillers = fillers.into_iter();
        let mut text = before;
        for c in word.chars() {
            text.push(c);
            text.push_str(&fillers.next().unwrap_or_default());
        }
        text.push_str(&after);
        prop_assert!(words().finds(&text), "{text:?}");
    }

    /// Case, width and repetition do not hide a word of Latin letters that stands by itself.
    #[test]
    fn no_style_hides_a_latin_word(
        place in 0..5usize,
        styles in prop::collection::vec((0..4u32, 1..4usize), 5),
    ) {
        let word = ["fuck", "shit", "ass", "bitch", "cunt"][place];
        let mut text = String::from("oh ");
        for (c, (style, times)) in word.chars().zip(styles) {
            let small = u32::from(c) - u32::from('a');
            let code = [u32::from('a'), u32::from('A'), u32::from('ａ'), u32::from('𝐚')][style as usize] + small;
            text.extend(std::iter::repeat_n(char::from_u32(code).unwrap(), times));
        }
        prop_assert!(words().finds(&text), "{text:?}");
    }

    /// No text and no list is too strange to be read, and a listed word that leaves any letter is found in itself.
    #[test]
    fn anything_can_be_listed_and_read(word in "\\PC{1,12}", text in any::<String>()) {
        let mut lists = Lists::default();
        lists.replace(Language::Korean, &list(&[&word]));
        let compiled = Words::compile(&lists);
        for words in [&compiled, &words()] {
            prop_assert_eq!(words.finds(&text), words.finds(&text));
        }
        let reading = Folded::new(&word).read(Accents::Kept, None);
        let begins_whole = word.chars().next().is_some_and(char::is_alphabetic);
        prop_assert!(!begins_whole || reading.text().is_empty() || compiled.finds(&word), "{word:?}");
    }
}
