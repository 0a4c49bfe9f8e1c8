//! `/api/v1/sessions`: logging in, and how one can.
//!
//! A wrong password, a login that nobody has, and one that is kept out get the same answer, after the same time.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_store::catalogue::{Account, NewSession};
use serde::{Deserialize, Serialize};

use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Desk, Shown, oidc, refused, registration::folded, secrets};
use crate::{
    Api, Problem,
    channels::{Answer, fresh},
    extract::InBody,
};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(ways, create))
}

/// How one can log in here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WaysIn)]
struct Ways {
    /// With a login and a password: accounts are kept here.
    passwords: bool,
    /// Elsewhere, if that is possible.
    oidc: Option<Elsewhere>,
}

/// Where people log in elsewhere.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OidcWay)]
struct Elsewhere {
    /// What it is called.
    #[schema(value_type = String, example = "Example ID")]
    name: Arc<str>,
    /// Where a browser begins, with `?return=` and a path of this site behind it.
    #[schema(example = "/api/v1/oidc/login")]
    path: &'static str,
}

/// Says how one can log in
///
/// With a password, elsewhere, both or not at all.
#[utoipa::path(
    get, path = "/sessions", tag = "accounts", operation_id = "waysToLogIn",
    responses((status = 200, description = "The ways there are.", body = Ways)),
)]
async fn ways(State(api): State<Arc<Api>>) -> Answer<Ways> {
    let oidc = api
        .accounts
        .as_ref()
        .and_then(|desk| desk.accounts.oidc.as_ref());
    fresh(Ways {
        passwords: api.accounts.is_some(),
        oidc: oidc.map(|oidc| Elsewhere {
            name: Arc::clone(&oidc.name),
            path: oidc::LOGIN,
        }),
    })
}

/// Somebody who logs in.
// It has no `Debug`: the password is a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Login)]
struct Ask {
    /// Of the account.
    #[schema(max_length = 254)]
    login: String,
    /// Of the account.
    #[schema(max_length = 128)]
    password: String,
}

/// A session that has begun.
#[derive(Serialize, ToSchema)]
#[schema(as = NewSession)]
pub(super) struct Begun {
    /// Which it is, among those of the account.
    id: String,
    /// What stands for it from now on; told once.
    #[schema(pattern = "^fws_[0-9a-f]{64}$")]
    session: String,
    /// Until when, milliseconds since 1970.
    expires_at: i64,
    account: Shown,
}

/// Logs in
///
/// Begins a session. It goes into the header Authorization, as Bearer SESSION.
#[utoipa::path(
    post, path = "/sessions", tag = "accounts", operation_id = "logIn", request_body = Ask,
    responses(
        (status = 201, description = "The session.", body = Begun),
        (status = 403, description = "`login_wrong`: login and password do not belong together, or the account is kept out."),
        (status = 404, description = "`no_accounts`: none are kept here."),
        (status = 429, description = "`too_many_attempts`: the password of this login was tried too often."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`busy` or `unavailable`: try again in a moment."),
    ),
)]
async fn create(
    State(api): State<Arc<Api>>,
    InBody(ask): InBody<Ask>,
) -> Result<Response, Problem> {
    let desk = api.desk()?;
    // What can be no login is nobody's.
    let login = folded(&ask.login).unwrap_or_default();
    desk.attempts.count(&login)?;
    let account = desk.catalogue().account_of_login(&login).await;
    let account = account.map_err(|error| refused(&error))?;
    let hash = account
        .as_ref()
        .and_then(|account| account.password.clone());
    let is_right = desk.passwords.is_right(&ask.password, hash).await?;
    let account = account
        .filter(|account| is_right && !account.suspended)
        .ok_or_else(wrong)?;

    let begun = begin(desk, account).await?;
    Ok((StatusCode::CREATED, fresh(begun)).into_response())
}

/// Begins a session of somebody who has proven whose account it is.
pub(super) async fn begin(desk: &Desk, account: Account) -> Result<Begun, Problem> {
    let now = desk.now();
    let ttl = i64::try_from(desk.accounts.session_ttl.as_millis()).unwrap_or(i64::MAX);
    let token = secrets::token()?;
    let session = NewSession {
        id: secrets::id("s", now)?,
        token: secrets::digest(&token).ok_or_else(wrong)?,
        account: account.id.clone(),
        created_at: now,
        expires_at: now.saturating_add(ttl),
    };
    let begun = desk.catalogue().begin_session(&session).await;
    if !begun.map_err(|error| refused(&error))? {
        // Suspended, perhaps at this moment.
        return Err(wrong());
    }
    Ok(Begun {
        id: session.id,
        session: token,
        expires_at: session.expires_at,
        account: account.into(),
    })
}

pub(super) fn wrong() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "login_wrong",
        "this login and this password do not belong together, or the account is kept out",
    )
}
