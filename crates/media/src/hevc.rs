//! HEVC in its MP4 form: the decoder configuration record (ISO/IEC 14496-15 section 8.3.2.1) and access units.
//!
//! Reads from the first sequence parameter set what a playlist and a sample entry must say (module `sps`), and tells from the
//! NAL units of a picture whether a segment can begin there.
//!
//! A segment begins with an IDR picture (HLS authoring specification 7.4), or with a BLA picture that is followed by
//! nothing undecodable. A CRA picture does not do: the pictures that follow it in decoding order and precede it in
//! showing (RASL) need pictures from before it, so that a player that joins or switches there drops them, and segments
//! would not be independent as the playlist says. Encoders that make open groups are refused in those words.
//!
//! Parameter sets within a picture are taken out where the configuration has the very same ones: a sample entry
//! `hvc1`, which Apple's players want, has them all itself.

mod record;
mod sps;

use bytes::{Bytes, BytesMut};
use mp4_atom::{Atom, Hvcc};
use thiserror::Error;

pub(crate) use self::record::{record, set_number};
use self::sps::Sps;
use crate::{
    color::Color,
    limits::{CONFIG_BYTES_MAX, PARAMETER_SETS_MAX, PICTURE_SIDE_MAX},
    picture::{AccessUnitError, Nals, Picture, Unit, check_length},
};

/// The configuration of one HEVC track; two are equal when their bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HevcConfig {
    record: Bytes,
    hvcc: Hvcc,
    width: u16,
    height: u16,
    frame_rate_milli: Option<u32>,
    color: Option<Color>,
}

/// Why a decoder configuration record was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HevcConfigError {
    /// Longer than any real one.
    #[error("HEVC configuration of {bytes} bytes, the limit is {CONFIG_BYTES_MAX}")]
    TooLong {
        /// What it has.
        bytes: usize,
    },
    /// It is no decoder configuration record.
    #[error("HEVC configuration of {bytes} bytes is malformed")]
    Malformed {
        /// What it has.
        bytes: usize,
    },
    /// It lacks a video, sequence or picture parameter set, or has far too many.
    #[error("HEVC configuration without parameter sets, or with more than {PARAMETER_SETS_MAX}")]
    ParameterSets,
    /// The sequence parameter set cannot be read.
    #[error("HEVC sequence parameter set is malformed")]
    Sps,
    /// The picture is empty or too large.
    #[error("picture of {width}x{height}, the limit is {PICTURE_SIDE_MAX} a side")]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
}

pub(crate) const NAL_VPS: u8 = 32;
pub(crate) const NAL_SPS: u8 = 33;
pub(crate) const NAL_PPS: u8 = 34;

impl HevcConfig {
    /// Reads an `HEVCDecoderConfigurationRecord`.
    ///
    /// # Errors
    /// When it is cut short, or describes no picture that this server takes.
    pub fn parse(record: Bytes) -> Result<Self, HevcConfigError> {
        let bytes = record.len();
        if bytes > CONFIG_BYTES_MAX {
            return Err(HevcConfigError::TooLong { bytes });
        }
        let malformed = HevcConfigError::Malformed { bytes };
        let mut rest: &[u8] = &record;
        let hvcc = Hvcc::decode_body(&mut rest).map_err(|_| malformed)?;
        // lengthSizeMinusOne is 0, 1 or 3; the version is 1, though some encoders of old wrote 0.
        if !matches!(hvcc.length_size_minus_one, 0 | 1 | 3) || hvcc.configuration_version > 1 {
            return Err(malformed);
        }
        let sets: usize = hvcc.arrays.iter().map(|array| array.nalus.len()).sum();
        let first = |kind| {
            let mut arrays = hvcc.arrays.iter().filter(|a| a.nal_unit_type == kind);
            arrays.find_map(|array| array.nalus.first())
        };
        let (Some(_), Some(sps), Some(_), true) = (
            first(NAL_VPS),
            first(NAL_SPS),
            first(NAL_PPS),
            sets <= PARAMETER_SETS_MAX,
        ) else {
            return Err(HevcConfigError::ParameterSets);
        };
        let sps = Sps::parse(sps).ok_or(HevcConfigError::Sps)?;
        let side = |pixels: u32| {
            u16::try_from(pixels)
                .ok()
                .filter(|_| (1..=PICTURE_SIDE_MAX).contains(&pixels))
        };
        let (Some(width), Some(height)) = (side(sps.width), side(sps.height)) else {
            return Err(HevcConfigError::Size {
                width: sps.width,
                height: sps.height,
            });
        };
        Ok(Self {
            record,
            hvcc,
            width,
            height,
            frame_rate_milli: sps.frame_rate_milli,
            color: sps.color,
        })
    }

    /// The bytes as the publisher sent them.
    #[must_use]
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// Width of the picture shown, pixels.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Height of the picture shown, pixels.
    #[must_use]
    pub fn height(&self) -> u16 {
        self.height
    }

    /// Thousandths of a picture per second, when the encoder says so.
    #[must_use]
    pub fn frame_rate_milli(&self) -> Option<u32> {
        self.frame_rate_milli
    }

    /// Colour description, when the encoder gives one.
    #[must_use]
    pub fn color(&self) -> Option<Color> {
        self.color
    }

    /// The codec as a playlist names it (ISO/IEC 14496-15 annex E), such as `hvc1.1.6.L93.B0`.
    #[must_use]
    pub fn codec(&self) -> String {
        let hvcc = &self.hvcc;
        let space = match hvcc.general_profile_space {
            0 => "",
            1 => "A",
            2 => "B",
            _ => "C",
        };
        // "in reverse bit order, i.e. general_profile_compatibility_flag[31] as the most significant bit".
        let compatibility =
            u32::from_be_bytes(hvcc.general_profile_compatibility_flags).reverse_bits();
        let tier = if hvcc.general_tier_flag { 'H' } else { 'L' };
        // "each byte ... separated by a period, and trailing bytes that are zero may be omitted".
        let constraints = hvcc.general_constraint_indicator_flags;
        let kept = constraints
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        let constraints: String = constraints
            .iter()
            .take(kept)
            .map(|byte| format!(".{byte:X}"))
            .collect();
        let (profile, level) = (hvcc.general_profile_idc, hvcc.general_level_idc);
        format!("hvc1.{space}{profile}.{compatibility:X}.{tier}{level}{constraints}")
    }

    /// What an access unit of this track holds, and its bytes as they are kept.
    ///
    /// # Errors
    /// When a NAL unit claims more bytes than the access unit has.
    pub fn unit(&self, access_unit: Bytes) -> Result<Unit, AccessUnitError> {
        check_length(&access_unit)?;
        let prefix = self.hvcc.length_size_minus_one + 1;
        let mut picture = Picture::None;
        let mut repeats = false;
        for nal in Nals::new(&access_unit, prefix) {
            let nal = nal?.bytes;
            // H.265 table 7-1; pictures of other layers have a class of their own in the same numbers and a layer id.
            match (nal_type(nal), picture) {
                // BLA_W_RADL, BLA_N_LP, IDR_W_RADL, IDR_N_LP.
                (Some(17..=20), _) => picture = Picture::Sync,
                // BLA_W_LP and CRA_NUT.
                (Some(16 | 21), Picture::None) => picture = Picture::Open,
                (Some(0..=15 | 22..=31), Picture::None) => picture = Picture::Other,
                _ => repeats |= self.has(nal),
            }
        }
        let data = if repeats {
            self.without_repeats(&access_unit, prefix)?
        } else {
            access_unit
        };
        Ok(Unit { picture, data })
    }

    /// Whether it is a parameter set of the configuration.
    fn has(&self, nal: &[u8]) -> bool {
        let Some(kind @ NAL_VPS..=NAL_PPS) = nal_type(nal) else {
            return false;
        };
        let mut arrays = self.hvcc.arrays.iter().filter(|a| a.nal_unit_type == kind);
        arrays.any(|array| array.nalus.iter().any(|own| own == nal))
    }

    fn without_repeats(&self, unit: &Bytes, prefix: u8) -> Result<Bytes, AccessUnitError> {
        let mut kept = BytesMut::with_capacity(unit.len());
        for nal in Nals::new(unit, prefix) {
            let nal = nal?;
            if !self.has(nal.bytes) {
                let end = nal.start + usize::from(prefix) + nal.bytes.len();
                kept.extend_from_slice(unit.get(nal.start..end).unwrap_or_default());
            }
        }
        Ok(kept.freeze())
    }

    /// The record as the box library has it.
    pub(crate) fn hvcc(&self) -> &Hvcc {
        &self.hvcc
    }
}

/// `nal_unit_type` of the two byte header (H.265 section 7.3.1.2).
pub(crate) fn nal_type(nal: &[u8]) -> Option<u8> {
    nal.first().map(|byte| byte >> 1 & 0x3f)
}

#[cfg(test)]
pub(crate) mod tests;
