//! What a room says without keeping it: it is true for a moment, has no offset, and is in no history.
//!
//! A notice travels as a publication without an offset, which every client takes for what it is: something new in the
//! channel that moves no position. Whoever misses one has missed nothing that the next does not tell.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use thiserror::Error;

use crate::{ClientMessageId, Language, limits::REACTION_KIND_BYTES_MAX};

/// One notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// So many messages of a language were sent but not shown: more than anybody can read.
    More {
        /// Which language lane.
        language: Language,
        /// How many since the last notice about it.
        count: u64,
    },
    /// So many messages that were shown to others did not reach this fan, whose connection is too slow for them.
    Missed {
        /// How many.
        count: u64,
    },
    /// What was tapped since the last notice: taps per kind, at most [`crate::limits::REACTION_KINDS_MAX`] kinds.
    Reactions {
        /// Taps per kind; kinds that nobody tapped are left out.
        counts: BTreeMap<ReactionKind, u64>,
    },
    /// How a poll stands.
    Tally {
        /// Which.
        poll: ClientMessageId,
        /// Votes per choice, in the order of the choices.
        counts: Vec<u64>,
    },
    /// The server cannot reach what it shares its rooms through: nothing new is heard and nothing can be sent, until it can.
    Paused,
    /// It can again, and whatever was missed comes now.
    Resumed,
}

impl Notice {
    /// What it is called on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::More { .. } => "more",
            Self::Missed { .. } => "missed",
            Self::Reactions { .. } => "reactions",
            Self::Tally { .. } => "tally",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
        }
    }
}

/// What can be tapped, `heart` for one: 1 to [`REACTION_KIND_BYTES_MAX`] bytes of `a-z 0-9 - _`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReactionKind(Arc<str>);

impl ReactionKind {
    /// The kind as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReactionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ReactionKind {
    type Err = ReactionKindError;

    fn from_str(text: &str) -> Result<Self, ReactionKindError> {
        let legal = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
        };
        if (1..=REACTION_KIND_BYTES_MAX).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(ReactionKindError)
        }
    }
}

/// A text that names no reaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a reaction has 1 to {REACTION_KIND_BYTES_MAX} bytes of a-z 0-9 - _")]
pub struct ReactionKindError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reaction_is_a_short_plain_word() {
        for good in [
            "heart",
            "light-stick_2",
            "a",
            &"a".repeat(REACTION_KIND_BYTES_MAX),
        ] {
            assert_eq!(good.parse::<ReactionKind>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "Heart",
            "♥",
            "a b",
            "a\"",
            &"a".repeat(REACTION_KIND_BYTES_MAX + 1),
        ] {
            assert_eq!(bad.parse::<ReactionKind>(), Err(ReactionKindError), "{bad}");
        }
    }
}
