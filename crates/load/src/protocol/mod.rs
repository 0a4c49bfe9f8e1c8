//! What a fan says and hears in the Centrifuge client protocol, in either of its forms: as little of it as a fan needs.
//!
//! Deliveries are not parsed further than to their text (see [`crate::marker`]); replies are, because there are few of
//! them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Target, frames};

mod json;
mod protobuf;

#[cfg(test)]
mod tests;

/// Id of the connect command.
pub(crate) const CONNECT: u32 = 1;
/// Id of the subscription to the lossless lane.
pub(crate) const SUBSCRIBE_ROOM: u32 = 2;
/// Id of the subscription to the lossy lane.
pub(crate) const SUBSCRIBE_CHAT: u32 = 3;
/// First id of a publish.
pub(crate) const PUBLISH_FIRST: u32 = 16;

/// What fans call their program.
const CLIENT_NAME: &str = "fanwave-load";

/// The form of the protocol that fans speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// JSON in text messages, as web pages usually do.
    #[default]
    Json,
    /// Protobuf in binary messages, as apps prefer.
    Protobuf,
}

/// A place in the lossless lane to recover from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position<'a> {
    pub(crate) epoch: &'a str,
    pub(crate) offset: u64,
}

/// One line, or message, of the server.
#[derive(Debug)]
pub(crate) enum Line<'a> {
    /// Wants the same bytes back.
    Ping,
    /// A delivery, or another push.
    Push(Delivery<'a>),
    /// Anything else, which is the answer to a command.
    Reply(&'a [u8]),
}

/// What was delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Delivery<'a> {
    /// Where the text is, and with it the mark.
    pub(crate) body: &'a [u8],
    /// The offset, when the form of the protocol gives it without a search.
    offset: Option<u64>,
}

/// A reply, as far as a fan cares.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Reply<'a> {
    #[serde(default)]
    pub(crate) id: u32,
    #[serde(default)]
    pub(crate) error: Option<ErrorBody>,
    #[serde(default, borrow)]
    pub(crate) subscribe: Option<Subscribed<'a>>,
    #[serde(default)]
    pub(crate) connect: Option<Connected>,
}

/// What a connection told.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Connected {
    /// How often the server pings, seconds; 0 when it does not.
    #[serde(default)]
    pub(crate) ping: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ErrorBody {
    pub(crate) code: u32,
}

/// What a subscription told.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Subscribed<'a> {
    #[serde(default, borrow)]
    pub(crate) epoch: Cow<'a, str>,
    #[serde(default)]
    pub(crate) offset: u64,
    #[serde(default)]
    pub(crate) recovered: bool,
    #[serde(default)]
    pub(crate) was_recovering: bool,
}

impl Encoding {
    /// The name, as it is typed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Protobuf => "protobuf",
        }
    }

    /// Asks for the WebSocket; for Protobuf by its subprotocol, as the SDKs do.
    pub(crate) fn upgrade(self, target: &Target) -> String {
        let subprotocol = match self {
            Self::Json => "",
            Self::Protobuf => "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n",
        };
        // The key proves that the peer speaks WebSocket. Whether it does, its frames will show: one key serves all.
        format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: ZmFud2F2ZS1sb2FkLWZhbg==\r\n{subprotocol}\r\n",
            target.path, target.chat.host
        )
    }

    /// The server's ping, and the answer to it.
    pub(crate) const fn ping(self) -> &'static [u8] {
        match self {
            Self::Json => json::PING,
            Self::Protobuf => protobuf::PING,
        }
    }

    /// A connect alone, as a sender needs it.
    pub(crate) fn connect(self, token: &str) -> Vec<u8> {
        match self {
            Self::Json => json::connect(CONNECT, token).into_bytes(),
            Self::Protobuf => protobuf::connect(CONNECT, token),
        }
    }

    /// A fan's first message: connect, and both subscriptions, the lossless one with recovery when there is a position.
    pub(crate) fn join(self, token: &str, room: &str, position: Option<Position<'_>>) -> Vec<u8> {
        let (lossless, lossy) = (format!("room:{room}"), format!("chat:{room}"));
        let connect = self.connect(token);
        match self {
            Self::Json => {
                let lossless = json::subscribe_room(SUBSCRIBE_ROOM, &lossless, position);
                let lossy = json::subscribe_chat(SUBSCRIBE_CHAT, &lossy);
                [&connect, lossless.as_bytes(), lossy.as_bytes()].join(&b'\n')
            }
            Self::Protobuf => {
                let lossless = protobuf::subscribe_room(SUBSCRIBE_ROOM, &lossless, position);
                let lossy = protobuf::subscribe_chat(SUBSCRIBE_CHAT, &lossy);
                [connect, lossless, lossy].concat()
            }
        }
    }

    /// A message. The id makes a repetition harmless.
    pub(crate) fn publish(self, command: u32, channel: &str, id: &str, text: &str) -> Vec<u8> {
        let data = json!({"id": id, "text": text});
        match self {
            Self::Json => json::publish(command, channel, &data).into_bytes(),
            Self::Protobuf => protobuf::publish(command, channel, data.to_string().as_bytes()),
        }
    }

    /// Appends a message of a client in its frame.
    pub(crate) fn push_frame(self, out: &mut Vec<u8>, message: &[u8]) {
        match self {
            Self::Json => frames::push_text(out, message),
            Self::Protobuf => frames::push_binary(out, message),
        }
    }

    /// The lines of a message.
    pub(crate) fn lines(self, message: &[u8]) -> impl Iterator<Item = Line<'_>> {
        let mut rest = message;
        std::iter::from_fn(move || match self {
            Self::Json => json::next_line(&mut rest),
            Self::Protobuf => protobuf::next_line(&mut rest),
        })
    }

    /// Reads a reply; `None` when it is none.
    pub(crate) fn parse_reply(self, line: &[u8]) -> Option<Reply<'_>> {
        match self {
            Self::Json => json::parse_reply(line),
            Self::Protobuf => protobuf::parse_reply(line),
        }
    }
}

impl Delivery<'_> {
    /// The offset of the publication in which a mark was found at `mark_at`.
    pub(crate) fn offset(&self, mark_at: usize) -> Option<u64> {
        self.offset
            .or_else(|| json::offset_before(self.body, mark_at))
    }

    /// How many messages it says were left out, if it is a notice of the lossy lane.
    pub(crate) fn left_out(&self) -> Option<u64> {
        json::left_out(self.body)
    }
}

/// The status of an HTTP answer.
pub(crate) fn http_status(answer: &[u8]) -> Option<u16> {
    let line = answer.strip_prefix(b"HTTP/1.")?;
    let digits = line.get(2..5)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
