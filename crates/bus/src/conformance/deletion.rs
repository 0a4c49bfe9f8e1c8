//! Deletion that reaches back, and the events that a room's rules are the fold of.

use std::sync::Arc;

use fanwave_wire::{
    Body, Channel, ClientMessageId, Draft, Event, Offset, Role, Sender, UnixMillis, UserId,
};

use super::{Harness, assert_gapless, channel, everything, offsets, send, send_all, started};
use crate::{Ack, Engine, HistoryQuery};

/// An act of a moderator, as the lossless lane keeps it.
fn act(id: &str, event: Event) -> Draft {
    Draft {
        id: ClientMessageId(id.into()),
        sender: Sender::new(UserId("mod".into()), "Mod", Role::Moderator),
        body: Body::Event(Box::new(event)),
    }
}

async fn publish(engine: &Arc<dyn Engine>, lane: &Channel, draft: Draft) -> Ack {
    engine
        .publish(lane, draft)
        .await
        .expect("an event is taken like any message")
}

fn deleted(offset: u64) -> Event {
    Event::Deleted {
        offset: Offset(offset),
    }
}

/// What the newest page of history, and a snapshot, have of a lane.
async fn seen(engine: &Arc<dyn Engine>, lane: &Channel) -> Vec<u64> {
    let snapshot = engine.subscribe(lane).await.expect("subscribed");
    let query = HistoryQuery {
        since: None,
        limit: usize::MAX,
        reverse: true,
    };
    let page = engine.history(lane, query).await.expect("history");
    let mut newest = offsets(&page.publications);
    newest.reverse();
    assert_eq!(
        offsets(&snapshot.recent),
        newest,
        "a snapshot and history agree"
    );
    assert_eq!(snapshot.head, page.head);
    newest
}

/// A deleted message is in no snapshot and no page from the moment its deletion is acknowledged, and after a restart.
pub async fn a_deleted_message_is_never_read_again(harness: &mut impl Harness) {
    let (engine, _) = started(harness).await;
    let (chat, room) = (channel("chat:demo"), channel("room:demo"));
    send_all(&engine, &chat, 1..=5).await;
    assert_eq!(seen(&engine, &chat).await, [1, 2, 3, 4, 5]);
    publish(&engine, &room, act("d2", deleted(2))).await;
    assert_eq!(seen(&engine, &chat).await, [1, 3, 4, 5]);
    publish(&engine, &room, act("d5", deleted(5))).await;
    assert_eq!(seen(&engine, &chat).await, [1, 3, 4]);
    assert_eq!(offsets(&everything(&engine, &chat).await), [1, 3, 4]);
    harness.end(engine).await;

    let (engine, _) = started(harness).await;
    assert_eq!(seen(&engine, &chat).await, [1, 3, 4]);
    // A resend of what was deleted is still the same message, and the newest offset is not given again.
    let again = send(&engine, &chat, "fan", "5").await.expect("known");
    assert!(again.duplicate && again.offset == Offset(5), "{again:?}");
    send_all(&engine, &chat, [6]).await;
    assert_eq!(seen(&engine, &chat).await, [1, 3, 4, 6]);
    harness.end(engine).await;
}

/// Clearing a user takes what they have said so far, and nobody else's, whether the lane is in memory or not.
pub async fn clearing_a_user_takes_what_they_have_said(harness: &mut impl Harness) {
    let (engine, _) = started(harness).await;
    let (chat, room) = (channel("chat:demo"), channel("room:demo"));
    for (user, id) in [("a", "1"), ("b", "1"), ("a", "2"), ("b", "2"), ("a", "3")] {
        send(&engine, &chat, user, id).await.expect("taken");
    }
    harness.end(engine).await;

    let (engine, recorder) = started(harness).await;
    engine.subscribe(&room).await.expect("subscribed");
    let cleared = act(
        "c",
        Event::Cleared {
            user: UserId("a".into()),
            through: Offset(3),
        },
    );
    publish(&engine, &room, cleared.clone()).await;
    assert_eq!(seen(&engine, &chat).await, [2, 4, 5]);
    // The act itself is an event like any other: ordered, and delivered.
    let delivered = recorder.until(&room, &cleared).await;
    assert_gapless(&delivered);
    harness.end(engine).await;
}

/// Only a lossless lane deletes, and only from the chat lane of the same room.
pub async fn a_deletion_stays_in_its_room(harness: &mut impl Harness) {
    let (engine, _) = started(harness).await;
    let (chat, other) = (channel("chat:demo"), channel("chat:other"));
    send_all(&engine, &chat, 1..=2).await;
    send_all(&engine, &other, 1..=2).await;
    publish(&engine, &channel("room:other"), act("d", deleted(1))).await;
    assert_eq!(seen(&engine, &chat).await, [1, 2]);
    assert_eq!(seen(&engine, &other).await, [2]);
    publish(&engine, &channel("staff:demo"), act("d", deleted(1))).await;
    publish(&engine, &chat, act("d", deleted(1))).await;
    assert_eq!(seen(&engine, &chat).await, [1, 2, 3]);
    harness.end(engine).await;
}

/// A page of events has the events of a channel and no texts, oldest first, also after a restart.
pub async fn events_are_read_apart(harness: &mut impl Harness) {
    let (engine, _) = started(harness).await;
    let room = channel("room:demo");
    let ban = |user: &str| Event::Banned {
        user: UserId(user.into()),
        until: Some(UnixMillis(7)),
    };
    send_all(&engine, &room, [1]).await;
    publish(&engine, &room, act("b1", ban("troll"))).await;
    send_all(&engine, &room, [2]).await;
    publish(&engine, &room, act("b2", ban("spammer"))).await;
    harness.end(engine).await;

    let (engine, _) = started(harness).await;
    let page = engine.events(&room, Offset(0)).await.expect("events");
    assert_eq!(offsets(&page.publications), [2, 4]);
    assert_eq!(page.head, Offset(4));
    let bodies: Vec<_> = page
        .publications
        .iter()
        .map(|publication| publication.draft.body.clone())
        .collect();
    let expected = [ban("troll"), ban("spammer")].map(|event| Body::Event(Box::new(event)));
    assert_eq!(bodies, expected, "events come back as they were");
    let rest = engine.events(&room, Offset(2)).await.expect("events");
    assert_eq!(offsets(&rest.publications), [4]);
    let none = engine
        .events(&channel("staff:demo"), Offset(0))
        .await
        .expect("events");
    assert!(none.publications.is_empty());
    harness.end(engine).await;
}
