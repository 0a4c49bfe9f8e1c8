//! What another party says of somebody who has logged in there: an `OpenID` Connect ID token.
//!
//! It is checked as `OpenID` Connect Core 1.0, section 3.1.3.7 asks: signed with a public key of its issuer, by an algorithm that is taken,
//! by that issuer, for us and for nobody else who could have been given it, for this one login (`nonce`), and not too late. It is taken
//! once, when somebody comes back from their issuer; no connection is opened with it.

use serde_json::{Map, Value};

use super::{
    Jwks, TokenError,
    ring::{Algorithm, Named, signed},
};
use crate::{
    UnixMillis,
    limits::{ID_TOKEN_BYTES_MAX, ID_TOKEN_SKEW_MAX, SUBJECT_BYTES_MAX},
};

/// What an ID token has to say.
#[derive(Debug, Clone, Copy)]
pub struct IdentityRules<'a> {
    /// By whom it is, to the letter.
    pub issuer: &'a str,
    /// For whom it is: what the issuer calls us.
    pub client: &'a str,
    /// For which login.
    pub nonce: &'a str,
    /// Which algorithms are taken. A shared secret signs none: only public keys are looked at.
    pub algorithms: &'a [Algorithm],
}

/// Somebody, as their issuer knows them.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// Who they are to their issuer, for good: 1 to [`SUBJECT_BYTES_MAX`] bytes of ASCII.
    pub subject: String,
    /// All that is said of them.
    pub claims: Map<String, Value>,
}

impl Jwks {
    /// Reads an ID token that is signed with a key of this set, and valid at `now`.
    ///
    /// # Errors
    ///
    /// The token is not by a key of the set, not by the rules, not whole, not yet or no longer valid, or names nobody.
    pub fn identity(
        &self,
        token: &str,
        rules: &IdentityRules<'_>,
        now: UnixMillis,
    ) -> Result<Identity, TokenError> {
        if token.len() > ID_TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let named = Named::of(token, rules.algorithms)?;
        let claims: Map<String, Value> = signed(token, &named, self.keys().iter())?;
        if text(&claims, "iss") != Some(rules.issuer) {
            return Err(TokenError::Issuer);
        }
        check_audience(&claims, rules.client)?;
        if text(&claims, "nonce") != Some(rules.nonce) {
            return Err(TokenError::Nonce);
        }
        check_times(&claims, now)?;
        let subject = text(&claims, "sub").filter(|subject| is_subject(subject));
        let subject = subject.ok_or(TokenError::Malformed)?.to_owned();
        Ok(Identity { subject, claims })
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str()
}

/// "The sub value [...] MUST NOT exceed 255 ASCII characters in length" (section 2).
fn is_subject(subject: &str) -> bool {
    let is_printed = |byte: u8| byte.is_ascii() && !byte.is_ascii_control();
    (1..=SUBJECT_BYTES_MAX).contains(&subject.len()) && subject.bytes().all(is_printed)
}

/// One that is for several has to say that we are the one it was given to (steps 3 to 5): the others are nobody that we trust.
fn check_audience(claims: &Map<String, Value>, client: &str) -> Result<(), TokenError> {
    let is_ours = match claims.get("aud") {
        Some(Value::String(audience)) => audience == client,
        Some(Value::Array(audiences)) => {
            let is_among = audiences.iter().any(|one| one.as_str() == Some(client));
            is_among && (audiences.len() == 1 || text(claims, "azp") == Some(client))
        }
        _ => false,
    };
    let is_for_another = claims
        .get("azp")
        .is_some_and(|party| party.as_str() != Some(client));
    if is_ours && !is_for_another {
        Ok(())
    } else {
        Err(TokenError::Audience)
    }
}

/// The clocks of two parties are not quite the same.
fn check_times(claims: &Map<String, Value>, now: UnixMillis) -> Result<(), TokenError> {
    let (now, skew) = (now.0 / 1000, ID_TOKEN_SKEW_MAX.as_secs());
    let expires = claims.get("exp").and_then(Value::as_u64);
    let expires = expires.ok_or(TokenError::Malformed)?;
    if now >= expires.saturating_add(skew) {
        return Err(TokenError::Expired);
    }
    let begins = claims.get("nbf").map(Value::as_u64);
    match begins {
        Some(None) => Err(TokenError::Malformed),
        Some(Some(begins)) if now.saturating_add(skew) < begins => Err(TokenError::NotYetValid),
        Some(Some(_)) | None => Ok(()),
    }
}
