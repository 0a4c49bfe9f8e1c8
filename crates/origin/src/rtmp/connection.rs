//! One RTMP connection, from its first byte to its last.
//!
//! 1. Until the peer asks to publish it may take [`crate::limits::BEFORE_PUBLISH_DEADLINE`] and send [`BEFORE_PUBLISH_BYTES_MAX`].
//!    A TLS handshake before it is part of that time.
//! 2. Its key is looked up, or the authoriser is asked. Whoever is not let in is refused in the protocol's words.
//! 3. Then its media goes to the packager, until it stops, falls silent, or sends what cannot be taken.
//!
//! A stream key is never logged; a peer is named by its address.

use std::{io, net::SocketAddr, sync::Arc};

use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::session::{Event, ProtocolError, RtmpSession, SapflowSession};
use crate::{
    ingest::{self, Denial, LetIn, Protocol, Publisher, Wish},
    limits::{BEFORE_PUBLISH_BYTES_MAX, LINGER, LINGER_BYTES_MAX, READ_BYTES, WRITE_TIMEOUT},
    metrics::{Counted, Refusal},
    packager::{PackError, Packager},
    shared::{Shared, stopped},
};

/// Why a connection ended.
#[derive(Debug, Error)]
#[non_exhaustive]
enum Closed {
    /// It said goodbye.
    #[error("the publisher finished")]
    Finished,
    /// It hung up without a word.
    #[error("the peer hung up")]
    HungUp,
    /// Its socket broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// It sent nothing for too long.
    #[error("nothing came for too long")]
    Idle,
    /// It does not read what is sent to it.
    #[error("a reply was not taken for {WRITE_TIMEOUT:?}")]
    NotReading,
    /// It did not ask to publish in time.
    #[error("no publish command in time")]
    TooSlow,
    /// It sent too much before asking to publish.
    #[error("no publish command within {BEFORE_PUBLISH_BYTES_MAX} bytes")]
    TooMuch,
    /// It does not speak RTMP.
    #[error("protocol error: {0}")]
    Protocol(#[from] ProtocolError),
    /// It may not publish.
    #[error("refused: {0}")]
    Denied(Denial),
    /// What it sends cannot be taken.
    #[error(transparent)]
    Media(#[from] Box<PackError>),
    /// The authoriser has taken back its word.
    #[error("the authoriser ended it: {0}")]
    Revoked(String),
    /// Another has its place.
    #[error("another encoder has taken over this channel")]
    Replaced,
    /// The origin stops.
    #[error("the server stops")]
    Stopping,
}

/// Who has come in, and until when it has to publish.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) peer: SocketAddr,
    pub(super) protocol: Protocol,
    pub(super) deadline: Instant,
}

pub(super) struct Connection<S> {
    socket: S,
    arrival: Arrival,
    shared: Arc<Shared>,
    session: Box<dyn RtmpSession>,
    buffer: Box<[u8]>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(socket: S, arrival: Arrival, shared: Arc<Shared>) -> Self {
        // The handshake's random bytes prove nothing; without a random source they are all the same.
        let session = Box::new(SapflowSession::new(getrandom::u64().unwrap_or_default()));
        Self {
            socket,
            arrival,
            shared,
            session,
            buffer: vec![0; READ_BYTES].into(),
        }
    }

    /// Serves the peer until either side has had enough.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let Arrival { peer, protocol, .. } = self.arrival;
        let admitted = tokio::select! {
            () = stopped(&mut stop) => Err(Closed::Stopping),
            admitted = self.until_published() => admitted,
        };
        let LetIn { claim, granted } = match admitted {
            Ok(admitted) => admitted,
            Err(why) => {
                self.count_refusal(&why);
                match why {
                    // Health checks and port scans do no more than this.
                    Closed::HungUp | Closed::Stopping => {
                        tracing::debug!(%peer, %why, "RTMP peer gone");
                    }
                    why => tracing::warn!(%peer, %protocol, %why, "RTMP peer turned away"),
                }
                return self.linger().await;
            }
        };
        let channel = claim.channel().id().clone();
        tracing::info!(%peer, %protocol, %channel, "publisher connected");
        let counted = Counted::new(&self.shared.metrics.publishers);
        let replacement = claim.replacement();
        let mut packager = Packager::new(claim, self.shared.metrics.parts.clone());
        let closed = tokio::select! {
            () = stopped(&mut stop) => Closed::Stopping,
            () = replacement.happened() => Closed::Replaced,
            reason = ingest::revoked(granted.as_ref()) => Closed::Revoked(reason),
            closed = self.publish(&mut packager) => closed,
        };
        packager.finish();
        drop(counted);
        match closed {
            Closed::Finished | Closed::HungUp | Closed::Stopping => {
                tracing::info!(%peer, %channel, why = %closed, "publisher gone");
            }
            Closed::Media(_) | Closed::Replaced | Closed::Revoked(_) => {
                tracing::warn!(%peer, %channel, why = %closed, "publisher let go");
                let told = match closed {
                    Closed::Revoked(reason) => reason,
                    why => why.to_string(),
                };
                self.session.dismiss(&told);
                // It is let go whether or not it hears why.
                self.flush().await.ok();
                self.linger().await;
            }
            why => tracing::warn!(%peer, %channel, %why, "publisher lost"),
        }
        if let Some(granted) = granted {
            granted.finish().await;
        }
    }

    /// Handshake and commands, up to the key.
    async fn until_published(&mut self) -> Result<LetIn, Closed> {
        let deadline = self.arrival.deadline;
        let mut received = 0_usize;
        loop {
            let bytes = timeout_at(deadline, self.read())
                .await
                .map_err(|_| Closed::TooSlow)??;
            received = received.saturating_add(bytes);
            if received > BEFORE_PUBLISH_BYTES_MAX {
                return Err(Closed::TooMuch);
            }
            let mut next = self.session.poll()?;
            while let Some(event) = next {
                if let Event::Publish(wish) = event {
                    return self.decide(*wish).await;
                }
                next = self.session.poll()?;
            }
            self.flush().await?;
        }
    }

    /// Lets the peer publish, or tells it why not.
    async fn decide(&mut self, wish: Wish) -> Result<LetIn, Closed> {
        let publisher = Publisher {
            protocol: self.arrival.protocol,
            connection: self.shared.next_connection(),
            peer: self.arrival.peer,
            wish,
        };
        let admitted = ingest::admit(&self.shared, publisher, self.arrival.deadline).await;
        match &admitted {
            Ok(_) => self.session.accept_publish(),
            Err(denial) => self.session.deny_publish(denial),
        }
        match (admitted, self.flush().await) {
            (Ok(admitted), Err(closed)) => {
                admitted.give_back().await;
                Err(closed)
            }
            (admitted, _) => admitted.map_err(Closed::Denied),
        }
    }

    /// The publisher's media, up to its end.
    async fn publish(&mut self, packager: &mut Packager) -> Closed {
        match self.publish_on(packager).await {
            Ok(never) => match never {},
            Err(closed) => closed,
        }
    }

    async fn publish_on(
        &mut self,
        packager: &mut Packager,
    ) -> Result<std::convert::Infallible, Closed> {
        loop {
            while let Some(event) = self.session.poll()? {
                if matches!(event, Event::Finished) {
                    return Err(Closed::Finished);
                }
                packager.handle(&event).map_err(Box::new)?;
            }
            self.flush().await?;
            timeout(self.shared.patience.idle, self.read())
                .await
                .map_err(|_| Closed::Idle)??;
        }
    }

    /// Reads once and feeds the session.
    async fn read(&mut self) -> Result<usize, Closed> {
        let bytes = self.socket.read(&mut self.buffer).await?;
        let read = self
            .buffer
            .get(..bytes)
            .filter(|read| !read.is_empty())
            .ok_or(Closed::HungUp)?;
        self.shared.metrics.rtmp_received.inc_by(bytes as u64);
        self.session.feed(read)?;
        Ok(bytes)
    }

    async fn flush(&mut self) -> Result<(), Closed> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(());
        }
        timeout(WRITE_TIMEOUT, self.socket.write_all(&output))
            .await
            .map_err(|_| Closed::NotReading)??;
        Ok(())
    }

    fn count_refusal(&self, why: &Closed) {
        let reason = match why {
            Closed::Denied(denial) => denial.counted(),
            Closed::Stopping => return,
            _ => Refusal::Protocol,
        };
        self.shared.metrics.refused(reason);
    }

    /// Closes so that the peer can read what was said last: to close a socket with unread bytes in it resets the
    /// connection, and a reset discards what is on the way.
    async fn linger(mut self) {
        let drain = async {
            self.socket.shutdown().await?;
            let mut left = LINGER_BYTES_MAX;
            while left > 0 {
                match self.socket.read(&mut self.buffer).await? {
                    0 => break,
                    bytes => left = left.saturating_sub(bytes),
                }
            }
            io::Result::Ok(())
        };
        // Whatever comes of it, the connection is over.
        timeout(LINGER, drain).await.ok();
    }
}
