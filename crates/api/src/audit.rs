//! `GET /api/v1/channels/{id}/audit?lane=room&before=&limit=`: what moderators have done, newest first, and
//! `POST .../audit/{act}/undo`.
//!
//! The log of acts is the room's own lane, and for lists of words the staff's: durable, ordered, append-only, and read by
//! every server. An act's name, `room-OFFSET-EPOCH`, says where it stands there. Undoing takes nothing out of the log: it
//! is an act of its own, see [`fanwave_room::moderation::undo`].

use std::{fmt, str::FromStr, sync::Arc};

use axum::{extract::State, http::StatusCode};
use fanwave_bus::{HistoryQuery, limits::EVENTS_PAGE_MAX};
use fanwave_room::{
    machine::Act,
    moderation::{
        Policy,
        undo::{self, Inquiry, UndoRefusal},
    },
};
use fanwave_wire::{
    Channel, Epoch, Event, Lane, Offset, Publication, RoomId, Sender, UnixMillis,
    limits::HISTORY_PAGE_MAX,
};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    access::{Actor, By, Reader},
    body::NoBody,
    channels::{Answer, fresh},
    extract::{ChannelPath, InPath, InQuery, PageLimit, Whole},
    limits::AUDIT_READS_MAX,
    messages::unavailable,
    moderation::Done,
    rooms::{RoomError, failed},
    schema,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(page))
        .routes(routes!(undo_act))
}

/// The name of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActId {
    pub(crate) lane: Lane,
    pub(crate) offset: Offset,
    pub(crate) epoch: Epoch,
}

impl fmt::Display for ActId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            lane,
            offset,
            epoch,
        } = self;
        write!(f, "{}-{}-{}", lane.prefix(), offset.0, epoch.0)
    }
}

impl Serialize for ActId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for ActId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (lane, rest) = text.split_once('-').ok_or(())?;
        let (offset, epoch) = rest.split_once('-').ok_or(())?;
        let lane = match lane {
            "room" => Lane::Room,
            "staff" => Lane::Staff,
            _ => return Err(()),
        };
        Ok(Self {
            lane,
            offset: Offset(offset.parse().map_err(|_| ())?),
            epoch: Epoch(epoch.into()),
        })
    }
}

/// The query string.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// Acts that all see, or those of the moderators' own lane: lists of words, reviews and dismissed reports.
    #[serde(default)]
    #[param(inline, required = false)]
    lane: LaneName,
    /// Only acts before this offset: `next_before` of the page before.
    #[param(inline)]
    before: Option<Whole>,
    /// How many at most; 50, if that is not said.
    #[serde(default)]
    #[param(inline, required = false)]
    limit: PageLimit,
}

#[derive(Debug, Default, Clone, Copy, Deserialize, ToSchema)]
#[schema(default = "room")]
#[serde(rename_all = "lowercase")]
enum LaneName {
    #[default]
    Room,
    Staff,
}

/// A page of what moderators have done, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditPage)]
struct Page {
    /// The channel's id.
    #[schema(value_type = String)]
    channel: RoomId,
    acts: Vec<Entry>,
    /// Cursor of the next, older page; null when this one reaches the beginning.
    #[schema(value_type = Option<u64>)]
    next_before: Option<Offset>,
}

/// Something that a moderator has done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct Entry {
    /// Its name, which `undo` takes.
    #[schema(value_type = String)]
    id: ActId,
    /// When, milliseconds since 1970.
    #[schema(value_type = u64)]
    at: UnixMillis,
    #[schema(value_type = schema::Person)]
    by: Sender,
    /// The event's type, or `announced`.
    #[schema(value_type = String)]
    action: &'static str,
    /// What happened; absent where something was announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::RoomEvent)]
    event: Option<Event>,
    /// What was announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    text: Option<Arc<str>>,
    /// The act that this one has undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    undoes: Option<ActId>,
    /// The act that has undone this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    undone_by: Option<ActId>,
}

/// An act in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ActPath {
    /// The channel's id.
    #[param(
        pattern = "^[A-Za-z0-9._-]+$",
        min_length = 1,
        max_length = 64,
        example = "demo"
    )]
    id: String,
    /// The act's name.
    #[param(example = "room-17-6f3a")]
    act: String,
}

/// Lists what moderators have done
///
/// A page, newest first: who, what, when, and what has undone it.
#[utoipa::path(
    get, path = "/channels/{id}/audit", tag = "moderation", operation_id = "listActs",
    params(ChannelPath, Ask), security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "The page.", body = Page)),
)]
async fn page(
    State(api): State<Arc<Api>>,
    _: Reader,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InQuery(ask): InQuery<Ask>,
) -> Result<Answer<Page>, Problem> {
    let room = api.channel(&id)?.id.clone();
    let lane = match ask.lane {
        LaneName::Room => Lane::Room,
        LaneName::Staff => Lane::Staff,
    };
    let (policy, _) = api.rooms.rules(&room).await.map_err(|e| failed(&e))?;
    let at = Channel {
        lane,
        room: room.clone(),
    };
    let PageLimit(limit) = ask.limit;
    let before = ask.before.map(|before| Offset(before.0));
    let (acts, next_before) = read(&api, &at, (before, limit), &policy).await?;
    Ok(fresh(Page {
        channel: room,
        acts,
        next_before,
    }))
}

/// Looks for acts among what is gifts and closed polls besides, for as long as a request may.
async fn read(
    api: &Api,
    channel: &Channel,
    (mut before, limit): (Option<Offset>, usize),
    policy: &Policy,
) -> Result<(Vec<Entry>, Option<Offset>), Problem> {
    let mut acts = Vec::new();
    for _ in 0..AUDIT_READS_MAX {
        let query = HistoryQuery {
            since: before,
            limit: HISTORY_PAGE_MAX,
            reverse: true,
        };
        let history = api.engine.history(channel, query).await;
        let history = history.map_err(|error| unavailable(&error))?;
        let is_last = history.publications.len() < HISTORY_PAGE_MAX;
        for publication in &history.publications {
            before = Some(publication.offset);
            acts.extend(entry(channel.lane, publication, &history.epoch, policy));
            if acts.len() == limit {
                return Ok((acts, before.filter(|offset| offset.0 > 1)));
            }
        }
        if is_last {
            return Ok((acts, None));
        }
    }
    Ok((acts, before))
}

fn entry(lane: Lane, publication: &Publication, epoch: &Epoch, policy: &Policy) -> Option<Entry> {
    let draft = &publication.draft;
    let text = draft.body.as_text().map(|text| Arc::clone(&text.text));
    let event = draft.body.as_event();
    if event.is_some_and(|event| !is_act(event)) {
        return None;
    }
    let id = |offset| ActId {
        lane,
        offset,
        epoch: epoch.clone(),
    };
    let undoes = undo::undone(&draft.id)
        .filter(|act| policy.undone_by(lane, *act) == Some(publication.offset));
    Some(Entry {
        id: id(publication.offset),
        at: publication.at,
        by: draft.sender.clone(),
        action: event.map_or("announced", Event::name),
        event: event.cloned(),
        text,
        undoes: undoes.map(id),
        undone_by: policy.undone_by(lane, publication.offset).map(id),
    })
}

/// Whether a moderator has done it; gifts are given, and messages held and reported, by fans.
fn is_act(event: &Event) -> bool {
    match event {
        Event::Gift { .. } | Event::Voted { .. } | Event::Held { .. } | Event::Reported { .. } => {
            false
        }
        Event::Deleted { .. }
        | Event::Cleared { .. }
        | Event::Muted { .. }
        | Event::Banned { .. }
        | Event::Pardoned { .. }
        | Event::Mode(_)
        | Event::Pinned { .. }
        | Event::Unpinned { .. }
        | Event::PollOpened { .. }
        | Event::PollClosed { .. }
        | Event::Reviewed { .. }
        | Event::ReportsDismissed { .. }
        | Event::Words { .. } => true,
    }
}

/// Undoes an act
///
/// What stood before it stands again. A text that was deleted cannot come back.
#[utoipa::path(
    post, path = "/channels/{id}/audit/{act}/undo", tag = "moderation", operation_id = "undoAct",
    params(ActPath, Actor), security(("bearer" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "It is undone, by this act.", body = Done),
        (status = 404, description = "`unknown_act`: there is no such act."),
        (status = 409, description = "`text_is_gone`, `not_undoable`, `already_undone`, `superseded`, `over`: why it is not."),
        (status = 503, description = "`half_undone`: the user is pardoned, and a former penalty has to be imposed anew."),
    ),
)]
async fn undo_act(
    State(api): State<Arc<Api>>,
    By { sender, .. }: By,
    InPath(ActPath { id, act }): InPath<ActPath>,
    NoBody: NoBody,
) -> Result<Answer<Done>, Problem> {
    let now = (api.now)();
    let room = api.channel(&id)?.id.clone();
    let act: ActId = act.parse().map_err(|()| unknown())?;
    let channel = Channel {
        lane: act.lane,
        room: room.clone(),
    };
    let (inquiry, head) = inquire(&api, &channel, &act).await?;
    let actions = inquiry
        .conclude(now)
        .map_err(|refusal| refused(refusal, &act))?;
    // The room may have heard less than the log has: it would refuse to lift a ban that it does not know.
    let caught_up = api.rooms.catch_up(&channel, head).await;
    caught_up.map_err(|error| failed(&error))?;
    let mut first = None;
    for (part, action) in actions.into_iter().enumerate() {
        let again = Act {
            sender: sender.clone(),
            follows_since: None,
            id: undo::undo_id(act.offset, part),
            action,
        };
        match api.rooms.act(&room, again).await {
            Ok(taken) => first = first.or(Some(taken)),
            Err(error) if part == 0 => return Err(error.problem(now)),
            Err(error) => return Err(half(&error)),
        }
    }
    let first = first.ok_or_else(unknown)?;
    Ok(fresh(Done::new(act.lane, first)))
}

/// Reads a lane's events, all of them: what stood before the act is the fold of what came before it.
async fn inquire(api: &Api, channel: &Channel, act: &ActId) -> Result<(Inquiry, Offset), Problem> {
    let mut inquiry = Inquiry::new(act.lane, act.offset);
    let mut after = Offset(0);
    loop {
        let page = api.engine.events(channel, after).await;
        let page = page.map_err(|error| unavailable(&error))?;
        if page.epoch != act.epoch {
            return Err(unknown());
        }
        for publication in &page.publications {
            inquiry.read(publication);
            after = publication.offset;
        }
        if page.publications.len() < EVENTS_PAGE_MAX {
            return Ok((inquiry, after));
        }
    }
}

fn unknown() -> Problem {
    let words = "there is no such act: GET .../audit lists them";
    Problem::new(StatusCode::NOT_FOUND, "unknown_act", words)
}

fn refused(refusal: UndoRefusal, act: &ActId) -> Problem {
    let id = |offset| ActId {
        offset,
        ..act.clone()
    };
    let (code, words) = match refusal {
        UndoRefusal::NotFound => return unknown(),
        UndoRefusal::TextIsGone => ("text_is_gone", refusal.to_string()),
        UndoRefusal::NotUndoable => ("not_undoable", refusal.to_string()),
        UndoRefusal::AlreadyUndone { by } => {
            ("already_undone", format!("{refusal}, by {}", id(by)))
        }
        UndoRefusal::Superseded { by } => ("superseded", format!("{refusal} ({})", id(by))),
        UndoRefusal::Over => ("over", refusal.to_string()),
        // A refusal that is newer than this list.
        _ => ("not_undoable", refusal.to_string()),
    };
    Problem::new(StatusCode::CONFLICT, code, words)
}

fn half(error: &RoomError) -> Problem {
    tracing::warn!(?error, "an act was undone in part");
    let words = "the user was pardoned, but a penalty that they had before could not be imposed again: impose it anew";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "half_undone", words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_act_is_named_in_one_way() {
        for (text, lane, offset) in [
            ("room-17-ab-cd", Lane::Room, 17),
            ("staff-1-x", Lane::Staff, 1),
        ] {
            let id: ActId = text.parse().unwrap();
            assert_eq!((id.lane, id.offset), (lane, Offset(offset)));
            assert_eq!(id.to_string(), text);
        }
        for text in ["", "room", "room-1", "chat-1-x", "vote-1-x", "room-x-y"] {
            assert_eq!(text.parse::<ActId>(), Err(()), "{text}");
        }
    }

    proptest! {
        /// Whatever a stranger calls an act, it is read or refused; what is read is written the same.
        #[test]
        fn any_text_is_read_or_refused(text in "(room|staff|chat|)(-|)[0-9a-z+ -]{0,24}") {
            if let Ok(id) = text.parse::<ActId>() {
                prop_assert_eq!(id.to_string().parse::<ActId>(), Ok(id));
            }
        }
    }
}
