//! How many connections, and how many people, each channel has.
//!
//! Exact counts, never a list: a room of 100,000 must not send 100,000 names to anybody. One person with three tabs is
//! three clients and one user. The gateway tells it of every subscription that begins and ends; its own limit on
//! connections bounds what is kept here.

use std::collections::{BTreeMap, btree_map::Entry};

use fanwave_wire::{Channel, UserId};

/// The counts of one node. A user of a channel takes about 40 bytes beside the shared id.
#[derive(Debug, Default)]
pub struct Presence {
    channels: BTreeMap<Channel, Audience>,
}

#[derive(Debug, Default)]
struct Audience {
    clients: usize,
    clients_by_user: BTreeMap<UserId, u32>,
}

/// How many there are, as the client protocol's presence statistics name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Subscribed connections.
    pub num_clients: usize,
    /// Different users among them.
    pub num_users: usize,
}

/// Who came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// A user who was not there.
    NewUser,
    /// One more connection of a user who is there.
    OneMore,
}

/// Who went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The last connection of the user.
    LastOfUser,
    /// The user is still there on another connection.
    OneLess,
    /// The user had no connection here; nothing was counted.
    WasNotThere,
}

impl Presence {
    /// Nobody anywhere.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A connection of `user` begins its subscription of `channel`.
    pub fn join(&mut self, channel: &Channel, user: &UserId) -> Joined {
        let audience = match self.channels.get_mut(channel) {
            Some(audience) => audience,
            None => self.channels.entry(channel.clone()).or_default(),
        };
        audience.clients += 1;
        match audience.clients_by_user.entry(user.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(1);
                Joined::NewUser
            }
            Entry::Occupied(mut entry) => {
                *entry.get_mut() += 1;
                Joined::OneMore
            }
        }
    }

    /// A connection of `user` ends its subscription of `channel`. An empty channel is forgotten.
    pub fn leave(&mut self, channel: &Channel, user: &UserId) -> Left {
        let Some(audience) = self.channels.get_mut(channel) else {
            return Left::WasNotThere;
        };
        let Some(clients) = audience.clients_by_user.get_mut(user) else {
            return Left::WasNotThere;
        };
        *clients -= 1;
        audience.clients -= 1;
        if *clients > 0 {
            return Left::OneLess;
        }
        audience.clients_by_user.remove(user);
        if audience.clients_by_user.is_empty() {
            assert_eq!(
                audience.clients, 0,
                "connections are counted once per user and once in all"
            );
            self.channels.remove(channel);
        }
        Left::LastOfUser
    }

    /// How many are there now.
    #[must_use]
    pub fn stats(&self, channel: &Channel) -> Stats {
        self.channels
            .get(channel)
            .map_or_else(Stats::default, |audience| Stats {
                num_clients: audience.clients,
                num_users: audience.clients_by_user.len(),
            })
    }

    /// The channels that have anybody, in order.
    pub fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.keys()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn channel(index: u8) -> Channel {
        format!("chat:{index}").parse().unwrap()
    }

    fn user(index: u8) -> UserId {
        UserId(format!("user-{index}").into())
    }

    #[test]
    fn three_tabs_are_three_clients_and_one_user() {
        let mut presence = Presence::new();
        assert_eq!(presence.join(&channel(0), &user(0)), Joined::NewUser);
        assert_eq!(presence.join(&channel(0), &user(0)), Joined::OneMore);
        assert_eq!(presence.join(&channel(0), &user(0)), Joined::OneMore);
        assert_eq!(
            presence.stats(&channel(0)),
            Stats {
                num_clients: 3,
                num_users: 1
            }
        );
        assert_eq!(presence.leave(&channel(0), &user(0)), Left::OneLess);
        assert_eq!(
            presence.stats(&channel(0)),
            Stats {
                num_clients: 2,
                num_users: 1
            }
        );
    }

    #[test]
    fn who_was_not_there_does_not_leave() {
        let mut presence = Presence::new();
        assert_eq!(presence.leave(&channel(0), &user(0)), Left::WasNotThere);
        presence.join(&channel(0), &user(0));
        assert_eq!(presence.leave(&channel(0), &user(1)), Left::WasNotThere);
        assert_eq!(presence.leave(&channel(1), &user(0)), Left::WasNotThere);
        assert_eq!(
            presence.stats(&channel(0)),
            Stats {
                num_clients: 1,
                num_users: 1
            }
        );
    }

    proptest! {
        /// The counts are those of a plain list of who is subscribed to what, and nothing is kept for empty channels.
        #[test]
        fn counts_match_a_plain_list(moves in prop::collection::vec((any::<bool>(), 0u8..3, 0u8..4), 0..200)) {
            let mut presence = Presence::new();
            let mut list: Vec<(u8, u8)> = Vec::new();
            for (joins, c, u) in moves {
                let there = list.iter().filter(|entry| **entry == (c, u)).count();
                if joins {
                    let expected = if there == 0 { Joined::NewUser } else { Joined::OneMore };
                    prop_assert_eq!(presence.join(&channel(c), &user(u)), expected);
                    list.push((c, u));
                } else {
                    let expected = match there { 0 => Left::WasNotThere, 1 => Left::LastOfUser, _ => Left::OneLess };
                    prop_assert_eq!(presence.leave(&channel(c), &user(u)), expected);
                    if let Some(index) = list.iter().position(|entry| *entry == (c, u)) {
                        list.swap_remove(index);
                    }
                }
                for c in 0..3 {
                    let here: Vec<u8> = list.iter().filter(|entry| entry.0 == c).map(|entry| entry.1).collect();
                    let users: BTreeSet<u8> = here.iter().copied().collect();
                    let expected = Stats { num_clients: here.len(), num_users: users.len() };
                    prop_assert_eq!(presence.stats(&channel(c)), expected);
                }
                let occupied: BTreeSet<Channel> = list.iter().map(|entry| channel(entry.0)).collect();
                prop_assert_eq!(presence.channels().cloned().collect::<BTreeSet<_>>(), occupied);
            }
        }
    }
}
