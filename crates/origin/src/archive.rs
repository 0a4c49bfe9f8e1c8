//! What is kept of shows beyond memory: the segments of a window of hours, in files.
//!
//! ```text
//! CHANNEL/PREFIX/RENDITION/MSN.m4s     a segment: its parts, one after the other
//! ```
//!
//! Each stream has a keeper ([`keeper`]), which writes what has become whole and removes what is forgotten, one file after
//! the other, on a task of its own. What an earlier process has left behind is removed at the start ([`tidy`]): nobody can
//! go on watching a show whose playlists are gone.

mod keeper;
mod tidy;

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fanwave_live::{MediaSeq, RenditionName};
use fanwave_vault::{Place, Reading, Vault, VaultError};
use fanwave_wire::RoomId;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use self::keeper::Keeper;
use crate::{
    channel::Channel, clock::Clock, limits::STORED_ANSWERS_MAX, metrics::storage::StorageMetrics,
    stream::Stream,
};

#[derive(Debug)]
pub(crate) struct Archive {
    vault: Vault,
    /// After so long a segment that could not be stored is tried again.
    retry: Duration,
    metrics: StorageMetrics,
    /// One permit for each answer that is read from the storage.
    pub(crate) answers: Arc<Semaphore>,
    /// True once keepers have to end.
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl Archive {
    pub(crate) fn new(vault: Vault, retry: Duration, metrics: StorageMetrics) -> Self {
        Self {
            vault,
            retry,
            metrics,
            answers: Arc::new(Semaphore::new(STORED_ANSWERS_MAX)),
            stop: watch::Sender::new(false),
            tasks: Mutex::default(),
        }
    }

    /// Keeps a stream that begins, until nothing of it is wanted any more. Needs a runtime.
    pub(crate) fn keep(&self, channel: &RoomId, stream: &Arc<Stream>, clock: Clock) {
        let keeper = Keeper::new(
            (self.vault.clone(), self.retry),
            channel,
            Arc::clone(stream),
            self.metrics.clone(),
        );
        self.spawn(keeper.run(clock, self.stop.subscribe()));
    }

    /// Removes what earlier processes have left. Needs a runtime.
    pub(crate) fn tidy(&self, channels: Arc<BTreeMap<RoomId, Arc<Channel>>>) {
        self.spawn(tidy::tidy(self.vault.clone(), channels));
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are let go of.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Opens a stretch of a segment's file.
    pub(crate) async fn read(
        &self,
        channel: &RoomId,
        prefix: &str,
        (rendition, msn): (&RenditionName, MediaSeq),
        span: Range<u64>,
    ) -> Result<Reading, VaultError> {
        let place = segment(&folder(channel, prefix), rendition, msn);
        self.vault.read(&place, Some(span)).await
    }

    pub(crate) fn metrics(&self) -> &StorageMetrics {
        &self.metrics
    }

    /// Has the keepers write what is whole, and returns when they have.
    pub(crate) async fn shutdown(&self) {
        self.stop.send_replace(true);
        let mut tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
    }
}

/// The folder of a stream.
fn folder(channel: &RoomId, prefix: &str) -> Place {
    Place::of([channel.as_str(), prefix])
}

/// A segment's file in its stream's folder.
fn segment(folder: &Place, rendition: &RenditionName, msn: MediaSeq) -> Place {
    folder.join(rendition.as_str()).join(&format!("{msn}.m4s"))
}
