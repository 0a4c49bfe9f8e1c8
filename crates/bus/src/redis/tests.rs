//! The cases of every engine, over real servers of Redis.

mod commands;
mod failover;
mod harness;
mod over_tls;

use fanwave_wire::{ClientMessageId, Draft, Role, Sender, UserId};

use self::harness::{OneServer, ask};
use super::*;
use crate::{Engine, conformance, conformance_cases};

conformance_cases!(
    OneServer::start().await =>
    conforms,
    conforms_when_harmed,
    conforms_together,
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
    let tags = slots::tags(128).len() as u64;
    let partition = |room: &str| spread(room) % tags;
    assert_eq!(
        [partition("demo"), partition("stage"), partition("a")],
        [113, 32, 64]
    );
    let mut counts = [0; 128];
    for room in 0..12_800 {
        counts[usize::try_from(partition(&format!("room-{room}"))).unwrap()] += 1;
    }
    assert!(
        counts.iter().all(|count| (50..200).contains(count)),
        "{counts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_and_subscriptions_do_not_grow_with_rooms() {
    let server = OneServer::start().await;
    let config = RedisConfig {
        partitions: 4,
        ..server.config()
    };
    let engine = RedisBroker::engine(config, Settings::default());
    for room in 0..100 {
        let lane = lane(&room.to_string());
        engine.subscribe(&lane).await.unwrap();
        engine.publish(&lane, draft("1")).await.unwrap();
    }
    // Of one connection: the server may not have noticed yet that an earlier one has ended.
    let mut connection = server.connection().await;
    let clients = ask(&mut connection, &["CLIENT", "LIST", "TYPE", "pubsub"]).await;
    let clients = clients.unwrap();
    assert_eq!(clients.lines().count(), 1, "{clients}");
    // One for each partition, and one for what servers tell about themselves.
    assert!(clients.contains("ssub=5"), "{clients}");
    // One for calls, one that hears, and the one of this test.
    let clients = ask(&mut connection, &["CLIENT", "LIST"]).await.unwrap();
    assert_eq!(clients.lines().count(), 3, "{clients}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_release_says_is_refused_and_counted() {
    let server = OneServer::start().await;
    let (broker, signals) = RedisBroker::open(server.config());
    let (tag, _) = broker.place(&lane("demo").room);
    let engine = SharedEngine::open(broker, signals, Settings::default());
    engine.subscribe(&lane("demo")).await.unwrap();
    let place = scripts::place(tag);
    let heard = server
        .ask(&["SPUBLISH", &place, "\u{2}whatever comes"])
        .await;
    assert_eq!(heard, "1");
    // The next message comes behind it on the same connection.
    let other = RedisBroker::engine(server.config(), Settings::default());
    let recorder = Arc::new(conformance::Recorder::default());
    engine.attach(Arc::<conformance::Recorder>::clone(&recorder));
    other.publish(&lane("demo"), draft("1")).await.unwrap();
    recorder.until(&lane("demo"), &draft("1")).await;
    assert_eq!(engine.stats().unreadable, 1);
    engine.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_redis_forbids_servers_to_hear_of_each_other_rooms_are_shared_all_the_same() {
    let server = OneServer::start().await;
    let user = ["ACL", "SETUSER", "fanwave", "on", ">secret", "~*", "+@all"];
    // Of what is published, only what is appended.
    let user = [&user[..], &["resetchannels", "&fanwave:{*}"]].concat();
    assert_eq!(server.ask(&user).await, "ok");
    let config = RedisConfig {
        username: Some("fanwave".to_owned()),
        password: Some("secret".to_owned()),
        ..server.config()
    };
    let engine = RedisBroker::engine(config.clone(), Settings::default());
    let other = RedisBroker::engine(config.clone(), Settings::default());
    let recorder = Arc::new(conformance::Recorder::default());
    engine.attach(Arc::<conformance::Recorder>::clone(&recorder));
    let (broker, _signals) = RedisBroker::open(config);
    let refused = broker.tell(b"hearsay").await;
    assert!(
        matches!(&refused, Err(BrokerError::Unavailable { reason }) if reason.contains("no permissions")),
        "{refused:?}"
    );
    for round in ["1", "2"] {
        engine.subscribe(&lane("demo")).await.unwrap();
        other.publish(&lane("demo"), draft(round)).await.unwrap();
        recorder.until(&lane("demo"), &draft(round)).await;
        // What was lost is subscribed to again, whatever becomes of the rest.
        let killed = server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        assert_ne!(killed, "0");
    }
    engine.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_too_few_replicas_have_is_not_acknowledged() {
    let server = OneServer::start().await;
    let config = RedisConfig {
        replicas: 1,
        ..server.config()
    };
    let engine = RedisBroker::engine(config, Settings::default());
    let refused = engine.publish(&lane("demo"), draft("1")).await;
    assert!(
        matches!(refused, Err(crate::EngineError::Unavailable { .. })),
        "{refused:?}"
    );
    let _replica = server.replica().await;
    let ack = engine.publish(&lane("demo"), draft("1")).await.unwrap();
    assert!(ack.duplicate, "it was held all the same: {ack:?}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_kept_as_long_as_configured_and_its_events_longer() {
    let server = OneServer::start().await;
    let config = RedisConfig {
        log_messages: 200,
        ..server.config()
    };
    let tick = std::time::Duration::ZERO;
    let engine = Arc::new(RedisBroker::engine(config, Settings { tick }));
    let mut sends = tokio::task::JoinSet::new();
    for id in 0..2_000 {
        let engine = Arc::clone(&engine);
        sends.spawn(async move { engine.publish(&lane("demo"), draft(&id.to_string())).await });
    }
    assert!(sends.join_all().await.iter().all(Result::is_ok));
    let (tag, _) = RedisBroker::open(server.config())
        .0
        .place(&lane("demo").room);
    let key = format!("fanwave:{{{tag}}}:chat:demo:log");
    let held: u64 = server.ask(&["XLEN", &key]).await.parse().unwrap();
    // Redis shortens by whole pieces of a hundred.
    assert!((200..=400).contains(&held), "{held}");
    engine.stop().await;
}
