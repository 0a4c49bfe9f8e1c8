//! The JSON form: one object per command or reply, and line ends between them.
//!
//! Deliveries are not parsed: a mark is found in them as they are, and the offset stands before it.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::json;

use super::{Delivery, Line, Position, Reply};

/// The server's ping, and the answer to it.
pub(super) const PING: &[u8] = b"{}";

/// How every line of a delivery begins.
const PUSH: &[u8] = b"{\"push\":";

/// Where a publication says its offset. Searched in every delivery: made ready once, it is found in an eighth of the time.
static OFFSET: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"offset\":"));

/// What a notice of the lossy lane says of itself, and how many it speaks of.
static MORE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"type\":\"more\""));
static COUNT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"count\":"));

/// A connect command.
pub(super) fn connect(id: u32, token: &str) -> String {
    json!({"id": id, "connect": {"token": token, "name": super::CLIENT_NAME}}).to_string()
}

/// A subscription to the lossless lane.
pub(super) fn subscribe_room(id: u32, channel: &str, position: Option<Position<'_>>) -> String {
    let mut subscribe = json!({"channel": channel, "recoverable": true, "positioned": true});
    if let Some(Position { epoch, offset }) = position {
        subscribe["recover"] = true.into();
        subscribe["epoch"] = epoch.into();
        subscribe["offset"] = offset.into();
    }
    json!({"id": id, "subscribe": subscribe}).to_string()
}

/// A subscription to the lossy lane.
pub(super) fn subscribe_chat(id: u32, channel: &str) -> String {
    json!({"id": id, "subscribe": {"channel": channel}}).to_string()
}

/// A message.
pub(super) fn publish(id: u32, channel: &str, data: &serde_json::Value) -> String {
    json!({"id": id, "publish": {"channel": channel, "data": data}}).to_string()
}

/// Takes the next line off a message.
pub(super) fn next_line<'a>(rest: &mut &'a [u8]) -> Option<Line<'a>> {
    // A line end inside a text is escaped in JSON: it always separates.
    while !rest.is_empty() {
        let (line, after) = match memchr::memchr(b'\n', rest) {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (*rest, &rest[rest.len()..]),
        };
        *rest = after;
        match line {
            [] => {}
            PING => return Some(Line::Ping),
            line if line.starts_with(PUSH) => {
                return Some(Line::Push(Delivery {
                    body: line,
                    offset: None,
                }));
            }
            line => return Some(Line::Reply(line)),
        }
    }
    None
}

/// Reads a reply; `None` when it is none.
pub(super) fn parse_reply(line: &[u8]) -> Option<Reply<'_>> {
    serde_json::from_slice(line).ok()
}

/// The offset of the publication in which a mark was found at `mark_at`: the field stands before the data, and quotes
/// inside a text are escaped.
pub(super) fn offset_before(line: &[u8], mark_at: usize) -> Option<u64> {
    number_after(&OFFSET, line.get(..mark_at)?)
}

/// How many messages a notice of the lossy lane says were left out.
pub(super) fn left_out(data: &[u8]) -> Option<u64> {
    MORE.find(data)?;
    number_after(&COUNT, data)
}

/// The number after the first place that has these bytes.
fn number_after(name: &Finder<'_>, bytes: &[u8]) -> Option<u64> {
    let at = name.find(bytes)? + name.needle().len();
    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |value: Option<u64>, digit| {
        value
            .unwrap_or(0)
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))
    })
}
