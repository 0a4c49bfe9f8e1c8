//! What a channel carries, as every client of it gets it: texts, events and notices.
//!
//! ```json
//! {"offset":7,"data":{"id":"m-1","text":"hi","name":"Ari","role":"fan","at":1700000000000},"info":{"user":"u-1","client":""}}
//! {"offset":8,"data":{"type":"deleted","offset":7,"id":"m-2","name":"Mo","role":"moderator","at":1700000000500},"info":{"user":"u-2","client":""}}
//! {"data":{"type":"more","lang":"ko","count":12}}
//! ```
//!
//! `data` is the application's part and the same for every fan; what it lacks a `type` is a text. A text may also have
//! `lang`, `reply_to` and `badge`; an event has fields of its own, see [`Event`](crate::Event). `info.client` is empty:
//! which of a user's connections wrote a message is nobody's business. A notice has neither offset nor sender: the room
//! says it, keeps nothing of it, and no position moves.

use super::{
    event,
    json::{self, Object},
    reply::ClientInfo,
};
use crate::{Body, Notice, Publication, Text};

/// Appends the publication as JSON; at most [`crate::limits::PUBLICATION_BYTES_MAX`] bytes for a text, and
/// [`crate::limits::EVENT_BYTES_MAX`] for an event.
pub fn encode(publication: &Publication, out: &mut Vec<u8>) {
    let draft = &publication.draft;
    let mut object = Object::begin(out);
    object.number("offset", publication.offset.0);
    encode_data(publication, object.field("data"));
    ClientInfo {
        user: &draft.sender.user.0,
        client: "",
        sender: None,
    }
    .encode(object.field("info"));
    object.end();
}

/// Appends the notice as a publication in JSON.
pub fn encode_notice(notice: &Notice, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    encode_notice_data(notice, object.field("data"));
    object.end();
}

/// Appends the application's part alone, which is JSON in every encoding of the protocol.
pub(super) fn encode_data(publication: &Publication, out: &mut Vec<u8>) {
    let draft = &publication.draft;
    let sender = &draft.sender;
    let mut data = Object::begin(out);
    if let Body::Event(event) = &draft.body {
        json::push_str(data.field("type"), event.name());
        event::encode_fields(event, &mut data);
    }
    json::push_str(data.field("id"), &draft.id.0);
    if let Body::Text(text) = &draft.body {
        json::push_str(data.field("text"), &text.text);
    }
    json::push_str(data.field("name"), &sender.name);
    json::push_str(data.field("role"), sender.role.name());
    json::push_u64(data.field("at"), publication.at.0);
    if let Body::Text(text) = &draft.body {
        encode_about(text, &mut data);
    }
    if let Some(badge) = &sender.badge {
        json::push_str(data.field("badge"), badge);
    }
    data.end();
}

/// Appends the application's part of a notice.
pub(super) fn encode_notice_data(notice: &Notice, out: &mut Vec<u8>) {
    let mut data = Object::begin(out);
    json::push_str(data.field("type"), notice.name());
    match notice {
        Notice::More { language, count } => {
            json::push_str(data.field("lang"), language.code());
            json::push_u64(data.field("count"), *count);
        }
        Notice::Missed { count } => json::push_u64(data.field("count"), *count),
        Notice::Reactions { counts } => {
            let mut taps = Object::begin(data.field("counts"));
            for (kind, count) in counts {
                json::push_u64(taps.entry(kind.as_str()), *count);
            }
            taps.end();
        }
        Notice::Paused | Notice::Resumed => {}
        Notice::Tally { poll, counts } => {
            json::push_str(data.field("poll"), &poll.0);
            json::push_array(data.field("counts"), counts, |out, count| {
                json::push_u64(out, *count);
            });
        }
    }
    data.end();
}

/// Writes what is known of a text beside its words.
pub(super) fn encode_about(text: &Text, data: &mut Object<'_>) {
    if !text.language.is_unknown() {
        json::push_str(data.field("lang"), text.language.code());
    }
    if let Some(answered) = &text.reply_to {
        let mut reply = Object::begin(data.field("reply_to"));
        json::push_u64(reply.field("offset"), answered.offset.0);
        json::push_str(reply.field("user"), &answered.user.0);
        reply.end();
    }
}

#[cfg(test)]
mod tests;
