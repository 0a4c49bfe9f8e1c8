//! The record of one fan: about 200 bytes, so that a process holds as many as it has descriptors.
//!
//! What a fan hears is judged here; the [`reactor`](super::reactor) does what the judgement asks for.

use crate::{
    exchange::Second,
    ledger::{Entry, Ledger},
    marker::{Mark, Marker, Promise},
    protocol::{self, Delivery, Encoding, Line, Reply},
};

/// One fan, without its connection.
#[derive(Debug)]
pub(super) struct Fan {
    /// Which feed it listens to; see [`Order::feeds`](crate::Order::feeds).
    pub(super) feed: u32,
    /// Belongs to the share that is dropped, never reads, or comes and goes.
    pub(super) chosen: bool,
    /// Reads nothing while it is live.
    pub(super) deaf: bool,
    /// Has been live, and recovers when it comes back.
    pub(super) was_live: bool,
    /// Index among the epochs that were met.
    pub(super) epoch: u16,
    /// Where it stands in the lossless lane.
    pub(super) offset: u64,
    /// Different messages of the lossless lane that it got.
    pub(super) received: u32,
    pub(super) ledger: Ledger,
}

/// What came of hearing a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing to do.
    Nothing,
    /// The protocol's ping wants its answer.
    Ping,
    /// So many of its first commands were answered.
    Answered(u8),
    /// A command without which the fan is nothing was refused with this error code.
    Refused(u32),
}

/// What a fan's frames are judged with, beside its record.
pub(super) struct Ear<'a> {
    pub(super) encoding: Encoding,
    pub(super) marker: &'a Marker,
    pub(super) tally: &'a mut Second,
    pub(super) epochs: &'a mut Vec<String>,
    /// Whose frames they are.
    pub(super) server: u16,
    /// When the bytes were read.
    pub(super) now_ns: u64,
    /// How often the server said that it pings, seconds, if it just did; 0 when it has not.
    pub(super) pings_every: u32,
}

impl Fan {
    pub(super) fn new(feed: u32, chosen: bool, deaf: bool) -> Self {
        Self {
            feed,
            chosen,
            deaf,
            was_live: false,
            epoch: 0,
            offset: 0,
            received: 0,
            ledger: Ledger::default(),
        }
    }

    /// Judges one message of the server.
    pub(super) fn hear(&mut self, message: &[u8], ear: &mut Ear<'_>) -> Heard {
        let mut heard = Heard::Nothing;
        for line in ear.encoding.lines(message) {
            let of_line = match line {
                Line::Ping => Heard::Ping,
                Line::Push(delivery) => {
                    self.hear_push(&delivery, ear);
                    Heard::Nothing
                }
                Line::Reply(line) => self.hear_reply(line, ear),
            };
            heard = match (heard, of_line) {
                // The answers to the first commands may come in one message; so may all that is worse.
                (Heard::Answered(before), Heard::Answered(more)) => Heard::Answered(before + more),
                (before, Heard::Nothing) | (before @ Heard::Refused(_), _) => before,
                (_, of_line) => of_line,
            };
        }
        heard
    }

    fn hear_push(&mut self, delivery: &Delivery<'_>, ear: &mut Ear<'_>) {
        let Some((mark, at)) = ear.marker.find(delivery.body) else {
            ear.tally.more += delivery.left_out().unwrap_or(0);
            return;
        };
        if mark.feed != self.feed {
            ear.tally.strays += 1;
            return;
        }
        if let Some(server) = ear.tally.servers.get_mut(usize::from(ear.server)) {
            server.deliveries += 1;
        }
        let micros = crate::clock::micros_between(mark.intended_ns, ear.now_ns);
        match mark.promise {
            Promise::Lossy => ear.tally.chat.record(micros),
            Promise::Lossless => {
                ear.tally.room.record(micros);
                if let Some(offset) = delivery.offset(at) {
                    self.offset = self.offset.max(offset);
                }
                self.enter(mark, ear.tally);
            }
        }
    }

    fn enter(&mut self, mark: Mark, tally: &mut Second) {
        match self.ledger.enter(mark.number) {
            Entry::InOrder => self.received += 1,
            Entry::Skipped(skipped) => {
                self.received += 1;
                tally.skipped += u64::from(skipped);
            }
            Entry::Late => {
                self.received += 1;
                tally.late += 1;
            }
            Entry::Duplicate => tally.duplicates += 1,
        }
    }

    fn hear_reply(&mut self, line: &[u8], ear: &mut Ear<'_>) -> Heard {
        let Some(reply) = ear.encoding.parse_reply(line) else {
            return Heard::Nothing;
        };
        if reply.id >= protocol::PUBLISH_FIRST {
            count_chat_answer(&reply, ear.tally);
            return Heard::Nothing;
        }
        if let Some(error) = &reply.error {
            return Heard::Refused(error.code);
        }
        if reply.id == protocol::SUBSCRIBE_ROOM {
            self.hear_recovery(line, &reply, ear);
        }
        if let Some(connected) = &reply.connect {
            ear.pings_every = connected.ping;
        }
        Heard::Answered(1)
    }

    /// The subscription to the lossless lane is answered, with what was missed.
    fn hear_recovery(&mut self, line: &[u8], reply: &Reply<'_>, ear: &mut Ear<'_>) {
        let Some(subscribed) = &reply.subscribe else {
            return;
        };
        if subscribed.was_recovering && !subscribed.recovered {
            ear.tally.unrecovered += 1;
        }
        self.offset = subscribed.offset;
        self.epoch = epoch_index(ear.epochs, &subscribed.epoch);
        if subscribed.recovered {
            let marker = ear.marker;
            for (mark, _) in marker.find_all(line) {
                if mark.feed != self.feed {
                    ear.tally.strays += 1;
                } else if mark.promise == Promise::Lossless {
                    ear.tally.recovered += 1;
                    self.enter(mark, ear.tally);
                }
            }
        }
    }
}

/// The index of an epoch; there are as many as rooms, and a few more after a server has lost its data.
fn epoch_index(epochs: &mut Vec<String>, epoch: &str) -> u16 {
    let index = epochs.iter().position(|known| known == epoch);
    let index = index.unwrap_or_else(|| {
        if epochs.len() < usize::from(u16::MAX) {
            epochs.push(epoch.to_owned());
        }
        epochs.len() - 1
    });
    u16::try_from(index).unwrap_or(u16::MAX)
}

fn count_chat_answer(reply: &Reply<'_>, tally: &mut Second) {
    match &reply.error {
        None => tally.accepted_chat += 1,
        Some(error) => *tally.refused.entry(error.code).or_default() += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u32 = 7;

    fn hear(fan: &mut Fan, message: &str) -> (Heard, Second) {
        let (mut tally, mut epochs) = (Second::of_servers(1), Vec::new());
        let mut ear = Ear {
            encoding: Encoding::Json,
            marker: &Marker::new(RUN),
            tally: &mut tally,
            epochs: &mut epochs,
            server: 0,
            now_ns: 10,
            pings_every: 0,
        };
        let heard = fan.hear(message.as_bytes(), &mut ear);
        (heard, tally)
    }

    fn text(promise: Promise, feed: u32, number: u32) -> String {
        let mut text = String::new();
        let mark = Mark {
            promise,
            feed,
            number,
            intended_ns: 5,
        };
        Marker::new(RUN).write(mark, 60, &mut text);
        text
    }

    #[test]
    fn what_another_room_was_told_is_a_stray_and_no_entry() {
        let mut fan = Fan::new(3, false, false);
        for (promise, feed, strays) in [
            (Promise::Lossless, 3, 0),
            (Promise::Lossless, 4, 1),
            (Promise::Lossy, 4, 1),
        ] {
            let push = format!(
                r#"{{"push":{{"channel":"x","pub":{{"offset":9,"data":{{"text":"{}"}}}}}}}}"#,
                text(promise, feed, 0)
            );
            let (_, tally) = hear(&mut fan, &push);
            assert_eq!(tally.strays, strays);
            assert_eq!(tally.room.total() + tally.chat.total(), 1 - strays);
        }
        let recovered = format!(
            r#"{{"id":2,"subscribe":{{"epoch":"e","offset":9,"recovered":true,"publications":[{{"data":{{"text":"{}"}}}},{{"data":{{"text":"{}"}}}}]}}}}"#,
            text(Promise::Lossless, 3, 1),
            text(Promise::Lossless, 4, 1),
        );
        let (heard, tally) = hear(&mut fan, &recovered);
        assert_eq!(heard, Heard::Answered(1));
        assert_eq!((tally.recovered, tally.strays), (1, 1));
        assert_eq!(fan.received, 2);
        assert!(fan.ledger.is_settled(2, &[]));
    }
}
