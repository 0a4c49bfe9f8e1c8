//! What pages of other origins may read of the API: those of `http.allowed_origins` and of the regions, everything that they have a token for
//! (Fetch standard, "CORS protocol").
//!
//! No cookie of theirs says who asks, so that a listed page can do nothing that whoever wrote it could not do from anywhere:
//! credentials are not allowed across origins, and the one cookie there is, of somebody who logs in elsewhere, is none of theirs. Without a list there is no such page, and nothing is added to an answer.

use std::time::Duration;

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, header, request::Parts},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser remembers that a page may ask; Chromium remembers it no longer.
const REMEMBERED: Duration = Duration::from_secs(7_200);

/// What is asked with: a body's type, a token or a key, and a name for a request that may be sent again.
const ASKED_WITH: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("idempotency-key"),
];

/// What is read of an answer beside its body: the server's clock, when to come again, and whether it was given before.
const READ: [HeaderName; 3] = [
    header::DATE,
    header::RETRY_AFTER,
    HeaderName::from_static("idempotency-replayed"),
];

/// The routes, whose answers pages of these origins may read.
pub(super) fn may_read(routes: Router, origins: Vec<String>) -> Router {
    if origins.is_empty() {
        return routes;
    }
    let listed = move |origin: &HeaderValue, _: &Parts| {
        let is_origin = |listed: &String| listed.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
        origins.iter().any(is_origin)
    };
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    routes.layer(
        CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(listed))
            .allow_methods(methods)
            .allow_headers(ASKED_WITH)
            .expose_headers(READ)
            .max_age(REMEMBERED),
    )
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{HeaderMap, Request},
        routing::get,
    };
    use tower::ServiceExt;

    use super::*;

    async fn answered(listed: &[&str], method: &str, origin: &str) -> HeaderMap {
        let routes = Router::new().route("/", get(async || "words"));
        let routes = may_read(routes, listed.iter().map(ToString::to_string).collect());
        let request = Request::builder()
            .method(method)
            .uri("/")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .body(Body::empty());
        let answer = routes.oneshot(request.unwrap()).await.unwrap();
        answer.headers().clone()
    }

    #[tokio::test]
    async fn a_listed_page_reads_and_sends() {
        let answer = answered(&["https://a.example"], "GET", "https://A.example").await;
        assert_eq!(
            answer[header::ACCESS_CONTROL_ALLOW_ORIGIN],
            "https://A.example"
        );
        assert_eq!(
            answer[header::ACCESS_CONTROL_EXPOSE_HEADERS],
            "date,retry-after,idempotency-replayed"
        );
        assert!(!answer.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        let preflight = answered(&["https://a.example"], "OPTIONS", "https://a.example").await;
        assert_eq!(
            preflight[header::ACCESS_CONTROL_ALLOW_ORIGIN],
            "https://a.example"
        );
        let headers = preflight[header::ACCESS_CONTROL_ALLOW_HEADERS]
            .to_str()
            .unwrap();
        assert!(headers.contains("content-type") && headers.contains("authorization"));
    }

    #[tokio::test]
    async fn another_page_reads_nothing() {
        for origin in [
            "https://b.example",
            "https://a.example.b.example",
            "https://a.example:444",
            "null",
            "",
        ] {
            for method in ["GET", "OPTIONS"] {
                let answer = answered(&["https://a.example"], method, origin).await;
                assert!(
                    !answer.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN),
                    "{method} {origin}"
                );
            }
        }
        let unlisted = answered(&[], "GET", "https://a.example").await;
        assert!(!unlisted.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
        assert!(!unlisted.contains_key(header::VARY));
    }
}
