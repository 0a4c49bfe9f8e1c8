//! How long to wait before an encoder is started again.

use std::time::Duration;

use crate::limits::{RUNG_BACKOFF_MAX, RUNG_STEADY};

/// Counts the failures of one rung's encoder.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The encoder failed after so long: how long to wait before the next. `random` spreads the rungs of a machine that
    /// was too slow for all of them at once.
    ///
    /// One that had run well for [`RUNG_STEADY`] is followed at the next keyframe.
    pub(super) fn failed(&mut self, lasted: Duration, random: u64) -> Duration {
        if lasted >= RUNG_STEADY {
            self.failures = 0;
        }
        let longest = Duration::from_millis(500)
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(RUNG_BACKOFF_MAX);
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

    #[test]
    fn the_first_failure_costs_nothing_and_many_cost_more_up_to_a_bound() {
        let mut backoff = Backoff::default();
        let soon = Duration::from_secs(1);
        let mut waits = Vec::new();
        for random in [0, u64::MAX - 5, 17, 3, 4, 5, 6, 7, 8, 9, 10, 11] {
            waits.push(backoff.failed(soon, random));
        }
        assert_eq!(waits[0], Duration::ZERO);
        assert!(waits[1] >= Duration::from_millis(500), "{waits:?}");
        assert!(
            waits.iter().all(|wait| *wait <= RUNG_BACKOFF_MAX),
            "{waits:?}"
        );
        assert!(waits[11] >= RUNG_BACKOFF_MAX / 2, "{waits:?}");
        assert_eq!(backoff.failed(RUNG_STEADY, 1), Duration::ZERO);
        assert_ne!(backoff.failed(soon, 1), Duration::ZERO);
    }
}
