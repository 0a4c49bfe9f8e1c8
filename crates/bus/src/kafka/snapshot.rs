//! Snapshots: what is true after an entry, so that nobody has to read all entries before it.
//!
//! A snapshot is a fold, written down by whoever has it, and the entry behind which it was true. It says nothing that is
//! not in the log: whoever finds none, or one of a release that is not known, reads the log from its beginning. Whoever
//! takes one up compares that entry with the log first. It is cut into pieces, each a record of Kafka under its
//! number, so that a topic that keeps the newest record of every key keeps the newest snapshot.
//!
//! | piece, version 1 | bytes |
//! |---|---|
//! | `FWS`, and the version, 1 | 4 |
//! | a random number that all pieces of the snapshot have | 16 |
//! | which piece it is, from 0, and of how many | 4 + 4 |
//! | its part of: the entry's place and mark, and the fold | 8 + 16 + |

use std::collections::BTreeMap;

use super::{
    bytes::{Rest, damaged, put_count},
    entry::{EntryError, Seen},
    fold::Fold,
};
use crate::limits::{KAFKA_SNAPSHOT_PIECE_BYTES, KAFKA_SNAPSHOT_PIECES_MAX};

const MAGIC: &[u8; 3] = b"FWS";

/// The version that this build writes, and the only one that it reads.
const VERSION: u8 = 1;

/// A fold, and the entry behind which it is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) last: Seen,
    pub(super) fold: Fold,
}

/// Snapshots that are being put together, piece by piece, in the order in which they were written.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// The pieces of snapshots that are not whole yet, and of how many.
    parts: BTreeMap<u128, (usize, BTreeMap<usize, Vec<u8>>)>,
    /// The newest whole one.
    newest: Option<Vec<u8>>,
}

/// The pieces of a snapshot; none, where it would be too large.
pub(super) fn pieces(id: u128, last: Seen, fold: &Fold) -> Vec<Vec<u8>> {
    let mut whole = last.at.to_be_bytes().to_vec();
    whole.extend(last.mark.to_be_bytes());
    fold.encode(&mut whole);
    let parts = whole.chunks(KAFKA_SNAPSHOT_PIECE_BYTES);
    let count = parts.len();
    if count > KAFKA_SNAPSHOT_PIECES_MAX {
        return Vec::new();
    }
    let piece = |(index, part): (usize, &[u8])| {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        out.extend(id.to_be_bytes());
        put_count(&mut out, index);
        put_count(&mut out, count);
        out.extend(part);
        out
    };
    parts.enumerate().map(piece).collect()
}

impl Pieces {
    /// Takes one more. What cannot be read is left out.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let Ok((id, index, count, part)) = read(bytes) else {
            return;
        };
        let (_, parts) = self.parts.entry(id).or_insert((count, BTreeMap::new()));
        parts.insert(index, part.to_vec());
        if parts.len() == count {
            self.newest = Some(parts.values().flatten().copied().collect());
            // What was begun before it is older, or will never be whole.
            self.parts.clear();
        } else if self.parts.len() > PARTS_MAX {
            self.parts.pop_first();
        }
    }

    /// The newest that was whole.
    pub(super) fn newest(self) -> Option<Result<Snapshot, EntryError>> {
        let whole = self.newest?;
        let mut rest = Rest::new(&whole);
        let snapshot = |rest: &mut Rest<'_>| {
            let at = i64::from_be_bytes(rest.take()?);
            let mark = u128::from_be_bytes(rest.take()?);
            let fold = Fold::decode(rest)?;
            let last = Seen { at, mark };
            rest.is_empty()
                .then_some(Snapshot { last, fold })
                .ok_or_else(damaged)
        };
        Some(snapshot(&mut rest))
    }
}

/// Snapshots that may be in pieces at once: servers write them at different moments.
const PARTS_MAX: usize = 4;

fn read(bytes: &[u8]) -> Result<(u128, usize, usize, &[u8]), EntryError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(EntryError::Foreign)?;
    let mut rest = Rest::new(rest);
    let [version] = rest.take()?;
    let id = u128::from_be_bytes(rest.take()?);
    let (index, count) = (rest.count()?, rest.count()?);
    if version != VERSION || index >= count || count > KAFKA_SNAPSHOT_PIECES_MAX {
        return Err(damaged());
    }
    Ok((id, index, count, rest.all()))
}
