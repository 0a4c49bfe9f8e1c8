//! `GET /api/v1/channels/{id}/ingest/events`: what happens to a channel's show and its encoder, as it does. For staff alone.
//!
//! Server-sent events; each has the id, the name and the object that the webhook is sent (`docs/webhooks.md`). Nothing of
//! the time before is told: whoever comes back asks how things stand.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::StreamExt;
use tokio::sync::Semaphore;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    extract::{ChannelPath, InPath, Staff},
    limits::FOLLOWERS_MAX,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show))
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Names it for good.
    pub id: String,
    /// What kind of thing it is.
    pub kind: &'static str,
    /// The object that says all of it, as JSON on one line.
    pub body: String,
}

/// One permit for each who follows a channel.
static FOLLOWERS: Semaphore = Semaphore::const_new(FOLLOWERS_MAX);

/// Follows what happens to a channel
///
/// Server-sent events about its show and its encoder, each with the id, the name and the object that the webhook is sent. The
/// answer goes on until nothing more can happen. For staff.
#[utoipa::path(
    get, path = "/channels/{id}/ingest/events", tag = "shows", operation_id = "followIngest",
    params(ChannelPath), security(("bearer" = [])),
    responses(
        (status = 200, description = "Server-sent events, as things happen.", body = String,
            content_type = "text/event-stream"),
        (status = 404, description = "`unknown_channel`: no channel of this id is configured."),
        (status = 503, description = "`too_many_followers`: as many follow channels as may."),
    ),
)]
async fn show(
    State(api): State<Arc<Api>>,
    _: Staff,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
) -> Result<Response, Problem> {
    let channel = api.channel(&id)?.id.clone();
    let place = FOLLOWERS.try_acquire().map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_followers",
            format!("{FOLLOWERS_MAX} follow channels already: ask for the state instead"),
        )
    })?;
    let told = api.shows.follow(&channel).map(move |told| {
        // Held for as long as the stream is.
        let _place = &place;
        let event = Event::default().id(told.id).event(told.kind);
        Ok::<_, Infallible>(event.data(told.body))
    });
    let stream = Sse::new(told).keep_alive(KeepAlive::default());
    Ok(([(header::CACHE_CONTROL, "no-store")], stream).into_response())
}
