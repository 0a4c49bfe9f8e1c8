//! A fan whose connection broke comes back and has everything, once, or is told otherwise.

mod support;

use serde_json::json;
use support::{Node, Position, config, publications};

#[tokio::test]
async fn a_dropped_socket_recovers_without_loss_or_duplicate() {
    let node = Node::start(config()).await;
    let mut anna = node.follower("anna", "chat:demo").await;
    let mut bora = node.fan("bora").await;
    let mut seen = Vec::new();
    let mut last = Position {
        epoch: String::new(),
        offset: 0,
    };
    last.epoch = {
        let head = bora
            .command("history", json!({ "channel": "chat:demo" }))
            .await;
        head["history"]["epoch"].as_str().unwrap().to_owned()
    };
    for round in 0..5 {
        for n in 0..10 {
            bora.say("chat:demo", &format!("{round} {n}")).await;
            if n < 4 {
                seen.push(anna.publication().await);
            }
        }
        last.offset = seen.last().unwrap().0;
        // The socket vanishes with six messages unread, some of which may be on their way.
        drop(anna);
        anna = node.fan("anna").await;
        bora.say("chat:demo", "between").await;
        let result = anna.recover("chat:demo", &last).await;
        assert_eq!(
            (&result["recovered"], &result["was_recovering"]),
            (&json!(true), &json!(true))
        );
        seen.extend(publications(&result));
    }
    let offsets: Vec<u64> = seen.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, (1..=55).collect::<Vec<_>>());
}

/// While somebody writes as fast as the engine takes it, fans come and go: between what a subscribe reply holds and what
/// is pushed after it, nothing is missing and nothing comes twice.
#[tokio::test]
async fn the_seam_between_recovered_and_live_holds_under_fire() {
    let node = Node::start(config()).await;
    let mut writer = node.fan("writer").await;
    let first = writer
        .command("subscribe", json!({ "channel": "chat:demo" }))
        .await;
    let start = support::position(&first["subscribe"]);
    let writing = tokio::spawn(async move {
        for n in 1..=300_u64 {
            assert_eq!(writer.say("chat:demo", &n.to_string()).await, n);
        }
        writer
    });
    let mut last = start;
    while last.offset < 300 {
        let mut fan = node.fan("anna").await;
        let result = fan.recover("chat:demo", &last).await;
        assert_eq!(result["recovered"], true, "{result}");
        for (offset, text) in publications(&result) {
            assert_eq!(
                (offset, text),
                (last.offset + 1, (last.offset + 1).to_string())
            );
            last.offset += 1;
        }
        assert_eq!(result["offset"].as_u64().unwrap_or(0), last.offset);
        for _ in 0..7.min(300 - last.offset) {
            let (offset, text) = fan.publication().await;
            assert_eq!(
                (offset, text),
                (last.offset + 1, (last.offset + 1).to_string())
            );
            last.offset += 1;
        }
    }
    writing.await.unwrap();
}

#[tokio::test]
async fn who_cannot_be_recovered_is_told_so() {
    let node = Node::start(config()).await;
    let mut anna = node.follower("anna", "chat:demo").await;
    anna.say("chat:demo", "one").await;
    let stood = anna
        .command("history", json!({ "channel": "chat:demo" }))
        .await;
    let epoch = stood["history"]["epoch"].as_str().unwrap().to_owned();
    let positions = [
        Position {
            epoch: "another".to_owned(),
            offset: 1,
        },
        Position {
            epoch: epoch.clone(),
            offset: 2,
        },
        Position {
            epoch: epoch.clone(),
            offset: u64::MAX,
        },
    ];
    for position in positions {
        let mut fan = node.fan("bora").await;
        let result = fan.recover("chat:demo", &position).await;
        assert!(result.get("recovered").is_none(), "{position:?}: {result}");
        assert_eq!(result["was_recovering"], true);
        assert_eq!(
            (&result["offset"], &result["epoch"]),
            (&json!(1), &json!(epoch))
        );
        assert!(result.get("publications").is_none(), "{result}");
    }
}

/// Recovery reaches as far back as the window, and not one message further.
#[tokio::test]
async fn recovery_is_honest_at_the_edge_of_the_window() {
    let node = Node::start(config()).await;
    let mut anna = node.follower("anna", "chat:demo").await;
    let start = {
        let stood = anna
            .command("history", json!({ "channel": "chat:demo" }))
            .await;
        support::position(&stood["history"])
    };
    for n in 0..501 {
        anna.say("chat:demo", &n.to_string()).await;
    }
    let mut fan = node.fan("bora").await;
    let result = fan.recover("chat:demo", &start).await;
    assert!(
        result.get("recovered").is_none(),
        "501 were missed and 500 are kept"
    );
    let mut fan = node.fan("bora").await;
    let result = fan
        .recover("chat:demo", &Position { offset: 1, ..start })
        .await;
    assert_eq!(result["recovered"], true);
    assert_eq!(publications(&result).len(), 500);
}
