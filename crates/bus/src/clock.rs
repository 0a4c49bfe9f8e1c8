//! The time of the rooms: the machine's clock without its leaps.
//!
//! Everything in a room has a time: how long somebody is muted, for how long a copy is recognised, when a token ends, when a server
//! speaks next. A machine's clock may be set an hour ahead or back, by a person or by whoever keeps it; followed at once, that would
//! end them all together, or none of them for an hour. So the rooms' time is the clock's when the process begins, passes as time
//! really does, and nears the clock slowly: by at most a hundredth of the time that passes. It never goes back.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use fanwave_wire::UnixMillis;

/// Of a hundred seconds, one: 5 minutes, for which copies are recognised, take more than eight hours.
const NEARS: i128 = 100;

/// How far the clock may be away before the operator is told.
const LEAP: Duration = Duration::from_secs(10);

/// The time of the rooms of this process.
#[must_use]
pub fn now() -> UnixMillis {
    static TIME: Mutex<Option<(Instant, Time)>> = Mutex::new(None);
    let (at, clock) = (Instant::now(), wall());
    // It is whole between two lines.
    let mut time = TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (began, time) = time.get_or_insert_with(|| (at, Time::at(clock)));
    let leapt = time.pass(at.saturating_duration_since(*began), clock);
    let told = time.told();
    if let Some(ahead_ms) = leapt {
        tracing::error!(
            ahead_ms,
            "the machine's clock was set: rooms go on with their own time, which nears it by 1 % of the time that passes; \
             start this server anew to take it over at once"
        );
    }
    told
}

/// The wall clock; one before 1970 counts as 1970.
fn wall() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// See the module.
#[derive(Debug)]
struct Time {
    /// Since 1970, nanoseconds.
    unix_ns: i128,
    /// What had passed by then since the beginning.
    passed: Duration,
    /// The clock is far away, and the operator knows.
    apart: bool,
}

impl Time {
    fn at(clock: Duration) -> Self {
        Self {
            unix_ns: nanos(clock),
            passed: Duration::ZERO,
            apart: false,
        }
    }

    /// So much has passed since the beginning, and this is what the clock says. Answers how far it is ahead,
    /// milliseconds, when that is news.
    fn pass(&mut self, passed: Duration, clock: Duration) -> Option<i64> {
        // Two threads that look at once may come here in the other order.
        let elapsed = nanos(passed.saturating_sub(self.passed));
        self.passed = self.passed.max(passed);
        let most = elapsed / NEARS;
        let unaided = self.unix_ns + elapsed;
        let ahead = nanos(clock) - unaided;
        self.unix_ns = unaided + ahead.clamp(-most, most);
        let apart = ahead.abs() > nanos(LEAP);
        let news = apart && !self.apart;
        self.apart = apart;
        news.then(|| i64::try_from(ahead / 1_000_000).unwrap_or(i64::MAX))
    }

    fn told(&self) -> UnixMillis {
        UnixMillis(u64::try_from(self.unix_ns / 1_000_000).unwrap_or(0))
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    /// 2026, or so.
    const NOW: Duration = Duration::from_secs(1_790_000_000);

    #[test]
    fn a_clock_that_is_right_is_followed() {
        let mut time = Time::at(NOW);
        for seconds in 1..100 {
            let passed = Duration::from_secs(seconds);
            assert_eq!(time.pass(passed, NOW + passed), None);
            let right = u64::try_from((NOW + passed).as_millis()).unwrap();
            assert_eq!(time.told(), UnixMillis(right));
        }
    }

    #[test]
    fn a_clock_that_leaps_is_told_once_and_neared_slowly() {
        for ahead in [true, false] {
            let leap = |clock: Duration| match ahead {
                true => clock + HOUR,
                false => clock - HOUR,
            };
            let mut time = Time::at(NOW);
            let mut leaps = 0;
            for seconds in 1..=1_000 {
                let passed = Duration::from_secs(seconds);
                let leapt = time.pass(passed, leap(NOW + passed));
                leaps += u32::from(leapt.is_some());
            }
            assert_eq!(leaps, 1);
            let right = i128::try_from((NOW + Duration::from_secs(1_000)).as_millis()).unwrap();
            let off = i128::from(time.told().0) - right;
            assert_eq!(off.abs(), 10_000, "a hundredth of what has passed");
            assert_eq!(off > 0, ahead);
        }
    }

    #[test]
    fn a_clock_that_is_set_right_again_is_reached_again() {
        let mut time = Time::at(NOW);
        let day = 24 * HOUR;
        time.pass(day, NOW + day + HOUR);
        let right = NOW + 2 * day;
        time.pass(2 * day, right);
        let right = u64::try_from(right.as_millis()).unwrap();
        assert_eq!(time.told(), UnixMillis(right));
    }

    proptest! {
        #[test]
        fn time_never_goes_back_and_passes_nearly_as_it_does(
            steps in prop::collection::vec((0_u64..10_000, 0_u64..4_000_000_000), 1..200),
        ) {
            let mut time = Time::at(NOW);
            let mut passed = Duration::ZERO;
            for (step, clock) in steps {
                let before = time.unix_ns;
                let step = Duration::from_millis(step);
                passed += step;
                time.pass(passed, Duration::from_secs(clock));
                let moved = time.unix_ns - before;
                prop_assert!(moved >= nanos(step) - nanos(step) / NEARS);
                prop_assert!(moved <= nanos(step) + nanos(step) / NEARS);
            }
        }
    }
}
