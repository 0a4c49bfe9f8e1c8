//! Fans who have their messages compressed: what a room says in a tick is one message for all of them, and it is what
//! others are told, too.

mod support;

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use fanwave_gateway::{Compression, GatewayConfig};
use fanwave_wire::ws::Inflater;
use serde_json::{Value, json};
use support::{Node, PATIENCE, offset_and_text, one_reactor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const TEXT: u8 = 1;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const MASKED: u8 = 0x80;

/// A message as it crossed the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    is_compressed: bool,
    payload: Vec<u8>,
}

/// A client that sees frames: the library of the other tests knows no compression.
struct RawFan {
    socket: TcpStream,
    inflater: Inflater,
}

impl RawFan {
    /// Upgrades with an offer of compression, and answers what the server made of the offer.
    async fn open(door: SocketAddr) -> (Self, Option<String>) {
        let mut socket = TcpStream::connect(door).await.expect("a connection");
        let request = format!(
            "GET /connection/websocket HTTP/1.1\r\nHost: {door}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
        );
        socket
            .write_all(request.as_bytes())
            .await
            .expect("a request");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = timeout(PATIENCE, socket.read_u8()).await.expect("in time");
            head.push(byte.expect("an answer"));
        }
        let head = String::from_utf8(head).expect("text").to_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        let agreed = head
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-extensions: "))
            .map(str::to_owned);
        let inflater = Inflater::new();
        (Self { socket, inflater }, agreed)
    }

    /// A fan who follows a channel.
    async fn follower(node: &Node, user: &str, channel: &str) -> Self {
        let (mut fan, agreed) = Self::open(node.doors()[0]).await;
        let agreed = agreed.expect("compression");
        assert!(agreed.contains("server_no_context_takeover"), "{agreed}");
        let connect = json!({ "id": 1, "connect": { "token": node.token(user) } });
        fan.send(&connect.to_string()).await;
        let subscribe = json!({ "id": 2, "subscribe": { "channel": channel } });
        fan.send(&subscribe.to_string()).await;
        for reply in ["connect", "subscribe"] {
            let frame = fan.frame().await;
            assert!(
                !frame.is_compressed,
                "what is for one alone is sent as it is"
            );
            assert!(fan.replies(&frame)[0][reply].is_object());
        }
        fan
    }

    /// Sends one masked text frame; a mask of zeros is one.
    async fn send(&mut self, text: &str) {
        let mut frame = vec![FIN | TEXT];
        match u8::try_from(text.len()) {
            Ok(length) if length < 126 => frame.push(MASKED | length),
            _ => {
                frame.push(MASKED | 126);
                frame.extend(u16::try_from(text.len()).expect("short").to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.socket.write_all(&frame).await.expect("an open socket");
    }

    /// The next frame that is not the server's ping.
    async fn frame(&mut self) -> Frame {
        loop {
            let frame = timeout(PATIENCE, self.read_frame()).await.expect("in time");
            let frame = frame.expect("an open socket");
            if frame.payload != b"{}" {
                return frame;
            }
            self.send("{}").await;
        }
    }

    async fn read_frame(&mut self) -> std::io::Result<Frame> {
        let first = self.socket.read_u8().await?;
        assert_eq!(first & !RSV1, FIN | TEXT, "a whole message of text");
        let length = match self.socket.read_u8().await? {
            126 => self.socket.read_u16().await?.into(),
            127 => self.socket.read_u64().await?,
            short => short.into(),
        };
        let mut payload = vec![0; usize::try_from(length).expect("small")];
        self.socket.read_exact(&mut payload).await?;
        let is_compressed = first & RSV1 != 0;
        Ok(Frame {
            is_compressed,
            payload,
        })
    }

    /// The replies of a frame.
    fn replies(&mut self, frame: &Frame) -> Vec<Value> {
        let text = if frame.is_compressed {
            self.inflater
                .inflate(&frame.payload, 1 << 20)
                .expect("a deflated message")
        } else {
            &frame.payload
        };
        let text = std::str::from_utf8(text).expect("UTF-8");
        text.split('\n')
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// Frames until one says `word`.
    async fn frames_until(&mut self, word: &str) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let frame = self.frame().await;
            let said = self.replies(&frame);
            frames.push(frame);
            if said
                .iter()
                .any(|said| said["push"]["pub"]["data"]["text"] == word)
            {
                return frames;
            }
        }
    }

    /// Offsets and texts of the publications in frames.
    fn publications(&mut self, frames: &[Frame]) -> Vec<(u64, String)> {
        let said: Vec<Value> = frames
            .iter()
            .flat_map(|frame| self.replies(frame))
            .collect();
        said.iter()
            .map(|said| &said["push"]["pub"])
            .filter(|publication| publication["data"]["text"].is_string())
            .map(offset_and_text)
            .collect()
    }
}

fn publishes(texts: &[String]) -> String {
    let commands: Vec<String> = texts
        .iter()
        .zip(10..)
        .map(|(text, id)| {
            let publish = json!({ "channel": "chat:demo", "data": { "text": text } });
            json!({ "id": id, "publish": publish }).to_string()
        })
        .collect();
    commands.join("\n")
}

#[tokio::test]
async fn a_tick_is_compressed_once_for_all_who_want_it() {
    let node = Node::start(GatewayConfig {
        tick: Duration::from_millis(300),
        ..one_reactor()
    })
    .await;
    let mut plain = node.follower("plain", "chat:demo").await;
    let mut first = RawFan::follower(&node, "first", "chat:demo").await;
    let mut second = RawFan::follower(&node, "second", "chat:demo").await;
    let texts: Vec<String> = (1..=16).map(|n| format!("message {n} of 16")).collect();
    let expected: Vec<(u64, String)> = (1..).zip(texts.clone()).collect();
    let mut writer = node.fan("writer").await;
    writer.send(publishes(&texts)).await;

    let frames = first.frames_until("message 16 of 16").await;
    let same = second.frames_until("message 16 of 16").await;
    assert_eq!(frames, same, "the same bytes go to both");
    assert!(frames.iter().all(|frame| frame.is_compressed));
    assert!(frames.len() < texts.len() / 2, "a tick is one message");
    assert_eq!(first.publications(&frames), expected);
    for message in expected {
        assert_eq!(plain.publication().await, message);
    }

    // A reactor adds up its counts at the end of its turn; this is answered in a later one.
    plain.command("ping", json!({})).await;
    let before = metric(&node, "fanwave_gateway_compressed_before_bytes_total");
    let after = metric(&node, "fanwave_gateway_compressed_after_bytes_total");
    let sent: usize = frames.iter().map(|frame| frame.payload.len()).sum();
    assert!(
        after >= sent && after < sent + 10 * frames.len(),
        "{after} bytes were compressed to, {sent} were sent to each: once, not once a fan"
    );
    assert!(before > 2 * after, "{before} became {after}");
}

fn metric(node: &Node, name: &str) -> usize {
    let metrics = node.metrics();
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| unreachable!("no {name} in {metrics}"))
}

#[tokio::test]
async fn what_one_fan_alone_is_shown_is_not_compressed() {
    let mut config = one_reactor();
    config.governor.shown_per_second = 1;
    let node = Node::start(config).await;
    let mut anna = RawFan::follower(&node, "anna", "chat:demo").await;
    let mut bora = RawFan::follower(&node, "bora", "chat:demo").await;
    let texts: Vec<String> = (1..=16).map(|n| format!("mine {n}")).collect();
    anna.send(&publishes(&texts)).await;

    // A sender sees everything of their own, at once or when its tick is over.
    let mut shown = Vec::new();
    let mut alone = BTreeSet::new();
    while shown.len() < texts.len() {
        let frame = anna.frame().await;
        let told = anna.publications(std::slice::from_ref(&frame));
        if !frame.is_compressed {
            alone.extend(told.iter().map(|(_, text)| text.clone()));
        }
        shown.extend(told.into_iter().map(|(_, text)| text));
    }
    shown.sort_unstable();
    let mut all = texts.clone();
    all.sort_unstable();
    assert_eq!(shown, all);
    assert!(alone.len() > texts.len() / 2, "{alone:?}");

    // The others are shown the rest, and how many there were.
    let mut heard = BTreeSet::new();
    let mut more = 0;
    while heard.len() as u64 + more < 16 {
        let frame = bora.frame().await;
        assert!(
            frame.is_compressed,
            "{}",
            String::from_utf8_lossy(&frame.payload)
        );
        for said in bora.replies(&frame) {
            let data = &said["push"]["pub"]["data"];
            more += data["count"].as_u64().unwrap_or(0);
            heard.extend(data["text"].as_str().map(str::to_owned));
        }
    }
    assert!(heard.is_disjoint(&alone), "{heard:?} and {alone:?}");
    assert_eq!(alone.len() as u64, more);
}

#[tokio::test]
async fn a_node_may_pass_over_every_offer() {
    let node = Node::start(GatewayConfig {
        compression: Compression::Never,
        ..one_reactor()
    })
    .await;
    for door in node.doors() {
        let (_, agreed) = RawFan::open(door).await;
        assert_eq!(agreed, None);
    }
}
