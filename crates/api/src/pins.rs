//! `POST /api/v1/channels/{id}/pins` holds something up for everybody, `DELETE .../pins/{pin}` takes it down.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    access::{Actor, By},
    channels::Answer,
    extract::{ChannelPath, InBody, InPath, Whole},
    moderation::{Done, carry_out},
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(delete))
}

/// Something to be held up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPin)]
struct Ask {
    /// What it says: at least one character that can be seen.
    #[schema(min_length = 1, max_length = 500, example = "Encore at nine")]
    text: String,
    /// The message of the chat lane, if it is one.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991i64)]
    offset: Option<Whole>,
    /// What to call it, 1 to 64 bytes: the same is one pin. Made here, if that is not said.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$"
    )]
    id: Option<String>,
}

/// A pin in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct PinPath {
    /// The channel's id.
    #[param(
        pattern = "^[A-Za-z0-9._-]+$",
        min_length = 1,
        max_length = 64,
        example = "demo"
    )]
    id: String,
    /// The pin's id.
    #[param(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$"
    )]
    pin: String,
}

/// Pins something
///
/// A message of the chat, or a notice of its own, is held up for everybody.
#[utoipa::path(
    post, path = "/channels/{id}/pins", tag = "moderation", operation_id = "createPin",
    params(ChannelPath, Actor), security(("bearer" = []), ("api_key" = [])), request_body = Ask,
    responses((status = 201, description = "It is held up.", body = Done)),
)]
async fn create(
    State(api): State<Arc<Api>>,
    by: By,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InBody(ask): InBody<Ask>,
) -> Result<Response, Problem> {
    let offset = ask.offset.map(|offset| offset.0);
    let fields = json!({"text": ask.text, "offset": offset, "id": ask.id});
    let done = carry_out(&api, &id, by, ("pin", fields)).await?;
    Ok((StatusCode::CREATED, done).into_response())
}

/// Takes a pin down
///
/// Nobody is shown it any more.
#[utoipa::path(
    delete, path = "/channels/{id}/pins/{pin}", tag = "moderation", operation_id = "deletePin",
    params(PinPath, Actor), security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "It is down.", body = Done)),
)]
async fn delete(
    State(api): State<Arc<Api>>,
    by: By,
    InPath(PinPath { id, pin }): InPath<PinPath>,
) -> Result<Answer<Done>, Problem> {
    carry_out(&api, &id, by, ("unpin", json!({"pin": pin}))).await
}
