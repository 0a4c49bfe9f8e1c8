//! One connection: what it speaks, and its life until it ends, is upgraded, or has to go.
//!
//! | port | first bytes | spoken |
//! |---|---|---|
//! | plain | `PRI ` of HTTP/2's preface | HTTP/2 with prior knowledge (RFC 9113, section 3.3), for CDNs and load generators |
//! | plain | anything else | HTTP/1.1 |
//! | TLS | ALPN `h2` | HTTP/2 |
//! | TLS | none, or `http/1.1` | HTTP/1.1 |
//!
//! The preface is looked at where it lies in the kernel's buffer, so that an HTTP/1 connection stays a bare stream. HTTP/2
//! takes no WebSocket (RFC 8441): browsers open a connection of HTTP/1.1 for one, as they do for every server that does
//! not offer it.

use std::{
    convert::Infallible,
    fmt::Display,
    future::poll_fn,
    io,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{
    BoxError, Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse,
};
use fanwave_gateway::{PlainIo, TlsAcceptor};
use fanwave_http2::PREFACE;
use fanwave_origin::{Answered, Ask, Awaited, ViewerRequest, Viewing, Woken};
use futures_util::{
    FutureExt, TryFutureExt,
    future::{Either, ready},
};
use hyper::{
    Request, Response,
    body::Incoming,
    rt::{Read, Write},
    server::conn::http1::{self, UpgradeableConnection},
    service::{HttpService, Service as _, service_fn},
};
use hyper_util::{rt::TokioTimer, service::TowerToHyperService};
use prometheus_client::metrics::counter::Counter;
use tokio::{
    net::TcpStream,
    sync::watch,
    task::unconstrained,
    time::{Instant, sleep, timeout},
};
use tower::ServiceExt;

use super::{
    Place, Stage,
    exchanges::{Answer, Exchange, Exchanges, Rules, Verdict},
    framing,
    lane::{
        self, Begun, Left, Manners, Road,
        reactor::{Host, Reactors, Returned},
    },
    multiplexed::{Asking, Multiplexed, Reply, Source},
    punctual::{Punctual, punctual},
    reached,
    upload::Upload,
};
use crate::{config::http::Http, telemetry::HttpMetrics};

/// How much of the preface must have come in the first piece: the method's name, of which HTTP/1 has none.
const PREFACE_BYTES_MIN: usize = 3;

/// Least buffer per connection: answers are written in pieces of this size even when headers are kept small.
const BUFFER_BYTES_MIN: usize = 64 * 1024;

/// How often a connection is looked at for answers that are not taken. A peer of HTTP/2 is asked then whether it is there, and
/// has to have answered by the next time.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What all connections have in common.
#[derive(Debug)]
pub(super) struct Conversations {
    router: Router,
    viewing: Viewing,
    http_1: http1::Builder,
    header_list_bytes_max: u32,
    metrics: HttpMetrics,
    header_wait: Duration,
    /// `Alt-Svc` of answers over TLS, where HTTP/3 is spoken.
    offer: Option<HeaderValue>,
    /// Who has the connections of viewers that need no task, and how far the server is for those that need one again.
    reactors: Arc<ViewersReactors>,
    staged: watch::Receiver<Stage>,
}

/// The reactors of viewers' connections.
pub(super) type ViewersReactors = Reactors<Place, Awaited>;

impl Conversations {
    pub(super) fn new(
        plan: &Http,
        (router, viewing): (Router, Viewing),
        metrics: HttpMetrics,
        staged: watch::Receiver<Stage>,
    ) -> Self {
        let mut http_1 = http1::Builder::new();
        http_1
            .timer(TokioTimer::new())
            .header_read_timeout(plan.header_wait)
            .max_header_size(plan.header_bytes_max)
            .max_buf_size(plan.header_bytes_max.max(BUFFER_BYTES_MIN));
        Self {
            router,
            viewing,
            http_1,
            header_list_bytes_max: u32::try_from(plan.header_bytes_max).unwrap_or(u32::MAX),
            metrics,
            header_wait: plan.header_wait,
            offer: None,
            reactors: Arc::new(ViewersReactors::new()),
            staged,
        }
    }

    /// The same, whose answers over TLS tell where else HTTP is spoken.
    pub(super) fn offering(self, offer: Option<HeaderValue>) -> Self {
        Self { offer, ..self }
    }

    /// The reactors that have viewers' connections; none has been started yet.
    pub(super) fn reactors(&self) -> &Arc<ViewersReactors> {
        &self.reactors
    }

    pub(super) fn metrics(&self) -> &HttpMetrics {
        &self.metrics
    }

    #[cfg(feature = "http3")]
    pub(super) fn viewing(&self) -> &Viewing {
        &self.viewing
    }

    #[cfg(feature = "http3")]
    pub(super) fn router(&self) -> &Router {
        &self.router
    }

    #[cfg(feature = "http3")]
    pub(super) fn header_wait(&self) -> Duration {
        self.header_wait
    }

    #[cfg(feature = "http3")]
    pub(super) fn header_list_bytes_max(&self) -> u32 {
        self.header_list_bytes_max
    }

    /// Serves a connection until it is known what it speaks. Then a task of its own has it until it ends or is upgraded, or
    /// stopping has come far enough: so what a connection has at its beginning takes no memory later, and what it has later lies
    /// together.
    pub(super) async fn hold(
        self: Arc<Self>,
        (stream, place): (TcpStream, Place),
        tls: Option<&TlsAcceptor>,
        mut staged: watch::Receiver<Stage>,
    ) {
        // A connection that has ended meanwhile has none; its requests are never seen.
        let Ok(peer) = stream.peer_addr() else {
            return;
        };
        if let Some(tls) = tls {
            if let Some(stream) = self.meet(&mut staged, tls.accept(stream)).await {
                let (is_http_2, offer) = (stream.speaks_http_2(), self.offer.clone());
                self.speak((stream, peer, place), (is_http_2, offer), staged);
            }
        } else if let Some(is_http_2) = self.meet(&mut staged, has_preface(&stream)).await {
            let stream = PlainIo::new(stream);
            self.speak((stream, peer, place), (is_http_2, None), staged);
        }
    }

    /// Has a task serve a connection of which it is known what it speaks.
    fn speak<I>(
        self: Arc<Self>,
        (io, peer, place): (I, SocketAddr, Place),
        (is_http_2, offer): (bool, Option<HeaderValue>),
        staged: watch::Receiver<Stage>,
    ) where
        I: Road + Source + Read + Send + 'static,
    {
        if is_http_2 {
            tokio::spawn(async move {
                self.hold_2((io, peer), offer, staged).await;
                drop(place);
            });
        } else {
            tokio::spawn(async move {
                let connection = (io, peer, place);
                self.speak_1(connection, offer, staged, None).await;
            });
        }
    }

    /// HTTP/1.1: the lane's while viewers' requests are all that comes, a reactor's where it can be, and hyper's then. None of
    /// them takes memory while it is another's.
    async fn speak_1<I>(
        &self,
        (mut io, peer, place): (I, SocketAddr, Place),
        offer: Option<HeaderValue>,
        mut staged: watch::Receiver<Stage>,
        begun: Option<Begun<ViewerRequest>>,
    ) where
        I: Road + Read + Send + 'static,
    {
        let lane = Box::pin(async move {
            let manners = Manners {
                header_wait: self.header_wait,
                offer: offer.as_ref(),
                metrics: &self.metrics,
                leaves_bare: I::BARE && self.reactors.are_there(),
            };
            let ask = |ask: &Ask<'_>| self.viewing.got(ask);
            match lane::keep(&mut io, ask, manners, &mut staged, begun).await {
                Left::Other => Some(Box::pin(async move {
                    self.hold_1((io, peer), offer, staged).await;
                    drop(place);
                })),
                Left::Bare => {
                    self.leave_bare(io, place);
                    None
                }
                Left::Over => None,
            }
        });
        if let Some(rest) = lane.await {
            rest.await;
        }
    }

    /// Has a reactor have a connection from here on.
    fn leave_bare(&self, io: impl Road, place: Place) {
        match io.into_bare().map(TcpStream::into_std) {
            Some(Ok(socket)) => self.reactors.hand_over(socket, place),
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection cannot be left to a reactor");
            }
            None => {}
        }
    }

    /// Waits for the first bytes of a connection, if they come in time and are good for something.
    async fn meet<T>(
        &self,
        staged: &mut watch::Receiver<Stage>,
        begin: impl Future<Output = io::Result<T>>,
    ) -> Option<T> {
        tokio::select! {
            met = timeout(self.header_wait, begin) => match met {
                Ok(Ok(met)) => return Some(met),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a connection ended before its first request");
                }
                Err(_) => tracing::debug!("a connection did not say in time what it speaks"),
            },
            () = reached(staged, Stage::Draining) => {}
        }
        None
    }

    /// HTTP/1.1 with all that it has, until it ends or is upgraded.
    async fn hold_1<I>(
        &self,
        (io, peer): (I, SocketAddr),
        offer: Option<HeaderValue>,
        staged: watch::Receiver<Stage>,
    ) where
        I: Read + Write + Unpin + Send + 'static,
    {
        let exchanges = Exchanges::new(Rules::Http1, Instant::now(), &self.metrics.sent);
        let book = Arc::clone(&exchanges);
        let routes = TowerToHyperService::new(self.router.clone());
        let (viewing, body_wait) = (self.viewing.clone(), self.header_wait);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let (exchange, offer) = (book.begin(), offer.clone());
            let answered = if !framing::is_plain(request.version(), request.headers()) {
                Either::Right(Box::pin(answer(
                    exchange,
                    Either::Left(ready(Ok(refuse()))),
                )))
            } else if let Some(asked) =
                viewing.asked(request.method(), request.uri(), request.headers())
            {
                Either::Left(answer_viewer(exchange, asked))
            } else {
                request.extensions_mut().insert(ConnectInfo(peer));
                let request = request.map(|body| punctual(body, body_wait));
                Either::Right(Box::pin(answer(
                    exchange,
                    Either::Right(routes.call(request)),
                )))
            };
            answered.map_ok(|response| offering(response, offer))
        });
        let connection = pin!(self.http_1.serve_connection(io, service).with_upgrades());
        drive(connection, &exchanges, staged, &self.metrics.cut).await;
    }

    /// HTTP/2.
    async fn hold_2<I>(
        &self,
        (io, peer): (I, SocketAddr),
        offer: Option<HeaderValue>,
        staged: watch::Receiver<Stage>,
    ) where
        I: Source + Write + Unpin,
    {
        let exchanges = Exchanges::new(Rules::Multiplexed, Instant::now(), &self.metrics.sent);
        let book = Arc::clone(&exchanges);
        let (viewing, router, body_wait) =
            (self.viewing.clone(), self.router.clone(), self.header_wait);
        let service = move |request: Request<Option<Upload>>| -> Asking {
            let exchange = book.begin();
            if let Some(asked) = viewing.asked(request.method(), request.uri(), request.headers()) {
                return Asking::Viewer(exchange, asked);
            }
            let mut request = request.map(|body| {
                let punctual = |body| Body::new(Punctual::new(body, body_wait));
                body.map_or_else(Body::empty, punctual)
            });
            request.extensions_mut().insert(ConnectInfo(peer));
            let routed = router.clone().oneshot(request);
            let answered = answer(exchange, routed).map(|Ok(response)| Reply::Other(response));
            Asking::Other(Box::pin(answered))
        };
        let connection = Multiplexed::new(io, self.header_list_bytes_max, offer, service);
        drive(connection, &exchanges, staged, &self.metrics.cut).await;
    }
}

/// Has a connection go on until it ends by itself or has to.
async fn drive<C, E>(
    mut connection: C,
    exchanges: &Exchanges,
    mut staged: watch::Receiver<Stage>,
    cut: &Counter,
) where
    C: Driven + Future<Output = Result<(), E>> + Unpin,
    E: Display,
{
    let mut look = pin!(sleep(LOOK_EVERY));
    let (mut stage, mut peek) = (Stage::Open, staged.clone());
    loop {
        // Before what it stands for, so that it never knows of more.
        peek.mark_unchanged();
        let reached = *staged.borrow_and_update();
        if reached > stage {
            stage = reached;
            if stage == Stage::Closed {
                return;
            }
            connection.wind_down();
        }
        // Whatever the connection has done in its turn: what is asked once has to know then whom to wake.
        let mut changed = pin!(unconstrained(staged.changed()));
        let mut listens = false;
        let news = poll_fn(|context| {
            if let Poll::Ready(ended) = connection.poll_unpin(context) {
                return Poll::Ready(News::Ended(ended));
            }
            // Both know whom to wake, and are not asked at every turn whether they would have.
            if listens
                && matches!(peek.has_changed(), Ok(false))
                && Instant::now() < look.deadline()
            {
                return Poll::Pending;
            }
            listens = true;
            match changed.as_mut().poll(context) {
                Poll::Ready(changed) => Poll::Ready(News::Stage(changed.is_ok())),
                Poll::Pending => {
                    let look = pin!(unconstrained(look.as_mut()));
                    look.poll(context).map(|()| News::Look)
                }
            }
        });
        match news.await {
            News::Ended(Ok(())) | News::Stage(false) => return,
            News::Ended(Err(error)) => {
                // Strangers end connections in every way there is: nothing here needs an operator.
                tracing::debug!(%error, "an HTTP connection ended with an error");
                return;
            }
            News::Stage(true) => {}
            News::Look => {
                let now = Instant::now();
                look.as_mut().reset(now + LOOK_EVERY);
                match exchanges.judge(now) {
                    Verdict::Fine if connection.look() => {}
                    Verdict::WindDown => connection.wind_down(),
                    Verdict::Fine | Verdict::Cut => {
                        cut.inc();
                        return;
                    }
                }
            }
        }
    }
}

/// What a connection is told that is driven.
enum News<T> {
    /// It is over.
    Ended(T),
    /// The server is further with stopping; false where it is gone.
    Stage(bool),
    /// It is time to look at it.
    Look,
}

impl Host for Conversations {
    type Asked = ViewerRequest;
    type Place = Place;

    fn ask(&self, ask: &Ask<'_>) -> Option<ViewerRequest> {
        self.viewing.got(ask)
    }

    fn header_wait(&self) -> Duration {
        self.header_wait
    }

    fn metrics(&self) -> &HttpMetrics {
        &self.metrics
    }

    fn take_back(self: Arc<Self>, returned: Returned<ViewerRequest, Place>) {
        let staged = self.staged.clone();
        tokio::spawn(async move {
            let stream = TcpStream::from_std(returned.socket);
            let stream = stream.and_then(|stream| Ok((stream.peer_addr()?, stream)));
            match stream {
                Ok((peer, stream)) => {
                    let mut io = PlainIo::new(stream);
                    io.keep(returned.unread);
                    let connection = (io, peer, returned.place);
                    self.speak_1(connection, None, staged, returned.begun).await;
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection was gone before it was served on");
                }
            }
        });
    }
}

/// A connection as it is held.
trait Driven {
    /// Asks the peer for no new requests.
    fn wind_down(&mut self);

    /// Another while has gone by. False where the peer is not there any more.
    fn look(&mut self) -> bool;
}

impl<I, S, E> Driven for Pin<&mut UpgradeableConnection<I, S>>
where
    S: HttpService<Incoming, ResBody = Answer, Error = E>,
    E: Into<BoxError>,
    I: Read + Write + Unpin,
{
    fn wind_down(&mut self) {
        self.as_mut().graceful_shutdown();
    }

    fn look(&mut self) -> bool {
        true
    }
}

impl<I, S> Driven for Multiplexed<I, S>
where
    I: Source + Write + Unpin,
    S: FnMut(Request<Option<Upload>>) -> Asking,
{
    fn wind_down(&mut self) {
        self.wind_down();
    }

    fn look(&mut self) -> bool {
        self.look()
    }
}

/// Whether a connection speaks HTTP/2, by its first bytes, which stay where they are.
async fn has_preface(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    let length = stream.peek(&mut first).await?;
    Ok(is_preface(&first[..length]))
}

/// Whether the first bytes of a connection begin HTTP/2.
fn is_preface(first: &[u8]) -> bool {
    first.len() >= PREFACE_BYTES_MIN && PREFACE.starts_with(first)
}

/// The answer, which is watched until it is taken.
async fn answer(
    exchange: Exchange,
    answered: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Result<Response<Answer>, Infallible> {
    let response = answered.await?;
    Ok(exchange.answer(response, None, Instant::now()))
}

/// The answer with what is said of HTTP/3, if anything is.
fn offering(mut response: Response<Answer>, offer: Option<HeaderValue>) -> Response<Answer> {
    if let Some(offer) = offer {
        response.headers_mut().insert(header::ALT_SVC, offer);
    }
    response
}

/// To a request that could be read in two ways; nothing behind it is read.
fn refuse() -> Response<Body> {
    let close = [(header::CONNECTION, "close")];
    let why = "a request needs one Host, and one statement of its length\n";
    (StatusCode::BAD_REQUEST, close, why).into_response()
}

/// What a viewer is answered, also where the handler panics: that costs one answer, and not the others of its connection.
async fn answered(request: ViewerRequest) -> (Answered, Option<Woken>) {
    let answered = AssertUnwindSafe(request.answer()).catch_unwind().await;
    answered.unwrap_or_else(|_| failed())
}

/// What a viewer is answered whose handler has panicked.
pub(super) fn failed() -> (Answered, Option<Woken>) {
    let response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    (Answered::Other(response), None)
}

/// The same as any answer.
pub(super) async fn answer_viewer(
    exchange: Exchange,
    request: ViewerRequest,
) -> Result<Response<Answer>, Infallible> {
    let (answered, woken) = answered(request).await;
    Ok(exchange.answer(answered.into_response(), woken, Instant::now()))
}

/// The same for a connection that keeps what it makes of prepared answers.
pub(super) async fn reply_to_viewer(exchange: Exchange, request: ViewerRequest) -> Reply {
    let (answered, woken) = answered(request).await;
    let now = Instant::now();
    match answered {
        Answered::Prepared(prepared) => {
            let bytes = u64::try_from(prepared.body().len()).ok();
            let under_way = exchange.goes_out(bytes, woken, now);
            Reply::Prepared(prepared, under_way)
        }
        Answered::Other(response) => Reply::Other(exchange.answer(response, woken, now)),
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Mutex, task::Context};

    use tokio::task::consume_budget;

    use super::*;

    /// Does at first as much as a task may in a turn, and then nothing; it is not there any more when it is looked at for the third time.
    #[derive(Debug, Default)]
    struct Busy {
        turns: usize,
        looks: u32,
        asked: Arc<Mutex<usize>>,
    }

    impl Future for Busy {
        type Output = Result<(), Infallible>;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            self.turns += 1;
            while self.turns == 1 && pin!(consume_budget()).poll(context).is_ready() {}
            Poll::Pending
        }
    }

    impl Driven for Busy {
        fn wind_down(&mut self) {
            *self.asked.lock().unwrap() += 1;
        }

        fn look(&mut self) -> bool {
            self.looks += 1;
            self.looks < 3
        }
    }

    async fn until(it_is: impl Fn() -> bool) {
        let waiting = async {
            while !it_is() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), waiting).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_has_much_to_do_at_first_is_told_when_the_server_stops() {
        let (stage, staged) = watch::channel(Stage::Open);
        let busy = Busy::default();
        let asked = Arc::clone(&busy.asked);
        let driven = tokio::spawn(async move {
            let exchanges = Exchanges::new(Rules::Http1, Instant::now(), &Counter::default());
            drive(busy, &exchanges, staged, &Counter::default()).await;
        });
        // So long that it has had its turns, and only what it listens to can wake it.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        stage.send_replace(Stage::Draining);
        until(|| *asked.lock().unwrap() == 1).await;
        stage.send_replace(Stage::Closed);
        until(|| driven.is_finished()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_much_to_do_at_first_is_looked_at_all_the_same() {
        let (_stage, staged) = watch::channel(Stage::Open);
        let cut = Counter::default();
        let exchanges = Exchanges::new(Rules::Http1, Instant::now(), &Counter::default());
        let began = Instant::now();
        drive(Busy::default(), &exchanges, staged, &cut).await;
        assert!(began.elapsed() >= LOOK_EVERY * 3);
        assert_eq!(cut.get(), 1);
    }

    #[test]
    fn the_preface_is_told_from_every_method() {
        assert!(is_preface(PREFACE));
        assert!(is_preface(b"PRI"));
        for other in [
            &b""[..],
            b"P",
            b"PR",
            b"PROPFIND / HTTP/1.1\r\n\r\n",
            b"PRINT /a HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01",
        ] {
            assert!(!is_preface(other), "{other:?}");
        }
    }
}
