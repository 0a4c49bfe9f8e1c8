//! What a fan's bytes come and go through.
//!
//! The rest of the reactor reads and writes plain bytes and is told what was taken; whether those cross a TCP
//! socket, TLS or a pipe to the HTTP side is known here alone. What all streams of a reactor use only while one of them is worked on (the
//! counts of a turn) is in the reactor's one [`Scratch`], not in a hundred thousand records.

use std::{
    io::{self, IoSlice, Read, Write},
    net::Shutdown,
};

use fanwave_wire::limits::PUBLICATION_BYTES_MAX;
use mio::{
    Interest, Registry, Token,
    event::Source,
    net::{TcpStream, UnixStream},
};

use super::tls::TlsStream;
use crate::{limits, metrics::Metrics, transport::SessionSecret};

/// A fan's stream; see the module.
#[derive(Debug)]
pub(crate) enum Stream {
    /// The fan's own socket.
    Tcp(TcpStream),
    /// The fan's own socket, under TLS.
    Tls(Box<TlsStream>),
    /// One end of a pair whose other end an HTTP response reads.
    Pipe(Box<Pipe>),
}

/// What a client hears by when it speaks by other requests.
#[derive(Debug)]
pub(crate) struct Pipe {
    socket: UnixStream,
    /// By which its commands are found to be its own.
    session: SessionSecret,
}

/// What the streams of a reactor use in turn.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) tally: Tally,
    /// Sealed bytes as they came; empty until the first TLS connection, then
    /// [`READ_BUFFER_BYTES`](crate::limits::READ_BUFFER_BYTES).
    pub(super) raw: Vec<u8>,
    /// Sealed bytes as they go. Grows to as many as are sealed at once, and is not cleared.
    pub(super) sealed: Vec<u8>,
    /// What TLS has to say of its own.
    pub(super) asides: Vec<u8>,
    /// Frames of several feeds on their way to one fan; at most [`WRITE_BYTES_MAX`](crate::limits::WRITE_BYTES_MAX) and a
    /// frame.
    pub(super) bundle: Vec<u8>,
}

/// What a turn has written, counted without touching what other threads read.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Messages that fans were sent.
    pub(crate) deliveries: u64,
    /// System calls that wrote.
    pub(crate) writes: u64,
    /// Bytes those took.
    pub(crate) sent_bytes: u64,
}

impl Tally {
    /// Adds the turn to the node's metrics.
    pub(crate) fn settle(&mut self, metrics: &Metrics) {
        let Self {
            deliveries,
            writes,
            sent_bytes,
        } = std::mem::take(self);
        for (counter, count) in [
            (&metrics.deliveries, deliveries),
            (&metrics.writes, writes),
            (&metrics.sent_bytes, sent_bytes),
        ] {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }
}

/// What became of plain bytes that were to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// So many of them need not be written again.
    pub(crate) bytes: usize,
    /// The socket is full: the poll tells when it no longer is.
    pub(crate) full: bool,
}

impl Stream {
    /// A stream into a response; the socket is non-blocking.
    pub(crate) fn pipe(socket: std::os::unix::net::UnixStream, session: SessionSecret) -> Self {
        Self::Pipe(Box::new(Pipe {
            socket: UnixStream::from_std(socket),
            session,
        }))
    }

    /// The session whose commands come by other requests, if it is such a one.
    pub(crate) fn session(&self) -> Option<SessionSecret> {
        match self {
            Self::Tcp(_) | Self::Tls(_) => None,
            Self::Pipe(pipe) => Some(pipe.session),
        }
    }

    /// Reads plain bytes.
    ///
    /// # Errors
    ///
    /// As for a socket: `WouldBlock` when there is nothing now; 0 is the end of the stream.
    pub(crate) fn read(&mut self, buffer: &mut [u8], scratch: &mut Scratch) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Tls(tls) => tls.read(buffer, scratch),
            Self::Pipe(pipe) => pipe.socket.read(buffer),
        }
    }

    /// Writes plain bytes, given in two pieces of which the second may be empty, as far as the socket takes them now.
    ///
    /// # Errors
    ///
    /// The peer is gone.
    pub(crate) fn write(
        &mut self,
        first: &[u8],
        second: &[u8],
        scratch: &mut Scratch,
    ) -> io::Result<Taken> {
        let bytes = match self {
            Self::Tcp(socket) => write_once(socket, first, second, &mut scratch.tally)?,
            Self::Tls(tls) => return tls.write(first, second, scratch),
            Self::Pipe(pipe) => write_once(&mut pipe.socket, first, second, &mut scratch.tally)?,
        };
        Ok(Taken {
            bytes,
            full: bytes < first.len() + second.len(),
        })
    }

    /// After how many bytes of whole frames a write should end, so that all of them are taken at once if any are.
    pub(crate) fn write_bytes_max(&self) -> usize {
        match self {
            Self::Tls(_) => limits::TLS_WRITE_BYTES_MAX - PUBLICATION_BYTES_MAX,
            Self::Tcp(_) | Self::Pipe(_) => limits::WRITE_BYTES_MAX,
        }
    }

    /// Goes on with what was taken and is still here; whether the socket has all of it now.
    ///
    /// # Errors
    ///
    /// The peer is gone.
    pub(crate) fn flush(&mut self, scratch: &mut Scratch) -> io::Result<bool> {
        match self {
            Self::Tls(tls) => tls.flush(&mut scratch.tally),
            Self::Tcp(_) | Self::Pipe(_) => Ok(true),
        }
    }

    /// Whether the socket has everything that was taken.
    pub(crate) fn is_flushed(&self) -> bool {
        match self {
            Self::Tls(tls) => tls.is_flushed(),
            Self::Tcp(_) | Self::Pipe(_) => true,
        }
    }

    /// Ends our half of the stream, behind everything that was written.
    ///
    /// # Errors
    ///
    /// The peer is gone.
    pub(crate) fn shutdown(&mut self, scratch: &mut Scratch) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Self::Tls(tls) => tls.shutdown(scratch),
            Self::Pipe(pipe) => pipe.socket.shutdown(Shutdown::Write),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(socket) => socket,
            Self::Tls(tls) => &mut tls.socket,
            Self::Pipe(pipe) => &mut pipe.socket,
        }
    }
}

impl From<std::net::TcpStream> for Stream {
    fn from(socket: std::net::TcpStream) -> Self {
        Self::Tcp(TcpStream::from_std(socket))
    }
}

impl Source for Stream {
    fn register(&mut self, poll: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        self.source().register(poll, token, interest)
    }

    fn reregister(&mut self, poll: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        self.source().reregister(poll, token, interest)
    }

    fn deregister(&mut self, poll: &Registry) -> io::Result<()> {
        self.source().deregister(poll)
    }
}

/// One `send` or `writev`; what the socket does not take now is 0 bytes, not an error.
pub(super) fn write_once(
    socket: &mut impl Write,
    first: &[u8],
    second: &[u8],
    tally: &mut Tally,
) -> io::Result<usize> {
    loop {
        let result = if second.is_empty() {
            socket.write(first)
        } else {
            socket.write_vectored(&[IoSlice::new(first), IoSlice::new(second)])
        };
        tally.writes += 1;
        match result {
            Ok(written) => {
                tally.sent_bytes += written as u64;
                return Ok(written);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
