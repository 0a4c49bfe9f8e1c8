//! Who goes when: a machine without sockets or a clock of its own.
//!
//! 1. [`Plan::new`] is told everybody, a [`Pace`] and the time by which all must have gone.
//! 2. [`Plan::handle`] is told the time, and who still came.
//! 3. [`Plan::poll_output`] says who goes now, each with the time of their return; [`Plan::poll_timeout`] says when to
//!    ask again.
//!
//! People go in steps of [`STEP`]. A step moves what the pace allows in that time and carries the fraction over, so that
//! no second sees more than the pace; a late step is not made up for, because those who went late come back late too.
//! Only the deadline may raise the pace: what does not fit the steps that are left is spread evenly over them.
//!
//! Times of return lie evenly in the step, and never closer together than the door behind which everybody comes back
//! takes them in: so a node that is told to go at once does not send everybody to another one at once.
//!
//! It is here and not in a crate of its own, because nobody else has fans to move; it is one machine per reactor,
//! because a share of each reactor's fans is the same share of the node's, and nothing has to be agreed between threads.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Time between two batches of those who go: short enough that nobody sees a lump, long enough to wake a reactor for.
pub(crate) const STEP: Duration = Duration::from_millis(100);

/// Parts that a person is counted in, so that a pace of less than one in a step adds up.
const WHOLE: u64 = 1_000_000;

/// How fast people go, and how fast they may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Of those who were there at the beginning, in a second.
    pub(crate) percent_per_second: u32,
    /// At least so many thousandths of a person in a second, however few they are.
    pub(crate) least_millis_per_second: u32,
    /// Shortest time between two returns.
    pub(crate) return_gap: Duration,
}

impl Pace {
    /// Parts of a person per step, of so many people.
    fn per_step(&self, people: usize) -> u64 {
        let people = u64::try_from(people).unwrap_or(u64::MAX);
        let steps_per_second = 1000 / STEP_MILLIS;
        let share = people
            .saturating_mul(u64::from(self.percent_per_second))
            .saturating_mul(WHOLE / 100);
        let least = u64::from(self.least_millis_per_second) * (WHOLE / 1000);
        share.max(least) / steps_per_second
    }
}

const STEP_MILLIS: u64 = 100;

const _: () = assert!(
    STEP.as_millis() == STEP_MILLIS as u128 && 1000 % STEP_MILLIS == 0,
    "a second is whole steps"
);

/// What a plan is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input<K> {
    /// Time has passed.
    Wake,
    /// Somebody came in spite of all, and goes behind everybody else.
    Came(K),
}

/// Somebody goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move<K> {
    /// Who.
    pub(crate) who: K,
    /// When they should come back.
    pub(crate) return_at: Instant,
}

/// The plan; see the module.
#[derive(Debug)]
pub(crate) struct Plan<K> {
    waiting: VecDeque<K>,
    going: VecDeque<Move<K>>,
    /// Parts of a person who go in a step.
    per_step: u64,
    /// Parts that the steps before have left over, less than [`WHOLE`].
    left_over: u64,
    next_step: Instant,
    deadline: Instant,
    return_gap: Duration,
    /// Nobody else comes back before this time.
    next_return: Instant,
}

impl<K> Plan<K> {
    /// Everybody is to go from now on at this pace, and by the deadline whatever the pace.
    pub(crate) fn new(who: VecDeque<K>, pace: Pace, now: Instant, deadline: Instant) -> Self {
        Self {
            per_step: pace.per_step(who.len()),
            waiting: who,
            going: VecDeque::new(),
            // The first goes at once, also where the pace is one in a minute.
            left_over: WHOLE - 1,
            next_step: now,
            deadline,
            return_gap: pace.return_gap,
            next_return: now,
        }
    }

    /// How many have not been told to go.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len() + self.going.len()
    }

    /// Takes an input.
    pub(crate) fn handle(&mut self, now: Instant, input: Input<K>) {
        match input {
            Input::Wake => {}
            Input::Came(who) => self.waiting.push_back(who),
        }
        if now >= self.next_step && !self.waiting.is_empty() {
            self.step(now);
        }
    }

    /// Who goes now, in order; `None` when nobody else does before [`Self::poll_timeout`].
    pub(crate) fn poll_output(&mut self) -> Option<Move<K>> {
        self.going.pop_front()
    }

    /// When the next people go.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.next_step)
    }

    fn step(&mut self, now: Instant) {
        let waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        let needed = waiting.saturating_mul(WHOLE).div_ceil(self.steps_left(now));
        self.per_step = self.per_step.max(needed);
        let parts = self.left_over.saturating_add(self.per_step);
        let count = (parts / WHOLE).min(waiting);
        self.left_over = parts % WHOLE;
        let gap = match u32::try_from(count) {
            Ok(0) => self.return_gap,
            Ok(count) => (STEP / count).max(self.return_gap),
            Err(_) => self.return_gap,
        };
        for _ in 0..count {
            let Some(who) = self.waiting.pop_front() else {
                break;
            };
            let return_at = self.next_return.max(now);
            self.next_return = return_at + gap;
            self.going.push_back(Move { who, return_at });
        }
        // From now and not from when it was due: what a late step has missed is not caught up with.
        self.next_step = now + STEP;
    }

    /// Steps until the deadline, the one that is made now included: it is the last one when no other fits.
    fn steps_left(&self, now: Instant) -> u64 {
        let left = self.deadline.saturating_duration_since(now).as_millis();
        u64::try_from(left).unwrap_or(u64::MAX) / STEP_MILLIS + 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(percent_per_second: u32) -> Pace {
        Pace {
            percent_per_second,
            least_millis_per_second: 0,
            return_gap: Duration::ZERO,
        }
    }

    /// Everybody who went, with when they did, by a shell that comes so late to each step in turn.
    fn play(plan: &mut Plan<u32>, start: Instant, late: &[u64]) -> Vec<(Instant, Move<u32>)> {
        let mut gone = Vec::new();
        let mut late = late.iter().cycle();
        let mut now = start;
        loop {
            plan.handle(now, Input::Wake);
            gone.extend(std::iter::from_fn(|| plan.poll_output()).map(|moved| (now, moved)));
            let Some(due) = plan.poll_timeout() else {
                return gone;
            };
            assert!(due > now, "a plan that was obeyed waits");
            now = due + Duration::from_millis(*late.next().unwrap_or(&0));
        }
    }

    /// Most people who go in one second, wherever it begins.
    fn busiest_second(gone: &[(Instant, Move<u32>)]) -> usize {
        let ends = |from: Instant| gone.partition_point(|(at, _)| *at < from + SECOND);
        let within = gone.iter().enumerate().map(|(n, (at, _))| ends(*at) - n);
        within.max().unwrap_or(0)
    }

    #[test]
    fn two_percent_a_second_are_fifty_seconds() {
        let start = Instant::now();
        let mut plan = Plan::new((0..17_000).collect(), pace(2), start, start + SECOND * 165);
        let gone = play(&mut plan, start, &[]);
        assert_eq!(gone.len(), 17_000);
        assert_eq!(busiest_second(&gone), 340);
        let took = gone[16_999].0 - start;
        assert!(took > SECOND * 49 && took <= SECOND * 50, "{took:?}");
    }

    #[test]
    fn the_first_goes_at_once_and_the_last_has_until_the_end() {
        let start = Instant::now();
        let mut plan = Plan::new((0..3).collect(), pace(2), start, start + SECOND * 100);
        let gone = play(&mut plan, start, &[]);
        let at: Vec<u64> = gone.iter().map(|(at, _)| (*at - start).as_secs()).collect();
        assert_eq!(at, [0, 16, 33]);
    }

    #[test]
    fn few_people_do_not_take_as_long_as_many() {
        let start = Instant::now();
        let least = Pace {
            least_millis_per_second: 10_000,
            ..pace(2)
        };
        let mut plan = Plan::new((0..20).collect(), least, start, start + SECOND * 100);
        let gone = play(&mut plan, start, &[]);
        assert_eq!(gone[19].0 - start, SECOND * 19 / 10, "ten a second");
    }

    #[test]
    fn a_short_deadline_raises_the_pace_evenly() {
        let start = Instant::now();
        let mut plan = Plan::new((0..1_000).collect(), pace(2), start, start + SECOND * 5);
        let gone = play(&mut plan, start, &[]);
        assert_eq!(gone.len(), 1_000);
        assert!(gone[999].0 - start <= SECOND * 5);
        assert!(busiest_second(&gone) <= 200, "{}", busiest_second(&gone));
    }

    #[test]
    fn who_has_no_time_sends_everybody_and_spreads_their_return() {
        let start = Instant::now();
        let slow = Pace {
            return_gap: Duration::from_millis(1),
            ..pace(1)
        };
        let mut plan = Plan::new((0..5_000).collect(), slow, start, start);
        plan.handle(start, Input::Wake);
        let gone: Vec<_> = std::iter::from_fn(|| plan.poll_output()).collect();
        assert_eq!(gone.len(), 5_000);
        assert_eq!(plan.poll_timeout(), None);
        let last = gone[4_999].return_at - start;
        assert_eq!(last, Duration::from_millis(4_999));
    }

    #[test]
    fn who_comes_late_goes_last() {
        let start = Instant::now();
        let mut plan = Plan::new((0..2).collect(), pace(100), start, start + SECOND * 9);
        plan.handle(start, Input::Came(7));
        let gone = play(&mut plan, start, &[]);
        assert_eq!(gone.last().map(|(_, moved)| moved.who), Some(7));
        assert_eq!(plan.poll_timeout(), None);
        let late = start + SECOND * 20;
        plan.handle(late, Input::Came(8));
        assert_eq!(plan.poll_output().map(|moved| moved.who), Some(8));
    }

    proptest! {
        /// However many, however fast, and however late the shell is.
        #[test]
        fn everyone_goes_once_no_faster_than_the_pace_and_before_the_deadline(
            people in 0_u32..3_000,
            percent in 1_u32..=100,
            least_millis_per_second in prop_oneof![Just(0), 1_u32..50_000],
            seconds in 0_u32..300,
            late in prop::collection::vec(0_u64..50, 1..20),
            return_gap_us in 0_u64..2_000,
        ) {
            let start = Instant::now();
            let deadline = start + SECOND * seconds;
            let return_gap = Duration::from_micros(return_gap_us);
            let pace = Pace { percent_per_second: percent, least_millis_per_second, return_gap };
            let mut plan = Plan::new((0..people).collect(), pace, start, deadline);
            let asked = plan.per_step;
            let gone = play(&mut plan, start, &late);
            let who: Vec<u32> = gone.iter().map(|(_, moved)| moved.who).collect();
            prop_assert_eq!(who, (0..people).collect::<Vec<_>>(), "everyone once, in order");

            let steps = 1000 / STEP_MILLIS;
            let per_second = |per_step: u64| (per_step * steps).div_ceil(WHOLE);
            prop_assert!(busiest_second(&gone) as u64 <= per_second(plan.per_step));
            // A shell that was late for every step may be late for the last one too, and then no more than that.
            let slowest = Duration::from_millis(late.iter().copied().max().unwrap_or(0));
            prop_assert!(gone.last().is_none_or(|(at, _)| *at <= deadline + slowest));
            // Where the pace makes it in time with the shell as late as it is, it is not raised.
            let needs = (u64::from(people) * WHOLE).div_ceil(asked.max(1)) + 1;
            let needs = (STEP + slowest) * u32::try_from(needs.min(1_000_000)).unwrap();
            if needs < SECOND * seconds {
                prop_assert_eq!(plan.per_step, asked);
            }
            for pair in gone.windows(2) {
                let (earlier, later) = (pair[0].1.return_at, pair[1].1.return_at);
                prop_assert!(later >= earlier + return_gap, "no two come back too close");
            }
            prop_assert!(gone.iter().all(|(at, moved)| moved.return_at >= *at));
        }
    }
}
