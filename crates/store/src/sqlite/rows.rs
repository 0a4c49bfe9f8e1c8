//! Between our types and the columns of a row.

use std::sync::Arc;

use fanwave_wire::{
    Body, ClientMessageId, Draft, Language, Offset, Publication, ReplyTo, Role, Sender, Text,
    UnixMillis, UserId,
};
use sqlx::{Row, sqlite::SqliteRow};
use thiserror::Error;

/// A column holds what was never written there.
#[derive(Debug, Error)]
enum ColumnError {
    #[error("a number is negative")]
    Negative,
    #[error("a role is unknown")]
    Role,
    #[error("an event cannot be read")]
    Event,
}

/// `SQLite`'s integers have a sign. No offset or time comes near the end of their range; a bound of a range may, and
/// then means everything.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number in a column.
pub(super) fn unsigned(row: &SqliteRow, column: usize) -> Result<u64, sqlx::Error> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| sqlx::Error::Decode(ColumnError::Negative.into()))
}

/// The columns that [`publication`] reads, in its order; `m` is the table of messages.
pub(super) const COLUMNS: &str = "m.message_offset, m.at, m.user_id, m.name, m.role, m.client_id, m.text, m.badge, \
     m.language, m.reply_offset, m.reply_user, m.event";

/// The message in a row of [`COLUMNS`].
pub(super) fn publication(row: &SqliteRow) -> Result<Publication, sqlx::Error> {
    let text = |column: usize| row.try_get::<&str, _>(column);
    Ok(Publication {
        offset: Offset(unsigned(row, 0)?),
        at: UnixMillis(unsigned(row, 1)?),
        draft: Draft {
            id: ClientMessageId(text(5)?.into()),
            sender: Sender {
                user: UserId(text(2)?.into()),
                name: text(3)?.into(),
                role: role(row.try_get(4)?)?,
                badge: row.try_get::<Option<&str>, _>(7)?.map(Arc::from),
            },
            body: body(row)?,
        },
    })
}

fn role(name: &str) -> Result<Role, sqlx::Error> {
    let all = [
        Role::Fan,
        Role::Member,
        Role::Moderator,
        Role::Artist,
        Role::Staff,
    ];
    all.into_iter()
        .find(|role| role.name() == name)
        .ok_or_else(|| sqlx::Error::Decode(ColumnError::Role.into()))
}

fn body(row: &SqliteRow) -> Result<Body, sqlx::Error> {
    if let Some(event) = row.try_get::<Option<&str>, _>(11)? {
        let event = serde_json::from_str(event)
            .map_err(|_| sqlx::Error::Decode(ColumnError::Event.into()))?;
        return Ok(Body::Event(Box::new(event)));
    }
    let language = row.try_get::<Option<&str>, _>(8)?;
    let reply_to = match row.try_get::<Option<&str>, _>(10)? {
        Some(user) => Some(Box::new(ReplyTo {
            offset: Offset(unsigned(row, 9)?),
            user: UserId(user.into()),
        })),
        None => None,
    };
    Ok(Body::Text(Text {
        text: row.try_get::<&str, _>(6)?.into(),
        // A language that a newer version told apart is one that this one cannot.
        language: language.and_then(Language::of_code).unwrap_or_default(),
        reply_to,
    }))
}

/// What an event is in its column.
pub(super) fn event_json(body: &Body) -> Result<Option<String>, sqlx::Error> {
    body.as_event()
        .map(serde_json::to_string)
        .transpose()
        .map_err(|error| sqlx::Error::Encode(error.into()))
}
