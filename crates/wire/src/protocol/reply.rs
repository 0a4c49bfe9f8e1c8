//! What the server answers: `{"id":1,"connect":{...}}`, or `{"id":1,"error":{...}}`.
//!
//! Fields at their zero value are left out where the published schema leaves them out, and written where it writes
//! them: history and presence always say their numbers.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{
    ErrorReply,
    json::{self, Object},
    publication,
};
use crate::{ClientMessageId, Epoch, Offset, Publication, UnixMillis, UserId};

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
#[derive(Debug, Clone, Copy)]
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
}

impl ClientInfo<'_> {
    /// Appends the JSON; both fields are always there.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        json::push_str(object.field("user"), self.user);
        json::push_str(object.field("client"), self.client);
        object.end();
    }
}

impl Reply<'_> {
    /// Appends the reply; several in one frame have [`super::SEPARATOR`] between them.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut reply = Object::begin(out);
        reply.number("id", u64::from(self.id));
        match self.response {
            Response::Error(error) => error.encode(reply.field("error")),
            Response::Connect(result) => result.encode(reply.field("connect")),
            Response::Subscribe(result) => result.encode(reply.field("subscribe")),
            Response::Unsubscribe => Object::begin(reply.field("unsubscribe")).end(),
            Response::Publish(result) => result.encode(reply.field("publish")),
            Response::History(result) => result.encode(reply.field("history")),
            Response::Presence(clients) => encode_presence(reply.field("presence"), clients),
            Response::PresenceStats { clients, users } => {
                let mut stats = Object::begin(reply.field("presence_stats"));
                json::push_u64(stats.field("num_clients"), u64::from(clients));
                json::push_u64(stats.field("num_users"), u64::from(users));
                stats.end();
            }
            Response::Ping => Object::begin(reply.field("ping")).end(),
            Response::Rpc(data) => {
                let mut rpc = Object::begin(reply.field("rpc"));
                push_raw(rpc.field("data"), data);
                rpc.end();
            }
            Response::Sent(result) => {
                let mut rpc = Object::begin(reply.field("rpc"));
                result.encode(rpc.field("data"));
                rpc.end();
            }
            Response::Done => {
                let mut rpc = Object::begin(reply.field("rpc"));
                Object::begin(rpc.field("data")).end();
                rpc.end();
            }
            Response::PresencePage(page) => {
                let mut rpc = Object::begin(reply.field("rpc"));
                page.encode(rpc.field("data"));
                rpc.end();
            }
            Response::Refresh(result) => result.encode(reply.field("refresh")),
            Response::SubRefresh { ttl_seconds } => {
                let mut refresh = Object::begin(reply.field("sub_refresh"));
                encode_ttl(&mut refresh, ttl_seconds);
                refresh.end();
            }
        }
        reply.end();
    }
}

impl ConnectResult<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.text("client", self.client);
        object.text("version", self.version);
        encode_ttl(&mut object, self.ttl_seconds);
        object.number("ping", u64::from(self.ping_seconds));
        object.flag("pong", self.pong);
        object.end();
    }
}

impl SubscribeResult<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let (missed, recovered, was_recovering) = match self.recovery {
            Recovery::NotAsked => (&[][..], false, false),
            Recovery::Recovered(missed) => (missed, true, true),
            Recovery::Unrecovered => (&[][..], false, true),
        };
        let mut object = Object::begin(out);
        encode_ttl(&mut object, self.ttl_seconds);
        object.flag("recoverable", self.recoverable);
        object.text("epoch", &self.epoch.0);
        if !missed.is_empty() {
            push_publications(object.field("publications"), missed);
        }
        object.flag("recovered", recovered);
        object.number("offset", self.offset.0);
        object.flag("positioned", self.positioned);
        object.flag("was_recovering", was_recovering);
        object.end();
    }
}

impl PublishResult<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.number("offset", self.offset.0);
        object.text("epoch", &self.epoch.0);
        object.end();
    }
}

impl SendResult<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        json::push_u64(object.field("offset"), self.offset.0);
        json::push_str(object.field("epoch"), &self.epoch.0);
        json::push_u64(object.field("at"), self.at.0);
        json::push_str(object.field("id"), &self.id.0);
        json::push_bool(object.field("duplicate"), self.duplicate);
        object.end();
    }
}

impl PresencePage<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        json::push_u64(object.field("count"), self.count);
        json::push_array(object.field("users"), self.users, |out, user| {
            json::push_str(out, &user.0);
        });
        if let (true, Some(last)) = (self.more, self.users.last()) {
            json::push_str(object.field("next"), &last.0);
        }
        object.end();
    }
}

impl HistoryResult<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        push_publications(object.field("publications"), self.publications);
        json::push_str(object.field("epoch"), &self.epoch.0);
        json::push_u64(object.field("offset"), self.offset.0);
        object.end();
    }
}

impl RefreshResult<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.text("client", self.client);
        object.text("version", self.version);
        encode_ttl(&mut object, self.ttl_seconds);
        object.end();
    }
}

/// `presence` maps the id of each connection to what is known of it.
fn encode_presence(out: &mut Vec<u8>, clients: &[ClientInfo<'_>]) {
    let mut result = Object::begin(out);
    let mut presence = Object::begin(result.field("presence"));
    for info in clients {
        info.encode(presence.entry(info.client));
    }
    presence.end();
    result.end();
}

fn encode_ttl(object: &mut Object<'_>, ttl_seconds: Option<u32>) {
    if let Some(seconds) = ttl_seconds {
        object.flag("expires", true);
        object.number("ttl", u64::from(seconds));
    }
}

fn push_publications(out: &mut Vec<u8>, publications: &[Arc<Publication>]) {
    json::push_array(out, publications, |out, item| {
        publication::encode(item, out);
    });
}

/// Copies JSON that is JSON already, on one line: a line end inside it would end the reply.
fn push_raw(out: &mut Vec<u8>, data: &RawValue) {
    // A line end can only stand between tokens; inside a string JSON has it escaped.
    out.extend(data.get().bytes().map(|byte| {
        if byte == b'\n' || byte == b'\r' {
            b' '
        } else {
            byte
        }
    }));
}
