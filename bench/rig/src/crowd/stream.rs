//! A fan's socket, plain or TLS, without blocking.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use mio::net::TcpStream;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use socket2::{Domain, Protocol, Socket, Type};

/// The name in the benchmark's certificate.
const SERVER_NAME: &str = "fanwave.test";

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Got {
    /// So many bytes, and there may be more.
    More(usize),
    /// So many bytes, and the socket is empty.
    Last(usize),
    /// The peer is gone.
    End,
}

/// One socket.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    unsent: Vec<u8>,
}

/// TLS 1.3 with nothing remembered from fan to fan: every handshake is a whole one.
pub(super) fn tls_client(certificate: &std::path::Path) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

impl Stream {
    /// Begins to connect from `source`. `receive_bytes` narrows the kernel's receive buffer.
    pub(super) fn connect(
        target: SocketAddr,
        source: IpAddr,
        receive_bytes: Option<usize>,
        tls: Option<&Arc<ClientConfig>>,
    ) -> anyhow::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(target),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }

        socket.bind(&SocketAddr::new(source, 0).into())?;
        match socket.connect(&target.into()) {
            Err(error)
                if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
            {
                return Err(error.into());
            }
            Ok(()) | Err(_) => {}
        }
        let tls = match tls {
            Some(config) => Some(Box::new(ClientConnection::new(
                Arc::clone(config),
                ServerName::try_from(SERVER_NAME)?,
            )?)),
            None => None,
        };
        Ok(Self {
            socket: TcpStream::from_std(socket.into()),
            tls,
            unsent: Vec::new(),
        })
    }

    /// Sends, or keeps what the socket does not take for [`Stream::flush`].
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes)?,
            None => self.unsent.extend_from_slice(bytes),
        }
        self.flush()
    }

    /// Sends what was kept.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                match tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            return Ok(());
        }
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.unsent = Vec::new();
        Ok(())
    }

    /// Reads what is there, at most `into.len()` bytes.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<Got> {
        let Some(tls) = &mut self.tls else {
            return match self.socket.read(into) {
                Ok(0) => Ok(Got::End),
                // A short read has emptied the socket (epoll(7), "Questions and answers").
                Ok(read) if read < into.len() => Ok(Got::Last(read)),
                Ok(read) => Ok(Got::More(read)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Got::Last(0)),
                Err(error) => Err(error),
            };
        };
        let fresh = match tls.read_tls(&mut self.socket) {
            Ok(0) => return Ok(Got::End),
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => return Err(error),
        };
        tls.process_new_packets().map_err(io::Error::other)?;
        let read = match tls.reader().read(into) {
            Ok(0) => return Ok(Got::End),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        if tls.wants_write() {
            self.flush()?;
        }
        Ok(if fresh {
            Got::More(read)
        } else {
            Got::Last(read)
        })
    }

    /// Makes closing the socket a reset: the server learns at once, and no port waits.
    pub(super) fn cut(self) {
        // A socket that is gone already needs no cutting.
        let _gone =
            socket2::SockRef::from(&self.socket).set_linger(Some(std::time::Duration::ZERO));
    }
}
