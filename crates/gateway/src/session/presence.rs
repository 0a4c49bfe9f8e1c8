//! `presence` and `presence_stats`: who follows a channel on this node, and how many do on all of them.
//!
//! Counts of this node are exact, and those of others as they have told them last. A list is a sample of this node's fans:
//! of a mega-room, all of it would be megabytes, and somebody's address book.

use fanwave_bus::EngineError;
use fanwave_wire::{
    Channel,
    protocol::{ClientInfo, ErrorCode, Response},
};

use super::client_id;
use crate::{
    engine_calls::{Asked, Call},
    limits,
    reactor::{Reactor, deliver::explain},
    roll_call::{Present, RollCall},
};

impl Reactor {
    /// Some of those who follow a channel, on whichever reactor.
    pub(super) fn handle_presence(&mut self, index: usize, id: u32, name: &str) {
        let Some(channel) = self.parse_channel(id, name) else {
            return;
        };
        if !self.has_room_for_call(index) {
            return self.replies.refuse(id, ErrorCode::TooManyRequests);
        }
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let asked = Asked {
            by: connection.key(index),
            command: id,
        };
        self.call(index, asked, Call::Presence(asked, channel));
    }

    /// The reactors have said who follows a channel.
    pub(crate) fn handle_present(
        &mut self,
        asked: Asked,
        present: Result<Vec<Present>, EngineError>,
    ) {
        let Some(index) = self.find_open(asked.by) else {
            return;
        };
        match present {
            Ok(present) => {
                let infos: Vec<ClientInfo<'_>> = present.iter().map(Present::info).collect();
                self.replies
                    .reply(asked.command, Response::Presence(&infos));
            }
            Err(error) => {
                self.replies
                    .refuse_because(asked.command, ErrorCode::Internal, explain(&error));
            }
        }
        self.call_next(index);
        self.flush(index);
    }

    /// Tells who of this reactor's fans follows a channel.
    pub(crate) fn answer_roll_call(&self, call: RollCall) {
        let present = self.present(&call.channel);
        // Whoever asked may have given up.
        drop(call.answer.send(present));
    }

    fn present(&self, channel: &Channel) -> Vec<Present> {
        let key = self.rooms_by_channel.get(channel);
        let feeds = key
            .and_then(|key| self.rooms.get(key.index()))
            .map_or(&[][..], |room| &room.feeds);
        feeds
            .iter()
            .filter_map(|key| self.feeds.get(key.index()))
            .flat_map(|feed| &feed.members)
            .filter_map(|member| self.present_at(*member as usize))
            .take(limits::PRESENCE_CLIENTS_MAX)
            .collect()
    }

    /// A connection as others see it, once it says who it is.
    pub(super) fn present_at(&self, index: usize) -> Option<Present> {
        let connection = self.connections.get(index)?;
        Some(Present {
            client: client_id(self.node, connection.generation),
            sender: connection.identity.as_ref()?.sender(),
        })
    }

    /// How many follow a channel, at all nodes.
    pub(super) fn handle_presence_stats(&mut self, id: u32, name: &str) {
        let Some(channel) = self.parse_channel(id, name) else {
            return;
        };
        let stats = self.shared.stats(&channel);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let response = Response::PresenceStats {
            clients: count(stats.num_clients),
            users: count(stats.num_users),
        };
        self.replies.reply(id, response);
    }
}
