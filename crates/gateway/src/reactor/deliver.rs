//! Publications on their way from the engine into the room logs, in offset order and without a hole.
//!
//! An engine delivers a channel in order, but two things can open a gap here: a full inbox, and a snapshot that was
//! overtaken by too many deliveries. A room with a gap reads the stretch back from the engine's log and ignores
//! deliveries meanwhile, since all they bring is in that log too. Only where the log itself cannot say what is missing
//! (another epoch, or a stretch that is gone) are the fans told so: their subscriptions end with 2500, which makes
//! clients subscribe again and find out whether they can recover.

use std::sync::Arc;

use fanwave_bus::{EngineError, History, HistoryQuery};
use fanwave_wire::{
    Channel, Language, Offset, Publication,
    limits::HISTORY_PAGE_MAX,
    protocol::{Push, UnsubscribeCode},
};

use super::{
    Reactor,
    key::ChannelKey,
    room::{OpenRoom, Phase, Refill},
};
use crate::{
    engine_calls::{Answer, Call},
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
            Answer::Closed(key, result) => {
                if let Err(error) = result {
                    tracing::warn!(%error, "a channel could not be closed");
                }
                self.handle_closed(key);
            }
            Answer::Refilled(key, result) => self.handle_refilled(key, result),
            Answer::Published(asked, reply, result) => {
                self.handle_published(asked, &reply, &result);
            }
            Answer::Read(asked, epoch, result) => {
                self.handle_history(asked, epoch.as_ref(), result);
            }
        }
    }

    /// A publication from the engine.
    pub(crate) fn deliver(&mut self, channel: &Channel, publication: Arc<Publication>) {
        if let Some(key) = self.rooms_by_channel.get(channel) {
            self.deliver_to(*key, publication);
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
        if let Refill::Running { newest } = &mut open.refill {
            *newest = offset.max(*newest);
        } else if offset == open.recent.head().next() {
            self.append(key, publication);
        } else if offset > open.recent.head() {
            self.catch_up(key);
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

    /// Reads back from the log what follows the room's head, unless that is under way.
    ///
    /// Whatever made this necessary was durable before it came here, so a read that starts now will find it; only what
    /// comes while it runs must be remembered.
    pub(crate) fn catch_up(&mut self, key: ChannelKey) {
        let Some(room) = self.rooms.get_mut(key.index()) else {
            return;
        };
        let channel = room.channel.clone();
        let Some(open) = room.open_mut().filter(|open| open.refill == Refill::Idle) else {
            return;
        };
        open.refill = Refill::Running { newest: Offset(0) };
        let query = HistoryQuery {
            since: Some(open.recent.head()),
            limit: HISTORY_PAGE_MAX,
            reverse: false,
        };
        self.metrics.refills.inc();
        self.start_channel_call(Call::Refill(key, channel, query));
    }

    fn handle_refilled(&mut self, key: ChannelKey, result: Result<History, EngineError>) {
        let Some(open) = self
            .rooms
            .get_mut(key.index())
            .and_then(|room| room.open_mut())
        else {
            return;
        };
        let Refill::Running { newest } = open.refill else {
            return;
        };
        open.refill = Refill::Idle;
        let before = open.recent.head();
        let history = match result {
            Ok(history) if history.epoch == *open.recent.epoch() => history,
            Ok(_) => return self.reset_room(key),
            Err(error) => {
                tracing::warn!(%error, "a stretch of a channel could not be read back");
                return self.reset_room(key);
            }
        };
        let complete = history.publications.len() < HISTORY_PAGE_MAX;
        for publication in history.publications {
            self.append_if_newer(key, publication);
        }
        if complete && let Some(open) = self.open_room_mut(key) {
            // What the page does not have is deleted.
            let head = open.recent.head().max(history.head);
            open.recent.pass(head);
        }
        let Some(open) = self.rooms.get(key.index()).and_then(|room| room.open()) else {
            return;
        };
        let head = open.recent.head();
        if head < history.head && head == before {
            // The log has more and yet nothing that follows: the stretch is gone from it.
            self.reset_room(key);
        } else if self.followers(key) > 0 && head < history.head.max(newest) {
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
            feed.log.append(frames.of(feed.kind.format, &push), 1);
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
