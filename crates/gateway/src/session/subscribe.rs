//! `subscribe` and `unsubscribe`.
//!
//! A subscription begins at one instant of the reactor: what the room had before it is in the reply, as far as the
//! client asked for it and the recovery window holds it; what comes after is pushed. `recovered: true` is said only when
//! the reply holds everything the client missed.

use std::sync::Arc;

use fanwave_room::recent::{Recent, Recovery};
use fanwave_wire::{
    Channel, Epoch, Lane, Language, Offset, Publication,
    call::Languages,
    protocol::{self, ErrorCode, Response, SubscribeRequest, SubscribeResult},
};

use crate::{
    limits,
    reactor::{
        Reactor,
        connection::{Subscription, SubscriptionPlace},
        feed::{Choice, FeedKind},
        key::{ChannelKey, ConnectionKey},
        room::{SubscribeWish, Waiter, Wish},
    },
    room_log::Cursor,
};

impl Reactor {
    /// Follow a channel, from now or from where the client was.
    pub(super) fn handle_subscribe(&mut self, index: usize, id: u32, request: &SubscribeRequest) {
        let Some(channel) = self.parse_channel(id, &request.channel) else {
            return;
        };
        if !self.may_subscribe(index, id, &channel) {
            return;
        }
        if self.config.consults().subscribe {
            return self.ask_for_permit(index, id, (channel, request));
        }
        self.subscribe(index, id, (channel, request));
    }

    /// Whoever is consulted has said that somebody may follow a channel, or has no say.
    pub(super) fn subscribe(
        &mut self,
        index: usize,
        id: u32,
        (channel, request): (Channel, &SubscribeRequest),
    ) {
        let Some(permission) = self.permit(index, id, (&channel, &request.token)) else {
            return;
        };
        let known = self
            .rooms_by_channel
            .get(&channel)
            .is_some_and(|key| self.subscription_of(index, *key).is_some());
        if known {
            self.replies.refuse(id, ErrorCode::AlreadySubscribed);
            return;
        }
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        if connection.subscriptions.len() >= limits::SUBSCRIPTIONS_PER_CONNECTION_MAX {
            self.replies.refuse(id, ErrorCode::LimitExceeded);
            return;
        }
        let by = connection.key(index);
        let kind = FeedKind {
            format: connection.format,
            choice: choice_of(&channel, request),
        };
        let opened = self.room_key(&channel);
        let feed = opened.and_then(|key| Some((key, self.feed_key(key, kind)?)));
        let Some((key, feed)) = feed else {
            self.replies.refuse_because(
                id,
                ErrorCode::Internal,
                "the server follows as many channels as it can",
            );
            return;
        };
        let recover = request
            .recover
            .then(|| (Epoch(request.epoch.as_str().into()), Offset(request.offset)));
        let wish = SubscribeWish {
            command: id,
            recover,
            join_leave: request.join_leave,
            permission,
        };
        let (Some(connection), Some(room)) = (
            self.connections.get_mut(index),
            self.rooms.get_mut(key.index()),
        ) else {
            return;
        };
        connection.add_subscription(Subscription {
            feed,
            place: SubscriptionPlace::PENDING,
            cursor: Cursor::default(),
        });
        if room.open().is_some() {
            self.begin_subscription(index, key, &wish);
        } else {
            let for_what = Wish::Subscribe(wish);
            room.waiters.push(Waiter { by, for_what });
        }
    }

    /// Whether somebody may follow a channel; otherwise the refusal has been written.
    fn may_subscribe(&mut self, index: usize, id: u32, channel: &Channel) -> bool {
        let identity = self
            .connections
            .get(index)
            .and_then(|connection| connection.identity.as_ref());
        let Some(identity) = identity else {
            return false;
        };
        match channel.lane {
            // The ballot box is nobody's to read.
            Lane::Vote => {
                self.replies.refuse(id, ErrorCode::UnknownChannel);
                return false;
            }
            Lane::Staff if !identity.role().may_moderate() => {
                self.replies.refuse(id, ErrorCode::PermissionDenied);
                return false;
            }
            Lane::Staff | Lane::Room | Lane::Chat => {}
        }
        self.is_welcome(index, id, channel)
    }

    /// Whether a user's bans let them in; otherwise the refusal has been written.
    fn is_welcome(&mut self, index: usize, id: u32, channel: &Channel) -> bool {
        let identity = self
            .connections
            .get(index)
            .and_then(|connection| connection.identity.as_ref());
        let Some(identity) = identity else {
            return false;
        };
        let judged =
            self.calls
                .desk()
                .judge_presence(&channel.room, identity.user(), identity.role());
        if let Err(refusal) = judged {
            let words = refusal.to_string();
            self.replies
                .refuse_because(id, ErrorCode::PermissionDenied, &words);
        }
        judged.is_ok()
    }

    /// The channel is open now: answers a subscribe that waited for it.
    pub(crate) fn admit_subscriber(
        &mut self,
        key: ChannelKey,
        by: ConnectionKey,
        wish: &SubscribeWish,
    ) {
        let Some(index) = self.find_open(by) else {
            return;
        };
        let place = self
            .subscription_of(index, key)
            .map(|at| self.connections[index].subscriptions[at].place);
        let channel = self.rooms.get(key.index()).map(|room| room.channel.clone());
        let welcome = channel.is_some_and(|channel| self.is_welcome(index, wish.command, &channel));
        if !welcome {
            // The room's rules were not known before it was open.
            self.unsubscribe(index, key);
        } else if place == Some(SubscriptionPlace::PENDING) {
            self.begin_subscription(index, key, wish);
        } else {
            // The client has changed its mind meanwhile.
            self.replies.refuse(wish.command, ErrorCode::BadRequest);
        }
        self.flush(index);
    }

    /// Makes a pending subscription a member of its open channel's feed, at its head.
    pub(super) fn join_feed(&mut self, index: usize, key: ChannelKey) {
        let Some(at) = self.subscription_of(index, key) else {
            return;
        };
        let Self {
            connections,
            feeds,
            compression,
            ..
        } = self;
        let Some(connection) = connections.get_mut(index) else {
            return;
        };
        let subscription = &mut connection.subscriptions[at];
        let Some(feed) = feeds.get_mut(subscription.feed.index()) else {
            return;
        };
        feed.seal(compression);
        subscription.place = feed.add_member(index);
        subscription.cursor = feed.log.head();
        self.count_in(index, key);
    }

    /// Makes a pending subscription a member of its open room, and replies.
    fn begin_subscription(&mut self, index: usize, key: ChannelKey, wish: &SubscribeWish) {
        if wish.join_leave {
            self.watch_the_door(index, key);
        }
        self.note_permission(index, key, wish.permission);
        self.join_feed(index, key);
        let ttl_seconds = wish.permission.ttl_seconds(self.clock.unix);
        let Self { rooms, replies, .. } = self;
        let Some(open) = rooms.get(key.index()).and_then(|room| room.open()) else {
            return;
        };
        let mut bytes_left = limits::REPLY_PUBLICATIONS_BYTES_MAX;
        let missed = wish
            .recover
            .as_ref()
            .map(|(epoch, offset)| missed(&open.recent, (epoch, *offset), &mut bytes_left));
        let recovery = match &missed {
            None => protocol::Recovery::NotAsked,
            Some(Some(publications)) => protocol::Recovery::Recovered(publications),
            Some(None) => protocol::Recovery::Unrecovered,
        };
        let result = SubscribeResult {
            epoch: open.recent.epoch(),
            offset: open.recent.head(),
            recoverable: true,
            positioned: true,
            recovery,
            ttl_seconds,
        };
        replies.reply(wish.command, Response::Subscribe(result));
    }

    /// Follow a channel no more. Whoever does not follow it gets the same answer.
    pub(super) fn handle_unsubscribe(&mut self, index: usize, id: u32, name: &str) {
        let Some(channel) = self.parse_channel(id, name) else {
            return;
        };
        if let Some(key) = self.rooms_by_channel.get(&channel).copied() {
            self.unsubscribe(index, key);
        }
        self.replies.reply(id, Response::Unsubscribe);
    }

    /// Ends one subscription of a connection that stays.
    pub(crate) fn unsubscribe(&mut self, index: usize, key: ChannelKey) {
        let Some(at) = self.subscription_of(index, key) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let feed = connection.subscriptions[at].feed;
        if let Some(subscription) = connection.remove_subscription(feed) {
            self.leave_feed(index, subscription);
        }
    }
}

/// The languages that a subscription asks for in its data, `{"languages":["ko","en"]}`; all of them otherwise. Only the
/// chat is sorted by language.
fn choice_of(channel: &Channel, request: &SubscribeRequest) -> Choice {
    #[derive(serde::Deserialize)]
    struct Data {
        #[serde(default)]
        languages: Option<Vec<Language>>,
    }
    if channel.lane != Lane::Chat {
        return Choice::ALL;
    }
    let data = request.data.as_deref();
    let data: Option<Data> = data.and_then(|data| serde_json::from_str(data.get()).ok());
    match data.and_then(|data| data.languages) {
        Some(languages) => Choice::of_languages(Languages::Only(languages.into_iter().collect())),
        None => Choice::ALL,
    }
}

/// Everything after a client's position, or `None` when the window or what is left of one reply cannot hold it.
pub(super) fn missed(
    recent: &Recent,
    (epoch, offset): (&Epoch, Offset),
    bytes_left: &mut usize,
) -> Option<Vec<Arc<Publication>>> {
    match recent.since(epoch, offset) {
        Recovery::Recovered(missed) => {
            let bytes: usize = missed
                .clone()
                .map(|publication| reply_bytes(publication))
                .sum();
            *bytes_left = bytes_left.checked_sub(bytes)?;
            Some(missed.cloned().collect())
        }
        Recovery::Unrecoverable => None,
    }
}

/// An upper bound of what a publication takes in a reply, near to the truth for any ordinary text.
pub(super) fn reply_bytes(publication: &Publication) -> usize {
    /// Field names, punctuation, numbers of 20 digits and the role.
    const FIELDS: usize = 256;
    let draft = &publication.draft;
    let strings: [&str; 4] = [
        draft.body.as_text().map_or("", |text| &text.text),
        &draft.sender.name,
        &draft.sender.user.0,
        &draft.id.0,
    ];
    FIELDS + strings.into_iter().map(escaped_bytes).sum::<usize>()
}

/// What a string takes as JSON, if every character that shares its first byte with U+2028 were escaped as that one is.
fn escaped_bytes(text: &str) -> usize {
    let extra = |byte: u8| match byte {
        b'"' | b'\\' => 1,
        0xE2 => 3,
        0..=0x1F => 5,
        _ => 0,
    };
    text.len() + text.bytes().map(extra).sum::<usize>()
}
