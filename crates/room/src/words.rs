//! Words that are not said here, however they are written.
//!
//! A text and a listed word are read the same way (`letters`): compatibility forms, case, look-alikes, zero-width
//! characters and stray marks are gone, syllables of Hangul are taken apart, and what is no letter is a gap. Then:
//!
//! * A letter may be repeated: "fuuuck". It may not be left out: "as" is not "ass".
//! * What is no letter may stand in between: "f.u.c.k", "시1발". A space may, where single letters or syllables are
//!   spaced out: "s h i t", "ㅅ ㅣ ㅂ ㅏ ㄹ", but not "다시 발매".
//! * In scripts that part words, a listed word is a whole word: "class" is not "ass". In Hangul, Kana, Han and the
//!   scripts of South-East Asia it may be a part of what is written, but never a part of a syllable.
//! * Accents make other letters ("año" is not "ano"), but not in English, where they are a disguise.
//!
//! All lists become two automata, so that the time a text takes grows with its length, not with the lists.

mod hangul;
mod letters;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use aho_corasick::{AhoCorasick, MatchKind};
use fanwave_wire::Language;

use self::letters::{Accents, Folded, Reading, Run};

/// The lists of a room, one a language; together at most 16 lists of what one call can carry, 0.5 MB.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lists(BTreeMap<Language, Vec<Arc<str>>>);

impl Lists {
    /// Replaces the list of one language.
    pub fn replace(&mut self, language: Language, words: &[Arc<str>]) {
        if words.is_empty() {
            self.0.remove(&language);
        } else {
            self.0.insert(language, words.to_vec());
        }
    }

    /// The list of one language; empty where there is none.
    #[must_use]
    pub fn of(&self, language: Language) -> &[Arc<str>] {
        self.0.get(&language).map_or(&[], Vec::as_slice)
    }

    /// The words whose accents are read this way.
    fn words(&self, accents: Accents) -> impl Iterator<Item = &str> {
        let lists = self
            .0
            .iter()
            .filter(move |(language, _)| accents_of(**language) == accents);
        lists.flat_map(|(_, words)| words).map(|word| &**word)
    }
}

/// The lists of a room, compiled: immutable, shared, and swapped whole when a list changes.
#[derive(Debug, Default)]
pub struct Words {
    automata: Vec<Automaton>,
}

/// All words of one way to read.
#[derive(Debug)]
struct Automaton {
    accents: Accents,
    /// Finds candidates: patterns without repetitions.
    automaton: AhoCorasick,
    /// What a candidate must also fulfil, by pattern.
    patterns: Vec<Vec<Run>>,
}

impl Words {
    /// Compiles lists. Full lists take tens of milliseconds, so that no room does it for every text.
    #[must_use]
    pub fn compile(lists: &Lists) -> Self {
        let all = [Accents::Kept, Accents::Dropped];
        Self {
            automata: all
                .into_iter()
                .filter_map(|accents| Automaton::compile(accents, lists))
                .collect(),
        }
    }

    /// Whether a text contains a listed word.
    #[must_use]
    pub fn finds(&self, text: &str) -> bool {
        let folded = Folded::new(text);
        let mut before = None;
        self.automata.iter().any(|automaton| {
            let reading = folded.read(automaton.accents, before.take());
            automaton.finds(before.insert(reading))
        })
    }
}

impl Automaton {
    /// Nothing, when no word is read this way.
    fn compile(accents: Accents, lists: &Lists) -> Option<Self> {
        let readings = lists
            .words(accents)
            .map(|word| Folded::new(word).read(accents, None));
        let (texts, patterns): (Vec<_>, Vec<_>) = readings
            .map(Reading::into_pattern)
            .filter(|(text, _)| !text.trim().is_empty())
            .unzip();
        if texts.is_empty() {
            return None;
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(&texts)
            .expect("lists within their limits are far from the automaton's");
        Some(Self {
            accents,
            automaton,
            patterns,
        })
    }

    fn finds(&self, reading: &Reading) -> bool {
        self.automaton
            .find_overlapping_iter(reading.text())
            .any(|found| {
                reading.confirms(found.start(), &self.patterns[found.pattern().as_usize()])
            })
    }
}

/// How the words of a language are read.
fn accents_of(language: Language) -> Accents {
    match language {
        Language::English => Accents::Dropped,
        Language::Unknown
        | Language::Arabic
        | Language::Chinese
        | Language::French
        | Language::German
        | Language::Hindi
        | Language::Indonesian
        | Language::Japanese
        | Language::Korean
        | Language::Portuguese
        | Language::Russian
        | Language::Spanish
        | Language::Thai
        | Language::Turkish
        | Language::Vietnamese => Accents::Kept,
    }
}
