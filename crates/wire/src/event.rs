//! What happens in a room beside what is said: ordered, durable, and the same for every node that replays them.
//!
//! An event is the body of a message in one of three lanes. In the `room` lane fans see it: acts of moderation, pins,
//! gifts, polls, the room's mode. In the `staff` lane only moderators do: held messages, reports, word
//! lists. In the `vote` lane
//! nobody does: it is the ballot box. A room's rules are the fold of its events, so whoever has replayed them knows
//! what is allowed, deleted and counted, without asking anybody.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ClientMessageId, Language, Offset, Sender, Text, UnixMillis, UserId};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// `room`: a message of the chat lane is gone, everywhere and for ever.
    Deleted {
        /// Which one.
        offset: Offset,
    },
    /// `room`: all that a user has said in the chat lane so far is gone.
    Cleared {
        /// Whose.
        user: UserId,
        /// Up to here, inclusive: what they say later stays.
        through: Offset,
    },
    /// `room`: a user may not write for a while; for ever, when `until` is missing.
    Muted {
        /// Who.
        user: UserId,
        /// Until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<UnixMillis>,
    },
    /// `room`: a user may not be here; for ever, when `until` is missing. Their connections are closed.
    Banned {
        /// Who.
        user: UserId,
        /// Until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<UnixMillis>,
    },
    /// `room`: a mute or a ban is over.
    Pardoned {
        /// Who.
        user: UserId,
    },
    /// `room`: what the room asks of writers from now on.
    Mode(Mode),
    /// `room`: one message is held up for everybody.
    Pinned {
        /// Its id, chosen by whoever pinned it: a pin may be a message or a notice of its own.
        pin: ClientMessageId,
        /// What it says.
        text: Arc<str>,
        /// The message of the chat lane, if it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        offset: Option<Offset>,
    },
    /// `room`: a pin is taken down.
    Unpinned {
        /// Which.
        pin: ClientMessageId,
    },
    /// `room`: a fan has given something.
    Gift {
        /// Which gift, as the shop calls it.
        gift: Arc<str>,
        /// How many.
        count: u32,
        /// What the fan says with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Arc<str>>,
    },
    /// `room`: a poll is open.
    PollOpened {
        /// Its id.
        poll: ClientMessageId,
        /// What is asked.
        question: Arc<str>,
        /// What may be answered, 2 to 10.
        choices: Vec<Arc<str>>,
        /// Until when, unless closed before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<UnixMillis>,
    },
    /// `room`: a poll is closed; these are the votes.
    PollClosed {
        /// Its id.
        poll: ClientMessageId,
        /// Votes per choice.
        counts: Vec<u64>,
    },
    /// `vote`: one fan has voted. The draft's sender is the fan, and its id the poll's: so a second vote is a duplicate.
    Voted {
        /// Index of the choice.
        choice: u8,
    },
    /// `staff`: a message waits for review.
    Held {
        /// Who wrote it.
        sender: Sender,
        /// Its client message id.
        id: ClientMessageId,
        /// What it says.
        text: Text,
        /// Why it was held.
        reason: HoldReason,
    },
    /// `staff`: a held message has been let in or turned away.
    Reviewed {
        /// Offset of the [`Event::Held`] in the staff lane.
        held: Offset,
        /// Whether it was let in.
        approved: bool,
    },
    /// `staff`: a fan has told the moderators of a message of the chat lane. The draft's sender is the fan, and its id is
    /// made of the offset: so each fan reports a message once. What the message says is not repeated: it may be deleted.
    Reported {
        /// Which one.
        offset: Offset,
        /// What is wrong with it, as the fan sees it.
        reason: ReportReason,
    },
    /// `staff`: a moderator has looked at what was reported about a message, and leaves it. Later reports of it are not kept.
    ReportsDismissed {
        /// Which one.
        offset: Offset,
    },
    /// `staff`: words of one language that may not be said, from now on.
    Words {
        /// In which language; [`Language::Unknown`] for all.
        language: Language,
        /// The whole list; it replaces the former one.
        words: Vec<Arc<str>>,
    },
}

impl Event {
    /// What it is called on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Deleted { .. } => "deleted",
            Self::Cleared { .. } => "cleared",
            Self::Muted { .. } => "muted",
            Self::Banned { .. } => "banned",
            Self::Pardoned { .. } => "pardoned",
            Self::Mode(_) => "mode",
            Self::Pinned { .. } => "pinned",
            Self::Unpinned { .. } => "unpinned",
            Self::Gift { .. } => "gift",
            Self::PollOpened { .. } => "poll_opened",
            Self::PollClosed { .. } => "poll_closed",
            Self::Voted { .. } => "voted",
            Self::Held { .. } => "held",
            Self::Reviewed { .. } => "reviewed",
            Self::Reported { .. } => "reported",
            Self::ReportsDismissed { .. } => "reports_dismissed",
            Self::Words { .. } => "words",
        }
    }
}

/// Why a message waits for review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// The room holds every message.
    Room,
    /// It contains a listed word.
    Word,
}

/// What a fan finds wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportReason {
    /// Advertising, or the same again and again.
    Spam,
    /// Somebody is insulted, threatened or put down.
    Abuse,
    /// It is sexual.
    Sexual,
    /// It tells what is nobody's business: an address, a number, a name.
    Private,
    /// Something else.
    Other,
}

impl ReportReason {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Spam,
        Self::Abuse,
        Self::Sexual,
        Self::Private,
        Self::Other,
    ];

    /// What it is called on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Abuse => "abuse",
            Self::Sexual => "sexual",
            Self::Private => "private",
            Self::Other => "other",
        }
    }
}

/// What a room asks of writers. Moderators, artists and staff are exempt from all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch on a moderator's screen"
)]
pub struct Mode {
    /// Seconds a fan waits between two messages; 0 is off.
    pub slow_seconds: u32,
    /// Only members write.
    pub members_only: bool,
    /// Only fans who have followed for so many minutes write; `None` is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub followers_minutes: Option<u32>,
    /// Only emoji are written.
    pub emoji_only: bool,
    /// Every message waits for review.
    pub hold: bool,
    /// One switch for a raid: members or long-time followers only, slow, no links, listed words refused at once.
    pub shield: bool,
}
