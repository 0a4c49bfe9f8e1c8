//! `GET /api/v1/channels/{id}/ingest/events`: what happens to a channel's show and its encoder, as it does. For staff alone.
//!
//! Server-sent events; each has the id, the name and the object that the webhook is sent (`docs/webhooks.md`). Nothing of
//! the time before is told: whoever comes back asks how things stand.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::StreamExt;
use tokio::sync::Semaphore;

use crate::{Api, Problem, limits::FOLLOWERS_MAX, staff::demand_staff};

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

/// Follows one channel until nothing more can happen, or nobody listens.
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    demand_staff(&api, &headers, (api.now)())?;
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
