//! A connection of HTTP/2 and all its requests, as one task.
//!
//! When a part is ready, every request that waits for it is woken; were each a task of its own, each would wake its
//! connection, which would write one answer at a time. Here whoever is woken takes their turn first, then the connection,
//! and what it has to send leaves at once ([`Cork`]). A request that panics takes its connection with it; handlers that may
//! panic are caught before.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use hyper::rt::{Executor, Write};

use super::cork::Cork;

type Request = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where the library puts the requests of one connection. Clones are the same place.
#[derive(Clone, Default)]
pub(super) struct Begun(Arc<Mutex<Vec<Request>>>);

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").finish_non_exhaustive()
    }
}

impl Begun {
    fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<F> Executor<F> for Begun
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, request: F) {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // No more than the requests that a connection may have at once.
        begun.push(Box::pin(request));
    }
}

/// The connection with its requests; ends as the connection does.
pub(super) struct SharedTurn<C, I> {
    connection: Pin<Box<C>>,
    begun: Begun,
    requests: FuturesUnordered<Request>,
    cork: Cork<I>,
}

impl<C, I> SharedTurn<C, I> {
    pub(super) fn new(connection: C, begun: Begun, cork: Cork<I>) -> Self {
        Self {
            connection: Box::pin(connection),
            begun,
            requests: FuturesUnordered::new(),
            cork,
        }
    }

    pub(super) fn connection(&mut self) -> Pin<&mut C> {
        self.connection.as_mut()
    }
}

impl<C, I> Future for SharedTurn<C, I>
where
    C: Future<Output = hyper::Result<()>>,
    I: Write + Unpin,
{
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            while let Poll::Ready(Some(())) = this.requests.poll_next_unpin(context) {}
            if let Poll::Ready(ended) = this.connection.as_mut().poll(context) {
                return Poll::Ready(ended.map_err(io::Error::other));
            }
            let begun = this.begun.take();
            if begun.is_empty() {
                break;
            }
            this.requests.extend(begun);
        }
        match this.cork.drain(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }
}
