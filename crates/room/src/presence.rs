//! How many connections, and how many people, each channel has; who they are, a page at a time.
//!
//! Exact counts, never the whole list: a room of 100,000 must not send 100,000 names to anybody. One person with three
//! tabs is three clients and one user. Who wants to know who is there reads [`Audience::page`] after page, in the order
//! of the user ids. Who comes and goes is told only while a room is small ([`Telling`]): each coming would otherwise be
//! a message to everybody, and everybody a message to each.
//!
//! [`Audience`] is one channel, [`Presence`] all channels of one node. The gateway tells of every subscription that
//! begins and ends; its own limit on connections bounds what is kept here.

use std::collections::BTreeMap;

use fanwave_wire::{Channel, UserId, limits::PRESENCE_PAGE_MAX};

use self::roll::Roll;
use crate::limits::{TOLD_AGAIN_USERS, TOLD_USERS_MAX};

mod roll;

/// The counts of one node, by channel.
#[derive(Debug, Default)]
pub struct Presence {
    channels: BTreeMap<Channel, Audience>,
}

/// Who follows one channel. A user with one connection, as nearly all are, takes 17 to 20 bytes beside the shared id.
#[derive(Debug, Default)]
pub struct Audience {
    clients: usize,
    users: Roll,
    /// Of those users who have more connections than one, how many more.
    further_clients: BTreeMap<UserId, u32>,
    telling: Telling,
}

/// How many there are, as the client protocol's presence statistics name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Subscribed connections.
    pub num_clients: usize,
    /// Different users among them.
    pub num_users: usize,
}

/// Whether the room is told who comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Telling {
    /// It is small: everybody is told of each.
    #[default]
    Each,
    /// It has had more than [`TOLD_USERS_MAX`] users, and since then never less than [`TOLD_AGAIN_USERS`]: nobody is
    /// told. Whoever kept a list reads it anew when they are told again.
    Nobody,
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

/// Some of those who are there, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Each with the number of their connections.
    pub users: Vec<(UserId, u32)>,
    /// Where the next page begins, if there is one: give it as `after`.
    pub next: Option<UserId>,
}

impl Audience {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A connection of `user` comes. Whether others are to be told says [`Audience::telling`], afterwards.
    pub fn join(&mut self, user: &UserId) -> Joined {
        self.clients += 1;
        if !self.users.insert(user) {
            *self.further_clients.entry(user.clone()).or_default() += 1;
            return Joined::OneMore;
        }
        if self.users.len() > TOLD_USERS_MAX {
            self.telling = Telling::Nobody;
        }
        Joined::NewUser
    }

    /// A connection of `user` goes.
    pub fn leave(&mut self, user: &UserId) -> Left {
        if let Some(further) = self.further_clients.get_mut(user) {
            *further -= 1;
            if *further == 0 {
                self.further_clients.remove(user);
            }
            self.clients -= 1;
            return Left::OneLess;
        }
        if !self.users.remove(user) {
            return Left::WasNotThere;
        }
        self.clients -= 1;
        if self.users.len() < TOLD_AGAIN_USERS {
            self.telling = Telling::Each;
        }
        assert!(
            self.clients >= self.users.len(),
            "every user has a connection"
        );
        Left::LastOfUser
    }

    /// How many are there now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            num_clients: self.clients,
            num_users: self.users.len(),
        }
    }

    /// Whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.len() == 0
    }

    /// Whether the others are told who comes and goes.
    #[must_use]
    pub fn telling(&self) -> Telling {
        self.telling
    }

    /// The users behind `after`, from the beginning without one: at most `limit` of them, and never more than
    /// [`PRESENCE_PAGE_MAX`]. `after` need not be there any more.
    #[must_use]
    pub fn page(&self, after: Option<&UserId>, limit: usize) -> Page {
        let clients = |user| 1 + self.further_clients.get(user).copied().unwrap_or_default();
        let mut rest = self
            .users
            .behind(after)
            .map(|user| (user.clone(), clients(user)));
        let users: Vec<_> = rest.by_ref().take(limit.min(PRESENCE_PAGE_MAX)).collect();
        let last = users.last().map(|(user, _)| user.clone());
        let next = rest.next().and(last);
        Page { users, next }
    }
}

impl Presence {
    /// Nobody anywhere.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A connection of `user` begins its subscription of `channel`.
    pub fn join(&mut self, channel: &Channel, user: &UserId) -> Joined {
        match self.channels.get_mut(channel) {
            Some(audience) => audience.join(user),
            None => self.channels.entry(channel.clone()).or_default().join(user),
        }
    }

    /// A connection of `user` ends its subscription of `channel`. An empty channel is forgotten.
    pub fn leave(&mut self, channel: &Channel, user: &UserId) -> Left {
        let Some(audience) = self.channels.get_mut(channel) else {
            return Left::WasNotThere;
        };
        let left = audience.leave(user);
        if audience.is_empty() {
            self.channels.remove(channel);
        }
        left
    }

    /// Who follows a channel, if anybody does.
    #[must_use]
    pub fn audience(&self, channel: &Channel) -> Option<&Audience> {
        self.channels.get(channel)
    }

    /// How many are there now.
    #[must_use]
    pub fn stats(&self, channel: &Channel) -> Stats {
        self.audience(channel)
            .map_or_else(Stats::default, Audience::stats)
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

    #[test]
    fn who_comes_and_goes_is_told_while_the_room_is_small() {
        let mut audience = Audience::new();
        let user = |index: usize| UserId(format!("user-{index:03}").into());
        for index in 0..TOLD_USERS_MAX {
            audience.join(&user(index));
            assert_eq!(audience.telling(), Telling::Each);
        }
        audience.join(&user(0));
        assert_eq!(audience.telling(), Telling::Each, "a tab is not a user");
        audience.join(&user(TOLD_USERS_MAX));
        for index in (TOLD_AGAIN_USERS..=TOLD_USERS_MAX).rev() {
            assert_eq!(audience.telling(), Telling::Nobody);
            audience.leave(&user(index));
        }
        assert_eq!(audience.telling(), Telling::Nobody);
        audience.leave(&user(1));
        assert_eq!(audience.telling(), Telling::Each);
    }

    proptest! {
        /// Pages that follow one another are all users, each once, in order, whatever their size.
        #[test]
        fn pages_make_the_list(users in prop::collection::btree_set(0u8..=255, 0..250), limit in 1usize..150) {
            let mut audience = Audience::new();
            for index in &users {
                audience.join(&user(*index));
            }
            let mut read = Vec::new();
            let mut after = None;
            loop {
                let page = audience.page(after.as_ref(), limit);
                prop_assert!(page.users.len() <= limit.min(PRESENCE_PAGE_MAX));
                read.extend(page.users.into_iter().map(|(user, _)| user));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let expected: BTreeSet<UserId> = users.iter().map(|index| user(*index)).collect();
            prop_assert_eq!(read, expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_page_goes_on_behind_one_who_has_left() {
        let mut audience = Audience::new();
        for index in [1, 3, 5] {
            audience.join(&user(index));
        }
        let page = audience.page(Some(&user(2)), 1);
        assert_eq!(page.users, [(user(3), 1)]);
        assert_eq!(page.next, Some(user(3)));
        assert_eq!(audience.page(Some(&user(5)), 1), Page::default());
        assert_eq!(audience.page(None, 0).users, []);
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
