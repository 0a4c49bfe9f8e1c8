//! HTTP/3: the same answers over QUIC, for players on networks that lose packets (RFC 9114).
//!
//! A connection with all its requests is one task, as with HTTP/2. What a stranger can hold is bounded as there: handshakes and
//! heads have the header wait, bodies too, streams and windows the limits below, and a connection from an address that
//! has not proven itself is told to come again once many are under way. Nothing is taken before the handshake is over
//! (0-RTT), so that nothing can be replayed. The libraries send all streams of a connection in turns: what a client asks
//! for with `priority` changes nothing.

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, extract::ConnectInfo, http::HeaderValue};
use bytes::{Buf, Bytes};
use fanwave_gateway::{TlsFiles, quic_config};
use fanwave_http2::limits::{RECEIVE_WINDOW_BYTES, STREAMS_MAX};
use futures_util::{StreamExt, stream::FuturesUnordered};
use h3::{
    error::Code,
    server::{RequestResolver, RequestStream},
};
use h3_quinn::{RecvStream, SendStream};
use http_body_util::BodyExt;
use hyper::{
    Method, Request, Response,
    body::{Body as HttpBody, Frame},
    service::Service,
};
use hyper_util::service::TowerToHyperService;
use quinn::{
    Endpoint, Incoming, ServerConfig, TransportConfig, VarInt, crypto::rustls::QuicServerConfig,
};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

use super::{
    Stage,
    connection::{Conversations, LOOK_EVERY, answer_viewer},
    exchanges::{Answer, Exchange, Exchanges, Rules, Verdict},
    fields::complete,
    punctual::Punctual,
    reached,
};

/// Control streams that a peer may open: three of its own, and a few that are meant to be ignored (RFC 9114, section 6.2).
const CONTROL_STREAMS_MAX: u32 = 8;

/// Bytes of answers under way on a connection that the peer has not acknowledged.
const SEND_WINDOW_BYTES: u64 = 1 << 20;

/// A peer that says nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How long a connection stays that is over for us, so that its last answers arrive.
const LINGER: Duration = Duration::from_secs(1);

/// Connections that wait for us to look at them, and bytes that each may have sent; more is dropped, and sent again.
const INCOMING_MAX: usize = 256;
const INCOMING_BYTES_MAX: u64 = 16 * 1024;

/// Handshakes under way, beyond which an address has to prove that it is there.
const UNPROVEN_MAX: usize = 64;

/// The code of a connection that ends well (RFC 9114, section 8.1).
const NO_ERROR: VarInt = VarInt::from_u32(0x100);

type Resolver = RequestResolver<h3_quinn::Connection, Bytes>;

/// A bound UDP port.
///
/// # Errors
///
/// What the system says of the port, or the certificate.
pub fn bind(address: SocketAddr, files: &TlsFiles) -> Result<Endpoint, BindError> {
    let tls = quic_config(files).map_err(BindError::Tls)?;
    let tls =
        QuicServerConfig::try_from(tls).map_err(|error| BindError::Io(io::Error::other(error)))?;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(STREAMS_MAX.into())
        .max_concurrent_uni_streams(CONTROL_STREAMS_MAX.into())
        .stream_receive_window(RECEIVE_WINDOW_BYTES.into())
        .receive_window(RECEIVE_WINDOW_BYTES.into())
        .send_window(SEND_WINDOW_BYTES)
        .max_idle_timeout(SILENCE_MAX.try_into().ok())
        .datagram_receive_buffer_size(None);
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config
        .transport_config(Arc::new(transport))
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX);
    Endpoint::server(config, address).map_err(BindError::Io)
}

/// Why HTTP/3 is not spoken.
#[derive(Debug)]
pub enum BindError {
    /// The port.
    Io(io::Error),
    /// The certificate or its key.
    Tls(fanwave_gateway::TlsError),
}

/// What an answer over TLS says of it (RFC 7838): for a day, unless the peer finds otherwise.
pub(super) fn offer(address: SocketAddr) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("h3=\":{}\"; ma=86400", address.port())).ok()
}

/// Takes connections until stopping begins, and ends them all when it is over.
pub(super) async fn accept(
    endpoint: Endpoint,
    shared: Arc<Conversations>,
    permits: Arc<Semaphore>,
    mut staged: watch::Receiver<Stage>,
) {
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            () = reached(&mut staged, Stage::Draining) => break,
        };
        let Some(incoming) = incoming else {
            return;
        };
        let is_busy = endpoint.open_connections() > UNPROVEN_MAX;
        if is_busy && !incoming.remote_address_validated() && incoming.may_retry() {
            // It may be gone already, which is all the same.
            drop(incoming.retry());
            continue;
        }
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let (shared, staged) = (Arc::clone(&shared), staged.clone());
        shared.metrics().accepted.inc();
        tokio::spawn(async move {
            shared.metrics().connections.inc();
            hold(incoming, &shared, staged).await;
            shared.metrics().connections.dec();
            drop(permit);
        });
    }
    endpoint.set_server_config(None);
    reached(&mut staged, Stage::Closed).await;
    endpoint.close(NO_ERROR, b"");
}

/// One connection, until it ends.
async fn hold(incoming: Incoming, shared: &Conversations, staged: watch::Receiver<Stage>) {
    let begin = async {
        let connection = incoming.await.map_err(io::Error::other)?;
        let quic = h3_quinn::Connection::new(connection.clone());
        let mut builder = h3::server::builder();
        builder
            .max_field_section_size(u64::from(shared.header_list_bytes_max()))
            .send_grease(false);
        let http = builder.build(quic).await.map_err(io::Error::other)?;
        io::Result::Ok((connection, http))
    };
    match timeout(shared.header_wait(), begin).await {
        Ok(Ok((connection, http))) => {
            let peer = connection.remote_address();
            Box::pin(converse(http, (shared, peer), staged)).await;
            // What was answered last may be on its way, or lost and sent again: an end at once would leave it out.
            drop(timeout(LINGER, connection.closed()).await);
            connection.close(NO_ERROR, b"");
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "a QUIC connection ended before its first request");
        }
        Err(_) => tracing::debug!("a QUIC connection did not say in time what it speaks"),
    }
}

async fn converse(
    mut http: h3::server::Connection<h3_quinn::Connection, Bytes>,
    (shared, peer): (&Conversations, SocketAddr),
    mut staged: watch::Receiver<Stage>,
) {
    let exchanges = Exchanges::new(Rules::Multiplexed, Instant::now(), &shared.metrics().sent);
    let mut requests = FuturesUnordered::new();
    let mut looks = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut next, mut is_open, mut is_winding) = (Stage::Draining, true, false);
    while (is_open && !is_winding) || !requests.is_empty() {
        let mut wind_down = false;
        tokio::select! {
            asked = http.accept(), if is_open => match asked {
                Ok(Some(resolver)) => requests.push(serve(resolver, exchanges.begin(), (shared, peer))),
                Ok(None) => is_open = false,
                Err(error) => {
                    tracing::debug!(%error, "an HTTP/3 connection ended");
                    return;
                }
            },
            Some(()) = requests.next() => {}
            () = reached(&mut staged, next) => {
                if next == Stage::Closed {
                    return;
                }
                (next, wind_down) = (Stage::Closed, true);
            }
            now = looks.tick() => match exchanges.judge(now) {
                Verdict::Fine => {}
                Verdict::WindDown => wind_down = true,
                Verdict::Cut => {
                    shared.metrics().cut.inc();
                    return;
                }
            }
        }
        if wind_down {
            is_winding = true;
            if http.shutdown(0).await.is_err() {
                return;
            }
        }
    }
}

/// One request, until its answer is handed over.
async fn serve(
    resolver: Resolver,
    exchange: Exchange,
    (shared, peer): (&Conversations, SocketAddr),
) {
    let resolved = timeout(shared.header_wait(), resolver.resolve_request()).await;
    let Ok(Ok((request, stream))) = resolved else {
        // The library has told the peer what was wrong, and a head that does not come ends with its stream.
        return;
    };
    let is_head = request.method() == Method::HEAD;
    let (sending, receiving) = stream.split();
    let (mut head, ()) = request.into_parts();
    head.extensions.insert(ConnectInfo(peer));
    let request = Request::from_parts(head, ());
    let response = respond(request, receiving, exchange, shared).await;
    if let Err(error) = send(sending, response, is_head).await {
        tracing::debug!(%error, "an answer over HTTP/3 was not taken");
    }
}

async fn respond(
    request: Request<()>,
    receiving: RequestStream<RecvStream, Bytes>,
    exchange: Exchange,
    shared: &Conversations,
) -> Response<Answer> {
    let viewing = shared.viewing();
    if let Some(asked) = viewing.asked(request.method(), request.uri(), request.headers()) {
        let Ok(response) = answer_viewer(exchange, asked).await;
        return response;
    }
    let has_body = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let body = if has_body {
        Body::new(Punctual::new(Received(receiving), shared.header_wait()))
    } else {
        Body::empty()
    };
    let routes = TowerToHyperService::new(shared.router().clone());
    let Ok(response) = Box::pin(routes.call(request.map(|()| body))).await;
    exchange.answer(response, None, Instant::now())
}

async fn send(
    mut sending: RequestStream<SendStream<Bytes>, Bytes>,
    response: Response<Answer>,
    is_head: bool,
) -> Result<(), h3::error::StreamError> {
    let (mut head, body) = response.into_parts();
    let length = body.size_hint().exact();
    complete(&mut head, length, is_head);
    sending
        .send_response(Response::from_parts(head, ()))
        .await?;
    if !is_head {
        let mut body = pin!(body);
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                // Not an end that could be taken for the answer's own.
                sending.stop_stream(Code::H3_INTERNAL_ERROR);
                return Ok(());
            };
            if let Ok(data) = frame.into_data() {
                sending.send_data(data).await?;
            }
        }
    }
    sending.finish().await
}

/// The body of a request.
struct Received(RequestStream<RecvStream, Bytes>);

impl HttpBody for Received {
    type Data = Bytes;
    type Error = h3::error::StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv_data(context)
            .map(|received| match received {
                Ok(Some(mut data)) => Some(Ok(Frame::data(data.copy_to_bytes(data.remaining())))),
                Ok(None) => None,
                Err(error) => Some(Err(error)),
            })
    }
}
