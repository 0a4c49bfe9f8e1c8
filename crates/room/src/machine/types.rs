//! What goes into a room, and what comes out.

use std::{collections::BTreeMap, sync::Arc};

use fanwave_wire::{
    Action, ClientMessageId, Draft, Event, Lane, Notice, Publication, ReactionKind, ReplyTo, Role,
    Sender, UnixMillis, UserId,
};

use crate::{
    admit::Rules,
    governor::{self, Reach},
    moderation::Refusal,
    reactions,
};

/// Names one request, so that its answer finds whoever asked. Chosen by the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a node's configuration says about its rooms.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Length and pace of messages.
    pub rules: Rules,
    /// How fast a room may be to read.
    pub governor: governor::Settings,
    /// What may be tapped, and how fast.
    pub reactions: reactions::Settings,
    /// Who may give gifts; by default everybody. Where gifts are paid for, only the shop's own account ([`Role::Staff`]).
    pub gifts_from: Role,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            governor: governor::Settings::default(),
            reactions: reactions::Settings::default(),
            gifts_from: Role::Fan,
        }
    }
}

/// What happens to a room.
#[derive(Debug, Clone)]
pub enum Input {
    /// Somebody wants to say something.
    Say {
        /// Comes back with the answer.
        ticket: Ticket,
        /// What, and who.
        say: Box<Say>,
    },
    /// Somebody wants to do something that is kept as an event.
    Act {
        /// Comes back with the answer.
        ticket: Ticket,
        /// What, and who.
        act: Box<Act>,
    },
    /// Somebody has tapped.
    React {
        /// Comes back with the answer.
        ticket: Ticket,
        /// Who, as their token has them.
        sender: Sender,
        /// What the client calls this batch: a repeated one counts once.
        batch: ClientMessageId,
        /// Taps per kind.
        taps: BTreeMap<ReactionKind, u32>,
    },
    /// Fans of another node have tapped.
    Heard {
        /// Taps per kind.
        taps: reactions::Counts,
    },
    /// Somebody votes.
    Vote {
        /// Comes back with the answer.
        ticket: Ticket,
        /// Who, as their token has them.
        sender: Sender,
        /// In which poll.
        poll: ClientMessageId,
        /// Index of the choice.
        choice: u8,
    },
    /// The engine has delivered a publication of one of the room's lanes; in order, lane by lane.
    Published {
        /// Which lane.
        lane: Lane,
        /// What.
        publication: Arc<Publication>,
    },
    /// A connection of this user has come.
    Joined {
        /// Who.
        user: UserId,
    },
    /// A connection of this user has gone.
    Left {
        /// Who.
        user: UserId,
    },
    /// Nothing but time has passed.
    Timeout,
}

/// Something to be said.
#[derive(Debug, Clone)]
pub struct Say {
    /// In which lane.
    pub lane: Lane,
    /// Who, as their token has them.
    pub sender: Sender,
    /// Since when the sender has followed the artist, as their token has it.
    pub follows_since: Option<UnixMillis>,
    /// What the client calls the message.
    pub id: ClientMessageId,
    /// As it came from the client.
    pub text: Arc<str>,
    /// The message it answers.
    pub reply_to: Option<Box<ReplyTo>>,
    /// It comes from a back end, which answers for how much that is: the sender's burst is not looked at. All other rules
    /// hold.
    pub unpaced: bool,
    /// A moderator is to see it first, whatever the room's own rules make of it; for those whom they bind.
    pub held: bool,
}

/// Something to be done that is kept as an event.
#[derive(Debug, Clone)]
pub struct Act {
    /// Who, as their token has them.
    pub sender: Sender,
    /// Since when they have followed the artist, as their token has it.
    pub follows_since: Option<UnixMillis>,
    /// What to call the event where the client has not: made up by the shell, new for every call.
    pub id: ClientMessageId,
    /// What.
    pub action: Action,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Hand this to the engine, and answer with what it says.
    Publish(Box<Publish>),
    /// Answer that it is not done.
    Refuse {
        /// Whom.
        ticket: Ticket,
        /// Why.
        refusal: Refusal,
    },
    /// Answer that it is done; there is nothing to store.
    Done {
        /// Whom.
        ticket: Ticket,
    },
    /// Show this to those who follow the lane.
    Show {
        /// Which lane.
        lane: Lane,
        /// What.
        publication: Arc<Publication>,
        /// To whom of them.
        to: Reach,
    },
    /// Tell those who follow the chat lane. A [`Notice::More`] concerns those who follow its language.
    Notice(Notice),
    /// Tell the other nodes that have this room what the fans of this one have tapped.
    Tapped {
        /// Taps per kind.
        taps: reactions::Counts,
    },
    /// Drop from what is kept of the chat lane whatever this event deletes
    /// (see [`Recent::erase`](crate::recent::Recent::erase)); the event itself is shown as well.
    Erase(Event),
    /// Close a user's connections to this room, where they stand below a role.
    Eject {
        /// Who.
        user: UserId,
        /// The role from which on they stay.
        below: Role,
    },
    /// Tell those who follow the lane that somebody came; only in small rooms.
    Joined {
        /// Who.
        user: UserId,
    },
    /// Tell those who follow the lane that somebody went; only in small rooms.
    Left {
        /// Who.
        user: UserId,
    },
}

/// Something for the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish {
    /// Who waits for the answer; nobody, when the room itself has something to say.
    pub ticket: Option<Ticket>,
    /// In which lane.
    pub lane: Lane,
    /// What.
    pub draft: Draft,
    /// What is published once that is stored, and not at all when it is not.
    pub then: Option<(Lane, Draft)>,
    /// What the answer means.
    pub answer: Answer,
}

/// What a fan is told when a publication is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It has its place: the engine's acknowledgement, with the offset.
    Stored,
    /// It waits for a moderator: there is no offset to tell, for the staff's lane is not the fan's.
    Waits,
}

/// What somebody who comes later is told first, beside the history: how the room stands.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Events of the room's lane that are still in force: the mode, what is pinned, the polls that are open.
    pub events: Vec<Arc<Publication>>,
    /// How the open polls stand.
    pub tallies: Vec<Notice>,
}

/// What a room waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The governor's tick ends.
    Governor,
    /// Reactions are due.
    Reactions,
    /// A poll's tally is due, or a poll ends.
    Polls,
}
