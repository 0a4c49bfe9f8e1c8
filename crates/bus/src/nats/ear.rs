//! Hearing: what the servers of NATS repeat of what they have stored, partition by partition.
//!
//! 1. A partition is watched by one subscription, however many rooms it has. It counts from when the servers that lead
//!    the streams know of it.
//! 2. A connection that breaks, a partition that brings more than this node takes in, and a stream that another server
//!    leads from now on: each may mean that something was not heard. The engine is told so for all partitions, once
//!    everything is heard again.
//! 3. What cannot be read is reported, and leaves a gap that the engine sees.
//!
//! The streams' own subjects are never listened to: what is sent there may be refused.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_nats::{Message, Subscriber};
use fanwave_wire::Channel;
use futures_util::StreamExt;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::sleep,
};

use super::{Core, append::told, config::part, entry::Found, log::placed};
use crate::{
    limits::NATS_PLACES_MAX,
    shared::{BrokerError, Partition, Signal},
};

/// All that is heard.
#[derive(Debug)]
pub(super) struct Ear {
    core: Arc<Core>,
    signals: mpsc::Sender<Signal>,
    watched: Arc<Mutex<BTreeMap<Partition, Task>>>,
    /// Each ends with this value.
    _tasks: [Task; 3],
}

/// A task that ends with its handle.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Ear {
    /// Begins to take notice of interruptions, and to erase what is asked for.
    pub(super) fn start(
        core: &Arc<Core>,
        signals: mpsc::Sender<Signal>,
        erasures: mpsc::Receiver<(Channel, u64)>,
    ) -> Self {
        let watched = Arc::<Mutex<BTreeMap<Partition, Task>>>::default();
        let watchman = Watchman {
            core: Arc::clone(core),
            signals: signals.clone(),
            watched: Arc::clone(&watched),
            interrupted: core.log.interrupted(),
        };
        Self {
            core: Arc::clone(core),
            watched,
            _tasks: [
                Task(tokio::spawn(overhear(Arc::clone(core), signals.clone()))),
                Task(tokio::spawn(watchman.run())),
                Task(tokio::spawn(erase(Arc::clone(core), erasures))),
            ],
            signals,
        }
    }

    /// Begins to tell what is appended to the rooms of a partition.
    pub(super) async fn watch(&self, partition: Partition) -> Result<(), BrokerError> {
        if lock(&self.watched).contains_key(&partition) {
            return Ok(());
        }
        let log = &self.core.log;
        let subscriber = log.client.subscribe(log.names.told(partition)).await;
        let subscriber = subscriber.map_err(|error| BrokerError::unavailable(&error))?;
        log.settle().await?;
        // Another call may have done the same meanwhile; its subscription is as good.
        let (core, signals) = (Arc::clone(&self.core), self.signals.clone());
        lock(&self.watched)
            .entry(partition)
            .or_insert_with(|| Task(tokio::spawn(listen(core, signals, subscriber, partition))));
        Ok(())
    }

    /// Ends that.
    pub(super) fn unwatch(&self, partition: Partition) {
        lock(&self.watched).remove(&partition);
    }
}

fn lock(
    watched: &Mutex<BTreeMap<Partition, Task>>,
) -> std::sync::MutexGuard<'_, BTreeMap<Partition, Task>> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes on what is told of a partition.
async fn listen(
    core: Arc<Core>,
    signals: mpsc::Sender<Signal>,
    mut subscriber: Subscriber,
    partition: Partition,
) {
    let mut interruptions = core.log.interruptions();
    let mut newest = HashMap::new();
    while let Some(message) = subscriber.next().await {
        let so_far = core.log.interruptions();
        // What comes after an interruption must not be taken for the continuation of what was before.
        if so_far != interruptions {
            interruptions = so_far;
            newest.clear();
            if signals
                .send(Signal::Resumed(vec![partition]))
                .await
                .is_err()
            {
                return;
            }
        }
        let signal = match heard(&message) {
            None => Signal::Unreadable,
            Some(found) => match told(&found) {
                None => continue,
                Some(batch) => match counts(&core, &mut newest, &batch.channel, &found).await {
                    Ok(false) => continue,
                    Ok(true) => {
                        core.hear(&batch.channel, &found);
                        Signal::Heard(batch.clone())
                    }
                    // It may have been one that is missed now.
                    Err(_) => Signal::Resumed(vec![partition]),
                },
            },
        };
        if signals.send(signal).await.is_err() {
            return;
        }
    }
}

/// Passes on what servers tell about themselves. What the engine has no room for is lost.
async fn overhear(core: Arc<Core>, signals: mpsc::Sender<Signal>) {
    let subscribed = core.log.client.subscribe(core.log.names.hearsay()).await;
    match subscribed {
        Ok(mut subscriber) => {
            while let Some(message) = subscriber.next().await {
                drop(signals.try_send(Signal::Told(message.payload.to_vec())));
            }
        }
        Err(error) => {
            tracing::warn!(%error, "what other servers tell about themselves is not heard");
        }
    }
}

/// Whether an entry that was repeated counts. `newest` are those that did, so that the log is rarely asked.
async fn counts(
    core: &Core,
    newest: &mut HashMap<Channel, u64>,
    channel: &Channel,
    found: &Found,
) -> Result<bool, BrokerError> {
    let Some(before) = found.follows().filter(|_| core.log.may_take_two()) else {
        return Ok(true);
    };
    let counts = match newest.get(channel) {
        Some(known) if *known == before => true,
        Some(_) | None => {
            let successor = core.log.successor(channel, before).await?;
            successor.is_some_and(|successor| successor.place == found.place)
        }
    };
    if counts {
        if newest.len() >= NATS_PLACES_MAX {
            newest.clear();
        }
        newest.insert(channel.clone(), found.place);
    }
    Ok(counts)
}

fn heard(message: &Message) -> Option<Found> {
    let place = message.headers.as_ref()?.get(PLACE)?.as_str();
    placed(place.parse().ok()?, &message.payload).ok()
}

/// Where a repeated message says its place in its stream.
const PLACE: &str = "Nats-Sequence";

/// Notices that something may not have been heard.
struct Watchman {
    core: Arc<Core>,
    signals: mpsc::Sender<Signal>,
    watched: Arc<Mutex<BTreeMap<Partition, Task>>>,
    interrupted: watch::Receiver<u64>,
}

impl Watchman {
    async fn run(mut self) {
        let elections = self.elections().await;
        let mut elections = futures_util::stream::select_all(elections);
        loop {
            tokio::select! {
                changed = self.interrupted.changed() => if changed.is_err() { return },
                // When a server has died that led a stream, its last words may be missing.
                Some(_) = elections.next(), if !elections.is_empty() => self.core.log.interrupt(),
            }
            self.interrupted.mark_unchanged();
            self.until_settled().await;
            let watched: Vec<Partition> = lock(&self.watched).keys().copied().collect();
            if watched.is_empty() {
                continue;
            }
            if self.signals.send(Signal::Resumed(watched)).await.is_err() {
                return;
            }
        }
    }

    /// What NATS says when another server leads one of the streams. Not being allowed to hear it is no reason to end.
    async fn elections(&self) -> Vec<Subscriber> {
        let log = &self.core.log;
        let mut subscribers = Vec::new();
        for stream in [log.names.chat_stream(), log.names.events_stream()] {
            let subject = format!("$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.{stream}");
            match log.client.subscribe(subject).await {
                Ok(subscriber) => subscribers.push(subscriber),
                Err(error) => tracing::warn!(%error, "elections of NATS are not heard"),
            }
        }
        subscribers
    }

    /// Waits until everything is heard again, however long NATS is gone.
    async fn until_settled(&self) {
        while let Err(error) = self.core.log.settle().await {
            tracing::debug!(%error, "NATS is not back yet");
            self.core.log.doubt();
            sleep(SETTLE_AGAIN_AFTER / 2 + part(SETTLE_AGAIN_AFTER / 2)).await;
        }
    }
}

/// After how long a NATS that did not answer is asked again, at most.
const SETTLE_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Erases what is deleted, one after the other: there is no hurry.
async fn erase(core: Arc<Core>, mut erasures: mpsc::Receiver<(Channel, u64)>) {
    while let Some((channel, place)) = erasures.recv().await {
        if let Err(error) = core.log.erase(&channel, place).await {
            tracing::debug!(%error, %channel, "a deleted message could not be erased yet");
        }
    }
}
