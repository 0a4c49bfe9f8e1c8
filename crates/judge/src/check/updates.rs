//! One media playlist over time: every version is compared with the one before it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::secs;
use crate::{
    finding::Fault,
    limits::GONE_MAX,
    parse::{
        Media, Part, Segment,
        media::{Position, Range},
    },
    rules::Rule,
};

/// What was listed once and is not any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// As written.
    pub uri: String,
    /// Length and offset, where it is a part of something larger.
    pub range: Option<Range>,
    /// When the first version without it was seen.
    pub removed: Duration,
    /// For how long after that it has to be downloadable.
    pub keep: Duration,
}

/// A part or a segment that a version brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// Its segment's number.
    pub msn: u64,
    /// Its index; none for the whole segment.
    pub part: Option<u64>,
    /// As written.
    pub uri: String,
    /// Length and offset, where it is a part of something larger.
    pub range: Option<Range>,
    /// As written.
    pub duration: Duration,
    /// `INDEPENDENT=YES`; of a segment, that it is one.
    pub is_independent: bool,
    /// Whether a discontinuity stands before it.
    pub is_discontinuous: bool,
    /// Its discontinuity sequence number.
    pub discontinuity: u64,
    /// The date of its first sample where that is known, microseconds since 1970.
    pub date: Option<i64>,
    /// URI and byte range of the init section.
    pub map: Option<(String, Option<Range>)>,
    /// Whether it is encrypted as a whole.
    pub is_encrypted: bool,
}

/// What a version of a playlist brought.
#[derive(Debug, Default)]
pub struct Change {
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// Parts and whole segments that were not there before.
    pub new: Vec<New>,
    /// How long after the last new part these came; none where there were none before.
    pub part_interval: Option<Duration>,
}

/// One playlist's history.
#[derive(Debug, Default)]
pub struct Watch {
    last: Option<Arc<Media>>,
    last_part: Duration,
    last_segment: Duration,
    /// The latest part and segment whose delay was told already.
    told_part: Option<Duration>,
    told_segment: Option<Duration>,
    parts_gone: VecDeque<Gone>,
    segments_gone: VecDeque<Gone>,
}

impl Watch {
    /// The newest version.
    #[must_use]
    pub fn last(&self) -> Option<&Arc<Media>> {
        self.last.as_ref()
    }

    /// Parts that were removed, the oldest first.
    pub fn parts_gone(&self) -> impl Iterator<Item = &Gone> {
        self.parts_gone.iter()
    }

    /// Segments that were removed, the oldest first.
    pub fn segments_gone(&self) -> impl Iterator<Item = &Gone> {
        self.segments_gone.iter()
    }

    /// Takes a whole version that was seen at `now`. `slack` is how much later than made it may have been seen.
    pub fn see(&mut self, now: Duration, slack: Duration, next: &Arc<Media>) -> Change {
        let mut change = Change::default();
        let Some(before) = self.last.clone() else {
            self.last_part = now;
            self.last_segment = now;
            self.last = Some(next.clone());
            change.new = news(next, None);
            return change;
        };
        compare_heads(&before, next, &mut change.faults);
        if before.is_ended {
            if !next.is_ended || next.last() != before.last() {
                let seen = "another version after EXT-X-ENDLIST";
                change
                    .faults
                    .push(Fault::new(Rule::ChangedAfterEnd, seen, "none"));
            }
            return change;
        }
        if next.sequence < before.sequence && !is_older(next, &before) {
            let seen = format!(
                "EXT-X-MEDIA-SEQUENCE from {} to {}",
                before.sequence, next.sequence
            );
            change
                .faults
                .push(Fault::new(Rule::SequenceWrong, seen, "never less"));
            self.restart(now, next);
            return change;
        }
        if next.last() < before.last() || next.sequence < before.sequence {
            let seen = format!(
                "the end from {} to {}",
                position(before.last()),
                position(next.last())
            );
            change
                .faults
                .push(Fault::new(Rule::WentBack, seen, "never back"));
            return change;
        }
        compare_segments(&before, next, &mut change.faults);
        self.removals(now, &before, next, &mut change.faults);
        check_hint(&before, next, &mut change.faults);
        change.new = news(next, before.last());
        self.arrivals(now, slack, (&before, next), &mut change);
        self.last = Some(next.clone());
        change
    }

    /// Nothing new was seen until `now`.
    pub fn silence(&mut self, now: Duration, slack: Duration) -> Vec<Fault> {
        let mut faults = Vec::new();
        let Some(last) = self.last.clone() else {
            return faults;
        };
        if !last.is_ended {
            self.lateness(now, slack, &last, &mut faults);
        }
        faults
    }

    fn restart(&mut self, now: Duration, next: &Arc<Media>) {
        *self = Self {
            last: Some(next.clone()),
            last_part: now,
            last_segment: now,
            ..Self::default()
        };
    }

    /// What is listed as gap has come as well: that it is in time is what the rules ask for.
    fn arrivals(
        &mut self,
        now: Duration,
        slack: Duration,
        (before, next): (&Media, &Media),
        change: &mut Change,
    ) {
        let newest = |media: &Media| media.segments.last().map(|segment| segment.msn);
        let has_segment = newest(next) > newest(before);
        let has_part = before
            .last()
            .is_none_or(|last| first_part_after(next, last).is_some());
        if !next.is_ended {
            self.lateness(now, slack, next, &mut change.faults);
        }
        if has_part {
            change.part_interval = Some(now.saturating_sub(self.last_part));
            self.last_part = now;
        }
        if has_segment {
            self.last_segment = now;
        }
    }

    fn lateness(&mut self, now: Duration, slack: Duration, media: &Media, faults: &mut Vec<Fault>) {
        if let (Some(target), true) = (media.part_target(), media.has_parts()) {
            let since = now.saturating_sub(self.last_part);
            if since > target + slack && self.told_part != Some(self.last_part) {
                self.told_part = Some(self.last_part);
                let seen = format!("no new part for {}", secs(since));
                let expected = format!("one within {}", secs(target));
                faults.push(Fault::new(Rule::PartLate, seen, expected));
            }
        }
        let longest = media.target_duration() * 3 / 2;
        if longest.is_zero() {
            return;
        }
        let since = now.saturating_sub(self.last_segment);
        let slack = slack.max(longest / 10);
        if since > longest + slack && self.told_segment != Some(self.last_segment) {
            self.told_segment = Some(self.last_segment);
            let seen = format!("no new segment for {}", secs(since));
            let expected = format!("one within {}", secs(longest));
            faults.push(Fault::new(Rule::SegmentLate, seen, expected));
        }
    }

    fn removals(&mut self, now: Duration, before: &Media, next: &Media, faults: &mut Vec<Fault>) {
        let target = next.target_duration();
        let keep = target * 3;
        for segment in &before.segments {
            if segment.msn < next.sequence {
                if let (Some(uri), false) = (&segment.uri, segment.is_gap) {
                    let gone = Gone {
                        uri: uri.clone(),
                        range: segment.range,
                        removed: now,
                        keep: segment.duration,
                    };
                    remember(&mut self.segments_gone, gone);
                }
                continue;
            }
            let still = next.segments.iter().find(|other| other.msn == segment.msn);
            let kept = still.map_or(&[][..], |still| &still.parts);
            let is_gone = |part: &&Part| {
                !part.is_gap
                    && kept
                        .iter()
                        .all(|other| other.uri != part.uri || other.range != part.range)
            };
            let gone: Vec<&Part> = segment.parts.iter().filter(is_gone).collect();
            let after: Duration = next
                .segments
                .iter()
                .filter(|other| other.msn > segment.msn)
                .map(|other| other.duration)
                .sum();
            if let (Some(part), true, true) = (gone.first(), after < target * 2, still.is_some()) {
                let seen = format!(
                    "`{}`, {} from the end, is not listed any more",
                    part.uri,
                    secs(after)
                );
                let expected = format!("parts of the last {}", secs(keep));
                faults.push(Fault::new(Rule::PartsRemovedEarly, seen, expected));
            }
            for part in gone {
                let gone = Gone {
                    uri: part.uri.clone(),
                    range: part.range,
                    removed: now,
                    keep,
                };
                remember(&mut self.parts_gone, gone);
            }
        }
        if next.sequence == before.sequence || next.is_ended {
            return;
        }
        if let Some((kind, line)) = &next.playlist_type {
            let seen = format!("EXT-X-PLAYLIST-TYPE:{kind}, and segments were removed");
            faults.push(Fault::new(Rule::TypeOfLive, seen, "no EXT-X-PLAYLIST-TYPE").at(*line));
        }
        let (duration, count) = (next.duration(), next.segments.len());
        if duration < target * 3 {
            let seen = format!("{} after segments were removed", secs(duration));
            let expected = format!("at least {}", secs(target * 3));
            faults.push(Fault::new(Rule::WindowShort, seen, expected));
        } else if count < 6 {
            let seen = format!("{count} segments after one was removed");
            faults.push(Fault::new(Rule::WindowNarrow, seen, "at least 6"));
        }
    }
}

/// Whether this may be a version from before that one: what both list has the same names.
fn is_older(next: &Media, before: &Media) -> bool {
    let same = |segment: &Segment| {
        let mut others = before.segments.iter();
        others.any(|other| other.msn == segment.msn && other.uri == segment.uri)
    };
    next.last() <= before.last() && next.segments.iter().any(same)
}

fn remember(list: &mut VecDeque<Gone>, gone: Gone) {
    if list.len() >= GONE_MAX {
        list.pop_front();
    }
    list.push_back(gone);
}

/// A position in words.
#[must_use]
pub fn position(position: Option<Position>) -> String {
    match position {
        None => "nothing".to_owned(),
        Some(Position {
            msn,
            parts: u64::MAX,
        }) => format!("segment {msn}"),
        Some(Position { msn, parts }) => {
            format!("part {} of segment {msn}", parts.saturating_sub(1))
        }
    }
}

fn compare_heads(before: &Media, next: &Media, faults: &mut Vec<Fault>) {
    if let (Some((old, _)), Some((new, line))) = (before.target, next.target)
        && old != new
    {
        let seen = format!("EXT-X-TARGETDURATION from {old} to {new}");
        faults.push(Fault::new(Rule::TargetDurationChanged, seen, "never another").at(line));
    }
    let mut changed = |what: &str, line: usize| {
        let seen = format!("another {what} than before");
        faults.push(Fault::new(Rule::PartTargetChanged, seen, "never another").at(line));
    };
    if before.part_target() != next.part_target() {
        changed("PART-TARGET", next.part_target.map_or(1, |(_, line)| line));
    }
    let sorted = |media: &Media| media.control.as_ref().map(|control| control.sorted());
    if sorted(before) != sorted(next) {
        changed(
            "EXT-X-SERVER-CONTROL",
            next.control.as_ref().map_or(1, |control| control.line()),
        );
    }
}

fn compare_segments(before: &Media, next: &Media, faults: &mut Vec<Fault>) {
    for old in before.all() {
        let Some(new) = next.all().find(|new| new.msn == old.msn) else {
            continue;
        };
        if let (Some(old_uri), Some(new_uri)) = (&old.uri, &new.uri)
            && (old_uri != new_uri || old.range != new.range)
        {
            let is_same = |other: &&Segment| other.uri == old.uri && other.range == old.range;
            if let Some(moved) = next.segments.iter().find(is_same) {
                let seen = format!("`{old_uri}` from number {} to {}", old.msn, moved.msn);
                faults
                    .push(Fault::new(Rule::SequenceWrong, seen, "the same number").at(moved.line));
                return;
            }
            let seen = format!("segment {} from `{old_uri}` to `{new_uri}`", old.msn);
            faults.push(Fault::new(Rule::SegmentChanged, seen, "the same").at(new.line));
        }
        if old.discontinuity != new.discontinuity {
            let (from, to) = (old.discontinuity, new.discontinuity);
            let seen = format!(
                "the discontinuity sequence number of segment {} from {from} to {to}",
                old.msn
            );
            faults.push(Fault::new(Rule::DiscontinuityWrong, seen, "the same").at(new.line));
        }
        compare_tags(old, new, next, faults);
        compare_parts(old, new, faults);
    }
}

fn compare_tags(old: &Segment, new: &Segment, next: &Media, faults: &mut Vec<Fault>) {
    let mut changed = |what: &str| {
        let seen = format!("{what} of segment {} is another than before", old.msn);
        faults.push(Fault::new(Rule::SegmentChanged, seen, "the same").at(new.line));
    };
    if old.uri.is_some() && new.uri.is_some() {
        if old.duration != new.duration {
            changed("EXTINF");
        }
        if old.is_gap != new.is_gap {
            changed("EXT-X-GAP");
        }
    } else if old.parts.is_empty() {
        return;
    }
    // A server that writes a date only at the beginning has to add one when the beginning is removed.
    let is_first = next.all().next().is_some_and(|first| first.msn == new.msn);
    if old.date != new.date && !(is_first && old.date.is_none()) {
        changed("EXT-X-PROGRAM-DATE-TIME");
    }
    if old.map != new.map {
        changed("EXT-X-MAP");
    }
    if old.key != new.key {
        changed("EXT-X-KEY");
    }
}

fn compare_parts(old: &Segment, new: &Segment, faults: &mut Vec<Fault>) {
    let (Some(_), Some(first)) = (old.parts.first(), new.parts.first()) else {
        return;
    };
    let mut changed = |line: usize, what: &str| {
        let seen = format!("a part of segment {}: {what}", old.msn);
        faults.push(Fault::new(Rule::PartChanged, seen, "the same").at(line));
    };
    let same = |a: &Part, b: &Part| a.uri == b.uri && a.range == b.range;
    let Some(skipped) = old.parts.iter().position(|part| same(part, first)) else {
        changed(first.line, "its URI is another than before");
        return;
    };
    let mut news = new.parts.iter();
    for part in old.parts.iter().skip(skipped) {
        match news.next() {
            None => {
                changed(new.line, "it was removed before earlier ones");
                return;
            }
            Some(other) if !same(part, other) => {
                changed(other.line, "its URI is another than before");
            }
            Some(other) => {
                let is_same = part.duration == other.duration
                    && part.is_independent == other.is_independent
                    && part.is_gap == other.is_gap;
                if !is_same {
                    changed(other.line, "its attributes are others than before");
                }
            }
        }
    }
}

/// Every part of a playlist with its position.
fn flat(media: &Media) -> impl Iterator<Item = (Position, &Segment, &Part)> {
    media.all().flat_map(|segment| {
        segment.parts.iter().zip(1u64..).map(move |(part, parts)| {
            let msn = segment.msn;
            (Position { msn, parts }, segment, part)
        })
    })
}

/// The first part after this position, where the playlist still lists that place.
fn first_part_after(media: &Media, after: Position) -> Option<&Part> {
    let (_, _, part) = flat(media).find(|(position, ..)| *position > after)?;
    Some(part)
}

fn check_hint(before: &Media, next: &Media, faults: &mut Vec<Fault>) {
    let hint = before.hints.iter().find(|hint| hint.kind == "PART");
    let (Some(hint), Some(last)) = (hint, before.last()) else {
        return;
    };
    // A segment that became whole without another part leaves the hint for the next one.
    let Some(part) = first_part_after(next, last) else {
        return;
    };
    // The encoder was lost: "a server MAY choose not to publish previously-hinted resources" (6.2.6).
    if part.is_gap {
        return;
    }
    let is_range = part.range.is_some() || hint.start.is_some();
    let offset = part
        .range
        .and_then(|(_, offset)| offset)
        .unwrap_or_default();
    let is_same = part.uri == hint.uri && (!is_range || hint.start.unwrap_or_default() == offset);
    if !is_same {
        let seen = format!("`{}` came where `{}` was hinted", part.uri, hint.uri);
        faults.push(Fault::new(Rule::HintBroken, seen, "what was hinted").at(part.line));
    }
}

/// What a version has behind this position; of a first version, the last two segments.
fn news(media: &Media, after: Option<Position>) -> Vec<New> {
    let from = media.segments.len().saturating_sub(2);
    let first = media
        .segments
        .get(from)
        .map_or(media.open.msn, |segment| segment.msn);
    let after = after.unwrap_or(Position {
        msn: first,
        parts: 0,
    });
    let mut found = Vec::new();
    let mut end: Option<i64> = None;
    for segment in media.all() {
        let begin = segment.date.or(end);
        let whole = New {
            msn: segment.msn,
            part: None,
            uri: segment.uri.clone().unwrap_or_default(),
            range: segment.range,
            duration: segment.duration,
            is_independent: true,
            is_discontinuous: segment.discontinuities > 0,
            discontinuity: segment.discontinuity,
            date: begin,
            map: segment.map.clone(),
            is_encrypted: segment.key.is_some(),
        };
        let mut date = begin;
        for (part, index) in segment.parts.iter().zip(0u64..) {
            let position = Position {
                msn: segment.msn,
                parts: index + 1,
            };
            if position > after && !part.is_gap {
                found.push(New {
                    part: Some(index),
                    uri: part.uri.clone(),
                    range: part.range,
                    duration: part.duration,
                    is_independent: part.is_independent,
                    is_discontinuous: whole.is_discontinuous && index == 0,
                    date,
                    ..whole.clone()
                });
            }
            let lasts = crate::parse::media::micros(part.duration);
            date = date.map(|date| date.saturating_add(lasts));
        }
        let position = Position {
            msn: segment.msn,
            parts: u64::MAX,
        };
        if segment.uri.is_some() && position > after && !segment.is_gap {
            found.push(whole);
        }
        let lasts = crate::parse::media::micros(segment.duration);
        end = begin.map(|begin| begin.saturating_add(lasts));
    }
    found
}
