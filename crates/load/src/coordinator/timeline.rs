//! How many fans were connected, step by step, and what that says of servers that were lost: who fell, and how long it
//! took until all were back.
//!
//! Workers tell arrivals and departures by the step of time in which they happened; added up, they are the whole run's
//! level at each step, however late a worker told them.

use crate::{
    limits::{CHANGE_STEP, CHANGE_STEPS_MAX},
    report::Fall,
};

/// How long nearly all must have been back before a new loss is one of its own.
const QUIET_STEPS: usize = 10;

/// Arrivals less departures, by step.
#[derive(Debug)]
pub(super) struct Timeline {
    first_step: u64,
    changes: Vec<i64>,
}

/// A fall that is not over.
#[derive(Debug, Clone, Copy)]
struct Open {
    at: usize,
    /// Fans before it.
    fans: i64,
    lowest: i64,
    nearly_at: Option<usize>,
}

impl Open {
    const fn new(at: usize, fans: i64, level: i64) -> Self {
        Self {
            at,
            fans,
            lowest: level,
            nearly_at: None,
        }
    }

    fn close(self, all_at: Option<usize>) -> Fall {
        let since = |step: usize| millis(step.saturating_sub(self.at));
        let count = |fans: i64| u64::try_from(fans).unwrap_or(0);
        Fall {
            at_ms: millis(self.at),
            fans: count(self.fans),
            lost: count(self.fans - self.lowest),
            nearly_all_back_ms: self.nearly_at.or(all_at).map(since),
            all_back_ms: all_at.map(since),
        }
    }
}

fn millis(steps: usize) -> u64 {
    let step = u64::try_from(CHANGE_STEP.as_millis()).unwrap_or(u64::MAX);
    step.saturating_mul(steps as u64)
}

/// Whether more than one in a hundred are missing.
const fn has_fallen(level: i64, fans: i64) -> bool {
    level * 100 < fans * 99
}

impl Timeline {
    /// An empty one that begins with this step.
    pub(super) const fn new(first_step: u64) -> Self {
        Self {
            first_step,
            changes: Vec::new(),
        }
    }

    /// What a worker told.
    pub(super) fn add(&mut self, changes: &[(u64, i64)]) {
        for (step, change) in changes {
            // What is earlier than the run, or later than any run, can only be a clock that was set.
            let step = step.saturating_sub(self.first_step);
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            if step >= CHANGE_STEPS_MAX {
                continue;
            }
            if self.changes.len() <= step {
                self.changes.resize(step + 1, 0);
            }
            self.changes[step] += change;
        }
    }

    /// Every loss of more than 1 % of the fans from this step on.
    pub(super) fn falls(&self, from_step: u64) -> Vec<Fall> {
        let from = from_step.saturating_sub(self.first_step);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let (mut level, mut fans, mut open) = (0, 0, None);
        let mut falls = Vec::new();
        for (step, change) in self.changes.iter().enumerate() {
            let before = level;
            level += change;
            let Some(fall) = &mut open else {
                if step >= from && has_fallen(level, fans) {
                    open = Some(Open::new(step, fans, level));
                } else {
                    fans = level.max(fans);
                }
                continue;
            };
            if level >= fall.fans {
                falls.push(fall.close(Some(step)));
                open = None;
                fans = level;
            } else if !has_fallen(level, fall.fans) {
                fall.nearly_at.get_or_insert(step);
            } else if fall
                .nearly_at
                .is_some_and(|nearly| step - nearly >= QUIET_STEPS)
            {
                // Some never came back, and now others are lost: those who are left are everybody.
                falls.push(fall.close(None));
                fans = before;
                open = has_fallen(level, fans).then(|| Open::new(step, fans, level));
            } else {
                fall.nearly_at = None;
                fall.lowest = fall.lowest.min(level);
            }
        }
        falls.extend(open.map(|fall| fall.close(None)));
        falls
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn falls(changes: &[(u64, i64)]) -> Vec<Fall> {
        let mut timeline = Timeline::new(100);
        timeline.add(changes);
        timeline.falls(110)
    }

    #[test]
    fn a_server_is_lost_and_its_fans_come_back() {
        let found = falls(&[
            (100, 500),
            (105, 500),
            (120, -400),
            (121, -100),
            (126, 450),
            (127, 42),
            (140, 8),
        ]);
        let fall = Fall {
            at_ms: 2_000,
            fans: 1_000,
            lost: 500,
            nearly_all_back_ms: Some(700),
            all_back_ms: Some(2_000),
        };
        assert_eq!(found, [fall]);
    }

    #[test]
    fn losses_are_told_apart_even_when_some_never_return() {
        let found = falls(&[
            (100, 1_000),
            (120, -500),
            (130, 495),
            (200, -300),
            (210, 300),
            (250, -9),
        ]);
        let [first, second] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(
            (first.lost, first.nearly_all_back_ms, first.all_back_ms),
            (500, Some(1_000), None)
        );
        assert_eq!(
            (second.at_ms, second.fans, second.lost, second.all_back_ms),
            (10_000, 995, 300, Some(1_000))
        );
    }

    #[test]
    fn a_loss_that_began_in_the_ramp_is_one_of_all_who_were_there() {
        let found = falls(&[(100, 1_000), (109, -200), (110, -300), (120, 500)]);
        let fall = found.first().unwrap();
        assert_eq!((found.len(), fall.fans, fall.lost), (1, 1_000, 500));
    }

    #[test]
    fn a_few_who_come_and_go_are_no_loss() {
        assert_eq!(falls(&[(100, 1_000), (120, -10), (130, 10)]), []);
        assert_eq!(
            falls(&[(100, 1_000), (105, -900), (107, 900)]),
            [],
            "the ramp"
        );
    }

    proptest! {
        #[test]
        fn workers_may_tell_in_any_order(
            changes in prop::collection::vec((100_u64..300, -50_i64..50), 0..60).prop_shuffle(),
        ) {
            let mut changes = changes;
            changes.push((100, 5_000));
            let whole = falls(&changes);
            let mut sorted = changes;
            sorted.sort_unstable();
            prop_assert_eq!(&whole, &falls(&sorted));
            for fall in whole {
                prop_assert!(fall.lost * 100 > fall.fans);
                if let (Some(nearly), Some(all)) = (fall.nearly_all_back_ms, fall.all_back_ms) {
                    prop_assert!(nearly <= all);
                }
            }
        }
    }
}
