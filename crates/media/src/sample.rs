//! One coded picture or audio frame with its exact place in time, and which track it belongs to.

use std::fmt;

use bytes::Bytes;

/// Ticks per second of every video track, and of the clock on which a publisher's media comes in.
///
/// RTMP's whole milliseconds are 90 ticks each, and MPEG-TS counts in these very ticks, so nothing is rounded.
pub const VIDEO_TIMESCALE: u32 = 90_000;

/// What a track carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrackKind {
    /// Pictures, in ticks of [`VIDEO_TIMESCALE`].
    Video,
    /// Sound, in ticks of its sample rate.
    Audio,
}

impl fmt::Display for TrackKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Video => "video",
            Self::Audio => "audio",
        })
    }
}

/// Which track of a stream. Ordered as the tracks are listed: pictures first, then sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId {
    /// What it carries.
    pub kind: TrackKind,
    /// Its place among the tracks of its kind; the first is 0.
    pub index: u8,
}

impl TrackId {
    /// The pictures of that place.
    #[must_use]
    pub const fn video(index: u8) -> Self {
        Self {
            kind: TrackKind::Video,
            index,
        }
    }

    /// The sound of that place.
    #[must_use]
    pub const fn audio(index: u8) -> Self {
        Self {
            kind: TrackKind::Audio,
            index,
        }
    }
}

/// The track's name, which is a folder in every media URL: `video`, `audio`, `audio-2`.
impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match self.index {
            0 => Ok(()),
            index => write!(f, "-{}", u16::from(index) + 1),
        }
    }
}

/// One coded picture or audio frame. Times are in ticks of its track's timescale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// When it is decoded, counted from the start of the stream.
    pub decode_time: u64,
    /// How long it lasts, at least one tick.
    pub duration: u32,
    /// Presentation time minus decode time; negative for encoders that shift the decode time instead.
    pub composition: i32,
    /// Whether decoding can begin here: a picture that needs none before it, or any audio frame.
    pub sync: bool,
    /// The coded bytes as they lie in the file: length-prefixed NAL units, OBUs, or one frame of sound.
    pub data: Bytes,
}

impl Sample {
    /// When the sample ends and the next one of its track begins.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.decode_time.saturating_add(u64::from(self.duration))
    }

    /// When the sample is shown or heard; never before the start of the stream.
    #[must_use]
    pub fn presentation_time(&self) -> u64 {
        self.decode_time
            .saturating_add_signed(i64::from(self.composition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_are_listed_pictures_first_and_named_by_place() {
        let mut ids = [
            TrackId::audio(1),
            TrackId::audio(0),
            TrackId::video(1),
            TrackId::video(0),
        ];
        ids.sort_unstable();
        assert_eq!(
            ids.map(|id| id.to_string()),
            ["video", "video-2", "audio", "audio-2"]
        );
        assert_eq!(TrackId::audio(u8::MAX).to_string(), "audio-256");
    }
}
