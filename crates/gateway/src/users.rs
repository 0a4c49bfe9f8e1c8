//! How fast each *user* may send, as far as this node knows.
//!
//! The allowance belongs to the user, not to the connection: a fan with two tabs, or one who reconnects, has one
//! bucket. Only users who lately sent are remembered; one whose bucket is full again is as good as forgotten. The number
//! remembered is bounded: when everybody in it is busy, somebody new must wait.

use std::{collections::HashMap, time::Duration};

use fanwave_room::admit::{Attempt, Gate, Rules, Verdict};
use fanwave_wire::{UnixMillis, UserId};

use crate::limits;

/// After a fruitless search for rested users, the next one waits so long: each looks at all of them.
const SEARCH_PAUSE_MILLIS: u64 = 1_000;

/// The users' gates; see the module.
#[derive(Debug)]
pub(crate) struct Users {
    gates: HashMap<UserId, Remembered>,
    users_max: usize,
    search_again_at: UnixMillis,
}

#[derive(Debug, Clone, Copy)]
struct Remembered {
    gate: Gate,
    last_seen: UnixMillis,
}

impl Default for Users {
    fn default() -> Self {
        Self::bounded(limits::USERS_REMEMBERED_MAX)
    }
}

impl Users {
    fn bounded(users_max: usize) -> Self {
        Self {
            gates: HashMap::new(),
            users_max,
            search_again_at: UnixMillis(0),
        }
    }

    /// Judges one message of a user.
    pub(crate) fn admit(
        &mut self,
        now: UnixMillis,
        rules: &Rules,
        user: &UserId,
        attempt: Attempt<'_>,
    ) -> Verdict {
        if let Some(known) = self.gates.get_mut(user) {
            known.last_seen = now;
            return known.gate.admit(now, rules, attempt);
        }
        if self.gates.len() >= self.users_max {
            self.forget_rested(now, rules);
        }
        if self.gates.len() >= self.users_max {
            return Verdict::TooFast {
                retry_after: Duration::from_millis(SEARCH_PAUSE_MILLIS),
            };
        }
        let mut gate = Gate::new();
        let verdict = gate.admit(now, rules, attempt);
        if matches!(verdict, Verdict::Admit { .. }) {
            self.gates.insert(
                user.clone(),
                Remembered {
                    gate,
                    last_seen: now,
                },
            );
        }
        verdict
    }

    /// Forgets users whose bucket has had the time to fill up.
    fn forget_rested(&mut self, now: UnixMillis, rules: &Rules) {
        if now < self.search_again_at {
            return;
        }
        self.search_again_at = UnixMillis(now.0.saturating_add(SEARCH_PAUSE_MILLIS));
        let refill = u64::try_from(rules.refill.as_millis()).unwrap_or(u64::MAX);
        let rest = refill.saturating_mul(rules.burst.get().into());
        self.gates
            .retain(|_, known| known.last_seen.0.saturating_add(rest) > now.0);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use fanwave_wire::{Lane, Role};

    use super::*;

    fn rules() -> Rules {
        Rules {
            burst: NonZeroU32::new(2).unwrap(),
            refill: Duration::from_secs(1),
            ..Rules::default()
        }
    }

    fn say(users: &mut Users, at: u64, user: &str) -> Verdict {
        let attempt = Attempt {
            lane: Lane::Chat,
            role: Role::Fan,
            text: "hello",
        };
        users.admit(UnixMillis(at), &rules(), &UserId(user.into()), attempt)
    }

    #[test]
    fn a_user_has_one_bucket_however_many_connections_ask() {
        let mut users = Users::bounded(10);
        assert!(matches!(say(&mut users, 0, "anna"), Verdict::Admit { .. }));
        assert!(matches!(say(&mut users, 0, "anna"), Verdict::Admit { .. }));
        assert!(matches!(
            say(&mut users, 0, "anna"),
            Verdict::TooFast { .. }
        ));
        assert!(matches!(say(&mut users, 0, "bora"), Verdict::Admit { .. }));
        assert!(matches!(
            say(&mut users, 1_000, "anna"),
            Verdict::Admit { .. }
        ));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_rested_make_room() {
        let mut users = Users::bounded(2);
        say(&mut users, 0, "anna");
        say(&mut users, 1_500, "bora");
        assert!(
            matches!(say(&mut users, 1_600, "chai"), Verdict::TooFast { .. }),
            "both are still busy"
        );
        assert_eq!(users.gates.len(), 2);
        assert!(
            matches!(say(&mut users, 2_700, "chai"), Verdict::Admit { .. }),
            "anna's bucket is full again"
        );
        assert_eq!(users.gates.len(), 2);
    }
}
