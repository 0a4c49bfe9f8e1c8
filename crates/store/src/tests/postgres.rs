//! What is true of a log in a database of PostgreSQL. One real server serves all cases, each in a schema of its own; what
//! harms a server has one of its own.

mod faults;
mod line;
mod replicas;

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use fanwave_wire::{Body, Offset, Text, UnixMillis};
use sqlx::{ConnectOptions, PgConnection, Row, postgres::PgConnectOptions};

use super::{
    Place,
    archive::archive_cases,
    cases, channel, message, run, said,
    server::{Server, USER},
};
use crate::{
    Appended, Archive, Encryption, Kind, OpenError, Order, Page, PostgresConfig, Retention, Store,
    StoreError, statements,
};

/// A schema of its own, on a server.
pub(super) struct Schema {
    host: String,
    port: u16,
    schema: String,
}

impl Schema {
    /// On the server that all share.
    pub(super) fn make() -> Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        Self::on(SHARED.get_or_init(Server::start_for_all))
    }

    pub(super) fn on(server: &Server) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Self {
            host: server.host(),
            port: server.port(),
            schema: format!("log_{}", COUNT.fetch_add(1, Ordering::Relaxed)),
        }
    }

    pub(super) fn config(&self) -> PostgresConfig {
        PostgresConfig {
            host: self.host.clone(),
            port: self.port,
            database: "postgres".into(),
            schema: self.schema.clone(),
            user: USER.into(),
            password: None,
            encryption: Encryption::Off,
            readers: 3,
            replicas: Vec::new(),
            replica_lag: Duration::from_secs(1),
        }
    }

    /// A connection of somebody else.
    pub(super) async fn stranger(&self) -> PgConnection {
        stranger(&self.config()).await
    }
}

pub(super) async fn stranger(config: &PostgresConfig) -> PgConnection {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&config.host)
        .port(config.port)
        .database(&config.database)
        .username(&config.user)
        .options([("search_path", &config.schema)]);
    options.connect().await.unwrap()
}

async fn execute(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

impl Place for Schema {
    const MODULE: &'static str = "postgres";

    async fn new() -> Self {
        Self::make()
    }

    fn called(name: &str) -> Self {
        let parts: Vec<&str> = name.split(' ').collect();
        Self {
            host: parts[0].into(),
            port: parts[1].parse().unwrap(),
            schema: parts[2].into(),
        }
    }

    fn name(&self) -> String {
        format!("{} {} {}", self.host, self.port, self.schema)
    }

    async fn open(&self) -> Store {
        Store::connect(&self.config()).await.unwrap()
    }

    async fn tamper(&self, sql: &'static str) {
        execute(&mut self.stranger().await, sql).await;
    }

    async fn has(&self, needle: &'static str) -> bool {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM messages m WHERE position($1 IN m::text) > 0) \
             OR EXISTS (SELECT 1 FROM channels c WHERE position($1 IN c::text) > 0) \
             OR EXISTS (SELECT 1 FROM erasures e WHERE position($1 IN e::text) > 0) \
             OR EXISTS (SELECT 1 FROM settings s WHERE position($1 IN s::text) > 0)",
        )
        .bind(needle)
        .fetch_one(&mut self.stranger().await)
        .await
        .unwrap()
    }

    async fn settle(&self) {
        // A commit that is on its way holds the locks until it is there.
        self.tamper("SELECT 1 FROM channels FOR UPDATE").await;
    }
}

cases!(Schema);
archive_cases!(Schema);

mod one_writer {
    use super::*;

    archive_cases!(Schema: what_waits_is_recorded_in_its_order);
}

#[tokio::test]
async fn two_processes_never_give_an_offset_twice() {
    let place = Schema::make();
    let lane = channel("chat:demo");
    let mut tasks = tokio::task::JoinSet::new();
    for process in 0..4 {
        let (store, lane) = (place.open().await, lane.clone());
        tasks.spawn(async move {
            let mut stored = 0;
            let mut moved = 0;
            while stored < 25 {
                let head = store.standing(&lane).await.unwrap().head.0;
                let id = |index: u64| format!("p{process}-{stored}-{index}");
                let batch = (0..3)
                    .map(|index| message(head + 1 + index, &id(index)))
                    .collect();
                match store.append(&lane, batch).await {
                    Ok(Appended::Stored) => stored += 1,
                    Err(StoreError::Moved) => moved += 1,
                    other => panic!("{other:?}"),
                }
            }
            store.close().await;
            moved
        });
    }
    let moved: u32 = tasks.join_all().await.into_iter().sum();
    assert!(moved > 0, "they have met");
    let store = place.open().await;
    let all = store.tail(&lane, 400).await.unwrap();
    assert_eq!(super::offsets(&all), (1..=300).collect::<Vec<_>>());
    let ids: std::collections::BTreeSet<_> = all.iter().map(|one| one.draft.id.clone()).collect();
    assert_eq!(ids.len(), 300, "each is there once");
    store.close().await;
}

#[tokio::test]
async fn whoever_speaks_meanwhile_can_be_forgotten() {
    let place = Schema::make();
    let (speaks, forgets) = (place.open().await, place.open().await);
    super::sealed::speak_and_forget(&speaks, &forgets).await;
    speaks.close().await;
    forgets.close().await;
}

#[tokio::test]
async fn processes_that_start_at_once_make_one_schema() {
    let place = Schema::make();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let config = place.config();
        tasks.spawn(async move { Store::connect(&config).await });
    }
    let stores: Vec<Store> = tasks
        .join_all()
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let lane = channel("chat:demo");
    let epoch = stores[0].standing(&lane).await.unwrap().epoch;
    for store in stores {
        assert_eq!(store.standing(&lane).await.unwrap().epoch, epoch);
        store.close().await;
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_release_is_worked_with() {
    let place = Schema::make();
    place.open().await.close().await;
    place
        .tamper(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (42, 'from the future', TRUE, '', 0)",
        )
        .await;
    let store = place.open().await;
    let lane = channel("chat:demo");
    store.standing(&lane).await.unwrap();
    let stored = store.append(&lane, run(1, 1)).await.unwrap();
    assert_eq!(stored, Appended::Stored);
    store.close().await;
}

#[tokio::test]
async fn a_schema_of_another_program_is_refused() {
    let place = Schema::make();
    place.open().await.close().await;
    place
        .tamper("UPDATE _sqlx_migrations SET checksum = 'other'")
        .await;
    let refusal = Store::connect(&place.config()).await.unwrap_err();
    assert_eq!(
        refusal.to_string(),
        format!(
            "the schema {} of the database postgres at {}:{} is not a message log of this program; choose another schema",
            place.schema, place.host, place.port
        )
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let mut config = Schema::make().config();
    config.host = "/nowhere".into();
    let refusal = Store::connect(&config).await.unwrap_err();
    assert!(matches!(refusal, OpenError::Away { .. }), "{refusal:?}");
    let text = refusal.to_string();
    assert!(
        text.starts_with(&format!(
            "cannot reach the database postgres at /nowhere:{}: ",
            config.port
        )),
        "{text}"
    );
    assert!(text.ends_with("check that the server runs, its address, the user and the password"));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let mut config = Schema::make().config();
    config.database = "no_such_database".into();
    let refusal = Store::connect(&config).await.unwrap_err().to_string();
    assert!(
        refusal.contains("no_such_database") && refusal.contains("does not exist"),
        "{refusal}"
    );
}

#[tokio::test]
async fn what_the_database_refuses_harms_nobody_else() {
    let place = Schema::make();
    let store = place.open().await;
    let lanes = [channel("chat:a"), channel("chat:b"), channel("chat:c")];
    for lane in &lanes {
        store.standing(lane).await.unwrap();
    }
    // PostgreSQL has no text with this character.
    let poison = said(1, "m1", Body::Text(Text::plain("\0")));
    let (before, refused, after) = tokio::join!(
        store.append(&lanes[0], run(1, 2)),
        store.append(&lanes[1], vec![poison]),
        store.append(&lanes[2], run(1, 2)),
    );
    assert_eq!(before.unwrap(), Appended::Stored);
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "{refused:?}"
    );
    assert_eq!(after.unwrap(), Appended::Stored);
    assert_eq!(store.standing(&lanes[1]).await.unwrap().head, Offset(0));
    store.close().await;
}

#[tokio::test]
async fn a_page_is_read_in_the_order_of_the_key() {
    let place = Schema::make();
    place.open().await.close().await;
    let mut stranger = place.stranger().await;
    // As it would be planned for more rows than it pays to put into a test.
    execute(
        &mut stranger,
        "SET enable_seqscan = off; SET enable_bitmapscan = off",
    )
    .await;
    for (order, kind) in [
        (Order::OldestFirst, Kind::Everything),
        (Order::NewestFirst, Kind::Everything),
        (Order::OldestFirst, Kind::Events),
    ] {
        let page = Page {
            after: Offset(7),
            through: Offset(u64::MAX),
            limit: 50,
            order,
            kind,
        };
        let query = statements::page::<sqlx::Postgres>(statements::Ask {
            channel: &channel("chat:demo"),
            epoch: None,
            page,
            by: None,
        });
        let mut explain = sqlx::QueryBuilder::<sqlx::Postgres>::new("EXPLAIN ");
        // The same text; its values are numbers and a name without quotes.
        let text = query.into_string();
        let text = text.replace("$1", "'chat:demo'").replace("$2", "7");
        explain.push(text.replace("$3", "9000").replace("$4", "50"));
        let plan: Vec<String> = explain
            .build()
            .fetch_all(&mut stranger)
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        let plan = plan.join("\n");
        assert!(!plan.contains("Sort"), "{plan}");
        assert!(plan.contains("Index Scan"), "{plan}");
    }
}

#[tokio::test]
async fn one_process_at_a_time_has_the_right_to_record() {
    let place = Schema::make();
    let (one, other): (Archive, Archive) = (place.open().await.into(), place.open().await.into());
    let mut lease = one.lease().await.unwrap().expect("nobody has it");
    assert!(other.lease().await.unwrap().is_none());
    assert!(one.lease().await.unwrap().is_none());
    assert!(lease.is_held().await);
    // Its server ends the connection, as it does when the process has gone.
    place
        .tamper(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = \
             (hashtext('recorder of ' || current_schema())::bigint & 4294967295)::oid",
        )
        .await;
    assert!(!lease.is_held().await);
    assert!(other.lease().await.unwrap().is_some());
}

#[tokio::test]
async fn processes_that_record_at_once_begin_one_run() {
    let place = Schema::make();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let archive: Archive = place.open().await.into();
        tasks.spawn(async move {
            for (name, from) in [("one", 1), ("two", 1), ("two", 11)] {
                let epoch = fanwave_wire::Epoch(name.into());
                for lane in ["chat:demo", "room:demo", "chat:other"] {
                    let recorded = archive
                        .record(&channel(lane), &epoch, run(from, from + 9))
                        .await;
                    recorded.unwrap();
                }
            }
        });
    }
    tasks.join_all().await;
    let archive: Archive = place.open().await.into();
    for lane in ["chat:demo", "room:demo", "chat:other"] {
        let runs = archive.runs(&channel(lane)).await.unwrap();
        let heads: Vec<u64> = runs.iter().map(|run| run.head.0).collect();
        assert_eq!(heads, [10, 20], "{lane}");
    }
}

/// The partitions of messages, but the one that is kept for ever.
async fn weeks(place: &Schema) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'messages'::regclass \
         AND inhrelid <> 'messages_kept'::regclass",
    )
    .fetch_one(&mut place.stranger().await)
    .await
    .unwrap()
}

#[tokio::test]
async fn what_is_over_goes_by_dropping_a_partition() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    const AT: u64 = 1_800_000_000_000;
    let place = Schema::make();
    let store = place.open().await;
    let lane = channel("chat:demo");
    store.standing(&lane).await.unwrap();
    let retention = Retention {
        default: Some(Duration::from_millis(30 * DAY_MS)),
        ..Retention::default()
    };
    store.sweep(&retention, UnixMillis(AT)).await.unwrap();
    assert_eq!(weeks(&place).await, 0);
    store.append(&lane, run(1, 5)).await.unwrap();
    assert_eq!(weeks(&place).await, 1);
    // A copy is found in whichever partition it is, and so is what a moderator deletes.
    let copy = store.append(&lane, vec![message(6, "m5")]).await.unwrap();
    assert!(matches!(copy, Appended::Held(_)), "{copy:?}");
    let swept = store
        .sweep(&retention, UnixMillis(AT + 38 * DAY_MS))
        .await
        .unwrap();
    assert_eq!((swept.messages, swept.partitions), (0, 1));
    assert_eq!(weeks(&place).await, 0);
    assert_eq!(store.floor(&lane).await.unwrap(), Offset(5));
    assert!(store.tail(&lane, 9).await.unwrap().is_empty());
    store.append(&lane, run(6, 7)).await.unwrap();
    assert_eq!(store.tail(&lane, 9).await.unwrap(), run(6, 7));
    store.close().await;
}

#[tokio::test]
async fn processes_that_sweep_and_write_at_once_do_not_stop_each_other() {
    let place = Schema::make();
    let retention = Retention {
        default: Some(Duration::from_secs(3_600)),
        ..Retention::default()
    };
    let mut tasks = tokio::task::JoinSet::new();
    for process in 0..3 {
        let (store, retention) = (place.open().await, retention.clone());
        tasks.spawn(async move {
            let lane = channel(&format!("chat:{process}"));
            store.standing(&lane).await.unwrap();
            for from in [1, 11, 21] {
                let at = UnixMillis(1_800_000_000_000);
                let (swept, stored) = tokio::join!(
                    store.sweep(&retention, at),
                    store.append(&lane, run(from, from + 9)),
                );
                swept.unwrap();
                assert_eq!(stored.unwrap(), Appended::Stored);
            }
            assert_eq!(store.tail(&lane, 100).await.unwrap(), run(1, 30));
            store.close().await;
        });
    }
    tasks.join_all().await;
}
