//! Small pictures of a show, for whoever seeks in it.
//!
//! 1. A stream of a chosen channel has a [`keeper`]. Each [`ThumbnailsConfig::interval`] it takes the picture that a segment begins
//!    with from what the stream holds anyway, and has a child process ([`child`]) make it small. The publisher's task knows
//!    nothing of it, and whatever fails is a picture less.
//! 2. [`strip`] knows which pictures there are. When there are enough for a sheet, another child puts them on one, which is
//!    kept beside the segments; the newest are in memory, one by one.
//! 3. [`track`] is what viewers are told: `WebVTT`, a cue to a picture.

pub(crate) mod child;
mod keeper;
pub(crate) mod strip;
pub(crate) mod track;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use fanwave_media::{Range, Tracks, VideoTrack};
use fanwave_wire::RoomId;
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use thiserror::Error;
use tokio::sync::Semaphore;

use self::{child::Child, keeper::Keeper, strip::Strip};
use crate::{
    archive::Archive,
    limits::{
        THUMBNAIL_CHILDREN_MAX, THUMBNAIL_INTERVAL_MAX, THUMBNAIL_INTERVAL_MIN,
        THUMBNAIL_LINES_MAX, THUMBNAIL_LINES_MIN,
    },
    stream::Stream,
};

/// What pictures are made of shows for whoever seeks in them.
#[derive(Debug, Clone)]
pub struct ThumbnailsConfig {
    /// The channels that have some; none by default.
    pub channels: BTreeSet<RoomId>,
    /// From one picture to the next.
    pub interval: Duration,
    /// Lines of the shorter side of a picture; even.
    pub lines: u32,
}

impl Default for ThumbnailsConfig {
    fn default() -> Self {
        Self {
            channels: BTreeSet::new(),
            interval: Duration::from_secs(10),
            lines: 90,
        }
    }
}

/// Why no pictures can be made so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ThumbnailsError {
    /// Too often or too seldom.
    #[error(
        "a picture each {THUMBNAIL_INTERVAL_MIN:?} to {THUMBNAIL_INTERVAL_MAX:?} can be made, not each {0:?}"
    )]
    Interval(Duration),
    /// Too small or too large.
    #[error(
        "a picture of {0} lines: it has to be an even number of {THUMBNAIL_LINES_MIN} to {THUMBNAIL_LINES_MAX}"
    )]
    Lines(u32),
}

impl ThumbnailsConfig {
    /// Whether it can be done.
    ///
    /// # Errors
    /// [`ThumbnailsError`] says what to change.
    pub fn check(&self) -> Result<(), ThumbnailsError> {
        if !(THUMBNAIL_INTERVAL_MIN..=THUMBNAIL_INTERVAL_MAX).contains(&self.interval) {
            return Err(ThumbnailsError::Interval(self.interval));
        }
        if !(THUMBNAIL_LINES_MIN..=THUMBNAIL_LINES_MAX).contains(&self.lines)
            || !self.lines.is_multiple_of(2)
        {
            return Err(ThumbnailsError::Lines(self.lines));
        }
        Ok(())
    }
}

/// What all channels share of it.
#[derive(Debug)]
pub(crate) struct Thumbnails {
    config: ThumbnailsConfig,
    program: PathBuf,
    metrics: ThumbnailMetrics,
    /// One permit for each child process at one time.
    places: Arc<Semaphore>,
}

/// Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct ThumbnailMetrics {
    pub(crate) made: Counter,
    pub(crate) failed: Counter,
}

impl ThumbnailMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "thumbnails",
            "Pictures made for whoever seeks",
            self.made.clone(),
        );
        registry.register(
            "thumbnails_failed",
            "Pictures and sheets of them that could not be made or stored",
            self.failed.clone(),
        );
    }
}

impl Thumbnails {
    pub(crate) fn new(
        config: ThumbnailsConfig,
        program: PathBuf,
        metrics: ThumbnailMetrics,
    ) -> Self {
        Self {
            config,
            program,
            metrics,
            places: Arc::new(Semaphore::new(THUMBNAIL_CHILDREN_MAX)),
        }
    }

    /// Makes pictures of a stream that begins, if its channel is to have some, for as long as there is something of it to see.
    pub(crate) fn keep(&self, channel: &RoomId, stream: &Arc<Stream>, archive: &Arc<Archive>) {
        let leader = stream.config().leader();
        let (true, Some((leader, _))) = (self.config.channels.contains(channel), leader) else {
            return;
        };
        let strip = Arc::new(Strip::new(self.config.interval));
        if !stream.set_thumbnails(Arc::clone(&strip)) {
            return;
        }
        let child = Child {
            program: self.program.clone(),
            places: Arc::clone(&self.places),
        };
        let keeper = Keeper::new(
            (Arc::clone(stream), leader),
            strip,
            (child, self.config.lines, self.metrics.clone()),
            archive.shelf_of(channel, stream),
        );
        archive.spawn(keeper.run(archive.stopping()));
    }
}

/// The pictures that small ones are made of. Of a high dynamic range none are made: they would be shown in wrong colours.
pub(crate) fn source(tracks: &Tracks) -> Option<&VideoTrack> {
    tracks.video(tracks.leader()).filter(|track| {
        matches!(
            track.color().map(|color| color.range()),
            Some(Range::Sdr) | None
        )
    })
}
