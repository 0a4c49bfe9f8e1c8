//! What a fan says and hears, in the Centrifuge client protocol's JSON: as little of it as a fan needs.
//!
//! Deliveries are not parsed (see [`crate::marker`]); replies are, because there are few of them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;

use crate::Target;

/// Id of the connect command.
pub(crate) const CONNECT: u32 = 1;
/// Id of the subscription to the lossless lane.
pub(crate) const SUBSCRIBE_ROOM: u32 = 2;
/// Id of the subscription to the lossy lane.
pub(crate) const SUBSCRIBE_CHAT: u32 = 3;
/// First id of a publish.
pub(crate) const PUBLISH_FIRST: u32 = 16;

/// The server's ping, and the answer to it.
pub(crate) const PING: &[u8] = b"{}";

/// How every line of a delivery begins.
const PUSH: &[u8] = b"{\"push\":";

/// Asks for the WebSocket.
pub(crate) fn upgrade(target: &Target) -> String {
    // The key proves that the peer speaks WebSocket. Whether it does, its frames will show: one key serves all.
    format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: ZmFud2F2ZS1sb2FkLWZhbg==\r\n\r\n",
        target.path, target.chat.host
    )
}

/// The status of an HTTP answer.
pub(crate) fn http_status(answer: &[u8]) -> Option<u16> {
    let line = answer.strip_prefix(b"HTTP/1.")?;
    let digits = line.get(2..5)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A place in the lossless lane to recover from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position<'a> {
    pub(crate) epoch: &'a str,
    pub(crate) offset: u64,
}

/// A connect alone, as a sender needs it.
pub(crate) fn connect(token: &str) -> String {
    json!({"id": CONNECT, "connect": {"token": token, "name": "fanwave-load"}}).to_string()
}

/// A fan's first frame: connect, and both subscriptions, the lossless one with recovery when there is a position.
pub(crate) fn join(token: &str, room: &str, position: Option<Position<'_>>) -> String {
    let mut subscribe =
        json!({"channel": format!("room:{room}"), "recoverable": true, "positioned": true});
    if let Some(Position { epoch, offset }) = position {
        subscribe["recover"] = true.into();
        subscribe["epoch"] = epoch.into();
        subscribe["offset"] = offset.into();
    }
    let room_lane = json!({"id": SUBSCRIBE_ROOM, "subscribe": subscribe});
    let chat_lane = json!({"id": SUBSCRIBE_CHAT, "subscribe": {"channel": format!("chat:{room}")}});
    format!("{}\n{room_lane}\n{chat_lane}", connect(token))
}

/// A message. The id makes a repetition harmless.
pub(crate) fn publish(command: u32, channel: &str, id: &str, text: &str) -> String {
    let data = json!({"id": id, "text": text});
    json!({"id": command, "publish": {"channel": channel, "data": data}}).to_string()
}

/// One line from the server.
#[derive(Debug)]
pub(crate) enum Line<'a> {
    /// Wants the same bytes back.
    Ping,
    /// A delivery, or another push.
    Push(&'a [u8]),
    /// Anything else, which is the answer to a command.
    Reply(&'a [u8]),
}

/// The lines of a message.
pub(crate) fn lines(message: &[u8]) -> impl Iterator<Item = Line<'_>> {
    // A line end inside a text is escaped in JSON: it always separates.
    let mut rest = message;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            let (line, after) = match end {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None => (rest, &rest[rest.len()..]),
            };
            rest = after;
            match line {
                [] => {}
                PING => return Some(Line::Ping),
                line if line.starts_with(PUSH) => return Some(Line::Push(line)),
                line => return Some(Line::Reply(line)),
            }
        }
        None
    })
}

/// A reply, as far as a fan cares.
#[derive(Debug, Deserialize)]
pub(crate) struct Reply<'a> {
    #[serde(default)]
    pub(crate) id: u32,
    #[serde(default)]
    pub(crate) error: Option<ErrorBody>,
    #[serde(default, borrow)]
    pub(crate) subscribe: Option<Subscribed<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ErrorBody {
    pub(crate) code: u32,
}

/// What a subscription told.
#[derive(Debug, Deserialize)]
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

/// Reads a reply; `None` when it is none.
pub(crate) fn parse_reply(line: &[u8]) -> Option<Reply<'_>> {
    serde_json::from_slice(line).ok()
}

/// The offset of the publication in which a mark was found at `mark_at`: the field stands before the data.
pub(crate) fn offset_before(line: &[u8], mark_at: usize) -> Option<u64> {
    number_after(b"\"offset\":", line.get(..mark_at)?)
}

/// How many messages a notice of the lossy lane says were left out.
pub(crate) fn left_out(line: &[u8]) -> Option<u64> {
    memchr::memmem::find(line, b"\"type\":\"more\"")?;
    number_after(b"\"count\":", line)
}

/// The number after the last place that has these bytes.
fn number_after(name: &[u8], bytes: &[u8]) -> Option<u64> {
    let at = memchr::memmem::rfind(bytes, name)? + name.len();
    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |value: Option<u64>, digit| {
        value
            .unwrap_or(0)
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanwave_wire::{
        Channel, ClientMessageId, Draft, Offset, Publication, Role, Sender, UnixMillis, UserId,
        protocol::{self, Method, Push},
    };

    use super::*;

    #[test]
    fn our_server_understands_what_a_fan_says() {
        let position = Position {
            epoch: "e-1",
            offset: 41,
        };
        let frame = join("secret", "demo", Some(position));
        let commands = protocol::parse_commands(&frame, 8).unwrap();
        let [connect, room, chat] = commands.as_slice() else {
            panic!("three commands")
        };
        assert_eq!(
            (connect.id, room.id, chat.id),
            (CONNECT, SUBSCRIBE_ROOM, SUBSCRIBE_CHAT)
        );
        let Method::Subscribe(request) = &room.method else {
            panic!("a subscription")
        };
        assert_eq!(
            (
                request.channel.as_str(),
                request.recover,
                request.epoch.as_str(),
                request.offset
            ),
            ("room:demo", true, "e-1", 41)
        );
        let Method::Subscribe(request) = &chat.method else {
            panic!("a subscription")
        };
        assert_eq!(
            (request.channel.as_str(), request.recover),
            ("chat:demo", false)
        );
        let frame = publish(17, "room:demo", "m-1", "fl|1|");
        let commands = protocol::parse_commands(&frame, 8).unwrap();
        assert!(
            matches!(&commands[0].method, Method::Publish(request) if request.channel == "room:demo")
        );
    }

    #[test]
    fn a_delivery_of_our_server_is_recognised_with_its_offset() {
        let sender = Sender::new(UserId("u".into()), "n", Role::Staff);
        let publication = Publication {
            offset: Offset(4711),
            at: UnixMillis(1),
            draft: Draft::text(
                ClientMessageId("m".into()),
                sender,
                Arc::from("fl|00000001|r0|1|2|"),
            ),
        };
        let channel: Channel = "room:demo".parse().unwrap();
        let mut out = b"{}\n".to_vec();
        Push::Publication {
            channel: &channel,
            publication: &publication,
        }
        .encode(&mut out);
        let found: Vec<Line<'_>> = lines(&out).collect();
        let [Line::Ping, Line::Push(line)] = found.as_slice() else {
            panic!("{found:?}")
        };
        let (_, at) = crate::marker::Marker::new(1).find(line).unwrap();
        assert_eq!(offset_before(line, at), Some(4711));
    }

    #[test]
    fn the_status_of_an_answer() {
        assert_eq!(
            http_status(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            Some(101)
        );
        assert_eq!(http_status(b"HTTP/1.0 503 x"), Some(503));
        for answer in [&b""[..], b"HTTP/2 200", b"HTTP/1.1 abc", b"SSH-2.0-OpenSSH"] {
            assert_eq!(http_status(answer), None);
        }
    }

    #[test]
    fn our_server_takes_the_key() {
        assert!(fanwave_wire::ws::accept_key("ZmFud2F2ZS1sb2FkLWZhbg==").is_ok());
        let target = Target::parse("ws://127.0.0.1:8080", None).unwrap();
        let request = upgrade(&target);
        assert!(
            request.starts_with("GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n")
        );
        assert!(request.ends_with("\r\n\r\n"));
    }

    #[test]
    fn replies_and_notices_are_read() {
        let line = br#"{"id":2,"subscribe":{"epoch":"x","offset":9,"recovered":true,"was_recovering":true}}"#;
        let reply = parse_reply(line).unwrap();
        let subscribed = reply.subscribe.unwrap();
        assert_eq!(
            (reply.id, &*subscribed.epoch, subscribed.offset),
            (2, "x", 9)
        );
        assert!(subscribed.recovered && subscribed.was_recovering);
        let refused = parse_reply(br#"{"id":16,"error":{"code":111,"message":"slower"}}"#).unwrap();
        assert_eq!(refused.error.unwrap().code, 111);
        let notice = br#"{"push":{"channel":"chat:d","pub":{"data":{"type":"more","lang":"ko","count":12}}}}"#;
        assert_eq!(left_out(notice), Some(12));
        assert_eq!(
            left_out(br#"{"push":{"pub":{"data":{"text":"count"}}}}"#),
            None
        );
        assert_eq!(offset_before(b"{\"offset\":}", 11), None);
    }
}
