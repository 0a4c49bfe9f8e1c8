//! Who comes to a channel, and who goes from it: counted always, and told while the room is small.
//!
//! Joins and leaves go to those alone who have asked for them in their subscribe command; everybody else pays nothing
//! for them, and a room in which nobody has asked sends them nowhere.

use std::sync::Arc;

use fanwave_room::presence::{Audience, Telling};
use fanwave_wire::{Channel, UserId, protocol::Push};

use crate::{
    inbox::Item,
    limits,
    reactor::{Reactor, key::ChannelKey},
    roll_call::Present,
};

/// Somebody comes to a small room, or goes from it.
#[derive(Debug)]
pub(crate) struct Passing {
    who: Present,
    way: Way,
}

/// Which way somebody passes the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl Reactor {
    /// A connection wants to be told who comes and goes.
    pub(super) fn watch_the_door(&mut self, index: usize, key: ChannelKey) {
        let Some(room) = self.rooms.get_mut(key.index()) else {
            return;
        };
        // Where more want it than a small room has fans, nobody is told for long.
        if room.watchers.len() < limits::DOOR_WATCHERS_MAX {
            room.watchers.push(u32::try_from(index).unwrap_or(u32::MAX));
            self.shared.watch(&room.channel);
        }
    }

    /// A connection no longer follows a channel.
    fn leave_the_door(&mut self, index: usize, key: ChannelKey) {
        let Some(room) = self.rooms.get_mut(key.index()) else {
            return;
        };
        let watched = room.watchers.len();
        room.watchers.retain(|watcher| *watcher as usize != index);
        if room.watchers.len() < watched {
            self.shared.unwatch(&room.channel);
        }
    }

    /// A connection has begun to follow a channel.
    pub(super) fn count_in(&self, index: usize, key: ChannelKey) {
        let Some((user, channel)) = self.user_and_channel(index, key) else {
            return;
        };
        let telling = {
            let mut presence = self.shared.presence();
            presence.join(channel, user);
            presence.audience(channel).map(Audience::telling)
        };
        self.tell_passing(index, channel, (telling, Way::In));
    }

    /// A connection follows a channel no more.
    pub(crate) fn count_out(&mut self, index: usize, key: ChannelKey) {
        self.leave_the_door(index, key);
        let Some((user, channel)) = self.user_and_channel(index, key) else {
            return;
        };
        let telling = {
            let mut presence = self.shared.presence();
            presence.leave(channel, user);
            presence.audience(channel).map(Audience::telling)
        };
        self.tell_passing(index, channel, (telling, Way::Out));
    }

    fn tell_passing(
        &self,
        index: usize,
        channel: &Channel,
        (telling, way): (Option<Telling>, Way),
    ) {
        if telling != Some(Telling::Each) || !self.shared.is_watched(channel) {
            return;
        }
        if let Some(who) = self.present_at(index) {
            let passing = Arc::new(Passing { who, way });
            let item = Item::Passing(channel.clone(), passing);
            self.calls.desk().tell_all(&item);
        }
    }

    /// Tells those here who asked for it that somebody has come or gone.
    pub(crate) fn handle_passing(&mut self, channel: &Channel, passing: &Passing) {
        let key = self.rooms_by_channel.get(channel);
        let Some(room) = key.and_then(|key| self.rooms.get(key.index())) else {
            return;
        };
        let info = passing.who.info();
        let push = match passing.way {
            Way::In => Push::Join { channel, info },
            Way::Out => Push::Leave { channel, info },
        };
        for watcher in room.watchers.clone() {
            let index = watcher as usize;
            self.speak_to(index);
            self.replies.push(push);
            self.flush(index);
        }
    }

    fn user_and_channel(&self, index: usize, key: ChannelKey) -> Option<(&UserId, &Channel)> {
        let identity = self.connections.get(index)?.identity.as_ref()?;
        let room = self.rooms.get(key.index())?;
        Some((identity.user(), &room.channel))
    }
}
