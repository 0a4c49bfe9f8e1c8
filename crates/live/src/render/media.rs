//! The media playlist of one rendition.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use super::{Seconds, init_uri, part_uri, playlist_uri, segment_uri};
use crate::{
    position::{InitId, PartIndex, Position},
    query::Skip,
    snapshot::{Independence, PartEntry, RangeEntry, SegmentEntry, Snapshot, State},
};

/// How much of a media playlist is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// All of it.
    Whole,
    /// Without segments beyond the skip boundary: the answer to `_HLS_skip=YES`.
    Delta,
    /// Without old date ranges either: the answer to `_HLS_skip=v2`.
    DeltaV2,
}

impl Form {
    /// All forms, in the order of [`Form::index`].
    pub const ALL: [Self; 3] = [Self::Whole, Self::Delta, Self::DeltaV2];

    /// The form of the answer: "When a Server receives a request for a Playlist containing the CAN-SKIP-UNTIL attribute but no
    /// EXT-X-ENDLIST tag [...] it MUST respond with a Playlist Delta Update" (section 6.2.5.1). Where nothing lies
    /// beyond the skip boundary the whole playlist is that update.
    #[must_use]
    pub fn of(snapshot: &Snapshot, skip: Skip) -> Self {
        if skipped(snapshot) == 0 {
            return Self::Whole;
        }
        match skip {
            Skip::Nothing => Self::Whole,
            Skip::Segments => Self::Delta,
            Skip::SegmentsAndRanges => Self::DeltaV2,
        }
    }

    /// Its place in [`Form::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Whole => 0,
            Self::Delta => 1,
            Self::DeltaV2 => 2,
        }
    }
}

/// How many segments lie beyond the skip boundary: "Media Segments that are further from the end of the last (Parent) Media
/// Segment in the Playlist than the Skip Boundary" (section 6.2.5.1): the ones that end beyond it, so that no part of what is kept is missing.
fn skipped(snapshot: &Snapshot) -> usize {
    let Some(boundary) = snapshot.can_skip_until else {
        return 0;
    };
    if snapshot.state == State::Ended {
        return 0;
    }
    let mut behind = Duration::ZERO;
    let kept = snapshot.segments.iter().rev().take_while(|segment| {
        let kept = behind <= boundary;
        behind += segment.duration;
        kept
    });
    snapshot.segments.len() - kept.count()
}

/// The text of a media playlist.
#[must_use]
pub fn media_playlist(snapshot: &Snapshot, form: Form) -> String {
    let mut text =
        String::with_capacity(BYTES_OF_HEADER + snapshot.segments.len() * BYTES_PER_SEGMENT);
    write(&mut text, snapshot, form).expect("writing to a String cannot fail");
    text
}

/// Enough for most playlists, so that the text grows at most once.
const BYTES_OF_HEADER: usize = 2048;
const BYTES_PER_SEGMENT: usize = 160;

fn write(text: &mut String, snapshot: &Snapshot, form: Form) -> fmt::Result {
    let skipped = if form == Form::Whole {
        0
    } else {
        skipped(snapshot)
    };
    let listed = snapshot.segments.get(skipped..).unwrap_or_default();
    let mut ranges = Ranges::new(snapshot, form);
    header(text, snapshot, version(form, skipped, ranges.skips))?;
    if skipped > 0 {
        skip(text, snapshot, form, skipped)?;
    }
    // A delta says again which init section its first segment needs: some players read it as if it were whole.
    let mut init = None;
    for segment in listed {
        segment_tags(text, snapshot, segment, &mut init, &mut ranges)?;
        if segment.gap {
            writeln!(text, "#EXT-X-GAP")?;
        }
        writeln!(text, "#EXTINF:{},", Seconds(segment.duration))?;
        writeln!(text, "{}", segment_uri(&snapshot.rendition, segment.msn))?;
    }
    if let Some(open) = &snapshot.open {
        segment_tags(text, snapshot, open, &mut init, &mut ranges)?;
    }
    ranges.write_all(text)?;
    footer(text, snapshot)
}

/// "The value of the EXT-X-VERSION tag SHOULD NOT be greater than what is required" (section 6.2.1): EXT-X-MAP outside an
/// I-frame playlist needs 6, EXT-X-SKIP 9, and one that replaces date ranges 10; no tag of low latency needs more
/// (section 8).
fn version(form: Form, skipped: usize, skips_ranges: bool) -> u32 {
    match form {
        Form::DeltaV2 if skipped > 0 && skips_ranges => 10,
        Form::Delta | Form::DeltaV2 if skipped > 0 => 9,
        Form::Whole | Form::Delta | Form::DeltaV2 => 6,
    }
}

/// What holds for the whole playlist. The attributes of EXT-X-SERVER-CONTROL come from the configuration alone, so they
/// are the same in every playlist of the stream, for as long as it lives (section 6.2.4).
fn header(text: &mut String, snapshot: &Snapshot, version: u32) -> fmt::Result {
    let target_duration = snapshot.target_duration;
    writeln!(text, "#EXTM3U")?;
    writeln!(text, "#EXT-X-VERSION:{version}")?;
    writeln!(text, "#EXT-X-INDEPENDENT-SEGMENTS")?;
    writeln!(text, "#EXT-X-TARGETDURATION:{}", target_duration.as_secs())?;
    // Section 4.4.3.8: HOLD-BACK at least three target durations; PART-HOLD-BACK at least three part targets, a SHOULD
    // of the draft and a MUST of authoring rule 14.3; CAN-SKIP-UNTIL at least six target durations.
    write!(text, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES")?;
    if let Some(boundary) = snapshot.can_skip_until {
        write!(
            text,
            ",CAN-SKIP-UNTIL={},CAN-SKIP-DATERANGES=YES",
            Seconds(boundary)
        )?;
    }
    writeln!(
        text,
        ",PART-HOLD-BACK={},HOLD-BACK={}",
        Seconds(snapshot.part_target * 3),
        Seconds(target_duration * 3),
    )?;
    writeln!(
        text,
        "#EXT-X-PART-INF:PART-TARGET={}",
        Seconds(snapshot.part_target)
    )?;
    // Both sequences stand before the first segment, and always: authoring rule 8.17. "Replacing segments with the
    // EXT-X-SKIP tag does not change the value of the EXT-X-DISCONTINUITY-SEQUENCE tag" (section 4.4.5.2).
    writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{}", snapshot.media_sequence)?;
    writeln!(
        text,
        "#EXT-X-DISCONTINUITY-SEQUENCE:{}",
        snapshot.discontinuity_sequence
    )
}

/// The one tag that stands for all segments beyond the skip boundary (section 4.4.5.2). RECENTLY-REMOVED-DATERANGES is
/// "REQUIRED if the Client requested an update that skips EXT-X-DATERANGE tags", and its list "MAY be empty".
fn skip(text: &mut String, snapshot: &Snapshot, form: Form, skipped: usize) -> fmt::Result {
    write!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")?;
    if form == Form::DeltaV2 {
        let removed = snapshot.removed_ranges.join("\t");
        write!(text, ",RECENTLY-REMOVED-DATERANGES=\"{removed}\"")?;
    }
    writeln!(text)
}

/// The date ranges that are still to be written, in the order of their places.
struct Ranges<'a> {
    left: std::iter::Peekable<std::vec::IntoIter<&'a RangeEntry>>,
    /// Whether some are left out.
    skips: bool,
}

impl<'a> Ranges<'a> {
    fn new(snapshot: &'a Snapshot, form: Form) -> Self {
        let listed = |entry: &&RangeEntry| form != Form::DeltaV2 || !entry.skippable;
        let mut ranges: Vec<_> = snapshot.date_ranges.iter().filter(listed).collect();
        ranges.sort_by_key(|entry| entry.before);
        Self {
            skips: ranges.len() < snapshot.date_ranges.len(),
            left: ranges.into_iter().peekable(),
        }
    }

    /// Writes those that stand before this place.
    fn write_until(&mut self, text: &mut String, place: Position) -> fmt::Result {
        while let Some(entry) = self.left.next_if(|entry| entry.before <= place) {
            writeln!(text, "#EXT-X-DATERANGE:{}", entry.range)?;
        }
        Ok(())
    }

    fn write_all(&mut self, text: &mut String) -> fmt::Result {
        self.write_until(text, Position::new(u64::MAX, u32::MAX))
    }
}

/// The tags of a segment, and its parts. Discontinuity, map and date "MUST appear before the first EXT-X-PART
/// tag of that Parent Segment" (section 4.4.4.9).
fn segment_tags(
    text: &mut String,
    snapshot: &Snapshot,
    segment: &SegmentEntry,
    init: &mut Option<InitId>,
    ranges: &mut Ranges<'_>,
) -> fmt::Result {
    let rendition = &snapshot.rendition;
    let place = |part| Position {
        msn: segment.msn,
        part,
    };
    ranges.write_until(text, place(PartIndex(0)))?;
    for _ in 0..segment.discontinuities {
        writeln!(text, "#EXT-X-DISCONTINUITY")?;
    }
    if init.replace(segment.init) != Some(segment.init) {
        writeln!(
            text,
            "#EXT-X-MAP:URI=\"{}\"",
            init_uri(rendition, segment.init)
        )?;
    }
    // On every segment, so also on every one after a discontinuity, where it SHOULD be (section 6.2.1): a player that
    // joins anywhere, and the chat beside it, know the time without adding up.
    writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", segment.starts_at)?;
    if segment.msn >= snapshot.parts_from {
        for (index, part) in (0..).map(PartIndex).zip(&segment.parts) {
            ranges.write_until(text, place(index))?;
            part_tag(text, snapshot, place(index), *part)?;
        }
    }
    // What was announced after its last part stands before its EXTINF.
    ranges.write_until(text, place(PartIndex(u32::MAX)))
}

fn part_tag(
    text: &mut String,
    snapshot: &Snapshot,
    place: Position,
    part: PartEntry,
) -> fmt::Result {
    // "The duration of a Partial Segment MUST be less than or equal to the Part Target Duration", and
    // players stop at one that is not. Media lasts longer only where the publisher dropped pictures;
    // EXTINF then tells the truth.
    let duration = Seconds(part.duration.min(snapshot.part_target));
    let uri = part_uri(&snapshot.rendition, place);
    write!(text, "#EXT-X-PART:DURATION={duration},URI=\"{uri}\"")?;
    // "every Partial Segment containing an independent frame SHOULD carry it" (section 4.4.4.9).
    if part.independence == Independence::Independent {
        write!(text, ",INDEPENDENT=YES")?;
    }
    // "The value is an enumerated-string whose value is YES if the Partial Segment is not available" (the same).
    if part.gap {
        write!(text, ",GAP=YES")?;
    }
    writeln!(text)
}

/// What comes next, and where the other renditions stand.
fn footer(text: &mut String, snapshot: &Snapshot) -> fmt::Result {
    let rendition = &snapshot.rendition;
    match &snapshot.state {
        State::Live(hint) => {
            if let Some(init) = hint.init {
                writeln!(
                    text,
                    "#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"{}\"",
                    init_uri(rendition, init)
                )?;
            }
            writeln!(
                text,
                "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}\"",
                part_uri(rendition, hint.part)
            )?;
        }
        // "A Playlist containing an EXT-X-ENDLIST tag MUST NOT contain an EXT-X-PRELOAD-HINT tag" (section 4.4.5.3).
        State::Ended => writeln!(text, "#EXT-X-ENDLIST")?,
        // A hint is for what can be waited for, and the next part will have no bytes either.
        State::Away => {}
    }
    for report in &snapshot.reports {
        let (uri, last) = (playlist_uri(&report.rendition), report.last);
        writeln!(
            text,
            "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={},LAST-PART={}",
            last.msn, last.part
        )?;
    }
    Ok(())
}
