//! What a client can ask of a room by RPC: methods, arguments and their bounds, parsed once.
//!
//! `send` writes a message into a channel; every other method names its room: `{"room":"demo",...}`. Parsing knows what
//! can be an argument at all. Whether this caller may do it, and whether the message, poll or pin exists, is the room's
//! business. Nothing of what a client sent is kept in an error.
//!
//! | method | argument beside `room` | what it asks |
//! |---|---|---|
//! | `send` | `channel` (instead of `room`), `id?`, `text`, `reply_to?` | say something |
//! | `delete` | `offset` | take a message of the chat lane away |
//! | `clear` | `user` | take all of a user's messages away |
//! | `mute`, `ban` | `user`, `seconds?` | silence somebody, or send them out; for ever without a time |
//! | `pardon` | `user` | end a mute or a ban |
//! | `mode` | the switches of [`Mode`]; what is left out is off | what the room asks of writers |
//! | `pin` | `id?`, `text`, `offset?` | hold something up |
//! | `unpin` | `pin` | take it down |
//! | `gift` | `id?`, `gift`, `count?`, `text?` | give something |
//! | `poll.open` | `id?`, `question`, `choices`, `seconds?` | ask everybody |
//! | `poll.close` | `poll` | end a poll |
//! | `vote` | `poll`, `choice` | answer it, once |
//! | `react` | `batch`, `taps` | tap: `{"heart":3}` |
//! | `report` | `offset`, `reason` | tell the moderators of a message of the chat lane |
//! | `reports.dismiss` | `offset` | leave a message that was reported |
//! | `review` | `held`, `approve` | let a held message in, or turn it away |
//! | `words` | `language`, `words` | words that may not be said |
//! | `follow` | `languages` | which languages to be shown: `["ko","en"]` or `"all"` |
//! | `presence.page` | `after?`, `limit?` | who is there |

use std::{collections::BTreeMap, sync::Arc};

use serde_json::value::RawValue;
use thiserror::Error;

use crate::{
    ClientMessageId, Language, Mode, Offset, ReactionKind, ReportReason, RoomId, UserId,
    limits::{
        CLIENT_MESSAGE_ID_BYTES_MAX, FOLLOWERS_MINUTES_MAX, GIFT_COUNT_MAX, GIFT_NAME_BYTES_MAX,
        GIFT_TEXT_CHARS_MAX, MESSAGE_TEXT_CHARS_MAX, PENALTY_SECONDS_MAX, POLL_CHOICE_CHARS_MAX,
        POLL_CHOICES_MAX, POLL_CHOICES_MIN, POLL_QUESTION_CHARS_MAX, POLL_SECONDS_MAX,
        REACTION_KINDS_MAX, SLOW_SECONDS_MAX, USER_ID_BYTES_MAX, WORD_BYTES_MAX, WORDS_MAX,
    },
    protocol::{MessageError, SendCall},
};

mod fields;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Say something.
    Send(SendCall),
    /// Do what becomes an event of the room.
    Act {
        /// In which room.
        room: RoomId,
        /// What.
        action: Action,
    },
    /// Answer a poll.
    Vote {
        /// In which room.
        room: RoomId,
        /// Which poll.
        poll: ClientMessageId,
        /// Index of the choice; whether the poll has it is the room's business.
        choice: u8,
    },
    /// Tap.
    React {
        /// In which room.
        room: RoomId,
        /// What the client calls this batch: the same sender and batch counts once.
        batch: ClientMessageId,
        /// Taps per kind: 1 to [`REACTION_KINDS_MAX`] kinds, each tapped at least once. How many count is the room's
        /// business.
        taps: BTreeMap<ReactionKind, u32>,
    },
    /// Choose which languages of the chat lane to be shown.
    Follow {
        /// In which room.
        room: RoomId,
        /// Which.
        languages: Languages,
    },
    /// Read one page of who is there.
    PresencePage {
        /// In which room.
        room: RoomId,
        /// Begin after this user; with the first when it is missing.
        after: Option<UserId>,
        /// At most so many, 1 to [`crate::limits::PRESENCE_PAGE_MAX`].
        limit: usize,
    },
}

/// What becomes an event of the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Take a message of the chat lane away.
    Delete {
        /// Which.
        offset: Offset,
    },
    /// Take all that a user said in the chat lane away.
    Clear {
        /// Whose.
        user: UserId,
    },
    /// Let a user read only.
    Mute {
        /// Whom.
        user: UserId,
        /// For how long; for ever when it is missing. At least 1, at most [`PENALTY_SECONDS_MAX`].
        seconds: Option<u32>,
    },
    /// Send a user out of the room.
    Ban {
        /// Whom.
        user: UserId,
        /// For how long; for ever when it is missing. At least 1, at most [`PENALTY_SECONDS_MAX`].
        seconds: Option<u32>,
    },
    /// End a mute or a ban.
    Pardon {
        /// Whose.
        user: UserId,
    },
    /// Change what the room asks of writers; the former mode is replaced whole.
    Mode(Mode),
    /// Hold something up for everybody.
    Pin {
        /// What the client calls the pin; made by the gateway when it is missing.
        id: Option<ClientMessageId>,
        /// What it says: 1 to [`MESSAGE_TEXT_CHARS_MAX`] characters.
        text: Arc<str>,
        /// The message of the chat lane, if it is one.
        offset: Option<Offset>,
    },
    /// Take a pin down.
    Unpin {
        /// Which.
        pin: ClientMessageId,
    },
    /// Give something.
    Gift {
        /// What the client calls this giving; made by the gateway when it is missing.
        id: Option<ClientMessageId>,
        /// Which gift: 1 to [`GIFT_NAME_BYTES_MAX`] bytes.
        gift: Arc<str>,
        /// How many: 1 to [`GIFT_COUNT_MAX`].
        count: u32,
        /// What is said with it: 1 to [`GIFT_TEXT_CHARS_MAX`] characters.
        text: Option<Arc<str>>,
    },
    /// Ask everybody.
    OpenPoll {
        /// What the client calls the poll; made by the gateway when it is missing.
        id: Option<ClientMessageId>,
        /// What is asked: 1 to [`POLL_QUESTION_CHARS_MAX`] characters.
        question: Arc<str>,
        /// What may be answered: [`POLL_CHOICES_MIN`] to [`POLL_CHOICES_MAX`], each of 1 to
        /// [`POLL_CHOICE_CHARS_MAX`] characters.
        choices: Vec<Arc<str>>,
        /// For how long; until it is closed when it is missing. At least 1, at most [`POLL_SECONDS_MAX`].
        seconds: Option<u32>,
    },
    /// End a poll.
    ClosePoll {
        /// Which.
        poll: ClientMessageId,
    },
    /// Tell the moderators of a message.
    Report {
        /// Where it stands in the chat lane.
        offset: Offset,
        /// What is wrong with it.
        reason: ReportReason,
    },
    /// Leave a message that was reported: what was reported about it is done with.
    DismissReports {
        /// Where it stands in the chat lane.
        offset: Offset,
    },
    /// Let a held message in, or turn it away.
    Review {
        /// Offset of the [`crate::Event::Held`] in the staff lane.
        held: Offset,
        /// Let it in.
        approve: bool,
    },
    /// Replace the list of words of one language that may not be said.
    Words {
        /// Which language; [`Language::Unknown`] for words that are forbidden in all.
        language: Language,
        /// At most [`WORDS_MAX`] words, each of 1 to [`WORD_BYTES_MAX`] bytes.
        words: Vec<Arc<str>>,
    },
}

/// A choice of languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Languages {
    /// All of them.
    #[default]
    All,
    /// These, and what is in no language ([`Language::Unknown`]) besides: emoji are everybody's.
    Only(LanguageSet),
}

impl Languages {
    /// Whether a message in this language is wanted.
    #[must_use]
    pub const fn contains(self, language: Language) -> bool {
        match self {
            Self::All => true,
            Self::Only(set) => language.is_unknown() || set.contains(language),
        }
    }
}

/// A set of languages, in 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LanguageSet(u16);

impl LanguageSet {
    /// The set and one more.
    #[must_use]
    pub const fn with(self, language: Language) -> Self {
        Self(self.0 | 1 << language.index())
    }

    /// Whether a language is in it.
    #[must_use]
    pub const fn contains(self, language: Language) -> bool {
        self.0 & (1 << language.index()) != 0
    }
}

impl FromIterator<Language> for LanguageSet {
    fn from_iter<I: IntoIterator<Item = Language>>(languages: I) -> Self {
        languages.into_iter().fold(Self::default(), Self::with)
    }
}

/// Why a call is none; the answer to the client is error 104 for a method that nobody knows, and 107 for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CallError {
    /// There is no such method.
    #[error("no such method")]
    UnknownMethod,
    /// The argument is missing, has another shape, or a field of another type.
    #[error("argument has another shape")]
    Shape,
    /// `room` names none.
    #[error("no such room")]
    Room,
    /// An id is empty, too long, or has control characters.
    #[error("an id has 1 to {CLIENT_MESSAGE_ID_BYTES_MAX} bytes and no control characters")]
    Id,
    /// A user id is empty, too long, or has control characters.
    #[error("a user id has 1 to {USER_ID_BYTES_MAX} bytes and no control characters")]
    User,
    /// A mute or ban is too short or too long.
    #[error("a mute or ban lasts 1 to {PENALTY_SECONDS_MAX} seconds, or for ever")]
    Penalty,
    /// A switch of the mode is out of its range.
    #[error(
        "slow_seconds is at most {SLOW_SECONDS_MAX}, followers_minutes at most {FOLLOWERS_MINUTES_MAX}"
    )]
    Mode,
    /// A pin says nothing, or too much.
    #[error("a pin has 1 to {MESSAGE_TEXT_CHARS_MAX} characters")]
    Pin,
    /// A gift has an illegal name, count or text.
    #[error(
        "a gift has a name of 1 to {GIFT_NAME_BYTES_MAX} bytes, a count of 1 to {GIFT_COUNT_MAX} and a text of 1 to \
         {GIFT_TEXT_CHARS_MAX} characters"
    )]
    Gift,
    /// A poll has an illegal question, choices or time.
    #[error(
        "a poll has a question of 1 to {POLL_QUESTION_CHARS_MAX} characters, {POLL_CHOICES_MIN} to {POLL_CHOICES_MAX} \
         choices of 1 to {POLL_CHOICE_CHARS_MAX}, and lasts 1 to {POLL_SECONDS_MAX} seconds"
    )]
    Poll,
    /// A batch of taps is empty, has too many kinds, or one that cannot be.
    #[error("a batch has taps of 1 to {REACTION_KINDS_MAX} kinds")]
    Taps,
    /// A report has no reason that there is.
    #[error("a report has a reason: spam, abuse, sexual, private or other")]
    Reason,
    /// A list of words is too long, or one of them is.
    #[error("a list has at most {WORDS_MAX} words of 1 to {WORD_BYTES_MAX} bytes")]
    Words,
    /// A language that rooms do not tell apart.
    #[error("no such language")]
    Language,
}

impl From<MessageError> for CallError {
    fn from(error: MessageError) -> Self {
        match error {
            MessageError::Shape => Self::Shape,
            MessageError::Id => Self::Id,
        }
    }
}

impl Call {
    /// Reads the argument of a method.
    ///
    /// # Errors
    ///
    /// The method does not exist, or the argument cannot be one of its.
    pub fn parse(method: &str, data: Option<&RawValue>) -> Result<Self, CallError> {
        fields::parse(method, data)
    }
}

#[cfg(test)]
mod tests;
