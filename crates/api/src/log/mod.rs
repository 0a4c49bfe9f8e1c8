//! The chat log: what was said in a room, as far back as it is kept, for moderators and back ends.
//!
//! | Method and path | Answer |
//! |---|---|
//! | `GET /api/v1/channels/{id}/log` | what was said in a stretch of time, oldest first |
//! | `GET /api/v1/recordings/{id}/log` | the same, by the time in a recording's player |
//! | `GET /api/v1/channels/{id}/log/search` | what was said of something, or by somebody; newest first |
//! | `GET /api/v1/channels/{id}/log/export` | all of it, as a file |
//! | `GET /api/v1/holds`, `PUT`, `DELETE /api/v1/holds/{id}` | rooms that nothing may be let go of |
//! | `POST /api/v1/users/{user}/forget` | removes what a person has said, and what mentions them |
//!
//! It is the log of the engine where that is kept here, and otherwise what the recorder has written down of the broker's. Both
//! have runs of offsets, one after the other: a place in it is an offset and an epoch, and a [`Cursor`] is both.

mod export;
mod forget;
mod hold;
mod replay;
mod search;

use std::{fmt, str::FromStr, sync::Arc};

use axum::http::StatusCode;
use fanwave_store::{Archive, Position, StoreError, Stretch};
use fanwave_wire::{Epoch, Offset};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{PartialSchema, ToSchema, openapi};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    Api, Problem,
    messages::{self, Message},
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .merge(replay::routes())
        .merge(search::routes())
        .merge(export::routes())
        .merge(hold::routes())
        .merge(forget::routes())
}

impl Api {
    /// The chat log, if it is kept here.
    fn log(&self) -> Result<&Archive, Problem> {
        self.log.as_ref().ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "no_log",
                "no chat log is kept here: it is with the broker alone, as store.record is off",
            )
        })
    }
}

/// The database's own words are for the operator.
fn unavailable(error: &StoreError) -> Problem {
    tracing::warn!(%error, "the chat log cannot be worked on");
    let words = "the chat log cannot be reached right now: ask again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable", words)
}

/// A place in a log: an offset and its epoch, as one word.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor(Position);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.offset.0, self.0.epoch.0)
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a cursor is one that an answer has named";
        let (offset, epoch) = text.split_once('-').ok_or(WRONG)?;
        let offset = offset.parse().map_err(|_| WRONG)?;
        if epoch.is_empty() || epoch.len() > 64 || epoch.contains(char::is_control) {
            return Err(WRONG);
        }
        Ok(Self(Position {
            epoch: Epoch(epoch.into()),
            offset: Offset(offset),
        }))
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for Cursor {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        openapi::ObjectBuilder::new()
            .schema_type(openapi::schema::Type::String)
            // As many digits as never are too many.
            .pattern(Some("^[0-9]{1,19}-[0-9a-zA-Z]{1,64}$"))
            .into()
    }
}

impl ToSchema for Cursor {}

/// A message of the log, which may be of an older run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoggedMessage)]
struct Logged {
    /// Offsets are comparable only within one.
    #[schema(value_type = String)]
    epoch: Epoch,
    #[serde(flatten)]
    message: Message,
}

fn logged(stretch: &Stretch) -> impl Iterator<Item = Logged> {
    stretch.publications.iter().map(|publication| Logged {
        epoch: stretch.epoch.clone(),
        message: messages::message(publication),
    })
}

/// Behind the last of these messages, if there can be more.
fn behind(stretches: &[Stretch], limit: usize) -> Option<Cursor> {
    let count: usize = stretches.iter().map(|one| one.publications.len()).sum();
    let last = stretches.last().filter(|_| count >= limit)?;
    let offset = last.publications.last()?.offset;
    let epoch = last.epoch.clone();
    Some(Cursor(Position { epoch, offset }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written(offset: u64, epoch in "[0-9a-zA-Z]{1,64}") {
            let cursor = Cursor(Position { epoch: Epoch(epoch.into()), offset: Offset(offset) });
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn what_is_no_cursor_is_refused_and_nothing_worse(text in "\\PC{0,80}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert!(text.ends_with(&*cursor.0.epoch.0));
            }
        }
    }
}
