//! What tokens say about channels: those followed from the connect on without being asked for, and those that a token of
//! their own permits.

mod support;

use std::time::Duration;

use fanwave_gateway::SubscribeTokens;
use fanwave_wire::{
    Channel, Role, Sender, UnixMillis, UserId,
    token::{Claims, SubscribeClaims},
};
use serde_json::json;
use support::{Fan, Node, Position, config, now, publications};

/// A token that subscribes its user to channels.
fn token(node: &Node, user: &str, channels: &[&str]) -> String {
    let sender = Sender::new(UserId(user.into()), user, Role::Fan);
    let channels: Vec<Channel> = channels
        .iter()
        .map(|name| name.parse().expect("a channel"))
        .collect();
    let claims = Claims::new(sender, UnixMillis(now()), UnixMillis(now() + 600_000))
        .expect("claims")
        .subscribed_to(channels)
        .expect("few channels");
    node.key.issue(&claims)
}

#[tokio::test]
async fn a_token_subscribes_at_connect_and_recovers_at_the_next() {
    let node = Node::start(config()).await;
    let token = token(&node, "anna", &["chat:demo", "room:demo", "vote:demo"]);
    let mut anna = node.socket().await;
    let connected = anna.log_in(&token).await;
    let subs = connected["subs"].as_object().unwrap();
    let names: Vec<&str> = subs.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["chat:demo", "room:demo"],
        "nobody reads the ballot box"
    );
    let epoch = subs["chat:demo"]["epoch"].as_str().unwrap().to_owned();
    assert_eq!(subs["chat:demo"]["recoverable"], true);

    let mut bora = node.fan("bora").await;
    bora.say("chat:demo", "one").await;
    let push = anna.push().await;
    assert_eq!(
        (&push["channel"], &push["pub"]["offset"]),
        (&json!("chat:demo"), &json!(1))
    );
    assert_eq!(
        anna.refused("subscribe", json!({ "channel": "chat:demo" }))
            .await,
        105
    );

    drop(anna);
    bora.say("chat:demo", "two").await;
    let mut anna = node.socket().await;
    let was_at = json!({ "recover": true, "epoch": epoch, "offset": 1 });
    let elsewhere = json!({ "recover": true, "epoch": "of-another-log", "offset": 1 });
    let params = json!({ "token": token, "subs": { "chat:demo": was_at, "room:demo": elsewhere } });
    let reply = anna.command("connect", params).await;
    let chat = &reply["connect"]["subs"]["chat:demo"];
    assert_eq!(publications(chat), [(2, "two".to_owned())]);
    assert_eq!(
        (&chat["recovered"], &chat["was_recovering"]),
        (&json!(true), &json!(true))
    );
    let room = &reply["connect"]["subs"]["room:demo"];
    assert_eq!(
        (&room["recovered"], &room["was_recovering"]),
        (&json!(null), &json!(true))
    );
    bora.say("chat:demo", "three").await;
    assert_eq!(anna.publication().await, (3, "three".to_owned()));
}

/// What comes behind the connect in one frame is obeyed after it, in order, although the connect has to wait.
#[tokio::test]
async fn commands_behind_a_connect_that_waits_are_put_off() {
    let node = Node::start(config()).await;
    let token = token(&node, "anna", &["chat:demo"]);
    let mut anna: Fan = node.socket().await;
    let connect = json!({ "id": 1, "connect": { "token": token } });
    let subscribe = json!({ "id": 2, "subscribe": { "channel": "chat:demo" } });
    let publish =
        json!({ "id": 3, "publish": { "channel": "chat:demo", "data": { "text": "hi" } } });
    anna.send(format!("{connect}\n{subscribe}\n{publish}"))
        .await;
    let first = anna.next().await.unwrap();
    assert!(first["connect"]["subs"]["chat:demo"].is_object(), "{first}");
    let second = anna.next().await.unwrap();
    assert_eq!(
        (&second["id"], &second["error"]["code"]),
        (&json!(2), &json!(105))
    );
    anna.reply(3).await;
}

#[tokio::test]
async fn who_is_banned_is_connected_without_the_channel() {
    let node = Node::start(config()).await;
    let mut mo = node.socket().await;
    mo.log_in(&node.token_of("mo", Role::Moderator, now() + 600_000))
        .await;
    mo.subscribe("room:demo").await;
    let ban = json!({ "method": "ban", "data": { "room": "demo", "user": "troll" } });
    let done = mo.command("rpc", ban).await;
    assert!(done["error"].is_null(), "{done}");
    let mut troll = node.socket().await;
    let connected = troll.log_in(&token(&node, "troll", &["chat:demo"])).await;
    assert!(connected["subs"]["chat:demo"].is_null(), "{connected}");
    let position = Position {
        epoch: "e".to_owned(),
        offset: 0,
    };
    let params =
        json!({ "channel": "chat:demo", "recover": true, "epoch": position.epoch, "offset": 0 });
    assert_eq!(troll.refused("subscribe", params).await, 103);
}

/// Where subscriptions need a token of their own: whose it is, for what, and how long it is good.
#[tokio::test]
async fn a_subscribe_token_permits_one_user_one_channel() {
    let node = Node::start(fanwave_gateway::GatewayConfig {
        subscribe_tokens: SubscribeTokens::Required,
        ..config()
    })
    .await;
    let permit = |user: &str, channel: &str, expires_at: Option<u64>| {
        node.key.issue_subscribe(&SubscribeClaims {
            user: UserId(user.into()),
            channel: channel.parse().expect("a channel"),
            expires_at: expires_at.map(UnixMillis),
        })
    };
    let mut anna = node.fan("anna").await;
    let chat = |token: String| json!({ "channel": "chat:demo", "token": token });
    assert_eq!(
        anna.refused("subscribe", json!({ "channel": "chat:demo" }))
            .await,
        103
    );
    for (token, code) in [
        (permit("bora", "chat:demo", None), 103),
        (permit("anna", "room:demo", None), 103),
        (node.token("anna"), 103),
        (permit("anna", "chat:demo", Some(now() - 10_000)), 109),
    ] {
        assert_eq!(anna.refused("subscribe", chat(token)).await, code);
    }
    let in_an_hour = permit("anna", "chat:demo", Some(now() + 3_600_000));
    let reply = anna.command("subscribe", chat(in_an_hour)).await;
    assert_eq!(reply["subscribe"]["expires"], true, "{reply}");
    let ttl = reply["subscribe"]["ttl"].as_u64().unwrap();
    assert!((3_590..=3_600).contains(&ttl), "{ttl}");

    let stale = permit("anna", "chat:demo", Some(now() - 10_000));
    assert_eq!(anna.refused("sub_refresh", chat(stale)).await, 109);
    let room = json!({ "channel": "room:demo", "token": permit("anna", "room:demo", None) });
    assert_eq!(anna.refused("sub_refresh", room).await, 103, "not followed");
    let longer = permit("anna", "chat:demo", Some(now() + 7_200_000));
    let reply = anna.command("sub_refresh", chat(longer)).await;
    assert!(
        reply["sub_refresh"]["ttl"].as_u64().unwrap() > 3_600,
        "{reply}"
    );
}

/// A subscription whose token ran out ends, and its connection stays.
#[tokio::test]
async fn a_subscription_lasts_as_long_as_its_token() {
    let node = Node::start(fanwave_gateway::GatewayConfig {
        subscribe_tokens: SubscribeTokens::Required,
        ping_interval: Duration::from_millis(200),
        pong_timeout: Duration::from_millis(150),
        expired_grace: Duration::ZERO,
        ..config()
    })
    .await;
    let token = node.key.issue_subscribe(&SubscribeClaims {
        user: UserId("anna".into()),
        channel: "chat:demo".parse().expect("a channel"),
        expires_at: Some(UnixMillis(now() + 2_000)),
    });
    let mut anna = node.fan("anna").await;
    let reply = anna
        .command(
            "subscribe",
            json!({ "channel": "chat:demo", "token": token }),
        )
        .await;
    assert!(reply["error"].is_null(), "{reply}");
    assert_eq!(anna.push().await["unsubscribe"]["code"], 2501);
    let stats = anna
        .command("presence_stats", json!({ "channel": "chat:demo" }))
        .await;
    assert!(stats["error"].is_null(), "{stats}");
}
