//! Writes replies in JSON: `{"id":1,"connect":{...}}`, or `{"id":1,"error":{...}}`.
//!
//! Fields at their zero value are left out where the published schema leaves them out, and written where it writes
//! them: history and presence always say their numbers.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{self as json, Object};
use crate::{
    Publication, Sender,
    protocol::{
        publication,
        reply::{
            ClientInfo, ConnectResult, HistoryResult, PresencePage, PublishResult, Recovery,
            RefreshResult, Reply, Response, SendResult, SubscribeResult,
        },
    },
};

/// Appends the reply.
pub(in crate::protocol) fn encode(reply: &Reply<'_>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.number("id", u64::from(reply.id));
    encode_response(&reply.response, &mut object);
    object.end();
}

/// Adds the field of a response to its reply.
pub(in crate::protocol) fn encode_response(response: &Response<'_>, reply: &mut Object<'_>) {
    match *response {
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
}

impl ClientInfo<'_> {
    /// Appends the JSON; both ids are always there.
    pub(in crate::protocol) fn encode(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        json::push_str(object.field("user"), self.user);
        json::push_str(object.field("client"), self.client);
        if let Some(sender) = self.sender {
            encode_sender(sender, object.field("conn_info"));
        }
        object.end();
    }
}

/// Appends what is shown of a user, which is JSON in every encoding of the protocol.
pub(in crate::protocol) fn encode_sender(sender: &Sender, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    json::push_str(object.field("name"), &sender.name);
    json::push_str(object.field("role"), sender.role.name());
    if let Some(badge) = &sender.badge {
        json::push_str(object.field("badge"), badge);
    }
    object.end();
}

impl ConnectResult<'_> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.text("client", self.client);
        object.text("version", self.version);
        encode_ttl(&mut object, self.ttl_seconds);
        object.number("ping", u64::from(self.ping_seconds));
        object.flag("pong", self.pong);
        if !self.subs.is_empty() {
            let mut subs = Object::begin(object.field("subs"));
            for (channel, result) in self.subs {
                result.encode(subs.entry(&channel.to_string()));
            }
            subs.end();
        }
        object.text("session", self.session);
        object.text("node", self.node);
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
    /// Appends the result, which is JSON in every encoding of the protocol.
    pub(in crate::protocol) fn encode(&self, out: &mut Vec<u8>) {
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
    /// Appends the page, which is JSON in every encoding of the protocol.
    pub(in crate::protocol) fn encode(&self, out: &mut Vec<u8>) {
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

pub(super) fn encode_ttl(object: &mut Object<'_>, ttl_seconds: Option<u32>) {
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
pub(super) fn push_raw(out: &mut Vec<u8>, data: &RawValue) {
    // A line end can only stand between tokens; inside a string JSON has it escaped.
    out.extend(data.get().bytes().map(|byte| {
        if byte == b'\n' || byte == b'\r' {
            b' '
        } else {
            byte
        }
    }));
}
