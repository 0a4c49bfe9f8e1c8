//! A viewer's connection, in the clear or over TLS.

use std::{
    fmt,
    io::{self, Read, Write},
    net::SocketAddr,
    path::Path,
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use super::HttpVersion;
use crate::trust::{self, TrustError};

/// What ALPN calls the versions of HTTP (RFC 7301).
const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";

/// Whom viewers speak to over TLS, and what they offer to speak.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// With HTTP/1.1, to a server of that name or address.
    pub(super) fn new(name: ServerName<'static>, ca: Option<&Path>) -> Result<Self, TrustError> {
        let config = trust::client_config(ca)?;
        Ok(Self { config, name })
    }

    /// The same, with that version of HTTP.
    pub(super) fn speaking(&self, version: HttpVersion) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![match version {
            HttpVersion::Http1 => HTTP_1.to_vec(),
            HttpVersion::Http2 => HTTP_2.to_vec(),
        }];
        Self {
            config: Arc::new(config),
            name: self.name.clone(),
        }
    }
}

/// A connection of either kind; see the module. Where the inner one does not block, neither does this.
pub(super) enum Transport<S: Read + Write> {
    Plain(S),
    Tls(Box<StreamOwned<ClientConnection, S>>),
}

/// Says where it is and not what it knows: keys are in there.
impl<S: Read + Write + fmt::Debug> fmt::Debug for Transport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transport").field(self.inner()).finish()
    }
}

impl<S: Read + Write> Transport<S> {
    /// Over a connection that has begun; TLS begins with the first byte that is written.
    pub(super) fn new(stream: S, tls: Option<&Tls>) -> io::Result<Self> {
        let Some(tls) = tls else {
            return Ok(Self::Plain(stream));
        };
        let session = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone())
            .map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(session, stream))))
    }

    /// The socket beneath.
    pub(super) fn inner(&self) -> &S {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => &tls.sock,
        }
    }
}

impl<S: Read + Write> Read for Transport<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(tls) => {
                let read = tls.read(buffer)?;
                // Whoever offers one protocol speaks it, whatever the server has chosen, if it has.
                if read > 0 && tls.conn.alpn_protocol().is_none() {
                    let why =
                        "the server does not say over TLS that it speaks this version of HTTP";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
                Ok(read)
            }
        }
    }
}

impl<S: Read + Write> Write for Transport<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

/// What went wrong, for a list in which the same stands once.
pub(super) fn why(error: &io::Error) -> String {
    match error.get_ref() {
        Some(why) => why.to_string(),
        None => error.kind().to_string(),
    }
}

/// The name that a certificate has to be for: HOST of HOST:PORT.
pub(super) fn server_name(host: &str, address: SocketAddr) -> ServerName<'static> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    ServerName::try_from(name.to_owned()).unwrap_or_else(|_| address.ip().into())
}
