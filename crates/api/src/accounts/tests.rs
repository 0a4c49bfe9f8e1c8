//! Accounts as a client sees them, over a real catalogue.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, header},
};
use fanwave_store::catalogue::Database;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::{
    RateLimits, Rooms,
    tests::{Log, NOW, api, key, platform::Platform},
};

const PASSWORD: &str = "correct horse battery";

/// A clock that never says the same twice.
fn later() -> UnixMillis {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    UnixMillis(NOW.0 + ASKED.fetch_add(1, Ordering::Relaxed))
}

/// An installation, its console's token, and who was thrown out.
struct House {
    router: Router,
    catalogue: Catalogue,
    platform: Arc<Platform>,
    _folder: TempDir,
}

impl House {
    async fn new(registration: Registration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("catalogue.db"));
        let catalogue = Catalogue::open(&database).await.unwrap();
        let platform = Arc::<Platform>::default();
        let log = Log {
            head: 0,
            fails: false,
        };
        let accounts = Accounts {
            catalogue: catalogue.clone(),
            key: key(),
            registration,
            session_ttl: Duration::from_secs(3600),
            board: Arc::default(),
            emotes: Arc::default(),
            oidc: None,
            now: later,
        };
        let api = Api {
            accounts: Some(Desk::new(accounts)),
            rooms: Arc::clone(&platform) as Arc<dyn Rooms>,
            ..api(log, RateLimits::default())
        };
        Self {
            router: crate::router(api),
            catalogue,
            platform,
            _folder: folder,
        }
    }

    async fn ask(
        &self,
        (method, path): (Method, &str),
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (StatusCode, HeaderMap, Value) {
        let path = format!("/api/v1{path}");
        let mut request = Request::builder().method(method).uri(path);
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
        (head.status, head.headers, value)
    }

    async fn post(&self, path: &str, session: Option<&str>, body: Value) -> (StatusCode, Value) {
        let bearer = session.map(|session| format!("Bearer {session}"));
        let headers: Vec<_> = bearer
            .iter()
            .map(|bearer| ("authorization", bearer.as_str()))
            .collect();
        let (status, _, answer) = self.ask((Method::POST, path), &headers, Some(body)).await;
        (status, answer)
    }

    async fn call(&self, method: Method, path: &str, session: &str) -> (StatusCode, Value) {
        let bearer = format!("Bearer {session}");
        let (status, _, answer) = self
            .ask((method, path), &[("authorization", &bearer)], None)
            .await;
        (status, answer)
    }

    /// Registers, and says the id.
    async fn register(&self, login: &str) -> String {
        let (status, account) = self.post("/accounts", None, person(login)).await;
        assert_eq!(status, StatusCode::CREATED, "{account}");
        account["id"].as_str().unwrap().to_owned()
    }

    /// Logs in, and says the session.
    async fn login(&self, login: &str) -> String {
        let (status, begun) = self
            .post(
                "/sessions",
                None,
                json!({ "login": login, "password": PASSWORD }),
            )
            .await;
        assert_eq!(status, StatusCode::CREATED, "{begun}");
        begun["session"].as_str().unwrap().to_owned()
    }

    /// The first member of staff, logged in.
    async fn staff(&self) -> String {
        let token = invite_first(&self.catalogue, NOW).await.unwrap().unwrap();
        let mut body = person("boss");
        body["token"] = json!(token);
        let (status, account) = self.post("/setup", None, body).await;
        assert_eq!(
            (status, &account["role"]),
            (StatusCode::CREATED, &json!("staff"))
        );
        self.login("boss").await
    }

    fn thrown_out(&self) -> Vec<String> {
        let dismissed = self.platform.dismissed();
        dismissed.iter().map(|one| one.user.0.to_string()).collect()
    }
}

#[tokio::test]
async fn an_api_key_is_made_used_for_its_scopes_listed_without_itself_and_revoked() {
    let house = House::new(Registration::Open).await;
    let staff = house.staff().await;
    house.register("mina").await;
    let fan = house.login("mina").await;
    let wish = json!({ "name": "shop", "scopes": ["tokens", "tokens"], "lasts_ms": 60_000 });
    let (status, refused) = house.post("/api-keys", Some(&fan), wish.clone()).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::FORBIDDEN, &json!("not_staff"))
    );
    for (name, value, code) in [
        ("name", json!("a shop"), "key_name_refused"),
        ("name", json!(""), "key_name_refused"),
        ("scopes", json!([]), "malformed_body"),
        ("scopes", json!(["all"]), "malformed_body"),
        ("lasts_ms", json!(u64::MAX >> 11), "malformed_body"),
    ] {
        let mut wrong = wish.clone();
        wrong[name] = value;
        let (_, refused) = house.post("/api-keys", Some(&staff), wrong).await;
        assert_eq!(refused["code"], json!(code));
    }

    let (status, made) = house.post("/api-keys", Some(&staff), wish).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let key = made["key"].as_str().unwrap().to_owned();
    assert_eq!(made["scopes"], json!(["tokens"]));
    let user = json!({ "user": "u-1", "name": "Ari" });
    let (status, _) = house.post("/tokens", Some(&key), user.clone()).await;
    assert_eq!(status, StatusCode::CREATED);
    let shown = [("x-api-key", key.as_str())];
    let asked = (Method::POST, "/tokens");
    let (status, ..) = house.ask(asked, &shown, Some(user.clone())).await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, refused) = house
        .post("/users/u-1/disconnect", Some(&key), json!({}))
        .await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::FORBIDDEN, &json!("scope_missing"))
    );
    // A key makes no keys.
    let (status, _) = house.call(Method::GET, "/api-keys", &key).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    let (_, listed) = house.call(Method::GET, "/api-keys", &staff).await;
    assert_eq!(listed["keys"][0]["id"], made["id"]);
    assert!(!listed.to_string().contains(&key), "{listed}");
    let path = format!("/api-keys/{}", made["id"].as_str().unwrap());
    let (status, _) = house.call(Method::DELETE, &path, &staff).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, refused) = house.post("/tokens", Some(&key), user).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{refused}");
    let (status, _) = house.call(Method::DELETE, &path, &staff).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let audit = house.catalogue.audit_before(None, 2).await.unwrap();
    let told: Vec<_> = audit.iter().map(|entry| &*entry.action).collect();
    assert_eq!(told, ["api_key.revoked", "api_key.made"]);
    assert!(audit.iter().all(|entry| !entry.detail.contains(&key)));
}

fn person(login: &str) -> Value {
    json!({ "login": login, "password": PASSWORD, "name": "미나" })
}

#[tokio::test]
async fn whoever_registers_logs_in_gets_tokens_and_logs_out() {
    let house = House::new(Registration::Open).await;
    let id = house.register("Mina@Example.com").await;
    let session = house.login("mina@example.COM").await;
    let (status, own) = house.call(Method::GET, "/session", &session).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(own["account"]["id"], json!(id));
    assert_eq!(own["account"]["login"], json!("mina@example.com"));
    assert_eq!(own["session"]["current"], json!(true));

    let (status, token) = house
        .post("/session/token", Some(&session), json!({}))
        .await;
    assert_eq!(status, StatusCode::CREATED);
    let claims = key().verify(token["token"].as_str().unwrap(), NOW).unwrap();
    assert_eq!(claims.sender().user, user_of(&id));
    assert_eq!(claims.sender().role, Role::Fan);
    let good = claims.expires_at().0 - NOW.0;
    assert_eq!(u128::from(good), limits_ttl());

    assert!(house.thrown_out().is_empty());
    let (status, _) = house.call(Method::DELETE, "/session", &session).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(house.thrown_out(), [id]);
    for (method, path) in [(Method::GET, "/session"), (Method::DELETE, "/session")] {
        let (status, problem) = house.call(method, path, &session).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::UNAUTHORIZED, &json!("session_ended"))
        );
    }
}

fn limits_ttl() -> u128 {
    crate::limits::SESSION_TOKEN_TTL.as_millis()
}

#[tokio::test]
async fn a_wrong_password_an_unknown_login_and_a_suspended_account_are_told_apart_by_nothing() {
    let house = House::new(Registration::Open).await;
    let staff = house.staff().await;
    let id = house.register("mina").await;
    let held = house.login("mina").await;
    let bearer = format!("Bearer {staff}");
    let (status, headers, shown) = house
        .ask(
            (Method::PATCH, &format!("/accounts/{id}")),
            &[("authorization", &bearer)],
            Some(json!({ "suspended": true })),
        )
        .await;
    assert_eq!(
        (status, &shown["suspended"]),
        (StatusCode::OK, &json!(true))
    );
    assert_eq!(headers[header::ETAG], "\"2\"");
    assert_eq!(house.thrown_out(), [id]);
    let (status, _) = house.call(Method::GET, "/session", &held).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    let mut answers = Vec::new();
    for (login, password) in [
        ("boss", "not the password"),
        ("nobody", PASSWORD),
        ("mina", PASSWORD),
        ("no login \u{7f}", PASSWORD),
    ] {
        let body = json!({ "login": login, "password": password });
        answers.push(house.post("/sessions", None, body).await);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(answers[0].0, StatusCode::FORBIDDEN);
    assert_eq!(answers[0].1["code"], json!("login_wrong"));
}

#[tokio::test]
async fn a_login_is_one_persons_and_a_password_cannot_be_tried_for_ever() {
    let house = House::new(Registration::Open).await;
    house.register("mina").await;
    let (status, problem) = house.post("/accounts", None, person("MINA")).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("login_taken"))
    );
    let wrong = json!({ "login": "mina", "password": "a guess of many" });
    let allowed = crate::limits::ATTEMPTS_PER_MINUTE.get();
    let mut tried = 0;
    // While a slow machine compares passwords, time passes and allows some more.
    let (status, problem) = loop {
        let (status, problem) = house.post("/sessions", None, wrong.clone()).await;
        if status != StatusCode::FORBIDDEN {
            break (status, problem);
        }
        tried += 1;
        assert!(tried < 10 * allowed, "it goes on for ever");
    };
    assert!(tried >= allowed, "{tried}");
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("too_many_attempts"))
    );
}

#[tokio::test]
async fn the_first_member_of_staff_has_the_token_of_the_console_and_nobody_after_them() {
    let house = House::new(Registration::Closed).await;
    let (status, problem) = house.post("/accounts", None, person("mina")).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::FORBIDDEN, &json!("registration_closed"))
    );
    let forgotten = invite_first(&house.catalogue, NOW).await.unwrap().unwrap();
    let token = invite_first(&house.catalogue, NOW).await.unwrap().unwrap();
    for (token, status) in [
        (&*forgotten, StatusCode::FORBIDDEN),
        ("fws_short", StatusCode::FORBIDDEN),
        ("", StatusCode::FORBIDDEN),
        (&*token, StatusCode::CREATED),
        (&*token, StatusCode::FORBIDDEN),
    ] {
        let mut body = person("boss");
        body["token"] = json!(token);
        let (seen, answer) = house.post("/setup", None, body).await;
        assert_eq!(seen, status, "{answer}");
    }
    assert_eq!(invite_first(&house.catalogue, NOW).await.unwrap(), None);
}

#[tokio::test]
async fn another_password_ends_all_sessions_and_an_old_one_is_needed_for_it() {
    let house = House::new(Registration::Open).await;
    let id = house.register("mina").await;
    let (here, there) = (house.login("mina").await, house.login("mina").await);
    let bearer = format!("Bearer {here}");
    let put = async |old: &str, new: &str| {
        let body = json!({ "old": old, "new": new });
        let headers = [("authorization", &*bearer)];
        house
            .ask((Method::PUT, "/session/password"), &headers, Some(body))
            .await
    };
    assert_eq!(
        put("some guess or other", "another password").await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        put(PASSWORD, "short").await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert!(house.thrown_out().is_empty());
    assert_eq!(
        put(PASSWORD, "another password").await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(house.thrown_out(), [id]);
    for session in [here, there] {
        let (status, _) = house.call(Method::GET, "/session", &session).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let body = json!({ "login": "mina", "password": "another password" });
    assert_eq!(
        house.post("/sessions", None, body).await.0,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn sessions_elsewhere_are_seen_and_ended() {
    let house = House::new(Registration::Open).await;
    house.register("mina").await;
    house.register("yuna").await;
    let (here, there) = (house.login("mina").await, house.login("mina").await);
    let stranger = house.login("yuna").await;
    let (_, all) = house.call(Method::GET, "/session/all", &here).await;
    let other = all["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|session| session["current"] == json!(false))
        .unwrap();
    let path = format!("/session/all/{}", other["id"].as_str().unwrap());
    let (status, _) = house.call(Method::DELETE, &path, &stranger).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = house.call(Method::DELETE, &path, &here).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(
        house.call(Method::GET, "/session", &there).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        house.call(Method::GET, "/session", &here).await.0,
        StatusCode::OK
    );
}

fn ids(page: &Value) -> Vec<String> {
    let accounts = page["accounts"].as_array().unwrap();
    let id = |account: &Value| account["id"].as_str().unwrap().to_owned();
    accounts.iter().map(id).collect()
}

#[tokio::test]
async fn the_staff_page_through_accounts_and_nobody_else_does() {
    let house = House::new(Registration::Open).await;
    let staff = house.staff().await;
    let fan = house.register("fan").await;
    let fan_session = house.login("fan").await;
    for path in ["/accounts", "/audit", &format!("/accounts/{fan}")] {
        let (status, problem) = house.call(Method::GET, path, &fan_session).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::FORBIDDEN, &json!("not_staff"))
        );
    }
    let (_, first) = house.call(Method::GET, "/accounts?limit=1", &staff).await;
    let cursor = first["next_after"].as_str().unwrap();
    let path = format!("/accounts?limit=2&after={cursor}");
    let (_, second) = house.call(Method::GET, &path, &staff).await;
    let all = [ids(&first), ids(&second)].concat();
    assert_eq!((all.len(), second.get("next_after")), (2, None));
    assert!(all.contains(&fan));
}

#[tokio::test]
async fn the_staff_change_what_they_have_read_and_not_themselves() {
    let house = House::new(Registration::Open).await;
    let staff = house.staff().await;
    let (_, own) = house.call(Method::GET, "/session", &staff).await;
    let boss = own["account"]["id"].as_str().unwrap();
    let fan = &*house.register("fan").await;
    let bearer = format!("Bearer {staff}");
    let promote = || json!({ "role": "moderator" });
    for (id, tag, body, status) in [
        (fan, "\"7\"", promote(), StatusCode::PRECONDITION_FAILED),
        (fan, "7", promote(), StatusCode::PRECONDITION_FAILED),
        (fan, "\"x\"", promote(), StatusCode::BAD_REQUEST),
        (fan, "W/x", promote(), StatusCode::BAD_REQUEST),
        (fan, "\"1\", \"2\"", promote(), StatusCode::BAD_REQUEST),
        (fan, "\"1\"", json!({}), StatusCode::BAD_REQUEST),
        (
            fan,
            "\"1\"",
            json!({ "role": "queen" }),
            StatusCode::BAD_REQUEST,
        ),
        (
            fan,
            "\"1\"",
            json!({ "role": null }),
            StatusCode::BAD_REQUEST,
        ),
        (fan, "\"1\"", promote(), StatusCode::OK),
        (fan, "\"1\"", promote(), StatusCode::PRECONDITION_FAILED),
        (boss, "*", promote(), StatusCode::CONFLICT),
        ("a-none", "*", promote(), StatusCode::NOT_FOUND),
    ] {
        let path = format!("/accounts/{id}");
        let headers = [("authorization", &*bearer), ("if-match", tag)];
        let (seen, _, answer) = house
            .ask((Method::PATCH, &path), &headers, Some(body))
            .await;
        assert_eq!(seen, status, "{answer}");
    }
    let (_, shown) = house
        .call(Method::GET, &format!("/accounts/{fan}"), &staff)
        .await;
    assert_eq!(shown["role"], json!("moderator"));
}

#[tokio::test]
async fn whatever_is_done_is_in_the_audit_log() {
    let house = House::new(Registration::Open).await;
    let staff = house.staff().await;
    let (_, own) = house.call(Method::GET, "/session", &staff).await;
    let boss = own["account"]["id"].as_str().unwrap();
    let fan = &*house.register("fan").await;
    let bearer = format!("Bearer {staff}");
    let path = format!("/accounts/{fan}");
    let headers = [("authorization", &*bearer)];
    let promote = json!({ "role": "moderator" });
    let (status, _, _) = house
        .ask((Method::PATCH, &path), &headers, Some(promote))
        .await;
    assert_eq!(status, StatusCode::OK);
    let (_, audit) = house.call(Method::GET, "/audit", &staff).await;
    let entries = audit["entries"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let told = |entry: &Value| (text(&entry["action"]), text(&entry["subject"]));
    let told: Vec<_> = entries.iter().map(told).collect();
    let expected = [
        ("account.role", fan),
        ("account.made", fan),
        ("staff.first", boss),
    ];
    let expected = expected.map(|(action, subject)| (action.to_owned(), subject.to_owned()));
    assert_eq!(told, expected);
    assert_eq!(entries[0]["actor"], json!(boss));
    assert_eq!(entries[0]["detail"]["role"], json!("moderator"));
    let before = entries[0]["id"].as_str().unwrap();
    let path = format!("/audit?before={before}&limit=1");
    let (_, older) = house.call(Method::GET, &path, &staff).await;
    assert_eq!(older["entries"][0]["action"], json!("account.made"));
    for query in ["?limit=0", "?limit=201", "?limit=x", "?since=1"] {
        let path = format!("/audit{query}");
        let (status, _) = house.call(Method::GET, &path, &staff).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn bodies_that_are_none_and_missing_sessions_are_refused() {
    let house = House::new(Registration::Open).await;
    for (path, body) in [
        ("/accounts", json!({ "login": "mina" })),
        (
            "/accounts",
            json!({ "login": "mina", "password": PASSWORD, "name": "x", "role": "staff" }),
        ),
        ("/sessions", json!([])),
        ("/setup", json!({ "token": 1 })),
    ] {
        let (status, problem) = house.post(path, None, body).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("malformed_body")),
            "{path}"
        );
    }
    for (login, name, code) in [
        ("mi", "미나", "login_refused"),
        ("mina na", "미나", "login_refused"),
        ("мина", "미나", "login_refused"),
        ("mina", " ", "name_empty"),
    ] {
        let body = json!({ "login": login, "password": PASSWORD, "name": name });
        let (status, problem) = house.post("/accounts", None, body).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(code))
        );
    }
    for authorization in ["", "Bearer", "Basic eDp5", "Bearer fws_1"] {
        let headers = [("authorization", authorization)];
        let (status, headers, _) = house.ask((Method::GET, "/session"), &headers, None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{authorization}");
        assert_eq!(headers[header::WWW_AUTHENTICATE], "Bearer");
    }
}

#[tokio::test]
async fn stream_keys_are_made_replaced_and_revoked_by_staff_alone() {
    use crate::stream_keys::digest;

    let house = House::new(Registration::Open).await;
    let staff = house.staff().await;
    house.register("mina").await;
    let fan = house.login("mina").await;
    let all = "/channels/demo/stream-keys";
    let wish = json!({ "name": "main desk" });
    for session in [None, Some(fan.as_str())] {
        let (status, _) = house.post(all, session, wish.clone()).await;
        assert!(
            status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN,
            "{status}"
        );
    }
    let (status, made) = house.post(all, Some(&staff), wish).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let good = async |made: &Value| {
        let key = digest(made["key"].as_str().unwrap()).unwrap();
        let now = i64::try_from(later().0).unwrap();
        let found = house.catalogue.stream_key(&key, now).await.unwrap();
        found.map(|found| found.channel)
    };
    assert_eq!(good(&made).await.as_deref(), Some("demo"));

    // Shown once, and to nobody later.
    let (_, listed) = house.call(Method::GET, all, &staff).await;
    assert_eq!(listed["keys"][0]["id"], made["id"]);
    assert_eq!(listed["keys"][0]["name"], json!("main desk"));
    assert!(!listed.to_string().contains(made["key"].as_str().unwrap()));

    let replace = |made: &Value| format!("{all}/{}/replace", made["id"].as_str().unwrap());
    let both = json!({ "overlap_ms": 60_000 });
    let (status, second) = house.post(&replace(&made), Some(&staff), both).await;
    assert_eq!(status, StatusCode::CREATED, "{second}");
    assert!(good(&made).await.is_some() && good(&second).await.is_some());
    let (status, third) = house.post(&replace(&second), Some(&staff), json!({})).await;
    assert_eq!(status, StatusCode::CREATED, "{third}");
    assert!(good(&second).await.is_none() && good(&third).await.is_some());
    let (status, _) = house.post(&replace(&second), Some(&staff), json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);

    let one = format!("{all}/{}", third["id"].as_str().unwrap());
    for expected in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        let (status, _) = house.call(Method::DELETE, &one, &staff).await;
        assert_eq!(status, expected);
    }
    assert!(good(&third).await.is_none());
    let long = json!({ "name": "for ever and a day", "lasts_ms": 315_360_000_001_u64 });
    let (status, problem) = house.post(all, Some(&staff), long).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::BAD_REQUEST, &json!("malformed_body"))
    );
    let brief = json!({ "name": "guest", "lasts_ms": 1 });
    let (status, brief) = house.post(all, Some(&staff), brief).await;
    assert_eq!(status, StatusCode::CREATED);
    assert!(good(&brief).await.is_none());
    let (status, audit) = house.call(Method::GET, "/audit", &staff).await;
    assert_eq!(status, StatusCode::OK);
    let actions: Vec<_> = audit["entries"].as_array().unwrap().iter().collect();
    assert_eq!(actions[1]["action"], json!("stream_key.revoked"));
    let text = audit.to_string();
    for key in [&made, &second, &third] {
        assert!(!text.contains(key["key"].as_str().unwrap()));
    }
}

#[test]
fn what_is_no_stream_key_of_these_is_not_looked_up() {
    use crate::stream_keys::digest;

    let key = format!("fsk_{}", "ab".repeat(24));
    assert!(digest(&key).is_some());
    for other in ["", "fsk_", "demo-key", &key[1..], &key[..key.len() - 1]] {
        assert_eq!(digest(other), None, "{other}");
    }
}
