//! The plan of the engine over NATS.

#[cfg(feature = "nats")]
use std::path::PathBuf;
use std::time::Duration;

use super::{check::Check, engine::Engine, schema, settings::KeyPath};

/// Which NATS, and how it is used.
#[cfg(feature = "nats")]
#[derive(Debug, Clone)]
pub struct Nats {
    /// Everything but the password.
    pub config: fanwave_bus::nats::NatsConfig,
    /// The user, and where the password is.
    pub user: Option<(String, PathBuf)>,
    /// Shortest time between two appends of one server to one lane.
    pub tick: Duration,
}

/// Plans it, where it can be used.
#[cfg(not(feature = "nats"))]
pub(super) fn plan(
    check: &mut Check<'_>,
    engine: &schema::Engine,
    _nats: &schema::Nats,
    _tick: Duration,
) -> Option<Engine> {
    if engine.kind == "nats" {
        check.refuse(
            KeyPath::of("engine", "kind"),
            "is \"nats\", which this build was made without",
        );
    }
    None
}

/// Plans it.
#[cfg(feature = "nats")]
pub(super) fn plan(
    check: &mut Check<'_>,
    _engine: &schema::Engine,
    nats: &schema::Nats,
    tick: Duration,
) -> Option<Engine> {
    use fanwave_bus::nats::{Login, NatsConfig, Prefix};

    /// Bytes of a MiB.
    const MIB: u64 = 1024 * 1024;

    let key = |name| KeyPath::of("nats", name);
    let credentials = check.secret_file(key("credentials_file"), &nats.credentials_file);
    let password = check.secret_file(key("password_file"), &nats.password_file);
    if nats.username.is_empty() != password.is_none() {
        check.refuse(
            key("password_file"),
            "must be set with nats.username, and not without it",
        );
    }
    if credentials.is_some() && password.is_some() {
        check.refuse(
            key("credentials_file"),
            "must not be set with nats.password_file: NATS takes one of them",
        );
    }
    let prefix = nats.prefix.parse().unwrap_or_else(|error| {
        check.refuse(key("prefix"), format!("cannot be used: {error}"));
        Prefix::default()
    });
    let replicas = check.number(key("replicas"), nats.replicas, 1..=5);
    if replicas == 2 || replicas == 4 {
        check.refuse(
            key("replicas"),
            "must be 1, 3 or 5: more than half of them must agree",
        );
    }
    let most_days = Duration::from_secs(10_000 * 86_400);
    let chat_age = check.duration(key("chat_age"), &nats.chat_age, Duration::ZERO..=most_days);
    let chat_mib: u64 = check.number(key("chat_mib"), nats.chat_mib, 0..=1 << 30);
    let config = NatsConfig {
        login: credentials.map_or(Login::None, Login::CredentialsFile),
        tls: tls(check, nats),
        prefix,
        partitions: check.number(key("partitions"), nats.partitions, 1..=1_024),
        replicas,
        chat_age: (!chat_age.is_zero()).then_some(chat_age),
        chat_bytes: (chat_mib > 0).then_some(chat_mib * MIB),
        ..NatsConfig::new(servers(check, nats))
    };
    Some(Engine::Nats(Box::new(Nats {
        config,
        user: password.map(|file| (nats.username.clone(), file)),
        tick,
    })))
}

#[cfg(feature = "nats")]
fn servers(check: &mut Check<'_>, nats: &schema::Nats) -> Vec<fanwave_bus::nats::Address> {
    /// Most addresses of NATS: each is tried in turn.
    const SERVERS_MAX: usize = 64;

    let key = KeyPath::of("nats", "servers");
    if !(1..=SERVERS_MAX).contains(&nats.servers.len()) {
        check.refuse(key, format!("must have 1 to {SERVERS_MAX} entries"));
    }
    let mut servers = Vec::new();
    for text in &nats.servers {
        match text.parse() {
            Ok(address) => servers.push(address),
            Err(error) => check.refuse(key, format!("has an entry that is none: {error}")),
        }
    }
    servers
}

#[cfg(feature = "nats")]
fn tls(check: &mut Check<'_>, nats: &schema::Nats) -> fanwave_bus::nats::Tls {
    let key = |name| KeyPath::of("nats", name);
    let secret = check.secret_file(key("tls_key"), &nats.tls_key);
    if nats.tls_certificate.is_empty() != secret.is_none() {
        check.refuse(
            key("tls_key"),
            "must be set with nats.tls_certificate, and not without it",
        );
    }
    let authorities = &nats.tls_authorities;
    fanwave_bus::nats::Tls {
        authorities: (!authorities.is_empty()).then(|| authorities.into()),
        certificate: secret.map(|key| (nats.tls_certificate.clone().into(), key)),
    }
}
