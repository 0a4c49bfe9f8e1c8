//! `GET /api/v1/audit?before=&limit=`: what was done by whom, newest first.

use std::sync::Arc;

use axum::extract::State;
use fanwave_store::catalogue::Entry;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    bearer::Boss,
    people::{is_cursor, rows},
    refused,
};
use crate::{
    Api, Problem,
    channels::{Answer, fresh},
    extract::{InQuery, PageLimit},
};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(page))
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// Only those before this one: `next_before` of the page before.
    #[param(pattern = "^e-[0-9a-f]{32}$")]
    before: Option<String>,
    /// How many at most; 50, if that is not said.
    #[serde(default)]
    #[param(inline, required = false)]
    limit: PageLimit,
}

/// Something that was done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountAuditEntry)]
struct ShownEntry {
    /// Its own.
    id: String,
    /// When, milliseconds since 1970.
    at: i64,
    /// Who did it: an account, or the user of a token.
    actor: String,
    /// What, such as `account.suspended`.
    action: String,
    /// To whom or what.
    subject: String,
    /// How; without secrets and without names of people.
    #[schema(value_type = Object)]
    detail: Value,
}

impl From<Entry> for ShownEntry {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            at: entry.at,
            actor: entry.actor,
            action: entry.action,
            subject: entry.subject,
            detail: serde_json::from_str(&entry.detail).unwrap_or_default(),
        }
    }
}

/// What was done, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountAudit)]
struct Page {
    entries: Vec<ShownEntry>,
    /// Cursor of the next, older page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before: Option<String>,
}

/// Reads the audit log
///
/// What was done with accounts by whom, newest first. It is only ever added to. For staff.
#[utoipa::path(
    get, path = "/audit", tag = "accounts", operation_id = "readAccountAudit", params(Ask), security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "A page.", body = Page),
        (status = 400, description = "`malformed_query`: the detail says what cannot be used."),
        (status = 404, description = "`no_accounts`: none are kept here."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn page(
    State(api): State<Arc<Api>>,
    _: Boss,
    InQuery(ask): InQuery<Ask>,
) -> Result<Answer<Page>, Problem> {
    let limit = rows(ask.limit);
    is_cursor("e", ask.before.as_deref())?;
    let found = api
        .desk()?
        .catalogue()
        .audit_before(ask.before.as_deref(), limit)
        .await
        .map_err(|error| refused(&error))?;
    let is_full = u32::try_from(found.len()).is_ok_and(|found| found == limit);
    let last = found.last().filter(|_| is_full);
    Ok(fresh(Page {
        next_before: last.map(|entry| entry.id.clone()),
        entries: found.into_iter().map(ShownEntry::from).collect(),
    }))
}
