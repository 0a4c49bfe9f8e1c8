//! Configurations and temporal units of AV1.

use super::*;
use crate::{bits::tests::pack, color::Range};
use proptest::prelude::*;

/// 320x180 at 30 frames per second, Main profile, as SVT-AV1 writes it.
pub(crate) const RECORD: &[u8] = &[
    0x81, 0x00, 0x0c, 0x00, 0x0a, 0x0b, 0x02, 0x00, 0x00, 0x05, 0x21, 0xe7, 0xf6, 0x60, 0x17, 0xc0,
    0x02,
];

fn parse(record: &[u8]) -> Result<Av1Config, Av1ConfigError> {
    Av1Config::parse(Bytes::copy_from_slice(record))
}

/// An OBU with its size.
fn obu(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 0x80);
    [&[kind << 3 | HAS_SIZE, length], payload].concat()
}

/// A record with this sequence header and nothing else.
fn record(sequence: &[u8]) -> Vec<u8> {
    [&RECORD[..4], &obu(OBU_SEQUENCE_HEADER, sequence)].concat()
}

/// The first byte of a frame: `show_existing_frame`, `frame_type`, `show_frame`.
fn frame(bits: &str) -> Vec<u8> {
    obu(OBU_FRAME, &pack(bits))
}

#[test]
fn a_record_names_size_and_codec() {
    let config = parse(RECORD).unwrap();
    assert_eq!((config.width(), config.height()), (320, 180));
    assert_eq!(config.codec(), "av01.0.00M.08");
    assert_eq!((config.frame_rate_milli(), config.color()), (None, None));
}

/// A sequence header of 10 bits in profile 0, with timing, a decoder model and two operating points.
fn rich() -> Vec<u8> {
    let timing = format!("1 {:032b} {:032b} 1 1", 1_001, 60_000);
    let model = format!("1 {:05b} {:032b} 00000 00000", 9, 1);
    let point =
        |level: u8, tier: &str| format!("{:012b} {level:05b} {tier} 1 {:020b} 0 1 0000", 0, 0);
    let size = format!("1011 1010 {:012b} {:011b}", 3_839, 2_047);
    let tools = "1 0001 000 111 1111 1 11 0 1 1 101 111";
    // High bit depth, colour of BT.2020 with HLG and the limited range.
    let color = format!("1 0 1 {:08b} {:08b} {:08b} 0", 9, 18, 9);
    pack(&format!(
        "000 0 0 {timing} {model} 1 00001 {} {} {size} {tools} {color} 00 0 0",
        point(13, "1"),
        point(5, "")
    ))
}

#[test]
fn a_sequence_header_with_everything_in_it_is_read() {
    let config = parse(&record(&rich())).unwrap();
    assert_eq!((config.width(), config.height()), (3_840, 2_048));
    assert_eq!(config.codec(), "av01.0.13H.10");
    assert_eq!(config.frame_rate_milli(), Some(59_940));
    let color = config.color().unwrap();
    assert_eq!((color.primaries, color.matrix), (9, 9));
    assert_eq!((color.range(), color.full_range), (Range::Hlg, false));
}

#[test]
fn broken_records_are_errors() {
    assert_eq!(parse(&[]), Err(Av1ConfigError::Malformed { bytes: 0 }));
    assert_eq!(
        parse(&[0x80, 0, 0, 0]),
        Err(Av1ConfigError::Malformed { bytes: 4 })
    );
    let no_header = Err(Av1ConfigError::SequenceHeader);
    assert_eq!(parse(&RECORD[..4]), no_header);
    assert_eq!(parse(&RECORD[..10]), no_header);
    // A still picture, and profile 3.
    assert_eq!(parse(&record(&[0x10; 12])), no_header);
    assert_eq!(parse(&record(&[0x60; 12])), no_header);
    let long = Bytes::from(vec![0; CONFIG_BYTES_MAX + 1]);
    assert_eq!(
        Av1Config::parse(long),
        Err(Av1ConfigError::TooLong {
            bytes: CONFIG_BYTES_MAX + 1
        })
    );
    let wide = pack(&format!(
        "000 0 0 0 0 00000 {:012b} 00000 1111 1111 {} {} 0 0000000 0 0 0 0 000 0 0 0 0",
        0,
        "1".repeat(16),
        "1".repeat(16)
    ));
    assert_eq!(
        parse(&record(&wide)),
        Err(Av1ConfigError::Size {
            width: 65_536,
            height: 65_536
        })
    );
}

#[test]
fn a_segment_begins_with_a_shown_key_frame() {
    let config = parse(RECORD).unwrap();
    let header = obu(OBU_SEQUENCE_HEADER, b"header");
    let picture = |obus: &[Vec<u8>]| {
        let unit = config.unit(obus.concat().into()).unwrap();
        unit.picture
    };
    let header_of = |bits: &str| obu(OBU_FRAME_HEADER, &pack(bits));
    assert_eq!(picture(&[header.clone(), frame("0 00 1")]), Picture::Sync);
    assert_eq!(picture(&[header_of("0 00 1")]), Picture::Sync);
    // A hidden key frame, an inter frame, an intra-only one, and a frame that is shown again.
    for bits in ["0 00 0", "0 01 1", "0 10 1", "1 00 1"] {
        assert_eq!(picture(&[header.clone(), frame(bits)]), Picture::Other);
    }
    // Only the first frame says.
    assert_eq!(picture(&[frame("0 01 0"), frame("0 00 1")]), Picture::Other);
    assert_eq!(picture(&[header]), Picture::None);
    assert_eq!(picture(&[]), Picture::None);
}

#[test]
fn a_sample_has_what_it_needs_and_no_more() {
    let config = parse(RECORD).unwrap();
    let kept = |unit: Vec<u8>| config.unit(unit.into()).unwrap().data;
    let (delimiter, padding) = (obu(OBU_TEMPORAL_DELIMITER, &[]), obu(OBU_PADDING, &[1; 9]));
    let own = config.header.to_vec();
    let (key, inter) = (frame("0 00 1"), frame("0 01 1"));
    assert_eq!(kept(inter.clone()), inter);
    assert_eq!(
        kept([delimiter.clone(), inter.clone(), padding].concat()),
        inter
    );
    // A key frame without its sequence header gets the record's; one with its own keeps that.
    assert_eq!(kept(key.clone()), [own.clone(), key.clone()].concat());
    let whole = [own, key].concat();
    assert_eq!(kept(whole.clone()), whole);
    assert_eq!(kept([delimiter, whole.clone()].concat()), whole);
    // The last OBU may come without its size, and with an extension.
    let open = [OBU_FRAME << 3 | HAS_EXTENSION, 0x20, 0b0011_0000, 7];
    let closed = [
        OBU_FRAME << 3 | HAS_EXTENSION | HAS_SIZE,
        0x20,
        2,
        0b0011_0000,
        7,
    ];
    assert_eq!(kept(open.to_vec()), closed[..]);
}

#[test]
fn broken_units_are_errors() {
    let config = parse(RECORD).unwrap();
    for unit in [
        // Longer than it is, without its extension, with the forbidden bit, a length without an end, an empty frame.
        &[OBU_FRAME << 3 | HAS_SIZE, 5, 0][..],
        &[OBU_FRAME << 3 | HAS_EXTENSION],
        &[0x80 | HAS_SIZE, 0],
        &[
            OBU_FRAME << 3 | HAS_SIZE,
            0x80,
            0x80,
            0x80,
            0x80,
            0x80,
            0x80,
            0x80,
            0x80,
            0x80,
        ],
        &[OBU_FRAME << 3 | HAS_SIZE, 0],
    ] {
        let bytes = unit.len();
        assert_eq!(
            config.unit(Bytes::copy_from_slice(unit)),
            Err(AccessUnitError::Obu { bytes })
        );
    }
}

#[test]
fn long_obus_are_written_with_all_of_their_length() {
    let payload = vec![0x10; 70_000];
    let written = Obu {
        header: &[OBU_FRAME << 3],
        payload: &payload,
    }
    .with_size();
    let mut read = Obus::new(&written);
    assert_eq!(read.next().unwrap().unwrap().payload, payload);
    assert!(read.next().is_none());
}

proptest! {
    #[test]
    fn mutated_records_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in 0_usize..80,
    ) {
        let mut bytes = record(&rich());
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut);
        if let Ok(config) = parse(&bytes) {
            prop_assert!((1..=PICTURE_SIDE_MAX).contains(&config.width().into()));
            prop_assert!((1..=PICTURE_SIDE_MAX).contains(&config.height().into()));
            prop_assert!(config.codec().starts_with("av01."));
        }
    }

    #[test]
    fn arbitrary_units_are_refused_or_kept_for_good(unit in proptest::collection::vec(prop_oneof![0..0x40_u8, any::<u8>()], 0..48)) {
        let config = parse(RECORD).unwrap();
        if let Ok(taken) = config.unit(unit.into()) {
            prop_assert_eq!(config.unit(taken.data.clone()), Ok(taken));
        }
    }
}
