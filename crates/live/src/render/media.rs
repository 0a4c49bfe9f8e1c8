//! The media playlist of one rendition.

use std::fmt::{self, Write};

use super::{Seconds, init_uri, part_uri, playlist_uri, segment_uri};
use crate::{
    position::{InitId, PartIndex, Position},
    snapshot::{Independence, SegmentEntry, Snapshot, State},
};

/// The text of a media playlist.
#[must_use]
pub fn media_playlist(snapshot: &Snapshot) -> String {
    let mut text =
        String::with_capacity(BYTES_OF_HEADER + snapshot.segments.len() * BYTES_PER_SEGMENT);
    write(&mut text, snapshot).expect("writing to a String cannot fail");
    text
}

/// Enough for most playlists, so that the text grows at most once.
const BYTES_OF_HEADER: usize = 2048;
const BYTES_PER_SEGMENT: usize = 160;

fn write(text: &mut String, snapshot: &Snapshot) -> fmt::Result {
    header(text, snapshot)?;
    let mut init = None;
    for segment in &snapshot.segments {
        segment_tags(text, snapshot, segment, &mut init)?;
        writeln!(text, "#EXTINF:{},", Seconds(segment.duration))?;
        writeln!(text, "{}", segment_uri(&snapshot.rendition, segment.msn))?;
    }
    if let Some(open) = &snapshot.open {
        segment_tags(text, snapshot, open, &mut init)?;
    }
    footer(text, snapshot)
}

/// What holds for the whole playlist. The attributes of EXT-X-SERVER-CONTROL come from the configuration alone, so they
/// are the same in every playlist of the stream, for as long as it lives (section 6.2.4).
fn header(text: &mut String, snapshot: &Snapshot) -> fmt::Result {
    let target_duration = snapshot.target_duration;
    writeln!(text, "#EXTM3U")?;
    // EXT-X-MAP outside an I-frame playlist is what needs 6; no tag of low latency needs more (section 8).
    writeln!(text, "#EXT-X-VERSION:6")?;
    writeln!(text, "#EXT-X-INDEPENDENT-SEGMENTS")?;
    writeln!(text, "#EXT-X-TARGETDURATION:{}", target_duration.as_secs())?;
    // Section 4.4.3.8: HOLD-BACK at least three target durations; PART-HOLD-BACK at least three part targets, a SHOULD
    // of the draft and a MUST of authoring rule 14.3.
    writeln!(
        text,
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={},HOLD-BACK={}",
        Seconds(snapshot.part_target * 3),
        Seconds(target_duration * 3),
    )?;
    writeln!(
        text,
        "#EXT-X-PART-INF:PART-TARGET={}",
        Seconds(snapshot.part_target)
    )?;
    // Both sequences stand before the first segment, and always: authoring rule 8.17.
    writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{}", snapshot.media_sequence)?;
    writeln!(
        text,
        "#EXT-X-DISCONTINUITY-SEQUENCE:{}",
        snapshot.discontinuity_sequence
    )
}

/// The tags of a segment, and its parts. Discontinuity, map and date "MUST appear before the first EXT-X-PART
/// tag of that Parent Segment" (section 4.4.4.9).
fn segment_tags(
    text: &mut String,
    snapshot: &Snapshot,
    segment: &SegmentEntry,
    init: &mut Option<InitId>,
) -> fmt::Result {
    let rendition = &snapshot.rendition;
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
    // On every segment: a player that joins anywhere, and the chat beside it, know the time without adding up.
    writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", segment.starts_at)?;
    if segment.msn < snapshot.parts_from {
        return Ok(());
    }
    for (index, part) in (0..).map(PartIndex).zip(&segment.parts) {
        // "The duration of a Partial Segment MUST be less than or equal to the Part Target Duration", and
        // players stop at one that is not. Media lasts longer only where the publisher dropped pictures;
        // EXTINF then tells the truth.
        let duration = Seconds(part.duration.min(snapshot.part_target));
        let uri = part_uri(
            rendition,
            Position {
                msn: segment.msn,
                part: index,
            },
        );
        write!(text, "#EXT-X-PART:DURATION={duration},URI=\"{uri}\"")?;
        writeln!(
            text,
            "{}",
            if part.independence == Independence::Independent {
                ",INDEPENDENT=YES"
            } else {
                ""
            }
        )?;
    }
    Ok(())
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
        State::Ended => writeln!(text, "#EXT-X-ENDLIST")?,
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
