//! A webhook: made, shown, changed, given another secret, and removed.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, uri::Scheme},
    response::{IntoResponse, Response},
};
use fanwave_store::catalogue::{
    OfChannel, Webhook, WebhookAdded, WebhookChange, WebhookChanged, limits::WEBHOOKS_MAX,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{failed, kinds::EventKind, secret, unknown};
use crate::{
    Api, Problem,
    accounts::{Boss, IfMatch, expected, new_id, there},
    body::NoBody,
    channels::{Answer, fresh},
    extract::{InBody, InPath},
    limits::WEBHOOK_URL_BYTES_MAX,
};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(show, change, remove))
        .routes(routes!(rotate))
}

/// The webhook in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct WebhookPath {
    /// The webhook's id.
    #[param(pattern = "^h-[0-9a-f]{32}$")]
    pub(super) id: String,
}

/// Somebody who is told what happens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
struct Shown {
    /// Its own.
    id: String,
    /// Where events are sent.
    url: String,
    /// Which kinds of events.
    #[schema(value_type = Vec<EventKind>)]
    events: Vec<String>,
    /// Of which channel; null for all.
    channel: Option<String>,
    /// Whether anything is sent.
    enabled: bool,
    /// Milliseconds since 1970.
    created_at: i64,
    /// How often it has failed in a row.
    failures: i64,
}

impl From<Webhook> for Shown {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id,
            url: webhook.url,
            events: webhook.kinds,
            channel: webhook.channel,
            enabled: webhook.enabled,
            created_at: webhook.created_at,
            failures: webhook.failures,
        }
    }
}

/// A webhook with its secret, which is told once.
// It has no `Debug`: it has a secret.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookWithSecret)]
struct Told {
    webhook: Shown,
    /// What its events are signed with; keep it, it is not told again.
    secret: String,
}

/// A new webhook.
// It has no `Debug`: the address may hold a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhook)]
struct Ask {
    /// Where events are sent: an address of http or https, without a name and a password in it.
    #[schema(
        format = "uri",
        max_length = 2048,
        example = "https://crew.example/events"
    )]
    url: String,
    /// Which kinds of events.
    #[schema(min_items = 1, max_items = 26)]
    events: Vec<EventKind>,
    /// Of which channel; of all, if that is not said.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._-]+$", min_length = 1, max_length = 64, example = "demo")]
    channel: Option<String>,
}

/// What is to be changed; what is left out stays.
// It has no `Debug`: the address may hold a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookChange, min_properties = 1)]
struct Patch {
    /// Another address.
    #[serde(default, deserialize_with = "there")]
    #[schema(
        nullable = false,
        format = "uri",
        max_length = 2048,
        example = "https://crew.example/events"
    )]
    url: Option<String>,
    /// Other kinds of events.
    #[serde(default, deserialize_with = "there")]
    #[schema(nullable = false, min_items = 1, max_items = 26)]
    events: Option<Vec<EventKind>>,
    /// Another channel; null for all.
    #[serde(default, deserialize_with = "there")]
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._-]+$", min_length = 1, max_length = 64, example = "demo")]
    channel: Option<Which>,
    /// Whether anything is sent.
    #[serde(default, deserialize_with = "there")]
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// A channel's id, or null for all.
struct Which(OfChannel);

impl<'de> Deserialize<'de> for Which {
    fn deserialize<D: Deserializer<'de>>(field: D) -> Result<Self, D::Error> {
        let id = Option::<String>::deserialize(field)?;
        Ok(Self(id.map_or(OfChannel::All, OfChannel::Only)))
    }
}

fn refuse(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "webhook_refused", detail)
}

/// Lets an address pass that can be one. Whether it may be called is found out when it is.
fn is_url(text: &str) -> Result<(), Problem> {
    let uri = text.parse::<Uri>().ok();
    let fits = text.len() <= WEBHOOK_URL_BYTES_MAX;
    let fine = uri.filter(|_| fits).is_some_and(|uri| {
        let by_http = uri
            .scheme()
            .is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        let plain = uri.authority().is_some_and(|authority| {
            // Whoever reads an address takes what is behind the colon as it is.
            let host = authority.host();
            let port = authority.as_str().strip_prefix(host);
            let port =
                port.and_then(|rest| rest.strip_prefix(':').or(rest.is_empty().then_some("0")));
            let is_port = port.is_some_and(|port| port.parse::<u16>().is_ok());
            !authority.as_str().contains('@') && !host.is_empty() && is_port
        });
        by_http && plain
    });
    fine.then_some(()).ok_or_else(|| {
        refuse(format!(
            "url is an address of http or https without a name and a password, of {WEBHOOK_URL_BYTES_MAX} bytes at most"
        ))
    })
}

/// The names of kinds, each once.
fn names(kinds: &[EventKind]) -> Result<Vec<String>, Problem> {
    let mut kinds = kinds.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        return Err(refuse("events names the kinds of events, one at least"));
    }
    Ok(kinds
        .into_iter()
        .map(|kind| kind.name().to_owned())
        .collect())
}

impl Api {
    fn is_channel(&self, id: Option<&str>) -> Result<(), Problem> {
        match id {
            Some(id) if self.channel(id).is_err() => {
                Err(refuse("channel is none that is configured"))
            }
            _ => Ok(()),
        }
    }
}

fn salt() -> Result<[u8; 32], Problem> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| {
        tracing::error!(%error, "the system's random source failed");
        let words = "nothing can be made right now";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", words)
    })?;
    Ok(salt)
}

/// Makes a webhook
///
/// It is told of events of these kinds that happen from now on. Its secret is in this answer and in no other. For staff.
#[utoipa::path(
    post, path = "/webhooks", tag = "webhooks", operation_id = "createWebhook", request_body = Ask,
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "The webhook, and its secret.", body = Told),
        (status = 404, description = "`no_webhooks`: none are kept here."),
        (status = 409, description = "`too_many_webhooks`: there are as many as there can be."),
        (status = 422, description = "`webhook_refused`: the detail says what cannot be."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn create(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InBody(ask): InBody<Ask>,
) -> Result<Response, Problem> {
    let kept = api.webhooks()?;
    is_url(&ask.url)?;
    api.is_channel(ask.channel.as_deref())?;
    let now = kept.now();
    let webhook = Webhook {
        id: new_id("h", now)?,
        url: ask.url,
        kinds: names(&ask.events)?,
        channel: ask.channel,
        enabled: true,
        salt: salt()?,
        created_at: now,
        version: 1,
        due_at: 0,
        failures: 0,
    };
    let detail = json!({ "events": webhook.kinds, "channel": webhook.channel });
    let entry = kept.entry(staff.id(), "webhook.made", &webhook.id, &detail)?;
    let added = kept.catalogue.add_webhook(&webhook, &entry).await;
    match added.map_err(|error| failed(&error))? {
        WebhookAdded::New => {
            let told = Told {
                secret: secret(&kept.key, &webhook),
                webhook: webhook.into(),
            };
            Ok((StatusCode::CREATED, fresh(told)).into_response())
        }
        WebhookAdded::Full => Err(Problem::new(
            StatusCode::CONFLICT,
            "too_many_webhooks",
            format!("there are {WEBHOOKS_MAX} webhooks already: remove one"),
        )),
    }
}

/// All webhooks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhooks)]
struct All {
    webhooks: Vec<Shown>,
}

/// Lists the webhooks
///
/// In the order in which they were made; there are 32 at most. For staff.
#[utoipa::path(
    get, path = "/webhooks", tag = "webhooks", operation_id = "listWebhooks", security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "All of them.", body = All),
        (status = 404, description = "`no_webhooks`: none are kept here."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn list(State(api): State<Arc<Api>>, _: Boss) -> Result<Answer<All>, Problem> {
    let found = api.webhooks()?.catalogue.webhooks().await;
    let found = found.map_err(|error| failed(&error))?;
    Ok(fresh(All {
        webhooks: found.into_iter().map(Shown::from).collect(),
    }))
}

/// Shows a webhook
///
/// With its version as `ETag`, and without its secret. For staff.
#[utoipa::path(
    get, path = "/webhooks/{id}", tag = "webhooks", operation_id = "readWebhook", params(WebhookPath), security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The webhook.", body = Shown, headers(("ETag" = String, description = "Its version."))),
        (status = 404, description = "`unknown_webhook` or `no_webhooks`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn show(
    State(api): State<Arc<Api>>,
    _: Boss,
    InPath(WebhookPath { id }): InPath<WebhookPath>,
) -> Result<Response, Problem> {
    api.webhooks()?.find(&id).await.map(tagged)
}

fn tagged(webhook: Webhook) -> Response {
    let tag = HeaderValue::try_from(format!("\"{}\"", webhook.version));
    let mut response = fresh(Shown::from(webhook)).into_response();
    if let Ok(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Changes a webhook
///
/// What waits for it is sent at once. With `If-Match`, only what was read is changed. For staff.
#[utoipa::path(
    patch, path = "/webhooks/{id}", tag = "webhooks", operation_id = "changeWebhook", request_body = Patch,
    params(WebhookPath, IfMatch),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The webhook.", body = Shown, headers(("ETag" = String, description = "Its version."))),
        (status = 400, description = "`malformed_if_match`: it is no ETag."),
        (status = 404, description = "`unknown_webhook` or `no_webhooks`: there is none."),
        (status = 412, description = "`changed_meanwhile`: it has another version."),
        (status = 422, description = "`webhook_refused`: the detail says what cannot be."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn change(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(WebhookPath { id }): InPath<WebhookPath>,
    headers: HeaderMap,
    InBody(patch): InBody<Patch>,
) -> Result<Response, Problem> {
    let kept = api.webhooks()?;
    let version = expected(&headers)?;
    patch.url.as_deref().map(is_url).transpose()?;
    let channel = patch.channel.map(|Which(channel)| channel);
    api.is_channel(channel.as_ref().and_then(OfChannel::id))?;
    let kinds = patch.events.as_deref().map(names).transpose()?;
    let detail = json!({
        "url": patch.url.is_some(), "events": kinds, "channel": channel.as_ref().map(OfChannel::id), "enabled": patch.enabled,
    });
    let wanted = WebhookChange {
        version,
        url: patch.url,
        kinds,
        channel,
        enabled: patch.enabled,
        salt: None,
    };
    let is_empty = wanted.url.is_none() && wanted.kinds.is_none();
    if is_empty && wanted.channel.is_none() && wanted.enabled.is_none() {
        let words = "the body changes nothing: it has a url, events, a channel or enabled";
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_body",
            words,
        ));
    }
    let entry = kept.entry(staff.id(), "webhook.changed", &id, &detail)?;
    let changed = kept.catalogue.change_webhook(&id, &wanted, &entry).await;
    made(changed.map_err(|error| failed(&error))?).map(tagged)
}

fn made(changed: WebhookChanged) -> Result<Webhook, Problem> {
    match changed {
        WebhookChanged::Made(webhook) => Ok(*webhook),
        WebhookChanged::Moved => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "changed_meanwhile",
            "the webhook was changed since it was read: read it again",
        )),
        WebhookChanged::Unknown => Err(unknown()),
    }
}

/// Gives a webhook another secret
///
/// What is sent from now on is signed with it. It is in this answer and in no other. For staff.
#[utoipa::path(
    post, path = "/webhooks/{id}/secret", tag = "webhooks", operation_id = "rotateWebhookSecret", params(WebhookPath),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "The webhook, and its secret.", body = Told),
        (status = 404, description = "`unknown_webhook` or `no_webhooks`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn rotate(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(WebhookPath { id }): InPath<WebhookPath>,
    _: NoBody,
) -> Result<Response, Problem> {
    let kept = api.webhooks()?;
    let wanted = WebhookChange {
        salt: Some(salt()?),
        ..WebhookChange::default()
    };
    let entry = kept.entry(staff.id(), "webhook.secret", &id, &json!({}))?;
    let changed = kept.catalogue.change_webhook(&id, &wanted, &entry).await;
    let webhook = made(changed.map_err(|error| failed(&error))?)?;
    let told = Told {
        secret: secret(&kept.key, &webhook),
        webhook: webhook.into(),
    };
    Ok((StatusCode::CREATED, fresh(told)).into_response())
}

/// Removes a webhook
///
/// With all that waits for it. For staff.
#[utoipa::path(
    delete, path = "/webhooks/{id}", tag = "webhooks", operation_id = "deleteWebhook", params(WebhookPath),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "`unknown_webhook` or `no_webhooks`: there is none."),
        (status = 500, description = "`internal`: this could not be done."),
        (status = 503, description = "`unavailable`: try again in a moment."),
    ),
)]
async fn remove(
    State(api): State<Arc<Api>>,
    staff: Boss,
    InPath(WebhookPath { id }): InPath<WebhookPath>,
) -> Result<StatusCode, Problem> {
    let kept = api.webhooks()?;
    let entry = kept.entry(staff.id(), "webhook.removed", &id, &json!({}))?;
    let removed = kept.catalogue.remove_webhook(&id, &entry).await;
    match removed.map_err(|error| failed(&error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown()),
    }
}
