//! The samples of one publisher on their way into parts, through every break of its timeline.
//!
//! A *stretch* is what lies between two breaks. Each has a cutter of its own, and each but a publisher's first begins
//! with a discontinuity.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use fanwave_live::{
    HandleError, Numbering, Position, RenditionId, WallTime,
    cut::{self, CutError, Cutter, Decision, Sync, Taken, shadow::Lead},
};
use fanwave_media::{
    Sample, TrackId, Tracks,
    cmaf::{self, WriteError},
    limits::FRAGMENT_BYTES_MAX,
};
use prometheus_client::metrics::counter::Counter;

use super::{PackError, clocked::Join, millis};
use crate::{
    channel::{Channel, OnAir},
    ladder::{Rungs, Sound, SourceCut},
    simulcast::Source,
    stream::{AddError, Step, Stream, Turn},
};

/// A publisher that is back may begin a little before the gap ends: dates of one playlist may overlap by less than a second
/// (section 6.2.1 of the draft).
const LATE_MS_MAX: u64 = 500;

/// From a publisher's first picture on, or its first sound where it sends no pictures.
#[derive(Debug)]
pub(super) struct Run {
    channel: Arc<Channel>,
    stream: Arc<Stream>,
    turn: Turn,
    tracks: Tracks,
    cutter: Cutter,
    queues: Vec<Queue>,
    /// Wall clock at decode time 0.
    zero: WallTime,
    state: RunState,
    /// While the timeline is broken.
    rejoin: Option<Join>,
    rungs: Rungs,
    /// Goes to other platforms.
    pushed: Source,
    parts_made: Counter,
    /// How often the timeline broke.
    leaps: u64,
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
    /// The stream went on without this publisher, who sent nothing.
    Starved {
        /// How late its last independent picture was, in milliseconds, once there was one.
        late: Option<u64>,
    },
}

/// The samples of one track that wait for their part to be cut.
#[derive(Debug)]
struct Queue {
    track: TrackId,
    rendition: RenditionId,
    samples: VecDeque<Sample>,
    bytes: usize,
    /// Where the newest sample ends, in the present stretch.
    end: Option<u64>,
}

impl Run {
    pub(super) fn new(
        channel: Arc<Channel>,
        on_air: OnAir,
        tracks: Tracks,
        zero: WallTime,
        parts_made: Counter,
    ) -> Result<Self, PackError> {
        let OnAir {
            stream,
            turn,
            rungs,
        } = on_air;
        let mut rungs = Rungs::start(&channel, &rungs, (&stream, turn), &tracks);
        rungs.set_source(&tracks)?;
        let config = stream.config();
        let queue = |track: TrackId| {
            Some(Queue {
                track,
                rendition: config.rendition(&track.to_string())?,
                samples: VecDeque::new(),
                bytes: 0,
                end: None,
            })
        };
        let queues = tracks.ids().filter_map(queue).collect();
        let cutter = Cutter::new(config).at(zero);
        let pushed = channel.simulcast().begin(&tracks);
        Ok(Self {
            channel,
            stream,
            turn,
            tracks,
            cutter,
            queues,
            zero,
            state: RunState::Begun,
            rejoin: None,
            rungs,
            pushed,
            parts_made,
            leaps: 0,
            is_ready: false,
        })
    }

    /// How often the publisher's timeline broke.
    pub(super) fn leaps(&self) -> u64 {
        self.leaps
    }

    /// Hands one sample to the cutter, and begins a new stretch when the timeline broke.
    pub(super) fn take(&mut self, track: TrackId, sample: Sample) -> Result<(), PackError> {
        let Some(index) = self.queues.iter().position(|queue| queue.track == track) else {
            return Ok(());
        };
        if matches!(self.state, RunState::Starved { .. }) && !self.catches_up(track, &sample) {
            return Ok(());
        }
        // A part cannot have a hole in it.
        if !self.queues[index].is_followed_by(&sample) {
            self.leaps += 1;
            self.restart("a hole")?;
        }
        if self.state == RunState::Broken && !self.may_rejoin(track, &sample) {
            return Ok(());
        }
        let times = self.queues[index].times_of(&sample);
        let taken = match self.cutter.handle(times) {
            Err(CutError::Broken(why)) if self.state == RunState::Made => {
                self.leaps += 1;
                self.restart(&why.to_string())?;
                if !self.may_rejoin(track, &sample) {
                    return Ok(());
                }
                self.cutter.handle(times)?
            }
            taken => taken?,
        };
        match taken {
            Taken::Skipped => return Ok(()),
            Taken::Kept => {}
        }
        if self.state == RunState::Broken && track == self.tracks.leader() {
            let timescale = self.tracks.timescale(track);
            let at_ms = millis(sample.decode_time, timescale);
            let anchor = WallTime(self.zero.0.saturating_add(at_ms));
            self.stream.resume(
                self.channel.clock().now(),
                self.turn,
                self.tracks.clone(),
                anchor,
            )?;
            self.state = RunState::Begun;
        }
        if track == self.tracks.leader() {
            self.rungs.handle_source(&sample)?;
        }
        self.pushed.handle_sample(track, &sample);
        match self.make_sound(track, &sample)? {
            Taken::Kept => self.queues[index].push(sample),
            Taken::Skipped => Ok(()),
        }
    }

    /// Has AAC made of a sample, where it is sound and some is to be. [`Taken::Skipped`]: the timeline broke over it.
    fn make_sound(&mut self, track: TrackId, sample: &Sample) -> Result<Taken, PackError> {
        let Some(due) = self.rungs.sound(track).map(|sound| sound.due(sample)) else {
            return Ok(Taken::Kept);
        };
        for place in &due {
            match self.cutter.handle(*place) {
                Err(CutError::Broken(why)) if self.state == RunState::Made => {
                    self.leaps += 1;
                    self.restart(&why.to_string())?;
                    return Ok(Taken::Skipped);
                }
                taken => taken?,
            };
        }
        if let Some(sound) = self.rungs.sound(track) {
            sound.handle_source(sample, &due)?;
        }
        Ok(Taken::Kept)
    }

    /// A track's configuration is another from here on: what follows needs a new init section, after a discontinuity.
    pub(super) fn change(&mut self, tracks: Tracks) -> Result<(), PackError> {
        self.restart("a new configuration")?;
        self.rungs.set_source(&tracks)?;
        self.pushed.set_tracks(&tracks);
        self.tracks = tracks;
        Ok(())
    }

    /// Whether a publisher that has starved its stream is back with something that can follow.
    ///
    /// What was held up on the way comes in a burst, and of a time that the playlists have already listed as gap: it is
    /// dropped, for else every viewer would be that much later for the rest of the show. A publisher that is as late as
    /// before at its next independent picture does not come nearer: its clock has stood still, and is read anew.
    fn catches_up(&mut self, track: TrackId, sample: &Sample) -> bool {
        if track != self.tracks.leader() || !sample.sync {
            return false;
        }
        let shown = WallTime(
            self.zero
                .0
                .saturating_add(millis(sample.decode_time, self.tracks.timescale(track))),
        );
        let end = self.stream.end_of_media().unwrap_or(shown);
        let late = end.0.saturating_sub(shown.0);
        let before = match self.state {
            RunState::Starved { late } => late,
            RunState::Begun | RunState::Made | RunState::Broken => None,
        };
        if late <= LATE_MS_MAX
            || before.is_some_and(|before| late.saturating_add(LATE_MS_MAX) > before)
        {
            self.zero.0 = self.zero.0.saturating_add(late);
            self.state = RunState::Broken;
            true
        } else {
            self.state = RunState::Starved { late: Some(late) };
            false
        }
    }

    /// Whether what comes after a break may begin here, as numbers from the clock allow it.
    fn may_rejoin(&mut self, track: TrackId, sample: &Sample) -> bool {
        if self.channel.numbering() == Numbering::Counted {
            return true;
        }
        let join = self.rejoin.get_or_insert_default();
        let picture = (sample, self.tracks.timescale(track));
        let joins =
            track == self.tracks.leader() && join.may_begin(&self.channel, self.zero, picture);
        if joins {
            self.rejoin = None;
        }
        joins
    }

    /// Makes parts of what waits and starts over; the stream is told when the next picture shows where it goes on.
    fn restart(&mut self, why: &str) -> Result<(), PackError> {
        tracing::info!(channel = %self.channel.id(), why, "the publisher's timeline broke");
        self.close()?;
        self.queues.iter_mut().for_each(Queue::clear);
        self.pushed.handle_break();
        if !matches!(self.state, RunState::Starved { .. }) {
            self.state = RunState::Broken;
        }
        Ok(())
    }

    /// Gives the stream what the cutter decided, all of it at once.
    pub(super) fn deliver(&mut self) -> Result<(), PackError> {
        let decisions: Vec<_> = std::iter::from_fn(|| self.cutter.poll_output()).collect();
        self.add(&decisions)
    }

    /// Gives the stream what waits, to the last sample. The cutter is then as new.
    pub(super) fn close(&mut self) -> Result<(), PackError> {
        let fresh = Cutter::new(self.stream.config()).at(self.zero);
        let decisions: Vec<_> = std::mem::replace(&mut self.cutter, fresh)
            .finish()
            .collect();
        let added = self.add(&decisions);
        self.rungs.handle_break();
        added
    }

    fn add(&mut self, decisions: &[Decision]) -> Result<(), PackError> {
        if decisions.is_empty() {
            return Ok(());
        }
        let made: Vec<_> = self.rungs.sounds().iter().map(Sound::rendition).collect();
        let is_sent = |decision: &Decision| match decision {
            Decision::Part { rendition, .. } | Decision::SegmentEnd { rendition } => {
                !made.contains(rendition)
            }
        };
        let sent: Vec<_> = decisions.iter().copied().filter(is_sent).collect();
        let steps = sent
            .iter()
            .map(|decision| self.step(*decision))
            .collect::<Result<Vec<_>, _>>()?;
        self.parts_made.inc_by(
            steps
                .iter()
                .filter(|step| matches!(step, Step::Part { .. }))
                .count() as u64,
        );
        self.state = RunState::Made;
        let added = self
            .stream
            .add(self.channel.clock().now(), self.turn, steps);
        if matches!(added, Err(AddError::Live(HandleError::Away))) {
            // The stream went on without: what there is comes too late, and the next stretch begins with a picture that can
            // follow the gap.
            self.cutter = Cutter::new(self.stream.config()).at(self.zero);
            self.queues.iter_mut().for_each(Queue::clear);
            self.rungs.handle_break();
            self.pushed.handle_break();
            self.state = RunState::Starved { late: None };
            return Ok(());
        }
        self.lead(&sent, added?);
        let next = |rendition| self.stream.next(rendition);
        for sound in self.rungs.sounds() {
            sound.handle_cuts(decisions, next);
        }
        if !self.is_ready && self.stream.is_ready() {
            self.is_ready = true;
            self.channel.announce();
        }
        Ok(())
    }

    /// Tells the rungs how their source was cut, and where its parts were put.
    fn lead(&self, decisions: &[Decision], places: Vec<Position>) {
        let leader = self.stream.config().leader().map(|(id, _)| id);
        let mut places = places.into_iter();
        let cut = |decision: &Decision| match decision {
            Decision::Part {
                rendition,
                samples,
                start,
                duration,
                ..
            } => {
                let place = places.next()?;
                let lead = Lead {
                    samples: *samples,
                    start: *start,
                    duration: *duration,
                };
                (Some(*rendition) == leader).then_some(SourceCut::Part(lead, place))
            }
            Decision::SegmentEnd { rendition } => {
                (Some(*rendition) == leader).then_some(SourceCut::SegmentEnd)
            }
        };
        let cuts: Vec<_> = decisions.iter().filter_map(cut).collect();
        self.rungs.handle_cuts(&cuts);
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
                let queue = queue.ok_or(WriteError::Empty)?;
                let first = queue.samples.front().ok_or(WriteError::Empty)?;
                let decode_time = first.decode_time;
                let bytes = queue.write(samples)?;
                Ok(Step::Part {
                    rendition,
                    start,
                    duration,
                    independence,
                    samples,
                    decode_time,
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
    fn write(&mut self, samples: usize) -> Result<Bytes, WriteError> {
        let part: Vec<_> = self
            .samples
            .drain(..samples.min(self.samples.len()))
            .collect();
        self.bytes = self.samples.iter().map(|sample| sample.data.len()).sum();
        // Rises from part to part, as it has to, and is the same whoever writes it. Parts are more than 128 ticks apart.
        let sequence = part.first().map_or(0, |first| first.decode_time >> 7) & u64::from(u32::MAX);
        cmaf::fragment(u32::try_from(sequence).unwrap_or(u32::MAX), &part)
    }

    fn clear(&mut self) {
        self.samples.clear();
        self.bytes = 0;
        self.end = None;
    }
}
