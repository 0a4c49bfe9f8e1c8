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
async fn an_expired_token_ends_the_connection_unless_it_is_refreshed() {
    let node = Node::start(GatewayConfig {
        ping_interval: Duration::from_millis(200),
        pong_timeout: Duration::from_millis(100),
        expired_grace: Duration::ZERO,
        ..config()
    })
    .await;
    let soon = node.token_of("anna", Role::Fan, now() + 2_000);
    let mut expiring = node.socket().await;
    expiring.log_in(&soon).await;
    let mut refreshing = node.socket().await;
    refreshing.log_in(&soon).await;
    let longer = node.token_of("anna", Role::Fan, now() + 60_000);
    let reply = refreshing
        .command("refresh", serde_json::json!({ "token": longer }))
        .await;
    assert!(
        reply["refresh"]["ttl"].as_u64().is_some_and(|ttl| ttl > 50),
        "{reply}"
    );
    // Both answer their pings; only one of them is still somebody.
    let pinged = async {
        let before = refreshing.pings;
        while refreshing.pings < before + 20 {
            refreshing.say("chat:demo", "still somebody").await;
        }
    };
    let (code, ()) = tokio::join!(expiring.closed(), pinged);
    assert_eq!(code, 3005);
}
