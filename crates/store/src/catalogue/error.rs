//! Why the catalogue did not do what it was asked.

use std::io;

use sqlx::migrate::MigrateError;
use thiserror::Error;

use crate::{Cause, StoreError};

/// Why a catalogue could not be opened. The message says what to do; it never has a database's password.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The database cannot be reached, or does not let us in.
    #[error(
        "cannot open the catalogue {place}: {cause}; check that it is there, and that it may be written to"
    )]
    Unreachable {
        /// Which database, without a password.
        place: String,
        /// What it said.
        cause: Cause,
    },
    /// Its tables could not be made.
    #[error("the tables of the catalogue {place} cannot be made: {cause}")]
    Refused {
        /// Which database, without a password.
        place: String,
        /// What it said.
        cause: Cause,
    },
}

impl OpenError {
    pub(super) fn unreachable(place: &str, error: sqlx::Error) -> Self {
        Self::Unreachable {
            place: place.to_owned(),
            cause: Cause::new(error),
        }
    }

    pub(super) fn of_migration(place: &str, error: MigrateError) -> Self {
        Self::Refused {
            place: place.to_owned(),
            cause: Cause::new(error),
        }
    }
}

/// Why an open catalogue did not do what it was asked. Nothing is changed when an error is answered, except where a
/// database went away while it was answering: then it may have been.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// The database does not answer, or not in time, or takes no writes. It passes.
    #[error("the catalogue's database does not answer: {0}")]
    Unavailable(Cause),
    /// More is asked at once than there are connections, or a lock is held for too long. It passes.
    #[error("the catalogue is overloaded")]
    Busy,
    /// A row has what was never written there.
    #[error("the catalogue is damaged: {0}")]
    Damaged(Cause),
    /// Anything else that the database may say.
    #[error("the catalogue's database refused: {0}")]
    Refused(Cause),
}

impl CatalogueError {
    pub(super) fn late() -> Self {
        Self::Unavailable(Cause::new(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl From<StoreError> for CatalogueError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy,
            StoreError::Damaged(cause) => Self::Damaged(cause),
            StoreError::Refused(cause) => Self::Refused(cause),
            passing => Self::Unavailable(Cause::new(passing)),
        }
    }
}
