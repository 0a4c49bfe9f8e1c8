//! Elementary streams: pictures that carry their parameter sets among them, and sound, as transport streams and RTP have them.
//!
//! [`annexb`] and [`parameter_sets`] turn such pictures into what a file holds and into a configuration; [`assembly`] hands
//! pictures and sound to the [`crate::intake`] in an order in which a publisher with both is taken for one.

pub(crate) mod annexb;
pub(crate) mod assembly;
pub(crate) mod parameter_sets;

use bytes::Bytes;

/// What a stream of pictures is coded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VideoStream {
    /// H.264.
    Avc,
    /// HEVC.
    Hevc,
}

/// A copy that is kept for long and shares nothing with what it was cut from.
pub(crate) fn kept(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
