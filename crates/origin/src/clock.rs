//! The two clocks that the pure crates are told: a monotonic one and the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanwave_live::{Moment, WallTime};
use tokio::time::Instant;

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

/// The machine's wall clock; one before 1970 counts as 1970.
pub(crate) fn machine() -> WallTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
