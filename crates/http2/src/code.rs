//! Why a stream or a connection ends (RFC 9113, section 7).

use std::fmt;

/// An error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(pub u32);

impl Code {
    /// Nothing was wrong.
    pub const NO_ERROR: Self = Self(0x0);
    /// The peer does not keep to the protocol.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// We could not.
    pub const INTERNAL_ERROR: Self = Self(0x2);
    /// More was sent than was allowed.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    /// A frame for a stream that was over.
    pub const STREAM_CLOSED: Self = Self(0x5);
    /// A frame of a length that it cannot have.
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    /// The request was not looked at, and can be made again.
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// Header fields that cannot be read: the tables of both sides are not in step any more.
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    /// More was provoked than anybody needs.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::NO_ERROR => "NO_ERROR",
            Self::PROTOCOL_ERROR => "PROTOCOL_ERROR",
            Self::INTERNAL_ERROR => "INTERNAL_ERROR",
            Self::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
            Self::STREAM_CLOSED => "STREAM_CLOSED",
            Self::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
            Self::REFUSED_STREAM => "REFUSED_STREAM",
            Self::COMPRESSION_ERROR => "COMPRESSION_ERROR",
            Self::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
            Self(other) => return write!(f, "error {other:#x}"),
        })
    }
}
