//! The contract between gateways and the engine that makes them one room.
//!
//! A gateway attaches one [`Sink`] to its engine, subscribes to the channels its fans are in, and publishes what its
//! fans say. What an engine promises is written on [`Engine`]; `conformance` checks it, the same for every adapter.

use std::{future::Future, pin::Pin, sync::Arc};

use fanwave_wire::{Channel, Draft, Epoch, Offset, Publication, UnixMillis, envelope::Hearsay};
use thiserror::Error;

/// A future that can be put behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The contract of every engine.
///
/// * **Order**: the publications of one channel reach every sink in the order of their offsets, without a hole.
///   Nothing is promised between two channels.
/// * **Acknowledgement**: [`Engine::publish`] answers `Ok` once the message has its offset *and* the engine's log holds
///   it durably. An error means that it is not known to be held: the sender may send again under the same client
///   message id, and gets the one offset the message has.
/// * **Delivery before or after the acknowledgement**: either may come first; never is anything delivered that is not
///   durable.
/// * **Duplicates**: the same sender and client message id within the duplicate window is one message: the later
///   publish answers with the first one's [`Ack`] and `duplicate: true`, and nothing is delivered again.
/// * **Deletion**: once a [`Deleted`](fanwave_wire::Event::Deleted) or [`Cleared`](fanwave_wire::Event::Cleared) of a
///   `room:` channel is acknowledged, no snapshot and no history has what it deletes from the `chat:` channel of the same
///   room, also after a crash. The offset stays unused; a delivery that is already under way may still arrive, and is
///   followed by the event.
/// * **Epoch**: offsets are comparable only within one epoch; an engine that lost its log, or the end of it, starts a new
///   one. An offset that anybody may have seen is never given to another message within its epoch.
/// * **Several nodes**: where many servers share a log, all of this holds between them: one order, one run of offsets,
///   one message however many servers it is sent to. What one server was acknowledged reaches the sinks of the others
///   soon after, and what it deleted is gone from their snapshots and histories when its event has reached them.
/// * **Interruption**: while the log cannot be reached, publishing fails with [`EngineError::Unavailable`], and what is in
///   memory can still be read. Within 10 s of its return everything missed is delivered, in order, or the sink is told
///   that the channel begins anew ([`Sink::restarted`]): never nothing.
/// * **Hearsay**: what a node tells about itself ([`Engine::tell`]) reaches the sinks of the others at most once, in no
///   promised order, or not at all, and is kept by nobody. It may also come back to who has told it.
pub trait Engine: Send + Sync + 'static {
    /// Gives the engine the place where this node's deliveries go. Called once, before any other call.
    fn attach(&self, sink: Arc<dyn Sink>);

    /// Begins delivery of a channel to the sink, and says where the channel stands.
    ///
    /// Every publication after [`Snapshot::head`] reaches the sink; one that raced with the call may reach it before
    /// the snapshot is returned, so the caller orders by offset and drops what it has.
    fn subscribe<'a>(
        &'a self,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<Snapshot, EngineError>>;

    /// Ends delivery of a channel. The engine may forget its window.
    fn unsubscribe<'a>(&'a self, channel: &'a Channel) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Hands a message to its room; see the trait for what the answer means.
    fn publish<'a>(
        &'a self,
        channel: &'a Channel,
        draft: Draft,
    ) -> BoxFuture<'a, Result<Ack, EngineError>>;

    /// Reads the events of a channel after an offset, oldest first: what a room's rules are the fold of.
    ///
    /// A page has at most `limits::EVENTS_PAGE_MAX`; one with fewer reaches to the channel's head.
    fn events<'a>(
        &'a self,
        channel: &'a Channel,
        after: Offset,
    ) -> BoxFuture<'a, Result<History, EngineError>>;

    /// Reads back a stretch of a channel, oldest first unless reversed.
    ///
    /// A page with fewer publications than asked for (and than `limits::HISTORY_PAGE_MAX`) has all that there are.
    fn history<'a>(
        &'a self,
        channel: &'a Channel,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<History, EngineError>>;

    /// Tells all other nodes something about this one; ends soon, whether it could be told or not.
    ///
    /// An engine that has no others does nothing.
    fn tell<'a>(&'a self, hearsay: &'a Hearsay) -> BoxFuture<'a, ()> {
        let _: &Hearsay = hearsay;
        Box::pin(std::future::ready(()))
    }

    /// Whether there can be other nodes. By default there are none.
    fn has_others(&self) -> bool {
        false
    }
}

/// Where an engine delivers; the gateway implements it.
///
/// `deliver` is called in channel order, from any thread, and must not block: it copies a pointer and wakes a reactor.
pub trait Sink: Send + Sync + 'static {
    /// One durable publication of a channel this node is subscribed to.
    fn deliver(&self, channel: &Channel, publication: &Arc<Publication>);

    /// What was delivered of a channel is not followed by what will be: it is of another epoch, or more is missing than
    /// can be read back. Whoever follows the channel subscribes anew; its fans learn that they are not recovered.
    fn restarted(&self, channel: &Channel);

    /// What a node, this one perhaps, tells about itself. By default nobody listens.
    fn heard(&self, hearsay: Hearsay) {
        drop(hearsay);
    }

    /// Whether the engine reaches its log. Told when that changes, and every few seconds while it does not: nothing can be
    /// written then, and nothing new is heard. An engine whose log is its own says nothing.
    fn reaches_log(&self, reaches: bool);
}

/// Where a channel stood when the subscription began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The run of offsets this belongs to.
    pub epoch: Epoch,
    /// Offset of the newest durable publication, 0 when there is none.
    pub head: Offset,
    /// Offset behind which `recent` has everything up to `head` that is not deleted.
    pub floor: Offset,
    /// The newest publications, oldest first; at most `limits::RECENT_MAX`.
    pub recent: Vec<Arc<Publication>>,
}

/// A taken message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The run of offsets.
    pub epoch: Epoch,
    /// The message's place in it.
    pub offset: Offset,
    /// When the room took it.
    pub at: UnixMillis,
    /// It had been taken before, under the same client message id.
    pub duplicate: bool,
}

/// Which stretch of a channel to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Read on from here: after it, or before it when reversed. `None`: from the oldest, or the newest when reversed.
    pub since: Option<Offset>,
    /// At most so many; the engine caps it at `limits::HISTORY_PAGE_MAX`.
    pub limit: usize,
    /// Newest first.
    pub reverse: bool,
}

/// A stretch of a channel, and where the channel stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The run of offsets.
    pub epoch: Epoch,
    /// Offset of the newest durable publication.
    pub head: Offset,
    /// What was read, in the order asked for.
    pub publications: Vec<Arc<Publication>>,
}

/// Why an engine did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The log cannot be written or read now (disk full, store gone); sending again later may work.
    #[error("the message log is unavailable: {reason}")]
    Unavailable {
        /// In words for the operator.
        reason: String,
    },
    /// More sends wait than the engine holds.
    #[error("too many messages are waiting to be stored")]
    Busy,
    /// The engine is stopping.
    #[error("the engine is stopping")]
    Stopping,
}
