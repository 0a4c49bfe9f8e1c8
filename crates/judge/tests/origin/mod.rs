//! A small origin of low-latency HLS in memory, which does everything right, but for the one defect it is told to have.
//!
//! Its clock is tokio's: in a runtime whose time is paused, an hour of it takes as long as its requests.

pub(crate) mod defect;
mod media;
pub(crate) mod playlist;

use std::{
    convert::Infallible,
    fmt,
    io::Write,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use fanwave_judge::{
    Address,
    shell::dial::{Dial, Dialing, Wire},
};
use flate2::{Compression, write::GzEncoder};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::duplex,
    time::{Instant, Sleep, sleep, sleep_until},
};

use self::{
    defect::Defect,
    playlist::{Delta, Rendition},
};

/// Parts of a segment.
const PARTS: u64 = 5;
/// Segments of a playlist.
const WINDOW: u64 = 14;
/// How long a part is.
const PART: Duration = Duration::from_millis(200);
/// Parts that a request may be ahead: 3 / 0.2.
const ADVANCE_PARTS: u64 = 15;

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Origin {
    defect: Defect,
    start: Instant,
    plain: AtomicU64,
}

impl Origin {
    pub(crate) fn new(defect: Defect) -> Self {
        Self {
            defect,
            start: Instant::now(),
            plain: AtomicU64::new(0),
        }
    }

    pub(crate) fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    pub(crate) fn parts_per_segment(&self) -> u64 {
        if self.has(Defect::SegmentTooLong) {
            8
        } else {
            media::USUAL
        }
    }

    pub(crate) fn window(&self) -> u64 {
        match self.defect {
            Defect::WindowShort => 2,
            Defect::WindowNarrow => 4,
            Defect::DeltaNotOffered => 130,
            _ => playlist::USUAL_WINDOW,
        }
    }

    /// Parts at the start.
    pub(crate) fn first_parts(&self) -> u64 {
        let segments = if self.has(Defect::DeltaNotOffered) {
            140
        } else {
            20
        };
        segments * self.parts_per_segment()
    }

    /// Parts at the end, where there is one.
    pub(crate) fn end(&self) -> Option<u64> {
        use Defect::{ChangedAfterEnd, Ended, HeldAfterEnd, HintAfterEnd};
        let ends = matches!(
            self.defect,
            Ended | HintAfterEnd | ChangedAfterEnd | HeldAfterEnd
        );
        ends.then(|| self.first_parts() + 40)
    }

    /// By how much the media sequence is wrong.
    pub(crate) fn shift(&self, parts: u64) -> u64 {
        u64::from(self.has(Defect::SequenceWrong) && parts >= self.first_parts() + 27)
    }

    /// How many parts a rendition is behind.
    pub(crate) fn lag(&self, rendition: Rendition) -> u64 {
        if self.has(Defect::OutOfSync) && rendition == Rendition::Audio {
            3
        } else {
            0
        }
    }

    pub(crate) fn lagged(&self, rendition: Rendition, parts: u64) -> u64 {
        parts - self.lag(rendition)
    }

    /// Where the stream stands still, and for how long.
    fn stall(&self) -> (Duration, Duration) {
        let begin = Duration::from_secs(5);
        match self.defect {
            Defect::PartLate => (begin, Duration::from_millis(500)),
            Defect::SegmentLate => (begin, Duration::from_millis(1_400)),
            _ => (begin, Duration::ZERO),
        }
    }

    /// How many parts there are of a rendition now.
    fn parts(&self, rendition: Rendition) -> u64 {
        let (begin, lasts) = self.stall();
        let elapsed = self.start.elapsed();
        let elapsed = if elapsed > begin {
            elapsed.saturating_sub(lasts).max(begin)
        } else {
            elapsed
        };
        let made = u64::try_from(elapsed.as_millis() / PART.as_millis()).unwrap();
        let parts = self.lagged(rendition, self.first_parts() + made);
        match self.end() {
            Some(end) if !self.has(Defect::ChangedAfterEnd) => parts.min(end),
            _ => parts,
        }
    }

    /// When there are so many of a rendition.
    fn when(&self, rendition: Rendition, parts: u64) -> Instant {
        let made = (parts + self.lag(rendition)).saturating_sub(self.first_parts());
        let (begin, lasts) = self.stall();
        let after = PART * u32::try_from(made).unwrap();
        let after = if after > begin { after + lasts } else { after };
        self.start + after
    }

    async fn wait(&self, rendition: Rendition, parts: u64) {
        if self.parts(rendition) < parts {
            sleep_until(self.when(rendition, parts)).await;
        }
    }

    fn has_gone(&self) -> bool {
        self.has(Defect::GohlslibCloseIs500) && self.start.elapsed() > Duration::from_secs(7)
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let header = |name: &str| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        if self.has_gone() {
            return self.plainly(StatusCode::INTERNAL_SERVER_ERROR, "");
        }
        match path.strip_prefix("/live/") {
            Some("main.m3u8") => {
                self.text(playlist::multivariant(self), 1, header("accept-encoding"))
            }
            Some("v.m3u8") => {
                self.media_playlist(Rendition::Video, &query, header("accept-encoding"))
                    .await
            }
            Some("a.m3u8") => {
                self.media_playlist(Rendition::Audio, &query, header("accept-encoding"))
                    .await
            }
            Some(media) => {
                if self.has(Defect::Redirected) && query.is_empty() {
                    let mut answer = self.plainly(StatusCode::FOUND, "");
                    answer
                        .headers_mut()
                        .insert("location", format!("{path}?once").parse().unwrap());
                    return answer;
                }
                self.media(media, header("range")).await
            }
            None => self.not_found(),
        }
    }

    async fn media_playlist(
        &self,
        rendition: Rendition,
        query: &str,
        accepts: Option<String>,
    ) -> Answer {
        let value = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let (msn, part, skip) = (value("_HLS_msn"), value("_HLS_part"), value("_HLS_skip"));
        let is_ended = self.end().is_some_and(|end| self.parts(rendition) >= end);
        if is_ended && self.has(Defect::HeldAfterEnd) && msn.is_some() {
            return self.refused();
        }
        if msn.is_none() && part.is_some() && !self.has(Defect::OvenPartAlone) {
            return self.refused();
        }
        let number = msn.and_then(|msn| msn.parse::<u64>().ok());
        if msn.is_some() && number.is_none() && !self.has(Defect::NotANumber) {
            return self.refused();
        }
        let part = part.and_then(|part| part.parse::<u64>().ok());
        let mut parts = self.parts(rendition);
        if let (Some(msn), false, false) = (number, is_ended, self.has(Defect::NoBlocking)) {
            let msn = msn.saturating_sub(self.shift(parts));
            if let Err(refused) = self.block(rendition, msn, part).await {
                return refused;
            }
            parts = self.parts(rendition);
            if self.has(Defect::WentBack) && part.is_some() && parts.is_multiple_of(11) {
                parts -= 6;
            }
        }
        if msn.is_none() {
            let count = self.plain.fetch_add(1, Ordering::Relaxed);
            if self.has(Defect::PlainHeld) {
                sleep(Duration::from_millis(500)).await;
            }
            if self.has(Defect::Failed) && count > 3 {
                return self.plainly(StatusCode::INTERNAL_SERVER_ERROR, "");
            }
        }
        let offers = !self.has(Defect::DeltaNotOffered) && !is_ended;
        let delta = match skip {
            _ if !offers || self.has(Defect::NoDelta) => Delta::None,
            Some("v2") => Delta::V2,
            Some("YES") => Delta::Yes,
            _ => Delta::None,
        };
        let text = playlist::media(self, rendition, parts, delta);
        let lifetime = if number.is_some() { 6 } else { 1 };
        self.text(text, lifetime, accepts)
    }

    /// Holds a request until what it asks for is there, or refuses it.
    async fn block(&self, rendition: Rendition, msn: u64, part: Option<u64>) -> Result<(), Answer> {
        let per = self.parts_per_segment();
        let parts = self.parts(rendition);
        let (whole, open) = (parts / per, parts % per);
        let first = whole.saturating_sub(self.window());
        if msn < first && self.has(Defect::GohlslibStaleMsn) {
            return Err(self.refused());
        }
        if msn > whole + 1 {
            match self.defect {
                Defect::OvenFarFutureHeld => {}
                Defect::FarFuture => return Ok(()),
                _ => return Err(self.refused()),
            }
        }
        if part.is_some_and(|part| part > open + ADVANCE_PARTS) {
            return if self.has(Defect::FarPart) {
                Ok(())
            } else {
                Err(self.refused())
            };
        }
        let needed = match part {
            None if self.has(Defect::OvenMsnNeverBlocks) => 0,
            None if self.has(Defect::GohlslibMsnAtPart0) => msn * per + 1,
            None => (msn + 1) * per,
            Some(part) if part >= per && self.has(Defect::GohlslibPastEndWaits) => (msn + 2) * per,
            Some(part) if part >= per => (msn + 1) * per + 1,
            Some(part) if self.has(Defect::PartEarly) => msn * per + part,
            Some(part) => msn * per + part + 1,
        };
        if needed <= parts && msn >= first && self.has(Defect::PastHeld) {
            sleep(Duration::from_millis(500)).await;
        }
        let needed = self.end().map_or(needed, |end| needed.min(end));
        self.wait(rendition, needed).await;
        Ok(())
    }

    async fn media(&self, path: &str, range: Option<String>) -> Answer {
        let Some((rendition, file)) = path.split_once('/') else {
            return self.not_found();
        };
        let rendition = match rendition {
            "v" => Rendition::Video,
            "a" => Rendition::Audio,
            _ => return self.not_found(),
        };
        if file == "init.mp4" {
            return self.bytes(media::init(self, rendition), None);
        }
        let name = file.strip_suffix(".m4s").unwrap_or_default();
        let name = if self.has(Defect::HintBroken) {
            name.trim_end_matches("-hint")
        } else {
            name
        };
        let (msn, part) = match name.split_once('.') {
            Some((msn, part)) => (msn.parse::<u64>(), Some(part.parse::<u64>())),
            None => (name.parse::<u64>(), None),
        };
        let per = self.parts_per_segment();
        let parts = self.parts(rendition);
        let age = |msn: u64| (parts / per).saturating_sub(msn);
        match (msn, part) {
            (Ok(msn), part) if playlist::is_missing(self, msn) => {
                // Asked for because of the hint, and given up when the encoder turns out to be lost.
                if part == Some(Ok(0)) {
                    self.wait(rendition, msn * per + 1).await;
                }
                self.not_found()
            }
            (Ok(msn), None) if (msn + 1) * per <= parts => {
                let is_gone = age(msn) > self.window() && self.has(Defect::SegmentGone);
                if is_gone || self.has(Defect::MediaMissing) {
                    return self.not_found();
                }
                self.bytes(media::segment(self, rendition, msn), range)
            }
            (Ok(msn), Some(Ok(part))) if part < per => {
                let needed = msn * per + part + 1;
                if needed > parts + 1
                    || (needed > parts && self.end().is_some_and(|end| needed > end))
                {
                    return self.not_found();
                }
                let is_gone = age(msn) > 4 && self.has(Defect::PartGone);
                if is_gone || (needed > parts && self.has(Defect::HintRefused)) {
                    return self.not_found();
                }
                let bytes = media::part(self, rendition, msn, part, false);
                if needed > parts && self.has(Defect::HintTrickled) {
                    return self.trickle(&bytes);
                }
                self.wait(rendition, needed).await;
                self.bytes(bytes, range)
            }
            _ => self.not_found(),
        }
    }

    fn finish(&self, mut answer: Answer, lifetime: Option<u64>) -> Answer {
        let is_error = answer.status().is_client_error();
        let headers = answer.headers_mut();
        let cache = match lifetime {
            Some(seconds) => format!("public, max-age={seconds}"),
            None if is_error && self.has(Defect::ErrorLifetime) => {
                "public, max-age=3600".to_owned()
            }
            None => "no-store".to_owned(),
        };
        headers.insert("cache-control", cache.parse().unwrap());
        if !self.has(Defect::CrossOrigin) {
            headers.insert("access-control-allow-origin", "*".parse().unwrap());
            headers.insert(
                "access-control-expose-headers",
                "Age, Content-Length".parse().unwrap(),
            );
        }
        if self.has(Defect::Cookie) {
            headers.insert("set-cookie", "session=1".parse().unwrap());
        }
        if self.has(Defect::AgeWrong) {
            headers.insert("age", "soon".parse().unwrap());
        }
        answer
    }

    fn text(&self, text: String, lifetime: u64, accepts: Option<String>) -> Answer {
        let is_blocking = lifetime > 1;
        let lifetime = match self.defect {
            Defect::GohlslibNoCache if is_blocking => None,
            Defect::PlainLifetime if !is_blocking => Some(60),
            _ => Some(lifetime),
        };
        let compress = accepts.is_some_and(|accepts| accepts.contains("gzip"))
            && !self.has(Defect::NotCompressed);
        let body = if compress {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        } else {
            text.into_bytes()
        };
        let mut answer = Response::new(Full::new(body.into()).boxed());
        let headers = answer.headers_mut();
        let kind = if self.has(Defect::PlaylistType) {
            "text/plain"
        } else {
            "application/vnd.apple.mpegurl"
        };
        headers.insert("content-type", kind.parse().unwrap());
        if compress {
            headers.insert("content-encoding", "gzip".parse().unwrap());
        }
        if self.has(Defect::Priority) {
            headers.insert("priority", "u=3".parse().unwrap());
        }
        self.finish(answer, lifetime)
    }

    fn bytes(&self, bytes: Vec<u8>, range: Option<String>) -> Answer {
        let total = bytes.len();
        let asked = range.and_then(|range| {
            let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
            Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?))
        });
        let mut status = StatusCode::OK;
        let mut body = bytes;
        if let Some((first, last)) = asked {
            status = StatusCode::PARTIAL_CONTENT;
            body = body[first..=last.min(total - 1)].to_vec();
            if self.has(Defect::RangeWrong) {
                body.reverse();
            }
        }
        let mut answer = Response::new(Full::new(body.into()).boxed());
        *answer.status_mut() = status;
        if let Some((first, last)) = asked {
            let value = format!("bytes {first}-{}/{total}", last.min(total - 1));
            answer
                .headers_mut()
                .insert("content-range", value.parse().unwrap());
        }
        let kind = if self.has(Defect::MediaType) {
            "application/octet-stream"
        } else {
            "video/mp4"
        };
        answer
            .headers_mut()
            .insert("content-type", kind.parse().unwrap());
        let lifetime = if self.has(Defect::MediaLifetime) {
            None
        } else {
            Some(6)
        };
        self.finish(answer, lifetime)
    }

    /// Sends the first half now, and the second when the part is made.
    fn trickle(&self, bytes: &[u8]) -> Answer {
        let mut answer = self.bytes(bytes.to_vec(), None);
        let half = bytes.len() / 2;
        let body = Trickle {
            halves: vec![bytes[half..].to_vec().into(), bytes[..half].to_vec().into()],
            pause: Box::pin(sleep(Duration::from_millis(150))),
        };
        *answer.body_mut() = body.boxed();
        answer
    }

    fn plainly(&self, status: StatusCode, text: &str) -> Answer {
        let mut answer = Response::new(Full::new(text.to_owned().into()).boxed());
        *answer.status_mut() = status;
        self.finish(answer, None)
    }

    fn refused(&self) -> Answer {
        self.plainly(StatusCode::BAD_REQUEST, "no such directives")
    }

    fn not_found(&self) -> Answer {
        if self.has(Defect::GohlslibEmptyUnknown) {
            return self.bytes(Vec::new(), None);
        }
        self.plainly(StatusCode::NOT_FOUND, "not here")
    }
}

/// A body of two halves with a pause between.
struct Trickle {
    halves: Vec<Bytes>,
    pause: Pin<Box<Sleep>>,
}

impl Body for Trickle {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.halves.len() == 1 && self.pause.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(self.halves.pop().map(|half| Ok(Frame::data(half))))
    }
}

/// Connections to an origin in memory.
pub(crate) struct Memory {
    pub(crate) origin: Arc<Origin>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}

impl Dial for Memory {
    fn dial<'a>(&'a self, address: &'a Address) -> Dialing<'a> {
        Box::pin(async move {
            let (here, there) = duplex(1024 * 1024);
            let is_h2 = address.is_https && !self.origin.has(Defect::OldHttp);
            let origin = self.origin.clone();
            let service = service_fn(move |request| {
                let origin = origin.clone();
                async move { Ok::<_, Infallible>(origin.answer(request).await) }
            });
            let io = TokioIo::new(there);
            // The judge closes connections as it likes: how they end is of no interest.
            if is_h2 {
                let connection =
                    http2::Builder::new(TokioExecutor::new()).serve_connection(io, service);
                tokio::spawn(async move { drop(connection.await) });
            } else {
                let connection = http1::Builder::new().serve_connection(io, service);
                tokio::spawn(async move { drop(connection.await) });
            }
            Ok(Wire {
                stream: Box::new(here),
                is_h2,
            })
        })
    }
}
