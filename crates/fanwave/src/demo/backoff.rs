//! How long to wait before the next attempt: doubling, capped, and with full jitter where many wait at once.

use std::time::Duration;

use super::{limits, random};

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The last attempt ended after it had run for `ran`: how long to wait before the next.
    pub(super) fn after(&mut self, ran: Duration) -> Duration {
        if ran >= limits::HEALTHY_AFTER {
            self.failures = 0;
        }
        let ceiling = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        random::between(limits::BACKOFF_MIN, ceiling)
    }

    fn ceiling(&self) -> Duration {
        // 2^10 steps of the shortest wait are beyond the longest one already.
        let doubled = limits::BACKOFF_MIN.saturating_mul(1 << self.failures.min(10));
        doubled.min(limits::BACKOFF_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_start_over_after_health() {
        let mut backoff = Backoff::default();
        let short = Duration::from_secs(1);
        let mut ceilings = Vec::new();
        for _ in 0..40 {
            ceilings.push(backoff.ceiling());
            let wait = backoff.after(short);
            assert!((limits::BACKOFF_MIN..=limits::BACKOFF_MAX).contains(&wait));
        }
        assert!(ceilings.is_sorted());
        assert_eq!(
            (ceilings.first(), ceilings.last()),
            (Some(&limits::BACKOFF_MIN), Some(&limits::BACKOFF_MAX))
        );
        assert_eq!(backoff.after(limits::HEALTHY_AFTER), limits::BACKOFF_MIN);
    }
}
