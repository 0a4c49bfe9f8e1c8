//! Which NATS, and how it is used.

use std::{fmt, path::PathBuf, time::Duration};

use async_nats::{
    ConnectOptions, ServerAddr,
    jetstream::stream::{Config, Republish, StorageType},
};
use fanwave_wire::Lane;
use thiserror::Error;

use super::names::{Names, is_prefix};
use crate::{
    limits::{
        NATS_CHAT_AGE_DEFAULT, NATS_HEARD_MAX, NATS_PARTITIONS_DEFAULT, NATS_RECONNECT_AFTER,
        NATS_RECONNECT_MAX, NATS_REQUEST_MAX,
    },
    shared::BrokerError,
};

/// Which NATS, and how it is used.
#[derive(Clone)]
pub struct NatsConfig {
    /// Some servers of the cluster.
    pub servers: Vec<Address>,
    /// Who this server is to NATS.
    pub login: Login,
    /// How the connection is secured beyond what the addresses say.
    pub tls: Tls,
    /// What the names of streams and subjects begin with; the same on every server, and for ever.
    pub prefix: Prefix,
    /// Into how many partitions the rooms are divided; the same on every server, and for ever.
    pub partitions: u16,
    /// How many servers of NATS keep each message: 1, 3 or 5.
    pub replicas: u8,
    /// How long the messages of chat lanes are kept; `None` keeps them for ever. Other lanes are always kept.
    pub chat_age: Option<Duration>,
    /// How many bytes of chat lanes are kept, of all rooms together; the oldest make way. `None` sets no limit.
    pub chat_bytes: Option<u64>,
}

/// Who a server is to NATS.
#[derive(Clone, Default)]
pub enum Login {
    /// Nobody.
    #[default]
    None,
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// Their password.
        password: String,
    },
    /// A file with a user's token and key, as NATS' own tools write it.
    CredentialsFile(PathBuf),
}

/// How a connection is secured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// A file with the certificates of authorities, beside those of the system.
    pub authorities: Option<PathBuf>,
    /// Files with a certificate and its key, for servers that ask for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// What the names of streams and subjects begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

/// A text that is no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a prefix is made of 1 to 32 of a-z A-Z 0-9 - _")]
pub struct PrefixError;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(ServerAddr);

/// A text that is no address of a NATS server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an address is nats://HOST:PORT or tls://HOST:PORT, without a user and a password")]
pub struct AddressError;

impl NatsConfig {
    /// These servers, used as by default.
    #[must_use]
    pub fn new(servers: Vec<Address>) -> Self {
        Self {
            servers,
            login: Login::None,
            tls: Tls::default(),
            prefix: Prefix::default(),
            partitions: NATS_PARTITIONS_DEFAULT,
            replicas: 1,
            chat_age: Some(NATS_CHAT_AGE_DEFAULT),
            chat_bytes: None,
        }
    }

    pub(super) fn names(&self) -> Names {
        Names::new(&self.prefix.0, self.partitions)
    }

    pub(super) fn addresses(&self) -> Vec<ServerAddr> {
        self.servers.iter().map(|server| server.0.clone()).collect()
    }

    /// How to connect, and to come back.
    pub(super) async fn options(&self) -> Result<ConnectOptions, BrokerError> {
        let mut options = ConnectOptions::new()
            .name("fanwave")
            .retry_on_initial_connect()
            .max_reconnects(None)
            .request_timeout(Some(NATS_REQUEST_MAX))
            .connection_timeout(NATS_REQUEST_MAX)
            .ping_interval(PING_EVERY)
            .subscription_capacity(NATS_HEARD_MAX)
            .reconnect_delay_callback(reconnect_after);
        options = match &self.login {
            Login::None => options,
            Login::Password { user, password } => {
                options.user_and_password(user.clone(), password.clone())
            }
            Login::CredentialsFile(path) => {
                let with = options.credentials_file(path).await;
                with.map_err(|error| BrokerError::Unavailable {
                    reason: format!(
                        "the credentials in {} cannot be used: {error}",
                        path.display()
                    ),
                })?
            }
        };
        if let Some(authorities) = &self.tls.authorities {
            options = options.add_root_certificates(authorities.clone());
        }
        if let Some((certificate, key)) = &self.tls.certificate {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        Ok(options)
    }

    /// The two streams, as they are to be; what an existing one has besides is left alone.
    pub(super) fn streams(&self, names: &Names) -> [Config; 2] {
        let (source, destination) = names.republished();
        let stream = |name: String, lanes: &[Lane]| Config {
            name,
            subjects: names.subjects(lanes),
            storage: StorageType::File,
            num_replicas: usize::from(self.replicas),
            max_bytes: -1,
            max_messages: -1,
            max_messages_per_subject: -1,
            max_consumers: -1,
            allow_direct: true,
            republish: Some(Republish {
                source: source.clone(),
                destination: destination.clone(),
                headers_only: false,
            }),
            ..Config::default()
        };
        let mut chat = stream(names.chat_stream(), &[Lane::Chat]);
        chat.max_age = self.chat_age.unwrap_or_default();
        chat.max_bytes = self
            .chat_bytes
            .map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let events = stream(
            names.events_stream(),
            &[Lane::Room, Lane::Staff, Lane::Vote],
        );
        [chat, events]
    }
}

/// How often a NATS that says nothing is asked for a sign of life; two that are missing end the connection.
const PING_EVERY: Duration = Duration::from_secs(2);

/// Each server waits for another length of time, so that they do not all come back at once.
fn reconnect_after(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or(u32::MAX)
        .min(8);
    let longest = (NATS_RECONNECT_AFTER * (1 << doublings)).min(NATS_RECONNECT_MAX);
    longest / 2 + part(longest / 2)
}

/// A part of a length of time, at random; all of it, where there is no chance to be had.
pub(super) fn part(span: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    span.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig")
            .field("servers", &self.servers)
            .field("prefix", &self.prefix)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("fanwave".to_owned())
    }
}

impl std::str::FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        is_prefix(text)
            .then(|| Self(text.to_owned()))
            .ok_or(PrefixError)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let known = text.starts_with("nats://") || text.starts_with("tls://");
        let address: ServerAddr = text.parse().map_err(|_| AddressError)?;
        // Secrets stand in files, and a path means nothing.
        let url = address.clone().into_inner();
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.host().is_some()
            && matches!(url.path(), "" | "/")
            && url.query().is_none();
        (known && plain)
            .then_some(Self(address))
            .ok_or(AddressError)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_url_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_no_secrets() {
        for text in [
            "nats://127.0.0.1:4222",
            "tls://nats-0.nats:4222",
            "nats://[::1]:1",
        ] {
            assert!(text.parse::<Address>().is_ok(), "{text}");
        }
        for text in [
            "127.0.0.1:4222",
            "nats://user:pass@a:1",
            "nats://token@a:1",
            "ws://a:1",
            "nats://a:1/path",
            "nats://a:b",
            "",
        ] {
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
        }
    }

    #[test]
    fn nothing_that_is_printed_has_a_secret() {
        let mut config = NatsConfig::new(vec!["nats://a:1".parse().unwrap()]);
        config.login = Login::Password {
            user: "user".to_owned(),
            password: "hunter2".to_owned(),
        };
        let printed = format!("{config:?} {:?}", config.login);
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn servers_come_back_at_different_times_and_soon() {
        let waits: Vec<_> = (0..100).map(|_| reconnect_after(40)).collect();
        assert!(waits.iter().all(|wait| *wait <= NATS_RECONNECT_MAX));
        assert!(waits.iter().all(|wait| *wait >= NATS_RECONNECT_MAX / 2));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
        assert!(reconnect_after(0) <= NATS_RECONNECT_AFTER);
    }
}
