//! What a back end asks for.

use super::{
    platform::{ALL, ISSUER, PUBLISHER, Platform, token},
    *,
};

fn platform() -> Arc<Platform> {
    Arc::default()
}

#[tokio::test]
async fn a_message_that_is_published_twice_is_one() {
    let platform = platform();
    let message = json!({"id": "order-1", "text": "sold out", "lane": "room"});
    let path = ("POST", "/channels/demo/publish");
    let first = platform.ask(PUBLISHER, path, Some(message.clone())).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
    assert_eq!(
        (&first.body["offset"], &first.body["duplicate"]),
        (&json!(1), &json!(false))
    );
    let again = platform.ask(PUBLISHER, path, Some(message)).await;
    assert_eq!(
        (&again.body["offset"], &again.body["duplicate"]),
        (&json!(1), &json!(true))
    );
    let page = platform.get("/channels/demo/messages?lane=room").await.body;
    assert_eq!(page["messages"][0]["user"], "api:shop");
    assert_eq!(page["messages"][0]["role"], "staff");
}

#[tokio::test]
async fn a_batch_is_answered_one_by_one_and_in_its_order() {
    let platform = platform();
    platform
        .post("/channels/demo/users/bo/ban", json!({}))
        .await;
    let say = |id: &str, user: &str| json!({"id": id, "text": format!("{id} of {user}"), "sender": {"user": user, "name": "N"}});
    let batch = json!({"messages": [
        say("1", "ana"), say("2", "bo"), say("3", "ana"), {"id": "4", "text": "x", "sender": {"user": ""}},
    ]});
    let answer = platform.post("/channels/demo/publish", batch).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let results = answer.body["results"].as_array().unwrap();
    assert_eq!(
        (&results[0]["id"], &results[0]["offset"]),
        (&json!("1"), &json!(1))
    );
    assert_eq!(results[1]["problem"]["code"], "banned");
    assert_eq!(
        (&results[2]["id"], &results[2]["offset"]),
        (&json!("3"), &json!(2))
    );
    assert_eq!(
        (
            &results[3]["problem"]["status"],
            &results[3]["problem"]["code"]
        ),
        (&json!(422), &json!("person_refused"))
    );
    for (body, part) in [
        (json!({"messages": []}), "1 to 100"),
        (json!({"messages": vec![say("1", "ana"); 101]}), "1 to 100"),
        (json!({"messages": {}}), "sequence"),
        (
            json!({"messages": [say("1", "ana")], "id": "1"}),
            "unknown field",
        ),
        (json!({"messages": [say("1", "ana"), {"id": "2"}]}), "text"),
        (
            json!({"messages": [say("1", "ana"), say("", "ana")]}),
            "1 to 64",
        ),
        (json!({"text": "no id"}), "id"),
        (
            json!({"id": "x", "text": "y", "lane": "staff"}),
            "unknown variant",
        ),
    ] {
        let answer = platform.post("/channels/demo/publish", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{detail}");
    }
}

#[tokio::test]
async fn a_broadcast_is_answered_for_each_room() {
    let platform = platform();
    let message = json!({"channels": ["demo", "nowhere", "second"], "id": "b1", "text": "five minutes", "lane": "room"});
    let answer = platform.post("/broadcast", message.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let results = answer.body["results"].as_array().unwrap();
    assert_eq!(
        (&results[0]["channel"], &results[0]["offset"]),
        (&json!("demo"), &json!(1))
    );
    assert_eq!(
        (&results[1]["channel"], &results[1]["problem"]["code"]),
        (&json!("nowhere"), &json!("unknown_channel"))
    );
    assert_eq!(
        (&results[2]["channel"], &results[2]["duplicate"]),
        (&json!("second"), &json!(false))
    );
    let again = platform.post("/broadcast", message).await.body;
    assert_eq!(again["results"][0]["duplicate"], true);
    let nowhere = platform
        .post(
            "/broadcast",
            json!({"channels": [], "id": "b", "text": "x"}),
        )
        .await;
    assert_eq!(nowhere.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_token_is_made_within_its_bounds() {
    let platform = platform();
    let ask = json!({"user": "u-42", "name": "Mina", "rooms": ["demo"], "ttl_seconds": 600, "badge": "VIP"});
    let answer = platform.ask(ISSUER, ("POST", "/tokens"), Some(ask)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    assert_eq!(answer.body["expires_at"], NOW.0 + 600_000);
    let claims = key()
        .verify(answer.body["token"].as_str().unwrap(), NOW)
        .unwrap();
    assert_eq!(
        (&*claims.sender().user.0, &*claims.sender().name),
        ("u-42", "Mina")
    );
    let channels: Vec<_> = claims.channels().iter().map(ToString::to_string).collect();
    assert_eq!(channels, ["room:demo", "chat:demo"]);
    for (body, expected) in [
        (
            json!({"user": "u", "ttl_seconds": 86_401}),
            (422, "token_impossible"),
        ),
        (
            json!({"user": "u", "ttl_seconds": 0}),
            (422, "token_impossible"),
        ),
        (
            json!({"user": "u", "rooms": ["nowhere"]}),
            (404, "unknown_channel"),
        ),
        (
            json!({"user": "u", "rooms": vec!["demo"; 9]}),
            (422, "token_impossible"),
        ),
        (json!({"user": ""}), (422, "person_refused")),
        (
            json!({"user": "u", "name": "\u{202E}x"}),
            (422, "person_refused"),
        ),
        (
            json!({"user": "u", "role": "staff"}),
            (403, "scope_missing"),
        ),
        (json!({"user": "u", "rol": "fan"}), (400, "malformed_body")),
    ] {
        let answer = platform
            .ask(ISSUER, ("POST", "/tokens"), Some(body.clone()))
            .await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["code"]),
            (expected.0, &json!(expected.1)),
            "{body}"
        );
    }
    let staff = platform
        .post("/tokens", json!({"user": "u", "role": "staff"}))
        .await;
    assert_eq!(staff.status, StatusCode::CREATED);
    let refused = platform
        .ask(PUBLISHER, ("POST", "/tokens"), Some(json!({"user": "u"})))
        .await;
    assert_eq!(refused.body["code"], "scope_missing");
}

#[tokio::test]
async fn a_user_is_disconnected_by_who_may() {
    let platform = platform();
    let path = "/users/u-42/disconnect";
    let answer = platform
        .post(&format!("{path}?actor=kim"), json!({"reconnect": true}))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let staff = token("boss", Role::Staff);
    assert_eq!(
        platform.ask(&staff, ("POST", path), None).await.status,
        StatusCode::OK
    );
    let dismissed = platform.dismissed();
    let told: Vec<_> = dismissed
        .iter()
        .map(|it| (&*it.by.user.0, &*it.user.0, it.comes_back))
        .collect();
    assert_eq!(told, [("kim", "u-42", true), ("boss", "u-42", false)]);
    let moderator = token("kim", Role::Moderator);
    assert_eq!(
        platform.ask(&moderator, ("POST", path), None).await.body["code"],
        "not_staff"
    );
    assert_eq!(
        platform.ask(PUBLISHER, ("POST", path), None).await.body["code"],
        "scope_missing"
    );
    platform.break_log();
    assert_eq!(
        platform.ask(ALL, ("POST", path), None).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn presence_tells_what_is_exact_and_what_is_heard() {
    let platform = platform();
    for user in ["bo", "ana", "ana"] {
        platform.join(user);
    }
    let present = platform
        .ask(ISSUER, ("GET", "/channels/demo/presence?limit=1"), None)
        .await
        .body;
    assert_eq!(present["here"], json!({"connections": 3, "users": 2}));
    assert_eq!(
        present["everywhere"],
        json!({"connections": 43, "users": 32})
    );
    assert_eq!(present["users"], json!([{"user": "ana", "connections": 2}]));
    assert_eq!(present["next_after"], "ana");
    let rest = platform.get("/channels/demo/presence?after=ana").await.body;
    assert_eq!(
        (&rest["users"][0]["user"], &rest["next_after"]),
        (&json!("bo"), &Value::Null)
    );
    let stats = platform.get("/channels/demo/stats").await.body;
    assert_eq!(
        (&stats["chat"]["here"]["users"], &stats["servers"]),
        (&json!(2), &json!(2))
    );
    let refused = platform
        .ask(PUBLISHER, ("GET", "/channels/demo/stats"), None)
        .await;
    assert_eq!(refused.body["code"], "scope_missing");
    let malformed = platform.get("/channels/demo/presence?limit=101").await;
    assert_eq!(malformed.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_key_may_be_shown_in_a_header_of_its_own_and_is_never_repeated() {
    let platform = platform();
    let ask = async |key: &str| {
        let request = Request::get("/api/v1/channels/demo/stats").header("X-API-Key", key);
        call(platform.app(), request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(ask(ISSUER).await.status, StatusCode::OK);
    let refused = ask("canary-key-of-nobody-at-all").await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["code"]),
        (401, &json!("key_refused"))
    );
    assert!(!refused.body.to_string().contains("canary"));
    let bare = Request::get("/api/v1/channels/demo/stats")
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        call(platform.app(), bare).await.body["code"],
        "token_missing"
    );
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let platform = platform();
    let text = "x".repeat(limits::PUBLISH_BODY_BYTES_MAX);
    let answer = platform
        .post("/channels/demo/publish", json!({"id": "1", "text": text}))
        .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}
