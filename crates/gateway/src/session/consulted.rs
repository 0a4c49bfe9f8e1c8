//! Commands that wait for whoever is consulted: connect, refresh and subscribe. What is said is asked about on its way to the room.

use fanwave_wire::{
    Channel,
    protocol::{ConnectRequest, ErrorCode, SubscribeRequest, TokenText},
    token::Claims,
};

use super::{NODE_BUSY, server_side::Connecting};
use crate::{
    consult::{Arrival, Permit, Welcome},
    engine_calls::{Asked, Call, Wanted},
    limits,
    reactor::{Reactor, connection::State, identity::Identity},
};

/// What a fan is told about whom nothing could be found out.
const NOBODY_KNOWS: &str = "this cannot be decided right now, try again";

impl Reactor {
    /// Asks whether somebody may connect. What they send meanwhile waits, as it does for channels that are being opened.
    pub(super) fn ask_for_welcome(&mut self, index: usize, id: u32, request: &ConnectRequest) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let by = connection.key(index);
        let arrival = Arrival {
            token: request.token.expose().to_owned(),
            data: request.data.as_ref().map(|data| data.get().to_owned()),
            stays: None,
        };
        let asked = Asked { by, command: id };
        if self
            .calls
            .start(Call::Welcome(asked, Box::new(arrival)))
            .is_err()
        {
            let words = NODE_BUSY;
            return self.replies.refuse_because(id, ErrorCode::Internal, words);
        }
        connection.state = State::Connecting;
        let waiting = Connecting {
            command: id,
            channels: Vec::new(),
            put_off: Vec::new(),
            request: Some(Box::new(request.clone())),
        };
        self.connecting.insert(by, waiting);
    }

    /// Asks whether somebody may stay.
    pub(super) fn ask_to_stay(&mut self, index: usize, id: u32, token: &TokenText) {
        if !self.has_room_for_call(index) {
            return self.replies.refuse(id, ErrorCode::TooManyRequests);
        }
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let arrival = Arrival {
            token: token.expose().to_owned(),
            data: None,
            stays: connection.identity.as_ref().map(Identity::sender),
        };
        let asked = Asked {
            by: connection.key(index),
            command: id,
        };
        self.call(index, asked, Call::Welcome(asked, Box::new(arrival)));
    }

    /// It is known whether somebody may connect, or stay.
    pub(crate) fn handle_welcome(&mut self, asked: Asked, arrival: &Arrival, welcome: Welcome) {
        if arrival.stays.is_some() {
            return self.handle_stay(asked, arrival, welcome);
        }
        let Some(index) = self.find_connecting(asked.by) else {
            return;
        };
        let Some(Connecting {
            put_off, request, ..
        }) = self.connecting.remove(&asked.by)
        else {
            return;
        };
        let request = request.unwrap_or_default();
        self.connections[index].state = State::Fresh;
        if let Some(claims) = self.claims(index, (asked.command, &request.token), welcome)
            && let Some(connection) = self.connections.get_mut(index)
        {
            connection.identity = Some(Identity::new(&claims));
            let channels = self.server_side(claims.channels(), claims.sender().role);
            self.connect_to(index, asked.command, (channels, &request.subs), put_off);
        }
        self.flush(index);
    }

    fn handle_stay(&mut self, asked: Asked, arrival: &Arrival, welcome: Welcome) {
        let Some(index) = self.find_open(asked.by) else {
            return;
        };
        let token = TokenText::from(arrival.token.clone());
        if let Some(claims) = self.claims(index, (asked.command, &token), welcome) {
            self.stay(index, asked.command, &claims);
        }
        self.call_next(index);
        self.flush(index);
    }

    /// Who somebody is, as it was decided; `None`: nobody, and the refusal has been written.
    fn claims(
        &mut self,
        index: usize,
        (command, token): (u32, &TokenText),
        welcome: Welcome,
    ) -> Option<Claims> {
        match welcome {
            Welcome::ByToken => self.verify(index, command, token),
            Welcome::As(claims) if !self.is_revoked(&claims) => Some(*claims),
            // They were sent away while it was being decided.
            Welcome::As(_) => {
                self.replies.refuse(command, ErrorCode::TokenExpired);
                None
            }
            Welcome::No(why) => {
                self.replies
                    .refuse_because(command, ErrorCode::PermissionDenied, &why);
                None
            }
            Welcome::Later => {
                self.replies
                    .refuse_because(command, ErrorCode::Internal, NOBODY_KNOWS);
                None
            }
        }
    }

    /// Asks whether somebody may follow a channel.
    pub(super) fn ask_for_permit(
        &mut self,
        index: usize,
        id: u32,
        (channel, request): (Channel, &SubscribeRequest),
    ) {
        if !self.has_room_for_call(index) {
            return self.replies.refuse(id, ErrorCode::TooManyRequests);
        }
        let connection = self.connections.get(index);
        let identity = connection.and_then(|connection| connection.identity.as_ref());
        let (Some(connection), Some(identity)) = (connection, identity) else {
            return;
        };
        if connection.subscriptions.len() >= limits::SUBSCRIPTIONS_PER_CONNECTION_MAX {
            return self.replies.refuse(id, ErrorCode::LimitExceeded);
        }
        let asked = Asked {
            by: connection.key(index),
            command: id,
        };
        let wanted = Wanted {
            who: identity.sender(),
            channel,
            request: request.clone(),
        };
        self.call(index, asked, Call::Permit(asked, Box::new(wanted)));
    }

    /// It is known whether somebody may follow a channel.
    pub(crate) fn handle_permit(
        &mut self,
        asked: Asked,
        request: &SubscribeRequest,
        permit: Permit,
    ) {
        let Some(index) = self.find_open(asked.by) else {
            return;
        };
        let id = asked.command;
        match permit {
            Permit::Yes => {
                if let Some(channel) = self.parse_channel(id, &request.channel) {
                    self.subscribe(index, id, (channel, request));
                }
            }
            Permit::No(why) => {
                self.replies
                    .refuse_because(id, ErrorCode::PermissionDenied, &why);
            }
            Permit::Later => {
                self.replies
                    .refuse_because(id, ErrorCode::Internal, NOBODY_KNOWS);
            }
        }
        self.call_next(index);
        self.flush(index);
    }
}
