//! Where samples become parts and segments.

use std::time::Duration;

use thiserror::Error;

use crate::{
    config::{Config, RenditionId},
    snapshot::Independence,
};

/// One sample's times, in its rendition's timescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Of this rendition.
    pub rendition: RenditionId,
    /// Decode time, ticks; the renditions of a stream count from one origin.
    pub dts: u64,
    /// Ticks until the rendition's next sample.
    pub duration: u32,
    /// Whether decoding can begin here.
    pub sync: Sync,
}

/// Whether decoding can begin at a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// An IDR picture, or any frame of sound.
    Sync,
    /// A picture that needs others.
    Delta,
}

/// What became of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It waits for its part: append it to the rendition's pending samples, then drain the decisions.
    Kept,
    /// It lies before the first independent picture, where the stream begins: drop it.
    Skipped,
}

/// What the shell has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The first `samples` pending samples of the rendition are a part.
    Part {
        /// Of this rendition.
        rendition: RenditionId,
        /// So many samples, counted from the oldest pending one; never 0.
        samples: usize,
        /// Media time of the first of them since the stream's beginning.
        start: Duration,
        /// Sum of their durations.
        duration: Duration,
        /// Whether one of them is independent.
        independence: Independence,
        /// How well it fits the part target.
        fit: Fit,
    },
    /// The part before this was the last of the rendition's segment.
    SegmentEnd {
        /// Of this rendition.
        rendition: RenditionId,
    },
}

/// How a part's duration relates to the part target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// 85 to 100 %.
    Full,
    /// Shorter, as the last of its segment may be.
    Last,
    /// Shorter because the next sample is so long that it would not fit: the picture rate is too low for the part target.
    Sparse,
    /// Longer: one sample, because the publisher dropped pictures. The playlist declares the part target.
    Stretched,
}

/// Why a stream cannot be cut on. The cutter takes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CutError {
    /// No independent picture came within the target duration: the publisher has to be refused, and told.
    #[error("the keyframe interval is longer than {limit:?}: set it to 2 s in the encoder")]
    KeyframeInterval {
        /// The target duration.
        limit: Duration,
    },
    /// The timeline broke: begin again with a new cutter and [`crate::Input::Returned`].
    #[error("the timeline broke: {0}")]
    Broken(Break),
    /// The sample is of another stream's configuration.
    #[error("the stream has no such rendition")]
    UnknownRendition,
}

/// How a timeline breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Break {
    /// A sample's time lies before the one before it.
    #[error("time went backwards")]
    Backwards,
    /// A rendition has no samples for longer than a segment may last.
    #[error("a rendition has a gap")]
    Gap,
    /// One rendition went on for longer than a segment may last while another stood still.
    #[error("a rendition stands still")]
    Stalled,
}

/// Cuts the samples of one stream, from a publisher's coming to its going.
///
/// `handle_*`: [`Cutter::handle`], [`Cutter::finish`]. Polls: [`Cutter::poll_output`].
#[derive(Debug)]
pub struct Cutter {
    _config: Config,
}

impl Cutter {
    /// A cutter for a publisher that has just come (or come back).
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            _config: config.clone(),
        }
    }

    /// Takes one sample. Samples of one rendition come in decode order; renditions are interleaved roughly by time.
    ///
    /// # Errors
    /// [`CutError`] says whether to refuse the publisher or to begin again. Decisions made before stay to be drained.
    pub fn handle(&mut self, _sample: Sample) -> Result<Taken, CutError> {
        Ok(Taken::Skipped)
    }

    /// Nothing more comes: closes what waits. Drain the decisions after it.
    pub fn finish(&mut self) {}

    /// The next decision, until `None`.
    pub fn poll_output(&mut self) -> Option<Decision> {
        None
    }
}
