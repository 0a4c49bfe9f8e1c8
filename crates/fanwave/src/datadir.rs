//! The data folder: everything a server keeps, in one place that can be copied.
//!
//! ```text
//! data/
//!   lock                   held while a server runs; its content means nothing
//!   fanwave.db             the chat log (SQLite; -wal and -shm belong to it)
//!   fanwave-keys.db        the keys that seal the log, where it is sealed (SQLite); belongs into no backup of the log
//!   catalogue.db           accounts, webhooks and the audit log (SQLite), where they are kept
//!   token-secret           signs the fans' tokens, mode 600
//!   stream-keys/CHANNEL    one stream key per channel, mode 600
//!   media/                 what viewers can go back to in shows that are on, and recordings
//! ```
//!
//! Two servers on one folder would both give out offsets: the lock makes the second one stop with a clear error. The
//! lock is the kernel's (`flock`), so that a killed server leaves none behind.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use fanwave_wire::{
    RoomId,
    token::{KEY_BYTES_MIN, KeyTooShort, TokenKey},
};
use thiserror::Error;

use crate::secret::{self, Secret, SecretError};

/// Shortest stream key, characters.
const STREAM_KEY_CHARS_MIN: usize = 8;

/// Characters of random part in a made stream key: 128 bits, and still short enough to be typed once.
const STREAM_KEY_RANDOM_CHARS: usize = 32;

/// Why the folder cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// The system refuses.
    #[error("cannot use the data folder {}: {source}", path.display())]
    Io {
        /// What was tried.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another server has it.
    #[error(
        "the data folder {} is in use by another fanwave server: stop that one, or give this one its own with --data-dir",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// One of its secrets cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The signing secret could be guessed.
    #[error(transparent)]
    TokenSecret(#[from] KeyTooShort),
}

/// A data folder. It may be looked at by many programs; only [`Locked`] may serve from it.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

/// A data folder that this process alone serves from, as long as the value lives.
#[derive(Debug)]
pub struct Locked {
    folder: DataDir,
    /// Closing the file gives the lock back.
    _lock: File,
}

impl DataDir {
    /// Opens the folder, and makes it when there is none. Its content is for its owner alone.
    ///
    /// # Errors
    ///
    /// [`DataDirError::Io`].
    pub fn open(root: &Path) -> Result<Self, DataDirError> {
        let folder = Self {
            root: root.to_owned(),
        };
        for path in [root.to_owned(), folder.stream_keys()] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|source| DataDirError::Io {
                path: path.clone(),
                source,
            })?;
        }
        // Addresses shown to people are easier to follow when they are absolute.
        let root = fs::canonicalize(root).map_err(|source| DataDirError::Io {
            path: root.to_owned(),
            source,
        })?;
        Ok(Self { root })
    }

    /// Takes the folder for this process.
    ///
    /// # Errors
    ///
    /// [`DataDirError::InUse`] when another process has it, [`DataDirError::Io`].
    pub fn lock(self) -> Result<Locked, DataDirError> {
        let path = self.root.join("lock");
        let failed = |source| DataDirError::Io {
            path: path.clone(),
            source,
        };
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Locked {
                folder: self,
                _lock: file,
            }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: self.root }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The folder of the media of shows, which is made when there is none.
    ///
    /// # Errors
    ///
    /// [`DataDirError::Io`].
    pub fn media(&self) -> Result<PathBuf, DataDirError> {
        let path = self.root.join("media");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        match made {
            Ok(()) => Ok(path),
            Err(source) => Err(DataDirError::Io { path, source }),
        }
    }

    /// The chat log.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.root.join("fanwave.db")
    }

    /// Accounts, webhooks and the audit log.
    #[must_use]
    pub fn catalogue(&self) -> PathBuf {
        self.root.join("catalogue.db")
    }

    /// The key that signs tokens, from `file` or from the folder, where it is made at the first call.
    ///
    /// # Errors
    ///
    /// [`DataDirError::Secret`] and [`DataDirError::TokenSecret`].
    pub fn token_key(&self, file: Option<&Path>) -> Result<TokenKey, DataDirError> {
        let secret = match file {
            Some(file) => secret::read(file, KEY_BYTES_MIN)?,
            None => secret::read_or_make(
                &self.root.join("token-secret"),
                KEY_BYTES_MIN,
                Secret::generate,
            )?,
        };
        Ok(TokenKey::new(secret.expose().as_bytes())?)
    }

    /// A channel's stream key, from `file` or from the folder, where it is made at the first call.
    ///
    /// # Errors
    ///
    /// [`DataDirError::Secret`].
    pub fn stream_key(
        &self,
        channel: &RoomId,
        file: Option<&Path>,
    ) -> Result<Secret, DataDirError> {
        let key = match file {
            Some(file) => secret::read(file, STREAM_KEY_CHARS_MIN)?,
            None => secret::read_or_make(
                &self.stream_key_path(channel),
                STREAM_KEY_CHARS_MIN,
                stream_key,
            )?,
        };
        Ok(key)
    }

    /// Replaces a channel's stream key with a new one. A running server takes it at its next start.
    ///
    /// # Errors
    ///
    /// [`DataDirError::Secret`].
    pub fn rotate_stream_key(&self, channel: &RoomId) -> Result<Secret, DataDirError> {
        let key = stream_key().map_err(SecretError::Random)?;
        secret::write(&self.stream_key_path(channel), &key)?;
        Ok(key)
    }

    /// The file of a channel's stream key.
    #[must_use]
    pub fn stream_key_path(&self, channel: &RoomId) -> PathBuf {
        self.stream_keys().join(channel.as_str())
    }

    fn stream_keys(&self) -> PathBuf {
        self.root.join("stream-keys")
    }
}

impl Locked {
    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &DataDir {
        &self.folder
    }
}

fn stream_key() -> Result<Secret, getrandom::Error> {
    Secret::generate().map(|secret| secret.shortened(STREAM_KEY_RANDOM_CHARS))
}

#[cfg(test)]
mod tests {
    use fanwave_wire::{Role, Sender, UnixMillis, UserId, token::Claims};

    use super::*;

    #[test]
    fn one_server_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("deep/data");
        let first = DataDir::open(&root).unwrap().lock().unwrap();
        let refused = DataDir::open(&root).unwrap().lock().unwrap_err();
        assert!(matches!(refused, DataDirError::InUse { .. }));
        assert!(
            refused.to_string().contains("--data-dir"),
            "it says what to do: {refused}"
        );
        drop(first);
        assert!(DataDir::open(&root).unwrap().lock().is_ok());
    }

    #[test]
    fn secrets_stay_the_same_from_start_to_start() {
        let parent = tempfile::tempdir().unwrap();
        let sender = Sender {
            user: UserId("u".into()),
            name: "n".into(),
            role: Role::Fan,
            badge: None,
        };
        let claims = Claims::new(sender, UnixMillis(0), UnixMillis(10_000_000)).unwrap();
        let (demo, other): (RoomId, RoomId) = ("demo".parse().unwrap(), "other".parse().unwrap());
        let first = DataDir::open(parent.path()).unwrap();
        let token = first.token_key(None).unwrap().issue(&claims);
        let key = first.stream_key(&demo, None).unwrap();
        let second = DataDir::open(parent.path()).unwrap();
        assert!(
            second
                .token_key(None)
                .unwrap()
                .verify(&token, UnixMillis(0))
                .is_ok()
        );
        assert_eq!(second.stream_key(&demo, None).unwrap(), key);
        assert_ne!(second.stream_key(&other, None).unwrap(), key);
    }

    #[test]
    fn a_rotated_key_is_another_one_and_stays() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataDir::open(parent.path()).unwrap();
        let demo: RoomId = "demo".parse().unwrap();
        let before = folder.stream_key(&demo, None).unwrap();
        let after = folder.rotate_stream_key(&demo).unwrap();
        assert_ne!(before, after);
        assert_eq!(folder.stream_key(&demo, None).unwrap(), after);
    }
}
