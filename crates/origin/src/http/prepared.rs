//! Answers that are the same for all who ask in the same way, and that thousands ask for within a second: a version of a
//! playlist, and a part of the media.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;

/// A whole answer, 200, that was put together once. Who sends it may keep what they make of it for the next who is given the
/// same one, and knows it again by where it lies ([`Arc::ptr_eq`]).
#[derive(Debug)]
pub struct Prepared {
    headers: HeaderMap,
    body: Bytes,
}

impl Prepared {
    /// An answer with these fields and this body.
    #[must_use]
    pub fn new(mut headers: HeaderMap, body: Bytes) -> Self {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        Self { headers, body }
    }

    /// Its fields, the length among them; not those of the connection, and not the date.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// All of its body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The same for whoever has no use for its being prepared.
    #[must_use]
    pub fn response(&self) -> Response {
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// What a viewer is answered.
#[derive(Debug)]
pub enum Answered {
    /// As many others.
    Prepared(Arc<Prepared>),
    /// What few are: an error, a range, media from the storage.
    Other(Response),
}

impl Answered {
    /// As any handler answers.
    #[must_use]
    pub fn into_response(self) -> Response {
        match self {
            Self::Prepared(prepared) => prepared.response(),
            Self::Other(response) => response,
        }
    }
}
