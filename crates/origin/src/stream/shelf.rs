//! The bytes of one rendition, and the bandwidth they take.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use fanwave_live::{
    InitId, Media, MediaSeq, Position,
    render::{AudioGroup, Multivariant, Variant},
};
use fanwave_media::Tracks;

use super::{AUDIO, VIDEO};
use crate::playlist::Playlist;

/// The bytes of one rendition. What is on it, and for how long, is the playlist machine's decision.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) inits: BTreeMap<InitId, Bytes>,
    pub(super) segments: BTreeMap<MediaSeq, Vec<Bytes>>,
    pub(super) playlist: Option<Arc<Playlist>>,
    pub(super) rate: Rate,
}

impl Shelf {
    pub(super) fn find(&self, media: Media) -> Option<Vec<Bytes>> {
        match media {
            Media::Init(init) => self.inits.get(&init).map(|bytes| vec![bytes.clone()]),
            Media::Segment(msn) => self.segments.get(&msn).cloned(),
            Media::Part(Position { msn, part }) => {
                let index = usize::try_from(part.0).ok()?;
                self.segments
                    .get(&msn)?
                    .get(index)
                    .map(|bytes| vec![bytes.clone()])
            }
        }
    }
}

/// Measures the bandwidth that the multivariant playlist has to state.
#[derive(Debug, Default)]
pub(super) struct Rate {
    segment: Amount,
    total: Amount,
    peak: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Amount {
    bytes: u64,
    duration: Duration,
}

impl Amount {
    fn add(&mut self, bytes: usize, duration: Duration) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.duration = self.duration.saturating_add(duration);
    }

    fn bits_per_second(self) -> u64 {
        let micros = self.duration.as_micros().max(1);
        u64::try_from(u128::from(self.bytes) * 8 * 1_000_000 / micros).unwrap_or(u64::MAX)
    }
}

impl Rate {
    pub(super) fn add(&mut self, bytes: usize, duration: Duration) {
        self.segment.add(bytes, duration);
        self.total.add(bytes, duration);
    }

    pub(super) fn end_segment(&mut self) {
        self.peak = self
            .peak
            .max(std::mem::take(&mut self.segment).bits_per_second());
    }

    /// The greatest of any segment with a tenth to spare: a live peak may exceed what was stated by a quarter at most
    /// (authoring rule 9.14), and what is to come is not known.
    fn stated_peak(&self) -> u64 {
        let peak = self.peak.max(self.average());
        peak.saturating_add(peak / 10)
    }

    fn average(&self) -> u64 {
        self.total.bits_per_second()
    }
}

/// What the multivariant playlist says.
pub(super) fn multivariant(prefix: &str, tracks: &Tracks, shelves: &[Shelf]) -> Multivariant {
    let video = &tracks.video;
    let sum = |of: fn(&Rate) -> u64| {
        shelves
            .iter()
            .map(|shelf| of(&shelf.rate))
            .fold(0_u64, u64::saturating_add)
    };
    let audio_codec = tracks.audio.as_ref().map(fanwave_media::AacConfig::codec);
    let variant = Variant {
        uri: format!("{prefix}/{VIDEO}.m3u8"),
        bandwidth: sum(Rate::stated_peak),
        average_bandwidth: sum(Rate::average),
        codecs: std::iter::once(video.codec()).chain(audio_codec).collect(),
        resolution: Some((video.width().into(), video.height().into())),
        frame_rate_millihertz: video.frame_rate_milli(),
    };
    let audio = tracks.audio.as_ref().map(|audio| AudioGroup {
        uri: format!("{prefix}/{AUDIO}.m3u8"),
        name: "Audio".to_owned(),
        channels: audio.channels().into(),
    });
    Multivariant {
        variants: vec![variant],
        audio,
    }
}
