//! Starting, stopping and cancelling a show, and taking that back.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    KIND, ShowPath, Shown, made,
    states::{self, Act},
    tagged, unknown, wrong_state,
};
use crate::{
    Api, Problem,
    accounts::{Boss, IfMatch, expected, is_id, refused},
    body::NoBody,
    extract::InPath,
    webhooks::kinds::EventKind,
};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(stop))
        .routes(routes!(cancel))
        .routes(routes!(undo))
}

/// Starts a show
///
/// It is the one that is on in the channel's listing, of which there is one at a time. Whether anybody publishes is not asked. With
/// `If-Match`, only what was read is started. For staff.
#[utoipa::path(
    post, path = "/channels/{id}/shows/{show}/start", tag = "shows", operation_id = "startShow", params(ShowPath, IfMatch),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The show.", body = Shown, headers(("ETag" = String, description = "Its version."))),
        (status = 400, description = "`malformed_if_match`: it is no ETag."),
        (status = 404, description = "`unknown_channel`, `unknown_show` or `no_accounts`: there is none."),
        (status = 409, description = "`show_state`: it is not scheduled. `other_show_live`: another one is live."),
        (status = 412, description = "`changed_meanwhile`: it has another version."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn start(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(path): InPath<ShowPath>,
    headers: HeaderMap,
    _: NoBody,
) -> Result<Response, Problem> {
    act(&api, &staff, (&path, &headers), Act::Start).await
}

/// Stops a show
///
/// It is over in the channel's listing. Stream keys that were for it are good for nothing, and an encoder that publishes with one is let
/// go within seconds. With `If-Match`, only what was read is stopped. For staff.
#[utoipa::path(
    post, path = "/channels/{id}/shows/{show}/stop", tag = "shows", operation_id = "stopShow", params(ShowPath, IfMatch),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The show.", body = Shown, headers(("ETag" = String, description = "Its version."))),
        (status = 400, description = "`malformed_if_match`: it is no ETag."),
        (status = 404, description = "`unknown_channel`, `unknown_show` or `no_accounts`: there is none."),
        (status = 409, description = "`show_state`: it is not live."),
        (status = 412, description = "`changed_meanwhile`: it has another version."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn stop(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(path): InPath<ShowPath>,
    headers: HeaderMap,
    _: NoBody,
) -> Result<Response, Problem> {
    act(&api, &staff, (&path, &headers), Act::Stop).await
}

/// Cancels a show
///
/// It does not take place. Stream keys that were for it are good for nothing. With `If-Match`, only what was read is cancelled. For staff.
#[utoipa::path(
    post, path = "/channels/{id}/shows/{show}/cancel", tag = "shows", operation_id = "cancelShow", params(ShowPath, IfMatch),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The show.", body = Shown, headers(("ETag" = String, description = "Its version."))),
        (status = 400, description = "`malformed_if_match`: it is no ETag."),
        (status = 404, description = "`unknown_channel`, `unknown_show` or `no_accounts`: there is none."),
        (status = 409, description = "`show_state`: it is not scheduled."),
        (status = 412, description = "`changed_meanwhile`: it has another version."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn cancel(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(path): InPath<ShowPath>,
    headers: HeaderMap,
    _: NoBody,
) -> Result<Response, Problem> {
    act(&api, &staff, (&path, &headers), Act::Cancel).await
}

/// Takes back what was done with a show last
///
/// One that is live or was cancelled is scheduled again; one that was stopped is live again, and so are its stream keys good, for a day.
/// With `If-Match`, only what was read is taken back. For staff.
#[utoipa::path(
    post, path = "/channels/{id}/shows/{show}/undo", tag = "shows", operation_id = "undoShow", params(ShowPath, IfMatch),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The show.", body = Shown, headers(("ETag" = String, description = "Its version."))),
        (status = 400, description = "`malformed_if_match`: it is no ETag."),
        (status = 404, description = "`unknown_channel`, `unknown_show` or `no_accounts`: there is none."),
        (status = 409, description = "`show_state`: nothing was done with it. `other_show_live`: another one is live."),
        (status = 412, description = "`changed_meanwhile`: it has another version."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn undo(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(path): InPath<ShowPath>,
    headers: HeaderMap,
    _: NoBody,
) -> Result<Response, Problem> {
    act(&api, &staff, (&path, &headers), Act::Undo).await
}

async fn act(
    api: &Api,
    staff: &Boss,
    (path, headers): (&ShowPath, &HeaderMap),
    act: Act,
) -> Result<Response, Problem> {
    api.channel(&path.id)?;
    let desk = api.desk()?;
    let version = expected(headers)?;
    if !is_id(KIND, &path.show) {
        return Err(unknown());
    }
    let changed = desk
        .catalogue()
        .change_show((&path.id, &path.show), version, |show| {
            let wanted = states::after(show, act, desk.now());
            let wanted = wanted.ok_or_else(|| wrong_state(show.state, act.of()))?;
            let detail = json!({ "channel": show.channel, "was": show.state.name(), "is": wanted.state.name() });
            let entry = desk.entry((staff.id(), act.name()), &show.id, &detail)?;
            Ok((wanted, entry))
        })
        .await;
    let show = made(changed.map_err(|error| refused(&error))?)?;
    let kind = match act {
        Act::Start => EventKind::ShowStarted,
        Act::Stop => EventKind::ShowStopped,
        Act::Cancel => EventKind::ShowCancelled,
        Act::Undo => EventKind::ShowChanged,
    };
    api.tell(desk, kind, &show).await;
    Ok(tagged(StatusCode::OK, &show))
}
