//! Three servers of Kafka that are one, and some of them die.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fanwave_wire::{Draft, UserId};
use rskafka::client::{Client, ClientBuilder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::timeout,
};

use super::{
    super::{KafkaBroker, KafkaConfig},
    BACK_MAX, draft,
    harness::until,
    lane,
    server::Server,
    until_taken,
};
use crate::{
    Ack, Engine, EngineError, HistoryQuery,
    conformance::Recorder,
    free_port::free_port,
    shared::{Settings, SharedEngine},
};

/// Far more than three servers take to become one.
const START_MAX: Duration = Duration::from_secs(120);

const SERVERS: usize = 3;
const TOPIC: &str = "fanwave";

/// Three servers that keep everything three times, and acknowledge what two of them have.
struct Cluster {
    servers: Vec<Server>,
    ports: Vec<u16>,
}

impl Cluster {
    async fn start() -> Self {
        let ports: Vec<u16> = (0..SERVERS).map(|_| free_port()).collect();
        let controllers: Vec<u16> = (0..SERVERS).map(|_| free_port()).collect();
        let voters: Vec<String> = (0..SERVERS)
            .map(|index| format!("{}@127.0.0.1:{}", index + 1, controllers[index]))
            .collect();
        // Who is dead is noticed sooner than by default.
        let properties = |index: usize| {
            format!(
                "node.id={}\n\
                 controller.quorum.voters={}\n\
                 listeners=PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{}\n\
                 listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
                 inter.broker.listener.name=PLAINTEXT\n\
                 min.insync.replicas=2\n\
                 broker.session.timeout.ms=3000\n\
                 broker.heartbeat.interval.ms=500\n",
                index + 1,
                voters.join(","),
                ports[index],
                controllers[index]
            )
        };
        // Each takes a Java of its own to begin: all at once.
        let made: Vec<_> = (0..SERVERS)
            .map(|index| {
                let properties = properties(index);
                tokio::task::spawn_blocking(move || Server::new(&properties))
            })
            .collect();
        let mut servers = Vec::new();
        for server in made {
            servers.push(server.await.expect("it can be made"));
        }
        let mut cluster = Self {
            servers,
            ports: ports.clone(),
        };
        cluster.servers.iter_mut().for_each(Server::run);
        let client = cluster.client().await;
        let controller = client.controller_client().expect("it has one");
        until("the topic is made", async || {
            // An attempt that nobody answered may have made it.
            drop(controller.create_topic(TOPIC, 1, 3, 10_000).await);
            cluster.leader().await.is_some()
        })
        .await;
        until("all three have the partition", async || {
            cluster
                .leader()
                .await
                .is_some_and(|led| led.in_step == SERVERS)
        })
        .await;
        cluster
    }

    async fn client(&self) -> Client {
        let brokers = self.ports.iter().map(|port| format!("127.0.0.1:{port}"));
        let client = ClientBuilder::new(brokers.collect()).build();
        let client = timeout(START_MAX, client).await;
        client.expect("Kafka starts in time").expect("it answers")
    }

    fn config(&self) -> KafkaConfig {
        let brokers = self.ports.iter().map(|port| format!("127.0.0.1:{port}"));
        let brokers = brokers.map(|broker| broker.parse().expect("it is one"));
        KafkaConfig {
            topic: TOPIC.parse().expect("it is one"),
            partitions: 1,
            ..KafkaConfig::new(brokers.collect())
        }
    }

    fn engine(&self) -> Arc<SharedEngine> {
        let tick = Duration::ZERO;
        Arc::new(KafkaBroker::engine(self.config(), Settings { tick }))
    }

    /// Who leads the one partition, as far as anybody knows who runs.
    async fn leader(&self) -> Option<Led> {
        for port in &self.ports {
            if let Ok(led) = ask_who_leads(*port).await {
                return Some(led);
            }
        }
        None
    }
}

/// Who leads a partition.
struct Led {
    /// Index of the server.
    by: usize,
    /// How many servers are in step, with the leader.
    in_step: usize,
}

/// The first partition of the topic, as Kafka describes it in an answer of version 1 to a Metadata request. Our client
/// keeps to itself what it learns there.
async fn ask_who_leads(port: u16) -> std::io::Result<Led> {
    let mut request = Vec::new();
    request.extend(3_u16.to_be_bytes());
    request.extend(1_u16.to_be_bytes());
    request.extend(0_u32.to_be_bytes());
    request.extend((-1_i16).to_be_bytes());
    request.extend(1_u32.to_be_bytes());
    request.extend(7_u16.to_be_bytes());
    request.extend(TOPIC.as_bytes());
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream
        .write_u32(u32::try_from(request.len()).expect("it is short"))
        .await?;
    stream.write_all(&request).await?;
    let length = stream.read_u32().await?;
    let mut answer = vec![0; usize::try_from(length).expect("it fits")];
    stream.read_exact(&mut answer).await?;
    let mut answer = std::io::Cursor::new(answer);
    let _correlation = answer.read_u32().await?;
    for _ in 0..answer.read_u32().await? {
        let _node = answer.read_u32().await?;
        skip_text(&mut answer).await?;
        let _port = answer.read_u32().await?;
        skip_text(&mut answer).await?;
    }
    let _controller = answer.read_u32().await?;
    let _topics = answer.read_u32().await?;
    let _error = answer.read_u16().await?;
    skip_text(&mut answer).await?;
    let _internal = answer.read_u8().await?;
    let _partitions = answer.read_u32().await?;
    let _error = answer.read_u16().await?;
    let _partition = answer.read_u32().await?;
    let leader = answer.read_i32().await?;
    for _ in 0..answer.read_u32().await? {
        let _replica = answer.read_u32().await?;
    }
    let in_step = answer.read_u32().await?;
    let nobody = || std::io::Error::other("nobody leads");
    Ok(Led {
        by: usize::try_from(leader - 1).map_err(|_| nobody())?,
        in_step: usize::try_from(in_step).expect("it fits"),
    })
}

async fn skip_text(answer: &mut std::io::Cursor<Vec<u8>>) -> std::io::Result<()> {
    // A text that is not there has the length -1.
    let length = answer.read_i16().await?;
    let length = u64::try_from(length).unwrap_or(0);
    answer.set_position(answer.position() + length);
    Ok(())
}

/// All that fans of one server were acknowledged.
async fn say_on(
    engine: Arc<SharedEngine>,
    user: String,
    taken: watch::Sender<usize>,
) -> Vec<(Draft, Ack)> {
    let mut ledger = Vec::new();
    for number in 0..EACH {
        let mut draft = draft(&number.to_string());
        draft.sender.user = UserId(user.as_str().into());
        let ack = timeout(BACK_MAX, until_taken(&*engine, &lane("demo"), &draft)).await;
        ledger.push((draft, ack.expect("somebody leads again")));
        taken.send_modify(|taken| *taken += 1);
    }
    ledger
}

const FANS_OF_EACH: usize = 4;
const EACH: usize = 100;
const MESSAGES: usize = 2 * FANS_OF_EACH * EACH;

/// Each acknowledged message is in the log once, where it was said to be, and nothing else is.
async fn assert_held(engine: &SharedEngine, ledger: &[(Draft, Ack)]) {
    let mut given: BTreeMap<u64, &Draft> = BTreeMap::new();
    for (draft, ack) in ledger {
        assert_eq!(ack.epoch, ledger[0].1.epoch, "nothing was lost");
        let other = given.insert(ack.offset.0, draft);
        assert!(other.is_none(), "offset {} is one message", ack.offset.0);
    }
    let mut held: BTreeMap<u64, Draft> = BTreeMap::new();
    let mut since = None;
    loop {
        let query = HistoryQuery {
            since,
            limit: usize::MAX,
            reverse: false,
        };
        let page = engine
            .history(&lane("demo"), query)
            .await
            .expect("it can be read");
        let Some(last) = page.publications.last() else {
            break;
        };
        since = Some(last.offset);
        held.extend(
            page.publications
                .iter()
                .map(|held| (held.offset.0, held.draft.clone())),
        );
    }
    assert!(
        held.iter()
            .eq(given.iter().map(|(offset, draft)| (offset, *draft))),
        "what is held is what was acknowledged"
    );
    assert!(
        held.keys().copied().eq(1..=ledger.len() as u64),
        "there is no gap"
    );
}

/// A ledger: what two servers have acknowledged while the leader was killed under them is there, once, where it was
/// said to be; and what too few can keep is not acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_goes_on_without_its_leader_and_acknowledges_nothing_alone() {
    let mut cluster = Cluster::start().await;
    let engines = [cluster.engine(), cluster.engine()];
    let recorders = [Arc::new(Recorder::default()), Arc::new(Recorder::default())];
    for (engine, recorder) in engines.iter().zip(&recorders) {
        engine.attach(Arc::<Recorder>::clone(recorder));
        until("the topic can be used", async || {
            engine.subscribe(&lane("demo")).await.is_ok()
        })
        .await;
    }
    let taken = watch::Sender::new(0);
    let mut fans = JoinSet::new();
    for fan in 0..FANS_OF_EACH {
        for (name, engine) in ["a", "b"].iter().zip(&engines) {
            fans.spawn(say_on(
                Arc::clone(engine),
                format!("{name}-{fan}"),
                taken.clone(),
            ));
        }
    }
    let first = cluster.leader().await.expect("somebody leads").by;
    let mut some = taken.subscribe();
    some.wait_for(|taken| *taken >= MESSAGES / 4)
        .await
        .expect("it goes on");
    cluster.servers[first].kill();
    assert!(*taken.borrow() < MESSAGES, "it was killed while fans wrote");
    let mut ledger: Vec<_> = fans.join_all().await.into_iter().flatten().collect();
    assert_eq!(ledger.len(), MESSAGES);
    let last = ledger
        .iter()
        .max_by_key(|(_, ack)| ack.offset)
        .expect("there are some");
    let mut heard = Vec::new();
    for recorder in &recorders {
        heard.push(recorder.until(&lane("demo"), &last.0).await);
    }
    assert_eq!(heard[0].len(), MESSAGES, "each was delivered once");
    assert_eq!(heard[0], heard[1], "in one order");

    // One is left, which has everything, and must not promise anything.
    let mut second = first;
    until("another one leads", async || {
        second = cluster.leader().await.map_or(first, |led| led.by);
        second != first
    })
    .await;
    cluster.servers[second].kill();
    let refused = engines[0].publish(&lane("demo"), draft("alone")).await;
    assert!(
        matches!(refused, Err(EngineError::Unavailable { .. })),
        "{refused:?}"
    );
    cluster.servers[first].run();
    cluster.servers[second].run();
    let ack = timeout(
        BACK_MAX,
        until_taken(&*engines[0], &lane("demo"), &draft("alone")),
    )
    .await;
    ledger.push((draft("alone"), ack.expect("two are enough")));
    for engine in engines {
        engine.stop().await;
    }
    // A server that knows nothing yet.
    let engine = cluster.engine();
    until("the topic can be used", async || {
        engine.subscribe(&lane("demo")).await.is_ok()
    })
    .await;
    assert_held(&engine, &ledger).await;
    engine.stop().await;
}
