use proptest::prelude::*;

use super::*;

fn about() -> About {
    About {
        name: "서울-1".parse().unwrap(),
        release: "0.1.0".into(),
        started_at: UnixMillis(0x0102_0304_0506_0708),
        state: NodeState::Draining,
        connections: 3,
        connections_max: 100_000,
        rooms: 2,
        busy_permille: 250,
        region: Some("seoul".into()),
        viewers: 7,
        sent: Sent {
            chat_bytes: 258,
            http_bytes: 0x2122_2324_2526_2728,
        },
    }
}

fn hearsay() -> Hearsay {
    let crowd = |clients, users| Crowd { clients, users };
    Hearsay {
        node: NodeId(0x1112_1314_1516_1718),
        serial: 9,
        about: about(),
        crowds: BTreeMap::from([
            ("room:demo".parse().unwrap(), crowd(3, 2)),
            ("chat:demo".parse().unwrap(), crowd(0, 0)),
        ]),
        taps: BTreeMap::from([(
            "demo".parse().unwrap(),
            BTreeMap::from([
                ("fire".parse().unwrap(), 1),
                ("heart".parse().unwrap(), 258),
            ]),
        )]),
    }
}

fn golden(lines: &[(&str, &[u8])]) -> Vec<u8> {
    let bytes = lines.iter().flat_map(|(_, bytes)| bytes.iter().copied());
    bytes.collect()
}

#[test]
fn hearsay_looks_like_this() {
    let expected = golden(&[
        ("version", &[2]),
        ("node", &[0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]),
        ("serial", &[0, 0, 0, 0, 0, 0, 0, 9]),
        ("draining", &[1]),
        ("name", b"\x08\xEC\x84\x9C\xEC\x9A\xB8-1"),
        ("release", b"\x050.1.0"),
        ("started", &[1, 2, 3, 4, 5, 6, 7, 8]),
        ("connections", &[0, 0, 0, 3]),
        ("at most", &[0, 1, 0x86, 0xA0]),
        ("rooms", &[0, 0, 0, 2]),
        ("a quarter busy", &[0, 250]),
        ("region", b"\x05seoul"),
        ("viewers", &[0, 0, 0, 7]),
        ("of the chat", &[0, 0, 0, 0, 0, 0, 1, 2]),
        (
            "over HTTP",
            &[0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28],
        ),
        ("channels", &[0, 2]),
        ("one", b"\x09room:demo\0\0\0\x03\0\0\0\x02"),
        ("the other", b"\x09chat:demo\0\0\0\0\0\0\0\0"),
        ("tapped rooms", &[0, 1]),
        ("one", b"\x04demo\x02"),
        ("fire", b"\x04fire\0\0\0\0\0\0\0\x01"),
        ("heart", b"\x05heart\0\0\0\0\0\0\x01\x02"),
    ]);
    assert_eq!(hearsay().encode(), expected);
    assert_eq!(Hearsay::decode(&expected), Ok(hearsay()));
    assert_eq!(hearsay().node.to_string(), "1112131415161718");
}

#[test]
fn a_version_that_is_not_known_is_refused_by_its_number() {
    let mut bytes = hearsay().encode();
    bytes[0] = 1;
    let unknown = Err(EnvelopeError::Version { found: 1 });
    assert_eq!(Hearsay::decode(&bytes), unknown);
    // Also where it has become longer than this release takes any.
    bytes.resize(HEARSAY_BYTES_MAX + 1, 0);
    assert_eq!(Hearsay::decode(&bytes), unknown);
}

#[test]
fn no_change_of_a_byte_is_overlooked() {
    let whole = hearsay();
    let bytes = whole.encode();
    for place in 0..bytes.len() {
        for flip in [1, 0x80, 0xFF] {
            let mut changed = bytes.clone();
            changed[place] ^= flip;
            let read = Hearsay::decode(&changed);
            assert_ne!(read.as_ref(), Ok(&whole), "byte {place} xor {flip}");
        }
        assert!(Hearsay::decode(&bytes[..place]).is_err(), "cut at {place}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Hearsay::decode(&longer), Err(EnvelopeError::Length));
}

#[test]
fn what_a_node_cannot_be_is_refused() {
    let refused = |about: About| {
        let hearsay = Hearsay { about, ..hearsay() };
        assert_eq!(
            Hearsay::decode(&hearsay.encode()),
            Err(EnvelopeError::Value)
        );
    };
    refused(About {
        busy_permille: 1_001,
        ..about()
    });
    for release in ["", "1 0", "\u{1b}[2J", &"1".repeat(RELEASE_BYTES_MAX + 1)] {
        refused(About {
            release: release.into(),
            ..about()
        });
    }
    for region in ["Seoul", "se oul", &"s".repeat(REGION_BYTES_MAX + 1)] {
        refused(About {
            region: Some(region.into()),
            ..about()
        });
    }
    for name in ["", "\u{1b}[2J", &"a".repeat(NODE_NAME_BYTES_MAX + 1)] {
        assert_eq!(name.parse::<NodeName>(), Err(NodeNameError), "{name:?}");
    }
    let mut more_users = hearsay();
    let crowd = Crowd {
        clients: 1,
        users: 2,
    };
    more_users
        .crowds
        .insert("chat:demo".parse().unwrap(), crowd);
    assert_eq!(
        Hearsay::decode(&more_users.encode()),
        Err(EnvelopeError::Value)
    );
}

#[test]
fn a_channel_is_mentioned_once_and_in_its_place() {
    let bytes = hearsay().encode();
    let [room, chat] = [b"\x09room:demo", b"\x09chat:demo"];
    let at = |wanted: &[u8]| {
        let found = bytes.windows(wanted.len()).position(|seen| seen == wanted);
        found.expect("it is there")
    };
    let (first, second) = (at(room), at(chat));
    let mut twice = bytes.clone();
    twice[second..second + room.len()].copy_from_slice(room);
    assert_eq!(Hearsay::decode(&twice), Err(EnvelopeError::Value));
    let mut turned = bytes.clone();
    turned[first..first + chat.len()].copy_from_slice(chat);
    turned[second..second + room.len()].copy_from_slice(room);
    assert_eq!(Hearsay::decode(&turned), Err(EnvelopeError::Value));
}

#[test]
fn the_largest_is_read_and_nothing_larger() {
    let long = |n: usize| format!("{n:0>64}").parse::<RoomId>().unwrap();
    let crowd = Crowd {
        clients: u32::MAX,
        users: u32::MAX,
    };
    let channel = |n| Channel {
        lane: crate::Lane::Staff,
        room: long(n),
    };
    let kind = |n: usize| format!("{n:0>32}").parse::<ReactionKind>().unwrap();
    let taps = |_| {
        (0..REACTION_KINDS_MAX)
            .map(|n| (kind(n), u64::MAX))
            .collect()
    };
    let largest = Hearsay {
        about: About {
            name: "a".repeat(NODE_NAME_BYTES_MAX).parse().unwrap(),
            release: "1".repeat(RELEASE_BYTES_MAX).into(),
            region: Some("r".repeat(REGION_BYTES_MAX).into()),
            ..about()
        },
        crowds: (0..HEARSAY_CHANNELS_MAX)
            .map(|n| (channel(n), crowd))
            .collect(),
        taps: (0..HEARSAY_TAPPED_ROOMS_MAX)
            .map(|n| (long(n), taps(n)))
            .collect(),
        ..hearsay()
    };
    let bytes = largest.encode();
    assert_eq!(bytes.len(), HEARSAY_BYTES_MAX);
    assert_eq!(Hearsay::decode(&bytes), Ok(largest));
}

fn any_hearsay() -> impl Strategy<Value = Hearsay> {
    let about = (
        "\\PC{1,20}",
        "[!-~]{1,32}",
        prop::sample::select(STATES.to_vec()),
        any::<(u64, u32, u32, u32)>(),
        0..=BUSY_PERMILLE_MAX,
        prop::option::of("[a-z0-9-]{1,32}"),
        any::<(u32, u64, u64)>(),
    );
    let about = about.prop_map(
        |(name, release, state, numbers, busy_permille, region, more)| About {
            name: name.parse().unwrap(),
            release: release.into(),
            state,
            started_at: UnixMillis(numbers.0),
            connections: numbers.1,
            connections_max: numbers.2,
            rooms: numbers.3,
            busy_permille,
            region: region.map(Into::into),
            viewers: more.0,
            sent: Sent {
                chat_bytes: more.1,
                http_bytes: more.2,
            },
        },
    );
    let channel = "(room|chat|staff|vote):[a-z.]{1,5}";
    let crowd = any::<(u32, u32)>().prop_map(|(one, other)| Crowd {
        clients: one.max(other),
        users: one.min(other),
    });
    let crowds = prop::collection::btree_map(channel, crowd, 0..9);
    let taps = prop::collection::btree_map("[a-z]{1,4}", any::<u64>(), 0..5);
    let taps = prop::collection::btree_map("[a-z.]{1,5}", taps, 0..5);
    (any::<u64>(), any::<u64>(), about, crowds, taps).prop_map(
        |(node, serial, about, crowds, taps)| Hearsay {
            node: NodeId(node),
            serial,
            about,
            crowds: parsed(crowds),
            taps: parsed(taps.into_iter().map(|(room, taps)| (room, parsed(taps)))),
        },
    )
}

fn parsed<K: Ord + FromStr<Err: fmt::Debug>, V>(
    entries: impl IntoIterator<Item = (String, V)>,
) -> BTreeMap<K, V> {
    let entries = entries.into_iter();
    entries
        .map(|(key, value)| (key.parse().unwrap(), value))
        .collect()
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_the_same(hearsay in any_hearsay()) {
        prop_assert_eq!(Hearsay::decode(&hearsay.encode()), Ok(hearsay));
    }

    #[test]
    fn whatever_can_be_read_is_written_the_same(
        hearsay in any_hearsay(),
        place in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let mut bytes = hearsay.encode();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(read) = Hearsay::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }
}
