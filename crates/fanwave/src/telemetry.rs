//! The log and the metrics.
//!
//! The log goes to standard error, for a person or, as JSON, for a machine. Stream keys, tokens and what fans write are
//! never logged, at any level. Metrics are kept in one registry that every part of the server adds to before it starts,
//! and are read at `/metrics`; none is labelled by room or user, whose number strangers decide.

use std::io::{self, IsTerminal};

use anyhow::Context;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};
use tracing_subscriber::EnvFilter;

use crate::config::plan::{Log, LogFormat};

/// Starts logging. Called once, by the program; tests log nothing.
///
/// # Errors
///
/// Somebody else has set up logging in this process.
pub fn start_log(log: &Log) -> Result<(), anyhow::Error> {
    // A bucket that does not answer is told of by us; its client's word for each attempt is for whoever asks for it.
    let filter = EnvFilter::try_new(format!("object_store=warn,{}", log.filter))
        .context("the log filter was checked with the configuration")?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let started = match log.format {
        LogFormat::Human => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot be set up: {error}"))
}

/// What the HTTP server counts.
#[derive(Debug, Clone, Default)]
pub struct HttpMetrics {
    /// Connections being served, upgraded ones not among them.
    pub connections: Gauge,
    /// Connections accepted since the start.
    pub accepted: Counter,
    /// Times that accepting failed, most likely because file descriptors ran out.
    pub accept_failures: Counter,
    /// Connections ended because an answer was not taken in time.
    pub cut: Counter,
    /// Bytes of answers that connections have taken, without headers; what an upgraded one carries is not among them.
    pub sent: Counter,
}

impl HttpMetrics {
    /// Counters that are part of the registry.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "fanwave_http_connections",
            "HTTP connections being served",
            metrics.connections.clone(),
        );
        registry.register(
            "fanwave_http_accepted",
            "HTTP connections accepted",
            metrics.accepted.clone(),
        );
        registry.register(
            "fanwave_http_accept_failures",
            "Times that no connection could be accepted",
            metrics.accept_failures.clone(),
        );
        registry.register(
            "fanwave_http_cut",
            "HTTP connections ended because an answer was not taken in time",
            metrics.cut.clone(),
        );
        registry.register_with_unit(
            "fanwave_http_sent",
            "Sent in answers over HTTP: the broadcast, pages and the API",
            Unit::Bytes,
            metrics.sent.clone(),
        );
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("fanwave_build", "What is running", build);
        metrics
    }
}
