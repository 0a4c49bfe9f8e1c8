//! Holds back what happens to one channel more often than anybody wants to hear of it.
//!
//! Of each topic, [`NEWS_BURST`] things are told at once within any [`NEWS_INTERVAL`]. What comes beyond that is not told but
//! counted, and the newest of it is told, with the count, as soon as the oldest of those told is so old: whoever listens
//! knows how things stand at the latest then, and that they went back and forth.
//!
//! A machine: time is an argument.

use std::collections::{BTreeMap, VecDeque};

use fanwave_live::Moment;

use super::{Topic, What};
use crate::limits::{NEWS_BURST, NEWS_INTERVAL, NEWS_TOPICS_MAX};

/// `handle_*`: [`Calm::handle`], [`Calm::handle_timeout`]. Polls: [`Calm::poll_output`], [`Calm::poll_timeout`].
#[derive(Debug, Default)]
pub(crate) struct Calm {
    topics: BTreeMap<Topic, Told>,
    outputs: VecDeque<(What, u32)>,
}

/// What was told of one topic.
#[derive(Debug, Default)]
struct Told {
    /// When, within the interval; at most [`NEWS_BURST`].
    recently: VecDeque<Moment>,
    /// The newest that was held back, and how many were in all.
    held: Option<(What, u32)>,
}

impl Calm {
    /// This happened.
    pub(crate) fn handle(&mut self, now: Moment, what: What) {
        let Some(topic) = what.topic() else {
            self.outputs.push_back((what, 0));
            return;
        };
        if self.topics.len() >= NEWS_TOPICS_MAX && !self.topics.contains_key(&topic) {
            self.topics.retain(|_, told| {
                told.forget(now);
                !told.recently.is_empty()
            });
        }
        let told = self.topics.entry(topic).or_default();
        told.forget(now);
        if told.held.is_none() && told.recently.len() < NEWS_BURST {
            told.recently.push_back(now);
            self.outputs.push_back((what, 0));
        } else {
            let before = told.held.take();
            let count = before
                .as_ref()
                .map_or(0, |(_, count)| *count)
                .saturating_add(1);
            told.held = Some((merged(before.map(|(what, _)| what), what), count));
        }
    }

    /// Time has passed: tells of what was held back for long enough.
    pub(crate) fn handle_timeout(&mut self, now: Moment) {
        for told in self.topics.values_mut() {
            told.forget(now);
            if told.recently.len() < NEWS_BURST
                && let Some((what, count)) = told.held.take()
            {
                told.recently.push_back(now);
                // One of those that were held back is this one.
                self.outputs.push_back((what, count.saturating_sub(1)));
            }
        }
    }

    /// What is to be told, and how many of its like are not, until `None`.
    pub(crate) fn poll_output(&mut self) -> Option<(What, u32)> {
        self.outputs.pop_front()
    }

    /// When to call [`Calm::handle_timeout`] at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Moment> {
        let due = |told: &Told| {
            let _held = told.held.as_ref()?;
            Some(told.recently.front()?.after(NEWS_INTERVAL))
        };
        self.topics.values().filter_map(due).min()
    }
}

impl Told {
    fn forget(&mut self, now: Moment) {
        while self
            .recently
            .pop_front_if(|told| told.after(NEWS_INTERVAL) <= now)
            .is_some()
        {}
    }
}

/// What is told of both: the newer one, with the pictures of both.
fn merged(before: Option<What>, what: What) -> What {
    match (before, what) {
        (Some(What::PicturesDropped { pictures: before }), What::PicturesDropped { pictures }) => {
            What::PicturesDropped {
                pictures: pictures.saturating_add(before),
            }
        }
        (_, what) => what,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment(Duration::from_millis(millis))
    }

    fn told(calm: &mut Calm) -> Vec<(What, u32)> {
        std::iter::from_fn(|| calm.poll_output()).collect()
    }

    #[test]
    fn what_happens_seldom_is_told_at_once() {
        let mut calm = Calm::default();
        for (minute, what) in [What::EncoderLost, What::EncoderBack, What::EncoderLost]
            .into_iter()
            .enumerate()
        {
            calm.handle(at(minute as u64 * 60_000), what.clone());
            assert_eq!(told(&mut calm), [(what, 0)]);
            assert_eq!(calm.poll_timeout(), None);
        }
    }

    #[test]
    fn what_flaps_is_told_as_it_ends_with_how_often_it_did() {
        let mut calm = Calm::default();
        for number in 0..21 {
            let what = if number % 2 == 0 {
                What::EncoderLost
            } else {
                What::EncoderBack
            };
            calm.handle(at(number * 1_000), what);
        }
        assert_eq!(told(&mut calm).len(), NEWS_BURST);
        let due = calm.poll_timeout().expect("something is held back");
        assert_eq!(due, at(0).after(NEWS_INTERVAL));
        calm.handle_timeout(at(59_999));
        assert_eq!(told(&mut calm), []);
        calm.handle_timeout(due);
        let withheld = 21 - u32::try_from(NEWS_BURST).unwrap() - 1;
        assert_eq!(told(&mut calm), [(What::EncoderLost, withheld)]);
        assert_eq!(calm.poll_timeout(), None);
        // Another topic has nothing to do with it.
        calm.handle(at(20_000), What::TimestampJump);
        assert_eq!(told(&mut calm), [(What::TimestampJump, 0)]);
    }

    #[test]
    fn pictures_that_were_held_back_are_added_up() {
        let mut calm = Calm::default();
        let mut sum = 0;
        for pictures in 30..50 {
            calm.handle(at(pictures), What::PicturesDropped { pictures });
        }
        calm.handle_timeout(at(30).after(NEWS_INTERVAL));
        for (what, _) in told(&mut calm) {
            let What::PicturesDropped { pictures } = what else {
                panic!("{what:?}");
            };
            sum += pictures;
        }
        assert_eq!(sum, (30..50).sum::<u64>());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_nothing_floods_and_the_last_word_is_told(
            steps in proptest::collection::vec((0..30_000_u64, any::<bool>()), 1..200),
        ) {
            let mut calm = Calm::default();
            let (mut now, mut all) = (0, Vec::new());
            let mut handled = 0_u64;
            let mut last = None;
            for (pause, lost) in steps {
                let then = now + pause;
                while let Some(due) = calm.poll_timeout().filter(|due| *due <= at(then)) {
                    calm.handle_timeout(due);
                    all.extend(told(&mut calm).into_iter().map(|one| (due, one)));
                }
                now = then;
                let what = if lost { What::EncoderLost } else { What::EncoderBack };
                last = Some(what.clone());
                calm.handle(at(now), what);
                handled += 1;
                all.extend(told(&mut calm).into_iter().map(|one| (at(now), one)));
            }
            while let Some(due) = calm.poll_timeout() {
                calm.handle_timeout(due);
                all.extend(told(&mut calm).into_iter().map(|one| (due, one)));
            }
            let counted: u64 = all.iter().map(|(_, (_, withheld))| u64::from(*withheld) + 1).sum();
            prop_assert_eq!(counted, handled);
            prop_assert_eq!(all.last().map(|(_, (what, _))| what.clone()), last);
            for few in all.windows(NEWS_BURST + 1) {
                prop_assert!(few[NEWS_BURST].0 >= few[0].0.after(NEWS_INTERVAL));
            }
        }
    }
}
