//! Whether a back end is asked at all: a machine without clocks.
//!
//! After [`FAILURES_TO_OPEN`] failures in a row it is not asked for a while, so that nobody waits for what will not come, and a back end
//! that is down for too much work is left alone. Then one question tries it: if that is answered, all are asked again; if not, the
//! while is twice as long, up to [`OPEN_MAX`]. What a question that was asked before comes to says nothing about what holds since.

use std::time::Duration;

/// Failures in a row after which nobody is asked.
pub(super) const FAILURES_TO_OPEN: u32 = 5;

/// How long nobody is asked at first.
pub(super) const OPEN_FIRST: Duration = Duration::from_secs(1);

/// How long nobody is asked at most.
pub(super) const OPEN_MAX: Duration = Duration::from_secs(30);

/// Lets one question through; given back with what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    /// Of which time between two changes of state it is.
    era: u64,
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was answered.
    Well,
    /// It was not, or with nonsense.
    Badly,
    /// Nobody waited for the answer.
    Dropped,
}

/// Where the breaker stands, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// All are asked.
    Closed,
    /// Nobody is.
    Open,
    /// One is.
    Trying,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Duration },
    Trying,
}

/// `handle_*`: [`Breaker::handle_question`], [`Breaker::handle_end`]. Getter: [`Breaker::standing`].
///
/// `now` is the time since any moment that stays the same.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    era: u64,
    /// How long it was open last, while it has not been closed since.
    span: Option<Duration>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed { failures: 0 },
            era: 0,
            span: None,
        }
    }
}

impl Breaker {
    /// Whether a question may be asked; `None`: it may not.
    pub(super) fn handle_question(&mut self, now: Duration) -> Option<Pass> {
        match self.state {
            State::Closed { .. } => {}
            State::Open { until } if until <= now => self.change(State::Trying),
            State::Open { .. } | State::Trying => return None,
        }
        Some(Pass { era: self.era })
    }

    /// A question that was let through has ended.
    pub(super) fn handle_end(&mut self, now: Duration, pass: Pass, ended: Ended) {
        if pass.era != self.era {
            return;
        }
        match (self.state, ended) {
            (State::Closed { failures: 0 }, Ended::Well)
            | (State::Closed { .. }, Ended::Dropped)
            | (State::Open { .. }, _) => {}
            (State::Closed { .. }, Ended::Well) => self.state = State::Closed { failures: 0 },
            (State::Closed { failures }, Ended::Badly) => {
                let failures = failures.saturating_add(1);
                if failures >= FAILURES_TO_OPEN {
                    self.open(now);
                } else {
                    self.state = State::Closed { failures };
                }
            }
            (State::Trying, Ended::Well) => {
                self.span = None;
                self.change(State::Closed { failures: 0 });
            }
            (State::Trying, Ended::Badly) => self.open(now),
            // It has tried nothing: the next one does.
            (State::Trying, Ended::Dropped) => self.change(State::Open { until: now }),
        }
    }

    /// Where it stands.
    pub(super) const fn standing(&self) -> Standing {
        match self.state {
            State::Closed { .. } => Standing::Closed,
            State::Open { .. } => Standing::Open,
            State::Trying => Standing::Trying,
        }
    }

    fn open(&mut self, now: Duration) {
        let span = self.span.map_or(OPEN_FIRST, |span| span * 2).min(OPEN_MAX);
        self.span = Some(span);
        self.change(State::Open {
            until: now.saturating_add(span),
        });
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.era = self.era.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn fail(breaker: &mut Breaker, now: Duration, times: u32) {
        for _ in 0..times {
            let pass = breaker.handle_question(now).expect("it is closed");
            breaker.handle_end(now, pass, Ended::Badly);
        }
    }

    #[test]
    fn it_opens_tries_and_closes() {
        let mut breaker = Breaker::default();
        fail(&mut breaker, at(0), FAILURES_TO_OPEN - 1);
        let pass = breaker.handle_question(at(0)).unwrap();
        breaker.handle_end(at(0), pass, Ended::Well);
        fail(&mut breaker, at(10), FAILURES_TO_OPEN);
        assert_eq!(breaker.standing(), Standing::Open);
        assert_eq!(breaker.handle_question(at(1_009)), None);
        let trial = breaker.handle_question(at(1_010)).unwrap();
        assert_eq!(breaker.handle_question(at(1_010)), None, "one tries");
        breaker.handle_end(at(1_100), trial, Ended::Badly);
        assert_eq!(breaker.handle_question(at(3_099)), None, "twice as long");
        let trial = breaker.handle_question(at(3_100)).unwrap();
        breaker.handle_end(at(3_100), trial, Ended::Dropped);
        let trial = breaker.handle_question(at(3_100)).unwrap();
        breaker.handle_end(at(3_200), trial, Ended::Well);
        assert_eq!(breaker.standing(), Standing::Closed);
        fail(&mut breaker, at(3_200), FAILURES_TO_OPEN);
        assert!(
            breaker.handle_question(at(4_200)).is_some(),
            "from the shortest again"
        );
    }

    #[test]
    fn it_is_open_for_so_long_at_most() {
        let (mut breaker, mut now) = (Breaker::default(), at(0));
        fail(&mut breaker, now, FAILURES_TO_OPEN);
        for _ in 0..20 {
            now += OPEN_MAX;
            let trial = breaker
                .handle_question(now)
                .expect("it has been open for long enough");
            breaker.handle_end(now, trial, Ended::Badly);
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Ask,
        End(usize, Ended),
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let ended = prop_oneof![Just(Ended::Well), Just(Ended::Badly), Just(Ended::Dropped)];
        prop_oneof![
            3 => Just(Step::Ask),
            3 => (0_usize..8, ended).prop_map(|(which, ended)| Step::End(which, ended)),
            1 => (0_u64..40_000).prop_map(Step::Pass),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_one_tries_and_nobody_is_asked_before(steps in prop::collection::vec(step(), 0..200)) {
            let (mut breaker, mut now) = (Breaker::default(), Duration::ZERO);
            let mut under_way: Vec<Pass> = Vec::new();
            let mut opened_at = None;
            for step in steps {
                let before = breaker.standing();
                match step {
                    Step::Pass(millis) => now += Duration::from_millis(millis),
                    Step::Ask => {
                        let pass = breaker.handle_question(now);
                        match before {
                            Standing::Closed => prop_assert!(pass.is_some()),
                            Standing::Trying => prop_assert!(pass.is_none()),
                            Standing::Open => {
                                let since = now.saturating_sub(opened_at.unwrap_or_default());
                                prop_assert!(pass.is_none() || breaker.standing() == Standing::Trying);
                                prop_assert!(pass.is_some() || since < OPEN_MAX);
                            }
                        }
                        under_way.extend(pass);
                    }
                    Step::End(which, ended) if which < under_way.len() => {
                        let pass = under_way.swap_remove(which);
                        breaker.handle_end(now, pass, ended);
                        if ended != Ended::Badly {
                            let may_open = before == Standing::Trying && ended == Ended::Dropped;
                            prop_assert!(breaker.standing() != Standing::Open || before == Standing::Open || may_open);
                        }
                        if breaker.standing() == Standing::Open && before != Standing::Open {
                            opened_at = Some(now);
                        }
                    }
                    Step::End(..) => {}
                }
                // Who tries is known: exactly one of those under way is of this era.
                if breaker.standing() == Standing::Trying {
                    let trying = under_way.iter().filter(|pass| pass.era == breaker.era).count();
                    prop_assert_eq!(trying, 1);
                }
            }
        }
    }
}
