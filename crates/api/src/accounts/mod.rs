//! Accounts of an installation that has no users of its own: registering, logging in and out, and who may do what.
//!
//! | Method and path | Answer |
//! |---|---|
//! | `POST /api/v1/setup` | the first member of staff, for the one-time token that the server shows |
//! | `POST /api/v1/accounts` | a new account, where registration is open |
//! | `GET /api/v1/accounts` | all accounts, page by page; for staff |
//! | `GET`, `PATCH /api/v1/accounts/{id}` | one of them; changing its role, or keeping it out; for staff |
//! | `GET /api/v1/sessions` | how one can log in |
//! | `POST /api/v1/sessions` | logs in: a session, and the token that stands for it |
//! | `GET`, `DELETE /api/v1/session` | whose it is; logs out |
//! | `POST /api/v1/session/token` | a token for the chat and for the rest of the API, good for minutes |
//! | `PUT /api/v1/session/password` | another password; ends all other sessions |
//! | `GET /api/v1/session/all`, `DELETE /api/v1/session/all/{id}` | where else one is logged in |
//! | `GET /api/v1/audit` | what was done by whom, newest first; for staff |
//!
//! Those of logging in elsewhere are in [`oidc`].
//!
//! A session is a secret that can be taken back at any moment; it is looked up in the [`Catalogue`] at every request. What
//! chat servers and the other routes are shown is a token like any other, signed for a few minutes ([`limits::SESSION_TOKEN_TTL`]), with which
//! they need to ask nobody. Whoever logs out, is suspended or gets another role loses their open sockets, too.

mod attempts;
mod audit;
mod bearer;
mod login;
pub mod oidc;
mod passwords;
mod people;
mod registration;
mod secrets;
mod session;
mod setup;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use axum::http::StatusCode;
use fanwave_store::catalogue::{Account, Catalogue, CatalogueError, Entry};
use fanwave_wire::{Role, Sender, UnixMillis, UserId, token::TokenKey};
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

pub use self::setup::{SetupError, invite_first};
use self::{attempts::Attempts, passwords::Passwords};
pub(crate) use self::{
    bearer::Boss,
    people::{IfMatch, expected, is_cursor, rows, there},
    secrets::{digest_of, drawn, id as new_id, is_id},
};
use crate::{
    Api, Problem, api_keys, emotes::Emotes, limits, moderation, rooms::Dismissal, schedule::Board,
};

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Everybody.
    Open,
    /// Nobody but the first member of staff.
    Closed,
}

/// What the routes of accounts answer from.
pub struct Accounts {
    /// Where accounts and sessions are kept.
    pub catalogue: Catalogue,
    /// Signs the tokens that sessions get.
    pub key: TokenKey,
    /// Who may make an account.
    pub registration: Registration,
    /// How long a session lasts.
    pub session_ttl: Duration,
    /// What is on and what comes next.
    pub board: Arc<Board>,
    /// The emotes of the channels.
    pub emotes: Arc<Emotes>,
    /// Where people log in elsewhere, if they can.
    pub oidc: Option<oidc::Oidc>,
    /// The wall clock.
    pub now: fn() -> UnixMillis,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("registration", &self.registration)
            .field("session_ttl", &self.session_ttl)
            .finish_non_exhaustive()
    }
}

/// Accounts that are kept here, with what their handlers share.
pub struct Desk {
    accounts: Accounts,
    passwords: Passwords,
    attempts: Attempts,
    /// Who is asked about at an issuer at one time.
    exchanges: Semaphore,
    /// The API keys that were shown lately.
    pub(crate) api_keys: api_keys::Shelf,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("accounts", &self.accounts)
            .finish_non_exhaustive()
    }
}

/// The routes of accounts.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .merge(audit::routes())
        .merge(login::routes())
        .merge(oidc::routes())
        .merge(people::routes())
        .merge(registration::routes())
        .merge(session::routes())
        .merge(setup::routes())
}

/// An account, as its owner and the staff see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct Shown {
    /// Who they are to the chat, too.
    id: String,
    /// What they log in with.
    login: String,
    /// What others see.
    name: String,
    /// `fan`, `member`, `moderator`, `artist` or `staff`.
    role: String,
    /// Whether they are kept out.
    suspended: bool,
    /// Milliseconds since 1970.
    created_at: i64,
}

impl From<Account> for Shown {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            login: account.login,
            name: account.name,
            role: account.role,
            suspended: account.suspended,
            created_at: account.created_at,
        }
    }
}

impl Desk {
    /// Where accounts are handled.
    #[must_use]
    pub fn new(accounts: Accounts) -> Self {
        Self {
            accounts,
            passwords: Passwords::new(),
            attempts: Attempts::new(),
            exchanges: Semaphore::new(limits::OIDC_EXCHANGES_MAX),
            api_keys: api_keys::Shelf::default(),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        i64::try_from((self.accounts.now)().0).unwrap_or(i64::MAX)
    }

    /// What is on and what comes next.
    pub(crate) fn board(&self) -> &Board {
        &self.accounts.board
    }

    /// The emotes of the channels.
    pub(crate) fn emotes(&self) -> &Emotes {
        &self.accounts.emotes
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.accounts.catalogue
    }

    /// What is written into the audit log.
    pub(crate) fn entry(
        &self,
        (actor, action): (&str, &str),
        subject: &str,
        detail: &serde_json::Value,
    ) -> Result<Entry, Problem> {
        let at = self.now();
        Ok(Entry {
            id: secrets::id("e", at)?,
            at,
            actor: actor.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_string(),
        })
    }
}

impl Api {
    /// Closes the open sockets of an account, on every server. What was asked for is done already, whether or not it can be.
    async fn throw_out(&self, by: Sender, account: &str) {
        let Ok(id) = moderation::new_id() else {
            return;
        };
        let dismissal = Dismissal {
            id,
            by,
            user: user_of(account),
            // Who still has a session elsewhere comes back with a new token; who has none gets none.
            comes_back: true,
            revokes: Some(limits::SESSION_TOKEN_TTL),
        };
        if let Err(error) = self.rooms.dismiss(dismissal).await {
            tracing::warn!(%error, account, "sockets stay open until their tokens end, as the log cannot be reached");
        }
    }

    /// Takes note of something that was done: in the audit log of accounts, where they are kept here, and for the operator.
    pub(crate) async fn note(
        &self,
        (actor, action): (&str, &'static str),
        subject: &str,
        detail: &serde_json::Value,
    ) -> Result<(), Problem> {
        tracing::info!(actor, action, subject, %detail, "an act on the chat log");
        if let Some(desk) = &self.accounts {
            let entry = desk.entry((actor, action), subject, detail)?;
            let noted = desk.catalogue().note(&entry).await;
            noted.map_err(|error| refused(&error))?;
        }
        Ok(())
    }

    /// Where accounts are handled, if they are kept here.
    pub(crate) fn desk(&self) -> Result<&Desk, Problem> {
        self.accounts.as_ref().ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "no_accounts",
                "no accounts are kept here: accounts.registration is off",
            )
        })
    }
}

/// Who somebody is in the chat: of accounts alone, so that no guest and nobody of another issuer is taken for them.
pub(crate) fn user_of(account: &str) -> UserId {
    UserId(account.into())
}

/// A role by its name; an unknown one, of a newer version, may no more than a fan.
pub(crate) fn role_named(name: &str) -> Option<Role> {
    let roles = [
        Role::Fan,
        Role::Member,
        Role::Moderator,
        Role::Artist,
        Role::Staff,
    ];
    roles.into_iter().find(|role| role.name() == name)
}

/// An account as the chat knows it.
pub(crate) fn sender_of(account: &Account) -> Sender {
    Sender::new(user_of(&account.id), &*account.name, role_of(account))
}

pub(crate) fn role_of(account: &Account) -> Role {
    role_named(&account.role).unwrap_or_default()
}

/// What the catalogue could not do. What the database said is for the operator alone.
pub(crate) fn refused(error: &CatalogueError) -> Problem {
    tracing::warn!(%error, "the catalogue did not answer");
    match error {
        CatalogueError::Unavailable(_) | CatalogueError::Busy => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "the catalogue cannot be reached now: try again in a moment",
        ),
        _ => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "this could not be done",
        ),
    }
}
