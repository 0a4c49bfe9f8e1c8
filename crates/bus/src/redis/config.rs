//! Which Redis, and how it is used.

use std::{fmt, time::Duration};

use ::redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use thiserror::Error;

use crate::limits::{PARTITIONS_DEFAULT, REDIS_LOG_MESSAGES_DEFAULT};

/// How the servers are organised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Single,
    /// Sentinels that know which server is the primary.
    Sentinel {
        /// What they call it.
        primary: String,
    },
    /// Redis Cluster.
    Cluster,
}

/// Which Redis, and how it is used.
#[derive(Clone)]
pub struct RedisConfig {
    /// How the servers are organised.
    pub topology: Topology,
    /// The server, the sentinels, or some of the cluster's servers.
    pub servers: Vec<Address>,
    /// Whom to log in as; the default user when it is missing.
    pub username: Option<String>,
    /// With which password.
    pub password: Option<String>,
    /// Into how many partitions the rooms are divided; the same on every server, and for ever.
    pub partitions: u16,
    /// How many messages of a lane are kept, about; 0 keeps all. Events are always kept.
    pub log_messages: u64,
    /// How many replicas must have a message before it is acknowledged.
    pub replicas: u32,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// A text that is no address of a Redis server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an address is redis://HOST:PORT, without a password and without a database")]
pub struct AddressError;

impl RedisConfig {
    /// One server, used as by default.
    #[must_use]
    pub fn single(server: Address) -> Self {
        Self {
            topology: Topology::Single,
            servers: vec![server],
            username: None,
            password: None,
            partitions: PARTITIONS_DEFAULT,
            log_messages: REDIS_LOG_MESSAGES_DEFAULT,
            replicas: 0,
        }
    }

    /// How to connect to a server.
    pub(super) fn connection(&self, address: &Address) -> ::redis::RedisResult<ConnectionInfo> {
        let info = (address.host.as_str(), address.port).into_connection_info()?;
        let mut settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name();
        // Sentinels are asked with the same; one without users of its own takes any.
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        Ok(info.set_redis_settings(settings))
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("topology", &self.topology)
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}

impl Address {
    /// A server on a host.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        Self { host, port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "redis://[{host}]:{port}")
        } else {
            write!(f, "redis://{host}:{port}")
        }
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = text.strip_prefix("redis://").ok_or(AddressError)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or(AddressError)?;
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
        Ok(Self::new(host, port))
    }
}

/// How long a connection may take to be made.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_shown_the_same() {
        for text in [
            "redis://127.0.0.1:6379",
            "redis://[::1]:1",
            "redis://redis-0.redis:6379",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("redis://a:1/".parse(), Ok(Address::new("a", 1)));
        for text in [
            "127.0.0.1:6379",
            "rediss://a:1",
            "redis://a",
            "redis://:pass@a:1",
            "redis://a:1/2",
            "redis://a:b",
            "redis://::1:6379",
            "redis://:1",
        ] {
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
        }
    }
}
