//! The plan of the engine over Kafka.

use std::time::Duration;

use super::{check::Check, engine::Engine, schema, settings::KeyPath};

/// Which Kafka, and how it is used.
#[cfg(feature = "kafka")]
#[derive(Debug, Clone)]
pub struct Kafka {
    /// Everything but the password.
    pub config: fanwave_bus::kafka::KafkaConfig,
    /// The user, how the password is shown, and where it is.
    pub user: Option<(String, fanwave_bus::kafka::Mechanism, std::path::PathBuf)>,
    /// Shortest time between two appends of one server to one lane.
    pub tick: Duration,
}

/// Plans it, where it can be used.
#[cfg(not(feature = "kafka"))]
pub(super) fn plan(
    check: &mut Check<'_>,
    config: &schema::Config,
    _tick: Duration,
) -> Option<Engine> {
    if config.engine.kind == "kafka" {
        check.refuse(
            KeyPath::of("engine", "kind"),
            "is \"kafka\", which this build was made without",
        );
    }
    None
}

/// Plans it.
#[cfg(feature = "kafka")]
pub(super) fn plan(
    check: &mut Check<'_>,
    config: &schema::Config,
    tick: Duration,
) -> Option<Engine> {
    use fanwave_bus::kafka::{Address, KafkaConfig, Mechanism, Topic};

    let kafka = &config.kafka;

    /// Most addresses of Kafka: each is tried in turn.
    const BROKERS_MAX: usize = 64;

    let key = |name| KeyPath::of("kafka", name);
    if !(1..=BROKERS_MAX).contains(&kafka.brokers.len()) {
        check.refuse(
            key("brokers"),
            format!("must have 1 to {BROKERS_MAX} entries"),
        );
    }
    let mut brokers: Vec<Address> = Vec::new();
    for text in &kafka.brokers {
        match text.parse() {
            Ok(address) => brokers.push(address),
            Err(error) => check.refuse(
                key("brokers"),
                format!("has an entry that is none: {error}"),
            ),
        }
    }
    let topic = kafka.topic.parse().unwrap_or_else(|error| {
        check.refuse(key("topic"), format!("cannot be used: {error}"));
        Topic::default()
    });
    let password = check.secret_file(key("password_file"), &kafka.password_file);
    if kafka.username.is_empty() != password.is_none() {
        check.refuse(
            key("password_file"),
            "must be set with kafka.username, and not without it",
        );
    }
    let mechanism = match kafka.sasl.as_str() {
        "scram-sha-512" => Mechanism::ScramSha512,
        "scram-sha-256" => Mechanism::ScramSha256,
        "plain" => Mechanism::Plain,
        _ => {
            check.refuse(
                key("sasl"),
                "must be \"scram-sha-512\", \"scram-sha-256\" or \"plain\"",
            );
            Mechanism::ScramSha512
        }
    };
    let config = KafkaConfig {
        topic,
        partitions: check.number(key("partitions"), kafka.partitions, 1..=1_024),
        snapshot_every: check.number(
            key("snapshot_every"),
            kafka.snapshot_every,
            1_000..=100_000_000,
        ),
        ..KafkaConfig::new(brokers)
    };
    Some(Engine::Kafka(Kafka {
        config,
        user: password.map(|file| (kafka.username.clone(), mechanism, file)),
        tick,
    }))
}
