//! Finds what was said: for moderators, in any language, and without an index that would have to be kept, and erased.
//!
//! The newest messages are read page by page, and compared one by one: so many at most for one answer, which says where
//! to go on. Two texts are compared without their case, accents, and other ways to write the same (`Folded`).

use std::sync::Arc;

use fanwave_wire::{Offset, Publication, UnixMillis, UserId};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::{
    Kind, Order, Page, StoreError,
    limits::{READ_MAX, SEARCH_SCANNED_MAX, SEARCH_TERMS_MAX, SEARCH_TEXT_BYTES_MAX},
    store::within,
};

/// What is looked for in a channel, newest first.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Words that all have to be there; none finds everything. In scripts that part words a word is found by its
    /// beginning, in the others (Hangul, Kana, Han, Thai and their like) anywhere.
    pub text: String,
    /// Only what this person has said.
    pub by: Option<UserId>,
    /// Only what was said at this time or later.
    pub from: Option<UnixMillis>,
    /// Only what was said before this time.
    pub until: Option<UnixMillis>,
    /// At most so many, and never more than [`limits::READ_MAX`](crate::limits::READ_MAX).
    pub limit: usize,
}

/// What was found in one run of offsets.
#[derive(Debug)]
pub(crate) struct Found {
    /// Newest first; deleted messages are not among them.
    pub(crate) publications: Vec<Arc<Publication>>,
    /// Before which offset to go on, although this answer may have found nothing; `None` when there is no more.
    pub(crate) next: Option<Offset>,
}

/// What is looked for, read once.
#[derive(Debug)]
pub(crate) struct Query {
    terms: Vec<Folded>,
    from: UnixMillis,
    until: UnixMillis,
}

impl Query {
    pub(crate) fn new(search: &Search) -> Result<Self, StoreError> {
        within(search.text.len(), SEARCH_TEXT_BYTES_MAX)?;
        let terms: Vec<Folded> = search
            .text
            .split_whitespace()
            .map(Folded::new)
            .filter(|term| !term.0.is_empty())
            .collect();
        within(terms.len(), SEARCH_TERMS_MAX)?;
        Ok(Self {
            terms,
            from: search.from.unwrap_or_default(),
            until: search.until.unwrap_or(UnixMillis(u64::MAX)),
        })
    }

    /// Whether this is it. Only what was said is found, not what happened.
    pub(crate) fn finds(&self, publication: &Publication) -> bool {
        let Some(text) = publication.draft.body.as_text() else {
            return false;
        };
        if publication.at < self.from || publication.at >= self.until {
            return false;
        }
        if self.terms.is_empty() {
            return true;
        }
        let text = Folded::new(&text.text);
        self.terms.iter().all(|term| text.holds(term))
    }
}

/// A search that goes on page by page.
#[derive(Debug)]
pub(crate) struct Progress {
    query: Query,
    limit: usize,
    before: Offset,
    scanned: usize,
    found: Vec<Arc<Publication>>,
}

impl Progress {
    /// Before an offset of a run, or from its newest message back.
    pub(crate) fn new(search: &Search, before: Option<Offset>) -> Result<Self, StoreError> {
        Ok(Self {
            query: Query::new(search)?,
            limit: search.limit.min(READ_MAX),
            before: before.unwrap_or(Offset(u64::MAX)),
            scanned: 0,
            found: Vec::new(),
        })
    }

    /// Which page to read next.
    pub(crate) fn page(&self) -> Page {
        Page {
            after: Offset(0),
            through: Offset(self.before.0.saturating_sub(1)),
            limit: READ_MAX,
            order: Order::NewestFirst,
            kind: Kind::Everything,
        }
    }

    /// Takes the page, and answers if that was enough.
    pub(crate) fn take(&mut self, page: &[Arc<Publication>]) -> Option<Found> {
        for publication in page {
            if self.found.len() == self.limit {
                return Some(self.finish(Some(self.before)));
            }
            self.before = publication.offset;
            self.scanned += 1;
            if self.query.finds(publication) {
                self.found.push(Arc::clone(publication));
            }
        }
        if page.len() < READ_MAX {
            return Some(self.finish(None));
        }
        (self.scanned >= SEARCH_SCANNED_MAX || self.found.len() == self.limit)
            .then(|| self.finish(Some(self.before)))
    }

    fn finish(&mut self, next: Option<Offset>) -> Found {
        Found {
            publications: std::mem::take(&mut self.found),
            next,
        }
    }
}

/// A text as it is compared: compatibility forms, case and accents are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Folded(String);

impl Folded {
    fn new(text: &str) -> Self {
        // First the compatibility forms: they may have a case.
        let plain: String = text.nfkd().collect();
        let folded = caseless::default_case_fold_str(&plain);
        // Taken apart, so that accents can go; put together again, so that a syllable of Hangul is one letter.
        let bare = folded
            .nfkd()
            .filter(|c| !is_combining_mark(*c) || is_letter_mark(*c));
        Self(bare.nfc().collect())
    }

    /// Whether a word is in this text: at the beginning of one of its words, or anywhere where words are not parted.
    fn holds(&self, term: &Self) -> bool {
        let parts_words = term.0.chars().next().is_some_and(parts_words);
        self.0.match_indices(&*term.0).any(|(at, _)| {
            let before = self.0[..at].chars().next_back();
            !parts_words || !before.is_some_and(|c| c.is_alphanumeric() && self::parts_words(c))
        })
    }
}

/// Marks without which the letter is another one: of Kana, and the vowels and tones of the scripts of India and
/// South-East Asia. In scripts of Europe they are accents.
fn is_letter_mark(c: char) -> bool {
    !matches!(c, '\u{300}'..='\u{36f}')
}

/// Whether words of this letter's script have spaces between them. Not of Hangul: particles hang on to its words, and
/// compounds are written both ways.
fn parts_words(c: char) -> bool {
    !matches!(c,
        '\u{0e00}'..='\u{0eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Myanmar
        | '\u{1100}'..='\u{11ff}' // Hangul
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{2e80}'..='\u{d7ff}' // Han, Kana, Hangul
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, term: &str, holds: bool) {
        assert_eq!(
            Folded::new(text).holds(&Folded::new(term)),
            holds,
            "{term:?} in {text:?}"
        );
    }

    #[test]
    fn words_are_found_in_many_languages() {
        // English and Spanish: any case, with accents or without, by their beginning.
        check("What a NIGHT, Artist!", "artist", true);
        check("What a night, artist!", "art", true);
        check("a heart", "art", false);
        check("¡Qué corazón!", "corazon", true);
        check("Que corazon", "CORAZÓN", true);
        check("STRASSE", "straße", true);
        // Korean: particles, and a part of a word; never a part of a syllable.
        check("오늘무대에서 최고였어요", "무대", true);
        check("오늘무대에서 최고였어요", "최고", true);
        check("간다", "가", false);
        // Japanese: no spaces, half-width Kana; a voiced sound is another one.
        check("今日のライブ最高でした", "ライブ", true);
        check("今日のﾗｲﾌﾞ最高", "ライブ", true);
        check("今日のライフ", "ライブ", false);
        // Chinese and Thai.
        check("今晚的演唱会太棒了", "演唱会", true);
        check("วันนี้สนุกมาก", "สนุก", true);
        check("วันนี้สนุกมาก", "สนก", false);
        // Beside Latin in one text.
        check("최고BTS최고", "bts", true);
    }

    proptest! {
        #[test]
        fn a_text_holds_each_of_its_words(text in "\\PC{0,40}") {
            let folded = Folded::new(&text);
            for word in text.split_whitespace() {
                prop_assert!(folded.holds(&Folded::new(word)), "{word:?}");
            }
        }

        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,40}") {
            let once = Folded::new(&text);
            prop_assert_eq!(Folded::new(&once.0), once);
        }
    }
}
