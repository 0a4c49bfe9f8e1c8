//! One place for every message: offsets without a gap, durable before delivered, and no message twice.
//!
//! A [`Sequencer`] orders one channel. It is driven by whoever owns the channel's log:
//!
//! 1. [`Input::Submit`] brings a message and a ticket. A repeated message (same sender, same client message id) is
//!    recognised here, whether its first copy is already durable or still on its way.
//! 2. [`Output::Append`] hands the next batch to the log, with offsets. **At most one batch is out at a time**; what
//!    arrives meanwhile is the next batch, so that one flush of the disk carries as many messages as have come during
//!    the one before it.
//! 3. The log answers with [`Input::Stored`] (the batch is delivered and acknowledged), [`Input::Held`] (some of it had
//!    been stored under an earlier offset, and nothing was written: the others are numbered anew) or [`Input::Failed`]
//!    (its senders are told; its offsets are given to the next batch, for nobody has seen them).
//! 4. [`Sequencer::poll_timeout`] says when to bring [`Input::Tick`]: senders do not wait for ever for a log that does
//!    not answer, though the batch that is out stays out, because it may yet be stored.
//!
//! One input, then [`Sequencer::poll_output`] until it is empty.
//!
//! The machine never delivers what the log has not confirmed, and never gives an offset that has been seen to another
//! message.

mod pending;
mod window;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use fanwave_wire::{ClientMessageId, Draft, Epoch, Offset, Publication, UnixMillis, UserId};

use self::{
    pending::{Entry, Join, Pending},
    window::Window,
};
use crate::limits::{APPEND_BATCH_MAX, APPEND_WAIT_MAX};

/// Names one submission, so that its answer finds its sender. Chosen by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What happens to a channel.
#[derive(Debug, Clone)]
pub enum Input {
    /// Somebody sends a message.
    Submit {
        /// Comes back with the answer; answered exactly once.
        ticket: Ticket,
        /// The message.
        draft: Draft,
    },
    /// The batch that is out is durable.
    Stored,
    /// The batch that is out was refused as a whole, because the log already holds some of it.
    Held {
        /// Which of it, and since when.
        held: Vec<HeldAs>,
    },
    /// The batch that is out was not stored.
    Failed,
    /// Nothing but time has passed.
    Tick,
}

/// A message that the log already held when it was appended again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldAs {
    /// The offset it was to be appended at.
    pub proposed: Offset,
    /// What it has been from the beginning.
    pub taken: Taken,
}

/// The place of a message, and when its room took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Its place in the channel.
    pub offset: Offset,
    /// When the message came to its room.
    pub at: UnixMillis,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Make these durable, all or none, and answer with `Stored`, `Held` or `Failed`.
    Append {
        /// Consecutive, from the head on; at most [`APPEND_BATCH_MAX`].
        publications: Vec<Arc<Publication>>,
    },
    /// Show this to the channel: it is durable, and the next after the one delivered before.
    Deliver(Arc<Publication>),
    /// Tell the sender that the message is held.
    Acked {
        /// Whose.
        ticket: Ticket,
        /// Its place.
        taken: Taken,
        /// Another submission of the same message had come before.
        repeat: Repeat,
    },
    /// Tell the sender that the message is not known to be held; sending it again is safe.
    Rejected {
        /// Whose.
        ticket: Ticket,
        /// Why.
        rejection: Rejection,
    },
}

/// Whether a submission was the first of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It was.
    First,
    /// The message had been submitted before.
    Again,
}

/// Why a message was not taken; all of these pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// [`PENDING_MAX`](crate::limits::PENDING_MAX) messages or senders are waiting for the log already.
    Busy,
    /// The log could not store it.
    Failed,
    /// The log has not answered for [`APPEND_WAIT_MAX`].
    Stalled,
}

/// When to bring [`Input::Tick`] at the latest, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// Not before this.
    pub at: UnixMillis,
    /// What will happen then.
    pub reason: Reason,
}

/// What a sequencer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Senders will have waited long enough for the log.
    AppendWait,
    /// The oldest remembered client message id will be forgotten.
    DuplicateWindow,
}

/// Orders one channel; see the module for how to drive it.
#[derive(Debug)]
pub struct Sequencer {
    epoch: Epoch,
    /// Newest durable offset.
    head: Offset,
    /// What is not durable yet, in order; the batch that is out is its beginning.
    pending: Pending,
    /// The batch that is out, with its offsets; empty exactly when nothing is pending.
    out: Vec<Arc<Publication>>,
    patience_ends: Option<UnixMillis>,
    durable: Window,
    outputs: VecDeque<Output>,
}

/// What makes two submissions the same message.
type Key = (UserId, ClientMessageId);

fn key_of(draft: &Draft) -> Key {
    (draft.sender.user.clone(), draft.id.clone())
}

/// The time `span` after `now`.
fn later(now: UnixMillis, span: Duration) -> UnixMillis {
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    UnixMillis(now.0.saturating_add(span))
}

impl Sequencer {
    /// Goes on where a log stands: its epoch, its newest offset and its newest publications, oldest first.
    pub fn resume<'a>(
        epoch: Epoch,
        head: Offset,
        newest: impl IntoIterator<Item = &'a Arc<Publication>>,
    ) -> Self {
        let mut durable = Window::default();
        for publication in newest {
            durable.remember(publication);
        }
        Self {
            epoch,
            head,
            pending: Pending::default(),
            out: Vec::new(),
            patience_ends: None,
            durable,
            outputs: VecDeque::new(),
        }
    }

    /// The run of offsets.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Newest durable offset, 0 before the first.
    #[must_use]
    pub fn head(&self) -> Offset {
        self.head
    }

    /// Whether nothing is on its way to the log.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes one input; drain [`Sequencer::poll_output`] afterwards.
    ///
    /// # Panics
    ///
    /// When the log answers though no batch is out, or calls something held that was not in the batch.
    pub fn handle(&mut self, now: UnixMillis, input: Input) {
        self.durable.forget(now);
        match input {
            Input::Submit { ticket, draft } => {
                self.end_patience(now);
                self.handle_submit(now, ticket, draft);
            }
            Input::Stored => self.handle_stored(),
            Input::Held { held } => self.handle_held(&held),
            Input::Failed => self.handle_failed(),
            Input::Tick => self.end_patience(now),
        }
        self.hand_out(now);
        self.check();
    }

    /// What is to be done next, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The earliest time at which something happens by itself.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let patience = self.patience_ends.map(|at| Deadline {
            at,
            reason: Reason::AppendWait,
        });
        let window = self.durable.oldest_until().map(|at| Deadline {
            at,
            reason: Reason::DuplicateWindow,
        });
        patience
            .into_iter()
            .chain(window)
            .min_by_key(|deadline| deadline.at)
    }

    fn handle_submit(&mut self, now: UnixMillis, ticket: Ticket, draft: Draft) {
        let key = key_of(&draft);
        if let Some(taken) = self.durable.find(&key) {
            self.outputs.push_back(Output::Acked {
                ticket,
                taken,
                repeat: Repeat::Again,
            });
            return;
        }
        match self.pending.join(
            key,
            ticket,
            Entry {
                draft,
                at: now,
                tickets: Vec::new(),
            },
        ) {
            Join::Waits => {}
            Join::Full => {
                self.outputs.push_back(Output::Rejected {
                    ticket,
                    rejection: Rejection::Busy,
                });
            }
        }
    }

    fn handle_stored(&mut self) {
        assert!(
            !self.out.is_empty(),
            "the log confirms a batch that was handed to it"
        );
        for publication in std::mem::take(&mut self.out) {
            let entry = self.take_pending();
            self.head = publication.offset;
            self.durable.remember(&publication);
            let taken = Taken {
                offset: publication.offset,
                at: publication.at,
            };
            self.outputs.push_back(Output::Deliver(publication));
            self.ack(entry, taken);
        }
    }

    fn handle_held(&mut self, held: &[HeldAs]) {
        assert!(
            !self.out.is_empty(),
            "the log refuses a batch that was handed to it"
        );
        let mut found = 0;
        let mut others = Vec::new();
        for publication in std::mem::take(&mut self.out) {
            let mut entry = self.take_pending();
            match held.iter().find(|held| held.proposed == publication.offset) {
                None => others.push(entry),
                Some(held) => {
                    found += 1;
                    for (_, repeat) in &mut entry.tickets {
                        *repeat = Repeat::Again;
                    }
                    self.ack(entry, held.taken);
                }
            }
        }
        // At least one fewer goes out next time, so this comes to an end.
        assert!(
            found > 0 && found == held.len(),
            "what the log calls held was in the batch"
        );
        self.pending.put_back(others);
    }

    fn handle_failed(&mut self) {
        assert!(
            !self.out.is_empty(),
            "the log refuses a batch that was handed to it"
        );
        for _ in std::mem::take(&mut self.out) {
            let entry = self.take_pending();
            self.reject(&entry.tickets, Rejection::Failed);
        }
    }

    /// Tells the senders not to wait any longer, when the log has not answered for too long.
    ///
    /// What is at the log stays pending, for it may be stored yet, and a repeated send must find it. What is not at
    /// the log has never left this machine and is forgotten.
    fn end_patience(&mut self, now: UnixMillis) {
        let Some(ends) = self.patience_ends else {
            return;
        };
        // A clock that was set back must not lengthen the wait.
        let ends = ends.min(later(now, APPEND_WAIT_MAX));
        self.patience_ends = Some(ends);
        if now < ends {
            return;
        }
        self.patience_ends = None;
        let tickets = self.pending.dismiss(self.out.len());
        self.reject(&tickets, Rejection::Stalled);
    }

    /// Hands out the next batch when none is out, and sets how long its senders wait.
    fn hand_out(&mut self, now: UnixMillis) {
        if self.out.is_empty() {
            self.patience_ends = None;
            let mut offset = self.head;
            for entry in self.pending.iter().take(APPEND_BATCH_MAX) {
                offset = offset.next();
                let publication = Publication {
                    offset,
                    at: entry.at,
                    draft: entry.draft.clone(),
                };
                self.out.push(Arc::new(publication));
            }
            if !self.out.is_empty() {
                self.outputs.push_back(Output::Append {
                    publications: self.out.clone(),
                });
            }
        }
        self.patience_ends = match self.pending.waiting() {
            0 => None,
            _ => self
                .patience_ends
                .or_else(|| Some(later(now, APPEND_WAIT_MAX))),
        };
    }

    fn take_pending(&mut self) -> Entry {
        let entry = self.pending.pop();
        entry.expect("the batch that is out is the beginning of what is pending")
    }

    fn ack(&mut self, entry: Entry, taken: Taken) {
        let acks = entry
            .tickets
            .into_iter()
            .map(|(ticket, repeat)| Output::Acked {
                ticket,
                taken,
                repeat,
            });
        self.outputs.extend(acks);
    }

    fn reject(&mut self, tickets: &[(Ticket, Repeat)], rejection: Rejection) {
        let rejections = tickets.iter().map(|(ticket, _)| Output::Rejected {
            ticket: *ticket,
            rejection,
        });
        self.outputs.extend(rejections);
    }

    fn check(&self) {
        assert!(
            self.out.len() <= self.pending.len(),
            "what is out is pending"
        );
        assert_eq!(
            self.out.is_empty(),
            self.pending.len() == 0,
            "nothing waits while the log is free"
        );
        let first = self.out.first().map(|publication| publication.offset);
        assert!(
            first.is_none_or(|offset| offset == self.head.next()),
            "a batch begins at the head"
        );
    }
}

#[cfg(test)]
mod tests;
