//! What is for the staff alone: the servers, and how a channel is fed.
//!
//! The token goes into the `Authorization` header, as `Bearer TOKEN`; one of our own secret, which no fan has.

use axum::http::{HeaderMap, StatusCode, header};
use fanwave_wire::{Role, UnixMillis};

use crate::{Api, Problem};

/// Lets a valid token of a member of staff pass that was signed with our own secret.
pub(crate) fn demand_staff(api: &Api, headers: &HeaderMap, now: UnixMillis) -> Result<(), Problem> {
    let authorization = headers.get(header::AUTHORIZATION);
    let token = authorization
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let Some(token) = token else {
        let words =
            "this needs the token of a member of staff in the header: Authorization: Bearer TOKEN";
        return Err(Problem::unauthorized("token_missing", words));
    };
    let claims = api
        .key
        .verify(token, now)
        .map_err(|error| Problem::unauthorized("token_refused", error.to_string()))?;
    match claims.sender().role {
        Role::Staff => Ok(()),
        Role::Fan | Role::Member | Role::Moderator | Role::Artist => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not_staff",
            "this is for the staff: fanwave token --role staff makes a token",
        )),
    }
}
