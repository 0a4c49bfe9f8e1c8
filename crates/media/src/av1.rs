//! AV1 in its MP4 form: the configuration record (AV1 Codec ISO Media File Format Binding section 2.3) and temporal
//! units.
//!
//! Reads from the sequence header of the record what a playlist and a sample entry must say (module `sequence`), tells
//! whether a segment can begin with a temporal unit, and makes a sample of it: temporal delimiters and padding are taken
//! out (section 2.4), and where a key frame comes without the sequence header that a sync sample must have, the record's
//! is put in front.

mod sequence;

use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{Atom, Av1c};
use thiserror::Error;

use self::sequence::Sequence;
use crate::{
    color::Color,
    limits::{CONFIG_BYTES_MAX, PICTURE_SIDE_MAX},
    picture::{AccessUnitError, Picture, Unit, check_length},
};

/// The configuration of one AV1 track; two are equal when their bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Av1Config {
    record: Bytes,
    av1c: Av1c,
    sequence: Sequence,
    /// The sequence header as an OBU with its size.
    header: Bytes,
    width: u16,
    height: u16,
}

/// Why a configuration record was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Av1ConfigError {
    /// Longer than any real one.
    #[error("AV1 configuration of {bytes} bytes, the limit is {CONFIG_BYTES_MAX}")]
    TooLong {
        /// What it has.
        bytes: usize,
    },
    /// It is no configuration record.
    #[error("AV1 configuration of {bytes} bytes is malformed")]
    Malformed {
        /// What it has.
        bytes: usize,
    },
    /// It has no sequence header, or one that cannot be read or is of a single picture.
    #[error("AV1 configuration without the sequence header of a video")]
    SequenceHeader,
    /// The picture is too large.
    #[error("picture of {width}x{height}, the limit is {PICTURE_SIDE_MAX} a side")]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
}

// `obu_type` (AV1 specification section 6.2.2).
const OBU_SEQUENCE_HEADER: u8 = 1;
const OBU_TEMPORAL_DELIMITER: u8 = 2;
const OBU_FRAME_HEADER: u8 = 3;
const OBU_FRAME: u8 = 6;
const OBU_PADDING: u8 = 15;
/// `obu_has_size_field` in an OBU's first byte.
const HAS_SIZE: u8 = 0b10;
/// `obu_extension_flag` in an OBU's first byte.
const HAS_EXTENSION: u8 = 0b100;

impl Av1Config {
    /// Reads an `AV1CodecConfigurationRecord`.
    ///
    /// # Errors
    /// When it is cut short, or describes no picture that this server takes.
    pub fn parse(record: Bytes) -> Result<Self, Av1ConfigError> {
        let bytes = record.len();
        if bytes > CONFIG_BYTES_MAX {
            return Err(Av1ConfigError::TooLong { bytes });
        }
        let mut rest: &[u8] = &record;
        let av1c = Av1c::decode_body(&mut rest).map_err(|_| Av1ConfigError::Malformed { bytes })?;
        let obus = Obus::new(&av1c.config_obus).map_while(Result::ok);
        let found = obus
            .filter(|obu| obu.kind() == OBU_SEQUENCE_HEADER)
            .find_map(|obu| Some((obu.with_size(), Sequence::parse(obu.payload)?)));
        let Some((header, sequence)) = found else {
            return Err(Av1ConfigError::SequenceHeader);
        };
        let side = |pixels: u32| {
            u16::try_from(pixels)
                .ok()
                .filter(|_| (1..=PICTURE_SIDE_MAX).contains(&pixels))
        };
        let (Some(width), Some(height)) = (side(sequence.width), side(sequence.height)) else {
            return Err(Av1ConfigError::Size {
                width: sequence.width,
                height: sequence.height,
            });
        };
        Ok(Self {
            record,
            av1c,
            sequence,
            header,
            width,
            height,
        })
    }

    /// The bytes as the publisher sent them.
    #[must_use]
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// Width of the largest picture, pixels.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Height of the largest picture, pixels.
    #[must_use]
    pub fn height(&self) -> u16 {
        self.height
    }

    /// Thousandths of a picture per second, when the encoder says so.
    #[must_use]
    pub fn frame_rate_milli(&self) -> Option<u32> {
        self.sequence.frame_rate_milli
    }

    /// Colour description, when the encoder gives one.
    #[must_use]
    pub fn color(&self) -> Option<Color> {
        self.sequence.color
    }

    /// The codec as a playlist names it (AV1 Codec ISO Media File Format Binding section 5), such as `av01.0.04M.08`.
    #[must_use]
    pub fn codec(&self) -> String {
        let Sequence {
            profile,
            level,
            tier,
            bit_depth,
            ..
        } = self.sequence;
        let tier = if tier { 'H' } else { 'M' };
        format!("av01.{profile}.{level:02}{tier}.{bit_depth:02}")
    }

    /// What a temporal unit of this track holds, and its bytes as they are kept.
    ///
    /// # Errors
    /// When an OBU claims more bytes than the temporal unit has.
    pub fn unit(&self, temporal_unit: Bytes) -> Result<Unit, AccessUnitError> {
        check_length(&temporal_unit)?;
        let malformed = AccessUnitError::Obu {
            bytes: temporal_unit.len(),
        };
        let (mut picture, mut has_header, mut is_plain) = (Picture::None, false, true);
        for obu in Obus::new(&temporal_unit) {
            let obu = obu.map_err(|Malformed| malformed)?;
            match (obu.kind(), picture) {
                (OBU_SEQUENCE_HEADER, Picture::None) => has_header = true,
                (OBU_FRAME | OBU_FRAME_HEADER, Picture::None) => {
                    picture = obu.first_frame().ok_or(malformed)?;
                }
                _ => {}
            }
            is_plain &= obu.is_kept() && obu.has_size();
        }
        let wants_header = picture == Picture::Sync && !has_header;
        let data = if is_plain && !wants_header {
            temporal_unit
        } else {
            let mut kept = BytesMut::with_capacity(temporal_unit.len() + self.header.len());
            if wants_header {
                kept.extend_from_slice(&self.header);
            }
            for obu in Obus::new(&temporal_unit) {
                let obu = obu.map_err(|Malformed| malformed)?;
                if obu.is_kept() {
                    obu.write(&mut kept);
                }
            }
            kept.freeze()
        };
        Ok(Unit { picture, data })
    }

    /// The record as the box library has it.
    pub(crate) fn av1c(&self) -> &Av1c {
        &self.av1c
    }
}

/// An OBU that runs over the end or cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Malformed;

/// One open bitstream unit (AV1 specification section 5.3.1).
#[derive(Debug, Clone, Copy)]
struct Obu<'a> {
    /// `obu_header`: one byte, or two with an extension.
    header: &'a [u8],
    payload: &'a [u8],
}

impl Obu<'_> {
    fn first(&self) -> u8 {
        self.header.first().copied().unwrap_or_default()
    }

    fn kind(&self) -> u8 {
        self.first() >> 3 & 0xf
    }

    fn has_size(&self) -> bool {
        self.first() & HAS_SIZE != 0
    }

    /// "Temporal delimiter OBUs, padding OBUs ... should not be present" in a sample (section 2.4).
    fn is_kept(&self) -> bool {
        !matches!(self.kind(), OBU_TEMPORAL_DELIMITER | OBU_PADDING)
    }

    /// What the frame that begins here is worth; `None` for an empty one.
    ///
    /// `uncompressed_header` begins with `show_existing_frame`, `frame_type` of two bits, of which 0 is a key frame, and
    /// `show_frame`. A key frame that is shown later is no place to begin: what is shown before it needs others.
    fn first_frame(&self) -> Option<Picture> {
        let byte = *self.payload.first()?;
        Some(match (byte >> 7, byte >> 5 & 0b11, byte >> 4 & 1) {
            (0, 0, 1) => Picture::Sync,
            _ => Picture::Other,
        })
    }

    /// Written with its size, so that others can follow it.
    fn write(&self, out: &mut BytesMut) {
        out.put_u8(self.first() | HAS_SIZE);
        out.put_slice(self.header.get(1..).unwrap_or_default());
        let mut left = self.payload.len();
        loop {
            let low = u8::try_from(left & 0x7f).unwrap_or_default();
            left >>= 7;
            if left == 0 {
                out.put_u8(low);
                break;
            }
            out.put_u8(low | 0x80);
        }
        out.put_slice(self.payload);
    }

    fn with_size(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.payload.len() + 8);
        self.write(&mut out);
        out.freeze()
    }
}

/// OBUs one after the other; only the last may come without its size.
#[derive(Debug)]
struct Obus<'a> {
    rest: &'a [u8],
}

impl<'a> Obus<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    fn read(&mut self) -> Option<Obu<'a>> {
        let first = *self.rest.first()?;
        let header_bytes = if first & HAS_EXTENSION != 0 { 2 } else { 1 };
        let (header, after) = self.rest.split_at_checked(header_bytes)?;
        let (length, after) = if first & HAS_SIZE != 0 {
            leb128(after)?
        } else {
            (after.len(), after)
        };
        let (payload, after) = after.split_at_checked(length)?;
        self.rest = after;
        // obu_forbidden_bit
        (first & 0x80 == 0).then_some(Obu { header, payload })
    }
}

impl<'a> Iterator for Obus<'a> {
    type Item = Result<Obu<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let obu = self.read().ok_or(Malformed);
        if obu.is_err() {
            self.rest = &[];
        }
        Some(obu)
    }
}

/// A number of at most 32 bits, seven a byte from the lowest on (AV1 specification section 4.10.5), and what follows.
fn leb128(data: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, &byte) in data.iter().enumerate().take(8) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).ok()?;
            return Some((usize::try_from(value).ok()?, data.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
pub(crate) mod tests;
