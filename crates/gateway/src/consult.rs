//! Decisions that are an app's back end to make: who connects, what they follow, and what they say.
//!
//! Whoever is consulted is asked from a call (see `engine_calls`), never from a reactor: it may take its time
//! without anybody else waiting, and each connection's own questions keep their order. How long it may take, how many are asked at once
//! and what becomes of a question that is not answered is its own business; every question is answered.

use std::{fmt, sync::Arc};

use fanwave_bus::BoxFuture;
use fanwave_wire::{Channel, ClientMessageId, Sender, token::Claims};

/// Who is consulted.
pub trait Consult: fmt::Debug + Send + Sync + 'static {
    /// What it is consulted about. Always the same.
    fn about(&self) -> About;

    /// Whether somebody may connect, and as whom.
    fn connect(&self, arrival: Arrival) -> BoxFuture<'_, Welcome>;

    /// Whether somebody may follow a channel.
    fn subscribe<'a>(&'a self, who: &'a Sender, channel: &'a Channel) -> BoxFuture<'a, Permit>;

    /// Whether something may be said.
    fn publish<'a>(&'a self, saying: Saying<'a>) -> BoxFuture<'a, Ruling>;
}

/// What somebody is consulted about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct About {
    /// Who connects.
    pub connect: bool,
    /// What they follow.
    pub subscribe: bool,
    /// What they say.
    pub publish: bool,
}

/// Somebody who wants to connect, or to stay connected.
#[derive(Clone)]
pub struct Arrival {
    /// What they show: a token of ours, or whatever the app gives its users. A secret.
    pub token: String,
    /// What the client says beside it, JSON, if it says anything.
    pub data: Option<String>,
    /// Who they are already, where they want to stay.
    pub stays: Option<Sender>,
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival").finish_non_exhaustive()
    }
}

/// Something that somebody wants to say.
#[derive(Debug, Clone, Copy)]
pub struct Saying<'a> {
    /// Who.
    pub who: &'a Sender,
    /// Where.
    pub channel: &'a Channel,
    /// What the client calls the message.
    pub id: &'a ClientMessageId,
    /// What.
    pub text: &'a str,
}

/// Whether somebody may connect.
#[derive(Debug, Clone, PartialEq)]
pub enum Welcome {
    /// As their token has them, if it is one of ours.
    ByToken,
    /// As these.
    As(Box<Claims>),
    /// No, for this reason.
    No(Arc<str>),
    /// Nobody knows now: they may come again.
    Later,
}

/// Whether somebody may follow a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permit {
    /// Yes.
    Yes,
    /// No, for this reason.
    No(Arc<str>),
    /// Nobody knows now: they may try again.
    Later,
}

/// Whether something may be said. The room's own rules hold whatever the answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// Yes.
    Yes,
    /// This in its place.
    Instead(Arc<str>),
    /// A moderator is to see it first.
    Hold,
    /// No, for this reason.
    No(Arc<str>),
    /// Nobody knows now: it may be sent again.
    Later,
}
