//! `GET /api/v1/channels/{id}/presence` and `.../stats`: who is there, as the server that is asked knows it.
//!
//! Exact is what concerns that server; what it knows of the others it has heard within the last seconds, and a user who is
//! on two servers counts twice. Names are those of that server alone.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use fanwave_room::presence::Stats;
use fanwave_wire::{Channel, Lane, RoomId, UserId, limits::PRESENCE_PAGE_MAX};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    access::Caller,
    channels::{Answer, fresh},
    extract::{ChannelPath, InPath, InQuery, Whole},
    keys::Scope,
    messages::LaneName,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(stats))
}

/// The query string.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// Which of the channel's lanes.
    #[serde(default)]
    #[param(inline, required = false)]
    lane: LaneName,
    /// Only users behind this one: `next_after` of the page before.
    after: Option<String>,
    /// How many at most; 100, if that is not said.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 100)]
    limit: Option<Whole>,
}

const _: () = assert!(PRESENCE_PAGE_MAX == 100);

/// How many there are.
#[derive(Debug, Serialize, ToSchema)]
struct Count {
    connections: usize,
    users: usize,
}

impl From<Stats> for Count {
    fn from(stats: Stats) -> Self {
        Self {
            connections: stats.num_clients,
            users: stats.num_users,
        }
    }
}

/// How many follow a lane.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Followers)]
struct Counts {
    /// On all servers, about a second old.
    everywhere: Count,
    /// On the server that is asked.
    here: Count,
}

/// Who follows a lane of a room.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Presence)]
struct Present {
    /// The lane, as the chat's protocol names it.
    #[schema(example = "chat:demo")]
    channel: String,
    /// On all servers, about a second old.
    everywhere: Count,
    /// On the server that is asked.
    here: Count,
    /// Some of those who are here, in the order of their ids.
    users: Vec<User>,
    /// Cursor of the next page; null when this is the last.
    #[schema(value_type = Option<String>)]
    next_after: Option<UserId>,
}

/// Somebody who is there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PresentUser)]
struct User {
    #[schema(value_type = String)]
    user: UserId,
    connections: u32,
}

/// Lists who is there
///
/// Who follows a lane on the server that is asked, page by page; and how many do on all of them.
#[utoipa::path(
    get, path = "/channels/{id}/presence", tag = "back ends", operation_id = "listPresence",
    params(ChannelPath, Ask), security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "The page.", body = Present)),
)]
async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InQuery(ask): InQuery<Ask>,
) -> Result<Answer<Present>, Problem> {
    caller.demand(Scope::Read)?;
    let room = api.channel(&id)?.id.clone();
    let limit = ask.limit.map_or(Some(PRESENCE_PAGE_MAX), |limit| {
        let limit = usize::try_from(limit.0).ok();
        limit.filter(|limit| (1..=PRESENCE_PAGE_MAX).contains(limit))
    });
    let limit = limit.ok_or_else(|| {
        let words = format!("limit is 1 to {PRESENCE_PAGE_MAX}");
        Problem::new(StatusCode::BAD_REQUEST, "malformed_query", words)
    })?;
    let lane = ask.lane.lane();
    let channel = Channel { lane, room };
    let after = ask.after.map(|user| UserId(user.into()));
    let page = api.rooms.followers_page(&channel, after.as_ref(), limit);
    let users = page.users.into_iter();
    let Counts { everywhere, here } = counts(&api, &channel);
    Ok(fresh(Present {
        everywhere,
        here,
        channel: channel.to_string(),
        users: users
            .map(|(user, connections)| User { user, connections })
            .collect(),
        next_after: page.next,
    }))
}

/// How many follow a room.
#[derive(Debug, Serialize, ToSchema)]
struct Statistics {
    /// The channel's id.
    #[schema(value_type = String)]
    channel: RoomId,
    room: Counts,
    chat: Counts,
    /// Servers that are known, this one included.
    servers: usize,
}

/// Counts who is there
///
/// In both lanes of the room, here and on all servers.
#[utoipa::path(
    get, path = "/channels/{id}/stats", tag = "back ends", operation_id = "readStats",
    params(ChannelPath), security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "The counts.", body = Statistics)),
)]
async fn stats(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
) -> Result<Answer<Statistics>, Problem> {
    caller.demand(Scope::Read)?;
    let room = api.channel(&id)?.id.clone();
    let of = |lane| {
        let room = room.clone();
        counts(&api, &Channel { lane, room })
    };
    Ok(fresh(Statistics {
        room: of(Lane::Room),
        chat: of(Lane::Chat),
        servers: api.nodes.nodes().len(),
        channel: room,
    }))
}

fn counts(api: &Api, channel: &Channel) -> Counts {
    let followers = api.rooms.followers(channel);
    Counts {
        everywhere: followers.everywhere.into(),
        here: followers.here.into(),
    }
}
