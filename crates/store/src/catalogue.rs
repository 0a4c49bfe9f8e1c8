//! The catalogue of an installation: who has an account and a session, who is told what happens, and what was done by whom.
//!
//! # Contract
//!
//! * Any number of processes may have one catalogue open; none keeps anything of it. What one has changed, the others read
//!   at once.
//! * A change is made whole, together with its entry in the audit log, or not at all. An entry is never changed or removed.
//! * Who changes something names the version that they have read ([`Change::version`]); if it has changed since, nothing is
//!   done ([`Changed::Moved`]).
//! * A token is never kept, only its digest, by which it is found.
//! * Every call ends within [`limits::CALL_WAIT_MAX`], with an error if the database does not answer by then. A database that
//!   was away is used again as soon as it is back.
//!
//! It knows no clock, makes no ids and no secrets, and hashes nothing: that is its callers' business. The same queries serve
//! `SQLite` and `PostgreSQL`; each has its own migrations, which only ever add.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use fanwave_store::catalogue::{Catalogue, Database};
//! # let folder = tempfile::tempdir().unwrap();
//! let database = Database::Sqlite(folder.path().join("catalogue.db"));
//! let catalogue = Catalogue::open(&database).await?;
//! assert!(catalogue.account_of_login("mina").await?.is_none());
//! catalogue.close().await;
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod accounts;
mod api_keys;
mod audit;
pub(crate) mod database;
mod deliveries;
mod emotes;
mod error;
mod identities;
mod invitations;
mod leases;
pub mod limits;
mod sessions;
mod shows;
mod stream_keys;
mod webhooks;

pub use self::{
    accounts::{Account, Added, Change, Changed},
    api_keys::ApiKey,
    audit::Entry,
    database::{Catalogue, Database},
    deliveries::{Advance, Concluded, Cursor, Delivery, DeliveryState, Stretch},
    emotes::{Emote, EmoteAdded, EmotesVersion},
    error::{CatalogueError, OpenError},
    identities::Identity,
    invitations::Invitation,
    sessions::{Digest, NewSession, Session},
    shows::{Show, ShowAdded, ShowChanged, ShowRemoved, ShowState, WhichShows},
    stream_keys::{KeyAdded, StreamKey},
    webhooks::{OfChannel, Salt, Webhook, WebhookAdded, WebhookChange, WebhookChanged},
};
