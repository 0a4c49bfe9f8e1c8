//! The engine of many servers: each holds its rooms' newest messages, and a broker holds what is true for all.
//!
//! 1. A channel is opened by whoever first needs it: its partition is watched at the [`Broker`], and its window is
//!    read. From then on every server hears what any of them appends, and answers its fans from memory.
//! 2. A publish gathers with what else the server has to say in the channel, and crosses the broker once a tick.
//! 3. What is missing is noticed by its offset and read back once, however many fans wait for it. After an interruption
//!    every open channel compares its window with the log, not all at once.
//! 4. What cannot be read back is not made up: whoever follows is told to begin anew.
//!
//! What is decided is decided by pure machines (`lane`, and in it `follower` and `outbox`); one task, the driver, obeys
//! them. Adapters implement [`Broker`] and nothing else. Nothing is kept that has no maximum in
//! [`limits`](crate::limits).

mod broker;
mod driver;
#[cfg(test)]
pub(crate) mod fake;
mod follower;
mod lane;
mod outbox;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use fanwave_wire::{
    Channel, Draft, Epoch, Offset, Publication, UnixMillis, envelope::Hearsay,
    limits::HISTORY_PAGE_MAX,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

pub use self::broker::{Appended, Broker, BrokerError, Extract, Partition, Placed, Signal};
use self::driver::{Command, Driver};
use crate::{
    Ack, BoxFuture, Engine, EngineError, History, HistoryQuery, Sink, Snapshot,
    clock::now,
    limits::{COMMANDS_MAX, COMPLAIN_EVERY, TICK_DEFAULT},
};

/// How a server speaks with its broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Shortest time between two appends of one server to one channel: what is said meanwhile crosses together.
    pub tick: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tick: TICK_DEFAULT }
    }
}

/// What has happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Appends that were begun; each carries what a channel had to say in a tick.
    pub appends: u64,
    /// Messages in them.
    pub appended: u64,
    /// Reads of a window or of a gap, which all fans of a channel share.
    pub reads: u64,
    /// Interruptions after which windows were compared.
    pub resumed: u64,
    /// Channels that had to begin anew.
    pub restarted: u64,
    /// What was heard or read and written by a release that this one does not understand.
    pub unreadable: u64,
}

#[derive(Debug, Default)]
struct Counts {
    appends: AtomicU64,
    appended: AtomicU64,
    reads: AtomicU64,
    resumed: AtomicU64,
    restarted: AtomicU64,
    unreadable: AtomicU64,
}

/// What the engine and its driver both see.
struct Shared {
    settings: Settings,
    sink: OnceLock<Arc<dyn Sink>>,
    counts: Counts,
    /// Whether the broker gave a sign of life when it was last asked.
    reaches_log: AtomicBool,
    /// When the operator was told last of a failing broker.
    complained: Mutex<Option<std::time::Instant>>,
}

impl Shared {
    /// Tells the operator of a failing broker, once in a while and not for every message.
    fn complain(&self, error: &BrokerError) {
        if matches!(error, BrokerError::Unreadable { .. }) {
            self.counts.unreadable.fetch_add(1, Ordering::Relaxed);
        }
        let mut complained = self
            .complained
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
            *complained = Some(std::time::Instant::now());
            drop(complained);
            tracing::error!(%error, "the broker fails");
        }
    }
}

/// The engine of many servers, over one broker.
pub struct SharedEngine {
    shared: Arc<Shared>,
    /// For what no channel's order depends on.
    broker: Arc<dyn Broker>,
    commands: mpsc::Sender<Command>,
    driver: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for SharedEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedEngine").finish_non_exhaustive()
    }
}

impl SharedEngine {
    /// Starts an engine over a broker, which says on `signals` what it has to say unasked. Needs a tokio runtime.
    #[must_use]
    pub fn open<B: Broker>(
        broker: Arc<B>,
        signals: mpsc::Receiver<Signal>,
        settings: Settings,
    ) -> Self {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let shared = Arc::new(Shared {
            settings,
            sink: OnceLock::new(),
            counts: Counts::default(),
            reaches_log: AtomicBool::new(true),
            complained: Mutex::new(None),
        });
        let driver = Driver::new(Arc::clone(&broker), Arc::clone(&shared), receiver, signals);
        Self {
            shared,
            broker,
            commands,
            driver: Mutex::new(Some(tokio::spawn(driver.run()))),
        }
    }

    /// Refuses what comes from now on, and returns once all that was taken is durable and answered, or refused.
    pub async fn stop(&self) {
        let driver = self
            .driver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(driver) = driver else { return };
        // An error here means that the driver has ended already.
        drop(self.commands.send(Command::Stop).await);
        if let Err(error) = driver.await {
            tracing::error!(%error, "the engine's driver did not end by itself");
        }
    }

    /// What has happened so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counts = &self.shared.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Stats {
            appends: read(&counts.appends),
            appended: read(&counts.appended),
            reads: read(&counts.reads),
            resumed: read(&counts.resumed),
            restarted: read(&counts.restarted),
            unreadable: read(&counts.unreadable),
        }
    }

    /// Whether the broker gave a sign of life when it was last asked, which is every second.
    #[must_use]
    pub fn reaches_log(&self) -> bool {
        self.shared.reaches_log.load(Ordering::Relaxed)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, EngineError>>) -> Command,
    ) -> Result<T, EngineError> {
        let (answer, answered) = oneshot::channel();
        self.commands
            .try_send(command(answer))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => EngineError::Busy,
                mpsc::error::TrySendError::Closed(_) => EngineError::Stopping,
            })?;
        answered.await.unwrap_or(Err(EngineError::Stopping))
    }
}

impl Engine for SharedEngine {
    fn attach(&self, sink: Arc<dyn Sink>) {
        if self.shared.sink.set(sink).is_err() {
            tracing::error!("a second sink was attached to the engine; deliveries go to the first");
        }
    }

    fn subscribe<'a>(
        &'a self,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<Snapshot, EngineError>> {
        Box::pin(self.ask(|answer| Command::Subscribe(channel.clone(), answer)))
    }

    fn unsubscribe<'a>(&'a self, channel: &'a Channel) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let command = Command::Unsubscribe(channel.clone());
            // A driver that has ended delivers nothing.
            drop(self.commands.send(command).await);
            Ok(())
        })
    }

    fn publish<'a>(
        &'a self,
        channel: &'a Channel,
        draft: Draft,
    ) -> BoxFuture<'a, Result<Ack, EngineError>> {
        Box::pin(self.ask(|answer| Command::Publish(channel.clone(), Box::new(draft), answer)))
    }

    fn events<'a>(
        &'a self,
        channel: &'a Channel,
        after: Offset,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        Box::pin(self.ask(move |answer| Command::Events(channel.clone(), after, answer)))
    }

    fn history<'a>(
        &'a self,
        channel: &'a Channel,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        let query = HistoryQuery {
            limit: query.limit.min(HISTORY_PAGE_MAX),
            ..query
        };
        Box::pin(self.ask(move |answer| Command::History(channel.clone(), query, answer)))
    }

    fn tell<'a>(&'a self, hearsay: &'a Hearsay) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.broker.tell(&hearsay.encode()).await {
                self.shared.complain(&error);
            }
        })
    }

    fn has_others(&self) -> bool {
        true
    }
}

/// Where a channel stood on this node when it was asked.
struct Standpoint {
    epoch: Epoch,
    head: Offset,
}

impl Standpoint {
    fn with(self, publications: Vec<Arc<Publication>>) -> History {
        History {
            epoch: self.epoch,
            head: self.head,
            publications,
        }
    }
}

/// The time `span` after `at`.
fn later(at: UnixMillis, span: Duration) -> UnixMillis {
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    UnixMillis(at.0.saturating_add(span))
}
