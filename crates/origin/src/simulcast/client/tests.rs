//! The push as servers meet it: the library's, and those that take RTMP less exactly.

use bytes::Bytes;
use sapflow_rtmp::{Connection, Event};

use super::*;
use crate::simulcast::format::tests::{aac, avc, tracks};

const KEY: &str = "canary-key-of-another";

fn client() -> Client {
    let address = "rtmp://live.example/app".parse().unwrap();
    Client::new(&address, &Secret::new(KEY), 7)
}

/// What the server was sent, until neither has more to say.
fn talk(client: &mut Client, server: &mut Connection, is_let_in: bool) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let said = client.take_output();
        server.feed(&said).unwrap();
        while let Some(event) = server.poll().unwrap() {
            if matches!(event, Event::Publish { .. }) {
                if is_let_in {
                    server.accept_publish();
                } else {
                    server.refuse_publish("NetStream.Publish.Denied", KEY);
                }
            }
            events.push(event);
        }
        let answer = server.take_output();
        if said.is_empty() && answer.is_empty() {
            return events;
        }
        if let Err(error) = client.feed(&answer) {
            assert_eq!(
                error.to_string(),
                "it refused the stream: NetStream.Publish.Denied"
            );
            return events;
        }
    }
}

fn format() -> Message {
    let format = Format::of(&tracks([avc(31)], [aac(2)]));
    Message::Format { at_ms: 0, format }
}

#[test]
fn a_server_is_asked_and_sent_what_an_encoder_would_send() {
    let (mut client, mut server) = (client(), Connection::new(3));
    // Nothing is sent before there is a stream.
    client.send(&format());
    let asked = talk(&mut client, &mut server, true);
    let publish = Event::Publish {
        app: "app".into(),
        key: KEY.into(),
    };
    assert_eq!(asked, [publish]);
    assert!(client.is_publishing());
    client.send(&format());
    client.send(&Message::Picture {
        at_ms: 0,
        composition_ms: -2,
        key: true,
        data: Bytes::from_static(&[9; 10_000]),
    });
    client.send(&Message::Picture {
        at_ms: 0x0100_0000,
        composition_ms: 80,
        key: false,
        data: Bytes::from_static(&[8]),
    });
    client.send(&Message::Sound {
        at_ms: 20,
        data: Bytes::from_static(&[7]),
    });
    client.finish();
    client.send(&format());
    let events = talk(&mut client, &mut server, true);
    let [
        Event::Metadata { audio: true },
        Event::Video {
            timestamp: 0,
            data: pictures,
        },
        Event::Audio {
            timestamp: 0,
            data: sound,
        },
        Event::Video {
            timestamp: 0,
            data: key,
        },
        Event::Video {
            timestamp: 0x0100_0000,
            data: picture,
        },
        Event::Audio {
            timestamp: 20,
            data: frame,
        },
        Event::Finished,
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(pictures[..6], [0x17, 0, 0, 0, 0, 1]);
    assert_eq!(sound[..], [0xaf, 0, 0x11, 0x90]);
    assert_eq!(key[..6], [0x17, 1, 0xff, 0xff, 0xfe, 9]);
    assert_eq!(key.len(), 10_005);
    assert_eq!(picture[..], [0x27, 1, 0, 0, 80, 8]);
    assert_eq!(frame[..], [0xaf, 1, 7]);
}

#[test]
fn a_refusal_is_told_by_its_code_and_never_by_the_key() {
    let (mut client, mut server) = (client(), Connection::new(3));
    talk(&mut client, &mut server, false);
    assert!(!client.is_publishing());
    let status = |code: &str| Value::Object(vec![("code".into(), text(code))]);
    for (code, told) in [
        ("NetStream.Publish.BadName", "NetStream.Publish.BadName"),
        (KEY, "no code"),
        ("Net canary", "no code"),
        ("", "no code"),
    ] {
        assert_eq!(Code::of(Some(&status(code))).to_string(), told);
    }
}

/// A server's handshake with a version in S1 and nothing of C1 in S2, and a message of it.
fn answer(messages: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut said = vec![VERSION];
    said.extend_from_slice(&[0, 0, 0, 9, 13, 14, 10, 13]);
    said.extend(noise(5).take(2 * PACKET - 8));
    for (kind, body) in messages {
        ChunkWriter::default().write(&mut said, 3, *kind, 0, 0, body);
    }
    said
}

fn command(values: &[Value]) -> (u8, Vec<u8>) {
    let mut body = Vec::new();
    values
        .iter()
        .for_each(|value| amf0::encode(value, &mut body));
    (AMF0_COMMAND, body)
}

#[test]
fn servers_that_are_less_exact_are_published_to() {
    let mut client = client();
    let result =
        |number, about| command(&[text("_result"), Value::Number(number), Value::Null, about]);
    let status = |level: &str, code: &str| {
        let about = [("level".into(), text(level)), ("code".into(), text(code))];
        let about = Value::Object(about.to_vec());
        command(&[text("onStatus"), Value::Number(0.0), Value::Null, about])
    };
    let said = answer(&[
        (WINDOW_SIZE, 1_000_u32.to_be_bytes().to_vec()),
        (PEER_BANDWIDTH, vec![0, 0, 0, 1, 2]),
        // It counts what no one has sent.
        (ACKNOWLEDGEMENT, vec![0xff; 4]),
        (USER_CONTROL, vec![0, 6, 1, 2, 3, 4]),
        result(CONNECT, Value::Null),
        result(RELEASE, Value::Null),
        command(&[
            text("_error"),
            Value::Number(FC_PUBLISH),
            Value::Null,
            Value::Null,
        ]),
        (AMF0_COMMAND, vec![0xff]),
        result(CREATE, Value::Number(5.0)),
        status("status", "NetStream.Publish.Start"),
    ]);
    for piece in said.chunks(97) {
        client.feed(piece).unwrap();
    }
    assert!(client.is_publishing());
    let sent = client.take_output();
    let holds = |part: &[u8]| sent.windows(part.len()).any(|w| w == part);
    assert!(holds(&[0, 7, 1, 2, 3, 4]), "a ping is answered");
    assert!(
        holds(&[WINDOW_SIZE, 0, 0, 0, 0, 0, 0, 0, 1]),
        "and a window"
    );
    assert!(
        holds(&[0, 0, 4, ACKNOWLEDGEMENT, 0, 0, 0, 0, 0, 0]),
        "and told of"
    );
    let ended = answer(&[status("error", "NetStream.Publish.Idle")]);
    let ended = client.feed(ended.get(1 + 2 * PACKET..).unwrap());
    assert_eq!(
        ended.unwrap_err().to_string(),
        "it ended the stream: NetStream.Publish.Idle"
    );
}

#[test]
fn what_is_no_rtmp_is_told_as_such() {
    for said in [&b"HTTP/1.1 400 Bad Request\r\n"[..], &[6; 10]] {
        let told = client().feed(said).unwrap_err();
        assert!(matches!(told, ClientError::Protocol(_)), "{told}");
    }
    let mut endless = answer(&[(SET_CHUNK_SIZE, vec![0, 0xff, 0xff, 0xff])]);
    endless.extend([3, 0, 0, 0, 0xff, 0xff, 0xff, 20, 0, 0, 0, 0]);
    endless.extend([0; SIMULCAST_INPUT_BYTES_MAX + 1]);
    let told = client().feed(&endless).unwrap_err();
    assert!(matches!(told, ClientError::Protocol(_)), "{told}");
}
