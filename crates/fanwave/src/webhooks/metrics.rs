//! What is counted of webhooks. Names are prefixed `fanwave_webhooks_`.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::verdict::Fate;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    outcome: &'static str,
}

/// Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics {
    attempts: Family<Label, Counter>,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // All of them from the start, so that a rate is known when the first is lost.
        for fate in [Fate::Taken, Fate::Again, Fate::Dead] {
            drop(metrics.attempts.get_or_create(&label(fate)));
        }
        registry
            .sub_registry_with_prefix("fanwave_webhooks")
            .register(
                "attempts",
                "Attempts to tell a webhook something, by what became of it",
                metrics.attempts.clone(),
            );
        metrics
    }

    pub(super) fn tried(&self, fate: Fate) {
        self.attempts.get_or_create(&label(fate)).inc();
    }
}

fn label(fate: Fate) -> Label {
    let outcome = match fate {
        Fate::Taken => "taken",
        Fate::Again => "failed",
        Fate::Dead => "given_up",
    };
    Label { outcome }
}
