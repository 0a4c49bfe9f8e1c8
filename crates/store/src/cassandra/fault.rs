//! What an error of the cluster means to our callers.

use scylla::errors::{
    DbError, ExecutionError, IntoRowsResultError, PrepareError, RequestAttemptError, RowsError,
};
use thiserror::Error;

use crate::{Cause, StoreError};

/// What the cluster said, and what to do about it.
#[derive(Debug, Error)]
#[error("{said}; {next}")]
struct Advised {
    said: String,
    next: &'static str,
}

/// What is not as it was written.
#[derive(Debug, Error)]
#[error("{0}")]
struct Odd(&'static str);

fn advised(said: String, next: &'static str) -> Cause {
    Cause::new(Advised { said, next })
}

const REPLICAS: &str = "start the nodes that are down, or ask for fewer in [cassandra] consistency";

/// Sorts an error of a statement.
pub(super) fn fault(error: ExecutionError) -> StoreError {
    match error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(db, text)) => {
            database(&db, &text)
        }
        ExecutionError::BadQuery(_)
        | ExecutionError::LastAttemptError(
            RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_),
        ) => StoreError::Refused(Cause::new(error)),
        ExecutionError::LastAttemptError(RequestAttemptError::UnableToAllocStreamId) => {
            StoreError::Busy
        }
        // The line, its TLS, no node at all, or no answer in time.
        error => StoreError::Unreachable(Cause::new(error)),
    }
}

/// Sorts what a node has said.
pub(super) fn database(error: &DbError, text: &str) -> StoreError {
    let said = format!("{error} ({text})");
    match error {
        DbError::Unavailable { .. } => StoreError::Unreachable(advised(said, REPLICAS)),
        DbError::ReadTimeout { .. } | DbError::WriteTimeout { .. } => {
            StoreError::Unreachable(advised(
                said,
                "see what its nodes are busy with, and whether all of them run",
            ))
        }
        DbError::IsBootstrapping | DbError::TruncateError | DbError::ServerError => {
            StoreError::Unreachable(Cause::new(error.clone()))
        }
        DbError::Overloaded | DbError::RateLimitReached { .. } => StoreError::Busy,
        DbError::ReadFailure { .. } | DbError::WriteFailure { .. } => StoreError::Io(advised(
            said,
            "the nodes' own logs say what failed: a disk that is full, a file that is damaged, too many tombstones",
        )),
        DbError::Unauthorized | DbError::AuthenticationError => StoreError::Unreachable(advised(
            said,
            "grant the user SELECT and MODIFY on the keyspace, and CREATE for its first start",
        )),
        // Nothing is wrong with a message: what is recorded is tried again, and not left out.
        _ => StoreError::Unreachable(advised(said, "is the keyspace that of another program?")),
    }
}

pub(super) fn unprepared(error: PrepareError) -> StoreError {
    match error {
        PrepareError::AllAttemptsFailed {
            first_attempt: RequestAttemptError::DbError(db, text),
        } => database(&db, &text),
        error => StoreError::Unreachable(Cause::new(error)),
    }
}

/// An answer that cannot be read.
pub(super) fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Damaged(Cause::new(error))
}

/// One that can be, and says what nobody has written.
pub(super) fn odd(what: &'static str) -> StoreError {
    unreadable(Odd(what))
}

pub(super) fn no_rows(error: IntoRowsResultError) -> StoreError {
    unreadable(error)
}

pub(super) fn other_rows(error: RowsError) -> StoreError {
    unreadable(error)
}
