//! `GET /api/v1/channels/{id}/log/export?format=`: the log of a channel as a file.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fanwave_store::{Archive, Format, Position, StoreError};
use fanwave_wire::Channel;
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Cursor, unavailable};
use crate::{
    Api, Problem,
    access::Reader,
    extract::{ChannelPath, InPath, InQuery},
    limits::EXPORTS_MAX,
    messages::LaneName,
};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(export))
}

/// One permit for each file that is being written.
static EXPORTS: Semaphore = Semaphore::const_new(EXPORTS_MAX);

/// Which file.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// Which of the channel's lanes.
    #[serde(default)]
    #[param(inline, required = false)]
    lane: LaneName,
    /// How it is written.
    #[serde(default)]
    #[param(inline, required = false)]
    format: FormatName,
    /// Go on behind this place: `offset` and `epoch` of the last line that has arrived, with a hyphen between them.
    #[param(inline)]
    after: Option<Cursor>,
}

/// One object a line, or a table with a heading.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(default = "jsonl")]
#[serde(rename_all = "lowercase")]
enum FormatName {
    #[default]
    Jsonl,
    Csv,
}

/// What a file that is being written needs.
struct Writing {
    log: Archive,
    channel: Channel,
    format: Format,
    /// What is written next; `None` at the end.
    next: Option<Next>,
    /// Held for as long as the file is written.
    _permit: SemaphorePermit<'static>,
}

enum Next {
    /// This, and then what is behind a place.
    Bytes(Bytes, Option<Position>),
    Behind(Position),
}

/// Exports the log of a channel
///
/// Oldest first, every run of offsets, as JSON Lines or as a table; what was deleted is not in it. The answer is written piece by
/// piece, as fast as it is read: one that breaks off is gone on with by `after`. For moderators and back ends.
#[utoipa::path(
    get, path = "/channels/{id}/log/export", tag = "log", operation_id = "exportLog", params(ChannelPath, Ask),
    security(("bearer" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "The file.", content((String = "application/jsonl"), (String = "text/csv"))),
        (status = 503, description = "`too_many_exports`: as many files are being written as may be."),
    ),
)]
async fn export(
    State(api): State<Arc<Api>>,
    _: Reader,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InQuery(ask): InQuery<Ask>,
) -> Result<Response, Problem> {
    let channel = Channel {
        lane: ask.lane.lane(),
        room: api.channel(&id)?.id.clone(),
    };
    let format = match ask.format {
        FormatName::Jsonl => Format::JsonLines,
        FormatName::Csv => Format::Csv,
    };
    let log = api.log()?.clone();
    let permit = EXPORTS.try_acquire().map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_exports",
            format!("{EXPORTS_MAX} files are being written already: ask again"),
        )
    })?;
    let after = ask.after.map(|cursor| cursor.0);
    // Read before anything is answered: a log that is away is told as every other refusal is.
    let first = log.export(&channel, format, after.as_ref()).await;
    let first = first.map_err(|error| unavailable(&error))?;
    let mut bytes = format.heading().as_bytes().to_vec();
    bytes.extend(first.bytes);
    let writing = Writing {
        log,
        channel,
        format,
        next: Some(Next::Bytes(bytes.into(), first.next)),
        _permit: permit,
    };
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(format.media_type()),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let body = Body::from_stream(stream::try_unfold(writing, write));
    Ok((headers, body).into_response())
}

async fn write(mut writing: Writing) -> Result<Option<(Bytes, Writing)>, StoreError> {
    let (bytes, next) = match writing.next.take() {
        None => return Ok(None),
        Some(Next::Bytes(bytes, next)) => (bytes, next),
        Some(Next::Behind(after)) => {
            let Writing {
                log,
                channel,
                format,
                ..
            } = &writing;
            let piece = log.export(channel, *format, Some(&after)).await?;
            (piece.bytes.into(), piece.next)
        }
    };
    writing.next = next.map(Next::Behind);
    Ok(Some((bytes, writing)))
}
