//! What moderators do, over HTTP: `POST /api/v1/channels/{id}/users/{user}/ban` and its like, and the rules as they stand.
//!
//! An act is the call of the same name that a chat client makes (`fanwave_wire::call`): its arguments are the body's members
//! and what the address names, they are read by the same parser and judged by the same room. It becomes an event of the
//! room's lane, by which every server, open socket and history knows of it. The answer's `act` names it in the audit log.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use fanwave_room::{machine::Act, moderation::Penalty};
use fanwave_wire::{
    Action, Call, ClientMessageId, Event, Lane, Mode, Notice, Offset, Publication, Role, RoomId,
    Sender, UnixMillis, UserId, limits::PENALTY_SECONDS_MAX,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::to_raw_value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    access::{Actor, By, Reader},
    audit::ActId,
    body::{MayHaveBody, NoBody},
    channels::{Answer, fresh},
    extract::{ChannelPath, InPath, InQuery, PageLimit, UserPath, Whole},
    random::random_hex,
    rooms::{RoomError, Taken, failed},
    schema,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(bans))
        .routes(routes!(mutes))
        .routes(routes!(ban))
        .routes(routes!(mute))
        .routes(routes!(pardon))
        .routes(routes!(clear))
        .routes(routes!(delete_message))
}

/// Bytes of randomness in an id that is made here.
const ID_BYTES: usize = 16;

/// An act as the log has it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Act)]
pub(crate) struct Done {
    /// Its name in the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, example = "room-17-6f3a")]
    pub(crate) act: Option<ActId>,
    /// The event's id, which is that of the pin or the poll, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    id: Option<ClientMessageId>,
    /// When the room took it, milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64)]
    at: Option<UnixMillis>,
    /// It was done before, under the same id.
    duplicate: bool,
}

impl Done {
    pub(crate) fn new(lane: Lane, taken: Taken) -> Self {
        match taken {
            Taken::Stored { id, ack } => Self {
                act: Some(ActId {
                    lane,
                    offset: ack.offset,
                    epoch: ack.epoch,
                }),
                id: Some(id),
                at: Some(ack.at),
                duplicate: ack.duplicate,
            },
            Taken::Waits => Self {
                act: None,
                id: None,
                at: None,
                duplicate: false,
            },
        }
    }
}

/// Has a room carry out the call of a name, with these arguments beside the room.
pub(crate) async fn carry_out(
    api: &Api,
    channel: &str,
    by: By,
    call: (&str, Value),
) -> Result<Answer<Done>, Problem> {
    Ok(fresh(done(api, channel, by, call).await?))
}

/// The same, for whoever has something to do when it is done.
pub(crate) async fn done(
    api: &Api,
    channel: &str,
    by: By,
    (method, mut fields): (&str, Value),
) -> Result<Done, Problem> {
    let room = api.channel(channel)?.id.clone();
    fields["room"] = Value::from(room.as_str());
    let refuse =
        |words: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "argument_refused", words);
    let raw = to_raw_value(&fields).map_err(|error| refuse(error.to_string()))?;
    let action = match Call::parse(method, Some(&raw)) {
        Ok(Call::Act { action, .. }) => action,
        Ok(_) => return Err(Problem::not_found()),
        Err(error) => return Err(refuse(error.to_string())),
    };
    let lane = match action {
        Action::Words { .. } | Action::Review { .. } | Action::DismissReports { .. } => Lane::Staff,
        _ => Lane::Room,
    };
    let act = Act {
        follows_since: None,
        id: by.act()?,
        sender: by.sender,
        action,
    };
    let taken = api.rooms.act(&room, act).await;
    let taken = taken.map_err(|error: RoomError| error.problem((api.now)()))?;
    Ok(Done::new(lane, taken))
}

/// A new id: 128 random bits never meet twice.
pub(crate) fn new_id() -> Result<ClientMessageId, Problem> {
    random_hex::<ID_BYTES>().map(|id| ClientMessageId(id.into()))
}

/// A message of the chat in an address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct MessagePath {
    /// The channel's id.
    #[param(
        pattern = "^[A-Za-z0-9._-]+$",
        min_length = 1,
        max_length = 64,
        example = "demo"
    )]
    id: String,
    /// Where the message stands in the chat lane.
    #[param(value_type = u64, minimum = 0, maximum = 9_007_199_254_740_991i64)]
    offset: Whole,
}

/// For how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPenalty)]
struct Span {
    /// Seconds, ten years at most; for ever, if that is not said.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 315_360_000)]
    seconds: Option<Whole>,
}

const _: () = assert!(PENALTY_SECONDS_MAX == 315_360_000);

impl Span {
    fn upon(&self, user: &str) -> Value {
        json!({"user": user, "seconds": self.seconds.map(|seconds| seconds.0)})
    }
}

/// Deletes a message of the chat
///
/// It is gone from every open page, history and recovery, and cannot come back.
#[utoipa::path(
    delete, path = "/channels/{id}/messages/{offset}", tag = "moderation", operation_id = "deleteMessage",
    params(MessagePath, Actor), security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "It is gone.", body = Done)),
)]
async fn delete_message(
    State(api): State<Arc<Api>>,
    by: By,
    InPath(MessagePath { id, offset }): InPath<MessagePath>,
) -> Result<Answer<Done>, Problem> {
    carry_out(&api, &id, by, ("delete", json!({"offset": offset.0}))).await
}

/// Clears what a user has said
///
/// All of their messages in the chat so far are gone, and cannot come back.
#[utoipa::path(
    post, path = "/channels/{id}/users/{user}/clear", tag = "moderation", operation_id = "clearUser",
    params(UserPath, Actor), security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "They are gone.", body = Done)),
)]
async fn clear(
    State(api): State<Arc<Api>>,
    by: By,
    InPath(UserPath { id, user }): InPath<UserPath>,
    NoBody: NoBody,
) -> Result<Answer<Done>, Problem> {
    carry_out(&api, &id, by, ("clear", json!({"user": user}))).await
}

/// Bans a user
///
/// They are sent out of the room: their open sockets are closed, on every server.
#[utoipa::path(
    post, path = "/channels/{id}/users/{user}/ban", tag = "moderation", operation_id = "banUser",
    params(UserPath, Actor), security(("bearer" = []), ("api_key" = [])), request_body = Option<Span>,
    responses((status = 200, description = "They are banned.", body = Done)),
)]
async fn ban(
    State(api): State<Arc<Api>>,
    by: By,
    InPath(UserPath { id, user }): InPath<UserPath>,
    MayHaveBody(span): MayHaveBody<Span>,
) -> Result<Answer<Done>, Problem> {
    carry_out(&api, &id, by, ("ban", span.upon(&user))).await
}

/// Mutes a user
///
/// A timeout: they read, and do not write.
#[utoipa::path(
    post, path = "/channels/{id}/users/{user}/mute", tag = "moderation", operation_id = "muteUser",
    params(UserPath, Actor), security(("bearer" = []), ("api_key" = [])), request_body = Option<Span>,
    responses((status = 200, description = "They are muted.", body = Done)),
)]
async fn mute(
    State(api): State<Arc<Api>>,
    by: By,
    InPath(UserPath { id, user }): InPath<UserPath>,
    MayHaveBody(span): MayHaveBody<Span>,
) -> Result<Answer<Done>, Problem> {
    carry_out(&api, &id, by, ("mute", span.upon(&user))).await
}

/// Pardons a user
///
/// Their ban and their mute are over.
#[utoipa::path(
    post, path = "/channels/{id}/users/{user}/pardon", tag = "moderation", operation_id = "pardonUser",
    params(UserPath, Actor), security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "Nothing binds them any more.", body = Done)),
)]
async fn pardon(
    State(api): State<Arc<Api>>,
    by: By,
    InPath(UserPath { id, user }): InPath<UserPath>,
    NoBody: NoBody,
) -> Result<Answer<Done>, Problem> {
    carry_out(&api, &id, by, ("pardon", json!({"user": user}))).await
}

/// The rules of a room as they stand.
#[derive(Debug, Serialize, ToSchema)]
struct Rules {
    /// The channel's id.
    #[schema(value_type = String)]
    channel: RoomId,
    #[schema(value_type = schema::Settings)]
    settings: Mode,
    pins: Vec<HeldUp>,
    polls: Vec<Poll>,
    /// How many are banned and muted now; who, is on their own pages.
    bans: usize,
    /// See `bans`.
    mutes: usize,
    /// How many messages wait for review.
    held: usize,
}

/// Something that is held up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pin)]
struct HeldUp {
    #[schema(value_type = String)]
    pin: ClientMessageId,
    #[schema(value_type = String)]
    text: Arc<str>,
    /// The message of the chat lane, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64)]
    offset: Option<Offset>,
    #[schema(value_type = schema::Person)]
    by: Sender,
    /// When it was pinned, milliseconds since 1970.
    #[schema(value_type = u64)]
    at: UnixMillis,
}

/// A poll that is open.
#[derive(Debug, Serialize, ToSchema)]
struct Poll {
    #[schema(value_type = String)]
    poll: ClientMessageId,
    #[schema(value_type = String)]
    question: Arc<str>,
    #[schema(value_type = Vec<String>)]
    choices: Vec<Arc<str>>,
    /// Votes of each choice.
    counts: Vec<u64>,
    /// When it ends by itself, milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64)]
    until: Option<UnixMillis>,
    #[schema(value_type = schema::Person)]
    by: Sender,
    /// When it was opened, milliseconds since 1970.
    #[schema(value_type = u64)]
    at: UnixMillis,
}

/// Reads the rules of a room
///
/// As they stand on the server that is asked: the fold of what moderators have done.
#[utoipa::path(
    get, path = "/channels/{id}/moderation", tag = "moderation", operation_id = "readModeration",
    params(ChannelPath), security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "The rules.", body = Rules)),
)]
async fn show(
    State(api): State<Arc<Api>>,
    _: Reader,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
) -> Result<Answer<Rules>, Problem> {
    let room = api.channel(&id)?.id.clone();
    let (policy, standing) = api.rooms.rules(&room).await.map_err(|e| failed(&e))?;
    let now = (api.now)();
    let events = standing.events.iter();
    Ok(fresh(Rules {
        settings: policy.mode(),
        pins: policy.pins().iter().filter_map(|pin| held(pin)).collect(),
        polls: events
            .filter_map(|opened| poll(opened, &standing.tallies))
            .collect(),
        bans: policy.bans(now).count(),
        mutes: policy.mutes(now).count(),
        held: policy.held_count(),
        channel: room,
    }))
}

fn held(publication: &Publication) -> Option<HeldUp> {
    let Some(Event::Pinned { pin, text, offset }) = publication.draft.body.as_event() else {
        return None;
    };
    Some(HeldUp {
        pin: pin.clone(),
        text: Arc::clone(text),
        offset: *offset,
        by: publication.draft.sender.clone(),
        at: publication.at,
    })
}

fn poll(publication: &Publication, tallies: &[Notice]) -> Option<Poll> {
    let Some(Event::PollOpened {
        poll,
        question,
        choices,
        until,
    }) = publication.draft.body.as_event()
    else {
        return None;
    };
    let counts = tallies.iter().find_map(|tally| match tally {
        Notice::Tally { poll: of, counts } if of == poll => Some(counts.clone()),
        _ => None,
    });
    Some(Poll {
        poll: poll.clone(),
        question: Arc::clone(question),
        choices: choices.clone(),
        counts: counts?,
        until: *until,
        by: publication.draft.sender.clone(),
        at: publication.at,
    })
}

/// The query string of a page of penalties.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PenaltiesAsk {
    /// Only users behind this one: `next_after` of the page before.
    after: Option<String>,
    /// How many at most; 50, if that is not said.
    #[serde(default)]
    #[param(inline, required = false)]
    limit: PageLimit,
}

/// Those who are banned, or muted, in the order of their ids.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PenaltyPage)]
struct Penalties {
    /// The channel's id.
    #[schema(value_type = String)]
    channel: RoomId,
    penalties: Vec<Bound>,
    /// Cursor of the next page; null when this is the last.
    #[schema(value_type = Option<String>)]
    next_after: Option<UserId>,
}

/// Somebody who is banned or muted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Penalty)]
struct Bound {
    #[schema(value_type = String)]
    user: UserId,
    /// Until when, milliseconds since 1970; for ever, when it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64)]
    until: Option<UnixMillis>,
    /// Who has imposed it.
    #[schema(value_type = String)]
    by: UserId,
    #[schema(value_type = schema::Role)]
    by_role: Role,
    /// Where the act that did stands in the room's lane.
    #[schema(value_type = u64)]
    offset: Offset,
}

/// Lists who is banned
///
/// In the order of the user ids, page by page.
#[utoipa::path(
    get, path = "/channels/{id}/bans", tag = "moderation", operation_id = "listBans",
    params(ChannelPath, PenaltiesAsk), security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "The page.", body = Penalties)),
)]
async fn bans(
    State(api): State<Arc<Api>>,
    _: Reader,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InQuery(ask): InQuery<PenaltiesAsk>,
) -> Result<Answer<Penalties>, Problem> {
    let room = api.channel(&id)?.id.clone();
    let (policy, _) = api.rooms.rules(&room).await.map_err(|e| failed(&e))?;
    Ok(fresh(penalties(room, ask, policy.bans((api.now)()))))
}

/// Lists who is muted
///
/// In the order of the user ids, page by page.
#[utoipa::path(
    get, path = "/channels/{id}/mutes", tag = "moderation", operation_id = "listMutes",
    params(ChannelPath, PenaltiesAsk), security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "The page.", body = Penalties)),
)]
async fn mutes(
    State(api): State<Arc<Api>>,
    _: Reader,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InQuery(ask): InQuery<PenaltiesAsk>,
) -> Result<Answer<Penalties>, Problem> {
    let room = api.channel(&id)?.id.clone();
    let (policy, _) = api.rooms.rules(&room).await.map_err(|e| failed(&e))?;
    Ok(fresh(penalties(room, ask, policy.mutes((api.now)()))))
}

fn penalties<'a>(
    channel: RoomId,
    ask: PenaltiesAsk,
    all: impl Iterator<Item = (&'a UserId, &'a Penalty)>,
) -> Penalties {
    let after = ask.after.map(|user| UserId(user.into()));
    let PageLimit(limit) = ask.limit;
    let mut rest = all.filter(|(user, _)| after.as_ref().is_none_or(|after| *user > after));
    let penalties: Vec<Bound> = rest
        .by_ref()
        .take(limit)
        .map(|(user, penalty)| Bound {
            user: user.clone(),
            until: penalty.until,
            by: penalty.author.clone(),
            by_role: penalty.by,
            offset: penalty.event,
        })
        .collect();
    let more = rest.next().is_some();
    let last = penalties.last().map(|last| last.user.clone());
    Penalties {
        channel,
        next_after: last.filter(|_| more),
        penalties,
    }
}
