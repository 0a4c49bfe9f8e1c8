//! One connection: the socket, its upgrade to WebSocket, and what waits to be written.
//!
//! The socket is registered edge-triggered for both directions once and never again. The link knows frames, but not
//! what they mean.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use fanwave_wire::ws::frame::CONTROL_BYTES_MAX;
use mio::{Interest, Registry, Token, net::TcpStream};
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    lost::{ENDED, Lost},
    tls::TlsStream,
};
use crate::{
    Target,
    frames::{self, FrameReader},
    limits::{READ_BUFFER_BYTES, UNSENT_BYTES_MAX, UPGRADE_BYTES_MAX},
    protocol::{self, Encoding},
};

/// Receive buffer of a fan that never reads: the sooner it is full, the sooner the server has to decide.
const DEAF_BUFFER_BYTES: usize = 4 * 1024;

/// A connection that is being made, or is there.
#[derive(Debug)]
pub(super) struct Link {
    stream: Stream,
    upgrade: Upgrade,
    pub(super) frames: FrameReader,
    /// Empty for a good peer: it holds what the kernel did not take.
    unsent: Vec<u8>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

/// What one read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Nothing for now.
    Nothing,
    /// So many plain bytes; none when what came was TLS' own.
    Some {
        /// How many.
        bytes: usize,
        /// The socket gave as much as was asked for: there may be more.
        more: bool,
    },
}

/// The buffers of a worker, lent to whoever reads.
#[derive(Debug)]
pub(super) struct Buffers {
    /// What is read, once it is plain.
    pub(super) plain: Vec<u8>,
    /// What comes off a socket with TLS; empty when there is none.
    raw: Vec<u8>,
}

impl Buffers {
    /// All buffers of a worker.
    pub(super) fn new(tls: bool) -> Self {
        Self {
            plain: vec![0; READ_BUFFER_BYTES],
            raw: vec![0; if tls { READ_BUFFER_BYTES } else { 0 }],
        }
    }
}

#[derive(Debug)]
enum Upgrade {
    /// The request is not sent yet: TCP's own handshake is under way.
    Opening,
    /// The same, but it is TLS' handshake.
    Securing,
    /// The request is sent; this much of the answer has come.
    Asked(Vec<u8>),
    /// Frames from here on.
    Done,
}

/// How a fan reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    /// As fast as it can.
    Good,
    /// Not at all, once it is connected.
    Deaf,
}

/// Begins to connect, from this address if there is one.
pub(super) fn dial(
    address: SocketAddr,
    source: Option<IpAddr>,
    hearing: Hearing,
) -> Result<TcpStream, Lost> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    // Whoever closes first keeps the port for a minute (TIME-WAIT), and a storm would soon have no ports left to come back
    // from, nor the next run. A close that resets keeps none, and is as sudden as a lost network.
    socket.set_linger(Some(Duration::ZERO))?;
    if hearing == Hearing::Deaf {
        socket.set_recv_buffer_size(DEAF_BUFFER_BYTES)?;
    }
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error)
            if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from_std(socket.into()))
}

impl Link {
    /// Takes a socket that is being connected, and watches it.
    pub(super) fn new(
        mut stream: TcpStream,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, Lost> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream: Stream::Plain(stream),
            upgrade: Upgrade::Opening,
            frames: FrameReader::default(),
            unsent: Vec::new(),
        })
    }

    /// The same with TLS: before anything else, the server proves that it is who it is named.
    pub(super) fn secured(self, trust: Arc<ClientConfig>, name: &str) -> Result<Self, Lost> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| Lost::Tls(error.to_string().into()))?;
        let stream = match self.stream {
            Stream::Plain(socket) => Stream::Tls(Box::new(TlsStream::new(trust, name, socket)?)),
            secured @ Stream::Tls(_) => secured,
        };
        Ok(Self { stream, ..self })
    }

    /// The socket can be written to: go on with connecting, or send what waits.
    pub(super) fn handle_writable(
        &mut self,
        target: &Target,
        encoding: Encoding,
    ) -> Result<(), Lost> {
        if !matches!(self.upgrade, Upgrade::Opening) {
            return self.flush();
        }
        let socket = match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.socket(),
        };
        if let Some(error) = socket.take_error()? {
            return Err(error.into());
        }
        match socket.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        self.upgrade = Upgrade::Securing;
        match &mut self.stream {
            Stream::Plain(_) => self.ask(target, encoding),
            Stream::Tls(stream) => stream.begin(),
        }
    }

    /// Asks for the upgrade as soon as it can be read by nobody else.
    pub(super) fn ask(&mut self, target: &Target, encoding: Encoding) -> Result<(), Lost> {
        let secret = match &self.stream {
            Stream::Plain(_) => true,
            Stream::Tls(stream) => !stream.is_handshaking(),
        };
        if !secret || !matches!(self.upgrade, Upgrade::Securing) {
            return Ok(());
        }
        self.upgrade = Upgrade::Asked(Vec::new());
        self.send_raw(encoding.upgrade(target).as_bytes())
    }

    /// Reads once into the shared buffers.
    pub(super) fn read(&mut self, buffers: &mut Buffers) -> Result<Pass, Lost> {
        let is_open = self.is_open();
        let stream = match &mut self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => {
                let read = stream.read(&mut buffers.raw, &mut buffers.plain);
                return read.map_err(|lost| lost.after(is_open));
            }
        };
        loop {
            match stream.read(&mut buffers.plain) {
                Ok(0) => return Err(ENDED),
                Ok(bytes) => {
                    let more = bytes == buffers.plain.len();
                    return Ok(Pass::Some { bytes, more });
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected => {
                        return Ok(Pass::Nothing);
                    }
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(Lost::from(error).after(is_open)),
                },
            }
        }
    }

    /// Whether frames are spoken.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.upgrade, Upgrade::Done)
    }

    /// Takes the answer to the upgrade off the input. Returns whether it is whole, and frames follow.
    pub(super) fn read_upgrade(&mut self, input: &mut &[u8]) -> Result<bool, Lost> {
        let Upgrade::Asked(answer) = &mut self.upgrade else {
            return Ok(self.is_open());
        };
        let before = answer.len();
        answer.extend_from_slice(&input[..input.len().min(UPGRADE_BYTES_MAX)]);
        let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n") else {
            *input = &[];
            return if answer.len() >= UPGRADE_BYTES_MAX {
                Err(Lost::NoHttp)
            } else {
                Ok(false)
            };
        };
        let status = protocol::http_status(answer).ok_or(Lost::NoHttp)?;
        if status != 101 {
            return Err(Lost::Status(status));
        }
        *input = &input[end + 4 - before..];
        self.upgrade = Upgrade::Done;
        Ok(true)
    }

    /// Sends a message, as text or binary as its form of the protocol wants it.
    pub(super) fn send(&mut self, message: &[u8], encoding: Encoding) -> Result<(), Lost> {
        let mut frame = Vec::with_capacity(message.len() + 16);
        encoding.push_frame(&mut frame, message);
        self.send_raw(&frame)
    }

    /// Answers a WebSocket ping.
    pub(super) fn send_pong(&mut self, payload: &[u8]) -> Result<(), Lost> {
        let mut frame = Vec::with_capacity(CONTROL_BYTES_MAX + 8);
        frames::push_pong(&mut frame, payload);
        self.send_raw(&frame)
    }

    fn send_raw(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        let is_open = self.is_open();
        if let Stream::Tls(stream) = &mut self.stream {
            stream.write(bytes).map_err(|lost| lost.after(is_open))?;
            return if stream.unsent() > UNSENT_BYTES_MAX {
                Err(Lost::TimedOut)
            } else {
                Ok(())
            };
        }
        if self.unsent.is_empty() {
            let sent = self.write(bytes)?;
            self.unsent.extend_from_slice(&bytes[sent..]);
        } else {
            self.unsent.extend_from_slice(bytes);
        }
        if self.unsent.len() > UNSENT_BYTES_MAX {
            return Err(Lost::TimedOut);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Lost> {
        let is_open = self.is_open();
        if let Stream::Tls(stream) = &mut self.stream {
            return stream.flush().map_err(|lost| lost.after(is_open));
        }
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        let sent = self.write(&unsent)?;
        if sent < unsent.len() {
            self.unsent = unsent[sent..].to_vec();
        }
        Ok(())
    }

    /// Writes what the kernel takes.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Lost> {
        let is_open = self.is_open();
        let mut sent = 0;
        let Stream::Plain(stream) = &mut self.stream else {
            return Ok(sent);
        };
        while sent < bytes.len() {
            match stream.write(&bytes[sent..]) {
                Ok(0) => return Err(ENDED),
                Ok(written) => sent += written,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(Lost::from(error).after(is_open)),
                },
            }
        }
        Ok(sent)
    }
}
