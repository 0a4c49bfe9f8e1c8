//! What a fan may call themselves.
//!
//! Names are shown beside every message, so they may not steer the text around them: control characters and the
//! characters that override or isolate text direction (Unicode Standard Annex 9) are refused rather than stripped, so
//! that nobody gets a name they did not type. Everything else, in any script, is welcome.

use std::sync::Arc;

use fanwave_wire::limits::NAME_CHARS_MAX;
use thiserror::Error;

/// Why a name is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing is left after trimming.
    #[error("a name needs at least one visible character")]
    Empty,
    /// More characters than fit beside a message.
    #[error("a name has at most {NAME_CHARS_MAX} characters")]
    TooLong,
    /// A control character, or one that changes the direction of the text around it.
    #[error("a name may not hold control characters or characters that change text direction")]
    Character,
}

impl NameError {
    /// The stable code for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "name_empty",
            Self::TooLong => "name_too_long",
            Self::Character => "name_character",
        }
    }
}

/// Trims a name and checks it.
///
/// # Errors
///
/// See [`NameError`].
pub fn parse(typed: &str) -> Result<Arc<str>, NameError> {
    let name = typed.trim();
    if name.chars().any(steers_text) {
        return Err(NameError::Character);
    }
    if name.chars().all(is_invisible) {
        return Err(NameError::Empty);
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(NameError::TooLong);
    }
    Ok(name.into())
}

/// Control characters, line and paragraph separators, and the bidirectional marks, embeddings, overrides and isolates.
fn steers_text(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// White space, and the characters of zero width that would make a name look empty. They stay legal inside a name:
/// the zero-width joiner builds emoji, the non-joiner is part of Persian spelling.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}' | '\u{00AD}' | '\u{3164}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_every_script_are_taken_and_trimmed() {
        for (typed, taken) in [
            ("  민지 ", "민지"),
            ("さくら", "さくら"),
            ("สมชาย ใจดี", "สมชาย ใจดี"),
            ("María-José 👩‍🎤", "María-José 👩‍🎤"),
        ] {
            assert_eq!(parse(typed).as_deref(), Ok(taken));
        }
    }

    #[test]
    fn a_name_without_anything_to_see_is_empty() {
        for typed in ["", "   ", "\u{200B}\u{200D}", "\u{3164}"] {
            assert_eq!(parse(typed), Err(NameError::Empty), "{typed:?}");
        }
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        let longest = "한".repeat(NAME_CHARS_MAX);
        assert_eq!(parse(&longest).as_deref(), Ok(longest.as_str()));
        assert_eq!(parse(&format!("{longest}국")), Err(NameError::TooLong));
    }

    #[test]
    fn characters_that_steer_the_text_around_them_are_refused() {
        for typed in [
            "a\u{202E}b",
            "a\nb",
            "\u{2066}x",
            "a\u{0}b",
            "x\u{200F}",
            "a\u{2028}b",
        ] {
            assert_eq!(parse(typed), Err(NameError::Character), "{typed:?}");
        }
    }
}
