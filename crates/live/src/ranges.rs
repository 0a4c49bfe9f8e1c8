//! The date ranges of one stream: the same in every playlist (section 6.2.4).

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    date_range::DateRange,
    event::HandleError,
    limits::{DATE_RANGES_MAX, DATE_RANGES_REMEMBERED_MAX},
    position::Position,
    time::{Moment, WallTime},
};

/// What was announced and is listed, and what was removed.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    /// In the order of their announcement.
    listed: Vec<Listed>,
    /// Oldest first.
    removed: VecDeque<Removed>,
}

/// One date range, and where it stands in each rendition's playlist.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) range: Arc<DateRange>,
    pub(crate) since: Moment,
    /// The part in front of which it stands: one per rendition, in the order of their ids.
    pub(crate) before: Vec<Position>,
}

#[derive(Debug)]
struct Removed {
    id: Arc<str>,
    at: Moment,
}

impl Ranges {
    /// Adds a date range where each rendition's playlist ends now. `window` is where the longest of them begins.
    ///
    /// "The server MUST NOT reuse the ID attribute value of an EXT-X-DATERANGE tag for any new Date Range in the same
    /// Playlist" (section 6.2.1): ids are remembered, the latest [`DATE_RANGES_REMEMBERED_MAX`] of them.
    pub(crate) fn announce(
        &mut self,
        now: Moment,
        range: DateRange,
        window: Option<WallTime>,
        before: Vec<Position>,
    ) -> Result<(), HandleError> {
        let listed = self.listed.iter().map(|listed| listed.range.id());
        let removed = self.removed.iter().map(|removed| &removed.id);
        if listed.chain(removed).any(|id| id == range.id()) {
            return Err(HandleError::RangeIdUsed);
        }
        if window.is_some_and(|window| range.end() < window) {
            return Err(HandleError::RangeOver);
        }
        if self.listed.len() >= DATE_RANGES_MAX {
            return Err(HandleError::TooManyRanges);
        }
        self.listed.push(Listed {
            range: Arc::new(range),
            since: now,
            before,
        });
        Ok(())
    }

    /// Removes what ended before the window of every rendition: "The server MUST NOT remove an EXT-X-DATERANGE tag from a
    /// Playlist if any date in the range maps to a Media Segment in the Playlist" (section 6.2.1).
    pub(crate) fn trim(&mut self, now: Moment, window: WallTime) {
        let removed = &mut self.removed;
        self.listed.retain(|listed| {
            let stays = listed.range.end() >= window;
            if !stays {
                let id = Arc::clone(listed.range.id());
                removed.push_back(Removed { id, at: now });
            }
            stays
        });
        let forgotten = self
            .removed
            .len()
            .saturating_sub(DATE_RANGES_REMEMBERED_MAX);
        self.removed.drain(..forgotten);
    }

    pub(crate) fn listed(&self) -> impl Iterator<Item = &Listed> {
        self.listed.iter()
    }

    /// Ids of what was removed at most `span` before `now`, oldest first.
    pub(crate) fn removed_within(&self, now: Moment, span: Duration) -> Vec<Arc<str>> {
        let recent = |removed: &&Removed| removed.at.after(span) >= now;
        let ids = self.removed.iter().filter(recent);
        ids.map(|removed| Arc::clone(&removed.id)).collect()
    }
}
