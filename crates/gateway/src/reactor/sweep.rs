//! Sweeps: every dirty feed's fans are visited in turn and written what they lack.
//!
//! The first message into a quiet feed leaves at once (the leading edge). What comes while a sweep is under way, or
//! within a tick of its beginning, waits for the next one and merges with whatever else does: so the tick of a
//! mega-room is the time its sweep takes, by itself. Feeds take turns of
//! [`SWEEP_VISITS_PER_TURN`](limits::SWEEP_VISITS_PER_TURN) visits, and after
//! [`SWEEP_VISITS_PER_POLL`](limits::SWEEP_VISITS_PER_POLL), or
//! [`SWEEP_BYTES_PER_POLL`](limits::SWEEP_BYTES_PER_POLL), the poll has its turn: pings, joins and small rooms never
//! wait behind a mega-room. A visit brings what the fan lacks of all feeds it follows, in one write, and the sweeps of the
//! others find nothing left to do. A fan whose socket is full is passed over; the poll tells when it is not.
//!
//! A fan whose cursor has fallen out of the log of a lossless lane is closed with 3008 and recovers on return. In the
//! chat lane the fan skips to the newest message, once the socket takes more, and is told how many were missed.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::{Duration, Instant},
};

use fanwave_wire::{Notice, protocol::Push};

use super::{Reactor, connection::Written, key::FeedKey};
use crate::{limits, room_log::Cursor};

/// One feed's place in the scheme.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    stage: Stage,
    /// When the last sweep began; `None` before the first.
    began: Option<Instant>,
    /// Since when a fan has lacked something that no finished sweep has brought.
    dirty_since: Option<Instant>,
    /// The same, for what came after the sweep under way had begun.
    dirty_again_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// Everybody has everything, or will have it when their socket takes it.
    #[default]
    Quiet,
    /// Dirty; swept when its tick is over.
    Waiting,
    /// Members before `position` have been visited since the log ended at `head`.
    Running { position: usize, head: Cursor },
}

/// The dirty feeds, each of them once in one of the two queues.
#[derive(Debug)]
pub(crate) struct Sweeper {
    tick: Duration,
    running: VecDeque<FeedKey>,
    waiting: BinaryHeap<Reverse<(Instant, FeedKey)>>,
}

impl Sweep {
    /// Begins a sweep of everything up to `head`.
    pub(crate) fn begin(&mut self, now: Instant, head: Cursor) {
        self.began = Some(now);
        self.stage = Stage::Running { position: 0, head };
    }

    /// How far the sweep under way has come, if one is.
    pub(crate) fn position_mut(&mut self) -> Option<&mut usize> {
        match &mut self.stage {
            Stage::Running { position, .. } => Some(position),
            Stage::Quiet | Stage::Waiting => None,
        }
    }
}

impl Sweeper {
    /// No dirty feed yet.
    pub(crate) fn new(tick: Duration) -> Self {
        Self {
            tick,
            running: VecDeque::new(),
            waiting: BinaryHeap::new(),
        }
    }

    /// Whether a sweep is under way.
    pub(crate) fn has_work(&self) -> bool {
        !self.running.is_empty()
    }

    /// When the next waiting feed's tick is over.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse((due, _))| *due)
    }

    /// The feed's log has grown.
    pub(crate) fn mark(&mut self, key: FeedKey, sweep: &mut Sweep, now: Instant) {
        match sweep.stage {
            Stage::Waiting => {}
            Stage::Running { .. } => {
                sweep.dirty_again_since.get_or_insert(now);
            }
            Stage::Quiet => {
                sweep.dirty_since = Some(now);
                self.wait(key, sweep, now);
            }
        }
    }

    /// Lets a dirty feed wait for its tick; in a quiet feed that is over already.
    fn wait(&mut self, key: FeedKey, sweep: &mut Sweep, now: Instant) {
        let due = sweep.began.map_or(now, |began| began + self.tick);
        sweep.stage = Stage::Waiting;
        self.waiting.push(Reverse((due.max(now), key)));
    }

    /// The feed is gone.
    pub(crate) fn forget(&mut self, key: FeedKey) {
        self.running.retain(|running| *running != key);
        self.waiting.retain(|Reverse((_, waiting))| *waiting != key);
    }

    /// The next feed whose tick is over.
    fn pop_due(&mut self, now: Instant) -> Option<FeedKey> {
        let due = self
            .waiting
            .peek()
            .is_some_and(|Reverse((due, _))| *due <= now);
        if due {
            self.waiting.pop().map(|Reverse((_, key))| key)
        } else {
            None
        }
    }
}

/// What a feed's turn came to.
enum TurnOver {
    /// There are members left to visit.
    Unfinished,
    /// Everybody has been visited.
    Finished,
}

impl Reactor {
    /// Visits a bounded number of fans.
    pub(crate) fn sweep(&mut self) {
        while let Some(key) = self.sweeper.pop_due(self.clock.now) {
            let Some(feed) = self.feeds.get_mut(key.index()) else {
                continue;
            };
            feed.seal(&mut self.compression);
            feed.sweep.begin(self.clock.now, feed.log.head());
            self.sweeper.running.push_back(key);
        }
        let mut visits = limits::SWEEP_VISITS_PER_POLL;
        let sent_bytes_max = self.scratch.tally.sent_bytes + limits::SWEEP_BYTES_PER_POLL;
        while visits > 0 && self.scratch.tally.sent_bytes < sent_bytes_max {
            let Some(key) = self.sweeper.running.pop_front() else {
                break;
            };
            let turn = visits.min(limits::SWEEP_VISITS_PER_TURN);
            visits -= turn;
            match self.sweep_feed(key, turn) {
                TurnOver::Unfinished => self.sweeper.running.push_back(key),
                TurnOver::Finished => self.finish_sweep(key),
            }
        }
    }

    /// Visits the next members of a feed.
    fn sweep_feed(&mut self, key: FeedKey, visits: usize) -> TurnOver {
        let Self {
            feeds,
            connections,
            scratch,
            ..
        } = self;
        let Some(feed) = feeds.get_mut(key.index()) else {
            return TurnOver::Finished;
        };
        let Stage::Running { position, head } = feed.sweep.stage else {
            return TurnOver::Finished;
        };
        let end = feed.members.len().min(position + visits);
        feed.sweep.stage = Stage::Running {
            position: end,
            head,
        };
        let over = if end == feed.members.len() {
            TurnOver::Finished
        } else {
            TurnOver::Unfinished
        };
        // Whoever must be seen to may leave the feed for it, which moves members: they are seen to afterwards.
        let mut unsettled = Vec::new();
        let members = std::mem::take(&mut feed.members);
        for member in &members[position.min(end)..end] {
            let index = *member as usize;
            let Some(connection) = connections.get_mut(index) else {
                continue;
            };
            let Some(subscription) = connection.subscription(key) else {
                continue;
            };
            let was_blocked = connection.blocked;
            match connection.send_rooms(subscription, feeds, scratch) {
                Written::All => {}
                Written::Blocked if was_blocked => {}
                written => unsettled.push((index, written)),
            }
        }
        if let Some(feed) = feeds.get_mut(key.index()) {
            feed.members = members;
        }
        for (index, written) in unsettled {
            self.settle_feed(index, key, written);
        }
        over
    }

    /// Everybody has what there was when the sweep began; what came since makes the feed dirty again.
    fn finish_sweep(&mut self, key: FeedKey) {
        let Self {
            feeds,
            sweeper,
            metrics,
            admission,
            clock,
            ..
        } = self;
        let Some(feed) = feeds.get_mut(key.index()) else {
            return;
        };
        let Stage::Running { head, .. } = feed.sweep.stage else {
            return;
        };
        if let Some(since) = feed.sweep.dirty_since.take() {
            let wait = since.elapsed();
            metrics.swept(wait);
            admission.observe(wait);
        }
        feed.sweep.stage = Stage::Quiet;
        if feed.has_grown(head) {
            feed.sweep.dirty_since = feed.sweep.dirty_again_since.take();
            sweeper.wait(key, &mut feed.sweep, clock.now);
        }
    }

    /// Does what the outcome of a write from a feed's log asks for.
    pub(crate) fn settle_feed(&mut self, index: usize, key: FeedKey, written: Written) {
        if let Written::Skipped { missed } = written {
            self.tell_missed(index, key, missed);
        } else {
            self.settle(index, written);
        }
    }

    /// Tells a fan who was too slow how many messages were never sent.
    pub(crate) fn tell_missed(&mut self, index: usize, key: FeedKey, missed: u64) {
        self.metrics.skipped.inc_by(missed);
        let feed = self.feeds.get(key.index());
        let Some(room) = feed.and_then(|feed| self.rooms.get(feed.channel.index())) else {
            return;
        };
        let channel = room.channel.clone();
        let notice = Notice::Missed { count: missed };
        self.speak_to(index);
        self.replies.push(Push::Notice {
            channel: &channel,
            notice: &notice,
        });
        self.flush(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(20);
    const FEED: FeedKey = FeedKey(7);

    #[test]
    fn a_quiet_room_is_swept_at_once_and_a_busy_one_once_a_tick() {
        let mut sweeper = Sweeper::new(TICK);
        let mut sweep = Sweep::default();
        let start = Instant::now();
        sweeper.mark(FEED, &mut sweep, start);
        assert_eq!(
            sweeper.pop_due(start),
            Some(FEED),
            "the leading edge does not wait"
        );
        sweep.begin(start, Cursor::default());
        sweep.stage = Stage::Quiet;

        let soon = start + TICK / 4;
        sweeper.mark(FEED, &mut sweep, soon);
        sweeper.mark(FEED, &mut sweep, soon);
        assert_eq!(sweeper.next_due(), Some(start + TICK));
        assert_eq!(sweeper.pop_due(soon), None);
        assert_eq!(sweeper.pop_due(start + TICK), Some(FEED));
        assert_eq!(
            sweeper.pop_due(start + TICK),
            None,
            "two messages are one sweep"
        );

        sweep.begin(start + TICK, Cursor::default());
        sweep.stage = Stage::Quiet;
        let late = start + TICK * 10;
        sweeper.mark(FEED, &mut sweep, late);
        assert_eq!(
            sweeper.pop_due(late),
            Some(FEED),
            "a room quiet for a tick has a leading edge again"
        );
    }

    #[test]
    fn a_closed_room_is_forgotten() {
        let mut sweeper = Sweeper::new(TICK);
        let now = Instant::now();
        sweeper.mark(FEED, &mut Sweep::default(), now);
        sweeper.forget(FEED);
        assert_eq!(sweeper.pop_due(now), None);
        assert!(!sweeper.has_work());
    }
}
