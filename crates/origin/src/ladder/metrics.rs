//! What is counted of the ladder. Names are prefixed `origin_ladder_`.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Why an encoder was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Restart {
    /// It could not be started.
    Start,
    /// It ended, or gave nothing back for too long.
    Crash,
    /// It does not take pictures as fast as they come, or gave a part back too late.
    Slow,
    /// What it writes is not what a rung needs, or not the same as before.
    Output,
}

impl Restart {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Crash => "crash",
            Self::Slow => "slow",
            Self::Output => "output",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    reason: &'static str,
}

/// Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct LadderMetrics {
    /// Encoders at this moment.
    pub(crate) running: Gauge,
    /// Rungs left out because the machine has as many as it may.
    pub(crate) left_out: Counter,
    /// Parts that are missing.
    pub(crate) gaps: Counter,
    /// From the source's part to the rung's, seconds.
    pub(crate) lag: Histogram,
    restarts: Family<Label, Counter>,
}

impl Default for LadderMetrics {
    fn default() -> Self {
        Self {
            running: Gauge::default(),
            left_out: Counter::default(),
            gaps: Counter::default(),
            lag: Histogram::new([0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 2.0, 5.0]),
            restarts: Family::default(),
        }
    }
}

impl LadderMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let metrics = self;
        let registry = registry.sub_registry_with_prefix("ladder");
        registry.register(
            "encoders",
            "Encoders of rungs at this moment",
            metrics.running.clone(),
        );
        registry.register(
            "rungs_left_out",
            "Rungs that a show goes without because the machine encodes as many as it may",
            metrics.left_out.clone(),
        );
        registry.register(
            "gap_parts",
            "Parts of rungs that are missing",
            metrics.gaps.clone(),
        );
        registry.register_with_unit(
            "lag",
            "From the source's part to the rung's",
            Unit::Seconds,
            metrics.lag.clone(),
        );
        registry.register(
            "restarts",
            "Encoders replaced, by reason",
            metrics.restarts.clone(),
        );
    }

    pub(crate) fn restarted(&self, why: Restart) {
        let reason = why.name();
        self.restarts.get_or_create(&Label { reason }).inc();
    }
}
