//! The machine against a peer that writes its own frames.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use proptest::prelude::*;

use crate::{
    Code, Connection, Event, PREFACE, Packed, StreamId,
    frame::{self, HEAD_BYTES, Head, flag, kind},
    fuzz, hpack,
    limits::{
        BLOCK_FRAMES_MAX, CONTROL_BYTES_MAX, ERRORS_MAX, FRAME_BYTES_MAX, IDLE_FRAMES_MAX,
        RECEIVE_WINDOW_BYTES, RESETS_MAX, SEND_BYTES_MAX, STREAMS_MAX,
    },
};

const HEADER_LIST_BYTES_MAX: u32 = 8_192;

const GET: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "fans.example"),
    (":path", "/live/demo/1/video.m3u8?_HLS_msn=7"),
];

const POST: &[(&str, &str)] = &[
    (":method", "POST"),
    (":scheme", "https"),
    (":path", "/api/v1/guests"),
];

type Written = Vec<(Head, Vec<u8>)>;

/// Kind, flags, stream and payload.
type Frame = (u8, u8, u32, &'static [u8]);

struct Client {
    machine: Connection,
    decoder: hpack::Decoder,
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        hpack::field(&mut block, name.as_bytes(), value.as_bytes());
    }
    block
}

impl Client {
    /// One that has said hello and heard the settings of the machine.
    fn new() -> Self {
        let mut client = Self {
            machine: Connection::new(HEADER_LIST_BYTES_MAX),
            decoder: hpack::Decoder::new(4_096),
        };
        client.machine.receive(PREFACE);
        client.frame(kind::SETTINGS, 0, 0, &[]);
        let kinds: Vec<_> = client.written().iter().map(|(head, _)| head.kind).collect();
        assert_eq!(kinds, [kind::SETTINGS, kind::SETTINGS]);
        client
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, kind, flags, stream, payload);
        self.machine.receive(&bytes);
    }

    fn ask(&mut self, stream: u32, fields: &[(&str, &str)], ended: bool) {
        let end = if ended { flag::END_STREAM } else { 0 };
        self.frame(
            kind::HEADERS,
            flag::END_HEADERS | end,
            stream,
            &block(fields),
        );
    }

    fn data(&mut self, stream: u32, data: &[u8], ended: bool) {
        let end = if ended { flag::END_STREAM } else { 0 };
        self.frame(kind::DATA, end, stream, data);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.machine.poll_event()).collect()
    }

    fn written(&mut self) -> Written {
        self.written_within(usize::MAX)
    }

    fn written_within(&mut self, bytes_max: usize) -> Written {
        let mut out = Vec::new();
        self.machine.poll_output(&mut out, bytes_max);
        let (mut rest, mut frames) = (&out[..], Vec::new());
        while let Some(head) = Head::read(rest) {
            let (frame, behind) = rest.split_at(HEAD_BYTES + head.length);
            frames.push((head, frame[HEAD_BYTES..].to_vec()));
            rest = behind;
        }
        assert!(rest.is_empty(), "half a frame was written");
        frames
    }

    fn answer(&mut self, stream: u32, priority: &'static str, body: &'static [u8]) {
        let mut headers = HeaderMap::new();
        headers.insert("priority", HeaderValue::from_static(priority));
        let stream = StreamId(stream);
        let head = Packed::new(StatusCode::OK, &headers);
        self.machine.respond(stream, &head, body.is_empty());
        self.machine.send(stream, Bytes::from_static(body), true);
    }

    fn fields(&mut self, block: &[u8]) -> Vec<(String, String)> {
        let (mut fields, mut text) = (Vec::new(), Vec::new());
        let take = |name: &[u8], value: &[u8]| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            fields.push((text(name), text(value)));
        };
        self.decoder.decode(block, &mut text, take).unwrap();
        fields
    }

    /// The code of the only frame that was written, which ends the connection.
    fn goodbye(&mut self) -> Code {
        let written = self.written();
        let (head, payload) = written.last().expect("something was said");
        assert_eq!(head.kind, kind::GOAWAY, "{written:?}");
        assert!(self.machine.is_over());
        Code(frame::number(&payload[4..8]).unwrap())
    }

    /// The code of the only frame that was written, which ends a stream.
    fn reset_of(&mut self, stream: u32) -> Code {
        let written = self.written();
        let [(head, payload)] = &written[..] else {
            panic!("{written:?}");
        };
        assert_eq!(
            (head.kind, head.stream),
            (kind::RST_STREAM, stream),
            "{written:?}"
        );
        assert!(!self.machine.is_over());
        Code(frame::number(payload).unwrap())
    }
}

#[test]
fn a_request_is_told_and_its_answer_is_written() {
    let mut client = Client::new();
    let fields = [
        GET,
        &[("accept-encoding", "gzip"), ("x-a", "1"), ("x-a", "2")],
    ]
    .concat();
    client.ask(1, &fields, true);
    let events = client.events();
    let [
        Event::Request {
            stream,
            head,
            has_body: false,
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((*stream, head.method()), (StreamId(1), &Method::GET));
    assert_eq!(
        head.uri(),
        "https://fans.example/live/demo/1/video.m3u8?_HLS_msn=7"
    );
    assert_eq!(head.headers()["accept-encoding"], "gzip");
    assert_eq!(head.headers().get_all("x-a").iter().count(), 2);
    assert!(!client.machine.has_output());

    client.answer(1, "u=1", b"#EXTM3U");
    let written = client.written();
    let [(head, block), (data, body)] = &written[..] else {
        panic!("{written:?}");
    };
    assert_eq!((head.kind, head.flags), (kind::HEADERS, flag::END_HEADERS));
    let expected = [(":status", "200"), ("priority", "u=1")].map(|(n, v)| (n.into(), v.into()));
    assert_eq!(client.fields(block), expected);
    assert_eq!(
        (data.kind, data.flags, &body[..]),
        (kind::DATA, flag::END_STREAM, &b"#EXTM3U"[..])
    );
    // It is over: nothing is kept of it.
    client.answer(1, "u=1", b"again");
    assert!(!client.machine.has_output());
    client.ask(3, GET, true);
    client.answer(3, "u=1", b"");
    let written = client.written();
    assert_eq!(written[0].0.flags, flag::END_HEADERS | flag::END_STREAM);
    assert_eq!(written.len(), 1);
}

#[test]
fn no_more_is_written_than_the_peer_takes() {
    let mut client = Client::new();
    let window = usize::try_from(RECEIVE_WINDOW_BYTES).unwrap();
    client.ask(1, GET, true);
    client.ask(3, GET, true);
    client.answer(1, "", &[1; 100_000]);
    client.answer(3, "", &[3; 100_000]);
    let lengths = |written: &Written, stream| -> Vec<usize> {
        let of = |(head, _): &&(Head, Vec<u8>)| head.stream == stream && head.kind == kind::DATA;
        written
            .iter()
            .filter(of)
            .map(|(head, _)| head.length)
            .collect()
    };
    let written = client.written();
    // The first has all of the connection's window, in frames that are taken; the head of the other goes in any case.
    assert_eq!(lengths(&written, 1).iter().sum::<usize>(), window);
    assert!(
        lengths(&written, 1)
            .iter()
            .all(|length| *length <= FRAME_BYTES_MAX)
    );
    assert!(lengths(&written, 3).is_empty());
    assert!(
        written
            .iter()
            .any(|(head, _)| (head.stream, head.kind) == (3, kind::HEADERS))
    );
    assert!(!client.machine.has_output());
    // More for the connection is for whose own window is open.
    client.frame(kind::WINDOW_UPDATE, 0, 0, &70_000_u32.to_be_bytes());
    let written = client.written();
    assert_eq!(lengths(&written, 1), []);
    assert_eq!(lengths(&written, 3).iter().sum::<usize>(), window);
    client.frame(kind::WINDOW_UPDATE, 0, 1, &90_000_u32.to_be_bytes());
    assert_eq!(lengths(&client.written(), 1), [70_000 - window]);
    // A window that is made smaller is below zero until it is given back.
    let smaller = [&[0, 4][..], &1_000_u32.to_be_bytes()].concat();
    client.frame(kind::SETTINGS, 0, 0, &smaller);
    client.frame(kind::WINDOW_UPDATE, 0, 0, &900_000_u32.to_be_bytes());
    let written = client.written();
    assert_eq!(lengths(&written, 3), []);
    client.frame(kind::WINDOW_UPDATE, 0, 3, &64_535_u32.to_be_bytes());
    assert!(lengths(&client.written(), 3).is_empty());
    client.frame(kind::WINDOW_UPDATE, 0, 3, &90_000_u32.to_be_bytes());
    let written = client.written();
    assert_eq!(lengths(&written, 3).iter().sum::<usize>(), 100_000 - window);
    assert_eq!(written.last().unwrap().0.flags, flag::END_STREAM);
}

#[test]
fn what_is_urgent_goes_first_and_what_is_incremental_takes_turns() {
    let mut client = Client::new();
    let more = 1_000_000_u32.to_be_bytes();
    client.frame(kind::WINDOW_UPDATE, 0, 0, &more);
    let wide = [&[0, 4][..], &900_000_u32.to_be_bytes()].concat();
    client.frame(kind::SETTINGS, 0, 0, &wide);
    for stream in [1, 3, 5, 7, 9] {
        client.ask(stream, GET, true);
    }
    client.answer(1, "u=5", &[0; 40_000]);
    client.answer(3, "u=1", &[0; 40_000]);
    client.answer(5, "u=3, i", &[0; 40_000]);
    client.answer(7, "u=3, i", &[0; 40_000]);
    client.answer(9, "u=1", &[0; 40_000]);
    // The peer changes its mind about the least urgent one.
    client.frame(
        kind::PRIORITY_UPDATE,
        0,
        0,
        &[&1_u32.to_be_bytes()[..], b"u=0"].concat(),
    );
    let written = client.written();
    let mut order: Vec<_> = written
        .iter()
        .filter(|(head, _)| head.kind == kind::DATA)
        .map(|(head, _)| head.stream)
        .collect();
    let turns = order.split_off(9);
    assert_eq!(order, [1, 1, 1, 3, 3, 3, 9, 9, 9]);
    assert_eq!(turns, [5, 7, 5, 7, 5, 7]);
    // As the request says it, where the answer says nothing.
    client.ask(11, GET, true);
    client.ask(13, &[GET, &[("priority", "u=2")]].concat(), true);
    client.answer(11, "", b"later");
    client.answer(13, "", b"first");
    let written = client.written_within(1);
    assert_eq!(written[0].0.stream, 13);
}

#[test]
fn a_body_is_taken_within_its_window_and_what_is_used_is_given_back() {
    let mut client = Client::new();
    client.ask(1, &[POST, &[("content-length", "40000")]].concat(), false);
    client.data(1, &[7; 16_000], false);
    let padded = [&[200][..], &[7; 8_000], &[0; 200]].concat();
    client.frame(kind::DATA, flag::PADDED, 1, &padded);
    client.data(1, &[7; 16_000], true);
    let events = client.events();
    let mut body = 0;
    for event in &events[1..] {
        let Event::Data {
            stream: StreamId(1),
            data,
        } = event
        else {
            panic!("{event:?}");
        };
        body += data.len();
    }
    assert_eq!((events.len(), body), (5, 40_000));
    assert!(matches!(&events[4], Event::Data { data, .. } if data.is_empty()));
    assert!(client.written().is_empty(), "nothing was used yet");
    client.machine.used(StreamId(1), 20_000);
    let written = client.written();
    let [(head, more)] = &written[..] else {
        panic!("{written:?}");
    };
    // The padding was used at once; the request is whole, so it is for the connection alone.
    assert_eq!((head.kind, head.stream), (kind::WINDOW_UPDATE, 0));
    assert_eq!(frame::number(more), Some(20_201));

    client.ask(3, POST, false);
    client.data(3, &[7; 16_384], false);
    client.machine.used(StreamId(3), 16_384);
    let streams: Vec<_> = client
        .written()
        .iter()
        .map(|(head, _)| (head.kind, head.stream))
        .collect();
    assert_eq!(
        streams,
        [(kind::WINDOW_UPDATE, 0), (kind::WINDOW_UPDATE, 3)]
    );
    // An answer before the end of the request: the rest is of no use.
    client.answer(3, "", b"no");
    let kinds: Vec<_> = client.written().iter().map(|(head, _)| head.kind).collect();
    assert_eq!(kinds, [kind::HEADERS, kind::DATA, kind::RST_STREAM]);
    client.data(3, b"late", false);
    assert_eq!(client.reset_of(3), Code::STREAM_CLOSED);
}

#[test]
fn the_head_that_is_written_first_says_that_no_table_is_used() {
    let mut client = Client::new();
    for (stream, priority) in [(1, "u=7"), (3, "u=0")] {
        client.ask(stream, GET, true);
        client.answer(stream, priority, b"");
    }
    let heads = client.written();
    let streams: Vec<_> = heads.iter().map(|(head, _)| head.stream).collect();
    assert_eq!(streams, [3, 1]);
    let mut nothing = Vec::new();
    hpack::forget_table(&mut nothing);
    let says_so: Vec<_> = heads
        .iter()
        .map(|(_, block)| block.starts_with(&nothing))
        .collect();
    assert_eq!(says_so, [true, false]);
}

#[test]
fn a_head_that_is_longer_than_a_frame_is_written_in_several() {
    let mut client = Client::new();
    client.ask(1, GET, true);
    let mut headers = HeaderMap::new();
    let value = "v".repeat(FRAME_BYTES_MAX);
    for name in ["a", "b"] {
        headers.insert(name, value.parse().unwrap());
    }
    let head = Packed::new(StatusCode::OK, &headers);
    client.machine.respond(StreamId(1), &head, true);
    let frames = client.written();
    let shape: Vec<_> = frames
        .iter()
        .map(|(head, _)| (head.kind, head.flags))
        .collect();
    assert_eq!(
        shape,
        [
            (kind::HEADERS, flag::END_STREAM),
            (kind::CONTINUATION, 0),
            (kind::CONTINUATION, flag::END_HEADERS),
        ]
    );
    let block: Vec<_> = frames.into_iter().flat_map(|(_, piece)| piece).collect();
    let fields = client.fields(&block);
    let names: Vec<_> = fields.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, [":status", "a", "b"]);
    assert!(fields[1..].iter().all(|(_, read)| *read == value));
}

#[test]
fn an_answer_asks_for_no_more_than_is_kept_of_it() {
    let mut client = Client::new();
    client.ask(1, GET, true);
    let stream = StreamId(1);
    let head = Packed::new(StatusCode::OK, &HeaderMap::new());
    client.machine.respond(stream, &head, false);
    assert_eq!(client.machine.room(stream), SEND_BYTES_MAX);
    client
        .machine
        .send(stream, Bytes::from_static(&[0; SEND_BYTES_MAX + 9]), false);
    assert_eq!(client.machine.room(stream), 0);
    client.written();
    assert!(client.machine.room(stream) > 0);
    client.machine.send(stream, Bytes::new(), true);
    assert!(!client.machine.has_output(), "the window is used up");
    client.frame(kind::RST_STREAM, 0, 1, &8_u32.to_be_bytes());
    assert!(matches!(
        client.events()[..],
        [
            Event::Request { .. },
            Event::Gone {
                stream: StreamId(1)
            }
        ]
    ));
    assert_eq!(client.machine.room(stream), 0);
}

#[test]
fn who_leaves_or_is_asked_to_has_what_is_under_way() {
    let mut client = Client::new();
    client.ask(1, GET, true);
    client.machine.wind_down();
    client.machine.wind_down();
    let written = client.written();
    let [(head, payload), (ping, farewell)] = &written[..] else {
        panic!("{written:?}");
    };
    assert_eq!((head.kind, ping.kind), (kind::GOAWAY, kind::PING));
    assert_eq!(payload[..], [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    // Sent before the peer had heard of it.
    client.ask(3, GET, true);
    assert_eq!(client.events().len(), 2);
    client.answer(3, "", b"in time");
    client.frame(kind::PING, flag::ACK, 0, farewell);
    let written = client.written();
    assert_eq!(written[0].0.kind, kind::GOAWAY);
    assert_eq!(written[0].1[..], [0, 0, 0, 3, 0, 0, 0, 0]);
    client.ask(5, POST, false);
    client.data(5, b"late", true);
    assert!(client.events().is_empty(), "nothing new is taken");
    client.written();
    assert!(!client.machine.is_over());
    client.answer(1, "", b"the last");
    assert_eq!(client.written().len(), 2);
    assert!(client.machine.is_over() && client.machine.failure().is_none());

    let mut client = Client::new();
    client.ask(1, GET, true);
    client.frame(kind::GOAWAY, 0, 0, &[0; 8]);
    assert!(!client.machine.is_over());
    client.answer(1, "", b"the last");
    client.written();
    assert!(client.machine.is_over());
}

#[test]
fn pings_are_answered_and_asked() {
    let mut client = Client::new();
    client.frame(kind::PING, 0, 0, b"12345678");
    let written = client.written();
    assert_eq!(
        (written[0].0.kind, written[0].0.flags, &written[0].1[..]),
        (kind::PING, flag::ACK, &b"12345678"[..])
    );
    assert!(client.machine.ping());
    assert!(!client.machine.ping(), "it was not answered");
    let payload = client.written()[0].1.clone();
    client.frame(kind::PING, flag::ACK, 0, &payload);
    assert!(client.machine.ping());
}

#[test]
fn a_head_that_is_no_request_ends_its_stream() {
    let with = |more: &[(&'static str, &'static str)]| [GET, more].concat();
    let bad = [
        GET[..3].to_vec(),
        GET[1..].to_vec(),
        vec![GET[0], GET[3]],
        with(&[(":method", "GET")]),
        with(&[(":status", "200")]),
        with(&[("x-a", "1"), (":path", "/")]),
        with(&[("X-A", "1")]),
        with(&[("x a", "1")]),
        with(&[("x-a", " 1")]),
        with(&[("x-a", "1\r\nx-b: 2")]),
        with(&[("connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("te", "gzip")]),
        with(&[("host", "elsewhere.example")]),
        with(&[("host", "fans.example"), ("host", "fans.example")]),
        with(&[("content-length", "1")]),
        with(&[("content-length", "+0")]),
        with(&[("content-length", "0"), ("content-length", "0")]),
        vec![GET[0], GET[1], GET[2], (":path", "")],
        vec![
            GET[0],
            GET[1],
            GET[2],
            (":path", "http://elsewhere.example/"),
        ],
        vec![(":method", "CONNECT"), GET[1], GET[2], GET[3]],
    ];
    for fields in bad {
        let mut client = Client::new();
        client.ask(1, &fields, true);
        assert!(client.events().is_empty(), "{fields:?}");
        assert_eq!(client.reset_of(1), Code::PROTOCOL_ERROR, "{fields:?}");
    }
    for fields in [
        with(&[
            ("te", "trailers"),
            ("host", "Fans.Example"),
            ("content-length", "0"),
        ]),
        vec![(":method", "OPTIONS"), GET[1], GET[2], (":path", "*")],
        vec![(":method", "CONNECT"), GET[2]],
        POST.to_vec(),
    ] {
        let mut client = Client::new();
        client.ask(1, &fields, true);
        assert!(
            matches!(client.events()[..], [Event::Request { .. }]),
            "{fields:?}"
        );
    }
}

#[test]
fn a_body_that_is_not_as_stated_ends_its_stream() {
    for (stated, pieces) in [
        ("3", &[&b"abcd"[..]][..]),
        ("3", &[b"ab", b""]),
        ("5", &[b"ab", b"cd", b"ef"]),
    ] {
        let mut client = Client::new();
        client.ask(1, &[POST, &[("content-length", stated)]].concat(), false);
        for (index, piece) in pieces.iter().enumerate() {
            client.data(1, piece, index + 1 == pieces.len());
        }
        assert!(matches!(client.events().last(), Some(Event::Gone { .. })));
        assert_eq!(client.reset_of(1), Code::PROTOCOL_ERROR);
    }
    // Trailers end a body as its last frame does.
    let mut client = Client::new();
    client.ask(1, POST, false);
    client.data(1, b"abc", false);
    client.ask(1, &[("x-sum", "7")], true);
    assert!(matches!(
        client.events()[..],
        [
            Event::Request { .. },
            Event::Data { .. },
            Event::Data { .. }
        ]
    ));
}

#[test]
fn a_head_that_is_too_large_is_told_so_and_the_tables_stay_in_step() {
    let mut client = Client::new();
    let long = "x".repeat(9_000);
    let mut large = block(GET);
    // Into the table, though the request is not taken.
    large.extend_from_slice(b"\x40\x03x-y\x01z");
    hpack::field(&mut large, b"x-long", long.as_bytes());
    client.frame(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        1,
        &large,
    );
    assert!(client.events().is_empty());
    let written = client.written();
    let fields = client.fields(&written[0].1);
    assert_eq!(fields, [(":status".to_owned(), "431".to_owned())]);
    let mut known = block(GET);
    known.push(0x80 | 62);
    client.frame(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        3,
        &known,
    );
    let events = client.events();
    let [Event::Request { head, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(head.headers()["x-y"], "z");
}

#[test]
fn a_block_in_pieces_is_one_and_endless_ones_are_refused() {
    let mut client = Client::new();
    let whole = block(GET);
    client.frame(kind::HEADERS, flag::END_STREAM, 1, &whole[..3]);
    client.frame(kind::CONTINUATION, 0, 1, &whole[3..5]);
    client.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &whole[5..]);
    assert!(matches!(
        client.events()[..],
        [Event::Request {
            has_body: false,
            ..
        }]
    ));
    client.frame(kind::HEADERS, 0, 3, &whole[..3]);
    client.ask(5, GET, true);
    assert_eq!(client.goodbye(), Code::PROTOCOL_ERROR);

    let mut client = Client::new();
    client.frame(kind::HEADERS, 0, 1, &[]);
    for _ in 0..BLOCK_FRAMES_MAX {
        client.frame(kind::CONTINUATION, 0, 1, &[]);
    }
    assert_eq!(client.goodbye(), Code::ENHANCE_YOUR_CALM);
    let mut client = Client::new();
    client.frame(kind::HEADERS, 0, 1, &[0; 8_000]);
    client.frame(kind::CONTINUATION, 0, 1, &[0; 193]);
    assert_eq!(client.goodbye(), Code::ENHANCE_YOUR_CALM);
}

/// What ends a connection on which one request is under way.
const BROKEN: &[(Frame, Code)] = &[
    ((kind::DATA, 0, 0, b"x"), Code::PROTOCOL_ERROR),
    ((kind::DATA, 0, 3, b"x"), Code::PROTOCOL_ERROR),
    ((kind::DATA, flag::PADDED, 1, &[2, 0]), Code::PROTOCOL_ERROR),
    (
        (kind::HEADERS, flag::END_HEADERS, 0, &[0x82]),
        Code::PROTOCOL_ERROR,
    ),
    (
        (kind::HEADERS, flag::END_HEADERS, 2, &[0x82]),
        Code::PROTOCOL_ERROR,
    ),
    (
        (kind::HEADERS, flag::END_HEADERS, 3, &[0x80]),
        Code::COMPRESSION_ERROR,
    ),
    (
        (kind::HEADERS, flag::PRIORITY, 3, &[0; 4]),
        Code::FRAME_SIZE_ERROR,
    ),
    (
        (kind::HEADERS, flag::PRIORITY, 3, &[0, 0, 0, 3, 0]),
        Code::PROTOCOL_ERROR,
    ),
    ((kind::CONTINUATION, 0, 1, &[]), Code::PROTOCOL_ERROR),
    ((kind::PRIORITY, 0, 0, &[0; 5]), Code::PROTOCOL_ERROR),
    ((kind::RST_STREAM, 0, 0, &[0; 4]), Code::PROTOCOL_ERROR),
    ((kind::RST_STREAM, 0, 3, &[0; 4]), Code::PROTOCOL_ERROR),
    ((kind::RST_STREAM, 0, 1, &[0; 3]), Code::FRAME_SIZE_ERROR),
    ((kind::SETTINGS, 0, 1, &[]), Code::PROTOCOL_ERROR),
    ((kind::SETTINGS, 0, 0, &[0; 5]), Code::FRAME_SIZE_ERROR),
    (
        (kind::SETTINGS, flag::ACK, 0, &[0; 6]),
        Code::FRAME_SIZE_ERROR,
    ),
    (
        (kind::SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2]),
        Code::PROTOCOL_ERROR,
    ),
    (
        (kind::SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0]),
        Code::FLOW_CONTROL_ERROR,
    ),
    (
        (kind::SETTINGS, 0, 0, &[0, 5, 0, 0, 0x3f, 0xff]),
        Code::PROTOCOL_ERROR,
    ),
    ((kind::PUSH_PROMISE, 0, 1, &[0; 4]), Code::PROTOCOL_ERROR),
    ((kind::PING, 0, 1, &[0; 8]), Code::PROTOCOL_ERROR),
    ((kind::PING, 0, 0, &[0; 7]), Code::FRAME_SIZE_ERROR),
    ((kind::GOAWAY, 0, 1, &[0; 8]), Code::PROTOCOL_ERROR),
    ((kind::GOAWAY, 0, 0, &[0; 7]), Code::FRAME_SIZE_ERROR),
    ((kind::WINDOW_UPDATE, 0, 0, &[0; 4]), Code::PROTOCOL_ERROR),
    ((kind::WINDOW_UPDATE, 0, 0, &[0; 3]), Code::FRAME_SIZE_ERROR),
    (
        (kind::WINDOW_UPDATE, 0, 3, &[0, 0, 0, 1]),
        Code::PROTOCOL_ERROR,
    ),
    (
        (kind::WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        Code::FLOW_CONTROL_ERROR,
    ),
    (
        (kind::PRIORITY_UPDATE, 0, 1, &[0, 0, 0, 1]),
        Code::PROTOCOL_ERROR,
    ),
    ((kind::PRIORITY_UPDATE, 0, 0, &[0; 4]), Code::PROTOCOL_ERROR),
    (
        (kind::PRIORITY_UPDATE, 0, 0, &[0; 3]),
        Code::FRAME_SIZE_ERROR,
    ),
];

#[test]
fn what_breaks_the_protocol_ends_the_connection_and_says_why() {
    for ((kind, flags, stream, payload), code) in BROKEN {
        let mut client = Client::new();
        client.ask(1, POST, false);
        client.events();
        client.frame(*kind, *flags, *stream, payload);
        assert_eq!(
            client.goodbye(),
            *code,
            "{kind} {flags} {stream} {payload:?}"
        );
        assert_eq!(client.machine.failure(), Some(*code));
        assert!(matches!(
            client.events()[..],
            [Event::Gone {
                stream: StreamId(1)
            }]
        ));
        client.ask(5, GET, true);
        assert!(client.events().is_empty() && !client.machine.has_output());
    }
    for (beginning, code) in [
        (
            &b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..],
            Code::PROTOCOL_ERROR,
        ),
        (
            &[PREFACE, &[0, 0, 8, 6, 0, 0, 0, 0, 0][..], &[0; 8]].concat(),
            Code::PROTOCOL_ERROR,
        ),
        (
            &[PREFACE, &[0, 0x40, 1, 4, 0, 0, 0, 0, 0][..]].concat(),
            Code::FRAME_SIZE_ERROR,
        ),
    ] {
        let mut client = Client {
            machine: Connection::new(HEADER_LIST_BYTES_MAX),
            decoder: hpack::Decoder::new(4_096),
        };
        client.machine.receive(beginning);
        assert_eq!(client.goodbye(), code);
    }
}

#[test]
fn what_breaks_a_stream_leaves_the_others() {
    let cases: &[(Frame, Code)] = &[
        ((kind::DATA, 0, 1, b"x"), Code::STREAM_CLOSED),
        ((kind::HEADERS, 0x5, 1, &[0x82]), Code::STREAM_CLOSED),
        (
            (kind::HEADERS, 0x4, 3, &[0x40, 1, b'x', 1, b'y']),
            Code::PROTOCOL_ERROR,
        ),
        ((kind::PRIORITY, 0, 3, &[0; 4]), Code::FRAME_SIZE_ERROR),
        (
            (kind::PRIORITY, 0, 3, &[0, 0, 0, 3, 1]),
            Code::PROTOCOL_ERROR,
        ),
        ((kind::WINDOW_UPDATE, 0, 3, &[0; 4]), Code::PROTOCOL_ERROR),
        (
            (kind::WINDOW_UPDATE, 0, 3, &[0x7f, 0xff, 0xff, 0xff]),
            Code::FLOW_CONTROL_ERROR,
        ),
    ];
    for ((kind, flags, stream, payload), code) in cases {
        let mut client = Client::new();
        client.ask(1, GET, true);
        client.ask(3, POST, false);
        client.events();
        client.frame(*kind, *flags, *stream, payload);
        assert_eq!(
            client.reset_of(*stream),
            *code,
            "{kind} {flags} {stream} {payload:?}"
        );
        let other = if *stream == 1 { 3 } else { 1 };
        client.answer(other, "", b"here");
        assert!(!client.written().is_empty());
    }
    // What nobody knows is passed over (section 4.1).
    let mut client = Client::new();
    client.frame(0xee, 0xff, 9, b"grease");
    assert!(client.written().is_empty() && !client.machine.is_over());
}

#[test]
fn more_than_a_peer_may_have_or_provoke_is_refused() {
    let mut client = Client::new();
    for stream in (1..).step_by(2).take(usize::from(STREAMS_MAX)) {
        client.ask(stream, GET, true);
    }
    let one_more = 2 * u32::from(STREAMS_MAX) + 1;
    client.ask(one_more, GET, true);
    assert_eq!(client.reset_of(one_more), Code::REFUSED_STREAM);

    let flood = |(limit, already): (u32, u32), provoke: &dyn Fn(&mut Client, u32)| {
        let mut client = Client::new();
        for round in 0..limit - already {
            provoke(&mut client, 2 * round + 1);
            client.events();
            client.written();
        }
        assert!(!client.machine.is_over(), "it is within the limit");
        client.machine.forgive();
        for round in limit..=2 * limit {
            assert!(!client.machine.is_over());
            provoke(&mut client, 2 * round + 1);
            client.events();
        }
        assert_eq!(client.goodbye(), Code::ENHANCE_YOUR_CALM);
    };
    flood((RESETS_MAX, 0), &|client, stream| {
        client.ask(stream, GET, true);
        client.frame(kind::RST_STREAM, 0, stream, &[0; 4]);
    });
    flood((ERRORS_MAX, 0), &|client, stream| {
        client.ask(stream, &GET[..2], true);
    });
    // The first was the settings that it began with.
    flood((IDLE_FRAMES_MAX, 1), &|client, _| {
        client.frame(0xee, 0, 0, &[]);
    });

    // Whoever does not read what is answered is left before it is much.
    let mut client = Client::new();
    while !client.machine.is_over() {
        client.frame(kind::PING, 0, 0, &[0; 8]);
    }
    let mut out = Vec::new();
    client.machine.poll_output(&mut out, usize::MAX);
    assert!(out.len() < CONTROL_BYTES_MAX + 100);

    // More of a body than its window.
    let mut client = Client::new();
    client.ask(1, POST, false);
    for _ in 0..=RECEIVE_WINDOW_BYTES / 16_384 {
        client.data(1, &[0; 16_384], false);
    }
    assert_eq!(client.goodbye(), Code::FLOW_CONTROL_ERROR);
}

/// Frames as a peer writes them, more often right than not.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![0_u8..=9, Just(kind::PRIORITY_UPDATE), any::<u8>()];
    let payload = prop_oneof![
        Just(block(GET)),
        Just(block(POST)),
        prop::collection::vec(any::<u8>(), 0..40),
        any::<u32>().prop_map(|number| number.to_be_bytes().to_vec()),
    ];
    let frame = (kind, any::<u8>(), 0_u32..12, payload);
    prop::collection::vec(frame, 0..30).prop_map(|frames| {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, kind::SETTINGS, 0, 0, &[]);
        for (kind, flags, stream, payload) in frames {
            frame::put(&mut bytes, kind, flags, stream, &payload);
        }
        bytes
    })
}

proptest! {
    #[test]
    fn whatever_comes_means_the_same_however_it_is_cut(cuts: [u8; 8], bytes in frames()) {
        fuzz::connection(&[&cuts[..], &bytes].concat());
    }

    #[test]
    fn bytes_of_any_kind_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz::connection(&bytes);
    }
}

#[test]
fn what_is_kept_of_a_connection_that_rests_is_little() {
    let bytes = size_of::<Connection>();
    assert!(bytes <= 512, "{bytes}");
}
