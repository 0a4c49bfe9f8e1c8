//! Why the store did not do what it was asked.

use std::{fmt, io, path::PathBuf, sync::Arc};

use thiserror::Error;

/// Why a log could not be opened. Every message names the file or the database, and says what to do about it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file or its folder cannot be reached.
    #[error(
        "cannot open the message log {path}: {cause}; check that its folder exists and may be written to"
    )]
    Unreachable {
        /// The log.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Another process has it open.
    #[error(
        "the message log {path} is in use by another process; stop that one first, or use another data folder"
    )]
    InUse {
        /// The log.
        path: PathBuf,
    },
    /// Not a database, or not a whole one.
    #[error(
        "the message log {path} is damaged or not a database ({cause}); move it and the files {path}-wal and \
         {path}-shm away to start with an empty log, or restore all three from a backup"
    )]
    Damaged {
        /// The log.
        path: PathBuf,
        /// What the database said.
        cause: Cause,
    },
    /// A database of another program.
    #[error("{path} is a database, but not a message log; choose another file")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer version.
    #[error(
        "the message log {path} was written by a newer version (its schema has step {step}, this version knows \
         {known}); start that version or a newer one, or choose another file"
    )]
    Newer {
        /// The log.
        path: PathBuf,
        /// A step of the schema that this version does not know.
        step: i64,
        /// The last step that it knows.
        known: i64,
    },
    /// The disk is full.
    #[error(
        "there is no room on the disk to open the message log {path}; free some and start again"
    )]
    Full {
        /// The log.
        path: PathBuf,
    },
    /// Anything else that the database may say.
    #[error("cannot open the message log {path}: {cause}")]
    Refused {
        /// The log.
        path: PathBuf,
        /// What the database said.
        cause: Cause,
    },
    /// The keys of people cannot be opened.
    #[error(
        "cannot open the keys of people {place}: {cause}; without them nothing that is sealed can be read: bring them back \
         from their backup"
    )]
    Keys {
        /// Where they are.
        place: String,
        /// What the database or the system said.
        cause: Cause,
    },
    /// The keys are not those that the log is sealed with.
    #[error(
        "the message log is sealed with other keys than those of {place}: bring these back from their backup; if they are lost \
         for good, and with them all that was sealed, remove the setting {setting} of the log"
    )]
    OtherKeys {
        /// Of which log.
        place: String,
        /// The setting by which it knows its keys.
        setting: &'static str,
    },
    /// The log cannot be asked which keys are its own.
    #[error("cannot ask the message log of {place} which keys it is sealed with: {cause}")]
    Unasked {
        /// Which log.
        place: String,
        /// What it said.
        cause: StoreError,
    },
    /// A database server does not answer, or does not let us in.
    #[error(
        "cannot reach the database {place}: {cause}; check that the server runs, its address, the user and the password"
    )]
    Away {
        /// Which database, where.
        place: String,
        /// What the system or the server said.
        cause: Cause,
    },
    /// A database that only reads.
    #[error(
        "the database {place} only reads: it is a standby, or has been made read-only; give the address of the primary"
    )]
    ReadOnly {
        /// Which database, where.
        place: String,
    },
    /// The schema is of another program, or a migration of it was left half done by hand.
    #[error(
        "the schema {schema} of the database {place} is not a message log of this program; choose another schema"
    )]
    ForeignSchema {
        /// Which database, where.
        place: String,
        /// The schema.
        schema: String,
    },
    /// Anything else that a database server may say.
    #[error("cannot open the message log in the database {place}: {cause}")]
    Database {
        /// Which database, where.
        place: String,
        /// What the server said.
        cause: Cause,
    },
}

/// Why an open store did not do what it was asked. Nothing is written when an error is answered, but for
/// [`StoreError::Unknown`].
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No room on the disk or within the quota. It passes by itself once there is room.
    #[error("the disk is full")]
    Full,
    /// The disk failed. It may pass.
    #[error("the disk failed: {0}")]
    Io(Cause),
    /// Something that was read is not what was written.
    #[error("the message log is damaged: {0}")]
    Damaged(Cause),
    /// As many writes are waiting as the queue holds, or all readers are busy. It passes.
    #[error("the message log is overloaded")]
    Busy,
    /// The database is not there, or does not answer. It passes by itself once it is back.
    #[error("the database of the message log cannot be reached: {0}")]
    Unreachable(Cause),
    /// The database takes no writes. It passes once it does, or the address is that of one that does.
    #[error(
        "the database of the message log only reads: it is a standby, or has been made read-only"
    )]
    ReadOnly,
    /// The database was lost while it committed, and is not back: what was to be written is there, or it is not.
    #[error(
        "the database of the message log was lost while it committed, and it is not known whether it did: {0}"
    )]
    Unknown(Cause),
    /// An append did not begin right after the newest message: somebody else has written to the channel.
    #[error("the channel's log has moved on")]
    Moved,
    /// A setting, or an append, is larger than allowed.
    #[error("{size} is more than the {size_max} allowed")]
    TooLarge {
        /// Bytes, or messages.
        size: usize,
        /// As many are allowed.
        size_max: usize,
    },
    /// The store has been closed.
    #[error("the message log is closed")]
    Closed,
    /// Anything else that the database may say.
    #[error("the message log refused: {0}")]
    Refused(Cause),
}

/// What the database said, for the operator.
#[derive(Clone)]
pub struct Cause(Arc<dyn std::error::Error + Send + Sync>);

impl Cause {
    pub(crate) fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
