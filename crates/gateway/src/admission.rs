//! How many sockets the node holds, and whether it takes more.
//!
//! A place is taken before the upgrade is answered and given back when the socket is gone, whichever side lost it:
//! the HTTP side holds the place as a [`Place`] until the reactor has the socket.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// The node's counter of sockets, shared by the HTTP side and the reactors.
#[derive(Debug)]
pub(crate) struct Admission {
    open: AtomicUsize,
    open_max: usize,
    closed: AtomicBool,
    alive: AtomicBool,
}

/// One socket's place; dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Option<Arc<Admission>>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The node holds all it may.
    Full,
    /// The node is stopping, or a reactor is gone.
    Stopping,
}

impl Admission {
    /// No socket yet, at most `open_max` later.
    pub(crate) fn new(open_max: usize) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            open_max,
            closed: AtomicBool::new(false),
            alive: AtomicBool::new(true),
        })
    }

    /// Takes a place, or says why not.
    pub(crate) fn take(self: &Arc<Self>) -> Result<Place, NoPlace> {
        if self.closed.load(Ordering::Acquire) || !self.is_alive() {
            return Err(NoPlace::Stopping);
        }
        let taken = self
            .open
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| {
                (open < self.open_max).then_some(open + 1)
            });
        match taken {
            Ok(_) => Ok(Place {
                admission: Some(Arc::clone(self)),
            }),
            Err(_) => Err(NoPlace::Full),
        }
    }

    /// Gives back a place that the reactor held.
    pub(crate) fn release(&self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }

    /// Sockets held now, upgrades under way included.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// No new places from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether all reactors run.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// A reactor has ended, by order or by a panic.
    pub(crate) fn reactor_ended(&self) {
        self.alive.store(false, Ordering::Release);
    }
}

impl Place {
    /// The reactor has the socket now and will [`Admission::release`] the place itself: the record of a connection
    /// then need not carry a pointer for it.
    pub(crate) fn hand_over(mut self) {
        self.admission = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            admission.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let admission = Admission::new(2);
        let first = admission.take().unwrap();
        let second = admission.take().unwrap();
        assert_eq!(admission.take().unwrap_err(), NoPlace::Full);
        drop(first);
        assert_eq!(admission.open(), 1);
        second.hand_over();
        assert_eq!(admission.open(), 1, "the reactor holds it");
        admission.release();
        assert_eq!(admission.open(), 0);
    }

    #[test]
    fn a_stopping_node_takes_nobody() {
        let admission = Admission::new(2);
        admission.close();
        assert_eq!(admission.take().unwrap_err(), NoPlace::Stopping);
        let admission = Admission::new(2);
        admission.reactor_ended();
        assert_eq!(admission.take().unwrap_err(), NoPlace::Stopping);
    }
}
