//! A node in this process: hyper in front, the gateway behind, an engine under it; and fans who speak to it over real
//! sockets. Every wait is for an event and has a deadline.

#![expect(dead_code, reason = "each test file uses its part")]

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fanwave_bus::{Engine, memory::MemoryEngine};
use fanwave_gateway::{Gateway, GatewayConfig};
use fanwave_store::Store;
use fanwave_wire::{
    Role, Sender, UnixMillis, UserId,
    token::{Claims, TokenKey},
};
use futures_util::{SinkExt, StreamExt};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// How long any one event may take; far longer than it does, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A node under test.
pub(crate) struct Node {
    pub(crate) gateway: Gateway,
    /// The HTTP port.
    pub(crate) addr: SocketAddr,
    /// Counts the sockets that were opened: they come in by the HTTP port and by the reactors' own in turn.
    opened: AtomicUsize,
    pub(crate) key: TokenKey,
    pub(crate) registry: Registry,
    server: JoinHandle<()>,
    _folder: Option<tempfile::TempDir>,
}

/// A configuration without the rate limits that would only be in a test's way. Two reactors on any machine, so that
/// fans of one room are seldom on the same.
pub(crate) fn config() -> GatewayConfig {
    let mut config = GatewayConfig {
        reactors: 2.try_into().expect("not zero"),
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        commands_per_second: 10_000.try_into().expect("not zero"),
        ..GatewayConfig::default()
    };
    config.rules.refill = Duration::ZERO;
    config.governor.shown_per_second = 0;
    config
}

/// The same with one reactor, for tests that count what the engine is asked.
pub(crate) fn one_reactor() -> GatewayConfig {
    GatewayConfig {
        reactors: 1.try_into().expect("not zero"),
        ..config()
    }
}

impl Node {
    /// A node with the in-process engine over a store of its own.
    pub(crate) async fn start(config: GatewayConfig) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("log.db"))
            .await
            .expect("a store");
        let mut node = Self::with_engine(config, Arc::new(MemoryEngine::open(store))).await;
        node._folder = Some(folder);
        node
    }

    /// A node with an engine of the test's.
    pub(crate) async fn with_engine(config: GatewayConfig, engine: Arc<dyn Engine>) -> Self {
        let key = TokenKey::new(&[7; 32]).expect("long enough");
        let mut registry = Registry::default();
        let gateway =
            Gateway::start(config, engine, key.clone(), &mut registry).expect("a gateway");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let server = tokio::spawn(serve(listener, gateway.router()));
        Self {
            gateway,
            addr,
            opened: AtomicUsize::new(0),
            key,
            registry,
            server,
            _folder: None,
        }
    }

    /// The metrics as an operator reads them.
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("metrics");
        text
    }

    /// A token of a fan, valid for an hour.
    pub(crate) fn token(&self, user: &str) -> String {
        self.token_of(user, Role::Fan, now() + 3_600_000)
    }

    /// Any token.
    pub(crate) fn token_of(&self, user: &str, role: Role, expires_at: u64) -> String {
        let sender = Sender {
            user: UserId(user.into()),
            name: user.into(),
            role,
            badge: None,
        };
        let claims = Claims::new(sender, UnixMillis(now() - 60_000), UnixMillis(expires_at))
            .expect("claims");
        self.key.issue(&claims)
    }

    /// An open socket that has said nothing yet.
    pub(crate) async fn socket(&self) -> Fan {
        let door = self.next_door();
        let stream = TcpStream::connect(door).await.expect("a connection");
        Fan::upgrade(stream, door).await
    }

    /// The ways in: the HTTP port and the reactors' own.
    pub(crate) fn doors(&self) -> Vec<SocketAddr> {
        [&[self.addr][..], self.gateway.addresses()].concat()
    }

    fn next_door(&self) -> SocketAddr {
        let doors = self.doors();
        doors[self.opened.fetch_add(1, Ordering::Relaxed) % doors.len()]
    }

    /// A socket that can hold little that its fan has not read.
    pub(crate) async fn narrow_socket(&self) -> Fan {
        let door = self.next_door();
        Fan::upgrade(narrow(door).await, door).await
    }

    /// A connected fan.
    pub(crate) async fn fan(&self, user: &str) -> Fan {
        let mut fan = self.socket().await;
        fan.log_in(&self.token(user)).await;
        fan
    }

    /// A connected fan who follows a channel.
    pub(crate) async fn follower(&self, user: &str, channel: &str) -> Fan {
        let mut fan = self.fan(user).await;
        fan.subscribe(channel).await;
        fan
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A connection that can hold little that is not read.
pub(crate) async fn narrow(door: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .set_recv_buffer_size(16 * 1024)
        .expect("a small buffer");
    socket.connect(door).await.expect("a connection")
}

async fn serve(listener: TcpListener, router: axum::Router) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(router.clone());
        // What a reader leaves unread lies with its fan's log, not in a buffer that the kernel lets grow.
        SockRef::from(&stream)
            .set_send_buffer_size(16 * 1024)
            .expect("a small buffer");
        tokio::spawn(async move {
            let mut http = hyper::server::conn::http1::Builder::new();
            http.max_buf_size(16 * 1024);
            // A refused or broken handshake is the client's to see.
            drop(
                http.serve_connection(TokioIo::new(stream), service)
                    .with_upgrades()
                    .await,
            );
        });
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    u64::try_from(since.as_millis()).expect("before the year 584 million")
}

/// A fan's client: a command and its reply at a time, pushes in a queue of their own.
pub(crate) struct Fan {
    pub(crate) socket: WebSocketStream<Box<dyn Duplex>>,
    pub(crate) answers_pings: bool,
    pub(crate) pings: usize,
    next_id: u32,
    pushes: VecDeque<Value>,
}

/// Where a subscription stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
}

/// What a fan's socket may be: bare, or under TLS.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Fan {
    /// A fan over a stream that is open.
    pub(crate) async fn upgrade(stream: impl Duplex + 'static, addr: SocketAddr) -> Self {
        let stream: Box<dyn Duplex> = Box::new(stream);
        let url = format!("ws://{addr}/connection/websocket");
        let small = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0);
        let upgraded = tokio_tungstenite::client_async_with_config(url, stream, Some(small));
        let (socket, _) = timeout(PATIENCE, upgraded)
            .await
            .expect("in time")
            .expect("an upgrade");
        Self {
            socket,
            answers_pings: true,
            pings: 0,
            next_id: 0,
            pushes: VecDeque::new(),
        }
    }

    /// Sends one text frame.
    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.socket
            .send(Message::text(text.into()))
            .await
            .expect("a socket that takes it");
    }

    /// Sends a command, and answers its id.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> u32 {
        self.next_id += 1;
        let id = self.next_id;
        let mut command = json!({ "id": id });
        command[method] = params;
        self.send(command.to_string()).await;
        id
    }

    /// Sends a command and waits for its whole reply.
    pub(crate) async fn command(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        self.reply(id).await
    }

    /// Waits for the reply to a command; pushes that come before it are kept.
    pub(crate) async fn reply(&mut self, id: u32) -> Value {
        loop {
            let said = self.next().await.expect("an open connection");
            if said["id"] == id {
                return said;
            }
            assert!(said.get("push").is_some(), "unexpected: {said}");
            self.pushes.push_back(said);
        }
    }

    /// What the server says next beside pings, or the code it closed with.
    pub(crate) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let message = timeout(PATIENCE, self.socket.next())
                .await
                .expect("something in time");
            match message {
                Some(Ok(Message::Text(text))) if text.as_str() == "{}" => {
                    self.pings += 1;
                    if self.answers_pings {
                        self.send("{}").await;
                    }
                }
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// Reads until the server closes, and answers its code.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    /// Waits for the next push.
    pub(crate) async fn push(&mut self) -> Value {
        if let Some(push) = self.pushes.pop_front() {
            return push["push"].clone();
        }
        let said = self.next().await.expect("an open connection");
        assert!(said.get("push").is_some(), "not a push: {said}");
        said["push"].clone()
    }

    /// Waits for the next publication: its offset and its text.
    pub(crate) async fn publication(&mut self) -> (u64, String) {
        let push = self.push().await;
        offset_and_text(&push["pub"])
    }

    pub(crate) async fn log_in(&mut self, token: &str) -> Value {
        let reply = self.command("connect", json!({ "token": token })).await;
        assert!(reply["connect"]["client"].is_string(), "{reply}");
        reply["connect"].clone()
    }

    pub(crate) async fn subscribe(&mut self, channel: &str) -> Position {
        let reply = self
            .command("subscribe", json!({ "channel": channel }))
            .await;
        position(&reply["subscribe"])
    }

    /// Subscribes from a position, and answers the whole result.
    pub(crate) async fn recover(&mut self, channel: &str, from: &Position) -> Value {
        let params = json!({ "channel": channel, "recover": true, "epoch": from.epoch, "offset": from.offset });
        self.command("subscribe", params).await["subscribe"].clone()
    }

    /// Says something, and answers where it is.
    pub(crate) async fn say(&mut self, channel: &str, text: &str) -> u64 {
        let reply = self
            .command(
                "publish",
                json!({ "channel": channel, "data": { "text": text } }),
            )
            .await;
        reply["publish"]["offset"]
            .as_u64()
            .unwrap_or_else(|| unreachable!("not published: {reply}"))
    }

    /// The code of the error that a command is answered with.
    pub(crate) async fn refused(&mut self, method: &str, params: Value) -> u64 {
        let reply = self.command(method, params).await;
        reply["error"]["code"]
            .as_u64()
            .unwrap_or_else(|| unreachable!("not refused: {reply}"))
    }
}

pub(crate) fn position(result: &Value) -> Position {
    Position {
        epoch: result["epoch"]
            .as_str()
            .unwrap_or_else(|| unreachable!("no epoch: {result}"))
            .to_owned(),
        offset: result["offset"].as_u64().unwrap_or(0),
    }
}

pub(crate) fn offset_and_text(publication: &Value) -> (u64, String) {
    let text = publication["data"]["text"]
        .as_str()
        .unwrap_or_else(|| unreachable!("no text: {publication}"));
    (
        publication["offset"].as_u64().unwrap_or_default(),
        text.to_owned(),
    )
}

/// All offsets and texts of a result's publications.
pub(crate) fn publications(result: &Value) -> Vec<(u64, String)> {
    result["publications"]
        .as_array()
        .into_iter()
        .flatten()
        .map(offset_and_text)
        .collect()
}
