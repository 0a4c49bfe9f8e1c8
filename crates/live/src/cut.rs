//! Where samples become parts and segments, for all renditions of one stream at once.
//!
//! The cutter sees times only; the shell keeps the samples and muxes what a [`Decision`] names. One rendition
//! leads (the first of pictures, or the first at all) and the others follow its segments:
//!
//! * A leading video rendition begins a segment at the first independent picture at or past the shortest
//!   segment, so every segment starts with one (authoring rule 7.4). A keyframe interval between the shortest
//!   segment and the target duration is always good, and a shorter one as long as it and the shortest segment
//!   fit the target duration. A longer one ends in [`CutError::KeyframeInterval`]: the publisher has to be
//!   refused, for no conforming playlist exists.
//! * A following audio rendition is cut where the leader was, to within [`REMAINDER_MAX`]: what is left over since its
//!   last part goes to the next segment when it is that short, because a part of two frames costs a request like any.
//!   A part that ends where the leader is expected to cut is held until it has, or has not.
//! * A leading audio rendition ends a segment with the first part that reaches the shortest segment.
//!
//! Parts never exceed the part target, which comes from the configuration and is never fitted to what arrives; the cut
//! is fitted instead (section 4.4.4.9). A part closes as soon as another sample like its shortest would not fit. Nothing
//! is decided before every rendition has its first part, so that they enter and leave the stream together.
//!
//! Where segments are numbered by the clock ([`crate::Numbering::Clock`]), the leader begins one at the first independent
//! picture of each cell of time, and following audio is cut exactly there. What is cut from then on depends on the samples
//! alone, and not on when the cutter began.
//!
//! A segment's end is decided together with its last part, but for a publisher that goes: no playlist ever hints at a part of
//! a segment that turns out to have ended.
//!
//! The cutter lives from a publisher's coming to its going; it never looks at a clock.

pub mod shadow;
mod track;

use std::{collections::VecDeque, time::Duration};

use thiserror::Error;

use self::track::{Lead, Track};
use crate::{
    config::{Config, Kind, RenditionId},
    snapshot::Independence,
    time::WallTime,
};

/// The longest piece of following audio that is handed to the next segment instead of becoming a part of its own; a
/// quarter of the part target where that is shorter.
pub const REMAINDER_MAX: Duration = Duration::from_millis(250);

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
    /// The last of its segment, which may be shorter.
    Last,
    /// Shorter, because the next sample is so long that it would not fit: the picture rate is too low for the part
    /// target. Does not happen while samples are at most 15 % of the part target.
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
    /// A rendition has no sample for more than half a target duration, or for what its segment has left.
    #[error("a rendition has a gap")]
    Gap,
    /// This rendition is more than a target duration behind another.
    #[error("a rendition stands still")]
    Stalled(RenditionId),
}

/// Cuts the samples of one stream, from a publisher's coming to its going.
///
/// `handle_*`: [`Cutter::handle`]. Verb: [`Cutter::finish`]. Polls: [`Cutter::poll_output`].
#[derive(Debug)]
pub struct Cutter {
    config: Config,
    /// One per rendition, in the order of their ids.
    tracks: Vec<Track>,
    leader: usize,
    /// Media time 0: the leader's first independent sample.
    origin: Option<Duration>,
    /// Where the leader cut last, and where it is expected to cut next: after a segment like the last one.
    last_cut: Duration,
    cut_due: Duration,
    decisions: VecDeque<Decision>,
    failed: Option<CutError>,
    /// Wall clock at decode time 0; only looked at where segments are numbered by the clock.
    zero: WallTime,
}

impl Cutter {
    /// A cutter for a publisher that has just come (or come back). Renditions made from its pictures are not its concern;
    /// those made from its sound are.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let tracks: Vec<_> = config
            .cut()
            .map(|(id, spec)| Track::new(id, spec, config))
            .collect();
        let leader = tracks
            .iter()
            .position(|track| track.kind() == Kind::Video)
            .unwrap_or(0);
        Self {
            config: config.clone(),
            tracks,
            leader,
            origin: None,
            last_cut: Duration::ZERO,
            cut_due: Duration::ZERO,
            decisions: VecDeque::new(),
            failed: None,
            zero: WallTime::default(),
        }
    }

    /// The same for samples whose decode time 0 is at this time of the clock.
    #[must_use]
    pub fn at(self, zero: WallTime) -> Self {
        Self { zero, ..self }
    }

    /// Takes one sample. Samples of one rendition come in decode order; renditions are interleaved roughly by time.
    ///
    /// # Errors
    /// [`CutError`] says whether to refuse the publisher or to begin again. Decisions made before stay to be
    /// drained, and [`Cutter::finish`] may still close what waits.
    pub fn handle(&mut self, sample: Sample) -> Result<Taken, CutError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let taken = self.take(sample);
        self.failed = taken.err();
        taken
    }

    /// Nothing more comes: closes what waits, and hands over every decision not yet drained.
    ///
    /// A stream in which some rendition never had a part leaves none at all.
    pub fn finish(mut self) -> impl Iterator<Item = Decision> {
        for track in &mut self.tracks {
            track.end_segment(self.origin.unwrap_or_default(), &mut self.decisions);
        }
        let complete = self.tracks.iter().all(Track::has_begun);
        self.decisions.into_iter().filter(move |_| complete)
    }

    /// The next decision, until `None`.
    pub fn poll_output(&mut self) -> Option<Decision> {
        if self.tracks.iter().all(Track::has_begun) {
            self.decisions.pop_front()
        } else {
            None
        }
    }

    fn take(&mut self, sample: Sample) -> Result<Taken, CutError> {
        let index = sample.rendition.index();
        let track = self
            .tracks
            .get_mut(index)
            .ok_or(CutError::UnknownRendition)?;
        track.observe(&sample).map_err(CutError::Broken)?;
        let Some(origin) = self.begin(index, &sample)? else {
            return Ok(Taken::Skipped);
        };
        // Before anything is appended: the shell keeps no sample that was answered with an error.
        self.check_abreast()?;
        if index == self.leader {
            self.lead(&sample, origin)?;
        } else {
            self.follow(index, &sample, origin)?;
        }
        Ok(Taken::Kept)
    }

    /// Where the stream begins, if this sample belongs to it.
    fn begin(&mut self, index: usize, sample: &Sample) -> Result<Option<Duration>, CutError> {
        let track = &self.tracks[index];
        if self.origin.is_none() && index == self.leader && sample.sync == Sync::Sync {
            let origin = track.time_of(sample.dts);
            self.origin = Some(origin);
            self.last_cut = origin;
            self.cut_due = origin + self.config.segment_min();
            let boundary = self.boundary_after(sample.dts);
            self.tracks[index].set_boundary(boundary);
        }
        let track = &self.tracks[index];
        let begins = self.origin.is_some_and(|origin| {
            track.is_running() || (sample.sync == Sync::Sync && track.time_of(sample.dts) >= origin)
        });
        if !begins && track.waited() > self.config.target_duration() {
            let limit = self.config.target_duration();
            return Err(match track.kind() {
                Kind::Video => CutError::KeyframeInterval { limit },
                Kind::Audio if self.origin.is_none() => {
                    CutError::Broken(Break::Stalled(self.tracks[self.leader].id()))
                }
                Kind::Audio => CutError::Broken(Break::Stalled(track.id())),
            });
        }
        Ok(self.origin.filter(|_| begins))
    }

    fn lead(&mut self, sample: &Sample, origin: Duration) -> Result<(), CutError> {
        let track = &mut self.tracks[self.leader];
        if track.kind() == Kind::Video {
            if sample.sync == Sync::Sync && track.segment_may_end(sample.dts) {
                let boundary = self.boundary_after(sample.dts);
                let track = &mut self.tracks[self.leader];
                // Its number would not be that of the segment before it and one.
                if track.passes_a_cell(boundary) {
                    let limit = self.config.target_duration() / 2;
                    return Err(CutError::KeyframeInterval { limit });
                }
                track.set_boundary(boundary);
                self.cut(sample.dts, origin);
            }
            let track = &mut self.tracks[self.leader];
            check_room(track, sample, &self.config)?;
            track.append(sample, origin, &mut self.decisions);
        } else {
            track.append(sample, origin, &mut self.decisions);
            let end = sample.dts.saturating_add(u64::from(sample.duration));
            if track.pending_is_empty() && track.segment_may_end(end) {
                self.cut(end, origin);
            }
        }
        let Some(end) = self.tracks[self.leader].end() else {
            return Ok(());
        };
        let lead = Lead {
            end,
            // What the clock decides must not depend on how the segments before were cut: any part is held that may be
            // the last.
            cut_due: if self.config.cell_millis().is_some() {
                end
            } else {
                self.cut_due
            },
        };
        for (index, track) in self.tracks.iter_mut().enumerate() {
            if index != self.leader && track.kind() == Kind::Audio {
                track.heed(lead, origin, &mut self.decisions);
            }
        }
        Ok(())
    }

    fn follow(&mut self, index: usize, sample: &Sample, origin: Duration) -> Result<(), CutError> {
        let track = &mut self.tracks[index];
        match track.kind() {
            Kind::Video => {
                if sample.sync == Sync::Sync && track.take_cut(track.time_of(sample.dts)).is_some()
                {
                    track.end_segment(origin, &mut self.decisions);
                }
                check_room(track, sample, &self.config)?;
                track.append(sample, origin, &mut self.decisions);
            }
            Kind::Audio => {
                if !track.fits_segment(sample.duration) {
                    // The leader has not cut for a whole target duration, or its cut is a moment late. Sound may be cut
                    // anywhere, and the cut that comes then finds nothing left to do.
                    track.end_segment(origin, &mut self.decisions);
                }
                track.append(sample, origin, &mut self.decisions);
                track.follow_cuts(origin, &mut self.decisions);
            }
        }
        Ok(())
    }

    /// Decode time from which an independent picture begins another segment than one at `dts`, by the clock.
    fn boundary_after(&self, dts: u64) -> Option<u64> {
        let cell = self.config.cell_millis()?;
        let leader = &self.tracks[self.leader];
        let millis = u64::try_from(leader.time_of(dts).as_millis()).unwrap_or(u64::MAX);
        let at = self.zero.0.saturating_add(millis);
        let next = (at / cell).saturating_add(1).saturating_mul(cell);
        Some(leader.ticks_of_millis(next.saturating_sub(self.zero.0)))
    }

    /// Ends the leader's segment at `dts`, and tells the followers.
    fn cut(&mut self, dts: u64, origin: Duration) {
        let leader = &mut self.tracks[self.leader];
        leader.end_segment(origin, &mut self.decisions);
        let at = leader.time_of(dts);
        self.cut_due = at + at.saturating_sub(self.last_cut);
        self.last_cut = at;
        for (index, track) in self.tracks.iter_mut().enumerate() {
            if index != self.leader {
                track.expect_cut(at);
                if track.kind() == Kind::Audio {
                    track.follow_cuts(origin, &mut self.decisions);
                }
            }
        }
    }

    /// Renditions that drift apart by more than a segment can no longer be listed in step, and what waits for
    /// the slow one would grow without end.
    fn check_abreast(&self) -> Result<(), CutError> {
        let Some(origin) = self.origin else {
            return Ok(());
        };
        let at = |track: &Track| track.end().unwrap_or(origin).max(origin);
        let ahead = self.tracks.iter().map(at).max().unwrap_or(origin);
        match self
            .tracks
            .iter()
            .find(|track| ahead - at(track) > self.config.target_duration())
        {
            Some(track) => Err(CutError::Broken(Break::Stalled(track.id()))),
            None => Ok(()),
        }
    }
}

/// A segment of pictures must not outgrow the target duration (section 4.4.3.1), and only an independent
/// picture ends it.
fn check_room(track: &Track, sample: &Sample, config: &Config) -> Result<(), CutError> {
    if track.fits_segment(sample.duration) {
        Ok(())
    } else if track.is_stretched(sample.duration) {
        Err(CutError::Broken(Break::Gap))
    } else {
        Err(CutError::KeyframeInterval {
            limit: config.target_duration(),
        })
    }
}

#[cfg(test)]
mod tests;
