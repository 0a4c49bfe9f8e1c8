//! Takes RTMP connections, plain or over TLS, at most so many in all and so many from one peer.
//!
//! A connection over a limit is closed at once and counted. Every task is owned by the listener's: when that ends, all
//! of them do.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsAcceptor;

use super::connection::{Arrival, Connection};
use crate::{
    ingest::{Admitted, Protocol},
    metrics::{Counted, Refusal},
    shared::{Shared, stopped},
};

/// Pause after a failed accept: the usual reason is that the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    admitted: Arc<Admitted>,
}

impl Listener {
    /// Binds at once, so that an address that is taken is known before anything else starts. Needs a runtime.
    pub(crate) fn bind(
        addr: SocketAddr,
        tls: Option<TlsAcceptor>,
        shared: Arc<Shared>,
        admitted: Arc<Admitted>,
    ) -> io::Result<Self> {
        let socket = std::net::TcpListener::bind(addr)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: TcpListener::from_std(socket)?,
            tls,
            shared,
            admitted,
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Takes connections until the origin stops, and then waits for them to end.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = self.socket.accept() => match accepted {
                    Ok((socket, peer)) => self.admit(socket, peer, &stop, &mut connections),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept an RTMP connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self.socket);
        while connections.join_next().await.is_some() {}
    }

    fn admit(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        stop: &watch::Receiver<bool>,
        connections: &mut JoinSet<()>,
    ) {
        let Some(admission) = self.admitted.admit(peer.ip()) else {
            self.shared.metrics.refused(Refusal::Connections);
            tracing::warn!(%peer, "too many RTMP connections: closed one");
            return;
        };
        let counted = Counted::new(&self.shared.metrics.connections);
        let arrival = Arrival {
            peer,
            protocol: match self.tls {
                Some(_) => Protocol::Rtmps,
                None => Protocol::Rtmp,
            },
            deadline: Instant::now() + self.shared.patience.before_publish,
        };
        let (shared, tls, stop) = (Arc::clone(&self.shared), self.tls.clone(), stop.clone());
        connections.spawn(async move {
            match tls {
                Some(tls) => serve_tls(&tls, socket, arrival, shared, stop).await,
                None => Connection::new(socket, arrival, shared).run(stop).await,
            }
            drop((admission, counted));
        });
    }
}

/// The handshake is part of the time that a peer has to publish.
async fn serve_tls(
    tls: &TlsAcceptor,
    socket: TcpStream,
    arrival: Arrival,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let shaken = tokio::select! {
        () = stopped(&mut stop) => return,
        shaken = timeout_at(arrival.deadline, tls.accept(socket)) => shaken,
    };
    let peer = arrival.peer;
    match shaken {
        Ok(Ok(socket)) => Box::pin(Connection::new(socket, arrival, shared).run(stop)).await,
        Ok(Err(error)) => {
            shared.metrics.refused(Refusal::Protocol);
            tracing::warn!(%peer, %error, "RTMPS peer turned away: no TLS");
        }
        Err(_) => {
            shared.metrics.refused(Refusal::Protocol);
            tracing::warn!(%peer, "RTMPS peer turned away: no TLS in time");
        }
    }
}
