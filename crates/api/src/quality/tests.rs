//! What pages tell, and what the staff is told, as both see it.

use std::num::NonZeroU32;

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode, header},
    response::Response,
};
use fanwave_wire::{
    Role, Sender, UserId,
    limits::{BEACON_COUNT_MAX, BEACON_SPAN_MS_MAX},
    token::Claims,
};
use http_body_util::BodyExt;
use prometheus_client::encoding::text;
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{
    RateLimits, router,
    tests::{Log, NOW, api, key, platform::Platform},
};

const PATH: &str = "/api/v1/channels/demo/quality";

fn rules(reporters_max: usize) -> QualityRules {
    QualityRules {
        reporters_max,
        every: Duration::from_secs(10),
    }
}

fn plain() -> Api {
    let log = Log {
        head: 0,
        fails: false,
    };
    api(log, RateLimits::default())
}

fn app(reporters_max: usize) -> (Router, Registry) {
    let mut registry = Registry::default();
    let quality = Quality::new(rules(reporters_max), &mut registry);
    let app = router(Api { quality, ..plain() });
    (app, registry)
}

async fn body(response: Response) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap_or(Value::Null)
}

async fn call(app: &Router, request: Request<Body>) -> (u16, Value) {
    let response = app.clone().oneshot(request).await.unwrap();
    (response.status().as_u16(), body(response).await)
}

fn post(path: &str, body: &Value) -> Request<Body> {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

fn get(path: &str, role: Role) -> Request<Body> {
    let sender = Sender::new(UserId("someone".into()), "Someone", role);
    let claims = Claims::new(sender, NOW, UnixMillis(NOW.0 + 60_000)).unwrap();
    let bearer = format!("Bearer {}", key().issue(&claims));
    let request = Request::get(path).header(header::AUTHORIZATION, bearer);
    request.body(Body::empty()).unwrap()
}

fn beacon(session: u128, sequence: u32) -> Value {
    json!({
        "session": format!("{session:032x}"), "sequence": sequence, "startup_ms": 1_240, "played_ms": 9_000, "stalls": 1,
        "stalled_ms": 1_000, "latency_ms": 3_100, "height": 720, "bitrate": 2_500_000, "switches": 2, "errors": 1,
    })
}

#[tokio::test]
async fn what_pages_tell_is_summed_up_for_the_staff() {
    let (app, registry) = app(100);
    let asked = json!({"sample": 1.0, "every_ms": 10_000});
    assert_eq!(
        call(&app, post(PATH, &beacon(1, 1))).await,
        (200, asked.clone())
    );
    assert_eq!(
        call(&app, post(PATH, &beacon(1, 1))).await,
        (200, asked.clone()),
        "sent again"
    );
    assert_eq!(
        call(&app, post(PATH, &beacon(2, 7))).await,
        (200, asked.clone())
    );
    let (status, told) = call(&app, get(PATH, Role::Staff)).await;
    assert_eq!(status, 200);
    let figures = json!({
        "stalled_percent": 10.0, "startup_p50_ms": 1_125, "startup_p95_ms": 1_375, "latency_p50_ms": 3_250,
        "latency_p95_ms": 3_750, "bitrate": 2_500_000, "errors": 2,
    });
    let total = json!({
        "viewers": 2, "beacons": 2, "startups": 2, "played_ms": 18_000, "stalled_ms": 2_000, "stalls": 2, "switches": 4,
        "figures": figures, "rungs": [{"height": 720, "percent": 100.0}],
    });
    let expected = json!({
        "now": NOW.0, "channel": "demo", "server": "b", "asked": asked, "total": total, "points": [],
    });
    assert_eq!(told, expected);
    let (_, other) = call(&app, get("/api/v1/channels/second/quality", Role::Staff)).await;
    assert_eq!(
        (
            &other["total"]["beacons"],
            &other["total"]["figures"]["bitrate"]
        ),
        (&json!(0), &Value::Null)
    );

    let mut metrics = String::new();
    text::encode(&mut metrics, &registry).unwrap();
    for line in [
        "fanwave_quality_beacons_total{outcome=\"counted\"} 2",
        "fanwave_quality_beacons_total{outcome=\"again\"} 1",
        "fanwave_quality_beacons_total{outcome=\"enough\"} 0",
        "fanwave_quality_played_seconds_total 18.0",
        "fanwave_quality_stalled_seconds_total 2.0",
        "fanwave_quality_stalls_total 2",
        "fanwave_quality_errors_total 2",
        "fanwave_quality_startup_seconds_bucket{le=\"1.5\"} 2",
        "fanwave_quality_latency_seconds_count 2",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn only_the_staff_is_told() {
    let (app, _) = app(100);
    for role in [Role::Fan, Role::Moderator, Role::Artist] {
        let (status, problem) = call(&app, get(PATH, role)).await;
        assert_eq!((status, &problem["code"]), (403, &json!("not_staff")));
    }
    let nobody = Request::get(PATH).body(Body::empty()).unwrap();
    assert_eq!(call(&app, nobody).await.0, 401);
    let nowhere = get("/api/v1/channels/none/quality", Role::Staff);
    assert_eq!(call(&app, nowhere).await.0, 404);
}

#[tokio::test]
async fn what_is_no_beacon_is_refused_in_words_and_counts_for_nothing() {
    let (app, _) = app(100);
    let with = |name: &str, value: Value| {
        let mut told = beacon(1, 1);
        told[name] = value;
        told
    };
    for (told, words) in [
        (with("user", json!("u-1")), "unknown field `user`"),
        (
            with("session", json!("mina")),
            "session has 32 digits of 0-9 a-f",
        ),
        (
            with("played_ms", json!(600_001)),
            "played_ms is 0 to 600000",
        ),
        (json!([]), "it is no JSON object"),
    ] {
        let (status, problem) = call(&app, post(PATH, &told)).await;
        assert_eq!((status, &problem["code"]), (400, &json!("malformed_body")));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{detail}");
        assert!(!detail.contains("mina"), "{detail}");
    }
    let text = Request::post(PATH).header(header::CONTENT_TYPE, "text/plain");
    let text = text.body(Body::from(beacon(1, 1).to_string())).unwrap();
    assert_eq!(call(&app, text).await.0, 415);
    let nowhere = post("/api/v1/channels/none/quality", &beacon(1, 1));
    let (status, problem) = call(&app, nowhere).await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_channel")));
    let (_, told) = call(&app, get(PATH, Role::Staff)).await;
    assert_eq!(told["total"]["beacons"], 0);
}

#[tokio::test]
async fn no_more_sessions_than_may_report_are_taken() {
    let (app, _) = app(2);
    for session in [1, 2] {
        assert_eq!(call(&app, post(PATH, &beacon(session, 1))).await.0, 200);
    }
    let refused = app
        .clone()
        .oneshot(post(PATH, &beacon(3, 1)))
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "60");
    assert_eq!(body(refused).await["code"], "enough_report");
    assert_eq!(
        call(&app, post(PATH, &beacon(1, 2))).await.0,
        200,
        "who reports already goes on"
    );
}

#[tokio::test]
async fn one_address_sends_so_many_beacons_in_a_minute_and_other_requests_beside() {
    let quality = Quality {
        rules: rules(100),
        ..Quality::default()
    };
    let rates = RateLimits {
        beacons_per_minute: NonZeroU32::new(2),
        ..RateLimits::default()
    };
    let app = router(Api {
        quality,
        rates,
        ..plain()
    });
    let from = |mut request: Request<Body>| {
        let peer: std::net::SocketAddr = "203.0.113.9:4711".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    };
    for sequence in [1, 2] {
        assert_eq!(
            call(&app, from(post(PATH, &beacon(1, sequence)))).await.0,
            200
        );
    }
    let (status, problem) = call(&app, from(post(PATH, &beacon(1, 3)))).await;
    assert_eq!(
        (status, &problem["code"]),
        (429, &json!("too_many_requests"))
    );
    assert_eq!(call(&app, from(get(PATH, Role::Staff))).await.0, 200);
}

#[tokio::test]
async fn a_channel_says_what_pages_are_asked_for() {
    let read = async |api: Api| {
        let request = Request::get("/api/v1/channels/demo").body(Body::empty());
        call(&router(api), request.unwrap()).await.1
    };
    assert_eq!(read(plain()).await.get("quality"), None, "nobody is asked");
    let quality = Quality {
        rules: rules(100),
        ..Quality::default()
    };
    let told = read(Api { quality, ..plain() }).await;
    assert_eq!(told["quality"], json!({"sample": 1.0, "every_ms": 10_000}));
    let off = router(plain());
    let (status, problem) = call(&off, post(PATH, &beacon(1, 1))).await;
    assert_eq!((status, &problem["code"]), (404, &json!("nobody_asked")));
    let (status, told) = call(&off, get(PATH, Role::Staff)).await;
    assert_eq!((status, &told["asked"]), (200, &Value::Null));
}

#[tokio::test]
async fn a_room_that_grows_is_told_by_a_share_of_it() {
    let platform = Arc::<Platform>::default();
    // Forty more follow on other servers.
    for fan in 0..10 {
        platform.join(&format!("fan-{fan}"));
    }
    let quality = Quality {
        rules: rules(5),
        ..Quality::default()
    };
    let app = router(Api {
        quality,
        ..platform.api()
    });
    let (_, asked) = call(&app, post(PATH, &beacon(1, 1))).await;
    assert_eq!(asked["sample"], 0.1);
}

proptest! {
    #[test]
    fn the_share_of_a_room_is_never_more_than_may_report(
        reporters_max in 1..=limits::QUALITY_REPORTERS_MAX,
        viewers in 0..10_000_000_usize,
    ) {
        let share = sample(reporters_max, viewers);
        prop_assert!((0.0..=1.0).contains(&share));
        let viewers = f64::from(u32::try_from(viewers).unwrap());
        prop_assert!(share * viewers <= f64::from(u32::try_from(reporters_max).unwrap()) + 0.001);
    }

    /// Whatever the description allows is taken, and means what it says.
    #[test]
    fn the_description_is_of_what_is_taken(
        session: u128,
        spans in [0..=BEACON_SPAN_MS_MAX, 0..=BEACON_SPAN_MS_MAX],
        counts in [0..=BEACON_COUNT_MAX, 0..=BEACON_COUNT_MAX, 0..=BEACON_COUNT_MAX],
        startup_ms in proptest::option::of(0..=BEACON_SPAN_MS_MAX),
    ) {
        let [played_ms, stalled_ms] = spans;
        let [stalls, switches, errors] = counts;
        let described = NewBeacon {
            session: format!("{session:032x}"),
            sequence: 1,
            startup_ms,
            played_ms,
            stalls,
            stalled_ms,
            latency_ms: None,
            height: None,
            bitrate: Some(1),
            switches,
            errors,
        };
        let written = serde_json::to_vec(&described).unwrap();
        let read = Beacon::parse(&written).unwrap();
        prop_assert_eq!(read.session.0, session);
        prop_assert_eq!((read.played_ms, read.stalled_ms, read.startup_ms), (played_ms, stalled_ms, startup_ms));
        prop_assert_eq!((read.stalls, read.switches, read.errors), (stalls, switches, errors));
    }
}
