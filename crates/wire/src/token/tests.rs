//! What is a good token, and every way not to be one.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Role;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const HOUR: u64 = 3_600_000;

fn key() -> TokenKey {
    TokenKey::new(SECRET).unwrap()
}

fn sender(user: &str, name: &str) -> Sender {
    Sender {
        user: UserId(user.into()),
        name: name.into(),
        role: Role::Artist,
        badge: None,
    }
}

fn claims() -> Claims {
    Claims::new(sender("u-1", "아리 Ari 💜"), NOW, UnixMillis(NOW.0 + HOUR)).unwrap()
}

/// A token with any header and payload, signed with any secret.
fn forge(header: &Value, payload: &Value, secret: &[u8]) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(payload));
    let signature = jsonwebtoken::crypto::sign(
        message.as_bytes(),
        &jsonwebtoken::EncodingKey::from_secret(secret),
        jsonwebtoken::Algorithm::HS256,
    )
    .unwrap();
    format!("{message}.{signature}")
}

fn header() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

fn payload() -> Value {
    json!({ "sub": "u-1", "name": "Ari", "role": "staff", "exp": NOW.0 / 1000 + 3600 })
}

fn without(mut value: Value, field: &str) -> Value {
    value.as_object_mut().unwrap().remove(field).unwrap();
    value
}

fn with(mut value: Value, field: &str, content: Value) -> Value {
    value[field] = content;
    value
}

#[test]
fn what_was_signed_is_what_is_read() {
    let token = key().issue(&claims());
    assert_eq!(key().verify(&token, NOW), Ok(claims()));
    let read = key().verify(&token, NOW).unwrap();
    assert_eq!(
        (read.issued_at(), read.expires_at()),
        (NOW, UnixMillis(NOW.0 + HOUR))
    );
    assert_eq!(read.sender().role, Role::Artist);
    assert_eq!(read.into_sender(), sender("u-1", "아리 Ari 💜"));
}

#[test]
fn a_token_by_another_program_is_taken() {
    let token = forge(&header(), &payload(), SECRET);
    let read = key().verify(&token, NOW).unwrap();
    assert_eq!(
        read.sender(),
        &Sender {
            role: Role::Staff,
            ..sender("u-1", "Ari")
        }
    );
    let token = forge(
        &header(),
        &without(with(payload(), "aud", json!("chat")), "role"),
        SECRET,
    );
    assert_eq!(key().verify(&token, NOW).unwrap().sender().role, Role::Fan);
}

#[test]
fn a_token_is_good_until_the_second_it_expires() {
    let token = key().issue(&claims());
    let expiry = NOW.0 + HOUR;
    assert!(key().verify(&token, UnixMillis(expiry - 1)).is_ok());
    assert_eq!(
        key().verify(&token, UnixMillis(expiry)),
        Err(TokenError::Expired)
    );
    assert_eq!(
        key().verify(&token, UnixMillis(u64::MAX)),
        Err(TokenError::Expired)
    );
}

#[test]
fn a_token_is_good_from_the_second_it_says() {
    let start = NOW.0 / 1000 + 10;
    let token = forge(&header(), &with(payload(), "nbf", json!(start)), SECRET);
    assert_eq!(key().verify(&token, NOW), Err(TokenError::NotYetValid));
    assert_eq!(
        key().verify(&token, UnixMillis(start * 1000 - 1)),
        Err(TokenError::NotYetValid)
    );
    assert!(key().verify(&token, UnixMillis(start * 1000)).is_ok());
}

#[test]
fn another_key_is_another_signature() {
    let other = TokenKey::new(b"another secret of sufficient size").unwrap();
    assert_eq!(
        other.verify(&key().issue(&claims()), NOW),
        Err(TokenError::Signature)
    );
}

#[test]
fn only_hs256_is_taken() {
    let unsigned = |header: Value| {
        let token = forge(&header, &payload(), SECRET);
        let end = token.rfind('.').unwrap();
        token[..=end].to_string()
    };
    assert!(
        key()
            .verify(&unsigned(json!({ "alg": "none" })), NOW)
            .is_err()
    );
    assert!(
        key()
            .verify(&unsigned(json!({ "alg": "HS256" })), NOW)
            .is_err()
    );
    for alg in ["HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA"] {
        let token = forge(&json!({ "alg": alg }), &payload(), SECRET);
        assert_eq!(
            key().verify(&token, NOW),
            Err(TokenError::Algorithm),
            "{alg}"
        );
    }
    for alg in ["none", "None", "NONE", "hs256", ""] {
        let token = forge(&json!({ "alg": alg }), &payload(), SECRET);
        assert!(key().verify(&token, NOW).is_err(), "{alg}");
    }
}

#[test]
fn a_key_inside_the_token_is_not_believed() {
    let attacker = b"attacker attacker attacker attac";
    let jwk = json!({ "kty": "oct", "alg": "HS256", "k": BASE64_URL_SAFE_NO_PAD.encode(attacker) });
    let token = forge(
        &json!({ "alg": "HS256", "jwk": jwk, "kid": "../../dev/null" }),
        &payload(),
        attacker,
    );
    assert_eq!(key().verify(&token, NOW), Err(TokenError::Signature));
}

#[test]
fn an_extension_that_must_be_understood_is_not() {
    let token = forge(
        &json!({ "alg": "HS256", "crit": ["b64"], "b64": false }),
        &payload(),
        SECRET,
    );
    assert_eq!(key().verify(&token, NOW), Err(TokenError::Malformed));
}

#[test]
fn claims_that_are_missing_or_of_another_type_are_refused() {
    for field in ["sub", "name", "exp"] {
        let token = forge(&header(), &without(payload(), field), SECRET);
        assert_eq!(
            key().verify(&token, NOW),
            Err(TokenError::Malformed),
            "{field}"
        );
    }
    let wrong = [
        ("sub", json!(1)),
        ("name", json!(["Ari"])),
        ("role", json!("admin")),
        ("exp", json!("tomorrow")),
    ];
    for (field, content) in wrong {
        let token = forge(&header(), &with(payload(), field, content), SECRET);
        assert_eq!(
            key().verify(&token, NOW),
            Err(TokenError::Malformed),
            "{field}"
        );
    }
}

#[test]
fn names_and_ids_have_their_limits() {
    let verify = |field: &str, text: String| {
        key()
            .verify(
                &forge(&header(), &with(payload(), field, json!(text)), SECRET),
                NOW,
            )
            .map(Claims::into_sender)
    };
    let longest = "가".repeat(NAME_CHARS_MAX);
    assert_eq!(
        verify("name", longest.clone()).unwrap().name.as_ref(),
        longest
    );
    for name in [
        format!("{longest}가"),
        String::new(),
        " \u{3000}".into(),
        "a\u{0}b".into(),
        "a\nb".into(),
    ] {
        assert_eq!(
            verify("name", name.clone()),
            Err(TokenError::Claims(ClaimsError::Name)),
            "{name:?}"
        );
        assert_eq!(
            Claims::new(sender("u", &name), NOW, NOW),
            Err(ClaimsError::Name)
        );
    }
    let longest = "u".repeat(USER_ID_BYTES_MAX);
    assert_eq!(
        verify("sub", longest.clone()).unwrap().user.0.as_ref(),
        longest
    );
    for user in [format!("{longest}u"), String::new(), "a\u{1b}b".into()] {
        assert_eq!(
            verify("sub", user.clone()),
            Err(TokenError::Claims(ClaimsError::UserId)),
            "{user:?}"
        );
        assert_eq!(
            Claims::new(sender(&user, "Ari"), NOW, NOW),
            Err(ClaimsError::UserId)
        );
    }
}

#[test]
fn garbage_is_malformed() {
    let token = key().issue(&claims());
    let first = &token[..token.find('.').unwrap()];
    let cases = [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        first,
        &token[1..],
        &token.replace('.', ","),
        &format!("{token}.x"),
    ];
    for garbage in cases {
        assert_eq!(
            key().verify(garbage, NOW),
            Err(TokenError::Malformed),
            "{garbage}"
        );
    }
}

#[test]
fn a_token_has_its_limit() {
    let padded = |bytes: usize| format!("{}.x", "x".repeat(bytes - 2));
    assert_eq!(
        key().verify(&padded(TOKEN_BYTES_MAX + 1), NOW),
        Err(TokenError::TooLong)
    );
    assert_eq!(
        key().verify(&padded(TOKEN_BYTES_MAX), NOW),
        Err(TokenError::Malformed)
    );
    let widest = Claims::new(
        sender(
            &"\u{2028}".repeat(USER_ID_BYTES_MAX / 3),
            &"💜".repeat(NAME_CHARS_MAX),
        ),
        UnixMillis(u64::MAX),
        UnixMillis(u64::MAX),
    );
    assert!(key().issue(&widest.unwrap()).len() <= TOKEN_BYTES_MAX);
}

#[test]
fn a_key_that_can_be_guessed_is_refused() {
    assert_eq!(
        TokenKey::new(&SECRET[1..]).err(),
        Some(KeyTooShort { bytes: 31 })
    );
}

#[test]
fn no_log_ever_shows_a_key() {
    let shown = format!("{:?}", key());
    assert_eq!(shown, "TokenKey(secret)");
}

proptest! {
    #[test]
    fn any_change_of_a_token_is_noticed(at in any::<prop::sample::Index>(), byte in "[A-Za-z0-9_.-]") {
        let token = key().issue(&claims());
        let at = at.index(token.len());
        let changed = format!("{}{byte}{}", &token[..at], &token[at + 1..]);
        // The last character of the signature carries two bits that base64 leaves unused: they must be zero, or else
        // one signature would have four spellings.
        if changed != token {
            prop_assert!(key().verify(&changed, NOW).is_err());
        }
    }
}

#[test]
fn what_follows_from_a_key_differs_by_key_and_purpose_and_is_no_token() {
    let (one, other) = (
        TokenKey::new(&[7; 32]).unwrap(),
        TokenKey::new(&[8; 32]).unwrap(),
    );
    let derived = one.derive(b"webhook\0h-1");
    assert_eq!(derived, one.derive(b"webhook\0h-1"));
    assert_eq!(derived.len(), 43);
    assert_ne!(derived, one.derive(b"webhook\0h-2"));
    assert_ne!(derived, other.derive(b"webhook\0h-1"));
}
