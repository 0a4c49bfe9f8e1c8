use proptest::{prelude::*, sample::Index};

use super::*;
use crate::limits::SAMPLES_PER_PART_MAX;

const PATIENCE: Duration = Duration::from_secs(1);
/// 30 pictures a second.
const TICKS: u32 = 3_000;

/// A source picture, with what it is made of in the tests.
#[derive(Debug, Clone, Copy)]
struct Made {
    source: Source,
    sync: bool,
}

/// What the cutter makes of a source: parts, each with the number of its pictures, in segments.
type Segments = Vec<Vec<usize>>;

/// A group of pictures in the order of decoding: `steps` are their durations, and of every three that follow the first
/// the last is shown first, as encoders with B-frames send them.
fn group(begin: u64, delay: u64, steps: &[u32]) -> Vec<Made> {
    let mut at = begin;
    let times: Vec<_> = steps
        .iter()
        .map(|step| {
            let this = at;
            at += u64::from(*step);
            this
        })
        .collect();
    let mut shown: Vec<_> = times.iter().map(|time| time + delay).collect();
    for three in shown[1..].chunks_exact_mut(3) {
        three.rotate_right(1);
    }
    let made = |(index, ((&decode_time, &duration), presentation_time))| Made {
        source: Source {
            decode_time,
            duration,
            presentation_time,
        },
        sync: index == 0,
    };
    times
        .iter()
        .zip(steps)
        .zip(shown)
        .enumerate()
        .map(made)
        .collect()
}

/// A source of whole groups, one to each segment.
fn source(segments: &Segments, delay: u64, step: impl Fn(usize) -> u32) -> Vec<Made> {
    let mut all: Vec<Made> = Vec::new();
    for parts in segments {
        let begin = all.last().map_or(90_000, |last| {
            last.source.decode_time + u64::from(last.source.duration)
        });
        let steps: Vec<_> = (0..parts.iter().sum()).map(&step).collect();
        all.extend(group(begin, delay, &steps));
    }
    all
}

/// The parts that the cutter makes of it.
fn leads(segments: &Segments, made: &[Made]) -> Vec<Vec<Lead>> {
    let mut rest = made;
    let mut lead = |samples: usize| {
        let (part, after) = rest.split_at(samples);
        rest = after;
        let ticks = |ticks: u64| Duration::from_micros(ticks * 1_000_000 / 90_000);
        Lead {
            samples,
            start: ticks(part[0].source.decode_time - 90_000),
            duration: ticks(
                part.iter()
                    .map(|made| u64::from(made.source.duration))
                    .sum(),
            ),
        }
    };
    segments
        .iter()
        .map(|parts| parts.iter().map(|samples| lead(*samples)).collect())
        .collect()
}

fn given_back(made: &Made, payload: usize) -> Picture<usize> {
    Picture {
        presentation_time: made.source.presentation_time,
        sync: if made.sync { Sync::Sync } else { Sync::Delta },
        payload,
    }
}

/// A source's pictures as they are shown, which is how an encoder gives them back.
fn in_order(made: &[Made]) -> Vec<Picture<usize>> {
    let mut order: Vec<_> = made.to_vec();
    order.sort_by_key(|made| made.source.presentation_time);
    order
        .iter()
        .enumerate()
        .map(|(index, made)| given_back(made, index))
        .collect()
}

fn drain(shadow: &mut Shadow<usize>) -> Vec<Output<usize>> {
    std::iter::from_fn(|| shadow.poll_output()).collect()
}

const NOW: Moment = Moment(Duration::from_secs(100));

/// Feeds a whole segment of the source to the shadow.
fn lead_segment(shadow: &mut Shadow<usize>, now: Moment, made: &[Made], parts: &[Lead]) {
    for picture in made {
        shadow.handle_source(picture.source);
    }
    for lead in parts {
        shadow.handle_part(now, *lead);
    }
    shadow.handle_segment_end();
}

/// `P`, `G` and `|`, as they come out.
fn shape(outputs: &[Output<usize>]) -> String {
    let letter = |output: &Output<usize>| match output {
        Output::Part { .. } => 'P',
        Output::Gap { .. } => 'G',
        Output::SegmentEnd => '|',
    };
    outputs.iter().map(letter).collect()
}

#[test]
fn a_part_comes_out_with_its_last_picture() {
    let segments = vec![vec![4, 3]];
    let made = source(&segments, 6_000, |_| TICKS);
    let back = in_order(&made);
    let mut shadow = Shadow::new(PATIENCE);
    lead_segment(&mut shadow, NOW, &made, &leads(&segments, &made)[0]);
    for picture in &back[..3] {
        shadow.handle_picture(picture.clone());
    }
    assert_eq!(drain(&mut shadow), []);
    shadow.handle_picture(back[3].clone());
    let outputs = drain(&mut shadow);
    assert_eq!(shape(&outputs), "P");
    let Some(Output::Part { pictures, .. }) = outputs.first() else {
        panic!("a part")
    };
    let times: Vec<_> = pictures
        .iter()
        .map(|placed| (placed.decode_time, placed.duration, placed.composition))
        .collect();
    assert_eq!(
        times,
        [
            (90_000, 3_000, 6_000),
            (93_000, 3_000, 6_000),
            (96_000, 3_000, 6_000),
            (99_000, 3_000, 6_000)
        ]
    );
    assert_eq!(shadow.poll_timeout(), Some(NOW.after(PATIENCE)));
}

#[test]
fn a_picture_that_the_encoder_leaves_out_is_covered_by_the_one_before() {
    let segments = vec![vec![3, 3]];
    let made = source(&segments, 0, |_| TICKS);
    let back = in_order(&made);
    let mut shadow = Shadow::new(PATIENCE);
    lead_segment(&mut shadow, NOW, &made, &leads(&segments, &made)[0]);
    for index in [0, 2, 4, 5] {
        shadow.handle_picture(back[index].clone());
    }
    let spans: Vec<Vec<_>> = drain(&mut shadow)
        .iter()
        .filter_map(|output| match output {
            Output::Part { pictures, .. } => Some(
                pictures
                    .iter()
                    .map(|placed| (placed.payload, placed.duration, placed.composition))
                    .collect(),
            ),
            Output::Gap { .. } | Output::SegmentEnd => None,
        })
        .collect();
    // What lasts until a part's end is its own; a part that lacks its first begins with its second, shown when meant.
    assert_eq!(
        spans,
        [
            vec![(0, 6_000, 0), (2, 3_000, 0)],
            vec![(4, 6_000, 3_000), (5, 3_000, 0)]
        ]
    );
}

#[test]
fn what_is_late_is_a_gap_to_its_segments_end_and_the_next_is_whole() {
    let segments = vec![vec![3, 3, 3], vec![3, 3]];
    let made = source(&segments, 0, |_| TICKS);
    let (back, leads) = (in_order(&made), leads(&segments, &made));
    let mut shadow = Shadow::new(PATIENCE);
    lead_segment(&mut shadow, NOW, &made[..9], &leads[0]);
    for picture in &back[..4] {
        shadow.handle_picture(picture.clone());
    }
    assert_eq!(shape(&drain(&mut shadow)), "P");
    let due = shadow.poll_timeout().unwrap();
    shadow.handle_timeout(due);
    assert_eq!(shape(&drain(&mut shadow)), "GG|");
    lead_segment(&mut shadow, due, &made[9..], &leads[1]);
    for picture in &back[4..] {
        shadow.handle_picture(picture.clone());
    }
    assert_eq!(shape(&drain(&mut shadow)), "PP|");
    assert_eq!(shadow.poll_timeout(), None);
}

#[test]
fn a_segment_without_its_keyframe_is_a_gap() {
    let segments = vec![vec![3], vec![3], vec![3]];
    let made = source(&segments, 0, |_| TICKS);
    let (mut back, leads) = (in_order(&made), leads(&segments, &made));
    // The first begins with another picture, the second lacks its first.
    back[0].sync = Sync::Delta;
    back.remove(3);
    let mut shadow = Shadow::new(PATIENCE);
    for (made, leads) in made.chunks(3).zip(&leads) {
        lead_segment(&mut shadow, NOW, made, leads);
    }
    back.into_iter()
        .for_each(|picture| shadow.handle_picture(picture));
    assert_eq!(shape(&drain(&mut shadow)), "G|G|P|");
}

#[test]
fn a_lost_encoder_leaves_a_gap_at_once_and_its_successor_goes_on_with_a_segment() {
    let segments = vec![vec![3, 3], vec![3], vec![3]];
    let made = source(&segments, 0, |_| TICKS);
    let (back, leads) = (in_order(&made), leads(&segments, &made));
    let mut shadow = Shadow::new(PATIENCE);
    lead_segment(&mut shadow, NOW, &made[..6], &leads[0]);
    back[..4]
        .iter()
        .cloned()
        .for_each(|picture| shadow.handle_picture(picture));
    // It had the beginning of the next segment, too.
    made[6..8]
        .iter()
        .for_each(|made| shadow.handle_source(made.source));
    shadow.handle_lost();
    assert_eq!(shape(&drain(&mut shadow)), "PG|");
    shadow.handle_source(made[8].source);
    shadow.handle_part(NOW, leads[1][0]);
    shadow.handle_segment_end();
    lead_segment(&mut shadow, NOW, &made[9..], &leads[2]);
    back[9..]
        .iter()
        .cloned()
        .for_each(|picture| shadow.handle_picture(picture));
    assert_eq!(shape(&drain(&mut shadow)), "G|P|");
}

#[test]
fn an_encoder_that_is_far_behind_holds_no_more_than_the_limit() {
    let samples = SAMPLES_PER_PART_MAX;
    let segments: Segments = vec![vec![samples]; 4];
    let made = source(&segments, 0, |_| 1);
    let leads = leads(&segments, &made);
    let mut shadow = Shadow::new(PATIENCE);
    for (made, leads) in made.chunks(samples).zip(&leads) {
        lead_segment(&mut shadow, NOW, made, leads);
        assert!(shadow.places.len() <= SHADOW_PICTURES_MAX);
    }
    // The oldest were given up to make room, although their time was not over.
    assert_eq!(shape(&drain(&mut shadow)), "G|G|");
    // A source that is not cut for too long.
    let mut shadow = Shadow::new(PATIENCE);
    made.iter()
        .for_each(|made| shadow.handle_source(made.source));
    assert_eq!(
        (shadow.places.len(), shadow.shown.len()),
        (SHADOW_PICTURES_MAX, SHADOW_PICTURES_MAX)
    );
    for lead in leads.concat() {
        shadow.handle_part(NOW, lead);
        shadow.handle_segment_end();
    }
    for picture in in_order(&made) {
        shadow.handle_picture(picture);
    }
    assert_eq!(shape(&shadow.finish().collect::<Vec<_>>()), "P|P|G|G|");
}

fn segments() -> impl Strategy<Value = Segments> {
    proptest::collection::vec(proptest::collection::vec(1..9_usize, 1..4), 1..6)
}

/// What an encoder may do, in any order; the indexes say which picture.
#[derive(Debug, Clone)]
enum Act {
    /// Gives the next pictures back.
    Give(usize),
    /// Leaves out the next one.
    Skip,
    /// Gives an earlier one or a later one, again or out of order.
    Wander(Index),
    /// Gives what it was never sent.
    Invent(u64),
    /// Is gone.
    Lose,
    /// Lets time pass.
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1..12_usize).prop_map(Act::Give),
        1 => Just(Act::Skip),
        1 => any::<Index>().prop_map(Act::Wander),
        1 => any::<u64>().prop_map(Act::Invent),
        1 => Just(Act::Lose),
        3 => (0..900_u64).prop_map(Act::Wait),
    ]
}

/// Every law that holds whatever the encoder does.
fn check_laws(
    outputs: &[Output<usize>],
    made: &[Made],
    leads: &[Vec<Lead>],
) -> Result<(), TestCaseError> {
    let mut outputs = outputs.iter();
    let mut rest = made;
    let mut seen = BTreeSet::new();
    for parts in leads {
        let mut segment = Segment::Begins;
        for lead in parts {
            let (places, after) = rest.split_at(lead.samples);
            rest = after;
            match outputs.next() {
                Some(Output::Part {
                    pictures,
                    start,
                    duration,
                }) => {
                    prop_assert_eq!((*start, *duration), (lead.start, lead.duration));
                    prop_assert_ne!(segment, Segment::Gap, "a segment goes on after its gap");
                    if segment == Segment::Begins {
                        prop_assert_eq!(pictures[0].sync, Sync::Sync);
                    }
                    segment = Segment::Grows;
                    // One after the other, from the first place to the end of the last.
                    let mut at = places[0].source.decode_time;
                    for placed in pictures {
                        prop_assert_eq!(placed.decode_time, at);
                        at += u64::from(placed.duration);
                        prop_assert!(seen.insert(placed.payload), "a picture comes out once");
                    }
                    let last = places[lead.samples - 1].source;
                    prop_assert_eq!(at, last.decode_time + u64::from(last.duration));
                    prop_assert!(pictures.len() <= lead.samples);
                }
                Some(Output::Gap { start, duration }) => {
                    prop_assert_eq!((*start, *duration), (lead.start, lead.duration));
                    segment = Segment::Gap;
                }
                other => prop_assert!(false, "a part is due, not {:?}", other),
            }
        }
        prop_assert_eq!(outputs.next(), Some(&Output::SegmentEnd));
    }
    prop_assert_eq!(outputs.next(), None);
    Ok(())
}

proptest! {
    #[test]
    fn an_encoder_that_gives_all_back_makes_the_same_parts(
        segments in segments(),
        delay in 0..9_000_u64,
        steps in proptest::collection::vec(1..6_000_u32, 1..7),
        ahead in 0..20_usize,
    ) {
        let made = source(&segments, delay, |index| steps[index % steps.len()]);
        let leads = leads(&segments, &made);
        let mut back = in_order(&made).into_iter();
        let mut shadow = Shadow::new(PATIENCE);
        let mut begin = 0;
        let mut given = 0;
        for (sizes, leads) in segments.iter().zip(&leads) {
            let count: usize = sizes.iter().sum();
            for picture in &made[begin..begin + count] {
                shadow.handle_source(picture.source);
            }
            begin += count;
            // A decoder has seen what is shown before a picture when it gives that back; some come before the cut.
            let ready = begin.saturating_sub(ahead).max(given);
            back.by_ref().take(ready - given).for_each(|picture| shadow.handle_picture(picture));
            given = ready;
            for lead in leads {
                shadow.handle_part(NOW, *lead);
            }
            shadow.handle_segment_end();
        }
        back.for_each(|picture| shadow.handle_picture(picture));
        let outputs = drain(&mut shadow);
        check_laws(&outputs, &made, &leads)?;
        let mut places = made.iter();
        for output in &outputs {
            match output {
                Output::SegmentEnd => {}
                Output::Gap { .. } => prop_assert!(false, "nothing is missing"),
                Output::Part { pictures, .. } => for placed in pictures {
                    let source = places.next().unwrap().source;
                    prop_assert_eq!((placed.decode_time, placed.duration), (source.decode_time, source.duration));
                },
            }
        }
        prop_assert!(places.next().is_none());
        prop_assert_eq!(shadow.poll_timeout(), None);
    }

    #[test]
    fn whatever_the_encoder_does_the_cuts_are_the_sources(
        segments in segments(),
        delay in 0..9_000_u64,
        steps in proptest::collection::vec(1..6_000_u32, 1..7),
        acts in proptest::collection::vec((0..4_usize, act()), 0..60),
    ) {
        let made = source(&segments, delay, |index| steps[index % steps.len()]);
        let leads = leads(&segments, &made);
        let back = in_order(&made);
        let mut shadow = Shadow::new(PATIENCE);
        let mut outputs = Vec::new();
        let (mut now, mut given) = (NOW, 0);
        let mut acts = acts.into_iter();
        let mut rest = &made[..];
        let mut act = |shadow: &mut Shadow<usize>, now: &mut Moment| {
            let Some((_, act)) = acts.next() else { return };
            match act {
                Act::Give(count) => {
                    for picture in back.iter().skip(given).take(count) {
                        shadow.handle_picture(picture.clone());
                    }
                    given += count;
                }
                Act::Skip => given += 1,
                // Its payload is its own, so that what comes out twice is seen.
                Act::Wander(index) => {
                    let mut picture = index.get(&back).clone();
                    picture.payload = usize::MAX;
                    shadow.handle_picture(picture);
                }
                Act::Invent(at) => shadow.handle_picture(Picture { presentation_time: at, sync: Sync::Sync, payload: usize::MAX - 1 }),
                Act::Lose => shadow.handle_lost(),
                Act::Wait(millis) => {
                    *now = now.after(Duration::from_millis(millis));
                    shadow.handle_timeout(*now);
                    assert!(shadow.poll_timeout().is_none_or(|due| due > *now), "nothing due is left");
                }
            }
        };
        for parts in &leads {
            for lead in parts {
                let (pictures, after) = rest.split_at(lead.samples);
                rest = after;
                for picture in pictures {
                    shadow.handle_source(picture.source);
                }
                act(&mut shadow, &mut now);
                shadow.handle_part(now, *lead);
                act(&mut shadow, &mut now);
                outputs.extend(drain(&mut shadow));
            }
            shadow.handle_segment_end();
            act(&mut shadow, &mut now);
        }
        prop_assert_eq!(
            shadow.next + shadow.shown.len() as u64,
            shadow.first + shadow.places.len() as u64,
            "every picture is awaited or passed"
        );
        outputs.extend(shadow.finish());
        // Wandering pictures share payloads: the law that each comes out once is checked on those that do not.
        let mut copies = 0;
        for output in &mut outputs {
            if let Output::Part { pictures, .. } = output {
                for placed in pictures {
                    if placed.payload >= usize::MAX - 1 {
                        copies += 1;
                        placed.payload = usize::MAX / 2 + copies;
                    }
                }
            }
        }
        check_laws(&outputs, &made, &leads)?;
    }
}
