//! What is for the staff alone: the servers, and how a channel is fed.
//!
//! The token goes into the `Authorization` header, as `Bearer TOKEN`; one of our own secret, which no fan has.

use axum::http::{HeaderMap, StatusCode};
use fanwave_wire::{Role, Sender, UnixMillis};

use crate::{Api, Problem, access::bearer};

/// Lets a valid token of a member of staff pass that was signed with our own secret.
pub(crate) fn demand_staff(api: &Api, headers: &HeaderMap, now: UnixMillis) -> Result<(), Problem> {
    staff_of(api, headers, now).map(drop)
}

/// The same, and says who it is.
pub(crate) fn staff_of(api: &Api, headers: &HeaderMap, now: UnixMillis) -> Result<Sender, Problem> {
    let Some(token) = bearer(headers) else {
        let words =
            "this needs the token of a member of staff in the header: Authorization: Bearer TOKEN";
        return Err(Problem::unauthorized("token_missing", words));
    };
    let claims = api
        .key
        .verify(token, now)
        .map_err(|error| Problem::unauthorized("token_refused", error.to_string()))?;
    let sender = claims.into_sender();
    match sender.role {
        Role::Staff => Ok(sender),
        Role::Fan | Role::Member | Role::Moderator | Role::Artist => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not_staff",
            "this is for the staff: fanwave token --role staff makes a token",
        )),
    }
}
