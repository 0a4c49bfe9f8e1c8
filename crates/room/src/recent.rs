//! The newest publications of one channel, and exactly what a returning fan has missed.
//!
//! A client of the Centrifuge protocol comes back with the epoch and the offset it has seen last. Either this window
//! holds everything after that, and the fan gets precisely the missing ones, or it does not, and the fan is told so
//! (`recovered: false`). It never answers with a hole, and never with offsets of another epoch.

use std::{collections::VecDeque, iter::FusedIterator, sync::Arc};

use fanwave_wire::{Epoch, Offset, Publication};

use crate::limits::RECENT_MAX;

/// The newest publications of one channel: at most [`RECENT_MAX`], consecutive, ending at the head.
#[derive(Debug, Clone)]
pub struct Recent {
    epoch: Epoch,
    head: Offset,
    publications: VecDeque<Arc<Publication>>,
}

/// What a returning fan gets.
#[derive(Debug, Clone)]
pub enum Recovery<'a> {
    /// All that was missed, oldest first; empty when nothing was.
    Recovered(Missed<'a>),
    /// The window cannot say what was missed: it reaches not far enough back, or the position is of another run of
    /// offsets, or ahead of this one.
    Unrecoverable,
}

/// The publications that a fan has missed, oldest first.
#[derive(Debug, Clone)]
pub struct Missed<'a>(std::collections::vec_deque::Iter<'a, Arc<Publication>>);

impl Recent {
    /// The window of a channel as its log has it: where it stands, and the newest publications, oldest first.
    ///
    /// Only the unbroken run that ends at `head` is kept, whatever is passed in.
    pub fn resume(
        epoch: Epoch,
        head: Offset,
        publications: impl IntoIterator<Item = Arc<Publication>>,
    ) -> Self {
        let mut run: VecDeque<Arc<Publication>> = VecDeque::new();
        for publication in publications {
            let breaks = run
                .back()
                .is_some_and(|last| last.offset.next() != publication.offset);
            if breaks {
                run.clear();
            }
            if run.len() == RECENT_MAX {
                run.pop_front();
            }
            run.push_back(publication);
        }
        if run.back().is_some_and(|last| last.offset != head) {
            run.clear();
        }
        Self {
            epoch,
            head,
            publications: run,
        }
    }

    /// The run of offsets this belongs to.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Offset of the newest publication there has been, 0 before the first.
    #[must_use]
    pub fn head(&self) -> Offset {
        self.head
    }

    /// All that is held, oldest first.
    #[must_use]
    pub fn all(&self) -> Missed<'_> {
        Missed(self.publications.iter())
    }

    /// Takes the next publication, and drops the oldest when the window is full.
    ///
    /// # Panics
    ///
    /// When it is not the next one: a hole here would become a hole at a fan who trusts `recovered: true`.
    pub fn push(&mut self, publication: Arc<Publication>) {
        assert_eq!(
            publication.offset,
            self.head.next(),
            "publications of a channel are consecutive"
        );
        self.head = publication.offset;
        if self.publications.len() == RECENT_MAX {
            self.publications.pop_front();
        }
        self.publications.push_back(publication);
    }

    /// What came after `offset`, for a fan who was there in the same `epoch`.
    #[must_use]
    pub fn since(&self, epoch: &Epoch, offset: Offset) -> Recovery<'_> {
        if *epoch != self.epoch {
            Recovery::Unrecoverable
        } else {
            self.after(offset)
        }
    }

    /// What came after `offset` of this very epoch.
    #[must_use]
    pub fn after(&self, offset: Offset) -> Recovery<'_> {
        let Some(missed) = self.head.0.checked_sub(offset.0) else {
            // The fan has seen what this log has not: one of the two lost something, and it was not the fan.
            return Recovery::Unrecoverable;
        };
        let held = self.publications.len();
        match usize::try_from(missed) {
            Ok(missed) if missed <= held => {
                Recovery::Recovered(Missed(self.publications.range(held - missed..)))
            }
            _ => Recovery::Unrecoverable,
        }
    }

    /// Whether every publication there has ever been is held.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.publications.len() as u64 == self.head.0
    }
}

impl<'a> Iterator for Missed<'a> {
    type Item = &'a Arc<Publication>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for Missed<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back()
    }
}

impl ExactSizeIterator for Missed<'_> {}

impl FusedIterator for Missed<'_> {}

#[cfg(test)]
mod tests {
    use fanwave_wire::{Body, ClientMessageId, Draft, Role, Sender, Text, UnixMillis, UserId};
    use proptest::prelude::*;

    use super::*;

    fn publication(offset: u64) -> Arc<Publication> {
        Arc::new(Publication {
            offset: Offset(offset),
            at: UnixMillis(1_000 + offset),
            draft: Draft {
                id: ClientMessageId(format!("m{offset}").into()),
                sender: Sender {
                    user: UserId("u".into()),
                    name: "U".into(),
                    role: Role::Fan,
                    badge: None,
                },
                body: Body::Text(Text::plain("hi")),
            },
        })
    }

    fn epoch(name: &str) -> Epoch {
        Epoch(name.into())
    }

    fn offsets(recovery: &Recovery<'_>) -> Option<Vec<u64>> {
        match recovery {
            Recovery::Recovered(missed) => Some(
                missed
                    .clone()
                    .map(|publication| publication.offset.0)
                    .collect(),
            ),
            Recovery::Unrecoverable => None,
        }
    }

    #[test]
    fn another_epoch_and_the_future_are_not_recoverable() {
        let recent = Recent::resume(epoch("a"), Offset(3), (1..=3).map(publication));
        assert_eq!(offsets(&recent.since(&epoch("a"), Offset(3))), Some(vec![]));
        assert_eq!(
            offsets(&recent.since(&epoch("a"), Offset(1))),
            Some(vec![2, 3])
        );
        assert_eq!(offsets(&recent.since(&epoch("b"), Offset(3))), None);
        assert_eq!(offsets(&recent.since(&epoch("a"), Offset(4))), None);
    }

    #[test]
    fn a_log_with_a_hole_yields_only_the_run_behind_it() {
        let recent = Recent::resume(epoch("a"), Offset(7), [1, 2, 3, 6, 7].map(publication));
        assert_eq!(offsets(&recent.after(Offset(5))), Some(vec![6, 7]));
        assert_eq!(offsets(&recent.after(Offset(4))), None);
        let cut_short = Recent::resume(epoch("a"), Offset(9), [6, 7].map(publication));
        assert_eq!(offsets(&cut_short.after(Offset(9))), Some(vec![]));
        assert_eq!(offsets(&cut_short.after(Offset(8))), None);
    }

    #[test]
    #[should_panic(expected = "consecutive")]
    fn a_hole_is_never_taken_in() {
        let mut recent = Recent::resume(epoch("a"), Offset(1), [publication(1)]);
        recent.push(publication(3));
    }

    proptest! {
        /// Against a model that keeps everything: the answer is exactly the missing suffix, or that there is none, and
        /// the window refuses only what it must.
        #[test]
        fn the_missing_suffix_or_nothing(
            head in 0u64..30,
            known in 0u64..30,
            pushed in 0u64..(2 * RECENT_MAX as u64),
            asked in 0u64..(3 * RECENT_MAX as u64),
        ) {
            let known = known.min(head);
            let mut recent = Recent::resume(epoch("a"), Offset(head), (head - known + 1..=head).map(publication));
            for offset in head + 1..=head + pushed {
                recent.push(publication(offset));
            }
            let newest = head + pushed;
            let oldest_held = newest + 1 - (known + pushed).min(RECENT_MAX as u64);
            let expected = (asked <= newest && asked + 1 >= oldest_held).then(|| (asked + 1..=newest).collect::<Vec<_>>());
            prop_assert_eq!(offsets(&recent.after(Offset(asked))), expected);
            prop_assert_eq!(recent.head(), Offset(newest));
            prop_assert_eq!(recent.is_whole(), oldest_held == 1);
            prop_assert_eq!(recent.all().len() as u64, newest + 1 - oldest_held);
        }
    }
}
