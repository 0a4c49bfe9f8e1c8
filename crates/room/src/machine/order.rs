//! The chat lane leaves a room in the order of its offsets.
//!
//! Languages are paced each by itself, so that a quiet language could overtake a busy one, whose messages wait for the
//! end of a tick. A client keeps one position in a lane, and what it recovers is what comes after that position: a lane
//! whose offsets go to and fro would make `recovered` a lie. What is ready therefore waits for what is older and not
//! ready, at most to the end of its tick.

use std::{collections::BTreeMap, sync::Arc};

use fanwave_wire::{Event, Offset, Publication};

use crate::{governor::Reach, limits::READY_MAX, recent::deletes};

/// What is ready to be shown, and may have to wait.
#[derive(Debug, Default)]
pub(super) struct Ready {
    waiting: BTreeMap<Offset, (Arc<Publication>, Reach)>,
    /// The newest that has been let go to everyone.
    passed: Offset,
}

/// Whether a message keeps its reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It does.
    AsIs,
    /// Newer ones have been shown already, for too much was ready: it is only for those who are always shown it.
    TooLate,
}

impl Ready {
    /// Takes a message that is to be shown.
    pub(super) fn take(&mut self, publication: Arc<Publication>, to: Reach) -> Taken {
        let is_late = to == Reach::Everyone && publication.offset <= self.passed;
        let to = if is_late {
            Reach::Only([Some(publication.draft.sender.user.clone()), None])
        } else {
            to
        };
        self.waiting.insert(publication.offset, (publication, to));
        if is_late { Taken::TooLate } else { Taken::AsIs }
    }

    /// The next that may go: nothing before `limit` can still become ready. All may, when nothing else waits.
    pub(super) fn next(&mut self, limit: Option<Offset>) -> Option<(Arc<Publication>, Reach)> {
        let is_full = self.waiting.len() > READY_MAX;
        let oldest = self.waiting.first_entry()?;
        let offset = *oldest.key();
        if !is_full && limit.is_some_and(|limit| offset >= limit) {
            return None;
        }
        let (publication, to) = oldest.remove();
        if to == Reach::Everyone {
            self.passed = self.passed.max(offset);
        }
        Some((publication, to))
    }

    /// Lets go of what an event deletes.
    pub(super) fn erase(&mut self, event: &Event) {
        self.waiting
            .retain(|_, (publication, _)| !deletes(event, publication));
    }
}
