//! Where the media of shows is kept: files under names, in a folder or in any other storage that `object_store` knows.
//!
//! A file is written whole or not at all, never changed, and read in chunks of bounded size. What the files mean is
//! their owner's: nothing here knows a playlist, an encoder or HTTP. How much is read and written at one time is bounded
//! for all shows together; whoever asks beyond that waits.

pub mod limits;
mod place;
pub mod recording;
pub mod thumbnails;

use std::{
    fmt, fs, io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
pub use object_store;
use object_store::{
    GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt, PutPayload,
    local::LocalFileSystem,
};
use thiserror::Error;
use tokio::sync::Semaphore;

pub use self::place::Place;
use crate::limits::{CHUNK_BYTES, READS_MAX, REMOVALS_MAX, WRITES_MAX};

/// Why something could not be written, read or removed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VaultError {
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// No space is left, or no more may be used.
    #[error("no space is left: {0}")]
    Full(#[source] object_store::Error),
    /// The storage cannot do it now.
    #[error(transparent)]
    Storage(object_store::Error),
}

impl From<object_store::Error> for VaultError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            error if is_full(&error) => Self::Full(error),
            error => Self::Storage(error),
        }
    }
}

/// Whether a disk or a quota is full, wherever in the chain of causes that stands.
fn is_full(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if let Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) = kind {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Storage of files. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Vault {
    store: Arc<dyn ObjectStore>,
    /// Where the files are, if they are in a folder.
    root: Option<Arc<Path>>,
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.store)
    }
}

/// A file, or a part of one, that is being read.
pub struct Reading {
    /// How many bytes come.
    pub length: u64,
    /// They come in chunks of at most [`CHUNK_BYTES`] from a folder, and as they arrive from anywhere else.
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// Files in this folder, which has to be there.
    ///
    /// # Errors
    /// [`VaultError::Storage`]: the folder cannot be used.
    pub fn in_folder(folder: &Path) -> Result<Self, VaultError> {
        // A folder that has lost its last file is of no use to anybody.
        let files = LocalFileSystem::new_with_prefix(folder)?.with_automatic_cleanup(true);
        Ok(Self {
            root: Some(folder.into()),
            ..Self::over(Arc::new(files))
        })
    }

    /// Files in any storage.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            root: None,
            reads: Arc::new(Semaphore::new(READS_MAX)),
            writes: Arc::new(Semaphore::new(WRITES_MAX)),
        }
    }

    /// Writes a file that consists of these pieces. Whoever reads it meanwhile has what was there before, or nothing.
    ///
    /// It then outlives the process. Whether it outlives the machine's power is the file system's matter: a show does not.
    ///
    /// # Errors
    /// [`VaultError`]; nothing is left of it.
    pub async fn write(&self, place: &Place, pieces: Vec<Bytes>) -> Result<(), VaultError> {
        let _permit = self.writes.acquire().await;
        let payload: PutPayload = pieces.into_iter().collect();
        self.store.put(&place.0, payload).await?;
        Ok(())
    }

    /// Opens a file, or a part of it.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn read(
        &self,
        place: &Place,
        range: Option<Range<u64>>,
    ) -> Result<Reading, VaultError> {
        let permit = self.reads.acquire().await;
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&place.0, options).await?;
        drop(permit);
        let range = found.range;
        let length = range.end.saturating_sub(range.start);
        let body = match found.payload {
            GetResultPayload::File(file, _) => {
                chunks(Arc::new(file), range, Arc::clone(&self.reads)).boxed()
            }
            GetResultPayload::Stream(body) => body.map_err(io::Error::other).boxed(),
        };
        Ok(Reading { length, body })
    }

    /// Reads a small file whole.
    ///
    /// # Errors
    /// [`VaultError`]; one of more than `bytes_max` is refused.
    pub async fn read_whole(&self, place: &Place, bytes_max: usize) -> Result<Bytes, VaultError> {
        let Reading { length, body } = self.read(place, None).await?;
        if length > bytes_max as u64 {
            return Err(broken("the file is larger than such a file can be"));
        }
        let pieces: Vec<Bytes> = body.try_collect().await.map_err(unreadable)?;
        Ok(pieces.concat().into())
    }

    /// How many bytes a file has.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn size(&self, place: &Place) -> Result<u64, VaultError> {
        let _permit = self.reads.acquire().await;
        Ok(self.store.head(&place.0).await?.size)
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn remove(&self, place: &Place) -> Result<(), VaultError> {
        match self.store.delete(&place.0).await.map_err(VaultError::from) {
            Err(VaultError::NotFound) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes a folder with everything in it, if it is there.
    ///
    /// # Errors
    /// The first [`VaultError`]; the rest stays.
    pub async fn clear(&self, folder: &Place) -> Result<(), VaultError> {
        if let Some(root) = &self.root {
            // Also what a killed process had not written to the end, which the store does not list.
            let path: PathBuf = root.join(folder.to_string());
            let removed = tokio::task::spawn_blocking(move || fs::remove_dir_all(path)).await;
            return match removed.map_err(io::Error::other).flatten() {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unreadable(error)),
                Err(_) | Ok(()) => Ok(()),
            };
        }
        let files = self.store.list(Some(&folder.0)).map_err(VaultError::from);
        files
            .try_for_each_concurrent(REMOVALS_MAX, |file| async move {
                self.remove(&Place(file.location)).await
            })
            .await
    }

    /// The folders in a folder.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn folders(&self, folder: &Place) -> Result<Vec<Place>, VaultError> {
        let listed = self.store.list_with_delimiter(Some(&folder.0)).await?;
        Ok(listed.common_prefixes.into_iter().map(Place).collect())
    }

    /// The files in a folder, those of its folders not included, each with its bytes.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn files(&self, folder: &Place) -> Result<Vec<(Place, u64)>, VaultError> {
        let listed = self.store.list_with_delimiter(Some(&folder.0)).await?;
        let file = |file: object_store::ObjectMeta| (Place(file.location), file.size);
        Ok(listed.objects.into_iter().map(file).collect())
    }
}

/// Reads a local file chunk by chunk, each when the one before it is taken.
fn chunks(
    file: Arc<fs::File>,
    range: Range<u64>,
    reads: Arc<Semaphore>,
) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold(range, move |left| {
        let (file, reads) = (Arc::clone(&file), Arc::clone(&reads));
        async move {
            if left.is_empty() {
                return Ok(None);
            }
            let length = (left.end - left.start).min(CHUNK_BYTES as u64);
            let permit = reads.acquire_owned().await;
            let read = move || {
                let mut chunk = vec![0; usize::try_from(length).unwrap_or(CHUNK_BYTES)];
                file.read_exact_at(&mut chunk, left.start)?;
                Ok::<_, io::Error>(chunk)
            };
            let chunk = tokio::task::spawn_blocking(read)
                .await
                .map_err(io::Error::other)??;
            drop(permit);
            Ok(Some((Bytes::from(chunk), left.start + length..left.end)))
        }
    })
}

fn unreadable(error: io::Error) -> VaultError {
    VaultError::from(object_store::Error::Generic {
        store: "vault",
        source: error.into(),
    })
}

fn broken(what: &'static str) -> VaultError {
    unreadable(io::Error::new(io::ErrorKind::InvalidData, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(reading: Reading) -> Vec<u8> {
        let pieces: Vec<Bytes> = reading.body.try_collect().await.unwrap();
        pieces.concat()
    }

    #[tokio::test]
    async fn what_is_written_is_read_whole_and_in_parts_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::in_folder(folder.path()).unwrap();
        let place = Place::of(["demo", "k3x9", "video", "1.m4s"]);
        assert!(matches!(
            vault.read(&place, None).await,
            Err(VaultError::NotFound)
        ));
        let long = vec![7; 3 * CHUNK_BYTES];
        let pieces = vec![Bytes::from_static(b"head"), long.clone().into()];
        vault.write(&place, pieces.clone()).await.unwrap();
        let whole = vault.read(&place, None).await.unwrap();
        assert_eq!(whole.length, 4 + long.len() as u64);
        assert_eq!(all(whole).await, pieces.concat());
        let part = vault.read(&place, Some(2..6)).await.unwrap();
        assert_eq!((part.length, all(part).await), (4, b"ad\x07\x07".to_vec()));
        // A part that ends behind the file ends with it.
        let rest = vault.read(&place, Some(4..u64::MAX)).await.unwrap();
        assert_eq!(all(rest).await, long);
        assert_eq!(
            vault.read_whole(&place, 1 << 20).await.unwrap(),
            pieces.concat()
        );
        vault.read_whole(&place, 1_000).await.unwrap_err();

        let stream = Place::of(["demo", "k3x9"]);
        let folders = vault.folders(&Place::of(["demo"])).await.unwrap();
        assert_eq!(folders, std::slice::from_ref(&stream));
        let files = vault.files(&stream.join("video")).await.unwrap();
        assert_eq!(files, [(place.clone(), 4 + long.len() as u64)]);
        vault.clear(&stream).await.unwrap();
        vault.clear(&stream).await.unwrap();
        assert!(matches!(
            vault.read(&place, None).await,
            Err(VaultError::NotFound)
        ));
        vault.remove(&place).await.unwrap();
        // A folder goes with its last file.
        let other = Place::of(["other", "1.m4s"]);
        vault.write(&other, pieces).await.unwrap();
        assert!(folder.path().join("other").exists());
        vault.remove(&other).await.unwrap();
        assert!(!folder.path().join("other").exists());
    }

    #[test]
    fn a_full_disk_is_told_from_another_fault() {
        let of = |kind: io::ErrorKind| unreadable(io::Error::from(kind));
        assert!(matches!(
            of(io::ErrorKind::StorageFull),
            VaultError::Full(_)
        ));
        assert!(matches!(
            of(io::ErrorKind::PermissionDenied),
            VaultError::Storage(_)
        ));
    }
}
