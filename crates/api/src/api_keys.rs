//! `/api/v1/api-keys`: what back ends show, beside the keys of the configuration. For staff.
//!
//! A key is shown once, when it is made; of it only its SHA-256 is kept. It is looked for in the catalogue when it is shown, and again
//! after [`limits::API_KEY_KNOWN_FOR`]: one that is revoked is good for nothing after that, on every server.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_store::catalogue::{ApiKey as Kept, Digest};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    accounts::{Boss, Desk, digest_of, drawn, is_id, new_id, refused},
    channels::{Answer, fresh},
    extract::{InBody, InPath, Whole, malformed},
    keys::{ApiKey, Scope, is_name},
    limits::{self, API_KEY_LIFE_MAX},
};

/// What a key begins with: whoever finds one knows what it is, and scanners for lost secrets do.
const PREFIX: &str = "fak_";

/// Bytes of randomness in a key: beyond guessing.
const KEY_BYTES: usize = 24;

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
}

/// The keys of the catalogue that were shown lately.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<HashMap<Digest, (Instant, ApiKey)>>);

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}

impl Shelf {
    fn find(&self, digest: &Digest) -> Option<ApiKey> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (since, _)| since.elapsed() < limits::API_KEY_KNOWN_FOR);
        known.get(digest).map(|(_, key)| key.clone())
    }

    /// All of them are looked for again.
    fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// There are never more than the catalogue has.
    fn put(&self, digest: Digest, key: ApiKey) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < limits::API_KEYS_MAX {
            known.insert(digest, (Instant::now(), key));
        }
    }
}

/// The key that somebody shows, if it is one of the catalogue.
pub(crate) async fn find(api: &Api, shown: &str) -> Result<Option<ApiKey>, Problem> {
    let Some(digest) = digest_of::<KEY_BYTES>(PREFIX, shown) else {
        return Ok(None);
    };
    let Some(desk) = &api.accounts else {
        return Ok(None);
    };
    if let Some(known) = desk.api_keys.find(&digest) {
        return Ok(Some(known));
    }
    let found = desk.catalogue().api_key(&digest, desk.now()).await;
    let Some(kept) = found.map_err(|error| refused(&error))? else {
        return Ok(None);
    };
    let key = ApiKey::new(&kept.name, scopes_of(&kept.scopes), digest);
    desk.api_keys.put(digest, key.clone());
    Ok(Some(key))
}

/// What the catalogue has of scopes; one of a newer version means nothing here.
fn scopes_of(text: &str) -> Vec<Scope> {
    text.split(',')
        .filter_map(|name| Scope::from_str(name).ok())
        .collect()
}

/// A key, without the key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
struct Shown {
    /// Its own.
    #[schema(example = "y-019ac3f1d2e0a1b2c3d4e5f60718293a")]
    id: String,
    /// What you call it.
    name: String,
    /// What it may be used for.
    #[schema(value_type = Vec<Scope>)]
    scopes: Vec<&'static str>,
    /// Milliseconds since 1970.
    created_at: i64,
    /// From when on it is good for nothing, milliseconds since 1970; null: it has no end.
    expires_at: Option<i64>,
}

impl From<Kept> for Shown {
    fn from(key: Kept) -> Self {
        Self {
            scopes: scopes_of(&key.scopes)
                .into_iter()
                .map(Scope::name)
                .collect(),
            id: key.id,
            name: key.name,
            created_at: key.created_at,
            expires_at: key.expires_at,
        }
    }
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MadeApiKey)]
struct Made {
    #[serde(flatten)]
    shown: Shown,
    /// The key itself, which is not shown again.
    #[schema(pattern = "^fak_[0-9a-f]{48}$")]
    key: String,
}

/// The keys that are good, in the order in which they were made. Those of the configuration are not among them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKeys)]
struct List {
    keys: Vec<Shown>,
}

/// What a new key is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiKey)]
struct Wish {
    /// What you call it, such as the back end's name; it acts under it where it names nobody.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,32}$", example = "shop")]
    name: String,
    /// What it may be used for.
    #[schema(min_items = 1, max_items = 5)]
    scopes: Vec<Scope>,
    /// For how long it is good, milliseconds, up to ten years; it has no end, if that is not said.
    #[schema(value_type = Option<u64>, maximum = 315_360_000_000i64)]
    lasts_ms: Option<Whole>,
}

/// The key in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct KeyPath {
    /// The key's id.
    #[param(pattern = "^y-[0-9a-f]{32}$")]
    id: String,
}

/// Lists the API keys
///
/// Those that are good, in the order in which they were made: at most 50. For staff.
#[utoipa::path(
    get, path = "/api-keys", tag = "accounts", operation_id = "listApiKeys", security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The keys, without what they are.", body = List),
        (status = 404, description = "`no_accounts`: none are kept here."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn list(State(api): State<Arc<Api>>, _: Boss) -> Result<Answer<List>, Problem> {
    let desk = api.desk()?;
    let keys = desk.catalogue().api_keys(desk.now()).await;
    let keys = keys.map_err(|error| refused(&error))?;
    Ok(fresh(List {
        keys: keys.into_iter().map(Shown::from).collect(),
    }))
}

/// Makes an API key
///
/// The answer has the key, which is not shown again. For staff.
#[utoipa::path(
    post, path = "/api-keys", tag = "accounts", operation_id = "createApiKey", security(("session" = []), ("bearer" = [])),
    request_body = Wish,
    responses(
        (status = 201, description = "The key.", body = Made),
        (status = 400, description = "`malformed_body`: the detail says what cannot be used."),
        (status = 404, description = "`no_accounts`: none are kept here."),
        (status = 409, description = "`too_many`: there are 50 keys; revoke one."),
        (status = 422, description = "`key_name_refused`: it cannot be called that."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn create(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InBody(wish): InBody<Wish>,
) -> Result<Response, Problem> {
    let desk = api.desk()?;
    if !is_name(&wish.name) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "key_name_refused",
            "a key's name has 1 to 32 of a-z A-Z 0-9 - _ .",
        ));
    }
    let scopes = scopes(&wish.scopes)?;
    let lasts = match wish.lasts_ms {
        Some(Whole(millis)) if u128::from(millis) > API_KEY_LIFE_MAX.as_millis() => {
            let most = API_KEY_LIFE_MAX.as_millis();
            return Err(malformed(&format_args!("lasts_ms is {most} at most")));
        }
        lasts => lasts.and_then(|Whole(millis)| i64::try_from(millis).ok()),
    };
    make(desk, &staff, (wish.name, scopes), lasts).await
}

/// Scopes as they are kept, each once.
fn scopes(wanted: &[Scope]) -> Result<String, Problem> {
    let mut names: Vec<&str> = Vec::new();
    for scope in wanted {
        let name = scope.name();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() || wanted.len() > limits::API_KEY_SCOPES_MAX {
        return Err(malformed(&"scopes has one to five entries"));
    }
    Ok(names.join(","))
}

async fn make(
    desk: &Desk,
    staff: &Boss,
    (name, scopes): (String, String),
    lasts: Option<i64>,
) -> Result<Response, Problem> {
    let text = drawn::<KEY_BYTES>(PREFIX)?;
    let digest = digest_of::<KEY_BYTES>(PREFIX, &text).ok_or_else(unknown)?;
    let now = desk.now();
    let key = Kept {
        id: new_id("y", now)?,
        name,
        scopes,
        created_at: now,
        expires_at: lasts.map(|lasts| now.saturating_add(lasts)),
    };
    let detail = json!({ "name": key.name, "scopes": key.scopes, "expires_at": key.expires_at });
    let entry = desk.entry((staff.id(), "api_key.made"), &key.id, &detail)?;
    let added = desk.catalogue().add_api_key(&key, &digest, &entry).await;
    if added.map_err(|error| refused(&error))? {
        let made = Made {
            shown: key.into(),
            key: text,
        };
        Ok((StatusCode::CREATED, fresh(made)).into_response())
    } else {
        Err(Problem::new(
            StatusCode::CONFLICT,
            "too_many",
            "there are as many API keys as there may be: revoke one that is not used",
        ))
    }
}

/// Revokes an API key
///
/// Within a second it is good for nothing, on any server. For staff.
#[utoipa::path(
    delete, path = "/api-keys/{id}", tag = "accounts", operation_id = "revokeApiKey", params(KeyPath),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "It is good for nothing."),
        (status = 404, description = "`unknown_key` or `no_accounts`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn revoke(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(KeyPath { id }): InPath<KeyPath>,
) -> Result<StatusCode, Problem> {
    let desk = api.desk()?;
    if !is_id("y", &id) {
        return Err(unknown());
    }
    let entry = desk.entry((staff.id(), "api_key.revoked"), &id, &json!({}))?;
    let revoked = desk.catalogue().revoke_api_key(&id, &entry).await;
    desk.api_keys.clear();
    if revoked.map_err(|error| refused(&error))? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown())
    }
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_key",
        "there is no API key of this id",
    )
}
