//! The engine as a model: the real sequencer of each lane, and a log that is a vector.
//!
//! It keeps the contract of the real one: an acknowledgement means stored, the same sender and id is one message for
//! ever, offsets have no gap, and what a deletion deletes is gone in the moment in which the deletion is stored.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fanwave_room::{
    recent::deletes,
    sequence::{HeldAs, Input, Output, Repeat, Sequencer, Taken, Ticket},
};
use fanwave_wire::{
    ClientMessageId, Draft, Epoch, Event, Lane, Offset, Publication, UnixMillis, UserId,
};

/// All lanes of the room.
pub(crate) const LANES: [Lane; 4] = [Lane::Room, Lane::Chat, Lane::Staff, Lane::Vote];

/// What the engine does after an input.
#[derive(Debug)]
pub(crate) enum Does {
    /// It writes: call [`Engine::flush`] in a moment.
    Write(Lane),
    /// It delivers to every node.
    Deliver(Lane, Arc<Publication>),
    /// It answers: stored, or not.
    Answer(u64, Answered),
}

/// What somebody who published is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    Stored {
        offset: Offset,
        /// Whether this was the first of its sender and id.
        is_first: bool,
    },
    NotStored,
}

/// The log of the room.
#[derive(Debug)]
pub(crate) struct Engine {
    lanes: BTreeMap<Lane, LaneLog>,
    /// While it is down, nothing is stored.
    pub(crate) is_down: bool,
    /// Offsets of the chat lane that are deleted, and the offset of the event that did it.
    pub(crate) deleted: BTreeMap<Offset, Offset>,
}

#[derive(Debug)]
struct LaneLog {
    sequencer: Sequencer,
    /// What is being written.
    writing: Vec<Arc<Publication>>,
    log: Vec<Arc<Publication>>,
    known: BTreeMap<(UserId, ClientMessageId), Taken>,
}

/// The one run of offsets there is.
pub(crate) fn epoch() -> Epoch {
    Epoch("simulated".into())
}

impl Engine {
    pub(crate) fn new() -> Self {
        let lane = |lane| {
            let log = LaneLog {
                sequencer: Sequencer::resume(epoch(), Offset(0), []),
                writing: Vec::new(),
                log: Vec::new(),
                known: BTreeMap::new(),
            };
            (lane, log)
        };
        Self {
            lanes: LANES.into_iter().map(lane).collect(),
            is_down: false,
            deleted: BTreeMap::new(),
        }
    }

    /// The whole log of a lane, what is deleted included.
    pub(crate) fn log(&self, lane: Lane) -> &[Arc<Publication>] {
        self.lanes.get(&lane).map_or(&[], |log| &log.log)
    }

    pub(crate) fn submit(
        &mut self,
        now: UnixMillis,
        lane: Lane,
        ticket: u64,
        draft: Draft,
    ) -> Vec<Does> {
        let ticket = Ticket(ticket);
        self.step(now, lane, Input::Submit { ticket, draft })
    }

    /// What was being written is written, or lost.
    pub(crate) fn flush(&mut self, now: UnixMillis, lane: Lane) -> Vec<Does> {
        let is_down = self.is_down;
        let Some(log) = self.lanes.get_mut(&lane) else {
            return Vec::new();
        };
        let written = std::mem::take(&mut log.writing);
        let held: Vec<_> = written
            .iter()
            .filter_map(|publication| log.held(publication))
            .collect();
        let input = if is_down {
            Input::Failed
        } else if held.is_empty() {
            log.keep(&written);
            Input::Stored
        } else {
            Input::Held { held }
        };
        if lane == Lane::Room && matches!(input, Input::Stored) {
            for publication in &written {
                self.delete(publication);
            }
        }
        self.step(now, lane, input)
    }

    fn step(&mut self, now: UnixMillis, lane: Lane, input: Input) -> Vec<Does> {
        let Some(log) = self.lanes.get_mut(&lane) else {
            return Vec::new();
        };
        log.sequencer.handle(now, input);
        let mut does = Vec::new();
        while let Some(output) = log.sequencer.poll_output() {
            does.push(match output {
                Output::Append { publications } => {
                    log.writing = publications;
                    Does::Write(lane)
                }
                Output::Deliver(publication) => Does::Deliver(lane, publication),
                Output::Acked {
                    ticket,
                    taken,
                    repeat,
                } => {
                    let answered = Answered::Stored {
                        offset: taken.offset,
                        is_first: repeat == Repeat::First,
                    };
                    Does::Answer(ticket.0, answered)
                }
                Output::Rejected { ticket, .. } => Does::Answer(ticket.0, Answered::NotStored),
            });
        }
        does
    }

    /// What an event deletes is deleted with it.
    fn delete(&mut self, publication: &Publication) {
        let Some(event @ (Event::Deleted { .. } | Event::Cleared { .. })) =
            publication.draft.body.as_event()
        else {
            return;
        };
        let chat = self.lanes.get(&Lane::Chat).map_or(&[][..], |log| &log.log);
        for text in chat.iter().filter(|text| deletes(event, text)) {
            self.deleted
                .entry(text.offset)
                .or_insert(publication.offset);
        }
    }

    /// Whoever breaks the promise of one message for each sender and id.
    pub(crate) fn repeated(&self) -> usize {
        let repeated = |log: &LaneLog| {
            let keys: BTreeSet<_> = log.log.iter().map(|publication| key(publication)).collect();
            log.log.len() - keys.len()
        };
        self.lanes.values().map(repeated).sum()
    }
}

impl LaneLog {
    fn held(&self, publication: &Publication) -> Option<HeldAs> {
        let taken = *self.known.get(&key(publication))?;
        Some(HeldAs {
            proposed: publication.offset,
            taken,
        })
    }

    fn keep(&mut self, written: &[Arc<Publication>]) {
        for publication in written {
            let taken = Taken {
                offset: publication.offset,
                at: publication.at,
            };
            self.known.insert(key(publication), taken);
            self.log.push(Arc::clone(publication));
        }
    }
}

fn key(publication: &Publication) -> (UserId, ClientMessageId) {
    (
        publication.draft.sender.user.clone(),
        publication.draft.id.clone(),
    )
}
