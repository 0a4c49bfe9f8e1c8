//! What a server remembers of the channels it has had to do with lately; all of it can be read back.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use fanwave_wire::Channel;
use tokio::sync::Mutex;

use super::{erased::Erased, index::Index};
use crate::limits::NATS_PLACES_MAX;

/// All such channels, at most [`NATS_PLACES_MAX`] that are not in use this moment.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: std::sync::Mutex<HashMap<Channel, Arc<Place>>>,
    uses: AtomicU64,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// What is known of its log to append to it. Whoever appends keeps the lock.
    pub(super) held: Mutex<Option<Held>>,
    /// Of a `room` lane: what its events have deleted.
    pub(super) erased: Mutex<KnownErased>,
    /// The place of the newest entry that is known to have been there.
    seen: AtomicU64,
    used: AtomicU64,
}

/// An index, and how far it can be trusted.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) index: Index,
    /// How often something could have happened unheard when its newest entry was looked at; `None` when it was refused.
    pub(super) looked: Option<u64>,
}

/// Deletions, up to an entry.
#[derive(Debug, Default)]
pub(super) struct KnownErased {
    pub(super) erased: Arc<Erased>,
    /// Place and mark of the entry.
    pub(super) through: Option<(u64, u64)>,
}

impl Places {
    /// What is remembered of a channel, to be added to.
    pub(super) fn of(&self, channel: &Channel) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let use_number = self.uses.fetch_add(1, Ordering::Relaxed);
        let place = if let Some(place) = places.get(channel) {
            Arc::clone(place)
        } else {
            if places.len() >= NATS_PLACES_MAX {
                forget_one(&mut places);
            }
            let place = Arc::<Place>::default();
            places.insert(channel.clone(), Arc::clone(&place));
            place
        };
        place.used.store(use_number, Ordering::Relaxed);
        place
    }

    /// What is remembered of a channel, if anything is.
    pub(super) fn known(&self, channel: &Channel) -> Option<Arc<Place>> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(channel).cloned()
    }
}

/// Forgets the one unused for longest; whoever is using one goes on with it.
fn forget_one(places: &mut HashMap<Channel, Arc<Place>>) {
    let unused = places
        .iter()
        .filter(|(_, place)| Arc::strong_count(place) == 1);
    let oldest = unused.min_by_key(|(_, place)| place.used.load(Ordering::Relaxed));
    if let Some(channel) = oldest.map(|(channel, _)| channel.clone()) {
        places.remove(&channel);
    }
}

impl Place {
    /// The place of the newest entry that is known to have been there.
    pub(super) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Acquire)
    }

    /// An entry has been seen.
    pub(super) fn see(&self, place: u64) {
        self.seen.fetch_max(place, Ordering::AcqRel);
    }

    /// The newest entry is this one, for certain.
    pub(super) fn see_again(&self, place: u64) {
        self.seen.store(place, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_is_forgotten() {
        let places = Places::default();
        let lane = |number: usize| -> Channel { format!("chat:{number}").parse().unwrap() };
        let in_use = places.of(&lane(0));
        for number in 1..=NATS_PLACES_MAX {
            places.of(&lane(number)).see(1);
            if number == 1 {
                in_use.see(7);
            }
        }
        places.of(&lane(2));
        places.of(&lane(NATS_PLACES_MAX + 1));
        assert_eq!(places.known(&lane(0)).unwrap().seen(), 7, "it is in use");
        assert!(places.known(&lane(2)).is_some(), "it was used again");
        assert!(places.known(&lane(1)).is_none());
        assert!(places.known(&lane(3)).is_none());
    }
}
