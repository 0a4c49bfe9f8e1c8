//! What a live playlist does: where samples are cut into parts and segments, which of them are listed, how a blocked
//! request is answered, what the text says, how long it may be cached.
//!
//! The crate is the whole of low-latency HLS (draft-pantos-hls-rfc8216bis-22) that is not bytes: it knows no codecs,
//! keeps no media, opens no socket and reads no clock. `now` is an argument. The origin drives it:
//!
//! 1. A publisher's samples go, as times only, into [`cut::Cutter`]; it says when a part and when a segment is
//!    complete, and the shell muxes the samples it kept.
//! 2. Each decision becomes an [`Input`] of [`Live`], which keeps the playlists of one stream and says whom to wake and
//!    what to forget.
//! 3. A viewer's query becomes a [`Query`]; [`Live::request`] answers with a [`Snapshot`] to render now, a
//!    place to wait for, or an error. [`Live::media`] answers likewise for parts and segments.
//! 4. [`in_band`] says which part an announced event goes with.
//! 5. [`render`] turns a snapshot into text, and [`lifetime`] says what `Cache-Control` goes with it.
//!
//! One law of the machines: mutate once (`handle`), then drain (`poll_output` until it is empty), then ask when to come
//! back (`poll_timeout`).

mod config;
pub mod cut;
mod date_range;
mod event;
pub mod fuzz;
pub mod in_band;
pub mod lifetime;
pub mod limits;
mod machine;
mod position;
mod query;
mod ranges;
pub mod render;
mod request;
mod snapshot;
#[cfg(test)]
mod tests;
mod time;
mod window;

pub use config::{
    Config, ConfigError, Kind, NameError, Numbering, RenditionId, RenditionName, RenditionSpec,
    Settings,
};
pub use date_range::{AttributeValue, DateRange, DateRangeError, DateRangeSpec};
pub use event::{HandleError, Input, Output, Reason};
pub use machine::Live;
pub use position::{InitId, MediaSeq, PartIndex, Position};
pub use query::{BadRequest, Directive, Query, Skip};
pub use request::{Answer, Asked, Media, MediaAnswer, Until};
pub use snapshot::{
    Hint, Independence, PartEntry, RangeEntry, Report, SegmentEntry, Snapshot, State,
};
pub use time::{Moment, WallTime};
