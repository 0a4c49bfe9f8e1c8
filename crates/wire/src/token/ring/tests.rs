//! Which token finds which key, and what no token gets past.
//!
//! The keys are those of RFC 7515, appendix A.3 (P-256) and RFC 8037, appendix A.1 (Ed25519), and an RSA key that was
//! made for these tests and protects nothing.

mod identity;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::*;
use crate::{
    Channel, Role, Sender, UserId,
    limits::{BADGE_CHARS_MAX, JWKS_KEYS_MAX, KID_BYTES_MAX, TOKEN_CHANNELS_MAX},
    token::{ClaimsError, JwksError},
};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

const RSA_DER: &[u8] = include_bytes!("test_rsa_key.der");
const RSA_N: &str = "1CfOYcj9VthvEl_S7YETm4HONVtA3Qp3caRhCdMOlM-DpyuQjL_317XzuNd7VoD9AaiWHSdGuV7L7oQA-qOd-cZ1PssrMUPz2q7U6-bMCfMLVuw-dxzS1yLbm-ULcwMNKGJGcAfnjllg82Q9rENqe5UfFKCDVq9EgQ6DOoV3VFRzGE8StHJLIdGRjBvoHN1-xB6yUL3LP6bLOb3b77dcOm3Y6S67v6SqNt46HWZgenjk5xyqYGoOx9WOhfXQ27Hdqn7KRDn5_rqqWYS5Bs9xEz7ZT47HweAm_P2vVzv6s5s16EJe1K0KepGrJr8LXG6QsyaEGvjFHOebzkUnYLy2Aw";
/// A modulus of 1024 bits.
const RSA_N_SMALL: &str = "qcUINDARICSd9aR1FV_iAZFXzCxEuH0OwbtVF52ToCJ4UNprjjpf9Zp8MWZ0Gyi6cY-W5d9RPwF-HH9I2siXuVNLPTyFJRKLfY9BdyqbN_z3N77_JMGhaQfcx_ueqDG6q2cWel2zFUTw_FdknFwAZKjEc_SjmbbmnF1zOCR5pB0";

const EC_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const EC_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const EC_D: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";

const ED_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ED_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

fn unbase64(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn rsa_key() -> EncodingKey {
    EncodingKey::from_rsa_der(RSA_DER)
}

/// The scalar and the point in the DER form of PKCS #8, whose other fields are the same for every key of the curve.
fn ec_key() -> EncodingKey {
    let head = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
    let der = [
        unbase64(head),
        unbase64(EC_D),
        vec![0xA1, 0x44, 0x03, 0x42, 0x00, 0x04],
        unbase64(EC_X),
        unbase64(EC_Y),
    ];
    EncodingKey::from_ec_der(&der.concat())
}

fn ed_key() -> EncodingKey {
    let der = [unbase64("MC4CAQAwBQYDK2VwBCIEIA"), unbase64(ED_D)];
    EncodingKey::from_ed_der(&der.concat())
}

fn rsa_jwk(kid: &str) -> Value {
    json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": RSA_N, "e": "AQAB" })
}

fn ec_jwk(kid: &str) -> Value {
    json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": EC_X, "y": EC_Y, "key_ops": ["verify"] })
}

fn ed_jwk(kid: &str) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": ED_X })
}

fn jwks(keys: &[Value]) -> Jwks {
    Jwks::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn secret() -> TokenKey {
    TokenKey::new(SECRET).unwrap()
}

fn ring(rules: Rules) -> KeyRing {
    KeyRing::new(&secret(), rules).with_jwks(jwks(&[rsa_jwk("r"), ec_jwk("e"), ed_jwk("d")]))
}

fn payload() -> Value {
    json!({ "sub": "u-1", "name": "Ari", "exp": NOW.0 / 1000 + 60, "aud": ["chat", "shop"], "iss": "label" })
}

fn sign(algorithm: Algorithm, kid: Option<&str>, payload: &Value) -> String {
    let key = match algorithm {
        Algorithm::Hs256 => EncodingKey::from_secret(SECRET),
        Algorithm::Rs256 => rsa_key(),
        Algorithm::Es256 => ec_key(),
        Algorithm::EdDsa => ed_key(),
    };
    let mut header = Header::new(algorithm.into());
    header.kid = kid.map(ToOwned::to_owned);
    jsonwebtoken::encode(&header, payload, &key).unwrap()
}

fn verify(ring: &KeyRing, token: &str) -> Result<String, TokenError> {
    let claims = ring.verify_connect(token, NOW)?;
    Ok(claims.sender().user.0.to_string())
}

const PUBLIC: [(Algorithm, &str); 3] = [
    (Algorithm::Rs256, "r"),
    (Algorithm::Es256, "e"),
    (Algorithm::EdDsa, "d"),
];

#[test]
fn every_algorithm_is_verified_with_its_key() {
    let ring = ring(Rules::default());
    for (algorithm, kid) in PUBLIC {
        for kid in [Some(kid), None] {
            let token = sign(algorithm, kid, &payload());
            assert_eq!(
                verify(&ring, &token),
                Ok("u-1".into()),
                "{algorithm:?} {kid:?}"
            );
            let (start, _) = token.rsplit_once('.').unwrap();
            let other = sign(algorithm, kid, &json!({ "sub": "u-2" }));
            let (_, signature) = other.rsplit_once('.').unwrap();
            let forged = format!("{start}.{signature}");
            assert_eq!(
                verify(&ring, &forged),
                Err(TokenError::Signature),
                "{algorithm:?}"
            );
        }
    }
    assert_eq!(
        verify(&ring, &sign(Algorithm::Hs256, None, &payload())),
        Ok("u-1".into())
    );
    assert_eq!(ring.misses(), 0);
}

/// RFC 7515, appendix A.3: the signature of the specification, over a payload that is not ours.
#[test]
fn the_example_of_the_specification_is_signed_by_its_key() {
    let token = concat!(
        "eyJhbGciOiJFUzI1NiJ9",
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt",
        "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA",
        "pmWQxfKTUJqPP3-Kg6NU1Q",
    );
    // The signature is good; what it signs names nobody.
    assert_eq!(
        verify(&ring(Rules::default()), token),
        Err(TokenError::Malformed)
    );
    let changed = token.replace(".DtEh", ".DtEi");
    assert_eq!(
        verify(&ring(Rules::default()), &changed),
        Err(TokenError::Signature)
    );
}

#[test]
fn a_public_key_is_never_a_secret() {
    let ring = ring(Rules::default());
    // The attack: HS256 over what everybody can read, so that a careless verifier takes the public key for a secret.
    for public in [
        RSA_N.as_bytes(),
        EC_X.as_bytes(),
        &unbase64(ED_X),
        &unbase64(RSA_N),
    ] {
        for kid in [Some("r"), Some("e"), Some("d"), None] {
            let mut header = Header::new(jsonwebtoken::Algorithm::HS256);
            header.kid = kid.map(ToOwned::to_owned);
            let key = EncodingKey::from_secret(public);
            let token = jsonwebtoken::encode(&header, &payload(), &key).unwrap();
            assert_eq!(verify(&ring, &token), Err(TokenError::Signature), "{kid:?}");
        }
    }
    // A secret that somebody publishes is not one that we take.
    let oct = json!({ "kty": "oct", "alg": "HS256", "kid": "o", "k": BASE64_URL_SAFE_NO_PAD.encode(SECRET) });
    let published = jwks(&[oct]);
    assert_eq!((published.len(), published.skipped()), (0, 1));
}

#[test]
fn a_key_verifies_its_own_algorithm_only() {
    let ring = ring(Rules::default());
    for (algorithm, _) in PUBLIC {
        for (other, kid) in PUBLIC {
            if other != algorithm {
                let token = sign(algorithm, Some(kid), &payload());
                assert_eq!(
                    verify(&ring, &token),
                    Err(TokenError::UnknownKey),
                    "{algorithm:?} {kid}"
                );
            }
        }
    }
    // The right algorithm's name over another one's signature.
    let token = sign(Algorithm::Rs256, Some("e"), &payload());
    let (_, rest) = token.split_once('.').unwrap();
    let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"e"}"#);
    assert_eq!(
        verify(&ring, &format!("{header}.{rest}")),
        Err(TokenError::Signature)
    );
    for alg in ["none", "None", "NONE", "RS384", "PS256", "ES384", "HS512"] {
        let header = BASE64_URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "kid": "r" }).to_string());
        assert!(verify(&ring, &format!("{header}.{rest}")).is_err(), "{alg}");
        let (payload, _) = rest.split_once('.').unwrap();
        assert!(
            verify(&ring, &format!("{header}.{payload}.")).is_err(),
            "{alg}"
        );
    }
}

#[test]
fn only_what_the_rules_list_is_taken() {
    let only = |algorithm| {
        ring(Rules {
            algorithms: vec![algorithm],
            ..Rules::default()
        })
    };
    for taken in Algorithm::ALL {
        for used in Algorithm::ALL {
            let verdict = verify(&only(taken), &sign(used, None, &payload()));
            let expected = if taken == used {
                Ok("u-1".into())
            } else {
                Err(TokenError::Algorithm)
            };
            assert_eq!(verdict, expected, "{taken:?} {used:?}");
        }
        assert_eq!(Algorithm::of_name(taken.name()), Some(taken));
    }
    assert_eq!(Algorithm::of_name("none"), None);
    // Without a set of public keys, nobody else's signature means anything.
    let alone = KeyRing::from(&secret());
    let token = sign(Algorithm::Rs256, None, &payload());
    assert_eq!(verify(&alone, &token), Err(TokenError::Algorithm));
}

#[test]
fn a_key_that_is_rotated_is_unknown_until_the_set_is_read_again() {
    let old = KeyRing::new(&secret(), Rules::default()).with_jwks(jwks(&[ec_jwk("2026-10")]));
    let token = sign(Algorithm::Es256, Some("2026-11"), &payload());
    assert_eq!(verify(&old, &token), Err(TokenError::UnknownKey));
    assert_eq!(
        TokenError::UnknownKey.to_string(),
        "token is signed with a key that is not known"
    );
    assert_eq!(old.misses(), 1);
    let new = old.with_jwks(jwks(&[ec_jwk("2026-11")]));
    assert_eq!(verify(&new, &token), Ok("u-1".into()));
    // What the old key signed is refused from then on.
    let retired = sign(Algorithm::Es256, Some("2026-10"), &payload());
    assert_eq!(verify(&new, &retired), Err(TokenError::UnknownKey));
    assert_eq!(
        (new.misses(), old.misses()),
        (2, 2),
        "rings made of one count together"
    );
    // Before the set has been read for the first time, every key is unknown, named or not.
    let empty = KeyRing::new(&secret(), Rules::default());
    for kid in [Some("2026-11"), None] {
        let token = sign(Algorithm::Es256, kid, &payload());
        assert_eq!(verify(&empty, &token), Err(TokenError::UnknownKey));
    }
}

#[test]
fn secrets_of_ours_are_found_by_name_or_without() {
    let second = TokenKey::named("k2", b"another secret of sufficient size").unwrap();
    let ring = KeyRing::new(&secret(), Rules::default())
        .with_key(&second)
        .unwrap();
    let sender = Sender::new(UserId("u-1".into()), "Ari", Role::Fan);
    let claims = Claims::new(sender, NOW, UnixMillis(NOW.0 + 1000)).unwrap();
    for key in [&secret(), &second] {
        assert_eq!(
            ring.verify_connect(&key.issue(&claims), NOW),
            Ok(claims.clone())
        );
    }
    // A name that no key has does not hide the key without one.
    let token = sign(Algorithm::Hs256, Some("k9"), &payload());
    assert_eq!(verify(&ring, &token), Ok("u-1".into()));
    // A name that a key has means that key.
    let token = sign(Algorithm::Hs256, Some("k2"), &payload());
    assert_eq!(verify(&ring, &token), Err(TokenError::Signature));
    let mut full = ring;
    for _ in 2..OWN_KEYS_MAX {
        full = full.with_key(&second).unwrap();
    }
    assert!(full.with_key(&second).is_err());
}

#[test]
fn a_token_is_for_us_and_by_whom_we_trust() {
    let rules = |audience: &str, issuer: &str| Rules {
        audience: Some(audience.into()),
        issuer: Some(issuer.into()),
        ..Rules::default()
    };
    let token = sign(Algorithm::Es256, Some("e"), &payload());
    assert_eq!(
        verify(&ring(rules("shop", "label")), &token),
        Ok("u-1".into())
    );
    assert_eq!(
        verify(&ring(rules("bank", "label")), &token),
        Err(TokenError::Audience)
    );
    assert_eq!(
        verify(&ring(rules("chat", "rival")), &token),
        Err(TokenError::Issuer)
    );
    let silent = json!({ "sub": "u-1", "name": "Ari", "exp": NOW.0 / 1000 + 60 });
    let strict = ring(rules("chat", "label"));
    let foreign = sign(Algorithm::Es256, Some("e"), &silent);
    assert_eq!(verify(&strict, &foreign), Err(TokenError::Audience));
    let nobody = json!({ "sub": "u-1", "name": "Ari", "exp": NOW.0 / 1000 + 60, "aud": "chat" });
    let foreign = sign(Algorithm::Es256, Some("e"), &nobody);
    assert_eq!(verify(&strict, &foreign), Err(TokenError::Issuer));
    // Guest passes of ours say neither; what they say otherwise counts.
    assert_eq!(
        verify(&strict, &sign(Algorithm::Hs256, None, &silent)),
        Ok("u-1".into())
    );
    let misdirected =
        json!({ "sub": "u-1", "name": "Ari", "exp": NOW.0 / 1000 + 60, "aud": "bank" });
    let misdirected = sign(Algorithm::Hs256, None, &misdirected);
    assert_eq!(verify(&strict, &misdirected), Err(TokenError::Audience));
}

#[test]
fn a_token_of_others_has_its_time_too() {
    let ring = ring(Rules::default());
    let times = |exp: u64, nbf: u64| {
        let payload = json!({ "sub": "u-1", "name": "Ari", "exp": exp, "nbf": nbf });
        verify(&ring, &sign(Algorithm::EdDsa, Some("d"), &payload))
    };
    let now = NOW.0 / 1000;
    assert_eq!(times(now + 1, now), Ok("u-1".into()));
    assert_eq!(times(now, now), Err(TokenError::Expired));
    assert_eq!(times(now + 9, now + 1), Err(TokenError::NotYetValid));
    let endless = json!({ "sub": "u-1", "name": "Ari" });
    let endless = sign(Algorithm::EdDsa, Some("d"), &endless);
    assert_eq!(verify(&ring, &endless), Err(TokenError::Malformed));
}

#[test]
fn a_token_says_what_its_holder_is_and_follows() {
    let badged = Sender {
        badge: Some("VIP".into()),
        ..Sender::new(UserId("u-1".into()), "Ari", Role::Member)
    };
    let claims = |badge: &str, channels: usize| {
        let sender = Sender {
            badge: Some(badge.into()),
            ..badged.clone()
        };
        let channels = (0..channels).map(|n| format!("room:{n}").parse::<Channel>().unwrap());
        Claims::new(sender, NOW, UnixMillis(NOW.0 + 1000))?
            .following_since(UnixMillis(NOW.0 - 86_400_000))
            .subscribed_to(channels.collect())
    };
    let ring = KeyRing::from(&secret());
    let full = claims("VIP", TOKEN_CHANNELS_MAX).unwrap();
    assert_eq!(ring.verify_connect(&secret().issue(&full), NOW), Ok(full));
    assert_eq!(
        claims("VIP", TOKEN_CHANNELS_MAX + 1),
        Err(ClaimsError::Channels)
    );
    for badge in ["", " ", "a\nb", &"v".repeat(BADGE_CHARS_MAX + 1)] {
        assert_eq!(claims(badge, 0), Err(ClaimsError::Badge), "{badge:?}");
    }
    let exp = NOW.0 / 1000 + 60;
    for channels in [
        json!(["nowhere"]),
        json!(vec!["room:a"; TOKEN_CHANNELS_MAX + 1]),
    ] {
        let payload = json!({ "sub": "u-1", "name": "Ari", "exp": exp, "channels": channels });
        let verdict = verify(&ring, &sign(Algorithm::Hs256, None, &payload));
        assert_eq!(verdict, Err(TokenError::Claims(ClaimsError::Channels)));
    }
}

#[test]
fn a_permission_for_a_channel_is_that_and_nothing_else() {
    let ring = KeyRing::from(&secret());
    for expires_at in [Some(UnixMillis(NOW.0 + 5000)), None] {
        let claims = SubscribeClaims {
            user: UserId("u-1".into()),
            channel: "staff:demo".parse().unwrap(),
            expires_at,
        };
        let token = secret().issue_subscribe(&claims);
        assert_eq!(ring.verify_subscribe(&token, NOW), Ok(claims));
        assert_eq!(verify(&ring, &token), Err(TokenError::Malformed));
    }
    let connect = sign(Algorithm::Hs256, None, &payload());
    assert_eq!(
        ring.verify_subscribe(&connect, NOW),
        Err(TokenError::Malformed)
    );
    let exp = NOW.0 / 1000 + 60;
    let both = json!({ "sub": "u-1", "name": "Ari", "exp": exp, "channel": "room:demo" });
    let both = sign(Algorithm::Hs256, None, &both);
    assert_eq!(verify(&ring, &both), Err(TokenError::Malformed));
    let late = json!({ "sub": "u-1", "exp": NOW.0 / 1000, "channel": "room:demo" });
    let late = sign(Algorithm::Hs256, None, &late);
    assert_eq!(ring.verify_subscribe(&late, NOW), Err(TokenError::Expired));
}

#[test]
fn keys_that_cannot_be_used_are_left_out() {
    let with = |mut jwk: Value, field: &str, value: Value| {
        jwk[field] = value;
        jwk
    };
    let unusable = [
        json!({ "kty": "new", "kid": "x" }),
        json!("not an object"),
        json!({ "kty": "RSA", "kid": "x" }),
        with(rsa_jwk("x"), "use", json!("enc")),
        with(rsa_jwk("x"), "alg", json!("RSA-OAEP")),
        with(rsa_jwk("x"), "n", json!(RSA_N_SMALL)),
        with(rsa_jwk("x"), "n", json!(format!("AAAA{RSA_N_SMALL}"))),
        with(rsa_jwk("x"), "n", json!("*")),
        with(ec_jwk("x"), "key_ops", json!(["sign"])),
        with(ec_jwk("x"), "crv", json!("P-521")),
        with(ec_jwk("x"), "y", json!(EC_X)),
        with(ed_jwk("x"), "crv", json!("Ed448")),
        with(ed_jwk("x"), "x", json!("AA")),
        with(ed_jwk("x"), "kid", json!("k".repeat(KID_BYTES_MAX + 1))),
        with(ed_jwk("x"), "alg", json!("ES256")),
    ];
    for jwk in &unusable {
        let set = jwks(&[jwk.clone(), ed_jwk("d")]);
        assert_eq!((set.len(), set.skipped()), (1, 1), "{jwk}");
    }
}

#[test]
fn a_key_set_has_its_shape_and_limits() {
    for json in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":7}"#] {
        assert_eq!(
            Jwks::parse(json.as_bytes()).unwrap_err(),
            JwksError::Malformed,
            "{json}"
        );
    }
    assert!(jwks(&[]).is_empty());
    let many = json!({ "keys": vec![ed_jwk("d"); JWKS_KEYS_MAX + 1] }).to_string();
    assert_eq!(
        Jwks::parse(many.as_bytes()).unwrap_err(),
        JwksError::TooMany
    );
    let long = " ".repeat(crate::limits::JWKS_BYTES_MAX + 1);
    assert_eq!(
        Jwks::parse(long.as_bytes()).unwrap_err(),
        JwksError::TooLong
    );
}

#[test]
fn no_log_ever_shows_a_key() {
    let shown = format!("{:?}", ring(Rules::default()));
    for part in ["0123456789", RSA_N, EC_X, ED_X] {
        assert!(!shown.contains(part), "{shown}");
    }
}
