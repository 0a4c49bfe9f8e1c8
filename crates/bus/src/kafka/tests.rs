//! The cases of every engine, over real servers of Kafka.

mod cluster;
mod commands;
mod gate;
mod harness;
mod login;
mod server;

use fanwave_wire::{ClientMessageId, Draft, Role, Sender, UserId};

use self::harness::{Calm, Harmed, calm, until};
use super::*;
use crate::{
    Ack, Engine, EngineError,
    conformance::{Harness, SharedHarness},
    conformance_cases,
};

conformance_cases!(Calm::start().await => conforms, conforms_together);
conformance_cases!(
    Harmed::start().await =>
    conforms_when_harmed,
    conforms_together_when_harmed,
    tells_others,
);

fn lane(room: &str) -> Channel {
    format!("chat:{room}").parse().unwrap()
}

fn draft(id: &str) -> Draft {
    let sender = Sender::new(UserId("fan".into()), "Mina", Role::Fan);
    Draft::text(ClientMessageId(id.into()), sender, "hello")
}

#[test]
fn a_room_is_in_the_same_partition_on_every_server() {
    let partition = |room: &str| partition_of(room, 32).0;
    assert_eq!(
        [partition("demo"), partition("stage"), partition("a")],
        [17, 0, 0]
    );
    let mut counts = [0; 32];
    for room in 0..3_200 {
        counts[usize::from(partition(&format!("room-{room}")))] += 1;
    }
    assert!(
        counts.iter().all(|count| (50..200).contains(count)),
        "{counts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_missing_or_of_another_size_is_refused() {
    let calm = Calm::start().await;
    let missing = KafkaConfig {
        topic: "nobody-made-it".parse().unwrap(),
        ..calm.config()
    };
    let (broker, _signals) = KafkaBroker::open(missing);
    let error = broker.check().await.unwrap_err().to_string();
    assert!(error.contains("no topic nobody-made-it"), "{error}");
    let larger = KafkaConfig {
        partitions: 7,
        ..calm.config()
    };
    let (broker, _signals) = KafkaBroker::open(larger);
    let error = broker.check().await.unwrap_err().to_string();
    assert!(error.contains("has 2 partitions"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_reads_what_came_after_the_newest_snapshot() {
    const MESSAGES: u64 = 260;
    let calm = Calm::start().await;
    let tick = std::time::Duration::ZERO;
    let engine = KafkaBroker::engine(calm.config(), Settings { tick });
    for id in 1..=MESSAGES {
        engine
            .publish(&lane("demo"), draft(&id.to_string()))
            .await
            .unwrap();
    }
    let before = engine.subscribe(&lane("demo")).await.unwrap();
    // A snapshot is on its way while others write on: only what its writer has finished is there.
    let mut opened = None;
    until("not everything is read", async || {
        let (broker, signals) = KafkaBroker::open(calm.config());
        let partition = broker.partition(&lane("demo").room);
        broker.watch(partition).await.unwrap();
        let read = broker.tail(partition).viewed.look().read;
        opened = Some((broker, signals));
        read < MESSAGES
    })
    .await;
    engine.stop().await;
    let (broker, signals) = opened.unwrap();
    let engine = SharedEngine::open(broker, signals, Settings { tick });
    assert_eq!(engine.subscribe(&lane("demo")).await.unwrap(), before);
    let again = engine.publish(&lane("demo"), draft("7")).await.unwrap();
    assert!(again.duplicate && again.offset.0 == 7, "{again:?}");
    let ack = engine.publish(&lane("demo"), draft("new")).await.unwrap();
    assert_eq!(ack.offset.0, MESSAGES + 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_for_snapshots_that_is_made_later_is_used() {
    let server = calm().await;
    server.make(&["late".to_owned()]).await;
    let config = server.config("late");
    let tick = std::time::Duration::ZERO;
    let engine = KafkaBroker::engine(config.clone(), Settings { tick });
    let mut ids = 1_u64..;
    engine.publish(&lane("demo"), draft("first")).await.unwrap();
    server.make(&[config.topic.of_snapshots()]).await;
    until("a snapshot is found", async || {
        let id = ids.next().unwrap().to_string();
        engine.publish(&lane("demo"), draft(&id)).await.unwrap();
        let (broker, _signals) = KafkaBroker::open(config.clone());
        let partition = broker.partition(&lane("demo").room);
        broker.watch(partition).await.unwrap();
        let read = broker.tail(partition).viewed.look().read;
        read < ids.start
    })
    .await;
    engine.stop().await;
}

/// Writes something to the partition of a room, past all engines.
async fn write(calm: &Calm, room: &str, value: &[u8]) {
    let config = calm.config();
    let partition = partition_of(room, config.partitions);
    let wires = Arc::new(Wires::searching(config));
    let wire = Wire::new(&wires, partition);
    wire.write(None, value.to_vec()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_is_passed_over_on_every_server() {
    let calm = Calm::start().await;
    let engine = KafkaBroker::engine(calm.config(), Settings::default());
    engine.publish(&lane("demo"), draft("1")).await.unwrap();
    write(&calm, "demo", b"whatever comes").await;
    let ack = engine.publish(&lane("demo"), draft("2")).await.unwrap();
    assert_eq!(ack.offset.0, 2);
    engine.stop().await;
    let other = KafkaBroker::engine(calm.config(), Settings::default());
    let snapshot = other.subscribe(&lane("demo")).await.unwrap();
    assert_eq!(snapshot.head.0, 2);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_release_has_written_is_refused_and_never_guessed() {
    let calm = Calm::start().await;
    let engine = KafkaBroker::engine(calm.config(), Settings::default());
    engine.publish(&lane("demo"), draft("1")).await.unwrap();
    write(&calm, "demo", b"FWK\x02whatever comes").await;
    let refused = engine.publish(&lane("demo"), draft("2")).await;
    let Err(EngineError::Unavailable { reason }) = refused else {
        unreachable!("{refused:?}");
    };
    // Until it has been met, nothing is known of what came behind it.
    let again = engine.publish(&lane("demo"), draft("2")).await;
    let Err(EngineError::Unavailable { reason: later }) = again else {
        unreachable!("{again:?}");
    };
    assert!(later.contains("version 2"), "{reason}, {later}");
    engine.stop().await;
}

/// Far more than Kafka takes to come back.
const BACK_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// Sends as a client does: again under the same id, until it is taken.
async fn until_taken(engine: &dyn Engine, lane: &Channel, draft: &Draft) -> Ack {
    loop {
        match engine.publish(lane, draft.clone()).await {
            Ok(ack) => return ack,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// All that a fan was acknowledged on one server while Kafka was ended and started again.
async fn say_on(engine: Arc<dyn Engine>, room: String, user: String) -> Vec<(Channel, Draft, u64)> {
    const MESSAGES: u32 = 60;
    let lane = lane(&room);
    let mut acknowledged = Vec::new();
    for number in 0..MESSAGES {
        let mut draft = draft(&number.to_string());
        draft.sender.user = UserId(user.as_str().into());
        let ack = timeout(BACK_MAX, until_taken(&*engine, &lane, &draft)).await;
        let offset = ack.expect("Kafka is back").offset.0;
        acknowledged.push((lane.clone(), draft, offset));
    }
    acknowledged
}

/// A ledger: what two servers have acknowledged while Kafka was killed under them is there, once, where it was said
/// to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledgement_outlives_a_kafka_that_is_killed() {
    let mut harness = Harmed::start().await;
    let (first, second) = (harness.start().await, harness.start_another().await);
    let mut fans = tokio::task::JoinSet::new();
    for room in 0..4 {
        for (name, engine) in [("a", &first), ("b", &second)] {
            let (room, user) = (format!("room-{room}"), format!("{name}-{room}"));
            fans.spawn(say_on(Arc::clone(engine), room, user));
        }
    }
    harness.stop_broker().await;
    harness.start_broker().await;
    let ledger: Vec<_> = fans.join_all().await.into_iter().flatten().collect();
    harness.end(second).await;
    harness.end(first).await;

    let engine = harness.start().await;
    for room in 0..4 {
        let lane = lane(&format!("room-{room}"));
        let snapshot = engine.subscribe(&lane).await.unwrap();
        let of_lane = ledger.iter().filter(|(of, ..)| *of == lane);
        let mut places: Vec<u64> = Vec::new();
        for (_, draft, offset) in of_lane {
            let held = snapshot.recent.iter().filter(|held| held.draft == *draft);
            let held: Vec<u64> = held.map(|held| held.offset.0).collect();
            assert_eq!(held, [*offset]);
            places.push(*offset);
        }
        places.sort_unstable();
        let all: Vec<u64> = (1..=snapshot.head.0).collect();
        assert_eq!(places, all, "nothing else is there");
    }
    harness.end(engine).await;
}
