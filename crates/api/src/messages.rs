//! `GET /api/v1/channels/{id}/messages?lane=chat&before=&limit=`: a lane's history, newest first.
//!
//! The cursor is an offset: `next_before` of one page is `before` of the next. Offsets are comparable only within the
//! `epoch` that every page carries; a client that sees it change starts over. Deleted messages are not on any page.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use fanwave_bus::{EngineError, History, HistoryQuery};
use fanwave_store::{Kind, Order};
use fanwave_wire::{
    Channel, ClientMessageId, Epoch, Event, Lane, Language, Offset, Publication, ReplyTo, Role,
    UnixMillis, UserId, limits::HISTORY_PAGE_MAX,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    channels::{Answer, fresh},
    extract::{ChannelPath, InPath, InQuery, PageLimit, Whole},
    schema,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(page))
}

/// The query string.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    /// Which of the channel's lanes.
    #[serde(default)]
    #[param(inline, required = false)]
    lane: LaneName,
    /// Only messages before this offset: `next_before` of the page before.
    #[param(inline)]
    before: Option<Whole>,
    /// How many at most; 50, if that is not said.
    #[serde(default)]
    #[param(inline, required = false)]
    limit: PageLimit,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(default = "chat")]
#[serde(rename_all = "lowercase")]
pub(crate) enum LaneName {
    Room,
    #[default]
    Chat,
}

impl LaneName {
    pub(crate) fn lane(&self) -> Lane {
        match self {
            Self::Room => Lane::Room,
            Self::Chat => Lane::Chat,
        }
    }
}

/// A page of a lane's history, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessagePage)]
pub(crate) struct Page {
    /// The lane, as the chat's protocol names it.
    #[schema(example = "chat:demo")]
    channel: String,
    /// Offsets are comparable only within one: start over when it changes.
    #[schema(value_type = String)]
    epoch: Epoch,
    /// Offset of the newest message, 0 when there is none.
    #[schema(value_type = u64)]
    head: Offset,
    messages: Vec<Message>,
    /// Cursor of the next, older page; null when this one reaches the beginning.
    #[schema(value_type = Option<u64>)]
    next_before: Option<Offset>,
}

/// Something that was said, or that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Message {
    /// Its place in the lane.
    #[schema(value_type = u64, minimum = 1)]
    offset: Offset,
    /// What its sender calls it.
    #[schema(value_type = String)]
    id: ClientMessageId,
    /// Who has sent it.
    #[schema(value_type = String)]
    user: UserId,
    /// What they were called.
    #[schema(value_type = String)]
    name: Arc<str>,
    #[schema(value_type = schema::Role)]
    role: Role,
    /// What is shown beside the name.
    #[schema(value_type = String)]
    #[serde(skip_serializing_if = "Option::is_none")]
    badge: Option<Arc<str>>,
    /// What was said; absent where something happened.
    #[schema(value_type = String)]
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Arc<str>>,
    /// ISO 639-1; absent where the room could not tell.
    #[schema(value_type = String, pattern = "^[a-z]{2}$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<&'static str>,
    #[schema(value_type = schema::ReplyTo)]
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<ReplyTo>,
    /// What happened; absent where something was said.
    #[schema(value_type = schema::RoomEvent)]
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Event>,
    /// When the room took it, milliseconds since 1970.
    #[schema(value_type = u64)]
    at: UnixMillis,
}

/// Reads the history of a lane
///
/// A page, newest first. `next_before` of one page is `before` of the next, older one. What was deleted is on no page.
#[utoipa::path(
    get, path = "/channels/{id}/messages", tag = "channels", operation_id = "listMessages", params(ChannelPath, Ask),
    responses(
        (status = 200, description = "The page.", body = Page),
        (status = 400, description = "`malformed_query`: the detail says what cannot be used."),
        (status = 404, description = "`unknown_channel`: no channel of this id is configured."),
        (status = 503, description = "`history_unavailable`: the log cannot be read right now."),
    ),
)]
async fn page(
    State(api): State<Arc<Api>>,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InQuery(ask): InQuery<Ask>,
) -> Result<Answer<Page>, Problem> {
    let lane = ask.lane.lane();
    let channel = Channel {
        lane,
        room: api.channel(&id)?.id.clone(),
    };
    let PageLimit(limit) = ask.limit;
    let query = HistoryQuery {
        since: ask.before.map(|before| Offset(before.0)),
        limit,
        reverse: true,
    };
    let history = history(&api, &channel, query).await?;
    let messages: Vec<Message> = history
        .publications
        .iter()
        .map(|publication| message(publication))
        .collect();
    let oldest = messages
        .last()
        .map(|m| m.offset)
        .filter(|oldest| oldest.0 > 1 && messages.len() == limit);
    let page = Page {
        channel: channel.to_string(),
        epoch: history.epoch,
        head: history.head,
        messages,
        next_before: oldest,
    };
    Ok(fresh(page))
}

/// A stretch of a lane, from the engine; and where its log does not reach back so far, from what is recorded beside it.
pub(crate) async fn history(
    api: &Api,
    channel: &Channel,
    query: HistoryQuery,
) -> Result<History, Problem> {
    let history = api.engine.history(channel, query).await;
    let mut history = history.map_err(|error| unavailable(&error))?;
    let Some(log) = api.log.as_ref().filter(|_| api.recorded) else {
        return Ok(history);
    };
    let publications = &mut history.publications;
    let wanted = query.limit.min(HISTORY_PAGE_MAX);
    let (after, through, order) = if query.reverse {
        let before = publications.last().map(|oldest| oldest.offset);
        let before = before.or(query.since).unwrap_or(history.head.next());
        let missing = wanted > publications.len();
        let through = if missing {
            before.0.saturating_sub(1)
        } else {
            0
        };
        (Offset(0), Offset(through), Order::NewestFirst)
    } else {
        let first = publications
            .first()
            .map_or(history.head.next(), |first| first.offset);
        let through = Offset(first.0.saturating_sub(1));
        (query.since.unwrap_or_default(), through, Order::OldestFirst)
    };
    if after >= through {
        return Ok(history);
    }
    let page = fanwave_store::Page {
        after,
        through,
        limit: if query.reverse {
            wanted - publications.len()
        } else {
            wanted
        },
        order,
        kind: Kind::Everything,
    };
    match log.read(channel, Some(&history.epoch), page).await {
        Ok(mut older) if !query.reverse => {
            older.append(publications);
            older.truncate(wanted);
            *publications = older;
        }
        Ok(older) => publications.extend(older),
        // What the engine has is answered all the same.
        Err(error) => tracing::warn!(%error, "the history ends where the broker's log begins"),
    }
    Ok(history)
}

impl Message {
    /// When the room took it.
    pub(crate) fn at(&self) -> UnixMillis {
        self.at
    }
}

pub(crate) fn message(publication: &Publication) -> Message {
    let draft = &publication.draft;
    let text = draft.body.as_text();
    Message {
        offset: publication.offset,
        id: draft.id.clone(),
        user: draft.sender.user.clone(),
        name: Arc::clone(&draft.sender.name),
        role: draft.sender.role,
        badge: draft.sender.badge.clone(),
        text: text.map(|text| Arc::clone(&text.text)),
        lang: text
            .map(|text| text.language)
            .filter(|language| !language.is_unknown())
            .map(Language::code),
        reply_to: text.and_then(|text| text.reply_to.as_deref().cloned()),
        event: draft.body.as_event().cloned(),
        at: publication.at,
    }
}

/// The engine's reason is for the operator's log, not for a stranger.
pub(crate) fn unavailable(error: &EngineError) -> Problem {
    tracing::warn!(%error, "history could not be read");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "history_unavailable",
        "the history cannot be read right now",
    )
}
