//! What a server knows of a partition: the fold of its entries so far, and who waits for one of them.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fanwave_wire::{Channel, Epoch, envelope::Batch};
use tokio::sync::{oneshot, watch};

use super::{
    entry::{Body, Entry, Seen},
    fold::{Fold, Outcome},
    random,
    snapshot::Snapshot,
};
use crate::{limits::KAFKA_TRAIL_MAX, shared::BrokerError};

/// The view of a partition, and a bell that rings when it changes.
#[derive(Debug)]
pub(super) struct Viewed {
    view: Mutex<View>,
    changed: watch::Sender<()>,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) fold: Fold,
    /// The place in Kafka of the entry that is read next.
    pub(super) next: i64,
    pub(super) state: State,
    /// How many entries have been read.
    pub(super) read: u64,
    /// How often the log has been read from its beginning.
    pub(super) beginnings: u64,
    /// Whether the engine is told what is read.
    pub(super) told: bool,
    /// The last entry that was read is to be compared with the log before any other is taken in.
    pub(super) doubted: bool,
    /// The newest entries, at most [`KAFKA_TRAIL_MAX`].
    trail: VecDeque<Seen>,
    /// The epochs of a log that seems to have lost its end.
    before: BTreeMap<Channel, Epoch>,
    waiting: HashMap<u128, oneshot::Sender<Outcome>>,
}

/// Whether what is known is all that there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum State {
    /// There is more in Kafka.
    #[default]
    Behind,
    /// It was, when Kafka was asked last.
    Abreast,
    /// It is not, and will not be before somebody has helped.
    Stuck(BrokerError),
}

/// What an entry that was read is to the view.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It has been taken in, and has added this.
    In {
        news: Option<Batch>,
        /// Somebody here waits for it.
        ours: bool,
    },
    /// Its writer has seen another log: what was read last has to be compared first.
    Doubted,
}

impl Viewed {
    pub(super) fn new() -> Self {
        Self {
            view: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Looks, without changing anything that somebody waits for.
    pub(super) fn look(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and rings the bell.
    pub(super) fn change<T>(&self, how: impl FnOnce(&mut View) -> T) -> T {
        let result = how(&mut self.look());
        self.changed.send_replace(());
        result
    }

    /// Waits until there is an answer.
    pub(super) async fn until<T>(&self, mut answer: impl FnMut(&View) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            let answered = answer(&self.look());
            if let Some(answered) = answered {
                return answered;
            }
            if changed.changed().await.is_err() {
                // The bell is ours, and there as long as we are.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until all that was there when this was called is known.
    pub(super) async fn until_abreast(&self) -> Result<(), BrokerError> {
        let abreast = |view: &View| match &view.state {
            State::Behind => None,
            State::Abreast => Some(Ok(())),
            State::Stuck(error) => Some(Err(error.clone())),
        };
        self.until(abreast).await
    }

    /// An entry of this server, and where the outcome of it comes.
    pub(super) fn entry(self: &Arc<Self>, body: Body) -> Result<(Entry, Awaited), BrokerError> {
        let mark = random()?;
        let (sender, outcome) = oneshot::channel();
        let mut view = self.look();
        view.waiting.insert(mark, sender);
        let seen = view.trail.back().copied();
        drop(view);
        let awaited = Awaited {
            viewed: Arc::clone(self),
            mark,
            outcome,
        };
        Ok((Entry { mark, seen, body }, awaited))
    }
}

/// The outcome of an entry. Whoever drops it waits no longer.
#[derive(Debug)]
pub(super) struct Awaited {
    viewed: Arc<Viewed>,
    mark: u128,
    outcome: oneshot::Receiver<Outcome>,
}

impl Awaited {
    /// Waits for an entry that Kafka has at this place by now.
    pub(super) async fn outcome(mut self, at: i64) -> Result<Outcome, BrokerError> {
        if let Ok(outcome) = self.outcome.try_recv() {
            return Ok(outcome);
        }
        self.viewed.change(|view| {
            // It was read without being met: what was read is another log than the one that has it.
            let missed = view.next > at && view.waiting.contains_key(&self.mark);
            view.doubted |= missed;
        });
        let ended = |_| BrokerError::unavailable("the log of Kafka is read from its beginning");
        (&mut self.outcome).await.map_err(ended)
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.viewed.look().waiting.remove(&self.mark);
    }
}

impl View {
    /// The entry that was read last.
    pub(super) fn last(&self) -> Option<Seen> {
        self.trail.back().copied()
    }

    /// Takes in an entry.
    pub(super) fn take(&mut self, at: i64, entry: &Entry, trusted: bool) -> Taken {
        if !trusted && entry.seen.is_some_and(|seen| self.contradicts(at, seen)) {
            self.doubted = true;
            return Taken::Doubted;
        }
        let (outcome, news) = self.fold.apply(at, entry);
        self.pass(at);
        if self.trail.len() == KAFKA_TRAIL_MAX {
            self.trail.pop_front();
        }
        let mark = entry.mark;
        self.trail.push_back(Seen { at, mark });
        self.read += 1;
        let waiting = self.waiting.remove(&mark);
        let ours = waiting.is_some();
        if let Some(waiting) = waiting {
            // Whoever has given up has been told that nothing is known.
            drop(waiting.send(outcome));
        }
        Taken::In { news, ours }
    }

    /// Goes on from a snapshot, once its entry has been found where it says.
    pub(super) fn restore(&mut self, Snapshot { last, fold }: Snapshot) {
        self.fold = fold;
        self.trail.push_back(last);
        self.pass(last.at);
        self.doubted = true;
    }

    /// There is nothing of ours at this place.
    pub(super) fn pass(&mut self, at: i64) {
        self.next = at + 1;
    }

    /// The log is not the one that was read: all is to be read again. Whoever waits for an entry learns that nothing is
    /// known of it.
    pub(super) fn begin_again(&mut self) {
        let fold = std::mem::take(&mut self.fold);
        if self.before.is_empty() {
            self.before = fold.epochs();
        }
        self.next = 0;
        self.state = State::Behind;
        self.beginnings += 1;
        self.doubted = false;
        self.trail.clear();
        self.waiting.clear();
    }

    /// All that there is has been read again. Whether offsets of the log as it was may be given again: then an entry has
    /// to end all epochs first.
    pub(super) fn must_end_epochs(&mut self) -> bool {
        let fold = &self.fold;
        let same = |(channel, epoch): (&Channel, &Epoch)| {
            fold.standing(channel)
                .is_some_and(|now| now.epoch == *epoch)
        };
        let must = self.before.iter().any(same);
        if !must {
            self.before.clear();
        }
        must
    }

    /// Whether somebody has seen what this log does not have.
    fn contradicts(&self, at: i64, seen: Seen) -> bool {
        if seen.at >= at {
            return true;
        }
        let found = self.trail.binary_search_by_key(&seen.at, |held| held.at);
        found.is_ok_and(|index| self.trail[index].mark != seen.mark)
    }
}
