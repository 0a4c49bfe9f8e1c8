//! The cases that an archive passes in whichever database it is, each one promise of the contract.

use std::{sync::Arc, time::Duration};

use fanwave_wire::{Body, Channel, Epoch, Event, Offset, Publication, Text, UnixMillis, UserId};
use tokio::task::JoinSet;

use super::{Place, channel, event, message, offsets, run};
use crate::{
    Archive, Format, Kind, Order, Page, Position, Retention, Search, Standing, StoreError, Stretch,
    limits::APPEND_MAX,
};

/// Where an archive is, which a case begins with none in.
pub(super) trait Shelf: Sized {
    async fn new() -> Self;

    async fn open(&self) -> Archive;

    /// Whether this text is anywhere in the archive that a query finds it.
    async fn has(&self, needle: &'static str) -> bool;
}

impl<P: Place> Shelf for P {
    async fn new() -> Self {
        P::new().await
    }

    async fn open(&self) -> Archive {
        P::open(self).await.into()
    }

    async fn has(&self, needle: &'static str) -> bool {
        P::has(self, needle).await
    }
}

/// Makes a test of each case, on a shelf of this kind.
macro_rules! archive_cases {
    ($shelf:ty) => {
        mod archive {
            use super::*;

            archive_cases! {
                $shelf:
                what_is_recorded_is_there_once,
                recorders_that_meet_record_everything_once,
                what_many_rooms_say_at_once_is_each_rooms_own,
                a_copy_that_the_broker_let_pass_is_there,
                a_new_epoch_is_another_run,
                what_a_broker_still_has_in_a_new_epoch_is_there_once,
                what_was_deleted_does_not_come_back_with_a_new_epoch,
                a_deletion_counts_whichever_comes_first,
                a_deletion_reaches_nothing_that_was_said_later,
                a_window_of_time_reaches_over_runs,
                a_search_goes_through_all_runs,
                a_file_has_all_runs,
                whoever_is_forgotten_is_in_no_run,
                a_room_under_hold_keeps_its_older_runs_too,
                too_much_at_once_is_refused,
            }
        }
    };
    ($shelf:ty: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                let shelf = <$shelf as crate::tests::archive::Shelf>::new().await;
                crate::tests::archive::$case(shelf).await;
            }
        )+
    };
}
pub(super) use archive_cases;

/// When the messages of the tests are said, but for some milliseconds.
const AT: u64 = 1_800_000_000_000;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

fn epoch(name: &str) -> Epoch {
    Epoch(name.into())
}

fn chat() -> Channel {
    channel("chat:demo")
}

fn room() -> Channel {
    channel("room:demo")
}

/// The same, said so much later.
fn later(mut publications: Vec<Arc<Publication>>, millis: u64) -> Vec<Arc<Publication>> {
    for publication in &mut publications {
        let publication = Arc::make_mut(publication);
        publication.at = UnixMillis(publication.at.0 + millis);
        let id = format!("{}+{millis}", publication.draft.id.0);
        publication.draft.id.0 = id.into();
    }
    publications
}

fn by(user: &str, mut publication: Arc<Publication>) -> Arc<Publication> {
    Arc::make_mut(&mut publication).draft.sender.user = UserId(user.into());
    publication
}

fn everything() -> Page {
    Page {
        after: Offset(0),
        through: Offset(u64::MAX),
        limit: 400,
        order: Order::OldestFirst,
        kind: Kind::Everything,
    }
}

/// All of a run, or of the newest.
async fn all(archive: &Archive, lane: &Channel, run: Option<&str>) -> Vec<Arc<Publication>> {
    let run = run.map(epoch);
    let read = archive.read(lane, run.as_ref(), everything()).await;
    read.unwrap()
}

async fn record(archive: &Archive, lane: &Channel, of: &str, what: Vec<Arc<Publication>>) {
    archive.record(lane, &epoch(of), what).await.unwrap();
}

async fn reached(archive: &Archive, lane: &Channel) -> Option<(String, u64)> {
    let reached = archive.reached(lane).await.unwrap();
    reached.map(|Standing { epoch, head }| (epoch.0.to_string(), head.0))
}

fn at(of: &str, offset: u64) -> Position {
    Position {
        epoch: epoch(of),
        offset: Offset(offset),
    }
}

pub(super) async fn what_is_recorded_is_there_once(shelf: impl Shelf) {
    let archive = shelf.open().await;
    assert_eq!(reached(&archive, &chat()).await, None);
    assert!(all(&archive, &chat(), None).await.is_empty());
    record(&archive, &chat(), "one", run(1, 3)).await;
    record(&archive, &chat(), "one", Vec::new()).await;
    assert_eq!(reached(&archive, &chat()).await, Some(("one".into(), 3)));
    // Again, and with what is new behind it; then with a hole, as brokers have them.
    record(&archive, &chat(), "one", run(2, 5)).await;
    record(&archive, &chat(), "one", run(9, 10)).await;
    record(&archive, &chat(), "one", run(1, 10)).await;
    assert_eq!(reached(&archive, &chat()).await, Some(("one".into(), 10)));
    let there = all(&archive, &chat(), None).await;
    assert_eq!(there, [run(1, 5), run(9, 10)].concat());
    assert_eq!(all(&archive, &chat(), Some("one")).await, there);
    assert!(all(&archive, &chat(), Some("two")).await.is_empty());
    assert_eq!(reached(&archive, &room()).await, None);
    // It is durable: whoever opens it anew finds it.
    archive.close().await;
    let archive = shelf.open().await;
    assert_eq!(all(&archive, &chat(), None).await, there);
}

pub(super) async fn recorders_that_meet_record_everything_once(shelf: impl Shelf) {
    let archive = shelf.open().await;
    let mut recorders = JoinSet::new();
    for step in 3..9 {
        let archive = archive.clone();
        recorders.spawn(async move {
            for from in (1..=120).step_by(step) {
                let until = (from + step as u64 + 2).min(120);
                record(&archive, &chat(), "one", run(from, until)).await;
            }
        });
    }
    recorders.join_all().await;
    assert_eq!(all(&archive, &chat(), None).await, run(1, 120));
}

pub(super) async fn what_many_rooms_say_at_once_is_each_rooms_own(shelf: impl Shelf) {
    const ROOMS: u64 = 12;

    let archive = shelf.open().await;
    let mut rooms = JoinSet::new();
    for number in 0..ROOMS {
        let archive = archive.clone();
        rooms.spawn(async move {
            for (lane, of, what) in script(number) {
                record(&archive, &lane, of, what).await;
            }
        });
    }
    rooms.join_all().await;
    for number in 0..ROOMS {
        is_as_scripted(&archive, number).await;
    }
}

/// What comes from one bus, all at a time: it is one group, in the order in which it came.
pub(super) async fn what_waits_is_recorded_in_its_order(shelf: impl Shelf) {
    /// More than a statement is for.
    const ROOMS: u64 = 120;

    let archive = shelf.open().await;
    let mut records = JoinSet::new();
    for (lane, of, what) in (0..ROOMS).flat_map(script) {
        let archive = archive.clone();
        records.spawn(async move { record(&archive, &lane, of, what).await });
    }
    records.join_all().await;
    for number in 0..ROOMS {
        is_as_scripted(&archive, number).await;
    }
}

fn lanes(number: u64) -> (Channel, Channel) {
    let lane = |lane: &str| channel(&format!("{lane}:demo-{number}"));
    (lane("chat"), lane("room"))
}

fn said_next(number: u64) -> Vec<Arc<Publication>> {
    later(run(5, 5), DAY_MS + number)
}

fn deletions() -> Vec<Arc<Publication>> {
    let deleted = |number: u64| {
        let offset = Offset(number);
        event(number, &format!("e{number}"), Event::Deleted { offset })
    };
    vec![deleted(2), deleted(9)]
}

/// What happens in one of several rooms.
fn script(number: u64) -> [(Channel, &'static str, Vec<Arc<Publication>>); 4] {
    let (chat, room) = lanes(number);
    [
        (chat.clone(), "one", run(1, 4)),
        (room, "r", deletions()),
        (chat.clone(), "one", run(3, 9)),
        // The broker has lost what was behind 4.
        (chat, "two", [run(1, 4), said_next(number)].concat()),
    ]
}

async fn is_as_scripted(archive: &Archive, number: u64) {
    let (chat, room) = lanes(number);
    let two = [run(1, 1), run(3, 4), said_next(number)].concat();
    assert_eq!(all(archive, &chat, None).await, two);
    assert_eq!(all(archive, &chat, Some("one")).await, run(5, 8));
    assert_eq!(all(archive, &room, None).await, deletions());
    assert_eq!(reached(archive, &chat).await, Some(("two".into(), 5)));
}

pub(super) async fn a_copy_that_the_broker_let_pass_is_there(shelf: impl Shelf) {
    let archive = shelf.open().await;
    let copies: Vec<_> = (1..=3).map(|offset| message(offset, "same")).collect();
    record(&archive, &chat(), "one", copies.clone()).await;
    record(&archive, &chat(), "one", vec![message(4, "same")]).await;
    assert_eq!(all(&archive, &chat(), None).await.len(), 4);
    assert_eq!(all(&archive, &chat(), None).await[..3], copies);
}

pub(super) async fn a_new_epoch_is_another_run(shelf: impl Shelf) {
    let archive = shelf.open().await;
    record(&archive, &chat(), "one", run(1, 5)).await;
    let two = later(run(1, 3), DAY_MS);
    record(&archive, &chat(), "two", two.clone()).await;
    assert_eq!(reached(&archive, &chat()).await, Some(("two".into(), 3)));
    assert_eq!(all(&archive, &chat(), None).await, two);
    assert_eq!(all(&archive, &chat(), Some("one")).await, run(1, 5));
    // Whoever is late records where it belongs, and begins nothing.
    record(&archive, &chat(), "one", run(4, 6)).await;
    assert_eq!(reached(&archive, &chat()).await, Some(("two".into(), 3)));
    assert_eq!(all(&archive, &chat(), Some("one")).await, run(1, 6));
    let three = later(run(2, 2), 2 * DAY_MS);
    record(&archive, &chat(), "three", three.clone()).await;
    let runs = archive.runs(&chat()).await.unwrap();
    let runs: Vec<_> = runs.iter().map(|run| (&*run.epoch.0, run.head.0)).collect();
    assert_eq!(runs, [("one", 6), ("two", 3), ("three", 2)]);
    assert_eq!(all(&archive, &chat(), Some("two")).await, two);
}

pub(super) async fn what_a_broker_still_has_in_a_new_epoch_is_there_once(shelf: impl Shelf) {
    let archive = shelf.open().await;
    record(&archive, &chat(), "one", run(1, 6)).await;
    // It has lost 5 and 6, goes on with 4, and gives 5 to another message.
    let next = later(run(5, 5), DAY_MS);
    let two = [run(1, 4), next].concat();
    record(&archive, &chat(), "two", two[..2].to_vec()).await;
    record(&archive, &chat(), "two", two.clone()).await;
    assert_eq!(all(&archive, &chat(), None).await, two);
    assert_eq!(all(&archive, &chat(), Some("one")).await, run(5, 6));
}

pub(super) async fn what_was_deleted_does_not_come_back_with_a_new_epoch(shelf: impl Shelf) {
    let archive = shelf.open().await;
    let theirs = by("fan-2", message(3, "m3"));
    let said = vec![message(1, "m1"), message(2, "m2"), theirs, message(4, "m4")];
    record(&archive, &chat(), "one", said.clone()).await;
    let deleted = event(1, "e1", Event::Deleted { offset: Offset(2) });
    record(&archive, &room(), "r", vec![deleted]).await;
    archive.forget(UserId("fan-2".into())).await.unwrap();
    // A broker whose log has all of it still.
    record(&archive, &chat(), "two", said).await;
    assert_eq!(offsets(&all(&archive, &chat(), None).await), [1, 4]);
    assert!(all(&archive, &chat(), Some("one")).await.is_empty());
}

pub(super) async fn a_deletion_counts_whichever_comes_first(shelf: impl Shelf) {
    let archive = shelf.open().await;
    let said = |offset: u64, user: &str| by(user, message(offset, &format!("m{offset}")));
    let chats = vec![
        said(1, "fan-1"),
        said(2, "fan-1"),
        said(3, "fan-2"),
        said(4, "fan-1"),
        said(5, "fan-2"),
        said(6, "fan-1"),
        said(7, "fan-2"),
    ];
    let user = UserId("fan-2".into());
    let through = Offset(5);
    let events = vec![
        event(1, "e1", Event::Deleted { offset: Offset(2) }),
        event(2, "e2", Event::Deleted { offset: Offset(6) }),
        event(3, "e3", Event::Cleared { user, through }),
    ];
    // Some of what they delete is there, and some comes later.
    record(&archive, &chat(), "c", chats[..4].to_vec()).await;
    record(&archive, &room(), "r", events.clone()).await;
    assert_eq!(offsets(&all(&archive, &chat(), None).await), [1, 4]);
    record(&archive, &chat(), "c", chats[4..].to_vec()).await;
    assert_eq!(offsets(&all(&archive, &chat(), None).await), [1, 4, 7]);
    assert_eq!(all(&archive, &room(), None).await, events);
    // Another room's are its own, and so are what it clears before it has said anything.
    let other = channel("chat:other");
    let user = UserId("fan-2".into());
    let through = Offset(9);
    let cleared = event(1, "e1", Event::Cleared { user, through });
    record(&archive, &channel("room:other"), "r", vec![cleared]).await;
    record(&archive, &other, "c", chats).await;
    assert_eq!(offsets(&all(&archive, &other, None).await), [1, 2, 4, 6]);
    // The same again changes nothing.
    record(&archive, &room(), "r", events).await;
    assert_eq!(offsets(&all(&archive, &chat(), None).await), [1, 4, 7]);
}

pub(super) async fn a_deletion_reaches_nothing_that_was_said_later(shelf: impl Shelf) {
    let archive = shelf.open().await;
    let deleted = event(1, "e1", Event::Deleted { offset: Offset(2) });
    let cleared = Event::Cleared {
        user: UserId("fan-1".into()),
        through: Offset(3),
    };
    let events = vec![deleted, event(2, "e2", cleared)];
    record(&archive, &room(), "r", events).await;
    // What they named was lost with its run, and others have the offsets.
    let said = later(run(1, 4), DAY_MS);
    record(&archive, &chat(), "two", said.clone()).await;
    assert_eq!(all(&archive, &chat(), None).await, said);
    let again = event(3, "e3", Event::Deleted { offset: Offset(4) });
    record(&archive, &room(), "r", vec![again]).await;
    assert_eq!(all(&archive, &chat(), None).await, said);
}

pub(super) async fn a_window_of_time_reaches_over_runs(shelf: impl Shelf) {
    let archive = shelf.open().await;
    for batch in run(1, 700).chunks(200) {
        record(&archive, &chat(), "one", batch.to_vec()).await;
    }
    let two = later(run(1, 10), 60_000);
    record(&archive, &chat(), "two", two).await;
    let between = async |from: u64, until: u64, after: Option<Position>, limit: usize| {
        let window = (UnixMillis(AT + from), UnixMillis(AT + until));
        let stretches = archive
            .between(&chat(), window, after.as_ref(), limit)
            .await
            .unwrap();
        let shown = |stretch: Stretch| (stretch.epoch, offsets(&stretch.publications));
        stretches.into_iter().map(shown).collect::<Vec<_>>()
    };
    let numbers = |from: u64, through: u64| (from..=through).collect::<Vec<_>>();
    assert_eq!(
        between(100, 104, None, 50).await,
        [(epoch("one"), numbers(100, 103))]
    );
    assert_eq!(
        between(690, 60_004, None, 50).await,
        [
            (epoch("one"), numbers(690, 700)),
            (epoch("two"), numbers(1, 3))
        ]
    );
    // Page by page, also from one run to the next.
    assert_eq!(
        between(690, 60_004, None, 10).await,
        [(epoch("one"), numbers(690, 699))]
    );
    assert_eq!(
        between(690, 60_004, Some(at("one", 699)), 3).await,
        [(epoch("one"), vec![700]), (epoch("two"), numbers(1, 2))]
    );
    assert_eq!(
        between(690, 60_004, Some(at("two", 2)), 3).await,
        [(epoch("two"), vec![3])]
    );
    assert!(between(800, 60_001, None, 50).await.is_empty());
    assert!(between(0, 1, None, 50).await.is_empty());
}

pub(super) async fn a_search_goes_through_all_runs(shelf: impl Shelf) {
    let archive = shelf.open().await;
    let text = |offset: u64, text: &str, user: &str| {
        let mut said = by(user, message(offset, &format!("m{offset}")));
        Arc::make_mut(&mut said).draft.body = Body::Text(Text::plain(text));
        said
    };
    let one = vec![
        text(1, "what a night", "fan-1"),
        text(2, "good night", "fan-2"),
        text(3, "morning", "fan-1"),
    ];
    let two = later(vec![text(1, "Night again", "fan-1")], DAY_MS);
    record(&archive, &chat(), "one", one).await;
    record(&archive, &chat(), "two", two).await;
    let search = Search {
        text: "night".into(),
        limit: 1,
        ..Search::default()
    };
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let sought = archive.search(&chat(), &search, before.as_ref()).await;
        let sought = sought.unwrap();
        let run = sought.found.epoch.0.to_string();
        found.extend(
            offsets(&sought.found.publications)
                .into_iter()
                .map(|offset| (run.clone(), offset)),
        );
        before = sought.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(
        found,
        [("two".into(), 1), ("one".into(), 2), ("one".into(), 1)]
    );
    let card = Search {
        by: Some(UserId("fan-2".into())),
        limit: 9,
        ..Search::default()
    };
    let sought = archive.search(&chat(), &card, Some(&at("one", 9))).await;
    assert_eq!(offsets(&sought.unwrap().found.publications), [2]);
    let nowhere = archive.search(&room(), &card, None).await.unwrap();
    assert!(nowhere.found.publications.is_empty() && nowhere.next.is_none());
}

pub(super) async fn a_file_has_all_runs(shelf: impl Shelf) {
    let archive = shelf.open().await;
    for batch in run(1, 501).chunks(200) {
        record(&archive, &chat(), "one", batch.to_vec()).await;
    }
    record(&archive, &chat(), "two", later(run(1, 2), DAY_MS)).await;
    let mut lines = 0;
    let mut pieces = 0;
    let mut after = None;
    loop {
        let piece = archive
            .export(&chat(), Format::JsonLines, after.as_ref())
            .await
            .unwrap();
        lines += piece.bytes.split(|byte| *byte == b'\n').count() - 1;
        pieces += 1;
        after = piece.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((lines, pieces), (503, 3));
    let nothing = archive.export(&room(), Format::Csv, None).await.unwrap();
    assert!(nothing.bytes.is_empty() && nothing.next.is_none());
}

pub(super) async fn whoever_is_forgotten_is_in_no_run(shelf: impl Shelf) {
    const USER: &str = "canary-user";
    let archive = shelf.open().await;
    let theirs = |offset: u64| by(USER, message(offset, &format!("m{offset}")));
    record(&archive, &chat(), "one", vec![theirs(1), message(2, "m2")]).await;
    let two = later(vec![theirs(1), message(2, "m2")], DAY_MS);
    record(&archive, &chat(), "two", two).await;
    let user = UserId(USER.into());
    let through = Offset(9);
    let cleared = event(1, "e1", Event::Cleared { user, through });
    record(&archive, &room(), "r", vec![cleared]).await;
    assert!(shelf.has(USER).await);
    archive.forget(UserId(USER.into())).await.unwrap();
    assert!(!shelf.has(USER).await);
    for of in ["one", "two"] {
        assert_eq!(offsets(&all(&archive, &chat(), Some(of)).await), [2]);
    }
    // What they had said before they were cleared comes late, and is still not written.
    let late = later(vec![theirs(8), message(9, "m9")], 1);
    record(&archive, &chat(), "two", late).await;
    assert_eq!(offsets(&all(&archive, &chat(), None).await), [2, 9]);
    assert!(!shelf.has(USER).await);
}

pub(super) async fn a_room_under_hold_keeps_its_older_runs_too(shelf: impl Shelf) {
    let archive = shelf.open().await;
    let retention = Retention {
        default: Some(Duration::from_millis(30 * DAY_MS)),
        ..Retention::default()
    };
    record(&archive, &chat(), "one", run(1, 3)).await;
    record(&archive, &chat(), "two", later(run(1, 2), 1_000)).await;
    let demo = chat().room;
    archive.hold(demo.clone(), UnixMillis(AT)).await.unwrap();
    assert_eq!(
        archive.holds().await.unwrap(),
        [(demo.clone(), UnixMillis(AT))]
    );
    let over = UnixMillis(AT + 60 * DAY_MS);
    archive.sweep(&retention, over).await.unwrap();
    assert_eq!(all(&archive, &chat(), Some("one")).await.len(), 3);
    let forgotten = archive.forget(UserId("fan-1".into())).await.unwrap();
    assert_eq!((forgotten.messages, forgotten.held), (0, 2));
    archive.release(demo).await.unwrap();
    archive.sweep(&retention, over).await.unwrap();
    assert!(all(&archive, &chat(), Some("one")).await.is_empty());
    assert!(all(&archive, &chat(), None).await.is_empty());
    // No offset is there twice for that.
    assert_eq!(reached(&archive, &chat()).await, Some(("two".into(), 2)));
    record(&archive, &chat(), "two", run(1, 2)).await;
    assert!(all(&archive, &chat(), None).await.is_empty());
}

pub(super) async fn too_much_at_once_is_refused(shelf: impl Shelf) {
    let archive = shelf.open().await;
    let size_max = APPEND_MAX as u64;
    let refused = archive
        .record(&chat(), &epoch("one"), run(1, size_max + 1))
        .await;
    assert!(
        matches!(refused, Err(StoreError::TooLarge { .. })),
        "{refused:?}"
    );
    let long = Search {
        text: "x".repeat(1_000),
        ..Search::default()
    };
    record(&archive, &chat(), "one", run(1, size_max)).await;
    let refused = archive.search(&chat(), &long, None).await;
    assert!(
        matches!(refused, Err(StoreError::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(all(&archive, &chat(), None).await, run(1, size_max));
}
