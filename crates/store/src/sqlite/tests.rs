use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

use fanwave_wire::{Body, ClientMessageId, Draft, Role, Sender, Text, UnixMillis, UserId};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::*;
use crate::Held;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("fanwave.db")
    }

    async fn open(&self) -> Store {
        Store::open(&self.file()).await.unwrap()
    }

    async fn refusal(&self) -> String {
        Store::open(&self.file()).await.unwrap_err().to_string()
    }

    /// Works on the file as another program would.
    async fn tamper(&self, sql: &'static str) {
        let options = SqliteConnectOptions::new()
            .filename(self.file())
            .create_if_missing(true);
        let mut connection: SqliteConnection = options.connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

fn channel(name: &str) -> Channel {
    name.parse().unwrap()
}

fn message(offset: u64, id: &str) -> Arc<Publication> {
    Arc::new(Publication {
        offset: Offset(offset),
        at: UnixMillis(1_800_000_000_000 + offset),
        draft: Draft {
            id: ClientMessageId(id.into()),
            sender: Sender {
                user: UserId("fan-1".into()),
                name: "미나".into(),
                role: Role::Fan,
                badge: None,
            },
            body: Body::Text(Text::plain("최고다! 🎉 '; DROP TABLE messages; --")),
        },
    })
}

/// Messages `from` to `through`, each with an id of its own.
fn run(from: u64, through: u64) -> Vec<Arc<Publication>> {
    (from..=through)
        .map(|offset| message(offset, &format!("m{offset}")))
        .collect()
}

fn offsets(publications: &[Arc<Publication>]) -> Vec<u64> {
    publications
        .iter()
        .map(|publication| publication.offset.0)
        .collect()
}

#[tokio::test]
async fn what_was_appended_is_there_after_the_log_is_opened_again() {
    let folder = Folder::new();
    let lane = channel("chat:demo");
    let store = folder.open().await;
    let begun = store.standing(&lane).await.unwrap();
    assert_eq!(begun.head, Offset(0));
    assert_eq!(
        store.append(&lane, run(1, 3)).await.unwrap(),
        Appended::Stored
    );
    assert_eq!(
        store.append(&lane, run(4, 5)).await.unwrap(),
        Appended::Stored
    );
    store.close().await;

    let store = folder.open().await;
    let standing = store.standing(&lane).await.unwrap();
    assert_eq!(
        standing,
        Standing {
            epoch: begun.epoch,
            head: Offset(5)
        }
    );
    assert_eq!(store.tail(&lane, 100).await.unwrap(), run(1, 5));
    assert_eq!(offsets(&store.tail(&lane, 2).await.unwrap()), [4, 5]);
    store.close().await;
}

#[tokio::test]
async fn every_role_is_read_as_it_was_written() {
    let folder = Folder::new();
    let lane = channel("room:demo");
    let store = folder.open().await;
    store.standing(&lane).await.unwrap();
    let mut written = run(1, 3);
    for (publication, role) in written
        .iter_mut()
        .zip([Role::Fan, Role::Artist, Role::Staff])
    {
        Arc::get_mut(publication).unwrap().draft.sender.role = role;
    }
    store.append(&lane, written.clone()).await.unwrap();
    assert_eq!(store.tail(&lane, 3).await.unwrap(), written);
    store.close().await;
}

#[tokio::test]
async fn a_page_is_a_stretch_in_either_order() {
    let folder = Folder::new();
    let (lane, other) = (channel("chat:demo"), channel("room:demo"));
    let store = folder.open().await;
    for lane in [&lane, &other] {
        store.standing(lane).await.unwrap();
        store.append(lane, run(1, 20)).await.unwrap();
    }
    let page = async |after, through, limit, order| {
        let page = Page {
            after: Offset(after),
            through: Offset(through),
            limit,
            order,
            kind: Kind::Everything,
        };
        offsets(&store.read(&lane, page).await.unwrap())
    };
    assert_eq!(page(3, 8, 100, Order::OldestFirst).await, [4, 5, 6, 7, 8]);
    assert_eq!(page(3, 8, 2, Order::OldestFirst).await, [4, 5]);
    assert_eq!(page(3, 8, 2, Order::NewestFirst).await, [8, 7]);
    assert_eq!(page(18, u64::MAX, 100, Order::OldestFirst).await, [19, 20]);
    assert!(page(20, u64::MAX, 100, Order::OldestFirst).await.is_empty());
    assert!(page(0, 20, 0, Order::OldestFirst).await.is_empty());
    store.close().await;
}

#[tokio::test]
async fn channels_have_offsets_and_epochs_of_their_own() {
    let folder = Folder::new();
    let store = folder.open().await;
    let chat = store.standing(&channel("chat:demo")).await.unwrap();
    let room = store.standing(&channel("room:demo")).await.unwrap();
    assert_ne!(chat.epoch, room.epoch);
    store
        .append(&channel("chat:demo"), run(1, 2))
        .await
        .unwrap();
    store
        .append(&channel("room:demo"), run(1, 1))
        .await
        .unwrap();
    assert_eq!(
        store.standing(&channel("chat:demo")).await.unwrap().head,
        Offset(2)
    );
    assert_eq!(
        store.standing(&channel("room:demo")).await.unwrap().head,
        Offset(1)
    );
    store.close().await;
}

#[tokio::test]
async fn a_message_that_is_held_is_named_and_nothing_of_its_append_is_written() {
    let folder = Folder::new();
    let lane = channel("chat:demo");
    let store = folder.open().await;
    store.standing(&lane).await.unwrap();
    store.append(&lane, run(1, 3)).await.unwrap();
    let again = vec![message(4, "new"), message(5, "m2"), message(6, "m1")];
    let Appended::Held(mut held) = store.append(&lane, again).await.unwrap() else {
        panic!("not held")
    };
    held.sort_by_key(|held| held.proposed);
    let at = |offset: u64| UnixMillis(1_800_000_000_000 + offset);
    assert_eq!(
        held,
        [
            Held {
                proposed: Offset(5),
                offset: Offset(2),
                at: at(2)
            },
            Held {
                proposed: Offset(6),
                offset: Offset(1),
                at: at(1)
            },
        ]
    );
    assert_eq!(store.standing(&lane).await.unwrap().head, Offset(3));
    assert_eq!(
        store.append(&lane, vec![message(4, "new")]).await.unwrap(),
        Appended::Stored
    );
    // The same id of another channel is another message.
    store.standing(&channel("room:demo")).await.unwrap();
    assert_eq!(
        store
            .append(&channel("room:demo"), run(1, 1))
            .await
            .unwrap(),
        Appended::Stored
    );
    store.close().await;
}

#[tokio::test]
async fn an_append_fits_the_head_or_is_refused_without_disturbing_others() {
    let folder = Folder::new();
    let (lane, other) = (channel("chat:demo"), channel("chat:other"));
    let never_begun = channel("chat:never-begun");
    let store = folder.open().await;
    store.standing(&lane).await.unwrap();
    store.standing(&other).await.unwrap();
    store.append(&lane, run(1, 3)).await.unwrap();
    let (hole, overlap, unknown, fine) = tokio::join!(
        store.append(&lane, run(5, 6)),
        store.append(&lane, vec![message(3, "other")]),
        store.append(&never_begun, run(1, 1)),
        store.append(&other, run(1, 2)),
    );
    for refused in [hole, overlap, unknown] {
        assert!(matches!(refused, Err(StoreError::Moved)), "{refused:?}");
    }
    assert_eq!(fine.unwrap(), Appended::Stored);
    assert_eq!(store.tail(&lane, 10).await.unwrap(), run(1, 3));
    store.close().await;
}

#[tokio::test]
async fn many_channels_append_at_once() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..50 {
        let store = store.clone();
        tasks.spawn(async move {
            let lane = channel(&format!("chat:{index}"));
            store.standing(&lane).await.unwrap();
            for from in [1, 11, 21] {
                assert_eq!(
                    store.append(&lane, run(from, from + 9)).await.unwrap(),
                    Appended::Stored
                );
            }
            assert_eq!(store.tail(&lane, 100).await.unwrap(), run(1, 30));
        });
    }
    tasks.join_all().await;
    store.close().await;
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers_by_itself() {
    let folder = Folder::new();
    let lane = channel("chat:demo");
    let store = folder.open().await;
    store.standing(&lane).await.unwrap();
    store.set_quota(Some(256 * 1024)).await.unwrap();
    let mut head = 0;
    let error = loop {
        match store.append(&lane, run(head + 1, head + 50)).await {
            Ok(appended) => assert_eq!(appended, Appended::Stored),
            Err(error) => break error,
        }
        head += 50;
        assert!(head < 10_000, "the quota holds");
    };
    assert!(matches!(error, StoreError::Full), "{error:?}");
    assert!(head > 0);
    // It stays full, what is there can be read, and nothing of what was refused is kept.
    let refused = store.append(&lane, run(head + 1, head + 50)).await;
    assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
    assert_eq!(store.standing(&lane).await.unwrap().head, Offset(head));
    assert_eq!(store.tail(&lane, 1).await.unwrap(), run(head, head));

    store.set_quota(None).await.unwrap();
    assert_eq!(
        store.append(&lane, run(head + 1, head + 50)).await.unwrap(),
        Appended::Stored
    );
    store.close().await;
    let store = folder.open().await;
    assert_eq!(store.standing(&lane).await.unwrap().head, Offset(head + 50));
    store.close().await;
}

#[tokio::test]
async fn settings_are_bytes_that_last() {
    let folder = Folder::new();
    let store = folder.open().await;
    assert_eq!(store.setting("secret").await.unwrap(), None);
    store.put_setting("secret", vec![0, 255, 1]).await.unwrap();
    store.put_setting("secret", vec![7; 32]).await.unwrap();
    store.close().await;
    let store = folder.open().await;
    assert_eq!(store.setting("secret").await.unwrap(), Some(vec![7; 32]));
    store.close().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let folder = Folder::new();
    let store = folder.open().await;
    let lane = channel("chat:demo");
    store.standing(&lane).await.unwrap();
    let size_max = APPEND_MAX;
    let error = store
        .append(&lane, run(1, size_max as u64 + 1))
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::TooLarge { size, size_max: max } if size == max + 1),
        "{error:?}"
    );
    assert_eq!(
        store.append(&lane, run(1, size_max as u64)).await.unwrap(),
        Appended::Stored
    );
    let error = store
        .put_setting("k", vec![0; SETTING_VALUE_BYTES_MAX + 1])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
    let error = store
        .put_setting(&"k".repeat(SETTING_KEY_BYTES_MAX + 1), vec![])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
    store.close().await;
}

#[tokio::test]
async fn a_closed_store_has_written_what_waited_and_says_that_it_is_closed() {
    let folder = Folder::new();
    let store = folder.open().await;
    let lane = channel("chat:demo");
    store.standing(&lane).await.unwrap();
    let (appended, ()) = tokio::join!(store.append(&lane, run(1, 9)), store.close());
    assert_eq!(appended.unwrap(), Appended::Stored);
    assert!(matches!(
        store.append(&lane, run(10, 10)).await,
        Err(StoreError::Closed)
    ));
    assert!(matches!(
        store.tail(&lane, 1).await,
        Err(StoreError::Closed)
    ));
    store.close().await;
    // The write-ahead log has been moved into the file.
    assert!(!folder.0.path().join("fanwave.db-wal").exists());
}

#[tokio::test]
async fn a_log_is_open_once() {
    let folder = Folder::new();
    let store = folder.open().await;
    let path = folder.file();
    assert_eq!(
        folder.refusal().await,
        format!(
            "the message log {} is in use by another process; stop that one first, or use another data folder",
            path.display()
        )
    );
    store.close().await;
    folder.open().await.close().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_by_name() {
    let folder = Folder::new();
    let garbage: Vec<u8> = (0..40_000_u32)
        .map(|index| (index * 31 % 251) as u8)
        .collect();
    fs::write(folder.file(), &garbage).unwrap();
    let path = folder.file().display().to_string();
    let refusal = folder.refusal().await;
    assert!(
        refusal.starts_with(&format!(
            "the message log {path} is damaged or not a database ("
        )),
        "{refusal}"
    );
    assert!(
        refusal.contains(&format!(
            "move it and the files {path}-wal and {path}-shm away"
        )),
        "{refusal}"
    );
    assert_eq!(
        fs::read(folder.file()).unwrap(),
        garbage,
        "it is left as it was"
    );
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    let folder = Folder::new();
    folder.tamper("CREATE TABLE holidays (day TEXT)").await;
    let path = folder.file().display().to_string();
    assert_eq!(
        folder.refusal().await,
        format!("{path} is a database, but not a message log; choose another file")
    );
}

#[tokio::test]
async fn a_log_of_a_newer_version_is_refused() {
    let folder = Folder::new();
    folder.open().await.close().await;
    folder
        .tamper(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (42, 'from the future', TRUE, x'00', 0)",
        )
        .await;
    let path = folder.file().display().to_string();
    assert_eq!(
        folder.refusal().await,
        format!(
            "the message log {path} was written by a newer version (its schema has step 42, this version knows 2); \
             start that version or a newer one, or choose another file"
        )
    );
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let folder = Folder::new();
    let path = folder.0.path().join("missing").join("fanwave.db");
    let refusal = Store::open(&path).await.unwrap_err();
    assert!(
        matches!(refusal, OpenError::Unreachable { .. }),
        "{refusal:?}"
    );
    assert!(
        refusal.to_string().contains(&path.display().to_string()),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_damaged_row_is_found_and_the_rest_stays_readable() {
    let folder = Folder::new();
    let (lane, other) = (channel("chat:demo"), channel("chat:other"));
    let store = folder.open().await;
    for lane in [&lane, &other] {
        store.standing(lane).await.unwrap();
        store.append(lane, run(1, 9)).await.unwrap();
    }
    store.close().await;
    folder
        .tamper("UPDATE messages SET role = 'f@n' WHERE channel_id = 1 AND message_offset = 4")
        .await;
    let store = folder.open().await;
    let damaged = store.tail(&lane, 9).await;
    assert!(
        matches!(damaged, Err(StoreError::Damaged(_))),
        "{damaged:?}"
    );
    assert_eq!(store.tail(&lane, 5).await.unwrap(), run(5, 9));
    assert_eq!(store.tail(&other, 9).await.unwrap(), run(1, 9));
    assert_eq!(
        store.append(&lane, run(10, 10)).await.unwrap(),
        Appended::Stored
    );
    store.close().await;
}

/// What the child of the test below is told to work on.
const CHILD_FILE: &str = "FANWAVE_STORE_TEST_FILE";

/// The test runs itself as a child that says which messages were acknowledged, and kills it in the middle.
#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    const SELF: &str = "sqlite::tests::what_was_acknowledged_survives_a_kill";
    const ROUNDS: usize = 3;
    const ACKS_PER_ROUND: usize = 40;
    if let Some(file) = std::env::var_os(CHILD_FILE) {
        return append_for_ever(PathBuf::from(file)).await;
    }
    let folder = Folder::new();
    let lane = channel("chat:demo");
    let mut acknowledged = 0;
    for _ in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([SELF, "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD_FILE, folder.file())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let acks = lines.filter_map(|line| {
            line.unwrap()
                .strip_prefix("acknowledged ")?
                .parse::<u64>()
                .ok()
        });
        for offset in acks.take(ACKS_PER_ROUND) {
            assert_eq!(offset, acknowledged + 7, "each append has seven messages");
            acknowledged = offset;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let store = folder.open().await;
        let head = store.standing(&lane).await.unwrap().head.0;
        assert!(head >= acknowledged, "{head} >= {acknowledged}");
        assert_eq!(head % 7, 0, "an append is there as a whole or not at all");
        assert_eq!(store.tail(&lane, 200).await.unwrap(), run(head - 199, head));
        acknowledged = head;
        store.close().await;
    }
}

async fn append_for_ever(file: PathBuf) {
    let store = Store::open(&file).await.unwrap();
    let lane = channel("chat:demo");
    let mut head = store.standing(&lane).await.unwrap().head.0;
    loop {
        assert_eq!(
            store.append(&lane, run(head + 1, head + 7)).await.unwrap(),
            Appended::Stored
        );
        head += 7;
        // Straight to the pipe: a line that waits in a buffer would be an acknowledgement nobody heard.
        let mut out = std::io::stdout();
        writeln!(out, "\nacknowledged {head}")
            .and_then(|()| out.flush())
            .unwrap();
    }
}
