//! Renditions beside each other.

use std::{collections::VecDeque, time::Duration};

use super::{secs, signed_secs};
use crate::{
    address::Address,
    finding::Fault,
    parse::{Media, Segment},
    rules::Rule,
};

/// Positions and versions that are remembered of each rendition.
const HISTORY_MAX: usize = 128;
/// Versions of each rendition that are compared.
const LAGS_MAX: usize = 16;
/// Versions of each rendition that have to be seen before they are compared.
const VERSIONS_MIN: usize = 8;
/// How far the timestamps of the same content may be apart: encoders' delays of audio.
const TIMES_DIFFER: i64 = 100_000;
/// Segments of another rendition before and behind a date that may have the same content.
const NEIGHBOURS_MAX: usize = 8;

/// Media sequence number, and parts of it.
type Place = (u64, u64);

/// Something that a report said, until it can be compared.
#[derive(Debug, Clone, Copy)]
struct Claim {
    by: usize,
    about: usize,
    place: Place,
    at: Duration,
    line: usize,
}

#[derive(Debug, Default)]
struct Lane {
    /// When which place was seen first.
    places: VecDeque<(Place, Duration)>,
    /// How long after the date of its end a version was seen, microseconds.
    lags: VecDeque<i64>,
    /// The newest discontinuity sequence number, and the date of media time 0 in it, microseconds.
    zero: Option<(u64, i64)>,
}

/// All renditions of a stream.
#[derive(Debug, Default)]
pub struct Group {
    lanes: Vec<Lane>,
    claims: VecDeque<Claim>,
}

/// A rendition's playlist, and where it is.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// Where.
    pub address: &'a Address,
    /// The newest version, once there is one.
    pub media: Option<&'a Media>,
}

/// The last part, or of playlists without parts the last segment.
fn place(media: &Media) -> Option<Place> {
    if !media.open.parts.is_empty() {
        return Some((media.open.msn, media.open.parts.len() as u64));
    }
    let last = media.segments.last()?;
    Some((last.msn, (last.parts.len() as u64).max(1)))
}

impl Group {
    fn lane(&mut self, index: usize) -> Option<&mut Lane> {
        if self.lanes.len() <= index {
            self.lanes.resize_with(index + 1, Lane::default);
        }
        self.lanes.get_mut(index)
    }

    /// A version of rendition `index` was seen. Faults belong to the rendition they come with.
    pub fn see(
        &mut self,
        now: Duration,
        index: usize,
        all: &[Beside<'_>],
        is_fresh: bool,
    ) -> Vec<(usize, Fault)> {
        let mut faults = Vec::new();
        let Some(media) = all.get(index).and_then(|beside| beside.media) else {
            return Vec::new();
        };
        let other = all
            .iter()
            .enumerate()
            .find(|(other, beside)| *other != index && beside.media.is_some());
        if let Some((
            _,
            Beside {
                media: Some(other), ..
            },
        )) = other
        {
            heads(media, other, &mut faults);
            discontinuities(media, other, &mut faults);
        }
        if !media.is_ended && media.has_parts() {
            faults.extend(self.reports(now, index, all, is_fresh));
        }
        if let (Some(here), Some(lane)) = (place(media), self.lane(index))
            && lane.places.back().is_none_or(|(place, _)| *place < here)
        {
            lane.places.push_back((here, now));
            let lag = media.end_date().map(|end| {
                i64::try_from(now.as_micros())
                    .unwrap_or(i64::MAX)
                    .saturating_sub(end)
            });
            // The first version is as old as it happens to be.
            if let (Some(lag), true) = (lag, lane.places.len() > 1 && is_fresh) {
                lane.lags.push_back(lag);
            }
            if lane.places.len() > HISTORY_MAX {
                lane.places.pop_front();
            }
            if lane.lags.len() > LAGS_MAX {
                lane.lags.pop_front();
            }
        }
        let mut faults: Vec<(usize, Fault)> =
            faults.into_iter().map(|fault| (index, fault)).collect();
        let target = media.part_target().unwrap_or(media.target_duration());
        self.settle(now, target, &mut faults);
        if let Some(fault) = self.sync(index, target) {
            faults.push((index, fault));
        }
        faults
    }

    fn reports(
        &mut self,
        now: Duration,
        index: usize,
        all: &[Beside<'_>],
        is_fresh: bool,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        let Some(Beside {
            address,
            media: Some(media),
        }) = all.get(index).copied()
        else {
            return faults;
        };
        let mut reported = vec![0u32; all.len()];
        for report in &media.reports {
            let Some(uri) = &report.uri else {
                let seen = "EXT-X-RENDITION-REPORT without URI";
                faults.push(Fault::new(Rule::ReportAttributes, seen, "a URI").at(report.line));
                continue;
            };
            if uri.contains("://") || uri.starts_with("//") {
                let seen = format!("the URI `{uri}`");
                faults.push(
                    Fault::new(Rule::ReportAttributes, seen, "a relative URI").at(report.line),
                );
            }
            let about = address.resolve(uri);
            let about = all.iter().position(|beside| {
                about.as_ref().is_some_and(|about| {
                    about.path == beside.address.path && about.authority == beside.address.authority
                })
            });
            let Some(about) = about.filter(|about| *about != index) else {
                let seen = format!("a report on `{uri}`");
                faults.push(
                    Fault::new(Rule::ReportMissing, seen, "reports on the other renditions")
                        .at(report.line),
                );
                continue;
            };
            if let Some(count) = reported.get_mut(about) {
                *count += 1;
            }
            // What is the same as in this playlist may be left out (4.4.5.4).
            let own = place(media).unwrap_or_default();
            let msn = report.msn.unwrap_or(own.0);
            let has_parts = all
                .get(about)
                .and_then(|beside| beside.media)
                .is_some_and(Media::has_parts);
            let parts = match report.part {
                Some(part) => part.saturating_add(1),
                None if has_parts => own.1,
                None => continue,
            };
            if is_fresh && self.claims.len() < HISTORY_MAX * all.len() {
                self.claims.push_back(Claim {
                    by: index,
                    about,
                    place: (msn, parts),
                    at: now,
                    line: report.line,
                });
            }
        }
        for (other, (count, beside)) in reported.iter().zip(all).enumerate() {
            let is_owed =
                other != index && beside.media.is_none_or(|media| !media.is_i_frames_only);
            if (is_owed && *count == 0) || *count > 1 {
                let seen = format!("{count} reports on {}", beside.address.path);
                faults.push(Fault::new(Rule::ReportMissing, seen, "one"));
            }
        }
        faults
    }

    /// Compares what reports said with what was seen of those they were about.
    fn settle(&mut self, now: Duration, target: Duration, faults: &mut Vec<(usize, Fault)>) {
        let allowed = target * 2;
        let Self { lanes, claims } = self;
        claims.retain(|claim| {
            let Some(lane) = lanes.get(claim.about) else {
                return now < claim.at + allowed * 2;
            };
            let seen_at = lane.places.iter().find(|(place, _)| *place >= claim.place);
            let words =
                |(msn, parts): Place| format!("part {} of segment {msn}", parts.saturating_sub(1));
            let mut fault = |seen: String, expected: String| {
                let fault = Fault::new(Rule::ReportUntrue, seen, expected).at(claim.line);
                faults.push((claim.by, fault));
            };
            let before = claim.at.saturating_sub(allowed);
            let reached = lane.places.iter().rev().find(|(_, at)| *at <= before);
            if let Some((place, _)) = reached
                && *place > claim.place
            {
                let seen = format!("a report of {}", words(claim.place));
                let expected = format!(
                    "{}, which was there {} before",
                    words(*place),
                    secs(allowed)
                );
                fault(seen, expected);
                return false;
            }
            let is_ahead = match seen_at {
                Some((_, at)) => *at > claim.at + allowed,
                None => now > claim.at + allowed,
            };
            if is_ahead {
                let seen = format!("a report of {}", words(claim.place));
                fault(seen, format!("what is there within {}", secs(allowed)));
            }
            !is_ahead && seen_at.is_none()
        });
    }

    /// Whether a rendition is later than another by more than a part target, all the time.
    fn sync(&self, index: usize, target: Duration) -> Option<Fault> {
        let enough = |lane: &&Lane| lane.lags.len() >= VERSIONS_MIN;
        let own = self.lanes.get(index).filter(enough)?;
        // The least that it was behind, against the most that the best of the others was.
        let own = own.lags.iter().min()?;
        let others = self.lanes.iter().filter(enough);
        let best = others.filter_map(|lane| lane.lags.iter().max()).min()?;
        let behind = own.saturating_sub(*best);
        let allowed = i64::try_from((target * 3 / 2).as_micros()).unwrap_or(i64::MAX);
        (behind > allowed).then(|| {
            let seen = format!("{} behind the first rendition", signed_secs(behind));
            Fault::new(Rule::OutOfSync, seen, format!("at most {}", secs(target)))
        })
    }

    /// The date of media time 0 of a rendition, as one piece of media with this discontinuity sequence number shows it.
    pub fn zero(&mut self, index: usize, discontinuity: u64, date_of_zero: i64) -> Option<Fault> {
        self.lane(index)?.zero = Some((discontinuity, date_of_zero));
        let others = self
            .lanes
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        // A discontinuity begins a new timeline, and renditions do not get there in the same moment.
        let of_same =
            |(_, lane): (usize, &Lane)| lane.zero.filter(|(number, _)| *number == discontinuity);
        let (_, other) = others.filter_map(of_same).next()?;
        let apart = date_of_zero.saturating_sub(other);
        (apart.abs() > TIMES_DIFFER).then(|| {
            let seen = format!(
                "timestamps are {} from those of another rendition at the same date",
                signed_secs(apart)
            );
            Fault::new(Rule::TimesDiffer, seen, "the same timestamps")
        })
    }
}

fn heads(media: &Media, other: &Media, faults: &mut Vec<Fault>) {
    if let (Some((target, line)), Some((others, _))) = (media.target, other.target)
        && target != others
    {
        let seen = format!("EXT-X-TARGETDURATION:{target}, and {others} in another rendition");
        faults.push(Fault::new(Rule::TargetDurationDiffers, seen, "the same").at(line));
    }
    let sorted = |media: &Media| media.control.as_ref().map(|control| control.sorted());
    if sorted(media) != sorted(other) {
        let line = media.control.as_ref().map_or(1, |control| control.line());
        let seen = "EXT-X-SERVER-CONTROL is another than in another rendition";
        faults.push(Fault::new(Rule::ControlDiffers, seen, "the same").at(line));
    }
}

/// Segments of a rendition by their dates.
struct ByDate<'a>(Vec<(i64, &'a Segment)>);

impl<'a> ByDate<'a> {
    fn new(media: &'a Media) -> Self {
        let dated = media
            .segments
            .iter()
            .filter_map(|one| Some((one.date?, one)));
        let mut dated: Vec<_> = dated.collect();
        // Most playlists have them in order.
        dated.sort_by_key(|(date, _)| *date);
        Self(dated)
    }

    /// The segment that has the content of that date: the nearest whose date is near for both durations.
    fn same_as(&self, date: i64, duration: Duration) -> Option<&'a Segment> {
        let near = |other: &Segment| {
            // What is cut short at the end of an encoder may be as short as a quarter of what follows it.
            u64::try_from((duration.min(other.duration) / 4).as_micros()).unwrap_or(u64::MAX)
        };
        self.around(date)
            .map(|(of, other)| (of.abs_diff(date), other))
            .filter(|(apart, other)| *apart < near(other))
            .min_by_key(|(apart, _)| *apart)
            .map(|(_, other)| other)
    }

    /// The few that lie next to a date on both sides: however many are listed, no more are looked at.
    fn around(&self, date: i64) -> impl Iterator<Item = (i64, &'a Segment)> {
        let behind = self.0.partition_point(|(of, _)| *of < date);
        let from = behind.saturating_sub(NEIGHBOURS_MAX);
        let to = behind.saturating_add(NEIGHBOURS_MAX).min(self.0.len());
        self.0.get(from..to).unwrap_or_default().iter().copied()
    }
}

fn discontinuities(media: &Media, other: &Media, faults: &mut Vec<Fault>) {
    let other = ByDate::new(other);
    for segment in &media.segments {
        let Some(date) = segment.date else { continue };
        let Some(same) = other.same_as(date, segment.duration) else {
            continue;
        };
        if same.discontinuity != segment.discontinuity {
            let seen = format!(
                "segment {} has discontinuity sequence number {}, and {} in another rendition",
                segment.msn, segment.discontinuity, same.discontinuity
            );
            faults.push(Fault::new(Rule::DiscontinuitiesDiffer, seen, "the same").at(segment.line));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::parse::{Content, parse};

    /// An encoder that was lost: a short gap, and media behind a discontinuity.
    fn interrupted(sequence: u64) -> Media {
        let text = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:{sequence}\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:08.323Z\n#EXT-X-GAP\n#EXTINF:0.27500,\n7.m4s\n\
             #EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:08.598Z\n#EXTINF:2.00000,\n8.m4s\n"
        );
        let Content::Media(media) = parse(text.as_bytes()).content else {
            unreachable!("it has media")
        };
        *media
    }

    #[test]
    fn segments_are_compared_with_the_nearest_of_another_rendition() {
        let found = |a: &Media, b: &Media| {
            let mut faults = Vec::new();
            discontinuities(a, b, &mut faults);
            faults.len()
        };
        assert_eq!(found(&interrupted(3), &interrupted(3)), 0);
        assert_eq!(found(&interrupted(3), &interrupted(4)), 1);
    }

    /// A playlist of segments that begin so long after each other and last so long, milliseconds; 0: without a date.
    fn listed(segments: &[(u64, u64, u64)]) -> Media {
        let mut text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n".to_owned();
        let (mut at, mut number) = (0, 0);
        for (after, lasts, discontinuity) in segments {
            at += after;
            let (minutes, seconds) = (at / 60_000, at % 60_000);
            if *discontinuity > 0 {
                text += "#EXT-X-DISCONTINUITY\n";
            }
            writeln!(
                text,
                "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T{:02}:{:02}:{:02}.{:03}Z\n#EXTINF:{}.{:03},\n{number}.m4s",
                minutes / 60,
                minutes % 60,
                seconds / 1_000,
                seconds % 1_000,
                lasts / 1_000,
                lasts % 1_000
            )
            .unwrap();
            number += 1;
        }
        let Content::Media(media) = parse(text.as_bytes()).content else {
            unreachable!("it has media")
        };
        *media
    }

    /// As it says in the words of the rule, with every segment compared with every other.
    fn of_all(other: &Media, date: i64, duration: Duration) -> Option<&Segment> {
        let apart = |one: &&Segment| one.date.unwrap_or(i64::MAX).abs_diff(date);
        let near =
            |one: &&Segment| u128::from(apart(one)) < (duration.min(one.duration) / 4).as_micros();
        other.segments.iter().filter(near).min_by_key(apart)
    }

    fn segments() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
        // Each begins where the one before it ends, or somewhat later.
        let one = (0..300_u64, 100..4_000_u64, 0..2_u64);
        prop::collection::vec(one, 1..60).prop_map(|list| {
            let mut before = 0;
            let place = |(gap, lasts, discontinuity)| {
                let after = std::mem::replace(&mut before, lasts) + gap;
                (after, lasts, discontinuity)
            };
            list.into_iter().map(place).collect()
        })
    }

    proptest! {
        #[test]
        fn the_few_that_are_looked_at_are_enough(a in segments(), b in segments()) {
            let (media, other) = (listed(&a), listed(&b));
            let by_date = ByDate::new(&other);
            for segment in &media.segments {
                let date = segment.date.unwrap();
                let found = by_date.same_as(date, segment.duration);
                let expected = of_all(&other, date, segment.duration);
                prop_assert_eq!(found.map(|one| one.msn), expected.map(|one| one.msn));
            }
        }
    }

    #[test]
    fn no_more_are_looked_at_however_many_are_listed() {
        // Two hours, and as many at one time.
        for segments in [vec![(2_000, 2_000, 0); 3_600], vec![(0, 2_000, 0); 3_600]] {
            let media = listed(&segments);
            let by_date = ByDate::new(&media);
            for segment in &media.segments {
                let looks = by_date.around(segment.date.unwrap()).count();
                assert!(looks <= 2 * NEIGHBOURS_MAX, "{looks}");
            }
            let mut faults = Vec::new();
            discontinuities(&media, &media, &mut faults);
            assert_eq!(faults.len(), 0);
        }
    }
}
