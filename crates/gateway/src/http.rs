//! The HTTP side: answers a WebSocket handshake, and hands the bare socket to a reactor.
//!
//! [`handshake`](crate::handshake) judges it, before the upgrade and in HTTP's own words. Behind the 101 the socket leaves
//! tokio for good, together with what the peer sent behind its handshake; nothing here reads or writes a frame.
//!
//! The server in front must be hyper's HTTP/1 over [`TokioIo`]`<`[`TcpStream`](tokio::net::TcpStream)`>`, [`PlainIo`] or [`TlsIo`]
//! itself: any other stream cannot be given to a reactor, and is refused with an error that says so.
//!
//! Spec: RFC 6455, section 4.2.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, Version, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use fanwave_wire::{path, ws};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use thiserror::Error;

use crate::{
    GatewayConfig,
    admission::{Admission, Place},
    config::Extensions,
    format::Format,
    handshake::{Accepted, Offer, Refusal},
    inbox::Handover,
    limits,
    metrics::Metrics,
    origin::OriginPolicy,
    plain::PlainIo,
    reactor::stream::Stream,
    reactors::Reactors,
    tls::TlsIo,
};

/// What a handshake needs.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) admission: Arc<Admission>,
    pub(crate) reactors: Arc<Reactors>,
    pub(crate) metrics: Metrics,
    pub(crate) origins: OriginPolicy,
    pub(crate) extensions: Extensions,
    pub(crate) socket_send_bytes: usize,
    /// Most bytes of one frame of commands.
    pub(crate) message_bytes_max: usize,
    /// What this node is called by clients that speak by other requests than they listen on.
    pub(crate) node: Arc<str>,
}

/// The gateway's routes.
pub(crate) fn router(door: Arc<Door>) -> Router {
    Router::new()
        .route(path::WEBSOCKET, get(handshake))
        .with_state(door)
}

impl Door {
    /// The door that the HTTP server leads to.
    pub(crate) fn new(
        config: &GatewayConfig,
        admission: &Arc<Admission>,
        reactors: &Arc<Reactors>,
        metrics: &Metrics,
        node: &Arc<str>,
    ) -> Self {
        Self {
            admission: Arc::clone(admission),
            reactors: Arc::clone(reactors),
            metrics: metrics.clone(),
            origins: config.origins.clone(),
            extensions: Extensions::new(config.compression, config.dialect),
            socket_send_bytes: config.socket_send_bytes,
            message_bytes_max: config.message_bytes_max,
            node: Arc::clone(node),
        }
    }

    /// Refuses somebody in HTTP's own words, and says when to come again where that is of use.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Response {
        self.metrics.refused(refusal.reason());
        // A bad number could only make a worse answer, never a good one of a bad request.
        let status = StatusCode::from_u16(refusal.status().0).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, format!("{refusal}\n")).into_response();
        let headers = response.headers_mut();
        for (name, value) in refusal.headers() {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        if let Some(seconds) = self.retry_after(refusal) {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }

    fn retry_after(&self, refusal: Refusal) -> Option<u32> {
        let seconds = refusal
            .is_for_now()
            .then(|| self.admission.retry_after_seconds(Instant::now()))?;
        self.metrics.return_slots.inc();
        Some(seconds)
    }
}

async fn handshake(State(door): State<Arc<Door>>, mut request: Request) -> Response {
    let judged = judge(&door, &request).and_then(|accepted| {
        let place = door.admission.take(Instant::now())?;
        Ok((accepted, place))
    });
    let (accepted, place) = match judged {
        Ok(judged) => judged,
        Err(refusal) => return door.refuse(refusal),
    };
    let Ok(key) = HeaderValue::try_from(&*accepted.key) else {
        return door.refuse(Refusal::Key);
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(hand_over(
        door,
        upgrade,
        Terms {
            format: accepted.format(),
            deflate: accepted.window(),
            place,
        },
    ));
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    if let Some(extension) = accepted
        .deflate
        .and_then(|d| HeaderValue::try_from(d.to_string()).ok())
    {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, extension);
    }
    if let Some(subprotocol) = accepted.subprotocol {
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(subprotocol),
        );
    }
    response
}

fn judge(door: &Door, request: &Request) -> Result<Accepted, Refusal> {
    let mut offer =
        Offer::new(request.method() == Method::GET && request.version() == Version::HTTP_11);
    for (name, value) in request.headers() {
        offer.header(name.as_str(), value.as_bytes());
    }
    offer.judge(&door.origins, door.extensions)
}

/// Why a socket whose handshake was answered never reached the reactor.
#[derive(Debug, Error)]
#[non_exhaustive]
enum HandOverError {
    #[error("the peer went away during the handshake: {0}")]
    Upgrade(#[from] hyper::Error),
    #[error("the HTTP server kept the socket for {0:?} after the handshake")]
    TimedOut(Duration),
    #[error(
        "the HTTP server in front serves neither a bare TcpStream in TokioIo or PlainIo nor TlsIo: its sockets cannot be handed over"
    )]
    ForeignStream,
    #[error("the socket could not be prepared: {0}")]
    Socket(#[from] io::Error),
}

/// What was agreed in a handshake.
struct Terms {
    format: Format,
    deflate: Option<ws::WindowBits>,
    place: Place,
}

async fn hand_over(door: Arc<Door>, upgrade: OnUpgrade, terms: Terms) {
    let Terms {
        format,
        deflate,
        place,
    } = terms;
    match detach(upgrade, door.socket_send_bytes).await {
        Ok((stream, leftover)) => {
            door.metrics.upgraded();
            door.reactors.hand_over(Handover {
                stream,
                format,
                leftover,
                deflate,
                place,
            });
        }
        Err(error @ HandOverError::ForeignStream) => {
            tracing::error!(%error, "a socket was not handed over");
        }
        Err(error) => tracing::debug!(%error, "a socket was not handed over"),
    }
}

/// Waits for the bare socket, takes it out of tokio and prepares it for the reactor.
async fn detach(upgrade: OnUpgrade, send_bytes: usize) -> Result<(Stream, Bytes), HandOverError> {
    let upgraded: Upgraded = tokio::time::timeout(limits::UPGRADE_TIMEOUT, upgrade)
        .await
        .map_err(|_| HandOverError::TimedOut(limits::UPGRADE_TIMEOUT))??;
    let upgraded = match upgraded.downcast::<PlainIo>() {
        Ok(parts) => {
            let (socket, unread) = parts.io.into_parts();
            let stream = bare(socket, send_bytes)?;
            return Ok((stream, joined(parts.read_buf, unread)));
        }
        Err(other) => other,
    };
    match upgraded.downcast::<TokioIo<tokio::net::TcpStream>>() {
        Ok(parts) => Ok((bare(parts.io.into_inner(), send_bytes)?, parts.read_buf)),
        Err(other) => {
            let parts = other
                .downcast::<TlsIo>()
                .map_err(|_| HandOverError::ForeignStream)?;
            let (tls, unread) = parts.io.into_parts()?;
            prepare(&SockRef::from(tls.socket()), send_bytes)?;
            let stream = Stream::Tls(Box::new(tls));
            Ok((stream, joined(parts.read_buf, unread)))
        }
    }
}

fn bare(socket: tokio::net::TcpStream, send_bytes: usize) -> io::Result<Stream> {
    let socket = socket.into_std()?;
    socket.set_nonblocking(true)?;
    prepare(&SockRef::from(&socket), send_bytes)?;
    Ok(Stream::from(socket))
}

/// What has come already: what the HTTP server has read, and what lies behind that.
fn joined(read: Bytes, unread: Bytes) -> Bytes {
    if unread.is_empty() {
        read
    } else {
        [read, unread].concat().into()
    }
}

fn prepare(socket: &SockRef<'_>, send_bytes: usize) -> io::Result<()> {
    // A sweep writes whole frames, so waiting for more to fill a segment only delays them.
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(send_bytes)
}
