//! The in-process engine: one process is the whole platform, and its log is the store.
//!
//! 1. A publish finds its channel open, or opens it: where it stands and its newest messages are read from the store.
//! 2. Under a short lock, the channel's sequencer takes the message and hands out a batch if none is out.
//! 3. One task, the driver, brings batches to the store, and its answers back to the sequencers. It alone delivers,
//!    so a channel's deliveries are in order without any lock being held.
//! 4. The publish is answered when its batch is durable.
//!
//! No lock is held across an await. Nothing is delivered that is not durable, and nothing is kept that has no maximum
//! in [`limits`](crate::limits).

mod channel;
mod driver;
mod registry;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use fanwave_store::{Kind, Order, Page, Store};
use fanwave_wire::{Channel, Draft, Offset, Publication, limits::HISTORY_PAGE_MAX};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use self::{
    channel::{Batch, OpenChannel},
    driver::{Command, Driver},
    registry::{Registry, Slot},
};
use crate::{
    Ack, BoxFuture, Engine, EngineError, History, HistoryQuery, Sink, Snapshot,
    clock::now,
    limits::{APPENDS_MAX, CHANNELS_MAX, EVENTS_PAGE_MAX},
    window,
};

/// The in-process engine over a log store.
#[derive(Debug)]
pub struct MemoryEngine {
    store: Store,
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    driver: Mutex<Option<JoinHandle<()>>>,
}

/// What the engine and its driver both see.
struct Shared {
    registry: Registry,
    sink: OnceLock<Arc<dyn Sink>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

impl MemoryEngine {
    /// Starts an engine whose log is `store`. Needs a tokio runtime.
    ///
    /// There must be one engine to a store. The caller closes the store after it has stopped the engine.
    #[must_use]
    pub fn open(store: Store) -> Self {
        Self::with_channels_max(store, CHANNELS_MAX)
    }

    fn with_channels_max(store: Store, channels_max: usize) -> Self {
        let (sender, commands) = mpsc::channel(APPENDS_MAX);
        let shared = Arc::new(Shared {
            registry: Registry::new(channels_max),
            sink: OnceLock::new(),
        });
        let driver = Driver::new(store.clone(), Arc::clone(&shared), commands);
        let driver = Mutex::new(Some(tokio::spawn(driver.run())));
        Self {
            store,
            shared,
            commands: sender,
            driver,
        }
    }

    /// Refuses what comes from now on, and returns once all that was taken is durable, delivered and answered.
    pub async fn stop(&self) {
        self.shared.registry.close();
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

    /// Finds a channel open, or opens it.
    async fn channel(&self, channel: &Channel) -> Result<Arc<Slot>, EngineError> {
        let slot = self.shared.registry.slot(channel, now())?;
        slot.open(&self.store).await.map_err(unavailable)?;
        Ok(slot)
    }

    async fn publish_to(&self, channel: &Channel, draft: Draft) -> Result<Ack, EngineError> {
        let slot = self.channel(channel).await?;
        let (answer, answered) = oneshot::channel();
        let batch = slot.with(|open| open.submit(now(), draft, answer));
        if let Some(batch) = batch {
            self.dispatch(&slot, batch);
        }
        // The slot is held until the answer is there: a channel in use is not closed.
        let answer = answered.await;
        drop(slot);
        answer.unwrap_or(Err(EngineError::Stopping))
    }

    /// Passes a batch to the driver, or gives it back as failed when the driver has ended.
    fn dispatch(&self, slot: &Arc<Slot>, batch: Batch) {
        let command = Command::Append {
            slot: Arc::clone(slot),
            batch,
        };
        if self.commands.try_send(command).is_err() {
            // There is room for a batch of every channel, so this is the end of the engine.
            slot.with(|open| open.abandon(now(), &EngineError::Stopping));
        }
    }

    async fn read_history(
        &self,
        channel: &Channel,
        query: HistoryQuery,
    ) -> Result<History, EngineError> {
        let slot = self.channel(channel).await?;
        let query = HistoryQuery {
            limit: query.limit.min(HISTORY_PAGE_MAX),
            ..query
        };
        let (standing, remembered) = slot.with(|open| (open.standing(), open.remembered(query)));
        let publications = match remembered {
            Some(publications) => publications,
            None => self.read_page(channel, query, standing.1).await?,
        };
        Ok(History {
            epoch: standing.0,
            head: standing.1,
            publications,
        })
    }

    async fn read_events(&self, channel: &Channel, after: Offset) -> Result<History, EngineError> {
        let slot = self.channel(channel).await?;
        let (epoch, head) = slot.with(|open| open.standing());
        let page = Page {
            after,
            through: head,
            limit: EVENTS_PAGE_MAX,
            order: Order::OldestFirst,
            kind: Kind::Events,
        };
        let publications = self.store.read(channel, page).await.map_err(unavailable)?;
        Ok(History {
            epoch,
            head,
            publications,
        })
    }

    /// Reads from the store what the window does not reach; never beyond `head`, which is the newest that was
    /// delivered.
    async fn read_page(
        &self,
        channel: &Channel,
        query: HistoryQuery,
        head: Offset,
    ) -> Result<Vec<Arc<Publication>>, EngineError> {
        let page = window::page(query, head);
        self.store.read(channel, page).await.map_err(unavailable)
    }
}

impl Engine for MemoryEngine {
    fn attach(&self, sink: Arc<dyn Sink>) {
        if self.shared.sink.set(sink).is_err() {
            tracing::error!("a second sink was attached to the engine; deliveries go to the first");
        }
    }

    fn subscribe<'a>(
        &'a self,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<Snapshot, EngineError>> {
        Box::pin(async move {
            let slot = self.channel(channel).await?;
            Ok(slot.with(OpenChannel::subscribe))
        })
    }

    fn unsubscribe<'a>(&'a self, channel: &'a Channel) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            self.shared.registry.unsubscribe(channel);
            Ok(())
        })
    }

    fn publish<'a>(
        &'a self,
        channel: &'a Channel,
        draft: Draft,
    ) -> BoxFuture<'a, Result<Ack, EngineError>> {
        Box::pin(self.publish_to(channel, draft))
    }

    fn events<'a>(
        &'a self,
        channel: &'a Channel,
        after: Offset,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        Box::pin(self.read_events(channel, after))
    }

    fn history<'a>(
        &'a self,
        channel: &'a Channel,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        Box::pin(self.read_history(channel, query))
    }
}

/// What a failing store means to a sender.
fn unavailable(error: fanwave_store::StoreError) -> EngineError {
    match error {
        fanwave_store::StoreError::Busy => EngineError::Busy,
        error => EngineError::Unavailable {
            reason: error.to_string(),
        },
    }
}
