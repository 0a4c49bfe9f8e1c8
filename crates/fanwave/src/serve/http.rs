//! The HTTP ports: HTTP/1.1 with upgrades and HTTP/2, in the clear and over TLS, and HTTP/3.
//!
//! Every connection is a task (`connection`) over a bare TCP stream, or over the gateway's own TLS. One of HTTP/2 is around the
//! machine of `fanwave_http2` (`multiplexed`). One of HTTP/1.1 is the viewers' (`lane`), in the clear without a task (`lane::reactor`),
//! until it asks for more than they do, and hyper's from then on, out of which the gateway can take an upgraded socket whole. A stranger can hold a connection for as long
//! as the header wait, with as many bytes as the header limit, and no longer; as long may the body of a request take that is
//! read (`punctual`). A peer that stops reading is cut by the
//! kernel after half a minute, one that reads too slowly by `exchanges`. A permit is taken before a connection is
//! accepted: what is beyond the maximum, on all ports together, waits in the kernel's queue.

mod awaiting;
mod connection;
mod exchanges;
mod fields;
mod framing;
mod lane;
mod multiplexed;
mod outbox;
mod punctual;
#[cfg(feature = "http3")]
pub mod quic;
mod recent;
mod upload;

use std::{
    io, net::SocketAddr, num::NonZero, sync::Arc, thread::available_parallelism, time::Duration,
};

use axum::{Router, http::HeaderValue};
use fanwave_gateway::{TlsAcceptor, limits::BACKLOG};
use fanwave_origin::Viewing;
use prometheus_client::metrics::gauge::Gauge;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use self::connection::{Conversations, ViewersReactors};
use crate::{config::http::Http, telemetry::HttpMetrics};

/// Longest time for which a peer may leave what we sent unread or unacknowledged.
const UNREAD_MAX: Duration = Duration::from_secs(30);

/// Pause after a failed accept: descriptors come back when connections end, not by asking again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How far the server is with stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Serving.
    Open,
    /// No new connection and no new request; answers under way are finished.
    Draining,
    /// What is left is cut.
    Closed,
}

/// A bound port.
#[derive(Debug)]
pub enum Door {
    /// In the clear.
    Plain(TcpListener),
    /// Over TLS.
    Tls(TcpListener, TlsAcceptor),
    /// HTTP/3.
    #[cfg(feature = "http3")]
    Quic(quinn::Endpoint),
}

impl Door {
    /// What answers over TLS say of HTTP/3, if this is where it is spoken.
    fn offer(&self) -> Option<HeaderValue> {
        match self {
            Self::Plain(_) | Self::Tls(..) => None,
            #[cfg(feature = "http3")]
            Self::Quic(endpoint) => endpoint.local_addr().ok().and_then(quic::offer),
        }
    }
}

/// A listening HTTP server. Dropping it cuts everything.
#[derive(Debug)]
pub struct HttpServer {
    stage: watch::Sender<Stage>,
    accepting: Vec<JoinHandle<()>>,
    permits: Arc<Semaphore>,
    connections_max: u32,
    reactors: Arc<ViewersReactors>,
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.reactors.drain();
    }
}

/// What a connection has for as long as it is served, by whomever.
#[derive(Debug)]
struct Place {
    _permit: OwnedSemaphorePermit,
    connections: Gauge,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.dec();
    }
}

impl HttpServer {
    /// Serves on bound ports: to viewers what they ask for again and again, and to everybody the router.
    #[must_use]
    pub fn start(
        doors: Vec<Door>,
        plan: &Http,
        (router, viewing): (Router, Viewing),
        metrics: HttpMetrics,
    ) -> Self {
        let (stage, staged) = watch::channel(Stage::Open);
        let permits = Arc::new(Semaphore::new(plan.connections_max));
        let offer = doors.iter().find_map(Door::offer);
        let conversations = Conversations::new(plan, (router, viewing), metrics, staged.clone());
        let shared = Arc::new(conversations.offering(offer));
        start_reactors(&shared);
        let accept = |door| {
            let (shared, permits, staged) =
                (Arc::clone(&shared), Arc::clone(&permits), staged.clone());
            match door {
                Door::Plain(listener) => {
                    tokio::spawn(accept((listener, None), shared, permits, staged))
                }
                Door::Tls(listener, tls) => {
                    tokio::spawn(accept((listener, Some(tls)), shared, permits, staged))
                }
                #[cfg(feature = "http3")]
                Door::Quic(endpoint) => {
                    tokio::spawn(quic::accept(endpoint, shared, permits, staged))
                }
            }
        };
        let accepting = doors.into_iter().map(accept).collect();
        let connections_max = u32::try_from(plan.connections_max).unwrap_or(u32::MAX);
        Self {
            stage,
            accepting,
            permits,
            connections_max,
            reactors: Arc::clone(shared.reactors()),
        }
    }

    /// Takes no new request, waits until the answers under way are finished, and cuts what is not by the deadline.
    pub async fn stop(self, deadline: Duration) {
        // Nobody listens when no connection is open and accepting has ended.
        let _ = self.stage.send(Stage::Draining);
        self.reactors.drain();
        let all_ended = self.permits.acquire_many(self.connections_max);
        if timeout(deadline, all_ended).await.is_err() {
            tracing::info!("cutting HTTP connections that did not end by themselves");
        }
        let _ = self.stage.send(Stage::Closed);
        self.accepting.iter().for_each(JoinHandle::abort);
    }
}

/// Starts a reactor for each processor, as far as the system has them: without, each viewer has a task.
fn start_reactors(shared: &Arc<Conversations>) {
    for _ in 0..available_parallelism().map_or(1, NonZero::get) {
        if let Err(error) = shared.reactors().start(Arc::clone(shared)) {
            tracing::warn!(%error, "no thread for viewers' connections");
        }
    }
}

/// Binds a port, behind which as many connections wait as the system lets: a show begins for all at once. What is beyond
/// that is refused by silence, and comes again seconds later.
///
/// # Errors
///
/// What the system says.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(
    (listener, tls): (TcpListener, Option<TlsAcceptor>),
    shared: Arc<Conversations>,
    permits: Arc<Semaphore>,
    mut staged: watch::Receiver<Stage>,
) {
    loop {
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
            Some((listener.accept().await, permit))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = reached(&mut staged, Stage::Draining) => return,
        };
        match accepted {
            Some((Ok((stream, _)), permit)) => {
                let (shared, tls, staged) = (Arc::clone(&shared), tls.clone(), staged.clone());
                shared.metrics().accepted.inc();
                tokio::spawn(async move {
                    serve((stream, permit), &shared, tls.as_ref(), staged).await;
                });
            }
            Some((Err(error), _)) => {
                shared.metrics().accept_failures.inc();
                tracing::warn!(%error, "no connection could be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
            None => return,
        }
    }
}

/// One connection, until it is known what it speaks.
async fn serve(
    (stream, permit): (TcpStream, OwnedSemaphorePermit),
    shared: &Arc<Conversations>,
    tls: Option<&TlsAcceptor>,
    staged: watch::Receiver<Stage>,
) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%error, "a new connection was gone before it was served");
        return;
    }
    let connections = shared.metrics().connections.clone();
    connections.inc();
    let place = Place {
        _permit: permit,
        connections,
    };
    Arc::clone(shared).hold((stream, place), tls, staged).await;
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(UNREAD_MAX))
}

/// Returns when stopping has come so far.
async fn reached(staged: &mut watch::Receiver<Stage>, stage: Stage) {
    // An error means that the server was dropped, which is as far as stopping can come.
    drop(staged.wait_for(|now| *now >= stage).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOGETHER: usize = 500;
    const DEADLINE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn many_may_come_at_once_before_any_is_accepted() {
        let system = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let together = system.trim().parse::<usize>().unwrap().min(TOGETHER);
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while waiting.len() < together
            && let Ok(came) = timeout(DEADLINE, TcpStream::connect(address)).await
        {
            waiting.push(came.unwrap());
        }
        assert_eq!(waiting.len(), together);
    }
}
