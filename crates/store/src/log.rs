//! What is asked of a log, and what it answers; the same for every adapter.

use fanwave_wire::{Epoch, Offset, UnixMillis};

/// Where a channel stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The run of offsets.
    pub epoch: Epoch,
    /// Offset of the newest message there has ever been, 0 before the first.
    pub head: Offset,
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// All of it is durable.
    Stored,
    /// None of it was written, because the log holds these already, under earlier offsets. Never empty.
    Held(Vec<Held>),
}

/// A message of an append that the log already holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The offset it was to get.
    pub proposed: Offset,
    /// The offset it has.
    pub offset: Offset,
    /// When its room took it.
    pub at: UnixMillis,
}

/// Which messages of a channel to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only messages behind this offset.
    pub after: Offset,
    /// Only messages up to this offset, inclusive.
    pub through: Offset,
    /// At most so many, and never more than [`limits::READ_MAX`](crate::limits::READ_MAX).
    pub limit: usize,
    /// From which end to begin.
    pub order: Order,
    /// Which kind of message.
    pub kind: Kind,
}

/// Which kind of message to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Texts and events.
    #[default]
    Everything,
    /// Only events: what a room's rules are the fold of.
    Events,
}

impl Kind {
    /// Most messages on one page.
    #[must_use]
    pub(crate) const fn read_max(self) -> usize {
        match self {
            Self::Everything => crate::limits::READ_MAX,
            Self::Events => crate::limits::EVENTS_READ_MAX,
        }
    }
}

/// From which end to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Ascending offsets.
    OldestFirst,
    /// Descending offsets.
    NewestFirst,
}
