//! How long a tick is, and how many messages it may show.

use super::Settings;
use crate::limits::{SHOW_TICK_MAX, SHOW_TICK_MIN, SHOWN_PER_TICK_MAX};

/// Settings worked out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    Unlimited,
    Limited { per_second: u32, tick_millis: u64 },
}

impl Pace {
    pub(super) fn new(settings: Settings) -> Self {
        let per_second = settings.shown_per_second;
        if per_second == 0 {
            return Self::Unlimited;
        }
        let tick = settings.tick.clamp(SHOW_TICK_MIN, SHOW_TICK_MAX);
        let tick_millis = u64::try_from(tick.as_millis()).unwrap_or(u64::MAX);
        Self::Limited {
            per_second,
            tick_millis: tick_millis.max(1_000_u64.div_ceil(u64::from(per_second))),
        }
    }

    /// How many messages of a language a tick may show, at least 1.
    ///
    /// Where the speed gives no whole number a tick, ticks differ by one: which ones is a function of their number.
    pub(super) fn budget(self, tick: u64) -> usize {
        let Self::Limited {
            per_second,
            tick_millis,
        } = self
        else {
            return SHOWN_PER_TICK_MAX;
        };
        let until = |tick: u128| tick * u128::from(tick_millis) * u128::from(per_second) / 1_000;
        let budget = until(u128::from(tick) + 1) - until(u128::from(tick));
        usize::try_from(budget).map_or(SHOWN_PER_TICK_MAX, |budget| budget.min(SHOWN_PER_TICK_MAX))
    }
}
