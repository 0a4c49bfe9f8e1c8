//! Media bodies: a file is the pieces it is kept in, one after the other, and is sent without joining them.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::negotiate::{Wanted, wanted};

/// A body that is all there.
#[derive(Debug)]
struct Pieces {
    pieces: VecDeque<Bytes>,
    /// Bytes of them: who takes an answer slowly is judged by how long it is.
    length: usize,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.length -= piece.as_ref().map_or(0, Bytes::len);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.length).unwrap_or(u64::MAX))
    }
}

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
    let body = Pieces {
        pieces: pieces.into(),
        length: sent,
    };
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    accept_ranges(headers);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(sent));
    if let Some(value) = content_range.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    response
}

/// What is said of a file that can be had in pieces.
pub(super) fn accept_ranges(headers: &mut HeaderMap) {
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
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
