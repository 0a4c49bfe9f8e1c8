//! `GET /api/v1/channels/{id}/log?from=&until=` and `GET /api/v1/recordings/{id}/log?from_ms=&until_ms=`: a stretch of time
//! as it was, by the clock or by a player.

use std::sync::Arc;

use axum::extract::State;
use fanwave_wire::{Channel, UnixMillis};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Cursor, Logged, behind, logged, unavailable};
use crate::{
    Api, Problem, Stretch,
    access::Reader,
    channels::{Answer, fresh},
    extract::{ChannelPath, InPath, InQuery, PageLimit, RecordingPath, Whole},
    messages::LaneName,
    recordings,
};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(replay))
        .routes(routes!(replay_recording))
}

/// Which stretch.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// Which of the channel's lanes.
    #[serde(default)]
    #[param(inline, required = false)]
    lane: LaneName,
    /// From this time on, milliseconds since 1970; from the beginning, if that is not said.
    #[param(inline)]
    from: Option<Whole>,
    /// Before this time, milliseconds since 1970; to the end, if that is not said.
    #[param(inline)]
    until: Option<Whole>,
    /// Go on behind this place: `next_after` of the page before.
    #[param(inline)]
    after: Option<Cursor>,
    /// How many at most; 50, if that is not said.
    #[serde(default)]
    #[param(inline, required = false)]
    limit: PageLimit,
}

/// Which stretch of a recording.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PlayerAsk {
    /// Which of the channel's lanes.
    #[serde(default)]
    #[param(inline, required = false)]
    lane: LaneName,
    /// From this time in the player on, milliseconds; from the beginning, if that is not said.
    #[param(inline)]
    from_ms: Option<Whole>,
    /// Before this time in the player, milliseconds; to the end, if that is not said.
    #[param(inline)]
    until_ms: Option<Whole>,
    /// Go on behind this place: `next_after` of the page before.
    #[param(inline)]
    after: Option<Cursor>,
    /// How many at most; 50, if that is not said.
    #[serde(default)]
    #[param(inline, required = false)]
    limit: PageLimit,
}

/// What was said in a stretch of time, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogPage)]
struct Page {
    /// The lane, as the chat's protocol names it.
    #[schema(example = "chat:demo")]
    channel: String,
    messages: Vec<Placed>,
    /// Cursor of the next, later page; null when this one reaches the end.
    next_after: Option<Cursor>,
}

/// A message, with its time in a player where it is of a recording.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReplayedMessage)]
struct Placed {
    /// When it was said, as time in the recording's player, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64)]
    media_ms: Option<u64>,
    #[serde(flatten)]
    logged: Logged,
}

/// Replays a stretch of time
///
/// What was said in a channel from one time to another, oldest first, as far back as the log is kept. What was deleted is not in
/// it. For moderators and back ends.
#[utoipa::path(
    get, path = "/channels/{id}/log", tag = "log", operation_id = "replayLog", params(ChannelPath, Ask),
    security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "The page.", body = Page)),
)]
async fn replay(
    State(api): State<Arc<Api>>,
    _: Reader,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InQuery(ask): InQuery<Ask>,
) -> Result<Answer<Page>, Problem> {
    let channel = Channel {
        lane: ask.lane.lane(),
        room: api.channel(&id)?.id.clone(),
    };
    let from = ask.from.map_or(0, |from| from.0);
    let until = ask.until.map_or(u64::MAX, |until| until.0);
    let window = (UnixMillis(from), UnixMillis(until));
    page(&api, &channel, (window, None), (ask.after, ask.limit)).await
}

/// Replays a stretch of a recording
///
/// What was said while that was shown, oldest first, each message with its time in the recording's player, as far back as the
/// log is kept. What was deleted is not in it. For moderators and back ends.
#[utoipa::path(
    get, path = "/recordings/{id}/log", tag = "log", operation_id = "replayRecordingLog", params(RecordingPath, PlayerAsk),
    security(("bearer" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "The page.", body = Page),
        (status = 404, description = "`unknown_recording`: there is no such recording."),
        (status = 503, description = "`storage_unavailable`: the recording cannot be read right now."),
    ),
)]
async fn replay_recording(
    State(api): State<Arc<Api>>,
    _: Reader,
    InPath(RecordingPath { id }): InPath<RecordingPath>,
    InQuery(ask): InQuery<PlayerAsk>,
) -> Result<Answer<Page>, Problem> {
    let recording = api.library.get(&id).ok_or_else(recordings::unknown)?;
    let timeline = api.library.timeline(&id).await;
    let timeline = timeline.map_err(|error| recordings::refused(&error))?;
    let channel = Channel {
        lane: ask.lane.lane(),
        room: recording.channel,
    };
    let wall = |time: Option<Whole>, otherwise: UnixMillis| {
        let at = time.and_then(|time| recordings::wall_at(&timeline, time.0));
        at.unwrap_or(otherwise)
    };
    let from = wall(ask.from_ms, recording.from).max(recording.from);
    let until = wall(ask.until_ms, recording.to).min(recording.to);
    let window = ((from, until), Some(timeline.as_slice()));
    page(&api, &channel, window, (ask.after, ask.limit)).await
}

async fn page(
    api: &Api,
    channel: &Channel,
    (window, timeline): ((UnixMillis, UnixMillis), Option<&[Stretch]>),
    (after, PageLimit(limit)): (Option<Cursor>, PageLimit),
) -> Result<Answer<Page>, Problem> {
    let after = after.map(|cursor| cursor.0);
    let log = api.log()?;
    let stretches = log.between(channel, window, after.as_ref(), limit).await;
    let stretches = stretches.map_err(|error| unavailable(&error))?;
    let messages = stretches.iter().flat_map(logged).map(|logged| Placed {
        media_ms: timeline.map(|timeline| recordings::media_at(timeline, logged.message.at())),
        logged,
    });
    Ok(fresh(Page {
        channel: channel.to_string(),
        messages: messages.collect(),
        next_after: behind(&stretches, limit),
    }))
}
