//! Passwords: what may be one, and hashing them (argon2id, RFC 9106) without starving everything else.
//!
//! A hash takes time and 19 MiB, on purpose. So few are made at a time, on threads of their own; a few more
//! wait, and who comes then is told to try again. Whoever logs in with a name that nobody has waits as long as others: a
//! hash is compared with in any case, so that the time tells nothing.

use std::sync::{Arc, OnceLock};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use axum::http::StatusCode;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use crate::{
    Problem,
    limits::{HASHES_MAX, HASHES_WAITING_MAX, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN},
};

/// Hashes passwords.
pub(super) struct Passwords {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    /// Of a password that nobody has.
    decoy: Arc<OnceLock<String>>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(HASHES_MAX + HASHES_WAITING_MAX)),
            turns: Arc::new(Semaphore::new(HASHES_MAX)),
            decoy: Arc::new(OnceLock::new()),
        }
    }

    /// The hash of a new password, a PHC string.
    pub(super) async fn hash(&self, password: &str) -> Result<String, Problem> {
        let password = accepted(password)?;
        self.work(move || hash(&password)).await?
    }

    /// Whether this is the password of that hash; of nobody's, it never is.
    pub(super) async fn is_right(
        &self,
        password: &str,
        expected: Option<String>,
    ) -> Result<bool, Problem> {
        // What cannot be a password is none; it costs what others cost.
        let password = accepted(password).unwrap_or_default();
        let decoy = Arc::clone(&self.decoy);
        self.work(move || {
            let is_somebody = expected.is_some();
            let Some(expected) = expected.or_else(|| decoy_in(&decoy)) else {
                return false;
            };
            let Ok(parsed) = PasswordHash::new(&expected) else {
                tracing::error!("the hash of a password cannot be read");
                return false;
            };
            let is_right = Argon2::default()
                .verify_password(password.as_bytes(), &parsed)
                .is_ok();
            is_right && is_somebody
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "too many are logging in at this moment: try again in a few seconds",
            )
        };
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| busy())?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| busy())?;
        let done = tokio::task::spawn_blocking(move || {
            // Kept until the work is done, also where nobody waits for it any more.
            let _held = (place, turn);
            work()
        });
        done.await.map_err(|_| internal())
    }
}

fn hash(password: &str) -> Result<String, Problem> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| {
        tracing::error!(%error, "a password could not be hashed");
        internal()
    })
}

fn decoy_in(place: &OnceLock<String>) -> Option<String> {
    if let Some(decoy) = place.get() {
        return Some(decoy.clone());
    }
    let made = hash("of nobody at all").ok()?;
    Some(place.get_or_init(|| made).clone())
}

/// The password as it is hashed: the same however a keyboard composes its letters (NIST SP 800-63B, section 3.1.1.2).
fn accepted(typed: &str) -> Result<String, Problem> {
    let refusal = |words: String| {
        Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "password_refused",
            words,
        ))
    };
    // Characters are counted only when there can be few enough of them.
    let chars = if typed.len() <= 4 * PASSWORD_CHARS_MAX {
        typed.chars().count()
    } else {
        usize::MAX
    };
    if chars < PASSWORD_CHARS_MIN {
        return refusal(format!(
            "a password has at least {PASSWORD_CHARS_MIN} characters"
        ));
    }
    if chars > PASSWORD_CHARS_MAX {
        return refusal(format!(
            "a password has at most {PASSWORD_CHARS_MAX} characters"
        ));
    }
    Ok(typed.nfkc().collect())
}

fn internal() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "this could not be done",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_however_its_letters_were_composed_and_nobodys_never_is() {
        let passwords = Passwords::new();
        let kept = passwords.hash("\u{e9}l\u{e9}phant 한국어").await.unwrap();
        assert!(
            kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{kept}"
        );
        let decomposed: String = "\u{e9}l\u{e9}phant 한국어".nfd().collect();
        assert_ne!(decomposed, "\u{e9}l\u{e9}phant 한국어");
        for (typed, right) in [
            ("\u{e9}l\u{e9}phant 한국어", true),
            (&*decomposed, true),
            ("elephant 한국어", false),
            ("", false),
        ] {
            let is_right = passwords.is_right(typed, Some(kept.clone())).await.unwrap();
            assert_eq!(is_right, right, "{typed}");
        }
        assert!(!passwords.is_right("of nobody at all", None).await.unwrap());
        assert!(
            !passwords
                .is_right("long enough", Some("no hash".into()))
                .await
                .unwrap()
        );
    }

    #[test]
    fn a_password_has_a_length() {
        let of = |chars: usize| "가".repeat(chars);
        assert!(accepted(&of(PASSWORD_CHARS_MIN - 1)).is_err());
        assert!(accepted(&of(PASSWORD_CHARS_MIN)).is_ok());
        assert!(accepted(&of(PASSWORD_CHARS_MAX)).is_ok());
        assert!(accepted(&of(PASSWORD_CHARS_MAX + 1)).is_err());
        assert!(accepted(&"x".repeat(1 << 20)).is_err());
    }

    #[tokio::test]
    async fn no_more_wait_for_a_hash_than_there_is_room_for() {
        let passwords = Passwords::new();
        let held = passwords
            .places
            .try_acquire_many(u32::try_from(HASHES_MAX + HASHES_WAITING_MAX).unwrap());
        assert!(held.is_ok());
        let refusal = passwords.hash("long enough").await.unwrap_err();
        assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(held);
        assert!(passwords.hash("long enough").await.is_ok());
    }
}
