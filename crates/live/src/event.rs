//! What goes into the playlist machine, what comes out, and why it may refuse.

use std::time::Duration;

use thiserror::Error;

use crate::{
    config::RenditionId,
    date_range::DateRange,
    limits::DATE_RANGES_MAX,
    position::{InitId, MediaSeq},
    snapshot::Independence,
    time::WallTime,
};

/// What happens to a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A part's bytes are ready to be served.
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
    /// A part of a rendition that is made from another is missing: it is listed as gap, like what follows it in its segment.
    Gap {
        /// Of this rendition.
        rendition: RenditionId,
        /// As the part of the source.
        start: Duration,
        /// As the part of the source.
        duration: Duration,
    },
    /// The rendition's growing segment has had its last part. The next part begins the next segment.
    SegmentEnd {
        /// Of this rendition.
        rendition: RenditionId,
    },
    /// The publisher went away, or sends nothing. Growing segments are closed as they are, and from when the next part would
    /// have been due the playlists go on as gap, by [`crate::Live::poll_timeout`].
    Lost,
    /// The publisher (or another in its place) is there again: the next segment of every rendition begins with a
    /// discontinuity, and what is missing before it is listed as gap. Also the way to mark a break in an unbroken
    /// connection's timeline. A return after which no part came is not counted.
    Returned {
        /// Wall clock at media time 0 of what follows. Taken as where the stream ended, should it lie before.
        anchor: WallTime,
        /// Renditions whose codec configuration changed: they take a new init section, see [`crate::Live::init`].
        new_init: Vec<RenditionId>,
    },
    /// Something happens at a time of the show: every rendition lists it until its time has left the window.
    Announce(DateRange),
    /// There is no place to keep so much: what comes before a segment leaves every playlist now, as far as they may get so
    /// short, and may be forgotten after three target durations.
    Shorten {
        /// The first segment that may stay.
        first: MediaSeq,
    },
    /// The stream is over: playlists end with EXT-X-ENDLIST.
    End,
    /// Nothing but time passed; for when [`crate::Live::poll_timeout`] falls due.
    Timeout,
}

/// What the shell has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The rendition's playlist changed: whoever waits for it, or for its media, asks again.
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
    /// The playlists are final. They are served for as long again as they last, and their media twice as long.
    Ended,
    /// Everything is forgotten: the stream itself may be dropped.
    Finished,
}

/// Why a machine wants to be called at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The next part of a gap is due.
    Gap,
    /// A removed segment's grace ends.
    Forget,
    /// The grace of an ended stream ends.
    Finish,
}

/// Why an input was not taken. The playlists are as they were before.
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
    /// The first part of a segment without an independent frame.
    #[error("the segment does not begin with an independent frame")]
    DependentSegment,
    /// A part with media behind one that is missing.
    #[error("the segment has a gap, and ends with it")]
    AfterGap,
    /// The segment would round to more than the target duration.
    #[error("the segment is longer than the target duration")]
    SegmentTooLong,
    /// The publisher's time lies further ahead than a playlist may be long, and every segment up to there needs a number.
    #[error("the publisher's clock has leapt: segments are numbered by it")]
    Leap,
    /// A date range whose id the stream has, or had.
    #[error("the stream has announced a date range of this id before")]
    RangeIdUsed,
    /// A date range whose end the playlist is already past.
    #[error("the date range ends before what the playlist holds")]
    RangeOver,
    /// More date ranges than a stream may have at a time.
    #[error("the stream has {DATE_RANGES_MAX} date ranges: announce this one when others are over")]
    TooManyRanges,
    /// More parts than a segment may have.
    #[error("the segment has too many parts")]
    TooManyParts,
}
