//! HTTP to viewers: playlists, held until they hold what was asked for, and media.
//!
//! Who asks is answered by the stream, or waits for the rendition's watch and asks again. No state is
//! kept here, nothing is polled, and who waits has no timer ([`holds`](crate::holds)). What viewers ask for again and again is recognised by [`Viewing`] in front of the router;
//! the routes here are for the rest, and come to the same answers. Every answer says how long it may be cached (`live::lifetime`) and how urgent it is
//! ([`priority`]), allows any origin (the media of a public show), and shows scripts the `Age` that low-latency players
//! read. None redirects, sets a cookie, or depends on who asks: a cache has to keep it once for all.

pub(crate) mod audience;
mod body;
mod negotiate;
mod prepared;
mod priority;
mod stored;
mod thumbnails;
mod viewing;
mod vod;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use fanwave_live::{
    Asked, InitId, Media, MediaSeq, Moment, Position, RenditionId,
    lifetime::{self, Lifetime, Response as Kind},
    render::PLAYLIST_MIME,
};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use self::viewing::Wanted;
pub use self::{
    negotiate::accepts_gzip,
    prepared::{Answered, Prepared},
    viewing::{Ask, Awaited, Look, ViewerRequest, Viewing, Woken},
};
use crate::{
    metrics::Counted,
    playlist::Playlist,
    shared::Shared,
    stream::{Reply, Stream},
};

/// Fields of a prepared answer, with the date that is added to it.
const PREPARED_FIELDS: usize = 11;

const PLAYLIST_TYPE: HeaderValue = HeaderValue::from_static(PLAYLIST_MIME);
const VIDEO_TYPE: HeaderValue = HeaderValue::from_static("video/mp4");
const AUDIO_TYPE: HeaderValue = HeaderValue::from_static("audio/mp4");

/// The routes of all channels.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let live = Router::new()
        .route("/{channel}/master.m3u8", get(master).options(preflight))
        .route(
            "/{channel}/thumbnails.vtt",
            get(thumbnails::live).options(preflight),
        )
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
        .with_state(Arc::clone(&shared));
    let vod = Router::new()
        .route(
            "/{recording}/{playlist}",
            get(vod::playlist).options(preflight),
        )
        .fallback(unknown_address)
        .layer(middleware::map_response(allow_any_origin))
        .with_state(shared);
    Router::new().nest("/live", live).nest("/vod", vod)
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
    let gzip = takes_gzip(&headers);
    match stream.and_then(|stream| Some((stream.master()?, stream))) {
        Some((playlist, stream)) => prepare_playlist(&playlist, gzip, false, || {
            lifetime_of(&stream, Kind::Multivariant)
        })
        .response(),
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
    let names = (&*channel, &*prefix, &*file);
    let directives = query.as_deref().unwrap_or_default();
    match Wanted::playlist(&shared, names, directives, takes_gzip(&headers)) {
        Some(wanted) => wanted.answer(&shared).await.0.into_response(),
        None => {
            shared.metrics.playlist_requests.inc();
            unknown()
        }
    }
}

async fn media(
    State(shared): State<Arc<Shared>>,
    Path((channel, prefix, name, file)): Path<(String, String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let (place, file) = ((&*channel, &*prefix), (&*name, &*file));
    if let Some(wanted) = Wanted::media(&shared, place, file, headers.get(header::RANGE)) {
        return wanted.answer(&shared).await.0.into_response();
    }
    let (name, file) = file;
    shared.metrics.media_requests.inc();
    if name == fanwave_vault::thumbnails::FOLDER {
        let picture = thumbnails::picture(&shared, (&channel, &prefix), file, &headers).await;
        return picture.unwrap_or_else(unknown);
    }
    // A stream that is not shown any more may be recorded.
    let recorded = async || {
        let range = headers.get(header::RANGE);
        vod::media(&shared, (&channel, &prefix, name), media_of(file)?, range).await
    };
    recorded().await.unwrap_or_else(unknown)
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING);
    accepts_gzip(values.into_iter().map(HeaderValue::as_bytes))
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
    for_everybody(response.headers_mut());
    response
}

/// What is said with every answer: pages of any origin may read it, and its type is not to be guessed.
fn for_everybody(headers: &mut HeaderMap) {
    let fields = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            "Age, Content-Length, Content-Range, Date",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fields {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// What the stream says to a request now, and whether it may wait if it has to.
fn ask_now<T>(shared: &Shared, since: &mut Since, ask: impl FnOnce(Asked) -> Reply<T>) -> Reply<T> {
    let now = shared.clock.now();
    match ask(Asked { at: since.at, now }) {
        Reply::Wait(until) => shared.holds.note(until),
        reply => return reply,
    }
    if since.waiting.is_none() {
        since.waiting = Waiting::begin(shared);
    }
    if since.waiting.is_none() || *shared.stop.borrow() {
        return Reply::Unavailable;
    }
    Reply::Wait(now)
}

/// Asks the stream, and holds the request for as long as the stream says so.
async fn answer<T>(
    shared: &Shared,
    (stream, rendition): (&Stream, RenditionId),
    since: &mut Since,
    ask: impl Fn(Asked) -> Reply<T>,
) -> (Reply<T>, Option<Woken>) {
    let Some(mut changed) = stream.watch(rendition) else {
        return (Reply::Gone, None);
    };
    loop {
        // Marked before asking: what changes after the answer then ends the wait.
        changed.mark_unchanged();
        let reply = ask_now(shared, since, &ask);
        if !matches!(reply, Reply::Wait(_)) {
            let woken = since.woken(shared, &reply, || *changed.borrow());
            return (reply, woken);
        }
        // It does not fail: the stream is held by who asks.
        drop(changed.changed().await);
    }
}

/// Since when somebody asks.
#[derive(Debug)]
struct Since {
    /// When the request came.
    at: Moment,
    waiting: Option<Waiting>,
}

impl Since {
    fn now(shared: &Shared) -> Self {
        Self {
            at: shared.clock.now(),
            waiting: None,
        }
    }

    /// What is measured of a reply that was waited for.
    fn woken<T>(
        &self,
        shared: &Shared,
        reply: &Reply<T>,
        changed: impl FnOnce() -> Instant,
    ) -> Option<Woken> {
        let is_due = self.waiting.is_some() && matches!(reply, Reply::Ready(_));
        is_due.then(|| Woken::new(changed(), &shared.metrics.wake_seconds.0))
    }
}

/// What a request has for as long as it waits.
#[derive(Debug)]
struct Waiting {
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Waiting {
    /// None if no more may wait.
    fn begin(shared: &Shared) -> Option<Self> {
        let permit = Arc::clone(&shared.waiting).try_acquire_owned().ok()?;
        Some(Self {
            _permit: permit,
            _counted: Counted::new(&shared.metrics.waiting_requests),
        })
    }
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

/// The answer that is the same for all who ask for this version in this way.
fn prepare_playlist(
    playlist: &Playlist,
    gzip: bool,
    is_blocking: bool,
    lifetime: impl FnOnce() -> Lifetime,
) -> Arc<Prepared> {
    playlist.prepared(gzip, is_blocking, || {
        let mut headers = HeaderMap::with_capacity(PREPARED_FIELDS);
        headers.insert(header::CONTENT_TYPE, PLAYLIST_TYPE);
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(priority::NAME, priority::PLAYLIST);
        if gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        cache(&mut headers, lifetime());
        for_everybody(&mut headers);
        headers
    })
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
