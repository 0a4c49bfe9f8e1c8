//! Keeps one stream: does its errands, one after the other, and tells when the storage does not let it.
//!
//! A failing storage never stops the show. What cannot be written is tried again each [`crate::limits::STORAGE_RETRY`], for as long as the
//! stream holds it; what is to be removed is removed meanwhile, since that may be what makes room. Told once when it begins
//! and once when it is over.

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

use super::{folder, segment};
use crate::{
    clock::Clock,
    limits::STORAGE_DEADLINE,
    metrics::{Counted, storage::StorageMetrics},
    shared::stopped,
    stream::{Errand, Stream},
};

#[derive(Debug)]
pub(super) struct Keeper {
    vault: Vault,
    retry: Duration,
    channel: RoomId,
    folder: Place,
    stream: Arc<Stream>,
    metrics: StorageMetrics,
    /// Held while segments cannot be stored.
    failing: Option<Counted>,
}

/// Why a segment is not stored.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the storage did not answer within {STORAGE_DEADLINE:?}")]
    Late,
    #[error("the stream has no such rendition")]
    NoRendition,
}

impl Keeper {
    pub(super) fn new(
        (vault, retry): (Vault, Duration),
        channel: &RoomId,
        stream: Arc<Stream>,
        metrics: StorageMetrics,
    ) -> Self {
        Self {
            vault,
            retry,
            folder: folder(channel, stream.prefix()),
            channel: channel.clone(),
            stream,
            metrics,
            failing: None,
        }
    }

    /// Keeps the stream until nothing of it is wanted, or the origin stops.
    pub(super) async fn run(mut self, clock: Clock, mut stop: watch::Receiver<bool>) {
        while !self.stream.is_finished() {
            let is_last = *stop.borrow();
            let stored = match self.stream.next_errand() {
                Some(Errand::Remove { rendition, msn }) => {
                    self.remove(rendition, msn).await;
                    continue;
                }
                Some(Errand::Store {
                    rendition,
                    msn,
                    pieces,
                }) => self.store(rendition, msn, pieces).await,
                None if is_last => return,
                None => {
                    tokio::select! {
                        () = self.stream.until_errands() => {}
                        () = stopped(&mut stop) => {}
                    }
                    continue;
                }
            };
            match stored {
                Ok(()) => self.recovered(),
                Err(why) => {
                    self.failed(&why);
                    if is_last {
                        return;
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
        self.clear().await;
    }

    async fn store(
        &self,
        rendition: RenditionId,
        msn: MediaSeq,
        pieces: Vec<Bytes>,
    ) -> Result<(), Failure> {
        let place = self.place(rendition, msn).ok_or(Failure::NoRendition)?;
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        let written = timeout(STORAGE_DEADLINE, self.vault.write(&place, pieces)).await;
        written.map_err(|_| Failure::Late)??;
        self.metrics.written.inc();
        self.metrics.written_bytes.inc_by(bytes as u64);
        self.stream.stored(rendition, msn);
        Ok(())
    }

    /// A file that cannot be removed now is left to [`Keeper::clear`].
    async fn remove(&self, rendition: RenditionId, msn: MediaSeq) {
        if let Some(place) = self.place(rendition, msn)
            && let Err(error) = self.vault.remove(&place).await
        {
            self.metrics.failures.inc();
            tracing::warn!(channel = %self.channel, %place, %error, "a segment cannot be removed from the storage");
        }
        self.stream.removed();
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
