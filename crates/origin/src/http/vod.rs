//! Recordings to viewers: their playlists, and the media of streams that are not shown any more.
//!
//! A recording's playlists name the addresses that its segments had while the show was on, so that whoever has cached one
//! need not fetch it again.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use fanwave_live::{
    Media,
    lifetime::{self, Lifetime, Response as Kind},
};
use fanwave_vault::{VaultError, recording::About};

use super::{
    AUDIO_TYPE, VIDEO_TYPE, cache, prepare_playlist, priority, refuse,
    stored::{self, NoBody},
    takes_gzip, thumbnails, unknown,
};
use crate::{
    LibraryError,
    archive::library::{File, Library},
    shared::Shared,
};

/// `index.m3u8`, or the playlist of a rendition.
pub(super) async fn playlist(
    State(shared): State<Arc<Shared>>,
    Path((recording, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    shared.metrics.playlist_requests.inc();
    if file == "thumbnails.vtt" {
        return thumbnails::recorded(&shared, &recording).await;
    }
    let Some(name) = file.strip_suffix(".m3u8") else {
        return unknown();
    };
    let Some(archive) = &shared.archive else {
        return unknown();
    };
    let contents = match archive.library(shared.clock).contents(&recording).await {
        Ok(contents) => contents,
        Err(error) => return missing(&error).unwrap_or_else(unknown),
    };
    let name = if name == "index" { "" } else { name };
    match contents.playlist(name) {
        Some(playlist) => {
            // A complete one never changes, and yet it may be deleted.
            let lifetime = lifetime_of(&contents.about, Kind::PlainPlaylist);
            prepare_playlist(&playlist, takes_gzip(&headers), false, || lifetime).response()
        }
        None => unknown(),
    }
}

/// A segment or an init section of a recorded stream, by the address that it had while the show was on; `None` if nothing of
/// that name is recorded.
pub(super) async fn media(
    shared: &Shared,
    (channel, prefix, rendition): (&str, &str, &str),
    media: Media,
    range: Option<&HeaderValue>,
) -> Option<Response> {
    let archive = shared.archive.as_ref()?;
    let library = archive.library(shared.clock);
    let (channel, rendition) = (channel.parse().ok()?, rendition.parse().ok()?);
    let file = match media {
        Media::Init(id) => File::Init(id),
        Media::Segment(msn) => File::Segment(msn),
        // Parts are for those who follow a show that is on.
        Media::Part(_) => return None,
    };
    let (contents, is_audio) = match library.rendition(&channel, prefix, &rendition).await {
        Ok(found) => found,
        Err(error) => return missing(&error),
    };
    let place = Library::place(&channel, prefix, &rendition, file);
    let vault = library.vault();
    // Of a segment it is written down, and a bucket need not be asked.
    let known = vault
        .spool()
        .and_then(|_| contents.bytes(rendition.as_str(), media));
    let size = match known {
        Some(0) => return None,
        Some(size) => size,
        None => match vault.size(&place).await {
            Ok(size) => size,
            Err(VaultError::NotFound) => return None,
            Err(error) => return Some(unreadable(&error)),
        },
    };
    let open = async |span| vault.read(&place, Some(span)).await;
    let mut response = match stored::send(archive, 0..size, range, open).await {
        Ok(response) => response,
        Err(NoBody::Gone) => return None,
        Err(NoBody::Unavailable) => return Some(unavailable()),
    };
    let headers = response.headers_mut();
    let (kind, urgency) = if is_audio {
        (AUDIO_TYPE, priority::SOUND)
    } else {
        (VIDEO_TYPE, priority::of_pictures(0))
    };
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(priority::NAME, urgency);
    cache(headers, lifetime_of(&contents.about, Kind::Media));
    Some(response)
}

pub(super) fn lifetime_of(about: &About, kind: Kind) -> Lifetime {
    lifetime::of(kind, Duration::from_secs(about.target_duration_s.into()))
}

/// What is answered where nothing can be read: 503, or `None` for what is known to be nowhere.
pub(super) fn missing(error: &LibraryError) -> Option<Response> {
    match error {
        LibraryError::Storage(error) => Some(unreadable(error)),
        LibraryError::Unread => Some(unavailable()),
        _ => None,
    }
}

pub(super) fn unreadable(error: &VaultError) -> Response {
    tracing::warn!(%error, "a recording cannot be read");
    unavailable()
}

pub(super) fn unavailable() -> Response {
    refuse(
        StatusCode::SERVICE_UNAVAILABLE,
        Lifetime::NoStore,
        "not available now: try again",
    )
}
