//! What stands in the log of a partition: one record of Kafka is one entry, so that it is there whole or not.
//!
//! | entry, version 1 | bytes |
//! |---|---|
//! | `FWK`, and the version, 1 | 4 |
//! | mark: a random number, by which its writer knows it again | 16 |
//! | the newest entry that its writer had read: its place in Kafka, or -1, and its mark | 8 + 16 |
//! | kind: 0 messages, 1 a channel begins, 2 a channel's epoch ends, 3 the log has lost its end | 1 |
//! | of kinds 0 to 2: the channel | 1 for the length, then UTF-8 |
//! | of kinds 0 and 2: an epoch | 1 for the length, then UTF-8 |
//! | of kind 0: the head that the writer knew | 8 |
//! | of kind 0: records | 4 for the length, then the record; each |
//! | of kind 3: how often the log had lost its end before | 8 |
//!
//! Numbers have their highest byte first; what a record is, `wire::envelope` says. What does not begin with `FWK` is not
//! ours, and stands for nothing on every server alike. A version that is not known is another matter: whoever cannot
//! read an entry does not know what is true after it, and has to say so.

use fanwave_store::Standing;
use fanwave_wire::{Channel, Epoch, Offset, envelope::Record};

use super::bytes::{Rest, damaged, put_count, put_short};

/// What every entry of ours begins with.
const MAGIC: &[u8; 3] = b"FWK";

/// The version that this build writes, and the only one that it reads.
const VERSION: u8 = 1;

const APPEND: u8 = 0;
const BEGIN: u8 = 1;
const RENEW: u8 = 2;
const LOSS: u8 = 3;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// A random number.
    pub(super) mark: u128,
    /// The newest entry that its writer had read.
    pub(super) seen: Option<Seen>,
    pub(super) body: Body,
}

/// An entry, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its place in the partition of Kafka.
    pub(super) at: i64,
    pub(super) mark: u128,
}

/// What an entry does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// Appends messages to a channel, unless it has less than its writer knew.
    Append {
        channel: Channel,
        known: Standing,
        records: Vec<Record>,
    },
    /// Begins a channel, unless it has begun.
    Begin { channel: Channel },
    /// Ends an epoch of a channel, if it is still that.
    Renew { channel: Channel, lost: Epoch },
    /// Ends the epochs of all channels, if the log has not lost its end more often yet.
    Loss { losses: u64 },
}

/// Why bytes are no entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EntryError {
    /// Somebody else wrote it.
    Foreign,
    /// A release of ours wrote it that this one does not understand, or it is damaged.
    Unreadable(String),
}

impl Entry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        out.extend(self.mark.to_be_bytes());
        let seen = self.seen.unwrap_or(Seen { at: -1, mark: 0 });
        out.extend(seen.at.to_be_bytes());
        out.extend(seen.mark.to_be_bytes());
        match &self.body {
            Body::Append {
                channel,
                known,
                records,
            } => {
                out.push(APPEND);
                put_short(&mut out, &channel.to_string());
                put_short(&mut out, &known.epoch.0);
                out.extend(known.head.0.to_be_bytes());
                for record in records {
                    let record = record.encode();
                    put_count(&mut out, record.len());
                    out.extend(record);
                }
            }
            Body::Begin { channel } => {
                out.push(BEGIN);
                put_short(&mut out, &channel.to_string());
            }
            Body::Renew { channel, lost } => {
                out.push(RENEW);
                put_short(&mut out, &channel.to_string());
                put_short(&mut out, &lost.0);
            }
            Body::Loss { losses } => {
                out.push(LOSS);
                out.extend(losses.to_be_bytes());
            }
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(EntryError::Foreign)?;
        let mut rest = Rest::new(rest);
        let [version] = rest.take()?;
        if version != VERSION {
            let reason = format!(
                "an entry of version {version}, where this release reads version {VERSION}"
            );
            return Err(EntryError::Unreadable(reason));
        }
        let mark = u128::from_be_bytes(rest.take()?);
        let at = i64::from_be_bytes(rest.take()?);
        let seen = Seen {
            at,
            mark: u128::from_be_bytes(rest.take()?),
        };
        let [kind] = rest.take()?;
        let body = match kind {
            APPEND => append(&mut rest)?,
            BEGIN => Body::Begin {
                channel: rest.channel()?,
            },
            RENEW => Body::Renew {
                channel: rest.channel()?,
                lost: Epoch(rest.short()?.into()),
            },
            LOSS => Body::Loss {
                losses: rest.number()?,
            },
            _ => return Err(damaged()),
        };
        if !rest.is_empty() {
            return Err(damaged());
        }
        Ok(Self {
            mark,
            seen: (at >= 0).then_some(seen),
            body,
        })
    }
}

fn append(rest: &mut Rest<'_>) -> Result<Body, EntryError> {
    let channel = rest.channel()?;
    let known = Standing {
        epoch: Epoch(rest.short()?.into()),
        head: Offset(rest.number()?),
    };
    let mut records = Vec::new();
    while !rest.is_empty() {
        let length = rest.count()?;
        let record = Record::decode(rest.bytes(length)?);
        records.push(record.map_err(|error| EntryError::Unreadable(error.to_string()))?);
    }
    Ok(Body::Append {
        channel,
        known,
        records,
    })
}
