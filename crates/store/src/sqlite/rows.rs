//! Between our types and the columns of a row.

use std::sync::Arc;

use fanwave_wire::{ClientMessageId, Draft, Offset, Publication, Role, Sender, UnixMillis, UserId};
use sqlx::{Row, sqlite::SqliteRow};
use thiserror::Error;

/// A column holds what was never written there.
#[derive(Debug, Error)]
enum ColumnError {
    #[error("a number is negative")]
    Negative,
    #[error("a role is unknown")]
    Role,
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

/// A role as it is written in the log.
pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Fan => "fan",
        Role::Artist => "artist",
        Role::Staff => "staff",
    }
}

/// The message in a row of offset, time, user, name, role, client id and text.
pub(super) fn publication(row: &SqliteRow) -> Result<Publication, sqlx::Error> {
    let text = |column: usize| row.try_get::<&str, _>(column).map(Arc::<str>::from);
    let role = match row.try_get(4)? {
        "fan" => Role::Fan,
        "artist" => Role::Artist,
        "staff" => Role::Staff,
        _ => return Err(sqlx::Error::Decode(ColumnError::Role.into())),
    };
    Ok(Publication {
        offset: Offset(unsigned(row, 0)?),
        at: UnixMillis(unsigned(row, 1)?),
        draft: Draft {
            id: ClientMessageId(text(5)?),
            sender: Sender {
                user: UserId(text(2)?),
                name: text(3)?,
                role,
            },
            text: text(6)?,
        },
    })
}
