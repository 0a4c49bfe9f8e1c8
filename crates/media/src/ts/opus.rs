//! Packets of Opus out of a transport stream (as ffmpeg and `GStreamer` write them), each with its time.
//!
//! Each packet has a control header in front: eleven bits that mark it, flags for what is to be trimmed, and its length.
//! Trimming is left to whoever plays: only the first and the last packet of a stream are trimmed.

use bytes::Bytes;

use crate::{
    elementary::kept,
    limits::AUDIO_FRAME_BYTES_MAX,
    opus::{OPUS_SAMPLE_RATE, OpusConfig},
    sample::VIDEO_TIMESCALE,
};

const START_TRIM: u8 = 0x10;
const END_TRIM: u8 = 0x08;
const EXTENSION: u8 = 0x04;

/// One packet.
#[derive(Debug)]
pub(super) struct Frame {
    /// In ticks of the stream; none while the stream has said none.
    pub(super) at: Option<i64>,
    pub(super) data: Bytes,
}

/// Takes the units of a stream apart.
#[derive(Debug)]
pub(super) struct Opus {
    config: OpusConfig,
    is_told: bool,
    /// When the next packet is heard.
    next: Option<i64>,
}

impl Opus {
    /// A stream of one to eight channels; `None` for any other number.
    pub(super) fn new(channels: u8) -> Option<Self> {
        Some(Self {
            config: OpusConfig::of_channels(channels)?,
            is_told: false,
            next: None,
        })
    }

    /// The configuration, when it is asked for first.
    pub(super) fn untold(&mut self) -> Option<OpusConfig> {
        (!std::mem::replace(&mut self.is_told, true)).then(|| self.config.clone())
    }

    /// The packets of this unit; `at` is the time of the first. What is behind a broken one is left out.
    pub(super) fn take(&mut self, at: Option<i64>, unit: &[u8]) -> Vec<Frame> {
        self.next = at.or(self.next);
        let mut frames = Vec::new();
        let mut rest = unit;
        while let Some((packet, after)) = packet(rest) {
            rest = after;
            let Ok(samples) = self.config.packet_samples(packet) else {
                break;
            };
            frames.push(Frame {
                at: self.next,
                data: kept(packet),
            });
            // Packets last some number of 120 samples, which are 225 ticks.
            let ticks =
                i64::from(samples) * i64::from(VIDEO_TIMESCALE) / i64::from(OPUS_SAMPLE_RATE);
            self.next = self.next.map(|now| now.saturating_add(ticks));
        }
        frames
    }
}

/// The packet at the beginning of these bytes, and what is behind it.
fn packet(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[mark, flags], mut rest) = bytes.split_first_chunk::<2>()?;
    if mark != 0x7f || flags & 0xe0 != 0xe0 {
        return None;
    }
    let mut length = 0_usize;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        length += usize::from(byte);
        if length > AUDIO_FRAME_BYTES_MAX {
            return None;
        }
        if byte != u8::MAX {
            break;
        }
    }
    for flag in [START_TRIM, END_TRIM] {
        if flags & flag != 0 {
            rest = rest.get(2..)?;
        }
    }
    if flags & EXTENSION != 0 {
        let (&bytes, after) = rest.split_first()?;
        rest = after.get(usize::from(bytes)..)?;
    }
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 20 ms of one frame each.
    const TOC: u8 = 0xfc;

    #[test]
    fn packets_follow_one_another_in_time() {
        let long = [&[TOC][..], &[7; 299]].concat();
        let unit = [
            // Trimmed at its beginning, and three bytes long.
            &[0x7f, 0xf0, 3, 0, 120, TOC, 1, 2][..],
            // 255 and 45 bytes, behind an extension of two.
            &[0x7f, 0xe4, 255, 45, 2, 9, 9],
            &long,
            // No packet.
            &[0x12, 0x34],
        ]
        .concat();
        let mut opus = Opus::new(2).unwrap();
        let frames = opus.take(Some(500), &unit);
        let read: Vec<_> = frames.iter().map(|f| (f.at, f.data.to_vec())).collect();
        assert_eq!(read, [(Some(500), vec![TOC, 1, 2]), (Some(2_300), long)]);
        let next = opus.take(None, &[0x7f, 0xe0, 1, TOC]);
        assert_eq!(next[0].at, Some(4_100));
        assert_eq!(opus.untold().unwrap().channels(), 2);
        assert_eq!(opus.untold(), None);
    }

    #[test]
    fn layouts_have_one_to_eight_channels() {
        for channels in 1..=8 {
            let config = Opus::new(channels).unwrap().untold().unwrap();
            assert_eq!(config.channels(), u16::from(channels));
        }
        assert!(Opus::new(0).is_none() && Opus::new(9).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart(mut unit in proptest::collection::vec(any::<u8>(), 0..200), marked in any::<bool>()) {
            if marked {
                unit.splice(0..0, [0x7f, 0xe0]);
            }
            let taken = Opus::new(2).unwrap().take(Some(0), &unit);
            prop_assert!(taken.iter().map(|f| f.data.len()).sum::<usize>() <= unit.len());
        }
    }
}
