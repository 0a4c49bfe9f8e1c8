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
    key::{ChannelKey, ConnectionKey, FeedKey},
};
use crate::{engine_calls::Call, limits, session::permission::Permission};

/// One channel; see the module.
#[derive(Debug)]
pub(crate) struct RoomState {
    pub(crate) channel: Channel,
    pub(crate) phase: Phase,
    /// What its fans read, at most [`FEEDS_PER_CHANNEL_MAX`](limits::FEEDS_PER_CHANNEL_MAX).
    pub(crate) feeds: Vec<FeedKey>,
    /// Who is to be answered when the channel is open; bounded by the subscriptions of the connections.
    pub(crate) waiters: Vec<Waiter>,
    /// Members, by their place in the slab, who want to know who comes and goes; at most
    /// [`DOOR_WATCHERS_MAX`](limits::DOOR_WATCHERS_MAX).
    pub(crate) watchers: Vec<u32>,
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
        /// The inbox has lost more since: the read may have been before that.
        lost_more: bool,
    },
}

impl Refill {
    /// Something is missing. Answers whether to begin to read; what is being read is read once more otherwise.
    pub(crate) fn miss(&mut self) -> bool {
        match self {
            Self::Idle => {
                *self = Self::Running {
                    newest: Offset(0),
                    lost_more: false,
                };
                true
            }
            Self::Running { lost_more, .. } => {
                *lost_more = true;
                false
            }
        }
    }

    /// Something is delivered. Answers whether it has to wait for what is being read.
    pub(crate) fn holds_back(&mut self, offset: Offset) -> bool {
        match self {
            Self::Idle => false,
            Self::Running { newest, .. } => {
                *newest = offset.max(*newest);
                true
            }
        }
    }

    /// A read has ended. Answers what it may not have had: what is newer than this offset, or `None` when the channel was
    /// not being read.
    pub(crate) fn end(&mut self) -> Option<Lacking> {
        match std::mem::replace(self, Self::Idle) {
            Self::Idle => None,
            Self::Running { newest, lost_more } => Some(Lacking { newest, lost_more }),
        }
    }
}

/// What a read may not have had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lacking {
    newest: Offset,
    lost_more: bool,
}

impl Lacking {
    /// Whether a channel that stands at `head` has to be read again.
    pub(crate) fn beyond(self, head: Option<Offset>) -> bool {
        self.lost_more || head < Some(self.newest)
    }
}

/// Somebody who waits for a channel to be open.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) by: ConnectionKey,
    pub(crate) for_what: Wish,
}

/// What is to be answered when a channel is open.
#[derive(Debug)]
pub(crate) enum Wish {
    /// A subscribe command.
    Subscribe(SubscribeWish),
    /// A connect command whose token names the channel.
    Connect,
}

/// A subscribe command.
#[derive(Debug)]
pub(crate) struct SubscribeWish {
    pub(crate) command: u32,
    /// Where the client was before, if it wants what it missed.
    pub(crate) recover: Option<Position>,
    /// It wants to know who comes and goes.
    pub(crate) join_leave: bool,
    /// How long it may last.
    pub(crate) permission: Permission,
}

/// Where a client was: in which run of offsets, and what the newest it has seen was.
pub(crate) type Position = (Epoch, Offset);

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
}

impl OpenRoom {
    /// A channel as the engine's log has it.
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self {
            recent: Recent::resume(
                snapshot.epoch,
                Stretch {
                    floor: snapshot.floor,
                    head: snapshot.head,
                    publications: snapshot.recent,
                },
            ),
            refill: Refill::Idle,
        }
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
            feeds: Vec::new(),
            waiters: Vec::new(),
            watchers: Vec::new(),
        });
        let key = ChannelKey(u32::try_from(index).unwrap_or(u32::MAX));
        self.rooms_by_channel.insert(channel.clone(), key);
        self.start_channel_call(Call::Open(key, channel.clone()));
        Some(key)
    }

    /// Tells the engine when the last member has left, unless a call of the channel is under way: its answer then
    /// comes back here.
    pub(crate) fn close_room_if_empty(&mut self, key: ChannelKey) {
        if self.followers(key) > 0 {
            return;
        }
        let Some(room) = self.rooms.get_mut(key.index()) else {
            return;
        };
        if room.open().is_none_or(|open| open.refill != Refill::Idle) {
            return;
        }
        room.phase = Phase::Closing;
        let channel = room.channel.clone();
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
            self.forget_feeds(room.feeds);
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
        let open = Phase::Open(Box::new(OpenRoom::new(snapshot)));
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
            match waiter.for_what {
                Wish::Subscribe(wish) => self.admit_subscriber(key, waiter.by, &wish),
                Wish::Connect => self.admit_connecting(key, waiter.by),
            }
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
            let wish = match waiter.for_what {
                Wish::Subscribe(wish) => wish,
                Wish::Connect => {
                    self.give_up_connect(waiter.by, message);
                    continue;
                }
            };
            let Some(index) = self.find_open(waiter.by) else {
                continue;
            };
            let pending = self.subscription_of(index, key);
            if let (Some(connection), Some(at)) = (self.connections.get_mut(index), pending) {
                let feed = connection.subscriptions[at].feed;
                connection.remove_subscription(feed);
                self.replies
                    .refuse_because(wish.command, ErrorCode::Internal, message);
                self.flush(index);
            }
        }
        self.forget_feeds(room.feeds);
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
    use super::*;

    #[test]
    fn what_is_lost_while_a_stretch_is_read_back_is_read_back_too() {
        let mut refill = Refill::Idle;
        assert!(refill.miss(), "a read begins");
        // The inbox is full again, after the read has looked and before its answer is here: nothing of this channel was
        // delivered since, and nothing newer may ever come.
        assert!(!refill.miss(), "one read at a time");
        let lacking = refill.end().unwrap();
        assert!(lacking.beyond(Some(Offset(40))));
        assert_eq!(refill, Refill::Idle);
        assert_eq!(refill.end(), None);
    }

    #[test]
    fn what_is_delivered_meanwhile_waits_for_the_read() {
        let mut refill = Refill::Idle;
        assert!(!refill.holds_back(Offset(7)));
        assert!(refill.miss());
        assert!(refill.holds_back(Offset(9)) && refill.holds_back(Offset(8)));
        let lacking = refill.end().unwrap();
        assert!(lacking.beyond(Some(Offset(8))) && lacking.beyond(None));
        assert!(!lacking.beyond(Some(Offset(9))));
    }
}
