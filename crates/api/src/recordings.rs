//! Recordings: what there is to play, clips, and the chat beside it.
//!
//! `GET /api/v1/channels/{id}/recordings` and `GET /api/v1/recordings/{id}` say where the playlist is. `DELETE
//! /api/v1/recordings/{id}` and `POST /api/v1/recordings/{id}/clips` are for staff. `GET /api/v1/recordings/{id}/messages` is
//! what was said while the show was on, oldest first, each message with its time in a player of the recording.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_bus::{BoxFuture, HistoryQuery};
use fanwave_wire::{Channel, Epoch, Offset, RoomId, UnixMillis};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    channels::{Answer, fresh},
    extract::{ChannelPath, InBody, InPath, InQuery, PageLimit, RecordingPath, Staff, Whole},
    messages::{self, LaneName, Message},
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, delete))
        .routes(routes!(clip))
        .routes(routes!(messages))
}

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

/// A recording or a clip.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recording)]
pub(crate) struct Described {
    /// Its name in addresses.
    #[schema(example = "demo.12aea5675118b09b")]
    id: String,
    /// The channel that showed it.
    #[schema(value_type = String)]
    channel: RoomId,
    /// Where it is played from.
    #[schema(example = "/vod/demo.12aea5675118b09b/index.m3u8")]
    playlist: String,
    /// When it begins, milliseconds since 1970.
    #[schema(value_type = u64)]
    from: UnixMillis,
    /// When it ends, milliseconds since 1970.
    #[schema(value_type = u64)]
    to: UnixMillis,
    /// Bytes of its segments.
    bytes: u64,
    /// Whether nothing will be added.
    ended: bool,
    /// Whether it is a clip.
    clip: bool,
}

/// The recordings and clips of a channel.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recordings)]
pub(crate) struct List {
    /// The channel's id.
    #[schema(value_type = String)]
    channel: RoomId,
    /// The newest first.
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

/// Lists the recordings of a channel
///
/// Recordings and clips, the newest first.
#[utoipa::path(
    get, path = "/channels/{id}/recordings", tag = "recordings", operation_id = "listRecordings", params(ChannelPath),
    responses(
        (status = 200, description = "All of them.", body = List),
        (status = 404, description = "`unknown_channel`: no channel of this id is configured."),
    ),
)]
async fn list(
    State(api): State<Arc<Api>>,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
) -> Result<Answer<List>, Problem> {
    let channel = api.channel(&id)?.id.clone();
    let mut recordings = api.library.list();
    recordings.retain(|recording| recording.channel == channel);
    Ok(fresh(List {
        channel,
        recordings: recordings.into_iter().map(describe).collect(),
    }))
}

/// Reads one recording or clip
///
/// When it begins and ends, and where it is played from.
#[utoipa::path(
    get, path = "/recordings/{id}", tag = "recordings", operation_id = "readRecording", params(RecordingPath),
    responses(
        (status = 200, description = "The recording or the clip.", body = Described),
        (status = 404, description = "`unknown_recording`: there is no such recording."),
    ),
)]
async fn show(
    State(api): State<Arc<Api>>,
    InPath(RecordingPath { id }): InPath<RecordingPath>,
) -> Result<Answer<Described>, Problem> {
    let recording = api.library.get(&id).ok_or_else(unknown)?;
    Ok(fresh(describe(recording)))
}

/// Deletes a recording or a clip
///
/// Its media go when no clip needs them any more. For staff.
#[utoipa::path(
    delete, path = "/recordings/{id}", tag = "recordings", operation_id = "deleteRecording",
    params(RecordingPath), security(("bearer" = [])),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "`unknown_recording`: there is no such recording."),
        (status = 409, description = "`conflict`: its show is on."),
        (status = 503, description = "`storage_unavailable`: the storage cannot do it now."),
    ),
)]
async fn delete(
    State(api): State<Arc<Api>>,
    _: Staff,
    InPath(RecordingPath { id }): InPath<RecordingPath>,
) -> Result<StatusCode, Problem> {
    api.library
        .delete(&id)
        .await
        .map_err(|error| refused(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The moments between which a clip is cut.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewClip)]
struct Span {
    /// Where it begins, milliseconds since 1970.
    #[schema(value_type = u64, maximum = 9_007_199_254_740_991i64)]
    from: Whole,
    /// Where it ends, milliseconds since 1970; later.
    #[schema(value_type = u64, maximum = 9_007_199_254_740_991i64)]
    to: Whole,
}

/// Cuts a clip
///
/// The segments that hold anything between the two moments of the recording. For staff.
#[utoipa::path(
    post, path = "/recordings/{id}/clips", tag = "recordings", operation_id = "cutClip",
    params(RecordingPath), security(("bearer" = [])), request_body = Span,
    responses(
        (status = 201, description = "The clip.", body = Described),
        (status = 404, description = "`unknown_recording`: there is no such recording."),
        (status = 422, description = "`refused`: nothing lies between the two moments, or it is a clip itself."),
        (status = 503, description = "`storage_unavailable`: the storage cannot do it now."),
    ),
)]
async fn clip(
    State(api): State<Arc<Api>>,
    _: Staff,
    InPath(RecordingPath { id }): InPath<RecordingPath>,
    InBody(Span { from, to }): InBody<Span>,
) -> Result<Response, Problem> {
    let clip = api
        .library
        .clip(&id, UnixMillis(from.0), UnixMillis(to.0))
        .await
        .map_err(|error| refused(&error))?;
    Ok((StatusCode::CREATED, fresh(describe(clip))).into_response())
}

/// The query string of the chat beside a recording.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    /// Which of the channel's lanes.
    #[serde(default)]
    #[param(inline, required = false)]
    lane: LaneName,
    /// Go on behind this message: `next_after` of the page before.
    #[param(inline)]
    after: Option<Whole>,
    /// Begin at this time in the player, milliseconds; without effect beside `after`.
    #[param(inline)]
    from_ms: Option<Whole>,
    /// How many at most; 50, if that is not said.
    #[serde(default)]
    #[param(inline, required = false)]
    limit: PageLimit,
}

/// A page of what was said while a recorded show was on, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordingMessagePage)]
pub(crate) struct Page {
    /// The recording's id.
    recording: String,
    /// The lane, as the chat's protocol names it.
    #[schema(example = "chat:demo")]
    channel: String,
    /// Offsets are comparable only within one.
    #[schema(value_type = String)]
    epoch: Epoch,
    messages: Vec<Timed>,
    /// Cursor of the next, later page; null when this one reaches the end of the recording.
    #[schema(value_type = Option<u64>)]
    next_after: Option<Offset>,
}

/// A message with its time in a player.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordingMessage)]
struct Timed {
    /// When it was said, as time in a player, milliseconds.
    media_ms: u64,
    #[serde(flatten)]
    message: Message,
}

/// Reads the chat beside a recording
///
/// What was said while the show was on, oldest first, each message with its time in a player. `next_after` of one page is
/// `after` of the next, later one.
#[utoipa::path(
    get, path = "/recordings/{id}/messages", tag = "recordings", operation_id = "listRecordingMessages",
    params(RecordingPath, Ask),
    responses(
        (status = 200, description = "The page.", body = Page),
        (status = 400, description = "`malformed_query`: the detail says what cannot be used."),
        (status = 404, description = "`unknown_recording`: there is no such recording."),
        (status = 503, description = "`history_unavailable` or `storage_unavailable`: it cannot be read right now."),
    ),
)]
async fn messages(
    State(api): State<Arc<Api>>,
    InPath(RecordingPath { id }): InPath<RecordingPath>,
    InQuery(ask): InQuery<Ask>,
) -> Result<Answer<Page>, Problem> {
    let PageLimit(limit) = ask.limit;
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
    let from = wall_at(&stretches, ask.from_ms.map_or(0, |at| at.0)).unwrap_or(recording.from);
    let since = match ask.after {
        Some(after) => Offset(after.0),
        None => before(&api, &channel, from).await?,
    };
    let query = HistoryQuery {
        since: Some(since),
        limit,
        reverse: false,
    };
    let history = messages::history(&api, &channel, query).await?;
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
        messages::history(api, channel, query).await
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
pub(crate) fn media_at(stretches: &[Stretch], at: UnixMillis) -> u64 {
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
pub(crate) fn wall_at(stretches: &[Stretch], media_ms: u64) -> Option<UnixMillis> {
    let within = |stretch: &&Stretch| stretch.media_ms <= media_ms;
    let stretch = stretches.iter().rev().find(within)?;
    let into = media_ms - stretch.media_ms;
    Some(UnixMillis(stretch.starts_at.0.saturating_add(into)))
}

pub(crate) fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_recording",
        LibraryError::Unknown.to_string(),
    )
}

pub(crate) fn refused(error: &LibraryError) -> Problem {
    let (status, code) = match error {
        LibraryError::Unknown => return unknown(),
        LibraryError::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
        LibraryError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "refused"),
        LibraryError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable"),
    };
    Problem::new(status, code, error.to_string())
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
