//! Which connections a user has on a reactor: for what concerns one user only.
//!
//! A table of the connections' places, hashed by their user: 4 bytes a place and 1 of the table's own, at most seven
//! eighths full. The users' names are where they are anyhow, in the connections.

use std::hash::{BuildHasher, RandomState};

use fanwave_wire::UserId;
use hashbrown::HashTable;
use slab::Slab;

use super::connection::Connection;

/// The table; see the module.
#[derive(Debug, Default)]
pub(crate) struct ByUser {
    places: HashTable<u32>,
    hasher: RandomState,
}

impl ByUser {
    /// A connection has got its identity.
    pub(crate) fn insert(&mut self, connections: &Slab<Connection>, index: usize) {
        let Some(user) = user_at(connections, index) else {
            return;
        };
        let place = u32::try_from(index).unwrap_or(u32::MAX);
        let hash = self.hasher.hash_one(user);
        let hasher = &self.hasher;
        self.places.insert_unique(hash, place, |place| {
            // Whoever is in the table has an identity.
            user_at(connections, *place as usize).map_or(0, |user| hasher.hash_one(user))
        });
    }

    /// A connection is about to go.
    pub(crate) fn remove(&mut self, connections: &Slab<Connection>, index: usize) {
        let Some(user) = user_at(connections, index) else {
            return;
        };
        let hash = self.hasher.hash_one(user);
        let found = self
            .places
            .find_entry(hash, |place| *place as usize == index);
        if let Ok(entry) = found {
            entry.remove();
        }
    }

    /// The places of a user's connections.
    pub(crate) fn of(&self, connections: &Slab<Connection>, wanted: &UserId) -> Vec<usize> {
        let hash = self.hasher.hash_one(wanted);
        let places = self.places.iter_hash(hash).map(|place| *place as usize);
        places
            .filter(|index| user_at(connections, *index) == Some(wanted))
            .collect()
    }
}

fn user_at(connections: &Slab<Connection>, index: usize) -> Option<&UserId> {
    let identity = connections.get(index)?.identity.as_ref()?;
    Some(identity.user())
}
