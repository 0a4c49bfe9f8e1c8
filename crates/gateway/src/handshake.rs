//! Judges a WebSocket handshake, whoever has read it: the HTTP server, or a reactor from a socket of its own.
//!
//! [`Offer`] takes a request's headers one by one and keeps only what matters, as slices of the request; nothing is
//! allocated until the answer. Everything that can be refused is refused here, before the upgrade and in HTTP's own
//! words: a foreign page (403), a wrong version (426), a request that is no handshake (400, 405, 426), a full, hurried
//! or stopping node (503).
//!
//! Spec: RFC 6455, section 4.2.

use fanwave_wire::{protocol::Encoding, ws};
use thiserror::Error;

use crate::{
    admission::NoPlace,
    config::Extensions,
    format::Format,
    limits,
    origin::{OriginPolicy, OriginVerdict},
};

/// The one protocol version there is (RFC 6455, section 4.1).
pub(crate) const VERSION: &str = "13";

/// The subprotocol of JSON; clients that offer none speak it too.
const JSON: &str = "centrifuge-json";

/// The subprotocol of Protobuf.
const PROTOBUF: &str = "centrifuge-protobuf";

/// What a request asks for; see the module.
#[derive(Debug, Default)]
pub(crate) struct Offer<'a> {
    is_get_over_http11: bool,
    origin: Once<'a>,
    host: Once<'a>,
    wants_upgrade: bool,
    wants_websocket: bool,
    version: Option<&'a [u8]>,
    key: Option<&'a [u8]>,
    subprotocol: Option<&'static str>,
    /// The lines of offered extensions.
    extensions: Vec<&'a [u8]>,
}

/// A header that may come once.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Once<'a> {
    #[default]
    Never,
    Is(&'a [u8]),
    Repeated,
}

impl<'a> Once<'a> {
    fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Never => Self::Is(value),
            Self::Is(_) | Self::Repeated => Self::Repeated,
        };
    }
}

/// What is answered to a good handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The value of `Sec-WebSocket-Accept`.
    pub(crate) key: String,
    /// The value of `Sec-WebSocket-Protocol`, if the client offered one that is spoken here.
    pub(crate) subprotocol: Option<&'static str>,
    /// The value of `Sec-WebSocket-Extensions`, if the client offered compression that can be taken.
    pub(crate) deflate: Option<ws::Deflate>,
}

impl Accepted {
    /// The largest window to compress with, where messages may be compressed.
    pub(crate) fn window(&self) -> Option<ws::WindowBits> {
        self.deflate.map(ws::Deflate::server_window)
    }

    /// How the connection is spoken to.
    pub(crate) fn format(&self) -> Format {
        let encoding = match self.subprotocol {
            Some(PROTOBUF) => Encoding::Protobuf,
            _ => Encoding::Json,
        };
        Format::of_websocket(encoding, self.window())
    }
}

/// Why a handshake is refused; each has its status and its metric's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("this page may not connect here")]
    Origin,
    #[error("a WebSocket handshake is a GET over HTTP/1.1")]
    Method,
    #[error("this is a WebSocket: send Connection: Upgrade and Upgrade: websocket")]
    NoUpgrade,
    #[error("the WebSocket version is 13")]
    Version,
    #[error("Sec-WebSocket-Key is 16 bytes in base64")]
    Key,
    #[error("Sec-WebSocket-Extensions is not a list of extensions")]
    Extensions,
    #[error(
        "this port is for WebSockets alone: the page, the API and the fallbacks are on the HTTP port"
    )]
    NotFound,
    #[error("this is not HTTP")]
    Malformed,
    #[error(
        "the request's header is larger than {} bytes",
        limits::REQUEST_BYTES_MAX
    )]
    TooLarge,
    #[error("the server is full, try again in a few seconds")]
    Full,
    #[error("too many come at once, try again in a few seconds")]
    Hurry,
    #[error("the server is stopping")]
    Stopping,
}

impl From<NoPlace> for Refusal {
    fn from(reason: NoPlace) -> Self {
        match reason {
            NoPlace::Full => Self::Full,
            NoPlace::Hurry => Self::Hurry,
            NoPlace::Stopping => Self::Stopping,
        }
    }
}

impl Refusal {
    /// The status and its phrase.
    pub(crate) fn status(self) -> (u16, &'static str) {
        match self {
            Self::Origin => (403, "Forbidden"),
            Self::Method => (405, "Method Not Allowed"),
            Self::NoUpgrade | Self::Version => (426, "Upgrade Required"),
            Self::Key | Self::Extensions | Self::Malformed => (400, "Bad Request"),
            Self::NotFound => (404, "Not Found"),
            Self::TooLarge => (431, "Request Header Fields Too Large"),
            Self::Full | Self::Hurry | Self::Stopping => (503, "Service Unavailable"),
        }
    }

    /// Its name in the metrics.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Method => "method",
            Self::NoUpgrade => "no_upgrade",
            Self::Version => "version",
            Self::Key => "key",
            Self::Extensions => "extensions",
            Self::NotFound => "not_found",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Full => "full",
            Self::Hurry => "hurry",
            Self::Stopping => "stopping",
        }
    }

    /// Headers that belong to the answer, beside those of any answer with a text.
    pub(crate) fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // RFC 9110, section 15.5.22: a 426 names what would be spoken.
            Self::NoUpgrade | Self::Version => &[
                ("upgrade", "websocket"),
                ("connection", "upgrade"),
                ("sec-websocket-version", VERSION),
            ],
            Self::Method => &[("allow", "GET")],
            _ => &[],
        }
    }

    /// Whether the client is told when to come again.
    pub(crate) fn is_for_now(self) -> bool {
        matches!(self, Self::Full | Self::Hurry | Self::Stopping)
    }

    /// The whole answer, for a socket that is closed behind it.
    pub(crate) fn answer(self, retry_after: Option<u32>) -> String {
        let (status, phrase) = self.status();
        let text = format!("{self}\n");
        let length = text.len();
        let mut answer = format!(
            "HTTP/1.1 {status} {phrase}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n"
        );
        let named = self.headers();
        let mut header = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                answer.push_str(part);
            }
        };
        for (name, value) in named {
            header(name, value);
        }
        if !named.iter().any(|(name, _)| *name == "connection") {
            header("connection", "close");
        }
        if let Some(seconds) = retry_after {
            header("retry-after", &seconds.to_string());
        }
        answer + "\r\n" + &text
    }
}

impl Accepted {
    /// The whole 101.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ",
        );
        out.extend_from_slice(self.key.as_bytes());
        if let Some(subprotocol) = self.subprotocol {
            out.extend_from_slice(b"\r\nsec-websocket-protocol: ");
            out.extend_from_slice(subprotocol.as_bytes());
        }
        if let Some(deflate) = self.deflate {
            out.extend_from_slice(b"\r\nsec-websocket-extensions: ");
            out.extend_from_slice(deflate.to_string().as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

impl<'a> Offer<'a> {
    /// A request without headers yet.
    pub(crate) fn new(is_get_over_http11: bool) -> Self {
        Self {
            is_get_over_http11,
            ..Self::default()
        }
    }

    /// One more header, in the order of the request.
    pub(crate) fn header(&mut self, name: &str, value: &'a [u8]) {
        // All names that matter differ in length or in their first letter, so most are passed over by one comparison.
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        if is("host") {
            self.host.add(value);
        } else if is("origin") {
            self.origin.add(value);
        } else if is("connection") {
            self.wants_upgrade |= has_token(value, "upgrade");
        } else if is("upgrade") {
            self.wants_websocket |= has_token(value, "websocket");
        } else if is("sec-websocket-version") {
            self.version.get_or_insert(value);
        } else if is("sec-websocket-key") {
            self.key.get_or_insert(value);
        } else if is("sec-websocket-extensions") {
            self.extensions.push(value);
        } else if is("sec-websocket-protocol") {
            let offered = [JSON, PROTOBUF]
                .into_iter()
                .find(|name| has_token(value, name));
            self.subprotocol = self.subprotocol.or(offered);
        }
    }

    /// Whether it may come in, and what is answered.
    pub(crate) fn judge(
        &self,
        origins: &OriginPolicy,
        extensions: Extensions,
    ) -> Result<Accepted, Refusal> {
        // First, so that a foreign page learns nothing else about this server.
        if self.judge_origin(origins) == OriginVerdict::Refused {
            return Err(Refusal::Origin);
        }
        if !self.is_get_over_http11 {
            return Err(Refusal::Method);
        }
        if !self.wants_upgrade || !self.wants_websocket {
            return Err(Refusal::NoUpgrade);
        }
        if self.version != Some(VERSION.as_bytes()) {
            return Err(Refusal::Version);
        }
        let key = self.key.ok_or(Refusal::Key)?;
        let key = str::from_utf8(key).map_err(|_| Refusal::Key)?;
        Ok(Accepted {
            key: ws::accept_key(key).map_err(|_| Refusal::Key)?,
            subprotocol: self.subprotocol,
            deflate: self.negotiate(extensions)?,
        })
    }

    fn negotiate(&self, extensions: Extensions) -> Result<Option<ws::Deflate>, Refusal> {
        let lines = self
            .extensions
            .iter()
            .map(|line| str::from_utf8(line).map_err(|_| Refusal::Extensions))
            .collect::<Result<Vec<_>, _>>()?;
        match extensions.negotiate(lines) {
            Ok(ws::Negotiated::Deflate(deflate)) => Ok(Some(deflate)),
            Ok(ws::Negotiated::Nothing) => Ok(None),
            Err(ws::MalformedExtensions) => Err(Refusal::Extensions),
        }
    }

    /// Whether the page behind the request may ask anything at all.
    pub(crate) fn judge_origin(&self, origins: &OriginPolicy) -> OriginVerdict {
        let host = match self.host {
            Once::Is(host) => Some(host),
            Once::Never | Once::Repeated => None,
        };
        match self.origin {
            // A native client, which has no ambient credentials to abuse.
            Once::Never => OriginVerdict::Allowed,
            Once::Is(origin) => origins.judge(origin, host),
            // Two origins are no browser's doing: whichever one meant to pass, the other is a trick.
            Once::Repeated => OriginVerdict::Refused,
        }
    }
}

/// Whether a header's value, which may be comma-separated, contains a token.
fn has_token(value: &[u8], token: &str) -> bool {
    value
        .split(|byte| *byte == b',')
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Compression, Dialect};

    const GOOD: [(&str, &str); 5] = [
        ("Host", "fans.example"),
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "WebSocket"),
        ("Sec-WebSocket-Version", VERSION),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn extensions(compression: Compression) -> Extensions {
        Extensions::new(compression, Dialect::Centrifuge)
    }

    fn judged(headers: &[(&str, &str)]) -> Result<Accepted, Refusal> {
        let mut offer = Offer::new(true);
        for (name, value) in headers {
            offer.header(name, value.as_bytes());
        }
        offer.judge(&OriginPolicy::SameHost, extensions(Compression::Offered))
    }

    fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
        let others = GOOD.into_iter().filter(|(known, _)| *known != name);
        others.chain([(name, value)]).collect()
    }

    /// The handshake of RFC 6455, section 1.3.
    #[test]
    fn the_specs_own_handshake_is_answered() {
        let accepted = judged(&GOOD).unwrap();
        assert_eq!(accepted.key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accepted.subprotocol, None);
        let offered = judged(&with("Sec-WebSocket-Protocol", "other, centrifuge-json"));
        let offered = offered.unwrap();
        assert_eq!(offered.subprotocol, Some("centrifuge-json"));
        assert_eq!(offered.format(), Format::WsJson);
        let binary = judged(&with("Sec-WebSocket-Protocol", "centrifuge-protobuf")).unwrap();
        assert_eq!(binary.subprotocol, Some("centrifuge-protobuf"));
        assert_eq!(binary.format(), Format::WsProtobuf);
    }

    #[test]
    fn each_fault_has_its_refusal() {
        for (name, refusal) in [
            ("Upgrade", Refusal::NoUpgrade),
            ("Connection", Refusal::NoUpgrade),
            ("Sec-WebSocket-Version", Refusal::Version),
            ("Sec-WebSocket-Key", Refusal::Key),
        ] {
            let without: Vec<_> = GOOD
                .into_iter()
                .filter(|(known, _)| *known != name)
                .collect();
            assert_eq!(judged(&without), Err(refusal), "{name}");
        }
        assert_eq!(
            Offer::new(false).judge(&OriginPolicy::SameHost, extensions(Compression::Offered)),
            Err(Refusal::Method)
        );
        assert_eq!(
            judged(&with("Origin", "https://evil.example")),
            Err(Refusal::Origin)
        );
        let mut two = with("Origin", "https://fans.example");
        assert!(judged(&two).is_ok());
        two.push(("Origin", "https://fans.example"));
        assert_eq!(judged(&two), Err(Refusal::Origin));
        for key in [
            "",
            "short",
            "dGhlIHNhbXBsZSBub25jZ===",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbX sZSBub25jZQ==",
        ] {
            assert_eq!(
                judged(&with("Sec-WebSocket-Key", key)),
                Err(Refusal::Key),
                "{key}"
            );
        }
    }

    #[test]
    fn compression_is_negotiated_as_configured() {
        const HEADER: &str = "Sec-WebSocket-Extensions";
        let browser = with(HEADER, "permessage-deflate; client_max_window_bits");
        let accepted = judged(&browser).unwrap();
        assert_eq!(accepted.window(), Some(ws::WindowBits::MAX));
        let mut answer = Vec::new();
        accepted.write(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let expected = "\r\nsec-websocket-extensions: permessage-deflate; server_no_context_takeover; \
            client_no_context_takeover\r\n\r\n";
        assert!(answer.ends_with(expected), "{answer}");
        // All fans share one frame, whose window is the largest.
        let small = with(HEADER, "permessage-deflate; server_max_window_bits=14");
        assert_eq!(judged(&small).unwrap().deflate, None);
        assert_eq!(
            judged(&with(HEADER, "permessage-deflate;")),
            Err(Refusal::Extensions)
        );
        let mut offer = Offer::new(true);
        for (name, value) in &browser {
            offer.header(name, value.as_bytes());
        }
        let never = offer.judge(&OriginPolicy::SameHost, extensions(Compression::Never));
        assert_eq!(never.unwrap().deflate, None);
    }

    #[test]
    fn refusals_speak_http() {
        let version = Refusal::Version.answer(None);
        assert!(version.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
        assert!(version.contains("sec-websocket-version: 13\r\n"));
        assert_eq!(version.matches("connection:").count(), 1);
        for refusal in [Refusal::Full, Refusal::Hurry, Refusal::Stopping] {
            assert!(refusal.is_for_now());
            assert!(refusal.answer(Some(7)).contains("\r\nretry-after: 7\r\n"));
        }
        assert!(!Refusal::Version.is_for_now() && !version.contains("retry-after"));
        let (head, text) = version.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", text.len())));
    }
}
