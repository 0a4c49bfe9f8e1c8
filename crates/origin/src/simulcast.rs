//! Simulcast: a show is pushed on to other platforms while it is shown here.
//!
//! 1. [`Simulcast`] is one channel's: the platforms that its shows are pushed on to. A publisher's run hands every sample
//!    that it shows to its [`Source`], which never waits.
//! 2. Each platform has an [`outbox`] of its own: what waits for it, in a bounded queue that skips to a keyframe when the
//!    platform takes too little. Bytes of media are shared by all.
//! 3. Each [`push`] is a task: it connects when something is on the air, drives the [`client`] over the socket, and begins
//!    anew when that fails, later each time ([`crate::backoff`]).
//! 4. [`target`] is what both meet in, and what the API, the studio and [`metrics`] are told.
//!
//! What is sent is the first pictures (H.264) and the first sound (AAC) of whatever is shown: also of a stand-by, and of the
//! slate while the encoder is away. Neither the publisher nor a viewer notices how a push goes.

mod client;
mod config;
mod format;
mod metrics;
mod outbox;
mod push;
mod target;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use fanwave_media::{Sample, TrackId, Tracks};
use fanwave_wire::RoomId;
use tokio::{sync::watch, task::JoinSet};

pub(crate) use self::{client::hold_to_the_laws, config::check, metrics::Pushes};
pub use self::{
    config::{NoPushAddress, PushAddress, SimulcastConfig, SimulcastError, is_push_name},
    target::{PushState, PushStatus, PushTrouble},
};
use self::{format::Format, outbox::Stretch, target::Target};
use crate::{channel::ChannelStatus, clock::Clock};

/// Where one channel's shows are pushed on to; nowhere, for most.
#[derive(Debug)]
pub(crate) struct Simulcast {
    targets: Vec<Arc<Target>>,
    /// Of the publisher that was shown last.
    turn: AtomicU64,
}

/// What one publisher shows, on its way to the platforms.
#[derive(Debug)]
pub(crate) struct Source {
    simulcast: Arc<Simulcast>,
    stretch: Arc<Stretch>,
}

impl Simulcast {
    /// That channel's, of all that are configured.
    pub(crate) fn of(channel: &RoomId, configured: &[SimulcastConfig], clock: Clock) -> Self {
        let own = configured
            .iter()
            .filter(|config| config.channel == *channel);
        let target = |config: &SimulcastConfig| Arc::new(Target::new(config.clone(), clock));
        Self {
            targets: own.map(target).collect(),
            turn: AtomicU64::new(0),
        }
    }

    /// Whether there is anywhere to push to.
    fn is_wanted(&self) -> bool {
        !self.targets.is_empty()
    }

    /// How it goes, in the order of the configuration.
    pub(crate) fn statuses(&self) -> Vec<PushStatus> {
        self.targets.iter().map(|target| target.status()).collect()
    }

    /// A publisher of these tracks is shown from here on, in place of any before.
    pub(crate) fn begin(self: &Arc<Self>, tracks: &Tracks) -> Source {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) + 1;
        Source {
            simulcast: Arc::clone(self),
            stretch: stretch(turn, tracks),
        }
    }

    /// Has everything pushed that is shown, until the origin stops.
    pub(crate) fn keep(
        &self,
        status: &watch::Receiver<ChannelStatus>,
        stop: &watch::Receiver<bool>,
        tasks: &mut JoinSet<()>,
    ) {
        for target in &self.targets {
            let push = push::keep(Arc::clone(target), status.clone(), stop.clone());
            tasks.spawn(push);
        }
    }
}

impl Source {
    /// Hands on what is shown.
    pub(crate) fn handle_sample(&self, track: TrackId, sample: &Sample) {
        for target in &self.simulcast.targets {
            target.handle_sample(&self.stretch, track, sample);
        }
    }

    /// The timeline ends here, and goes on elsewhere, if it does.
    pub(crate) fn handle_break(&mut self) {
        if self.simulcast.is_wanted() {
            let Stretch { turn, tracks, .. } = &*self.stretch;
            self.stretch = stretch(*turn, tracks);
        }
    }

    /// The tracks are these from here on.
    pub(crate) fn set_tracks(&mut self, tracks: &Tracks) {
        self.stretch = stretch(self.stretch.turn, tracks);
    }
}

fn stretch(turn: u64, tracks: &Tracks) -> Arc<Stretch> {
    Arc::new(Stretch {
        turn,
        format: Format::of(tracks),
        tracks: tracks.clone(),
    })
}
