//! A real receiver over HTTP, and what comes to it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post as on_post,
};
use prometheus_client::encoding::text::encode;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

const DEADLINE: Duration = Duration::from_secs(60);

/// What came, and how it was signed.
type Got = (Value, String, Bytes);

#[derive(Clone)]
struct Bench {
    /// So many are answered with this status first.
    first: Arc<AtomicU64>,
    status: u16,
    /// Whether nothing is answered at all.
    silent: Arc<AtomicBool>,
    got: mpsc::Sender<Got>,
}

struct Receiver {
    addr: SocketAddr,
    bench: Bench,
    got: mpsc::Receiver<Got>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// One that answers the first so many with a status, and the others with 204.
    async fn start(first: u64, status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, got) = mpsc::channel(4_096);
        let bench = Bench {
            first: Arc::new(AtomicU64::new(first)),
            status,
            silent: Arc::default(),
            got: sender,
        };
        let router = Router::new()
            .route("/events", on_post(take))
            .with_state(bench.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            addr,
            bench,
            got,
            server,
        }
    }

    fn config(&self) -> WebhookConfig {
        WebhookConfig {
            url: format!("http://{}/events", self.addr).parse().unwrap(),
            timeout: DEADLINE,
            secret: Some(secret()),
        }
    }

    async fn next(&mut self) -> Got {
        let next = timeout(DEADLINE, self.got.recv()).await;
        next.expect("an event in time").expect("the receiver runs")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn secret() -> fanwave_origin::Secret {
    fanwave_origin::Secret::new("a secret of the crew")
}

async fn take(State(bench): State<Bench>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers["fanwave-signature"].to_str().unwrap().to_owned();
    assert_eq!(headers["content-type"], "application/json");
    let event = serde_json::from_slice(&body).unwrap();
    bench.got.send((event, signature, body)).await.unwrap();
    if bench.silent.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let left = bench
        .first
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        });
    match left {
        Ok(_) => StatusCode::from_u16(bench.status).unwrap(),
        Err(_) => StatusCode::NO_CONTENT,
    }
}

fn event(number: u64) -> Event {
    Event {
        id: format!("run-{number}"),
        kind: "encoder.lost",
        at: UnixMillis(1_795_000_000_000),
        number,
        channel: Some("demo".parse().unwrap()),
        withheld: 0,
        data: json!({"standby": false}),
    }
}

fn counted(registry: &Registry, line: &str) -> bool {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    text.lines().any(|told| told == line)
}

#[tokio::test]
async fn events_come_in_order_each_once_and_signed() {
    let mut receiver = Receiver::start(0, 204).await;
    let mut registry = Registry::default();
    let webhook = Webhook::start(receiver.config(), &mut registry);
    for number in 1..=20 {
        webhook.tell(&event(number));
    }
    for number in 1..=20 {
        let (event, signature, body) = receiver.next().await;
        assert_eq!(
            event,
            json!({
                "id": format!("run-{number}"), "type": "encoder.lost", "at": 1_795_000_000_000_u64,
                "number": number, "channel": "demo", "withheld": 0, "data": {"standby": false},
            })
        );
        let seconds = signature
            .strip_prefix("t=")
            .unwrap()
            .split(',')
            .next()
            .unwrap();
        let at = fanwave_live::WallTime(seconds.parse::<u64>().unwrap() * 1_000);
        assert_eq!(signature, sign(&secret(), at, &body));
        assert_ne!(signature, sign(&secret(), at, b"{}"));
    }
    webhook.shutdown().await;
    assert!(receiver.got.try_recv().is_err());
    let taken = "fanwave_webhook_events_total{outcome=\"taken\"} 20";
    assert!(counted(&registry, taken));
    assert!(counted(&registry, "fanwave_webhook_waiting 0"));
}

#[tokio::test]
async fn what_was_not_taken_comes_again_before_what_follows_it() {
    let mut receiver = Receiver::start(1, 503).await;
    let mut registry = Registry::default();
    let webhook = Webhook::start(receiver.config(), &mut registry);
    webhook.tell(&event(1));
    webhook.tell(&event(2));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(receiver.next().await.0["number"].as_u64().unwrap());
    }
    assert_eq!(ids, [1, 1, 2]);
    webhook.shutdown().await;
    assert!(counted(&registry, "fanwave_webhook_failures_total 1"));
}

#[tokio::test]
async fn what_is_refused_does_not_stand_in_the_way() {
    let mut receiver = Receiver::start(1, 400).await;
    let mut registry = Registry::default();
    let webhook = Webhook::start(receiver.config(), &mut registry);
    webhook.tell(&event(1));
    webhook.tell(&event(2));
    for number in 1..=2 {
        assert_eq!(receiver.next().await.0["number"], number);
    }
    webhook.shutdown().await;
    let refused = "fanwave_webhook_events_total{outcome=\"refused\"} 1";
    assert!(counted(&registry, refused));
}

#[tokio::test]
async fn a_receiver_that_says_nothing_costs_the_oldest_events_and_no_wait() {
    let mut receiver = Receiver::start(0, 204).await;
    receiver.bench.silent.store(true, Ordering::SeqCst);
    let mut registry = Registry::default();
    let webhook = Webhook::start(receiver.config(), &mut registry);
    let told = 3 * EVENTS_WAITING_MAX as u64;
    for number in 1..=told {
        webhook.tell(&event(number));
        if number.is_multiple_of(100) {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(receiver.next().await.0["number"], 1);
    // An event that no receiver could want.
    let long = Event {
        data: Value::String("x".repeat(EVENT_BYTES_MAX)),
        ..event(0)
    };
    webhook.tell(&long);
    let crowded = told - EVENTS_WAITING_MAX as u64 + 1;
    let metrics = webhook.metrics.clone();
    // Ends within its time although nothing is taken.
    webhook.shutdown().await;
    let line = format!("fanwave_webhook_events_total{{outcome=\"crowded\"}} {crowded}");
    assert!(counted(&registry, &line), "{metrics:?}");
}

#[tokio::test]
async fn a_receiver_that_is_away_is_an_error_without_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let config = WebhookConfig {
        url: format!("http://{addr}/canary").parse().unwrap(),
        timeout: DEADLINE,
        secret: None,
    };
    assert!(!format!("{config:?}").contains("canary"));
    let why = post(Arc::new(config), event(1).body()).await.unwrap_err();
    assert!(
        why.starts_with("cannot connect") && !why.contains("canary"),
        "{why}"
    );
}
