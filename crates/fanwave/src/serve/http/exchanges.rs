//! What the requests of one connection come to: how many are under way, since when there is none, by when each answer
//! has to be taken, and how much of them all was.
//!
//! A peer that takes an answer slowly, or not at all, holds on to media that is long out of every playlist. The kernel
//! cuts one that reads nothing ([`UNREAD_MAX`](super::UNREAD_MAX)); this is for those who read a little, and for HTTP/2,
//! where a stream can stand still while the connection lives. An answer without an end (a chat by HTTP stream) is not
//! waited for.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    http::{Response, header},
};
use bytes::Bytes;
use fanwave_origin::Woken;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

/// How long a small answer may take to be taken.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// Slower than this nobody follows a show, be it by its sound alone.
const BYTES_PER_SECOND_MIN: u64 = 16 * 1024;

/// How long a connection of HTTP/2 may be without a request; of HTTP/1 the wait for a header is the limit.
const IDLE_MAX: Duration = Duration::from_secs(90);

/// How old a connection of HTTP/2 gets before its peer is asked to make another: so long at most does a stream stand still.
const AGE_MAX: Duration = Duration::from_secs(3600);

/// How long what is under way may take once the peer has been asked to make no new request.
const WIND_DOWN_MAX: Duration = Duration::from_secs(120);

/// How long an answer of so many bytes may take to be taken.
pub(super) fn time_to_take(bytes: u64) -> Duration {
    ANSWER_TIME + Duration::from_secs(bytes / BYTES_PER_SECOND_MIN)
}

/// Which rules a connection has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// One request after the other.
    Http1,
    /// Many at once, for as long as the peer likes: HTTP/2 and HTTP/3.
    Multiplexed,
}

/// What to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Leave it.
    Fine,
    /// Ask for no new requests on it, and end it when those under way are answered.
    WindDown,
    /// End it now.
    Cut,
}

/// The requests of a connection; see the module.
#[derive(Debug)]
pub(super) struct Exchanges {
    rules: Rules,
    began: Instant,
    /// Bytes of answers that were handed to connections, of all of them.
    sent: Counter,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    /// Requests that are not answered in full.
    open: usize,
    /// When the last one was.
    idle_since: Instant,
    winding_since: Option<Instant>,
    /// By when answers have to be taken; at most as many as there are requests at once.
    due: Vec<(u64, Instant)>,
    next: u64,
}

impl Exchanges {
    pub(super) fn new(rules: Rules, now: Instant, sent: &Counter) -> Arc<Self> {
        Arc::new(Self {
            rules,
            began: now,
            sent: sent.clone(),
            book: Mutex::new(Book {
                open: 0,
                idle_since: now,
                winding_since: None,
                due: Vec::new(),
                next: 0,
            }),
        })
    }

    /// A request has come.
    pub(super) fn begin(self: &Arc<Self>) -> Exchange {
        self.book().open += 1;
        Exchange {
            exchanges: Arc::clone(self),
            due: None,
        }
    }

    /// What the connection has come to.
    pub(super) fn judge(&self, now: Instant) -> Verdict {
        let mut book = self.book();
        let since = |then: Instant| now.saturating_duration_since(then);
        if book.due.iter().any(|(_, due)| *due <= now) {
            return Verdict::Cut;
        }
        if self.rules == Rules::Http1 {
            return Verdict::Fine;
        }
        if let Some(winding) = book.winding_since {
            return if since(winding) > WIND_DOWN_MAX {
                Verdict::Cut
            } else {
                Verdict::Fine
            };
        }
        let idle = book.open == 0 && since(book.idle_since) > IDLE_MAX;
        if idle || since(self.began) > AGE_MAX {
            book.winding_since = Some(now);
            return Verdict::WindDown;
        }
        Verdict::Fine
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request, until its answer has been taken or given up.
#[derive(Debug)]
pub(super) struct Exchange {
    exchanges: Arc<Exchanges>,
    due: Option<u64>,
}

impl Exchange {
    /// The answer is ready, and goes out; `woken` is measured when it has been handed to the connection.
    pub(super) fn answer(
        self,
        response: Response<Body>,
        woken: Option<Woken>,
        now: Instant,
    ) -> Response<Answer> {
        let under_way = self.goes_out(length(&response), woken, now);
        response.map(|body| Answer { body, under_way })
    }

    /// The same of an answer of so many bytes whose body is sent by other ways.
    pub(super) fn goes_out(
        mut self,
        bytes: Option<u64>,
        woken: Option<Woken>,
        now: Instant,
    ) -> UnderWay {
        if let Some(bytes) = bytes {
            let time = time_to_take(bytes);
            let mut book = self.exchanges.book();
            let number = book.next;
            book.next = book.next.wrapping_add(1);
            book.due.push((number, now + time));
            drop(book);
            self.due = Some(number);
        }
        UnderWay {
            _woken: woken,
            exchange: self,
        }
    }
}

/// Of the body, where it is known or stated.
fn length(response: &Response<Body>) -> Option<u64> {
    let stated = || {
        let stated = response.headers().get(header::CONTENT_LENGTH)?;
        stated.to_str().ok()?.parse().ok()
    };
    response.body().size_hint().exact().or_else(stated)
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut book = self.exchanges.book();
        book.open = book.open.saturating_sub(1);
        book.idle_since = Instant::now();
        if let Some(due) = self.due {
            book.due.retain(|(number, _)| *number != due);
        }
    }
}

/// An answer that is on its way, until this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    _woken: Option<Woken>,
    exchange: Exchange,
}

impl UnderWay {
    /// So many bytes of the body have been handed to the connection.
    pub(super) fn sent(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.exchange.exchanges.sent.inc_by(bytes);
    }
}

/// An answer's body, which ends its exchange with itself.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    under_way: UnderWay,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.under_way.sent(data.len());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn what_is_taken_of_answers_is_counted_and_what_is_not_is_not() {
        use http_body_util::BodyExt;

        let sent = Counter::default();
        let now = Instant::now();
        let exchanges = Exchanges::new(Rules::Multiplexed, now, &sent);
        let answer = |body: &'static str| {
            let response = Response::new(Body::from(body));
            exchanges.begin().answer(response, None, now).into_body()
        };
        let taken = answer("twelve bytes").collect().await.unwrap();
        drop(answer("never taken"));
        assert_eq!(taken.to_bytes().len(), 12);
        assert_eq!(sent.get(), 12);
    }

    #[test]
    fn an_answer_that_is_not_taken_ends_its_connection_and_one_without_an_end_does_not() {
        for rules in [Rules::Http1, Rules::Multiplexed] {
            let now = Instant::now();
            let exchanges = Exchanges::new(rules, now, &Counter::default());
            let endless =
                Body::from_stream(futures_util::stream::pending::<Result<Bytes, axum::Error>>());
            let answer = |body| exchanges.begin().answer(Response::new(body), None, now);
            let _chat = answer(endless);
            let playlist = answer(Body::from("short"));
            // Of one that is read from the storage, only the head says how long it is.
            let mut stored = Response::new(Body::from_stream(futures_util::stream::pending::<
                Result<Bytes, axum::Error>,
            >()));
            let stated = HeaderValue::from(BYTES_PER_SECOND_MIN * 100);
            stored.headers_mut().insert(header::CONTENT_LENGTH, stated);
            let segment = exchanges.begin().answer(stored, None, now);
            assert_eq!(exchanges.judge(now + ANSWER_TIME - SECOND), Verdict::Fine);
            assert_eq!(exchanges.judge(now + ANSWER_TIME), Verdict::Cut);
            drop(playlist);
            assert_eq!(exchanges.judge(now + ANSWER_TIME), Verdict::Fine);
            assert_eq!(
                exchanges.judge(now + ANSWER_TIME + 100 * SECOND),
                Verdict::Cut
            );
            drop(segment);
            assert_eq!(
                exchanges.judge(now + ANSWER_TIME + 100 * SECOND),
                Verdict::Fine
            );
        }
    }

    #[test]
    fn an_idle_connection_of_http_2_is_wound_down_and_in_the_end_cut() {
        let now = Instant::now();
        let exchanges = Exchanges::new(Rules::Multiplexed, now, &Counter::default());
        assert_eq!(exchanges.judge(now + IDLE_MAX), Verdict::Fine);
        let asked = now + IDLE_MAX + SECOND;
        assert_eq!(exchanges.judge(asked), Verdict::WindDown);
        assert_eq!(exchanges.judge(asked + WIND_DOWN_MAX), Verdict::Fine);
        assert_eq!(
            exchanges.judge(asked + WIND_DOWN_MAX + SECOND),
            Verdict::Cut
        );
    }

    #[test]
    fn a_request_under_way_is_not_idleness_and_an_old_connection_is_wound_down_all_the_same() {
        let now = Instant::now();
        let exchanges = Exchanges::new(Rules::Multiplexed, now, &Counter::default());
        let _held = exchanges.begin();
        assert_eq!(exchanges.judge(now + AGE_MAX), Verdict::Fine);
        assert_eq!(exchanges.judge(now + AGE_MAX + SECOND), Verdict::WindDown);
        let http_1 = Exchanges::new(Rules::Http1, now, &Counter::default());
        assert_eq!(http_1.judge(now + AGE_MAX * 2), Verdict::Fine);
    }
}
