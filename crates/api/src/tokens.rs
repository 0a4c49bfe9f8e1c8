//! `POST /api/v1/tokens`: a back end that has its own users has a connection token made for one of them.
//!
//! Nothing is stored: whoever has the token is that user, until it expires. Where its rooms are named, the server
//! subscribes the connection to their lanes by itself.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_wire::{
    Channel, Lane, Role, UnixMillis, UserId, limits::TOKEN_CHANNELS_MAX, token::Claims,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    access::{Caller, sender},
    channels::fresh,
    extract::{InBody, Whole},
    keys::Scope,
    limits::{TOKEN_TTL_DEFAULT, TOKEN_TTL_MAX},
    schema,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(create))
}

/// The lanes of a room that fans follow.
const LANES: [Lane; 2] = [Lane::Room, Lane::Chat];

/// Somebody who is to connect.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
struct Ask {
    /// Their id, 1 to 64 bytes.
    #[schema(example = "u-42")]
    user: String,
    /// What they are called, as a guest may be; the beginning of their id, if that is not said.
    #[schema(example = "Mina")]
    name: Option<String>,
    #[serde(default)]
    #[schema(value_type = schema::Role, default = "fan")]
    role: Role,
    /// What is shown beside the name.
    badge: Option<String>,
    /// Channels, whose lanes the server subscribes the connection to.
    #[serde(default)]
    #[schema(max_items = 8)]
    rooms: Vec<String>,
    /// For how long, a day at most; an hour, if that is not said.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 86_400)]
    ttl_seconds: Option<Whole>,
    /// Since when they have followed the artist, milliseconds since 1970: rooms may ask for it.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991i64)]
    follows_since: Option<Whole>,
}

/// A token for a connection.
// It has no `Debug`: the token is a secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
struct Issued {
    /// What to connect with; a secret.
    token: String,
    /// Whose it is.
    #[schema(value_type = String)]
    user: UserId,
    #[schema(value_type = schema::Role)]
    role: Role,
    /// Until when it is valid, milliseconds since 1970.
    #[schema(value_type = u64)]
    expires_at: UnixMillis,
}

/// Makes a connection token
///
/// For one of your users. Nothing is stored.
#[utoipa::path(
    post, path = "/tokens", tag = "back ends", operation_id = "createToken",
    security(("bearer" = []), ("api_key" = [])), request_body = Ask,
    responses(
        (status = 201, description = "The token.", body = Issued),
        (status = 422, description = "`person_refused`, `token_impossible`: the detail says what cannot be."),
    ),
)]
async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InBody(ask): InBody<Ask>,
) -> Result<Response, Problem> {
    let now = (api.now)();
    caller.demand(Scope::Tokens)?;
    let may_moderate = caller.allows(Scope::Moderate);
    if ask.role.may_moderate() && !may_moderate {
        let words = "a token of this role can act as a moderator: the API key needs the scope moderate, too";
        return Err(Problem::new(StatusCode::FORBIDDEN, "scope_missing", words));
    }
    let (name, badge) = (ask.name.as_deref(), ask.badge.as_deref());
    let sender = sender(&ask.user, name, ask.role, badge)?;
    let refuse =
        |words: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "token_impossible", words);
    let ttl = ask.ttl_seconds;
    let ttl = ttl.map_or(TOKEN_TTL_DEFAULT, |ttl| Duration::from_secs(ttl.0));
    if ttl.is_zero() || ttl > TOKEN_TTL_MAX {
        let words = format!("ttl_seconds is 1 to {}", TOKEN_TTL_MAX.as_secs());
        return Err(refuse(words));
    }
    let rooms_max = TOKEN_CHANNELS_MAX / LANES.len();
    if ask.rooms.len() > rooms_max {
        return Err(refuse(format!("a token names at most {rooms_max} rooms")));
    }
    let mut channels = Vec::with_capacity(ask.rooms.len() * LANES.len());
    for room in &ask.rooms {
        let room = &api.channel(room)?.id;
        channels.extend(LANES.map(|lane| Channel {
            lane,
            room: room.clone(),
        }));
    }
    let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    let expires_at = UnixMillis(now.0.saturating_add(ttl_ms));
    let claims = Claims::new(sender, now, expires_at)
        .and_then(|claims| claims.subscribed_to(channels))
        .map_err(|error| refuse(error.to_string()))?;
    let claims = match ask.follows_since {
        Some(since) => claims.following_since(UnixMillis(since.0)),
        None => claims,
    };
    let issued = Issued {
        token: api.key.issue(&claims),
        user: claims.sender().user.clone(),
        role: claims.sender().role,
        expires_at: claims.expires_at(),
    };
    Ok((StatusCode::CREATED, fresh(issued)).into_response())
}
