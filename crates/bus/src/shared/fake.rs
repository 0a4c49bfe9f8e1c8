//! A broker in memory for tests: one log, any number of servers, and faults at will.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use fanwave_room::{recent::deletes, sequence::Repeat};
use fanwave_store::{Kind, Order, Page, Standing};
use fanwave_wire::{
    Body, Channel, ClientMessageId, Epoch, Lane, Offset, Publication, RoomId, UserId,
    envelope::{Batch, Record},
};
use tokio::sync::mpsc;

use super::{
    broker::{Appended, Broker, BrokerError, Extract, Partition, Placed, Signal},
    lane::deletions,
};
use crate::{BoxFuture, limits::SIGNALS_MAX};

/// Appends that are not heard after an interruption, before it is noticed.
const UNHEARD: usize = 5;

/// The log of all servers.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeLog(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    channels: BTreeMap<Channel, Kept>,
    ears: Vec<Ear>,
    down: bool,
    epochs: u64,
}

#[derive(Debug)]
struct Kept {
    standing: Standing,
    publications: BTreeMap<Offset, Arc<Publication>>,
    places: BTreeMap<(UserId, ClientMessageId), Placed>,
}

#[derive(Debug)]
struct Ear {
    signals: mpsc::Sender<Signal>,
    watched: BTreeSet<Partition>,
    /// How many appends are not heard from now on.
    deaf: usize,
}

/// One server's way to the log.
#[derive(Debug)]
pub(crate) struct FakeBroker {
    log: FakeLog,
    ear: usize,
    pub(super) reads: AtomicUsize,
}

impl FakeLog {
    /// One more server.
    pub(crate) fn connect(&self) -> (Arc<FakeBroker>, mpsc::Receiver<Signal>) {
        let (signals, receiver) = mpsc::channel(SIGNALS_MAX);
        let mut log = self.lock();
        let ear = log.ears.len();
        log.ears.push(Ear {
            signals,
            watched: BTreeSet::new(),
            deaf: 0,
        });
        let broker = FakeBroker {
            log: self.clone(),
            ear,
            reads: AtomicUsize::new(0),
        };
        (Arc::new(broker), receiver)
    }

    pub(crate) fn set_down(&self, down: bool) {
        let mut log = self.lock();
        log.down = down;
        for ear in &log.ears {
            if !down {
                ear.resume();
            }
        }
    }

    pub(super) fn interrupt(&self) {
        for ear in &mut self.lock().ears {
            ear.deaf = UNHEARD;
        }
    }

    pub(super) fn pause(&self, ear: usize) {
        self.lock().ears[ear].deaf = usize::MAX;
    }

    pub(super) fn resume(&self, ear: usize) {
        let ear = &mut self.lock().ears[ear];
        ear.deaf = 0;
        ear.resume();
    }

    pub(crate) fn lose_after(&self, channel: &Channel, offset: Offset) {
        let mut log = self.lock();
        let kept = log.channels.get_mut(channel).expect("it has been used");
        kept.standing.head = offset;
        kept.publications.retain(|held, _| *held <= offset);
        kept.places.retain(|_, placed| placed.offset <= offset);
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().expect("no test panics here")
    }
}

impl Ear {
    fn resume(&self) {
        let watched = self.watched.iter().copied().collect();
        drop(self.signals.try_send(Signal::Resumed(watched)));
    }

    fn hear(&mut self, partition: Partition, batch: &Batch) {
        if !self.watched.contains(&partition) {
            return;
        }
        if self.deaf == 0 {
            drop(self.signals.try_send(Signal::Heard(batch.clone())));
        } else if self.deaf < usize::MAX {
            self.deaf -= 1;
            if self.deaf == 0 {
                self.resume();
            }
        }
    }
}

impl Log {
    fn tell(&self, hearsay: &[u8]) -> Result<(), BrokerError> {
        if self.down {
            return Err(BrokerError::unavailable("the broker is down"));
        }
        for ear in self.ears.iter().filter(|ear| ear.deaf == 0) {
            drop(ear.signals.try_send(Signal::Told(hearsay.to_vec())));
        }
        Ok(())
    }

    fn channel(&mut self, channel: &Channel) -> Result<&mut Kept, BrokerError> {
        if self.down {
            return Err(BrokerError::unavailable("the broker is down"));
        }
        if !self.channels.contains_key(channel) {
            self.epochs += 1;
            let epoch = Epoch(format!("e{}", self.epochs).into());
            let kept = Kept {
                standing: Standing {
                    epoch,
                    head: Offset(0),
                },
                publications: BTreeMap::new(),
                places: BTreeMap::new(),
            };
            self.channels.insert(channel.clone(), kept);
        }
        Ok(self.channels.get_mut(channel).expect("it is there by now"))
    }

    fn append(
        &mut self,
        channel: &Channel,
        known: &Standing,
        records: &[Record],
    ) -> Result<Appended, BrokerError> {
        let kept = self.channel(channel)?;
        if kept.standing.epoch == known.epoch && kept.standing.head < known.head {
            return Ok(Appended::Lost);
        }
        let mut news = Vec::new();
        let placed = records.iter().map(|record| kept.place(record, &mut news));
        let stored = Appended::Stored {
            placed: placed.collect(),
            epoch: kept.standing.epoch.clone(),
        };
        let batch = Batch {
            channel: channel.clone(),
            epoch: kept.standing.epoch.clone(),
            publications: news,
        };
        self.erase(&batch);
        let partition = partition(&channel.room);
        for ear in self
            .ears
            .iter_mut()
            .filter(|_| !batch.publications.is_empty())
        {
            ear.hear(partition, &batch);
        }
        Ok(stored)
    }

    fn erase(&mut self, batch: &Batch) {
        let chat = Channel {
            lane: Lane::Chat,
            room: batch.channel.room.clone(),
        };
        if let Some(kept) = self.channels.get_mut(&chat) {
            for event in deletions(batch) {
                kept.publications.retain(|_, held| !deletes(event, held));
            }
        }
    }
}

impl Kept {
    fn place(&mut self, record: &Record, news: &mut Vec<Arc<Publication>>) -> Placed {
        let draft = &record.draft;
        let key = (draft.sender.user.clone(), draft.id.clone());
        if let Some(placed) = self.places.get(&key) {
            return Placed {
                repeat: Repeat::Again,
                ..*placed
            };
        }
        let offset = self.standing.head.next();
        self.standing.head = offset;
        let publication = Arc::new(record.clone().at_offset(offset));
        news.push(Arc::clone(&publication));
        self.publications.insert(offset, publication);
        let placed = Placed {
            offset,
            at: record.at,
            repeat: Repeat::First,
        };
        self.places.insert(key, placed);
        placed
    }

    fn read(&self, page: Page) -> Extract {
        let wanted = self.publications.values().filter(|held| {
            held.offset > page.after
                && held.offset <= page.through
                && (page.kind == Kind::Everything || matches!(held.draft.body, Body::Event(_)))
        });
        let publications = match page.order {
            Order::OldestFirst => wanted.take(page.limit).cloned().collect(),
            Order::NewestFirst => wanted.rev().take(page.limit).cloned().collect(),
        };
        Extract {
            standing: self.standing.clone(),
            publications,
        }
    }
}

fn partition(room: &RoomId) -> Partition {
    Partition(u16::try_from(room.as_str().len()).unwrap_or(0))
}

impl Broker for FakeBroker {
    fn probe(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async {
            let down = self.log.lock().down;
            match down {
                true => Err(BrokerError::unavailable("it is down")),
                false => Ok(()),
            }
        })
    }

    fn partition(&self, room: &RoomId) -> Partition {
        partition(room)
    }

    fn watch(&self, partition: Partition) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            self.log.lock().ears[self.ear].watched.insert(partition);
            Ok(())
        })
    }

    fn unwatch(&self, partition: Partition) {
        self.log.lock().ears[self.ear].watched.remove(&partition);
    }

    fn append<'a>(
        &'a self,
        channel: &'a Channel,
        known: &'a Standing,
        records: &'a [Record],
    ) -> BoxFuture<'a, Result<Appended, BrokerError>> {
        Box::pin(async move {
            // As a real one, it takes its time: other servers come in between.
            tokio::task::yield_now().await;
            self.log.lock().append(channel, known, records)
        })
    }

    fn read<'a>(
        &'a self,
        channel: &'a Channel,
        page: Page,
    ) -> BoxFuture<'a, Result<Extract, BrokerError>> {
        Box::pin(async move {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let extract = self.log.lock().channel(channel)?.read(page);
            tokio::task::yield_now().await;
            Ok(extract)
        })
    }

    fn renew<'a>(
        &'a self,
        channel: &'a Channel,
        lost: &'a Epoch,
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let mut log = self.log.lock();
            log.epochs += 1;
            let epoch = Epoch(format!("e{}", log.epochs).into());
            let standing = &mut log.channel(channel)?.standing;
            if standing.epoch == *lost {
                standing.epoch = epoch;
            }
            Ok(())
        })
    }

    fn tell<'a>(&'a self, hearsay: &'a [u8]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move { self.log.lock().tell(hearsay) })
    }
}
