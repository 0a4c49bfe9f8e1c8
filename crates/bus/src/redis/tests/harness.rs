//! Real servers of Redis: plain processes on free ports, each with a folder of its own, ended by their numbers.

use std::{
    process::{Child, Command, Stdio},
    sync::{Arc, Weak},
    time::Duration,
};

use ::redis::{Client, Value, aio::MultiplexedConnection, cmd};
use fanwave_wire::{Channel, Offset};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::super::{Address, RedisConfig};
use crate::{
    Engine,
    conformance::{Harness, SharedHarness},
    free_port::free_port,
    redis::RedisBroker,
    shared::Settings,
};

/// Far more than a server takes to begin or to end.
const START_MAX: Duration = Duration::from_secs(60);

/// One process. It is ended with this value.
pub(super) struct Server {
    folder: TempDir,
    port: u16,
    options: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Starts one that keeps its word about its log at every commit.
    pub(super) async fn start(options: &[&str]) -> Self {
        let mut server = Self {
            folder: tempfile::tempdir().expect("there is room for a folder"),
            port: free_port(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            child: None,
        };
        server.run().await;
        server
    }

    /// Starts a sentinel.
    pub(super) async fn start_sentinel(file: &str) -> Self {
        let mut server = Self {
            folder: tempfile::tempdir().expect("there is room for a folder"),
            port: free_port(),
            options: Vec::new(),
            child: None,
        };
        let path = server.folder.path().join("sentinel.conf");
        std::fs::write(&path, file).expect("the folder is ours");
        let mut command = Command::new("redis-server");
        command.arg(path).arg("--sentinel");
        command.args(["--port", &server.port.to_string(), "--bind", "127.0.0.1"]);
        command.arg("--dir").arg(server.folder.path());
        server.child = Some(spawn(command));
        server.until_ready().await;
        server
    }

    /// Starts the process, again with what it had.
    pub(super) async fn run(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        command.arg("--dir").arg(self.folder.path());
        command.args(&self.options);
        self.child = Some(spawn(command));
        self.until_ready().await;
    }

    /// Ends the process as a power cut does.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours to end");
            child.wait().expect("it has ended");
        }
    }

    pub(super) fn address(&self) -> Address {
        Address::new("127.0.0.1", self.port)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The answer to a command, as text.
    pub(super) async fn ask(&self, command: &[&str]) -> String {
        let mut connection = self.connect().await.expect("it takes connections");
        ask(&mut connection, command)
            .await
            .expect("the command is fine")
    }

    /// The answer to a command, as it is.
    pub(super) async fn read(&self, command: &[&str]) -> Value {
        let mut connection = self.connect().await.expect("it takes connections");
        let (name, arguments) = command.split_first().expect("a command has a name");
        let answer = cmd(name).arg(arguments).query_async(&mut connection).await;
        answer.expect("the command is fine")
    }

    /// Whether a command is taken now.
    pub(super) async fn ask_gently(&self, command: &[&str]) -> bool {
        let Ok(mut connection) = self.connect().await else {
            return false;
        };
        ask(&mut connection, command).await.is_ok()
    }

    async fn connect(&self) -> ::redis::RedisResult<MultiplexedConnection> {
        let client = Client::open(("127.0.0.1", self.port))?;
        client.get_multiplexed_async_connection().await
    }

    async fn until_ready(&self) {
        let ready = async {
            loop {
                if let Ok(mut connection) = self.connect().await
                    && ask(&mut connection, &["PING"]).await.is_ok()
                {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let ready = timeout(START_MAX, ready).await;
        ready.expect("redis-server starts: scripts/need redis installs it");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The answer to a command on a connection that is there, as text.
pub(super) async fn ask(
    connection: &mut MultiplexedConnection,
    command: &[&str],
) -> ::redis::RedisResult<String> {
    let (name, arguments) = command.split_first().expect("a command has a name");
    let answer: Value = cmd(name).arg(arguments).query_async(connection).await?;
    Ok(match answer {
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::SimpleString(text) => text,
        Value::VerbatimString { text, .. } => text,
        Value::Int(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

fn spawn(mut command: Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
        .spawn()
        .expect("redis-server is installed: scripts/need redis")
}

/// Whether a condition holds before it is too late.
pub(super) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let ends = Instant::now() + START_MAX;
    while !holds().await {
        assert!(Instant::now() < ends, "{what} in time");
        tokio::task::yield_now().await;
    }
}

/// Engines over one server.
pub(super) struct OneServer {
    server: Server,
    paused: Option<Weak<dyn Engine>>,
}

impl OneServer {
    pub(super) async fn start() -> Self {
        Self {
            server: Server::start(&[]).await,
            paused: None,
        }
    }

    pub(super) fn config(&self) -> RedisConfig {
        RedisConfig::single(self.server.address())
    }

    pub(super) async fn ask(&self, command: &[&str]) -> String {
        self.server.ask(command).await
    }

    /// One of the test's own.
    pub(super) async fn connection(&self) -> MultiplexedConnection {
        self.server.connect().await.expect("it takes connections")
    }

    pub(super) async fn read(&self, command: &[&str]) -> Value {
        self.server.read(command).await
    }

    /// Killed, and started again with what it had.
    pub(super) async fn restart(&mut self) {
        self.server.kill();
        self.server.run().await;
    }

    /// A replica that has all that there is.
    pub(super) async fn replica(&self) -> Server {
        let port = self.server.port().to_string();
        let replica = Server::start(&["--replicaof", "127.0.0.1", &port]).await;
        until("the replica is in step", async || {
            let info = replica.ask(&["INFO", "replication"]).await;
            info.contains("master_link_status:up")
        })
        .await;
        replica
    }

    fn engine(&self) -> Arc<dyn Engine> {
        // The cases send thousands of messages one by one: the shortest tick there is.
        let tick = Duration::ZERO;
        Arc::new(RedisBroker::engine(self.config(), Settings { tick }))
    }
}

impl Harness for OneServer {
    async fn start(&mut self) -> Arc<dyn Engine> {
        self.engine()
    }

    async fn end(&mut self, engine: Arc<dyn Engine>) {
        drop(engine);
    }

    async fn break_log(&mut self) {
        self.ask(&["CONFIG", "SET", "min-replicas-to-write", "1"])
            .await;
    }

    async fn mend_log(&mut self) {
        self.ask(&["CONFIG", "SET", "min-replicas-to-write", "0"])
            .await;
    }
}

impl SharedHarness for OneServer {
    async fn start_another(&mut self) -> Arc<dyn Engine> {
        self.engine()
    }

    async fn interrupt(&mut self) {
        self.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    }

    /// Redis knows no engines: nobody may subscribe, and who is subscribed is thrown out.
    async fn pause(&mut self, engine: &Arc<dyn Engine>) {
        self.paused = Some(Arc::downgrade(engine));
        self.ask(&["ACL", "SETUSER", "default", "-ssubscribe"])
            .await;
        self.interrupt().await;
    }

    async fn resume(&mut self, engine: &Arc<dyn Engine>) {
        let paused = self.paused.take().expect("it was paused");
        assert!(paused.ptr_eq(&Arc::downgrade(engine)), "the same one");
        self.ask(&["ACL", "SETUSER", "default", "+ssubscribe"])
            .await;
    }

    async fn stop_broker(&mut self) {
        self.server.kill();
    }

    async fn start_broker(&mut self) {
        self.server.run().await;
    }

    async fn lose_after(&mut self, channel: &Channel, offset: Offset) {
        // As the log of a replica is that never had it.
        const LOSE: &str = "
            for _, standing in ipairs(redis.call('KEYS', 'fanwave:*:' .. ARGV[1] .. ':standing')) do
              local log = string.gsub(standing, ':standing$', ':log')
              for _, entry in ipairs(redis.call('XRANGE', log, '(' .. ARGV[2] .. '-0', '+')) do
                redis.call('XDEL', log, entry[1])
              end
              redis.call('XSETID', log, ARGV[2] .. '-0')
              redis.call('HSET', standing, 'head', ARGV[2])
            end
            return 1";
        let (channel, offset) = (channel.to_string(), offset.0.to_string());
        self.ask(&["EVAL", LOSE, "0", &channel, &offset]).await;
    }
}
