//! One stream: the playlists of one URL prefix, and the bytes they name.
//!
//! The playlist machine is `live`'s and decides everything; this is the shelf it decides about, behind a mutex that is
//! held for moments and never across an await. Whoever waits is woken by a watch per rendition and asks again. Written
//! to by the publisher's task and its channel's keeper, read by HTTP handlers.

mod answer;
mod errands;
mod events;
mod picture;
mod shelf;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use fanwave_live::{
    Config, DateRange, HandleError, Independence, Input, Live, MediaSeq, Moment, Output, Position,
    RenditionId, WallTime, in_band::InBand, limits::DATE_RANGES_REMEMBERED_MAX,
};
use fanwave_media::{
    Tracks,
    cmaf::{self, WriteError},
};
use thiserror::Error;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use self::shelf::Shelf;
pub(crate) use self::{
    answer::Reply,
    errands::Errand,
    shelf::{Found, Made, Whole},
};
use crate::{limits::STREAM_BYTES_MAX, playlist::Playlist, thumbnails::strip::Strip};

/// What a publisher adds to its stream.
#[derive(Debug)]
pub(crate) enum Step {
    /// A part is made.
    Part {
        /// Of this rendition.
        rendition: RenditionId,
        /// Media time since the publisher came.
        start: Duration,
        /// How long it lasts.
        duration: Duration,
        /// Whether decoding can begin in it.
        independence: Independence,
        /// How many pictures or frames of sound it has.
        samples: usize,
        /// Of its first sample, in the rendition's ticks.
        decode_time: u64,
        /// Its `moof` and `mdat`.
        bytes: Bytes,
    },
    /// A part of a rendition that is made from another is missing.
    Gap {
        /// Of this rendition.
        rendition: RenditionId,
        /// As the part of the source.
        start: Duration,
        /// As the part of the source.
        duration: Duration,
    },
    /// The rendition's segment has had its last part.
    SegmentEnd {
        /// Of this rendition.
        rendition: RenditionId,
    },
}

impl Step {
    fn rendition(&self) -> RenditionId {
        match self {
            Self::Part { rendition, .. }
            | Self::Gap { rendition, .. }
            | Self::SegmentEnd { rendition } => *rendition,
        }
    }
}

/// Why a stream does not take what its publisher adds.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum AddError {
    /// The playlist machine does not take it.
    #[error(transparent)]
    Live(#[from] HandleError),
    /// An init section could not be written.
    #[error(transparent)]
    Init(#[from] WriteError),
    /// A part of a rendition that is made from another, where something else is listed already.
    #[error("the part comes too late")]
    Late,
    /// An encoder with another output than the one before it.
    #[error("the encoder's codec configuration is another than before")]
    OtherConfig,
    /// Another publisher has taken the place of the one that adds.
    #[error("another publisher has taken over")]
    Superseded,
    /// More media than is kept.
    #[error(
        "more than {STREAM_BYTES_MAX} bytes of media to keep: lower the bitrate in the encoder"
    )]
    TooMuchMedia,
}

/// One publisher's time on air. What is added in another's turn comes too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn(u64);

#[derive(Debug)]
pub(crate) struct Stream {
    prefix: Box<str>,
    folder: Box<str>,
    since: WallTime,
    config: Config,
    changed: Vec<watch::Sender<Instant>>,
    /// Told when there may be something to store or to remove.
    errands: Notify,
    /// Pictures for whoever seeks, if there are to be some.
    thumbnails: OnceLock<Arc<Strip>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    live: Live,
    tracks: Tracks,
    /// One per rendition, in the order of their ids.
    shelves: Vec<Shelf>,
    bytes: usize,
    master: Option<Arc<Playlist>>,
    turn: Turn,
    /// Its playlists are final.
    ended: bool,
    /// Nothing is left of it.
    finished: bool,
    keeping: Keeping,
    /// What was announced, for the record; at most as much as a stream remembers.
    happenings: Vec<Arc<DateRange>>,
    /// What was announced and is still to go with the media.
    events: InBand,
    /// Segments that are forgotten and still in the storage; at most as many as were stored.
    removals: VecDeque<(RenditionId, MediaSeq)>,
}

/// Where the media of a stream is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// In memory, as long as a playlist lists it.
    Memory,
    /// In the storage, as long as a playlist lists it.
    Window {
        /// How long a whole segment may wait to be stored before it leaves the playlists.
        unstored: Duration,
    },
    /// In the storage, for good.
    Recorded {
        /// As above.
        unstored: Duration,
        /// A bucket has it for good: the files nearby go when no playlist lists them.
        spooled: bool,
    },
}

impl Keeping {
    /// How long a whole segment may wait to be stored, if it is stored at all.
    fn unstored(self) -> Option<Duration> {
        match self {
            Self::Memory => None,
            Self::Window { unstored } | Self::Recorded { unstored, .. } => Some(unstored),
        }
    }

    /// Whether a file nearby is wanted only as long as a playlist lists it.
    fn forgets_files(self) -> bool {
        match self {
            Self::Memory => false,
            Self::Window { .. } => true,
            Self::Recorded { spooled, .. } => spooled,
        }
    }
}

impl Stream {
    /// A stream whose publisher has just come; `anchor` is the wall clock at its first picture.
    pub(crate) fn new(
        (prefix, folder): (Box<str>, Box<str>),
        config: Config,
        tracks: Tracks,
        anchor: WallTime,
        keeping: Keeping,
    ) -> Result<Self, AddError> {
        let first = config.cell_of(anchor).unwrap_or(config.first_msn());
        let shelf = |_| Shelf::new(first);
        let shelves = config.renditions().map(shelf).collect();
        let changed = config
            .renditions()
            .map(|_| watch::Sender::new(Instant::now()))
            .collect();
        let live = Live::new(config.clone(), anchor);
        let mut state = State {
            live,
            tracks,
            shelves,
            bytes: 0,
            master: None,
            turn: Turn(0),
            ended: false,
            finished: false,
            keeping,
            happenings: Vec::new(),
            events: InBand::new(&config),
            removals: VecDeque::new(),
        };
        state.shelve_inits(&config)?;
        Ok(Self {
            prefix,
            folder,
            since: anchor,
            config,
            changed,
            errands: Notify::new(),
            thumbnails: OnceLock::new(),
            state: Mutex::new(state),
        })
    }

    /// The folder of its URLs.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The folder of its files, which is of no other stream.
    pub(crate) fn folder(&self) -> &str {
        &self.folder
    }

    /// When its first publisher came.
    pub(crate) fn since(&self) -> WallTime {
        self.since
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Whether a player can be sent here.
    pub(crate) fn is_ready(&self) -> bool {
        self.lock().live.ready()
    }

    /// Where its media is kept.
    pub(crate) fn keeping(&self) -> Keeping {
        self.lock().keeping
    }

    /// Whether its playlists are final.
    pub(crate) fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether nothing of it is left.
    pub(crate) fn is_finished(&self) -> bool {
        self.lock().finished
    }

    /// Told whenever the rendition's playlist changes; says when it did.
    pub(crate) fn watch(&self, rendition: RenditionId) -> Option<watch::Receiver<Instant>> {
        self.changed
            .get(rendition.index())
            .map(watch::Sender::subscribe)
    }

    /// When the rendition's playlist has changed last.
    pub(crate) fn changed_at(&self, rendition: RenditionId) -> Instant {
        let changed = self.changed.get(rendition.index());
        changed.map_or_else(Instant::now, |changed| *changed.borrow())
    }

    /// Whose turn it is.
    pub(crate) fn turn(&self) -> Turn {
        self.lock().turn
    }

    /// Adds what a publisher made in its turn, all of it before anybody is told. Says where each part was put.
    pub(crate) fn add(
        &self,
        now: Moment,
        turn: Turn,
        steps: Vec<Step>,
    ) -> Result<Vec<Position>, AddError> {
        let mut places = Vec::with_capacity(steps.len());
        self.change(|state| {
            state.check(turn)?;
            for step in steps {
                places.extend(state.add(now, step)?);
            }
            state.give_up(now);
            Ok(())
        })?;
        Ok(places)
    }

    /// Adds what was made from the publisher's pictures or sound, each part where its source is, and each segment's end behind the
    /// part before it. What comes too late is left out, and all that follows it.
    pub(crate) fn follow(
        &self,
        now: Moment,
        turn: Turn,
        steps: Vec<(Position, Step)>,
    ) -> Result<(), AddError> {
        self.change(|state| {
            state.check(turn)?;
            for (place, step) in steps {
                if state.live.next(step.rendition()) != Some(place) {
                    return Err(AddError::Late);
                }
                state.add(now, step)?;
            }
            state.give_up(now);
            Ok(())
        })
    }

    /// Takes what an encoder says of the rendition that it makes.
    pub(crate) fn offer(
        &self,
        turn: Turn,
        rendition: RenditionId,
        made: Made,
    ) -> Result<(), AddError> {
        self.change(|state| {
            state.check(turn)?;
            let init = state
                .live
                .init(rendition)
                .ok_or(HandleError::UnknownRendition)?;
            let shelf = state
                .shelves
                .get_mut(rendition.index())
                .ok_or(HandleError::UnknownRendition)?;
            match &shelf.made {
                Some(before) if shelf.inits.contains_key(&init) => {
                    return if *before == made {
                        Ok(())
                    } else {
                        Err(AddError::OtherConfig)
                    };
                }
                Some(_) | None => {}
            }
            shelf.inits.insert(init, cmaf::made_init(&made.track)?);
            shelf.made = Some(made);
            state.master = None;
            Ok(())
        })
    }

    /// The publisher is back in a new turn, or its timeline broke in this one: a discontinuity lies before what follows.
    pub(crate) fn resume(
        &self,
        now: Moment,
        turn: Turn,
        tracks: Tracks,
        anchor: WallTime,
    ) -> Result<(), AddError> {
        self.change(|state| {
            state.check(turn)?;
            let new_init = tracks
                .ids()
                .filter(|id| tracks.is_changed(&state.tracks, *id))
                .filter_map(|id| self.config.rendition(&id.to_string()));
            // What is made of other pictures is coded otherwise, too.
            let leader = tracks.leader();
            let made_anew = self
                .config
                .shadows()
                .filter(|_| tracks.is_changed(&state.tracks, leader))
                .map(|(id, _)| id);
            let mut new_init: Vec<_> = new_init.chain(made_anew).collect();
            let sounds = self.config.sounds();
            let sounds = sounds.filter(|(_, source)| new_init.contains(source));
            let sounds: Vec<_> = sounds.map(|(made, _)| made).collect();
            new_init.extend(sounds);
            state
                .live
                .handle(now, Input::Returned { anchor, new_init })?;
            state.tracks = tracks;
            state.master = None;
            state.shelve_inits(&self.config)
        })
    }

    /// The publisher is gone and may return: its turn is over.
    pub(crate) fn lose(&self, now: Moment) {
        self.tell(now, Input::Lost);
        let mut state = self.lock();
        state.turn = Turn(state.turn.0.wrapping_add(1));
    }

    /// The tracks that it shows.
    pub(crate) fn tracks(&self) -> Tracks {
        self.lock().tracks.clone()
    }

    /// Bits per second of the publisher's pictures until now, or of its sound where there are none.
    pub(crate) fn average(&self) -> u64 {
        let state = self.lock();
        let leader = self.config.rendition(&state.tracks.leader().to_string());
        let shelf = leader.and_then(|leader| state.shelves.get(leader.index()));
        shelf.map_or(0, |shelf| shelf.rate.average())
    }

    /// Whether these are the tracks that it shows.
    pub(crate) fn has_tracks(&self, tracks: &Tracks) -> bool {
        self.lock().tracks == *tracks
    }

    /// The publisher sends nothing: its turn goes on, and the playlists as gap until it sends something that can follow.
    pub(crate) fn starve(&self, now: Moment) {
        self.tell(now, Input::Lost);
    }

    /// Where the next part of a rendition goes.
    pub(crate) fn next(&self, rendition: RenditionId) -> Option<Position> {
        self.lock().live.next(rendition)
    }

    /// Whether what its publisher makes is taken.
    pub(crate) fn is_on_air(&self) -> bool {
        self.lock().live.is_on_air()
    }

    /// Where its longest rendition ends.
    pub(crate) fn end_of_media(&self) -> Option<WallTime> {
        self.lock().live.end()
    }

    /// Something happens at a time of the show.
    pub(crate) fn announce(&self, now: Moment, range: DateRange) -> Result<(), AddError> {
        self.change(|state| {
            let happening = Arc::new(range.clone());
            state.live.handle(now, Input::Announce(range))?;
            state.carry(&happening);
            if matches!(state.keeping, Keeping::Recorded { .. })
                && state.happenings.len() < DATE_RANGES_REMEMBERED_MAX
            {
                state.happenings.push(happening);
            }
            Ok(())
        })
    }

    /// The publisher does not return.
    pub(crate) fn end(&self, now: Moment) {
        self.tell(now, Input::End);
    }

    /// Lets time pass; says when to let it pass again.
    pub(crate) fn handle_time(&self, now: Moment) -> Option<Moment> {
        self.tell(now, Input::Timeout);
        self.lock().live.poll_timeout().map(|(at, _)| at)
    }

    /// An input that cannot be refused, or whose refusal means that it came too late to matter.
    fn tell(&self, now: Moment, input: Input) {
        let told = self.change(|state| {
            state.live.handle(now, input)?;
            state.give_up(now);
            Ok(())
        });
        if let Err(error) = told {
            tracing::debug!(prefix = %self.prefix, %error, "stream did not take an input");
        }
    }

    /// Does one thing to the state, obeys what the machine then says, and wakes who waits.
    fn change(&self, act: impl FnOnce(&mut State) -> Result<(), AddError>) -> Result<(), AddError> {
        let mut state = self.lock();
        let done = act(&mut state);
        let changed = state.obey(self.changed.len());
        for (shelf, _) in state
            .shelves
            .iter_mut()
            .zip(&changed)
            .filter(|(_, changed)| **changed)
        {
            shelf.release();
        }
        let errands = state.has_errands();
        drop(state);
        if errands {
            self.errands.notify_one();
        }
        let now = Instant::now();
        for (sender, _) in self
            .changed
            .iter()
            .zip(changed)
            .filter(|(_, changed)| *changed)
        {
            sender.send_replace(now);
        }
        done
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves a stream that is at worst incomplete, which every reader copes with.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check(&self, turn: Turn) -> Result<(), AddError> {
        if self.turn == turn {
            Ok(())
        } else {
            Err(AddError::Superseded)
        }
    }

    /// Adds one thing; says where, if it is a part.
    fn add(&mut self, now: Moment, step: Step) -> Result<Option<Position>, AddError> {
        match step {
            Step::Part {
                rendition,
                start,
                duration,
                independence,
                samples,
                decode_time,
                bytes,
            } => {
                self.live.handle(
                    now,
                    Input::Part {
                        rendition,
                        start,
                        duration,
                        independence,
                    },
                )?;
                let place = self
                    .live
                    .last(rendition)
                    .ok_or(HandleError::UnknownRendition)?;
                let bytes = self.with_events((rendition, decode_time), (start, duration), bytes);
                self.bytes = self.bytes.saturating_add(bytes.len());
                if let Some(shelf) = self.shelves.get_mut(rendition.index()) {
                    shelf.rate.add(bytes.len(), samples, duration);
                    shelf.segments.entry(place.msn).or_default().push(bytes);
                }
                if self.bytes > STREAM_BYTES_MAX {
                    Err(AddError::TooMuchMedia)
                } else {
                    Ok(Some(place))
                }
            }
            Step::Gap {
                rendition,
                start,
                duration,
            } => {
                let gap = Input::Gap {
                    rendition,
                    start,
                    duration,
                };
                self.live.handle(now, gap)?;
                Ok(self.live.last(rendition))
            }
            Step::SegmentEnd { rendition } => {
                self.live.handle(now, Input::SegmentEnd { rendition })?;
                if let Some(shelf) = self.shelves.get_mut(rendition.index()) {
                    shelf.rate.end_segment();
                    self.master = None;
                }
                Ok(None)
            }
        }
    }

    /// Drains the machine's outputs; says which renditions changed.
    fn obey(&mut self, renditions: usize) -> Vec<bool> {
        let mut changed = vec![false; renditions];
        while let Some(output) = self.live.poll_output() {
            match output {
                Output::Changed { rendition } => {
                    if let Some(flag) = changed.get_mut(rendition.index()) {
                        *flag = true;
                    }
                }
                Output::Forget { rendition, msn } => {
                    let shelf = self.shelves.get_mut(rendition.index());
                    let held = shelf
                        .and_then(|shelf| shelf.segments.remove(&msn))
                        .unwrap_or_default();
                    self.bytes = self.bytes.saturating_sub(held.bytes());
                    if held.is_stored() && self.keeping.forgets_files() {
                        self.removals.push_back((rendition, msn));
                    }
                }
                Output::ForgetInit { rendition, init } => {
                    if let Some(shelf) = self.shelves.get_mut(rendition.index()) {
                        shelf.inits.remove(&init);
                    }
                }
                Output::Ended => self.ended = true,
                Output::Finished => {
                    self.finished = true;
                    self.shelves
                        .iter_mut()
                        .for_each(|shelf| *shelf = Shelf::default());
                    self.removals.clear();
                    changed.fill(true);
                }
            }
        }
        self.note_whole();
        self.drop_stored();
        changed
    }

    /// Writes the init sections that the next parts need and that are not there yet.
    fn shelve_inits(&mut self, config: &Config) -> Result<(), AddError> {
        for track in self.tracks.ids() {
            let Some(id) = config.rendition(&track.to_string()) else {
                continue;
            };
            let (Some(init), Some(shelf)) = (self.live.init(id), self.shelves.get_mut(id.index()))
            else {
                continue;
            };
            if shelf.inits.contains_key(&init) {
                continue;
            }
            shelf
                .inits
                .insert(init, cmaf::track_init(&self.tracks, track)?);
        }
        Ok(())
    }
}
