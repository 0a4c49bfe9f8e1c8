//! Media bodies: a file is the pieces it is kept in, one after the other, and is sent without joining them.

use std::convert::Infallible;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;

use super::negotiate::{Wanted, wanted};

/// The file of these pieces, or the range of it that is asked for: 200, 206 or 416.
pub(super) fn send(pieces: Vec<Bytes>, range: Option<&HeaderValue>) -> Response {
    let length = pieces.iter().map(Bytes::len).sum();
    let (status, pieces, content_range) = match wanted(range, length) {
        Wanted::All => (StatusCode::OK, pieces, None),
        Wanted::Range { first, last } => {
            let text = format!("bytes {first}-{last}/{length}");
            (
                StatusCode::PARTIAL_CONTENT,
                cut(pieces, first, last - first + 1),
                Some(text),
            )
        }
        Wanted::Beyond => (
            StatusCode::RANGE_NOT_SATISFIABLE,
            Vec::new(),
            Some(format!("bytes */{length}")),
        ),
    };
    let sent: usize = pieces.iter().map(Bytes::len).sum();
    let mut response = Response::new(Body::from_stream(stream::iter(
        pieces.into_iter().map(Ok::<_, Infallible>),
    )));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(sent));
    if let Some(value) = content_range.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    response
}

/// `length` bytes from `first` on, shared and not copied.
fn cut(pieces: Vec<Bytes>, first: usize, length: usize) -> Vec<Bytes> {
    let (mut skip, mut left) = (first, length);
    let mut out = Vec::with_capacity(pieces.len());
    for mut piece in pieces {
        let begin = skip.min(piece.len());
        skip -= begin;
        let taken = left.min(piece.len() - begin);
        left -= taken;
        if taken > 0 {
            out.push(piece.split_off(begin).split_to(taken));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_stretch_is_cut_out_of_the_pieces() {
        let whole = b"abcdefghij";
        let pieces: Vec<_> = [&b"abc"[..], b"", b"defg", b"hij"]
            .map(Bytes::from_static)
            .into();
        for first in 0..whole.len() {
            for length in 1..=whole.len() - first {
                let out = cut(pieces.clone(), first, length).concat();
                assert_eq!(out, &whole[first..first + length]);
            }
        }
    }
}
