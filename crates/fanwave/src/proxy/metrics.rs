//! What is counted of the proxies. Names are prefixed `fanwave_proxy_`.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::breaker::Standing;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    hook: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    hook: &'static str,
}

/// Upper bounds of the time of a question, seconds.
const SECONDS: [f64; 10] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// Clones count together.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    questions: Family<Outcome, Counter>,
    seconds: Family<Of, Histogram, fn() -> Histogram>,
    open: Family<Of, Gauge>,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let metrics = Self {
            questions: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            open: Family::default(),
        };
        let registry = registry.sub_registry_with_prefix("fanwave_proxy");
        registry.register(
            "questions",
            "Questions to a back end, by what became of them",
            metrics.questions.clone(),
        );
        registry.register("seconds", "How long they took", metrics.seconds.clone());
        registry.register(
            "open",
            "1 while a back end is not asked, because it did not answer",
            metrics.open.clone(),
        );
        metrics
    }

    pub(super) fn begin(&self, hook: &'static str) {
        // All of them from the start, so that a rate is known at the first failure.
        for outcome in ["answered", "failed", "crowded", "not_asked"] {
            drop(self.questions.get_or_create(&Outcome { hook, outcome }));
        }
        self.standing(hook, Standing::Closed);
    }

    pub(super) fn ended(&self, hook: &'static str, outcome: &'static str, after: Duration) {
        self.questions
            .get_or_create(&Outcome { hook, outcome })
            .inc();
        self.seconds
            .get_or_create(&Of { hook })
            .observe(after.as_secs_f64());
    }

    pub(super) fn standing(&self, hook: &'static str, standing: Standing) {
        let open = i64::from(standing != Standing::Closed);
        self.open.get_or_create(&Of { hook }).set(open);
    }
}
