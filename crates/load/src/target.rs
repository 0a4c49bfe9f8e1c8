//! Where the load goes: one WebSocket address, and the HTTP port beside it.
//!
//! Load goes to what the user named and nowhere else: no redirect is followed, no other address of a name is tried.

use std::net::{SocketAddr, ToSocketAddrs};

use fanwave_wire::path;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A server under load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The chat.
    pub chat: Endpoint,
    /// Path of the WebSocket.
    pub path: String,
    /// Guests and playlists.
    pub http: Endpoint,
}

/// A port, and what its requests say in `Host`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Name and port, as the user wrote them.
    pub host: String,
    /// The address that the name has.
    pub address: SocketAddr,
    /// TLS is spoken there.
    pub tls: bool,
}

/// Why a target cannot be one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TargetError {
    /// A scheme that is not spoken.
    #[error("`{scheme}://` is not spoken here; write ws://HOST:PORT, or wss://HOST:PORT for TLS")]
    Scheme {
        /// What was written.
        scheme: String,
    },
    /// No port, or not a number.
    #[error("`{host}` has no port; write ws://HOST:PORT, for example ws://127.0.0.1:8080")]
    Port {
        /// What was written.
        host: String,
    },
    /// The name has no address.
    #[error("`{host}` has no address: {source}")]
    Resolve {
        /// What was written.
        host: String,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Target {
    /// Reads `ws://HOST:PORT[/path]`, `http://HOST:PORT`, the same over TLS as `wss://` and `https://`, or `HOST:PORT`. Without a path it is Centrifuge's usual one;
    /// without an HTTP address it is the same port.
    ///
    /// # Errors
    ///
    /// See [`TargetError`].
    pub fn parse(chat: &str, http: Option<&str>) -> Result<Self, TargetError> {
        let (scheme, host, rest) = split(chat)?;
        let chat = Endpoint::resolve(host, scheme)?;
        let http = match http {
            Some(url) => {
                let (scheme, host, _) = split(url)?;
                Endpoint::resolve(host, scheme)?
            }
            None => chat.clone(),
        };
        let path = if matches!(rest, "" | "/") {
            path::WEBSOCKET
        } else {
            rest
        };
        Ok(Self {
            chat,
            path: path.to_owned(),
            http,
        })
    }
}

impl Endpoint {
    fn resolve(host: &str, scheme: Scheme) -> Result<Self, TargetError> {
        let port = host.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(1..))) {
            return Err(TargetError::Port {
                host: host.to_owned(),
            });
        }
        let failed = |source| TargetError::Resolve {
            host: host.to_owned(),
            source,
        };
        let nowhere = || failed(std::io::ErrorKind::NotFound.into());
        let mut addresses = host.to_socket_addrs().map_err(failed)?;
        Ok(Self {
            host: host.to_owned(),
            address: addresses.next().ok_or_else(nowhere)?,
            tls: scheme == Scheme::Secure,
        })
    }

    /// The name alone, which a certificate is made for.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = self
            .host
            .rsplit_once(':')
            .map_or(self.host.as_str(), |(name, _)| name);
        name.trim_start_matches('[').trim_end_matches(']')
    }
}

/// How a URL begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// `ws://`, `http://` or nothing.
    Plain,
    /// `wss://` or `https://`.
    Secure,
}

/// How it begins, host with port, and the path.
fn split(url: &str) -> Result<(Scheme, &str, &str), TargetError> {
    let (scheme, rest) = match url.split_once("://") {
        Some(("ws" | "http", rest)) => (Scheme::Plain, rest),
        Some(("wss" | "https", rest)) => (Scheme::Secure, rest),
        Some((scheme, _)) => {
            return Err(TargetError::Scheme {
                scheme: scheme.to_owned(),
            });
        }
        None => (Scheme::Plain, url),
    };
    let slash = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(slash);
    Ok((scheme, host, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_the_usual_path_unless_it_says_another() {
        let plain = Target::parse("127.0.0.1:8080", None).unwrap();
        assert_eq!(plain.path, "/connection/websocket");
        assert_eq!(plain.chat.address, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(plain.http, plain.chat);
        let own = Target::parse("ws://[::1]:81/chat", Some("http://127.0.0.1:82/")).unwrap();
        assert_eq!(
            (own.path.as_str(), own.chat.host.as_str()),
            ("/chat", "[::1]:81")
        );
        assert_eq!(own.http.address.port(), 82);
        assert_eq!((own.chat.name(), own.chat.tls), ("::1", false));
        let secure = Target::parse("wss://localhost:443", None).unwrap();
        assert_eq!((secure.chat.name(), secure.http.tls), ("localhost", true));
    }

    #[test]
    fn what_is_no_target_is_explained() {
        for (url, word) in [
            ("udp://127.0.0.1:1", "wss://"),
            ("ftp://127.0.0.1:1", "ftp"),
            ("127.0.0.1", "has no port"),
            ("127.0.0.1:0", "has no port"),
            ("127.0.0.1:http", "has no port"),
        ] {
            let error = Target::parse(url, None).unwrap_err().to_string();
            assert!(error.contains(word), "{url}: {error}");
        }
    }
}
