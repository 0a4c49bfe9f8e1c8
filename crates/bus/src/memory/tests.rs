mod postgres;

use std::{path::PathBuf, time::Duration};

use fanwave_store::Retention;
use fanwave_wire::{Body, ClientMessageId, Role, Sender, Text, UnixMillis, UserId};
use tempfile::TempDir;

use super::*;
use crate::{
    conformance::{Harness, Recorder},
    conformance_cases,
    limits::CHANNEL_IDLE_MAX,
};

/// Engines over one file, which is really written, and really full when it is to fail.
struct OnDisk {
    folder: TempDir,
    store: Option<Store>,
}

impl OnDisk {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            store: None,
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("fanwave.db")
    }

    async fn open_store(&mut self) -> Store {
        let store = Store::open(&self.file()).await.unwrap();
        self.store.insert(store).clone()
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("an engine has been started")
    }
}

impl Harness for OnDisk {
    async fn start(&mut self) -> Arc<dyn Engine> {
        Arc::new(MemoryEngine::open(self.open_store().await))
    }

    async fn end(&mut self, engine: Arc<dyn Engine>) {
        drop(engine);
        self.store().close().await;
    }

    async fn break_log(&mut self) {
        // A quota below the size means that the file must not grow; what is free in its pages is soon used up.
        self.store().set_quota(Some(0)).await.unwrap();
    }

    async fn mend_log(&mut self) {
        self.store().set_quota(None).await.unwrap();
    }
}

conformance_cases!(OnDisk::new() => conforms, conforms_when_harmed);

fn lane(index: u32) -> Channel {
    format!("chat:{index}").parse().unwrap()
}

fn draft(id: &str) -> Draft {
    let sender = Sender {
        user: UserId("fan".into()),
        name: "Mina".into(),
        role: Role::Fan,
        badge: None,
    };
    Draft {
        id: ClientMessageId(id.into()),
        sender,
        body: Body::Text(Text::plain("hello")),
    }
}

#[tokio::test]
async fn a_stopped_engine_has_answered_and_delivered_all_it_took() {
    let mut disk = OnDisk::new();
    let store = disk.open_store().await;
    let engine = Arc::new(MemoryEngine::open(store.clone()));
    let recorder = Arc::new(Recorder::default());
    engine.attach(Arc::<Recorder>::clone(&recorder));
    engine.subscribe(&lane(1)).await.unwrap();
    let mut sends = tokio::task::JoinSet::new();
    for index in 0..200 {
        let engine = Arc::clone(&engine);
        sends.spawn(async move { engine.publish(&lane(1), draft(&index.to_string())).await });
    }
    // Some are taken when the first has been answered; the others come too late or not, but all are answered.
    let first = sends.join_next().await.unwrap().unwrap();
    assert!(first.is_ok(), "{first:?}");
    engine.stop().await;
    let delivered = recorder.of(&lane(1));
    let answers = sends.join_all().await;
    let taken = 1 + answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(delivered.len(), taken);
    for answer in answers {
        assert!(
            matches!(answer, Ok(_) | Err(EngineError::Stopping)),
            "{answer:?}"
        );
    }
    assert_eq!(
        engine.publish(&lane(1), draft("late")).await,
        Err(EngineError::Stopping)
    );
    assert_eq!(
        engine.subscribe(&lane(1)).await.unwrap_err(),
        EngineError::Stopping
    );
    engine.stop().await;
    assert_eq!(
        store.standing(&lane(1)).await.unwrap().head,
        Offset(taken as u64)
    );
    store.close().await;
}

#[tokio::test]
async fn a_channel_that_nobody_uses_makes_room_for_another() {
    let mut disk = OnDisk::new();
    let engine = MemoryEngine::with_channels_max(disk.open_store().await, 2);
    engine.subscribe(&lane(1)).await.unwrap();
    let first = engine.publish(&lane(2), draft("x")).await.unwrap();
    engine.publish(&lane(3), draft("x")).await.unwrap();
    assert_eq!(
        engine.shared.registry.len(),
        2,
        "the third took the place of the second"
    );
    // The second comes back, as it was, in place of the third.
    let again = engine.publish(&lane(2), draft("x")).await.unwrap();
    assert!(again.duplicate);
    assert_eq!((again.offset, again.epoch), (first.offset, first.epoch));
    engine.subscribe(&lane(2)).await.unwrap();
    // Now both are in use.
    assert_eq!(
        engine.publish(&lane(3), draft("y")).await,
        Err(EngineError::Busy)
    );
    engine.unsubscribe(&lane(1)).await.unwrap();
    assert_eq!(
        engine.publish(&lane(3), draft("y")).await.unwrap().offset,
        Offset(2)
    );
    engine.stop().await;
}

#[tokio::test]
async fn an_idle_channel_is_closed_and_one_with_a_subscriber_is_not() {
    let mut disk = OnDisk::new();
    let engine = MemoryEngine::open(disk.open_store().await);
    engine.subscribe(&lane(1)).await.unwrap();
    engine.publish(&lane(2), draft("x")).await.unwrap();
    let idle_ms = u64::try_from(CHANNEL_IDLE_MAX.as_millis()).unwrap();
    engine.shared.registry.sweep(now());
    assert_eq!(engine.shared.registry.len(), 2);
    engine.shared.registry.sweep(UnixMillis(now().0 + idle_ms));
    assert_eq!(engine.shared.registry.len(), 1);
    engine.unsubscribe(&lane(1)).await.unwrap();
    engine.shared.registry.sweep(UnixMillis(now().0 + idle_ms));
    assert_eq!(engine.shared.registry.len(), 0);
    engine.stop().await;
}

#[tokio::test]
async fn a_store_that_is_gone_is_an_answer_and_no_hang() {
    let mut disk = OnDisk::new();
    let store = disk.open_store().await;
    let engine = MemoryEngine::open(store.clone());
    engine.publish(&lane(1), draft("x")).await.unwrap();
    store.close().await;
    let refused = EngineError::Unavailable {
        reason: "the message log is closed".to_owned(),
    };
    assert_eq!(
        engine.publish(&lane(1), draft("y")).await,
        Err(refused.clone())
    );
    assert_eq!(engine.publish(&lane(2), draft("y")).await, Err(refused));
    // What is remembered can still be read.
    let query = HistoryQuery {
        since: None,
        limit: 10,
        reverse: false,
    };
    assert_eq!(
        engine.history(&lane(1), query).await.unwrap().head,
        Offset(1)
    );
    engine.stop().await;
}

#[tokio::test]
async fn an_engine_that_is_behind_its_log_catches_up() {
    let mut disk = OnDisk::new();
    let store = disk.open_store().await;
    let engine = MemoryEngine::open(store.clone());
    let recorder = Arc::new(Recorder::default());
    engine.attach(Arc::<Recorder>::clone(&recorder));
    engine.subscribe(&lane(1)).await.unwrap();
    engine.publish(&lane(1), draft("a")).await.unwrap();
    // As if an append had been stored and its answer lost.
    let unknown = Publication {
        offset: Offset(2),
        at: now(),
        draft: draft("b"),
    };
    store
        .append(&lane(1), vec![Arc::new(unknown)])
        .await
        .unwrap();
    let refused = engine.publish(&lane(1), draft("c")).await;
    assert!(
        matches!(refused, Err(EngineError::Unavailable { .. })),
        "{refused:?}"
    );
    let held = engine.publish(&lane(1), draft("b")).await.unwrap();
    assert_eq!((held.offset, held.duplicate), (Offset(2), true));
    assert_eq!(
        engine.publish(&lane(1), draft("c")).await.unwrap().offset,
        Offset(3)
    );
    let delivered = recorder.until(&lane(1), &draft("c")).await;
    assert_eq!(delivered, store.tail(&lane(1), 9).await.unwrap());
    assert_eq!(delivered.len(), 3);
    engine.stop().await;
}

#[tokio::test]
async fn what_the_log_has_let_go_of_is_not_recovered() {
    let mut disk = OnDisk::new();
    let store = disk.open_store().await;
    let engine = MemoryEngine::open(store.clone());
    for index in 0..10 {
        let draft = draft(&index.to_string());
        engine.publish(&lane(1), draft).await.unwrap();
    }
    engine.stop().await;
    let retention = Retention {
        default: Some(Duration::from_secs(1)),
        ..Retention::default()
    };
    let tomorrow = UnixMillis(now().0 + 86_400_000);
    store.sweep(&retention, tomorrow).await.unwrap();

    let engine = MemoryEngine::open(store.clone());
    engine.publish(&lane(1), draft("newest")).await.unwrap();
    // Whoever has 9 or less has missed what is not there any more.
    let snapshot = engine.subscribe(&lane(1)).await.unwrap();
    assert_eq!((snapshot.floor, snapshot.head), (Offset(10), Offset(11)));
    assert_eq!(snapshot.recent.len(), 1);
    engine.stop().await;
    store.close().await;
}
