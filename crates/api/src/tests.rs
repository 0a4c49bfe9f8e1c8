//! The API as a client sees it, over an engine made of a list.

mod conduct;
mod log;
mod moderation;
pub(crate) mod platform;
mod server_api;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
    response::IntoResponse,
};
use fanwave_bus::{Ack, BoxFuture, EngineError, History, HistoryQuery, Sink, Snapshot};
use fanwave_room::census::Node;
use fanwave_wire::envelope::{About, NodeId, NodeState, Sent};
use fanwave_wire::{
    Channel, ClientMessageId, Draft, Epoch, Offset, Publication, Role, Sender, UserId,
    token::{Claims, TokenKey},
};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

pub(crate) const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const DAY_MS: u64 = 86_400_000;

/// Holds messages 1 to `head` of `chat:demo`, or fails every read.
pub(crate) struct Log {
    pub(crate) head: u64,
    pub(crate) fails: bool,
}

impl Engine for Log {
    fn attach(&self, _: Arc<dyn Sink>) {}

    fn subscribe<'a>(&'a self, _: &'a Channel) -> BoxFuture<'a, Result<Snapshot, EngineError>> {
        Box::pin(async { Err(EngineError::Stopping) })
    }

    fn unsubscribe<'a>(&'a self, _: &'a Channel) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async { Ok(()) })
    }

    fn publish<'a>(&'a self, _: &'a Channel, _: Draft) -> BoxFuture<'a, Result<Ack, EngineError>> {
        Box::pin(async { Err(EngineError::Stopping) })
    }

    fn events<'a>(
        &'a self,
        _: &'a Channel,
        _: Offset,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        Box::pin(async { Err(EngineError::Stopping) })
    }

    fn history<'a>(
        &'a self,
        channel: &'a Channel,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        Box::pin(async move {
            if self.fails {
                return Err(EngineError::Unavailable {
                    reason: "secret path /x".into(),
                });
            }
            let head = if channel.to_string() == "chat:demo" {
                self.head
            } else {
                0
            };
            if !query.reverse {
                let after = query.since.map_or(0, |after| after.0);
                let publications = (after + 1..=head)
                    .take(query.limit)
                    .map(|n| Arc::new(publication(n)));
                return Ok(History {
                    epoch: Epoch("e1".into()),
                    head: Offset(head),
                    publications: publications.collect(),
                });
            }
            let newest = query
                .since
                .map_or(head, |before| before.0.saturating_sub(1).min(head));
            let publications = (1..=newest)
                .rev()
                .take(query.limit)
                .map(|n| Arc::new(publication(n)))
                .collect();
            Ok(History {
                epoch: Epoch("e1".into()),
                head: Offset(head),
                publications,
            })
        })
    }
}

fn publication(n: u64) -> Publication {
    Publication {
        offset: Offset(n),
        at: UnixMillis(NOW.0 + n),
        draft: Draft {
            id: ClientMessageId(format!("m{n}").into()),
            sender: Sender {
                user: UserId("g-1".into()),
                name: "민지".into(),
                role: Role::Fan,
                badge: None,
            },
            body: fanwave_wire::Body::Text(fanwave_wire::Text::plain(format!("line {n}"))),
        },
    }
}

struct Shows;

impl ShowStatus for Shows {
    fn state(&self, channel: &RoomId) -> ShowState {
        if channel.as_str() == "demo" {
            ShowState::Live { since: NOW }
        } else {
            ShowState::OffAir
        }
    }

    fn announce(&self, channel: &RoomId, event: ShowEvent) -> Result<(), EventRefusal> {
        match (channel.as_str(), event.id.as_str()) {
            ("demo", "song-1") => {
                assert_eq!(event.start, NOW, "now, where nothing is said");
                assert_eq!(event.duration, Some(Duration::from_millis(1_500)));
                let attribute = |name: &str| event.attributes.get(name).cloned();
                assert_eq!(attribute("X-TITLE"), Some(EventValue::Text("One".into())));
                assert_eq!(attribute("X-NUMBER"), Some(EventValue::Number(7)));
                Ok(())
            }
            ("demo", "song-0") => Err(EventRefusal::IdUsed),
            ("demo", _) => Err(EventRefusal::Refused("a date range needs an id".into())),
            _ => Err(EventRefusal::NotLive),
        }
    }

    fn follow(&self, channel: &RoomId) -> BoxStream<'static, Told> {
        let told = |number| Told {
            id: format!("run-{number}"),
            kind: "encoder.lost",
            body: format!("{{\"channel\":\"{channel}\",\"number\":{number}}}"),
        };
        stream::iter([1, 2].map(told)).boxed()
    }

    fn ingest(&self, channel: &RoomId) -> Ingest {
        if channel.as_str() != "demo" {
            return Ingest {
                publisher: Publisher::Absent,
                health: None,
                encoders: (None, None),
                simulcast: Vec::new(),
            };
        }
        Ingest {
            publisher: Publisher::Connected,
            health: Some(Health {
                video_bits_per_second: 3_000_000,
                audio_bits_per_second: 128_000,
                frame_rate_milli: 29_970,
                keyframe_interval: Some(Duration::from_secs(2)),
                keyframe_interval_max: None,
                drift_ms: -3,
                lag: Duration::from_millis(40),
                starving: false,
                dropped_pictures: 1,
                timestamp_jumps: 0,
            }),
            encoders: (
                Some(encoder("203.0.113.7", "srt")),
                Some(encoder("2001:db8::7", "rtmps")),
            ),
            simulcast: vec![Push {
                name: "Elsewhere".into(),
                host: "live.example".into(),
                state: PushState::Failed,
                since: NOW,
                retry_at: Some(UnixMillis(NOW.0 + 2_000)),
                sent_bytes: 7_000,
                dropped_pictures: 3,
                reconnects: 2,
                error: Some(PushError::Refused),
            }],
        }
    }
}

fn encoder(address: &str, protocol: &'static str) -> Encoder {
    Encoder {
        address: address.parse().unwrap(),
        protocol,
        since: NOW,
    }
}

struct TwoNodes;

impl NodeList for TwoNodes {
    fn nodes(&self) -> Vec<Node> {
        let node = |id, name: &str, state| Node {
            id: NodeId(id),
            about: About {
                name: name.parse().unwrap(),
                release: "0.1.0".into(),
                started_at: UnixMillis(NOW.0 - DAY_MS),
                state,
                connections: 17_000,
                connections_max: 20_000,
                rooms: 1,
                busy_permille: 125,
                region: (id == 2).then(|| "paris".into()),
                viewers: 40,
                sent: Sent {
                    chat_bytes: 2_000_000_000,
                    http_bytes: 30_000_000_000,
                },
            },
            heard_at: UnixMillis(NOW.0 - id),
        };
        vec![
            node(2, "b", NodeState::Serving),
            node(1, "a", NodeState::Draining),
        ]
    }
}

/// One show of a minute, of which the chat's messages from the eleventh on are a part, a millisecond apart; and one that is on.
struct TwoRecordings;

fn recording(id: &str, ended: bool) -> Recording {
    Recording {
        id: id.to_owned(),
        channel: "demo".parse().unwrap(),
        from: UnixMillis(NOW.0 + 11),
        to: UnixMillis(NOW.0 + 60_011),
        bytes: 5_000,
        ended,
        clip: false,
    }
}

impl Library for TwoRecordings {
    fn list(&self) -> Vec<Recording> {
        vec![recording("demo.on", false), recording("demo.over", true)]
    }

    fn get(&self, id: &str) -> Option<Recording> {
        self.list().into_iter().find(|known| known.id == id)
    }

    fn timeline<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Vec<Stretch>, LibraryError>> {
        let stretch = self.get(id).map(|known| Stretch {
            starts_at: known.from,
            media_ms: 0,
            duration_ms: 60_000,
        });
        let found = stretch.map(|stretch| vec![stretch]);
        Box::pin(async { found.ok_or(LibraryError::Unknown) })
    }

    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), LibraryError>> {
        Box::pin(async move {
            match self.get(id).map(|known| known.ended) {
                None => Err(LibraryError::Unknown),
                Some(false) => Err(LibraryError::Conflict("the show is on".to_owned())),
                Some(true) => Ok(()),
            }
        })
    }

    fn clip<'a>(
        &'a self,
        id: &'a str,
        from: UnixMillis,
        to: UnixMillis,
    ) -> BoxFuture<'a, Result<Recording, LibraryError>> {
        Box::pin(async move {
            if id == "demo.slow" {
                std::future::pending::<()>().await;
            }
            if from >= to {
                return Err(LibraryError::Refused("not so".to_owned()));
            }
            let clip = recording("demo.clip-1", true);
            Ok(Recording {
                from,
                to,
                clip: true,
                ..clip
            })
        })
    }
}

pub(crate) fn key() -> TokenKey {
    TokenKey::new(&[7; 32]).unwrap()
}

fn app(log: Log) -> Router {
    limited_app(log, RateLimits::default())
}

fn limited_app(log: Log, rates: RateLimits) -> Router {
    router(api(log, rates))
}

fn regions() -> Regions {
    let region = |name: &str, url: &str| Region {
        name: name.into(),
        url: url.into(),
    };
    Regions {
        here: Some("paris".into()),
        ranked: vec![
            region("seoul", "https://kr.fans.example"),
            region("paris", "https://eu.fans.example"),
        ],
    }
}

pub(crate) fn doors() -> Doors {
    Doors {
        rtmp: Door::Port(1935),
        rtmps: None,
        srt: Some(SrtDoor {
            door: Door::At("srt://ingest.example:9000".into()),
            has_passphrase: true,
        }),
        whip: Some("".into()),
    }
}

/// What the API answers from, without accounts.
pub(crate) fn api(log: Log, rates: RateLimits) -> Api {
    let channel = |id: &str, title: &str| ChannelInfo {
        id: id.parse().unwrap(),
        title: title.into(),
    };
    Api {
        channels: vec![
            channel("demo", "The Demo"),
            channel("second", "Second stage"),
        ],
        part_target: Duration::from_millis(500),
        guest_ttl: Duration::from_secs(86_400),
        key: key(),
        keys: ApiKeys::default(),
        engine: Arc::new(log),
        rooms: Arc::<platform::Platform>::default(),
        shows: Arc::new(Shows),
        library: Arc::new(TwoRecordings),
        nodes: Arc::new(TwoNodes),
        regions: regions(),
        doors: doors(),
        prices: Some(Prices {
            currency: "EUR".into(),
            per_gb: 0.5,
            per_server_hour: 0.25,
        }),
        rates,
        accounts: None,
        webhooks: None,
        log: None,
        recorded: false,
        quality: quality::Quality::default(),
        now: || NOW,
    }
}

#[tokio::test]
async fn the_regions_are_told_in_their_order() {
    let answer = get("/api/v1/regions").await;
    assert_eq!(
        (answer.status, &*answer.cache),
        (StatusCode::OK, "no-store")
    );
    let ranked = json!([
        { "name": "seoul", "url": "https://kr.fans.example" },
        { "name": "paris", "url": "https://eu.fans.example" },
    ]);
    assert_eq!(answer.body, json!({ "here": "paris", "ranked": ranked }));
}

pub(crate) struct Answer {
    status: StatusCode,
    content_type: String,
    cache: String,
    pub(crate) body: Value,
}

async fn call(app: Router, request: Request<Body>) -> Answer {
    let response = app.oneshot(request).await.unwrap();
    let text = |name| {
        response
            .headers()
            .get(name)
            .map(|v| v.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    let (content_type, cache) = (text(header::CONTENT_TYPE), text(header::CACHE_CONTROL));
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Answer {
        status,
        content_type,
        cache,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    }
}

async fn get(path: &str) -> Answer {
    call(
        app(Log {
            head: 120,
            fails: false,
        }),
        Request::get(path).body(Body::empty()).unwrap(),
    )
    .await
}

async fn post_guest(body: impl Into<Body>) -> Answer {
    let request = Request::post("/api/v1/guests").header(header::CONTENT_TYPE, "application/json");
    call(
        app(Log {
            head: 0,
            fails: false,
        }),
        request.body(body.into()).unwrap(),
    )
    .await
}

fn assert_problem(answer: &Answer, status: StatusCode, code: &str) {
    assert_eq!(answer.status, status);
    assert_eq!(answer.content_type, "application/problem+json");
    assert_eq!(answer.body["status"], status.as_u16());
    assert_eq!(answer.body["code"], code);
    assert_eq!(answer.body["type"], "about:blank");
    assert!(
        answer.body["detail"]
            .as_str()
            .is_some_and(|d| !d.is_empty())
    );
}

#[tokio::test]
async fn a_name_becomes_a_token_that_verifies() {
    let answer = post_guest(json!({"name": "  민지  "}).to_string()).await;
    assert_eq!(
        (answer.status, answer.cache.as_str()),
        (StatusCode::CREATED, "no-store")
    );
    assert_eq!(answer.body["name"], "민지");
    assert_eq!(answer.body["expires_at"], NOW.0 + DAY_MS);

    let claims = key()
        .verify(answer.body["token"].as_str().unwrap(), NOW)
        .unwrap();
    let sender = claims.sender();
    assert_eq!(answer.body["user"], *sender.user.0);
    assert_eq!(
        (&*sender.name, sender.role, claims.expires_at()),
        ("민지", Role::Fan, UnixMillis(NOW.0 + DAY_MS))
    );
    assert_eq!(
        sender.user.0.len(),
        "g-".len() + 32,
        "128 bits in hexadecimal"
    );
}

#[tokio::test]
async fn two_guests_of_one_name_are_two_people() {
    let first = post_guest(json!({"name": "Ana"}).to_string()).await;
    let second = post_guest(json!({"name": "Ana"}).to_string()).await;
    assert_ne!(first.body["user"], second.body["user"]);
}

#[tokio::test]
async fn a_renamed_fan_stays_the_same_fan() {
    let first = post_guest(json!({"name": "Ana"}).to_string()).await;
    let renamed =
        post_guest(json!({"name": "Anita", "token": first.body["token"]}).to_string()).await;
    assert_eq!(renamed.body["user"], first.body["user"]);
    assert_eq!(renamed.body["name"], "Anita");
}

#[tokio::test]
async fn a_token_that_does_not_count_makes_a_new_guest() {
    let sender = |role| Sender {
        user: UserId("kept".into()),
        name: "A".into(),
        role,
        badge: None,
    };
    let claims = |role, exp| Claims::new(sender(role), NOW, exp).unwrap();
    let later = UnixMillis(NOW.0 + DAY_MS);
    let foreign = TokenKey::new(&[8; 32])
        .unwrap()
        .issue(&claims(Role::Fan, later));
    let expired = key().issue(&claims(Role::Fan, UnixMillis(NOW.0 - DAY_MS)));
    let artist = key().issue(&claims(Role::Artist, later));
    for token in [
        foreign,
        expired,
        artist,
        "nonsense".to_owned(),
        String::new(),
    ] {
        let answer = post_guest(json!({"name": "Ana", "token": token}).to_string()).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        assert_ne!(answer.body["user"], "kept");
    }
}

#[tokio::test]
async fn bad_guest_requests_are_refused_with_a_problem() {
    for (body, status, code) in [
        ("", StatusCode::BAD_REQUEST, "malformed_body"),
        ("{\"name\":7}", StatusCode::BAD_REQUEST, "malformed_body"),
        (
            "{\"name\":\"\\ud800\"}",
            StatusCode::BAD_REQUEST,
            "malformed_body",
        ),
        (
            "{\"name\":\"  \"}",
            StatusCode::UNPROCESSABLE_ENTITY,
            "name_empty",
        ),
        (
            "{\"name\":\"a\\u202eb\"}",
            StatusCode::UNPROCESSABLE_ENTITY,
            "name_character",
        ),
    ] {
        assert_problem(&post_guest(body.to_owned()).await, status, code);
    }
    let long = json!({"name": "x".repeat(33)}).to_string();
    assert_problem(
        &post_guest(long).await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "name_too_long",
    );
    let oversize = vec![b' '; limits::BODY_BYTES_MAX + 1];
    assert_problem(
        &post_guest(oversize).await,
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
    );
}

#[tokio::test]
async fn a_body_that_never_arrives_is_answered_in_bounded_time() {
    let never = stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
    let request = Request::post("/api/v1/guests")
        .body(Body::from_stream(never))
        .unwrap();
    let refused = guests::read(request, Duration::ZERO).await.unwrap_err();
    assert_eq!(
        refused.into_response().status(),
        StatusCode::REQUEST_TIMEOUT
    );
}

#[tokio::test]
async fn a_channel_says_what_is_on_and_where() {
    let answer = get("/api/v1/channels/demo").await;
    assert_eq!(
        (answer.status, answer.cache.as_str()),
        (StatusCode::OK, "no-store")
    );
    let expected = json!({
        "id": "demo",
        "title": "The Demo",
        "live": true,
        "since": NOW.0,
        "playlist": "/live/demo/master.m3u8",
        "lanes": {"room": "room:demo", "chat": "chat:demo"},
        "emotes": 0,
        "part_target_ms": 500,
    });
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn all_channels_are_listed_in_order_and_off_air_has_no_since() {
    let answer = get("/api/v1/channels").await;
    assert_eq!(answer.body["channels"][0]["id"], "demo");
    assert_eq!(answer.body["channels"][1]["id"], "second");
    assert_eq!(answer.body["channels"][1]["live"], false);
    assert_eq!(answer.body["channels"][1]["since"], Value::Null);
}

#[tokio::test]
async fn history_pages_meet_without_gap_or_overlap() {
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = get(&format!("/api/v1/channels/demo/messages?limit=50{cursor}")).await;
        assert_eq!(
            (answer.status, answer.body["head"].as_u64()),
            (StatusCode::OK, Some(120))
        );
        seen.extend(
            answer.body["messages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|m| m["offset"].as_u64().unwrap()),
        );
        let Some(next) = answer.body["next_before"].as_u64() else {
            break;
        };
        cursor = format!("&before={next}");
    }
    assert_eq!(seen, (1..=120).rev().collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_message_carries_what_the_page_shows() {
    let answer = get("/api/v1/channels/demo/messages?lane=chat&limit=1").await;
    assert_eq!(
        (&answer.body["channel"], &answer.body["epoch"]),
        (&json!("chat:demo"), &json!("e1"))
    );
    let expected = json!({
        "offset": 120, "id": "m120", "user": "g-1", "name": "민지", "role": "fan", "text": "line 120",
        "at": NOW.0 + 120,
    });
    assert_eq!(answer.body["messages"], json!([expected]));
}

#[tokio::test]
async fn an_empty_lane_is_an_empty_page() {
    let answer = get("/api/v1/channels/demo/messages?lane=room").await;
    assert_eq!(
        (answer.status, &answer.body["messages"]),
        (StatusCode::OK, &json!([]))
    );
    assert_eq!(answer.body["next_before"], Value::Null);
}

#[tokio::test]
async fn bad_history_queries_are_refused() {
    for query in ["limit=0", "limit=201", "limit=x", "before=-1", "lane=other"] {
        let answer = get(&format!("/api/v1/channels/demo/messages?{query}")).await;
        assert_problem(&answer, StatusCode::BAD_REQUEST, "malformed_query");
    }
}

#[tokio::test]
async fn a_failing_log_is_an_answer_without_its_reason() {
    let request = Request::get("/api/v1/channels/demo/messages")
        .body(Body::empty())
        .unwrap();
    let answer = call(
        app(Log {
            head: 0,
            fails: true,
        }),
        request,
    )
    .await;
    assert_problem(
        &answer,
        StatusCode::SERVICE_UNAVAILABLE,
        "history_unavailable",
    );
    assert!(!answer.body.to_string().contains("secret path"));
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_problems_too() {
    assert_problem(
        &get("/api/v1/channels/nobody").await,
        StatusCode::NOT_FOUND,
        "unknown_channel",
    );
    assert_problem(
        &get("/api/v1/channels/nobody/messages").await,
        StatusCode::NOT_FOUND,
        "unknown_channel",
    );
    assert_problem(
        &get("/api/v1/other").await,
        StatusCode::NOT_FOUND,
        "not_found",
    );
    assert_problem(
        &get("/api/v1/guests").await,
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
    );
}

fn token(role: Role, key: &TokenKey, expires_at: UnixMillis) -> String {
    let sender = Sender::new(UserId("someone".into()), "Someone", role);
    key.issue(&Claims::new(sender, NOW, expires_at).unwrap())
}

async fn staff_get(path: &str, authorization: Option<&str>) -> Answer {
    let mut request = Request::get(path);
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let log = Log {
        head: 0,
        fails: false,
    };
    call(app(log), request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_staff_sees_how_a_channel_is_fed() {
    let later = UnixMillis(NOW.0 + DAY_MS);
    let staff = format!("Bearer {}", token(Role::Staff, &key(), later));
    let answer = staff_get("/api/v1/channels/demo/ingest", Some(&staff)).await;
    assert_eq!(
        (answer.status, answer.cache.as_str()),
        (StatusCode::OK, "no-store")
    );
    let expected = json!({"now": NOW.0, "channel": "demo", "publisher": "connected", "health": {
        "video_bits_per_second": 3_000_000, "audio_bits_per_second": 128_000, "frame_rate": 29.97,
        "keyframe_interval_ms": 2_000, "keyframe_interval_max_ms": null, "drift_ms": -3, "lag_ms": 40,
        "starving": false, "dropped_pictures": 1, "timestamp_jumps": 0,
    }, "encoders": [
        {"address": "203.0.113.7", "protocol": "srt", "since": NOW.0, "shown": true},
        {"address": "2001:db8::7", "protocol": "rtmps", "since": NOW.0, "shown": false},
    ], "simulcast": [{
        "name": "Elsewhere", "host": "live.example", "state": "failed", "since": NOW.0, "retry_at": NOW.0 + 2_000,
        "sent_bytes": 7_000, "dropped": 3, "reconnects": 2, "error": "refused",
    }]});
    assert_eq!(answer.body, expected);
    let answer = staff_get("/api/v1/channels/second/ingest", Some(&staff)).await;
    assert_eq!(
        (&answer.body["publisher"], &answer.body["health"]),
        (&json!("absent"), &Value::Null)
    );
    assert_eq!(
        (&answer.body["encoders"], &answer.body["simulcast"]),
        (&json!([]), &json!([]))
    );
    let answer = staff_get("/api/v1/channels/none/ingest", Some(&staff)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let answer = staff_get("/api/v1/channels/demo/ingest", None).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_staff_is_told_where_encoders_publish_to_at_the_host_that_is_asked() {
    let staff = token(Role::Staff, &key(), UnixMillis(NOW.0 + DAY_MS));
    let fan = token(Role::Fan, &key(), UnixMillis(NOW.0 + DAY_MS));
    let ask = async |path: &str, host: Option<&str>, token: &str| {
        let log = Log {
            head: 0,
            fails: false,
        };
        let bearer = format!("Bearer {token}");
        let request = Request::get(path).header(header::AUTHORIZATION, bearer);
        let request = host
            .into_iter()
            .fold(request, |request, host| request.header(header::HOST, host));
        call(app(log), request.body(Body::empty()).unwrap()).await
    };
    let path = "/api/v1/channels/demo/ingest/addresses";
    let rtmp = async |path: &str, host: Option<&str>| {
        let answer = ask(path, host, &staff).await;
        answer.body["addresses"][0]["server"].clone()
    };
    let answer = ask(path, Some("fans.example:8080"), &staff).await;
    assert_eq!(
        (answer.status, &*answer.cache),
        (StatusCode::OK, "no-store")
    );
    let expected = json!({"channel": "demo", "addresses": [
        {"protocol": "rtmp", "server": "rtmp://fans.example:1935/live", "key_goes": "stream_key", "has_passphrase": false},
        {"protocol": "srt", "server": "srt://ingest.example:9000?streamid=publish:STREAM-KEY", "key_goes": "server",
            "has_passphrase": true},
        {"protocol": "whip", "server": "/whip/demo", "key_goes": "bearer_token", "has_passphrase": false},
    ]});
    assert_eq!(answer.body, expected);
    // As HTTP/2 says it; as a host of IPv6 is written; and what is no host at all.
    let target = format!("https://other.example{path}");
    assert_eq!(rtmp(&target, None).await, "rtmp://other.example:1935/live");
    assert_eq!(
        rtmp(path, Some("[2001:db8::1]:8080")).await,
        "rtmp://[2001:db8::1]:1935/live"
    );
    for nobody in [None, Some("no host at all")] {
        assert_eq!(rtmp(path, nobody).await, "rtmp://localhost:1935/live");
    }
    let none = ask(&path.replace("demo", "none"), None, &staff).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert_eq!(ask(path, None, &fan).await.status, StatusCode::FORBIDDEN);
    assert_eq!(staff_get(path, None).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_staff_is_told_what_it_has_cost() {
    let later = UnixMillis(NOW.0 + DAY_MS);
    let bearer = |role| format!("Bearer {}", token(role, &key(), later));
    let answer = staff_get("/api/v1/cost", Some(&bearer(Role::Staff))).await;
    assert_eq!(
        (answer.status, &*answer.cache),
        (StatusCode::OK, "no-store")
    );
    let expected = json!({
        "now": NOW.0, "since": NOW.0 - DAY_MS, "servers": 2, "server_hours": 48.0,
        "chat_bytes": 4_000_000_000_u64, "http_bytes": 60_000_000_000_u64, "audience": 34_000,
        "prices": {"currency": "EUR", "per_gb": 0.5, "per_server_hour": 0.25},
        "money": {"chat": 2.0, "http": 30.0, "servers": 12.0, "total": 44.0, "per_thousand": 44.0 / 34_000.0 * 1_000.0},
    });
    assert_eq!(answer.body, expected);
    let refused = staff_get("/api/v1/cost", Some(&bearer(Role::Moderator))).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let refused = staff_get("/api/v1/cost", None).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_staff_follows_what_happens_to_a_channel() {
    let later = UnixMillis(NOW.0 + DAY_MS);
    let ask = async |path: &str, token: Option<&str>| {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let log = Log {
            head: 0,
            fails: false,
        };
        let request = request.body(Body::empty()).unwrap();
        app(log).oneshot(request).await.unwrap()
    };
    let path = "/api/v1/channels/demo/ingest/events";
    let staff = token(Role::Staff, &key(), later);
    let answer = ask(path, Some(&staff)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let one = |number| {
        format!(
            "id: run-{number}\nevent: encoder.lost\ndata: {{\"channel\":\"demo\",\"number\":{number}}}\n\n"
        )
    };
    assert_eq!(String::from_utf8_lossy(&body), one(1) + &one(2));
    let fan = token(Role::Fan, &key(), later);
    assert_eq!(ask(path, Some(&fan)).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(ask(path, None).await.status(), StatusCode::UNAUTHORIZED);
    let none = "/api/v1/channels/none/ingest/events";
    assert_eq!(
        ask(none, Some(&staff)).await.status(),
        StatusCode::NOT_FOUND
    );
    // Those who have gone have left their places: one more than there are finds one.
    for _ in 0..=limits::FOLLOWERS_MAX {
        let answer = ask(path, Some(&staff)).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let mut all = Vec::new();
    for _ in 0..limits::FOLLOWERS_MAX {
        all.push(ask(path, Some(&staff)).await);
    }
    let crowded = ask(path, Some(&staff)).await;
    assert_eq!(crowded.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(all.iter().all(|answer| answer.status() == StatusCode::OK));
}

async fn nodes(authorization: Option<&str>) -> Answer {
    staff_get("/api/v1/nodes", authorization).await
}

#[tokio::test]
async fn the_staff_are_told_which_servers_there_are() {
    let later = UnixMillis(NOW.0 + DAY_MS);
    let staff = token(Role::Staff, &key(), later);
    for scheme in ["Bearer", "bearer"] {
        let answer = nodes(Some(&format!("{scheme} {staff}"))).await;
        assert_eq!(
            (answer.status, &*answer.cache),
            (StatusCode::OK, "no-store")
        );
        let described = |id: &str, name: &str, this: bool, ago: u64| {
            json!({
                "id": id, "name": name, "version": "0.1.0", "this": this, "draining": !this,
                "started_at": NOW.0 - DAY_MS, "heard_at": NOW.0 - ago, "connections": 17_000,
                "connections_max": 20_000, "rooms": 1, "busy_percent": 12.5,
                "region": this.then_some("paris"), "viewers": 40, "sent_chat_bytes": 2_000_000_000_u64,
                "sent_http_bytes": 30_000_000_000_u64,
            })
        };
        let expected = json!({"now": NOW.0, "nodes": [
            described("0000000000000002", "b", true, 2),
            described("0000000000000001", "a", false, 1),
        ]});
        assert_eq!(answer.body, expected);
    }
}

#[tokio::test]
async fn nobody_else_is_told_which_servers_there_are() {
    let later = UnixMillis(NOW.0 + DAY_MS);
    let other_key = TokenKey::new(&[8; 32]).unwrap();
    let bearer = |token: String| Some(format!("Bearer {token}"));
    let refused = [
        (None, 401, "token_missing"),
        (Some("Basic c3RhZmY6".to_owned()), 401, "token_missing"),
        (bearer("nonsense".to_owned()), 401, "token_refused"),
        (
            bearer(token(Role::Staff, &other_key, later)),
            401,
            "token_refused",
        ),
        (
            bearer(token(Role::Staff, &key(), NOW)),
            401,
            "token_refused",
        ),
        (bearer(token(Role::Artist, &key(), later)), 403, "not_staff"),
        (bearer(token(Role::Fan, &key(), later)), 403, "not_staff"),
    ];
    for (authorization, status, code) in refused {
        let answer = nodes(authorization.as_deref()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["code"]),
            (status, &json!(code))
        );
        assert_eq!(answer.content_type, "application/problem+json");
    }
}

async fn staff_call(method: &str, path: &str, body: &str, role: Role) -> Answer {
    let token = token(role, &key(), UnixMillis(NOW.0 + DAY_MS));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::from(body.to_owned()))
        .unwrap();
    let log = Log {
        head: 120,
        fails: false,
    };
    call(app(log), request).await
}

#[tokio::test]
async fn recordings_are_listed_and_say_where_they_are_played() {
    let answer = get("/api/v1/channels/demo/recordings").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["recordings"].as_array().unwrap().len(), 2);
    assert_eq!(
        answer.body["recordings"][1],
        json!({
            "id": "demo.over", "channel": "demo", "playlist": "/vod/demo.over/index.m3u8",
            "from": NOW.0 + 11, "to": NOW.0 + 60_011, "bytes": 5_000, "ended": true, "clip": false,
        })
    );
    let answer = get("/api/v1/channels/second/recordings").await;
    assert_eq!(answer.body["recordings"], json!([]));
    let answer = get("/api/v1/recordings/demo.on").await;
    assert_eq!(answer.body["ended"], json!(false));
    for path in [
        "/api/v1/recordings/none",
        "/api/v1/recordings/none/messages",
    ] {
        assert_problem(&get(path).await, StatusCode::NOT_FOUND, "unknown_recording");
    }
}

#[tokio::test]
async fn recordings_are_cut_and_deleted_by_staff_alone() {
    let one = "/api/v1/recordings/demo.over";
    let clips = "/api/v1/recordings/demo.over/clips";
    let staff = Role::Staff;
    let answer = staff_call("DELETE", one, "", staff).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let answer = staff_call("DELETE", one, "", Role::Fan).await;
    assert_problem(&answer, StatusCode::FORBIDDEN, "not_staff");
    let answer = staff_call("DELETE", "/api/v1/recordings/demo.on", "", staff).await;
    assert_problem(&answer, StatusCode::CONFLICT, "conflict");
    let answer = staff_call("DELETE", "/api/v1/recordings/none", "", staff).await;
    assert_problem(&answer, StatusCode::NOT_FOUND, "unknown_recording");

    let answer = staff_call("POST", clips, "{\"from\":5,\"to\":9}", staff).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(
        (&answer.body["from"], &answer.body["clip"]),
        (&json!(5), &json!(true))
    );
    let answer = staff_call("POST", clips, "{\"from\":9,\"to\":5}", staff).await;
    assert_problem(&answer, StatusCode::UNPROCESSABLE_ENTITY, "refused");
    let answer = staff_call("POST", clips, "{\"from\":-1}", staff).await;
    assert_problem(&answer, StatusCode::BAD_REQUEST, "malformed_body");
    let answer = staff_call("POST", clips, "{\"from\":5,\"to\":9}", Role::Moderator).await;
    assert_problem(&answer, StatusCode::FORBIDDEN, "not_staff");
}

#[tokio::test]
async fn the_chat_beside_a_recording_has_its_times_in_a_player() {
    let messages = "/api/v1/recordings/demo.over/messages";
    let answer = get(&format!("{messages}?limit=5")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let told = |answer: &Answer| -> Vec<(u64, u64)> {
        let list = answer.body["messages"].as_array().unwrap();
        let number = |message: &Value, name: &str| message[name].as_u64().unwrap();
        list.iter()
            .map(|one| (number(one, "offset"), number(one, "media_ms")))
            .collect()
    };
    // The first ten were said before the show.
    assert_eq!(told(&answer), [(11, 0), (12, 1), (13, 2), (14, 3), (15, 4)]);
    assert_eq!(answer.body["messages"][0]["text"], json!("line 11"));
    assert_eq!(answer.body["next_after"], json!(15));
    let answer = get(&format!("{messages}?after=118&limit=5")).await;
    assert_eq!(told(&answer), [(119, 108), (120, 109)]);
    assert_eq!(answer.body["next_after"], json!(null));
    let answer = get(&format!("{messages}?from_ms=100&limit=2")).await;
    assert_eq!(told(&answer), [(111, 100), (112, 101)]);
    let answer = get(&format!("{messages}?lane=room")).await;
    assert_eq!(answer.body["messages"], json!([]));
    for query in ["limit=0", "limit=201", "lane=none", "from_ms=-1"] {
        let answer = get(&format!("{messages}?{query}")).await;
        assert_problem(&answer, StatusCode::BAD_REQUEST, "malformed_query");
    }
}

async fn announce(channel: &str, authorization: Option<&str>, body: &str) -> Answer {
    let mut request = Request::post(format!("/api/v1/channels/{channel}/events"));
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let log = Log {
        head: 0,
        fails: false,
    };
    call(app(log), request.body(body.to_owned().into()).unwrap()).await
}

#[tokio::test]
async fn the_staff_announces_what_happens_in_a_show() {
    let later = UnixMillis(NOW.0 + DAY_MS);
    let staff = format!("Bearer {}", token(Role::Staff, &key(), later));
    let song = r#"{"id":"song-1","class":"org.example.song","duration_ms":1500,
        "attributes":{"X-TITLE":"One","X-NUMBER":7.0}}"#;
    let answer = announce("demo", Some(&staff), song).await;
    assert_eq!(
        (answer.status, answer.cache.as_str()),
        (StatusCode::CREATED, "no-store")
    );
    assert_eq!(
        answer.body,
        json!({"channel": "demo", "id": "song-1", "start": NOW.0})
    );
    let again = announce("demo", Some(&staff), r#"{"id":"song-0"}"#).await;
    assert_eq!(again.status, StatusCode::OK, "the same request again");

    let refused = announce("demo", Some(&staff), r#"{"id":""}"#).await;
    assert_problem(&refused, StatusCode::UNPROCESSABLE_ENTITY, "event_refused");
    let off = announce("second", Some(&staff), r#"{"id":"a"}"#).await;
    assert_problem(&off, StatusCode::CONFLICT, "not_live");
    for body in [
        "",
        "{}",
        r#"{"id":"a","end":1}"#,
        r#"{"id":"a","attributes":{"X-A":1.5}}"#,
        r#"{"id":"a","attributes":{"X-A":null}}"#,
        r#"["a"]"#,
    ] {
        let malformed = announce("demo", Some(&staff), body).await;
        assert_problem(&malformed, StatusCode::BAD_REQUEST, "malformed_body");
    }
    let nowhere = announce("none", Some(&staff), r#"{"id":"a"}"#).await;
    assert_problem(&nowhere, StatusCode::NOT_FOUND, "unknown_channel");
    let nobody = announce("demo", None, r#"{"id":"a"}"#).await;
    assert_problem(&nobody, StatusCode::UNAUTHORIZED, "token_missing");
    let fan = format!("Bearer {}", token(Role::Moderator, &key(), later));
    let fan = announce("demo", Some(&fan), r#"{"id":"a"}"#).await;
    assert_problem(&fan, StatusCode::FORBIDDEN, "not_staff");
}
