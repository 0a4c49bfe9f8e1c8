//! What becomes of each append of a group, given where its channel stands and which client ids the log holds.

use std::{collections::HashMap, sync::Arc};

use fanwave_wire::{Offset, Publication, UnixMillis};

use crate::Held;

/// What is known of the channels of a group, and what the appends before have changed.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    channels: HashMap<String, Standing>,
    /// By channel, user and client id.
    holdings: HashMap<(i64, String, String), Holding>,
}

#[derive(Debug)]
struct Standing {
    id: i64,
    head: Offset,
    keeps: Option<i64>,
    has_moved: bool,
}

/// Where a message is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holding {
    pub(super) offset: Offset,
    pub(super) at: UnixMillis,
}

/// What becomes of an append.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is written, and the channel's head moves.
    Taken {
        channel_id: i64,
        /// For how long its texts are kept, milliseconds.
        keeps: Option<i64>,
    },
    /// The log holds some of it already.
    Held(Vec<Held>),
    /// It does not fit the head, or the channel has not begun.
    Moved,
}

impl Ledger {
    /// A channel whose row is locked.
    pub(super) fn open(&mut self, name: String, id: i64, head: Offset, keeps: Option<i64>) {
        let has_moved = false;
        let standing = Standing {
            id,
            head,
            keeps,
            has_moved,
        };
        self.channels.insert(name, standing);
    }

    /// A message that the log holds.
    pub(super) fn hold(&mut self, key: (i64, String, String), holding: Holding) {
        self.holdings.insert(key, holding);
    }

    pub(super) fn channel_id(&self, name: &str) -> Option<i64> {
        self.channels.get(name).map(|standing| standing.id)
    }

    /// Channels with another head than they had.
    pub(super) fn moved(&self) -> impl Iterator<Item = (i64, Offset)> {
        let standings = self.channels.values();
        standings
            .filter(|standing| standing.has_moved)
            .map(|standing| (standing.id, standing.head))
    }
}

/// Judges one append, and takes note of it for the next.
pub(super) fn judge(
    ledger: &mut Ledger,
    channel: &str,
    publications: &[Arc<Publication>],
) -> Verdict {
    let Some(standing) = ledger.channels.get_mut(channel) else {
        return Verdict::Moved;
    };
    let (channel_id, keeps) = (standing.id, standing.keeps);
    let key = |publication: &Publication| {
        let draft = &publication.draft;
        let (user, id) = (draft.sender.user.0.to_string(), draft.id.0.to_string());
        (channel_id, user, id)
    };
    let held: Vec<Held> = publications
        .iter()
        .filter_map(|publication| {
            let holding = ledger.holdings.get(&key(publication))?;
            Some(Held {
                proposed: publication.offset,
                offset: holding.offset,
                at: holding.at,
            })
        })
        .collect();
    if !held.is_empty() {
        return Verdict::Held(held);
    }
    let (Some(first), Some(last)) = (publications.first(), publications.last()) else {
        return Verdict::Taken { channel_id, keeps };
    };
    if standing.head.next() != first.offset {
        return Verdict::Moved;
    }
    standing.head = last.offset;
    standing.has_moved = true;
    for publication in publications {
        let holding = Holding {
            offset: publication.offset,
            at: publication.at,
        };
        ledger.holdings.insert(key(publication), holding);
    }
    Verdict::Taken { channel_id, keeps }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use fanwave_wire::{Body, ClientMessageId, Draft, Role, Sender, Text, UserId};
    use proptest::prelude::*;

    use super::*;

    fn message(offset: u64, id: u8) -> Arc<Publication> {
        Arc::new(Publication {
            offset: Offset(offset),
            at: UnixMillis(offset),
            draft: Draft {
                id: ClientMessageId(id.to_string().into()),
                sender: Sender {
                    user: UserId("fan".into()),
                    name: "fan".into(),
                    role: Role::Fan,
                    badge: None,
                },
                body: Body::Text(Text::plain("")),
            },
        })
    }

    /// Where an append begins, against the head, and the ids of its messages, each once.
    fn append() -> impl Strategy<Value = (bool, u64, Vec<u8>)> {
        let ids = prop::collection::btree_set(0..40_u8, 1..4);
        (any::<bool>(), 0..4_u64, ids)
            .prop_map(|(known, shift, ids)| (known, shift, ids.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn what_is_taken_is_one_run_without_copies(
            head in 0..5_u64,
            held in prop::collection::btree_set(0..40_u8, 0..5),
            appends in prop::collection::vec(append(), 0..20),
        ) {
            let mut ledger = Ledger::default();
            ledger.open("chat:known".to_owned(), 7, Offset(head), Some(9));
            let mut ids: HashSet<u8> = held.iter().copied().collect();
            for id in &held {
                let holding = Holding { offset: Offset(1), at: UnixMillis(1) };
                ledger.hold((7, "fan".to_owned(), id.to_string()), holding);
            }
            let mut newest = head;
            for (known, shift, wanted) in appends {
                let name = if known { "chat:known" } else { "chat:unknown" };
                // Mostly right behind the newest.
                let first = newest + if shift < 3 { 1 } else { shift };
                let publications: Vec<_> = (first..).zip(&wanted).map(|(offset, id)| message(offset, *id)).collect();
                match judge(&mut ledger, name, &publications) {
                    Verdict::Taken { channel_id, keeps } => {
                        prop_assert_eq!((channel_id, keeps), (7, Some(9)));
                        prop_assert!(known && first == newest + 1);
                        newest += wanted.len() as u64;
                        for id in wanted {
                            prop_assert!(ids.insert(id), "a copy was taken");
                        }
                    }
                    Verdict::Held(found) => {
                        prop_assert!(known);
                        let copies = wanted.iter().filter(|id| ids.contains(id)).count();
                        prop_assert_eq!(found.len(), copies);
                    }
                    Verdict::Moved => {
                        prop_assert!(!known || first != newest + 1);
                        prop_assert!(!known || wanted.iter().all(|id| !ids.contains(id)));
                    }
                }
            }
            let moved: Vec<_> = ledger.moved().collect();
            let wanted: Vec<_> = (newest > head).then_some((7, Offset(newest))).into_iter().collect();
            prop_assert_eq!(moved, wanted);
        }
    }
}
