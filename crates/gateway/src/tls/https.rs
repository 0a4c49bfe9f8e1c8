//! TLS under an HTTP server, by the connection of a reactor: so a WebSocket that comes by way of HTTP leaves it whole, keys
//! and all, like one that comes in the clear.
//!
//! What is kept of a connection is what a reactor keeps ([`TlsStream`]), tokio's own record of the socket, and the plain
//! bytes that the server has not read yet. The buffers that a record needs on its way are the thread's.

use std::{
    cell::RefCell,
    fmt,
    future::poll_fn,
    io,
    net::Shutdown,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::{HTTP_1, HTTP_2, TlsError, TlsFiles, config_for};
use crate::{
    limits,
    plain::read_now,
    reactor::{
        stream::Scratch,
        tls::{Socket, TlsStream},
    },
};

/// What the connections of a thread use in turn.
#[derive(Default)]
struct Bench {
    scratch: Scratch,
    plain: Vec<u8>,
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::default();
}

/// Takes the connections of an HTTP server that speaks HTTP/2 and HTTP/1.1 over TLS.
#[derive(Clone)]
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
}

/// Keys are in there.
impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor").finish_non_exhaustive()
    }
}

impl TlsAcceptor {
    /// Reads the certificate and its key.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file, and what is wrong with it.
    pub fn new(files: &TlsFiles) -> Result<Self, TlsError> {
        let config = config_for(files, &[HTTP_2, HTTP_1])?;
        Ok(Self { config })
    }

    /// Goes through the handshake. It has no deadline of its own.
    ///
    /// # Errors
    ///
    /// The peer is gone, or does not speak TLS as it should; it has been told so by an alert.
    pub async fn accept(&self, socket: TcpStream) -> io::Result<TlsIo> {
        let tls = TlsStream::new(Arc::clone(&self.config), Watched(socket));
        let mut io = TlsIo {
            tls: tls.map_err(io::Error::other)?,
            unread: Bytes::new(),
        };
        poll_fn(|context| io.poll_handshake(context)).await?;
        Ok(io)
    }
}

/// A TLS connection as hyper reads and writes it. Made by [`TlsAcceptor::accept`].
#[derive(Debug)]
pub struct TlsIo {
    tls: TlsStream<Watched>,
    /// Plain bytes that came in one piece with others; at most [`READ_BUFFER_BYTES`](limits::READ_BUFFER_BYTES).
    unread: Bytes,
}

impl TlsIo {
    /// Room that a buffer needs which is read into.
    pub const READ_BUFFER_BYTES: usize = limits::READ_BUFFER_BYTES;

    /// Whether the peer chose HTTP/2; otherwise it speaks HTTP/1.1.
    #[must_use]
    pub fn speaks_http_2(&self) -> bool {
        self.tls.protocol() == Some(HTTP_2)
    }

    /// The plain bytes that have come and are not read, which stay so; waits for some, and shows none at the end of the
    /// stream.
    ///
    /// # Errors
    ///
    /// The peer does not speak TLS as it should, or its connection has broken.
    pub fn poll_unread(&mut self, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        if self.unread.is_empty() {
            self.unread = ready!(self.poll_plain(context))?;
        }
        Poll::Ready(Ok(&self.unread))
    }

    /// Takes as many of them as have been read elsewhere.
    pub fn consume(&mut self, length: usize) {
        self.unread.advance(length.min(self.unread.len()));
    }

    /// The connection for a reactor, no longer watched by tokio, and the plain bytes that have come already.
    pub(crate) fn into_parts(self) -> io::Result<(TlsStream, Bytes)> {
        let watched =
            |Watched(socket): Watched| Ok(mio::net::TcpStream::from_std(socket.into_std()?));
        Ok((self.tls.over(watched)?, self.unread))
    }

    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.is_handshaking() {
            match self.poll_plain(context) {
                Poll::Ready(Ok(plain)) if plain.is_empty() => {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                Poll::Ready(Ok(plain)) => self.unread = plain,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                // The socket has no more, and the handshake may be over all the same.
                Poll::Pending if self.tls.is_handshaking() => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads plain bytes to where they are wanted, without a buffer of the connection's own; none at the end of the stream. The
    /// buffer has room for [`READ_BUFFER_BYTES`](Self::READ_BUFFER_BYTES).
    ///
    /// # Errors
    ///
    /// What the system says, and what a peer does that breaks TLS.
    pub fn poll_read_into(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if !self.unread.is_empty() {
            let taken = self.unread.len().min(buffer.len());
            buffer[..taken].copy_from_slice(&self.unread.split_to(taken));
            return Poll::Ready(Ok(taken));
        }
        loop {
            ready!(self.tls.socket().0.poll_read_ready(context))?;
            let read = BENCH.with_borrow_mut(|bench| self.tls.read(buffer, &mut bench.scratch));
            if !is_full(&read) {
                return Poll::Ready(read);
            }
        }
    }

    /// Plain bytes; none at the end of the stream.
    fn poll_plain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut plain = BENCH.with_borrow_mut(|bench| std::mem::take(&mut bench.plain));
        plain.resize(Self::READ_BUFFER_BYTES, 0);
        let read = self.poll_read_into(context, &mut plain);
        let read = read.map_ok(|read| Bytes::copy_from_slice(&plain[..read]));
        BENCH.with_borrow_mut(|bench| bench.plain = plain);
        read
    }

    /// Writes as much of these two pieces as is sealed at once.
    fn poll_seal(
        &mut self,
        context: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        if first.is_empty() && second.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            ready!(self.tls.socket().0.poll_write_ready(context))?;
            let taken = BENCH
                .with_borrow_mut(|bench| self.tls.write(first, second, &mut bench.scratch))?
                .bytes;
            // None: what was sealed before has not gone yet, and the socket has just said that it takes no more now.
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
        }
    }
}

impl Read for TlsIo {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unread(context))?;
        let taken = this.unread.len().min(buffer.remaining());
        buffer.put_slice(&this.unread.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

impl Write for TlsIo {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_seal(context, bytes, &[])
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A header and its body, of which more is rarely there at once.
        let mut pieces = pieces.iter().filter(|piece| !piece.is_empty());
        let first = pieces.next().map_or(&[][..], |piece| piece);
        let second = pieces.next().map_or(&[][..], |piece| piece);
        self.get_mut().poll_seal(context, first, second)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.tls.is_flushed() {
            ready!(this.tls.socket().0.poll_write_ready(context))?;
            BENCH.with_borrow_mut(|bench| this.tls.flush(&mut bench.scratch.tally))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(context))?;
        let tls = &mut self.get_mut().tls;
        Poll::Ready(BENCH.with_borrow_mut(|bench| tls.shutdown(&mut bench.scratch)))
    }
}

/// A socket that tokio watches, as TLS uses it: whatever it does not do now, tokio waits for.
#[derive(Debug)]
struct Watched(TcpStream);

impl io::Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_now(&self.0, buffer)
    }
}

impl io::Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for Watched {
    const WRITE_BYTES_MAX: usize = limits::HTTPS_WRITE_BYTES_MAX;

    fn end(&self) -> io::Result<()> {
        SockRef::from(&self.0).shutdown(Shutdown::Write)
    }
}

/// Whether it is to be waited for.
fn is_full<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
