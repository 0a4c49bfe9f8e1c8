//! `POST /api/v1/channels/{id}/announcements`: something is said in the room's own lane, where nothing is ever skipped.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_room::machine::Say;
use fanwave_wire::Lane;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    access::{Actor, By},
    channels::fresh,
    extract::{ChannelPath, InBody, InPath},
    moderation::Done,
    publish::message_id,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Something to be announced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAnnouncement)]
struct Ask {
    /// Yours, 1 to 64 bytes: the same sender and id is one message.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$"
    )]
    id: String,
    /// Plain text, up to 500 characters, of which one at least can be seen.
    #[schema(example = "Doors are open")]
    text: String,
}

/// Announces something
///
/// It is said in the room's own lane, in the name of an artist or of the staff.
#[utoipa::path(
    post, path = "/channels/{id}/announcements", tag = "moderation", operation_id = "announce",
    params(ChannelPath, Actor), security(("bearer" = []), ("api_key" = [])), request_body = Ask,
    responses((status = 201, description = "It is said.", body = Done)),
)]
async fn create(
    State(api): State<Arc<Api>>,
    By { sender, .. }: By,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InBody(ask): InBody<Ask>,
) -> Result<Response, Problem> {
    let room = api.channel(&id)?.id.clone();
    let say = Say {
        lane: Lane::Room,
        sender,
        follows_since: None,
        id: message_id(&ask.id)?,
        text: ask.text.into(),
        reply_to: None,
        unpaced: true,
        held: false,
    };
    let taken = api.rooms.say(&room, say).await;
    let taken = taken.map_err(|error| error.problem((api.now)()))?;
    let done = fresh(Done::new(Lane::Room, taken));
    Ok((StatusCode::CREATED, done).into_response())
}
