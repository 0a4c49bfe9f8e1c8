//! Writes replies in Protobuf.

use std::sync::Arc;

use super::writer::{bytes, delimited, flag, nested, number, text};
use crate::{
    Publication,
    protocol::{
        json::reply::encode_sender,
        publication::encode_data,
        reply::{
            ClientInfo, ConnectResult, HistoryResult, Recovery, RefreshResult, Reply, Response,
            SubscribeResult,
        },
    },
};

/// Appends the reply after its length.
pub(in crate::protocol) fn encode(reply: &Reply<'_>, out: &mut Vec<u8>) {
    delimited(out, |out| {
        number(out, 1, u64::from(reply.id));
        encode_response(&reply.response, out);
    });
}

/// Appends a reply whose response has been encoded already.
pub(in crate::protocol) fn encode_with(id: u32, response: &[u8], out: &mut Vec<u8>) {
    delimited(out, |out| {
        number(out, 1, u64::from(id));
        out.extend_from_slice(response);
    });
}

/// Appends the field of a response.
pub(in crate::protocol) fn encode_response(response: &Response<'_>, out: &mut Vec<u8>) {
    match *response {
        Response::Error(error) => nested(out, 2, |out| {
            number(out, 1, u64::from(error.code.number()));
            text(out, 2, error.message);
            flag(out, 3, error.temporary);
        }),
        Response::Connect(result) => nested(out, 5, |out| encode_connect(&result, out)),
        Response::Subscribe(result) => nested(out, 6, |out| encode_subscribe(&result, out)),
        Response::Unsubscribe => bytes(out, 7, b""),
        // The schema's result has no fields; ours says in JSON where the message stands, here nobody could read it.
        Response::Publish(_) => bytes(out, 8, b""),
        Response::Presence(clients) => nested(out, 9, |out| encode_presence(clients, out)),
        Response::PresenceStats { clients, users } => nested(out, 10, |out| {
            number(out, 1, u64::from(clients));
            number(out, 2, u64::from(users));
        }),
        Response::History(result) => nested(out, 11, |out| encode_history(&result, out)),
        Response::Ping => bytes(out, 12, b""),
        Response::Rpc(data) => nested(out, 13, |out| bytes(out, 1, data.get().as_bytes())),
        Response::Sent(result) => encode_call(out, |out| result.encode(out)),
        Response::Done => encode_call(out, |out| out.extend_from_slice(b"{}")),
        Response::PresencePage(page) => encode_call(out, |out| page.encode(out)),
        Response::Refresh(result) => nested(out, 14, |out| encode_refresh(&result, out)),
        Response::SubRefresh { ttl_seconds } => nested(out, 15, |out| ttl(out, 1, ttl_seconds)),
    }
}

/// The result of a call, which is JSON.
fn encode_call(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    nested(out, 13, |out| nested(out, 1, write));
}

fn encode_connect(result: &ConnectResult<'_>, out: &mut Vec<u8>) {
    text(out, 1, result.client);
    text(out, 2, result.version);
    ttl(out, 3, result.ttl_seconds);
    encode_subs(6, result, out);
    number(out, 7, u64::from(result.ping_seconds));
    flag(out, 8, result.pong);
    text(out, 9, result.session);
    text(out, 10, result.node);
}

/// The map of subscriptions: an entry is a message with the key in field 1 and the value in field 2.
pub(super) fn encode_subs(field: u32, result: &ConnectResult<'_>, out: &mut Vec<u8>) {
    for (channel, sub) in result.subs {
        nested(out, field, |out| {
            text(out, 1, &channel.to_string());
            nested(out, 2, |out| encode_subscribe(sub, out));
        });
    }
}

fn encode_subscribe(result: &SubscribeResult<'_>, out: &mut Vec<u8>) {
    let (missed, recovered, was_recovering) = match result.recovery {
        Recovery::NotAsked => (&[][..], false, false),
        Recovery::Recovered(missed) => (missed, true, true),
        Recovery::Unrecovered => (&[][..], false, true),
    };
    ttl(out, 1, result.ttl_seconds);
    flag(out, 3, result.recoverable);
    text(out, 6, &result.epoch.0);
    encode_publications(7, missed, out);
    flag(out, 8, recovered);
    number(out, 9, result.offset.0);
    flag(out, 10, result.positioned);
    flag(out, 12, was_recovering);
}

fn encode_history(result: &HistoryResult<'_>, out: &mut Vec<u8>) {
    encode_publications(1, result.publications, out);
    text(out, 2, &result.epoch.0);
    number(out, 3, result.offset.0);
}

fn encode_refresh(result: &RefreshResult<'_>, out: &mut Vec<u8>) {
    text(out, 1, result.client);
    text(out, 2, result.version);
    ttl(out, 3, result.ttl_seconds);
}

fn encode_presence(clients: &[ClientInfo<'_>], out: &mut Vec<u8>) {
    for info in clients {
        nested(out, 1, |out| {
            text(out, 1, info.client);
            nested(out, 2, |out| encode_info(info, out));
        });
    }
}

/// Appends the fields of a client's info.
pub(super) fn encode_info(info: &ClientInfo<'_>, out: &mut Vec<u8>) {
    text(out, 1, info.user);
    text(out, 2, info.client);
    if let Some(sender) = info.sender {
        nested(out, 3, |out| encode_sender(sender, out));
    }
}

fn encode_publications(field: u32, publications: &[Arc<Publication>], out: &mut Vec<u8>) {
    for publication in publications {
        nested(out, field, |out| encode_publication(publication, out));
    }
}

/// Appends the fields of a publication.
pub(super) fn encode_publication(publication: &Publication, out: &mut Vec<u8>) {
    nested(out, 4, |out| encode_data(publication, out));
    nested(out, 5, |out| {
        text(out, 1, &publication.draft.sender.user.0);
    });
    number(out, 6, publication.offset.0);
}

/// Whether credentials run out, and after how many seconds; two fields that follow each other.
pub(super) fn ttl(out: &mut Vec<u8>, field: u32, ttl_seconds: Option<u32>) {
    if let Some(seconds) = ttl_seconds {
        flag(out, field, true);
        number(out, field + 1, u64::from(seconds));
    }
}
