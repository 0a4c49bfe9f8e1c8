//! Sockets that arrive at a reactor's own port, until their upgrade is answered.
//!
//! A socket is accepted, its request is read into the reactor's one buffer and judged there; the usual one is whole, is
//! answered at once and becomes a connection without ever having been watched as anything else. What comes in pieces is
//! kept in a box of its exact size until it is whole, too large or too late.
//!
//! A storm of arrivals never stops the fan-out: each turn spends at most
//! [`ARRIVAL_WORK_PER_TURN`](limits::ARRIVAL_WORK_PER_TURN) on them, and the rest waits in the kernel's queue. When more
//! sockets dawdle than may, the oldest gives way, so that nobody can shut the door by holding it open.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use fanwave_wire::path;
use mio::{
    Interest, Token,
    net::{TcpListener, TcpStream},
};
use rustls::ServerConfig;
use slab::Slab;

use super::{
    Reactor, WAKER,
    key::ConnectionKey,
    socket::Watched,
    stream::{Scratch, Stream},
    timers::Deadlines,
    tls::TlsStream,
};
use crate::{
    config::Extensions,
    handshake::{Accepted, Offer, Refusal},
    limits,
};

/// Tokens from here on are of arrivals; a connection's place in the slab is never so high.
const FIRST: usize = 1 << 40;

/// Tokens from here on are of listening sockets.
const FIRST_LISTENER: usize = 1 << 48;

/// The arrivals of a reactor; see the module.
#[derive(Debug)]
pub(crate) struct Arrivals {
    listeners: Vec<Listening>,
    /// Spoken at all of them, if it is.
    tls: Option<Arc<ServerConfig>>,
    slab: Slab<Arrival>,
    /// Those that have something to be read; one entry each at most.
    ready: VecDeque<ConnectionKey>,
    deadlines: Deadlines,
    /// Counts the arrivals there have been.
    generations: u32,
    /// How many have given way to newer ones since that was last told.
    crowded_out: u64,
}

/// A listening socket.
#[derive(Debug)]
struct Listening {
    socket: TcpListener,
    /// Somebody may be waiting in its queue, but not before this time.
    ready_at: Option<Instant>,
}

/// A socket whose request is not whole.
#[derive(Debug)]
struct Arrival {
    stream: Stream,
    generation: u32,
    /// What has come of the request.
    heard: Box<[u8]>,
    is_ready: bool,
    watched: Watched,
}

/// What an event of the poll is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    Waker,
    Connection(usize),
    Arrival(usize),
    Listener(usize),
}

impl About {
    /// By the event's token.
    pub(crate) fn token(token: Token) -> Self {
        match token {
            WAKER => Self::Waker,
            Token(number) if number >= FIRST_LISTENER => Self::Listener(number - FIRST_LISTENER),
            Token(number) if number >= FIRST => Self::Arrival(number - FIRST),
            Token(number) => Self::Connection(number),
        }
    }
}

/// What reading an arrival once came to.
#[derive(Debug)]
enum Heard {
    /// A whole request, and so many bytes of the buffer behind it.
    Request(Judged, std::ops::Range<usize>),
    /// Not yet: the poll tells when there is more.
    Part,
    /// The peer is gone.
    Nothing,
}

type Judged = Result<Accepted, Refusal>;

impl Arrivals {
    /// Nobody yet, at these sockets.
    pub(crate) fn new(
        listeners: Vec<TcpListener>,
        tls: Option<Arc<ServerConfig>>,
        timeout: Duration,
    ) -> Self {
        let listening = |socket| Listening {
            socket,
            ready_at: None,
        };
        Self {
            listeners: listeners.into_iter().map(listening).collect(),
            tls,
            slab: Slab::new(),
            ready: VecDeque::new(),
            deadlines: Deadlines::new(timeout),
            generations: 0,
            crowded_out: 0,
        }
    }

    /// Watches the listening sockets.
    pub(crate) fn watch(&mut self, poll: &mio::Poll) -> io::Result<()> {
        for (number, listening) in self.listeners.iter_mut().enumerate() {
            let token = Token(FIRST_LISTENER + number);
            poll.registry()
                .register(&mut listening.socket, token, Interest::READABLE)?;
        }
        Ok(())
    }

    /// No more arrivals: the ports are closed, and whoever has not been answered goes.
    pub(crate) fn close(&mut self) {
        self.listeners.clear();
        self.slab.clear();
        self.ready.clear();
    }

    /// When there is something to do without an event.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let accept = self
            .listeners
            .iter()
            .filter_map(|listening| listening.ready_at);
        accept.chain(self.deadlines.next()).min()
    }

    /// Whether sockets are waiting that a turn had no time for.
    pub(crate) fn has_work(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Somebody may be waiting in a queue.
    pub(crate) fn accept_soon(&mut self, listener: usize, now: Instant) {
        if let Some(listening) = self.listeners.get_mut(listener) {
            listening.ready_at.get_or_insert(now);
        }
    }

    /// An arrival has something to be read.
    pub(crate) fn hear_soon(&mut self, index: usize) {
        if let Some(arrival) = self.slab.get_mut(index)
            && !arrival.is_ready
        {
            arrival.is_ready = true;
            self.ready.push_back(arrival.key(index));
        }
    }

    /// The stream of a socket that was accepted.
    fn wrap(&self, socket: TcpStream) -> Option<Stream> {
        let Some(config) = &self.tls else {
            return Some(Stream::Tcp(socket));
        };
        match TlsStream::new(Arc::clone(config), socket) {
            Ok(tls) => Some(Stream::Tls(Box::new(tls))),
            Err(error) => {
                tracing::error!(%error, "a TLS connection could not be made");
                None
            }
        }
    }

    fn add(&mut self, stream: Stream, now: Instant) -> usize {
        while self.slab.len() >= limits::ARRIVALS_MAX && self.drop_oldest() {}
        self.generations = self.generations.wrapping_add(1);
        let arrival = Arrival {
            stream,
            generation: self.generations,
            heard: Box::default(),
            is_ready: false,
            watched: Watched::No,
        };
        let index = self.slab.insert(arrival);
        self.deadlines.set(now, self.slab[index].key(index));
        index
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(key) = self.deadlines.pop() else {
            return false;
        };
        if self.find(key).is_some() {
            self.slab.remove(key.index());
            self.crowded_out += 1;
        }
        true
    }

    fn find(&self, key: ConnectionKey) -> Option<usize> {
        let arrival = self.slab.get(key.index())?;
        (arrival.generation == key.generation).then_some(key.index())
    }

    /// Drops whoever took too long; how many those were.
    fn expire(&mut self, now: Instant) -> u64 {
        let mut late = 0;
        while let Some(key) = self.deadlines.pop_due(now) {
            if let Some(index) = self.find(key) {
                self.slab.remove(index);
                late += 1;
            }
        }
        let slab = &self.slab;
        let lives = |key: &ConnectionKey| {
            slab.get(key.index())
                .is_some_and(|arrival| arrival.generation == key.generation)
        };
        self.deadlines.settle(lives);
        if self.deadlines.len() > limits::ARRIVALS_MAX * 2 {
            self.deadlines.retain(lives);
        }
        late
    }
}

impl Arrival {
    fn key(&self, index: usize) -> ConnectionKey {
        ConnectionKey {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            generation: self.generation,
        }
    }

    /// What it may cost to hear it.
    fn work(&self) -> u32 {
        if self.is_handshaking() {
            limits::ARRIVAL_WORK_TLS
        } else {
            limits::ARRIVAL_WORK_PLAIN
        }
    }

    /// Whether TLS comes before its request.
    fn is_handshaking(&self) -> bool {
        match &self.stream {
            Stream::Tls(tls) => tls.is_handshaking(),
            Stream::Tcp(_) | Stream::Pipe(_) => false,
        }
    }

    /// Reads as far as the buffer goes, behind what was heard before, and judges the request if it is whole.
    fn hear(
        &mut self,
        buffer: &mut [u8],
        scratch: &mut Scratch,
        judge: impl Fn(&[u8]) -> Parsed,
    ) -> Heard {
        let mut filled = self.heard.len();
        buffer[..filled].copy_from_slice(&self.heard);
        loop {
            match self.stream.read(&mut buffer[filled..], scratch) {
                Ok(0) => return Heard::Nothing,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Heard::Nothing,
            }
            match judge(&buffer[..filled]) {
                Parsed::Whole(judged, length) => return Heard::Request(judged, length..filled),
                Parsed::Part if filled >= limits::REQUEST_BYTES_MAX => {
                    return Heard::Request(Err(Refusal::TooLarge), filled..filled);
                }
                Parsed::Part => {}
            }
        }
        self.heard = buffer[..filled].into();
        Heard::Part
    }
}

/// What bytes are as a request.
#[derive(Debug)]
enum Parsed {
    Whole(Judged, usize),
    Part,
}

/// Parses and judges what has come of a request.
fn judge(bytes: &[u8], origins: &crate::OriginPolicy, extensions: Extensions) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; limits::REQUEST_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Parsed::Part,
        Err(httparse::Error::TooManyHeaders) => {
            return Parsed::Whole(Err(Refusal::TooLarge), bytes.len());
        }
        Err(_) => return Parsed::Whole(Err(Refusal::Malformed), bytes.len()),
    };
    let asked = request.path.unwrap_or_default();
    let asked = asked.split_once('?').map_or(asked, |(path, _)| path);
    if asked != path::WEBSOCKET {
        return Parsed::Whole(Err(Refusal::NotFound), length);
    }
    let mut offer = Offer::new(request.method == Some("GET") && request.version == Some(1));
    for header in request.headers {
        offer.header(header.name, header.value);
    }
    Parsed::Whole(offer.judge(origins, extensions), length)
}

impl Reactor {
    /// Spends a turn's share on those who arrive: first whoever has begun, then whoever waits at the door.
    pub(crate) fn handle_arrivals(&mut self) {
        let late = self.arrivals.expire(self.clock.now);
        self.metrics.refused_many("too_slow", late);
        let crowded_out = std::mem::take(&mut self.arrivals.crowded_out);
        self.metrics.refused_many("crowded_out", crowded_out);
        let mut work = limits::ARRIVAL_WORK_PER_TURN;
        while work > 0
            && let Some(key) = self.arrivals.ready.pop_front()
        {
            if let Some(index) = self.arrivals.find(key) {
                self.arrivals.slab[index].is_ready = false;
                work = work.saturating_sub(self.arrivals.slab[index].work());
                self.hear(index);
            }
        }
        let each = match self.arrivals.tls {
            Some(_) => limits::ARRIVAL_WORK_TLS,
            None => limits::ARRIVAL_WORK_PLAIN,
        };
        for listener in 0..self.arrivals.listeners.len() {
            while work > 0 && self.accept(listener) == Accept::Again {
                work = work.saturating_sub(each);
            }
        }
    }

    /// Takes the next socket out of a listener's queue, and hears what it has to say.
    fn accept(&mut self, listener: usize) -> Accept {
        let now = self.clock.now;
        let Some(listening) = self.arrivals.listeners.get_mut(listener) else {
            return Accept::Later;
        };
        if listening.ready_at.is_none_or(|ready_at| ready_at > now) {
            return Accept::Later;
        }
        // A TLS handshake costs more than any answer could save: above the rate it waits in the kernel's queue.
        if self.arrivals.tls.is_some()
            && let Err(wait) = self.admission.pace(now)
        {
            listening.ready_at = Some(now + wait);
            return Accept::Later;
        }
        match listening.socket.accept() {
            Ok((socket, _)) => {
                if let Some(stream) = self.arrivals.wrap(socket) {
                    let index = self.arrivals.add(stream, now);
                    self.hear(index);
                }
                Accept::Again
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                listening.ready_at = None;
                Accept::Later
            }
            // A peer that has gone meanwhile is no reason to stop (accept(2), "Error handling").
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
                ) =>
            {
                Accept::Again
            }
            Err(error) => {
                tracing::warn!(%error, "no socket could be accepted");
                listening.ready_at = Some(now + limits::ACCEPT_PAUSE);
                Accept::Later
            }
        }
    }

    /// Reads an arrival's request, and answers it if it is whole.
    fn hear(&mut self, index: usize) {
        let mut buffer = self.lend_read_buffer();
        let Some(arrival) = self.arrivals.slab.get_mut(index) else {
            return self.return_read_buffer(buffer);
        };
        let origins = &self.config.origins;
        let extensions = Extensions::new(self.config.compression, self.config.dialect);
        let was_handshaking = arrival.is_handshaking();
        let heard = arrival.hear(&mut buffer, &mut self.scratch, |bytes| {
            judge(bytes, origins, extensions)
        });
        if was_handshaking && !arrival.is_handshaking() {
            self.metrics.tls_handshakes.inc();
        } else if was_handshaking && matches!(heard, Heard::Nothing) {
            self.metrics.refused("tls");
        }
        match heard {
            Heard::Part => self.watch_arrival(index),
            Heard::Nothing => drop(self.arrivals.slab.try_remove(index)),
            Heard::Request(judged, rest) => self.answer(index, judged, &mut buffer[rest]),
        }
        self.return_read_buffer(buffer);
    }

    fn watch_arrival(&mut self, index: usize) {
        let Some(arrival) = self.arrivals.slab.get_mut(index) else {
            return;
        };
        if arrival.watched == Watched::AsArrival {
            return;
        }
        arrival.watched = Watched::AsArrival;
        let watched = self.poll.registry().register(
            &mut arrival.stream,
            Token(FIRST + index),
            Interest::READABLE,
        );
        if let Err(error) = watched {
            tracing::warn!(%error, "a socket could not be watched");
            self.arrivals.slab.remove(index);
        }
    }

    /// Answers a request; a good one's socket becomes a connection, and `rest` its first bytes.
    fn answer(&mut self, index: usize, judged: Judged, rest: &mut [u8]) {
        let Some(mut arrival) = self.arrivals.slab.try_remove(index) else {
            return;
        };
        let answered = judged.and_then(|accepted| {
            let place = match arrival.stream {
                // It was let in by the rate before its handshake.
                Stream::Tls(_) => self.admission.take_unpaced(),
                Stream::Tcp(_) | Stream::Pipe(_) => self.admission.take(self.clock.now),
            };
            Ok((accepted, place?))
        });
        let mut head = std::mem::take(&mut self.head);
        head.clear();
        match answered {
            Ok((accepted, place)) => {
                accepted.write(&mut head);
                let written = arrival.stream.write(&head, &[], &mut self.scratch);
                // A socket that does not take its first 200 bytes is none to wait for.
                if written.is_ok_and(|taken| taken.bytes == head.len() && !taken.full) {
                    self.metrics.upgraded();
                    self.seat.pulse.expect_socket();
                    if let Some(index) =
                        self.open(arrival.stream, place, arrival.watched, accepted.format())
                    {
                        self.connections[index].deflate = accepted.window();
                        self.handle_first_bytes(index, rest);
                    }
                }
            }
            Err(refusal) => {
                self.metrics.refused(refusal.reason());
                let retry_after = refusal.is_for_now().then(|| {
                    self.metrics.return_slots.inc();
                    self.admission.retry_after_seconds(self.clock.now)
                });
                let words = refusal.answer(retry_after);
                // Whether the peer hears it or not, the socket is closed.
                let said = arrival
                    .stream
                    .write(words.as_bytes(), &[], &mut self.scratch);
                let ended = arrival.stream.shutdown(&mut self.scratch);
                tracing::trace!(?said, ?ended, "an upgrade was refused");
            }
        }
        self.head = head;
    }
}

/// Whether a listener's queue may hold more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accept {
    Again,
    Later,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compression, Dialect, OriginPolicy};

    fn parsed(request: &str) -> Parsed {
        let extensions = Extensions::new(Compression::Offered, Dialect::Centrifuge);
        judge(request.as_bytes(), &OriginPolicy::SameHost, extensions)
    }

    const HEADERS: &str = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    #[test]
    fn a_request_is_whole_at_its_last_byte_and_not_before() {
        let request = format!("GET /connection/websocket?x=1 HTTP/1.1\r\n{HEADERS}");
        for cut in 0..request.len() {
            assert!(matches!(parsed(&request[..cut]), Parsed::Part), "{cut}");
        }
        let behind = format!("{request}frames");
        for whole in [&request, &behind] {
            let Parsed::Whole(Ok(accepted), length) = parsed(whole) else {
                unreachable!("a good request");
            };
            assert_eq!(length, request.len());
            assert_eq!(accepted.key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        }
    }

    #[test]
    fn other_requests_are_refused_in_words() {
        for (request, refusal) in [
            (format!("GET / HTTP/1.1\r\n{HEADERS}"), Refusal::NotFound),
            (
                format!("GET /connection/http_stream HTTP/1.1\r\n{HEADERS}"),
                Refusal::NotFound,
            ),
            (
                format!("GET /connection/websocket HTTP/1.0\r\n{HEADERS}"),
                Refusal::Method,
            ),
            (
                format!("POST /connection/websocket HTTP/1.1\r\n{HEADERS}"),
                Refusal::Method,
            ),
            ("\x16\x03\x01\x02\x00\x01".to_owned(), Refusal::Malformed),
            (
                format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65)),
                Refusal::TooLarge,
            ),
        ] {
            let Parsed::Whole(Err(refused), _) = parsed(&request) else {
                unreachable!("refused: {request}");
            };
            assert_eq!(refused, refusal, "{request}");
        }
    }

    #[test]
    fn tokens_tell_what_an_event_is_about() {
        assert_eq!(About::token(WAKER), About::Waker);
        assert_eq!(About::token(Token(7)), About::Connection(7));
        assert_eq!(About::token(Token(FIRST + 7)), About::Arrival(7));
        assert_eq!(About::token(Token(FIRST_LISTENER)), About::Listener(0));
    }
}
