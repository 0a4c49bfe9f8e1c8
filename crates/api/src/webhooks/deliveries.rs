//! What a webhook is told, and what is told it again.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_store::catalogue::{Delivery, DeliveryState, Stretch};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{failed, kinds::PING, one::WebhookPath};
use crate::{
    Api, Problem,
    accounts::{Boss, is_cursor, new_id, rows},
    body::{MayHaveBody, NoBody},
    channels::{Answer, fresh},
    extract::{InPath, InQuery, PageLimit, Whole},
    limits::WHOLE_MAX,
};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(ping))
        .routes(routes!(list))
        .routes(routes!(replay))
        .routes(routes!(replay_stretch))
}

/// What is to become of a delivery.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DeliveryState)]
enum State_ {
    /// It is still to be sent.
    Waiting,
    /// The receiver has it.
    Taken,
    /// It was given up.
    Dead,
}

impl From<State_> for DeliveryState {
    fn from(state: State_) -> Self {
        match state {
            State_::Waiting => Self::Waiting,
            State_::Taken => Self::Taken,
            State_::Dead => Self::Dead,
        }
    }
}

/// An event for a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
struct Shown {
    /// Its own.
    id: String,
    /// What is to become of it.
    #[schema(value_type = State_)]
    state: &'static str,
    /// How often it was sent, since it was last to be sent.
    attempts: i64,
    /// How the receiver answered last, if it did.
    status: Option<i64>,
    /// Why it did not, or why nobody asked it.
    error: Option<String>,
    /// Since when it waits, or has waited: milliseconds since 1970.
    queued_at: i64,
    /// Since when it does not.
    ended_at: Option<i64>,
    /// What is sent.
    #[schema(value_type = Object)]
    event: Value,
}

impl From<Delivery> for Shown {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            state: delivery.state.name(),
            attempts: delivery.attempts,
            status: delivery.status,
            error: delivery.error,
            queued_at: delivery.queued_at,
            ended_at: delivery.ended_at,
            event: serde_json::from_str(&delivery.body).unwrap_or_default(),
        }
    }
}

/// Has a webhook told that it is one
///
/// An event `ping` waits for it from now on; it is sent at once, unless other events wait or the webhook is off. For staff.
#[utoipa::path(
    post, path = "/webhooks/{id}/ping", tag = "webhooks", operation_id = "pingWebhook", params(WebhookPath),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 202, description = "What it is told.", body = Shown),
        (status = 404, description = "`unknown_webhook` or `no_webhooks`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn ping(
    State(api): State<Arc<Api>>,
    _: Boss,
    InPath(WebhookPath { id }): InPath<WebhookPath>,
    _: NoBody,
) -> Result<Response, Problem> {
    let kept = api.webhooks()?;
    let webhook = kept.find(&id).await?;
    let now = kept.now();
    let delivery_id = new_id("d", now)?;
    let body = json!({
        "id": format!("ping-{delivery_id}"), "type": PING, "at": now, "channel": null,
        "data": { "webhook": webhook.id },
    });
    let delivery = Delivery {
        event: format!("ping-{delivery_id}"),
        id: delivery_id,
        webhook: webhook.id,
        kind: PING.to_owned(),
        at: now,
        about: None,
        body: body.to_string(),
        state: DeliveryState::Waiting,
        attempts: 0,
        queued_at: now,
        ended_at: None,
        status: None,
        error: None,
    };
    let spread = kept
        .catalogue
        .spread(None, std::slice::from_ref(&delivery), now)
        .await;
    spread.map_err(|error| failed(&error))?;
    Ok((StatusCode::ACCEPTED, fresh(Shown::from(delivery))).into_response())
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// Only those of this state; `dead` are those that were given up.
    #[param(inline)]
    state: Option<State_>,
    /// Only those before this one: `next_before` of the page before.
    #[param(pattern = "^d-[0-9a-f]{32}$")]
    before: Option<String>,
    /// How many at most; 50, if that is not said.
    #[serde(default)]
    #[param(inline, required = false)]
    limit: PageLimit,
}

/// Some deliveries, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDeliveries)]
struct Page {
    deliveries: Vec<Shown>,
    /// Cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before: Option<String>,
}

/// Lists what a webhook is told
///
/// A page, newest first: what waits, what it has, and what was given up, with how it answered last. Of each state, 1024 are kept. For
/// staff.
#[utoipa::path(
    get, path = "/webhooks/{id}/deliveries", tag = "webhooks", operation_id = "listDeliveries", params(WebhookPath, Ask),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The page.", body = Page),
        (status = 400, description = "`malformed_query`: the detail says what cannot be used."),
        (status = 404, description = "`unknown_webhook` or `no_webhooks`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn list(
    State(api): State<Arc<Api>>,
    _: Boss,
    InPath(WebhookPath { id }): InPath<WebhookPath>,
    InQuery(ask): InQuery<Ask>,
) -> Result<Answer<Page>, Problem> {
    let kept = api.webhooks()?;
    is_cursor("d", ask.before.as_deref())?;
    let limit = rows(ask.limit);
    let webhook = kept.find(&id).await?;
    let state = ask.state.map(DeliveryState::from);
    let found = kept
        .catalogue
        .deliveries_before((&webhook.id, state), ask.before.as_deref(), limit)
        .await
        .map_err(|error| failed(&error))?;
    let is_full = u32::try_from(found.len()).is_ok_and(|found| found == limit);
    let last = found.last().filter(|_| is_full);
    Ok(fresh(Page {
        next_before: last.map(|delivery| delivery.id.clone()),
        deliveries: found.into_iter().map(Shown::from).collect(),
    }))
}

/// The delivery in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct DeliveryPath {
    /// The webhook's id.
    #[param(pattern = "^h-[0-9a-f]{32}$")]
    id: String,
    /// The delivery's id.
    #[param(pattern = "^d-[0-9a-f]{32}$")]
    delivery: String,
}

/// How many are sent again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Replayed)]
struct Replayed {
    /// So many wait from now on.
    replayed: u64,
}

/// Sends a delivery again
///
/// Whatever had become of it, it waits from now on, behind what waits already. For staff.
#[utoipa::path(
    post, path = "/webhooks/{id}/deliveries/{delivery}/replay", tag = "webhooks", operation_id = "replayDelivery", params(DeliveryPath),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 202, description = "It waits.", body = Replayed),
        (status = 404, description = "`unknown_webhook`, `unknown_delivery` or `no_webhooks`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn replay(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(DeliveryPath { id, delivery }): InPath<DeliveryPath>,
    _: NoBody,
) -> Result<Response, Problem> {
    let kept = api.webhooks()?;
    kept.find(&id).await?;
    let entry = kept.entry(
        staff.id(),
        "webhook.replayed",
        &id,
        &json!({ "delivery": delivery }),
    )?;
    let replayed = kept
        .catalogue
        .replay((&id, &delivery), kept.now(), &entry)
        .await;
    match replayed.map_err(|error| failed(&error))? {
        true => Ok((StatusCode::ACCEPTED, fresh(Replayed { replayed: 1 })).into_response()),
        false => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "unknown_delivery",
            "there is no delivery of this id, or no longer",
        )),
    }
}

/// Which of a webhook's deliveries.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReplayAsk)]
struct Stretched {
    /// Those that were given up, if that is not said; or those that were taken.
    #[serde(default)]
    #[schema(inline, default = "dead")]
    state: Over,
    /// Of events that happened from here: milliseconds since 1970. From the first, if that is not said.
    #[schema(value_type = Option<u64>, maximum = 9_007_199_254_740_991i64)]
    from: Option<Whole>,
    /// Up to here, inclusive. To the last, if that is not said.
    #[schema(value_type = Option<u64>, maximum = 9_007_199_254_740_991i64)]
    to: Option<Whole>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Over {
    #[default]
    Dead,
    Taken,
}

/// Sends a stretch of deliveries again
///
/// The oldest 1000 of them, in their order: ask again until none is replayed. For staff.
#[utoipa::path(
    post, path = "/webhooks/{id}/replay", tag = "webhooks", operation_id = "replayDeliveries", params(WebhookPath),
    request_body = Option<Stretched>,
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 202, description = "They wait.", body = Replayed),
        (status = 404, description = "`unknown_webhook` or `no_webhooks`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn replay_stretch(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(WebhookPath { id }): InPath<WebhookPath>,
    MayHaveBody(ask): MayHaveBody<Stretched>,
) -> Result<Response, Problem> {
    let kept = api.webhooks()?;
    kept.find(&id).await?;
    let time =
        |time: Option<Whole>, otherwise| i64::try_from(time.map_or(otherwise, |time| time.0));
    let stretch = Stretch {
        state: match ask.state {
            Over::Dead => DeliveryState::Dead,
            Over::Taken => DeliveryState::Taken,
        },
        from: time(ask.from, 0).unwrap_or(i64::MAX),
        to: time(ask.to, WHOLE_MAX).unwrap_or(i64::MAX),
    };
    let detail = json!({ "state": stretch.state.name(), "from": stretch.from, "to": stretch.to });
    let entry = kept.entry(staff.id(), "webhook.replayed", &id, &detail)?;
    let replayed = kept
        .catalogue
        .replay_stretch(&id, stretch, kept.now(), &entry)
        .await;
    let replayed = replayed.map_err(|error| failed(&error))?;
    Ok((StatusCode::ACCEPTED, fresh(Replayed { replayed })).into_response())
}
