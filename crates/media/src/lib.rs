//! Bytes in, samples and CMAF out.
//!
//! 1. [`flv`] reads the audio and video tag bodies that RTMP carries.
//! 2. [`avc`] and [`aac`] read the codec configurations and name the codecs.
//! 3. [`demux`] turns the tags of one publisher into [`sample::Sample`]s with exact times ([`timeline`]).
//! 4. [`cmaf`] writes init sections and fragments, one track per file.
//!
//! This crate is pure: it knows no socket, no clock and no thread. Everything it reads was sent by a stranger, so
//! nothing here indexes without a bound, trusts a declared length, or keeps more than [`limits`] says. It cuts nothing
//! and knows no playlist: the `live` crate decides where a part ends, the `origin` shell keeps the bytes.

pub mod aac;
pub mod avc;
pub mod cmaf;
pub mod demux;
pub mod flv;
pub mod fuzz;
pub mod limits;
pub mod sample;
pub mod timeline;

pub use aac::AacConfig;
pub use avc::AvcConfig;
pub use demux::{Demux, DemuxError, Output, Tracks};
pub use sample::{Sample, TrackKind, VIDEO_TIMESCALE};
