//! The plan of whose tokens are taken.

use std::time::Duration;

use fanwave_wire::token::{Algorithm, Rules};
use hyper::Uri;

use super::{check::Check, schema, settings::KeyPath};
use crate::jwks::Source;

/// Longest audience or issuer, bytes.
const NAME_BYTES_MAX: usize = 256;

/// Whose tokens are taken, beside those that the signing secret has signed.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// Where the public keys of another issuer are.
    pub jwks: Option<Source>,
    /// What is asked of tokens.
    pub rules: Rules,
}

/// How long a guest token is valid.
pub(super) fn guest_ttl(check: &mut Check<'_>, tokens: &schema::Tokens) -> Duration {
    check.duration(
        KeyPath::of("tokens", "guest_ttl"),
        &tokens.guest_ttl,
        Duration::from_secs(60)..=Duration::from_secs(400 * 86_400),
    )
}

/// Plans it.
pub(super) fn plan(check: &mut Check<'_>, tokens: &schema::Tokens) -> Tokens {
    let key = |name| KeyPath::of("tokens", name);
    let refresh = check.duration(
        key("jwks_refresh"),
        &tokens.jwks_refresh,
        Duration::from_secs(10)..=Duration::from_secs(86_400),
    );
    let mut algorithms = vec![Algorithm::Hs256];
    for name in &tokens.algorithms {
        match Algorithm::of_name(name) {
            Some(algorithm) if !algorithm.is_symmetric() => algorithms.push(algorithm),
            _ => check.refuse(key("algorithms"), "is a list of RS256, ES256 and EdDSA"),
        }
    }
    let jwks = source(check, &tokens.jwks_url, refresh);
    if jwks.is_none() {
        // Without keys of others, nothing but our own secret verifies.
        algorithms.truncate(1);
    }
    let mut name = |name, text: &str| {
        if text.len() > NAME_BYTES_MAX {
            check.refuse(key(name), format!("has at most {NAME_BYTES_MAX} bytes"));
        }
        (!text.is_empty()).then(|| text.into())
    };
    Tokens {
        jwks,
        rules: Rules {
            audience: name("audience", &tokens.audience),
            issuer: name("issuer", &tokens.issuer),
            algorithms,
        },
    }
}

fn source(check: &mut Check<'_>, url: &str, refresh: Duration) -> Option<Source> {
    if url.is_empty() {
        return None;
    }
    let source = url
        .parse::<Uri>()
        .ok()
        .and_then(|url| Source::new(url, refresh));
    if source.is_none() {
        check.refuse(
            KeyPath::of("tokens", "jwks_url"),
            "must be an address such as \"https://id.example/jwks.json\"",
        );
    }
    source
}
