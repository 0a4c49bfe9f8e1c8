//! `POST /api/v1/users/{user}/forget`: removes what a person has said, and what mentions them.
//!
//! 1. The person is cleared in every room, as a moderator does it: every server and the broker lets go of what they have said,
//!    and what is still on its way to the log is not written.
//! 2. The log is waited for until it has that, so that it comes behind nothing.
//! 3. What webhooks were or are to be told of them is forgotten.
//! 4. The log forgets them, and that they were cleared.

use std::{sync::Arc, time::Instant};

use axum::{extract::State, http::StatusCode};
use fanwave_bus::Ack;
use fanwave_room::machine::Act;
use fanwave_store::Archive;
use fanwave_wire::{Action, Channel, Lane, Role, RoomId, Sender, UserId};
use serde::Serialize;
use serde_json::json;
use tokio::time::sleep;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::unavailable;
use crate::{
    Api, Problem,
    access::{Caller, sender},
    accounts::refused,
    body::NoBody,
    channels::{Answer, fresh},
    extract::InPath,
    keys::Scope,
    limits::{LOG_ASKED_EVERY, LOG_WAIT_MAX},
    moderation::new_id,
    rooms::{RoomError, Taken},
    users::UserOnly,
};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(forget))
}

/// What was forgotten.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Forgotten)]
struct Done {
    /// Messages that are gone from the log, or have become nobody's.
    messages: u64,
    /// Lanes that were left as they are, because their room is under legal hold.
    held: u64,
}

/// Forgets a person
///
/// What they have said is gone from every room and from the log, and so is what mentions them; what they did and others count
/// on stays, by nobody. Rooms under legal hold are left as they are. It cannot be undone. For staff, and keys with the scope
/// `log`; what it reaches, and what not, is in docs/store.md.
#[utoipa::path(
    post, path = "/users/{user}/forget", tag = "log", operation_id = "forgetUser", params(UserOnly),
    security(("bearer" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "They are forgotten.", body = Done),
        (status = 422, description = "`person_refused`: the detail says what cannot be."),
        (status = 503, description = "`log_behind`: the log has not caught up with the rooms in time; ask again."),
    ),
)]
async fn forget(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(UserOnly { user }): InPath<UserOnly>,
    NoBody: NoBody,
) -> Result<Answer<Done>, Problem> {
    caller.demand(Scope::Log)?;
    let log = api.log()?;
    // Only the id matters; it has to be one.
    let user = sender(&user, Some("user"), Role::Fan, None)?.user;
    let by = caller.sender();
    let held = log.holds().await.map_err(|error| unavailable(&error))?;
    let is_held = |room: &RoomId| held.iter().any(|(held, _)| held == room);
    let mut cleared = Vec::new();
    for channel in api.channels.iter().filter(|channel| !is_held(&channel.id)) {
        if let Some(ack) = clear(&api, &channel.id, &by, &user).await? {
            cleared.push((channel.id.clone(), ack));
        }
    }
    if api.recorded {
        caught_up(log, &cleared).await?;
    }
    // First, so that whoever asks again after an error has it all done.
    if let Some(webhooks) = &api.webhooks {
        let told = webhooks.catalogue.forget_deliveries(&user.0).await;
        told.map_err(|error| refused(&error))?;
    }
    let forgotten = log
        .forget(user)
        .await
        .map_err(|error| unavailable(&error))?;
    // Not of whom: they are forgotten here, too.
    let detail = json!({"messages": forgotten.messages, "held": forgotten.held});
    api.note((&by.user.0, "person.forgotten"), "person", &detail)
        .await?;
    Ok(fresh(Done {
        messages: forgotten.messages,
        held: forgotten.held,
    }))
}

/// Clears somebody in a room, and says where that stands in its lane.
async fn clear(
    api: &Api,
    room: &RoomId,
    by: &Sender,
    user: &UserId,
) -> Result<Option<Ack>, Problem> {
    let act = Act {
        sender: by.clone(),
        follows_since: None,
        id: new_id()?,
        action: Action::Clear { user: user.clone() },
    };
    match api.rooms.act(room, act).await {
        Ok(Taken::Stored { ack, .. }) => Ok(Some(ack)),
        // Whoever has said nothing there has nothing to lose.
        Ok(Taken::Waits) => Ok(None),
        Err(error @ RoomError::Refused(_)) if is_not_there(&error) => Ok(None),
        Err(error) => Err(error.problem((api.now)())),
    }
}

fn is_not_there(error: &RoomError) -> bool {
    matches!(
        error,
        RoomError::Refused(fanwave_room::machine::Refusal::NotFound)
    )
}

/// Waits until the log has what was done in the rooms.
async fn caught_up(log: &Archive, cleared: &[(RoomId, Ack)]) -> Result<(), Problem> {
    let began = Instant::now();
    for (room, ack) in cleared {
        let channel = Channel {
            lane: Lane::Room,
            room: room.clone(),
        };
        loop {
            let reached = log.reached(&channel).await;
            let reached = reached.map_err(|error| unavailable(&error))?;
            if reached
                .is_some_and(|reached| reached.epoch == ack.epoch && reached.head >= ack.offset)
            {
                break;
            }
            if began.elapsed() > LOG_WAIT_MAX {
                return Err(Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "log_behind",
                    "the person is cleared in the rooms, and the log has not caught up with them yet: ask again",
                ));
            }
            sleep(LOG_ASKED_EVERY).await;
        }
    }
    Ok(())
}
