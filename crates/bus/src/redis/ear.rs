//! The task that hears what is appended: one connection to each server that has a watched partition, and no more.
//!
//! 1. A partition is watched by subscribing to its place at the server that has its slot.
//! 2. A connection that ends, does not answer a ping, or brings more than this node can take in, is given up. Its
//!    partitions are subscribed to again, wherever their slots are by then, and the engine is told that it may have
//!    missed something of them.
//! 3. What cannot be read is reported and counted, and leaves a gap that the engine sees.
//! 4. What servers tell about themselves is heard from the beginning, beside the first partition's rooms. Of it, nothing is
//!    waited for: what the engine has no room for is lost.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ::redis::{
    ErrorKind, PushInfo, PushKind, RedisResult, ServerErrorKind, Value,
    aio::{AsyncPushSender, MultiplexedConnection, SendError},
    cmd,
};
use fanwave_wire::envelope::Batch;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{
    config::Address,
    scripts::{hearsay_place, place, tag_of},
    servers::{Servers, connection_config},
};
use crate::{
    limits::{EAR_ORDERS_MAX, HEARD_MAX, PING_EVERY, RECONNECT_EVERY},
    shared::{BrokerError, Partition, Signal},
};

/// What the ear is told.
#[derive(Debug)]
pub(super) enum Order {
    Watch(Partition, oneshot::Sender<Result<(), BrokerError>>),
    Unwatch(Partition),
}

/// What can be subscribed to; in the order in which what was lost is subscribed to again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    /// What is appended to the rooms of a partition.
    Rooms(Partition),
    /// What servers tell about themselves.
    Hearsay,
}

/// Hears until nobody gives orders any more.
pub(super) struct Ear {
    servers: Arc<Servers>,
    /// Tag and slot of each partition.
    tags: Arc<[(u32, u16)]>,
    partitions: HashMap<u32, Partition>,
    orders: mpsc::Receiver<Order>,
    signals: mpsc::Sender<Signal>,
    heard: mpsc::Receiver<Heard>,
    hearing: mpsc::Sender<Heard>,
    /// A connection had more to say than there was room for.
    overrun: Arc<Notify>,
    lines: BTreeMap<u64, Line>,
    last_line: u64,
    /// Watched, but not heard now.
    lost: BTreeSet<Topic>,
    retry_at: Option<Instant>,
}

/// A connection to one server.
struct Line {
    address: Address,
    connection: MultiplexedConnection,
    topics: BTreeSet<Topic>,
    overrun: Arc<std::sync::atomic::AtomicBool>,
}

/// What came of a line.
struct Heard {
    line: u64,
    push: PushInfo,
}

/// Takes what a connection brings, without waiting.
struct Taker {
    line: u64,
    hearing: mpsc::Sender<Heard>,
    overrun: Arc<std::sync::atomic::AtomicBool>,
    overruns: Arc<Notify>,
}

impl AsyncPushSender for Taker {
    fn send(&self, push: PushInfo) -> Result<(), SendError> {
        let heard = Heard {
            line: self.line,
            push,
        };
        self.hearing.try_send(heard).map_err(|_| {
            self.overrun
                .store(true, std::sync::atomic::Ordering::Release);
            self.overruns.notify_one();
            SendError
        })
    }
}

impl Ear {
    /// Starts it; it ends when the returned sender is dropped.
    pub(super) fn start(
        servers: Arc<Servers>,
        tags: Arc<[(u32, u16)]>,
        signals: mpsc::Sender<Signal>,
    ) -> mpsc::Sender<Order> {
        let (sender, orders) = mpsc::channel(EAR_ORDERS_MAX);
        let (hearing, heard) = mpsc::channel(HEARD_MAX);
        let numbered = (0..).map(Partition).zip(tags.iter());
        let partitions = numbered.map(|(partition, (tag, _))| (*tag, partition));
        let ear = Self {
            servers,
            partitions: partitions.collect(),
            tags,
            orders,
            signals,
            heard,
            hearing,
            overrun: Arc::new(Notify::new()),
            lines: BTreeMap::new(),
            last_line: 0,
            lost: BTreeSet::from([Topic::Hearsay]),
            retry_at: Some(Instant::now()),
        };
        tokio::spawn(ear.run());
        sender
    }

    async fn run(mut self) {
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let retry_at = self.retry_at.unwrap_or_else(Instant::now);
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(Order::Watch(partition, answer)) => {
                        let watched = self.watch(Topic::Rooms(partition)).await;
                        // Whoever asked may have gone.
                        drop(answer.send(watched.map_err(|error| unavailable(&error))));
                    }
                    Some(Order::Unwatch(partition)) => self.unwatch(Topic::Rooms(partition)).await,
                    None => return,
                },
                Some(heard) = self.heard.recv() => self.take(heard).await,
                () = self.overrun.notified() => self.give_up_overrun(),
                _ = ping.tick() => self.ping(),
                () = sleep_until(retry_at), if self.retry_at.is_some() => self.retry().await,
            }
        }
    }

    async fn watch(&mut self, topic: Topic) -> RedisResult<()> {
        let known = self.lines.values().any(|line| line.topics.contains(&topic));
        if known {
            return Ok(());
        }
        let subscribed = self.subscribe(topic).await;
        if subscribed.is_err() {
            self.servers.forget().await;
        } else {
            self.lost.remove(&topic);
        }
        subscribed
    }

    async fn subscribe(&mut self, topic: Topic) -> RedisResult<()> {
        let (place, slot) = self.place(topic);
        let address = self.servers.address(slot).await?;
        let number = self.line(&address).await?;
        let Some(line) = self.lines.get_mut(&number) else {
            return Ok(());
        };
        let subscribed = cmd("SSUBSCRIBE")
            .arg(place)
            .exec_async(&mut line.connection)
            .await;
        match subscribed {
            Ok(()) => {
                line.topics.insert(topic);
                Ok(())
            }
            Err(error) => {
                if error.is_io_error() {
                    self.give_up(number);
                }
                Err(error)
            }
        }
    }

    /// The number of the line to a server, which is connected when it is the first use.
    async fn line(&mut self, address: &Address) -> RedisResult<u64> {
        let known = self.lines.iter().find(|(_, line)| line.address == *address);
        if let Some((number, _)) = known {
            return Ok(*number);
        }
        self.last_line += 1;
        let number = self.last_line;
        let overrun = Arc::default();
        let taker = Taker {
            line: number,
            hearing: self.hearing.clone(),
            overrun: Arc::clone(&overrun),
            overruns: Arc::clone(&self.overrun),
        };
        let config = connection_config().set_push_sender(taker);
        let connection = self.servers.connect(address, config).await?;
        let line = Line {
            address: address.clone(),
            connection,
            topics: BTreeSet::new(),
            overrun,
        };
        self.lines.insert(number, line);
        Ok(number)
    }

    async fn unwatch(&mut self, topic: Topic) {
        self.lost.remove(&topic);
        let (place, _) = self.place(topic);
        for line in self.lines.values_mut() {
            if line.topics.remove(&topic) {
                // A line that has ended says so by itself.
                let ended = cmd("SUNSUBSCRIBE")
                    .arg(&place)
                    .exec_async(&mut line.connection)
                    .await;
                drop(ended);
            }
        }
    }

    async fn take(&mut self, heard: Heard) {
        let Heard { line, push } = heard;
        match push.kind {
            PushKind::SMessage => {
                let [Value::BulkString(place), Value::BulkString(said)] = push.data.as_slice()
                else {
                    return;
                };
                if self.topic(place) == Some(Topic::Hearsay) {
                    drop(self.signals.try_send(Signal::Told(said.clone())));
                } else {
                    // While the engine does not keep up, the lines fill, and are given up rather than grow.
                    drop(self.signals.send(read(said)).await);
                }
            }
            PushKind::SUnsubscribe => {
                let topic = match push.data.first() {
                    Some(Value::BulkString(place)) => self.topic(place),
                    _ => None,
                };
                let line = self.lines.get_mut(&line);
                // Not asked for: the slot has moved to another server.
                if let (Some(topic), Some(line)) = (topic, line)
                    && line.topics.remove(&topic)
                {
                    self.lose([topic]);
                }
            }
            PushKind::Disconnection => self.give_up(line),
            _ => {}
        }
    }

    fn give_up_overrun(&mut self) {
        let overrun = self
            .lines
            .iter()
            .filter(|(_, line)| line.overrun.load(std::sync::atomic::Ordering::Acquire));
        for number in overrun.map(|(number, _)| *number).collect::<Vec<_>>() {
            tracing::warn!(
                "the broker says more than this server can take in; what was missed is read back"
            );
            self.give_up(number);
        }
    }

    fn give_up(&mut self, number: u64) {
        if let Some(line) = self.lines.remove(&number) {
            tracing::warn!(server = %line.address, "a connection to the broker has ended");
            self.lose(line.topics);
        }
    }

    fn lose(&mut self, topics: impl IntoIterator<Item = Topic>) {
        self.lost.extend(topics);
        if !self.lost.is_empty() && self.retry_at.is_none() {
            // Not at once: a server that has just ended is about to be replaced.
            self.retry_at = Some(Instant::now() + RECONNECT_EVERY);
        }
    }

    /// Subscribes again to what was lost, and tells the engine.
    async fn retry(&mut self) {
        self.retry_at = None;
        self.servers.forget().await;
        let mut resumed = Vec::new();
        // One server that is gone must not keep the others from being heard, nor be waited for once a partition.
        let mut gone = BTreeSet::new();
        for topic in self.lost.clone() {
            let (_, slot) = self.place(topic);
            let Ok(address) = self.servers.address(slot).await else {
                break;
            };
            if gone.contains(&address) {
                continue;
            }
            match self.watch(topic).await {
                Ok(()) => resumed.extend(topic.rooms()),
                Err(error) if topic == Topic::Hearsay && is_forbidden(&error) => {
                    tracing::warn!(%error, "the other servers are not heard of: Redis has to allow the channels fanwave:*");
                    self.lost.remove(&topic);
                }
                Err(error) => {
                    tracing::debug!(%error, "the broker is not back yet");
                    gone.insert(address);
                }
            }
        }
        self.lose([]);
        if !resumed.is_empty() {
            tracing::info!(partitions = resumed.len(), "the broker is heard again");
            drop(self.signals.send(Signal::Resumed(resumed)).await);
        }
    }

    /// Asks every server for a sign of life, without waiting for it here.
    fn ping(&self) {
        for (number, line) in &self.lines {
            let (line, mut connection) = (*number, line.connection.clone());
            let hearing = self.hearing.clone();
            tokio::spawn(async move {
                if cmd("PING").exec_async(&mut connection).await.is_err() {
                    let push = PushInfo {
                        kind: PushKind::Disconnection,
                        data: Vec::new(),
                    };
                    // An ear that has ended needs to know nothing.
                    drop(hearing.send(Heard { line, push }).await);
                }
            });
        }
    }

    /// What something is called at Redis, and which slot that is in.
    fn place(&self, topic: Topic) -> (String, u16) {
        let Partition(number) = topic.rooms().unwrap_or(Partition(0));
        let tag = self.tags.get(usize::from(number));
        let (tag, slot) = *tag.expect("a partition is one of those there are");
        match topic {
            Topic::Hearsay => (hearsay_place(tag), slot),
            Topic::Rooms(_) => (place(tag), slot),
        }
    }

    /// What is called so at Redis.
    fn topic(&self, called: &[u8]) -> Option<Topic> {
        match tag_of(called) {
            Some(tag) => self.partitions.get(&tag).copied().map(Topic::Rooms),
            None if called == self.place(Topic::Hearsay).0.as_bytes() => Some(Topic::Hearsay),
            None => None,
        }
    }
}

impl Topic {
    fn rooms(self) -> Option<Partition> {
        match self {
            Self::Hearsay => None,
            Self::Rooms(partition) => Some(partition),
        }
    }
}

fn read(bytes: &[u8]) -> Signal {
    match Batch::decode(bytes) {
        Ok(batch) => Signal::Heard(batch),
        Err(error) => {
            tracing::error!(%error, "another server says what this release cannot read");
            Signal::Unreadable
        }
    }
}

/// Asking again does not help.
fn is_forbidden(error: &::redis::RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
}

fn unavailable(error: &::redis::RedisError) -> BrokerError {
    BrokerError::unavailable(error)
}
