//! Users whose tokens of before are not taken any more.

use std::collections::HashMap;

use fanwave_wire::{UnixMillis, UserId};

use crate::limits::REVOKED_MAX;

/// Until when tokens are refused that were made by a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revocation {
    /// Made then or before.
    pub(crate) made_by: UnixMillis,
    /// They have ended by themselves then.
    pub(crate) until: UnixMillis,
}

/// At most [`REVOKED_MAX`] users; of more, those go first whose tokens end first.
#[derive(Debug, Default)]
pub(crate) struct Revoked(HashMap<UserId, Revocation>);

impl Revoked {
    pub(crate) fn add(&mut self, user: UserId, revocation: Revocation, now: UnixMillis) {
        if self.0.len() >= REVOKED_MAX {
            self.0.retain(|_, known| known.until > now);
        }
        if self.0.len() >= REVOKED_MAX {
            let first = self.0.iter().min_by_key(|(_, known)| known.until);
            if let Some(first) = first.map(|(user, _)| user.clone()) {
                self.0.remove(&first);
            }
        }
        let known = self.0.entry(user).or_insert(revocation);
        known.made_by = known.made_by.max(revocation.made_by);
        known.until = known.until.max(revocation.until);
    }

    /// Whether a token is refused. Tokens say to the second when they were made: one of the same second is refused, too.
    pub(crate) fn refuses(&self, user: &UserId, made: UnixMillis, now: UnixMillis) -> bool {
        let revocation = self.0.get(user);
        revocation.is_some_and(|known| made <= known.made_by && now < known.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: usize) -> UserId {
        UserId(format!("a-{n}").into())
    }

    fn revocation(made_by: u64, until: u64) -> Revocation {
        Revocation {
            made_by: UnixMillis(made_by),
            until: UnixMillis(until),
        }
    }

    #[test]
    fn tokens_of_before_are_refused_for_as_long_as_they_are_good() {
        let mut revoked = Revoked::default();
        revoked.add(user(1), revocation(1_000, 9_000), UnixMillis(1_000));
        // What is heard late takes nothing back.
        revoked.add(user(1), revocation(500, 4_000), UnixMillis(1_000));
        let refuses = |n, made, now| revoked.refuses(&user(n), UnixMillis(made), UnixMillis(now));
        assert!(refuses(1, 1_000, 1_000));
        assert!(refuses(1, 0, 8_999));
        assert!(!refuses(1, 0, 9_000));
        assert!(!refuses(1, 1_001, 1_001));
        assert!(!refuses(2, 0, 1_000));
    }

    #[test]
    fn there_is_room_for_so_many_and_who_matters_longest_stays() {
        let mut revoked = Revoked::default();
        for n in 0..REVOKED_MAX {
            let until = 10_000 + u64::try_from(n).unwrap();
            revoked.add(user(n), revocation(1, until), UnixMillis(1));
        }
        revoked.add(user(REVOKED_MAX), revocation(1, 50_000), UnixMillis(1));
        assert_eq!(revoked.0.len(), REVOKED_MAX);
        assert!(!revoked.refuses(&user(0), UnixMillis(0), UnixMillis(1)));
        assert!(revoked.refuses(&user(1), UnixMillis(0), UnixMillis(1)));
        revoked.add(user(0), revocation(1, 60_000), UnixMillis(49_000));
        assert_eq!(revoked.0.len(), 2);
    }
}
