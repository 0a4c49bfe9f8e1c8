//! What fans say is understood by our own server's parser, and what our own server writes is understood by fans.

use std::sync::Arc;

use fanwave_wire::{
    Channel, ClientMessageId, Draft, Epoch, Language, Notice, Offset, Publication, Role, Sender,
    UnixMillis, UserId,
    protocol::{self, ConnectResult, ErrorCode, Method, Push, Recovery, Response, SubscribeResult},
};
use proptest::prelude::*;

use super::*;
use crate::marker::{Mark, Promise};

const BOTH: [Encoding; 2] = [Encoding::Json, Encoding::Protobuf];

/// The server's side of an encoding.
fn server(encoding: Encoding) -> protocol::Encoding {
    match encoding {
        Encoding::Json => protocol::Encoding::Json,
        Encoding::Protobuf => protocol::Encoding::Protobuf,
    }
}

#[test]
fn our_server_understands_what_a_fan_says() {
    let position = Position {
        epoch: "e-1",
        offset: 41,
    };
    for encoding in BOTH {
        let frame = encoding.join("secret", "demo", Some(position));
        let commands = server(encoding).parse_commands(&frame, 8).unwrap();
        let [connect, room, chat] = commands.as_slice() else {
            panic!("three commands")
        };
        let ids = (connect.id, room.id, chat.id);
        assert_eq!(ids, (CONNECT, SUBSCRIBE_ROOM, SUBSCRIBE_CHAT));
        assert!(matches!(&connect.method, Method::Connect(request) if request.name == CLIENT_NAME));
        let (Method::Subscribe(room), Method::Subscribe(chat)) = (&room.method, &chat.method)
        else {
            panic!("two subscriptions")
        };
        let asked = (room.channel.as_str(), room.epoch.as_str(), room.offset);
        assert_eq!(asked, ("room:demo", "e-1", 41));
        assert!(room.recover && room.recoverable && room.positioned);
        assert_eq!((chat.channel.as_str(), chat.recover), ("chat:demo", false));
        let fresh = encoding.join("secret", "demo", None);
        let commands = server(encoding).parse_commands(&fresh, 8).unwrap();
        assert!(matches!(&commands[1].method, Method::Subscribe(request) if !request.recover));
        let pong = encoding.ping();
        let commands = server(encoding).parse_commands(pong, 1).unwrap();
        assert!(matches!(commands[0].method, Method::Pong));
    }
}

#[test]
fn our_server_understands_what_is_published() {
    for encoding in BOTH {
        let frame = encoding.publish(300, "room:demo", "m-1", "fl|1|");
        let commands = server(encoding).parse_commands(&frame, 8).unwrap();
        assert_eq!(commands[0].id, 300);
        let Method::Publish(request) = &commands[0].method else {
            panic!("a publish")
        };
        assert_eq!(request.channel, "room:demo");
        let data = request.data.as_ref().unwrap().get();
        assert_eq!(data, r#"{"id":"m-1","text":"fl|1|"}"#);
    }
}

fn publication(offset: u64, text: &str) -> Publication {
    let sender = Sender::new(UserId("u".into()), "n", Role::Staff);
    Publication {
        offset: Offset(offset),
        at: UnixMillis(1),
        draft: Draft::text(ClientMessageId("m".into()), sender, Arc::from(text)),
    }
}

#[test]
fn a_notice_of_our_server_says_how_many_were_left_out() {
    let channel: Channel = "chat:demo".parse().unwrap();
    let notice = Notice::More {
        language: Language::Korean,
        count: 12,
    };
    for encoding in BOTH {
        let mut out = Vec::new();
        let push = Push::Notice {
            channel: &channel,
            notice: &notice,
        };
        server(encoding).append_push(&push, &mut out);
        let Some(Line::Push(delivery)) = encoding.lines(&out).next() else {
            panic!("a push")
        };
        assert_eq!(delivery.left_out(), Some(12));
    }
}

#[test]
fn what_is_no_protobuf_ends_the_message() {
    let encoding = Encoding::Protobuf;
    for broken in [
        &b"\x05\x22"[..],
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert_eq!(encoding.lines(broken).count(), 0, "{broken:?}");
    }
    assert!(encoding.parse_reply(b"\x08").is_none());
    assert!(encoding.parse_reply(b"\x0f\x01").is_none());
    // Fields of the other sizes are passed over.
    let reply = b"\x21\0\0\0\0\0\0\0\0\x2d\0\0\0\0\x08\x07";
    assert_eq!(encoding.parse_reply(reply).unwrap().id, 7);
}

proptest! {
    #[test]
    fn deliveries_of_our_server_are_recognised_with_their_offsets(
        offsets in prop::collection::vec(1_u64.., 1..6), pings: bool, bytes in 60_u16..400,
    ) {
        let channel: Channel = "room:demo".parse().unwrap();
        let marker = crate::marker::Marker::new(1);
        for encoding in BOTH {
            let mut out = Vec::new();
            for (number, offset) in offsets.iter().enumerate() {
                if !out.is_empty() {
                    out.extend_from_slice(server(encoding).separator());
                }
                if pings {
                    server(encoding).append_ping(&mut out);
                    out.extend_from_slice(server(encoding).separator());
                }
                let mut text = String::new();
                let number = u32::try_from(number).unwrap();
                let mark = Mark { promise: Promise::Lossless, feed: 0, number, intended_ns: 5 };
                marker.write(mark, bytes, &mut text);
                let publication = publication(*offset, &text);
                let push = Push::Publication { channel: &channel, publication: &publication };
                server(encoding).append_push(&push, &mut out);
            }
            let (mut found, mut pinged) = (Vec::new(), 0);
            for line in encoding.lines(&out) {
                match line {
                    Line::Ping => pinged += 1,
                    Line::Push(delivery) => {
                        let (mark, at) = marker.find(delivery.body).unwrap();
                        prop_assert_eq!(usize::try_from(mark.number).unwrap(), found.len());
                        found.push(delivery.offset(at).unwrap());
                    }
                    Line::Reply(reply) => prop_assert!(false, "{reply:?}"),
                }
            }
            prop_assert_eq!(&found, &offsets);
            prop_assert_eq!(pinged, if pings { offsets.len() } else { 0 });
        }
    }

    #[test]
    fn a_recovery_of_our_server_is_read(offset: u64, recovered: bool, count in 0_usize..4) {
        let missed: Vec<_> = (1..=count as u64).map(|offset| Arc::new(publication(offset, "fl|00000001|r0|1|2|"))).collect();
        let recovery = if recovered { Recovery::Recovered(&missed) } else { Recovery::Unrecovered };
        let result = SubscribeResult {
            epoch: &Epoch("e-2".into()),
            offset: Offset(offset),
            recoverable: true,
            positioned: true,
            recovery,
            ttl_seconds: None,
        };
        for encoding in BOTH {
            let mut out = Vec::new();
            let reply = protocol::Reply { id: SUBSCRIBE_ROOM, response: Response::Subscribe(result) };
            server(encoding).append_reply(&reply, &mut out);
            let Some(Line::Reply(line)) = encoding.lines(&out).next() else { panic!("a reply") };
            let reply = encoding.parse_reply(line).unwrap();
            let subscribed = reply.subscribe.unwrap();
            prop_assert_eq!((reply.id, &*subscribed.epoch, subscribed.offset), (SUBSCRIBE_ROOM, "e-2", offset));
            prop_assert!(subscribed.was_recovering);
            prop_assert_eq!(subscribed.recovered, recovered);
            let marks = crate::marker::Marker::new(1).find_all(line).count();
            prop_assert_eq!(marks, if recovered { count } else { 0 });
        }
    }

    #[test]
    fn no_bytes_harm_a_fan(bytes: Vec<u8>) {
        for encoding in BOTH {
            for line in encoding.lines(&bytes) {
                match line {
                    Line::Ping => {}
                    Line::Push(delivery) => drop(delivery.left_out()),
                    Line::Reply(line) => drop(encoding.parse_reply(line)),
                }
            }
        }
    }
}

#[test]
fn an_error_of_our_server_is_read() {
    for encoding in BOTH {
        let mut out = Vec::new();
        let reply = protocol::Reply {
            id: 16,
            response: ErrorCode::TooManyRequests.into(),
        };
        server(encoding).append_reply(&reply, &mut out);
        let reply = encoding.parse_reply(match encoding.lines(&out).next() {
            Some(Line::Reply(line)) => line,
            _ => panic!("a reply"),
        });
        let reply = reply.unwrap();
        assert_eq!((reply.id, reply.error.unwrap().code), (16, 111));
    }
}

#[test]
fn how_often_our_server_pings_is_read() {
    for encoding in BOTH {
        let mut out = Vec::new();
        let connected = ConnectResult {
            client: "c",
            version: "v",
            ping_seconds: 25,
            pong: true,
            ..ConnectResult::default()
        };
        let reply = protocol::Reply {
            id: CONNECT,
            response: Response::Connect(connected),
        };
        server(encoding).append_reply(&reply, &mut out);
        let Some(Line::Reply(line)) = encoding.lines(&out).next() else {
            panic!("a reply")
        };
        let reply = encoding.parse_reply(line).unwrap();
        assert_eq!((reply.id, reply.connect.unwrap().ping), (CONNECT, 25));
    }
}

#[test]
fn the_status_of_an_answer() {
    assert_eq!(
        http_status(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        Some(101)
    );
    assert_eq!(http_status(b"HTTP/1.0 503 x"), Some(503));
    for answer in [&b""[..], b"HTTP/2 200", b"HTTP/1.1 abc", b"SSH-2.0-OpenSSH"] {
        assert_eq!(http_status(answer), None);
    }
}

#[test]
fn our_server_takes_the_key() {
    assert!(fanwave_wire::ws::accept_key("ZmFud2F2ZS1sb2FkLWZhbg==").is_ok());
    let target = Target::parse("ws://127.0.0.1:8080", None).unwrap();
    let request = Encoding::Json.upgrade(&target);
    assert!(request.starts_with("GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"));
    assert!(request.ends_with("\r\n\r\n") && !request.contains("Protocol"));
    let request = Encoding::Protobuf.upgrade(&target);
    assert!(request.ends_with("\r\nSec-WebSocket-Protocol: centrifuge-protobuf\r\n\r\n"));
}
