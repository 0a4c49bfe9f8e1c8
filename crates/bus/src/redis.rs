//! The broker of Redis 7: one server, Sentinel or Cluster.
//!
//! * A channel's log is a stream whose entries are named by their offsets; its events are kept in a second one, which
//!   is never shortened, because a room's rules are the fold of them.
//! * One script appends: it recognises copies, gives offsets, writes, deletes what a deletion says, and tells the servers
//!   that watch the partition, by sharded publish. Nothing comes in between, and Redis logs it as one transaction.
//! * Rooms are divided into a fixed number of partitions. A server has one connection for calls and one for hearing to
//!   each server of Redis, and one subscription for each partition in which it has a room, however many rooms and
//!   servers there are. One more is for what the servers tell about themselves.
//!
//! What an acknowledgement is worth is what Redis is set to: with `appendonly yes` and `appendfsync always` it is on the
//! disk of the primary; with `everysec` the last second is lost with the machine. With
//! [`RedisConfig::replicas`] so many replicas have it besides. `maxmemory-policy` must be `noeviction`.

mod commands;
mod config;
mod ear;
mod scripts;
mod servers;
mod slots;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ::redis::{Cmd, FromRedisValue, Pipeline, RedisError, pipe};
use fanwave_store::{Page, Standing};
use fanwave_wire::{Channel, Epoch, RoomId, envelope::Record};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

pub use self::commands::RedisCommands;
pub use self::config::{Address, AddressError, RedisConfig, Tls, Topology};
use self::{
    ear::{Ear, Order},
    scripts::Keys,
    servers::{Remedy, Servers},
};
use crate::{
    BoxFuture,
    limits::{BROKER_CALL_MAX, REPLICA_WAIT_MAX, SIGNALS_MAX},
    shared::{Appended, Broker, BrokerError, Extract, Partition, Settings, SharedEngine, Signal},
};

/// The broker; see the module.
#[derive(Debug)]
pub struct RedisBroker {
    servers: Arc<Servers>,
    /// Tag and slot of each partition.
    tags: Arc<[(u32, u16)]>,
    orders: mpsc::Sender<Order>,
}

impl RedisBroker {
    /// Connects when it is first used. Needs a tokio runtime.
    #[must_use]
    pub fn open(config: RedisConfig) -> (Arc<Self>, mpsc::Receiver<Signal>) {
        let (signals, receiver) = mpsc::channel(SIGNALS_MAX);
        let tags: Arc<[(u32, u16)]> = slots::tags(config.partitions.max(1)).into();
        let servers = Arc::new(Servers::new(config));
        let orders = Ear::start(Arc::clone(&servers), Arc::clone(&tags), signals);
        let broker = Self {
            servers,
            tags,
            orders,
        };
        (Arc::new(broker), receiver)
    }

    /// An engine over it.
    #[must_use]
    pub fn engine(config: RedisConfig, settings: Settings) -> SharedEngine {
        let (broker, signals) = Self::open(config);
        SharedEngine::open(broker, signals, settings)
    }

    /// Asks whether Redis can be used at all: whoever starts a server wants to know at once.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses.
    pub async fn check(&self) -> Result<(), BrokerError> {
        let ping = ::redis::cmd("PING");
        let (_, slot) = self.tags[0];
        self.call::<String>(slot, &ping).await.map(drop)
    }

    /// Has a command answered by whoever has a slot; once more, where what was known of that had changed.
    async fn call<T: FromRedisValue>(&self, slot: u16, command: &Cmd) -> Result<T, BrokerError> {
        self.run(slot, Call::One(command)).await
    }

    async fn run<T: FromRedisValue>(&self, slot: u16, call: Call<'_>) -> Result<T, BrokerError> {
        let attempts = async {
            match self.attempt(slot, call).await {
                Err((error, Remedy::Again)) => {
                    tracing::debug!(%error, "a call of the broker is tried again");
                    self.attempt(slot, call).await
                }
                result => result,
            }
        };
        match timeout(BROKER_CALL_MAX, attempts).await {
            Ok(result) => result.map_err(|(error, _)| BrokerError::unavailable(&error)),
            Err(_) => Err(BrokerError::unavailable("Redis does not answer")),
        }
    }

    async fn attempt<T: FromRedisValue>(
        &self,
        slot: u16,
        call: Call<'_>,
    ) -> Result<T, (RedisError, Remedy)> {
        let connected = self.servers.connection(slot).await;
        let (address, mut connection) = connected.map_err(|error| (error, Remedy::None))?;
        let answer = match call {
            Call::One(command) => command.query_async(&mut connection).await,
            Call::Pipeline(pipeline) => pipeline.query_async(&mut connection).await,
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let remedy = self.servers.learn(&address, &error).await;
                Err((error, remedy))
            }
        }
    }

    fn place(&self, room: &RoomId) -> (u32, u16) {
        self.tags[usize::from(self.partition(room).0)]
    }

    async fn append_to(
        &self,
        channel: &Channel,
        known: &Standing,
        records: &[Record],
    ) -> Result<Appended, BrokerError> {
        let (tag, slot) = self.place(&channel.room);
        let keys = Keys { tag, channel };
        let config = self.servers.config();
        let scripts = self.servers.scripts();
        let command = scripts.append(&keys, known, config.log_messages, records);
        if config.replicas == 0 {
            return scripts::appended(&self.call::<Vec<String>>(slot, &command).await?);
        }
        let mut both = pipe();
        both.add_command(command);
        let patience = REPLICA_WAIT_MAX.as_millis();
        both.cmd("WAIT").arg(config.replicas).arg(patience);
        let (answer, replicas): (Vec<String>, u32) = self.run(slot, Call::Pipeline(&both)).await?;
        if replicas < config.replicas {
            return Err(BrokerError::unavailable(
                "too few replicas of Redis have the message",
            ));
        }
        scripts::appended(&answer)
    }
}

impl Broker for RedisBroker {
    fn probe(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(self.check())
    }

    fn partition(&self, room: &RoomId) -> Partition {
        let partitions = self.tags.len() as u64;
        Partition(u16::try_from(spread(room.as_str()) % partitions).unwrap_or(0))
    }

    fn watch(&self, partition: Partition) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let ended = |_| BrokerError::unavailable("the engine is stopping");
            let watched = async {
                let order = Order::Watch(partition, answer);
                self.orders.send(order).await.map_err(|_| ended(()))?;
                answered.await.map_err(|_| ended(()))?
            };
            match timeout(BROKER_CALL_MAX, watched).await {
                Ok(result) => result,
                Err(_) => Err(BrokerError::unavailable("Redis does not answer")),
            }
        })
    }

    fn unwatch(&self, partition: Partition) {
        // Where the order finds no place, the partition goes on being heard, which is only more to hear.
        drop(self.orders.try_send(Order::Unwatch(partition)));
    }

    fn append<'a>(
        &'a self,
        channel: &'a Channel,
        known: &'a Standing,
        records: &'a [Record],
    ) -> BoxFuture<'a, Result<Appended, BrokerError>> {
        Box::pin(self.append_to(channel, known, records))
    }

    fn read<'a>(
        &'a self,
        channel: &'a Channel,
        page: Page,
    ) -> BoxFuture<'a, Result<Extract, BrokerError>> {
        Box::pin(async move {
            let (tag, slot) = self.place(&channel.room);
            let command = self.servers.scripts().read(&Keys { tag, channel }, page);
            scripts::extract(&self.call::<Vec<Vec<u8>>>(slot, &command).await?)
        })
    }

    fn renew<'a>(
        &'a self,
        channel: &'a Channel,
        lost: &'a Epoch,
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let (tag, slot) = self.place(&channel.room);
            let command = self.servers.scripts().renew(&Keys { tag, channel }, lost);
            self.call::<i64>(slot, &command).await.map(drop)
        })
    }

    fn tell<'a>(&'a self, hearsay: &'a [u8]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let (tag, slot) = self.tags[0];
            let mut command = ::redis::cmd("SPUBLISH");
            command.arg(scripts::hearsay_place(tag)).arg(hearsay);
            self.call::<u64>(slot, &command).await.map(drop)
        })
    }
}

/// What a server is asked.
#[derive(Clone, Copy)]
enum Call<'a> {
    One(&'a Cmd),
    Pipeline(&'a Pipeline),
}

/// FNV-1a with 64 bits: the same on every server and in every release, because it says where a room is kept.
fn spread(room: &str) -> u64 {
    let hash = room.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low bits alone would follow the last bytes closely.
    hash ^ (hash >> 32)
}
