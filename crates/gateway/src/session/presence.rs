//! `presence` and `presence_stats`: who, and how many, follow a channel on this node.
//!
//! A list is answered for small rooms only: a mega-room's would be megabytes, and somebody's address book.

use fanwave_wire::protocol::{ClientInfo, ErrorCode, Response};

use super::client_id;
use crate::{limits, reactor::Reactor};

impl Reactor {
    /// Who follows a small channel.
    pub(super) fn handle_presence(&mut self, id: u32, name: &str) {
        let Some(channel) = self.parse_channel(id, name) else {
            return;
        };
        let key = self.rooms_by_channel.get(&channel);
        let followers = key.map_or(0, |key| self.followers(*key));
        if followers > limits::PRESENCE_CLIENTS_MAX {
            let message = "the room is too large for a list, ask for presence stats";
            self.replies
                .refuse_because(id, ErrorCode::NotAvailable, message);
            return;
        }
        let feeds = key
            .and_then(|key| self.rooms.get(key.index()))
            .map_or(&[][..], |room| &room.feeds);
        let present: Vec<(String, &str)> = feeds
            .iter()
            .filter_map(|key| self.feeds.get(key.index()))
            .flat_map(|feed| &feed.members)
            .filter_map(|member| self.connections.get(*member as usize))
            .filter_map(|connection| {
                let identity = connection.identity.as_ref()?;
                let client = client_id(self.node, connection.generation);
                Some((client, &*identity.user().0))
            })
            .collect();
        let infos: Vec<ClientInfo<'_>> = present
            .iter()
            .map(|(client, user)| ClientInfo {
                user,
                client,
                sender: None,
            })
            .collect();
        self.replies.reply(id, Response::Presence(&infos));
    }

    /// How many follow a channel.
    pub(super) fn handle_presence_stats(&mut self, id: u32, name: &str) {
        let Some(channel) = self.parse_channel(id, name) else {
            return;
        };
        let stats = self.shared.presence().stats(&channel);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let response = Response::PresenceStats {
            clients: count(stats.num_clients),
            users: count(stats.num_users),
        };
        self.replies.reply(id, response);
    }
}
