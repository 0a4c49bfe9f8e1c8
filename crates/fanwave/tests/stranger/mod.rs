//! How strangers meet a server: HTTP, and a chat client that asks one thing after the other.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, StatusCode, body::Bytes};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// Nothing here takes this long; whatever does has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the answer is JSON")
    }
}

pub(crate) async fn http(server: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let exchange = async {
        let stream = TcpStream::connect(server).await.expect("the port is open");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("HTTP is spoken there");
        let driver = tokio::spawn(connection);
        let response = sender
            .send_request(request)
            .await
            .expect("there is an answer");
        let (parts, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .expect("the answer is whole")
            .to_bytes();
        driver.abort();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).expect("the answer is text"),
        }
    };
    timeout(DEADLINE, exchange)
        .await
        .expect("the answer comes in time")
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    let request = Request::get(path)
        .header("host", address.to_string())
        .body(Full::default());
    http(address, request.expect("the request is well-formed")).await
}

async fn guest_token(address: SocketAddr, name: &str) -> String {
    let body = Bytes::from(json!({"name": name}).to_string());
    let request = Request::post("/api/v1/guests")
        .header("host", address.to_string())
        .body(Full::new(body));
    let answer = http(address, request.expect("the request is well-formed")).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    answer.json()["token"]
        .as_str()
        .expect("there is a token")
        .to_owned()
}

/// A chat client that asks one thing after the other.
pub(crate) struct Fan {
    pub(crate) socket: WebSocketStream<TcpStream>,
    asked: u32,
    /// Publications that came while something else was waited for.
    heard: Vec<String>,
}

impl Fan {
    pub(crate) async fn connect(server: SocketAddr, name: &str) -> Self {
        let token = guest_token(server, name).await;
        let stream = TcpStream::connect(server).await.expect("the port is open");
        let url = format!("ws://{server}/connection/websocket");
        let (socket, _) = client_async(url, stream)
            .await
            .expect("the handshake is taken");
        let mut fan = Self {
            socket,
            asked: 0,
            heard: Vec::new(),
        };
        fan.ask("connect", json!({"token": token})).await;
        fan
    }

    /// Sends a command and returns its result.
    pub(crate) async fn ask(&mut self, method: &str, request: Value) -> Value {
        let reply = self.try_ask(method, request).await;
        assert_eq!(reply["error"], Value::Null, "{method} is not refused");
        reply[method].clone()
    }

    /// Sends a command and returns the reply, which may be an error.
    pub(crate) async fn try_ask(&mut self, method: &str, request: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        let command = json!({"id": id, method: request}).to_string();
        self.socket
            .send(Message::text(command))
            .await
            .expect("the command is sent");
        loop {
            let reply = self.read().await;
            if reply["id"] == id {
                return reply;
            }
        }
    }

    /// Reads until this text was published.
    pub(crate) async fn hear(&mut self, text: &str) {
        while !self.heard.iter().any(|heard| heard == text) {
            self.read().await;
        }
    }

    async fn read(&mut self) -> Value {
        loop {
            let message = timeout(DEADLINE, self.socket.next())
                .await
                .expect("something comes in time");
            let message = message
                .expect("the connection is open")
                .expect("the frame is well-formed");
            let Message::Text(text) = message else {
                continue;
            };
            let mut replies: Vec<Value> = text
                .lines()
                .map(|line| serde_json::from_str(line).expect("every line is JSON"))
                .collect();
            for reply in &replies {
                if let Some(text) = reply["push"]["pub"]["data"]["text"].as_str() {
                    self.heard.push(text.to_owned());
                }
            }
            let answer = replies
                .iter()
                .position(|reply| reply.get("id").is_some())
                .unwrap_or(0);
            return replies.swap_remove(answer);
        }
    }
}
