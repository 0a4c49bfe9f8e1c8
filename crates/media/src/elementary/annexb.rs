//! Pictures as they are streamed (annex B of H.264 and of H.265) into pictures as a file holds them: NAL units behind their
//! lengths.
//!
//! Parameter sets go into the configuration, where a file has them, and not into the samples; delimiters and filler are
//! left out.

use bytes::Bytes;

use super::{VideoStream, parameter_sets::ParameterSets};
use crate::hevc;

const AVC_IDR: u8 = 5;
/// Sequence and picture parameter sets of H.264.
pub(crate) const AVC_SPS: u8 = 7;
pub(crate) const AVC_PPS: u8 = 8;

/// One picture.
#[derive(Debug)]
pub(crate) struct Picture {
    /// Whether its parameter sets come into force here.
    pub(crate) begins: bool,
    /// NAL units behind lengths of four bytes.
    pub(crate) data: Bytes,
}

/// What becomes of a NAL unit.
enum Role {
    Set(u8),
    LeftOut,
    /// Of a picture at which new sets come into force.
    Begins,
    Kept,
}

fn role(codec: VideoStream, nal: &[u8]) -> Role {
    let Some(&first) = nal.first() else {
        return Role::LeftOut;
    };
    match codec {
        // H.264 table 7-1: delimiters, ends of sequences and streams, filler.
        VideoStream::Avc => match first & 0x1f {
            kind @ (AVC_SPS | AVC_PPS) => Role::Set(kind),
            9..=12 => Role::LeftOut,
            AVC_IDR => Role::Begins,
            _ => Role::Kept,
        },
        // H.265 table 7-1: the same, and pictures of random access.
        VideoStream::Hevc => match hevc::nal_type(nal) {
            Some(kind @ hevc::NAL_VPS..=hevc::NAL_PPS) => Role::Set(kind),
            Some(35..=38) => Role::LeftOut,
            Some(16..=21) => Role::Begins,
            _ => Role::Kept,
        },
    }
}

/// Takes a unit apart; what it has of parameter sets is remembered.
pub(crate) fn picture(unit: &[u8], parameter_sets: &mut ParameterSets) -> Picture {
    let mut begins = false;
    let mut data = Vec::with_capacity(unit.len());
    for nal in nals(unit) {
        match role(parameter_sets.codec(), nal) {
            Role::Set(kind) => {
                parameter_sets.take(kind, nal);
                continue;
            }
            Role::LeftOut => continue,
            Role::Begins => begins = true,
            Role::Kept => {}
        }
        // A unit is far below four gigabytes.
        let length = u32::try_from(nal.len()).unwrap_or(u32::MAX);
        data.extend_from_slice(&length.to_be_bytes());
        data.extend_from_slice(nal);
    }
    Picture {
        begins,
        data: data.into(),
    }
}

/// The NAL units between the start codes, without the zeros that may follow each.
pub(crate) fn nals(unit: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut next = start_code(unit, 0);
    std::iter::from_fn(move || {
        let begin = next? + 3;
        next = start_code(unit, begin);
        let nal = unit.get(begin..next.unwrap_or(unit.len()))?;
        let end = nal
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        Some(nal.get(..end).unwrap_or_default())
    })
}

/// Where the next `00 00 01` is.
fn start_code(unit: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match unit.get(at..)?.first_chunk()? {
            [0, 0, 1] => return Some(at),
            // The third byte tells how far the next one is at least.
            [_, _, 0] => at += 1,
            _ => at += 3,
        }
    }
}
