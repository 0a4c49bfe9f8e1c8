//! Order, acknowledgement and delivery.

use std::{collections::BTreeSet, sync::Arc};

use fanwave_wire::{Channel, Offset, limits::RECENT_MAX};
use tokio::task::JoinSet;

use super::{
    Harness, assert_gapless, channel, draft, everything, offsets, send, send_all, started,
};
use crate::Engine;

/// A message that is acknowledged has the next offset, is in the log, and is delivered as it was sent.
pub async fn acknowledged_is_held_and_delivered(harness: &mut impl Harness) {
    let (engine, recorder) = started(harness).await;
    let lane = channel("chat:demo");
    let begun = engine
        .subscribe(&lane)
        .await
        .expect("a new channel can be subscribed to");
    assert_eq!(
        (begun.head, begun.recent.len()),
        (Offset(0), 0),
        "a new channel is empty"
    );
    for (id, offset) in [("a", 1), ("b", 2), ("c", 3)] {
        let ack = send(&engine, &lane, "fan", id)
            .await
            .expect("the message is taken");
        assert_eq!(
            (ack.offset, ack.duplicate, &ack.epoch),
            (Offset(offset), false, &begun.epoch)
        );
        let held = everything(&engine, &lane).await;
        let newest = held.last().expect("acknowledged means held");
        assert_eq!((newest.offset, newest.at), (ack.offset, ack.at));
        assert_eq!(newest.draft, draft("fan", id));
    }
    let delivered = recorder.until(&lane, &draft("fan", "c")).await;
    assert_eq!(delivered, everything(&engine, &lane).await);
    harness.end(engine).await;
}

/// Ten thousand messages of many senders at once arrive in the order of their offsets, all of them, once.
pub async fn ten_thousand_from_many_senders_arrive_in_order(harness: &mut impl Harness) {
    const SENDERS: u64 = 100;
    const EACH: u64 = 100;
    let (engine, recorder) = started(harness).await;
    let lane = channel("chat:demo");
    engine.subscribe(&lane).await.expect("subscribed");
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(send_in_turn(
            Arc::clone(&engine),
            lane.clone(),
            sender,
            EACH,
        ));
    }
    let acknowledged: BTreeSet<u64> = senders.join_all().await.into_iter().flatten().collect();
    assert_eq!(
        acknowledged,
        (1..=SENDERS * EACH).collect(),
        "every message has an offset of its own"
    );
    send_all(&engine, &lane, [0]).await;
    let delivered = recorder.until(&lane, &draft("fan", "0")).await;
    assert_gapless(&delivered);
    assert_eq!(delivered, everything(&engine, &lane).await);
    harness.end(engine).await;
}

/// The offsets that one sender got, who waits for each acknowledgement before the next message.
async fn send_in_turn(engine: Arc<dyn Engine>, lane: Channel, sender: u64, count: u64) -> Vec<u64> {
    let user = format!("fan-{sender}");
    let mut offsets = Vec::new();
    for index in 0..count {
        let ack = send(&engine, &lane, &user, &format!("{sender}-{index}"))
            .await
            .expect("taken");
        offsets.push(ack.offset.0);
    }
    assert!(offsets.is_sorted(), "what a sender says first comes first");
    offsets
}

/// The channels of a node do not see each other's messages, offsets or epochs.
pub async fn channels_are_apart(harness: &mut impl Harness) {
    let (engine, recorder) = started(harness).await;
    let (chat, room) = (channel("chat:demo"), channel("room:demo"));
    let chat_epoch = engine.subscribe(&chat).await.expect("subscribed").epoch;
    let room_epoch = engine.subscribe(&room).await.expect("subscribed").epoch;
    assert_ne!(
        chat_epoch, room_epoch,
        "each run of offsets has its own name"
    );
    // The same sender and id in two channels are two messages.
    send_all(&engine, &chat, 1..=3).await;
    send_all(&engine, &room, 1..=2).await;
    assert_eq!(
        offsets(&recorder.until(&chat, &draft("fan", "3")).await),
        [1, 2, 3]
    );
    assert_eq!(
        offsets(&recorder.until(&room, &draft("fan", "2")).await),
        [1, 2]
    );
    harness.end(engine).await;
}

/// Only what is subscribed to is delivered, and a snapshot with what follows it has no hole.
pub async fn delivery_begins_and_ends_with_the_subscription(harness: &mut impl Harness) {
    let (engine, recorder) = started(harness).await;
    let lane = channel("chat:demo");
    send_all(&engine, &lane, 1..=3).await;
    let snapshot = engine.subscribe(&lane).await.expect("subscribed");
    assert_eq!(
        (snapshot.head, offsets(&snapshot.recent)),
        (Offset(3), vec![1, 2, 3])
    );
    send_all(&engine, &lane, 4..=5).await;
    assert_eq!(
        offsets(&recorder.until(&lane, &draft("fan", "5")).await),
        [4, 5]
    );
    engine.unsubscribe(&lane).await.expect("unsubscribed");
    send_all(&engine, &lane, 6..=7).await;
    let snapshot = engine.subscribe(&lane).await.expect("subscribed again");
    assert_eq!(offsets(&snapshot.recent), [1, 2, 3, 4, 5, 6, 7]);
    send_all(&engine, &lane, 8..=8).await;
    assert_eq!(
        offsets(&recorder.until(&lane, &draft("fan", "8")).await),
        [4, 5, 8]
    );
    harness.end(engine).await;
}

/// Whoever subscribes while messages are flowing gets every one of them, from the snapshot or from the deliveries.
pub async fn a_subscription_in_the_middle_has_no_hole(harness: &mut impl Harness) {
    const MESSAGES: u64 = 300;
    let (engine, recorder) = started(harness).await;
    let lane = channel("chat:demo");
    let (_, snapshot) = tokio::join!(
        send_in_turn(Arc::clone(&engine), lane.clone(), 0, MESSAGES),
        async {
            // Somewhere in the middle: as soon as the log holds a few.
            while everything(&engine, &lane).await.len() < 5 {
                tokio::task::yield_now().await;
            }
            engine.subscribe(&lane).await.expect("subscribed")
        }
    );
    send_all(&engine, &lane, [0]).await;
    let delivered = recorder.until(&lane, &draft("fan", "0")).await;
    let mut seen = offsets(&snapshot.recent);
    assert!(seen.len() <= RECENT_MAX);
    seen.extend(
        offsets(&delivered)
            .into_iter()
            .filter(|offset| *offset > snapshot.head.0),
    );
    assert_eq!(seen, (1..=MESSAGES + 1).collect::<Vec<u64>>());
    harness.end(engine).await;
}
