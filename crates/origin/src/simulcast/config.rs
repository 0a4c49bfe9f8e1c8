//! Where shows are pushed on to, checked once at the start.

use std::{fmt, str::FromStr, sync::Arc};

use fanwave_wire::RoomId;
use thiserror::Error;
use tokio_rustls::rustls::ClientConfig;

use crate::{
    config::{ChannelConfig, Secret},
    limits::{
        SIMULCAST_ADDRESS_BYTES_MAX, SIMULCAST_CHANNEL_TARGETS_MAX, SIMULCAST_NAME_CHARS_MAX,
        SIMULCAST_TARGETS_MAX,
    },
};

const RTMP_PORT: u16 = 1_935;
const RTMPS_PORT: u16 = 443;

/// One platform that a channel's shows are pushed on to.
#[derive(Debug, Clone)]
pub struct SimulcastConfig {
    /// Whose shows.
    pub channel: RoomId,
    /// What it is called where people and metrics are told of it; no two of a channel alike.
    pub name: Arc<str>,
    /// Where it is.
    pub address: PushAddress,
    /// The stream key that the platform has given.
    pub key: Secret,
    /// Whose certificates are believed where it is `rtmps`.
    pub tls: Arc<ClientConfig>,
}

/// Where a platform takes shows: `rtmp://` or `rtmps://`, a host, a port if it is not the usual one, and an application.
///
/// Some platforms put a secret into the path, so that `Debug` shows the host alone.
#[derive(Clone, PartialEq, Eq)]
pub struct PushAddress {
    is_secure: bool,
    host: Arc<str>,
    port: u16,
    app: Box<str>,
    tc_url: Box<str>,
}

/// Why a text is no address of a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "must be rtmp:// or rtmps://, a host, a port if it is not the usual one, and an application, without the stream key: \
     \"rtmps://live.example/app\""
)]
pub struct NoPushAddress;

impl PushAddress {
    /// Whether it is called over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Its host, a name or an IP address without brackets.
    #[must_use]
    pub fn host(&self) -> &Arc<str> {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What RTMP calls the application.
    pub(super) fn app(&self) -> &str {
        &self.app
    }

    /// The whole of it, as RTMP wants it repeated.
    pub(super) fn tc_url(&self) -> &str {
        &self.tc_url
    }
}

impl fmt::Debug for PushAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushAddress")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl FromStr for PushAddress {
    type Err = NoPushAddress;

    fn from_str(text: &str) -> Result<Self, NoPushAddress> {
        if text.len() > SIMULCAST_ADDRESS_BYTES_MAX {
            return Err(NoPushAddress);
        }
        let (scheme, rest) = text.split_once("://").ok_or(NoPushAddress)?;
        let is_secure = match scheme {
            "rtmp" => false,
            "rtmps" => true,
            _ => return Err(NoPushAddress),
        };
        let (authority, app) = rest.split_once('/').ok_or(NoPushAddress)?;
        let app = app.trim_end_matches('/');
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~/%+=:".contains(&b);
        if app.is_empty() || !app.bytes().all(legal) {
            return Err(NoPushAddress);
        }
        let usual = if is_secure { RTMPS_PORT } else { RTMP_PORT };
        let (host, port) = host_and_port(authority, usual)?;
        Ok(Self {
            is_secure,
            host: host.into(),
            port,
            app: app.into(),
            tc_url: format!("{scheme}://{authority}/{app}").into(),
        })
    }
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn host_and_port(authority: &str, usual: u16) -> Result<(&str, u16), NoPushAddress> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(NoPushAddress)?;
            host.parse::<std::net::Ipv6Addr>()
                .map_err(|_| NoPushAddress)?;
            (host, port)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (host, port) = authority.split_at(end);
            let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            if host.is_empty() || !host.bytes().all(legal) {
                return Err(NoPushAddress);
            }
            (host, port)
        }
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => usual,
        None => return Err(NoPushAddress),
        Some(number) => number
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or(NoPushAddress)?,
    };
    Ok((host, port))
}

/// Why shows cannot be pushed on as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SimulcastError {
    /// More than the origin has tasks for.
    #[error("more than {SIMULCAST_TARGETS_MAX} platforms to push shows on to")]
    TooMany,
    /// More than a channel has.
    #[error("more than {SIMULCAST_CHANNEL_TARGETS_MAX} platforms to push {channel} on to")]
    TooManyOfChannel {
        /// The channel.
        channel: RoomId,
    },
    /// There is no such channel.
    #[error("shows of {channel} are to be pushed on, and there is no such channel")]
    NoChannel {
        /// The channel.
        channel: RoomId,
    },
    /// A name that cannot be shown.
    #[error("a platform's name has 1 to {SIMULCAST_NAME_CHARS_MAX} characters, on one line")]
    Name,
    /// One name twice.
    #[error("two platforms of {channel} are called {name}")]
    SameName {
        /// The channel.
        channel: RoomId,
        /// The name.
        name: Arc<str>,
    },
}

/// Whether a platform can be called so.
#[must_use]
pub fn is_push_name(name: &str) -> bool {
    let chars = name.chars().count();
    (1..=SIMULCAST_NAME_CHARS_MAX).contains(&chars)
        && name.trim() == name
        && !name.chars().any(char::is_control)
}

/// Whether these can be pushed to.
pub(crate) fn check(
    targets: &[SimulcastConfig],
    channels: &[ChannelConfig],
) -> Result<(), SimulcastError> {
    if targets.len() > SIMULCAST_TARGETS_MAX {
        return Err(SimulcastError::TooMany);
    }
    for (index, target) in targets.iter().enumerate() {
        let channel = || target.channel.clone();
        if !is_push_name(&target.name) {
            return Err(SimulcastError::Name);
        }
        if !channels.iter().any(|known| known.id == target.channel) {
            return Err(SimulcastError::NoChannel { channel: channel() });
        }
        let of_channel = |other: &&SimulcastConfig| other.channel == target.channel;
        let earlier: Vec<_> = targets.iter().take(index).filter(of_channel).collect();
        if earlier.iter().any(|other| other.name == target.name) {
            return Err(SimulcastError::SameName {
                channel: channel(),
                name: Arc::clone(&target.name),
            });
        }
        if earlier.len() >= SIMULCAST_CHANNEL_TARGETS_MAX {
            return Err(SimulcastError::TooManyOfChannel { channel: channel() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(bool, String, u16, String, String)> {
        let address: PushAddress = text.parse().ok()?;
        let PushAddress {
            is_secure,
            host,
            port,
            app,
            tc_url,
        } = address;
        Some((is_secure, host.to_string(), port, app.into(), tc_url.into()))
    }

    fn is(text: &str, (is_secure, host, port, app): (bool, &str, u16, &str), tc_url: &str) -> bool {
        parsed(text) == Some((is_secure, host.into(), port, app.into(), tc_url.into()))
    }

    #[test]
    fn addresses_are_those_that_platforms_tell() {
        assert!(is(
            "rtmp://live.example/app",
            (false, "live.example", 1_935, "app"),
            "rtmp://live.example/app"
        ));
        assert!(is(
            "rtmps://live.example:4443/rtmp/",
            (true, "live.example", 4_443, "rtmp"),
            "rtmps://live.example:4443/rtmp"
        ));
        assert!(is(
            "rtmps://[2001:db8::7]/app/instance",
            (true, "2001:db8::7", 443, "app/instance"),
            "rtmps://[2001:db8::7]/app/instance"
        ));
        for wrong in [
            "",
            "live.example/app",
            "http://live.example/app",
            "rtmp://live.example",
            "rtmp://live.example/",
            "rtmp:///app",
            "rtmp://live.example:0/app",
            "rtmp://live.example:port/app",
            "rtmp://live.example:70000/app",
            "rtmp://ana:word@live.example/app",
            "rtmp://[::1/app",
            "rtmp://[live]/app",
            "rtmp://live.example/app?key=canary",
            "rtmp://live.example/an app",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
        let long = format!("rtmp://live.example/{}", "a".repeat(600));
        assert_eq!(parsed(&long), None);
    }

    #[test]
    fn a_path_is_not_shown() {
        let address: PushAddress = "rtmp://live.example/canary".parse().unwrap();
        let shown = format!("{address:?}");
        assert!(
            shown.contains("live.example") && !shown.contains("canary"),
            "{shown}"
        );
    }
}
