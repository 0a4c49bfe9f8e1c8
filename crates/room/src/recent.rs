//! The newest publications of one channel, and exactly what a returning fan has missed.
//!
//! A client of the Centrifuge protocol comes back with the epoch and the offset it has seen last. Either this window
//! holds everything after that, and the fan gets precisely the missing ones, or it does not, and the fan is told so
//! (`recovered: false`). It never answers with a hole, and never with offsets of another epoch.
//!
//! "Everything" is what there is to be had: a deleted message leaves its offset unused, and so does, in a lane that
//! shows a sample, a message that was not shown. What the window vouches for is therefore not a run of numbers but a
//! stretch: from [`Recent::floor`], exclusive, to [`Recent::head`].

use std::{collections::VecDeque, iter::FusedIterator, sync::Arc};

use fanwave_wire::{Epoch, Event, Offset, Publication};

use crate::limits::RECENT_MAX;

/// The newest publications of one channel: at most [`RECENT_MAX`], in the order of their offsets.
#[derive(Debug, Clone)]
pub struct Recent {
    epoch: Epoch,
    head: Offset,
    floor: Offset,
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

/// A stretch of a channel as its log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins, exclusive: nothing is known of this offset and those before it.
    pub floor: Offset,
    /// Where it ends, inclusive: the newest offset there has been.
    pub head: Offset,
    /// Everything that there is in between, oldest first.
    pub publications: Vec<Arc<Publication>>,
}

impl Recent {
    /// The window of a channel as its log has it. Of more than [`RECENT_MAX`] publications the newest are kept.
    ///
    /// # Panics
    ///
    /// When the publications are not in order, or not within the stretch: whoever read them made a mistake that a fan
    /// would take for the truth.
    #[must_use]
    pub fn resume(epoch: Epoch, stretch: Stretch) -> Self {
        let Stretch {
            floor,
            head,
            publications,
        } = stretch;
        let mut recent = Self {
            epoch,
            head: floor,
            floor,
            publications: VecDeque::new(),
        };
        for publication in publications {
            recent.push(publication);
        }
        recent.pass(head);
        recent
    }

    /// The run of offsets this belongs to.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The newest offset there has been, 0 before the first; whether it is held or not.
    #[must_use]
    pub fn head(&self) -> Offset {
        self.head
    }

    /// The offset behind which everything that there is is held.
    #[must_use]
    pub fn floor(&self) -> Offset {
        self.floor
    }

    /// All that is held, oldest first.
    #[must_use]
    pub fn all(&self) -> Missed<'_> {
        Missed(self.publications.iter())
    }

    /// Takes a newer publication, and drops the oldest when the window is full. The caller vouches that there is
    /// nothing to be had between the head and it.
    ///
    /// # Panics
    ///
    /// When it is not newer: something would be told twice.
    pub fn push(&mut self, publication: Arc<Publication>) {
        assert!(
            publication.offset > self.head,
            "publications of a channel come in order"
        );
        self.head = publication.offset;
        if self.publications.len() == RECENT_MAX
            && let Some(oldest) = self.publications.pop_front()
        {
            self.floor = oldest.offset;
        }
        self.publications.push_back(publication);
    }

    /// Moves the head on: there is nothing to be had up to there.
    ///
    /// # Panics
    ///
    /// When it would go back.
    pub fn pass(&mut self, head: Offset) {
        assert!(head >= self.head, "a channel's head never goes back");
        self.head = head;
    }

    /// Lets go of what an event of the lossless lane deletes from this lane.
    pub fn erase(&mut self, event: &Event) {
        match event {
            Event::Deleted { .. } | Event::Cleared { .. } => self
                .publications
                .retain(|publication| !deletes(event, publication)),
            _ => {}
        }
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
    ///
    /// A fan who has seen what this log has not is not recovered either: one of the two lost something, and it was not
    /// the fan.
    #[must_use]
    pub fn after(&self, offset: Offset) -> Recovery<'_> {
        if offset < self.floor || offset > self.head {
            return Recovery::Unrecoverable;
        }
        let seen = self
            .publications
            .partition_point(|publication| publication.offset <= offset);
        Recovery::Recovered(Missed(self.publications.range(seen..)))
    }

    /// Whether every offset of the stretch is held: none is deleted, and none was not shown.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        self.publications.len() as u64 == self.head.0 - self.floor.0
    }

    /// Whether everything that there is is held.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.floor == Offset(0)
    }
}

/// Whether an event of a room's lossless lane deletes a publication of its chat lane.
#[must_use]
pub fn deletes(event: &Event, publication: &Publication) -> bool {
    match event {
        Event::Deleted { offset } => publication.offset == *offset,
        Event::Cleared { user, through } => {
            publication.offset <= *through && publication.draft.sender.user == *user
        }
        _ => false,
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

    fn resume(floor: u64, head: u64, held: impl IntoIterator<Item = u64>) -> Recent {
        let publications = held.into_iter().map(publication).collect();
        let (floor, head) = (Offset(floor), Offset(head));
        Recent::resume(
            epoch("a"),
            Stretch {
                floor,
                head,
                publications,
            },
        )
    }

    #[test]
    fn another_epoch_and_the_future_are_not_recoverable() {
        let recent = resume(0, 3, 1..=3);
        assert!(recent.is_dense());
        assert_eq!(offsets(&recent.since(&epoch("a"), Offset(3))), Some(vec![]));
        assert_eq!(
            offsets(&recent.since(&epoch("a"), Offset(1))),
            Some(vec![2, 3])
        );
        assert_eq!(offsets(&recent.since(&epoch("b"), Offset(3))), None);
        assert_eq!(offsets(&recent.since(&epoch("a"), Offset(4))), None);
    }

    #[test]
    fn offsets_that_were_never_shown_are_not_missed() {
        let mut recent = resume(4, 9, [6, 8]);
        assert_eq!(offsets(&recent.after(Offset(4))), Some(vec![6, 8]));
        assert_eq!(offsets(&recent.after(Offset(7))), Some(vec![8]));
        assert_eq!(offsets(&recent.after(Offset(9))), Some(vec![]));
        assert_eq!(offsets(&recent.after(Offset(3))), None);
        assert!(!recent.is_dense());
        recent.pass(Offset(20));
        recent.push(publication(30));
        assert_eq!(offsets(&recent.after(Offset(20))), Some(vec![30]));
        assert!(!recent.is_whole());
    }

    #[test]
    #[should_panic(expected = "in order")]
    fn nothing_is_told_twice() {
        let mut recent = resume(0, 1, [1]);
        recent.push(publication(1));
    }

    proptest! {
        /// Against a model that keeps everything: the answer is exactly what was shown since and is not deleted, or that
        /// there is none, and the window refuses only what it must.
        #[test]
        fn the_missing_suffix_or_nothing(
            steps in prop::collection::vec((1u64..4, prop::bool::weighted(0.8)), 0..(2 * RECENT_MAX)),
            deleted in prop::collection::btree_set(0u64..1500, 0..20),
            asked in 0u64..2000,
        ) {
            let mut recent = resume(0, 0, []);
            let mut shown = Vec::new();
            let mut head = 0;
            for (step, is_shown) in steps {
                head += step;
                if is_shown {
                    recent.push(publication(head));
                    shown.push(head);
                } else {
                    recent.pass(Offset(head));
                }
            }
            let floor = shown.len().checked_sub(RECENT_MAX + 1).map_or(0, |last| shown[last]);
            for offset in &deleted {
                recent.erase(&Event::Deleted { offset: Offset(*offset) });
            }
            shown.retain(|offset| !deleted.contains(offset));
            let expected = (asked <= head && asked >= floor)
                .then(|| shown.into_iter().filter(|offset| *offset > asked).collect::<Vec<_>>());
            prop_assert_eq!(offsets(&recent.after(Offset(asked))), expected);
            prop_assert_eq!((recent.head(), recent.floor()), (Offset(head), Offset(floor)));
            prop_assert_eq!(recent.is_whole(), floor == 0);
        }
    }

    #[test]
    fn a_user_is_cleared_up_to_an_offset() {
        let mut recent = resume(0, 5, 1..=5);
        let cleared = |user: &str| Event::Cleared {
            user: UserId(user.into()),
            through: Offset(3),
        };
        recent.erase(&cleared("somebody else"));
        assert_eq!(recent.all().len(), 5);
        recent.erase(&cleared("u"));
        assert_eq!(offsets(&recent.after(Offset(0))), Some(vec![4, 5]));
    }
}
