//! A fan who does not read holds up nobody, costs nothing but a place, and is told to come back.

mod support;

use std::time::Duration;

use fanwave_gateway::GatewayConfig;
use serde_json::json;
use support::{Node, Position, config, position, publications};

const MESSAGES: u64 = 400;

#[tokio::test]
async fn a_slow_reader_is_cut_with_3008_and_recovers_while_others_are_undisturbed() {
    let node = Node::start(GatewayConfig {
        // About 25 messages of this test; the two kernel buffers hold about as many.
        room_log_bytes: 20_000,
        socket_send_bytes: 4096,
        close_timeout: Duration::from_secs(60),
        // Each message waits for the one before it: nothing would merge, only wait.
        tick: Duration::from_millis(1),
        ..config()
    })
    .await;
    let mut slow = node.narrow_socket().await;
    slow.log_in(&node.token("slow")).await;
    let stood = slow
        .command("subscribe", json!({ "channel": "room:demo" }))
        .await;
    let stood = position(&stood["subscribe"]);
    let mut quick = node.follower("quick", "room:demo").await;
    let mut artist = node.socket().await;
    artist
        .log_in(&node.token_of("moon", fanwave_wire::Role::Artist, support::now() + 600_000))
        .await;
    for n in 1..=MESSAGES {
        let text = format!("{n} {}", "x".repeat(490));
        assert_eq!(artist.say("room:demo", &text).await, n);
        assert_eq!(quick.publication().await, (n, text));
    }
    // Only now does the slow one read: an unbroken beginning, then why it ends.
    let mut seen = 0;
    let code = loop {
        match slow.next().await {
            Ok(said) => {
                let (offset, _) = support::offset_and_text(&said["push"]["pub"]);
                assert_eq!(offset, seen + 1, "no hole before the end");
                seen = offset;
            }
            Err(code) => break code,
        }
    };
    assert_eq!(code, 3008);
    assert!(
        node.metrics()
            .contains(r#"fanwave_gateway_slow_cuts_total{reason="lapped"} 1"#)
    );
    assert!(
        seen < MESSAGES / 2,
        "{seen} were read: the kernel's buffers and the log were meant to be smaller"
    );

    let mut back = node.fan("slow").await;
    let result = back
        .recover(
            "room:demo",
            &Position {
                offset: seen,
                ..stood
            },
        )
        .await;
    assert_eq!(result["recovered"], true);
    let missed: Vec<u64> = publications(&result)
        .into_iter()
        .map(|(offset, _)| offset)
        .collect();
    assert_eq!(missed, (seen + 1..=MESSAGES).collect::<Vec<_>>());
}

/// A reader who pauses for less than the log holds gets everything, in order, by itself.
#[tokio::test]
async fn a_pause_is_forgiven() {
    let node = Node::start(GatewayConfig {
        socket_send_bytes: 4096,
        ..config()
    })
    .await;
    let mut paused = node.narrow_socket().await;
    paused.log_in(&node.token("paused")).await;
    paused.subscribe("chat:demo").await;
    paused.subscribe("chat:other").await;
    let mut writer = node.fan("writer").await;
    for n in 1..=200_u64 {
        let text = "x".repeat(400);
        assert_eq!(writer.say("chat:demo", &text).await, n);
        assert_eq!(writer.say("chat:other", &text).await, n);
    }
    // A command in the middle of it all is answered between two frames.
    let id = paused.ask("ping", json!({})).await;
    assert!(paused.reply(id).await["ping"].is_object());
    let mut offsets = [0, 0];
    for _ in 0..400 {
        let push = paused.push().await;
        let room = usize::from(push["channel"] == "chat:other");
        offsets[room] += 1;
        assert_eq!(push["pub"]["offset"], offsets[room], "{}", push["channel"]);
    }
    assert_eq!(offsets, [200, 200]);
}
