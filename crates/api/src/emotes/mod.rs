//! Emotes: small pictures of a channel, each with a code. A message has the code, as text; clients show the picture for it.
//!
//! | Method and path | Answer |
//! |---|---|
//! | `GET`, `POST /api/v1/channels/{id}/emotes` | all of them; a new one, for staff |
//! | `DELETE /api/v1/channels/{id}/emotes/{emote}` | takes one away; for staff |
//! | `GET /api/v1/channels/{id}/emotes/{emote}/image` | its picture, which never changes |
//!
//! What kind of picture it is, is read from its bytes, and it is served as that and as nothing else. Lists and pictures come from memory
//! ([`Emotes`]): everybody who opens a page asks for them.

mod image;
mod shelf;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fanwave_store::catalogue::{Emote, EmoteAdded, limits::EMOTES_MAX};
use fanwave_wire::{RoomId, path};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::shelf::Emotes;
use crate::{
    Api, Problem,
    accounts::{Boss, Desk, is_id, new_id, refused},
    body::LargeBody,
    channels::{Answer, fresh},
    extract::{ChannelPath, InPath, malformed},
    limits::{EMOTE_BYTES_MAX, EMOTE_CODE_CHARS_MAX, EMOTE_CODE_CHARS_MIN},
};

impl Api {
    /// The emotes of a channel, by code; none where no accounts are kept.
    pub(crate) fn emotes_of(&self, channel: &RoomId) -> Arc<[Emote]> {
        let desk = self.accounts.as_ref();
        desk.map(|desk| desk.emotes().of(channel.as_str()))
            .unwrap_or_default()
    }
}

/// What an id of an emote begins with.
const KIND: &str = "m";

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(remove))
        .routes(routes!(picture))
}

/// The emote in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct EmotePath {
    /// The channel's id.
    #[param(
        pattern = "^[A-Za-z0-9._-]+$",
        min_length = 1,
        max_length = 64,
        example = "demo"
    )]
    id: String,
    /// The emote's id.
    #[param(pattern = "^m-[0-9a-f]{32}$")]
    emote: String,
}

/// An emote.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Emote)]
struct Shown {
    /// Its own.
    #[schema(example = "m-019ac3f1d2e0a1b2c3d4e5f60718293a")]
    id: String,
    /// What stands in a message for it, between colons.
    #[schema(example = "wave")]
    code: String,
    /// Where the picture is; what is there never changes.
    #[schema(example = "/api/v1/channels/demo/emotes/m-019ac3f1d2e0a1b2c3d4e5f60718293a/image")]
    image: String,
    /// `image/png`, `image/gif` or `image/webp`.
    media_type: String,
    /// Of the picture, pixels.
    width: i64,
    /// Of the picture, pixels.
    height: i64,
}

impl From<&Emote> for Shown {
    fn from(emote: &Emote) -> Self {
        let Emote { id, channel, .. } = emote;
        Self {
            id: id.clone(),
            code: emote.code.clone(),
            image: format!("{}/channels/{channel}/emotes/{id}/image", path::API_V1),
            media_type: emote.media_type.clone(),
            width: emote.width,
            height: emote.height,
        }
    }
}

/// All emotes of a channel, by code.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Emotes)]
struct List {
    /// The channel's id.
    #[schema(value_type = String)]
    channel: RoomId,
    emotes: Vec<Shown>,
}

/// Lists the emotes of a channel
///
/// All of them, by code: at most 200. Where a message has the code of one between colons, clients show its picture.
#[utoipa::path(
    get, path = "/channels/{id}/emotes", tag = "channels", operation_id = "listEmotes", params(ChannelPath),
    responses(
        (status = 200, description = "All of them.", body = List),
        (status = 404, description = "`unknown_channel` or `no_accounts`: no such channel, or none are kept here."),
    ),
)]
async fn list(
    State(api): State<Arc<Api>>,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
) -> Result<Answer<List>, Problem> {
    let channel = api.channel(&id)?.id.clone();
    let emotes = api.desk()?.emotes().of(&id);
    Ok(fresh(List {
        channel,
        emotes: emotes.iter().map(Shown::from).collect(),
    }))
}

/// A new emote.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewEmote)]
struct Wish {
    /// What is to stand in a message for it, between colons.
    #[schema(pattern = "^[a-z0-9_]{2,32}$", example = "wave")]
    code: String,
    /// A PNG, GIF or WebP of up to 64 KiB and 256 by 256 pixels, in base64.
    #[schema(
        content_encoding = "base64",
        max_length = 87_384,
        pattern = "^[A-Za-z0-9+/]+={0,2}$"
    )]
    image: String,
}

/// Adds an emote
///
/// What kind of picture it is, is read from its bytes. For staff.
#[utoipa::path(
    post, path = "/channels/{id}/emotes", tag = "channels", operation_id = "createEmote", params(ChannelPath),
    security(("session" = []), ("bearer" = [])), request_body = Wish,
    responses(
        (status = 201, description = "The emote.", body = Shown),
        (status = 404, description = "`unknown_channel` or `no_accounts`: no such channel, or none are kept here."),
        (status = 409, description = "`code_taken`: the channel has one of this code. `too_many_emotes`: it has 200; remove one."),
        (status = 422, description = "`image_refused`: the detail says what is wrong with the picture."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn create(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    LargeBody(wish): LargeBody<Wish>,
) -> Result<Response, Problem> {
    let channel = &api.channel(&id)?.id;
    let desk = api.desk()?;
    is_code(&wish.code)?;
    let (bytes, image) = picture_of(&wish.image)?;
    let emote = Emote {
        id: new_id(KIND, desk.now())?,
        channel: channel.to_string(),
        code: wish.code,
        media_type: image.media_type.to_owned(),
        width: image.width.into(),
        height: image.height.into(),
        created_at: desk.now(),
    };
    let detail = json!({ "channel": emote.channel, "code": emote.code, "bytes": bytes.len() });
    let entry = desk.entry((staff.id(), "emote.added"), &emote.id, &detail)?;
    let added = desk.catalogue().add_emote(&emote, &bytes, &entry).await;
    match added.map_err(|error| refused(&error))? {
        EmoteAdded::New => {
            look(desk).await;
            let shown = fresh(Shown::from(&emote));
            Ok((StatusCode::CREATED, shown).into_response())
        }
        EmoteAdded::Taken => Err(Problem::new(
            StatusCode::CONFLICT,
            "code_taken",
            "the channel has an emote of this code: remove that one first",
        )),
        EmoteAdded::Full => Err(Problem::new(
            StatusCode::CONFLICT,
            "too_many_emotes",
            format!("the channel has {EMOTES_MAX} emotes already: remove one"),
        )),
    }
}

fn is_code(code: &str) -> Result<(), Problem> {
    let is_of = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let fits = (EMOTE_CODE_CHARS_MIN..=EMOTE_CODE_CHARS_MAX).contains(&code.len());
    if fits && code.bytes().all(is_of) {
        return Ok(());
    }
    Err(malformed(
        &"code has 2 to 32 small letters, digits and underscores",
    ))
}

fn picture_of(text: &str) -> Result<(Vec<u8>, image::Image), Problem> {
    let refuse =
        |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "image_refused", detail);
    let bytes = STANDARD.decode(text);
    let bytes = bytes.map_err(|_| refuse("the image is no base64".to_owned()))?;
    if bytes.len() > EMOTE_BYTES_MAX {
        return Err(refuse(format!(
            "the image has more than {EMOTE_BYTES_MAX} bytes"
        )));
    }
    let image = image::read(&bytes).map_err(|error| refuse(format!("of the image: {error}")))?;
    Ok((bytes, image))
}

/// Has what was done here be seen here at once.
async fn look(desk: &Desk) {
    if let Err(error) = desk.emotes().refresh(desk.catalogue()).await {
        tracing::warn!(%error, "the emotes are not read again: they are in a moment");
    }
}

/// Removes an emote
///
/// Clients that have its picture may go on showing it. This cannot be undone: add it again. For staff.
#[utoipa::path(
    delete, path = "/channels/{id}/emotes/{emote}", tag = "channels", operation_id = "deleteEmote", params(EmotePath),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "`unknown_channel`, `unknown_emote` or `no_accounts`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn remove(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(EmotePath { id, emote }): InPath<EmotePath>,
) -> Result<StatusCode, Problem> {
    api.channel(&id)?;
    let desk = api.desk()?;
    if !is_id(KIND, &emote) {
        return Err(unknown());
    }
    let entry = desk.entry(
        (staff.id(), "emote.removed"),
        &emote,
        &json!({ "channel": id }),
    )?;
    let removed = desk.catalogue().remove_emote(&id, &emote, &entry).await;
    if removed.map_err(|error| refused(&error))? {
        look(desk).await;
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown())
    }
}

/// The bytes of a picture.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "its description is all that is used of it")]
struct Picture(Vec<u8>);

/// Whoever has a picture never has to ask for it again; it is shown as what it is, on any page, and can do nothing.
const PICTURE: [(HeaderName, HeaderValue); 5] = [
    (
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    ),
    (
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    ),
];

/// Shows the picture of an emote
///
/// It never changes: caches may keep it for ever.
#[utoipa::path(
    get, path = "/channels/{id}/emotes/{emote}/image", tag = "channels", operation_id = "readEmoteImage", params(EmotePath),
    responses(
        (status = 200, description = "The picture.", content((Picture = "image/png"), (Picture = "image/gif"), (Picture = "image/webp"))),
        (status = 404, description = "`unknown_channel`, `unknown_emote` or `no_accounts`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn picture(
    State(api): State<Arc<Api>>,
    InPath(EmotePath { id, emote }): InPath<EmotePath>,
) -> Result<Response, Problem> {
    api.channel(&id)?;
    let desk = api.desk()?;
    if !is_id(KIND, &emote) {
        return Err(unknown());
    }
    let found = desk.emotes().picture(desk.catalogue(), (&id, &emote)).await;
    let found = found.map_err(|error| refused(&error))?;
    let (media_type, bytes): (HeaderValue, Bytes) = found.ok_or_else(unknown)?;
    Ok((PICTURE, [(header::CONTENT_TYPE, media_type)], bytes).into_response())
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_emote",
        "the channel has no emote of this id",
    )
}
