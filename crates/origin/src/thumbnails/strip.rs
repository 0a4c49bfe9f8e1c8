//! Which pictures of a stream there are: sheets of old ones, and the newest one by one. Read by HTTP handlers, written to by the
//! stream's keeper.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use fanwave_live::WallTime;
use fanwave_vault::thumbnails::Sheet;

use super::track::Cue;
use crate::limits::{SHEET_COLUMNS, SHEET_PICTURES, SHEETS_MAX, SINGLES_MAX};

/// The pictures of one stream.
#[derive(Debug)]
pub(crate) struct Strip {
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Stored, oldest first; at most [`SHEETS_MAX`].
    sheets: VecDeque<Sheet>,
    /// Oldest first; at most [`SINGLES_MAX`].
    singles: VecDeque<Single>,
    /// Those of the newest sheet: a viewer may have read before that they are files of their own. At most [`SHEET_PICTURES`].
    settled: Vec<Single>,
    /// Number of the next picture.
    next: u64,
    /// Number of the next sheet.
    next_sheet: u32,
}

/// A picture that is on no sheet yet.
#[derive(Debug, Clone)]
pub(super) struct Single {
    number: u64,
    pub(super) at: WallTime,
    pub(super) size: (u32, u32),
    pub(super) jpeg: Bytes,
}

impl Strip {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            state: Mutex::default(),
        }
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// Adds the newest picture.
    pub(super) fn add(&self, at: WallTime, size: (u32, u32), jpeg: Bytes) {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.singles.push_back(Single {
            number,
            at,
            size,
            jpeg,
        });
        // More than that only where sheets cannot be made or kept.
        while state.singles.len() > SINGLES_MAX {
            state.singles.pop_front();
        }
    }

    /// The oldest pictures, as many as fit on one sheet and are of one size, once there are enough, or the last ones.
    pub(super) fn next_sheet(&self, is_last: bool) -> Option<Vec<Single>> {
        let state = self.lock();
        let first = state.singles.front()?;
        let alike = state
            .singles
            .iter()
            .take_while(|single| single.size == first.size)
            .take(SHEET_PICTURES);
        let alike: Vec<_> = alike.cloned().collect();
        let is_full = alike.len() == SHEET_PICTURES || alike.len() < state.singles.len();
        (is_full || is_last).then_some(alike)
    }

    /// The number that the next sheet will have.
    pub(super) fn sheet_number(&self) -> u32 {
        self.lock().next_sheet
    }

    /// These pictures are on a sheet now, which is stored.
    pub(super) fn settle(&self, pictures: Vec<Single>) {
        let (Some(first), Some(last)) = (pictures.first(), pictures.last()) else {
            return;
        };
        let mut state = self.lock();
        state.singles.retain(|single| single.number > last.number);
        let sheet = Sheet {
            number: state.next_sheet,
            width: first.size.0,
            height: first.size.1,
            at_ms: pictures.iter().map(|single| single.at.0).collect(),
        };
        state.next_sheet += 1;
        state.sheets.push_back(sheet);
        state.settled = pictures;
    }

    /// Lets go of what is all before this time; says which sheets are to be removed. Where everything is kept, only as
    /// many sheets are as may be known.
    pub(super) fn trim(&self, before: Option<WallTime>) -> Vec<u32> {
        let mut state = self.lock();
        let mut removed = Vec::new();
        let is_over =
            |last: u64| before.is_some_and(|before| WallTime(last).after(self.interval) < before);
        while state.sheets.len() > SHEETS_MAX
            || state
                .sheets
                .front()
                .is_some_and(|sheet| is_over(sheet.at_ms.last().copied().unwrap_or_default()))
        {
            removed.extend(state.sheets.pop_front().map(|sheet| sheet.number));
        }
        while state
            .singles
            .front()
            .is_some_and(|single| is_over(single.at.0))
        {
            state.singles.pop_front();
        }
        removed
    }

    /// The sheets there are.
    pub(super) fn sheets(&self) -> Vec<Sheet> {
        self.lock().sheets.iter().cloned().collect()
    }

    /// A picture that is in memory.
    pub(crate) fn single(&self, number: u64) -> Option<Bytes> {
        let state = self.lock();
        let mut known = state.singles.iter().chain(&state.settled);
        let found = known.find(|single| single.number == number);
        found.map(|single| single.jpeg.clone())
    }

    /// All pictures, oldest first, by their addresses below this folder.
    pub(crate) fn cues(&self, folder: &str) -> Vec<Cue> {
        let state = self.lock();
        let mut cues = cues_of(&state.sheets, folder);
        cues.extend(state.singles.iter().map(|single| Cue {
            at: single.at,
            file: format!("{folder}/at-{}.jpg", single.number),
            place: (0, 0),
            size: single.size,
        }));
        cues
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pictures of sheets, by the sheets' addresses below this folder.
pub(crate) fn cues_of<'a>(sheets: impl IntoIterator<Item = &'a Sheet>, folder: &str) -> Vec<Cue> {
    let mut cues = Vec::new();
    for sheet in sheets {
        let file = format!("{folder}/{}.jpg", sheet.number);
        for (index, at_ms) in (0..).zip(&sheet.at_ms) {
            let (column, row) = (index % SHEET_COLUMNS, index / SHEET_COLUMNS);
            cues.push(Cue {
                at: WallTime(*at_ms),
                file: file.clone(),
                place: (
                    column.saturating_mul(sheet.width),
                    row.saturating_mul(sheet.height),
                ),
                size: (sheet.width, sheet.height),
            });
        }
    }
    cues
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    fn strip(pictures: u64) -> Strip {
        let strip = Strip::new(TEN);
        for number in 0..pictures {
            let jpeg = Bytes::from(number.to_string());
            strip.add(WallTime(number * 10_000), (160, 90), jpeg);
        }
        strip
    }

    fn files(strip: &Strip) -> Vec<String> {
        let mut files: Vec<_> = strip.cues("x").into_iter().map(|cue| cue.file).collect();
        files.dedup();
        files
    }

    #[test]
    fn enough_pictures_become_a_sheet_and_the_rest_stay_one_by_one() {
        let strip = strip(SHEET_PICTURES as u64 - 1);
        assert!(strip.next_sheet(false).is_none());
        assert_eq!(strip.next_sheet(true).unwrap().len(), SHEET_PICTURES - 1);
        for extra in 0..3 {
            let at = WallTime(1_000_000 + extra * 10_000);
            strip.add(at, (160, 90), Bytes::from_static(b"late"));
        }
        let sheet = strip.next_sheet(false).unwrap();
        assert_eq!(sheet.len(), SHEET_PICTURES);
        strip.settle(sheet);
        assert_eq!(files(&strip), ["x/0.jpg", "x/at-25.jpg", "x/at-26.jpg"]);
        let cues = strip.cues("x");
        assert_eq!((cues[6].place, cues[6].size), ((160, 90), (160, 90)));
        assert_eq!(strip.single(25).unwrap(), "late");
        // Read of before they were on a sheet.
        assert_eq!(strip.single(0).unwrap(), "0");
        strip.settle(strip.next_sheet(true).unwrap());
        assert_eq!(strip.single(0), None);
    }

    #[test]
    fn pictures_of_another_size_begin_another_sheet() {
        let strip = strip(3);
        strip.add(WallTime(40_000), (90, 160), Bytes::new());
        assert_eq!(strip.next_sheet(false).unwrap().len(), 3);
    }

    #[test]
    fn what_is_out_of_the_window_goes_and_what_cannot_be_stored_is_bounded() {
        let strip = strip(SINGLES_MAX as u64 + 5);
        assert_eq!(strip.cues("x").len(), SINGLES_MAX);
        let sheet = strip.next_sheet(false).unwrap();
        let last = sheet.last().unwrap().at;
        strip.settle(sheet);
        assert_eq!(strip.trim(None), Vec::<u32>::new());
        assert_eq!(strip.trim(Some(last.after(TEN))), Vec::<u32>::new());
        let behind = last.after(TEN).after(Duration::from_millis(1));
        assert_eq!(strip.trim(Some(behind)), [0]);
        assert_eq!(strip.trim(Some(WallTime::MAX)), Vec::<u32>::new());
        assert_eq!(strip.cues("x"), []);
    }
}
