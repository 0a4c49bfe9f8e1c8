//! What somebody does who is logged in: see who they are, get tokens, change the password, log out here and elsewhere.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_store::catalogue::{Account, Change, Changed, Session};
use fanwave_wire::{UnixMillis, token::Claims};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Shown, bearer::LoggedIn, refused, role_of, sender_of};
use crate::{
    Api, Problem,
    body::NoBody,
    channels::{Answer, fresh},
    extract::{InBody, InPath},
    limits,
};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(show, end))
        .routes(routes!(all))
        .routes(routes!(end_other))
        .routes(routes!(token))
        .routes(routes!(password))
}

/// A session, without what stands for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
struct ShownSession {
    /// Its own.
    id: String,
    /// Since when, milliseconds since 1970.
    created_at: i64,
    /// Until when, milliseconds since 1970.
    expires_at: i64,
    /// Whether it is the one that asks.
    current: bool,
}

impl ShownSession {
    fn of(session: Session, current: &str) -> Self {
        Self {
            current: session.id == current,
            id: session.id,
            created_at: session.created_at,
            expires_at: session.expires_at,
        }
    }
}

/// A session, and whose it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OwnSession)]
struct Own {
    session: ShownSession,
    account: Shown,
}

/// Shows the session
///
/// Whose it is, and until when.
#[utoipa::path(
    get, path = "/session", tag = "accounts", operation_id = "readSession", security(("session" = [])),
    responses(
        (status = 200, description = "The session.", body = Own),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`busy` or `unavailable`: try again in a moment."),
    ),
)]
async fn show(LoggedIn { session, account }: LoggedIn) -> Result<Answer<Own>, Problem> {
    let current = session.id.clone();
    Ok(fresh(Own {
        session: ShownSession::of(session, &current),
        account: account.into(),
    }))
}

/// Where an account is logged in, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sessions)]
struct All {
    sessions: Vec<ShownSession>,
}

/// Lists the sessions
///
/// Where the account is logged in, newest first: at most 50.
#[utoipa::path(
    get, path = "/session/all", tag = "accounts", operation_id = "listSessions", security(("session" = [])),
    responses(
        (status = 200, description = "The sessions.", body = All),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`busy` or `unavailable`: try again in a moment."),
    ),
)]
async fn all(
    State(api): State<Arc<Api>>,
    LoggedIn { session, account }: LoggedIn,
) -> Result<Answer<All>, Problem> {
    let desk = api.desk()?;
    let found = desk
        .catalogue()
        .sessions_of(&account.id, desk.now())
        .await
        .map_err(|error| refused(&error))?;
    let shown = |other| ShownSession::of(other, &session.id);
    Ok(fresh(All {
        sessions: found.into_iter().map(shown).collect(),
    }))
}

/// Logs out
///
/// Ends the session, and the open sockets of the account: those of other sessions come back by themselves.
#[utoipa::path(
    delete, path = "/session", tag = "accounts", operation_id = "logOut", security(("session" = [])),
    responses(
        (status = 204, description = "It has ended."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`busy` or `unavailable`: try again in a moment."),
    ),
)]
async fn end(
    State(api): State<Arc<Api>>,
    LoggedIn { session, account }: LoggedIn,
) -> Result<StatusCode, Problem> {
    end_one(&api, &account, &session.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The session in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct SessionPath {
    /// The session's id.
    #[param(pattern = "^s-[0-9a-f]{32}$")]
    id: String,
}

/// Logs out elsewhere
///
/// Ends another session of the account.
#[utoipa::path(
    delete, path = "/session/all/{id}", tag = "accounts", operation_id = "endSession", params(SessionPath), security(("session" = [])),
    responses(
        (status = 204, description = "It has ended."),
        (status = 404, description = "`unknown_session`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`busy` or `unavailable`: try again in a moment."),
    ),
)]
async fn end_other(
    State(api): State<Arc<Api>>,
    InPath(SessionPath { id }): InPath<SessionPath>,
    LoggedIn { account, .. }: LoggedIn,
) -> Result<StatusCode, Problem> {
    if end_one(&api, &account, &id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::new(
            StatusCode::NOT_FOUND,
            "unknown_session",
            "the account has no session of this id",
        ))
    }
}

async fn end_one(api: &Api, account: &Account, id: &str) -> Result<bool, Problem> {
    let catalogue = api.desk()?.catalogue();
    let ended = catalogue.end_sessions(&account.id, Some(id)).await;
    let ended = ended.map_err(|error| refused(&error))? > 0;
    if ended {
        api.throw_out(sender_of(account), &account.id).await;
    }
    Ok(ended)
}

/// What somebody connects to the chat with.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionToken)]
struct Token {
    /// A secret.
    token: String,
    /// Who they are to the chat.
    user: String,
    /// What they may.
    role: &'static str,
    /// Until when it is valid, milliseconds since 1970.
    #[schema(value_type = u64)]
    expires_at: UnixMillis,
}

/// Makes a token
///
/// For the chat, and for the rest of the API: good for 5 minutes.
#[utoipa::path(
    post, path = "/session/token", tag = "accounts", operation_id = "createSessionToken", security(("session" = [])),
    responses(
        (status = 201, description = "The token.", body = Token),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`busy` or `unavailable`: try again in a moment."),
    ),
)]
async fn token(
    State(api): State<Arc<Api>>,
    LoggedIn { session, account }: LoggedIn,
    NoBody: NoBody,
) -> Result<Response, Problem> {
    let desk = api.desk()?;
    let now = (desk.accounts.now)();
    let ttl = u64::try_from(limits::SESSION_TOKEN_TTL.as_millis()).unwrap_or(u64::MAX);
    let session_ends = u64::try_from(session.expires_at).unwrap_or(0);
    let expires_at = UnixMillis(now.0.saturating_add(ttl).min(session_ends));
    let claims = Claims::new(sender_of(&account), now, expires_at).map_err(|error| {
        tracing::error!(%error, "an account can have no token");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "no token can be made for this account",
        )
    })?;
    let answer = Token {
        token: desk.accounts.key.issue(&claims),
        role: role_of(&account).name(),
        user: account.id,
        expires_at: claims.expires_at(),
    };
    Ok((StatusCode::CREATED, fresh(answer)).into_response())
}

/// Another password.
// It has no `Debug`: both are secrets.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The one until now: whoever has stolen a session cannot keep the account with it.
    #[schema(max_length = 128)]
    old: String,
    /// The one from now on.
    #[schema(min_length = 10, max_length = 128)]
    new: String,
}

/// Changes the password
///
/// Ends all sessions of the account, this one too, and its open sockets.
#[utoipa::path(
    put, path = "/session/password", tag = "accounts", operation_id = "changePassword", request_body = NewPassword, security(("session" = [])),
    responses(
        (status = 204, description = "It is changed."),
        (status = 403, description = "`password_wrong`: the old password is another one."),
        (status = 409, description = "`changed_meanwhile`: the account was changed at the same time."),
        (status = 422, description = "`password_refused`: the new one cannot be one."),
        (status = 429, description = "`too_many_attempts`: the password was tried too often."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`busy` or `unavailable`: try again in a moment."),
    ),
)]
async fn password(
    State(api): State<Arc<Api>>,
    LoggedIn { account, .. }: LoggedIn,
    InBody(ask): InBody<NewPassword>,
) -> Result<StatusCode, Problem> {
    let desk = api.desk()?;
    desk.attempts.count(&account.login)?;
    let is_right = desk
        .passwords
        .is_right(&ask.old, account.password.clone())
        .await?;
    if !is_right {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "password_wrong",
            "the old password is another one",
        ));
    }
    let change = Change {
        version: Some(account.version),
        password: Some(desk.passwords.hash(&ask.new).await?),
        ends_sessions: true,
        ..Change::default()
    };
    let entry = desk.entry((&account.id, "account.password"), &account.id, &json!({}))?;
    let changed = desk
        .catalogue()
        .change_account(&account.id, &change, &entry)
        .await;
    match changed.map_err(|error| refused(&error))? {
        Changed::Made(_) => {
            api.throw_out(sender_of(&account), &account.id).await;
            Ok(StatusCode::NO_CONTENT)
        }
        Changed::Moved | Changed::Unknown => Err(Problem::new(
            StatusCode::CONFLICT,
            "changed_meanwhile",
            "the account was changed meanwhile: log in and try again",
        )),
    }
}
