//! `POST /api/v1/setup`: the first member of staff, for the one-time token that the server shows on its console.
//!
//! While nobody is of the staff, every start of a server makes a new token and forgets the one before. Whoever can read the console
//! is whoever runs the server.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode, response::Response};
use fanwave_store::catalogue::{Catalogue, CatalogueError, Invitation};
use fanwave_wire::{Role, UnixMillis};
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Shown, refused,
    registration::{self, Ask},
    secrets,
};
use crate::{Api, Problem, extract::InBody, guests::wanted_name};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(create))
}

/// How long the token is good.
const TTL: Duration = Duration::from_secs(24 * 3600);

/// Why there is no token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The catalogue.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The system's random source.
    #[error("the system's random source failed")]
    Random,
}

/// A new one-time token for the first member of staff; `None` if there is one already.
///
/// # Errors
///
/// See [`SetupError`].
pub async fn invite_first(
    catalogue: &Catalogue,
    now: UnixMillis,
) -> Result<Option<String>, SetupError> {
    if catalogue.has_role(Role::Staff.name()).await? {
        return Ok(None);
    }
    let token = secrets::token().map_err(|_| SetupError::Random)?;
    let digest = secrets::digest(&token).ok_or(SetupError::Random)?;
    let ttl = u64::try_from(TTL.as_millis()).unwrap_or(u64::MAX);
    let invitation = Invitation {
        token: digest,
        role: Role::Staff.name().to_owned(),
        expires_at: i64::try_from(now.0.saturating_add(ttl)).unwrap_or(i64::MAX),
    };
    catalogue.invite(&invitation).await?;
    Ok(Some(token))
}

/// The first member of staff.
// It has no `Debug`: it has two secrets.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Setup {
    /// What `fanwave setup-token` has printed.
    #[schema(pattern = "^fws_[0-9a-f]{64}$")]
    token: String,
    /// What to log in with; capitals are the same as small letters.
    #[schema(pattern = "^[A-Za-z0-9._+@-]{3,254}$", example = "boss@example.com")]
    login: String,
    /// However a keyboard composes its letters.
    #[schema(min_length = 10, max_length = 128)]
    password: String,
    /// What others see.
    #[schema(schema_with = wanted_name)]
    name: String,
}

/// Makes the first member of staff
///
/// For whoever has the one-time token of `fanwave setup-token`.
#[utoipa::path(
    post, path = "/setup", tag = "accounts", operation_id = "setUp", request_body = Setup,
    responses(
        (status = 201, description = "The account.", body = Shown),
        (status = 403, description = "`setup_token_refused`: it is another token, or it was used."),
        (status = 404, description = "`no_accounts`: none are kept here."),
        (status = 409, description = "`login_taken`: somebody has this login already."),
        (status = 422, description = "`login_refused`, `password_refused`, `name_empty`, `name_too_long` or `name_character`."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`busy` or `unavailable`: try again in a moment."),
    ),
)]
async fn create(
    State(api): State<Arc<Api>>,
    InBody(setup): InBody<Setup>,
) -> Result<Response, Problem> {
    let desk = api.desk()?;
    let digest = secrets::digest(&setup.token).ok_or_else(used_up)?;
    let ask = Ask {
        login: setup.login,
        password: setup.password,
        name: setup.name,
    };
    let account = registration::drafted(desk, &ask, Role::Staff).await?;
    let entry = desk.entry((&account.id, "staff.first"), &account.id, &json!({}))?;
    let accepted = desk
        .catalogue()
        .accept(&digest, desk.now(), &account, &entry)
        .await;
    let added = accepted
        .map_err(|error| refused(&error))?
        .ok_or_else(used_up)?;
    registration::answer(added, account)
}

fn used_up() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "setup_token_refused",
        "this is another token, or it was used, or is too old: `fanwave setup-token` makes a new one",
    )
}
