//! Segments that are numbered by the clock, in cells of half a target duration.

use std::time::Duration;

use proptest::prelude::*;

use super::{AUDIO, VIDEO, at, config, parsed::Parsed};
use crate::{
    ConfigError, HandleError, Independence, Input, Kind, Live, MediaSeq, Numbering, RenditionSpec,
    Settings, WallTime,
    limits::SEGMENTS_MAX,
    render::{Form, media_playlist},
};

fn settings() -> Settings {
    Settings {
        numbering: Numbering::Clock,
        ..Settings::default()
    }
}

/// A second into the cell of number 1,000.
const BEGIN: WallTime = WallTime(3_001_000);

/// A stream with one whole segment in each rendition, which ends with the media at `end`.
fn live(end: WallTime) -> Live {
    let mut live = Live::new(config(settings()), BEGIN);
    for rendition in [VIDEO, AUDIO] {
        for millis in (0..end.0 - BEGIN.0).step_by(500) {
            let part = Input::Part {
                rendition,
                start: Duration::from_millis(millis),
                duration: Duration::from_millis(500.min(end.0 - BEGIN.0 - millis)),
                independence: Independence::Independent,
            };
            live.handle(at(0), part).unwrap();
        }
    }
    live.handle(at(0), Input::Lost).unwrap();
    while live.poll_output().is_some() {}
    live
}

fn returned(anchor: WallTime) -> Input {
    Input::Returned {
        anchor,
        new_init: Vec::new(),
    }
}

#[test]
fn the_first_segment_has_the_number_of_its_cell_and_a_gap_waits_for_its_end() {
    let mut live = live(WallTime(3_004_200));
    let snapshot = live.snapshot(VIDEO).unwrap();
    assert_eq!(snapshot.media_sequence, MediaSeq(1_000));
    assert_eq!(snapshot.segments.len(), 1);
    live.handle(at(60_000), Input::Timeout).unwrap();
    assert_eq!(live.snapshot(VIDEO).unwrap().segments.len(), 1);
}

#[test]
fn every_cell_that_is_missing_is_a_segment_of_gap() {
    let mut live = live(WallTime(3_004_200));
    live.handle(at(20_000), returned(WallTime(3_012_700)))
        .unwrap();
    for rendition in [VIDEO, AUDIO] {
        let text = media_playlist(live.snapshot(rendition).unwrap(), Form::Whole);
        let gaps: Vec<_> = Parsed::read(&text).segments[1..]
            .iter()
            .map(|segment| (segment.gap, segment.duration))
            .collect();
        // 1,001 to its cell's end, 1,002, and 1,003 up to where 1,004 begins.
        assert_eq!(gaps, [(true, 1.8), (true, 3.0), (true, 3.7)]);
    }
    let part = Input::Part {
        rendition: VIDEO,
        start: Duration::ZERO,
        duration: Duration::from_secs(1),
        independence: Independence::Independent,
    };
    live.handle(at(21_000), part).unwrap();
    assert_eq!(live.last(VIDEO).map(|last| last.msn), Some(MediaSeq(1_004)));
}

#[test]
fn a_clock_that_leaps_for_hours_is_refused() {
    let mut live = live(WallTime(3_004_200));
    let far = WallTime(3_000 * (1_002 + SEGMENTS_MAX as u64));
    assert_eq!(live.handle(at(1), returned(far)), Err(HandleError::Leap));
    assert_eq!(
        live.handle(at(1), returned(WallTime(far.0 - 3_000))),
        Ok(())
    );
}

#[test]
fn numbers_from_the_clock_need_pictures() {
    let sound = RenditionSpec {
        name: "audio".parse().unwrap(),
        kind: Kind::Audio,
        timescale: 48_000,
    };
    assert_eq!(
        crate::Config::new(settings(), vec![sound]),
        Err(ConfigError::Numbering)
    );
}

proptest! {
    #[test]
    fn numbers_and_lengths_hold_wherever_media_ends_and_returns(lasts in 1u64..5_900, away in 0u64..60_000) {
        let end = WallTime(BEGIN.0 + lasts);
        let mut live = live(end);
        let anchor = WallTime(end.0 + away);
        live.handle(at(100_000), returned(anchor)).unwrap();
        let snapshot = live.snapshot(VIDEO).unwrap();
        let next = snapshot.media_sequence.0 + snapshot.segments.len() as u64;
        // Where media returns in the cell that it was lost in, the number after is the next; the shell waits for a later one.
        prop_assert_eq!(next, (anchor.0 / 3_000).max(1_001));
        for segment in snapshot.segments.iter() {
            prop_assert!(segment.duration <= Duration::from_secs(6));
            prop_assert!(!segment.parts.is_empty());
        }
    }
}
