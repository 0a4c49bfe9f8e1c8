//! What happens at a time: every deadline of a connection, and the pings.
//!
//! | deadline | set when | what happens |
//! |---|---|---|
//! | connect | a socket is adopted | closed with 3502 unless connected |
//! | close | our close frame is written | the socket is closed |
//! | ping | every interval, by slot | a ping is sent; an expired token ends the connection with 3005 |
//! | pong | a while after the slot's ping | closed with 3012 unless something came from the peer |
//!
//! Deadlines of one kind all last equally long, so a queue in order of their setting is in order of their time.
//! Pings need no queue at all: a connection belongs to the slot of its place modulo
//! [`PING_SLOTS`](limits::PING_SLOTS), one slot is pinged at a time, and so they spread over the interval by themselves.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use fanwave_wire::protocol;

use super::{Reactor, connection::State, key::ConnectionKey};
use crate::{config::GatewayConfig, limits};

/// The reactor's deadlines; see the module.
#[derive(Debug)]
pub(crate) struct Timers {
    connects: Deadlines,
    closes: Deadlines,
    /// The slot that is pinged next.
    slot: u32,
    next_ping: Instant,
    slot_time: Duration,
    /// How many slots behind the ping the pong is due; at least one, less than all.
    pong_slots: u32,
}

/// Deadlines that all last equally long, earliest first.
#[derive(Debug)]
pub(crate) struct Deadlines {
    after: Duration,
    queue: VecDeque<(Instant, ConnectionKey)>,
}

/// What a connection is looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    Ping,
    Pong,
}

impl Deadlines {
    /// None yet.
    pub(crate) fn new(after: Duration) -> Self {
        Self {
            after,
            queue: VecDeque::new(),
        }
    }

    /// One more, from now.
    pub(crate) fn set(&mut self, now: Instant, key: ConnectionKey) {
        self.queue.push_back((now + self.after, key));
    }

    /// The earliest, if its time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<ConnectionKey> {
        let (due, key) = *self.queue.front()?;
        if due > now {
            return None;
        }
        self.queue.pop_front();
        if self.queue.is_empty() {
            // A storm's worth of places would be kept for the next one: 24 bytes for each fan.
            self.queue.shrink_to_fit();
        }
        Some(key)
    }

    /// Forgets the earliest while nobody waits for them any more, and gives back what a storm has left.
    ///
    /// Nearly everybody connects at once, so that this keeps as many as are under way instead of as many as came in the
    /// last ten seconds.
    pub(crate) fn settle(&mut self, waits: impl Fn(&ConnectionKey) -> bool) {
        while self.queue.front().is_some_and(|(_, key)| !waits(key)) {
            self.queue.pop_front();
        }
        let kept = self.queue.len() * 2 + limits::SPARE_DEADLINES;
        if self.queue.capacity() > kept * 2 {
            self.queue.shrink_to(kept);
        }
    }

    /// The earliest, whether or not its time has come.
    pub(crate) fn pop(&mut self) -> Option<ConnectionKey> {
        self.queue.pop_front().map(|(_, key)| key)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Forgets those of others.
    pub(crate) fn retain(&mut self, lives: impl Fn(&ConnectionKey) -> bool) {
        self.queue.retain(|(_, key)| lives(key));
    }

    /// When the earliest is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.front().map(|(due, _)| *due)
    }
}

impl Timers {
    /// No deadline yet. The configuration has been checked.
    pub(crate) fn new(now: Instant, config: &GatewayConfig) -> Self {
        let slot_time = config.ping_interval / limits::PING_SLOTS;
        let slots = config
            .pong_timeout
            .as_nanos()
            .div_ceil(slot_time.as_nanos().max(1));
        let pong_slots = u32::try_from(slots)
            .unwrap_or(u32::MAX)
            .clamp(1, limits::PING_SLOTS - 1);
        Self {
            connects: Deadlines::new(config.connect_timeout),
            closes: Deadlines::new(config.close_timeout),
            slot: 0,
            next_ping: now + slot_time,
            slot_time,
            pong_slots,
        }
    }

    /// A socket was adopted: it must connect in time.
    pub(crate) fn expect_connect(&mut self, now: Instant, key: ConnectionKey) {
        self.connects.set(now, key);
    }

    /// A close frame was written: the peer must go in time.
    pub(crate) fn expect_close(&mut self, now: Instant, key: ConnectionKey) {
        self.closes.set(now, key);
    }

    /// When the next slot is pinged.
    pub(crate) fn next_ping(&self) -> Instant {
        self.next_ping
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [self.connects.next(), self.closes.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The slots to ping and to look for pongs in, when a slot's time has come.
    ///
    /// One slot at a time, however late it is: a process that was stopped must read what waits in its sockets before it
    /// counts anybody's silence.
    fn pop_slot(&mut self, now: Instant) -> Option<(u32, u32)> {
        if now < self.next_ping {
            return None;
        }
        let ping = self.slot;
        let pong = (ping + limits::PING_SLOTS - self.pong_slots) % limits::PING_SLOTS;
        self.slot = (ping + 1) % limits::PING_SLOTS;
        self.next_ping = (self.next_ping + self.slot_time).max(now);
        Some((ping, pong))
    }
}

impl Reactor {
    /// Ends what is overdue and pings the slot whose time has come.
    pub(crate) fn handle_deadlines(&mut self) {
        self.settle_deadlines();
        while let Some(key) = self.timers.connects.pop_due(self.clock.now) {
            let fresh = |index: &usize| {
                self.connections
                    .get(*index)
                    .is_some_and(|c| matches!(c.state, State::Fresh | State::Connecting))
            };
            if let Some(index) = self.find(key).filter(fresh) {
                self.disconnect(index, protocol::DisconnectCode::Stale);
            }
        }
        while let Some(key) = self.timers.closes.pop_due(self.clock.now) {
            if let Some(index) = self.find(key) {
                self.lose(index);
            }
        }
        if let Some((ping, pong)) = self.timers.pop_slot(self.clock.now) {
            self.visit_slot(pong, Visit::Pong);
            self.visit_slot(ping, Visit::Ping);
        }
    }

    /// Forgets the deadlines that nobody waits for any more: the earliest at once, and all of them when they outnumber
    /// the connections.
    fn settle_deadlines(&mut self) {
        let bound = self.connections.len() + limits::STALE_DEADLINES_MAX;
        let Self {
            timers,
            connections,
            ..
        } = self;
        let tenant = |key: &ConnectionKey| {
            let connection = connections.get(key.index())?;
            (connection.generation == key.generation).then_some(connection)
        };
        let lives = |key: &ConnectionKey| tenant(key).is_some();
        let connects = |key: &ConnectionKey| tenant(key).is_some_and(|c| c.state == State::Fresh);
        timers.connects.settle(connects);
        timers.closes.settle(lives);
        for deadlines in [&mut timers.connects, &mut timers.closes] {
            if deadlines.len() > bound * 2 {
                deadlines.retain(lives);
            }
        }
    }

    fn visit_slot(&mut self, slot: u32, visit: Visit) {
        let mut index = slot as usize;
        // Slab places are dense at the low end: beyond its capacity there is nobody.
        while index < self.connections.capacity() {
            match visit {
                Visit::Ping => self.ping(index),
                Visit::Pong => self.expect_pong(index),
            }
            index += limits::PING_SLOTS as usize;
        }
    }

    fn ping(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let Some(identity) = connection
            .identity
            .as_ref()
            .filter(|_| connection.state == State::Open)
        else {
            return;
        };
        let expired_for =
            Duration::from_millis(self.clock.unix.0.saturating_sub(identity.expires_at.0));
        if self.clock.unix >= identity.expires_at && expired_for >= self.config.expired_grace {
            self.disconnect(index, protocol::DisconnectCode::Expired);
            return;
        }
        connection.awaits_pong = true;
        self.speak_to(index);
        self.end_expired_subscriptions(index);
        self.replies.ping();
        self.flush(index);
    }

    fn expect_pong(&mut self, index: usize) {
        if self
            .connections
            .get(index)
            .is_some_and(|connection| connection.awaits_pong)
        {
            self.disconnect(index, protocol::DisconnectCode::NoPong);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_pinged_once_an_interval_and_its_pong_is_due_in_time() {
        let config = GatewayConfig::default();
        let start = Instant::now();
        let mut timers = Timers::new(start, &config);
        let mut pinged = Vec::new();
        let mut due = Vec::new();
        while timers.next_ping() <= start + config.ping_interval * 2 {
            let now = timers.next_ping();
            let (ping, pong) = timers.pop_slot(now).unwrap();
            if ping == 5 {
                pinged.push(now);
            }
            if pong == 5 {
                due.push(now);
            }
        }
        assert_eq!(pinged.len(), 2);
        assert_eq!(pinged[1] - pinged[0], timers.slot_time * limits::PING_SLOTS);
        let pong = due.into_iter().find(|due| *due > pinged[0]).unwrap() - pinged[0];
        assert!(
            pong >= config.pong_timeout && pong < config.pong_timeout + timers.slot_time,
            "{pong:?}"
        );
    }

    #[test]
    fn a_late_reactor_does_not_count_the_time_it_slept() {
        let config = GatewayConfig::default();
        let start = Instant::now();
        let mut timers = Timers::new(start, &config);
        let late = start + Duration::from_secs(3_600);
        assert!(timers.pop_slot(late).is_some());
        assert_eq!(
            timers.next_ping(),
            late,
            "one slot a turn, and reading in between"
        );
    }

    #[test]
    fn deadlines_come_in_order() {
        let mut deadlines = Deadlines::new(Duration::from_secs(10));
        let start = Instant::now();
        let key = |index| ConnectionKey {
            index,
            generation: 1,
        };
        deadlines.set(start, key(1));
        deadlines.set(start + Duration::from_secs(1), key(2));
        assert_eq!(deadlines.next(), Some(start + Duration::from_secs(10)));
        assert_eq!(deadlines.pop_due(start + Duration::from_secs(9)), None);
        assert_eq!(
            deadlines.pop_due(start + Duration::from_secs(10)),
            Some(key(1))
        );
        assert_eq!(deadlines.pop_due(start + Duration::from_secs(10)), None);
    }

    #[test]
    fn what_a_storm_has_left_is_given_back() {
        let mut deadlines = Deadlines::new(Duration::from_secs(10));
        let start = Instant::now();
        for index in 0..10_000 {
            let generation = index;
            deadlines.set(start, ConnectionKey { index, generation });
        }
        deadlines.settle(|key| key.index == 9_999);
        assert_eq!(deadlines.len(), 1, "all before the one who still waits");
        assert!(
            deadlines.queue.capacity() <= 4 * limits::SPARE_DEADLINES,
            "{}",
            deadlines.queue.capacity()
        );
    }
}
