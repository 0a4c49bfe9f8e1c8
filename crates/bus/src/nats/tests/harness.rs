//! Real servers of NATS: plain processes on free ports, each with a folder of its own, ended by their numbers; and lines to
//! them that can be cut.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Weak},
    time::Duration,
};

use async_nats::jetstream::{self, stream::Config};
use fanwave_wire::{Channel, Offset};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::super::{NatsBroker, NatsConfig, log::Written};
use crate::{
    Engine,
    conformance::{Harness, SharedHarness},
    free_port::free_port,
    shared::Settings,
};

/// Far more than a server takes to begin or to end, and a cluster to choose another leader.
const START_MAX: Duration = Duration::from_secs(60);

/// The cases send thousands of messages one by one: the shortest tick there is.
pub(super) const NO_TICK: Settings = Settings {
    tick: Duration::ZERO,
};

/// One process. It is ended with this value.
pub(super) struct Server {
    folder: TempDir,
    pub(super) port: u16,
    options: Vec<String>,
    child: Option<Child>,
}

impl Server {
    pub(super) fn new(options: &[String]) -> Self {
        Self {
            folder: tempfile::tempdir().expect("there is room for a folder"),
            port: free_port(),
            options: options.to_vec(),
            child: None,
        }
    }

    /// Starts the process, again with what it had.
    pub(super) fn run(&mut self) {
        let mut command = Command::new("nats-server");
        command.args(["--addr", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--jetstream", "--store_dir"]);
        command.arg(self.folder.path()).args(&self.options);
        command.arg("--log").arg(self.folder.path().join("log"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn();
        self.child = Some(child.expect("nats-server is installed: scripts/need nats"));
    }

    /// Ends the process as a power cut does.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours to end");
            child.wait().expect("it has ended");
        }
    }

    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// What a stranger has who asks JetStream.
    pub(super) async fn jetstream(&self) -> jetstream::Context {
        let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
        let client = options.connect(self.url()).await;
        jetstream::new(client.expect("it takes connections"))
    }

    /// Returns once JetStream can be used.
    pub(super) async fn until_ready(&self) {
        let jetstream = self.jetstream().await;
        until("nats-server starts", async || {
            account(&jetstream).await.is_some()
        })
        .await;
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What JetStream says of itself, if it can be used.
pub(super) async fn account(jetstream: &jetstream::Context) -> Option<serde_json::Value> {
    let answer: serde_json::Value = jetstream.request("INFO", &()).await.ok()?;
    answer.get("error").is_none().then_some(answer)
}

/// Whether a condition holds before it is too late.
pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let ends = Instant::now() + START_MAX;
    loop {
        let holds = timeout(START_MAX, holds()).await;
        if holds.unwrap_or(false) {
            return;
        }
        assert!(Instant::now() < ends, "{what} in time");
        tokio::task::yield_now().await;
    }
}

/// The way of one engine to its server, which can be cut.
struct Line {
    port: u16,
    /// Whether it may be used, and how often it was cut.
    state: watch::Sender<(bool, u64)>,
    task: JoinHandle<()>,
}

impl Line {
    async fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("there are free ports");
        let port = listener.local_addr().expect("it has an address").port();
        let state = watch::Sender::new((true, 0));
        let changes = state.subscribe();
        let task = tokio::spawn(carry(listener, server, changes));
        Self { port, state, task }
    }

    fn cut(&self, may_come_back: bool) {
        self.state.send_modify(|(open, cuts)| {
            *open = may_come_back;
            *cuts += 1;
        });
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(listener: TcpListener, server: u16, state: watch::Receiver<(bool, u64)>) {
    while let Ok((mut near, _)) = listener.accept().await {
        let mut state = state.clone();
        if !state.borrow_and_update().0 {
            continue;
        }
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(("127.0.0.1", server)).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                _ = state.changed() => {}
            }
        });
    }
}

/// Engines over one server, each with a line of its own.
pub(super) struct OneServer {
    pub(super) server: Server,
    lines: Vec<(Weak<dyn Engine>, Line)>,
}

impl OneServer {
    pub(super) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(super) async fn start_with(options: &[String]) -> Self {
        let mut server = Server::new(options);
        server.run();
        server.until_ready().await;
        Self {
            server,
            lines: Vec::new(),
        }
    }

    pub(super) fn config(&self) -> NatsConfig {
        NatsConfig::new(vec![self.server.url().parse().expect("it is an address")])
    }

    async fn engine(&mut self) -> Arc<dyn Engine> {
        let line = Line::to(self.server.port).await;
        let url = format!("nats://127.0.0.1:{}", line.port);
        let config = NatsConfig::new(vec![url.parse().expect("it is an address")]);
        let engine = NatsBroker::engine(config, NO_TICK).await;
        let engine: Arc<dyn Engine> = Arc::new(engine.expect("the configuration is fine"));
        self.lines.push((Arc::downgrade(&engine), line));
        engine
    }

    fn line(&self, engine: &Arc<dyn Engine>) -> &Line {
        let engine = Arc::downgrade(engine);
        let line = self.lines.iter().find(|(known, _)| known.ptr_eq(&engine));
        &line.expect("it was started here").1
    }

    /// Changes how the streams are, as an operator could.
    async fn change(&self, change: impl Fn(&mut Config)) {
        let jetstream = self.server.jetstream().await;
        for stream in ["fanwave-chat", "fanwave-events"] {
            let mut stream = jetstream.get_stream(stream).await.expect("it is there");
            let mut config = stream.info().await.expect("it is there").config.clone();
            change(&mut config);
            let changed = jetstream.update_stream(config).await;
            changed.expect("it can be changed");
        }
    }
}

impl Harness for OneServer {
    async fn start(&mut self) -> Arc<dyn Engine> {
        self.engine().await
    }

    async fn end(&mut self, engine: Arc<dyn Engine>) {
        drop(engine);
    }

    async fn break_log(&mut self) {
        self.change(|config| config.max_message_size = 1).await;
    }

    async fn mend_log(&mut self) {
        self.change(|config| config.max_message_size = -1).await;
    }
}

impl SharedHarness for OneServer {
    async fn start_another(&mut self) -> Arc<dyn Engine> {
        self.engine().await
    }

    async fn interrupt(&mut self) {
        for (_, line) in &self.lines {
            line.cut(true);
        }
    }

    async fn pause(&mut self, engine: &Arc<dyn Engine>) {
        self.line(engine).cut(false);
    }

    async fn resume(&mut self, engine: &Arc<dyn Engine>) {
        self.line(engine).cut(true);
    }

    async fn stop_broker(&mut self) {
        self.server.kill();
    }

    async fn start_broker(&mut self) {
        self.server.run();
    }

    /// As a log is that is restored from an older copy: the same entries, at other places.
    async fn lose_after(&mut self, channel: &Channel, offset: Offset) {
        let (broker, _signals) = NatsBroker::open(self.config()).await.expect("it is fine");
        let log = &broker.core.log;
        let newest = log.newest(channel).await.expect("it can be read");
        let mut entries: Vec<_> = newest.into_iter().collect();
        let mut unread = entries[0].entry.previous.clone();
        while !unread.is_empty() {
            let read = log.back(channel, &mut unread).await;
            entries.extend(read.expect("it can be read"));
        }
        let jetstream = self.server.jetstream().await;
        let stream = jetstream.get_stream(log.names.stream(channel)).await;
        let purged = stream
            .expect("it is there")
            .purge()
            .filter(log.names.log(channel))
            .await;
        purged.expect("it can be emptied");
        let mut trail = Vec::new();
        for mut found in entries.into_iter().rev() {
            if found.entry.standing().head > offset {
                break;
            }
            found.entry.previous = trail;
            let last = found.entry.previous.first().copied().unwrap_or(0);
            let Written::At(place) = log
                .write(channel, &found.entry, last)
                .await
                .expect("written")
            else {
                unreachable!("nobody else writes now");
            };
            found.place = place;
            trail = found.trail();
        }
    }
}

/// Three servers that keep everything three times.
pub(super) struct Cluster {
    pub(super) servers: Vec<Server>,
}

impl Cluster {
    pub(super) async fn start() -> Self {
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let routes: Vec<_> = ports
            .iter()
            .map(|port| format!("nats://127.0.0.1:{port}"))
            .collect();
        let options = |number: usize| {
            [
                "--name",
                &format!("n{number}"),
                "--cluster_name",
                "fanwave",
                "--cluster",
                &routes[number],
                "--routes",
                &routes.join(","),
            ]
            .map(str::to_owned)
        };
        let mut servers: Vec<_> = (0..3).map(|number| Server::new(&options(number))).collect();
        for server in &mut servers {
            server.run();
        }
        for server in &servers {
            server.until_ready().await;
        }
        Self { servers }
    }

    pub(super) fn config(&self) -> NatsConfig {
        let urls = self.servers.iter().map(|server| server.url().parse());
        NatsConfig {
            replicas: 3,
            ..NatsConfig::new(urls.collect::<Result<_, _>>().expect("they are addresses"))
        }
    }
    /// Which server leads the stream of the chat.
    pub(super) async fn leader(&self) -> usize {
        let jetstream = self.servers[0].jetstream().await;
        let mut leader = None;
        until("the stream has a leader", async || {
            let Ok(mut stream) = jetstream.get_stream("fanwave-chat").await else {
                return false;
            };
            let Ok(info) = stream.info().await else {
                return false;
            };
            let cluster = info.cluster.as_ref();
            let name = cluster.and_then(|cluster| cluster.leader.as_deref());
            leader = name.and_then(|name| name.strip_prefix('n')?.parse().ok());
            leader.is_some()
        })
        .await;
        leader.expect("it was waited for")
    }
}
