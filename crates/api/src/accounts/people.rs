//! Accounts as the staff see and change them.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fanwave_store::catalogue::{Account, Change, Changed, limits::PAGE_MAX};
use fanwave_wire::Role;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Shown, bearer::Boss, refused, secrets};
use crate::{
    Api, Problem,
    channels::{Answer, fresh},
    extract::{InBody, InPath, InQuery, PageLimit},
};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, change))
}

/// Which accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// Only those behind this one: `next_after` of the page before.
    #[param(pattern = "^a-[0-9a-f]{32}$")]
    after: Option<String>,
    /// How many at most; 50, if that is not said.
    #[serde(default)]
    #[param(inline, required = false)]
    limit: PageLimit,
}

/// Lets a cursor pass that a page can have named.
pub(crate) fn is_cursor(kind: &str, cursor: Option<&str>) -> Result<(), Problem> {
    if cursor.is_none_or(|cursor| secrets::is_id(kind, cursor)) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "malformed_query",
        "the query cannot be used: no page has named this cursor",
    ))
}

/// How many rows are asked of the catalogue.
pub(crate) fn rows(limit: PageLimit) -> u32 {
    u32::try_from(limit.0).map_or(PAGE_MAX, |limit| limit.min(PAGE_MAX))
}

/// Some accounts, in the order in which they were made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accounts)]
struct Page {
    accounts: Vec<Shown>,
    /// Cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<String>,
}

/// Lists the accounts
///
/// Page by page, in the order in which they were made. For staff.
#[utoipa::path(
    get, path = "/accounts", tag = "accounts", operation_id = "listAccounts", params(Ask), security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "A page.", body = Page),
        (status = 400, description = "`malformed_query`: the detail says what cannot be used."),
        (status = 404, description = "`no_accounts`: none are kept here."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn list(
    State(api): State<Arc<Api>>,
    _: Boss,
    InQuery(ask): InQuery<Ask>,
) -> Result<Answer<Page>, Problem> {
    let limit = rows(ask.limit);
    is_cursor("a", ask.after.as_deref())?;
    let found = api
        .desk()?
        .catalogue()
        .accounts_after(ask.after.as_deref(), limit)
        .await
        .map_err(|error| refused(&error))?;
    let is_full = u32::try_from(found.len()).is_ok_and(|found| found == limit);
    let last = found.last().filter(|_| is_full);
    Ok(fresh(Page {
        next_after: last.map(|account| account.id.clone()),
        accounts: found.into_iter().map(Shown::from).collect(),
    }))
}

/// The account in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct AccountPath {
    /// The account's id.
    #[param(pattern = "^a-[0-9a-f]{32}$")]
    id: String,
}

/// Shows an account
///
/// With its version as `ETag`. For staff.
#[utoipa::path(
    get, path = "/accounts/{id}", tag = "accounts", operation_id = "readAccount", params(AccountPath), security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The account.", body = Shown, headers(("ETag" = String, description = "Its version."))),
        (status = 404, description = "`unknown_account` or `no_accounts`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn show(
    State(api): State<Arc<Api>>,
    _: Boss,
    InPath(AccountPath { id }): InPath<AccountPath>,
) -> Result<Response, Problem> {
    let found = api.desk()?.catalogue().account(&id).await;
    Ok(tagged(
        found
            .map_err(|error| refused(&error))?
            .ok_or_else(unknown)?,
    ))
}

/// What an account may become.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AccountRole)]
enum Wanted {
    /// May chat.
    Fan,
    /// May also chat where only members may.
    Member,
    /// May also moderate.
    Moderator,
    /// May also write to the room's own lane.
    Artist,
    /// May do everything.
    Staff,
}

impl From<Wanted> for Role {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Fan => Self::Fan,
            Wanted::Member => Self::Member,
            Wanted::Moderator => Self::Moderator,
            Wanted::Artist => Self::Artist,
            Wanted::Staff => Self::Staff,
        }
    }
}

/// What is to be changed; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountChange, min_properties = 1)]
struct Patch {
    /// Another role.
    #[serde(default, deserialize_with = "there")]
    #[schema(nullable = false)]
    role: Option<Wanted>,
    /// Whether they are kept out.
    #[serde(default, deserialize_with = "there")]
    #[schema(nullable = false)]
    suspended: Option<bool>,
}

/// A field that may be left out, and is no null where it is not.
pub(crate) fn there<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    field: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// Changes an account
///
/// Another role, or whether somebody is kept out. All sessions and open sockets of the account end, so that nothing of what it was
/// is left. With `If-Match`, only what was read is changed. For staff.
#[utoipa::path(
    patch, path = "/accounts/{id}", tag = "accounts", operation_id = "changeAccount", request_body = Patch,
    params(AccountPath, IfMatch),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The account.", body = Shown, headers(("ETag" = String, description = "Its version."))),
        (status = 400, description = "`malformed_if_match`: it is no ETag."),
        (status = 404, description = "`unknown_account` or `no_accounts`: there is none."),
        (status = 409, description = "`own_account`: nobody changes their own role."),
        (status = 412, description = "`changed_meanwhile`: it has another version."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn change(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(AccountPath { id }): InPath<AccountPath>,
    headers: HeaderMap,
    InBody(patch): InBody<Patch>,
) -> Result<Response, Problem> {
    let desk = api.desk()?;
    let version = expected(&headers)?;
    if patch.role.is_none() && patch.suspended.is_none() {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_body",
            "the body changes nothing: it has a role, suspended, or both",
        ));
    }
    let role = patch.role.map(Role::from);
    if staff.id() == id {
        // The last member of staff could otherwise lock everybody out.
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "own_account",
            "nobody changes their own role: ask another member of staff",
        ));
    }
    let action = match (patch.suspended, role) {
        (Some(true), _) => "account.suspended",
        (Some(false), _) => "account.restored",
        (None, _) => "account.role",
    };
    let change = Change {
        version,
        role: role.map(|role| role.name().to_owned()),
        suspended: patch.suspended,
        ends_sessions: true,
        ..Change::default()
    };
    let detail = json!({ "role": role.map(Role::name), "suspended": patch.suspended });
    let entry = desk.entry((staff.id(), action), &id, &detail)?;
    let changed = desk.catalogue().change_account(&id, &change, &entry).await;
    match changed.map_err(|error| refused(&error))? {
        Changed::Made(account) => {
            api.throw_out(staff.0, &id).await;
            Ok(tagged(*account))
        }
        Changed::Moved => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "changed_meanwhile",
            "the account was changed since it was read: read it again",
        )),
        Changed::Unknown => Err(unknown()),
    }
}

/// Which version is to be changed.
#[derive(IntoParams)]
#[into_params(parameter_in = Header, names("If-Match"))]
#[expect(dead_code, reason = "it is read from the headers as they are")]
pub(crate) struct IfMatch(
    /// The `ETag` that was read.
    #[param(required = false, pattern = "^(\"[0-9]{1,18}\"|[0-9]{1,18}|[*])$")]
    String,
);

/// Digits of a version: any number of so many fits.
const VERSION_CHARS_MAX: usize = 18;

/// The version that `If-Match` names (RFC 9110, section 13.1.1), if it names one.
pub(crate) fn expected(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    // Some leave the quotes out; a version is a number, and cannot be taken for anything else.
    let tag = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    let is_tag = (1..=VERSION_CHARS_MAX).contains(&tag.len())
        && tag.bytes().all(|byte| byte.is_ascii_digit());
    if !is_tag {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_if_match",
            "If-Match is the ETag that was read, or *",
        ));
    }
    Ok(tag.parse().ok())
}

fn tagged(account: Account) -> Response {
    let tag = HeaderValue::try_from(format!("\"{}\"", account.version));
    let mut response = fresh(Shown::from(account)).into_response();
    if let Ok(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_account",
        "there is no account of this id",
    )
}
