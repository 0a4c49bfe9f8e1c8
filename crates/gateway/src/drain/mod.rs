//! Moving the fans to other nodes before this one ends.
//!
//! 1. The door closes: whoever still comes is answered 503 with a time to come again.
//! 2. Every reactor gets the [`Drain`] and makes a [`plan`] of its fans: a share of each reactor's fans a second is the
//!    same share of the node's.
//! 3. A fan whose turn it is gets what is unsent of the rooms, the answers that are still due, and a close frame with
//!    code 3001 and a return slot; until then they are served like anybody (`reactor::leaving`).
//! 4. The [`Board`] shows how far it has come. The drain is over when everybody was told, or its time is; then
//!    [`Gateway::shutdown`](crate::Gateway::shutdown) waits for the sockets to end.

use std::{
    collections::VecDeque,
    fmt,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time};

use self::plan::{Pace, Plan};
use crate::{limits, reactor::key::ConnectionKey};

pub(crate) mod plan;

/// How the fans are to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// How many of those connected at the beginning go in a second, 1 to 100 of a hundred.
    pub percent_per_second: u32,
    /// At least so many in a second, so that few fans do not take as long as many.
    pub least_per_second: u32,
    /// The time that all of it may take; where the pace does not make it, the pace is raised.
    pub within: Duration,
    /// How long one fan's turn may take, where a socket is full or an answer is due.
    pub turn_max: Duration,
}

impl Drain {
    /// A paced one: everybody has the time they need, as long as there is any.
    #[must_use]
    pub fn paced(percent_per_second: u32, within: Duration) -> Self {
        Self {
            percent_per_second,
            least_per_second: limits::MOVES_PER_SECOND_MIN,
            within,
            turn_max: limits::MOVE_TURN_MAX.min(within / 2),
        }
    }

    /// A quick one, for somebody who waits at a terminal: at once for a few fans, in a second for any number.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            percent_per_second: 100,
            least_per_second: limits::QUICK_MOVES_PER_SECOND,
            within: limits::QUICK_DRAIN * 2,
            turn_max: limits::QUICK_DRAIN / 2,
        }
    }

    /// How many percent go in a second when all are to be told in time: as asked, or more.
    #[must_use]
    pub fn percent_in_force(&self) -> u32 {
        let told_within = self.told_within().as_millis().max(1);
        let needed = 100_000_u128.div_ceil(told_within);
        u32::try_from(needed)
            .unwrap_or(u32::MAX)
            .max(self.percent_per_second)
    }

    /// The last one to be told still has their turn.
    fn told_within(&self) -> Duration {
        self.within.saturating_sub(self.turn_max)
    }
}

/// The order to move the fans of one reactor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pace: Pace,
    told_by: Instant,
    pub(crate) turn_max: Duration,
}

impl Order {
    /// A reactor's part of a drain that begins now, where there are so many reactors and one fan returns in each `gap`.
    pub(crate) fn of(drain: &Drain, reactors: usize, gap: Duration, now: Instant) -> Self {
        let reactors = u32::try_from(reactors.max(1)).unwrap_or(u32::MAX);
        Self {
            pace: Pace {
                percent_per_second: drain.percent_per_second,
                least_millis_per_second: drain.least_per_second.saturating_mul(1000) / reactors,
                return_gap: gap * reactors,
            },
            told_by: now + drain.told_within(),
            turn_max: drain.turn_max,
        }
    }

    /// Everybody goes now, and nobody is waited for.
    pub(crate) fn at_once(reactors: usize, gap: Duration, now: Instant) -> Self {
        let now_and_here = Drain {
            within: Duration::ZERO,
            turn_max: Duration::ZERO,
            ..Drain::quick()
        };
        Self::of(&now_and_here, reactors, gap, now)
    }

    /// The plan for these fans.
    pub(crate) fn plan(&self, who: VecDeque<ConnectionKey>, now: Instant) -> Plan<ConnectionKey> {
        Plan::new(who, self.pace, now, self.told_by)
    }
}

/// How far a drain has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Fans connected when it began.
    pub fans: usize,
    /// Fans who were told to go, and how to come back.
    pub moved: usize,
}

impl Progress {
    /// It in words, when it has taken so long.
    fn told(self, elapsed: Duration) -> String {
        let Self { fans, moved } = self;
        let left = fans.saturating_sub(moved);
        let seconds = elapsed.as_secs() * left as u64 / (moved as u64).max(1);
        let (moved, fans) = (Grouped(moved), Grouped(fans));
        format!("drained {moved} of {fans}, {seconds} s left")
    }
}

/// A number as people read it: 17,000.
struct Grouped(usize);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            small @ 0..1000 => write!(f, "{small}"),
            large => write!(f, "{},{:03}", Self(large / 1000), large % 1000),
        }
    }
}

/// Where the reactors write how far they are, and others read it; see the module.
#[derive(Debug, Default)]
pub(crate) struct Board {
    draining: AtomicBool,
    fans: AtomicUsize,
    moved: AtomicUsize,
    reactors_left: AtomicUsize,
    over: Notify,
}

impl Board {
    /// A drain begins with so many reactors; whether it is the first.
    pub(crate) fn begin(&self, reactors: usize) -> bool {
        let is_first = !self.draining.swap(true, Ordering::AcqRel);
        if is_first {
            self.reactors_left.store(reactors, Ordering::Release);
        }
        is_first
    }

    /// Whether fans are, or were, being moved.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// A reactor had so many fans when it began.
    pub(crate) fn count_in(&self, fans: usize) {
        self.fans.fetch_add(fans, Ordering::AcqRel);
    }

    /// So many fans were told to go.
    pub(crate) fn count_moved(&self, fans: usize) {
        self.moved.fetch_add(fans, Ordering::AcqRel);
    }

    /// A reactor has told everybody.
    pub(crate) fn reactor_is_done(&self) {
        if self.reactors_left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.over.notify_one();
        }
    }

    /// Returns when every reactor has told everybody, or at that time; says now and then how far it is.
    pub(crate) async fn follow(&self, by: Instant) -> Progress {
        let began = time::Instant::now();
        let mut tick = time::interval_at(began + limits::DRAIN_PROGRESS, limits::DRAIN_PROGRESS);
        let end = time::sleep_until(by.into());
        let mut end = pin!(end);
        loop {
            tokio::select! {
                () = self.over() => break,
                () = end.as_mut() => break,
                _ = tick.tick() => tracing::info!("{}", self.progress().told(began.elapsed())),
            }
        }
        self.progress()
    }

    async fn over(&self) {
        while self.reactors_left.load(Ordering::Acquire) > 0 {
            self.over.notified().await;
        }
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            fans: self.fans.load(Ordering::Acquire),
            moved: self.moved.load(Ordering::Acquire),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_time_raises_the_pace_and_a_long_one_does_not() {
        let second = Duration::from_secs(1);
        assert_eq!(Drain::paced(2, second * 165).percent_in_force(), 2);
        assert_eq!(Drain::paced(2, second * 20).percent_in_force(), 10);
        assert_eq!(Drain::paced(50, second * 20).percent_in_force(), 50);
        assert_eq!(Drain::quick().percent_in_force(), 100);
    }

    #[test]
    fn progress_is_told_as_people_read_it() {
        let progress = |moved, fans| Progress { fans, moved };
        let told = progress(1_240, 17_000).told(Duration::from_secs(4));
        assert_eq!(told, "drained 1,240 of 17,000, 50 s left");
        let told = progress(0, 1_000_000).told(Duration::ZERO);
        assert_eq!(told, "drained 0 of 1,000,000, 0 s left");
    }

    #[tokio::test]
    async fn a_drain_is_over_when_the_last_reactor_is_done() {
        let board = Board::default();
        assert!(board.begin(2) && !board.begin(2) && board.is_draining());
        board.count_in(3);
        let far = Instant::now() + Duration::from_secs(600);
        let reactors = async {
            board.count_moved(3);
            board.reactor_is_done();
            board.reactor_is_done();
        };
        let (progress, ()) = tokio::join!(board.follow(far), reactors);
        assert_eq!(progress, Progress { fans: 3, moved: 3 });
    }
}
