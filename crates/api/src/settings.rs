//! `GET` and `PUT /api/v1/channels/{id}/settings`: what a room asks of writers. Putting them replaces all of them: what is
//! left out is off.

use std::sync::Arc;

use axum::extract::State;
use fanwave_wire::{
    Channel, Mode,
    limits::{FOLLOWERS_MINUTES_MAX, SLOW_SECONDS_MAX},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    access::{Actor, By, Reader},
    channels::{Answer, fresh},
    extract::{ChannelPath, InBody, InPath, Whole},
    moderation::{Done, done},
    rooms::failed,
    schema,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show, replace))
}

/// What is asked of writers from now on; what is left out is off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSettings)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch")]
struct Ask {
    /// Seconds a fan waits between two messages; 0 is off.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 3_600)]
    slow_seconds: Option<Whole>,
    /// Only members write.
    #[serde(default)]
    members_only: bool,
    /// Only fans who have followed for so many minutes write.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 525_600)]
    followers_minutes: Option<Whole>,
    /// Only emoji are written.
    #[serde(default)]
    emoji_only: bool,
    /// Every message waits for review.
    #[serde(default)]
    hold: bool,
    /// One switch for a raid.
    #[serde(default)]
    shield: bool,
}

const _: () = assert!(SLOW_SECONDS_MAX == 3_600 && FOLLOWERS_MINUTES_MAX == 525_600);

/// Reads the settings of a room
///
/// What it asks of writers, as the server that is asked knows it.
#[utoipa::path(
    get, path = "/channels/{id}/settings", tag = "moderation", operation_id = "readSettings",
    params(ChannelPath), security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "The settings.", body = schema::Settings)),
)]
async fn show(
    State(api): State<Arc<Api>>,
    _: Reader,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
) -> Result<Answer<Mode>, Problem> {
    let room = api.channel(&id)?.id.clone();
    let (policy, _) = api.rooms.rules(&room).await.map_err(|e| failed(&e))?;
    Ok(fresh(policy.mode()))
}

/// Replaces the settings of a room
///
/// All of them: what is left out is off.
#[utoipa::path(
    put, path = "/channels/{id}/settings", tag = "moderation", operation_id = "replaceSettings",
    params(ChannelPath, Actor), security(("bearer" = []), ("api_key" = [])), request_body = Ask,
    responses((status = 200, description = "They hold from now on.", body = Done)),
)]
async fn replace(
    State(api): State<Arc<Api>>,
    by: By,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InBody(ask): InBody<Ask>,
) -> Result<Answer<Done>, Problem> {
    let fields = json!({
        "slow_seconds": ask.slow_seconds.map_or(0, |seconds| seconds.0),
        "members_only": ask.members_only,
        "followers_minutes": ask.followers_minutes.map(|minutes| minutes.0),
        "emoji_only": ask.emoji_only,
        "hold": ask.hold,
        "shield": ask.shield,
    });
    let done = done(&api, &id, by, ("mode", fields)).await?;
    if let Some(act) = &done.act {
        // Whoever reads them next, to change something else, finds these. They hold all the same if this server does not
        // hear of them in time.
        let room = api.channel(&id)?.id.clone();
        let channel = Channel {
            lane: act.lane,
            room,
        };
        api.rooms.catch_up(&channel, act.offset).await.ok();
    }
    Ok(fresh(done))
}
