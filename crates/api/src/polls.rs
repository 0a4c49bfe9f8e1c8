//! `POST /api/v1/channels/{id}/polls` asks everybody, `POST .../polls/{poll}/close` ends a poll.

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
    body::NoBody,
    channels::Answer,
    extract::{ChannelPath, InBody, InPath, Whole},
    moderation::{Done, carry_out},
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(open))
        .routes(routes!(close))
}

/// Something to be asked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPoll)]
struct Ask {
    /// What is asked: at least one character that can be seen.
    #[schema(min_length = 1, max_length = 200, example = "Which song next?")]
    question: String,
    /// What may be answered, each of 1 to 100 characters.
    #[schema(min_items = 2, max_items = 10)]
    choices: Vec<String>,
    /// For how many seconds, a day at most; until it is closed, if that is not said.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 86_400)]
    seconds: Option<Whole>,
    /// What to call it, 1 to 64 bytes: the same is one poll. Made here, if that is not said.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$"
    )]
    id: Option<String>,
}

/// A poll in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct PollPath {
    /// The channel's id.
    #[param(
        pattern = "^[A-Za-z0-9._-]+$",
        min_length = 1,
        max_length = 64,
        example = "demo"
    )]
    id: String,
    /// The poll's id.
    #[param(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$"
    )]
    poll: String,
}

/// Opens a poll
///
/// Everybody is asked; each fan has one vote.
#[utoipa::path(
    post, path = "/channels/{id}/polls", tag = "moderation", operation_id = "openPoll",
    params(ChannelPath, Actor), security(("bearer" = []), ("api_key" = [])), request_body = Ask,
    responses((status = 201, description = "It is open.", body = Done)),
)]
async fn open(
    State(api): State<Arc<Api>>,
    by: By,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InBody(ask): InBody<Ask>,
) -> Result<Response, Problem> {
    let fields = json!({
        "question": ask.question,
        "choices": ask.choices,
        "seconds": ask.seconds.map(|seconds| seconds.0),
        "id": ask.id,
    });
    let done = carry_out(&api, &id, by, ("poll.open", fields)).await?;
    Ok((StatusCode::CREATED, done).into_response())
}

/// Closes a poll
///
/// Its votes are told to everybody.
#[utoipa::path(
    post, path = "/channels/{id}/polls/{poll}/close", tag = "moderation", operation_id = "closePoll",
    params(PollPath, Actor), security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "It is closed.", body = Done)),
)]
async fn close(
    State(api): State<Arc<Api>>,
    by: By,
    InPath(PollPath { id, poll }): InPath<PollPath>,
    NoBody: NoBody,
) -> Result<Answer<Done>, Problem> {
    carry_out(&api, &id, by, ("poll.close", json!({"poll": poll}))).await
}
