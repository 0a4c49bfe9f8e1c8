//! A message before and after its room has taken it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ClientMessageId, Offset, UnixMillis, UserId};

/// What a sender may do; comes from the signed token, never from the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May write to the chat lane.
    #[default]
    Fan,
    /// May also write to the lossless lane.
    Artist,
    /// May also write to the lossless lane.
    Staff,
}

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The account or guest id.
    pub user: UserId,
    /// The nickname shown, as signed in the token.
    pub name: Arc<str>,
    /// What the sender may do.
    pub role: Role,
}

/// A message that its room has not taken yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The client's own id of the message; the same sender and id is the same message.
    pub id: ClientMessageId,
    /// Who wrote it.
    pub sender: Sender,
    /// Plain text, never markup.
    pub text: Arc<str>,
}

/// A message with its place in the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Its place.
    pub offset: Offset,
    /// When the room took it.
    pub at: UnixMillis,
    /// What was sent, and by whom.
    pub draft: Draft,
}
