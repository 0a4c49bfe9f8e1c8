//! What an error of `SQLite` means to our callers.

use sqlx::error::DatabaseError;

use crate::{Cause, StoreError};

/// Primary result codes of `SQLite` (<https://www.sqlite.org/rescode.html>).
pub(super) mod code {
    pub(in crate::sqlite) const BUSY: i32 = 5;
    pub(in crate::sqlite) const LOCKED: i32 = 6;
    pub(in crate::sqlite) const IOERR: i32 = 10;
    pub(in crate::sqlite) const CORRUPT: i32 = 11;
    pub(in crate::sqlite) const FULL: i32 = 13;
    pub(in crate::sqlite) const NOTADB: i32 = 26;
}

/// The primary result code; the driver reports the extended one, whose low byte it is.
pub(super) fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let extended = error.as_database_error().and_then(DatabaseError::code)?;
    extended.parse::<i32>().ok().map(|code| code & 0xff)
}

/// Sorts an error of an open log.
pub(crate) fn fault(error: sqlx::Error) -> StoreError {
    match primary_code(&error) {
        Some(code::FULL) => StoreError::Full,
        Some(code::IOERR) => StoreError::Io(Cause::new(error)),
        Some(code::CORRUPT | code::NOTADB) => StoreError::Damaged(Cause::new(error)),
        Some(code::BUSY | code::LOCKED) => StoreError::Busy,
        Some(_) => StoreError::Refused(Cause::new(error)),
        None => match error {
            sqlx::Error::PoolTimedOut => StoreError::Busy,
            sqlx::Error::PoolClosed => StoreError::Closed,
            sqlx::Error::Io(_) => StoreError::Io(Cause::new(error)),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                StoreError::Damaged(Cause::new(error))
            }
            _ => StoreError::Refused(Cause::new(error)),
        },
    }
}
