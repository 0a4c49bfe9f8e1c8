//! Writes pushes in JSON: `{"push":{"channel":"...","pub":{...}}}`.

use super::{
    Object,
    reply::{encode_ttl, push_raw},
};
use crate::{
    Channel,
    protocol::{disconnect::Reconnect, publication, push::Push, reply::ClientInfo},
};

/// Appends the push as one reply.
pub(in crate::protocol) fn encode(push: &Push<'_>, out: &mut Vec<u8>) {
    let mut reply = Object::begin(out);
    let mut object = Object::begin(reply.field("push"));
    encode_kind(push, &mut object);
    object.end();
    reply.end();
}

fn encode_kind(kind: &Push<'_>, push: &mut Object<'_>) {
    match *kind {
        Push::Publication {
            channel,
            publication,
        } => {
            push_channel(push.field("channel"), channel);
            publication::encode(publication, push.field("pub"));
        }
        Push::Notice { channel, notice } => {
            push_channel(push.field("channel"), channel);
            publication::encode_notice(notice, push.field("pub"));
        }
        Push::Join { channel, info } => {
            push_channel(push.field("channel"), channel);
            encode_info(push.field("join"), info);
        }
        Push::Leave { channel, info } => {
            push_channel(push.field("channel"), channel);
            encode_info(push.field("leave"), info);
        }
        Push::Unsubscribe { channel, code } => {
            push_channel(push.field("channel"), channel);
            let mut unsubscribe = Object::begin(push.field("unsubscribe"));
            unsubscribe.number("code", u64::from(code.number()));
            unsubscribe.text("reason", code.reason());
            unsubscribe.end();
        }
        Push::Subscribe {
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
        Push::Disconnect(said) => {
            let mut disconnect = Object::begin(push.field("disconnect"));
            disconnect.number("code", u64::from(said.code.number()));
            disconnect.text("reason", &said.to_string());
            disconnect.flag("reconnect", said.code.reconnect() == Reconnect::Retry);
            disconnect.end();
        }
        Push::Message { data } => {
            let mut message = Object::begin(push.field("message"));
            push_raw(message.field("data"), data);
            message.end();
        }
        Push::Connect(result) => result.encode(push.field("connect")),
        Push::Refresh { ttl_seconds } => {
            let mut refresh = Object::begin(push.field("refresh"));
            encode_ttl(&mut refresh, ttl_seconds);
            refresh.end();
        }
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
