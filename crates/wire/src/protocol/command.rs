//! What a client asks for: frames of commands, parsed once at the edge.
//!
//! A frame that is not JSON, or breaks the protocol's own rules, is a [`ProtocolError`] and ends the connection. A
//! command that is well-formed but asks for something unknown or senseless is answered by itself; that is the caller's
//! business. Nothing a client sends is kept in an error, so that no token can reach a log.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;
use thiserror::Error;

use super::DisconnectCode;

/// Parses a frame of at most `commands_max` commands, one per line; blank lines are skipped.
///
/// # Errors
///
/// The whole frame is refused when any line breaks the protocol: the connection ends anyway.
pub fn parse_commands(frame: &str, commands_max: usize) -> Result<Vec<Command>, ProtocolError> {
    let mut commands = Vec::new();
    for line in frame
        .split('\n')
        .filter(|line| !line.trim_ascii().is_empty())
    {
        if commands.len() == commands_max {
            return Err(ProtocolError::TooManyCommands { max: commands_max });
        }
        commands.push(parse_command(line)?);
    }
    if commands.is_empty() {
        Err(ProtocolError::Empty)
    } else {
        Ok(commands)
    }
}

fn parse_command(line: &str) -> Result<Command, ProtocolError> {
    let Strict(envelope) = serde_json::from_str::<Strict<Envelope>>(line).map_err(|error| {
        // serde_json's own words may quote what the client sent.
        ProtocolError::Malformed {
            column: error.column(),
        }
    })?;
    envelope.into_command()
}

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
    /// The frame holds no command at all.
    #[error("frame without a command")]
    Empty,
    /// The frame holds more commands than allowed.
    #[error("more than {max} commands in one frame")]
    TooManyCommands {
        /// How many are allowed.
        max: usize,
    },
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
    #[serde(deserialize_with = "strict_option")]
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

/// A request without fields of its own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct NoFields {}

/// A command as the schema has it: every method is a field, and one of them is set.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    id: u32,
    connect: Option<Strict<ConnectRequest>>,
    subscribe: Option<Strict<SubscribeRequest>>,
    unsubscribe: Option<Strict<UnsubscribeRequest>>,
    publish: Option<Strict<PublishRequest>>,
    history: Option<Strict<HistoryRequest>>,
    presence: Option<Strict<PresenceRequest>>,
    presence_stats: Option<Strict<PresenceRequest>>,
    ping: Option<Strict<NoFields>>,
    rpc: Option<Strict<RpcRequest>>,
    send: Option<Strict<SendRequest>>,
    refresh: Option<Strict<RefreshRequest>>,
    sub_refresh: Option<Strict<SubRefreshRequest>>,
}

impl Envelope {
    fn into_command(self) -> Result<Command, ProtocolError> {
        let named = [
            self.connect.map(|r| Method::Connect(r.0)),
            self.subscribe.map(|r| Method::Subscribe(r.0)),
            self.unsubscribe.map(|r| Method::Unsubscribe(r.0)),
            self.publish.map(|r| Method::Publish(r.0)),
            self.history.map(|r| Method::History(r.0)),
            self.presence.map(|r| Method::Presence(r.0)),
            self.presence_stats.map(|r| Method::PresenceStats(r.0)),
            self.ping.map(|_| Method::Ping),
            self.rpc.map(|r| Method::Rpc(r.0)),
            self.send.map(|r| Method::Send(r.0)),
            self.refresh.map(|r| Method::Refresh(r.0)),
            self.sub_refresh.map(|r| Method::SubRefresh(r.0)),
        ];
        let mut named = named.into_iter().flatten();
        let method = match (named.next(), self.id) {
            // "A command with zero id and no request set (empty Command) is a pong."
            (None, 0) => Method::Pong,
            (None, _) => Method::Unknown,
            // Only a send, which gets no reply, may go without an id.
            (Some(method @ Method::Send(_)), _) => method,
            (Some(_), 0) => return Err(ProtocolError::MissingId),
            (Some(method), _) => method,
        };
        if named.next().is_some() {
            return Err(ProtocolError::SeveralMethods);
        }
        Ok(Command {
            id: self.id,
            method,
        })
    }
}

/// Reads `T` from a JSON object and from nothing else; a derived reader alone would also take an array.
pub(super) struct Strict<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_map(StrictVisitor(std::marker::PhantomData))
            .map(Strict)
    }
}

struct StrictVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for StrictVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

fn strict_option<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Strict<T>>::deserialize(deserializer)?.map(|value| value.0))
}
