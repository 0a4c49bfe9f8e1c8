//! Writes down what is recorded of one stream, as its segments are stored.

use std::{collections::BTreeSet, sync::Arc};

use fanwave_live::{InitId, Kind, RenditionId};
use fanwave_vault::{
    Place, Vault, VaultError,
    recording::{self, About, Chunk, FORMAT, Happening, Rendition, Segment},
};

use super::{catalogue::Recording, init};
use crate::{
    news::{Teller, What},
    stream::{Stream, Whole},
};

#[derive(Debug)]
pub(super) struct Recorder {
    vault: Vault,
    folder: Place,
    stream: Arc<Stream>,
    recording: Arc<Recording>,
    /// The chunk that grows, and its number.
    chunk: Chunk,
    number: u32,
    /// Whether something of it is not written.
    unwritten: bool,
    about: Option<About>,
    inits: BTreeSet<(RenditionId, InitId)>,
    /// Things that happened and are in a chunk.
    happenings: usize,
    teller: Teller,
}

impl Recorder {
    pub(super) fn new(
        vault: Vault,
        stream: Arc<Stream>,
        recording: Arc<Recording>,
        teller: Teller,
    ) -> Self {
        Self {
            vault,
            folder: recording.folder().clone(),
            stream,
            number: recording.chunks(),
            recording,
            chunk: Chunk::default(),
            unwritten: false,
            about: None,
            inits: BTreeSet::new(),
            happenings: 0,
            teller,
        }
    }

    /// Has the segment's init section stored before it.
    pub(super) async fn prepare(
        &mut self,
        rendition: RenditionId,
        whole: &Whole,
    ) -> Result<(), VaultError> {
        // A full chunk is written before another entry needs its place.
        if self.chunk.is_full() {
            self.write().await?;
        }
        let section = (rendition, whole.segment.init);
        if self.inits.contains(&section) {
            return Ok(());
        }
        let mut renditions = self.stream.config().renditions();
        let spec = renditions.find(|(id, _)| *id == rendition);
        if let (Some(bytes), Some((_, spec))) = (self.stream.init(rendition, section.1), spec) {
            let place = init(&self.folder, &spec.name, section.1);
            self.vault.write(&place, vec![bytes]).await?;
            self.inits.insert(section);
        }
        Ok(())
    }

    /// Takes note of a segment: of so many bytes in the storage, or of none.
    pub(super) fn add(&mut self, rendition: RenditionId, whole: &Whole, bytes: usize) {
        let segment = &whole.segment;
        let entry = Segment {
            rendition: u8::try_from(rendition.index()).unwrap_or(u8::MAX),
            number: segment.msn.0,
            starts_at_ms: segment.starts_at.0,
            duration_us: u64::try_from(segment.duration.as_micros()).unwrap_or(u64::MAX),
            init: segment.init.0,
            discontinuities: u32::try_from(whole.discontinuities).unwrap_or(u32::MAX),
            bytes: if segment.gap { 0 } else { bytes as u64 },
        };
        self.recording.note(&entry);
        self.chunk.segments.push(entry);
        self.unwritten = true;
    }

    /// Whether something is not written down yet.
    pub(super) fn is_behind(&self) -> bool {
        let ended = self.about.as_ref().is_some_and(|about| about.ended);
        self.unwritten || (self.about.is_some() && self.stream.is_ended() && !ended)
    }

    /// Writes down what is not yet, and begins another chunk when this one is full.
    pub(super) async fn write(&mut self) -> Result<(), VaultError> {
        let news = self.stream.happenings(self.happenings);
        for range in &news {
            self.chunk.happenings.push(Happening {
                at_ms: range.start().0,
                attributes: range.to_string(),
            });
            self.happenings += 1;
        }
        let about = self.describe();
        let is_over = about.ended && self.about.as_ref().is_none_or(|known| !known.ended);
        // What there is to choose from changes with every measurement: it is written with each chunk, and at the end.
        let is_new = self.about.as_ref().is_none_or(|known| {
            self.chunk.is_full()
                || known.ended != about.ended
                || !is_alike(&known.multivariant, &about.multivariant)
        });
        if is_new {
            recording::write_about(&self.vault, &self.folder, &about).await?;
            self.about = Some(about);
        }
        recording::write_chunk(&self.vault, &self.folder, self.number, &self.chunk).await?;
        self.unwritten = false;
        if self.chunk.is_full() {
            self.chunk = Chunk::default();
            self.number += 1;
        }
        self.recording.written(self.number, self.stream.is_ended());
        if is_over {
            let recording = self.recording.id().into();
            let ready = What::RecordingReady { recording };
            self.teller.tell(self.recording.channel(), ready, 0);
        }
        Ok(())
    }

    fn describe(&self) -> About {
        let config = self.stream.config();
        let renditions = config.renditions().map(|(_, spec)| Rendition {
            name: spec.name.to_string(),
            audio: spec.kind == Kind::Audio,
        });
        About {
            format: FORMAT,
            channel: self.recording.channel().to_string(),
            prefix: self.stream.folder().to_owned(),
            since_ms: self.stream.since().0,
            ended: self.stream.is_ended(),
            target_duration_s: u32::try_from(config.target_duration().as_secs())
                .unwrap_or(u32::MAX),
            renditions: renditions.collect(),
            multivariant: self.stream.choices(),
            // The one that grows is written after this.
            chunks: self
                .stream
                .is_ended()
                .then_some(self.number.saturating_add(1)),
            clip: None,
        }
    }
}

/// Whether two multivariant playlists offer the same, whatever they say of its bandwidth.
fn is_alike(a: &str, b: &str) -> bool {
    a.lines()
        .filter(|line| !line.starts_with("#EXT-X-STREAM-INF"))
        .eq(b
            .lines()
            .filter(|line| !line.starts_with("#EXT-X-STREAM-INF")))
}
