//! Who is of the sample: a draw by lot that every node holds alike, and in which nobody gains by sending more.
//!
//! Each sender draws a lot for the tick, and each message one among those of its sender. All first messages come before
//! all second ones, within these the lots of the senders decide: this is max-min fairness with one seat a message. A
//! sender's lot depends on nothing that fans choose, and on the offset at which the tick began, which they cannot know:
//! so nobody can pick an id, or a moment, that wins.

use std::{hash::Hasher as _, sync::Arc};

use fanwave_wire::{Offset, Publication, RoomId, UserId};
use siphasher::sip::SipHasher13;

use super::Fate;

/// The hash key of one room: the same on every node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key(u64, u64);

impl Key {
    pub(super) fn of_room(room: &RoomId) -> Self {
        let half = |key| {
            let mut hasher = SipHasher13::new_with_keys(key, 0);
            hasher.write(room.as_str().as_bytes());
            hasher.finish()
        };
        Self(half(0), half(1))
    }
}

/// The draw of one language in one tick.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    pub(super) key: Key,
    pub(super) tick: u64,
}

/// A message in the draw.
struct Ticket {
    /// How many of its sender's messages come before it.
    rank: usize,
    /// Its sender's lot.
    sender: u64,
    /// Its own lot among those of its sender.
    message: u64,
    index: usize,
}

impl Draw {
    /// Which of `messages` get one of the `seats`: a function of their set, in the order they are given in.
    ///
    /// Who is among the `seated` has had a first message shown already. `salt` is the lowest offset of the tick.
    pub(super) fn winners(
        self,
        messages: &[Arc<Publication>],
        seated: &[UserId],
        salt: Offset,
        seats: usize,
    ) -> Vec<Fate> {
        if messages.len() <= seats {
            return vec![Fate::Drawn; messages.len()];
        }
        let mut fates = vec![Fate::Away; messages.len()];
        if seats == 0 {
            return fates;
        }
        let mut tickets: Vec<Ticket> = messages
            .iter()
            .enumerate()
            .map(|(index, publication)| Ticket {
                rank: 0,
                sender: self.lot(salt, publication.draft.sender.user.0.as_bytes()),
                message: self.lot(Offset(0), publication.draft.id.0.as_bytes()),
                index,
            })
            .collect();
        let offset = |ticket: &Ticket| messages[ticket.index].offset;
        let user = |ticket: &Ticket| &messages[ticket.index].draft.sender.user;
        tickets.sort_unstable_by(|a, b| {
            let order = |t: &Ticket| (t.message, offset(t));
            (a.sender, user(a))
                .cmp(&(b.sender, user(b)))
                .then_with(|| order(a).cmp(&order(b)))
        });
        for of_sender in tickets.chunk_by_mut(|a, b| user(a) == user(b)) {
            let shown = usize::from(
                of_sender
                    .first()
                    .is_some_and(|first| seated.contains(user(first))),
            );
            for (rank, ticket) in of_sender.iter_mut().enumerate() {
                ticket.rank = shown + rank;
            }
        }
        tickets.select_nth_unstable_by_key(seats, |t| (t.rank, t.sender, t.message, offset(t)));
        for ticket in &tickets[..seats] {
            fates[ticket.index] = Fate::Drawn;
        }
        fates
    }

    /// A number that `name` draws. Lengths need no marks: what is hashed before the name has a fixed one.
    fn lot(self, salt: Offset, name: &[u8]) -> u64 {
        let Key(key_0, key_1) = self.key;
        let mut hasher = SipHasher13::new_with_keys(key_0, key_1);
        hasher.write(&self.tick.to_le_bytes());
        hasher.write(&salt.0.to_le_bytes());
        hasher.write(name);
        hasher.finish()
    }
}
