//! Why a command was refused: the codes of the protocol, as its clients know them.
//!
//! An error answers one command and leaves the connection open. What ends the connection is a
//! [`DisconnectCode`](super::DisconnectCode).

use super::json::{self, Object};

/// The protocol's own error codes. Clients act on the code, never on the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCode {
    /// The server failed; the same command may succeed later.
    Internal,
    /// The client has no valid credentials.
    Unauthorized,
    /// The channel does not exist.
    UnknownChannel,
    /// The client may not do this.
    PermissionDenied,
    /// No such method.
    MethodNotFound,
    /// The connection is subscribed to this channel already.
    AlreadySubscribed,
    /// More than a limit allows (size, subscriptions).
    LimitExceeded,
    /// The command is well-formed but makes no sense; sending it again will not help.
    BadRequest,
    /// The server does not offer this.
    NotAvailable,
    /// The token ran out: the client gets a new one and comes again.
    TokenExpired,
    /// The connection or subscription ran out, without a token being involved.
    Expired,
    /// Too fast; the same command may succeed later.
    TooManyRequests,
    /// The log does not reach back to the position asked for.
    UnrecoverablePosition,
}

impl ErrorCode {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Internal,
        Self::Unauthorized,
        Self::UnknownChannel,
        Self::PermissionDenied,
        Self::MethodNotFound,
        Self::AlreadySubscribed,
        Self::LimitExceeded,
        Self::BadRequest,
        Self::NotAvailable,
        Self::TokenExpired,
        Self::Expired,
        Self::TooManyRequests,
        Self::UnrecoverablePosition,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Internal => 100,
            Self::Unauthorized => 101,
            Self::UnknownChannel => 102,
            Self::PermissionDenied => 103,
            Self::MethodNotFound => 104,
            Self::AlreadySubscribed => 105,
            Self::LimitExceeded => 106,
            Self::BadRequest => 107,
            Self::NotAvailable => 108,
            Self::TokenExpired => 109,
            Self::Expired => 110,
            Self::TooManyRequests => 111,
            Self::UnrecoverablePosition => 112,
        }
    }

    /// The words that usually go with the number.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Internal => "internal server error",
            Self::Unauthorized => "unauthorized",
            Self::UnknownChannel => "unknown channel",
            Self::PermissionDenied => "permission denied",
            Self::MethodNotFound => "method not found",
            Self::AlreadySubscribed => "already subscribed",
            Self::LimitExceeded => "limit exceeded",
            Self::BadRequest => "bad request",
            Self::NotAvailable => "not available",
            Self::TokenExpired => "token expired",
            Self::Expired => "expired",
            Self::TooManyRequests => "too many requests",
            Self::UnrecoverablePosition => "unrecoverable position",
        }
    }

    /// Whether a client should send the same command again after a while; clients retry a subscribe by themselves.
    #[must_use]
    pub const fn temporary(self) -> bool {
        matches!(self, Self::Internal | Self::TooManyRequests)
    }
}

/// An error as it goes into a reply: `{"code":107,"message":"..."}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorReply<'a> {
    /// What clients act on.
    pub code: ErrorCode,
    /// For people; must not repeat what the client sent.
    pub message: &'a str,
    /// Whether the same command may succeed later; written only when it is set.
    pub temporary: bool,
}

impl From<ErrorCode> for ErrorReply<'static> {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            message: code.message(),
            temporary: code.temporary(),
        }
    }
}

impl<'a> ErrorReply<'a> {
    /// The error with words of its own.
    #[must_use]
    pub fn with_message(code: ErrorCode, message: &'a str) -> Self {
        Self {
            code,
            message,
            temporary: code.temporary(),
        }
    }

    /// Appends the error as JSON.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        json::push_u64(object.field("code"), u64::from(self.code.number()));
        json::push_str(object.field("message"), self.message);
        object.flag("temporary", self.temporary);
        object.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_up_from_100_without_a_hole() {
        for (code, number) in ErrorCode::ALL.into_iter().zip(100..) {
            assert_eq!(code.number(), number, "{code:?}");
        }
    }

    #[test]
    fn only_what_may_pass_by_itself_is_temporary() {
        let temporary: Vec<u32> = ErrorCode::ALL
            .into_iter()
            .filter(|c| c.temporary())
            .map(ErrorCode::number)
            .collect();
        assert_eq!(temporary, [100, 111]);
    }

    #[test]
    fn words_of_ones_own_are_escaped() {
        let mut out = Vec::new();
        ErrorReply::with_message(ErrorCode::TooManyRequests, "wait \"2\" s").encode(&mut out);
        assert_eq!(
            out,
            br#"{"code":111,"message":"wait \"2\" s","temporary":true}"#
        );
    }
}
