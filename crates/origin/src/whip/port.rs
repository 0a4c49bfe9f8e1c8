//! The UDP port: one task reads it, and gives each datagram to its session's task or drops it.
//!
//! What comes from an address that no session knows has to name a session's ICE user fragment, and that session then sees
//! whether it is its publisher's. A task that does not take its datagrams in time loses some, as on any network.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    net::UdpSocket,
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{
    Endpoint, WhipConfig,
    peer::{Ground, ufrag_asked},
    session::Session,
    sessions::Sessions,
};
use crate::{
    ingest::Admitted,
    limits::{WHIP_DATAGRAM_BYTES_MAX, WHIP_DATAGRAMS_AT_ONCE, WHIP_SESSIONS_MAX},
    shared::{Shared, stopped},
};

#[derive(Debug)]
pub(crate) struct Port {
    socket: Arc<UdpSocket>,
    shared: Arc<Shared>,
    sessions: Arc<Sessions>,
    begun: mpsc::Receiver<Box<Session>>,
}

impl Port {
    /// Binds at once, so that an address that is taken is known before anything else starts. Needs a runtime.
    pub(crate) fn bind(
        config: &WhipConfig,
        shared: Arc<Shared>,
        admitted: Arc<Admitted>,
    ) -> io::Result<(Self, Endpoint)> {
        let socket = std::net::UdpSocket::bind(config.listen)?;
        socket.set_nonblocking(true)?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        let ground = Ground::new(&config.addresses, socket.local_addr()?)
            .ok_or_else(|| io::Error::other("no certificate could be made"))?;
        let sessions = Arc::new(Sessions::default());
        let (sender, begun) = mpsc::channel(WHIP_SESSIONS_MAX);
        let endpoint = Endpoint {
            shared: Arc::clone(&shared),
            admitted,
            ground,
            sessions: Arc::clone(&sessions),
            keyframe_interval: config.keyframe_interval,
            begun: sender,
        };
        let port = Self {
            socket,
            shared,
            sessions,
            begun,
        };
        Ok((port, endpoint))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Takes sessions and their datagrams until the origin stops, and then waits for the sessions to end.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut buffer = vec![0; WHIP_DATAGRAM_BYTES_MAX].into_boxed_slice();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                Some(session) = self.begun.recv() => {
                    tasks.spawn(session.run(Arc::clone(&self.socket), stop.clone()));
                }
                readable = self.socket.readable() => match readable {
                    Ok(()) => self.read(&mut buffer),
                    Err(error) => tracing::warn!(%error, "cannot read the WHIP port"),
                },
            }
        }
        // Sessions that were let in at this very moment are given back by being dropped.
        drop(self.begun);
        while tasks.join_next().await.is_some() {}
    }

    /// What has come, up to so many datagrams, so that nobody else is kept waiting.
    fn read(&self, buffer: &mut [u8]) {
        for _ in 0..WHIP_DATAGRAMS_AT_ONCE {
            let Ok((bytes, from)) = self.socket.try_recv_from(buffer) else {
                // Nothing more, or the answer to a peer that is gone came back: neither is of interest.
                return;
            };
            self.shared.metrics.whip.received.inc_by(bytes as u64);
            let datagram = buffer.get(..bytes).unwrap_or_default();
            let session = self
                .sessions
                .by_address(from)
                .or_else(|| self.sessions.by_ufrag(&ufrag_asked(datagram)?));
            let taken = session.map(|session| session.try_send((from, datagram.to_vec())));
            if matches!(taken, Some(Err(mpsc::error::TrySendError::Full(_)))) {
                self.shared.metrics.whip.given_up.inc();
            }
        }
    }
}
