//! One SRT caller, from its call to its end.

use std::{net::SocketAddr, sync::Arc};

use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout},
};

use super::{port::Command, protocol::CallerId};
use crate::{
    ingest::{self, Denial, LetIn, Protocol, Publisher, Wish},
    limits::SRT_QUEUE_PACKETS,
    metrics::{Counted, Refusal},
    packager::{PackError, Packager},
    shared::{Shared, stopped},
};

/// Too many connections: the number that SRT's access control guidelines give it.
pub(super) const OVERLOAD: u16 = 402;

/// Why a publisher ended.
#[derive(Debug, Error)]
enum Closed {
    /// It hung up, or was not heard of for too long.
    #[error("the publisher is gone")]
    Gone,
    /// It is there, and sends nothing.
    #[error("nothing came for too long")]
    Idle,
    /// What it sends cannot be taken.
    #[error(transparent)]
    Media(Box<PackError>),
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

#[derive(Debug)]
pub(super) struct Caller {
    pub(super) id: CallerId,
    pub(super) peer: SocketAddr,
    pub(super) wish: Wish,
    pub(super) shared: Arc<Shared>,
    pub(super) port: mpsc::Sender<Command>,
}

impl Caller {
    /// Serves it until either side has had enough.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let (id, peer) = (self.id, self.peer);
        let publisher = Publisher {
            protocol: Protocol::Srt,
            connection: self.shared.next_connection(),
            peer,
            wish: self.wish,
        };
        let deadline = Instant::now() + self.shared.patience.before_publish;
        let decided = tokio::select! {
            () = stopped(&mut stop) => return,
            decided = ingest::admit(&self.shared, publisher, deadline) => decided,
        };
        let let_in = match decided {
            Ok(let_in) => let_in,
            Err(denial) => {
                self.shared.metrics.refused(denial.counted());
                tracing::warn!(%peer, why = %denial, "SRT caller turned away");
                let http_status = status_of(&denial);
                // The port is gone only when the origin stops.
                self.port
                    .send(Command::Reject { id, http_status })
                    .await
                    .ok();
                return;
            }
        };
        let Some(media) = accept(&self.port, id).await else {
            self.shared.metrics.refused(Refusal::Protocol);
            tracing::warn!(%peer, "SRT caller turned away: no or another passphrase, or it has gone");
            return let_in.give_back().await;
        };
        publish(&self.shared, let_in, peer, media, stop).await;
        self.port.send(Command::Close { id }).await.ok();
    }
}

/// Lets the caller in; its media from now on.
async fn accept(port: &mpsc::Sender<Command>, id: CallerId) -> Option<mpsc::Receiver<Vec<u8>>> {
    let (sender, media) = mpsc::channel(SRT_QUEUE_PACKETS);
    let (accepted, answer) = oneshot::channel();
    let command = Command::Accept {
        id,
        media: sender,
        accepted,
    };
    port.send(command).await.ok()?;
    answer.await.ok()?.then_some(media)
}

async fn publish(
    shared: &Shared,
    let_in: LetIn,
    peer: SocketAddr,
    media: mpsc::Receiver<Vec<u8>>,
    mut stop: watch::Receiver<bool>,
) {
    let LetIn { claim, granted } = let_in;
    let channel = claim.channel().id().clone();
    tracing::info!(%peer, protocol = %Protocol::Srt, %channel, "publisher connected");
    let counted = Counted::new(&shared.metrics.publishers);
    let replacement = claim.replacement();
    let mut packager = Packager::transport(claim, shared.metrics.parts.clone());
    let closed = tokio::select! {
        () = stopped(&mut stop) => Closed::Stopping,
        () = replacement.happened() => Closed::Replaced,
        reason = ingest::revoked(granted.as_ref()) => Closed::Revoked(reason),
        closed = feed(shared, media, &mut packager) => closed,
    };
    let losses = packager.losses();
    packager.finish();
    drop(counted);
    match closed {
        Closed::Gone | Closed::Stopping => {
            tracing::info!(%peer, %channel, why = %closed, gaps = losses.gaps, "publisher gone");
        }
        Closed::Media(_) | Closed::Revoked(_) => {
            tracing::warn!(%peer, %channel, why = %closed, gaps = losses.gaps, "publisher let go");
        }
        why => tracing::warn!(%peer, %channel, %why, gaps = losses.gaps, "publisher lost"),
    }
    if let Some(granted) = granted {
        granted.finish().await;
    }
}

async fn feed(
    shared: &Shared,
    mut media: mpsc::Receiver<Vec<u8>>,
    packager: &mut Packager,
) -> Closed {
    loop {
        match timeout(shared.patience.idle, media.recv()).await {
            Err(_) => return Closed::Idle,
            Ok(None) => return Closed::Gone,
            Ok(Some(payload)) => {
                if let Err(why) = packager.handle_transport(&payload) {
                    return Closed::Media(Box::new(why));
                }
            }
        }
    }
}

/// The code by SRT's access control guidelines: that of HTTP.
fn status_of(denial: &Denial) -> u16 {
    match denial {
        Denial::UnknownKey => 401,
        Denial::Refused { .. } => 403,
        Denial::UnknownChannel => 404,
        Denial::Busy => 409,
        Denial::Unasked { .. } => 503,
    }
}
