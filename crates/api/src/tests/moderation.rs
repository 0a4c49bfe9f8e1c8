//! What moderators do over HTTP, and how it is undone.

use super::{
    platform::{ALL, ISSUER, PUBLISHER, Platform, token},
    *,
};

fn platform() -> Arc<Platform> {
    Arc::default()
}

async fn say(platform: &Arc<Platform>, user: &str, id: &str, text: &str) -> Answer {
    let message = json!({"id": id, "text": text, "sender": {"user": user}});
    platform.post("/channels/demo/publish", message).await
}

async fn act(platform: &Arc<Platform>, path: &str, body: Value) -> String {
    let answer = platform.post(path, body).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.body);
    answer.body["act"].as_str().unwrap().to_owned()
}

async fn undo(platform: &Arc<Platform>, act: &str) -> Answer {
    let path = format!("/channels/demo/audit/{act}/undo");
    platform.ask(ALL, ("POST", &path), None).await
}

async fn acts(platform: &Arc<Platform>) -> Vec<Value> {
    let page = platform.get("/channels/demo/audit").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    page.body["acts"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_ban_binds_until_it_is_undone_and_all_of_it_is_in_the_audit() {
    let platform = platform();
    assert_eq!(say(&platform, "ana", "m1", "hello").await.status, 201);
    let path = "/channels/demo/users/ana/ban?actor=kim&actor_name=Kim";
    let ban = act(&platform, path, json!({"seconds": 600})).await;
    let refused = say(&platform, "ana", "m2", "again").await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["code"]),
        (403, &json!("banned"))
    );
    let bans = platform.get("/channels/demo/bans").await.body;
    assert_eq!(
        bans["penalties"],
        json!([{"user": "ana", "until": NOW.0 + 600_000, "by": "kim", "by_role": "moderator", "offset": 1}])
    );
    let rules = platform.get("/channels/demo/moderation").await.body;
    assert_eq!((&rules["bans"], &rules["mutes"]), (&json!(1), &json!(0)));

    let undone = undo(&platform, &ban).await;
    assert_eq!(undone.status, StatusCode::OK, "{}", undone.body);
    assert_eq!(say(&platform, "ana", "m2", "again").await.status, 201);
    let acts = acts(&platform).await;
    assert_eq!(acts.len(), 2);
    assert_eq!(acts[1]["action"], "banned");
    assert_eq!(
        acts[1]["by"],
        json!({"user": "kim", "name": "Kim", "role": "moderator"})
    );
    assert_eq!(acts[1]["undone_by"], undone.body["act"]);
    assert_eq!(acts[0]["undoes"], json!(ban));
    assert_eq!(acts[0]["by"]["user"], "api:all");
    let again = undo(&platform, &ban).await;
    assert_eq!(
        (again.status.as_u16(), &again.body["code"]),
        (409, &json!("already_undone"))
    );
}

#[tokio::test]
async fn a_deleted_message_is_gone_and_cannot_come_back() {
    let platform = platform();
    say(&platform, "ana", "m1", "spoiler").await;
    let deleted = platform
        .ask(ALL, ("DELETE", "/channels/demo/messages/1"), None)
        .await;
    assert_eq!(deleted.status, StatusCode::OK, "{}", deleted.body);
    let history = platform.get("/channels/demo/messages").await.body;
    assert_eq!(history["messages"], json!([]));
    let refused = undo(&platform, deleted.body["act"].as_str().unwrap()).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["code"]),
        (409, &json!("text_is_gone"))
    );
    for unknown in ["/channels/demo/messages/9", "/channels/demo/messages/x"] {
        let answer = platform.ask(ALL, ("DELETE", unknown), None).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}");
    }
    let cleared = act(&platform, "/channels/demo/users/ana/clear", json!({})).await;
    assert_eq!(undo(&platform, &cleared).await.body["code"], "text_is_gone");
}

#[tokio::test]
async fn slow_mode_is_put_and_the_former_comes_back() {
    let platform = platform();
    let put = async |settings: Value| {
        let path = ("PUT", "/channels/demo/settings");
        platform.ask(ALL, path, Some(settings)).await
    };
    put(json!({"slow_seconds": 5})).await;
    let slower = put(json!({"slow_seconds": 30, "emoji_only": true}))
        .await
        .body;
    let settings = async || platform.get("/channels/demo/settings").await.body;
    assert_eq!(settings().await["slow_seconds"], 30);
    assert_eq!(settings().await["emoji_only"], true);
    let undone = undo(&platform, slower["act"].as_str().unwrap()).await;
    assert_eq!(undone.status, StatusCode::OK, "{}", undone.body);
    assert_eq!(settings().await["slow_seconds"], 5);
    assert_eq!(settings().await["emoji_only"], false);
    let refused = put(json!({"slow_seconds": 99_999})).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["code"]),
        (422, &json!("argument_refused"))
    );
    say(&platform, "ana", "m1", "one").await;
    let too_fast = say(&platform, "ana", "m2", "two").await;
    assert_eq!(
        (too_fast.status.as_u16(), &too_fast.body["code"]),
        (429, &json!("too_fast"))
    );
}

#[tokio::test]
async fn pins_polls_and_announcements_are_acts() {
    let platform = platform();
    let pin = json!({"id": "p1", "text": "Encore at nine"});
    act(&platform, "/channels/demo/pins", pin).await;
    let poll = json!({"id": "q1", "question": "Which?", "choices": ["a", "b"]});
    act(&platform, "/channels/demo/polls", poll).await;
    let rules = platform.get("/channels/demo/moderation").await.body;
    assert_eq!(rules["pins"][0]["text"], "Encore at nine");
    assert_eq!(
        (&rules["polls"][0]["poll"], &rules["polls"][0]["counts"]),
        (&json!("q1"), &json!([0, 0]))
    );
    let unpinned = platform
        .ask(ALL, ("DELETE", "/channels/demo/pins/p1"), None)
        .await
        .body;
    assert_eq!(
        undo(&platform, unpinned["act"].as_str().unwrap())
            .await
            .status,
        200
    );
    let closed = act(&platform, "/channels/demo/polls/q1/close", json!({})).await;
    assert_eq!(undo(&platform, &closed).await.body["code"], "not_undoable");
    let words = json!({"id": "a1", "text": "Doors are open"});
    act(&platform, "/channels/demo/announcements", words.clone()).await;
    let again = platform.post("/channels/demo/announcements", words).await;
    assert_eq!(again.body["duplicate"], true);
    let names: Vec<_> = acts(&platform)
        .await
        .iter()
        .map(|act| act["action"].clone())
        .collect();
    let expected = [
        "announced",
        "poll_closed",
        "pinned",
        "unpinned",
        "poll_opened",
        "pinned",
    ];
    assert_eq!(names, expected);
    let page = platform.get("/channels/demo/audit?limit=2").await.body;
    assert_eq!(
        (page["acts"].as_array().unwrap().len(), &page["next_before"]),
        (2, &json!(5))
    );
    let rest = platform.get("/channels/demo/audit?before=5").await.body;
    assert_eq!(
        (rest["acts"].as_array().unwrap().len(), &rest["next_before"]),
        (4, &Value::Null)
    );
}

#[tokio::test]
async fn what_was_changed_since_is_not_undone() {
    let platform = platform();
    let mute = act(&platform, "/channels/demo/users/ana/mute", json!({})).await;
    let later = act(
        &platform,
        "/channels/demo/users/ana/mute",
        json!({"seconds": 60}),
    )
    .await;
    let refused = undo(&platform, &mute).await.body;
    assert_eq!(refused["code"], "superseded");
    assert!(
        refused["detail"].as_str().unwrap().contains(&later),
        "{refused}"
    );
    act(&platform, "/channels/demo/users/ana/pardon", json!({})).await;
    for unknown in ["room-99-e1", "room-1-e2", "chat-1-e1", "x"] {
        let answer = undo(&platform, unknown).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["code"]),
            (404, &json!("unknown_act")),
            "{unknown}"
        );
    }
}

#[tokio::test]
async fn who_may_moderate_is_asked_of_keys_and_tokens() {
    let platform = platform();
    let path = "/channels/demo/users/ana/mute";
    let try_as = async |shown: &str, path: &str| {
        let answer = platform.ask(shown, ("POST", path), Some(json!({}))).await;
        (answer.status.as_u16(), answer.body["code"].clone())
    };
    assert_eq!(try_as(PUBLISHER, path).await, (403, json!("scope_missing")));
    assert_eq!(
        try_as("canary-key-of-nobody-at-all", path).await,
        (401, json!("token_refused"))
    );
    let fan = token("fan", Role::Fan);
    assert_eq!(try_as(&fan, path).await, (403, json!("not_moderator")));
    let moderator = token("kim", Role::Moderator);
    assert_eq!(try_as(&moderator, path).await, (200, Value::Null));
    let as_another = format!("{path}?actor=boss");
    assert_eq!(
        try_as(&moderator, &as_another).await,
        (403, json!("actor_refused"))
    );
    let half_named = format!("{path}?actor_name=Boss");
    assert_eq!(
        try_as(ALL, &half_named).await,
        (400, json!("malformed_query"))
    );
    let wrong_role = format!("{path}?actor=u&actor_role=king");
    assert_eq!(
        try_as(ALL, &wrong_role).await,
        (400, json!("malformed_query"))
    );
    // A moderator does not lift what the staff has imposed.
    let staff = token("boss", Role::Staff);
    assert_eq!(try_as(&staff, "/channels/demo/users/bo/ban").await.0, 200);
    let pardon = "/channels/demo/users/bo/pardon";
    assert_eq!(try_as(&moderator, pardon).await, (403, json!("outranked")));
    let read = platform
        .ask(ISSUER, ("GET", "/channels/demo/audit"), None)
        .await;
    assert_eq!(read.status, StatusCode::OK);
    let blind = platform
        .ask(PUBLISHER, ("GET", "/channels/demo/audit"), None)
        .await;
    assert_eq!(blind.body["code"], "scope_missing");
    let elsewhere = platform
        .post("/channels/nowhere/users/ana/mute", json!({}))
        .await;
    assert_eq!(elsewhere.body["code"], "unknown_channel");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_told_as_such() {
    let platform = platform();
    platform.break_log();
    let answer = platform
        .post("/channels/demo/users/ana/mute", json!({}))
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["code"]),
        (503, &json!("room_unavailable"))
    );
}

#[tokio::test]
async fn a_list_of_words_is_put_and_the_former_comes_back() {
    let platform = platform();
    let put = async |language: &str, words: Value| {
        let path = format!("/channels/demo/words/{language}");
        platform.ask(ALL, ("PUT", &path), Some(words)).await
    };
    put("und", json!({"words": ["spoiler"]})).await;
    let emptied = put("und", json!({"words": []})).await.body;
    let words = async || platform.get("/channels/demo/words/und").await.body["words"].clone();
    assert_eq!(words().await, json!([]));
    let undone = undo(&platform, emptied["act"].as_str().unwrap()).await;
    assert_eq!(undone.status, StatusCode::OK, "{}", undone.body);
    assert_eq!(words().await, json!(["spoiler"]));
    let held = say(&platform, "ana", "m1", "a spoiler").await.body;
    assert_eq!(
        (&held["held"], &held["offset"]),
        (&json!(true), &Value::Null)
    );
    let page = platform.get("/channels/demo/audit?lane=staff").await.body;
    let acts = page["acts"].as_array().unwrap();
    assert_eq!(acts.len(), 3, "what is held is no act: {page}");
    assert_eq!(acts[0]["undoes"], emptied["act"]);
    for (language, words) in [
        ("und", json!({"words": [""]})),
        ("xx", json!({"words": []})),
    ] {
        let refused = put(language, words).await;
        assert_eq!(refused.body["code"], "argument_refused", "{language}");
    }
    let nowhere = platform.get("/channels/demo/words/xx").await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
}
