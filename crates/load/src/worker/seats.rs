//! Getting connected and getting lost: the life of each connection, of fans and senders alike.

use std::time::Duration;

use mio::Token;

use super::{
    link::{Hearing, Link, dial},
    lost::Lost,
    reactor::Reactor,
};
use crate::{
    backoff,
    clock::{micros_between, nanos, now_ns},
    ledger::Ledger,
    limits,
    order::Scenario,
    protocol::Position,
};

/// Where a connection stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not connected; dials at its deadline.
    #[default]
    Away,
    /// Socket and upgrade are under way, until its deadline.
    Dialling,
    /// The first commands are not all answered; until its deadline.
    Joining,
    /// Connected and subscribed. A phone drops at its deadline; at others', the server must have been heard of late.
    Live,
    /// Will not come back.
    Gone,
}

/// One connection's place.
#[derive(Debug, Default)]
pub(super) struct Seat {
    pub(super) stage: Stage,
    /// Index of the server that it is at, or goes to next.
    pub(super) server: u16,
    pub(super) link: Option<Link>,
    /// Failed attempts in a row.
    failures: u8,
    /// First commands whose answers are still to come.
    answers: u8,
    /// The one time at which something happens to it by itself, Unix nanoseconds; later deadlines replace it.
    pub(super) wake_ns: u64,
    /// Since when it wants to be connected: the intended time of its first connect, or when it was lost.
    since_ns: u64,
    /// When anything was last heard on it.
    pub(super) heard_ns: u64,
    /// How often its server pings, seconds; 0 when it does not.
    pub(super) pings_every: u32,
}

impl Reactor {
    /// Sets the deadline of a seat, in place of the one it had.
    fn wake_at(&mut self, index: usize, at_ns: u64) {
        self.seats[index].wake_ns = at_ns;
        self.timers.push(std::cmp::Reverse((at_ns, index)));
    }

    /// Plans a first connect.
    pub(super) fn plan_dial(&mut self, index: usize, at_ns: u64) {
        self.seats[index].since_ns = at_ns;
        self.wake_at(index, at_ns);
    }

    /// A seat's deadline has come.
    pub(super) fn handle_deadline(&mut self, index: usize) {
        match self.seats[index].stage {
            Stage::Away => self.dial(index),
            Stage::Dialling | Stage::Joining => self.lose(index, &Lost::TimedOut),
            Stage::Live if self.is_phone(index) => self.drop_fan(index),
            Stage::Live => self.listen_for_pings(index),
            Stage::Gone => {}
        }
    }

    /// An SDK gives up a connection on which the pings stay away, which is how it learns that a server hangs.
    fn listen_for_pings(&mut self, index: usize) {
        let seat = &self.seats[index];
        let deaf = self.fans.get(index).is_some_and(|fan| fan.deaf);
        if seat.pings_every == 0 || deaf {
            return;
        }
        let every = Duration::from_secs(seat.pings_every.into());
        let silent_ns = seat.heard_ns + nanos(every + self.task.order.ping_delay);
        if now_ns() < silent_ns {
            self.wake_at(index, silent_ns);
        } else {
            self.lose(index, &Lost::Silent);
        }
    }

    fn dial(&mut self, index: usize) {
        let secure = self.server_of(index).chat.tls;
        if secure && self.dialling >= limits::HANDSHAKES_MAX {
            return self.wake_at(index, now_ns() + nanos(limits::HANDSHAKE_WAIT));
        }
        let hearing = match self.fans.get(index) {
            Some(fan) if fan.deaf => Hearing::Deaf,
            _ => Hearing::Good,
        };
        let address = self.server_of(index).chat.address;
        let linked = dial(address, self.source_of(index), hearing)
            .and_then(|stream| Link::new(stream, self.poll.registry(), Token(index)))
            .and_then(|link| self.secure(index, link));
        self.seats[index].stage = Stage::Dialling;
        self.dialling += 1;
        match linked {
            Ok(link) => {
                self.seats[index].link = Some(link);
                self.wake_at(index, now_ns() + nanos(limits::CONNECT_TIMEOUT));
            }
            Err(lost) => self.lose(index, &lost),
        }
    }

    /// Puts TLS under a connection, where its server speaks it.
    fn secure(&self, index: usize, link: Link) -> Result<Link, Lost> {
        let server = &self.server_of(index).chat;
        match &self.trust {
            Some(trust) if server.tls => link.secured(trust.clone(), server.name()),
            _ => Ok(link),
        }
    }

    /// The upgrade is done: say who it is and what it wants.
    pub(super) fn join(&mut self, index: usize) -> Result<(), Lost> {
        let encoding = self.task.order.encoding;
        let (message, answers) = match self.fans.get_mut(index) {
            Some(fan) => {
                if self.publishing.is_some() && !fan.was_live {
                    fan.ledger = Ledger::from_first_seen();
                }
                let epoch = self.epochs.get(usize::from(fan.epoch));
                let position = epoch.filter(|_| fan.was_live).map(|epoch| Position {
                    epoch,
                    offset: fan.offset,
                });
                let token = self.passes.fan(self.task.part.number_of(index));
                let feed = self.fans[index].feed;
                (encoding.join(&token, self.room_name(feed), position), 3)
            }
            None => {
                let token = self.passes.sender(self.sender_feed(index));
                (encoding.connect(&token), 1)
            }
        };
        let seat = &mut self.seats[index];
        seat.stage = Stage::Joining;
        self.dialling -= 1;
        seat.answers = answers;
        self.say(index, &message)
    }

    /// Says something, if there is anybody to say it to.
    pub(super) fn say(&mut self, index: usize, message: &[u8]) -> Result<(), Lost> {
        let encoding = self.task.order.encoding;
        match &mut self.seats[index].link {
            Some(link) => link.send(message, encoding),
            None => Ok(()),
        }
    }

    /// So many of a seat's first commands were answered.
    pub(super) fn handle_answers(
        &mut self,
        index: usize,
        answers: u8,
        at_ns: u64,
    ) -> Result<(), Lost> {
        let seat = &mut self.seats[index];
        if seat.stage != Stage::Joining {
            return Ok(());
        }
        seat.answers = seat.answers.saturating_sub(answers);
        if seat.answers > 0 {
            return Ok(());
        }
        seat.stage = Stage::Live;
        seat.failures = 0;
        seat.wake_ns = u64::MAX;
        seat.heard_ns = at_ns;
        let waited = micros_between(seat.since_ns, at_ns);
        self.listen_for_pings(index);
        let Some(fan) = self.fans.get_mut(index) else {
            return self.resend(index);
        };
        if fan.was_live {
            self.tally.back.record(waited);
            self.last_back_ns = at_ns;
        } else {
            self.tally.connect.record(waited);
        }
        fan.was_live = true;
        self.count_arrival(index);
        if self.is_phone(index) {
            self.plan_leaving(index, at_ns);
        }
        Ok(())
    }

    /// A phone stays between half and one and a half times as long as is usual.
    pub(super) fn plan_leaving(&mut self, index: usize, now_ns: u64) {
        let stay = nanos(self.task.order.stay);
        let stays = stay / 2 + self.random.below(stay);
        self.wake_at(index, now_ns + stays);
    }

    /// Whether this seat comes and goes by itself, now.
    pub(super) fn is_phone(&self, index: usize) -> bool {
        let chosen = self.fans.get(index).is_some_and(|fan| fan.chosen);
        let until = self
            .publishing
            .as_ref()
            .map_or(0, |publishing| publishing.until_ns);
        self.task.order.scenario == Scenario::Churn && chosen && now_ns() < until
    }

    /// Drops a fan's connection without a word, as a lost network does, and lets it come back to the same server.
    pub(super) fn drop_fan(&mut self, index: usize) {
        if self.seats[index].stage == Stage::Gone {
            return;
        }
        self.leave(index, now_ns());
        self.come_back(index);
    }

    /// A connection ended, or never came about. Whoever comes back tries another server, as an SDK with several
    /// addresses does.
    pub(super) fn lose(&mut self, index: usize, lost: &Lost) {
        let was = self.seats[index].stage;
        self.count_loss(index, lost, was == Stage::Live);
        let cut = was == Stage::Live && self.fans.get(index).is_some_and(|fan| fan.deaf);
        self.leave(index, now_ns());
        if cut || is_final(lost) {
            self.seats[index].stage = Stage::Gone;
        } else {
            let others = self.task.order.other_servers();
            let other = self.random.below(u64::from(others.max(1)));
            let seat = &mut self.seats[index];
            let other = u32::try_from(other).unwrap_or(0);
            seat.server = self.task.order.server_after(seat.server, other);
            self.come_back(index);
        }
    }

    fn leave(&mut self, index: usize, now_ns: u64) {
        if index < self.fans.len() && self.seats[index].stage == Stage::Live {
            self.count_departure(index);
        }
        if self.seats[index].stage == Stage::Dialling {
            self.dialling -= 1;
        }
        let seat = &mut self.seats[index];
        // Dropping the socket closes it and takes it out of the poll.
        seat.link = None;
        if seat.stage == Stage::Live {
            seat.since_ns = now_ns;
        } else {
            seat.failures = seat.failures.saturating_add(1);
        }
        seat.stage = Stage::Away;
    }

    fn come_back(&mut self, index: usize) {
        // The first wait follows the loss of a connection, the next ones follow failed attempts.
        let wait: Duration = backoff::wait(self.seats[index].failures, &mut self.random);
        self.wake_at(index, now_ns() + nanos(wait));
    }
}

/// Whether an SDK would not come back: refused credentials, and the close codes that mean so.
fn is_final(lost: &Lost) -> bool {
    match lost {
        Lost::Closed(code) => matches!(code, 3500..=3999 | 4500..=4999),
        // Internal errors and "too fast" are temporary; all others will be the same next time.
        Lost::Refused(code) => !matches!(code, 100 | 111),
        _ => false,
    }
}
