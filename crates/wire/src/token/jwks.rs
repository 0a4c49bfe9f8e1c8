//! The public keys of a party that we trust, as it publishes them: a JSON Web Key Set (RFC 7517).
//!
//! "Implementations SHOULD ignore JWKs within a JWK Set that use 'kty' (key type) values that are not understood by
//! them, that are missing required members, or for which values are out of the supported ranges" (section 5). So is
//! every key that is not for verifying signatures, and above all every symmetric one: a secret that is published is none.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::ring::{Algorithm, VerifyingKey};
use crate::limits::{JWKS_BYTES_MAX, JWKS_KEYS_MAX, KID_BYTES_MAX};

/// Bytes of an RSA modulus that is taken: "A key of size 2048 bits or larger MUST be used" (RFC 7518, section 3.3), and
/// above 4096 bits a verification costs more than it should.
const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// A set of public keys, checked.
#[derive(Debug, Clone, Default)]
pub struct Jwks {
    keys: Vec<VerifyingKey>,
    skipped: usize,
}

impl Jwks {
    /// Reads a set from its JSON text.
    ///
    /// # Errors
    ///
    /// The text is too long, no key set, or has too many keys. A set without a single usable key is one, too: its
    /// owner may have revoked them all.
    pub fn parse(json: &[u8]) -> Result<Self, JwksError> {
        if json.len() > JWKS_BYTES_MAX {
            return Err(JwksError::TooLong);
        }
        let set: Set<'_> = serde_json::from_slice(json).map_err(|_| JwksError::Malformed)?;
        if set.keys.len() > JWKS_KEYS_MAX {
            return Err(JwksError::TooMany);
        }
        let keys: Vec<VerifyingKey> = set.keys.iter().filter_map(|raw| usable(raw)).collect();
        let skipped = set.keys.len() - keys.len();
        Ok(Self { keys, skipped })
    }

    /// How many keys can verify something.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys were left out: of another kind, for another use, too small, or broken.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The keys.
    pub(super) fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }
}

/// Why a text is no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwksError {
    /// It has too many bytes.
    #[error("key set has more than {JWKS_BYTES_MAX} bytes")]
    TooLong,
    /// It is not JSON of the shape `{"keys":[...]}`.
    #[error("key set is malformed")]
    Malformed,
    /// It has too many keys.
    #[error("key set has more than {JWKS_KEYS_MAX} keys")]
    TooMany,
}

#[derive(Deserialize)]
struct Set<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// One key, as far as we look at it.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    kid: Option<Arc<str>>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

/// The key, if it verifies signatures in a way that we take.
fn usable(raw: &RawValue) -> Option<VerifyingKey> {
    let jwk: Jwk = serde_json::from_str(raw.get()).ok()?;
    let for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
    let for_verifying = jwk
        .key_ops
        .as_ref()
        .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    if !for_signatures || !for_verifying {
        return None;
    }
    let (algorithm, key) = jwk.key()?;
    if jwk.alg.is_some_and(|alg| alg != algorithm.name()) {
        return None;
    }
    if jwk
        .kid
        .as_ref()
        .is_some_and(|kid| kid.len() > KID_BYTES_MAX)
    {
        return None;
    }
    // A point that is not on its curve is noticed when something is verified with it: better now than then.
    jsonwebtoken::crypto::verify("", b"", &key, algorithm.into()).ok()?;
    Some(VerifyingKey {
        kid: jwk.kid,
        algorithm,
        key,
    })
}

impl Jwk {
    fn key(&self) -> Option<(Algorithm, DecodingKey)> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (self.n.as_deref()?, self.e.as_deref()?);
                let modulus = BASE64_URL_SAFE_NO_PAD.decode(n).ok()?;
                let leading = modulus.iter().take_while(|byte| **byte == 0).count();
                if !RSA_MODULUS_BYTES.contains(&(modulus.len() - leading)) {
                    return None;
                }
                let key = DecodingKey::from_rsa_components(n, e).ok()?;
                Some((Algorithm::Rs256, key))
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (
                    coordinate(self.x.as_deref())?,
                    coordinate(self.y.as_deref())?,
                );
                let key = DecodingKey::from_ec_components(x, y).ok()?;
                Some((Algorithm::Es256, key))
            }
            ("OKP", Some("Ed25519")) => {
                let key = DecodingKey::from_ed_components(coordinate(self.x.as_deref())?).ok()?;
                Some((Algorithm::EdDsa, key))
            }
            _ => None,
        }
    }
}

/// A coordinate, if it has the 32 bytes that it has on both curves. The library takes that for granted, and would fall.
fn coordinate(text: Option<&str>) -> Option<&str> {
    let text = text?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    (bytes.len() == 32).then_some(text)
}
