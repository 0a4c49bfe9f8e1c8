//! What a fan may call themselves.
//!
//! Names are shown beside every message, so they may not steer the text around them: control characters and the
//! characters that override or isolate text direction (Unicode Standard Annex 9) are refused rather than stripped, so
//! that nobody gets a name they did not type. Everything else, in any script, is welcome.

use std::{fmt::Write, ops::RangeInclusive, sync::Arc};

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

/// Control characters, line and paragraph separators, and the bidirectional marks, embeddings, overrides and isolates.
const STEERING: &[RangeInclusive<char>] = &[
    '\0'..='\u{1F}',
    '\u{7F}'..='\u{9F}',
    '\u{61C}'..='\u{61C}',
    '\u{200E}'..='\u{200F}',
    '\u{2028}'..='\u{202E}',
    '\u{2066}'..='\u{2069}',
];

/// White space, and the characters of zero width that would make a name look empty. They stay legal inside a name:
/// the zero-width joiner builds emoji, the non-joiner is part of Persian spelling.
const INVISIBLE: &[RangeInclusive<char>] = &[
    ' '..=' ',
    '\u{A0}'..='\u{A0}',
    '\u{AD}'..='\u{AD}',
    '\u{1680}'..='\u{1680}',
    '\u{2000}'..='\u{200D}',
    '\u{202F}'..='\u{202F}',
    '\u{205F}'..='\u{2060}',
    '\u{3000}'..='\u{3000}',
    '\u{3164}'..='\u{3164}',
    '\u{FEFF}'..='\u{FEFF}',
];

/// Checks a name and trims it.
///
/// # Errors
///
/// See [`NameError`].
pub fn parse(typed: &str) -> Result<Arc<str>, NameError> {
    up_to(NAME_CHARS_MAX, typed)
}

/// The same rule for what may be longer or shorter than a name.
pub(crate) fn up_to(chars_max: usize, typed: &str) -> Result<Arc<str>, NameError> {
    if typed.chars().any(|c| is_among(STEERING, c)) {
        return Err(NameError::Character);
    }
    if typed.chars().all(|c| is_among(INVISIBLE, c)) {
        return Err(NameError::Empty);
    }
    if typed.chars().count() > chars_max {
        return Err(NameError::TooLong);
    }
    Ok(typed.trim().into())
}

fn is_among(ranges: &[RangeInclusive<char>], c: char) -> bool {
    ranges.iter().any(|range| range.contains(&c))
}

/// The same rule, but for the length, as a regular expression (ECMA-262) for whoever reads the description of the API.
pub(crate) fn pattern() -> String {
    let class = |ranges: &[RangeInclusive<char>]| {
        let mut text = String::new();
        for range in ranges {
            // All of them are in the basic plane. Writing to a String cannot fail.
            let (first, last) = (u32::from(*range.start()), u32::from(*range.end()));
            let _ = write!(text, "\\u{first:04X}");
            if first != last {
                let _ = write!(text, "-\\u{last:04X}");
            }
        }
        text
    };
    let (steering, invisible) = (class(STEERING), class(INVISIBLE));
    format!("^[^{steering}]*[^{steering}{invisible}][^{steering}]*$")
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
    fn no_control_character_and_no_space_is_left_out_of_the_tables() {
        for c in '\0'..=char::MAX {
            let known = is_among(STEERING, c) || is_among(INVISIBLE, c);
            assert!(known || !(c.is_control() || c.is_whitespace()), "{c:?}");
            assert!(!(is_among(STEERING, c) && is_among(INVISIBLE, c)), "{c:?}");
        }
    }

    #[test]
    fn the_pattern_reads_well() {
        let pattern = pattern();
        assert!(
            pattern.starts_with("^[^\\u0000-\\u001F\\u007F-\\u009F\\u061C"),
            "{pattern}"
        );
        assert!(pattern.ends_with("\\u2066-\\u2069]*$"), "{pattern}");
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
