//! The UDP port: datagrams to the protocol's machine and back, payloads to the publishers' tasks.
//!
//! One task owns the socket and the machine and never waits for a publisher: whoever does not take its media in time loses
//! some of it. Publishers answer through one bounded channel.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Instant};

use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use super::{
    SrtConfig,
    protocol::{CallerId, Event, Lost, Sapflow, SrtProtocol},
    publisher::{self, Caller},
    stream_id,
};
use crate::{
    ingest::Admitted,
    limits::{SRT_COMMANDS_MAX, SRT_DATAGRAM_BYTES_MAX, SRT_DATAGRAMS_AT_ONCE},
    metrics::{Counted, Refusal},
    shared::{Shared, stopped},
};

/// What a publisher's task asks of the port.
#[derive(Debug)]
pub(super) enum Command {
    /// Let the caller in; `accepted` is told whether that could be done.
    Accept {
        id: CallerId,
        media: mpsc::Sender<Vec<u8>>,
        accepted: oneshot::Sender<bool>,
    },
    /// Turn it away.
    Reject { id: CallerId, http_status: u16 },
    /// Hang up.
    Close { id: CallerId },
}

pub(crate) struct Port {
    socket: UdpSocket,
    protocol: Box<dyn SrtProtocol>,
    shared: Arc<Shared>,
    admitted: Arc<Admitted>,
    /// Where each publisher's media goes.
    media: BTreeMap<CallerId, mpsc::Sender<Vec<u8>>>,
    commands: mpsc::Receiver<Command>,
    /// For the tasks.
    sender: mpsc::Sender<Command>,
    publishers: JoinSet<()>,
}

impl Port {
    /// Binds at once, so that an address that is taken is known before anything else starts. Needs a runtime.
    pub(crate) fn bind(
        config: &SrtConfig,
        shared: Arc<Shared>,
        admitted: Arc<Admitted>,
    ) -> io::Result<Self> {
        let protocol = Sapflow::new(config, Instant::now())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the passphrase is none"))?;
        let socket = std::net::UdpSocket::bind(config.listen)?;
        socket.set_nonblocking(true)?;
        let (sender, commands) = mpsc::channel(SRT_COMMANDS_MAX);
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            protocol: Box::new(protocol),
            shared,
            admitted,
            media: BTreeMap::new(),
            commands,
            sender,
            publishers: JoinSet::new(),
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Takes callers until the origin stops, and then waits for them to end.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut datagram = vec![0; SRT_DATAGRAM_BYTES_MAX].into_boxed_slice();
        loop {
            let due = self.protocol.poll_timeout();
            let timer = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(_) = self.publishers.join_next(), if !self.publishers.is_empty() => {}
                Some(command) = self.commands.recv() => self.obey(command),
                readable = self.socket.readable() => match readable {
                    Ok(()) => self.read(&mut datagram),
                    Err(error) => tracing::warn!(%error, "cannot read the SRT port"),
                },
                () = timer => {}
            }
            self.protocol.handle_timeout(Instant::now());
            self.drain(&stop).await;
        }
        for id in std::mem::take(&mut self.media).into_keys() {
            self.protocol.close(id, Instant::now());
        }
        self.transmit().await;
        drop((self.commands, self.socket));
        while self.publishers.join_next().await.is_some() {}
    }

    /// What has come, up to so many datagrams, so that nobody else is kept waiting.
    fn read(&mut self, datagram: &mut [u8]) {
        for _ in 0..SRT_DATAGRAMS_AT_ONCE {
            match self.socket.try_recv_from(datagram) {
                Ok((bytes, peer)) => {
                    let read = datagram.get(..bytes).unwrap_or_default();
                    self.shared.metrics.srt_received.inc_by(bytes as u64);
                    self.protocol.handle_datagram(Instant::now(), peer, read);
                }
                // Nothing more, or the answer to a peer that is gone came back: neither is of interest.
                Err(_) => return,
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Accept {
                id,
                media,
                accepted,
            } => {
                let is_in = self.protocol.accept(id, now);
                if is_in {
                    self.media.insert(id, media);
                }
                // A publisher that has gone meanwhile hangs up by itself.
                accepted.send(is_in).ok();
            }
            Command::Reject { id, http_status } => self.protocol.reject(id, http_status),
            Command::Close { id } => {
                self.media.remove(&id);
                self.protocol.close(id, now);
            }
        }
    }

    async fn drain(&mut self, stop: &watch::Receiver<bool>) {
        while let Some(event) = self.protocol.poll_event() {
            match event {
                Event::Call {
                    id,
                    peer,
                    stream_id,
                } => self.call(id, peer, &stream_id, stop),
                Event::Data { id, payload } => {
                    let taken = self.media.get(&id).map(|media| media.try_send(payload));
                    if matches!(taken, Some(Err(mpsc::error::TrySendError::Full(_)))) {
                        self.shared.metrics.srt_given_up.inc();
                    }
                }
                Event::Gone { id, lost } => {
                    self.media.remove(&id);
                    self.count(lost);
                }
            }
        }
        self.transmit().await;
    }

    async fn transmit(&mut self) {
        while let Some((peer, datagram)) = self.protocol.poll_transmit() {
            // What cannot be sent is asked for again.
            self.socket.send_to(&datagram, peer).await.ok();
        }
    }

    fn count(&self, lost: Lost) {
        let metrics = &self.shared.metrics;
        metrics.srt_missing.inc_by(lost.missing);
        metrics.srt_given_up.inc_by(lost.given_up);
    }

    /// Starts the task that decides about a caller.
    fn call(
        &mut self,
        id: CallerId,
        peer: SocketAddr,
        stream_id: &[u8],
        stop: &watch::Receiver<bool>,
    ) {
        let wish = match stream_id::read(stream_id) {
            Ok(wish) => wish,
            Err(why) => {
                self.shared.metrics.refused(Refusal::Protocol);
                tracing::warn!(%peer, %why, "SRT caller turned away");
                return self.protocol.reject(id, why.http_status());
            }
        };
        let Some(place) = self.admitted.admit(peer.ip()) else {
            self.shared.metrics.refused(Refusal::Connections);
            tracing::warn!(%peer, "too many connections: turned an SRT caller away");
            return self.protocol.reject(id, publisher::OVERLOAD);
        };
        let counted = Counted::new(&self.shared.metrics.srt_connections);
        let caller = Caller {
            id,
            peer,
            wish,
            shared: Arc::clone(&self.shared),
            port: self.sender.clone(),
        };
        let stop = stop.clone();
        self.publishers.spawn(async move {
            caller.run(stop).await;
            drop((place, counted));
        });
    }
}
