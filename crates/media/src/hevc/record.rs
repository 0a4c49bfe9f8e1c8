//! The decoder configuration record out of parameter sets, for streams that carry those among their pictures.

use bytes::Bytes;

use super::{NAL_PPS, NAL_SPS, NAL_VPS, nal_type, sps::Sps};
use crate::bits::{Bits, unescaped};

/// `nal_unit_header`.
const HEADER_BYTES: usize = 2;
/// The profile, its flags and the level in `profile_tier_level`: the record has them as they are.
const PROFILE_BYTES: usize = 12;
/// A depth has three bits in the record.
const DEPTH_MAX: u32 = 7;

/// The number by which pictures and other sets name this parameter set; `None` when it is none, or broken.
pub(crate) fn set_number(nal: &[u8]) -> Option<u32> {
    let payload = nal.get(HEADER_BYTES..)?;
    match nal_type(nal)? {
        NAL_VPS => payload.first().map(|byte| u32::from(byte >> 4)),
        NAL_SPS => Sps::parse(nal).map(|sps| sps.number),
        NAL_PPS => Bits::new(payload).golomb(),
        _ => None,
    }
}

/// The `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15 section 8.3.3.1) of these parameter sets of each kind, whose first
/// sequence parameter set speaks for all; lengths have four bytes. `None` when a kind is missing or cannot be told of.
pub(crate) fn record(kinds: &[(u8, Vec<&Bytes>)]) -> Option<Bytes> {
    let of_kind = |kind| kinds.iter().find(|(of, _)| *of == kind);
    let first = *of_kind(NAL_SPS)?.1.first()?;
    let sps = Sps::parse(first)?;
    let payload = unescaped(first.get(HEADER_BYTES..)?);
    let (&layers, rest) = payload.split_first()?;
    let profile = rest.get(..PROFILE_BYTES)?;
    let byte = |value: u32| u8::try_from(value).ok();
    let (luma, chroma) = sps
        .depths
        .filter(|(luma, chroma)| *luma <= DEPTH_MAX && *chroma <= DEPTH_MAX)?;
    // sps_max_sub_layers_minus1 and sps_temporal_id_nesting_flag lie side by side in the set.
    let (sub_layers, nesting) = (layers >> 1 & 7, layers & 1);
    let mut record = vec![1];
    record.extend_from_slice(profile);
    // Neither segmentation nor parallelism is told; bits that are reserved are set.
    record.extend_from_slice(&[0xf0, 0, 0xfc]);
    record.extend_from_slice(&[
        0xfc | byte(sps.chroma)?,
        0xf8 | byte(luma)?,
        0xf8 | byte(chroma)?,
    ]);
    // No average rate of pictures; then the layers, and lengths of four bytes.
    record.extend_from_slice(&[0, 0, (sub_layers + 1) << 3 | nesting << 2 | 3]);
    record.push(u8::try_from(kinds.len()).ok()?);
    for (kind, sets) in kinds {
        // All sets of the kind are here, and none among the pictures.
        record.push(0x80 | kind);
        record.extend_from_slice(&u16::try_from(sets.len()).ok()?.to_be_bytes());
        for set in sets {
            record.extend_from_slice(&u16::try_from(set.len()).ok()?.to_be_bytes());
            record.extend_from_slice(set);
        }
    }
    Some(record.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hevc::{HevcConfig, tests::RECORD};

    #[test]
    fn a_record_is_made_of_the_sets_of_another() {
        let given = HevcConfig::parse(Bytes::from_static(RECORD)).unwrap();
        let sets: Vec<(u8, Vec<Bytes>)> = given
            .hvcc()
            .arrays
            .iter()
            .map(|array| {
                let sets = array.nalus.iter().map(|set| Bytes::copy_from_slice(set));
                (array.nal_unit_type, sets.collect())
            })
            .collect();
        let kinds: Vec<(u8, Vec<&Bytes>)> = sets
            .iter()
            .map(|(kind, sets)| (*kind, sets.iter().collect()))
            .collect();
        let made = HevcConfig::parse(record(&kinds).unwrap()).unwrap();
        assert_eq!(made.codec(), given.codec());
        assert_eq!((made.width(), made.height()), (320, 180));
        assert_eq!(
            made.hvcc().chroma_format_idc,
            given.hvcc().chroma_format_idc
        );
        assert_eq!(
            made.hvcc().bit_depth_luma_minus8,
            given.hvcc().bit_depth_luma_minus8
        );
        for (_, sets) in &sets {
            assert_eq!(set_number(&sets[0]), Some(0));
        }
        assert_eq!(record(&kinds[..1]), None);
    }
}
