//! Copies that follow the database: real ones, by PostgreSQL's streaming replication.

use std::time::{Duration, Instant};

use fanwave_wire::{Channel, Event, Offset};
use prometheus_client::registry::Registry;
use tokio::time::sleep;

use super::{
    super::{channel, event, offsets, run, server::Server},
    Schema, execute, stranger,
};
use crate::{Archive, Kind, Order, Page, PostgresConfig, Search, Store, StoreError};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How old a replica may be here.
const LAG_MAX: Duration = Duration::from_secs(1);

/// A database that one copy follows.
struct Pair {
    database: Server,
    copy: Server,
    config: PostgresConfig,
}

impl Pair {
    fn start() -> Self {
        let database = Server::start();
        let copy = database.copy();
        let config = PostgresConfig {
            replicas: vec![("127.0.0.1".into(), copy.port())],
            replica_lag: LAG_MAX,
            ..Schema::on(&database).config()
        };
        Self {
            database,
            copy,
            config,
        }
    }

    /// Works on the copy as its operator would.
    async fn tell_copy(&self, sql: &'static str) {
        execute(&mut stranger(&self.of_copy()).await, sql).await;
    }

    fn of_copy(&self) -> PostgresConfig {
        PostgresConfig {
            host: "127.0.0.1".into(),
            port: self.copy.port(),
            ..self.config.clone()
        }
    }
}

/// A log, and what it has counted.
struct Log {
    store: Store,
    archive: Archive,
    metrics: Registry,
}

impl Log {
    async fn open(config: &PostgresConfig) -> Self {
        let store = Store::connect(config).await.unwrap();
        let mut metrics = Registry::default();
        store.register(&mut metrics);
        Self {
            archive: store.clone().into(),
            store,
            metrics,
        }
    }

    /// How often a copy has answered.
    fn reads(&self) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.metrics).unwrap();
        let counted = text
            .lines()
            .find(|line| line.starts_with("fanwave_log_replica_reads_total{"));
        counted.map_or(0, |line| {
            line.split(' ').next_back().unwrap().parse().unwrap()
        })
    }

    async fn read(&self, lane: &Channel) -> Result<Vec<u64>, StoreError> {
        let page = Page {
            after: Offset(0),
            through: Offset(u64::MAX),
            limit: 100,
            order: Order::OldestFirst,
            kind: Kind::Everything,
        };
        Ok(offsets(&self.archive.read(lane, None, page).await?))
    }

    /// Reads until a copy has answered with this.
    async fn read_of_copy(&self, lane: &Channel, expected: &[u64]) {
        let began = Instant::now();
        let before = self.reads();
        loop {
            let seen = self.read(lane).await.unwrap();
            if self.reads() > before && seen == expected {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "a copy answers: {seen:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_replica_that_is_young_is_read_and_one_that_lags_is_not() {
    let pair = Pair::start();
    let (chat, room) = (channel("chat:demo"), channel("room:demo"));
    let log = Log::open(&pair.config).await;
    for lane in [&chat, &room] {
        log.store.standing(lane).await.unwrap();
    }
    log.store.append(&chat, run(1, 3)).await.unwrap();
    log.read_of_copy(&chat, &[1, 2, 3]).await;

    // It hears of nothing any more: what is deleted stays there.
    pair.tell_copy("SELECT pg_wal_replay_pause()").await;
    let deleted = event(1, "e1", Event::Deleted { offset: Offset(2) });
    log.store.append(&room, vec![deleted]).await.unwrap();
    let acknowledged = Instant::now();
    let mut stale = 0;
    while log.read(&chat).await.unwrap() != [1, 3] {
        assert!(acknowledged.elapsed() < PATIENCE, "the database is asked");
        stale += 1;
        sleep(Duration::from_millis(5)).await;
    }
    let before = log.reads();
    for _ in 0..50 {
        assert_eq!(log.read(&chat).await.unwrap(), [1, 3]);
    }
    assert_eq!(log.reads(), before, "a copy that lags answers nothing");
    let there: i64 =
        sqlx::query_scalar("SELECT count(*) FROM messages WHERE deleted = 0 AND event IS NULL")
            .fetch_one(&mut stranger(&pair.of_copy()).await)
            .await
            .unwrap();
    assert_eq!(
        there, 3,
        "it has the deleted message ({stale} reads found it)"
    );

    pair.tell_copy("SELECT pg_wal_replay_resume()").await;
    log.read_of_copy(&chat, &[1, 3]).await;
    // Searches and exports go there as well.
    let before = log.reads();
    let search = Search {
        limit: 10,
        ..Search::default()
    };
    let found = log.archive.search(&chat, &search, None).await.unwrap();
    assert_eq!(offsets(&found.found.publications), [3, 1]);
    assert!(log.reads() > before, "a search reads from a copy");
    // Whoever recovers asks the database.
    let before = log.reads();
    assert_eq!(offsets(&log.store.tail(&chat, 9).await.unwrap()), [1, 3]);
    assert_eq!(log.reads(), before);
    log.store.close().await;
}

#[tokio::test]
async fn history_is_read_while_a_replica_or_the_database_is_gone() {
    let mut pair = Pair::start();
    let chat = channel("chat:demo");
    let log = Log::open(&pair.config).await;
    log.store.standing(&chat).await.unwrap();
    log.store.append(&chat, run(1, 3)).await.unwrap();
    log.read_of_copy(&chat, &[1, 2, 3]).await;

    pair.copy.kill();
    for _ in 0..10 {
        assert_eq!(log.read(&chat).await.unwrap(), [1, 2, 3]);
    }
    log.store.append(&chat, run(4, 5)).await.unwrap();
    assert_eq!(log.read(&chat).await.unwrap(), [1, 2, 3, 4, 5]);

    pair.copy.run();
    log.read_of_copy(&chat, &[1, 2, 3, 4, 5]).await;
    pair.database.kill();
    // Older than the limit by then, and better than nothing.
    let gone = Instant::now();
    while gone.elapsed() < 2 * LAG_MAX {
        assert_eq!(log.read(&chat).await.unwrap(), [1, 2, 3, 4, 5]);
        sleep(Duration::from_millis(20)).await;
    }
    let written = log.store.append(&chat, run(6, 6)).await;
    assert!(written.is_err(), "nothing is acknowledged: {written:?}");

    pair.database.run();
    let began = Instant::now();
    while log.store.append(&chat, run(6, 6)).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "it is back");
        sleep(Duration::from_millis(20)).await;
    }
    log.read_of_copy(&chat, &[1, 2, 3, 4, 5, 6]).await;
    log.store.close().await;
}

#[tokio::test]
async fn a_server_that_follows_no_other_is_never_read() {
    let (database, other) = (Schema::make(), Schema::make());
    // One schema beside the other: it would answer, with something else.
    let config = PostgresConfig {
        replicas: vec![("127.0.0.1".into(), other.config().port)],
        replica_lag: LAG_MAX,
        ..database.config()
    };
    let chat = channel("chat:demo");
    let log = Log::open(&config).await;
    log.store.standing(&chat).await.unwrap();
    log.store.append(&chat, run(1, 3)).await.unwrap();
    let began = Instant::now();
    while began.elapsed() < 2 * LAG_MAX {
        assert_eq!(log.read(&chat).await.unwrap(), [1, 2, 3]);
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(log.reads(), 0);
    log.store.close().await;
}
