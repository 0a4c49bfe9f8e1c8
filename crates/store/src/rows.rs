//! Between our types and the columns of a row, whichever database it is of.

use std::sync::Arc;

use fanwave_wire::{
    Body, ClientMessageId, Draft, Epoch, Language, Offset, Publication, ReplyTo, Role, Sender,
    Text, UnixMillis, UserId,
};
use thiserror::Error;

use crate::{Held, Standing, row::row};

/// A column holds what was never written there.
#[derive(Debug, Error)]
enum ColumnError {
    #[error("a number is negative")]
    Negative,
    #[error("a role is unknown")]
    Role,
    #[error("an event cannot be read")]
    Event,
    #[error("its checksum is of something else")]
    Changed,
}

/// The integers of databases have a sign. No offset or time comes near the end of their range; a bound of a range may,
/// and then means everything.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number in a column.
fn unsigned(number: i64) -> Result<u64, sqlx::Error> {
    u64::try_from(number).map_err(|_| damaged(ColumnError::Negative))
}

fn damaged(error: ColumnError) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

row! {
    /// A row of [`STANDING`](crate::statements::STANDING).
    #[derive(Debug)]
    pub(crate) struct StandingRow {
        epoch: String,
        head: i64,
    }
}

impl StandingRow {
    pub(crate) fn standing(self) -> Result<Standing, sqlx::Error> {
        Ok(Standing {
            epoch: Epoch(self.epoch.into()),
            head: Offset(unsigned(self.head)?),
        })
    }
}

row! {
    /// A message that a log holds under the id of one that is to be written.
    #[derive(Debug)]
    pub(crate) struct HeldRow {
        pub(crate) user_id: String,
        pub(crate) client_id: String,
        message_offset: i64,
        at: i64,
    }
}

impl HeldRow {
    /// What is said of the message that was to get this offset.
    pub(crate) fn held(&self, proposed: Offset) -> Result<Held, sqlx::Error> {
        Ok(Held {
            proposed,
            offset: Offset(unsigned(self.message_offset)?),
            at: UnixMillis(unsigned(self.at)?),
        })
    }
}

/// The columns of a [`MessageRow`], of the table of messages as `m`.
pub(crate) const COLUMNS: &str = "m.message_offset, m.at, m.user_id, m.name, m.role, m.client_id, m.text, m.badge, \
     m.language, m.reply_offset, m.reply_user, m.event, m.checksum";

row! {
    /// A row of [`COLUMNS`].
    #[derive(Debug)]
    pub(crate) struct MessageRow<'r> {
        pub(crate) message_offset: i64,
        pub(crate) at: i64,
        pub(crate) user_id: &'r str,
        pub(crate) name: &'r str,
        pub(crate) role: &'r str,
        pub(crate) client_id: &'r str,
        pub(crate) text: &'r str,
        pub(crate) badge: Option<&'r str>,
        pub(crate) language: Option<&'r str>,
        pub(crate) reply_offset: Option<i64>,
        pub(crate) reply_user: Option<&'r str>,
        pub(crate) event: Option<&'r str>,
        /// CRC-32 of the other columns, where one was made.
        pub(crate) checksum: Option<i64>,
    }
}

impl MessageRow<'_> {
    /// The message in it.
    pub(crate) fn publication(&self) -> Result<Publication, sqlx::Error> {
        if self.checksum.is_some_and(|made| made != self.sum()) {
            return Err(damaged(ColumnError::Changed));
        }
        Ok(Publication {
            offset: Offset(unsigned(self.message_offset)?),
            at: UnixMillis(unsigned(self.at)?),
            draft: Draft {
                id: ClientMessageId(self.client_id.into()),
                sender: Sender {
                    user: UserId(self.user_id.into()),
                    name: self.name.into(),
                    role: role(self.role)?,
                    badge: self.badge.map(Arc::from),
                },
                body: self.body()?,
            },
        })
    }

    /// The checksum of what is in it: each column by its length, or that it has nothing, and its bytes.
    fn sum(&self) -> i64 {
        let mut hasher = crc32fast::Hasher::new();
        let mut column = |bytes: Option<&[u8]>| {
            let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
            hasher.update(&length.to_le_bytes());
            hasher.update(bytes.unwrap_or_default());
        };
        column(Some(&self.message_offset.to_le_bytes()));
        column(Some(&self.at.to_le_bytes()));
        for text in [
            self.user_id,
            self.name,
            self.role,
            self.client_id,
            self.text,
        ] {
            column(Some(text.as_bytes()));
        }
        for text in [self.badge, self.language, self.reply_user, self.event] {
            column(text.map(str::as_bytes));
        }
        let reply_offset = self.reply_offset.map(i64::to_le_bytes);
        column(reply_offset.as_ref().map(<[u8; 8]>::as_slice));
        hasher.finalize().into()
    }

    fn body(&self) -> Result<Body, sqlx::Error> {
        if let Some(event) = self.event {
            let event = serde_json::from_str(event).map_err(|_| damaged(ColumnError::Event))?;
            return Ok(Body::Event(Box::new(event)));
        }
        let reply_to = match self.reply_user {
            Some(user) => Some(Box::new(ReplyTo {
                offset: Offset(unsigned(self.reply_offset.unwrap_or_default())?),
                user: UserId(user.into()),
            })),
            None => None,
        };
        Ok(Body::Text(Text {
            text: self.text.into(),
            // A language that a newer version told apart is one that this one cannot.
            language: self
                .language
                .and_then(Language::of_code)
                .unwrap_or_default(),
            reply_to,
        }))
    }
}

fn role(name: &str) -> Result<Role, sqlx::Error> {
    let all = [
        Role::Fan,
        Role::Member,
        Role::Moderator,
        Role::Artist,
        Role::Staff,
    ];
    all.into_iter()
        .find(|role| role.name() == name)
        .ok_or_else(|| damaged(ColumnError::Role))
}

/// A message as it is written: what does not lie in it ready for its column.
#[derive(Debug)]
pub(crate) struct Written<'m> {
    pub(crate) publication: &'m Publication,
    pub(crate) text: &'m str,
    pub(crate) language: Option<&'static str>,
    pub(crate) reply_offset: Option<i64>,
    pub(crate) reply_user: Option<&'m str>,
    pub(crate) event: Option<String>,
}

impl<'m> Written<'m> {
    /// By which it is known again.
    pub(crate) fn checksum(&self) -> i64 {
        let Publication { offset, at, draft } = self.publication;
        let row = MessageRow {
            message_offset: signed(offset.0),
            at: signed(at.0),
            user_id: &draft.sender.user.0,
            name: &draft.sender.name,
            role: draft.sender.role.name(),
            client_id: &draft.id.0,
            text: self.text,
            badge: draft.sender.badge.as_deref(),
            language: self.language,
            reply_offset: self.reply_offset,
            reply_user: self.reply_user,
            event: self.event.as_deref(),
            checksum: None,
        };
        row.sum()
    }

    pub(crate) fn new(publication: &'m Publication) -> Result<Self, sqlx::Error> {
        let body = &publication.draft.body;
        let text = body.as_text();
        let reply = text.and_then(|text| text.reply_to.as_deref());
        let language = text
            .map(|text| text.language)
            .filter(|language| !language.is_unknown());
        let event = body.as_event().map(serde_json::to_string).transpose();
        Ok(Self {
            publication,
            text: text.map_or("", |text| &*text.text),
            language: language.map(Language::code),
            reply_offset: reply.map(|reply| signed(reply.offset.0)),
            reply_user: reply.map(|reply| &*reply.user.0),
            event: event.map_err(|error| sqlx::Error::Encode(error.into()))?,
        })
    }
}
