//! Why a connection or a subscription was ended by the server, and whether the client comes back by itself.
//!
//! The code travels as the WebSocket close code. Its range carries the meaning, so that a client that does not know
//! the code still does the right thing: 3000 to 3499 and 4000 to 4499 reconnect, 3500 to 3999 and 4500 to 4999 do not.

use crate::ws::CloseCode;

/// Whether a client may come back after a disconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// The client reconnects by itself, with backoff.
    Retry,
    /// The client stays away until its user acts.
    Never,
}

/// The protocol's own disconnect codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DisconnectCode {
    /// Closed without advice from the server.
    ConnectionClosed,
    /// The server is going away; another one, or the same after a while, takes over.
    Shutdown,
    /// The server failed.
    ServerError,
    /// The connection's credentials ran out.
    Expired,
    /// A subscription's credentials ran out.
    SubscriptionExpired,
    /// The client reads more slowly than its channels write; it recovers what it missed on return.
    Slow,
    /// Writing to the client failed.
    WriteError,
    /// The client's position in a channel is not what the server thought; it recovers on return.
    InsufficientState,
    /// The server asks the client to come again.
    ForceReconnect,
    /// The client did not answer a ping in time.
    NoPong,
    /// The client sends commands too fast.
    TooManyRequests,
    /// The client's token is not valid.
    InvalidToken,
    /// The client does not follow the protocol.
    BadRequest,
    /// The client did not send its connect in time.
    Stale,
    /// The server wants the client to stay away.
    ForceNoReconnect,
    /// The user, or the server, has too many connections.
    ConnectionLimit,
    /// The connection has too many subscriptions.
    ChannelLimit,
    /// The client cannot take what the server has to send.
    InappropriateProtocol,
    /// The client may not be here.
    PermissionDenied,
    /// The server does not offer what the client sent.
    NotAvailable,
    /// The client made too many errors.
    TooManyErrors,
}

impl DisconnectCode {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 21] = [
        Self::ConnectionClosed,
        Self::Shutdown,
        Self::ServerError,
        Self::Expired,
        Self::SubscriptionExpired,
        Self::Slow,
        Self::WriteError,
        Self::InsufficientState,
        Self::ForceReconnect,
        Self::NoPong,
        Self::TooManyRequests,
        Self::InvalidToken,
        Self::BadRequest,
        Self::Stale,
        Self::ForceNoReconnect,
        Self::ConnectionLimit,
        Self::ChannelLimit,
        Self::InappropriateProtocol,
        Self::PermissionDenied,
        Self::NotAvailable,
        Self::TooManyErrors,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::ConnectionClosed => 3000,
            Self::Shutdown => 3001,
            Self::ServerError => 3004,
            Self::Expired => 3005,
            Self::SubscriptionExpired => 3006,
            Self::Slow => 3008,
            Self::WriteError => 3009,
            Self::InsufficientState => 3010,
            Self::ForceReconnect => 3011,
            Self::NoPong => 3012,
            Self::TooManyRequests => 3013,
            Self::InvalidToken => 3500,
            Self::BadRequest => 3501,
            Self::Stale => 3502,
            Self::ForceNoReconnect => 3503,
            Self::ConnectionLimit => 3504,
            Self::ChannelLimit => 3505,
            Self::InappropriateProtocol => 3506,
            Self::PermissionDenied => 3507,
            Self::NotAvailable => 3508,
            Self::TooManyErrors => 3509,
        }
    }

    /// The words that go with the number; short enough for a close frame.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ConnectionClosed => "connection closed",
            Self::Shutdown => "shutdown",
            Self::ServerError => "internal server error",
            Self::Expired => "connection expired",
            Self::SubscriptionExpired => "subscription expired",
            Self::Slow => "slow",
            Self::WriteError => "write error",
            Self::InsufficientState => "insufficient state",
            Self::ForceReconnect => "force reconnect",
            Self::NoPong => "no pong",
            Self::TooManyRequests => "too many requests",
            Self::InvalidToken => "invalid token",
            Self::BadRequest => "bad request",
            Self::Stale => "stale",
            Self::ForceNoReconnect => "force disconnect",
            Self::ConnectionLimit => "connection limit",
            Self::ChannelLimit => "channel limit",
            Self::InappropriateProtocol => "inappropriate protocol",
            Self::PermissionDenied => "permission denied",
            Self::NotAvailable => "not available",
            Self::TooManyErrors => "too many errors",
        }
    }

    /// What the number makes a client do.
    #[must_use]
    pub const fn reconnect(self) -> Reconnect {
        match self.number() {
            3500..=3999 | 4500..=4999 => Reconnect::Never,
            _ => Reconnect::Retry,
        }
    }

    /// Whether the client stays away after this code.
    #[must_use]
    pub const fn terminal(self) -> bool {
        matches!(self.reconnect(), Reconnect::Never)
    }
}

impl From<DisconnectCode> for CloseCode {
    fn from(code: DisconnectCode) -> Self {
        Self::from_disconnect(code)
    }
}

/// Why the server ended one subscription of a connection that stays.
///
/// Codes from 2500 on make the client subscribe again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnsubscribeCode {
    /// The server decided so.
    Server,
    /// The client's position is not what the server thought; it recovers as it subscribes again.
    InsufficientState,
    /// The subscription's credentials ran out.
    Expired,
}

impl UnsubscribeCode {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Server => 2000,
            Self::InsufficientState => 2500,
            Self::Expired => 2501,
        }
    }

    /// The words that go with the number.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Server => "server unsubscribe",
            Self::InsufficientState => "insufficient state",
            Self::Expired => "subscription expired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CLOSE_REASON_BYTES_MAX;

    #[test]
    fn each_code_has_its_number_words_and_meaning() {
        let table: Vec<String> = DisconnectCode::ALL
            .into_iter()
            .map(|code| format!("{} {} {:?}", code.number(), code.reason(), code.reconnect()))
            .collect();
        insta::assert_snapshot!(table.join("\n"), @"
        3000 connection closed Retry
        3001 shutdown Retry
        3004 internal server error Retry
        3005 connection expired Retry
        3006 subscription expired Retry
        3008 slow Retry
        3009 write error Retry
        3010 insufficient state Retry
        3011 force reconnect Retry
        3012 no pong Retry
        3013 too many requests Retry
        3500 invalid token Never
        3501 bad request Never
        3502 stale Never
        3503 force disconnect Never
        3504 connection limit Never
        3505 channel limit Never
        3506 inappropriate protocol Never
        3507 permission denied Never
        3508 not available Never
        3509 too many errors Never
        ");
    }

    #[test]
    fn every_code_may_stand_in_a_close_frame() {
        for code in DisconnectCode::ALL {
            assert_eq!(
                CloseCode::new(code.number()),
                Some(CloseCode::from(code)),
                "{code:?}"
            );
            assert!(code.reason().len() <= CLOSE_REASON_BYTES_MAX, "{code:?}");
            assert_eq!(code.terminal(), code.number() >= 3500, "{code:?}");
        }
    }

    #[test]
    fn a_client_subscribes_again_from_2500_on() {
        assert!(UnsubscribeCode::Server.number() < 2500);
        assert!(UnsubscribeCode::InsufficientState.number() >= 2500);
        assert!(UnsubscribeCode::Expired.number() >= 2500);
    }
}
