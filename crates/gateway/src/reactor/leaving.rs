//! Fans whose turn it is to go to another node, while this one is drained ([`drain`](crate::drain)).
//!
//! The plan says whose turn it is. Whoever has it is sent what they lack of their rooms, and the answers that are due;
//! what they ask for from then on is refused as temporary, so that nothing is lost without a word. When their socket has
//! all of it, the close frame follows with the return slot. A socket that takes nothing, or an answer that does not come,
//! is waited for as long as a turn may take: then they go without, and recover what is missing where they come back.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Reactor, closing::Farewell, connection::State, key::ConnectionKey};
use crate::{
    drain::{
        Order,
        plan::{Input, Move, Plan},
    },
    limits,
};

/// The drain of a reactor's fans; see the module.
#[derive(Debug)]
pub(super) struct Leaving {
    plan: Plan<ConnectionKey>,
    /// How long a turn may take.
    turn_max: Duration,
    /// Those whose turn it is.
    turns: VecDeque<Turn>,
    /// Everybody who was there at the beginning was told.
    is_over: bool,
}

/// Somebody's turn.
#[derive(Debug, Clone, Copy)]
struct Turn {
    who: ConnectionKey,
    return_at: Instant,
    ends_at: Instant,
}

/// What a look at a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// They were told, or were gone already.
    Over,
    /// Something is still due to them.
    Later,
}

impl Reactor {
    /// Begins to move the fans.
    pub(super) fn begin_drain(&mut self, order: Order) {
        if self.leaving.is_some() || self.is_stopping() {
            self.shared.board.reactor_is_done();
            return;
        }
        let who = self.everybody();
        self.shared.board.count_in(who.len());
        self.leaving = Some(Box::new(Leaving {
            plan: order.plan(who, self.clock.now),
            turn_max: order.turn_max,
            turns: VecDeque::new(),
            is_over: false,
        }));
    }

    /// Somebody came behind the order to move: their upgrade was under way.
    pub(super) fn moves_too(&mut self, key: ConnectionKey) {
        if let Some(leaving) = &mut self.leaving {
            leaving.plan.handle(self.clock.now, Input::Came(key));
        }
    }

    /// Sees to those whose turn it is.
    pub(super) fn handle_leaving(&mut self) {
        let Some(mut leaving) = self.leaving.take() else {
            return;
        };
        let now = self.clock.now;
        leaving.plan.handle(now, Input::Wake);
        let before = leaving.turns.len().min(limits::LEAVERS_PER_TURN);
        while let Some(Move { who, return_at }) = leaving.plan.poll_output() {
            let turn = Turn {
                who,
                return_at,
                ends_at: now + leaving.turn_max,
            };
            if self.look(&turn) == Look::Later {
                leaving.turns.push_back(turn);
            }
        }
        for _ in 0..before {
            let Some(turn) = leaving.turns.pop_front() else {
                break;
            };
            if self.look(&turn) == Look::Later {
                leaving.turns.push_back(turn);
            }
        }
        if !leaving.is_over && leaving.plan.waiting() == 0 && leaving.turns.is_empty() {
            leaving.is_over = true;
            self.shared.board.reactor_is_done();
        }
        self.leaving = Some(leaving);
    }

    /// When there is somebody to see to.
    pub(super) fn leaving_timeout(&self) -> Option<Instant> {
        let leaving = self.leaving.as_ref()?;
        // What is waited for wakes the reactor by itself, but perhaps while others were looked at.
        let retry = (!leaving.turns.is_empty()).then(|| self.clock.now + limits::LEAVERS_RETRY);
        [retry, leaving.plan.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Sends everybody away in one go; their return is spread all the same.
    pub(super) fn move_everybody(&mut self) {
        if let Some(leaving) = self.leaving.take()
            && !leaving.is_over
        {
            self.shared.board.reactor_is_done();
        }
        let who = self.everybody();
        tracing::info!(connections = who.len(), "the gateway says good-bye");
        let reactors = self.config.reactors.get();
        let order = Order::at_once(reactors, self.config.return_gap(), self.clock.now);
        let mut plan = order.plan(who, self.clock.now);
        plan.handle(self.clock.now, Input::Wake);
        while let Some(Move { who, return_at }) = plan.poll_output() {
            if let Some(index) = self.find(who) {
                self.move_away(index, return_at);
            }
        }
    }

    /// Tells a fan to go, and when to come back.
    pub(super) fn move_away(&mut self, index: usize, return_at: Instant) {
        let after = return_at.saturating_duration_since(self.clock.now);
        let after_ms = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
        self.shared.board.count_moved(1);
        self.end(index, Farewell::Move { after_ms });
    }

    /// Everybody who has not been told to go.
    fn everybody(&self) -> VecDeque<ConnectionKey> {
        self.connections
            .iter()
            .filter(|(_, connection)| connection.state != State::Closing)
            .map(|(index, connection)| connection.key(index))
            .collect()
    }

    /// Gives somebody what is due to them, and sends them away when there is nothing left.
    fn look(&mut self, turn: &Turn) -> Look {
        let Some(index) = self.find(turn.who) else {
            return Look::Over;
        };
        match self.connections[index].state {
            State::Closing => return Look::Over,
            // Nothing is due to those who have no place in a room yet.
            State::Fresh | State::Connecting => {
                self.move_away(index, turn.return_at);
                return Look::Over;
            }
            State::Open | State::Leaving => self.connections[index].state = State::Leaving,
        }
        if self.connections[index].blocked && self.clock.now < turn.ends_at {
            // The poll tells when it takes more, and then it gets it.
            return Look::Later;
        }
        for subscription in 0..self.connections[index].subscriptions.len() {
            self.catch_reader_up(index, subscription);
            // Who has fallen out of a log, or hung up, was closed by that.
            if self.find(turn.who).is_none() || self.connections[index].state != State::Leaving {
                return Look::Over;
            }
        }
        let connection = &self.connections[index];
        let is_due =
            connection.blocked || !connection.is_flushed() || connection.calls_waiting().is_some();
        if is_due && self.clock.now < turn.ends_at {
            return Look::Later;
        }
        self.move_away(index, turn.return_at);
        Look::Over
    }
}
