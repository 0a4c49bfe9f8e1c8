//! One rendition in the cutter: the samples that wait for their part, and the segment they belong to.
//!
//! Durations are compared in ticks, so that nothing is lost to rounding; times of different renditions are compared as
//! nanoseconds, rounded down alike.

use std::{collections::VecDeque, time::Duration};

use super::{Break, Decision, Fit, REMAINDER_MAX, Sample, Sync};
use crate::{
    config::{Config, Kind, RenditionId, RenditionSpec},
    limits::{CUTS_AHEAD_MAX, SAMPLES_PER_PART_MAX},
    snapshot::Independence,
};

#[derive(Debug)]
pub(super) struct Track {
    id: RenditionId,
    kind: Kind,
    timescale: u32,
    limits: Ticks,
    /// Decode time of the first sample ever, of the newest one, and the newest one's end.
    seen: Option<Seen>,
    pending: Pending,
    /// Ticks and parts of the growing segment, without the pending samples.
    segment_ticks: u64,
    segment_parts: usize,
    /// Decode time of its first sample, once it has a part.
    segment_start: u64,
    /// Whether it ever had a sample kept, and a part.
    running: bool,
    begun: bool,
    /// Decode time from which the next independent picture begins a segment, where the clock says so.
    boundary: Option<u64>,
    /// Where the leader cut and this rendition has not yet; times, oldest first.
    cuts: VecDeque<Duration>,
    /// Of sound that follows: where the leader is, once it is anywhere.
    lead: Option<Lead>,
    /// Of sound that follows: a part that is full, while it may turn out to be the last of its segment.
    held: Option<Pending>,
    /// Whether the growing segment ends with the next sample, because all that was sampled is in a part already.
    ends_with_next: bool,
}

/// What sound that follows has to know of its leader.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lead {
    /// Where its newest sample ends.
    pub(super) end: Duration,
    /// Where it is expected to cut next.
    pub(super) cut_due: Duration,
}

/// The configuration's durations in ticks.
#[derive(Debug)]
struct Ticks {
    part_max: u64,
    part_min: u64,
    segment_min: u64,
    segment_max: u64,
    gap_max: u64,
    remainder: u64,
    cell: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    first: u64,
    last: u64,
    end: u64,
}

#[derive(Debug, Default)]
struct Pending {
    samples: usize,
    start: u64,
    ticks: u64,
    /// The shortest sample's ticks.
    shortest: u64,
    independent: bool,
}

impl Track {
    pub(super) fn new(id: RenditionId, spec: &RenditionSpec, config: &Config) -> Self {
        let floor = |span: Duration| span.as_nanos() * u128::from(spec.timescale) / NANOS;
        let ceil = |span: Duration| (span.as_nanos() * u128::from(spec.timescale)).div_ceil(NANOS);
        let limits = Ticks {
            part_max: narrow(floor(config.part_target())),
            part_min: narrow(ceil(config.part_min())),
            segment_min: narrow(ceil(config.segment_min())),
            segment_max: narrow(floor(config.target_duration())),
            gap_max: narrow(floor(config.target_duration() / 2)),
            // What is handed on would depend on all that was handed on before.
            remainder: match config.cell_millis() {
                Some(_) => 0,
                None => narrow(floor(REMAINDER_MAX.min(config.part_target() / 4))),
            },
            cell: config
                .cell_millis()
                .map(|millis| narrow(floor(Duration::from_millis(millis)))),
        };
        Self {
            id,
            kind: spec.kind,
            timescale: spec.timescale,
            limits,
            seen: None,
            pending: Pending::default(),
            segment_ticks: 0,
            segment_parts: 0,
            segment_start: 0,
            running: false,
            begun: false,
            boundary: None,
            cuts: VecDeque::new(),
            lead: None,
            held: None,
            ends_with_next: false,
        }
    }

    pub(super) fn id(&self) -> RenditionId {
        self.id
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a sample was ever kept.
    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    /// Whether a part was ever closed.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    pub(super) fn pending_is_empty(&self) -> bool {
        self.pending.samples == 0
    }

    /// Media time from the first sample ever to the newest.
    pub(super) fn waited(&self) -> Duration {
        self.seen
            .map_or(Duration::ZERO, |seen| self.time_of(seen.last - seen.first))
    }

    /// Where the newest kept sample ends.
    pub(super) fn end(&self) -> Option<Duration> {
        self.seen
            .filter(|_| self.running)
            .map(|seen| self.time_of(seen.end))
    }

    pub(super) fn time_of(&self, ticks: u64) -> Duration {
        let timescale = u64::from(self.timescale);
        let nanos = u128::from(ticks % timescale) * NANOS / u128::from(timescale);
        Duration::from_secs(ticks / timescale) + Duration::from_nanos(narrow(nanos))
    }

    /// Checks that a sample continues the timeline, and remembers where it stands.
    pub(super) fn observe(&mut self, sample: &Sample) -> Result<(), Break> {
        let end = sample.dts.saturating_add(u64::from(sample.duration));
        if let Some(seen) = &self.seen {
            if sample.dts < seen.last {
                return Err(Break::Backwards);
            }
            if sample.dts.saturating_sub(seen.end) > self.limits.gap_max {
                return Err(Break::Gap);
            }
        }
        if u64::from(sample.duration) > self.limits.gap_max {
            return Err(Break::Gap);
        }
        let first = self.seen.map_or(sample.dts, |seen| seen.first);
        self.seen = Some(Seen {
            first,
            last: sample.dts,
            end,
        });
        Ok(())
    }

    /// Whether a segment may begin at `dts`, where the kept samples end.
    pub(super) fn segment_may_end(&self, dts: u64) -> bool {
        match self.boundary {
            Some(boundary) => dts >= boundary,
            None => self.sampled_ticks() >= self.limits.segment_min,
        }
    }

    pub(super) fn set_boundary(&mut self, boundary: Option<u64>) {
        self.boundary = boundary;
    }

    /// Whether a cell lies between the present segment's and the one that ends at `next`. Cells end at whole milliseconds,
    /// so the rounding to ticks is less than one of them.
    pub(super) fn passes_a_cell(&self, next: Option<u64>) -> bool {
        let spans = self.boundary.zip(next).zip(self.limits.cell);
        spans.is_some_and(|((boundary, next), cell)| next > boundary + cell + cell / 2)
    }

    pub(super) fn ticks_of_millis(&self, millis: u64) -> u64 {
        narrow((u128::from(millis) * u128::from(self.timescale)).div_ceil(1000))
    }

    pub(super) fn fits_segment(&self, duration: u32) -> bool {
        self.sampled_ticks() + u64::from(duration) <= self.limits.segment_max
    }

    /// Ticks of the growing segment with all that waits for its part.
    fn sampled_ticks(&self) -> u64 {
        let held = self.held.as_ref().map_or(0, |held| held.ticks);
        self.segment_ticks + held + self.pending.ticks
    }

    /// Whether a sample of this duration is longer than a part.
    pub(super) fn is_stretched(&self, duration: u32) -> bool {
        u64::from(duration) > self.limits.part_max
    }

    /// Takes a sample, closing the part before it if it would not fit, and its own if no other would.
    pub(super) fn append(
        &mut self,
        sample: &Sample,
        origin: Duration,
        decisions: &mut VecDeque<Decision>,
    ) {
        let duration = u64::from(sample.duration);
        let full = self.pending.samples == SAMPLES_PER_PART_MAX;
        if full || self.pending.ticks + duration > self.limits.part_max {
            self.complete_part(self.fit(), origin, decisions);
        }
        if self.pending.samples == 0 {
            self.pending = Pending {
                start: sample.dts,
                shortest: duration,
                ..Pending::default()
            };
        }
        self.running = true;
        self.pending.samples += 1;
        self.pending.ticks += duration;
        self.pending.shortest = self.pending.shortest.min(duration);
        self.pending.independent |= sample.sync == Sync::Sync;
        if self.ends_with_next {
            self.end_segment(origin, decisions);
        } else if self.closes_early() {
            self.complete_part(self.fit(), origin, decisions);
        }
    }

    /// Whether the part can close without seeing the next sample, which saves the viewer one sample of latency.
    ///
    /// Whole milliseconds make the samples of a steady rate differ by one (33 and 34 at 30 pictures/s), so the next
    /// may be as short as the shortest: taken as long as the last, a part of 30 pictures would lose one, and every
    /// segment would end in a part of a single picture.
    ///
    /// Where the next picture may begin a segment it is waited for: then the playlist never hints at a part
    /// of a segment that ends right here.
    fn closes_early(&self) -> bool {
        let next_fits = self.pending.ticks + self.pending.shortest <= self.limits.part_max;
        let end = self.pending.start.saturating_add(self.pending.ticks);
        let may_be_last = self.kind == Kind::Video && self.segment_may_end(end);
        !next_fits && !may_be_last && self.pending.ticks >= self.limits.part_min
    }

    /// The pending samples are a whole part. Sound that follows keeps it back where the leader is about to cut: the part may
    /// be its segment's last, and a playlist with one more than the segment has, has hinted at what never comes (section
    /// 6.2.6).
    fn complete_part(&mut self, fit: Fit, origin: Duration, decisions: &mut VecDeque<Decision>) {
        // The leader is a whole part behind the one that is held, and not waited for any longer.
        self.release(Fit::Full, origin, decisions);
        let Some(lead) = self.lead else {
            self.close_part(fit, origin, decisions);
            return;
        };
        let reach = self.reach(&self.pending);
        if self
            .take_cut_before(reach)
            .is_some_and(|cut| !self.began_at(cut))
        {
            self.end_segment(origin, decisions);
        } else if lead.end <= lead.cut_due && lead.cut_due < reach {
            self.held = Some(std::mem::take(&mut self.pending));
        } else {
            let is_last = self.sampled_ticks() + self.pending.shortest > self.limits.segment_max;
            self.close_part(fit, origin, decisions);
            if is_last {
                self.close_segment(decisions);
            }
        }
    }

    /// Makes the part that is held one of the growing segment, if there is one.
    fn release(&mut self, fit: Fit, origin: Duration, decisions: &mut VecDeque<Decision>) {
        if let Some(held) = self.held.take() {
            self.push_part(&held, fit, origin, decisions);
        }
    }

    /// The leader of this sound has come so far.
    pub(super) fn heed(
        &mut self,
        lead: Lead,
        origin: Duration,
        decisions: &mut VecDeque<Decision>,
    ) {
        self.lead = Some(lead);
        let held = self.held.as_ref();
        let passed = held.is_some_and(|held| lead.end >= self.reach(held));
        if passed {
            self.release(Fit::Full, origin, decisions);
        }
    }

    fn fit(&self) -> Fit {
        if self.pending.ticks > self.limits.part_max {
            Fit::Stretched
        } else if self.pending.ticks >= self.limits.part_min {
            Fit::Full
        } else {
            Fit::Sparse
        }
    }

    /// Makes the pending samples a part, if there are any.
    pub(super) fn close_part(
        &mut self,
        fit: Fit,
        origin: Duration,
        decisions: &mut VecDeque<Decision>,
    ) {
        let pending = std::mem::take(&mut self.pending);
        if pending.samples > 0 {
            self.push_part(&pending, fit, origin, decisions);
        }
    }

    fn push_part(
        &mut self,
        pending: &Pending,
        fit: Fit,
        origin: Duration,
        decisions: &mut VecDeque<Decision>,
    ) {
        let is_stretched = pending.ticks > self.limits.part_max;
        let independence = if pending.independent {
            Independence::Independent
        } else {
            Independence::Dependent
        };
        decisions.push_back(Decision::Part {
            rendition: self.id,
            samples: pending.samples,
            start: self.time_of(pending.start).saturating_sub(origin),
            duration: self.time_of(pending.ticks),
            independence,
            fit: if is_stretched { Fit::Stretched } else { fit },
        });
        if self.segment_parts == 0 {
            self.segment_start = pending.start;
        }
        self.segment_ticks += pending.ticks;
        self.segment_parts += 1;
        self.begun = true;
    }

    /// Ends the growing segment, if it has a part. Pending samples become the next segment's.
    pub(super) fn close_segment(&mut self, decisions: &mut VecDeque<Decision>) {
        if self.segment_parts > 0 {
            decisions.push_back(Decision::SegmentEnd { rendition: self.id });
        }
        self.segment_ticks = 0;
        self.segment_parts = 0;
        self.ends_with_next = false;
    }

    /// Ends the growing segment with the last sample there is.
    pub(super) fn end_segment(&mut self, origin: Duration, decisions: &mut VecDeque<Decision>) {
        if self.pending.samples > 0 {
            self.release(Fit::Full, origin, decisions);
            self.close_part(Fit::Last, origin, decisions);
        } else {
            self.release(Fit::Last, origin, decisions);
        }
        self.close_segment(decisions);
    }

    /// The leader cut at `at`.
    pub(super) fn expect_cut(&mut self, at: Duration) {
        // Renditions that are this many cuts apart are more than a target duration apart, and refused for it.
        if self.cuts.len() < CUTS_AHEAD_MAX {
            self.cuts.push_back(at);
        }
    }

    /// The last of the leader's cuts at or before `at`, if this rendition has not followed it yet; takes all of them.
    pub(super) fn take_cut(&mut self, at: Duration) -> Option<Duration> {
        let passed = self.cuts.iter().take_while(|cut| **cut <= at).count();
        self.cuts.drain(..passed).next_back()
    }

    /// The same with those before `at` alone.
    fn take_cut_before(&mut self, at: Duration) -> Option<Duration> {
        let passed = self.cuts.iter().take_while(|cut| **cut < at).count();
        self.cuts.drain(..passed).next_back()
    }

    /// Cuts following sound where the leader cut, once it has come so far.
    ///
    /// What is left over since the last part goes to the next segment when it is short and that part is still held. A part
    /// that is listed already was followed by the hint at another one: that comes, however short it is.
    pub(super) fn follow_cuts(&mut self, origin: Duration, decisions: &mut VecDeque<Decision>) {
        if let Some(held) = &self.held {
            let reach = self.reach(held);
            match self.take_cut_before(reach) {
                Some(cut) if !self.began_at(cut) => {
                    self.release(Fit::Last, origin, decisions);
                    self.close_segment(decisions);
                    return;
                }
                Some(_) => self.release(Fit::Full, origin, decisions),
                None => {}
            }
        }
        let Some(cut) = self.end().and_then(|end| self.take_cut(end)) else {
            return;
        };
        if self.began_at(cut) {
            return;
        }
        let is_short = self.pending.ticks < self.limits.remainder;
        if self.segment_parts == 0 && self.held.is_none() && is_short {
            return;
        }
        if self.pending.samples > 0 || self.held.is_some() {
            self.end_segment(origin, decisions);
        } else {
            self.ends_with_next = true;
        }
    }

    /// A cut of the leader before this makes a whole part the last of its segment, or one at its very end.
    fn reach(&self, part: &Pending) -> Duration {
        let end = part.start.saturating_add(part.ticks);
        self.time_of(end.saturating_add(self.limits.remainder)) + Duration::from_nanos(1)
    }

    /// Whether the growing segment began at this cut already: it had to, when the cut was late.
    fn began_at(&self, cut: Duration) -> bool {
        let start = match &self.held {
            _ if self.segment_parts > 0 => self.segment_start,
            Some(held) => held.start,
            None => self.pending.start,
        };
        self.time_of(start.saturating_add(self.limits.remainder)) >= cut
    }
}

const NANOS: u128 = 1_000_000_000;

/// Ticks and nanoseconds that fit by construction: a [`Duration`] of the configuration is below an hour, a
/// timescale below 2^32.
fn narrow(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
