//! Secrets in files: made once, readable by their owner alone, never shown by `Debug`.
//!
//! A secret file holds one line of text. It is written next to its place, flushed and renamed, so that a crash leaves
//! either no secret or a whole one; a file that others may read is refused rather than repaired, because whoever may
//! have read it already has.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Largest secret, bytes.
pub const SECRET_BYTES_MAX: usize = 1024;

/// Largest file of several secrets, bytes: 64 keys with all their words take half of it.
pub const SECRETS_BYTES_MAX: u64 = 64 * 1024;

/// Shortest secret that signs what others are told, characters: it can be guessed at leisure.
const SIGNING_CHARS_MIN: usize = 16;

/// Bytes of randomness in a generated secret: beyond guessing.
const RANDOM_BYTES: usize = 32;

/// Group and others, read, write and execute.
const MODE_OF_OTHERS: u32 = 0o077;

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself. Whoever calls this is responsible for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// One of the environment.
    #[must_use]
    pub fn from_environment(text: String) -> Self {
        Self(text)
    }

    /// A new one: 256 random bits in hexadecimal.
    ///
    /// # Errors
    ///
    /// The system's random source fails.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut random = [0_u8; RANDOM_BYTES];
        getrandom::fill(&mut random)?;
        Ok(Self(hex(&random)))
    }

    /// The same text behind another, for a file that wants more than the secret.
    #[must_use]
    pub fn prefixed(&self, prefix: &str) -> Self {
        Self(format!("{prefix}{}", self.0))
    }

    /// Its first characters, for a secret that a person has to type.
    #[must_use]
    pub fn shortened(&self, chars: usize) -> Self {
        Self(self.0.chars().take(chars).collect())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a secret file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The system refuses.
    #[error("cannot read or write {}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than the owner may read or write it.
    #[error(
        "{} is open to others (mode {mode:03o}): run `chmod 600 {}`, and make a new secret if others have seen this one",
        path.display(),
        path.display()
    )]
    OpenToOthers {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Nothing in it, or no single line of printable characters.
    #[error("{} must hold one line of {least} to {SECRET_BYTES_MAX} printable ASCII characters", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// How many are needed.
        least: usize,
    },
    /// The random source fails.
    #[error("the system's random source fails: {0}")]
    Random(getrandom::Error),
}

/// Checks that a file is there and closed to others.
///
/// # Errors
///
/// [`SecretError::Io`] and [`SecretError::OpenToOthers`].
pub fn check_file(path: &Path) -> Result<(), SecretError> {
    let file = File::open(path).map_err(|source| failed(path, source))?;
    check_mode(path, &file)
}

/// Reads a file of several secrets, whose lines its reader judges.
///
/// # Errors
///
/// [`SecretError::Io`] and [`SecretError::OpenToOthers`]; a file of more than [`SECRETS_BYTES_MAX`] bytes, or none of text,
/// is an error of the first kind.
pub fn read_several(path: &Path) -> Result<String, SecretError> {
    let file = File::open(path).map_err(|source| failed(path, source))?;
    check_mode(path, &file)?;
    let mut text = String::new();
    file.take(SECRETS_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|source| failed(path, source))?;
    if text.len() as u64 > SECRETS_BYTES_MAX {
        return Err(failed(path, io::ErrorKind::FileTooLarge.into()));
    }
    Ok(text)
}

/// Reads a secret of at least so many characters.
///
/// # Errors
///
/// See [`SecretError`].
pub fn read(path: &Path, least: usize) -> Result<Secret, SecretError> {
    let file = File::open(path).map_err(|source| failed(path, source))?;
    check_mode(path, &file)?;
    let content = || SecretError::Content {
        path: path.to_owned(),
        least,
    };
    let mut text = String::new();
    let limit = u64::try_from(SECRET_BYTES_MAX).unwrap_or(u64::MAX) + 2;
    file.take(limit)
        .read_to_string(&mut text)
        .map_err(|_| content())?;
    let line = text.trim_end_matches(['\r', '\n']);
    let legal = (least..=SECRET_BYTES_MAX).contains(&line.len())
        && line.bytes().all(|b| b.is_ascii_graphic());
    if legal {
        Ok(Secret(line.to_owned()))
    } else {
        Err(content())
    }
}

/// Reads what signs the messages to a server of the operator's, if there is a file with it.
///
/// # Errors
///
/// See [`SecretError`].
pub fn read_signing(path: Option<&Path>) -> Result<Option<fanwave_origin::Secret>, SecretError> {
    let secret = path.map(|path| read(path, SIGNING_CHARS_MIN)).transpose()?;
    Ok(secret.map(|secret| fanwave_origin::Secret::new(secret.expose())))
}

/// Reads a secret, or makes one with `make` when there is no file yet.
///
/// # Errors
///
/// See [`SecretError`].
pub fn read_or_make(
    path: &Path,
    least: usize,
    make: impl FnOnce() -> Result<Secret, getrandom::Error>,
) -> Result<Secret, SecretError> {
    match fs::symlink_metadata(path) {
        Ok(_) => read(path, least),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = make().map_err(SecretError::Random)?;
            write(path, &secret)?;
            Ok(secret)
        }
        Err(source) => Err(failed(path, source)),
    }
}

/// Writes a secret in place of the file's content, all or nothing.
///
/// # Errors
///
/// [`SecretError::Io`].
pub fn write(path: &Path, secret: &Secret) -> Result<(), SecretError> {
    // No channel id holds a `~`, so that this is never another channel's file.
    let mut beside = path.as_os_str().to_owned();
    beside.push("~");
    let beside = PathBuf::from(beside);
    let attempt = || -> io::Result<()> {
        // A crash may have left one behind.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(secret.expose().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        // The rename itself survives a power loss only when the folder is flushed too.
        path.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    attempt().map_err(|source| failed(path, source))
}

fn check_mode(path: &Path, file: &File) -> Result<(), SecretError> {
    let mode = file
        .metadata()
        .map_err(|source| failed(path, source))?
        .permissions()
        .mode()
        & 0o777;
    if mode & MODE_OF_OTHERS == 0 {
        Ok(())
    } else {
        Err(SecretError::OpenToOthers {
            path: path.to_owned(),
            mode,
        })
    }
}

fn failed(path: &Path, source: io::Error) -> SecretError {
    SecretError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = read_or_make(&path, 32, Secret::generate).unwrap();
        assert_eq!(made.expose().len(), 64);
        assert_eq!(
            read_or_make(&path, 32, || panic!("there is one already")).unwrap(),
            made
        );
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write(&path, &Secret::generate().unwrap()).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o777] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = read(&path, 8);
            assert!(
                matches!(refused, Err(SecretError::OpenToOthers { mode: found, .. }) if found == mode)
            );
            assert!(check_file(&path).is_err());
        }
    }

    #[test]
    fn content_that_is_no_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for content in [
            "",
            "short\n",
            "two words long enough\n",
            "line\nline-line-line\n",
            &"x".repeat(1025),
        ] {
            write(&path, &Secret(content.to_owned())).unwrap();
            assert!(
                matches!(read(&path, 8), Err(SecretError::Content { .. })),
                "{content:?}"
            );
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let secret = Secret("canary-canary".into());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }

    #[test]
    fn writing_replaces_the_whole_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write(&path, &Secret("a-long-first-secret".into())).unwrap();
        write(&path, &Secret("second-one".into())).unwrap();
        assert_eq!(read(&path, 8).unwrap().expose(), "second-one");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }
}
