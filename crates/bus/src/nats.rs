//! The broker of NATS JetStream, 2.9 or newer: one server or a cluster.
//!
//! * All channels' logs are in two streams: the chat lanes in one that may forget what is old, all others in one that
//!   forgets nothing. A channel is a subject; one message of JetStream is one append, so that it is there whole or not.
//! * An append names the newest entry of its channel that its server knows. JetStream writes it only where that is true:
//!   of many servers that try at once, one wins, and the others read what has come and try again. Offsets are in the
//!   entries, so that they have no gap; copies are recognised with an index of the log that every server keeps for the
//!   channels it appends to.
//! * The servers of NATS repeat what they have stored on another subject, to which the servers of Fanwave listen: one
//!   subscription for each partition in which they have a room. There are no consumers.
//! * What the servers tell about themselves goes over a subject of its own that no stream has.
//! * JetStream cannot change what it holds: a deletion is what the `room` lane says, and whoever reads the chat lane
//!   leaves out what it names. Later the text is erased from the disks, where nothing else is in its entry.
//!
//! An acknowledgement means that as many servers as [`NatsConfig::replicas`] says have taken the message in, or more
//! than half of them. By default they write it to their disks up to two minutes later (`sync_interval`): with one
//! replica, a machine that loses power loses what came meanwhile; with three, it takes two that lose power at once.

mod append;
mod commands;
mod config;
mod ear;
mod entry;
mod erased;
mod index;
mod log;
mod names;
mod places;
mod read;
#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc};

use async_nats::Event;
use fanwave_store::{Page, Standing};
use fanwave_wire::{Channel, Epoch, RoomId, envelope::Record};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

pub use self::commands::NatsCommands;
pub use self::config::{Address, AddressError, Login, NatsConfig, Prefix, PrefixError, Tls};
use self::{
    ear::Ear,
    log::{Log, random},
    places::Places,
};
use crate::{
    BoxFuture,
    limits::{BROKER_CALL_MAX, NATS_ERASURES_MAX, SIGNALS_MAX},
    shared::{Appended, Broker, BrokerError, Extract, Partition, Settings, SharedEngine, Signal},
};

/// The broker; see the module.
#[derive(Debug)]
pub struct NatsBroker {
    core: Arc<Core>,
    ear: Ear,
}

/// What appends and reads.
#[derive(Debug)]
struct Core {
    log: Log,
    places: Places,
    erasures: mpsc::Sender<(Channel, u64)>,
    /// What client message ids are hashed with.
    secret: (u64, u64),
}

impl NatsBroker {
    /// Begins to connect, and goes on until there is a NATS. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// What is configured cannot be used: it is not a matter of time.
    pub async fn open(
        config: NatsConfig,
    ) -> Result<(Arc<Self>, mpsc::Receiver<Signal>), BrokerError> {
        let (signals, receiver) = mpsc::channel(SIGNALS_MAX);
        let (erasures, to_erase) = mpsc::channel(NATS_ERASURES_MAX);
        let interruptions = Arc::new(watch::Sender::new(0));
        let noticed = Arc::clone(&interruptions);
        let options = config.options().await?.event_callback(move |event| {
            notice(&event, &noticed);
            std::future::ready(())
        });
        let client = options.connect(config.addresses()).await;
        let client = client.map_err(|error| BrokerError::unavailable(&error))?;
        let core = Arc::new(Core {
            log: Log::new(client, config, interruptions),
            places: Places::default(),
            erasures,
            secret: (random()?, random()?),
        });
        let ear = Ear::start(&core, signals, to_erase);
        Ok((Arc::new(Self { core, ear }), receiver))
    }

    /// An engine over it.
    ///
    /// # Errors
    ///
    /// As [`NatsBroker::open`].
    pub async fn engine(
        config: NatsConfig,
        settings: Settings,
    ) -> Result<SharedEngine, BrokerError> {
        let (broker, signals) = Self::open(config).await?;
        Ok(SharedEngine::open(broker, signals, settings))
    }

    /// Asks whether NATS can be used at all: whoever starts a server wants to know at once.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses, or its streams are laid out for something else.
    pub async fn check(&self) -> Result<(), BrokerError> {
        self.within(self.core.log.settle()).await
    }

    /// Ends a call in time.
    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, BrokerError>> + Send,
    ) -> Result<T, BrokerError> {
        let result = match timeout(BROKER_CALL_MAX, call).await {
            Ok(result) => result,
            Err(_) => Err(BrokerError::unavailable("NATS does not answer in time")),
        };
        if result.is_err() {
            self.core.log.doubt();
        }
        result
    }
}

/// Takes note of what may mean that something was not heard.
fn notice(event: &Event, interruptions: &watch::Sender<u64>) {
    match event {
        // That the connection is back needs no notice: whoever was told that it broke waits for it.
        Event::Disconnected | Event::SlowConsumer(_) => {
            interruptions.send_modify(|so_far| *so_far += 1);
        }
        Event::ServerError(error) => tracing::warn!(%error, "NATS refuses"),
        Event::ClientError(error) => tracing::debug!(%error, "the connection to NATS fails"),
        Event::Connected | Event::LameDuckMode | Event::Draining | Event::Closed => {}
    }
}

impl Broker for NatsBroker {
    fn probe(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(self.check())
    }

    fn partition(&self, room: &RoomId) -> Partition {
        self.core.log.names.partition(room)
    }

    fn watch(&self, partition: Partition) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(self.within(self.ear.watch(partition)))
    }

    fn unwatch(&self, partition: Partition) {
        self.ear.unwatch(partition);
    }

    fn append<'a>(
        &'a self,
        channel: &'a Channel,
        known: &'a Standing,
        records: &'a [Record],
    ) -> BoxFuture<'a, Result<Appended, BrokerError>> {
        Box::pin(self.within(self.core.append(channel, known, records)))
    }

    fn read<'a>(
        &'a self,
        channel: &'a Channel,
        page: Page,
    ) -> BoxFuture<'a, Result<Extract, BrokerError>> {
        Box::pin(self.within(async move {
            loop {
                let mut interrupted = self.core.log.interrupted();
                tokio::select! {
                    read = self.core.read(channel, page) => return read,
                    // The answer may be among what was lost: it is asked for again.
                    _ = interrupted.changed() => {}
                }
            }
        }))
    }

    fn renew<'a>(
        &'a self,
        channel: &'a Channel,
        lost: &'a Epoch,
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.within(self.core.renew(channel, lost)))
    }

    fn tell<'a>(&'a self, hearsay: &'a [u8]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            match timeout(BROKER_CALL_MAX, self.core.log.tell(hearsay)).await {
                Ok(told) => told,
                Err(_) => Err(BrokerError::unavailable("NATS does not answer in time")),
            }
        })
    }
}
