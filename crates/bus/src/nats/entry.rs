//! What one message of JetStream holds: a batch, or where a channel stands; and the way back through the log.
//!
//! | entry, version 1 | bytes |
//! |---|---|
//! | version, 1 | 1 |
//! | mark, at random: two entries are never taken for each other | 8 |
//! | how many entries of the channel before it are named, at most 32 | 1 |
//! | their places in the stream, newest first: the first as it is, the others by their distance; 7 bits a byte, lowest first | 1 to 10, each |
//! | kind: 0 a batch, 1 a standing | 1 |
//! | of a batch: the batch, see [`fanwave_wire::envelope`] | |
//! | of a standing: epoch, 1 for the length, then UTF-8; and head | 1 + ; 8 |
//!
//! Numbers have their highest byte first. JetStream finds the newest message of a subject and the next after a place, but
//! not the one before: so every entry names those before it, and whoever reads back asks for many at once.
//!
//! **What counts.** Of all entries that name the same one as the newest before them, the first counts, and no other. A server
//! of NATS is told to take no second one; but a cluster of some releases takes two that come at the same moment.

use std::sync::Arc;

use fanwave_store::Standing;
use fanwave_wire::{
    Epoch, Offset, Publication,
    envelope::{Batch, EnvelopeError},
};

use crate::limits::NATS_POINTERS_MAX;

const VERSION: u8 = 1;
const BATCH: u8 = 0;
const STANDING: u8 = 1;

/// One entry of a channel's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Tells it from any other that could come to stand in its place.
    pub(super) mark: u64,
    /// The places of those before it, newest first.
    pub(super) previous: Vec<u64>,
    pub(super) body: Body,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// Messages are added.
    Batch(Batch),
    /// A channel begins, or begins anew, or is found to stand here.
    Standing(Standing),
}

/// An entry and its place in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: u64,
    /// Of the newest entry: the place of the very last, which may be one that does not count.
    pub(super) last: u64,
    pub(super) entry: Entry,
}

impl Found {
    /// The place of the entry that its writer took for the newest.
    pub(super) fn follows(&self) -> Option<u64> {
        self.entry.previous.first().copied()
    }

    /// What the next entry of the channel names as those before it.
    pub(super) fn trail(&self) -> Vec<u64> {
        let before = self.entry.previous.iter().copied();
        let trail = std::iter::once(self.place).chain(before);
        trail.take(NATS_POINTERS_MAX).collect()
    }
}

impl Entry {
    /// Where the channel stands with this entry as its newest.
    pub(super) fn standing(&self) -> Standing {
        match &self.body {
            Body::Standing(standing) => standing.clone(),
            Body::Batch(batch) => Standing {
                epoch: batch.epoch.clone(),
                head: batch.publications.last().map_or(Offset(0), |p| p.offset),
            },
        }
    }

    /// The messages it adds, oldest first.
    pub(super) fn publications(&self) -> &[Arc<Publication>] {
        match &self.body {
            Body::Batch(batch) => &batch.publications,
            Body::Standing(_) => &[],
        }
    }

    /// The entry as bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.mark.to_be_bytes());
        let named = self.previous.len().min(NATS_POINTERS_MAX);
        out.push(u8::try_from(named).unwrap_or(0));
        let mut last = None;
        for place in &self.previous[..named] {
            let distance = last.map_or(*place, |last: u64| last.saturating_sub(*place));
            put_number(&mut out, distance);
            last = Some(*place);
        }
        match &self.body {
            Body::Batch(batch) => {
                out.push(BATCH);
                out.extend(batch.encode());
            }
            Body::Standing(standing) => {
                out.push(STANDING);
                let epoch = &standing.epoch.0;
                out.push(u8::try_from(epoch.len()).unwrap_or(0));
                out.extend(epoch.as_bytes());
                out.extend(standing.head.0.to_be_bytes());
            }
        }
        out
    }

    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// It is of another version, or damaged.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut rest = bytes;
        match array(&mut rest)? {
            [VERSION] => {}
            [found] => return Err(EnvelopeError::Version { found }),
        }
        let mark = u64::from_be_bytes(array(&mut rest)?);
        let [named] = array(&mut rest)?;
        if usize::from(named) > NATS_POINTERS_MAX {
            return Err(EnvelopeError::Value);
        }
        let mut previous: Vec<u64> = Vec::with_capacity(named.into());
        for _ in 0..named {
            let number = number(&mut rest)?;
            let place = match previous.last() {
                None => number,
                // Each is older than the one before: a reader always comes to an end.
                Some(_) if number == 0 => return Err(EnvelopeError::Value),
                Some(last) => last.checked_sub(number).ok_or(EnvelopeError::Value)?,
            };
            previous.push(place);
        }
        let body = match array(&mut rest)? {
            [BATCH] => Body::Batch(Batch::decode(rest)?),
            [STANDING] => Body::Standing(standing(rest)?),
            _ => return Err(EnvelopeError::Value),
        };
        Ok(Self {
            mark,
            previous,
            body,
        })
    }
}

fn standing(mut rest: &[u8]) -> Result<Standing, EnvelopeError> {
    let [length] = array(&mut rest)?;
    let (epoch, mut rest) = rest
        .split_at_checked(length.into())
        .ok_or(EnvelopeError::Length)?;
    let epoch = str::from_utf8(epoch).map_err(|_| EnvelopeError::Value)?;
    let head = Offset(u64::from_be_bytes(array(&mut rest)?));
    if !rest.is_empty() {
        return Err(EnvelopeError::Length);
    }
    Ok(Standing {
        epoch: Epoch(epoch.into()),
        head,
    })
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], EnvelopeError> {
    let (array, behind) = rest.split_first_chunk().ok_or(EnvelopeError::Length)?;
    *rest = behind;
    Ok(*array)
}

/// Bits of a number in one byte.
const BITS: u32 = 7;

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 1 << BITS {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        out.push(low | 0x80);
        number >>= BITS;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

fn number(rest: &mut &[u8]) -> Result<u64, EnvelopeError> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(BITS as usize) {
        let [byte] = array(rest)?;
        let low = u64::from(byte & 0x7f);
        if (low << shift) >> shift != low {
            return Err(EnvelopeError::Value);
        }
        number |= low << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(EnvelopeError::Value)
}

#[cfg(test)]
mod tests {
    use fanwave_wire::{
        ClientMessageId, Draft, Role, Sender, UnixMillis, UserId, envelope::Record,
    };
    use proptest::prelude::*;

    use super::*;

    fn batch(first: u64, records: u64) -> Batch {
        let sender = Sender::new(UserId("fan".into()), "Mina", Role::Fan);
        let record = |offset: u64| {
            let id = ClientMessageId(offset.to_string().into());
            let draft = Draft::text(id, sender.clone(), "hello");
            let at = UnixMillis(7);
            Arc::new(Record { at, draft }.at_offset(Offset(offset)))
        };
        Batch {
            channel: "chat:demo".parse().unwrap(),
            epoch: Epoch("e".into()),
            publications: (first..first + records).map(record).collect(),
        }
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let body = prop_oneof![
            (1..u64::MAX / 2, 1..5_u64)
                .prop_map(|(first, records)| Body::Batch(batch(first, records))),
            (".{0,20}", any::<u64>()).prop_map(|(epoch, head)| Body::Standing(Standing {
                epoch: Epoch(epoch.into()),
                head: Offset(head),
            })),
        ];
        let previous = prop::collection::btree_set(any::<u64>(), 0..=NATS_POINTERS_MAX);
        (any::<u64>(), previous, body).prop_map(|(mark, previous, body)| Entry {
            mark,
            previous: previous.into_iter().rev().collect(),
            body,
        })
    }

    #[test]
    fn the_bytes_are_what_other_releases_read() {
        let entry = Entry {
            mark: 0x0102,
            previous: vec![300, 299, 1],
            body: Body::Standing(Standing {
                epoch: Epoch("ab".into()),
                head: Offset(5),
            }),
        };
        let bytes = [
            &[1][..],                  // version
            &[0, 0, 0, 0, 0, 0, 1, 2], // mark
            &[3, 0xac, 2, 1, 0xaa, 2], // 300, then 1 and 298 before
            &[1],                      // a standing
            &[2, b'a', b'b'],          // epoch
            &[0, 0, 0, 0, 0, 0, 0, 5], // head
        ]
        .concat();
        assert_eq!(entry.encode(), bytes);
        assert_eq!(Entry::decode(&bytes), Ok(entry));
    }

    #[test]
    fn another_version_is_refused_by_its_number() {
        assert_eq!(
            Entry::decode(&[2, 0]),
            Err(EnvelopeError::Version { found: 2 })
        );
    }

    #[test]
    fn the_trail_is_bounded() {
        let mut found = Found {
            place: 100,
            last: 100,
            entry: Entry {
                mark: 0,
                previous: Vec::new(),
                body: Body::Batch(batch(1, 1)),
            },
        };
        assert_eq!(found.trail(), [100]);
        found.entry.previous = (1..=NATS_POINTERS_MAX as u64).rev().collect();
        assert_eq!(found.trail().len(), NATS_POINTERS_MAX);
        assert_eq!(found.trail()[..2], [100, NATS_POINTERS_MAX as u64]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entry in entry()) {
            prop_assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }

        /// Whatever a stranger writes is an error or an entry whose way back ends.
        #[test]
        fn no_bytes_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..200_usize, entry in entry()) {
            for bytes in [&bytes, &entry.encode()] {
                let cut = &bytes[..cut.min(bytes.len())];
                if let Ok(read) = Entry::decode(cut) {
                    prop_assert!(read.previous.is_sorted_by(|newer, older| newer > older));
                    prop_assert!(read.previous.len() <= NATS_POINTERS_MAX);
                }
            }
        }
    }
}
