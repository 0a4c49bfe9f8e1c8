use std::sync::Weak;

use fanwave_wire::{ClientMessageId, Role, Sender, UserId};

use super::{
    fake::{FakeBroker, FakeLog},
    *,
};
use crate::{
    conformance::{Harness, Recorder, SharedHarness},
    conformance_cases,
};

/// Engines over one broker in memory.
#[derive(Default)]
struct InMemory {
    log: FakeLog,
    /// Which engine has which ear.
    engines: Vec<Weak<dyn Engine>>,
}

impl Harness for InMemory {
    async fn start(&mut self) -> Arc<dyn Engine> {
        let (broker, signals) = self.log.connect();
        // The cases send thousands of messages one by one: the shortest tick there is.
        let tick = Duration::ZERO;
        let engine: Arc<dyn Engine> =
            Arc::new(SharedEngine::open(broker, signals, Settings { tick }));
        self.engines.push(Arc::downgrade(&engine));
        engine
    }

    async fn end(&mut self, engine: Arc<dyn Engine>) {
        drop(engine);
    }

    async fn break_log(&mut self) {
        self.log.set_down(true);
    }

    async fn mend_log(&mut self) {
        self.log.set_down(false);
    }
}

impl InMemory {
    fn ear(&self, engine: &Arc<dyn Engine>) -> usize {
        let engine = &Arc::downgrade(engine);
        let place = self.engines.iter().position(|known| known.ptr_eq(engine));
        place.expect("it was started here")
    }
}

impl SharedHarness for InMemory {
    async fn start_another(&mut self) -> Arc<dyn Engine> {
        self.start().await
    }

    async fn interrupt(&mut self) {
        self.log.interrupt();
    }

    async fn pause(&mut self, engine: &Arc<dyn Engine>) {
        self.log.pause(self.ear(engine));
    }

    async fn resume(&mut self, engine: &Arc<dyn Engine>) {
        self.log.resume(self.ear(engine));
    }

    async fn stop_broker(&mut self) {
        self.log.set_down(true);
    }

    async fn start_broker(&mut self) {
        self.log.set_down(false);
    }

    async fn lose_after(&mut self, channel: &Channel, offset: Offset) {
        self.log.lose_after(channel, offset);
    }
}

conformance_cases!(
    InMemory::default() =>
    conforms,
    conforms_when_harmed,
    conforms_together,
    conforms_together_when_harmed,
    tells_others,
);

#[tokio::test]
async fn what_another_release_tells_is_refused_and_counted() {
    let (engine, broker) = engine(&FakeLog::default(), Settings::default());
    let recorder = Arc::new(Recorder::default());
    engine.attach(Arc::<Recorder>::clone(&recorder));
    broker.tell(b"\x02whatever comes").await.unwrap();
    // Signals come in order.
    engine.subscribe(&lane("demo")).await.unwrap();
    engine.publish(&lane("demo"), draft("1")).await.unwrap();
    recorder.until(&lane("demo"), &draft("1")).await;
    assert_eq!(engine.stats().unreadable, 1);
    engine.stop().await;
}

fn engine(log: &FakeLog, settings: Settings) -> (Arc<SharedEngine>, Arc<FakeBroker>) {
    let (broker, signals) = log.connect();
    let engine = SharedEngine::open(Arc::clone(&broker), signals, settings);
    (Arc::new(engine), broker)
}

fn lane(room: &str) -> Channel {
    format!("chat:{room}").parse().unwrap()
}

fn draft(id: &str) -> Draft {
    let sender = Sender::new(UserId("fan".into()), "Mina", Role::Fan);
    Draft::text(ClientMessageId(id.into()), sender, "hello")
}

#[tokio::test]
async fn what_is_said_in_a_tick_crosses_the_broker_together() {
    const MESSAGES: u64 = 500;
    let tick = Duration::from_millis(50);
    let (engine, _) = engine(&FakeLog::default(), Settings { tick });
    engine.subscribe(&lane("demo")).await.unwrap();
    let began = tokio::time::Instant::now();
    let mut sends = tokio::task::JoinSet::new();
    for id in 0..MESSAGES {
        let engine = Arc::clone(&engine);
        sends.spawn(async move { engine.publish(&lane("demo"), draft(&id.to_string())).await });
    }
    assert!(sends.join_all().await.iter().all(Result::is_ok));
    let stats = engine.stats();
    assert_eq!(stats.appended, MESSAGES);
    // One at once, full ones that do not wait, and one for each tick that has begun.
    let ticks = began.elapsed().as_millis() / tick.as_millis() + 1;
    assert!(
        u128::from(stats.appends) <= ticks + 4,
        "{stats:?} in {ticks} ticks"
    );
    engine.stop().await;
}

#[tokio::test]
async fn a_hundred_thousand_fans_who_come_back_cost_one_read() {
    let log = FakeLog::default();
    let (engine, broker) = engine(&log, Settings::default());
    engine.subscribe(&lane("demo")).await.unwrap();
    for id in 0..20 {
        engine
            .publish(&lane("demo"), draft(&id.to_string()))
            .await
            .unwrap();
    }
    let reads = || broker.reads.load(Ordering::Relaxed);
    assert_eq!(reads(), 1, "the channel was opened");
    let query = HistoryQuery {
        since: Some(Offset(3)),
        limit: 100,
        reverse: false,
    };
    for _ in 0..100_000 {
        let page = engine.history(&lane("demo"), query).await.unwrap();
        assert_eq!(page.publications.len(), 17);
    }
    assert_eq!(reads(), 1);
    engine.stop().await;
}

#[tokio::test]
async fn a_stopped_engine_has_answered_all_it_took() {
    let (engine, _) = engine(&FakeLog::default(), Settings::default());
    let recorder = Arc::new(Recorder::default());
    engine.attach(Arc::<Recorder>::clone(&recorder));
    engine.subscribe(&lane("demo")).await.unwrap();
    let mut sends = tokio::task::JoinSet::new();
    for id in 0..200 {
        let engine = Arc::clone(&engine);
        sends.spawn(async move { engine.publish(&lane("demo"), draft(&id.to_string())).await });
    }
    assert!(sends.join_next().await.unwrap().unwrap().is_ok());
    engine.stop().await;
    let answers = sends.join_all().await;
    let taken = 1 + answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(recorder.of(&lane("demo")).len(), taken);
    for answer in answers {
        assert!(
            matches!(answer, Ok(_) | Err(EngineError::Stopping)),
            "{answer:?}"
        );
    }
    let late = engine.publish(&lane("demo"), draft("late")).await;
    assert_eq!(late, Err(EngineError::Stopping));
    engine.stop().await;
}

#[tokio::test]
async fn a_channel_cannot_be_opened_while_the_broker_is_gone() {
    let log = FakeLog::default();
    let (engine, _) = engine(&log, Settings::default());
    log.set_down(true);
    let refused = engine.subscribe(&lane("demo")).await;
    assert!(
        matches!(refused, Err(EngineError::Unavailable { .. })),
        "{refused:?}"
    );
    let refused = engine.publish(&lane("demo"), draft("1")).await;
    assert!(
        matches!(refused, Err(EngineError::Unavailable { .. })),
        "{refused:?}"
    );
    log.set_down(false);
    assert!(engine.publish(&lane("demo"), draft("1")).await.is_ok());
    engine.stop().await;
}
