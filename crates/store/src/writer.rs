//! The one task that writes.
//!
//! 1. It takes the first request that waits, and with it all others that wait, up to [`GROUP_MESSAGES_MAX`] messages.
//! 2. Its adapter applies them in one transaction. A request that must not be done (an append that does not fit the head,
//!    or whose messages are held already) changes nothing and does not disturb the others.
//! 3. The adapter commits, which makes all of them durable at once, and only then they are answered.
//!
//! When the database fails, all of the group is told so and nothing of it is kept. The next group tries again: there is
//! no state in which the writer would have to be helped back. A group that the database refuses for what is in it is done
//! one request at a time, so that only the request that it refuses fails.

use std::{slice, sync::Arc, time::Instant};

use fanwave_wire::{Publication, RoomId, UnixMillis};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Appended, Retention, Standing, StoreError,
    forget::{self, Person, Place},
    limits::GROUP_MESSAGES_MAX,
    meters::Meters,
    record::Record,
};

/// What a database does for the writer.
pub(crate) trait Transact: Send + 'static {
    /// Does all of a group durably, and leaves the answers in the requests; or nothing of it.
    fn transact(
        &mut self,
        group: &mut [Request],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps the log within so many bytes from the next transaction on.
    fn set_quota(&mut self, bytes: Option<u64>) -> Result<(), StoreError>;

    /// Lets go of the database.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// What the writer is asked.
#[derive(Debug)]
pub(crate) enum Request {
    /// Begin a channel, unless it has begun.
    Begin {
        channel: String,
        epoch: String,
        answer: Answer<Standing>,
    },
    /// Write messages behind a channel's newest.
    Append {
        channel: String,
        publications: Vec<Arc<Publication>>,
        /// As they are written, where that is something else.
        sealed: Option<Vec<Arc<Publication>>>,
        answer: Answer<Appended>,
    },
    /// Write down what others have given an offset.
    Record { record: Record, answer: Answer<()> },
    /// Set a setting.
    Put {
        key: String,
        value: Vec<u8>,
        answer: Answer<()>,
    },
    /// Put a room under legal hold since a time, or end that.
    Hold {
        room: RoomId,
        since: Option<UnixMillis>,
        answer: Answer<()>,
    },
    /// Let go of what has not to be kept any more, in channels behind this one.
    Sweep {
        after: i64,
        retention: Arc<Retention>,
        now: UnixMillis,
        answer: Answer<Step>,
    },
    /// Forget a person, from this place on.
    Forget {
        person: Arc<Person>,
        place: Place,
        answer: Answer<forget::Step>,
    },
    /// Keep the log within so many bytes.
    Quota {
        bytes: Option<u64>,
        answer: Answer<()>,
    },
    /// Do what waits, then end.
    Close { answer: oneshot::Sender<()> },
}

/// A piece of a sweep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// Behind which channel to go on; `None` at the end.
    pub(crate) after: Option<i64>,
    /// Messages that were removed.
    pub(crate) messages: u64,
}

/// Where an answer goes, and what it is once the transaction is committed.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    to: oneshot::Sender<Result<T, StoreError>>,
    result: Option<Result<T, StoreError>>,
}

impl<T> Answer<T> {
    pub(crate) fn new(to: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { to, result: None }
    }

    /// What it is, should the transaction be committed.
    pub(crate) fn set(&mut self, result: Result<T, StoreError>) {
        self.result = Some(result);
    }

    fn send(self, committed: Result<(), StoreError>) {
        let result = committed.and_then(|()| self.result.unwrap_or(Err(StoreError::Closed)));
        // Whoever asked may have gone; what was written stays written.
        drop(self.to.send(result));
    }
}

/// Gathers requests, and has them done.
#[derive(Debug)]
pub(crate) struct Writer<T> {
    database: T,
    requests: mpsc::Receiver<Request>,
    meters: Meters,
    health: Health,
    closers: Vec<oneshot::Sender<()>>,
}

/// Whether the last transaction succeeded: a disk that stays full is reported once, not once per message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    Failing,
}

impl<T: Transact> Writer<T> {
    pub(crate) fn new(database: T, requests: mpsc::Receiver<Request>, meters: Meters) -> Self {
        Self {
            database,
            requests,
            meters,
            health: Health::Well,
            closers: Vec::new(),
        }
    }

    /// Works until the store is closed or dropped, and all that waited is done.
    pub(crate) async fn run(mut self) {
        while let Some(first) = self.requests.recv().await {
            let mut group = self.gather(first);
            if group.is_empty() {
                continue;
            }
            let committed = self.transact(&mut group).await;
            if matches!(committed, Err(StoreError::Refused(_))) && group.len() > 1 {
                for mut request in group {
                    let committed = self.transact(slice::from_mut(&mut request)).await;
                    self.report(&committed);
                    request.answer(&committed);
                }
                continue;
            }
            self.report(&committed);
            for request in group {
                request.answer(&committed);
            }
        }
        self.database.close().await;
        for closer in self.closers {
            // Whoever asked may have gone.
            let _ = closer.send(());
        }
    }

    async fn transact(&mut self, group: &mut [Request]) -> Result<(), StoreError> {
        let waiting = i64::try_from(self.requests.len()).unwrap_or(i64::MAX);
        self.meters.queue.set(waiting);
        self.meters.begin(Instant::now());
        let committed = self.database.transact(group).await;
        let messages = group.iter().map(Request::appended).sum();
        self.meters.end(Instant::now(), messages, &committed);
        committed
    }

    /// Takes all that waits with the first, and sets aside what needs no transaction.
    fn gather(&mut self, first: Request) -> Vec<Request> {
        let mut group = Vec::new();
        let mut messages = 0;
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Close { answer } => {
                    self.closers.push(answer);
                    self.requests.close();
                }
                Request::Quota { bytes, mut answer } => {
                    answer.set(self.database.set_quota(bytes));
                    answer.send(Ok(()));
                }
                request => {
                    messages += request.messages();
                    group.push(request);
                }
            }
            // The next request has at most APPEND_MAX messages, of which the maximum of a group has many.
            next = if messages < GROUP_MESSAGES_MAX {
                self.requests.try_recv().ok()
            } else {
                None
            };
        }
        group
    }

    fn report(&mut self, committed: &Result<(), StoreError>) {
        match (committed, self.health) {
            (Ok(()), Health::Failing) => {
                tracing::info!("the message log can be written again");
                self.health = Health::Well;
            }
            (Err(error), Health::Well) => {
                tracing::error!(%error, "the message log cannot be written; sends are refused until it can");
                self.health = Health::Failing;
            }
            (Ok(()), Health::Well) | (Err(_), Health::Failing) => {}
        }
    }
}

impl Request {
    /// Messages that it writes.
    fn appended(&self) -> usize {
        match self {
            Self::Append { publications, .. } => publications.len(),
            Self::Record { record, .. } => record.publications.len(),
            _ => 0,
        }
    }

    /// How much of a group it is.
    fn messages(&self) -> usize {
        match self {
            Self::Append { publications, .. } => publications.len(),
            Self::Record { record, .. } => record.publications.len(),
            // As much work as that many messages.
            Self::Sweep { .. } | Self::Forget { .. } => GROUP_MESSAGES_MAX,
            Self::Begin { .. }
            | Self::Put { .. }
            | Self::Hold { .. }
            | Self::Quota { .. }
            | Self::Close { .. } => 1,
        }
    }

    fn answer(self, committed: &Result<(), StoreError>) {
        let committed = committed.clone();
        match self {
            Self::Begin { answer, .. } => answer.send(committed),
            Self::Append { answer, .. } => answer.send(committed),
            Self::Sweep { answer, .. } => answer.send(committed),
            Self::Forget { answer, .. } => answer.send(committed),
            Self::Record { answer, .. }
            | Self::Put { answer, .. }
            | Self::Hold { answer, .. }
            | Self::Quota { answer, .. } => {
                answer.send(committed);
            }
            Self::Close { .. } => {}
        }
    }
}
