//! By when those who wait for something of a stream are answered in any case.
//!
//! Whoever waits is woken by their rendition, when it changes. So none of them needs a timer: a rendition knows by when the first of
//! them is to be answered, and one task for all channels wakes them then. They ask again, and are told that it is too late.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fanwave_live::Moment;
use tokio::sync::{Notify, watch};

use crate::shared::{Shared, stopped};

/// There is nobody.
const NEVER: u64 = u64::MAX;

/// See the module.
#[derive(Debug)]
pub(crate) struct Holds {
    /// Nanoseconds of a [`Moment`], not later than the first of all.
    earliest: AtomicU64,
    /// Told when it has become earlier.
    earlier: Notify,
}

impl Default for Holds {
    fn default() -> Self {
        Self {
            earliest: AtomicU64::new(NEVER),
            earlier: Notify::new(),
        }
    }
}

impl Holds {
    /// Somebody waits until then at most, as their rendition knows already.
    pub(crate) fn note(&self, until: Moment) {
        let until = nanos(until);
        // Who came before has to be answered before: mostly there is nothing to be done.
        if until < self.earliest.load(Ordering::SeqCst)
            && until < self.earliest.fetch_min(until, Ordering::SeqCst)
        {
            self.earlier.notify_one();
        }
    }
}

/// Wakes who has waited for as long as they may, until the origin stops; and then everybody.
pub(crate) async fn keep(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    loop {
        let due = match shared.holds.earliest.load(Ordering::SeqCst) {
            NEVER => None,
            nanos => Some(Moment(Duration::from_nanos(nanos))),
        };
        let sleep = async {
            match due {
                Some(due) => tokio::time::sleep_until(shared.clock.instant(due)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = shared.holds.earlier.notified() => {}
            () = sleep => {
                // Forgotten before the renditions are asked: whoever is noted after that is seen there, or says it here.
                shared.holds.earliest.store(NEVER, Ordering::SeqCst);
                let now = shared.clock.now();
                let first = shared.streams().filter_map(|stream| stream.wake_late(now)).min();
                if let Some(first) = first {
                    shared.holds.note(first);
                }
            }
        }
    }
}

fn nanos(moment: Moment) -> u64 {
    u64::try_from(moment.0.as_nanos()).unwrap_or(NEVER)
}
