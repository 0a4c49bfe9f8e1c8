//! HTTP/2 as a viewer, or an edge with many of them, speaks it: many requests on one connection, with prior knowledge.
//!
//! Only what a client needs that asks by GET: a request's head uses no table, so that it is the same bytes but for its path,
//! and of an answer's head, which may use one, the status alone is read. RFC 9113, RFC 7541.

use std::collections::BTreeMap;

use super::wire::{Broken, Sink};

/// What a connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of answers that may be on their way to one request, as Chromium has it; a part is smaller.
const STREAM_WINDOW_BYTES: u32 = 6 * 1024 * 1024;

/// The same of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 15 * 1024 * 1024;

/// What a connection has before it is told otherwise.
const WINDOW_BYTES_AT_FIRST: u32 = 65_535;

/// The longest frame that we take: the least limit there is, which we do not raise.
const FRAME_BYTES_MAX: usize = 16_384;

const FRAME_HEAD_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Http2 {
    /// Which of its viewers a stream belongs to.
    streams: BTreeMap<u32, usize>,
    next_stream: u32,
    /// The begin of a frame that has not ended yet.
    partial: Vec<u8>,
    /// Bytes of answers that were taken and not yet credited.
    taken: u32,
    is_tls: bool,
}

impl Http2 {
    /// The begin of a connection.
    pub(super) fn begin(out: &mut Vec<u8>, is_tls: bool) -> Self {
        out.extend_from_slice(PREFACE);
        // No push, and the window of a stream.
        let mut settings = Vec::with_capacity(12);
        for (id, value) in [(2_u16, 0_u32), (4, STREAM_WINDOW_BYTES)] {
            settings.extend_from_slice(&id.to_be_bytes());
            settings.extend_from_slice(&value.to_be_bytes());
        }
        frame(out, SETTINGS, 0, 0, &settings);
        let more = CONNECTION_WINDOW_BYTES - WINDOW_BYTES_AT_FIRST;
        frame(out, WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
        Self {
            next_stream: 1,
            is_tls,
            ..Self::default()
        }
    }

    /// Writes a request of one of the connection's viewers.
    pub(super) fn request(&mut self, out: &mut Vec<u8>, place: usize, host: &str, path: &str) {
        let mut fields = Vec::with_capacity(path.len() + host.len() + 8);
        // ":method: GET" and ":scheme: http" or "https" of the static table, ":path" and ":authority"; behind these, which have
        // to come first, "accept-encoding: gzip, deflate".
        fields.extend_from_slice(&[0x82, if self.is_tls { 0x87 } else { 0x86 }]);
        literal(&mut fields, 4, path);
        literal(&mut fields, 1, host);
        fields.push(0x90);
        frame(
            out,
            HEADERS,
            END_STREAM | END_HEADERS,
            self.next_stream,
            &fields,
        );
        self.streams.insert(self.next_stream, place);
        self.next_stream = self.next_stream.saturating_add(2);
    }

    /// Takes what came; what has to be said to it is written.
    pub(super) fn receive(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        sink: &mut impl Sink,
    ) -> Result<(), Broken> {
        let mut gathered = std::mem::take(&mut self.partial);
        let mut rest = if gathered.is_empty() {
            input
        } else {
            gathered.extend_from_slice(input);
            &gathered[..]
        };
        while let Some((head, payload, behind)) = cut(rest)? {
            self.frame(head, payload, out, sink)?;
            rest = behind;
        }
        self.partial = rest.to_vec();
        Ok(())
    }

    fn frame(
        &mut self,
        head: Head,
        payload: &[u8],
        out: &mut Vec<u8>,
        sink: &mut impl Sink,
    ) -> Result<(), Broken> {
        match head.kind {
            DATA => {
                let body = unpadded(head.flags, payload)?;
                self.credit(payload.len(), out);
                if let Some(place) = self.streams.get(&head.stream) {
                    sink.data(*place, body);
                }
            }
            HEADERS => {
                let mut fields = unpadded(head.flags, payload)?;
                if head.flags & PRIORITY != 0 {
                    fields = fields.get(5..).ok_or(Broken("a short frame"))?;
                }
                if let Some(place) = self.streams.get(&head.stream) {
                    sink.head(*place, status(fields));
                }
            }
            RESET => {
                if let Some(place) = self.streams.remove(&head.stream) {
                    sink.head(place, 0);
                    sink.end(place);
                }
                return Ok(());
            }
            SETTINGS if head.flags & ACK == 0 => frame(out, SETTINGS, ACK, 0, &[]),
            PING if head.flags & ACK == 0 => frame(out, PING, ACK, 0, payload),
            GO_AWAY => return Err(Broken("the server said good-bye")),
            _ => {}
        }
        if matches!(head.kind, DATA | HEADERS)
            && head.flags & END_STREAM != 0
            && let Some(place) = self.streams.remove(&head.stream)
        {
            sink.end(place);
        }
        Ok(())
    }

    /// Lets the server send as much again. A stream's own window is larger than any answer.
    fn credit(&mut self, bytes: usize, out: &mut Vec<u8>) {
        self.taken = self
            .taken
            .saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.taken > CONNECTION_WINDOW_BYTES / 2 {
            let taken = std::mem::take(&mut self.taken);
            frame(out, WINDOW_UPDATE, 0, 0, &taken.to_be_bytes());
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Head {
    kind: u8,
    flags: u8,
    stream: u32,
}

/// A frame's head, its payload, and what is behind it.
type Frame<'a> = (Head, &'a [u8], &'a [u8]);

/// The first frame; none while it is not whole.
fn cut(bytes: &[u8]) -> Result<Option<Frame<'_>>, Broken> {
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEAD_BYTES>() else {
        return Ok(None);
    };
    let [a, b, c, kind, flags, s0, s1, s2, s3] = *head;
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(Broken("a frame that is too long"));
    }
    let stream = u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff;
    let head = Head {
        kind,
        flags,
        stream,
    };
    Ok(rest
        .split_at_checked(length)
        .map(|(payload, behind)| (head, payload, behind)))
}

fn unpadded(flags: u8, payload: &[u8]) -> Result<&[u8], Broken> {
    if flags & PADDED == 0 {
        return Ok(payload);
    }
    let padded = payload.split_first().and_then(|(padding, rest)| {
        let length = rest.len().checked_sub(usize::from(*padding))?;
        rest.get(..length)
    });
    padded.ok_or(Broken("padding without an end"))
}

/// The status of an answer, where it is one of the static table; 1 for any other.
fn status(mut fields: &[u8]) -> u16 {
    // Changes of the table's size come first.
    while let [0x20..=0x3f, rest @ ..] = fields {
        fields = rest;
    }
    match fields.first() {
        Some(0x88) => 200,
        Some(0x89) => 204,
        Some(0x8a) => 206,
        Some(0x8b) => 304,
        Some(0x8c) => 400,
        Some(0x8d) => 404,
        Some(0x8e) => 500,
        _ => 1,
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A field whose name is in the static table, written out and kept by nobody (RFC 7541, section 6.2.2).
fn literal(fields: &mut Vec<u8>, name: u8, value: &str) {
    fields.push(name);
    // A length in seven bits, and what is above them in groups of seven (section 5.1).
    if let Ok(length @ 0..=126) = u8::try_from(value.len()) {
        fields.push(length);
    } else {
        fields.push(127);
        let mut rest = value.len() - 127;
        while rest >= 128 {
            fields.push(0x80 | u8::try_from(rest % 128).unwrap_or(0));
            rest /= 128;
        }
        fields.push(u8::try_from(rest).unwrap_or(0));
    }
    fields.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{super::wire::tests::Heard, *};

    #[test]
    fn answers_of_two_streams_are_told_apart_however_they_are_cut() {
        let mut asked = Vec::new();
        let mut answers = Vec::new();
        frame(&mut answers, SETTINGS, 0, 0, &[]);
        frame(&mut answers, HEADERS, END_HEADERS, 3, &[0x20, 0x88, 0x40]);
        frame(&mut answers, HEADERS, END_HEADERS, 1, &[0x88]);
        frame(&mut answers, DATA, 0, 1, b"one");
        frame(&mut answers, DATA, PADDED | END_STREAM, 3, b"\x02three\0\0");
        frame(&mut answers, PING, 0, 0, b"12345678");
        frame(&mut answers, DATA, END_STREAM, 1, b" more");
        frame(&mut answers, HEADERS, END_HEADERS | END_STREAM, 5, &[0x8d]);
        for piece in 1..answers.len() {
            let mut http = Http2::begin(&mut asked, false);
            for place in 0..3 {
                http.request(&mut asked, place, "x", "/");
            }
            let (mut out, mut heard) = (Vec::new(), Heard::default());
            for piece in answers.chunks(piece) {
                http.receive(piece, &mut out, &mut heard).unwrap();
            }
            let expected = [
                (1, 200, b"three".to_vec()),
                (0, 200, b"one more".to_vec()),
                (2, 404, Vec::new()),
            ];
            assert_eq!(heard.answers, expected, "in pieces of {piece}");
            assert_eq!(out.len(), 2 * FRAME_HEAD_BYTES + 8, "both are acknowledged");
        }
    }

    #[test]
    fn long_paths_are_written_as_the_specification_has_it() {
        let written = |length: usize| {
            let mut fields = Vec::new();
            literal(&mut fields, 4, &"a".repeat(length));
            fields[..fields.len() - length].to_vec()
        };
        assert_eq!(written(126), [4, 126]);
        assert_eq!(written(127), [4, 127, 0]);
        assert_eq!(written(128), [4, 127, 1]);
        assert_eq!(written(127 + 128), [4, 127, 0x80, 1]);
    }

    #[test]
    fn the_window_is_given_back() {
        let mut http = Http2::begin(&mut Vec::new(), false);
        let mut out = Vec::new();
        for _ in 0..=CONNECTION_WINDOW_BYTES / 2 / 16_384 {
            http.credit(16_384, &mut out);
        }
        assert_eq!(out.len(), FRAME_HEAD_BYTES + 4);
    }
}
