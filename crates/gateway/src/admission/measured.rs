//! How fast the node takes newcomers: as configured, while those who are there do not feel it.
//!
//! What they feel is how long a message waits for the last of its fans. While that is longer than
//! [`FELT`](limits::NEWCOMERS_FELT), every window takes half of the rate, down to a tenth of what is configured: a room
//! that is too large for its machine must not keep everybody else out. While it is not, every window gives an eighth of it
//! back. So a node that has just joined, or that half of the others' fans come to, finds its rate in a second or two.

use std::time::{Duration, Instant};

use crate::limits;

/// The rate, and when it is looked at again.
#[derive(Debug)]
pub(super) struct Measured {
    ceiling: u32,
    rate: u32,
    window_ends: Instant,
}

impl Measured {
    /// At the ceiling, newcomers per second, until something else is seen.
    pub(super) fn new(ceiling: u32, now: Instant) -> Self {
        Self {
            ceiling: ceiling.max(1),
            rate: ceiling.max(1),
            window_ends: now + limits::NEWCOMERS_WINDOW,
        }
    }

    /// Newcomers per second.
    pub(super) const fn rate(&self) -> u32 {
        self.rate
    }

    /// Whether it is time for [`Measured::look`].
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.window_ends
    }

    /// Takes note of the longest wait since it was looked at last, and gives the new rate per second.
    pub(super) fn look(&mut self, now: Instant, longest: Duration) -> u32 {
        if longest > limits::NEWCOMERS_FELT {
            self.rate = (self.rate / 2)
                .max(self.ceiling / limits::NEWCOMERS_SHARE_MIN)
                .max(1);
        } else {
            // Nobody came for some windows: what was felt long ago has no say any more.
            let over = now.saturating_duration_since(self.window_ends).as_micros()
                / limits::NEWCOMERS_WINDOW.as_micros();
            let windows = u32::try_from(over).unwrap_or(u32::MAX).saturating_add(1);
            let back = (self.ceiling / limits::NEWCOMERS_SHARE_BACK).max(1);
            self.rate = self
                .rate
                .saturating_add(back.saturating_mul(windows))
                .min(self.ceiling);
        }
        self.window_ends = now + limits::NEWCOMERS_WINDOW;
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = limits::NEWCOMERS_WINDOW;
    const CALM: Duration = Duration::from_millis(20);

    #[test]
    fn who_is_there_is_not_disturbed_by_who_comes() {
        let start = Instant::now();
        let mut measured = Measured::new(10_000, start);
        let slow = limits::NEWCOMERS_FELT + Duration::from_millis(1);
        let rates: Vec<u32> = (1..=5)
            .map(|window| measured.look(start + WINDOW * window, slow))
            .collect();
        assert_eq!(rates, [5_000, 2_500, 1_250, 1_000, 1_000]);
        let rates: Vec<u32> = (6..=14)
            .map(|window| measured.look(start + WINDOW * window, CALM))
            .collect();
        assert_eq!(
            rates,
            [
                2_250, 3_500, 4_750, 6_000, 7_250, 8_500, 9_750, 10_000, 10_000
            ]
        );
    }

    #[test]
    fn a_long_rest_gives_everything_back() {
        let start = Instant::now();
        let mut measured = Measured::new(800, start);
        let slow = limits::NEWCOMERS_FELT * 2;
        assert!(measured.is_due(start + WINDOW) && !measured.is_due(start + WINDOW / 2));
        assert_eq!(measured.look(start + WINDOW, slow), 400);
        assert_eq!(measured.look(start + WINDOW * 100, CALM), 800);
    }

    proptest! {
        #[test]
        fn the_rate_stays_between_its_bounds(
            ceiling in 0..=1_000_000_u32,
            waits in proptest::collection::vec((0..5_000_u64, 1..100_000_u64), 0..60),
        ) {
            let mut now = Instant::now();
            let mut measured = Measured::new(ceiling, now);
            for (wait_ms, later_ms) in waits {
                now += Duration::from_millis(later_ms);
                let rate = measured.look(now, Duration::from_millis(wait_ms));
                let least = (ceiling / limits::NEWCOMERS_SHARE_MIN).max(1);
                prop_assert!((least..=ceiling.max(1)).contains(&rate));
                prop_assert!(!measured.is_due(now));
            }
        }
    }
}
