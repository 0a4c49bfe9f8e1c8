//! The task that owns a node's channels: it alone delivers, so a channel's deliveries are in order without any lock.
//!
//! Calls of the engine, signals of the broker, answers of the broker and deadlines come in one after the other; each is
//! one input of one channel's machine, and what the machine says is done.

mod serving;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use fanwave_room::sequence::Ticket;
use fanwave_wire::{
    Channel, Draft, Event, Lane as LaneOf, Offset, UnixMillis,
    envelope::{Batch, Hearsay},
};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

use self::serving::{Place, Waiting};
use super::{
    Shared,
    broker::{Appended, Broker, BrokerError, Extract, Partition, Signal},
    lane::{Input, Lane, Output, deletions},
    now,
};
use crate::{
    Ack, BoxFuture, EngineError, History, HistoryQuery, Snapshot,
    limits::{
        CHANNEL_IDLE_MAX, CHANNELS_MAX, CUT_OFF_TOLD_EVERY, PROBE_EVERY, PROBE_MAX, RESUME_SPREAD,
        SHARED_READS_MAX, SWEEP_EVERY,
    },
};

/// Where an answer goes.
type Answer<T> = oneshot::Sender<Result<T, EngineError>>;

/// What the driver is asked.
#[derive(Debug)]
pub(super) enum Command {
    Subscribe(Channel, Answer<Snapshot>),
    Unsubscribe(Channel),
    Publish(Channel, Box<Draft>, Answer<Ack>),
    History(Channel, HistoryQuery, Answer<History>),
    Events(Channel, Offset, Answer<History>),
    /// Finish what was taken, then end.
    Stop,
}

/// What the broker has answered.
enum Done {
    Appended(Channel, Result<Appended, BrokerError>),
    Read(Channel, Result<Extract, BrokerError>),
    Renewed(Channel, Result<(), BrokerError>),
    /// A sign of life, or none in time.
    Probed(Result<(), BrokerError>),
    /// Whoever asked has the answer.
    Answered,
}

/// Ends when the engine stops or is dropped.
pub(super) struct Driver<B> {
    broker: Arc<B>,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    signals: mpsc::Receiver<Signal>,
    places: HashMap<Channel, Place>,
    /// How many places are in each partition that is watched.
    watched: BTreeMap<Partition, usize>,
    jobs: FuturesUnordered<BoxFuture<'static, Done>>,
    reads: Arc<Semaphore>,
    deadlines: BTreeSet<(UnixMillis, Channel)>,
    last_ticket: u64,
    hasher: RandomState,
    /// A sign of life is waited for.
    probing: bool,
    /// When the sink was told last that the broker is not reached; `None` while it is.
    cut_off: Option<Instant>,
    stopping: bool,
}

impl<B: Broker> Driver<B> {
    pub(super) fn new(
        broker: Arc<B>,
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        signals: mpsc::Receiver<Signal>,
    ) -> Self {
        Self {
            broker,
            shared,
            commands,
            signals,
            places: HashMap::new(),
            watched: BTreeMap::new(),
            jobs: FuturesUnordered::new(),
            reads: Arc::new(Semaphore::new(SHARED_READS_MAX)),
            deadlines: BTreeSet::new(),
            last_ticket: 0,
            hasher: RandomState::new(),
            probing: false,
            cut_off: None,
            stopping: false,
        }
    }

    pub(super) async fn run(mut self) {
        let mut sweep = interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut probe = interval(PROBE_EVERY);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.stopping && self.places.values().all(|place| place.lane.has_said_all()) {
                return;
            }
            let due = self.deadlines.first().map(|(at, _)| *at);
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Stop) => {
                        self.stopping = true;
                        self.commands.close();
                    }
                    Some(command) => self.obey(command),
                    None if self.stopping => self.progress().await,
                    None => return,
                },
                Some(signal) = self.signals.recv() => self.hear(signal),
                Some(done) = self.jobs.next() => self.complete(done),
                () = sleep_until(instant(due)), if due.is_some() => self.wake(),
                _ = sweep.tick() => self.sweep(),
                _ = probe.tick() => self.probe(),
            }
        }
    }

    /// Lets what was taken come to its end: no command comes any more.
    async fn progress(&mut self) {
        let due = self.deadlines.first().map(|(at, _)| *at);
        tokio::select! {
            Some(done) = self.jobs.next() => self.complete(done),
            () = sleep_until(instant(due)) => self.wake(),
        }
    }

    fn obey(&mut self, command: Command) {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        match command {
            Command::Stop => {}
            Command::Unsubscribe(channel) => {
                if let Some(place) = self.places.get_mut(&channel) {
                    place.told = None;
                }
            }
            Command::Publish(channel, draft, answer) => match self.place(&channel) {
                Err(error) => drop(answer.send(Err(error))),
                Ok(place) => {
                    place.answers.insert(ticket, answer);
                    let draft = *draft;
                    self.handle(&channel, Input::Submit { ticket, draft });
                }
            },
            Command::Subscribe(channel, answer) => match self.place(&channel) {
                Err(error) => drop(answer.send(Err(error))),
                Ok(_) => self.serve(&channel, Waiting::Subscribe(answer)),
            },
            Command::History(channel, query, answer) => match self.place(&channel) {
                Err(error) => drop(answer.send(Err(error))),
                Ok(_) => self.serve(&channel, Waiting::History(query, answer)),
            },
            Command::Events(channel, after, answer) => match self.place(&channel) {
                Err(error) => drop(answer.send(Err(error))),
                Ok(_) => self.serve(&channel, Waiting::Events(after, answer)),
            },
        }
    }

    /// The place of a channel; makes one, at the cost of the channel unused for longest when all are taken.
    fn place(&mut self, channel: &Channel) -> Result<&mut Place, EngineError> {
        if !self.places.contains_key(channel) {
            self.make_room()?;
            let spread = u64::try_from(RESUME_SPREAD.as_millis()).unwrap_or(u64::MAX);
            let spread_ms = self.hasher.hash_one(channel) % spread.max(1);
            let place = Place {
                lane: Lane::open(channel.clone(), &self.shared.settings, spread_ms),
                partition: self.broker.partition(&channel.room),
                told: None,
                waiting: Vec::new(),
                answers: BTreeMap::new(),
                used_at: now(),
                armed: None,
            };
            *self.watched.entry(place.partition).or_default() += 1;
            self.places.insert(channel.clone(), place);
            self.drain(channel);
        }
        let place = self.places.get_mut(channel).ok_or(EngineError::Busy)?;
        place.used_at = now();
        Ok(place)
    }

    fn make_room(&mut self) -> Result<(), EngineError> {
        if self.places.len() < CHANNELS_MAX {
            return Ok(());
        }
        let unused = self.places.iter().filter(|(_, place)| place.is_unused());
        let oldest = unused
            .min_by_key(|(_, place)| place.used_at)
            .map(|(channel, _)| channel.clone());
        self.close(&oldest.ok_or(EngineError::Busy)?);
        Ok(())
    }

    fn hear(&mut self, signal: Signal) {
        match signal {
            Signal::Heard(batch) => self.hear_batch(batch),
            Signal::Resumed(partitions) => {
                let concerned = self
                    .places
                    .iter()
                    .filter(|(_, place)| partitions.contains(&place.partition));
                let channels: Vec<Channel> =
                    concerned.map(|(channel, _)| channel.clone()).collect();
                self.shared.counts.resumed.fetch_add(1, Ordering::Relaxed);
                for channel in channels {
                    self.handle(&channel, Input::Resumed);
                }
            }
            Signal::Told(bytes) => self.hear_told(&bytes),
            Signal::Unreadable => {
                let counts = &self.shared.counts;
                counts.unreadable.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn hear_told(&self, bytes: &[u8]) {
        match Hearsay::decode(bytes) {
            Ok(hearsay) => {
                if let Some(sink) = self.shared.sink.get() {
                    sink.heard(hearsay);
                }
            }
            Err(error) => self.shared.complain(&BrokerError::Unreadable {
                reason: format!("what another server tells about itself: {error}"),
            }),
        }
    }

    fn hear_batch(&mut self, batch: Batch) {
        let channel = batch.channel.clone();
        if self.places.contains_key(&channel) {
            self.handle(&channel, Input::Heard(batch));
        } else {
            // Nobody here follows the lossless lane, but its chat lane may be open.
            for event in deletions(&batch).cloned().collect::<Vec<_>>() {
                self.erase(&channel, event);
            }
        }
    }

    fn complete(&mut self, done: Done) {
        match done {
            Done::Appended(channel, result) => {
                if let Err(error) = &result {
                    self.shared.complain(error);
                }
                self.handle(&channel, Input::Appended(result));
            }
            Done::Read(channel, result) => {
                if let Err(error) = &result {
                    self.shared.complain(error);
                }
                self.handle(&channel, Input::Read(result));
            }
            Done::Renewed(channel, result) => self.handle(&channel, Input::Renewed(result)),
            Done::Probed(result) => {
                self.probing = false;
                self.take_probe(result);
            }
            Done::Answered => {}
        }
    }

    fn probe(&mut self) {
        if std::mem::replace(&mut self.probing, true) {
            return;
        }
        let broker = Arc::clone(&self.broker);
        self.jobs.push(Box::pin(async move {
            let probed = timeout(PROBE_MAX, broker.probe()).await;
            Done::Probed(probed.unwrap_or_else(|_| {
                Err(BrokerError::unavailable("the broker gives no sign of life"))
            }))
        }));
    }

    fn take_probe(&mut self, result: Result<(), BrokerError>) {
        let now = Instant::now();
        match (result, self.cut_off) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                tracing::info!("the broker is reached again");
                self.cut_off = None;
                self.tell_reach(true);
            }
            (Err(_), Some(told)) if now < told + CUT_OFF_TOLD_EVERY => {}
            (Err(error), _) => {
                self.shared.complain(&error);
                self.cut_off = Some(now);
                self.tell_reach(false);
            }
        }
    }

    fn tell_reach(&self, reaches: bool) {
        self.shared.reaches_log.store(reaches, Ordering::Relaxed);
        if let Some(sink) = self.shared.sink.get() {
            sink.reaches_log(reaches);
        }
    }

    fn wake(&mut self) {
        let now = now();
        while let Some((at, channel)) = self.deadlines.first().cloned()
            && at <= now
        {
            self.deadlines.pop_first();
            if let Some(place) = self.places.get_mut(&channel) {
                place.armed = None;
            }
            self.handle(&channel, Input::Tick);
        }
    }

    fn sweep(&mut self) {
        let idle_ms = u64::try_from(CHANNEL_IDLE_MAX.as_millis()).unwrap_or(u64::MAX);
        let now = now();
        let idle = self.places.iter().filter(|(_, place)| {
            place.is_unused() && now.0.saturating_sub(place.used_at.0) >= idle_ms
        });
        for channel in idle.map(|(channel, _)| channel.clone()).collect::<Vec<_>>() {
            self.close(&channel);
        }
    }

    fn close(&mut self, channel: &Channel) {
        let Some(place) = self.places.remove(channel) else {
            return;
        };
        if let Some(at) = place.armed {
            self.deadlines.remove(&(at, channel.clone()));
        }
        if let Some(places) = self.watched.get_mut(&place.partition) {
            *places -= 1;
            if *places == 0 {
                self.watched.remove(&place.partition);
                self.broker.unwatch(place.partition);
            }
        }
    }

    fn erase(&mut self, channel: &Channel, event: Event) {
        let chat = Channel {
            lane: LaneOf::Chat,
            room: channel.room.clone(),
        };
        self.handle(&chat, Input::Erase(event));
    }

    /// Gives a channel's machine an input, and does what it says.
    fn handle(&mut self, channel: &Channel, input: Input) {
        if let Some(place) = self.places.get_mut(channel) {
            place.lane.handle(now(), input);
            self.drain(channel);
        }
    }

    fn drain(&mut self, channel: &Channel) {
        while let Some(place) = self.places.get_mut(channel)
            && let Some(output) = place.lane.poll_output()
        {
            match output {
                Output::Deliver(publication) => {
                    // A snapshot may have had it already.
                    if place.told.is_some_and(|told| told < publication.offset)
                        && let Some(sink) = self.shared.sink.get()
                    {
                        place.told = Some(publication.offset);
                        sink.deliver(channel, &publication);
                    }
                }
                Output::Restarted => {
                    tracing::warn!(%channel, "a channel begins anew: its followers are told");
                    self.shared.counts.restarted.fetch_add(1, Ordering::Relaxed);
                    if place.told.is_some()
                        && let Some(sink) = self.shared.sink.get()
                    {
                        place.told = Some(Offset(0));
                        sink.restarted(channel);
                    }
                }
                Output::Answer { ticket, answer } => {
                    if let Some(waiting) = place.answers.remove(&ticket) {
                        // The sender may have gone; the message has its place all the same.
                        drop(waiting.send(answer));
                    }
                }
                Output::Opened => {}
                Output::Failed(error) => {
                    for waiting in std::mem::take(&mut place.waiting) {
                        waiting.refuse(error.clone());
                    }
                    self.close(channel);
                }
                Output::Erase(event) => self.erase(channel, event),
                asked => self.ask(channel, asked),
            }
        }
        self.serve_waiting(channel);
        self.arm(channel);
    }

    fn arm(&mut self, channel: &Channel) {
        let Some(place) = self.places.get_mut(channel) else {
            return;
        };
        let due = place.lane.poll_timeout(now());
        if due != place.armed {
            if let Some(at) = std::mem::replace(&mut place.armed, due) {
                self.deadlines.remove(&(at, channel.clone()));
            }
            if let Some(at) = due {
                self.deadlines.insert((at, channel.clone()));
            }
        }
    }
}

/// When a time of the wall clock is, on the clock that timers go by.
fn instant(at: Option<UnixMillis>) -> Instant {
    let wait = at.map_or(CHANNEL_IDLE_MAX, |at| {
        Duration::from_millis(at.0.saturating_sub(now().0))
    });
    Instant::now() + wait
}
