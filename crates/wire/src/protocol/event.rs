//! The fields of an event, as they stand in the data of its publication.
//!
//! They have the names that [`Event`] has in code. One differs in shape: the message that waits for review is an object
//! of its own, `{"type":"held","message":{"user":...,"text":...},...}`, because the publication has a sender and an id
//! too, which are the room's.

use super::{
    json::{self, Object},
    publication::encode_about,
};
use crate::{Event, HoldReason, Mode, Sender, Text, UnixMillis};

/// Appends the fields after `type`.
pub(super) fn encode_fields(event: &Event, data: &mut Object<'_>) {
    match event {
        Event::Deleted { offset } => json::push_u64(data.field("offset"), offset.0),
        Event::Cleared { user, through } => {
            json::push_str(data.field("user"), &user.0);
            json::push_u64(data.field("through"), through.0);
        }
        Event::Muted { user, until } | Event::Banned { user, until } => {
            json::push_str(data.field("user"), &user.0);
            encode_until(*until, data);
        }
        Event::Pardoned { user } => json::push_str(data.field("user"), &user.0),
        Event::Mode(mode) => encode_mode(mode, data),
        Event::Pinned { pin, text, offset } => {
            json::push_str(data.field("pin"), &pin.0);
            json::push_str(data.field("text"), text);
            if let Some(offset) = offset {
                json::push_u64(data.field("offset"), offset.0);
            }
        }
        Event::Unpinned { pin } => json::push_str(data.field("pin"), &pin.0),
        Event::Gift { gift, count, text } => {
            json::push_str(data.field("gift"), gift);
            json::push_u64(data.field("count"), u64::from(*count));
            if let Some(text) = text {
                json::push_str(data.field("text"), text);
            }
        }
        Event::PollOpened {
            poll,
            question,
            choices,
            until,
        } => {
            json::push_str(data.field("poll"), &poll.0);
            json::push_str(data.field("question"), question);
            encode_texts(choices, data.field("choices"));
            encode_until(*until, data);
        }
        Event::PollClosed { poll, counts } => {
            json::push_str(data.field("poll"), &poll.0);
            json::push_array(data.field("counts"), counts, |out, count| {
                json::push_u64(out, *count);
            });
        }
        Event::Voted { choice } => json::push_u64(data.field("choice"), u64::from(*choice)),
        Event::Held {
            sender,
            id,
            text,
            reason,
        } => {
            encode_held(sender, &id.0, text, data.field("message"));
            json::push_str(data.field("reason"), reason_name(*reason));
        }
        Event::Reviewed { held, approved } => {
            json::push_u64(data.field("held"), held.0);
            json::push_bool(data.field("approved"), *approved);
        }
        Event::Reported { offset, reason } => {
            json::push_u64(data.field("offset"), offset.0);
            json::push_str(data.field("reason"), reason.name());
        }
        Event::ReportsDismissed { offset } => json::push_u64(data.field("offset"), offset.0),
        Event::Words { language, words } => {
            json::push_str(data.field("language"), language.code());
            encode_texts(words, data.field("words"));
        }
    }
}

/// Every switch is always there: a screen shows what is said, and need not know what is meant by silence.
fn encode_mode(mode: &Mode, data: &mut Object<'_>) {
    json::push_u64(data.field("slow_seconds"), u64::from(mode.slow_seconds));
    json::push_bool(data.field("members_only"), mode.members_only);
    if let Some(minutes) = mode.followers_minutes {
        json::push_u64(data.field("followers_minutes"), u64::from(minutes));
    }
    json::push_bool(data.field("emoji_only"), mode.emoji_only);
    json::push_bool(data.field("hold"), mode.hold);
    json::push_bool(data.field("shield"), mode.shield);
}

fn encode_held(sender: &Sender, id: &str, text: &Text, out: &mut Vec<u8>) {
    let mut message = Object::begin(out);
    json::push_str(message.field("user"), &sender.user.0);
    json::push_str(message.field("id"), id);
    json::push_str(message.field("text"), &text.text);
    json::push_str(message.field("name"), &sender.name);
    json::push_str(message.field("role"), sender.role.name());
    encode_about(text, &mut message);
    if let Some(badge) = &sender.badge {
        json::push_str(message.field("badge"), badge);
    }
    message.end();
}

fn encode_texts(texts: &[std::sync::Arc<str>], out: &mut Vec<u8>) {
    json::push_array(out, texts, |out, text| json::push_str(out, text));
}

fn encode_until(until: Option<UnixMillis>, data: &mut Object<'_>) {
    if let Some(until) = until {
        json::push_u64(data.field("until"), until.0);
    }
}

const fn reason_name(reason: HoldReason) -> &'static str {
    match reason {
        HoldReason::Room => "room",
        HoldReason::Word => "word",
    }
}
