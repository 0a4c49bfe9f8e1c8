//! `POST /api/v1/guests`: a nickname becomes a signed guest token.
//!
//! The identity is 128 random bits that only the token carries: nothing is stored. A fan who sends the previous token
//! along keeps the identity, so that renaming oneself, or coming back tomorrow, is not becoming another person. A token
//! that no longer verifies is no error: its bearer simply is a new guest. Only a fan's token counts as previous; an
//! artist's or staff token is never prolonged or downgraded here.

use std::{fmt::Write, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_wire::{
    Role, Sender, UnixMillis, UserId,
    token::{Claims, TokenKey},
};
use serde::{Deserialize, Serialize};

use crate::{Api, Problem, channels::fresh, limits, name};

/// Bytes of randomness in a guest id.
const IDENTITY_BYTES: usize = 16;

/// What a client sends. It has no `Debug`: the token is a secret.
#[derive(Deserialize)]
struct Ask {
    name: String,
    #[serde(default)]
    token: Option<String>,
}

/// What it gets.
#[derive(Serialize)]
struct Guest {
    token: String,
    user: UserId,
    name: Arc<str>,
    /// Unix time in milliseconds.
    expires_at: UnixMillis,
}

/// Issues a token. See the module.
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Response, Problem> {
    let body = read(request, limits::BODY_WAIT_MAX).await?;
    let ask: Ask = serde_json::from_slice(&body).map_err(|_| malformed())?;
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

/// Reads the body within the limits of size and time.
pub(crate) async fn read(request: Request, wait: Duration) -> Result<Bytes, Problem> {
    let reading = axum::body::to_bytes(request.into_body(), limits::BODY_BYTES_MAX);
    match tokio::time::timeout(wait, reading).await {
        Ok(Ok(body)) => Ok(body),
        // The body was larger than the limit, or broke off; in the second case nobody reads the answer.
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!(
                "a request body has at most {} bytes",
                limits::BODY_BYTES_MAX
            ),
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
    let mut random = [0_u8; IDENTITY_BYTES];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "the system's random source failed");
        internal()
    })?;
    let mut id = String::with_capacity(2 + 2 * IDENTITY_BYTES);
    id.push_str("g-");
    for byte in random {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    Ok(UserId(id.into()))
}

fn internal() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "no guest can be made right now",
    )
}

fn malformed() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "malformed_body",
        "the body must be JSON: {\"name\": \"...\", \"token\": \"the previous token, if any\"}",
    )
}
