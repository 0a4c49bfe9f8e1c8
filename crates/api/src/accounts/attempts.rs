//! How often a password may be tried for one login, wherever from.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
};

use axum::http::StatusCode;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::{
    Problem,
    limits::{ATTEMPT_CELLS, ATTEMPTS_PER_MINUTE},
};

/// Counts attempts in cells, of which each login has one. There are so many cells, and no more, that two people hardly
/// share one; which they share, nobody can choose.
pub(super) struct Attempts {
    cells: Vec<DefaultDirectRateLimiter>,
    hasher: RandomState,
}

impl Attempts {
    pub(super) fn new() -> Self {
        let quota = Quota::per_minute(ATTEMPTS_PER_MINUTE);
        Self {
            cells: std::iter::repeat_with(|| RateLimiter::direct(quota))
                .take(ATTEMPT_CELLS)
                .collect(),
            hasher: RandomState::new(),
        }
    }

    /// One more attempt for a login.
    pub(super) fn count(&self, login: &str) -> Result<(), Problem> {
        let hash = usize::try_from(self.hasher.hash_one(login) >> 1).unwrap_or(0);
        let Some(cell) = self.cells.get(hash % ATTEMPT_CELLS) else {
            return Ok(());
        };
        cell.check_n(NonZeroU32::MIN)
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| {
                Problem::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too_many_attempts",
                    "the password of this login was tried too often: wait a minute",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_tried_so_often_and_others_all_the_same() {
        let attempts = Attempts::new();
        for _ in 0..ATTEMPTS_PER_MINUTE.get() {
            assert!(attempts.count("mina").is_ok());
        }
        let refusal = attempts.count("mina").unwrap_err();
        assert_eq!(refusal.status(), StatusCode::TOO_MANY_REQUESTS);
        let free = (0..100).filter(|n| attempts.count(&format!("fan{n}")).is_ok());
        assert!(free.count() >= 95);
    }
}
