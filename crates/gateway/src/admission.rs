//! How many sockets the node holds, and whether it takes more, now.
//!
//! Two bounds: the sockets held, and the upgrades per second, so that fans who all come back at once are spread over
//! some seconds instead of making everybody wait. That rate is [`measured`]: while those who are there wait for their
//! messages, fewer are let in. A place is taken before the upgrade is answered and given back when the
//! socket is gone, whichever side lost it: the HTTP side holds the place as a [`Place`] until the reactor has the socket.
//!
//! Whoever is refused is given a time to come again, one behind the other as fast as the rate lets them in: so that
//! fifty thousand who knock at once come back over the seconds that they need, and not all in the next one.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use self::measured::Measured;
use crate::limits;

mod measured;

/// The node's counter of sockets, shared by the HTTP side and the reactors.
#[derive(Debug)]
pub(crate) struct Admission {
    open: AtomicUsize,
    open_max: usize,
    pace: Option<Mutex<Pace>>,
    slots: Mutex<Slots>,
    /// The longest that a message has waited for the last of its fans since the rate was looked at, microseconds.
    longest_wait: AtomicU64,
    closed: AtomicBool,
    alive: AtomicBool,
}

/// One socket's place; dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Option<Arc<Admission>>,
}

/// Upgrades that may still be answered: a bucket that holds two seconds' worth and fills with time.
#[derive(Debug)]
struct Pace {
    /// From now on, if nobody came any more, the bucket would be full at this time.
    full_at: Instant,
    each: Duration,
    burst: Duration,
    measured: Measured,
}

impl Pace {
    fn new(per_second: u32, now: Instant) -> Self {
        Self {
            full_at: now,
            each: Duration::from_secs(1) / per_second.max(1),
            burst: Duration::from_secs(2),
            measured: Measured::new(per_second, now),
        }
    }

    /// Finds the rate anew when it is time to; whether it did.
    fn measure(&mut self, now: Instant, longest_wait: &AtomicU64) -> bool {
        let due = self.measured.is_due(now);
        if due {
            let longest = Duration::from_micros(longest_wait.swap(0, Ordering::Relaxed));
            self.each = Duration::from_secs(1) / self.measured.look(now, longest);
        }
        due
    }

    /// Takes one, or says when there will be one.
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + self.each;
        let missing = full_at.duration_since(now);
        if missing > self.burst {
            return Err(missing - self.burst);
        }
        self.full_at = full_at;
        Ok(())
    }
}

/// When those who were refused may come again, in the order in which they were refused.
#[derive(Debug)]
struct Slots {
    /// The next slot, if its time is not too near or too far.
    next: Instant,
    each: Duration,
}

impl Slots {
    fn new(per_second: u32, now: Instant) -> Self {
        let per_second = match per_second {
            0 => limits::UPGRADES_PER_SECOND,
            limited => limited,
        };
        Self {
            next: now,
            each: Duration::from_secs(1) / per_second,
        }
    }

    /// The next slot: how long from now.
    fn hand_out(&mut self, now: Instant) -> Duration {
        let earliest = now + limits::RETRY_AFTER_MIN;
        let latest = now + limits::RETRY_AFTER_MAX;
        let slot = match self.next.max(earliest) {
            // Most of those who wait so long have knocked several times, and have several slots.
            late if late > latest => earliest,
            slot => slot,
        };
        self.next = slot + self.each;
        slot - now
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The node holds all it may.
    Full,
    /// More come in this second than it takes.
    Hurry,
    /// The node is stopping, or a reactor is gone.
    Stopping,
}

impl Admission {
    /// No socket yet, at most `open_max` later, and `per_second` new ones in the long run, 0 for any number.
    pub(crate) fn new(open_max: usize, per_second: u32) -> Arc<Self> {
        let now = Instant::now();
        let pace = (per_second > 0).then(|| Mutex::new(Pace::new(per_second, now)));
        Arc::new(Self {
            open: AtomicUsize::new(0),
            open_max,
            pace,
            slots: Mutex::new(Slots::new(per_second, now)),
            longest_wait: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            alive: AtomicBool::new(true),
        })
    }

    /// Waits for nobody: takes one upgrade's worth of the rate, or says how long until there is one.
    pub(crate) fn pace(&self, now: Instant) -> Result<(), Duration> {
        match &self.pace {
            // A poisoned lock guards two numbers that are right in any state.
            Some(pace) => {
                let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
                if pace.measure(now, &self.longest_wait) {
                    self.slots().each = pace.each;
                }
                pace.take(now)
            }
            None => Ok(()),
        }
    }

    /// A message has reached the last of its fans so long after it came.
    pub(crate) fn observe(&self, wait: Duration) {
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        self.longest_wait.fetch_max(micros, Ordering::Relaxed);
    }

    /// Newcomers per second that are let in now, 0 for any number.
    pub(crate) fn rate(&self) -> u32 {
        let pace = self.pace.as_ref().map(|pace| {
            let pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.measured.rate()
        });
        pace.unwrap_or(0)
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // A poisoned lock guards a time that is right in any state.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place if the rate allows it, or says why not.
    pub(crate) fn take(self: &Arc<Self>, now: Instant) -> Result<Place, NoPlace> {
        let place = self.take_unpaced()?;
        self.pace(now).map_err(|_| NoPlace::Hurry)?;
        Ok(place)
    }

    /// Takes a place for somebody whom the rate has let in, or says why not.
    pub(crate) fn take_unpaced(self: &Arc<Self>) -> Result<Place, NoPlace> {
        if self.closed.load(Ordering::Acquire) || !self.is_alive() {
            return Err(NoPlace::Stopping);
        }
        let taken = self
            .open
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| {
                (open < self.open_max).then_some(open + 1)
            });
        match taken {
            Ok(_) => Ok(Place {
                admission: Some(Arc::clone(self)),
            }),
            Err(_) => Err(NoPlace::Full),
        }
    }

    /// A time to come again for somebody who was refused, in whole seconds.
    pub(crate) fn retry_after_seconds(&self, now: Instant) -> u32 {
        u32::try_from(self.slots().hand_out(now).as_secs()).unwrap_or(u32::MAX)
    }

    /// Gives back a place that the reactor held.
    pub(crate) fn release(&self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }

    /// Sockets held now, upgrades under way included.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// No new places from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether all reactors run.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// A reactor has ended, by order or by a panic.
    pub(crate) fn reactor_ended(&self) {
        self.alive.store(false, Ordering::Release);
    }
}

impl Place {
    /// The reactor has the socket now and will [`Admission::release`] the place itself: the record of a connection
    /// then need not carry a pointer for it.
    pub(crate) fn hand_over(mut self) {
        self.admission = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            admission.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn places_are_bounded_and_come_back() {
        let admission = Admission::new(2, 0);
        let first = admission.take(now()).unwrap();
        let second = admission.take(now()).unwrap();
        assert_eq!(admission.take(now()).unwrap_err(), NoPlace::Full);
        drop(first);
        assert_eq!(admission.open(), 1);
        second.hand_over();
        assert_eq!(admission.open(), 1, "the reactor holds it");
        admission.release();
        assert_eq!(admission.open(), 0);
    }

    #[test]
    fn a_storm_is_spread_over_time() {
        let start = Instant::now();
        let mut pace = Pace::new(10, start);
        let admitted = |pace: &mut Pace, now| (0..100).filter(|_| pace.take(now).is_ok()).count();
        assert_eq!(admitted(&mut pace, start), 20, "two seconds' worth at once");
        let wait = pace.take(start).unwrap_err();
        assert!(pace.take(start + wait).is_ok());
        assert!(pace.take(start + wait).is_err());
        assert_eq!(
            admitted(&mut pace, start + Duration::from_secs(1)),
            9,
            "then so many a second"
        );
        assert_eq!(
            admitted(&mut pace, start + Duration::from_secs(3_600)),
            20,
            "a long rest earns one burst"
        );
        let admission = Admission::new(100, 1);
        let arrival = now();
        let held: Vec<_> = (0..10).map(|_| admission.take(arrival)).collect();
        assert_eq!(held.iter().filter(|place| place.is_ok()).count(), 2);
        assert_eq!(admission.open(), 2, "who is sent away holds no place");
    }

    #[test]
    fn those_who_are_refused_come_back_one_behind_the_other() {
        let start = now();
        let admission = Admission::new(100_000, 10_000);
        let mut back = std::collections::BTreeMap::new();
        for _ in 0..50_000 {
            *back
                .entry(admission.retry_after_seconds(start))
                .or_insert(0) += 1;
        }
        let seconds: Vec<u32> = back.keys().copied().collect();
        assert_eq!(seconds, [2, 3, 4, 5, 6], "{back:?}");
        assert!(
            back.values().all(|fans| *fans <= 10_000),
            "never more than the rate takes: {back:?}"
        );
        let later = start + Duration::from_secs(60);
        assert_eq!(
            admission.retry_after_seconds(later),
            2,
            "when the queue is over it is over"
        );
    }

    #[test]
    fn nobody_waits_longer_than_the_longest_wait() {
        let start = now();
        let admission = Admission::new(100, 1);
        let waits: Vec<u32> = (0..200)
            .map(|_| admission.retry_after_seconds(start))
            .collect();
        let longest = u32::try_from(limits::RETRY_AFTER_MAX.as_secs()).unwrap();
        assert_eq!(waits.iter().max(), Some(&longest));
        let each = |wait| waits.iter().filter(|w| **w == wait).count();
        assert!(
            (2..=longest).all(|wait| (3..=4).contains(&each(wait))),
            "{waits:?}"
        );
        assert_eq!(
            Admission::new(100, 0).retry_after_seconds(start + Duration::from_secs(1)),
            2
        );
    }

    #[test]
    fn while_fans_wait_for_their_messages_fewer_are_let_in() {
        let admission = Admission::new(100_000, 1_000);
        let start = now();
        let admitted = |now| (0..10_000).filter(|_| admission.pace(now).is_ok()).count();
        assert_eq!(admitted(start), 2_000);
        let slow = limits::NEWCOMERS_FELT + Duration::from_millis(1);
        let mut later = start;
        let mut let_in = Vec::new();
        for _ in 0..8 {
            admission.observe(slow);
            later += limits::NEWCOMERS_WINDOW;
            let_in.push(admitted(later));
        }
        assert_eq!(admission.rate(), 100);
        assert!(
            let_in
                .iter()
                .rev()
                .take(3)
                .all(|fans| (20..=30).contains(fans)),
            "{let_in:?}"
        );
        let slots: Vec<u32> = (0..400)
            .map(|_| admission.retry_after_seconds(later))
            .collect();
        assert_eq!(
            slots.last(),
            Some(&5),
            "those who are sent away are told of the slower rate"
        );
        for _ in 0..8 {
            later += limits::NEWCOMERS_WINDOW;
            admission.pace(later).ok();
        }
        assert_eq!(
            admission.rate(),
            1_000,
            "and all is as before when nobody waits"
        );
    }

    #[test]
    fn a_stopping_node_takes_nobody() {
        let admission = Admission::new(2, 0);
        admission.close();
        assert_eq!(admission.take(now()).unwrap_err(), NoPlace::Stopping);
        let admission = Admission::new(2, 0);
        admission.reactor_ended();
        assert_eq!(admission.take(now()).unwrap_err(), NoPlace::Stopping);
    }
}
