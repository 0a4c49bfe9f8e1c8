//! Playlists as text: pure functions of what is in them, without a clock and without a view of the machine.
//!
//! URLs are relative, so that the text is the same behind any host and prefix. A media playlist lives at
//! `{prefix}/{rendition}.m3u8` and names `{rendition}/init-{n}.mp4`, `{rendition}/{msn}.m4s` and
//! `{rendition}/{msn}.{part}.m4s`; [`init_uri`], [`segment_uri`] and [`part_uri`] are the one place that knows it.

mod media;
mod multivariant;
mod recorded;

use std::{fmt, time::Duration};

pub use self::{
    media::{Form, media_playlist},
    multivariant::{AudioRendition, Multivariant, Variant, VideoRange, multivariant_playlist},
    recorded::{Recorded, RecordedSegment, recorded_playlist},
};
use crate::{
    config::RenditionName,
    position::{InitId, MediaSeq, Position},
};

/// The media type of both kinds of playlist (section 4, authoring rule 1.20).
pub const PLAYLIST_MIME: &str = "application/vnd.apple.mpegurl";

/// URL of a rendition's media playlist, relative to the stream's prefix.
#[must_use]
pub fn playlist_uri(rendition: &RenditionName) -> String {
    format!("{rendition}.m3u8")
}

/// URL of an init section, relative to the stream's prefix.
#[must_use]
pub fn init_uri(rendition: &RenditionName, init: InitId) -> String {
    format!("{rendition}/init-{init}.mp4")
}

/// URL of a segment, relative to the stream's prefix.
#[must_use]
pub fn segment_uri(rendition: &RenditionName, msn: MediaSeq) -> String {
    format!("{rendition}/{msn}.m4s")
}

/// URL of a part, relative to the stream's prefix.
#[must_use]
pub fn part_uri(rendition: &RenditionName, part: Position) -> String {
    format!("{rendition}/{}.{}.m4s", part.msn, part.part)
}

/// Seconds as a decimal-floating-point number (section 4.2) with five digits: finer than a tick of 90 kHz.
///
/// Rounds to the nearest, so a duration that is at most (at least) a bound of whole milliseconds is still so as text.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NANOS_PER_UNIT: u128 = 10_000;
        const UNITS_PER_SECOND: u128 = 100_000;
        let units = (self.0.as_nanos() + NANOS_PER_UNIT / 2) / NANOS_PER_UNIT;
        write!(
            f,
            "{}.{:05}",
            units / UNITS_PER_SECOND,
            units % UNITS_PER_SECOND
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn seconds_are_near_and_keep_bounds_of_milliseconds(
            nanos in 0..100_000_000_000u64,
            millis in 0..100_000u64,
        ) {
            let value = |span: Duration| Seconds(span).to_string().parse::<f64>().unwrap();
            let (span, bound) = (Duration::from_nanos(nanos), Duration::from_millis(millis));
            prop_assert!((value(span) - span.as_secs_f64()).abs() < 0.000_005_1);
            if span <= bound {
                prop_assert!(value(span) <= value(bound));
            } else {
                prop_assert!(value(span) >= value(bound));
            }
        }
    }
}
