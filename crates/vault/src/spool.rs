//! A folder that files go through on their way to a bucket.
//!
//! What is written is written to the folder, and is then as good as kept: nobody waits for the bucket. What the bucket lacks is
//! uploaded behind ([`Spool::next`], [`Spool::upload`]), by whoever owns the task. A file goes from the folder when it is in
//! the bucket and is not wanted nearby any more ([`Spool::release`]). What a killed process still owed is what is found in the folder by
//! the next one ([`Spool::resume`]); nothing else is written down about it.

mod ledger;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt};
use thiserror::Error;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

pub use self::ledger::Task;
use self::ledger::{Ledger, Settled};
use crate::{
    Place, Reading, Vault, VaultError,
    limits::{CHUNK_BYTES, READ_DEADLINE, SPOOL_FILES_MAX, UPLOAD_BYTES_MAX, UPLOAD_DEADLINE},
};

/// A bucket behind a folder. All clones of a vault share one.
pub struct Spool {
    /// The bucket.
    far: Arc<dyn ObjectStore>,
    bytes_max: u64,
    ledger: Mutex<Ledger>,
    /// Told when there may be something to upload.
    written: Notify,
    /// Told when an upload is over.
    landed: Notify,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Spool")
    }
}

/// What waits to be uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Files.
    pub files: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// How long the one of media that waits longest has waited.
    pub longest: Duration,
}

/// Why the bucket does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BucketError {
    /// It answers that it will not.
    #[error("the bucket refuses it: {status} {code}")]
    Refused {
        /// Of HTTP.
        status: u16,
        /// S3's own word for it, such as `AccessDenied`.
        code: String,
    },
    /// There is no connection to it.
    #[error("the bucket cannot be reached: {0}")]
    Unreachable(String),
    /// It does not answer in time.
    #[error("the bucket did not answer within {0:?}")]
    Late(Duration),
    /// It fails.
    #[error("the bucket fails: {0}")]
    Failed(String),
}

/// More waits than may.
#[derive(Debug, Clone, Copy, Error)]
#[error("what waits to be uploaded is all that may wait: {files} files, {bytes} bytes")]
struct Crowded {
    files: usize,
    bytes: u64,
}

impl Spool {
    pub(crate) fn new(far: Arc<dyn ObjectStore>, bytes_max: u64) -> Self {
        Self {
            far,
            bytes_max,
            ledger: Mutex::default(),
            written: Notify::new(),
            landed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether so many bytes of media more may wait.
    pub(crate) fn check_room(&self, place: &Place, more: u64) -> Result<(), VaultError> {
        let (files, bytes, _) = self.lock().sums();
        let fits = bytes.saturating_add(more) <= self.bytes_max && files < SPOOL_FILES_MAX;
        // What is written down about media is small, and as much as there is media.
        if fits || place.is_note() {
            return Ok(());
        }
        Err(VaultError::Full(object_store::Error::Generic {
            store: "spool",
            source: Box::new(Crowded { files, bytes }),
        }))
    }

    pub(crate) fn owe(&self, place: &Place, bytes: u64) {
        self.lock().owe(Instant::now(), place.clone(), bytes, false);
        self.written.notify_one();
    }

    /// What waits.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        let (files, bytes, since) = self.lock().sums();
        Waiting {
            files,
            bytes,
            longest: since.map_or(Duration::ZERO, |since| since.elapsed()),
        }
    }

    /// The next file to upload; whoever has it has to say how that went ([`Spool::landed`]).
    #[must_use]
    pub fn next(&self) -> Option<Task> {
        self.lock().next(Instant::now())
    }

    /// Returns when there may be something to upload.
    pub async fn until_due(&self) {
        let due = self.lock().due();
        let written = self.written.notified();
        match due {
            Some(at) => tokio::select! {
                () = written => {}
                () = tokio::time::sleep_until(at) => {}
            },
            None => written.await,
        }
    }

    /// Nothing is written anew any more: everything that waits may be uploaded now.
    pub fn hurry(&self) {
        // Whoever uploads may ask for it again and again, and is not to be woken by that itself.
        if self.lock().hurry(Instant::now()) {
            self.written.notify_one();
        }
    }

    /// Uploads a file of the folder. One that is not there any more needs no upload.
    ///
    /// # Errors
    /// [`VaultError`]: it has to be tried again.
    pub async fn upload(&self, near: &Vault, task: &Task) -> Result<(), VaultError> {
        let place = &task.place;
        let upload = async {
            if task.maybe
                && let Ok(there) = self.far.head(&place.0).await
                && there.size == task.bytes
            {
                return Ok(());
            }
            let bytes = match near.near().read_whole(place, UPLOAD_BYTES_MAX).await {
                Err(VaultError::NotFound) => return Ok(()),
                read => read?,
            };
            // It is sent in pieces of the size in which it would be read.
            let pieces: object_store::PutPayload = pieces(bytes).collect();
            self.far.put(&place.0, pieces).await.map_err(far_error)?;
            Ok(())
        };
        in_time(UPLOAD_DEADLINE, upload).await
    }

    /// Says how an upload went.
    pub async fn landed(&self, near: &Vault, task: &Task, worked: bool) {
        let settled = {
            let mut ledger = self.lock();
            if worked {
                ledger.done(Instant::now(), &task.place)
            } else {
                ledger.failed(Instant::now(), &task.place);
                Settled::Stays
            }
        };
        if settled == Settled::Leaves {
            // What cannot be removed now is found by the next process.
            drop(near.near().remove(&task.place).await);
        }
        self.landed.notify_waiters();
    }

    /// Owes everything that is in this folder: what an earlier process has left, of which some may be in the bucket.
    ///
    /// # Errors
    /// [`VaultError`]: the folder cannot be read.
    pub async fn resume(&self, near: &Vault, folder: &Place) -> Result<(), VaultError> {
        for (place, bytes) in near.near().files_below(folder).await? {
            let maybe = !place.is_note();
            self.lock().owe(Instant::now(), place, bytes, maybe);
        }
        self.written.notify_one();
        Ok(())
    }

    /// A file is not wanted nearby any more: it goes from the folder when it is in the bucket.
    ///
    /// # Errors
    /// [`VaultError`]: it cannot be removed from the folder.
    pub async fn release(&self, near: &Vault, place: &Place) -> Result<(), VaultError> {
        let settled = self.lock().release(Instant::now(), place);
        self.written.notify_one();
        match settled {
            Settled::Leaves => near.near().remove(place).await,
            Settled::Stays => Ok(()),
        }
    }

    /// The same of all files in a folder.
    ///
    /// # Errors
    /// The first [`VaultError`]; the rest stays.
    pub async fn release_folder(&self, near: &Vault, folder: &Place) -> Result<(), VaultError> {
        for (place, _) in near.near().files_below(folder).await? {
            self.release(near, &place).await?;
        }
        Ok(())
    }

    /// Has these files, or all in this folder, not be uploaded, and returns when none of them is under way.
    pub(crate) async fn forget(&self, place: &Place) {
        loop {
            let landed = self.landed.notified();
            tokio::pin!(landed);
            landed.as_mut().enable();
            if !self.lock().forget(place) {
                return;
            }
            landed.await;
        }
    }

    pub(crate) async fn read(
        &self,
        place: &Place,
        options: object_store::GetOptions,
    ) -> Result<Reading, VaultError> {
        let open = async {
            self.far
                .get_opts(&place.0, options)
                .await
                .map_err(far_error)
        };
        let found = in_time(READ_DEADLINE, open).await?;
        let length = found.range.end.saturating_sub(found.range.start);
        let body = found.into_stream();
        let body = body.map_err(|error| std::io::Error::other(far_error(error)));
        let chunks = body.map_ok(|bytes| futures_util::stream::iter(pieces(bytes).map(Ok)));
        Ok(Reading {
            length,
            body: chunks.try_flatten().boxed(),
        })
    }

    pub(crate) async fn size(&self, place: &Place) -> Result<u64, VaultError> {
        let head = async { self.far.head(&place.0).await.map_err(far_error) };
        Ok(in_time(READ_DEADLINE, head).await?.size)
    }

    pub(crate) async fn remove(&self, place: &Place) -> Result<(), VaultError> {
        let remove = async { self.far.delete(&place.0).await.map_err(far_error) };
        match in_time(UPLOAD_DEADLINE, remove).await {
            Err(VaultError::NotFound) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn clear(&self, folder: &Place) -> Result<(), VaultError> {
        let listed = self.far.list(Some(&folder.0));
        let places = listed.map_ok(|file| file.location).boxed();
        let mut removed = self.far.delete_stream(places);
        while let Some(one) = in_time(UPLOAD_DEADLINE, async { Ok(removed.next().await) }).await? {
            match one.map_err(far_error) {
                Err(VaultError::NotFound) | Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) async fn list(
        &self,
        folder: &Place,
    ) -> Result<object_store::ListResult, VaultError> {
        let list = async {
            let listed = self.far.list_with_delimiter(Some(&folder.0)).await;
            listed.map_err(far_error)
        };
        in_time(UPLOAD_DEADLINE, list).await
    }
}

async fn in_time<T>(
    deadline: Duration,
    step: impl Future<Output = Result<T, VaultError>>,
) -> Result<T, VaultError> {
    let done = timeout(deadline, step).await;
    done.map_err(|_| VaultError::Bucket(BucketError::Late(deadline)))?
}

/// Pieces of at most a chunk.
fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Bytes> + Send {
    std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(CHUNK_BYTES));
        (!piece.is_empty()).then_some(piece)
    })
}

/// What the bucket has said itself is in the chain of causes.
pub(crate) fn far_error(error: object_store::Error) -> VaultError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(told) = error.downcast_ref::<BucketError>() {
            return VaultError::Bucket(told.clone());
        }
        cause = error.source();
    }
    match error {
        object_store::Error::NotFound { .. } => VaultError::NotFound,
        error => VaultError::Bucket(BucketError::Failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
