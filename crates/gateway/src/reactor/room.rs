//! A channel on this node: opened at the engine with its first fan, closed with its last.
//!
//! ```text
//!            first subscribe          snapshot                 last member left        closed
//!  (nothing) ───────────────▶ Opening ────────▶ Open ───────────────────────▶ Closing ──────▶ (nothing)
//!                                │ error                                          │ waiters
//!                                ▼                                                ▼
//!                           waiters refused                                    Opening
//! ```
//!
//! At most one engine call of a channel is under way at any time; whoever wants to join meanwhile waits in `waiters`.
//! The room's log and its recovery window always end at the same publication: a subscription that begins takes its
//! missed publications from the window and its cursor from the log's head, so nothing is lost or doubled in between.

use std::{collections::VecDeque, sync::Arc};

use fanwave_bus::Snapshot;
use fanwave_room::recent::{Recent, Stretch};
use fanwave_wire::{Channel, Epoch, Offset, Publication, protocol::ErrorCode};

use super::{
    Reactor,
    connection::SubscriptionPlace,
    key::{ChannelKey, ConnectionKey},
    sweep::Sweep,
};
use crate::{engine_calls::Call, limits, room_log::RoomLog};

/// One channel; see the module.
#[derive(Debug)]
pub(crate) struct RoomState {
    pub(crate) channel: Channel,
    pub(crate) phase: Phase,
    /// Subscribe commands to be answered when the channel is open; bounded by the subscriptions of the connections.
    pub(crate) waiters: Vec<Waiter>,
}

/// Where a channel is in its life.
#[derive(Debug)]
pub(crate) enum Phase {
    /// The engine has been asked for a snapshot.
    Opening(Early),
    /// Fans follow it.
    Open(Box<OpenRoom>),
    /// The engine has been told that nobody follows it.
    Closing,
}

/// Publications that overtook their channel's snapshot.
#[derive(Debug)]
pub(crate) struct Early {
    pub(crate) publications: VecDeque<Arc<Publication>>,
    /// None had to be dropped.
    pub(crate) complete: bool,
}

impl Early {
    fn none() -> Self {
        Self {
            publications: VecDeque::new(),
            complete: true,
        }
    }
}

/// An open channel.
#[derive(Debug)]
pub(crate) struct OpenRoom {
    /// What returning fans are recovered from.
    pub(crate) recent: Recent,
    /// What present fans are sent.
    pub(crate) log: RoomLog,
    /// Connections by their place in the slab.
    pub(crate) members: Vec<u32>,
    pub(crate) sweep: Sweep,
    pub(crate) refill: Refill,
}

/// Whether a stretch that deliveries skipped is being read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refill {
    /// Nothing is missing.
    Idle,
    /// The engine reads; deliveries wait in its log until everything up to here is in ours.
    Running {
        /// The newest offset delivered since the read began; 0 when none was.
        newest: Offset,
    },
}

/// A subscribe command that waits for its channel.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) by: ConnectionKey,
    pub(crate) command: u32,
    /// Where the client was before, if it wants what it missed.
    pub(crate) recover: Option<(Epoch, Offset)>,
}

/// A member whose place changed because another one left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) connection: u32,
    pub(crate) place: SubscriptionPlace,
}

impl RoomState {
    /// The channel, if it is open.
    pub(crate) fn open(&self) -> Option<&OpenRoom> {
        match &self.phase {
            Phase::Open(open) => Some(open),
            Phase::Opening(_) | Phase::Closing => None,
        }
    }

    /// The channel, if it is open.
    pub(crate) fn open_mut(&mut self) -> Option<&mut OpenRoom> {
        match &mut self.phase {
            Phase::Open(open) => Some(open),
            Phase::Opening(_) | Phase::Closing => None,
        }
    }

    /// Removes a member; whoever moved is returned.
    pub(crate) fn remove_member(
        &mut self,
        place: SubscriptionPlace,
    ) -> impl Iterator<Item = Moved> + use<> {
        let moved = self
            .open_mut()
            .map_or([None, None], |open| open.remove_member(place));
        moved.into_iter().flatten()
    }
}

impl OpenRoom {
    /// A channel as the engine's log has it.
    pub(crate) fn new(snapshot: Snapshot, log_bytes_max: usize) -> Self {
        Self {
            recent: Recent::resume(
                snapshot.epoch,
                Stretch {
                    floor: snapshot.floor,
                    head: snapshot.head,
                    publications: snapshot.recent,
                },
            ),
            log: RoomLog::new(log_bytes_max),
            members: Vec::new(),
            sweep: Sweep::default(),
            refill: Refill::Idle,
        }
    }

    /// Adds a member, and says where it stands.
    pub(crate) fn add_member(&mut self, index: usize) -> SubscriptionPlace {
        let place = SubscriptionPlace(u32::try_from(self.members.len()).unwrap_or(u32::MAX));
        self.members.push(u32::try_from(index).unwrap_or(u32::MAX));
        place
    }

    /// Removes a member in constant time, without a sweep under way missing anybody.
    ///
    /// Members before the sweep's position have been visited. A hole there is filled by the last visited member, and
    /// only that one's place by the last member of all, who is still to be visited.
    fn remove_member(&mut self, place: SubscriptionPlace) -> [Option<Moved>; 2] {
        let hole = place.0 as usize;
        if hole >= self.members.len() {
            return [None, None];
        }
        let mut moved = [None, None];
        let fill = |members: &mut Vec<u32>, from: usize, to: usize| {
            (from != to).then(|| {
                members[to] = members[from];
                Moved {
                    connection: members[to],
                    place: SubscriptionPlace(u32::try_from(to).unwrap_or(u32::MAX)),
                }
            })
        };
        let last = self.members.len() - 1;
        let mut hole = hole;
        if let Some(position) = self
            .sweep
            .position_mut()
            .filter(|position| hole < **position)
        {
            *position -= 1;
            moved[0] = fill(&mut self.members, *position, hole);
            hole = *position;
        }
        moved[1] = fill(&mut self.members, last, hole);
        self.members.pop();
        moved
    }
}

impl Reactor {
    /// The channel's key, opening it at the engine when nobody here follows it yet; `None`: the node follows as many
    /// channels as it may.
    pub(crate) fn room_key(&mut self, channel: &Channel) -> Option<ChannelKey> {
        if let Some(key) = self.rooms_by_channel.get(channel) {
            return Some(*key);
        }
        if self.rooms.len() >= limits::CHANNELS_MAX {
            return None;
        }
        let index = self.rooms.insert(RoomState {
            channel: channel.clone(),
            phase: Phase::Opening(Early::none()),
            waiters: Vec::new(),
        });
        let key = ChannelKey(u32::try_from(index).unwrap_or(u32::MAX));
        self.rooms_by_channel.insert(channel.clone(), key);
        self.start_channel_call(Call::Open(key, channel.clone()));
        Some(key)
    }

    /// Tells the engine when the last member has left, unless a call of the channel is under way: its answer then
    /// comes back here.
    pub(crate) fn close_room_if_empty(&mut self, key: ChannelKey) {
        let Some(room) = self.rooms.get_mut(key.index()) else {
            return;
        };
        let Some(open) = room.open() else { return };
        if !open.members.is_empty() || open.refill != Refill::Idle {
            return;
        }
        room.phase = Phase::Closing;
        let channel = room.channel.clone();
        self.sweeper.forget(key);
        self.start_channel_call(Call::Close(key, channel));
    }

    /// The engine has answered that delivery has ended.
    pub(crate) fn handle_closed(&mut self, key: ChannelKey) {
        let Some(room) = self.rooms.get_mut(key.index()) else {
            return;
        };
        if room.waiters.is_empty() {
            let room = self.rooms.remove(key.index());
            self.rooms_by_channel.remove(&room.channel);
        } else {
            room.phase = Phase::Opening(Early::none());
            let channel = room.channel.clone();
            self.start_channel_call(Call::Open(key, channel));
        }
    }

    /// The engine has answered where the channel stands.
    pub(crate) fn handle_opened(&mut self, key: ChannelKey, snapshot: Snapshot) {
        let Some(room) = self.rooms.get_mut(key.index()) else {
            return;
        };
        let open = Phase::Open(Box::new(OpenRoom::new(
            snapshot,
            self.config.room_log_bytes,
        )));
        let Phase::Opening(early) = std::mem::replace(&mut room.phase, open) else {
            debug_assert!(false, "only an opening channel is opened");
            return;
        };
        let waiters = std::mem::take(&mut room.waiters);
        for publication in early.publications {
            self.deliver_to(key, publication);
        }
        if !early.complete {
            self.catch_up(key);
        }
        for waiter in waiters {
            self.admit_waiter(key, &waiter);
        }
        // Everybody who waited may have left meanwhile.
        self.close_room_if_empty(key);
    }

    /// The engine could not open the channel: whoever waited is told to try again.
    pub(crate) fn handle_open_failed(&mut self, key: ChannelKey, message: &str) {
        let Some(room) = self.rooms.try_remove(key.index()) else {
            return;
        };
        self.rooms_by_channel.remove(&room.channel);
        for waiter in room.waiters {
            let Some(index) = self.find_open(waiter.by) else {
                continue;
            };
            if let Some(connection) = self.connections.get_mut(index) {
                connection.remove_subscription(key);
                self.replies
                    .refuse_because(waiter.command, ErrorCode::Internal, message);
                self.flush(index);
            }
        }
    }

    /// Starts a channel's call, now or when the node has fewer under way.
    pub(crate) fn start_channel_call(&mut self, call: Call) {
        self.channel_calls_waiting.push_back(call);
        self.start_waiting_channel_calls();
    }

    /// Starts channel calls that had to wait, oldest first.
    pub(crate) fn start_waiting_channel_calls(&mut self) {
        while let Some(call) = self.channel_calls_waiting.pop_front() {
            if let Err(full) = self.calls.start(call) {
                self.channel_calls_waiting.push_front(*full.0);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fanwave_wire::Epoch;

    use super::*;

    fn room(members: u32) -> OpenRoom {
        let snapshot = Snapshot {
            epoch: Epoch("e".into()),
            head: Offset(0),
            floor: Offset(0),
            recent: Vec::new(),
        };
        let mut room = OpenRoom::new(snapshot, 1000);
        for member in 0..members {
            assert_eq!(room.add_member(member as usize), SubscriptionPlace(member));
        }
        room
    }

    #[test]
    fn whoever_leaves_is_replaced_by_the_last() {
        let mut room = room(4);
        let moved = room.remove_member(SubscriptionPlace(1));
        assert_eq!(
            moved,
            [
                None,
                Some(Moved {
                    connection: 3,
                    place: SubscriptionPlace(1)
                })
            ]
        );
        assert_eq!(room.members, [0, 3, 2]);
        assert_eq!(room.remove_member(SubscriptionPlace(2)), [None, None]);
        assert_eq!(room.members, [0, 3]);
        assert_eq!(room.remove_member(SubscriptionPlace::PENDING), [None, None]);
    }

    #[test]
    fn a_sweep_under_way_misses_nobody() {
        for leaver in 0..8 {
            for position in 0..=8_usize {
                let mut room = room(8);
                room.sweep.begin(std::time::Instant::now(), 0);
                *room.sweep.position_mut().unwrap() = position;
                let visited: Vec<u32> = room.members[..position].to_vec();
                for moved in room
                    .remove_member(SubscriptionPlace(leaver))
                    .into_iter()
                    .flatten()
                {
                    assert_eq!(room.members[moved.place.0 as usize], moved.connection);
                }
                let after = *room.sweep.position_mut().unwrap();
                for member in (0..8).filter(|member| *member != leaver) {
                    let to_come = room.members[after..].contains(&member);
                    assert_eq!(
                        to_come,
                        !visited.contains(&member),
                        "{member} when {leaver} leaves at {position}"
                    );
                }
                assert_eq!(room.members.len(), 7);
            }
        }
    }
}
