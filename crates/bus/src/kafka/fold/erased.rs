//! What has been deleted from a chat lane.

use std::collections::{BTreeMap, BTreeSet};

use fanwave_wire::{Event, Offset, Publication, UserId};

/// Deletions that still hide something; each has cost a moderator an act.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Erased {
    pub(super) offsets: BTreeSet<Offset>,
    /// All that somebody said up to there.
    pub(super) users: BTreeMap<UserId, Offset>,
}

impl Erased {
    /// Takes note of what an event deletes of what there is up to the head.
    pub(super) fn add(&mut self, event: &Event, head: Offset) {
        match event {
            // What has that offset later is another message.
            Event::Deleted { offset } if *offset <= head => {
                self.offsets.insert(*offset);
            }
            Event::Cleared { user, through } => {
                let through = (*through).min(head);
                let known = self.users.entry(user.clone()).or_default();
                *known = through.max(*known);
            }
            _ => {}
        }
    }

    pub(super) fn covers(&self, publication: &Publication) -> bool {
        let cleared = self.users.get(&publication.draft.sender.user);
        self.offsets.contains(&publication.offset)
            || cleared.is_some_and(|through| publication.offset <= *through)
    }

    /// Forgets what hides nothing any more, because the lane begins behind it.
    pub(super) fn forget_before(&mut self, floor: Offset) {
        self.offsets = self.offsets.split_off(&floor);
        self.users.retain(|_, through| *through >= floor);
    }
}
