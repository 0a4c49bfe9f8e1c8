//! Everything of one room on one node, as one machine: what is asked of it, and what is to be done about it.
//!
//! The shell brings what fans ask for ([`Input::Say`], [`Input::Act`], [`Input::React`], [`Input::Vote`]), what the engine
//! delivers ([`Input::Published`], in the order of each lane), what other nodes tell ([`Input::Heard`]), who comes and
//! goes, and the time. After each input it
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
mod ask;
mod order;
mod published;
mod report;
mod say;
mod senders;
#[cfg(test)]
mod tests;
mod types;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use fanwave_wire::{
    ClientMessageId, Event, Lane, Notice, Offset, Publication, RoomId, UnixMillis, UserId,
};

pub use self::types::{
    Act, Answer, Input, Output, Publish, Reason, Say, Settings, Standing, Ticket,
};
use self::{
    order::Ready,
    senders::{Ranks, Senders},
};
use crate::{
    admit::{Gate, Rules},
    governor::Governor,
    limits::{GIFT_REFILL, GIFTS_BURST, REPORT_REFILL, REPORTS_BURST},
    moderation::Policy,
    polls::Polls,
    presence::{Audience, Joined, Left, Telling},
    reactions::Reactions,
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
    reports: Gate,
    report_rules: Rules,
    governor: Governor,
    ready: Ready,
    reactions: Reactions,
    polls: Polls,
    /// What has opened the open polls.
    opened: BTreeMap<ClientMessageId, Arc<Publication>>,
    /// Votes that have come before their poll, or after it; oldest first.
    early_votes: VecDeque<Arc<Publication>>,
    audience: Audience,
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
        let reactions = Reactions::new(id.clone(), settings.reactions.clone());
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
            reports: Gate::new(),
            report_rules: Rules {
                burst: REPORTS_BURST,
                refill: REPORT_REFILL,
                ..Rules::default()
            },
            governor,
            ready: Ready::default(),
            reactions,
            polls: Polls::new(),
            opened: BTreeMap::new(),
            early_votes: VecDeque::new(),
            audience: Audience::new(),
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
    ///
    /// The ballot box comes after the room's own lane: a vote counts in a poll that is known to be open.
    pub fn restore(&mut self, now: UnixMillis, lane: Lane, publication: &Arc<Publication>) {
        self.fold(now, lane, publication);
    }

    /// Takes one input; drain [`Room::poll_output`] afterwards.
    pub fn handle(&mut self, now: UnixMillis, input: Input) {
        match input {
            Input::Say { ticket, say } => self.handle_say(now, ticket, *say),
            Input::Act { ticket, act } => self.handle_act(now, ticket, *act),
            Input::React {
                ticket,
                sender,
                batch,
                taps,
            } => {
                let judged = self.judge_taps(now, &sender, &batch, &taps);
                self.outputs.push_back(match judged {
                    Ok(()) => Output::Done { ticket },
                    Err(refusal) => Output::Refuse { ticket, refusal },
                });
            }
            Input::Heard { taps } => self.reactions.hear(now, &taps),
            Input::Vote {
                ticket,
                sender,
                poll,
                choice,
            } => {
                let judged = self.judge_vote(now, sender, poll, choice);
                self.answer(ticket, judged);
            }
            Input::Published { lane, publication } => self.handle_published(now, lane, publication),
            Input::Joined { user } => self.handle_joined(user),
            Input::Left { user } => self.handle_left(user),
            Input::Timeout => self.handle_timeout(now),
        }
    }

    fn handle_joined(&mut self, user: UserId) {
        let joined = self.audience.join(&user);
        if joined == Joined::NewUser && self.audience.telling() == Telling::Each {
            self.outputs.push_back(Output::Joined { user });
        }
    }

    fn handle_left(&mut self, user: UserId) {
        let left = self.audience.leave(&user);
        if left == Left::LastOfUser && self.audience.telling() == Telling::Each {
            self.outputs.push_back(Output::Left { user });
        }
    }

    fn handle_timeout(&mut self, now: UnixMillis) {
        self.governor.handle_timeout(now);
        self.reactions.handle_timeout(now);
        self.polls.handle_timeout(now);
        self.drain_governor();
        self.drain_reactions();
        self.drain_polls();
    }

    /// What is to be done next, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The earliest time at which something happens by itself, and what.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(UnixMillis, Reason)> {
        let deadlines = [
            (self.governor.poll_timeout(), Reason::Governor),
            (self.reactions.poll_timeout(), Reason::Reactions),
            (self.polls.poll_timeout(), Reason::Polls),
        ];
        let deadlines = deadlines.into_iter();
        deadlines
            .filter_map(|(at, reason)| at.map(|at| (at, reason)))
            .min()
    }

    /// The rules as they stand.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Who is here, on this node.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// What somebody who comes now is told first.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let mode = self.policy.mode_set().into_iter();
        let tallies = self.polls.open_polls().map(|(poll, counts)| Notice::Tally {
            poll: poll.clone(),
            counts: counts.to_vec(),
        });
        Standing {
            events: mode
                .chain(self.policy.pins())
                .chain(self.opened.values())
                .cloned()
                .collect(),
            tallies: tallies.collect(),
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
