//! Commands in a work queue of JetStream.
//!
//! * A back end publishes to the queue's subject, and JetStream keeps each message until it is acknowledged, which is when
//!   it is done: the stream's length is what waits.
//! * Whoever leads makes the stream's one consumer anew. It begins with the oldest message that is there, so that what a
//!   server had taken that is gone comes first, and in its order.
//! * The lead is a message that JetStream drops after a while, in a stream of its own. It is written only where its writer
//!   has written the last one, or where there is none.
//! * Dead letters are a third stream, of [`NATS_DEAD_LETTERS_BYTES_MAX`] bytes.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use async_nats::{
    Client, Event,
    jetstream::{
        self, Context,
        consumer::{AckPolicy, Consumer, pull},
        context::PublishErrorKind,
        message::PublishMessage,
        stream::{Config, RetentionPolicy, StorageType},
    },
};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::{config::NatsConfig, log::failed};
use crate::{
    BoxFuture,
    commands::{CommandQueue, Entry, Place},
    limits::{
        BROKER_CALL_MAX, COMMAND_LEASE, COMMANDS_POLL_MAX, NATS_COMMAND_WAIT,
        NATS_DEAD_LETTERS_BYTES_MAX, NATS_REQUEST_MAX,
    },
    shared::BrokerError,
};

/// The stream's one consumer.
const CONSUMER: &str = "fanwave";

/// What acknowledges a message.
const DONE: &[u8] = b"+ACK";

/// The queue; see the module.
#[derive(Debug)]
pub struct NatsCommands {
    client: Client,
    context: Context,
    subject: String,
    replicas: usize,
    state: Mutex<State>,
    /// What was on its way may be lost.
    interrupted: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct State {
    /// The streams are known to be there.
    ready: bool,
    /// The place of the message with which this server leads.
    lead: Option<u64>,
    consumer: Option<Consumer<pull::Config>>,
}

impl NatsCommands {
    /// Begins to connect, and goes on until there is a NATS. Needs a tokio runtime. The subject names the queue; the others
    /// are made of it, and the streams' names, which have `-` for its dots.
    ///
    /// # Errors
    ///
    /// What is configured cannot be used: it is not a matter of time.
    pub async fn open(config: NatsConfig, subject: &str) -> Result<Arc<Self>, BrokerError> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let noticed = Arc::clone(&interrupted);
        let options = config.options().await?.event_callback(move |event| {
            if matches!(event, Event::Disconnected | Event::SlowConsumer(_)) {
                noticed.store(true, Ordering::Release);
            }
            std::future::ready(())
        });
        let client = options.connect(config.addresses()).await;
        let client = client.map_err(|error| BrokerError::unavailable(&error))?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(NATS_REQUEST_MAX);
        Ok(Arc::new(Self {
            client,
            context,
            subject: subject.to_owned(),
            replicas: usize::from(config.replicas),
            state: Mutex::default(),
            interrupted,
        }))
    }

    fn dead(&self) -> String {
        format!("{}.dead", self.subject)
    }

    fn lead_subject(&self) -> String {
        format!("{}.lead", self.subject)
    }

    /// Makes sure that the streams are there.
    async fn ready(&self) -> Result<(), BrokerError> {
        if self.state().ready {
            return Ok(());
        }
        let stream = |subject: &str| Config {
            name: stream_of(subject),
            subjects: vec![subject.to_owned()],
            storage: StorageType::File,
            num_replicas: self.replicas,
            max_bytes: -1,
            max_messages: -1,
            max_messages_per_subject: -1,
            max_consumers: -1,
            ..Config::default()
        };
        let queue = Config {
            retention: RetentionPolicy::WorkQueue,
            ..stream(&self.subject)
        };
        let dead = Config {
            max_bytes: NATS_DEAD_LETTERS_BYTES_MAX,
            ..stream(&self.dead())
        };
        // One that NATS forgets when it starts: nobody leads then.
        let lead = Config {
            storage: StorageType::Memory,
            max_age: COMMAND_LEASE,
            max_messages_per_subject: 1,
            ..stream(&self.lead_subject())
        };
        for wanted in [queue, dead, lead] {
            let stream = self.context.get_or_create_stream(wanted.clone()).await;
            let stream = stream.map_err(|error| failed(&error))?;
            let has = &stream.cached_info().config;
            if has.subjects != wanted.subjects || has.retention != wanted.retention {
                return Err(BrokerError::Unreadable {
                    reason: format!("the stream {} is laid out for something else", wanted.name),
                });
            }
        }
        self.state().ready = true;
        Ok(())
    }

    async fn ask_for_lead(&self) -> Result<bool, BrokerError> {
        self.ready().await?;
        let last = self.state().lead;
        let message = PublishMessage::build().expected_last_subject_sequence(last.unwrap_or(0));
        let sent = self
            .context
            .send_publish(self.lead_subject(), message)
            .await;
        let answer = match sent {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(ack) => {
                self.state().lead = Some(ack.sequence);
                Ok(true)
            }
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                // Another leads; or nobody any more, and then the next question is answered.
                self.state().lead = None;
                Ok(false)
            }
            Err(error) => Err(failed(&error)),
        }
    }

    async fn begin(&self) -> Result<(), BrokerError> {
        self.ready().await?;
        self.interrupted.store(false, Ordering::Release);
        let name = stream_of(&self.subject);
        let stream = self.context.get_stream(&name).await;
        let stream = stream.map_err(|error| failed(&error))?;
        if stream.cached_info().state.consumer_count > 0 {
            // One that somebody else has deleted meanwhile need not be.
            drop(stream.delete_consumer(CONSUMER).await);
        }
        let consumer = stream.create_consumer(pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: NATS_COMMAND_WAIT,
            max_ack_pending: -1,
            ..pull::Config::default()
        });
        let consumer = consumer.await.map_err(|error| failed(&error))?;
        self.state().consumer = Some(consumer);
        Ok(())
    }

    async fn read(&self, most: usize) -> Result<Vec<Entry>, BrokerError> {
        let consumer = self.state().consumer.clone();
        let consumer = consumer.ok_or_else(|| BrokerError::unavailable("nothing is read yet"))?;
        let batch = consumer
            .batch()
            .max_messages(most)
            .expires(COMMANDS_POLL_MAX);
        let mut batch = batch.messages().await.map_err(|error| failed(&error))?;
        let mut entries = Vec::new();
        while let Some(message) = batch.next().await {
            let message = message.map_err(|error| failed(&*error))?;
            let place = message.info().map(|info| info.stream_sequence.to_string());
            let place = place.map_err(|error| failed(&*error))?;
            let reply = message.reply.as_ref().map(ToString::to_string);
            entries.push(Entry {
                place: Place::new(place, reply.unwrap_or_default()),
                bytes: message.payload.to_vec(),
            });
        }
        if self.interrupted.load(Ordering::Acquire) {
            return Err(BrokerError::unavailable("the connection to NATS has ended"));
        }
        Ok(entries)
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
            self.state().ready = false;
        }
        result
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the stream of a subject is called.
fn stream_of(subject: &str) -> String {
    subject.replace('.', "-")
}

impl CommandQueue for NatsCommands {
    fn lead(&self) -> BoxFuture<'_, Result<bool, BrokerError>> {
        Box::pin(self.within(self.ask_for_lead()))
    }

    fn rewind(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(self.within(self.begin()))
    }

    fn take(&self, most: usize) -> BoxFuture<'_, Result<Vec<Entry>, BrokerError>> {
        Box::pin(self.within(self.read(most)))
    }

    fn done<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.within(async move {
            let asked = self.client.request(place.token().to_owned(), DONE.into());
            asked.await.map(drop).map_err(|error| failed(&error))
        }))
    }

    fn bury<'a>(&'a self, letter: &'a [u8]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.within(async move {
            self.ready().await?;
            let sent = self
                .context
                .publish(self.dead(), letter.to_vec().into())
                .await;
            let kept = sent.map_err(|error| failed(&error))?.await;
            kept.map(drop).map_err(|error| failed(&error))
        }))
    }

    fn waiting(&self) -> BoxFuture<'_, Result<u64, BrokerError>> {
        Box::pin(self.within(async move {
            let stream = self.context.get_stream(stream_of(&self.subject)).await;
            let stream = stream.map_err(|error| failed(&error))?;
            Ok(stream.cached_info().state.messages)
        }))
    }

    fn leave(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(self.within(async move {
            if self.state().lead.take().is_none() {
                return Ok(());
            }
            let name = stream_of(&self.lead_subject());
            let stream = self.context.get_stream_no_info(name).await;
            let stream = stream.map_err(|error| failed(&error))?;
            let purged = stream.purge().await;
            purged.map(drop).map_err(|error| failed(&error))
        }))
    }
}
