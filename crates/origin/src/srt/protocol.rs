//! The protocol's machine, without its socket.
//!
//! It is a library's; [`SrtProtocol`] is the whole of what the origin asks of it, so that another can take its place. An
//! implementation faces the internet: it must never panic, nor keep anything of a peer whose address is not proven.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use sapflow_srt::{
    Config, ConnId, Event as LibraryEvent, Listener, RejectCode,
    crypto::{CryptoConfig, KeySize},
};

use super::SrtConfig;
use crate::limits::{
    BEFORE_PUBLISH_DEADLINE, SRT_BUFFER_PACKETS, SRT_CONNECTIONS_MAX, SRT_HANDSHAKES_PER_SECOND,
    SRT_PEER_IDLE,
};

/// One caller.
pub(super) type CallerId = u32;

/// What callers did.
#[derive(Debug)]
pub(super) enum Event {
    /// It wants to come in: accept or reject it.
    Call {
        id: CallerId,
        peer: SocketAddr,
        stream_id: Vec<u8>,
    },
    /// It sent this, in order.
    Data { id: CallerId, payload: Vec<u8> },
    /// It is gone, or nobody answered it in time.
    Gone { id: CallerId, lost: Lost },
}

/// Packets of one caller that were missing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lost {
    /// Found missing, and asked for again.
    pub(super) missing: u64,
    /// Of those, never heard of again in time.
    pub(super) given_up: u64,
}

/// All callers of one port. After each `handle_*` and each answer, events and datagrams are drained.
pub(super) trait SrtProtocol: Send {
    fn handle_datagram(&mut self, now: Instant, peer: SocketAddr, datagram: &[u8]);

    fn handle_timeout(&mut self, now: Instant);

    /// When to let time pass; `None` without callers.
    fn poll_timeout(&self) -> Option<Instant>;

    fn poll_event(&mut self) -> Option<Event>;

    /// The next datagram to send.
    fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)>;

    /// Lets a caller in. `false` when it is gone, or does not have the passphrase and has been told so.
    fn accept(&mut self, id: CallerId, now: Instant) -> bool;

    /// Turns a caller away with a code that means what HTTP's means.
    fn reject(&mut self, id: CallerId, http_status: u16);

    /// Hangs up.
    fn close(&mut self, id: CallerId, now: Instant);
}

/// The machine of the library `sapflow-srt`.
pub(super) struct Sapflow(Listener);

impl Sapflow {
    /// `None` when the passphrase is none that SRT can use.
    pub(super) fn new(config: &SrtConfig, now: Instant) -> Option<Self> {
        let crypto = match &config.passphrase {
            Some(secret) => {
                let bytes = secret.expose().as_bytes().to_vec();
                Some(CryptoConfig::new(bytes, KeySize::Aes128).ok()?)
            }
            None => None,
        };
        let config = Config {
            latency: config.latency,
            max_connections: SRT_CONNECTIONS_MAX,
            handshakes_per_second: SRT_HANDSHAKES_PER_SECOND,
            buffer_packets: SRT_BUFFER_PACKETS,
            peer_idle: SRT_PEER_IDLE,
            // Whoever decides has a deadline of its own, which comes first.
            accept_timeout: BEFORE_PUBLISH_DEADLINE + Duration::from_secs(1),
            require_encryption: crypto.is_some(),
            crypto,
            allow_plaintext: false,
        };
        Some(Self(Listener::new(config, now)))
    }
}

impl SrtProtocol for Sapflow {
    fn handle_datagram(&mut self, now: Instant, peer: SocketAddr, datagram: &[u8]) {
        self.0.handle_datagram(now, peer, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn poll_event(&mut self) -> Option<Event> {
        Some(match self.0.poll_event()? {
            LibraryEvent::Connect {
                id,
                peer,
                stream_id,
            } => Event::Call {
                id: id.0,
                peer,
                stream_id,
            },
            LibraryEvent::Data { id, payload } => Event::Data { id: id.0, payload },
            LibraryEvent::Closed { id, stats, .. } => Event::Gone {
                id: id.0,
                lost: Lost {
                    missing: stats.lost,
                    given_up: stats.dropped,
                },
            },
        })
    }

    fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.0.poll_transmit()
    }

    fn accept(&mut self, id: CallerId, now: Instant) -> bool {
        self.0.accept(ConnId(id), now)
    }

    fn reject(&mut self, id: CallerId, http_status: u16) {
        self.0.reject(ConnId(id), RejectCode::http(http_status));
    }

    fn close(&mut self, id: CallerId, now: Instant) {
        self.0.close(ConnId(id), now);
    }
}
