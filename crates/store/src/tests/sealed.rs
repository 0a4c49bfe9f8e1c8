//! Logs that are sealed with keys of people: the whole contract holds, and whoever is forgotten is in no backup.

#[cfg(feature = "cassandra")]
mod cassandra;
mod file;
mod server;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use fanwave_wire::{
    Body, ClientMessageId, Event, HoldReason, Offset, Publication, ReplyTo, Role, Sender, Text,
    UserId,
};

use super::{channel, event, message, offsets};
use crate::{Archive, Format, Kind, Order, Page, Search, Store};

/// Recognisable, so that they can be looked for where they must not be.
const USER: &str = "canary-user_%";
const NEEDLES: [&str; 4] = [USER, "canary-name", "canary-text", "canary-badge"];

/// Somebody who stays.
const OTHER: &str = "stays-user";

fn person() -> Sender {
    Sender {
        user: UserId(USER.into()),
        name: NEEDLES[1].into(),
        role: Role::Fan,
        badge: Some(NEEDLES[3].into()),
    }
}

fn by(sender: Sender, mut publication: Arc<Publication>) -> Arc<Publication> {
    Arc::make_mut(&mut publication).draft.sender = sender;
    publication
}

fn stays() -> Sender {
    Sender::new(UserId(OTHER.into()), "stays-name", Role::Moderator)
}

fn says(offset: u64, sender: Sender, text: Text) -> Arc<Publication> {
    let mut said = by(sender, message(offset, &format!("m{offset}")));
    Arc::make_mut(&mut said).draft.body = Body::Text(text);
    said
}

fn does(offset: u64, sender: Sender, what: Event) -> Arc<Publication> {
    by(sender, event(offset, &format!("e{offset}"), what))
}

fn answer(of: u64, user: &str, text: &str) -> Text {
    Text {
        reply_to: Some(Box::new(ReplyTo {
            offset: Offset(of),
            user: UserId(user.into()),
        })),
        ..Text::plain(text)
    }
}

/// What waits for review.
fn held(sender: Sender, text: Text) -> Event {
    Event::Held {
        sender,
        id: ClientMessageId("m9".into()),
        text,
        reason: HoldReason::Room,
    }
}

/// All that a person says and does, and what others say and do to them.
fn story() -> [(&'static str, Vec<Arc<Publication>>); 4] {
    let (user, until) = (UserId(USER.into()), None);
    let pinned = |offset: Option<u64>, text: &str| Event::Pinned {
        pin: ClientMessageId("p".into()),
        text: text.into(),
        offset: offset.map(Offset),
    };
    let gift = Event::Gift {
        gift: "rose".into(),
        count: 3,
        text: Some(NEEDLES[2].into()),
    };
    let theirs = held(person(), answer(4, OTHER, NEEDLES[2]));
    let quoting = held(stays(), answer(2, USER, "quoting"));
    [
        (
            "chat:demo",
            vec![
                message(1, "m1"),
                says(2, person(), Text::plain(NEEDLES[2])),
                says(3, stays(), answer(2, USER, "so true")),
                says(4, stays(), Text::plain("another one")),
            ],
        ),
        (
            "room:demo",
            vec![
                does(1, stays(), pinned(Some(4), "another one")),
                does(2, stays(), pinned(Some(2), NEEDLES[2])),
                does(3, person(), gift),
                does(
                    4,
                    stays(),
                    Event::Muted {
                        user: user.clone(),
                        until,
                    },
                ),
                does(5, stays(), pinned(None, "a notice")),
                does(6, stays(), Event::Pardoned { user }),
            ],
        ),
        (
            "staff:demo",
            vec![does(1, stays(), theirs), does(2, stays(), quoting)],
        ),
        (
            "vote:demo",
            vec![
                does(1, person(), Event::Voted { choice: 1 }),
                does(2, stays(), Event::Voted { choice: 0 }),
            ],
        ),
    ]
}

async fn write(store: &Store) {
    for (lane, publications) in story() {
        let lane = channel(lane);
        store.standing(&lane).await.unwrap();
        store.append(&lane, publications).await.unwrap();
    }
}

fn everything() -> Page {
    Page {
        after: Offset(0),
        through: Offset(u64::MAX),
        limit: 100,
        order: Order::OldestFirst,
        kind: Kind::Everything,
    }
}

async fn lane(store: &Store, name: &str) -> Vec<Arc<Publication>> {
    store.read(&channel(name), everything()).await.unwrap()
}

/// All of it is there as it was said.
async fn is_whole(store: &Store) {
    for (name, publications) in story() {
        assert_eq!(lane(store, name).await, publications, "{name}");
    }
    assert_eq!(card(store, USER).await, [2]);
    assert_eq!(card(store, OTHER).await, [4, 3]);
}

/// What of a person is found in the chat, newest first.
async fn card(store: &Store, user: &str) -> Vec<u64> {
    let search = Search {
        by: Some(UserId(user.into())),
        limit: 9,
        ..Search::default()
    };
    let archive = Archive::from(store.clone());
    let sought = archive.search(&channel("chat:demo"), &search, None).await;
    offsets(&sought.unwrap().found.publications)
}

/// All of it is there but for the person, by whom nothing is and whom nothing names.
async fn is_without_them(store: &Store) {
    let story = story();
    let said = |lane: usize, offset: usize| Arc::clone(&story[lane].1[offset - 1]);
    let chat = lane(store, "chat:demo").await;
    assert_eq!(offsets(&chat), [1, 3, 4]);
    assert_eq!((&chat[0], &chat[2]), (&said(0, 1), &said(0, 4)));
    let answer = chat[1].draft.body.as_text().unwrap();
    assert_eq!((&*answer.text, &answer.reply_to), ("so true", &None));
    assert_eq!(chat[1].draft.sender, stays());
    let room = lane(store, "room:demo").await;
    assert_eq!(offsets(&room), [1, 3, 5]);
    assert_eq!((&room[0], &room[2]), (&said(1, 1), &said(1, 5)));
    let Some(Event::Gift { count, text, .. }) = room[1].draft.body.as_event() else {
        panic!("it was given")
    };
    assert_eq!((*count, text), (3, &None));
    let staff = lane(store, "staff:demo").await;
    assert_eq!(offsets(&staff), [2]);
    let Some(Event::Held { sender, text, .. }) = staff[0].draft.body.as_event() else {
        panic!("it waits")
    };
    assert_eq!((sender, &*text.text), (&stays(), "quoting"));
    // Both votes count.
    assert_eq!(offsets(&lane(store, "vote:demo").await), [1, 2]);
    assert!(card(store, USER).await.is_empty());
    assert_eq!(card(store, OTHER).await, [4, 3]);
    let archive = Archive::from(store.clone());
    for (name, _) in &story {
        let file = archive
            .export(&channel(name), Format::JsonLines, None)
            .await;
        let file = String::from_utf8(file.unwrap().bytes).unwrap();
        for needle in NEEDLES {
            assert!(!file.contains(needle), "{needle} in {file}");
        }
    }
    // It is no damage.
    let mut registry = prometheus_client::registry::Registry::default();
    store.register(&mut registry);
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &registry).unwrap();
    assert!(
        metrics.contains("fanwave_log_damaged_total 0\n"),
        "{metrics}"
    );
}

fn has(bytes: &[u8], needle: &str) -> bool {
    bytes
        .windows(needle.len())
        .any(|at| at == needle.as_bytes())
}

/// Somebody speaks at one process, and is forgotten by another all the while: in the end nothing is there, and of what is said
/// after that nothing is lost.
pub(super) async fn speak_and_forget(speaks: &Store, forgets: &Store) {
    let chat = channel("chat:demo");
    let first = speaks.standing(&chat).await.unwrap().head.0;
    let is_over = Arc::new(AtomicBool::new(false));
    let speaking = {
        let (store, chat, is_over) = (speaks.clone(), chat.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut head = first;
            while !is_over.load(Ordering::Acquire) {
                let said = [1, 2].map(|index| says(head + index, person(), Text::plain("…")));
                store.append(&chat, said.into()).await.unwrap();
                head += 2;
            }
            head
        })
    };
    for _ in 0..12 {
        forgets.forget(UserId(USER.into())).await.unwrap();
    }
    is_over.store(true, Ordering::Release);
    let head = speaking.await.unwrap();
    forgets.forget(UserId(USER.into())).await.unwrap();
    assert!(lane(speaks, "chat:demo").await.is_empty());
    let last = [1, 2].map(|index| says(head + index, person(), Text::plain("the last")));
    speaks.append(&chat, last.to_vec()).await.unwrap();
    for store in [speaks, forgets] {
        assert_eq!(lane(store, "chat:demo").await, last);
        assert_eq!(card(store, USER).await, [head + 2, head + 1]);
    }
}
