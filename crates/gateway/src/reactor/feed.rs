//! A feed: one channel, in one format, in one choice of languages; everything that is equal for many fans.
//!
//! A channel on a reactor is its recent window and as many feeds as its fans make different: usually one. A feed is a
//! log of encoded frames, the connections that read it, and how far the sweep of them has come. A fan reads one feed of
//! a channel, so that what they are shown is in one order.

use fanwave_wire::{Lane, Language, call::Languages};

use super::{
    Reactor,
    compression::Compression,
    connection::{Subscription, SubscriptionPlace},
    key::{ChannelKey, FeedKey},
    sweep::Sweep,
};
use crate::{
    format::{Format, Gathering},
    limits,
    room_log::{Cursor, RoomLog},
};

/// One feed; see the module.
#[derive(Debug)]
pub(crate) struct Feed {
    /// The channel it belongs to.
    pub(crate) channel: ChannelKey,
    pub(crate) kind: FeedKind,
    pub(crate) loss: Loss,
    /// What its readers are sent; empty while there are none.
    pub(crate) log: RoomLog,
    /// What is not in the log yet, where a tick's worth shares a frame.
    gathered: Gathered,
    /// Connections by their place in the slab.
    pub(crate) members: Vec<u32>,
    pub(crate) sweep: Sweep,
}

/// Replies that will share a frame, with their separators.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    messages: u32,
}

/// Memory that a feed keeps for what it will gather next.
const GATHERED_BYTES_KEPT: usize = 16 * 1024;

/// What sets the feeds of one channel apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FeedKind {
    /// How it is written.
    pub(crate) format: Format,
    /// Which languages it has.
    pub(crate) choice: Choice,
}

/// The languages a fan wants to read, a bit for each.
///
/// What is of no language (events, notices, emoji) is in every choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice(u16);

impl Choice {
    /// Whatever there is.
    pub(crate) const ALL: Self = Self(u16::MAX);

    /// These languages, and what is of none.
    fn of(languages: impl IntoIterator<Item = Language>) -> Self {
        let bits = languages
            .into_iter()
            .fold(0, |bits, language| bits | 1 << language.index());
        Self(bits | 1 << Language::Unknown.index())
    }

    /// A fan's choice, as a call or a subscription has it.
    pub(crate) fn of_languages(languages: Languages) -> Self {
        let wanted = Language::ALL
            .into_iter()
            .filter(|language| languages.contains(*language));
        match languages {
            Languages::All => Self::ALL,
            Languages::Only(_) => Self::of(wanted),
        }
    }

    /// Whether something of a language belongs to it.
    pub(crate) fn has(self, language: Language) -> bool {
        self.0 & (1 << language.index()) != 0
    }
}

/// What becomes of a reader who has fallen out of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Closed with 3008: the fan comes back and recovers everything.
    Never,
    /// Skips to the newest, and is told how much was missed.
    Skips,
}

impl Loss {
    /// What a lane allows.
    pub(crate) fn of(lane: Lane) -> Self {
        match lane {
            Lane::Chat => Self::Skips,
            Lane::Room | Lane::Staff | Lane::Vote => Self::Never,
        }
    }
}

/// A member whose place changed because another one left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) connection: u32,
    pub(crate) place: SubscriptionPlace,
}

impl Feed {
    pub(super) fn new(
        channel: ChannelKey,
        kind: FeedKind,
        loss: Loss,
        log_bytes_max: usize,
    ) -> Self {
        Self {
            channel,
            kind,
            loss,
            log: RoomLog::new(log_bytes_max),
            gathered: Gathered::default(),
            members: Vec::new(),
            sweep: Sweep::default(),
        }
    }

    /// Adds what its readers lack now, as [`Frames::of`](crate::format::Frames::of) has it; a notice counts as no message.
    pub(crate) fn add(&mut self, message: &[u8], count: u32, compression: &mut Compression) {
        match self.kind.format.gathering() {
            Gathering::Each => self.log.append(message, count),
            Gathering::Tick => {
                let Gathered { bytes, messages } = &mut self.gathered;
                if !bytes.is_empty() {
                    bytes.extend_from_slice(self.kind.format.encoding().separator());
                }
                bytes.extend_from_slice(message);
                *messages += count;
                if bytes.len() >= limits::GATHERED_BYTES_MAX {
                    self.seal(compression);
                }
            }
        }
    }

    /// Puts what is gathered into the log, as one compressed message.
    ///
    /// Done when a sweep begins, and when somebody joins: their reply has everything up to here, so that the log must
    /// not bring it again.
    pub(crate) fn seal(&mut self, compression: &mut Compression) {
        let Gathered { bytes, messages } = &mut self.gathered;
        if !bytes.is_empty() {
            let frame = compression.compress(self.kind.format, bytes);
            self.log.append(frame, *messages);
            bytes.clear();
            bytes.shrink_to(GATHERED_BYTES_KEPT);
            *messages = 0;
        }
    }

    /// Whether there is more than what a sweep began with.
    pub(crate) fn has_grown(&self, head: Cursor) -> bool {
        self.log.head() != head || !self.gathered.bytes.is_empty()
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
    pub(crate) fn remove_member(&mut self, place: SubscriptionPlace) -> [Option<Moved>; 2] {
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
        if self.members.is_empty() {
            self.log.clear();
            self.gathered = Gathered::default();
        }
        moved
    }
}

impl Reactor {
    /// The channel's feed of a kind, made when there is none.
    ///
    /// A channel with as many feeds as it may have gives whoever wants yet another choice everything there is.
    pub(crate) fn feed_key(&mut self, channel: ChannelKey, kind: FeedKind) -> Option<FeedKey> {
        let room = self.rooms.get_mut(channel.index())?;
        let of_kind = |wanted: FeedKind| {
            let feeds = &self.feeds;
            move |key: &&FeedKey| {
                feeds
                    .get(key.index())
                    .is_some_and(|feed| feed.kind == wanted)
            }
        };
        if let Some(key) = room.feeds.iter().find(of_kind(kind)) {
            return Some(*key);
        }
        let kind = if room.feeds.len() < limits::FEEDS_PER_CHANNEL_MAX {
            kind
        } else {
            let choice = Choice::ALL;
            FeedKind { choice, ..kind }
        };
        if let Some(key) = room.feeds.iter().find(of_kind(kind)) {
            return Some(*key);
        }
        let loss = Loss::of(room.channel.lane);
        let feed = Feed::new(channel, kind, loss, self.config.room_log_bytes);
        let key = FeedKey(u32::try_from(self.feeds.insert(feed)).unwrap_or(u32::MAX));
        room.feeds.push(key);
        Some(key)
    }

    /// Forgets the feeds of a channel that nobody follows.
    pub(crate) fn forget_feeds(&mut self, feeds: Vec<FeedKey>) {
        for key in feeds {
            self.sweeper.forget(key);
            self.feeds.try_remove(key.index());
        }
    }

    /// Where among a connection's subscriptions that of a channel is, if there is one.
    pub(crate) fn subscription_of(&self, index: usize, channel: ChannelKey) -> Option<usize> {
        let follows = |subscription: &Subscription| {
            let feed = self.feeds.get(subscription.feed.index());
            feed.is_some_and(|feed| feed.channel == channel)
        };
        let subscriptions = &self.connections.get(index)?.subscriptions;
        subscriptions.iter().position(follows)
    }

    /// Lets a subscriber of a channel read another of its feeds, from its head on.
    pub(crate) fn change_feed(&mut self, index: usize, channel: ChannelKey, to: FeedKey) {
        let Some(at) = self.subscription_of(index, channel) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let former = connection.subscriptions[at];
        if former.feed == to || former.place == SubscriptionPlace::PENDING {
            return;
        }
        let Some(feed) = self.feeds.get_mut(to.index()) else {
            return;
        };
        feed.seal(&mut self.compression);
        connection.subscriptions[at] = Subscription {
            feed: to,
            place: feed.add_member(index),
            cursor: feed.log.head(),
        };
        let moved = self
            .feeds
            .get_mut(former.feed.index())
            .map(|feed| feed.remove_member(former.place));
        for moved in moved.into_iter().flatten().flatten() {
            if let Some(connection) = self.connections.get_mut(moved.connection as usize) {
                connection.move_subscription(former.feed, moved.place);
            }
        }
    }

    /// How many connections here follow a channel.
    pub(crate) fn followers(&self, channel: ChannelKey) -> usize {
        let feeds = self
            .rooms
            .get(channel.index())
            .map_or(&[][..], |room| &room.feeds);
        let members = |key: &FeedKey| {
            self.feeds
                .get(key.index())
                .map_or(0, |feed| feed.members.len())
        };
        feeds.iter().map(members).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(members: u32) -> Feed {
        let kind = FeedKind {
            format: Format::WsJson,
            choice: Choice::ALL,
        };
        let mut feed = Feed::new(ChannelKey(0), kind, Loss::Never, 1000);
        for member in 0..members {
            assert_eq!(feed.add_member(member as usize), SubscriptionPlace(member));
        }
        feed
    }

    #[test]
    fn whoever_leaves_is_replaced_by_the_last() {
        let mut feed = feed(4);
        let moved = feed.remove_member(SubscriptionPlace(1));
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
        assert_eq!(feed.members, [0, 3, 2]);
        assert_eq!(feed.remove_member(SubscriptionPlace(2)), [None, None]);
        assert_eq!(feed.members, [0, 3]);
        assert_eq!(feed.remove_member(SubscriptionPlace::PENDING), [None, None]);
    }

    #[test]
    fn a_sweep_under_way_misses_nobody() {
        for leaver in 0..8 {
            for position in 0..=8_usize {
                let mut feed = feed(8);
                feed.sweep.begin(std::time::Instant::now(), feed.log.head());
                *feed.sweep.position_mut().unwrap() = position;
                let visited: Vec<u32> = feed.members[..position].to_vec();
                for moved in feed
                    .remove_member(SubscriptionPlace(leaver))
                    .into_iter()
                    .flatten()
                {
                    assert_eq!(feed.members[moved.place.0 as usize], moved.connection);
                }
                let after = *feed.sweep.position_mut().unwrap();
                for member in (0..8).filter(|member| *member != leaver) {
                    let to_come = feed.members[after..].contains(&member);
                    assert_eq!(
                        to_come,
                        !visited.contains(&member),
                        "{member} when {leaver} leaves at {position}"
                    );
                }
                assert_eq!(feed.members.len(), 7);
            }
        }
    }

    #[test]
    fn a_choice_has_its_languages_and_what_is_of_none() {
        let some = Choice::of([Language::Korean, Language::English]);
        for language in Language::ALL {
            let chosen = matches!(
                language,
                Language::Korean | Language::English | Language::Unknown
            );
            assert_eq!(some.has(language), chosen, "{language:?}");
            assert!(Choice::ALL.has(language));
        }
    }
}
