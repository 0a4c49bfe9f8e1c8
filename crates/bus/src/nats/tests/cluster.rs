//! Three servers that are one, and one of them dies.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fanwave_wire::Channel;
use tokio::{task::JoinSet, time::Instant};

use super::{
    super::NatsBroker,
    draft,
    harness::{Cluster, NO_TICK, until},
    lane,
};
use crate::{Ack, Engine, HistoryQuery, shared::SharedEngine};

const SENDERS: usize = 10;
const EACH: usize = 200;

/// Far more than NATS takes to choose another leader.
const TAKEN_MAX: Duration = Duration::from_secs(60);

/// Sends messages as a client does: each again under its id until it is taken.
async fn send(
    engine: Arc<SharedEngine>,
    lane: Channel,
    sender: usize,
    taken: Arc<AtomicUsize>,
) -> BTreeMap<String, Ack> {
    let mut ledger = BTreeMap::new();
    for number in 0..EACH {
        let id = format!("{sender}-{number}");
        let ends = Instant::now() + TAKEN_MAX;
        let ack = loop {
            match engine.publish(&lane, draft(&id)).await {
                Ok(ack) => break ack,
                Err(error) => assert!(Instant::now() < ends, "{id} is not taken: {error}"),
            }
            tokio::task::yield_now().await;
        };
        taken.fetch_add(1, Ordering::Relaxed);
        ledger.insert(id, ack);
    }
    ledger
}

/// Everything the log holds.
async fn held(engine: &SharedEngine, lane: &Channel) -> BTreeMap<String, Vec<u64>> {
    let mut held: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut since = None;
    loop {
        let query = HistoryQuery {
            since,
            limit: usize::MAX,
            reverse: false,
        };
        let page = engine.history(lane, query).await.unwrap().publications;
        for publication in &page {
            let places = held.entry(publication.draft.id.0.to_string()).or_default();
            places.push(publication.offset.0);
        }
        match page.last() {
            Some(last) => since = Some(last.offset),
            None => return held,
        }
    }
}

/// Each message is held once, where it was acknowledged, and no others are.
async fn assert_held(
    engine: &SharedEngine,
    lane: &Channel,
    ledger: &BTreeMap<String, Ack>,
    messages: usize,
) {
    let standing = HistoryQuery {
        since: None,
        limit: 0,
        reverse: false,
    };
    // It may be comparing what it has with the log.
    until("the server has caught up", async || {
        let history = engine.history(lane, standing).await;
        history.is_ok_and(|history| history.head.0 >= messages as u64)
    })
    .await;
    let held = held(engine, lane).await;
    let astray: Vec<_> = ledger
        .iter()
        .filter(|(id, ack)| held.get(*id) != Some(&vec![ack.offset.0]))
        .map(|(id, ack)| (id, ack, held.get(id)))
        .collect();
    assert!(
        astray.is_empty(),
        "each is held once, where it was acknowledged: {astray:?}"
    );
    assert_eq!(held.len(), messages, "nothing is held that nobody sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_engines_share_a_cluster() {
    const ENGINES: usize = 3;
    let cluster = Cluster::start().await;
    let chat = lane("chat:demo");
    let mut engines = Vec::new();
    for _ in 0..ENGINES {
        let engine = NatsBroker::engine(cluster.config(), NO_TICK).await.unwrap();
        let engine = Arc::new(engine);
        until("the streams are made", async || {
            engine.subscribe(&chat).await.is_ok()
        })
        .await;
        engines.push(engine);
    }
    let taken = Arc::<AtomicUsize>::default();
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let engine = Arc::clone(&engines[sender % ENGINES]);
        senders.spawn(send(engine, chat.clone(), sender, Arc::clone(&taken)));
    }
    let epoch = engines[0].subscribe(&chat).await.unwrap().epoch;
    let mut given = Vec::new();
    let ledger: BTreeMap<_, _> = senders.join_all().await.into_iter().flatten().collect();
    for ack in ledger.values() {
        assert_eq!(ack.epoch, epoch, "nobody took one message for another");
        given.push(ack.offset.0);
    }
    given.sort_unstable();
    let all: Vec<u64> = (1..=(SENDERS * EACH) as u64).collect();
    assert!(given == all, "each message has an offset of its own");
    assert_held(&engines[0], &chat, &ledger, SENDERS * EACH).await;
    for engine in engines {
        engine.stop().await;
    }
}

/// A ledger: what two servers have acknowledged while the leader of the stream was killed under them is there, once,
/// where it was said to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_when_the_leader_dies() {
    let mut cluster = Cluster::start().await;
    let chat = lane("chat:demo");
    let mut engines = Vec::new();
    for _ in 0..2 {
        let engine = NatsBroker::engine(cluster.config(), NO_TICK).await.unwrap();
        let engine = Arc::new(engine);
        until("the streams are made", async || {
            engine.subscribe(&chat).await.is_ok()
        })
        .await;
        engines.push(engine);
    }
    let epoch = engines[0].subscribe(&chat).await.unwrap().epoch;
    let taken = Arc::<AtomicUsize>::default();
    let leader = cluster.leader().await;
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let engine = Arc::clone(&engines[sender % 2]);
        senders.spawn(send(engine, chat.clone(), sender, Arc::clone(&taken)));
    }
    until("the fans write", async || {
        taken.load(Ordering::Relaxed) >= SENDERS * EACH / 4
    })
    .await;
    cluster.servers[leader].kill();
    let so_far = taken.load(Ordering::Relaxed);
    assert!(so_far < SENDERS * EACH, "it was killed while fans wrote");
    until("the others go on", async || {
        taken.load(Ordering::Relaxed) > so_far + SENDERS
    })
    .await;
    let ledger: BTreeMap<_, _> = senders.join_all().await.into_iter().flatten().collect();
    let other = ledger.values().filter(|ack| ack.epoch != epoch).count();
    assert_eq!(other, 0, "nothing was lost");
    for engine in &engines {
        assert_held(engine, &chat, &ledger, SENDERS * EACH).await;
    }
    // A server that knows nothing yet asks all three.
    cluster.servers[leader].run();
    cluster.servers[leader].until_ready().await;
    let engine = NatsBroker::engine(cluster.config(), NO_TICK).await.unwrap();
    until("it can be used", async || {
        engine.subscribe(&chat).await.is_ok()
    })
    .await;
    assert_held(&engine, &chat, &ledger, SENDERS * EACH).await;
    engine.stop().await;
    for engine in engines {
        engine.stop().await;
    }
}
