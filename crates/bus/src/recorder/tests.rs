//! Rooms over a broker in memory, and an archive in a real file.

use std::time::Duration;

use fanwave_store::{Kind, Order, Page, Store};
use fanwave_wire::{
    Body, ClientMessageId, Draft, Event, Publication, Role, Sender, Text, UserId,
    limits::HISTORY_PAGE_MAX,
};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::shared::{Settings, SharedEngine, fake::FakeLog};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Stage {
    log: FakeLog,
    engine: Arc<dyn Engine>,
    store: Store,
    archive: Archive,
    _folder: TempDir,
}

fn engine(log: &FakeLog) -> Arc<dyn Engine> {
    let (broker, signals) = log.connect();
    let tick = Duration::ZERO;
    Arc::new(SharedEngine::open(broker, signals, Settings { tick }))
}

fn channel(name: &str) -> Channel {
    name.parse().unwrap()
}

impl Stage {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("log.db")).await.unwrap();
        let log = FakeLog::default();
        Self {
            engine: engine(&log),
            log,
            archive: store.clone().into(),
            store,
            _folder: folder,
        }
    }

    fn record(&self) -> Recorder {
        let log = self.log.clone();
        let open: Open = Box::new(move || {
            let engine = engine(&log);
            Box::pin(async move { Ok(engine) })
        });
        let channels = ["chat:demo", "room:demo", "chat:other", "room:other"];
        Recorder::start(self.archive.clone(), open, channels.map(channel).into())
    }

    async fn say(&self, lane: &str, body: Body) {
        self.try_say(lane, body).await.unwrap();
    }

    async fn try_say(&self, lane: &str, body: Body) -> Result<(), EngineError> {
        use std::sync::atomic::AtomicU32;

        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let draft = Draft {
            id: ClientMessageId(count.to_string().into()),
            sender: Sender {
                user: UserId("fan".into()),
                name: "Mina".into(),
                role: Role::Fan,
                badge: None,
            },
            body,
        };
        let lane = channel(lane);
        self.engine.publish(&lane, draft).await.map(drop)
    }

    async fn chatter(&self, lane: &str, count: usize) {
        for index in 0..count {
            let text = Text::plain(format!("message {index}"));
            self.say(lane, Body::Text(text)).await;
        }
    }

    /// All that the archive has of the newest run of a channel.
    async fn archived(&self, lane: &str) -> Vec<Arc<Publication>> {
        let mut all: Vec<Arc<Publication>> = Vec::new();
        loop {
            let page = Page {
                after: all.last().map_or(Offset(0), |last| last.offset),
                through: Offset(u64::MAX),
                limit: 400,
                order: Order::OldestFirst,
                kind: Kind::Everything,
            };
            let page = self.archive.read(&channel(lane), None, page).await.unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    /// Waits until the archive has as much as the room, and holds it to be the same.
    async fn catches_up(&self, lane: &str) {
        let head = self.engine.subscribe(&channel(lane)).await.unwrap().head;
        let caught_up = async {
            loop {
                let reached = self.archive.reached(&channel(lane)).await.unwrap();
                if reached.is_some_and(|reached| reached.head >= head) {
                    return;
                }
            }
        };
        timeout(PATIENCE, caught_up).await.expect("it catches up");
        let mut there = Vec::new();
        while there
            .last()
            .is_none_or(|last: &Arc<Publication>| last.offset < head)
        {
            let query = HistoryQuery {
                since: there.last().map(|last| last.offset),
                limit: HISTORY_PAGE_MAX,
                reverse: false,
            };
            there.extend(
                self.engine
                    .history(&channel(lane), query)
                    .await
                    .unwrap()
                    .publications,
            );
        }
        assert_eq!(self.archived(lane).await, there);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_before_and_is_said_now_is_recorded() {
    let stage = Stage::new().await;
    stage.chatter("chat:demo", 900).await;
    let recorder = stage.record();
    stage.chatter("chat:demo", 50).await;
    stage.chatter("room:other", 5).await;
    stage.catches_up("chat:demo").await;
    stage.catches_up("room:other").await;
    let offset = Offset(940);
    let deleted = Body::Event(Box::new(Event::Deleted { offset }));
    stage.say("room:demo", deleted).await;
    stage.catches_up("room:demo").await;
    let left = stage.archived("chat:demo").await;
    assert_eq!(left.len(), 949);
    assert!(left.iter().all(|one| one.offset != offset));
    let watch = recorder.watch();
    recorder.stop().await;
    let stats = watch.stats();
    assert_eq!((stats.recorded, stats.holes, stats.refused), (956, 0, 0));
    assert!(watch.is_well() && !stats.leads);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_takes_over_misses_nothing_and_records_nothing_twice() {
    let stage = Stage::new().await;
    let first = stage.record();
    let talk = async {
        for _ in 0..10 {
            stage.chatter("chat:demo", 60).await;
            stage.chatter("room:demo", 3).await;
        }
    };
    let turns = async {
        // Ended in the middle of something, and for a while two of them at once.
        drop(first);
        let second = stage.record();
        let third = stage.record();
        drop(second);
        third
    };
    let ((), third) = tokio::join!(talk, turns);
    stage.catches_up("chat:demo").await;
    stage.catches_up("room:demo").await;
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_go_on_while_the_archive_cannot_be_written() {
    let stage = Stage::new().await;
    let recorder = stage.record();
    let watch = recorder.watch();
    stage.chatter("chat:demo", 10).await;
    stage.catches_up("chat:demo").await;
    stage.store.set_quota(Some(0)).await.unwrap();
    let fails = async {
        while watch.is_well() {
            stage.chatter("chat:demo", 100).await;
        }
    };
    timeout(PATIENCE, fails).await.expect("its file is full");
    // More than any window holds.
    stage.chatter("chat:demo", 600).await;
    assert!(watch.stats().behind > 0);
    stage.store.set_quota(None).await.unwrap();
    stage.catches_up("chat:demo").await;
    recorder.stop().await;
    let stats = watch.stats();
    assert!(watch.is_well() && stats.failures > 0);
    assert_eq!(stats.holes, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broker_has_lost_stays_recorded_and_it_goes_on() {
    let stage = Stage::new().await;
    let recorder = stage.record();
    stage.chatter("chat:demo", 30).await;
    stage.catches_up("chat:demo").await;
    stage.log.lose_after(&channel("chat:demo"), Offset(20));
    // What is sent before the servers know is refused.
    let text = Body::Text(Text::plain(""));
    assert!(stage.try_say("chat:demo", text).await.is_err());
    let mut epoch = None;
    let renewed = async {
        loop {
            let snapshot = stage.engine.subscribe(&channel("chat:demo")).await.unwrap();
            if snapshot.head == Offset(20) {
                epoch = Some(snapshot.epoch);
                return;
            }
        }
    };
    timeout(PATIENCE, renewed)
        .await
        .expect("a new epoch begins");
    stage.chatter("chat:demo", 5).await;
    let runs = async {
        loop {
            let reached = stage.archive.reached(&channel("chat:demo")).await.unwrap();
            if reached.is_some_and(|reached| Some(reached.epoch) == epoch) {
                return;
            }
        }
    };
    timeout(PATIENCE, runs)
        .await
        .expect("the new run is recorded");
    stage.catches_up("chat:demo").await;
    let runs = stage.archive.runs(&channel("chat:demo")).await.unwrap();
    assert_eq!(runs.len(), 2);
    let page = Page {
        after: Offset(0),
        through: Offset(u64::MAX),
        limit: 400,
        order: Order::OldestFirst,
        kind: Kind::Everything,
    };
    let lost = stage
        .archive
        .read(&channel("chat:demo"), Some(&runs[0].epoch), page)
        .await
        .unwrap();
    let lost: Vec<u64> = lost.iter().map(|one| one.offset.0).collect();
    assert_eq!(lost, (21..=30).collect::<Vec<_>>());
    recorder.stop().await;
}
