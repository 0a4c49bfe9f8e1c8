//! `/api/v1/channels/{id}/stream-keys`: what encoders publish with, beside the keys of the configuration. For staff.
//!
//! A key is shown once, when it is made; of it only its SHA-256 is kept. One that is revoked or replaced is good for no encoder
//! that comes, and ends the one that publishes with it within seconds. A key may be for one show: it ends when that is stopped or
//! cancelled.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_store::catalogue::{Digest, KeyAdded, StreamKey};
use fanwave_wire::RoomId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    accounts::{Boss, Desk, digest_of, drawn, is_id, new_id, refused},
    body::MayHaveBody,
    channels::{Answer, fresh},
    extract::{ChannelPath, InBody, InPath, Whole, malformed},
    guests::wanted_name,
    limits::{STREAM_KEY_LIFE_MAX, STREAM_KEY_OVERLAP_MAX},
    name,
    schedule::{is_open, wrong_state},
};

/// What a key begins with: whoever finds one knows what it is, and scanners for lost secrets do.
const PREFIX: &str = "fsk_";

/// Bytes of randomness in a key: beyond guessing.
const KEY_BYTES: usize = 24;

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(replace))
        .routes(routes!(revoke))
}

/// What is kept of a key; `None` if it can be none of these, but may be one of the configuration's.
#[must_use]
pub fn digest(key: &str) -> Option<Digest> {
    digest_of::<KEY_BYTES>(PREFIX, key)
}

/// A key, without the key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StreamKey)]
struct Shown {
    /// Its own.
    #[schema(example = "k-019ac3f1d2e0a1b2c3d4e5f60718293a")]
    id: String,
    /// What you call it.
    name: String,
    /// Milliseconds since 1970.
    created_at: i64,
    /// From when on it is good for nothing, milliseconds since 1970; null: it has no end.
    expires_at: Option<i64>,
    /// The show that it is for, and with which it ends; null: it is for none.
    show: Option<String>,
}

impl From<StreamKey> for Shown {
    fn from(key: StreamKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            created_at: key.created_at,
            expires_at: key.expires_at,
            show: key.show,
        }
    }
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MadeStreamKey)]
struct Made {
    #[serde(flatten)]
    shown: Shown,
    /// The key itself, which is not shown again.
    key: String,
}

/// The keys of a channel that are good, in the order in which they were made. Those of the configuration are not among them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StreamKeys)]
struct List {
    /// The channel's id.
    #[schema(value_type = String)]
    channel: RoomId,
    keys: Vec<Shown>,
}

/// What a new key is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewStreamKey)]
struct Wish {
    /// What you call it, such as the encoder's place.
    #[schema(schema_with = wanted_name)]
    name: String,
    /// For how long it is good, milliseconds, up to ten years; it has no end, if that is not said.
    #[schema(value_type = Option<u64>, maximum = 315_360_000_000i64)]
    lasts_ms: Option<Whole>,
    /// The show that it is for: when that is stopped or cancelled, the key is good for nothing, and ends the encoder that publishes with
    /// it.
    #[schema(pattern = "^w-[0-9a-f]{32}$")]
    show: Option<String>,
}

/// How a key is replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StreamKeyReplacement)]
struct Replacement {
    /// For how long the old key is good beside the new one, milliseconds, up to a day; not at all, if that is not said.
    #[schema(value_type = Option<u64>, maximum = 86_400_000)]
    overlap_ms: Option<Whole>,
}

/// The key in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct KeyPath {
    /// The channel's id.
    #[param(
        pattern = "^[A-Za-z0-9._-]+$",
        min_length = 1,
        max_length = 64,
        example = "demo"
    )]
    id: String,
    /// The key's id.
    #[param(pattern = "^k-[0-9a-f]{32}$")]
    key: String,
}

/// Lists the stream keys
///
/// Those that are good, in the order in which they were made: at most 50. For staff.
#[utoipa::path(
    get, path = "/channels/{id}/stream-keys", tag = "shows", operation_id = "listStreamKeys", params(ChannelPath),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The keys, without what they are.", body = List),
        (status = 404, description = "`unknown_channel` or `no_accounts`: no such channel, or none are kept here."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn list(
    State(api): State<Arc<Api>>,
    _: Boss,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
) -> Result<Answer<List>, Problem> {
    let channel = api.channel(&id)?.id.clone();
    let desk = api.desk()?;
    let keys = desk.catalogue().stream_keys(&id, desk.now()).await;
    let keys = keys.map_err(|error| refused(&error))?;
    Ok(fresh(List {
        channel,
        keys: keys.into_iter().map(Shown::from).collect(),
    }))
}

/// Makes a stream key
///
/// The answer has the key, which is not shown again. For staff.
#[utoipa::path(
    post, path = "/channels/{id}/stream-keys", tag = "shows", operation_id = "createStreamKey", params(ChannelPath),
    security(("session" = []), ("bearer" = [])), request_body = Wish,
    responses(
        (status = 201, description = "The key.", body = Made),
        (status = 400, description = "`malformed_body`: the detail says what cannot be used."),
        (status = 404, description = "`unknown_channel`, `unknown_show` or `no_accounts`: there is none, or none are kept here."),
        (status = 409, description = "`too_many`: the channel has 50 keys; revoke one. `show_state`: the show is over."),
        (status = 422, description = "`name_empty`, `name_too_long`, `name_character`: it cannot be called that."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn create(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InBody(wish): InBody<Wish>,
) -> Result<Response, Problem> {
    let channel = &api.channel(&id)?.id;
    let desk = api.desk()?;
    let name = name::parse(&wish.name).map_err(|error| {
        let (code, words) = (error.code(), error.to_string());
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, words)
    })?;
    let lasts = millis("lasts_ms", wish.lasts_ms, STREAM_KEY_LIFE_MAX)?;
    if let Some(id) = &wish.show {
        let show = api.show(channel.as_str(), id).await?;
        if !is_open(show.state) {
            return Err(wrong_state(show.state, "a key is for one that is not over"));
        }
    }
    let key = StreamKey {
        id: new_id("k", desk.now())?,
        channel: channel.to_string(),
        name: name.to_string(),
        created_at: desk.now(),
        expires_at: lasts.map(|lasts| desk.now().saturating_add(lasts)),
        show: wish.show,
    };
    make(desk, &staff, key, None).await
}

/// Replaces a stream key
///
/// The answer has a new key of the same name and for the same show, which is not shown again. The old one ends, at once or after a while in which both are
/// good. For staff.
#[utoipa::path(
    post, path = "/channels/{id}/stream-keys/{key}/replace", tag = "shows", operation_id = "replaceStreamKey", params(KeyPath),
    security(("session" = []), ("bearer" = [])), request_body = Option<Replacement>,
    responses(
        (status = 201, description = "The new key.", body = Made),
        (status = 400, description = "`malformed_body`: the overlap is longer than a day."),
        (status = 404, description = "`unknown_channel`, `unknown_key` or `no_accounts`: there is none."),
        (status = 409, description = "`too_many`: the channel has 50 keys; revoke one."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn replace(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(KeyPath { id, key }): InPath<KeyPath>,
    MayHaveBody(Replacement { overlap_ms }): MayHaveBody<Replacement>,
) -> Result<Response, Problem> {
    api.channel(&id)?;
    let desk = api.desk()?;
    let overlap = millis("overlap_ms", overlap_ms, STREAM_KEY_OVERLAP_MAX)?;
    let keys = desk.catalogue().stream_keys(&id, desk.now()).await;
    let keys = keys.map_err(|error| refused(&error))?;
    let old = keys.into_iter().find(|known| known.id == key);
    let old = old.ok_or_else(unknown)?;
    let ends_at = desk.now().saturating_add(overlap.unwrap_or_default());
    let key = StreamKey {
        id: new_id("k", desk.now())?,
        created_at: desk.now(),
        expires_at: None,
        ..old.clone()
    };
    make(desk, &staff, key, Some((&*old.id, ends_at))).await
}

/// A span of time in milliseconds.
fn millis(name: &str, span: Option<Whole>, span_max: Duration) -> Result<Option<i64>, Problem> {
    let Some(Whole(millis)) = span else {
        return Ok(None);
    };
    if u128::from(millis) > span_max.as_millis() {
        let most = span_max.as_millis();
        return Err(malformed(&format_args!("{name} is {most} at most")));
    }
    Ok(i64::try_from(millis).ok())
}

/// Makes a key, in place of another until a time if there is one.
async fn make(
    desk: &Desk,
    staff: &Boss,
    key: StreamKey,
    replaced: Option<(&str, i64)>,
) -> Result<Response, Problem> {
    let text = drawn::<KEY_BYTES>(PREFIX)?;
    let digest = digest(&text).ok_or_else(unknown)?;
    let (action, detail) = match replaced {
        None => (
            "stream_key.made",
            json!({ "channel": key.channel, "expires_at": key.expires_at, "show": key.show }),
        ),
        Some((old, ends_at)) => (
            "stream_key.replaced",
            json!({ "channel": key.channel, "old": old, "old_ends_at": ends_at }),
        ),
    };
    let entry = desk.entry((staff.id(), action), &key.id, &detail)?;
    let added = desk
        .catalogue()
        .add_stream_key(&key, &digest, replaced, &entry);
    match added.await.map_err(|error| refused(&error))? {
        KeyAdded::New => {
            let made = Made {
                shown: key.into(),
                key: text,
            };
            Ok((StatusCode::CREATED, fresh(made)).into_response())
        }
        KeyAdded::TooMany => Err(Problem::new(
            StatusCode::CONFLICT,
            "too_many",
            "the channel has as many stream keys as one may have: revoke one that is not used",
        )),
        KeyAdded::Unknown => Err(unknown()),
    }
}

/// Revokes a stream key
///
/// No encoder is let in with it from now on, and one that publishes with it is let go within seconds. For staff.
#[utoipa::path(
    delete, path = "/channels/{id}/stream-keys/{key}", tag = "shows", operation_id = "revokeStreamKey", params(KeyPath),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "It is good for nothing."),
        (status = 404, description = "`unknown_channel`, `unknown_key` or `no_accounts`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn revoke(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(KeyPath { id, key }): InPath<KeyPath>,
) -> Result<StatusCode, Problem> {
    api.channel(&id)?;
    let desk = api.desk()?;
    if !is_id("k", &key) {
        return Err(unknown());
    }
    let detail = json!({ "channel": id });
    let entry = desk.entry((staff.id(), "stream_key.revoked"), &key, &detail)?;
    let revoked = desk.catalogue().revoke_stream_key(&id, &key, &entry).await;
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
        "the channel has no stream key of this id",
    )
}
