//! The broker of Apache Kafka, 3.7 or newer, in `KRaft` mode.
//!
//! * All is in one topic, whose partitions are the shares of the rooms: a room with all its lanes is in one of them, and
//!   one record of Kafka is one append. Kafka gives every record its place, and so all servers read the same log.
//! * What is true is the `fold` of a partition's log, from its first record on: who has which offset, what is a copy, what
//!   is deleted, which epoch it is. A server writes what its fans say without knowing what comes before it, and answers
//!   when it has read it back with its places. Nobody has to win a race.
//! * A server reads the partitions in which it has a room, without consumer groups: Kafka keeps nothing about it, and
//!   two connections for each of them are all it costs, however many rooms there are.
//! * Where the log has lost its end (an unclean election, a topic made anew), whoever has read the end notices it, and
//!   writes an entry that ends all epochs of the partition.
//!
//! * A second topic, which Kafka keeps short, holds snapshots of these folds, so that a server that starts need not read
//!   everything there has been. It may be missing, and may be lost.
//! * Over a third one servers tell about themselves. It may be missing: then they do not know of each other.
//!
//! The log is what everything is computed from, so nothing of it may go away: the topic needs `retention.ms=-1`,
//! `retention.bytes=-1` and `cleanup.policy=delete`. A server that finds the beginning gone uses the partition no more and
//! says so, because it cannot know what is true.
//!
//! What is written is acknowledged with `acks=all`: by the leader and all replicas that are in step. With
//! `min.insync.replicas=2` of three these are two machines at least; Kafka leaves it to the system when it reaches a disk.

mod bytes;
mod calls;
mod commands;
mod config;
mod entry;
mod fold;
mod hearsay;
mod shelf;
mod snapshot;
mod tail;
#[cfg(test)]
mod tests;
mod view;
mod wires;

use std::{
    collections::{BTreeMap, btree_map::Entry as Slot},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fanwave_store::{Page, Standing};
use fanwave_wire::{Channel, Epoch, RoomId, envelope::Record};
use tokio::{sync::mpsc, time::timeout};

pub use self::commands::KafkaCommands;
pub use self::config::{Address, AddressError, KafkaConfig, Login, Mechanism, Topic, TopicError};
use self::{
    entry::Entry,
    hearsay::Hearsay,
    shelf::Shelf,
    tail::Tail,
    wires::{Trouble, Wire, Wires},
};
use crate::{
    BoxFuture,
    limits::{BROKER_CALL_MAX, SIGNALS_MAX},
    shared::{Appended, Broker, BrokerError, Extract, Partition, Settings, SharedEngine, Signal},
};

/// The broker; see the module.
#[derive(Debug)]
pub struct KafkaBroker {
    /// For waiting for what comes next.
    listening: Arc<Wires>,
    /// For everything else.
    speaking: Arc<Wires>,
    partitions: u16,
    snapshot_every: u32,
    hearsay: Hearsay,
    signals: mpsc::Sender<Signal>,
    /// The partitions that are read: at most all.
    tails: Mutex<BTreeMap<Partition, Arc<Tail>>>,
}

impl KafkaBroker {
    /// Connects when it is first used. Needs a tokio runtime.
    #[must_use]
    pub fn open(config: KafkaConfig) -> (Arc<Self>, mpsc::Receiver<Signal>) {
        let (signals, receiver) = mpsc::channel(SIGNALS_MAX);
        let listening = Arc::new(Wires::plain(config.clone()));
        let broker = Self {
            partitions: config.partitions.max(1),
            snapshot_every: config.snapshot_every,
            hearsay: Hearsay::start(&listening, signals.clone()),
            listening,
            speaking: Arc::new(Wires::searching(config)),
            signals,
            tails: Mutex::default(),
        };
        (Arc::new(broker), receiver)
    }

    /// An engine over it.
    #[must_use]
    pub fn engine(config: KafkaConfig, settings: Settings) -> SharedEngine {
        let (broker, signals) = Self::open(config);
        SharedEngine::open(broker, signals, settings)
    }

    /// Asks whether Kafka can be used at all: whoever starts a server wants to know at once.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses, or its topic is missing or has another number of partitions.
    pub async fn check(&self) -> Result<(), BrokerError> {
        self.within(self.speaking.check()).await
    }

    /// Ends a call in time.
    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, BrokerError>> + Send,
    ) -> Result<T, BrokerError> {
        match timeout(BROKER_CALL_MAX, call).await {
            Ok(result) => result,
            Err(_) => Err(BrokerError::unavailable("Kafka does not answer in time")),
        }
    }

    /// The partition that a room is in, read from now on.
    fn tail(&self, partition: Partition) -> Arc<Tail> {
        match self.tails().entry(partition) {
            Slot::Occupied(tail) => Arc::clone(tail.get()),
            Slot::Vacant(slot) => {
                let listening = Wire::new(&self.listening, partition);
                let speaking = Wire::new(&self.speaking, partition);
                let shelf = Wire::of_snapshots(&self.speaking, partition);
                let shelf = Shelf::new(shelf, self.snapshot_every);
                let wires = (listening, speaking);
                let tail = Tail::start(wires, shelf, partition, self.signals.clone());
                Arc::clone(slot.insert(Arc::new(tail)))
            }
        }
    }

    fn tails(&self) -> MutexGuard<'_, BTreeMap<Partition, Arc<Tail>>> {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Broker for KafkaBroker {
    fn probe(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(self.within(self.speaking.probe()))
    }

    fn partition(&self, room: &RoomId) -> Partition {
        partition_of(room.as_str(), self.partitions)
    }

    fn watch(&self, partition: Partition) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(self.within(async move {
            let tail = self.tail(partition);
            tail.viewed.look().told = true;
            tail.viewed.until_abreast().await
        }))
    }

    fn unwatch(&self, partition: Partition) {
        self.tails().remove(&partition);
    }

    fn append<'a>(
        &'a self,
        channel: &'a Channel,
        known: &'a Standing,
        records: &'a [Record],
    ) -> BoxFuture<'a, Result<Appended, BrokerError>> {
        Box::pin(self.within(async move {
            let tail = self.tail(self.partition(&channel.room));
            tail.append(channel, known, records).await
        }))
    }

    fn read<'a>(
        &'a self,
        channel: &'a Channel,
        page: Page,
    ) -> BoxFuture<'a, Result<Extract, BrokerError>> {
        Box::pin(self.within(async move {
            let tail = self.tail(self.partition(&channel.room));
            tail.read(channel, page).await
        }))
    }

    fn renew<'a>(
        &'a self,
        channel: &'a Channel,
        lost: &'a Epoch,
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.within(async move {
            let tail = self.tail(self.partition(&channel.room));
            tail.renew(channel, lost).await
        }))
    }

    fn tell<'a>(&'a self, hearsay: &'a [u8]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.within(self.hearsay.tell(hearsay)))
    }
}

/// Writes an entry; answers with its place in Kafka. The key is for people who look into the topic.
async fn produce(wire: &Wire, key: &str, entry: &Entry) -> Result<i64, Trouble> {
    wire.write(Some(key.as_bytes().to_vec()), entry.encode())
        .await
}

/// A number that nobody else has.
fn random() -> Result<u128, BrokerError> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| BrokerError::unavailable(&error))?;
    Ok(u128::from_be_bytes(random))
}

/// FNV-1a with 64 bits: the same on every server and in every release, because it says where a room is kept.
fn partition_of(room: &str, partitions: u16) -> Partition {
    let hash = room.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low bits alone would follow the last bytes closely.
    let share = (hash ^ (hash >> 32)) % u64::from(partitions);
    Partition(u16::try_from(share).unwrap_or(0))
}
