//! `POST /api/v1/channels/{id}/events`: something happens at a time of the channel's show. For staff alone.
//!
//! The show's playlists then have it as EXT-X-DATERANGE until its time has left them, and players tell the page. An id is
//! announced once in a stream: sent again it changes nothing, and the answer is 200 in place of 201.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_wire::{RoomId, UnixMillis};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Api, Problem, channels::fresh, guests, limits, staff::demand_staff};

/// What is to be announced, as it was sent: the playlists' own rules are still to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowEvent {
    /// Names it within its stream.
    pub id: String,
    /// What kind of thing it is.
    pub class: Option<String>,
    /// When it begins.
    pub start: UnixMillis,
    /// How long it lasts, if that is known.
    pub duration: Option<Duration>,
    /// Attributes of its class; their names begin with `X-`.
    pub attributes: BTreeMap<String, EventValue>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum EventValue {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

/// Why an event is not announced.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EventRefusal {
    /// One of that id was announced before.
    #[error("an event of this id was announced before")]
    IdUsed,
    /// The channel shows nothing.
    #[error("the channel is not live: announce the event when it is")]
    NotLive,
    /// No playlist can say it, or none that is shown.
    #[error("{0}")]
    Refused(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    id: String,
    class: Option<String>,
    start: Option<UnixMillis>,
    duration_ms: Option<u64>,
    #[serde(default)]
    attributes: BTreeMap<String, EventValue>,
}

#[derive(Debug, Serialize)]
struct Announced {
    channel: RoomId,
    id: String,
    start: UnixMillis,
}

/// Announces one event. See the module.
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Path(channel): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let now = (api.now)();
    demand_staff(&api, request.headers(), now)?;
    let channel = api.channel(&channel)?.id.clone();
    let body = guests::read(request, limits::BODY_WAIT_MAX).await?;
    let ask: Ask = serde_json::from_slice(&body).map_err(|error| {
        let words = format!(
            "the body is a JSON object with id, and if wanted class, start (Unix time in milliseconds), duration_ms and \
             attributes (X-NAME: a text or a whole number): {error}"
        );
        Problem::new(StatusCode::BAD_REQUEST, "malformed", words)
    })?;
    let event = ShowEvent {
        id: ask.id,
        class: ask.class,
        start: ask.start.unwrap_or(now),
        duration: ask.duration_ms.map(Duration::from_millis),
        attributes: ask.attributes,
    };
    let answer = Announced {
        channel: channel.clone(),
        id: event.id.clone(),
        start: event.start,
    };
    let refusal =
        |status, code, refusal: &EventRefusal| Err(Problem::new(status, code, refusal.to_string()));
    match api.shows.announce(&channel, event) {
        Ok(()) => Ok((StatusCode::CREATED, fresh(answer)).into_response()),
        Err(EventRefusal::IdUsed) => Ok(fresh(answer).into_response()),
        Err(why @ EventRefusal::NotLive) => refusal(StatusCode::CONFLICT, "not_live", &why),
        Err(why @ EventRefusal::Refused(_)) => {
            refusal(StatusCode::UNPROCESSABLE_ENTITY, "event_refused", &why)
        }
    }
}
