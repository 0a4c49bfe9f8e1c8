//! Which requests the lane takes: plain ones for something of a broadcast, whole in what has come of them.
//!
//! Whatever else a request may be, or say of its connection, is not judged here but left to hyper: so nothing is read in two
//! ways, and nothing that is refused has to be refused in two places.

use std::mem::MaybeUninit;

use axum::http::HeaderValue;
use fanwave_origin::{Ask, accepts_gzip};
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
pub(super) struct Head<'a> {
    /// Bytes of it, with the empty line at its end.
    pub(super) length: usize,
    path: &'a str,
    query: &'a str,
    gzip: bool,
    range: Option<HeaderValue>,
}

impl Head<'_> {
    /// What its answer depends on.
    pub(super) fn ask(&self) -> Ask<'_> {
        Ask {
            path: self.path,
            query: self.query,
            gzip: self.gzip,
            range: self.range.as_ref(),
        }
    }
}

/// What a field means to the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Host,
    Connection,
    Encoding,
    Range,
    /// A body, another protocol, or more than one answer.
    Foreign,
}

const ENCODING: &str = "accept-encoding";

/// What a field means, if it means anything to the lane.
fn meaning(name: &str) -> Option<Field> {
    // No two of the same length, so that one comparison tells.
    let (known, meaning) = match name.len() {
        4 => ("host", Field::Host),
        5 => ("range", Field::Range),
        6 => ("expect", Field::Foreign),
        7 => ("upgrade", Field::Foreign),
        10 => ("connection", Field::Connection),
        14 => ("content-length", Field::Foreign),
        15 => (ENCODING, Field::Encoding),
        17 => ("transfer-encoding", Field::Foreign),
        _ => return None,
    };
    name.eq_ignore_ascii_case(known).then_some(meaning)
}

/// The head that these bytes begin with, if the lane takes it. More may come behind it.
pub(super) fn read(bytes: &[u8]) -> Option<Head<'_>> {
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
    let (mut hosts, mut range) = (0, None);
    for field in request.headers.iter() {
        match meaning(field.name) {
            None | Some(Field::Encoding) => {}
            Some(Field::Host) => hosts += 1,
            Some(Field::Connection) if is_keep_alive(field.value) => {}
            Some(Field::Connection | Field::Foreign) => return None,
            // The first counts, where there are several.
            Some(Field::Range) if range.is_some() => {}
            Some(Field::Range) => range = Some(HeaderValue::from_bytes(field.value).ok()?),
        }
    }
    let target = request.path.filter(|target| is_usual(target))?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let encodings = request.headers.iter();
    let encodings = encodings.filter(|field| field.name.eq_ignore_ascii_case(ENCODING));
    let gzip = accepts_gzip(encodings.map(|field| field.value));
    (hosts == 1).then_some(Head {
        length,
        path,
        query,
        gzip,
        range,
    })
}

/// Whether an address has nothing but what may be in one (RFC 3986, section 3.4), and no fragment, which is not sent.
fn is_usual(target: &str) -> bool {
    target.bytes().all(|byte| USUAL[usize::from(byte)])
}

const USUAL: [bool; 256] = {
    let mut usual = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        usual[byte as usize] = !matches!(
            byte,
            b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
        );
        byte += 1;
    }
    usual
};

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
        read(text.as_bytes()).map(|head| head.length)
    }

    #[test]
    fn a_plain_request_is_taken_with_what_its_answer_depends_on() {
        let text = "GET /live/demo/s1/v/1.m4s?a=b?c HTTP/1.1\r\nhost: a\r\nUser-Agent: x\r\nACCEPT-ENCODING: br\r\n\
                    Range: bytes=0-1\r\nConnection:  Keep-Alive \r\naccept-encoding: gzip\r\nCookie: b\r\n\
                    range: bytes=7-8\r\n\r\n";
        let head = read(text.as_bytes()).unwrap();
        assert_eq!(head.length, text.len());
        let expected = Ask {
            path: "/live/demo/s1/v/1.m4s",
            query: "a=b?c",
            gzip: true,
            range: Some(&HeaderValue::from_static("bytes=0-1")),
        };
        assert_eq!(head.ask(), expected);
        let plain = read(PLAIN.as_bytes()).unwrap();
        assert_eq!(plain.ask().query, "_HLS_msn=3");
        assert!(!plain.ask().gzip && plain.ask().range.is_none());
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
            "GET /live/demo/s1/v.m3u8#x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "GET /live/demo/s1/v.m3u8?\"x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
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
            let head = read(&bytes);
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
            let head = read(&bytes);
            prop_assert!(head.is_none_or(|head| head.length <= bytes.len()));
        }
    }
}
