//! The body of a request, which has to be there in time: whoever sends it byte by byte holds nothing for longer.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

/// The body, which ends with an error when it is not whole after so long.
pub(super) fn punctual(body: Incoming, wait: Duration) -> Body {
    if body.is_end_stream() {
        // Most requests have none.
        return Body::empty();
    }
    Body::new(Punctual::new(body, wait))
}

/// See the module.
#[derive(Debug)]
pub(super) struct Punctual<B> {
    body: B,
    late: Pin<Box<Sleep>>,
}

impl<B> Punctual<B> {
    pub(super) fn new(body: B, wait: Duration) -> Self {
        Self {
            body,
            late: Box::pin(sleep(wait)),
        }
    }
}

impl<B> HttpBody for Punctual<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.late.as_mut().poll(context).is_ready() {
            let late = io::Error::new(io::ErrorKind::TimedOut, "the body did not come in time");
            return Poll::Ready(Some(Err(axum::Error::new(late))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        polled.map(|frame| frame.map(|frame| frame.map_err(axum::Error::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
