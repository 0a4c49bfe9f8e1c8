//! How long media outlives its place in the playlist (section 6.2.2).

use std::time::Duration;

use super::{AUDIO, SHOWTIME, VIDEO, at, config};
use crate::{
    Asked, HandleError, Independence, InitId, Input, Live, Media, MediaAnswer, MediaSeq, Output,
    Reason, Settings,
};

/// A stream with the smallest window: six segments of 3 s, in target durations of 6 s.
fn small() -> Live {
    Live::new(
        config(Settings {
            window: Duration::from_secs(18),
            ..Settings::default()
        }),
        SHOWTIME,
    )
}

/// Whole segments of 3 s, one after the other from `from` to `to`, one each `pace` milliseconds.
fn segments(live: &mut Live, pace: u64, from: u64, to: u64) -> Vec<(u64, Output)> {
    let (rendition, mut outputs) = (VIDEO, Vec::new());
    for count in from..to {
        let now = (count + 1) * pace;
        let (start, duration) = (Duration::from_millis(count * 3000), Duration::from_secs(3));
        let part = Input::Part {
            rendition,
            start,
            duration,
            independence: Independence::Independent,
        };
        live.handle(at(now), part).unwrap();
        live.handle(at(now), Input::SegmentEnd { rendition })
            .unwrap();
        outputs.extend(std::iter::from_fn(|| live.poll_output()).map(|output| (now, output)));
    }
    outputs.retain(|(_, output)| !matches!(output, Output::Changed { .. }));
    outputs
}

#[test]
fn a_removed_segment_stays_for_its_availability_and_its_parts_for_three_target_durations() {
    let mut live = small();
    let outputs = segments(&mut live, 3000, 0, 7);
    assert_eq!(outputs, []);
    let removed = live.snapshot(VIDEO).unwrap().media_sequence;
    assert_eq!(
        removed,
        MediaSeq(1),
        "the seventh segment pushes the first one out, at 21 s"
    );
    // Listed at 3 s, it would be available for its own 3 s and the 21 s that the longest playlist lasted; its parts are
    // owed three target durations from now on, which is later.
    assert_eq!(
        live.poll_timeout(),
        Some((at(21_000 + 18_000), Reason::Forget))
    );
    let first = |live: &Live| live.media(Asked::first(at(0)), VIDEO, Media::Segment(MediaSeq(0)));
    live.handle(at(38_999), Input::Timeout).unwrap();
    assert_eq!(
        (first(&live), live.poll_output()),
        (MediaAnswer::Serve, None)
    );
    live.handle(at(39_000), Input::Timeout).unwrap();
    let forget = Output::Forget {
        rendition: VIDEO,
        msn: MediaSeq(0),
    };
    assert_eq!(
        (first(&live), live.poll_output()),
        (MediaAnswer::Gone, Some(forget))
    );
    assert_eq!((live.poll_output(), live.poll_timeout()), (None, None));
}

#[test]
fn what_has_no_place_leaves_early_and_stays_for_three_target_durations() {
    let mut live = Live::new(
        config(Settings {
            window: Duration::from_secs(7200),
            ..Settings::default()
        }),
        SHOWTIME,
    );
    assert_eq!(segments(&mut live, 3000, 0, 100), []);
    let sequence = |live: &Live| live.snapshot(VIDEO).unwrap().media_sequence;
    let now = 301_000;
    let first = MediaSeq(40);
    live.handle(at(now), Input::Shorten { first }).unwrap();
    assert_eq!(sequence(&live), first);
    assert_eq!(
        live.snapshot(VIDEO).unwrap().segments[0].msn,
        first,
        "the playlist begins there"
    );
    let ask = |live: &Live, msn| {
        let media = Media::Segment(MediaSeq(msn));
        live.media(Asked::first(at(now)), VIDEO, media)
    };
    assert_eq!(ask(&live, 39), MediaAnswer::Serve);
    assert_eq!(
        live.poll_timeout(),
        Some((at(now + 18_000), Reason::Forget))
    );
    live.handle(at(now + 18_000), Input::Timeout).unwrap();
    assert_eq!(ask(&live, 39), MediaAnswer::Gone);
    assert_eq!(ask(&live, 40), MediaAnswer::Serve);
    // However little place there is, a playlist keeps six segments and three target durations.
    let first = MediaSeq(1_000);
    live.handle(at(now + 18_000), Input::Shorten { first })
        .unwrap();
    assert_eq!(sequence(&live), MediaSeq(94));
    // Nothing is left to remove, and nobody is told that something changed.
    while live.poll_output().is_some() {}
    live.handle(at(now + 18_000), Input::Shorten { first })
        .unwrap();
    assert_eq!(live.poll_output(), None);
}

#[test]
fn a_playlist_keeps_its_least_number_of_segments_however_long_they_are() {
    let settings = Settings {
        window: Duration::from_secs(18),
        window_segments_min: 9,
        ..Settings::default()
    };
    let mut live = Live::new(config(settings), SHOWTIME);
    segments(&mut live, 3000, 0, 9);
    assert_eq!(live.snapshot(VIDEO).unwrap().media_sequence, MediaSeq(0));
    segments(&mut live, 3000, 9, 10);
    assert_eq!(live.snapshot(VIDEO).unwrap().media_sequence, MediaSeq(1));
}

#[test]
fn media_that_came_faster_than_it_plays_stays_for_as_long_as_the_longest_playlist() {
    let mut live = small();
    segments(&mut live, 100, 0, 7);
    // Listed at 0.1 s, for its own 3 s and the 21 s of the longest playlist.
    assert_eq!(
        live.poll_timeout(),
        Some((at(100 + 3000 + 21_000), Reason::Forget))
    );
}

#[test]
fn an_init_section_goes_with_the_last_segment_that_needs_it() {
    let mut live = small();
    segments(&mut live, 3000, 0, 2);
    live.handle(
        at(6000),
        Input::Returned {
            anchor: SHOWTIME,
            new_init: vec![VIDEO],
        },
    )
    .unwrap();
    assert_eq!(
        (live.init(VIDEO), live.init(AUDIO)),
        (Some(InitId(1)), Some(InitId(0)))
    );
    let outputs = segments(&mut live, 3000, 2, 20);
    let forgotten: Vec<_> = outputs.iter().take(3).map(|(_, output)| *output).collect();
    let forget = |msn| Output::Forget {
        rendition: VIDEO,
        msn: MediaSeq(msn),
    };
    assert_eq!(
        forgotten,
        [
            forget(0),
            forget(1),
            Output::ForgetInit {
                rendition: VIDEO,
                init: InitId(0)
            }
        ]
    );
    let init = |id| live.media(Asked::first(at(60_000)), VIDEO, Media::Init(InitId(id)));
    assert_eq!(
        [0, 1, 2].map(init),
        [MediaAnswer::Gone, MediaAnswer::Serve, MediaAnswer::NotYet]
    );
}

#[test]
fn an_init_section_that_was_never_used_goes_at_once() {
    let mut live = small();
    segments(&mut live, 3000, 0, 1);
    let returned = || Input::Returned {
        anchor: SHOWTIME,
        new_init: vec![VIDEO],
    };
    live.handle(at(4000), returned()).unwrap();
    assert!(
        !std::iter::from_fn(|| live.poll_output())
            .any(|output| matches!(output, Output::ForgetInit { .. }))
    );
    live.handle(at(5000), returned()).unwrap();
    let outputs: Vec<_> = std::iter::from_fn(|| live.poll_output()).collect();
    assert!(
        outputs.contains(&Output::ForgetInit {
            rendition: VIDEO,
            init: InitId(1)
        }),
        "{outputs:?}"
    );
    assert_eq!(live.init(VIDEO), Some(InitId(2)));
}

#[test]
fn what_does_not_fit_the_stream_is_refused_by_name() {
    let mut live = small();
    let part = |seconds, independence| Input::Part {
        rendition: VIDEO,
        start: Duration::ZERO,
        duration: Duration::from_secs(seconds),
        independence,
    };
    let end = || Input::SegmentEnd { rendition: VIDEO };
    let mut handle = |input| live.handle(at(0), input);
    assert_eq!(handle(end()), Err(HandleError::EmptySegment));
    assert_eq!(
        handle(part(1, Independence::Dependent)),
        Err(HandleError::DependentSegment)
    );
    assert_eq!(
        handle(part(7, Independence::Independent)),
        Err(HandleError::SegmentTooLong)
    );
    assert_eq!(handle(part(6, Independence::Independent)), Ok(()));
    assert_eq!(
        handle(part(1, Independence::Dependent)),
        Err(HandleError::SegmentTooLong)
    );
    for _ in 1..crate::limits::PARTS_PER_SEGMENT_MAX {
        assert_eq!(handle(part(0, Independence::Dependent)), Ok(()));
    }
    assert_eq!(
        handle(part(0, Independence::Dependent)),
        Err(HandleError::TooManyParts)
    );
    assert_eq!(handle(Input::Lost), Ok(()));
    assert_eq!(
        handle(part(1, Independence::Independent)),
        Err(HandleError::Away)
    );
    assert_eq!(handle(end()), Err(HandleError::Away));
    assert_eq!(handle(Input::End), Ok(()));
    for input in [
        part(1, Independence::Independent),
        end(),
        Input::Lost,
        Input::End,
    ] {
        assert_eq!(handle(input), Err(HandleError::Ended));
    }
    assert_eq!(handle(Input::Timeout), Ok(()));
}
