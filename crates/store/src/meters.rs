//! What is counted of the writer.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::{StoreError, damage::Finds, limits::TRANSACTION_MAX};

/// What is counted. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    /// Requests that wait.
    pub(crate) queue: Gauge,
    /// Messages of each transaction.
    messages: Histogram,
    /// How long each transaction took, seconds.
    seconds: Histogram,
    failures: Counter,
    fails: Arc<AtomicBool>,
    /// When the transaction that is under way began.
    began: Arc<Mutex<Option<Instant>>>,
    /// What could not be read.
    pub(crate) finds: Finds,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            queue: Gauge::default(),
            messages: Histogram::new([1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0]),
            seconds: Histogram::new([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0]),
            failures: Counter::default(),
            fails: Arc::default(),
            began: Arc::default(),
            finds: Finds::default(),
        }
    }
}

impl Meters {
    /// A transaction begins.
    pub(crate) fn begin(&self, now: Instant) {
        *self.began() = Some(now);
    }

    /// The transaction has ended.
    pub(crate) fn end(&self, now: Instant, messages: usize, committed: &Result<(), StoreError>) {
        let took = self
            .began()
            .take()
            .map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        // No group comes near where this is not exact.
        self.messages
            .observe(f64::from(u32::try_from(messages).unwrap_or(u32::MAX)));
        self.seconds.observe(took.as_secs_f64());
        if committed.is_err() {
            self.failures.inc();
        }
        self.fails.store(committed.is_err(), Ordering::Release);
    }

    /// Whether the last transaction failed, or the one that is under way takes so long that nothing can be said of it.
    pub(crate) fn fails(&self, now: Instant) -> bool {
        let hangs = self
            .began()
            .is_some_and(|began| now.saturating_duration_since(began) >= TRANSACTION_MAX);
        hangs || self.fails.load(Ordering::Acquire)
    }

    fn began(&self) -> MutexGuard<'_, Option<Instant>> {
        // A time is whole whoever panicked while it was held.
        self.began.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "queue",
            "Writes that wait for the chat log",
            self.queue.clone(),
        );
        registry.register(
            "group_messages",
            "Messages of each transaction of the chat log",
            self.messages.clone(),
        );
        registry.register_with_unit(
            "transaction",
            "How long each transaction of the chat log took",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "failures",
            "Transactions of the chat log that failed",
            self.failures.clone(),
        );
        registry.register(
            "damaged",
            "Messages of the chat log that were found damaged, each once, and are left out",
            self.finds.count.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_hangs_is_a_failure_before_it_has_ended() {
        let (meters, began) = (Meters::default(), Instant::now());
        let after = |seconds| began + Duration::from_secs(seconds);
        let late = began + TRANSACTION_MAX;
        assert!(!meters.fails(began));
        meters.begin(began);
        assert!(!meters.fails(after(1)));
        assert!(meters.fails(late));
        meters.end(late, 1, &Ok(()));
        assert!(!meters.fails(late + TRANSACTION_MAX));
        meters.begin(late);
        meters.end(late, 1, &Err(StoreError::Closed));
        assert!(meters.fails(late));
    }
}
