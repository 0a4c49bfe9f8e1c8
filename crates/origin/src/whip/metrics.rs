//! What is counted of WHIP. Names are prefixed `whip_`.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::{Registry, Unit},
};

/// Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct WhipMetrics {
    /// Sessions at this moment.
    pub(crate) sessions: Gauge,
    /// Bytes received at the port.
    pub(crate) received: Counter,
    /// Times that pictures were missing.
    pub(crate) losses: Counter,
    /// Datagrams that came faster than their session took them.
    pub(crate) given_up: Counter,
}

impl WhipMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("whip");
        registry.register(
            "sessions",
            "WHIP sessions at this moment",
            self.sessions.clone(),
        );
        registry.register_with_unit(
            "received",
            "Received at the WHIP port",
            Unit::Bytes,
            self.received.clone(),
        );
        registry.register(
            "losses",
            "Times that pictures of a WHIP session were missing",
            self.losses.clone(),
        );
        registry.register(
            "datagrams_given_up",
            "Datagrams of WHIP sessions that came faster than they were taken",
            self.given_up.clone(),
        );
    }
}
