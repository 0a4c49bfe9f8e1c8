//! A secret of ours, which signs tokens and verifies them.

use std::{fmt, sync::Arc};

use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use thiserror::Error;

use super::{
    Algorithm, Claims, SubscribeClaims, TokenError,
    payload::{self, Signed},
    ring::{KeyRing, VerifyingKey},
};
use crate::UnixMillis;

/// Fewest bytes of a key: the size of the hash, as RFC 7518, section 3.2 demands.
pub const KEY_BYTES_MIN: usize = 32;

/// What signs and verifies. Clones share nothing secret with the outside: `Debug` shows none of it.
#[derive(Clone)]
pub struct TokenKey {
    signing: EncodingKey,
    header: Header,
    ring: Arc<KeyRing>,
    verifying: VerifyingKey,
}

impl TokenKey {
    /// A key from its secret bytes.
    ///
    /// # Errors
    ///
    /// The secret is shorter than [`KEY_BYTES_MIN`].
    pub fn new(secret: &[u8]) -> Result<Self, KeyTooShort> {
        Self::build(secret, None)
    }

    /// A key that tokens name by a `kid`, for an installation that has several.
    ///
    /// # Errors
    ///
    /// The secret is shorter than [`KEY_BYTES_MIN`].
    pub fn named(kid: &str, secret: &[u8]) -> Result<Self, KeyTooShort> {
        Self::build(secret, Some(kid))
    }

    fn build(secret: &[u8], kid: Option<&str>) -> Result<Self, KeyTooShort> {
        if secret.len() < KEY_BYTES_MIN {
            return Err(KeyTooShort {
                bytes: secret.len(),
            });
        }
        let mut header = Header::new(jsonwebtoken::Algorithm::HS256);
        header.kid = kid.map(ToOwned::to_owned);
        let verifying = VerifyingKey {
            kid: kid.map(Arc::from),
            algorithm: Algorithm::Hs256,
            key: DecodingKey::from_secret(secret),
        };
        Ok(Self {
            signing: EncodingKey::from_secret(secret),
            header,
            ring: Arc::new(KeyRing::of_one(verifying.clone())),
            verifying,
        })
    }

    /// Signs the claims of a connection.
    #[must_use]
    pub fn issue(&self, claims: &Claims) -> String {
        self.sign(&payload::of_claims(claims))
    }

    /// Signs the permission for a channel.
    #[must_use]
    pub fn issue_subscribe(&self, claims: &SubscribeClaims) -> String {
        self.sign(&payload::of_subscription(claims))
    }

    /// # Panics
    ///
    /// Never: an HMAC takes a key of any length, and our claims are always JSON.
    fn sign(&self, claims: &Signed<'_>) -> String {
        jsonwebtoken::encode(&self.header, claims, &self.signing)
            .expect("an HMAC over our own claims cannot fail")
    }

    /// A secret that follows from this one and what it is for: 256 bits as 43 characters of base64url. No token is signed with
    /// it, and nobody who has it learns anything of this key or of another secret.
    ///
    /// # Panics
    ///
    /// Never: an HMAC takes a key of any length.
    #[must_use]
    pub fn derive(&self, purpose: &[u8]) -> String {
        // What is signed of a token has no zero byte.
        let message = [b"fanwave\0", purpose].concat();
        jsonwebtoken::crypto::sign(&message, &self.signing, jsonwebtoken::Algorithm::HS256)
            .expect("an HMAC over bytes cannot fail")
    }

    /// Reads a token that is valid at `now`, and signed with this key.
    ///
    /// # Errors
    ///
    /// The token is not ours, not whole, not yet or no longer valid, or says what cannot be.
    pub fn verify(&self, token: &str, now: UnixMillis) -> Result<Claims, TokenError> {
        self.ring.verify_connect(token, now)
    }

    /// The half of the key that verifies.
    pub(super) fn verifying(&self) -> VerifyingKey {
        self.verifying.clone()
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(secret)")
    }
}

/// A secret that can be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a token key has at least {KEY_BYTES_MIN} bytes, this one has {bytes}")]
pub struct KeyTooShort {
    /// What it has.
    pub bytes: usize,
}
