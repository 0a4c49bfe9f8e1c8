//! Who is where: each seat's server, its source address, its feed, and how many fans each server has.

use std::net::IpAddr;

use super::{lost::Lost, reactor::Reactor};
use crate::{Target, clock::now_ns};

impl Reactor {
    /// The server that a seat is at, or goes to next.
    pub(super) fn server_of(&self, index: usize) -> &Target {
        &self.task.order.servers[usize::from(self.seats[index].server)]
    }

    /// Sends every seat to its first server.
    pub(super) fn seat_at_servers(&mut self) {
        let order = &self.task.order;
        for (index, seat) in self.seats.iter_mut().enumerate() {
            seat.server = match index.checked_sub(self.fans.len()) {
                None => order.server_of(self.task.part.number_of(index)),
                Some(sender) => order.server_of_feed(self.senders[sender].feed),
            };
        }
    }

    /// A fan is connected and subscribed.
    pub(super) fn count_arrival(&mut self, index: usize) {
        self.live[usize::from(self.seats[index].server)] += 1;
        self.tally.count_change(now_ns(), 1);
    }

    /// A fan who was, is not any more.
    pub(super) fn count_departure(&mut self, index: usize) {
        self.live[usize::from(self.seats[index].server)] -= 1;
        self.tally.count_change(now_ns(), -1);
    }

    /// A connection ended at its server without this fan's doing, or an attempt failed there.
    pub(super) fn count_loss(&mut self, index: usize, lost: &Lost, was_live: bool) {
        let seat = &self.seats[index];
        let server = &mut self.tally.servers[usize::from(seat.server)];
        if let Some(code) = lost.close_code(was_live) {
            *self.tally.closes.entry(code).or_default() += 1;
            *server.closes.entry(code).or_default() += 1;
        }
        if !was_live {
            server.failures += 1;
            *self.tally.failures.entry(lost.reason()).or_default() += 1;
        }
    }

    /// From where a fan connects. Senders, who are few, come from wherever the system says.
    pub(super) fn source_of(&self, index: usize) -> Option<IpAddr> {
        let mut rest = index;
        for source in &self.task.part.sources {
            let fans = usize::try_from(source.fans).unwrap_or(usize::MAX);
            match rest.checked_sub(fans) {
                None => return source.address,
                Some(beyond) => rest = beyond,
            }
        }
        None
    }

    /// The feed of a sender's seat.
    pub(super) fn sender_feed(&self, seat: usize) -> u32 {
        let sender = self.senders.get(seat - self.fans.len());
        sender.map_or(0, |sender| sender.feed)
    }

    /// The id of a feed's room.
    pub(super) fn room_name(&self, feed: u32) -> &str {
        let order = &self.task.order;
        let index = usize::try_from(order.room_of_feed(feed)).unwrap_or(usize::MAX);
        order.rooms.get(index).map_or("", |room| room.as_str())
    }
}
