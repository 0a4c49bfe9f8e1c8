//! What is true of all routes: refusals, methods, bodies, idempotency keys, and how often one client may ask.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Waker},
};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, Method},
    response::Response,
};

use super::*;
use crate::{address::Proxies, once, rates};

fn quiet() -> Log {
    Log {
        head: 0,
        fails: false,
    }
}

async fn ask(app: &Router, request: Request<Body>) -> Response {
    app.clone().oneshot(request).await.unwrap()
}

fn request(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn json(response: Response) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_address_says_which_methods_it_takes() {
    let app = app(quiet());
    for (path, allowed) in [
        ("/api/v1/guests", "POST"),
        ("/api/v1/channels/demo", "GET,HEAD"),
        ("/api/v1/recordings/demo.over", "GET,HEAD,DELETE"),
        ("/api/v1/openapi.json", "GET,HEAD"),
    ] {
        let options = ask(&app, request(Method::OPTIONS, path, &[], "")).await;
        assert_eq!(options.status(), StatusCode::NO_CONTENT, "{path}");
        assert_eq!(text(options.headers(), "allow"), allowed, "{path}");
        for method in [Method::PUT, Method::PATCH, Method::TRACE] {
            let refused = ask(&app, request(method, path, &[], "")).await;
            assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(text(refused.headers(), "allow"), allowed, "{path}");
            assert_eq!(json(refused).await["code"], "method_not_allowed");
        }
    }
    let head = ask(
        &app,
        request(Method::HEAD, "/api/v1/channels/demo", &[], ""),
    )
    .await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_ne!(text(head.headers(), "content-length"), "");
    assert!(
        head.into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .is_empty()
    );
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[tokio::test]
async fn what_axum_would_refuse_in_its_own_words_is_a_problem_too() {
    let staff = format!(
        "Bearer {}",
        token(Role::Staff, &key(), UnixMillis(NOW.0 + DAY_MS))
    );
    let staff = ("authorization", staff.as_str());
    let app = app(quiet());
    let events = "/api/v1/channels/demo/events";
    for (request, status, code) in [
        (
            request(Method::GET, "/api/v1/channels/%FF", &[], ""),
            404,
            "not_found",
        ),
        (
            request(Method::GET, "/api/v1/nothing", &[], ""),
            404,
            "not_found",
        ),
        (
            request(
                Method::GET,
                "/api/v1/channels/demo/messages?limit=%FF",
                &[],
                "",
            ),
            400,
            "malformed_query",
        ),
        (
            request(
                Method::GET,
                "/api/v1/channels/demo/messages?befroe=7",
                &[],
                "",
            ),
            400,
            "malformed_query",
        ),
        (
            request(
                Method::GET,
                "/api/v1/channels/demo/messages?limit=1&limit=2",
                &[],
                "",
            ),
            400,
            "malformed_query",
        ),
        (
            request(
                Method::POST,
                events,
                &[staff, ("content-type", "text/plain")],
                "{}",
            ),
            415,
            "not_json",
        ),
        (
            request(
                Method::POST,
                events,
                &[staff],
                r#"{"id":"a","colour":"red"}"#,
            ),
            400,
            "malformed_body",
        ),
        (
            request(
                Method::POST,
                "/api/v1/guests",
                &[],
                r#"{"name":"a","colour":"red"}"#,
            ),
            400,
            "malformed_body",
        ),
        (
            request(Method::POST, "/api/v1/guests", &[], r#"["a",null]"#),
            400,
            "malformed_body",
        ),
    ] {
        let asked = request.uri().clone();
        let response = ask(&app, request).await;
        assert_eq!(response.status(), status, "{asked}");
        let kind = text(response.headers(), "content-type");
        assert_eq!(kind, "application/problem+json", "{asked}");
        assert_eq!(json(response).await["code"], code, "{asked}");
    }
}

/// Polls once.
fn is_pending<T: Future>(future: &mut Pin<Box<T>>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    future.as_mut().poll(&mut context).is_pending()
}

fn guest(key: &str, name: &str, authorization: Option<&str>) -> Request<Body> {
    let mut headers = vec![("idempotency-key", key)];
    headers.extend(authorization.map(|token| ("authorization", token)));
    let body = json!({"name": name}).to_string();
    request(Method::POST, "/api/v1/guests", &headers, &body)
}

#[tokio::test]
async fn a_request_with_an_idempotency_key_is_done_once() {
    let app = app(quiet());
    let first = ask(&app, guest("k1", "Ana", None)).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    assert!(!first.headers().contains_key(once::REPLAYED));
    let first = json(first).await;

    let again = ask(&app, guest("\"k1\"", "Ana", None)).await;
    assert_eq!(again.status(), StatusCode::CREATED);
    assert_eq!(text(again.headers(), "idempotency-replayed"), "true");
    assert_eq!(text(again.headers(), "cache-control"), "no-store");
    assert_eq!(json(again).await, first);

    let reused = ask(&app, guest("k1", "Bea", None)).await;
    assert_eq!(reused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(json(reused).await["code"], "idempotency_key_reused");

    // Somebody else's key of the same name, and another key, are other requests.
    for other in [
        guest("k1", "Ana", Some("Bearer other")),
        guest("k2", "Ana", None),
    ] {
        let other = ask(&app, other).await;
        assert_eq!(other.status(), StatusCode::CREATED);
        assert_ne!(json(other).await["user"], first["user"]);
    }
    let malformed = ask(&app, guest("a key", "Ana", None)).await;
    assert_eq!(malformed.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json(malformed).await["code"], "idempotency_key_malformed");
}

#[tokio::test]
async fn a_key_whose_request_was_refused_can_be_used_again() {
    let app = app(quiet());
    let refused = ask(&app, guest("k1", "\u{202e}", None)).await;
    assert_eq!(json(refused).await["code"], "name_character");
    let mended = ask(&app, guest("k1", "Ana", None)).await;
    assert_eq!(mended.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn the_same_request_twice_at_once_is_done_once() {
    let app = app(quiet());
    let body = r#"{"from":5,"to":9}"#;
    let staff = token(Role::Staff, &key(), UnixMillis(NOW.0 + DAY_MS));
    let staff = format!("Bearer {staff}");
    let headers = [("authorization", staff.as_str()), ("idempotency-key", "k1")];
    let clip = || {
        request(
            Method::POST,
            "/api/v1/recordings/demo.slow/clips",
            &headers,
            body,
        )
    };
    let mut first = Box::pin(app.clone().oneshot(clip()));
    assert!(is_pending(&mut first), "the library is at it");
    let second = ask(&app, clip()).await;
    assert_eq!(second.status(), StatusCode::CONFLICT);
    assert_eq!(json(second).await["code"], "idempotency_key_in_use");
    // Whoever goes away before the answer may come again.
    drop(first);
    let mut third = Box::pin(app.clone().oneshot(clip()));
    assert!(is_pending(&mut third), "it is done anew");
}

fn from(address: &str, forwarded_for: Option<&str>) -> Request<Body> {
    let headers: Vec<_> = forwarded_for
        .map(|said| ("x-forwarded-for", said))
        .into_iter()
        .collect();
    let mut request = request(
        Method::POST,
        "/api/v1/guests",
        &headers,
        r#"{"name":"Ana"}"#,
    );
    let peer: SocketAddr = format!("{address}:4711").parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

#[tokio::test]
async fn one_address_makes_so_many_guests_in_a_minute() {
    let app = limited_app(
        quiet(),
        RateLimits {
            guests_per_minute: NonZeroU32::new(2),
            requests_per_minute: NonZeroU32::new(100),
            beacons_per_minute: None,
            proxies: Proxies(vec!["10.0.0.0/8".parse().unwrap()]),
        },
    );
    let told = |response: &Response| {
        let headers = response.headers();
        let texts = (
            text(headers, "ratelimit-policy"),
            text(headers, "ratelimit"),
        );
        (
            response.status().as_u16(),
            texts.0.to_owned(),
            texts.1.to_owned(),
        )
    };
    let policy = "\"requests\";q=100;w=60, \"guests\";q=2;w=60".to_owned();
    let first = told(&ask(&app, from("203.0.113.9", None)).await);
    let left = "\"requests\";r=99;t=1, \"guests\";r=1;t=30".to_owned();
    assert_eq!(first, (201, policy.clone(), left));
    let second = ask(&app, from("10.0.0.7", Some("203.0.113.9"))).await;
    assert_eq!(second.status(), StatusCode::CREATED);

    let refused = ask(&app, from("203.0.113.9", Some("198.51.100.1"))).await;
    let (status, named, _) = told(&refused);
    assert_eq!((status, named), (429, policy));
    let wait: u64 = text(refused.headers(), "retry-after").parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(json(refused).await["code"], "too_many_requests");

    let other = ask(&app, from("198.51.100.1", None)).await;
    assert_eq!(other.status(), StatusCode::CREATED, "another address");
    for _ in 0..5 {
        let proxy = ask(&app, from("10.0.0.7", None)).await;
        assert_eq!(proxy.status(), StatusCode::CREATED, "the proxy itself");
        assert!(!proxy.headers().contains_key(rates::LIMIT));
    }
    let mut reading = request(Method::GET, "/api/v1/channels", &[], "");
    let peer: SocketAddr = "203.0.113.9:1".parse().unwrap();
    reading.extensions_mut().insert(ConnectInfo(peer));
    let reading = ask(&app, reading).await;
    assert_eq!(reading.status(), StatusCode::OK, "guests are counted alone");
    assert_eq!(
        text(reading.headers(), "ratelimit-policy"),
        "\"requests\";q=100;w=60"
    );
}

#[tokio::test]
async fn the_description_is_served() {
    let served = ask(
        &app(quiet()),
        request(Method::GET, "/api/v1/openapi.json", &[], ""),
    )
    .await;
    assert_eq!(text(served.headers(), "content-type"), "application/json");
    let described = json(served).await;
    assert_eq!(described["openapi"], "3.1.0");
    assert_eq!(described["info"]["title"], "Fanwave");
}
