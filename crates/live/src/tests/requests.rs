//! Every answer to a playlist and a media request, as a table.

use std::time::Duration;

use super::{AUDIO, SHOWTIME, VIDEO, at, config};
use crate::{
    Answer, Asked, BadRequest, Independence, InitId, Input, Live, Media, MediaAnswer, MediaSeq,
    Moment, Position, Query, RenditionId, Settings, Until, limits::RENDITIONS_MAX,
};

/// Both renditions with `segments` whole segments of two parts of 1 s, and `parts` of the next.
fn live(settings: Settings, segments: u64, parts: u64) -> Live {
    let mut live = Live::new(config(settings), SHOWTIME);
    for count in 0..segments * 2 + parts {
        for rendition in [VIDEO, AUDIO] {
            part(&mut live, rendition, count * 1000);
            if count % 2 == 1 && count < segments * 2 {
                live.handle(at((count + 1) * 1000), Input::SegmentEnd { rendition })
                    .unwrap();
            }
        }
        while live.poll_output().is_some() {}
    }
    live
}

fn part(live: &mut Live, rendition: RenditionId, millis: u64) {
    let (start, duration) = (Duration::from_millis(millis), Duration::from_secs(1));
    let input = Input::Part {
        rendition,
        start,
        duration,
        independence: Independence::Independent,
    };
    live.handle(at(millis + 1000), input).unwrap();
}

/// An answer in one word.
fn answer(live: &Live, query: &str) -> String {
    match live.request(Asked::first(at(100_000)), VIDEO, &Query::parse(query)) {
        Answer::Render(_) => "now".into(),
        Answer::Wait {
            until: Until::Segment(msn),
            not_past,
        } => {
            assert_eq!(not_past, at(118_000));
            format!("segment {msn}")
        }
        Answer::Wait {
            until: Until::Part(Position { msn, part }),
            not_past,
        } => {
            assert_eq!(not_past, at(118_000));
            format!("part {msn}.{part}")
        }
        Answer::BadRequest(reason) => format!("400 {reason:?}"),
        Answer::Unavailable => "503".into(),
        Answer::Gone => "404".into(),
    }
}

#[track_caller]
fn check(live: &Live, cases: &[(&str, &str)]) {
    for (query, expected) in cases {
        assert_eq!(answer(live, query), *expected, "{query}");
    }
}

#[test]
fn directives_of_a_running_show() {
    // Segments 0 to 4 are whole, 5 has its part 0.
    check(
        &live(Settings::default(), 5, 1),
        &[
            ("", "now"),
            ("_HLS_skip=YES", "now"),
            ("_HLS_msn=0", "now"),
            ("_HLS_msn=4", "now"),
            // The growing segment is not a whole one, although its first part is there.
            ("_HLS_msn=5", "segment 5"),
            ("_HLS_msn=6", "segment 6"),
            ("_HLS_msn=7", "400 TooFarAhead"),
            ("_HLS_msn=18446744073709551615", "400 TooFarAhead"),
            ("_HLS_msn=0&_HLS_part=0", "now"),
            ("_HLS_msn=5&_HLS_part=0", "now"),
            ("_HLS_msn=5&_HLS_part=1", "part 5.1"),
            ("_HLS_msn=5&_HLS_part=3", "part 5.3"),
            ("_HLS_msn=5&_HLS_part=4", "400 TooFarAhead"),
            // Past the end of a whole segment is part 0 of the next, however far past.
            ("_HLS_msn=3&_HLS_part=2", "now"),
            ("_HLS_msn=4&_HLS_part=4294967295", "now"),
            ("_HLS_msn=6&_HLS_part=0", "part 6.0"),
            ("_HLS_msn=6&_HLS_part=2", "part 6.2"),
            ("_HLS_msn=6&_HLS_part=3", "400 TooFarAhead"),
            ("_HLS_msn=7&_HLS_part=0", "400 TooFarAhead"),
            ("_HLS_part=0", "400 PartWithoutSegment"),
            ("_HLS_msn=x", "400 NotANumber"),
        ],
    );
}

#[test]
fn directives_between_two_segments() {
    check(
        &live(Settings::default(), 5, 0),
        &[
            ("_HLS_msn=4&_HLS_part=1", "now"),
            ("_HLS_msn=4&_HLS_part=2", "part 5.0"),
            ("_HLS_msn=4&_HLS_part=99", "part 5.0"),
            ("_HLS_msn=5&_HLS_part=0", "part 5.0"),
            ("_HLS_msn=5&_HLS_part=2", "part 5.2"),
            ("_HLS_msn=5&_HLS_part=3", "400 TooFarAhead"),
        ],
    );
}

#[test]
fn a_place_older_than_the_window_is_answered_with_the_whole_playlist() {
    let live = live(
        Settings {
            window: Duration::from_secs(18),
            ..Settings::default()
        },
        60,
        0,
    );
    assert!(live.snapshot(VIDEO).unwrap().media_sequence > MediaSeq(40));
    check(
        &live,
        &[
            ("_HLS_msn=0", "now"),
            ("_HLS_msn=0&_HLS_part=0", "now"),
            ("_HLS_msn=0&_HLS_part=77", "now"),
        ],
    );
}

#[test]
fn the_advance_part_limit_grows_as_parts_shrink() {
    let limit = |millis| {
        let part_target = Duration::from_millis(millis);
        let live = Live::new(
            config(Settings {
                part_target,
                ..Settings::default()
            }),
            SHOWTIME,
        );
        (0..100)
            .take_while(|part| {
                answer(&live, &format!("_HLS_msn=0&_HLS_part={part}")) == format!("part 0.{part}")
            })
            .count()
    };
    assert_eq!(
        [100, 333, 500, 999, 1000, 2000].map(limit),
        [30, 9, 6, 3, 3, 3]
    );
}

#[test]
fn before_the_first_segment_a_plain_request_waits_for_it() {
    let fresh = live(Settings::default(), 0, 1);
    check(
        &fresh,
        &[
            ("", "segment 0"),
            ("_HLS_msn=0", "segment 0"),
            ("_HLS_msn=0&_HLS_part=0", "now"),
        ],
    );
    check(
        &live(Settings::default(), 1, 0),
        &[("", "now"), ("_HLS_msn=0", "now")],
    );
}

#[test]
fn nobody_is_held_longer_than_three_target_durations() {
    let live = live(Settings::default(), 5, 1);
    let query = Query::parse("_HLS_msn=5&_HLS_part=1");
    let ask = |now| {
        live.request(
            Asked {
                at: at(100_000),
                now,
            },
            VIDEO,
            &query,
        )
    };
    assert!(matches!(ask(at(117_999)), Answer::Wait { .. }));
    assert_eq!(ask(at(118_000)), Answer::Unavailable);
}

#[test]
fn an_ended_playlist_ignores_every_directive() {
    let mut live = live(Settings::default(), 5, 1);
    live.handle(at(100_000), Input::End).unwrap();
    for query in [
        "",
        "_HLS_msn=900",
        "_HLS_part=1",
        "_HLS_msn=x",
        "_HLS_msn=6&_HLS_part=0",
    ] {
        check(&live, &[(query, "now")]);
    }
    let late = |now| live.request(Asked::first(now), VIDEO, &Query::PLAIN);
    assert!(matches!(late(at(117_999)), Answer::Render(_)));
    assert_eq!(late(at(118_000)), Answer::Gone);
}

#[test]
fn a_show_that_ends_before_its_first_segment_has_no_playlist() {
    let mut live = Live::new(config(Settings::default()), SHOWTIME);
    live.handle(at(0), Input::End).unwrap();
    check(&live, &[("", "404")]);
}

#[test]
fn foreign_renditions_have_neither_playlist_nor_media() {
    let mut live = live(Settings::default(), 1, 0);
    let foreign = RenditionId(u8::try_from(RENDITIONS_MAX).unwrap());
    assert_eq!(
        live.request(Asked::first(at(0)), foreign, &Query::PLAIN),
        Answer::Gone
    );
    assert_eq!(
        live.media(Asked::first(at(0)), foreign, Media::Init(InitId(0))),
        MediaAnswer::Gone
    );
    assert_eq!((live.init(foreign), live.snapshot(foreign)), (None, None));
    let returned = Input::Returned {
        anchor: SHOWTIME,
        new_init: vec![foreign],
    };
    assert_eq!(
        live.handle(at(0), returned),
        Err(crate::HandleError::UnknownRendition)
    );
}

fn media(live: &Live, now: Moment, media: Media) -> MediaAnswer {
    live.media(
        Asked {
            at: at(100_000),
            now,
        },
        VIDEO,
        media,
    )
}

#[test]
fn media_is_served_held_or_refused() {
    let live = live(Settings::default(), 5, 1);
    let now = at(100_000);
    let not_past = at(118_000);
    let part = |msn, part| media(&live, now, Media::Part(Position::new(msn, part)));
    assert_eq!(part(0, 0), MediaAnswer::Serve);
    assert_eq!(part(5, 0), MediaAnswer::Serve);
    assert_eq!(part(5, 1), MediaAnswer::Wait { not_past });
    assert_eq!(
        media(&live, not_past, Media::Part(Position::new(5, 1))),
        MediaAnswer::Unavailable
    );
    assert_eq!(part(5, 2), MediaAnswer::NotYet);
    assert_eq!(part(6, 0), MediaAnswer::NotYet);
    assert_eq!(
        part(4, 2),
        MediaAnswer::Gone,
        "a segment ended before this part was made"
    );
    let segment = |msn| media(&live, now, Media::Segment(MediaSeq(msn)));
    assert_eq!(
        [0, 4, 5].map(segment),
        [MediaAnswer::Serve, MediaAnswer::Serve, MediaAnswer::NotYet]
    );
    let init = |id| media(&live, now, Media::Init(InitId(id)));
    assert_eq!([0, 1].map(init), [MediaAnswer::Serve, MediaAnswer::NotYet]);
}

#[test]
fn what_was_hinted_when_the_publisher_left_is_held_until_its_time_has_come() {
    let mut live = live(Settings::default(), 5, 0);
    let hinted = Media::Part(Position::new(5, 0));
    let held = MediaAnswer::Wait {
        not_past: at(118_000),
    };
    // The last part came at 10 s.
    live.handle(at(10_500), Input::Lost).unwrap();
    live.handle(at(10_999), Input::Timeout).unwrap();
    assert_eq!(media(&live, at(10_999), hinted), held);
    live.handle(at(11_000), Input::Timeout).unwrap();
    assert_eq!(media(&live, at(11_000), hinted), MediaAnswer::Gone);
    let next = Media::Part(Position::new(5, 1));
    assert_eq!(
        media(&live, at(11_000), next),
        MediaAnswer::NotYet,
        "a gap is not hinted at"
    );
}

#[test]
fn what_was_hinted_when_the_show_ended_never_comes() {
    let mut live = live(Settings::default(), 5, 0);
    let hinted = Media::Part(Position::new(5, 0));
    let now = at(10_500);
    live.handle(now, Input::End).unwrap();
    assert_eq!(media(&live, now, hinted), MediaAnswer::NotYet);
    assert_eq!(
        media(&live, now, Media::Part(Position::new(4, 1))),
        MediaAnswer::Serve
    );
}

#[test]
fn refusals_explain_themselves() {
    assert_eq!(
        BadRequest::PartWithoutSegment.to_string(),
        "_HLS_part needs _HLS_msn"
    );
    assert_eq!(
        BadRequest::TooFarAhead.to_string(),
        "the playlist is not that far yet"
    );
}
