//! What back ends send over a broker, as a queue that one server at a time works off.
//!
//! A command is bytes to this crate. The contract stands on [`CommandQueue`]; an adapter of each broker keeps it, with the
//! connection settings of its engine. What commands mean, and which of them wait for each other, is not known here.

#[cfg(all(test, any(feature = "kafka", feature = "nats", feature = "redis")))]
pub(crate) mod conformance;

use crate::{BoxFuture, shared::BrokerError};

/// The contract of every queue of commands.
///
/// * **Lead**: at most one server works a queue off. It has the lead for
///   [`COMMAND_LEASE`](crate::limits::COMMAND_LEASE) from each call of [`CommandQueue::lead`] that answers `true`, counted from
///   before the call. A server that has not asked for so long has lost it, whatever it believes.
/// * **Order**: [`CommandQueue::take`] gives commands in the order in which the broker has them (in Kafka: of one partition).
/// * **At least once**: what was taken and is not [done](CommandQueue::done) is given again, in its place in the order, after
///   [`CommandQueue::rewind`]: by this server, or by the next that leads. What is done is not given again, unless the answer
///   to that was an error, or the broker was killed; in Kafka, also where something before it was not done.
/// * **Dead letters** ([`CommandQueue::bury`]) are kept by the broker beside the queue, and read by nobody here.
/// * **Time**: every call ends, with an error at the latest after `limits::BROKER_CALL_MAX`.
pub trait CommandQueue: Send + Sync + 'static {
    /// Asks for the lead, or to keep it. Makes what the queue needs at the broker, where that can be made.
    fn lead(&self) -> BoxFuture<'_, Result<bool, BrokerError>>;

    /// Goes back to the oldest command that is not done. Called when a server begins to lead, and after an error of
    /// [`CommandQueue::take`]; while nothing that was taken is being worked on.
    fn rewind(&self) -> BoxFuture<'_, Result<(), BrokerError>>;

    /// The next commands, at most so many; none, when none has come after
    /// [`COMMANDS_POLL_MAX`](crate::limits::COMMANDS_POLL_MAX). What it has taken is lost to this server when it is not
    /// awaited to its end.
    fn take(&self, most: usize) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>>;

    /// A command is done with, and is not to be given again.
    fn done<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<(), BrokerError>>;

    /// Keeps what became of a command that cannot be done.
    fn bury<'a>(&'a self, letter: &'a [u8]) -> BoxFuture<'a, Result<(), BrokerError>>;

    /// How many commands are not done.
    fn waiting(&self) -> BoxFuture<'_, Result<u64, BrokerError>>;

    /// Lets another server lead at once.
    fn leave(&self) -> BoxFuture<'_, Result<(), BrokerError>>;
}

/// A command, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub place: Place,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// Where a command is in its queue. Written as text, it is what people find it by in the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    name: String,
    /// What the broker is to be told when it is done.
    token: String,
}

impl Place {
    /// A place of that name, of which the broker is told something else.
    #[must_use]
    pub fn new(name: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            token: token.into(),
        }
    }

    /// What the broker is told.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// Who a server is to the others that want to lead: another each time it starts.
#[cfg(any(feature = "kafka", feature = "redis"))]
pub(crate) fn new_holder() -> Result<String, BrokerError> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| BrokerError::unavailable(&error))?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}
