//! Writes what is said on the bus down in an archive, off the hot path.
//!
//! 1. Of all servers with one archive, one records: whoever has its [`Lease`]. When that server is gone, another takes over
//!    where the archive stands. Should two of them record for a moment, everything is there once all the same.
//! 2. It follows the lanes of its rooms on an engine of its own, as one more server: fans and their engine do not notice.
//! 3. What a `Scribe` decides for each lane is done here: at most [`RECORD_MESSAGES_MAX`] messages at a time are read or recorded,
//!    of as many lanes as have some, which the archive writes together. Nothing else is kept: while the archive is away, messages wait in the broker's log.
//! 4. What is under way goes on by itself while this server asks for its lease: an archive lets so many calls in at once, and
//!    the one for the lease waits behind the others.
//! 5. What the broker has let go of before it was recorded is counted and reported.
//!
//! The root starts it. It never publishes, and never asks the gateway's engine for anything.

mod ear;
mod jobs;
mod scribe;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use fanwave_store::{Archive, Lease, Standing, StoreError};
use fanwave_wire::{Channel, Offset, UnixMillis};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep},
};

use self::{
    ear::Ear,
    jobs::Jobs,
    scribe::{Failed, Input, Output, Scribe, Unrecorded},
};
use crate::{
    BoxFuture, Engine, EngineError, HistoryQuery,
    clock::now,
    limits::{RECORD_LEASE_EVERY, RECORD_MESSAGES_MAX, RECORD_READS_MAX},
};

/// Opens an engine over the servers' broker, for the recorder alone.
pub type Open = Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Engine>, String>> + Send + Sync>;

/// What has happened so far on this server, and how it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Whether this is the server that records.
    pub leads: bool,
    /// Messages that were handed to the archive, and are there.
    pub recorded: u64,
    /// Messages that are known to be there and are not recorded.
    pub behind: u64,
    /// For how long the oldest of them has been there.
    pub lag: Duration,
    /// Offsets that the broker had let go of before they were recorded. Unused ones may be among them.
    pub holes: u64,
    /// Messages that the archive refuses to take.
    pub refused: u64,
    /// Calls of the archive or of the engine that failed.
    pub failures: u64,
}

/// Records until it is stopped, or dropped.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    leads: AtomicBool,
    recorded: AtomicU64,
    holes: AtomicU64,
    refused: AtomicU64,
    failures: AtomicU64,
    /// Whether the last call of the archive failed.
    fails: AtomicBool,
    /// Messages behind, and since when.
    behind: Mutex<(u64, Option<UnixMillis>)>,
}

/// What can be asked of a recorder that runs.
#[derive(Debug, Clone)]
pub struct Watch(Arc<Shared>);

impl Watch {
    /// What has happened so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let shared = &self.0;
        let behind = shared.behind.lock();
        let (behind, since) = *behind.unwrap_or_else(PoisonError::into_inner);
        let lag = since.map_or(0, |since| now().0.saturating_sub(since.0));
        Stats {
            leads: shared.leads.load(Ordering::Relaxed),
            recorded: read(&shared.recorded),
            behind,
            lag: Duration::from_millis(lag),
            holes: read(&shared.holes),
            refused: read(&shared.refused),
            failures: read(&shared.failures),
        }
    }

    /// Whether the archive was reached when it was last needed.
    #[must_use]
    pub fn is_well(&self) -> bool {
        !self.0.fails.load(Ordering::Relaxed)
    }
}

impl Recorder {
    /// Starts to record these channels in an archive. Needs a tokio runtime.
    #[must_use]
    pub fn start(archive: Archive, open: Open, channels: Vec<Channel>) -> Self {
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = watch::channel(false);
        let worker = Worker {
            archive,
            open,
            channels,
            shared: Arc::clone(&shared),
            stopped,
        };
        Self {
            shared,
            stop,
            task: tokio::spawn(worker.run()),
        }
    }

    /// Who is asked how it is.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.shared))
    }

    /// Ends when what is being recorded is recorded. What comes later is recorded by another server, or by this one when it
    /// starts again.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the recorder did not end by itself");
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Counts a failure, and tells the operator when things turn bad.
    fn failed(&self, what: &'static str, error: &dyn std::fmt::Display) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        if !self.fails.swap(true, Ordering::Relaxed) {
            tracing::error!(what, %error, "the chat log is not recorded; it is tried again, and then goes on where it stopped");
        }
    }

    fn succeeded(&self) {
        if self.fails.swap(false, Ordering::Relaxed) {
            tracing::info!("the chat log is recorded again");
        }
    }

    fn set_behind(&self, behind: u64, since: Option<UnixMillis>) {
        *self.behind.lock().unwrap_or_else(PoisonError::into_inner) = (behind, since);
    }
}

/// What has happened to a lane, and the room that its page has.
type Happened = (usize, Input, Option<OwnedSemaphorePermit>);

/// The task.
struct Worker {
    archive: Archive,
    open: Open,
    channels: Vec<Channel>,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
}

impl Worker {
    async fn run(mut self) {
        while !*self.stopped.borrow() {
            if let Some((lease, engine)) = self.begin().await {
                self.shared.leads.store(true, Ordering::Relaxed);
                tracing::info!("this server records the chat log");
                self.lead(lease, engine).await;
                self.shared.leads.store(false, Ordering::Relaxed);
                self.shared.set_behind(0, None);
            }
            tokio::select! {
                _ = self.stopped.changed() => {}
                () = sleep(RECORD_LEASE_EVERY) => {}
            }
        }
    }

    /// The right to record, and an engine to do it by; `None` while another server does, or it cannot be done.
    async fn begin(&self) -> Option<(Lease, Arc<dyn Engine>)> {
        let lease = match self.archive.lease().await {
            Ok(Some(lease)) => lease,
            Ok(None) => {
                // Another server does.
                self.shared.succeeded();
                return None;
            }
            Err(error) => {
                self.shared.failed("the right to record", &error);
                return None;
            }
        };
        match (self.open)().await {
            Ok(engine) => {
                self.shared.succeeded();
                Some((lease, engine))
            }
            Err(error) => {
                self.shared.failed("the broker", &error);
                None
            }
        }
    }

    /// Records until another server does, or it is time to stop.
    async fn lead(&mut self, lease: Lease, engine: Arc<dyn Engine>) {
        let ear = Arc::new(Ear::default());
        engine.attach(Arc::<Ear>::clone(&ear));
        let hands = Hands {
            archive: self.archive.clone(),
            engine,
            shared: Arc::clone(&self.shared),
            room: Arc::new(Semaphore::new(RECORD_MESSAGES_MAX)),
            reads: Arc::new(Semaphore::new(RECORD_READS_MAX)),
        };
        let mut lease = Some(lease);
        let mut jobs = Jobs::default();
        let mut scribes: Vec<Scribe> = self.channels.iter().map(|_| Scribe::open()).collect();
        let mut pages: Vec<Option<OwnedSemaphorePermit>> = scribes.iter().map(|_| None).collect();
        for (index, scribe) in scribes.iter_mut().enumerate() {
            hands.obey(&self.channels[index], index, scribe, &mut jobs);
        }
        let mut ticks = interval(RECORD_LEASE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = scribes.iter().filter_map(Scribe::poll_timeout).min();
            let wait = due.map_or(RECORD_LEASE_EVERY, |due| {
                Duration::from_millis(due.0.saturating_sub(now().0))
            });
            let inputs: Vec<Happened> = tokio::select! {
                _ = self.stopped.changed() => break,
                () = ear.woken() => self.heard(&ear),
                Some(done) = jobs.next() => vec![done],
                () = sleep(wait), if due.is_some() => tick(&scribes),
                _ = ticks.tick() => {
                    if !self.keep(&mut lease).await {
                        return;
                    }
                    Vec::new()
                }
            };
            for (index, input, room) in inputs {
                let scribe = &mut scribes[index];
                scribe.handle(now(), input);
                pages[index] = pages[index].take().or(room).filter(|_| scribe.keeps_page());
                hands.obey(&self.channels[index], index, scribe, &mut jobs);
            }
            let behind = scribes.iter().map(Scribe::behind).sum();
            let since = scribes.iter().filter_map(Scribe::behind_since).min();
            self.shared.set_behind(behind, since);
        }
        // What is with the archive comes to its end.
        while jobs.next().await.is_some() {}
    }

    /// Whether this server still records. While nobody can be asked it does: then nothing can be recorded either.
    async fn keep(&self, lease: &mut Option<Lease>) -> bool {
        if let Some(held) = lease
            && held.is_held().await
        {
            return true;
        }
        *lease = None;
        match self.archive.lease().await {
            Ok(Some(again)) => {
                *lease = Some(again);
                self.shared.succeeded();
                true
            }
            Ok(None) => {
                tracing::info!("another server records the chat log");
                false
            }
            Err(error) => {
                self.shared.failed("the right to record", &error);
                true
            }
        }
    }

    fn heard(&self, ear: &Ear) -> Vec<Happened> {
        let mut inputs = Vec::new();
        for (channel, news) in ear.take() {
            let Some(index) = self.channels.iter().position(|known| *known == channel) else {
                continue;
            };
            if news.restarted {
                inputs.push((index, Input::Restarted, None));
            }
            if let Some(heard) = news.heard {
                inputs.push((index, Input::Delivered(heard), None));
            }
        }
        inputs
    }
}

/// Those whose time has come.
fn tick(scribes: &[Scribe]) -> Vec<Happened> {
    let now = now();
    let due = scribes
        .iter()
        .enumerate()
        .filter(|(_, scribe)| scribe.poll_timeout().is_some_and(|due| due <= now));
    due.map(|(index, _)| (index, Input::Tick, None)).collect()
}

/// What does what the machines say.
struct Hands {
    archive: Archive,
    engine: Arc<dyn Engine>,
    shared: Arc<Shared>,
    /// For as many messages as may be kept at once.
    room: Arc<Semaphore>,
    reads: Arc<Semaphore>,
}

impl Hands {
    fn obey(
        &self,
        channel: &Channel,
        index: usize,
        scribe: &mut Scribe,
        jobs: &mut Jobs<Happened>,
    ) {
        while let Some(output) = scribe.poll_output() {
            match output {
                Output::Lost(from, through) => {
                    let count = through.0 - from.0 + 1;
                    self.shared.holes.fetch_add(count, Ordering::Relaxed);
                    tracing::error!(
                        %channel, from = from.0, through = through.0,
                        "the broker has let go of these offsets before they were recorded: the chat log has a hole"
                    );
                }
                Output::Unwritable(offset) => {
                    self.shared.refused.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%channel, offset = offset.0, "the chat log's database does not take this message: it is left out");
                }
                asked => {
                    let hand = Hand {
                        archive: self.archive.clone(),
                        engine: Arc::clone(&self.engine),
                        shared: Arc::clone(&self.shared),
                        channel: channel.clone(),
                    };
                    let (room, reads) = (Arc::clone(&self.room), Arc::clone(&self.reads));
                    jobs.begin(async move {
                        let room = match &asked {
                            Output::Read(_, count) => {
                                let count = u32::try_from(*count).unwrap_or(u32::MAX);
                                // It is never closed, and no page is larger than it.
                                room.acquire_many_owned(count).await.ok()
                            }
                            _ => None,
                        };
                        let read = match &asked {
                            // Its page has its room already.
                            Output::Record(..) => None,
                            _ => reads.acquire().await.ok(),
                        };
                        let input = hand.done(asked).await;
                        drop(read);
                        (index, input, room)
                    });
                }
            }
        }
    }
}

/// What does one thing.
struct Hand {
    archive: Archive,
    engine: Arc<dyn Engine>,
    shared: Arc<Shared>,
    channel: Channel,
}

impl Hand {
    async fn done(&self, asked: Output) -> Input {
        match asked {
            Output::Ask => Input::Reached(self.stored(self.archive.reached(&self.channel).await)),
            Output::Subscribe => {
                let subscribed = self.engine.subscribe(&self.channel).await;
                let standing = subscribed.map(|snapshot| Standing {
                    epoch: snapshot.epoch,
                    head: snapshot.head,
                });
                Input::Subscribed(self.heard(standing))
            }
            Output::Read(after, count) => {
                let page = self.history(after, count).await;
                Input::Read(self.heard(page))
            }
            Output::FindOldest => {
                let oldest = self.history(Offset(0), 1).await;
                let oldest = oldest.map(|page| page.publications.first().map(|one| one.offset));
                Input::Oldest(self.heard(oldest))
            }
            Output::Record(epoch, publications) => {
                let count = publications.len() as u64;
                let recorded = self
                    .archive
                    .record(&self.channel, &epoch, publications)
                    .await;
                let refused = matches!(
                    recorded,
                    Err(StoreError::Refused(_) | StoreError::TooLarge { .. })
                );
                Input::Recorded(match self.stored(recorded) {
                    Ok(()) => {
                        self.shared.recorded.fetch_add(count, Ordering::Relaxed);
                        Ok(())
                    }
                    Err(Failed) if refused => Err(Unrecorded::Refused),
                    Err(Failed) => Err(Unrecorded::Failed),
                })
            }
            // These are told, and not asked.
            Output::Lost(..) | Output::Unwritable(_) => Input::Tick,
        }
    }

    async fn history(&self, after: Offset, limit: usize) -> Result<crate::History, EngineError> {
        let query = HistoryQuery {
            since: Some(after),
            limit,
            reverse: false,
        };
        self.engine.history(&self.channel, query).await
    }

    fn stored<T>(&self, result: Result<T, StoreError>) -> Result<T, Failed> {
        match result {
            Ok(value) => {
                self.shared.succeeded();
                Ok(value)
            }
            Err(error) => {
                self.shared.failed("the archive", &error);
                Err(Failed)
            }
        }
    }

    /// The engine tells for itself when its broker is away.
    fn heard<T>(&self, result: Result<T, EngineError>) -> Result<T, Failed> {
        result.map_err(|error| {
            self.shared.failures.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%error, channel = %self.channel, "the recorder could not read");
            Failed
        })
    }
}
