//! Shows as the staff and everybody else see them, over a real catalogue.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request},
};
use fanwave_store::catalogue::{Catalogue, Database};
use fanwave_wire::{Role, UnixMillis};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::{
    RateLimits,
    accounts::{Accounts, Registration},
    tests::{Log, NOW, api, key, platform::token},
    webhooks::Webhooks,
};

struct House {
    router: Router,
    catalogue: Catalogue,
    _folder: TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("catalogue.db"));
        let catalogue = Catalogue::open(&database).await.unwrap();
        let log = Log {
            head: 0,
            fails: false,
        };
        let now: fn() -> UnixMillis = || NOW;
        let accounts = Accounts {
            catalogue: catalogue.clone(),
            key: key(),
            registration: Registration::Closed,
            session_ttl: std::time::Duration::from_secs(60),
            oidc: None,
            board: Arc::default(),
            emotes: Arc::default(),
            now,
        };
        let api = Api {
            accounts: Some(Desk::new(accounts)),
            webhooks: Some(Webhooks {
                catalogue: catalogue.clone(),
                key: key(),
                now,
            }),
            ..api(log, RateLimits::default())
        };
        Self {
            router: crate::router(api),
            catalogue,
            _folder: folder,
        }
    }

    async fn ask(
        &self,
        role: Option<Role>,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, HeaderMap, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"));
        if let Some(role) = role {
            request = request.header("authorization", format!("Bearer {}", token("crew", role)));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let response = self
            .router
            .clone()
            .oneshot(request.body(body).unwrap())
            .await
            .unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let value = serde_json::from_slice(&bytes).unwrap_or_default();
        (head.status.as_u16(), head.headers, value)
    }

    async fn staff(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, _, value) = self.ask(Some(Role::Staff), (method, path), &[], body).await;
        (status, value)
    }

    async fn everybody(&self, path: &str) -> Value {
        let (status, _, value) = self.ask(None, ("GET", path), &[], None).await;
        assert_eq!(status, 200, "{value}");
        value
    }

    /// A show that begins so many minutes from now: its address.
    async fn announce(&self, minutes: u64) -> String {
        let (status, show) = self.staff("POST", SHOWS, Some(wish(minutes))).await;
        assert_eq!(status, 201, "{show}");
        format!("{SHOWS}/{}", show["id"].as_str().unwrap())
    }

    async fn act(&self, show: &str, act: &str) -> (u16, Value) {
        self.staff("POST", &format!("{show}/{act}"), None).await
    }

    /// What everybody is shown: the ids of the show that is on and of the next, as the ends of addresses.
    async fn on_board(&self) -> [Option<String>; 2] {
        let channel = self.everybody("/channels/demo").await;
        ["show", "next_show"].map(|name| {
            let id = channel.get(name)?["id"].as_str()?;
            Some(format!("{SHOWS}/{id}"))
        })
    }
}

const SHOWS: &str = "/channels/demo/shows";

fn wish(minutes: u64) -> Value {
    let starts_at = NOW.0 + minutes * 60_000;
    json!({
        "title": " 밤의 콘서트 ", "artist": "Mina", "starts_at": starts_at, "ends_at": starts_at + 3_600_000, "languages": ["ko", "pt-BR"],
        "home_region": "ap-northeast",
    })
}

#[tokio::test]
async fn a_show_is_announced_listed_changed_and_removed() {
    let house = House::new().await;
    let (status, headers, show) = house
        .ask(Some(Role::Staff), ("POST", SHOWS), &[], Some(wish(60)))
        .await;
    assert_eq!((status, headers["etag"].to_str().unwrap()), (201, "\"1\""));
    let starts_at = NOW.0 + 3_600_000;
    assert_eq!(
        show,
        json!({
            "id": show["id"], "title": "밤의 콘서트", "artist": "Mina", "state": "scheduled", "starts_at": starts_at,
            "ends_at": starts_at + 3_600_000, "started_at": null, "ended_at": null, "languages": ["ko", "pt-BR"],
            "home_region": "ap-northeast",
        })
    );
    let path = format!("{SHOWS}/{}", show["id"].as_str().unwrap());
    assert_eq!(house.everybody(&path).await, show);
    assert_eq!(house.everybody(SHOWS).await, json!({ "shows": [show] }));

    let (status, problem) = house.staff("DELETE", &path, None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("show_state")));
    assert_eq!(house.act(&path, "cancel").await.0, 200);
    assert_eq!(house.staff("DELETE", &path, None).await.0, 204);
    assert_eq!(house.staff("DELETE", &path, None).await.0, 404);
    let audit = house.catalogue.audit_before(None, 10).await.unwrap();
    let mut actions: Vec<_> = audit.iter().map(|entry| &*entry.action).collect();
    actions.sort_unstable();
    let done = ["show.cancelled", "show.removed", "show.scheduled"];
    assert_eq!(actions, done);
}

#[tokio::test]
async fn what_was_announced_is_changed_as_it_was_read_until_it_is_over() {
    let house = House::new().await;
    let path = house.announce(60).await;
    let patch = json!({ "title": "Late show", "home_region": null });
    let patched = |tag: &'static str, body: Value| {
        let (house, path) = (&house, &path);
        async move {
            let headers = [("if-match", tag)];
            let asked = ("PATCH", &**path);
            house
                .ask(Some(Role::Staff), asked, &headers, Some(body))
                .await
        }
    };
    let (status, headers, changed) = patched("\"1\"", patch.clone()).await;
    assert_eq!((status, headers["etag"].to_str().unwrap()), (200, "\"2\""));
    assert_eq!(
        (
            &changed["title"],
            &changed["home_region"],
            &changed["artist"]
        ),
        (&json!("Late show"), &Value::Null, &json!("Mina"))
    );
    for (tag, body, status, code) in [
        ("\"1\"", patch.clone(), 412, "changed_meanwhile"),
        ("x", patch.clone(), 400, "malformed_if_match"),
        ("*", json!({}), 400, "malformed_body"),
        (
            "\"1\"",
            json!({ "title": "a\u{9b}b" }),
            400,
            "malformed_body",
        ),
        ("*", json!({ "title": null }), 400, "malformed_body"),
        ("*", json!({ "ends_at": 1 }), 422, "show_refused"),
    ] {
        let (seen, _, problem) = patched(tag, body).await;
        assert_eq!(
            (seen, &problem["code"]),
            (status, &json!(code)),
            "{problem}"
        );
    }
    assert_eq!(house.act(&path, "cancel").await.0, 200);
    let (status, _, problem) = patched("*", patch).await;
    assert_eq!((status, &problem["code"]), (409, &json!("show_state")));
}

#[tokio::test]
async fn one_show_of_a_channel_is_on_and_everybody_sees_which_and_what_comes_next() {
    let house = House::new().await;
    assert_eq!(house.on_board().await, [None, None]);
    let second = house.announce(60).await;
    let first = house.announce(10).await;
    assert_eq!(house.on_board().await, [None, Some(first.clone())]);
    let (status, live) = house.act(&first, "start").await;
    assert_eq!(
        (status, &live["state"], &live["started_at"]),
        (200, &json!("live"), &json!(NOW.0))
    );
    let both = [Some(first.clone()), Some(second.clone())];
    assert_eq!(house.on_board().await, both);
    let (_, channels) = house.staff("GET", "/channels", None).await;
    assert_eq!(channels["channels"][0]["show"], live);
    assert_eq!(channels["channels"][1].get("show"), None);
    let (status, problem) = house.act(&second, "start").await;
    assert_eq!((status, &problem["code"]), (409, &json!("other_show_live")));
    let (status, problem) = house.act(&first, "start").await;
    assert_eq!((status, &problem["code"]), (409, &json!("show_state")));

    let (status, over) = house.act(&first, "stop").await;
    assert_eq!(
        (status, &over["state"], &over["ended_at"]),
        (200, &json!("ended"), &json!(NOW.0))
    );
    assert_eq!(house.on_board().await, [None, Some(second.clone())]);
    // Stopped too early.
    let (status, back) = house.act(&first, "undo").await;
    assert_eq!((status, &back["state"]), (200, &json!("live")));
    assert_eq!(house.on_board().await, both);
    house.act(&first, "undo").await;
    let (status, problem) = house.act(&first, "undo").await;
    assert_eq!((status, &problem["code"]), (409, &json!("show_state")));
    assert_eq!(house.on_board().await, [None, Some(first.clone())]);

    // Only what was read is started.
    let start = ("POST", &*format!("{first}/start"));
    let stale = [("if-match", "\"1\"")];
    let (status, _, _) = house.ask(Some(Role::Staff), start, &stale, None).await;
    assert_eq!(status, 412);
    let listed = house.everybody(&format!("{SHOWS}?state=live")).await;
    assert_eq!(listed, json!({ "shows": [] }));
}

#[tokio::test]
async fn a_calendar_is_read_page_by_page() {
    let house = House::new().await;
    let mut made = Vec::new();
    for minutes in [30, 10, 20, 10] {
        made.push(house.announce(minutes).await);
    }
    let ids = |page: &Value| -> Vec<String> {
        let shows = page["shows"].as_array().unwrap().iter();
        shows
            .map(|show| format!("{SHOWS}/{}", show["id"].as_str().unwrap()))
            .collect()
    };
    let first = house.everybody(&format!("{SHOWS}?limit=3")).await;
    let cursor = first["next_after"].as_str().unwrap();
    let second = house
        .everybody(&format!("{SHOWS}?limit=3&after={cursor}"))
        .await;
    let all = [ids(&first), ids(&second)].concat();
    assert_eq!((all.len(), second.get("next_after")), (4, None));
    assert_eq!((&all[2], &all[3]), (&made[2], &made[0]));
    let from = NOW.0 + 20 * 60_000;
    let later = house.everybody(&format!("{SHOWS}?from={from}")).await;
    assert_eq!(ids(&later), [made[2].clone(), made[0].clone()]);
    for query in [
        "after=1",
        "after=x.w-1",
        "state=on",
        "from=-1",
        "limit=0",
        "until=1",
    ] {
        let path = format!("{SHOWS}?{query}");
        let (status, _, problem) = house.ask(None, ("GET", &path), &[], None).await;
        assert_eq!(
            (status, &problem["code"]),
            (400, &json!("malformed_query")),
            "{query}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_a_show_is_refused_and_so_is_whoever_is_not_of_the_staff() {
    let house = House::new().await;
    for (field, value, status) in [
        ("title", json!(" "), 400),
        ("title", json!("a\u{202e}b"), 400),
        ("artist", json!("가".repeat(101)), 400),
        ("languages", json!(["korean language"]), 400),
        ("languages", json!(["1"]), 400),
        ("languages", json!(vec!["ko"; 9]), 400),
        ("home_region", json!("Seoul"), 400),
        ("ends_at", json!(NOW.0), 422),
        ("ends_at", json!(NOW.0 + 8 * 86_400_000), 422),
        ("starts_at", json!(-1), 400),
        ("state", json!("live"), 400),
    ] {
        let mut body = wish(0);
        body[field] = value;
        let (seen, problem) = house.staff("POST", SHOWS, Some(body)).await;
        assert_eq!(seen, status, "{field}: {problem}");
    }
    let show = house.announce(10).await;
    for (method, path) in [
        ("POST", SHOWS),
        ("PATCH", &*show),
        ("DELETE", &*show),
        ("POST", &*format!("{show}/start")),
        ("POST", &*format!("{show}/stop")),
        ("POST", &*format!("{show}/cancel")),
        ("POST", &*format!("{show}/undo")),
    ] {
        for (role, status) in [(None, 401), (Some(Role::Artist), 403)] {
            let (seen, _, _) = house.ask(role, (method, path), &[], Some(wish(1))).await;
            assert_eq!(seen, status, "{method} {path}");
        }
    }
    for path in ["/channels/demo/shows/w-1", "/channels/second/shows/w-1"] {
        let (status, problem) = house.staff("POST", &format!("{path}/start"), None).await;
        assert_eq!((status, &problem["code"]), (404, &json!("unknown_show")));
    }
    let elsewhere = show.replace("demo", "second");
    assert_eq!(house.act(&elsewhere, "start").await.0, 404);
    assert_eq!(
        house.staff("GET", "/channels/none/shows", None).await.0,
        404
    );
}

#[tokio::test]
async fn a_stream_key_for_a_show_ends_with_it() {
    let house = House::new().await;
    let show = house.announce(10).await;
    let id = show.rsplit('/').next().unwrap();
    let keys = "/channels/demo/stream-keys";
    let wanted = |show: &str| Some(json!({ "name": "stage", "show": show }));
    let (status, key) = house.staff("POST", keys, wanted(id)).await;
    assert_eq!((status, &key["show"]), (201, &json!(id)), "{key}");
    let listed = async || {
        let (_, listed) = house.staff("GET", keys, None).await;
        listed["keys"].as_array().unwrap().len()
    };
    house.act(&show, "start").await;
    let path = format!("{keys}/{}/replace", key["id"].as_str().unwrap());
    let (status, other) = house.staff("POST", &path, None).await;
    assert_eq!((status, &other["show"]), (201, &json!(id)));
    assert_eq!(listed().await, 1);
    house.act(&show, "stop").await;
    assert_eq!(listed().await, 0);
    let (status, problem) = house.staff("POST", keys, wanted(id)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("show_state")));
    house.act(&show, "undo").await;
    assert_eq!(listed().await, 1);
    for unknown in ["w-1", &format!("w-{}", "0".repeat(32))] {
        let (status, problem) = house.staff("POST", keys, wanted(unknown)).await;
        assert_eq!((status, &problem["code"]), (404, &json!("unknown_show")));
    }
}

#[tokio::test]
async fn webhooks_are_told_what_the_staff_does_with_a_show() {
    let house = House::new().await;
    let kinds = [
        "show.scheduled",
        "show.started",
        "show.stopped",
        "show.changed",
    ];
    let hook = json!({ "url": "https://crew.example/events", "events": kinds, "channel": "demo" });
    let (status, told) = house.staff("POST", "/webhooks", Some(hook)).await;
    assert_eq!(status, 201, "{told}");
    let show = house.announce(10).await;
    for act in ["start", "stop", "undo", "undo", "cancel"] {
        assert_eq!(house.act(&show, act).await.0, 200);
    }
    let id = told["webhook"]["id"].as_str().unwrap();
    let path = format!("/webhooks/{id}/deliveries?state=waiting");
    let (_, page) = house.staff("GET", &path, None).await;
    let deliveries = page["deliveries"].as_array().unwrap();
    let mut events: Vec<_> = deliveries.iter().map(|one| one["event"].clone()).collect();
    events.sort_by_key(|event| event["id"].as_str().unwrap().to_owned());
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    let expected = [
        "show.scheduled",
        "show.started",
        "show.stopped",
        "show.changed",
        "show.changed",
    ];
    assert_eq!(kinds, expected, "what it did not ask for is not told");
    let first = show.rsplit('/').next().unwrap();
    assert_eq!(events[1]["id"], json!(format!("{first}-2")));
    assert_eq!(events[1]["channel"], json!("demo"));
    assert_eq!(events[1]["data"]["show"]["state"], json!("live"));
}
