//! Ids and secrets of accounts and sessions.

use aws_lc_rs::digest::{SHA256, digest as sha};
use fanwave_store::catalogue::Digest;

use crate::{Problem, random::random_hex};

/// What a session's token begins with: whoever finds one knows what it is, and scanners for lost secrets do.
const PREFIX: &str = "fws_";

/// Bytes of randomness in a token: beyond guessing.
const TOKEN_BYTES: usize = 32;

/// Bytes of randomness in an id: beyond meeting twice.
const ID_BYTES: usize = 10;

/// Digits of an id: twelve of its time, two for each random byte.
const ID_DIGITS: usize = 12 + 2 * ID_BYTES;

/// A new token.
pub(super) fn token() -> Result<String, Problem> {
    drawn::<TOKEN_BYTES>(PREFIX)
}

/// A secret that nobody can guess, behind a prefix that says what it is.
pub(crate) fn drawn<const BYTES: usize>(prefix: &str) -> Result<String, Problem> {
    Ok(format!("{prefix}{}", random_hex::<BYTES>()?))
}

/// Whether a bearer's secret is the token of a session, rather than a signed one.
pub(super) fn is_session(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// What is kept of a token; `None` if it can be none of ours.
pub(super) fn digest(token: &str) -> Option<Digest> {
    digest_of::<TOKEN_BYTES>(PREFIX, token)
}

/// What is kept of a secret; `None` if it cannot have been [`drawn`] like this.
pub(crate) fn digest_of<const BYTES: usize>(prefix: &str, text: &str) -> Option<Digest> {
    let is_whole = text.strip_prefix(prefix)?.len() == 2 * BYTES;
    is_whole.then(|| sha(&SHA256, text.as_bytes()).as_ref().try_into().ok())?
}

/// A new id: it sorts behind those of earlier milliseconds. `at` is in milliseconds since 1970-01-01 UTC.
pub(crate) fn id(kind: &str, at: i64) -> Result<String, Problem> {
    let random = random_hex::<ID_BYTES>()?;
    Ok(format!("{kind}-{at:012x}{random}"))
}

/// Whether this can be an id of that kind.
pub(crate) fn is_id(kind: &str, text: &str) -> bool {
    let digits = text
        .strip_prefix(kind)
        .and_then(|text| text.strip_prefix('-'));
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    digits.is_some_and(|digits| digits.len() == ID_DIGITS && digits.bytes().all(is_digit))
}
