//! What a client may ask, and what it gets: one file per kind of command.
//!
//! A session is strict where a mistake cannot be answered: a frame that is no command, or any command before `connect`,
//! ends the connection with 3501. Everything else that cannot be done is answered with an error, and the connection
//! stays. Commands of one connection are obeyed in order; replies to those that need the engine come when it answers.

use std::str::FromStr;

use fanwave_wire::{
    Channel,
    limits::COMMANDS_PER_FRAME_MAX,
    protocol::{Command, DisconnectCode, ErrorCode, Method, Response},
};

use crate::{
    engine_calls::{Asked, Call},
    limits,
    reactor::{
        Reactor,
        connection::{State, Taken},
    },
};

mod ask;
mod connect;
mod consulted;
mod history;
mod passing;
pub(crate) mod permission;
mod presence;
mod server_side;
mod subscribe;

pub(crate) use self::{passing::Passing, server_side::Connecting};

/// Whether the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obeyed {
    /// It does.
    GoOn,
    /// It is closing or gone; what else it sent is not for us.
    Ended,
}

impl Reactor {
    /// Obeys one frame of commands.
    pub(crate) fn handle_frame(&mut self, index: usize, frame: &[u8]) -> Obeyed {
        let encoding = self.replies.format.encoding();
        let commands = match encoding.parse_commands(frame, COMMANDS_PER_FRAME_MAX) {
            Ok(commands) => commands,
            Err(error) => {
                tracing::debug!(%error, "a client broke the protocol");
                self.disconnect(index, error.disconnect());
                return Obeyed::Ended;
            }
        };
        if let Some(connection) = self.connections.get_mut(index) {
            // A well-formed frame proves that the peer lives, whether or not it is the pong itself.
            connection.awaits_pong = false;
        }
        for command in commands {
            if self.spend_budget(index) == Obeyed::Ended
                || self.handle_command(index, command) == Obeyed::Ended
            {
                return Obeyed::Ended;
            }
        }
        Obeyed::GoOn
    }

    /// Charges a connection for one command; who asks too much is sent away for a while.
    pub(crate) fn spend_budget(&mut self, index: usize) -> Obeyed {
        let Some(connection) = self.connections.get_mut(index) else {
            return Obeyed::Ended;
        };
        let per_second = self.config.commands_per_second.get();
        match connection.budget.take(per_second, self.clock.millis()) {
            Taken::Yes => Obeyed::GoOn,
            Taken::No => {
                self.disconnect(index, DisconnectCode::TooManyRequests);
                Obeyed::Ended
            }
        }
    }

    fn handle_command(&mut self, index: usize, command: Command) -> Obeyed {
        let Command { id, method } = command;
        self.metrics.command(kind(&method));
        let state = self
            .connections
            .get(index)
            .map(|connection| connection.state);
        match (state, method) {
            (Some(State::Fresh), Method::Connect(request)) => {
                self.handle_connect(index, id, &request);
            }
            (Some(State::Open), method) if !matches!(method, Method::Connect(_)) => {
                self.handle_session_command(index, id, method);
            }
            (Some(State::Connecting), method) => {
                return self.put_off(index, Command { id, method });
            }
            // Neither wants a reply.
            (Some(State::Leaving), Method::Pong | Method::Send(_)) => {}
            (Some(State::Leaving), _) => {
                self.replies
                    .refuse_because(id, ErrorCode::Internal, NODE_LEFT);
            }
            // Before connect nothing else, after connect no second one.
            (Some(State::Fresh | State::Open), _) => {
                self.disconnect(index, DisconnectCode::BadRequest);
            }
            (Some(State::Closing) | None, _) => {}
        }
        match self
            .connections
            .get(index)
            .map(|connection| connection.state)
        {
            Some(State::Fresh | State::Connecting | State::Open | State::Leaving) => Obeyed::GoOn,
            Some(State::Closing) | None => Obeyed::Ended,
        }
    }

    fn handle_session_command(&mut self, index: usize, id: u32, method: Method) {
        match method {
            Method::Subscribe(request) => self.handle_subscribe(index, id, &request),
            Method::Unsubscribe(request) => self.handle_unsubscribe(index, id, &request.channel),
            Method::Publish(request) => self.handle_publish(index, id, &request),
            Method::History(request) => self.handle_history_request(index, id, &request),
            Method::Presence(request) => self.handle_presence(index, id, &request.channel),
            Method::PresenceStats(request) => self.handle_presence_stats(id, &request.channel),
            Method::Ping => self.replies.reply(id, Response::Ping),
            Method::Rpc(request) => self.handle_rpc(index, id, &request),
            Method::Refresh(request) => self.handle_refresh(index, id, &request.token),
            Method::SubRefresh(request) => self.handle_sub_refresh(index, id, &request),
            Method::Unknown => self.replies.refuse(id, ErrorCode::MethodNotFound),
            // Neither wants a reply; that something came was noted with the frame.
            Method::Pong | Method::Send(_) => {}
            Method::Connect(_) => self.disconnect(index, DisconnectCode::BadRequest),
        }
    }

    /// The channel a command names, if it is one of this node's; otherwise the refusal has been written.
    fn parse_channel(&mut self, id: u32, name: &str) -> Option<Channel> {
        let channel = Channel::from_str(name)
            .ok()
            .filter(|channel| self.config.rooms.contains(&channel.room));
        if channel.is_none() {
            self.replies.refuse(id, ErrorCode::UnknownChannel);
        }
        channel
    }

    /// Whether one more call of this connection may wait for the one under way.
    fn has_room_for_call(&self, index: usize) -> bool {
        let calls = self
            .connections
            .get(index)
            .and_then(|connection| connection.calls_waiting());
        calls.is_none_or(|waiting| waiting.len() < limits::CALLS_WAITING_PER_CONNECTION_MAX)
    }

    /// Hands a connection's call to the engine, after the one under way if there is one: the calls of a connection
    /// keep their order, whatever the engine does with those of others.
    fn call(&mut self, index: usize, asked: Asked, call: Call) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if let Some(waiting) = connection.calls_waiting_mut() {
            waiting.push_back(call);
            return;
        }
        match self.calls.start(call) {
            Ok(()) => connection.begin_calls(),
            Err(_) => self
                .replies
                .refuse_because(asked.command, ErrorCode::Internal, NODE_BUSY),
        }
    }

    /// A connection's call has been answered: the next one's turn. What could not be started is refused.
    fn call_next(&mut self, index: usize) {
        while let Some(waiting) = self
            .connections
            .get_mut(index)
            .and_then(|connection| connection.calls_waiting_mut())
        {
            let Some(call) = waiting.pop_front() else {
                self.connections[index].end_calls();
                return;
            };
            let Err(refused) = self.calls.start(call) else {
                return;
            };
            if let Some(asked) = refused.0.asked() {
                self.replies
                    .refuse_because(asked.command, ErrorCode::Internal, NODE_BUSY);
            }
        }
    }
}

/// The id of a connection, as its client and other clients know it.
fn client_id(node: u64, generation: u32) -> String {
    format!("{node:016x}{generation:08x}")
}

/// What a fan is told when the node has too many calls under way.
const NODE_BUSY: &str = "the server is busy, try again";

/// What a fan is told whose turn it is to go to another node.
const NODE_LEFT: &str = "the server is being left, say it again after the reconnect";

/// A command's name in the metrics.
fn kind(method: &Method) -> &'static str {
    match method {
        Method::Connect(_) => "connect",
        Method::Subscribe(_) => "subscribe",
        Method::Unsubscribe(_) => "unsubscribe",
        Method::Publish(_) => "publish",
        Method::History(_) => "history",
        Method::Presence(_) => "presence",
        Method::PresenceStats(_) => "presence_stats",
        Method::Ping => "ping",
        Method::Rpc(_) => "rpc",
        Method::Send(_) => "send",
        Method::Refresh(_) => "refresh",
        Method::SubRefresh(_) => "sub_refresh",
        Method::Pong => "pong",
        Method::Unknown => "unknown",
    }
}
