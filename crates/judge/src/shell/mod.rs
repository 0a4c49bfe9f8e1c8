//! The shell: it asks as players do, and tells the bench what came. No rule is decided here.

mod client;
pub mod dial;
mod fetch;
mod follow;
pub mod probes;
mod run;

pub use self::run::{Judged, Order, Progress, RunError, Tell, run};
