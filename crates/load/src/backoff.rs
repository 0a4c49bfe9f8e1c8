//! When a fan comes back: the published SDK's own waits, because a storm is made by what real clients do.
//!
//! `min(20000, 500 + rand(0, min(20000, 500 * 2^n)))` milliseconds before attempt `n`, counted from 0.

use std::time::Duration;

use crate::random::Random;

/// Shortest wait, milliseconds.
const LEAST_MS: u64 = 500;

/// Longest wait, milliseconds.
const MOST_MS: u64 = 20_000;

/// The wait before the attempt that follows `failures` failed ones.
pub(crate) fn wait(failures: u8, random: &mut Random) -> Duration {
    let spread = LEAST_MS.saturating_mul(1 << failures.min(16)).min(MOST_MS);
    Duration::from_millis((LEAST_MS + random.below(spread)).min(MOST_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_waits_spread_over_the_first_half_second_and_grow_to_the_cap() {
        let mut random = Random::new(7);
        let mut waits = |failures| -> Vec<u128> {
            (0..2_000)
                .map(|_| wait(failures, &mut random).as_millis())
                .collect()
        };
        let first = waits(0);
        assert!(first.iter().all(|ms| (500..1_000).contains(ms)));
        assert!(first.iter().any(|ms| *ms < 520) && first.iter().any(|ms| *ms > 980));
        let third = waits(3);
        assert!(third.iter().all(|ms| (500..4_500).contains(ms)));
        let late = waits(255);
        assert!(late.iter().all(|ms| (500..=20_000).contains(ms)));
        assert!(late.contains(&20_000), "the cap is met");
    }
}
