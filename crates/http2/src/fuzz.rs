//! The body of the fuzz target: what must hold for any bytes at all.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::{
    Code, Connection, Event, PREFACE, Packed, StreamId,
    limits::{CONTROL_BYTES_MAX, STREAMS_MAX},
};

/// Small, so that a fuzzer finds the way over it.
const HEADER_LIST_BYTES_MAX: u32 = 600;

/// Bytes behind a preface, cut as the first of them say, mean the same as the whole; all that is asked is answered or ended.
///
/// # Panics
///
/// They do not, or more is held than may be.
pub fn connection(data: &[u8]) {
    let (cuts, stream) = data.split_at(data.len().min(8));
    let whole = told(stream, &[usize::MAX]);
    let cuts: Vec<usize> = cuts.iter().map(|&cut| usize::from(cut) + 1).collect();
    let pieces = told(stream, if cuts.is_empty() { &[1] } else { &cuts });
    assert_eq!(whole, pieces, "a cut changed what a connection means");
}

/// What was heard, and all that was written.
fn told(stream: &[u8], cuts: &[usize]) -> (Vec<String>, Vec<u8>) {
    let mut connection = Connection::new(HEADER_LIST_BYTES_MAX);
    connection.receive(PREFACE);
    let (mut events, mut open) = (Vec::new(), Vec::<StreamId>::new());
    let mut rest = stream;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let length = cuts.next().copied().unwrap_or(1).min(rest.len());
        let (piece, behind) = rest.split_at(length);
        connection.receive(piece);
        rest = behind;
        while let Some(event) = connection.poll_event() {
            match &event {
                Event::Request { stream, .. } => open.push(*stream),
                Event::Gone { stream } => open.retain(|open| open != stream),
                Event::Data { .. } => {}
            }
            events.push(format!("{event:?}"));
        }
        assert!(
            open.len() <= usize::from(STREAMS_MAX),
            "too many requests at once"
        );
    }
    let mut out = Vec::new();
    connection.poll_output(&mut out, 0);
    assert!(
        out.len() <= CONTROL_BYTES_MAX + 1_000,
        "more is kept for a peer than may be"
    );
    let head = Packed::new(StatusCode::OK, &HeaderMap::new());
    for (index, stream) in open.iter().enumerate() {
        connection.respond(*stream, &head, index % 3 == 0);
        connection.send(*stream, Bytes::from_static(&[7; 700]), index % 2 == 0);
        if index % 5 == 4 {
            connection.abandon(*stream, Code::INTERNAL_ERROR);
        }
    }
    connection.poll_output(&mut out, usize::MAX);
    assert!(!connection.has_output(), "something was left");
    (events, out)
}
