//! Webhooks of the API: who is told what happens, for the staff.
//!
//! | Method and path | Answer |
//! |---|---|
//! | `POST`, `GET /api/v1/webhooks` | a new one, with its secret; all of them |
//! | `GET`, `PATCH`, `DELETE /api/v1/webhooks/{id}` | one of them |
//! | `POST /api/v1/webhooks/{id}/secret` | another secret |
//! | `POST /api/v1/webhooks/{id}/ping` | has it told that it is one |
//! | `GET /api/v1/webhooks/{id}/deliveries` | what waits for it, what it has, and what was given up |
//! | `POST /api/v1/webhooks/{id}/deliveries/{delivery}/replay`, `.../replay` | sends it again, or a stretch |
//!
//! What is to be sent is a row of the [`Catalogue`]; who sends it is the root's business, on whichever server. A secret is nowhere: it
//! is derived from the installation's own and the webhook's salt, and told when that is made.

mod deliveries;
pub mod kinds;
mod one;
mod secret;
mod tell;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use axum::http::StatusCode;
use fanwave_store::catalogue::{Catalogue, CatalogueError, Entry, Webhook};
use fanwave_wire::{UnixMillis, token::TokenKey};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;

pub use self::secret::secret;
use crate::{
    Api, Problem,
    accounts::{new_id, refused},
};

/// What the routes of webhooks answer from.
pub struct Webhooks {
    /// Where they are kept.
    pub catalogue: Catalogue,
    /// What their secrets are derived from.
    pub key: TokenKey,
    /// The wall clock.
    pub now: fn() -> UnixMillis,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}

impl Webhooks {
    fn now(&self) -> i64 {
        i64::try_from((self.now)().0).unwrap_or(i64::MAX)
    }

    /// What is written into the audit log. The address is not: it may hold a secret.
    fn entry(
        &self,
        actor: &str,
        action: &str,
        webhook: &str,
        detail: &Value,
    ) -> Result<Entry, Problem> {
        let at = self.now();
        Ok(Entry {
            id: new_id("e", at)?,
            at,
            actor: actor.to_owned(),
            action: action.to_owned(),
            subject: webhook.to_owned(),
            detail: detail.to_string(),
        })
    }

    async fn find(&self, id: &str) -> Result<Webhook, Problem> {
        let found = self
            .catalogue
            .webhook(id)
            .await
            .map_err(|error| failed(&error))?;
        found.ok_or_else(unknown)
    }
}

impl Api {
    /// Where webhooks are kept, if they are.
    fn webhooks(&self) -> Result<&Webhooks, Problem> {
        self.webhooks.as_ref().ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "no_webhooks",
                "no webhooks are kept here: webhooks.kind is off",
            )
        })
    }
}

fn failed(error: &CatalogueError) -> Problem {
    refused(error)
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_webhook",
        "there is no webhook of this id",
    )
}

/// The routes of webhooks.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .merge(one::routes())
        .merge(deliveries::routes())
}
