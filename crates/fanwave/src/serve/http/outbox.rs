//! The bytes of a turn, gathered until they are written.
//!
//! When a part is ready, a hundred requests of a connection are answered in one turn: what they come to leaves in one write.
//! Gathering copies once, into memory that one connection after the other uses and that lies near the processor; that is
//! less than what it spares the kernel.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::Write;

/// Bytes that are gathered before they are written: as many as a phone's second of pictures and sound. An answer's last frame
/// may come on top, and what belongs to no answer.
pub(super) const GATHERED_BYTES_MAX: usize = 128 * 1024;

/// Room for these, so that memory that is gathered in never grows.
const SPARE_BYTES: usize = GATHERED_BYTES_MAX + 48 * 1024;

/// Memory that a thread keeps to gather in: for the connection whose turn it is, and for one that had to wait meanwhile. A
/// connection that rests has none.
const SPARES_MAX: usize = 2;

thread_local! {
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

fn take_spare() -> Vec<u8> {
    let spare = SPARES.with_borrow_mut(Vec::pop);
    spare.unwrap_or_else(|| Vec::with_capacity(SPARE_BYTES))
}

fn give_back(mut spare: Vec<u8>) {
    spare.clear();
    if spare.capacity() > SPARE_BYTES {
        return;
    }
    SPARES.with_borrow_mut(|spares| {
        if spares.len() < SPARES_MAX {
            spares.push(spare);
        }
    });
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Whether nothing waits to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Gathers. Nothing may wait meanwhile.
    pub(super) fn gather(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        if self.bytes.capacity() == 0 {
            self.bytes = take_spare();
        }
        put(&mut self.bytes);
        if self.bytes.is_empty() {
            give_back(std::mem::take(&mut self.bytes));
        }
    }

    /// Writes what was gathered, as far as the peer takes it now.
    pub(super) fn drain<I: Write + Unpin>(
        &mut self,
        io: &mut I,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(left) = self.bytes.get(self.sent..).filter(|left| !left.is_empty()) {
            let written = ready!(Pin::new(&mut *io).poll_write(context, left))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        self.sent = 0;
        if self.bytes.capacity() > 0 {
            give_back(std::mem::take(&mut self.bytes));
        }
        Pin::new(io).poll_flush(context)
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
    fn what_is_gathered_leaves_in_one_write_and_what_is_not_taken_stays() {
        let mut context = Context::from_waker(Waker::noop());
        let (mut outbox, mut peer) = (Outbox::default(), Peer::default());
        outbox.gather(|_| {});
        assert!(outbox.is_empty());
        assert!(outbox.drain(&mut peer, &mut context).is_ready());
        peer.limit = 3;
        outbox.gather(|out| out.extend_from_slice(b"ab"));
        outbox.gather(|out| out.extend_from_slice(b"cdef"));
        assert!(outbox.drain(&mut peer, &mut context).is_pending());
        assert_eq!((&peer.taken[..], peer.writes), (&b"abc"[..], 1));
        assert!(!outbox.is_empty());
        peer.limit = 99;
        assert!(outbox.drain(&mut peer, &mut context).is_ready());
        assert_eq!((&peer.taken[..], peer.writes), (&b"abcdef"[..], 2));
        assert!(outbox.is_empty() && outbox.bytes.capacity() == 0);
    }

    #[test]
    fn connections_gather_in_the_same_memory_and_no_more_of_it_is_kept() {
        let mut context = Context::from_waker(Waker::noop());
        let mut peer = Peer {
            limit: usize::MAX,
            ..Peer::default()
        };
        let mut outboxes: Vec<_> = (0..=SPARES_MAX + 1).map(|_| Outbox::default()).collect();
        for outbox in &mut outboxes {
            outbox.gather(|out| out.extend_from_slice(&[7; GATHERED_BYTES_MAX]));
        }
        let mut large = Outbox::default();
        large.gather(|out| out.resize(SPARE_BYTES + 1, 7));
        assert!(large.drain(&mut peer, &mut context).is_ready());
        for outbox in &mut outboxes {
            assert!(outbox.drain(&mut peer, &mut context).is_ready());
        }
        SPARES.with_borrow(|spares| {
            assert_eq!(spares.len(), SPARES_MAX);
            assert!(
                spares
                    .iter()
                    .all(|spare| spare.is_empty() && spare.capacity() == SPARE_BYTES)
            );
        });
    }
}
