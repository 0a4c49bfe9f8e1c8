//! Errors as clients see them: problem details, RFC 9457.
//!
//! Every refusal of this API is `application/problem+json` with the members `type`, `title`, `status`, `detail` and our
//! extension member `code`, which is what a program branches on: `title` and `detail` are for people and may change.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One refusal, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

/// A refusal (RFC 9457). Branch on `code`; `title` and `detail` are for people and may change.
// With `about:blank` as type, the title is the status phrase (section 4.2.1).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Body<'a> {
    /// Always `about:blank`: the code says more.
    #[schema(example = "about:blank")]
    r#type: &'static str,
    /// The status in words.
    #[schema(example = "Not Found")]
    title: &'a str,
    /// The status.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    status: u16,
    /// What was wrong, and what to do about it.
    detail: &'a str,
    /// What was wrong, for programs.
    #[schema(pattern = "^[a-z_]+$", example = "unknown_channel")]
    code: &'static str,
}

impl Problem {
    /// A refusal with a stable code and a sentence for people. The sentence must hold no secret.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
        }
    }

    /// Which kind of refusal it is.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What a program branches on.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// What a person reads.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The address leads nowhere.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing at this address",
        )
    }

    /// It as a client would read it.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::to_value(self.body()).unwrap_or_default()
    }

    fn body(&self) -> Body<'_> {
        Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
        }
    }

    /// Whoever asks has not said who they are, or cannot prove it. The answer names the scheme (RFC 6750, section 3).
    pub fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    /// The address exists, but not for this method.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this address does not take this method",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let json = serde_json::to_vec(&self.body()).unwrap_or_default();
        let headers = [
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/problem+json"),
            ),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let mut response = (self.status, headers, json).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
