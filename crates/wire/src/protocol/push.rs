//! What the server tells a client without being asked: `{"push":{"channel":"...","pub":{...}}}`.

use super::{
    UnsubscribeCode,
    disconnect::{DisconnectCode, Reconnect},
    json::Object,
    publication,
    reply::ClientInfo,
};
use crate::{Channel, Epoch, Notice, Offset, Publication};

/// One push.
#[derive(Debug, Clone, Copy)]
pub enum Push<'a> {
    /// A new publication. The bytes depend on the channel and the publication only: encode once, send to all.
    Publication {
        /// Where it was published.
        channel: &'a Channel,
        /// What.
        publication: &'a Publication,
    },
    /// Something that the room says without keeping it.
    Notice {
        /// Where.
        channel: &'a Channel,
        /// What.
        notice: &'a Notice,
    },
    /// Somebody came.
    Join {
        /// Where.
        channel: &'a Channel,
        /// Who.
        info: ClientInfo<'a>,
    },
    /// Somebody left.
    Leave {
        /// Where.
        channel: &'a Channel,
        /// Who.
        info: ClientInfo<'a>,
    },
    /// The server ended a subscription; the connection stays.
    Unsubscribe {
        /// Of which channel.
        channel: &'a Channel,
        /// Why.
        code: UnsubscribeCode,
    },
    /// The server subscribed the client to a channel.
    Subscribe {
        /// To which channel.
        channel: &'a Channel,
        /// Where the channel stands.
        epoch: &'a Epoch,
        /// Where the channel stands.
        offset: Offset,
    },
    /// The server is about to close the connection; for transports without close codes.
    Disconnect {
        /// Why.
        code: DisconnectCode,
    },
}

impl Push<'_> {
    /// Appends the push as one reply.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut reply = Object::begin(out);
        let mut push = Object::begin(reply.field("push"));
        match *self {
            Self::Publication {
                channel,
                publication,
            } => {
                push_channel(push.field("channel"), channel);
                publication::encode(publication, push.field("pub"));
            }
            Self::Notice { channel, notice } => {
                push_channel(push.field("channel"), channel);
                publication::encode_notice(notice, push.field("pub"));
            }
            Self::Join { channel, info } => {
                push_channel(push.field("channel"), channel);
                encode_info(push.field("join"), info);
            }
            Self::Leave { channel, info } => {
                push_channel(push.field("channel"), channel);
                encode_info(push.field("leave"), info);
            }
            Self::Unsubscribe { channel, code } => {
                push_channel(push.field("channel"), channel);
                let mut unsubscribe = Object::begin(push.field("unsubscribe"));
                unsubscribe.number("code", u64::from(code.number()));
                unsubscribe.text("reason", code.reason());
                unsubscribe.end();
            }
            Self::Subscribe {
                channel,
                epoch,
                offset,
            } => {
                push_channel(push.field("channel"), channel);
                let mut subscribe = Object::begin(push.field("subscribe"));
                subscribe.flag("recoverable", true);
                subscribe.text("epoch", &epoch.0);
                subscribe.number("offset", offset.0);
                subscribe.flag("positioned", true);
                subscribe.end();
            }
            Self::Disconnect { code } => {
                let mut disconnect = Object::begin(push.field("disconnect"));
                disconnect.number("code", u64::from(code.number()));
                disconnect.text("reason", code.reason());
                disconnect.flag("reconnect", code.reconnect() == Reconnect::Retry);
                disconnect.end();
            }
        }
        push.end();
        reply.end();
    }
}

fn encode_info(out: &mut Vec<u8>, info: ClientInfo<'_>) {
    let mut object = Object::begin(out);
    info.encode(object.field("info"));
    object.end();
}

/// Writes the channel's name; its characters need no escaping (see [`crate::RoomId`]).
fn push_channel(out: &mut Vec<u8>, channel: &Channel) {
    out.push(b'"');
    out.extend_from_slice(channel.lane.prefix().as_bytes());
    out.push(b':');
    out.extend_from_slice(channel.room.as_str().as_bytes());
    out.push(b'"');
}
