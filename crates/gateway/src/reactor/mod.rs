//! A reactor: one thread that owns its sockets and the room logs they are sent from, and never waits for anything else.
//!
//! One turn of its loop:
//!
//! 1. wait for the poll: sockets, the inbox's waker, the next deadline;
//! 2. read the sockets that have something, obey the commands ([`session`](crate::session)), write the replies;
//! 3. accept and answer a bounded number of those who arrive at this reactor's own port ([`arrival`]);
//! 4. take the inbox: adopt sockets, put publications into the room logs, hand out the engine's answers;
//! 5. ping one slot of connections, end what is overdue ([`timers`]), and while the node is drained see to those whose
//!    turn it is to go ([`leaving`]);
//! 6. sweep: write to a bounded number of fans what they lack of the dirty rooms ([`sweep`]).
//!
//! Replies are gathered in [`Replies`] while one connection is worked on, and leave in one write before any room data
//! does; so a subscribe reply always comes before the pushes that follow its offset. Every wait, queue and turn is
//! bounded by [`limits`](crate::limits). Nothing here blocks: what must wait is an engine call, and runs elsewhere.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use fanwave_bus::clock;
use fanwave_room::{
    census::Census,
    presence::{Presence, Stats},
};
use fanwave_wire::{Channel, UnixMillis, envelope::NodeId, protocol};
use mio::{Events, Poll, Token, net::TcpListener};
use rustls::ServerConfig;
use slab::Slab;

use self::{
    arrival::{About, Arrivals},
    by_user::ByUser,
    compression::Compression,
    connection::Connection,
    emulated::Emulated,
    feed::Feed,
    key::ConnectionKey,
    leaving::Leaving,
    revoked::Revoked,
    room::RoomState,
    stream::Scratch,
    sweep::Sweeper,
    timers::Timers,
};
use crate::{
    admission::Admission,
    config::GatewayConfig,
    drain::Board,
    engine_calls::{Call, EngineCalls},
    format::{Format, Frames},
    inbox::Batch,
    keys::Keys,
    limits,
    metrics::Metrics,
    reactors::Seat,
    session::Connecting,
};

pub(crate) mod arrival;
mod by_user;
pub(crate) mod closing;
pub(crate) mod compression;
pub(crate) mod connection;
pub(crate) mod deliver;
pub(crate) mod emulated;
pub(crate) mod feed;
pub(crate) mod identity;
pub(crate) mod key;
mod leaving;
pub(crate) mod revoked;
pub(crate) mod room;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod sweep;
pub(crate) mod timers;
pub(crate) mod tls;

/// The waker's token; sockets have their place in the slab, which is never so high.
pub(crate) const WAKER: Token = Token(usize::MAX);

/// The reactor; see the module.
#[derive(Debug)]
pub(crate) struct Reactor {
    pub(crate) poll: Poll,
    pub(crate) seat: Seat,
    pub(crate) calls: EngineCalls,
    pub(crate) config: Arc<GatewayConfig>,
    pub(crate) metrics: Metrics,
    pub(crate) keys: Keys,
    pub(crate) admission: Arc<Admission>,
    pub(crate) connections: Slab<Connection>,
    pub(crate) by_user: ByUser,
    pub(crate) rooms: Slab<RoomState>,
    pub(crate) feeds: Slab<Feed>,
    pub(crate) rooms_by_channel: HashMap<Channel, key::ChannelKey>,
    pub(crate) shared: Shared,
    /// Subscriptions, by their connection's place, whose permission runs out; at most all.
    pub(crate) expiring: HashMap<(usize, key::ChannelKey), UnixMillis>,
    /// Connects that wait for channels to be opened; bounded by the connections.
    pub(crate) connecting: HashMap<ConnectionKey, Connecting>,
    pub(crate) arrivals: Arrivals,
    pub(crate) sweeper: Sweeper,
    pub(crate) timers: Timers,
    pub(crate) clock: Clock,
    pub(crate) replies: Replies,
    /// What all writes and reads use in turn.
    pub(crate) scratch: Scratch,
    pub(crate) compression: Compression,
    pub(crate) revoked: Revoked,
    pub(crate) emulated: Emulated,
    /// Where one publication is encoded before it goes into its channel's feeds.
    pub(crate) frames: Frames,
    /// Where the answer to an upgrade is written.
    pub(crate) head: Vec<u8>,
    /// Makes this reactor's connection ids and message ids unlike those of any other, of this run or another.
    pub(crate) node: u64,
    /// Counts the connections there have been; comes round after four billion.
    pub(crate) generations: u32,
    /// Counts the messages that came without an id.
    pub(crate) messages: u64,
    /// Channel calls that found the node at its bound; one per channel at most.
    pub(crate) channel_calls_waiting: VecDeque<Call>,
    /// Sockets that had more to read than their turn allowed; one entry per connection at most.
    unfinished_reads: VecDeque<ConnectionKey>,
    read_buffer: Box<[u8]>,
    batch: Batch,
    /// Present while the node is drained.
    leaving: Option<Box<Leaving>>,
    stop_by: Option<Instant>,
}

/// What the reactors of a node know together. Locked for one look-up at a time, and by nothing that waits.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    presence: Arc<Mutex<Presence>>,
    /// Who follows what at the other nodes.
    census: Arc<Mutex<Census>>,
    /// How far a drain of the node has come.
    pub(crate) board: Arc<Board>,
    /// Channels in which somebody wants to know who comes and goes, and how many do.
    watched: Arc<Mutex<HashMap<Channel, u32>>>,
}

impl Shared {
    /// A node on which nobody is.
    pub(crate) fn new(node: NodeId) -> Self {
        Self {
            presence: Arc::default(),
            census: Arc::new(Mutex::new(Census::new(node))),
            board: Arc::default(),
            watched: Arc::default(),
        }
    }

    /// How many follow a channel, at all nodes.
    pub(crate) fn stats(&self, channel: &Channel) -> Stats {
        let own = self.presence().stats(channel);
        let others = self.census().others(channel);
        Stats {
            num_clients: own.num_clients + others.num_clients,
            num_users: own.num_users + others.num_users,
        }
    }

    /// The other nodes.
    pub(crate) fn census(&self) -> MutexGuard<'_, Census> {
        // A poisoned lock belongs to a node that is no longer alive.
        self.census.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who follows what here.
    pub(crate) fn presence(&self) -> MutexGuard<'_, Presence> {
        // A poisoned lock belongs to a node that is no longer alive.
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more wants to know who comes and goes.
    pub(crate) fn watch(&self, channel: &Channel) {
        *self.watched().entry(channel.clone()).or_default() += 1;
    }

    /// One of them is gone.
    pub(crate) fn unwatch(&self, channel: &Channel) {
        let mut watched = self.watched();
        if let Some(watchers) = watched.get_mut(channel) {
            *watchers -= 1;
            if *watchers == 0 {
                watched.remove(channel);
            }
        }
    }

    /// Whether anybody wants to know.
    pub(crate) fn is_watched(&self, channel: &Channel) -> bool {
        self.watched().contains_key(channel)
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<Channel, u32>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a reactor is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) poll: Poll,
    pub(crate) seat: Seat,
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) calls: EngineCalls,
    pub(crate) config: Arc<GatewayConfig>,
    pub(crate) metrics: Metrics,
    pub(crate) keys: Keys,
    pub(crate) admission: Arc<Admission>,
    pub(crate) shared: Shared,
    pub(crate) node: u64,
    pub(crate) emulated: Emulated,
}

/// The time of this turn; read once, so that everything in a turn happens at the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    pub(crate) now: Instant,
    pub(crate) unix: UnixMillis,
}

/// Whether the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    GoOn,
    Done,
}

/// Frames for the connection that is being worked on, not yet written.
#[derive(Debug)]
pub(crate) struct Replies {
    pub(crate) frames: Vec<u8>,
    /// How that connection is spoken to; set by [`Reactor::speak_to`] before anything is said.
    pub(crate) format: Format,
}

impl Reactor {
    /// A reactor without a socket.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            poll,
            seat,
            listeners,
            tls,
            calls,
            config,
            metrics,
            keys,
            admission,
            shared,
            node,
            emulated,
        } = parts;
        let clock = Clock::start();
        Self {
            timers: Timers::new(clock.now, &config),
            sweeper: Sweeper::new(config.tick),
            arrivals: Arrivals::new(listeners, tls, config.handshake_timeout),
            head: Vec::new(),
            poll,
            seat,
            calls,
            config,
            metrics,
            keys,
            admission,
            connections: Slab::new(),
            by_user: ByUser::default(),
            rooms: Slab::new(),
            feeds: Slab::new(),
            rooms_by_channel: HashMap::new(),
            expiring: HashMap::new(),
            connecting: HashMap::new(),
            shared,
            clock,
            replies: Replies {
                frames: Vec::new(),
                format: Format::WsJson,
            },
            scratch: Scratch::default(),
            compression: Compression::default(),
            revoked: Revoked::default(),
            emulated,
            frames: Frames::default(),
            node,
            generations: 0,
            messages: 0,
            channel_calls_waiting: VecDeque::new(),
            unfinished_reads: VecDeque::new(),
            read_buffer: vec![0; limits::READ_BUFFER_BYTES].into_boxed_slice(),
            batch: Batch::default(),
            leaving: None,
            stop_by: None,
        }
    }

    /// Runs until the order to stop has been carried out.
    ///
    /// # Errors
    ///
    /// The poll itself failed: nothing can be served any more.
    pub(crate) fn run(mut self) -> io::Result<()> {
        self.arrivals.watch(&self.poll)?;
        let mut events = Events::with_capacity(limits::EVENTS_PER_POLL);
        while self.turn(&mut events)? == Turn::GoOn {}
        Ok(())
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<Turn> {
        match self.poll.poll(events, self.patience()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            Err(error) => return Err(error),
        }
        self.clock.tick();
        self.seat.pulse.beat(self.clock.now);
        self.handle_unfinished_reads();
        for event in events.iter() {
            self.handle_event_of(event);
        }
        self.handle_arrivals();
        self.handle_inbox();
        self.handle_deadlines();
        self.handle_leaving();
        self.sweep();
        self.scratch.tally.settle(&self.metrics);
        self.compression.settle(&self.metrics);
        self.seat.pulse.worked(self.clock.now.elapsed());
        if self.sweeper.has_work() {
            // Where this thread has a core for itself that is nothing. Where it has not, whoever stores what was said waits
            // for a millisecond and not for the scheduler's whole slice.
            std::thread::yield_now();
        }
        Ok(self.stop_or_go_on())
    }

    fn handle_event_of(&mut self, event: &mio::event::Event) {
        match About::token(event.token()) {
            About::Waker => {}
            About::Listener(listener) => self.arrivals.accept_soon(listener, self.clock.now),
            About::Arrival(index) => self.arrivals.hear_soon(index),
            About::Connection(index) => {
                if event.is_writable() {
                    self.handle_writable(index);
                }
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.handle_readable(index);
                }
            }
        }
    }

    /// How long the poll may wait: not at all while there is work left over.
    fn patience(&self) -> Option<Duration> {
        if !self.unfinished_reads.is_empty() || self.sweeper.has_work() || self.arrivals.has_work()
        {
            return Some(Duration::ZERO);
        }
        let ping = (!self.connections.is_empty()).then(|| self.timers.next_ping());
        let next = [
            ping,
            self.timers.next_deadline(),
            self.sweeper.next_due(),
            self.arrivals.next_due(),
            self.leaving_timeout(),
            self.stop_by,
        ]
        .into_iter()
        .flatten()
        .min();
        let wait = next.map(|next| next.saturating_duration_since(Instant::now()));
        Some(wait.map_or(limits::HEARTBEAT, |wait| wait.min(limits::HEARTBEAT)))
    }

    fn handle_inbox(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        self.seat.inbox.take(&mut batch);
        for answer in batch.answers.drain(..) {
            self.handle_answer(answer);
        }
        self.start_waiting_channel_calls();
        for call in batch.roll_calls.drain(..) {
            self.answer_roll_call(call);
        }
        for item in batch.items.drain(..) {
            self.handle_item(item);
        }
        for channel in std::mem::take(&mut batch.gaps) {
            self.handle_gap(&channel);
        }
        for socket in batch.sockets.drain(..) {
            self.adopt(socket);
        }
        for (session, frame) in batch.commands.drain(..) {
            self.handle_emulated(session, &frame);
        }
        batch.command_bytes = 0;
        if let Some(order) = batch.drain.take() {
            self.begin_drain(order);
        }
        if let Some(by) = batch.stop_by.take() {
            self.stop(by);
        }
        self.batch = batch;
    }

    /// Says good-bye to everybody, once.
    fn stop(&mut self, by: Instant) {
        if self.stop_by.is_some() {
            return;
        }
        self.stop_by = Some(by);
        self.admission.close();
        self.arrivals.close();
        self.move_everybody();
    }

    /// Whether the node is stopping.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop_by.is_some()
    }

    fn stop_or_go_on(&self) -> Turn {
        let stopped = self
            .stop_by
            .is_some_and(|by| self.connections.is_empty() || self.clock.now >= by);
        if stopped { Turn::Done } else { Turn::GoOn }
    }

    /// Remembers that a socket has more to read.
    pub(crate) fn read_on_later(&mut self, index: usize) {
        if let Some(connection) = self.connections.get_mut(index)
            && !connection.reads_on
        {
            connection.reads_on = true;
            self.unfinished_reads.push_back(connection.key(index));
        }
    }

    /// Reads on where a turn was over before the socket was empty.
    fn handle_unfinished_reads(&mut self) {
        for _ in 0..self.unfinished_reads.len() {
            let Some(key) = self.unfinished_reads.pop_front() else {
                break;
            };
            if let Some(index) = self.find(key) {
                self.connections[index].reads_on = false;
                self.handle_readable(index);
            }
        }
    }

    /// Begins to work on a connection: what is said from now on is for it.
    pub(crate) fn speak_to(&mut self, index: usize) {
        debug_assert!(
            self.replies.frames.is_empty(),
            "one connection is worked on at a time"
        );
        if let Some(connection) = self.connections.get(index) {
            self.replies.format = connection.format;
        }
    }

    /// Lends the read buffer: nobody else reads while a socket is worked on.
    pub(crate) fn lend_read_buffer(&mut self) -> Box<[u8]> {
        std::mem::take(&mut self.read_buffer)
    }

    /// Takes the read buffer back.
    pub(crate) fn return_read_buffer(&mut self, buffer: Box<[u8]>) {
        self.read_buffer = buffer;
    }
}

impl Clock {
    fn start() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            now,
            unix: clock::now(),
        }
    }

    fn tick(&mut self) {
        self.now = Instant::now();
        self.unix = clock::now();
    }

    /// Milliseconds of the reactor's own clock; comes round after 49 days, which [`connection::Budget`] allows for.
    pub(crate) fn millis(&self) -> u32 {
        let millis = self.now.duration_since(self.started).as_millis() & u128::from(u32::MAX);
        u32::try_from(millis).unwrap_or(u32::MAX)
    }
}

impl Replies {
    /// Adds a reply, in a frame of its own.
    pub(crate) fn reply(&mut self, id: u32, response: protocol::Response<'_>) {
        self.format
            .append_reply(&protocol::Reply { id, response }, &mut self.frames);
    }

    /// Adds a refusal.
    pub(crate) fn refuse(&mut self, id: u32, code: protocol::ErrorCode) {
        self.reply(id, code.into());
    }

    /// Adds a refusal in words of its own.
    pub(crate) fn refuse_because(&mut self, id: u32, code: protocol::ErrorCode, message: &str) {
        self.reply(
            id,
            protocol::Response::Error(protocol::ErrorReply::with_message(code, message)),
        );
    }

    /// Adds a push.
    pub(crate) fn push(&mut self, push: protocol::Push<'_>) {
        self.format.append_push(&push, &mut self.frames);
    }
    /// Adds the server's ping.
    pub(crate) fn ping(&mut self) {
        self.format.append_ping(&mut self.frames);
    }
}
