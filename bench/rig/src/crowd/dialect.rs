//! What a fan says to each kind of server, and what of the answers matters.

use clap::ValueEnum;
use memchr::memmem;

/// The protocols that fans speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// No protocol: frames come at once. `floor` speaks it.
    Bare,
    /// WebSocket and nothing above it.
    Ws,
    /// Socket.IO 4 over WebSocket.
    SocketIo,
    /// The Centrifuge client protocol in JSON: Fanwave and Centrifugo.
    Centrifuge,
}

/// What a message of the server means for the fan's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing: it may hold messages of the room.
    Other,
    /// The fan is in the room.
    Joined,
    /// The server said no.
    Refused,
    /// Something that must be answered with these bytes.
    Answer(&'static [u8]),
}

/// Where a fan who returns was, so that the server can make up for what was missed.
#[derive(Debug, Clone, Copy)]
pub struct Since<'a> {
    /// The log's epoch.
    pub epoch: &'a str,
    /// The last message seen.
    pub offset: u64,
}

impl Dialect {
    /// The HTTP request that opens the WebSocket; `None` where there is none.
    #[must_use]
    pub fn upgrade(self, path: &str, host: &str) -> Option<Vec<u8>> {
        if self == Self::Bare {
            return None;
        }
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        Some(request.into_bytes())
    }

    /// What a fan says once the socket is open.
    #[must_use]
    pub fn greeting(self, token: &str, channel: &str, since: Option<Since<'_>>) -> Option<String> {
        if self != Self::Centrifuge {
            return None;
        }
        let recover = since.map_or_else(String::new, |since| {
            format!(
                r#","recover":true,"epoch":"{}","offset":{}"#,
                since.epoch, since.offset
            )
        });
        Some(format!(
            "{{\"id\":1,\"connect\":{{\"token\":\"{token}\"}}}}\n\
             {{\"id\":2,\"subscribe\":{{\"channel\":\"{channel}\"{recover}}}}}"
        ))
    }

    /// Whether a fan is in the room as soon as the socket is open.
    #[must_use]
    pub fn joins_by_upgrade(self) -> bool {
        matches!(self, Self::Bare | Self::Ws)
    }

    /// Reads a data frame.
    #[must_use]
    pub fn hear(self, payload: &[u8], joined: bool) -> Heard {
        match self {
            Self::Bare | Self::Ws => Heard::Other,
            Self::SocketIo => match payload {
                [b'2'] => Heard::Answer(b"3"),
                // The engine is open: ask for the default namespace.
                [b'0', ..] => Heard::Answer(b"40"),
                [b'4', b'0', ..] => Heard::Joined,
                [b'4', b'4', ..] => Heard::Refused,
                _ => Heard::Other,
            },
            Self::Centrifuge
                if payload == b"{}"
                    || payload.ends_with(b"\n{}")
                    || payload.starts_with(b"{}\n") =>
            {
                Heard::Answer(b"{}")
            }
            Self::Centrifuge if joined => Heard::Other,
            Self::Centrifuge if memmem::find(payload, b"\"subscribe\":").is_some() => Heard::Joined,
            Self::Centrifuge if memmem::find(payload, b"\"error\":").is_some() => Heard::Refused,
            Self::Centrifuge => Heard::Other,
        }
    }
}

/// The largest `"offset":` of a payload: how far the fan has read.
#[must_use]
pub fn newest_offset(payload: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"offset\":";
    memmem::find_iter(payload, NAME)
        .filter_map(|at| {
            let digits = payload[at + NAME.len()..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit());
            std::str::from_utf8(&digits.copied().collect::<Vec<u8>>())
                .ok()?
                .parse()
                .ok()
        })
        .max()
}

/// The log's epoch in a subscribe reply.
#[must_use]
pub fn epoch(payload: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"\"epoch\":\"";
    let begin = memmem::find(payload, NAME)? + NAME.len();
    let length = memchr::memchr(b'"', &payload[begin..])?;
    std::str::from_utf8(&payload[begin..begin + length])
        .ok()
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_knows_its_pings_and_its_joining() {
        use Dialect::{Centrifuge, SocketIo, Ws};
        assert_eq!(SocketIo.hear(b"2", true), Heard::Answer(b"3"));
        assert_eq!(
            SocketIo.hear(b"0{\"sid\":\"a\"}", false),
            Heard::Answer(b"40")
        );
        assert_eq!(SocketIo.hear(b"40{\"sid\":\"b\"}", false), Heard::Joined);
        assert_eq!(
            SocketIo.hear(b"42[\"m\",\"fw|0|1|2|\"]", true),
            Heard::Other
        );
        assert_eq!(Centrifuge.hear(b"{}", true), Heard::Answer(b"{}"));
        assert_eq!(
            Centrifuge.hear(b"{\"id\":2,\"subscribe\":{\"epoch\":\"e\"}}", false),
            Heard::Joined
        );
        assert_eq!(
            Centrifuge.hear(b"{\"id\":2,\"error\":{\"code\":108}}", false),
            Heard::Refused
        );
        assert_eq!(Ws.hear(b"2", true), Heard::Other);
    }

    #[test]
    fn the_position_is_read_from_replies_and_pushes() {
        assert_eq!(newest_offset(br#"{"push":{"pub":{"offset":7}}}"#), Some(7));
        assert_eq!(
            newest_offset(br#"{"offset":9,"publications":[{"offset":8},{"offset":9}]}"#),
            Some(9)
        );
        assert_eq!(newest_offset(b"{}"), None);
        assert_eq!(
            epoch(br#"{"subscribe":{"epoch":"abc","offset":1}}"#).as_deref(),
            Some("abc")
        );
        assert_eq!(epoch(br#"{"epoch":"abc"#), None);
    }
}
