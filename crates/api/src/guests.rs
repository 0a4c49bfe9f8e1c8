//! `POST /api/v1/guests`: a nickname becomes a signed guest token.
//!
//! The identity is 128 random bits that only the token carries: nothing is stored. A fan who sends the previous token
//! along keeps the identity, so that renaming oneself, or coming back tomorrow, is not becoming another person. A token
//! that no longer verifies is no error: its bearer simply is a new guest. Only a fan's token counts as previous; an
//! artist's or staff token is never prolonged or downgraded here.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_wire::{
    Role, Sender, UnixMillis, UserId,
    limits::NAME_CHARS_MAX,
    token::{Claims, TokenKey},
};
use serde::{Deserialize, Serialize};
use utoipa::{ToSchema, openapi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem, channels::fresh, extract::InBody, limits, name, once::Ticket, random::random_hex,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Bytes of randomness in a guest id.
const IDENTITY_BYTES: usize = 16;

/// Somebody who wants to chat.
// It has no `Debug`: the token is a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewGuest)]
struct Ask {
    /// What to be called: at least one character that can be seen, none that steers the text around it.
    #[schema(schema_with = wanted_name)]
    name: String,
    /// The previous token, to stay the same fan. One that no longer counts makes a new guest.
    #[serde(default)]
    token: Option<String>,
}

pub(crate) fn wanted_name() -> openapi::Object {
    openapi::ObjectBuilder::new()
        .schema_type(openapi::schema::Type::String)
        .description(Some(
            "What to be called: at least one character that can be seen, none that steers the text around it.",
        ))
        .min_length(Some(1))
        .max_length(Some(NAME_CHARS_MAX))
        .pattern(Some(name::pattern()))
        .examples([serde_json::json!("Mina")])
        .build()
}

/// A fan who may chat.
#[derive(Serialize, ToSchema)]
struct Guest {
    /// What to connect with; a secret.
    token: String,
    /// Who they are to the chat.
    #[schema(value_type = String)]
    user: UserId,
    /// What they are called.
    #[schema(value_type = String)]
    name: Arc<str>,
    /// Until when the token is valid, milliseconds since 1970.
    #[schema(value_type = u64)]
    expires_at: UnixMillis,
}

/// Makes a guest
///
/// A name becomes a signed token for the chat.
#[utoipa::path(
    post, path = "/guests", tag = "guests", operation_id = "createGuest", request_body = Ask,
    responses(
        (status = 201, description = "The guest.", body = Guest),
        (status = 422, description = "`name_empty`, `name_too_long` or `name_character`: the name cannot be had."),
        (status = 500, description = "`internal`: no guest can be made right now."),
    ),
)]
async fn create(
    State(api): State<Arc<Api>>,
    InBody(ask): InBody<Ask>,
) -> Result<Response, Problem> {
    let name = name::parse(&ask.name).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            error.code(),
            error.to_string(),
        )
    })?;

    let now = (api.now)();
    let ttl_ms = u64::try_from(api.guest_ttl.as_millis()).unwrap_or(u64::MAX);
    let expires_at = UnixMillis(now.0.saturating_add(ttl_ms));
    let user = match ask
        .token
        .as_deref()
        .and_then(|token| previous(&api.key, token, now))
    {
        Some(user) => user,
        None => identity()?,
    };
    let sender = Sender {
        user: user.clone(),
        name: Arc::clone(&name),
        role: Role::Fan,
        badge: None,
    };
    // The name and the identity satisfy the token's rules, which are the milder ones; the compiler cannot know.
    let claims = Claims::new(sender, now, expires_at).map_err(|_| internal())?;
    let guest = Guest {
        token: api.key.issue(&claims),
        user,
        name,
        expires_at: claims.expires_at(),
    };
    Ok((StatusCode::CREATED, fresh(guest)).into_response())
}

/// Reads the body within the limits of size and time, if it is not that of a request that was done before (see
/// [`crate::once`]).
pub(crate) async fn read(request: Request, wait: Duration) -> Result<Bytes, Problem> {
    read_up_to(limits::BODY_BYTES_MAX, request, wait).await
}

/// Reads a body of at most so many bytes.
pub(crate) async fn read_up_to(
    bytes_max: usize,
    request: Request,
    wait: Duration,
) -> Result<Bytes, Problem> {
    let (head, body) = request.into_parts();
    let reading = axum::body::to_bytes(body, bytes_max);
    match tokio::time::timeout(wait, reading).await {
        Ok(Ok(body)) => {
            if let Some(ticket) = head.extensions.get::<Ticket>() {
                ticket.show(&body)?;
            }
            Ok(body)
        }
        // The body was larger than the limit, or broke off; in the second case nobody reads the answer.
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("a request body has at most {bytes_max} bytes here"),
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            "the request body did not arrive",
        )),
    }
}

/// The identity in a token that this server signed for a fan and that is still valid.
fn previous(key: &TokenKey, token: &str, now: UnixMillis) -> Option<UserId> {
    let claims = key.verify(token, now).ok()?;
    let sender = claims.into_sender();
    (sender.role == Role::Fan).then_some(sender.user)
}

/// A new identity; 128 random bits never meet twice.
fn identity() -> Result<UserId, Problem> {
    let random = random_hex::<IDENTITY_BYTES>()?;
    Ok(UserId(format!("g-{random}").into()))
}

fn internal() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "no guest can be made right now",
    )
}
