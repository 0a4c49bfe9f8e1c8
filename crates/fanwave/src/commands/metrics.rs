//! What is counted of commands. Names are prefixed `fanwave_commands_`.

use std::sync::atomic::{AtomicBool, Ordering};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// The counters; one for all tasks.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    pub(super) taken: Counter,
    pub(super) done: Counter,
    pub(super) refused: Counter,
    pub(super) malformed: Counter,
    pub(super) retries: Counter,
    pub(super) dead_letters: Counter,
    pub(super) leads: Gauge,
    pub(super) waiting: Gauge,
    /// The last question to the broker was not answered.
    failing: AtomicBool,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("fanwave_commands");
        let counters = [
            (
                "taken",
                "Commands that this server has taken from the broker",
                &metrics.taken,
            ),
            ("done", "Commands that are done", &metrics.done),
            (
                "refused",
                "Commands that the API refuses for good, and that are given up",
                &metrics.refused,
            ),
            (
                "malformed",
                "What was sent as a command and is none",
                &metrics.malformed,
            ),
            (
                "retries",
                "Times that a command could not be done now, and is asked again",
                &metrics.retries,
            ),
            (
                "dead_letters",
                "Dead letters that were written, of those that are given up",
                &metrics.dead_letters,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "leads",
            "Whether this is the server that has commands done: 1, or 0",
            metrics.leads.clone(),
        );
        registry.register(
            "lag",
            "Commands that are not done, as the server that has them done knows",
            metrics.waiting.clone(),
        );
        metrics
    }

    /// Takes note whether the broker answers; says whether that is news.
    pub(super) fn answers(&self, answers: bool) -> bool {
        self.failing.swap(!answers, Ordering::AcqRel) == answers
    }

    pub(super) fn is_well(&self) -> bool {
        !self.failing.load(Ordering::Acquire)
    }
}
