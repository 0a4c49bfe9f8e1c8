//! What servers say to each other through a broker: a message as its log keeps it, and a batch of them on its way.
//!
//! A [`Record`] is one message in the log of a broker. Its offset is no part of it: the broker's own position says it.
//! A [`Batch`] is what one append has added to one channel, and what every server that follows the channel hears: the
//! first offset, and the records, whose offsets count on from there. A [`Hearsay`] is what a server tells all others
//! about itself; its form stands in its module.
//!
//! | record, version 1 | bytes |
//! |---|---|
//! | version, 1 | 1 |
//! | kind: 0 a text, 1 an event | 1 |
//! | when the room took it, Unix milliseconds | 8 |
//! | client message id, user, name | 2 for the length, then UTF-8; each |
//! | role: 0 fan, 1 member, 2 moderator, 3 artist, 4 staff | 1 |
//! | badge: 0 none, or 1 and a text as above | 1 + |
//! | of a text: language (ISO 639-1 or `und`), as a text | 2 + |
//! | of a text: 0, or 1 with the offset it answers (8) and its user | 1 + |
//! | the text, or the event as JSON | 4 for the length, then UTF-8 |
//!
//! | batch, version 1 | bytes |
//! |---|---|
//! | version, 1 | 1 |
//! | channel, epoch | 1 for the length, then UTF-8; each |
//! | first offset | 8 |
//! | records, at least one | 4 for the length, then the record; each |
//!
//! Numbers have their highest byte first. A batch is so laid out that a broker's script can put it together without
//! reading a record: [`Batch::opening`], the epoch with its length, the first offset, and the framed records.
//!
//! **Versions**: a reader refuses a version that it does not know, and says which it met; it never guesses. A version
//! that adds something is read by the servers of one release before it is written by those of the next, so that both can
//! run side by side while they are exchanged.

mod hearsay;
mod read;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use thiserror::Error;

pub use self::hearsay::{
    About, Crowd, Hearsay, NodeId, NodeName, NodeNameError, NodeState, Sent, Taps,
};
use self::read::Reader;
use crate::{
    Body, Channel, Draft, Epoch, Offset, Publication, Role, UnixMillis, limits::BATCH_RECORDS_MAX,
};

/// The version of records and batches that this build writes, and the only one that it reads; hearsay has its own.
pub const VERSION: u8 = 1;

const TEXT: u8 = 0;
const EVENT: u8 = 1;

const ROLES: [Role; 5] = [
    Role::Fan,
    Role::Member,
    Role::Moderator,
    Role::Artist,
    Role::Staff,
];

/// A message as the log of a broker keeps it: everything but its offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When the room took it.
    pub at: UnixMillis,
    /// What was sent, and by whom.
    pub draft: Draft,
}

/// What one append has added to one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Which channel.
    pub channel: Channel,
    /// The run of offsets.
    pub epoch: Epoch,
    /// At least one, oldest first, with consecutive offsets.
    pub publications: Vec<Arc<Publication>>,
}

/// Why bytes are no record, no batch or no hearsay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Another release wrote it, in a way that this one does not know.
    #[error("version {found} is not known to this release")]
    Version {
        /// The version it has.
        found: u8,
    },
    /// It ends too early, or goes on after its end.
    #[error("the length is wrong")]
    Length,
    /// A field has a value that it cannot have.
    #[error("a field has a value that it cannot have")]
    Value,
}

impl Record {
    /// The record as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Draft { id, sender, body } = &self.draft;
        let mut out = vec![VERSION, kind(body)];
        out.extend(self.at.0.to_be_bytes());
        for text in [&*id.0, &*sender.user.0, &*sender.name] {
            put_text(&mut out, text);
        }
        let role = ROLES.iter().position(|role| *role == sender.role);
        out.push(u8::try_from(role.unwrap_or(0)).unwrap_or(0));
        match &sender.badge {
            None => out.push(0),
            Some(badge) => {
                out.push(1);
                put_text(&mut out, badge);
            }
        }
        match body {
            Body::Text(text) => {
                put_text(&mut out, text.language.code());
                match &text.reply_to {
                    None => out.push(0),
                    Some(reply) => {
                        out.push(1);
                        out.extend(reply.offset.0.to_be_bytes());
                        put_text(&mut out, &reply.user.0);
                    }
                }
                put_long(&mut out, text.text.as_bytes());
            }
            Body::Event(event) => {
                // An event is made of texts and numbers, which JSON always has a form for.
                put_long(&mut out, &serde_json::to_vec(event).unwrap_or_default());
            }
        }
        out
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// See [`EnvelopeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut reader = Reader::new(bytes);
        reader.version(VERSION)?;
        let record = reader.record()?;
        reader.end()?;
        Ok(record)
    }

    /// The record with its place.
    #[must_use]
    pub fn at_offset(self, offset: Offset) -> Publication {
        Publication {
            offset,
            at: self.at,
            draft: self.draft,
        }
    }
}

impl From<&Publication> for Record {
    fn from(publication: &Publication) -> Self {
        Self {
            at: publication.at,
            draft: publication.draft.clone(),
        }
    }
}

impl Batch {
    /// The beginning of every batch of a channel; the epoch with its length follows.
    #[must_use]
    pub fn opening(channel: &Channel) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_short(&mut out, &channel.to_string());
        out
    }

    /// A record with its length in front, as a batch has it.
    #[must_use]
    pub fn framed(record: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + record.len());
        put_long(&mut out, record);
        out
    }

    /// The batch as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Self::opening(&self.channel);
        put_short(&mut out, &self.epoch.0);
        let first = self.publications.first();
        let first = first.map_or(0, |publication| publication.offset.0);
        out.extend(first.to_be_bytes());
        for publication in &self.publications {
            put_long(&mut out, &Record::from(&**publication).encode());
        }
        out
    }

    /// Reads a batch.
    ///
    /// # Errors
    ///
    /// See [`EnvelopeError`]. One record of another version makes the whole batch refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut reader = Reader::new(bytes);
        reader.version(VERSION)?;
        let channel = reader.short()?.parse();
        let channel = channel.map_err(|_| EnvelopeError::Value)?;
        let epoch = Epoch(reader.short()?.into());
        let mut offset = Offset(reader.number()?);
        let mut publications = Vec::new();
        while !reader.is_at_end() {
            if publications.len() == BATCH_RECORDS_MAX || offset.0 == 0 || offset.0 == u64::MAX {
                return Err(EnvelopeError::Value);
            }
            let record = Record::decode(reader.long()?)?;
            publications.push(Arc::new(record.at_offset(offset)));
            offset = offset.next();
        }
        if publications.is_empty() {
            return Err(EnvelopeError::Length);
        }
        Ok(Self {
            channel,
            epoch,
            publications,
        })
    }
}

fn kind(body: &Body) -> u8 {
    match body {
        Body::Text(_) => TEXT,
        Body::Event(_) => EVENT,
    }
}

/// At most 255 bytes; a longer text is cut between two characters, which no channel and no epoch of ours ever is.
fn put_short(out: &mut Vec<u8>, text: &str) {
    let text = cut(text, u8::MAX.into());
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend(text.as_bytes());
}

/// At most 65,535 bytes; ids, names and badges have a hundredth of it.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let text = cut(text, u16::MAX.into());
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(text.as_bytes());
}

/// # Panics
///
/// When there are more than 4 GiB.
fn put_long(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a message is far below 4 GiB");
    out.extend(length.to_be_bytes());
    out.extend(bytes);
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
