//! Which Kafka, and how it is used.

use std::fmt;

use rskafka::client::{Credentials, SaslConfig};
use thiserror::Error;

use crate::limits::{KAFKA_PARTITIONS_DEFAULT, KAFKA_SNAPSHOT_EVERY_DEFAULT};

/// Which Kafka, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// Some brokers of the cluster; the others are learnt from them.
    pub brokers: Vec<Address>,
    /// The topic that everything is in.
    pub topic: Topic,
    /// How many partitions it has; the same on every server, and for ever.
    pub partitions: u16,
    /// How many entries of a partition are between two snapshots of it.
    pub snapshot_every: u32,
    /// Whom to log in as, where Kafka asks.
    pub login: Option<Login>,
}

/// A user of Kafka.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// How the password is shown to Kafka.
    pub mechanism: Mechanism,
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

/// How a password is shown to Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// Not at all: both ends prove that they know it.
    ScramSha256,
    /// The same with a longer digest.
    ScramSha512,
    /// As it is: whoever can listen to the connection has it.
    Plain,
}

/// The name of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic(String);

/// A text that is no name of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a topic is made of 1 to {TOPIC_BYTES_MAX} of a-z A-Z 0-9 - _ .")]
pub struct TopicError;

/// What Kafka allows, where the topic of the snapshots is named after it.
const TOPIC_BYTES_MAX: usize = 249 - "-snapshots".len();

/// Where a broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

/// A text that is no address of a broker of Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an address is HOST:PORT")]
pub struct AddressError;

impl KafkaConfig {
    /// These brokers, used as by default.
    #[must_use]
    pub fn new(brokers: Vec<Address>) -> Self {
        Self {
            brokers,
            topic: Topic::default(),
            partitions: KAFKA_PARTITIONS_DEFAULT,
            snapshot_every: KAFKA_SNAPSHOT_EVERY_DEFAULT,
            login: None,
        }
    }
}

impl Login {
    pub(super) fn sasl(&self) -> SaslConfig {
        let credentials = Credentials::new(self.user.clone(), self.password.clone());
        match self.mechanism {
            Mechanism::ScramSha256 => SaslConfig::ScramSha256(credentials),
            Mechanism::ScramSha512 => SaslConfig::ScramSha512(credentials),
            Mechanism::Plain => SaslConfig::Plain(credentials),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Topic {
    /// The topic that the snapshots of this one are in.
    pub(super) fn of_snapshots(&self) -> String {
        format!("{self}-snapshots")
    }

    /// The topic over which servers tell about themselves.
    pub(super) fn of_hearsay(&self) -> String {
        format!("{self}-hearsay")
    }
}

impl Default for Topic {
    fn default() -> Self {
        Self("fanwave".to_owned())
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        // Both are no names to Kafka.
        let dots = matches!(text, "." | "..");
        let fits = (1..=TOPIC_BYTES_MAX).contains(&text.len());
        (fits && !dots && text.bytes().all(legal))
            .then(|| Self(text.to_owned()))
            .ok_or(TopicError)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(AddressError)?;
        let host = match host.strip_prefix('[') {
            Some(host) => host.strip_suffix(']').ok_or(AddressError)?,
            None if host.contains(':') => return Err(AddressError),
            None => host,
        };
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-.:_".contains(&b);
        if host.is_empty() || !host.bytes().all(legal) {
            return Err(AddressError);
        }
        let port = port.parse().map_err(|_| AddressError)?;
        let host = host.to_owned();
        Ok(Self { host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_shown_the_same() {
        for text in ["127.0.0.1:9092", "[::1]:1", "kafka-0.kafka:9092"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in [
            "kafka",
            "kafka://a:1",
            "user:pass@a:1",
            "::1:9092",
            ":1",
            "a:b",
            "",
        ] {
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
        }
    }

    #[test]
    fn nothing_that_is_printed_has_a_secret() {
        let login = Login {
            mechanism: Mechanism::Plain,
            user: "user".to_owned(),
            password: "hunter2".to_owned(),
        };
        let config = KafkaConfig {
            login: Some(login),
            ..KafkaConfig::new(Vec::new())
        };
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    }

    #[test]
    fn a_topic_is_what_kafka_takes_for_one() {
        assert_eq!(
            "show-1_a.b".parse::<Topic>().unwrap().to_string(),
            "show-1_a.b"
        );
        for text in ["", ".", "..", "a b", "a/b", &"a".repeat(240)] {
            assert_eq!(text.parse::<Topic>(), Err(TopicError), "{text}");
        }
    }
}
