//! The judge behind `fanwave judge`: looks at a live HLS stream from outside, as players do, and names every rule of
//! low-latency HLS that it breaks.
//!
//! 1. [`rules`] lists what is judged, each rule with its name, its source and what to do.
//! 2. [`parse`] reads playlists strictly, [`boxes`] looks at media.
//! 3. [`check`] holds the checkers: pure functions and small states over what was observed.
//! 4. [`mod@bench`] is where all observations come in, and [`finding`] what comes of them.
//! 5. [`shell`] asks: it follows every rendition, fetches its media, and makes requests that players seldom make.
//! 6. [`report`] writes it down.
//!
//! This crate imports none of ours: it must not share a mistake with what it judges. Requests go to the server that is
//! named, and to where its playlists point, and nowhere else.

pub mod address;
pub mod bench;
pub mod boxes;
pub mod check;
pub mod finding;
pub mod fuzz;
pub mod limits;
pub mod observation;
pub mod parse;
pub mod report;
pub mod rules;
pub mod shell;

pub use address::Address;
pub use finding::Finding;
pub use report::Report;
pub use rules::{Rule, Severity};
pub use shell::{Order, RunError, Tell, run};
