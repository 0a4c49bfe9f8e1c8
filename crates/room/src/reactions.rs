//! Taps on a heart: counted, not relayed.
//!
//! A hundred thousand fans who tap are not a hundred thousand messages but one sum per tick and room. Clients gather
//! their taps and send them as batches, each with an id, so that a batch sent again is counted once; each fan has an
//! allowance, so that a script taps no faster than a thumb. What is counted leaves as one [`Counts`] per tick, together
//! for all: no reaction is ever traced back to a fan, and none is stored.
//!
//! One node counts the fans it serves; what others have counted is heard of them ([`Reactions::hear`]) and told with it, so
//! that a room has one aggregate per tick, however many nodes it has. The caller is the room's machine:
//! [`Reactions::take`], [`Reactions::hear`] or [`Reactions::handle_timeout`], then [`Reactions::poll_output`], then [`Reactions::poll_timeout`].

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque, btree_map::Entry},
    hash::Hasher as _,
    time::Duration,
};

use fanwave_wire::{
    ClientMessageId, ReactionKind, RoomId, UnixMillis, UserId, limits::REACTION_KINDS_MAX,
};
use siphasher::sip::SipHasher13;

use crate::limits::{
    REACTION_BATCHES_MAX, REACTION_KINDS_DEFAULT, REACTION_MEMORY, REACTION_TICK_DEFAULT,
    TAPPING_FANS_MAX, TAPS_PER_SECOND_DEFAULT,
};

/// Taps per kind since the last aggregate; kinds that nobody tapped are left out.
pub type Counts = BTreeMap<ReactionKind, u64>;

/// What was tapped in one tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// By fans of all nodes, as far as it has been heard here: what fans are told.
    pub all: Counts,
    /// By this node's own fans: what other nodes are told.
    pub own: Counts,
}

/// What may be tapped, and how fast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The kinds there are; beyond [`REACTION_KINDS_MAX`] the last in the order of their names are left out.
    pub kinds: BTreeSet<ReactionKind>,
    /// Taps per second that are counted of one fan, default 10; also what a rested fan may send at once. 0 counts none.
    pub taps_per_second: u16,
    /// How long taps are added up before they are told, default 500 ms.
    pub tick: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kinds: REACTION_KINDS_DEFAULT
                .iter()
                .filter_map(|kind| kind.parse().ok())
                .collect(),
            taps_per_second: TAPS_PER_SECOND_DEFAULT,
            tick: REACTION_TICK_DEFAULT,
        }
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it was counted.
    Counted {
        /// Taps.
        counted: u64,
    },
    /// It came before; nothing was counted.
    Duplicate,
    /// The fan, or the room, has no allowance for the rest of it, which is lost.
    Capped {
        /// Taps that were counted, in the order of the kinds' names.
        counted: u64,
    },
    /// It names a kind that the room does not have; nothing was counted, and the batch is not remembered.
    UnknownKind,
}

/// The reactions of one room on one node; see the module.
#[derive(Debug)]
pub struct Reactions {
    room: RoomId,
    taps_per_second: u64,
    tick: Duration,
    /// All kinds, with what was tapped since the last aggregate.
    totals: BTreeMap<ReactionKind, Total>,
    /// By a hash of the user id: short keys make a small and quick tree. Where two fans meet, they share an allowance.
    fans: BTreeMap<u64, Fan>,
    /// When the open tick is told; set exactly while there is something to tell.
    told_at: Option<UnixMillis>,
    /// When fans who tap no longer are looked for.
    swept_at: UnixMillis,
    outputs: VecDeque<Aggregate>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Total {
    own: u64,
    others: u64,
}

/// What a node remembers of a fan who taps: 40 bytes.
#[derive(Debug, Clone, Copy)]
struct Fan {
    /// When the allowance is whole again, in units of a millisecond by `taps_per_second`: so no rate is rounded.
    full_at: u64,
    /// Hashes of the newest batches, newest first; 0 is none.
    batches: [u64; REACTION_BATCHES_MAX],
}

/// What one tap costs of an allowance that gains `taps_per_second` a millisecond.
const TAP: u64 = 1_000;

impl Reactions {
    /// Nobody has tapped yet.
    #[must_use]
    pub fn new(room: RoomId, settings: Settings) -> Self {
        let kinds = settings.kinds.into_iter().take(REACTION_KINDS_MAX);
        Self {
            room,
            taps_per_second: u64::from(settings.taps_per_second),
            tick: settings.tick,
            totals: kinds.map(|kind| (kind, Total::default())).collect(),
            fans: BTreeMap::new(),
            told_at: None,
            swept_at: UnixMillis(0),
            outputs: VecDeque::new(),
        }
    }

    /// Counts a batch of taps of a fan.
    pub fn take(
        &mut self,
        now: UnixMillis,
        user: &UserId,
        batch: &ClientMessageId,
        taps: &BTreeMap<ReactionKind, u32>,
    ) -> Outcome {
        if taps.keys().any(|kind| !self.totals.contains_key(kind)) {
            return Outcome::UnknownKind;
        }
        let asked = taps.values().map(|count| u64::from(*count)).sum();
        let batch = self.hash(batch.0.as_bytes()).max(1);
        let rate = self.taps_per_second;
        let Some(fan) = self.fan(now, user) else {
            return Outcome::Capped { counted: 0 };
        };
        if fan.batches.contains(&batch) {
            return Outcome::Duplicate;
        }
        fan.batches.rotate_right(1);
        fan.batches[0] = batch;
        let counted = fan.spend(now, rate, asked);
        self.add(taps, counted);
        if counted > 0 && self.told_at.is_none() {
            self.told_at = Some(later(now, self.tick));
        }
        if counted == asked {
            Outcome::Counted { counted }
        } else {
            Outcome::Capped { counted }
        }
    }

    /// Closes the tick, if it is time: what it counted becomes one aggregate.
    pub fn handle_timeout(&mut self, now: UnixMillis) {
        if self.told_at.is_none_or(|at| at > now) {
            return;
        }
        self.told_at = None;
        let (mut all, mut own) = (Counts::new(), Counts::new());
        for (kind, total) in &mut self.totals {
            let total = std::mem::take(total);
            let sum = total.own.saturating_add(total.others);
            if sum > 0 {
                all.insert(kind.clone(), sum);
            }
            if total.own > 0 {
                own.insert(kind.clone(), total.own);
            }
        }
        assert!(
            !all.is_empty(),
            "a tick is open only when something was counted"
        );
        self.outputs.push_back(Aggregate { all, own });
    }

    /// Counts what fans of another node have tapped. Kinds that this node does not have are passed over.
    pub fn hear(&mut self, now: UnixMillis, counts: &Counts) {
        for (kind, count) in counts.iter().filter(|(_, count)| **count > 0) {
            if let Some(total) = self.totals.get_mut(kind) {
                total.others = total.others.saturating_add(*count);
                self.told_at.get_or_insert_with(|| later(now, self.tick));
            }
        }
    }

    /// The next aggregate, until there is none; at most one per tick.
    pub fn poll_output(&mut self) -> Option<Aggregate> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` while nothing was counted.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        self.told_at
    }

    /// What is known of a fan, or `None` when there is no room for one more.
    fn fan(&mut self, now: UnixMillis, user: &UserId) -> Option<&mut Fan> {
        let key = self.hash(user.0.as_bytes());
        let is_full = self.fans.len() >= TAPPING_FANS_MAX && !self.fans.contains_key(&key);
        // A look at all of them is worth it only once in a while, so that strangers cannot make us look all the time.
        if is_full && self.swept_at <= now {
            let horizon = now.0.saturating_mul(self.taps_per_second);
            let memory = u64::try_from(REACTION_MEMORY.as_millis()).unwrap_or(u64::MAX);
            let memory = memory.saturating_mul(self.taps_per_second);
            self.fans
                .retain(|_, fan| fan.full_at.saturating_add(memory) > horizon);
            self.swept_at = later(now, Duration::from_secs(1));
        }
        let is_full = self.fans.len() >= TAPPING_FANS_MAX;
        match self.fans.entry(key) {
            Entry::Occupied(entry) => Some(entry.into_mut()),
            Entry::Vacant(_) if is_full => None,
            Entry::Vacant(entry) => Some(entry.insert(Fan {
                full_at: 0,
                batches: [0; REACTION_BATCHES_MAX],
            })),
        }
    }

    /// Adds the first `counted` of the taps.
    fn add(&mut self, taps: &BTreeMap<ReactionKind, u32>, counted: u64) {
        let mut rest = counted;
        for (kind, count) in taps {
            let count = u64::from(*count).min(rest);
            rest -= count;
            if let Some(total) = self.totals.get_mut(kind) {
                total.own += count;
            }
        }
    }

    /// The room is the key, so that who finds two names that meet has found them for one room.
    fn hash(&self, name: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new();
        hasher.write(self.room.as_str().as_bytes());
        hasher.write_u8(b':'); // Not a character of a room's name.
        hasher.write(name);
        hasher.finish()
    }
}

impl Fan {
    /// Takes up to `asked` taps of the allowance; a token bucket that holds one second's worth.
    fn spend(&mut self, now: UnixMillis, rate: u64, asked: u64) -> u64 {
        let empty_until = now.0.saturating_mul(rate);
        let horizon = empty_until.saturating_add(rate * TAP);
        // Where the clock was set back, the fan must not be shut out for the difference.
        let full_at = self.full_at.clamp(empty_until, horizon);
        let taken = ((horizon - full_at) / TAP).min(asked);
        self.full_at = full_at + taken * TAP;
        taken
    }
}

/// The time `span` after `now`.
fn later(now: UnixMillis, span: Duration) -> UnixMillis {
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    UnixMillis(now.0.saturating_add(span))
}

#[cfg(test)]
mod tests;
