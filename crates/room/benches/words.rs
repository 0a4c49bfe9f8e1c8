//! How long the filter takes for a message: `make bench-words`. Lists of 10,000 words in seven languages, and messages that a chat
//! has, among them the longest that may be sent. Fails beyond the limit.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "what measures needs a clock, and says what it has seen"
)]

use std::{hint::black_box, process::ExitCode, sync::Arc, time::Instant};

use fanwave_room::words::{Lists, Words};
use fanwave_wire::Language;

/// Words of all lists together.
const WORDS: usize = 10_000;
/// Messages that are judged, each once.
const MESSAGES: usize = 200_000;
/// The longest message, characters.
const CHARS_MAX: usize = 500;
/// What 99 of 100 messages may take, nanoseconds.
const P99_NS_MAX: u128 = 100_000;

/// The languages of the lists, and of what letters their words are made here.
const LANGUAGES: [(Language, &str); 7] = [
    (Language::English, "abcdefghijklmnoprstuvwy"),
    (Language::Spanish, "abcdefghijlmnopqrstuvzáéíóúñ"),
    (
        Language::Korean,
        "가나다라마바사아자차카타파하거너더러머버서어저처커터퍼허각난달람",
    ),
    (
        Language::Japanese,
        "あいうえおかきくけこさしすせそアイウエオカキクケコ死愛海空",
    ),
    (Language::Thai, "กขคงจชซญดตถทนบปผพฟมยรลวสหอะาิีุู"),
    (Language::Russian, "абвгдежзийклмнопрстуфхцчшыьэюя"),
    (
        Language::Chinese,
        "的一是不了人我在有他这中大来上国和地到以说时要就出会可也你对生能",
    ),
];

/// What people put between the letters of a word, or in place of one.
const DISGUISES: [&str; 6] = [".", " ", "1", "~", "💩", "\u{200b}"];

/// A generator that is the same in every run (Steele and others, "Fast splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap_or(0)
    }

    fn word(&mut self, letters: &[char], lengths: std::ops::Range<usize>) -> String {
        let length = lengths.start + self.below(lengths.len());
        (0..length)
            .map(|_| letters[self.below(letters.len())])
            .collect()
    }
}

fn main() -> ExitCode {
    let mut random = Random(7);
    let mut lists = Lists::default();
    let mut listed: Vec<(Vec<char>, Vec<Arc<str>>)> = Vec::new();
    for (language, letters) in LANGUAGES {
        let letters: Vec<char> = letters.chars().collect();
        let words: Vec<Arc<str>> = (0..WORDS.div_ceil(LANGUAGES.len()))
            .map(|_| random.word(&letters, 2..9).into())
            .collect();
        lists.replace(language, &words);
        listed.push((letters, words));
    }
    let began = Instant::now();
    let words = Words::compile(&lists);
    println!(
        "lists of {WORDS} words in {} languages, compiled in {} ms",
        LANGUAGES.len(),
        began.elapsed().as_millis()
    );

    let mut times: Vec<u128> = Vec::with_capacity(MESSAGES);
    let mut found = 0;
    for number in 0..MESSAGES {
        let message = message(&mut random, &listed, number);
        let began = Instant::now();
        found += usize::from(black_box(words.finds(black_box(&message))));
        times.push(began.elapsed().as_nanos());
    }
    times.sort_unstable();
    let percentile = |share: usize| times[(times.len() * share / 1_000).min(times.len() - 1)];
    let p99 = percentile(990);
    println!("{MESSAGES} messages of up to {CHARS_MAX} characters, with a listed word in {found}");
    println!(
        "a message takes {:.1} us in the middle, {:.1} us at p99 (limit {} us), {:.1} us at p99.9",
        us(percentile(500)),
        us(p99),
        P99_NS_MAX / 1_000,
        us(percentile(999))
    );
    if p99 > P99_NS_MAX || found == 0 || found == MESSAGES {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Words of one language, mostly unlisted, sometimes one that is listed and disguised; every tenth message is as long as one may be.
fn message(random: &mut Random, listed: &[(Vec<char>, Vec<Arc<str>>)], number: usize) -> String {
    let (letters, words) = &listed[random.below(listed.len())];
    let wanted = if number.is_multiple_of(10) {
        CHARS_MAX
    } else {
        5 + random.below(120)
    };
    let mut text = String::new();
    while text.chars().count() < wanted {
        if random.below(60) == 0 {
            let word = &words[random.below(words.len())];
            let disguise = DISGUISES[random.below(DISGUISES.len())];
            for letter in word.chars() {
                text.push(letter);
                if random.below(3) == 0 {
                    text.push_str(disguise);
                }
            }
        } else {
            text.push_str(&random.word(letters, 9..14));
        }
        text.push(' ');
    }
    text.chars().take(CHARS_MAX).collect()
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
fn us(ns: u128) -> f64 {
    ns as f64 / 1_000.0
}
