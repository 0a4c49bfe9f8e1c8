//! All reactors of a node: who hands something to them hands it here.
//!
//! A reactor is a thread with sockets of its own; nothing migrates and nothing is shared between two of them but what
//! comes through their inboxes. A publication goes to all of them as one shared message, a new socket to the one that
//! has the fewest, an answer to the one that asked. Each has a [`Pulse`], by which others see that it still turns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    drain::Order,
    inbox::{Handover, Inbox},
    limits,
};

/// The reactors; see the module.
#[derive(Debug)]
pub(crate) struct Reactors {
    seats: Box<[Seat]>,
    /// Whose turn it is among equals.
    turn: AtomicUsize,
}

/// One reactor, seen from outside.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) pulse: Arc<Pulse>,
}

/// What a reactor shows of itself, written by its own thread alone but for [`Pulse::expect_socket`].
#[derive(Debug)]
pub(crate) struct Pulse {
    started: Instant,
    /// Milliseconds from the start to the last turn.
    beat: AtomicU64,
    /// Nanoseconds of its turns, waiting for the poll excluded.
    busy: AtomicU64,
    /// Sockets it has, or is about to have.
    sockets: AtomicUsize,
    ended: AtomicBool,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            beat: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            sockets: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        }
    }
}

impl Pulse {
    /// The reactor has come round once more.
    pub(crate) fn beat(&self, now: Instant) {
        let since = now.saturating_duration_since(self.started).as_millis();
        self.beat
            .store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// A turn has taken so long, without the wait before it.
    pub(crate) fn worked(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.busy.fetch_add(nanos, Ordering::Relaxed);
    }

    /// How long the reactor has worked since it started.
    pub(crate) fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy.load(Ordering::Relaxed))
    }

    /// A socket is on its way, or was accepted.
    pub(crate) fn expect_socket(&self) {
        self.sockets.fetch_add(1, Ordering::Relaxed);
    }

    /// A socket is gone.
    pub(crate) fn lose_socket(&self) {
        self.sockets.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sockets it has, or is about to have.
    pub(crate) fn sockets(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    /// The thread is at its end.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether the reactor turned lately: it does so at least every [`limits::HEARTBEAT`], however idle.
    fn is_alive(&self, now: Instant) -> bool {
        let beat = self.started + Duration::from_millis(self.beat.load(Ordering::Relaxed));
        !self.ended.load(Ordering::Acquire)
            && now.saturating_duration_since(beat) < limits::STUCK_AFTER
    }
}

impl Reactors {
    /// These reactors, at least one.
    pub(crate) fn new(seats: Vec<Seat>) -> Self {
        Self {
            seats: seats.into_boxed_slice(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Each of them, by its number.
    pub(crate) fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Whether all of them turn. A stuck one is as bad as one that ended: its fans hear nothing.
    pub(crate) fn are_alive(&self, now: Instant) -> bool {
        self.seats.iter().all(|seat| seat.pulse.is_alive(now))
    }

    /// A new socket, for the reactor that has the fewest; equals take turns.
    pub(crate) fn hand_over(&self, socket: Handover) {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.seats.len().max(1);
        let (before, after) = self.seats.split_at(first);
        let seat = after
            .iter()
            .chain(before)
            .min_by_key(|seat| seat.pulse.sockets());
        if let Some(seat) = seat {
            seat.pulse.expect_socket();
            seat.inbox.hand_over(socket);
        }
    }

    /// The order to move the fans, for all.
    pub(crate) fn drain(&self, order: Order) {
        for seat in &self.seats {
            seat.inbox.drain(order);
        }
    }

    /// The order to stop, for all.
    pub(crate) fn stop(&self, by: Instant) {
        for seat in &self.seats {
            seat.inbox.stop(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reactor_that_no_longer_turns_is_not_alive() {
        let pulse = Pulse::default();
        let start = pulse.started;
        pulse.beat(start + Duration::from_secs(100));
        assert!(pulse.is_alive(start + Duration::from_secs(100) + limits::HEARTBEAT));
        assert!(!pulse.is_alive(start + Duration::from_secs(100) + limits::STUCK_AFTER));
        pulse.beat(start + Duration::from_secs(200));
        assert!(pulse.is_alive(start + Duration::from_secs(200)));
        pulse.end();
        assert!(!pulse.is_alive(start + Duration::from_secs(200)));
    }

    #[test]
    fn busy_time_adds_up() {
        let pulse = Pulse::default();
        pulse.worked(Duration::from_millis(3));
        pulse.worked(Duration::from_millis(4));
        assert_eq!(pulse.busy(), Duration::from_millis(7));
    }
}
