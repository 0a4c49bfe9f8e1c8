//! Why a publisher is not taken, and in which words each protocol says so.

use thiserror::Error;

use crate::metrics::Refusal;

/// Why a publisher is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Denial {
    /// No channel has that key.
    #[error("unknown stream key")]
    UnknownKey,
    /// Somebody else is publishing under it.
    #[error("the channel is already being published to")]
    Busy,
    /// The authoriser says no.
    #[error("the authoriser refused: {reason}")]
    Refused {
        /// In its own words.
        reason: String,
    },
    /// The authoriser says yes, and names a channel that is not there.
    #[error("the authoriser allowed a channel that does not exist")]
    UnknownChannel,
    /// The authoriser says nothing.
    #[error("the authoriser could not be asked: {why}")]
    Unasked {
        /// Why not.
        why: String,
    },
}

impl Denial {
    /// Under which reason it is counted.
    pub(crate) fn counted(&self) -> Refusal {
        match self {
            Self::UnknownKey => Refusal::Key,
            Self::Busy => Refusal::Busy,
            Self::Refused { .. } | Self::UnknownChannel => Refusal::Authoriser,
            Self::Unasked { .. } => Refusal::Unasked,
        }
    }

    /// The `code` and `description` of RTMP's `onStatus` message, which encoders show: the protocol's own words.
    pub(crate) fn status(&self) -> (&'static str, &str) {
        match self {
            Self::UnknownKey => ("NetStream.Publish.Denied", "Unknown stream key."),
            Self::Busy => (
                "NetStream.Publish.BadName",
                "This channel is already being published to.",
            ),
            Self::Refused { reason } => ("NetStream.Publish.Denied", reason),
            Self::UnknownChannel => ("NetStream.Publish.BadName", "There is no such channel."),
            Self::Unasked { .. } => (
                "NetStream.Publish.Failed",
                "Whether you may publish cannot be checked now: try again.",
            ),
        }
    }
}
