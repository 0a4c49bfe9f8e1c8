//! The proof tool behind `fanwave load`: one command is 100,000 virtual fans.
//!
//! 1. [`run`] checks the order, makes one careful connection to each server to see that it can work at all, and splits
//!    the fans over worker processes ([`split`]). Fans are dealt out to the servers in turn; one who loses its server
//!    comes back to another.
//! 2. Each worker ([`worker::run`]) is one thread with one poll and a small record per fan. Coordinator and workers talk
//!    in lines over pipes.
//! 3. Messages bear a mark with the time at which they were *meant* to be sent; receivers find it without parsing the
//!    message, and keep an account per fan of what came, twice, late or never.
//! 4. The [`report`] adds everything up, and says itself when the generator, not the server, was the limit.
//!
//! Load goes to the addresses that the user named and nowhere else, for as long as the order says; workers end when the
//! coordinator's pipe closes.

pub mod audience;
mod backoff;
mod clock;
pub mod coordinator;
mod exchange;
mod frames;
pub mod histogram;
pub mod ledger;
pub mod limits;
mod machine;
mod marker;
pub mod order;
pub mod probe;
mod protocol;
mod random;
pub mod report;
pub mod split;
pub mod target;
pub mod trust;
pub mod worker;

pub use coordinator::{Launch, LoadError, Tokens, run};
pub use order::{Order, Rate, Scenario};
pub use protocol::Encoding;
pub use report::Report;
pub use target::Target;
