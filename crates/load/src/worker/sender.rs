//! The senders of the lossless lane: one per feed, so that the order of its messages is known.
//!
//! A sender that loses its connection goes on at another server and sends again, under the same ids, whatever was not
//! answered: a server that has it already takes it as a repetition.

use std::collections::VecDeque;

use super::{lost::Lost, reactor::Reactor, seats::Stage};
use crate::{
    clock::micros_between,
    exchange::FeedTotal,
    limits::{REFUSED_MAX, UNANSWERED_MAX},
    marker::{Mark, Promise},
    protocol::{Line, PUBLISH_FIRST},
};

/// The sender of a feed.
#[derive(Debug, Default)]
pub(super) struct Sender {
    pub(super) feed: u32,
    /// Messages so far, and so the number of the next one.
    sent: u32,
    /// Those without an answer, oldest first. After a lost connection they are sent again under the same ids.
    unanswered: VecDeque<Unanswered>,
    refused: Vec<u32>,
}

impl Sender {
    /// A feed's sender, before its first message.
    pub(super) fn new(feed: u32) -> Self {
        Self {
            feed,
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Unanswered {
    number: u32,
    intended_ns: u64,
}

impl Reactor {
    /// Sends a feed's next message.
    pub(super) fn announce(&mut self, sender_index: u32, intended_ns: u64) {
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
            self.tally.unanswered_room += 1;
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
        let feed = self.sender_feed(seat);
        let mark = Mark {
            promise: Promise::Lossless,
            feed,
            number: message.number,
            intended_ns: message.intended_ns,
        };
        let mut text = String::new();
        self.marker
            .write(mark, self.task.order.text_bytes, &mut text);
        let channel = format!("room:{}", self.room_name(feed));
        let id = format!(
            "load-{:08x}-r{feed}-{}",
            self.task.order.run, message.number
        );
        let command = PUBLISH_FIRST.saturating_add(message.number);
        let encoding = self.task.order.encoding;
        let message = encoding.publish(command, &channel, &id, &text);
        self.say(seat, &message)
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
        let encoding = self.task.order.encoding;
        for line in encoding.lines(message) {
            match line {
                Line::Push(_) => {}
                Line::Ping => self.say(seat, encoding.ping())?,
                Line::Reply(line) => {
                    let Some(reply) = encoding.parse_reply(line) else {
                        continue;
                    };
                    if let Some(connected) = &reply.connect {
                        self.seats[seat].pings_every = connected.ping;
                    }
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
                *self.tally.refused_room.entry(code).or_default() += 1;
            }
        }
    }

    /// What the senders sent, once everything is sent and answered, or no longer waited for.
    pub(super) fn published(&mut self, give_up: bool) -> Option<Vec<FeedTotal>> {
        let publishing = self.publishing.as_mut()?;
        let waiting = self
            .senders
            .iter()
            .any(|sender| !sender.unanswered.is_empty());
        if publishing.told || !publishing.due.is_empty() || (waiting && !give_up) {
            return None;
        }
        publishing.told = true;
        let unanswered = self
            .senders
            .iter()
            .map(|sender| sender.unanswered.len() as u64);
        self.tally.unanswered_room += unanswered.sum::<u64>();
        let totals = self.senders.iter_mut().map(|sender| {
            // What was never answered may or may not have been taken: nobody can be blamed for either.
            while let Some(waiting) = sender.unanswered.pop_front() {
                refuse(sender, waiting.number);
            }
            sender.refused.sort_unstable();
            FeedTotal {
                feed: sender.feed,
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
