//! One channel: who publishes to it, the stream it shows, and those it showed.
//!
//! 1. A publisher that names the key gets a [`Claim`]. While one is held, it depends on the channel's [`Takeover`] whether
//!    the next is refused, takes its place, or stands by. Whoever has gone silent makes way in any case: a dead network
//!    does not tell that it is dead, and the encoder behind it comes back before that is noticed.
//! 2. [`Claim::begin`] starts a stream, or goes on with the one that there is, if it is of the same kind. A stand-by's turn
//!    begins with a picture that can be decoded alone, and until then the turn before it goes on.
//! 3. Dropping the claim, however that comes about, loses the publisher: the stream goes to the stand-by, or waits for the
//!    reconnect window.
//! 4. [`Channel::handle_time`] ends it when the window is over and lets ended streams go; has the stand-by shown while the
//!    main encoder starves, and the main one again when it has been well for a while; and has the playlists go on as gap
//!    while nobody sends anything. The channel's keeper calls it.

mod claim;

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fanwave_live::{
    Config, ConfigError, DateRange, HandleError, Kind, MediaSeq, Moment, Numbering, RenditionSpec,
    Settings, WallTime, limits::RENDITIONS_MAX,
};
use fanwave_media::{
    TrackId, TrackKind, Tracks, VIDEO_TIMESCALE, cmaf,
    health::{Change, Report},
};
use fanwave_wire::{RoomId, UnixMillis};
use thiserror::Error;
use tokio::sync::{Notify, watch};

pub(crate) use self::claim::{Claim, Duty};
use self::claim::{Holder, Rank};
use crate::{
    archive::Archive,
    clock::Clock,
    config::{ChannelConfig, Secret, Takeover},
    ladder::{self, Chosen, Ladder, config::RungConfig},
    limits::ENDED_STREAMS_MAX,
    news::{self, Calm, Teller, What},
    simulcast::Simulcast,
    stream::{AddError, Keeping, Stream, Turn},
    thumbnails::Thumbnails,
};

/// How a channel is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelStatus {
    /// Whether there is something to play: also while a lost publisher may still return.
    pub live: bool,
    /// When the present stream began, if there is one.
    pub since: Option<UnixMillis>,
    /// Who sends it.
    pub publisher: PublisherStatus,
    /// Whether a second encoder stands by.
    pub standby: bool,
}

/// Somebody who publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoder {
    /// From where, as its connection has it: behind a proxy, that is the proxy's.
    pub address: IpAddr,
    /// How it came: `rtmp`, `rtmps`, `srt` or `whip`.
    pub protocol: &'static str,
    /// When it was let in.
    pub since: UnixMillis,
}

/// Whether a channel is published to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublisherStatus {
    /// Nobody publishes, and nobody is waited for.
    Absent,
    /// A publisher is connected.
    Connected,
    /// The publisher is gone, and the reconnect window is open.
    Lost,
}

/// Why a stream did not begin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum BeginError {
    /// Its tracks make no valid playlist.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It did not take its beginning.
    #[error(transparent)]
    Add(#[from] AddError),
    /// What is shown while the encoder is away is not like the show.
    #[error("it would be another stream than the show's")]
    NotAlike,
}

/// Why an event was not announced.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnnounceError {
    /// There is no such channel.
    #[error("there is no such channel")]
    NoChannel,
    /// The channel shows nothing that the event could be a part of.
    #[error("the channel is not live: announce the event when it is")]
    NotLive,
    /// Its stream has announced one of this id before.
    #[error("an event of this id was announced before")]
    IdUsed,
    /// Its playlists do not take it.
    #[error("{0}")]
    Refused(String),
}

/// The channel has a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the channel has a publisher")]
pub(crate) struct Busy;

/// How long a channel waits for its publisher.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// To return before its stream ends.
    pub(crate) reconnect_window: Duration,
    /// To be heard of before another may take its place.
    pub(crate) silence: Duration,
    /// To be heard of before the playlists go on without media.
    pub(crate) starving: Duration,
    /// To be well again before the stand-by steps back.
    pub(crate) recovery: Duration,
}

/// What is made of a channel's shows beside their playlists.
#[derive(Debug)]
pub(crate) struct Makes {
    pub(crate) ladder: Arc<Ladder>,
    pub(crate) thumbnails: Arc<Thumbnails>,
    pub(crate) archive: Option<Arc<Archive>>,
    pub(crate) simulcast: Simulcast,
}

#[derive(Debug)]
pub(crate) struct Channel {
    id: RoomId,
    key: Secret,
    settings: Settings,
    ladder: Arc<Ladder>,
    thumbnails: Arc<Thumbnails>,
    archive: Option<Arc<Archive>>,
    simulcast: Arc<Simulcast>,
    takeover: Takeover,
    waits: Waits,
    clock: Clock,
    state: Mutex<State>,
    status: watch::Sender<ChannelStatus>,
    wake: Notify,
    teller: Teller,
    /// Locked for moments, also while the state is.
    calm: Mutex<Calm>,
}

#[derive(Debug, Default)]
struct State {
    /// Whose media is shown, or will be from its next independent picture on.
    holder: Option<Arc<Holder>>,
    /// Who stands by; nobody while there is no holder.
    standby: Option<Arc<Holder>>,
    current: Option<Current>,
    ended: VecDeque<Arc<Stream>>,
    /// Whether it was told that the encoder is lost, and not yet that it is back.
    away: bool,
}

/// A stream that a publisher has begun or goes on with.
#[derive(Debug)]
pub(crate) struct OnAir {
    pub(crate) stream: Arc<Stream>,
    /// What the publisher adds under; void once another has taken over.
    pub(crate) turn: Turn,
    /// What is to be made of its pictures.
    pub(crate) rungs: Vec<RungConfig>,
}

/// What a show is like whose encoder is away.
#[derive(Debug)]
pub(crate) struct Away {
    pub(crate) tracks: Tracks,
    /// Of its pictures.
    pub(crate) bits_per_second: u64,
}

#[derive(Debug)]
struct Current {
    stream: Arc<Stream>,
    chosen: Chosen,
    /// When its publisher was lost; `None` while there is one.
    lost_at: Option<Moment>,
    /// The same of its encoder: what is shown while that is away is none.
    away_since: Option<Moment>,
}

impl Current {
    /// What its publisher has of it.
    fn on_air(&self) -> OnAir {
        OnAir {
            stream: Arc::clone(&self.stream),
            turn: self.stream.turn(),
            rungs: self.chosen.rungs().to_vec(),
        }
    }
}

impl Channel {
    pub(crate) fn new(
        config: ChannelConfig,
        settings: &Settings,
        makes: Makes,
        (waits, clock): (Waits, Clock),
        teller: Teller,
    ) -> Self {
        let offline = ChannelStatus {
            live: false,
            since: None,
            publisher: PublisherStatus::Absent,
            standby: false,
        };
        let Makes {
            ladder,
            thumbnails,
            archive,
            simulcast,
        } = makes;
        Self {
            id: config.id,
            key: config.stream_key,
            settings: Settings {
                numbering: config.numbering,
                ..settings.clone()
            },
            ladder,
            thumbnails,
            archive,
            simulcast: Arc::new(simulcast),
            takeover: config.takeover,
            waits,
            clock,
            state: Mutex::default(),
            status: watch::Sender::new(offline),
            wake: Notify::new(),
            teller,
            calm: Mutex::default(),
        }
    }

    pub(crate) fn id(&self) -> &RoomId {
        &self.id
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// How its segments are numbered.
    pub(crate) fn numbering(&self) -> Numbering {
        self.settings.numbering
    }

    /// Number of the segment that begins at this time, where segments are numbered by the clock.
    pub(crate) fn cell_of(&self, time: WallTime) -> Option<MediaSeq> {
        self.settings.cell_of(time)
    }

    pub(crate) fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// Where its shows are pushed on to.
    pub(crate) fn simulcast(&self) -> &Arc<Simulcast> {
        &self.simulcast
    }

    pub(crate) fn has_key(&self, key: &Secret) -> bool {
        self.key.matches(key)
    }

    /// How the channel is doing, now and whenever that changes.
    pub(crate) fn status(&self) -> watch::Receiver<ChannelStatus> {
        self.status.subscribe()
    }

    /// Tells whoever runs the show what happened to it.
    pub(crate) fn tell(&self, what: What) {
        let now = self.clock.now();
        let mut calm = self.calm.lock().unwrap_or_else(PoisonError::into_inner);
        calm.handle(now, what);
        self.hand_on(&mut calm);
        if calm.poll_timeout().is_some() {
            self.wake.notify_one();
        }
    }

    /// Tells what was held back for long enough; says when to look again.
    fn tell_held(&self, now: Moment) -> Option<Moment> {
        let mut calm = self.calm.lock().unwrap_or_else(PoisonError::into_inner);
        calm.handle_timeout(now);
        self.hand_on(&mut calm);
        calm.poll_timeout()
    }

    fn hand_on(&self, calm: &mut Calm) {
        while let Some((what, withheld)) = calm.poll_output() {
            self.teller.tell(&self.id, what, withheld);
        }
    }

    /// Tells who watches how the channel is doing, if that changed.
    pub(crate) fn announce(&self) {
        let mut state = self.lock();
        let publisher = match (state.encoder(), &state.current) {
            (Some(_), _) => PublisherStatus::Connected,
            (None, Some(_)) => PublisherStatus::Lost,
            (None, None) => PublisherStatus::Absent,
        };
        let current = state.current.as_ref();
        let status = ChannelStatus {
            live: current.is_some_and(|current| current.stream.is_ready()),
            since: current.map(|current| UnixMillis(current.stream.since().0)),
            publisher,
            standby: state.standby.is_some(),
        };
        // Told while the state is locked, so that the last word is about the latest state.
        let mut before = status;
        self.status.send_if_modified(|told| {
            before = std::mem::replace(told, status);
            before != status
        });
        if !before.live && status.live {
            self.tell(What::ShowLive);
        }
        if before.publisher != status.publisher && publisher == PublisherStatus::Lost {
            state.away = true;
            self.tell(What::EncoderLost);
        }
        if before.live && !status.live {
            state.away = false;
            self.tell(What::ShowEnded);
        }
    }

    /// The stream shown now.
    pub(crate) fn current(&self) -> Option<Arc<Stream>> {
        self.lock()
            .current
            .as_ref()
            .map(|current| Arc::clone(&current.stream))
    }

    /// The stream shown now, and those shown before.
    pub(crate) fn streams(&self) -> Vec<Arc<Stream>> {
        let state = self.lock();
        let current = state.current.as_ref().map(|current| &current.stream);
        current.into_iter().chain(&state.ended).cloned().collect()
    }

    /// The stream of that prefix, shown now or before.
    pub(crate) fn stream(&self, prefix: &str) -> Option<Arc<Stream>> {
        let state = self.lock();
        let current = state.current.as_ref().map(|current| &current.stream);
        current
            .into_iter()
            .chain(&state.ended)
            .find(|stream| stream.prefix() == prefix)
            .cloned()
    }

    /// The stream shown now or before whose files are in that folder of the storage.
    pub(crate) fn stream_in(&self, folder: &str) -> Option<Arc<Stream>> {
        let state = self.lock();
        let current = state.current.as_ref().map(|current| &current.stream);
        let mut streams = current.into_iter().chain(&state.ended);
        streams.find(|stream| stream.folder() == folder).cloned()
    }

    /// Whether the storage's folder of that name is of a stream shown now or before.
    pub(crate) fn keeps(&self, folder: &str) -> bool {
        self.stream_in(folder).is_some()
    }

    /// Lets a publisher in, as the channel's policy has it.
    pub(crate) fn claim(self: &Arc<Self>) -> Result<Claim, Busy> {
        let now = self.clock.now();
        let silent = |holder: &Holder| holder.heard().after(self.waits.silence) <= now;
        let mut state = self.lock();
        state.end_slate(now);
        match (self.takeover, &state.holder, &state.standby) {
            (_, None, _) | (Takeover::Backup, Some(_), None) => {}
            (Takeover::Backup, Some(_), Some(standby)) if silent(standby) => {
                standby.replace();
                state.standby = None;
            }
            (Takeover::Backup, Some(holder), Some(_)) if silent(holder) => {
                holder.replace();
                state.promote(now);
                state.standby = None;
                self.tell(What::Takeover(news::Takeover::Silent));
            }
            (Takeover::Replace, Some(holder), _) => {
                holder.replace();
                state.lose(now);
                state.holder = None;
                self.tell(What::Takeover(news::Takeover::Replaced));
            }
            (Takeover::Refuse, Some(holder), _) if silent(holder) => {
                holder.replace();
                state.lose(now);
                state.holder = None;
                self.tell(What::Takeover(news::Takeover::Silent));
            }
            (Takeover::Refuse | Takeover::Backup, Some(_), _) => return Err(Busy),
        }
        let holder = state.seat(now);
        let standby = !state.is_held_by(&holder);
        self.tell(What::PublishStarted { standby });
        drop(state);
        self.announce();
        self.wake.notify_one();
        Ok(Claim::new(Arc::clone(self), holder))
    }

    /// Has what is shown while the encoder is away shown, if it still is; says what the show is like.
    pub(crate) fn claim_for_slate(self: &Arc<Self>) -> Option<(Claim, Away)> {
        let now = self.clock.now();
        let mut state = self.lock();
        let current = state.current.as_ref()?;
        if state.holder.is_some() || current.away_since.is_none() {
            return None;
        }
        let away = Away {
            tracks: current.stream.tracks(),
            bits_per_second: current.stream.average(),
        };
        let holder = Arc::new(Holder::new(Rank::Slate, now));
        state.holder = Some(Arc::clone(&holder));
        drop(state);
        Some((Claim::new(Arc::clone(self), holder), away))
    }

    /// How well the publisher that is shown sends, once its first sample has come.
    pub(crate) fn health(&self) -> Option<Report> {
        let now = self.clock.now();
        self.lock().encoder()?.report(now)
    }

    /// Where the publisher that is shown comes from, and the one that stands by.
    pub(crate) fn encoders(&self) -> (Option<Encoder>, Option<Encoder>) {
        let state = self.lock();
        let of = |holder: Option<&Arc<Holder>>| holder?.encoder().cloned();
        (of(state.encoder()), of(state.standby.as_ref()))
    }

    /// Says in the log what has become of a publisher, and of the one that is shown to whoever listens.
    fn tell_health(&self, changes: &[Change], shown: bool) {
        for change in changes {
            let what = match change {
                Change::Starving => {
                    tracing::warn!(channel = %self.id, "the encoder sends less than it should: viewers will run dry");
                    What::Starving
                }
                Change::Recovered => {
                    tracing::info!(channel = %self.id, "the encoder has caught up");
                    What::Recovered
                }
                Change::Jumped => What::TimestampJump,
                Change::Dropping { pictures } => {
                    tracing::warn!(channel = %self.id, pictures, "the encoder leaves out pictures");
                    What::PicturesDropped {
                        pictures: *pictures,
                    }
                }
            };
            if shown {
                self.tell(what);
            }
        }
    }

    /// Returns when something happened that [`Channel::handle_time`] should look at early.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Does what is due; says when to come back.
    pub(crate) fn handle_time(&self) -> Option<Moment> {
        let now = self.clock.now();
        let mut state = self.lock();
        if let Some(Current {
            away_since: Some(away_since),
            ..
        }) = state.current
            && state.encoder().is_none()
            && away_since.after(self.waits.reconnect_window) <= now
        {
            state.end_slate(now);
            state.retire(now);
            tracing::info!(channel = %self.id, "the publisher did not return: the stream has ended");
        }
        let publishers = [(&state.holder, true), (&state.standby, false)];
        let publishers = publishers
            .into_iter()
            .filter_map(|(holder, shown)| Some((holder.as_ref()?, shown)))
            .filter(|(holder, _)| holder.is_encoder());
        let looked = publishers.map(|(holder, shown)| (holder.look(now), shown));
        let looked: Vec<_> = looked.collect();
        let (rotates, why) = state.rotate(now, self.waits, &self.id);
        if let Some(why) = why {
            self.tell(What::Takeover(why));
        }
        let starves = state.starve(now, self.waits.starving, &self.id);
        let ended: Vec<_> = state
            .ended
            .iter()
            .filter_map(|stream| stream.handle_time(now))
            .collect();
        state.ended.retain(|stream| !stream.is_finished());
        let current = state.current.as_ref();
        // A publisher that has just returned is given the time to show what it sends; it has a deadline of its own.
        let away_since = current
            .filter(|_| state.encoder().is_none())
            .and_then(|current| current.away_since);
        let window_ends = away_since.map(|away| away.after(self.waits.reconnect_window));
        let forgets = current.and_then(|current| current.stream.handle_time(now));
        drop(state);
        self.announce();
        for ((_, changes), shown) in &looked {
            self.tell_health(changes, *shown);
        }
        let looks = looked.iter().filter_map(|((look, _), _)| *look);
        let others = window_ends
            .into_iter()
            .chain(rotates)
            .chain(starves)
            .chain(looks)
            .chain(self.tell_held(now));
        ended.into_iter().chain(others).chain(forgets).min()
    }

    fn duty(&self, holder: &Arc<Holder>) -> Duty {
        let state = self.lock();
        let is_standby = state
            .standby
            .as_ref()
            .is_some_and(|standby| Arc::ptr_eq(standby, holder));
        match (state.is_held_by(holder), is_standby) {
            (true, _) => Duty::Show,
            (false, true) => Duty::StandBy,
            (false, false) => Duty::Leave,
        }
    }

    /// Something happens at a time of the show that is on.
    pub(crate) fn announce_event(&self, range: DateRange) -> Result<(), AnnounceError> {
        let stream = self.current().ok_or(AnnounceError::NotLive)?;
        match stream.announce(self.clock.now(), range) {
            Ok(()) => Ok(()),
            Err(AddError::Live(HandleError::Ended)) => Err(AnnounceError::NotLive),
            Err(AddError::Live(HandleError::RangeIdUsed)) => Err(AnnounceError::IdUsed),
            Err(why) => Err(AnnounceError::Refused(why.to_string())),
        }
    }

    /// What a publisher of these tracks has, and what is made of its sound.
    fn sources(&self, tracks: &Tracks) -> Result<Config, ConfigError> {
        let sources = Config::new(self.settings.clone(), renditions(tracks))?;
        if self.numbering() == Numbering::Clock {
            // Where a frame of AAC begins depends on what was heard before.
            return Ok(sources);
        }
        let sounds = self.ladder.sounds(tracks, &sources);
        sources.with_sounds(sounds)
    }

    /// Starts a stream for the holder of the claim, or goes on with the one that waits.
    fn begin(
        &self,
        holder: &Arc<Holder>,
        tracks: Tracks,
        anchor: WallTime,
    ) -> Result<OnAir, BeginError> {
        let now = self.clock.now();
        let counted = self.numbering() == Numbering::Counted;
        let sources = self.sources(&tracks)?;
        let room = RENDITIONS_MAX.saturating_sub(sources.renditions().count());
        let pictures = ladder::source(&tracks);
        let mut state = self.lock();
        if !state.is_held_by(holder) {
            return Err(AddError::Superseded.into());
        }
        if let Some(current) = &mut state.current
            && self.ladder.is_like(&current.chosen, pictures, room)
            && *current.stream.config() == with_rungs(sources.clone(), &current.chosen)?
            // What a name stands for must not depend on what this origin has seen before.
            && (counted || current.stream.has_tracks(&tracks))
        {
            // The turn before this may still go on: it ends here, at a picture that the next one begins with.
            if current.lost_at.is_none() {
                current.stream.lose(now);
            }
            let turn = current.stream.turn();
            current.stream.resume(now, turn, tracks, anchor)?;
            current.lost_at = None;
            if holder.is_encoder() {
                current.away_since = None;
            }
            let on_air = current.on_air();
            if holder.is_encoder() && std::mem::take(&mut state.away) {
                self.tell(What::EncoderBack);
            }
            return Ok(on_air);
        }
        if !holder.is_encoder() {
            return Err(BeginError::NotAlike);
        }
        // Other tracks, or none before: players that know the old stream are told that it is over.
        state.retire(now);
        let chosen = self.ladder.choose(pictures, room);
        let config = with_rungs(sources, &chosen)?;
        let prefix = if counted {
            random_prefix()
        } else {
            derived_prefix(&self.id, &config, &tracks)?
        };
        let keeping = match &self.archive {
            Some(archive) => archive.keeping(&self.id),
            None => Keeping::Memory,
        };
        // Another stream of the same prefix may have ended a moment ago, and its folder goes with it.
        let folder = if counted {
            prefix.clone()
        } else {
            random_prefix()
        };
        let stream = Stream::new((prefix, folder), config, tracks, anchor, keeping)?;
        let stream = Arc::new(stream);
        if let Some(archive) = self.archive.as_ref().filter(|_| keeping != Keeping::Memory) {
            archive.keep(&self.id, &stream, self.clock);
        }
        if let Some(archive) = &self.archive {
            self.thumbnails.keep(&self.id, &stream, archive);
        }
        let current = Current {
            stream,
            chosen,
            lost_at: None,
            away_since: None,
        };
        Ok(state.current.insert(current).on_air())
    }

    fn release(&self, holder: &Arc<Holder>) {
        let now = self.clock.now();
        let mut state = self.lock();
        let standby = !state.is_held_by(holder);
        if !standby {
            state.promote(now);
        } else if let Some(standby) = &state.standby
            && Arc::ptr_eq(standby, holder)
        {
            state.standby = None;
        }
        if holder.is_encoder() {
            self.tell(What::PublishStopped { standby });
        }
        if !standby && state.holder.is_some() {
            self.tell(What::Takeover(news::Takeover::Gone));
        }
        drop(state);
        self.announce();
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_held_by(&self, holder: &Arc<Holder>) -> bool {
        self.holder
            .as_ref()
            .is_some_and(|held| Arc::ptr_eq(held, holder))
    }

    /// Whose media is shown, if that is an encoder's.
    fn encoder(&self) -> Option<&Arc<Holder>> {
        self.holder.as_ref().filter(|holder| holder.is_encoder())
    }

    /// What is shown while the encoder is away is not any more.
    fn end_slate(&mut self, now: Moment) {
        if let Some(slate) = self.holder.take_if(|holder| !holder.is_encoder()) {
            slate.replace();
            self.lose(now);
        }
    }

    /// A place for a publisher that comes: on the air, or beside whoever is.
    fn seat(&mut self, now: Moment) -> Arc<Holder> {
        let rank = match &self.holder {
            Some(other) if other.rank == Rank::Main => Rank::Backup,
            Some(_) | None => Rank::Main,
        };
        let holder = Arc::new(Holder::new(rank, now));
        let place = if self.holder.is_none() {
            &mut self.holder
        } else {
            &mut self.standby
        };
        *place = Some(Arc::clone(&holder));
        holder
    }

    /// The holder is gone: whoever stands by follows it.
    fn promote(&mut self, now: Moment) {
        self.holder = self.standby.take();
        self.lose(now);
    }

    /// Has the right one of two encoders shown; says when to look again, and why it is another one.
    fn rotate(
        &mut self,
        now: Moment,
        waits: Waits,
        id: &RoomId,
    ) -> (Option<Moment>, Option<news::Takeover>) {
        let (Some(holder), Some(standby)) = (&self.holder, &self.standby) else {
            return (None, None);
        };
        let silent_at = |holder: &Holder| holder.heard().after(waits.silence);
        if silent_at(standby) <= now {
            // Nothing to show instead. It is looked at again when it would be heard of.
            return (Some(now.after(waits.silence)), None);
        }
        if silent_at(holder) <= now {
            tracing::warn!(channel = %id, "the encoder starves: the other one is shown");
            std::mem::swap(&mut self.holder, &mut self.standby);
            self.lose(now);
            return (Some(now.after(waits.silence)), Some(news::Takeover::Silent));
        }
        let due = silent_at(holder);
        if standby.rank == Rank::Backup {
            return (Some(due), None);
        }
        let well_at = standby.well_since().after(waits.recovery);
        if well_at > now {
            return (Some(due.min(well_at)), None);
        }
        tracing::info!(channel = %id, "the main encoder is well again and is shown");
        // The other one's turn goes on until the main encoder's next independent picture.
        std::mem::swap(&mut self.holder, &mut self.standby);
        (Some(due), Some(news::Takeover::Recovered))
    }

    /// Has the playlists go on as gap while a connected publisher sends nothing; says when to look again.
    fn starve(&mut self, now: Moment, starving: Duration, id: &RoomId) -> Option<Moment> {
        let holder = self.holder.as_ref()?;
        let current = self
            .current
            .as_ref()
            .filter(|current| current.lost_at.is_none())?;
        // Numbers from the clock are not given to a gap before its end is known.
        if !current.stream.is_on_air() || current.stream.config().cell_millis().is_some() {
            return None;
        }
        let due = holder.heard().after(starving);
        if due > now {
            return Some(due);
        }
        tracing::warn!(channel = %id, "the publisher sends nothing: the playlists go on as gap");
        current.stream.starve(now);
        None
    }

    /// The present stream has no publisher from now on; nothing happens if it had none before.
    fn lose(&mut self, now: Moment) {
        if let Some(current) = self
            .current
            .as_mut()
            .filter(|current| current.lost_at.is_none())
        {
            current.stream.lose(now);
            current.lost_at = Some(now);
            current.away_since.get_or_insert(now);
        }
    }

    /// Ends the present stream and keeps it for as long as its media may be asked for.
    fn retire(&mut self, now: Moment) {
        let Some(Current { stream, .. }) = self.current.take() else {
            return;
        };
        stream.end(now);
        self.ended.push_back(stream);
        while self.ended.len() > ENDED_STREAMS_MAX {
            if let Some(oldest) = self.ended.pop_front() {
                oldest.discard();
            }
        }
    }
}

/// What the tracks of a publisher become: one rendition each, under the track's name.
fn renditions(tracks: &Tracks) -> Vec<RenditionSpec> {
    let spec = |id| spec(id, tracks.timescale(id));
    tracks.ids().filter_map(spec).collect()
}

fn with_rungs(sources: Config, chosen: &Chosen) -> Result<Config, ConfigError> {
    match chosen.names() {
        none if none.is_empty() => Ok(sources),
        names => sources.with_shadows(names),
    }
}

/// Renditions that every setting is checked with before the real ones are known.
pub(crate) fn renditions_to_check() -> Vec<RenditionSpec> {
    spec(TrackId::video(0), VIDEO_TIMESCALE)
        .into_iter()
        .collect()
}

fn spec(id: TrackId, timescale: u32) -> Option<RenditionSpec> {
    Some(RenditionSpec {
        name: id.to_string().parse().ok()?,
        kind: match id.kind {
            TrackKind::Video => Kind::Video,
            TrackKind::Audio => Kind::Audio,
        },
        timescale,
    })
}

/// A name that every origin gives a stream of the same channel, settings and codec configurations.
///
/// Numbers from the clock are not given twice, so that the media below it needs no name that is new.
fn derived_prefix(id: &RoomId, config: &Config, tracks: &Tracks) -> Result<Box<str>, AddError> {
    // FNV-1a, 64 bits: the same on every machine and in every release, and nothing that has to withstand anybody.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    add(id.as_str().as_bytes());
    add(&config.target_duration().as_millis().to_be_bytes());
    add(&config.part_target().as_millis().to_be_bytes());
    for (_, spec) in config.renditions() {
        add(spec.name.as_str().as_bytes());
    }
    for track in tracks.ids() {
        add(&cmaf::track_init(tracks, track)?);
    }
    Ok(format!("{hash:016x}").into())
}

/// A name that no stream had before, so that no cache and no player takes a new stream for an old one.
pub(crate) fn random_prefix() -> Box<str> {
    let random = getrandom::u64().unwrap_or_else(|_| {
        // Without a random source the wall clock still never gives a name twice.
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    });
    format!("{random:016x}").into()
}
