//! The machine of one channel on one node: what it has heard, and what it has to say.
//!
//! One input, then [`Lane::poll_output`] until it is empty; [`Lane::poll_timeout`] says when to bring [`Input::Tick`].
//! At most one append, and one read or renewal, is out at a time.

use std::{collections::VecDeque, sync::Arc};

use fanwave_room::{
    recent::Recent,
    sequence::{Repeat, Ticket},
};
use fanwave_store::{Page, Standing};
use fanwave_wire::{
    Body, Channel, Draft, Epoch, Event, Lane as Kind, Publication, UnixMillis,
    envelope::{Batch, Record},
};

use super::{
    Settings,
    broker::{Appended, BrokerError, Extract},
    follower::{self, Follower},
    outbox::{Joined, Outbox, Sent},
};
use crate::{Ack, EngineError};

/// What happens to a channel.
#[derive(Debug)]
pub(super) enum Input {
    /// Somebody sends a message; the ticket comes back with the answer.
    Submit { ticket: Ticket, draft: Draft },
    /// What became of the append that is out.
    Appended(Result<Appended, BrokerError>),
    /// Something was appended.
    Heard(Batch),
    /// The answer to the read that is out.
    Read(Result<Extract, BrokerError>),
    /// The answer to the renewal that is out.
    Renewed(Result<(), BrokerError>),
    /// Something may not have been heard.
    Resumed,
    /// An event of the room's lossless lane deletes something here.
    Erase(Event),
    /// Somebody waits for what is newer than what is here.
    Hurry,
    /// Nothing but time has passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Append these.
    Append {
        known: Standing,
        records: Vec<Record>,
    },
    /// Read this.
    Read(Page),
    /// Begin a new epoch in place of this one.
    Renew(Epoch),
    /// The channel can be used.
    Opened,
    /// The channel cannot be opened now; the machine is of no more use.
    Failed(EngineError),
    /// Show this to whoever is subscribed.
    Deliver(Arc<Publication>),
    /// Tell whoever is subscribed to begin anew.
    Restarted,
    /// Tell the room's chat lane that this deletes something there.
    Erase(Event),
    /// Answer a sender.
    Answer {
        ticket: Ticket,
        answer: Result<Ack, EngineError>,
    },
}

/// One channel on one node.
#[derive(Debug)]
pub(super) struct Lane {
    channel: Channel,
    follower: Follower,
    outbox: Outbox,
    outputs: VecDeque<Output>,
}

impl Lane {
    /// A channel that is about to be opened: the first output asks for its window. `spread_ms` is how long it waits after
    /// an interruption.
    pub(super) fn open(channel: Channel, settings: &Settings, spread_ms: u64) -> Self {
        let mut lane = Self {
            channel,
            follower: Follower::open(spread_ms),
            outbox: Outbox::new(settings.tick),
            outputs: VecDeque::new(),
        };
        lane.obey_follower();
        lane
    }

    /// The newest publications, once the channel is open.
    pub(super) fn recent(&self) -> Option<&Recent> {
        self.follower.recent()
    }

    /// Whether what is here is being compared with the log, which will not take long.
    pub(super) fn is_comparing(&self) -> bool {
        self.follower.is_comparing()
    }

    /// Whether closing the channel would lose nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.follower.is_idle() && self.outbox.is_idle()
    }

    /// Whether nobody waits for an answer.
    pub(super) fn has_said_all(&self) -> bool {
        self.outbox.is_idle()
    }

    /// Takes one input; drain [`Lane::poll_output`] afterwards.
    pub(super) fn handle(&mut self, now: UnixMillis, input: Input) {
        match input {
            Input::Submit { ticket, draft } => {
                if self.outbox.submit(now, ticket, draft) == Joined::Full {
                    self.answer(ticket, Err(EngineError::Busy));
                }
            }
            Input::Appended(result) => self.handle_appended(result),
            Input::Heard(batch) => self.handle_heard(batch),
            Input::Read(answer) => self.follower.handle_read(now, answer),
            Input::Renewed(answer) => {
                if let Err(error) = &answer {
                    self.reject_all(&error.clone().into());
                }
                self.follower.handle_renewed(now, &answer);
            }
            Input::Resumed => self.follower.handle_resumed(now),
            Input::Erase(event) => self.follower.handle_erase(&event),
            Input::Hurry => self.follower.handle_hurry(),
            Input::Tick => self.follower.handle_tick(now),
        }
        self.obey_follower();
        if let Some(known) = self.follower.standing()
            && let Some(records) = self.outbox.hand_out(now)
        {
            self.outputs.push_back(Output::Append { known, records });
        }
    }

    /// What is to be done next, in order.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When something happens by itself.
    pub(super) fn poll_timeout(&self, now: UnixMillis) -> Option<UnixMillis> {
        let append = self
            .follower
            .standing()
            .and_then(|_| self.outbox.deadline(now));
        append.into_iter().chain(self.follower.poll_timeout()).min()
    }

    fn handle_appended(&mut self, result: Result<Appended, BrokerError>) {
        match result {
            Ok(Appended::Stored { epoch, placed }) => {
                let sent = self.outbox.stored(&placed);
                self.handle_heard(self.news(&epoch, &sent));
                self.follower.handle_hurry();
                // What this node has said is delivered before its sender is told, unless something has to be read first.
                self.obey_follower();
                for sent in sent {
                    self.acknowledge(&epoch, &sent);
                }
            }
            Ok(Appended::Lost) => {
                self.reject_all(&EngineError::Unavailable {
                    reason: "the message log has lost something, and begins a new epoch".to_owned(),
                });
                self.follower.handle_lost();
            }
            Err(error) => self.reject_all(&error.into()),
        }
    }

    /// What an append of this node has added.
    fn news(&self, epoch: &Epoch, sent: &[Sent]) -> Batch {
        let added = sent
            .iter()
            .filter(|sent| sent.placed.repeat == Repeat::First);
        let publications =
            added.map(|sent| Arc::new(sent.record.clone().at_offset(sent.placed.offset)));
        Batch {
            channel: self.channel.clone(),
            epoch: epoch.clone(),
            publications: publications.collect(),
        }
    }

    fn handle_heard(&mut self, batch: Batch) {
        // From the acknowledgement on, nobody reads what was deleted: at once, though the event may wait for its turn.
        self.outputs
            .extend(deletions(&batch).cloned().map(Output::Erase));
        self.follower.handle_heard(batch);
    }

    fn acknowledge(&mut self, epoch: &Epoch, sent: &Sent) {
        for (ticket, repeat) in &sent.tickets {
            let again = *repeat == Repeat::Again || sent.placed.repeat == Repeat::Again;
            let ack = Ack {
                epoch: epoch.clone(),
                offset: sent.placed.offset,
                at: sent.placed.at,
                duplicate: again,
            };
            self.answer(*ticket, Ok(ack));
        }
    }

    fn reject_all(&mut self, error: &EngineError) {
        for ticket in self.outbox.failed() {
            self.answer(ticket, Err(error.clone()));
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Result<Ack, EngineError>) {
        self.outputs.push_back(Output::Answer { ticket, answer });
    }

    fn obey_follower(&mut self) {
        while let Some(output) = self.follower.poll_output() {
            let output = match output {
                follower::Output::Read(page) => Output::Read(page),
                follower::Output::Renew(lost) => Output::Renew(lost),
                follower::Output::Opened => Output::Opened,
                follower::Output::Restarted => Output::Restarted,
                follower::Output::Deliver(publication) => {
                    // It may have been read back, and never heard.
                    if let Some(event) = deletion(&self.channel, &publication) {
                        self.outputs.push_back(Output::Erase(event.clone()));
                    }
                    Output::Deliver(publication)
                }
                follower::Output::Failed(error) => {
                    let error = EngineError::from(error);
                    self.reject_all(&error);
                    Output::Failed(error)
                }
            };
            self.outputs.push_back(output);
        }
    }
}

/// What a batch deletes from the chat lane of its room.
pub(super) fn deletions(batch: &Batch) -> impl Iterator<Item = &Event> {
    let publications = batch.publications.iter();
    publications.filter_map(|publication| deletion(&batch.channel, publication))
}

fn deletion<'a>(channel: &Channel, publication: &'a Publication) -> Option<&'a Event> {
    let Body::Event(event) = &publication.draft.body else {
        return None;
    };
    let deletes = matches!(**event, Event::Deleted { .. } | Event::Cleared { .. });
    (channel.lane == Kind::Room && deletes).then_some(event)
}

#[cfg(test)]
mod tests;
