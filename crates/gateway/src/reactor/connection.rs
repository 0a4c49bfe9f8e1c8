//! What the reactor keeps of one socket, and how it writes to it.
//!
//! The record is small because there are a hundred thousand of them, most of them idle: what a connection has only now
//! and then (an incomplete frame, unsent replies, calls under way) is in a box that exists only then. Nothing here
//! knows a room or a command.

use std::collections::VecDeque;

use fanwave_wire::ws;
use slab::Slab;
use smallvec::SmallVec;

use super::{
    feed::{Feed, Loss},
    identity::Identity,
    key::{ConnectionKey, FeedKey},
    stream::{Scratch, Stream},
};
use crate::{
    engine_calls::Call,
    format::Format,
    room_log::{Cursor, Progress, Stretch},
};

/// One connection; see the module.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts that have nothing to do with each other, a byte each"
)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) generation: u32,
    /// Who it is, once connected.
    pub(crate) identity: Option<Identity>,
    pub(crate) subscriptions: Subscriptions,
    busy: Option<Box<Busy>>,
    pub(crate) budget: Budget,
    pub(crate) format: Format,
    pub(crate) state: State,
    /// Present where compression was negotiated: the largest window that the client takes.
    pub(crate) deflate: Option<ws::WindowBits>,
    /// The socket was full, and the poll tells when it no longer is.
    pub(crate) blocked: bool,
    /// A ping is unanswered.
    pub(crate) awaits_pong: bool,
    /// It has more to be read than its turn allowed, and is in the queue for it.
    pub(crate) reads_on: bool,
    /// The server has subscribed it to channels by itself.
    pub(crate) has_server_side: bool,
}

/// What a connection has only now and then: 8 bytes in each of 100,000 idle records.
#[derive(Debug, Default)]
struct Busy {
    /// An incomplete message.
    decoder: ws::Decoder,
    /// Present while an engine call of this connection is under way; holds those that wait for it.
    calls: Option<VecDeque<Call>>,
    /// What the socket did not take: replies, and the rest of a frame it took in part. Ends at a frame's boundary.
    unsent: Option<Unsent>,
}

/// The channels of a connection. A fan in a room follows its two lanes, which have their place in the record.
pub(crate) type Subscriptions = SmallVec<[Subscription; 2]>;

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Upgraded, not yet connected.
    Fresh,
    /// Its token is good; the channels that the server subscribes it to are being opened.
    Connecting,
    /// Connected.
    Open,
    /// Connected, and about to be moved: it gets what is due, and is refused what it asks for now.
    Leaving,
    /// Our close frame is on its way; whatever still comes is thrown away.
    Closing,
}

/// One channel that a connection follows, or is about to: the feed of it that the connection reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subscription {
    pub(crate) feed: FeedKey,
    pub(crate) place: SubscriptionPlace,
    /// Place in the feed's log up to which the fan has been sent everything.
    pub(crate) cursor: Cursor,
}

/// Index of the subscription's connection among the feed's members; [`Self::PENDING`] until the channel is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubscriptionPlace(pub(crate) u32);

impl SubscriptionPlace {
    /// The channel is being opened.
    pub(crate) const PENDING: Self = Self(u32::MAX);
}

#[derive(Debug, Default)]
struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// The socket has all of it.
    All,
    /// The socket is full; the rest goes when the poll says so.
    Blocked,
    /// More is unsent than a connection may keep: the peer asks and does not read.
    TooMuch,
    /// The fan's cursor fell out of the log of a lossless lane.
    Lapped,
    /// The fan's cursor fell out of the log of a lane that may skip, and stands at its head now.
    Skipped {
        /// So many messages were never sent.
        missed: u64,
    },
    /// The peer is gone.
    Gone,
}

impl Connection {
    /// A connection that has said nothing yet.
    pub(crate) fn new(stream: Stream, generation: u32, budget: Budget, format: Format) -> Self {
        Self {
            stream,
            generation,
            identity: None,
            subscriptions: Subscriptions::new(),
            busy: None,
            budget,
            format,
            state: State::Fresh,
            deflate: None,
            blocked: false,
            awaits_pong: false,
            reads_on: false,
            has_server_side: false,
        }
    }

    /// Its key, given its place.
    pub(crate) fn key(&self, index: usize) -> ConnectionKey {
        ConnectionKey {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            generation: self.generation,
        }
    }

    /// The subscription that reads a feed, if there is one.
    pub(crate) fn subscription(&self, feed: FeedKey) -> Option<usize> {
        self.subscriptions
            .iter()
            .position(|subscription| subscription.feed == feed)
    }

    /// Adds a subscription.
    pub(crate) fn add_subscription(&mut self, subscription: Subscription) {
        self.subscriptions.reserve_exact(1);
        self.subscriptions.push(subscription);
    }

    /// Removes the subscription that reads a feed, if there is one.
    pub(crate) fn remove_subscription(&mut self, feed: FeedKey) -> Option<Subscription> {
        let at = self.subscription(feed)?;
        let removed = self.subscriptions.remove(at);
        self.subscriptions.shrink_to_fit();
        Some(removed)
    }

    /// The subscription's place among the feed's members has changed.
    pub(crate) fn move_subscription(&mut self, feed: FeedKey, place: SubscriptionPlace) {
        if let Some(at) = self.subscription(feed) {
            self.subscriptions[at].place = place;
        }
    }

    /// Whether everything but room data has been sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.unsent().is_none() && self.stream.is_flushed()
    }

    fn unsent(&self) -> Option<&Unsent> {
        self.busy.as_ref()?.unsent.as_ref()
    }

    fn busy(&mut self) -> &mut Busy {
        self.busy.get_or_insert_default()
    }

    /// Frees the box when nothing is in it.
    fn settle_busy(&mut self) {
        if self.busy.as_deref().is_some_and(Busy::is_idle) {
            self.busy = None;
        }
    }

    /// Takes the reading state, to be given back by [`Self::return_decoder`].
    pub(crate) fn take_decoder(&mut self) -> ws::Decoder {
        self.busy
            .as_mut()
            .map(|busy| std::mem::take(&mut busy.decoder))
            .unwrap_or_default()
    }

    /// Gives the reading state back; nothing is kept of one that stands between two messages.
    pub(crate) fn return_decoder(&mut self, decoder: ws::Decoder) {
        if !is_between_messages(&decoder) {
            self.busy().decoder = decoder;
        }
        self.settle_busy();
    }

    /// The calls that wait for the one under way, if there is one.
    pub(crate) fn calls_waiting(&self) -> Option<&VecDeque<Call>> {
        self.busy.as_ref()?.calls.as_ref()
    }

    /// The calls that wait for the one under way, if there is one.
    pub(crate) fn calls_waiting_mut(&mut self) -> Option<&mut VecDeque<Call>> {
        self.busy.as_mut()?.calls.as_mut()
    }

    /// A call is under way from now on.
    pub(crate) fn begin_calls(&mut self) {
        self.busy().calls = Some(VecDeque::new());
    }

    /// No call is under way any more, and those that wait are forgotten.
    pub(crate) fn end_calls(&mut self) {
        if let Some(busy) = &mut self.busy {
            busy.calls = None;
        }
        self.settle_busy();
    }

    /// Sends whole frames, or keeps what the socket does not take.
    ///
    /// At most `bytes_max` are kept. Always in order with what is unsent already; room data waits behind both.
    pub(crate) fn send(
        &mut self,
        frames: &[u8],
        bytes_max: usize,
        scratch: &mut Scratch,
    ) -> Written {
        if self.blocked || self.unsent().is_some() {
            return self.keep(frames, bytes_max);
        }
        let mut rest = frames;
        while !rest.is_empty() {
            let Ok(taken) = self.stream.write(rest, &[], scratch) else {
                return Written::Gone;
            };
            rest = &rest[taken.bytes..];
            if taken.full {
                return if rest.is_empty() {
                    Written::Blocked
                } else {
                    self.keep(rest, bytes_max)
                };
            }
        }
        Written::All
    }

    fn keep(&mut self, frames: &[u8], bytes_max: usize) -> Written {
        let closing = self.state == State::Closing;
        let kept = self.busy().unsent.get_or_insert_default();
        // A closing connection gets its close frame said, which is bounded by itself.
        if !closing && kept.bytes.len() - kept.sent + frames.len() > bytes_max {
            return Written::TooMuch;
        }
        kept.bytes.reserve_exact(frames.len());
        kept.bytes.extend_from_slice(frames);
        Written::Blocked
    }

    /// Goes on with what is unsent, when the poll says that the socket takes more.
    pub(crate) fn resume(&mut self, scratch: &mut Scratch) -> Written {
        self.blocked = false;
        match self.stream.flush(scratch) {
            Ok(true) => {}
            Ok(false) => return Written::Blocked,
            Err(_) => return Written::Gone,
        }
        let Self { stream, busy, .. } = self;
        let mut full = false;
        while let Some(busy) = busy
            && let Some(unsent) = &mut busy.unsent
            && !full
        {
            match stream.write(&unsent.bytes[unsent.sent..], &[], scratch) {
                Ok(taken) => {
                    unsent.sent += taken.bytes;
                    full = taken.full;
                }
                Err(_) => return Written::Gone,
            }
            if unsent.sent == unsent.bytes.len() {
                busy.unsent = None;
            }
        }
        self.settle_busy();
        if full { Written::Blocked } else { Written::All }
    }

    /// Sends what one subscription lacks of its feed's log, and with it what the others lack of theirs: a write costs the
    /// same whatever is in it, and a fan who follows both lanes of a busy room is woken once.
    pub(crate) fn send_rooms(
        &mut self,
        subscription: usize,
        feeds: &Slab<Feed>,
        scratch: &mut Scratch,
    ) -> Written {
        let is_behind = self.blocked || self.unsent().is_some();
        if !is_behind && self.state != State::Connecting && self.lacks_more(subscription, feeds) {
            let written = self.send_bundle(subscription, feeds, scratch);
            if written != Written::All {
                return written;
            }
        }
        // What a bundle had no room for, and all that is unusual.
        match feed_of(&self.subscriptions, subscription, feeds) {
            Some(feed) => self.send_room(subscription, feed, scratch),
            None => Written::All,
        }
    }

    /// Whether there is something for another subscription than this one, too.
    fn lacks_more(&self, subscription: usize, feeds: &Slab<Feed>) -> bool {
        let lacks = |at: usize| {
            let Subscription { place, cursor, .. } = self.subscriptions[at];
            let feed = feed_of(&self.subscriptions, at, feeds);
            place != SubscriptionPlace::PENDING
                && feed.is_some_and(|feed| feed.log.head() != cursor)
        };
        let mut others = (0..self.subscriptions.len()).filter(|at| *at != subscription);
        others.any(lacks) && lacks(subscription)
    }

    /// Sends the newest of several feeds in one write, that of `first` before the others.
    fn send_bundle(&mut self, first: usize, feeds: &Slab<Feed>, scratch: &mut Scratch) -> Written {
        let mut bundle = std::mem::take(&mut scratch.bundle);
        bundle.clear();
        let mut parts: SmallVec<[(usize, usize); 4]> = SmallVec::new();
        let at_once = self.stream.write_bytes_max();
        let others = (0..self.subscriptions.len()).filter(|at| *at != first);
        for at in std::iter::once(first).chain(others) {
            let Subscription { place, cursor, .. } = self.subscriptions[at];
            let Some(feed) = feed_of(&self.subscriptions, at, feeds) else {
                continue;
            };
            if place == SubscriptionPlace::PENDING || bundle.len() >= at_once {
                continue;
            }
            // Whoever fell out of a log is seen to when that feed is swept.
            if let Stretch::Frames(head, tail) = feed.log.since(cursor, at_once - bundle.len()) {
                bundle.extend_from_slice(head);
                bundle.extend_from_slice(tail);
                parts.push((at, head.len() + tail.len()));
            }
        }
        let taken = self.stream.write(&bundle, &[], scratch);
        scratch.bundle = bundle;
        let Ok(taken) = taken else {
            return Written::Gone;
        };
        let mut bytes = taken.bytes;
        for (at, length) in parts {
            let Some(feed) = feed_of(&self.subscriptions, at, feeds) else {
                continue;
            };
            let subscription = &mut self.subscriptions[at];
            let Progress { cursor, rest } =
                feed.log.advance(subscription.cursor, bytes.min(length));
            scratch.tally.deliveries += subscription.cursor.messages_until(cursor);
            subscription.cursor = cursor;
            bytes = bytes.saturating_sub(length);
            if !rest.is_empty() {
                self.busy().unsent = Some(Unsent {
                    bytes: rest,
                    sent: 0,
                });
            }
        }
        if taken.full || self.unsent().is_some() {
            Written::Blocked
        } else {
            Written::All
        }
    }

    /// Sends what one subscription lacks of its feed's log.
    ///
    /// A frame that the socket takes in part is finished from what is unsent: the cursor always stands between two
    /// frames, so that replies and other rooms may follow.
    pub(crate) fn send_room(
        &mut self,
        subscription: usize,
        feed: &Feed,
        scratch: &mut Scratch,
    ) -> Written {
        let Self {
            subscriptions,
            stream,
            busy,
            blocked,
            state,
            ..
        } = self;
        let is_behind = *blocked || busy.as_ref().is_some_and(|busy| busy.unsent.is_some());
        let Some(subscription) = subscriptions.get_mut(subscription) else {
            return Written::All;
        };
        if subscription.place == SubscriptionPlace::PENDING || *state == State::Connecting {
            // It stands at the feed's head when the reply that says so is written.
            return Written::All;
        }
        let at_once = stream.write_bytes_max();
        loop {
            let (first, second) = match feed.log.since(subscription.cursor, at_once) {
                Stretch::Current => return Written::All,
                // Whoever may skip does so when there is room again: a stalled reader costs nothing until then.
                Stretch::Lapped if is_behind && feed.loss == Loss::Skips => {
                    return Written::Blocked;
                }
                Stretch::Lapped if feed.loss == Loss::Skips => {
                    let head = feed.log.head();
                    let missed = subscription.cursor.messages_until(head);
                    subscription.cursor = head;
                    return Written::Skipped { missed };
                }
                Stretch::Lapped => return Written::Lapped,
                Stretch::Frames(..) if is_behind => return Written::Blocked,
                Stretch::Frames(first, second) => (first, second),
            };
            let Ok(taken) = stream.write(first, second, scratch) else {
                return Written::Gone;
            };
            let Progress { cursor, rest } = feed.log.advance(subscription.cursor, taken.bytes);
            scratch.tally.deliveries += subscription.cursor.messages_until(cursor);
            subscription.cursor = cursor;
            if !taken.full && rest.is_empty() {
                continue;
            }
            if !rest.is_empty() {
                busy.get_or_insert_default().unsent = Some(Unsent {
                    bytes: rest,
                    sent: 0,
                });
            }
            return Written::Blocked;
        }
    }
}

/// The feed that a subscription reads.
fn feed_of<'a>(
    subscriptions: &Subscriptions,
    at: usize,
    feeds: &'a Slab<Feed>,
) -> Option<&'a Feed> {
    feeds.get(subscriptions.get(at)?.feed.index())
}

impl Busy {
    fn is_idle(&self) -> bool {
        self.calls.is_none() && self.unsent.is_none() && is_between_messages(&self.decoder)
    }
}

/// Whether a decoder knows nothing that a new one does not.
fn is_between_messages(decoder: &ws::Decoder) -> bool {
    decoder.held_bytes() == 0 && !decoder.ended()
}

/// Commands a connection may still send: a token bucket in eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Thousandths of a command that are left.
    left: u32,
    /// When that was, in milliseconds of the reactor's own clock.
    at: u32,
}

impl Budget {
    /// A full bucket.
    pub(crate) fn full(per_second: u16, at: u32) -> Self {
        Self {
            left: Self::burst(per_second),
            at,
        }
    }

    /// Takes one command's worth; whether there was one.
    pub(crate) fn take(&mut self, per_second: u16, now: u32) -> Taken {
        // The clock comes round after 49 days: a difference is right for any connection that lives less between two
        // commands, and pings see to that.
        let gained = now.wrapping_sub(self.at).saturating_mul(per_second.into());
        self.left = self
            .left
            .saturating_add(gained)
            .min(Self::burst(per_second));
        self.at = now;
        match self.left.checked_sub(1000) {
            Some(left) => {
                self.left = left;
                Taken::Yes
            }
            None => Taken::No,
        }
    }

    /// Two seconds' worth, and always one full frame of commands: a client that reconnects sends it all at once.
    fn burst(per_second: u16) -> u32 {
        let frame = u32::try_from(fanwave_wire::limits::COMMANDS_PER_FRAME_MAX).unwrap_or(u32::MAX);
        (u32::from(per_second) * 2).max(frame).saturating_mul(1000)
    }
}

/// Whether a budget had one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It had.
    Yes,
    /// It had not.
    No,
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixStream};

    use super::*;
    use crate::{
        reactor::{
            feed::{Choice, FeedKind},
            key::ChannelKey,
        },
        transport::SessionSecret,
    };

    /// The record as a release build has it: mio's sockets carry a check of their own where debug assertions are on.
    fn record_bytes() -> usize {
        let tag_and_pointer = 2 * size_of::<usize>();
        size_of::<Connection>() - size_of::<Stream>() + tag_and_pointer
    }

    /// 100,000 idle fans are the case to be small for; tests/memory.rs counts what else one takes.
    #[test]
    fn a_record_is_small() {
        assert!(record_bytes() <= 144, "{}", record_bytes());
        assert!(
            size_of::<Subscription>() <= 16,
            "{}",
            size_of::<Subscription>()
        );
        assert!(
            size_of::<Option<Identity>>() <= 56,
            "{}",
            size_of::<Option<Identity>>()
        );
    }

    /// Two feeds with frames of so many bytes, `a` and `b`, and a connection that follows both from their beginning.
    fn two_feeds(frames: usize, bytes: usize) -> (Slab<Feed>, Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        for socket in [&ours, &theirs] {
            socket.set_nonblocking(true).unwrap();
        }
        let stream = Stream::pipe(ours, SessionSecret::random().unwrap());
        let mut connection = Connection::new(stream, 1, Budget::full(1, 0), Format::WsJson);
        connection.state = State::Open;
        let mut feeds = Slab::new();
        for letter in [b'a', b'b'] {
            let kind = FeedKind {
                format: Format::WsJson,
                choice: Choice::ALL,
            };
            let mut feed = Feed::new(ChannelKey(0), kind, Loss::Never, frames * bytes);
            let place = feed.add_member(0);
            let cursor = feed.log.head();
            for _ in 0..frames {
                feed.log.append(&vec![letter; bytes], 1);
            }
            let key = FeedKey(u32::try_from(feeds.insert(feed)).unwrap());
            connection.add_subscription(Subscription {
                feed: key,
                place,
                cursor,
            });
        }
        (feeds, connection, theirs)
    }

    /// Everything that has come by now.
    fn heard(socket: &mut UnixStream) -> Vec<u8> {
        let mut all = Vec::new();
        let ended = socket.read_to_end(&mut all).unwrap_err();
        assert_eq!(ended.kind(), std::io::ErrorKind::WouldBlock);
        all
    }

    #[test]
    fn what_two_feeds_have_leaves_in_one_write() {
        let (feeds, mut connection, mut peer) = two_feeds(3, 100);
        let mut scratch = Scratch::default();
        assert_eq!(connection.send_rooms(1, &feeds, &mut scratch), Written::All);
        assert_eq!(scratch.tally.writes, 1);
        assert_eq!(scratch.tally.deliveries, 6);
        assert_eq!(heard(&mut peer), [[b'b'; 300], [b'a'; 300]].concat());
        for at in 0..2 {
            assert_eq!(
                connection.send_rooms(at, &feeds, &mut scratch),
                Written::All
            );
        }
        assert_eq!(scratch.tally.writes, 1, "nothing is left for either");
    }

    /// Wherever the socket is full, the next byte is the one that follows, and no frame is torn by another feed's.
    #[test]
    fn a_full_socket_tears_no_frame_of_either_feed() {
        const FRAME: usize = 7_001;
        const FRAMES: usize = 100;
        let (feeds, mut connection, mut peer) = two_feeds(FRAMES, FRAME);
        let mut scratch = Scratch::default();
        let mut all = Vec::new();
        let mut written = connection.send_rooms(0, &feeds, &mut scratch);
        let mut blocked = 0;
        while written == Written::Blocked {
            blocked += 1;
            all.extend(heard(&mut peer));
            written = connection.resume(&mut scratch);
            for at in 0..2 {
                if written == Written::All {
                    written = connection.send_rooms(at, &feeds, &mut scratch);
                }
            }
        }
        all.extend(heard(&mut peer));
        assert_eq!(written, Written::All);
        assert!(blocked > 0, "a pipe takes less than all of it");
        assert_eq!(all.len(), 2 * FRAMES * FRAME);
        let whole = |frame: &[u8]| frame.iter().all(|byte| *byte == frame[0]);
        assert!(all.chunks(FRAME).all(whole));
        assert_eq!(
            all.iter().filter(|byte| **byte == b'a').count(),
            FRAMES * FRAME
        );
        assert_eq!(scratch.tally.deliveries, 2 * FRAMES as u64);
    }

    #[test]
    fn a_budget_refills_and_is_bounded() {
        let mut budget = Budget::full(30, 0);
        for _ in 0..64 {
            assert_eq!(budget.take(30, 0), Taken::Yes);
        }
        assert_eq!(budget.take(30, 0), Taken::No);
        assert_eq!(budget.take(30, 33), Taken::No);
        assert_eq!(
            budget.take(30, 34),
            Taken::Yes,
            "30 a second are one in 34 ms"
        );
        let hour = 3_600_000;
        for _ in 0..64 {
            assert_eq!(budget.take(30, hour), Taken::Yes);
        }
        assert_eq!(
            budget.take(30, hour),
            Taken::No,
            "a long rest earns one burst"
        );
    }
}
