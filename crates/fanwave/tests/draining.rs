//! A supervisor stops the server: the fans are moved in their turn, and nothing that was acknowledged is lost.

mod support;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use fanwave_wire::{Role, protocol::ReturnSlot};
use rustix::process::Signal;
use serde_json::json;
use support::{Fan, Farewell, PATIENCE, Process};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_tungstenite::tungstenite::Error;

/// Ten a second, or three percent: whatever the crowd, long enough to look at.
const SLOWLY: [(&str, &str); 3] = [
    ("FANWAVE__DRAIN__PROPAGATION", "0s"),
    ("FANWAVE__DRAIN__PERCENT_PER_SECOND", "1"),
    ("FANWAVE__DRAIN__PREFER", "wss://b.example"),
];

/// A fan who was sent away, and where they were.
struct Moved {
    fan: Fan,
    epoch: String,
    farewell: Farewell,
    at: Instant,
}

/// So many fans who listen to a channel until they are sent away, and how many have been.
async fn crowd(
    server: &Process,
    fans: usize,
    channel: &'static str,
) -> (JoinSet<Moved>, watch::Receiver<usize>) {
    let (gone, count) = watch::channel(0);
    let mut crowd = JoinSet::new();
    for n in 0..fans {
        let mut fan = server.fan(&format!("fan-{n}")).await;
        let followed = fan.follow(channel, None).await;
        let epoch = followed["epoch"].as_str().expect("an epoch").to_owned();
        let gone = gone.clone();
        crowd.spawn(async move {
            let farewell = fan.listen().await;
            let at = Instant::now();
            gone.send_modify(|count| *count += 1);
            Moved {
                fan,
                epoch,
                farewell,
                at,
            }
        });
    }
    (crowd, count)
}

async fn until_gone(count: &mut watch::Receiver<usize>, wanted: usize) {
    let gone = count.wait_for(|gone| *gone >= wanted);
    timeout(PATIENCE, gone)
        .await
        .expect("they go in time")
        .expect("they are there");
}

/// Everybody was told to come back, and where.
fn assert_moved(farewell: &Farewell) {
    assert_eq!(farewell.code, 3001, "{farewell:?}");
    let slot = ReturnSlot::parse(&farewell.reason).expect("a return slot");
    assert_eq!(slot.prefer, "wss://b.example");
    assert!(slot.after_ms < 2_000, "{farewell:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_fans_are_moved_in_batches_and_the_lossless_lane_is_whole() {
    const FANS: usize = 500;
    let folder = tempfile::tempdir().unwrap();
    let pace = [
        ("FANWAVE__DRAIN__PROPAGATION", "0s"),
        ("FANWAVE__DRAIN__PERCENT_PER_SECOND", "33"),
        ("FANWAVE__DRAIN__PREFER", "wss://b.example"),
    ];
    let mut server = Process::start(folder.path(), &pace).await;
    let (crowd, mut gone) = crowd(&server, FANS, "room:demo").await;
    // The last to come is one of the last to go.
    let mut artist = Fan::join(server.http(), &server.token("artist", Role::Artist)).await;
    server.signal(Signal::TERM);
    let mut acknowledged = 0;
    // A message whenever some have gone, until it is the artist's turn.
    while gone.changed().await.is_ok() {
        let id = format!("m{}", acknowledged + 1);
        match artist.say("room:demo", &id, &id).await {
            Ok(Some(offset)) => acknowledged = offset,
            Ok(None) => break,
            Err(farewell) => {
                assert_moved(&farewell);
                break;
            }
        }
        if *gone.borrow_and_update() > FANS * 9 / 10 {
            break;
        }
    }
    drop(artist);
    let moved = timeout(PATIENCE, crowd.join_all()).await.expect("all go");
    assert_eq!(server.ended().await, Some(0), "{}", server.log());
    assert!(acknowledged > 10, "{acknowledged}");
    let first = moved.iter().map(|fan| fan.at).min().expect("fans");
    let mut windows: BTreeMap<u128, usize> = BTreeMap::new();
    for fan in &moved {
        assert_moved(&fan.farewell);
        *windows
            .entry((fan.at - first).as_millis() / 100)
            .or_default() += 1;
        let offsets: Vec<u64> = fan.fan.heard.iter().map(|(offset, _)| *offset).collect();
        let expected: Vec<u64> = (1..=offsets.len() as u64).collect();
        assert_eq!(offsets, expected, "in order, once, without a hole");
    }
    // A hundred and sixty-five a second: a machine that is busy may see two batches as one, and not all of them.
    let longest = windows.keys().max().expect("windows");
    assert!((25..60).contains(longest), "{windows:?}");
    let most = windows.values().max().expect("windows");
    assert!(*most < FANS / 4, "{windows:?}");

    let again = Process::start(folder.path(), &pace).await;
    let back = moved.into_iter().enumerate().map(async |(n, mut moved)| {
        let mut fan = again.fan(&format!("fan-{n}")).await;
        let seen = moved.fan.heard.len() as u64;
        let result = fan.follow("room:demo", Some((&moved.epoch, seen))).await;
        assert_eq!(result["recovered"], true, "{result}");
        let missed = result["publications"].as_array().map_or(0, Vec::len);
        assert_eq!(seen + missed as u64, acknowledged, "nothing is lost");
        moved.fan.heard.clear();
    });
    for fan in back {
        fan.await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_ends_it_at_once_and_still_tells_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Process::start(folder.path(), &SLOWLY).await;
    let (crowd, mut gone) = crowd(&server, 300, "chat:demo").await;
    server.signal(Signal::TERM);
    until_gone(&mut gone, 1).await;
    let asked_at = Instant::now();
    server.signal(Signal::TERM);
    let moved = timeout(PATIENCE, crowd.join_all()).await.expect("all go");
    for fan in &moved {
        assert_moved(&fan.farewell);
    }
    assert_eq!(server.ended().await, Some(130), "{}", server.log());
    let took = asked_at.elapsed();
    assert!(
        took < Duration::from_secs(15),
        "not half a minute: {took:?}"
    );
    assert!(server.log().contains("told twice"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_does_not_wait_and_tells_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let never = [
        ("FANWAVE__DRAIN__PROPAGATION", "100s"),
        ("FANWAVE__DRAIN__PREFER", "wss://b.example"),
    ];
    let mut server = Process::start(folder.path(), &never).await;
    let (crowd, _) = crowd(&server, 50, "chat:demo").await;
    server.signal(Signal::INT);
    let moved = timeout(PATIENCE, crowd.join_all()).await.expect("all go");
    for fan in &moved {
        assert_moved(&fan.farewell);
    }
    assert_eq!(server.ended().await, Some(0), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_goes_before_the_door_and_the_door_before_the_fans() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = SLOWLY;
    settings[0].1 = "3s";
    let mut server = Process::start(folder.path(), &settings).await;
    assert!(server.get("/readyz").await.starts_with("HTTP/1.1 200"));
    // Six seconds of moving: long enough for the log to say how far it is.
    let (crowd, mut gone) = crowd(&server, 60, "chat:demo").await;
    server.signal(Signal::TERM);
    let unready = async {
        loop {
            let answer = server.get("/readyz").await;
            if answer.starts_with("HTTP/1.1 503") {
                return answer;
            }
        }
    };
    let answer = timeout(PATIENCE, unready).await.expect("it is told");
    assert!(answer.contains("draining: told to stop"), "{answer}");
    // Routing has not noticed: whoever comes now is served, and is one of those who are moved.
    let mut late = server.fan("late").await;
    late.follow("chat:demo", None).await;
    assert_eq!(*gone.borrow(), 0, "nobody has been moved");
    until_gone(&mut gone, 1).await;
    let refused = Fan::knock(server.http())
        .await
        .err()
        .expect("the door is closed");
    let Error::Http(refusal) = *refused else {
        unreachable!("an answer: {refused}");
    };
    assert_eq!(refusal.status().as_u16(), 503);
    assert!(refusal.headers().contains_key("retry-after"));
    let metrics = server.get("/metrics").await;
    assert!(metrics.contains("fanwave_gateway_draining 1"), "{metrics}");
    assert!(
        server.get("/livez").await.starts_with("HTTP/1.1 200"),
        "it is not dead"
    );
    assert_moved(&late.listen().await);
    let moved = timeout(PATIENCE, crowd.join_all()).await.expect("all go");
    for fan in &moved {
        assert_moved(&fan.farewell);
    }
    assert_eq!(server.ended().await, Some(0), "{}", server.log());
    assert!(server.log().contains("drained "), "it says how far it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_grace_raises_the_pace_and_the_log_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let hasty = [
        ("FANWAVE__DRAIN__PROPAGATION", "0s"),
        ("FANWAVE__DRAIN__PERCENT_PER_SECOND", "1"),
        ("FANWAVE__DRAIN__GRACE", "4s"),
        ("FANWAVE__DRAIN__PREFER", "wss://b.example"),
        ("FANWAVE__SHUTDOWN__DEADLINE", "2s"),
    ];
    let mut server = Process::start(folder.path(), &hasty).await;
    let (crowd, _) = crowd(&server, 200, "chat:demo").await;
    server.signal(Signal::TERM);
    let moved = timeout(PATIENCE, crowd.join_all()).await.expect("all go");
    for fan in &moved {
        assert_moved(&fan.farewell);
    }
    assert_eq!(server.ended().await, Some(0), "{}", server.log());
    assert!(
        server.log().contains("moved faster than configured"),
        "{}",
        server.log()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_of_a_drain_loses_nothing_that_was_acknowledged() {
    const SPEAKERS: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let mut server = Process::start(folder.path(), &SLOWLY).await;
    let (crowd, mut gone) = crowd(&server, 200, "chat:demo").await;
    let mut speakers = JoinSet::new();
    for n in 0..SPEAKERS {
        let mut fan = server.fan(&format!("speaker-{n}")).await;
        speakers.spawn(async move {
            let mut acknowledged = Vec::new();
            for m in 0_u32.. {
                let id = format!("{n}-{m}");
                match fan.say("chat:demo", &id, &id).await {
                    Ok(Some(offset)) => acknowledged.push((offset, id)),
                    Ok(None) => {}
                    Err(_) => break,
                }
            }
            acknowledged
        });
    }
    server.signal(Signal::TERM);
    until_gone(&mut gone, 20).await;
    server.signal(Signal::KILL);
    assert_eq!(server.ended().await, None, "it was killed");
    drop(crowd);
    let mut acknowledged: BTreeMap<u64, String> = BTreeMap::new();
    for (offset, id) in speakers.join_all().await.into_iter().flatten() {
        assert_eq!(
            acknowledged.insert(offset, id),
            None,
            "an offset is one message's"
        );
    }
    assert!(acknowledged.len() > SPEAKERS, "{acknowledged:?}");

    let again = Process::start(folder.path(), &SLOWLY).await;
    let mut judge = again.fan("judge").await;
    let followed = judge.follow("chat:demo", None).await;
    let mut kept: BTreeMap<u64, String> = BTreeMap::new();
    loop {
        let since =
            json!({ "epoch": followed["epoch"], "offset": kept.keys().max().unwrap_or(&0) });
        let asked = json!({ "channel": "chat:demo", "limit": 200, "since": since });
        let page = judge.ask("history", asked).await.expect("it is there");
        let publications = page["publications"].as_array().cloned().unwrap_or_default();
        if publications.is_empty() {
            break;
        }
        for publication in publications {
            let offset = publication["offset"].as_u64().expect("an offset");
            let id = publication["data"]["id"]
                .as_str()
                .expect("an id")
                .to_owned();
            assert_eq!(kept.insert(offset, id), None, "each once");
        }
    }
    for (offset, id) in &acknowledged {
        assert_eq!(
            kept.get(offset),
            Some(id),
            "{id} is where it was acknowledged"
        );
    }
}
