//! Threads that have the connections of viewers who do nothing but follow a show: over HTTP/1.1 in the clear, one after the other.
//!
//! Such a connection is given the same playlist and the same part as thousands of others, several times a second, and waits in
//! between. Here it has a few hundred bytes, and whoever is woken is answered in a loop: what costs is the system's part of
//! a read and a write. As a task it would have some kilobytes, spread over places that the processor has forgotten until it is
//! its turn again, and that is most of what a task costs.
//!
//! | what has come | what becomes of it |
//! |---|---|
//! | a request for something that was prepared, or will be | it is answered here, or waits here |
//! | the end of the stream, or nothing within the header wait | the end |
//! | anything else, or the socket is full | a task has the connection, with what has come and what is left to be sent ([`Host::take_back`]) |
//! | the server drains | the same |
//!
//! So nothing is done here that takes long or has to be awaited. Who waits for the same is woken together: of each such group a small
//! task listens to the stream, and tells the thread.

use std::{
    collections::HashMap,
    fmt::Debug,
    fs::File,
    hash::Hash,
    io, mem,
    net::TcpStream,
    os::fd::AsRawFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use fanwave_origin::{Ask, Look, Prepared};
use mio::{Events, Interest, Poll, Token, Waker, unix::SourceFd};
use rustix::{
    io::retry_on_intr,
    net::{RecvFlags, SendFlags, recv, send},
};
use slab::Slab;
use tokio::{runtime::Handle, task::JoinHandle};

use super::{
    Asked, Begun,
    head::{self, HEAD_BYTES_MAX},
    reply::{Rest, Said, WHOLE_BYTES_MAX, written_down},
    road::send_file,
    whole::{Outlet, Whole},
};
use crate::{serve::http::recent::Recent, telemetry::HttpMetrics};

/// Events that are taken at a time.
const EVENTS: usize = 1024;

/// What no connection has.
const WAKE: Token = Token(usize::MAX);

/// What is said of a connection with every answer: nothing.
const SAID: Said<'static> = Said {
    offer: None,
    last: false,
};

/// Whose connections these are, and who has them when they are not a reactor's any more.
pub(in crate::serve::http) trait Host: Send + Sync + 'static {
    type Asked: Asked + 'static;
    /// What a connection keeps for as long as it is there.
    type Place: Send + 'static;

    /// The request, if it is a viewer's.
    fn ask(&self, ask: &Ask<'_>) -> Option<Self::Asked>;

    /// How long a peer may say nothing.
    fn header_wait(&self) -> Duration;

    fn metrics(&self) -> &HttpMetrics;

    /// A connection is not the reactor's any more.
    fn take_back(self: Arc<Self>, connection: Returned<Self::Asked, Self::Place>);
}

/// A connection that is given back.
#[derive(Debug)]
pub(in crate::serve::http) struct Returned<R, P> {
    /// Non-blocking, and watched by nobody.
    pub(in crate::serve::http) socket: TcpStream,
    pub(in crate::serve::http) place: P,
    /// What has been read of it and is still to be judged.
    pub(in crate::serve::http) unread: Bytes,
    pub(in crate::serve::http) begun: Option<Begun<R>>,
}

/// All reactors of a server.
#[derive(Debug)]
pub(in crate::serve::http) struct Reactors<P, K> {
    inboxes: RwLock<Vec<Arc<Inbox<P, K>>>>,
}

/// What others hand to a reactor: one short lock, and one call to wake it.
#[derive(Debug)]
struct Inbox<P, K> {
    notes: Mutex<Notes<P, K>>,
    waker: Waker,
    /// Connections that it has, or is about to have.
    connections: AtomicUsize,
}

#[derive(Debug)]
struct Notes<P, K> {
    come: Vec<(TcpStream, P)>,
    changed: Vec<Changed<K>>,
    /// Nobody is taken any more.
    drains: bool,
}

/// What a group waits for has changed.
#[derive(Debug, Clone, Copy)]
struct Changed<K> {
    awaited: K,
    /// Nothing comes after this.
    is_last: bool,
}

impl<P, K> Inbox<P, K> {
    fn tell(&self, tell: impl FnOnce(&mut Notes<P, K>)) {
        tell(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        // It fails where there is no memory for a counter any more; then the next who tells something wakes it.
        self.waker.wake().ok();
    }
}

impl<P: Send + 'static, K: Copy + Debug + Eq + Hash + Send + 'static> Reactors<P, K> {
    /// None yet.
    pub(in crate::serve::http) fn new() -> Self {
        Self {
            inboxes: RwLock::new(Vec::new()),
        }
    }

    /// One more, which ends when all are drained. To be called within the runtime whose tasks have connections that it gives back.
    ///
    /// # Errors
    ///
    /// The system has no thread for it, or no more to poll with.
    pub(in crate::serve::http) fn start<H>(&self, host: Arc<H>) -> io::Result<()>
    where
        H: Host<Place = P>,
        H::Asked: Asked<Awaited = K>,
    {
        let poll = Poll::new()?;
        let inbox = Arc::new(Inbox {
            waker: Waker::new(poll.registry(), WAKE)?,
            notes: Mutex::new(Notes {
                come: Vec::new(),
                changed: Vec::new(),
                drains: false,
            }),
            connections: AtomicUsize::new(0),
        });
        let reactor = Reactor {
            poll,
            inbox: Arc::clone(&inbox),
            host,
            runtime: Handle::current(),
            connections: Slab::new(),
            groups: HashMap::new(),
            wholes: Recent::new(),
            seen: Box::new([0; HEAD_BYTES_MAX]),
            due: None,
            number: 0,
        };
        let mut inboxes = self.inboxes.write().unwrap_or_else(PoisonError::into_inner);
        let name = format!("viewers-{}", inboxes.len());
        std::thread::Builder::new()
            .name(name)
            .spawn(move || reactor.run())?;
        inboxes.push(inbox);
        Ok(())
    }

    /// Whether there is any.
    pub(in crate::serve::http) fn are_there(&self) -> bool {
        !self.inboxes().is_empty()
    }

    /// A connection on which nothing has come that is not answered, for the reactor that has the fewest. Where the server drains it
    /// is closed: its peer is asked for nothing more.
    pub(in crate::serve::http) fn hand_over(&self, socket: TcpStream, place: P) {
        let inboxes = self.inboxes();
        let fewest = |inbox: &&Arc<Inbox<P, K>>| inbox.connections.load(Ordering::Relaxed);
        let Some(inbox) = inboxes.iter().min_by_key(fewest) else {
            return;
        };
        inbox.connections.fetch_add(1, Ordering::Relaxed);
        inbox.tell(|notes| {
            if !notes.drains {
                notes.come.push((socket, place));
            }
        });
    }

    /// Has all reactors give back what they have, and end.
    pub(in crate::serve::http) fn drain(&self) {
        for inbox in &*self.inboxes() {
            inbox.tell(|notes| notes.drains = true);
        }
    }

    fn inboxes(&self) -> RwLockReadGuard<'_, Vec<Arc<Inbox<P, K>>>> {
        self.inboxes.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection.
#[derive(Debug)]
struct Connection<R, P> {
    socket: TcpStream,
    place: P,
    /// It is another one than whoever had the same key before.
    number: u64,
    state: State<R>,
}

#[derive(Debug)]
enum State<R> {
    /// It has to say something by then.
    Listens(Instant),
    /// It is answered when its group is woken.
    Waits(R),
}

/// Who waits for the same.
#[derive(Debug)]
struct Group {
    /// By key and number; those who have gone meanwhile are still here.
    waiting: Vec<(usize, u64)>,
    listener: JoinHandle<()>,
}

impl Drop for Group {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

struct Reactor<H: Host> {
    poll: Poll,
    inbox: Arc<Inbox<H::Place, AwaitedBy<H>>>,
    host: Arc<H>,
    runtime: Handle,
    connections: Slab<Connection<H::Asked, H::Place>>,
    groups: HashMap<AwaitedBy<H>, Group>,
    wholes: Recent<Whole>,
    /// Where what has come is read to, one connection after the other.
    seen: Box<[u8; HEAD_BYTES_MAX]>,
    /// When the first might have said nothing for too long.
    due: Option<Instant>,
    /// Of the newest connection.
    number: u64,
}

type AwaitedBy<H> = <<H as Host>::Asked as Asked>::Awaited;

impl<H: Host> Reactor<H> {
    fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let wait = self
                .due
                .map(|due| due.saturating_duration_since(Instant::now()));
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "viewers' connections cannot be waited for; they are served one by one");
                return self.give_back_all();
            }
            let mut is_told = false;
            for event in &events {
                if event.token() == WAKE {
                    is_told = true;
                } else {
                    self.look_at(event.token().0);
                }
            }
            if is_told && self.take_notes() {
                return self.give_back_all();
            }
            self.sweep();
        }
    }

    /// Takes what others have handed in; true if it is the end.
    fn take_notes(&mut self) -> bool {
        let (come, changed, drains) = {
            let notes = self.inbox.notes.lock();
            let mut notes = notes.unwrap_or_else(PoisonError::into_inner);
            let come = mem::take(&mut notes.come);
            (come, mem::take(&mut notes.changed), notes.drains)
        };
        for (socket, place) in come {
            self.add(socket, place);
        }
        for changed in changed {
            self.wake(changed);
        }
        drains
    }

    fn add(&mut self, socket: TcpStream, place: H::Place) {
        self.number += 1;
        let until = Instant::now() + self.host.header_wait();
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        let watched = self.poll.registry().register(
            &mut SourceFd(&socket.as_raw_fd()),
            Token(key),
            Interest::READABLE,
        );
        entry.insert(Connection {
            socket,
            place,
            number: self.number,
            state: State::Listens(until),
        });
        self.note_due(until);
        if let Err(error) = watched {
            tracing::debug!(%error, "a viewer's connection cannot be watched");
            self.end(key);
        }
    }

    fn note_due(&mut self, until: Instant) {
        self.due = Some(self.due.map_or(until, |due| due.min(until)));
    }

    /// Something has come of a connection.
    fn look_at(&mut self, key: usize) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let socket = &connection.socket;
        if let State::Waits(_) = &connection.state {
            let look = || recv(socket, &mut [0], RecvFlags::PEEK);
            match retry_on_intr(look).map(|(_, length)| length) {
                Err(error) if io::Error::from(error).kind() == io::ErrorKind::WouldBlock => {}
                Ok(1..) => self.give_back(key, Bytes::new(), None),
                Ok(0) | Err(_) => self.end(key),
            }
            return;
        }
        let read = || recv(socket, &mut self.seen[..], RecvFlags::empty());
        let length = match retry_on_intr(read).map(|(_, length)| length) {
            Err(error) if io::Error::from(error).kind() == io::ErrorKind::WouldBlock => return,
            Ok(0) | Err(_) => return self.end(key),
            Ok(length) => length,
        };
        let bytes = &self.seen[..length];
        // Where there is no more room there may be more to come, of which no event tells.
        let head =
            head::read(bytes).filter(|head| head.length == length && length < self.seen.len());
        match head.and_then(|head| self.host.ask(&head.ask())) {
            Some(asked) => self.answer(key, asked),
            None => {
                let unread = Bytes::copy_from_slice(bytes);
                self.give_back(key, unread, None);
            }
        }
    }

    /// Answers a request, or has it wait.
    fn answer(&mut self, key: usize, mut asked: H::Asked) {
        // A handler that panics does so once more for its own connection alone, and is seen there.
        let look = catch_unwind(AssertUnwindSafe(|| asked.look()));
        match look.unwrap_or(Look::Other) {
            Look::Ready(prepared, woken) if prepared.body().len() <= WHOLE_BYTES_MAX => {
                self.send(key, &prepared);
                drop(woken);
            }
            Look::Waits => self.wait(key, asked),
            Look::Ready(..) | Look::Other => {
                self.give_back(key, Bytes::new(), Some(Begun::Asked(asked)));
            }
        }
    }

    fn wait(&mut self, key: usize, asked: H::Asked) {
        let awaited = asked.awaited();
        if let Some(group) = self.groups.get_mut(&awaited) {
            if let Some(connection) = self.connections.get_mut(key) {
                group.waiting.push((key, connection.number));
                connection.state = State::Waits(asked);
            }
            return;
        }
        let Some(listener) = self.listener(&asked) else {
            return self.give_back(key, Bytes::new(), Some(Begun::Asked(asked)));
        };
        let waiting = Vec::new();
        self.groups.insert(awaited, Group { waiting, listener });
        // What has changed before somebody listened nobody is told.
        self.answer(key, asked);
    }

    /// What tells this thread of changes, from now on.
    fn listener(&self, asked: &H::Asked) -> Option<JoinHandle<()>> {
        let awaited = asked.awaited();
        let mut changes = asked.changes()?;
        let inbox = Arc::clone(&self.inbox);
        Some(self.runtime.spawn(async move {
            loop {
                let is_last = changes.changed().await.is_err();
                let changed = Changed { awaited, is_last };
                inbox.tell(|notes| notes.changed.push(changed));
                if is_last {
                    return;
                }
            }
        }))
    }

    /// Has all who wait for something look again.
    fn wake(&mut self, changed: Changed<AwaitedBy<H>>) {
        let Some(group) = self.groups.get_mut(&changed.awaited) else {
            return;
        };
        let waiting = mem::take(&mut group.waiting);
        if changed.is_last {
            // What comes to lie at the same place is something else.
            self.groups.remove(&changed.awaited);
        }
        for (key, number) in waiting {
            let connection = self.connections.get_mut(key);
            let Some(connection) = connection.filter(|connection| connection.number == number)
            else {
                continue;
            };
            let until = Instant::now() + self.host.header_wait();
            match mem::replace(&mut connection.state, State::Listens(until)) {
                State::Waits(asked) => self.answer(key, asked),
                listens @ State::Listens(_) => connection.state = listens,
            }
        }
    }

    /// Sends an answer that is the same for many.
    fn send(&mut self, key: usize, prepared: &Arc<Prepared>) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let body = prepared.body();
        let whole = written_down(&mut self.wholes, prepared, SAID);
        let sent = whole.send(&mut Bare(&connection.socket));
        self.host.metrics().sent.inc_by(body.len() as u64);
        match sent {
            Ok(written) if written == whole.bytes().len() => {
                let until = Instant::now() + self.host.header_wait();
                connection.state = State::Listens(until);
                self.note_due(until);
            }
            Ok(written) => {
                let rest = Rest::new(whole, body, written);
                self.give_back(key, Bytes::new(), Some(Begun::Sends(rest)));
            }
            Err(error) => {
                tracing::debug!(%error, "a viewer is gone");
                self.end(key);
            }
        }
    }

    /// Ends those who have said nothing for too long.
    fn sweep(&mut self) {
        let now = Instant::now();
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        let (mut late, mut next) = (Vec::new(), None::<Instant>);
        for (key, connection) in &self.connections {
            match connection.state {
                State::Listens(until) if until <= now => late.push(key),
                State::Listens(until) => next = Some(next.map_or(until, |next| next.min(until))),
                State::Waits(_) => {}
            }
        }
        self.due = next;
        for key in late {
            self.end(key);
        }
    }

    fn end(&mut self, key: usize) {
        drop(self.remove(key));
    }

    fn remove(&mut self, key: usize) -> Option<Connection<H::Asked, H::Place>> {
        let connection = self.connections.try_remove(key)?;
        self.inbox.connections.fetch_sub(1, Ordering::Relaxed);
        Some(connection)
    }

    /// Has a task have the connection. What it waits for it goes on waiting for there.
    fn give_back(&mut self, key: usize, unread: Bytes, begun: Option<Begun<H::Asked>>) {
        let Some(connection) = self.remove(key) else {
            return;
        };
        let source = connection.socket.as_raw_fd();
        if let Err(error) = self.poll.registry().deregister(&mut SourceFd(&source)) {
            tracing::debug!(%error, "a viewer's connection is watched on");
        }
        let begun = begun.or(match connection.state {
            State::Waits(asked) => Some(Begun::Asked(asked)),
            State::Listens(_) => None,
        });
        let returned = Returned {
            socket: connection.socket,
            place: connection.place,
            unread,
            begun,
        };
        let _inside = self.runtime.enter();
        Arc::clone(&self.host).take_back(returned);
    }

    fn give_back_all(mut self) {
        let keys: Vec<_> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.give_back(key, Bytes::new(), None);
        }
        self.inbox.tell(|notes| {
            notes.drains = true;
            notes.come.clear();
        });
    }
}

/// A socket that nobody waits for.
struct Bare<'a>(&'a TcpStream);

impl Outlet for Bare<'_> {
    const SENDS_FILES: bool = true;

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(retry_on_intr(|| send(self.0, bytes, SendFlags::NOSIGNAL))?)
    }

    fn send_file(&mut self, file: &File, at: &mut u64, length: usize) -> io::Result<usize> {
        send_file(self.0, file, at, length)
    }
}
