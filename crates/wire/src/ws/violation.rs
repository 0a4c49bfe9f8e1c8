//! Every way to break the framing rules, and what a connection is closed with for it.

use thiserror::Error;

use super::CloseCode;

/// How a client broke RFC 6455, or a limit. The connection must be closed with [`Violation::code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A frame is not masked (section 5.1).
    #[error("frame is not masked")]
    Unmasked,
    /// A reserved bit is set that no negotiated extension gives a meaning there (section 5.2; RFC 7692, section 6.1).
    #[error("reserved bit is set")]
    ReservedBits,
    /// The opcode is one of those kept for the future (section 5.2).
    #[error("reserved opcode")]
    ReservedOpcode,
    /// A control frame is fragmented or has more than 125 bytes (section 5.5).
    #[error("control frame is fragmented or too long")]
    ControlFrame,
    /// A length is not in its shortest form, or has its highest bit set (section 5.2).
    #[error("length is not in its shortest form")]
    Length,
    /// A continuation of nothing (section 5.4).
    #[error("continuation without a message")]
    Continuation,
    /// A new message before the one under way has ended (section 5.4).
    #[error("message inside a message")]
    Interrupted,
    /// Text, or the reason of a close, is not UTF-8 (section 8.1).
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// The message is bigger than allowed.
    #[error("message has more than {max} bytes")]
    TooBig {
        /// What is allowed, bytes.
        max: usize,
    },
    /// A compressed message cannot be inflated (RFC 7692, section 7.2.2).
    #[error("message is not deflated data")]
    Deflate,
    /// A close frame has half a code, or one that must not be sent (sections 5.5.1 and 7.4).
    #[error("close frame without a legal code")]
    CloseFrame,
}

impl Violation {
    /// What to close the connection with (section 7.4.1).
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::Deflate => CloseCode::INVALID_DATA,
            Self::TooBig { .. } => CloseCode::TOO_BIG,
            Self::Unmasked
            | Self::ReservedBits
            | Self::ReservedOpcode
            | Self::ControlFrame
            | Self::Length
            | Self::Continuation
            | Self::Interrupted
            | Self::CloseFrame => CloseCode::PROTOCOL_ERROR,
        }
    }
}
