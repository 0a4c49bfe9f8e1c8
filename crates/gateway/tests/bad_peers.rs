//! Peers who break the rules: each is told so in the protocol's own code, and nobody else notices.

mod support;

use std::time::Duration;

use futures_util::SinkExt;
use serde_json::json;
use support::{Fan, Node, PATIENCE, config};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

/// A masked frame; the mask is zero, so the payload stays readable here.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(0x80 | short),
        _ => {
            frame.push(0xFE);
            frame.extend(
                u16::try_from(payload.len())
                    .expect("a medium frame")
                    .to_be_bytes(),
            );
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A bare socket behind its handshake.
async fn bare(node: &Node, behind_handshake: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(node.addr).await.expect("a connection");
    let handshake = "GET /connection/websocket HTTP/1.1\r\nHost: fans.example\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let bytes = [handshake.as_bytes(), behind_handshake].concat();
    stream.write_all(&bytes).await.expect("a handshake");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(
            timeout(PATIENCE, stream.read_u8())
                .await
                .expect("in time")
                .expect("an answer"),
        );
    }
    let head = String::from_utf8(head).expect("text");
    assert!(
        head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{head}"
    );
    stream
}

/// Everything until the server ends the stream; its last frame's close code.
async fn close_code(stream: &mut TcpStream) -> u16 {
    let mut heard = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut heard))
        .await
        .expect("an end in time")
        .expect("a clean end");
    let close = heard
        .windows(2)
        .position(|pair| pair[0] == 0x88)
        .expect("a close frame");
    u16::from_be_bytes([heard[close + 2], heard[close + 3]])
}

#[tokio::test]
async fn broken_frames_are_closed_with_their_code() {
    let node = Node::start(config()).await;
    let mut fan = node.follower("anna", "chat:demo").await;
    let mut oversize = vec![0x81, 0xFF];
    oversize.extend(65_537_u64.to_be_bytes());
    oversize.extend([0; 4]);
    let endless: Vec<u8> = std::iter::once(frame(0x01, b"x"))
        .chain((0..5).map(|_| frame(0x00, &[b'x'; 20_000])))
        .flatten()
        .collect();
    let cases: [(&str, Vec<u8>, u16); 12] = [
        ("unmasked", vec![0x81, 0x02, b'{', b'}'], 1002),
        ("reserved bit", frame(0xC1, b"{}"), 1002),
        ("reserved opcode", frame(0x83, b"{}"), 1002),
        ("fragmented ping", frame(0x09, b"x"), 1002),
        ("long ping", frame(0x89, &[b'x'; 126]), 1002),
        ("continuation of nothing", frame(0x80, b"{}"), 1002),
        ("bad close", frame(0x88, &[3]), 1002),
        ("not UTF-8", frame(0x81, &[0xC3, 0x28]), 1007),
        ("too big a frame", oversize, 1009),
        ("endless fragments", endless, 1009),
        ("binary", frame(0x82, b"\x01"), 1003),
        ("garbage JSON", frame(0x81, b"{\"id\":1,"), 3501),
    ];
    for (name, bytes, code) in cases {
        let mut peer = bare(&node, &[]).await;
        peer.write_all(&bytes)
            .await
            .expect("a socket that takes it");
        assert_eq!(close_code(&mut peer).await, code, "{name}");
        // Whatever came of that one, the others talk on.
        let offset = fan.say("chat:demo", name).await;
        assert_eq!(fan.publication().await, (offset, name.to_owned()));
    }
}

#[tokio::test]
async fn a_clean_close_is_answered_with_its_code() {
    let node = Node::start(config()).await;
    let mut peer = bare(&node, &[]).await;
    peer.write_all(&frame(0x88, &1001_u16.to_be_bytes()))
        .await
        .unwrap();
    assert_eq!(close_code(&mut peer).await, 1001);
}

/// What came in one segment with the handshake must not be lost on the way out of the HTTP server.
#[tokio::test]
async fn frames_behind_the_handshake_are_obeyed() {
    let node = Node::start(config()).await;
    let connect = format!(
        r#"{{"id":1,"connect":{{"token":"{}"}}}}"#,
        node.token("anna")
    );
    let mut peer = bare(&node, &frame(0x81, connect.as_bytes())).await;
    let mut reply = vec![0; 200];
    let read = timeout(PATIENCE, peer.read(&mut reply))
        .await
        .unwrap()
        .unwrap();
    let reply = String::from_utf8_lossy(&reply[..read]).into_owned();
    assert!(
        reply.contains(r#"{"id":1,"connect":{"client":""#),
        "{reply}"
    );
}

#[tokio::test]
async fn a_frame_in_single_bytes_is_a_frame() {
    let node = Node::start(config()).await;
    let mut peer = bare(&node, &[]).await;
    peer.set_nodelay(true).unwrap();
    let command = frame(0x81, br#"{"id":7,"connect":{}}"#);
    for byte in command {
        peer.write_all(&[byte]).await.unwrap();
    }
    let mut reply = [0; 9];
    timeout(PATIENCE, peer.read_exact(&mut reply))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&reply[2..], br#"{"id":7"#);
}

#[tokio::test]
async fn commands_out_of_turn_end_the_connection() {
    let node = Node::start(config()).await;
    let mut early = node.socket().await;
    early
        .ask("subscribe", json!({ "channel": "chat:demo" }))
        .await;
    assert_eq!(early.closed().await, 3501, "nothing comes before connect");
    let mut twice = node.fan("anna").await;
    twice
        .ask("connect", json!({ "token": node.token("anna") }))
        .await;
    assert_eq!(twice.closed().await, 3501, "nobody connects twice");
    let mut nameless = node.fan("anna").await;
    nameless
        .send(r#"{"publish":{"channel":"chat:demo"}}"#)
        .await;
    assert_eq!(nameless.closed().await, 3501, "a command has an id");
    let mut crowd = node.fan("anna").await;
    crowd.send("{\"id\":5,\"ping\":{}}\n".repeat(65)).await;
    assert_eq!(
        crowd.closed().await,
        3501,
        "a frame has at most 64 commands"
    );
}

#[tokio::test]
async fn commands_per_second_are_bounded() {
    let node = Node::start(fanwave_gateway::GatewayConfig {
        commands_per_second: 1.try_into().unwrap(),
        ..config()
    })
    .await;
    let mut flood = node.fan("anna").await;
    for _ in 0..100 {
        if flood
            .socket
            .send(Message::text(r#"{"id":9,"ping":{}}"#))
            .await
            .is_err()
        {
            break;
        }
    }
    assert_eq!(flood.closed().await, 3013);
}

/// Somebody who asks and asks and never reads is cut at the bound of what may wait for one socket.
#[tokio::test]
async fn who_asks_without_reading_is_cut() {
    let node = Node::start(fanwave_gateway::GatewayConfig {
        socket_send_bytes: 4096,
        close_timeout: Duration::from_millis(200),
        ..config()
    })
    .await;
    let mut fan = node.follower("anna", "chat:demo").await;
    for n in 0..200 {
        fan.say("chat:demo", &format!("{n} {}", "x".repeat(490)))
            .await;
    }
    let mut greedy: Fan = node.narrow_socket().await;
    greedy.log_in(&node.token("greedy")).await;
    let before = node.gateway.connections();
    // Some 130 KB an answer: a dozen of them are over the bound.
    for _ in 0..20 {
        greedy
            .ask(
                "history",
                json!({ "channel": "chat:demo", "limit": 200, "reverse": true }),
            )
            .await;
    }
    // The node's bound is what ends it; the fan who talks is the clock.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while node.gateway.connections() >= before {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the greedy one is still there"
        );
        fan.say("chat:demo", "meanwhile").await;
    }
    assert!(
        node.metrics()
            .contains(r#"fanwave_gateway_closes_total{code="3008"} 1"#),
        "{}",
        node.metrics()
    );
}
