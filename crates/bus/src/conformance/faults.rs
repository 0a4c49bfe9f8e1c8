//! A log that cannot be written, and what remains true while and after it is so.

use std::{collections::BTreeMap, sync::Arc};

use fanwave_wire::Channel;
use tokio::task::JoinSet;

use super::{
    Harness, assert_gapless, channel, draft, everything, offsets, send, send_all, started,
};
use crate::{Ack, Engine, EngineError};

/// A broken log refuses within so many messages.
const SENDS_UNTIL_BROKEN_MAX: u64 = 1_000;

/// Sends until the log refuses; answers with the first message that was refused.
async fn send_until_refused(engine: &Arc<dyn Engine>, lane: &Channel) -> u64 {
    for number in 1..=SENDS_UNTIL_BROKEN_MAX {
        match send(engine, lane, "filler", &number.to_string()).await {
            Ok(_) => {}
            Err(EngineError::Unavailable { .. }) => return number,
            Err(other) => unreachable!("a broken log is reported as such: {other:?}"),
        }
    }
    unreachable!("a broken log does not take {SENDS_UNTIL_BROKEN_MAX} messages")
}

/// A message that cannot be stored is refused with an error that says so, burns no offset, and is taken under the same
/// id once the log works again, without anybody's help.
pub async fn a_broken_log_refuses_and_recovers(harness: &mut impl Harness) {
    let (engine, recorder) = started(harness).await;
    let lane = channel("chat:demo");
    engine.subscribe(&lane).await.expect("subscribed");
    harness.break_log().await;
    let refused = send_until_refused(&engine, &lane).await;
    let held = everything(&engine, &lane).await;
    assert_eq!(
        held.len() as u64,
        refused - 1,
        "what was refused is not held"
    );
    harness.mend_log().await;
    let ack = send(&engine, &lane, "filler", &refused.to_string())
        .await
        .expect("the log works again");
    assert_eq!(
        (ack.offset.0, ack.duplicate),
        (refused, false),
        "no offset is burnt"
    );
    let delivered = recorder
        .until(&lane, &draft("filler", &refused.to_string()))
        .await;
    assert_gapless(&delivered);
    harness.end(engine).await;
}

/// While many send and the log breaks in the middle, nothing that was acknowledged is lost or comes twice.
///
/// It is held under its offset; what is delivered is held; what was refused can be sent again; a restart changes none
/// of it.
pub async fn what_was_acknowledged_outlives_a_broken_log(harness: &mut impl Harness) {
    const SENDERS: u64 = 20;
    let (engine, recorder) = started(harness).await;
    let lane = channel("chat:demo");
    engine.subscribe(&lane).await.expect("subscribed");
    send_all(&engine, &lane, 1..=10).await;
    harness.break_log().await;
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(send_until_refused_as(
            Arc::clone(&engine),
            lane.clone(),
            sender,
        ));
    }
    let mut acknowledged = BTreeMap::new();
    let mut refused = Vec::new();
    for (acks, last) in senders.join_all().await {
        acknowledged.extend(acks);
        refused.push(last);
    }
    let held = everything(&engine, &lane).await;
    assert_gapless(&held);
    let newest = held.last().expect("ten were taken before the log broke");
    let delivered = recorder.until(&lane, &newest.draft).await;
    assert_eq!(
        delivered, held,
        "what is held is delivered, and nothing else is"
    );
    harness.mend_log().await;
    for (user, id) in refused {
        let ack = send(&engine, &lane, &user, &id)
            .await
            .expect("the log works again");
        acknowledged.insert((user, id), ack);
    }
    harness.end(engine).await;

    let (engine, _) = started(harness).await;
    let held = everything(&engine, &lane).await;
    assert_gapless(&held);
    assert_eq!(held.len(), acknowledged.len() + 10);
    for ((user, id), ack) in acknowledged {
        let same =
            |draft: &fanwave_wire::Draft| *draft.sender.user.0 == *user && *draft.id.0 == *id;
        let places: Vec<_> = held
            .iter()
            .filter(|publication| same(&publication.draft))
            .collect();
        assert_eq!(
            offsets(places),
            [ack.offset.0],
            "{user} {id} is held once, where it was acknowledged"
        );
    }
    harness.end(engine).await;
}

type Sent = (String, String);

/// All that one sender was acknowledged, and the first message that was refused.
async fn send_until_refused_as(
    engine: Arc<dyn Engine>,
    lane: Channel,
    sender: u64,
) -> (BTreeMap<Sent, Ack>, Sent) {
    let user = format!("fan-{sender}");
    let mut acks = BTreeMap::new();
    for number in 1..=SENDS_UNTIL_BROKEN_MAX {
        let sent = (user.clone(), number.to_string());
        match send(&engine, &lane, &sent.0, &sent.1).await {
            Ok(ack) => acks.insert(sent, ack),
            Err(_) => return (acks, sent),
        };
    }
    unreachable!("a broken log does not take {SENDS_UNTIL_BROKEN_MAX} messages")
}
