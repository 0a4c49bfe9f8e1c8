//! `GET /api/v1/channels` and `GET /api/v1/channels/{id}`: what is on, and where to find it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use fanwave_wire::{Lane, RoomId, UnixMillis, path};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, ChannelInfo, Problem, ShowState,
    extract::{ChannelPath, InPath},
    quality::Asked,
    schedule::Shown,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
}

/// What a client needs to open a channel: the playlist of its show and the names of its two lanes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Channel {
    /// Its id in addresses and in the names of its lanes.
    #[schema(value_type = String, example = "demo")]
    id: RoomId,
    /// What is shown above the player.
    #[schema(value_type = String)]
    title: Arc<str>,
    /// Whether somebody publishes.
    live: bool,
    /// Since when, in milliseconds since 1970; null where nobody does.
    #[schema(value_type = Option<u64>)]
    since: Option<UnixMillis>,
    /// Where the multivariant playlist is.
    #[schema(example = "/live/demo/master.m3u8")]
    playlist: String,
    lanes: Lanes,
    /// How many emotes it has; their list is asked for where there are any. 0 where none are kept.
    emotes: usize,
    /// The announced show that is on, as the staff has started it; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Shown)]
    show: Option<Shown>,
    /// The announced show that comes next; absent where there is none. It may be late: its `starts_at` may have passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Shown)]
    next_show: Option<Shown>,
    /// How long a part of the playlists is, milliseconds.
    part_target_ms: u64,
    /// Which pages are to tell how their pictures play (docs/quality.md); absent where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Asked)]
    quality: Option<Asked>,
}

/// What the lanes of a channel are called in the chat's protocol.
#[derive(Debug, Serialize, ToSchema)]
struct Lanes {
    /// Where the artist and the staff write, and what happens is told.
    #[schema(example = "room:demo")]
    room: String,
    /// Where the fans write.
    #[schema(example = "chat:demo")]
    chat: String,
}

/// All channels, in the order of the configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Channels {
    channels: Vec<Channel>,
}

/// The live flag changes at any moment; a cached answer would hold a fan off a running show.
const NO_STORE: [(HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

pub(crate) type Answer<T> = ([(HeaderName, HeaderValue); 1], Json<T>);

/// An answer that no cache keeps.
pub(crate) fn fresh<T>(body: T) -> Answer<T> {
    (NO_STORE, Json(body))
}

/// Lists the channels
///
/// Every configured channel, in the order of the configuration, with the state of its show.
#[utoipa::path(
    get, path = "/channels", tag = "channels", operation_id = "listChannels",
    responses((status = 200, description = "All channels.", body = Channels)),
)]
async fn list(State(api): State<Arc<Api>>) -> Answer<Channels> {
    fresh(Channels {
        channels: api
            .channels
            .iter()
            .map(|info| describe(&api, info))
            .collect(),
    })
}

/// Reads one channel
///
/// Whether its show is on, and where the show and its chat are.
#[utoipa::path(
    get, path = "/channels/{id}", tag = "channels", operation_id = "readChannel", params(ChannelPath),
    responses(
        (status = 200, description = "The channel.", body = Channel),
        (status = 404, description = "`unknown_channel`: no channel of this id is configured."),
    ),
)]
async fn show(
    State(api): State<Arc<Api>>,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
) -> Result<Answer<Channel>, Problem> {
    let info = api.channel(&id)?;
    Ok(fresh(describe(&api, info)))
}

/// The refusal for an id that is not configured; it does not repeat the id, which is a stranger's text.
pub(crate) fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_channel",
        "no channel of this id is configured here",
    )
}

fn describe(api: &Api, info: &ChannelInfo) -> Channel {
    let since = match api.shows.state(&info.id) {
        ShowState::OffAir => None,
        ShowState::Live { since } => Some(since),
    };
    let (show, next_show) = api.on_board(&info.id);
    Channel {
        id: info.id.clone(),
        title: Arc::clone(&info.title),
        live: since.is_some(),
        since,
        playlist: path::master_playlist(&info.id),
        lanes: Lanes {
            room: lane(Lane::Room, info),
            chat: lane(Lane::Chat, info),
        },
        emotes: api.emotes_of(&info.id).len(),
        show,
        next_show,
        part_target_ms: u64::try_from(api.part_target.as_millis()).unwrap_or(u64::MAX),
        quality: api.asked(&info.id),
    }
}

fn lane(lane: Lane, info: &ChannelInfo) -> String {
    fanwave_wire::Channel {
        lane,
        room: info.id.clone(),
    }
    .to_string()
}
