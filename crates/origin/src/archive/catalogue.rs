//! Which recordings there are, and what they consist of.
//!
//! Read from the storage at the start, and kept up to date by whoever records. What a recording consists of is read when
//! somebody wants to play it, and remembered for a few recordings; of one that grows only what is new is read again.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use fanwave_live::{Media, Moment, RenditionName};
use fanwave_vault::{
    Place, Vault, VaultError,
    recording::{self, About, Chunk, Segment},
};
use fanwave_wire::RoomId;

use super::play;
use crate::{
    limits::{RECORDING_FRESH, RECORDINGS_LOADED_MAX},
    playlist::Playlist,
};

/// All recordings and clips, by their ids.
#[derive(Debug)]
pub(crate) struct Catalogue {
    /// Whether there are no others.
    complete: AtomicBool,
    recordings: Mutex<BTreeMap<String, Arc<Recording>>>,
    /// Those whose segments are in memory, the one that was asked for last at the end.
    loaded: Mutex<Vec<Arc<Recording>>>,
}

/// One recording or clip.
pub(crate) struct Recording {
    id: String,
    channel: RoomId,
    prefix: String,
    folder: Place,
    is_clip: bool,
    sums: Mutex<Sums>,
    /// Locked for as long as it is read, so that it is read once for everybody who asks.
    contents: tokio::sync::Mutex<Option<(Moment, Arc<Contents>)>>,
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What is known of a recording without reading it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// When its first segment begins, milliseconds since 1970.
    pub(crate) from_ms: u64,
    /// When its last one ends.
    pub(crate) to_ms: u64,
    pub(crate) bytes: u64,
    pub(crate) ended: bool,
    /// An earlier process has begun it.
    pub(crate) adopted: bool,
    chunks: u32,
}

/// What a recording consists of.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) about: About,
    pub(crate) chunks: Vec<Arc<Chunk>>,
    /// Rendered when somebody asks.
    playlists: Mutex<BTreeMap<String, Arc<Playlist>>>,
}

impl Contents {
    pub(crate) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.chunks.iter().flat_map(|chunk| &chunk.segments)
    }

    /// How many bytes a segment has, if it is one of these; 0: it is a gap.
    pub(crate) fn bytes(&self, rendition: &str, media: Media) -> Option<u64> {
        let Media::Segment(msn) = media else {
            return None;
        };
        let mut renditions = self.about.renditions.iter();
        let place = renditions.position(|known| known.name == rendition)?;
        let is_it = |one: &&Segment| usize::from(one.rendition) == place && one.number == msn.0;
        self.segments().find(is_it).map(|one| one.bytes)
    }

    /// The playlist of a rendition, or the multivariant one under an empty name.
    pub(crate) fn playlist(&self, name: &str) -> Option<Arc<Playlist>> {
        let mut playlists = self
            .playlists
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = playlists.get(name) {
            return Some(Arc::clone(known));
        }
        let text = if name.is_empty() {
            self.about.multivariant.clone()
        } else {
            play::media_playlist(self, name)?
        };
        let playlist = Arc::new(Playlist::text_of(text));
        playlists.insert(name.to_owned(), Arc::clone(&playlist));
        Some(playlist)
    }
}

impl Recording {
    pub(crate) fn new(channel: &RoomId, prefix: &str, folder: Place) -> Self {
        Self {
            id: id(channel, folder.name()),
            channel: channel.clone(),
            prefix: prefix.to_owned(),
            folder,
            is_clip: false,
            sums: Mutex::default(),
            contents: tokio::sync::Mutex::default(),
        }
    }

    /// One that is in the storage.
    pub(super) fn of(folder: Place, about: &About, channel: &RoomId) -> Self {
        Self {
            is_clip: about.clip.is_some(),
            ..Self::new(channel, &about.prefix, folder)
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn channel(&self) -> &RoomId {
        &self.channel
    }

    /// The folder of its stream in URLs.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn folder(&self) -> &Place {
        &self.folder
    }

    pub(crate) fn is_clip(&self) -> bool {
        self.is_clip
    }

    pub(crate) fn sums(&self) -> Sums {
        *self.lock()
    }

    /// How many chunks its index has that are full.
    pub(super) fn chunks(&self) -> u32 {
        self.lock().chunks
    }

    /// A segment has been added.
    pub(super) fn note(&self, segment: &Segment) {
        let mut sums = self.lock();
        let end = segment
            .starts_at_ms
            .saturating_add(segment.duration_us / 1_000);
        if sums.from_ms == 0 || segment.starts_at_ms < sums.from_ms {
            sums.from_ms = segment.starts_at_ms;
        }
        sums.to_ms = sums.to_ms.max(end);
        sums.bytes = sums.bytes.saturating_add(segment.bytes);
    }

    /// What was noted is in the storage.
    pub(super) fn written(&self, chunks: u32, ended: bool) {
        let mut sums = self.lock();
        (sums.chunks, sums.ended) = (chunks, ended);
    }

    fn lock(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it consists of now, or did a moment ago.
    pub(crate) async fn contents(
        &self,
        vault: &Vault,
        now: Moment,
    ) -> Result<Arc<Contents>, VaultError> {
        let mut place = self.contents.lock().await;
        let ended = self.sums().ended;
        if let Some((at, contents)) = &*place
            && (contents.about.ended || (!ended && now < at.after(RECORDING_FRESH)))
        {
            return Ok(Arc::clone(contents));
        }
        let mut about = recording::read_about(vault, &self.folder).await?;
        about.ended |= ended;
        // What was full stays as it was.
        let mut chunks: Vec<Arc<Chunk>> = place.take().map_or_else(Vec::new, |(_, contents)| {
            let full = contents.chunks.iter().take_while(|chunk| chunk.is_full());
            full.cloned().collect()
        });
        let most = about.chunks.filter(|_| about.ended).unwrap_or(u32::MAX);
        loop {
            let number = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
            if number >= most {
                break;
            }
            let Some(chunk) = recording::read_chunk(vault, &self.folder, number).await? else {
                break;
            };
            chunks.push(Arc::new(chunk));
        }
        let contents = Arc::new(Contents {
            about,
            chunks,
            playlists: Mutex::default(),
        });
        *place = Some((now, Arc::clone(&contents)));
        Ok(contents)
    }

    /// Takes the sums from what it consists of: of a recording of an earlier process.
    pub(super) fn adopt(&self, contents: &Contents) {
        contents.segments().for_each(|segment| self.note(segment));
        let chunks = u32::try_from(contents.chunks.len()).unwrap_or(u32::MAX);
        // Whoever has recorded it is gone.
        self.written(chunks, true);
        self.lock().adopted = true;
    }

    pub(super) async fn unload(&self) {
        *self.contents.lock().await = None;
    }
}

/// What a recording is called in URLs. A channel's id may have dots, a folder has none.
pub(super) fn id(channel: &RoomId, folder: &str) -> String {
    format!("{channel}.{folder}")
}

impl Catalogue {
    /// An empty one, to which others may come that are there already.
    pub(crate) fn new(complete: bool) -> Self {
        Self {
            complete: AtomicBool::new(complete),
            recordings: Mutex::default(),
            loaded: Mutex::default(),
        }
    }

    /// All that are there have been added.
    pub(super) fn complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Whether what is not in it is nowhere.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    pub(crate) fn add(&self, recording: &Arc<Recording>) {
        let id = recording.id().to_owned();
        self.lock().insert(id, Arc::clone(recording));
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Recording>> {
        self.lock().get(id).cloned()
    }

    pub(super) fn forget(&self, id: &str) {
        self.lock().remove(id);
    }

    /// All of them, the newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Recording>> {
        let mut all: Vec<_> = self.lock().values().cloned().collect();
        all.sort_by_key(|recording| std::cmp::Reverse(recording.sums().from_ms));
        all
    }

    /// Those of a stream, clips of it included.
    pub(crate) fn of_stream(&self, channel: &RoomId, prefix: &str) -> Vec<Arc<Recording>> {
        let of = |recording: &&Arc<Recording>| {
            recording.channel == *channel && recording.prefix == prefix
        };
        self.lock().values().filter(of).cloned().collect()
    }

    /// Reads what a recording consists of, and forgets that of the one that was asked for least lately.
    pub(crate) async fn contents(
        &self,
        recording: &Arc<Recording>,
        vault: &Vault,
        now: Moment,
    ) -> Result<Arc<Contents>, VaultError> {
        let contents = recording.contents(vault, now).await?;
        let forgotten = {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            loaded.retain(|other| !Arc::ptr_eq(other, recording));
            loaded.push(Arc::clone(recording));
            (loaded.len() > RECORDINGS_LOADED_MAX).then(|| loaded.remove(0))
        };
        if let Some(forgotten) = forgotten {
            forgotten.unload().await;
        }
        Ok(contents)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Recording>>> {
        self.recordings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether that rendition is sound; `None` if the recording has none of that name.
pub(crate) fn is_audio(about: &About, rendition: &RenditionName) -> Option<bool> {
    let mut renditions = about.renditions.iter();
    let found = renditions.find(|known| known.name == rendition.as_str());
    found.map(|known| known.audio)
}
