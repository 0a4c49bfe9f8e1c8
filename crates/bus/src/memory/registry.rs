//! The channels that are open: at most so many, each opened once however many ask, closed when nobody uses it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fanwave_store::{Store, StoreError};
use fanwave_wire::{Channel, UnixMillis, limits::RECENT_MAX};
use tokio::sync::OnceCell;

use super::channel::OpenChannel;
use crate::{EngineError, limits::CHANNEL_IDLE_MAX};

/// The open channels by name.
#[derive(Debug)]
pub(super) struct Registry {
    channels_max: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    admission: Admission,
    slots: HashMap<Channel, Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    Open,
    Stopping,
}

#[derive(Debug)]
struct Entry {
    slot: Arc<Slot>,
    used_at: UnixMillis,
}

/// The place of one channel, open or about to be. Whoever holds it keeps the channel from being closed.
#[derive(Debug)]
pub(super) struct Slot {
    channel: Channel,
    open: OnceCell<Mutex<OpenChannel>>,
}

impl Registry {
    pub(super) fn new(channels_max: usize) -> Self {
        let state = State {
            admission: Admission::Open,
            slots: HashMap::new(),
        };
        Self {
            channels_max,
            state: Mutex::new(state),
        }
    }

    /// The place of a channel; makes one, at the cost of the channel unused for longest when all are taken.
    pub(super) fn slot(
        &self,
        channel: &Channel,
        now: UnixMillis,
    ) -> Result<Arc<Slot>, EngineError> {
        let mut state = self.state();
        if state.admission == Admission::Stopping {
            return Err(EngineError::Stopping);
        }
        if let Some(entry) = state.slots.get_mut(channel) {
            entry.used_at = now;
            return Ok(Arc::clone(&entry.slot));
        }
        if state.slots.len() >= self.channels_max {
            let unused = state.slots.iter().filter(|(_, entry)| entry.is_unused());
            let oldest = unused
                .min_by_key(|(_, entry)| entry.used_at)
                .map(|(channel, _)| channel.clone());
            let oldest = oldest.ok_or(EngineError::Busy)?;
            state.slots.remove(&oldest);
        }
        let slot = Arc::new(Slot {
            channel: channel.clone(),
            open: OnceCell::new(),
        });
        state.slots.insert(
            channel.clone(),
            Entry {
                slot: Arc::clone(&slot),
                used_at: now,
            },
        );
        Ok(slot)
    }

    /// Ends delivery of a channel, if it is open.
    pub(super) fn unsubscribe(&self, channel: &Channel) {
        let slot = self
            .state()
            .slots
            .get(channel)
            .map(|entry| Arc::clone(&entry.slot));
        if let Some(open) = slot.as_deref().and_then(|slot| slot.open.get()) {
            lock(open).unsubscribe();
        }
    }

    /// Lets channels notice that time has passed, and closes those that nobody has used for long.
    pub(super) fn sweep(&self, now: UnixMillis) {
        let idle_ms = u64::try_from(CHANNEL_IDLE_MAX.as_millis()).unwrap_or(u64::MAX);
        let mut state = self.state();
        state.slots.retain(|_, entry| {
            if let Some(open) = entry.slot.open.get() {
                lock(open).tick(now);
            }
            now.0.saturating_sub(entry.used_at.0) < idle_ms || !entry.is_unused()
        });
    }

    /// Refuses all that comes from now on.
    pub(super) fn close(&self) {
        self.state().admission = Admission::Stopping;
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.state().slots.len()
    }

    /// What a lock guards here is whole between calls, even when one of them panicked.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Slots are handed out under the registry's lock only, so while it is held, a count of one is nobody else.
    fn is_unused(&self) -> bool {
        Arc::strong_count(&self.slot) == 1
            && self
                .slot
                .open
                .get()
                .is_none_or(|open| lock(open).is_unused())
    }
}

impl Slot {
    /// Which channel this is the place of.
    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Reads where the channel stands, unless it is open already. Many may ask at once; one reads.
    pub(super) async fn open(&self, store: &Store) -> Result<(), StoreError> {
        let open = async || {
            let standing = store.standing(&self.channel).await?;
            let newest = store.tail(&self.channel, RECENT_MAX).await?;
            // After the messages: what is let go of in between is then known to be gone.
            let floor = store.floor(&self.channel).await?;
            Ok(Mutex::new(OpenChannel::resume(standing, floor, newest)))
        };
        self.open.get_or_try_init(open).await.map(drop)
    }

    /// Works on the channel, briefly.
    ///
    /// # Panics
    ///
    /// When it is not open: callers open it first.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut OpenChannel) -> T) -> T {
        let open = self
            .open
            .get()
            .expect("a channel is opened before it is used");
        work(&mut lock(open))
    }
}

fn lock(open: &Mutex<OpenChannel>) -> MutexGuard<'_, OpenChannel> {
    // A machine whose invariant was broken must not go on, and neither must whoever relies on it.
    open.lock()
        .expect("a channel's machine keeps its invariants")
}
