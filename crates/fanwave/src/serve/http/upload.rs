//! The body of a request that comes over a connection with others: handed from the connection to whoever reads it, within the
//! window that the peer has.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use hyper::body::{Body, Frame};

/// Where the connection puts what comes. Dropped before its end, the body breaks off.
#[derive(Debug)]
pub(super) struct Uploading(Arc<Mutex<Way>>);

/// The body.
#[derive(Debug)]
pub(super) struct Upload(Arc<Mutex<Way>>);

/// What is on its way; no more than the peer's window.
#[derive(Debug, Default)]
struct Way {
    pieces: VecDeque<Bytes>,
    ended: bool,
    broken: bool,
    /// Bytes that were read and not given back to the peer.
    used: usize,
    reader: Option<Waker>,
}

/// Both ends.
pub(super) fn upload() -> (Uploading, Upload) {
    let way = Arc::<Mutex<Way>>::default();
    (Uploading(Arc::clone(&way)), Upload(way))
}

fn lock(way: &Mutex<Way>) -> MutexGuard<'_, Way> {
    // What is in there is whole whoever panicked.
    way.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Way {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Uploading {
    /// Puts a piece in; an empty one is the end.
    pub(super) fn put(&self, piece: Bytes) {
        let mut way = lock(&self.0);
        if piece.is_empty() {
            way.ended = true;
        } else {
            way.pieces.push_back(piece);
        }
        way.wake();
    }

    /// How much was read since this was asked last.
    pub(super) fn used(&self) -> usize {
        std::mem::take(&mut lock(&self.0).used)
    }

    /// Whether nobody reads it any more.
    pub(super) fn is_over(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Ends it; how much has come and was not asked for by [`Self::used`], read or not.
    pub(super) fn end(self) -> usize {
        let mut way = lock(&self.0);
        let unread: usize = way.pieces.drain(..).map(|piece| piece.len()).sum();
        std::mem::take(&mut way.used) + unread
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        let mut way = lock(&self.0);
        way.broken = !way.ended;
        way.wake();
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut way = lock(&self.0);
        if let Some(piece) = way.pieces.pop_front() {
            way.used += piece.len();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if way.ended {
            return Poll::Ready(None);
        }
        if way.broken {
            let broken = io::Error::new(io::ErrorKind::ConnectionReset, "the body broke off");
            return Poll::Ready(Some(Err(broken)));
        }
        way.reader = Some(context.waker().clone());
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        let way = lock(&self.0);
        way.ended && way.pieces.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_is_what_was_put_in_and_what_was_read_of_it_is_told_once() {
        let (uploading, mut upload) = upload();
        uploading.put(Bytes::from_static(b"first"));
        assert_eq!(uploading.used(), 0);
        let first = upload.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(
            (&first[..], uploading.used(), uploading.used()),
            (&b"first"[..], 5, 0)
        );
        let reading = tokio::spawn(async move { upload.collect().await.unwrap().to_bytes() });
        uploading.put(Bytes::from_static(b"second"));
        uploading.put(Bytes::new());
        assert_eq!(&reading.await.unwrap()[..], b"second");
        assert!(uploading.is_over());
        assert_eq!(uploading.end(), 6);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error_and_what_nobody_reads_is_given_back() {
        let (uploading, mut broken) = upload();
        uploading.put(Bytes::from_static(b"half"));
        assert_eq!(uploading.end(), 4);
        assert!(broken.frame().await.unwrap().is_err());
        let (uploading, unread) = upload();
        uploading.put(Bytes::from_static(b"all"));
        assert!(!uploading.is_over());
        drop(unread);
        assert!(uploading.is_over());
        assert_eq!(uploading.end(), 3);
    }
}
