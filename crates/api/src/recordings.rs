//! Recordings: what there is to play, clips, and the chat beside it.
//!
//! `GET /api/v1/channels/{id}/recordings` and `GET /api/v1/recordings/{id}` say where the playlist is. `DELETE
//! /api/v1/recordings/{id}` and `POST /api/v1/recordings/{id}/clips` are for staff. `GET /api/v1/recordings/{id}/messages` is
//! what was said while the show was on, oldest first, each message with its time in a player of the recording.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use fanwave_bus::{BoxFuture, HistoryQuery};
use fanwave_wire::{Channel, Epoch, Offset, RoomId, UnixMillis, limits::HISTORY_PAGE_MAX};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    Api, Problem,
    channels::{Answer, fresh},
    guests, limits,
    messages::{self, LaneName, Message},
    staff::demand_staff,
};

/// A recording or a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Its name in addresses.
    pub id: String,
    /// The channel that showed it.
    pub channel: RoomId,
    /// When its first segment begins.
    pub from: UnixMillis,
    /// When its last one ends.
    pub to: UnixMillis,
    /// Bytes of its segments.
    pub bytes: u64,
    /// Whether nothing will be added.
    pub ended: bool,
    /// Whether it is a clip.
    pub clip: bool,
}

/// A stretch of a recording in which the wall clock and the player's go alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Wall clock at its beginning.
    pub starts_at: UnixMillis,
    /// Time in the player at its beginning, milliseconds.
    pub media_ms: u64,
    /// How long it lasts, milliseconds.
    pub duration_ms: u64,
}

/// Why nothing was done with a recording.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// There is none of that name.
    #[error("there is no such recording")]
    Unknown,
    /// It is not in a state for that.
    #[error("{0}")]
    Conflict(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Refused(String),
    /// The storage cannot do it now.
    #[error("the storage cannot do it now")]
    Unavailable,
}

/// Who has the recordings.
pub trait Library: Send + Sync + 'static {
    /// All recordings and clips, the newest first. Must not block.
    fn list(&self) -> Vec<Recording>;

    /// One of them. Must not block.
    fn get(&self, id: &str) -> Option<Recording>;

    /// How times of the show become times in a player, oldest first.
    fn timeline<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Vec<Stretch>, LibraryError>>;

    /// Deletes one.
    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), LibraryError>>;

    /// Cuts a clip of one.
    fn clip<'a>(
        &'a self,
        id: &'a str,
        from: UnixMillis,
        to: UnixMillis,
    ) -> BoxFuture<'a, Result<Recording, LibraryError>>;
}

#[derive(Debug, Serialize)]
pub(crate) struct Described {
    id: String,
    channel: RoomId,
    playlist: String,
    from: UnixMillis,
    to: UnixMillis,
    bytes: u64,
    ended: bool,
    clip: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct List {
    channel: RoomId,
    recordings: Vec<Described>,
}

fn describe(recording: Recording) -> Described {
    Described {
        playlist: format!("/vod/{}/index.m3u8", recording.id),
        id: recording.id,
        channel: recording.channel,
        from: recording.from,
        to: recording.to,
        bytes: recording.bytes,
        ended: recording.ended,
        clip: recording.clip,
    }
}

/// The recordings of a channel, the newest first.
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Answer<List>, Problem> {
    let channel = api.channel(&id)?.id.clone();
    let mut recordings = api.library.list();
    recordings.retain(|recording| recording.channel == channel);
    Ok(fresh(List {
        channel,
        recordings: recordings.into_iter().map(describe).collect(),
    }))
}

/// One recording.
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Answer<Described>, Problem> {
    let recording = api.library.get(&id).ok_or_else(unknown)?;
    Ok(fresh(describe(recording)))
}

/// Deletes a recording or a clip.
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    demand_staff(&api, &headers, (api.now)())?;
    api.library
        .delete(&id)
        .await
        .map_err(|error| refused(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
struct Span {
    from: UnixMillis,
    to: UnixMillis,
}

/// Cuts a clip.
pub(crate) async fn clip(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    demand_staff(&api, &headers, (api.now)())?;
    let body = guests::read(request, limits::BODY_WAIT_MAX).await?;
    let Span { from, to } = serde_json::from_slice(&body).map_err(|_| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_body",
            "the body must be JSON: {\"from\": MILLISECONDS, \"to\": MILLISECONDS}, both since 1970",
        )
    })?;
    let clip = api
        .library
        .clip(&id, from, to)
        .await
        .map_err(|error| refused(&error))?;
    Ok((StatusCode::CREATED, fresh(describe(clip))).into_response())
}

/// The query string of the chat beside a recording.
#[derive(Debug, Deserialize)]
pub(crate) struct Ask {
    #[serde(default)]
    lane: LaneName,
    /// Go on behind this message.
    after: Option<Offset>,
    /// Begin at this time in the player, milliseconds.
    from_ms: Option<u64>,
    limit: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Page {
    recording: String,
    channel: String,
    epoch: Epoch,
    messages: Vec<Timed>,
    /// Cursor of the next, later page; absent when this one reaches the end of the recording.
    next_after: Option<Offset>,
}

#[derive(Debug, Serialize)]
struct Timed {
    /// When it was said, as time in a player, milliseconds.
    media_ms: u64,
    #[serde(flatten)]
    message: Message,
}

/// What was said while the show was on.
pub(crate) async fn messages(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Result<Query<Ask>, QueryRejection>,
) -> Result<Answer<Page>, Problem> {
    let Ok(Query(ask)) = query else {
        return Err(malformed());
    };
    let limit = ask.limit.unwrap_or(limits::PAGE_DEFAULT);
    if limit == 0 || limit > HISTORY_PAGE_MAX {
        return Err(malformed());
    }
    let recording = api.library.get(&id).ok_or_else(unknown)?;
    let stretches = api
        .library
        .timeline(&id)
        .await
        .map_err(|error| refused(&error))?;
    let channel = Channel {
        lane: ask.lane.lane(),
        room: recording.channel,
    };
    let from = wall_at(&stretches, ask.from_ms.unwrap_or(0)).unwrap_or(recording.from);
    let since = match ask.after {
        Some(after) => after,
        None => before(&api, &channel, from).await?,
    };
    let query = HistoryQuery {
        since: Some(since),
        limit,
        reverse: false,
    };
    let history = api.engine.history(&channel, query).await;
    let history = history.map_err(|error| messages::unavailable(&error))?;
    let read = history.publications.len();
    let within = history
        .publications
        .iter()
        .take_while(|publication| publication.at < recording.to);
    let messages: Vec<_> = within
        .map(|publication| Timed {
            media_ms: media_at(&stretches, publication.at),
            message: messages::message(publication),
        })
        .collect();
    let is_last = messages.len() < read || read < limit;
    let last = history.publications.last().map(|last| last.offset);
    Ok(fresh(Page {
        recording: recording.id,
        channel: channel.to_string(),
        epoch: history.epoch,
        messages,
        next_after: last.filter(|_| !is_last),
    }))
}

/// The greatest offset such that everything behind it was said at `from` or later: found by halving, a read each.
async fn before(api: &Api, channel: &Channel, from: UnixMillis) -> Result<Offset, Problem> {
    let first_after = async |offset: u64| {
        let query = HistoryQuery {
            since: Some(Offset(offset)),
            limit: 1,
            reverse: false,
        };
        let history = api.engine.history(channel, query).await;
        history.map_err(|error| messages::unavailable(&error))
    };
    let head = first_after(0).await?.head.0;
    let (mut low, mut high) = (0, head);
    while low < high {
        let middle = low + (high - low) / 2;
        let history = first_after(middle).await?;
        match history.publications.first() {
            Some(next) if next.at < from => low = next.offset.0.max(middle + 1),
            Some(_) | None => high = middle,
        }
    }
    Ok(Offset(low))
}

/// Time in a player at a time of the show. What was said while nothing was shown belongs to where the show goes on.
fn media_at(stretches: &[Stretch], at: UnixMillis) -> u64 {
    let mut last = 0;
    for stretch in stretches {
        if at < stretch.starts_at {
            return stretch.media_ms;
        }
        let into = at.0 - stretch.starts_at.0;
        if into < stretch.duration_ms {
            return stretch.media_ms + into;
        }
        last = stretch.media_ms.saturating_add(stretch.duration_ms);
    }
    last
}

/// Time of the show at a time in a player.
fn wall_at(stretches: &[Stretch], media_ms: u64) -> Option<UnixMillis> {
    let within = |stretch: &&Stretch| stretch.media_ms <= media_ms;
    let stretch = stretches.iter().rev().find(within)?;
    let into = media_ms - stretch.media_ms;
    Some(UnixMillis(stretch.starts_at.0.saturating_add(into)))
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_recording",
        LibraryError::Unknown.to_string(),
    )
}

fn refused(error: &LibraryError) -> Problem {
    let (status, code) = match error {
        LibraryError::Unknown => return unknown(),
        LibraryError::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
        LibraryError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "refused"),
        LibraryError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable"),
    };
    Problem::new(status, code, error.to_string())
}

fn malformed() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "malformed_query",
        format!(
            "the query takes lane=chat|room, after=OFFSET or from_ms=MILLISECONDS, and limit=1..{HISTORY_PAGE_MAX}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_show_are_times_in_a_player() {
        let stretch = |starts_at, media_ms, duration_ms| Stretch {
            starts_at: UnixMillis(starts_at),
            media_ms,
            duration_ms,
        };
        // Ten seconds, a break of five that the player does not show, and ten more.
        let show = [stretch(1_000, 0, 10_000), stretch(16_000, 10_000, 10_000)];
        let cases = [
            (0, 0),
            (1_000, 0),
            (3_500, 2_500),
            (10_999, 9_999),
            (11_000, 10_000),
            (15_999, 10_000),
            (16_001, 10_001),
            (90_000, 20_000),
        ];
        for (at, media) in cases {
            assert_eq!(media_at(&show, UnixMillis(at)), media, "{at}");
        }
        assert_eq!(wall_at(&show, 2_500), Some(UnixMillis(3_500)));
        assert_eq!(wall_at(&show, 10_001), Some(UnixMillis(16_001)));
        assert_eq!((media_at(&[], UnixMillis(7)), wall_at(&[], 7)), (0, None));
    }
}
