//! How the players of one channel have fared in the last minutes, out of what they tell. Pure: the time is an argument.
//!
//! Slots of five seconds hold sums and counts, and never a beacon. A session is known for half a minute, to count it once and to take
//! none of its beacons twice; when it is over, nothing of it is left. All of a window is bounded: [`SLOTS`] slots of some 300 bytes, and
//! as many sessions of 32 bytes as may report.

use std::collections::{HashMap, VecDeque};

use fanwave_wire::{
    UnixMillis,
    beacon::{Beacon, Session},
};

use super::histogram::Histogram;
use crate::limits::{
    QUALITY_QUIET, QUALITY_RUNGS, QUALITY_SLOT, QUALITY_SLOTS, QUALITY_TRAIL_SLOTS,
};

const SLOT_MS: u64 = QUALITY_SLOT.as_secs() * 1_000;
const QUIET_MS: u64 = QUALITY_QUIET.as_secs() * 1_000;

/// Slots that are kept: those that are told, and those that the first of them looks back on.
const SLOTS: usize = QUALITY_SLOTS + QUALITY_TRAIL_SLOTS;

/// What became of a beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It counts.
    Counted,
    /// It was counted before, or one that is newer was.
    Again,
    /// So many sessions report already that this new one is not taken.
    Enough,
}

/// What was told, summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sums {
    pub(super) beacons: u64,
    pub(super) played_ms: u64,
    pub(super) stalled_ms: u64,
    pub(super) stalls: u64,
    pub(super) switches: u64,
    pub(super) errors: u64,
    pub(super) startup: Histogram,
    pub(super) latency: Histogram,
    /// For how long each class of [`QUALITY_RUNGS`] was watched, milliseconds; the last is all that is larger.
    pub(super) rungs: [u64; QUALITY_RUNGS.len() + 1],
    /// Kilobits that were played, and in how many milliseconds, where the bitrate is known.
    kilobits: u64,
    rated_ms: u64,
}

impl Sums {
    fn take(&mut self, beacon: &Beacon) {
        let watched_ms = u64::from(beacon.played_ms) + u64::from(beacon.stalled_ms);
        self.beacons += 1;
        self.played_ms += u64::from(beacon.played_ms);
        self.stalled_ms += u64::from(beacon.stalled_ms);
        self.stalls += u64::from(beacon.stalls);
        self.switches += u64::from(beacon.switches);
        self.errors += u64::from(beacon.errors);
        if let Some(startup) = beacon.startup_ms {
            self.startup.count(startup);
        }
        if let Some(latency) = beacon.latency_ms {
            self.latency.count(latency);
        }
        if let Some(height) = beacon.height {
            let class = QUALITY_RUNGS.partition_point(|most| *most < height);
            self.rungs[class] += watched_ms;
        }
        if let Some(bitrate) = beacon.bitrate {
            self.kilobits += u64::from(bitrate) * u64::from(beacon.played_ms) / 1_000_000;
            self.rated_ms += u64::from(beacon.played_ms);
        }
    }

    fn add(&mut self, other: &Self) {
        self.beacons += other.beacons;
        self.played_ms += other.played_ms;
        self.stalled_ms += other.stalled_ms;
        self.stalls += other.stalls;
        self.switches += other.switches;
        self.errors += other.errors;
        self.startup.add(&other.startup);
        self.latency.add(&other.latency);
        for (sum, more) in self.rungs.iter_mut().zip(other.rungs) {
            *sum += more;
        }
        self.kilobits += other.kilobits;
        self.rated_ms += other.rated_ms;
    }

    /// Of the time in which a picture was wanted, the part in which it stood still, in ten-thousandths; `None` where none was.
    pub(super) fn stalled_share(&self) -> Option<u64> {
        share(self.stalled_ms, self.played_ms + self.stalled_ms)
    }

    /// For how much of the time each class was watched, in ten-thousandths; `None` where no height is known.
    pub(super) fn rung_share(&self, class: usize) -> Option<u64> {
        share(self.rungs[class], self.rungs.iter().sum())
    }

    /// Bits per second that were played on the average.
    pub(super) fn bitrate(&self) -> Option<u64> {
        self.kilobits
            .saturating_mul(1_000_000)
            .checked_div(self.rated_ms)
    }
}

/// A part of a whole in ten-thousandths, rounded.
fn share(part: u64, whole: u64) -> Option<u64> {
    (part * 10_000 + whole / 2).checked_div(whole)
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    sums: Sums,
    /// Sessions that were heard of in the half minute before its end, once that has come.
    viewers: usize,
}

/// How things stood at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    /// Until when it looks back.
    pub(super) at: UnixMillis,
    /// Sessions that were heard of in the half minute before.
    pub(super) viewers: usize,
    /// What was told in the half minute before.
    pub(super) sums: Sums,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    sequence: u32,
    at: u64,
}

/// The last minutes of one channel.
#[derive(Debug)]
pub(super) struct Window {
    /// Number of the newest slot, which is not over.
    newest: u64,
    /// The oldest first; never empty.
    slots: VecDeque<Slot>,
    sessions: HashMap<Session, Known>,
}

impl Window {
    /// Nothing was told yet.
    pub(super) fn new(now: UnixMillis) -> Self {
        Self {
            newest: now.0 / SLOT_MS,
            slots: VecDeque::from([Slot::default()]),
            sessions: HashMap::new(),
        }
    }

    /// Takes in a beacon, if there are not that many sessions that report.
    pub(super) fn handle(
        &mut self,
        now: UnixMillis,
        beacon: &Beacon,
        sessions_max: usize,
    ) -> Verdict {
        self.pass(now);
        let is_full = self.sessions.len() >= sessions_max;
        match self.sessions.get_mut(&beacon.session) {
            Some(known) if beacon.sequence <= known.sequence => return Verdict::Again,
            Some(known) => {
                known.sequence = beacon.sequence;
                known.at = now.0;
            }
            None if is_full => return Verdict::Enough,
            None => {
                let known = Known {
                    sequence: beacon.sequence,
                    at: now.0,
                };
                self.sessions.insert(beacon.session, known);
            }
        }
        if let Some(slot) = self.slots.back_mut() {
            slot.sums.take(beacon);
        }
        Verdict::Counted
    }

    /// Sessions that were heard of within the last half minute.
    pub(super) fn viewers(&mut self, now: UnixMillis) -> usize {
        self.pass(now);
        let heard = self.sessions.values();
        heard.filter(|known| known.at + QUIET_MS > now.0).count()
    }

    /// One point for each slot that is over, the oldest first. Each looks back on half a minute, so that viewers who tell something every
    /// twenty seconds leave no holes.
    pub(super) fn points(&mut self, now: UnixMillis) -> Vec<Point> {
        self.pass(now);
        let over = self.slots.len() - 1;
        let first = over.saturating_sub(QUALITY_SLOTS);
        let point = |last: usize| {
            let mut sums = Sums::default();
            let trail = last.saturating_sub(QUALITY_TRAIL_SLOTS - 1)..=last;
            for slot in self.slots.range(trail) {
                sums.add(&slot.sums);
            }
            Point {
                at: UnixMillis((self.newest - (over - 1 - last) as u64) * SLOT_MS),
                viewers: self.slots[last].viewers,
                sums,
            }
        };
        (first..over).map(point).collect()
    }

    /// All of the last minutes, up to now.
    pub(super) fn total(&mut self, now: UnixMillis) -> Sums {
        self.pass(now);
        let told = self.slots.len().saturating_sub(QUALITY_SLOTS + 1);
        let mut sums = Sums::default();
        for slot in self.slots.range(told..) {
            sums.add(&slot.sums);
        }
        sums
    }

    /// Ends the slots whose time is over, and forgets the sessions that were not heard of any more.
    fn pass(&mut self, now: UnixMillis) {
        let number = now.0 / SLOT_MS;
        if number.saturating_sub(self.newest) > SLOTS as u64 {
            *self = Self::new(now);
        }
        while self.newest < number {
            self.newest += 1;
            let end = self.newest * SLOT_MS;
            self.sessions.retain(|_, known| known.at + QUIET_MS > end);
            if let Some(slot) = self.slots.back_mut() {
                slot.viewers = self.sessions.len();
            }
            self.slots.push_back(Slot::default());
            if self.slots.len() > SLOTS + 1 {
                self.slots.pop_front();
            }
        }
        if self.sessions.is_empty() {
            // A show that is over leaves no room behind.
            self.sessions.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const START: u64 = 1_800_000_000_000;

    fn at(ms: u64) -> UnixMillis {
        UnixMillis(START + ms)
    }

    fn beacon(session: u128, sequence: u32) -> Beacon {
        Beacon {
            session: Session(session),
            sequence,
            startup_ms: None,
            played_ms: 9_000,
            stalls: 1,
            stalled_ms: 1_000,
            latency_ms: Some(3_100),
            height: Some(720),
            bitrate: Some(2_500_000),
            switches: 0,
            errors: 0,
        }
    }

    #[test]
    fn a_beacon_counts_once_and_an_old_one_never() {
        let mut window = Window::new(at(0));
        let hear =
            |window: &mut Window, ms, sequence| window.handle(at(ms), &beacon(1, sequence), 10);
        assert_eq!(hear(&mut window, 0, 2), Verdict::Counted);
        assert_eq!(hear(&mut window, 100, 2), Verdict::Again);
        assert_eq!(hear(&mut window, 200, 1), Verdict::Again);
        assert_eq!(hear(&mut window, 10_000, 3), Verdict::Counted);
        let total = window.total(at(10_000));
        assert_eq!(
            (total.beacons, total.stalls, total.stalled_ms),
            (2, 2, 2_000)
        );
        assert_eq!(total.stalled_share(), Some(1_000));
        assert_eq!(total.bitrate(), Some(2_500_000));
        assert_eq!(window.viewers(at(10_000)), 1);
        assert_eq!(
            window.viewers(at(40_000)),
            0,
            "not heard of for half a minute"
        );
    }

    #[test]
    fn no_more_sessions_are_taken_than_may_report_until_one_is_quiet() {
        let mut window = Window::new(at(0));
        let hear = |window: &mut Window, ms, session| window.handle(at(ms), &beacon(session, 1), 2);
        assert_eq!(hear(&mut window, 0, 1), Verdict::Counted);
        assert_eq!(hear(&mut window, 0, 2), Verdict::Counted);
        assert_eq!(hear(&mut window, 0, 3), Verdict::Enough);
        assert_eq!(
            window.handle(at(20_000), &beacon(1, 2), 2),
            Verdict::Counted
        );
        assert_eq!(hear(&mut window, 35_000, 3), Verdict::Counted);
        assert_eq!(window.viewers(at(35_000)), 2);
        assert_eq!(hear(&mut window, 35_000, 4), Verdict::Enough);
    }

    #[test]
    fn a_point_looks_back_on_half_a_minute_and_the_series_on_five() {
        let mut window = Window::new(at(0));
        let one = Beacon {
            startup_ms: Some(1_240),
            errors: 1,
            switches: 3,
            ..beacon(1, 1)
        };
        window.handle(at(0), &one, 10);
        assert!(window.points(at(4_999)).is_empty(), "no slot is over");
        let points = window.points(at(60_000));
        assert_eq!(points.len(), 12);
        assert_eq!((points[0].at, points[11].at), (at(5_000), at(60_000)));
        for (number, point) in points.iter().enumerate() {
            let is_in = number < QUALITY_TRAIL_SLOTS;
            assert_eq!(point.sums.beacons, u64::from(is_in), "{number}");
            assert_eq!(point.sums.stalled_share().is_some(), is_in, "{number}");
            // At the end of the sixth slot it was heard of exactly half a minute ago.
            assert_eq!(
                point.viewers,
                usize::from(number < QUALITY_TRAIL_SLOTS - 1),
                "{number}"
            );
        }
        let total = window.total(at(300_000));
        assert_eq!(
            (total.startup.quantile(50), total.errors, total.switches),
            (Some(1_250), 1, 3)
        );
        assert_eq!(
            window.total(at(305_000)).beacons,
            0,
            "more than five minutes ago"
        );
        assert_eq!(window.points(at(400_000)).len(), QUALITY_SLOTS);
        assert!(
            window.points(at(86_400_000)).is_empty(),
            "a day later it begins anew"
        );
    }

    #[test]
    fn the_time_of_a_quality_is_that_of_its_class() {
        let mut window = Window::new(at(0));
        for (session, height) in [
            (1, Some(432)),
            (2, Some(480)),
            (3, Some(720)),
            (4, None),
            (5, Some(8_640)),
        ] {
            let told = Beacon {
                height,
                ..beacon(session, 1)
            };
            window.handle(at(0), &told, 10);
        }
        let total = window.total(at(0));
        let class = |most: u32| QUALITY_RUNGS.partition_point(|known| *known < most);
        assert_eq!(total.rung_share(class(480)), Some(5_000));
        assert_eq!(total.rung_share(class(720)), Some(2_500));
        assert_eq!(total.rung_share(class(1_080)), Some(0));
        assert_eq!(total.rung_share(QUALITY_RUNGS.len()), Some(2_500));
    }

    #[derive(Debug, Clone)]
    struct Told {
        after_ms: u64,
        session: u128,
        sequence: u32,
    }

    fn told() -> impl Strategy<Value = Told> {
        (0..40_000_u64, 0..6_u128, 1..5_u32).prop_map(|(after_ms, session, sequence)| Told {
            after_ms,
            session,
            sequence,
        })
    }

    proptest! {
        /// Against a model that keeps every beacon for ever.
        #[test]
        fn sums_are_those_of_the_beacons_that_counted(all in proptest::collection::vec(told(), 1..60)) {
            let mut window = Window::new(at(0));
            let (mut now, mut counted) = (0, Vec::new());
            let mut last: BTreeMap<u128, (u32, u64)> = BTreeMap::new();
            for one in all {
                now += one.after_ms;
                let end = now / SLOT_MS * SLOT_MS;
                last.retain(|_, (_, at)| *at + QUIET_MS > end);
                let is_old = last.get(&one.session).is_some_and(|(sequence, _)| one.sequence <= *sequence);
                let is_full = last.len() >= 4 && !last.contains_key(&one.session);
                let verdict = window.handle(at(now), &beacon(one.session, one.sequence), 4);
                let expected = if is_old {
                    Verdict::Again
                } else if is_full {
                    Verdict::Enough
                } else {
                    last.insert(one.session, (one.sequence, now));
                    counted.push(now);
                    Verdict::Counted
                };
                prop_assert_eq!(verdict, expected);
                let first = (now / SLOT_MS).saturating_sub(QUALITY_SLOTS as u64) * SLOT_MS;
                let recent = counted.iter().filter(|at| **at >= first).count() as u64;
                let total = window.total(at(now));
                prop_assert_eq!((total.beacons, total.played_ms), (recent, recent * 9_000));
                prop_assert!(window.slots.len() <= SLOTS + 1 && window.sessions.len() <= 4);
                let points = window.points(at(now));
                prop_assert!(points.len() <= QUALITY_SLOTS);
                for point in &points {
                    let until = point.at.0 - START;
                    let from = until.saturating_sub(SLOT_MS * QUALITY_TRAIL_SLOTS as u64);
                    let within = counted.iter().filter(|at| (from..until).contains(*at)).count() as u64;
                    prop_assert_eq!(point.sums.beacons, within);
                    prop_assert!(point.viewers <= 4);
                }
            }
        }
    }
}
