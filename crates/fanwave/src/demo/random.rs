//! The demo's dice.

use std::time::Duration;

/// A number from 0 to `end - 1`; 0 when there is no such number or no randomness, which a demo survives.
pub(super) fn below(end: usize) -> usize {
    let random = getrandom::u64().unwrap_or(0);
    let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
    usize::try_from(random % end).unwrap_or(0)
}

/// A time between two others, to the millisecond, both included.
pub(super) fn between(least: Duration, most: Duration) -> Duration {
    let span = most.saturating_sub(least).as_millis();
    let steps = below(usize::try_from(span).unwrap_or(usize::MAX - 1) + 1);
    least + Duration::from_millis(u64::try_from(steps).unwrap_or(0))
}
