//! Appending: a guess, and JetStream's word on it.
//!
//! 1. The index knows the newest entry, and so the next offset and what is a copy.
//! 2. The batch is written under the condition that this entry is the newest still. Of many servers that try, one wins.
//! 3. The others read what has come, and try again from there, not all at once.
//!
//! A head that is lower than one that was known is a loss only if the log says so in a write: a server of NATS that the
//! others have left behind may answer with an old state, but cannot write.

use std::time::Duration;

use fanwave_store::Standing;
use fanwave_wire::{
    Channel, Epoch, Lane, Offset,
    envelope::{Batch, Record},
};

use super::{
    Core,
    config::part,
    entry::{Body, Entry, Found},
    index::{Index, Newest},
    log::{Written, random},
    places::{Held, Place},
};
use crate::{
    clock::now,
    limits::{
        NATS_APPEND_ATTEMPTS_MAX, NATS_CONFLICT_DOUBLINGS_MAX, NATS_CONFLICT_WAIT, NATS_NEAR,
    },
    shared::{Appended, BrokerError},
};

/// What one attempt has come to.
enum Attempt {
    Done(Appended),
    /// Another server's entry is there, or what the index knows is too old to say.
    Lost(NextTime),
    /// What an entry with this mark would have come to; whether it is there is not known.
    Unknown(u64, Appended),
}

/// What is needed before the next attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NextTime {
    /// To look at the log.
    Look,
    /// To let others pass, and to look.
    Wait,
}

impl Core {
    /// See [`Broker::append`](crate::shared::Broker::append).
    pub(super) async fn append(
        &self,
        channel: &Channel,
        known: &Standing,
        records: &[Record],
    ) -> Result<Appended, BrokerError> {
        self.log.ready().await?;
        let place = self.places.of(channel);
        let mut held = place.held.lock().await;
        let mut conflicts = 0;
        let mut unknown: Vec<(u64, Appended)> = Vec::new();
        for _ in 0..NATS_APPEND_ATTEMPTS_MAX {
            let mut looked = false;
            let interruptions = self.log.interruptions();
            let trusted = |held: &Held| held.looked == Some(interruptions);
            if !held.as_ref().is_some_and(trusted) {
                let news = self.look(channel, &place, &mut held).await?;
                // What was not answered may have been written all the same.
                if let Some(at) = unknown.iter().position(|(mark, _)| news.contains(mark)) {
                    return Ok(unknown.swap_remove(at).1);
                }
                looked = true;
            }
            let Some(held) = held.as_mut() else { continue };
            self.complete(channel, &mut held.index).await?;
            let attempt = self.attempt(channel, known, records, (held, looked));
            match attempt.await? {
                Attempt::Done(appended) => {
                    place.see(held.index.newest().place);
                    return Ok(appended);
                }
                Attempt::Unknown(mark, appended) => {
                    held.looked = None;
                    unknown.push((mark, appended));
                }
                Attempt::Lost(next) => {
                    held.looked = None;
                    if next == NextTime::Wait {
                        conflicts += 1;
                        let_others_pass(conflicts).await;
                    }
                }
            }
        }
        Err(BrokerError::unavailable(
            "too many servers write to the channel at once",
        ))
    }

    /// One attempt with what the index knows; `looked` says whether that was read from the log just now.
    async fn attempt(
        &self,
        channel: &Channel,
        known: &Standing,
        records: &[Record],
        (held, looked): (&mut Held, bool),
    ) -> Result<Attempt, BrokerError> {
        let index = &mut held.index;
        let Newest { standing, .. } = index.newest().clone();
        if standing.epoch == known.epoch && standing.head < known.head {
            if !looked {
                return Ok(Attempt::Lost(NextTime::Look));
            }
            return Ok(match self.stand(channel, index, standing).await? {
                Written::At(_) => Attempt::Done(Appended::Lost),
                Written::Moved | Written::Unknown => Attempt::Lost(NextTime::Wait),
            });
        }
        let plan = index.plan(random()?, channel, records);
        let stored = Appended::Stored {
            epoch: standing.epoch,
            placed: plan.placed,
        };
        let Some(entry) = plan.entry else {
            // Copies of what the log has: that it still has it, only the log can say.
            return Ok(if looked {
                Attempt::Done(stored)
            } else {
                Attempt::Lost(NextTime::Look)
            });
        };
        let mark = entry.mark;
        Ok(match self.put(channel, index, entry).await? {
            Written::At(_) => Attempt::Done(stored),
            Written::Moved => Attempt::Lost(NextTime::Wait),
            Written::Unknown => Attempt::Unknown(mark, stored),
        })
    }

    /// See [`Broker::renew`](crate::shared::Broker::renew).
    pub(super) async fn renew(&self, channel: &Channel, lost: &Epoch) -> Result<(), BrokerError> {
        self.log.ready().await?;
        let place = self.places.of(channel);
        let mut held = place.held.lock().await;
        for attempt in 0..NATS_APPEND_ATTEMPTS_MAX {
            self.look(channel, &place, &mut held).await?;
            let Some(index) = held.as_mut().map(|held| &mut held.index) else {
                continue;
            };
            let Standing { epoch, head } = index.newest().standing.clone();
            if epoch != *lost {
                return Ok(());
            }
            let standing = Standing {
                epoch: new_epoch()?,
                head: head.max(self.reach(channel).await?),
            };
            if let Written::At(newest) = self.stand(channel, index, standing).await? {
                place.see_again(newest);
                // It may hold messages that are lost.
                *held = None;
                return Ok(());
            }
            let_others_pass(attempt).await;
        }
        Err(BrokerError::unavailable(
            "too many servers write to the channel at once",
        ))
    }

    /// Something was added to a channel: whoever appends next need not look.
    pub(super) fn hear(&self, channel: &Channel, found: &Found) {
        let Some(place) = self.places.known(channel) else {
            return;
        };
        place.see(found.place);
        let Ok(mut held) = place.held.try_lock() else {
            return; // Somebody is appending, and will be told by the log.
        };
        if let Some(Held { index, .. }) = held.as_mut() {
            let Newest {
                place, standing, ..
            } = index.newest();
            if found.follows() == Some(*place) && standing.epoch == found.entry.standing().epoch {
                index.extend(now(), found);
            }
        }
    }

    /// Brings an index to the newest entry of the log, or begins one; begins the channel, where there is none.
    ///
    /// Answers with the marks of the entries that have come.
    async fn look(
        &self,
        channel: &Channel,
        place: &Place,
        held: &mut Option<Held>,
    ) -> Result<Vec<u64>, BrokerError> {
        let looked = Some(self.log.interruptions());
        let newest = match self.log.newest(channel).await? {
            Some(newest) => newest,
            None => match self.begin(channel, place).await? {
                Some(begun) => begun,
                None => {
                    *held = None;
                    return Ok(Vec::new());
                }
            },
        };
        if let Some(held) = held
            && held.index.newest().standing.epoch == newest.entry.standing().epoch
        {
            let Newest { place, mark, .. } = *held.index.newest();
            let last = newest.last;
            let limit = usize::try_from(NATS_NEAR).unwrap_or(usize::MAX);
            let since = self.since(channel, newest.clone(), Some((place, mark)), limit);
            if let Some(news) = since.await? {
                for found in news.iter().rev() {
                    held.index.extend(now(), found);
                }
                held.index.see_last(last);
                held.looked = looked;
                return Ok(news.iter().map(|found| found.entry.mark).collect());
            }
        }
        let marks = vec![newest.entry.mark];
        let index = Index::begin(channel.lane, self.secret, &newest);
        *held = Some(Held { index, looked });
        Ok(marks)
    }

    /// The entries that have come after a known one, newest first.
    ///
    /// `None`, when the log does not lead back to that one, or not within `limit` entries.
    pub(super) async fn since(
        &self,
        channel: &Channel,
        newest: Found,
        known: Option<(u64, u64)>,
        limit: usize,
    ) -> Result<Option<Vec<Found>>, BrokerError> {
        let Some((place, mark)) = known else {
            return Ok(None);
        };
        let mut unread = newest.entry.previous.clone();
        let mut read = vec![newest];
        let mut news = Vec::new();
        while !read.is_empty() && news.len() <= limit {
            for found in read {
                if found.place <= place {
                    let connected = found.place == place && found.entry.mark == mark;
                    return Ok(connected.then_some(news));
                }
                news.push(found);
            }
            read = self.log.back(channel, &mut unread).await?;
        }
        Ok(None)
    }

    /// Reads back what an index needs to recognise copies. What has been read stays, if the caller loses patience.
    async fn complete(&self, channel: &Channel, index: &mut Index) -> Result<(), BrokerError> {
        while !index.unread().is_empty() {
            let mut unread = index.unread().to_vec();
            let read = self.log.back(channel, &mut unread).await?;
            index.complete(now(), &read, unread);
        }
        Ok(())
    }

    /// Begins a channel of which there is nothing; `None`, when another server has done so just now.
    pub(super) async fn begin(
        &self,
        channel: &Channel,
        place: &Place,
    ) -> Result<Option<Found>, BrokerError> {
        let entry = Entry {
            mark: random()?,
            previous: Vec::new(),
            body: Body::Standing(Standing {
                epoch: new_epoch()?,
                head: self.reach(channel).await?,
            }),
        };
        match self.log.write(channel, &entry, 0).await? {
            Written::Moved | Written::Unknown => Ok(None),
            Written::At(begun) => {
                place.see_again(begun);
                Ok(Some(Found {
                    place: begun,
                    last: begun,
                    entry,
                }))
            }
        }
    }

    /// Writes down where a channel stands, behind the newest entry that an index knows.
    async fn stand(
        &self,
        channel: &Channel,
        index: &mut Index,
        standing: Standing,
    ) -> Result<Written, BrokerError> {
        let entry = Entry {
            mark: random()?,
            previous: index.newest().trail.clone(),
            body: Body::Standing(standing),
        };
        self.put(channel, index, entry).await
    }

    async fn put(
        &self,
        channel: &Channel,
        index: &mut Index,
        entry: Entry,
    ) -> Result<Written, BrokerError> {
        let written = self.log.write(channel, &entry, index.newest().last);
        let written = written.await?;
        if let Written::At(place) = written {
            let last = place;
            index.extend(now(), &Found { place, last, entry });
        }
        Ok(written)
    }

    /// Behind which offset a channel begins anew: deletions of what is gone must not hit what is said later.
    async fn reach(&self, channel: &Channel) -> Result<Offset, BrokerError> {
        match channel.lane {
            Lane::Chat => Ok(self.erased(&channel.room).await?.reach()),
            Lane::Room | Lane::Staff | Lane::Vote => Ok(Offset(0)),
        }
    }
}

/// What an entry says to those who watch, and of which channel it is.
pub(super) fn told(found: &Found) -> Option<&Batch> {
    match &found.entry.body {
        Body::Batch(batch) => Some(batch),
        Body::Standing(_) => None,
    }
}

/// Waits for a moment that grows with every conflict, another one on each server.
async fn let_others_pass(conflicts: u32) {
    let longest: Duration = NATS_CONFLICT_WAIT * (1 << conflicts.min(NATS_CONFLICT_DOUBLINGS_MAX));
    // The first to try again is usually alone.
    if conflicts > 1 {
        tokio::time::sleep(part(longest)).await;
    }
}

fn new_epoch() -> Result<Epoch, BrokerError> {
    Ok(Epoch(format!("{:016x}", random()?).into()))
}
