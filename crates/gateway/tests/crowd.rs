//! Many fans in one room: everybody gets everything, in order.

mod support;

use std::sync::Arc;

use support::{Node, config};
use tokio::sync::{Barrier, Semaphore};

const FANS: usize = 2_000;
const MESSAGES: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_room_gets_every_message_in_order() {
    let node = Arc::new(Node::start(config()).await);
    let everybody = Arc::new(Barrier::new(FANS + 1));
    // As many handshakes at a time as the listener's queue is sure to hold.
    let handshakes = Arc::new(Semaphore::new(100));
    let mut fans = Vec::new();
    for n in 0..FANS {
        let (node, everybody, handshakes) = (
            Arc::clone(&node),
            Arc::clone(&everybody),
            Arc::clone(&handshakes),
        );
        fans.push(tokio::spawn(async move {
            let turn = handshakes.acquire().await.unwrap();
            let mut fan = node.follower(&format!("fan-{n}"), "chat:arena").await;
            drop(turn);
            everybody.wait().await;
            for offset in 1..=MESSAGES {
                assert_eq!(fan.publication().await, (offset, offset.to_string()));
            }
            fan
        }));
    }
    let mut writer = node.fan("writer").await;
    everybody.wait().await;
    assert_eq!(node.gateway.connections(), FANS + 1);
    for n in 1..=MESSAGES {
        assert_eq!(writer.say("chat:arena", &n.to_string()).await, n);
    }
    let mut present = Vec::new();
    for fan in fans {
        present.push(fan.await.unwrap());
    }
    let deliveries = format!(
        "fanwave_gateway_deliveries_total {}",
        FANS as u64 * MESSAGES
    );
    // A reactor adds up its counts at the end of its turn, just after the last fan has the last message.
    let deadline = tokio::time::Instant::now() + support::PATIENCE;
    while !node.metrics().contains(&deliveries) {
        let metrics = node.metrics();
        assert!(tokio::time::Instant::now() < deadline, "{metrics}");
        writer.command("ping", serde_json::json!({})).await;
    }
    let stats = writer
        .command(
            "presence_stats",
            serde_json::json!({ "channel": "chat:arena" }),
        )
        .await;
    assert_eq!(stats["presence_stats"]["num_clients"], FANS);
}
