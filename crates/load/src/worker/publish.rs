//! The senders: messages at their times, whatever the server does meanwhile.
//!
//! The load is open-loop. When a message is due is a function of the schedule alone, and the latency of a message
//! that could only be sent late counts from when it was due; otherwise a slow server would be asked less, and look
//! fast. The lossless lane of a room has one sender, so that the order of its messages is known. The lossy lane is
//! written by the fans in turn.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{reactor::Reactor, seats::Stage};
use crate::{
    clock::{micros_between, now_ns},
    marker::{Mark, Promise},
    protocol::PUBLISH_FIRST,
};

/// The messages that are still to be sent.
#[derive(Debug)]
pub(super) struct Publishing {
    from_ns: u64,
    pub(super) until_ns: u64,
    /// The next message of each line, by its time.
    pub(super) due: BinaryHeap<Reverse<(u64, Strand)>>,
    pub(super) told: bool,
}

/// One line of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Strand {
    promise: Lane,
    /// Index of the sender, or the feed.
    index: u32,
    /// Number of the next message in its feed.
    number: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Room,
    Chat,
}

impl Reactor {
    /// Plans all messages of this worker.
    pub(super) fn start_publishing(&mut self, from_ns: u64, until_ns: u64) {
        let mut publishing = Publishing {
            from_ns,
            until_ns,
            due: BinaryHeap::new(),
            told: false,
        };
        let order = &self.task.order;
        if !order.room_rate.is_zero() {
            for index in 0..u32::try_from(self.senders.len()).unwrap_or(0) {
                let strand = Strand {
                    promise: Lane::Room,
                    index,
                    number: 0,
                };
                publishing.due.push(Reverse((from_ns, strand)));
            }
        }
        if let Some(first) = order.chat_rate.due_after_ns(u64::from(self.task.index)) {
            // The workers take turns: this one sends its own and every so-many-th after it.
            for index in 0..order.feeds() {
                let strand = Strand {
                    promise: Lane::Chat,
                    index,
                    number: self.task.index,
                };
                publishing
                    .due
                    .push(Reverse((from_ns.saturating_add(first), strand)));
            }
        }
        self.publishing = Some(publishing);
        let phones: Vec<usize> = (0..self.fans.len())
            .filter(|index| self.is_phone(*index))
            .collect();
        for index in phones {
            if self.seats[index].stage == Stage::Live {
                self.plan_leaving(index, from_ns);
            }
        }
    }

    /// Sends nothing more from then on.
    pub(super) fn end_publishing(&mut self, at_ns: u64) {
        if let Some(publishing) = &mut self.publishing {
            publishing.until_ns = publishing.until_ns.min(at_ns);
            publishing.due.clear();
        }
    }

    /// When the next message is due.
    pub(super) fn next_due_ns(&self) -> Option<u64> {
        let Reverse((at, _)) = self.publishing.as_ref()?.due.peek()?;
        Some(*at)
    }

    /// Sends what is due.
    pub(super) fn publish_due(&mut self) {
        loop {
            let now = now_ns();
            let Some(publishing) = &mut self.publishing else {
                return;
            };
            let Some(Reverse((at_ns, strand))) = publishing.due.peek().copied() else {
                return;
            };
            if at_ns > now {
                return;
            }
            publishing.due.pop();
            let step = match strand.promise {
                Lane::Room => 1,
                Lane::Chat => self.task.workers.max(1),
            };
            let rate = match strand.promise {
                Lane::Room => self.task.order.room_rate,
                Lane::Chat => self.task.order.chat_rate,
            };
            let number = strand.number.saturating_add(step);
            if let Some(after) = rate.due_after_ns(u64::from(number)) {
                let next = publishing.from_ns.saturating_add(after);
                if next < publishing.until_ns {
                    publishing
                        .due
                        .push(Reverse((next, Strand { number, ..strand })));
                }
            }
            self.tally.lag.record(micros_between(at_ns, now));
            match strand.promise {
                Lane::Room => self.announce(strand.index, at_ns),
                Lane::Chat => self.chatter(strand, at_ns),
            }
        }
    }

    /// One of a room's fans says something; whoever is next in turn and connected.
    fn chatter(&mut self, strand: Strand, intended_ns: u64) {
        let Some(fan) = self.next_speaker(strand.index) else {
            self.tally.unsent_chat += 1;
            return;
        };
        let mark = Mark {
            promise: Promise::Lossy,
            feed: strand.index,
            number: strand.number,
            intended_ns,
        };
        let mut text = String::new();
        self.marker
            .write(mark, self.task.order.text_bytes, &mut text);
        let channel = format!("chat:{}", self.room_name(strand.index));
        let id = format!(
            "load-{:08x}-c{}-{}",
            self.task.order.run, strand.index, strand.number
        );
        let command = PUBLISH_FIRST.saturating_add(strand.number);
        let encoding = self.task.order.encoding;
        let message = encoding.publish(command, &channel, &id, &text);
        self.tally.sent_chat += 1;
        if let Err(lost) = self.say(fan, &message) {
            self.lose(fan, &lost);
        }
    }

    /// Goes round the fans of a feed; gives up when a whole round found nobody.
    fn next_speaker(&mut self, feed: u32) -> Option<usize> {
        let feeds = self.speakers.len();
        let first_fan = usize::try_from(self.task.part.first_fan).ok()?;
        let feed = usize::try_from(feed).ok()?;
        // Fans are dealt out to feeds in turn: the feed's first one here, and every so-many-th after it.
        let offset = (feed + feeds - first_fan % feeds) % feeds;
        let members = self.fans.len().checked_sub(offset)?.div_ceil(feeds);
        let cursor = self.speakers.get_mut(feed)?;
        for _ in 0..members {
            let index = offset + *cursor % members * feeds;
            *cursor = (*cursor + 1) % members;
            let able = self.seats[index].stage == Stage::Live && !self.fans[index].deaf;
            if able {
                return Some(index);
            }
        }
        None
    }
}
