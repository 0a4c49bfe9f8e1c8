//! Delta updates, compared with the whole playlist of the same version.

use std::time::Duration;

use super::secs;
use crate::{
    finding::Fault,
    parse::{Attributes, Media, Segment},
    rules::Rule,
};

/// Which delta was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// `_HLS_skip=YES`.
    Yes,
    /// `_HLS_skip=v2`.
    V2,
}

/// Checks a delta against the whole playlist of the same version. None where the versions are not the same.
#[must_use]
pub fn check(skip: Skip, full: &Media, delta: &Media) -> Option<Vec<Fault>> {
    if full.last() != delta_last(full, delta) || full.is_ended {
        return None;
    }
    let mut faults = Vec::new();
    let boundary = full.skip_until()?;
    let can_be_skipped = full
        .segments
        .iter()
        .enumerate()
        .filter(|(index, _)| after(full, *index) > boundary)
        .count();
    let missing = if skip == Skip::V2 {
        Rule::NoDelta2
    } else {
        Rule::NoDelta
    };
    let skipped = delta.skip.map_or(0, |(skipped, _)| skipped);
    if delta.skip.is_none() {
        if can_be_skipped > 0 {
            let seen =
                format!("no EXT-X-SKIP, and {can_be_skipped} segments are beyond the boundary");
            faults.push(Fault::new(missing, seen, "EXT-X-SKIP"));
        }
        return Some(faults);
    }
    let line = delta.skip.map_or(1, |(_, line)| line);
    let count = usize::try_from(skipped).unwrap_or(usize::MAX);
    let near = count
        .checked_sub(1)
        .filter(|last| after(full, *last) + duration(full, *last) <= boundary);
    if let Some(last) = near.filter(|last| *last < full.segments.len()) {
        let from_end = after(full, last) + duration(full, last);
        let seen = format!(
            "{skipped} segments are skipped, the last begins {} from the end",
            secs(from_end)
        );
        let expected = format!("only those further than {}", secs(boundary));
        faults.push(Fault::new(Rule::SkippedTooMuch, seen, expected).at(line));
    } else if count < can_be_skipped {
        let seen =
            format!("{skipped} segments are skipped of {can_be_skipped} beyond the boundary");
        faults.push(Fault::new(missing, seen, "all of them").at(line));
    }
    contents(skip, full, delta, count, &mut faults);
    Some(faults)
}

/// The end of a delta, whose numbers depend on how many segments it says it skips.
fn delta_last(full: &Media, delta: &Media) -> Option<crate::parse::media::Position> {
    // The newest thing is told by its URI: a delta that counts wrongly is still of this version.
    let newest = |media: &Media| {
        let part = media.open.parts.last().map(|part| part.uri.clone());
        part.or(media
            .segments
            .last()
            .and_then(|segment| segment.uri.clone()))
    };
    if newest(full) == newest(delta) {
        full.last()
    } else {
        None
    }
}

/// What comes after a segment, up to the end of the last whole one.
fn after(media: &Media, index: usize) -> Duration {
    media
        .segments
        .iter()
        .skip(index + 1)
        .map(|segment| segment.duration)
        .sum()
}

fn duration(media: &Media, index: usize) -> Duration {
    media
        .segments
        .get(index)
        .map_or(Duration::ZERO, |segment| segment.duration)
}

fn contents(skip: Skip, full: &Media, delta: &Media, count: usize, faults: &mut Vec<Fault>) {
    let mut wrong = |seen: String, line: usize| {
        let expected = "what the whole playlist of this version has";
        faults.push(Fault::new(Rule::DeltaWrong, seen, expected).at(line));
    };
    let line = delta.skip.map_or(1, |(_, line)| line);
    if delta.sequence != full.sequence {
        wrong(
            format!(
                "EXT-X-MEDIA-SEQUENCE:{}, {} in the whole one",
                delta.sequence, full.sequence
            ),
            line,
        );
    }
    if delta.discontinuity_sequence != full.discontinuity_sequence {
        wrong("another EXT-X-DISCONTINUITY-SEQUENCE".to_owned(), line);
    }
    let total = count.saturating_add(delta.segments.len());
    if total != full.segments.len() {
        let have = full.segments.len();
        wrong(
            format!(
                "{count} skipped and {} listed, {have} in the whole one",
                delta.segments.len()
            ),
            line,
        );
        return;
    }
    for (kept, whole) in delta.segments.iter().zip(full.segments.iter().skip(count)) {
        if !is_same(kept, whole) {
            wrong(format!("segment {} is another", whole.msn), kept.line);
        }
    }
    if !is_same(&delta.open, &full.open) {
        wrong(
            "the parts at the end are others".to_owned(),
            delta.open.line.max(1),
        );
    }
    for what in other_tags(full, delta) {
        wrong(format!("{what} is another, or missing"), line);
    }
    match skip {
        Skip::Yes if delta.date_ranges.len() != full.date_ranges.len() => {
            let (have, all) = (delta.date_ranges.len(), full.date_ranges.len());
            wrong(format!("{have} of {all} date ranges"), line);
        }
        Skip::V2 if delta.removed_date_ranges.is_none() => {
            let seen = "EXT-X-SKIP without RECENTLY-REMOVED-DATERANGES";
            faults.push(Fault::new(Rule::NoDelta2, seen, "it, if only empty").at(line));
        }
        Skip::Yes | Skip::V2 => {}
    }
    let skips_ranges = delta.date_ranges.len() < full.date_ranges.len();
    if let (true, Some((version, line))) = (skips_ranges && skip == Skip::V2, delta.version)
        && version < 10
    {
        let seen = format!("EXT-X-VERSION:{version}, and date ranges are skipped");
        faults.push(Fault::new(Rule::VersionLow, seen, "10").at(line));
    }
}

/// Tags of the whole playlist that a delta has otherwise.
fn other_tags(full: &Media, delta: &Media) -> Vec<&'static str> {
    let sorted = |media: &Media| media.control.as_ref().map(Attributes::sorted);
    let hints = |media: &Media| -> Vec<(String, String)> {
        let hints = media.hints.iter();
        hints
            .map(|hint| (hint.kind.clone(), hint.uri.clone()))
            .collect()
    };
    let reports = |media: &Media| -> Vec<Option<String>> {
        media
            .reports
            .iter()
            .map(|report| report.uri.clone())
            .collect()
    };
    let checks = [
        ("EXT-X-SERVER-CONTROL", sorted(delta) == sorted(full)),
        (
            "EXT-X-TARGETDURATION",
            delta.target_duration() == full.target_duration(),
        ),
        ("EXT-X-PART-INF", delta.part_target() == full.part_target()),
        ("EXT-X-PRELOAD-HINT", hints(delta) == hints(full)),
        ("EXT-X-RENDITION-REPORT", reports(delta) == reports(full)),
    ];
    let others = checks.into_iter().filter(|(_, is_same)| !is_same);
    others.map(|(what, _)| what).collect()
}

/// Whether a segment is the same, but for what it inherits from those before it.
fn is_same(kept: &Segment, whole: &Segment) -> bool {
    let parts = |segment: &Segment| {
        segment
            .parts
            .iter()
            .map(|part| (part.uri.clone(), part.duration, part.range))
            .collect::<Vec<_>>()
    };
    kept.uri == whole.uri
        && kept.duration == whole.duration
        && kept.range == whole.range
        && kept.discontinuities == whole.discontinuities
        && (kept.date == whole.date)
        && kept.is_gap == whole.is_gap
        && (kept.map.is_none() || kept.map == whole.map)
        && parts(kept) == parts(whole)
}
