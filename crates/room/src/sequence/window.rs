//! The client message ids that a channel remembers, each with the place its message has.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use fanwave_wire::{Publication, UnixMillis};

use super::{Key, Taken, key_of, later};
use crate::limits::{DUPLICATE_WINDOW, DUPLICATES_MAX};

/// At most [`DUPLICATES_MAX`] ids, none much older than [`DUPLICATE_WINDOW`].
#[derive(Debug, Default)]
pub(super) struct Window {
    taken: BTreeMap<Key, Taken>,
    /// The same keys, oldest first.
    order: VecDeque<(UnixMillis, Key)>,
}

impl Window {
    /// Remembers a durable publication, and forgets the oldest when there is no room.
    pub(super) fn remember(&mut self, publication: &Arc<Publication>) {
        let key = key_of(&publication.draft);
        if self.taken.contains_key(&key) {
            return; // The first place of a message is its place.
        }
        let taken = Taken {
            offset: publication.offset,
            at: publication.at,
        };
        self.taken.insert(key.clone(), taken);
        self.order.push_back((publication.at, key));
        if self.order.len() > DUPLICATES_MAX {
            self.forget_oldest();
        }
    }

    /// Forgets what is older than the window.
    pub(super) fn forget(&mut self, now: UnixMillis) {
        while self.oldest_until().is_some_and(|until| until <= now) {
            self.forget_oldest();
        }
    }

    /// Until when the oldest is remembered.
    pub(super) fn oldest_until(&self) -> Option<UnixMillis> {
        self.order
            .front()
            .map(|(at, _)| later(*at, DUPLICATE_WINDOW))
    }

    /// The place of the message of this key, if it is remembered.
    pub(super) fn find(&self, key: &Key) -> Option<Taken> {
        self.taken.get(key).copied()
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.taken.remove(&key);
        }
    }
}
