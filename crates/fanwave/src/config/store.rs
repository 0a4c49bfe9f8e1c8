//! `[store]` and `[postgresql]`: where the chat log is, and how long it is kept.

use std::{path::PathBuf, time::Duration};

use fanwave_store::{Encryption, PersonKeys, PostgresConfig, Retention};
use fanwave_wire::RoomId;

use super::{
    cassandra::{self, Cassandra},
    check::Check,
    duration,
    keys::CHANNELS,
    schema,
    settings::KeyPath,
};

/// Longest time that messages may be kept for; longer is for ever.
const KEEP_MAX: Duration = Duration::from_secs(36_500 * 86_400);

/// Shortest: whoever keeps nothing has no history.
const KEEP_MIN: Duration = Duration::from_secs(86_400);

/// Most servers that follow the database.
const REPLICAS_MAX: usize = 16;

/// A replica is asked how far it is a few times a second: one that is younger is not known.
const REPLICA_LAG_MIN: Duration = Duration::from_millis(500);

/// What is older is no history to decide by.
const REPLICA_LAG_MAX: Duration = Duration::from_secs(60);

/// Where the chat log is, and how long it is kept.
#[derive(Debug, Clone)]
pub struct Store {
    /// In which database.
    pub place: Place,
    /// How long what is said is kept.
    pub retention: Retention,
    /// Whether what is said over a broker is recorded.
    pub record: bool,
    /// In which cluster it is, if it is not there.
    pub archive: Option<Cassandra>,
    /// Whether what people say is sealed with keys of theirs.
    pub person_keys: PersonKeys,
    /// In which database the keys for that cluster are.
    pub archive_keys: Option<Place>,
}

/// In which database the chat log is, or the catalogue of accounts.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file of the data folder.
    File,
    /// A database server.
    Postgres {
        /// Everything but what is in files.
        config: Box<PostgresConfig>,
        /// Where the password is.
        password_file: Option<PathBuf>,
    },
}

pub(super) fn plan(check: &mut Check<'_>, config: &schema::Config, postgres: &Place) -> Store {
    let record = is_on(check, KeyPath::of("store", "record"), &config.store.record);
    let kind = config.engine.kind.as_str();
    let mut archive = cassandra::plan(check, config);
    let place = match config.store.kind.as_str() {
        "sqlite" => Place::File,
        "cassandra" => {
            if kind == "memory" || !record {
                check.refuse(
                    KeyPath::of("store", "kind"),
                    "is \"cassandra\", which takes what is said over a broker: set engine.kind, and store.record = \"on\"",
                );
            }
            // What a server has for itself.
            Place::File
        }
        "postgresql" => {
            if kind != "memory" && !record {
                check.refuse(
                    KeyPath::of("store", "kind"),
                    format!("must be \"sqlite\" with engine.kind = \"{kind}\", which keeps its log itself, unless store.record is \"on\""),
                );
            }
            postgres.clone()
        }
        _ => {
            let path = KeyPath::of("store", "kind");
            check.refuse(path, "must be \"sqlite\", \"postgresql\" or \"cassandra\"");
            Place::File
        }
    };
    if config.store.kind != "cassandra" {
        archive = None;
    }
    let person_keys = person_keys(check, config);
    // Several servers have that cluster: a file of one is no place for its keys.
    let sealed_elsewhere = archive.is_some() && person_keys == PersonKeys::On;
    let archive_keys = sealed_elsewhere.then(|| postgres.clone());
    if record && config.engine.kind == "memory" {
        check.refuse(
            KeyPath::of("store", "record"),
            "must be \"off\" with engine.kind = \"memory\", whose log the store is",
        );
    }
    Store {
        place,
        retention: retention(check, config),
        record,
        archive,
        person_keys,
        archive_keys,
    }
}

/// A switch; off when it is neither.
fn is_on(check: &mut Check<'_>, key: KeyPath, text: &str) -> bool {
    if !["on", "off"].contains(&text) {
        check.refuse(key, "must be \"on\" or \"off\"");
    }
    text == "on"
}

/// How long what is said is kept.
fn retention(check: &mut Check<'_>, config: &schema::Config) -> Retention {
    let default = keep(check, KeyPath::of("store", "keep"), &config.store.keep);
    let mut retention = Retention {
        default,
        ..Retention::default()
    };
    for (index, channel) in config.channels.iter().enumerate() {
        if channel.keep.is_empty() {
            continue;
        }
        let kept = keep(
            check,
            KeyPath::entry(CHANNELS, index, "keep"),
            &channel.keep,
        );
        // An id that is none is refused where channels are planned.
        if let Ok(room) = channel.id.parse::<RoomId>() {
            retention.rooms.insert(room, kept);
        }
    }
    retention
}

fn person_keys(check: &mut Check<'_>, config: &schema::Config) -> PersonKeys {
    let path = KeyPath::of("store", "person_keys");
    let keys = match is_on(check, path, &config.store.person_keys) {
        true => PersonKeys::On,
        false => PersonKeys::Off,
    };
    if keys == PersonKeys::On
        && config.store.kind != "sqlite"
        && !PostgresConfig::is_schema(&PostgresConfig::keys_schema(&config.postgresql.schema))
    {
        check.refuse(
            KeyPath::of("postgresql", "schema"),
            "must leave room for _keys behind it with store.person_keys = \"on\": 58 letters at the most",
        );
    }
    keys
}

/// `None` for ever.
fn keep(check: &mut Check<'_>, key: KeyPath, text: &str) -> Option<Duration> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => None,
        _ => Some(check.duration(key, text, KEEP_MIN..=KEEP_MAX)),
    }
}

/// The database server. It is checked whoever uses it: a mistake shows when it is made, and not when a choice changes.
pub(super) fn postgres(check: &mut Check<'_>, postgres: &schema::Postgresql) -> Place {
    let key = |name| KeyPath::of("postgresql", name);
    for (name, text) in [
        ("host", &postgres.host),
        ("database", &postgres.database),
        ("username", &postgres.username),
    ] {
        if text.is_empty() || text.contains(char::is_control) {
            check.refuse(key(name), "must not be empty, nor have control characters");
        }
    }
    if !PostgresConfig::is_schema(&postgres.schema) {
        check.refuse(
            key("schema"),
            "must be 1 to 63 small letters, digits and _, and begin with neither a digit nor pg_",
        );
    }
    let authorities = &postgres.tls_authorities;
    let authorities = (!authorities.is_empty()).then(|| PathBuf::from(authorities));
    let encryption = match postgres.tls.as_str() {
        // There is nobody on the way, and nothing to show a certificate for.
        "verified" if postgres.host.starts_with('/') => Encryption::Off,
        "verified" => Encryption::Verified { authorities },
        "off" => Encryption::Off,
        _ => {
            check.refuse(key("tls"), "must be \"verified\" or \"off\"");
            Encryption::Off
        }
    };
    let is_local = postgres.host.starts_with('/') && postgres.tls != "off";
    if is_local && !postgres.replicas.is_empty() {
        check.refuse(
            key("replicas"),
            "are reached over the network, and speak TLS as postgresql.host does: name that by its address, or set postgresql.tls = \"off\"",
        );
    }
    Place::Postgres {
        config: Box::new(PostgresConfig {
            host: postgres.host.clone(),
            port: check.number(key("port"), postgres.port, 1..=65_535),
            database: postgres.database.clone(),
            schema: postgres.schema.clone(),
            user: postgres.username.clone(),
            password: None,
            encryption,
            readers: check.number(key("readers"), postgres.readers, 1..=64),
            replicas: replicas(check, key("replicas"), &postgres.replicas),
            replica_lag: check.duration(
                key("replica_lag"),
                &postgres.replica_lag,
                REPLICA_LAG_MIN..=REPLICA_LAG_MAX,
            ),
        }),
        password_file: check.secret_file(key("password_file"), &postgres.password_file),
    }
}

/// The addresses of servers that follow the database.
fn replicas(check: &mut Check<'_>, key: KeyPath, texts: &[String]) -> Vec<(String, u16)> {
    let address = |text: &String| {
        let (host, port) = text.rsplit_once(':')?;
        let is_host = !host.is_empty() && !host.contains(char::is_control);
        Some((host.to_owned(), port.parse().ok()?)).filter(|_| is_host)
    };
    let addresses: Option<Vec<_>> = texts.iter().map(address).collect();
    match addresses {
        Some(addresses) if addresses.len() <= REPLICAS_MAX => addresses,
        _ => {
            let words = format!("must have up to {REPLICAS_MAX} addresses HOST:PORT");
            check.refuse(key, words);
            Vec::new()
        }
    }
}
