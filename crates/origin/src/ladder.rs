//! The ladder: lower rungs of a show, each made from the publisher's pictures by a child process.
//!
//! 1. [`Ladder::choose`] says which rungs a stream gets: those below its source, as far as the machine may encode more.
//! 2. [`Rungs`] is the ladder of one publisher. It hands every picture to the encoders, and tells every rung how the source
//!    was cut; the publisher's task never waits for an encoder.
//! 3. Each [`rung`] puts what its encoder gives back where the source's pictures were, and adds the parts to the stream.
//!    What comes too late is a gap in that rung, and nowhere else.
//! 4. Each [`keeper`] runs one `ffmpeg` ([`command`]), and another after it, later each time ([`backoff`]).

mod backoff;
pub(crate) mod command;
pub(crate) mod config;
mod keeper;
pub(crate) mod metrics;
mod rung;

use std::{sync::Arc, time::Duration};

use fanwave_live::{Position, RenditionName, cut::shadow::Lead};
use fanwave_media::{
    Range, Sample, Tracks, VideoTrack,
    cmaf::{self, WriteError},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

use self::{
    config::{LadderConfig, RungConfig},
    keeper::Program,
    metrics::LadderMetrics,
    rung::{Place, Rung, SourceInit},
};
use crate::{
    channel::Channel,
    stream::{Stream, Turn},
};

/// What all channels share of the ladder.
#[derive(Debug)]
pub(crate) struct Ladder {
    config: LadderConfig,
    metrics: LadderMetrics,
    /// One permit for each rung that the machine may encode.
    places: Arc<Semaphore>,
    patience: Duration,
}

/// The rungs of one stream, for as long as it lives.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    wanted: Vec<RungConfig>,
    rungs: Vec<RungConfig>,
    /// Held for as long as the rungs are wanted.
    places: Vec<OwnedSemaphorePermit>,
}

impl Ladder {
    pub(crate) fn new(config: LadderConfig, patience: Duration, metrics: LadderMetrics) -> Self {
        let places = Arc::new(Semaphore::new(config.rungs_max));
        Self {
            config,
            metrics,
            places,
            patience,
        }
    }

    /// The rungs that a source would have.
    fn wanted(&self, source: Option<&VideoTrack>, room: usize) -> Vec<RungConfig> {
        source.map_or_else(Vec::new, |source| {
            let (width, height) = (source.config.width(), source.config.height());
            let below = self.config.below(width, height);
            below.take(room).collect()
        })
    }

    /// Whether a source would have the rungs that were chosen for another.
    pub(crate) fn is_like(
        &self,
        chosen: &Chosen,
        source: Option<&VideoTrack>,
        room: usize,
    ) -> bool {
        chosen.wanted == self.wanted(source, room)
    }

    /// Chooses rungs for a source, `room` at most. Where the machine has not places for all, the lowest are chosen: they are
    /// for those whom the source does not reach.
    pub(crate) fn choose(&self, source: Option<&VideoTrack>, room: usize) -> Chosen {
        let wanted = self.wanted(source, room);
        let mut chosen = Chosen::default();
        for rung in wanted.iter().rev() {
            match Arc::clone(&self.places).try_acquire_owned() {
                Ok(place) => {
                    chosen.rungs.insert(0, *rung);
                    chosen.places.push(place);
                }
                Err(_) => {
                    self.metrics.left_out.inc();
                    tracing::warn!(
                        rung = rung.name(),
                        "a rung is left out: the machine encodes as many as ladder.rungs_max allows"
                    );
                }
            }
        }
        chosen.wanted = wanted;
        chosen
    }
}

impl Chosen {
    /// What they are called in URLs.
    pub(crate) fn names(&self) -> Vec<RenditionName> {
        let name = |rung: &RungConfig| rung.name().parse().ok();
        self.rungs.iter().filter_map(name).collect()
    }

    pub(crate) fn rungs(&self) -> &[RungConfig] {
        &self.rungs
    }
}

/// The pictures that rungs are made of. Of several, nothing is made: their publisher brings a ladder of its own. Nor of a
/// high dynamic range, which a rung would show in wrong colours.
pub(crate) fn source(tracks: &Tracks) -> Option<&VideoTrack> {
    match &tracks.video[..] {
        [only] => Some(only).filter(|track| {
            matches!(
                track.color().map(|color| color.range()),
                Some(Range::Sdr) | None
            )
        }),
        _ => None,
    }
}

/// How a source was cut.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SourceCut {
    /// Its oldest pictures that were not cut yet are a part, and it was put in this place.
    Part(Lead, Position),
    /// Its segment has had its last part.
    SegmentEnd,
}

/// The ladder of one publisher. Dropping it ends its encoders.
#[derive(Debug, Default)]
pub(crate) struct Rungs {
    rungs: Vec<Arc<Rung>>,
    source: Option<Arc<SourceInit>>,
    sequence: u32,
    /// Owns the keepers.
    keepers: JoinSet<()>,
}

impl Rungs {
    /// Starts the rungs of a stream that are its shadows. Has to be called within a tokio runtime.
    pub(crate) fn start(
        channel: &Arc<Channel>,
        rungs: &[RungConfig],
        stream: &Arc<Stream>,
        turn: Turn,
    ) -> Self {
        let (ladder, clock) = (channel.ladder(), channel.clock());
        let program = Program {
            path: ladder.config.program.clone(),
            encoder: ladder.config.encoder,
        };
        let mut started = Self::default();
        for rung in rungs {
            let Some(rendition) = stream.config().rendition(&rung.name()) else {
                continue;
            };
            let place = Place {
                channel: Arc::clone(channel),
                stream: Arc::clone(stream),
                rendition,
                metrics: ladder.metrics.clone(),
                patience: ladder.patience.max(stream.config().part_target()),
            };
            let (rung, fed) = Rung::new(*rung, place, turn);
            started.rungs.push(Arc::clone(&rung));
            let keeper = keeper::keep(rung, program.clone(), fed, clock);
            started.keepers.spawn(keeper);
        }
        started
    }

    /// The source's pictures are of this configuration from here on.
    pub(crate) fn set_source(&mut self, tracks: &Tracks) -> Result<(), WriteError> {
        let source = tracks.video(tracks.leader());
        if let Some(track) = source.filter(|_| !self.rungs.is_empty()) {
            let source = SourceInit {
                bytes: cmaf::video_init(track)?,
                size: (track.config.width(), track.config.height()),
            };
            self.source = Some(Arc::new(source));
        }
        Ok(())
    }

    /// The source has another picture, which has not been cut yet.
    pub(crate) fn handle_source(&mut self, sample: &Sample) -> Result<(), WriteError> {
        let Some(source) = self.source.as_ref().filter(|_| !self.rungs.is_empty()) else {
            return Ok(());
        };
        self.sequence = self.sequence.wrapping_add(1);
        let fragment = cmaf::fragment(self.sequence, std::slice::from_ref(sample))?;
        for rung in &self.rungs {
            rung.handle_source(source, sample, &fragment);
        }
        Ok(())
    }

    /// This is what became of the source's pictures, at once.
    pub(crate) fn handle_cuts(&self, cuts: &[SourceCut]) {
        if !cuts.is_empty() {
            self.rungs.iter().for_each(|rung| rung.handle_cuts(cuts));
        }
    }

    /// The source's timeline ends here, and goes on elsewhere, if it does.
    pub(crate) fn handle_break(&self) {
        self.rungs.iter().for_each(|rung| rung.handle_break());
    }
}
