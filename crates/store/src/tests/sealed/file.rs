//! A log in a file, with its keys in another.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fanwave_wire::{Event, Offset, UnixMillis, UserId};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

use super::{NEEDLES, OTHER, USER, card, has, is_whole, is_without_them, lane, write};
use crate::{
    Appended, OpenError, PersonKeys, Store,
    tests::{Place, archive::archive_cases, cases, channel, event, message, sqlite::Folder},
};

/// A folder with a log and its keys.
struct Sealed(Folder);

impl Sealed {
    fn log(&self) -> PathBuf {
        self.0.file()
    }

    fn keys(&self) -> PathBuf {
        self.log().with_file_name("fanwave-keys.db")
    }
}

async fn open(log: &Path) -> Store {
    Store::open_with(log, PersonKeys::On).await.unwrap()
}

impl Place for Sealed {
    const MODULE: &'static str = "sealed::file";
    const SEALED: bool = true;

    async fn new() -> Self {
        Self(Folder::new().await)
    }

    fn called(name: &str) -> Self {
        Self(Folder::called(name))
    }

    fn name(&self) -> String {
        self.0.name()
    }

    async fn open(&self) -> Store {
        open(&self.log()).await
    }

    async fn tamper(&self, sql: &'static str) {
        self.0.tamper(sql).await;
    }

    async fn has(&self, needle: &'static str) -> bool {
        self.0.has(needle).await
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

/// The decisive test: what a backup of the log has, before and after a person is forgotten.
#[tokio::test]
async fn whoever_is_forgotten_is_in_no_backup_of_the_log() {
    let place = Sealed::new().await;
    let store = place.open().await;
    write(&store).await;
    is_whole(&store).await;
    store.close().await;
    let backup = fs::read(place.log()).unwrap();
    let key_backup = fs::read(place.keys()).unwrap();
    for needle in NEEDLES.into_iter().chain([OTHER, "stays-name", "so true"]) {
        assert!(!has(&backup, needle), "{needle} is in a backup of the log");
    }
    assert!(has(&key_backup, USER), "the test finds what it looks for");

    // Beside its keys it is whole.
    let restored = Sealed::new().await;
    fs::write(restored.log(), &backup).unwrap();
    fs::write(restored.keys(), &key_backup).unwrap();
    let store = restored.open().await;
    is_whole(&store).await;
    store.close().await;

    let store = place.open().await;
    let forgotten = store.forget(UserId(USER.into())).await.unwrap();
    assert_eq!((forgotten.messages, forgotten.held), (8, 0));
    is_without_them(&store).await;
    for needle in NEEDLES {
        assert!(!place.has(needle).await, "{needle} is in a file");
    }
    store.close().await;

    // Beside the keys of today the backup is without them.
    let restored = Sealed::new().await;
    fs::write(restored.log(), &backup).unwrap();
    fs::copy(place.keys(), restored.keys()).unwrap();
    let store = restored.open().await;
    is_without_them(&store).await;
    for needle in NEEDLES {
        assert!(!restored.has(needle).await, "{needle} is in a file");
    }
    // They come back as somebody else.
    let head = store.standing(&channel("chat:demo")).await.unwrap().head.0;
    let again = super::says(head + 1, super::person(), fanwave_wire::Text::plain("back"));
    let appended = store.append(&channel("chat:demo"), vec![again]).await;
    assert_eq!(appended.unwrap(), Appended::Stored);
    assert_eq!(card(&store, USER).await, [head + 1]);
    store.close().await;
}

#[tokio::test]
async fn a_log_without_its_keys_is_not_sealed_with_others() {
    let place = Sealed::new().await;
    let store = place.open().await;
    write(&store).await;
    store.close().await;
    let kept = fs::read(place.keys()).unwrap();
    fs::remove_file(place.keys()).unwrap();
    let refused = Store::open_with(&place.log(), PersonKeys::On).await;
    let error = refused.unwrap_err();
    assert!(matches!(error, OpenError::OtherKeys { .. }), "{error:?}");
    assert!(error.to_string().contains("from their backup"), "{error}");
    // Without any it is read as far as it can be, and nobody is named.
    fs::remove_file(place.keys()).unwrap();
    let store = Store::open(&place.log()).await.unwrap();
    assert!(lane(&store, "chat:demo").await.is_empty());
    assert_eq!(lane(&store, "vote:demo").await.len(), 2);
    store.close().await;
    assert!(!place.keys().exists());
    fs::write(place.keys(), kept).unwrap();
    let store = place.open().await;
    is_whole(&store).await;
    store.close().await;
}

#[tokio::test]
async fn keys_are_for_the_owner_and_another_programs_database_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let place = Sealed::new().await;
    place.open().await.close().await;
    let mode = fs::metadata(place.keys()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let other = Sealed::new().await;
    fs::write(other.keys(), vec![b'x'; 4_096]).unwrap();
    let error = Store::open_with(&other.log(), PersonKeys::On).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot open the keys of people ") && error.contains("fanwave-keys.db"),
        "{error}"
    );
}

/// It is switched on in a log that has been there for a while, and off again.
#[tokio::test]
async fn what_was_written_before_and_after_is_one_log() {
    let place = Sealed::new().await;
    let (chat, room) = (channel("chat:demo"), channel("room:demo"));
    let theirs = |offset: u64| super::by(super::person(), message(offset, &format!("m{offset}")));
    for (step, keys) in [
        (0, PersonKeys::Off),
        (2, PersonKeys::On),
        (4, PersonKeys::Off),
    ] {
        let store = Store::open_with(&place.log(), keys).await.unwrap();
        for lane in [&chat, &room] {
            store.standing(lane).await.unwrap();
            let more = vec![theirs(step + 1), message(step + 2, &format!("o{step}"))];
            store.append(lane, more).await.unwrap();
        }
        store.close().await;
    }
    let store = place.open().await;
    assert_eq!(lane(&store, "chat:demo").await.len(), 6);
    assert_eq!(card(&store, USER).await, [5, 3, 1]);
    // A moderator reaches all of it, and so does whoever forgets.
    let user = UserId(USER.into());
    let through = Offset(6);
    let cleared = event(7, "c", Event::Cleared { user, through });
    store.append(&room, vec![cleared]).await.unwrap();
    assert!(card(&store, USER).await.is_empty());
    assert_eq!(super::offsets(&lane(&store, "chat:demo").await), [2, 4, 6]);
    store.forget(UserId(USER.into())).await.unwrap();
    assert_eq!(super::offsets(&lane(&store, "room:demo").await), [2, 4, 6]);
    for needle in NEEDLES {
        assert!(!place.has(needle).await, "{needle} is in a file");
    }
    store.close().await;
}

#[tokio::test]
async fn a_key_stays_for_as_long_as_a_room_under_hold_needs_it() {
    let place = Sealed::new().await;
    let store = place.open().await;
    write(&store).await;
    let room = channel("chat:demo").room;
    store.hold(room.clone(), UnixMillis(1)).await.unwrap();
    let user = || UserId(USER.into());
    assert_eq!(store.forget(user()).await.unwrap().held, 4);
    is_whole(&store).await;
    store.release(room).await.unwrap();
    // Another room's hold has nothing to do with them.
    let other = channel("chat:other");
    store.standing(&other).await.unwrap();
    store.append(&other, vec![message(1, "m1")]).await.unwrap();
    store.hold(other.room, UnixMillis(1)).await.unwrap();
    let forgotten = store.forget(user()).await.unwrap();
    assert_eq!((forgotten.messages, forgotten.held), (8, 1));
    is_without_them(&store).await;
    assert!(!place.has(USER).await);
    store.close().await;
}

/// Whoever is forgotten while they speak is forgotten until then, and there from then on.
#[tokio::test]
async fn nothing_is_sealed_with_a_key_that_was_destroyed() {
    let place = Sealed::new().await;
    let store = place.open().await;
    super::speak_and_forget(&store, &store).await;
    store.close().await;
    // Nor is anything there that nobody can open.
    let options = SqliteConnectOptions::new().filename(place.log());
    let mut connection = options.connect().await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM messages")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(rows, 2);
    connection.close().await.unwrap();
}
