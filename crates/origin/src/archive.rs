//! What is kept of shows beyond memory: the segments of a window of hours, or of whole shows, in files.
//!
//! ```text
//! CHANNEL/FOLDER/RENDITION/MSN.m4s      a segment: its parts, one after the other
//! CHANNEL/FOLDER/RENDITION/init-N.mp4   an init section, of a recording
//! CHANNEL/FOLDER/about.json, index/     what is recorded, see `fanwave_vault::recording`
//! CHANNEL/FOLDER/thumbnails/            pictures for whoever seeks, see `fanwave_vault::thumbnails`
//! CHANNEL/clip-ID/about.json, index/    a clip, which is of a recording's files
//! ```
//!
//! What is recorded may be for a bucket ([`uploader`]): all of this is then true of the folder until a file is in the bucket and
//! no playlist of a show that is on lists it. What viewers can go back to in such a show is read from the folder alone.
//!
//! Each stream has a keeper ([`keeper`]), which writes what has become whole, writes down what is recorded ([`recorder`]) and
//! removes what is forgotten, one file after the other, on a task of its own. What an earlier process has left behind is
//! adopted if it was recorded, and otherwise removed ([`tidy`]): nobody can go on watching a show whose playlists are
//! gone. The [`catalogue`] knows what is recorded; [`library`] is what people do with it.

pub(crate) mod catalogue;
mod keeper;
pub(crate) mod library;
pub(crate) mod play;
mod recorder;
mod tidy;
mod uploader;

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fanwave_live::{InitId, MediaSeq, RenditionName};
use fanwave_vault::{Place, Reading, Vault, VaultError};
use fanwave_wire::RoomId;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use self::{
    catalogue::{Catalogue, Recording},
    keeper::Keeper,
    recorder::Recorder,
    uploader::Uploader,
};
use crate::{
    channel::Channel,
    clock::Clock,
    config::{ArchiveConfig, RecordingConfig},
    limits::{LOOK_RETRIES, STORED_ANSWERS_MAX},
    metrics::storage::StorageMetrics,
    news::Teller,
    stream::{Keeping, Stream},
};

#[derive(Debug)]
pub(crate) struct Archive {
    vault: Vault,
    window: Option<Duration>,
    recording: RecordingConfig,
    waits: Waits,
    metrics: StorageMetrics,
    teller: Teller,
    catalogue: Arc<Catalogue>,
    /// One permit for each answer that is read from the storage.
    pub(crate) answers: Arc<Semaphore>,
    /// True once keepers have to end.
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
    /// True once no keeper writes any more.
    written: watch::Sender<bool>,
    uploads: Mutex<JoinSet<()>>,
}

/// Where the sheets of one stream are.
#[derive(Debug, Clone)]
pub(crate) struct SheetShelf {
    pub(crate) vault: Vault,
    /// Of the stream.
    pub(crate) folder: Place,
    /// Where they stay when the stream is over: who knows whether anybody wants them then.
    catalogue: Option<Arc<Catalogue>>,
    channel: RoomId,
    stream: Box<str>,
}

impl SheetShelf {
    /// Whether they stay when the stream is over.
    pub(crate) fn is_recorded(&self) -> bool {
        self.catalogue.is_some()
    }

    /// Whether the recording that they are of has been deleted, and no clip of it is left.
    pub(crate) fn is_orphaned(&self) -> bool {
        let catalogue = self.catalogue.as_ref();
        catalogue.is_some_and(|known| known.of_stream(&self.channel, &self.stream).is_empty())
    }
}

/// How long the storage is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// To take a segment before that leaves the playlists.
    pub(crate) unstored: Duration,
    /// Before what failed is tried again.
    pub(crate) retry: Duration,
}

impl Archive {
    pub(crate) fn new(
        config: ArchiveConfig,
        waits: Waits,
        metrics: StorageMetrics,
        teller: Teller,
    ) -> Self {
        let ArchiveConfig {
            vault,
            window,
            recording,
        } = config;
        metrics.uploads.follow(vault.spool());
        // Of what is only in a bucket it is not known at once what there is.
        let catalogue = Catalogue::new(vault.spool().is_none());
        Self {
            vault,
            window,
            recording,
            waits,
            metrics,
            catalogue: Arc::new(catalogue),
            teller,
            answers: Arc::new(Semaphore::new(STORED_ANSWERS_MAX)),
            stop: watch::Sender::new(false),
            tasks: Mutex::default(),
            written: watch::Sender::new(false),
            uploads: Mutex::default(),
        }
    }

    /// How the streams of a channel are kept.
    pub(crate) fn keeping(&self, channel: &RoomId) -> Keeping {
        let unstored = self.waits.unstored;
        match self.window {
            _ if self.recording.channels.contains(channel) => Keeping::Recorded {
                unstored,
                spooled: self.vault.spool().is_some(),
            },
            Some(_) => Keeping::Window { unstored },
            None => Keeping::Memory,
        }
    }

    /// Keeps a stream that begins, until nothing of it is wanted any more. Needs a runtime.
    pub(crate) fn keep(&self, channel: &RoomId, stream: &Arc<Stream>, clock: Clock) {
        let folder = folder(channel, stream.folder());
        let recorder = matches!(stream.keeping(), Keeping::Recorded { .. }).then(|| {
            let recording = Recording::new(channel, stream.folder(), folder.clone());
            // A stream may go on with what an earlier one of its name has begun.
            let known = self.catalogue.get(recording.id());
            let recording = known.unwrap_or_else(|| Arc::new(recording));
            self.catalogue.add(&recording);
            let (vault, teller) = (self.vault.clone(), self.teller.clone());
            Recorder::new(vault, Arc::clone(stream), recording, teller)
        });
        let vault = match recorder {
            Some(_) => self.vault.clone(),
            None => self.vault.near(),
        };
        let keeper = Keeper::new(
            (vault, self.waits.retry),
            (channel.clone(), folder),
            Arc::clone(stream),
            recorder,
            self.metrics.clone(),
        );
        self.spawn(keeper.run(clock, self.stop.subscribe()));
    }

    /// Adopts or removes what earlier processes have left, and from then on what has been kept for long enough. Needs a
    /// runtime.
    pub(crate) fn tidy(
        self: &Arc<Self>,
        channels: Arc<BTreeMap<RoomId, Arc<Channel>>>,
        clock: Clock,
    ) {
        let tidy = tidy::Tidy {
            library: self.library(clock),
            recording: self.recording.clone(),
            channels,
            retry: self.waits.retry * LOOK_RETRIES,
        };
        self.spawn(tidy.run(self.stop.subscribe()));
        if let Some(uploader) = Uploader::new(&self.vault, self.waits.retry, &self.metrics) {
            let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
            uploads.spawn(uploader.run(self.written.subscribe()));
        }
    }

    /// Where the sheets of a stream's pictures are kept, if anything of it is.
    pub(crate) fn shelf_of(&self, channel: &RoomId, stream: &Stream) -> Option<SheetShelf> {
        let (vault, catalogue) = match stream.keeping() {
            Keeping::Memory => return None,
            // What is not recorded is not for a bucket.
            Keeping::Window { .. } => (self.vault.near(), None),
            Keeping::Recorded { .. } => (self.vault.clone(), Some(Arc::clone(&self.catalogue))),
        };
        Some(SheetShelf {
            vault,
            folder: folder(channel, stream.folder()),
            catalogue,
            channel: channel.clone(),
            stream: stream.folder().into(),
        })
    }

    /// True once whoever was spawned has to end.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are let go of.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Opens a stretch of a segment's file.
    pub(crate) async fn read(
        &self,
        channel: &RoomId,
        stream: &str,
        (rendition, msn): (&RenditionName, MediaSeq),
        span: Range<u64>,
    ) -> Result<Reading, VaultError> {
        let place = segment(&folder(channel, stream), rendition, msn);
        self.vault.near().read(&place, Some(span)).await
    }

    /// What people do with recordings.
    pub(crate) fn library(&self, clock: Clock) -> library::Library {
        library::Library {
            vault: self.vault.clone(),
            catalogue: Arc::clone(&self.catalogue),
            clock,
        }
    }

    pub(crate) fn metrics(&self) -> &StorageMetrics {
        &self.metrics
    }

    /// Ends everything where it is, as a killed process does.
    #[cfg(test)]
    pub(crate) async fn kill(&self) {
        for tasks in [&self.tasks, &self.uploads] {
            let mut tasks =
                std::mem::take(&mut *tasks.lock().unwrap_or_else(PoisonError::into_inner));
            tasks.shutdown().await;
        }
    }

    /// Has the keepers write what is whole, and returns when they have.
    pub(crate) async fn shutdown(&self) {
        self.stop.send_replace(true);
        let mut tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
        self.written.send_replace(true);
        let mut uploads =
            std::mem::take(&mut *self.uploads.lock().unwrap_or_else(PoisonError::into_inner));
        while uploads.join_next().await.is_some() {}
    }
}

/// The folder of a stream.
fn folder(channel: &RoomId, stream: &str) -> Place {
    Place::of([channel.as_str(), stream])
}

/// A segment's file in its stream's folder.
fn segment(folder: &Place, rendition: &RenditionName, msn: MediaSeq) -> Place {
    folder.join(rendition.as_str()).join(&format!("{msn}.m4s"))
}

/// An init section's file in its stream's folder.
fn init(folder: &Place, rendition: &RenditionName, init: InitId) -> Place {
    folder
        .join(rendition.as_str())
        .join(&format!("init-{init}.mp4"))
}
