//! What a request says, read once, at the edge: its path, its query, its body, and who asks.
//!
//! Every refusal is a [`Problem`], also where axum would have a text of its own. A query or a body is taken only if all of it is
//! understood: a cursor or a field with a mistake in its name would otherwise silently mean something else.

use std::{
    fmt::{self, Display},
    sync::Arc,
};

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use fanwave_wire::{UnixMillis, limits::HISTORY_PAGE_MAX};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, Error, Visitor},
};
use utoipa::{IntoParams, PartialSchema, ToSchema, openapi};

use crate::{Api, Problem, guests, limits, staff::demand_staff};

/// The channel in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ChannelPath {
    /// The channel's id.
    #[param(
        pattern = "^[A-Za-z0-9._-]+$",
        min_length = 1,
        max_length = 64,
        example = "demo"
    )]
    pub(crate) id: String,
}

/// A user of the channel in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UserPath {
    /// The channel's id.
    #[param(
        pattern = "^[A-Za-z0-9._-]+$",
        min_length = 1,
        max_length = 64,
        example = "demo"
    )]
    pub(crate) id: String,
    /// The user's id, of 1 to 64 bytes.
    #[param(
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
        min_length = 1,
        max_length = 64,
        example = "u-42"
    )]
    pub(crate) user: String,
}

/// The recording in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RecordingPath {
    /// The recording's id, or the clip's.
    #[param(
        pattern = "^[A-Za-z0-9._-]+$",
        min_length = 1,
        max_length = 128,
        example = "demo.12aea5675118b09b"
    )]
    pub(crate) id: String,
}

/// The parts of the path that have names. What is no text at all leads nowhere.
#[derive(Debug)]
pub(crate) struct InPath<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Api>> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, api).await;
        path.map(|Path(path)| Self(path))
            .map_err(|_| Problem::not_found())
    }
}

/// The query string.
#[derive(Debug)]
pub(crate) struct InQuery<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Api>> for InQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, api).await;
        query.map(|Query(query)| Self(query)).map_err(|error| {
            let words = format!("the query cannot be used: {}", brief(&error));
            Problem::new(StatusCode::BAD_REQUEST, "malformed_query", words)
        })
    }
}

/// A JSON object as body.
#[derive(Debug)]
pub(crate) struct InBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for InBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Api>) -> Result<Self, Problem> {
        demand_json(request.headers())?;
        let body = guests::read(request, limits::BODY_WAIT_MAX).await?;
        object(&body).map(Self)
    }
}

/// A JSON object, and no list: its values would be taken for the fields in their order.
pub(crate) fn object<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(malformed(&"it is no JSON object"));
    }
    serde_json::from_slice(text).map_err(|error| malformed(&error))
}

/// The refusal of a body that cannot be used.
pub(crate) fn malformed(error: &dyn Display) -> Problem {
    let words = format!("the body cannot be used: {}", brief(error));
    Problem::new(StatusCode::BAD_REQUEST, "malformed_body", words)
}

/// What was wrong. It may repeat the name of something that was sent, but not at any length, and no value: that may be a secret in
/// the wrong place.
pub(crate) fn brief(error: &dyn Display) -> String {
    let mut words = error.to_string();
    // As serde says what it found where it expected something else.
    if let (Some(from), Some(to)) = (words.find("string \""), words.rfind("\", expected")) {
        words.replace_range(from..=to, "a text");
    }
    words.chars().take(limits::REASON_CHARS_MAX).collect()
}

/// Lets a body pass that is said to be JSON, or of which nothing is said (RFC 9110, section 8.3). None is unpacked: what is small
/// when it is read stays small.
pub(crate) fn demand_json(headers: &HeaderMap) -> Result<(), Problem> {
    let coding = headers.get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "body_encoded",
            "a body is taken as it is: send it without Content-Encoding",
        ));
    }
    let Some(said) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let said = said.to_str().unwrap_or_default();
    let (kind, parameters) = said.split_once(';').unwrap_or((said, ""));
    let is_json = kind.trim().eq_ignore_ascii_case("application/json");
    let charset = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().trim_matches('"'))
    });
    if is_json && charset.is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8")) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "not_json",
        "the body is taken as JSON in UTF-8: say Content-Type: application/json",
    ))
}

/// Proof that a member of staff asks, and when.
#[derive(Debug)]
pub(crate) struct Staff {
    pub(crate) now: UnixMillis,
}

impl FromRequestParts<Arc<Api>> for Staff {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let now = (api.now)();
        demand_staff(api, &parts.headers, now)?;
        Ok(Self { now })
    }
}

/// A whole number from 0 to [`limits::WHOLE_MAX`], which every reader of JSON keeps exactly (RFC 8259, section 6).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole(pub(crate) u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = deserializer.deserialize_u64(WholeNumber)?;
        let number = u64::try_from(number).map_err(|_| D::Error::custom(TOO_LARGE))?;
        Ok(Self(number))
    }
}

const TOO_LARGE: &str = "a number is at most 2^53 - 1, and not negative where it counts something";

/// Reads what JSON Schema calls an integer, 7.0 is one, as far as [`limits::WHOLE_MAX`] to both sides of zero.
pub(crate) struct WholeNumber;

impl Visitor<'_> for WholeNumber {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<i64, E> {
        let fits = number.unsigned_abs() <= limits::WHOLE_MAX;
        fits.then_some(number).ok_or_else(|| E::custom(TOO_LARGE))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<i64, E> {
        let number = i64::try_from(number).map_err(|_| E::custom(TOO_LARGE))?;
        self.visit_i64(number)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<i64, E> {
        if number.trunc().to_bits() != number.to_bits() {
            return Err(E::invalid_value(de::Unexpected::Float(number), &self));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "what does not fit becomes the largest number, which is too large"
        )]
        let whole = number as i64;
        self.visit_i64(whole)
    }
}

impl PartialSchema for Whole {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        whole(0, limits::WHOLE_MAX)
    }
}

impl ToSchema for Whole {}

/// How many are on a page: 1 to [`HISTORY_PAGE_MAX`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct PageLimit(pub(crate) usize);

impl Default for PageLimit {
    fn default() -> Self {
        Self(limits::PAGE_DEFAULT)
    }
}

impl TryFrom<u64> for PageLimit {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        let limit = usize::try_from(number).ok();
        let limit = limit.filter(|limit| (1..=HISTORY_PAGE_MAX).contains(limit));
        limit
            .map(Self)
            .ok_or_else(|| format!("limit is 1 to {HISTORY_PAGE_MAX}"))
    }
}

impl PartialSchema for PageLimit {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        let most = u64::try_from(HISTORY_PAGE_MAX).unwrap_or(u64::MAX);
        whole(1, most)
    }
}

impl ToSchema for PageLimit {}

fn whole(least: u64, most: u64) -> openapi::RefOr<openapi::Schema> {
    openapi::ObjectBuilder::new()
        .schema_type(openapi::schema::Type::Integer)
        .minimum(Some(least))
        .maximum(Some(most))
        .into()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_body_is_json_or_says_nothing() {
        let said = |said: &'static str| {
            HeaderMap::from_iter([(header::CONTENT_TYPE, said.parse().expect("a header"))])
        };
        assert!(demand_json(&HeaderMap::new()).is_ok());
        for taken in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json; version=1",
        ] {
            assert!(demand_json(&said(taken)).is_ok(), "{taken}");
        }
        let coded = |coding: &'static str| {
            let coding = HeaderValue::from_static(coding);
            HeaderMap::from_iter([(header::CONTENT_ENCODING, coding)])
        };
        assert!(demand_json(&coded("identity")).is_ok());
        for coding in ["gzip", "br", "gzip, identity", ""] {
            assert!(demand_json(&coded(coding)).is_err(), "{coding}");
        }
        for refused in [
            "",
            "text/plain",
            "text/plain;charset=UTF-8",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "application/jsonp",
        ] {
            assert!(demand_json(&said(refused)).is_err(), "{refused}");
        }
    }

    #[test]
    fn no_value_is_repeated() {
        #[derive(Debug, Deserialize)]
        struct Wanted {
            _number: u64,
        }
        for value in ["secret", "a \\\", expected secret", "secret string \\\"x"] {
            let body = format!("{{\"_number\":\"{value}\"}}");
            let error = serde_json::from_str::<Wanted>(&body).expect_err("no number");
            let said = brief(&error);
            assert!(!said.contains("secret"), "{said}");
            assert!(
                said.starts_with("invalid type: a text, expected u64"),
                "{said}"
            );
        }
    }

    #[test]
    fn numbers_end_where_other_readers_stop_being_exact() {
        for taken in ["0", "9007199254740991", "7.0", "9007199254740991.0", "-0.0"] {
            assert!(serde_json::from_str::<Whole>(taken).is_ok(), "{taken}");
        }
        for refused in [
            "9007199254740992",
            "9007199254740992.0",
            "18446744073709551615",
            "1e300",
            "-1",
            "-1.0",
            "1.5",
            "\"1\"",
            "null",
        ] {
            assert!(serde_json::from_str::<Whole>(refused).is_err(), "{refused}");
        }
    }
}
