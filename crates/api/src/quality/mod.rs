//! `POST` and `GET /api/v1/channels/{id}/quality`: what pages tell of how their pictures play, and how the players of a channel fare.
//!
//! 1. A page is told with its channel which share of all is to report, and how often (`Asked`); the answer to each beacon tells it again, so
//!    that a room that grows is told by fewer.
//! 2. A beacon ([`fanwave_wire::beacon`]) counts once by its session and number: one that is sent again needs no `Idempotency-Key`.
//! 3. It is added to the sums of its channel (`window`) and to the metrics of the server, and is gone. Who has sent it is not looked at,
//!    but to count requests by address, as everywhere.
//!
//! Each server knows what it has heard itself. Figures are what pages say: anybody can say anything, so nothing is decided by them.

mod histogram;
mod metrics;
#[cfg(test)]
mod tests;
mod told;
mod window;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::{FromRequest, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fanwave_wire::{Channel, Lane, RoomId, UnixMillis, beacon::Beacon};
use prometheus_client::registry::Registry;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    metrics::Metrics,
    told::{NewBeacon, Told},
    window::{Verdict, Window},
};
use crate::{
    Api, Problem,
    channels::{Answer, fresh},
    extract::{ChannelPath, InPath, Staff, demand_json, malformed},
    guests, limits,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show, hear))
}

/// Who is to report, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QualityRules {
    /// Sessions of a channel that are to report at one time, on all servers together, and that one server takes at most: up to
    /// [`QUALITY_REPORTERS_MAX`](limits::QUALITY_REPORTERS_MAX). 0: none.
    pub reporters_max: usize,
    /// How often each reports: [`QUALITY_EVERY_MIN`](limits::QUALITY_EVERY_MIN) to [`QUALITY_EVERY_MAX`](limits::QUALITY_EVERY_MAX).
    pub every: Duration,
}

/// What pages have told lately.
#[derive(Debug, Default)]
pub struct Quality {
    rules: QualityRules,
    metrics: Metrics,
    /// By channel; one that is configured, so that there are no more than those. A channel of which nothing was told has none.
    windows: Mutex<HashMap<RoomId, Window>>,
}

impl Quality {
    /// Nothing was told yet. Its counters are part of the registry.
    pub fn new(rules: QualityRules, registry: &mut Registry) -> Self {
        Self {
            rules,
            metrics: Metrics::register(registry),
            windows: Mutex::default(),
        }
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<RoomId, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, now: UnixMillis, channel: &RoomId, beacon: &Beacon) -> Verdict {
        let verdict = {
            let mut windows = self.windows();
            let window = windows.entry(channel.clone());
            let window = window.or_insert_with(|| Window::new(now));
            window.handle(now, beacon, self.rules.reporters_max)
        };
        self.metrics.count(beacon, verdict);
        verdict
    }
}

/// Which pages are to tell how their pictures play, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = QualityAsked)]
pub(crate) struct Asked {
    /// The share of all views of the page. Each draws a number from 0 to 1 once, and reports while that is less.
    #[schema(minimum = 0, maximum = 1)]
    sample: f64,
    /// How long a page waits at least between two beacons.
    #[schema(example = 10_000)]
    every_ms: u64,
}

impl Api {
    /// What pages of a channel are asked for; `None` where that is nothing.
    pub(crate) fn asked(&self, channel: &RoomId) -> Option<Asked> {
        let QualityRules {
            reporters_max,
            every,
        } = self.quality.rules;
        if reporters_max == 0 {
            return None;
        }
        let chat = Channel {
            lane: Lane::Chat,
            room: channel.clone(),
        };
        let viewers = self.rooms.followers(&chat).everywhere.num_clients;
        Some(Asked {
            sample: sample(reporters_max, viewers),
            every_ms: u64::try_from(every.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// The share of so many viewers that are so many, to a millionth.
fn sample(reporters_max: usize, viewers: usize) -> f64 {
    let millionths = match viewers <= reporters_max {
        true => 1_000_000,
        false => reporters_max.saturating_mul(1_000_000) / viewers,
    };
    f64::from(u32::try_from(millionths).unwrap_or(u32::MAX)) / 1_000_000.0
}

/// A beacon as body.
struct Heard(Beacon);

impl FromRequest<Arc<Api>> for Heard {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Api>) -> Result<Self, Problem> {
        demand_json(request.headers())?;
        let body = guests::read(request, limits::BODY_WAIT_MAX).await?;
        Beacon::parse(&body)
            .map(Self)
            .map_err(|error| malformed(&error))
    }
}

/// Tells how a picture plays
///
/// A page says how its picture has played since it last said so. Counted once by session and sequence, and kept in sums alone.
#[utoipa::path(
    post, path = "/channels/{id}/quality", tag = "channels", operation_id = "reportQuality",
    params(ChannelPath), request_body = NewBeacon,
    responses(
        (status = 200, description = "It is heard. Go on like this.", body = Asked),
        (status = 404, description = "`unknown_channel`: no channel of this id is configured. `nobody_asked`: nothing is taken here."),
        (status = 429, description = "`enough_report`: as many sessions report as may."),
    ),
)]
async fn hear(
    State(api): State<Arc<Api>>,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    Heard(beacon): Heard,
) -> Result<Response, Problem> {
    let channel = &api.channel(&id)?.id;
    let asked = api.asked(channel).ok_or_else(nobody_asked)?;
    match api.quality.take((api.now)(), channel, &beacon) {
        Verdict::Counted | Verdict::Again => Ok(fresh(asked).into_response()),
        Verdict::Enough => Ok(enough()),
    }
}

/// Reads how players fare
///
/// What players of a channel have told this server in the last five minutes. For staff.
#[utoipa::path(
    get, path = "/channels/{id}/quality", tag = "shows", operation_id = "readQuality",
    params(ChannelPath), security(("bearer" = [])),
    responses(
        (status = 200, description = "How they fare.", body = Told),
        (status = 404, description = "`unknown_channel`: no channel of this id is configured."),
    ),
)]
async fn show(
    State(api): State<Arc<Api>>,
    Staff { now }: Staff,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
) -> Result<Answer<Told>, Problem> {
    let channel = api.channel(&id)?.id.clone();
    let asked = api.asked(&channel);
    let server = api
        .nodes
        .nodes()
        .first()
        .map(|node| node.about.name.to_string());
    let mut windows = api.quality.windows();
    Ok(fresh(Told::new(
        now,
        (channel.clone(), server.unwrap_or_default(), asked),
        windows.get_mut(&channel),
    )))
}

fn nobody_asked() -> Problem {
    let words = "this server takes no reports of players: quality.reporters_max is 0";
    Problem::new(StatusCode::NOT_FOUND, "nobody_asked", words)
}

fn enough() -> Response {
    let seconds = limits::QUALITY_ENOUGH_FOR.as_secs();
    let words = format!("as many players report as may: ask again in {seconds} s");
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "enough_report", words);
    let mut response = problem.into_response();
    let retry = HeaderValue::from(seconds);
    response.headers_mut().insert(header::RETRY_AFTER, retry);
    response
}
