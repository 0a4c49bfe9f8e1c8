//! The plan of how fans are moved before the server stops.

use std::time::Duration;

use fanwave_wire::{limits::SLOT_PREFER_BYTES_MAX, protocol::ReturnSlot};

use super::{check::Check, schema, settings::KeyPath};

/// What is left for moving fans at least.
const MOVING_MIN: Duration = Duration::from_secs(1);

/// How fans are moved.
#[derive(Debug, Clone)]
pub struct Drain {
    /// How long new ones are still taken.
    pub propagation: Duration,
    /// How many of a hundred go in a second.
    pub percent_per_second: u32,
    /// When the process has ended, from the signal.
    pub grace: Duration,
    /// Where they should go; empty: anywhere.
    pub prefer: String,
}

/// Plans it; stopping takes so long behind it.
pub(super) fn plan(check: &mut Check<'_>, drain: &schema::Drain, stopping: Duration) -> Drain {
    let key = |name| KeyPath::of("drain", name);
    let secs = Duration::from_secs;
    let propagation = check.duration(key("propagation"), &drain.propagation, secs(0)..=secs(300));
    let grace = check.duration(key("grace"), &drain.grace, secs(2)..=secs(3600));
    if grace < propagation + stopping + MOVING_MIN {
        check.refuse(
            key("grace"),
            "must be above drain.propagation and shutdown.deadline together by 1s at least",
        );
    }
    let prefer = drain.prefer.clone();
    if !ReturnSlot::can_prefer(&prefer) {
        check.refuse(
            key("prefer"),
            format!("must be one word of at most {SLOT_PREFER_BYTES_MAX} printable characters without a semicolon"),
        );
    }
    Drain {
        propagation,
        percent_per_second: check.number(
            key("percent_per_second"),
            drain.percent_per_second,
            1..=100,
        ),
        grace,
        prefer,
    }
}
