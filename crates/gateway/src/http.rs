//! The HTTP side: judges a WebSocket handshake, answers it, and hands the bare socket to the reactor.
//!
//! Everything that can be refused is refused here, before the upgrade and in HTTP's own words: a foreign page (403), a
//! wrong version (426), a request that is no handshake (400, 405, 426), a full or stopping node (503). Behind the 101 the
//! socket leaves tokio for good, together with what the peer sent behind its handshake; nothing here reads or writes a
//! frame.
//!
//! The server in front must be hyper's HTTP/1 over [`TokioIo`]`<`[`TcpStream`](tokio::net::TcpStream)`>` itself: any other
//! stream cannot be given to a reactor, and is refused with an error that says so.
//!
//! Spec: RFC 6455, section 4.2.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header},
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
    admission::{Admission, NoPlace, Place},
    inbox::Handover,
    limits,
    metrics::Metrics,
    origin::{OriginPolicy, OriginVerdict},
    reactor::stream::Stream,
    reactors::Reactors,
};

/// The one protocol version there is (RFC 6455, section 4.1).
const VERSION: &str = "13";

/// The subprotocol that names this dialect; clients that offer none speak it too.
const SUBPROTOCOL: &str = "centrifuge-json";

/// What a handshake needs.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) admission: Arc<Admission>,
    pub(crate) reactors: Arc<Reactors>,
    pub(crate) metrics: Metrics,
    pub(crate) origins: OriginPolicy,
    pub(crate) socket_send_bytes: usize,
}

/// The gateway's routes.
pub(crate) fn router(door: Arc<Door>) -> Router {
    Router::new()
        .route(path::WEBSOCKET, get(handshake))
        .with_state(door)
}

/// Why a handshake is refused; each has its status and its metric's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
enum Refusal {
    #[error("this page may not connect here")]
    Origin,
    #[error("a WebSocket handshake is a GET over HTTP/1.1")]
    Method,
    #[error("this is a WebSocket: send Connection: Upgrade and Upgrade: websocket")]
    NoUpgrade,
    #[error("the WebSocket version is 13")]
    Version,
    #[error("Sec-WebSocket-Key is 16 bytes in base64")]
    Key,
    #[error("the server is full, try again in a few seconds")]
    Full,
    #[error("the server is stopping")]
    Stopping,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Key => StatusCode::BAD_REQUEST,
            Self::Full | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Method => "method",
            Self::NoUpgrade => "no_upgrade",
            Self::Version => "version",
            Self::Key => "key",
            Self::Full => "full",
            Self::Stopping => "stopping",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status(), format!("{self}\n")).into_response();
        let headers = response.headers_mut();
        match self {
            // RFC 9110, section 15.5.22: a 426 names what would be spoken.
            Self::NoUpgrade | Self::Version => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(
                    header::SEC_WEBSOCKET_VERSION,
                    HeaderValue::from_static(VERSION),
                );
            }
            Self::Full | Self::Stopping => {
                headers.insert(header::RETRY_AFTER, limits::RETRY_AFTER_SECONDS.into());
            }
            Self::Method => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
            }
            Self::Origin | Self::Key => {}
        }
        response
    }
}

async fn handshake(State(door): State<Arc<Door>>, mut request: Request) -> Response {
    let judged = judge(&door.origins, &request).and_then(|accept| match door.admission.take() {
        Ok(place) => Ok((accept, place)),
        Err(NoPlace::Full) => Err(Refusal::Full),
        Err(NoPlace::Stopping) => Err(Refusal::Stopping),
    });
    let (accept, place) = match judged {
        Ok(judged) => judged,
        Err(refusal) => {
            door.metrics.refused(refusal.reason());
            return refusal.into_response();
        }
    };
    let offered = offers_subprotocol(request.headers());
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(hand_over(door, upgrade, place));
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if offered {
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(SUBPROTOCOL),
        );
    }
    response
}

/// Judges a handshake; its answer is the value of `Sec-WebSocket-Accept`.
fn judge(origins: &OriginPolicy, request: &Request) -> Result<HeaderValue, Refusal> {
    let headers = request.headers();
    // First, so that a foreign page learns nothing else about this server.
    if origins.judge(headers) == OriginVerdict::Refused {
        return Err(Refusal::Origin);
    }
    if request.method() != axum::http::Method::GET || request.version() != Version::HTTP_11 {
        return Err(Refusal::Method);
    }
    let upgrades = has_token(headers, &header::CONNECTION, "upgrade")
        && has_token(headers, &header::UPGRADE, "websocket");
    if !upgrades {
        return Err(Refusal::NoUpgrade);
    }
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != VERSION)
    {
        return Err(Refusal::Version);
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .and_then(|key| key.to_str().ok())
        .ok_or(Refusal::Key)?;
    let accept = ws::accept_key(key).map_err(|_| Refusal::Key)?;
    HeaderValue::try_from(accept).map_err(|_| Refusal::Key)
}

/// Whether a header, which may be repeated and comma-separated, contains a token.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

fn offers_subprotocol(headers: &HeaderMap) -> bool {
    has_token(headers, &header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
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
        "the HTTP server in front serves no bare TcpStream in TokioIo: its sockets cannot be handed over"
    )]
    ForeignStream,
    #[error("the socket could not be prepared: {0}")]
    Socket(#[from] io::Error),
}

async fn hand_over(door: Arc<Door>, upgrade: OnUpgrade, place: Place) {
    match detach(upgrade, door.socket_send_bytes).await {
        Ok((stream, leftover)) => door.reactors.hand_over(Handover {
            stream: Stream::from(stream),
            leftover,
            place,
        }),
        Err(error @ HandOverError::ForeignStream) => {
            tracing::error!(%error, "a socket was not handed over");
        }
        Err(error) => tracing::debug!(%error, "a socket was not handed over"),
    }
}

/// Waits for the bare socket, takes it out of tokio and prepares it for the reactor.
async fn detach(
    upgrade: OnUpgrade,
    send_bytes: usize,
) -> Result<(std::net::TcpStream, Bytes), HandOverError> {
    let upgraded: Upgraded = tokio::time::timeout(limits::UPGRADE_TIMEOUT, upgrade)
        .await
        .map_err(|_| HandOverError::TimedOut(limits::UPGRADE_TIMEOUT))??;
    let parts = upgraded
        .downcast::<TokioIo<tokio::net::TcpStream>>()
        .map_err(|_| HandOverError::ForeignStream)?;
    let stream = parts.io.into_inner().into_std()?;
    stream.set_nonblocking(true)?;
    // A sweep writes whole frames, so waiting for more to fill a segment only delays them.
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_send_buffer_size(send_bytes)?;
    Ok((stream, parts.read_buf))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake_request() -> axum::http::request::Builder {
        Request::builder()
            .uri(path::WEBSOCKET)
            .header(header::HOST, "fans.example")
            .header(header::CONNECTION, "keep-alive, Upgrade")
            .header(header::UPGRADE, "WebSocket")
            .header(header::SEC_WEBSOCKET_VERSION, VERSION)
            .header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
    }

    fn judged(request: axum::http::request::Builder) -> Result<HeaderValue, Refusal> {
        judge(
            &OriginPolicy::SameHost,
            &request.body(axum::body::Body::empty()).unwrap(),
        )
    }

    /// The handshake of RFC 6455, section 1.3.
    #[test]
    fn the_specs_own_handshake_is_answered() {
        assert_eq!(
            judged(handshake_request()).unwrap(),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn each_fault_has_its_refusal() {
        let without = |name: HeaderName| {
            let mut request = handshake_request();
            request.headers_mut().unwrap().remove(name);
            request
        };
        assert_eq!(judged(without(header::UPGRADE)), Err(Refusal::NoUpgrade));
        assert_eq!(judged(without(header::CONNECTION)), Err(Refusal::NoUpgrade));
        assert_eq!(
            judged(without(header::SEC_WEBSOCKET_VERSION)),
            Err(Refusal::Version)
        );
        assert_eq!(
            judged(without(header::SEC_WEBSOCKET_KEY)),
            Err(Refusal::Key)
        );
        assert_eq!(
            judged(handshake_request().method("POST")),
            Err(Refusal::Method)
        );
        assert_eq!(
            judged(handshake_request().version(Version::HTTP_10)),
            Err(Refusal::Method)
        );
        let foreign = handshake_request().header(header::ORIGIN, "https://evil.example");
        assert_eq!(judged(foreign), Err(Refusal::Origin));
        for key in [
            "",
            "short",
            "dGhlIHNhbXBsZSBub25jZ===",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbX sZSBub25jZQ==",
        ] {
            let mut request = handshake_request();
            request
                .headers_mut()
                .unwrap()
                .insert(header::SEC_WEBSOCKET_KEY, key.parse().unwrap());
            assert_eq!(judged(request), Err(Refusal::Key), "{key}");
        }
    }

    #[test]
    fn refusals_speak_http() {
        let version = Refusal::Version.into_response();
        assert_eq!(version.status(), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(version.headers()[header::SEC_WEBSOCKET_VERSION], "13");
        let full = Refusal::Full.into_response();
        assert_eq!(full.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(full.headers().contains_key(header::RETRY_AFTER));
    }
}
