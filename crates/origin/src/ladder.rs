//! The ladder: lower rungs of a show, each made from the publisher's pictures by a child process.
//!
//! 1. [`Ladder::choose`] says which rungs a stream gets: those below its source, as far as the machine may encode more.
//! 2. [`Rungs`] is the ladder of one publisher. It hands every picture to the encoders, and tells every rung how the source
//!    was cut; the publisher's task never waits for an encoder.
//! 3. Each [`rung`] puts what its encoder gives back where the source's pictures were, and adds the parts to the stream.
//!    What comes too late is a gap in that rung, and nowhere else.
//!    AAC that is made of Opus is cut by itself ([`sound`]), and made like a rung otherwise.
//! 4. Each [`keeper`] runs one `ffmpeg` ([`command`]), and another after it, later each time ([`crate::backoff`]).

pub(crate) mod command;
pub(crate) mod config;
mod keeper;
pub(crate) mod metrics;
mod rung;
mod sound;

use std::{path::Path, sync::Arc, time::Duration};

use fanwave_live::{
    Config, Position, RenditionId, RenditionName,
    cut::shadow::{Lead, Source},
    limits::RENDITIONS_MAX,
};
use fanwave_media::{
    AudioConfig, Range, Sample, TrackId, Tracks, VideoTrack,
    cmaf::{self, WriteError},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

pub(crate) use self::{command::child, sound::Sound};
use self::{
    config::{LadderConfig, RungConfig},
    keeper::Program,
    metrics::LadderMetrics,
    rung::{Fed, Job, Of, Place, Rung, SourceInit},
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

    /// What is shown while an encoder is away, if anything, and the program that makes it.
    pub(crate) fn slate(&self) -> Option<(&Path, &Path)> {
        let file = self.config.slate.as_deref()?;
        Some((file, &self.config.program))
    }

    /// AAC that is made for these tracks: of each of Opus, where none of the publisher's is AAC; its name, what it is made
    /// from, and its timescale.
    pub(crate) fn sounds(
        &self,
        tracks: &Tracks,
        config: &Config,
    ) -> Vec<(RenditionName, RenditionId, u32)> {
        let is_opus = |config: &AudioConfig| matches!(config, AudioConfig::Opus(_));
        let all = tracks.audio.iter().all(|track| is_opus(&track.config));
        if self.config.aac_kilobits.is_none() || !all {
            return Vec::new();
        }
        let sound = |id| {
            let timescale = tracks.audio(id)?.config.timescale();
            let name = format!("{id}-aac").parse().ok()?;
            Some((name, config.rendition(&id.to_string())?, timescale))
        };
        let room = RENDITIONS_MAX.saturating_sub(config.renditions().count());
        tracks.ids().filter_map(sound).take(room).collect()
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
    sounds: Vec<Sound>,
    source: Option<Arc<SourceInit>>,
    sequence: u32,
    /// Owns the keepers.
    keepers: JoinSet<()>,
}

impl Rungs {
    /// Starts the rungs of a stream that are its shadows, and what is made of its sound. Has to be called within a tokio
    /// runtime.
    pub(crate) fn start(
        channel: &Arc<Channel>,
        rungs: &[RungConfig],
        (stream, turn): (&Arc<Stream>, Turn),
        tracks: &Tracks,
    ) -> Self {
        let (ladder, clock) = (channel.ladder(), channel.clock());
        let program = Program {
            path: ladder.config.program.clone(),
            encoder: ladder.config.encoder,
        };
        let mut started = Self::default();
        let config = stream.config();
        let mut start = |job: Job, rendition| {
            let place = Place {
                channel: Arc::clone(channel),
                stream: Arc::clone(stream),
                rendition,
                metrics: ladder.metrics.clone(),
                patience: ladder.patience.max(config.part_target()),
            };
            let (rung, fed) = Rung::new(job, place, turn);
            let keeper = keeper::keep(Arc::clone(&rung), program.clone(), fed, clock);
            started.keepers.spawn(keeper);
            rung
        };
        for rung in rungs {
            if let Some(rendition) = config.rendition(&rung.name()) {
                started.rungs.push(start(Job::Pictures(*rung), rendition));
            }
        }
        for (made, source) in config.sounds() {
            let name = config.renditions().find(|(id, _)| *id == made);
            let track = tracks
                .ids()
                .find(|track| config.rendition(&track.to_string()) == Some(source));
            let like = track.and_then(|track| tracks.audio(track));
            if let (Some((_, spec)), Some(track), Some(like), Some(kilobits)) =
                (name, track, like, ladder.config.aac_kilobits)
            {
                let job = Job::Sound {
                    name: spec.name.as_str().into(),
                    kilobits,
                    like: Box::new(like.clone()),
                };
                let rung = start(job, made);
                started.sounds.push(Sound::new(track, made, rung));
            }
        }
        started
    }

    /// What is made of the publisher's sound.
    pub(crate) fn sounds(&mut self) -> &mut [Sound] {
        &mut self.sounds
    }

    /// What is made of this track.
    pub(crate) fn sound(&mut self, track: TrackId) -> Option<&mut Sound> {
        self.sounds.iter_mut().find(|sound| sound.source() == track)
    }

    /// The source's pictures and sound are of this configuration from here on.
    pub(crate) fn set_source(&mut self, tracks: &Tracks) -> Result<(), WriteError> {
        for sound in &mut self.sounds {
            sound.set_source(tracks)?;
        }
        let source = tracks.video(tracks.leader());
        if let Some(track) = source.filter(|_| !self.rungs.is_empty()) {
            let source = SourceInit {
                bytes: cmaf::video_init(track)?,
                of: Of::Pictures {
                    size: (track.config.width(), track.config.height()),
                },
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
        let fed = Fed {
            source,
            sync: sample.sync,
            begins_at: 0,
            fragment: &fragment,
        };
        let place = Source {
            decode_time: sample.decode_time,
            duration: sample.duration,
            presentation_time: sample.presentation_time(),
        };
        for rung in &self.rungs {
            rung.handle_source(&fed, [place]);
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
    pub(crate) fn handle_break(&mut self) {
        self.rungs.iter().for_each(|rung| rung.handle_break());
        self.sounds.iter_mut().for_each(Sound::handle_break);
    }
}
