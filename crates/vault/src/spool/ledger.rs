//! What the bucket lacks: which files, in which order they go there, and which may then go from the folder.
//!
//! Pure: told what happens, it says what to do next. A file is in it from when it is written until it is in the bucket.

use std::{collections::BTreeMap, ops::Bound};

use tokio::time::Instant;

use crate::{Place, limits::SETTLE};

#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<Place, Entry>,
    /// Files that never change: first come, first served.
    media: BTreeMap<u64, Place>,
    /// Files that are written anew and anew, by when their time has come.
    notes: BTreeMap<(Instant, u64), Place>,
    next: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Entry {
    bytes: u64,
    since: Instant,
    place: Queue,
    /// It may be there already: an earlier process owed it.
    maybe: bool,
    /// It goes from the folder once it is in the bucket.
    leaves: bool,
    /// It has been written anew since its upload began.
    again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    Media(u64),
    Notes(Instant, u64),
    /// It is being uploaded.
    Flying,
}

/// What to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub(super) place: Place,
    pub(super) bytes: u64,
    pub(super) maybe: bool,
}

impl Task {
    /// Which file.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// How large it is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What follows from an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// The file stays in the folder, or has to be uploaded again.
    Stays,
    /// It may go from the folder.
    Leaves,
}

impl Ledger {
    /// A file has been written, or was found.
    pub(super) fn owe(&mut self, now: Instant, place: Place, bytes: u64, maybe: bool) {
        if let Some(entry) = self.entries.get_mut(&place) {
            self.bytes = self.bytes - entry.bytes + bytes;
            entry.bytes = bytes;
            entry.maybe &= maybe;
            // Whoever writes it wants it nearby.
            entry.leaves &= maybe;
            entry.again |= entry.place == Queue::Flying;
            return;
        }
        self.bytes += bytes;
        let queue = self.queue(now, &place, false);
        let entry = Entry {
            bytes,
            since: now,
            place: queue,
            maybe,
            leaves: false,
            again: false,
        };
        self.entries.insert(place, entry);
    }

    fn queue(&mut self, now: Instant, place: &Place, is_urgent: bool) -> Queue {
        self.next += 1;
        let number = self.next;
        if place.is_note() {
            let at = if is_urgent { now } else { now + SETTLE };
            self.notes.insert((at, number), place.clone());
            Queue::Notes(at, number)
        } else {
            self.media.insert(number, place.clone());
            Queue::Media(number)
        }
    }

    fn unqueue(&mut self, queue: Queue) {
        match queue {
            Queue::Media(number) => drop(self.media.remove(&number)),
            Queue::Notes(at, number) => drop(self.notes.remove(&(at, number))),
            Queue::Flying => {}
        }
    }

    /// The next file to upload, which is under way from now on.
    pub(super) fn next(&mut self, now: Instant) -> Option<Task> {
        let due = self
            .notes
            .first_key_value()
            .filter(|((at, _), _)| *at <= now);
        let place = due
            .map(|(_, place)| place)
            .or_else(|| self.media.first_key_value().map(|(_, place)| place))?
            .clone();
        let entry = self.entries.get_mut(&place)?;
        let queue = std::mem::replace(&mut entry.place, Queue::Flying);
        entry.again = false;
        let task = Task {
            place,
            bytes: entry.bytes,
            maybe: entry.maybe,
        };
        self.unqueue(queue);
        Some(task)
    }

    /// When there may be another, if nothing is written until then.
    pub(super) fn due(&self) -> Option<Instant> {
        self.notes.first_key_value().map(|((at, _), _)| *at)
    }

    /// Nothing waits for its time any more; says whether something did.
    pub(super) fn hurry(&mut self, now: Instant) -> bool {
        let early = self.notes.iter().filter(|((at, _), _)| *at > now);
        let early: Vec<_> = early.map(|(key, place)| (*key, place.clone())).collect();
        let any = !early.is_empty();
        for (key, place) in early {
            self.notes.remove(&key);
            let queue = self.queue(now, &place, true);
            if let Some(entry) = self.entries.get_mut(&place) {
                entry.place = queue;
            }
        }
        any
    }

    /// A file is in the bucket.
    pub(super) fn done(&mut self, now: Instant, place: &Place) -> Settled {
        match self.entries.get(place) {
            Some(entry) if entry.again => {
                self.failed(now, place);
                Settled::Stays
            }
            Some(entry) => {
                let leaves = entry.leaves;
                self.bytes -= entry.bytes;
                self.entries.remove(place);
                if leaves {
                    Settled::Leaves
                } else {
                    Settled::Stays
                }
            }
            // It has been forgotten, and whoever did that removes it.
            None => Settled::Stays,
        }
    }

    /// A file is not in the bucket: it comes again behind the others.
    pub(super) fn failed(&mut self, now: Instant, place: &Place) {
        if self.entries.contains_key(place) {
            let is_urgent = self.entries.get(place).is_some_and(|entry| entry.leaves);
            let queue = self.queue(now, place, is_urgent);
            if let Some(entry) = self.entries.get_mut(place) {
                entry.place = queue;
                entry.maybe &= !entry.again;
                entry.again = false;
            }
        }
    }

    /// A file is wanted in the folder no longer; says whether it can go from there at once.
    pub(super) fn release(&mut self, now: Instant, place: &Place) -> Settled {
        let Some(entry) = self.entries.get_mut(place) else {
            return Settled::Leaves;
        };
        entry.leaves = true;
        if let Queue::Notes(at, _) = entry.place
            && at > now
        {
            // Nothing more will be written into it.
            let old = entry.place;
            self.unqueue(old);
            let queue = self.queue(now, place, true);
            if let Some(entry) = self.entries.get_mut(place) {
                entry.place = queue;
            }
        }
        Settled::Stays
    }

    /// The files at this place and below are not to be uploaded; says whether one of them is under way.
    pub(super) fn forget(&mut self, place: &Place) -> bool {
        let below: Vec<Place> = self.below(place).map(|(place, _)| place.clone()).collect();
        let mut is_flying = false;
        for place in below {
            let Some(entry) = self.entries.get(&place) else {
                continue;
            };
            let queue = entry.place;
            if queue == Queue::Flying {
                is_flying = true;
                continue;
            }
            self.unqueue(queue);
            if let Some(entry) = self.entries.remove(&place) {
                self.bytes -= entry.bytes;
            }
        }
        is_flying
    }

    fn below<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = (&'a Place, &'a Entry)> {
        let from = (Bound::Included(place.clone()), Bound::Unbounded);
        let entries = self.entries.range(from);
        // Names that begin alike stand between a folder and what is in it.
        entries
            .take_while(move |(other, _)| other.begins_like(place))
            .filter(move |(other, _)| other.is_in(place))
    }

    /// How many files, how many bytes, and since when the oldest file waits that never changes.
    pub(super) fn sums(&self) -> (usize, u64, Option<Instant>) {
        let oldest = self
            .media
            .values()
            .filter_map(|place| self.entries.get(place));
        let oldest = oldest.map(|entry| entry.since).next();
        (self.entries.len(), self.bytes, oldest)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn segment(number: u8) -> Place {
        Place::of(["demo", "k3x9", "video", &format!("{number}.m4s")])
    }

    fn index() -> Place {
        Place::of(["demo", "k3x9", "index", "0.json"])
    }

    #[tokio::test]
    async fn media_goes_in_order_and_what_is_written_anew_goes_once_in_a_while() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        ledger.owe(now, segment(2), 10, false);
        ledger.owe(now, index(), 3, false);
        ledger.owe(now, segment(1), 10, false);
        ledger.owe(now, index(), 4, false);
        assert_eq!(ledger.sums(), (3, 24, Some(now)));
        assert_eq!(ledger.next(now).unwrap().place, segment(2));
        assert_eq!(ledger.next(now).unwrap().place, segment(1));
        assert_eq!(ledger.next(now), None, "the index may change in a moment");
        assert_eq!(ledger.due(), Some(now + SETTLE));
        let later = now + SETTLE;
        assert_eq!(ledger.next(later).unwrap().place, index());
        // It is written anew while it is under way.
        ledger.owe(later, index(), 5, false);
        assert_eq!(ledger.done(later, &index()), Settled::Stays);
        assert_eq!(ledger.next(later), None);
        assert_eq!(ledger.next(later + SETTLE).unwrap().bytes, 5);
        assert_eq!(ledger.done(later, &index()), Settled::Stays);
        // What fails comes again behind the others.
        ledger.owe(later, segment(3), 10, false);
        ledger.failed(later, &segment(2));
        assert_eq!(ledger.next(later).unwrap().place, segment(3));
        assert_eq!(ledger.next(later).unwrap().place, segment(2));
    }

    #[tokio::test]
    async fn a_file_leaves_the_folder_when_it_is_in_the_bucket_and_not_wanted_there() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        ledger.owe(now, segment(1), 10, false);
        assert_eq!(ledger.release(now, &segment(1)), Settled::Stays);
        let task = ledger.next(now).unwrap();
        assert_eq!(ledger.done(now, &task.place), Settled::Leaves);
        assert_eq!(ledger.release(now, &segment(1)), Settled::Leaves);
        // Nobody waits for what will not change any more.
        ledger.owe(now, index(), 3, false);
        ledger.release(now, &index());
        assert_eq!(ledger.next(now).unwrap().place, index());
        ledger.owe(now, index(), 4, false);
        assert_eq!(
            ledger.done(now, &index()),
            Settled::Stays,
            "it has changed all the same"
        );
        ledger.release(now, &index());
        assert_eq!(ledger.next(now).unwrap().bytes, 4);
        assert_eq!(ledger.done(now, &index()), Settled::Leaves);
        assert_eq!(ledger.sums(), (0, 0, None));
    }

    #[tokio::test]
    async fn a_folder_is_forgotten_and_its_neighbours_are_not() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        let others =
            ["k3x9.x", "k3x9-x", "k3x", "k3x99"].map(|name| Place::of(["demo", name, "1.m4s"]));
        for place in others.iter().chain([&segment(1), &segment(2)]) {
            ledger.owe(now, place.clone(), 1, false);
        }
        assert!(!ledger.forget(&Place::of(["demo", "k3x9"])));
        assert_eq!(ledger.sums().0, others.len());
        assert!(
            others
                .iter()
                .all(|place| ledger.entries.contains_key(place))
        );
        let task = ledger.next(now).unwrap();
        assert!(ledger.forget(&task.place), "it is under way");
        ledger.done(now, &task.place);
        assert!(!ledger.forget(&task.place));
    }

    #[derive(Debug, Clone)]
    enum Act {
        Write(u8, u64),
        Start,
        End(bool),
        Release(u8),
        Forget(u8),
        Hurry,
        Pass,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            (0..6_u8, 0..100_u64).prop_map(|(file, bytes)| Act::Write(file, bytes)),
            Just(Act::Start),
            any::<bool>().prop_map(Act::End),
            (0..6_u8).prop_map(Act::Release),
            (0..6_u8).prop_map(Act::Forget),
            Just(Act::Hurry),
            Just(Act::Pass),
        ];
        prop::collection::vec(act, 0..60)
    }

    fn file(number: u8) -> Place {
        if number < 3 {
            segment(number)
        } else {
            Place::of(["demo", "k3x9", "index", &format!("{number}.json")])
        }
    }

    proptest! {
        /// Nothing that was written last is ever missing in the bucket when nothing is owed, and none leaves before.
        #[test]
        fn what_is_owed_is_what_the_bucket_lacks(acts in acts()) {
            let mut now = Instant::now();
            let mut ledger = Ledger::default();
            // Versions in the folder and in the bucket.
            let mut near: BTreeMap<Place, u64> = BTreeMap::new();
            let mut far: BTreeMap<Place, u64> = BTreeMap::new();
            let mut flying: Vec<(Place, u64)> = Vec::new();
            let mut version = 0;
            for act in acts {
                match act {
                    Act::Write(number, bytes) => {
                        version += 1;
                        near.insert(file(number), version);
                        ledger.owe(now, file(number), bytes, false);
                    }
                    Act::Start => if let Some(task) = ledger.next(now) {
                        flying.push((task.place.clone(), near[&task.place]));
                    },
                    Act::End(worked) => if let Some((place, read)) = flying.pop() {
                        if worked {
                            far.insert(place.clone(), read);
                            if ledger.done(now, &place) == Settled::Leaves {
                                prop_assert_eq!(near.remove(&place), Some(read));
                            }
                        } else {
                            ledger.failed(now, &place);
                        }
                    },
                    Act::Release(number) => if ledger.release(now, &file(number)) == Settled::Leaves
                        && let Some(version) = near.remove(&file(number)) {
                        prop_assert_eq!(far.get(&file(number)), Some(&version));
                    },
                    Act::Forget(number) => if !ledger.forget(&file(number)) {
                        near.remove(&file(number));
                        far.remove(&file(number));
                    },
                    Act::Hurry => {
                        ledger.hurry(now);
                        prop_assert!(!ledger.hurry(now));
                        prop_assert!(ledger.due().is_none_or(|at| at <= now));
                    }
                    Act::Pass => now += SETTLE,
                }
                let lacks: BTreeSet<_> = near.iter().filter(|(place, version)| far.get(place) != Some(version)).map(|(place, _)| place.clone()).collect();
                let owed: BTreeSet<_> = ledger.entries.keys().cloned().collect();
                prop_assert!(lacks.is_subset(&owed), "{:?} of {:?}", owed, lacks);
                let bytes: u64 = ledger.entries.values().map(|entry| entry.bytes).sum();
                prop_assert_eq!(ledger.sums().1, bytes);
                let queued = ledger.media.len() + ledger.notes.len();
                let waiting = ledger.entries.values().filter(|entry| entry.place != Queue::Flying).count();
                prop_assert_eq!(queued, waiting);
            }
        }
    }
}
