//! An operator's own server that decides about publishers: a real one, over HTTP.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

use super::DEADLINE;
use crate::{Answer, Endpoint, EndpointError, Post};

/// What it was asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) content_type: String,
    pub(super) signature: String,
    pub(super) body: String,
}

/// How it answers: a status, a location and a body; `None` never answers.
pub(super) type Reply = Option<(u16, &'static str, &'static str)>;

type Decide = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

#[derive(Clone)]
struct Bench {
    decide: Decide,
    asked: mpsc::Sender<Asked>,
}

pub(super) struct Authority {
    addr: SocketAddr,
    asked: mpsc::Receiver<Asked>,
    server: JoinHandle<()>,
}

impl Authority {
    /// One that decides by the body of the question.
    pub(super) async fn start(decide: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, asked) = mpsc::channel(1_024);
        let bench = Bench {
            decide: Arc::new(decide),
            asked: sender,
        };
        let router = Router::new().route("/may", post(answer)).with_state(bench);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            addr,
            asked,
            server,
        }
    }

    pub(super) fn endpoint(&self) -> Arc<dyn Endpoint> {
        Arc::new(RawEndpoint(self.addr))
    }

    /// The next question.
    pub(super) async fn asked(&mut self) -> Asked {
        let next = timeout(DEADLINE, self.asked.recv()).await;
        next.expect("a question in time").expect("the server runs")
    }

    /// Whether there was no question that nobody has taken.
    pub(super) fn was_left_alone(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(bench): State<Bench>, headers: HeaderMap, body: String) -> Response {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let reply = (bench.decide)(&body);
    let asked = Asked {
        content_type: header("content-type"),
        signature: header("fanwave-signature"),
        body,
    };
    bench.asked.send(asked).await.ok();
    let Some((status, location, body)) = reply else {
        return std::future::pending().await;
    };
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::LOCATION, location)], body).into_response()
}

/// HTTP/1.1 by hand: the root's client is not this crate's.
#[derive(Debug)]
struct RawEndpoint(SocketAddr);

impl Endpoint for RawEndpoint {
    fn post(&self, post: Post) -> BoxFuture<'static, Result<Answer, EndpointError>> {
        Box::pin(exchange(self.0, post))
    }
}

async fn exchange(addr: SocketAddr, post: Post) -> Result<Answer, EndpointError> {
    let failed = |error: std::io::Error| EndpointError(error.to_string());
    let mut socket = TcpStream::connect(addr).await.map_err(failed)?;
    let head = format!(
        "POST /may HTTP/1.1\r\nHost: fanwave\r\nConnection: close\r\nContent-Type: {}\r\nFanwave-Signature: {}\r\nContent-Length: {}\r\n\r\n",
        post.content_type,
        post.signature.unwrap_or_default(),
        post.body.len()
    );
    socket.write_all(head.as_bytes()).await.map_err(failed)?;
    socket.write_all(&post.body).await.map_err(failed)?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.map_err(failed)?;
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let location = head
        .lines()
        .find_map(|line| line.strip_prefix("location: "))
        .filter(|location| !location.is_empty());
    Ok(Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        location: location.map(str::to_owned),
        body: body.to_owned().into(),
    })
}
