//! Fans whom no WebSocket reaches: they listen on one response and speak by other requests, and get what all others get.

mod support;

use std::time::Duration;

use fanwave_gateway::{GatewayConfig, OriginPolicy};
use fanwave_wire::Role;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use support::{Node, PATIENCE, config, publications};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const STREAM: &str = "/connection/http_stream";
const EMULATION: &str = "/emulation";

/// One request on a connection of its own.
async fn request(node: &Node, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let socket = TcpStream::connect(node.addr).await.expect("a connection");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .expect("HTTP");
    tokio::spawn(connection);
    timeout(PATIENCE, sender.send_request(request))
        .await
        .expect("in time")
        .expect("an answer")
}

fn post(node: &Node, path: &str, body: &str) -> Request<Full<Bytes>> {
    Request::post(path)
        .header(header::HOST, node.addr.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body.to_owned()))
        .expect("a request")
}

/// A fan on a stream.
struct Listener {
    body: Incoming,
    heard: Vec<u8>,
    session: String,
    node_name: String,
}

impl Listener {
    /// Connects by the body of a stream's request.
    async fn connect(node: &Node, user: &str) -> Self {
        let connect = json!({ "id": 1, "connect": { "token": node.token(user) } });
        let response = request(node, post(node, STREAM, &connect.to_string())).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self::begin(response, "").await
    }

    /// Connects by the query of an event source.
    async fn connect_to_events(node: &Node, user: &str) -> Self {
        let token = node.token(user);
        let query =
            format!("%7B%22id%22%3A1%2C%22connect%22%3A%7B%22token%22%3A%22{token}%22%7D%7D");
        let get = Request::get(format!("/connection/sse?cf_connect={query}"))
            .header(header::HOST, node.addr.to_string())
            .body(Full::default())
            .expect("a request");
        let response = request(node, get).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            response.headers()["content-type"],
            "text/event-stream; charset=utf-8"
        );
        Self::begin(response, "data: ").await
    }

    async fn begin(response: Response<Incoming>, prefix: &str) -> Self {
        let mut listener = Self {
            body: response.into_body(),
            heard: Vec::new(),
            session: String::new(),
            node_name: String::new(),
        };
        let line = listener.line().await.expect("a reply");
        let reply: Value =
            serde_json::from_str(line.strip_prefix(prefix).expect("the prefix")).expect("JSON");
        let text = |field: &str| reply["connect"][field].as_str().expect("named").to_owned();
        (listener.session, listener.node_name) = (text("session"), text("node"));
        assert!(listener.session.len() > 32, "128 bits at least");
        listener
    }

    /// The next line that is not blank, or `None` at the end of the stream.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                let line = String::from_utf8(line).expect("text");
                if line.trim().is_empty() {
                    continue;
                }
                return Some(line.trim_end().to_owned());
            }
            let frame = timeout(PATIENCE, self.body.frame())
                .await
                .expect("in time")?;
            self.heard
                .extend_from_slice(&frame.expect("a whole stream").into_data().expect("data"));
        }
    }

    /// The next that is said, pings left out.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let line = self.line().await?;
            let line = line.strip_prefix("data: ").unwrap_or(&line);
            if line != "{}" {
                return Some(serde_json::from_str(line).expect("JSON"));
            }
        }
    }

    fn words(&self, command: &Value) -> String {
        json!({ "session": self.session, "node": self.node_name, "data": command.to_string() })
            .to_string()
    }

    /// Sends a command by a request of its own, and waits for its reply on the stream.
    async fn command(&mut self, node: &Node, command: Value) -> Value {
        let answer = request(node, post(node, EMULATION, &self.words(&command))).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        loop {
            let said = self.next().await.expect("a reply");
            if said["id"] == command["id"] {
                return said;
            }
        }
    }
}

#[tokio::test]
async fn fans_on_every_transport_hear_the_same_in_the_same_order() {
    let node = Node::start(config()).await;
    let mut socket = node.follower("socket", "room:demo").await;
    let mut stream = Listener::connect(&node, "stream").await;
    let mut events = Listener::connect_to_events(&node, "events").await;
    let subscribe = json!({ "id": 2, "subscribe": { "channel": "room:demo" } });
    for fan in [&mut stream, &mut events] {
        let reply = fan.command(&node, subscribe.clone()).await;
        assert!(reply["subscribe"]["epoch"].is_string(), "{reply}");
    }
    let mut artist = node.socket().await;
    let token = node.token_of("moon", Role::Artist, support::now() + 600_000);
    artist.log_in(&token).await;
    for n in 1..=50 {
        artist.say("room:demo", &format!("message {n} of 50")).await;
    }
    for n in 1..=50_u64 {
        let text = format!("message {n} of 50");
        assert_eq!(socket.publication().await, (n, text.clone()));
        for fan in [&mut stream, &mut events] {
            let said = fan.next().await.expect("a message");
            assert_eq!(
                support::offset_and_text(&said["push"]["pub"]),
                (n, text.clone())
            );
        }
    }
    // And they are heard: an acknowledgement on the stream, the message on the socket.
    let publish =
        json!({ "id": 3, "publish": { "channel": "chat:demo", "data": { "text": "hi" } } });
    let reply = stream.command(&node, publish).await;
    assert_eq!(reply["publish"]["offset"], 1, "{reply}");
    assert_eq!(node.gateway.connections(), 4);
}

#[tokio::test]
async fn a_fan_whose_stream_was_cut_recovers_what_it_missed() {
    let node = Node::start(config()).await;
    let mut writer = node.fan("writer").await;
    let mut stream = Listener::connect(&node, "stream").await;
    let subscribe = json!({ "id": 2, "subscribe": { "channel": "chat:demo" } });
    let stood = stream.command(&node, subscribe).await;
    let epoch = stood["subscribe"]["epoch"].clone();
    drop(stream);
    for n in 1..=3 {
        writer.say("chat:demo", &format!("{n}")).await;
    }
    let mut back = Listener::connect(&node, "stream").await;
    let from = json!({ "channel": "chat:demo", "recover": true, "epoch": epoch });
    let reply = back
        .command(&node, json!({ "id": 2, "subscribe": from }))
        .await;
    assert_eq!(reply["subscribe"]["recovered"], true, "{reply}");
    let missed = publications(&reply["subscribe"]);
    let expected: Vec<_> = (1..=3).map(|n| (n, format!("{n}"))).collect();
    assert_eq!(missed, expected);
}

#[tokio::test]
async fn a_stream_ends_with_a_word_of_why() {
    let node = Node::start(config()).await;
    let mut stream = Listener::connect(&node, "stream").await;
    // A second connect is against the protocol.
    let words = stream.words(&json!({ "id": 2, "connect": {} }));
    let answer = request(&node, post(&node, EMULATION, &words)).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let said = stream.next().await.expect("the reason");
    assert_eq!(said["push"]["disconnect"]["code"], 3501, "{said}");
    assert_eq!(stream.line().await, None, "the end of the stream");
    // The session is gone; its client has been told by the end of the stream.
    let answer = request(&node, post(&node, EMULATION, &words)).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);

    let mut other = Listener::connect(&node, "other").await;
    let (stopped, said) =
        tokio::join!(node.gateway.shutdown(Duration::from_secs(10)), other.next());
    assert_eq!(stopped, Ok(()));
    let farewell = &said.expect("why")["push"]["disconnect"];
    assert_eq!(farewell["code"], 3001);
    assert_eq!(farewell["reason"], "shutdown; after=0", "with a slot");
    assert_eq!(other.line().await, None);
}

#[tokio::test]
async fn words_for_nobody_are_answered_in_http() {
    let node = Node::start(config()).await;
    let stream = Listener::connect(&node, "stream").await;
    let say = |session: &str, name: &str| {
        json!({ "session": session, "node": name, "data": "{}" }).to_string()
    };
    let name = stream.node_name.as_str();
    let guessed = format!("0-{:032x}", 1);
    for (body, status) in [
        (say(&stream.session, name), StatusCode::NO_CONTENT),
        (say(&guessed, name), StatusCode::NO_CONTENT),
        (say(&stream.session, "another"), StatusCode::NOT_FOUND),
        (say("no session", name), StatusCode::BAD_REQUEST),
        ("{".to_owned(), StatusCode::BAD_REQUEST),
        ("x".repeat(64 * 1024 + 1), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let answer = request(&node, post(&node, EMULATION, &body)).await;
        assert_eq!(answer.status(), status, "{}", &body[..body.len().min(80)]);
    }
    let not_a_frame = request(&node, post(&node, STREAM, "hello")).await;
    let mut ended = Listener {
        body: not_a_frame.into_body(),
        heard: Vec::new(),
        session: String::new(),
        node_name: String::new(),
    };
    let said = ended.next().await.expect("why");
    assert_eq!(said["push"]["disconnect"]["code"], 3501);
    assert_eq!(ended.next().await, None);
}

#[tokio::test]
async fn only_pages_that_may_come_are_told_that_they_may() {
    let node = Node::start(GatewayConfig {
        origins: OriginPolicy::Listed(vec!["https://fans.example".to_owned()]),
        ..config()
    })
    .await;
    for path in [STREAM, EMULATION, "/connection/sse"] {
        let asks = |origin: &str, method: Method| {
            Request::builder()
                .method(method)
                .uri(path)
                .header(header::HOST, node.addr.to_string())
                .header(header::ORIGIN, origin)
                .body(Full::<Bytes>::default())
                .expect("a request")
        };
        let method = if path.ends_with("sse") {
            Method::GET
        } else {
            Method::OPTIONS
        };
        let told = request(&node, asks("https://fans.example", method.clone())).await;
        assert!(told.status().is_success(), "{path}: {}", told.status());
        assert_eq!(
            told.headers()["access-control-expose-headers"],
            "retry-after"
        );
        assert_eq!(
            told.headers()["access-control-allow-origin"],
            "https://fans.example"
        );
        assert_eq!(told.headers()["vary"], "origin");
        let refused = request(&node, asks("https://evil.example", method)).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path}");
        assert!(
            !refused
                .headers()
                .contains_key("access-control-allow-origin")
        );
    }
}

/// The data of a body in chunks (RFC 9112, section 7.1), which must be whole.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let line = body.iter().position(|b| *b == b'\r').expect("a size");
        let size = std::str::from_utf8(&body[..line]).expect("text");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return data;
        }
        let from = line + 2;
        data.extend_from_slice(&body[from..from + size]);
        body = &body[from + size + 2..];
    }
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_cut_with_3008() {
    let node = Node::start(GatewayConfig {
        room_log_bytes: 20_000,
        socket_send_bytes: 4096,
        close_timeout: Duration::from_secs(60),
        tick: Duration::from_millis(1),
        ..config()
    })
    .await;
    let mut slow = support::narrow(node.addr).await;
    let connect = json!({ "id": 1, "connect": { "token": node.token("slow") } });
    let subscribe = json!({ "id": 2, "subscribe": { "channel": "room:demo" } });
    let body = format!("{connect}\n{subscribe}");
    let head = format!(
        "POST {STREAM} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        node.addr,
        body.len()
    );
    let asked = slow.write_all((head + &body).as_bytes()).await;
    asked.expect("a connection");
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("\"epoch\"") {
        let read = timeout(PATIENCE, slow.read_buf(&mut heard)).await;
        assert_ne!(read.expect("in time").expect("an answer"), 0);
    }

    // It reads no more. How much the kernel and the HTTP server hold for it is theirs to say.
    let mut quick = node.follower("quick", "room:demo").await;
    let mut artist = node.socket().await;
    let token = node.token_of("moon", Role::Artist, support::now() + 600_000);
    artist.log_in(&token).await;
    let cut = r#"fanwave_gateway_slow_cuts_total{reason="lapped"} 1"#;
    let mut said = 0;
    while !node.metrics().contains(cut) {
        said += 1;
        assert!(said < 5_000, "nobody was cut");
        let text = format!("{said} {}", "x".repeat(490));
        assert_eq!(artist.say("room:demo", &text).await, said);
        assert_eq!(quick.publication().await, (said, text));
    }
    let read = timeout(PATIENCE, slow.read_to_end(&mut heard)).await;
    read.expect("in time").expect("a whole answer");
    let begin = heard.windows(4).position(|end| end == b"\r\n\r\n");
    let body = unchunked(&heard[begin.expect("a head") + 4..]);
    let body = String::from_utf8(body).expect("text");
    let mut replies: Vec<Value> = body
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let why = replies.pop().expect("the reason");
    assert_eq!(why["push"]["disconnect"]["code"], 3008, "{why}");
    // Before it, an unbroken beginning.
    let offsets: Vec<u64> = replies
        .iter()
        .filter_map(|reply| reply["push"]["pub"]["offset"].as_u64())
        .collect();
    let last = offsets.len() as u64;
    assert_eq!(offsets, (1..=last).collect::<Vec<_>>());
    assert!(last < said, "{last} of {said}");
}
