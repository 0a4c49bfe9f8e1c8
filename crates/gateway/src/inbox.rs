//! What other threads hand to the reactor: sockets, publications, the engine's answers, the order to stop.
//!
//! One short lock and one wake-up per batch, never a wait: whoever hands something in goes on at once. Every part is
//! bounded: sockets by the node's admission, answers by the calls that may be in flight, publications by
//! [`DELIVERIES_WAITING_MAX`](crate::limits::DELIVERIES_WAITING_MAX). A publication that finds no room is not lost: its
//! channel is marked, and the reactor reads the stretch back from the engine's log.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use fanwave_wire::{
    Channel, Event, Notice, Publication, Role, RoomId, UserId, protocol::DisconnectCode,
    ws::WindowBits,
};

use crate::{
    admission::Place,
    drain::Order,
    engine_calls::Answer,
    format::Format,
    limits,
    reactor::{revoked::Revocation, stream::Stream},
    roll_call::RollCall,
    session::Passing,
    transport::SessionSecret,
};

/// A socket whose upgrade has been answered.
#[derive(Debug)]
pub(crate) struct Handover {
    /// Non-blocking, and watched by nobody.
    pub(crate) stream: Stream,
    /// How it is spoken to.
    pub(crate) format: Format,
    /// What the peer sent behind its handshake; of a stream, its first frame of commands.
    pub(crate) leftover: Bytes,
    /// Present where compression was negotiated: the largest window that the client takes.
    pub(crate) deflate: Option<WindowBits>,
    /// Its place on the node.
    pub(crate) place: Place,
}

/// Everything that came in since the reactor last looked.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// New sockets.
    pub(crate) sockets: Vec<Handover>,
    /// What the rooms have to say, each room's in order.
    pub(crate) items: VecDeque<Item>,
    /// Channels that have lost publications to a full inbox.
    pub(crate) gaps: BTreeSet<Channel>,
    /// Commands for sessions that speak by other requests than they listen on.
    pub(crate) commands: Vec<(SessionSecret, Vec<u8>)>,
    /// Bytes of those.
    pub(crate) command_bytes: usize,
    /// Lists of followers that are asked for.
    pub(crate) roll_calls: Vec<RollCall>,
    /// What the engine answered.
    pub(crate) answers: Vec<Answer>,
    /// Begin to move the fans to other nodes.
    pub(crate) drain: Option<Order>,
    /// Say good-bye to everybody, and be gone by then.
    pub(crate) stop_by: Option<Instant>,
}

/// Whether there was room in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queued {
    /// The reactor will see it.
    Yes,
    /// It was thrown away.
    Full,
}

/// The reactor's inbox; see the module.
#[derive(Debug)]
pub(crate) struct Inbox {
    waiting: Mutex<Batch>,
    waker: mio::Waker,
}

impl Inbox {
    /// An empty inbox that wakes a reactor's poll.
    pub(crate) fn new(waker: mio::Waker) -> Self {
        Self {
            waiting: Mutex::new(Batch::default()),
            waker,
        }
    }

    /// A new socket.
    pub(crate) fn hand_over(&self, socket: Handover) {
        let mut waiting = self.lock();
        waiting.sockets.push(socket);
        self.unlock_and_wake(waiting);
    }

    /// A frame of commands for a session. Bounded by [`COMMAND_BYTES_WAITING_MAX`](limits::COMMAND_BYTES_WAITING_MAX).
    pub(crate) fn command(&self, session: SessionSecret, frame: Vec<u8>) -> Queued {
        let mut waiting = self.lock();
        let bytes = frame.len() + size_of::<(SessionSecret, Vec<u8>)>();
        if waiting.command_bytes + bytes > limits::COMMAND_BYTES_WAITING_MAX {
            return Queued::Full;
        }
        waiting.command_bytes += bytes;
        waiting.commands.push((session, frame));
        self.unlock_and_wake(waiting);
        Queued::Yes
    }

    /// A question who follows a channel. Bounded by the calls that may be in flight.
    pub(crate) fn call_roll(&self, call: RollCall) {
        let mut waiting = self.lock();
        waiting.roll_calls.push(call);
        self.unlock_and_wake(waiting);
    }

    /// An answer of the engine. Bounded by the calls that may be in flight.
    pub(crate) fn answer(&self, answer: Answer) {
        let mut waiting = self.lock();
        waiting.answers.push(answer);
        self.unlock_and_wake(waiting);
    }

    /// The order to move the fans.
    pub(crate) fn drain(&self, order: Order) {
        let mut waiting = self.lock();
        waiting.drain = Some(order);
        self.unlock_and_wake(waiting);
    }

    /// The order to stop; a second one does not put off the first.
    pub(crate) fn stop(&self, by: Instant) {
        let mut waiting = self.lock();
        waiting.stop_by = Some(waiting.stop_by.map_or(by, |earlier| earlier.min(by)));
        self.unlock_and_wake(waiting);
    }

    /// Takes everything, leaving `spare` (empty, its memory reused) in its place.
    pub(crate) fn take(&self, spare: &mut Batch) {
        std::mem::swap(&mut *self.lock(), spare);
    }

    fn lock(&self) -> MutexGuard<'_, Batch> {
        // A poisoned lock guards a queue that is whole: a push either happened or did not.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unlock_and_wake(&self, waiting: MutexGuard<'_, Batch>) {
        drop(waiting);
        if let Err(error) = self.waker.wake() {
            // The reactor still wakes at its next timer; that an eventfd refuses is for the operator to know.
            let kind: io::ErrorKind = error.kind();
            tracing::error!(?kind, "the reactor could not be woken");
        }
    }

    /// Something that a room has to say. A full inbox loses what can be had again or is soon out of date, and marks the
    /// channel of a publication; acts of moderation, which are few, always fit.
    pub(crate) fn put(&self, item: Item) {
        let mut waiting = self.lock();
        let fits = waiting.items.len() < limits::DELIVERIES_WAITING_MAX;
        match item {
            Item::Show(channel, _) if !fits => {
                waiting.gaps.insert(channel);
            }
            Item::Personal(..) | Item::Notice(..) | Item::Passing(..) if !fits => return,
            item => waiting.items.push_back(item),
        }
        // The first one wakes; the rest are found by the same look.
        if waiting.items.len() == 1 || !waiting.gaps.is_empty() {
            self.unlock_and_wake(waiting);
        }
    }
}

/// Something that a room has to say to the fans of a reactor.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// To all who follow the channel and its language.
    Show(Channel, Arc<Publication>),
    /// To these users of the channel only.
    Personal(Channel, Arc<Publication>, Box<[Option<UserId>; 2]>),
    /// To all who follow the channel, now or never.
    Notice(Channel, Arc<Notice>),
    /// What this event deletes is not to be had again.
    Erase(Channel, Box<Event>),
    /// A user's connections to the room are closed, unless they stand this high.
    Eject(RoomId, UserId, Role),
    /// A user's connections are closed, whatever they follow.
    Dismiss(UserId, DisconnectCode),
    /// A user's tokens of before are refused from now on.
    Revoke(UserId, Revocation),
    /// Somebody comes to a small channel or goes from it.
    Passing(Channel, Arc<Passing>),
    /// The channel has lost its place: whoever follows it subscribes again.
    Reset(Channel),
}

#[cfg(test)]
mod tests {
    use fanwave_wire::{
        Body, ClientMessageId, Draft, Offset, Role, Sender, Text, UnixMillis, UserId,
    };

    use super::*;

    fn publication(offset: u64) -> Arc<Publication> {
        let sender = Sender {
            user: UserId("u".into()),
            name: "n".into(),
            role: Role::Fan,
            badge: None,
        };
        let draft = Draft {
            id: ClientMessageId("i".into()),
            sender,
            body: Body::Text(Text::plain("t")),
        };
        Arc::new(Publication {
            offset: Offset(offset),
            at: UnixMillis(0),
            draft,
        })
    }

    #[test]
    fn publications_beyond_the_bound_mark_their_channel() {
        let poll = mio::Poll::new().unwrap();
        let inbox = Inbox::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let busy: Channel = "chat:busy".parse().unwrap();
        let last: Channel = "chat:last".parse().unwrap();
        for offset in 1..=limits::DELIVERIES_WAITING_MAX as u64 {
            inbox.put(Item::Show(busy.clone(), publication(offset)));
        }
        inbox.put(Item::Show(last.clone(), publication(1)));
        let mut batch = Batch::default();
        inbox.take(&mut batch);
        assert_eq!(batch.items.len(), limits::DELIVERIES_WAITING_MAX);
        assert_eq!(batch.gaps, BTreeSet::from([last]));
        inbox.put(Item::Show(busy, publication(1)));
        inbox.take(&mut Batch::default());
    }
}
