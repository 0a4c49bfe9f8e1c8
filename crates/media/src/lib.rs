//! Bytes in, samples and CMAF out.
//!
//! 1. [`flv`] reads the audio and video tag bodies that RTMP carries, enhanced RTMP with several tracks among them.
//! 2. [`avc`], [`hevc`], [`av1`], [`aac`] and [`opus`] read the codec configurations and name the codecs; [`track`] is where
//!    the codec ends: what is behind it asks a track.
//! 3. [`intake`] turns the configurations and frames of one publisher into [`sample::Sample`]s with exact times
//!    ([`timeline`]), whatever they came in; [`demux`] feeds it from RTMP, [`ts`] from an MPEG transport stream, and [`rtp`] from
//!    WebRTC, whose SDP [`offer`] reads.
//! 4. [`health`] says how well the publisher sends.
//! 5. [`cmaf`] writes init sections and fragments, one track per file, [`event`] what happens in front of a fragment; [`fmp4`]
//!    reads what an encoder writes.
//!
//! This crate is pure: it knows no socket, no clock and no thread. Everything it reads was sent by a stranger, so
//! nothing here indexes without a bound, trusts a declared length, or keeps more than [`limits`] says. It cuts nothing
//! and knows no playlist: the `live` crate decides where a part ends, the `origin` shell keeps the bytes.

pub mod aac;
pub mod av1;
pub mod avc;
mod bits;
pub mod cmaf;
pub mod color;
pub mod demux;
mod elementary;
pub mod event;
pub mod flv;
pub mod fmp4;
pub mod fuzz;
pub mod health;
pub mod hevc;
pub mod intake;
pub mod language;
pub mod limits;
pub mod metadata;
pub mod offer;
pub mod opus;
pub mod picture;
pub mod rtp;
pub mod sample;
pub mod timeline;
pub mod track;
pub mod ts;

pub use aac::AacConfig;
pub use av1::Av1Config;
pub use avc::AvcConfig;
pub use color::{Color, Range};
pub use demux::{Demux, DemuxError, TIMESTAMPS_MODULUS};
pub use hevc::HevcConfig;
pub use intake::{Intake, IntakeError, Output, PictureIn};
pub use language::Language;
pub use opus::OpusConfig;
pub use sample::{Sample, TrackId, TrackKind, VIDEO_TIMESCALE};
pub use track::{AudioConfig, AudioTrack, Track, Tracks, VideoConfig, VideoTrack};
