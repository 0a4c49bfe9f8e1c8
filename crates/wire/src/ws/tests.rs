//! The decoder against the rules of RFC 6455, against any cut of a stream, and against another implementation.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use tungstenite::{
    Message,
    error::Error as OracleError,
    protocol::{Role, WebSocket, WebSocketConfig},
};

use super::{
    CloseCode, Decoder, Deflater, Event, Inflater, Violation, WindowBits, frame as server,
};

const MAX: usize = 1000;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// A masked frame as a client sends it; `first` is the whole first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..=125 => out.push(0x80 | u8::try_from(n).unwrap()),
        n @ 126..=65535 => {
            out.push(0x80 | 126);
            out.extend(u16::try_from(n).unwrap().to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend((n as u64).to_be_bytes());
        }
    }
    out.extend(KEY);
    out.extend(
        payload
            .iter()
            .zip(KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    out
}

/// An event that owns what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Violation(Violation),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.into()),
            Event::Binary(bytes) => Self::Binary(bytes.into()),
            Event::Ping(bytes) => Self::Ping(bytes.into()),
            Event::Pong(bytes) => Self::Pong(bytes.into()),
            Event::Close { code, reason } => {
                Self::Close(code.map(CloseCode::number), reason.into())
            }
        }
    }
}

fn feed(decoder: &mut Decoder, bytes: &[u8], seen: &mut Vec<Seen>) {
    let mut bytes = bytes.to_vec();
    let mut feed = decoder.feed(&mut bytes, MAX);
    loop {
        match feed.next_event() {
            Ok(Some(event)) => seen.push(event.into()),
            Ok(None) => break,
            Err(violation) => seen.push(Seen::Violation(violation)),
        }
    }
}

/// Feeds a whole stream of a client with whom compression was negotiated.
fn decode_inflating(stream: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    feed_inflating(&mut Decoder::new(), stream, &mut seen);
    seen
}

fn feed_inflating(decoder: &mut Decoder, bytes: &[u8], seen: &mut Vec<Seen>) {
    let mut bytes = bytes.to_vec();
    let mut inflater = Inflater::new();
    let mut feed = decoder.feed(&mut bytes, MAX).inflating(&mut inflater);
    loop {
        match feed.next_event() {
            Ok(Some(event)) => seen.push(event.into()),
            Ok(None) => break,
            Err(violation) => seen.push(Seen::Violation(violation)),
        }
    }
}

fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Deflater::new(WindowBits::MAX).deflate(payload, &mut out);
    out
}

fn decode(stream: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    feed(&mut Decoder::new(), stream, &mut seen);
    seen
}

fn text(text: &str) -> Seen {
    Seen::Text(text.into())
}

#[test]
fn a_decoder_is_small_while_nothing_is_incomplete() {
    assert!(size_of::<Decoder>() <= 16);
    let mut decoder = Decoder::new();
    let stream = [frame(FIN | TEXT, b"Hello"), frame(FIN | PING, b"")].concat();
    let mut seen = Vec::new();
    feed(&mut decoder, &stream, &mut seen);
    assert_eq!(seen, [text("Hello"), Seen::Ping(vec![])]);
    assert_eq!(decoder.held_bytes(), 0);
    // Cut in the middle, it holds something, and lets go of it afterwards.
    feed(&mut decoder, &stream[..8], &mut seen);
    assert!(decoder.held_bytes() > 0);
    feed(&mut decoder, &stream[8..], &mut seen);
    assert_eq!(decoder.held_bytes(), 0);
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_message_in_the_read_buffer_is_not_copied() {
    let mut buffer = frame(FIN | TEXT, b"Hello");
    let range = buffer.as_ptr_range();
    let mut decoder = Decoder::new();
    let mut feed = decoder.feed(&mut buffer, MAX);
    let Ok(Some(Event::Text(hello))) = feed.next_event() else {
        panic!("a text message")
    };
    assert!(range.contains(&hello.as_ptr()));
}

#[test]
fn memory_grows_with_what_arrives_and_not_with_what_is_announced() {
    let stream = frame(FIN | BINARY, &[7; MAX]);
    let mut decoder = Decoder::new();
    let mut seen = Vec::new();
    feed(&mut decoder, &stream[..9], &mut seen);
    let empty = decoder.held_bytes();
    assert!(empty <= 200, "{empty}");
    for (arrived, byte) in stream[9..stream.len() - 1].iter().enumerate() {
        feed(&mut decoder, &[*byte], &mut seen);
        assert!(
            decoder.held_bytes() <= empty + 2 * (arrived + 2),
            "{arrived}: {}",
            decoder.held_bytes()
        );
    }
    assert_eq!(seen, []);
    feed(&mut decoder, &stream[stream.len() - 1..], &mut seen);
    assert_eq!(seen, [Seen::Binary(vec![7; MAX])]);
}

#[test]
fn no_log_ever_shows_what_is_held() {
    let mut decoder = Decoder::new();
    let stream = frame(TEXT, b"secret-token");
    feed(&mut decoder, &stream, &mut Vec::new());
    let mut rest = frame(FIN | CONTINUATION, b"secret-token");
    let shown = format!("{:?}", decoder.feed(&mut rest, MAX));
    assert!(shown.contains("rest_bytes: 18"), "{shown}");
    for form in ["secret", "115, 101, 99"] {
        assert!(!shown.contains(form), "{shown}");
    }
}

#[test]
fn messages_of_every_length_form_arrive() {
    for payload_bytes in [0, 1, 125, 126, 127, 128, 999, 1000] {
        let payload = "x".repeat(payload_bytes);
        assert_eq!(
            decode(&frame(FIN | TEXT, payload.as_bytes())),
            [text(&payload)]
        );
        assert_eq!(
            decode(&frame(FIN | BINARY, payload.as_bytes())),
            [Seen::Binary(payload.into_bytes())]
        );
    }
    let mut big = frame(FIN | BINARY, &[9; 65536]);
    let mut decoder = Decoder::new();
    let mut feed = decoder.feed(&mut big, 65536);
    assert_eq!(feed.next_event(), Ok(Some(Event::Binary(&[9; 65536]))));
}

#[test]
fn fragments_become_one_message_with_control_frames_between_them() {
    let stream = [
        frame(TEXT, b"one "),
        frame(FIN | PING, b"p"),
        frame(CONTINUATION, b""),
        frame(CONTINUATION, b"two "),
        frame(FIN | PONG, b"q"),
        frame(FIN | CONTINUATION, b"three"),
        frame(FIN | TEXT, b"next"),
    ]
    .concat();
    let expected = [
        Seen::Ping(b"p".into()),
        Seen::Pong(b"q".into()),
        text("one two three"),
        text("next"),
    ];
    assert_eq!(decode(&stream), expected);
}

#[test]
fn compressed_messages_arrive_among_others() {
    let love = deflated("사랑 💜".as_bytes());
    let (head, tail) = love.split_at(5);
    let stream = [
        frame(FIN | RSV1 | TEXT, &love),
        frame(FIN | TEXT, b"plain"),
        frame(RSV1 | TEXT, head),
        frame(FIN | PING, b"p"),
        frame(CONTINUATION, b""),
        frame(FIN | CONTINUATION, tail),
        frame(FIN | RSV1 | BINARY, &deflated(&[0xFF; MAX])),
        frame(FIN | RSV1 | BINARY, &[0]),
    ]
    .concat();
    let expected = [
        text("사랑 💜"),
        text("plain"),
        Seen::Ping(b"p".into()),
        text("사랑 💜"),
        Seen::Binary(vec![0xFF; MAX]),
        Seen::Binary(vec![]),
    ];
    assert_eq!(decode_inflating(&stream), expected);
    let mut seen = Vec::new();
    let mut decoder = Decoder::new();
    for byte in &stream {
        feed_inflating(&mut decoder, &[*byte], &mut seen);
    }
    assert_eq!(seen, expected);
    assert_eq!(decoder.held_bytes(), 0);
}

#[test]
fn compression_that_breaks_the_rules_is_named() {
    let hello = deflated(b"Hello");
    let cases = [
        (frame(FIN | RSV1 | PING, b""), Violation::ReservedBits),
        (frame(FIN | RSV1 | CLOSE, b""), Violation::ReservedBits),
        (frame(FIN | 0x20 | TEXT, &hello), Violation::ReservedBits),
        (
            frame(FIN | 0x10 | RSV1 | TEXT, &hello),
            Violation::ReservedBits,
        ),
        (
            [
                frame(RSV1 | TEXT, &hello),
                frame(FIN | RSV1 | CONTINUATION, b""),
            ]
            .concat(),
            Violation::ReservedBits,
        ),
        (frame(FIN | RSV1 | TEXT, b"Hello"), Violation::Deflate),
        (
            frame(FIN | RSV1 | TEXT, &deflated(b"\xFF")),
            Violation::InvalidUtf8,
        ),
        (
            frame(FIN | RSV1 | TEXT, &deflated(&[b'x'; MAX + 1])),
            Violation::TooBig { max: MAX },
        ),
    ];
    for (stream, violation) in cases {
        let seen = decode_inflating(&stream);
        assert_eq!(seen, [Seen::Violation(violation)], "{stream:x?}");
    }
    assert_eq!(Violation::Deflate.code(), CloseCode::INVALID_DATA);
    // Not negotiated, the bit itself is the fault.
    let compressed = frame(FIN | RSV1 | TEXT, &hello);
    assert_eq!(
        decode(&compressed),
        [Seen::Violation(Violation::ReservedBits)]
    );
}

#[test]
fn a_compressed_frame_of_the_server_is_one_for_a_client() {
    let mut deflater = Deflater::new(WindowBits::MAX);
    let mut out = Vec::new();
    server::encode_text_deflated(&mut out, "사랑 ".repeat(100).as_bytes(), &mut deflater);
    assert_eq!(out[0], FIN | RSV1 | TEXT);
    let payload_bytes = usize::from(out[1]);
    assert_eq!(out.len(), 2 + payload_bytes);
    assert_eq!(
        decode_inflating(&frame(out[0], &out[2..])),
        [text(&"사랑 ".repeat(100))]
    );
    out.clear();
    server::encode_binary_deflated(&mut out, b"", &mut deflater);
    assert_eq!(out, [FIN | RSV1 | BINARY, 1, 0]);
}

#[test]
fn framing_that_breaks_the_rules_is_named() {
    let mut unmasked = frame(FIN | TEXT, b"x");
    unmasked[1] &= 0x7F;
    let long_16 = [&[FIN | TEXT, 0x80 | 126, 0, 125], KEY.as_slice(), &[0; 125]].concat();
    let long_64 = [
        &[FIN | TEXT, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
        KEY.as_slice(),
    ]
    .concat();
    let negative = [
        &[FIN | TEXT, 0x80 | 127, 0x80, 0, 0, 0, 0, 1, 0, 0],
        KEY.as_slice(),
    ]
    .concat();
    let long_ping = [&[FIN | PING, 0x80 | 126, 0, 126], KEY.as_slice(), &[0; 126]].concat();
    let cases: Vec<(Vec<u8>, Violation)> = vec![
        (unmasked, Violation::Unmasked),
        (frame(FIN | 0x40 | TEXT, b"x"), Violation::ReservedBits),
        (frame(FIN | 0x20 | PING, b""), Violation::ReservedBits),
        (frame(FIN | 0x10 | CLOSE, b""), Violation::ReservedBits),
        (frame(FIN | 0x3, b""), Violation::ReservedOpcode),
        (frame(FIN | 0x7, b""), Violation::ReservedOpcode),
        (frame(FIN | 0xB, b""), Violation::ReservedOpcode),
        (frame(FIN | 0xF, b""), Violation::ReservedOpcode),
        (frame(PING, b"x"), Violation::ControlFrame),
        (frame(CLOSE, b""), Violation::ControlFrame),
        (long_ping, Violation::ControlFrame),
        (long_16, Violation::Length),
        (long_64, Violation::Length),
        (negative, Violation::Length),
        (frame(FIN | CONTINUATION, b"x"), Violation::Continuation),
        (frame(CONTINUATION, b"x"), Violation::Continuation),
        (
            [frame(TEXT, b"x"), frame(FIN | TEXT, b"y")].concat(),
            Violation::Interrupted,
        ),
        (
            [frame(BINARY, b"x"), frame(BINARY, b"y")].concat(),
            Violation::Interrupted,
        ),
        (
            [
                frame(TEXT, b"x"),
                frame(FIN | CONTINUATION, b""),
                frame(CONTINUATION, b""),
            ]
            .concat(),
            Violation::Continuation,
        ),
    ];
    for (stream, violation) in cases {
        let seen = decode(&stream);
        assert_eq!(
            seen.last(),
            Some(&Seen::Violation(violation)),
            "{stream:x?}"
        );
        assert_eq!(violation.code(), CloseCode::PROTOCOL_ERROR);
    }
}

#[test]
fn nothing_follows_a_violation_or_a_close() {
    let hello = frame(FIN | TEXT, b"Hello");
    let broken = [hello.clone(), frame(FIN | 0x3, b""), hello.clone()].concat();
    assert_eq!(
        decode(&broken),
        [text("Hello"), Seen::Violation(Violation::ReservedOpcode)]
    );
    let closed = [
        hello.clone(),
        frame(FIN | CLOSE, b"\x03\xe8bye"),
        hello.clone(),
    ]
    .concat();
    assert_eq!(
        decode(&closed),
        [text("Hello"), Seen::Close(Some(1000), "bye".into())]
    );
    let mut decoder = Decoder::new();
    let mut seen = Vec::new();
    feed(&mut decoder, &frame(FIN | CLOSE, b""), &mut seen);
    assert!(decoder.ended());
    feed(&mut decoder, &hello, &mut seen);
    assert_eq!(seen, [Seen::Close(None, String::new())]);
}

#[test]
fn a_close_has_a_legal_code_and_a_reason_in_utf_8() {
    assert_eq!(
        decode(&frame(FIN | CLOSE, &[3])),
        [Seen::Violation(Violation::CloseFrame)]
    );
    for number in [
        0u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        let close = frame(FIN | CLOSE, &number.to_be_bytes());
        assert_eq!(
            decode(&close),
            [Seen::Violation(Violation::CloseFrame)],
            "{number}"
        );
    }
    for number in [
        1000u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ] {
        let close = frame(FIN | CLOSE, &number.to_be_bytes());
        assert_eq!(decode(&close), [Seen::Close(Some(number), String::new())]);
    }
    let longest = [&1000u16.to_be_bytes()[..], "안".repeat(41).as_bytes()].concat();
    assert_eq!(
        decode(&frame(FIN | CLOSE, &longest)),
        [Seen::Close(Some(1000), "안".repeat(41))]
    );
    assert_eq!(
        decode(&frame(FIN | CLOSE, b"\x03\xe8\xff")),
        [Seen::Violation(Violation::InvalidUtf8)]
    );
    assert_eq!(Violation::InvalidUtf8.code(), CloseCode::INVALID_DATA);
}

#[test]
fn text_may_be_cut_inside_a_character() {
    let love = "사랑 💜 é".as_bytes();
    for cut in 0..=love.len() {
        let stream = [
            frame(TEXT, &love[..cut]),
            frame(FIN | CONTINUATION, &love[cut..]),
        ]
        .concat();
        assert_eq!(decode(&stream), [text("사랑 💜 é")], "{cut}");
    }
}

#[test]
fn text_that_is_not_utf_8_is_refused_as_soon_as_it_cannot_become_it() {
    // Overlong forms, a surrogate, past the last character, a lone continuation, and Autobahn's favourite.
    let cases: [&[u8]; 7] = [
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\xf5",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    ];
    for bad in cases {
        assert_eq!(
            decode(&frame(FIN | TEXT, bad)),
            [Seen::Violation(Violation::InvalidUtf8)],
            "{bad:x?}"
        );
        // The message has not ended, the frame has not ended, and it is refused all the same.
        let open = frame(TEXT, &[bad, &[b'x'; 100]].concat());
        assert_eq!(
            decode(&open[..open.len() - 99]),
            [Seen::Violation(Violation::InvalidUtf8)],
            "{bad:x?}"
        );
        assert_eq!(
            decode(&frame(FIN | BINARY, bad)),
            [Seen::Binary(bad.into())]
        );
    }
    // F4 alone may still become U+10FFFF; F4 90 may not.
    assert_eq!(decode(&frame(TEXT, b"\xf4")), []);
    assert_eq!(
        decode(&frame(TEXT, b"\xf4\x90")),
        [Seen::Violation(Violation::InvalidUtf8)]
    );
    // A message may not end inside a character.
    assert_eq!(
        decode(&frame(FIN | TEXT, b"\xf4")),
        [Seen::Violation(Violation::InvalidUtf8)]
    );
    let cut = [frame(TEXT, b"\xf4"), frame(FIN | CONTINUATION, b"")].concat();
    assert_eq!(decode(&cut), [Seen::Violation(Violation::InvalidUtf8)]);
}

#[test]
fn a_message_over_the_limit_is_refused_by_its_header() {
    let too_big = Violation::TooBig { max: MAX };
    assert_eq!(too_big.code(), CloseCode::TOO_BIG);
    let one = frame(FIN | TEXT, &[b'x'; MAX + 1]);
    assert_eq!(decode(&one[..8]), [Seen::Violation(too_big)]);
    let huge = [
        &[
            FIN | BINARY,
            0x80 | 127,
            0x7F,
            0xFF,
            0xFF,
            0xFF,
            0xFF,
            0xFF,
            0xFF,
            0xFF,
        ],
        KEY.as_slice(),
    ]
    .concat();
    assert_eq!(decode(&huge), [Seen::Violation(too_big)]);
    let parts = [
        frame(TEXT, &[b'x'; MAX]),
        frame(CONTINUATION, b""),
        frame(FIN | CONTINUATION, b"x"),
    ]
    .concat();
    assert_eq!(decode(&parts), [Seen::Violation(too_big)]);
    // Control frames do not count.
    let beside = [
        frame(TEXT, &[b'x'; MAX]),
        frame(FIN | PING, &[0; 125]),
        frame(FIN | CONTINUATION, b""),
    ]
    .concat();
    assert_eq!(decode(&beside).last(), Some(&text(&"x".repeat(MAX))));
}

/// One thing that a client sends; only its size and its text may be wrong.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let words = prop_oneof![
        4 => "[a-z é사💜]{0,40}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => "[a-z]{120,300}".prop_map(String::into_bytes),
        1 => "[a-z]{600,1100}".prop_map(String::into_bytes),
    ];
    let control = (
        prop_oneof![Just(PING), Just(PONG)],
        prop::collection::vec(any::<u8>(), 0..=125),
    )
        .prop_map(|(opcode, payload)| frame(FIN | opcode, &payload));
    let fragmented = (
        prop_oneof![Just(TEXT), Just(BINARY)],
        words.clone(),
        prop::collection::vec(0usize..400, 0..4),
    )
        .prop_map(|(opcode, payload, cuts)| fragments(opcode, &payload, &cuts));
    let code = prop_oneof![Just(1000u16), Just(1001), 1007u16..=1013, 3000u16..5000];
    let close = (code, "[a-z é]{0,30}").prop_map(|(code, reason)| {
        frame(
            FIN | CLOSE,
            &[&code.to_be_bytes()[..], reason.as_bytes()].concat(),
        )
    });
    prop_oneof![3 => control, 8 => fragmented, 1 => close]
}

/// A frame that may break any rule but that of size: of two faults at once, two implementations may well name
/// different ones. Closes have their own cases.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), "[a-z é]{0,100}").prop_map(|(first, payload)| {
        let first = if first & 0x0F == CLOSE {
            first ^ 1
        } else {
            first
        };
        frame(first, payload.as_bytes())
    })
}

fn fragments(opcode: u8, payload: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut rest, mut opcode) = (payload, opcode);
    for &cut in cuts {
        let (head, tail) = rest.split_at(cut.min(rest.len()));
        out.extend(frame(opcode, head));
        out.extend(frame(FIN | PING, b"between"));
        (rest, opcode) = (tail, CONTINUATION);
    }
    out.extend(frame(FIN | opcode, rest));
    out
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    (
        prop::collection::vec(piece(), 0..8),
        prop::collection::vec(any_frame(), 0..4),
    )
        .prop_map(|(pieces, frames)| [pieces.concat(), frames.concat()].concat())
}

/// What tungstenite makes of the stream, in our terms; the class of a violation only.
fn oracle(bytes: &[u8]) -> Vec<Seen> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX))
        .max_frame_size(Some(MAX));
    let mut socket =
        WebSocket::from_raw_socket(Canned(Cursor::new(bytes)), Role::Server, Some(config));
    let mut seen = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => seen.push(Seen::Text(text.as_str().into())),
            Ok(Message::Binary(bytes)) => seen.push(Seen::Binary(bytes.into())),
            Ok(Message::Ping(bytes)) => seen.push(Seen::Ping(bytes.into())),
            Ok(Message::Pong(bytes)) => seen.push(Seen::Pong(bytes.into())),
            Ok(Message::Close(Some(close))) => {
                seen.push(Seen::Close(
                    Some(close.code.into()),
                    close.reason.as_str().into(),
                ));
                return seen;
            }
            Ok(Message::Close(None)) => {
                seen.push(Seen::Close(None, String::new()));
                return seen;
            }
            Ok(Message::Frame(_)) => panic!("tungstenite hands out messages only"),
            Err(OracleError::Utf8(_)) => seen.push(Seen::Violation(Violation::InvalidUtf8)),
            Err(OracleError::Capacity(_)) => {
                seen.push(Seen::Violation(Violation::TooBig { max: MAX }));
            }
            Err(OracleError::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => return seen,
            Err(OracleError::Protocol(_)) => seen.push(Seen::Violation(Violation::Continuation)),
            Err(other) => panic!("unexpected error of the oracle: {other}"),
        }
        if matches!(seen.last(), Some(Seen::Violation(_))) {
            return seen;
        }
    }
}

/// A stream with a fixed input that swallows its output.
struct Canned<'a>(Cursor<&'a [u8]>);

impl Read for Canned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Canned<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Violations as their close code, which is all that two implementations can agree on.
fn by_code(seen: Vec<Seen>) -> Vec<Result<Seen, CloseCode>> {
    seen.into_iter()
        .map(|one| {
            if let Seen::Violation(violation) = one {
                Err(violation.code())
            } else {
                Ok(one)
            }
        })
        .collect()
}

proptest! {
    #[test]
    fn any_cut_of_a_stream_gives_the_same_events(
        stream in stream(),
        cuts in prop::collection::vec(prop_oneof![3 => 0usize..5, 1 => 0usize..200], 0..60),
        keep in 0.0f64..=1.0,
    ) {
        // A stream that breaks off must also be judged the same, however it was cut.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
                 reason = "a share of a few thousand bytes")]
        let stream = &stream[..(stream.len() as f64 * keep) as usize];
        let expected = decode(stream);
        let mut decoder = Decoder::new();
        let mut seen = Vec::new();
        let mut rest = stream;
        for cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            feed(&mut decoder, head, &mut seen);
            rest = tail;
        }
        feed(&mut decoder, rest, &mut seen);
        prop_assert_eq!(&seen, &expected);
        let mut seen = Vec::new();
        let mut decoder = Decoder::new();
        for byte in stream {
            feed(&mut decoder, &[*byte], &mut seen);
        }
        prop_assert_eq!(&seen, &expected);
    }

    #[test]
    fn another_implementation_sees_the_same(stream in stream()) {
        prop_assert_eq!(by_code(decode(&stream)), by_code(oracle(&stream)));
    }
}
