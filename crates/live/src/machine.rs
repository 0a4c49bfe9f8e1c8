//! The playlists of one stream: what enters them, what leaves them, whom that concerns.
//!
//! The machine never holds media and never decides where to cut; it trusts the order of its shell's inputs no more than
//! it must, and refuses what would make a playlist that a player gives up on. All renditions change in one step:
//! after [`Live::handle`] the playlists and their reports about each other agree.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    config::{Config, RenditionId},
    date_range::DateRange,
    event::{HandleError, Input, Output, Reason},
    limits::{OUTPUTS_MAX, PARTS_PER_SEGMENT_MAX, SEGMENTS_MAX},
    position::{InitId, MediaSeq, Position},
    ranges::{Listed, Ranges},
    snapshot::{Independence, PartEntry, RangeEntry, SegmentEntry, Snapshot, State},
    time::{Moment, WallTime},
    window::{Closed, GAP_MIN, Window},
};

/// How far a segment may exceed the target duration and still round to it (section 4.4.3.1), at the precision EXTINF
/// is written with.
const ROUNDING: Duration = Duration::from_millis(499);

/// The playlists of one stream, that is, of one URL prefix.
///
/// Getters: [`Live::config`], [`Live::ready`], [`Live::init`], [`Live::last`], [`Live::next`], [`Live::end`], [`Live::snapshot`],
/// [`Live::segment`], [`Live::listed_since`], [`Live::parts_from`], [`Live::request`], [`Live::media`].
/// `handle_*`: [`Live::handle`]. Polls: [`Live::poll_output`], [`Live::poll_timeout`].
#[derive(Debug)]
pub struct Live {
    config: Config,
    phase: Phase,
    /// Wall clock at media time 0 of the present publisher.
    anchor: WallTime,
    /// Whether a part came since the publisher did.
    publishing: bool,
    /// When the last part of any rendition came.
    last_part_at: Option<Moment>,
    /// What is listed while no media comes; only while the publisher is away.
    gap: Option<Gap>,
    ranges: Ranges,
    /// The latest time that the machine was told.
    now: Moment,
    /// One per rendition, in the order of their ids.
    windows: Vec<Window>,
    snapshots: Vec<Arc<Snapshot>>,
    version: u64,
    outputs: VecDeque<Output>,
}

/// The playlists' way through a time without media.
#[derive(Debug, Clone, Copy)]
struct Gap {
    /// When the next part of it is due.
    due: Moment,
    /// Where it has come to.
    edge: WallTime,
    /// Whether a part of it is listed.
    begun: bool,
}

/// Where a stream is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A publisher is there.
    OnAir,
    /// The publisher went away and may return.
    Away,
    /// The playlists are final.
    Ended {
        /// Until when they are served.
        playlists_until: Moment,
        /// Until when their media is.
        media_until: Moment,
    },
    /// Nothing is left.
    Finished,
}

impl Live {
    /// A stream whose publisher has just come: `anchor` is the wall clock at media time 0.
    #[must_use]
    pub fn new(config: Config, anchor: WallTime) -> Self {
        let first_msn = config.cell_of(anchor).unwrap_or(config.first_msn());
        let windows = config
            .renditions()
            .map(|(_, spec)| Window::new(spec.name.clone(), first_msn))
            .collect();
        let mut live = Self {
            config,
            phase: Phase::OnAir,
            anchor,
            publishing: false,
            last_part_at: None,
            gap: None,
            ranges: Ranges::default(),
            now: Moment::default(),
            windows,
            snapshots: Vec::new(),
            version: 0,
            outputs: VecDeque::new(),
        };
        live.take_snapshots();
        live
    }

    /// What the stream was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether every rendition has a whole segment, so that a player can be sent here.
    #[must_use]
    pub fn ready(&self) -> bool {
        !self.windows.is_empty() && self.windows.iter().all(Window::has_whole_segment)
    }

    /// Whether a publisher is there, so that parts are taken.
    #[must_use]
    pub fn is_on_air(&self) -> bool {
        self.phase == Phase::OnAir
    }

    /// The init section that the next part of the rendition needs; the shell keeps its bytes under this id.
    /// `None` for a rendition of another stream.
    #[must_use]
    pub fn init(&self, rendition: RenditionId) -> Option<InitId> {
        self.window(rendition).map(Window::init)
    }

    /// The rendition's playlist as it is now. `None` for a rendition of another stream.
    #[must_use]
    pub fn snapshot(&self, rendition: RenditionId) -> Option<&Arc<Snapshot>> {
        self.snapshots.get(rendition.index())
    }

    /// The whole segment of that number, while it is listed or may still be asked for.
    #[must_use]
    pub fn segment(&self, rendition: RenditionId, msn: MediaSeq) -> Option<&Arc<SegmentEntry>> {
        self.window(rendition)?.whole_segment(msn)
    }

    /// Since when a segment is listed as a whole one; `None` when it is not.
    #[must_use]
    pub fn listed_since(&self, rendition: RenditionId, msn: MediaSeq) -> Option<Moment> {
        self.window(rendition)?.listed_since(msn)
    }

    /// First segment of the rendition whose parts are still listed.
    #[must_use]
    pub fn parts_from(&self, rendition: RenditionId) -> Option<MediaSeq> {
        self.snapshot(rendition).map(|snapshot| snapshot.parts_from)
    }

    /// Where the last part of the rendition was put, a gap's included.
    #[must_use]
    pub fn last(&self, rendition: RenditionId) -> Option<Position> {
        self.window(rendition)?.report().map(|report| report.last)
    }

    /// Where the next part of the rendition goes. One of a rendition that is made from another belongs where the source's
    /// is, and nowhere else.
    #[must_use]
    pub fn next(&self, rendition: RenditionId) -> Option<Position> {
        self.window(rendition).map(Window::next_position)
    }

    /// Where the longest rendition ends, gaps included: media that lies before it comes too late.
    #[must_use]
    pub fn end(&self) -> Option<WallTime> {
        self.windows.iter().filter_map(Window::end).max()
    }

    /// The date of media time 0 of the present stretch, from which parts count their beginning.
    #[must_use]
    pub fn anchor(&self) -> WallTime {
        self.anchor
    }

    pub(crate) fn window(&self, rendition: RenditionId) -> Option<&Window> {
        self.windows.get(rendition.index())
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the next part is hinted at. The parts of a gap are not: they have no bytes to wait for.
    pub(crate) fn hints(&self) -> bool {
        match self.phase {
            Phase::OnAir => true,
            Phase::Away => !self.gap.is_some_and(|gap| gap.begun),
            Phase::Ended { .. } | Phase::Finished => false,
        }
    }

    /// Takes one input. Drain the outputs after it.
    ///
    /// # Errors
    /// [`HandleError`]: the input does not fit the stream's state, and nothing of it was done.
    pub fn handle(&mut self, now: Moment, input: Input) -> Result<(), HandleError> {
        self.now = now;
        self.expire(now);
        self.fill_due(now);
        match input {
            Input::Part {
                rendition,
                start,
                duration,
                independence,
            } => {
                self.part(
                    rendition,
                    start,
                    PartEntry {
                        duration,
                        independence,
                        gap: false,
                    },
                )?;
            }
            Input::Gap {
                rendition,
                start,
                duration,
            } => {
                self.part(
                    rendition,
                    start,
                    PartEntry {
                        duration,
                        independence: Independence::Dependent,
                        gap: true,
                    },
                )?;
            }
            Input::SegmentEnd { rendition } => self.segment_end(now, rendition)?,
            Input::Lost => self.lost(now)?,
            Input::Returned { anchor, new_init } => self.returned(now, anchor, &new_init)?,
            Input::Announce(range) => self.announce(now, range)?,
            Input::Shorten { first } => self.shorten(now, first)?,
            Input::End => self.finish(now)?,
            Input::Timeout => {}
        }
        assert!(
            self.outputs.len() <= OUTPUTS_MAX,
            "the shell drains the outputs after every input"
        );
        Ok(())
    }

    /// What to do next, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Live::handle`] with [`Input::Timeout`] at the latest, and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Moment, Reason)> {
        let forget = self
            .windows
            .iter()
            .filter_map(Window::next_forget)
            .min()
            .map(|at| (at, Reason::Forget));
        match self.phase {
            Phase::Ended { media_until, .. } => forget
                .into_iter()
                .chain([(media_until, Reason::Finish)])
                .min(),
            Phase::OnAir | Phase::Away => {
                let gap = self.gap.map(|gap| (gap.due, Reason::Gap));
                forget.into_iter().chain(gap).min()
            }
            Phase::Finished => None,
        }
    }

    fn part(
        &mut self,
        rendition: RenditionId,
        start: Duration,
        part: PartEntry,
    ) -> Result<(), HandleError> {
        self.check_on_air()?;
        let longest = self.config.target_duration() + ROUNDING;
        let starts_at = self.anchor.after(start);
        let window = self
            .windows
            .get_mut(rendition.index())
            .ok_or(HandleError::UnknownRendition)?;
        if !part.gap && !window.takes(part.independence) {
            return Err(HandleError::DependentSegment);
        }
        if !part.gap && window.is_in_gap() {
            return Err(HandleError::AfterGap);
        }
        if window.duration_with(part.duration) > longest {
            return Err(HandleError::SegmentTooLong);
        }
        if window.open_parts() >= PARTS_PER_SEGMENT_MAX {
            return Err(HandleError::TooManyParts);
        }
        window.push_part(starts_at, part);
        self.publishing = true;
        self.last_part_at = Some(self.now);
        self.changed(&[rendition]);
        Ok(())
    }

    fn segment_end(&mut self, now: Moment, rendition: RenditionId) -> Result<(), HandleError> {
        self.check_on_air()?;
        let window = self
            .windows
            .get_mut(rendition.index())
            .ok_or(HandleError::UnknownRendition)?;
        match window.close(now, &self.config) {
            Closed::Nothing => Err(HandleError::EmptySegment),
            Closed::Segment => {
                self.changed(&[rendition]);
                Ok(())
            }
        }
    }

    fn lost(&mut self, now: Moment) -> Result<(), HandleError> {
        self.check_not_ended()?;
        if self.phase == Phase::Away {
            return Ok(());
        }
        self.close_all(now);
        self.phase = Phase::Away;
        // Numbers from the clock belong to cells of time, and which of them are a gap is known when the publisher returns.
        let counted = self.config.cell_millis().is_none();
        let begun = counted && self.windows.iter().all(|window| window.end().is_some());
        self.gap = self
            .end()
            .zip(self.last_part_at)
            .filter(|_| begun)
            .map(|(edge, at)| Gap {
                due: at.after(self.config.part_target()),
                edge,
                begun: false,
            });
        self.fill_due(now);
        Ok(())
    }

    /// Lists the parts of the gap that are due: "the Server MUST add a new Partial Segment to the Playlist within one Part
    /// Target Duration after it added the previous Partial Segment", and a segment within 1.5 target durations
    /// (section 6.2.1), also while there is nothing to put into them.
    fn fill_due(&mut self, now: Moment) {
        let mut gap = match self.gap {
            Some(gap) if gap.due <= now => gap,
            Some(_) | None => return,
        };
        let part_target = self.config.part_target();
        while gap.due <= now {
            gap.due = gap.due.after(part_target);
            gap.edge = gap.edge.after(part_target);
        }
        gap.begun = true;
        self.gap = Some(gap);
        self.fill(now, gap.edge);
    }

    fn fill(&mut self, now: Moment, until: WallTime) {
        let mut filled = Vec::new();
        for (rendition, window) in self.ids().into_iter().zip(&mut self.windows) {
            if window.fill(now, until, &self.config) {
                filled.push(rendition);
            }
        }
        self.changed(&filled);
    }

    fn fill_cells(&mut self, now: Moment, cell: MediaSeq) {
        let until = self.anchor;
        let mut filled = Vec::new();
        for (rendition, window) in self.ids().into_iter().zip(&mut self.windows) {
            if window.fill_cells(now, cell, until, &self.config) {
                filled.push(rendition);
            }
        }
        self.changed(&filled);
    }

    fn announce(&mut self, now: Moment, range: DateRange) -> Result<(), HandleError> {
        self.check_not_ended()?;
        let before = self.windows.iter().map(Window::next_position).collect();
        let window = self.start();
        self.ranges.announce(now, range, window, before)?;
        self.changed(&self.ids());
        Ok(())
    }

    /// Where the longest playlist begins.
    fn start(&self) -> Option<WallTime> {
        self.windows.iter().filter_map(Window::start).min()
    }

    fn returned(
        &mut self,
        now: Moment,
        anchor: WallTime,
        new_init: &[RenditionId],
    ) -> Result<(), HandleError> {
        self.check_not_ended()?;
        if new_init
            .iter()
            .any(|rendition| self.window(*rendition).is_none())
        {
            return Err(HandleError::UnknownRendition);
        }
        let next = self.windows.iter().map(Window::next_msn).min();
        if let (Some(cell), Some(next)) = (self.config.cell_of(anchor), next)
            && cell.0.saturating_sub(next.0) > SEGMENTS_MAX as u64
        {
            return Err(HandleError::Leap);
        }
        let gap = self.gap.take();
        if gap.is_none() {
            self.close_all(now);
        }
        // Section 6.2.1: dates of one playlist must not become ambiguous. Media can be ahead of the wall clock when
        // a publisher sent it faster than it plays.
        self.anchor = self.end().map_or(anchor, |end| end.max(anchor));
        // What is missing up to here. A gap longer than the window would leave nothing else in the playlist, and is rather
        // a publisher whose clock has leapt: the dates tell of it, and the discontinuity.
        let missing = self
            .end()
            .map_or(Duration::ZERO, |end| self.anchor.since(end));
        let begun = self.windows.iter().all(|window| window.end().is_some());
        if let Some(cell) = self.config.cell_of(self.anchor) {
            self.fill_cells(now, cell);
        } else if begun && missing >= GAP_MIN && missing <= self.config.window() {
            self.fill(now, self.anchor);
        }
        self.close_all(now);
        if std::mem::take(&mut self.publishing) {
            self.windows.iter_mut().for_each(Window::add_discontinuity);
        }
        for (index, rendition) in self.ids().into_iter().enumerate() {
            if new_init.contains(&rendition)
                && let Some(init) = self.windows[index].new_init()
            {
                self.outputs
                    .push_back(Output::ForgetInit { rendition, init });
            }
        }
        self.phase = Phase::OnAir;
        // The hint may name a new init section.
        self.changed(new_init);
        Ok(())
    }

    fn shorten(&mut self, now: Moment, first: MediaSeq) -> Result<(), HandleError> {
        self.check_not_ended()?;
        let mut shortened = Vec::new();
        for (rendition, window) in self.ids().into_iter().zip(&mut self.windows) {
            if window.shorten(now, first, &self.config) {
                shortened.push(rendition);
            }
        }
        self.changed(&shortened);
        Ok(())
    }

    fn finish(&mut self, now: Moment) -> Result<(), HandleError> {
        self.check_not_ended()?;
        self.gap = None;
        self.catch_up(now);
        for window in &mut self.windows {
            window.close(now, &self.config);
        }
        // Section 6.2.1: media stays "for at least the duration of the Playlist file at the time of removal", and the
        // playlist has to be there long enough for everybody to see that it ended.
        let longest = self
            .windows
            .iter()
            .map(Window::longest)
            .max()
            .unwrap_or_default();
        let grace = longest.max(self.config.hold_max());
        let playlists_until = now.after(grace);
        self.phase = Phase::Ended {
            playlists_until,
            media_until: playlists_until.after(grace),
        };
        self.changed(&self.ids());
        self.outputs.push_back(Output::Ended);
        Ok(())
    }

    /// Brings what is made from the pictures or the sound to where these are: late parts of it are not taken any more.
    fn catch_up(&mut self, now: Moment) {
        let mut caught = Vec::new();
        for (made, source) in self.config.made() {
            // The id of what is made is the greater one.
            let (before, behind) = self.windows.split_at_mut(made.index());
            if let (Some(source), Some(window)) = (before.get(source.index()), behind.first_mut())
                && window.catch_up(now, source, &self.config)
            {
                caught.push(made);
            }
        }
        self.changed(&caught);
    }

    fn close_all(&mut self, now: Moment) {
        self.catch_up(now);
        let mut closed = Vec::new();
        for (rendition, window) in self.ids().into_iter().zip(&mut self.windows) {
            if window.close(now, &self.config) == Closed::Segment {
                closed.push(rendition);
            }
        }
        self.changed(&closed);
    }

    /// Forgets what is due.
    fn expire(&mut self, now: Moment) {
        if let Phase::Ended { media_until, .. } = self.phase
            && media_until <= now
        {
            self.phase = Phase::Finished;
            self.windows.clear();
            self.snapshots.clear();
            self.outputs.push_back(Output::Finished);
        }
        for (rendition, window) in self.ids().into_iter().zip(&mut self.windows) {
            while let Some(msn) = window.forget(now) {
                self.outputs.push_back(Output::Forget { rendition, msn });
            }
            while let Some(init) = window.forget_init() {
                self.outputs
                    .push_back(Output::ForgetInit { rendition, init });
            }
        }
    }

    fn changed(&mut self, renditions: &[RenditionId]) {
        if renditions.is_empty() {
            return;
        }
        self.version += 1;
        if let Some(start) = self.start() {
            self.ranges.trim(self.now, start);
        }
        self.take_snapshots();
        self.outputs
            .extend(renditions.iter().map(|rendition| Output::Changed {
                rendition: *rendition,
            }));
    }

    fn ids(&self) -> Vec<RenditionId> {
        self.config.renditions().map(|(id, _)| id).collect()
    }

    fn check_not_ended(&self) -> Result<(), HandleError> {
        match self.phase {
            Phase::OnAir | Phase::Away => Ok(()),
            Phase::Ended { .. } | Phase::Finished => Err(HandleError::Ended),
        }
    }

    fn check_on_air(&self) -> Result<(), HandleError> {
        self.check_not_ended()?;
        if self.phase == Phase::Away {
            Err(HandleError::Away)
        } else {
            Ok(())
        }
    }

    /// All renditions at once: each reports about the others (section 6.2.4, "updates atomic" of appendix B.1).
    fn take_snapshots(&mut self) {
        let windows = self.windows.iter().enumerate();
        let snapshots = windows
            .map(|(index, window)| Arc::new(self.snapshot_of(index, window)))
            .collect();
        self.snapshots = snapshots;
    }

    fn snapshot_of(&self, index: usize, window: &Window) -> Snapshot {
        let others = self
            .windows
            .iter()
            .filter(|other| other.name != window.name);
        let state = match self.phase {
            Phase::OnAir | Phase::Away if self.hints() => State::Live(window.hint()),
            Phase::OnAir | Phase::Away => State::Away,
            Phase::Ended { .. } | Phase::Finished => State::Ended,
        };
        Snapshot {
            rendition: window.name.clone(),
            version: self.version,
            target_duration: self.config.target_duration(),
            part_target: self.config.part_target(),
            media_sequence: window.media_sequence(),
            discontinuity_sequence: window.discontinuity_sequence(),
            segments: Arc::clone(window.listed()),
            open: window.open().cloned(),
            parts_from: window.parts_from(&self.config),
            can_skip_until: self.config.can_skip_until(),
            date_ranges: self.range_entries(index),
            removed_ranges: self
                .config
                .can_skip_until()
                .map_or_else(Vec::new, |span| self.ranges.removed_within(self.now, span)),
            state,
            reports: others.filter_map(Window::report).collect(),
        }
    }

    /// The date ranges as they stand in one rendition's playlist.
    ///
    /// A delta update of version 2 "MUST NOT contain EXT-X-DATERANGE tags that were added to the Playlist more than
    /// CAN-SKIP-UNTIL seconds before the Playlist request" (section 6.2.5.1). The request comes at most a part after
    /// this version was made, so it is judged by that much less; a player asks for a delta only while what it has is
    /// half as old.
    fn range_entries(&self, index: usize) -> Vec<RangeEntry> {
        let boundary = self.config.can_skip_until();
        let old = boundary.map(|span| span.saturating_sub(self.config.part_target()));
        let entry = |listed: &Listed| {
            let before = listed.before.get(index).copied().unwrap_or_default();
            RangeEntry {
                range: Arc::clone(&listed.range),
                before,
                skippable: old.is_some_and(|old| listed.since.after(old) < self.now),
            }
        };
        self.ranges.listed().map(entry).collect()
    }
}
