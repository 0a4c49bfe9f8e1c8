//! Keeps one stream: does its errands, one after the other, and tells when the storage does not let it.
//!
//! A failing storage never stops the show. What cannot be written is tried again each [`crate::limits::STORAGE_RETRY`], for as
//! long as the stream holds it; what is to be removed is removed meanwhile, since that may be what makes room. Told once
//! when it begins and once when it is over.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fanwave_live::{MediaSeq, RenditionId};
use fanwave_vault::{Place, Vault, VaultError};
use fanwave_wire::RoomId;
use thiserror::Error;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{Recorder, segment};
use crate::{
    clock::Clock,
    limits::STORAGE_DEADLINE,
    metrics::{Counted, storage::StorageMetrics},
    shared::stopped,
    stream::{Errand, Stream, Whole},
};

#[derive(Debug)]
pub(super) struct Keeper {
    vault: Vault,
    retry: Duration,
    channel: RoomId,
    folder: Place,
    stream: Arc<Stream>,
    /// Of a stream that is recorded.
    recorder: Option<Recorder>,
    metrics: StorageMetrics,
    /// Held while segments cannot be stored.
    failing: Option<Counted>,
}

/// Why a segment is not stored, or not written down.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the storage did not answer within {STORAGE_DEADLINE:?}")]
    Late,
    #[error("the stream has no such rendition")]
    NoRendition,
}

/// What came of looking for something to do.
enum Done {
    Something,
    Nothing,
}

impl Keeper {
    pub(super) fn new(
        (vault, retry): (Vault, Duration),
        (channel, folder): (RoomId, Place),
        stream: Arc<Stream>,
        recorder: Option<Recorder>,
        metrics: StorageMetrics,
    ) -> Self {
        Self {
            vault,
            retry,
            channel,
            folder,
            stream,
            recorder,
            metrics,
            failing: None,
        }
    }

    /// Keeps the stream until nothing of it is wanted, or the origin stops.
    pub(super) async fn run(mut self, clock: Clock, mut stop: watch::Receiver<bool>) {
        loop {
            let is_last = *stop.borrow();
            match self.step().await {
                Ok(Done::Something) => {}
                Ok(Done::Nothing) if self.is_done() || is_last => break,
                Ok(Done::Nothing) => {
                    tokio::select! {
                        () = self.stream.until_errands() => {}
                        () = stopped(&mut stop) => {}
                    }
                }
                Err(why) => {
                    self.failed(&why);
                    // What could not be stored by now has nobody left to play it from.
                    if is_last || self.stream.is_finished() {
                        break;
                    }
                    if matches!(why, Failure::Vault(VaultError::Full(_))) {
                        self.stream.make_room(clock.now());
                    }
                    tokio::select! {
                        () = sleep(self.retry) => {}
                        () = stopped(&mut stop) => {}
                    }
                }
            }
        }
        if self.stream.is_finished() {
            match self.recorder {
                Some(_) => self.release().await,
                None => self.clear().await,
            }
        }
    }

    /// Whether nothing more will come that has to be kept.
    fn is_done(&self) -> bool {
        // Of one that a bucket has, files are to be removed for as long as it is shown.
        let is_kept = self.recorder.is_some() && self.vault.spool().is_none();
        self.stream.is_finished() || (is_kept && self.stream.is_ended())
    }

    async fn step(&mut self) -> Result<Done, Failure> {
        if self.stream.is_finished() && self.recorder.is_none() {
            return Ok(Done::Nothing);
        }
        match self.stream.next_errand() {
            Some(Errand::Remove { rendition, msn }) => self.remove(rendition, msn).await,
            Some(Errand::Store {
                rendition,
                whole,
                pieces,
            }) => {
                self.store(rendition, whole, pieces).await?;
                self.recovered();
            }
            Some(Errand::Note { rendition, whole }) => {
                if let Some(recorder) = &mut self.recorder {
                    bounded(recorder.prepare(rendition, &whole)).await?;
                    recorder.add(rendition, &whole, 0);
                }
                self.stream.stored(rendition, whole.segment.msn, false);
            }
            None => {
                // What has gathered is written down once.
                let Some(recorder) = self.recorder.as_mut().filter(|one| one.is_behind()) else {
                    return Ok(Done::Nothing);
                };
                bounded(recorder.write()).await?;
                self.recovered();
            }
        }
        Ok(Done::Something)
    }

    async fn store(
        &mut self,
        rendition: RenditionId,
        whole: Whole,
        pieces: Vec<Bytes>,
    ) -> Result<(), Failure> {
        let msn = whole.segment.msn;
        let place = self.place(rendition, msn).ok_or(Failure::NoRendition)?;
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        if let Some(recorder) = &mut self.recorder {
            bounded(recorder.prepare(rendition, &whole)).await?;
        }
        bounded(self.vault.write(&place, pieces)).await?;
        self.metrics.written.inc();
        self.metrics.written_bytes.inc_by(bytes as u64);
        if let Some(recorder) = &mut self.recorder {
            recorder.add(rendition, &whole, bytes);
        }
        self.stream.stored(rendition, msn, true);
        Ok(())
    }

    /// A file that cannot be removed now is left to [`Keeper::clear`].
    async fn remove(&self, rendition: RenditionId, msn: MediaSeq) {
        if let Some(place) = self.place(rendition, msn)
            && let Err(error) = self.let_go(&place).await
        {
            self.metrics.failures.inc();
            tracing::warn!(channel = %self.channel, %place, %error, "a segment cannot be removed from the storage");
        }
        self.stream.removed();
    }

    async fn let_go(&self, place: &Place) -> Result<(), VaultError> {
        match self.vault.spool() {
            Some(spool) => spool.release(&self.vault, place).await,
            None => self.vault.remove(place).await,
        }
    }

    /// What is recorded is not wanted nearby any more, if a bucket has it.
    async fn release(&self) {
        if let Some(spool) = self.vault.spool()
            && let Err(error) = spool.release_folder(&self.vault, &self.folder).await
        {
            self.metrics.failures.inc();
            tracing::warn!(channel = %self.channel, folder = %self.folder, %error, "what is in the bucket cannot be removed from the folder");
        }
    }

    /// Removes all there is; what cannot be removed now is when the server starts anew.
    async fn clear(&self) {
        if let Err(error) = self.vault.clear(&self.folder).await {
            self.metrics.failures.inc();
            tracing::warn!(channel = %self.channel, folder = %self.folder, %error, "what is left of a stream cannot be removed from the storage");
        }
    }

    fn failed(&mut self, why: &Failure) {
        self.metrics.failures.inc();
        if self.failing.is_none() {
            self.failing = Some(Counted::new(&self.metrics.failing));
            tracing::error!(
                channel = %self.channel,
                %why,
                "segments cannot be stored: the show goes on from memory, and viewers can go back less far, until they can \
                 be (free space, or see to the storage; no restart is needed)"
            );
        }
    }

    fn recovered(&mut self) {
        if self.failing.take().is_some() {
            tracing::info!(channel = %self.channel, "segments are stored again");
        }
    }

    fn place(&self, rendition: RenditionId, msn: MediaSeq) -> Option<Place> {
        let mut renditions = self.stream.config().renditions();
        let (_, spec) = renditions.find(|(id, _)| *id == rendition)?;
        Some(segment(&self.folder, &spec.name, msn))
    }
}

async fn bounded(step: impl Future<Output = Result<(), VaultError>>) -> Result<(), Failure> {
    let done = timeout(STORAGE_DEADLINE, step).await;
    Ok(done.map_err(|_| Failure::Late)??)
}
