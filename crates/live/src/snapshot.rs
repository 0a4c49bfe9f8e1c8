//! What a media playlist says at one moment: all that rendering needs, and nothing that can change.

use std::{sync::Arc, time::Duration};

use crate::{
    config::RenditionName,
    date_range::DateRange,
    position::{InitId, MediaSeq, Position},
    time::WallTime,
};

/// One rendition's media playlist at one moment.
///
/// Two snapshots of a stream with the same `rendition` and `version` are equal, so a shell renders and compresses each
/// version once and hands the same bytes to everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The rendition's name.
    pub rendition: RenditionName,
    /// Grows with every change of any playlist of the stream.
    pub version: u64,
    /// EXT-X-TARGETDURATION, whole seconds.
    pub target_duration: Duration,
    /// PART-TARGET.
    pub part_target: Duration,
    /// EXT-X-MEDIA-SEQUENCE: the first listed segment, or the one that will be first.
    pub media_sequence: MediaSeq,
    /// EXT-X-DISCONTINUITY-SEQUENCE: discontinuities that were removed with their segments.
    pub discontinuity_sequence: u64,
    /// Whole segments, oldest first.
    pub segments: Arc<[Arc<SegmentEntry>]>,
    /// The segment that is being made, once it has a part.
    pub open: Option<SegmentEntry>,
    /// Parts of segments before this one are no longer listed.
    pub parts_from: MediaSeq,
    /// CAN-SKIP-UNTIL, where delta updates are offered.
    pub can_skip_until: Option<Duration>,
    /// What happens at a time: EXT-X-DATERANGE, in the order of their announcement.
    pub date_ranges: Vec<RangeEntry>,
    /// Ids of the date ranges that were removed less than CAN-SKIP-UNTIL ago, oldest first.
    pub removed_ranges: Vec<Arc<str>>,
    /// What comes next.
    pub state: State,
    /// The other renditions of the stream.
    pub reports: Vec<Report>,
}

/// Whether more will come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// More will come, and this first.
    Live(Hint),
    /// The encoder is away: more gap will come, which nobody need ask for in advance.
    Away,
    /// Nothing more will come: EXT-X-ENDLIST.
    Ended,
}

/// The next part, for EXT-X-PRELOAD-HINT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// Its place.
    pub part: Position,
    /// The init section it will need, where it is another than that of the part before.
    pub init: Option<InitId>,
}

/// A whole or growing segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentEntry {
    /// Its number.
    pub msn: MediaSeq,
    /// Whether media of it never came: EXT-X-GAP. Then each of its parts is missing, or, in a rendition that is made from
    /// another, those from some part on. Its bytes are not served as a whole.
    pub gap: bool,
    /// EXT-X-DISCONTINUITY tags in front of it. More than one only where the rendition stayed silent through
    /// a return of the publisher: discontinuity sequence numbers have to match across renditions (section
    /// 6.2.4).
    pub discontinuities: u32,
    /// Its init section.
    pub init: InitId,
    /// EXT-X-PROGRAM-DATE-TIME of its first sample.
    pub starts_at: WallTime,
    /// Sum of its parts: EXTINF of a whole segment.
    pub duration: Duration,
    /// Its parts, in order.
    pub parts: Vec<PartEntry>,
}

/// A date range in a playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeEntry {
    /// What was announced.
    pub range: Arc<DateRange>,
    /// It stands in front of this part: lines are only ever appended to a playlist (section 6.2.1).
    pub before: Position,
    /// Whether it was listed so long ago that a delta update of version 2 leaves it out.
    pub skippable: bool,
}

/// A part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartEntry {
    /// How long its media lasts.
    pub duration: Duration,
    /// Whether decoding can begin in it.
    pub independence: Independence,
    /// Whether it is missing: GAP=YES. It has no bytes.
    pub gap: bool,
}

/// Whether a part holds an independent frame (INDEPENDENT=YES, section 4.4.4.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Independence {
    /// It does.
    Independent,
    /// It needs parts before it.
    Dependent,
}

/// Where another rendition stands, for EXT-X-RENDITION-REPORT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The rendition's name.
    pub rendition: RenditionName,
    /// Its last listed part.
    pub last: Position,
}
