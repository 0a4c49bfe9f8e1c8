//! What a node tells all others about itself, and when.
//!
//! * A heartbeat once in [`HEARTBEAT`]: the node as a whole, and every channel that has anybody.
//! * Between two heartbeats only what is new: channels whose counts have changed, taps, and that it drains. Nothing is
//!   said while nothing is.
//!
//! All of it may be lost on its way. So counts are told whole and not as differences, and again with every heartbeat;
//! a channel that nobody follows any more is mentioned once, empty, and where that was lost, `census` forgets it by
//! itself. What was tapped is told once: a lost tap is lost.
//!
//! The gateway brings the time and the figures, and hands what comes out to the engine, in order.

use std::{collections::BTreeMap, time::Duration};

use fanwave_wire::{
    Channel, RoomId, UnixMillis,
    envelope::{About, Crowd, Hearsay, NodeId, NodeState, Taps},
    limits::{HEARSAY_CHANNELS_MAX, HEARSAY_TAPPED_ROOMS_MAX, REACTION_KINDS_MAX},
};

use crate::{
    limits::{HEARTBEAT, TAPPED_ROOMS_MAX},
    reactions::Counts,
};

/// Who follows what on a node: channels without anybody are left out.
pub type Crowds = BTreeMap<Channel, Crowd>;

/// Tells of one node; see the module.
#[derive(Debug)]
pub struct Herald {
    node: NodeId,
    serial: u64,
    /// The counts that others have been told last.
    told: Crowds,
    /// The state that they have been told last, and when the last heartbeat was.
    beat: Option<(NodeState, UnixMillis)>,
    /// What was tapped since; at most [`TAPPED_ROOMS_MAX`] rooms.
    taps: BTreeMap<RoomId, Taps>,
}

impl Herald {
    /// Nothing has been told yet.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            serial: 0,
            told: Crowds::new(),
            beat: None,
            taps: BTreeMap::new(),
        }
    }

    /// Fans of this node have tapped: others are told the next time.
    pub fn take_taps(&mut self, room: &RoomId, counts: &Counts) {
        if self.taps.len() >= TAPPED_ROOMS_MAX && !self.taps.contains_key(room) {
            return;
        }
        let taps = self.taps.entry(room.clone()).or_default();
        for (kind, count) in counts {
            if taps.len() < REACTION_KINDS_MAX || taps.contains_key(kind) {
                let sum = taps.entry(kind.clone()).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
    }

    /// What is to be told at this time, in order; nothing, when there is nothing new and no heartbeat is due.
    ///
    /// The last words are those with [`NodeState::Gone`]: everything is forgotten with them.
    pub fn tell(&mut self, now: UnixMillis, about: &About, crowds: Crowds) -> Vec<Hearsay> {
        let is_due = self
            .beat
            .is_none_or(|(state, at)| state != about.state || is_over(at, now));
        let crowds = match about.state {
            NodeState::Serving | NodeState::Draining => crowds,
            NodeState::Gone => Crowds::new(),
        };
        let mut mentioned = self.changes(&crowds);
        if is_due {
            self.beat = Some((about.state, now));
            mentioned.extend(crowds.clone());
        }
        if about.state == NodeState::Gone {
            mentioned.clear();
        }
        self.told = crowds;
        let taps = std::mem::take(&mut self.taps);
        if !is_due && mentioned.is_empty() && taps.is_empty() {
            return Vec::new();
        }
        self.divide(about, mentioned, taps)
    }

    /// Channels of which others have been told something else.
    fn changes(&self, crowds: &Crowds) -> Crowds {
        let changed = crowds
            .iter()
            .filter(|(channel, crowd)| self.told.get(channel) != Some(crowd))
            .map(|(channel, crowd)| (channel.clone(), *crowd));
        let left = self
            .told
            .keys()
            .filter(|channel| !crowds.contains_key(channel))
            .map(|channel| (channel.clone(), Crowd::default()));
        changed.chain(left).collect()
    }

    /// As many as it takes, at least one.
    fn divide(
        &mut self,
        about: &About,
        crowds: Crowds,
        taps: BTreeMap<RoomId, Taps>,
    ) -> Vec<Hearsay> {
        let pieces = [
            crowds.len().div_ceil(HEARSAY_CHANNELS_MAX),
            taps.len().div_ceil(HEARSAY_TAPPED_ROOMS_MAX),
            1,
        ];
        let pieces = pieces.into_iter().max().unwrap_or(1);
        let (mut crowds, mut taps) = (crowds.into_iter(), taps.into_iter());
        let mut told = Vec::with_capacity(pieces);
        for _ in 0..pieces {
            self.serial += 1;
            told.push(Hearsay {
                node: self.node,
                serial: self.serial,
                about: about.clone(),
                crowds: crowds.by_ref().take(HEARSAY_CHANNELS_MAX).collect(),
                taps: taps.by_ref().take(HEARSAY_TAPPED_ROOMS_MAX).collect(),
            });
        }
        told
    }
}

/// Whether a heartbeat's time is over. A clock that was set back must not make anybody wait.
fn is_over(since: UnixMillis, now: UnixMillis) -> bool {
    let passed = now.0.checked_sub(since.0).map(Duration::from_millis);
    passed.is_none_or(|passed| passed >= HEARTBEAT)
}

#[cfg(test)]
mod tests {
    use fanwave_wire::envelope::Sent;
    use proptest::prelude::*;

    use super::*;

    fn about(state: NodeState) -> About {
        About {
            name: "a".parse().unwrap(),
            release: "0.1.0".into(),
            started_at: UnixMillis(0),
            state,
            connections: 0,
            connections_max: 1,
            rooms: 0,
            busy_permille: 0,
            region: None,
            viewers: 0,
            sent: Sent::default(),
        }
    }

    fn crowds(counts: impl IntoIterator<Item = (usize, u32)>) -> Crowds {
        let counts = counts.into_iter().map(|(channel, users)| {
            let crowd = Crowd {
                clients: users,
                users,
            };
            (format!("chat:{channel:04}").parse().unwrap(), crowd)
        });
        counts.collect()
    }

    fn taps(count: u64) -> Counts {
        Counts::from([("heart".parse().unwrap(), count)])
    }

    #[test]
    fn it_is_silent_between_heartbeats_while_nothing_changes() {
        let mut herald = Herald::new(NodeId(1));
        let about = about(NodeState::Serving);
        let mut told = |at, crowds| herald.tell(UnixMillis(at), &about, crowds);
        assert_eq!(told(0, crowds([(1, 5)])).len(), 1, "the first is at once");
        for at in [1, 250, 999] {
            assert_eq!(told(at, crowds([(1, 5)])), []);
        }
        let beat = told(1_000, crowds([(1, 5)]));
        assert_eq!(beat[0].crowds, crowds([(1, 5)]));
        assert_eq!(beat[0].serial, 2);
        assert_eq!(told(1_250, crowds([(1, 6), (2, 1)]))[0].crowds.len(), 2);
        let left = told(1_500, crowds([(1, 6)]));
        assert_eq!(left[0].crowds, crowds([(2, 0)]), "it is mentioned, empty");
        assert_eq!(told(1_750, crowds([(1, 6)])), []);
        assert_eq!(told(400, crowds([(1, 6)])).len(), 1, "a clock set back");
    }

    #[test]
    fn that_it_drains_is_told_at_once_and_its_last_words_name_no_channel() {
        let mut herald = Herald::new(NodeId(1));
        let here = || crowds([(1, 5)]);
        herald.tell(UnixMillis(0), &about(NodeState::Serving), here());
        let draining = herald.tell(UnixMillis(1), &about(NodeState::Draining), here());
        assert_eq!(draining[0].about.state, NodeState::Draining);
        assert_eq!(
            herald.tell(UnixMillis(2), &about(NodeState::Draining), here()),
            []
        );
        herald.take_taps(&"demo".parse().unwrap(), &taps(3));
        let gone = herald.tell(UnixMillis(3), &about(NodeState::Gone), here());
        assert_eq!(gone.len(), 1);
        assert_eq!((gone[0].crowds.len(), gone[0].taps.len()), (0, 1));
    }

    #[test]
    fn what_does_not_fit_is_told_in_several() {
        let mut herald = Herald::new(NodeId(1));
        let many = crowds((0..2 * HEARSAY_CHANNELS_MAX + 1).map(|channel| (channel, 1)));
        for room in 0..2 * TAPPED_ROOMS_MAX {
            herald.take_taps(&format!("{room:04}").parse().unwrap(), &taps(1));
        }
        let told = herald.tell(UnixMillis(0), &about(NodeState::Serving), many.clone());
        assert_eq!(
            told.len(),
            TAPPED_ROOMS_MAX.div_ceil(HEARSAY_TAPPED_ROOMS_MAX)
        );
        let serials: Vec<u64> = told.iter().map(|hearsay| hearsay.serial).collect();
        assert_eq!(serials, (1..=told.len() as u64).collect::<Vec<_>>());
        let all: Crowds = told
            .iter()
            .flat_map(|hearsay| hearsay.crowds.clone())
            .collect();
        assert_eq!(all, many);
        let rooms: usize = told.iter().map(|hearsay| hearsay.taps.len()).sum();
        assert_eq!(rooms, TAPPED_ROOMS_MAX);
        assert!(told.iter().all(|hearsay| !hearsay.encode().is_empty()));
    }

    proptest! {
        /// Whoever hears everything knows the counts as they are after every telling, and has every tap once.
        #[test]
        fn what_is_told_adds_up(
            steps in prop::collection::vec((0u64..700, prop::collection::btree_map(0usize..6, 1u32..4, 0..6), 0u64..3), 0..60),
        ) {
            let mut herald = Herald::new(NodeId(1));
            let (mut now, mut known, mut heard, mut tapped) = (0, Crowds::new(), 0, 0);
            for (gap, counts, hearts) in steps {
                now += gap;
                if hearts > 0 {
                    herald.take_taps(&"demo".parse().unwrap(), &taps(hearts));
                    tapped += hearts;
                }
                let here = crowds(counts);
                for hearsay in herald.tell(UnixMillis(now), &about(NodeState::Serving), here.clone()) {
                    known.extend(hearsay.crowds);
                    heard += hearsay.taps.values().flat_map(|taps| taps.values()).sum::<u64>();
                }
                known.retain(|_, crowd| crowd.clients > 0);
                prop_assert_eq!(&known, &here);
                prop_assert_eq!(heard, tapped);
            }
        }
    }
}
