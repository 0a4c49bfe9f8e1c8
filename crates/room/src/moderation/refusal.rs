//! Why a request is turned down, in words that a fan can act on.

use std::time::Duration;

use fanwave_wire::UnixMillis;
use thiserror::Error;

/// Why a room does not do what was asked. The shell turns it into an error of the client protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// This role may not do this here.
    #[error("not allowed")]
    NotAllowed,
    /// Whoever is meant, or whoever imposed it, stands as high.
    #[error("not allowed against somebody of this rank")]
    Outranked,
    /// The fan may not be in this room.
    #[error("banned from this room")]
    Banned {
        /// Until when; for ever, when missing.
        until: Option<UnixMillis>,
    },
    /// The fan may read, not write.
    #[error("muted in this room")]
    Muted {
        /// Until when; for ever, when missing.
        until: Option<UnixMillis>,
    },
    /// Only members write now.
    #[error("only members write here now")]
    MembersOnly,
    /// Only those who have followed for a while write now.
    #[error("only those who have followed for {minutes} minutes write here now")]
    FollowersOnly {
        /// How long.
        minutes: u32,
        /// How much of it is left; missing for those who do not follow.
        retry_after: Option<Duration>,
    },
    /// Only emoji are written now.
    #[error("only emoji are written here now")]
    EmojiOnly,
    /// No links are written now.
    #[error("no links are written here now")]
    Links,
    /// It contains a word that is not said here.
    #[error("it contains a word that is not said here")]
    Word,
    /// Nothing that can be seen is left of the text.
    #[error("nothing to show")]
    Empty,
    /// Too many characters.
    #[error("{chars} characters, of at most {chars_max}")]
    TooLong {
        /// What it has after normalising.
        chars: usize,
        /// What the room takes.
        chars_max: usize,
    },
    /// The fan has sent too much lately, or the room is in slow mode.
    #[error("too fast")]
    TooFast {
        /// When it will be let in.
        retry_after: Duration,
    },
    /// The room has too much to do; this passes.
    #[error("the room is busy")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The fan has voted in this poll.
    #[error("voted already")]
    HasVoted,
    /// There is no such message, pin, poll, choice or penalty, or no longer.
    #[error("no such thing here, or no longer")]
    NotFound,
}

impl Refusal {
    /// After how long the same request may be granted; missing where waiting does not help.
    #[must_use]
    pub fn retry_after(self, now: UnixMillis) -> Option<Duration> {
        match self {
            Self::TooFast { retry_after } | Self::Busy { retry_after } => Some(retry_after),
            Self::FollowersOnly { retry_after, .. } => retry_after,
            Self::Banned { until } | Self::Muted { until } => {
                until.map(|until| Duration::from_millis(until.0.saturating_sub(now.0)))
            }
            Self::NotAllowed
            | Self::Outranked
            | Self::MembersOnly
            | Self::EmojiOnly
            | Self::Links
            | Self::Word
            | Self::Empty
            | Self::TooLong { .. }
            | Self::HasVoted
            | Self::NotFound => None,
        }
    }
}
