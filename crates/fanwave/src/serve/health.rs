//! `/livez`, `/readyz` and `/metrics`, for whatever watches over the process.
//!
//! *Alive* means that the event loop answers and the gateway's reactor turns: a process that is not should be started
//! again. *Ready* means that new fans should be sent here: not while starting, not while the fans are being moved to other
//! servers, and not while stopping; the answer says which. A store that fails does not make the server unready: the show
//! goes on, sends are refused with an error, and taking all servers out of service at once would help nobody.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
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

/// What may not be well on a server that is ready, and what follows from it. All servers may be in the same place, and
/// taking them out of service would help nobody.
const WITHOUT: [(&str, &str); 6] = [
    (
        "the broker cannot be reached",
        "messages are refused until it can",
    ),
    (
        "the chat log cannot be written",
        "messages are refused until it can",
    ),
    (
        "the chat log is not recorded",
        "what is said stays with the broker until it is",
    ),
    (
        "media cannot be stored",
        "viewers can go back less far until it can",
    ),
    (
        "recordings do not get to their bucket",
        "they wait in the data folder until they do",
    ),
    (
        "commands cannot be taken from the broker",
        "they wait there until they can",
    ),
];

/// What the server is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Not everything has been started.
    Starting,
    /// New fans should be sent here.
    Ready,
    /// It was told to stop, and moves its fans to other servers.
    Draining,
    /// It ends.
    Stopping,
}

impl Stage {
    /// What is answered, and whether it is good news.
    const fn words(self) -> (bool, &'static str) {
        match self {
            Self::Starting => (false, "starting\n"),
            Self::Ready => (true, "ready\n"),
            Self::Draining => (
                false,
                "draining: told to stop, the fans are moved to other servers\n",
            ),
            Self::Stopping => (false, "stopping\n"),
        }
    }
}

/// Whether new fans should be sent here, and if not, why.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<AtomicU8>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(AtomicU8::new(Stage::Starting as u8)))
    }
}

impl Readiness {
    /// The server is at this stage from now on.
    pub fn set(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Release);
    }

    fn stage(&self) -> Stage {
        let stage = self.0.load(Ordering::Acquire);
        [Stage::Starting, Stage::Ready, Stage::Draining]
            .into_iter()
            .find(|known| *known as u8 == stage)
            .unwrap_or(Stage::Stopping)
    }
}

/// Asks whether a part of the process still turns.
pub type Pulse = Arc<dyn Fn() -> bool + Send + Sync>;

/// What is asked how it is.
pub struct Pulses {
    /// Whether the gateway's reactor turns.
    pub reactor: Pulse,
    /// Whether rooms reach their log.
    pub engine: Pulse,
    /// Whether the last write to the chat log succeeded.
    pub log: Pulse,
    /// Whether what is said over a broker gets to the chat log.
    pub recorder: Pulse,
    /// Whether the media of shows can be stored.
    pub storage: Pulse,
    /// Whether what is recorded gets to its bucket.
    pub bucket: Pulse,
    /// Whether commands can be taken from the broker.
    pub commands: Pulse,
}

impl fmt::Debug for Pulses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pulses").finish_non_exhaustive()
    }
}

struct Health {
    readiness: Readiness,
    pulses: Pulses,
    registry: Registry,
}

/// The routes.
pub fn router(readiness: Readiness, pulses: Pulses, registry: Registry) -> Router {
    Router::new()
        .route(path::LIVEZ, get(alive))
        .route(path::READYZ, get(ready))
        .route(path::METRICS, get(metrics))
        .with_state(Arc::new(Health {
            readiness,
            pulses,
            registry,
        }))
}

async fn alive(State(health): State<Arc<Health>>) -> Response {
    answer(match (health.pulses.reactor)() {
        true => (true, "alive\n"),
        false => (false, "the gateway's reactor has stopped\n"),
    })
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let stage = health.readiness.stage();
    if stage != Stage::Ready {
        return answer(stage.words());
    }
    let Pulses {
        engine,
        log,
        recorder,
        storage,
        bucket,
        commands,
        ..
    } = &health.pulses;
    let well = [engine(), log(), recorder(), storage(), bucket(), commands()];
    let without = WITHOUT.iter().zip(well).filter(|(_, well)| !well);
    let (what, follows): (Vec<_>, Vec<_>) = without.map(|(words, _)| *words).unzip();
    if what.is_empty() {
        return answer(stage.words());
    }
    let text = format!(
        "ready, but {}: {}\n",
        what.join(", and "),
        follows.join(", and ")
    );
    answer((true, &text))
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

fn answer((good, body): (bool, &str)) -> Response {
    let uncached = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let status = match good {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, uncached, body.to_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_told_as_it_was_set() {
        let readiness = Readiness::default();
        assert_eq!(readiness.stage(), Stage::Starting);
        for stage in [Stage::Ready, Stage::Draining, Stage::Stopping] {
            readiness.set(stage);
            assert_eq!(readiness.stage(), stage);
            assert_eq!(stage.words().0, stage == Stage::Ready);
        }
    }
}
