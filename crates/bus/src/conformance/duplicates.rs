//! The same sender and client message id is one message.

use std::sync::Arc;

use super::{
    Harness, assert_gapless, channel, draft, everything, offsets, send, send_all, started,
};

/// Many copies of one message, sent at once, get one offset and one delivery.
pub async fn copies_sent_at_once_are_one_message(harness: &mut impl Harness) {
    let (engine, recorder) = started(harness).await;
    let lane = channel("chat:demo");
    engine.subscribe(&lane).await.expect("subscribed");
    let mut copies = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (engine, lane) = (Arc::clone(&engine), lane.clone());
        copies.spawn(async move { send(&engine, &lane, "fan", "same").await.expect("taken") });
    }
    let acks = copies.join_all().await;
    assert_eq!(
        acks.iter().filter(|ack| !ack.duplicate).count(),
        1,
        "one of them was the first"
    );
    assert!(
        acks.iter()
            .all(|ack| ack.offset == acks[0].offset && ack.at == acks[0].at)
    );
    // The same id of somebody else is another message.
    let other = send(&engine, &lane, "somebody else", "same")
        .await
        .expect("taken");
    assert!(!other.duplicate);
    send_all(&engine, &lane, [0]).await;
    assert_eq!(
        offsets(&recorder.until(&lane, &draft("fan", "0")).await),
        [1, 2, 3]
    );
    harness.end(engine).await;
}

/// A message that is sent again after the engine was started anew is still the same message.
pub async fn a_copy_after_a_restart_is_one_message(harness: &mut impl Harness) {
    let (engine, _) = started(harness).await;
    let lane = channel("chat:demo");
    let first = send(&engine, &lane, "fan", "same").await.expect("taken");
    harness.end(engine).await;

    let (engine, recorder) = started(harness).await;
    engine.subscribe(&lane).await.expect("subscribed");
    let again = send(&engine, &lane, "fan", "same").await.expect("taken");
    assert!(again.duplicate);
    assert_eq!(
        (again.offset, again.at, again.epoch),
        (first.offset, first.at, first.epoch)
    );
    send_all(&engine, &lane, [0]).await;
    assert_eq!(
        offsets(&recorder.until(&lane, &draft("fan", "0")).await),
        [2],
        "nothing is delivered again"
    );
    assert_gapless(&everything(&engine, &lane).await);
    harness.end(engine).await;
}

/// A copy that comes among others, when newer messages and a restart have pushed the first from memory, takes nobody's
/// place and leaves no gap.
pub async fn a_late_copy_among_others_leaves_no_gap(harness: &mut impl Harness) {
    const BETWEEN: u64 = 700;
    let (engine, _) = started(harness).await;
    let lane = channel("chat:demo");
    let first = send(&engine, &lane, "fan", "same").await.expect("taken");
    send_all(&engine, &lane, 1..=BETWEEN).await;
    harness.end(engine).await;

    let (engine, recorder) = started(harness).await;
    engine.subscribe(&lane).await.expect("subscribed");
    let others = |from: u64| {
        let (engine, lane) = (Arc::clone(&engine), lane.clone());
        async move { send_all(&engine, &lane, from..from + 20).await }
    };
    let ((), again, ()) = tokio::join!(
        others(10_000),
        send(&engine, &lane, "fan", "same"),
        others(20_000)
    );
    let again = again.expect("taken");
    assert!(again.duplicate);
    assert_eq!((again.offset, again.at), (first.offset, first.at));
    send_all(&engine, &lane, [0]).await;
    let delivered = recorder.until(&lane, &draft("fan", "0")).await;
    let expected: Vec<u64> = (BETWEEN + 2..=BETWEEN + 42).collect();
    assert_eq!(offsets(&delivered), expected);
    harness.end(engine).await;
}
