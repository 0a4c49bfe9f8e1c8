//! Logging in elsewhere, as a browser does it, with an issuer that says what it is told to.

use std::sync::{Mutex, PoisonError};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, header},
};
use fanwave_store::catalogue::{Catalogue, Database};
use fanwave_wire::Role;
use http_body_util::BodyExt;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::{passes::is_here, *};
use crate::{
    RateLimits, Rooms,
    accounts::{Accounts, Registration},
    tests::{Log, NOW, api, key, platform::Platform},
};

const SITE: &str = "https://live.example";

/// Who has come back with which code, and what is said of them.
#[derive(Default)]
struct Words {
    said: Mutex<Vec<(String, Result<Identity, IssuerError>)>>,
    asked: Mutex<Vec<(String, String)>>,
    is_away: Mutex<bool>,
}

impl Words {
    fn says(&self, code: &str, subject: &str, claims: Value) {
        let claims: Map<String, Value> = serde_json::from_value(claims).unwrap();
        let subject = subject.to_owned();
        self.keep(code, Ok(Identity { subject, claims }));
    }

    fn keep(&self, code: &str, words: Result<Identity, IssuerError>) {
        self.said.lock().unwrap().push((code.to_owned(), words));
    }
}

impl Issuer for Words {
    fn authorization_endpoint(&self) -> BoxFuture<'_, Result<Arc<str>, IssuerError>> {
        let is_away = *self.is_away.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(async move {
            match is_away {
                true => Err(IssuerError::Away("no answer".to_owned())),
                false => Ok("https://id.example/authorize?tenant=1".into()),
            }
        })
    }

    fn redeem<'a>(&'a self, grant: Grant<'a>) -> BoxFuture<'a, Result<Identity, IssuerError>> {
        assert_eq!(
            grant.redirect_uri,
            "https://live.example/api/v1/oidc/callback"
        );
        let shown = (grant.verifier.to_owned(), grant.nonce.to_owned());
        self.asked.lock().unwrap().push(shown);
        let mut said = self.said.lock().unwrap();
        // A code is good once.
        let found = said.iter().position(|(code, _)| code == grant.code);
        let words = found.map(|found| said.remove(found).1);
        let unknown = || Err(IssuerError::Refused("invalid_grant".to_owned()));
        Box::pin(async move { words.unwrap_or_else(unknown) })
    }
}

struct House {
    router: Router,
    catalogue: Catalogue,
    platform: Arc<Platform>,
    words: Arc<Words>,
    _folder: TempDir,
}

/// An answer, as far as a browser looks at it.
struct Answer {
    status: StatusCode,
    location: String,
    cookie: String,
    body: Value,
}

impl House {
    async fn new(roles: Roles) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("catalogue.db"));
        let catalogue = Catalogue::open(&database).await.unwrap();
        let (platform, words) = (Arc::<Platform>::default(), Arc::<Words>::default());
        let oidc = Oidc {
            issuer: Arc::clone(&words) as Arc<dyn Issuer>,
            identifier: "https://id.example".to_owned(),
            client: "fanwave".to_owned(),
            scope: "openid profile".to_owned(),
            name: "Example ID".into(),
            roles,
            site: SITE.to_owned(),
        };
        let accounts = Accounts {
            catalogue: catalogue.clone(),
            key: key(),
            registration: Registration::Closed,
            session_ttl: std::time::Duration::from_secs(3600),
            board: Arc::default(),
            emotes: Arc::default(),
            oidc: Some(oidc),
            now: || NOW,
        };
        let log = Log {
            head: 0,
            fails: false,
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
            words,
            _folder: folder,
        }
    }

    async fn ask(&self, method: Method, path: &str, cookie: &str) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"));
        if !cookie.is_empty() {
            request = request.header(header::COOKIE, format!("other=1; {cookie}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = |name| text(&head.headers, name);
        Answer {
            status: head.status,
            location: text(header::LOCATION),
            cookie: text(header::SET_COOKIE),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    /// Goes to the issuer; what the browser keeps, and the state that it is to come back with.
    async fn away(&self, wanted: &str) -> (String, String) {
        let path = format!("/oidc/login?return={wanted}");
        let answer = self.ask(Method::GET, &path, "").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        (kept(&answer.cookie), asked(&answer.location, "state"))
    }

    /// Goes there and back with a code.
    async fn comes(&self, code: &str) -> Answer {
        let (cookie, state) = self.away("/studio").await;
        let path = format!("/oidc/callback?code={code}&state={state}");
        self.ask(Method::GET, &path, &cookie).await
    }

    /// Logs in with a code, and says whose account it is, with the session.
    async fn logs_in(&self, code: &str) -> (Value, String) {
        let back = self.comes(code).await;
        assert_eq!(back.location, "https://live.example/studio#login=done");
        let begun = self
            .ask(Method::POST, "/oidc/session", &kept(&back.cookie))
            .await;
        assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.body);
        assert!(begun.cookie.contains("Max-Age=0"), "{}", begun.cookie);
        let session = begun.body["session"].as_str().unwrap().to_owned();
        (begun.body["account"].clone(), session)
    }

    async fn is_logged_in(&self, session: &str) -> bool {
        let request = Request::get("/api/v1/session");
        let request = request.header(header::AUTHORIZATION, format!("Bearer {session}"));
        let request = request.body(Body::empty()).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        answer.status() == StatusCode::OK
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    let value = headers.get(name).map(|value| value.to_str().unwrap());
    value.unwrap_or_default().to_owned()
}

/// What a browser sends of a cookie that was set.
fn kept(cookie: &str) -> String {
    cookie.split(';').next().unwrap().to_owned()
}

/// A parameter of an address.
fn asked(address: &str, name: &str) -> String {
    let (_, query) = address.split_once('?').unwrap();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap();
    let found = pairs.into_iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("{address} has no {name}")).1
}

fn crew() -> Roles {
    Roles {
        claim: Some("groups".to_owned()),
        values: vec![
            ("crew".to_owned(), Role::Staff),
            ("mods".to_owned(), Role::Moderator),
        ],
    }
}

#[tokio::test]
async fn somebody_goes_to_the_issuer_and_comes_back_as_who_they_are() {
    let house = House::new(Roles::default()).await;
    let ways = house.ask(Method::GET, "/sessions", "").await.body;
    let oidc = json!({ "name": "Example ID", "path": "/api/v1/oidc/login" });
    assert_eq!(ways, json!({ "passwords": true, "oidc": oidc }));

    let answer = house.ask(Method::GET, "/oidc/login", "").await;
    assert!(
        answer
            .location
            .starts_with("https://id.example/authorize?tenant=1&")
    );
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "fanwave"),
        ("redirect_uri", "https://live.example/api/v1/oidc/callback"),
        ("scope", "openid profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked(&answer.location, name), value);
    }
    for attribute in [
        "Path=/api/v1/oidc",
        "HttpOnly",
        "SameSite=Lax",
        "Secure",
        "Max-Age=600",
    ] {
        assert!(answer.cookie.contains(attribute), "{}", answer.cookie);
    }
    // What is shown for the code is not in the browser, and is what was said of it beforehand.
    let cookie = kept(&answer.cookie);
    house
        .words
        .says("c-1", "24400320", json!({ "name": "미나" }));
    let state = asked(&answer.location, "state");
    let path = format!("/oidc/callback?code=c-1&state={state}&session_state=x");
    let back = house.ask(Method::GET, &path, &cookie).await;
    assert_eq!(back.location, "https://live.example/#login=done");
    let (verifier, nonce) = house.words.asked.lock().unwrap()[0].clone();
    assert_eq!(nonce, asked(&answer.location, "nonce"));
    let challenge = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    let challenge = base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, challenge);
    assert_eq!(challenge, asked(&answer.location, "code_challenge"));

    let begun = house
        .ask(Method::POST, "/oidc/session", &kept(&back.cookie))
        .await;
    assert_eq!(begun.status, StatusCode::CREATED);
    let account = begun.body["account"].clone();
    assert_eq!(
        (&account["name"], &account["role"]),
        (&json!("미나"), &json!("fan"))
    );
    // The same person is the same account; what they are called may change.
    house
        .words
        .says("c-2", "24400320", json!({ "name": "Mina" }));
    let (again, session) = house.logs_in("c-2").await;
    assert_eq!(
        (&again["id"], &again["name"]),
        (&account["id"], &json!("Mina"))
    );
    assert!(house.is_logged_in(&session).await);
    house.words.says("c-3", "7", json!({ "name": "Mina" }));
    assert_ne!(house.logs_in("c-3").await.0["id"], account["id"]);
    let audit = house.catalogue.audit_before(None, 9).await.unwrap();
    // All at the same millisecond of this clock, they are in no order.
    let mut told: Vec<&str> = audit.iter().map(|entry| &*entry.action).collect();
    told.sort_unstable();
    assert_eq!(told, ["account.made", "account.made", "account.name"]);
    assert!(
        audit.iter().all(|entry| !entry.detail.contains("ina")),
        "{audit:?}"
    );
}

#[tokio::test]
async fn only_the_browser_that_went_comes_back_and_a_code_is_good_once() {
    let house = House::new(Roles::default()).await;
    house.words.says("c-1", "1", json!({}));
    let (cookie, state) = house.away("/studio").await;
    let (others, _) = house.away("/studio").await;
    let path = format!("/oidc/callback?code=c-1&state={state}");
    for (path, cookie) in [
        (path.as_str(), ""),
        (path.as_str(), others.as_str()),
        (path.as_str(), "fanwave_login="),
        ("/oidc/callback?code=c-1&state=", cookie.as_str()),
        ("/oidc/callback?code=c-1", cookie.as_str()),
    ] {
        let answer = house.ask(Method::GET, path, cookie).await;
        let told = (answer.status, &answer.body["code"]);
        assert_eq!(
            told,
            (StatusCode::FORBIDDEN, &json!("login_unknown")),
            "{path}"
        );
        assert_eq!(answer.location, "");
    }
    // An attempt is no ticket.
    let early = house.ask(Method::POST, "/oidc/session", &cookie).await;
    assert_eq!(early.body["code"], json!("login_unknown"));
    assert!(house.words.asked.lock().unwrap().is_empty());

    let back = house.ask(Method::GET, &path, &cookie).await;
    assert_eq!(back.location, "https://live.example/studio#login=done");
    let ticket = kept(&back.cookie);
    let again = house.ask(Method::GET, &path, &cookie).await;
    assert_eq!(again.location, "https://live.example/studio#login=refused");
    assert!(again.cookie.contains("Max-Age=0"));
    // Nor is a ticket an attempt.
    let answer = house.ask(Method::GET, &path, &ticket).await;
    assert_eq!(answer.body["code"], json!("login_unknown"));
}

#[tokio::test]
async fn what_goes_wrong_is_told_to_the_page_and_lets_nobody_in() {
    let house = House::new(Roles::default()).await;
    let away = IssuerError::Away("no answer".to_owned());
    house.words.keep("c-1", Err(away));
    house.words.says("c-2", "1", json!({}));
    for (query, word) in [
        ("code=c-1", "unavailable"),
        ("code=c-9", "refused"),
        ("error=access_denied", "refused"),
        ("error=temporarily_unavailable", "unavailable"),
        ("code=c-2&error=server_error", "unavailable"),
        ("code=c-2&iss=https://evil.example", "refused"),
        ("code=", "refused"),
    ] {
        let (cookie, state) = house.away("/watch/demo").await;
        let path = format!("/oidc/callback?{query}&state={state}");
        let back = house.ask(Method::GET, &path, &cookie).await;
        let expected = format!("https://live.example/watch/demo#login={word}");
        assert_eq!(back.location, expected, "{query}");
        let begun = house
            .ask(Method::POST, "/oidc/session", &kept(&back.cookie))
            .await;
        assert_eq!(begun.status, StatusCode::FORBIDDEN);
    }
    assert!(
        house
            .catalogue
            .accounts_after(None, 9)
            .await
            .unwrap()
            .is_empty()
    );
    *house.words.is_away.lock().unwrap() = true;
    let answer = house
        .ask(Method::GET, "/oidc/login?return=/studio", "")
        .await;
    assert_eq!(
        answer.location,
        "https://live.example/studio#login=unavailable"
    );
}

#[tokio::test]
async fn a_role_is_what_the_issuer_says_now_and_who_is_kept_out_stays_out() {
    let house = House::new(crew()).await;
    house.words.says("c-1", "1", json!({ "groups": ["mods"] }));
    let (account, session) = house.logs_in("c-1").await;
    assert_eq!(account["role"], json!("moderator"));
    house
        .words
        .says("c-2", "1", json!({ "groups": ["mods", "crew"] }));
    let (account, _) = house.logs_in("c-2").await;
    assert_eq!(account["role"], json!("staff"));
    // Nothing is left of what they were.
    assert!(!house.is_logged_in(&session).await);
    assert_eq!(house.platform.dismissed().len(), 1);
    house.words.says("c-3", "1", json!({}));
    let (account, session) = house.logs_in("c-3").await;
    assert_eq!(account["role"], json!("fan"));

    // Kept out after they have come back, and before.
    house.words.says("c-4", "1", json!({}));
    let back = house.comes("c-4").await;
    let change = fanwave_store::catalogue::Change {
        suspended: Some(true),
        ends_sessions: true,
        ..Default::default()
    };
    let entry = fanwave_store::catalogue::Entry {
        id: "e-1".to_owned(),
        at: 0,
        actor: "a-boss".to_owned(),
        action: "account.suspended".to_owned(),
        subject: "a-1".to_owned(),
        detail: "{}".to_owned(),
    };
    let id = account["id"].as_str().unwrap();
    house
        .catalogue
        .change_account(id, &change, &entry)
        .await
        .unwrap();
    assert!(!house.is_logged_in(&session).await);
    let begun = house
        .ask(Method::POST, "/oidc/session", &kept(&back.cookie))
        .await;
    assert_eq!(begun.body["code"], json!("login_wrong"));
    house.words.says("c-5", "1", json!({ "groups": ["crew"] }));
    let back = house.comes("c-5").await;
    assert_eq!(back.location, "https://live.example/studio#login=refused");
}

#[tokio::test]
async fn nobody_is_sent_to_another_site() {
    let house = House::new(Roles::default()).await;
    for wanted in [
        "//evil.example",
        "https://evil.example",
        "/%5Cevil.example",
        "",
        "studio",
        "/a%0Ab",
        "/a%23b",
    ] {
        let path = format!("/oidc/login?return={wanted}");
        let answer = house.ask(Method::GET, &path, "").await;
        assert_eq!(answer.body["code"], json!("malformed_query"), "{wanted}");
    }
    for wanted in ["/studio/demo", "/watch/demo?t=1", "/%252F%252Fevil.example"] {
        house.away(wanted).await;
    }
}

proptest! {
    #[test]
    fn whatever_path_is_taken_stays_on_this_site(path in "[/\\\\.:@a-z%#? \t\u{0}-\u{7f}]{0,12}") {
        if is_here(&path) {
            let whole: axum::http::Uri = format!("{SITE}{path}").parse().unwrap();
            prop_assert_eq!(whole.host(), Some("live.example"));
            prop_assert!(!path.starts_with("//") && !path.contains(['\\', '#', ' ']));
        }
    }

    #[test]
    fn a_cookie_that_was_changed_anywhere_is_none(at in any::<prop::sample::Index>(), byte in 0x21_u8..0x7f, now in 0_i64..2) {
        let attempt = passes::Attempt::new("/studio".to_owned(), 0).unwrap();
        let text = passes::sealed(&key(), &attempt);
        let good: Option<passes::Attempt> = passes::opened(&key(), &text, now);
        prop_assert_eq!(good, Some(attempt));
        let at = at.index(text.len());
        let mut bytes = text.clone().into_bytes();
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        if changed != text {
            let opened: Option<passes::Attempt> = passes::opened(&key(), &changed, now);
            prop_assert_eq!(opened, None);
        }
        let as_ticket: Option<passes::Ticket> = passes::opened(&key(), &text, now);
        prop_assert_eq!(as_ticket, None);
        let late: Option<passes::Attempt> = passes::opened(&key(), &text, i64::MAX);
        prop_assert_eq!(late, None);
    }

    #[test]
    fn what_a_stranger_makes_up_is_no_cookie(text in ".{0,80}", marked in "[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{43}") {
        for text in [text, marked] {
            let attempt: Option<passes::Attempt> = passes::opened(&key(), &text, 0);
            let ticket: Option<passes::Ticket> = passes::opened(&key(), &text, 0);
            prop_assert!(attempt.is_none() && ticket.is_none());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_stranger_comes_back_with_they_are_refused() {
    let house = House::new(Roles::default()).await;
    let here = tokio::runtime::Handle::current();
    let sent = ("[a-z=&%+0-9A-F]{0,60}", "[ -~]{0,80}");
    let ran = TestRunner::default().run(&sent, |(query, cookie)| {
        let path = format!("/oidc/callback?state=1&{query}");
        let cookie = format!("fanwave_login={cookie}");
        let asking = house.ask(Method::GET, &path, &cookie);
        let status = tokio::task::block_in_place(|| here.block_on(asking)).status;
        prop_assert!(status.is_client_error(), "{}", status);
        Ok(())
    });
    ran.unwrap();
}
