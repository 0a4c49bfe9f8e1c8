//! What one node has to say in one channel: gathered for a tick, handed to the broker as one append at a time.
//!
//! While an append is out, what comes gathers for the next one, which begins a tick after this one began at the
//! earliest: however much is said, a node writes to a channel once a tick. In a channel where nobody has spoken for a
//! tick, nothing waits.
//!
//! The broker knows what was said before. Here only copies of what is on its way are put together.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use fanwave_room::{
    limits::{APPEND_BATCH_MAX, PENDING_MAX},
    sequence::{Repeat, Ticket},
};
use fanwave_wire::{ClientMessageId, Draft, UnixMillis, UserId, envelope::Record};

use super::{broker::Placed, later};

/// What makes two submissions the same message.
type Key = (UserId, ClientMessageId);

/// At most [`PENDING_MAX`] messages, and as many senders.
#[derive(Debug)]
pub(super) struct Outbox {
    tick: Duration,
    /// In order; the first `out` of them are at the broker.
    queue: VecDeque<Pending>,
    out: usize,
    /// Serial number of the first entry; the others count on from there.
    first_serial: u64,
    serials: BTreeMap<Key, u64>,
    /// Tickets over all entries.
    waiting: usize,
    /// When the tick of the latest append ends.
    tick_ends: UnixMillis,
}

#[derive(Debug)]
struct Pending {
    record: Record,
    tickets: Vec<(Ticket, Repeat)>,
}

/// A message that has its place, and who waits to hear of it.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) record: Record,
    pub(super) placed: Placed,
    pub(super) tickets: Vec<(Ticket, Repeat)>,
}

/// Whether a sender may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    Waits,
    Full,
}

impl Outbox {
    /// Nothing is to be said yet.
    pub(super) fn new(tick: Duration) -> Self {
        Self {
            tick,
            queue: VecDeque::new(),
            out: 0,
            first_serial: 0,
            serials: BTreeMap::new(),
            waiting: 0,
            tick_ends: UnixMillis(0),
        }
    }

    /// Takes a message.
    pub(super) fn submit(&mut self, now: UnixMillis, ticket: Ticket, draft: Draft) -> Joined {
        if self.waiting >= PENDING_MAX {
            return Joined::Full;
        }
        let key = (draft.sender.user.clone(), draft.id.clone());
        let known = self.serials.get(&key).copied();
        let index = match known {
            Some(serial) => usize::try_from(serial - self.first_serial).ok(),
            None => {
                let serial = self.first_serial + self.queue.len() as u64;
                self.serials.insert(key, serial);
                self.queue.push_back(Pending {
                    record: Record { at: now, draft },
                    tickets: Vec::new(),
                });
                Some(self.queue.len() - 1)
            }
        };
        let entry = index.and_then(|index| self.queue.get_mut(index));
        let entry = entry.expect("a serial number is that of an entry");
        let repeat = match known {
            Some(_) => Repeat::Again,
            None => Repeat::First,
        };
        entry.tickets.push((ticket, repeat));
        self.waiting += 1;
        Joined::Waits
    }

    /// The next append, when it is time for one.
    pub(super) fn hand_out(&mut self, now: UnixMillis) -> Option<Vec<Record>> {
        if self.deadline(now).is_none_or(|due| due > now) {
            return None;
        }
        self.out = self.queue.len().min(APPEND_BATCH_MAX);
        self.tick_ends = later(now, self.tick);
        let batch = self.queue.iter().take(self.out);
        Some(batch.map(|pending| pending.record.clone()).collect())
    }

    /// When the next append is due.
    pub(super) fn deadline(&self, now: UnixMillis) -> Option<UnixMillis> {
        let waits = self.out == 0 && !self.queue.is_empty();
        // A full append does not wait: nothing more would come with it. A clock that was set back must not make it wait.
        let due = match self.queue.len() {
            APPEND_BATCH_MAX.. => now,
            _ => self.tick_ends.min(later(now, self.tick)),
        };
        waits.then_some(due)
    }

    /// The append that is out was stored.
    ///
    /// # Panics
    ///
    /// When it has another number of places than records.
    pub(super) fn stored(&mut self, placed: &[Placed]) -> Vec<Sent> {
        assert_eq!(placed.len(), self.out, "every record has a place");
        self.out = 0;
        let sent = placed.iter().filter_map(|placed| {
            let Pending { record, tickets } = self.pop()?;
            Some(Sent {
                record,
                placed: *placed,
                tickets,
            })
        });
        sent.collect()
    }

    /// The append that is out was not stored, or nothing can be: all who wait are to be told.
    ///
    /// What is behind it would only meet the same.
    pub(super) fn failed(&mut self) -> Vec<Ticket> {
        self.out = 0;
        self.first_serial += self.queue.len() as u64;
        self.serials.clear();
        self.waiting = 0;
        let tickets = self.queue.drain(..).flat_map(|pending| pending.tickets);
        tickets.map(|(ticket, _)| ticket).collect()
    }

    /// Whether nobody waits.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    fn pop(&mut self) -> Option<Pending> {
        let pending = self.queue.pop_front()?;
        self.first_serial += 1;
        self.waiting -= pending.tickets.len();
        let Draft { id, sender, .. } = &pending.record.draft;
        self.serials.remove(&(sender.user.clone(), id.clone()));
        Some(pending)
    }
}

#[cfg(test)]
mod tests;
