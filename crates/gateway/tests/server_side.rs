//! Channels that a token names: followed from the connect on, without being asked for.

mod support;

use fanwave_wire::{Channel, Role, Sender, UnixMillis, UserId, token::Claims};
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
