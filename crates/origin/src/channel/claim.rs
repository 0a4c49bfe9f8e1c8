//! The right to publish to a channel, and what the channel knows of who has it.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use fanwave_live::{Moment, WallTime};
use fanwave_media::{
    Sample, TrackId, Tracks,
    health::{Arrival, Change, Health, Report},
};
use tokio::sync::Notify;

use super::{BeginError, Channel, Encoder, OnAir};

/// Which of two encoders of one channel is shown while both are well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// The one that came first.
    Main,
    /// The one that waits, until the other starves.
    Backup,
    /// None at all, but what is shown while they are away.
    Slate,
}

/// Who has a claim, as the channel sees it.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) rank: Rank,
    heard: Mutex<Heard>,
    /// What is asked for by people, now and then; never held for long.
    health: Mutex<Health>,
    /// Where it comes from, as it was let in.
    encoder: OnceLock<Encoder>,
    replaced: Notify,
}

/// When a publisher sent media.
#[derive(Debug, Clone, Copy)]
struct Heard {
    last: Moment,
    /// It was never silent for long since then.
    well_since: Moment,
}

impl Holder {
    pub(super) fn new(rank: Rank, now: Moment) -> Self {
        let heard = Heard {
            last: now,
            well_since: now,
        };
        Self {
            rank,
            heard: Mutex::new(heard),
            health: Mutex::default(),
            encoder: OnceLock::new(),
            replaced: Notify::new(),
        }
    }

    /// Whether it is more than what is shown while there is none.
    pub(super) fn is_encoder(&self) -> bool {
        self.rank != Rank::Slate
    }

    /// Where it comes from, once that was said.
    pub(super) fn encoder(&self) -> Option<&Encoder> {
        self.encoder.get()
    }

    /// When it last sent media.
    pub(super) fn heard(&self) -> Moment {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last
    }

    /// Since when it has sent media without a long silence.
    pub(super) fn well_since(&self) -> Moment {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .well_since
    }

    /// It has sent media.
    fn touch(&self, now: Moment, silence: Duration) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.last.after(silence) <= now {
            heard.well_since = now;
        }
        heard.last = now;
    }

    /// How well it sends; `None` before its first sample.
    pub(super) fn report(&self, now: Moment) -> Option<Report> {
        self.health().report(now.0)
    }

    /// Looks whether it has fallen silent; says when to look again, and what has changed.
    pub(super) fn look(&self, now: Moment) -> (Option<Moment>, Vec<Change>) {
        let mut health = self.health();
        health.handle_timeout(now.0);
        let changes = std::iter::from_fn(|| health.poll_output()).collect();
        (health.poll_timeout().map(Moment), changes)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells it that another has its place.
    pub(super) fn replace(&self) {
        self.replaced.notify_one();
    }
}

/// The right to publish to a channel, or to stand by. Dropping it loses the publisher.
#[derive(Debug)]
pub(crate) struct Claim {
    channel: Arc<Channel>,
    holder: Arc<Holder>,
}

/// Tells the holder of a claim that it has it no more.
#[derive(Debug)]
pub(crate) struct Replacement(Arc<Holder>);

impl Replacement {
    /// Returns once another publisher has taken the place.
    pub(crate) async fn happened(&self) {
        self.0.replaced.notified().await;
    }
}

/// What the holder of a claim has to do with what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Show it.
    Show,
    /// Be ready to.
    StandBy,
    /// Let the publisher go: another has its place.
    Leave,
}

impl Claim {
    pub(super) fn new(channel: Arc<Channel>, holder: Arc<Holder>) -> Self {
        Self { channel, holder }
    }

    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// Says where the publisher comes from; once.
    pub(crate) fn introduce(&self, encoder: Encoder) {
        // What was said first stays.
        let _ = self.holder.encoder.set(encoder);
    }

    pub(crate) fn replacement(&self) -> Replacement {
        Replacement(Arc::clone(&self.holder))
    }

    /// The publisher has sent media: its place is safe for a while.
    pub(crate) fn touch(&self) {
        self.holder
            .touch(self.channel.clock.now(), self.channel.waits.silence);
    }

    /// The publisher has sent this sample. Of several tracks of a kind the first speaks for all.
    pub(crate) fn observe(&self, tracks: &Tracks, id: TrackId, sample: &Sample) {
        if id.index > 0 {
            return;
        }
        let timescale = tracks.timescale(id);
        let arrival = Arrival {
            track: id.kind,
            decode: span(sample.decode_time, timescale),
            duration: span(sample.duration.into(), timescale),
            sync: sample.sync,
            bytes: sample.data.len(),
        };
        let now = self.channel.clock.now();
        let changes: Vec<_> = {
            let mut health = self.holder.health();
            health.handle(now.0, arrival);
            std::iter::from_fn(|| health.poll_output()).collect()
        };
        self.tell(&changes);
    }

    /// The publisher's timeline has a leap or a hole here.
    pub(crate) fn note_jump(&self) {
        let changes: Vec<_> = {
            let mut health = self.holder.health();
            health.handle_jump();
            std::iter::from_fn(|| health.poll_output()).collect()
        };
        self.tell(&changes);
    }

    fn tell(&self, changes: &[Change]) {
        if !changes.is_empty() && self.holder.is_encoder() {
            self.channel.tell_health(changes, self.duty() == Duty::Show);
        }
    }

    /// Whether the publisher is the one that is shown.
    pub(crate) fn duty(&self) -> Duty {
        self.channel.duty(&self.holder)
    }

    /// Milliseconds from the beginning of the stream that waits for its publisher, 0 without one.
    ///
    /// Decode times then go on where they would be by now, so that they never repeat within a stream.
    pub(crate) fn start_ms(&self) -> u32 {
        let since = self.channel.current().map(|stream| stream.since().0);
        let elapsed = since.map_or(0, |since| self.channel.clock.wall().0.saturating_sub(since));
        // After 49 days they may begin again: a discontinuity lies between.
        u32::try_from(elapsed).unwrap_or(0)
    }

    /// Starts a stream, or goes on with the one that there is; `anchor` is the wall clock at the first picture.
    pub(crate) fn begin(&self, tracks: Tracks, anchor: WallTime) -> Result<OnAir, BeginError> {
        let on_air = self.channel.begin(&self.holder, tracks, anchor)?;
        self.channel.announce();
        self.channel.wake.notify_one();
        Ok(on_air)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.channel.release(&self.holder);
    }
}

/// Ticks as time, rounded down to a nanosecond.
fn span(ticks: u64, timescale: u32) -> Duration {
    const NANOS: u128 = 1_000_000_000;
    let timescale = u64::from(timescale.max(1));
    let nanos = u128::from(ticks % timescale) * NANOS / u128::from(timescale);
    Duration::from_secs(ticks / timescale)
        + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
