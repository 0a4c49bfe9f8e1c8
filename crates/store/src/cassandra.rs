//! An archive in Apache Cassandra or `ScyllaDB`.
//!
//! There are no transactions. What makes a record be there once, and a deletion win whichever comes first, is this:
//!
//! * A message is a row whose key is made of what never changes: its channel, run, time and offset ([`place`]). Recording it
//!   again writes the same row.
//! * Rows are written with made-up write times ([`statements`]): a message with the earliest, what changes it with a later one, and
//!   what removes it with a later one still. The database keeps the latest, in whatever order they come.
//! * The head of a run is written with itself as its write time, after the messages: the highest wins, and what is at or
//!   before it is there.
//! * What depends on what was read (the number of a new run, a lease, a hold) is a conditional write, of which there are few.
//!
//! Messages of a channel are in partitions by week and by stretches of offsets: a busy room never makes a large one, and a
//! quiet one has few. A table names the partitions of a channel, and another one those in which a person has left a trace.

mod call;
mod config;
mod erase;
mod fault;
mod forget;
mod lease;
mod open;
mod place;
mod read;
mod record;
mod retention;
mod rows;
mod runs;
mod statements;
mod traces;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub use self::config::{CassandraConfig, Consistency, ConsistencyError};
pub(crate) use self::lease::Lease;
use self::{runs::Runs, statements::Statements, traces::Traces};
use crate::{damage::Finds, keyring::Keyring};

/// An open archive. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Archive(Arc<Inner>);

/// The names of all tables.
#[cfg(test)]
pub(crate) fn tables() -> impl Iterator<Item = &'static str> {
    let names = statements::TABLES.iter();
    names.filter_map(|table| table.split(' ').nth(5))
}

struct Inner {
    session: scylla::client::session::Session,
    statements: Statements,
    /// Calls that are under way.
    calls: Semaphore,
    /// Records that are under way: each is a row of calls, and more of them would wait for each other's.
    records: Semaphore,
    runs: Runs,
    traces: Traces,
    keyring: Option<Keyring>,
    finds: Finds,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}
