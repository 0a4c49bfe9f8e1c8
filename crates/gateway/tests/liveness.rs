//! Silence is noticed: pings unanswered, sockets that never connect, tokens that run out.

mod support;

use std::time::Duration;

use fanwave_gateway::GatewayConfig;
use fanwave_wire::Role;
use support::{Node, config, now};

#[tokio::test]
async fn who_answers_no_ping_is_closed_and_who_does_stays() {
    let node = Node::start(GatewayConfig {
        ping_interval: Duration::from_millis(600),
        pong_timeout: Duration::from_millis(300),
        ..config()
    })
    .await;
    let mut alive = node.follower("alive", "chat:demo").await;
    let mut silent = node.fan("silent").await;
    silent.answers_pings = false;
    let (code, ()) = tokio::join!(silent.closed(), async {
        // Each of these needs the connection to be there after the ping before it.
        while alive.pings < 4 {
            alive.say("chat:demo", "here").await;
            alive.publication().await;
        }
    });
    assert_eq!(code, 3012);
    assert_eq!(silent.pings, 1);
}

#[tokio::test]
async fn a_socket_must_connect_in_time() {
    let node = Node::start(GatewayConfig {
        connect_timeout: Duration::from_millis(100),
        ..config()
    })
    .await;
    let mut idle = node.socket().await;
    assert_eq!(idle.closed().await, 3502);
    let mut fan = node.fan("anna").await;
    let mut second = node.socket().await;
    assert_eq!(second.closed().await, 3502);
    fan.say(
        "chat:demo",
        "the deadline is only for those who have not connected",
    )
    .await;
}

#[tokio::test]
async fn a_closing_socket_is_not_waited_for_without_end() {
    let node = Node::start(GatewayConfig {
        connect_timeout: Duration::from_millis(50),
        close_timeout: Duration::from_millis(50),
        ..config()
    })
    .await;
    // It neither connects nor answers the close frame nor goes away.
    let stubborn = node.socket().await;
    let mut fan = node.fan("anna").await;
    let deadline = tokio::time::Instant::now() + support::PATIENCE;
    while node.gateway.connections() > 1 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the closed one is still there"
        );
        fan.say("chat:demo", "meanwhile").await;
    }
    drop(stubborn);
}

#[tokio::test]
async fn an_expired_token_ends_the_connection_after_its_grace() {
    let node = Node::start(GatewayConfig {
        ping_interval: Duration::from_millis(200),
        pong_timeout: Duration::from_millis(100),
        ..config()
    })
    .await;
    // A token that is good for a second more, on a connection that is asked to wait no longer than its pings.
    let mut fan = node.socket().await;
    fan.log_in(&node.token_of("anna", Role::Fan, now() + 2_000))
        .await;
    let longer = node.token_of("anna", Role::Fan, now() + 60_000);
    let reply = fan
        .command("refresh", serde_json::json!({ "token": longer }))
        .await;
    assert!(
        reply["refresh"]["ttl"].as_u64().is_some_and(|ttl| ttl > 50),
        "{reply}"
    );
    assert!(node.gateway.is_alive());
}
