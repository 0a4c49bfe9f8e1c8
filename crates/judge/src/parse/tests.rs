use proptest::prelude::*;

use super::*;
use crate::{finding::Fault, fuzz};

const MEDIA: &str = r#"#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:1
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6,CAN-SKIP-UNTIL=6
#EXT-X-PART-INF:PART-TARGET=0.2
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:2
#EXT-X-MAP:URI="init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXTINF:1.00000,
7.m4s
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:01.000Z
#EXT-X-PART:DURATION=0.50000,URI="8.m4s",BYTERANGE="10@0",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.50000,URI="8.m4s",BYTERANGE="20"
#EXTINF:1.00000,
8.m4s
#EXT-X-PART:DURATION=0.2,URI="9.0.m4s",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="9.1.m4s"
#EXT-X-RENDITION-REPORT:URI="audio.m3u8",LAST-MSN=9,LAST-PART=0
"#;

fn media(text: &str) -> (Media, Vec<Rule>) {
    let parsed = parse(text.as_bytes());
    let Content::Media(media) = parsed.content else {
        panic!("no media playlist: {:?}", parsed.faults)
    };
    let rules = parsed
        .faults
        .iter()
        .map(|fault: &Fault| fault.rule)
        .collect();
    (*media, rules)
}

#[test]
fn segments_and_parts_have_their_numbers() {
    let (media, faults) = media(MEDIA);
    assert_eq!(faults, []);
    let numbers: Vec<_> = media
        .segments
        .iter()
        .map(|s| (s.msn, s.discontinuity, s.parts.len()))
        .collect();
    assert_eq!(numbers, [(7, 2, 0), (8, 3, 2)]);
    assert_eq!((media.open.msn, media.open.discontinuity), (9, 3));
    assert_eq!(media.segments[1].parts[1].range, Some((20, Some(10))));
    assert_eq!(media.open.map, Some(("init.mp4".to_owned(), None)));
    assert_eq!(media.needs_version.0, 6);
    assert!(media.has(9, Some(0)) && !media.has(9, Some(1)) && !media.has(9, None));
    assert!(media.has(8, None) && media.has(8, Some(99)) && media.has(3, Some(1)));
    assert_eq!(media.end_date(), date::parse("2026-01-01T00:00:02.200Z"));
}

#[test]
fn a_delta_keeps_the_numbers() {
    let text = MEDIA.replace(
        "#EXTINF:1.00000,\n7.m4s\n",
        "#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXTINF:1,\n10.m4s\n",
    );
    let (media, _) = media(&text);
    assert_eq!(media.segments[0].msn, 10);
    assert_eq!(media.needs_version, (9, "EXT-X-SKIP"));
}

#[test]
fn each_fault_is_named_with_its_line() {
    for (from, to, rule, line) in [
        ("#EXTM3U", "#EXTM3U8", Rule::Syntax, 1),
        (
            "#EXT-X-TARGETDURATION:1",
            "#EXT-X-TARGETDURATION:1.5",
            Rule::Syntax,
            3,
        ),
        (
            "INDEPENDENT=YES",
            "INDEPENDENT=\"YES\"",
            Rule::Attribute,
            14,
        ),
        ("DURATION=0.2,", "", Rule::Attribute, 18),
        (
            "#EXT-X-DISCONTINUITY\n",
            "#EXT-X-TARGETDURATION:1\n",
            Rule::Duplicate,
            12,
        ),
        (
            "#EXT-X-DISCONTINUITY\n",
            "#EXT-X-FANCY\n",
            Rule::UnknownTag,
            12,
        ),
        (
            "#EXT-X-DISCONTINUITY\n",
            "#EXT-X-STREAM-INF:BANDWIDTH=1\n",
            Rule::MixedTags,
            12,
        ),
        ("#EXTINF:1.00000,\n8.m4s", "8.m4s", Rule::Syntax, 16),
        ("2026-01-01T00:00:01.000Z", "today", Rule::Syntax, 13),
    ] {
        let parsed = parse(MEDIA.replacen(from, to, 1).as_bytes());
        let found = parsed
            .faults
            .iter()
            .any(|fault| fault.rule == rule && fault.line == Some(line));
        assert!(found, "{to}: {:?}", parsed.faults);
    }
}

#[test]
fn what_is_no_playlist_is_none() {
    for text in ["", "<html></html>", "{}", "WEBVTT\n"] {
        assert_eq!(parse(text.as_bytes()).content, Content::Other, "{text}");
    }
}

/// Another parser, with which ours has nothing in common.
#[test]
fn another_parser_sees_the_same_segments() {
    let mut reader =
        quick_m3u8::Reader::from_str(MEDIA, quick_m3u8::config::ParsingOptions::default());
    let mut uris = Vec::new();
    while let Ok(Some(line)) = reader.read_line() {
        if let quick_m3u8::HlsLine::Uri(uri) = line {
            uris.push(uri.to_string());
        }
    }
    let ours: Vec<_> = media(MEDIA)
        .0
        .segments
        .into_iter()
        .filter_map(|segment| segment.uri)
        .collect();
    assert_eq!(uris, ours);
}

/// Lines that a playlist may have, in any order and number.
fn line() -> impl Strategy<Value = String> {
    let known: Vec<String> = MEDIA.lines().map(str::to_owned).collect();
    prop_oneof![
        8 => prop::sample::select(known),
        1 => Just("#EXT-X-SKIP:SKIPPED-SEGMENTS=18446744073709551615".to_owned()),
        1 => Just("#EXT-X-MEDIA-SEQUENCE:18446744073709551615".to_owned()),
        1 => Just("#EXT-X-PART:DURATION=999999999999,URI=\"x\",BYTERANGE=\"18446744073709551615@1\"".to_owned()),
        1 => Just("#EXTINF:999999999999.9,".to_owned()),
        1 => Just("#EXT-X-PROGRAM-DATE-TIME:9999-12-31T23:59:59.999999Z".to_owned()),
        1 => "#EXT-X-[A-Z-]{1,20}(:[ -~]{0,40})?",
        1 => "[ -~]{0,30}",
    ]
}

proptest! {
    #[test]
    fn no_text_makes_it_fall_over(lines in prop::collection::vec(line(), 0..60)) {
        fuzz::fuzz_playlist(lines.join("\n").as_bytes());
    }

    #[test]
    fn no_bytes_make_it_fall_over(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::fuzz_playlist(&bytes);
        fuzz::fuzz_boxes(&bytes);
    }
}
