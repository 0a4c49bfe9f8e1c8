//! What the lane needs of a connection beside writing to it: to see what has come and leave what is not its own, and to send
//! files.
//!
//! What is left of what has been read comes first for whoever reads next: the lane, or hyper, or after an upgrade the gateway.

use std::{
    cell::RefCell,
    fs::File,
    io,
    os::fd::AsFd,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use fanwave_gateway::{PlainIo, TlsIo};
use hyper::rt::Write;
use rustix::{
    fs::sendfile,
    io::retry_on_intr,
    net::{RecvFlags, recv},
};
use tokio::{io::Interest, net::TcpStream};

use super::{head::HEAD_BYTES_MAX, whole::Outlet};

thread_local! {
    /// Where what has come is read to, one connection after the other.
    static SEEN: RefCell<[u8; HEAD_BYTES_MAX]> = const { RefCell::new([0; HEAD_BYTES_MAX]) };
}

/// What a peer does while its answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve::http) enum News {
    /// It has hung up.
    Gone,
    /// It has said more already. Whether it hangs up behind that cannot be seen.
    More,
}

/// A connection that the lane can look along.
pub(in crate::serve::http) trait Road: Write + Unpin {
    /// Shows what has come, at most [`HEAD_BYTES_MAX`], and nothing at the end of the stream. As many bytes as `judge` says
    /// are taken away, and what it makes of them is the result.
    fn poll_look<T>(
        &mut self,
        context: &mut Context<'_>,
        judge: impl FnMut(&[u8]) -> (usize, T),
    ) -> Poll<io::Result<T>>;

    /// Waits until the peer does something.
    fn poll_news(&mut self, context: &mut Context<'_>) -> Poll<News>;

    /// Whether it is a bare socket, to which the system sends files without a copy.
    const BARE: bool;

    /// Sends a file from there on: how many bytes of it the peer takes now. Only where it is [`BARE`](Self::BARE).
    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        file: &File,
        at: &mut u64,
        length: usize,
    ) -> Poll<io::Result<usize>>;

    /// Whether nothing has been read of it that is still to be judged.
    fn is_read_out(&self) -> bool;

    /// The socket, where it is bare. What has been read of it is lost.
    fn into_bare(self) -> Option<TcpStream>;
}

/// A connection to which its task writes: it is woken when more can be written.
#[derive(Debug)]
pub(super) struct Polled<'a, 'b, I> {
    pub(super) io: &'a mut I,
    pub(super) context: &'a mut Context<'b>,
}

impl<I: Road> Outlet for Polled<'_, '_, I> {
    const SENDS_FILES: bool = I::BARE;

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.io).poll_write(self.context, bytes))
    }

    fn send_file(&mut self, file: &File, at: &mut u64, length: usize) -> io::Result<usize> {
        or_would_block(self.io.poll_send_file(self.context, file, at, length))
    }
}

fn or_would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(ready) => ready,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl Road for PlainIo {
    const BARE: bool = true;

    fn poll_look<T>(
        &mut self,
        context: &mut Context<'_>,
        mut judge: impl FnMut(&[u8]) -> (usize, T),
    ) -> Poll<io::Result<T>> {
        if !self.unread().is_empty() {
            let mut unread = self.unread().clone();
            let (length, judged) = judge(unread.get(..HEAD_BYTES_MAX).unwrap_or(&unread));
            drop(unread.split_to(length));
            self.keep(unread);
            return Poll::Ready(Ok(judged));
        }
        loop {
            ready!(self.socket().poll_read_ready(context))?;
            let come = SEEN.with_borrow_mut(|seen| {
                let come = self.read_now(seen)?;
                let (length, judged) = judge(&seen[..come]);
                if length < come {
                    self.keep(Bytes::copy_from_slice(&seen[length..come]));
                }
                Ok::<_, io::Error>(judged)
            });
            match come {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                come => return Poll::Ready(come),
            }
        }
    }

    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        file: &File,
        at: &mut u64,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        let socket = self.socket();
        loop {
            let sending = || send_file(socket, file, at, length);
            match socket.try_io(Interest::WRITABLE, sending) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(socket.poll_write_ready(context))?;
                }
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn is_read_out(&self) -> bool {
        self.unread().is_empty()
    }

    fn into_bare(self) -> Option<TcpStream> {
        Some(self.into_parts().0)
    }

    fn poll_news(&mut self, context: &mut Context<'_>) -> Poll<News> {
        if !self.unread().is_empty() {
            return Poll::Ready(News::More);
        }
        let stream = self.socket();
        loop {
            if ready!(stream.poll_read_ready(context)).is_err() {
                return Poll::Ready(News::Gone);
            }
            let look = || {
                let (_, length) = retry_on_intr(|| recv(stream, &mut [0], RecvFlags::PEEK))?;
                Ok(length)
            };
            match stream.try_io(Interest::READABLE, look) {
                Ok(1..) => return Poll::Ready(News::More),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return Poll::Ready(News::Gone),
            }
        }
    }
}

impl Road for TlsIo {
    const BARE: bool = false;

    fn poll_send_file(
        &mut self,
        _: &mut Context<'_>,
        _: &File,
        _: &mut u64,
        _: usize,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn is_read_out(&self) -> bool {
        // What is left of a record nobody can see without asking for more.
        false
    }

    fn into_bare(self) -> Option<TcpStream> {
        None
    }

    fn poll_look<T>(
        &mut self,
        context: &mut Context<'_>,
        mut judge: impl FnMut(&[u8]) -> (usize, T),
    ) -> Poll<io::Result<T>> {
        let come = ready!(self.poll_unread(context))?;
        let (length, judged) = judge(come.get(..HEAD_BYTES_MAX).unwrap_or(come));
        self.consume(length);
        Poll::Ready(Ok(judged))
    }

    fn poll_news(&mut self, context: &mut Context<'_>) -> Poll<News> {
        match ready!(self.poll_unread(context)) {
            Ok([_, ..]) => Poll::Ready(News::More),
            Ok([]) | Err(_) => Poll::Ready(News::Gone),
        }
    }
}

/// How many bytes of a file from there on a bare socket takes now.
pub(super) fn send_file(
    socket: impl AsFd,
    file: &File,
    at: &mut u64,
    length: usize,
) -> io::Result<usize> {
    let sent = retry_on_intr(|| sendfile(&socket, file, Some(at), length))?;
    Ok(sent)
}
