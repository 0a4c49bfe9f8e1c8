//! `GET /api/v1/holds`, `PUT` and `DELETE /api/v1/holds/{id}`: rooms that nothing may be let go of.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use fanwave_wire::{RoomId, UnixMillis};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::unavailable;
use crate::{
    Api, Problem,
    access::Caller,
    body::NoBody,
    channels::{Answer, fresh},
    extract::{ChannelPath, InPath},
    keys::Scope,
};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(hold, release))
}

/// A room under legal hold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LegalHold)]
struct Hold {
    /// The channel's id.
    #[schema(value_type = String)]
    channel: RoomId,
    /// Since when, milliseconds since 1970.
    #[schema(value_type = u64)]
    since: UnixMillis,
}

/// The rooms under legal hold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LegalHolds)]
struct Holds {
    holds: Vec<Hold>,
}

/// Lists the rooms under legal hold
///
/// Nothing of them is let go of, whatever their retention, and nobody is forgotten in them. For staff, and keys with the scope `log`.
#[utoipa::path(
    get, path = "/holds", tag = "log", operation_id = "listHolds", security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "All of them.", body = Holds)),
)]
async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Answer<Holds>, Problem> {
    caller.demand(Scope::Log)?;
    Ok(fresh(Holds {
        holds: holds(&api).await?,
    }))
}

async fn holds(api: &Api) -> Result<Vec<Hold>, Problem> {
    let holds = api.log()?.holds().await;
    let holds = holds.map_err(|error| unavailable(&error))?;
    let hold = |(channel, since)| Hold { channel, since };
    Ok(holds.into_iter().map(hold).collect())
}

/// Puts a room under legal hold
///
/// From the answer on nothing of it is let go of, until that is released. Once more changes nothing.
#[utoipa::path(
    put, path = "/holds/{id}", tag = "log", operation_id = "holdChannel", params(ChannelPath),
    security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "It is under hold.", body = Hold)),
)]
async fn hold(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    NoBody: NoBody,
) -> Result<Answer<Hold>, Problem> {
    caller.demand(Scope::Log)?;
    let room = api.channel(&id)?.id.clone();
    let held = api.log()?.hold(room.clone(), (api.now)()).await;
    held.map_err(|error| unavailable(&error))?;
    let by = caller.sender().user;
    api.note((&by.0, "log.held"), room.as_str(), &json!({}))
        .await?;
    let now = (api.now)();
    let since = holds(&api)
        .await?
        .into_iter()
        .find(|held| held.channel == room);
    Ok(fresh(since.unwrap_or(Hold {
        channel: room,
        since: now,
    })))
}

/// Ends a legal hold
///
/// What is over goes with the next sweep.
#[utoipa::path(
    delete, path = "/holds/{id}", tag = "log", operation_id = "releaseChannel", params(ChannelPath),
    security(("bearer" = []), ("api_key" = [])),
    responses((status = 204, description = "It is under hold no more, if it ever was.")),
)]
async fn release(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
) -> Result<StatusCode, Problem> {
    caller.demand(Scope::Log)?;
    let room = api.channel(&id)?.id.clone();
    let released = api.log()?.release(room.clone()).await;
    released.map_err(|error| unavailable(&error))?;
    let by = caller.sender().user;
    api.note((&by.0, "log.released"), room.as_str(), &json!({}))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
