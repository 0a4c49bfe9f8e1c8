//! The stateless HTTP API: guest tokens, channels, the chat's history page by page, and the servers.
//!
//! | Method and path | Answer |
//! |---|---|
//! | `POST /api/v1/guests` | a signed guest token for a name |
//! | `GET /api/v1/channels` | every channel with its show's state |
//! | `GET /api/v1/channels/{id}` | one of them |
//! | `GET /api/v1/channels/{id}/messages` | a page of a lane's history, newest first |
//! | `GET /api/v1/channels/{id}/ingest` | how well its publisher sends; for staff |
//! | `GET /api/v1/channels/{id}/ingest/addresses` | where encoders publish to; for staff |
//! | `GET /api/v1/channels/{id}/ingest/events` | what happens to its show and encoder, as it does; for staff |
//! | `POST`, `GET /api/v1/channels/{id}/quality` | a page tells how its picture plays; how the players fare, for staff |
//! | `GET /api/v1/channels/{id}/recordings` | its recordings and clips, newest first |
//! | `GET`, `DELETE /api/v1/recordings/{id}` | one of them; deleting is for staff |
//! | `POST /api/v1/recordings/{id}/clips` | a clip between two times; for staff |
//! | `GET /api/v1/recordings/{id}/messages` | what was said in it, oldest first, with its time in a player |
//! | `POST /api/v1/channels/{id}/events` | announces that something happens at a time of its show; for staff |
//! | `GET`, `POST /api/v1/channels/{id}/stream-keys`, `DELETE .../{key}`, `POST .../{key}/replace` | what encoders publish with; for staff |
//! | `GET /api/v1/regions` | where else the same rooms and shows are |
//! | `GET`, `POST /api/v1/api-keys`, `DELETE .../{id}` | what back ends show; for staff |
//! | `GET /api/v1/nodes` | the servers of these rooms; for staff |
//! | `GET /api/v1/cost` | what they have sent, and what it has cost; for staff |
//! | `GET /api/v1/channels/{id}/moderation` | the room's rules as they stand; for moderators |
//! | `GET /api/v1/channels/{id}/bans`, `.../mutes` | whom they bind; for moderators |
//! | `POST /api/v1/channels/{id}/users/{user}/ban`, `mute`, `pardon`, `clear` | what is done about a user; for moderators |
//! | `DELETE /api/v1/channels/{id}/messages/{offset}` | takes a message away; for moderators |
//! | `GET`, `PUT /api/v1/channels/{id}/settings` | what the room asks of writers; for moderators |
//! | `GET`, `PUT /api/v1/channels/{id}/words/{language}` | what may not be said; for moderators |
//! | `POST /api/v1/channels/{id}/pins`, `DELETE .../pins/{pin}` | holds something up; for moderators |
//! | `POST /api/v1/channels/{id}/polls`, `.../polls/{poll}/close` | asks everybody; for moderators |
//! | `POST /api/v1/channels/{id}/announcements` | says something in the room's own lane; for artists and staff |
//! | `GET /api/v1/channels/{id}/audit`, `POST .../audit/{act}/undo` | what moderators did; for moderators |
//! | `GET /api/v1/channels/{id}/log`, `.../log/search`, `.../log/export` | what was said, as far back as it is kept; for moderators |
//! | `GET /api/v1/holds`, `PUT`, `DELETE .../holds/{id}`, `POST .../users/{user}/forget` | what is kept whatever happens, and what is not; for staff |
//! | `POST /api/v1/channels/{id}/publish` | a message or a batch, in anybody's name; for back ends |
//! | `POST /api/v1/broadcast` | one message in many rooms; for back ends |
//! | `POST /api/v1/tokens` | a connection token for a user; for back ends |
//! | `POST /api/v1/users/{user}/disconnect` | closes a user's sockets on every server; for back ends |
//! | `GET /api/v1/channels/{id}/presence`, `.../stats` | who is there, and how many; for back ends |
//! | `GET /api/v1/openapi.json` | all of this for programs: OpenAPI 3.1, see [`openapi`] |
//!
//! Those of accounts and sessions are in [`accounts`], those of webhooks in [`webhooks`], those of announced shows in [`schedule`], those of emotes in
//! [`emotes`]. What back ends send over a broker in place of HTTP is in [`commands`].
//!
//! Between two requests it keeps nothing but what clients have had lately, to count their requests and to do none twice
//! (`rates`, `once`), for a second the API keys that they have shown (`api_keys`), sums of what pages have told of their players in
//! the last minutes ([`quality`]), and copies of what every page asks for ([`schedule::Board`], [`emotes::Emotes`]): whatever else it knows comes from its configuration, from [`ShowStatus`],
//! [`Library`], [`NodeList`], [`Rooms`], the engine or the chat log. It never sees sockets or other shells. Refusals are problem details (RFC 9457, see
//! [`Problem`]). The root mounts [`router`] beside the other shells' routes.

#![expect(
    unused_qualifications,
    reason = "the macros that describe the routes write them"
)]

mod access;
pub mod accounts;
pub mod address;
mod announcements;
mod api_keys;
mod audit;
mod body;
mod channels;
pub mod commands;
mod cost;
pub mod emotes;
mod encoders;
mod events;
mod extract;
mod follow;
mod guests;
mod ingest;
pub mod keys;
pub mod limits;
mod log;
mod messages;
mod moderation;
pub mod name;
mod nodes;
mod once;
pub mod openapi;
mod pins;
mod polls;
mod presence;
mod problem;
mod publish;
pub mod quality;
mod random;
mod rates;
mod recordings;
mod regions;
mod rooms;
pub mod schedule;
mod schema;
mod settings;
mod staff;
pub mod stream_keys;
#[cfg(test)]
mod tests;
mod tokens;
mod users;
pub mod webhooks;
mod words;

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use fanwave_bus::Engine;
use fanwave_store::Archive;
use fanwave_wire::{RoomId, UnixMillis, token::TokenKey};
use futures_util::stream::BoxStream;
use utoipa_axum::router::OpenApiRouter;

use self::{once::Memory, rates::Limiter};

pub use self::{
    cost::Prices,
    encoders::{Door, Doors, SrtDoor},
    events::{EventRefusal, EventValue, ShowEvent},
    follow::Told,
    ingest::{Encoder, Health, Ingest, Publisher, Push, PushError, PushState},
    keys::ApiKeys,
    nodes::NodeList,
    problem::Problem,
    rates::RateLimits,
    recordings::{Library, LibraryError, Recording, Stretch},
    regions::{Region, Regions},
    rooms::{Dismissal, Followers, RoomError, Rooms, Taken},
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
    /// What back ends show.
    pub keys: ApiKeys,
    /// Where history is read.
    pub engine: Arc<dyn Engine>,
    /// The chat log, if it is kept here: the engine's own, or one that is recorded beside it.
    pub log: Option<Archive>,
    /// Whether it is recorded, and may reach back further than the engine's.
    pub recorded: bool,
    /// Who has the rooms.
    pub rooms: Arc<dyn Rooms>,
    /// Who knows whether a show is on.
    pub shows: Arc<dyn ShowStatus>,
    /// Who has the recordings.
    pub library: Arc<dyn Library>,
    /// Who knows the servers.
    pub nodes: Arc<dyn NodeList>,
    /// Where else the same rooms and shows are.
    pub regions: Regions,
    /// Where encoders publish to.
    pub doors: Doors,
    /// What things cost, where the operator says it.
    pub prices: Option<Prices>,
    /// How often one client may ask.
    pub rates: RateLimits,
    /// Accounts, if they are kept here.
    pub accounts: Option<accounts::Desk>,
    /// Webhooks, if they are kept here.
    pub webhooks: Option<webhooks::Webhooks>,
    /// What pages tell of how their pictures play.
    pub quality: quality::Quality,
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

/// Every route of the API with its description, relative to `/api/v1`. One that is not described is not served.
fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .merge(accounts::routes())
        .merge(channels::routes())
        .merge(cost::routes())
        .merge(emotes::routes())
        .merge(encoders::routes())
        .merge(events::routes())
        .merge(follow::routes())
        .merge(guests::routes())
        .merge(ingest::routes())
        .merge(messages::routes())
        .merge(log::routes())
        .merge(nodes::routes())
        .merge(openapi::routes())
        .merge(recordings::routes())
        .merge(schedule::routes())
        .merge(regions::routes())
        .merge(moderation::routes())
        .merge(settings::routes())
        .merge(words::routes())
        .merge(pins::routes())
        .merge(polls::routes())
        .merge(announcements::routes())
        .merge(api_keys::routes())
        .merge(audit::routes())
        .merge(publish::routes())
        .merge(quality::routes())
        .merge(stream_keys::routes())
        .merge(tokens::routes())
        .merge(users::routes())
        .merge(presence::routes())
        .merge(webhooks::routes())
}

/// All routes of the API, absolute, under `/api/v1`; unknown addresses below it are answered with a problem too.
pub fn router(api: impl Into<Arc<Api>>) -> Router {
    let api = api.into();
    let limiter = Arc::new(Limiter::new(api.rates.clone()));
    let memory = Arc::new(Memory::new());
    let (routes, _) = routes().split_for_parts();
    let routes = routes
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn_with_state((limiter, memory), guard))
        .with_state(api);
    Router::new().nest(fanwave_wire::path::API_V1, routes)
}

/// Stands before every route: how often one may ask, and what was done before. In one layer, because each has a price at
/// every request.
async fn guard(
    State((limiter, memory)): State<(Arc<Limiter>, Arc<Memory>)>,
    request: Request,
    next: Next,
) -> Response {
    rates::limit(&limiter, request, |request| {
        once::once(memory, request, next)
    })
    .await
}

/// What an address says to a method that it does not take. The router adds which it does take.
async fn not_allowed(method: Method) -> Response {
    match method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => Problem::method_not_allowed().into_response(),
    }
}
