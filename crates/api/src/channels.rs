//! `GET /api/v1/channels` and `GET /api/v1/channels/{id}`: what is on, and where to find it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use fanwave_wire::{Lane, RoomId, UnixMillis, path};
use serde::Serialize;

use crate::{Api, ChannelInfo, Problem, ShowState};

/// What a client needs to open a channel: the playlist of its show and the names of its two lanes.
#[derive(Debug, Serialize)]
pub(crate) struct Channel {
    id: RoomId,
    title: Arc<str>,
    live: bool,
    since: Option<UnixMillis>,
    playlist: String,
    lanes: Lanes,
    part_target_ms: u64,
}

#[derive(Debug, Serialize)]
struct Lanes {
    room: String,
    chat: String,
}

#[derive(Debug, Serialize)]
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

/// Every channel, in the order of the configuration.
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Answer<Channels> {
    fresh(Channels {
        channels: api
            .channels
            .iter()
            .map(|info| describe(&api, info))
            .collect(),
    })
}

/// One channel.
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
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
        part_target_ms: u64::try_from(api.part_target.as_millis()).unwrap_or(u64::MAX),
    }
}

fn lane(lane: Lane, info: &ChannelInfo) -> String {
    fanwave_wire::Channel {
        lane,
        room: info.id.clone(),
    }
    .to_string()
}
