//! Which of the languages that are written in Latin letters: by laughter, words and letters, then by trigrams.

use fanwave_wire::Language;
use whatlang::{Detector, Lang};

use super::{spoken, words};

/// Letters that a text must have for its trigrams to say something: more than two names have.
const TRIGRAM_LETTERS_MIN: usize = 24;

/// How sure `whatlang` must be, from 0 to 1. It is sure of a row of Korean names to 0.45 (that they are German).
const TRIGRAM_CONFIDENCE_MIN: f64 = 0.6;

/// The languages asked for, the more frequent among fans first: this decides where all else is equal.
const LATIN: [(Language, Lang); 8] = [
    (Language::English, Lang::Eng),
    (Language::Spanish, Lang::Spa),
    (Language::Portuguese, Lang::Por),
    (Language::Indonesian, Lang::Ind),
    (Language::French, Lang::Fra),
    (Language::German, Lang::Deu),
    (Language::Turkish, Lang::Tur),
    (Language::Vietnamese, Lang::Vie),
];

/// The language of a text without another script that counts.
pub(super) fn detect(text: &str) -> Language {
    let mut scores = [0_usize; Language::ALL.len()];
    let mut letters = 0;
    for piece in spoken(text) {
        letters += piece.chars().filter(|c| c.is_alphabetic()).count();
        score_letters(piece, &mut scores);
        for word in piece.split(|c: char| !c.is_alphanumeric()) {
            if !word.is_empty() {
                score_word(&word.to_lowercase(), &mut scores);
            }
        }
    }
    let best = scores.iter().copied().max().unwrap_or_default();
    let has_best = |language: Language| scores[language.index()] == best;
    if best == 0 {
        return if letters >= TRIGRAM_LETTERS_MIN {
            by_trigrams(text)
        } else {
            Language::Unknown
        };
    }
    let mut tied = Language::ALL
        .into_iter()
        .filter(|language| has_best(*language));
    match (tied.next(), tied.next()) {
        (Some(only), None) => only,
        _ => break_tie(text, has_best),
    }
}

/// Among languages that share what was said: what the trigrams say at all, else the first in our order.
fn break_tie(text: &str, has_best: impl Fn(Language) -> bool) -> Language {
    let tied: Vec<_> = LATIN
        .into_iter()
        .filter(|(language, _)| has_best(*language))
        .collect();
    let said = Detector::with_allowlist(tied.iter().map(|(_, lang)| *lang).collect()).detect(text);
    let said = said.filter(|info| info.confidence() >= TRIGRAM_CONFIDENCE_MIN);
    let chosen = tied
        .iter()
        .find(|(_, lang)| said.as_ref().is_some_and(|info| info.lang() == *lang));
    chosen
        .or(tied.first())
        .map_or(Language::Unknown, |(language, _)| *language)
}

fn by_trigrams(text: &str) -> Language {
    let said: Vec<&str> = spoken(text).collect();
    let detector = Detector::with_allowlist(LATIN.iter().map(|(_, lang)| *lang).collect());
    detector
        .detect(&said.join(" "))
        .filter(|info| info.confidence() >= TRIGRAM_CONFIDENCE_MIN)
        .and_then(|info| LATIN.into_iter().find(|(_, lang)| *lang == info.lang()))
        .map_or(Language::Unknown, |(language, _)| language)
}

/// Letters and marks that some of our languages have and the others have not.
fn score_letters(piece: &str, scores: &mut [usize]) {
    use Language::{French, German, Portuguese, Spanish, Turkish, Vietnamese};
    for c in piece.chars() {
        let languages: &[Language] = match c {
            'ñ' | 'Ñ' | '¿' | '¡' => &[Spanish],
            'á' | 'í' | 'ó' | 'ú' => &[Spanish, Portuguese, Vietnamese],
            'ã' | 'õ' => &[Portuguese, Vietnamese],
            'ä' | 'Ä' | 'ß' => &[German],
            'ö' | 'ü' | 'Ö' | 'Ü' => &[German, Turkish],
            'ğ' | 'Ğ' | 'ş' | 'Ş' | 'ı' | 'İ' => &[Turkish],
            'ç' => &[French, Portuguese, Turkish],
            'œ' | 'ë' | 'î' | 'û' => &[French],
            'à' | 'è' => &[French, Vietnamese],
            'ă' | 'Ă' | 'đ' | 'Đ' | 'ơ' | 'Ơ' | 'ư' | 'Ư' | '\u{1EA0}'..='\u{1EF9}' => {
                &[Vietnamese]
            }
            _ => &[],
        };
        for language in languages {
            scores[language.index()] += 1;
        }
    }
}

/// Counts a word, in lower case, for each language that has it; as it stands, else without drawn-out letters.
fn score_word(word: &str, scores: &mut [usize]) {
    if let Some(language) = laughter(word) {
        scores[language.index()] += 1;
        return;
    }
    if score_listed(word, scores) == 0 {
        let short = without_runs(word);
        if short != word {
            score_listed(&short, scores);
        }
    }
}

fn score_listed(word: &str, scores: &mut [usize]) -> usize {
    let mut found = 0;
    for language in words::languages_of(word) {
        scores[language.index()] += 1;
        found += 1;
    }
    found
}

/// The language that somebody laughs in.
fn laughter(word: &str) -> Option<Language> {
    let is_of = |letters: &[char]| word.chars().all(|c| letters.contains(&c));
    let has_all = |letters: &[char]| letters.iter().all(|c| word.contains(*c));
    let chars = word.chars().count();
    let syllables = |a: char, b: char| is_of(&[a, b]) && has_all(&[a, b]) && chars >= 4;
    if is_of(&['w', 'ｗ']) && chars >= 2 {
        Some(Language::Japanese)
    } else if is_of(&['5']) && chars >= 3 {
        Some(Language::Thai)
    } else if ['a', 'e', 'i']
        .into_iter()
        .any(|vowel| syllables('j', vowel))
    {
        Some(Language::Spanish)
    } else if is_of(&['k']) && chars >= 3 || syllables('r', 's') || word.starts_with("hueh") {
        Some(Language::Portuguese)
    } else if syllables('w', 'k') {
        Some(Language::Indonesian)
    } else {
        None
    }
}

/// The word with each letter that is drawn out to three or more written once: `looove` is `love`.
fn without_runs(word: &str) -> String {
    let chars: Vec<char> = word.chars().collect();
    let runs = chars.chunk_by(|a, b| a == b);
    runs.flat_map(|run| if run.len() >= 3 { &run[..1] } else { run })
        .collect()
}
