//! What is counted of the webhook. Names are prefixed `fanwave_webhook_`.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::outbox::Fate;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    outcome: &'static str,
}

/// Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics {
    events: Family<Label, Counter>,
    failures: Counter,
    waiting: Gauge,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // All of them from the start, so that a rate is known when the first is lost.
        for fate in [Fate::Taken, Fate::Refused, Fate::GivenUp, Fate::Crowded] {
            drop(metrics.events.get_or_create(&label(fate)));
        }
        let registry = registry.sub_registry_with_prefix("fanwave_webhook");
        registry.register(
            "events",
            "Events by what became of them: all but those that were taken are lost",
            metrics.events.clone(),
        );
        registry.register(
            "failures",
            "Attempts that were not answered as they should",
            metrics.failures.clone(),
        );
        registry.register(
            "waiting",
            "Events that wait for the receiver",
            metrics.waiting.clone(),
        );
        metrics
    }

    pub(super) fn over(&self, fate: Fate) {
        self.events.get_or_create(&label(fate)).inc();
    }

    pub(super) fn missed(&self, events: u64) {
        self.events
            .get_or_create(&label(Fate::Crowded))
            .inc_by(events);
    }

    pub(super) fn failed(&self) {
        self.failures.inc();
    }

    pub(super) fn waiting(&self, events: usize) {
        self.waiting.set(i64::try_from(events).unwrap_or(i64::MAX));
    }
}

fn label(fate: Fate) -> Label {
    let outcome = match fate {
        Fate::Taken => "taken",
        Fate::Refused => "refused",
        Fate::GivenUp => "given_up",
        Fate::Crowded => "crowded",
    };
    Label { outcome }
}
