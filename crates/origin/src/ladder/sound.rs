//! AAC made of a publisher's Opus, for players that know no other.
//!
//! A frame of AAC has 1,024 samples and a packet of Opus as many as it likes, so that what is made cannot be cut where its
//! source is. Its frames are known before they are made, though: they follow one another from a beginning that is chosen
//! here, and each is due when its source has come as far. These *places* are cut like a rendition of the publisher's own
//! (`live::cut`), at once and whatever the encoder does, and the frames that it gives back are put into them as pictures are
//! into those of their source (`live::cut::shadow`).

use std::sync::Arc;

use fanwave_live::{
    PartIndex, Position, RenditionId,
    cut::{self, Sync, shadow::Source},
};
use fanwave_media::{
    AudioConfig, AudioTrack, Sample, TrackId, Tracks,
    cmaf::{self, WriteError},
};

use super::{
    SourceCut,
    rung::{Fed, Of, Rung, SourceInit},
};

/// Samples in a frame of AAC, which are ticks of its track: both count 48,000 a second, as every track of Opus does.
const FRAME_SAMPLES: u32 = 1_024;

/// Channels that are made at most: every player takes two.
const CHANNELS_MAX: u16 = 2;

/// One rendition of AAC, and where it has come to.
#[derive(Debug)]
pub(crate) struct Sound {
    source: TrackId,
    rendition: RenditionId,
    rung: Arc<Rung>,
    init: Option<Arc<SourceInit>>,
    sequence: u32,
    /// The next place; none before the stretch has begun.
    next: Option<u64>,
    /// Where the next part belongs; none before the stretch has one.
    place: Option<Position>,
}

impl Sound {
    pub(super) fn new(source: TrackId, rendition: RenditionId, rung: Arc<Rung>) -> Self {
        Self {
            source,
            rendition,
            rung,
            init: None,
            sequence: 0,
            next: None,
            place: None,
        }
    }

    /// What it is made from.
    pub(crate) fn source(&self) -> TrackId {
        self.source
    }

    pub(crate) fn rendition(&self) -> RenditionId {
        self.rendition
    }

    /// The source is of this configuration from here on.
    pub(super) fn set_source(&mut self, tracks: &Tracks) -> Result<(), WriteError> {
        let Some(track) = tracks.audio(self.source) else {
            return Ok(());
        };
        let config = match &track.config {
            // What is left out at the beginning would move every frame that follows.
            AudioConfig::Opus(config) => AudioConfig::Opus(config.without_skip()),
            AudioConfig::Aac(_) => return Ok(()),
        };
        let channels = config.channels().min(CHANNELS_MAX);
        self.init = Some(Arc::new(SourceInit {
            bytes: cmaf::audio_init(&AudioTrack::new(config))?,
            of: Of::Sound { channels },
        }));
        Ok(())
    }

    /// The places that are due with this frame of the source, to be cut before [`Sound::handle_source`].
    pub(crate) fn due(&self, sample: &Sample) -> Vec<cut::Sample> {
        let first = self.next.or(Some(sample.decode_time).filter(|at| {
            // The encoder gives back a frame of silence before the first one, and no time is before 0.
            *at >= u64::from(FRAME_SAMPLES)
        }));
        let Some(first) = first else {
            return Vec::new();
        };
        let due = sample.end().saturating_sub(first) / u64::from(FRAME_SAMPLES);
        let place = |number: u64| cut::Sample {
            rendition: self.rendition,
            dts: first.saturating_add(number.saturating_mul(FRAME_SAMPLES.into())),
            duration: FRAME_SAMPLES,
            sync: Sync::Sync,
        };
        (0..due).map(place).collect()
    }

    /// The source has another frame, and these places are due with it.
    pub(crate) fn handle_source(
        &mut self,
        sample: &Sample,
        due: &[cut::Sample],
    ) -> Result<(), WriteError> {
        let frame = u64::from(FRAME_SAMPLES);
        let first = match (self.next, due.first()) {
            (Some(next), _) => next,
            (None, Some(first)) => first.dts,
            // The packet is shorter than a frame, and the first.
            (None, None) if sample.decode_time >= frame => sample.decode_time,
            (None, None) => return Ok(()),
        };
        self.next = Some(first.saturating_add(frame.saturating_mul(due.len() as u64)));
        let Some(init) = &self.init else {
            return Ok(());
        };
        self.sequence = self.sequence.wrapping_add(1);
        let fragment = cmaf::fragment(self.sequence, std::slice::from_ref(sample))?;
        let fed = Fed {
            source: init,
            sync: true,
            // An encoder that begins with this packet begins at the first place in it or behind.
            begins_at: first_place(first, sample.decode_time),
            fragment: &fragment,
        };
        let places = due.iter().map(|place| Source {
            decode_time: place.dts,
            duration: place.duration,
            presentation_time: place.dts,
        });
        self.rung.handle_source(&fed, places);
        Ok(())
    }

    /// This is what became of the places, at once; `begins` says where the stretch's first part belongs.
    pub(crate) fn handle_cuts(
        &mut self,
        decisions: &[cut::Decision],
        begins: impl FnOnce(RenditionId) -> Option<Position>,
    ) {
        let own = |decision: &&cut::Decision| match decision {
            cut::Decision::Part { rendition, .. } | cut::Decision::SegmentEnd { rendition } => {
                *rendition == self.rendition
            }
        };
        let own: Vec<_> = decisions.iter().filter(own).copied().collect();
        if own.is_empty() {
            return;
        }
        let Some(mut at) = self.place.or_else(|| begins(self.rendition)) else {
            return;
        };
        let cut = |decision| match decision {
            cut::Decision::Part {
                samples,
                start,
                duration,
                ..
            } => {
                let place = at;
                at.part = PartIndex(at.part.0.saturating_add(1));
                let lead = cut::shadow::Lead {
                    samples,
                    start,
                    duration,
                };
                SourceCut::Part(lead, place)
            }
            cut::Decision::SegmentEnd { .. } => {
                at = Position {
                    msn: at.msn.next(),
                    part: PartIndex(0),
                };
                SourceCut::SegmentEnd
            }
        };
        let cuts: Vec<_> = own.into_iter().map(cut).collect();
        self.place = Some(at);
        self.rung.handle_cuts(&cuts);
    }

    /// The source's timeline ends here, and goes on elsewhere, if it does.
    pub(super) fn handle_break(&mut self) {
        self.next = None;
        self.place = None;
        self.rung.handle_break();
    }
}

/// The first place at or behind `at`, of those that go on every frame before and behind `known`.
fn first_place(known: u64, at: u64) -> u64 {
    let frame = u64::from(FRAME_SAMPLES);
    match known.checked_sub(at) {
        Some(ahead) => at.saturating_add(ahead % frame),
        None => at.saturating_add((frame - (at - known) % frame) % frame),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_place_is_found_from_any_other() {
        assert_eq!(first_place(5_000, 5_000), 5_000);
        assert_eq!(first_place(5_000, 5_001), 6_024);
        assert_eq!(first_place(5_000, 6_024), 6_024);
        assert_eq!(first_place(6_024, 4_999), 5_000);
        assert_eq!(first_place(6_024, 5_001), 6_024);
    }

    proptest! {
        #[test]
        fn it_is_less_than_a_frame_behind_and_on_the_grid(
            known in 0..u64::from(u32::MAX), at in 0..u64::from(u32::MAX),
        ) {
            let found = first_place(known, at);
            prop_assert!(found >= at && found - at < 1_024);
            prop_assert_eq!(found.abs_diff(known) % 1_024, 0);
        }
    }
}
