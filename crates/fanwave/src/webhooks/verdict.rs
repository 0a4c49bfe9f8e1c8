//! What becomes of a delivery by how it was answered: a decision without clocks and chance of its own.
//!
//! What is not answered with 2xx is sent again, later each time; the waits are the webhook's, so that a receiver that is away is not
//! asked more often because more happens. What was sent in vain as often as it may be, what the receiver does not want, and what may
//! not be sent where the webhook points to is given up: it is in the list of the dead, from where it can be sent again.

use std::time::Duration;

use crate::webhook::outbox::{Outcome, pause};

/// How an attempt was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// With this status.
    With(u16),
    /// Not at all.
    Not,
    /// It was not even made: the address is none that may be called.
    Forbidden,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The receiver has it.
    Taken,
    /// It is sent again.
    Again,
    /// It is given up.
    Dead,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What becomes of it.
    pub(super) fate: Fate,
    /// How often the webhook has failed in a row now.
    pub(super) failures: u32,
    /// How long nothing is sent to it.
    pub(super) pause: Duration,
}

/// Judges the answer to the attempt of that number, from 1, to reach a webhook that had failed so often in a row.
pub(super) fn judge(
    answered: Answered,
    (attempt, attempts_max): (u32, u32),
    failures: u32,
    random: u64,
) -> Verdict {
    let outcome = match answered {
        Answered::With(status) => Outcome::of(status),
        Answered::Not => Outcome::Failed,
        Answered::Forbidden => Outcome::Refused,
    };
    let at_once = |fate| Verdict {
        fate,
        failures: 0,
        pause: Duration::ZERO,
    };
    match outcome {
        Outcome::Taken => at_once(Fate::Taken),
        Outcome::Refused => at_once(Fate::Dead),
        Outcome::Failed => {
            let failures = failures.saturating_add(1);
            Verdict {
                fate: if attempt >= attempts_max {
                    Fate::Dead
                } else {
                    Fate::Again
                },
                failures,
                pause: pause(failures, random),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::webhook::limits::{RETRY_FIRST, RETRY_MAX};

    fn answer() -> impl Strategy<Value = Answered> {
        prop_oneof![
            (100_u16..600).prop_map(Answered::With),
            Just(Answered::Not),
            Just(Answered::Forbidden),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_answered_a_delivery_ends_after_its_attempts(
            answers in prop::collection::vec(answer(), 100), most in 1_u32..=100, random: u64,
        ) {
            let mut failures = 0;
            for (attempt, answered) in (1..).zip(answers) {
                let verdict = judge(answered, (attempt, most), failures, random);
                prop_assert!(attempt <= most);
                prop_assert!(verdict.pause < RETRY_MAX);
                prop_assert_eq!(verdict.pause.is_zero(), verdict.failures == 0);
                match verdict.fate {
                    Fate::Taken => {
                        let is_well = matches!(answered, Answered::With(200..=299));
                        prop_assert!(is_well);
                        break;
                    }
                    Fate::Dead => {
                        let is_final = matches!(answered, Answered::Forbidden | Answered::With(400..=499));
                        prop_assert!(is_final || attempt == most);
                        break;
                    }
                    Fate::Again => {
                        prop_assert_eq!(verdict.failures, failures + 1);
                        prop_assert!(verdict.pause >= RETRY_FIRST / 2);
                        failures = verdict.failures;
                    }
                }
            }
        }
    }

    #[test]
    fn a_receiver_that_is_away_is_asked_no_more_often_for_the_next_delivery() {
        let last = judge(Answered::Not, (16, 16), 15, 0);
        assert_eq!(last.fate, Fate::Dead);
        let next = judge(Answered::With(503), (1, 16), last.failures, 0);
        assert_eq!((next.fate, next.pause), (Fate::Again, RETRY_MAX / 2));
        let back = judge(Answered::With(204), (2, 16), next.failures, 0);
        assert_eq!((back.fate, back.failures), (Fate::Taken, 0));
        let unwanted = judge(Answered::With(410), (1, 16), 0, 0);
        assert_eq!(
            (unwanted.fate, unwanted.pause),
            (Fate::Dead, Duration::ZERO)
        );
        assert_eq!(judge(Answered::With(302), (1, 16), 0, 0).fate, Fate::Again);
    }
}
