//! Real brokers, each a process of its own with a folder of its own, ended by its number.

use std::{
    collections::BTreeMap,
    fmt::Write,
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rskafka::{
    chrono::DateTime,
    client::{
        Client, ClientBuilder,
        partition::{Compression, UnknownTopicHandling},
    },
    record::Record,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

#[path = "../../../free_port.rs"]
mod free_port;
#[path = "../../../bus/src/kafka/tests/server.rs"]
mod kafka_server;

use free_port::free_port;

/// Far more than any of them takes to begin.
const START_MAX: Duration = Duration::from_secs(60);

/// What servers share their rooms through.
pub(crate) trait Broker: Sized {
    /// Starts one that has nothing yet.
    async fn start() -> Self;

    /// How a server is told of it.
    fn env(&self) -> Vec<(&'static str, String)>;

    /// Sends commands, as a back end does that knows nothing of Fanwave but where.
    async fn send(&self, commands: &[String]);

    /// Ends it as a power cut does.
    fn kill(&mut self);

    /// Starts it again, with what it had.
    async fn start_again(&mut self);
}

/// A program that is up once its port is open.
struct Program {
    folder: TempDir,
    address: SocketAddr,
    child: Option<Child>,
}

impl Program {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("there is room for a folder"),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())),
            child: None,
        }
    }

    async fn run(&mut self, name: &str, options: &[&str]) {
        let mut command = Command::new(name);
        command.args(["--port", &self.address.port().to_string()]);
        command.args(options).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("it is installed: scripts/need redis nats"));
        let open = async {
            while TcpStream::connect(self.address).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(START_MAX, open).await.expect("it starts in time");
    }

    /// Writes to it, and reads until it says something.
    async fn tell(&self, text: &str, until: &str) {
        let mut socket = TcpStream::connect(self.address).await.expect("it runs");
        socket.write_all(text.as_bytes()).await.expect("it reads");
        let mut answer = Vec::new();
        let answered = async {
            while !String::from_utf8_lossy(&answer).contains(until) {
                let read = socket.read_buf(&mut answer).await.expect("it answers");
                assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
            }
        };
        timeout(START_MAX, answered)
            .await
            .expect("it answers in time");
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours to end");
            child.wait().expect("it has ended");
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) struct Redis(Program);

impl Broker for Redis {
    async fn start() -> Self {
        let mut redis = Self(Program::new());
        redis.start_again().await;
        redis
    }

    fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("FANWAVE__ENGINE__KIND", "redis".to_owned()),
            (
                "FANWAVE__REDIS__SERVERS",
                format!("redis://{}", self.0.address),
            ),
        ]
    }

    async fn send(&self, commands: &[String]) {
        let mut text = String::new();
        for command in commands {
            for (index, word) in ["*5", "XADD", "fanwave:commands", "*", "command", command]
                .iter()
                .enumerate()
            {
                let _ = match index {
                    0 => write!(text, "{word}\r\n"),
                    _ => write!(text, "${}\r\n{word}\r\n", word.len()),
                };
            }
        }
        text.push_str("*2\r\n$4\r\nECHO\r\n$4\r\nsent\r\n");
        self.0.tell(&text, "sent").await;
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    async fn start_again(&mut self) {
        let synced = ["--appendonly", "yes", "--appendfsync", "always"];
        let options = [&["--bind", "127.0.0.1", "--save", ""], &synced[..]].concat();
        self.0.run("redis-server", &options).await;
    }
}

pub(crate) struct Nats(Program);

impl Broker for Nats {
    async fn start() -> Self {
        let mut nats = Self(Program::new());
        nats.start_again().await;
        nats
    }

    fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("FANWAVE__ENGINE__KIND", "nats".to_owned()),
            (
                "FANWAVE__NATS__SERVERS",
                format!("nats://{}", self.0.address),
            ),
        ]
    }

    async fn send(&self, commands: &[String]) {
        let mut text = "CONNECT {\"verbose\":false}\r\n".to_owned();
        for command in commands {
            let _ = write!(
                text,
                "PUB fanwave.commands {}\r\n{command}\r\n",
                command.len()
            );
        }
        text.push_str("PING\r\n");
        self.0.tell(&text, "PONG").await;
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    async fn start_again(&mut self) {
        let options = ["--addr", "127.0.0.1", "--jetstream", "--store_dir", "."];
        self.0.run("nats-server", &options).await;
    }
}

pub(crate) struct Kafka {
    server: kafka_server::Server,
    port: u16,
}

/// Partitions of the topics.
const PARTITIONS: u16 = 2;

impl Kafka {
    async fn client(&self) -> Client {
        let client = ClientBuilder::new(vec![format!("127.0.0.1:{}", self.port)]).build();
        let client = timeout(START_MAX, client).await;
        client.expect("Kafka starts in time").expect("it answers")
    }
}

impl Broker for Kafka {
    async fn start() -> Self {
        let [port, controller] = [free_port(), free_port()];
        let properties = format!(
            "node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             inter.broker.listener.name=PLAINTEXT\n"
        );
        let mut kafka = Self {
            server: kafka_server::Server::new(&properties),
            port,
        };
        kafka.start_again().await;
        let client = kafka.client().await;
        let controller = client.controller_client().expect("it has one");
        for topic in [
            "fanwave",
            "fanwave-snapshots",
            "fanwave-hearsay",
            "fanwave-commands",
        ] {
            let made = controller.create_topic(topic, i32::from(PARTITIONS), 1, 10_000);
            made.await.expect("a topic can be made");
        }
        for topic in ["fanwave-commands-dead", "fanwave-commands-lead"] {
            let made = controller.create_topic(topic, 1, 1, 10_000);
            made.await.expect("a topic can be made");
        }
        kafka
    }

    fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("FANWAVE__ENGINE__KIND", "kafka".to_owned()),
            (
                "FANWAVE__KAFKA__BROKERS",
                format!("127.0.0.1:{}", self.port),
            ),
            ("FANWAVE__KAFKA__PARTITIONS", PARTITIONS.to_string()),
        ]
    }

    async fn send(&self, commands: &[String]) {
        let client = self.client().await;
        // All in one partition: their order is one.
        let partition = client.partition_client("fanwave-commands", 1, UnknownTopicHandling::Retry);
        let record = |command: &String| Record {
            key: Some(b"demo".to_vec()),
            value: Some(command.as_bytes().to_vec()),
            headers: BTreeMap::new(),
            timestamp: DateTime::from_timestamp_millis(0).expect("it is a time"),
        };
        let partition = partition.await.expect("it is there");
        let records = commands.iter().map(record).collect();
        let written = partition.produce(records, Compression::NoCompression).await;
        written.expect("they are written");
    }

    fn kill(&mut self) {
        self.server.kill();
    }

    async fn start_again(&mut self) {
        self.server.run();
        self.client().await;
    }
}
