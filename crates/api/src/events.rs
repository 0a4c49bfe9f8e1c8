//! `POST /api/v1/channels/{id}/events`: something happens at a time of the channel's show. For staff alone.
//!
//! The show's playlists then have it as EXT-X-DATERANGE until its time has left them, and players tell the page. An id is
//! announced once in a stream: sent again it changes nothing, and the answer is 200 in place of 201.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use fanwave_wire::{RoomId, UnixMillis};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Visitor},
};
use thiserror::Error;
use utoipa::{ToSchema, openapi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    channels::fresh,
    extract::{ChannelPath, InBody, InPath, Staff, Whole, WholeNumber},
    limits::WHOLE_MAX,
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(create))
}

/// What is to be announced, as it was sent: the playlists' own rules are still to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowEvent {
    /// Names it within its stream.
    pub id: String,
    /// What kind of thing it is.
    pub class: Option<String>,
    /// When it begins.
    pub start: UnixMillis,
    /// How long it lasts, if that is known.
    pub duration: Option<Duration>,
    /// Attributes of its class; their names begin with `X-`.
    pub attributes: BTreeMap<String, EventValue>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventValue {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

impl<'de> Deserialize<'de> for EventValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl Visitor<'_> for AnyValue {
    type Value = EventValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a whole number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<EventValue, E> {
        Ok(EventValue::Text(text.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<EventValue, E> {
        WholeNumber.visit_i64(number).map(EventValue::Number)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<EventValue, E> {
        WholeNumber.visit_u64(number).map(EventValue::Number)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<EventValue, E> {
        WholeNumber.visit_f64(number).map(EventValue::Number)
    }
}

/// Why an event is not announced.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EventRefusal {
    /// One of that id was announced before.
    #[error("an event of this id was announced before")]
    IdUsed,
    /// The channel shows nothing.
    #[error("the channel is not live: announce the event when it is")]
    NotLive,
    /// No playlist can say it, or none that is shown.
    #[error("{0}")]
    Refused(String),
}

/// Something that happens at a time of the show. The playlists' line that says all of it has at most 4096 bytes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewEvent)]
struct Ask {
    /// Names it within its stream; it is announced once.
    #[schema(
        min_length = 1,
        pattern = r#"^[^"\u0000-\u001f\u007f-\u009f]*$"#,
        example = "song-7"
    )]
    id: String,
    /// What kind of thing it is.
    #[schema(
        pattern = r#"^[^"\u0000-\u001f\u007f-\u009f]*$"#,
        example = "org.example.song"
    )]
    class: Option<String>,
    /// When it begins, milliseconds since 1970; now, if that is not said.
    #[schema(value_type = Option<u64>, maximum = 9_007_199_254_740_991i64)]
    start: Option<Whole>,
    /// How long it lasts, if that is known: a day at most.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 86_400_000)]
    duration_ms: Option<Whole>,
    /// Attributes of its class: a text without quotes, or a whole number, each.
    #[serde(default)]
    #[schema(schema_with = attributes)]
    attributes: BTreeMap<String, EventValue>,
}

/// What the playlists take as names and values.
fn attributes() -> openapi::Object {
    use openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Type};
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(r#"^[^"\u0000-\u001f\u007f-\u009f]*$"#));
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(-WHOLE_MAX.cast_signed()))
        .maximum(Some(WHOLE_MAX.cast_signed()));
    let value = OneOfBuilder::new().item(text).item(number);
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^X-[A-Z0-9-]{1,62}$"));
    ObjectBuilder::new()
        .description(Some(
            "Attributes of its class: a text without quotes, or a whole number, each.",
        ))
        .max_properties(Some(32))
        .property_names(Some(name))
        .additional_properties(Some(AdditionalProperties::RefOr(value.into())))
        .build()
}

/// An event that the playlists have.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
struct Announced {
    /// The channel's id.
    #[schema(value_type = String)]
    channel: RoomId,
    id: String,
    /// When it begins, milliseconds since 1970.
    #[schema(value_type = u64)]
    start: UnixMillis,
}

/// Announces an event of the show
///
/// The show's playlists have it as EXT-X-DATERANGE until its time has left them. For staff.
#[utoipa::path(
    post, path = "/channels/{id}/events", tag = "shows", operation_id = "announceEvent",
    params(ChannelPath), security(("bearer" = [])), request_body = Ask,
    responses(
        (status = 200, description = "One of this id was announced before; nothing has changed.", body = Announced),
        (status = 201, description = "It is announced.", body = Announced),
        (status = 404, description = "`unknown_channel`: no channel of this id is configured."),
        (status = 409, description = "`not_live`: there is no show."),
        (status = 422, description = "`event_refused`: no playlist can say it, or no more of them."),
    ),
)]
async fn create(
    State(api): State<Arc<Api>>,
    Staff { now }: Staff,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
    InBody(ask): InBody<Ask>,
) -> Result<Response, Problem> {
    let channel = api.channel(&id)?.id.clone();
    let event = ShowEvent {
        id: ask.id,
        class: ask.class,
        start: ask.start.map_or(now, |start| UnixMillis(start.0)),
        duration: ask.duration_ms.map(|span| Duration::from_millis(span.0)),
        attributes: ask.attributes,
    };
    let answer = Announced {
        channel: channel.clone(),
        id: event.id.clone(),
        start: event.start,
    };
    let refusal =
        |status, code, refusal: &EventRefusal| Err(Problem::new(status, code, refusal.to_string()));
    match api.shows.announce(&channel, event) {
        Ok(()) => Ok((StatusCode::CREATED, fresh(answer)).into_response()),
        Err(EventRefusal::IdUsed) => Ok(fresh(answer).into_response()),
        Err(why @ EventRefusal::NotLive) => refusal(StatusCode::CONFLICT, "not_live", &why),
        Err(why @ EventRefusal::Refused(_)) => {
            refusal(StatusCode::UNPROCESSABLE_ENTITY, "event_refused", &why)
        }
    }
}
