//! `GET /api/v1/channels/{id}/messages?lane=chat&before=&limit=`: a lane's history, newest first.
//!
//! The cursor is an offset: `next_before` of one page is `before` of the next. Offsets are comparable only within the
//! `epoch` that every page carries; a client that sees it change starts over. Deleted messages are not on any page.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use fanwave_bus::{EngineError, HistoryQuery};
use fanwave_wire::{
    Channel, ClientMessageId, Epoch, Event, Lane, Language, Offset, Publication, ReplyTo, Role,
    UnixMillis, UserId, limits::HISTORY_PAGE_MAX,
};
use serde::{Deserialize, Serialize};

use crate::{
    Api, Problem,
    channels::{Answer, fresh},
    limits,
};

/// The query string.
#[derive(Debug, Deserialize)]
pub(crate) struct Ask {
    #[serde(default)]
    lane: LaneName,
    before: Option<Offset>,
    limit: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
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

/// One page.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    channel: String,
    epoch: Epoch,
    /// Offset of the newest message, 0 when there is none.
    head: Offset,
    messages: Vec<Message>,
    /// Cursor of the next, older page; absent when this one reaches the beginning.
    next_before: Option<Offset>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Message {
    offset: Offset,
    id: ClientMessageId,
    user: UserId,
    name: Arc<str>,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    badge: Option<Arc<str>>,
    /// What was said; absent where something happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Arc<str>>,
    /// ISO 639-1; absent where the room could not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<ReplyTo>,
    /// What happened, with its `type`; absent where something was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Event>,
    at: UnixMillis,
}

/// Reads one page. See the module.
pub(crate) async fn page(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Result<Query<Ask>, QueryRejection>,
) -> Result<Answer<Page>, Problem> {
    let Ok(Query(ask)) = query else {
        return Err(malformed());
    };
    let lane = ask.lane.lane();
    let channel = Channel {
        lane,
        room: api.channel(&id)?.id.clone(),
    };
    let limit = ask.limit.unwrap_or(limits::PAGE_DEFAULT);
    if limit == 0 || limit > HISTORY_PAGE_MAX {
        return Err(malformed());
    }
    let query = HistoryQuery {
        since: ask.before,
        limit,
        reverse: true,
    };
    let history = api
        .engine
        .history(&channel, query)
        .await
        .map_err(|error| unavailable(&error))?;
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

fn malformed() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "malformed_query",
        format!("the query takes lane=chat|room, before=OFFSET and limit=1..{HISTORY_PAGE_MAX}"),
    )
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
