//! Server-side subscriptions: channels that a token names, which its connection follows from the first moment on.
//!
//! The reply to such a connect says where each of these channels stands, so it waits until all of them are open here.
//! Meanwhile the connection is a member of those that are, and is sent nothing; it stands at their heads at the very
//! moment the reply is written. Commands that the client has sent behind its connect are put off until then.

use std::{collections::BTreeMap, sync::Arc};

use fanwave_room::machine::Refusal;
use fanwave_wire::{
    Channel, Epoch, Lane, Offset, Publication, Role,
    protocol::{
        self, Command, ConnectRequest, DisconnectCode, ErrorCode, SubscribeRequest, SubscribeResult,
    },
};

use super::{Obeyed, subscribe::missed};
use crate::{
    limits,
    reactor::{
        Reactor,
        connection::{State, Subscription, SubscriptionPlace},
        feed::{Choice, FeedKind},
        key::{ChannelKey, ConnectionKey},
        room::{Position, Waiter, Wish},
    },
    room_log::Cursor,
};

/// A connect that waits for its channels.
#[derive(Debug)]
pub(crate) struct Connecting {
    pub(super) command: u32,
    /// At most as many as a token names, and where the client was in each.
    pub(super) channels: Vec<(ChannelKey, Option<Position>)>,
    /// What the client has sent behind its connect; at most
    /// [`CALLS_WAITING_PER_CONNECTION_MAX`](limits::CALLS_WAITING_PER_CONNECTION_MAX).
    pub(super) put_off: Vec<Command>,
    /// What the client has asked for, while somebody is consulted about it.
    pub(super) request: Option<Box<ConnectRequest>>,
}

/// Where a channel stands for somebody who begins to follow it.
struct Standing {
    channel: Channel,
    epoch: Epoch,
    offset: Offset,
    missed: Missed,
}

/// What becomes of a wish for what was missed; see [`protocol::Recovery`].
enum Missed {
    NotAsked,
    All(Vec<Arc<Publication>>),
    Unknown,
}

impl Standing {
    fn result(&self) -> SubscribeResult<'_> {
        SubscribeResult {
            epoch: &self.epoch,
            offset: self.offset,
            recoverable: true,
            positioned: true,
            recovery: match &self.missed {
                Missed::NotAsked => protocol::Recovery::NotAsked,
                Missed::All(publications) => protocol::Recovery::Recovered(publications),
                Missed::Unknown => protocol::Recovery::Unrecovered,
            },
            ttl_seconds: None,
        }
    }
}

impl Reactor {
    /// The channels of a token that its connection may follow; the rest is as if the token did not name it.
    pub(super) fn server_side(&self, channels: &[Channel], role: Role) -> Vec<Channel> {
        let mut allowed: Vec<Channel> = Vec::new();
        for channel in channels {
            let open_to = match channel.lane {
                Lane::Vote => false,
                Lane::Staff => role.may_moderate(),
                Lane::Room | Lane::Chat => true,
            };
            if open_to && self.config.rooms.contains(&channel.room) && !allowed.contains(channel) {
                allowed.push(channel.clone());
            }
        }
        allowed
    }

    /// Subscribes a connection to the channels of its token, and answers its connect when all of them are open.
    pub(super) fn connect_to(
        &mut self,
        index: usize,
        command: u32,
        (channels, positions): (Vec<Channel>, &BTreeMap<String, SubscribeRequest>),
        put_off: Vec<Command>,
    ) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if channels.is_empty() {
            connection.state = State::Open;
            self.by_user.insert(&self.connections, index);
            self.reply_connect(index, command, &[]);
            return self.obey_all(index, put_off);
        }
        connection.state = State::Connecting;
        connection.has_server_side = true;
        let by = connection.key(index);
        self.connecting.insert(
            by,
            Connecting {
                command,
                channels: Vec::with_capacity(channels.len()),
                put_off,
                request: None,
            },
        );
        for channel in channels {
            let position = positions
                .get(&channel.to_string())
                .filter(|request| request.recover)
                .map(|request| (Epoch(request.epoch.as_str().into()), Offset(request.offset)));
            let Some(key) = self.await_channel(index, &channel) else {
                return self.give_up_connect(by, "the server follows as many channels as it can");
            };
            if let Some(connecting) = self.connecting.get_mut(&by) {
                connecting.channels.push((key, position));
            }
        }
        self.finish_connect(index);
    }

    /// Adds a subscription, and makes it a member now or when its channel is open; `None`: there is no place for it.
    fn await_channel(&mut self, index: usize, channel: &Channel) -> Option<ChannelKey> {
        let kind = FeedKind {
            format: self.connections.get(index)?.format,
            choice: Choice::ALL,
        };
        let key = self.room_key(channel)?;
        let feed = self.feed_key(key, kind)?;
        let connection = self.connections.get_mut(index)?;
        let by = connection.key(index);
        connection.add_subscription(Subscription {
            feed,
            place: SubscriptionPlace::PENDING,
            cursor: Cursor::default(),
        });
        let room = self.rooms.get_mut(key.index())?;
        if room.open().is_some() {
            self.join_feed(index, key);
        } else {
            room.waiters.push(Waiter {
                by,
                for_what: Wish::Connect,
            });
        }
        Some(key)
    }

    /// A channel is open for which a connect has waited.
    pub(crate) fn admit_connecting(&mut self, key: ChannelKey, by: ConnectionKey) {
        let Some(index) = self.find_connecting(by) else {
            return;
        };
        let place = self
            .subscription_of(index, key)
            .map(|at| self.connections[index].subscriptions[at].place);
        if place == Some(SubscriptionPlace::PENDING) {
            self.join_feed(index, key);
        }
        self.finish_connect(index);
        self.flush(index);
    }

    /// A channel cannot be opened: the client is to come again.
    pub(crate) fn give_up_connect(&mut self, by: ConnectionKey, message: &str) {
        let Some(index) = self.find_connecting(by) else {
            return;
        };
        let command = self
            .connecting
            .get(&by)
            .map(|connecting| connecting.command);
        self.leave_all(index);
        let connection = &mut self.connections[index];
        connection.state = State::Fresh;
        connection.identity = None;
        connection.has_server_side = false;
        if let Some(command) = command {
            self.replies
                .refuse_because(command, ErrorCode::Internal, message);
        }
        self.flush(index);
    }

    /// What a client sends behind a connect that is not answered yet.
    pub(super) fn put_off(&mut self, index: usize, command: Command) -> Obeyed {
        let key = self.connections.get(index).map(|c| c.key(index));
        let connecting = key.and_then(|key| self.connecting.get_mut(&key));
        match connecting {
            Some(connecting)
                if connecting.put_off.len() < limits::CALLS_WAITING_PER_CONNECTION_MAX =>
            {
                connecting.put_off.push(command);
                Obeyed::GoOn
            }
            _ => {
                self.disconnect(index, DisconnectCode::TooManyRequests);
                Obeyed::Ended
            }
        }
    }

    /// Whether a connection follows something that it has not asked for.
    pub(crate) fn has_server_side(&self, index: usize) -> bool {
        self.connections
            .get(index)
            .is_some_and(|connection| connection.has_server_side)
    }

    /// Answers a connect, if everything it waits for is there.
    fn finish_connect(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let waits = |subscription: &Subscription| subscription.place == SubscriptionPlace::PENDING;
        if connection.subscriptions.iter().any(waits) {
            return;
        }
        let Some(connecting) = self.connecting.remove(&connection.key(index)) else {
            return;
        };
        if self.connecting.is_empty() {
            // A storm's worth of places would be kept for the next one.
            self.connecting.shrink_to_fit();
        }
        connection.state = State::Open;
        self.by_user.insert(&self.connections, index);
        let mut standings = Vec::with_capacity(connecting.channels.len());
        let mut bytes_left = limits::REPLY_PUBLICATIONS_BYTES_MAX;
        for (key, position) in &connecting.channels {
            if self.judge_presence(index, *key).is_err() {
                // Banned there: the room's rules were not known before it was open.
                self.unsubscribe(index, *key);
            } else if let Some(standing) =
                self.stand(index, *key, (position.as_ref(), &mut bytes_left))
            {
                standings.push(standing);
            }
        }
        let subs: Vec<(Channel, SubscribeResult<'_>)> = standings
            .iter()
            .map(|standing| (standing.channel.clone(), standing.result()))
            .collect();
        self.reply_connect(index, connecting.command, &subs);
        self.obey_all(index, connecting.put_off);
    }

    /// Does what a client has sent behind its connect, which is answered now.
    fn obey_all(&mut self, index: usize, commands: Vec<Command>) {
        for command in commands {
            if self.handle_command(index, command) == Obeyed::Ended {
                return;
            }
        }
    }

    /// Puts a member of an open channel at its head, and says where that is and what the member has missed before.
    fn stand(
        &mut self,
        index: usize,
        key: ChannelKey,
        (position, bytes_left): (Option<&Position>, &mut usize),
    ) -> Option<Standing> {
        let at = self.subscription_of(index, key)?;
        let subscription = &mut self.connections.get_mut(index)?.subscriptions[at];
        let feed = self.feeds.get_mut(subscription.feed.index())?;
        feed.seal(&mut self.compression);
        subscription.cursor = feed.log.head();
        let room = self.rooms.get(key.index())?;
        let recent = &room.open()?.recent;
        Some(Standing {
            channel: room.channel.clone(),
            epoch: recent.epoch().clone(),
            offset: recent.head(),
            missed: match position {
                None => Missed::NotAsked,
                Some((epoch, offset)) => match missed(recent, (epoch, *offset), bytes_left) {
                    Some(publications) => Missed::All(publications),
                    None => Missed::Unknown,
                },
            },
        })
    }

    /// Whether a user's bans let them be in an open channel.
    pub(super) fn judge_presence(&self, index: usize, key: ChannelKey) -> Result<(), Refusal> {
        let identity = self
            .connections
            .get(index)
            .and_then(|connection| connection.identity.as_ref());
        match (identity, self.rooms.get(key.index())) {
            (Some(identity), Some(room)) => self.calls.desk().judge_presence(
                &room.channel.room,
                identity.user(),
                identity.role(),
            ),
            _ => Ok(()),
        }
    }

    pub(super) fn find_connecting(&mut self, by: ConnectionKey) -> Option<usize> {
        let index = self.find(by)?;
        self.speak_to(index);
        (self.connections[index].state == State::Connecting).then_some(index)
    }
}
