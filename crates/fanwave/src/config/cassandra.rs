//! The plan of `[cassandra]`: where what is said over a broker is recorded.

#[cfg(feature = "cassandra")]
use std::path::PathBuf;

use super::{check::Check, schema, settings::KeyPath};

/// Which cluster, and how it is spoken to.
#[cfg(feature = "cassandra")]
#[derive(Debug, Clone)]
pub struct Cassandra {
    /// Everything but what is in files.
    pub config: fanwave_store::CassandraConfig,
    /// Where the password is.
    pub password_file: Option<PathBuf>,
}

/// This build has none.
#[cfg(not(feature = "cassandra"))]
#[derive(Debug, Clone)]
pub enum Cassandra {}

#[cfg(not(feature = "cassandra"))]
pub(super) fn plan(check: &mut Check<'_>, config: &schema::Config) -> Option<Cassandra> {
    if config.store.kind == "cassandra" {
        check.refuse(
            KeyPath::of("store", "kind"),
            "is \"cassandra\", which this build was made without",
        );
    }
    None
}

/// It is checked whether it is used or not: a mistake shows when it is made, and not when a choice changes.
#[cfg(feature = "cassandra")]
pub(super) fn plan(check: &mut Check<'_>, config: &schema::Config) -> Option<Cassandra> {
    use fanwave_store::{CassandraConfig, Consistency, Encryption};

    /// Most addresses: each is tried in turn.
    const CONTACT_POINTS_MAX: usize = 64;

    let cassandra = &config.cassandra;
    let key = |name| KeyPath::of("cassandra", name);
    let is_address = |text: &String| {
        text.rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    let points = &cassandra.contact_points;
    if !(1..=CONTACT_POINTS_MAX).contains(&points.len()) || !points.iter().all(is_address) {
        check.refuse(
            key("contact_points"),
            format!("must have 1 to {CONTACT_POINTS_MAX} addresses HOST:PORT"),
        );
    }
    if !CassandraConfig::is_keyspace(&cassandra.keyspace) {
        check.refuse(
            key("keyspace"),
            "must be 1 to 48 small letters, digits and _, and begin with a letter, but not with system",
        );
    }
    if !CassandraConfig::is_datacenter(&cassandra.datacenter) {
        check.refuse(
            key("datacenter"),
            "must be at most 64 letters, digits and any of -_.:",
        );
    }
    let consistency = cassandra.consistency.parse().unwrap_or_else(|error| {
        check.refuse(key("consistency"), format!("{error}"));
        Consistency::LocalQuorum
    });
    let password_file = check.secret_file(key("password_file"), &cassandra.password_file);
    if cassandra.username.is_empty() != password_file.is_none() {
        check.refuse(
            key("password_file"),
            "must be set with cassandra.username, and not without it",
        );
    }
    let authorities = &cassandra.tls_authorities;
    let authorities = (!authorities.is_empty()).then(|| PathBuf::from(authorities));
    let encryption = match cassandra.tls.as_str() {
        "verified" => Encryption::Verified { authorities },
        "off" => Encryption::Off,
        _ => {
            check.refuse(key("tls"), "must be \"verified\" or \"off\"");
            Encryption::Off
        }
    };
    Some(Cassandra {
        config: CassandraConfig {
            contact_points: points.clone(),
            keyspace: cassandra.keyspace.clone(),
            datacenter: cassandra.datacenter.clone(),
            replicas: check.number(key("replicas"), cassandra.replicas, 1..=16),
            consistency,
            user: cassandra.username.clone(),
            password: None,
            encryption,
        },
        password_file,
    })
}
