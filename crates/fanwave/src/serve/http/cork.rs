//! A connection's bytes, gathered until its turn is over.
//!
//! The library for HTTP/2 writes each answer as soon as it has it, one system call apiece; when a part is ready, a hundred
//! requests of a connection are answered in one turn. Here they leave together. Whoever holds the connection has to call
//! [`Cork::drain`] at the end of each turn: a flush alone sends nothing.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};

/// Most bytes that are gathered; more is written in the middle of a turn.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// Memory that a thread keeps to gather in: for the connection whose turn it is, and for one that had to wait meanwhile. One
/// after the other uses the same, which then lies near the processor; a connection that rests has none.
const SPARES_MAX: usize = 2;

thread_local! {
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Memory for as much as is gathered.
fn take_spare() -> Vec<u8> {
    let spare = SPARES.with_borrow_mut(Vec::pop);
    spare.unwrap_or_else(|| Vec::with_capacity(GATHERED_BYTES_MAX))
}

fn give_back(mut spare: Vec<u8>) {
    spare.clear();
    SPARES.with_borrow_mut(|spares| {
        if spares.len() < SPARES_MAX {
            spares.push(spare);
        }
    });
}

/// The connection; clones are the same one.
#[derive(Debug)]
pub(super) struct Cork<I>(Arc<Mutex<Held<I>>>);

#[derive(Debug)]
struct Held<I> {
    io: I,
    out: Vec<u8>,
    sent: usize,
}

impl<I> Clone for Cork<I> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<I: Write + Unpin> Cork<I> {
    pub(super) fn new(io: I) -> Self {
        Self(Arc::new(Mutex::new(Held {
            io,
            out: Vec::new(),
            sent: 0,
        })))
    }

    /// Sends what was gathered, as far as the peer takes it now.
    pub(super) fn drain(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.held().drain(context)
    }

    fn held(&self) -> MutexGuard<'_, Held<I>> {
        // Only ever locked from the connection's own task.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I: Write + Unpin> Held<I> {
    fn drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(left) = self.out.get(self.sent..).filter(|left| !left.is_empty()) {
            let written = ready!(Pin::new(&mut self.io).poll_write(context, left))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        self.sent = 0;
        if self.out.capacity() > 0 {
            give_back(std::mem::take(&mut self.out));
        }
        Pin::new(&mut self.io).poll_flush(context)
    }

    /// How many bytes may be gathered now, at least one.
    fn room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.out.len() >= GATHERED_BYTES_MAX {
            ready!(self.drain(context))?;
        }
        if self.out.capacity() == 0 {
            self.out = take_spare();
        }
        Poll::Ready(Ok(GATHERED_BYTES_MAX - self.out.len()))
    }
}

impl<I: Write + Unpin> Write for Cork<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut held = self.held();
        let room = ready!(held.room(context))?;
        let taken = bytes.get(..room).unwrap_or(bytes);
        held.out.extend_from_slice(taken);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = self.held();
        ready!(held.drain(context))?;
        Pin::new(&mut held.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut held = self.held();
        let room = ready!(held.room(context))?;
        let mut left = room;
        for piece in pieces {
            let taken = piece.get(..left).unwrap_or(piece);
            held.out.extend_from_slice(taken);
            left -= taken.len();
        }
        Poll::Ready(Ok(room - left))
    }
}

impl<I: Read + Write + Unpin> Read for Cork<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.held().io).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes what it is given up to a limit.
    #[derive(Debug, Default)]
    struct Peer {
        taken: Vec<u8>,
        limit: usize,
        writes: usize,
    }

    impl Write for Peer {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let room = self.limit - self.taken.len();
            if room == 0 {
                return Poll::Pending;
            }
            let taken = &bytes[..room.min(bytes.len())];
            self.taken.extend_from_slice(taken);
            self.writes += 1;
            Poll::Ready(Ok(taken.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn a_turn_leaves_in_one_write_and_in_order() {
        let mut cork = Cork::new(Peer {
            limit: usize::MAX,
            ..Peer::default()
        });
        let mut context = Context::from_waker(Waker::noop());
        let pieces = [IoSlice::new(b"b"), IoSlice::new(b""), IoSlice::new(b"cd")];
        assert!(
            Pin::new(&mut cork)
                .poll_write(&mut context, b"a")
                .is_ready()
        );
        assert!(matches!(
            Pin::new(&mut cork).poll_write_vectored(&mut context, &pieces),
            Poll::Ready(Ok(3))
        ));
        assert!(Pin::new(&mut cork).poll_flush(&mut context).is_ready());
        assert_eq!(cork.held().io.writes, 0);
        assert!(cork.drain(&mut context).is_ready());
        let held = cork.held();
        assert_eq!((&held.io.taken[..], held.io.writes), (&b"abcd"[..], 1));
    }

    #[test]
    fn no_more_is_gathered_than_the_limit_and_nothing_is_lost_when_the_peer_pauses() {
        let mut cork = Cork::new(Peer {
            limit: 1_000,
            ..Peer::default()
        });
        let mut context = Context::from_waker(Waker::noop());
        let sent: Vec<u8> = (0..=250).cycle().take(3 * GATHERED_BYTES_MAX).collect();
        let mut given = 0;
        while let Poll::Ready(Ok(taken)) =
            Pin::new(&mut cork).poll_write(&mut context, &sent[given..])
        {
            given += taken;
        }
        assert_eq!(
            (given, cork.held().out.len()),
            (GATHERED_BYTES_MAX, GATHERED_BYTES_MAX)
        );
        assert!(cork.drain(&mut context).is_pending());
        cork.held().io.limit = usize::MAX;
        while given < sent.len() {
            match Pin::new(&mut cork).poll_write(&mut context, &sent[given..]) {
                Poll::Ready(Ok(taken)) => given += taken,
                other => panic!("{other:?}"),
            }
        }
        assert!(Pin::new(&mut cork).poll_shutdown(&mut context).is_ready());
        assert!(cork.held().io.taken == sent);
        assert_eq!(cork.held().out.capacity(), 0);
    }

    #[test]
    fn connections_gather_in_the_same_memory_and_no_more_of_it_is_kept() {
        let mut context = Context::from_waker(Waker::noop());
        let mut corks: Vec<_> = (0..=SPARES_MAX + 1)
            .map(|_| {
                Cork::new(Peer {
                    limit: usize::MAX,
                    ..Peer::default()
                })
            })
            .collect();
        for cork in &mut corks {
            let taken = Pin::new(cork).poll_write(&mut context, &[7; GATHERED_BYTES_MAX]);
            assert!(matches!(taken, Poll::Ready(Ok(GATHERED_BYTES_MAX))));
        }
        for cork in &corks {
            assert!(cork.drain(&mut context).is_ready());
            assert_eq!(cork.held().io.taken.len(), GATHERED_BYTES_MAX);
        }
        SPARES.with_borrow(|spares| {
            assert_eq!(spares.len(), SPARES_MAX);
            assert!(
                spares
                    .iter()
                    .all(|spare| spare.is_empty() && spare.capacity() == GATHERED_BYTES_MAX)
            );
        });
    }
}
