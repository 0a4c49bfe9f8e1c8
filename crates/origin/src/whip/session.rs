//! One WHIP session, from its answer to its end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use fanwave_media::{TrackKind, rtp::Offered};
use thiserror::Error;
use tokio::{
    net::UdpSocket,
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{
    keyframes::Asker,
    peer::{Output, Peer},
    sessions::{Datagram, Place},
};
use crate::{
    ingest::{self, Admission, LetIn, Protocol},
    limits::WHIP_DATAGRAMS_AT_ONCE,
    metrics::Counted,
    packager::{PackError, Packager},
    shared::{Shared, stopped},
};

/// Why a session ended.
#[derive(Debug, Error)]
enum Closed {
    /// By DELETE.
    #[error("the publisher has ended it")]
    Ended,
    /// It hung up, or was not heard of for too long.
    #[error("the publisher is gone")]
    Gone,
    /// It is there, or never came, and sends nothing.
    #[error("no media came for too long")]
    Idle,
    /// What it sends cannot be taken.
    #[error(transparent)]
    Media(Box<PackError>),
    /// Its WebRTC is broken.
    #[error("its WebRTC is broken: {0}")]
    Broken(String),
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

/// A session that was answered.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) let_in: LetIn,
    pub(super) admission: Admission,
    pub(super) line: Line,
    pub(super) keyframe_interval: Duration,
    /// Where its offer came from.
    pub(super) from: SocketAddr,
}

/// Its WebRTC.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) place: Place,
    /// Rung by DELETE.
    pub(super) end: Arc<Notify>,
    pub(super) datagrams: mpsc::Receiver<Datagram>,
    pub(super) peer: Peer,
    pub(super) offered: Offered,
}

/// What is left of a session while it is on the air.
struct OnAir {
    peer: Peer,
    place: Place,
    packager: Packager,
    asker: Asker,
    has_video: bool,
    began: Instant,
    /// When the newest frame came.
    heard: Instant,
    lost: u64,
    shared: Arc<Shared>,
    socket: Arc<UdpSocket>,
}

impl Session {
    /// Serves it until either side has had enough.
    pub(super) async fn run(
        self: Box<Self>,
        socket: Arc<UdpSocket>,
        mut stop: watch::Receiver<bool>,
    ) {
        let Self {
            shared,
            let_in: LetIn { claim, granted },
            admission,
            line,
            keyframe_interval,
            from,
        } = *self;
        let Line {
            place,
            end,
            mut datagrams,
            peer,
            offered,
        } = line;
        let channel = claim.channel().id().clone();
        tracing::info!(peer = %from, protocol = %Protocol::Whip, %channel, "publisher connected");
        let counted = (
            Counted::new(&shared.metrics.publishers),
            Counted::new(&shared.metrics.whip.sessions),
        );
        let replacement = claim.replacement();
        let now = Instant::now();
        let mut on_air = OnAir {
            peer,
            place,
            packager: Packager::realtime(claim, shared.metrics.parts.clone(), offered),
            asker: Asker::new(keyframe_interval, now),
            has_video: offered.video,
            began: now,
            heard: now,
            lost: 0,
            shared: Arc::clone(&shared),
            socket,
        };
        let closed = tokio::select! {
            () = stopped(&mut stop) => Closed::Stopping,
            () = end.notified() => Closed::Ended,
            () = replacement.happened() => Closed::Replaced,
            reason = ingest::revoked(granted.as_ref()) => Closed::Revoked(reason),
            closed = on_air.feed(&mut datagrams) => closed,
        };
        let lost = on_air.lost;
        on_air.hang_up().await;
        drop((counted, admission));
        match closed {
            Closed::Ended | Closed::Gone | Closed::Stopping => {
                tracing::info!(peer = %from, %channel, why = %closed, lost, "publisher gone");
            }
            Closed::Media(_) | Closed::Revoked(_) | Closed::Broken(_) => {
                tracing::warn!(peer = %from, %channel, why = %closed, lost, "publisher let go");
            }
            why => tracing::warn!(peer = %from, %channel, %why, lost, "publisher lost"),
        }
        if let Some(granted) = granted {
            granted.finish().await;
        }
    }
}

impl OnAir {
    async fn feed(&mut self, datagrams: &mut mpsc::Receiver<Datagram>) -> Closed {
        loop {
            let due = match self.drain().await {
                Ok(due) => due,
                Err(closed) => return closed,
            };
            let now = Instant::now();
            let idle = self.heard + self.shared.patience.idle;
            if now >= idle {
                return Closed::Idle;
            }
            if self.has_video && now >= self.asker.due() {
                self.asker.ask(now);
                self.peer.ask_for_keyframe();
                continue;
            }
            let mut wake = due.min(idle);
            if self.has_video {
                wake = wake.min(self.asker.due());
            }
            let handled = tokio::select! {
                () = sleep_until(wake) => self.peer.handle_timeout(Instant::now().into_std()),
                datagram = datagrams.recv() => match datagram {
                    Some(first) => self.take(first, datagrams),
                    None => return Closed::Gone,
                },
            };
            if let Err(error) = handled {
                return Closed::Broken(error.to_string());
            }
        }
    }

    /// Takes what has come, up to so many datagrams before anything is done about them.
    fn take(
        &mut self,
        first: Datagram,
        datagrams: &mut mpsc::Receiver<Datagram>,
    ) -> Result<(), str0m::RtcError> {
        let mut next = Some(first);
        for _ in 0..WHIP_DATAGRAMS_AT_ONCE {
            let Some((from, datagram)) = next.take() else {
                break;
            };
            let now = Instant::now().into_std();
            if self.peer.handle_datagram(now, from, &datagram)? {
                self.place.learn(from);
            }
            next = datagrams.try_recv().ok();
        }
        Ok(())
    }

    /// Does what there is to do; when to look again.
    async fn drain(&mut self) -> Result<Instant, Closed> {
        loop {
            let output = self.peer.poll();
            let output = output.map_err(|error| Closed::Broken(error.to_string()))?;
            let taken = match output {
                Output::Wait(at) => return Ok(at.into()),
                Output::Gone => return Err(Closed::Gone),
                Output::Send { to, datagram } => {
                    // What cannot be sent is lost, as on any network.
                    self.socket.send_to(&datagram, to).await.ok();
                    Ok(())
                }
                Output::Report(kind, report) => self.packager.handle_report(kind, report),
                Output::Frame(frame) => {
                    let now = Instant::now();
                    self.heard = now;
                    if frame.kind == TrackKind::Video {
                        self.asker.saw(now, frame.is_keyframe, frame.follows);
                        if !frame.follows {
                            self.lost += 1;
                            self.shared.metrics.whip.losses.inc();
                        }
                    }
                    let at = now.saturating_duration_since(self.began).as_millis();
                    let at_ms = u64::try_from(at).unwrap_or(u64::MAX);
                    self.packager
                        .handle_frame(at_ms, frame.kind, frame.rtp, frame.data)
                }
            };
            taken.map_err(|why| Closed::Media(Box::new(why)))?;
        }
    }

    /// Tells the publisher that it is over, as far as one datagram goes, and makes parts of what it has sent.
    async fn hang_up(mut self) {
        self.packager.finish();
        self.peer.close();
        while let Ok(Output::Send { to, datagram }) = self.peer.poll() {
            self.socket.send_to(&datagram, to).await.ok();
        }
    }
}
