//! One rendition's segments: those listed, the growing one, and those that are removed but may still be asked for.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    config::{Config, RenditionName},
    limits::{PARTS_PER_SEGMENT_MAX, SEGMENTS_MAX},
    position::{InitId, MediaSeq, PartIndex, Position},
    snapshot::{Hint, Independence, PartEntry, Report, SegmentEntry},
    time::{Moment, WallTime},
};

/// Less than this is not listed as gap: a part of less would cost more than it tells. Renditions end at slightly different
/// times, and an encoder's timeline may break by a picture or two.
pub(crate) const GAP_MIN: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) name: RenditionName,
    /// Whole and listed, oldest first.
    listed: VecDeque<Listed>,
    /// The same for snapshots, which all share it until a segment comes or goes: a window of hours has thousands.
    shared: Arc<[Arc<SegmentEntry>]>,
    listed_duration: Duration,
    /// The longest the playlist ever was.
    longest: Duration,
    /// Growing; has a part.
    open: Option<SegmentEntry>,
    first_msn: MediaSeq,
    /// Number of the growing segment, or of the next to grow.
    next_msn: MediaSeq,
    /// Not listed any more, and not yet forgotten; oldest first, and forgotten in that order.
    removed: VecDeque<Removed>,
    discontinuity_sequence: u64,
    /// Discontinuities in front of the next segment.
    discontinuities_due: u32,
    /// Init sections that are needed, oldest first; the last is that of the next part.
    inits: VecDeque<InitId>,
}

#[derive(Debug)]
struct Listed {
    segment: Arc<SegmentEntry>,
    since: Moment,
}

#[derive(Debug)]
struct Removed {
    segment: Arc<SegmentEntry>,
    forget_at: Moment,
}

/// Whether a place is in the playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It is, or has been.
    Reached,
    /// It is the growing segment's or the next one's, so many parts behind the last one there is (at least 1).
    Ahead(u64),
    /// In a segment that cannot be asked for yet.
    TooFar,
}

impl Window {
    pub(crate) fn new(name: RenditionName, first_msn: MediaSeq) -> Self {
        Self {
            name,
            listed: VecDeque::new(),
            shared: Arc::default(),
            listed_duration: Duration::ZERO,
            longest: Duration::ZERO,
            open: None,
            first_msn,
            next_msn: first_msn,
            removed: VecDeque::new(),
            discontinuity_sequence: 0,
            discontinuities_due: 0,
            inits: VecDeque::from([InitId(0)]),
        }
    }

    pub(crate) fn has_whole_segment(&self) -> bool {
        self.next_msn > self.first_msn
    }

    pub(crate) fn first_msn(&self) -> MediaSeq {
        self.first_msn
    }

    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }

    /// The init section of the next part.
    pub(crate) fn init(&self) -> InitId {
        self.inits.back().copied().unwrap_or_default()
    }

    /// When its last part ends.
    pub(crate) fn end(&self) -> Option<WallTime> {
        let last = self
            .open
            .as_ref()
            .or(self.listed.back().map(|listed| &*listed.segment))?;
        Some(last.starts_at.after(last.duration))
    }

    /// What the growing segment would last with one more part.
    pub(crate) fn duration_with(&self, part: Duration) -> Duration {
        self.open
            .as_ref()
            .map_or(Duration::ZERO, |open| open.duration)
            .saturating_add(part)
    }

    pub(crate) fn open_parts(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.parts.len())
    }

    pub(crate) fn push_part(&mut self, starts_at: WallTime, part: PartEntry) {
        let init = self.init();
        let (msn, due) = (self.next_msn, &mut self.discontinuities_due);
        let open = self.open.get_or_insert_with(|| SegmentEntry {
            msn,
            gap: false,
            discontinuities: std::mem::take(due),
            init,
            starts_at,
            duration: Duration::ZERO,
            parts: Vec::new(),
        });
        open.duration += part.duration;
        // What lacks a part cannot be played through.
        open.gap |= part.gap;
        open.parts.push(part);
        assert!(
            open.parts.len() <= PARTS_PER_SEGMENT_MAX,
            "the machine refuses a part too many"
        );
    }

    /// Lists what is missing up to `until` as gap: "adding one or more Media Segments to the Playlist whose Segment durations
    /// add up to the duration of absent media; these Media Segments MUST have EXT-X-GAP tags" (section 6.2.1).
    ///
    /// Does nothing before the first part: there is nothing that the gap could follow. Media is never in a segment of
    /// gap, so a growing one of media has to be closed before.
    pub(crate) fn fill(&mut self, now: Moment, until: WallTime, config: &Config) -> bool {
        let mut changed = false;
        while let Some(from) = self.end().filter(|end| until.since(*end) >= GAP_MIN) {
            let grown = self.duration_with(Duration::ZERO);
            let room = config.gap_segment().saturating_sub(grown);
            let duration = until.since(from).min(config.part_target()).min(room);
            self.push_gap(from, duration);
            if room == duration {
                self.close(now, config);
            }
            changed = true;
        }
        changed
    }

    /// Lists what is missing up to `until`, where the segment of number `cell` begins, by the clock: one segment of gap for every
    /// number between, however much that is.
    pub(crate) fn fill_cells(
        &mut self,
        now: Moment,
        cell: MediaSeq,
        until: WallTime,
        config: &Config,
    ) -> bool {
        let millis = config.cell_millis().unwrap_or_default();
        let mut changed = false;
        while self.next_msn < cell {
            let Some(from) = self.end() else {
                (self.first_msn, self.next_msn) = (cell, cell);
                return true;
            };
            let next = self.next_msn.next();
            let edge = if next == cell {
                until
            } else {
                until.min(WallTime(next.0.saturating_mul(millis)))
            };
            // No longer than a segment may be; and every number has a segment, even where nothing is missing.
            let left = edge
                .since(from)
                .clamp(Duration::from_millis(1), config.target_duration());
            let to = from.after(left);
            let mut at = from;
            while at < to {
                let part = to.since(at).min(config.part_target());
                self.push_gap(at, part);
                at = at.after(part);
            }
            self.close(now, config);
            changed = true;
        }
        changed
    }

    fn push_gap(&mut self, starts_at: WallTime, duration: Duration) {
        // The init section of what came before: a new one may have been made for what comes after.
        let init = self.last_init().unwrap_or_else(|| self.init());
        let msn = self.next_msn;
        let open = self.open.get_or_insert_with(|| SegmentEntry {
            msn,
            gap: true,
            // Those that are due belong to the media behind the gap: the gap itself changes nothing that a decoder sees.
            discontinuities: 0,
            init,
            starts_at,
            duration: Duration::ZERO,
            parts: Vec::new(),
        });
        assert!(open.gap, "media and gap are never in one segment");
        open.duration += duration;
        open.parts.push(PartEntry {
            duration,
            independence: Independence::Dependent,
            gap: true,
        });
    }

    /// Lists as gap whatever `source` has and this one, which is made from it, has not; what is missing then never comes.
    ///
    /// Without it a rendition that is a moment late would have fewer parts in a segment than its source when all of
    /// them are closed, or even a segment less, and every number after that would be another.
    pub(crate) fn catch_up(&mut self, now: Moment, source: &Self, config: &Config) -> bool {
        let mut changed = false;
        while let Some(segment) = source.grown_segment(self.next_msn) {
            for part in segment.parts.iter().skip(self.open_parts()) {
                self.push_part(
                    segment.starts_at,
                    PartEntry {
                        duration: part.duration,
                        independence: Independence::Dependent,
                        gap: true,
                    },
                );
                changed = true;
            }
            if segment.msn == source.next_msn {
                break;
            }
            self.close(now, config);
            changed = true;
        }
        changed
    }

    /// Segment `msn`, whole or growing.
    fn grown_segment(&self, msn: MediaSeq) -> Option<&SegmentEntry> {
        if msn == self.next_msn {
            self.open()
        } else {
            self.whole_segment(msn).map(|whole| &**whole)
        }
    }

    /// Makes the growing segment whole, if there is one, and removes what the window need not hold any more.
    pub(crate) fn close(&mut self, now: Moment, config: &Config) -> Closed {
        let Some(open) = self.open.take() else {
            return Closed::Nothing;
        };
        assert_eq!(
            open.msn, self.next_msn,
            "segments are numbered without a hole"
        );
        self.next_msn = self.next_msn.next();
        self.listed_duration += open.duration;
        self.listed.push_back(Listed {
            segment: Arc::new(open),
            since: now,
        });
        self.longest = self.longest.max(self.listed_duration);
        self.trim(now, config);
        self.share();
        Closed::Segment
    }

    fn share(&mut self) {
        let segments = self.listed.iter().map(|listed| &listed.segment);
        self.shared = segments.cloned().collect();
    }

    /// Removes the oldest segments while the window stays full without them (section 6.2.2).
    fn trim(&mut self, now: Moment, config: &Config) {
        while let Some(oldest) = self.listed.front() {
            let left = self.listed_duration - oldest.segment.duration;
            let full = left >= config.window() && self.listed.len() > config.window_segments_min();
            if !full && self.listed.len() <= SEGMENTS_MAX {
                break;
            }
            let Some(Listed { segment, since }) = self.remove_oldest() else {
                break;
            };
            let forget_at = self.forget_at(now, since, segment.duration, config);
            self.removed.push_back(Removed { segment, forget_at });
        }
    }

    fn remove_oldest(&mut self) -> Option<Listed> {
        let oldest = self.listed.pop_front()?;
        self.listed_duration = self.listed_duration.saturating_sub(oldest.segment.duration);
        // "If the server removes an EXT-X-DISCONTINUITY tag from the Media Playlist, it MUST increment the value of
        // the EXT-X-DISCONTINUITY-SEQUENCE tag" (section 6.2.2).
        self.discontinuity_sequence += u64::from(oldest.segment.discontinuities);
        Some(oldest)
    }

    /// Removes what comes before `first`, but never more than leaves three target durations and the least number of
    /// segments: "The server MUST NOT remove a Media Segment from a Playlist without an EXT-X-ENDLIST tag if that would
    /// produce a Playlist whose duration is less than three times the Target Duration" (section 6.2.2).
    ///
    /// Whoever calls this has no place for so much: what was removed stays for three target durations, which its parts
    /// are owed, and not for as long as a playlist that lists it was.
    pub(crate) fn shorten(&mut self, now: Moment, first: MediaSeq, config: &Config) -> bool {
        let forget_at = now.after(config.target_duration() * 3);
        let mut changed = false;
        while let Some(oldest) = self.listed.front() {
            let left = self.listed_duration - oldest.segment.duration;
            let enough = left >= config.target_duration() * 3
                && self.listed.len() > config.window_segments_min();
            if !enough || oldest.segment.msn >= first {
                break;
            }
            let Some(Listed { segment, .. }) = self.remove_oldest() else {
                break;
            };
            self.removed.push_back(Removed { segment, forget_at });
            changed = true;
        }
        if changed {
            for removed in &mut self.removed {
                removed.forget_at = removed.forget_at.min(forget_at);
            }
            self.share();
        }
        changed
    }

    /// A segment stays until the time it was first listed plus its availability duration: its own and that of
    /// the longest playlist that listed it. Its parts stay for three target durations after they are no
    /// longer listed, which is at the latest now (both section 6.2.2).
    fn forget_at(&self, now: Moment, since: Moment, duration: Duration, config: &Config) -> Moment {
        let available = since.after(duration).after(self.longest);
        let parts = now.after(config.target_duration() * 3);
        available.max(parts)
    }

    /// The publisher returned: the next segment begins with a discontinuity.
    pub(crate) fn add_discontinuity(&mut self) {
        self.discontinuities_due = self.discontinuities_due.saturating_add(1);
    }

    /// Gives the next part another init section. Returns the one before it if nothing needs that.
    pub(crate) fn new_init(&mut self) -> Option<InitId> {
        let before = self.init();
        let unneeded = self.last_init() != Some(before);
        if unneeded {
            self.inits.pop_back();
        }
        self.inits.push_back(InitId(before.0.saturating_add(1)));
        unneeded.then_some(before)
    }

    fn last_init(&self) -> Option<InitId> {
        let last = self
            .open
            .as_ref()
            .or(self.listed.back().map(|listed| &*listed.segment));
        last.map(|segment| segment.init)
    }

    pub(crate) fn next_forget(&self) -> Option<Moment> {
        self.removed.front().map(|removed| removed.forget_at)
    }

    /// Forgets one segment whose time has come.
    pub(crate) fn forget(&mut self, now: Moment) -> Option<MediaSeq> {
        self.removed
            .pop_front_if(|removed| removed.forget_at <= now)
            .map(|removed| removed.segment.msn)
    }

    /// Forgets one init section that only forgotten segments needed.
    pub(crate) fn forget_init(&mut self) -> Option<InitId> {
        let oldest = self
            .removed
            .front()
            .map(|removed| &removed.segment)
            .or(self.listed.front().map(|listed| &listed.segment))
            .map(|segment| segment.init)
            .or(self.open.as_ref().map(|open| open.init))?;
        self.inits.pop_front_if(|init| *init < oldest)
    }

    /// Where a wish for a part stands: "If the Client requests a Part Index greater than that of the final
    /// Partial Segment of the Parent Segment, the Server MUST treat the request as one for Part Index 0 of
    /// the following Parent Segment" (section 6.2.5.2). The second value is the place that was meant.
    pub(crate) fn part_presence(&self, wish: Position) -> (Presence, Position) {
        if let Some(segment) = self.whole_segment(wish.msn)
            && wish.part.0 as usize >= segment.parts.len()
        {
            let first_of_next = Position {
                msn: wish.msn.next(),
                part: PartIndex(0),
            };
            return (self.presence(first_of_next), first_of_next);
        }
        (self.presence(wish), wish)
    }

    /// Whether a place that is not past a whole segment's end is reached.
    fn presence(&self, place: Position) -> Presence {
        let (behind, there) = (u64::from(place.part.0) + 1, self.open_parts() as u64);
        if place.msn < self.next_msn || (place.msn == self.next_msn && behind <= there) {
            Presence::Reached
        } else if place.msn == self.next_msn {
            Presence::Ahead(behind - there)
        } else if place.msn == self.next_msn.next() {
            Presence::Ahead(behind)
        } else {
            Presence::TooFar
        }
    }

    /// Whether segment `msn` is, or has been, in the playlist.
    pub(crate) fn segment_presence(&self, msn: MediaSeq) -> Presence {
        if msn < self.next_msn {
            Presence::Reached
        } else if msn <= self.next_msn.next() {
            Presence::Ahead(1)
        } else {
            Presence::TooFar
        }
    }

    /// The whole segment `msn`, listed or in its grace.
    pub(crate) fn whole_segment(&self, msn: MediaSeq) -> Option<&Arc<SegmentEntry>> {
        let find = |first: MediaSeq| usize::try_from(msn.0.checked_sub(first.0)?).ok();
        let listed = self
            .listed
            .front()
            .and_then(|first| self.listed.get(find(first.segment.msn)?));
        let removed = || {
            self.removed
                .front()
                .and_then(|first| self.removed.get(find(first.segment.msn)?))
        };
        listed
            .map(|listed| &listed.segment)
            .or_else(|| removed().map(|removed| &removed.segment))
    }

    /// Since when segment `msn` is listed as a whole one; `None` when it is not listed.
    pub(crate) fn listed_since(&self, msn: MediaSeq) -> Option<Moment> {
        let first = self.listed.front()?.segment.msn;
        let index = usize::try_from(msn.0.checked_sub(first.0)?).ok()?;
        self.listed.get(index).map(|listed| listed.since)
    }

    pub(crate) fn next_msn(&self) -> MediaSeq {
        self.next_msn
    }

    pub(crate) fn needs_init(&self, init: InitId) -> bool {
        self.inits.contains(&init)
    }

    pub(crate) fn media_sequence(&self) -> MediaSeq {
        self.listed
            .front()
            .map_or(self.next_msn, |listed| listed.segment.msn)
    }

    pub(crate) fn discontinuity_sequence(&self) -> u64 {
        self.discontinuity_sequence
    }

    pub(crate) fn listed(&self) -> &Arc<[Arc<SegmentEntry>]> {
        &self.shared
    }

    pub(crate) fn open(&self) -> Option<&SegmentEntry> {
        self.open.as_ref()
    }

    /// Where what is listed begins.
    pub(crate) fn start(&self) -> Option<WallTime> {
        let first = self
            .listed
            .front()
            .map(|listed| &*listed.segment)
            .or(self.open.as_ref());
        first.map(|segment| segment.starts_at)
    }

    /// Where the next part goes.
    pub(crate) fn next_position(&self) -> Position {
        Position {
            msn: self.next_msn,
            part: PartIndex(u32::try_from(self.open_parts()).unwrap_or(u32::MAX)),
        }
    }

    /// First segment whose parts are still listed: "EXT-X-PART tags SHOULD be removed from the Playlist after
    /// they are greater than three Target Durations from the end of the Playlist" (section 6.2.2). A segment
    /// lists all of its parts or none, because a part's index is its place among them.
    pub(crate) fn parts_from(&self, config: &Config) -> MediaSeq {
        let mut behind = self.duration_with(Duration::ZERO);
        let mut from = self.next_msn;
        for segment in self.listed.iter().rev().map(|listed| &listed.segment) {
            if behind > config.target_duration() * 3 {
                break;
            }
            from = segment.msn;
            behind += segment.duration;
        }
        from
    }

    /// The next part (section 6.2.6), and its init section if that is new.
    pub(crate) fn hint(&self) -> Hint {
        let init =
            Some(self.init()).filter(|init| self.last_init().is_some_and(|last| last != *init));
        Hint {
            part: self.next_position(),
            init,
        }
    }

    /// Where it stands, once it has a part.
    pub(crate) fn report(&self) -> Option<Report> {
        let last = self
            .open
            .as_ref()
            .or(self.listed.back().map(|listed| &*listed.segment))?;
        let part = PartIndex(u32::try_from(last.parts.len().saturating_sub(1)).unwrap_or(u32::MAX));
        Some(Report {
            rendition: self.name.clone(),
            last: Position {
                msn: last.msn,
                part,
            },
        })
    }

    /// Whether a part of this independence can come next: segments start with an independent picture
    /// (authoring rule 7.4), which is what lets every playlist say EXT-X-INDEPENDENT-SEGMENTS.
    pub(crate) fn takes(&self, independence: Independence) -> bool {
        self.open.is_some() || independence == Independence::Independent
    }

    /// Whether a part of the growing segment is missing.
    pub(crate) fn is_in_gap(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.gap)
    }
}

/// Whether closing made a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// It did.
    Segment,
    /// No segment was growing.
    Nothing,
}
