//! Identifiers and units, each its own type, parsed once at the edge.
//!
//! A room `demo` has two lanes for fans, and each lane is one channel of the client protocol: `room:demo` (lossless)
//! and `chat:demo` (chatter); beside them `staff:demo` for moderators, and the ballot box `vote:demo`. Strings are
//! shared: a mega-room names itself 100,000 times.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest room or user id, bytes.
pub const ID_BYTES_MAX: usize = 64;

/// Milliseconds since 1970-01-01 UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

/// Position of a message in its channel; the first message has offset 1, an empty channel stands at 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl Offset {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Identity of one unbroken run of offsets. Offsets of two epochs must never be compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub Arc<str>);

/// A room: 1 to 64 bytes of `a-z A-Z 0-9 - _ .`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RoomId(Arc<str>);

impl RoomId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Its order is that of the text, so that it is found by one that is not known to be an id.
impl Borrow<str> for RoomId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RoomId {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Self, ChannelError> {
        if text.is_empty() || text.len() > ID_BYTES_MAX {
            return Err(ChannelError::Length { bytes: text.len() });
        }
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(ChannelError::Character)
        }
    }
}

/// Which of a room's two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// `room:ID`: the artist's and the staff's lane; lossless, ordered, recoverable.
    Room,
    /// `chat:ID`: the fans' chatter.
    Chat,
    /// `staff:ID`: the moderators' own lane; lossless, and closed to fans.
    Staff,
    /// `vote:ID`: the ballot box; written by the room, followed by nobody.
    Vote,
}

impl Lane {
    /// The namespace before the colon.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Chat => "chat",
            Self::Staff => "staff",
            Self::Vote => "vote",
        }
    }
}

/// One lane of one room, as the client protocol names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    /// Which lane.
    pub lane: Lane,
    /// Of which room.
    pub room: RoomId,
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.lane.prefix(), self.room)
    }
}

impl FromStr for Channel {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Self, ChannelError> {
        let (prefix, id) = text.split_once(':').ok_or(ChannelError::Lane)?;
        let lane = match prefix {
            "room" => Lane::Room,
            "chat" => Lane::Chat,
            "staff" => Lane::Staff,
            "vote" => Lane::Vote,
            _ => return Err(ChannelError::Lane),
        };
        Ok(Self {
            lane,
            room: id.parse()?,
        })
    }
}

/// Why a text names no channel.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// No lane stands in front.
    #[error("a channel is room:ID or chat:ID")]
    Lane,
    /// The id is empty or too long.
    #[error("a room id has 1 to {ID_BYTES_MAX} bytes, this one has {bytes}")]
    Length {
        /// What it has.
        bytes: usize,
    },
    /// A character outside the legal set.
    #[error("a room id is made of a-z A-Z 0-9 - _ .")]
    Character,
}

/// A fan, artist or member of staff, as the token names them: 8 bytes, and a share of the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub ArcStr);

/// What a client calls its own message, so that a repeated send is one message: 1 to 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientMessageId(pub Arc<str>);
