//! Names of places in a playlist: which segment, which part, which init section.

use std::fmt;

/// Media sequence number of a segment; a rendition's first segment has the one its stream was configured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MediaSeq(pub u64);

impl MediaSeq {
    /// The segment after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for MediaSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Index of a part in its segment, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PartIndex(pub u32);

impl fmt::Display for PartIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One part of one segment. Ordered as the parts are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The segment.
    pub msn: MediaSeq,
    /// The part in it.
    pub part: PartIndex,
}

impl Position {
    /// The part `part` of segment `msn`.
    #[must_use]
    pub const fn new(msn: u64, part: u32) -> Self {
        Self {
            msn: MediaSeq(msn),
            part: PartIndex(part),
        }
    }
}

/// Number of an init section of one rendition: 0 at the start, one more each time the codec configuration changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct InitId(pub u32);

impl fmt::Display for InitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
