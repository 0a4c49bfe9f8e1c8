//! What becomes of a channel's show and of its encoder, told to whoever runs it.
//!
//! A channel says what happens ([`What`]); [`calm`] holds back what comes too often, so that an encoder that flaps is told of as
//! that and floods nobody; and [`Teller`] numbers what is left and hands it to all who listen. Telling never waits: a
//! listener who does not take what there is misses the oldest of it, and is told how much.

mod calm;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanwave_live::RenditionName;
use fanwave_wire::{RoomId, UnixMillis};
use tokio::sync::broadcast;

pub(crate) use self::calm::Calm;
use crate::{clock::Clock, limits::NEWS_WAITING_MAX};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Rises by one with everything that this origin tells, of all channels.
    pub number: u64,
    /// When it was told.
    pub at: UnixMillis,
    /// Whose show.
    pub channel: RoomId,
    /// What.
    pub what: What,
    /// How many of its like were not told of since the one before, because they came too often.
    pub withheld: u32,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// There is something to play.
    ShowLive,
    /// There is nothing to play any more.
    ShowEnded,
    /// An encoder was let in.
    PublishStarted {
        /// To stand by for another.
        standby: bool,
    },
    /// An encoder is gone, or was let go.
    PublishStopped {
        /// It stood by, or another had its place already.
        standby: bool,
    },
    /// Another encoder is shown, or will be from its next picture on.
    Takeover(Takeover),
    /// Nobody publishes, and the show waits for its encoder.
    EncoderLost,
    /// The show that has waited goes on.
    EncoderBack,
    /// The encoder sends less than time passes: viewers run dry.
    Starving,
    /// It has caught up.
    Recovered,
    /// Its timestamps leapt.
    TimestampJump,
    /// Pictures are missing between others.
    PicturesDropped {
        /// So many within [`fanwave_media::health::WINDOW`].
        pictures: u64,
    },
    /// What makes a rung, or AAC, failed: the rendition is a gap until it is back.
    RungFailed {
        /// The rendition.
        rung: RenditionName,
        /// `start`, `crash`, `slow` or `output`.
        reason: &'static str,
    },
    /// It is being made again.
    RungBack {
        /// The rendition.
        rung: RenditionName,
    },
    /// A recording is over and whole.
    RecordingReady {
        /// Its id.
        recording: Arc<str>,
    },
}

/// Why another encoder is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takeover {
    /// It came, and the channel lets the newest have the place.
    Replaced,
    /// The one that was shown has sent nothing for too long.
    Silent,
    /// The one that was shown is gone.
    Gone,
    /// The main one is well again.
    Recovered,
}

impl What {
    /// What it is one of a kind with, where that may come often: held back together.
    fn topic(&self) -> Option<Topic> {
        match self {
            Self::ShowLive | Self::ShowEnded => Some(Topic::Show),
            Self::PublishStarted { .. } | Self::PublishStopped { .. } => Some(Topic::Publish),
            Self::Takeover(_) => Some(Topic::Takeover),
            Self::EncoderLost | Self::EncoderBack => Some(Topic::Encoder),
            Self::Starving | Self::Recovered => Some(Topic::Pace),
            Self::TimestampJump => Some(Topic::Jump),
            Self::PicturesDropped { .. } => Some(Topic::Dropped),
            Self::RungFailed { rung, .. } | Self::RungBack { rung } => {
                Some(Topic::Rung(rung.clone()))
            }
            Self::RecordingReady { .. } => None,
        }
    }
}

/// What is held back together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    Show,
    Publish,
    Takeover,
    Encoder,
    Pace,
    Jump,
    Dropped,
    Rung(RenditionName),
}

/// Numbers what happened and hands it on; clones tell together.
#[derive(Debug, Clone)]
pub(crate) struct Teller {
    clock: Clock,
    telling: Arc<Mutex<Telling>>,
}

#[derive(Debug)]
struct Telling {
    next: u64,
    /// `None` once all has been told.
    listeners: Option<broadcast::Sender<News>>,
}

impl Teller {
    pub(crate) fn new(clock: Clock) -> Self {
        let telling = Telling {
            next: 1,
            listeners: Some(broadcast::Sender::new(NEWS_WAITING_MAX)),
        };
        Self {
            clock,
            telling: Arc::new(Mutex::new(telling)),
        }
    }

    pub(crate) fn tell(&self, channel: &RoomId, what: What, withheld: u32) {
        // Told while it is locked, so that numbers come in order.
        let mut telling = self.lock();
        let news = News {
            number: telling.next,
            at: UnixMillis(self.clock.wall().0),
            channel: channel.clone(),
            what,
            withheld,
        };
        telling.next += 1;
        if let Some(listeners) = &telling.listeners {
            // An error means that nobody listens.
            drop(listeners.send(news));
        }
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<News> {
        match &self.lock().listeners {
            Some(listeners) => listeners.subscribe(),
            // Closed from the beginning.
            None => broadcast::Sender::new(1).subscribe(),
        }
    }

    /// Nothing more happens: whoever listens hears what is left, and then that.
    pub(crate) fn close(&self) {
        self.lock().listeners = None;
    }

    fn lock(&self) -> MutexGuard<'_, Telling> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
