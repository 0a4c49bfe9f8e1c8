//! What a server knows of the log of one channel to append to it: its newest entry, and whose messages it holds.
//!
//! An index is begun with the newest entry and completed by reading back: as far as copies are recognised in a chat lane,
//! to the very beginning in any other. From then on it is kept up to date by what this server appends and by what it
//! hears. It is never more than a guess: an append names the newest entry that the index knows, and JetStream refuses it
//! where there is a newer one.

use std::{collections::HashMap, hash::Hasher, sync::Arc};

use fanwave_room::sequence::Repeat;
use fanwave_store::Standing;
use fanwave_wire::{
    Draft, Lane, Offset, Publication, UnixMillis,
    envelope::{Batch, Record},
};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::entry::{Body, Entry, Found};
use crate::{
    limits::{NATS_DUPLICATE_HORIZON, NATS_KEYS_MAX},
    shared::Placed,
};

/// The newest entry of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) place: u64,
    /// The place of the very last entry, which may be one that does not count.
    pub(super) last: u64,
    pub(super) mark: u64,
    pub(super) standing: Standing,
    /// What the next entry names as those before it.
    pub(super) trail: Vec<u64>,
}

impl From<&Found> for Newest {
    fn from(found: &Found) -> Self {
        Self {
            place: found.place,
            last: found.last,
            mark: found.entry.mark,
            standing: found.entry.standing(),
            trail: found.trail(),
        }
    }
}

/// Whose messages a channel holds, and where.
#[derive(Debug)]
pub(super) struct Index {
    newest: Newest,
    /// By user and client message id, hashed with a secret: nobody can make two that are taken for each other.
    held: HashMap<u128, (Offset, UnixMillis)>,
    secret: (u64, u64),
    /// Places that must be read to complete it.
    unread: Vec<u64>,
    forgets: bool,
    /// How many were held when old ones were last let go of.
    kept: usize,
}

/// What is to be written, and what is answered once it is.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) placed: Vec<Placed>,
    /// `None` when all of it is there already.
    pub(super) entry: Option<Entry>,
}

impl Index {
    /// An index that knows the newest entry of a channel only.
    pub(super) fn begin(lane: Lane, secret: (u64, u64), newest: &Found) -> Self {
        let mut index = Self {
            newest: Newest::from(newest),
            held: HashMap::new(),
            secret,
            unread: newest.entry.previous.clone(),
            forgets: lane == Lane::Chat,
            kept: 0,
        };
        index.note(&newest.entry);
        index
    }

    pub(super) fn newest(&self) -> &Newest {
        &self.newest
    }

    /// Places that must be read to complete it; empty when it is complete.
    pub(super) fn unread(&self) -> &[u64] {
        &self.unread
    }

    /// Takes in what was read back, newest first, and what is unread by then.
    pub(super) fn complete(&mut self, now: UnixMillis, read: &[Found], unread: Vec<u64>) {
        for found in read {
            self.note(&found.entry);
        }
        let old = |found: &Found| {
            let mut said = found.entry.publications().iter();
            !found.entry.publications().is_empty() && said.all(|said| is_old(said.at, now))
        };
        let enough = self.forgets && read.last().is_some_and(old);
        let full = self.held.len() >= NATS_KEYS_MAX;
        self.unread = if enough || full { Vec::new() } else { unread };
    }

    /// The very last entry is at this place, whether it counts or not.
    pub(super) fn see_last(&mut self, last: u64) {
        self.newest.last = last;
    }

    /// Takes in the entry that has come right after the newest.
    pub(super) fn extend(&mut self, now: UnixMillis, found: &Found) {
        self.note(&found.entry);
        self.newest = Newest::from(found);
        self.forget(now);
    }

    /// What an append of these records would be.
    pub(super) fn plan(
        &self,
        mark: u64,
        channel: &fanwave_wire::Channel,
        records: &[Record],
    ) -> Plan {
        let Standing { epoch, head } = &self.newest.standing;
        let mut publications = Vec::new();
        let mut next = head.next();
        let mut place = |record: &Record| {
            if let Some((offset, at)) = self.held.get(&self.key(&record.draft)) {
                return Placed {
                    offset: *offset,
                    at: *at,
                    repeat: Repeat::Again,
                };
            }
            let offset = next;
            next = next.next();
            publications.push(Arc::new(record.clone().at_offset(offset)));
            Placed {
                offset,
                at: record.at,
                repeat: Repeat::First,
            }
        };
        let placed = records.iter().map(&mut place).collect();
        let entry = (!publications.is_empty()).then(|| Entry {
            mark,
            previous: self.newest.trail.clone(),
            body: Body::Batch(Batch {
                channel: channel.clone(),
                epoch: epoch.clone(),
                publications,
            }),
        });
        Plan { placed, entry }
    }

    fn note(&mut self, entry: &Entry) {
        for publication in entry.publications() {
            let Publication { offset, at, draft } = &**publication;
            let key = self.key(draft);
            let held = self.held.entry(key).or_insert((*offset, *at));
            // The first copy is the message.
            if offset < &held.0 {
                *held = (*offset, *at);
            }
        }
    }

    /// Lets go of what is too old to be recognised, or too much.
    fn forget(&mut self, now: UnixMillis) {
        if self.forgets && self.held.len() > 2 * self.kept + KEPT_MIN {
            self.held.retain(|_, (_, at)| !is_old(*at, now));
            self.kept = self.held.len();
        }
        if self.held.len() > NATS_KEYS_MAX {
            let mut offsets: Vec<Offset> = self.held.values().map(|(offset, _)| *offset).collect();
            let (_, median, _) = offsets.select_nth_unstable(NATS_KEYS_MAX / 2);
            let median = *median;
            self.held.retain(|_, (offset, _)| *offset >= median);
        }
    }

    fn key(&self, draft: &Draft) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        let user = draft.sender.user.0.as_bytes();
        hasher.write_usize(user.len());
        hasher.write(user);
        hasher.write(draft.id.0.as_bytes());
        hasher.finish128().as_u128()
    }
}

/// So few are never looked through for old ones.
const KEPT_MIN: usize = 1_024;

fn is_old(at: UnixMillis, now: UnixMillis) -> bool {
    let horizon = u64::try_from(NATS_DUPLICATE_HORIZON.as_millis()).unwrap_or(u64::MAX);
    at.0.saturating_add(horizon) < now.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fanwave_wire::{Channel, ClientMessageId, Epoch, Role, Sender, UserId};
    use proptest::prelude::*;

    use super::*;
    use crate::limits::NATS_POINTERS_MAX;

    const SECRET: (u64, u64) = (1, 2);

    fn lane(lane: Lane) -> Channel {
        Channel {
            lane,
            room: "demo".parse().unwrap(),
        }
    }

    fn record(user: u8, id: u8, at: u64) -> Record {
        let sender = Sender::new(UserId(user.to_string().into()), "Mina", Role::Fan);
        let id = ClientMessageId(id.to_string().into());
        Record {
            at: UnixMillis(at),
            draft: Draft::text(id, sender, "hello"),
        }
    }

    fn opening(place: u64) -> Found {
        let standing = Standing {
            epoch: Epoch("e".into()),
            head: Offset(0),
        };
        Found {
            place,
            last: place,
            entry: Entry {
                mark: place,
                previous: Vec::new(),
                body: Body::Standing(standing),
            },
        }
    }

    /// A log as JetStream has it, and one index that follows it.
    struct Play {
        log: Vec<Found>,
        index: Index,
        channel: Channel,
        now: UnixMillis,
    }

    impl Play {
        fn new(of: Lane) -> Self {
            let first = opening(1);
            Self {
                index: Index::begin(of, SECRET, &first),
                log: vec![first],
                channel: lane(of),
                now: UnixMillis(1),
            }
        }

        fn append(&mut self, records: &[Record]) -> Vec<Placed> {
            let place = self.log.last().unwrap().place + 3;
            let plan = self.index.plan(place, &self.channel, records);
            if let Some(entry) = plan.entry {
                let found = Found {
                    place,
                    last: place,
                    entry,
                };
                self.index.extend(self.now, &found);
                self.log.push(found);
            }
            plan.placed
        }

        /// Another server, which has read the log back.
        fn read_back(&self) -> Index {
            let newest = self.log.last().unwrap();
            let mut index = Index::begin(self.channel.lane, SECRET, newest);
            while let Some(last) = index.unread().last().copied() {
                let unread = index.unread().to_vec();
                let read: Vec<Found> = self
                    .log
                    .iter()
                    .rev()
                    .filter(|found| unread.contains(&found.place))
                    .cloned()
                    .collect();
                let oldest = &read.last().unwrap().entry.previous;
                let unread = oldest.iter().copied().filter(|place| *place < last);
                index.complete(self.now, &read, unread.collect());
            }
            index
        }
    }

    #[test]
    fn a_chat_lane_is_read_back_for_a_while_and_the_others_to_the_beginning() {
        const EACH: usize = 200;
        let horizon = u64::try_from(NATS_DUPLICATE_HORIZON.as_millis()).unwrap();
        for of in [Lane::Chat, Lane::Vote] {
            let mut play = Play::new(of);
            for (user, at) in [(1, 1), (2, horizon + 10)] {
                for number in 0..EACH {
                    play.append(&[record(user, u8::try_from(number).unwrap(), at)]);
                }
            }
            play.now = UnixMillis(horizon + 10);
            let held = play.read_back().held.len();
            let most = if of == Lane::Chat {
                EACH + 2 * NATS_POINTERS_MAX
            } else {
                2 * EACH
            };
            assert!((EACH..=most).contains(&held), "{held} of {of:?}");
            assert!(of == Lane::Chat || held == most);
        }
    }

    #[test]
    fn a_chat_lane_lets_go_of_what_is_old() {
        let mut play = Play::new(Lane::Chat);
        let horizon = u64::try_from(NATS_DUPLICATE_HORIZON.as_millis()).unwrap();
        for round in 0..30_u64 {
            play.now = UnixMillis(1 + round * (horizon + 1));
            for user in 0..=255 {
                play.append(&[record(user, u8::try_from(round).unwrap(), play.now.0)]);
            }
        }
        assert!(
            play.index.held.len() <= 2 * KEPT_MIN,
            "{}",
            play.index.held.len()
        );
    }

    proptest! {
        /// Whatever is sent and sent again: offsets have no gap, a copy gets the place of the first, and whoever reads
        /// the log back knows the same as whoever has written it.
        #[test]
        fn a_copy_has_the_place_of_the_first(
            batches in prop::collection::vec(prop::collection::btree_set((0..4_u8, 0..12_u8), 1..6), 1..60),
            chat in any::<bool>(),
        ) {
            let mut play = Play::new(if chat { Lane::Chat } else { Lane::Room });
            let mut places: BTreeMap<(u8, u8), Offset> = BTreeMap::new();
            for batch in batches {
                let records: Vec<Record> = batch.iter().map(|(user, id)| record(*user, *id, 1)).collect();
                for (sent, placed) in batch.into_iter().zip(play.append(&records)) {
                    let next = Offset(places.len() as u64 + 1);
                    let first = places.get(&sent).copied();
                    prop_assert_eq!(placed.repeat == Repeat::Again, first.is_some());
                    prop_assert_eq!(placed.offset, first.unwrap_or(next));
                    places.insert(sent, placed.offset);
                }
            }
            let other = play.read_back();
            prop_assert_eq!(&other.newest, &play.index.newest);
            prop_assert_eq!(&other.held, &play.index.held);
        }
    }
}
