//! What a recording consists of, as playlists and as a timeline.

use std::time::Duration;

use fanwave_live::{
    InitId, MediaSeq, WallTime,
    render::{Recorded, RecordedSegment, recorded_playlist},
};
use fanwave_vault::recording::Segment;

use super::catalogue::Contents;

/// The media playlist of a rendition, beside which `../../live` is where streams are.
pub(super) fn media_playlist(contents: &Contents, name: &str) -> Option<String> {
    let about = &contents.about;
    let place = about
        .renditions
        .iter()
        .position(|known| known.name == name)?;
    let mut segments: Vec<_> = contents
        .segments()
        .filter(|segment| usize::from(segment.rendition) == place)
        .map(recorded)
        .collect();
    segments.sort_by_key(|segment| segment.msn);
    segments.dedup_by_key(|segment| segment.msn);
    let begins = segments
        .first()
        .map_or(WallTime(0), |first| first.starts_at);
    let clip = about.clip.as_ref();
    let happenings = contents.chunks.iter().flat_map(|chunk| &chunk.happenings);
    Some(recorded_playlist(&Recorded {
        rendition: name.parse().ok()?,
        folder: format!("../../live/{}/{}/", about.channel, about.prefix),
        target_duration: Duration::from_secs(about.target_duration_s.into()),
        happenings: happenings
            // A line is ours; one that is none is left out.
            .filter(|happening| !happening.attributes.contains(['\n', '\r']))
            .map(|happening| (WallTime(happening.at_ms), happening.attributes.clone()))
            .collect(),
        segments,
        ended: about.ended,
        start: clip.map_or(Duration::ZERO, |clip| WallTime(clip.from_ms).since(begins)),
    }))
}

fn recorded(segment: &Segment) -> RecordedSegment {
    RecordedSegment {
        msn: MediaSeq(segment.number),
        gap: segment.bytes == 0,
        discontinuities: segment.discontinuities.into(),
        init: InitId(segment.init),
        starts_at: WallTime(segment.starts_at_ms),
        duration: Duration::from_micros(segment.duration_us),
    }
}

/// A stretch of a recording in which the wall clock and the player's go alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Wall clock at its beginning, milliseconds since 1970.
    pub starts_at_ms: u64,
    /// Time in the player at its beginning, milliseconds.
    pub media_ms: u64,
    /// How long it lasts, milliseconds.
    pub duration_ms: u64,
}

/// How times of the show become times in a player of the recording, by its first rendition. Segments that follow each other
/// are one stretch.
pub(crate) fn timeline(contents: &Contents) -> Vec<Stretch> {
    let mut segments: Vec<_> = contents
        .segments()
        .filter(|segment| segment.rendition == 0)
        .collect();
    segments.sort_by_key(|segment| segment.number);
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut media_us = 0_u64;
    for segment in segments {
        let before = stretches.last_mut();
        let follows = before.filter(|before| {
            let end = before.starts_at_ms.saturating_add(before.duration_ms);
            segment.starts_at_ms.abs_diff(end) <= NEAR_MS
        });
        let media_ms = media_us / 1_000;
        media_us = media_us.saturating_add(segment.duration_us);
        match follows {
            Some(stretch) => stretch.duration_ms = media_us / 1_000 - stretch.media_ms,
            None => stretches.push(Stretch {
                starts_at_ms: segment.starts_at_ms,
                media_ms,
                duration_ms: segment.duration_us / 1_000,
            }),
        }
    }
    stretches
}

/// Dates are whole milliseconds, durations are not: what is so near follows without a break.
const NEAR_MS: u64 = 100;
