//! What viewers ask for again and again, answered without the layers of a router: media playlists and media.
//!
//! Ten thousand may wait for one part. So what a request holds while it waits is what it has asked for and no more, and
//! whoever is woken takes an answer that was put together once for all of them.

use std::{ops::Range, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    response::Response,
};
use bytes::Bytes;
use fanwave_live::{
    Directive, Kind as MediaKind, Media, MediaSeq, Position, Query, RenditionId,
    lifetime::Response as Kind,
};
use prometheus_client::metrics::histogram::Histogram;
use tokio::{sync::watch, time::Instant};

use super::{
    AUDIO_TYPE, PREPARED_FIELDS, Since, VIDEO_TYPE, answer, ask_now, audience, body, cache,
    for_everybody, lifetime_of, media_of, prepare_playlist,
    prepared::{Answered, Prepared},
    priority, refuse_reply,
    stored::{self, NoBody},
    takes_gzip, vod,
};
use crate::{
    channel::Channel,
    playlist::Playlist,
    shared::Shared,
    stream::{Found, Reply, Stream},
};

/// Where the viewers' requests are recognised; clones are the same.
#[derive(Debug, Clone)]
pub struct Viewing {
    shared: Arc<Shared>,
}

impl Viewing {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The request, if it is one that a viewer makes again and again; everything else is for the router. Of the fields no
    /// others are read than `Accept-Encoding` and `Range`.
    #[must_use]
    pub fn asked(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<ViewerRequest> {
        if *method != Method::GET {
            return None;
        }
        self.got(&Ask {
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            gzip: takes_gzip(headers),
            range: headers.get(header::RANGE),
        })
    }

    /// The same of a GET.
    #[must_use]
    pub fn got(&self, ask: &Ask<'_>) -> Option<ViewerRequest> {
        let names = ask.path.strip_prefix("/live/")?;
        // A name that is written in another way than playlists write it is read by the router.
        if names.contains('%') {
            return None;
        }
        let mut names = names.split('/');
        let (channel, stream, third) = (names.next()?, names.next()?, names.next()?);
        let asked = match (names.next(), names.next()) {
            (None, _) => {
                let names = (channel, stream, third);
                Wanted::playlist(&self.shared, names, ask.query, ask.gzip)
            }
            (Some(file), None) => {
                Wanted::media(&self.shared, (channel, stream), (third, file), ask.range)
            }
            (Some(_), Some(_)) => return None,
        };
        // Where there is no such file, the router may know more.
        Some(ViewerRequest {
            shared: Arc::clone(&self.shared),
            asked: asked?,
        })
    }
}

/// What an answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask<'a> {
    /// Of the address, as it was written.
    pub path: &'a str,
    /// Behind the question mark of the address, empty where there is none.
    pub query: &'a str,
    /// Whether the answer may be compressed; see [`accepts_gzip`](super::accepts_gzip).
    pub gzip: bool,
    /// The value of `Range`.
    pub range: Option<&'a HeaderValue>,
}

/// A request that was recognised.
#[derive(Debug)]
pub struct ViewerRequest {
    shared: Arc<Shared>,
    asked: Wanted,
}

impl ViewerRequest {
    /// The answer, once there is one; and if it was waited for, what has to be dropped when it has been handed on.
    pub async fn answer(self) -> (Answered, Option<Woken>) {
        let (mut answered, woken) = self.asked.answer(&self.shared).await;
        if let Answered::Other(response) = &mut answered {
            for_everybody(response.headers_mut());
        }
        (answered, woken)
    }

    /// What can be said at once. Whoever is told that it waits asks again when what it waits for has changed
    /// ([`changes`](Self::changes)), or leaves that to [`answer`](Self::answer).
    pub fn look(&mut self) -> Look {
        self.asked.look(&self.shared)
    }

    /// What it waits for, if it waits.
    #[must_use]
    pub fn awaited(&self) -> Awaited {
        Awaited {
            stream: Arc::as_ptr(&self.asked.stream).addr(),
            rendition: self.asked.rendition,
        }
    }

    /// Told whenever it may be worth looking again, by a change after this. It ends with the stream.
    #[must_use]
    pub fn changes(&self) -> Option<watch::Receiver<Instant>> {
        self.asked.stream.watch(self.asked.rendition)
    }
}

/// What can be said to a request at once.
#[derive(Debug)]
pub enum Look {
    /// The answer; and if it was waited for, what has to be dropped when it has been handed on.
    Ready(Arc<Prepared>, Option<Woken>),
    /// It is not there yet.
    Waits,
    /// An answer of another kind, or one that takes time to make.
    Other,
}

/// What requests wait for that are woken together, as long as one of them is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Awaited {
    /// Where it lies.
    stream: usize,
    rendition: RenditionId,
}

/// An answer that was waited for: when this is dropped, it is measured how long ago the stream had what was waited for.
#[derive(Debug)]
pub struct Woken {
    since: Instant,
    seconds: Histogram,
}

impl Woken {
    pub(super) fn new(since: Instant, seconds: &Histogram) -> Self {
        Self {
            since,
            seconds: seconds.clone(),
        }
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        self.seconds.observe(self.since.elapsed().as_secs_f64());
    }
}

/// A file of a stream that there is: what is kept of a request while it waits.
#[derive(Debug)]
pub(super) struct Wanted {
    channel: Arc<Channel>,
    stream: Arc<Stream>,
    rendition: RenditionId,
    file: File,
    since: Since,
}

#[derive(Debug)]
enum File {
    Playlist {
        query: Query,
        gzip: bool,
    },
    Media {
        media: Media,
        range: Option<HeaderValue>,
    },
}

impl Wanted {
    pub(super) fn playlist(
        shared: &Shared,
        (channel, prefix, file): (&str, &str, &str),
        query: &str,
        gzip: bool,
    ) -> Option<Self> {
        let name = file.strip_suffix(".m3u8")?;
        let file = File::Playlist {
            query: Query::parse(query),
            gzip,
        };
        Self::find(shared, (channel, prefix, name), file)
    }

    pub(super) fn media(
        shared: &Shared,
        (channel, prefix): (&str, &str),
        (name, file): (&str, &str),
        range: Option<&HeaderValue>,
    ) -> Option<Self> {
        let file = File::Media {
            media: media_of(file)?,
            range: range.cloned(),
        };
        Self::find(shared, (channel, prefix, name), file)
    }

    fn find(
        shared: &Shared,
        (channel, prefix, name): (&str, &str, &str),
        file: File,
    ) -> Option<Self> {
        let channel = shared.channel(channel)?;
        let stream = channel.stream(prefix)?;
        let rendition = stream.config().rendition(name)?;
        match &file {
            File::Playlist { query, .. } => {
                shared.metrics.playlist_requests.inc();
                let pause = audience::pause(stream.config(), rendition, &query.directive);
                if let Some(pause) = pause {
                    shared.audience.note(shared.clock.now(), pause);
                }
            }
            File::Media { .. } => {
                shared.metrics.media_requests.inc();
            }
        }
        Some(Self {
            channel: Arc::clone(channel),
            stream,
            rendition,
            file,
            since: Since::now(shared),
        })
    }

    /// What can be said at once.
    fn look(&mut self, shared: &Shared) -> Look {
        let (stream, rendition) = (&self.stream, self.rendition);
        let changed = || stream.changed_at(rendition);
        match &self.file {
            File::Playlist { query, gzip } => {
                let ask = |asked| stream.playlist(asked, rendition, query);
                let reply = ask_now(shared, &mut self.since, ask);
                let woken = self.since.woken(shared, &reply, changed);
                match reply {
                    Reply::Ready(playlist) => {
                        Look::Ready(self.playlist_prepared(&playlist, query, *gzip), woken)
                    }
                    Reply::Wait(_) => Look::Waits,
                    _ => Look::Other,
                }
            }
            File::Media {
                media: Media::Part(position),
                range: None,
            } => {
                let ask = |asked| stream.part(asked, rendition, *position);
                let reply = ask_now(shared, &mut self.since, ask);
                let woken = self.since.woken(shared, &reply, changed);
                match reply {
                    Reply::Ready(Found::Prepared(part)) => Look::Ready(part, woken),
                    Reply::Ready(Found::Pieces(pieces)) => match self.part(*position, &pieces) {
                        Some(part) => Look::Ready(part, woken),
                        None => Look::Other,
                    },
                    Reply::Wait(_) => Look::Waits,
                    _ => Look::Other,
                }
            }
            File::Media { .. } => Look::Other,
        }
    }

    pub(super) async fn answer(mut self, shared: &Shared) -> (Answered, Option<Woken>) {
        match &self.file {
            File::Playlist { query, gzip } => {
                let of = (&*self.stream, self.rendition);
                let (reply, woken) = answer(shared, of, &mut self.since, |asked| {
                    self.stream.playlist(asked, self.rendition, query)
                })
                .await;
                let answered = match reply {
                    Reply::Ready(playlist) => {
                        Answered::Prepared(self.playlist_prepared(&playlist, query, *gzip))
                    }
                    other => Answered::Other(refuse_reply(&self.stream, &other)),
                };
                (answered, woken)
            }
            File::Media { media, range } => {
                let (media, range) = (*media, range.clone());
                self.media_answer(shared, media, range.as_ref()).await
            }
        }
    }

    fn playlist_prepared(&self, playlist: &Playlist, query: &Query, gzip: bool) -> Arc<Prepared> {
        let kind = match query.directive {
            Directive::Plain => Kind::PlainPlaylist,
            Directive::Segment(_) | Directive::Part(_) | Directive::Bad(_) => {
                Kind::BlockingPlaylist
            }
        };
        let is_blocking = kind == Kind::BlockingPlaylist;
        let lifetime = || lifetime_of(&self.stream, kind);
        prepare_playlist(playlist, gzip, is_blocking, lifetime)
    }

    /// The answer to all who ask for the whole of a part that is in memory, if it is one of those that are kept.
    fn part(&self, position: Position, pieces: &[Bytes]) -> Option<Arc<Prepared>> {
        let [bytes] = pieces else {
            return None;
        };
        let part = self.prepare(bytes.clone());
        let is_kept = (self.stream).keep_prepared(self.rendition, position, Arc::clone(&part));
        is_kept.then_some(part)
    }

    async fn media_answer(
        &mut self,
        shared: &Shared,
        media: Media,
        range: Option<&HeaderValue>,
    ) -> (Answered, Option<Woken>) {
        let (stream, rendition) = (&self.stream, self.rendition);
        let ask = |asked| match (media, range) {
            (Media::Part(position), None) => stream.part(asked, rendition, position),
            _ => stream.media(asked, rendition, media),
        };
        let (reply, woken) = answer(shared, (stream, rendition), &mut self.since, ask).await;
        let response = match reply {
            Reply::Ready(Found::Prepared(part)) => return (Answered::Prepared(part), woken),
            Reply::Ready(Found::Pieces(pieces)) => {
                if let (Media::Part(position), None) = (media, range)
                    && let Some(part) = self.part(position, &pieces)
                {
                    return (Answered::Prepared(part), woken);
                }
                self.describe(body::send(pieces, range))
            }
            Reply::Ready(Found::Stored { msn, span }) => {
                // Boxed, like what is recorded: most answers are neither, and every request has room for the longest.
                match Box::pin(self.stored(shared, msn, (span, range))).await {
                    Ok(response) => self.describe(response),
                    Err(NoBody::Gone) => refuse_reply(stream, &Reply::<()>::Gone),
                    Err(NoBody::Unavailable) => refuse_reply(stream, &Reply::<()>::Unavailable),
                }
            }
            // What has left the playlists of a show may be recorded.
            Reply::Gone => match Box::pin(self.recorded(shared, media, range)).await {
                Some(response) => response,
                None => refuse_reply(stream, &Reply::<()>::Gone),
            },
            other => refuse_reply(stream, &other),
        };
        (Answered::Other(response), woken)
    }

    async fn recorded(
        &self,
        shared: &Shared,
        media: Media,
        range: Option<&HeaderValue>,
    ) -> Option<Response> {
        let mut renditions = self.stream.config().renditions();
        let (_, spec) = renditions.find(|(id, _)| *id == self.rendition)?;
        let name = spec.name.to_string();
        let place = (self.channel.id().as_str(), self.stream.folder(), &*name);
        vod::media(shared, place, media, range).await
    }

    /// A stretch of a segment from the storage.
    async fn stored(
        &self,
        shared: &Shared,
        msn: MediaSeq,
        (span, range): (Range<u64>, Option<&HeaderValue>),
    ) -> Result<Response, NoBody> {
        let archive = shared.archive.as_ref().ok_or(NoBody::Gone)?;
        let (_, spec) = self
            .stream
            .config()
            .renditions()
            .find(|(id, _)| *id == self.rendition)
            .ok_or(NoBody::Gone)?;
        let open = async |span| {
            let place = (&spec.name, msn);
            archive
                .read(self.channel.id(), self.stream.folder(), place, span)
                .await
        };
        stored::send(archive, span, range, open).await
    }

    /// The answer to all who ask for the whole of a part.
    fn prepare(&self, bytes: Bytes) -> Arc<Prepared> {
        let mut headers = HeaderMap::with_capacity(PREPARED_FIELDS);
        self.describe_by(&mut headers);
        body::accept_ranges(&mut headers);
        for_everybody(&mut headers);
        Arc::new(Prepared::new(headers, bytes))
    }

    /// Media, with what is said of it.
    fn describe(&self, mut response: Response<Body>) -> Response {
        self.describe_by(response.headers_mut());
        response
    }

    fn describe_by(&self, headers: &mut HeaderMap) {
        let (content_type, urgency) = match self.stream.config().kind(self.rendition) {
            Some(MediaKind::Audio) => (AUDIO_TYPE, priority::SOUND),
            Some(MediaKind::Video) | None => (
                VIDEO_TYPE,
                priority::of_pictures(self.stream.rank(self.rendition)),
            ),
        };
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(priority::NAME, urgency);
        cache(headers, lifetime_of(&self.stream, Kind::Media));
    }
}
