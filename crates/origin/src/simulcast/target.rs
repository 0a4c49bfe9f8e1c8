//! One platform as everybody sees it: what waits for it, and how the push to it goes.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fanwave_media::{Sample, TrackId};
use fanwave_wire::UnixMillis;
use thiserror::Error;
use tokio::sync::Notify;

use super::{
    config::SimulcastConfig,
    outbox::{Next, Outbox, Stretch},
};
use crate::{clock::Clock, limits::SIMULCAST_STALL};

/// How a push to a platform goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushStatus {
    /// What the platform is called.
    pub name: Arc<str>,
    /// Where it is: the host alone, for a path may hold a secret.
    pub host: Arc<str>,
    /// How far the push is.
    pub state: PushState,
    /// Since when it has been there.
    pub since: UnixMillis,
    /// When it is tried again, while it waits for that.
    pub retry_at: Option<UnixMillis>,
    /// Bytes sent to the platform since the server began.
    pub sent_bytes: u64,
    /// Pictures that were given up since then because the platform took too little.
    pub dropped_pictures: u64,
    /// Pushes that were begun since then because one before had failed.
    pub reconnects: u64,
    /// What is wrong, if anything is; also while it is tried again.
    pub trouble: Option<PushTrouble>,
}

/// How far a push is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PushState {
    /// Nothing is on the air.
    Waiting,
    /// The platform is being asked.
    Connecting,
    /// The platform takes the show.
    Live,
    /// It does not.
    Failed,
}

impl PushState {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Waiting, Self::Connecting, Self::Live, Self::Failed];

    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for PushState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What can be wrong with a push, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PushTrouble {
    /// There is no such host, or it cannot be connected to.
    #[error(
        "the platform cannot be reached: check the address, and whether this server may connect to it"
    )]
    Unreachable,
    /// Its certificate is not believed, or it speaks no TLS.
    #[error(
        "TLS with the platform failed: check the address, and tls_authorities if its certificate is not a public one"
    )]
    Tls,
    /// It does not let us publish.
    #[error(
        "refused by the platform: check the stream key, and whether the platform waits for a stream"
    )]
    Refused,
    /// It says nothing.
    #[error("the platform does not answer")]
    Silent,
    /// It says something else than RTMP.
    #[error("what is there does not speak RTMP: check the address")]
    Protocol,
    /// It takes less than is sent, down to nothing.
    #[error("the platform took nothing for {SIMULCAST_STALL:?}")]
    Stalled,
    /// It ended what it had taken.
    #[error("the platform ended the stream: check there whether another encoder uses the key")]
    Ended,
    /// The connection broke.
    #[error("the connection to the platform broke")]
    Broken,
    /// The show's pictures are none that platforms take.
    #[error("this platform is sent H.264 and AAC only: set the encoder to these")]
    Codec,
    /// The show's sound is none that platforms take; its pictures are sent.
    #[error(
        "this platform is sent pictures alone: it takes AAC only, and the show's sound is Opus"
    )]
    SoundCodec,
}

/// One platform: what is configured, what waits, and how it goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) config: SimulcastConfig,
    clock: Clock,
    outbox: Mutex<Outbox>,
    told: Mutex<Told>,
    wake: Notify,
}

#[derive(Debug)]
struct Told {
    state: PushState,
    since: UnixMillis,
    retry_at: Option<UnixMillis>,
    sent_bytes: u64,
    reconnects: u64,
    trouble: Option<PushTrouble>,
}

impl Target {
    pub(super) fn new(config: SimulcastConfig, clock: Clock) -> Self {
        let told = Told {
            state: PushState::Waiting,
            since: wall(clock),
            retry_at: None,
            sent_bytes: 0,
            reconnects: 0,
            trouble: None,
        };
        Self {
            config,
            clock,
            outbox: Mutex::new(Outbox::new()),
            told: Mutex::new(told),
            wake: Notify::new(),
        }
    }

    /// How it goes.
    pub(super) fn status(&self) -> PushStatus {
        let dropped_pictures = self.outbox().dropped();
        let told = self.told();
        PushStatus {
            name: Arc::clone(&self.config.name),
            host: Arc::clone(self.config.address.host()),
            state: told.state,
            since: told.since,
            retry_at: told.retry_at,
            sent_bytes: told.sent_bytes,
            dropped_pictures,
            reconnects: told.reconnects,
            trouble: told.trouble,
        }
    }

    /// Takes a sample of what is shown. Called by the publisher's task: it is never waited for.
    pub(super) fn handle_sample(&self, stretch: &Arc<Stretch>, track: TrackId, sample: &Sample) {
        let now = self.clock.now().0;
        let is_news = self.outbox().handle_sample(now, stretch, track, sample);
        if is_news {
            self.wake.notify_one();
        }
    }

    /// Returns when there may be more to send, or the show is of other codecs.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its push does next; `is_ending` once nothing more will come.
    pub(super) fn next(&self, is_ending: bool) -> Next {
        self.outbox().poll(is_ending)
    }

    /// Nothing is on the air: what was wrong is over with the show.
    pub(super) fn rest(&self) {
        self.outbox().open();
        self.tell(PushState::Waiting, None, None);
    }

    /// The platform is being asked; what was wrong before is told until it takes the show.
    pub(super) fn connect(&self) {
        let trouble = self.told().trouble;
        self.tell(PushState::Connecting, trouble, None);
        if trouble.is_some() {
            self.told().reconnects += 1;
        }
    }

    /// The platform takes the show.
    pub(super) fn go_live(&self) {
        self.tell(PushState::Live, None, None);
    }

    /// Whether sound is left out has to be told.
    pub(super) fn note_sound(&self) {
        let trouble = self.outbox().is_mute().then_some(PushTrouble::SoundCodec);
        self.told().trouble = trouble;
    }

    /// It does not; it is tried again after so long, if that is of use.
    pub(super) fn fail(&self, trouble: PushTrouble, again: Option<Duration>) {
        let again = again.map(|wait| {
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            UnixMillis(wall(self.clock).0.saturating_add(millis))
        });
        self.tell(PushState::Failed, Some(trouble), again);
    }

    /// So many bytes were sent.
    pub(super) fn count(&self, bytes: usize) {
        self.told().sent_bytes += bytes as u64;
    }

    fn tell(&self, state: PushState, trouble: Option<PushTrouble>, retry_at: Option<UnixMillis>) {
        let mut told = self.told();
        if told.state != state {
            told.since = wall(self.clock);
        }
        told.state = state;
        told.trouble = trouble;
        told.retry_at = retry_at;
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wall(clock: Clock) -> UnixMillis {
    UnixMillis(clock.wall().0)
}
