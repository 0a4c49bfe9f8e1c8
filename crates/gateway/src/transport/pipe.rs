//! A response's body that is whatever a reactor says.
//!
//! Nothing is held between two reads: while the client is idle a body is a socket and no buffer, and what a slow client
//! does not take stays in the kernel's buffer, whose fullness the reactor sees as that of any fan's socket.

use std::{
    io,
    os::unix::net::UnixStream,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame};

use crate::limits;

/// The body; see the module. Dropped with the response, it shows the reactor that the client is gone.
#[derive(Debug)]
pub(super) struct PipeBody {
    pipe: tokio::net::UnixStream,
}

impl PipeBody {
    /// The body that reads a non-blocking socket. Must be called on a tokio runtime.
    pub(super) fn new(pipe: UnixStream) -> io::Result<Self> {
        Ok(Self {
            pipe: tokio::net::UnixStream::from_std(pipe)?,
        })
    }
}

impl Body for PipeBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            ready!(self.pipe.poll_read_ready(context))?;
            let mut chunk = BytesMut::with_capacity(limits::BODY_CHUNK_BYTES);
            match self.pipe.try_read_buf(&mut chunk) {
                Ok(0) => return Poll::Ready(None),
                Ok(_) => return Poll::Ready(Some(Ok(Frame::data(chunk.freeze())))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}
