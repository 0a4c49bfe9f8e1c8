//! The messages of a channel that are not durable yet, in order, and the senders who wait for them.

use std::collections::{BTreeMap, VecDeque};

use fanwave_wire::{Draft, UnixMillis};

use super::{Key, Repeat, Ticket, key_of};
use crate::limits::PENDING_MAX;

/// At most [`PENDING_MAX`] messages, and as many senders.
#[derive(Debug, Default)]
pub(super) struct Pending {
    entries: VecDeque<Entry>,
    /// Serial number of the first entry; the others count on from there.
    first_serial: u64,
    serials: BTreeMap<Key, u64>,
    /// Tickets over all entries.
    waiting: usize,
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) draft: Draft,
    /// When it came.
    pub(super) at: UnixMillis,
    /// Everybody who sent it and waits; empty once they have been told not to.
    pub(super) tickets: Vec<(Ticket, Repeat)>,
}

/// Whether a sender may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    Waits,
    Full,
}

impl Pending {
    /// Puts a ticket to the message of this key, which is `entry` if it is not on its way already.
    pub(super) fn join(&mut self, key: Key, ticket: Ticket, entry: Entry) -> Join {
        if self.waiting >= PENDING_MAX {
            return Join::Full;
        }
        let known = self.serials.get(&key).copied();
        if known.is_none() {
            if self.entries.len() >= PENDING_MAX {
                return Join::Full;
            }
            self.serials
                .insert(key, self.first_serial + self.entries.len() as u64);
            self.entries.push_back(entry);
        }
        let index = known.map_or(self.entries.len() - 1, |serial| self.index_of(serial));
        let repeat = if known.is_some() {
            Repeat::Again
        } else {
            Repeat::First
        };
        self.entries[index].tickets.push((ticket, repeat));
        self.waiting += 1;
        Join::Waits
    }

    /// Takes the first message out.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.first_serial += 1;
        self.serials.remove(&key_of(&entry.draft));
        self.waiting -= entry.tickets.len();
        Some(entry)
    }

    /// Puts messages that were taken out back before all others.
    pub(super) fn put_back(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().rev() {
            // Each was taken out before, which moved the number one further.
            self.first_serial -= 1;
            self.serials.insert(key_of(&entry.draft), self.first_serial);
            self.waiting += entry.tickets.len();
            self.entries.push_front(entry);
        }
    }

    /// Takes all tickets, and forgets the messages behind the first `kept`.
    pub(super) fn dismiss(&mut self, kept: usize) -> Vec<(Ticket, Repeat)> {
        let mut tickets = Vec::with_capacity(self.waiting);
        for entry in &mut self.entries {
            tickets.append(&mut entry.tickets);
        }
        for entry in self.entries.drain(kept..) {
            self.serials.remove(&key_of(&entry.draft));
        }
        self.waiting = 0;
        tickets
    }

    /// The messages, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// How many messages.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many senders.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    fn index_of(&self, serial: u64) -> usize {
        usize::try_from(serial - self.first_serial).expect("as many entries as memory holds")
    }
}
