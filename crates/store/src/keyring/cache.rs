//! The keys that were used last.

use std::{collections::HashMap, mem, sync::Arc, time::Instant};

use fanwave_wire::UserId;

use super::By;
use crate::{limits::KEYS_KNOWN_MAX, seal::Key};

/// Two halves: what is used comes into the recent one, and when that is full, it becomes the older one, whose rest goes.
#[derive(Default)]
pub(super) struct Cache {
    recent: Half,
    older: Half,
    /// How many keys were destroyed, as far as is known.
    destroyed: i64,
    looked: Option<Instant>,
    /// How often it was emptied.
    begun: u64,
}

#[derive(Default)]
struct Half {
    by_person: HashMap<UserId, Arc<Key>>,
    by_pseudonym: HashMap<UserId, Arc<Key>>,
}

impl Half {
    fn get(&self, by: By, name: &UserId) -> Option<&Arc<Key>> {
        match by {
            By::Person => self.by_person.get(name),
            By::Pseudonym => self.by_pseudonym.get(name),
        }
    }

    fn put(&mut self, key: Arc<Key>) {
        self.by_person.insert(key.person.clone(), Arc::clone(&key));
        self.by_pseudonym.insert(key.pseudonym.clone(), key);
    }
}

impl Cache {
    pub(super) fn get(&mut self, by: By, name: &UserId) -> Option<Arc<Key>> {
        if let Some(key) = self.recent.get(by, name) {
            return Some(Arc::clone(key));
        }
        let key = Arc::clone(self.older.get(by, name)?);
        self.keep(Arc::clone(&key));
        Some(key)
    }

    /// Which life of it this is: what was looked up in an earlier one is not kept.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    pub(super) fn put(&mut self, begun: u64, key: Arc<Key>) {
        if begun == self.begun {
            self.keep(key);
        }
    }

    fn keep(&mut self, key: Arc<Key>) {
        if self.recent.by_person.len() >= KEYS_KNOWN_MAX {
            self.older = mem::take(&mut self.recent);
        }
        self.recent.put(key);
    }

    pub(super) fn clear(&mut self) {
        self.recent = Half::default();
        self.older = Half::default();
        self.begun += 1;
    }

    /// So many keys were destroyed until now.
    pub(super) fn confirm(&mut self, destroyed: i64, now: Instant) {
        if self.destroyed != destroyed {
            self.clear();
            self.destroyed = destroyed;
        }
        self.looked = Some(now);
    }

    pub(super) fn looked(&self) -> Option<Instant> {
        self.looked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(person: &str) -> Arc<Key> {
        Arc::new(Key::new(UserId(person.into())).unwrap())
    }

    #[test]
    fn what_was_destroyed_is_remembered_by_nobody() {
        let mut cache = Cache::default();
        let mina = key("mina");
        let begun = cache.begun();
        cache.put(begun, Arc::clone(&mina));
        assert!(cache.get(By::Person, &mina.person).is_some());
        assert!(cache.get(By::Pseudonym, &mina.pseudonym).is_some());
        cache.confirm(0, Instant::now());
        assert!(cache.get(By::Person, &mina.person).is_some());
        cache.confirm(1, Instant::now());
        assert!(cache.get(By::Person, &mina.person).is_none());
        // Whoever has looked it up before, and comes late.
        cache.put(begun, Arc::clone(&mina));
        assert!(cache.get(By::Pseudonym, &mina.pseudonym).is_none());
    }

    #[test]
    fn so_many_are_remembered_and_the_last_used_are_among_them() {
        let mut cache = Cache::default();
        let used = key("used");
        cache.put(0, Arc::clone(&used));
        for number in 0..3 * KEYS_KNOWN_MAX {
            cache.put(0, key(&format!("fan-{number}")));
            if number % 1_000 == 0 {
                assert!(cache.get(By::Person, &used.person).is_some(), "{number}");
            }
        }
        let known = cache.recent.by_person.len() + cache.older.by_person.len();
        assert!(known <= 2 * KEYS_KNOWN_MAX, "{known}");
    }
}
