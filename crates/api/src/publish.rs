//! `POST /api/v1/channels/{id}/publish`: a back end says something in a room, in anybody's name; and `POST
//! /api/v1/broadcast`: in many rooms at once.
//!
//! A message is judged by its room like the sender's own: bans, modes and words hold. Its id is the caller's: the same
//! sender and id is one message however often it is asked for, so that a call without an answer is made again as it was.
//! The messages of one sender keep their order; those of different senders are not waited for by each other.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_room::machine::Say;
use fanwave_wire::{
    ClientMessageId, Epoch, Offset, ReplyTo, Role, RoomId, Sender, UnixMillis, UserId,
    limits::CLIENT_MESSAGE_ID_BYTES_MAX,
};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, from_value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    access::{self, Caller},
    body::LargeBody,
    channels::{Answer, fresh},
    extract::{ChannelPath, InPath, Whole, malformed},
    keys::Scope,
    limits::{BROADCAST_CHANNELS_MAX, PUBLISH_BATCH_MAX},
    messages::LaneName,
    rooms::Taken,
    schema,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(broadcast))
}

/// One of your users.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSender)]
struct Named {
    /// Their id, 1 to 64 bytes.
    #[schema(example = "u-42")]
    user: String,
    /// What they are called, as a guest may be; the beginning of their id, if that is not said.
    name: Option<String>,
    #[serde(default)]
    #[schema(value_type = schema::Role, default = "fan")]
    role: Role,
    /// What is shown beside the name.
    badge: Option<String>,
}

impl Named {
    fn sender(&self) -> Result<Sender, Problem> {
        let (name, badge) = (self.name.as_deref(), self.badge.as_deref());
        access::sender(&self.user, name, self.role, badge)
    }
}

/// The message that is answered.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewReplyTo)]
struct Answered {
    /// Its offset in the same lane.
    #[schema(value_type = u64, minimum = 0, maximum = 9_007_199_254_740_991i64)]
    offset: Whole,
    /// Who has sent it.
    user: String,
}

/// Something to be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewMessage)]
struct Message {
    /// Yours, 1 to 64 bytes: the same sender and id is one message.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
        example = "order-4711"
    )]
    id: String,
    /// Plain text, up to 500 characters, of which one at least can be seen.
    #[schema(example = "The hall is open")]
    text: String,
    /// Who says it; the key itself, if that is not said.
    sender: Option<Named>,
    #[serde(default)]
    #[schema(inline, default = "chat")]
    lane: LaneName,
    reply_to: Option<Answered>,
}

/// Several messages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewMessages)]
struct Batch {
    #[schema(min_items = 1, max_items = 100)]
    messages: Vec<Message>,
}

/// One message, or several.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Publish)]
#[expect(dead_code, reason = "its description is all that is used of it")]
enum Described {
    #[schema(title = "One")]
    One(Message),
    #[schema(title = "Several")]
    Several(Batch),
}

/// One message for many rooms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Broadcast {
    /// In which.
    #[schema(min_items = 1, max_items = 100)]
    channels: Vec<String>,
    /// Yours, 1 to 64 bytes: the same sender and id is one message in each room.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$"
    )]
    id: String,
    /// Plain text, up to 500 characters, of which one at least can be seen.
    text: String,
    /// Who says it; the key itself, if that is not said.
    sender: Option<Named>,
    #[serde(default)]
    #[schema(inline, default = "chat")]
    lane: LaneName,
}

const _: () = assert!(PUBLISH_BATCH_MAX == 100 && BROADCAST_CHANNELS_MAX == 100);

/// What became of a message: it has its place, it waits for a moderator, or there is a problem.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Published {
    /// In which room, of a broadcast.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    channel: Option<String>,
    /// What you call it.
    id: String,
    /// Its place in the lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64)]
    offset: Option<Offset>,
    /// Offsets are comparable only within one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    epoch: Option<Epoch>,
    /// When the room took it, milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64)]
    at: Option<UnixMillis>,
    /// It was said before, under the same id.
    duplicate: bool,
    /// It waits for a moderator.
    held: bool,
    /// Why it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Short)]
    problem: Option<Short>,
}

/// A problem among others.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShortProblem)]
struct Short {
    status: u16,
    /// What a program branches on.
    #[schema(value_type = String)]
    code: &'static str,
    /// What a person reads.
    detail: String,
}

impl Published {
    fn new(id: &ClientMessageId, result: Result<Taken, Problem>) -> Self {
        let id = id.0.to_string();
        let ack = match result {
            Ok(Taken::Stored { ack, .. }) => ack,
            Ok(Taken::Waits) => {
                return Self {
                    id,
                    held: true,
                    ..Self::default()
                };
            }
            Err(problem) => {
                let problem = Some(Short {
                    status: problem.status().as_u16(),
                    code: problem.code(),
                    detail: problem.detail().to_owned(),
                });
                return Self {
                    id,
                    problem,
                    ..Self::default()
                };
            }
        };
        Self {
            id,
            offset: Some(ack.offset),
            epoch: Some(ack.epoch),
            at: Some(ack.at),
            duplicate: ack.duplicate,
            ..Self::default()
        }
    }
}

/// What became of several, in their order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PublishedAll)]
struct Results {
    results: Vec<Published>,
}

/// Publishes messages in a room
///
/// One, or several at once, in anybody's name. The room judges each like the sender's own.
#[utoipa::path(
    post, path = "/channels/{id}/publish", tag = "back ends", operation_id = "publish",
    params(ChannelPath), security(("bearer" = []), ("api_key" = [])), request_body = Described,
    responses(
        (status = 200, description = "What became of each of several.", body = Results),
        (status = 201, description = "It is said, or waits for a moderator.", body = Published),
        (status = 403, description = "`banned`, `muted`, `members_only` and so on: the room does not let it in."),
        (status = 422, description = "`empty`, `too_long`, `person_refused`: the detail says what cannot be."),
        (status = 429, description = "`too_fast`, `room_busy`: the detail says when to try again."),
    ),
)]
async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    LargeBody(body): LargeBody<Map<String, Value>>,
) -> Result<Response, Problem> {
    caller.demand(Scope::Publish)?;
    let default = caller.sender();
    let room = api.channel(&id)?.id.clone();
    if !body.contains_key("messages") {
        let message: Message = from_value(Value::Object(body)).map_err(|e| malformed(&e))?;
        let say = message.say(&default)?;
        let id = say.id.clone();
        let taken = publish(&api, &room, say).await?;
        let published = fresh(Published::new(&id, Ok(taken)));
        return Ok((StatusCode::CREATED, published).into_response());
    }
    let Batch { messages } = from_value(Value::Object(body)).map_err(|e| malformed(&e))?;
    if !(1..=PUBLISH_BATCH_MAX).contains(&messages.len()) {
        let words = format!("messages has 1 to {PUBLISH_BATCH_MAX} of them");
        return Err(malformed(&words));
    }
    let results = publish_all(&api, &room, messages, &default).await?;
    Ok(fresh(Results { results }).into_response())
}

/// Publishes a batch: one sender's messages one after the other, those of different senders at the same time.
async fn publish_all(
    api: &Api,
    room: &RoomId,
    messages: Vec<Message>,
    default: &Sender,
) -> Result<Vec<Published>, Problem> {
    let mut results = Vec::with_capacity(messages.len());
    let mut by_sender: BTreeMap<UserId, Vec<(usize, Say)>> = BTreeMap::new();
    for (index, message) in messages.into_iter().enumerate() {
        // What is no id cannot be answered under it: nothing of the batch is said.
        let id = message_id(&message.id)?;
        match message.say(default) {
            Ok(say) => {
                let of_sender = by_sender.entry(say.sender.user.clone()).or_default();
                of_sender.push((index, say));
            }
            Err(problem) => results.push((index, Published::new(&id, Err(problem)))),
        }
    }
    let all = by_sender.into_values().map(|messages| async {
        let mut results = Vec::with_capacity(messages.len());
        for (index, say) in messages {
            let id = say.id.clone();
            let result = publish(api, room, say).await;
            results.push((index, Published::new(&id, result)));
        }
        results
    });
    results.extend(join_all(all).await.into_iter().flatten());
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Publishes a message in many rooms
///
/// The answer says what became of it in each.
#[utoipa::path(
    post, path = "/broadcast", tag = "back ends", operation_id = "broadcast",
    security(("bearer" = []), ("api_key" = [])), request_body = Broadcast,
    responses(
        (status = 200, description = "What became of it in each room.", body = Results),
        (status = 422, description = "`person_refused`: the detail says what cannot be."),
    ),
)]
async fn broadcast(
    State(api): State<Arc<Api>>,
    caller: Caller,
    LargeBody(ask): LargeBody<Broadcast>,
) -> Result<Answer<Results>, Problem> {
    caller.demand(Scope::Publish)?;
    if !(1..=BROADCAST_CHANNELS_MAX).contains(&ask.channels.len()) {
        let words = format!("channels has 1 to {BROADCAST_CHANNELS_MAX} of them");
        return Err(malformed(&words));
    }
    let message = Message {
        id: ask.id,
        text: ask.text,
        sender: ask.sender,
        lane: ask.lane,
        reply_to: None,
    };
    let say = message.say(&caller.sender())?;
    let all = ask.channels.into_iter().map(|channel| async {
        let say = say.clone();
        let id = say.id.clone();
        let result = match api.channel(&channel) {
            Ok(info) => publish(&api, &info.id, say).await,
            Err(problem) => Err(problem),
        };
        Published {
            channel: Some(channel),
            ..Published::new(&id, result)
        }
    });
    Ok(fresh(Results {
        results: join_all(all).await,
    }))
}

async fn publish(api: &Api, room: &RoomId, say: Say) -> Result<Taken, Problem> {
    let taken = api.rooms.say(room, say).await;
    taken.map_err(|error| error.problem((api.now)()))
}

impl Message {
    fn say(self, default: &Sender) -> Result<Say, Problem> {
        let sender = match &self.sender {
            Some(named) => named.sender()?,
            None => default.clone(),
        };
        Ok(Say {
            lane: self.lane.lane(),
            sender,
            follows_since: None,
            id: message_id(&self.id)?,
            text: self.text.into(),
            reply_to: self.reply_to.map(|answered| {
                Box::new(ReplyTo {
                    offset: Offset(answered.offset.0),
                    user: UserId(answered.user.into()),
                })
            }),
            unpaced: true,
            held: false,
        })
    }
}

/// Reads an id as the chat does.
pub(crate) fn message_id(text: &str) -> Result<ClientMessageId, Problem> {
    let fits = (1..=CLIENT_MESSAGE_ID_BYTES_MAX).contains(&text.len());
    if !fits || text.contains(char::is_control) {
        let words =
            format!("an id has 1 to {CLIENT_MESSAGE_ID_BYTES_MAX} bytes and no control characters");
        return Err(malformed(&words));
    }
    Ok(ClientMessageId(text.into()))
}
