//! Frames of AAC out of their ADTS headers (ISO/IEC 14496-3 annex 1.A.2.2), each with its time.

use bytes::Bytes;

use super::TsError;
use crate::{
    aac::{AacConfig, AacConfigError},
    elementary::kept,
    limits::AUDIO_FRAME_BYTES_MAX,
    sample::VIDEO_TIMESCALE,
};

const HEAD_BYTES: usize = 7;
const CHECKSUM_BYTES: usize = 2;
/// Samples in a frame; ADTS knows no others.
pub(super) const FRAME_SAMPLES: u32 = 1_024;
/// Samples per second by their number in the header; the rest is reserved.
const SAMPLE_RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// One frame.
#[derive(Debug)]
pub(super) struct Frame {
    /// In ticks of the stream; none while the stream has said none.
    pub(super) at: Option<i64>,
    pub(super) data: Bytes,
    /// Its `AudioSpecificConfig`.
    record: [u8; 2],
}

/// Takes the units of a stream apart.
#[derive(Debug, Default)]
pub(super) struct Adts {
    /// A frame as far as it came: it may go on in the next unit.
    rest: Vec<u8>,
    /// When the next frame is heard.
    next: Option<i64>,
    told: Option<[u8; 2]>,
}

impl Adts {
    /// The frames that end in this unit; `at` is the time of the first one that begins in it.
    pub(super) fn take(&mut self, at: Option<i64>, unit: &[u8]) -> Result<Vec<Frame>, TsError> {
        let mut frames = Vec::new();
        let carried = self.rest.len();
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(unit);
        let mut begin = 0;
        let mut at = at;
        loop {
            let left = bytes.get(begin..).unwrap_or_default();
            let Some(head) = left.first_chunk::<HEAD_BYTES>() else {
                break;
            };
            let Some(head) = Head::parse(*head) else {
                // Not the beginning of a frame: it is further on.
                begin += 1;
                continue;
            };
            if head.frame_bytes > AUDIO_FRAME_BYTES_MAX {
                return Err(TsError::AudioFrame);
            }
            // The time is that of the first frame that begins in the unit itself.
            if begin >= carried {
                self.next = at.take().or(self.next);
            }
            let Some(frame) = left.get(..head.frame_bytes) else {
                break;
            };
            frames.push(Frame {
                at: self.next,
                data: kept(frame.get(head.head_bytes..).unwrap_or_default()),
                record: head.record,
            });
            self.next = self.next.map(|now| now.saturating_add(head.ticks));
            begin += head.frame_bytes;
        }
        self.rest = bytes.split_off(begin.min(bytes.len()));
        Ok(frames)
    }

    /// The configuration, if this frame's is another than the one before.
    pub(super) fn changed(&mut self, frame: &Frame) -> Result<Option<AacConfig>, AacConfigError> {
        if self.told == Some(frame.record) {
            return Ok(None);
        }
        self.told = Some(frame.record);
        AacConfig::parse(kept(&frame.record)).map(Some)
    }
}

/// What a frame's header says.
struct Head {
    head_bytes: usize,
    frame_bytes: usize,
    /// How long the frame lasts.
    ticks: i64,
    record: [u8; 2],
}

impl Head {
    /// `None` when these bytes do not begin a frame.
    fn parse([a, b, c, d, e, f, g]: [u8; HEAD_BYTES]) -> Option<Self> {
        // Twelve bits of ones, then the version, and a layer that is always 0.
        if a != 0xff || b & 0xf6 != 0xf0 {
            return None;
        }
        let object_type = (c >> 6) + 1;
        let rate_number = c >> 2 & 0x0f;
        let channels = (c & 1) << 2 | d >> 6;
        let frame_bytes = usize::from(d & 3) << 11 | usize::from(e) << 3 | usize::from(f >> 5);
        let has_checksum = b & 1 == 0;
        let head_bytes = HEAD_BYTES + if has_checksum { CHECKSUM_BYTES } else { 0 };
        // Several blocks behind one header have checksums of their own between them; no encoder is known to send them.
        let is_single = g & 3 == 0;
        let rate = SAMPLE_RATES.get(usize::from(rate_number))?;
        if !is_single || frame_bytes <= head_bytes {
            return None;
        }
        Some(Self {
            head_bytes,
            frame_bytes,
            ticks: i64::from(FRAME_SAMPLES) * i64::from(VIDEO_TIMESCALE) / i64::from(*rate),
            // Object type in five bits, rate in four, channels in four, and three flags that are 0.
            record: [
                object_type << 3 | rate_number >> 1,
                (rate_number & 1) << 7 | channels << 3,
            ],
        })
    }
}
