//! One connection: the socket, its upgrade to WebSocket, and what waits to be written.
//!
//! The socket is registered edge-triggered for both directions once and never again. The link knows frames, but not
//! what they mean.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use fanwave_wire::ws::frame::CONTROL_BYTES_MAX;
use mio::{Interest, Registry, Token, net::TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    Target,
    frames::{self, FrameError, FrameReader},
    limits::{UNSENT_BYTES_MAX, UPGRADE_BYTES_MAX},
    protocol::{self, Encoding},
};

/// Receive buffer of a fan that never reads: the sooner it is full, the sooner the server has to decide.
const DEAF_BUFFER_BYTES: usize = 4 * 1024;

/// A connection that is being made, or is there.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    upgrade: Upgrade,
    pub(super) frames: FrameReader,
    /// Empty for a good peer: it holds what the kernel did not take.
    unsent: Vec<u8>,
}

#[derive(Debug)]
enum Upgrade {
    /// The request is not sent yet: TCP's own handshake is under way.
    Opening,
    /// The request is sent; this much of the answer has come.
    Asked(Vec<u8>),
    /// Frames from here on.
    Done,
}

/// Why a connection is no more, or never was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lost {
    /// The system's own reason.
    Io(io::ErrorKind),
    /// There was no local port left to connect from.
    NoPorts,
    /// The server answered the upgrade with another status.
    Status(u16),
    /// The answer to the upgrade was no HTTP.
    NoHttp,
    /// The server breaks the framing.
    Frames,
    /// The server closed with this code; 1006 when it did so without a word.
    Closed(u16),
    /// Nobody answered in time.
    TimedOut,
    /// A command that everything depends on was refused with this error code.
    Refused(u32),
}

/// "1006 is a reserved value": the connection ended without a close frame.
const ABNORMAL: u16 = 1006;

impl Lost {
    /// In words, for the report.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Io(kind) => kind.to_string(),
            Self::NoPorts => "no local port left".to_owned(),
            Self::Status(status) => format!("HTTP status {status}"),
            Self::NoHttp => "not an HTTP answer".to_owned(),
            Self::Frames => "broken WebSocket framing".to_owned(),
            Self::Closed(code) => format!("closed with {code}"),
            Self::TimedOut => "no answer in time".to_owned(),
            Self::Refused(code) => format!("refused with error {code}"),
        }
    }
}

impl Lost {
    /// The close code that it counts as: a connection that was there and just ended has one, too.
    pub(super) const fn close_code(&self, was_live: bool) -> Option<u16> {
        match self {
            Self::Closed(code) => Some(*code),
            _ if was_live => Some(ABNORMAL),
            _ => None,
        }
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => Self::NoPorts,
            kind => Self::Io(kind),
        }
    }
}

impl From<FrameError> for Lost {
    fn from(_: FrameError) -> Self {
        Self::Frames
    }
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
            stream,
            upgrade: Upgrade::Opening,
            frames: FrameReader::default(),
            unsent: Vec::new(),
        })
    }

    /// The socket can be written to: ask for the upgrade, or send what waits.
    pub(super) fn handle_writable(
        &mut self,
        target: &Target,
        encoding: Encoding,
    ) -> Result<(), Lost> {
        if !matches!(self.upgrade, Upgrade::Opening) {
            return self.flush();
        }
        if let Some(error) = self.stream.take_error()? {
            return Err(error.into());
        }
        match self.stream.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        self.upgrade = Upgrade::Asked(Vec::new());
        self.send_raw(encoding.upgrade(target).as_bytes())
    }

    /// Reads once into the shared buffer; `None` when there is nothing more for now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Lost> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(Lost::Closed(ABNORMAL)),
                Ok(bytes) => return Ok(Some(bytes)),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected => return Ok(None),
                    io::ErrorKind::Interrupted => {}
                    // A server that closes while we still write resets: that is an end without a word.
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
                        if self.is_open() =>
                    {
                        return Err(Lost::Closed(ABNORMAL));
                    }
                    _ => return Err(error.into()),
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
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(0) => return Err(Lost::Closed(ABNORMAL)),
                Ok(written) => sent += written,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
                        if self.is_open() =>
                    {
                        return Err(Lost::Closed(ABNORMAL));
                    }
                    _ => return Err(error.into()),
                },
            }
        }
        Ok(sent)
    }
}
