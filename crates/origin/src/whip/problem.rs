//! Refusals of WHIP as problem details (RFC 9457), which RFC 9725 section 4 recommends.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fanwave_media::offer::OfferError;
use serde::Serialize;

use super::peer::BeginError;
use crate::{ingest::Denial, limits::WHIP_RETRY_AFTER};

/// One refusal. `code` is what a program may branch on, `detail` is for people; neither holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'static str,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
        }
    }

    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// Too many sessions, in all or from that peer.
    pub(super) fn overload() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_connections",
            "too many publishers, in all or from your address: try again",
        )
    }

    pub(super) fn no_session() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_session",
            "there is no such session, or not any more",
        )
    }
}

impl From<&Denial> for Problem {
    fn from(denial: &Denial) -> Self {
        let (status, code) = match denial {
            Denial::UnknownKey => (StatusCode::UNAUTHORIZED, "unknown_key"),
            Denial::Busy => (StatusCode::CONFLICT, "busy"),
            Denial::Refused { .. } => (StatusCode::FORBIDDEN, "refused"),
            Denial::UnknownChannel => (StatusCode::NOT_FOUND, "unknown_channel"),
            Denial::Unasked { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unasked"),
        };
        // The words of RTMP serve here as well.
        Self::new(status, code, denial.status().1)
    }
}

impl From<OfferError> for Problem {
    fn from(error: OfferError) -> Self {
        let (status, code) = match error {
            OfferError::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "too_long"),
            OfferError::NoH264 | OfferError::NoOpus => {
                (StatusCode::UNPROCESSABLE_ENTITY, "unsupported_codec")
            }
            OfferError::NoMedia
            | OfferError::Several
            | OfferError::OtherMedia
            | OfferError::NotSending => (StatusCode::UNPROCESSABLE_ENTITY, "unsupported_offer"),
            // It is no SDP, or not enough of it.
            _ => (StatusCode::BAD_REQUEST, "malformed_offer"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<&BeginError> for Problem {
    fn from(error: &BeginError) -> Self {
        let (status, code) = match error {
            BeginError::Offer(_) => (StatusCode::BAD_REQUEST, "malformed_offer"),
            BeginError::Codecs => (StatusCode::UNPROCESSABLE_ENTITY, "unsupported_codec"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
        };
        let json = serde_json::to_vec(&body).unwrap_or_default();
        let content = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, [(header::CONTENT_TYPE, content)], json).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.status {
            StatusCode::UNAUTHORIZED => {
                // RFC 6750 section 3.
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                let seconds = WHIP_RETRY_AFTER.as_secs();
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            _ => {}
        }
        response
    }
}
