//! Commands as a back end writes them, over a platform in memory.

use std::sync::Arc;

use fanwave_wire::{UnixMillis, command::ROUTES, limits::COMMAND_BYTES_MAX};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{keys::Scope, limits::LETTER_BYTES_MAX, tests::platform::Platform};

fn platform() -> (Arc<Platform>, Clerk) {
    let platform = Arc::<Platform>::default();
    let clerk = clerk(&platform, vec![Scope::Publish, Scope::Moderate]);
    (platform, clerk)
}

fn clerk(platform: &Arc<Platform>, scopes: Vec<Scope>) -> Clerk {
    Clerk::new(Arc::new(platform.api()), scopes)
}

fn command(method: &str, path: &str, body: &Value) -> Command {
    let path = format!("/api/v1{path}");
    let written = json!({"id": "c-1", "method": method, "path": path, "body": body});
    read(written.to_string().as_bytes()).expect("it is one")
}

fn post(path: &str, body: &Value) -> Command {
    command("POST", path, body)
}

#[test]
fn what_is_no_command_is_told_as_over_http() {
    let told = |text: &str| {
        let problem = read(text.as_bytes()).expect_err("it is none");
        (problem.status().as_u16(), problem.code())
    };
    let to = |method: &str, path: &str| {
        told(&json!({"id": "1", "method": method, "path": path}).to_string())
    };
    assert_eq!(told("sold out"), (400, "malformed_command"));
    assert_eq!(to("POST", "/api/v1/tokens"), (404, "not_a_command"));
    assert_eq!(to("PUT", "/api/v1/broadcast"), (405, "method_not_allowed"));
    assert_eq!(
        to("POST", "/api/v1/channels/%20/publish"),
        (404, "unknown_channel")
    );
    assert_eq!(
        told(&" ".repeat(COMMAND_BYTES_MAX + 1)),
        (413, "command_too_large")
    );
    let secret = read(br#"{"id": {"canary": 1}, "path": "canary"}"#).expect_err("it is none");
    assert!(
        !secret.json().to_string().contains("canary"),
        "no value is repeated"
    );
}

/// Every route there is to ask for is one that the API has: or a command of it would be nobody's.
#[tokio::test]
async fn every_command_has_its_route() {
    let (_, clerk) = platform();
    for (method, route, _) in ROUTES {
        let mut names = ["demo", "1", "3"].iter();
        let parts = route.split('/').map(|part| match part {
            "*" => *names.next().unwrap(),
            part => part,
        });
        let path = format!("/{}", parts.collect::<Vec<_>>().join("/"));
        let command = command(method.name(), &path, &json!({}));
        match clerk.carry_out(&command, false).await {
            Outcome::Refused(problem) => {
                assert_ne!(problem["code"], "not_found", "{path}");
                assert_ne!(problem["code"], "method_not_allowed", "{path}");
            }
            outcome => assert_eq!(outcome, Outcome::Done, "{path}"),
        }
    }
}

#[tokio::test]
async fn a_command_that_comes_twice_is_done_once() {
    let (platform, clerk) = platform();
    let say = json!({"id": "m1", "text": "sold out", "lane": "room"});
    let commands = [
        post("/channels/demo/publish", &say),
        post(
            "/channels/demo/users/ana/ban?actor=kim",
            &json!({"seconds": 600}),
        ),
        command(
            "PUT",
            "/channels/demo/settings",
            &json!({"slow_seconds": 5}),
        ),
        post(
            "/channels/demo/polls",
            &json!({"question": "which?", "choices": ["a", "b"]}),
        ),
    ];
    for _ in 0..2 {
        for command in &commands {
            // Another server that has the same log: nothing is remembered here.
            let clerk = self::clerk(&platform, vec![Scope::Publish, Scope::Moderate]);
            assert_eq!(clerk.carry_out(command, false).await, Outcome::Done);
        }
    }
    let audit = platform.get("/channels/demo/audit").await.body;
    let acts = audit["acts"].as_array().unwrap();
    let actions: Vec<_> = acts
        .iter()
        .map(|act| act["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["poll_opened", "mode", "banned", "announced"]);
    assert_eq!(
        (&acts[2]["by"]["user"], &acts[3]["by"]["user"]),
        (&json!("kim"), &json!("api:commands"))
    );

    let gone = post("/users/ana/disconnect", &Value::Null);
    for _ in 0..2 {
        assert_eq!(clerk.carry_out(&gone, false).await, Outcome::Done);
    }
    let dismissed = platform.dismissed();
    assert_eq!(dismissed[0].id, dismissed[1].id, "the log knows the second");
    let other = post("/users/bo/disconnect", &Value::Null);
    assert_eq!(clerk.carry_out(&other, false).await, Outcome::Done);
    assert_ne!(
        platform.dismissed()[2].id,
        dismissed[1].id,
        "of another path is another"
    );
}

#[tokio::test]
async fn what_is_refused_is_told_and_what_passes_is_asked_again() {
    let (platform, clerk) = platform();
    let ban = post("/channels/demo/users/ana/ban", &Value::Null);
    assert_eq!(clerk.carry_out(&ban, false).await, Outcome::Done);
    let say = |id: &str, user: &str| json!({"id": id, "text": "hello", "sender": {"user": user}});
    let refused = clerk
        .carry_out(&post("/channels/demo/publish", &say("1", "ana")), false)
        .await;
    let Outcome::Refused(problem) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (&problem["status"], &problem["code"]),
        (&json!(403), &json!("banned"))
    );

    let batch = json!({"messages": [say("2", "bo"), say("3", "ana")]});
    let refused = clerk
        .carry_out(&post("/channels/demo/publish", &batch), false)
        .await;
    let Outcome::Refused(problem) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(problem["code"], "refused_in_part");
    let results = problem["results"].as_array().unwrap();
    assert_eq!((results.len(), &results[0]["id"]), (1, &json!("3")));

    platform.break_log();
    for again in [
        post("/channels/demo/publish", &batch),
        post("/channels/demo/publish", &say("4", "bo")),
        post("/channels/demo/users/bo/ban", &Value::Null),
        post("/users/bo/disconnect", &Value::Null),
    ] {
        assert_eq!(
            clerk.carry_out(&again, false).await,
            Outcome::Again,
            "{again:?}"
        );
    }
    platform.mend_log();
    assert_eq!(
        clerk
            .carry_out(&post("/channels/demo/publish", &say("4", "bo")), false)
            .await,
        Outcome::Done
    );
}

#[tokio::test]
async fn an_ending_that_was_done_before_is_done() {
    let (_, clerk) = platform();
    let pin = post(
        "/channels/demo/pins",
        &json!({"id": "p1", "text": "encore at nine"}),
    );
    assert_eq!(clerk.carry_out(&pin, false).await, Outcome::Done);
    let unpin = command("DELETE", "/channels/demo/pins/p1", &Value::Null);
    assert_eq!(clerk.carry_out(&unpin, false).await, Outcome::Done);
    assert_eq!(clerk.carry_out(&unpin, true).await, Outcome::Done);
    let refused = clerk.carry_out(&unpin, false).await;
    assert!(
        matches!(&refused, Outcome::Refused(problem) if problem["code"] == "not_there"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn commands_have_the_scopes_that_are_configured() {
    let (platform, _) = platform();
    let publisher = clerk(&platform, vec![Scope::Publish]);
    let say = post(
        "/channels/demo/publish",
        &json!({"id": "1", "text": "hello"}),
    );
    assert_eq!(publisher.carry_out(&say, false).await, Outcome::Done);
    for act in ["/channels/demo/users/ana/ban", "/users/ana/disconnect"] {
        let refused = publisher.carry_out(&post(act, &Value::Null), false).await;
        let is_scope = |problem: &Value| problem["code"] == "scope_missing";
        assert!(
            matches!(&refused, Outcome::Refused(problem) if is_scope(problem)),
            "{refused:?}"
        );
    }
}

proptest! {
    /// Whatever a stranger writes is kept as a letter that can be read, and that a broker takes.
    #[test]
    fn a_letter_is_json_within_its_limit(bytes in prop::collection::vec(any::<u8>(), 0..2_000), times in 1..300_usize) {
        let bytes = bytes.repeat(times);
        let problem = read(&bytes).map_or_else(|problem| problem.json(), |_| Value::Null);
        let letter = letter(UnixMillis(0), "0-0", &problem, &bytes);
        prop_assert!(letter.len() <= LETTER_BYTES_MAX);
        let read: Value = serde_json::from_slice(&letter).expect("it is JSON");
        prop_assert_eq!(read["problem"].clone(), problem);
    }
}
