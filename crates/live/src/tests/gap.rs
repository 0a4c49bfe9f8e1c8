//! While no media comes the playlists go on, as gap.

use std::time::Duration;

use super::{AUDIO, SHOWTIME, VIDEO, at, config, parsed::Parsed};
use crate::{
    Answer, Asked, Independence, Input, Live, Media, MediaAnswer, MediaSeq, Position, Query,
    Reason, RenditionId, Settings, WallTime,
    render::{Form, media_playlist},
};

/// `seconds` of media in both renditions, in segments of two parts of 1 s that come as they end.
fn live(seconds: u64) -> Live {
    let mut live = Live::new(config(Settings::default()), SHOWTIME);
    publish(&mut live, 0, seconds);
    live
}

/// `seconds` of media whose publisher came at `from`, seconds after the start.
fn publish(live: &mut Live, from: u64, seconds: u64) {
    for second in 0..seconds {
        let now = at((from + second + 1) * 1000);
        for rendition in [VIDEO, AUDIO] {
            let part = Input::Part {
                rendition,
                start: Duration::from_secs(second),
                duration: Duration::from_secs(1),
                independence: Independence::Independent,
            };
            live.handle(now, part).unwrap();
            if second % 2 == 1 {
                live.handle(now, Input::SegmentEnd { rendition }).unwrap();
            }
        }
        while live.poll_output().is_some() {}
    }
}

fn read(live: &Live, rendition: RenditionId) -> Parsed {
    Parsed::read(&media_playlist(
        live.snapshot(rendition).unwrap(),
        Form::Whole,
    ))
}

#[test]
fn a_part_comes_in_every_part_target_and_a_segment_in_every_second_one() {
    let mut live = live(5);
    live.handle(at(5200), Input::Lost).unwrap();
    for second in 6..=60 {
        assert_eq!(live.poll_timeout(), Some((at(second * 1000), Reason::Gap)));
        live.handle(at(second * 1000), Input::Timeout).unwrap();
        while live.poll_output().is_some() {}
        for rendition in [VIDEO, AUDIO] {
            let parsed = read(&live, rendition);
            let listed = second - 5;
            // Two whole segments of media, one that was cut short, and the gap.
            assert_eq!(parsed.segments.len() as u64, 3 + listed / 2);
            assert_eq!(parsed.open.parts.len() as u64, listed % 2);
            assert!(parsed.segments[3..].iter().all(|segment| segment.gap));
            assert!(parsed.open.parts.iter().all(|part| part.gap));
            assert!(parsed.hints.is_empty() && !parsed.ended);
        }
    }
    assert!(live.ready(), "what there was can still be played");
}

#[test]
fn whoever_waits_is_answered_by_the_gap() {
    let mut live = live(5);
    let asked = Asked::first(at(5100));
    let query = Query::parse("_HLS_msn=2&_HLS_part=1");
    live.handle(at(5200), Input::Lost).unwrap();
    let waits = live.request(asked, VIDEO, &query);
    assert!(matches!(waits, Answer::Wait { .. }), "{waits:?}");
    live.handle(at(6000), Input::Timeout).unwrap();
    let now = Asked {
        now: at(6000),
        ..asked
    };
    assert!(matches!(
        live.request(now, VIDEO, &query),
        Answer::Render(_)
    ));
    // The gap itself has no bytes, and never will.
    for media in [
        Media::Part(Position::new(3, 0)),
        Media::Part(Position::new(2, 1)),
    ] {
        assert_eq!(live.media(now, VIDEO, media), MediaAnswer::Gone);
    }
    live.handle(at(7000), Input::Timeout).unwrap();
    let segment = |msn| live.media(now, VIDEO, Media::Segment(MediaSeq(msn)));
    assert_eq!([2, 3].map(segment), [MediaAnswer::Serve, MediaAnswer::Gone]);
}

#[test]
fn a_publisher_that_returns_finds_all_of_its_absence_listed() {
    let mut live = live(5);
    live.handle(at(5200), Input::Lost).unwrap();
    live.handle(at(7600), Input::Timeout).unwrap();
    let anchor = WallTime(SHOWTIME.0 + 8300);
    let returned = Input::Returned {
        anchor,
        new_init: Vec::new(),
    };
    live.handle(at(8400), returned).unwrap();
    publish(&mut live, 8, 1);
    for rendition in [VIDEO, AUDIO] {
        let parsed = read(&live, rendition);
        let gap = parsed.segments.iter().filter(|segment| segment.gap);
        let absent: f64 = gap.map(|segment| segment.duration).sum();
        assert!((absent - 3.3).abs() < 1e-9, "{absent}");
        assert_eq!(parsed.open.discontinuities, 1);
        assert!(
            parsed
                .segments
                .iter()
                .all(|segment| segment.discontinuities == 0)
        );
        assert_eq!(
            parsed.open.date.as_deref(),
            Some("2026-11-22T19:00:08.300Z")
        );
        assert!(!parsed.open.parts[0].gap && !parsed.hints.is_empty());
    }
}

#[test]
fn a_hole_in_an_unbroken_connection_is_a_gap_too() {
    let mut live = live(4);
    let returned = |millis| Input::Returned {
        anchor: WallTime(SHOWTIME.0 + millis),
        new_init: Vec::new(),
    };
    live.handle(at(9_000), returned(9_000)).unwrap();
    let gap: Vec<_> = read(&live, VIDEO).segments[2..]
        .iter()
        .map(|segment| (segment.gap, segment.duration))
        .collect();
    assert_eq!(gap, [(true, 2.0), (true, 2.0), (true, 1.0)]);
    // A picture that is missing is no gap.
    publish(&mut live, 9, 2);
    live.handle(at(11_050), returned(11_050)).unwrap();
    assert_eq!(read(&live, VIDEO).segments.len(), 6);
    // Nor is a clock that has leapt further than a playlist is long.
    publish(&mut live, 11, 2);
    live.handle(at(13_000), returned(100_000)).unwrap();
    assert_eq!(read(&live, VIDEO).segments.len(), 7);
}

#[test]
fn without_media_there_is_nothing_that_a_gap_could_follow() {
    let mut live = Live::new(config(Settings::default()), SHOWTIME);
    live.handle(at(0), Input::Lost).unwrap();
    assert_eq!(live.poll_timeout(), None);
    live.handle(at(9000), Input::Timeout).unwrap();
    assert_eq!(read(&live, VIDEO).segments, []);
}

#[test]
fn a_gap_that_nobody_ends_is_followed_by_the_end() {
    let mut live = live(5);
    live.handle(at(5200), Input::Lost).unwrap();
    live.handle(at(8000), Input::Timeout).unwrap();
    live.handle(at(8100), Input::End).unwrap();
    let parsed = read(&live, VIDEO);
    assert!(parsed.ended && parsed.segments.last().is_some_and(|segment| segment.gap));
    assert_eq!(parsed.open.parts, []);
}
