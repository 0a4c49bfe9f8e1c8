//! A node that is drained sends its fans away one after the other, and each has everything that was theirs before.

mod support;

use std::time::{Duration, Instant};

use fanwave_gateway::{Drain, GatewayConfig, Progress};
use fanwave_wire::protocol::ReturnSlot;
use futures_util::StreamExt;
use serde_json::json;
use support::{Fan, Node, PATIENCE, config, one_reactor};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_tungstenite::tungstenite::Message;

const PREFER: &str = "wss://b.example";

fn preferring() -> GatewayConfig {
    GatewayConfig {
        prefer: PREFER.to_owned(),
        ..config()
    }
}

/// What a fan heard until they were sent away.
struct Heard {
    texts: Vec<String>,
    code: u16,
    reason: String,
    at: Instant,
}

/// Reads to the close frame, whose reason the harness's own reading throws away.
async fn read_to_the_end(mut fan: Fan) -> Heard {
    let mut texts = Vec::new();
    loop {
        let message = timeout(PATIENCE, fan.socket.next())
            .await
            .expect("something in time")
            .expect("a close frame before the end")
            .expect("a well-formed frame");
        match message {
            Message::Text(lines) => {
                for line in lines.lines() {
                    let said: serde_json::Value = serde_json::from_str(line).expect("JSON");
                    if let Some(text) = said["push"]["pub"]["data"]["text"].as_str() {
                        texts.push(text.to_owned());
                    }
                }
            }
            Message::Close(frame) => {
                let frame = frame.expect("a code");
                return Heard {
                    texts,
                    code: frame.code.into(),
                    reason: frame.reason.as_str().to_owned(),
                    at: Instant::now(),
                };
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fans_go_in_turn_with_all_that_was_said_until_then() {
    const FANS: usize = 200;
    let node = Node::start(preferring()).await;
    let (moved, mut seen) = watch::channel(0_usize);
    let mut fans = JoinSet::new();
    for n in 0..FANS {
        let fan = node.follower(&format!("fan-{n}"), "chat:demo").await;
        let moved = moved.clone();
        fans.spawn(async move {
            let heard = read_to_the_end(fan).await;
            moved.send_modify(|count| *count += 1);
            heard
        });
    }
    // The last to come is the last to go: it speaks whenever somebody has gone.
    let mut host = node.follower("host", "chat:demo").await;
    let drain = Drain {
        turn_max: Duration::from_secs(5),
        ..Drain::paced(50, Duration::from_secs(60))
    };
    let speaking = async {
        let mut said = 0;
        while *seen.borrow_and_update() < FANS / 2 {
            said += 1;
            host.say("chat:demo", &said.to_string()).await;
            seen.changed().await.expect("fans are there");
        }
        said
    };
    let began = Instant::now();
    let (progress, said) = tokio::join!(node.gateway.drain(drain), speaking);
    let fans_and_host = FANS + 1;
    assert_eq!(
        progress,
        Progress {
            fans: fans_and_host,
            moved: fans_and_host
        }
    );
    let heard = fans.join_all().await;
    for fan in &heard {
        assert_eq!(fan.code, 3001);
        let slot = ReturnSlot::parse(&fan.reason).expect("a slot");
        assert_eq!(slot.prefer, PREFER);
        assert!(slot.after_ms < 1_000, "{}", fan.reason);
        // Acknowledged before they went, or not for them to hear any more; never a hole.
        let expected: Vec<String> = (1..=fan.texts.len()).map(|n| n.to_string()).collect();
        assert_eq!(fan.texts, expected);
        assert!(fan.texts.len() <= said);
    }
    let last = heard.iter().map(|fan| fan.at).max().expect("fans");
    let took = last - began;
    assert!(
        took > Duration::from_millis(1_500),
        "half of them in each second: {took:?}"
    );
    let most = heard.iter().map(|fan| fan.texts.len()).max();
    assert!(most > Some(1), "who stayed longer heard more: {most:?}");
    let metrics = node.metrics();
    for line in [
        "fanwave_gateway_draining 1",
        "fanwave_gateway_moved_total 201",
        r#"fanwave_gateway_closes_total{code="3001"} 201"#,
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(!metrics.contains(r#"code="1006""#), "{metrics}");
}

#[tokio::test]
async fn a_draining_node_refuses_newcomers_with_a_time_to_come_again() {
    // On reactors of their own both would go at once, and the drain be over before anybody knocks.
    let node = Node::start(one_reactor()).await;
    let early = node.follower("early", "chat:demo").await;
    let late = node.follower("late", "chat:demo").await;
    let drain = Drain {
        least_per_second: 0,
        ..Drain::paced(1, Duration::from_secs(60))
    };
    // One goes at once; the other is served until a minute later or until the end.
    let knocking = async {
        for door in node.doors() {
            let url = format!("ws://{door}/connection/websocket");
            let refused = tokio_tungstenite::client_async(
                url,
                tokio::net::TcpStream::connect(door).await.expect("a port"),
            )
            .await
            .expect_err("the door is closed");
            let tokio_tungstenite::tungstenite::Error::Http(answer) = refused else {
                unreachable!("an answer: {refused}");
            };
            assert_eq!(answer.status().as_u16(), 503);
            let seconds = answer.headers()["retry-after"].to_str().expect("text");
            assert_eq!(seconds, "2");
        }
    };
    tokio::select! {
        _ = node.gateway.drain(drain) => {}
        () = knocking => {}
    }
    let (stopped, early, late) = tokio::join!(
        node.gateway.shutdown(Duration::from_secs(10)),
        read_to_the_end(early),
        read_to_the_end(late)
    );
    assert_eq!((stopped, early.code, late.code), (Ok(()), 3001, 3001));
    assert!(ReturnSlot::parse(&late.reason).is_some(), "{}", late.reason);
    assert!(
        node.metrics()
            .contains("fanwave_gateway_return_slots_total 2")
    );
}

/// What waits for its tick is sent before the close frame, and not left to be recovered.
#[tokio::test]
async fn what_waits_for_its_tick_comes_before_the_close() {
    let node = Node::start(GatewayConfig {
        tick: PATIENCE,
        ..one_reactor()
    })
    .await;
    let fan = node.follower("anna", "chat:demo").await;
    let mut host = node.follower("host", "chat:demo").await;
    for text in ["at once", "a tick later"] {
        host.say("chat:demo", text).await;
    }
    // The reactor's own window answers this: when both are in it, the second waits for its tick.
    let deadline = Instant::now() + PATIENCE;
    let history = json!({ "channel": "chat:demo", "limit": 10 });
    while support::publications(&host.command("history", history.clone()).await["history"]).len()
        < 2
    {
        assert!(Instant::now() < deadline, "both are said");
    }
    let (_, heard) = tokio::join!(node.gateway.drain(Drain::quick()), read_to_the_end(fan));
    assert_eq!(heard.texts, ["at once", "a tick later"]);
}

#[tokio::test]
async fn who_speaks_when_their_turn_comes_has_an_answer_before_they_go() {
    let node = Node::start(config()).await;
    let mut fan = node.follower("anna", "chat:demo").await;
    let mut asked = Vec::new();
    for n in 0..50 {
        let publication = json!({ "channel": "chat:demo", "data": { "text": format!("{n}") } });
        asked.push(fan.ask("publish", publication).await);
    }
    let answers = async {
        let mut answered = Vec::new();
        loop {
            match fan.next().await {
                Ok(said) => answered.extend(said["id"].as_u64()),
                Err(code) => return (answered, code),
            }
        }
    };
    let quick = Drain {
        turn_max: PATIENCE,
        within: PATIENCE * 2,
        ..Drain::quick()
    };
    let (progress, (answered, code)) = tokio::join!(node.gateway.drain(quick), answers);
    assert_eq!(code, 3001);
    assert_eq!((progress.fans, progress.moved), (1, 1));
    // What had not been read when the close frame left is unanswered, and the client knows it; what was read is not.
    let read = node.metrics();
    let line = r#"fanwave_gateway_commands_total{kind="publish"} "#;
    let read: usize = read
        .lines()
        .find_map(|l| l.strip_prefix(line))
        .map_or(0, |count| count.parse().expect("a count"));
    assert_eq!(answered.len(), read, "{answered:?}");
}

#[tokio::test]
async fn a_reader_who_stalls_is_not_waited_for_without_end() {
    let node = Node::start(config()).await;
    let mut stalled = node.narrow_socket().await;
    stalled.log_in(&node.token("stalled")).await;
    stalled.subscribe("room:demo").await;
    let mut host = node.socket().await;
    let artist = node.token_of(
        "artist",
        fanwave_wire::Role::Artist,
        support::now() + 60_000,
    );
    host.log_in(&artist).await;
    let long = "x".repeat(500);
    for _ in 0..400 {
        host.say("room:demo", &long).await;
    }
    let drain = Drain {
        turn_max: Duration::from_millis(200),
        within: PATIENCE,
        ..Drain::quick()
    };
    let (progress, code) = tokio::join!(node.gateway.drain(drain), host.closed());
    assert_eq!((progress.fans, progress.moved, code), (2, 2, 3001));
    // It reads on at last, and finds the close frame behind what its socket had taken.
    assert_eq!(stalled.closed().await, 3001);
}
