//! What a client asks for: frames of commands, parsed once at the edge.
//!
//! A frame that cannot be read, or breaks the protocol's own rules, is a [`ProtocolError`] and ends the connection. A
//! command that is well-formed but asks for something unknown or senseless is answered by itself; that is the caller's
//! business. Nothing a client sends is kept in an error, so that no token can reach a log.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::{DisconnectCode, json};
use crate::limits::CONNECT_SUBS_MAX;

/// Why a frame breaks the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A line is not a JSON object of the protocol's shape.
    #[error("malformed command at column {column} of its line")]
    Malformed {
        /// Where reading stopped, counted from 1.
        column: usize,
    },
    /// A text frame is not UTF-8.
    #[error("frame is not UTF-8")]
    NotUtf8,
    /// A binary frame is not a sequence of messages of the protocol's schema.
    #[error("malformed command at byte {at} of its frame")]
    MalformedBytes {
        /// Where reading stopped, counted from 0.
        at: usize,
    },
    /// The frame holds no command at all.
    #[error("frame without a command")]
    Empty,
    /// The frame holds more commands than allowed.
    #[error("more than {max} commands in one frame")]
    TooManyCommands {
        /// How many are allowed.
        max: usize,
    },
    /// A connect gives the positions of more subscriptions than it can have had.
    #[error("more than {CONNECT_SUBS_MAX} subscriptions in one connect")]
    TooManySubscriptions,
    /// A command that needs a reply has no id to reply to.
    #[error("command without an id")]
    MissingId,
    /// One command names several methods; the protocol allows one.
    #[error("command with several methods")]
    SeveralMethods,
}

impl ProtocolError {
    /// What ends the connection of a client that sent this.
    #[must_use]
    pub const fn disconnect(&self) -> DisconnectCode {
        DisconnectCode::BadRequest
    }
}

/// One command of a client.
#[derive(Debug, Clone)]
pub struct Command {
    /// What the reply refers to; 0 for [`Method::Pong`] and for a [`Method::Send`] that wants no reply.
    pub id: u32,
    /// What is asked for.
    pub method: Method,
}

impl Command {
    /// A command of what was read: its id, 0 when it has none, and its method, if it names one.
    ///
    /// # Errors
    ///
    /// The method needs a reply, and there is no id to reply to.
    pub(super) fn new(id: u32, method: Option<Method>) -> Result<Self, ProtocolError> {
        let method = match (method, id) {
            // "A command with zero id and no request set (empty Command) is a pong."
            (None, 0) => Method::Pong,
            (None, _) => Method::Unknown,
            // Only a send, which gets no reply, may go without an id.
            (Some(method @ Method::Send(_)), _) => method,
            (Some(_), 0) => return Err(ProtocolError::MissingId),
            (Some(method), _) => method,
        };
        Ok(Self { id, method })
    }
}

/// What a command asks for.
#[derive(Debug, Clone)]
pub enum Method {
    /// The first command of a connection.
    Connect(ConnectRequest),
    /// Follow a channel.
    Subscribe(SubscribeRequest),
    /// Stop following a channel.
    Unsubscribe(UnsubscribeRequest),
    /// Write into a channel.
    Publish(PublishRequest),
    /// Read a channel's log.
    History(HistoryRequest),
    /// Who is in a channel.
    Presence(PresenceRequest),
    /// How many are in a channel.
    PresenceStats(PresenceRequest),
    /// Is the server there?
    Ping,
    /// Call a method of the application.
    Rpc(RpcRequest),
    /// A message to the application that wants no reply.
    Send(SendRequest),
    /// A new token for the connection.
    Refresh(RefreshRequest),
    /// A new token for a subscription.
    SubRefresh(SubRefreshRequest),
    /// The answer to the server's ping: an empty command.
    Pong,
    /// None that this server knows; the answer is error 104.
    Unknown,
}

/// The text of a token, kept out of every log: its `Debug` says only how long it is.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct TokenText(String);

impl TokenText {
    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the client sent none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for TokenText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenText({} bytes)", self.0.len())
    }
}

/// See [`Method::Connect`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ConnectRequest {
    /// Says who connects; empty when the client has none.
    pub token: TokenText,
    /// Whatever the application wants to know at connect.
    pub data: Option<Box<RawValue>>,
    /// Positions of the server-side subscriptions that the client had before, by channel; at most
    /// [`CONNECT_SUBS_MAX`].
    #[serde(deserialize_with = "json::command::subs")]
    pub subs: BTreeMap<String, SubscribeRequest>,
    /// The client's software, for statistics.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// See [`Method::Subscribe`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags of the published schema, as a client sends them"
)]
pub struct SubscribeRequest {
    /// Which channel.
    pub channel: String,
    /// The permission for this channel, if it needs one.
    pub token: TokenText,
    /// The client was here before, at `epoch` and `offset`, and wants what it missed.
    pub recover: bool,
    /// Run of offsets that the client knows.
    pub epoch: String,
    /// Newest publication that the client has.
    pub offset: u64,
    /// Whatever the application wants to know.
    pub data: Option<Box<RawValue>>,
    /// The client asks for its position to be kept.
    pub positioned: bool,
    /// The client asks to be able to recover.
    pub recoverable: bool,
    /// The client asks to be told who comes and goes.
    pub join_leave: bool,
}

/// See [`Method::Unsubscribe`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct UnsubscribeRequest {
    /// Which channel.
    pub channel: String,
}

/// See [`Method::Publish`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PublishRequest {
    /// Which channel.
    pub channel: String,
    /// The message; [`super::ClientMessage::parse`] reads it.
    pub data: Option<Box<RawValue>>,
}

/// See [`Method::History`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HistoryRequest {
    /// Which channel.
    pub channel: String,
    /// At most so many publications; 0 asks for the position alone, a negative number for all that there are.
    pub limit: i32,
    /// Read on from here.
    #[serde(deserialize_with = "json::command::strict_option")]
    pub since: Option<StreamPosition>,
    /// Newest first.
    pub reverse: bool,
}

/// A place in a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StreamPosition {
    /// The offset.
    pub offset: u64,
    /// The run of offsets; empty when the client does not know it.
    pub epoch: String,
}

/// See [`Method::Presence`] and [`Method::PresenceStats`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PresenceRequest {
    /// Which channel.
    pub channel: String,
}

/// See [`Method::Rpc`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RpcRequest {
    /// Which method of the application.
    pub method: String,
    /// Its argument; [`super::SendCall::parse`] reads the one of `send`.
    pub data: Option<Box<RawValue>>,
}

/// See [`Method::Send`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SendRequest {
    /// The message.
    pub data: Option<Box<RawValue>>,
}

/// See [`Method::Refresh`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RefreshRequest {
    /// The new token.
    pub token: TokenText,
}

/// See [`Method::SubRefresh`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SubRefreshRequest {
    /// Which channel.
    pub channel: String,
    /// The new token.
    pub token: TokenText,
}
