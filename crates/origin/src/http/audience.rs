//! About how many watch, by what they ask for.
//!
//! A player that follows a show asks for the playlist of its pictures once a part, where it waits for parts, and otherwise
//! once a target duration. So each request stands for one viewer for that long, and the sum over a few seconds, divided by
//! them, is how many there are. Nothing of anybody is kept: sixteen numbers, whoever asks and however many. What a cache in
//! front answers is not seen, and of those behind one cache only one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use fanwave_live::{Config, Directive, Kind, Moment, RenditionId};

/// Seconds that are looked at: two target durations, so that whoever asks once in one is seen as often at any time.
const WINDOW: u64 = 12;

/// One for each of them, one for the second that is going on, and some that are over before anybody looks.
const CELLS: usize = 16;

/// A cell has the second it is about in its upper bits, and milliseconds of viewers in these: enough for a billion viewers.
const MILLIS_BITS: u32 = 40;
const MILLIS_MAX: u64 = (1 << MILLIS_BITS) - 1;

/// Counts them; see the module.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    cells: [AtomicU64; CELLS],
}

impl Audience {
    /// Somebody has asked, and will again after the pause.
    pub(super) fn note(&self, now: Moment, pause: Duration) {
        let second = now.0.as_secs();
        let millis = u64::try_from(pause.as_millis()).unwrap_or(MILLIS_MAX);
        let cell = &self.cells[place(second)];
        let add = |held: u64| {
            let sum = millis_of(held, second)
                .saturating_add(millis)
                .min(MILLIS_MAX);
            Some(stamp(second) << MILLIS_BITS | sum)
        };
        // It adds up, and orders nothing else.
        let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// About how many there are, by the whole seconds before this moment; of a server that is younger, by those there were.
    pub(crate) fn count(&self, now: Moment) -> u32 {
        let second = now.0.as_secs();
        let seconds = WINDOW.min(second);
        let millis = (second - seconds..second).map(|past| {
            let held = self.cells[place(past)].load(Ordering::Relaxed);
            millis_of(held, past)
        });
        let span = (seconds * 1_000).max(1);
        let viewers = (millis.sum::<u64>() + span / 2) / span;
        u32::try_from(viewers).unwrap_or(u32::MAX)
    }
}

/// How long a request for a playlist stands for a viewer; `None` where it stands for nobody: what players of pictures
/// load beside them, and what makes no sense.
pub(super) fn pause(
    config: &Config,
    rendition: RenditionId,
    directive: &Directive,
) -> Option<Duration> {
    let has_pictures = || {
        let mut renditions = config.renditions();
        renditions.any(|(_, spec)| spec.kind == Kind::Video)
    };
    if config.kind(rendition) != Some(Kind::Video) && has_pictures() {
        return None;
    }
    match directive {
        Directive::Part(_) => Some(config.part_target()),
        Directive::Segment(_) | Directive::Plain => Some(config.target_duration()),
        Directive::Bad(_) => None,
    }
}

/// What a cell has of a second: nothing, where it is about another one.
fn millis_of(held: u64, second: u64) -> u64 {
    if held >> MILLIS_BITS == stamp(second) {
        held & MILLIS_MAX
    } else {
        0
    }
}

fn place(second: u64) -> usize {
    usize::try_from(second % CELLS as u64).unwrap_or(0)
}

/// The second, as far as a cell has room for it: it comes again after half a year, when the cell has long been used anew.
fn stamp(second: u64) -> u64 {
    second & (u64::MAX >> MILLIS_BITS)
}

const _: () = assert!(WINDOW + 1 < CELLS as u64, "no second is counted twice");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PART: Duration = Duration::from_millis(500);

    fn at(millis: u64) -> Moment {
        Moment(Duration::from_millis(millis))
    }

    /// So many viewers ask as players do, for so many seconds.
    fn watched(audience: &Audience, viewers: u64, from_s: u64, seconds: u64) {
        for part in 0..seconds * 2 {
            for viewer in 0..viewers {
                audience.note(at(from_s * 1_000 + part * 500 + viewer % 500), PART);
            }
        }
    }

    #[test]
    fn viewers_are_counted_while_they_watch_and_forgotten_when_they_have_gone() {
        let audience = Audience::default();
        assert_eq!(audience.count(at(0)), 0);
        watched(&audience, 40, 0, 3);
        assert_eq!(audience.count(at(3_000)), 40, "a young server knows too");
        watched(&audience, 40, 3, 17);
        assert_eq!(audience.count(at(20_900)), 40);
        assert_eq!(audience.count(at(26_000)), 20, "half of the window is over");
        assert_eq!(audience.count(at(32_000)), 0);
        watched(&audience, 3, 1_000_000, 12);
        assert_eq!(audience.count(at(1_000_012_000)), 3);
    }

    proptest! {
        #[test]
        fn those_who_do_not_wait_for_parts_count_like_those_who_do(
            viewers in 0_u64..200,
            plain in 0_u64..200,
            start in 0_u64..100_000,
        ) {
            let audience = Audience::default();
            watched(&audience, viewers, start, 12);
            for second in [0, 6] {
                for _ in 0..plain {
                    audience.note(at((start + second) * 1_000), Duration::from_secs(6));
                }
            }
            let counted = u64::from(audience.count(at((start + 12) * 1_000)));
            prop_assert_eq!(counted, viewers + plain);
        }
    }
}
