//! Shows of a channel: announced by the staff, listed for everybody, started and stopped.
//!
//! | Method and path | Answer |
//! |---|---|
//! | `GET`, `POST /api/v1/channels/{id}/shows` | its shows, page by page; a new one, for staff |
//! | `GET`, `PATCH`, `DELETE /api/v1/channels/{id}/shows/{show}` | one of them; changing and removing it, for staff |
//! | `POST /api/v1/channels/{id}/shows/{show}/start`, `stop`, `cancel`, `undo` | what becomes of it; for staff |
//!
//! That a show is live says what the staff has decided, `live` of a channel that somebody publishes: neither waits for the other. What
//! ties them together are stream keys for one show ([`stream_keys`](crate::stream_keys)): they end with it, and end the encoder that
//! publishes with one.

mod acts;
mod board;
mod plan;
mod states;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fanwave_store::catalogue::{Show, ShowChanged, ShowState};
use fanwave_wire::RoomId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;

pub use self::board::Board;
use crate::{
    Api, Problem,
    accounts::{Desk, is_id},
    channels::fresh,
    webhooks::kinds::EventKind,
};

/// What an id of a show begins with.
const KIND: &str = "w";

/// The routes of shows.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .merge(plan::routes())
        .merge(acts::routes())
}

/// The show in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ShowPath {
    /// The channel's id.
    #[param(
        pattern = "^[A-Za-z0-9._-]+$",
        min_length = 1,
        max_length = 64,
        example = "demo"
    )]
    id: String,
    /// The show's id.
    #[param(pattern = "^w-[0-9a-f]{32}$")]
    show: String,
}

/// How far a show is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ShowState)]
enum State {
    /// It is to come.
    Scheduled,
    /// It is on.
    Live,
    /// It is over.
    Ended,
    /// It does not take place.
    Cancelled,
}

impl From<ShowState> for State {
    fn from(state: ShowState) -> Self {
        match state {
            ShowState::Scheduled => Self::Scheduled,
            ShowState::Live => Self::Live,
            ShowState::Ended => Self::Ended,
            ShowState::Cancelled => Self::Cancelled,
        }
    }
}

impl From<State> for ShowState {
    fn from(state: State) -> Self {
        match state {
            State::Scheduled => Self::Scheduled,
            State::Live => Self::Live,
            State::Ended => Self::Ended,
            State::Cancelled => Self::Cancelled,
        }
    }
}

/// A show of a channel. Times are milliseconds since 1970.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Show)]
pub(crate) struct Shown {
    /// Its own.
    #[schema(example = "w-019ac3f1d2e0a1b2c3d4e5f60718293a")]
    id: String,
    /// What it is called.
    title: String,
    /// Whose it is.
    artist: String,
    /// How far it is.
    state: State,
    /// When it is to begin.
    starts_at: i64,
    /// When it is to end.
    ends_at: i64,
    /// When it was started; null where it was not.
    started_at: Option<i64>,
    /// When it was stopped or cancelled; null where it was not.
    ended_at: Option<i64>,
    /// What is spoken, as tags of BCP 47.
    languages: Vec<String>,
    /// Where it is at home, as the staff calls its regions; null where that was not said.
    home_region: Option<String>,
}

impl From<&Show> for Shown {
    fn from(show: &Show) -> Self {
        Self {
            id: show.id.clone(),
            title: show.title.clone(),
            artist: show.artist.clone(),
            state: show.state.into(),
            starts_at: show.starts_at,
            ends_at: show.ends_at,
            started_at: show.started_at,
            ended_at: show.ended_at,
            languages: show.languages.clone(),
            home_region: show.home_region.clone(),
        }
    }
}

fn tagged(status: StatusCode, show: &Show) -> Response {
    let tag = HeaderValue::try_from(format!("\"{}\"", show.version));
    let mut response = (status, fresh(Shown::from(show))).into_response();
    if let Ok(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

impl Api {
    /// What is on and what comes next on a channel, as it was known last; nothing, where no shows are kept.
    pub(crate) fn on_board(&self, channel: &RoomId) -> (Option<Shown>, Option<Shown>) {
        let Some(desk) = &self.accounts else {
            return (None, None);
        };
        let pair = desk.board().of(channel.as_str(), desk.now());
        let shown = |show: Option<Arc<Show>>| show.map(|show| Shown::from(&*show));
        (shown(pair.live), shown(pair.next))
    }

    /// A show of a configured channel.
    pub(crate) async fn show(&self, channel: &str, id: &str) -> Result<Show, Problem> {
        self.channel(channel)?;
        let desk = self.desk()?;
        if !is_id(KIND, id) {
            return Err(unknown());
        }
        let found = desk.catalogue().show(channel, id).await;
        found
            .map_err(|error| crate::accounts::refused(&error))?
            .ok_or_else(unknown)
    }

    /// Has everybody know what has become of a show. It has become of it, whether or not they can.
    async fn tell(&self, desk: &Desk, kind: EventKind, show: &Show) {
        let refreshed = desk.board().refresh(desk.catalogue(), desk.now()).await;
        if let Err(error) = refreshed {
            tracing::warn!(%error, "what is on is not read again: it is in a moment");
        }
        if let Some(webhooks) = &self.webhooks {
            // A change is told once, by the version that it has made.
            let id = format!("{}-{}", show.id, show.version);
            let data = json!({ "show": Shown::from(show) });
            webhooks.tell((kind, id), &show.channel, &data).await;
        }
    }
}

/// What has become of a show that was to be changed.
fn made(changed: ShowChanged<Problem>) -> Result<Show, Problem> {
    match changed {
        ShowChanged::Made(show) => Ok(*show),
        ShowChanged::Moved => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "changed_meanwhile",
            "the show was changed since it was read: read it again",
        )),
        ShowChanged::Occupied => Err(Problem::new(
            StatusCode::CONFLICT,
            "other_show_live",
            "another show of the channel is live: stop that one first",
        )),
        ShowChanged::Unknown => Err(unknown()),
        ShowChanged::Refused(problem) => Err(problem),
    }
}

/// The refusal of what cannot be done with a show as it is.
pub(crate) fn wrong_state(state: ShowState, words: &str) -> Problem {
    let detail = format!("the show is {}: {words}", state.name());
    Problem::new(StatusCode::CONFLICT, "show_state", detail)
}

/// Whether a show is still to come, or on.
pub(crate) const fn is_open(state: ShowState) -> bool {
    states::is_open(state)
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_show",
        "the channel has no show of this id",
    )
}
