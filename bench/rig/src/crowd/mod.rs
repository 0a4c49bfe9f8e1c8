//! Fans of any of the compared servers, on one thread: it connects them, publishes on schedule, reads everything that
//! comes and keeps the books. What it does when is told by commands: see [`command`].
//!
//! Latency counts from the instant at which a message should have been sent, so that a late sender cannot hide a slow
//! server; a crowd that cannot keep up makes the server look worse, never better, and says how much CPU it took.

pub mod command;
pub mod dialect;
mod fan;
mod publisher;
mod stream;
mod tally;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, mpsc},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use mio::{Events, Interest, Poll, Token, Waker};
use rustls::ClientConfig;

use self::{
    command::{Answer, Command, Connect, Cost, Publish, Published, Returned},
    dialect::{Dialect, Since},
    fan::{Fan, Progress, State},
    publisher::Publisher,
    stream::Stream,
    tally::{Latency, Tally},
};
use crate::{
    backoff,
    clock::{self, SECOND},
    histogram::Histogram,
    marker::{Mark, Marks},
    process::{Cpu, Process},
};

/// The token of the thread that reads commands.
const COMMANDS: Token = Token(usize::MAX);

/// Fans behind one source address: beyond about half the ports of one address, the kernel's search for a free one costs
/// more than the connection.
const FANS_PER_ADDRESS: usize = 5_000;

/// Commands that may wait; whoever runs the benchmark waits for each answer anyway.
const COMMANDS_WAITING: usize = 4;

/// Longest sleep, so that a lost wake-up cannot stop a run.
const NAP: Duration = Duration::from_millis(100);

/// What every fan of this crowd has in common.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server.
    pub target: SocketAddr,
    /// Its protocol.
    pub dialect: Dialect,
    /// Path of the WebSocket.
    pub path: String,
    /// The fans' tokens, one each.
    pub tokens: Vec<String>,
    /// The channel they join.
    pub channel: String,
    /// The number of the room, for the mark in its messages.
    pub room: u64,
    /// The server's process.
    pub server: Process,
    /// Where messages are published: a control port, or a server of the protocol.
    pub publish_to: SocketAddr,
    /// Whether the latter speaks lines.
    pub publish_lines: bool,
    /// The publisher's token.
    pub publisher_token: String,
    /// The server's certificate, if the fans speak TLS.
    pub certificate: Option<PathBuf>,
}

/// All fans. See the module.
#[derive(Debug)]
pub struct Crowd {
    settings: Settings,
    tls: Option<Arc<ClientConfig>>,
    poll: Poll,
    commands: mpsc::Receiver<Command>,
    fans: Vec<Fan>,
    /// Who wants to connect, and from when on.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    in_flight: usize,
    in_flight_max: usize,
    only_upgrade: bool,
    receive_bytes: Option<usize>,
    ready: usize,
    /// Fans who came in since the last command to connect; some may be gone again.
    came: usize,
    failed: BTreeMap<u16, u64>,
    publisher: Option<Publisher>,
    schedule: Schedule,
    /// The number of the last message.
    said: u64,
    tally: Tally,
    marks: Marks,
    scratch: Box<[u8]>,
    epoch: Option<Arc<str>>,
    /// When fans were last dropped, and who came back when.
    dropped_at: u64,
    back: Histogram,
}

/// The messages of the phase under way.
#[derive(Debug, Default)]
struct Schedule {
    next: u64,
    every: u64,
    left: u64,
    bytes: usize,
    late: u64,
}

/// The costs at an instant.
struct Before {
    at: u64,
    server: Cpu,
    crowd: u64,
    resident: u64,
}

impl Crowd {
    /// A crowd of nobody yet.
    ///
    /// # Errors
    ///
    /// The certificate cannot be read, or the system gives no poll.
    pub fn new(settings: Settings) -> Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), COMMANDS)?;
        let (sender, commands) = mpsc::sync_channel(COMMANDS_WAITING);
        std::thread::spawn(move || read_commands(&sender, &waker));
        let tls = settings
            .certificate
            .as_deref()
            .map(stream::tls_client)
            .transpose()?;
        Ok(Self {
            tls,
            poll,
            commands,
            fans: Vec::new(),
            due: BinaryHeap::new(),
            in_flight: 0,
            in_flight_max: 0,
            only_upgrade: false,
            receive_bytes: None,
            ready: 0,
            came: 0,
            failed: BTreeMap::new(),
            publisher: None,
            schedule: Schedule::default(),
            said: 0,
            tally: Tally {
                room: settings.room,
                ..Tally::default()
            },
            marks: Marks::default(),
            scratch: vec![0; 128 * 1024].into(),
            epoch: None,
            dropped_at: 0,
            back: Histogram::default(),
            settings,
        })
    }

    /// Obeys until the commands end.
    ///
    /// # Errors
    ///
    /// The server is gone, or refuses the publisher.
    pub fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.commands.try_recv() {
                Ok(command) => {
                    let answer = self.obey(command, &mut events)?;
                    let mut out = std::io::stdout().lock();
                    serde_json::to_writer(&mut out, &answer)?;
                    out.write_all(b"\n")?;
                    out.flush()?;
                }
                Err(mpsc::TryRecvError::Empty) => self.turn(&mut events, clock::now() + SECOND)?,
                Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }

    fn obey(&mut self, command: Command, events: &mut Events) -> Result<Answer> {
        self.tally = Tally {
            room: self.settings.room,
            first: self.said + 1,
            ..Tally::default()
        };
        let before = self.before()?;
        match command {
            Command::Connect(connect) => return self.connect(&connect, &before, events),
            Command::Publish(publish) => return self.publish(&publish, &before, events),
            Command::Idle { seconds } => self.wait(seconds, events)?,
            Command::Stall { count } => {
                for fan in self.fans.iter_mut().take(count) {
                    fan.stalled = true;
                    if let Some(stream) = &mut fan.stream {
                        self.poll.registry().deregister(&mut stream.socket)?;
                    }
                }
            }
            Command::Resume { seconds } => {
                for (index, fan) in self
                    .fans
                    .iter_mut()
                    .enumerate()
                    .filter(|(_, fan)| fan.stalled)
                {
                    fan.stalled = false;
                    if let Some(stream) = &mut fan.stream {
                        let interest = Interest::READABLE | Interest::WRITABLE;
                        self.poll.registry().register(
                            &mut stream.socket,
                            Token(index),
                            interest,
                        )?;
                    }
                }
                self.wait(seconds, events)?;
            }
        }
        Ok(Answer::Others {
            ready: self.ready,
            closed: std::mem::take(&mut self.tally.closed),
            cost: self.cost(&before)?,
        })
    }

    fn connect(
        &mut self,
        connect: &Connect,
        before: &Before,
        events: &mut Events,
    ) -> Result<Answer> {
        self.in_flight_max = connect.in_flight;
        self.only_upgrade = connect.only_upgrade;
        self.receive_bytes = connect.receive_bytes;
        self.came = 0;
        for index in self.fans.len()..self.fans.len() + connect.count {
            self.fans.push(Fan::default());
            self.due.push(Reverse((before.at, index)));
        }
        let deadline = before.at + nanoseconds(connect.deadline_s);
        while self.came < connect.count && clock::now() < deadline {
            self.turn(events, deadline)?;
        }
        // Whoever is not in by now stays out.
        self.due.clear();
        Ok(Answer::Connect {
            came: self.came,
            ready: self.ready,
            failed: std::mem::take(&mut self.failed),
            cost: self.cost(before)?,
        })
    }

    fn publish(
        &mut self,
        publish: &Publish,
        before: &Before,
        events: &mut Events,
    ) -> Result<Answer> {
        if self.publisher.is_none() {
            self.publisher = Some(self.open_publisher()?);
        }
        let readers = self
            .fans
            .iter()
            .filter(|fan| fan.state == State::Ready && !fan.stalled)
            .count();
        let expected = as_u64(readers) * publish.count;
        let every = nanoseconds(1.0 / publish.per_second);
        let begin = clock::now() + 20_000_000;
        let end = begin + every * publish.count;
        let warm = (every * publish.count / 4).min(SECOND);
        self.tally.steady = begin + warm..end;
        self.schedule = Schedule {
            next: begin,
            every,
            left: publish.count,
            bytes: publish.bytes,
            late: 0,
        };
        self.back = Histogram::default();
        self.dropped_at = if publish.drop > 0 { begin + SECOND } else { 0 };
        let mut to_drop = publish.drop;
        let give_up = end + nanoseconds(publish.grace_s);
        loop {
            let now = clock::now();
            if to_drop > 0 && now >= self.dropped_at {
                self.drop_fans(std::mem::take(&mut to_drop));
            }
            let complete =
                self.tally.received >= expected && self.back.total() >= as_u64(publish.drop);
            if now >= give_up || (now >= end && complete) {
                break;
            }
            let until = if to_drop > 0 {
                self.dropped_at
            } else if now < end {
                end
            } else {
                give_up
            };
            self.turn(events, until)?;
        }
        self.due.clear();
        Ok(Answer::Publish(Box::new(self.published(
            publish,
            before,
            (readers, expected),
        )?)))
    }

    fn published(
        &mut self,
        publish: &Publish,
        before: &Before,
        (readers, expected): (usize, u64),
    ) -> Result<Published> {
        let cost = self.cost(before)?;
        let refused = self.publisher.as_mut().map_or(0, Publisher::take_refused);
        // The publisher knows of these: they are not lost.
        let expected = expected - refused * as_u64(readers);
        let tally = &mut self.tally;
        let steady_s = clock::seconds(tally.steady.end - tally.steady.start);
        let steady_per_s = tally.delivered_steady as f64 / steady_s;
        Ok(Published {
            sent: publish.count - self.schedule.left,
            refused,
            late_ms: clock::seconds(self.schedule.late) * 1000.0,
            readers: as_u64(readers),
            expected,
            received: tally.received,
            steady_per_s,
            steady_share: steady_per_s / (readers as f64 * publish.per_second),
            per_cpu_s: tally.delivered as f64 / cost.server_cpu_s,
            out_of_order: tally.late,
            duplicates: tally.duplicates,
            strangers: tally.strangers,
            skipped: tally.skipped,
            bytes_per_delivery: tally.bytes as f64 / tally.delivered.max(1) as f64,
            reads: tally.reads,
            closed: std::mem::take(&mut tally.closed),
            latency: Latency::from(&tally.stayed),
            returned: (publish.drop > 0).then(|| Returned {
                dropped: publish.drop,
                back: usize::try_from(self.back.total()).unwrap_or(usize::MAX),
                failed: std::mem::take(&mut self.failed),
                back_after: Latency::from(&self.back),
                last_back_s: self.back.most() as f64 / 1e6,
                latency: Latency::from(&tally.returned),
            }),
            cost,
        })
    }

    fn open_publisher(&self) -> Result<Publisher> {
        let Settings {
            publish_to,
            path,
            publisher_token,
            channel,
            ..
        } = &self.settings;
        if self.settings.publish_lines {
            Publisher::lines(*publish_to)
        } else {
            Publisher::centrifuge(*publish_to, path, publisher_token, channel)
        }
    }

    /// The network under the first fans is gone.
    fn drop_fans(&mut self, count: usize) {
        let now = clock::now();
        self.in_flight_max = usize::MAX;
        self.failed.clear();
        for (index, fan) in self.fans.iter_mut().enumerate().take(count) {
            if fan.state == State::Ready {
                self.ready -= 1;
            }
            fan.cut();
            fan.dropped = true;
            fan.attempt = 0;
            self.due.push(Reverse((now + wait(0), index)));
        }
    }

    fn wait(&mut self, seconds: f64, events: &mut Events) -> Result<()> {
        let until = clock::now() + nanoseconds(seconds);
        while clock::now() < until {
            self.turn(events, until)?;
        }
        Ok(())
    }

    /// One round: what is due is done, then whatever the sockets have.
    fn turn(&mut self, events: &mut Events, until: u64) -> Result<()> {
        self.say_what_is_due()?;
        self.connect_who_is_due()?;
        let mut wake = until;
        if self.schedule.left > 0 {
            wake = wake.min(self.schedule.next);
        }
        if let Some(Reverse((at, _))) = self.due.peek()
            && self.in_flight < self.in_flight_max
        {
            wake = wake.min(*at);
        }
        let nap = Duration::from_nanos(wake.saturating_sub(clock::now())).min(NAP);
        match self.poll.poll(events, Some(nap)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in events.iter().filter(|event| event.token() != COMMANDS) {
            let ending = event.is_read_closed() || event.is_error();
            self.visit(event.token().0, ending);
            self.say_what_is_due()?;
        }
        if let Some(publisher) = &mut self.publisher {
            publisher.turn()?;
        }
        Ok(())
    }

    fn say_what_is_due(&mut self) -> Result<()> {
        while self.schedule.left > 0 && clock::now() >= self.schedule.next {
            let Some(publisher) = &mut self.publisher else {
                bail!("there is a schedule but nobody to speak");
            };
            self.said += 1;
            let mark = Mark {
                room: self.settings.room,
                number: self.said,
                intended: self.schedule.next,
            };
            publisher.say(&mark.message(self.schedule.bytes))?;
            self.schedule.late = self.schedule.late.max(clock::now() - self.schedule.next);
            self.schedule.next += self.schedule.every;
            self.schedule.left -= 1;
        }
        Ok(())
    }

    fn connect_who_is_due(&mut self) -> Result<()> {
        let now = clock::now();
        while self.in_flight < self.in_flight_max
            && let Some(Reverse((at, index))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            let source = source_address(index);
            let mut stream = Stream::connect(
                self.settings.target,
                source,
                self.receive_bytes,
                self.tls.as_ref(),
            )
            .with_context(|| format!("fan {index} has no socket"))?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut stream.socket, Token(index), interest)?;
            self.fans[index].begin(stream);
            self.in_flight += 1;
        }
        Ok(())
    }

    /// A fan's socket has something; `ending`: its stream ends behind that.
    fn visit(&mut self, index: usize, ending: bool) {
        let Some(fan) = self.fans.get_mut(index) else {
            return;
        };
        if fan.state == State::Away {
            return;
        }
        let was = fan.state;
        let settings = &self.settings;
        let token = settings
            .tokens
            .get(index % settings.tokens.len().max(1))
            .map_or("", String::as_str);
        let epoch = fan.dropped.then(|| self.epoch.clone()).flatten();
        let visit = fan::Visit {
            settings,
            only_upgrade: self.only_upgrade,
            ending,
            token,
            since: epoch.as_deref().map(|epoch| Since {
                epoch,
                offset: fan.offset,
            }),
            tally: &mut self.tally,
            marks: &self.marks,
            scratch: &mut self.scratch,
            epoch: &mut self.epoch,
        };
        match fan.visit(visit) {
            Progress::Same => {}
            Progress::Ready => {
                self.in_flight -= 1;
                self.ready += 1;
                self.came += 1;
                if fan.dropped {
                    self.back.add((clock::now() - self.dropped_at) / 1000);
                }
            }
            Progress::Gone(code) => {
                fan.cut();
                if was == State::Ready {
                    // It was in the room: this is for the books, and the fan stays away.
                    self.ready -= 1;
                    *self.tally.closed.entry(code).or_default() += 1;
                    return;
                }
                self.in_flight -= 1;
                *self.failed.entry(code).or_default() += 1;
                fan.attempt += 1;
                self.due
                    .push(Reverse((clock::now() + wait(fan.attempt), index)));
            }
        }
    }

    fn before(&self) -> Result<Before> {
        Ok(Before {
            at: clock::now(),
            server: self.settings.server.cpu().context("the server is gone")?,
            crowd: clock::process_cpu(),
            resident: self.settings.server.resident()?,
        })
    }

    fn cost(&self, before: &Before) -> Result<Cost> {
        let now = self.before()?;
        Ok(Cost {
            server_cpu_s: clock::seconds(now.server.used - before.server.used),
            server_wait_s: clock::seconds(now.server.waited - before.server.waited),
            crowd_cpu_s: clock::seconds(now.crowd - before.crowd),
            seconds: clock::seconds(now.at - before.at),
            resident_before: before.resident,
            resident_after: now.resident,
        })
    }
}

/// The client library's wait before an attempt.
fn wait(attempt: u32) -> u64 {
    let wait = backoff::wait(attempt, |most| fastrand::u64(0..=most));
    u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)
}

/// Every crowd has addresses of its own, so that the ports of one that ended cannot stand in the way of the next.
fn source_address(index: usize) -> IpAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let block = u8::try_from(index / FANS_PER_ADDRESS)
        .unwrap_or(u8::MAX)
        .saturating_add(1);
    IpAddr::V4(Ipv4Addr::new(127, high.max(1), low, block))
}

fn read_commands(commands: &mpsc::SyncSender<Command>, waker: &Waker) {
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(command) => {
                if commands.send(command).is_err() {
                    break;
                }
            }
            Err(error) => {
                let _unread = writeln!(std::io::stderr(), "not a command: {error}: {line}");
                break;
            }
        }
        if waker.wake().is_err() {
            break;
        }
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    u64::try_from(Duration::from_secs_f64(seconds).as_nanos()).unwrap_or(u64::MAX)
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
