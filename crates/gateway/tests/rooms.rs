//! What a room makes of its fans: a readable sample, deletions that hold, bans, reactions, votes, languages.

mod support;

use std::time::Duration;

use fanwave_gateway::{GatewayConfig, Outcome, Return};
use fanwave_room::machine::Act;
use fanwave_wire::{
    Action, Channel, ClientMessageId, Role, RoomId, Sender, UnixMillis, UserId, token::Claims,
};
use serde_json::{Value, json};
use support::{Fan, Node, Position, config, now, offset_and_text, publications};

async fn moderator(node: &Node, channel: &str) -> Fan {
    let mut fan = node.socket().await;
    fan.log_in(&node.token_of("mo", Role::Moderator, now() + 600_000))
        .await;
    fan.subscribe(channel).await;
    fan
}

async fn rpc(fan: &mut Fan, method: &str, data: Value) -> Value {
    fan.command("rpc", json!({ "method": method, "data": data }))
        .await
}

/// The data of the next publication of a kind, whatever else comes before it.
async fn next_of_type(fan: &mut Fan, kind: &str) -> Value {
    loop {
        let push = fan.push().await;
        if push["pub"]["data"]["type"] == kind {
            return push["pub"]["data"].clone();
        }
    }
}

#[tokio::test]
async fn a_flood_is_sampled_and_counted_and_its_sender_sees_all_of_it() {
    let mut config = config();
    config.governor.shown_per_second = 10;
    let node = Node::start(config).await;
    let mut reader = node.follower("reader", "chat:demo").await;
    let mut flooder = node.follower("flooder", "chat:demo").await;
    for n in 1..=60_u64 {
        flooder.say("chat:demo", &format!("buy {n}")).await;
    }
    let mut own = Vec::new();
    while own.len() < 60 {
        let push = flooder.push().await;
        if push["pub"]["data"]["text"].is_string() {
            own.push(offset_and_text(&push["pub"]).0);
        }
    }
    own.sort_unstable();
    assert_eq!(own, (1..=60).collect::<Vec<_>>(), "each once");
    let (mut shown, mut more) = (0, 0);
    while shown + more < 60 {
        let data = reader.push().await["pub"]["data"].clone();
        if data["type"] == "more" {
            more += data["count"].as_u64().unwrap();
        } else {
            shown += 1;
        }
    }
    assert_eq!(shown + more, 60, "every message is shown or counted");
    assert!(more > 0 && shown > 0, "{shown} shown, {more} more");
}

#[tokio::test]
async fn what_is_deleted_is_in_no_history_and_no_recovery() {
    let node = Node::start(config()).await;
    let mut moderator = moderator(&node, "room:demo").await;
    let mut fan = node.follower("anna", "chat:demo").await;
    let start = Position {
        epoch: node
            .follower("bora", "chat:demo")
            .await
            .subscribe("room:demo")
            .await
            .epoch,
        offset: 0,
    };
    for text in ["one", "two", "three"] {
        fan.say("chat:demo", text).await;
    }
    let reply = rpc(
        &mut moderator,
        "delete",
        json!({ "room": "demo", "offset": 2 }),
    )
    .await;
    assert!(reply.get("error").is_none(), "{reply}");
    assert_eq!(next_of_type(&mut moderator, "deleted").await["offset"], 2);
    let mut late = node.fan("late").await;
    let position = late.subscribe("chat:demo").await;
    let history = late
        .command("history", json!({ "channel": "chat:demo", "limit": 10 }))
        .await;
    let texts = |result: &Value| -> Vec<String> {
        publications(result)
            .into_iter()
            .map(|(_, text)| text)
            .collect()
    };
    assert_eq!(texts(&history["history"]), ["one", "three"]);
    let mut back = node.fan("back").await;
    let from = Position {
        offset: start.offset,
        ..position
    };
    let result = back.recover("chat:demo", &from).await;
    assert_eq!(result["recovered"], true);
    assert_eq!(texts(&result), ["one", "three"]);
    assert_eq!(
        fan.refused(
            "rpc",
            json!({ "method": "delete", "data": { "room": "demo", "offset": 1 } })
        )
        .await,
        103
    );
}

#[tokio::test]
async fn whoever_is_banned_is_out_at_once_and_does_not_come_back() {
    let node = Node::start(config()).await;
    let mut moderator = moderator(&node, "room:demo").await;
    let mut troll = node.follower("troll", "chat:demo").await;
    let mut second_tab = node.follower("troll", "chat:demo").await;
    let mut other = node.follower("anna", "chat:demo").await;
    let reply = rpc(
        &mut moderator,
        "ban",
        json!({ "room": "demo", "user": "troll" }),
    )
    .await;
    assert!(reply.get("error").is_none(), "{reply}");
    assert_eq!(troll.closed().await, 3507);
    assert_eq!(second_tab.closed().await, 3507);
    let mut again = node.fan("troll").await;
    assert_eq!(
        again
            .refused("subscribe", json!({ "channel": "chat:demo" }))
            .await,
        103
    );
    let say = json!({ "channel": "chat:demo", "data": { "text": "let me in" } });
    assert_eq!(again.refused("publish", say).await, 103);
    assert_eq!(other.say("chat:demo", "still here").await, 1);
}

#[tokio::test]
async fn slow_mode_says_when_to_come_again() {
    let node = Node::start(config()).await;
    let mut moderator = moderator(&node, "room:demo").await;
    let mut fan = node.follower("anna", "chat:demo").await;
    let reply = rpc(
        &mut moderator,
        "mode",
        json!({ "room": "demo", "slow_seconds": 60 }),
    )
    .await;
    assert!(reply.get("error").is_none(), "{reply}");
    next_of_type(&mut moderator, "mode").await;
    fan.say("chat:demo", "first").await;
    let say = json!({ "channel": "chat:demo", "data": { "text": "second" } });
    let reply = fan.command("publish", say).await;
    assert_eq!(reply["error"]["code"], 111, "{reply}");
    assert!(
        reply["error"]["message"]
            .as_str()
            .unwrap()
            .contains("try again in"),
        "{reply}"
    );
}

#[tokio::test]
async fn taps_are_counted_once_and_votes_too() {
    let node = Node::start(config()).await;
    let mut moderator = moderator(&node, "room:demo").await;
    let mut fan = node.follower("anna", "chat:demo").await;
    let taps = json!({ "room": "demo", "batch": "b-1", "taps": { "heart": 3 } });
    for _ in 0..2 {
        let reply = rpc(&mut fan, "react", taps.clone()).await;
        assert!(reply.get("error").is_none(), "{reply}");
    }
    assert_eq!(
        next_of_type(&mut fan, "reactions").await["counts"]["heart"],
        3
    );
    let poll =
        json!({ "room": "demo", "id": "p1", "question": "Encore?", "choices": ["yes", "no"] });
    let reply = rpc(&mut moderator, "poll.open", poll).await;
    assert!(reply.get("error").is_none(), "{reply}");
    next_of_type(&mut moderator, "poll_opened").await;
    let vote = json!({ "room": "demo", "poll": "p1", "choice": 0 });
    rpc(&mut fan, "vote", vote.clone()).await;
    rpc(&mut fan, "vote", vote).await;
    assert_eq!(
        next_of_type(&mut fan, "tally").await["counts"],
        json!([1, 0])
    );
}

#[tokio::test]
async fn a_fan_reads_the_languages_they_chose() {
    let node = Node::start(config()).await;
    let mut korean = node.fan("ko").await;
    let params = json!({ "channel": "chat:demo", "data": { "languages": ["ko"] } });
    let reply = korean.command("subscribe", params).await;
    assert!(reply["subscribe"].is_object(), "{reply}");
    let mut writer = node.fan("writer").await;
    writer
        .say("chat:demo", "this is a sentence in the English language")
        .await;
    writer.say("chat:demo", "오늘 공연 정말 좋았어요").await;
    assert_eq!(korean.publication().await.0, 2);
    let reply = rpc(
        &mut korean,
        "follow",
        json!({ "room": "demo", "languages": "all" }),
    )
    .await;
    assert!(reply.get("error").is_none(), "{reply}");
    writer
        .say("chat:demo", "another sentence in the English language")
        .await;
    assert_eq!(korean.publication().await.0, 3);
}

#[tokio::test]
async fn the_staffs_lane_is_closed_to_fans_and_the_ballot_box_to_everybody() {
    let node = Node::start(config()).await;
    let mut fan = node.fan("anna").await;
    assert_eq!(
        fan.refused("subscribe", json!({ "channel": "staff:demo" }))
            .await,
        103
    );
    assert_eq!(
        fan.refused("subscribe", json!({ "channel": "vote:demo" }))
            .await,
        102
    );
    let mut moderator = moderator(&node, "staff:demo").await;
    assert_eq!(
        moderator
            .refused("subscribe", json!({ "channel": "vote:demo" }))
            .await,
        102
    );
}

#[tokio::test]
async fn a_slow_reader_of_the_chat_skips_ahead_and_is_told() {
    let node = Node::start(GatewayConfig {
        room_log_bytes: 20_000,
        socket_send_bytes: 4096,
        tick: Duration::from_millis(1),
        ..config()
    })
    .await;
    let mut slow = node.narrow_socket().await;
    slow.log_in(&node.token("slow")).await;
    slow.subscribe("chat:demo").await;
    let mut quick = node.follower("quick", "chat:demo").await;
    let mut writer = node.fan("writer").await;
    for n in 1..=400_u64 {
        let text = format!("{n} {}", "x".repeat(490));
        assert_eq!(writer.say("chat:demo", &text).await, n);
        assert_eq!(quick.publication().await.0, n);
    }
    let (mut read, mut missed) = (0, 0);
    while read + missed < 400 {
        let publication = slow.push().await["pub"].clone();
        if publication["data"]["type"] == "missed" {
            missed += publication["data"]["count"].as_u64().unwrap();
        } else {
            read += 1;
        }
    }
    assert_eq!(read + missed, 400, "what was not sent is counted");
    assert!(missed > 200, "{missed}");
}

fn desk() -> Sender {
    Sender::new(UserId("desk".into()), "Desk", Role::Staff)
}

#[tokio::test]
async fn a_user_is_sent_away_whatever_they_follow() {
    let node = Node::start(config()).await;
    let mut in_a_room = node.follower("anna", "chat:demo").await;
    let mut in_none = node.fan("anna").await;
    let mut other = node.follower("bora", "chat:demo").await;
    let dismiss = async |id: &str, back| {
        let whom = (UserId("anna".into()), back);
        let id = ClientMessageId(id.into());
        node.gateway.dismiss(id, desk(), whom).await.unwrap()
    };
    dismiss("d1", Return::Unwanted).await;
    let codes = (in_a_room.closed().await, in_none.closed().await);
    assert_eq!(codes, (3503, 3503), "and they stay away");
    let mut again = node.fan("anna").await;
    dismiss("d2", Return::Welcome).await;
    assert_eq!(again.closed().await, 3011, "and they come back");
    other.say("chat:demo", "still here").await;
}

#[tokio::test]
async fn whoever_is_to_come_back_with_a_new_token_cannot_with_an_old_one() {
    let node = Node::start(config()).await;
    let old = node.token("anna");
    let mut anna = node.fan("anna").await;
    let (mut refreshed, mut other) = (
        node.fan("anna").await,
        node.follower("bora", "chat:demo").await,
    );
    let whom = (
        UserId("anna".into()),
        Return::Anew(Duration::from_secs(300)),
    );
    let id = ClientMessageId("d1".into());
    node.gateway.dismiss(id, desk(), whom).await.unwrap();
    assert_eq!(
        (anna.closed().await, refreshed.closed().await),
        (3011, 3011)
    );
    let mut again = node.socket().await;
    let refusal = again.refused("connect", json!({ "token": old })).await;
    assert_eq!(
        refusal, 109,
        "as if it had expired: a client gets a new one"
    );
    // It says to the second when it was made.
    let made = UnixMillis(now() + 1_000);
    let sender = Sender::new(UserId("anna".into()), "anna", Role::Fan);
    let claims = Claims::new(sender, made, UnixMillis(now() + 3_600_000)).unwrap();
    let mut anew = node.socket().await;
    anew.log_in(&node.key.issue(&claims)).await;
    other.say("chat:demo", "still here").await;
}

#[tokio::test]
async fn a_room_is_asked_without_a_socket() {
    let node = Node::start(config()).await;
    let room: RoomId = "demo".parse().unwrap();
    let channel: Channel = "room:demo".parse().unwrap();
    let mut anna = node.follower("anna", "room:demo").await;
    let act = Act {
        sender: desk(),
        follows_since: None,
        id: ClientMessageId("b1".into()),
        action: Action::Ban {
            user: UserId("bora".into()),
            seconds: None,
        },
    };
    let outcome = node.gateway.act(&room, act).await;
    let Outcome::Stored { ack, .. } = outcome else {
        panic!("{outcome:?}");
    };
    next_of_type(&mut anna, "banned").await;
    node.gateway.catch_up(&channel, ack.offset).await.unwrap();
    let (policy, _) = node.gateway.rules(&room).await.unwrap();
    let bans: Vec<_> = policy.bans(UnixMillis(now())).collect();
    assert_eq!(bans.len(), 1);
    assert_eq!(
        (&*bans[0].1.author.0, bans[0].1.event),
        ("desk", ack.offset)
    );
    assert_eq!(node.gateway.followers(&channel).here.num_users, 1);
    let page = node.gateway.followers_page(&channel, None, 10);
    assert_eq!(page.users, [(UserId("anna".into()), 1)]);
}
