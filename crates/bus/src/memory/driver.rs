//! The task that brings batches to the store, and its answers back; it alone delivers.

use std::sync::Arc;

use fanwave_store::{Appended, Kind, Order, Page, Store, StoreError, limits::READ_MAX};
use fanwave_wire::{Channel, Event, Lane, Offset};
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
    erasure: Option<Erasure>,
    outcome: Outcome,
}

/// What the window of a room's chat lane is to forget.
struct Erasure {
    chat: Arc<Slot>,
    events: Vec<Event>,
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
        let shared = Arc::clone(&self.shared);
        self.appends.push(Box::pin(async move {
            let (outcome, erasure) = append_and_erase(&shared, &store, slot.channel(), batch)
                .await
                .unwrap_or_else(|error| (Outcome::Failed(error), None));
            Answered {
                slot,
                erasure,
                outcome,
            }
        }));
    }

    fn complete(&self, answered: Answered) {
        let Answered {
            slot,
            erasure,
            outcome,
        } = answered;
        // Before the sender is told: from the acknowledgement on, nobody reads what was deleted.
        if let Some(Erasure { chat, events }) = erasure {
            chat.with(|open| {
                for event in &events {
                    open.erase(event);
                }
            });
        }
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

/// Appends a batch, and says what it has deleted from the room's chat lane.
///
/// That lane is opened before the deletion is written: a window that is read from the log while the deletion is being
/// written could otherwise hold what was deleted, and nobody would tell it.
async fn append_and_erase(
    shared: &Shared,
    store: &Store,
    channel: &Channel,
    batch: Batch,
) -> Result<(Outcome, Option<Erasure>), StoreError> {
    let events = deletions(channel, &batch);
    let erasure = erasure(shared, store, channel, events).await?;
    match append(store, channel, batch).await {
        Outcome::Stored => Ok((Outcome::Stored, erasure)),
        Outcome::Behind(newer, head) => {
            let events = deletions(channel, &newer);
            let erasure = self::erasure(shared, store, channel, events).await?;
            Ok((Outcome::Behind(newer, head), erasure))
        }
        outcome => Ok((outcome, None)),
    }
}

fn deletions(channel: &Channel, batch: &Batch) -> Vec<Event> {
    if channel.lane != Lane::Room {
        return Vec::new();
    }
    let events = batch
        .iter()
        .filter_map(|publication| publication.draft.body.as_event());
    events
        .filter(|event| matches!(event, Event::Deleted { .. } | Event::Cleared { .. }))
        .cloned()
        .collect()
}

async fn erasure(
    shared: &Shared,
    store: &Store,
    channel: &Channel,
    events: Vec<Event>,
) -> Result<Option<Erasure>, StoreError> {
    if events.is_empty() {
        return Ok(None);
    }
    let chat = Channel {
        lane: Lane::Chat,
        room: channel.room.clone(),
    };
    let chat = shared
        .registry
        .slot(&chat, now())
        .map_err(|_| StoreError::Busy)?;
    chat.open(store).await?;
    Ok(Some(Erasure { chat, events }))
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
            let head = match store.standing(channel).await {
                Ok(standing) => standing.head,
                Err(error) => return Outcome::Failed(error),
            };
            let (after, through) = (Offset(known), head);
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
                .map_or_else(Outcome::Failed, |newer| Outcome::Behind(newer, head))
        }
        Err(error) => Outcome::Failed(error),
    }
}
