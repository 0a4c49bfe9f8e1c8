//! What goes wrong between a process and its database, and within it.

use std::time::Duration;

use fanwave_wire::{Channel, Offset};
use sqlx::{Connection, PgConnection};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use super::{
    super::{Place, channel, run, server::Server},
    Schema, execute,
    line::{Commit, Line},
    stranger,
};
use crate::{Appended, PostgresConfig, Store, StoreError};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Messages in each append of a sender.
const BATCH: u64 = 7;

/// What a sender tells.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Stored,
    Refused,
}

/// Sends, again and again what was refused, and holds the log to its word, until nobody listens.
async fn send(store: Store, lane: Channel, tell: mpsc::Sender<Told>) -> u64 {
    let mut head = 0;
    let mut is_open = false;
    loop {
        let told = match store.append(&lane, run(head + 1, head + BATCH)).await {
            Ok(Appended::Stored) => {
                (head, is_open) = (head + BATCH, false);
                Told::Stored
            }
            Ok(Appended::Held(held)) => {
                assert!(is_open, "what was refused in so many words was not written");
                assert_eq!(held.len() as u64, BATCH, "all of it is there, or nothing");
                (head, is_open) = (head + BATCH, false);
                Told::Stored
            }
            Err(StoreError::Unknown(_)) => {
                is_open = true;
                Told::Refused
            }
            Err(StoreError::Unreachable(_)) => Told::Refused,
            Err(error) => panic!("{error:?}"),
        };
        if tell.send(told).await.is_err() {
            return head;
        }
    }
}

/// Listens until every sender has told this once more.
async fn all_tell(senders: &mut [mpsc::Receiver<Told>], wanted: &Told) {
    for sender in senders {
        let heard = async { while sender.recv().await.expect("it sends") != *wanted {} };
        timeout(PATIENCE, heard).await.expect("it tells in time");
    }
}

#[tokio::test]
async fn a_server_that_is_ended_and_started_loses_nothing_and_holds_nothing_up() {
    let mut server = Server::start();
    let place = Schema::on(&server);
    let store = place.open().await;
    let lanes: Vec<Channel> = (0..8)
        .map(|index| channel(&format!("chat:{index}")))
        .collect();
    let mut senders = JoinSet::new();
    let mut told = Vec::new();
    for lane in &lanes {
        store.standing(lane).await.unwrap();
        let (tell, hear) = mpsc::channel(1);
        told.push(hear);
        let (store, lane) = (store.clone(), lane.clone());
        senders.spawn(async move {
            let head = send(store, lane.clone(), tell).await;
            (lane, head)
        });
    }
    for _ in 0..3 {
        all_tell(&mut told, &Told::Stored).await;
        server.kill();
        all_tell(&mut told, &Told::Refused).await;
        assert!(!store.is_well());
        let unread = store.tail(&lanes[0], 1).await;
        assert!(
            matches!(unread, Err(StoreError::Unreachable(_))),
            "{unread:?}"
        );
        server.run();
        all_tell(&mut told, &Told::Stored).await;
    }
    assert!(store.is_well());
    drop(told);
    for (lane, head) in senders.join_all().await {
        assert_eq!(store.standing(&lane).await.unwrap().head, Offset(head));
        let from = head.saturating_sub(400);
        assert_eq!(
            store.tail(&lane, 400).await.unwrap(),
            run(from + 1, head),
            "nothing is missing, nothing is there twice"
        );
    }
    store.close().await;
}

/// Holds the lock on a channel, as another process that appends to it.
async fn hold(place: &Schema) -> PgConnection {
    let mut other = place.stranger().await;
    execute(&mut other, "BEGIN; SELECT 1 FROM channels FOR UPDATE").await;
    other
}

/// Waits until as many of the schema's connections as given wait for a lock, and says which.
async fn waiting(stranger: &mut PgConnection, count: usize) -> Vec<i32> {
    let waits = async {
        loop {
            let waiting: Vec<i32> = sqlx::query_scalar(
                "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'fanwave'",
            )
            .fetch_all(&mut *stranger)
            .await
            .unwrap();
            if waiting.len() >= count {
                return waiting;
            }
        }
    };
    timeout(PATIENCE, waits).await.expect("it waits in time")
}

#[tokio::test]
async fn a_connection_that_is_cut_within_a_transaction_leaves_nothing_behind() {
    // Of its own: which connection waits is seen of the whole server.
    let server = Server::start();
    let place = Schema::on(&server);
    let store = place.open().await;
    let lane = channel("chat:demo");
    store.standing(&lane).await.unwrap();
    let other = hold(&place).await;
    let append = tokio::spawn({
        let (store, lane) = (store.clone(), lane.clone());
        async move { store.append(&lane, run(1, 3)).await }
    });
    let mut stranger = place.stranger().await;
    for pid in waiting(&mut stranger, 1).await {
        let ended: bool = sqlx::query_scalar("SELECT pg_terminate_backend($1)")
            .bind(pid)
            .fetch_one(&mut stranger)
            .await
            .unwrap();
        assert!(ended);
    }
    let cut = append.await.unwrap();
    assert!(matches!(cut, Err(StoreError::Unreachable(_))), "{cut:?}");
    other.close().await.unwrap();
    assert!(store.tail(&lane, 9).await.unwrap().is_empty());
    assert_eq!(
        store.append(&lane, run(1, 3)).await.unwrap(),
        Appended::Stored
    );
    store.close().await;
}

/// A log over a line, and the line.
async fn over_a_line() -> (Store, Line) {
    let place = Schema::make();
    let line = Line::to(place.port).await;
    let config = PostgresConfig {
        host: "127.0.0.1".into(),
        port: line.port,
        ..place.config()
    };
    let store = Store::connect(&config).await.unwrap();
    store.standing(&channel("chat:demo")).await.unwrap();
    (store, line)
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_in_the_log() {
    let (store, line) = over_a_line().await;
    let lane = channel("chat:demo");
    line.set(Commit::Unanswered);
    assert_eq!(
        store.append(&lane, run(1, 3)).await.unwrap(),
        Appended::Stored
    );
    assert!(line.has_cut());
    assert_eq!(
        store.append(&lane, run(4, 4)).await.unwrap(),
        Appended::Stored
    );
    assert_eq!(store.tail(&lane, 9).await.unwrap(), run(1, 4));
    store.close().await;
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_known_not_to_be_done() {
    let (store, line) = over_a_line().await;
    let lane = channel("chat:demo");
    line.set(Commit::Lost);
    let lost = store.append(&lane, run(1, 3)).await;
    assert!(matches!(lost, Err(StoreError::Unreachable(_))), "{lost:?}");
    assert!(line.has_cut());
    assert!(store.tail(&lane, 9).await.unwrap().is_empty());
    assert_eq!(
        store.append(&lane, run(1, 3)).await.unwrap(),
        Appended::Stored
    );
    store.close().await;
}

#[tokio::test]
async fn what_waits_too_long_for_another_process_is_busy_and_passes() {
    let server = Server::start();
    let place = Schema::on(&server);
    let config = PostgresConfig {
        readers: 1,
        ..place.config()
    };
    let store = Store::connect(&config).await.unwrap();
    let lane = channel("chat:demo");
    store.standing(&lane).await.unwrap();
    store.append(&lane, run(1, 2)).await.unwrap();
    let mut other = hold(&place).await;
    execute(&mut other, "LOCK TABLE messages").await;
    // One waits for a lock with the only connection, the other for that connection, and a writer for its channel.
    let (one, another, written) = tokio::join!(
        store.tail(&lane, 1),
        store.tail(&lane, 1),
        store.append(&lane, run(3, 4)),
    );
    assert!(matches!(one, Err(StoreError::Busy)), "{one:?}");
    assert!(matches!(another, Err(StoreError::Busy)), "{another:?}");
    assert!(matches!(written, Err(StoreError::Busy)), "{written:?}");
    execute(&mut other, "ROLLBACK").await;
    assert_eq!(
        store.append(&lane, run(3, 4)).await.unwrap(),
        Appended::Stored
    );
    assert_eq!(store.tail(&lane, 9).await.unwrap(), run(1, 4));
    store.close().await;
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_server_refuses_and_recovers_by_itself() {
    let place = Schema::make();
    let store = place.open().await;
    let lane = channel("chat:demo");
    store.standing(&lane).await.unwrap();
    // Says what PostgreSQL says when it cannot extend a file.
    place
        .tamper(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$; \
             CREATE TRIGGER full_disk BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await;
    for _ in 0..2 {
        let refused = store.append(&lane, run(1, 5)).await;
        assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
    }
    assert_eq!(store.standing(&lane).await.unwrap().head, Offset(0));
    place.tamper("DROP TRIGGER full_disk ON messages").await;
    assert_eq!(
        store.append(&lane, run(1, 5)).await.unwrap(),
        Appended::Stored
    );
    store.close().await;
}

#[tokio::test]
async fn a_database_that_only_reads_refuses_and_recovers_by_itself() {
    let server = Server::start();
    let place = Schema::on(&server);
    let store = place.open().await;
    let lane = channel("chat:demo");
    store.standing(&lane).await.unwrap();
    store.append(&lane, run(1, 2)).await.unwrap();
    let end_connections = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE application_name = 'fanwave'";
    place
        .tamper("ALTER DATABASE postgres SET default_transaction_read_only = on")
        .await;
    place.tamper(end_connections).await;
    // The first meets the end of its connection, or already what the new one is told.
    let refused = store.append(&lane, run(3, 4)).await;
    let met = matches!(
        refused,
        Err(StoreError::Unreachable(_) | StoreError::ReadOnly)
    );
    assert!(met, "{refused:?}");
    let refused = store.append(&lane, run(3, 4)).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    assert_eq!(store.tail(&lane, 9).await.unwrap(), run(1, 2));
    let refusal = Store::connect(&Schema::on(&server).config())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refusal.ends_with(
            "only reads: it is a standby, or has been made read-only; give the address of the primary"
        ),
        "{refusal}"
    );
    let mut stranger = stranger(&place.config()).await;
    execute(&mut stranger, "SET default_transaction_read_only = off").await;
    execute(
        &mut stranger,
        "ALTER DATABASE postgres RESET default_transaction_read_only",
    )
    .await;
    assert_eq!(
        store.append(&lane, run(3, 4)).await.unwrap(),
        Appended::Stored
    );
    store.close().await;
}
