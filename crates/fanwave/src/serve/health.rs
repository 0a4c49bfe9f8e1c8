//! `/livez`, `/readyz` and `/metrics`, for whatever watches over the process.
//!
//! *Alive* means that the event loop answers and the gateway's reactor turns: a process that is not should be started
//! again. *Ready* means that new fans should be sent here: not while starting and not while stopping. A store that fails
//! does not make the server unready: the show goes on, sends are refused with an error, and taking all servers out of
//! service at once would help nobody.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use fanwave_wire::path;
use prometheus_client::{encoding::text, registry::Registry};

/// Prometheus' text format in the `OpenMetrics` dialect.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether new fans should be sent here.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From now on they should, or should not.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Asks whether a part of the process still turns.
pub type Pulse = Arc<dyn Fn() -> bool + Send + Sync>;

struct Health {
    readiness: Readiness,
    reactor: Pulse,
    registry: Registry,
}

/// The routes.
pub fn router(readiness: Readiness, reactor: Pulse, registry: Registry) -> Router {
    Router::new()
        .route(path::LIVEZ, get(alive))
        .route(path::READYZ, get(ready))
        .route(path::METRICS, get(metrics))
        .with_state(Arc::new(Health {
            readiness,
            reactor,
            registry,
        }))
}

async fn alive(State(health): State<Arc<Health>>) -> Response {
    answer(
        (health.reactor)(),
        "alive\n",
        "the gateway's reactor has stopped\n",
    )
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    answer(
        health.readiness.is_ready(),
        "ready\n",
        "starting or stopping\n",
    )
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    let mut body = String::new();
    match text::encode(&mut body, &health.registry) {
        Ok(()) => (
            [(header::CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE))],
            body,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn answer(good: bool, yes: &'static str, no: &'static str) -> Response {
    let uncached = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let (status, body) = if good {
        (StatusCode::OK, yes)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, no)
    };
    (status, uncached, body).into_response()
}
