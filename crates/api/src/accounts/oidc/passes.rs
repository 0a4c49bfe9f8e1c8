//! What a browser keeps for us while somebody logs in elsewhere: one cookie, signed, for minutes.
//!
//! First it is an [`Attempt`]: who is sent away, and where they want to be afterwards. What is secret of it follows from its seed and
//! the installation's own key, and is nowhere. Then it is a [`Ticket`]: who has come back. Either is what a server of this
//! installation has written, or nothing.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use fanwave_wire::token::TokenKey;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Problem, limits, random::random_hex};

/// The cookie. It goes to the three routes alone, and to none of another site's doing but the way back from the issuer.
const COOKIE: &str = "fanwave_login";

/// Bytes of randomness in a seed: beyond guessing, and beyond meeting twice.
const SEED_BYTES: usize = 16;

/// Somebody who was sent away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    seed: String,
    /// Where on this site they want to be.
    pub(super) wanted: String,
    /// From when on it is none, milliseconds since 1970.
    ends_at: i64,
}

/// Somebody who has come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    /// Their account.
    pub(super) account: String,
    /// From when on it is none, milliseconds since 1970.
    ends_at: i64,
}

/// What a browser can keep for us.
pub(super) trait Pass: Serialize + DeserializeOwned {
    /// What sets it apart from the other kind.
    const KIND: &'static str;

    /// When it ends.
    fn ends_at(&self) -> i64;
}

impl Pass for Attempt {
    const KIND: &'static str = "oidc attempt";

    fn ends_at(&self) -> i64 {
        self.ends_at
    }
}

impl Pass for Ticket {
    const KIND: &'static str = "oidc ticket";

    fn ends_at(&self) -> i64 {
        self.ends_at
    }
}

impl Attempt {
    pub(super) fn new(wanted: String, now: i64) -> Result<Self, Problem> {
        Ok(Self {
            seed: random_hex::<SEED_BYTES>()?,
            wanted,
            ends_at: now.saturating_add(limits::OIDC_ATTEMPT_MS),
        })
    }

    /// What the issuer hands back with the answer, so that nobody answers for another browser.
    pub(super) fn state(&self, key: &TokenKey) -> String {
        self.derived(key, "oidc state")
    }

    /// What the ID token has to repeat.
    pub(super) fn nonce(&self, key: &TokenKey) -> String {
        self.derived(key, "oidc nonce")
    }

    /// What is shown for the code.
    pub(super) fn verifier(&self, key: &TokenKey) -> String {
        self.derived(key, "oidc verifier")
    }

    /// What is said of the verifier beforehand (RFC 7636, section 4.2).
    pub(super) fn challenge(&self, key: &TokenKey) -> String {
        let hash = digest(&SHA256, self.verifier(key).as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(hash)
    }

    fn derived(&self, key: &TokenKey, what: &str) -> String {
        key.derive(format!("{what}\0{}", self.seed).as_bytes())
    }

    /// Whether this is the state that it was sent away with.
    pub(super) fn is_state(&self, key: &TokenKey, shown: &str) -> bool {
        same(shown, &self.state(key))
    }
}

impl Ticket {
    pub(super) fn new(account: String, now: i64) -> Self {
        Self {
            account,
            ends_at: now.saturating_add(limits::OIDC_TICKET_MS),
        }
    }
}

fn same(shown: &str, expected: &str) -> bool {
    verify_slices_are_equal(shown.as_bytes(), expected.as_bytes()).is_ok()
}

/// The text of a cookie: what it says, and what shows that we have said it.
pub(super) fn sealed<P: Pass>(key: &TokenKey, pass: &P) -> String {
    let said = serde_json::to_vec(pass).unwrap_or_default();
    let mark = mark::<P>(key, &said);
    format!("{}.{mark}", BASE64_URL_SAFE_NO_PAD.encode(said))
}

/// What the text of a cookie says, if we have said it and its time is not over.
pub(super) fn opened<P: Pass>(key: &TokenKey, text: &str, now: i64) -> Option<P> {
    let (said, shown) = text.split_once('.')?;
    let said = BASE64_URL_SAFE_NO_PAD.decode(said).ok()?;
    if !same(shown, &mark::<P>(key, &said)) {
        return None;
    }
    let pass: P = serde_json::from_slice(&said).ok()?;
    (now < pass.ends_at()).then_some(pass)
}

fn mark<P: Pass>(key: &TokenKey, said: &[u8]) -> String {
    key.derive(&[P::KIND.as_bytes(), b"\0", said].concat())
}

/// The first of a request's cookies of our name that is good.
pub(super) fn kept<P: Pass>(key: &TokenKey, headers: &HeaderMap, now: i64) -> Option<P> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines.flat_map(|line| line.to_str().unwrap_or_default().split(';'));
    let named = pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    named
        .take(limits::OIDC_COOKIES_MAX)
        .find_map(|text| opened(key, text, now))
}

/// Has a browser keep a pass; one that there was is forgotten.
pub(super) fn keep<P: Pass>(key: &TokenKey, pass: &P, site: &str, now: i64) -> HeaderValue {
    let left = pass.ends_at().saturating_sub(now) / 1000;
    cookie(&sealed(key, pass), left, site)
}

/// Has a browser forget it.
pub(super) fn forget(site: &str) -> HeaderValue {
    cookie("", 0, site)
}

/// No script reads it; other sites' pages send it only by sending the person here.
fn cookie(text: &str, seconds: i64, site: &str) -> HeaderValue {
    let secure = if site.starts_with("https:") {
        "; Secure"
    } else {
        ""
    };
    let cookie = format!(
        "{COOKIE}={text}; Path=/api/v1/oidc; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    );
    // All of it is base64url and words of ours.
    HeaderValue::try_from(cookie).unwrap_or(HeaderValue::from_static(""))
}

/// A path of this site, which is all that somebody is sent on to: whatever else a link says, it does not lead away.
pub(super) fn is_here(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>^`{|}#".contains(&byte);
    path.len() <= limits::OIDC_RETURN_BYTES_MAX
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(is_plain)
}
