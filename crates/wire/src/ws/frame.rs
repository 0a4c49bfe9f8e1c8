//! Frames from the server: whole, unmasked, never fragmented (RFC 6455, section 5).
//!
//! Every function appends to a buffer of the caller, so that several frames can leave in one write.

use super::{CloseCode, Deflater};
use crate::limits::CLOSE_REASON_BYTES_MAX;

/// First byte of a frame: FIN and the opcode.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// "Per-Message Compressed" bit of a first byte (RFC 7692, section 6).
const DEFLATED: u8 = 0x40;

/// Most bytes of a header that the server writes.
pub const HEADER_BYTES_MAX: usize = 10;

/// Most payload of a ping, pong or close.
pub const CONTROL_BYTES_MAX: usize = 125;

/// Appends a text frame.
pub fn encode_text(out: &mut Vec<u8>, payload: &str) {
    push_frame(out, TEXT, payload.as_bytes());
}

/// Appends a binary frame.
pub fn encode_binary(out: &mut Vec<u8>, payload: &[u8]) {
    push_frame(out, BINARY, payload);
}

/// Appends a text frame whose payload `write` appends; it must be UTF-8.
///
/// The payload is written where it stays. Only when its length needs a header of another size than the usual one (up
/// to 125 bytes, or 64 KiB and more) is it moved by a few bytes.
pub fn encode_text_with(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    push_frame_with(out, TEXT, write);
}

/// Appends a binary frame whose payload `write` appends; moved as with [`encode_text_with`].
pub fn encode_binary_with(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    push_frame_with(out, BINARY, write);
}

/// Appends a compressed text frame, for those who negotiated the compressor's window or a larger one; the payload
/// must be UTF-8.
pub fn encode_text_deflated(out: &mut Vec<u8>, payload: &[u8], deflater: &mut Deflater) {
    push_frame_with(out, TEXT | DEFLATED, |out| deflater.deflate(payload, out));
}

/// Appends a compressed binary frame, for those who negotiated the compressor's window or a larger one.
pub fn encode_binary_deflated(out: &mut Vec<u8>, payload: &[u8], deflater: &mut Deflater) {
    push_frame_with(out, BINARY | DEFLATED, |out| deflater.deflate(payload, out));
}

fn push_frame_with(out: &mut Vec<u8>, first: u8, write: impl FnOnce(&mut Vec<u8>)) {
    const GUESS: usize = 4;
    let start = out.len();
    out.extend_from_slice(&[0; GUESS]);
    write(out);
    let payload_bytes = out.len() - start - GUESS;
    let (header, header_bytes) = header(first, payload_bytes);
    out.splice(start..start + GUESS, header[..header_bytes].iter().copied());
}

/// Appends a ping; of a payload over 125 bytes only the first 125 are sent.
pub fn encode_ping(out: &mut Vec<u8>, payload: &[u8]) {
    push_frame(out, PING, &payload[..payload.len().min(CONTROL_BYTES_MAX)]);
}

/// Appends a pong, which repeats a ping's payload; of one over 125 bytes only the first 125 are sent.
pub fn encode_pong(out: &mut Vec<u8>, payload: &[u8]) {
    push_frame(out, PONG, &payload[..payload.len().min(CONTROL_BYTES_MAX)]);
}

/// Appends a close frame; a reason over 123 bytes is cut at a character.
pub fn encode_close(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    let reason = &reason[..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)];
    push_header(out, CLOSE, 2 + reason.len());
    out.extend_from_slice(&code.number().to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

/// Appends a close frame that says nothing; the answer to one that says nothing.
pub fn encode_close_empty(out: &mut Vec<u8>) {
    push_header(out, CLOSE, 0);
}

/// Appends the header of a text frame alone; the caller sends `payload_bytes` of UTF-8 after it.
pub fn encode_text_header(out: &mut Vec<u8>, payload_bytes: usize) {
    push_header(out, TEXT, payload_bytes);
}

fn push_frame(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    out.reserve(HEADER_BYTES_MAX + payload.len());
    push_header(out, first, payload.len());
    out.extend_from_slice(payload);
}

fn push_header(out: &mut Vec<u8>, first: u8, payload_bytes: usize) {
    let (header, header_bytes) = header(first, payload_bytes);
    out.extend_from_slice(&header[..header_bytes]);
}

/// The header and how many of its bytes count. "The minimal number of bytes MUST be used to encode the length."
fn header(first: u8, payload_bytes: usize) -> ([u8; HEADER_BYTES_MAX], usize) {
    let mut header = [0; HEADER_BYTES_MAX];
    header[0] = first;
    if let Some(short) = u8::try_from(payload_bytes)
        .ok()
        .filter(|&n| usize::from(n) <= CONTROL_BYTES_MAX)
    {
        header[1] = short;
        (header, 2)
    } else if let Ok(medium) = u16::try_from(payload_bytes) {
        header[1] = 126;
        header[2..4].copy_from_slice(&medium.to_be_bytes());
        (header, 4)
    } else {
        header[1] = 127;
        header[2..10].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
        (header, 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn the_examples_of_the_specification() {
        // Section 5.7.
        assert_eq!(encoded(|o| encode_text(o, "Hello")), b"\x81\x05Hello");
        assert_eq!(encoded(|o| encode_ping(o, b"Hello")), b"\x89\x05Hello");
        assert_eq!(encoded(|o| encode_pong(o, b"Hello")), b"\x8a\x05Hello");
        let binary = encoded(|o| encode_binary(o, &[7; 256]));
        assert_eq!(binary[..4], [0x82, 0x7E, 0x01, 0x00]);
        assert_eq!(binary.len(), 4 + 256);
        let binary = encoded(|o| encode_binary(o, &[7; 65536]));
        assert_eq!(binary[..10], [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(binary.len(), 10 + 65536);
    }

    #[test]
    fn text_written_in_place_is_the_same_frame() {
        for payload_bytes in [0, 1, 125, 126, 127, 300, 65535, 65536, 70000] {
            let payload = "x".repeat(payload_bytes);
            let mut expected = b"before".to_vec();
            encode_text(&mut expected, &payload);
            let mut out = b"before".to_vec();
            encode_text_with(&mut out, |out| out.extend_from_slice(payload.as_bytes()));
            assert!(out == expected, "{payload_bytes}");
            let mut out = b"before".to_vec();
            encode_text_header(&mut out, payload_bytes);
            out.extend_from_slice(payload.as_bytes());
            assert!(out == expected, "{payload_bytes}");
        }
    }

    #[test]
    fn a_close_carries_code_and_reason() {
        assert_eq!(
            encoded(|o| encode_close(o, CloseCode::NORMAL, "bye")),
            b"\x88\x05\x03\xe8bye"
        );
        assert_eq!(encoded(encode_close_empty), b"\x88\x00");
    }

    #[test]
    fn control_frames_never_grow_over_their_limit() {
        // 41 characters of three bytes fit, and the 42nd must not be cut in two.
        let close = encoded(|o| encode_close(o, CloseCode::POLICY, &"언".repeat(42)));
        assert_eq!(usize::from(close[1]), 2 + 123);
        assert_eq!(std::str::from_utf8(&close[4..]).unwrap(), "언".repeat(41));
        let close =
            encoded(|o| encode_close(o, CloseCode::POLICY, &format!("xx{}", "언".repeat(41))));
        assert_eq!(usize::from(close[1]), 2 + 122);
        assert_eq!(encoded(|o| encode_ping(o, &[0; 200])).len(), 127);
        assert_eq!(encoded(|o| encode_pong(o, &[0; 200])).len(), 127);
    }
}
