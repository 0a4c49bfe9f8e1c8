//! What every task and handler of one origin shares.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fanwave_wire::RoomId;
use tokio::sync::{Semaphore, watch};

use crate::{
    archive::Archive,
    authorise::Authoriser,
    channel::Channel,
    clock::Clock,
    config::Secret,
    holds::Holds,
    http::audience::Audience,
    limits::{
        BEFORE_PUBLISH_DEADLINE, IDLE_TIMEOUT, RECOVERY, RUNG_PATIENCE, STARVING_SILENCE,
        STORAGE_RETRY, TAKEOVER_SILENCE, UNSTORED_MAX,
    },
    metrics::Metrics,
    news::Teller,
    stream::Stream,
};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) channels: Arc<BTreeMap<RoomId, Arc<Channel>>>,
    /// Who decides about publishers, where a stream key does not.
    pub(crate) authoriser: Option<Arc<Authoriser>>,
    /// The next connection's number.
    pub(crate) connections: AtomicU64,
    pub(crate) archive: Option<Arc<Archive>>,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    /// About how many watch.
    pub(crate) audience: Audience,
    pub(crate) teller: Teller,
    pub(crate) patience: Patience,
    /// One permit per request that may wait.
    pub(crate) waiting: Arc<Semaphore>,
    /// By when who waits is answered.
    pub(crate) holds: Holds,
    /// True once the origin stops.
    pub(crate) stop: watch::Sender<bool>,
}

/// How long RTMP peers and others are waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// From connecting to asking to publish.
    pub(crate) before_publish: Duration,
    /// Between two reads of a publisher.
    pub(crate) idle: Duration,
    /// For a publisher's media, when another wants its place or stands by.
    pub(crate) silence: Duration,
    /// For a publisher's media, until the playlists go on without.
    pub(crate) starving: Duration,
    /// For a main encoder that is back, to stay well.
    pub(crate) recovery: Duration,
    /// For a rung's part, after the source's.
    pub(crate) rung: Duration,
    /// For the storage, until what it has not taken leaves the playlists.
    pub(crate) unstored: Duration,
    /// For the storage, before it is tried again.
    pub(crate) storage: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            before_publish: BEFORE_PUBLISH_DEADLINE,
            idle: IDLE_TIMEOUT,
            silence: TAKEOVER_SILENCE,
            starving: STARVING_SILENCE,
            recovery: RECOVERY,
            rung: RUNG_PATIENCE,
            unstored: UNSTORED_MAX,
            storage: STORAGE_RETRY,
        }
    }
}

impl Shared {
    /// The channel whose stream key this is.
    pub(crate) fn channel_of_key(&self, key: &Secret) -> Option<Arc<Channel>> {
        // Every channel is asked, so that the time taken does not tell which one almost had it.
        let mut found = None;
        for channel in self.channels.values() {
            if channel.has_key(key) {
                found = Some(channel);
            }
        }
        found.cloned()
    }

    /// All streams that viewers are shown.
    pub(crate) fn streams(&self) -> impl Iterator<Item = Arc<Stream>> {
        self.channels.values().flat_map(|channel| channel.streams())
    }

    /// Has everybody who waits for something answered, and everything end.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
        self.streams().for_each(|stream| stream.wake_all());
    }

    /// A number that no publisher's connection had before.
    pub(crate) fn next_connection(&self) -> u64 {
        // Only its being new matters.
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// The channel of that name as a URL has it.
    pub(crate) fn channel(&self, id: &str) -> Option<&Arc<Channel>> {
        self.channels.get(id)
    }
}

/// Returns once the origin stops.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the origin itself is gone, which is a stop as well.
    drop(stop.wait_for(|stop| *stop).await);
}
