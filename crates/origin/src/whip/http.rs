//! WHIP's side of HTTP (RFC 9725): an offer is posted, its session ended with DELETE.
//!
//! * The session's address cannot be guessed; whoever has it may end the session.
//! * The server is ICE-lite: it needs no candidates, since publishers come to it. Those that are told later are taken and not
//!   looked at; an ICE restart is refused, and a publisher that needs one posts a new offer.
//! * Pages of any origin may publish: what lets somebody in is the key, which no browser sends by itself.

use std::{fmt::Display, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use fanwave_media::{
    limits::OFFER_BYTES_MAX,
    offer::{Offer, OfferError, fragment_ufrag},
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    Endpoint,
    peer::Credentials,
    problem::Problem,
    session::{Line, Session},
    sessions::{Known, SessionId},
};
use crate::{
    config::Secret,
    ingest::{self, LetIn, Protocol, Publisher, Wish, shortened},
    limits::{WHIP_FRAGMENT_BYTES_MAX, WHIP_QUEUE_DATAGRAMS},
    metrics::Refusal,
};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// The routes of all channels.
pub(crate) fn router(endpoint: Arc<Endpoint>) -> Router {
    let routes = Router::new()
        .route(
            "/{channel}",
            post(begin).get(nothing).options(options_of_endpoint),
        )
        .route(
            "/{channel}/{session}",
            get(nothing)
                .delete(end)
                .patch(trickle)
                .options(options_of_session),
        )
        .layer(middleware::map_response(allow_any_origin))
        .with_state(endpoint);
    Router::new().nest("/whip", routes)
}

/// Endpoints and sessions have nothing to show (RFC 9725 section 4.1), and say so whether or not there are any.
async fn nothing() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn options_of_endpoint() -> Response {
    options(
        "POST, GET, OPTIONS",
        (header::HeaderName::from_static("accept-post"), SDP),
    )
}

async fn options_of_session() -> Response {
    options(
        "PATCH, DELETE, GET, OPTIONS",
        (header::HeaderName::from_static("accept-patch"), FRAGMENT),
    )
}

fn options(methods: &'static str, takes: (header::HeaderName, &'static str)) -> Response {
    let headers = [
        (header::ALLOW, methods),
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        // A star does not stand for Authorization.
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type, If-Match",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
        takes,
    ];
    (StatusCode::OK, headers).into_response()
}

async fn allow_any_origin(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    let exposed = HeaderValue::from_static("ETag, Location, Retry-After, WWW-Authenticate");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}

/// Takes an offer.
async fn begin(
    State(endpoint): State<Arc<Endpoint>>,
    Path(channel): Path<String>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    // Without one, the router is not behind a socket.
    let from = head.extensions.get::<ConnectInfo<SocketAddr>>();
    let from = from.map_or_else(|| ([0, 0, 0, 0], 0).into(), |info| info.0);
    let wish = Wish {
        arguments: Secret::new(shortened(head.uri.query().unwrap_or_default())),
        channel: Some(shortened(&channel).to_owned()),
        agent: text_of(&head.headers, header::USER_AGENT),
        ..Wish::of(bearer(&head.headers))
    };
    match endpoint.begin(wish, from, &head.headers, body).await {
        Ok(begun) => {
            let headers = [
                (header::CONTENT_TYPE, SDP.to_owned()),
                (header::LOCATION, begun.location),
                (header::ETAG, begun.etag),
                (header::CACHE_CONTROL, "no-store".to_owned()),
            ];
            (StatusCode::CREATED, headers, begun.answer).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// Ends a session.
async fn end(
    State(endpoint): State<Arc<Endpoint>>,
    Path((channel, session)): Path<(String, String)>,
) -> Response {
    match endpoint.known(&channel, &session) {
        Some(known) => {
            known.end.notify_one();
            StatusCode::OK.into_response()
        }
        None => Problem::no_session().into_response(),
    }
}

/// Takes candidates that were found later (RFC 9725 section 4.3).
async fn trickle(
    State(endpoint): State<Arc<Endpoint>>,
    Path((channel, session)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let trickled = endpoint.trickle(&channel, &session, &headers, body).await;
    match trickled {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// What the publisher is told of its session.
struct Begun {
    answer: String,
    location: String,
    etag: String,
}

impl Endpoint {
    async fn begin(
        &self,
        wish: Wish,
        from: SocketAddr,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Begun, Problem> {
        let deadline = Instant::now() + self.shared.patience.before_publish;
        let text = body_of(headers, body, SDP, OFFER_BYTES_MAX, deadline).await?;
        let offer = Offer::parse(&text).map_err(|error| {
            self.turn_away(from, Refusal::Protocol, &error);
            Problem::from(error)
        })?;
        let Some(admission) = self.admitted.admit(from.ip()) else {
            self.turn_away(from, Refusal::Connections, &"too many connections");
            return Err(Problem::overload());
        };
        let publisher = Publisher {
            protocol: Protocol::Whip,
            connection: self.shared.next_connection(),
            peer: from,
            wish,
        };
        let admitted = ingest::admit(&self.shared, publisher, deadline).await;
        let let_in = admitted.map_err(|denial| {
            self.turn_away(from, denial.counted(), &denial);
            Problem::from(&denial)
        })?;
        let (begun, line) = match self.answer(&text, offer, &let_in) {
            Ok(answered) => answered,
            Err(problem) => {
                self.turn_away(from, Refusal::Protocol, &problem.detail());
                let_in.give_back().await;
                return Err(problem);
            }
        };
        let session = Session {
            shared: Arc::clone(&self.shared),
            let_in,
            admission,
            line,
            keyframe_interval: self.keyframe_interval,
            from,
        };
        match self.begun.send(Box::new(session)).await {
            Ok(()) => Ok(begun),
            // The origin stops.
            Err(unsent) => {
                unsent.0.let_in.give_back().await;
                Err(Problem::overload())
            }
        }
    }

    fn turn_away(&self, from: SocketAddr, counted: Refusal, why: &dyn Display) {
        self.shared.metrics.refused(counted);
        tracing::warn!(peer = %from, %why, "WHIP publisher turned away");
    }

    /// Answers an offer whose publisher was let in.
    fn answer(&self, text: &str, offer: Offer, let_in: &LetIn) -> Result<(Begun, Line), Problem> {
        let id = SessionId::random().ok_or_else(Problem::overload)?;
        let credentials = Credentials::random().ok_or_else(Problem::overload)?;
        let now = Instant::now().into_std();
        let answered = self.ground.answer(text, &credentials, now);
        let (peer, answer) = answered.map_err(|error| Problem::from(&error))?;
        let channel = let_in.claim.channel().id();
        // Of ICE's own, which the publisher knows anyhow.
        let etag = format!("\"{}\"", credentials.ufrag);
        let begun = Begun {
            answer,
            location: format!("/whip/{channel}/{}", id.text()),
            etag: etag.clone(),
        };
        let known = Known {
            channel: channel.clone(),
            remote_ufrag: offer.ufrag,
            etag,
            end: Arc::default(),
        };
        let end = Arc::clone(&known.end);
        let (sender, datagrams) = mpsc::channel(WHIP_QUEUE_DATAGRAMS);
        let place = self.sessions.enter(id, known, credentials.ufrag, sender);
        let line = Line {
            place: place.ok_or_else(Problem::overload)?,
            end,
            datagrams,
            peer,
            offered: offer.offered,
        };
        Ok((begun, line))
    }

    fn known(&self, channel: &str, session: &str) -> Option<Known> {
        let known = self.sessions.known(SessionId::parse(session)?)?;
        (known.channel.as_str() == channel).then_some(known)
    }

    async fn trickle(
        &self,
        channel: &str,
        session: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(), Problem> {
        let known = self
            .known(channel, session)
            .ok_or_else(Problem::no_session)?;
        let deadline = Instant::now() + self.shared.patience.before_publish;
        let text = body_of(headers, body, FRAGMENT, WHIP_FRAGMENT_BYTES_MAX, deadline).await?;
        let restarts = fragment_ufrag(&text).is_some_and(|ufrag| ufrag != known.remote_ufrag);
        let condition = headers.get(header::IF_MATCH).map(HeaderValue::as_bytes);
        match condition {
            _ if restarts => Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "no_ice_restart",
                "ICE is not restarted here: post a new offer",
            )),
            None => Err(Problem::new(
                StatusCode::PRECONDITION_REQUIRED,
                "no_if_match",
                "If-Match has to name the session's ETag",
            )),
            Some(etag) if etag == known.etag.as_bytes() => Ok(()),
            Some(_) => Err(Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "other_etag",
                "If-Match names another ETag than the session's",
            )),
        }
    }
}

/// A body of that type, as text.
async fn body_of(
    headers: &HeaderMap,
    body: Body,
    content_type: &'static str,
    bytes_max: usize,
    deadline: Instant,
) -> Result<String, Problem> {
    let said = text_of(headers, header::CONTENT_TYPE);
    let said = said.split(';').next().unwrap_or_default().trim();
    if !said.eq_ignore_ascii_case(content_type) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_type",
            format!("the body has to be of the type {content_type}"),
        ));
    }
    let read = timeout_at(deadline, to_bytes(body, bytes_max)).await;
    let bytes = read
        .map_err(|_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "too_slow",
                "the body did not come in time",
            )
        })?
        .map_err(|_| {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_long",
                format!("the body has more than {bytes_max} bytes, or broke off"),
            )
        })?;
    String::from_utf8(bytes.into()).map_err(|_| Problem::from(OfferError::NoSdp))
}

/// The token of RFC 6750 section 2.1; empty without one.
fn bearer(headers: &HeaderMap) -> &str {
    let value = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '));
    match value {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    }
}

fn text_of(headers: &HeaderMap, name: header::HeaderName) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    shortened(value.unwrap_or_default()).to_owned()
}
