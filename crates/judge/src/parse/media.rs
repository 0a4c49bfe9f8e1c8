//! Media playlists: segments and parts with everything that applies to them.

use std::time::Duration;

use super::Attributes;

/// A byte range: its length, and where it begins when that is said.
pub type Range = (u64, Option<u64>);

/// A partial segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its line.
    pub line: usize,
    /// As written.
    pub uri: String,
    /// As written.
    pub duration: Duration,
    /// `INDEPENDENT=YES`.
    pub is_independent: bool,
    /// `GAP=YES`.
    pub is_gap: bool,
    /// Length and offset; the offset is worked out where it follows from the part before.
    pub range: Option<Range>,
}

/// A segment, or at the end of the playlist the parts of one that is still being made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segment {
    /// The line of its URI, or of the first thing that belongs to it.
    pub line: usize,
    /// Its media sequence number.
    pub msn: u64,
    /// Its discontinuity sequence number.
    pub discontinuity: u64,
    /// How many EXT-X-DISCONTINUITY are applied to it.
    pub discontinuities: u32,
    /// As written; none while it is being made.
    pub uri: Option<String>,
    /// EXTINF.
    pub duration: Duration,
    /// Whether EXTINF is a whole number.
    pub is_whole: bool,
    /// EXT-X-PROGRAM-DATE-TIME, microseconds since 1970.
    pub date: Option<i64>,
    /// EXT-X-GAP.
    pub is_gap: bool,
    /// EXT-X-BYTERANGE.
    pub range: Option<Range>,
    /// The URI and the byte range of the init section that applies.
    pub map: Option<(String, Option<Range>)>,
    /// What EXT-X-KEY applies.
    pub key: Option<Vec<(String, String)>>,
    /// Its parts.
    pub parts: Vec<Part>,
    /// Tags that came after its first part and must not: their names and lines.
    pub late: Vec<(&'static str, usize)>,
}

/// EXT-X-PRELOAD-HINT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Its line.
    pub line: usize,
    /// `PART` or `MAP`.
    pub kind: String,
    /// As written.
    pub uri: String,
    /// `BYTERANGE-START`.
    pub start: Option<u64>,
    /// `BYTERANGE-LENGTH`.
    pub length: Option<u64>,
}

/// EXT-X-RENDITION-REPORT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its line.
    pub line: usize,
    /// As written.
    pub uri: Option<String>,
    /// `LAST-MSN`.
    pub msn: Option<u64>,
    /// `LAST-PART`.
    pub part: Option<u64>,
}

/// A media playlist.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Media {
    /// EXT-X-VERSION, and its line.
    pub version: Option<(u64, usize)>,
    /// EXT-X-TARGETDURATION, and its line.
    pub target: Option<(u64, usize)>,
    /// EXT-X-MEDIA-SEQUENCE, or 0.
    pub sequence: u64,
    /// EXT-X-DISCONTINUITY-SEQUENCE, where it is there.
    pub discontinuity_sequence: Option<u64>,
    /// EXT-X-PLAYLIST-TYPE, and its line.
    pub playlist_type: Option<(String, usize)>,
    /// EXT-X-PART-INF, and its line.
    pub part_target: Option<(Duration, usize)>,
    /// EXT-X-SERVER-CONTROL.
    pub control: Option<Attributes>,
    /// EXT-X-START, and its line.
    pub start: Option<(String, usize)>,
    /// Whole segments.
    pub segments: Vec<Segment>,
    /// The one that is being made: parts without a segment behind them, or tags that wait for one.
    pub open: Segment,
    /// Hints.
    pub hints: Vec<Hint>,
    /// Reports.
    pub reports: Vec<Report>,
    /// Date ranges.
    pub date_ranges: Vec<Attributes>,
    /// How many segments EXT-X-SKIP stands for, and its line.
    pub skip: Option<(u64, usize)>,
    /// RECENTLY-REMOVED-DATERANGES.
    pub removed_date_ranges: Option<String>,
    /// EXT-X-ENDLIST.
    pub is_ended: bool,
    /// EXT-X-I-FRAMES-ONLY.
    pub is_i_frames_only: bool,
    /// Lines of EXT-X-MEDIA-SEQUENCE and -DISCONTINUITY-SEQUENCE that come too late.
    pub late_sequences: Vec<(&'static str, usize)>,
    /// The lowest EXT-X-VERSION that the tags need, and why.
    pub needs_version: (u64, &'static str),
}

/// A place in a stream: media sequence number and part index. A whole segment is *after* all of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The media sequence number.
    pub msn: u64,
    /// How many parts of it are there; `u64::MAX` when it is whole.
    pub parts: u64,
}

impl Media {
    /// Target duration.
    #[must_use]
    pub fn target_duration(&self) -> Duration {
        Duration::from_secs(self.target.map_or(0, |(seconds, _)| seconds.min(86_400)))
    }

    /// Part target.
    #[must_use]
    pub fn part_target(&self) -> Option<Duration> {
        self.part_target.map(|(target, _)| target)
    }

    /// Whether it lists parts.
    #[must_use]
    pub fn has_parts(&self) -> bool {
        !self.open.parts.is_empty()
            || self
                .segments
                .iter()
                .any(|segment| !segment.parts.is_empty())
    }

    /// Whether the server says it blocks.
    #[must_use]
    pub fn can_block(&self) -> bool {
        self.control
            .as_ref()
            .is_some_and(|control| control.is_yes("CAN-BLOCK-RELOAD"))
    }

    /// The skip boundary that is offered.
    #[must_use]
    pub fn skip_until(&self) -> Option<Duration> {
        self.control.as_ref()?.seconds("CAN-SKIP-UNTIL")
    }

    /// The newest position.
    #[must_use]
    pub fn last(&self) -> Option<Position> {
        if !self.open.parts.is_empty() {
            return Some(Position {
                msn: self.open.msn,
                parts: self.open.parts.len() as u64,
            });
        }
        self.segments.last().map(|segment| Position {
            msn: segment.msn,
            parts: u64::MAX,
        })
    }

    /// Whether it lists this part, or what is later.
    #[must_use]
    pub fn has(&self, msn: u64, part: Option<u64>) -> bool {
        let Some(last) = self.last() else {
            return false;
        };
        match part {
            None => self
                .segments
                .last()
                .is_some_and(|segment| segment.msn >= msn),
            Some(part) => last.msn > msn || (last.msn == msn && last.parts > part),
        }
    }

    /// The sum of all whole segments.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.segments.iter().map(|segment| segment.duration).sum()
    }

    /// All segments, and the one that is being made where it has parts.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        let open = Some(&self.open).filter(|open| !open.parts.is_empty());
        self.segments.iter().chain(open)
    }

    /// The date at which what is listed ends, microseconds since 1970.
    #[must_use]
    pub fn end_date(&self) -> Option<i64> {
        let mut end = None;
        for segment in self.all() {
            let duration = if segment.uri.is_some() {
                segment.duration
            } else {
                segment.parts.iter().map(|part| part.duration).sum()
            };
            let begin = segment.date.or(end);
            end = begin.map(|begin| begin.saturating_add(micros(duration)));
        }
        end
    }
}

/// Microseconds, as dates count them.
#[must_use]
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
