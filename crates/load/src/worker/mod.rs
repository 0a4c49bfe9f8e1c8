//! A worker process: as many fans as one thread and one process's descriptors carry.
//!
//! It is started by the coordinator, told what to do over its standard input, and ends by itself when that closes:
//! whatever becomes of the coordinator, no load goes on.

use std::{
    io::{self, BufReader, Read, Write},
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender, TryRecvError},
    },
    time::{Duration, Instant},
};

use mio::{Poll, Waker};
use thiserror::Error;

use self::{
    passes::Passes,
    reactor::{Reactor, WAKER},
};
use crate::{
    clock::{nanos, now_ns},
    exchange::{Assignment, FeedTotal, FromWorker, ToWorker, read_line, write_line},
    limits::{ANSWERS_MAX, LINES_WAITING_MAX},
    machine,
    order::{Credentials, Order},
    trust,
};

mod answers;
mod fan;
mod link;
mod lost;
mod passes;
mod places;
pub(crate) mod playlist;
mod publish;
mod reactor;
mod seats;
mod sender;
mod settling;
mod tls;
mod viewers;

/// How often a worker tells what happened.
const SECOND: Duration = Duration::from_secs(1);

/// How often it looks whether everything has come.
const SETTLE_EVERY: Duration = Duration::from_millis(100);

/// Why a worker ended early.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The pipes, or the poll.
    #[error("a worker cannot go on: {0}")]
    Io(#[from] io::Error),
    /// The first line was no task.
    #[error("a worker is started by `fanwave load`, not by hand")]
    NoTask,
    /// The task cannot be carried out.
    #[error("a worker cannot begin: {0}")]
    Task(String),
}

/// Runs a worker until its input closes or it is told to finish.
///
/// # Errors
///
/// See [`WorkerError`]. The coordinator is told the reason, too, as far as its pipe is there.
pub fn run(input: impl Read + Send + 'static, mut output: impl Write) -> Result<(), WorkerError> {
    let mut input = BufReader::new(input);
    let Ok(Some(ToWorker::Begin(task))) = read_line(&mut input) else {
        return Err(WorkerError::NoTask);
    };
    machine::raise_descriptors();
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
    let (sender, inbox) = mpsc::sync_channel(LINES_WAITING_MAX);
    std::thread::spawn(move || {
        // The end of the thread closes the channel, and the waker makes the worker look.
        forward(&mut input, &sender);
        drop(sender);
        drop(waker.wake());
    });
    let mut shift = Shift::begin(*task, poll)?;
    let done = shift.run(&inbox, &mut output);
    if let Err(error) = &done {
        // The coordinator may be the reason, and gone.
        drop(write_line(
            &mut output,
            &FromWorker::Fault(error.to_string()),
        ));
    }
    done
}

fn forward(input: &mut BufReader<impl Read>, inbox: &SyncSender<ToWorker>) {
    while let Ok(Some(message)) = read_line(input) {
        if inbox.send(message).is_err() {
            return;
        }
    }
}

/// The worker's time at work.
struct Shift {
    reactor: Reactor,
    /// When the last report was made.
    reported: Instant,
    next_report_ns: u64,
    drop_at_ns: Option<u64>,
    /// What is still to be settled, and until when.
    settling: Option<(Vec<FeedTotal>, u64)>,
    next_look_ns: u64,
}

impl Shift {
    fn begin(task: Assignment, poll: Poll) -> Result<Self, WorkerError> {
        let passes = Passes::new(&task.credentials, &task.order).map_err(WorkerError::Task)?;
        let order = &task.order;
        let trust = order
            .has_tls()
            .then(|| trust::client_config(order.ca.as_deref()))
            .transpose()
            .map_err(|error| WorkerError::Task(error.to_string()))?;
        let next_report_ns = task.at_ns.saturating_add(nanos(SECOND));
        Ok(Self {
            reactor: Reactor::new(task, poll, passes, trust),
            reported: Instant::now(),
            next_report_ns,
            drop_at_ns: None,
            settling: None,
            next_look_ns: 0,
        })
    }

    fn run(
        &mut self,
        inbox: &Receiver<ToWorker>,
        output: &mut impl Write,
    ) -> Result<(), WorkerError> {
        let mut events = Reactor::events();
        loop {
            match inbox.try_recv() {
                Ok(ToWorker::Finish) | Err(TryRecvError::Disconnected) => return Ok(()),
                Ok(message) => self.handle(message),
                Err(TryRecvError::Empty) => {}
            }
            let deadlines = [Some(self.next_report_ns), self.drop_at_ns];
            let until = deadlines.into_iter().flatten().min().unwrap_or(u64::MAX);
            self.reactor.turn(&mut events, until)?;
            let now = now_ns();
            if self.drop_at_ns.is_some_and(|at| now >= at) {
                self.drop_at_ns = None;
                self.reactor.drop_share();
            }
            self.report(now, output)?;
        }
    }

    fn handle(&mut self, message: ToWorker) {
        match message {
            // A second task, or a Finish, which the loop has dealt with.
            ToWorker::Begin(_) | ToWorker::Finish => {}
            ToWorker::Publish { from_ns, until_ns } => {
                self.reactor.start_publishing(from_ns, until_ns);
            }
            ToWorker::Drop { at_ns } => self.drop_at_ns = Some(at_ns),
            ToWorker::End { at_ns } => self.reactor.end_publishing(at_ns),
            ToWorker::Settle { feeds, until_ns } => self.settling = Some((feeds, until_ns)),
        }
    }

    fn report(&mut self, now: u64, output: &mut impl Write) -> Result<(), WorkerError> {
        if now >= self.next_report_ns {
            self.tell_second(output)?;
            // A late report does not make the next ones late.
            while self.next_report_ns <= now {
                self.next_report_ns += nanos(SECOND);
            }
        }
        if now < self.next_look_ns {
            return Ok(());
        }
        self.next_look_ns = now + nanos(SETTLE_EVERY);
        let until = self
            .reactor
            .publishing
            .as_ref()
            .map_or(u64::MAX, |publishing| publishing.until_ns);
        let give_up = now >= until.saturating_add(nanos(ANSWERS_MAX));
        if let Some(totals) = self.reactor.published(give_up) {
            write_line(output, &FromWorker::Published(totals))?;
        }
        let Some((feeds, until_ns)) = &self.settling else {
            return Ok(());
        };
        if now >= *until_ns || self.reactor.is_settled(feeds) {
            let settled = self.reactor.settle(feeds);
            self.settling = None;
            self.tell_second(output)?;
            write_line(output, &FromWorker::Settled(settled))?;
        }
        Ok(())
    }

    fn tell_second(&mut self, output: &mut impl Write) -> io::Result<()> {
        let elapsed = self.reported.elapsed();
        self.reported = Instant::now();
        let second = self.reactor.take_second(elapsed);
        write_line(output, &FromWorker::Second(Box::new(second)))
    }
}

/// The token that the first fan will use.
pub(crate) fn first_token(credentials: &Credentials, order: &Order) -> String {
    Passes::new(credentials, order).map_or_else(|_| String::new(), |passes| passes.fan(0))
}
