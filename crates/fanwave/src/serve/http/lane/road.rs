//! What the lane needs of a connection beside writing to it: to see what has come without taking it away.
//!
//! In the clear it is looked at where it lies in the kernel's buffer, so that what is not the lane's is still in the socket
//! when hyper, or after an upgrade the gateway, gets it. TLS keeps the plain bytes that nobody has read.

use std::{
    cell::RefCell,
    io,
    task::{Context, Poll, ready},
};

use fanwave_gateway::TlsIo;
use hyper::rt::Write;
use hyper_util::rt::TokioIo;
use rustix::{
    io::retry_on_intr,
    net::{RecvFlags, recv},
};
use tokio::{io::Interest, net::TcpStream};

use super::head::HEAD_BYTES_MAX;

thread_local! {
    /// Where what has come is looked at, one connection after the other.
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
}

impl Road for TokioIo<TcpStream> {
    fn poll_look<T>(
        &mut self,
        context: &mut Context<'_>,
        mut judge: impl FnMut(&[u8]) -> (usize, T),
    ) -> Poll<io::Result<T>> {
        let stream = self.inner();
        loop {
            ready!(stream.poll_read_ready(context))?;
            let mut judged = None;
            let look = || {
                SEEN.with_borrow_mut(|seen| {
                    let come = receive(stream, seen, RecvFlags::PEEK)?;
                    let (length, made) = judge(&seen[..come]);
                    if length > 0 {
                        take(stream, &mut seen[..length])?;
                    }
                    judged = Some(made);
                    if length == come && (1..HEAD_BYTES_MAX).contains(&come) {
                        // The socket is empty. That is what this error says to tokio, which then waits without asking it
                        // once more; what comes after the look is an event of its own.
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    Ok(())
                })
            };
            let looked = stream.try_io(Interest::READABLE, look);
            match (judged, looked) {
                (Some(judged), _) => return Poll::Ready(Ok(judged)),
                (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                (None, _) => {}
            }
        }
    }

    fn poll_news(&mut self, context: &mut Context<'_>) -> Poll<News> {
        let stream = self.inner();
        loop {
            if ready!(stream.poll_read_ready(context)).is_err() {
                return Poll::Ready(News::Gone);
            }
            let look = || receive(stream, &mut [0], RecvFlags::PEEK);
            match stream.try_io(Interest::READABLE, look) {
                Ok(1..) => return Poll::Ready(News::More),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return Poll::Ready(News::Gone),
            }
        }
    }
}

impl Road for TlsIo {
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

fn receive(stream: &TcpStream, buffer: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    let (_, length) = retry_on_intr(|| recv(stream, &mut *buffer, flags))?;
    Ok(length)
}

/// Takes as many bytes as have been seen.
fn take(stream: &TcpStream, seen: &mut [u8]) -> io::Result<()> {
    if receive(stream, seen, RecvFlags::empty())? < seen.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
