//! What waits for the receiver, and when it is sent: a machine without sockets, clocks or chance of its own.
//!
//! * One event is under way at a time, and the next follows when the receiver has it: they arrive in order.
//! * What is not answered with 2xx is sent again, later each time. After [`ATTEMPTS_MAX`] it is given up, and the next one takes
//!   over its waits: a receiver that is away is not asked more often because more happens.
//! * A receiver that says that it does not want an event (4xx, but for those that mean "later") is not asked again about it.
//! * When too many wait, the oldest that is not under way is given up: what happened last matters most.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::limits::{ATTEMPTS_MAX, EVENTS_WAITING_MAX, RETRY_FIRST, RETRY_MAX};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The receiver has it.
    Taken,
    /// The receiver does not want it.
    Refused,
    /// It may want it later, or was not reached.
    Failed,
}

impl Outcome {
    /// What a status means.
    pub(crate) fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Taken,
            // Request Timeout, Conflict, Too Early and Too Many Requests ask for another attempt.
            408 | 409 | 425 | 429 => Self::Failed,
            400..=499 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// The receiver has it.
    Taken,
    /// The receiver does not want it.
    Refused,
    /// It was sent in vain, as often as it may be.
    GivenUp,
    /// There was no room for it.
    Crowded,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    /// Send this, and say how it ended with [`Outbox::handle_outcome`].
    Send(Bytes),
    /// This became of an event.
    Over(Fate),
}

/// `handle_*`: [`Outbox::handle_event`], [`Outbox::handle_outcome`], [`Outbox::handle_timeout`]. Getter: [`Outbox::waiting`].
/// Polls: [`Outbox::poll_output`], [`Outbox::poll_timeout`].
///
/// `now` is the time since any moment that stays the same.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<Bytes>,
    /// How often the oldest was sent.
    attempts: u32,
    /// Failures since the receiver last took something.
    failures: u32,
    state: State,
    outputs: VecDeque<Output>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// The oldest may be sent.
    #[default]
    Ready,
    /// It is under way.
    Sending,
    /// It is sent again then.
    Waiting(Duration),
}

impl Outbox {
    /// Another event.
    pub(super) fn handle_event(&mut self, body: Bytes) {
        if self.queue.len() >= EVENTS_WAITING_MAX {
            // The oldest may be under way, and may be taken yet.
            let oldest = usize::from(self.state == State::Sending);
            if self.queue.remove(oldest).is_some() {
                self.outputs.push_back(Output::Over(Fate::Crowded));
            }
            if oldest == 0 {
                self.attempts = 0;
            }
        }
        self.queue.push_back(body);
        self.send();
    }

    /// The attempt that was under way has ended. `random` spreads the attempts of servers that failed together.
    pub(super) fn handle_outcome(&mut self, now: Duration, outcome: Outcome, random: u64) {
        if self.state != State::Sending {
            return;
        }
        let fate = match outcome {
            Outcome::Taken => Some(Fate::Taken),
            Outcome::Refused => Some(Fate::Refused),
            Outcome::Failed if self.attempts >= ATTEMPTS_MAX => Some(Fate::GivenUp),
            Outcome::Failed => None,
        };
        if let Some(fate) = fate {
            self.queue.pop_front();
            self.attempts = 0;
            self.outputs.push_back(Output::Over(fate));
        }
        self.state = match outcome {
            Outcome::Taken | Outcome::Refused => {
                self.failures = 0;
                State::Ready
            }
            Outcome::Failed => {
                self.failures = self.failures.saturating_add(1);
                State::Waiting(now.saturating_add(pause(self.failures, random)))
            }
        };
        self.send();
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Duration) {
        if let State::Waiting(until) = self.state
            && until <= now
        {
            self.state = State::Ready;
            self.send();
        }
    }

    /// The next thing to do, until `None`.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Outbox::handle_timeout`] at the latest.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Waiting(until) => Some(until),
            State::Ready | State::Sending => None,
        }
    }

    /// How many wait, the one under way among them.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    fn send(&mut self) {
        if self.state == State::Ready
            && let Some(oldest) = self.queue.front()
        {
            self.state = State::Sending;
            self.attempts = self.attempts.saturating_add(1);
            self.outputs.push_back(Output::Send(oldest.clone()));
        }
    }
}

/// How long to wait after so many failures in a row; half of it is certain.
pub(crate) fn pause(failures: u32, random: u64) -> Duration {
    let longest = RETRY_FIRST
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
        .min(RETRY_MAX);
    let half = longest / 2;
    let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    half + Duration::from_millis(random % millis.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(number: usize) -> Bytes {
        number.to_string().into()
    }

    fn drain(outbox: &mut Outbox) -> Vec<Output> {
        std::iter::from_fn(|| outbox.poll_output()).collect()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn events_follow_one_another_and_each_waits_for_the_one_before() {
        let mut outbox = Outbox::default();
        for number in 0..3 {
            outbox.handle_event(body(number));
        }
        for number in 0..3 {
            assert_eq!(drain(&mut outbox), [Output::Send(body(number))]);
            outbox.handle_outcome(seconds(1), Outcome::Taken, 0);
            assert_eq!(outbox.poll_output(), Some(Output::Over(Fate::Taken)));
        }
        assert_eq!((drain(&mut outbox), outbox.waiting()), (vec![], 0));
    }

    #[test]
    fn a_failure_is_followed_by_longer_and_longer_waits_and_at_last_given_up() {
        let mut outbox = Outbox::default();
        outbox.handle_event(body(0));
        outbox.handle_event(body(1));
        let (mut now, mut waits) = (Duration::ZERO, Vec::new());
        for attempt in 1..=ATTEMPTS_MAX {
            assert_eq!(drain(&mut outbox), [Output::Send(body(0))], "{attempt}");
            outbox.handle_outcome(now, Outcome::Failed, u64::from(attempt) * 7_919);
            let due = outbox.poll_timeout().expect("another attempt");
            waits.push(due - now);
            if attempt < ATTEMPTS_MAX {
                outbox.handle_timeout(due - Duration::from_nanos(1));
                assert_eq!(drain(&mut outbox), []);
            }
            now = due;
            if attempt == ATTEMPTS_MAX {
                assert_eq!(drain(&mut outbox), [Output::Over(Fate::GivenUp)]);
            }
            outbox.handle_timeout(now);
        }
        assert!(
            waits[0] >= RETRY_FIRST / 2 && waits[0] < RETRY_FIRST,
            "{waits:?}"
        );
        assert!(waits.iter().all(|wait| *wait < RETRY_MAX), "{waits:?}");
        assert!(
            waits.last().is_some_and(|wait| *wait >= RETRY_MAX / 2),
            "{waits:?}"
        );
        assert!(now > seconds(5 * 60), "{now:?}");
        // The next one is not asked about more often than the one before it.
        assert_eq!(drain(&mut outbox), [Output::Send(body(1))]);
        outbox.handle_outcome(now, Outcome::Failed, 0);
        assert_eq!(outbox.poll_timeout(), Some(now + RETRY_MAX / 2));
        outbox.handle_timeout(now + RETRY_MAX);
        outbox.handle_outcome(now, Outcome::Taken, 0);
        assert_eq!(outbox.poll_timeout(), None);
    }

    #[test]
    fn what_is_refused_is_not_sent_again() {
        let mut outbox = Outbox::default();
        outbox.handle_event(body(0));
        outbox.handle_event(body(1));
        drain(&mut outbox);
        outbox.handle_outcome(seconds(1), Outcome::of(404), 0);
        assert_eq!(
            drain(&mut outbox),
            [Output::Over(Fate::Refused), Output::Send(body(1))]
        );
        for (status, outcome) in [
            (204, Outcome::Taken),
            (302, Outcome::Failed),
            (410, Outcome::Refused),
            (429, Outcome::Failed),
            (503, Outcome::Failed),
        ] {
            assert_eq!(Outcome::of(status), outcome, "{status}");
        }
    }

    #[test]
    fn a_crowd_costs_the_oldest_that_is_not_under_way() {
        let mut outbox = Outbox::default();
        for number in 0..EVENTS_WAITING_MAX + 2 {
            outbox.handle_event(body(number));
        }
        assert_eq!(
            drain(&mut outbox),
            [
                Output::Send(body(0)),
                Output::Over(Fate::Crowded),
                Output::Over(Fate::Crowded),
            ]
        );
        assert_eq!(outbox.waiting(), EVENTS_WAITING_MAX);
        outbox.handle_outcome(seconds(1), Outcome::Taken, 0);
        assert_eq!(
            drain(&mut outbox),
            [Output::Over(Fate::Taken), Output::Send(body(3))]
        );
        // While it waits to be sent again, it is the oldest.
        outbox.handle_outcome(seconds(1), Outcome::Failed, 0);
        for number in 0..2 {
            outbox.handle_event(body(number));
        }
        assert_eq!(drain(&mut outbox), [Output::Over(Fate::Crowded)]);
        outbox.handle_timeout(seconds(100));
        assert_eq!(drain(&mut outbox), [Output::Send(body(4))]);
    }
}
