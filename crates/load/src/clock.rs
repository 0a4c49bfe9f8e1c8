//! The one clock: Unix time in nanoseconds, the same in all processes of a machine.
//!
//! Intended send times travel inside the messages, so that sender and receiver must read the same clock even when
//! they are different processes. A step of the system's clock during a run falsifies it; nothing here can tell.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::limits::CHANGE_STEP;

/// Nanoseconds since 1970.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    nanos(since)
}

/// A duration's nanoseconds; 584 years and more are cut.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The step of time in which arrivals and departures are counted together.
pub(crate) fn change_step(at_ns: u64) -> u64 {
    at_ns / nanos(CHANGE_STEP).max(1)
}

/// From one time to another in microseconds; 0 when the second is earlier.
pub(crate) fn micros_between(from_ns: u64, to_ns: u64) -> u64 {
    to_ns.saturating_sub(from_ns) / 1_000
}
