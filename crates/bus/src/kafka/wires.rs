//! The connections to Kafka.
//!
//! What does not answer in time is forgotten with everything that hangs on it: a connection to a server that is gone
//! says nothing for many minutes. New ones are made when they are needed, and not more often than every
//! [`RECONNECT_EVERY`].

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rskafka::{
    BackoffConfig,
    chrono::{DateTime, Utc},
    client::{
        Client, ClientBuilder,
        error::{Error, ProtocolError},
        partition::{Compression, PartitionClient, UnknownTopicHandling},
    },
    record::Record,
};
use tokio::time::{Instant, sleep_until, timeout};

use super::config::KafkaConfig;
use crate::{
    limits::{
        KAFKA_ANSWER_BYTES_MAX, KAFKA_MISSING_FOR, KAFKA_REQUEST_MAX, KAFKA_SEARCH_MAX,
        RECONNECT_EVERY,
    },
    shared::{BrokerError, Partition},
};

/// What all connections have in common.
#[derive(Debug)]
pub(super) struct Wires {
    config: KafkaConfig,
    /// For how long a request may be tried again without anybody knowing.
    again: Duration,
    /// Topics beside those of the engine.
    more: Vec<String>,
    known: tokio::sync::Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    client: Option<Connected>,
    /// Not before then.
    next: Option<Instant>,
}

/// What can be asked, of a Kafka whose topic is what it has to be.
#[derive(Debug, Clone)]
struct Connected {
    client: Arc<Client>,
    /// Whether there is a topic for snapshots.
    snapshots: bool,
    /// Whether there is one for what servers tell about themselves.
    hearsay: bool,
    /// How many partitions the other topics have that are there.
    more: Arc<BTreeMap<String, usize>>,
    /// When it was seen which topics there are.
    looked: Instant,
}

/// Which of the topics.
#[derive(Debug, Clone, PartialEq, Eq)]
enum About {
    Log,
    Snapshots,
    Hearsay,
    /// One of [`Wires::more`].
    Other(Arc<str>),
}

/// A connection to whoever leads a partition.
#[derive(Debug)]
pub(super) struct Wire {
    wires: Arc<Wires>,
    about: About,
    partition: Partition,
    held: Mutex<Option<Held>>,
}

#[derive(Debug, Clone)]
struct Held {
    partition: Arc<PartitionClient>,
    /// What it was made with.
    client: Arc<Client>,
}

/// Why Kafka did not do what it was asked.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It has less than it is asked for, or more and not that.
    OutOfRange,
    /// It has no topic for that, and need not have one.
    Missing,
    /// It will not, now.
    Refused(BrokerError),
    /// It cannot be reached.
    Gone(BrokerError),
}

impl Wires {
    /// Connections whose requests look for the server that leads their partition, while another takes over.
    pub(super) fn searching(config: KafkaConfig) -> Self {
        Self::new(config, KAFKA_SEARCH_MAX)
    }

    /// Connections that say at once when they end: whoever listens has to know.
    pub(super) fn plain(config: KafkaConfig) -> Self {
        Self::new(config, Duration::ZERO)
    }

    /// Connections to these topics, beside those of the engine.
    pub(super) fn to(config: KafkaConfig, topics: Vec<String>) -> Self {
        Self {
            more: topics,
            ..Self::searching(config)
        }
    }

    /// How many partitions one of these topics has; `None`: it is not there.
    pub(super) async fn partitions(&self, topic: &str) -> Result<Option<usize>, BrokerError> {
        let connected = self.client().await?;
        let count = connected.more.get(topic).copied();
        if count.is_none() {
            // It may be made at any time.
            self.forget(&connected.client).await;
        }
        Ok(count)
    }

    fn new(config: KafkaConfig, again: Duration) -> Self {
        Self {
            config,
            again,
            more: Vec::new(),
            known: tokio::sync::Mutex::default(),
        }
    }

    /// Whether Kafka can be used.
    pub(super) async fn check(&self) -> Result<(), BrokerError> {
        let connected = self.client().await?;
        if !connected.snapshots {
            tracing::warn!(
                "Kafka has no topic {} with {} partitions and cleanup.policy=compact: a server that starts reads all there is",
                self.config.topic.of_snapshots(),
                self.config.partitions
            );
        }
        if !connected.hearsay {
            tracing::warn!(
                "Kafka has no topic {} with a partition and a short retention.ms: servers do not know of each other, and count their own fans alone",
                self.config.topic.of_hearsay()
            );
        }
        Ok(())
    }

    /// Asks it anything.
    pub(super) async fn probe(&self) -> Result<(), BrokerError> {
        let connected = self.client().await?;
        let asked = within(connected.client.list_topics()).await;
        if asked.is_err() {
            self.forget(&connected.client).await;
        }
        asked?;
        Ok(())
    }

    /// Looks at the topics before anything is asked of one: Kafka may make one that is asked for, and not as it has to be.
    async fn look(&self, client: Client) -> Result<Connected, BrokerError> {
        let KafkaConfig {
            topic, partitions, ..
        } = &self.config;
        let topics = within(client.list_topics()).await?;
        let count = |name: &str| {
            let there = topics.iter().find(|there| there.name == name);
            there.map(|there| there.partitions.len())
        };
        let wanted = usize::from(*partitions);
        let reason = match count(&topic.to_string()) {
            Some(there) if there == wanted => {
                let found = |name: &String| count(name).map(|there| (name.clone(), there));
                return Ok(Connected {
                    more: Arc::new(self.more.iter().filter_map(found).collect()),
                    snapshots: count(&topic.of_snapshots()) == Some(wanted),
                    hearsay: count(&topic.of_hearsay()).is_some(),
                    client: Arc::new(client),
                    looked: Instant::now(),
                });
            }
            Some(there) => format!(
                "the topic {topic} has {there} partitions, and is configured to have {partitions}"
            ),
            None => format!(
                "Kafka has no topic {topic}: create it with {partitions} partitions and retention.ms=-1"
            ),
        };
        Err(BrokerError::Unavailable { reason })
    }

    async fn client(&self) -> Result<Connected, BrokerError> {
        let mut known = self.known.lock().await;
        if let Some(client) = &known.client {
            return Ok(client.clone());
        }
        if let Some(next) = known.next {
            sleep_until(next).await;
        }
        known.next = Some(Instant::now() + RECONNECT_EVERY);
        let brokers = self.config.brokers.iter().map(ToString::to_string);
        let mut builder = ClientBuilder::new(brokers.collect())
            .client_id("fanwave")
            .max_message_size(KAFKA_ANSWER_BYTES_MAX)
            .backoff_config(BackoffConfig {
                init_backoff: Duration::from_millis(50),
                max_backoff: Duration::from_millis(500),
                base: 2.0,
                deadline: Some(self.again),
            });
        if let Some(login) = &self.config.login {
            builder = builder.sasl_config(login.sasl());
        }
        let client = self.look(within(builder.build()).await?).await?;
        known.client = Some(client.clone());
        Ok(client)
    }

    async fn forget(&self, client: &Arc<Client>) {
        let mut known = self.known.lock().await;
        // Somebody may have made another one meanwhile.
        let same = |known: &mut Connected| Arc::ptr_eq(&known.client, client);
        known.client.take_if(same);
    }
}

impl Wire {
    pub(super) fn new(wires: &Arc<Wires>, partition: Partition) -> Self {
        Self {
            wires: Arc::clone(wires),
            about: About::Log,
            partition,
            held: Mutex::new(None),
        }
    }

    /// The same, of the topic of the snapshots.
    pub(super) fn of_snapshots(wires: &Arc<Wires>, partition: Partition) -> Self {
        Self {
            about: About::Snapshots,
            ..Self::new(wires, partition)
        }
    }

    /// One to the topic of what servers tell about themselves.
    pub(super) fn of_hearsay(wires: &Arc<Wires>) -> Self {
        Self {
            about: About::Hearsay,
            ..Self::new(wires, Partition(0))
        }
    }

    /// One to a partition of another topic.
    pub(super) fn of_topic(wires: &Arc<Wires>, topic: &str, partition: Partition) -> Self {
        Self {
            about: About::Other(topic.into()),
            ..Self::new(wires, partition)
        }
    }

    /// Has something answered.
    pub(super) async fn call<T>(
        &self,
        ask: impl AsyncFnOnce(&PartitionClient) -> Result<T, Error>,
    ) -> Result<T, Trouble> {
        let held = self.connect().await?;
        let answer = within(ask(&held.partition)).await;
        if let Err(Trouble::Gone(_)) = &answer {
            self.forget();
            self.wires.forget(&held.client).await;
        }
        answer
    }

    /// Writes a record; answers with its place in Kafka.
    pub(super) async fn write(&self, key: Option<Vec<u8>>, value: Vec<u8>) -> Result<i64, Trouble> {
        let record = Record {
            key,
            value: Some(value),
            headers: BTreeMap::new(),
            timestamp: written_at(),
        };
        let written = self.call(async |partition| {
            partition
                .produce(vec![record], Compression::NoCompression)
                .await
        });
        let places = written.await?;
        let unsaid = || {
            Trouble::from(BrokerError::unavailable(
                "Kafka does not say where it has it",
            ))
        };
        places.first().copied().ok_or_else(unsaid)
    }

    /// Lets go of the connection.
    pub(super) fn forget(&self) {
        *self.held() = None;
    }

    async fn connect(&self) -> Result<Held, Trouble> {
        if let Some(held) = self.held().as_ref() {
            return Ok(held.clone());
        }
        let Connected {
            client,
            snapshots,
            hearsay,
            more,
            looked,
        } = self.wires.client().await?;
        let topic = &self.wires.config.topic;
        let (topic, there) = match &self.about {
            About::Log => (topic.to_string(), true),
            About::Snapshots => (topic.of_snapshots(), snapshots),
            About::Hearsay => (topic.of_hearsay(), hearsay),
            About::Other(name) => (name.to_string(), more.contains_key(&**name)),
        };
        if !there {
            if looked.elapsed() >= KAFKA_MISSING_FOR {
                self.wires.forget(&client).await;
            }
            return Err(Trouble::Missing);
        }
        let partition = i32::from(self.partition.0);
        let made = client.partition_client(topic, partition, UnknownTopicHandling::Error);
        match within(made).await {
            Ok(partition) => {
                let partition = Arc::new(partition);
                let held = Held { partition, client };
                *self.held() = Some(held.clone());
                Ok(held)
            }
            Err(trouble) => {
                // Whoever is asked next may know better.
                self.wires.forget(&client).await;
                Err(trouble)
            }
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What time Kafka is told. Nothing of ours depends on it.
fn written_at() -> DateTime<Utc> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX);
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

/// Ends a request in time.
async fn within<T>(request: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
    match timeout(KAFKA_REQUEST_MAX, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Error::ServerError {
            protocol_error: ProtocolError::OffsetOutOfRange,
            ..
        })) => Err(Trouble::OutOfRange),
        Ok(Err(Error::ServerError { protocol_error, .. })) => Err(Trouble::Refused(
            BrokerError::unavailable(&format!("Kafka refuses: {protocol_error}")),
        )),
        Ok(Err(error)) => Err(Trouble::Gone(BrokerError::unavailable(&error))),
        Err(_) => Err(Trouble::Gone(BrokerError::unavailable(
            "Kafka does not answer",
        ))),
    }
}

impl From<BrokerError> for Trouble {
    fn from(error: BrokerError) -> Self {
        Self::Gone(error)
    }
}

impl From<Trouble> for BrokerError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::OutOfRange => Self::unavailable("the log of Kafka is not as long as it was"),
            Trouble::Missing => Self::unavailable("Kafka has no topic for it"),
            Trouble::Refused(error) | Trouble::Gone(error) => error,
        }
    }
}
