//! What is true of a log in a file.

use std::{fs, path::PathBuf};

use fanwave_wire::{Channel, Offset};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::{Place, archive::archive_cases, cases, channel, offsets, run};
use crate::{Appended, Kind, OpenError, Order, Page, Store, StoreError, limits::APPEND_MAX};

/// A file in a folder of its own.
pub(super) struct Folder {
    path: PathBuf,
    /// Removes it.
    _owned: Option<TempDir>,
}

impl Folder {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            path: folder.path().to_owned(),
            _owned: Some(folder),
        }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.path.join("fanwave.db")
    }

    async fn refusal(&self) -> String {
        Store::open(&self.file()).await.unwrap_err().to_string()
    }
}

impl Place for Folder {
    const MODULE: &'static str = "sqlite";

    async fn new() -> Self {
        Self::make()
    }

    fn called(name: &str) -> Self {
        Self {
            path: name.into(),
            _owned: None,
        }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    async fn open(&self) -> Store {
        Store::open(&self.file()).await.unwrap()
    }

    async fn tamper(&self, sql: &'static str) {
        let options = SqliteConnectOptions::new()
            .filename(self.file())
            .create_if_missing(true);
        let mut connection: SqliteConnection = options.connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn has(&self, needle: &'static str) -> bool {
        let files = fs::read_dir(&self.path).unwrap();
        files
            .map(|file| fs::read(file.unwrap().path()).unwrap())
            .any(|bytes| {
                bytes
                    .windows(needle.len())
                    .any(|at| at == needle.as_bytes())
            })
    }

    async fn settle(&self) {
        // The system gives back the lock of a process that has ended.
    }
}

cases!(Folder);
archive_cases!(Folder);

mod one_writer {
    use super::*;

    archive_cases!(Folder: what_waits_is_recorded_in_its_order);
}

#[tokio::test]
async fn a_closed_log_has_no_other_file_beside_it() {
    let folder = Folder::make();
    let store = folder.open().await;
    store.standing(&channel("chat:demo")).await.unwrap();
    store.close().await;
    // The write-ahead log has been moved into the file.
    assert!(!folder.path.join("fanwave.db-wal").exists());
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers_by_itself() {
    let folder = Folder::make();
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
async fn a_log_is_open_once() {
    let folder = Folder::make();
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
    let folder = Folder::make();
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
    let folder = Folder::make();
    folder.tamper("CREATE TABLE holidays (day TEXT)").await;
    let path = folder.file().display().to_string();
    assert_eq!(
        folder.refusal().await,
        format!("{path} is a database, but not a message log; choose another file")
    );
}

#[tokio::test]
async fn a_log_of_a_newer_version_is_refused() {
    let folder = Folder::make();
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
            "the message log {path} was written by a newer version (its schema has step 42, this version knows 6); \
             start that version or a newer one, or choose another file"
        )
    );
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let folder = Folder::make();
    let path = folder.path.join("missing").join("fanwave.db");
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

/// One text loses a bit, and then its page half of what is in it.
#[tokio::test]
async fn a_page_that_the_disk_has_destroyed_takes_no_other_with_it() {
    let place = Folder::make();
    let lane = channel("chat:demo");
    let store = place.open().await;
    store.standing(&lane).await.unwrap();
    for from in (1..=2_000).step_by(APPEND_MAX) {
        store
            .append(&lane, run(from, 2_000.min(from + APPEND_MAX as u64 - 1)))
            .await
            .unwrap();
    }
    store.close().await;
    let whole = fs::read(place.file()).unwrap();
    let page_bytes = usize::from(u16::from_be_bytes([whole[16], whole[17]]));
    // Which page has the message of the middle.
    let needle = b"fanm1000";
    let at = whole
        .windows(needle.len())
        .position(|bytes| bytes == needle);
    let at = at.expect("it is in the file as it was said");
    let page = at / page_bytes;

    let mut flipped = whole.clone();
    flipped[at] ^= 0x20;
    fs::write(place.file(), &flipped).unwrap();
    assert_eq!(readable(&place, &lane).await.len(), 1_999);

    let mut torn = whole.clone();
    torn[page * page_bytes..][..page_bytes / 2].fill(0);
    fs::write(place.file(), &torn).unwrap();
    let left = readable(&place, &lane).await;
    assert!(left.len() < 2_000 && left.len() > 1_800, "{}", left.len());
    assert_eq!((left.first(), left.last()), (Some(&1), Some(&2_000)));
    assert!(left.is_sorted());

    fs::write(place.file(), &whole).unwrap();
    assert_eq!(readable(&place, &lane).await.len(), 2_000);
}

/// The offsets that a channel's reader finds, page by page.
async fn readable(place: &Folder, lane: &Channel) -> Vec<u64> {
    let store = place.open().await;
    let mut found: Vec<u64> = Vec::new();
    loop {
        let page = Page {
            after: Offset(found.last().copied().unwrap_or_default()),
            through: Offset(u64::MAX),
            limit: 400,
            order: Order::OldestFirst,
            kind: Kind::Everything,
        };
        let read = store.read(lane, page).await.unwrap();
        found.extend(offsets(&read));
        if read.len() < page.limit {
            break;
        }
    }
    store.close().await;
    found
}
