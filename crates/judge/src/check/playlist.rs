//! One media playlist by itself.

use std::time::Duration;

use super::{secs, signed_secs};
use crate::{
    finding::Fault,
    parse::{Media, Part, Segment, media::micros},
    rules::Rule,
};

/// How far the dates of two segments may differ from their durations before it is a jump, microseconds.
const JUMP: i64 = 500_000;
/// Overlap of dates from which on they are ambiguous (6.2.1), microseconds.
const OVERLAP: i64 = 1_000_000;
/// How far the parts of a segment may differ from its EXTINF: five digits of a few dozen parts.
const PARTS_DIFFER: Duration = Duration::from_millis(10);

/// Everything that one playlist shows.
#[must_use]
pub fn check(media: &Media) -> Vec<Fault> {
    let mut faults = Vec::new();
    target_and_control(media, &mut faults);
    segments(media, &mut faults);
    parts(media, &mut faults);
    dates(media, &mut faults);
    version(media, &mut faults);
    end_and_hints(media, &mut faults);
    date_ranges(media, &mut faults);
    faults
}

fn target_and_control(media: &Media, faults: &mut Vec<Fault>) {
    let target = media.target_duration();
    match media.target {
        None => faults.push(Fault::new(
            Rule::TargetDurationMissing,
            "no EXT-X-TARGETDURATION",
            "one",
        )),
        Some((0, line)) => {
            faults.push(Fault::new(Rule::TargetDurationMissing, "0", "at least 1").at(line));
        }
        Some(_) => {}
    }
    let line = media.control.as_ref().map_or(1, |control| control.line());
    let control = |name| {
        media
            .control
            .as_ref()
            .and_then(|control| control.seconds(name))
    };
    let mut at_least = |rule, name: &str, value: Duration, least: Duration| {
        if value < least {
            let expected = format!("{name} of at least {}", secs(least));
            faults.push(Fault::new(rule, format!("{name}={}", secs(value)), expected).at(line));
        }
    };
    if let Some(value) = control("HOLD-BACK") {
        at_least(Rule::HoldBackShort, "HOLD-BACK", value, target * 3);
    }
    if let Some(value) = control("CAN-SKIP-UNTIL") {
        at_least(Rule::SkipUntilShort, "CAN-SKIP-UNTIL", value, target * 6);
    }
    if let (Some(value), Some(part)) = (control("PART-HOLD-BACK"), media.part_target()) {
        if value < part * 2 {
            at_least(
                Rule::PartHoldBackTooShort,
                "PART-HOLD-BACK",
                value,
                part * 2,
            );
        } else {
            at_least(Rule::PartHoldBackShort, "PART-HOLD-BACK", value, part * 3);
        }
    }
    if media.part_target.is_some() && control("PART-HOLD-BACK").is_none() {
        let seen = "EXT-X-PART-INF, and no PART-HOLD-BACK";
        faults.push(Fault::new(Rule::PartHoldBackTooShort, seen, "PART-HOLD-BACK").at(line));
    }
    let skips_ranges = media
        .control
        .as_ref()
        .is_some_and(|list| list.is_yes("CAN-SKIP-DATERANGES"));
    if skips_ranges && control("CAN-SKIP-UNTIL").is_none() {
        let seen = "CAN-SKIP-DATERANGES without CAN-SKIP-UNTIL";
        faults.push(Fault::new(Rule::SkipUntilShort, seen, "both").at(line));
    }
}

fn segments(media: &Media, faults: &mut Vec<Fault>) {
    let target = media.target.map_or(u64::MAX, |(target, _)| target);
    for segment in &media.segments {
        let rounded = (segment.duration + Duration::from_millis(500)).as_secs();
        if rounded > target {
            let seen = format!("EXTINF of {}", secs(segment.duration));
            let expected = format!("at most {target} s, rounded");
            faults.push(Fault::new(Rule::SegmentTooLong, seen, expected).at(segment.line));
        }
    }
    for segment in media.all() {
        for (name, line) in &segment.late {
            let seen = format!(
                "{name} after the first EXT-X-PART of segment {}",
                segment.msn
            );
            faults.push(Fault::new(Rule::LateTag, seen, "before it").at(*line));
        }
    }
    for (name, line) in &media.late_sequences {
        let seen = format!("{name} after a segment or its tags");
        faults.push(Fault::new(Rule::SequenceLate, seen, "before the first").at(*line));
    }
    let is_mp4 = |uri: &str| {
        let path = uri.split(['?', '#']).next().unwrap_or_default();
        [".m4s", ".mp4", ".cmfv", ".cmfa", ".m4v", ".m4a"]
            .iter()
            .any(|end| path.ends_with(end))
    };
    let without_map = media.all().find(|segment| {
        let uri = segment
            .uri
            .as_deref()
            .or(segment.parts.first().map(|part| part.uri.as_str()));
        segment.map.is_none() && uri.is_some_and(is_mp4)
    });
    if let (Some(segment), None) = (without_map, media.skip) {
        let seen = format!(
            "segment {} is fragmented MP4, and no EXT-X-MAP applies",
            segment.msn
        );
        faults.push(Fault::new(Rule::MapMissing, seen, "EXT-X-MAP").at(segment.line));
    }
}

fn parts(media: &Media, faults: &mut Vec<Fault>) {
    let Some(target) = media.part_target() else {
        if media.has_parts() {
            let seen = "EXT-X-PART without EXT-X-PART-INF";
            faults.push(Fault::new(Rule::PartInfMissing, seen, "EXT-X-PART-INF"));
        }
        return;
    };
    let mut is_first_with_parts = true;
    let mut from_end = Duration::ZERO;
    let mut is_old = None;
    for segment in media.all().rev() {
        let oldest = media.target_duration() * 4;
        if from_end > oldest && !oldest.is_zero() && !segment.parts.is_empty() {
            is_old = Some(segment);
        }
        from_end += if segment.uri.is_some() {
            segment.duration
        } else {
            segment.parts.iter().map(|part| part.duration).sum()
        };
    }
    if let Some(segment) = is_old {
        let seen = format!("parts of segment {} are still listed", segment.msn);
        let expected = format!(
            "no part further than {} from the end",
            secs(media.target_duration() * 3)
        );
        faults.push(Fault::new(Rule::OldParts, seen, expected).at(segment.line));
    }
    for segment in media.all().filter(|segment| !segment.parts.is_empty()) {
        lengths(segment, target, faults);
        // The oldest segment with parts may have lost some of them already.
        if !is_first_with_parts && segment.uri.is_some() {
            whole(segment, faults);
        }
        is_first_with_parts = false;
    }
}

fn lengths(segment: &Segment, target: Duration, faults: &mut Vec<Fault>) {
    let is_whole = segment.uri.is_some();
    for (index, part) in segment.parts.iter().enumerate() {
        let name = || {
            format!(
                "part {index} of segment {} lasts {}",
                segment.msn,
                secs(part.duration)
            )
        };
        if part.duration > target {
            let expected = format!("at most {}", secs(target));
            faults.push(Fault::new(Rule::PartTooLong, name(), expected).at(part.line));
        }
        let next = segment.parts.get(index + 1);
        // The last of a segment that is still being made may turn out to be its final part.
        let may_be_short = part.is_independent
            || part.is_gap
            || next.is_none_or(|next: &Part| next.is_gap)
            || (next.is_none() && !is_whole);
        if !may_be_short && part.duration * 100 < target * 85 {
            let expected = format!("at least {}", secs(target * 85 / 100));
            faults.push(Fault::new(Rule::PartTooShort, name(), expected).at(part.line));
        }
    }
}

fn whole(segment: &Segment, faults: &mut Vec<Fault>) {
    let sum: Duration = segment.parts.iter().map(|part| part.duration).sum();
    if sum.abs_diff(segment.duration) > PARTS_DIFFER {
        let seen = format!(
            "EXTINF of {}, and parts of {} together",
            secs(segment.duration),
            secs(sum)
        );
        faults.push(Fault::new(Rule::PartsDiffer, seen, "the same").at(segment.line));
    }
    let has_media = !segment.is_gap && segment.parts.iter().all(|part| !part.is_gap);
    if has_media && segment.parts.iter().all(|part| !part.is_independent) {
        let seen = format!("no part of segment {} is marked", segment.msn);
        faults.push(
            Fault::new(Rule::NoIndependentPart, seen, "INDEPENDENT=YES on one").at(segment.line),
        );
    }
}

fn dates(media: &Media, faults: &mut Vec<Fault>) {
    let is_live = !media.is_ended;
    let has_media = media.all().next().is_some();
    let has_date = media.all().any(|segment| segment.date.is_some());
    if is_live && has_media && !has_date && media.skip.is_none() {
        faults.push(Fault::new(
            Rule::DateMissing,
            "no EXT-X-PROGRAM-DATE-TIME",
            "one at least",
        ));
    }
    let has_discontinuity = media.all().any(|segment| segment.discontinuities > 0);
    if is_live && has_discontinuity && media.discontinuity_sequence.is_none() {
        let seen = "EXT-X-DISCONTINUITY without EXT-X-DISCONTINUITY-SEQUENCE";
        faults.push(Fault::new(Rule::DiscontinuitySequenceMissing, seen, "both"));
    }
    let mut end: Option<i64> = None;
    for segment in media.all() {
        if segment.discontinuities > 0 && segment.date.is_none() && has_date {
            let seen = format!(
                "segment {} after EXT-X-DISCONTINUITY has no date",
                segment.msn
            );
            faults.push(
                Fault::new(
                    Rule::DateAfterDiscontinuity,
                    seen,
                    "EXT-X-PROGRAM-DATE-TIME",
                )
                .at(segment.line),
            );
        }
        if let (Some(end), Some(date)) = (end, segment.date) {
            let jump = date.saturating_sub(end);
            let seen = format!(
                "the date of segment {} is {} from the end of the one before",
                segment.msn,
                signed_secs(jump)
            );
            if jump <= -OVERLAP {
                faults.push(
                    Fault::new(Rule::DatesOverlap, seen, "less than 1 s of overlap")
                        .at(segment.line),
                );
            } else if jump > JUMP && segment.discontinuities == 0 {
                faults.push(Fault::new(Rule::DatesJump, seen, "no jump").at(segment.line));
            }
        }
        let begin = segment.date.or(end);
        end = begin.map(|begin| begin.saturating_add(micros(segment.duration)));
    }
}

fn version(media: &Media, faults: &mut Vec<Fault>) {
    let (needed, why) = media.needs_version;
    let (version, line) = media.version.unwrap_or((1, 1));
    let seen = format!("EXT-X-VERSION:{version}");
    if version < needed {
        let expected = format!("{needed}, which {why} needs");
        faults.push(Fault::new(Rule::VersionLow, seen, expected).at(line));
    } else if version > needed {
        let expected = format!("{needed}, which {why} needs");
        faults.push(Fault::new(Rule::VersionHigh, seen, expected).at(line));
    }
}

fn end_and_hints(media: &Media, faults: &mut Vec<Fault>) {
    if let (true, Some(hint)) = (media.is_ended, media.hints.first()) {
        let seen = "EXT-X-ENDLIST and EXT-X-PRELOAD-HINT";
        faults.push(Fault::new(Rule::HintAfterEnd, seen, "no hint").at(hint.line));
    }
    // A gap has no bytes to wait for, and how much of it is to come is not known.
    let is_away = media
        .all()
        .rev()
        .find_map(|segment| segment.parts.last())
        .is_some_and(|part| part.is_gap);
    let is_hinted = media.hints.iter().any(|hint| hint.kind == "PART");
    if !media.is_ended && media.has_parts() && !is_hinted && !is_away {
        let seen = "EXT-X-PART, and no EXT-X-PRELOAD-HINT:TYPE=PART";
        faults.push(Fault::new(
            Rule::HintMissing,
            seen,
            "a hint at the next part",
        ));
    }
    for kind in ["PART", "MAP"] {
        if let Some(hint) = media.hints.iter().filter(|hint| hint.kind == kind).nth(1) {
            let seen = format!("more than one hint of TYPE={kind}");
            faults.push(Fault::new(Rule::HintRepeated, seen, "one").at(hint.line));
        }
    }
    let (false, Some((offset, line))) = (media.is_ended, &media.start) else {
        return;
    };
    let nearest = media.target_duration() * 3;
    let back = match offset.strip_prefix('-') {
        Some(back) => crate::parse::attributes::seconds(back),
        None => crate::parse::attributes::seconds(offset)
            .map(|from| media.duration().saturating_sub(from)),
    };
    if back.is_some_and(|back| back < nearest) {
        let expected = format!("at least {} from the end", secs(nearest));
        faults.push(
            Fault::new(
                Rule::LastMinuteStart,
                format!("TIME-OFFSET={offset}"),
                expected,
            )
            .at(*line),
        );
    }
}

fn date_ranges(media: &Media, faults: &mut Vec<Fault>) {
    let mut known: Vec<&str> = Vec::new();
    for range in &media.date_ranges {
        let id = range.raw("ID").unwrap_or_default();
        if !known.contains(&id) && range.raw("START-DATE").is_none() {
            let seen = format!("EXT-X-DATERANGE `{id}` has no START-DATE");
            faults.push(Fault::new(Rule::DateRange, seen, "one in its first tag").at(range.line()));
        }
        known.push(id);
    }
    let has_date = media.all().any(|segment| segment.date.is_some());
    if let (Some(range), false, None) = (media.date_ranges.first(), has_date, media.skip) {
        let seen = "EXT-X-DATERANGE, and no EXT-X-PROGRAM-DATE-TIME";
        faults.push(Fault::new(Rule::DateRange, seen, "both").at(range.line()));
    }
}
