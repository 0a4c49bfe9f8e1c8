//! `POST /api/v1/users/{user}/disconnect`: a user's sockets are closed on every server.
//!
//! It goes through the log that the servers share, and is answered when that holds it: a server that cannot reach the log
//! does it when it can again. It forbids nothing: whoever has a valid token can connect anew.

use std::sync::Arc;

use axum::extract::State;
use fanwave_wire::{Role, UnixMillis, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    access::{Actor, By, Caller, sender},
    body::MayHaveBody,
    channels::{Answer, fresh},
    extract::InPath,
    keys::Scope,
    rooms::{Dismissal, failed},
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(disconnect))
}

/// How they go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDisconnect)]
struct Ask {
    /// Client libraries are to come back by themselves, with a new token if they have a way to get one.
    #[serde(default)]
    reconnect: bool,
}

/// A user in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UserOnly {
    /// The user's id, of 1 to 64 bytes.
    #[param(
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
        min_length = 1,
        max_length = 64,
        example = "u-42"
    )]
    pub(crate) user: String,
}

/// A user whose sockets are closed.
#[derive(Debug, Serialize, ToSchema)]
struct Disconnected {
    #[schema(value_type = String)]
    user: UserId,
    /// When the log had it, milliseconds since 1970.
    #[schema(value_type = u64)]
    at: UnixMillis,
}

/// Disconnects a user
///
/// Their sockets are closed on every server. It forbids nothing: whoever has a valid token may connect anew.
#[utoipa::path(
    post, path = "/users/{user}/disconnect", tag = "back ends", operation_id = "disconnectUser",
    params(UserOnly, Actor), security(("bearer" = []), ("api_key" = [])), request_body = Option<Ask>,
    responses(
        (status = 200, description = "Every server that can hear it has heard it, or is about to.", body = Disconnected),
        (status = 422, description = "`person_refused`: the detail says what cannot be."),
    ),
)]
async fn disconnect(
    State(api): State<Arc<Api>>,
    caller: Caller,
    by: By,
    InPath(UserOnly { user }): InPath<UserOnly>,
    MayHaveBody(ask): MayHaveBody<Ask>,
) -> Result<Answer<Disconnected>, Problem> {
    // It concerns all rooms: a room's moderator may not.
    caller.demand(Scope::Moderate)?;
    // Only the id matters; it has to be one.
    let user = sender(&user, Some("user"), Role::Fan, None)?.user;
    let dismissal = Dismissal {
        id: by.act()?,
        by: by.sender,
        user: user.clone(),
        comes_back: ask.reconnect,
        revokes: None,
    };
    tracing::info!(by = %dismissal.by.user.0, "a user is disconnected everywhere");
    let ack = api.rooms.dismiss(dismissal).await;
    let ack = ack.map_err(|error| failed(&error))?;
    Ok(fresh(Disconnected { user, at: ack.at }))
}
