//! Webhooks as the staff sees them, over a real catalogue.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request},
};
use fanwave_store::catalogue::Database;
use fanwave_wire::Role;
use http_body_util::BodyExt;
use serde_json::json;
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::{
    RateLimits,
    tests::{Log, NOW, api, key, platform::token},
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
        let api = Api {
            webhooks: Some(Webhooks {
                catalogue: catalogue.clone(),
                key: key(),
                now: || NOW,
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
        role: Role,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, HeaderMap, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {}", token("crew", role)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let request = request.body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let value = serde_json::from_slice(&bytes).unwrap_or_default();
        (head.status.as_u16(), head.headers, value)
    }

    async fn staff(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, _, value) = self.ask(Role::Staff, (method, path), &[], body).await;
        (status, value)
    }

    /// A webhook, and its secret.
    async fn make(&self) -> (String, String) {
        let (status, told) = self.staff("POST", "/webhooks", Some(wanted())).await;
        assert_eq!(status, 201, "{told}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&told["webhook"]["id"]), text(&told["secret"]))
    }
}

fn wanted() -> Value {
    json!({ "url": "https://crew.example/events?k=1", "events": ["show.live", "member.banned", "show.live"], "channel": "demo" })
}

#[tokio::test]
async fn a_webhook_is_made_shown_without_its_secret_changed_and_removed() {
    let house = House::new().await;
    let (id, secret) = house.make().await;
    assert!(secret.starts_with("fwh_") && secret.len() == 47, "{secret}");
    let path = format!("/webhooks/{id}");
    let (status, headers, shown) = house.ask(Role::Staff, ("GET", &path), &[], None).await;
    assert_eq!((status, headers["etag"].to_str().unwrap()), (200, "\"1\""));
    assert_eq!(
        shown,
        json!({
            "id": id, "url": "https://crew.example/events?k=1", "events": ["show.live", "member.banned"], "channel": "demo",
            "enabled": true, "created_at": NOW.0, "failures": 0,
        })
    );
    let (_, all) = house.staff("GET", "/webhooks", None).await;
    assert_eq!(all, json!({ "webhooks": [shown] }));
    let change = json!({ "channel": null, "enabled": false });
    let patch = ("PATCH", &*path);
    let tag = [("if-match", "\"1\"")];
    let (status, headers, changed) = house
        .ask(Role::Staff, patch, &tag, Some(change.clone()))
        .await;
    assert_eq!((status, headers["etag"].to_str().unwrap()), (200, "\"2\""));
    assert_eq!(
        (&changed["channel"], &changed["enabled"]),
        (&Value::Null, &json!(false))
    );
    let (status, _, problem) = house.ask(Role::Staff, patch, &tag, Some(change)).await;
    assert_eq!(
        (status, &problem["code"]),
        (412, &json!("changed_meanwhile"))
    );
    let (status, told) = house.staff("POST", &format!("{path}/secret"), None).await;
    assert_eq!(status, 201);
    assert_ne!(told["secret"], json!(secret));
    assert_eq!(house.staff("DELETE", &path, None).await.0, 204);
    assert_eq!(house.staff("DELETE", &path, None).await.0, 404);
    let audit = house.catalogue.audit_before(None, 10).await.unwrap();
    let mut actions: Vec<_> = audit.iter().map(|entry| &*entry.action).collect();
    actions.sort_unstable();
    assert_eq!(
        actions,
        [
            "webhook.changed",
            "webhook.made",
            "webhook.removed",
            "webhook.secret"
        ]
    );
    let written = format!("{audit:?}");
    assert!(
        !written.contains("fwh_") && !written.contains("k=1"),
        "{written}"
    );
}

#[tokio::test]
async fn what_cannot_be_a_webhook_is_refused_with_what_to_do() {
    let house = House::new().await;
    for (change, status, code) in [
        (
            json!({ "url": "ftp://crew.example/" }),
            422,
            "webhook_refused",
        ),
        (
            json!({ "url": "https://user:pass@crew.example/" }),
            422,
            "webhook_refused",
        ),
        (json!({ "url": "/events" }), 422, "webhook_refused"),
        (
            json!({ "url": "http://crew.example:83*/" }),
            422,
            "webhook_refused",
        ),
        (
            json!({ "url": "http://crew.example:70000/" }),
            422,
            "webhook_refused",
        ),
        (
            json!({ "url": format!("https://crew.example/{}", "x".repeat(2_048)) }),
            422,
            "webhook_refused",
        ),
        (json!({ "events": [] }), 422, "webhook_refused"),
        (json!({ "channel": "nowhere" }), 422, "webhook_refused"),
        (json!({ "events": ["show.sung"] }), 400, "malformed_body"),
        (json!({ "secret": "mine" }), 400, "malformed_body"),
    ] {
        let mut body = wanted();
        let change = change.as_object().unwrap();
        body.as_object_mut().unwrap().extend(change.clone());
        let (answered, problem) = house.staff("POST", "/webhooks", Some(body)).await;
        assert_eq!(
            (answered, &problem["code"]),
            (status, &json!(code)),
            "{change:?}"
        );
    }
    let (id, _) = house.make().await;
    for (body, status) in [
        (json!({}), 400),
        (json!({ "url": null }), 400),
        (json!({ "url": "x" }), 422),
    ] {
        let (answered, _) = house
            .staff("PATCH", &format!("/webhooks/{id}"), Some(body))
            .await;
        assert_eq!(answered, status);
    }
    for role in [Role::Fan, Role::Moderator, Role::Artist] {
        let (status, ..) = house.ask(role, ("GET", "/webhooks"), &[], None).await;
        assert_eq!(status, 403);
    }
}

#[tokio::test]
async fn deliveries_are_listed_and_sent_again() {
    let house = House::new().await;
    let (id, _) = house.make().await;
    let path = format!("/webhooks/{id}");
    for _ in 0..3 {
        let (status, told) = house.staff("POST", &format!("{path}/ping"), None).await;
        assert_eq!((status, &told["event"]["type"]), (202, &json!("ping")));
    }
    let (_, page) = house
        .staff(
            "GET",
            &format!("{path}/deliveries?state=waiting&limit=2"),
            None,
        )
        .await;
    assert_eq!(page["deliveries"].as_array().unwrap().len(), 2, "{page}");
    let before = page["next_before"].as_str().unwrap();
    let (_, rest) = house
        .staff("GET", &format!("{path}/deliveries?before={before}"), None)
        .await;
    assert_eq!(rest["deliveries"].as_array().unwrap().len(), 1, "{rest}");
    assert_eq!(rest.get("next_before"), None);
    let one = rest["deliveries"][0]["id"].as_str().unwrap();
    let (status, told) = house
        .staff("POST", &format!("{path}/deliveries/{one}/replay"), None)
        .await;
    assert_eq!((status, told), (202, json!({ "replayed": 1 })));
    let (status, told) = house.staff("POST", &format!("{path}/replay"), None).await;
    assert_eq!(
        (status, told),
        (202, json!({ "replayed": 0 })),
        "none is dead"
    );
    let other = one.replace("d-0", "d-1");
    let (status, problem) = house
        .staff("POST", &format!("{path}/deliveries/{other}/replay"), None)
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (404, &json!("unknown_delivery"))
    );
    let (status, _) = house
        .staff("GET", &format!("{path}/deliveries?before=d-9"), None)
        .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn without_a_catalogue_there_are_none() {
    let log = Log {
        head: 0,
        fails: false,
    };
    let router = crate::router(api(log, RateLimits::default()));
    let request = Request::builder().uri("/api/v1/webhooks").header(
        "authorization",
        format!("Bearer {}", token("crew", Role::Staff)),
    );
    let response = router
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["code"], json!("no_webhooks"));
}
