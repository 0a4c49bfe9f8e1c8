//! What the rooms have to say, on its way into the feeds.
//!
//! The desk shows each channel in order; only a full inbox can open a gap here. A channel with a gap reads back what was
//! shown meanwhile, and ignores what comes until then. Where the desk no longer knows what was shown, the fans are told
//! so: their subscriptions end with 2500, which makes clients subscribe again and find out whether they can recover.

use std::sync::Arc;

use fanwave_bus::{EngineError, History};
use fanwave_wire::{
    Channel, Lane, Language, Notice, Offset, Publication, Role, RoomId, UserId,
    limits::HISTORY_PAGE_MAX,
    protocol::{DisconnectCode, Push, UnsubscribeCode},
};

use super::{
    Reactor,
    key::ChannelKey,
    room::{OpenRoom, Phase, Refill},
};
use crate::{
    engine_calls::{Answer, Call},
    inbox::Item,
    limits,
};

impl Reactor {
    /// Hands out one answer of the engine.
    pub(crate) fn handle_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Opened(key, Ok(snapshot)) => self.handle_opened(key, snapshot),
            Answer::Opened(key, Err(error)) => {
                tracing::warn!(%error, "a channel could not be opened");
                self.handle_open_failed(key, explain(&error));
            }
            Answer::Closed(key) => self.handle_closed(key),
            Answer::Refilled(key, result) => self.handle_refilled(key, result),
            Answer::Answered(asked, form, outcome) => {
                self.handle_outcome(asked, form, &outcome);
            }
            Answer::Read(asked, epoch, result) => {
                self.handle_history(asked, epoch.as_ref(), result);
            }
            Answer::Present(asked, present) => self.handle_present(asked, present),
            Answer::Welcomed(asked, arrival, welcome) => {
                self.handle_welcome(asked, &arrival, welcome);
            }
            Answer::Permitted(asked, request, permit) => {
                self.handle_permit(asked, &request, permit);
            }
        }
    }

    /// Does what a room has to say.
    pub(crate) fn handle_item(&mut self, item: Item) {
        match item {
            Item::Show(channel, publication) => {
                if let Some(key) = self.rooms_by_channel.get(&channel) {
                    self.deliver_to(*key, publication);
                }
            }
            Item::Personal(channel, publication, users) => {
                self.pass(&channel, publication.offset);
                for user in users.iter().flatten() {
                    self.deliver_personally(&channel, &publication, user);
                }
            }
            Item::Notice(channel, notice) => self.tell(&channel, &notice),
            Item::Erase(channel, event) => {
                let key = self.rooms_by_channel.get(&channel).copied();
                if let Some(open) = key.and_then(|key| self.open_room_mut(key)) {
                    open.recent.erase(&event);
                }
            }
            Item::Passing(channel, passing) => self.handle_passing(&channel, &passing),
            Item::Eject(room, user, below) => self.eject(&room, &user, below),
            Item::Dismiss(user, code) => {
                for index in self.by_user.of(&self.connections, &user) {
                    self.disconnect(index, code);
                }
            }
            Item::Revoke(user, revocation) => {
                self.revoked.add(user, revocation, self.clock.unix);
            }
            Item::Reset(channel) => {
                if let Some(key) = self.rooms_by_channel.get(&channel).copied() {
                    self.reset_room(key);
                }
            }
        }
    }

    /// What is for a few has its place in the channel, too: whoever has seen it and comes back is not ahead of us.
    fn pass(&mut self, channel: &Channel, offset: Offset) {
        let key = self.rooms_by_channel.get(channel).copied();
        if let Some(open) = key.and_then(|key| self.open_room_mut(key))
            && open.refill == Refill::Idle
        {
            open.recent.pass(open.recent.head().max(offset));
        }
    }

    /// Sends a publication to one user's connections that follow its channel, behind what they lack of it.
    fn deliver_personally(
        &mut self,
        channel: &Channel,
        publication: &Arc<Publication>,
        user: &UserId,
    ) {
        let Some(key) = self.rooms_by_channel.get(channel).copied() else {
            return;
        };
        let push = Push::Publication {
            channel,
            publication,
        };
        for index in self.by_user.of(&self.connections, user) {
            let Some(at) = self.subscription_of(index, key) else {
                continue;
            };
            self.catch_reader_up(index, at);
            self.speak_to(index);
            self.replies.push(push);
            self.flush(index);
        }
    }

    /// Sends a fan what they lack of one feed, before something else is said.
    pub(crate) fn catch_reader_up(&mut self, index: usize, subscription: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let key = connection.subscriptions[subscription].feed;
        if let Some(feed) = self.feeds.get_mut(key.index()) {
            feed.seal(&mut self.compression);
            let written = connection.send_room(subscription, feed, &mut self.scratch);
            self.settle_feed(index, key, written);
        }
    }

    /// Tells everybody in a channel, or those who follow the language in question, what is true for a moment.
    fn tell(&mut self, channel: &Channel, notice: &Notice) {
        let language = match notice {
            Notice::More { language, .. } => *language,
            _ => Language::Unknown,
        };
        let Self {
            rooms,
            rooms_by_channel,
            feeds,
            frames,
            compression,
            sweeper,
            clock,
            ..
        } = self;
        let key = rooms_by_channel.get(channel);
        let Some(room) = key.and_then(|key| rooms.get(key.index())) else {
            return;
        };
        let push = Push::Notice { channel, notice };
        frames.clear();
        for key in &room.feeds {
            let Some(feed) = feeds.get_mut(key.index()) else {
                continue;
            };
            if feed.members.is_empty() || !feed.kind.choice.has(language) {
                continue;
            }
            feed.add(frames.of(feed.kind.format, &push), 0, compression);
            sweeper.mark(*key, &mut feed.sweep, clock.now);
        }
    }

    /// Closes a user's connections to a room, where they stand below a role; they do not come back by themselves.
    fn eject(&mut self, room: &RoomId, user: &UserId, below: Role) {
        for index in self.by_user.of(&self.connections, user) {
            let stands_below = self
                .connections
                .get(index)
                .and_then(|connection| connection.identity.as_ref())
                .is_some_and(|identity| identity.role() < below);
            let lanes = [Lane::Room, Lane::Chat, Lane::Staff, Lane::Vote];
            let is_there = lanes.into_iter().any(|lane| {
                let room = room.clone();
                let key = self.rooms_by_channel.get(&Channel { lane, room });
                key.is_some_and(|key| self.subscription_of(index, *key).is_some())
            });
            if stands_below && is_there {
                self.disconnect(index, DisconnectCode::PermissionDenied);
            }
        }
    }

    /// A publication for one channel.
    pub(crate) fn deliver_to(&mut self, key: ChannelKey, publication: Arc<Publication>) {
        let Some(room) = self.rooms.get_mut(key.index()) else {
            return;
        };
        let offset = publication.offset;
        let open = match &mut room.phase {
            Phase::Closing => return,
            Phase::Opening(early) => {
                if early.publications.len() < limits::EARLY_DELIVERIES_MAX {
                    early.publications.push_back(publication);
                } else {
                    early.complete = false;
                }
                return;
            }
            Phase::Open(open) => open,
        };
        if !open.refill.holds_back(offset) && offset > open.recent.head() {
            // In the chat lane offsets may skip: what is not shown is not delivered.
            self.append(key, publication);
        }
    }

    /// The inbox has lost publications of this channel, nobody knows which.
    pub(crate) fn handle_gap(&mut self, channel: &Channel) {
        let Some(key) = self.rooms_by_channel.get(channel).copied() else {
            return;
        };
        match self.rooms.get_mut(key.index()).map(|room| &mut room.phase) {
            Some(Phase::Opening(early)) => early.complete = false,
            Some(Phase::Open(_)) => self.catch_up(key),
            Some(Phase::Closing) | None => {}
        }
    }

    /// Reads back from the log what follows the room's head, once more if that is under way.
    ///
    /// Whatever made this necessary was durable before it came here, so a read that starts now will find it; what comes
    /// while it runs is remembered, and so is that something was lost meanwhile.
    pub(crate) fn catch_up(&mut self, key: ChannelKey) {
        let Some(room) = self.rooms.get_mut(key.index()) else {
            return;
        };
        let channel = room.channel.clone();
        let Some(open) = room.open_mut() else {
            return;
        };
        if !open.refill.miss() {
            return;
        }
        let since = open.recent.head();
        self.metrics.refills.inc();
        self.start_channel_call(Call::Refill(key, channel, since));
    }

    fn handle_refilled(&mut self, key: ChannelKey, result: Result<History, EngineError>) {
        let Some(open) = self
            .rooms
            .get_mut(key.index())
            .and_then(|room| room.open_mut())
        else {
            return;
        };
        let Some(lacking) = open.refill.end() else {
            return;
        };
        let history = match result {
            Ok(history) if history.epoch == *open.recent.epoch() => history,
            Ok(_) => return self.reset_room(key),
            Err(error) => {
                tracing::warn!(%error, "a stretch of a channel could not be read back");
                return self.reset_room(key);
            }
        };
        let full = history.publications.len() >= HISTORY_PAGE_MAX;
        for publication in history.publications {
            self.append_if_newer(key, publication);
        }
        let head = self.open_room_mut(key).map(|open| open.recent.head());
        if self.followers(key) > 0 && (full || lacking.beyond(head)) {
            self.catch_up(key);
        } else {
            self.close_room_if_empty(key);
        }
    }

    fn append_if_newer(&mut self, key: ChannelKey, publication: Arc<Publication>) {
        let head = self.open_room_mut(key).map(|open| open.recent.head());
        if head.is_some_and(|head| publication.offset > head) {
            self.append(key, publication);
        }
    }

    fn open_room_mut(&mut self, key: ChannelKey) -> Option<&mut OpenRoom> {
        self.rooms
            .get_mut(key.index())
            .and_then(|room| room.open_mut())
    }

    /// The next publication of an open channel: encoded once per format, for all its fans here.
    fn append(&mut self, key: ChannelKey, publication: Arc<Publication>) {
        let Self {
            rooms,
            feeds,
            frames,
            compression,
            sweeper,
            clock,
            ..
        } = self;
        let Some(room) = rooms.get_mut(key.index()) else {
            return;
        };
        let Phase::Open(open) = &mut room.phase else {
            return;
        };
        let push = Push::Publication {
            channel: &room.channel,
            publication: &publication,
        };
        let text = publication.draft.body.as_text();
        let language = text.map_or(Language::Unknown, |text| text.language);
        frames.clear();
        for feed_key in &room.feeds {
            let Some(feed) = feeds.get_mut(feed_key.index()) else {
                continue;
            };
            if feed.members.is_empty() || !feed.kind.choice.has(language) {
                continue;
            }
            feed.add(frames.of(feed.kind.format, &push), 1, compression);
            sweeper.mark(*feed_key, &mut feed.sweep, clock.now);
        }
        open.recent.push(publication);
    }

    /// Ends every subscription of a channel with 2500: the node cannot say what its fans lack.
    fn reset_room(&mut self, key: ChannelKey) {
        let Some(room) = self.rooms.get(key.index()) else {
            return;
        };
        let channel = room.channel.clone();
        let feeds = room
            .feeds
            .iter()
            .filter_map(|key| self.feeds.get(key.index()));
        let members: Vec<u32> = feeds
            .flat_map(|feed| feed.members.iter().copied())
            .collect();
        tracing::warn!(
            members = members.len(),
            "a channel lost its place in the log: its fans subscribe again"
        );
        for member in members {
            let index = member as usize;
            if self.has_server_side(index) {
                // Clients subscribe again by themselves only to what they have asked for; to the rest by a new connect.
                self.disconnect(index, DisconnectCode::InsufficientState);
                continue;
            }
            self.unsubscribe(index, key);
            self.speak_to(index);
            self.replies.push(Push::Unsubscribe {
                channel: &channel,
                code: UnsubscribeCode::InsufficientState,
            });
            self.flush(index);
        }
        self.close_room_if_empty(key);
    }
}

/// An engine's failure in words for a fan: what the operator reads in the log is not for them.
pub(crate) fn explain(error: &EngineError) -> &'static str {
    match error {
        EngineError::Unavailable { .. } => "the message log is unavailable, try again",
        EngineError::Busy => "too many messages are waiting, try again",
        EngineError::Stopping => "the server is stopping, try again",
        _ => "internal server error, try again",
    }
}
