//! The one HTTP port: plain HTTP/1.1 with upgrades.
//!
//! Every connection is a task around hyper's own connection over a bare TCP stream, so that the gateway can take an
//! upgraded socket out of it whole. A stranger can hold a connection for as long as the header wait, with as many bytes
//! as the header limit, and no longer: a peer that stops reading is cut by the kernel after half a minute. A permit is
//! taken before a connection is accepted: what is beyond the maximum waits in the kernel's queue.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{config::plan::Http, telemetry::HttpMetrics};

/// Longest time for which a peer may leave what we sent unread or unacknowledged.
const UNREAD_MAX: Duration = Duration::from_secs(30);

/// Pause after a failed accept: descriptors come back when connections end, not by asking again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Least buffer per connection: answers are written in pieces of this size even when headers are kept small.
const BUFFER_BYTES_MIN: usize = 64 * 1024;

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

/// A listening HTTP server. Dropping it cuts everything.
#[derive(Debug)]
pub struct HttpServer {
    stage: watch::Sender<Stage>,
    accepting: JoinHandle<()>,
    permits: Arc<Semaphore>,
    connections_max: u32,
}

/// What each connection gets.
struct Shared {
    router: Router,
    protocol: http1::Builder,
    metrics: HttpMetrics,
}

impl HttpServer {
    /// Serves the router on a bound socket.
    #[must_use]
    pub fn start(listener: TcpListener, plan: &Http, router: Router, metrics: HttpMetrics) -> Self {
        let (stage, staged) = watch::channel(Stage::Open);
        let permits = Arc::new(Semaphore::new(plan.connections_max));
        let mut protocol = http1::Builder::new();
        protocol
            .timer(TokioTimer::new())
            .header_read_timeout(plan.header_wait)
            .max_header_size(plan.header_bytes_max)
            .max_buf_size(plan.header_bytes_max.max(BUFFER_BYTES_MIN));
        let shared = Arc::new(Shared {
            router,
            protocol,
            metrics,
        });
        let accepting = tokio::spawn(accept(listener, shared, Arc::clone(&permits), staged));
        let connections_max = u32::try_from(plan.connections_max).unwrap_or(u32::MAX);
        Self {
            stage,
            accepting,
            permits,
            connections_max,
        }
    }

    /// Takes no new request, waits until the answers under way are finished, and cuts what is not by the deadline.
    pub async fn stop(self, deadline: Duration) {
        // Nobody listens when no connection is open and accepting has ended.
        let _ = self.stage.send(Stage::Draining);
        let all_ended = self.permits.acquire_many(self.connections_max);
        if timeout(deadline, all_ended).await.is_err() {
            tracing::info!("cutting HTTP connections that did not end by themselves");
        }
        let _ = self.stage.send(Stage::Closed);
        self.accepting.abort();
    }
}

/// Binds the port.
///
/// # Errors
///
/// What the system says.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
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
                shared.metrics.accepted.inc();
                tokio::spawn(serve(stream, Arc::clone(&shared), permit, staged.clone()));
            }
            Some((Err(error), _)) => {
                shared.metrics.accept_failures.inc();
                tracing::warn!(%error, "no connection could be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
            None => return,
        }
    }
}

/// One connection, until it ends or is upgraded.
async fn serve(
    stream: TcpStream,
    shared: Arc<Shared>,
    permit: OwnedSemaphorePermit,
    mut staged: watch::Receiver<Stage>,
) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%error, "a new connection was gone before it was served");
        return;
    }
    shared.metrics.connections.inc();
    let service = TowerToHyperService::new(shared.router.clone());
    let connection = shared
        .protocol
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = reached(&mut staged, Stage::Draining) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => Some(ended),
                () = reached(&mut staged, Stage::Closed) => None,
            }
        }
    };
    if let Some(Err(error)) = ended {
        // Strangers end connections in every way there is: nothing here needs an operator.
        tracing::debug!(%error, "an HTTP connection ended with an error");
    }
    shared.metrics.connections.dec();
    drop(permit);
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
