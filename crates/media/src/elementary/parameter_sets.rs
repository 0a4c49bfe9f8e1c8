//! The parameter sets of a stream that carries them among its pictures, and the configuration they make.

use std::collections::BTreeMap;

use bytes::Bytes;
use h264_reader::{
    nal::sps::{ChromaFormat, SeqParameterSet},
    rbsp::{BitReader, ByteReader},
};

use super::{VideoStream, annexb, kept};
use crate::{
    avc::{AvcConfig, AvcConfigError},
    bits::Bits,
    hevc::{self, HevcConfig, HevcConfigError},
    limits::{CONFIG_BYTES_MAX, TS_PARAMETER_SETS_MAX},
    track::{VideoConfig, VideoConfigError},
};

/// What is in force; a set replaces the one of its number.
#[derive(Debug)]
pub(crate) struct ParameterSets {
    codec: VideoStream,
    /// By the type of NAL unit they come in, and their number.
    sets: BTreeMap<u8, BTreeMap<u32, Bytes>>,
    is_changed: bool,
    told: Option<Bytes>,
}

impl ParameterSets {
    pub(crate) fn new(codec: VideoStream) -> Self {
        Self {
            codec,
            sets: BTreeMap::new(),
            is_changed: false,
            told: None,
        }
    }

    pub(crate) fn codec(&self) -> VideoStream {
        self.codec
    }

    /// Takes a set of that type. One that others are built on ends those if it is another than before.
    pub(crate) fn take(&mut self, kind: u8, nal: &[u8]) {
        let number = match (self.codec, kind) {
            // Its number comes behind the profile and the level.
            (VideoStream::Avc, annexb::AVC_SPS) => nal.get(4..).and_then(number),
            (VideoStream::Avc, _) => nal.get(1..).and_then(number),
            (VideoStream::Hevc, _) => hevc::set_number(nal),
        };
        let Some(number) = number.filter(|_| nal.len() <= CONFIG_BYTES_MAX) else {
            return;
        };
        let own = self.sets.entry(kind).or_default();
        if own.get(&number).is_some_and(|known| known == nal) {
            return;
        }
        // More sets than are kept begin anew.
        if own.len() >= TS_PARAMETER_SETS_MAX && !own.contains_key(&number) {
            own.clear();
        }
        own.insert(number, kept(nal));
        // In both codecs the types are in the order in which one set is built on another.
        self.sets.retain(|other, _| *other <= kind);
        self.is_changed = true;
    }

    /// The configuration, if it is another than it was when last asked for.
    pub(crate) fn changed(&mut self) -> Result<Option<VideoConfig>, VideoConfigError> {
        let kinds: &[u8] = match self.codec {
            VideoStream::Avc => &[annexb::AVC_SPS, annexb::AVC_PPS],
            VideoStream::Hevc => &[hevc::NAL_VPS, hevc::NAL_SPS, hevc::NAL_PPS],
        };
        if !self.is_changed || !kinds.iter().all(|kind| self.sets.contains_key(kind)) {
            return Ok(None);
        }
        self.is_changed = false;
        let record = match self.codec {
            VideoStream::Avc => self.avc_record().ok_or(AvcConfigError::NoParameterSets)?,
            VideoStream::Hevc => {
                let kinds: Vec<_> = self
                    .sets
                    .iter()
                    .map(|(kind, sets)| (*kind, sets.values().collect()))
                    .collect();
                hevc::record(&kinds).ok_or(HevcConfigError::Sps)?
            }
        };
        if self.told.as_ref() == Some(&record) {
            return Ok(None);
        }
        self.told = Some(record.clone());
        Ok(Some(match self.codec {
            VideoStream::Avc => VideoConfig::Avc(AvcConfig::parse(record)?),
            VideoStream::Hevc => VideoConfig::Hevc(HevcConfig::parse(record)?),
        }))
    }

    /// The `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 section 5.3.3.1).
    fn avc_record(&self) -> Option<Bytes> {
        let sequence = self.sets.get(&annexb::AVC_SPS)?;
        let picture = self.sets.get(&annexb::AVC_PPS)?;
        let first = sequence.values().next()?;
        let [_, profile, compatibility, level, ..] = first.first_chunk::<4>()?;
        // Lengths of four bytes; bits that are reserved are set.
        let mut record = vec![1, *profile, *compatibility, *level, 0xff];
        for (sets, mark) in [(sequence, 0xe0), (picture, 0)] {
            record.push(mark | u8::try_from(sets.len()).ok()?);
            for set in sets.values() {
                record.extend_from_slice(&u16::try_from(set.len()).ok()?.to_be_bytes());
                record.extend_from_slice(set);
            }
        }
        if matches!(profile, 100 | 110 | 122 | 144) {
            record.extend_from_slice(&extension(first)?);
        }
        Some(record.into())
    }
}

/// What the record says beside its sets for the profiles that need it.
fn extension(sps: &[u8]) -> Option<[u8; 4]> {
    let bits = BitReader::new(ByteReader::skipping_h264_header(sps));
    let chroma = SeqParameterSet::from_bits(bits).ok()?.chroma_info;
    let format = match chroma.chroma_format {
        ChromaFormat::Monochrome => 0,
        ChromaFormat::YUV420 => 1,
        ChromaFormat::YUV422 => 2,
        ChromaFormat::YUV444 => 3,
        ChromaFormat::Invalid(_) => return None,
    };
    Some([
        0xfc | format,
        0xf8 | chroma.bit_depth_luma_minus8,
        0xf8 | chroma.bit_depth_chroma_minus8,
        0,
    ])
}

/// The number at the beginning of a set's bytes.
fn number(bytes: &[u8]) -> Option<u32> {
    Bits::new(bytes).golomb()
}
