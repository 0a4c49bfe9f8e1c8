//! The cases about a person who is forgotten.

use std::sync::Arc;

use fanwave_wire::{
    Body, ClientMessageId, Event, HoldReason, Language, Offset, Publication, ReplyTo, Role, Sender,
    Text, UnixMillis, UserId,
};

use super::{Place, channel, event, message, offsets};
use crate::{Archive, Forgotten, Kind, Order, Page, Search, Store};

/// Recognisable, so that they can be looked for where they must not be.
const USER: &str = "canary-user_%";
const NAME: &str = "canary-name";
const TEXT: &str = "canary-text";

fn person() -> Sender {
    Sender {
        user: UserId(USER.into()),
        name: NAME.into(),
        role: Role::Fan,
        badge: Some("canary-badge".into()),
    }
}

/// The same message, by the person.
fn theirs(mut publication: Arc<Publication>) -> Arc<Publication> {
    Arc::get_mut(&mut publication).unwrap().draft.sender = person();
    publication
}

fn text(text: &str) -> Text {
    Text::plain(text)
}

/// What waits for review.
fn held() -> Event {
    Event::Held {
        sender: person(),
        id: ClientMessageId("m9".into()),
        text: text(TEXT),
        reason: HoldReason::Room,
    }
}

/// A room in which a person has said and done all there is, and others have answered.
async fn written(place: &impl Place) -> Store {
    let store = place.open().await;
    let (chat, room) = (channel("chat:demo"), channel("room:demo"));
    let (staff, vote) = (channel("staff:demo"), channel("vote:demo"));
    for lane in [&chat, &room, &staff, &vote] {
        store.standing(lane).await.unwrap();
    }
    let mut said = theirs(message(2, "m2"));
    Arc::get_mut(&mut said).unwrap().draft.body = Body::Text(text(TEXT));
    let mut answer = message(3, "m3");
    Arc::get_mut(&mut answer).unwrap().draft.body = Body::Text(Text {
        reply_to: Some(Box::new(ReplyTo {
            offset: Offset(2),
            user: UserId(USER.into()),
        })),
        ..text("so true")
    });
    store
        .append(&chat, vec![message(1, "m1"), said, answer])
        .await
        .unwrap();
    let (user, until) = (UserId(USER.into()), None);
    let pinned = |offset, text: &str| Event::Pinned {
        pin: ClientMessageId("p".into()),
        text: text.into(),
        offset: Some(Offset(offset)),
    };
    let gift = Event::Gift {
        gift: "rose".into(),
        count: 3,
        text: Some(TEXT.into()),
    };
    let events = [
        event(1, "e1", pinned(1, "of somebody else")),
        event(2, "e2", pinned(2, TEXT)),
        theirs(event(3, "e3", gift)),
        event(
            4,
            "e4",
            Event::Muted {
                user: user.clone(),
                until,
            },
        ),
        event(
            5,
            "e5",
            Event::Banned {
                user: UserId("canary".into()),
                until,
            },
        ),
        event(6, "e6", Event::Pardoned { user }),
    ];
    store.append(&room, events.into()).await.unwrap();
    store
        .append(&staff, vec![event(1, "h1", held())])
        .await
        .unwrap();
    let votes = vec![
        theirs(event(1, "poll", Event::Voted { choice: 1 })),
        event(2, "poll", Event::Voted { choice: 0 }),
    ];
    store.append(&vote, votes).await.unwrap();
    store
}

async fn events(store: &Store, lane: &str) -> Vec<Arc<Publication>> {
    let page = Page {
        after: Offset(0),
        through: Offset(u64::MAX),
        limit: 100,
        order: Order::OldestFirst,
        kind: Kind::Events,
    };
    store.read(&channel(lane), page).await.unwrap()
}

pub(super) async fn whoever_is_forgotten_is_nowhere_in_the_log<P: Place>(place: P) {
    let store = written(&place).await;
    for needle in [USER, NAME, TEXT, "canary-badge"] {
        // Whoever has a key is named beside it.
        let is_there = !P::SEALED || needle == USER;
        assert_eq!(place.has(needle).await, is_there, "{needle}");
    }
    let forgotten = store.forget(UserId(USER.into())).await.unwrap();
    // A text, an answer, a pin, a gift, a mute, a pardon, a held message and a vote.
    assert_eq!(
        forgotten,
        Forgotten {
            messages: 8,
            held: 0
        }
    );
    let chat = channel("chat:demo");
    let left = store.tail(&chat, 9).await.unwrap();
    assert_eq!(offsets(&left), [1, 3]);
    let answer = left[1].draft.body.as_text().unwrap();
    assert_eq!((&*answer.text, &answer.reply_to), ("so true", &None));
    assert_eq!(answer.language, Language::Unknown);
    assert_eq!(store.standing(&chat).await.unwrap().head, Offset(3));
    assert_eq!(offsets(&events(&store, "room:demo").await), [1, 3, 5]);
    assert!(events(&store, "staff:demo").await.is_empty());
    // Both votes count; the gift was given by somebody.
    assert_eq!(offsets(&events(&store, "vote:demo").await), [1, 2]);
    let gift = &events(&store, "room:demo").await[1].draft;
    let Some(Event::Gift { count, text, .. }) = gift.body.as_event() else {
        panic!("it stays")
    };
    assert_eq!((*count, text), (3, &None));
    let by = Some(UserId(USER.into()));
    let card = Search {
        by,
        limit: 9,
        ..Search::default()
    };
    let archive = Archive::from(store.clone());
    let card = archive.search(&chat, &card, None).await.unwrap();
    assert!(card.found.publications.is_empty());
    // A second time there is nothing to forget.
    let again = store.forget(UserId(USER.into())).await.unwrap();
    assert_eq!(again, Forgotten::default());
    for needle in [USER, NAME, TEXT, "canary-badge"] {
        assert!(!place.has(needle).await, "{needle}");
    }
    store.close().await;
}

pub(super) async fn whoever_is_forgotten_stays_in_rooms_under_hold<P: Place>(place: P) {
    let store = written(&place).await;
    let room = channel("chat:demo").room;
    store.hold(room.clone(), UnixMillis(1)).await.unwrap();
    let forgotten = store.forget(UserId(USER.into())).await.unwrap();
    assert_eq!(
        forgotten,
        Forgotten {
            messages: 0,
            held: 4
        }
    );
    assert_eq!(store.tail(&channel("chat:demo"), 9).await.unwrap().len(), 3);
    store.release(room).await.unwrap();
    let forgotten = store.forget(UserId(USER.into())).await.unwrap();
    assert_eq!(forgotten.held, 0);
    assert_eq!(store.tail(&channel("chat:demo"), 9).await.unwrap().len(), 2);
    store.close().await;
}
