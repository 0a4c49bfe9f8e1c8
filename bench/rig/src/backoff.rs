//! When a fan whose connection is gone comes back: the rule of the Centrifuge client libraries.

use std::time::Duration;

/// Shortest wait of the libraries' defaults.
const SHORTEST_MS: u64 = 500;

/// Longest wait of the libraries' defaults.
const LONGEST_MS: u64 = 20_000;

/// How long the libraries wait before attempt number `attempt` (from 0); `random` is given an inclusive upper bound.
pub fn wait(attempt: u32, random: impl FnOnce(u64) -> u64) -> Duration {
    let spread = SHORTEST_MS
        .saturating_mul(1_u64 << attempt.min(31))
        .min(LONGEST_MS);
    Duration::from_millis((SHORTEST_MS + random(spread)).min(LONGEST_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_bounded() {
        assert_eq!(wait(0, |_| 0), Duration::from_millis(500));
        assert_eq!(wait(0, |most| most), Duration::from_millis(1_000));
        assert_eq!(wait(3, |most| most), Duration::from_millis(4_500));
        assert_eq!(wait(6, |most| most), Duration::from_secs(20));
        assert_eq!(wait(u32::MAX, |most| most), Duration::from_secs(20));
    }
}
