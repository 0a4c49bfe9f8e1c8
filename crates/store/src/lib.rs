//! The log of every channel, and the settings of one installation: its contract, and the `SQLite` adapter.
//!
//! # Contract
//!
//! * [`Store::append`] answers once the messages survive a loss of power, or with an error that means that none of
//!   them was written.
//! * An append begins right after the channel's newest message, or is refused ([`StoreError::Moved`]). An offset that
//!   was given is never given again, not even when old messages are removed.
//! * One sender's client message id stands for one message of a channel, for as long as the log holds it: appending it
//!   again is answered with the place it has ([`Appended::Held`]), and nothing is written.
//! * A full or failing disk is an error of the calls that meet it, and of no others: the store goes on, and works again
//!   as soon as the disk does.
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

mod error;
pub mod limits;
mod log;
mod sqlite;

pub use error::{Cause, OpenError, StoreError};
pub use log::{Appended, Held, Kind, Order, Page, Standing};
pub use sqlite::Store;
