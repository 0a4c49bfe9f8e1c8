//! Everything of one room on one node, as one machine: what is asked of it, and what is to be done about it.
//!
//! The shell brings what fans ask for ([`Input::Say`], [`Input::Act`], [`Input::React`], [`Input::Vote`]), what the engine
//! delivers ([`Input::Published`], in the order of each lane), who comes and goes, and the time. After each input it
//! drains [`Room::poll_output`] and obeys; [`Room::poll_timeout`] says when to come back by itself.
//!
//! * A node that opens a room first tells it where its lanes stand ([`Room::resume`]) and folds the room's events
//!   ([`Room::restore`]), lane after lane, oldest first.
//! * A room never shows what the engine has not: what it lets in leaves as [`Output::Publish`], and is shown when it
//!   comes back as [`Input::Published`]. So every node decides about the same publications, and shows the same.
//! * The rules in force are the fold of the room's events, and nothing else. Only how fast somebody has been sending is
//!   known to each node for itself.
//! * Every request gets exactly one answer with its ticket: [`Output::Publish`], [`Output::Refuse`] or [`Output::Done`].
//!
//! The room knows no sockets, no encodings, no engine.

mod act;
mod published;
mod say;
mod senders;
#[cfg(test)]
mod tests;
mod types;

use std::{collections::VecDeque, sync::Arc};

use fanwave_wire::{Event, Lane, Offset, Publication, RoomId, UnixMillis};

use self::senders::{Ranks, Senders};
pub use self::types::{
    Act, Answer, Input, Output, Publish, Reason, Say, Settings, Standing, Ticket,
};
use crate::{
    admit::{Gate, Rules},
    governor::Governor,
    limits::{GIFT_REFILL, GIFTS_BURST},
    moderation::Policy,
    words::Words,
};
pub use crate::{governor::Reach, moderation::Refusal};

/// One room on one node; see the module for how to drive it.
#[derive(Debug)]
pub struct Room {
    settings: Settings,
    policy: Policy,
    words: Arc<Words>,
    /// Whether the lists have changed since `words` was compiled.
    words_are_stale: bool,
    senders: Senders,
    ranks: Ranks,
    gifts: Gate,
    gift_rules: Rules,
    governor: Governor,
    chat_head: Offset,
    /// Deletions that have come before what they delete; oldest first.
    doomed: VecDeque<Event>,
    outputs: VecDeque<Output>,
}

impl Room {
    /// A room in which nothing has happened.
    #[must_use]
    pub fn new(id: &RoomId, settings: Settings) -> Self {
        let governor = Governor::new(id, settings.governor);
        Self {
            settings,
            policy: Policy::new(),
            words: Arc::default(),
            words_are_stale: false,
            senders: Senders::default(),
            ranks: Ranks::default(),
            gifts: Gate::new(),
            gift_rules: Rules {
                burst: GIFTS_BURST,
                refill: GIFT_REFILL,
                ..Rules::default()
            },
            governor,
            chat_head: Offset(0),
            doomed: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Tells a room that is being opened where one of its lanes stands.
    pub fn resume(&mut self, lane: Lane, head: Offset) {
        if lane == Lane::Chat {
            self.chat_head = self.chat_head.max(head);
        }
    }

    /// Folds a publication from before the room was opened here; lane after lane, oldest first. Says nothing to anybody.
    pub fn restore(&mut self, lane: Lane, publication: &Arc<Publication>) {
        self.fold(lane, publication);
    }

    /// Takes one input; drain [`Room::poll_output`] afterwards.
    pub fn handle(&mut self, now: UnixMillis, input: Input) {
        match input {
            Input::Say { ticket, say } => self.handle_say(now, ticket, *say),
            Input::Act { ticket, act } => self.handle_act(now, ticket, *act),
            Input::React { ticket, .. } => self.outputs.push_back(Output::Done { ticket }),
            Input::Vote { ticket, .. } => self.answer(ticket, Err(Refusal::NotFound)),
            Input::Published { lane, publication } => self.handle_published(now, lane, publication),
            Input::Joined { .. } | Input::Left { .. } => {}
            Input::Timeout => {
                self.governor.handle_timeout(now);
                self.drain_governor();
            }
        }
    }

    /// What is to be done next, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The earliest time at which something happens by itself, and what.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(UnixMillis, Reason)> {
        let governor = self
            .governor
            .poll_timeout()
            .map(|at| (at, Reason::Governor));
        governor.into_iter().min()
    }

    /// The rules as they stand.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What somebody who comes now is told first.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let pins = self.policy.pins().iter();
        Standing {
            events: self
                .policy
                .mode_set()
                .into_iter()
                .chain(pins)
                .cloned()
                .collect(),
            tallies: Vec::new(),
        }
    }

    /// Answers a request.
    fn answer(&mut self, ticket: Ticket, judged: Result<Publish, Refusal>) {
        self.outputs.push_back(match judged {
            Ok(publish) => Output::Publish(Box::new(Publish {
                ticket: Some(ticket),
                ..publish
            })),
            Err(refusal) => Output::Refuse { ticket, refusal },
        });
    }

    /// The words in force. Compiling takes milliseconds, and is put off until somebody speaks: a room that is being
    /// opened folds all its lists first.
    fn words(&mut self) -> Arc<Words> {
        if std::mem::take(&mut self.words_are_stale) {
            self.words = Arc::new(Words::compile(self.policy.lists()));
        }
        Arc::clone(&self.words)
    }
}
