//! The worker processes: started, spoken to over pipes, and never left behind.

use std::{
    io::{self, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    time::{Duration, Instant},
};

use crate::{
    clock::now_ns,
    exchange::{FromWorker, ToWorker, read_line, write_line},
    limits::{LINES_WAITING_MAX, WORKER_END_MAX},
};

/// How often an ending worker is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What happened next.
pub(super) enum News {
    /// A worker said something.
    Said(usize, FromWorker),
    /// A worker's pipe closed.
    Gone,
    /// Nobody said anything until the time that was given.
    Time,
}

/// All workers. Dropping them closes their pipes, at which they end, and kills those that do not.
#[derive(Debug)]
pub(super) struct Crew {
    hands: Vec<Hand>,
    inbox: Receiver<(usize, Option<FromWorker>)>,
}

#[derive(Debug)]
struct Hand {
    child: Child,
    /// Closed when the worker shall end.
    orders: Option<ChildStdin>,
}

impl Crew {
    /// Starts so many workers.
    pub(super) fn hire(program: &Path, arguments: &[String], count: usize) -> io::Result<Self> {
        let (sender, inbox) = mpsc::sync_channel(LINES_WAITING_MAX);
        let mut crew = Self {
            hands: Vec::new(),
            inbox,
        };
        for index in 0..count {
            let mut child = Command::new(program)
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let orders = child.stdin.take();
            if let Some(output) = child.stdout.take() {
                let sender = sender.clone();
                std::thread::spawn(move || listen(index, output, &sender));
            }
            crew.hands.push(Hand { child, orders });
        }
        Ok(crew)
    }

    /// How many there are.
    pub(super) fn size(&self) -> usize {
        self.hands.len()
    }

    /// Their process ids.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.hands.iter().map(|hand| hand.child.id()).collect()
    }

    /// Says something to one.
    pub(super) fn tell(&mut self, worker: usize, message: &ToWorker) -> io::Result<()> {
        match self
            .hands
            .get_mut(worker)
            .and_then(|hand| hand.orders.as_mut())
        {
            Some(pipe) => write_line(pipe, message),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Waits for whatever comes first.
    pub(super) fn next(&self, until_ns: u64) -> News {
        let wait = Duration::from_nanos(until_ns.saturating_sub(now_ns()));
        match self.inbox.recv_timeout(wait) {
            Ok((worker, Some(message))) => News::Said(worker, message),
            Ok((_, None)) | Err(RecvTimeoutError::Disconnected) => News::Gone,
            Err(RecvTimeoutError::Timeout) => News::Time,
        }
    }

    /// Sends them home, and waits for them.
    pub(super) fn dismiss(&mut self) {
        for hand in &mut self.hands {
            hand.orders = None;
        }
        let deadline = Instant::now() + WORKER_END_MAX;
        for hand in &mut self.hands {
            while matches!(hand.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                // A worker that still writes must not wait for a full pipe.
                while self.inbox.try_recv().is_ok() {}
                std::thread::sleep(LOOK_EVERY);
            }
            // It has ended by itself, usually; both calls then do nothing.
            drop(hand.child.kill());
            drop(hand.child.wait());
        }
        self.hands.clear();
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.dismiss();
    }
}

fn listen(worker: usize, output: impl io::Read, sender: &SyncSender<(usize, Option<FromWorker>)>) {
    let mut output = BufReader::new(output);
    while let Ok(Some(message)) = read_line(&mut output) {
        if sender.send((worker, Some(message))).is_err() {
            return;
        }
    }
    // Nobody listens any more once the run is over.
    drop(sender.send((worker, None)));
}
