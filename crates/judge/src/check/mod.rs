//! The checkers: pure functions and small states over what was observed. None of them asks, waits or knows the time but
//! from its arguments.

pub mod blocking;
pub mod delivery;
pub mod delta;
pub mod media;
pub mod multivariant;
pub mod playlist;
pub mod renditions;
pub mod updates;

use std::time::Duration;

/// Seconds with as many digits as are worth reading.
pub(crate) fn secs(duration: Duration) -> String {
    let text = format!("{:.3}", duration.as_secs_f64());
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} s")
}

/// The same of microseconds with a sign.
pub(crate) fn signed_secs(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    format!(
        "{sign}{}",
        secs(Duration::from_micros(micros.unsigned_abs()))
    )
}
