//! The first look at a show, before anybody is sent there: where it is, and what its renditions are.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    path::Path,
    time::Duration,
};

use thiserror::Error;

use super::{
    crowd::socket_for,
    playlist::unpacked,
    transport::{Tls, Transport, server_name},
};
use crate::{limits::PLAYLIST_BYTES_MAX, trust::TrustError, worker::playlist};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nobody can be sent there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScoutError {
    /// Not an address of a playlist.
    #[error(
        "`{0}` is no address of a playlist: write http://HOST:PORT/live/CHANNEL/master.m3u8, or https:// for TLS"
    )]
    Address(String),
    /// Over TLS nobody can be believed.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Nothing is there, or not in time.
    #[error("no answer from {address}: {source}")]
    Answer {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Something else is there.
    #[error("{path} is answered {status}, and a playlist was expected: is the show on?")]
    Status {
        /// What was asked for.
        path: String,
        /// How that was answered.
        status: String,
    },
    /// The poll.
    #[error("the generator cannot watch its sockets: {0}")]
    Poll(#[from] io::Error),
}

/// Where the show is.
#[derive(Debug, Clone)]
pub(super) struct Show {
    pub(super) address: SocketAddr,
    /// As the user wrote it, with its port.
    pub(super) host: String,
    /// How it is spoken to over TLS, if it is.
    pub(super) tls: Option<Tls>,
    /// Paths of the media playlists.
    pub(super) renditions: Vec<String>,
}

impl Show {
    /// Looks at the multivariant playlist; where only the server matters, nothing of the show.
    pub(super) fn find(url: &str, ca: Option<&Path>, look: bool) -> Result<Self, ScoutError> {
        let wrong = || ScoutError::Address(url.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        if !["http", "https"].contains(&scheme) {
            return Err(wrong());
        }
        let (host, path) = rest.split_once('/').ok_or_else(wrong)?;
        let address = host
            .to_socket_addrs()
            .ok()
            .and_then(|mut found| found.next())
            .ok_or_else(wrong)?;
        let tls = (scheme == "https").then(|| Tls::new(server_name(host, address), ca));
        let mut show = Self {
            address,
            host: host.to_owned(),
            tls: tls.transpose()?,
            renditions: Vec::new(),
        };
        if look {
            let path = format!("/{path}");
            let text = show.get(&path)?;
            show.renditions = playlist::renditions(&path, &text);
            if show.renditions.is_empty() {
                return Err(ScoutError::Status {
                    path,
                    status: "with no variant".to_owned(),
                });
            }
        }
        Ok(show)
    }

    fn get(&self, path: &str) -> Result<String, ScoutError> {
        let answer = self.exchange(path).map_err(|source| ScoutError::Answer {
            address: self.address,
            source,
        })?;
        let end = memchr::memmem::find(&answer, b"\r\n\r\n").unwrap_or(answer.len());
        let (head, body) = answer.split_at(end);
        let status = head.get(9..12).unwrap_or_default();
        let text = unpacked(body.get(4..).unwrap_or_default());
        match text {
            Some(text) if status == b"200" => Ok(text),
            _ => Err(ScoutError::Status {
                path: path.to_owned(),
                status: String::from_utf8_lossy(status).into_owned(),
            }),
        }
    }

    fn exchange(&self, path: &str) -> io::Result<Vec<u8>> {
        // From where the viewers come: some servers give what they say to one address alone.
        let socket = socket_for(self.address, 0)?;
        socket.connect_timeout(&self.address.into(), PATIENCE)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut stream = Transport::new(stream, self.tls.as_ref())?;
        let host = &self.host;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        let most = u64::try_from(PLAYLIST_BYTES_MAX).unwrap_or(u64::MAX);
        match stream.take(most).read_to_end(&mut answer) {
            // Some servers end a connection without ending TLS; whether the answer is whole is seen from it.
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
            _ => Ok(answer),
        }
    }
}
