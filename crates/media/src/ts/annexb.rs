//! Pictures as they are streamed (H.264 annex B) into pictures as a file holds them: NAL units behind their lengths.
//!
//! Parameter sets go into the configuration, where a file has them, and not into the samples; delimiters and filler are
//! left out.

use bytes::Bytes;

use super::parameter_sets::ParameterSets;

const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const END_OF_SEQUENCE: u8 = 10;
const END_OF_STREAM: u8 = 11;
const FILLER: u8 = 12;

/// One picture.
#[derive(Debug)]
pub(super) struct Picture {
    /// Whether decoding can begin here.
    pub(super) sync: bool,
    /// NAL units behind lengths of four bytes.
    pub(super) data: Bytes,
}

/// Takes a unit apart; what it has of parameter sets is remembered.
pub(super) fn picture(unit: &[u8], parameter_sets: &mut ParameterSets) -> Picture {
    let mut sync = false;
    let mut data = Vec::with_capacity(unit.len());
    for nal in nals(unit) {
        let Some(first) = nal.first() else { continue };
        match first & 0x1f {
            SPS => parameter_sets.take_sps(nal),
            PPS => parameter_sets.take_pps(nal),
            DELIMITER | END_OF_SEQUENCE | END_OF_STREAM | FILLER => {}
            kind => {
                sync |= kind == IDR;
                // A unit is far below four gigabytes.
                let length = u32::try_from(nal.len()).unwrap_or(u32::MAX);
                data.extend_from_slice(&length.to_be_bytes());
                data.extend_from_slice(nal);
            }
        }
    }
    Picture {
        sync,
        data: data.into(),
    }
}

/// The NAL units between the start codes, without the zeros that may follow each.
pub(super) fn nals(unit: &[u8]) -> impl Iterator<Item = &[u8]> {
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
