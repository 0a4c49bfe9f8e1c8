//! Tag bodies of both worlds, and what is refused in which words.

use super::*;
use crate::limits::MODIFIERS_MAX;
use proptest::prelude::*;

fn bytes(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}

fn pictures(parts: &[&[u8]]) -> Result<Vec<(u8, VideoBody)>, String> {
    let tag = video(&bytes(parts)).map_err(|e| e.to_string())?;
    Ok(tag.packets.into_iter().map(|p| (p.track, p.body)).collect())
}

fn sounds(parts: &[&[u8]]) -> Result<Vec<(u8, AudioBody)>, String> {
    let packets = audio(&bytes(parts)).map_err(|e| e.to_string())?;
    Ok(packets.into_iter().map(|p| (p.track, p.body)).collect())
}

fn frame(composition_ms: i32, data: &'static str) -> VideoBody {
    VideoBody::Frame {
        composition_ms,
        data: data.into(),
    }
}

fn config(codec: VideoCodec) -> VideoBody {
    VideoBody::Config(codec, "cfg".into())
}

#[test]
fn legacy_tags_are_read() {
    assert_eq!(
        pictures(&[&[0x17, 0, 0, 0, 0], b"cfg"]),
        Ok(vec![(0, config(VideoCodec::Avc))])
    );
    assert_eq!(
        pictures(&[&[0x27, 1, 0, 0, 42], b"nal"]),
        Ok(vec![(0, frame(42, "nal"))])
    );
    assert_eq!(
        pictures(&[&[0x27, 1, 0xff, 0xff, 0xfe]]),
        Ok(vec![(0, frame(-2, ""))])
    );
    // HEVC under the number that encoders took before there was a specification.
    assert_eq!(
        pictures(&[&[0x1c, 0, 0, 0, 0], b"cfg"]),
        Ok(vec![(0, config(VideoCodec::Hevc))])
    );
    assert_eq!(
        sounds(&[&[0xaf, 0], b"cfg"]),
        Ok(vec![(0, AudioBody::Config(AudioCodec::Aac, "cfg".into()))])
    );
    for nothing in [&[][..], &[0x17, 2, 0, 0, 0], &[0x57, 0], &[0xd0, 0]] {
        assert_eq!(pictures(&[nothing]), Ok(vec![]), "{nothing:?}");
    }
    for nothing in [&[][..], &[0xaf, 2]] {
        assert_eq!(sounds(&[nothing]), Ok(vec![]), "{nothing:?}");
    }
}

#[test]
fn extended_tags_name_their_codec() {
    for (fourcc, codec) in [
        (b"avc1", VideoCodec::Avc),
        (b"hvc1", VideoCodec::Hevc),
        (b"av01", VideoCodec::Av1),
    ] {
        assert_eq!(
            pictures(&[&[0x90], fourcc, b"cfg"]),
            Ok(vec![(0, config(codec))])
        );
        assert_eq!(
            pictures(&[&[0x93], fourcc, b"nal"]),
            Ok(vec![(0, frame(0, "nal"))])
        );
    }
    for fourcc in [b"avc1", b"hvc1"] {
        assert_eq!(
            pictures(&[&[0x91], fourcc, &[0, 0, 9], b"nal"]),
            Ok(vec![(0, frame(9, "nal"))])
        );
    }
    // AV1 has no composition time in either form.
    assert_eq!(
        pictures(&[&[0x91], b"av01", b"obu"]),
        Ok(vec![(0, frame(0, "obu"))])
    );
    for (fourcc, codec) in [(b"mp4a", AudioCodec::Aac), (b"Opus", AudioCodec::Opus)] {
        assert_eq!(
            sounds(&[&[0x90], fourcc, b"cfg"]),
            Ok(vec![(0, AudioBody::Config(codec, "cfg".into()))])
        );
        assert_eq!(
            sounds(&[&[0x91], fourcc, b"raw"]),
            Ok(vec![(0, AudioBody::Frame("raw".into()))])
        );
        // The layout of the speakers, and the end.
        for packet in [0x94, 0x92] {
            assert_eq!(sounds(&[&[packet], fourcc, b"x"]), Ok(vec![]));
        }
    }
    assert_eq!(
        pictures(&[&[0xd4], b"hvc1", b"amf"]),
        Ok(vec![(0, VideoBody::Metadata("amf".into()))])
    );
}

#[test]
fn modifiers_are_read_or_passed_over() {
    // One of three bytes with 333,333 ns, then one of another kind and 300 bytes, then coded frames.
    let long = vec![7; 300];
    let body = bytes(&[
        &[0xa7, 2, 0x05, 0x16, 0x15, 0x07],
        &[0xff, 0x01, 0x2b],
        &long,
        &[0x51],
        b"hvc1",
        &[0, 0, 33],
        b"nal",
    ]);
    let tag = video(&body).unwrap();
    assert_eq!(tag.offset_nanos, 333_333);
    assert_eq!(tag.packets[0].body, frame(33, "nal"));
    // More than a millisecond is cut to one.
    let tag = video(&bytes(&[
        &[0xa7, 2, 0xff, 0xff, 0xff, 0x03],
        b"av01",
        b"obu",
    ]))
    .unwrap();
    assert_eq!(tag.offset_nanos, 999_999);
    assert_eq!(
        sounds(&[&[0x97, 2, 0, 0, 1, 0x01], b"Opus", b"raw"]),
        Ok(vec![(0, AudioBody::Frame("raw".into()))])
    );
    let many = [0, 0, 0x07].repeat(MODIFIERS_MAX);
    assert_eq!(
        pictures(&[&[0x97], &many]),
        Err(
            "unsupported enhanced RTMP feature, many modifiers: turn it off in the encoder"
                .to_owned()
        )
    );
}

#[test]
fn one_message_may_be_of_several_tracks() {
    let raw = |data: &'static str| AudioBody::Frame(data.into());
    // One track with a number, several of one codec, several of several.
    assert_eq!(
        sounds(&[&[0x95, 0x01], b"mp4a", &[3], b"raw"]),
        Ok(vec![(3, raw("raw"))])
    );
    assert_eq!(
        sounds(&[
            &[0x95, 0x11],
            b"mp4a",
            &[0, 0, 0, 2],
            b"ab",
            &[1, 0, 0, 0],
            &[2, 0, 0, 1],
            b"c"
        ]),
        Ok(vec![(0, raw("ab")), (1, raw("")), (2, raw("c"))])
    );
    assert_eq!(
        sounds(&[
            &[0x95, 0x20],
            b"mp4a",
            &[0, 0, 0, 1],
            b"a",
            b"Opus",
            &[1, 0, 0, 1],
            b"o"
        ]),
        Ok(vec![
            (0, AudioBody::Config(AudioCodec::Aac, "a".into())),
            (1, AudioBody::Config(AudioCodec::Opus, "o".into()))
        ])
    );
    assert_eq!(
        pictures(&[
            &[0x96, 0x21],
            b"avc1",
            &[0, 0, 0, 4, 0, 0, 5],
            b"n",
            b"av01",
            &[1, 0, 0, 1],
            b"o"
        ]),
        Ok(vec![(0, frame(5, "n")), (1, frame(0, "o"))])
    );
    // A modifier may stand before it, but not within.
    assert_eq!(
        pictures(&[&[0x97, 2, 0, 0, 0, 0x06, 0x03], b"avc1", &[1], b"nal"]),
        Ok(vec![(1, frame(0, "nal"))])
    );
    for within in [0x06, 0x07] {
        let number = within;
        assert_eq!(
            pictures(&[&[0x96, within], b"avc1"]),
            Err(format!("unknown video packet type {number}"))
        );
    }
    let many = [0, 0, 0, 0].repeat(MESSAGE_PACKETS_MAX + 1);
    assert_eq!(
        audio(&bytes(&[&[0x95, 0x11], b"mp4a", &many])),
        Err(FlvError::TooManyPackets)
    );
}

#[test]
fn other_codecs_are_refused_by_name() {
    for (body, codec) in [
        (bytes(&[&[0x90], b"vp09"]), "vp09"),
        (bytes(&[&[0x90], b"a\n\"1"]), "a\\n\\\"1"),
        (bytes(&[&[0x1d, 0, 0, 0, 0]]), "AV1 (legacy id 13)"),
        (bytes(&[&[0x12, 0, 0, 0, 0]]), "Sorenson H.263"),
    ] {
        assert_eq!(
            video(&body).map_err(|e| e.to_string()),
            Err(format!(
                "unsupported codec {codec}: send H.264, or HEVC or AV1 as enhanced RTMP"
            ))
        );
    }
    for (body, codec) in [
        (bytes(&[&[0x90], b"ac-3"]), "ac-3"),
        (bytes(&[&[0x2f, 0]]), "MP3"),
    ] {
        assert_eq!(
            audio(&body).map_err(|e| e.to_string()),
            Err(format!(
                "unsupported codec {codec}: send AAC, or Opus as enhanced RTMP"
            ))
        );
    }
    assert_eq!(
        video(&bytes(&[&[0x95], b"av01"])),
        Err(FlvError::Feature("AV1 in the form of MPEG-2 TS"))
    );
    assert_eq!(
        video(&bytes(&[&[0x96, 0x31], b"avc1"])),
        Err(FlvError::Feature("an unknown kind of multitrack"))
    );
}

#[test]
fn a_header_cut_short_is_an_error() {
    for body in [
        &[0x17][..],
        &[0x17, 1, 0, 0],
        &[0x90, b'a'],
        &[0x91, b'a', b'v', b'c', b'1', 0],
        // A modifier that is longer than the body, and a track that is.
        &[0x97, 9, 0],
        &[0x97, 255, 255, 255, 0],
        &[0x96, 0x11, b'a', b'v', b'c', b'1', 0, 0, 0, 9, 0],
        &[0x96, 0x01, b'a', b'v', b'c', b'1'],
    ] {
        assert_eq!(
            video(&Bytes::copy_from_slice(body)),
            Err(FlvError::Truncated {
                what: "video",
                bytes: body.len()
            })
        );
    }
    assert_eq!(
        audio(&Bytes::from_static(&[0xaf])),
        Err(FlvError::Truncated {
            what: "audio",
            bytes: 1
        })
    );
    assert_eq!(
        audio(&Bytes::from_static(&[0xaf, 9])),
        Err(FlvError::PacketType {
            what: "audio",
            number: 9
        })
    );
}

/// A body that is likely to reach deep into the headers.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        any::<u8>().prop_map(|b| vec![b]),
        prop_oneof![
            Just(0x90_u8),
            Just(0x91),
            Just(0x95),
            Just(0x96),
            Just(0x97)
        ]
        .prop_map(|b| vec![b]),
        (0x95..=0x97_u8, 0..=0x27_u8).prop_map(|(a, b)| vec![a, b]),
    ];
    let codec = prop_oneof![
        Just(b"avc1".to_vec()),
        Just(b"av01".to_vec()),
        Just(b"Opus".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..4)
    ];
    let rest = proptest::collection::vec(prop_oneof![3 => 0..4_u8, 1 => any::<u8>()], 0..64);
    (start, codec, rest).prop_map(|(a, b, c)| [a, b, c].concat())
}

proptest! {
    #[test]
    fn payloads_lie_within_the_body(body in body()) {
        let body = Bytes::from(body);
        let within = |data: &Bytes| body.windows(data.len().max(1)).any(|w| data.is_empty() || w == data);
        if let Ok(tag) = video(&body) {
            prop_assert!(tag.packets.len() <= MESSAGE_PACKETS_MAX && tag.offset_nanos < 1_000_000);
            let mut bytes = 0;
            for packet in &tag.packets {
                let (VideoBody::Config(_, data) | VideoBody::Frame { data, .. } | VideoBody::Metadata(data)) = &packet.body;
                prop_assert!(within(data));
                bytes += data.len();
            }
            prop_assert!(bytes <= body.len());
        }
        if let Ok(packets) = audio(&body) {
            prop_assert!(packets.len() <= MESSAGE_PACKETS_MAX);
            let mut bytes = 0;
            for packet in &packets {
                let (AudioBody::Config(_, data) | AudioBody::Frame(data)) = &packet.body;
                prop_assert!(within(data));
                bytes += data.len();
            }
            prop_assert!(bytes <= body.len());
        }
    }

    #[test]
    fn composition_offsets_survive(ms in -(1_i32 << 23)..(1 << 23)) {
        let [_, a, b, c] = ms.to_be_bytes();
        prop_assert_eq!(signed_24([a, b, c]), ms);
    }
}
