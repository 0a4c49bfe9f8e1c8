//! Requests of HTTP/1 whose end or whose host two servers could read differently (RFC 9112, sections 3.2 and 6.3).
//!
//! Behind a proxy that reads them otherwise than we do, what follows such a request would be taken for another one, of whoever
//! comes next. The library refuses what is no HTTP; this is what it takes and we do not: a length and an encoding at once,
//! an encoding that is stated twice, and no host, or more than one.

use hyper::{HeaderMap, Version, header};

/// Whether there is only one way to read the request.
pub(super) fn is_plain(version: Version, headers: &HeaderMap) -> bool {
    let count = |name| headers.get_all(name).iter().count();
    let (lengths, encodings) = (
        count(header::CONTENT_LENGTH),
        count(header::TRANSFER_ENCODING),
    );
    let hosts = count(header::HOST);
    match version {
        Version::HTTP_11 => encodings + lengths <= 1 && hosts == 1,
        Version::HTTP_10 | Version::HTTP_09 => encodings == 0 && lengths <= 1 && hosts <= 1,
        // Frames say where a request ends, and `:authority` where it goes.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    #[test]
    fn a_request_that_could_be_read_in_two_ways_is_not_plain() {
        let plain = |version, fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(HeaderName::from_static(name), value.parse().unwrap());
            }
            is_plain(version, &headers)
        };
        let (host, length) = (("host", "a"), ("content-length", "4"));
        let chunked = ("transfer-encoding", "chunked");
        for (fields, expected) in [
            (&[host][..], true),
            (&[host, length], true),
            (&[host, chunked], true),
            (&[host, length, chunked], false),
            (&[host, chunked, chunked], false),
            (&[host, length, length], false),
            (&[], false),
            (&[host, host], false),
        ] {
            assert_eq!(plain(Version::HTTP_11, fields), expected, "{fields:?}");
        }
        assert!(plain(Version::HTTP_10, &[]));
        assert!(plain(Version::HTTP_10, &[host, length]));
        assert!(!plain(Version::HTTP_10, &[host, chunked]));
        assert!(plain(Version::HTTP_2, &[]));
    }
}
