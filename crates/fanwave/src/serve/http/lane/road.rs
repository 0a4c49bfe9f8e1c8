//! What the lane needs of a connection beside writing to it: to see what has come and leave what is not its own, and to send
//! files.
//!
//! What is left of what has been read comes first for whoever reads next: the lane, or hyper, or after an upgrade the gateway.

use std::{
    cell::RefCell,
    fs::File,
    io,
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
use tokio::io::Interest;

use super::head::HEAD_BYTES_MAX;

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

    /// Whether the system sends files here without a copy.
    const SENDS_FILES: bool;

    /// Sends a file of this length, as far as the peer takes it now: how many bytes of it. Only where
    /// [`SENDS_FILES`](Self::SENDS_FILES).
    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        file: &File,
        length: usize,
    ) -> Poll<io::Result<usize>>;
}

impl Road for PlainIo {
    const SENDS_FILES: bool = true;

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
        length: usize,
    ) -> Poll<io::Result<usize>> {
        let socket = self.socket();
        let (mut at, mut sent) = (0, 0);
        while sent < length {
            let sending = || {
                Ok(retry_on_intr(|| {
                    sendfile(socket, file, Some(&mut at), length - sent)
                })?)
            };
            match socket.try_io(Interest::WRITABLE, sending) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(taken) => sent += taken,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                Err(_) => match socket.poll_write_ready(context) {
                    Poll::Pending => break,
                    Poll::Ready(ready) => ready?,
                },
            }
        }
        if sent == 0 {
            Poll::Pending
        } else {
            Poll::Ready(Ok(sent))
        }
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
    const SENDS_FILES: bool = false;

    fn poll_send_file(
        &mut self,
        _: &mut Context<'_>,
        _: &File,
        _: usize,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
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
