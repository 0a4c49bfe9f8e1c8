//! The cases about what is let go of, and what never is. All messages of the tests are of one moment, [`AT`].

use std::{sync::Arc, time::Duration};

use fanwave_wire::{Event, Offset, UnixMillis};

use super::{Place, channel, event, message, run};
use crate::{Appended, Retention, Store, Swept};

/// When what the tests say is said, but for some milliseconds.
const AT: u64 = 1_800_000_000_000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whatever is over on a day is gone from every database so many days later.
const PATIENCE: u32 = 8;

fn days_later(days: u32) -> UnixMillis {
    let later = DAY * days;
    UnixMillis(AT + u64::try_from(later.as_millis()).unwrap())
}

fn keep(days: u32) -> Retention {
    Retention {
        default: Some(DAY * days),
        ..Retention::default()
    }
}

/// A log with a room that has said `count` things, which its database knows to keep for these days.
async fn said(place: &impl Place, count: u64, days: u32) -> Store {
    let store = place.open().await;
    let lane = channel("chat:demo");
    store.standing(&lane).await.unwrap();
    let half = count / 2;
    append(&store, 1, half).await;
    // The first half was there before the time was known, the second comes after.
    let swept = store.sweep(&keep(days), UnixMillis(AT)).await.unwrap();
    assert_eq!(swept, Swept::default());
    append(&store, half + 1, count).await;
    store
}

/// Appends messages `from` to `through` to the chat of the tests.
async fn append(store: &Store, from: u64, through: u64) {
    let lane = channel("chat:demo");
    for batch in run(from, through).chunks(100) {
        let appended = store.append(&lane, batch.to_vec()).await.unwrap();
        assert_eq!(appended, Appended::Stored);
    }
}

pub(super) async fn texts_go_when_their_time_is_over_and_events_stay<P: Place>(place: P) {
    let store = said(&place, 10, 30).await;
    let (chat, room) = (channel("chat:demo"), channel("room:demo"));
    store.standing(&room).await.unwrap();
    let deleted = event(1, "e1", Event::Deleted { offset: Offset(4) });
    store
        .append(&room, vec![Arc::clone(&deleted), message(2, "m2")])
        .await
        .unwrap();

    store.sweep(&keep(30), days_later(29)).await.unwrap();
    assert_eq!(store.tail(&chat, 20).await.unwrap().len(), 9);
    assert_eq!(store.floor(&chat).await.unwrap(), Offset(0));

    store
        .sweep(&keep(30), days_later(31 + PATIENCE))
        .await
        .unwrap();
    assert!(store.tail(&chat, 20).await.unwrap().is_empty());
    assert_eq!(store.tail(&room, 20).await.unwrap(), [deleted]);
    assert_eq!(store.floor(&chat).await.unwrap(), Offset(10));

    // No offset is given again. What was held is not known any more: it would be another message.
    assert_eq!(store.standing(&chat).await.unwrap().head, Offset(10));
    let again = store.append(&chat, vec![message(11, "m2")]).await.unwrap();
    assert_eq!(again, Appended::Stored);
    store.close().await;
}

pub(super) async fn a_room_under_hold_keeps_everything_until_it_is_released<P: Place>(place: P) {
    let store = said(&place, 10, 30).await;
    let lane = channel("chat:demo");
    store.hold(lane.room.clone(), days_later(1)).await.unwrap();
    store.hold(lane.room.clone(), days_later(2)).await.unwrap();
    append(&store, 11, 12).await;
    let much_later = days_later(400);
    for _ in 0..2 {
        store.sweep(&keep(30), much_later).await.unwrap();
        assert_eq!(store.tail(&lane, 20).await.unwrap(), run(1, 12));
    }
    assert_eq!(
        store.holds().await.unwrap(),
        [(lane.room.clone(), days_later(1))]
    );
    store.close().await;

    let store = place.open().await;
    store.release(lane.room.clone()).await.unwrap();
    assert!(store.holds().await.unwrap().is_empty());
    store.sweep(&keep(30), much_later).await.unwrap();
    assert!(store.tail(&lane, 20).await.unwrap().is_empty());
    assert_eq!(store.floor(&lane).await.unwrap(), Offset(12));
    store.close().await;
}

pub(super) async fn each_room_has_its_own_time<P: Place>(place: P) {
    let store = place.open().await;
    let lanes = [
        channel("chat:brief"),
        channel("chat:long"),
        channel("chat:ever"),
    ];
    let mut retention = keep(90);
    retention.rooms.insert(lanes[0].room.clone(), Some(DAY * 7));
    retention.rooms.insert(lanes[2].room.clone(), None);
    for lane in &lanes {
        store.standing(lane).await.unwrap();
    }
    store.sweep(&retention, UnixMillis(AT)).await.unwrap();
    for lane in &lanes {
        store.append(lane, run(1, 3)).await.unwrap();
    }
    let left = async |now| {
        store.sweep(&retention, now).await.unwrap();
        let mut left = Vec::new();
        for lane in &lanes {
            left.push(store.tail(lane, 9).await.unwrap().len());
        }
        left
    };
    assert_eq!(left(days_later(6)).await, [3, 3, 3]);
    assert_eq!(left(days_later(8 + PATIENCE)).await, [0, 3, 3]);
    assert_eq!(left(days_later(91 + PATIENCE)).await, [0, 0, 3]);
    assert_eq!(left(days_later(9_000)).await, [0, 0, 3]);
    store.close().await;
}

pub(super) async fn a_longer_time_saves_what_is_there_and_a_shorter_one_ends_it<P: Place>(
    place: P,
) {
    let store = said(&place, 10, 30).await;
    let lane = channel("chat:demo");
    store.sweep(&keep(300), days_later(100)).await.unwrap();
    assert_eq!(store.tail(&lane, 20).await.unwrap(), run(1, 10));
    store.sweep(&keep(200), days_later(150)).await.unwrap();
    assert_eq!(store.tail(&lane, 20).await.unwrap(), run(1, 10));
    let swept = store.sweep(&keep(100), days_later(150)).await.unwrap();
    assert_eq!(swept.messages, 10);
    assert!(store.tail(&lane, 20).await.unwrap().is_empty());
    store.close().await;
}

pub(super) async fn more_than_one_transaction_takes_goes_in_one_sweep<P: Place>(place: P) {
    let store = said(&place, 2_400, 30).await;
    let lane = channel("chat:demo");
    let writes = async {
        for offset in 2_401..2_421 {
            append(&store, offset, offset).await;
        }
    };
    let briefly = keep(3);
    let (swept, ()) = tokio::join!(store.sweep(&briefly, days_later(4)), writes);
    assert!(swept.unwrap().messages >= 2_400);
    store
        .sweep(&keep(3), days_later(4 + PATIENCE))
        .await
        .unwrap();
    assert!(store.tail(&lane, 9).await.unwrap().is_empty());
    assert_eq!(store.standing(&lane).await.unwrap().head, Offset(2_420));
    store.close().await;
}
