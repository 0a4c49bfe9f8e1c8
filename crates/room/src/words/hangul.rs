//! Hangul, taken apart: every syllable becomes its letters, and a final consonant the same letter as an initial one.
//!
//! Whether a syllable is written whole, in letters, or in letters with something in between is then no difference. The
//! arithmetic is the Unicode Standard's, section 3.12.

const SYLLABLE_FIRST: u32 = 0xAC00;
const SYLLABLE_LAST: u32 = 0xD7A3;
const INITIAL_FIRST: u32 = 0x1100;
const INITIAL_LAST: u32 = 0x1112;
const VOWEL_FIRST: u32 = 0x1161;
const VOWEL_LAST: u32 = 0x1175;
const FINAL_FIRST: u32 = 0x11A8;
const FINAL_LAST: u32 = 0x11C2;
const VOWELS: u32 = 21;
/// Final consonants, and none.
const FINALS: u32 = 28;

/// The initial consonants, by place, that each final consonant is made of; a cluster is two.
const FINALS_AS_INITIALS: [&[u32]; 27] = [
    &[0],
    &[1],
    &[0, 9],
    &[2],
    &[2, 12],
    &[2, 18],
    &[3],
    &[5],
    &[5, 0],
    &[5, 6],
    &[5, 7],
    &[5, 9],
    &[5, 16],
    &[5, 17],
    &[5, 18],
    &[6],
    &[7],
    &[7, 9],
    &[9],
    &[10],
    &[11],
    &[12],
    &[14],
    &[15],
    &[16],
    &[17],
    &[18],
];

/// What a character is to Hangul.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A syllable in one character.
    Syllable,
    /// A consonant by itself.
    Consonant,
    /// A vowel by itself.
    Vowel,
    /// Something else.
    Other,
}

/// What a character is, in compatibility composition: letters of their own block are initials there already.
pub(super) fn kind(c: char) -> Kind {
    match u32::from(c) {
        SYLLABLE_FIRST..=SYLLABLE_LAST => Kind::Syllable,
        INITIAL_FIRST..=INITIAL_LAST | FINAL_FIRST..=FINAL_LAST => Kind::Consonant,
        VOWEL_FIRST..=VOWEL_LAST => Kind::Vowel,
        _ => Kind::Other,
    }
}

/// The letters of a syllable, or of a letter.
pub(super) fn letters(c: char) -> impl Iterator<Item = char> {
    let code = u32::from(c);
    let (initial, vowel, last) = match kind(c) {
        Kind::Syllable => {
            let place = code - SYLLABLE_FIRST;
            let initial = INITIAL_FIRST + place / (VOWELS * FINALS);
            let vowel = VOWEL_FIRST + place / FINALS % VOWELS;
            (Some(initial), Some(vowel), (place % FINALS).checked_sub(1))
        }
        Kind::Consonant if code >= FINAL_FIRST => (None, None, Some(code - FINAL_FIRST)),
        Kind::Consonant | Kind::Vowel | Kind::Other => (Some(code), None, None),
    };
    let last = last.map_or(&[][..], |last| FINALS_AS_INITIALS[last as usize]);
    let last = last.iter().map(|place| INITIAL_FIRST + place);
    let codes = initial.into_iter().chain(vowel).chain(last);
    codes.filter_map(char::from_u32)
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    fn apart(text: &str) -> String {
        text.nfkc().flat_map(letters).collect()
    }

    #[test]
    fn a_syllable_and_its_letters_read_alike() {
        for (whole, parts) in [
            ("시발", "ㅅㅣㅂㅏㄹ"),
            ("닭", "ㄷㅏㄹㄱ"),
            ("왜", "ㅇㅙ"),
            ("깎", "ㄲㅏㄲ"),
            ("힣", "ㅎㅣㅎ"),
        ] {
            assert_eq!(apart(whole), apart(parts), "{whole}");
        }
        assert_eq!(apart("a가"), "a\u{1100}\u{1161}");
    }
}
