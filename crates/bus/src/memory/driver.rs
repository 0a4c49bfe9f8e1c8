//! The task that brings batches to the store, and its answers back; it alone delivers.

use std::sync::Arc;

use fanwave_store::{Appended, Kind, Order, Page, Store, StoreError, limits::READ_MAX};
use fanwave_wire::{Channel, Offset};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{
    Shared,
    channel::{Batch, Outcome},
    now,
    registry::Slot,
};
use crate::{BoxFuture, limits::SWEEP_EVERY};

/// What the driver is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Bring this batch to the store.
    Append { slot: Arc<Slot>, batch: Batch },
    /// Finish what is on its way, then end.
    Stop,
}

/// A batch that the store has answered.
struct Answered {
    slot: Arc<Slot>,
    outcome: Outcome,
}

/// Ends when the engine stops or is dropped.
pub(super) struct Driver {
    store: Store,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    /// One per channel at most.
    appends: FuturesUnordered<BoxFuture<'static, Answered>>,
}

impl Driver {
    pub(super) fn new(
        store: Store,
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            store,
            shared,
            commands,
            appends: FuturesUnordered::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut sweep = interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Append { slot, batch }) => self.append(slot, batch),
                    // No sender gets in from here on; what is in the queue is still done below.
                    Some(Command::Stop) => self.commands.close(),
                    None => break,
                },
                Some(answered) = self.appends.next() => self.complete(answered),
                _ = sweep.tick() => self.shared.registry.sweep(now()),
            }
        }
        while let Some(answered) = self.appends.next().await {
            self.complete(answered);
        }
    }

    fn append(&self, slot: Arc<Slot>, batch: Batch) {
        let store = self.store.clone();
        self.appends.push(Box::pin(async move {
            let outcome = append(&store, slot.channel(), batch).await;
            Answered { slot, outcome }
        }));
    }

    fn complete(&self, answered: Answered) {
        let Answered { slot, outcome } = answered;
        let effects = slot.with(|open| open.complete(now(), outcome));
        if let Some(sink) = self.shared.sink.get() {
            for publication in &effects.deliveries {
                sink.deliver(slot.channel(), publication);
            }
        }
        if let Some(batch) = effects.batch {
            self.append(slot, batch);
        }
    }
}

/// Appends a batch; where the log turns out to be ahead of this engine, reads what the engine does not know of.
async fn append(store: &Store, channel: &Channel, batch: Batch) -> Outcome {
    let known = batch
        .first()
        .map_or(0, |publication| publication.offset.0 - 1);
    match store.append(channel, batch).await {
        Ok(Appended::Stored) => Outcome::Stored,
        Ok(Appended::Held(held)) => Outcome::Held(held),
        Err(StoreError::Moved) => {
            tracing::error!(%channel, known, "the channel's log is ahead of the engine, which catches up");
            let (after, through) = (Offset(known), Offset(u64::MAX));
            let page = Page {
                after,
                through,
                limit: READ_MAX,
                order: Order::OldestFirst,
                kind: Kind::Everything,
            };
            store
                .read(channel, page)
                .await
                .map_or_else(Outcome::Failed, Outcome::Behind)
        }
        Err(error) => Outcome::Failed(error),
    }
}
