//! Many servers over one log: the cases of engines that can be shared.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fanwave_wire::{
    Body, Channel, ClientMessageId, Draft, Event, Lane, Offset, Role, RoomId, Sender, UnixMillis,
    UserId,
    envelope::{About, Crowd, Hearsay, NodeId, NodeState, Sent},
    limits::{
        HEARSAY_BYTES_MAX, HEARSAY_CHANNELS_MAX, HEARSAY_TAPPED_ROOMS_MAX, NODE_NAME_BYTES_MAX,
        REACTION_KINDS_MAX, RECENT_MAX, REGION_BYTES_MAX, RELEASE_BYTES_MAX,
    },
};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    Recorder, SharedHarness, assert_gapless, channel, draft, everything, offsets, send, send_all,
    started,
};
use crate::{Ack, Engine, EngineError, HistoryQuery, Snapshot};

/// A broker that is back is in use again within so long.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);

/// How often a condition is looked at that is waited for: whoever looks without a pause keeps a busy machine from it.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// How often a server tells something here.
const TELL_EVERY: Duration = Duration::from_millis(20);

async fn another(harness: &mut impl SharedHarness) -> (Arc<dyn Engine>, Arc<Recorder>) {
    let engine = harness.start_another().await;
    let recorder = Arc::new(Recorder::default());
    engine.attach(Arc::<Recorder>::clone(&recorder));
    (engine, recorder)
}

/// What fans say on two servers at once has one order, which both see whole.
pub async fn two_servers_see_one_order(harness: &mut impl SharedHarness) {
    const EACH: u64 = 200;
    let (first, seen_first) = started(harness).await;
    let (second, seen_second) = another(harness).await;
    let lane = channel("chat:demo");
    let epoch = first.subscribe(&lane).await.expect("subscribed").epoch;
    let same = second.subscribe(&lane).await.expect("subscribed").epoch;
    assert_eq!(epoch, same, "there is one run of offsets");
    let mut senders = JoinSet::new();
    for number in 0..EACH {
        for (engine, user) in [(&first, "a"), (&second, "b")] {
            let (engine, lane) = (Arc::clone(engine), lane.clone());
            senders.spawn(async move {
                send(&engine, &lane, user, &number.to_string())
                    .await
                    .expect("taken")
                    .offset
            });
        }
    }
    let mut acknowledged = senders.join_all().await;
    acknowledged.sort();
    let expected: Vec<Offset> = (1..=2 * EACH).map(Offset).collect();
    assert_eq!(
        acknowledged, expected,
        "every message has an offset of its own"
    );
    send_all(&first, &lane, [0]).await;
    let last = draft("fan", "0");
    let at_first = seen_first.until(&lane, &last).await;
    assert_gapless(&at_first);
    assert_eq!(at_first, seen_second.until(&lane, &last).await);
    harness.end(second).await;
    harness.end(first).await;
}

/// One message that reaches two servers, at once or one after the other, is one message.
pub async fn copies_on_two_servers_are_one_message(harness: &mut impl SharedHarness) {
    let (first, seen) = started(harness).await;
    let (second, _) = another(harness).await;
    let lane = channel("chat:demo");
    first.subscribe(&lane).await.expect("subscribed");
    for round in ["1", "2", "3"] {
        let (here, there) = tokio::join!(
            send(&first, &lane, "fan", round),
            send(&second, &lane, "fan", round)
        );
        let (here, there) = (here.expect("taken"), there.expect("taken"));
        assert!(here.duplicate != there.duplicate, "{here:?} {there:?}");
        assert_eq!((here.offset, here.at), (there.offset, there.at));
        let late = send(&second, &lane, "fan", round).await.expect("taken");
        assert!(late.duplicate && late.offset == here.offset, "{late:?}");
    }
    send_all(&second, &lane, [0]).await;
    let delivered = seen.until(&lane, &draft("fan", "0")).await;
    assert_eq!(offsets(&delivered), [1, 2, 3, 4]);
    harness.end(second).await;
    harness.end(first).await;
}

/// What is deleted on one server is in no snapshot and no history of another from when the event has come there.
pub async fn a_deletion_reaches_every_server(harness: &mut impl SharedHarness) {
    let (first, _) = started(harness).await;
    let (second, seen) = another(harness).await;
    let (chat, room) = (channel("chat:demo"), channel("room:demo"));
    second.subscribe(&chat).await.expect("subscribed");
    second.subscribe(&room).await.expect("subscribed");
    send_all(&first, &chat, 1..=3).await;
    let deletion = act("d", Event::Deleted { offset: Offset(2) });
    let ack = first.publish(&room, deletion.clone()).await;
    assert!(ack.is_ok(), "{ack:?}");
    seen.until(&room, &deletion).await;
    seen.until(&chat, &draft("fan", "3")).await;
    let snapshot = second.subscribe(&chat).await.expect("subscribed");
    assert_eq!(offsets(&snapshot.recent), [1, 3]);
    assert_eq!(offsets(&everything(&second, &chat).await), [1, 3]);
    harness.end(second).await;
    harness.end(first).await;
}

fn act(id: &str, event: Event) -> Draft {
    Draft {
        id: ClientMessageId(id.into()),
        sender: Sender::new(UserId("mod".into()), "Mod", Role::Moderator),
        body: Body::Event(Box::new(event)),
    }
}

/// A server that the broker's messages did not reach for a while misses none, and none comes twice.
pub async fn what_was_not_heard_is_read_back(harness: &mut impl SharedHarness) {
    let (first, _) = started(harness).await;
    let (second, seen) = another(harness).await;
    let lane = channel("chat:demo");
    second.subscribe(&lane).await.expect("subscribed");
    for round in 0..3 {
        send_all(&first, &lane, 100 * round + 1..100 * round + 20).await;
        harness.interrupt().await;
        send_all(&first, &lane, 100 * round + 20..100 * round + 40).await;
    }
    let delivered = seen.until(&lane, &draft("fan", "239")).await;
    assert_gapless(&delivered);
    let newest = delivered.last().map(|newest| newest.offset);
    // It was interrupted, too, and may be comparing what it has with the log.
    until_reached(&first, &lane, newest.unwrap_or_default()).await;
    assert_eq!(delivered, everything(&first, &lane).await);
    harness.end(second).await;
    harness.end(first).await;
}

/// While the broker is gone, nothing is acknowledged and what is remembered can be read.
///
/// Soon after its return all is as before, without anybody's help: the same epoch, everything that was acknowledged,
/// nothing twice.
pub async fn a_broker_that_was_gone_is_caught_up_with(harness: &mut impl SharedHarness) {
    let (first, seen_first) = started(harness).await;
    let (second, seen_second) = another(harness).await;
    let lane = channel("chat:demo");
    let epoch = first.subscribe(&lane).await.expect("subscribed").epoch;
    second.subscribe(&lane).await.expect("subscribed");
    send_all(&first, &lane, 1..=20).await;
    seen_second.until(&lane, &draft("fan", "20")).await;
    harness.stop_broker().await;
    for engine in [&first, &second] {
        let refused = send(engine, &lane, "fan", "21").await;
        assert!(
            matches!(refused, Err(EngineError::Unavailable { .. })),
            "{refused:?}"
        );
        let query = HistoryQuery {
            since: None,
            limit: 5,
            reverse: true,
        };
        let page = engine
            .history(&lane, query)
            .await
            .expect("it is remembered");
        assert_eq!(offsets(&page.publications), [20, 19, 18, 17, 16]);
    }
    for seen in [&seen_first, &seen_second] {
        assert_eq!(seen.until_reach_changed(1).await, [false]);
    }
    harness.start_broker().await;
    let back = Instant::now();
    let ack = until_taken(&first, &lane, "21").await;
    assert_eq!((ack.offset, ack.epoch), (Offset(21), epoch));
    until_taken(&second, &lane, "22").await;
    for seen in [&seen_first, &seen_second] {
        let delivered = seen.until(&lane, &draft("fan", "22")).await;
        assert_gapless(&delivered);
        assert_eq!(seen.until_reach_changed(2).await, [false, true]);
    }
    assert!(back.elapsed() < CATCH_UP_MAX, "{:?}", back.elapsed());
    harness.end(second).await;
    harness.end(first).await;
}

/// Sends a message as a client does, again and again under the same id, until it is taken.
async fn until_taken(engine: &Arc<dyn Engine>, lane: &Channel, id: &str) -> Ack {
    let taken = async {
        loop {
            match send(engine, lane, "fan", id).await {
                Ok(ack) => return ack,
                Err(_) => sleep(ASK_EVERY).await,
            }
        }
    };
    let taken = timeout(CATCH_UP_MAX, taken).await;
    taken.expect("a broker that is back takes messages again")
}

/// Subscribes until the snapshot reaches an offset: what one server was acknowledged is at the others soon, not at once.
async fn until_reached(engine: &Arc<dyn Engine>, lane: &Channel, offset: Offset) -> Snapshot {
    let reached = async {
        loop {
            let snapshot = engine.subscribe(lane).await.expect("subscribed");
            if snapshot.head >= offset {
                return snapshot;
            }
            sleep(ASK_EVERY).await;
        }
    };
    let reached = timeout(CATCH_UP_MAX, reached).await;
    reached.expect("what was acknowledged reaches every server")
}

/// A broker that has lost the end of its log never gives an offset again that a fan has seen: a new epoch begins.
///
/// A replica that was behind has lost it when it takes over. Everybody who follows is told.
pub async fn a_lost_end_begins_a_new_epoch(harness: &mut impl SharedHarness) {
    let (first, seen_first) = started(harness).await;
    let (second, seen_second) = another(harness).await;
    let lane = channel("chat:demo");
    let before = first.subscribe(&lane).await.expect("subscribed").epoch;
    second.subscribe(&lane).await.expect("subscribed");
    send_all(&first, &lane, 1..=10).await;
    seen_second.until(&lane, &draft("fan", "10")).await;
    harness.lose_after(&lane, Offset(6)).await;
    let ack = until_taken(&second, &lane, "new").await;
    seen_first.until_restarted(&lane).await;
    seen_second.until_restarted(&lane).await;
    for engine in [&first, &second] {
        let after = until_reached(engine, &lane, ack.offset).await;
        assert_ne!(after.epoch, before);
        assert_eq!(after.epoch, ack.epoch);
        assert_eq!(offsets(&after.recent), [1, 2, 3, 4, 5, 6, 7]);
    }
    send_all(&first, &lane, [12]).await;
    let delivered = seen_second.until(&lane, &draft("fan", "12")).await;
    assert_eq!(delivered.last().map(|last| last.offset), Some(Offset(8)));
    harness.end(second).await;
    harness.end(first).await;
}

/// Whoever was away for longer than a window lasts is told so, and is not given half of it.
pub async fn more_than_a_window_is_not_read_back(harness: &mut impl SharedHarness) {
    let missed = RECENT_MAX as u64 + 100;
    let (first, seen) = started(harness).await;
    let lane = channel("chat:demo");
    first.subscribe(&lane).await.expect("subscribed");
    let (second, _) = another(harness).await;
    send_all(&second, &lane, 1..=3).await;
    seen.until(&lane, &draft("fan", "3")).await;
    harness.pause(&first).await;
    send_all(&second, &lane, 4..=missed).await;
    harness.resume(&first).await;
    seen.until_restarted(&lane).await;
    let snapshot = first.subscribe(&lane).await.expect("subscribed");
    assert!(snapshot.head >= Offset(missed));
    assert_eq!(snapshot.recent.len(), RECENT_MAX);
    assert_eq!(offsets(&seen.of(&lane)), [1, 2, 3]);
    harness.end(second).await;
    harness.end(first).await;
}

/// What a server tells about itself is heard by the others, whatever rooms they have; never twice, and again when a broker
/// that was gone is back. Nobody waits long for a broker that is not there.
pub async fn what_a_server_tells_is_heard_by_the_others(harness: &mut impl SharedHarness) {
    let (first, seen_first) = started(harness).await;
    let (second, seen_second) = another(harness).await;
    assert!(first.has_others() && second.has_others());
    until_heard(&first, &seen_second, NodeId(1)).await;
    until_heard(&second, &seen_first, NodeId(2)).await;
    harness.stop_broker().await;
    let told = timeout(CATCH_UP_MAX, first.tell(&hearsay(NodeId(1), 0))).await;
    assert!(told.is_ok(), "it is given up");
    harness.start_broker().await;
    until_heard(&first, &seen_second, NodeId(3)).await;
    until_heard(&second, &seen_first, NodeId(4)).await;
    harness.end(second).await;
    harness.end(first).await;
}

/// Tells one thing after the other until one is heard, and looks that none comes twice.
async fn until_heard(engine: &Arc<dyn Engine>, seen: &Arc<Recorder>, node: NodeId) {
    let mut told = Vec::new();
    let heard = async {
        // As servers do: one after the other.
        let mut turns = interval(TELL_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            told.push(hearsay(node, told.len() as u64));
            engine.tell(&told[told.len() - 1]).await;
            if told.iter().any(|told| seen.times_heard(told) > 0) {
                return;
            }
        }
    };
    let heard = timeout(2 * CATCH_UP_MAX, heard).await;
    heard.expect("what is told again and again is heard by the others");
    assert!(
        told.iter().all(|told| seen.times_heard(told) <= 1),
        "nothing is heard twice"
    );
}

/// The longest that there is.
fn hearsay(node: NodeId, serial: u64) -> Hearsay {
    let room = |number: usize| -> RoomId {
        let id = format!("{number:0>64}");
        id.parse().expect("it is a room's id")
    };
    let channel = |number| Channel {
        lane: Lane::Staff,
        room: room(number),
    };
    let crowd = Crowd {
        clients: 2,
        users: 1,
    };
    let kinds = (0..REACTION_KINDS_MAX).map(|kind| {
        let name = format!("{kind:0>32}");
        (name.parse().expect("it can be tapped"), serial)
    });
    let taps: BTreeMap<_, _> = kinds.collect();
    let hearsay = Hearsay {
        node,
        serial,
        about: About {
            name: "n"
                .repeat(NODE_NAME_BYTES_MAX)
                .parse()
                .expect("it is a name"),
            release: "1".repeat(RELEASE_BYTES_MAX).into(),
            started_at: UnixMillis(1),
            state: NodeState::Serving,
            connections: 2,
            connections_max: 3,
            rooms: 1,
            busy_permille: 0,
            region: Some("r".repeat(REGION_BYTES_MAX).into()),
            viewers: 4,
            sent: Sent {
                chat_bytes: 5,
                http_bytes: 6,
            },
        },
        crowds: (0..HEARSAY_CHANNELS_MAX)
            .map(|number| (channel(number), crowd))
            .collect(),
        taps: (0..HEARSAY_TAPPED_ROOMS_MAX)
            .map(|number| (room(number), taps.clone()))
            .collect(),
    };
    assert_eq!(hearsay.encode().len(), HEARSAY_BYTES_MAX);
    hearsay
}
