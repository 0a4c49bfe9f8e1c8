//! The client's side of WebSocket (RFC 6455): frames of a server in, frames of a client out.
//!
//! Server frames are unmasked. A frame that is wholly in the read buffer is handed out without a copy; of one that is
//! not, what has arrived is kept on the heap until the rest comes. Client frames must be masked (section 5.3); the
//! mask protects proxies from chosen bytes, and ours are no stranger's, so that the key is zero and costs nothing.

use fanwave_wire::ws::frame::CONTROL_BYTES_MAX;
use thiserror::Error;

use crate::limits::MESSAGE_BYTES_MAX;

const MASKED: u8 = 0x80;
const FIN: u8 = 0x80;

/// Longest header of a server: 2 bytes and 8 of length.
const HEADER_BYTES_MAX: usize = 10;

/// "1005 is a reserved value" for a close that says nothing.
const NO_CODE: u16 = 1005;

/// What a server sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A whole message, text or binary.
    Message(&'a [u8]),
    /// Wants a pong with the same payload.
    Ping(&'a [u8]),
    /// Nothing to do.
    Pong,
    /// The server ends the connection; 1005 when it does not say why (section 7.1.5).
    Close(u16),
}

/// Why a server's frames cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum FrameError {
    /// An extension that was not negotiated, a masked frame, an unknown opcode or a broken control frame.
    #[error("the server breaks the WebSocket framing")]
    Framing,
    /// A message that is longer than any of ours.
    #[error("the server sends more than {MESSAGE_BYTES_MAX} bytes in one message")]
    TooBig,
}

/// Reads the frames of one connection.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    /// The frame that is not whole yet, or that was handed out last and was not.
    kept: Vec<u8>,
    /// The kept frame was handed out: it is dropped before the next one.
    kept_done: bool,
    /// The payload of a message's fragments so far; `None` between messages.
    fragments: Option<Vec<u8>>,
}

/// What a header says.
#[derive(Debug, Clone, Copy)]
struct Header {
    fin: bool,
    opcode: u8,
    header_bytes: usize,
    frame_bytes: usize,
}

/// Where a whole frame lies.
enum Place<'a> {
    Input(&'a [u8]),
    Kept,
}

impl FrameReader {
    /// Takes bytes from `input` up to the end of the next frame that means something; `None` once all are taken.
    pub(crate) fn next<'reader, 'input: 'reader>(
        &'reader mut self,
        input: &mut &'input [u8],
    ) -> Result<Option<Frame<'reader>>, FrameError> {
        let (header, place) = loop {
            if std::mem::take(&mut self.kept_done) {
                self.kept = Vec::new();
            }
            let Some((header, place)) = self.take_frame(input)? else {
                return Ok(None);
            };
            let data = header.opcode <= 0x2;
            if !data || (header.opcode > 0 && header.fin && self.fragments.is_none()) {
                break (header, place);
            }
            self.add_fragment(header, &place)?;
            if header.fin {
                // The finished message takes the place of a kept frame without a header.
                self.kept = self.fragments.take().unwrap_or_default();
                self.kept_done = true;
                return Ok(Some(Frame::Message(&self.kept)));
            }
        };
        let payload: &[u8] = match place {
            Place::Input(frame) => &frame[header.header_bytes..],
            Place::Kept => &self.kept[header.header_bytes..],
        };
        match header.opcode {
            0x1 | 0x2 => Ok(Some(Frame::Message(payload))),
            0x8 => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                Ok(Some(Frame::Close(code.unwrap_or(NO_CODE))))
            }
            0x9 => Ok(Some(Frame::Ping(payload))),
            0xA => Ok(Some(Frame::Pong)),
            _ => Err(FrameError::Framing),
        }
    }

    /// The next whole frame; `None` when the input holds no more of one, and what it did hold is kept.
    fn take_frame<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<(Header, Place<'a>)>, FrameError> {
        if self.kept.is_empty()
            && let Some(header) = parse_header(input)?
            && let Some((frame, rest)) = input.split_at_checked(header.frame_bytes)
        {
            *input = rest;
            return Ok(Some((header, Place::Input(frame))));
        }
        loop {
            // First as much as a header may have, then as much as this one says.
            let header = parse_header(&self.kept)?;
            let wanted = header.map_or(HEADER_BYTES_MAX, |header| header.frame_bytes);
            if let Some(header) = header
                && self.kept.len() == wanted
            {
                self.kept_done = true;
                return Ok(Some((header, Place::Kept)));
            }
            if input.is_empty() {
                return Ok(None);
            }
            // One byte at a time while the header is open, so that no byte of the next frame is taken.
            let step = if header.is_some() {
                wanted - self.kept.len()
            } else {
                1
            };
            let (piece, rest) = input.split_at(step.min(input.len()));
            self.kept.extend_from_slice(piece);
            *input = rest;
        }
    }

    fn add_fragment(&mut self, header: Header, place: &Place<'_>) -> Result<(), FrameError> {
        let payload = match place {
            Place::Input(frame) => &frame[header.header_bytes..],
            Place::Kept => &self.kept[header.header_bytes..],
        };
        // The first fragment has the message's opcode, all others have 0 (section 5.4).
        let first = self.fragments.is_none();
        if first != (header.opcode > 0) {
            return Err(FrameError::Framing);
        }
        let fragments = self.fragments.get_or_insert_default();
        if fragments.len() + payload.len() > MESSAGE_BYTES_MAX {
            return Err(FrameError::TooBig);
        }
        fragments.extend_from_slice(payload);
        Ok(())
    }
}

/// Reads a header (section 5.2); `None` while it is not whole.
fn parse_header(bytes: &[u8]) -> Result<Option<Header>, FrameError> {
    let &[first, second, ref rest @ ..] = bytes else {
        return Ok(None);
    };
    let (fin, opcode) = (first & FIN != 0, first & 0x0F);
    let control = opcode >= 0x8;
    let known = matches!(opcode, 0x0..=0x2 | 0x8..=0xA);
    let short = usize::from(second & 0x7F);
    let broken_control = control && (!fin || short > CONTROL_BYTES_MAX);
    if first & 0x70 != 0 || second & MASKED != 0 || !known || broken_control {
        return Err(FrameError::Framing);
    }
    let (header_bytes, payload_bytes) = match short {
        126 => match rest.first_chunk() {
            Some(length) => (4, usize::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => {
                let length = usize::try_from(u64::from_be_bytes(*length));
                (10, length.unwrap_or(usize::MAX))
            }
            None => return Ok(None),
        },
        _ => (2, short),
    };
    if payload_bytes > MESSAGE_BYTES_MAX {
        return Err(FrameError::TooBig);
    }
    Ok(Some(Header {
        fin,
        opcode,
        header_bytes,
        frame_bytes: header_bytes + payload_bytes,
    }))
}

/// Appends a text message.
pub(crate) fn push_text(out: &mut Vec<u8>, payload: &[u8]) {
    push_masked(out, 0x1, payload);
}

/// Appends a binary message.
pub(crate) fn push_binary(out: &mut Vec<u8>, payload: &[u8]) {
    push_masked(out, 0x2, payload);
}

/// Appends the answer to a ping; a longer payload than a control frame's is cut.
pub(crate) fn push_pong(out: &mut Vec<u8>, payload: &[u8]) {
    push_masked(out, 0xA, &payload[..payload.len().min(CONTROL_BYTES_MAX)]);
}

fn push_masked(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(FIN | opcode);
    if let Some(short) = u8::try_from(payload.len())
        .ok()
        .filter(|short| *short < 126)
    {
        out.push(MASKED | short);
    } else if let Ok(medium) = u16::try_from(payload.len()) {
        out.push(MASKED | 126);
        out.extend_from_slice(&medium.to_be_bytes());
    } else {
        out.push(MASKED | 127);
        out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    }
    // The masking key: XOR with zero is the payload itself.
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use fanwave_wire::ws::{CloseCode, Decoder, Event, frame};
    use proptest::prelude::*;

    use super::*;

    /// What the reader makes of a stream that arrives in these pieces.
    fn read(stream: &[u8], cuts: &[usize]) -> Result<Vec<String>, FrameError> {
        let mut reader = FrameReader::default();
        let mut found = Vec::new();
        let mut rest = stream;
        let mut cuts = cuts.iter().copied().chain(std::iter::repeat(usize::MAX));
        while !rest.is_empty() {
            let cut = cuts.next().unwrap_or(usize::MAX).clamp(1, rest.len());
            let (mut piece, after) = rest.split_at(cut);
            rest = after;
            while let Some(frame) = reader.next(&mut piece)? {
                found.push(format!("{frame:?}"));
            }
            assert!(piece.is_empty(), "every byte was taken");
        }
        Ok(found)
    }

    #[test]
    fn fragments_are_one_message_and_controls_may_stand_between_them() {
        let stream = b"\x01\x03Hel\x89\x01!\x80\x02lo\x81\x01x\x88\x02\x0b\xc0";
        let expected = [
            "Ping([33])",
            "Message([72, 101, 108, 108, 111])",
            "Message([120])",
            "Close(3008)",
        ];
        assert_eq!(read(stream, &[]).unwrap(), expected);
        assert_eq!(read(stream, &[1; 30]).unwrap(), expected);
    }

    #[test]
    fn what_no_server_may_send_is_refused() {
        let broken: [&[u8]; 7] = [
            b"\xc1\x00",
            b"\x81\x80",
            b"\x83\x00",
            b"\x09\x00",
            b"\x89\x7e\x00\x7e",
            b"\x80\x00",
            b"\x01\x00\x81\x00",
        ];
        for stream in broken {
            assert_eq!(read(stream, &[]), Err(FrameError::Framing), "{stream:?}");
        }
        let endless = b"\x82\x7f\x00\x00\x00\x10\x00\x00\x00\x00";
        assert_eq!(read(endless, &[]), Err(FrameError::TooBig));
    }

    #[test]
    fn a_close_without_a_code_says_so() {
        assert_eq!(read(b"\x88\x00", &[]).unwrap(), ["Close(1005)"]);
    }

    proptest! {
        #[test]
        fn frames_of_our_own_server_arrive_however_they_are_cut(
            payloads in prop::collection::vec((0_u8..4, prop::collection::vec(any::<u8>(), 0..400)), 0..12),
            cuts in prop::collection::vec(1_usize..200, 0..60), large in 0_usize..2,
        ) {
            let mut stream = Vec::new();
            let mut expected = Vec::new();
            for (kind, payload) in &payloads {
                let payload = payload.repeat(1 + large * 200);
                let control = &payload[..payload.len().min(125)];
                expected.push(match kind {
                    0 => { frame::encode_ping(&mut stream, &payload); format!("{:?}", Frame::Ping(control)) }
                    1 => { frame::encode_pong(&mut stream, &payload); "Pong".to_owned() }
                    2 => {
                        frame::encode_close(&mut stream, CloseCode::GOING_AWAY, "bye");
                        "Close(1001)".to_owned()
                    }
                    _ => { frame::encode_binary(&mut stream, &payload); format!("{:?}", Frame::Message(&payload)) }
                });
            }
            prop_assert_eq!(read(&stream, &cuts).unwrap(), expected);
        }

        #[test]
        fn no_bytes_harm_it_and_cuts_do_not_change_the_verdict(
            stream in prop::collection::vec(prop_oneof![any::<u8>(), 0x80_u8..0x83, 0_u8..5], 0..120),
            cuts in prop::collection::vec(1_usize..9, 0..120),
        ) {
            prop_assert_eq!(read(&stream, &cuts).is_ok(), read(&stream, &[]).is_ok());
        }

        #[test]
        fn our_own_server_reads_what_the_client_writes(
            text in "[a-z가-힣]{0,400}", long in 0_usize..2, pong in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let text = text.repeat(1 + long * 90);
            let mut stream = Vec::new();
            push_text(&mut stream, text.as_bytes());
            push_pong(&mut stream, &pong);
            let mut decoder = Decoder::new();
            let mut heard = Vec::new();
            let mut feed = decoder.feed(&mut stream, usize::MAX);
            while let Some(event) = feed.next_event().unwrap() {
                heard.push(match event {
                    Event::Text(text) => text.to_owned(),
                    Event::Pong(payload) => format!("{payload:?}"),
                    other => format!("{other:?}"),
                });
            }
            let pong = &pong[..pong.len().min(125)];
            prop_assert_eq!(heard, [text, format!("{pong:?}")]);
        }
    }
}
