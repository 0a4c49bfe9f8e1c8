//! The HLS viewers of a worker: each follows the live playlist with blocking reloads and fetches what is new.
//!
//! A viewer has one kept-alive connection and one request at a time: the playlist of the pictures, held by the server
//! until there is a new part; the part; the same of the sound. What is measured is what a viewer would feel: how long a
//! part takes from its request to its last byte.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    io::{self, Read, Write},
};

use fanwave_wire::path;
use mio::{Interest, Registry, Token, event::Event, net::TcpStream};

use super::{
    answers::{Answer, Answers, Keep},
    link::{self, Hearing},
    playlist,
};
use crate::{
    backoff,
    clock::{micros_between, nanos, now_ns},
    exchange::{Assignment, ViewerFigures},
    limits::VIEWER_TIMEOUT,
    random::Random,
    target::Endpoint,
};

/// All viewers of a worker.
#[derive(Debug)]
pub(super) struct Viewers {
    http: Endpoint,
    master: String,
    viewers: Vec<Viewer>,
    /// The first token of a viewer.
    first_token: usize,
    deadlines: BinaryHeap<Reverse<(u64, usize)>>,
    random: Random,
}

#[derive(Debug, Default)]
struct Viewer {
    stream: Option<TcpStream>,
    answers: Answers,
    renditions: Vec<Rendition>,
    /// Which rendition has its turn.
    turn: usize,
    asked: Asked,
    asked_ns: u64,
    /// The request, while the connection is still being made.
    waiting: Option<String>,
    /// The one time at which something happens by itself; a later deadline replaces it.
    wake_ns: u64,
    failures: u8,
}

#[derive(Debug, Default)]
struct Rendition {
    path: String,
    /// Segment and part to ask for.
    next: Option<(u64, u64)>,
    last_read: Option<String>,
    new_parts: VecDeque<String>,
}

/// What the answer under way belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Asked {
    #[default]
    Nothing,
    Master,
    Playlist,
    Part,
}

/// A viewer's connection is over, for this reason.
type Over = String;

impl Viewers {
    /// Plans everybody's begin, spread over the ramp.
    pub(super) fn new(task: &Assignment) -> Self {
        let room = task.order.rooms.first();
        let count = usize::try_from(task.part.viewers).unwrap_or(0);
        let mut viewers = Self {
            http: task.order.servers[0].http.clone(),
            master: room.map(path::master_playlist).unwrap_or_default(),
            viewers: (0..count).map(|_| Viewer::default()).collect(),
            first_token: usize::try_from(task.part.fans).unwrap_or(0) + task.part.feeds.len(),
            deadlines: BinaryHeap::new(),
            random: Random::new(task.order.seed ^ u64::from(task.index)),
        };
        let ramp = nanos(task.order.ramp()).max(nanos(VIEWER_TIMEOUT) / 10);
        for place in 0..count {
            let at = task.at_ns + viewers.random.below(ramp);
            viewers.wake_at(place, at);
        }
        viewers
    }

    fn wake_at(&mut self, place: usize, at_ns: u64) {
        self.viewers[place].wake_ns = at_ns;
        self.deadlines.push(Reverse((at_ns, place)));
    }

    /// When something happens by itself.
    pub(super) fn next_deadline_ns(&self) -> Option<u64> {
        self.deadlines.peek().map(|Reverse((at, _))| *at)
    }

    /// Connects who wants to, and gives up who waits too long.
    pub(super) fn handle_deadlines(
        &mut self,
        now: u64,
        registry: &Registry,
        figures: &mut ViewerFigures,
    ) {
        while let Some(Reverse((at, place))) = self.deadlines.peek().copied() {
            if at > now {
                return;
            }
            self.deadlines.pop();
            if self.viewers[place].wake_ns != at {
                continue;
            }
            if self.viewers[place].stream.is_some() {
                self.lose(place, "no answer in time", figures);
            } else if let Err(reason) = self.connect(place, registry) {
                self.lose(place, &reason, figures);
            }
        }
    }

    fn connect(&mut self, place: usize, registry: &Registry) -> Result<(), Over> {
        let mut stream =
            link::dial(self.http.address, None, Hearing::Good).map_err(|lost| lost.reason())?;
        let token = Token(self.first_token + place);
        registry
            .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)
            .map_err(|error| error.kind().to_string())?;
        let viewer = &mut self.viewers[place];
        viewer.stream = Some(stream);
        viewer.answers = Answers::default();
        let master = self.master.clone();
        self.ask(place, Asked::Master, &master)
    }

    fn ask(&mut self, place: usize, asked: Asked, path: &str) -> Result<(), Over> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: fanwave-load\r\n\r\n",
            self.http.host
        );
        let now = now_ns();
        let viewer = &mut self.viewers[place];
        viewer.asked = asked;
        viewer.asked_ns = now;
        viewer.waiting = Some(request);
        viewer.send()?;
        self.wake_at(place, now + nanos(VIEWER_TIMEOUT));
        Ok(())
    }

    /// Something happened on a viewer's socket.
    pub(super) fn handle_event(
        &mut self,
        place: usize,
        event: &Event,
        buffer: &mut [u8],
        figures: &mut ViewerFigures,
    ) {
        if place >= self.viewers.len() {
            return;
        }
        let mut done = Ok(());
        if event.is_writable() {
            done = self.viewers[place].send();
        }
        if done.is_ok() && (event.is_readable() || event.is_read_closed() || event.is_error()) {
            done = self.read(place, buffer, figures);
        }
        if let Err(reason) = done {
            self.lose(place, &reason, figures);
        }
    }

    fn read(
        &mut self,
        place: usize,
        buffer: &mut [u8],
        figures: &mut ViewerFigures,
    ) -> Result<(), Over> {
        loop {
            let Some(stream) = &mut self.viewers[place].stream else {
                return Ok(());
            };
            let bytes = match stream.read(buffer) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(bytes) => bytes,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected => return Ok(()),
                    io::ErrorKind::Interrupted => continue,
                    kind => return Err(kind.to_string()),
                },
            };
            let mut input = &buffer[..bytes];
            while !input.is_empty() {
                let viewer = &mut self.viewers[place];
                let keep = if viewer.asked == Asked::Part {
                    Keep::Nothing
                } else {
                    Keep::Body
                };
                match viewer.answers.next(&mut input, keep) {
                    Ok(Some(answer)) => self.handle_answer(place, &answer, figures)?,
                    Ok(None) => break,
                    Err(unreadable) => return Err(unreadable.reason().to_owned()),
                }
            }
        }
    }

    fn handle_answer(
        &mut self,
        place: usize,
        answer: &Answer,
        figures: &mut ViewerFigures,
    ) -> Result<(), Over> {
        let viewer = &mut self.viewers[place];
        if answer.status != 200 {
            return Err(format!("HTTP status {}", answer.status));
        }
        viewer.failures = 0;
        let took = micros_between(viewer.asked_ns, now_ns());
        let text = String::from_utf8_lossy(&answer.body);
        match viewer.asked {
            Asked::Nothing => return Err("an answer that was not asked for".to_owned()),
            Asked::Master => {
                let paths = playlist::renditions(&self.master, &text).into_iter();
                viewer.renditions = paths
                    .map(|path| Rendition {
                        path,
                        ..Rendition::default()
                    })
                    .collect();
                viewer.turn = 0;
            }
            Asked::Playlist => {
                figures.playlists += 1;
                figures.playlist.record(took);
                let turn = viewer.turn;
                let Some(rendition) = viewer.renditions.get_mut(turn) else {
                    return Ok(());
                };
                let tail = playlist::tail(&rendition.path, &text, rendition.last_read.as_deref());
                if tail.ended {
                    return Err("the show is over".to_owned());
                }
                rendition.next = Some(tail.next);
                rendition.new_parts = tail.new_parts.into();
            }
            Asked::Part => {
                figures.parts += 1;
                figures.bytes += answer.bytes;
                figures.part.record(took);
            }
        }
        self.ask_next(place)
    }

    /// The next part of the rendition whose turn it is; the next rendition's playlist when there is none.
    fn ask_next(&mut self, place: usize) -> Result<(), Over> {
        let viewer = &mut self.viewers[place];
        let count = viewer.renditions.len();
        let fresh = viewer.asked == Asked::Master;
        let Some(rendition) = viewer.renditions.get_mut(viewer.turn) else {
            return Err("a master playlist without a variant".to_owned());
        };
        if let Some(part) = rendition.new_parts.pop_front() {
            rendition.last_read = Some(part.clone());
            return self.ask(place, Asked::Part, &part);
        }
        if !fresh {
            viewer.turn = (viewer.turn + 1) % count;
        }
        let rendition = &viewer.renditions[viewer.turn];
        let path = match rendition.next {
            Some((segment, part)) => {
                format!("{}?_HLS_msn={segment}&_HLS_part={part}", rendition.path)
            }
            None => rendition.path.clone(),
        };
        self.ask(place, Asked::Playlist, &path)
    }

    fn lose(&mut self, place: usize, reason: &str, figures: &mut ViewerFigures) {
        *figures.failures.entry(reason.to_owned()).or_default() += 1;
        let viewer = &mut self.viewers[place];
        viewer.stream = None;
        viewer.waiting = None;
        viewer.asked = Asked::Nothing;
        viewer.renditions.clear();
        let wait = backoff::wait(viewer.failures, &mut self.random);
        viewer.failures = viewer.failures.saturating_add(1);
        self.wake_at(place, now_ns() + nanos(wait));
    }
}

impl Viewer {
    /// Sends the request that waits, once the connection is there. A request is smaller than any socket's buffer.
    fn send(&mut self) -> Result<(), Over> {
        let (Some(stream), Some(request)) = (&mut self.stream, &self.waiting) else {
            return Ok(());
        };
        let said = |error: io::Error| error.kind().to_string();
        if let Some(error) = stream.take_error().map_err(said)? {
            return Err(said(error));
        }
        match stream.write(request.as_bytes()) {
            Ok(bytes) if bytes == request.len() => {
                self.waiting = None;
                Ok(())
            }
            Ok(_) => Err("a request was sent in part only".to_owned()),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::NotConnected
                | io::ErrorKind::Interrupted => Ok(()),
                _ => Err(said(error)),
            },
        }
    }
}
