//! H.264 in its MP4 form: the decoder configuration record (ISO/IEC 14496-15 section 5.3.3.1) and access units.
//!
//! Reads from the first sequence parameter set what a playlist and a sample entry must say (size, frame rate), and tells
//! from the NAL units of a picture whether a player can begin there. The frame type that FLV claims is not believed:
//! encoders call any intra picture a keyframe, but only an IDR picture cuts all references (segments begin with one,
//! HLS authoring specification 7.4).

use bytes::Bytes;
use h264_reader::{
    nal::sps::SeqParameterSet,
    rbsp::{BitReader, ByteReader},
};
use mp4_atom::{Atom, Avcc};
use thiserror::Error;

use crate::{
    limits::{CONFIG_BYTES_MAX, FRAME_RATE_MILLI_MAX, PICTURE_SIDE_MAX},
    picture::{AccessUnitError, Nals, Picture, Unit, check_length},
};

/// The configuration of one H.264 track; two are equal when their bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvcConfig {
    record: Bytes,
    avcc: Avcc,
    width: u16,
    height: u16,
    frame_rate_milli: Option<u32>,
}

/// Why a decoder configuration record was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AvcConfigError {
    /// Longer than any real one.
    #[error("H.264 configuration of {bytes} bytes, the limit is {CONFIG_BYTES_MAX}")]
    TooLong {
        /// What it has.
        bytes: usize,
    },
    /// It is no decoder configuration record.
    #[error("H.264 configuration of {bytes} bytes is malformed")]
    Malformed {
        /// What it has.
        bytes: usize,
    },
    /// It names no sequence or no picture parameter set.
    #[error("H.264 configuration without parameter sets")]
    NoParameterSets,
    /// The sequence parameter set cannot be read.
    #[error("H.264 sequence parameter set is malformed")]
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

impl AvcConfig {
    /// Reads an `AVCDecoderConfigurationRecord`.
    ///
    /// # Errors
    /// When it is cut short, or describes no picture that this server takes.
    pub fn parse(record: Bytes) -> Result<Self, AvcConfigError> {
        let bytes = record.len();
        if bytes > CONFIG_BYTES_MAX {
            return Err(AvcConfigError::TooLong { bytes });
        }
        let mut rest: &[u8] = &record;
        let avcc = Avcc::decode_body(&mut rest).map_err(|_| AvcConfigError::Malformed { bytes })?;
        // ISO/IEC 14496-15: lengthSizeMinusOne is 0, 1 or 3.
        if !matches!(avcc.length_size, 1 | 2 | 4) {
            return Err(AvcConfigError::Malformed { bytes });
        }
        let (Some(sps), Some(_)) = (
            avcc.sequence_parameter_sets.first(),
            avcc.picture_parameter_sets.first(),
        ) else {
            return Err(AvcConfigError::NoParameterSets);
        };
        let bits = BitReader::new(ByteReader::skipping_h264_header(sps.as_slice()));
        let sps = SeqParameterSet::from_bits(bits).map_err(|_| AvcConfigError::Sps)?;
        let (width, height) = sps.pixel_dimensions().map_err(|_| AvcConfigError::Sps)?;
        let side = |pixels: u32| {
            (1..=PICTURE_SIDE_MAX)
                .contains(&pixels)
                .then(|| u16::try_from(pixels).ok())
                .flatten()
        };
        let (Some(w), Some(h)) = (side(width), side(height)) else {
            return Err(AvcConfigError::Size { width, height });
        };
        Ok(Self {
            record,
            avcc,
            width: w,
            height: h,
            frame_rate_milli: frame_rate_milli(&sps),
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

    /// The codec as a playlist names it (RFC 6381), such as `avc1.64001f`.
    #[must_use]
    pub fn codec(&self) -> String {
        let Avcc {
            avc_profile_indication,
            profile_compatibility,
            avc_level_indication,
            ..
        } = self.avcc;
        format!(
            "avc1.{avc_profile_indication:02x}{profile_compatibility:02x}{avc_level_indication:02x}"
        )
    }

    /// What an access unit of this track holds; its bytes are kept as they are.
    ///
    /// # Errors
    /// When a NAL unit claims more bytes than the access unit has.
    pub fn unit(&self, access_unit: Bytes) -> Result<Unit, AccessUnitError> {
        check_length(&access_unit)?;
        let mut picture = Picture::None;
        for nal in Nals::new(&access_unit, self.avcc.length_size) {
            // The low five bits of a NAL unit's first byte are its type (H.264 section 7.4.1): 1 to 4 are slices of
            // pictures that need others, 5 is a slice of an IDR picture.
            match nal?.bytes.first().map(|byte| byte & 0x1f) {
                Some(5) => {
                    picture = Picture::Sync;
                    break;
                }
                Some(1..=4) => picture = Picture::Other,
                _ => {}
            }
        }
        Ok(Unit {
            picture,
            data: access_unit,
        })
    }

    /// The record as the box library has it.
    pub(crate) fn avcc(&self) -> &Avcc {
        &self.avcc
    }
}

/// A tick of the VUI timing is a field, two of them make a frame (H.264 annex E.2.1).
fn frame_rate_milli(sps: &SeqParameterSet) -> Option<u32> {
    let timing = sps.vui_parameters.as_ref()?.timing_info.as_ref()?;
    let milli =
        (u64::from(timing.time_scale) * 500).checked_div(u64::from(timing.num_units_in_tick))?;
    u32::try_from(milli)
        .ok()
        .filter(|rate| (1..=FRAME_RATE_MILLI_MAX).contains(rate))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 1280x720 at 30 frames per second, High profile level 3.1, as x264 writes it.
    pub(crate) const RECORD: &[u8] = &[
        0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40,
        0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0,
        0xf1, 0x83, 0x19, 0x60, 0x01, 0x00, 0x04, 0x68, 0xef, 0x8f, 0xcb, 0xfd, 0xf8, 0xf8, 0x00,
    ];

    pub(crate) fn config() -> AvcConfig {
        AvcConfig::parse(Bytes::from_static(RECORD)).unwrap()
    }

    #[test]
    fn a_record_names_size_rate_and_codec() {
        let config = config();
        assert_eq!((config.width(), config.height()), (1_280, 720));
        assert_eq!(config.frame_rate_milli(), Some(30_000));
        assert_eq!(config.codec(), "avc1.64001f");
    }

    #[test]
    fn broken_records_are_errors() {
        let parse = |bytes: &[u8]| AvcConfig::parse(Bytes::copy_from_slice(bytes));
        assert_eq!(parse(&[]), Err(AvcConfigError::Malformed { bytes: 0 }));
        assert_eq!(
            parse(&RECORD[..20]),
            Err(AvcConfigError::Malformed { bytes: 20 })
        );
        assert_eq!(
            parse(&[1, 0x64, 0, 0x1f, 0xff, 0xe0, 0]),
            Err(AvcConfigError::NoParameterSets)
        );
        assert_eq!(
            parse(&[1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 1, 0x67, 1, 0, 1, 0x68]),
            Err(AvcConfigError::Sps)
        );
        // Lengths of three bytes are reserved.
        let mut three = RECORD.to_vec();
        three[4] = 0xfe;
        assert_eq!(
            parse(&three),
            Err(AvcConfigError::Malformed { bytes: three.len() })
        );
    }

    fn picture(unit: &[u8]) -> Result<Picture, AccessUnitError> {
        let unit = Bytes::copy_from_slice(unit);
        let taken = config().unit(unit.clone())?;
        assert_eq!(taken.data, unit);
        Ok(taken.picture)
    }

    #[test]
    fn only_an_idr_slice_makes_a_starting_point() {
        let unit = |types: &[u8]| {
            types
                .iter()
                .flat_map(|&t| [0, 0, 0, 2, t, 0x80])
                .collect::<Vec<_>>()
        };
        assert_eq!(picture(&unit(&[9, 6, 0x65])), Ok(Picture::Sync));
        assert_eq!(picture(&unit(&[9, 6, 0x41])), Ok(Picture::Other));
        assert_eq!(picture(&unit(&[7, 8, 6])), Ok(Picture::None));
        assert_eq!(picture(&[0, 0, 0, 0]), Ok(Picture::None));
        assert_eq!(
            picture(&[0, 0, 0]),
            Err(AccessUnitError::NalLength { bytes: 3 })
        );
        assert_eq!(
            picture(&[0xff, 0xff, 0xff, 0xff, 0x65]),
            Err(AccessUnitError::NalLength { bytes: 5 })
        );
    }

    proptest! {
        #[test]
        fn mutated_records_never_panic(at in 0..RECORD.len(), value in any::<u8>(), cut in 0..=RECORD.len()) {
            let mut bytes = RECORD.to_vec();
            bytes[at] = value;
            bytes.truncate(cut);
            if let Ok(config) = AvcConfig::parse(bytes.into()) {
                prop_assert!(u32::from(config.width()) <= PICTURE_SIDE_MAX && config.width() > 0);
                prop_assert!(u32::from(config.height()) <= PICTURE_SIDE_MAX && config.height() > 0);
            }
        }

        #[test]
        fn arbitrary_access_units_never_panic(unit in proptest::collection::vec(any::<u8>(), 0..64)) {
            // A unit of 64 bytes is never too long, and the only other refusal names its length.
            let answer = picture(&unit);
            let refusal = AccessUnitError::NalLength { bytes: unit.len() };
            prop_assert!(answer.is_ok() || answer == Err(refusal));
        }
    }
}
