//! Real servers of Kafka, and engines over them.
//!
//! A server of Kafka takes seconds to start. One is shared by all cases that do it no harm, each with a topic of its own;
//! another by those that do, one after the other, through gates that can be shut.

use std::{
    io::Write,
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use fanwave_wire::{Channel, Offset};
use rskafka::client::{Client, ClientBuilder, partition::UnknownTopicHandling};
use tokio::{
    sync::{Mutex, MutexGuard, OnceCell},
    time::{Instant, timeout},
};

use super::{
    super::{Address, KafkaBroker, KafkaConfig, fold::Fold, tail::decode},
    gate::Gate,
    server,
};
use crate::{
    Engine,
    conformance::{Harness, SharedHarness},
    free_port::free_port,
    shared::{Partition, Settings},
};

/// Far more than a server takes to begin.
const START_MAX: Duration = Duration::from_secs(60);

/// Partitions of the topics of the cases.
const PARTITIONS: u16 = 2;

/// One server, for the cases themselves, and for two servers of ours behind gates.
#[derive(Debug)]
pub(super) struct Server {
    process: server::Server,
    ports: [u16; 3],
    gates: [u16; 2],
}

impl Server {
    async fn start() -> Self {
        let ports = [free_port(), free_port(), free_port()];
        let gates = [free_port(), free_port()];
        let mut server = Self {
            process: server::Server::new(&properties(ports, gates)),
            ports,
            gates,
        };
        server.run().await;
        server
    }

    /// Starts it, again with what it had.
    async fn run(&mut self) {
        self.process.run();
        self.client().await;
    }

    /// A client that has reached it.
    async fn client(&self) -> Client {
        client_of(self.ports[0]).await
    }

    /// A topic that nothing is in, and those that go with it.
    pub(super) async fn topic(&self) -> String {
        static TOPICS: AtomicU32 = AtomicU32::new(0);
        let name = format!("case-{}", TOPICS.fetch_add(1, Ordering::Relaxed));
        self.make(&["", "-snapshots", "-hearsay"].map(|suffix| format!("{name}{suffix}")))
            .await;
        name
    }

    /// Makes topics, and waits until the server tells of them, which is a moment later.
    pub(super) async fn make(&self, names: &[String]) {
        let client = self.client().await;
        let controller = client.controller_client().expect("it has one");
        for name in names {
            let made = controller
                .create_topic(name, i32::from(PARTITIONS), 1, 10_000)
                .await;
            made.expect("a topic can be made");
        }
        until("new topics can be used", async || {
            let known = client.list_topics().await.expect("it answers");
            let told = |name: &String| known.iter().any(|topic| topic.name == *name);
            names.iter().all(told)
        })
        .await;
    }

    pub(super) fn port(&self) -> u16 {
        self.ports[0]
    }

    pub(super) fn config(&self, topic: &str) -> KafkaConfig {
        config(self.ports[0], topic)
    }

    /// Where in Kafka the entry is that a channel's offset is in.
    async fn place(
        &self,
        topic: &str,
        partition: Partition,
        channel: &Channel,
        offset: Offset,
    ) -> i64 {
        let client = self.client().await;
        let partition = client
            .partition_client(topic, i32::from(partition.0), UnknownTopicHandling::Retry)
            .await
            .expect("it is there");
        let mut fold = Fold::default();
        let mut next = 0;
        loop {
            let (records, _) = partition
                .fetch_records(next, 1..1_000_000, 100)
                .await
                .expect("it can be read");
            assert!(!records.is_empty(), "the offset is there");
            for record in records {
                let entry = decode(&record).expect("all are ours");
                fold.apply(record.offset, &entry);
                let head = fold.standing(channel).map(|standing| standing.head);
                if head.is_some_and(|head| head >= offset) {
                    return record.offset;
                }
                next = record.offset + 1;
            }
        }
    }
}

/// A client that has reached whoever is behind a port.
pub(super) async fn client_of(port: u16) -> Client {
    let client = ClientBuilder::new(vec![format!("127.0.0.1:{port}")]).build();
    let client = timeout(START_MAX, client).await;
    client
        .expect("Kafka starts: scripts/need kafka installs it")
        .expect("it answers")
}

fn properties(ports: [u16; 3], gates: [u16; 2]) -> String {
    let [direct, first, second] = ports;
    let [first_gate, second_gate] = gates;
    let controller = free_port();
    format!(
        "node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=DIRECT://127.0.0.1:{direct},FIRST://127.0.0.1:{first},SECOND://127.0.0.1:{second},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=DIRECT://127.0.0.1:{direct},FIRST://127.0.0.1:{first_gate},SECOND://127.0.0.1:{second_gate}\n\
         listener.security.protocol.map=DIRECT:PLAINTEXT,FIRST:PLAINTEXT,SECOND:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=DIRECT\n"
    )
}

fn config(port: u16, topic: &str) -> KafkaConfig {
    let address: Address = format!("127.0.0.1:{port}").parse().expect("it is one");
    KafkaConfig {
        topic: topic.parse().expect("it is one"),
        partitions: PARTITIONS,
        snapshot_every: 50,
        ..KafkaConfig::new(vec![address])
    }
}

/// Whether a condition holds before it is too late.
pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let ends = Instant::now() + START_MAX;
    while !holds().await {
        assert!(Instant::now() < ends, "{what} in time");
        tokio::task::yield_now().await;
    }
}

/// The server that nobody harms.
pub(super) async fn calm() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER.get_or_init(Server::start).await
}

/// Engines over the calm server.
pub(super) struct Calm {
    server: &'static Server,
    topic: String,
}

impl Calm {
    pub(super) async fn start() -> Self {
        let server = calm().await;
        let topic = server.topic().await;
        Self { server, topic }
    }

    pub(super) fn config(&self) -> KafkaConfig {
        self.server.config(&self.topic)
    }
}

impl Harness for Calm {
    async fn start(&mut self) -> Arc<dyn Engine> {
        engine(self.config())
    }

    async fn end(&mut self, engine: Arc<dyn Engine>) {
        drop(engine);
    }

    async fn break_log(&mut self) {
        unreachable!("this server is not to be harmed");
    }

    async fn mend_log(&mut self) {
        unreachable!("this server is not to be harmed");
    }
}

impl SharedHarness for Calm {
    async fn start_another(&mut self) -> Arc<dyn Engine> {
        engine(self.config())
    }

    async fn interrupt(&mut self) {
        unreachable!("this server is not to be harmed");
    }

    async fn pause(&mut self, _: &Arc<dyn Engine>) {
        unreachable!("this server is not to be harmed");
    }

    async fn resume(&mut self, _: &Arc<dyn Engine>) {
        unreachable!("this server is not to be harmed");
    }

    async fn stop_broker(&mut self) {
        unreachable!("this server is not to be harmed");
    }

    async fn start_broker(&mut self) {
        unreachable!("this server is not to be harmed");
    }

    async fn lose_after(&mut self, _: &Channel, _: Offset) {
        unreachable!("this server is not to be harmed");
    }
}

fn engine(config: KafkaConfig) -> Arc<dyn Engine> {
    // The cases send thousands of messages one by one: the shortest tick there is.
    let tick = Duration::ZERO;
    Arc::new(KafkaBroker::engine(config, Settings { tick }))
}

/// Engines behind gates, over a server that one case has for itself.
pub(super) struct Harmed {
    server: MutexGuard<'static, Option<Server>>,
    gates: [Gate; 2],
    topic: String,
    /// The engine behind the second gate.
    second: Option<Weak<dyn Engine>>,
}

impl Harmed {
    pub(super) async fn start() -> Self {
        static SERVER: Mutex<Option<Server>> = Mutex::const_new(None);
        let mut held = SERVER.lock().await;
        if held.is_none() {
            *held = Some(Server::start().await);
        }
        let server = held.as_ref().expect("it has been started");
        let [_, first, second] = server.ports;
        let [first_gate, second_gate] = server.gates;
        let gates = [
            Gate::open(first_gate, first).await,
            Gate::open(second_gate, second).await,
        ];
        let topic = server.topic().await;
        Self {
            server: held,
            gates,
            topic,
            second: None,
        }
    }

    fn server(&mut self) -> &mut Server {
        self.server.as_mut().expect("it has been started")
    }

    pub(super) fn config(&mut self, gate: usize) -> KafkaConfig {
        let port = self.server().gates[gate];
        config(port, &self.topic)
    }

    fn gate_of(&self, engine: &Arc<dyn Engine>) -> &Gate {
        let engine = Arc::downgrade(engine);
        let is_second = self
            .second
            .as_ref()
            .is_some_and(|second| second.ptr_eq(&engine));
        &self.gates[usize::from(is_second)]
    }
}

impl Drop for Harmed {
    fn drop(&mut self) {
        // A case that failed in the middle leaves none that others could use.
        if std::thread::panicking() {
            *self.server = None;
        }
    }
}

impl Harness for Harmed {
    async fn start(&mut self) -> Arc<dyn Engine> {
        engine(self.config(0))
    }

    async fn end(&mut self, engine: Arc<dyn Engine>) {
        drop(engine);
    }

    async fn break_log(&mut self) {
        self.gates.iter().for_each(Gate::shut);
    }

    async fn mend_log(&mut self) {
        self.gates.iter().for_each(Gate::reopen);
    }
}

impl SharedHarness for Harmed {
    async fn start_another(&mut self) -> Arc<dyn Engine> {
        let engine = engine(self.config(1));
        self.second = Some(Arc::downgrade(&engine));
        engine
    }

    async fn interrupt(&mut self) {
        for gate in &self.gates {
            gate.shut();
            gate.reopen();
        }
    }

    async fn pause(&mut self, engine: &Arc<dyn Engine>) {
        self.gate_of(engine).shut();
    }

    async fn resume(&mut self, engine: &Arc<dyn Engine>) {
        self.gate_of(engine).reopen();
    }

    async fn stop_broker(&mut self) {
        self.server().process.kill();
    }

    async fn start_broker(&mut self) {
        self.server().run().await;
    }

    /// As the log of a replica is that never had it.
    async fn lose_after(&mut self, channel: &Channel, offset: Offset) {
        let topic = self.topic.clone();
        let partition = super::super::partition_of(channel.room.as_str(), PARTITIONS);
        let server = self.server();
        let place = server
            .place(&topic, partition, channel, offset.next())
            .await;
        server.process.kill();
        let folder = server
            .process
            .data()
            .join(format!("{topic}-{}", partition.0));
        cut(&folder.join("00000000000000000000.log"), place);
        for index in ["index", "timeindex"] {
            let file = folder.join(format!("00000000000000000000.{index}"));
            std::fs::remove_file(file).expect("it is there");
        }
        server.run().await;
    }
}

/// Ends a file of Kafka before the batch with this offset.
fn cut(file: &Path, offset: i64) {
    let mut bytes = std::fs::read(file).expect("it is there");
    let mut at = 0;
    while let Some(rest) = bytes.get(at..)
        && let Some((first, rest)) = rest.split_first_chunk()
        && let Some((length, _)) = rest.split_first_chunk()
    {
        if i64::from_be_bytes(*first) >= offset {
            break;
        }
        at += 12 + usize::try_from(u32::from_be_bytes(*length)).expect("it fits");
    }
    assert!(at < bytes.len(), "there is something to be lost");
    bytes.truncate(at);
    let mut file = std::fs::File::create(file).expect("it is ours");
    file.write_all(&bytes).expect("there is room");
}
