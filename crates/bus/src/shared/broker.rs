//! What the shared engine asks of a broker, be it Redis, NATS or Kafka.
//!
//! A broker keeps a log for every channel and tells every node that watches a partition what is appended there. It
//! decides nothing about a room: what is a duplicate, which offset is next and what is deleted are facts of its log, and
//! everything else is the engine's.

use std::sync::Arc;

use fanwave_room::sequence::Repeat;
use fanwave_store::{Page, Standing};
use fanwave_wire::{
    Channel, Epoch, Offset, Publication, RoomId, UnixMillis,
    envelope::{Batch, Record},
};
use thiserror::Error;

use crate::{BoxFuture, EngineError};

/// A share of all rooms. A room is in one partition with all its lanes, so that a broker can keep them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u16);

/// The contract of every broker.
///
/// * **Append** is all or nothing, also when the broker dies under it. A record whose sender and client message id
///   the channel's log has within the duplicate window
///   ([`DUPLICATE_WINDOW`](fanwave_room::limits::DUPLICATE_WINDOW); for ever in a lane that is not `chat`) is not
///   written again: its first place is the answer. The others get the offsets after the head, without a gap. The
///   answer means that they are durable as far as the broker is configured to be.
/// * **Deletion**: an append to a `room` lane deletes from the log of the `chat` lane of the same room what its
///   [`Deleted`](fanwave_wire::Event::Deleted) and [`Cleared`](fanwave_wire::Event::Cleared) say, in the same step. Where
///   a log cannot delete, reading leaves out what is deleted.
/// * **Fencing**: an append names the epoch and the head that its node knows. A log of that epoch whose head is lower
///   has lost something: nothing is written, and the answer is [`Appended::Lost`]. An offset that somebody may have
///   seen is never given again within its epoch: [`Broker::renew`] begins another.
/// * **Telling**: from when [`Broker::watch`] answers until [`Broker::unwatch`], every append to a room of the partition
///   is a [`Signal::Heard`], in order for each channel, unless it is lost: then [`Signal::Resumed`] says so, after
///   which everything is heard again. A message may be heard that this node has appended itself, and one may be heard
///   twice. A log that has lost its end has interrupted everybody: [`Signal::Resumed`] stands between what was told
///   before and what is told afterwards.
/// * **Hearsay**: what a server tells ([`Broker::tell`]) is a [`Signal::Told`] at all servers, itself perhaps included:
///   at most once, in no promised order, or not at all, and kept by nobody. It never stands in the way of what is
///   appended: where there is no room for it, it is lost. It costs one subscription, however many rooms there are.
/// * **Signs of life**: [`Broker::probe`] answers `Ok` while what is appended now could be written and heard, as far as one
///   question to the broker and its answer can tell.
/// * **Time**: every call ends, with an error at the latest after `limits::BROKER_CALL_MAX`. What a failed append has
///   done is not known: the engine passes that on, and the sender sends again.
pub trait Broker: Send + Sync + 'static {
    /// Which partition a room is in; the same on every node.
    fn partition(&self, room: &RoomId) -> Partition;

    /// Begins to tell what is appended to the rooms of a partition. May be called again while it is watched.
    fn watch(&self, partition: Partition) -> BoxFuture<'_, Result<(), BrokerError>>;

    /// Ends that. Takes effect before any later call of [`Broker::watch`] does.
    fn unwatch(&self, partition: Partition);

    /// Appends records to a channel: 1 to [`APPEND_BATCH_MAX`](fanwave_room::limits::APPEND_BATCH_MAX), no two of one
    /// sender and client message id.
    fn append<'a>(
        &'a self,
        channel: &'a Channel,
        known: &'a Standing,
        records: &'a [Record],
    ) -> BoxFuture<'a, Result<Appended, BrokerError>>;

    /// Reads a stretch of a channel, and where the channel stood at that very moment; begins its first epoch when there
    /// is none yet. A page with fewer publications than its limit has all that there are.
    fn read<'a>(
        &'a self,
        channel: &'a Channel,
        page: Page,
    ) -> BoxFuture<'a, Result<Extract, BrokerError>>;

    /// Asks for a sign of life; nothing is remembered of an earlier one.
    fn probe(&self) -> BoxFuture<'_, Result<(), BrokerError>>;

    /// Begins a new epoch in place of one of which something was lost, unless another node has done so already.
    fn renew<'a>(
        &'a self,
        channel: &'a Channel,
        lost: &'a Epoch,
    ) -> BoxFuture<'a, Result<(), BrokerError>>;

    /// Tells all servers something; at most [`HEARSAY_BYTES_MAX`](fanwave_wire::limits::HEARSAY_BYTES_MAX) bytes.
    fn tell<'a>(&'a self, hearsay: &'a [u8]) -> BoxFuture<'a, Result<(), BrokerError>>;
}

/// What a broker says unasked.
#[derive(Debug)]
pub enum Signal {
    /// Something was appended to a channel of a partition that is watched.
    Heard(Batch),
    /// Everything of these partitions is heard again, but something may not have been.
    Resumed(Vec<Partition>),
    /// A server tells something about itself: a [`Hearsay`](fanwave_wire::envelope::Hearsay), if it can be read.
    Told(Vec<u8>),
    /// Something was said that cannot be read; what it was is missing from what is heard.
    Unreadable,
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// All records have a place.
    Stored {
        /// The run of offsets.
        epoch: Epoch,
        /// One for each record.
        placed: Vec<Placed>,
    },
    /// The log has less than its epoch once had. Nothing was written.
    Lost,
}

/// The place of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its offset.
    pub offset: Offset,
    /// When the room took it: the record's own time, or that of its first copy.
    pub at: UnixMillis,
    /// Whether it was there before.
    pub repeat: Repeat,
}

/// A stretch of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extract {
    /// Where the channel stood when it was read.
    pub standing: Standing,
    /// What was read, in the order asked for.
    pub publications: Vec<Arc<Publication>>,
}

/// Why a broker did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// It cannot be reached, or refuses; asking again later may work.
    #[error("{reason}")]
    Unavailable {
        /// In words for the operator.
        reason: String,
    },
    /// What it holds was written by a release that this one does not understand.
    #[error("the log holds what this release cannot read: {reason}")]
    Unreadable {
        /// In words for the operator.
        reason: String,
    },
}

impl BrokerError {
    /// It cannot be reached, or refuses.
    pub fn unavailable(reason: &(impl ToString + ?Sized)) -> Self {
        Self::Unavailable {
            reason: reason.to_string(),
        }
    }
}

impl From<BrokerError> for EngineError {
    fn from(error: BrokerError) -> Self {
        Self::Unavailable {
            reason: error.to_string(),
        }
    }
}
