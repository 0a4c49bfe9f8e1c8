//! One publisher's tags into one stream's parts.
//!
//! `media` makes samples of the tags, `live` decides where they are cut, `media` writes each part, and the stream takes
//! it. What is left to this module is to keep the samples until their part is cut, and to tie the publisher's clock to
//! the wall clock. Owned by the publisher's task; never waits.

use std::{collections::VecDeque, sync::Arc};

use fanwave_live::{
    RenditionId, WallTime,
    cut::{self, CutError, Cutter, Decision, Sync, Taken},
};
use fanwave_media::{
    Demux, DemuxError, Output, Sample, TrackKind, Tracks, VIDEO_TIMESCALE,
    cmaf::{self, WriteError},
    limits::FRAGMENT_BYTES_MAX,
};
use prometheus_client::metrics::counter::Counter;
use thiserror::Error;

use crate::{
    channel::{BeginError, Channel, Claim},
    rtmp::session::Event,
    stream::{AUDIO, AddError, Step, Stream, VIDEO},
};

/// Why a publisher is let go.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum PackError {
    /// What it sends is not what this server takes.
    #[error(transparent)]
    Demux(#[from] DemuxError),
    /// What it sends cannot be cut.
    #[error(transparent)]
    Cut(#[from] CutError),
    /// A part could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Its stream did not begin.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// Its stream does not take its parts.
    #[error(transparent)]
    Add(#[from] AddError),
    /// More media in one part than a part may have.
    #[error("more than {FRAGMENT_BYTES_MAX} bytes in one part: lower the bitrate in the encoder")]
    PartTooLong,
}

#[derive(Debug)]
pub(crate) struct Packager {
    demux: Demux,
    claim: Claim,
    parts_made: Counter,
    /// Known, and waiting for the first picture.
    tracks: Option<Box<Tracks>>,
    /// Samples that came out before the first picture did; at most what the look-ahead of one picture lets through.
    early: Vec<(TrackKind, Sample)>,
    run: Option<Run>,
}

/// From a publisher's first picture on.
#[derive(Debug)]
struct Run {
    channel: Arc<Channel>,
    stream: Arc<Stream>,
    tracks: Tracks,
    cutter: Cutter,
    queues: Vec<Queue>,
    /// Wall clock at decode time 0.
    zero: WallTime,
    state: RunState,
    parts_made: Counter,
    /// Whether the stream was playable when it was last looked at.
    is_ready: bool,
}

/// Where a run is between two breaks of its timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunState {
    /// The stream has been told where this stretch begins, and no part of it was made yet.
    Begun,
    /// A part was made.
    Made,
    /// The timeline broke; the stream is told once it is known where it goes on.
    Broken,
}

/// The samples of one track that wait for their part to be cut.
#[derive(Debug)]
struct Queue {
    kind: TrackKind,
    rendition: RenditionId,
    samples: VecDeque<Sample>,
    bytes: usize,
    /// Where the newest sample ends, in the present stretch.
    end: Option<u64>,
    sequence: u32,
}

impl Packager {
    pub(crate) fn new(claim: Claim, parts_made: Counter) -> Self {
        let demux = Demux::new(claim.start_ms());
        Self {
            demux,
            claim,
            parts_made,
            tracks: None,
            early: Vec::new(),
            run: None,
        }
    }

    /// Takes what the publisher sent.
    pub(crate) fn handle(&mut self, event: &Event) -> Result<(), PackError> {
        match event {
            Event::Announced { audio } => self.demux.handle_announcement(*audio)?,
            Event::Video { timestamp, body } => self.demux.handle_video(*timestamp, body)?,
            Event::Audio { timestamp, body } => self.demux.handle_audio(*timestamp, body)?,
            Event::Publish { .. } | Event::Finished => {}
        }
        self.advance()
    }

    /// The publisher is gone: what it sent is made into parts to the last sample, as far as it goes.
    pub(crate) fn finish(mut self) {
        self.demux.finish();
        let done = self.advance().and_then(|()| match self.run.take() {
            Some(mut run) => run.close(),
            None => Ok(()),
        });
        if let Err(error) = done {
            tracing::debug!(channel = %self.claim.channel().id(), %error, "the last part was dropped");
        }
    }

    fn advance(&mut self) -> Result<(), PackError> {
        while let Some(output) = self.demux.poll_output() {
            match output {
                Output::Tracks(tracks) => self.tracks = Some(tracks),
                Output::Sample(kind, sample) => self.early.push((kind, sample)),
            }
        }
        if self.run.is_none() {
            self.begin()?;
        }
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        for (kind, sample) in self.early.drain(..) {
            run.take(kind, sample)?;
            run.deliver()?;
        }
        Ok(())
    }

    /// Begins once there is a picture: its time ties the publisher's clock to the wall clock.
    fn begin(&mut self) -> Result<(), PackError> {
        let pictures = || {
            self.early
                .iter()
                .filter(|(kind, _)| *kind == TrackKind::Video)
                .map(|(_, sample)| sample)
        };
        let (Some(first), Some(last)) = (pictures().next(), pictures().next_back()) else {
            return Ok(());
        };
        let Some(tracks) = self.tracks.take() else {
            return Ok(());
        };
        // The picture after `last` has just arrived, and `last` ends where that one begins.
        let zero = self
            .claim
            .channel()
            .clock()
            .wall()
            .0
            .saturating_sub(video_millis(last.end()));
        let zero = WallTime(zero);
        let anchor = WallTime(zero.0.saturating_add(video_millis(first.decode_time)));
        let stream = self.claim.begin((*tracks).clone(), anchor)?;
        tracing::info!(
            channel = %self.claim.channel().id(),
            prefix = stream.prefix(),
            video = tracks.video.codec(),
            width = tracks.video.width(),
            height = tracks.video.height(),
            audio = tracks.audio.as_ref().map(fanwave_media::AacConfig::codec),
            "stream begins"
        );
        // The cutter begins with a picture: sound of the same moment must not come before it.
        self.early.sort_by_key(|(kind, sample)| {
            (millis(sample.decode_time, timescale(*kind, &tracks)), *kind)
        });
        let channel = Arc::clone(self.claim.channel());
        self.run = Some(Run::new(
            channel,
            stream,
            *tracks,
            zero,
            self.parts_made.clone(),
        ));
        Ok(())
    }
}

impl Run {
    fn new(
        channel: Arc<Channel>,
        stream: Arc<Stream>,
        tracks: Tracks,
        zero: WallTime,
        parts_made: Counter,
    ) -> Self {
        let config = stream.config();
        let queue = |(kind, name)| {
            let (rendition, _) = config
                .renditions()
                .find(|(_, spec)| spec.name.as_str() == name)?;
            let samples = VecDeque::new();
            Some(Queue {
                kind,
                rendition,
                samples,
                bytes: 0,
                end: None,
                sequence: 0,
            })
        };
        let queues = [(TrackKind::Video, VIDEO), (TrackKind::Audio, AUDIO)]
            .into_iter()
            .filter_map(queue)
            .collect();
        let cutter = Cutter::new(config);
        Self {
            channel,
            stream,
            tracks,
            cutter,
            queues,
            zero,
            state: RunState::Begun,
            parts_made,
            is_ready: false,
        }
    }

    /// Hands one sample to the cutter, and begins a new stretch when the timeline broke.
    fn take(&mut self, kind: TrackKind, sample: Sample) -> Result<(), PackError> {
        let Some(index) = self.queues.iter().position(|queue| queue.kind == kind) else {
            return Ok(());
        };
        // A part cannot have a hole in it.
        if !self.queues[index].is_followed_by(&sample) {
            self.restart("a hole")?;
        }
        let times = self.queues[index].times_of(&sample);
        let taken = match self.cutter.handle(times) {
            Err(CutError::Broken(why)) if self.state == RunState::Made => {
                self.restart(&why.to_string())?;
                self.cutter.handle(times)?
            }
            taken => taken?,
        };
        match taken {
            Taken::Skipped => return Ok(()),
            Taken::Kept => {}
        }
        if self.state == RunState::Broken && kind == TrackKind::Video {
            let anchor = WallTime(self.zero.0.saturating_add(video_millis(sample.decode_time)));
            self.stream
                .resume(self.channel.clock().now(), self.tracks.clone(), anchor)?;
            self.state = RunState::Begun;
        }
        self.queues[index].push(sample)
    }

    /// Makes parts of what waits and starts over; the stream is told when the next picture shows where it goes on.
    fn restart(&mut self, why: &str) -> Result<(), PackError> {
        tracing::info!(channel = %self.channel.id(), why, "the publisher's timeline broke");
        self.close()?;
        self.queues.iter_mut().for_each(Queue::clear);
        self.state = RunState::Broken;
        Ok(())
    }

    /// Gives the stream what the cutter decided, all of it at once.
    fn deliver(&mut self) -> Result<(), PackError> {
        let decisions: Vec<_> = std::iter::from_fn(|| self.cutter.poll_output()).collect();
        self.add(decisions)
    }

    /// Gives the stream what waits, to the last sample. The cutter is then as new.
    fn close(&mut self) -> Result<(), PackError> {
        let fresh = Cutter::new(self.stream.config());
        let decisions = std::mem::replace(&mut self.cutter, fresh)
            .finish()
            .collect();
        self.add(decisions)
    }

    fn add(&mut self, decisions: Vec<Decision>) -> Result<(), PackError> {
        if decisions.is_empty() {
            return Ok(());
        }
        let steps = decisions
            .into_iter()
            .map(|decision| self.step(decision))
            .collect::<Result<Vec<_>, _>>()?;
        self.parts_made.inc_by(
            steps
                .iter()
                .filter(|step| matches!(step, Step::Part { .. }))
                .count() as u64,
        );
        self.state = RunState::Made;
        self.stream.add(self.channel.clock().now(), steps)?;
        if !self.is_ready && self.stream.is_ready() {
            self.is_ready = true;
            self.channel.announce();
        }
        Ok(())
    }

    fn step(&mut self, decision: Decision) -> Result<Step, PackError> {
        match decision {
            Decision::SegmentEnd { rendition } => Ok(Step::SegmentEnd { rendition }),
            Decision::Part {
                rendition,
                samples,
                start,
                duration,
                independence,
                fit: _,
            } => {
                let queue = self
                    .queues
                    .iter_mut()
                    .find(|queue| queue.rendition == rendition);
                let bytes = queue.ok_or(WriteError::Empty)?.write(samples)?;
                Ok(Step::Part {
                    rendition,
                    start,
                    duration,
                    independence,
                    bytes,
                })
            }
        }
    }
}

impl Queue {
    fn times_of(&self, sample: &Sample) -> cut::Sample {
        cut::Sample {
            rendition: self.rendition,
            dts: sample.decode_time,
            duration: sample.duration,
            sync: if sample.sync { Sync::Sync } else { Sync::Delta },
        }
    }

    fn is_followed_by(&self, sample: &Sample) -> bool {
        self.end.is_none_or(|end| end == sample.decode_time)
    }

    fn push(&mut self, sample: Sample) -> Result<(), PackError> {
        self.end = Some(sample.end());
        self.bytes = self.bytes.saturating_add(sample.data.len());
        self.samples.push_back(sample);
        if self.bytes > FRAGMENT_BYTES_MAX {
            Err(PackError::PartTooLong)
        } else {
            Ok(())
        }
    }

    /// The oldest `samples` as one part.
    fn write(&mut self, samples: usize) -> Result<bytes::Bytes, WriteError> {
        let part: Vec<_> = self
            .samples
            .drain(..samples.min(self.samples.len()))
            .collect();
        self.bytes = self.samples.iter().map(|sample| sample.data.len()).sum();
        self.sequence = self.sequence.wrapping_add(1);
        cmaf::fragment(self.sequence, &part)
    }

    fn clear(&mut self) {
        self.samples.clear();
        self.bytes = 0;
        self.end = None;
    }
}

fn video_millis(ticks: u64) -> u64 {
    millis(ticks, VIDEO_TIMESCALE)
}

fn millis(ticks: u64, timescale: u32) -> u64 {
    ticks.saturating_mul(1_000) / u64::from(timescale.max(1))
}

fn timescale(kind: TrackKind, tracks: &Tracks) -> u32 {
    match (kind, &tracks.audio) {
        (TrackKind::Audio, Some(audio)) => audio.sample_rate(),
        (TrackKind::Audio, None) | (TrackKind::Video, _) => VIDEO_TIMESCALE,
    }
}
