use proptest::prelude::*;

use super::*;
use crate::config::{RenditionSpec, Settings};

const VIDEO: RenditionId = RenditionId(0);
const AUDIO: RenditionId = RenditionId(1);

fn spec(name: &str, kind: Kind, timescale: u32) -> RenditionSpec {
    RenditionSpec {
        name: name.parse().unwrap(),
        kind,
        timescale,
    }
}

fn show(part_target: Duration) -> Config {
    let renditions = vec![
        spec("video", Kind::Video, 90_000),
        spec("audio", Kind::Audio, 48_000),
    ];
    Config::new(
        Settings {
            part_target,
            ..Settings::default()
        },
        renditions,
    )
    .unwrap()
}

fn only(kind: Kind, timescale: u32) -> Config {
    Config::new(Settings::default(), vec![spec("only", kind, timescale)]).unwrap()
}

/// A publisher's timeline: pictures with a given interval and keyframe distance, and AAC frames, in order of time.
fn samples(seconds: u64, picture_ticks: &[u32], gop: usize, audio_rate: u32) -> Vec<Sample> {
    let mut all = Vec::new();
    let (mut dts, mut count) = (0u64, 0usize);
    while dts < seconds * 90_000 {
        let duration = picture_ticks[count % picture_ticks.len()];
        let sync = if count.is_multiple_of(gop) {
            Sync::Sync
        } else {
            Sync::Delta
        };
        all.push((
            dts * 1_000_000 / 90_000,
            Sample {
                rendition: VIDEO,
                dts,
                duration,
                sync,
            },
        ));
        dts += u64::from(duration);
        count += 1;
    }
    for frame in 0..seconds * u64::from(audio_rate) / 1024 {
        let sample = Sample {
            rendition: AUDIO,
            dts: frame * 1024,
            duration: 1024,
            sync: Sync::Sync,
        };
        all.push((frame * 1024 * 1_000_000 / u64::from(audio_rate), sample));
    }
    all.sort_by_key(|(micros, _)| *micros);
    all.into_iter().map(|(_, sample)| sample).collect()
}

/// What a shell sees: the decisions in order, and how many samples of each rendition it kept.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    decisions: Vec<Decision>,
    kept: [usize; 2],
    error: Option<CutError>,
    /// Segments that ended without a part in the same step: the playlist in between hinted at one.
    broken_hints: usize,
}

fn run(config: &Config, samples: &[Sample]) -> Seen {
    let mut cutter = Cutter::new(config);
    let mut seen = Seen::default();
    for sample in samples {
        match cutter.handle(*sample) {
            Ok(Taken::Kept) => seen.kept[sample.rendition.index()] += 1,
            Ok(Taken::Skipped) => {}
            Err(error) => seen.error = Some(error),
        }
        let step: Vec<_> = std::iter::from_fn(|| cutter.poll_output()).collect();
        seen.broken_hints += bare_ends(&step);
        seen.decisions.extend(step);
    }
    seen.decisions.extend(cutter.finish());
    seen
}

fn bare_ends(step: &[Decision]) -> usize {
    let is_bare = |(index, decision): (usize, &Decision)| {
        let Decision::SegmentEnd { rendition: ended } = decision else {
            return false;
        };
        !step[..index]
            .iter()
            .any(|before| matches!(before, Decision::Part { rendition, .. } if rendition == ended))
    };
    step.iter()
        .enumerate()
        .filter(|step| is_bare(*step))
        .count()
}

/// The segments of one rendition, each as its parts.
fn segments(seen: &Seen, wanted: RenditionId) -> Vec<Vec<Decision>> {
    let mut all = vec![Vec::new()];
    for decision in &seen.decisions {
        match decision {
            Decision::Part { rendition, .. } if *rendition == wanted => {
                all.last_mut().unwrap().push(*decision);
            }
            Decision::SegmentEnd { rendition } if *rendition == wanted => all.push(Vec::new()),
            Decision::Part { .. } | Decision::SegmentEnd { .. } => {}
        }
    }
    assert_eq!(
        all.pop(),
        Some(Vec::new()),
        "the last part is followed by its segment's end"
    );
    all
}

fn length(decision: &Decision) -> Duration {
    match decision {
        Decision::Part { duration, .. } => *duration,
        Decision::SegmentEnd { .. } => Duration::ZERO,
    }
}

fn lengths(seen: &Seen, rendition: RenditionId) -> Vec<Vec<u128>> {
    let millis = |parts: Vec<Decision>| parts.iter().map(|part| length(part).as_millis()).collect();
    segments(seen, rendition).into_iter().map(millis).collect()
}

#[test]
fn thirty_pictures_a_second_and_a_keyframe_every_two() {
    let seen = run(
        &show(Duration::from_secs(1)),
        &samples(8, &[3000], 60, 48_000),
    );
    assert_eq!(lengths(&seen, VIDEO), [[1000, 1000]; 4]);
    // 46 frames of sound fit a part; what is left over waits until it is worth a request.
    assert_eq!(
        lengths(&seen, AUDIO),
        [
            vec![981, 981],
            vec![981, 981],
            vec![981, 981],
            vec![981, 981, 149]
        ]
    );
}

#[test]
fn fast_parts_with_the_millisecond_times_of_rtmp() {
    let config = show(Duration::from_millis(500));
    let seen = run(&config, &samples(10, &[2970, 2970, 3060], 60, 48_000));
    assert_eq!(lengths(&seen, VIDEO), [[500, 500, 500, 500]; 5]);
    // What is left over becomes a part once it is a quarter of the part target.
    let whole = vec![490, 490, 490, 490];
    let rest = vec![490, 490, 490, 490, 149];
    assert_eq!(
        lengths(&seen, AUDIO)[..4],
        [whole.clone(), whole.clone(), whole, rest]
    );
}

#[test]
fn sound_that_was_followed_by_a_hint_is_followed_by_a_part() {
    // Segments of 2 s, and one whose end comes a second later than expected.
    let mut all = samples(8, &[3000], 30, 48_000);
    let is_dropped = |sample: &Sample| [1, 3, 5, 6].contains(&(sample.dts / 90_000));
    for sample in &mut all {
        if sample.rendition == VIDEO && is_dropped(sample) {
            sample.sync = Sync::Delta;
        }
    }
    let seen = run(&show(Duration::from_secs(1)), &all);
    assert_eq!(seen.broken_hints, 0);
    assert_eq!(
        lengths(&seen, VIDEO)[..3],
        [vec![1000, 1000], vec![1000, 1000], vec![1000, 1000, 1000]]
    );
    let sound = lengths(&seen, AUDIO);
    assert_eq!(sound[..2], [[981, 981], [981, 981]]);
    // The part that was held for the cut that did not come is followed by what there is when one does.
    assert_eq!(sound[2], [981, 981, 981, 149]);
}

#[test]
fn whole_milliseconds_cost_no_part_its_last_picture() {
    // Thirty pictures a second as RTMP times them: whichever of 33, 33 and 34 ms comes first, thirty are a part.
    for first in 0..3 {
        let mut intervals = [2970, 2970, 3060];
        intervals.rotate_left(first);
        let seen = run(
            &show(Duration::from_secs(1)),
            &samples(9, &intervals, 60, 48_000),
        );
        assert_eq!(seen.error, None);
        for segment in lengths(&seen, VIDEO).into_iter().take(4) {
            assert_eq!(segment, [1000, 1000]);
        }
    }
}

#[test]
fn a_part_closes_with_the_picture_that_fills_it() {
    let mut cutter = Cutter::new(&only(Kind::Video, 90_000));
    let mut closed_at = Vec::new();
    for sample in samples(5, &[3000], 60, 48_000)
        .iter()
        .filter(|sample| sample.rendition == VIDEO)
    {
        cutter.handle(*sample).unwrap();
        while let Some(decision) = cutter.poll_output() {
            if let Decision::Part { .. } = decision {
                closed_at.push(sample.dts / 3000);
            }
        }
    }
    // The last part of a segment waits for the keyframe that ends the segment.
    assert_eq!(closed_at, [29, 60, 89, 120, 149]);
}

#[test]
fn sound_alone_is_cut_between_whole_parts() {
    let all: Vec<_> = samples(9, &[3000], 60, 48_000)
        .into_iter()
        .filter(|sample| sample.rendition == AUDIO)
        .map(|sample| Sample {
            rendition: VIDEO,
            ..sample
        })
        .collect();
    let seen = run(&only(Kind::Audio, 48_000), &all);
    assert_eq!(
        lengths(&seen, VIDEO),
        [
            vec![981, 981, 981],
            vec![981, 981, 981],
            vec![981, 981, 981],
            vec![149]
        ]
    );
}

#[test]
fn the_stream_begins_at_the_first_keyframe_for_everybody() {
    let mut all = samples(6, &[3000], 60, 48_000);
    all.retain(|sample| sample.rendition == AUDIO || sample.dts >= 15 * 3000);
    let seen = run(&show(Duration::from_secs(1)), &all);
    assert_eq!(
        starts(&seen, VIDEO),
        [Duration::ZERO, Duration::from_secs(2)]
    );
    let sound = starts(&seen, AUDIO);
    assert!(sound[0] < Duration::from_millis(22), "{sound:?}");
    assert_eq!(seen.kept[VIDEO.index()], 180 - 60);
}

#[test]
fn a_keyframe_interval_beyond_the_target_duration_is_refused() {
    let limit = Duration::from_secs(6);
    let fits = run(
        &show(Duration::from_secs(1)),
        &samples(13, &[3000], 180, 48_000),
    );
    assert_eq!(fits.error, None);
    let config = only(Kind::Video, 90_000);
    let all: Vec<_> = samples(13, &[3000], 181, 48_000)
        .into_iter()
        .filter(|s| s.rendition == VIDEO)
        .collect();
    assert_eq!(
        run(&config, &all).error,
        Some(CutError::KeyframeInterval { limit })
    );
    let text = CutError::KeyframeInterval { limit }.to_string();
    assert_eq!(
        text,
        "the keyframe interval is longer than 6s: set it to 2 s in the encoder"
    );
    let never: Vec<_> = all
        .into_iter()
        .map(|sample| Sample {
            sync: Sync::Delta,
            ..sample
        })
        .collect();
    assert_eq!(
        run(&config, &never).error,
        Some(CutError::KeyframeInterval { limit })
    );
}

#[test]
fn broken_timelines_are_named() {
    let sample = |dts, duration| Sample {
        rendition: VIDEO,
        dts,
        duration,
        sync: Sync::Sync,
    };
    let config = only(Kind::Video, 90_000);
    let error = |samples: &[Sample]| run(&config, samples).error;
    assert_eq!(
        error(&[sample(9000, 3000), sample(6000, 3000)]),
        Some(CutError::Broken(Break::Backwards))
    );
    assert_eq!(
        error(&[sample(0, 3000), sample(300_000, 3000)]),
        Some(CutError::Broken(Break::Gap))
    );
    assert_eq!(
        error(&[sample(0, 300_000)]),
        Some(CutError::Broken(Break::Gap))
    );
    let foreign = Sample {
        rendition: AUDIO,
        ..sample(0, 3000)
    };
    assert_eq!(error(&[foreign]), Some(CutError::UnknownRendition));
    // What failed stays failed, and says the same.
    assert_eq!(
        error(&[foreign, sample(0, 3000)]),
        Some(CutError::UnknownRendition)
    );
}

#[test]
fn a_rendition_that_stops_is_named_and_the_other_goes_on_meanwhile() {
    let mut all = samples(30, &[3000], 60, 48_000);
    all.retain(|sample| sample.rendition == AUDIO || sample.dts < 10 * 90_000);
    let seen = run(&show(Duration::from_secs(1)), &all);
    assert_eq!(seen.error, Some(CutError::Broken(Break::Stalled(VIDEO))));
    let sound: Duration = segments(&seen, AUDIO).iter().flatten().map(length).sum();
    assert!(sound > Duration::from_secs(15), "{sound:?}");
    let mut all = samples(30, &[3000], 60, 48_000);
    all.retain(|sample| sample.rendition == VIDEO);
    assert_eq!(
        run(&show(Duration::from_secs(1)), &all).error,
        Some(CutError::Broken(Break::Stalled(AUDIO)))
    );
    let mut all = samples(30, &[3000], 60, 48_000);
    all.retain(|sample| sample.rendition == AUDIO);
    assert_eq!(
        run(&show(Duration::from_secs(1)), &all).error,
        Some(CutError::Broken(Break::Stalled(VIDEO)))
    );
}

#[test]
fn sound_ahead_of_a_late_cut_stays_within_the_target_duration() {
    // Sound is sent 0.4 s before the pictures it belongs to, and a keyframe comes with the last picture that may wait.
    let mut all = samples(20, &[3000], 180, 48_000);
    let early = |sample: &Sample| {
        if sample.rendition == AUDIO {
            48_000 * 4 / 10
        } else {
            0
        }
    };
    let timescale = |sample: &Sample| {
        if sample.rendition == AUDIO {
            48_000
        } else {
            90_000
        }
    };
    all.sort_by_key(|sample| {
        (sample.dts.saturating_sub(early(sample))) * 1_000_000 / timescale(sample)
    });
    let config = show(Duration::from_secs(1));
    let seen = run(&config, &all);
    assert_eq!(seen.error, None);
    check_laws(&config, &seen, Duration::from_millis(34)).unwrap();
    assert_eq!(segments(&seen, VIDEO).len(), 4);
    assert_eq!(
        segments(&seen, AUDIO).len(),
        4,
        "the late cut finds nothing left to do"
    );
}

#[test]
fn dropped_pictures_stretch_one_part() {
    let sample = |dts: u64, duration: u32, sync| Sample {
        rendition: VIDEO,
        dts: dts * 90,
        duration: duration * 90,
        sync,
    };
    let all = [
        sample(0, 500, Sync::Sync),
        sample(500, 1500, Sync::Delta),
        sample(2000, 100, Sync::Sync),
    ];
    let seen = run(&only(Kind::Video, 90_000), &all);
    assert_eq!(lengths(&seen, VIDEO), [vec![500, 1500], vec![100]]);
    let fits: Vec<_> = seen
        .decisions
        .iter()
        .filter_map(|d| {
            if let Decision::Part { fit, .. } = d {
                Some(*fit)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(fits, [Fit::Sparse, Fit::Stretched, Fit::Last]);
}

#[test]
fn a_publisher_that_leaves_before_every_rendition_has_a_part_leaves_nothing() {
    let mut all = samples(3, &[3000], 60, 48_000);
    all.retain(|sample| sample.rendition == VIDEO);
    let seen = run(&show(Duration::from_secs(1)), &all);
    assert_eq!(
        (seen.decisions, seen.kept, seen.error),
        (vec![], [90, 0], None)
    );
}

/// The laws of every history that the cutter accepted.
fn check_laws(config: &Config, seen: &Seen, longest_sample: Duration) -> Result<(), TestCaseError> {
    prop_assert_eq!(seen.broken_hints, 0, "what is hinted at comes");
    for (rendition, spec) in config.renditions() {
        let all = segments(seen, rendition);
        let parts: usize = all
            .iter()
            .flatten()
            .map(|d| {
                if let Decision::Part { samples, .. } = d {
                    *samples
                } else {
                    0
                }
            })
            .sum();
        prop_assert_eq!(
            parts,
            seen.kept[rendition.index()],
            "every kept sample is in one part"
        );
        for segment in &all {
            prop_assert!(!segment.is_empty(), "no segment without a part");
            prop_assert!(segment.iter().map(length).sum::<Duration>() <= config.target_duration());
            for (index, part) in segment.iter().enumerate() {
                let Decision::Part {
                    samples,
                    duration,
                    independence,
                    fit,
                    ..
                } = *part
                else {
                    unreachable!()
                };
                let last = index + 1 == segment.len();
                prop_assert!(samples > 0);
                prop_assert!(index > 0 || independence == Independence::Independent);
                prop_assert!(
                    duration <= config.part_target() || (fit == Fit::Stretched && samples == 1)
                );
                prop_assert!(last || fit != Fit::Last, "a part called last is the last");
                prop_assert!(
                    last || duration >= config.part_min() || fit == Fit::Sparse,
                    "{duration:?}"
                );
                let slow = longest_sample > config.part_target() * 15 / 100;
                prop_assert!(
                    fit != Fit::Sparse || slow,
                    "a fast picture rate always fills its parts"
                );
                prop_assert!(spec.kind == Kind::Video || fit != Fit::Sparse);
            }
        }
    }
    Ok(())
}

/// When each segment starts.
fn starts(seen: &Seen, rendition: RenditionId) -> Vec<Duration> {
    let first = |segment: &Vec<Decision>| match segment[0] {
        Decision::Part { start, .. } => start,
        Decision::SegmentEnd { .. } => unreachable!("a segment begins with a part"),
    };
    segments(seen, rendition).iter().map(first).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_steady_publisher_is_cut_by_the_rules(
        part_target in prop_oneof![Just(500u64), Just(1000), 200u64..2000],
        pictures in prop::collection::vec(1000u32..9000, 1..4),
        gop_seconds in 1u32..40,
        rate in prop_oneof![Just(44_100u32), Just(48_000)],
    ) {
        let mean: u32 = pictures.iter().sum::<u32>() / u32::try_from(pictures.len()).unwrap();
        let gop = (gop_seconds * 9000 / mean).max(1) as usize;
        let mut config = show(Duration::from_millis(part_target));
        if rate == 44_100 {
            let renditions = vec![spec("video", Kind::Video, 90_000), spec("audio", Kind::Audio, 44_100)];
            config = Config::new(
                Settings { part_target: Duration::from_millis(part_target), ..Settings::default() }, renditions,
            ).unwrap();
        }
        let all = samples(20, &pictures, gop, rate);
        let seen = run(&config, &all);
        prop_assert!(seen.error.is_none(), "an interval below four seconds always fits: {:?}", seen.error);
        let longest = Duration::from_micros(u64::from(*pictures.iter().max().unwrap()) * 100 / 9);
        check_laws(&config, &seen, longest)?;
        prop_assert_eq!(&seen, &run(&config, &all), "the same samples are cut the same");
        let (pictures, sound) = (starts(&seen, VIDEO), starts(&seen, AUDIO));
        for start in &sound {
            let near = pictures.iter().any(|other| other.abs_diff(*start) <= config.part_target());
            prop_assert!(near || *start > *pictures.last().unwrap(), "{start:?} of {pictures:?}");
        }
    }

    #[test]
    fn sound_that_is_off_and_irregular_keyframes_break_no_hint(
        part_target in prop_oneof![Just(500u64), Just(1000), 200u64..2000],
        gops in prop::collection::vec(1usize..110, 1..12),
        off_ms in -1_500i64..1_500,
    ) {
        let config = show(Duration::from_millis(part_target));
        let mut all = samples(24, &[3000], usize::MAX, 48_000);
        let mut next = 0u64;
        let mut gops = gops.iter().cycle();
        for sample in all.iter_mut().filter(|sample| sample.rendition == VIDEO) {
            sample.sync = Sync::Delta;
            if sample.dts == next * 3000 {
                sample.sync = Sync::Sync;
                next += *gops.next().unwrap() as u64;
            }
        }
        all.sort_by_key(|sample| match sample.rendition {
            AUDIO => (sample.dts * 1_000 / 48).cast_signed() + off_ms * 1_000,
            _ => (sample.dts * 1_000 / 90).cast_signed(),
        });
        let seen = run(&config, &all);
        prop_assert_eq!(seen.error, None);
        check_laws(&config, &seen, Duration::from_millis(34))?;
        let (pictures, sound) = (starts(&seen, VIDEO), starts(&seen, AUDIO));
        prop_assert!(pictures.len().abs_diff(sound.len()) <= 1, "{pictures:?} {sound:?}");
    }

    #[test]
    fn any_samples_at_all_break_no_law(
        steps in prop::collection::vec((any::<bool>(), 0u32..400_000, any::<bool>(), 0u64..20_000), 0..400),
        wild in any::<Option<(u64, u32)>>(),
    ) {
        let config = show(Duration::from_secs(1));
        let mut next = [0u64; 2];
        let mut all: Vec<_> = steps.into_iter().map(|(is_audio, duration, sync, gap)| {
            let index = usize::from(is_audio);
            let duration = if is_audio { 1024 } else { duration % 40_000 };
            let dts = next[index] + gap;
            next[index] = dts + u64::from(duration);
            let sync = if is_audio || sync { Sync::Sync } else { Sync::Delta };
            Sample { rendition: [VIDEO, AUDIO][index], dts, duration, sync }
        }).collect();
        if let Some((dts, duration)) = wild {
            all.push(Sample { rendition: VIDEO, dts, duration, sync: Sync::Sync });
        }
        let mut seen = run(&config, &all);
        if seen.decisions.is_empty() {
            seen.kept = [0, 0];
        }
        check_laws(&config, &seen, config.target_duration())?;
    }
}
