//! One open channel: its sequencer, its window, and who waits for an answer. Everything here is synchronous.

use std::{collections::HashMap, sync::Arc};

use fanwave_room::{
    recent::{Recent, Stretch},
    sequence::{HeldAs, Input, Output, Rejection, Repeat, Sequencer, Taken, Ticket},
};
use fanwave_store::{Held, Standing, StoreError};
use fanwave_wire::{Draft, Epoch, Event, Offset, Publication, UnixMillis, limits::RECENT_MAX};
use tokio::sync::oneshot;

use super::unavailable;
use crate::{Ack, EngineError, HistoryQuery, Snapshot, window};

/// Messages on their way to the store.
pub(super) type Batch = Vec<Arc<Publication>>;

/// What became of a batch at the store.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is durable.
    Stored,
    /// Nothing of it was written, because the log holds these already.
    Held(Vec<Held>),
    /// Nothing of it was written.
    Failed(StoreError),
    /// Nothing of it was written, because the log holds these, which this engine did not know of, and stands there.
    Behind(Batch, Offset),
}

/// Where the answer to a publish goes.
pub(super) type Answer = oneshot::Sender<Result<Ack, EngineError>>;

/// A channel that is open.
#[derive(Debug)]
pub(super) struct OpenChannel {
    sequencer: Sequencer,
    recent: Recent,
    /// Deletions of messages that are not in the window yet: their append is durable, and its answer on the way. Bounded
    /// by the messages of one append, and empty but for moments.
    erasures: Vec<Event>,
    subscription: Subscription,
    /// One per ticket of the sequencer, which bounds them.
    waiting: HashMap<Ticket, Answer>,
    next_ticket: u64,
}

/// Whether this node's sink wants the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscription {
    Subscribed,
    Unsubscribed,
}

/// What is to be done after the store has answered.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// To the sink, in this order; empty when it does not want them.
    pub(super) deliveries: Vec<Arc<Publication>>,
    /// To the store.
    pub(super) batch: Option<Batch>,
}

impl OpenChannel {
    /// Goes on where the log stands, whose texts may be gone up to `kept_after`.
    pub(super) fn resume(
        standing: Standing,
        kept_after: Offset,
        newest: Vec<Arc<Publication>>,
    ) -> Self {
        // The log gives the newest RECENT_MAX that there are; fewer are all that have not been let go of.
        let floor = match newest.first() {
            Some(oldest) if newest.len() >= RECENT_MAX => Offset(oldest.offset.0 - 1),
            Some(_) | None => kept_after.min(standing.head),
        };
        // What was appended between the two reads is not taken in: nothing of this process appends to a channel that is
        // being opened.
        let publications = newest
            .into_iter()
            .filter(|publication| publication.offset <= standing.head && publication.offset > floor)
            .collect();
        let stretch = Stretch {
            floor,
            head: standing.head,
            publications,
        };
        let recent = Recent::resume(standing.epoch.clone(), stretch);
        let sequencer = Sequencer::resume(standing.epoch, standing.head, recent.all());
        Self {
            sequencer,
            recent,
            erasures: Vec::new(),
            subscription: Subscription::Unsubscribed,
            waiting: HashMap::new(),
            next_ticket: 0,
        }
    }

    /// Takes a message, whose sender is answered now or later.
    pub(super) fn submit(
        &mut self,
        now: UnixMillis,
        draft: Draft,
        answer: Answer,
    ) -> Option<Batch> {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.waiting.insert(ticket, answer);
        self.sequencer.handle(now, Input::Submit { ticket, draft });
        self.drain(&EngineError::Busy).batch
    }

    /// Takes the store's answer to the batch that is out.
    pub(super) fn complete(&mut self, now: UnixMillis, outcome: Outcome) -> Effects {
        let (input, error) = match outcome {
            Outcome::Stored => (Input::Stored, EngineError::Busy),
            Outcome::Held(held) => (
                Input::Held {
                    held: held.into_iter().map(held_as).collect(),
                },
                EngineError::Busy,
            ),
            Outcome::Failed(error) => (Input::Failed, unavailable(error)),
            Outcome::Behind(newer, head) => return self.catch_up(now, newer, head),
        };
        self.sequencer.handle(now, input);
        self.drain(&error)
    }

    /// Takes in what the log holds and this engine did not know of, because the answer to an append was lost.
    ///
    /// Whoever waits is told to send again, and finds the message held if it was among these.
    fn catch_up(&mut self, now: UnixMillis, newer: Batch, head: Offset) -> Effects {
        self.abandon(now, &unavailable(StoreError::Moved));
        let mut effects = Effects::default();
        for publication in newer {
            if publication.offset > self.recent.head() {
                self.take_in(publication, &mut effects);
            }
        }
        if head > self.recent.head() {
            self.recent.pass(head);
        }
        let (epoch, head) = self.standing();
        self.sequencer = Sequencer::resume(epoch, head, self.recent.all());
        effects
    }

    /// Tells senders who have waited too long, and forgets what is due to be.
    pub(super) fn tick(&mut self, now: UnixMillis) {
        if self
            .sequencer
            .poll_timeout()
            .is_some_and(|deadline| deadline.at <= now)
        {
            self.sequencer.handle(now, Input::Tick);
            // Time alone neither stores nor hands out anything.
            self.drain(&EngineError::Busy);
        }
    }

    /// Gives back all that is on its way: there is nobody to bring it to the store.
    pub(super) fn abandon(&mut self, now: UnixMillis, error: &EngineError) {
        while !self.sequencer.is_idle() {
            self.sequencer.handle(now, Input::Failed);
            self.drain(error);
        }
    }

    /// Begins delivery, and says from where.
    pub(super) fn subscribe(&mut self) -> Snapshot {
        self.subscription = Subscription::Subscribed;
        let (epoch, head) = self.standing();
        Snapshot {
            epoch,
            head,
            floor: self.recent.floor(),
            recent: self.recent.all().cloned().collect(),
        }
    }

    /// Forgets what the room's lossless lane has deleted from this one.
    pub(super) fn erase(&mut self, event: &Event) {
        self.recent.erase(event);
        let on_its_way = reaches_beyond(event, self.recent.head()) && !self.sequencer.is_idle();
        if on_its_way {
            self.erasures.push(event.clone());
        }
    }

    /// Ends delivery.
    pub(super) fn unsubscribe(&mut self) {
        self.subscription = Subscription::Unsubscribed;
    }

    /// Whether closing the channel would lose nothing.
    pub(super) fn is_unused(&self) -> bool {
        self.subscription == Subscription::Unsubscribed && self.sequencer.is_idle()
    }

    /// The run of offsets, and the newest durable one.
    pub(super) fn standing(&self) -> (Epoch, Offset) {
        (self.recent.epoch().clone(), self.recent.head())
    }

    /// The answer to a query, when the window holds all of it.
    pub(super) fn remembered(&self, query: HistoryQuery) -> Option<Vec<Arc<Publication>>> {
        window::remembered(&self.recent, query)
    }

    /// Does what the sequencer says. `error` is what a sender is told whose message failed.
    fn drain(&mut self, error: &EngineError) -> Effects {
        let mut effects = Effects::default();
        while let Some(output) = self.sequencer.poll_output() {
            match output {
                Output::Append { publications } => effects.batch = Some(publications),
                Output::Deliver(publication) => self.take_in(publication, &mut effects),
                Output::Acked {
                    ticket,
                    taken,
                    repeat,
                } => {
                    let ack = self.ack(taken, repeat);
                    self.answer(ticket, Ok(ack));
                }
                Output::Rejected { ticket, rejection } => {
                    self.answer(ticket, Err(refusal(rejection, error)));
                }
            }
        }
        effects
    }

    /// Remembers the next durable publication, and delivers it if it is wanted.
    fn take_in(&mut self, publication: Arc<Publication>, effects: &mut Effects) {
        self.recent.push(Arc::clone(&publication));
        if !self.erasures.is_empty() {
            for event in &self.erasures {
                self.recent.erase(event);
            }
            let head = self.recent.head();
            self.erasures.retain(|event| reaches_beyond(event, head));
        }
        if self.subscription == Subscription::Subscribed {
            effects.deliveries.push(publication);
        }
    }

    fn ack(&self, taken: Taken, repeat: Repeat) -> Ack {
        Ack {
            epoch: self.sequencer.epoch().clone(),
            offset: taken.offset,
            at: taken.at,
            duplicate: repeat == Repeat::Again,
        }
    }

    fn answer(&mut self, ticket: Ticket, result: Result<Ack, EngineError>) {
        if let Some(answer) = self.waiting.remove(&ticket) {
            // The sender may have gone; the message has its place all the same.
            drop(answer.send(result));
        }
    }
}

/// Whether a deletion concerns messages newer than this.
fn reaches_beyond(event: &Event, head: Offset) -> bool {
    match event {
        Event::Deleted { offset } => *offset > head,
        Event::Cleared { through, .. } => *through > head,
        _ => false,
    }
}

fn refusal(rejection: Rejection, error: &EngineError) -> EngineError {
    match rejection {
        Rejection::Busy => EngineError::Busy,
        Rejection::Failed => error.clone(),
        Rejection::Stalled => EngineError::Unavailable {
            reason: "the message log does not answer".to_owned(),
        },
    }
}

fn held_as(held: Held) -> HeldAs {
    HeldAs {
        proposed: held.proposed,
        taken: Taken {
            offset: held.offset,
            at: held.at,
        },
    }
}
