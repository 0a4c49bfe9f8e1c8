//! What only real servers of NATS can show.

mod cluster;
mod commands;
mod harness;
mod over_tls;

use std::{sync::Arc, time::Duration};

use fanwave_room::sequence::Repeat;
use fanwave_store::{Kind, Order, Page, Standing};
use fanwave_wire::{
    Body, Channel, ClientMessageId, Draft, Event, Offset, Role, Sender, UnixMillis, UserId,
    envelope::Record,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use self::harness::{NO_TICK, OneServer, account, until};
use super::{NatsBroker, NatsConfig};
use crate::clock::now;
use crate::free_port::free_port;
use crate::{
    Engine,
    conformance::{self, Harness, SharedHarness},
    conformance_cases,
    limits::NATS_DUPLICATE_HORIZON,
    shared::{Appended, Broker, Placed, Settings, SharedEngine},
};

conformance_cases!(
    OneServer::start().await =>
    conforms,
    conforms_when_harmed,
    conforms_together,
    conforms_together_when_harmed,
    tells_others,
);

fn lane(name: &str) -> Channel {
    name.parse().unwrap()
}

fn draft(id: &str) -> Draft {
    let sender = Sender::new(UserId("fan".into()), "Mina", Role::Fan);
    Draft::text(ClientMessageId(id.into()), sender, "hello")
}

fn record(at: UnixMillis, id: &str) -> Record {
    Record {
        at,
        draft: draft(id),
    }
}

fn deletion(offset: u64) -> Record {
    let mut record = record(now(), &format!("d{offset}"));
    record.draft.body = Body::Event(Box::new(Event::Deleted {
        offset: Offset(offset),
    }));
    record
}

const EVERYTHING: Page = Page {
    after: Offset(0),
    through: Offset(u64::MAX),
    limit: 500,
    order: Order::OldestFirst,
    kind: Kind::Everything,
};

async fn standing(broker: &NatsBroker, lane: &Channel) -> Standing {
    broker.read(lane, EVERYTHING).await.unwrap().standing
}

async fn append(broker: &NatsBroker, lane: &Channel, records: &[Record]) -> Vec<Placed> {
    let known = standing(broker, lane).await;
    match broker.append(lane, &known, records).await.unwrap() {
        Appended::Stored { placed, .. } => placed,
        Appended::Lost => unreachable!("nothing is lost here"),
    }
}

async fn offsets(broker: &NatsBroker, lane: &Channel) -> Vec<u64> {
    let read = broker.read(lane, EVERYTHING).await.unwrap();
    read.publications.iter().map(|held| held.offset.0).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_engines_fight_for_one_channel_and_all_win() {
    const ENGINES: usize = 4;
    const EACH: usize = 300;
    let server = OneServer::start().await;
    let mut sends = JoinSet::new();
    let mut engines = Vec::new();
    for name in 0..ENGINES {
        let engine = NatsBroker::engine(server.config(), NO_TICK).await.unwrap();
        let engine = Arc::new(engine);
        engines.push(Arc::clone(&engine));
        for number in 0..EACH {
            let engine = Arc::clone(&engine);
            let draft = draft(&format!("{name}-{number}"));
            sends.spawn(async move { engine.publish(&lane("chat:demo"), draft).await });
        }
    }
    let acks = sends.join_all().await;
    let mut given: Vec<u64> = acks.into_iter().map(|ack| ack.unwrap().offset.0).collect();
    given.sort_unstable();
    let all: Vec<u64> = (1..=(ENGINES * EACH) as u64).collect();
    assert_eq!(given, all, "each message has an offset of its own");
    for engine in engines {
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_consumers_and_subscriptions_do_not_grow_with_rooms() {
    const PARTITIONS: u16 = 4;
    let monitor = free_port();
    let options = ["--http_port".to_owned(), monitor.to_string()];
    let server = OneServer::start_with(&options).await;
    let config = NatsConfig {
        partitions: PARTITIONS,
        ..server.config()
    };
    let engine = NatsBroker::engine(config, Settings::default())
        .await
        .unwrap();
    for room in 0..100 {
        let lane = lane(&format!("chat:{room}"));
        engine.subscribe(&lane).await.unwrap();
        engine.publish(&lane, draft("1")).await.unwrap();
    }
    let account = account(&server.server.jetstream().await).await.unwrap();
    assert_eq!(
        (&account["streams"], &account["consumers"]),
        (&2.into(), &0.into())
    );
    let connections = http(monitor, "/connz?subs=1").await;
    let told = connections.matches("fanwave.told.").count();
    assert_eq!(told, usize::from(PARTITIONS), "{connections}");
    assert_eq!(
        connections.matches("fanwave.log.").count(),
        0,
        "{connections}"
    );
    engine.stop().await;
}

/// What a server says on its page for operators.
async fn http(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_release_says_is_refused_and_counted() {
    let server = OneServer::start().await;
    let (broker, signals) = NatsBroker::open(server.config()).await.unwrap();
    let told = broker
        .core
        .log
        .names
        .told(broker.partition(&lane("chat:demo").room));
    let engine = SharedEngine::open(broker, signals, Settings::default());
    let recorder = Arc::new(conformance::Recorder::default());
    engine.attach(Arc::<conformance::Recorder>::clone(&recorder));
    engine.subscribe(&lane("chat:demo")).await.unwrap();

    let other = NatsBroker::engine(server.config(), Settings::default())
        .await
        .unwrap();
    let stranger = server.server.jetstream().await.client();
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Sequence", "1");
    let subject = told.replace('>', "chat.demo");
    let said = stranger.publish_with_headers(subject, headers, "\u{2}whatever comes".into());
    said.await.unwrap();
    stranger.flush().await.unwrap();
    // What is said behind it on the same connection is heard behind it.
    until("it is counted", async || engine.stats().unreadable == 1).await;
    other.publish(&lane("chat:demo"), draft("1")).await.unwrap();
    recorder.until(&lane("chat:demo"), &draft("1")).await;
    assert_eq!(engine.stats().unreadable, 1);
    engine.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_text_is_erased_from_the_disk_when_no_copy_can_come() {
    let server = OneServer::start().await;
    let (broker, _signals) = NatsBroker::open(server.config()).await.unwrap();
    let (chat, room) = (lane("chat:demo"), lane("room:demo"));
    let horizon = u64::try_from(NATS_DUPLICATE_HORIZON.as_millis()).unwrap();
    let long_ago = UnixMillis(now().0 - horizon - 1);
    append(&broker, &chat, &[record(long_ago, "1")]).await;
    append(
        &broker,
        &chat,
        &[record(long_ago, "2"), record(long_ago, "3")],
    )
    .await;
    append(&broker, &chat, &[record(now(), "4")]).await;
    append(&broker, &chat, &[record(now(), "5")]).await;
    for offset in [1, 2, 4, 5] {
        append(&broker, &room, &[deletion(offset)]).await;
    }
    let stream = server.server.jetstream().await;
    let stream = stream.get_stream("fanwave-chat").await.unwrap();
    // The beginning, and what has 2 and 3, 4, and 5: the one has a text that is not deleted, of the others copies may come.
    until("the text is erased", async || {
        assert_eq!(offsets(&broker, &chat).await, [3]);
        stream.get_info().await.unwrap().state.messages == 4
    })
    .await;
    // Whoever has never seen it reads the same, and knows the copies of what is deleted.
    let (other, _signals) = NatsBroker::open(server.config()).await.unwrap();
    assert_eq!(offsets(&other, &chat).await, [3]);
    let again = append(&other, &chat, &[record(now(), "5"), record(now(), "6")]).await;
    assert_eq!(
        (again[0].offset, again[0].repeat),
        (Offset(5), Repeat::Again)
    );
    assert_eq!(
        (again[1].offset, again[1].repeat),
        (Offset(6), Repeat::First)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_was_forgotten_begins_anew_behind_what_was_deleted() {
    let server = OneServer::start().await;
    let config = NatsConfig {
        chat_age: Some(Duration::from_secs(1)),
        ..server.config()
    };
    let (broker, _signals) = NatsBroker::open(config).await.unwrap();
    let (chat, room) = (lane("chat:demo"), lane("room:demo"));
    let records: Vec<_> = (1..=4).map(|id| record(now(), &id.to_string())).collect();
    append(&broker, &chat, &records).await;
    append(&broker, &room, &[deletion(3)]).await;
    let before = standing(&broker, &chat).await;
    until("the chat is forgotten", async || {
        broker.core.log.newest(&chat).await.unwrap().is_none()
    })
    .await;
    let known = standing(&broker, &chat).await;
    assert_ne!(known.epoch, before.epoch);
    assert_eq!(known.head, Offset(3), "the deletion cannot hit what comes");
    let stored = broker.append(&chat, &before, &[record(now(), "new")]).await;
    let Appended::Stored { epoch, placed } = stored.unwrap() else {
        unreachable!("there is nothing that could be lost of another epoch");
    };
    assert_eq!((epoch, placed[0].offset), (known.epoch, Offset(4)));
    assert_eq!(offsets(&broker, &chat).await, [4]);
    assert_eq!(offsets(&broker, &room).await, [1], "other lanes are kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_made_anew_is_another_log() {
    let server = OneServer::start().await;
    let (broker, _signals) = NatsBroker::open(server.config()).await.unwrap();
    let chat = lane("chat:demo");
    append(&broker, &chat, &[record(now(), "1"), record(now(), "2")]).await;
    let before = standing(&broker, &chat).await;
    let jetstream = server.server.jetstream().await;
    jetstream.delete_stream("fanwave-chat").await.unwrap();
    // The first calls find out, and make it anew.
    until("it can be used again", async || {
        broker.read(&chat, EVERYTHING).await.is_ok()
    })
    .await;
    let placed = append(&broker, &chat, &[record(now(), "1")]).await;
    assert_eq!(
        (placed[0].offset, placed[0].repeat),
        (Offset(1), Repeat::First)
    );
    assert_ne!(standing(&broker, &chat).await.epoch, before.epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_laid_out_for_something_else_is_left_alone() {
    let server = OneServer::start().await;
    let jetstream = server.server.jetstream().await;
    let strange = async_nats::jetstream::stream::Config {
        name: "fanwave-chat".to_owned(),
        subjects: vec!["something.else".to_owned()],
        ..Default::default()
    };
    jetstream.create_stream(strange).await.unwrap();
    let (broker, _signals) = NatsBroker::open(server.config()).await.unwrap();
    let refused = broker.check().await.unwrap_err().to_string();
    assert!(refused.contains("laid out for something else"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_ends_in_time_when_nats_is_gone_and_when_it_was_never_there() {
    let nobody = format!("nats://127.0.0.1:{}", free_port());
    let config = NatsConfig::new(vec![nobody.parse().unwrap()]);
    let (broker, _signals) = NatsBroker::open(config).await.unwrap();
    assert!(broker.check().await.is_err());
    assert!(broker.read(&lane("chat:demo"), EVERYTHING).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_survive_a_killed_server_and_come_back_in_seconds() {
    let mut server = OneServer::start().await;
    let engine = server.start().await;
    for id in 1..=50 {
        engine
            .publish(&lane("chat:demo"), draft(&id.to_string()))
            .await
            .unwrap();
    }
    for _ in 0..3 {
        server.stop_broker().await;
        assert!(
            engine
                .publish(&lane("chat:demo"), draft("later"))
                .await
                .is_err()
        );
        server.start_broker().await;
        let mut ack = None;
        until("it is taken", async || {
            ack = engine
                .publish(&lane("chat:demo"), draft("later"))
                .await
                .ok();
            ack.is_some()
        })
        .await;
        assert_eq!(ack.unwrap().offset, Offset(51));
    }
    assert!(server.server.folder().exists());
    server.end(engine).await;
}
