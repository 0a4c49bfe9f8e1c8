//! A connection in the clear under an HTTP server that looks at what comes before it knows who is to serve it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use rustix::{
    io::retry_on_intr,
    net::{RecvFlags, recv},
};
use tokio::{io::Interest, net::TcpStream};

/// See the module: a bare socket, with what has been read of it and belongs to whoever serves it.
#[derive(Debug)]
pub struct PlainIo {
    socket: TokioIo<TcpStream>,
    unread: Bytes,
}

impl PlainIo {
    /// A connection of which nothing has been read.
    #[must_use]
    pub fn new(socket: TcpStream) -> Self {
        Self {
            socket: TokioIo::new(socket),
            unread: Bytes::new(),
        }
    }

    /// The socket. What is read of it and not kept is lost to whoever comes after.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        self.socket.inner()
    }

    /// Reads into this what the socket has, or fails with [`WouldBlock`](io::ErrorKind::WouldBlock); none at the end of the stream.
    /// What has been read before is not looked at.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        read_now(self.socket(), buffer)
    }

    /// What has been read and nobody has taken. It comes before what is in the socket.
    #[must_use]
    pub fn unread(&self) -> &Bytes {
        &self.unread
    }

    /// Keeps what has been read, in place of what was kept.
    pub fn keep(&mut self, unread: Bytes) {
        // What nothing is left of is not to be held on to.
        self.unread = if unread.is_empty() {
            Bytes::new()
        } else {
            unread
        };
    }

    /// The socket, and what has been read of it.
    #[must_use]
    pub fn into_parts(self) -> (TcpStream, Bytes) {
        (self.socket.into_inner(), self.unread)
    }
}

impl Read for PlainIo {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.unread.is_empty() {
            return Pin::new(&mut this.socket).poll_read(context, buffer);
        }
        let taken = this.unread.len().min(buffer.remaining());
        let mut unread = std::mem::take(&mut this.unread);
        buffer.put_slice(&unread.split_to(taken));
        this.keep(unread);
        Poll::Ready(Ok(()))
    }
}

impl Write for PlainIo {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(context, pieces)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}

/// Reads what there is. Where that is less than there is room for, the socket is empty, and tokio is told so: it waits then
/// without asking once more, and what comes after this is an event of its own.
pub(crate) fn read_now(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = None;
    let receive = || {
        let (_, length) = retry_on_intr(|| recv(socket, &mut *buffer, RecvFlags::empty()))?;
        read = Some(length);
        if (1..buffer.len()).contains(&length) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    };
    let tried = socket.try_io(Interest::READABLE, receive);
    match (read, tried) {
        (Some(read), _) => Ok(read),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(io::ErrorKind::WouldBlock.into()),
    }
}
