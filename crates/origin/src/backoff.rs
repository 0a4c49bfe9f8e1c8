//! How long to wait before something that failed is tried again: a rung's encoder, a push to another platform.

use std::time::Duration;

/// Counts the failures of one thing.
#[derive(Debug)]
pub(crate) struct Backoff {
    steady: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// For something that is well when it has lasted for `steady`, and is waited for no longer than `longest`.
    pub(crate) fn new(steady: Duration, longest: Duration) -> Self {
        Self {
            steady,
            longest,
            failures: 0,
        }
    }

    /// It failed after so long: how long to wait before the next. `random` spreads those that failed at once for one
    /// reason.
    ///
    /// One that had been well is followed by another at once.
    pub(crate) fn failed(&mut self, lasted: Duration, random: u64) -> Duration {
        if lasted >= self.steady {
            self.failures = 0;
        }
        let longest = Duration::from_millis(500)
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(self.longest);
        let first = self.failures == 0;
        self.failures = self.failures.saturating_add(1);
        if first {
            return Duration::ZERO;
        }
        // Half of it is certain.
        let half = longest / 2;
        let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
        half + Duration::from_millis(random % millis.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEADY: Duration = Duration::from_secs(30);
    const LONGEST: Duration = Duration::from_secs(30);

    #[test]
    fn the_first_failure_costs_nothing_and_many_cost_more_up_to_a_bound() {
        let mut backoff = Backoff::new(STEADY, LONGEST);
        let soon = Duration::from_secs(1);
        let mut waits = Vec::new();
        for random in [0, u64::MAX - 5, 17, 3, 4, 5, 6, 7, 8, 9, 10, 11] {
            waits.push(backoff.failed(soon, random));
        }
        assert_eq!(waits[0], Duration::ZERO);
        assert!(waits[1] >= Duration::from_millis(500), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= LONGEST), "{waits:?}");
        assert!(waits[11] >= LONGEST / 2, "{waits:?}");
        assert_eq!(backoff.failed(STEADY, 1), Duration::ZERO);
        assert_ne!(backoff.failed(soon, 1), Duration::ZERO);
    }
}
