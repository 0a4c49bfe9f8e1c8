//! `GET` and `PUT /api/v1/channels/{id}/words/{language}`: what may not be said in a room, one list a language. Putting one
//! replaces it; an empty one is none.

use std::sync::Arc;

use axum::extract::State;
use fanwave_wire::{Language, RoomId, limits::WORDS_MAX};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    access::{Actor, By, Reader},
    body::LargeBody,
    channels::{Answer, fresh},
    extract::InPath,
    moderation::{Done, carry_out},
    rooms::failed,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show, replace))
}

/// A list in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ListPath {
    /// The channel's id.
    #[param(
        pattern = "^[A-Za-z0-9._-]+$",
        min_length = 1,
        max_length = 64,
        example = "demo"
    )]
    id: String,
    /// Which language, by ISO 639-1; `und` is the list that holds in all of them.
    #[param(
        pattern = "^(und|ar|zh|en|fr|de|hi|id|ja|ko|pt|ru|es|th|tr|vi)$",
        example = "und"
    )]
    language: String,
}

/// What may not be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWords)]
struct Ask {
    /// The whole list; each word has 1 to 64 bytes.
    #[schema(max_items = 500)]
    words: Vec<String>,
}

const _: () = assert!(WORDS_MAX == 500);

/// What may not be said in a language.
#[derive(Debug, Serialize, ToSchema)]
struct Words {
    /// The channel's id.
    #[schema(value_type = String)]
    channel: RoomId,
    #[schema(value_type = String)]
    language: &'static str,
    #[schema(value_type = Vec<String>)]
    words: Vec<Arc<str>>,
}

/// Reads a list of words
///
/// What may not be said in a language; an empty list is none.
#[utoipa::path(
    get, path = "/channels/{id}/words/{language}", tag = "moderation", operation_id = "readWords",
    params(ListPath), security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "The list.", body = Words)),
)]
async fn show(
    State(api): State<Arc<Api>>,
    _: Reader,
    InPath(ListPath { id, language }): InPath<ListPath>,
) -> Result<Answer<Words>, Problem> {
    let channel = api.channel(&id)?.id.clone();
    let language = Language::of_code(&language).ok_or_else(Problem::not_found)?;
    let (policy, _) = api.rooms.rules(&channel).await.map_err(|e| failed(&e))?;
    Ok(fresh(Words {
        channel,
        language: language.code(),
        words: policy.lists().of(language).to_vec(),
    }))
}

/// Replaces a list of words
///
/// A message with one of them waits for a moderator, or is refused while the room is shielded. Moderators see it in their
/// own lane; its act is in the audit log of that lane.
#[utoipa::path(
    put, path = "/channels/{id}/words/{language}", tag = "moderation", operation_id = "replaceWords",
    params(ListPath, Actor), security(("bearer" = []), ("api_key" = [])), request_body = Ask,
    responses((status = 200, description = "It holds from now on.", body = Done)),
)]
async fn replace(
    State(api): State<Arc<Api>>,
    by: By,
    InPath(ListPath { id, language }): InPath<ListPath>,
    LargeBody(ask): LargeBody<Ask>,
) -> Result<Answer<Done>, Problem> {
    let fields = json!({"language": language, "words": ask.words});
    carry_out(&api, &id, by, ("words", fields)).await
}
