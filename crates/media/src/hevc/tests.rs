//! Configurations and pictures of HEVC.

use super::*;
use crate::{bits::tests::pack, color::Range};
use proptest::prelude::*;

/// 320x180 at 30 frames per second, Main profile level 2, as x265 writes it.
pub(crate) const RECORD: &[u8] = &[
    0x01, 0x01, 0x60, 0x00, 0x00, 0x00, 0x90, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3c, 0xf0, 0x00, 0xfc,
    0xfd, 0xf8, 0xf8, 0x00, 0x00, 0x0f, 0x03, 0x20, 0x00, 0x01, 0x00, 0x18, 0x40, 0x01, 0x0c, 0x01,
    0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
    0x3c, 0x95, 0x90, 0x09, 0x21, 0x00, 0x01, 0x00, 0x2b, 0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00,
    0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0xa0, 0x0a, 0x08, 0x0c, 0x1f,
    0x3e, 0x59, 0x59, 0x12, 0x93, 0x0b, 0xc0, 0x5a, 0x02, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00,
    0x03, 0x00, 0x3c, 0x10, 0x22, 0x00, 0x01, 0x00, 0x06, 0x44, 0x01, 0xc0, 0x73, 0xc1, 0x89,
];

/// 320x180 at 25 frames per second, Main 10 with the primaries and matrix of BT.2020 and the transfer of PQ.
const PQ: &[u8] = &[
    0x01, 0x02, 0x20, 0x00, 0x00, 0x00, 0x90, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3c, 0xf0, 0x00, 0xfc,
    0xfd, 0xfa, 0xfa, 0x00, 0x00, 0x0f, 0x03, 0x20, 0x00, 0x01, 0x00, 0x18, 0x40, 0x01, 0x0c, 0x01,
    0xff, 0xff, 0x02, 0x20, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
    0x3c, 0x95, 0x94, 0x09, 0x21, 0x00, 0x01, 0x00, 0x2e, 0x42, 0x01, 0x01, 0x02, 0x20, 0x00, 0x00,
    0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0xa0, 0x0a, 0x08, 0x0c, 0x1f,
    0x3b, 0x65, 0x95, 0x95, 0x29, 0x30, 0xbc, 0x05, 0xa8, 0x48, 0x80, 0x48, 0x20, 0x00, 0x00, 0x03,
    0x00, 0x20, 0x00, 0x00, 0x03, 0x03, 0x21, 0x22, 0x00, 0x01, 0x00, 0x06, 0x44, 0x01, 0xc0, 0x73,
    0xc1, 0x89,
];

fn parse(record: &[u8]) -> Result<HevcConfig, HevcConfigError> {
    HevcConfig::parse(Bytes::copy_from_slice(record))
}

/// A NAL unit of this type behind a length of four bytes.
fn nal(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 2).unwrap().to_be_bytes();
    [&length[..], &[kind << 1, 1], payload].concat()
}

fn picture(kinds: &[u8]) -> Result<Picture, AccessUnitError> {
    let unit: Vec<_> = kinds.iter().flat_map(|&kind| nal(kind, &[0x80])).collect();
    let unit = Bytes::from(unit);
    let taken = parse(RECORD).unwrap().unit(unit.clone())?;
    assert_eq!(taken.data, unit);
    Ok(taken.picture)
}

#[test]
fn a_record_names_size_rate_and_codec() {
    let config = parse(RECORD).unwrap();
    assert_eq!((config.width(), config.height()), (320, 180));
    assert_eq!(config.frame_rate_milli(), Some(30_000));
    assert_eq!(config.codec(), "hvc1.1.6.L60.90");
    assert_eq!(config.color(), None);
}

#[test]
fn a_record_names_its_color() {
    let config = parse(PQ).unwrap();
    assert_eq!((config.width(), config.height()), (320, 180));
    assert_eq!(config.frame_rate_milli(), Some(25_000));
    assert_eq!(config.codec(), "hvc1.2.4.L60.90");
    let color = config.color().unwrap();
    assert_eq!((color.primaries, color.transfer, color.matrix), (9, 16, 9));
    assert_eq!(color.range(), Range::Pq);
}

#[test]
fn the_codec_is_written_as_the_annex_says() {
    let codec = |change: fn(&mut Hvcc)| {
        let mut config = parse(RECORD).unwrap();
        change(&mut config.hvcc);
        config.codec()
    };
    // The example of the annex, and one of a profile space and tier that nobody uses.
    assert_eq!(
        codec(|hvcc| {
            hvcc.general_level_idc = 93;
            hvcc.general_constraint_indicator_flags = [0xb0, 0, 0, 0, 0, 0];
        }),
        "hvc1.1.6.L93.B0"
    );
    assert_eq!(
        codec(|hvcc| {
            hvcc.general_profile_space = 1;
            hvcc.general_tier_flag = true;
            hvcc.general_profile_compatibility_flags = [0, 0, 0, 0];
            hvcc.general_constraint_indicator_flags = [0x90, 0, 0x0f, 0, 0, 0];
        }),
        "hvc1.A1.0.H60.90.0.F"
    );
    assert_eq!(
        codec(|hvcc| hvcc.general_constraint_indicator_flags = [0; 6]),
        "hvc1.1.6.L60"
    );
}

#[test]
fn broken_records_are_errors() {
    assert_eq!(parse(&[]), Err(HevcConfigError::Malformed { bytes: 0 }));
    assert_eq!(
        parse(&RECORD[..40]),
        Err(HevcConfigError::Malformed { bytes: 40 })
    );
    // Of three arrays, none; then a length of three bytes, and a version to come.
    let mut none = RECORD[..23].to_vec();
    none[22] = 0;
    assert_eq!(parse(&none), Err(HevcConfigError::ParameterSets));
    for (at, value) in [(21, 0x0e), (0, 2)] {
        let mut changed = RECORD.to_vec();
        changed[at] = value;
        let bytes = changed.len();
        assert_eq!(parse(&changed), Err(HevcConfigError::Malformed { bytes }));
    }
    let many = {
        let mut record = RECORD[..23].to_vec();
        let sets = u8::try_from(PARAMETER_SETS_MAX).unwrap();
        for (kind, count) in [(NAL_VPS, 1), (NAL_SPS, 1), (NAL_PPS, sets)] {
            record.extend_from_slice(&[kind, 0, count]);
            record.extend_from_slice(&[0, 0].repeat(count.into()));
        }
        record
    };
    assert_eq!(parse(&many), Err(HevcConfigError::ParameterSets));
    let long = Bytes::from(vec![0; CONFIG_BYTES_MAX + 1]);
    assert_eq!(
        HevcConfig::parse(long),
        Err(HevcConfigError::TooLong {
            bytes: CONFIG_BYTES_MAX + 1
        })
    );
}

/// A sequence parameter set of this size in 4:2:0, cut at the edges by so many pairs of pixels.
fn sps(width: u32, height: u32, cut: u32) -> Vec<u8> {
    let golomb = |value: u32| {
        let digits = format!("{:b}", u64::from(value) + 1);
        format!("{}{digits}", "0".repeat(digits.len() - 1))
    };
    let mut bits = format!("0000 000 1 {:088b} {:08b}", 0, 60);
    for value in [0, 1, width, height] {
        bits.push_str(&golomb(value));
    }
    bits.push('1');
    for _ in 0..4 {
        bits.push_str(&golomb(cut));
    }
    [vec![NAL_SPS << 1, 1], pack(&bits)].concat()
}

#[test]
fn the_size_is_what_is_left_and_never_less_than_nothing() {
    let size = |width, height, cut| {
        // Escapes are where the zeros of the profile are.
        let escaped = sps(width, height, cut);
        Sps::parse(&escaped).map(|sps| (sps.width, sps.height))
    };
    assert_eq!(size(1_920, 1_088, 2), Some((1_912, 1_080)));
    assert_eq!(size(8, 8, 2), Some((0, 0)));
    assert_eq!(size(8, 8, 3), None);
    assert_eq!(size(8, 8, u32::MAX - 1), None);
    assert_eq!(
        size(u32::MAX - 1, u32::MAX - 1, 0),
        Some((u32::MAX - 1, u32::MAX - 1))
    );
}

#[test]
fn a_segment_begins_with_a_closed_group() {
    // An access unit delimiter, then a slice.
    for kind in [17, 18, 19, 20] {
        assert_eq!(picture(&[35, kind]), Ok(Picture::Sync), "{kind}");
    }
    for kind in [16, 21] {
        assert_eq!(picture(&[35, kind]), Ok(Picture::Open), "{kind}");
    }
    for kind in [0, 1, 8, 9, 22, 31] {
        assert_eq!(picture(&[35, kind, 39]), Ok(Picture::Other), "{kind}");
    }
    assert_eq!(picture(&[35, 39]), Ok(Picture::None));
    assert_eq!(picture(&[]), Ok(Picture::None));
    let config = parse(RECORD).unwrap();
    assert_eq!(
        config.unit(Bytes::from_static(&[0, 0, 0, 9, 40])),
        Err(AccessUnitError::NalLength { bytes: 5 })
    );
}

#[test]
fn parameter_sets_that_the_configuration_has_are_taken_out() {
    let config = parse(RECORD).unwrap();
    let own = |kind: u8| {
        let mut arrays = config.hvcc.arrays.iter();
        let set = &arrays.find(|a| a.nal_unit_type == kind).unwrap().nalus[0];
        let length = u32::try_from(set.len()).unwrap().to_be_bytes();
        [&length[..], set].concat()
    };
    // One of the same kind but other bytes stays: a decoder may need it.
    let other = nal(NAL_PPS, &[1, 2, 3]);
    let slice = nal(19, &[0x80, 0x00]);
    let unit = [
        own(NAL_VPS),
        own(NAL_SPS),
        own(NAL_PPS),
        other.clone(),
        slice.clone(),
    ];
    let taken = config.unit(unit.concat().into()).unwrap();
    assert_eq!(taken.picture, Picture::Sync);
    assert_eq!(taken.data, [other, slice].concat());
}

proptest! {
    #[test]
    fn mutated_records_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in 0..=PQ.len(),
    ) {
        let mut bytes = PQ.to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut);
        if let Ok(config) = parse(&bytes) {
            prop_assert!((1..=PICTURE_SIDE_MAX).contains(&config.width().into()));
            prop_assert!((1..=PICTURE_SIDE_MAX).contains(&config.height().into()));
            prop_assert!(config.codec().starts_with("hvc1."));
        }
    }

    #[test]
    fn arbitrary_parameter_sets_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(sps) = Sps::parse(&bytes) {
            prop_assert!(sps.frame_rate_milli.is_none_or(|rate| rate > 0));
        }
    }

    #[test]
    fn arbitrary_access_units_never_panic(unit in proptest::collection::vec(any::<u8>(), 0..64)) {
        let answer = parse(RECORD).unwrap().unit(unit.clone().into());
        let refusal = AccessUnitError::NalLength { bytes: unit.len() };
        prop_assert!(answer.is_ok() || answer == Err(refusal));
    }
}
