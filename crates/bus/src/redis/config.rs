//! Which Redis, and how it is used.

use std::{fmt, time::Duration};

use ::redis::{
    Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisResult,
    TlsCertificates,
};
use thiserror::Error;

use crate::{
    limits::{PARTITIONS_DEFAULT, REDIS_LOG_MESSAGES_DEFAULT},
    shared::BrokerError,
};

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
    /// For servers that are spoken to over TLS.
    pub tls: Tls,
    /// Into how many partitions the rooms are divided; the same on every server, and for ever.
    pub partitions: u16,
    /// How many messages of a lane are kept, about; 0 keeps all. Events are always kept.
    pub log_messages: u64,
    /// How many replicas must have a message before it is acknowledged.
    pub replicas: u32,
}

/// Whom to trust, and what to show, in PEM. Nothing of it is needed where the system trusts the servers.
#[derive(Clone, Default)]
pub struct Tls {
    /// The certificates of authorities that are trusted in place of those of the system.
    pub authorities: Option<Vec<u8>>,
    /// A certificate and its key, for servers that ask for one.
    pub certificate: Option<(Vec<u8>, Vec<u8>)>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether it is spoken to over TLS.
    tls: bool,
}

/// A text that is no address of a Redis server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "an address is redis://HOST:PORT, or rediss://HOST:PORT for TLS, without a password and without a database"
)]
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
            tls: Tls::default(),
            partitions: PARTITIONS_DEFAULT,
            log_messages: REDIS_LOG_MESSAGES_DEFAULT,
            replicas: 0,
        }
    }

    /// Looks at what TLS needs: whoever starts a server wants to know at once.
    ///
    /// # Errors
    ///
    /// What is configured cannot be used: it is not a matter of time.
    pub fn check(&self) -> Result<(), BrokerError> {
        let unusable = |why: &dyn fmt::Display| BrokerError::Unavailable {
            reason: format!("the files for TLS to Redis cannot be used: {why}"),
        };
        if let Some(pem) = &self.tls.authorities {
            let begin = b"-----BEGIN CERTIFICATE-----";
            if !pem.windows(begin.len()).any(|window| window == begin) {
                return Err(unusable(&"no authority's certificate is there in PEM"));
            }
        }
        let tried = self.servers.iter().try_for_each(|address| {
            let client = self.client(address);
            client.map(drop)
        });
        tried.map_err(|error| unusable(&error))
    }

    /// What connects to a server.
    pub(super) fn client(&self, address: &Address) -> RedisResult<Client> {
        let Address { host, port, tls } = address.clone();
        let over = if tls {
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let info = over.into_connection_info()?;
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
        let info = info.set_redis_settings(settings);
        if !tls {
            return Client::open(info);
        }
        let Tls {
            authorities,
            certificate,
        } = self.tls.clone();
        let certificates = TlsCertificates {
            client_tls: certificate.map(|(client_cert, client_key)| ClientTlsConfig {
                client_cert,
                client_key,
            }),
            root_cert: authorities,
        };
        Client::build_with_tls(info, certificates)
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

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Address {
    /// A server on a host.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        Self {
            host,
            port,
            tls: false,
        }
    }

    /// Whether it is spoken to over TLS.
    #[must_use]
    pub fn is_over_tls(&self) -> bool {
        self.tls
    }

    /// Another server, which this one tells of: it is spoken to in the same way.
    pub(super) fn told(&self, host: impl Into<String>, port: u16) -> Self {
        Self {
            tls: self.tls,
            ..Self::new(host, port)
        }
    }

    /// The same, over TLS.
    #[must_use]
    pub fn over_tls(self) -> Self {
        Self { tls: true, ..self }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, tls } = self;
        let scheme = if *tls { "rediss" } else { "redis" };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError)?;
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            _ => return Err(AddressError),
        };
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
        let address = Self::new(host, port);
        Ok(Self { tls, ..address })
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
            "rediss://redis-0.redis:6380",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("redis://a:1/".parse(), Ok(Address::new("a", 1)));
        for text in [
            "127.0.0.1:6379",
            "redisss://a:1",
            "rediss://:pass@a:1",
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
