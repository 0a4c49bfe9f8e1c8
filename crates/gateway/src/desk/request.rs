//! What a fan asks of a room, and what comes of it.

use std::{collections::BTreeMap, sync::Arc};

use fanwave_bus::{Ack, EngineError};
use fanwave_room::machine::{Act, Input, Refusal, Say, Ticket};
use fanwave_wire::{ClientMessageId, ReactionKind, Sender};

/// Something that a room judges.
#[derive(Debug)]
pub(crate) enum Request {
    /// Say something.
    Say(Box<Say>),
    /// Do what becomes an event.
    Act(Box<Act>),
    /// Tap.
    React {
        sender: Sender,
        batch: ClientMessageId,
        taps: BTreeMap<ReactionKind, u32>,
    },
    /// Vote.
    Vote {
        sender: Sender,
        poll: ClientMessageId,
        choice: u8,
    },
}

/// What came of something that a room was asked.
#[derive(Debug)]
pub enum Outcome {
    /// It is durable, and has its place.
    Stored {
        /// Under which id.
        id: ClientMessageId,
        /// Where.
        ack: Ack,
    },
    /// It is done, and there is nothing to tell: it is counted, or waits for a moderator.
    Done,
    /// The room does not let it in.
    Refused(Refusal),
    /// Whoever is consulted does not, for this reason.
    Declined(Arc<str>),
    /// It is not known to be stored; asking again is safe.
    Failed(EngineError),
}

impl Request {
    pub(super) fn into_input(self, ticket: Ticket) -> Input {
        match self {
            Self::Say(say) => Input::Say { ticket, say },
            Self::Act(act) => Input::Act { ticket, act },
            Self::React {
                sender,
                batch,
                taps,
            } => Input::React {
                ticket,
                sender,
                batch,
                taps,
            },
            Self::Vote {
                sender,
                poll,
                choice,
            } => Input::Vote {
                ticket,
                sender,
                poll,
                choice,
            },
        }
    }
}
