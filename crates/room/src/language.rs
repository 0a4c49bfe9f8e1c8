//! What a message is written in, so that each language is sampled by itself and a fan may follow some.
//!
//! Messages of fans are a few words, half of them names, laughter and emoji. So three looks are taken, the surest first:
//!
//! 1. **Script**: Hangul is Korean, kana Japanese, Han alone Chinese, and Thai, Arabic, Devanagari and Cyrillic stand for
//!    the one language each that rooms tell apart (so Ukrainian goes with Russian, and Persian with Arabic). In a mixed
//!    text the script with most to say wins; a sign of Hangul, kana or Han says as much as `IDEOGRAPH_WEIGHT` letters.
//! 2. **Laughter and words** of the Latin languages (`words`): few, but those that fans write. Laughter has a
//!    language: `ㅋㅋㅋ` Korean, `www` and `草` Japanese, `jajaja` Spanish, `kkkk` Portuguese, `wkwk` Indonesian, `555`
//!    Thai, `mdr` French; `haha` has none.
//! 3. **Trigrams**, by `whatlang`, for longer texts that the words leave open.
//!
//! Links, mentions and hashtags are not looked at. What is left open is [`Language::Unknown`], as emoji, numbers and
//! names are. The answer is a function of the text; only the first [`DETECTED_CHARS_MAX`] characters are looked at. The
//! room asks once, before a message is sent to the log, which holds the answer.

mod latin;
mod words;

use fanwave_wire::Language;

use crate::limits::DETECTED_CHARS_MAX;

/// How many letters of an alphabet say as much as one sign of Hangul, kana or Han.
const IDEOGRAPH_WEIGHT: usize = 3;

/// The language of a message, as far as it can be told; never an error.
#[must_use]
pub fn detect(text: &str) -> Language {
    let end = text
        .char_indices()
        .nth(DETECTED_CHARS_MAX)
        .map_or(text.len(), |(end, _)| end);
    let text = &text[..end];
    // "Grass" is how Japanese write that they laugh, because `www` looks like it.
    if text.chars().all(|c| c == '草' || c.is_whitespace()) && !text.trim().is_empty() {
        return Language::Japanese;
    }
    match Scripts::of(text).language() {
        Some(language) => language,
        None => latin::detect(text),
    }
}

/// Pieces of a text between spaces, without links, mentions and hashtags.
fn spoken(text: &str) -> impl Iterator<Item = &str> {
    let is_address = |piece: &str| {
        piece.starts_with(['@', '#', '＠', '＃'])
            || piece.contains("://")
            || piece
                .get(..4)
                .is_some_and(|start| start.eq_ignore_ascii_case("www."))
    };
    text.split_whitespace()
        .filter(move |piece| !is_address(piece))
}

/// How many letters a text has of each script.
#[derive(Debug, Default)]
struct Scripts {
    hangul: usize,
    kana: usize,
    han: usize,
    thai: usize,
    arabic: usize,
    devanagari: usize,
    cyrillic: usize,
    /// Latin, and every script that rooms do not tell apart.
    others: usize,
}

impl Scripts {
    fn of(text: &str) -> Self {
        let mut scripts = Self::default();
        for piece in spoken(text) {
            // A face: the only kana in brackets is a smile, as in `¯\_(ツ)_/¯`.
            let is_face =
                piece.contains(['(', '（']) && piece.chars().filter(|c| is_kana(*c)).count() == 1;
            for c in piece.chars() {
                scripts.count(c, is_face);
            }
        }
        scripts
    }

    fn count(&mut self, c: char, is_face: bool) {
        match c {
            _ if is_kana(c) => self.kana += usize::from(!is_face),
            '\u{1100}'..='\u{11FF}'
            | '\u{3131}'..='\u{318E}'
            | '\u{A960}'..='\u{A97C}'
            | '\u{AC00}'..='\u{D7FB}'
            | '\u{FFA1}'..='\u{FFDC}' => self.hangul += 1,
            '々'
            | '\u{3400}'..='\u{4DBF}'
            | '\u{4E00}'..='\u{9FFF}'
            | '\u{F900}'..='\u{FAFF}'
            | '\u{20000}'..='\u{323AF}' => self.han += 1,
            '\u{E01}'..='\u{E3A}' | '\u{E40}'..='\u{E4E}' => self.thai += 1,
            '\u{620}'..='\u{65F}'
            | '\u{66E}'..='\u{6D3}'
            | '\u{6FA}'..='\u{6FF}'
            | '\u{750}'..='\u{77F}'
            | '\u{FB50}'..='\u{FDFB}'
            | '\u{FE70}'..='\u{FEFC}' => self.arabic += 1,
            '\u{900}'..='\u{963}' | '\u{971}'..='\u{97F}' => self.devanagari += 1,
            '\u{400}'..='\u{52F}' => self.cyrillic += 1,
            c if c.is_alphabetic() => self.others += 1,
            _ => {}
        }
    }

    /// The language of the script with most to say, unless it is the others'.
    fn language(&self) -> Option<Language> {
        let ideographs = if self.kana == 0 {
            Language::Chinese
        } else {
            Language::Japanese
        };
        let said = [
            (self.hangul * IDEOGRAPH_WEIGHT, Language::Korean),
            ((self.kana + self.han) * IDEOGRAPH_WEIGHT, ideographs),
            (self.thai, Language::Thai),
            (self.arabic, Language::Arabic),
            (self.devanagari, Language::Hindi),
            (self.cyrillic, Language::Russian),
        ];
        let (most, language) = said.into_iter().max_by_key(|(letters, _)| *letters)?;
        (most > self.others).then_some(language)
    }
}

/// Hiragana and Katakana, of full and half width; not the marks that other languages borrow (`・`, `ー`).
fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}' | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9D}')
}

#[cfg(test)]
mod tests;
