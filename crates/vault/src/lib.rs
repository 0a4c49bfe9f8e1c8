//! Where the media of shows is kept: files under names, in a folder or in any other storage that `object_store` knows.
//!
//! A file is written whole or not at all, and read in chunks of bounded size. Media never changes; what is written down about it is
//! replaced as a whole. What the files mean is their owner's: nothing here knows a playlist, an encoder or HTTP. How much is read and written at one time is bounded
//! for all shows together; whoever asks beyond that waits. A bucket stands behind a folder ([`spool`]): nobody who writes
//! waits for it.

#[cfg(feature = "s3")]
pub mod bucket;
#[cfg(test)]
#[path = "../../free_port.rs"]
mod free_port;
pub mod limits;
mod place;
pub mod recording;
pub mod spool;
pub mod thumbnails;

use std::{
    collections::{BTreeMap, BTreeSet},
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
use self::spool::{BucketError, Spool};
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
    /// The bucket behind the folder cannot do it now.
    #[error(transparent)]
    Bucket(BucketError),
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
    /// A bucket behind it.
    spool: Option<Arc<Spool>>,
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
            spool: None,
            reads: Arc::new(Semaphore::new(READS_MAX)),
            writes: Arc::new(Semaphore::new(WRITES_MAX)),
        }
    }

    /// The same files with a bucket behind them, which has what is not here. At most so many bytes may wait to be uploaded;
    /// somebody has to do that ([`Spool::next`]).
    #[must_use]
    pub fn backed_by(self, bucket: Arc<dyn ObjectStore>, waiting_bytes_max: u64) -> Self {
        let spool = Spool::new(bucket, waiting_bytes_max);
        Self {
            spool: Some(Arc::new(spool)),
            ..self
        }
    }

    /// The files nearby alone: what is written here goes to no bucket.
    #[must_use]
    pub fn near(&self) -> Self {
        Self {
            spool: None,
            ..self.clone()
        }
    }

    /// What goes to the bucket, if there is one.
    #[must_use]
    pub fn spool(&self) -> Option<&Arc<Spool>> {
        self.spool.as_ref()
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
        let bytes = payload.content_length() as u64;
        if let Some(spool) = &self.spool {
            spool.check_room(place, bytes)?;
        }
        self.store.put(&place.0, payload).await?;
        if let Some(spool) = &self.spool {
            spool.owe(place, bytes);
        }
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
        // Not every server understands a number as large as that.
        let range = range.map(|range| match range.end {
            u64::MAX => GetRange::Offset(range.start),
            _ => GetRange::Bounded(range),
        });
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&place.0, options.clone()).await;
        drop(permit);
        let found = match (found.map_err(VaultError::from), &self.spool) {
            (Err(VaultError::NotFound), Some(spool)) => return spool.read(place, options).await,
            (found, _) => found?,
        };
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
        let permit = self.reads.acquire().await;
        let found = self.store.head(&place.0).await;
        drop(permit);
        match (found.map_err(VaultError::from), &self.spool) {
            (Err(VaultError::NotFound), Some(spool)) => spool.size(place).await,
            (found, _) => Ok(found?.size),
        }
    }

    /// Removes a file, if it is there: from the bucket first, so that it can be tried again.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn remove(&self, place: &Place) -> Result<(), VaultError> {
        if let Some(spool) = &self.spool {
            spool.forget(place).await;
            if let Err(error) = spool.remove(place).await {
                spool.resume(self, place).await?;
                return Err(error);
            }
        }
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
        if let Some(spool) = &self.spool {
            spool.forget(folder).await;
            if let Err(error) = spool.clear(folder).await {
                spool.resume(self, folder).await?;
                return Err(error);
            }
        }
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
        let mut folders: BTreeSet<_> = {
            let listed = self.store.list_with_delimiter(Some(&folder.0)).await?;
            listed.common_prefixes.into_iter().map(Place).collect()
        };
        if let Some(spool) = &self.spool {
            let listed = spool.list(folder).await?;
            folders.extend(listed.common_prefixes.into_iter().map(Place));
        }
        Ok(folders.into_iter().collect())
    }

    /// The files in a folder, those of its folders not included, each with its bytes.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn files(&self, folder: &Place) -> Result<Vec<(Place, u64)>, VaultError> {
        let file = |file: object_store::ObjectMeta| (Place(file.location), file.size);
        let listed = self.store.list_with_delimiter(Some(&folder.0)).await?;
        let mut files = BTreeMap::new();
        if let Some(spool) = &self.spool {
            files.extend(spool.list(folder).await?.objects.into_iter().map(file));
        }
        // What is nearby is the newer one.
        files.extend(listed.objects.into_iter().map(file));
        Ok(files.into_iter().collect())
    }

    /// The files nearby at this place or below it, each with its bytes.
    async fn files_below(&self, place: &Place) -> Result<Vec<(Place, u64)>, VaultError> {
        let file = |file: object_store::ObjectMeta| (Place(file.location), file.size);
        let below = self.store.list(Some(&place.0)).map_ok(file);
        let mut files: Vec<_> = below.try_collect().await?;
        if let Ok(own) = self.store.head(&place.0).await {
            files.push(file(own));
        }
        Ok(files)
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
    // What the bucket says while it is read.
    let error = match error.downcast::<VaultError>() {
        Ok(told) => return told,
        Err(error) => error,
    };
    VaultError::from(object_store::Error::Generic {
        store: "vault",
        source: error.into(),
    })
}

fn broken(what: &'static str) -> VaultError {
    unreadable(io::Error::new(io::ErrorKind::InvalidData, what))
}

/// What is written down cannot be read, or could not be written.
fn malformed(error: &serde_json::Error) -> VaultError {
    unreadable(io::Error::new(
        io::ErrorKind::InvalidData,
        error.to_string(),
    ))
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    pub(crate) async fn all(reading: Reading) -> Vec<u8> {
        let pieces: Vec<Bytes> = reading.body.try_collect().await.unwrap();
        pieces.concat()
    }

    /// What everybody relies on, in a storage that has nothing.
    pub(crate) async fn does_what_a_storage_does(vault: &Vault) {
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
        vault.write(&place, pieces).await.unwrap();
        vault.remove(&place).await.unwrap();
        assert_eq!(vault.files(&stream.join("video")).await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_is_written_is_read_whole_and_in_parts_until_it_is_removed() {
        does_what_a_storage_does(&Vault::over(Arc::new(InMemory::new()))).await;
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::in_folder(folder.path()).unwrap();
        does_what_a_storage_does(&vault).await;
        // A folder goes with its last file.
        let other = Place::of(["other", "1.m4s"]);
        let pieces = vec![Bytes::from_static(b"media")];
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
