//! The parameter sets of an H.264 stream that carries them among its pictures, and the configuration they make.

use std::collections::BTreeMap;

use bytes::Bytes;
use h264_reader::{
    nal::sps::{ChromaFormat, SeqParameterSet},
    rbsp::{BitReader, ByteReader},
};

use super::kept;
use crate::{
    avc::{AvcConfig, AvcConfigError},
    limits::{CONFIG_BYTES_MAX, TS_PARAMETER_SETS_MAX},
};

/// What is in force; a set replaces the one of its number.
#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    sequence: BTreeMap<u32, Bytes>,
    picture: BTreeMap<u32, Bytes>,
    is_changed: bool,
    told: Option<Bytes>,
}

impl ParameterSets {
    /// Takes a sequence parameter set, which ends the picture parameter sets that were there if it is another.
    pub(super) fn take_sps(&mut self, nal: &[u8]) {
        // Its number comes behind the profile and the level.
        let Some(number) = nal.get(4..).and_then(number) else {
            return;
        };
        if self.sequence.get(&number).is_some_and(|known| known == nal) {
            return;
        }
        if replace(&mut self.sequence, number, nal) {
            self.picture.clear();
            self.is_changed = true;
        }
    }

    pub(super) fn take_pps(&mut self, nal: &[u8]) {
        let Some(number) = nal.get(1..).and_then(number) else {
            return;
        };
        if self.picture.get(&number).is_some_and(|known| known == nal) {
            return;
        }
        self.is_changed |= replace(&mut self.picture, number, nal);
    }

    /// The configuration, if it is another than it was when last asked for.
    pub(super) fn changed(&mut self) -> Result<Option<AvcConfig>, AvcConfigError> {
        if !self.is_changed || self.sequence.is_empty() || self.picture.is_empty() {
            return Ok(None);
        }
        self.is_changed = false;
        let record = self.record().ok_or(AvcConfigError::NoParameterSets)?;
        if self.told.as_ref() == Some(&record) {
            return Ok(None);
        }
        self.told = Some(record.clone());
        AvcConfig::parse(record).map(Some)
    }

    /// The `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 section 5.3.3.1).
    fn record(&self) -> Option<Bytes> {
        let first = self.sequence.values().next()?;
        let [_, profile, compatibility, level, ..] = first.first_chunk::<4>()?;
        // Lengths of four bytes; bits that are reserved are set.
        let mut record = vec![1, *profile, *compatibility, *level, 0xff];
        for (sets, mark) in [(&self.sequence, 0xe0), (&self.picture, 0)] {
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

/// `false` when it is too long to be one. More sets than are kept begin anew.
fn replace(sets: &mut BTreeMap<u32, Bytes>, number: u32, nal: &[u8]) -> bool {
    if nal.len() > CONFIG_BYTES_MAX {
        return false;
    }
    if sets.len() >= TS_PARAMETER_SETS_MAX && !sets.contains_key(&number) {
        sets.clear();
    }
    sets.insert(number, kept(nal));
    true
}

/// An Exp-Golomb number (H.264 section 9.1) at the beginning of these bytes; none above 65,534 is a set's.
fn number(bytes: &[u8]) -> Option<u32> {
    let mut bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)));
    let zeros = bits.by_ref().take(16).take_while(|bit| *bit == 0).count();
    if zeros >= 16 {
        return None;
    }
    let mut value = 1;
    for _ in 0..zeros {
        value = value << 1 | bits.next()?;
    }
    Some(value - 1)
}
