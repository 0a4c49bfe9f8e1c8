//! One coded picture or audio frame with its exact place in time.

use bytes::Bytes;

/// Ticks per second of every video track. RTMP's whole milliseconds are 90 ticks each, so nothing is rounded.
pub const VIDEO_TIMESCALE: u32 = 90_000;

/// Which of a stream's two tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrackKind {
    /// Pictures, in ticks of [`VIDEO_TIMESCALE`].
    Video,
    /// Sound, in ticks of its sample rate.
    Audio,
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
    /// Whether decoding can begin here: an IDR picture, or any audio frame.
    pub sync: bool,
    /// The coded bytes as they lie in the file: length-prefixed NAL units, or one raw AAC frame.
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
