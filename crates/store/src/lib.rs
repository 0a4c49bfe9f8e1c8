//! The log of every channel, and the settings of one installation: its contract, and its adapters for `SQLite` and
//! PostgreSQL.
//!
//! # Contract
//!
//! * [`Store::append`] answers once the messages survive a loss of power, or with an error that means that none of
//!   them was written. One error says that this is not known ([`StoreError::Unknown`]): a database that is somewhere
//!   else was lost while it committed, and is not back. Sent again they are stored, or found held.
//! * An append begins right after the channel's newest message, or is refused ([`StoreError::Moved`]). An offset that
//!   was given is never given again, not even when old messages are removed.
//! * One sender's client message id stands for one message of a channel, for as long as the log holds it: appending it
//!   again is answered with the place it has ([`Appended::Held`]), and nothing is written.
//! * A full or failing disk, or a database that is gone, is an error of the calls that meet it, and of no others: the
//!   store goes on, and works again as soon as they do.
//! * Texts are kept for as long as their room keeps them ([`Retention`]), at least, and for ever in a room under legal
//!   hold; events are kept for ever. A channel knows how far its texts may be gone ([`Store::floor`]).
//! * With [`PersonKeys::On`] who says something, and what, is sealed with a key of theirs, which is kept apart and ends when
//!   they are forgotten: in no copy of the log they are found then.
//! * An epoch is made at random with its channel; a log that was lost comes back under other epochs.
//!
//! The engine in `bus` decides the order of messages; the store never numbers any. It is called by the engine for
//! messages and by the root for settings. It does not know what a message means.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # let folder = tempfile::tempdir().unwrap();
//! let store = fanwave_store::Store::open(&folder.path().join("fanwave.db")).await?;
//! store.put_setting("greeting", b"hello".to_vec()).await?;
//! assert_eq!(store.setting("greeting").await?.as_deref(), Some(&b"hello"[..]));
//! store.close().await;
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod archive;
#[cfg(feature = "cassandra")]
mod cassandra;
pub mod catalogue;
mod damage;
mod error;
mod export;
mod forget;
#[cfg(test)]
#[path = "../../free_port.rs"]
mod free_port;
mod keyring;
pub mod limits;
mod log;
mod meters;
mod migrations;
mod postgres;
mod record;
mod retention;
mod row;
mod rows;
mod seal;
mod search;
mod sqlite;
mod statements;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use archive::{Archive, Lease, Piece, Position, Sought, Stretch};
#[cfg(feature = "cassandra")]
pub use cassandra::{CassandraConfig, Consistency, ConsistencyError};
pub use error::{Cause, OpenError, StoreError};
pub use export::Format;
pub use forget::Forgotten;
pub use keyring::PersonKeys;
pub use log::{Appended, Held, Kind, Order, Page, Standing};
pub use postgres::{Encryption, PostgresConfig};
pub use retention::{Retention, Swept};
pub use search::Search;
pub use store::Store;
