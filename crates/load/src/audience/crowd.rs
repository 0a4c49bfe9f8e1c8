//! All viewers, their connections, and the one poll that moves them.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    HttpVersion, ViewersOrder, ViewersReport,
    http1::Http1,
    http2::Http2,
    lane::{Asked, Lane, Listening, Wakes},
    playlist::Library,
    scout::{ScoutError, Show},
    transport::{Tls, Transport, why},
    wire::{Broken, Wire},
};
use crate::{
    clock::{micros_between, nanos, now_ns},
    histogram::Histogram,
    limits::{EVENTS_PER_POLL, FANS_PER_SOURCE_MAX, RAMP_GRACE, READ_BUFFER_BYTES, VIEWER_TIMEOUT},
    machine,
};

/// How often it is looked who connects, who asks again, and whether the time is over.
const TICK: Duration = Duration::from_millis(20);

/// How often everybody is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long somebody waits who was not answered as it should.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Requests written between two looks at what has come.
const ASKED_AT_ONCE: usize = 100;

/// Part targets without a part, after which a player that is as close as the server asks for has nothing to play.
const STALL_PARTS: u64 = 3;

/// The connections of a viewer's own address on this machine begin here.
const FIRST_SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Sends the crowd, and waits until its time is over; `progress` is told how far it is.
///
/// # Errors
///
/// The show is not there, or this machine gives no poll. Whatever happens later is part of the report.
pub fn run(
    order: &ViewersOrder,
    progress: &mut dyn FnMut(&str),
) -> Result<ViewersReport, ScoutError> {
    machine::raise_descriptors();
    let mut show = Show::find(&order.url, order.ca.as_deref(), order.again.is_empty())?;
    if order.pictures_only {
        show.renditions.truncate(1);
    }
    let mut crowd = Crowd::new(order, show)?;
    let connections = crowd.connections.len();
    progress(&format!(
        "{} viewers of {} on {connections} connections",
        order.viewers, order.url
    ));
    let planned = u64::from(order.connects_per_second.max(1));
    let ramp = Duration::from_secs(connections as u64 / planned) + RAMP_GRACE;
    let late_at = now_ns() + nanos(ramp);
    let mut ends_at = None;
    loop {
        let now = now_ns();
        let is_complete = ends_at.is_none() && crowd.is_complete();
        if is_complete || (ends_at.is_none() && late_at <= now) {
            if is_complete {
                progress("all are connected");
            } else {
                crowd.fail("not everybody came in time");
                progress("not all came in time; measuring those who did");
            }
            crowd.begin_measuring(now);
            ends_at = Some(now + nanos(order.duration));
        }
        if ends_at.is_some_and(|end| end <= now) {
            return Ok(crowd.report(now));
        }
        crowd.turn(now)?;
    }
}

struct Crowd<'a> {
    order: &'a ViewersOrder,
    show: Show,
    tls: Option<Tls>,
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    lanes: Vec<Lane>,
    library: Library,
    buffer: Vec<u8>,
    /// Connections that are still to be made, and from when.
    to_connect: VecDeque<(u64, usize)>,
    /// Whose answer is whole and who asks for what comes next after a pause, and when: one of each lane at most.
    pausing: VecDeque<(u64, usize, usize)>,
    connected: usize,
    looked_ns: u64,
    measured_from: Option<u64>,
    cpu_from: u64,
    wakes: Wakes,
    wake: Histogram,
    part: Histogram,
    again: Histogram,
    figures: ViewersReport,
}

struct Connection {
    stream: Option<Transport<TcpStream>>,
    is_open: bool,
    wire: Wire,
    out: Vec<u8>,
    sent: usize,
    /// Its lanes, of all lanes.
    lanes: std::ops::Range<usize>,
}

impl<'a> Crowd<'a> {
    fn new(order: &'a ViewersOrder, show: Show) -> io::Result<Self> {
        let renditions = show.renditions.len().max(1);
        let count = usize::try_from(order.viewers).unwrap_or(usize::MAX) * renditions;
        let lanes: Vec<_> = (0..count)
            .map(|place| Lane {
                rendition: place % renditions,
                ..Lane::default()
            })
            .collect();
        let shared = usize::try_from(order.viewers_per_connection.max(1)).unwrap_or(1);
        let per_connection = match order.version {
            HttpVersion::Http1 => 1,
            HttpVersion::Http2 => shared * renditions,
        };
        let connections: Vec<_> = (0..count)
            .step_by(per_connection)
            .map(|first| Connection {
                stream: None,
                is_open: false,
                wire: Wire::Http1(Http1::default()),
                out: Vec::new(),
                sent: 0,
                lanes: first..(first + per_connection).min(count),
            })
            .collect();
        let gap = 1_000_000_000 / u64::from(order.connects_per_second.max(1));
        let now = now_ns();
        let to_connect = (0..connections.len())
            .map(|index| (now + gap * index as u64, index))
            .collect();
        Ok(Self {
            order,
            tls: show.tls.as_ref().map(|tls| tls.speaking(order.version)),
            show,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_PER_POLL),
            figures: ViewersReport {
                viewers: order.viewers,
                connections: u32::try_from(connections.len()).unwrap_or(u32::MAX),
                ..ViewersReport::default()
            },
            connections,
            lanes,
            library: Library::default(),
            buffer: vec![0; READ_BUFFER_BYTES],
            to_connect,
            pausing: VecDeque::new(),
            connected: 0,
            looked_ns: 0,
            measured_from: None,
            cpu_from: 0,
            wakes: Wakes::default(),
            wake: Histogram::default(),
            part: Histogram::default(),
            again: Histogram::default(),
        })
    }

    /// Whether everybody is connected, and has seen a playlist where there is one.
    fn is_complete(&self) -> bool {
        let has_begun = |lane: &Lane| lane.next.is_some() || !self.order.again.is_empty();
        self.connected == self.connections.len() && self.lanes.iter().all(has_begun)
    }

    fn begin_measuring(&mut self, now: u64) {
        self.measured_from = Some(now);
        self.cpu_from = machine::cpu_micros(std::process::id()).unwrap_or(0);
        self.lanes.iter_mut().for_each(|lane| lane.part_ns = now);
    }

    fn report(mut self, now: u64) -> ViewersReport {
        let from = self.measured_from.unwrap_or(now);
        let cpu = machine::cpu_micros(std::process::id()).unwrap_or(0);
        self.figures.seconds = micros_between(from, now) as f64 / 1e6;
        self.figures.generator_cpu_s = cpu.saturating_sub(self.cpu_from) as f64 / 1e6;
        self.figures.wake_ms = (&self.wake).into();
        self.figures.part_ms = (&self.part).into();
        self.figures.again_ms = (&self.again).into();
        let waiters = self.wakes.waiters();
        self.figures.waiters = waiters.get(waiters.len() / 2).copied().unwrap_or(0);
        self.figures
    }

    fn turn(&mut self, now: u64) -> io::Result<()> {
        while let Some((at, index)) = self.to_connect.front().copied()
            && at <= now
        {
            self.to_connect.pop_front();
            if let Err(error) = self.connect(index) {
                self.lose(index, &why(&error));
            }
        }
        self.end_pauses(now);
        self.look_after_lanes(now);
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(1));
        let is_late = self.pausing.front().is_some_and(|(at, ..)| *at <= now);
        let polled = self.poll.poll(
            &mut events,
            Some(if is_late { Duration::ZERO } else { TICK }),
        );
        for event in &events {
            self.handle(event.token().0, event.is_readable(), event.is_writable());
        }
        self.events = events;
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Asks for who has paused long enough; for a few at a time, so that answers are not kept waiting.
    fn end_pauses(&mut self, now: u64) {
        let mut touched = None;
        for _ in 0..ASKED_AT_ONCE {
            let Some((at, index, place)) = self.pausing.front().copied() else {
                break;
            };
            if at > now {
                break;
            }
            self.pausing.pop_front();
            if let Some(last) = touched.replace(index).filter(|last| *last != index) {
                self.flush(last);
            }
            // A connection that was lost meanwhile asks anew by itself.
            if self.connections[index].is_open && self.lanes[place].asked == Asked::Nothing {
                self.ask(index, place);
            }
        }
        if let Some(last) = touched {
            self.flush(last);
        }
    }

    /// The lane has what it asked for, and goes on after a pause.
    fn go_on(&mut self, index: usize, place: usize, now: u64) {
        if self.order.pause.is_zero() {
            self.ask(index, place);
        } else {
            self.pausing
                .push_back((now + nanos(self.order.pause), index, place));
        }
    }

    /// Asks again for who was refused, and gives up who is not answered.
    fn look_after_lanes(&mut self, now: u64) {
        if now < self.looked_ns + nanos(LOOK_EVERY) {
            return;
        }
        self.looked_ns = now;
        let mut late = Vec::new();
        for index in 0..self.connections.len() {
            if !self.connections[index].is_open {
                continue;
            }
            for place in self.connections[index].lanes.clone() {
                let lane = &self.lanes[place];
                if lane.again_ns != 0 && lane.again_ns <= now {
                    self.ask(index, place);
                } else if lane.asked != Asked::Nothing
                    && now > lane.asked_ns + nanos(VIEWER_TIMEOUT)
                {
                    late.push(index);
                    break;
                }
            }
            self.flush(index);
        }
        for index in late {
            self.lose(index, "no answer in time");
        }
    }

    fn connect(&mut self, index: usize) -> io::Result<()> {
        let mut stream = dial(self.show.address, index)?;
        self.poll.registry().register(
            &mut stream,
            Token(index),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let connection = &mut self.connections[index];
        connection.out.clear();
        connection.sent = 0;
        connection.wire = match self.order.version {
            HttpVersion::Http1 => Wire::Http1(Http1::default()),
            HttpVersion::Http2 => {
                Wire::Http2(Http2::begin(&mut connection.out, self.tls.is_some()))
            }
        };
        connection.stream = Some(Transport::new(stream, self.tls.as_ref())?);
        Ok(())
    }

    fn handle(&mut self, index: usize, readable: bool, writable: bool) {
        let connection = &mut self.connections[index];
        let Some(stream) = &connection.stream else {
            return;
        };
        if writable && !connection.is_open {
            if let Ok(Some(error)) | Err(error) = stream.inner().take_error() {
                return self.lose(index, &why(&error));
            }
            if stream.inner().peer_addr().is_err() {
                return;
            }
            connection.is_open = true;
            self.connected += 1;
            for place in connection.lanes.clone() {
                self.ask(index, place);
            }
        }
        if readable || self.tls.is_some() {
            self.read(index);
        }
        self.flush(index);
    }

    fn read(&mut self, index: usize) {
        let mut whole = Vec::new();
        loop {
            let connection = &mut self.connections[index];
            let Some(stream) = &mut connection.stream else {
                return;
            };
            let read = match stream.read(&mut self.buffer) {
                Ok(0) => return self.lose(index, "the server closed the connection"),
                Ok(read) => read,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::Interrupted => continue,
                    _ => return self.lose(index, &why(&error)),
                },
            };
            let library = &self.library;
            let mut listening = Listening {
                lanes: &mut self.lanes[connection.lanes.clone()],
                whole: &mut whole,
                is_read: &|wish| library.find(wish).is_some(),
            };
            let heard =
                connection
                    .wire
                    .receive(&self.buffer[..read], &mut connection.out, &mut listening);
            let first = connection.lanes.start;
            for place in whole.drain(..) {
                self.answered(index, first + place);
            }
            if let Err(Broken(why)) = heard {
                return self.lose(index, why);
            }
        }
    }

    /// An answer is whole: counts it, and asks for what comes next.
    fn answered(&mut self, index: usize, place: usize) {
        let now = now_ns();
        let lane = &mut self.lanes[place];
        let (asked, asked_ns, status) = (lane.asked, lane.asked_ns, lane.status);
        lane.asked = Asked::Nothing;
        if status != 200 {
            self.fail(&format!("answered {}", if status > 1 { status } else { 0 }));
            // What is asked for now is another part than the one that was refused.
            self.lanes[place].next = None;
            self.lanes[place].again_ns = now + nanos(AGAIN_AFTER);
            return;
        }
        if self.measured_from.is_some() {
            self.figures.answers += 1;
            self.figures.bytes += lane.bytes;
        }
        match asked {
            Asked::Nothing => {}
            Asked::Playlist => self.has_playlist(index, place, asked_ns, now),
            Asked::Part => self.has_part(index, place, asked_ns, now),
            Asked::Again(path) => {
                self.again.record(micros_between(asked_ns, now));
                self.ask_again(index, place, path + 1);
            }
        }
    }

    fn has_playlist(&mut self, index: usize, place: usize, asked_ns: u64, now: u64) {
        let lane = &mut self.lanes[place];
        let wish = lane.wish();
        if self.measured_from.is_some_and(|from| asked_ns > from) {
            self.figures.playlists += 1;
            if let Some(late) = self.wakes.note(wish, asked_ns, now) {
                self.wake.record(late / 1_000);
            }
        }
        let path = &self.show.renditions[lane.rendition];
        let tail = self
            .library
            .find(wish)
            .or_else(|| self.library.read(wish, path, &lane.body));
        let Some(tail) = tail else {
            self.fail("a playlist that cannot be read");
            self.lanes[place].again_ns = now + nanos(AGAIN_AFTER);
            return;
        };
        let began = lane.next.replace(tail.next).is_none();
        match tail.new_parts.last() {
            // The first playlist only tells where the show is.
            Some(part) if !began && !self.order.playlists_only => {
                let part = part.clone();
                self.request(index, place, Asked::Part, &part);
            }
            _ => self.go_on(index, place, now),
        }
    }

    fn has_part(&mut self, index: usize, place: usize, asked_ns: u64, now: u64) {
        let lane = &mut self.lanes[place];
        if self.measured_from.is_some() {
            self.figures.parts += 1;
            self.part.record(micros_between(asked_ns, now));
            let target = self.library.part_target_ns();
            if now.saturating_sub(lane.part_ns) > target * (STALL_PARTS + 1) {
                self.figures.stalls += 1;
            }
            lane.part_ns = now;
        }
        self.go_on(index, place, now);
    }

    /// Asks for the next playlist, or the first of what is asked for over and over.
    fn ask(&mut self, index: usize, place: usize) {
        if !self.order.again.is_empty() {
            return self.ask_again(index, place, place);
        }
        let lane = &self.lanes[place];
        let path = &self.show.renditions[lane.rendition];
        let path = match lane.next {
            Some((segment, part)) => {
                // Other servers keep their sessions there.
                let mark = if path.contains('?') { '&' } else { '?' };
                format!("{path}{mark}_HLS_msn={segment}&_HLS_part={part}")
            }
            None => path.clone(),
        };
        self.request(index, place, Asked::Playlist, &path);
    }

    fn ask_again(&mut self, index: usize, place: usize, number: usize) {
        let number = number % self.order.again.len().max(1);
        let order = self.order;
        self.request(index, place, Asked::Again(number), &order.again[number]);
    }

    fn request(&mut self, index: usize, place: usize, asked: Asked, path: &str) {
        let lane = &mut self.lanes[place];
        lane.asked = asked;
        lane.asked_ns = now_ns();
        lane.again_ns = 0;
        let connection = &mut self.connections[index];
        let place = place - connection.lanes.start;
        connection
            .wire
            .request(&mut connection.out, place, &self.show.host, path);
    }

    fn flush(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let Some(stream) = &mut connection.stream else {
            return;
        };
        while connection.is_open && connection.sent < connection.out.len() {
            match stream.write(&connection.out[connection.sent..]) {
                Ok(written) => connection.sent += written,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::Interrupted => {}
                    _ => return self.lose(index, &why(&error)),
                },
            }
        }
        connection.out.clear();
        connection.sent = 0;
        // What TLS has sealed and the socket did not take.
        match stream.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                self.lose(index, &why(&error));
            }
            _ => {}
        }
    }

    /// The connection is over; it is made again after a moment.
    fn lose(&mut self, index: usize, why: &str) {
        self.fail(why);
        let connection = &mut self.connections[index];
        connection.stream = None;
        connection.out.clear();
        if std::mem::take(&mut connection.is_open) {
            self.connected -= 1;
        }
        for lane in &mut self.lanes[connection.lanes.clone()] {
            lane.asked = Asked::Nothing;
            lane.again_ns = 0;
            lane.next = None;
        }
        self.to_connect
            .push_back((now_ns() + nanos(AGAIN_AFTER), index));
    }

    fn fail(&mut self, why: &str) {
        *self.figures.failures.entry(why.to_owned()).or_default() += 1;
    }
}

/// Begins to connect.
fn dial(address: SocketAddr, index: usize) -> io::Result<TcpStream> {
    let socket = socket_for(address, index)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error)
            if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// A socket for the connection of that number; on this machine with an address that has ports left.
pub(super) fn socket_for(address: SocketAddr, index: usize) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_tcp_nodelay(true)?;
    if let IpAddr::V4(ip) = address.ip()
        && ip.is_loopback()
    {
        let per_source = usize::try_from(FANS_PER_SOURCE_MAX).unwrap_or(usize::MAX);
        let number = u32::try_from(index / per_source).unwrap_or(0);
        let source = Ipv4Addr::from(u32::from(FIRST_SOURCE) + number);
        socket.bind(&SocketAddr::new(source.into(), 0).into())?;
    }
    Ok(socket)
}
