//! The two clocks a stream is told: the shell's monotonic one, and the wall clock that dates its pictures.
//!
//! Nothing here reads a clock. Dates are written as RFC 3339 by this module, so that the crate needs no
//! calendar library.

use std::{fmt, time::Duration};

/// A point of the shell's monotonic clock: the time since an origin that the shell chose once and keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub Duration);

impl Moment {
    /// The moment `later` after this one.
    #[must_use]
    pub const fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

/// Wall-clock time in milliseconds since 1970-01-01 UTC; displayed as RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WallTime(pub u64);

impl WallTime {
    /// Last time that is written with a four-digit year: 9999-12-31T23:59:59.999Z. Later times are displayed as this.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The time `later` after this one, rounded down to a millisecond.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        let millis = u64::try_from(later.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

impl WallTime {
    /// The time from `earlier` to this one; zero where that is no earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

const MILLIS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.min(Self::MAX.0);
        let (year, month, day) = civil_from_days(millis / MILLIS_PER_DAY);
        let of_day = millis % MILLIS_PER_DAY;
        let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
        let (second, milli) = (of_day / 1000 % 60, of_day % 1000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"
        )
    }
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01.
///
/// The year is taken to begin on 1 March, which puts the leap day at its end: then the lengths of months and years
/// repeat in a pattern that integer division expresses. Years repeat every 400 (146,097 days).
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    const DAYS_FROM_MARCH_OF_YEAR_0: u64 = 719_468;
    const DAYS_PER_ERA: u64 = 146_097;
    let days = days + DAYS_FROM_MARCH_OF_YEAR_0;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on, five months hold 153 days (31 30 31 30 31), so this line through the month starts is exact.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_that_calendars_get_wrong() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_795_374_065_007, "2026-11-22T19:01:05.007Z"),
            (WallTime::MAX.0, "9999-12-31T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ];
        for (millis, expected) in cases {
            assert_eq!(WallTime(millis).to_string(), expected);
        }
    }

    /// Walks the calendar day by day, as a person would.
    fn oracle(days: u64) -> (u64, u64, u64) {
        let leap = |year: u64| {
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
        };
        let (mut year, mut left) = (1970, days);
        while left >= 365 + u64::from(leap(year)) {
            left -= 365 + u64::from(leap(year));
            year += 1;
        }
        let february = 28 + u64::from(leap(year));
        let mut month = 1;
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if left < length {
                break;
            }
            left -= length;
            month += 1;
        }
        (year, month, left + 1)
    }

    proptest! {
        #[test]
        fn civil_dates_match_a_walk_through_the_calendar(days in 0u64..2_932_896) {
            prop_assert_eq!(civil_from_days(days), oracle(days));
        }

        #[test]
        fn text_orders_as_time_does(a in 0..WallTime::MAX.0, b in 0..WallTime::MAX.0) {
            prop_assert_eq!(a.cmp(&b), WallTime(a).to_string().cmp(&WallTime(b).to_string()));
        }
    }
}
