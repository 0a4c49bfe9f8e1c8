//! The playlists of one stream.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use thiserror::Error;

use crate::{
    config::{Config, RenditionId},
    position::{InitId, MediaSeq},
    snapshot::{Independence, Snapshot},
    time::{Moment, WallTime},
};

/// What happens to a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A part's bytes are ready to be served. Give a part of every rendition that has one before draining outputs.
    Part {
        /// Of this rendition.
        rendition: RenditionId,
        /// Media time of its first sample since the publisher came (or came back), as the cutter says.
        start: Duration,
        /// How long it lasts.
        duration: Duration,
        /// Whether decoding can begin in it.
        independence: Independence,
    },
    /// The rendition's growing segment has had its last part. The next part begins the next segment.
    SegmentEnd {
        /// Of this rendition.
        rendition: RenditionId,
    },
    /// The publisher went away. Growing segments are closed as they are; waiting requests keep waiting.
    Lost,
    /// The publisher (or another in its place) is there again: the next segment of every rendition begins with a
    /// discontinuity. Also the way to mark a break in an unbroken connection's timeline.
    Returned {
        /// Wall clock at media time 0 of what follows. Taken back to where the stream ended, should it lie before.
        anchor: WallTime,
        /// Renditions whose codec configuration changed: they take a new init section, see [`Live::init`].
        new_init: Vec<RenditionId>,
    },
    /// The stream is over: playlists end with EXT-X-ENDLIST.
    End,
    /// Nothing but time passed; for when [`Live::poll_timeout`] falls due.
    Timeout,
}

/// What the shell has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The rendition's playlist changed: whoever waits for it asks again.
    Changed {
        /// Of this rendition.
        rendition: RenditionId,
    },
    /// Segment `msn` and its parts are neither listed nor in their grace any more: their bytes may be dropped.
    Forget {
        /// Of this rendition.
        rendition: RenditionId,
        /// The segment.
        msn: MediaSeq,
    },
    /// No segment that is left needs this init section: its bytes may be dropped.
    ForgetInit {
        /// Of this rendition.
        rendition: RenditionId,
        /// The init section.
        init: InitId,
    },
    /// The playlists are final.
    Ended,
    /// Everything is forgotten: the stream itself may be dropped.
    Finished,
}

/// Why a machine wants to be called at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A removed segment's grace ends.
    Forget,
    /// The grace of an ended stream ends.
    Finish,
}

/// Why an input was not taken. The machine is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandleError {
    /// The id is of another stream's configuration.
    #[error("the stream has no such rendition")]
    UnknownRendition,
    /// The stream has ended.
    #[error("the stream has ended")]
    Ended,
    /// A part or a segment's end while the publisher is away.
    #[error("the publisher is away")]
    Away,
    /// A segment's end without a part in it.
    #[error("the segment has no part")]
    EmptySegment,
    /// The segment would round to more than the target duration.
    #[error("the segment is longer than the target duration")]
    SegmentTooLong,
    /// More parts than a segment may have.
    #[error("the segment has too many parts")]
    TooManyParts,
}

/// The playlists of one stream, that is, of one URL prefix.
///
/// Getters: [`Live::config`], [`Live::ready`], [`Live::init`], [`Live::snapshot`], [`Live::request`], [`Live::media`].
/// `handle_*`: [`Live::handle`]. Polls: [`Live::poll_output`], [`Live::poll_timeout`].
#[derive(Debug)]
pub struct Live {
    config: Config,
    outputs: VecDeque<Output>,
}

impl Live {
    /// A stream whose publisher has just come: `anchor` is the wall clock at media time 0.
    #[must_use]
    pub fn new(config: Config, _anchor: WallTime) -> Self {
        Self {
            config,
            outputs: VecDeque::new(),
        }
    }

    /// What the stream was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether every rendition has a whole segment, so that a player can be sent here.
    #[must_use]
    pub fn ready(&self) -> bool {
        false
    }

    /// The init section that the next part of the rendition needs; the shell keeps its bytes under this id.
    #[must_use]
    pub fn init(&self, _rendition: RenditionId) -> InitId {
        InitId(0)
    }

    /// The rendition's playlist as it is now, if the stream has that rendition.
    #[must_use]
    pub fn snapshot(&self, _rendition: RenditionId) -> Option<Arc<Snapshot>> {
        None
    }

    /// Takes one input.
    ///
    /// # Errors
    /// [`HandleError`]: the input does not fit the stream's state, and nothing was changed.
    pub fn handle(&mut self, _now: Moment, _input: Input) -> Result<(), HandleError> {
        Ok(())
    }

    /// What to do next, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Live::handle`] with [`Input::Timeout`] at the latest, and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Moment, Reason)> {
        None
    }
}
