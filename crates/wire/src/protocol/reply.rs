//! What the server answers; [`Encoding`] writes it.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Encoding, ErrorReply};
use crate::{Channel, ClientMessageId, Epoch, Offset, Publication, Sender, UnixMillis, UserId};

/// The answer to one command.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// The command's id.
    pub id: u32,
    /// What came of it.
    pub response: Response<'a>,
}

/// What came of a command.
#[derive(Debug, Clone, Copy)]
pub enum Response<'a> {
    /// It was refused.
    Error(ErrorReply<'a>),
    /// The client is connected.
    Connect(ConnectResult<'a>),
    /// The client follows the channel.
    Subscribe(SubscribeResult<'a>),
    /// The client follows the channel no more.
    Unsubscribe,
    /// The message was taken.
    Publish(PublishResult<'a>),
    /// A stretch of the channel's log.
    History(HistoryResult<'a>),
    /// Who is in the channel, at most a page.
    Presence(&'a [ClientInfo<'a>]),
    /// How many are in the channel.
    PresenceStats {
        /// Connections.
        clients: u32,
        /// Different users among them.
        users: u32,
    },
    /// The server is there.
    Ping,
    /// What a method of the application returned.
    Rpc(&'a RawValue),
    /// What RPC `send` returned, and every other call whose result is an event of the room.
    Sent(SendResult<'a>),
    /// What a call returned that has nothing to say but that it was obeyed: `{}`.
    Done,
    /// What RPC `presence.page` returned.
    PresencePage(PresencePage<'a>),
    /// The new token was taken.
    Refresh(RefreshResult<'a>),
    /// The subscription's new token was taken.
    SubRefresh {
        /// How long it lasts; `None`: it does not run out.
        ttl_seconds: Option<u32>,
    },
}

impl From<super::ErrorCode> for Response<'static> {
    fn from(code: super::ErrorCode) -> Self {
        Self::Error(code.into())
    }
}

/// See [`Response::Connect`].
#[derive(Debug, Clone, Copy, Default)]
pub struct ConnectResult<'a> {
    /// The connection's own id.
    pub client: &'a str,
    /// The server's version.
    pub version: &'a str,
    /// Seconds until the credentials run out; `None`: they do not. A client refreshes before.
    pub ttl_seconds: Option<u32>,
    /// Seconds between the server's pings; a client gives the connection up when they stay away.
    pub ping_seconds: u32,
    /// Whether the client must answer pings.
    pub pong: bool,
    /// What the server subscribed the client to, without being asked.
    pub subs: &'a [(Channel, SubscribeResult<'a>)],
    /// A secret that names this connection to the emulation endpoint; empty where the transport goes both ways.
    pub session: &'a str,
    /// The node that holds this connection, for the emulation endpoint; empty where the transport goes both ways.
    pub node: &'a str,
}

/// See [`Response::Subscribe`].
#[derive(Debug, Clone, Copy)]
pub struct SubscribeResult<'a> {
    /// The run of offsets.
    pub epoch: &'a Epoch,
    /// Where the channel stood when the subscription began; with publications, that of the newest of them.
    pub offset: Offset,
    /// The client may ask for recovery after an interruption.
    pub recoverable: bool,
    /// The server watches the client's position.
    pub positioned: bool,
    /// What became of the client's wish to get what it missed.
    pub recovery: Recovery<'a>,
    /// Seconds until the subscription's credentials run out; `None`: they do not.
    pub ttl_seconds: Option<u32>,
}

/// What became of a client's wish to get what it missed while it was away.
#[derive(Debug, Clone, Copy)]
pub enum Recovery<'a> {
    /// It did not ask.
    NotAsked,
    /// This is everything that it missed, oldest first. Must never be said unless it is true.
    Recovered(&'a [Arc<Publication>]),
    /// The log does not reach back to where it was, or is another one: it has to begin anew.
    Unrecovered,
}

/// See [`Response::Publish`]. The protocol's own result is empty; unmodified clients ignore these fields.
#[derive(Debug, Clone, Copy)]
pub struct PublishResult<'a> {
    /// The message's place.
    pub offset: Offset,
    /// The run of offsets.
    pub epoch: &'a Epoch,
}

/// See [`Response::Sent`].
#[derive(Debug, Clone, Copy)]
pub struct SendResult<'a> {
    /// The message's place.
    pub offset: Offset,
    /// The run of offsets.
    pub epoch: &'a Epoch,
    /// When the room took it.
    pub at: UnixMillis,
    /// What the client called it.
    pub id: &'a ClientMessageId,
    /// It had been taken before, under the same id.
    pub duplicate: bool,
}

/// See [`Response::PresencePage`]: `{"count":120000,"users":["u-1","u-2"],"next":"u-2"}`.
#[derive(Debug, Clone, Copy)]
pub struct PresencePage<'a> {
    /// How many users are there, exactly, on all pages.
    pub count: u64,
    /// Those of this page, in the order of their ids; at most [`crate::limits::PRESENCE_PAGE_MAX`].
    pub users: &'a [UserId],
    /// Whether others follow; the next page begins after the last of this one.
    pub more: bool,
}

/// See [`Response::History`].
#[derive(Debug, Clone, Copy)]
pub struct HistoryResult<'a> {
    /// What was read, in the order asked for.
    pub publications: &'a [Arc<Publication>],
    /// The run of offsets.
    pub epoch: &'a Epoch,
    /// Where the channel stands.
    pub offset: Offset,
}

/// See [`Response::Refresh`].
#[derive(Debug, Clone, Copy)]
pub struct RefreshResult<'a> {
    /// The connection's own id.
    pub client: &'a str,
    /// The server's version.
    pub version: &'a str,
    /// Seconds until the credentials run out; `None`: they do not.
    pub ttl_seconds: Option<u32>,
}

/// One connection, as others see it.
#[derive(Debug, Clone, Copy)]
pub struct ClientInfo<'a> {
    /// Whose it is.
    pub user: &'a str,
    /// Which it is; may be empty.
    pub client: &'a str,
    /// What is shown of the user, where it is not in the message itself.
    pub sender: Option<&'a Sender>,
}

impl Reply<'_> {
    /// Appends the reply as JSON; several in one frame have [`super::SEPARATOR`] between them.
    pub fn encode(&self, out: &mut Vec<u8>) {
        Encoding::Json.append_reply(self, out);
    }
}
