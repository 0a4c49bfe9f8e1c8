//! The two clocks that the pure crates are told: a monotonic one and the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanwave_live::{Moment, WallTime};
use fanwave_media::TIMESTAMPS_MODULUS;
use tokio::time::Instant;

use crate::limits::CLOCK_OFF_MAX;

/// Counts moments from when it was made; copies count together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
    wall: fn() -> WallTime,
}

impl Clock {
    pub(crate) fn start(wall: fn() -> WallTime) -> Self {
        Self {
            origin: Instant::now(),
            wall,
        }
    }

    pub(crate) fn now(self) -> Moment {
        Moment(self.origin.elapsed())
    }

    /// The moment as the runtime's timers take it.
    pub(crate) fn instant(self, moment: Moment) -> Instant {
        // A moment is at most a few minutes ahead; a sum that overflows would be a deadline that never comes.
        self.origin
            .checked_add(moment.0)
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600))
    }

    pub(crate) fn wall(self) -> WallTime {
        (self.wall)()
    }
}

/// The wall clock at timestamp 0 of a publisher whose timestamps are the time of day, modulo [`TIMESTAMPS_MODULUS`]
/// milliseconds: the multiple of that with which the timestamp `shown` is nearest to now.
///
/// Every origin that hears the publisher finds the same, as long as their clocks agree by some days.
///
/// # Errors
/// By how many milliseconds the timestamps are off, where that is more than [`CLOCK_OFF_MAX`].
pub(crate) fn zero(now: WallTime, shown: u64) -> Result<WallTime, u64> {
    let modulus = u64::from(TIMESTAMPS_MODULUS);
    // Half of the modulus is added so that the division rounds to the nearest.
    let turns = (now.0.saturating_add(modulus / 2).saturating_sub(shown)) / modulus;
    let zero = turns * modulus;
    let off = now.0.abs_diff(zero.saturating_add(shown));
    if u128::from(off) > CLOCK_OFF_MAX.as_millis() {
        Err(off)
    } else {
        Ok(WallTime(zero))
    }
}

/// The machine's wall clock; one before 1970 counts as 1970.
pub(crate) fn machine() -> WallTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_that_are_the_time_of_day_say_which_day() {
        let modulus = u64::from(TIMESTAMPS_MODULUS);
        let now = WallTime(836 * modulus + 12_345);
        assert_eq!(zero(now, 12_300), Ok(WallTime(836 * modulus)));
        assert_eq!(zero(now, 60_000), Ok(WallTime(836 * modulus)));
        // A moment before the counter begins anew, as seen a moment after.
        let now = WallTime(837 * modulus + 40);
        assert_eq!(zero(now, modulus - 10), Ok(WallTime(836 * modulus)));
        assert_eq!(zero(now, 100_000_000), Err(99_999_960));
    }
}
