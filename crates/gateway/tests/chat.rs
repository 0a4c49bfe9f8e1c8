//! Fans connect, follow a room, say things and read what was said.

mod support;

use fanwave_wire::Role;
use serde_json::json;
use support::{Node, config, now, publications};

#[tokio::test]
async fn two_fans_see_each_others_messages_in_one_order() {
    let node = Node::start(config()).await;
    let mut anna = node.follower("anna", "chat:demo").await;
    let mut bora = node.follower("bora", "chat:demo").await;
    for round in 0..20 {
        anna.say("chat:demo", &format!("anna {round}")).await;
        bora.say("chat:demo", &format!("bora {round}")).await;
    }
    let mut expected = Vec::new();
    for round in 0..20 {
        expected.push((round * 2 + 1, format!("anna {round}")));
        expected.push((round * 2 + 2, format!("bora {round}")));
    }
    for fan in [&mut anna, &mut bora] {
        for said in &expected {
            assert_eq!(fan.publication().await, *said);
        }
    }
}

#[tokio::test]
async fn commands_of_one_frame_are_all_obeyed_and_publishes_keep_their_order() {
    let node = Node::start(config()).await;
    let mut fan = node.socket().await;
    let mut frame = format!(
        r#"{{"id":1,"connect":{{"token":"{}"}}}}"#,
        node.token("anna")
    );
    frame.push_str("\n{\"id\":2,\"subscribe\":{\"channel\":\"chat:demo\"}}");
    for id in 3..13 {
        let line = json!({ "id": id, "publish": { "channel": "chat:demo", "data": { "text": id.to_string() } } });
        frame.push('\n');
        frame.push_str(&line.to_string());
    }
    fan.send(frame).await;
    for id in 1..13 {
        let reply = fan.reply(id).await;
        assert!(reply.get("error").is_none(), "{reply}");
    }
    for id in 3..13_u64 {
        assert_eq!(fan.publication().await, (id - 2, id.to_string()));
    }
}

#[tokio::test]
async fn a_message_says_who_wrote_it() {
    let node = Node::start(config()).await;
    let mut artist = node.socket().await;
    artist
        .log_in(&node.token_of("moon", Role::Artist, now() + 60_000))
        .await;
    artist.subscribe("room:demo").await;
    let data = json!({ "channel": "room:demo", "id": "m-1", "text": " 사랑해 \n" });
    let sent = artist
        .command("rpc", json!({ "method": "send", "data": data }))
        .await;
    let sent = &sent["rpc"]["data"];
    assert_eq!(
        (&sent["offset"], &sent["id"], &sent["duplicate"]),
        (&json!(1), &json!("m-1"), &json!(false))
    );
    let publication = artist.push().await["pub"].clone();
    assert_eq!(publication["data"]["text"], "사랑해");
    assert_eq!(publication["data"]["role"], "artist");
    assert_eq!(publication["data"]["at"], sent["at"]);
    assert_eq!(publication["info"]["user"], "moon");

    // The same message again, after an answer that was lost: one message, its first place.
    let again = artist
        .command("rpc", json!({ "method": "send", "data": data }))
        .await;
    assert_eq!(again["rpc"]["data"]["offset"], 1);
    assert_eq!(again["rpc"]["data"]["duplicate"], true);
    assert_eq!(artist.say("room:demo", "next").await, 2);
}

#[tokio::test]
async fn what_may_not_be_is_refused_and_the_connection_stays() {
    let node = Node::start(config()).await;
    let mut fan = node.follower("anna", "chat:demo").await;
    let text = |channel: &str, text: &str| json!({ "channel": channel, "data": { "text": text } });
    let cases = [
        ("publish", text("room:demo", "fans may not"), 103),
        ("publish", text("chat:demo", " \n "), 107),
        ("publish", text("chat:demo", &"x".repeat(501)), 106),
        (
            "publish",
            json!({ "channel": "chat:demo", "data": [1] }),
            107,
        ),
        ("publish", text("mail:demo", "no such lane"), 102),
        ("subscribe", json!({ "channel": "chat:demo" }), 105),
        ("subscribe", json!({ "channel": "chat:no/such" }), 102),
        ("rpc", json!({ "method": "format_disk" }), 104),
        (
            "sub_refresh",
            json!({ "channel": "chat:demo", "token": "x" }),
            108,
        ),
        ("dance", json!({}), 104),
    ];
    for (method, params, code) in cases {
        assert_eq!(
            fan.refused(method, params.clone()).await,
            code,
            "{method} {params}"
        );
    }
    assert_eq!(fan.say("chat:demo", "still here").await, 1);
}

#[tokio::test]
async fn a_fan_with_two_tabs_has_one_allowance() {
    let mut config = config();
    config.rules.refill = std::time::Duration::from_secs(3_600);
    config.rules.burst = 3.try_into().unwrap();
    let node = Node::start(config).await;
    let mut tab = node.fan("anna").await;
    let mut other_tab = node.fan("anna").await;
    let mut bora = node.fan("bora").await;
    tab.say("chat:demo", "one").await;
    other_tab.say("chat:demo", "two").await;
    tab.say("chat:demo", "three").await;
    let more = json!({ "channel": "chat:demo", "data": { "text": "four" } });
    for tab in [&mut tab, &mut other_tab] {
        let reply = tab.command("publish", more.clone()).await;
        assert_eq!(reply["error"]["code"], 111);
        assert_eq!(reply["error"]["temporary"], true);
    }
    bora.say("chat:demo", "unaffected").await;
}

#[tokio::test]
async fn subscriptions_are_bounded_and_can_be_ended() {
    let node = Node::start(config()).await;
    let mut fan = node.fan("anna").await;
    for room in 0..16 {
        fan.subscribe(&format!("chat:{room}")).await;
    }
    assert_eq!(
        fan.refused("subscribe", json!({ "channel": "chat:16" }))
            .await,
        106
    );
    let ended = fan
        .command("unsubscribe", json!({ "channel": "chat:3" }))
        .await;
    assert!(ended["unsubscribe"].is_object(), "{ended}");
    fan.subscribe("chat:16").await;
    let mut bora = node.fan("bora").await;
    bora.say("chat:3", "not for anna").await;
    bora.say("chat:16", "for anna").await;
    assert_eq!(fan.push().await["channel"], "chat:16");
    // The channel was closed with its last follower, and opens again.
    fan.command("unsubscribe", json!({ "channel": "chat:16" }))
        .await;
    assert_eq!(fan.subscribe("chat:3").await.offset, 1);
}

#[tokio::test]
async fn only_the_rooms_there_are_can_be_followed() {
    let rooms = fanwave_gateway::Rooms::Only(["demo".parse().unwrap()].into());
    let node = Node::start(fanwave_gateway::GatewayConfig { rooms, ..config() }).await;
    let mut fan = node.follower("anna", "chat:demo").await;
    assert_eq!(
        fan.refused("subscribe", json!({ "channel": "chat:other" }))
            .await,
        102
    );
    let data = json!({ "channel": "chat:other", "data": { "text": "hello" } });
    assert_eq!(fan.refused("publish", data).await, 102);
}

#[tokio::test]
async fn history_is_read_in_pages_both_ways() {
    let node = Node::start(config()).await;
    let mut fan = node.fan("anna").await;
    for n in 1..=30 {
        fan.say("chat:demo", &n.to_string()).await;
    }
    // First from the log, then from the window of a room that is open here.
    for _ in 0..2 {
        let newest = fan
            .command(
                "history",
                json!({ "channel": "chat:demo", "limit": 3, "reverse": true }),
            )
            .await;
        let newest = &newest["history"];
        assert_eq!(
            publications(newest)
                .iter()
                .map(|(offset, _)| *offset)
                .collect::<Vec<_>>(),
            [30, 29, 28]
        );
        assert_eq!(newest["offset"], 30);
        let since = json!({ "offset": 10, "epoch": newest["epoch"] });
        let page = fan
            .command(
                "history",
                json!({ "channel": "chat:demo", "limit": 2, "since": since }),
            )
            .await;
        assert_eq!(
            publications(&page["history"]),
            [(11, "11".to_owned()), (12, "12".to_owned())]
        );
        let head = fan
            .command("history", json!({ "channel": "chat:demo" }))
            .await;
        assert_eq!(
            (
                publications(&head["history"]).len(),
                &head["history"]["offset"]
            ),
            (0, &json!(30))
        );
        let foreign = json!({ "channel": "chat:demo", "limit": 2, "since": { "offset": 1, "epoch": "another" } });
        assert_eq!(fan.refused("history", foreign).await, 112);
        fan.command("subscribe", json!({ "channel": "chat:demo" }))
            .await;
    }
}

#[tokio::test]
async fn presence_counts_everybody_and_lists_some() {
    let node = Node::start(config()).await;
    let mut anna = node.follower("anna", "chat:demo").await;
    let mut second = node.follower("anna", "chat:demo").await;
    let _bora = node.follower("bora", "chat:demo").await;
    let stats = anna
        .command("presence_stats", json!({ "channel": "chat:demo" }))
        .await;
    assert_eq!(
        stats["presence_stats"],
        json!({ "num_clients": 3, "num_users": 2 })
    );
    let list = anna
        .command("presence", json!({ "channel": "chat:demo" }))
        .await;
    let mut users: Vec<_> = list["presence"]["presence"]
        .as_object()
        .unwrap()
        .values()
        .map(|info| info["user"].clone())
        .collect();
    users.sort_by_key(ToString::to_string);
    assert_eq!(users, ["anna", "anna", "bora"]);
    second
        .command("unsubscribe", json!({ "channel": "chat:demo" }))
        .await;
    let stats = anna
        .command("presence_stats", json!({ "channel": "chat:demo" }))
        .await;
    assert_eq!(
        stats["presence_stats"],
        json!({ "num_clients": 2, "num_users": 2 })
    );

    let mut crowd = Vec::new();
    for n in 0..63 {
        crowd.push(node.follower(&format!("fan-{n}"), "chat:demo").await);
    }
    let list = anna
        .command("presence", json!({ "channel": "chat:demo" }))
        .await;
    let sample = list["presence"]["presence"].as_object().unwrap().len();
    assert_eq!(sample, 64, "of 65");
}

#[tokio::test]
async fn a_token_says_who_may_come_in_and_for_how_long() {
    let node = Node::start(config()).await;
    let mut fan = node.socket().await;
    assert_eq!(fan.refused("connect", json!({})).await, 101);
    let expired = node.token_of("anna", Role::Fan, now() - 10_000);
    assert_eq!(
        fan.refused("connect", json!({ "token": expired })).await,
        109
    );
    let connected = fan.log_in(&node.token("anna")).await;
    assert_eq!(
        (
            &connected["ping"],
            &connected["pong"],
            &connected["expires"]
        ),
        (&json!(25), &json!(true), &json!(true))
    );
    assert!(
        (3_500..=3_600).contains(&connected["ttl"].as_u64().unwrap()),
        "{connected}"
    );

    let longer = node.token_of("anna", Role::Fan, now() + 7_200_000);
    let refreshed = fan.command("refresh", json!({ "token": longer })).await;
    assert!(
        refreshed["refresh"]["ttl"].as_u64().unwrap() > 7_000,
        "{refreshed}"
    );
    fan.ask("refresh", json!({ "token": node.token("bora") }))
        .await;
    assert_eq!(
        fan.closed().await,
        3500,
        "another user needs a connection of their own"
    );

    let mut forger = node.socket().await;
    forger
        .ask("connect", json!({ "token": "e30.e30.e30" }))
        .await;
    assert_eq!(forger.closed().await, 3500);
}

/// Whoever asks for it is told who comes and goes, whichever reactor they are on; nobody else is.
#[tokio::test]
async fn joins_and_leaves_are_told_to_who_asks() {
    let node = Node::start(config()).await;
    let mut host = node.fan("host").await;
    host.command(
        "subscribe",
        json!({ "channel": "chat:demo", "join_leave": true }),
    )
    .await;
    assert_eq!(host.push().await["join"]["info"]["user"], "host");
    let mut incurious = node.follower("anna", "chat:demo").await;
    let mut bora = node.follower("bora", "chat:demo").await;
    for user in ["anna", "bora"] {
        let push = host.push().await;
        assert_eq!(push["join"]["info"]["user"], user);
        assert_eq!(push["join"]["info"]["conn_info"]["name"], user);
    }
    bora.command("unsubscribe", json!({ "channel": "chat:demo" }))
        .await;
    assert_eq!(host.push().await["leave"]["info"]["user"], "bora");
    host.say("chat:demo", "hi").await;
    assert_eq!(
        incurious.publication().await.1,
        "hi",
        "and nothing before it"
    );
}
