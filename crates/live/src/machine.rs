//! The playlists of one stream: what enters them, what leaves them, whom that concerns.
//!
//! The machine never holds media and never decides where to cut; it trusts the order of its shell's inputs no more than
//! it must, and refuses what would make a playlist that a player gives up on. All renditions change in one step:
//! after [`Live::handle`] the playlists and their reports about each other agree.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    config::{Config, RenditionId},
    event::{HandleError, Input, Output, Reason},
    limits::{OUTPUTS_MAX, PARTS_PER_SEGMENT_MAX},
    position::InitId,
    snapshot::{PartEntry, Snapshot, State},
    time::{Moment, WallTime},
    window::{Closed, Window},
};

/// How far a segment may exceed the target duration and still round to it (section 4.4.3.1), at the precision EXTINF
/// is written with.
const ROUNDING: Duration = Duration::from_millis(499);

/// The playlists of one stream, that is, of one URL prefix.
///
/// Getters: [`Live::config`], [`Live::ready`], [`Live::init`], [`Live::snapshot`], [`Live::request`], [`Live::media`].
/// `handle_*`: [`Live::handle`]. Polls: [`Live::poll_output`], [`Live::poll_timeout`].
#[derive(Debug)]
pub struct Live {
    config: Config,
    phase: Phase,
    /// Wall clock at media time 0 of the present publisher.
    anchor: WallTime,
    /// Whether a part came since the publisher did.
    publishing: bool,
    /// One per rendition, in the order of their ids.
    windows: Vec<Window>,
    snapshots: Vec<Arc<Snapshot>>,
    version: u64,
    outputs: VecDeque<Output>,
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
        let windows = config
            .renditions()
            .map(|(_, spec)| Window::new(spec.name.clone(), config.first_msn()))
            .collect();
        let mut live = Self {
            config,
            phase: Phase::OnAir,
            anchor,
            publishing: false,
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

    pub(crate) fn window(&self, rendition: RenditionId) -> Option<&Window> {
        self.windows.get(rendition.index())
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Takes one input. Drain the outputs after it.
    ///
    /// # Errors
    /// [`HandleError`]: the input does not fit the stream's state, and nothing of it was done.
    pub fn handle(&mut self, now: Moment, input: Input) -> Result<(), HandleError> {
        self.expire(now);
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
                    },
                )?;
            }
            Input::SegmentEnd { rendition } => self.segment_end(now, rendition)?,
            Input::Lost => {
                self.check_not_ended()?;
                self.close_all(now);
                self.phase = Phase::Away;
            }
            Input::Returned { anchor, new_init } => self.returned(now, anchor, &new_init)?,
            Input::End => self.end(now)?,
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
            Phase::OnAir | Phase::Away => forget,
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
        if !window.takes(part.independence) {
            return Err(HandleError::DependentSegment);
        }
        if window.duration_with(part.duration) > longest {
            return Err(HandleError::SegmentTooLong);
        }
        if window.open_parts() >= PARTS_PER_SEGMENT_MAX {
            return Err(HandleError::TooManyParts);
        }
        window.push_part(starts_at, part);
        self.publishing = true;
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
        self.close_all(now);
        // Section 6.2.1: dates of one playlist must not become ambiguous. Media can be ahead of the wall clock when
        // a publisher sent it faster than it plays.
        self.anchor = self
            .windows
            .iter()
            .filter_map(Window::end)
            .fold(anchor, WallTime::max);
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

    fn end(&mut self, now: Moment) -> Result<(), HandleError> {
        self.check_not_ended()?;
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

    fn close_all(&mut self, now: Moment) {
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
        let snapshots = self
            .windows
            .iter()
            .map(|window| Arc::new(self.snapshot_of(window)))
            .collect();
        self.snapshots = snapshots;
    }

    fn snapshot_of(&self, window: &Window) -> Snapshot {
        let others = self
            .windows
            .iter()
            .filter(|other| other.name != window.name);
        let state = match self.phase {
            Phase::OnAir | Phase::Away => State::Live(window.hint()),
            Phase::Ended { .. } | Phase::Finished => State::Ended,
        };
        Snapshot {
            rendition: window.name.clone(),
            version: self.version,
            target_duration: self.config.target_duration(),
            part_target: self.config.part_target(),
            media_sequence: window.media_sequence(),
            discontinuity_sequence: window.discontinuity_sequence(),
            segments: window.listed().cloned().collect(),
            open: window.open().cloned(),
            parts_from: window.parts_from(&self.config),
            state,
            reports: others.filter_map(Window::report).collect(),
        }
    }
}
