//! Several keys, and the rules by which a token finds its own.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jsonwebtoken::{DecodingKey, Validation, errors::ErrorKind};
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::{
    Claims, Jwks, SubscribeClaims, TokenError, TokenKey,
    payload::{Payload, Presence},
};
use crate::{
    UnixMillis,
    limits::{OWN_KEYS_MAX, TOKEN_BYTES_MAX},
};

/// How a signature is made; the four that are in wide use. There is no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256: a shared secret.
    Hs256,
    /// RSA (PKCS #1 v1.5) with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Edwards curve signatures, on Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in the header of a token.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    /// Whether whoever verifies could also sign.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256)
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Hs256 => Self::HS256,
            Algorithm::Rs256 => Self::RS256,
            Algorithm::Es256 => Self::ES256,
            Algorithm::EdDsa => Self::EdDSA,
        }
    }
}

/// What is asked of tokens beside a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// For whom a token must be. One that a secret of ours has signed may leave it out: nobody else takes those.
    pub audience: Option<Arc<str>>,
    /// By whom a token must be, with the same exception.
    pub issuer: Option<Arc<str>>,
    /// Which algorithms are taken.
    pub algorithms: Vec<Algorithm>,
}

impl Default for Rules {
    /// Any audience, any issuer, every algorithm: as far as there is a key for it.
    fn default() -> Self {
        Self {
            audience: None,
            issuer: None,
            algorithms: Algorithm::ALL.to_vec(),
        }
    }
}

/// A key and what it is for. It verifies one algorithm and no other.
#[derive(Clone)]
pub(super) struct VerifyingKey {
    /// What tokens call it, if they do.
    pub(super) kid: Option<Arc<str>>,
    /// What it verifies.
    pub(super) algorithm: Algorithm,
    /// The key itself.
    pub(super) key: DecodingKey,
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {:?})", self.algorithm.name(), self.kid)
    }
}

/// The keys that tokens are verified with. A ring does not change: [`KeyRing::with_jwks`] makes the next one.
///
/// A token that names a key (`kid`) is verified with that key. One that names none, or one that no key has, is verified
/// with the keys that have no name, and one without a name with all that have its algorithm.
#[derive(Debug, Clone)]
pub struct KeyRing {
    rules: Rules,
    own: Vec<VerifyingKey>,
    public: Jwks,
    /// Shared by all rings that were made of one.
    misses: Arc<AtomicU64>,
}

impl From<&TokenKey> for KeyRing {
    /// The ring of an installation that trusts nobody but itself.
    fn from(key: &TokenKey) -> Self {
        Self::of_one(key.verifying())
    }
}

impl KeyRing {
    /// A ring with one secret of ours.
    #[must_use]
    pub fn new(key: &TokenKey, rules: Rules) -> Self {
        Self {
            rules,
            ..Self::of_one(key.verifying())
        }
    }

    pub(super) fn of_one(key: VerifyingKey) -> Self {
        Self {
            rules: Rules {
                algorithms: vec![Algorithm::Hs256],
                ..Rules::default()
            },
            own: vec![key],
            public: Jwks::default(),
            misses: Arc::default(),
        }
    }

    /// Adds another secret of ours, so that one can be replaced while tokens of the other are about.
    ///
    /// # Errors
    ///
    /// The ring has [`OWN_KEYS_MAX`] already.
    pub fn with_key(mut self, key: &TokenKey) -> Result<Self, TooManyKeys> {
        if self.own.len() == OWN_KEYS_MAX {
            return Err(TooManyKeys);
        }
        self.own.push(key.verifying());
        Ok(self)
    }

    /// The ring with this set of public keys in place of the former.
    #[must_use]
    pub fn with_jwks(&self, public: Jwks) -> Self {
        Self {
            public,
            ..self.clone()
        }
    }

    /// How many tokens were signed with a public key that this ring, or one that it was made of, did not have. When it
    /// grows, the set may have become old.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// Reads the token of a connection, valid at `now`.
    ///
    /// # Errors
    ///
    /// The token is not by a key of the ring, not by the rules, not whole, not yet or no longer valid, or says what
    /// cannot be.
    pub fn verify_connect(&self, token: &str, now: UnixMillis) -> Result<Claims, TokenError> {
        self.verify(token, now)?.into_claims()
    }

    /// Reads the token of a subscription, valid at `now`.
    ///
    /// # Errors
    ///
    /// As of [`KeyRing::verify_connect`].
    pub fn verify_subscribe(
        &self,
        token: &str,
        now: UnixMillis,
    ) -> Result<SubscribeClaims, TokenError> {
        self.verify(token, now)?.into_subscribe_claims()
    }

    fn verify(&self, token: &str, now: UnixMillis) -> Result<Payload, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let named = Named::of(token, &self.rules.algorithms)?;
        let keys = self.own.iter().chain(self.public.keys());
        let payload: Result<Payload, TokenError> = signed(token, &named, keys);
        if payload.as_ref().err() == Some(&TokenError::UnknownKey) {
            self.misses.fetch_add(1, Ordering::Relaxed);
        }
        let payload = payload?;
        let presence = if named.algorithm.is_symmetric() {
            Presence::Optional
        } else {
            Presence::Required
        };
        if let Some(audience) = &self.rules.audience {
            payload.check_audience(audience, presence)?;
        }
        if let Some(issuer) = &self.rules.issuer {
            payload.check_issuer(issuer, presence)?;
        }
        payload.check_times(now)?;
        Ok(payload)
    }
}

/// What a token says that it is signed with.
pub(super) struct Named {
    algorithm: Algorithm,
    kid: Option<String>,
}

impl Named {
    /// Reads the header of a token, which names one of these algorithms.
    pub(super) fn of(token: &str, algorithms: &[Algorithm]) -> Result<Self, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| of_kind(error.kind()))?;
        // "If any of the listed extension Header Parameters are not understood and supported by the recipient, then
        // the JWS is invalid" (RFC 7515, section 4.1.11): none is supported.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let algorithm = Algorithm::ALL
            .into_iter()
            .find(|algorithm| jsonwebtoken::Algorithm::from(*algorithm) == header.alg)
            .filter(|algorithm| algorithms.contains(algorithm))
            .ok_or(TokenError::Algorithm)?;
        Ok(Self {
            algorithm,
            kid: header.kid,
        })
    }
}

/// What a token says that one of these keys has signed.
pub(super) fn signed<'a, T: DeserializeOwned>(
    token: &str,
    named: &Named,
    keys: impl Iterator<Item = &'a VerifyingKey> + Clone,
) -> Result<T, TokenError> {
    let (algorithm, kid) = (named.algorithm, named.kid.as_deref());
    let keys = keys.filter(|key| key.algorithm == algorithm);
    let is_named = |key: &VerifyingKey| key.kid.is_some() && key.kid.as_deref() == kid;
    let known = keys.clone().any(is_named);
    let validation = validation(algorithm);
    let mut tried = false;
    for key in keys.filter(|key| match kid {
        Some(_) if known => is_named(key),
        Some(_) => key.kid.is_none(),
        None => true,
    }) {
        tried = true;
        match jsonwebtoken::decode::<T>(token, &key.key, &validation) {
            Ok(token) => return Ok(token.claims),
            Err(error) if *error.kind() == ErrorKind::InvalidSignature => {}
            Err(error) => return Err(of_kind(error.kind())),
        }
    }
    let unknown = if kid.is_some() { !known } else { !tried };
    if unknown && !algorithm.is_symmetric() {
        return Err(TokenError::UnknownKey);
    }
    Err(TokenError::Signature)
}

/// The library compares with its own clock; we compare with the time we are told.
fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm.into());
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

fn of_kind(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm => TokenError::Algorithm,
        _ => TokenError::Malformed,
    }
}

/// A ring has as many secrets as it can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a key ring has at most {OWN_KEYS_MAX} secrets")]
pub struct TooManyKeys;

#[cfg(test)]
mod tests;
