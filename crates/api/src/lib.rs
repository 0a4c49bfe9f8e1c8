//! The stateless HTTP API: guest tokens, channels, the chat's history page by page, and the servers.
//!
//! | Method and path | Answer |
//! |---|---|
//! | `POST /api/v1/guests` | a signed guest token for a name |
//! | `GET /api/v1/channels` | every channel with its show's state |
//! | `GET /api/v1/channels/{id}` | one of them |
//! | `GET /api/v1/channels/{id}/messages` | a page of a lane's history, newest first |
//! | `GET /api/v1/channels/{id}/ingest` | how well its publisher sends; for staff |
//! | `GET /api/v1/channels/{id}/ingest/events` | what happens to its show and encoder, as it does; for staff |
//! | `GET /api/v1/channels/{id}/recordings` | its recordings and clips, newest first |
//! | `GET`, `DELETE /api/v1/recordings/{id}` | one of them; deleting is for staff |
//! | `POST /api/v1/recordings/{id}/clips` | a clip between two times; for staff |
//! | `GET /api/v1/recordings/{id}/messages` | what was said in it, oldest first, with its time in a player |
//! | `POST /api/v1/channels/{id}/events` | announces that something happens at a time of its show; for staff |
//! | `GET /api/v1/nodes` | the servers of these rooms; for staff |
//!
//! It keeps nothing between two requests: whatever it knows comes from its configuration, from [`ShowStatus`],
//! [`Library`], [`NodeList`] or the engine. It never sees sockets, other shells, or the store. Refusals are problem details (RFC 9457, see
//! [`Problem`]). The root mounts [`router`] beside the other shells' routes.

mod channels;
mod events;
mod follow;
mod guests;
mod ingest;
pub mod limits;
mod messages;
pub mod name;
mod nodes;
mod problem;
mod recordings;
mod staff;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};
use fanwave_bus::Engine;
use fanwave_wire::{RoomId, UnixMillis, token::TokenKey};
use futures_util::stream::BoxStream;

pub use self::{
    events::{EventRefusal, EventValue, ShowEvent},
    follow::Told,
    ingest::{Health, Ingest, Publisher},
    nodes::NodeList,
    problem::Problem,
    recordings::{Library, LibraryError, Recording, Stretch},
};

/// Whether a channel's show is on, as the one who runs the shows knows it.
pub trait ShowStatus: Send + Sync + 'static {
    /// The state of a configured channel at this moment. Must not block.
    fn state(&self, channel: &RoomId) -> ShowState;

    /// How a configured channel is fed at this moment. Must not block.
    fn ingest(&self, channel: &RoomId) -> Ingest;

    /// What happens to a configured channel from now on. The stream ends when nothing more can.
    fn follow(&self, channel: &RoomId) -> BoxStream<'static, Told>;

    /// Announces that something happens at a time of a configured channel's show. Must not block.
    ///
    /// # Errors
    /// [`EventRefusal`] says why it does not.
    fn announce(&self, channel: &RoomId, event: ShowEvent) -> Result<(), EventRefusal>;
}

/// See [`ShowStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowState {
    /// Nobody publishes.
    OffAir,
    /// A publisher is on.
    Live {
        /// Since when.
        since: UnixMillis,
    },
}

/// One configured channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInfo {
    /// The id in every address and lane name.
    pub id: RoomId,
    /// What the page shows above the player.
    pub title: Arc<str>,
}

/// What the API answers from.
pub struct Api {
    /// The channels, in the order in which they are listed.
    pub channels: Vec<ChannelInfo>,
    /// Target duration of a playlist part, told to players.
    pub part_target: Duration,
    /// How long a guest token is valid.
    pub guest_ttl: Duration,
    /// Signs and checks guest tokens.
    pub key: TokenKey,
    /// Where history is read.
    pub engine: Arc<dyn Engine>,
    /// Who knows whether a show is on.
    pub shows: Arc<dyn ShowStatus>,
    /// Who has the recordings.
    pub library: Arc<dyn Library>,
    /// Who knows the servers.
    pub nodes: Arc<dyn NodeList>,
    /// The wall clock.
    pub now: fn() -> UnixMillis,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("channels", &self.channels)
            .finish_non_exhaustive()
    }
}

impl Api {
    /// The configured channel of that id, or the refusal a client gets.
    fn channel(&self, id: &str) -> Result<&ChannelInfo, Problem> {
        self.channels
            .iter()
            .find(|c| c.id.as_str() == id)
            .ok_or_else(channels::unknown)
    }
}

/// All routes of the API, absolute, under `/api/v1`; unknown addresses below it are answered with a problem too.
pub fn router(api: Api) -> Router {
    let routes = Router::new()
        .route("/guests", post(guests::create))
        .route("/channels", get(channels::list))
        .route("/channels/{id}", get(channels::show))
        .route("/channels/{id}/events", post(events::create))
        .route("/channels/{id}/ingest", get(ingest::show))
        .route("/channels/{id}/ingest/events", get(follow::show))
        .route("/channels/{id}/messages", get(messages::page))
        .route("/channels/{id}/recordings", get(recordings::list))
        .route(
            "/recordings/{id}",
            get(recordings::show).delete(recordings::delete),
        )
        .route("/recordings/{id}/clips", post(recordings::clip))
        .route("/recordings/{id}/messages", get(recordings::messages))
        .route("/nodes", get(nodes::list))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(Arc::new(api));
    Router::new().nest(fanwave_wire::path::API_V1, routes)
}
