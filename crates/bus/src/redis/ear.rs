//! The task that hears what is appended: one connection to each server that has a watched partition, and no more.
//!
//! 1. A partition is watched by subscribing to its place at the server that has its slot.
//! 2. A connection that ends, does not answer a ping, or brings more than this node can take in, is given up. Its
//!    partitions are subscribed to again, wherever their slots are by then, and the engine is told that it may have
//!    missed something of them.
//! 3. What cannot be read is reported and counted, and leaves a gap that the engine sees.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ::redis::{
    PushInfo, PushKind, RedisResult, Value,
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
    scripts::{place, tag_of},
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
    lost: BTreeSet<Partition>,
    retry_at: Option<Instant>,
}

/// A connection to one server.
struct Line {
    address: Address,
    connection: MultiplexedConnection,
    partitions: BTreeSet<Partition>,
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
            lost: BTreeSet::new(),
            retry_at: None,
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
                        let watched = self.watch(partition).await;
                        // Whoever asked may have gone.
                        drop(answer.send(watched.map_err(|error| unavailable(&error))));
                    }
                    Some(Order::Unwatch(partition)) => self.unwatch(partition).await,
                    None => return,
                },
                Some(heard) = self.heard.recv() => self.take(heard).await,
                () = self.overrun.notified() => self.give_up_overrun(),
                _ = ping.tick() => self.ping(),
                () = sleep_until(retry_at), if self.retry_at.is_some() => self.retry().await,
            }
        }
    }

    async fn watch(&mut self, partition: Partition) -> RedisResult<()> {
        let known = self
            .lines
            .values()
            .any(|line| line.partitions.contains(&partition));
        if known {
            return Ok(());
        }
        let (tag, slot) = self.tag(partition);
        let subscribed = self.subscribe(partition, tag, slot).await;
        if subscribed.is_err() {
            self.servers.forget().await;
        } else {
            self.lost.remove(&partition);
        }
        subscribed
    }

    async fn subscribe(&mut self, partition: Partition, tag: u32, slot: u16) -> RedisResult<()> {
        let address = self.servers.address(slot).await?;
        let number = self.line(&address).await?;
        let Some(line) = self.lines.get_mut(&number) else {
            return Ok(());
        };
        let subscribed = cmd("SSUBSCRIBE")
            .arg(place(tag))
            .exec_async(&mut line.connection)
            .await;
        match subscribed {
            Ok(()) => {
                line.partitions.insert(partition);
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
            partitions: BTreeSet::new(),
            overrun,
        };
        self.lines.insert(number, line);
        Ok(number)
    }

    async fn unwatch(&mut self, partition: Partition) {
        self.lost.remove(&partition);
        let (tag, _) = self.tag(partition);
        for line in self.lines.values_mut() {
            if line.partitions.remove(&partition) {
                // A line that has ended says so by itself.
                let ended = cmd("SUNSUBSCRIBE")
                    .arg(place(tag))
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
                let signal = match push.data.as_slice() {
                    [_, Value::BulkString(batch)] => read(batch),
                    _ => return,
                };
                // While the engine does not keep up, the lines fill, and are given up rather than grow.
                drop(self.signals.send(signal).await);
            }
            PushKind::SUnsubscribe => {
                let tag = match push.data.first() {
                    Some(Value::BulkString(place)) => tag_of(place),
                    _ => None,
                };
                let partition = tag.and_then(|tag| self.partitions.get(&tag).copied());
                let line = self.lines.get_mut(&line);
                // Not asked for: the slot has moved to another server.
                if let (Some(partition), Some(line)) = (partition, line)
                    && line.partitions.remove(&partition)
                {
                    self.lose([partition]);
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
            self.lose(line.partitions);
        }
    }

    fn lose(&mut self, partitions: impl IntoIterator<Item = Partition>) {
        self.lost.extend(partitions);
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
        for partition in self.lost.clone() {
            let (_, slot) = self.tag(partition);
            let Ok(address) = self.servers.address(slot).await else {
                break;
            };
            if gone.contains(&address) {
                continue;
            }
            match self.watch(partition).await {
                Ok(()) => resumed.push(partition),
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

    fn tag(&self, partition: Partition) -> (u32, u16) {
        let tag = self.tags.get(usize::from(partition.0));
        *tag.expect("a partition is one of those there are")
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

fn unavailable(error: &::redis::RedisError) -> BrokerError {
    BrokerError::unavailable(error)
}
