//! A publication as every client of a channel gets it.
//!
//! ```json
//! {"offset":7,"data":{"id":"m-1","text":"hi","name":"Ari","role":"fan","at":1700000000000},"info":{"user":"u-1","client":""}}
//! ```
//!
//! `data` is the application's part and the same for every fan. `info.client` is empty: which of a user's connections
//! wrote a message is nobody's business.

use super::{
    json::{self, Object},
    reply::ClientInfo,
};
use crate::{Body, Publication};

/// Appends the publication as JSON; at most [`crate::limits::PUBLICATION_BYTES_MAX`] bytes.
pub fn encode(publication: &Publication, out: &mut Vec<u8>) {
    let draft = &publication.draft;
    let mut object = Object::begin(out);
    object.number("offset", publication.offset.0);
    encode_data(publication, object.field("data"));
    ClientInfo {
        user: &draft.sender.user.0,
        client: "",
    }
    .encode(object.field("info"));
    object.end();
}

/// Appends the application's part alone.
fn encode_data(publication: &Publication, out: &mut Vec<u8>) {
    let draft = &publication.draft;
    let mut data = Object::begin(out);
    json::push_str(data.field("id"), &draft.id.0);
    match &draft.body {
        Body::Text(text) => json::push_str(data.field("text"), &text.text),
        Body::Event(event) => json::push_str(data.field("type"), event.name()),
    }
    json::push_str(data.field("name"), &draft.sender.name);
    json::push_str(data.field("role"), draft.sender.role.name());
    json::push_u64(data.field("at"), publication.at.0);
    data.end();
}
