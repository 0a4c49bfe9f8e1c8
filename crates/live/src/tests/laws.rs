//! What holds in every history, whatever the shell and the viewers do.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::{AUDIO, SHOWTIME, VIDEO, at, config, parsed::Parsed};
use crate::{
    Answer, Asked, Independence, InitId, Input, Live, Media, MediaAnswer, MediaSeq, Moment, Output,
    Position, Query, RenditionId, Settings, Skip, Snapshot, Until, WallTime,
    date_range::{DateRange, DateRangeSpec},
    render::{Form, media_playlist},
};

#[derive(Debug, Clone)]
enum Step {
    Part {
        rendition: RenditionId,
        millis: u64,
        independence: Independence,
    },
    SegmentEnd(RenditionId),
    Lost,
    Returned {
        later: u64,
        new_init: Vec<RenditionId>,
    },
    /// What comes before so many segments from the end leaves the playlists.
    Shorten(u64),
    End,
    Pass(u64),
    /// Something is announced for so many milliseconds from now (or before).
    Announce {
        id: u8,
        later: i64,
        millis: Option<u64>,
    },
    /// A viewer asks for a place this far from the next part.
    Ask {
        rendition: RenditionId,
        segments: u64,
        part: Option<u32>,
    },
}

fn rendition() -> impl Strategy<Value = RenditionId> {
    prop_oneof![Just(VIDEO), Just(AUDIO)]
}

fn step() -> impl Strategy<Value = Step> {
    let independence =
        prop_oneof![3 => Just(Independence::Independent), 1 => Just(Independence::Dependent)];
    prop_oneof![
        12 => (rendition(), 1u64..1500, independence)
            .prop_map(|(rendition, millis, independence)| Step::Part { rendition, millis, independence }),
        6 => rendition().prop_map(Step::SegmentEnd),
        1 => Just(Step::Lost),
        2 => (0u64..10_000, prop::collection::vec(rendition(), 0..2))
            .prop_map(|(later, new_init)| Step::Returned { later, new_init }),
        1 => (0u64..12).prop_map(Step::Shorten),
        4 => (1u64..9000).prop_map(Step::Pass),
        2 => (0u8..20, -9000i64..9000, prop::option::of(0u64..9000))
            .prop_map(|(id, later, millis)| Step::Announce { id, later, millis }),
        4 => (rendition(), 0u64..5, prop::option::of(0u32..6))
            .prop_map(|(rendition, segments, part)| Step::Ask { rendition, segments, part }),
    ]
}

/// A history; one in a few ends, and goes on after that.
fn history() -> impl Strategy<Value = Vec<Step>> {
    let steps = prop::collection::vec(step(), 1..250);
    (steps, prop::option::weighted(0.3, 0usize..250)).prop_map(|(mut steps, end)| {
        if let Some(end) = end {
            steps.insert(end.min(steps.len()), Step::End);
        }
        steps
    })
}

struct Waiter {
    rendition: RenditionId,
    query: Query,
    since: Moment,
    until: Until,
}

/// A shell that checks everything after every step.
struct Shell {
    live: Live,
    now: u64,
    media: [u64; 2],
    waiters: Vec<Waiter>,
    forgotten: Vec<(RenditionId, MediaSeq)>,
    forgotten_inits: Vec<(RenditionId, InitId)>,
    finished: bool,
    /// Everything a playlist ever said about a segment that was whole.
    said: BTreeMap<(RenditionId, u64), (u64, String, String)>,
    before: BTreeMap<RenditionId, (u64, Parsed)>,
    returns: u64,
    publishing: bool,
    /// Every date range that was taken, and where it ends.
    announced: BTreeMap<String, WallTime>,
}

impl Shell {
    fn new(settings: Settings) -> Self {
        Self {
            live: Live::new(config(settings), SHOWTIME),
            now: 0,
            media: [0; 2],
            waiters: Vec::new(),
            forgotten: Vec::new(),
            forgotten_inits: Vec::new(),
            finished: false,
            said: BTreeMap::new(),
            before: BTreeMap::new(),
            returns: 0,
            publishing: false,
            announced: BTreeMap::new(),
        }
    }

    fn shorten(&mut self, kept: u64) -> Result<(), TestCaseError> {
        let next = self.live.next(VIDEO).map_or(0, |next| next.msn.0);
        let first = MediaSeq(next.saturating_sub(kept));
        self.handle(Input::Shorten { first })?;
        Ok(())
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Part {
                rendition,
                millis,
                independence,
            } => {
                let start = Duration::from_millis(self.media[rendition.index()]);
                let duration = Duration::from_millis(millis);
                if self.handle(Input::Part {
                    rendition,
                    start,
                    duration,
                    independence,
                })? {
                    self.media[rendition.index()] += millis;
                    self.publishing = true;
                }
            }
            Step::SegmentEnd(rendition) => drop(self.handle(Input::SegmentEnd { rendition })?),
            Step::Lost => drop(self.handle(Input::Lost)?),
            Step::Returned { later, new_init } => {
                let anchor = WallTime(SHOWTIME.0 + self.now + later);
                if self.handle(Input::Returned { anchor, new_init })? {
                    self.media = [0; 2];
                    self.returns += u64::from(std::mem::take(&mut self.publishing));
                }
            }
            Step::Shorten(kept) => self.shorten(kept)?,
            Step::End => drop(self.handle(Input::End)?),
            Step::Pass(millis) => {
                self.now += millis;
                let due = self
                    .live
                    .poll_timeout()
                    .is_some_and(|(due, _)| due <= at(self.now));
                self.handle(Input::Timeout)?;
                prop_assert!(
                    !due || self
                        .live
                        .poll_timeout()
                        .is_none_or(|(due, _)| due > at(self.now))
                );
            }
            Step::Announce { id, later, millis } => {
                let id = format!("event {id}");
                let start = WallTime((SHOWTIME.0 + self.now).saturating_add_signed(later));
                let spec = DateRangeSpec {
                    id: id.clone(),
                    class: None,
                    start,
                    duration: millis.map(Duration::from_millis),
                    attributes: Vec::new(),
                };
                let range = DateRange::new(&spec).unwrap();
                let end = range.end();
                if self.handle(Input::Announce(range))? {
                    prop_assert!(
                        self.announced.insert(id, end).is_none(),
                        "an id is given once"
                    );
                }
            }
            Step::Ask {
                rendition,
                segments,
                part,
            } => self.ask(rendition, segments, part)?,
        }
        self.check_playlists()
    }

    /// Whether the input was taken; checks that a refused one changes nothing, and that whoever can be
    /// answered is woken.
    fn handle(&mut self, input: Input) -> Result<bool, TestCaseError> {
        let texts = |live: &Live| {
            [VIDEO, AUDIO].map(|id| {
                live.snapshot(id)
                    .map(|snapshot| media_playlist(snapshot, Form::Whole))
            })
        };
        let before = texts(&self.live);
        let taken = self.live.handle(at(self.now), input).is_ok();
        let mut changed = Vec::new();
        while let Some(output) = self.live.poll_output() {
            match output {
                Output::Changed { rendition } => changed.push(rendition),
                Output::Forget { rendition, msn } => self.forgotten.push((rendition, msn)),
                Output::ForgetInit { rendition, init } => {
                    self.forgotten_inits.push((rendition, init));
                }
                Output::Ended => prop_assert!(taken),
                Output::Finished => self.finished = true,
            }
        }
        prop_assert!(
            taken || self.finished || before == texts(&self.live),
            "a refused input changes no playlist"
        );
        self.wake(&changed)?;
        Ok(taken)
    }

    /// Asks again for everybody who waits.
    fn wake(&mut self, changed: &[RenditionId]) -> Result<(), TestCaseError> {
        let now = at(self.now);
        let mut still = Vec::new();
        for waiter in std::mem::take(&mut self.waiters) {
            let asked = Asked {
                at: waiter.since,
                now,
            };
            let overdue = now >= waiter.since.after(self.live.config().hold_max());
            match self.live.request(asked, waiter.rendition, &waiter.query) {
                Answer::Render(snapshot) => {
                    prop_assert!(
                        changed.contains(&waiter.rendition),
                        "an answer is ready and nobody was woken"
                    );
                    let text = Parsed::read(&media_playlist(&snapshot, Form::Whole));
                    prop_assert!(
                        text.ended || reached(&text, waiter.until),
                        "{:?} in {text:?}",
                        waiter.until
                    );
                }
                Answer::Wait { until, not_past } => {
                    prop_assert!(!overdue && now < not_past);
                    let snapshot = self.live.snapshot(waiter.rendition).unwrap();
                    prop_assert!(!reached(
                        &Parsed::read(&media_playlist(snapshot, Form::Whole)),
                        until
                    ));
                    still.push(waiter);
                }
                Answer::Unavailable => prop_assert!(overdue),
                Answer::Gone => prop_assert!(
                    self.live
                        .snapshot(waiter.rendition)
                        .is_none_or(|s| s.segments.is_empty())
                ),
                Answer::BadRequest(reason) => {
                    prop_assert!(false, "a waiter was refused late: {reason}");
                }
            }
        }
        self.waiters = still;
        Ok(())
    }

    fn ask(
        &mut self,
        rendition: RenditionId,
        segments: u64,
        part: Option<u32>,
    ) -> Result<(), TestCaseError> {
        let Some(snapshot) = self.live.snapshot(rendition) else {
            return Ok(());
        };
        let msn = (snapshot.media_sequence.0 + snapshot.segments.len() as u64 + segments)
            .saturating_sub(3);
        let query = part.map_or(format!("_HLS_msn={msn}"), |part| {
            format!("_HLS_msn={msn}&_HLS_part={part}")
        });
        let query = Query::parse(&query);
        let since = at(self.now);
        let answer = self.live.request(Asked::first(since), rendition, &query);
        prop_assert_eq!(
            &answer,
            &self.live.request(Asked::first(since), rendition, &query),
            "requests are idempotent"
        );
        if let Answer::Wait { until, not_past } = answer {
            prop_assert_eq!(not_past, since.after(self.live.config().hold_max()));
            self.waiters.push(Waiter {
                rendition,
                query,
                since,
                until,
            });
        }
        Ok(())
    }

    fn check_playlists(&mut self) -> Result<(), TestCaseError> {
        let mut last = BTreeMap::new();
        let mut reports = Vec::new();
        for rendition in [VIDEO, AUDIO] {
            let Some(snapshot) = self.live.snapshot(rendition).cloned() else {
                return Ok(());
            };
            let parsed = Parsed::read(&media_playlist(&snapshot, Form::Whole));
            check_delta(&snapshot, &parsed)?;
            self.check_numbers(rendition, snapshot.version, &parsed)?;
            self.check_durations(&parsed)?;
            self.check_media(rendition, &parsed)?;
            self.check_ranges(&snapshot, &parsed)?;
            if let Some((msn, _, _)) = parsed.numbered().last() {
                let parts = snapshot
                    .open
                    .as_ref()
                    .or(snapshot.segments.last().map(|s| &**s))
                    .unwrap()
                    .parts
                    .len() as u64;
                last.insert(format!("{}.m3u8", snapshot.rendition), (*msn, parts - 1));
            }
            reports.push((
                format!("{}.m3u8", snapshot.rendition),
                parsed.reports.clone(),
            ));
            self.before.insert(rendition, (snapshot.version, parsed));
        }
        for (own, reports) in reports {
            let expected: Vec<_> = last
                .iter()
                .filter(|(uri, _)| **uri != own)
                .map(|(uri, (msn, part))| (uri.clone(), *msn, *part))
                .collect();
            prop_assert_eq!(
                reports,
                expected,
                "every other rendition is reported, as it stands now"
            );
        }
        Ok(())
    }

    /// Sequences grow, and what was said once is said again.
    fn check_numbers(
        &mut self,
        rendition: RenditionId,
        version: u64,
        parsed: &Parsed,
    ) -> Result<(), TestCaseError> {
        if let Some((old_version, old)) = self.before.get(&rendition) {
            prop_assert!(old.media_sequence <= parsed.media_sequence);
            prop_assert!(old.discontinuity_sequence <= parsed.discontinuity_sequence);
            prop_assert!(
                old == parsed || *old_version < version,
                "another text is another version"
            );
            prop_assert!(!old.ended || old == parsed, "an ended playlist is final");
        }
        let mut date = String::new();
        for (msn, discontinuity, segment) in parsed.numbered() {
            prop_assert!(
                discontinuity <= self.returns,
                "no more discontinuities than returns"
            );
            let started = segment.date.clone().expect("every segment is dated");
            prop_assert!(date <= started, "dates never go back");
            date.clone_from(&started);
            if !segment.uri.is_empty() {
                let now = (discontinuity, segment.uri.clone(), started);
                let said = self
                    .said
                    .entry((rendition, msn))
                    .or_insert_with(|| now.clone());
                prop_assert_eq!(&*said, &now, "a segment keeps its number, place and date");
            }
        }
        // What begins after the last counted return carries its number.
        let fresh = self.publishing && self.media[rendition.index()] > 0;
        if let (true, Some((_, discontinuity, _))) = (fresh, parsed.numbered().last()) {
            prop_assert_eq!(
                *discontinuity,
                self.returns,
                "one discontinuity for each return"
            );
        }
        Ok(())
    }

    fn check_durations(&self, parsed: &Parsed) -> Result<(), TestCaseError> {
        let target = self.live.config().target_duration().as_secs_f64();
        let part_target = self.live.config().part_target().as_secs_f64();
        prop_assert!((parsed.target_duration as f64 - target).abs() < 1e-9);
        prop_assert!((parsed.part_target - part_target).abs() < 1e-9);
        prop_assert_eq!(
            parsed.server_control,
            (part_target * 3.0, target * 3.0, true)
        );
        let mut from_end: f64 = parsed.open.parts.iter().map(|part| part.duration).sum();
        for segment in parsed.segments.iter().rev() {
            prop_assert!(segment.duration.round() <= target);
            prop_assert!(segment.parts.is_empty() || from_end <= target * 3.0 + 0.001);
            from_end += segment.duration;
        }
        let removed = parsed.media_sequence > self.live.config().first_msn().0;
        let listed: f64 = parsed.segments.iter().map(|segment| segment.duration).sum();
        prop_assert!(
            !removed || listed >= target * 3.0 - 0.001,
            "a trimmed playlist keeps three target durations"
        );
        for part in parsed
            .numbered()
            .iter()
            .flat_map(|(_, _, segment)| &segment.parts)
        {
            prop_assert!(part.duration <= part_target);
        }
        for (_, _, segment) in parsed.numbered() {
            let first = segment.parts.first();
            prop_assert!(first.is_none_or(|part| part.independent || part.gap));
            let gaps = segment.parts.iter().filter(|part| part.gap).count();
            prop_assert!(gaps == 0 || gaps == segment.parts.len());
            prop_assert!(
                segment.uri.is_empty() || segment.parts.is_empty() || segment.gap == (gaps > 0)
            );
        }
        Ok(())
    }

    /// Every rendition lists the same date ranges, each for as long as its time is in the window.
    fn check_ranges(&self, snapshot: &Snapshot, parsed: &Parsed) -> Result<(), TestCaseError> {
        let starts = [VIDEO, AUDIO].map(|id| {
            let other = self.live.snapshot(id)?;
            Some(
                other
                    .segments
                    .first()
                    .map(|s| &**s)
                    .or(other.open.as_ref())?
                    .starts_at,
            )
        });
        let start = starts.into_iter().flatten().min();
        let expected = self
            .announced
            .iter()
            .filter(|(_, end)| start.is_none_or(|start| **end >= start))
            .map(|(id, _)| id.clone());
        let mut listed = parsed.ranges.clone();
        listed.sort();
        prop_assert_eq!(listed, expected.collect::<Vec<_>>());
        prop_assert!(
            snapshot
                .removed_ranges
                .iter()
                .all(|id| self.announced.contains_key(&**id))
        );
        Ok(())
    }

    /// Everything listed can be fetched; what is hinted is held; what is forgotten is not listed.
    fn check_media(&self, rendition: RenditionId, parsed: &Parsed) -> Result<(), TestCaseError> {
        let serve = |media| {
            self.live
                .media(Asked::first(at(self.now)), rendition, media)
        };
        let mut init = None;
        for (msn, _, segment) in parsed.numbered() {
            init = segment.map.clone().or(init);
            let id = init
                .as_ref()
                .and_then(|uri| uri.split(['-', '.']).nth(1)?.parse().ok())
                .expect("a map before media");
            prop_assert_eq!(serve(Media::Init(InitId(id))), MediaAnswer::Serve);
            prop_assert!(!self.forgotten_inits.contains(&(rendition, InitId(id))));
            prop_assert!(!self.forgotten.contains(&(rendition, MediaSeq(msn))));
            let answer = |gap| {
                if gap {
                    MediaAnswer::Gone
                } else {
                    MediaAnswer::Serve
                }
            };
            if !segment.uri.is_empty() {
                prop_assert_eq!(serve(Media::Segment(MediaSeq(msn))), answer(segment.gap));
            }
            for (index, part) in (0u32..).zip(&segment.parts) {
                prop_assert_eq!(
                    serve(Media::Part(Position::new(msn, index))),
                    answer(part.gap)
                );
            }
        }
        for (forgotten, msn) in &self.forgotten {
            prop_assert!(
                *forgotten != rendition || serve(Media::Segment(*msn)) == MediaAnswer::Gone
            );
        }
        let in_gap = parsed.numbered().last().is_some_and(|(_, _, segment)| {
            segment.gap || segment.parts.iter().any(|part| part.gap)
        });
        prop_assert!(
            !parsed.ended || parsed.hints.is_empty(),
            "an ended playlist does not hint"
        );
        prop_assert!(
            !parsed.hints.is_empty() || parsed.ended || in_gap,
            "a live playlist hints, but for a gap"
        );
        for hint in &parsed.hints {
            let (_, file) = hint.split_once('/').unwrap();
            let numbers: Vec<u64> = file
                .split(['.', '-'])
                .filter_map(|piece| piece.parse().ok())
                .collect();
            match numbers[..] {
                [init] => prop_assert_eq!(
                    serve(Media::Init(InitId(u32::try_from(init).unwrap()))),
                    MediaAnswer::Serve
                ),
                [msn, part] => {
                    let answer = serve(Media::Part(Position::new(
                        msn,
                        u32::try_from(part).unwrap(),
                    )));
                    prop_assert!(matches!(answer, MediaAnswer::Wait { .. }), "{answer:?}");
                }
                _ => prop_assert!(false, "a hint names a part or an init section: {hint}"),
            }
        }
        Ok(())
    }
}

/// A delta is the whole playlist but for its oldest segments and, in version 2, its oldest date ranges.
fn check_delta(snapshot: &Snapshot, whole: &Parsed) -> Result<(), TestCaseError> {
    prop_assert_eq!(whole.version, 6);
    for skip in [Skip::Segments, Skip::SegmentsAndRanges] {
        let form = Form::of(snapshot, skip);
        let delta = Parsed::read(&media_playlist(snapshot, form));
        if form == Form::Whole {
            prop_assert_eq!(&delta, whole);
            continue;
        }
        let (skipped, removed) = delta.skipped.clone().expect("a delta skips");
        let (gone, kept) = whole.segments.split_at(usize::try_from(skipped).unwrap());
        prop_assert!(!gone.is_empty() && !whole.ended);
        let left: f64 = kept.iter().map(|segment| segment.duration).sum();
        let boundary = snapshot.can_skip_until.unwrap().as_secs_f64();
        prop_assert!(
            left > boundary - 0.001,
            "only what lies beyond the boundary is skipped"
        );
        let oldest = kept.first().map_or(0.0, |segment| segment.duration);
        prop_assert!(
            left - oldest <= boundary + 0.001,
            "all that lies beyond it is"
        );
        let skips_ranges = delta.ranges.len() < whole.ranges.len();
        prop_assert_eq!(delta.version, if skips_ranges { 10 } else { 9 });
        prop_assert!(form == Form::DeltaV2 || !skips_ranges);
        prop_assert_eq!(removed.is_some(), form == Form::DeltaV2);
        prop_assert!(
            delta
                .ranges
                .iter()
                .all(|range| whole.ranges.contains(range))
        );
        let again = Parsed {
            version: 6,
            skipped: None,
            segments: whole.segments.clone(),
            ranges: whole.ranges.clone(),
            ..delta.clone()
        };
        prop_assert_eq!(
            &again,
            whole,
            "what is not skipped is as it is in the whole"
        );
        for (delta, whole) in delta.segments.iter().zip(kept) {
            prop_assert_eq!(
                (&delta.uri, &delta.parts, &delta.date),
                (&whole.uri, &whole.parts, &whole.date)
            );
        }
        prop_assert_eq!(delta.segments.len(), kept.len());
    }
    Ok(())
}

/// Whether a playlist holds what was waited for, as a player sees it.
fn reached(parsed: &Parsed, until: Until) -> bool {
    let whole = parsed.media_sequence + parsed.segments.len() as u64;
    match until {
        Until::Segment(msn) => msn.0 < whole,
        Until::Part(Position { msn, part }) => {
            msn.0 < whole || (msn.0 == whole && (part.0 as usize) < parsed.open.parts.len())
        }
    }
}

proptest! {
    #[test]
    fn every_history_keeps_the_laws(
        history in history(),
        part_target in prop_oneof![Just(500u64), Just(1000)],
        target_duration_seconds in 2u32..4,
        first_msn in 0u64..3,
        windows in prop_oneof![Just(3u64), Just(8)],
    ) {
        let settings = Settings {
            target_duration_seconds,
            part_target: Duration::from_millis(part_target),
            segment_min: Duration::from_secs(1),
            window: Duration::from_secs(u64::from(target_duration_seconds) * windows),
            window_segments_min: 3,
            first_msn: MediaSeq(first_msn),
            ..Settings::default()
        };
        let mut shell = Shell::new(settings);
        for step in history {
            shell.take(step)?;
        }
    }
}
