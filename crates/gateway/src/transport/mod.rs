//! The chat where no WebSocket passes: one long HTTP response to listen on, and short requests to speak by.
//!
//! | path | what |
//! |---|---|
//! | `POST /connection/http_stream` | the body is the first frame of commands; the response streams replies: lines of JSON, or Protobuf behind its length |
//! | `GET /connection/sse?cf_connect=...` | the same as server-sent events, one `data:` line a reply |
//! | `POST /emulation` | more commands for a session, by the `session` and `node` that its connect result named |
//!
//! The response's body is one end of a pair of sockets; the other is a connection of a reactor like any other, with the
//! same sessions, rooms, limits and pings, and the same end for a reader who lags. Nothing here knows a command. What
//! comes by `/emulation` is handed to that reactor, which finds the session by 128 random bits.
//!
//! Which pages may come is judged as for a WebSocket; a page of another origin that may is told so by CORS. A token comes
//! in a body or in the query of `/connection/sse`, and is written to no log.
//!
//! Spec: <https://centrifugal.dev/docs/transports/http_stream> and `/sse`, as the published clients speak them.

use std::{
    future::{Ready, ready},
    io,
    os::unix::net::UnixStream,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use fanwave_wire::{
    path,
    protocol::{EmulationRequest, Encoding},
};
use serde::Deserialize;
use socket2::SockRef;

pub(crate) use self::session_id::{SessionId, SessionSecret};
use self::{cors::Page, pipe::PipeBody};
use crate::{
    format::Format,
    http::Door,
    inbox::{Handover, Queued},
    limits,
    reactor::stream::Stream,
};

mod cors;
mod pipe;
mod session_id;

/// The routes of the fallbacks.
pub(crate) fn router(door: Arc<Door>) -> Router {
    Router::new()
        .route(
            path::HTTP_STREAM,
            post(http_stream).options(cors::preflight),
        )
        .route(path::SSE, get(sse))
        .route(path::EMULATION, post(emulate).options(cors::preflight))
        .with_state(door)
}

async fn http_stream(State(door): State<Arc<Door>>, headers: HeaderMap, body: Body) -> Response {
    let page = match Page::judge(&door, &headers) {
        Ok(page) => page,
        Err(refusal) => return door.refuse(refusal),
    };
    let encoding = encoding(&headers);
    let answer = match read(&door, body).await {
        Ok(frame) => {
            let format = match encoding {
                Encoding::Json => Format::StreamJson,
                Encoding::Protobuf => Format::StreamProtobuf,
            };
            open(&door, format, frame)
        }
        Err(status) => status.into_response(),
    };
    page.tell(answer)
}

/// The query of an event source.
#[derive(Deserialize)]
struct Connect {
    /// The first frame of commands, in JSON.
    #[serde(default)]
    cf_connect: String,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a handler owns what it is given"
)]
fn sse(
    State(door): State<Arc<Door>>,
    headers: HeaderMap,
    Query(Connect { cf_connect }): Query<Connect>,
) -> Ready<Response> {
    ready(match Page::judge(&door, &headers) {
        Ok(page) => page.tell(open(&door, Format::Sse, cf_connect.into())),
        Err(refusal) => door.refuse(refusal),
    })
}

async fn emulate(State(door): State<Arc<Door>>, headers: HeaderMap, body: Body) -> Response {
    let page = match Page::judge(&door, &headers) {
        Ok(page) => page,
        Err(refusal) => return door.refuse(refusal),
    };
    let encoding = encoding(&headers);
    let status = match read(&door, body).await {
        Ok(body) => queue(&door, encoding, &body),
        Err(status) => status,
    };
    page.tell(status.into_response())
}

/// Hands commands to the reactor of their session.
///
/// A node that is not this one is a 404, at which clients connect anew. A session that is gone is none: its stream has
/// ended, and the client knows.
fn queue(door: &Door, encoding: Encoding, body: &[u8]) -> StatusCode {
    let Ok(request) = EmulationRequest::parse(encoding, body) else {
        return StatusCode::BAD_REQUEST;
    };
    if request.node != *door.node {
        return StatusCode::NOT_FOUND;
    }
    let Ok(session) = request.session.parse::<SessionId>() else {
        return StatusCode::BAD_REQUEST;
    };
    let Some(seat) = door.reactors.seats().get(session.seat()) else {
        return StatusCode::NO_CONTENT;
    };
    match seat.inbox.command(session.secret(), request.frame) {
        Queued::Yes => StatusCode::NO_CONTENT,
        Queued::Full => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// How a body is written: the published clients say so by its type.
fn encoding(headers: &HeaderMap) -> Encoding {
    let is_binary = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/octet-stream"));
    if is_binary {
        Encoding::Protobuf
    } else {
        Encoding::Json
    }
}

/// Reads a body within its bounds.
async fn read(door: &Door, body: Body) -> Result<Bytes, StatusCode> {
    let whole = axum::body::to_bytes(body, door.message_bytes_max);
    match tokio::time::timeout(limits::BODY_TIMEOUT, whole).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

/// Opens a connection whose words become the response's body.
fn open(door: &Door, format: Format, frame: Bytes) -> Response {
    let place = match door.admission.take(Instant::now()) {
        Ok(place) => place,
        Err(reason) => return door.refuse(reason.into()),
    };
    let secret = match SessionSecret::random() {
        Ok(secret) => secret,
        Err(error) => {
            tracing::error!(%error, "no random numbers for a session");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let (stream, body) = match pair(door.socket_send_bytes, secret) {
        Ok(pair) => pair,
        Err(error) => {
            tracing::warn!(%error, "no pair of sockets for a stream");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    door.metrics.upgraded();
    door.reactors.hand_over(Handover {
        stream,
        format,
        leftover: frame,
        deflate: None,
        place,
    });
    let mut response = Body::new(body).into_response();
    let kind = match format {
        Format::Sse => "text/event-stream; charset=utf-8",
        Format::StreamProtobuf => "application/octet-stream",
        _ => "application/json",
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that gather a response before they pass it on are asked not to.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A reactor's end and a response's end of what a client hears.
fn pair(send_bytes: usize, secret: SessionSecret) -> io::Result<(Stream, PipeBody)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    SockRef::from(&ours).set_send_buffer_size(send_bytes)?;
    Ok((Stream::pipe(ours, secret), PipeBody::new(theirs)?))
}

/// How long a browser may remember what a preflight was told.
const PREFLIGHT_AGE: Duration = Duration::from_secs(24 * 3600);
