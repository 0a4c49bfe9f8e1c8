//! Which channels the node follows at the engine, when several reactors follow the same ones.
//!
//! The engine knows one node. Delivery of a channel begins with the first reactor that opens it and ends with the last
//! that closes it; openings and closings of one channel happen one after another, so that a closing never ends the
//! delivery that an opening of another reactor has just begun.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fanwave_bus::{Engine, EngineError, Snapshot};
use fanwave_wire::Channel;

/// The followed channels; see the module. At most [`CHANNELS_MAX`](crate::limits::CHANNELS_MAX) per reactor.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    channels: Mutex<HashMap<Channel, Arc<Following>>>,
}

/// How many reactors follow one channel. Held locked while the engine is asked.
type Following = tokio::sync::Mutex<usize>;

impl Followers {
    /// One more reactor follows a channel: where it stands, and everything after that is delivered.
    pub(crate) async fn open(
        &self,
        engine: &dyn Engine,
        channel: &Channel,
    ) -> Result<Snapshot, EngineError> {
        let following = self.following(channel);
        let mut count = following.lock().await;
        let snapshot = engine.subscribe(channel).await;
        if snapshot.is_ok() {
            *count += 1;
        }
        self.forget_unfollowed(channel, &following, *count);
        snapshot
    }

    /// One reactor no longer follows a channel.
    pub(crate) async fn close(
        &self,
        engine: &dyn Engine,
        channel: &Channel,
    ) -> Result<(), EngineError> {
        let following = self.following(channel);
        let mut count = following.lock().await;
        *count = count.saturating_sub(1);
        if *count > 0 {
            return Ok(());
        }
        let closed = engine.unsubscribe(channel).await;
        self.forget_unfollowed(channel, &following, *count);
        closed
    }

    fn forget_unfollowed(&self, channel: &Channel, following: &Arc<Following>, count: usize) {
        let mut channels = self.lock();
        // The map's and the caller's: whoever else waits for the channel must find the same counter.
        if count == 0 && Arc::strong_count(following) == 2 {
            channels.remove(channel);
        }
    }

    fn following(&self, channel: &Channel) -> Arc<Following> {
        let mut channels = self.lock();
        if let Some(following) = channels.get(channel) {
            return Arc::clone(following);
        }
        Arc::clone(channels.entry(channel.clone()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Channel, Arc<Following>>> {
        // A poisoned lock guards a map that is whole: an insertion either happened or did not.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
