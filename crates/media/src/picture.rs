//! What a coded picture is worth: whether decoding can begin at it.
//!
//! Also takes access units of length-prefixed NAL units apart, which H.264 and HEVC have in common.

use bytes::Bytes;
use thiserror::Error;

use crate::limits::FRAME_BYTES_MAX;

/// What an access unit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// A picture at which decoding can begin, and that no later one looks past: an IDR picture, a shown key frame.
    Sync,
    /// A picture at which decoding can begin, but which pictures follow that need earlier ones: the start of an open
    /// group. No segment begins with it.
    Open,
    /// A picture that needs earlier ones.
    Other,
    /// No picture: only parameter sets or messages.
    None,
}

/// An access unit as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// What it holds.
    pub picture: Picture,
    /// Its bytes as they lie in the file.
    pub data: Bytes,
}

/// Why an access unit was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AccessUnitError {
    /// Longer than any real one.
    #[error("picture of {bytes} bytes, the limit is {FRAME_BYTES_MAX}")]
    TooLong {
        /// What it has.
        bytes: usize,
    },
    /// A NAL unit runs over the end.
    #[error("picture of {bytes} bytes with a NAL unit that is longer")]
    NalLength {
        /// What the whole has.
        bytes: usize,
    },
    /// An OBU runs over the end, or cannot be read.
    #[error("picture of {bytes} bytes with a malformed OBU")]
    Obu {
        /// What the whole has.
        bytes: usize,
    },
}

/// Refuses what is longer than any real picture.
pub(crate) fn check_length(unit: &[u8]) -> Result<(), AccessUnitError> {
    let bytes = unit.len();
    if bytes > FRAME_BYTES_MAX {
        return Err(AccessUnitError::TooLong { bytes });
    }
    Ok(())
}

/// The NAL units of an access unit, each with the place of its length field.
#[derive(Debug)]
pub(crate) struct Nals<'a> {
    unit: &'a [u8],
    at: usize,
    prefix: usize,
}

/// One NAL unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nal<'a> {
    /// Where its length field begins.
    pub(crate) start: usize,
    /// Its bytes, without the length.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Nals<'a> {
    /// NAL units behind lengths of `prefix` bytes each.
    pub(crate) fn new(unit: &'a [u8], prefix: u8) -> Self {
        Self {
            unit,
            at: 0,
            prefix: prefix.into(),
        }
    }

    fn read(&mut self) -> Option<Nal<'a>> {
        let (length, after) = self.unit.get(self.at..)?.split_at_checked(self.prefix)?;
        let length = length
            .iter()
            .fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
        let bytes = after.get(..length)?;
        let start = self.at;
        self.at += self.prefix + length;
        Some(Nal { start, bytes })
    }
}

impl<'a> Iterator for Nals<'a> {
    type Item = Result<Nal<'a>, AccessUnitError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.unit.len() {
            return None;
        }
        let bytes = self.unit.len();
        let nal = self.read().ok_or(AccessUnitError::NalLength { bytes });
        if nal.is_err() {
            self.at = bytes;
        }
        Some(nal)
    }
}
