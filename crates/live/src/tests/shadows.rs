//! Renditions that are made from the pictures: their playlists are those of the pictures, whatever they lack.

use std::time::Duration;

use proptest::prelude::*;

use super::{SHOWTIME, VIDEO, at, config, parsed::Parsed};
use crate::{
    Asked, ConfigError, HandleError, Independence, Input, Kind, Live, Media, MediaAnswer, MediaSeq,
    Position, RenditionId, RenditionSpec, Settings, WallTime,
    render::{Form, media_playlist},
};

const HIGH: RenditionId = RenditionId(2);
const LOW: RenditionId = RenditionId(3);

fn live() -> Live {
    let names = ["720p", "360p"].map(|name| name.parse().unwrap());
    let config = config(Settings::default()).with_shadows(names.into());
    Live::new(config.unwrap(), SHOWTIME)
}

fn read(live: &Live, rendition: RenditionId) -> Parsed {
    let snapshot = live.snapshot(rendition).unwrap();
    Parsed::read(&media_playlist(snapshot, Form::Whole))
}

fn part(rendition: RenditionId, second: u64) -> Input {
    Input::Part {
        rendition,
        start: Duration::from_secs(second),
        duration: Duration::from_secs(1),
        independence: if second.is_multiple_of(2) {
            Independence::Independent
        } else {
            Independence::Dependent
        },
    }
}

fn gap(rendition: RenditionId, second: u64) -> Input {
    Input::Gap {
        rendition,
        start: Duration::from_secs(second),
        duration: Duration::from_secs(1),
    }
}

/// What has to be the same in all: durations and dates, of segments and parts.
fn cuts(parsed: &Parsed) -> impl PartialEq + std::fmt::Debug + use<> {
    let segment = |segment: &super::parsed::Segment| {
        let parts: Vec<_> = segment.parts.iter().map(|part| part.duration).collect();
        (
            segment.duration,
            segment.date.clone(),
            segment.discontinuities,
            parts,
        )
    };
    let segments: Vec<_> = parsed.segments.iter().map(segment).collect();
    (
        parsed.media_sequence,
        parsed.discontinuity_sequence,
        segments,
    )
}

#[test]
fn a_segment_with_a_gap_is_one_and_its_parts_that_came_are_served() {
    let mut live = live();
    for input in [part(VIDEO, 0), part(HIGH, 0), part(VIDEO, 1), gap(HIGH, 1)] {
        live.handle(at(1000), input).unwrap();
    }
    let refused = live.handle(at(1000), part(HIGH, 2));
    assert_eq!(refused, Err(HandleError::AfterGap));
    let media = |live: &Live, media| live.media(Asked::first(at(1000)), HIGH, media);
    let both = [Position::new(0, 0), Position::new(0, 1)].map(Media::Part);
    let expected = [MediaAnswer::Serve, MediaAnswer::Gone];
    assert_eq!(both.map(|part| media(&live, part)), expected);
    for rendition in [VIDEO, HIGH] {
        live.handle(at(1000), Input::SegmentEnd { rendition })
            .unwrap();
    }
    assert_eq!(both.map(|part| media(&live, part)), expected);
    assert_eq!(media(&live, Media::Segment(MediaSeq(0))), MediaAnswer::Gone);
    let parsed = read(&live, HIGH);
    assert!(parsed.segments[0].gap);
    let gaps: Vec<_> = parsed.segments[0]
        .parts
        .iter()
        .map(|part| part.gap)
        .collect();
    assert_eq!(gaps, [false, true]);
    assert_eq!(cuts(&parsed), cuts(&read(&live, VIDEO)));
    // The next one is whole again, and may begin with a gap.
    live.handle(at(2000), gap(LOW, 0)).unwrap();
    live.handle(at(2000), part(HIGH, 2)).unwrap();
    assert!(!read(&live, HIGH).open.gap);
}

#[test]
fn what_a_shadow_lacks_when_the_publisher_goes_is_a_gap() {
    let mut live = live();
    for second in 0..5 {
        live.handle(at(second * 1000), part(VIDEO, second)).unwrap();
        if second % 2 == 1 {
            live.handle(at(second * 1000), Input::SegmentEnd { rendition: VIDEO })
                .unwrap();
        }
    }
    // One has come some way, the other has not begun.
    live.handle(at(5000), part(HIGH, 0)).unwrap();
    live.handle(at(5000), Input::Lost).unwrap();
    assert_eq!(live.next(HIGH), live.next(VIDEO));
    for rendition in [HIGH, LOW] {
        let parsed = read(&live, rendition);
        assert_eq!(cuts(&parsed), cuts(&read(&live, VIDEO)));
        assert!(parsed.segments.iter().all(|segment| segment.gap));
    }
}

#[test]
fn a_shadow_needs_pictures_and_a_name_of_its_own() {
    let audio = RenditionSpec {
        name: "audio".parse().unwrap(),
        kind: Kind::Audio,
        timescale: 48_000,
    };
    let sound = crate::Config::new(Settings::default(), vec![audio]).unwrap();
    let names = |name: &str| vec![name.parse().unwrap()];
    assert_eq!(
        sound.with_shadows(names("720p")),
        Err(ConfigError::NothingToShadow)
    );
    let show = config(Settings::default());
    assert_eq!(
        show.clone().with_shadows(names("video")),
        Err(ConfigError::SameName("video".parse().unwrap()))
    );
    let many = (0..7).map(|n| format!("{n}p").parse().unwrap()).collect();
    assert_eq!(show.with_shadows(many), Err(ConfigError::Renditions));
}

const AUDIO_AAC: RenditionId = RenditionId(2);

fn sounding() -> Result<crate::Config, ConfigError> {
    let name = "audio-aac".parse().unwrap();
    config(Settings::default()).with_sounds(vec![(name, super::AUDIO, 48_000)])
}

#[test]
fn what_is_made_of_sound_lies_between_what_is_sent_and_what_is_made_of_pictures() {
    let config = sounding().unwrap();
    let config = config.with_shadows(vec!["720p".parse().unwrap()]).unwrap();
    let ids = |ids: &mut dyn Iterator<Item = RenditionId>| ids.map(|id| id.0).collect::<Vec<_>>();
    assert_eq!(ids(&mut config.sources().map(|(id, _)| id)), [0, 1]);
    assert_eq!(ids(&mut config.cut().map(|(id, _)| id)), [0, 1, 2]);
    assert_eq!(ids(&mut config.shadows().map(|(id, _)| id)), [3]);
    let made: Vec<_> = config.made().collect();
    assert_eq!(made, [(AUDIO_AAC, super::AUDIO), (RenditionId(3), VIDEO)]);
    let again = vec![("other".parse().unwrap(), super::AUDIO, 48_000)];
    assert_eq!(config.with_sounds(again), Err(ConfigError::NothingToShadow));
    let of_pictures = vec![("other".parse().unwrap(), VIDEO, 48_000)];
    assert_eq!(
        sounding().unwrap().with_sounds(of_pictures),
        Err(ConfigError::NothingToShadow)
    );
}

#[test]
fn what_sound_lacks_when_the_publisher_goes_is_a_gap() {
    let mut live = Live::new(sounding().unwrap(), SHOWTIME);
    for second in 0..5 {
        for rendition in [VIDEO, super::AUDIO] {
            live.handle(at(second * 1000), part(rendition, second))
                .unwrap();
            if second % 2 == 1 {
                live.handle(at(second * 1000), Input::SegmentEnd { rendition })
                    .unwrap();
            }
        }
    }
    // A frame shorter than what it is made from.
    let made = Input::Part {
        rendition: AUDIO_AAC,
        start: Duration::from_millis(20),
        duration: Duration::from_millis(981),
        independence: Independence::Independent,
    };
    live.handle(at(5000), made).unwrap();
    live.handle(at(5000), Input::Lost).unwrap();
    assert_eq!(live.next(AUDIO_AAC), live.next(super::AUDIO));
    let parsed = read(&live, AUDIO_AAC);
    assert_eq!(parsed.segments.len(), 3);
    assert!(parsed.segments.iter().all(|segment| segment.gap));
    assert!(
        read(&live, super::AUDIO)
            .segments
            .iter()
            .all(|segment| !segment.gap)
    );
}

/// What happens to a show.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// The pictures have another part.
    Lead,
    /// A shadow has its next part, or lacks it.
    Follow { high: bool, gap: bool },
    /// The publisher goes, and comes back.
    Return,
}

proptest! {
    #[test]
    fn shadows_are_numbered_and_dated_as_their_source(
        acts in proptest::collection::vec(
            prop_oneof![
                3 => Just(Act::Lead),
                5 => (any::<bool>(), any::<bool>()).prop_map(|(high, gap)| Act::Follow { high, gap }),
                1 => Just(Act::Return),
            ],
            0..80,
        ),
        ends in any::<bool>(),
    ) {
        let mut live = live();
        // Seconds that each rendition has had since the publisher came.
        let (mut video, mut followed) = (0, [0, 0]);
        let (mut now, mut gapped) = (0, [false; 2]);
        for act in acts {
            now += 300;
            match act {
                Act::Lead => {
                    live.handle(at(now), part(VIDEO, video)).unwrap();
                    video += 1;
                    if video % 2 == 0 {
                        live.handle(at(now), Input::SegmentEnd { rendition: VIDEO }).unwrap();
                    }
                }
                Act::Follow { high, gap: missing } => {
                    let (rendition, index) = if high { (HIGH, 0) } else { (LOW, 1) };
                    let second = followed[index];
                    if second == video {
                        continue;
                    }
                    gapped[index] = missing || (gapped[index] && second % 2 == 1);
                    let input = if gapped[index] { gap(rendition, second) } else { part(rendition, second) };
                    live.handle(at(now), input).unwrap();
                    followed[index] += 1;
                    if followed[index] % 2 == 0 {
                        live.handle(at(now), Input::SegmentEnd { rendition }).unwrap();
                    }
                }
                Act::Return => {
                    live.handle(at(now), Input::Lost).unwrap();
                    let anchor = WallTime(SHOWTIME.0 + now);
                    live.handle(at(now), Input::Returned { anchor, new_init: Vec::new() }).unwrap();
                    (video, followed, gapped) = (0, [0, 0], [false; 2]);
                }
            }
            while live.poll_output().is_some() {}
        }
        live.handle(at(now), if ends { Input::End } else { Input::Lost }).unwrap();
        for rendition in [HIGH, LOW] {
            prop_assert_eq!(live.next(rendition), live.next(VIDEO));
            prop_assert_eq!(cuts(&read(&live, rendition)), cuts(&read(&live, VIDEO)));
        }
    }
}
