//! Bodies that are not as all others: some may be missing, some are large.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use crate::{
    Api, Problem,
    extract::{demand_json, object},
    guests, limits,
};

/// A JSON object, or nothing (no byte, or `null`), which stands for one without members.
#[derive(Debug)]
pub(crate) struct MayHaveBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for MayHaveBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Api>) -> Result<Self, Problem> {
        read(request, limits::BODY_BYTES_MAX).await.map(Self)
    }
}

/// A JSON object of many messages.
#[derive(Debug)]
pub(crate) struct LargeBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for LargeBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Api>) -> Result<Self, Problem> {
        read(request, limits::PUBLISH_BODY_BYTES_MAX)
            .await
            .map(Self)
    }
}

/// Nothing: what is sent all the same is read, so that the request can name itself, and has no meaning.
#[derive(Debug)]
pub(crate) struct NoBody;

impl FromRequest<Arc<Api>> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Api>) -> Result<Self, Problem> {
        guests::read(request, limits::BODY_WAIT_MAX).await?;
        Ok(Self)
    }
}

async fn read<T: DeserializeOwned>(request: Request, bytes_max: usize) -> Result<T, Problem> {
    demand_json(request.headers())?;
    let body = guests::read_up_to(bytes_max, request, limits::BODY_WAIT_MAX).await?;
    match body.trim_ascii() {
        [] | b"null" => object(b"{}"),
        text => object(text),
    }
}
