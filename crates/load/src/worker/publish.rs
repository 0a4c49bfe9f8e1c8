//! The senders: messages at their times, whatever the server does meanwhile.
//!
//! The load is open-loop. When a message is due is a function of the schedule alone, and the latency of a message
//! that could only be sent late counts from when it was due; otherwise a slow server would be asked less, and look
//! fast. The lossless lane of a room has one sender, so that the order of its messages is known. The lossy lane is
//! written by the fans in turn.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use super::{link::Lost, reactor::Reactor, seats::Stage};
use crate::{
    clock::{micros_between, now_ns},
    exchange::RoomTotal,
    limits::{REFUSED_MAX, UNANSWERED_MAX},
    marker::{Mark, Promise},
    protocol::{self, Line, PUBLISH_FIRST},
};

/// The sender of a room's lossless lane.
#[derive(Debug, Default)]
pub(super) struct Sender {
    pub(super) room: u32,
    /// Messages so far, and so the number of the next one.
    sent: u32,
    /// Those without an answer, oldest first. After a lost connection they are sent again under the same ids.
    unanswered: VecDeque<Unanswered>,
    refused: Vec<u32>,
}

impl Sender {
    /// A room's sender, before its first message.
    pub(super) fn new(room: u32) -> Self {
        Self {
            room,
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Unanswered {
    number: u32,
    intended_ns: u64,
}

/// The messages that are still to be sent.
#[derive(Debug)]
pub(super) struct Publishing {
    from_ns: u64,
    pub(super) until_ns: u64,
    /// The next message of each line, by its time.
    due: BinaryHeap<Reverse<(u64, Strand)>>,
    pub(super) told: bool,
}

/// One line of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Strand {
    promise: Lane,
    /// Index of the sender, or of the room.
    index: u32,
    /// Number of the next message in its room.
    number: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
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
            for index in 0..u32::try_from(order.rooms.len()).unwrap_or(0) {
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

    /// Sends a room's next message into the lossless lane.
    fn announce(&mut self, sender_index: u32, intended_ns: u64) {
        let index = usize::try_from(sender_index).unwrap_or(usize::MAX);
        let Some(sender) = self.senders.get_mut(index) else {
            return;
        };
        let number = sender.sent;
        sender.sent += 1;
        self.tally.sent_room += 1;
        if sender.unanswered.len() >= UNANSWERED_MAX {
            refuse(sender, number);
            *self
                .tally
                .failures
                .entry("a sender is not served".to_owned())
                .or_default() += 1;
            return;
        }
        let message = Unanswered {
            number,
            intended_ns,
        };
        sender.unanswered.push_back(message);
        let seat = self.fans.len() + index;
        if self.seats[seat].stage == Stage::Live
            && let Err(lost) = self.transmit(seat, message)
        {
            self.lose(seat, &lost);
        }
    }

    fn transmit(&mut self, seat: usize, message: Unanswered) -> Result<(), Lost> {
        let room = self.sender_room(seat);
        let mark = Mark {
            promise: Promise::Lossless,
            room,
            number: message.number,
            intended_ns: message.intended_ns,
        };
        let mut text = String::new();
        self.marker
            .write(mark, self.task.order.text_bytes, &mut text);
        let channel = format!("room:{}", self.room_name(room));
        let id = format!(
            "load-{:08x}-r{room}-{}",
            self.task.order.run, message.number
        );
        let command = PUBLISH_FIRST.saturating_add(message.number);
        let frame = protocol::publish(command, &channel, &id, &text);
        match &mut self.seats[seat].link {
            Some(link) => link.send(frame.as_bytes()),
            None => Ok(()),
        }
    }

    /// A sender is connected again: whatever has no answer is sent again, in order.
    pub(super) fn resend(&mut self, seat: usize) -> Result<(), Lost> {
        let Some(sender) = self.senders.get(seat - self.fans.len()) else {
            return Ok(());
        };
        let messages: Vec<Unanswered> = sender.unanswered.iter().copied().collect();
        for message in messages {
            self.transmit(seat, message)?;
        }
        Ok(())
    }

    /// What a sender hears: answers.
    pub(super) fn hear_as_sender(
        &mut self,
        seat: usize,
        message: &[u8],
        at_ns: u64,
    ) -> Result<(), Lost> {
        for line in protocol::lines(message) {
            match line {
                Line::Push(_) => {}
                Line::Ping => {
                    if let Some(link) = &mut self.seats[seat].link {
                        link.send(protocol::PING)?;
                    }
                }
                Line::Reply(line) => {
                    let Some(reply) = protocol::parse_reply(line) else {
                        continue;
                    };
                    let code = reply.error.map(|error| error.code);
                    match (reply.id.checked_sub(PUBLISH_FIRST), code) {
                        (Some(number), code) => self.handle_published(seat, number, code, at_ns),
                        (None, Some(code)) => return Err(Lost::Refused(code)),
                        (None, None) => self.handle_answers(seat, 1, at_ns)?,
                    }
                }
            }
        }
        Ok(())
    }

    fn handle_published(&mut self, seat: usize, number: u32, error: Option<u32>, at_ns: u64) {
        let Some(sender) = self.senders.get_mut(seat - self.fans.len()) else {
            return;
        };
        let Some(place) = sender
            .unanswered
            .iter()
            .position(|waiting| waiting.number == number)
        else {
            return;
        };
        let Some(message) = sender.unanswered.remove(place) else {
            return;
        };
        match error {
            None => {
                self.tally.accepted_room += 1;
                self.tally
                    .answer
                    .record(micros_between(message.intended_ns, at_ns));
            }
            Some(code) => {
                refuse(sender, number);
                *self.tally.refused.entry(code).or_default() += 1;
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
            room: strand.index,
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
        let frame = protocol::publish(command, &channel, &id, &text);
        self.tally.sent_chat += 1;
        let sent = match &mut self.seats[fan].link {
            Some(link) => link.send(frame.as_bytes()),
            None => Ok(()),
        };
        if let Err(lost) = sent {
            self.lose(fan, &lost);
        }
    }

    /// Goes round the fans of a room; gives up when a whole round found nobody.
    fn next_speaker(&mut self, room: u32) -> Option<usize> {
        let rooms = self.task.order.rooms.len();
        let first_fan = usize::try_from(self.task.part.first_fan).ok()?;
        let room = usize::try_from(room).ok()?;
        // Fans are dealt out to rooms in turn: the room's first one here, and every so-many-th after it.
        let offset = (room + rooms - first_fan % rooms) % rooms;
        let members = self.fans.len().checked_sub(offset)?.div_ceil(rooms);
        let cursor = self.speakers.get_mut(room)?;
        for _ in 0..members {
            let index = offset + *cursor % members * rooms;
            *cursor = (*cursor + 1) % members;
            let able = self.seats[index].stage == Stage::Live && !self.fans[index].deaf;
            if able {
                return Some(index);
            }
        }
        None
    }

    /// What the senders sent, once everything is sent and answered, or no longer waited for.
    pub(super) fn published(&mut self, give_up: bool) -> Option<Vec<RoomTotal>> {
        let publishing = self.publishing.as_mut()?;
        let waiting = self
            .senders
            .iter()
            .any(|sender| !sender.unanswered.is_empty());
        if publishing.told || !publishing.due.is_empty() || (waiting && !give_up) {
            return None;
        }
        publishing.told = true;
        let totals = self.senders.iter_mut().map(|sender| {
            // What was never answered may or may not have been taken: nobody can be blamed for either.
            while let Some(waiting) = sender.unanswered.pop_front() {
                refuse(sender, waiting.number);
            }
            sender.refused.sort_unstable();
            RoomTotal {
                room: sender.room,
                sent: sender.sent,
                refused: std::mem::take(&mut sender.refused),
            }
        });
        Some(totals.collect())
    }
}

fn refuse(sender: &mut Sender, number: u32) {
    if sender.refused.len() < REFUSED_MAX {
        sender.refused.push(number);
    }
}
