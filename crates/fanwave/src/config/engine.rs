//! The plan of the engine: what makes this server's rooms, or those of many servers, one.

#[cfg(feature = "redis")]
use std::path::PathBuf;
use std::time::Duration;

use fanwave_wire::envelope::NodeName;

use super::{check::Check, schema, settings::KeyPath};

/// Which engine, and how it is used.
#[derive(Debug, Clone)]
pub enum Engine {
    /// This process is the whole platform, and its log is in the data folder.
    Memory,
    /// Many servers share their rooms through Redis.
    #[cfg(feature = "redis")]
    Redis(Redis),
    /// Many servers share their rooms through NATS.
    #[cfg(feature = "nats")]
    Nats(Box<super::nats::Nats>),
    /// Many servers share their rooms through Kafka.
    #[cfg(feature = "kafka")]
    Kafka(super::kafka::Kafka),
}

/// Which Redis, and how it is used.
#[cfg(feature = "redis")]
#[derive(Debug, Clone)]
pub struct Redis {
    /// Everything but what is in files.
    pub config: fanwave_bus::redis::RedisConfig,
    /// Where the password is.
    pub password_file: Option<PathBuf>,
    /// Where the certificates of trusted authorities are.
    pub tls_authorities: Option<PathBuf>,
    /// Where a certificate and its key are.
    pub tls_certificate: Option<(PathBuf, PathBuf)>,
    /// Shortest time between two appends of one server to one lane.
    pub tick: Duration,
}

/// Plans what other servers call this one; `None`: after its host and port.
pub(super) fn name(check: &mut Check<'_>, engine: &schema::Engine) -> Option<NodeName> {
    if engine.name.is_empty() {
        return None;
    }
    let name = engine.name.parse();
    if let Err(error) = &name {
        check.refuse(KeyPath::of("engine", "name"), format!("is none: {error}"));
    }
    name.ok()
}

/// Plans it.
pub(super) fn plan(check: &mut Check<'_>, config: &schema::Config) -> Engine {
    let engine = &config.engine;
    // Checked whichever is chosen: a mistake shows when it is made, and not when the choice changes.
    let tick = check.duration(
        KeyPath::of("engine", "tick"),
        &engine.tick,
        Duration::from_millis(1)..=Duration::from_secs(1),
    );
    let redis = redis(check, config, tick);
    let nats = super::nats::plan(check, engine, &config.nats, tick);
    let kafka = super::kafka::plan(check, config, tick);
    match engine.kind.as_str() {
        "memory" => Engine::Memory,
        "redis" => redis.unwrap_or(Engine::Memory),
        "nats" => nats.unwrap_or(Engine::Memory),
        "kafka" => kafka.unwrap_or(Engine::Memory),
        _ => {
            check.refuse(
                KeyPath::of("engine", "kind"),
                "must be \"memory\", \"redis\", \"nats\" or \"kafka\"",
            );
            Engine::Memory
        }
    }
}

#[cfg(not(feature = "redis"))]
fn redis(check: &mut Check<'_>, config: &schema::Config, _tick: Duration) -> Option<Engine> {
    if config.engine.kind == "redis" {
        check.refuse(
            KeyPath::of("engine", "kind"),
            "is \"redis\", which this build was made without",
        );
    }
    None
}

#[cfg(feature = "redis")]
fn redis(check: &mut Check<'_>, config: &schema::Config, tick: Duration) -> Option<Engine> {
    use fanwave_bus::redis::{Address, RedisConfig, Tls, Topology};

    let redis = &config.redis;

    /// Most addresses of Redis: each is tried in turn.
    const SERVERS_MAX: usize = 64;

    let key = |name| KeyPath::of("redis", name);
    let topology = match redis.topology.as_str() {
        "single" => Topology::Single,
        "sentinel" => Topology::Sentinel {
            primary: redis.primary.clone(),
        },
        "cluster" => Topology::Cluster,
        _ => {
            check.refuse(
                key("topology"),
                "must be \"single\", \"sentinel\" or \"cluster\"",
            );
            Topology::Single
        }
    };
    let servers: Vec<Address> = redis
        .servers
        .iter()
        .filter_map(|text| {
            let address = text.parse();
            if let Err(error) = &address {
                check.refuse(
                    key("servers"),
                    format!("has an entry that is none: {error}"),
                );
            }
            address.ok()
        })
        .collect();
    if topology == Topology::Single && redis.servers.len() > 1 {
        check.refuse(
            key("servers"),
            "must have one entry unless redis.topology is \"sentinel\" or \"cluster\"",
        );
    } else if !(1..=SERVERS_MAX).contains(&redis.servers.len()) {
        check.refuse(
            key("servers"),
            format!("must have 1 to {SERVERS_MAX} entries"),
        );
    }
    let (tls_authorities, tls_certificate) = redis_tls(check, redis);
    let unused = tls_authorities.is_some() || tls_certificate.is_some();
    if unused && !servers.iter().any(Address::is_over_tls) {
        check.refuse(
            key("servers"),
            "must have rediss:// addresses where redis.tls_authorities or redis.tls_certificate is set",
        );
    }
    let config = RedisConfig {
        topology,
        servers,
        username: (!redis.username.is_empty()).then(|| redis.username.clone()),
        password: None,
        tls: Tls::default(),
        partitions: check.number(key("partitions"), redis.partitions, 1..=1_024),
        log_messages: check.number(key("log_messages"), redis.log_messages, 0..=1_000_000_000),
        replicas: check.number(key("replicas"), redis.replicas, 0..=16),
    };
    Some(Engine::Redis(Redis {
        config,
        password_file: check.secret_file(key("password_file"), &redis.password_file),
        tls_authorities,
        tls_certificate,
        tick,
    }))
}

/// Where the authorities' certificates are, and where one's own and its key.
#[cfg(feature = "redis")]
fn redis_tls(
    check: &mut Check<'_>,
    redis: &schema::Redis,
) -> (Option<PathBuf>, Option<(PathBuf, PathBuf)>) {
    let path = KeyPath::of("redis", "tls_key");
    let key = check.secret_file(path, &redis.tls_key);
    if redis.tls_certificate.is_empty() != key.is_none() {
        check.refuse(
            path,
            "must be set with redis.tls_certificate, and not without it",
        );
    }
    let authorities = &redis.tls_authorities;
    (
        (!authorities.is_empty()).then(|| authorities.into()),
        key.map(|key| ((&redis.tls_certificate).into(), key)),
    )
}
