//! What people do with recordings: list, play, cut a clip of, delete.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use fanwave_live::{InitId, MediaSeq, RenditionName};
use fanwave_vault::{
    Place, Vault, VaultError,
    recording::{self, About, Chunk, Clip, FORMAT, Segment},
    thumbnails,
};
use fanwave_wire::RoomId;
use thiserror::Error;

use super::{
    catalogue::{Catalogue, Contents, Recording, is_audio},
    folder, init,
    play::{self, Stretch},
    segment,
};
use crate::{
    clock::Clock,
    limits::CLIP_MAX,
    thumbnails::{strip, track},
};

/// The recordings of an origin. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Library {
    pub(super) vault: Vault,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) clock: Clock,
}

/// A recording or a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingInfo {
    /// Its name in URLs: its playlist is `/vod/{id}/index.m3u8`.
    pub id: String,
    /// The channel that showed it.
    pub channel: RoomId,
    /// When its first segment begins, milliseconds since 1970.
    pub from_ms: u64,
    /// When its last one ends.
    pub to_ms: u64,
    /// Bytes of its segments.
    pub bytes: u64,
    /// Whether nothing will be added.
    pub ended: bool,
    /// Whether it is a clip.
    pub clip: bool,
}

/// Why nothing was done with a recording.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// There is none of that name.
    #[error("there is no such recording")]
    Unknown,
    /// It is being recorded.
    #[error("the show is still on: delete the recording when it is over")]
    Growing,
    /// No segment lies between the two times, or they are too far apart.
    #[error(
        "a clip needs a time of the recording at which it begins, and one after it, at most {CLIP_MAX:?} later"
    )]
    Span,
    /// A clip is cut of a recording, not of a clip.
    #[error("this is a clip: cut another of the recording that it is of")]
    OfClip,
    /// The storage cannot do it now.
    #[error("the storage cannot do it now: {0}")]
    Storage(#[from] VaultError),
    /// Which recordings there are is not known yet.
    #[error("which recordings there are has not been read from the bucket yet")]
    Unread,
}

impl Library {
    /// All recordings and clips, the newest first.
    pub(crate) fn list(&self) -> Vec<RecordingInfo> {
        self.catalogue.all().iter().map(|one| info(one)).collect()
    }

    pub(crate) fn get(&self, id: &str) -> Option<RecordingInfo> {
        self.catalogue.get(id).map(|one| info(&one))
    }

    /// What a recording consists of.
    pub(crate) async fn contents(&self, id: &str) -> Result<Arc<Contents>, LibraryError> {
        Ok(self.read(&self.find(id)?).await?)
    }

    fn find(&self, id: &str) -> Result<Arc<Recording>, LibraryError> {
        self.catalogue.get(id).ok_or_else(|| self.missing())
    }

    /// What is said of a recording that is not known.
    fn missing(&self) -> LibraryError {
        match self.catalogue.is_complete() {
            true => LibraryError::Unknown,
            false => LibraryError::Unread,
        }
    }

    async fn read(&self, recording: &Arc<Recording>) -> Result<Arc<Contents>, VaultError> {
        self.catalogue
            .contents(recording, &self.source(recording), self.clock.now())
            .await
    }

    /// All that is said about a recording that grows is nearby: it is played without the bucket, as long as its segments are.
    fn source(&self, recording: &Recording) -> Vault {
        let sums = recording.sums();
        match sums.ended || sums.adopted {
            true => self.vault.clone(),
            false => self.vault.near(),
        }
    }

    /// How times of the show become times in a player.
    pub(crate) async fn timeline(&self, id: &str) -> Result<Vec<Stretch>, LibraryError> {
        Ok(play::timeline(&*self.contents(id).await?))
    }

    /// What is recorded of a stream's rendition, and whether that is sound.
    pub(crate) async fn rendition(
        &self,
        channel: &RoomId,
        prefix: &str,
        rendition: &RenditionName,
    ) -> Result<(Arc<Contents>, bool), LibraryError> {
        let contents = self.of_stream(channel, prefix).await?;
        let audio = is_audio(&contents.about, rendition).ok_or(LibraryError::Unknown)?;
        Ok((contents, audio))
    }

    /// The place of a recorded stream's file.
    pub(crate) fn place(
        channel: &RoomId,
        prefix: &str,
        rendition: &RenditionName,
        file: File,
    ) -> Place {
        let folder = folder(channel, prefix);
        match file {
            File::Init(id) => init(&folder, rendition, id),
            File::Segment(msn) => segment(&folder, rendition, msn),
        }
    }

    /// The folder of a stream's files.
    pub(crate) fn folder(channel: &RoomId, stream: &str) -> Place {
        folder(channel, stream)
    }

    /// What a recording of a stream consists of, or a clip of it.
    pub(crate) async fn of_stream(
        &self,
        channel: &RoomId,
        prefix: &str,
    ) -> Result<Arc<Contents>, LibraryError> {
        let recordings = self.catalogue.of_stream(channel, prefix);
        let recording = recordings.first().ok_or_else(|| self.missing())?;
        Ok(self.read(recording).await?)
    }

    /// The track of a recording's pictures for whoever seeks, beside which `../../live` is where streams are.
    pub(crate) async fn thumbnails(
        &self,
        id: &str,
    ) -> Result<(String, Arc<Contents>), LibraryError> {
        let recording = self.find(id)?;
        let contents = self.read(&recording).await?;
        let (channel, prefix) = (recording.channel(), recording.prefix());
        let source = self.source(&recording);
        let sheets = thumbnails::read(&source, &folder(channel, prefix)).await?;
        let address = format!("../../live/{channel}/{prefix}/{}", thumbnails::FOLDER);
        let cues = strip::cues_of(&sheets.sheets, &address);
        let interval = Duration::from_millis(sheets.interval_ms);
        let text = track::recorded(&play::timeline(&contents), &cues, interval);
        Ok((text, contents))
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Deletes a recording, or a clip. What a clip shows of a recording stays.
    pub(crate) async fn delete(&self, id: &str) -> Result<(), LibraryError> {
        let recording = self.find(id)?;
        if !recording.sums().ended {
            return Err(LibraryError::Growing);
        }
        // It is gone for viewers before its first file is.
        self.catalogue.forget(id);
        let removed = self.remove(&recording).await;
        if removed.is_err() {
            self.catalogue.add(&recording);
        }
        Ok(removed?)
    }

    async fn remove(&self, recording: &Recording) -> Result<(), VaultError> {
        let (channel, prefix) = (recording.channel(), recording.prefix());
        let stream = folder(channel, prefix);
        let others = self.catalogue.of_stream(channel, prefix);
        if others.is_empty() {
            self.vault.clear(recording.folder()).await?;
            return self.vault.clear(&stream).await;
        }
        let mut needed = BTreeSet::new();
        for other in &others {
            let contents = self.read(other).await?;
            for one in contents.segments() {
                let rendition = contents.about.renditions.get(usize::from(one.rendition));
                let Some(name) = rendition.and_then(|known| known.name.parse().ok()) else {
                    continue;
                };
                needed.insert(segment(&stream, &name, MediaSeq(one.number)));
                needed.insert(init(&stream, &name, InitId(one.init)));
            }
        }
        if recording.is_clip() {
            self.vault.clear(recording.folder()).await?;
        } else {
            self.vault.remove(&recording::about_place(&stream)).await?;
            self.vault.clear(&stream.join("index")).await?;
        }
        for rendition in self.vault.folders(&stream).await? {
            // Small as it is, it stays whole for the clips.
            if ["index", thumbnails::FOLDER].contains(&rendition.name()) {
                continue;
            }
            for (file, _) in self.vault.files(&rendition).await? {
                if !needed.contains(&file) {
                    self.vault.remove(&file).await?;
                }
            }
        }
        Ok(())
    }

    /// Cuts a clip between two times, milliseconds since 1970: the segments that they lie in, and those between.
    pub(crate) async fn clip(
        &self,
        id: &str,
        from_ms: u64,
        to_ms: u64,
    ) -> Result<RecordingInfo, LibraryError> {
        let recording = self.find(id)?;
        if recording.is_clip() {
            return Err(LibraryError::OfClip);
        }
        let longest = u64::try_from(CLIP_MAX.as_millis()).unwrap_or(u64::MAX);
        let span = to_ms.checked_sub(from_ms);
        if span.is_none_or(|span| span == 0 || span > longest) {
            return Err(LibraryError::Span);
        }
        let contents = self.read(&recording).await?;
        let end = |one: &Segment| one.starts_at_ms.saturating_add(one.duration_us / 1_000);
        let lies_in = |one: &&Segment| one.starts_at_ms < to_ms && end(one) > from_ms;
        let segments: Vec<_> = contents.segments().filter(lies_in).cloned().collect();
        let begins = segments
            .iter()
            .filter(|one| one.rendition == 0 && one.bytes > 0);
        let Some(begins) = begins.map(|one| one.starts_at_ms).min() else {
            return Err(LibraryError::Span);
        };
        let happenings = contents.chunks.iter().flat_map(|chunk| &chunk.happenings);
        let happenings: Vec<_> = happenings
            .filter(|one| (from_ms..to_ms).contains(&one.at_ms))
            .cloned()
            .collect();
        let about = About {
            format: FORMAT,
            ended: true,
            since_ms: begins,
            clip: Some(Clip {
                of: recording.id().to_owned(),
                from_ms,
                to_ms,
            }),
            ..contents.about.clone()
        };
        let mut chunks = chunked(segments);
        let about = About {
            chunks: u32::try_from(chunks.len()).ok(),
            ..about
        };
        let name = format!("clip-{}", crate::channel::random_prefix());
        let place = Place::of([recording.channel().as_str(), &name]);
        let clip = Recording::of(place.clone(), &about, recording.channel());
        if let Some(first) = chunks.first_mut() {
            first.happenings = happenings;
        }
        for (number, chunk) in (0..).zip(&chunks) {
            recording::write_chunk(&self.vault, &place, number, chunk).await?;
        }
        // Without this there is no clip, and so it comes last.
        recording::write_about(&self.vault, &place, &about).await?;
        if let Some(spool) = self.vault.spool() {
            spool.release_folder(&self.vault, &place).await?;
        }
        let clip = Arc::new(clip);
        clip.adopt(&*clip.contents(&self.vault, self.clock.now()).await?);
        self.catalogue.add(&clip);
        Ok(info(&clip))
    }

    /// Deletes what has been kept for long enough, and the oldest of what is too much together. Clips stay.
    pub(crate) async fn retain(&self, keep: Option<Duration>, bytes_max: Option<u64>) {
        let mut over: Vec<String> = Vec::new();
        let mut bytes = 0_u64;
        let now = self.clock.wall().0;
        for recording in self.catalogue.all() {
            let sums = recording.sums();
            if recording.is_clip() {
                continue;
            }
            bytes = bytes.saturating_add(sums.bytes);
            let age = Duration::from_millis(now.saturating_sub(sums.to_ms));
            let too_old = keep.is_some_and(|keep| age > keep);
            let too_much = bytes_max.is_some_and(|most| bytes > most);
            if sums.ended && (too_old || too_much) {
                bytes = bytes.saturating_sub(sums.bytes);
                over.push(recording.id().to_owned());
            }
        }
        for id in over {
            match self.delete(&id).await {
                Ok(()) => {
                    tracing::info!(%id, "a recording has been kept for long enough, and is deleted");
                }
                Err(error) => tracing::warn!(%id, %error, "a recording cannot be deleted"),
            }
        }
    }
}

/// A file of a recorded stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum File {
    Init(InitId),
    Segment(MediaSeq),
}

fn info(recording: &Recording) -> RecordingInfo {
    let sums = recording.sums();
    RecordingInfo {
        id: recording.id().to_owned(),
        channel: recording.channel().clone(),
        from_ms: sums.from_ms,
        to_ms: sums.to_ms,
        bytes: sums.bytes,
        ended: sums.ended,
        clip: recording.is_clip(),
    }
}

/// Segments in chunks, none of which is more than full.
fn chunked(segments: Vec<Segment>) -> Vec<Chunk> {
    let mut chunks = vec![Chunk::default()];
    for segment in segments {
        if chunks.last().is_none_or(Chunk::is_full) {
            chunks.push(Chunk::default());
        }
        if let Some(last) = chunks.last_mut() {
            last.segments.push(segment);
        }
    }
    chunks
}
