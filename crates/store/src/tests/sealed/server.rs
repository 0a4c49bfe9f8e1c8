//! A log in PostgreSQL, with its keys in a schema of their own.

use std::{fs, process::Command};

use fanwave_wire::UserId;
use sqlx::{Connection, PgConnection};

use super::{NEEDLES, OTHER, USER, has, is_whole, is_without_them, write};
use crate::{
    OpenError, PersonKeys, PostgresConfig, Store,
    tests::{
        Place,
        archive::archive_cases,
        cases,
        postgres::{Schema, stranger},
        server::{Server, program},
    },
};

/// A schema with a log, and one with its keys.
struct Sealed(Schema);

async fn open(config: &PostgresConfig) -> Store {
    Store::connect_with(config, PersonKeys::On).await.unwrap()
}

impl Place for Sealed {
    const MODULE: &'static str = "sealed::server";
    const SEALED: bool = true;

    async fn new() -> Self {
        Self(Schema::make())
    }

    fn called(name: &str) -> Self {
        Self(Schema::called(name))
    }

    fn name(&self) -> String {
        self.0.name()
    }

    async fn open(&self) -> Store {
        open(&self.0.config()).await
    }

    async fn tamper(&self, sql: &'static str) {
        self.0.tamper(sql).await;
    }

    async fn has(&self, needle: &'static str) -> bool {
        let mut keys = self.0.config();
        keys.schema.push_str("_keys");
        let is_named: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM people p WHERE position($1 IN p::text) > 0)",
        )
        .bind(needle)
        .fetch_one(&mut stranger(&keys).await)
        .await
        .unwrap();
        is_named || self.0.has(needle).await
    }

    async fn settle(&self) {
        self.0.settle().await;
    }
}

cases!(Sealed);
archive_cases!(Sealed);

mod one_writer {
    use super::*;

    archive_cases!(Sealed: what_waits_is_recorded_in_its_order);
}

/// Runs a program of PostgreSQL's on a server, and answers what it prints.
fn run(server: &Server, name: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(program(name));
    command.args(["-h", &server.host(), "-p", &server.port().to_string()]);
    command.args(["-U", crate::tests::server::USER, "-d", "postgres"]);
    let done = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{name}: {said}");
    done.stdout
}

/// The decisive test: what a backup of the log has, before and after a person is forgotten, taken and brought back as
/// docs/store.md says.
#[tokio::test]
async fn whoever_is_forgotten_is_in_no_backup_of_the_log() {
    let server = Server::start();
    let config = PostgresConfig {
        schema: "fanwave".into(),
        ..Schema::on(&server).config()
    };
    let store = open(&config).await;
    write(&store).await;
    is_whole(&store).await;
    let backup = run(&server, "pg_dump", &["--exclude-schema=fanwave_keys"]);
    for needle in NEEDLES.into_iter().chain([OTHER, "stays-name", "so true"]) {
        assert!(!has(&backup, needle), "{needle} is in a backup of the log");
    }
    let keys = run(&server, "pg_dump", &["--schema=fanwave_keys"]);
    assert!(has(&keys, USER), "the test finds what it looks for");
    store.close().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.sql");
    fs::write(&file, &backup).unwrap();
    let restore = async || {
        let mut connection: PgConnection = stranger(&config).await;
        sqlx::raw_sql("DROP SCHEMA fanwave CASCADE")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let file = file.to_str().unwrap();
        run(
            &server,
            "psql",
            &["-v", "ON_ERROR_STOP=1", "-q", "-f", file],
        );
        open(&config).await
    };

    // Beside its keys it is whole.
    let store = restore().await;
    is_whole(&store).await;
    let forgotten = store.forget(UserId(USER.into())).await.unwrap();
    assert_eq!((forgotten.messages, forgotten.held), (8, 0));
    is_without_them(&store).await;
    store.close().await;
    let everything = run(&server, "pg_dump", &[]);
    for needle in NEEDLES {
        assert!(!has(&everything, needle), "{needle} is in a table");
    }
    assert!(has(&everything, OTHER));

    // Beside the keys of today the backup is without them.
    let store = restore().await;
    is_without_them(&store).await;
    store.close().await;

    // Without its keys it is not gone on with.
    run(
        &server,
        "psql",
        &["-q", "-c", "DROP SCHEMA fanwave_keys CASCADE"],
    );
    let refused = Store::connect_with(&config, PersonKeys::On).await;
    let error = refused.unwrap_err();
    assert!(matches!(error, OpenError::OtherKeys { .. }), "{error:?}");
}

/// Two servers: one writes, and another forgets.
#[tokio::test]
async fn nothing_is_sealed_with_a_key_that_another_process_has_destroyed() {
    let place = Sealed::new().await;
    let (speaks, forgets) = (place.open().await, place.open().await);
    super::speak_and_forget(&speaks, &forgets).await;
    // Nor is anything there that nobody can open.
    let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM messages")
        .fetch_one(&mut place.0.stranger().await)
        .await
        .unwrap();
    assert_eq!(rows, 2);
    assert!(place.has(USER).await);
    forgets.forget(UserId(USER.into())).await.unwrap();
    assert!(!place.has(USER).await);
    speaks.close().await;
    forgets.close().await;
}

/// Many processes meet many new people at once: each gets one key.
#[tokio::test]
async fn processes_that_meet_a_person_at_once_give_them_one_key() {
    let place = Sealed::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for process in 0..4 {
        let store = place.open().await;
        tasks.spawn(async move {
            let lane = crate::tests::channel(&format!("chat:{process}"));
            store.standing(&lane).await.unwrap();
            for round in 0..10 {
                let said = (0..20).map(|index| {
                    let offset = 20 * round + index + 1;
                    // Each in an order of its own.
                    let user = (index * 7 + process * 5) % 20 + 20 * round;
                    let mut sender = super::stays();
                    sender.user = UserId(format!("fan-{user}").into());
                    super::says(offset, sender, fanwave_wire::Text::plain("hello"))
                });
                store.append(&lane, said.collect()).await.unwrap();
            }
            store.close().await;
        });
    }
    tasks.join_all().await;
    let mut connection = place.0.stranger().await;
    let people: i64 = sqlx::query_scalar("SELECT COUNT(DISTINCT user_id) FROM messages")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(people, 200);
    let store = place.open().await;
    for process in 0..4 {
        assert_eq!(
            super::lane(&store, &format!("chat:{process}")).await.len(),
            100
        );
    }
    store.close().await;
}
