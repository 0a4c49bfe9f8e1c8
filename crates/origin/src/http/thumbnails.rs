//! Pictures for whoever seeks: the track that names them, and the pictures and sheets themselves.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use fanwave_live::lifetime::{Lifetime, Response as Kind};
use fanwave_vault::{
    VaultError,
    thumbnails::{self, FOLDER},
};

use super::{
    body, cache, lifetime_of, number_of, priority,
    stored::{self, NoBody},
    unknown, vod,
};
use crate::{LibraryError, archive::library::Library, shared::Shared, thumbnails::track};

const JPEG: HeaderValue = HeaderValue::from_static("image/jpeg");

/// The track of the show that is on.
pub(super) async fn live(
    State(shared): State<Arc<Shared>>,
    Path(channel): Path<String>,
) -> Response {
    let stream = shared
        .channel(&channel)
        .and_then(|channel| channel.current());
    let Some((strip, stream)) = stream
        .as_ref()
        .and_then(|stream| Some((stream.thumbnails()?, stream)))
    else {
        return unknown();
    };
    // Named by the folder of the files, which no other server has: twins number their segments alike, and not their pictures.
    let cues = strip.cues(&format!("{}/{FOLDER}", stream.folder()));
    let text = track::live(stream.since(), &cues, strip.interval());
    send_track(text, lifetime_of(stream, Kind::PlainPlaylist))
}

/// The track of a recording.
pub(super) async fn recorded(shared: &Shared, id: &str) -> Response {
    let Some(archive) = &shared.archive else {
        return unknown();
    };
    match archive.library(shared.clock).thumbnails(id).await {
        Ok((text, contents)) => {
            send_track(text, vod::lifetime_of(&contents.about, Kind::PlainPlaylist))
        }
        Err(LibraryError::Storage(VaultError::NotFound)) => unknown(),
        Err(error) => vod::missing(&error).unwrap_or_else(unknown),
    }
}

fn send_track(text: String, lifetime: Lifetime) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(track::MIME));
    headers.insert(priority::NAME, priority::LAST);
    cache(headers, lifetime);
    response
}

/// A picture or a sheet, of a stream or of a recording; `None` if there is none.
pub(super) async fn picture(
    shared: &Shared,
    (channel, folder): (&str, &str),
    file: &str,
    headers: &HeaderMap,
) -> Option<Response> {
    let name = file.strip_suffix(".jpg")?;
    let range = headers.get(header::RANGE);
    let channel = shared.channel(channel)?;
    let stream = channel.stream_in(folder);
    if let Some(number) = name.strip_prefix("at-") {
        let stream = stream?;
        let jpeg = stream.thumbnails()?.single(number_of(number)?)?;
        let lifetime = lifetime_of(&stream, Kind::Media);
        return Some(described(body::send(vec![jpeg], range), lifetime));
    }
    let number: u32 = number_of(name)?;
    let archive = shared.archive.as_ref()?;
    let library = archive.library(shared.clock);
    // What is shown is read from nearby; what is shown no longer may be recorded.
    let (lifetime, vault) = match stream.filter(|stream| !stream.is_finished()) {
        Some(stream) => (lifetime_of(&stream, Kind::Media), library.vault().near()),
        None => match library.of_stream(channel.id(), folder).await {
            Ok(contents) => {
                let lifetime = vod::lifetime_of(&contents.about, Kind::Media);
                (lifetime, library.vault().clone())
            }
            Err(error) => return vod::missing(&error),
        },
    };
    let place = thumbnails::sheet_place(&Library::folder(channel.id(), folder), number);
    let size = match vault.size(&place).await {
        Ok(size) => size,
        Err(VaultError::NotFound) => return None,
        Err(error) => return Some(vod::unreadable(&error)),
    };
    let open = async |span| vault.read(&place, Some(span)).await;
    match stored::send(archive, 0..size, range, open).await {
        Ok(response) => Some(described(response, lifetime)),
        Err(NoBody::Gone) => None,
        Err(NoBody::Unavailable) => Some(vod::unavailable()),
    }
}

fn described(mut response: Response<Body>, lifetime: Lifetime) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JPEG);
    headers.insert(priority::NAME, priority::LAST);
    cache(headers, lifetime);
    response
}
