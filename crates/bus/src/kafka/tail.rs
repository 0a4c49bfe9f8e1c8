//! Reading a partition to its end, and on, for as long as this server has a room in it.
//!
//! 1. All entries are read from the first one on, or from where the newest snapshot was taken. A partition is used when
//!    its end has been reached.
//! 2. What comes next is asked for and waited for, and told to the engine.
//! 3. After an interruption, the entry that was read last is compared with what the log has in its place. What came
//!    meanwhile is read without being told, and then [`Signal::Resumed`] says that something was missed.
//! 4. Where the log has something else there, or nothing, it has lost its end: it is read again from its beginning. If
//!    nobody has ended its epochs yet, an entry is written that does, before anything else is.
//!
//! There are no consumer groups: each server reads for itself, and Kafka keeps nothing about it.

use std::{sync::Arc, time::Duration};

use rskafka::record::RecordAndOffset;
use tokio::{sync::mpsc, task::JoinHandle, time::sleep};

use super::{
    entry::{Body, Entry, EntryError},
    produce, random,
    shelf::Shelf,
    view::{State, Taken, View, Viewed},
    wires::{Trouble, Wire},
};
use crate::{
    limits::{COMPLAIN_EVERY, KAFKA_FETCH_BYTES, KAFKA_POLL_MAX, RECONNECT_EVERY},
    shared::{BrokerError, Partition, Signal},
};

/// A partition that is being read. It ends with this value.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) viewed: Arc<Viewed>,
    /// For everything but waiting for what comes next.
    pub(super) wire: Arc<Wire>,
    task: JoinHandle<()>,
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tail {
    pub(super) fn start(
        (listening, speaking): (Wire, Wire),
        shelf: Shelf,
        partition: Partition,
        signals: mpsc::Sender<Signal>,
    ) -> Self {
        let viewed = Arc::new(Viewed::new());
        let wire = Arc::new(speaking);
        let reader = Reader {
            viewed: Arc::clone(&viewed),
            listening,
            shelf,
            taken_up: false,
            speaking: Arc::clone(&wire),
            signals,
            partition,
            interrupted: false,
        };
        Self {
            viewed,
            wire,
            task: tokio::spawn(reader.run()),
        }
    }
}

struct Reader {
    viewed: Arc<Viewed>,
    /// A connection of its own: Kafka answers one question of a connection after the other.
    listening: Wire,
    speaking: Arc<Wire>,
    shelf: Shelf,
    /// A snapshot has been looked for.
    taken_up: bool,
    signals: mpsc::Sender<Signal>,
    partition: Partition,
    /// Something may have been missed that the engine has not been told of.
    interrupted: bool,
}

/// Why reading does not go on.
enum Stop {
    /// The log is not the one that was read.
    Lost,
    /// Kafka cannot be reached, or refuses.
    Away(BrokerError),
    /// What comes next cannot be read.
    Stuck(BrokerError),
    /// Nobody listens any more.
    Over,
}

impl Reader {
    async fn run(mut self) {
        loop {
            let wait = match self.step().await {
                Ok(()) => continue,
                Err(Stop::Over) => return,
                Err(Stop::Lost) => {
                    tracing::error!(
                        partition = self.partition.0,
                        "Kafka has lost what was read: it is read again"
                    );
                    self.interrupted = true;
                    self.viewed.change(View::begin_again);
                    RECONNECT_EVERY
                }
                Err(Stop::Away(error)) => {
                    tracing::warn!(partition = self.partition.0, %error, "Kafka is not heard");
                    self.interrupted = true;
                    self.speaking.forget();
                    self.viewed.change(|view| {
                        view.state = State::Behind;
                        view.doubted = true;
                    });
                    RECONNECT_EVERY
                }
                Err(Stop::Stuck(error)) => {
                    tracing::error!(partition = self.partition.0, %error, "the log cannot be read");
                    self.interrupted = true;
                    self.viewed.change(|view| view.state = State::Stuck(error));
                    drop(self.signals.try_send(Signal::Unreadable));
                    COMPLAIN_EVERY
                }
            };
            // Many servers lose Kafka at the same moment, and must not all come back at the same.
            sleep(wait / 2 + part_of(wait)).await;
        }
    }

    /// Asks once for what is next.
    async fn step(&mut self) -> Result<(), Stop> {
        self.take_up().await?;
        let (doubted, last, next, abreast) = {
            let mut view = self.viewed.look();
            // Where nothing has been read yet, there is nothing to be compared.
            let doubted = std::mem::take(&mut view.doubted);
            let last = view.last().filter(|_| doubted);
            (doubted, last, view.next, view.state == State::Abreast)
        };
        let from = last.map_or(next, |last| last.at);
        let patience = if abreast && last.is_none() {
            KAFKA_POLL_MAX
        } else {
            Duration::ZERO
        };
        let patience = i32::try_from(patience.as_millis())
            .unwrap_or(i32::MAX)
            .max(1);
        let answer = self.listening.call(async |partition| {
            partition
                .fetch_records(from, 1..KAFKA_FETCH_BYTES, patience)
                .await
        });
        let (mut records, end) = match answer.await {
            Ok(answer) => answer,
            Err(Trouble::OutOfRange) if from == 0 => return Err(self.beginning_is_gone()),
            Err(Trouble::OutOfRange) => return Err(Stop::Lost),
            Err(trouble) => return Err(Stop::Away(trouble.into())),
        };
        if let Some(last) = last {
            if records.is_empty() {
                // A server that leads since a moment ago does not show yet what it has.
                let error = BrokerError::unavailable("Kafka does not show its end yet");
                return Err(Stop::Away(error));
            }
            let first = records.remove(0);
            if first.offset != last.at || !is_entry(&first, last.mark) {
                return Err(Stop::Lost);
            }
        }
        records.retain(|record| record.offset >= next);
        for (index, record) in records.iter().enumerate() {
            // What was doubted has been compared by now.
            let trusted = doubted && index == 0;
            match self.take(record, trusted)? {
                Taken::Doubted => return Ok(()),
                Taken::In { news, ours } => {
                    if ours && self.shelf.is_due(record.offset) {
                        let kept = self.shelf.keep(&self.viewed.look());
                        kept.map_err(Stop::Away)?;
                    }
                    if let Some(batch) = news.filter(|_| abreast) {
                        self.tell(Signal::Heard(batch)).await?;
                    }
                }
            }
        }
        let reached = self.viewed.look().next >= end;
        if reached && (!abreast || self.interrupted) {
            self.arrive().await?;
        }
        Ok(())
    }

    /// Begins with the newest snapshot, if there is one.
    async fn take_up(&mut self) -> Result<(), Stop> {
        if !self.taken_up {
            let newest = self.shelf.newest().await.map_err(Stop::Away)?;
            self.taken_up = true;
            if let Some(snapshot) = newest {
                self.viewed.change(|view| view.restore(snapshot));
            }
        }
        Ok(())
    }

    /// Takes in an entry.
    fn take(&self, record: &RecordAndOffset, trusted: bool) -> Result<Taken, Stop> {
        match decode(record) {
            Ok(entry) => {
                let take = |view: &mut View| view.take(record.offset, &entry, trusted);
                Ok(self.viewed.change(take))
            }
            Err(EntryError::Foreign) => {
                self.viewed.change(|view| view.pass(record.offset));
                Ok(Taken::In {
                    news: None,
                    ours: false,
                })
            }
            Err(EntryError::Unreadable(reason)) => {
                Err(Stop::Stuck(BrokerError::Unreadable { reason }))
            }
        }
    }

    /// Tells the engine, if it wants to know.
    async fn tell(&self, signal: Signal) -> Result<(), Stop> {
        if !self.viewed.look().told {
            return Ok(());
        }
        self.signals.send(signal).await.map_err(|_| Stop::Over)
    }

    /// The end has been reached.
    async fn arrive(&mut self) -> Result<(), Stop> {
        let losses = self.viewed.change(|view| {
            let must = view.must_end_epochs();
            if !must {
                tracing::debug!(
                    partition = self.partition.0,
                    entries = view.read,
                    "a partition has been read"
                );
                view.state = State::Abreast;
            }
            must.then(|| view.fold.losses())
        });
        if let Some(losses) = losses {
            let entry = Entry {
                mark: random().map_err(Stop::Away)?,
                seen: None,
                body: Body::Loss { losses },
            };
            let written = produce(&self.speaking, "", &entry).await;
            return written
                .map(drop)
                .map_err(|trouble| Stop::Away(trouble.into()));
        }
        if std::mem::take(&mut self.interrupted) {
            let resumed = Signal::Resumed(vec![self.partition]);
            self.tell(resumed).await?;
        }
        Ok(())
    }

    fn beginning_is_gone(&self) -> Stop {
        Stop::Stuck(BrokerError::Unavailable {
            reason: format!(
                "the beginning of partition {} is gone: the topic needs retention.ms=-1",
                self.partition.0
            ),
        })
    }
}

/// A part of a length of time, at random; all of it, where there is no chance to be had.
fn part_of(span: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    span.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

fn is_entry(record: &RecordAndOffset, mark: u128) -> bool {
    decode(record).is_ok_and(|entry| entry.mark == mark)
}

/// The entry that a record is.
pub(super) fn decode(record: &RecordAndOffset) -> Result<Entry, EntryError> {
    let value = record.record.value.as_deref();
    Entry::decode(value.unwrap_or_default())
}
