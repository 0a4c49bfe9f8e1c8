//! HTTP to viewers: playlists, held until they hold what was asked for, and media.
//!
//! A handler finds the stream, asks it, and obeys: answer, or wait for the rendition's watch and ask again. No state is
//! kept here, and nothing is polled. Every answer says how long it may be cached (`live::lifetime`) and how urgent it is
//! ([`priority`]), allows any origin (the media of a public show), and shows scripts the `Age` that low-latency players
//! read. None redirects, sets a cookie, or depends on who asks: a cache has to keep it once for all.

mod body;
mod negotiate;
mod priority;
mod stored;

use std::{ops::Range, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use fanwave_live::{
    Asked, Directive, InitId, Kind as MediaKind, Media, MediaSeq, Position, Query, RenditionId,
    lifetime::{self, Lifetime, Response as Kind},
    render::PLAYLIST_MIME,
};

use self::stored::NoBody;
use crate::{
    metrics::Counted,
    playlist::Playlist,
    shared::{Shared, stopped},
    stream::{Found, Reply, Stream},
};

const PLAYLIST_TYPE: HeaderValue = HeaderValue::from_static(PLAYLIST_MIME);
const VIDEO_TYPE: HeaderValue = HeaderValue::from_static("video/mp4");
const AUDIO_TYPE: HeaderValue = HeaderValue::from_static("audio/mp4");

/// The routes of all channels.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let live = Router::new()
        .route("/{channel}/master.m3u8", get(master).options(preflight))
        .route(
            "/{channel}/{stream}/{playlist}",
            get(playlist).options(preflight),
        )
        .route(
            "/{channel}/{stream}/{rendition}/{file}",
            get(media).options(preflight),
        )
        // A page of another origin is told by any address that there is nothing, in place of a failure without a reason.
        .fallback(unknown_address)
        .layer(middleware::map_response(allow_any_origin))
        .with_state(shared);
    Router::new().nest("/live", live)
}

async fn master(
    State(shared): State<Arc<Shared>>,
    Path(channel): Path<String>,
    headers: HeaderMap,
) -> Response {
    shared.metrics.playlist_requests.inc();
    let stream = shared
        .channel(&channel)
        .and_then(|channel| channel.current());
    let found = stream
        .and_then(|stream| Some((stream.master()?, lifetime_of(&stream, Kind::Multivariant))));
    match found {
        Some((playlist, lifetime)) => send_playlist(&playlist, &headers, lifetime),
        None => refuse(
            StatusCode::NOT_FOUND,
            Lifetime::NoStore,
            "this channel is not live",
        ),
    }
}

async fn playlist(
    State(shared): State<Arc<Shared>>,
    Path((channel, prefix, file)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    shared.metrics.playlist_requests.inc();
    let name = file.strip_suffix(".m3u8").unwrap_or_default();
    let Some((stream, rendition)) = find(&shared, &channel, &prefix, name) else {
        return unknown();
    };
    let query = Query::parse(query.as_deref().unwrap_or_default());
    let reply = answer(&shared, &stream, rendition, |asked| {
        stream.playlist(asked, rendition, &query)
    })
    .await;
    let kind = match query.directive {
        Directive::Plain => Kind::PlainPlaylist,
        Directive::Segment(_) | Directive::Part(_) | Directive::Bad(_) => Kind::BlockingPlaylist,
    };
    match reply {
        Reply::Ready(playlist) => send_playlist(&playlist, &headers, lifetime_of(&stream, kind)),
        other => refuse_reply(&stream, &other),
    }
}

async fn media(
    State(shared): State<Arc<Shared>>,
    Path((channel, prefix, name, file)): Path<(String, String, String, String)>,
    headers: HeaderMap,
) -> Response {
    shared.metrics.media_requests.inc();
    let Some((stream, rendition)) = find(&shared, &channel, &prefix, &name) else {
        return unknown();
    };
    let Some(media) = media_of(&file) else {
        return unknown();
    };
    let content_type = match stream.config().kind(rendition) {
        Some(MediaKind::Audio) => AUDIO_TYPE,
        Some(MediaKind::Video) | None => VIDEO_TYPE,
    };
    match answer(&shared, &stream, rendition, |asked| {
        stream.media(asked, rendition, media)
    })
    .await
    {
        Reply::Ready(found) => {
            let lifetime = lifetime_of(&stream, Kind::Media);
            let range = headers.get(header::RANGE);
            let mut response = match found {
                Found::Pieces(pieces) => body::send(pieces, range),
                Found::Stored { msn, span } => {
                    match send_stored(&shared, &stream, &channel, (&name, msn), (span, range)).await
                    {
                        Ok(response) => response,
                        Err(NoBody::Gone) => return refuse_reply(&stream, &Reply::<()>::Gone),
                        Err(NoBody::Unavailable) => {
                            return refuse_reply(&stream, &Reply::<()>::Unavailable);
                        }
                    }
                }
            };
            let headers = response.headers_mut();
            let urgency = if content_type == AUDIO_TYPE {
                priority::SOUND
            } else {
                priority::of_pictures(stream.rank(rendition))
            };
            headers.insert(header::CONTENT_TYPE, content_type);
            headers.insert(priority::NAME, urgency);
            cache(headers, lifetime);
            response
        }
        other => refuse_reply(&stream, &other),
    }
}

/// Sends a stretch of a segment from the storage.
async fn send_stored(
    shared: &Shared,
    stream: &Stream,
    channel: &str,
    (rendition, msn): (&str, MediaSeq),
    (span, range): (Range<u64>, Option<&HeaderValue>),
) -> Result<Response, NoBody> {
    let archive = shared.archive.as_ref().ok_or(NoBody::Gone)?;
    let channel = channel.parse().map_err(|_| NoBody::Gone)?;
    let rendition = rendition.parse().map_err(|_| NoBody::Gone)?;
    let open = async |span| {
        archive
            .read(&channel, stream.prefix(), (&rendition, msn), span)
            .await
    };
    stored::send(archive, span, range, open).await
}

/// Browsers ask before some cross-origin requests, such as those with a header that a player's user adds.
async fn preflight() -> Response {
    let allow = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, allow).into_response()
}

async fn allow_any_origin(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    let exposed = HeaderValue::from_static("Age, Content-Length, Content-Range, Date");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}

/// Asks the stream, and holds the request for as long as the stream says so.
async fn answer<T>(
    shared: &Shared,
    stream: &Stream,
    rendition: RenditionId,
    ask: impl Fn(Asked) -> Reply<T>,
) -> Reply<T> {
    let Some(mut changed) = stream.watch(rendition) else {
        return Reply::Gone;
    };
    let at = shared.clock.now();
    let mut stop = shared.stop.subscribe();
    let mut place = None;
    loop {
        // Marked before asking: what changes after the answer then ends the wait.
        changed.mark_unchanged();
        let not_past = match ask(Asked {
            at,
            now: shared.clock.now(),
        }) {
            Reply::Wait(not_past) => shared.clock.instant(not_past),
            reply => return reply,
        };
        if place.is_none() {
            let Ok(permit) = Arc::clone(&shared.waiting).try_acquire_owned() else {
                return Reply::Unavailable;
            };
            place = Some((permit, Counted::new(&shared.metrics.waiting_requests)));
        }
        tokio::select! {
            _ = changed.changed() => {}
            () = tokio::time::sleep_until(not_past) => {}
            () = stopped(&mut stop) => return Reply::Unavailable,
        }
    }
}

fn find(
    shared: &Shared,
    channel: &str,
    prefix: &str,
    rendition: &str,
) -> Option<(Arc<Stream>, RenditionId)> {
    let stream = shared.channel(channel)?.stream(prefix)?;
    let rendition = stream.config().rendition(rendition)?;
    Some((stream, rendition))
}

/// `init-{n}.mp4`, `{msn}.m4s` or `{msn}.{part}.m4s`.
fn media_of(file: &str) -> Option<Media> {
    if let Some(number) = file.strip_prefix("init-") {
        return Some(Media::Init(InitId(number_of(
            number.strip_suffix(".mp4")?,
        )?)));
    }
    let name = file.strip_suffix(".m4s")?;
    match name.split_once('.') {
        Some((msn, part)) => Some(Media::Part(Position::new(
            number_of(msn)?,
            number_of(part)?,
        ))),
        None => Some(Media::Segment(MediaSeq(number_of(name)?))),
    }
}

/// A number in the one way that playlists write it, so that a file has one name and caches keep it once.
fn number_of<N: std::str::FromStr + ToString>(text: &str) -> Option<N> {
    text.parse()
        .ok()
        .filter(|number: &N| number.to_string() == text)
}

fn lifetime_of(stream: &Stream, kind: Kind) -> Lifetime {
    lifetime::of(kind, stream.config().target_duration())
}

fn cache(headers: &mut HeaderMap, lifetime: Lifetime) {
    let value = HeaderValue::try_from(lifetime.to_string());
    headers.insert(
        header::CACHE_CONTROL,
        value.unwrap_or(HeaderValue::from_static("no-store")),
    );
}

fn send_playlist(playlist: &Playlist, asked: &HeaderMap, lifetime: Lifetime) -> Response {
    let gzip = negotiate::accepts_gzip(asked.get_all(header::ACCEPT_ENCODING));
    let bytes: Bytes = if gzip {
        playlist.gzip()
    } else {
        playlist.text()
    };
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, PLAYLIST_TYPE);
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(priority::NAME, priority::PLAYLIST);
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    cache(headers, lifetime);
    response
}

async fn unknown_address() -> Response {
    unknown()
}

fn unknown() -> Response {
    refuse(
        StatusCode::NOT_FOUND,
        Lifetime::NoStore,
        "there is no such file",
    )
}

fn refuse_reply<T>(stream: &Stream, reply: &Reply<T>) -> Response {
    let not_yet = lifetime_of(stream, Kind::NotYet);
    match reply {
        Reply::BadRequest(why) => refuse(StatusCode::BAD_REQUEST, not_yet, &why.to_string()),
        Reply::NotYet => refuse(StatusCode::NOT_FOUND, not_yet, "there is no such file yet"),
        Reply::Gone => refuse(
            StatusCode::NOT_FOUND,
            lifetime_of(stream, Kind::Gone),
            "there is no such file any more",
        ),
        Reply::Unavailable | Reply::Wait(_) | Reply::Ready(_) => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            not_yet,
            "not available now: try again",
        ),
    }
}

fn refuse(status: StatusCode, lifetime: Lifetime, text: &str) -> Response {
    let mut response = (status, format!("{text}\n")).into_response();
    cache(response.headers_mut(), lifetime);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_one_name_each() {
        assert_eq!(media_of("init-0.mp4"), Some(Media::Init(InitId(0))));
        assert_eq!(media_of("17.m4s"), Some(Media::Segment(MediaSeq(17))));
        assert_eq!(
            media_of("17.2.m4s"),
            Some(Media::Part(Position::new(17, 2)))
        );
        for file in [
            "",
            "init-.mp4",
            "init-00.mp4",
            "init-1.m4s",
            "+1.m4s",
            "01.m4s",
            "1.+2.m4s",
            "1.2.3.m4s",
            "-1.m4s",
            "18446744073709551616.m4s",
            "1.4294967296.m4s",
            "1.mp4",
            ".m4s",
        ] {
            assert_eq!(media_of(file), None, "{file}");
        }
    }
}
