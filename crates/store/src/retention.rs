//! For how long what is said is kept.

use std::{collections::BTreeMap, time::Duration};

use fanwave_wire::{Channel, RoomId};

/// For how long texts are kept, room by room. Events are kept for ever: they are what a room's rules are made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retention {
    /// In rooms that are not named below; `None` for ever.
    pub default: Option<Duration>,
    /// In these rooms.
    pub rooms: BTreeMap<RoomId, Option<Duration>>,
}

impl Retention {
    /// For how long the texts of a channel are kept, milliseconds; `None` for ever.
    pub(crate) fn millis(&self, channel: &Channel) -> Option<i64> {
        let kept = self.rooms.get(&channel.room).copied();
        let kept = kept.unwrap_or(self.default)?;
        Some(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))
    }
}

/// What a sweep has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Messages that were removed one by one.
    pub messages: u64,
    /// Partitions that were dropped, each with all its messages.
    pub partitions: u64,
}
