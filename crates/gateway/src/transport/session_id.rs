//! The name of a session whose commands come by other requests than its replies.
//!
//! Whoever knows it speaks for the session, so it is 128 random bits, is told to its client alone, and prints as
//! nothing. In front of them stands the reactor that has the session.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The random part.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionSecret(u128);

impl SessionSecret {
    /// One that nobody can guess.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(..)")
    }
}

/// The whole name, as in a connect result: `SEAT-SECRET`, both in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionId {
    seat: usize,
    secret: SessionSecret,
}

impl SessionId {
    /// The name of a session of the reactor with this number.
    pub(crate) fn new(seat: usize, secret: SessionSecret) -> Self {
        Self { seat, secret }
    }

    /// The reactor's number.
    pub(crate) fn seat(self) -> usize {
        self.seat
    }

    /// The random part.
    pub(crate) fn secret(self) -> SessionSecret {
        self.secret
    }

    /// The name for its client, and for nobody else.
    pub(crate) fn expose(self) -> String {
        format!("{:x}-{:032x}", self.seat, self.secret.0)
    }
}

/// A text is no name of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a session's name")]
pub(crate) struct NoSession;

impl FromStr for SessionId {
    type Err = NoSession;

    fn from_str(text: &str) -> Result<Self, NoSession> {
        let (seat, secret) = text.split_once('-').ok_or(NoSession)?;
        if secret.len() != 32 {
            return Err(NoSession);
        }
        Ok(Self {
            seat: usize::from_str_radix(seat, 16).map_err(|_| NoSession)?,
            secret: SessionSecret(u128::from_str_radix(secret, 16).map_err(|_| NoSession)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_told_and_printed_nowhere() {
        let session = SessionId::new(11, SessionSecret::random().unwrap());
        let told = session.expose();
        assert_eq!(told.parse(), Ok(session));
        assert_eq!(told.len(), 1 + 1 + 32);
        let printed = format!("{session:?}");
        assert!(!printed.contains(&told[2..]), "{printed}");
        for other in [
            "",
            "0",
            "0-",
            "-0",
            "0-00",
            &told[..33],
            "x-00000000000000000000000000000000",
        ] {
            assert_eq!(other.parse::<SessionId>(), Err(NoSession), "{other}");
        }
    }
}
