//! The operator's server that decides about publishers, as the origin asks it.

use std::{fmt, sync::Arc};

use fanwave_origin::{
    Answer, AuthoriserConfig, Endpoint, EndpointError, Post, limits::AUTHORISER_ANSWER_BYTES_MAX,
};
use futures_util::future::BoxFuture;
use hyper::{Uri, header::HeaderName};

use crate::{
    config::authorise::Authorise,
    fetch::{self, Posted, Question},
    secret::{self, SecretError},
};

const SIGNATURE: HeaderName = HeaderName::from_static("fanwave-signature");

/// The plan in the origin's terms.
pub(super) fn config(plan: Option<&Authorise>) -> Result<Option<AuthoriserConfig>, SecretError> {
    let Some(plan) = plan else {
        return Ok(None);
    };
    Ok(Some(AuthoriserConfig {
        endpoint: Arc::new(HttpEndpoint(plan.url.clone())),
        form: plan.form,
        timeout: plan.timeout,
        secret: secret::read_signing(plan.secret_file.as_deref())?,
        stream_keys: plan.stream_keys,
        recheck: plan.recheck,
    }))
}

struct HttpEndpoint(Uri);

impl fmt::Debug for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpEndpoint(..)")
    }
}

impl Endpoint for HttpEndpoint {
    fn post(&self, post: Post) -> BoxFuture<'static, Result<Answer, EndpointError>> {
        Box::pin(ask(self.0.clone(), post))
    }
}

async fn ask(url: Uri, post: Post) -> Result<Answer, EndpointError> {
    let question = Question {
        url: &url,
        token: None,
        bytes_max: AUTHORISER_ANSWER_BYTES_MAX,
        outgoing: None,
    };
    let posted = Posted {
        content_type: post.content_type,
        header: post.signature.map(|signature| (SIGNATURE, signature)),
        body: post.body,
    };
    let answer = fetch::post(question, posted).await;
    let answer = answer.map_err(|error| EndpointError(error.to_string()))?;
    Ok(Answer {
        status: answer.status.as_u16(),
        location: answer.location,
        body: answer.body,
    })
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        http::{HeaderMap, StatusCode, header},
        response::IntoResponse,
        routing::post,
    };
    use bytes::Bytes;
    use tokio::net::TcpListener;

    use super::*;

    async fn answer(headers: HeaderMap, body: String) -> impl IntoResponse {
        let told = |name: &str| headers[name].to_str().unwrap().to_owned();
        let told = [told("content-type"), told("fanwave-signature"), body].join("|");
        (StatusCode::FOUND, [(header::LOCATION, "demo")], told)
    }

    fn question() -> Post {
        Post {
            content_type: "application/json",
            signature: Some("t=1,v1=ab".to_owned()),
            body: Bytes::from_static(b"{}"),
        }
    }

    #[tokio::test]
    async fn a_question_is_posted_whole_and_no_redirect_is_followed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let router = Router::new().route("/may", post(answer));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let endpoint = HttpEndpoint(format!("http://{addr}/may?crew=1").parse().unwrap());
        let answer = endpoint.post(question()).await.unwrap();
        assert_eq!(
            (answer.status, answer.location.as_deref()),
            (302, Some("demo"))
        );
        assert_eq!(answer.body, "application/json|t=1,v1=ab|{}");
        server.abort();
    }

    #[tokio::test]
    async fn an_endpoint_that_is_away_is_an_error_without_its_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        drop(listener);
        let endpoint = HttpEndpoint(format!("http://{addr}/canary").parse().unwrap());
        let error = endpoint.post(question()).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot connect"), "{error}");
        assert!(!format!("{error}{endpoint:?}").contains("canary"));
    }
}
