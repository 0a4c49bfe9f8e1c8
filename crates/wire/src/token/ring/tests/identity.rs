//! Which ID token is taken, and what none gets past.

use super::*;
use crate::{
    limits::{ID_TOKEN_BYTES_MAX, ID_TOKEN_SKEW_MAX},
    token::{Identity, IdentityRules},
};

const ISSUER: &str = "https://id.example";
const RULES: IdentityRules<'_> = IdentityRules {
    issuer: ISSUER,
    client: "fanwave",
    nonce: "n-1",
    algorithms: &[Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa],
};

fn said() -> Value {
    json!({
        "iss": ISSUER, "sub": "24400320", "aud": "fanwave", "nonce": "n-1", "name": "미나", "groups": ["crew"],
        "iat": NOW.0 / 1000, "exp": NOW.0 / 1000 + 60,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = said();
    claims[name] = value;
    claims
}

fn read(token: &str) -> Result<Identity, TokenError> {
    let keys = jwks(&[rsa_jwk("r"), ec_jwk("e"), ed_jwk("d")]);
    keys.identity(token, &RULES, NOW)
}

#[test]
fn a_token_of_the_issuer_for_us_says_who_has_logged_in() {
    for (algorithm, kid) in PUBLIC {
        for audience in [json!("fanwave"), json!(["fanwave"])] {
            let identity = read(&sign(algorithm, Some(kid), &with("aud", audience))).unwrap();
            assert_eq!(identity.subject, "24400320");
            assert_eq!(identity.claims["groups"], json!(["crew"]));
        }
    }
    let mut claims = with("aud", json!(["shop", "fanwave"]));
    claims["azp"] = json!("fanwave");
    assert!(read(&sign(Algorithm::Es256, Some("e"), &claims)).is_ok());
    // Clocks may differ a little.
    let skew = ID_TOKEN_SKEW_MAX.as_secs();
    let late = with("exp", json!(NOW.0 / 1000 - skew + 1));
    assert!(read(&sign(Algorithm::Es256, Some("e"), &late)).is_ok());
    let early = with("nbf", json!(NOW.0 / 1000 + skew));
    assert!(read(&sign(Algorithm::Es256, Some("e"), &early)).is_ok());
}

#[test]
fn a_token_that_says_anything_else_is_refused() {
    let seconds = NOW.0 / 1000;
    let skew = ID_TOKEN_SKEW_MAX.as_secs();
    let mut for_two = with("aud", json!(["shop", "fanwave"]));
    let cases = [
        (for_two.clone(), TokenError::Audience),
        (
            {
                for_two["azp"] = json!("shop");
                for_two
            },
            TokenError::Audience,
        ),
        (with("aud", json!("shop")), TokenError::Audience),
        (with("aud", json!(null)), TokenError::Audience),
        (with("aud", json!([])), TokenError::Audience),
        (with("azp", json!("shop")), TokenError::Audience),
        (
            with("iss", json!("https://id.example/")),
            TokenError::Issuer,
        ),
        (with("iss", json!(7)), TokenError::Issuer),
        (with("nonce", json!("n-2")), TokenError::Nonce),
        (with("nonce", json!(null)), TokenError::Nonce),
        (with("exp", json!(seconds - skew)), TokenError::Expired),
        (with("exp", json!("soon")), TokenError::Malformed),
        (
            with("nbf", json!(seconds + skew + 1)),
            TokenError::NotYetValid,
        ),
        (with("nbf", json!("soon")), TokenError::Malformed),
        (with("sub", json!("")), TokenError::Malformed),
        (with("sub", json!("미나")), TokenError::Malformed),
        (with("sub", json!("a\nb")), TokenError::Malformed),
        (with("sub", json!("a".repeat(256))), TokenError::Malformed),
        (with("sub", json!(24_400_320)), TokenError::Malformed),
    ];
    for (claims, expected) in cases {
        let verdict = read(&sign(Algorithm::Es256, Some("e"), &claims));
        assert_eq!(verdict, Err(expected), "{claims}");
    }
}

#[test]
fn no_other_signature_is_taken() {
    // What the shared secret signs is no issuer's, nor is what only looks signed.
    let ours = sign(Algorithm::Hs256, None, &said());
    assert_eq!(read(&ours), Err(TokenError::Algorithm));
    let (_, payload) = ours.split_once('.').unwrap();
    let (payload, _) = payload.rsplit_once('.').unwrap();
    let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    assert!(read(&format!("{none}.{payload}.")).is_err());
    let new = sign(Algorithm::Es256, Some("new"), &said());
    assert_eq!(read(&new), Err(TokenError::UnknownKey));
    let other = sign(Algorithm::EdDsa, Some("d"), &said());
    let (start, _) = other.rsplit_once('.').unwrap();
    let changed = with("sub", json!("1"));
    let (_, signature) = other.rsplit_once('.').unwrap();
    let forged = sign(Algorithm::EdDsa, Some("d"), &changed);
    let (forged, _) = forged.rsplit_once('.').unwrap();
    assert!(start != forged);
    assert_eq!(
        read(&format!("{forged}.{signature}")),
        Err(TokenError::Signature)
    );
    // An algorithm that is not on the list is not taken, whatever key there is.
    let only = IdentityRules {
        algorithms: &[Algorithm::Rs256],
        ..RULES
    };
    let verdict = jwks(&[ed_jwk("d")]).identity(&other, &only, NOW);
    assert_eq!(verdict, Err(TokenError::Algorithm));
    let long = with("groups", json!("g".repeat(ID_TOKEN_BYTES_MAX)));
    let long = sign(Algorithm::Es256, Some("e"), &long);
    assert_eq!(read(&long), Err(TokenError::TooLong));
}
