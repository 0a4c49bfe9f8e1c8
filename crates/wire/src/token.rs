//! Tokens: who somebody is, signed by this installation (JWT, HS256; RFC 7519).
//!
//! One algorithm is taken, the one we sign with. A token whose header names another, `none` included, is refused
//! before anything else of it is looked at. Time is the caller's: `jsonwebtoken` is told not to look at its own clock.
//! Neither keys nor tokens appear in an error or in `Debug`.

use std::{fmt, sync::Arc};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    Role, Sender, UnixMillis, UserId,
    limits::{NAME_CHARS_MAX, TOKEN_BYTES_MAX, USER_ID_BYTES_MAX},
};

/// Fewest bytes of a key: the size of the hash, as RFC 7518, section 3.2 demands.
pub const KEY_BYTES_MIN: usize = 32;

/// Who somebody is and how long it is good for. The fields have been checked: see [`Claims::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    sender: Sender,
    issued_at: UnixMillis,
    expires_at: UnixMillis,
}

impl Claims {
    /// Claims about a user. Times are kept to the second, as tokens have them: what is less is dropped.
    ///
    /// # Errors
    ///
    /// The user's id or name cannot be one.
    pub fn new(
        sender: Sender,
        issued_at: UnixMillis,
        expires_at: UnixMillis,
    ) -> Result<Self, ClaimsError> {
        check_user_id(&sender.user.0)?;
        check_name(&sender.name)?;
        Ok(Self {
            sender,
            issued_at: whole_seconds(issued_at),
            expires_at: whole_seconds(expires_at),
        })
    }

    /// Who it is.
    #[must_use]
    pub const fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Who it is.
    #[must_use]
    pub fn into_sender(self) -> Sender {
        self.sender
    }

    /// When the token was signed.
    #[must_use]
    pub const fn issued_at(&self) -> UnixMillis {
        self.issued_at
    }

    /// From when on the token is refused.
    #[must_use]
    pub const fn expires_at(&self) -> UnixMillis {
        self.expires_at
    }
}

/// Why nobody can be called so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// The user id is empty, too long, or has control characters.
    #[error("a user id has 1 to {USER_ID_BYTES_MAX} bytes and no control characters")]
    UserId,
    /// The name is blank, too long, or has control characters.
    #[error(
        "a name has 1 to {NAME_CHARS_MAX} characters, not all of them blank, and no control characters"
    )]
    Name,
}

/// Checks a nickname, as whoever issues tokens must before.
///
/// # Errors
///
/// The name is blank, too long, or has control characters.
pub fn check_name(name: &str) -> Result<(), ClaimsError> {
    // Characters are counted only when there can be few enough of them.
    let short = name.len() <= NAME_CHARS_MAX * 4 && name.chars().count() <= NAME_CHARS_MAX;
    if short && !name.trim().is_empty() && !name.contains(char::is_control) {
        Ok(())
    } else {
        Err(ClaimsError::Name)
    }
}

fn check_user_id(id: &str) -> Result<(), ClaimsError> {
    let legal = (1..=USER_ID_BYTES_MAX).contains(&id.len()) && !id.contains(char::is_control);
    if legal {
        Ok(())
    } else {
        Err(ClaimsError::UserId)
    }
}

fn whole_seconds(time: UnixMillis) -> UnixMillis {
    UnixMillis(time.0 - time.0 % 1000)
}

/// What signs and verifies. Clones share nothing secret with the outside: `Debug` shows none of it.
#[derive(Clone)]
pub struct TokenKey {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Arc<Validation>,
}

impl TokenKey {
    /// A key from its secret bytes.
    ///
    /// # Errors
    ///
    /// The secret is shorter than [`KEY_BYTES_MIN`].
    pub fn new(secret: &[u8]) -> Result<Self, KeyTooShort> {
        if secret.len() < KEY_BYTES_MIN {
            return Err(KeyTooShort {
                bytes: secret.len(),
            });
        }
        let mut validation = Validation::new(Algorithm::HS256);
        // The library compares with its own clock; we compare with the time we are told.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Ok(Self {
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
            validation: Arc::new(validation),
        })
    }

    /// Signs the claims.
    ///
    /// # Panics
    ///
    /// Never: an HMAC takes a key of any length, and our claims are always JSON.
    #[must_use]
    pub fn issue(&self, claims: &Claims) -> String {
        let payload = Payload {
            sub: claims.sender.user.clone(),
            name: Arc::clone(&claims.sender.name),
            role: claims.sender.role,
            iat: claims.issued_at.0 / 1000,
            exp: claims.expires_at.0 / 1000,
            nbf: None,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &payload, &self.signing)
            .expect("an HMAC over our own claims cannot fail")
    }

    /// Reads a token that is valid at `now`.
    ///
    /// # Errors
    ///
    /// The token is not ours, not whole, not yet or no longer valid, or says what cannot be.
    pub fn verify(&self, token: &str, now: UnixMillis) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let token = jsonwebtoken::decode::<Payload>(token, &self.verifying, &self.validation)
            .map_err(|error| TokenError::from_kind(error.kind()))?;
        // "If any of the listed extension Header Parameters are not understood and supported by the recipient, then
        // the JWS is invalid" (RFC 7515, section 4.1.11): none is supported.
        if token.header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let payload = token.claims;
        // "the current date/time MUST be before the expiration date/time" (RFC 7519, section 4.1.4).
        if now.0 / 1000 >= payload.exp {
            return Err(TokenError::Expired);
        }
        // "the current date/time MUST be after or equal to the not-before date/time" (section 4.1.5).
        if payload.nbf.is_some_and(|nbf| now.0 / 1000 < nbf) {
            return Err(TokenError::NotYetValid);
        }
        let sender = Sender {
            user: payload.sub,
            name: payload.name,
            role: payload.role,
            badge: None,
        };
        Ok(Claims::new(
            sender,
            seconds(payload.iat),
            seconds(payload.exp),
        )?)
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(secret)")
    }
}

fn seconds(seconds: u64) -> UnixMillis {
    UnixMillis(seconds.saturating_mul(1000))
}

/// A secret that can be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a token key has at least {KEY_BYTES_MIN} bytes, this one has {bytes}")]
pub struct KeyTooShort {
    /// What it has.
    pub bytes: usize,
}

/// Why a token is refused. A client whose token expired gets a new one; any other reason is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It has more bytes than a token may have; nothing of it was read.
    #[error("token has more than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// It is no JWT, lacks a claim, has one of the wrong type, or demands an extension.
    #[error("token is malformed")]
    Malformed,
    /// It is signed with an algorithm that is not taken, or with none.
    #[error("token is not signed with HS256")]
    Algorithm,
    /// Its signature is not by this key.
    #[error("token has a wrong signature")]
    Signature,
    /// It was good until earlier.
    #[error("token has expired")]
    Expired,
    /// It is good from later on.
    #[error("token is not valid yet")]
    NotYetValid,
    /// It names somebody who cannot be.
    #[error("token has an illegal claim: {0}")]
    Claims(#[from] ClaimsError),
}

impl TokenError {
    fn from_kind(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAlgorithm
            | ErrorKind::InvalidAlgorithmName
            | ErrorKind::UnsupportedAlgorithm => Self::Algorithm,
            _ => Self::Malformed,
        }
    }
}

/// The claims as a token has them.
#[derive(Serialize, Deserialize)]
struct Payload {
    sub: UserId,
    name: Arc<str>,
    #[serde(default)]
    role: Role,
    #[serde(default)]
    iat: u64,
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
}

#[cfg(test)]
mod tests;
