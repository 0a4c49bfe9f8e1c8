//! The sockets of the fans: WebSocket in, room logs out.
//!
//! 1. [`Gateway::router`] answers the handshake inside the node's HTTP server, and takes the bare socket out of it.
//! 2. A reactor thread per core owns its share of those sockets, for as long as they live: it reads commands, writes
//!    replies, pings, and sweeps the room logs to the fans. A fan costs a record of some hundred bytes and no task, no
//!    buffer and no queue.
//! 3. What must wait (publishing, history, opening a channel) is a call to the [`Engine`], made on the tokio runtime;
//!    the answer comes back through that reactor's inbox, as do the engine's deliveries.
//!
//! Never does a reactor block, a fan's slowness touch another fan, or anything grow without a bound:
//! [`limits`] has them all.
//!
//! Protocol: the Centrifuge client protocol in JSON (<https://centrifugal.dev/docs/transports/client_protocol>) over RFC
//! 6455.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use axum::Router;
use fanwave_bus::Engine;
use fanwave_room::census::Node;
use fanwave_wire::envelope::NodeId;
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
};

use self::{
    admission::Admission,
    desk::Desk,
    drain::{Board, Order},
    engine_calls::EngineCalls,
    http::Door,
    inbox::Inbox,
    listeners::Listeners,
    metrics::Metrics,
    neighbours::{Neighbours, Sources},
    reactor::{Parts, Reactor, Shared, emulated::Emulated},
    reactors::{Pulse, Reactors, Seat},
};

mod admission;
pub mod beside;
mod config;
pub mod consult;
mod desk;
mod dismissal;
mod drain;
mod engine_calls;
mod format;
mod handshake;
mod http;
mod inbox;
mod keys;
pub mod limits;
mod listeners;
mod metrics;
mod neighbours;
mod origin;
mod plain;
mod reactor;
mod reactors;
mod roll_call;
mod room_log;
mod rooms;
mod session;
mod tls;
mod transport;

pub use config::{Compression, ConfigError, Dialect, GatewayConfig, Rooms, SubscribeTokens};
pub use desk::Outcome;
pub use dismissal::Return;
pub use drain::{Drain, Progress};
pub use keys::Keys;
pub use origin::OriginPolicy;
pub use plain::PlainIo;
pub use rooms::Followers;
pub use tls::{TlsAcceptor, TlsError, TlsFiles, TlsIo, bare_config, quic_config};

/// A running gateway. Dropped without [`Gateway::shutdown`], it tells its reactors to stop at once.
#[derive(Debug)]
pub struct Gateway {
    door: Arc<Door>,
    desk: Arc<Desk>,
    calls: Arc<Semaphore>,
    board: Arc<Board>,
    neighbours: Arc<Neighbours>,
    /// Tells the others; none where there are none, or once it is shut down.
    speaking: Mutex<Option<tokio::task::JoinHandle<()>>>,
    /// Shortest time between two fans who come back.
    return_gap: Duration,
    addresses: Vec<SocketAddr>,
    /// Empty once it is shut down.
    running: Mutex<Vec<Running>>,
}

/// A reactor's thread and the news of its end.
#[derive(Debug)]
struct Running {
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

/// Why a gateway could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting cannot work.
    #[error("the configuration cannot work: {0}")]
    Config(#[from] ConfigError),
    /// Not called on a tokio runtime, which the engine's calls need.
    #[error("a gateway starts on a tokio runtime")]
    NoRuntime,
    /// The system has no random numbers for connection ids.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    /// The certificate or its key.
    #[error("TLS cannot be spoken: {0}")]
    Tls(#[from] TlsError),
    /// A port is taken or not ours to take.
    #[error("cannot listen for fans at {address}: {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A poll or a thread could not be made.
    #[error("a reactor could not start: {0}")]
    Reactor(#[from] io::Error),
}

/// Why a shutdown was not clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// The reactor was still at work after the deadline; its thread is left to itself.
    #[error("a reactor did not end in time")]
    Stuck,
    /// The reactor had ended by a panic; it has been logged where it happened.
    #[error("a reactor ended by a panic")]
    Panicked,
}

impl Gateway {
    /// Starts the reactors and attaches them to the engine. Must be called on a tokio runtime, once per engine.
    ///
    /// # Errors
    ///
    /// The configuration cannot work, there is no runtime, or the system refuses a poll, a thread or random numbers.
    pub fn start(
        config: GatewayConfig,
        engine: Arc<dyn Engine>,
        keys: impl Into<Keys>,
        registry: &mut Registry,
    ) -> Result<Self, StartError> {
        config.check()?;
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let Listeners {
            of_reactors: mut listeners,
            addresses,
        } = Listeners::bind(
            &config.listen,
            config.reactors.get(),
            config.socket_send_bytes,
        )?;
        let tls = config.tls.as_ref().map(tls::server_config).transpose()?;
        let (polls, seats) = seats(config.reactors.get())?;
        let reactors = Arc::new(Reactors::new(seats));
        let admission = Admission::new(config.connections_max, config.accepts_per_second);
        let node = NodeId(getrandom::u64().map_err(StartError::Random)?);
        let shared = Shared::new(node);
        let metrics = Metrics::register(registry, &admission, &reactors, &shared);
        let sources = Sources {
            engine: Arc::clone(&engine),
            admission: Arc::clone(&admission),
            reactors: Arc::clone(&reactors),
            shared: shared.clone(),
            sent_bytes: metrics.sent_bytes.clone(),
        };
        let neighbours = Arc::new(Neighbours::new(node, &config, sources));
        let desk = Desk::open(
            engine,
            Arc::clone(&neighbours),
            Arc::clone(&reactors),
            runtime.clone(),
            config.room_settings(),
        );
        let calls = EngineCalls::new(
            Arc::clone(&desk),
            Arc::clone(&reactors.seats()[0].inbox),
            runtime.clone(),
        );
        let places = calls.places();
        let name = name_of_run()?;
        let door = Arc::new(Door::new(&config, &admission, &reactors, &metrics, &name));
        let (config, keys) = (Arc::new(config), keys.into());
        let mut running = Vec::with_capacity(polls.len());
        for (number, (poll, seat)) in polls.into_iter().zip(reactors.seats()).enumerate() {
            let parts = Parts {
                poll,
                seat: seat.clone(),
                listeners: listeners.pop().unwrap_or_default(),
                tls: tls.clone(),
                calls: calls.answering_to((number, &config.consult), Arc::clone(&seat.inbox)),
                config: Arc::clone(&config),
                metrics: metrics.clone(),
                keys: keys.clone(),
                admission: Arc::clone(&admission),
                shared: shared.clone(),
                emulated: Emulated::new(Arc::clone(&name), running.len()),
                node: getrandom::u64().map_err(StartError::Random)?,
            };
            running.push(Running::spawn(running.len(), parts)?);
        }
        Ok(Self {
            door,
            desk,
            calls: places,
            board: shared.board,
            speaking: Mutex::new(neighbours.speak(&runtime)),
            neighbours,
            return_gap: config.return_gap(),
            addresses,
            running: Mutex::new(running),
        })
    }

    /// The gateway's one route, [`fanwave_wire::path::WEBSOCKET`].
    ///
    /// The HTTP server must be hyper's HTTP/1 with upgrades over `TokioIo<tokio::net::TcpStream>`, [`PlainIo`] or [`TlsIo`]
    /// itself: the socket is taken out of it.
    pub fn router(&self) -> Router {
        http::router(Arc::clone(&self.door)).merge(transport::router(Arc::clone(&self.door)))
    }

    /// Where the reactors accept sockets themselves, with the ports that were taken for 0.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Sockets held now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.door.admission.open()
    }

    /// Whether all reactors run, and have come round lately; a gateway that is not alive cannot recover and its process
    /// should be restarted.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.door.admission.is_alive() && self.door.reactors.are_alive(Instant::now())
    }

    /// The nodes of these rooms that are there, this one first.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node> {
        self.neighbours.nodes()
    }

    /// Tells the other nodes that this one is going to move its fans to them. Nothing else changes.
    pub fn announce_drain(&self) {
        self.neighbours.leave();
    }

    /// Moves the fans to other nodes: takes nobody new, tells everybody in turn to go and when to come back, and returns
    /// when all have been told or the time is over. Until their turn fans are served like always.
    ///
    /// Dropped before its end, the reactors go on with it. A second call waits for the first.
    pub async fn drain(&self, drain: Drain) -> Progress {
        self.door.admission.close();
        let seats = self.door.reactors.seats().len();
        let now = Instant::now();
        if self.board.begin(seats) {
            let order = Order::of(&drain, seats, self.return_gap, now);
            self.door.reactors.drain(order);
        }
        self.board.follow(now + drain.within).await
    }

    /// How far moving the fans has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.board.progress()
    }

    /// Closes every connection with 3001, waits for their ends until the deadline, and joins the reactors.
    ///
    /// Clients come back by themselves, here or elsewhere. A second call finds nothing to do.
    ///
    /// # Errors
    ///
    /// A reactor had panicked, or does not end.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), ShutdownError> {
        let running: Vec<Running> = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.drain(..).collect()
        };
        if running.is_empty() {
            return Ok(());
        }
        self.door.admission.close();
        self.door.reactors.stop(Instant::now() + deadline);
        let end_by = tokio::time::Instant::now() + deadline + limits::JOIN_GRACE;
        let mut joined = Ok(());
        for Running { thread, ended } in running {
            // Whether it is told or the teller is gone: the thread is at its end.
            if tokio::time::timeout_at(end_by, ended).await.is_err() {
                return Err(ShutdownError::Stuck);
            }
            joined = joined.and(thread.join().map_err(|_| ShutdownError::Panicked));
        }
        self.desk.stop();
        if let Some(speaking) = self.stop_speaking() {
            // What it was saying must not come after the last words.
            drop(speaking.await);
            self.neighbours.farewell().await;
        }
        // Calls under way end by themselves; what they would answer has nobody left to go to.
        drop(tokio::time::timeout(deadline, EngineCalls::idle(Arc::clone(&self.calls))).await);
        joined
    }
}

impl Gateway {
    fn stop_speaking(&self) -> Option<tokio::task::JoinHandle<()>> {
        let mut speaking = self.speaking.lock().unwrap_or_else(PoisonError::into_inner);
        let speaking = speaking.take()?;
        speaking.abort();
        Some(speaking)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.stop_speaking());
        self.door.admission.close();
        self.door.reactors.stop(Instant::now());
        self.desk.stop();
    }
}

/// What this run is called among all others.
fn name_of_run() -> Result<Arc<str>, StartError> {
    let number = getrandom::u64().map_err(StartError::Random)?;
    Ok(format!("{number:016x}").into())
}

/// A poll for each reactor, and what others hold of it.
fn seats(count: usize) -> io::Result<(Vec<mio::Poll>, Vec<Seat>)> {
    let made = (0..count).map(|_| {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), reactor::WAKER)?;
        let seat = Seat {
            inbox: Arc::new(Inbox::new(waker)),
            pulse: Arc::new(Pulse::default()),
        };
        Ok((poll, seat))
    });
    made.collect()
}

impl Running {
    fn spawn(number: usize, parts: Parts) -> io::Result<Self> {
        let (end, ended) = oneshot::channel();
        let guard = EndGuard {
            admission: Arc::clone(&parts.admission),
            pulse: Arc::clone(&parts.seat.pulse),
            end: Some(end),
        };
        let thread = std::thread::Builder::new()
            .name(format!("gateway-{number}"))
            .spawn(move || {
                let _guard = guard;
                if let Err(error) = Reactor::new(parts).run() {
                    tracing::error!(%error, "the reactor's poll failed");
                }
            })?;
        Ok(Self { thread, ended })
    }
}

/// Makes the reactor's end visible, by whatever way it comes.
struct EndGuard {
    admission: Arc<Admission>,
    pulse: Arc<Pulse>,
    end: Option<oneshot::Sender<()>>,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.admission.reactor_ended();
        self.pulse.end();
        if std::thread::panicking() {
            tracing::error!("the reactor has panicked");
        }
        if let Some(end) = self.end.take() {
            // Nobody may be waiting for it.
            let _: Result<(), ()> = end.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_reactor_is_visible() {
        let admission = Admission::new(1, 0);
        let (end, ended) = oneshot::channel();
        let guard = EndGuard {
            admission: Arc::clone(&admission),
            pulse: Arc::default(),
            end: Some(end),
        };
        let thread = std::thread::spawn(move || {
            let _guard = guard;
            panic!("as the test wants it");
        });
        assert_eq!(ended.blocking_recv(), Ok(()));
        assert!(thread.join().is_err());
        assert!(!admission.is_alive());
        assert!(admission.take(Instant::now()).is_err());
    }
}
