//! What the events of a room's lossless lane have deleted from its chat lane.
//!
//! JetStream cannot change what it holds, so whoever reads a chat lane leaves out what is deleted. The order in which
//! the events are taken in makes no difference: they are read back from the newest.

use std::collections::{BTreeSet, HashMap};

use fanwave_wire::{Event, Offset, Publication, UserId};

use super::entry::Entry;
use crate::limits::NATS_DELETIONS_MAX;

/// All deletions of one room.
#[derive(Debug, Clone, Default)]
pub(super) struct Erased {
    offsets: BTreeSet<Offset>,
    users: HashMap<UserId, Offset>,
    /// Everything up to here counts as deleted, because which of it is was too much to keep.
    floor: Offset,
    /// The newest offset of the chat lane that an event has named.
    reach: Offset,
}

impl Erased {
    /// Takes in what an entry of the `room` lane says.
    pub(super) fn absorb(&mut self, entry: &Entry) {
        for publication in entry.publications() {
            if let Some(event) = publication.draft.body.as_event() {
                self.take(event);
            }
        }
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Deleted { offset } => {
                self.reach = self.reach.max(*offset);
                self.offsets.insert(*offset);
            }
            Event::Cleared { user, through } => {
                self.reach = self.reach.max(*through);
                let cleared = self.users.entry(user.clone()).or_default();
                *cleared = (*cleared).max(*through);
            }
            _ => return,
        }
        // Better too much is left out of the oldest than anything deleted shown.
        while self.offsets.len() > NATS_DELETIONS_MAX
            && let Some(oldest) = self.offsets.pop_first()
        {
            self.floor = self.floor.max(oldest);
        }
        if self.users.len() > NATS_DELETIONS_MAX {
            self.forget_oldest_user();
        }
    }

    fn forget_oldest_user(&mut self) {
        let oldest = self.users.iter().min_by_key(|(_, through)| **through);
        if let Some((user, through)) = oldest.map(|(user, through)| (user.clone(), *through)) {
            self.users.remove(&user);
            self.floor = self.floor.max(through);
        }
    }

    /// Whether a publication of the chat lane is deleted.
    pub(super) fn has(&self, publication: &Publication) -> bool {
        let Publication { offset, draft, .. } = publication;
        let cleared = self.users.get(&draft.sender.user);
        *offset <= self.floor
            || self.offsets.contains(offset)
            || cleared.is_some_and(|through| offset <= through)
    }

    /// Behind which offset a chat lane begins anew: what was deleted must not hit what is said later.
    pub(super) fn reach(&self) -> Offset {
        self.reach
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanwave_room::recent::deletes;
    use fanwave_wire::{
        Body as MessageBody, ClientMessageId, Draft, Epoch, Role, Sender, UnixMillis,
        envelope::Batch,
    };
    use proptest::prelude::*;

    use super::{super::entry::Body, *};

    fn publication(offset: u64, user: u8, body: Option<Event>) -> Publication {
        let sender = Sender::new(UserId(user.to_string().into()), "Mina", Role::Moderator);
        let mut draft = Draft::text(ClientMessageId("1".into()), sender, "hello");
        if let Some(event) = body {
            draft.body = MessageBody::Event(Box::new(event));
        }
        Publication {
            offset: Offset(offset),
            at: UnixMillis(1),
            draft,
        }
    }

    fn entry(event: Event) -> Entry {
        Entry {
            mark: 0,
            previous: Vec::new(),
            body: Body::Batch(Batch {
                channel: "room:demo".parse().unwrap(),
                epoch: Epoch("e".into()),
                publications: vec![Arc::new(publication(1, 0, Some(event)))],
            }),
        }
    }

    fn event() -> impl Strategy<Value = Event> {
        let user = |user: u8| UserId(user.to_string().into());
        prop_oneof![
            (0..30_u64).prop_map(|offset| Event::Deleted {
                offset: Offset(offset)
            }),
            (0..4_u8, 0..30_u64).prop_map(move |(name, through)| Event::Cleared {
                user: user(name),
                through: Offset(through),
            }),
            (0..4_u8).prop_map(move |name| Event::Pardoned { user: user(name) }),
        ]
    }

    proptest! {
        /// The same is deleted as by the events one by one, in whatever order they are read.
        #[test]
        fn what_is_deleted_is_what_the_events_say(events in prop::collection::vec(event(), 0..30)) {
            let mut erased = Erased::default();
            for event in events.iter().rev() {
                erased.absorb(&entry(event.clone()));
            }
            for offset in 1..=30 {
                for user in 0..4 {
                    let said = publication(offset, user, None);
                    let deleted = events.iter().any(|event| deletes(event, &said));
                    prop_assert_eq!(erased.has(&said), deleted);
                    prop_assert!(!deleted || said.offset <= erased.reach());
                }
            }
        }
    }
}
