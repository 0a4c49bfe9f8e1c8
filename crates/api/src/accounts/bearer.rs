//! Who asks: the session that a request shows, or the token of a member of staff.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, request::Parts},
};
use fanwave_store::catalogue::{Account, Session};
use fanwave_wire::{Role, Sender};

use super::{Desk, refused, role_of, secrets, sender_of};
use crate::{Api, Problem, access::bearer, staff::staff_of};

/// Somebody who is logged in.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) session: Session,
    pub(super) account: Account,
}

impl FromRequestParts<Arc<Api>> for LoggedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        session(api.accounts.as_ref(), &parts.headers).await
    }
}

/// A member of staff: with a session, or with a token that was signed here.
#[derive(Debug)]
pub(crate) struct Boss(pub(super) Sender);

impl Boss {
    /// The account's id, or the user of the token.
    pub(crate) fn id(&self) -> &str {
        &self.0.user.0
    }
}

impl FromRequestParts<Arc<Api>> for Boss {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let is_session = bearer(&parts.headers).is_some_and(secrets::is_session);
        if !is_session {
            return staff_of(api, &parts.headers, (api.now)()).map(Self);
        }
        let LoggedIn { account, .. } = session(api.accounts.as_ref(), &parts.headers).await?;
        if role_of(&account) == Role::Staff {
            Ok(Self(sender_of(&account)))
        } else {
            Err(Problem::new(
                StatusCode::FORBIDDEN,
                "not_staff",
                "this is for the staff",
            ))
        }
    }
}

/// Where no accounts are kept, nobody has a session.
async fn session(desk: Option<&Desk>, headers: &HeaderMap) -> Result<LoggedIn, Problem> {
    let token = bearer(headers).ok_or_else(|| {
        let words = "this needs a session in the header: Authorization: Bearer SESSION";
        Problem::unauthorized("session_missing", words)
    })?;
    let ended = || {
        let words = "there is no such session, or it has ended: log in at /api/v1/sessions";
        Problem::unauthorized("session_ended", words)
    };
    let digest = secrets::digest(token).ok_or_else(ended)?;
    let desk = desk.ok_or_else(ended)?;
    let found = desk.catalogue().session(&digest, desk.now()).await;
    let (session, account) = found.map_err(|error| refused(&error))?.ok_or_else(ended)?;
    Ok(LoggedIn { session, account })
}
