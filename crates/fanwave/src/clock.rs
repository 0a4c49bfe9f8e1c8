//! The wall clock, read in one place.

use std::time::{SystemTime, UNIX_EPOCH};

use fanwave_wire::UnixMillis;

/// Milliseconds since 1970 by this machine's clock; a clock set before 1970 reads as 0.
#[must_use]
pub fn now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
