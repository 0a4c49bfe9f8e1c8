//! What an error of PostgreSQL means to our callers.

use sqlx::{
    error::DatabaseError,
    postgres::{PgDatabaseError, PgSeverity},
};
use thiserror::Error;

use crate::{Cause, StoreError};

/// Nothing came in time.
#[derive(Debug, Error)]
#[error("it does not answer in time")]
pub(super) struct NoAnswer;

/// Codes of errors (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
mod code {
    pub(super) const READ_ONLY: &str = "25006";
    pub(super) const DEADLOCK: &str = "40P01";
    pub(super) const SERIALIZATION: &str = "40001";
    pub(super) const DISK_FULL: &str = "53100";
    pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";
    pub(super) const QUERY_CANCELED: &str = "57014";
    pub(super) const IO_ERROR: &str = "58030";
    /// Class: a server without memory, connections or other resources.
    pub(super) const RESOURCES: &str = "53";
    /// Class: an operator or a crash has ended it.
    pub(super) const INTERVENTION: &str = "57P";
    /// Class: the connection.
    pub(super) const CONNECTION: &str = "08";
    /// Class: what is on its disk is not what was written.
    pub(super) const CORRUPTED: &str = "XX00";
}

/// Sorts an error of an open log.
pub(crate) fn fault(error: sqlx::Error) -> StoreError {
    let Some(known) = error
        .as_database_error()
        .and_then(DatabaseError::code)
        .map(|code| code.into_owned())
    else {
        return match error {
            sqlx::Error::PoolTimedOut => StoreError::Busy,
            sqlx::Error::PoolClosed => StoreError::Closed,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                StoreError::Damaged(Cause::new(error))
            }
            sqlx::Error::Encode(_) => StoreError::Refused(Cause::new(error)),
            // The line, its TLS, or an answer that is none.
            error => StoreError::Unreachable(Cause::new(error)),
        };
    };
    match known.as_str() {
        code::DISK_FULL => StoreError::Full,
        code::READ_ONLY => StoreError::ReadOnly,
        code::DEADLOCK | code::SERIALIZATION | code::LOCK_NOT_AVAILABLE | code::QUERY_CANCELED => {
            StoreError::Busy
        }
        code::IO_ERROR => StoreError::Io(Cause::new(error)),
        // XX001 and XX002; XX000 is a mistake within the server.
        corrupted if corrupted.starts_with(code::CORRUPTED) && corrupted != "XX000" => {
            StoreError::Damaged(Cause::new(error))
        }
        gone if [code::RESOURCES, code::INTERVENTION, code::CONNECTION]
            .iter()
            .any(|class| gone.starts_with(class))
            || is_final(&error) =>
        {
            StoreError::Unreachable(Cause::new(error))
        }
        _ => StoreError::Refused(Cause::new(error)),
    }
}

/// Whether the server has ended the connection with this error, or never began it.
fn is_final(error: &sqlx::Error) -> bool {
    let severity = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        .map(PgDatabaseError::severity);
    matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic))
}

/// Whether a commit that met this error may have been done all the same: the server did not say no to the commit itself.
pub(super) fn is_open(error: &sqlx::Error) -> bool {
    error.as_database_error().is_none() || is_final(error)
}
