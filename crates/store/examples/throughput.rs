//! Messages a second into a log: `cargo run --release -p fanwave-store --example throughput -- sqlite|postgres`.
//!
//! As many rooms as `ROOMS` (200) have one append out each, of `BATCH` (10) messages, for `SECONDS` (10). PostgreSQL is
//! started for it, in a folder under `TMPDIR`, with all the durability it has by default; so is the file of SQLite. With
//! `PERSON_KEYS=1` all of it is sealed.

#![expect(
    clippy::print_stdout,
    reason = "a measurement is for whoever reads the screen"
)]

#[path = "../../free_port.rs"]
mod free_port;
#[path = "../src/tests/server.rs"]
#[expect(dead_code, reason = "a measurement ends no servers")]
mod server;

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fanwave_store::{Archive, Encryption, PersonKeys, PostgresConfig, Search, Store};
use fanwave_wire::{
    Body, ClientMessageId, Draft, Offset, Publication, Role, Sender, Text, UnixMillis, UserId,
};
use free_port::free_port;
use sqlx::{ConnectOptions, postgres::PgConnectOptions};

#[tokio::main]
async fn main() -> Result<(), &'static str> {
    let kind = env::args().nth(1).unwrap_or_default();
    let (rooms, batch) = (number("ROOMS", 200), number("BATCH", 10));
    let keys = match number("PERSON_KEYS", 0) {
        0 => PersonKeys::Off,
        _ => PersonKeys::On,
    };
    let lasts = Duration::from_secs(number("SECONDS", 10));
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let mut running = None;
    let store = match kind.as_str() {
        "sqlite" => Store::open_with(&folder.path().join("fanwave.db"), keys).await,
        "postgres" => {
            let server = running.insert(server::Server::start());
            let config = PostgresConfig {
                host: server.host(),
                port: server.port(),
                database: "postgres".into(),
                schema: "fanwave".into(),
                user: server::USER.into(),
                password: None,
                encryption: Encryption::Off,
                readers: 4,
                replicas: Vec::new(),
                replica_lag: Duration::from_secs(1),
            };
            make_durable(&config).await;
            Store::connect_with(&config, keys).await
        }
        _ => return Err("say which: sqlite or postgres"),
    };
    let store = store.expect("the log opens");
    let stored = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut senders = tokio::task::JoinSet::new();
    for room in 0..rooms {
        let (store, stored) = (store.clone(), Arc::clone(&stored));
        senders.spawn(async move {
            let lane = format!("chat:{room}").parse().expect("it is a channel");
            let mut head = store.standing(&lane).await.expect("it begins").head.0;
            let mut slowest = Duration::ZERO;
            while began.elapsed() < lasts {
                let messages = (head + 1..=head + batch).map(message).collect();
                let asked = Instant::now();
                store.append(&lane, messages).await.expect("it is stored");
                slowest = slowest.max(asked.elapsed());
                head += batch;
                stored.fetch_add(batch, Ordering::Relaxed);
            }
            slowest
        });
    }
    let slowest = senders.join_all().await.into_iter().max();
    let seconds = began.elapsed().as_secs_f64();
    let stored = stored.load(Ordering::Relaxed);
    println!(
        "{kind}: {rooms} rooms, {batch} messages an append, {seconds:.1} s: {stored} messages, slowest append {:?}",
        slowest.unwrap_or_default()
    );
    println!(
        "{kind}: {} messages a second",
        u128::from(stored) * 1_000 / began.elapsed().as_millis().max(1)
    );
    search(&kind, &store).await;
    store.close().await;
    drop(running);
    Ok(())
}

/// How long a search takes that finds nothing: as much as one answer may look at.
async fn search(kind: &str, store: &Store) {
    let lane = "chat:0".parse().expect("it is a channel");
    let mut search = Search {
        text: "무대없음".into(),
        limit: 50,
        ..Search::default()
    };
    let archive = Archive::from(store.clone());
    let began = Instant::now();
    let found = archive.search(&lane, &search, None).await;
    let found = found.expect("it answers");
    let looked = began.elapsed();
    search.by = Some(UserId("fan-7".into()));
    let began = Instant::now();
    let card = archive.search(&lane, &search, None).await;
    let card = card.expect("it answers");
    println!(
        "{kind}: a search that finds nothing {looked:?} (goes on before {:?}), of one person {:?} ({:?})",
        found.next.map(|next| next.offset.0),
        began.elapsed(),
        card.next.map(|next| next.offset.0)
    );
}

/// The tests' server waits for no disk.
async fn make_durable(config: &PostgresConfig) {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&config.host)
        .port(config.port)
        .database(&config.database)
        .username(&config.user);
    let mut connection = options.connect().await.expect("it takes connections");
    for statement in [
        "ALTER SYSTEM SET fsync = on",
        "ALTER SYSTEM SET full_page_writes = on",
        "SELECT pg_reload_conf()",
    ] {
        let done = sqlx::raw_sql(statement).execute(&mut connection).await;
        done.expect("the user may do everything");
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().expect("it is a number"))
}

fn message(offset: u64) -> Arc<Publication> {
    Arc::new(Publication {
        offset: Offset(offset),
        at: UnixMillis(1_800_000_000_000 + offset),
        draft: Draft {
            id: ClientMessageId(format!("message-{offset:016}").into()),
            sender: Sender {
                user: UserId(format!("fan-{}", offset % 997).into()),
                name: "미나".into(),
                role: Role::Fan,
                badge: None,
            },
            body: Body::Text(Text::plain(
                "오늘 무대 정말 최고였어요! 🎉 see you next time",
            )),
        },
    })
}
