//! A message before and after its room has taken it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ClientMessageId, Event, Language, Offset, UnixMillis, UserId};

/// What a sender may do; comes from the signed token, never from the message.
///
/// The order is the order of power: whoever may moderate somebody stands above them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May write to the chat lane.
    #[default]
    Fan,
    /// A fan whom members-only rooms let in, too.
    Member,
    /// May also moderate.
    Moderator,
    /// May also write to the lossless lane.
    Artist,
    /// May do everything.
    Staff,
}

impl Role {
    /// The role's name, as tokens and publications have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fan => "fan",
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Artist => "artist",
            Self::Staff => "staff",
        }
    }

    /// Whether this role may change what others say and see.
    #[must_use]
    pub const fn may_moderate(self) -> bool {
        matches!(self, Self::Moderator | Self::Artist | Self::Staff)
    }

    /// Whether this role may write to the lossless lane.
    #[must_use]
    pub const fn may_announce(self) -> bool {
        matches!(self, Self::Artist | Self::Staff)
    }
}

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The account or guest id.
    pub user: UserId,
    /// The nickname shown, as signed in the token.
    pub name: Arc<str>,
    /// What the sender may do.
    #[serde(default)]
    pub role: Role,
    /// What is shown beside the name ("VIP", "Verified"), as signed in the token. Messages of its holders are never
    /// sampled away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge: Option<Arc<str>>,
}

impl Sender {
    /// Somebody without a badge.
    #[must_use]
    pub fn new(user: UserId, name: impl Into<Arc<str>>, role: Role) -> Self {
        Self {
            user,
            name: name.into(),
            role,
            badge: None,
        }
    }
}

/// A message that its room has not taken yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The client's own id of the message; the same sender and id is the same message.
    pub id: ClientMessageId,
    /// Who wrote it.
    pub sender: Sender,
    /// What it is.
    pub body: Body,
}

impl Draft {
    /// A plain text in no particular language.
    #[must_use]
    pub fn text(id: ClientMessageId, sender: Sender, text: impl Into<Arc<str>>) -> Self {
        Self {
            id,
            sender,
            body: Body::Text(Text::plain(text)),
        }
    }
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Something said.
    Text(Text),
    /// Something that happened in the room: a pin, a gift, a poll, an act of moderation.
    Event(Box<Event>),
}

impl Body {
    /// The text, if something was said.
    #[must_use]
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Self::Text(text) => Some(text),
            Self::Event(_) => None,
        }
    }

    /// The event, if something happened.
    #[must_use]
    pub fn as_event(&self) -> Option<&Event> {
        match self {
            Self::Text(_) => None,
            Self::Event(event) => Some(event),
        }
    }
}

/// Something said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Plain text, never markup.
    pub text: Arc<str>,
    /// What it is written in, as far as the room could tell.
    #[serde(default, skip_serializing_if = "Language::is_unknown")]
    pub language: Language,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Box<ReplyTo>>,
}

impl Text {
    /// A text in no particular language that answers nothing.
    #[must_use]
    pub fn plain(text: impl Into<Arc<str>>) -> Self {
        Self {
            text: text.into(),
            language: Language::Unknown,
            reply_to: None,
        }
    }
}

/// The message that another one answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// Where it stands in the same channel.
    pub offset: Offset,
    /// Who wrote it: they are always shown the answer.
    pub user: UserId,
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
