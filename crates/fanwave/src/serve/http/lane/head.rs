//! Which requests the lane takes: plain ones for something of a broadcast, whole in what has come of them.
//!
//! Whatever else a request may be, or say of its connection, is not judged here but left to hyper: so nothing is read in two
//! ways, and nothing that is refused has to be refused in two places.

use std::mem::MaybeUninit;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use httparse::{Request, Status};

/// Longest head that is looked at; players send some 200 bytes, browsers 800. No limit of heads is lower that an operator
/// may set.
pub(super) const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Most fields of it; browsers send about 15. 32 bytes each, on the stack.
const FIELDS_MAX: usize = 64;

/// What every request for something of a broadcast begins with.
const BEGIN: &[u8] = b"GET /live/";

/// HTTP/1.1, as the parser calls it.
const VERSION: u8 = 1;

/// A head that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of it, with the empty line at its end.
    pub(super) length: usize,
    pub(super) uri: Uri,
}

/// What a field means to the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Host,
    Connection,
    /// The answer depends on it.
    Asks(AskedBy),
    /// A body, another protocol, or more than one answer.
    Foreign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AskedBy {
    Encoding,
    Range,
}

const FIELDS: [(&str, Field); 8] = [
    ("host", Field::Host),
    ("connection", Field::Connection),
    ("accept-encoding", Field::Asks(AskedBy::Encoding)),
    ("range", Field::Asks(AskedBy::Range)),
    ("content-length", Field::Foreign),
    ("transfer-encoding", Field::Foreign),
    ("upgrade", Field::Foreign),
    ("expect", Field::Foreign),
];

impl AskedBy {
    fn name(self) -> HeaderName {
        match self {
            Self::Encoding => header::ACCEPT_ENCODING,
            Self::Range => header::RANGE,
        }
    }
}

/// The head that these bytes begin with, if the lane takes it; `asks` is given the fields that an answer depends on. More
/// may come behind the head.
pub(super) fn read(bytes: &[u8], asks: &mut HeaderMap) -> Option<Head> {
    asks.clear();
    if !bytes.starts_with(BEGIN) {
        return None;
    }
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes, &mut fields);
    let Ok(Status::Complete(length)) = parsed else {
        return None;
    };
    if request.version != Some(VERSION) {
        return None;
    }
    let mut hosts = 0;
    for field in request.headers.iter() {
        let known = FIELDS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(field.name));
        match known.map(|(_, meaning)| *meaning) {
            None => {}
            Some(Field::Host) => hosts += 1,
            Some(Field::Connection) if is_keep_alive(field.value) => {}
            Some(Field::Connection | Field::Foreign) => return None,
            Some(Field::Asks(by)) => {
                asks.append(by.name(), HeaderValue::from_bytes(field.value).ok()?);
            }
        }
    }
    let uri = Uri::try_from(request.path?).ok()?;
    (hosts == 1).then_some(Head { length, uri })
}

/// Whether that is all that is said of the connection: it is so without being said.
fn is_keep_alive(value: &[u8]) -> bool {
    value.trim_ascii().eq_ignore_ascii_case(b"keep-alive")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: &str = "GET /live/demo/s1/v.m3u8?_HLS_msn=3 HTTP/1.1\r\nHost: a\r\n\r\n";

    fn lengths(text: &str) -> Option<usize> {
        read(text.as_bytes(), &mut HeaderMap::new()).map(|head| head.length)
    }

    #[test]
    fn a_plain_request_is_taken_with_what_its_answer_depends_on() {
        let text = "GET /live/demo/s1/v/1.m4s HTTP/1.1\r\nhost: a\r\nUser-Agent: x\r\nACCEPT-ENCODING: br\r\n\
                    Range: bytes=0-1\r\nConnection:  Keep-Alive \r\naccept-encoding: gzip\r\nCookie: b\r\n\r\n";
        let mut asks = HeaderMap::new();
        asks.insert(header::COOKIE, HeaderValue::from_static("of another"));
        let head = read(text.as_bytes(), &mut asks).unwrap();
        assert_eq!(
            (head.length, head.uri.path()),
            (text.len(), "/live/demo/s1/v/1.m4s")
        );
        let encodings: Vec<_> = asks.get_all(header::ACCEPT_ENCODING).iter().collect();
        assert_eq!(encodings, ["br", "gzip"]);
        assert_eq!(asks[header::RANGE], "bytes=0-1");
        assert_eq!(asks.len(), 3);
    }

    #[test]
    fn what_comes_behind_a_request_is_left() {
        let two = format!("{PLAIN}{PLAIN}");
        assert_eq!(lengths(&two), Some(PLAIN.len()));
        assert_eq!(lengths(&format!("{PLAIN}\0\x01")), Some(PLAIN.len()));
    }

    #[test]
    fn whatever_is_not_plain_is_left_to_hyper() {
        let with = |field: &str| {
            format!("GET /live/demo/s1/v.m3u8 HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n")
        };
        assert!(lengths(&with("X: y")).is_some());
        for text in [
            String::new(),
            "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "HEAD /live/demo/s1/v.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "GET http://a/live/demo/s1/v.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "GET /live/demo/s1/v.m3u8 HTTP/1.0\r\nHost: a\r\n\r\n".to_owned(),
            "GET /live/demo/s1/v.m3u8 HTTP/1.1\r\n\r\n".to_owned(),
            "GET /live/demo/s1/v.m3u8\r\n\r\n".to_owned(),
            with("Host: b"),
            with("host: a"),
            with("Content-Length: 0"),
            with("Transfer-Encoding: chunked"),
            with("Transfer-Encoding : chunked"),
            with("Upgrade: websocket"),
            with("Expect: 100-continue"),
            with("Connection: close"),
            with("Connection: keep-alive, Upgrade"),
            with("Connection: keep-alive\r\nConnection: close"),
            with("X: a\0b"),
            with("X: a\r\n folded"),
            with(&"X: y\r\n".repeat(FIELDS_MAX)),
            PLAIN[..PLAIN.len() - 1].to_owned(),
        ] {
            assert_eq!(lengths(&text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            begins in any::<bool>(),
        ) {
            let bytes = if begins { [BEGIN, &bytes].concat() } else { bytes };
            let head = read(&bytes, &mut HeaderMap::new());
            prop_assert!(head.is_none_or(|head| head.length <= bytes.len()));
        }

        #[test]
        fn a_head_is_taken_whole_or_not_at_all(
            more in proptest::collection::vec(("[A-Za-z-]{1,12}", "[ -~]{0,20}"), 0..8),
            cut in any::<proptest::sample::Index>(),
            torn in any::<proptest::sample::Index>(),
            with in any::<u8>(),
        ) {
            let fields: String = more.iter().map(|(name, value)| format!("X{name}: {value}\r\n")).collect();
            let text = format!("GET /live/a/b/c.m3u8 HTTP/1.1\r\n{fields}Host: a\r\n\r\n");
            prop_assert_eq!(lengths(&text), Some(text.len()));
            prop_assert_eq!(lengths(&text[..cut.index(text.len())]), None);
            let mut bytes = text.into_bytes();
            let place = torn.index(bytes.len());
            bytes[place] = with;
            let head = read(&bytes, &mut HeaderMap::new());
            prop_assert!(head.is_none_or(|head| head.length <= bytes.len()));
        }
    }
}
