//! Frames (RFC 9113, section 4.1): their heads, and those that are written.

use crate::{Code, limits::FRAME_BYTES_MAX};

/// Bytes of a frame's head.
pub(crate) const HEAD_BYTES: usize = 9;

/// Bits of a stream's number; the one above them is reserved.
const STREAM_BITS: u32 = 0x7fff_ffff;

pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0x0;
    pub(crate) const HEADERS: u8 = 0x1;
    pub(crate) const PRIORITY: u8 = 0x2;
    pub(crate) const RST_STREAM: u8 = 0x3;
    pub(crate) const SETTINGS: u8 = 0x4;
    pub(crate) const PUSH_PROMISE: u8 = 0x5;
    pub(crate) const PING: u8 = 0x6;
    pub(crate) const GOAWAY: u8 = 0x7;
    pub(crate) const WINDOW_UPDATE: u8 = 0x8;
    pub(crate) const CONTINUATION: u8 = 0x9;
    /// RFC 9218, section 7.1.
    pub(crate) const PRIORITY_UPDATE: u8 = 0x10;
}

pub(crate) mod flag {
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// What a frame begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Head {
    /// The head that these bytes begin with, if they are enough.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = *bytes.first_chunk::<HEAD_BYTES>()?;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let stream = u32::from_be_bytes([s0, s1, s2, s3]) & STREAM_BITS;
        Some(Self {
            length,
            kind,
            flags,
            stream,
        })
    }

    /// What it is written as; a length of more than 24 bits is cut, and there is none.
    pub(crate) fn bytes(self) -> [u8; HEAD_BYTES] {
        let [.., a, b, c] = self.length.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, s0, s1, s2, s3]
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A number of 32 bits, if these bytes are one.
pub(crate) fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// The same without its reserved bit: a stream, or what is added to a window.
pub(crate) fn number_31(bytes: &[u8]) -> Option<u32> {
    Some(number(bytes)? & STREAM_BITS)
}

/// What is within the padding, if there is any and it is not longer than the frame (section 6.1).
pub(crate) fn unpadded(head: Head, payload: &[u8]) -> Option<&[u8]> {
    if !head.has(flag::PADDED) {
        return Some(payload);
    }
    let (&padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(padding))?)
}

pub(crate) fn put(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let head = Head {
        length: payload.len(),
        kind,
        flags,
        stream,
    };
    out.extend_from_slice(&head.bytes());
    out.extend_from_slice(payload);
}

pub(crate) fn put_reset(out: &mut Vec<u8>, stream: u32, code: Code) {
    put(out, kind::RST_STREAM, 0, stream, &code.0.to_be_bytes());
}

pub(crate) fn put_window_update(out: &mut Vec<u8>, stream: u32, bytes: u32) {
    put(out, kind::WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
}

/// The last stream that is or was answered, and why there will be none behind it.
pub(crate) fn put_goaway(out: &mut Vec<u8>, last: u32, code: Code) {
    let mut payload = [0; 8];
    payload[..4].copy_from_slice(&last.to_be_bytes());
    payload[4..].copy_from_slice(&code.0.to_be_bytes());
    put(out, kind::GOAWAY, 0, 0, &payload);
}

/// A header block in two pieces, as many frames as it needs, of which there is mostly one. The flags are the first one's.
pub(crate) fn put_headers(out: &mut Vec<u8>, flags: u8, stream: u32, begin: &[u8], rest: &[u8]) {
    let mut head = Head {
        length: begin.len() + rest.len(),
        kind: kind::HEADERS,
        flags: flags | flag::END_HEADERS,
        stream,
    };
    if head.length <= FRAME_BYTES_MAX {
        out.extend_from_slice(&head.bytes());
        out.extend_from_slice(begin);
        out.extend_from_slice(rest);
        return;
    }
    let block = [begin, rest].concat();
    let mut pieces = block.chunks(FRAME_BYTES_MAX).peekable();
    head.flags = flags;
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            head.flags |= flag::END_HEADERS;
        }
        put(out, head.kind, head.flags, stream, piece);
        (head.kind, head.flags) = (kind::CONTINUATION, 0);
    }
}
