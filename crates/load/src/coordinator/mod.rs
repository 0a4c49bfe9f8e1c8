//! The one process that the user started: it checks, splits, starts the workers, leads them through the run, and adds
//! up what they tell.
//!
//! 1. *Ramp*: the workers connect their fans. It ends when all are there, or takes too long.
//! 2. *Publishing*: messages are sent for as long as ordered. A storm begins a fifth into it.
//! 3. *Settling*: nobody sends any more; the run ends when every fan has what it is owed, or has had time enough.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

pub use self::error::LoadError;
use self::{
    board::Board,
    crew::{Crew, News},
};
use crate::{
    Order, Report, Scenario,
    clock::{nanos, now_ns},
    exchange::{Assignment, FeedTotal, FromWorker, ToWorker},
    limits::{ANSWERS_MAX, RAMP_GRACE, SETTLE_MAX},
    order::Credentials,
    split::{self, Split},
};

mod board;
mod crew;
mod error;
mod prepare;
mod timeline;
mod watch;

/// How long workers may take from their start to the ramp's begin, and senders from the order to the first message.
const HEAD_START: Duration = Duration::from_millis(300);

/// How much longer than they may the coordinator waits for its workers.
const PATIENCE: Duration = Duration::from_secs(5);

/// A run, with everything that is not the workers' business.
#[derive(Debug)]
pub struct Launch {
    /// What is to be done.
    pub order: Order,
    /// Who the fans are.
    pub tokens: Tokens,
    /// How many workers; `None`: as many as make sense.
    pub workers: Option<u32>,
    /// The servers' processes, one for each in their order, or all of the only one. Empty: whoever listens at a server's
    /// address, if that is on this machine.
    pub server_pids: Vec<u32>,
    /// What is started as a worker.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How often the user has asked for the end: once ends the sending, and the run is settled and reported; twice ends all.
    pub ends: Arc<AtomicU8>,
}

/// Where tokens come from.
#[derive(Debug)]
pub enum Tokens {
    /// From the user, or signed with the user's secret.
    Given(Credentials),
    /// From the server's own guest list; the lossless lane then needs a token of its own.
    Guests {
        /// How many different ones.
        count: u32,
        /// How many are fetched a second.
        per_second: u32,
        /// For the senders.
        staff: Option<String>,
    },
}

/// Carries out a run. `screen` gets a line at a time: the plan, then one per second.
///
/// # Errors
///
/// See [`LoadError`]. A run that was carried out is a report, whatever it found.
pub fn run(launch: &Launch, screen: &mut dyn FnMut(&str)) -> Result<Report, LoadError> {
    let order = &launch.order;
    order.check()?;
    let split = split::split(&prepare::situation(launch))?;
    let watches = prepare::watches(launch)?;
    let manner = prepare::manner(order)?;
    let credentials = prepare::credentials(launch, &manner)?;
    prepare::probe(order, &manner, &credentials)?;
    screen(&format!(
        "{}: {} fans on {}: {split}",
        order.scenario.name(),
        order.fans,
        order.names()
    ));
    let warnings = prepare::warnings(order, &split, &watches);
    for warning in &warnings {
        screen(&format!("Note: {warning}"));
    }

    let at_ns = now_ns() + nanos(HEAD_START);
    let workers = u32::try_from(split.parts.len()).unwrap_or(u32::MAX);
    let mut crew = Crew::hire(&launch.program, &launch.arguments, split.parts.len())
        .map_err(LoadError::Start)?;
    for (index, part) in split.parts.iter().enumerate() {
        let task = Assignment {
            order: order.clone(),
            credentials: credentials.clone(),
            part: part.clone(),
            index: u32::try_from(index).unwrap_or(0),
            workers,
            at_ns,
        };
        crew.tell(index, &ToWorker::Begin(Box::new(task)))
            .map_err(LoadError::Start)?;
    }
    let mut board = Board::new(at_ns, crew.pids(), watches);
    board.warn(warnings);
    let mut lead = Lead {
        order,
        ends: &launch.ends,
        crew,
        board,
        phase: Phase::Ramp {
            until_ns: ramp_end(order, at_ns),
        },
    };
    lead.run(screen)?;
    Ok(lead.board.report(order, &split))
}

fn ramp_end(order: &Order, at_ns: u64) -> u64 {
    at_ns.saturating_add(nanos(order.ramp() + RAMP_GRACE))
}

/// How far the run is.
enum Phase {
    Ramp {
        until_ns: u64,
    },
    Publishing {
        until_ns: u64,
        told: Vec<Option<Vec<FeedTotal>>>,
    },
    Settling {
        until_ns: u64,
        told: usize,
    },
    Done,
}

/// Leads the workers through the phases.
struct Lead<'a> {
    order: &'a Order,
    ends: &'a AtomicU8,
    crew: Crew,
    board: Board,
    phase: Phase,
}

impl Lead<'_> {
    fn run(&mut self, screen: &mut dyn FnMut(&str)) -> Result<(), LoadError> {
        while !matches!(self.phase, Phase::Done) {
            let tick_ns = self.board.next_tick_ns();
            match self.crew.next(tick_ns) {
                News::Said(worker, message) => self.hear(worker, message)?,
                News::Gone => return Err(LoadError::WorkerLost),
                News::Time => {
                    if let Some(line) = self.board.tick() {
                        screen(&line);
                    }
                }
            }
            self.heed()?;
            self.advance()?;
        }
        self.board.finish();
        self.crew.dismiss();
        Ok(())
    }

    fn hear(&mut self, worker: usize, message: FromWorker) -> Result<(), LoadError> {
        match message {
            FromWorker::Second(second) => self.board.add(worker, &second),
            FromWorker::Published(totals) => {
                if let Phase::Publishing { told, .. } = &mut self.phase
                    && let Some(place) = told.get_mut(worker)
                {
                    *place = Some(totals);
                }
            }
            FromWorker::Settled(settled) => {
                self.board.settle(settled);
                if let Phase::Settling { told, .. } = &mut self.phase {
                    *told += 1;
                }
            }
            FromWorker::Fault(reason) => return Err(LoadError::Worker(reason)),
        }
        Ok(())
    }

    /// Whether the user will not wait for the end.
    fn heed(&mut self) -> Result<(), LoadError> {
        let now = now_ns();
        match (self.ends.load(Ordering::Relaxed), &mut self.phase) {
            (0, _) => {}
            (1, Phase::Publishing { until_ns, .. }) => {
                if *until_ns > now {
                    *until_ns = now;
                    self.board.end_publishing(now);
                    self.tell_all(&ToWorker::End { at_ns: now })?;
                }
            }
            (1, Phase::Settling { .. } | Phase::Done) => {}
            _ => return Err(LoadError::Interrupted),
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<(), LoadError> {
        let now = now_ns();
        match &mut self.phase {
            Phase::Ramp { until_ns } => {
                let connected = self.board.connected();
                let late = now >= *until_ns;
                if late && connected == 0 {
                    let reasons = self.board.failures_in_words();
                    return Err(LoadError::Nobody { reasons });
                }
                if late || connected >= u64::from(self.order.fans) {
                    self.start_publishing(now)?;
                }
            }
            Phase::Publishing { until_ns, told } => {
                let answered = told.iter().all(Option::is_some);
                let late = now >= until_ns.saturating_add(nanos(ANSWERS_MAX + PATIENCE));
                if now >= *until_ns && (answered || late) {
                    let mut feeds: Vec<FeedTotal> = std::mem::take(told)
                        .into_iter()
                        .flatten()
                        .flatten()
                        .collect();
                    feeds.sort_by_key(|total| total.feed);
                    self.start_settling(now, feeds)?;
                }
            }
            Phase::Settling { until_ns, told } => {
                if *told >= self.crew.size() || now >= until_ns.saturating_add(nanos(PATIENCE)) {
                    self.phase = Phase::Done;
                }
            }
            Phase::Done => {}
        }
        Ok(())
    }

    fn start_publishing(&mut self, now: u64) -> Result<(), LoadError> {
        let from_ns = now + nanos(HEAD_START);
        let until_ns = from_ns.saturating_add(nanos(self.order.duration));
        self.board.start_publishing(from_ns, until_ns);
        self.tell_all(&ToWorker::Publish { from_ns, until_ns })?;
        if self.order.scenario == Scenario::Storm {
            let at_ns = from_ns.saturating_add(nanos(self.order.duration) / 5);
            self.board.drop_at(at_ns);
            self.tell_all(&ToWorker::Drop { at_ns })?;
        }
        let told = vec![None; self.crew.size()];
        self.phase = Phase::Publishing { until_ns, told };
        Ok(())
    }

    fn start_settling(&mut self, now: u64, feeds: Vec<FeedTotal>) -> Result<(), LoadError> {
        let until_ns = now.saturating_add(nanos(SETTLE_MAX));
        self.board.start_settling(now);
        self.tell_all(&ToWorker::Settle { feeds, until_ns })?;
        self.phase = Phase::Settling { until_ns, told: 0 };
        Ok(())
    }

    fn tell_all(&mut self, message: &ToWorker) -> Result<(), LoadError> {
        for worker in 0..self.crew.size() {
            self.crew
                .tell(worker, message)
                .map_err(|_| LoadError::WorkerLost)?;
        }
        Ok(())
    }
}

impl Split {
    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.parts.len()
    }
}
