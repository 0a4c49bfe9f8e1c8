//! Names for a connection and a channel that stay right while both come and go.

/// A connection: its place in the reactor's slab, and which of that place's tenants it is.
///
/// Answers and deadlines carry it. One that comes late finds another generation, and is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionKey {
    /// Place in the slab.
    pub(crate) index: u32,
    /// Counts the connections of the reactor; comes round after four billion.
    pub(crate) generation: u32,
}

/// A channel's place in the reactor's slab.
///
/// It needs no generation: a channel is forgotten only when no call of its own is under way and no member is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ChannelKey(pub(crate) u32);

impl ChannelKey {
    /// The place as a number.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl ConnectionKey {
    /// The place as a number.
    pub(crate) fn index(self) -> usize {
        self.index as usize
    }
}

/// A feed's place in the reactor's slab.
///
/// It needs no generation: a feed goes with its channel, and by then nobody reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FeedKey(pub(crate) u32);

impl FeedKey {
    /// The place as a number.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}
