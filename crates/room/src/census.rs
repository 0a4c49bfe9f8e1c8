//! Which other nodes there are, and how many fans they have together: the fold of what is heard of them.
//!
//! * A node is there from the first that is heard of it, until it says that it goes or nothing was heard for
//!   [`NODE_SILENCE_MAX`].
//! * How many follow a channel at a node is what it said last, for as long: a node mentions all its channels with every
//!   heartbeat, so a count that is not said again is no longer true.
//! * What comes late, behind something newer of the same node, is dropped whole: a tap never counts twice.
//!
//! One node's own words come back to it with everybody's, and are passed over. The gateway brings what the engine hears,
//! calls [`Census::handle_timeout`] at least once a heartbeat, and adds [`Census::others`] to its own counts.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use fanwave_wire::{
    Channel, RoomId, UnixMillis,
    envelope::{About, Crowd, Hearsay, NodeId, NodeState, Taps},
};

use crate::{
    limits::{CENSUS_CROWDS_MAX, NODE_SILENCE_MAX, NODES_MAX},
    presence::Stats,
};

/// What is known of the other nodes; see the module.
#[derive(Debug)]
pub struct Census {
    own: NodeId,
    /// At most [`NODES_MAX`], those included whose last words were heard a moment ago.
    nodes: BTreeMap<NodeId, Known>,
    /// The sums over all nodes, of channels that anybody follows.
    totals: BTreeMap<Channel, Total>,
    /// Counts of one channel at one node: at most [`CENSUS_CROWDS_MAX`].
    crowds: usize,
}

#[derive(Debug)]
struct Known {
    about: About,
    serial: u64,
    heard_at: UnixMillis,
    /// Without those that nobody follows.
    crowds: BTreeMap<Channel, (Crowd, UnixMillis)>,
}

#[derive(Debug, Default)]
struct Total {
    nodes: usize,
    stats: Stats,
}

/// One node, as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Which run of which server.
    pub id: NodeId,
    /// As it describes itself.
    pub about: About,
    /// When it was heard last, by the clock of whoever heard it.
    pub heard_at: UnixMillis,
}

/// What became of something that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It is known now. These are new taps.
    Taken(BTreeMap<RoomId, Taps>),
    /// The node has said it itself.
    Own,
    /// Something newer of the same node has been heard.
    Late,
    /// There are too many nodes to know one more.
    Full,
}

impl Census {
    /// A node that knows of no other.
    #[must_use]
    pub fn new(own: NodeId) -> Self {
        Self {
            own,
            nodes: BTreeMap::new(),
            totals: BTreeMap::new(),
            crowds: 0,
        }
    }

    /// Takes what was heard.
    pub fn hear(&mut self, now: UnixMillis, hearsay: Hearsay) -> Heard {
        if hearsay.node == self.own {
            return Heard::Own;
        }
        let is_full = self.nodes.len() >= NODES_MAX;
        let known = match self.nodes.entry(hearsay.node) {
            Entry::Occupied(known) if known.get().serial >= hearsay.serial => return Heard::Late,
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if is_full => return Heard::Full,
            Entry::Vacant(vacant) => vacant.insert(Known {
                about: hearsay.about.clone(),
                serial: 0,
                heard_at: now,
                crowds: BTreeMap::new(),
            }),
        };
        known.serial = hearsay.serial;
        known.heard_at = now;
        known.about = hearsay.about;
        let gone = known.about.state == NodeState::Gone;
        for (channel, crowd) in hearsay.crowds {
            self.count(hearsay.node, channel, Some((crowd, now)));
        }
        if gone {
            self.forget_crowds(hearsay.node, |_| true);
        }
        Heard::Taken(hearsay.taps)
    }

    /// Forgets whom and what nothing was heard of for too long.
    pub fn handle_timeout(&mut self, now: UnixMillis) {
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        for node in nodes {
            self.forget_crowds(node, |said_at| is_over(said_at, now));
        }
        self.nodes.retain(|_, known| {
            let stays = !is_over(known.heard_at, now);
            assert!(
                stays || known.crowds.is_empty(),
                "what a node says is not younger than the node"
            );
            stays
        });
    }

    /// How many follow a channel at all other nodes. A user who is at two of them counts twice.
    #[must_use]
    pub fn others(&self, channel: &Channel) -> Stats {
        self.totals
            .get(channel)
            .map_or_else(Stats::default, |total| total.stats)
    }

    /// The other nodes that are there, in the order of their ids.
    pub fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        let there = self
            .nodes
            .iter()
            .filter(|(_, known)| known.about.state != NodeState::Gone);
        there.map(|(id, known)| Node {
            id: *id,
            about: known.about.clone(),
            heard_at: known.heard_at,
        })
    }

    fn forget_crowds(&mut self, node: NodeId, is_old: impl Fn(UnixMillis) -> bool) {
        let Some(known) = self.nodes.get(&node) else {
            return;
        };
        let old = known.crowds.iter().filter(|(_, (_, at))| is_old(*at));
        let old: Vec<Channel> = old.map(|(channel, _)| channel.clone()).collect();
        for channel in old {
            self.count(node, channel, None);
        }
    }

    /// Sets a node's count of a channel, and with it the sum.
    fn count(&mut self, node: NodeId, channel: Channel, said: Option<(Crowd, UnixMillis)>) {
        let Some(known) = self.nodes.get_mut(&node) else {
            return;
        };
        let said = said.filter(|(crowd, _)| crowd.clients > 0);
        let before = known.crowds.remove(&channel);
        self.crowds -= usize::from(before.is_some());
        let said = said.filter(|_| self.crowds < CENSUS_CROWDS_MAX);
        let total = self.totals.entry(channel.clone()).or_default();
        if let Some((crowd, _)) = before {
            total.nodes -= 1;
            total.stats.num_clients -= wide(crowd.clients);
            total.stats.num_users -= wide(crowd.users);
        }
        if let Some((crowd, at)) = said {
            total.nodes += 1;
            total.stats.num_clients += wide(crowd.clients);
            total.stats.num_users += wide(crowd.users);
            self.crowds += 1;
            known.crowds.insert(channel, (crowd, at));
        } else if total.nodes == 0 {
            assert_eq!(total.stats, Stats::default(), "nobody is nowhere");
            self.totals.remove(&channel);
        }
    }
}

/// [`NODES_MAX`] of these are far below what fits.
fn wide(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Whether something was said too long ago. Where the clock was set back, it was said just now.
fn is_over(said_at: UnixMillis, now: UnixMillis) -> bool {
    Duration::from_millis(now.0.saturating_sub(said_at.0)) >= NODE_SILENCE_MAX
}

#[cfg(test)]
mod tests;
