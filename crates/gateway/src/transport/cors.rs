//! Which pages may ask, and how a page of another origin is told that it may (Fetch standard, "CORS protocol").

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::PREFLIGHT_AGE;
use crate::{
    handshake::{Offer, Refusal},
    http::Door,
    origin::OriginVerdict,
};

/// The page behind a request that may ask; a native client has none.
#[derive(Debug)]
pub(super) struct Page {
    origin: Option<HeaderValue>,
}

impl Page {
    /// Judges a request's page as a WebSocket's is judged.
    pub(super) fn judge(door: &Door, headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut offer = Offer::new(true);
        for (name, value) in headers {
            offer.header(name.as_str(), value.as_bytes());
        }
        match offer.judge_origin(&door.origins) {
            OriginVerdict::Allowed => Ok(Self {
                origin: headers.get(header::ORIGIN).cloned(),
            }),
            OriginVerdict::Refused => Err(Refusal::Origin),
        }
    }

    /// Lets the page read an answer.
    pub(super) fn tell(self, mut answer: Response) -> Response {
        let headers = answer.headers_mut();
        // A cache must not show one page what another was told.
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            // Of a refusal it may read when to come again.
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("retry-after"),
            );
        }
        answer
    }
}

/// Answers a browser that asks whether its page may send a body of a type that no form could send.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a handler owns what it is given"
)]
pub(super) fn preflight(State(door): State<Arc<Door>>, headers: HeaderMap) -> Ready<Response> {
    ready(match Page::judge(&door, &headers) {
        Ok(page) => {
            let mut answer = page.tell(StatusCode::NO_CONTENT.into_response());
            let headers = answer.headers_mut();
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("POST"),
            );
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("content-type"),
            );
            headers.insert(
                header::ACCESS_CONTROL_MAX_AGE,
                HeaderValue::from(PREFLIGHT_AGE.as_secs()),
            );
            answer
        }
        Err(refusal) => door.refuse(refusal),
    })
}
