//! A worker's one thread: a poll of all its sockets, its deadlines, its schedule.
//!
//! Time in which it does not wait is counted: a generator that is always busy measures itself, and the report must say
//! so.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token, event::Event};
use rustls::ClientConfig;

use super::{
    fan::{Ear, Fan, Heard},
    link::{Buffers, Pass},
    lost::Lost,
    passes::Passes,
    publish::Publishing,
    seats::{Seat, Stage},
    sender::Sender,
    viewers::Viewers,
};
use crate::{
    clock::now_ns,
    exchange::{Assignment, Second},
    frames::Frame,
    limits::{EVENTS_PER_POLL, READS_PER_TURN},
    marker::Marker,
    order::Scenario,
    random::Random,
};

/// The token of the waker; no seat has it.
pub(super) const WAKER: Token = Token(usize::MAX);

/// How long the thread sleeps at most: everything else has deadlines, the pipe to the coordinator a waker.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// Everything of one worker.
#[derive(Debug)]
pub(super) struct Reactor {
    pub(super) task: Assignment,
    pub(super) poll: Poll,
    pub(super) passes: Passes,
    pub(super) marker: Marker,
    pub(super) random: Random,
    pub(super) fans: Vec<Fan>,
    pub(super) senders: Vec<Sender>,
    /// The connections: first the fans', then the senders'.
    pub(super) seats: Vec<Seat>,
    pub(super) viewers: Viewers,
    /// Deadlines; one that is not the seat's own any more is stale.
    pub(super) timers: BinaryHeap<Reverse<(u64, usize)>>,
    pub(super) publishing: Option<Publishing>,
    /// Per feed: whose turn it is to speak.
    pub(super) speakers: Vec<usize>,
    pub(super) epochs: Vec<String>,
    pub(super) tally: Second,
    /// Fans who are connected and subscribed, by server.
    pub(super) live: Vec<u64>,
    pub(super) last_back_ns: u64,
    /// Connections whose socket or upgrade is under way.
    pub(super) dialling: u32,
    /// Whom to believe over TLS; none when nobody speaks it.
    pub(super) trust: Option<Arc<ClientConfig>>,
    buffers: Buffers,
    /// Sockets that had more to read than one turn takes.
    again: Vec<usize>,
    busy: Duration,
}

impl Reactor {
    /// Makes the fans and plans their connects.
    pub(super) fn new(
        task: Assignment,
        poll: Poll,
        passes: Passes,
        trust: Option<Arc<ClientConfig>>,
    ) -> Self {
        let order = &task.order;
        let servers = order.servers.len();
        let numbers = task.part.first_fan..task.part.first_fan + task.part.fans;
        let fans: Vec<Fan> = numbers
            .map(|number| {
                let chosen = order.is_chosen(number);
                let deaf = chosen && order.scenario == Scenario::SlowReaders;
                Fan::new(order.feed_of(number), chosen, deaf)
            })
            .collect();
        let senders: Vec<Sender> = task.part.feeds.iter().copied().map(Sender::new).collect();
        let seats = (0..fans.len() + senders.len()).map(|_| Seat::default());
        let mut reactor = Self {
            seats: seats.collect(),
            marker: Marker::new(order.run),
            random: Random::new(order.seed.wrapping_add(u64::from(task.index))),
            viewers: Viewers::new(&task),
            speakers: vec![0; usize::try_from(order.feeds()).unwrap_or(0)],
            fans,
            senders,
            poll,
            passes,
            timers: BinaryHeap::new(),
            publishing: None,
            epochs: Vec::new(),
            tally: Second::of_servers(servers),
            live: vec![0; servers],
            last_back_ns: 0,
            dialling: 0,
            buffers: Buffers::new(trust.is_some()),
            trust,
            again: Vec::new(),
            busy: Duration::ZERO,
            task,
        };
        reactor.seat_at_servers();
        reactor.plan_ramp();
        reactor
    }

    /// Every fan's first connect has its time: the workers' fans come in turn.
    fn plan_ramp(&mut self) {
        let (start, workers) = (self.task.at_ns, u64::from(self.task.workers.max(1)));
        let per_second = u64::from(self.task.order.connects_per_second.max(1));
        for index in 0..self.fans.len() {
            let turn = index as u64 * workers + u64::from(self.task.index);
            self.plan_dial(index, start + turn * 1_000_000_000 / per_second);
        }
        for index in self.fans.len()..self.seats.len() {
            self.plan_dial(index, start);
        }
    }

    /// Waits for whatever comes first, no longer than until `until_ns`, and deals with it.
    pub(super) fn turn(&mut self, events: &mut Events, until_ns: u64) -> io::Result<()> {
        let timeout = self.sleep(until_ns);
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            polled => polled?,
        }
        let woken = Instant::now();
        for index in std::mem::take(&mut self.again) {
            self.read(index, true);
        }
        for event in events.iter() {
            self.handle_event(event);
        }
        self.handle_deadlines();
        self.publish_due();
        let now = now_ns();
        self.viewers
            .handle_deadlines(now, self.poll.registry(), &mut self.tally.viewers);
        self.busy += woken.elapsed();
        Ok(())
    }

    /// Events for one poll.
    pub(super) fn events() -> Events {
        Events::with_capacity(EVENTS_PER_POLL)
    }

    fn sleep(&self, until_ns: u64) -> Duration {
        if !self.again.is_empty() {
            return Duration::ZERO;
        }
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let deadlines = [
            timer,
            self.next_due_ns(),
            self.viewers.next_deadline_ns(),
            Some(until_ns),
        ];
        let next = deadlines.into_iter().flatten().min().unwrap_or(until_ns);
        Duration::from_nanos(next.saturating_sub(now_ns())).min(SLEEP_MAX)
    }

    fn handle_event(&mut self, event: &Event) {
        let Token(index) = event.token();
        if event.token() == WAKER {
            return;
        }
        if index >= self.seats.len() {
            let place = index - self.seats.len();
            self.viewers.handle_event(
                place,
                event,
                &mut self.buffers.plain,
                &mut self.tally.viewers,
            );
            return;
        }
        if event.is_writable() || event.is_error() {
            let seat = &mut self.seats[index];
            let Some(link) = &mut seat.link else {
                return;
            };
            let server = &self.task.order.servers[usize::from(seat.server)];
            if let Err(lost) = link.handle_writable(server, self.task.order.encoding) {
                self.lose(index, &lost);
                return;
            }
        }
        let deaf = self.fans.get(index).is_some_and(|fan| fan.deaf);
        if deaf && self.seats[index].stage == Stage::Live {
            if event.is_read_closed() || event.is_error() {
                self.lose(index, &Lost::Closed(1006));
            }
        } else if event.is_readable() || event.is_read_closed() {
            self.read(index, event.is_read_closed());
        }
    }

    /// Reads what there is, but no more than a turn's share. A read that did not fill the buffer has emptied the
    /// socket, and only one that `may_have_ended` is asked again, for its end.
    fn read(&mut self, index: usize, may_have_ended: bool) {
        for _ in 0..READS_PER_TURN {
            match self.read_once(index) {
                Ok(Pass::Some { more, .. }) if more || may_have_ended => {}
                Ok(_) => return,
                Err(lost) => return self.lose(index, &lost),
            }
        }
        self.again.push(index);
    }

    fn read_once(&mut self, index: usize) -> Result<Pass, Lost> {
        let seat = &mut self.seats[index];
        let Some(link) = &mut seat.link else {
            return Ok(Pass::Nothing);
        };
        let pass = link.read(&mut self.buffers)?;
        let Pass::Some { bytes, .. } = pass else {
            return Ok(pass);
        };
        if !link.is_open() {
            let server = &self.task.order.servers[usize::from(seat.server)];
            link.ask(server, self.task.order.encoding)?;
        }
        self.tally.bytes += bytes as u64;
        let now = now_ns();
        seat.heard_ns = now;
        // The buffer is lent out while the fan listens, and given back after.
        let plain = std::mem::take(&mut self.buffers.plain);
        let heard = self.hear(index, &plain[..bytes], now);
        self.buffers.plain = plain;
        heard?;
        Ok(pass)
    }

    fn hear(&mut self, index: usize, mut input: &[u8], now_ns: u64) -> Result<(), Lost> {
        let Some(link) = &mut self.seats[index].link else {
            return Ok(());
        };
        if !link.is_open() {
            if !link.read_upgrade(&mut input)? {
                return Ok(());
            }
            self.join(index)?;
        }
        // The reader leaves its seat while its frames are worked on, which may change everything else of the seat.
        let Some(link) = &mut self.seats[index].link else {
            return Ok(());
        };
        let mut frames = std::mem::take(&mut link.frames);
        let mut outcome = Ok(());
        while outcome.is_ok() {
            outcome = match frames.next(&mut input)? {
                None => break,
                Some(frame) => self.handle_frame(index, &frame, now_ns),
            };
        }
        if let Some(link) = &mut self.seats[index].link {
            link.frames = frames;
        }
        outcome
    }

    fn handle_frame(&mut self, index: usize, frame: &Frame<'_>, now_ns: u64) -> Result<(), Lost> {
        let message = match frame {
            Frame::Message(message) => *message,
            Frame::Pong => return Ok(()),
            Frame::Close(code) => return Err(Lost::Closed(*code)),
            Frame::Ping(payload) => {
                return match &mut self.seats[index].link {
                    Some(link) => link.send_pong(payload),
                    None => Ok(()),
                };
            }
        };
        let Some(fan) = self.fans.get_mut(index) else {
            return self.hear_as_sender(index, message, now_ns);
        };
        let mut ear = Ear {
            encoding: self.task.order.encoding,
            marker: &self.marker,
            tally: &mut self.tally,
            epochs: &mut self.epochs,
            server: self.seats[index].server,
            now_ns,
            pings_every: 0,
        };
        let heard = fan.hear(message, &mut ear);
        let pings_every = ear.pings_every;
        if pings_every > 0 {
            self.seats[index].pings_every = pings_every;
        }
        match heard {
            Heard::Nothing => Ok(()),
            Heard::Ping => self.say(index, self.task.order.encoding.ping()),
            Heard::Answered(answers) => self.handle_answers(index, answers, now_ns),
            Heard::Refused(code) => Err(Lost::Refused(code)),
        }
    }

    fn handle_deadlines(&mut self) {
        let now = now_ns();
        while let Some(Reverse((at, index))) = self.timers.peek().copied() {
            if at > now {
                return;
            }
            self.timers.pop();
            if self.seats[index].wake_ns == at {
                self.seats[index].wake_ns = u64::MAX;
                self.handle_deadline(index);
            }
        }
    }

    /// Drops the whole share at once.
    pub(super) fn drop_share(&mut self) {
        for index in 0..self.fans.len() {
            if self.fans[index].chosen && self.seats[index].stage == Stage::Live {
                self.drop_fan(index);
            }
        }
    }

    /// What happened since the last call, which was so long ago.
    pub(super) fn take_second(&mut self, elapsed: Duration) -> Second {
        let empty = Second::of_servers(self.live.len());
        let mut second = std::mem::replace(&mut self.tally, empty);
        second.at_ns = now_ns();
        second.connected = self.live.iter().sum();
        for (server, live) in second.servers.iter_mut().zip(&self.live) {
            server.connected = *live;
        }
        let busy = std::mem::take(&mut self.busy).as_micros() * 1_000;
        let share = busy.checked_div(elapsed.as_micros()).unwrap_or(0);
        second.busy = u32::try_from(share).unwrap_or(1_000).min(1_000);
        second
    }
}
