//! Emotes as the staff and everybody else see them, over a real catalogue.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request},
};
use fanwave_store::catalogue::{Catalogue, Database};
use fanwave_wire::Role;
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use super::{image::tests::png_of, *};
use crate::{
    RateLimits,
    accounts::{Accounts, Registration},
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
        let accounts = Accounts {
            catalogue: catalogue.clone(),
            key: key(),
            registration: Registration::Closed,
            session_ttl: std::time::Duration::from_secs(60),
            oidc: None,
            board: Arc::default(),
            emotes: Arc::default(),
            now: || NOW,
        };
        let api = Api {
            accounts: Some(Desk::new(accounts)),
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
        body: Option<Value>,
    ) -> (u16, HeaderMap, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(role) = role {
            request = request.header("authorization", format!("Bearer {}", token("crew", role)));
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let request = request.body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), head.headers, bytes.to_vec())
    }

    async fn staff(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, _, bytes) = self.ask(Some(Role::Staff), (method, path), body).await;
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn add(&self, code: &str, image: &[u8]) -> (u16, Value) {
        let wish = json!({ "code": code, "image": STANDARD.encode(image) });
        self.staff("POST", EMOTES, Some(wish)).await
    }
}

const EMOTES: &str = "/api/v1/channels/demo/emotes";

#[tokio::test]
async fn an_emote_is_added_listed_shown_and_removed() {
    let house = House::new().await;
    let picture = png_of(28, 32);
    let (status, wave) = house.add("wave", &picture).await;
    assert_eq!(status, 201, "{wave}");
    let path = format!("{EMOTES}/{}", wave["id"].as_str().unwrap());
    assert_eq!(
        wave,
        json!({
            "id": wave["id"], "code": "wave", "image": format!("{path}/image"), "media_type": "image/png", "width": 28, "height": 32,
        })
    );
    let (status, second) = house.add("clap", &picture).await;
    assert_eq!(status, 201);
    let (status, _, listed) = house.ask(None, ("GET", EMOTES), None).await;
    let listed: Value = serde_json::from_slice(&listed).unwrap();
    assert_eq!(
        (status, listed),
        (200, json!({ "channel": "demo", "emotes": [second, wave] }))
    );
    for (channel, count) in [("demo", 2), ("second", 0)] {
        let path = format!("/api/v1/channels/{channel}");
        let (_, described) = house.staff("GET", &path, None).await;
        assert_eq!(described["emotes"], count, "{channel}");
    }
    // From the catalogue, and from memory.
    for _ in 0..2 {
        let image = format!("{path}/image");
        let (status, headers, bytes) = house.ask(None, ("GET", &image), None).await;
        assert_eq!((status, &bytes), (200, &picture));
        let text = |name: &str| headers[name].to_str().unwrap();
        assert_eq!(text("content-type"), "image/png");
        assert_eq!(text("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(text("x-content-type-options"), "nosniff");
        assert_eq!(
            text("content-security-policy"),
            "default-src 'none'; sandbox"
        );
    }
    let elsewhere = path.replace("demo", "second");
    assert_eq!(
        house
            .staff("GET", &format!("{elsewhere}/image"), None)
            .await
            .0,
        404
    );
    assert_eq!(house.staff("DELETE", &elsewhere, None).await.0, 404);
    assert_eq!(house.staff("DELETE", &path, None).await.0, 204);
    assert_eq!(house.staff("DELETE", &path, None).await.0, 404);
    assert_eq!(
        house.staff("GET", &format!("{path}/image"), None).await.0,
        404
    );
    let (_, listed) = house.staff("GET", EMOTES, None).await;
    assert_eq!(listed["emotes"], json!([second]));
    // The code is free, and what comes under it is another picture under another address.
    let (status, again) = house.add("wave", &picture).await;
    assert_eq!(status, 201);
    assert_ne!(again["image"], wave["image"]);
    let audit = house.catalogue.audit_before(None, 10).await.unwrap();
    let actions = audit.iter().filter(|entry| entry.action == "emote.removed");
    assert_eq!((audit.len(), actions.count()), (4, 1));
}

#[tokio::test]
async fn what_cannot_be_an_emote_is_refused_and_so_is_whoever_is_not_of_the_staff() {
    let house = House::new().await;
    let picture = png_of(28, 28);
    assert_eq!(house.add("wave", &picture).await.0, 201);
    let large = [png_of(28, 28), vec![0; EMOTE_BYTES_MAX]].concat();
    for (code, image, status, problem) in [
        ("wave", &picture, 409, "code_taken"),
        ("Wave", &picture, 400, "malformed_body"),
        ("w", &picture, 400, "malformed_body"),
        (":wave:", &picture, 400, "malformed_body"),
        ("other", &png_of(257, 28), 422, "image_refused"),
        (
            "other",
            &b"<svg onload=\"alert(1)\"/>".to_vec(),
            422,
            "image_refused",
        ),
        ("other", &large, 422, "image_refused"),
    ] {
        let (seen, answer) = house.add(code, image).await;
        assert_eq!((seen, &answer["code"]), (status, &json!(problem)), "{code}");
    }
    let text = json!({ "code": "other", "image": "no base64" });
    let (status, answer) = house.staff("POST", EMOTES, Some(text.clone())).await;
    assert_eq!((status, &answer["code"]), (422, &json!("image_refused")));
    for (role, status) in [(None, 401), (Some(Role::Artist), 403)] {
        let asked = ("POST", EMOTES);
        assert_eq!(house.ask(role, asked, Some(text.clone())).await.0, status);
        let one = format!("{EMOTES}/m-1");
        assert_eq!(house.ask(role, ("DELETE", &one), None).await.0, status);
    }
    for (method, path) in [
        ("DELETE", "m-1"),
        ("GET", "m-1/image"),
        ("GET", "m-1%2f..%2fx/image"),
    ] {
        let path = format!("{EMOTES}/{path}");
        assert_eq!(house.staff(method, &path, None).await.0, 404, "{path}");
    }
}
