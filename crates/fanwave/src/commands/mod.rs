//! Commands of back ends that come over the broker: taken by one server at a time, and done in their order.
//!
//! ```text
//! broker --CommandQueue::take--> line (which wait for which) --> clerk (the API's own routes) --> done, or a dead letter
//! ```
//!
//! 1. A keeper asks for the lead every second (`keep`). A server that has not heard that it leads begins nothing.
//! 2. Whoever leads goes back to the oldest command that is not done, and takes what comes (`lead`). What it does not
//!    finish, because it is killed or cut off, is done by the next; a command that comes twice has its effect once.
//! 3. Each command is a job of its own (`Job`): it is asked again until it is done or refused for good, and holds up what
//!    has to wait for it meanwhile. Nothing is lost: a command is gone from the queue when it is done, or its dead letter is kept.
//!
//! What a command means is the API's ([`fanwave_api::commands`]), how it is kept the broker's ([`fanwave_bus::commands`]).

pub mod limits;
mod metrics;

use std::{sync::Arc, time::Duration};

use fanwave_api::{
    Problem,
    commands::{self, Clerk, Line, Outcome, Turn, letter},
};
use fanwave_bus::{
    BoxFuture,
    commands::{CommandQueue, Entry},
    limits::{COMMAND_LEAD_EVERY, COMMAND_LEASE},
    shared::BrokerError,
};
use fanwave_wire::command::Command;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};

use self::{
    limits::{FAULTS_MAX, RETRY_AFTER, RETRY_DOUBLINGS_MAX, TAKE_MAX, TAKEN_BYTES_MAX, TAKEN_MAX},
    metrics::Metrics,
};
use crate::clock;

/// Who has a command answered.
trait Answers: Send + Sync + 'static {
    /// See [`Clerk::carry_out`].
    fn carry_out<'a>(&'a self, command: &'a Command, repeated: bool) -> BoxFuture<'a, Outcome>;
}

impl Answers for Clerk {
    fn carry_out<'a>(&'a self, command: &'a Command, repeated: bool) -> BoxFuture<'a, Outcome> {
        Box::pin(self.carry_out(command, repeated))
    }
}

/// Has commands done until it is stopped. Dropping it ends that at once.
#[derive(Debug)]
pub struct Commands {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    metrics: Arc<Metrics>,
}

impl Commands {
    /// Has to be called within a tokio runtime.
    pub fn start(queue: Arc<dyn CommandQueue>, clerk: Clerk, registry: &mut Registry) -> Self {
        Self::answered_by(Arc::new(clerk), queue, registry)
    }

    fn answered_by(
        clerk: Arc<dyn Answers>,
        queue: Arc<dyn CommandQueue>,
        registry: &mut Registry,
    ) -> Self {
        let metrics = Arc::new(Metrics::register(registry));
        let (stop, stopping) = watch::channel(false);
        let office = Arc::new(Office {
            queue,
            clerk,
            metrics: Arc::clone(&metrics),
            lead: watch::Sender::new(Lead::default()),
            stopping,
        });
        Self {
            stop,
            task: tokio::spawn(office.run()),
            metrics,
        }
    }

    /// Whether the broker answers, when asked.
    pub fn pulse(&self) -> Arc<dyn Fn() -> bool + Send + Sync> {
        let metrics = Arc::clone(&self.metrics);
        Arc::new(move || metrics.is_well())
    }

    /// Finishes what is being done, and lets another server go on.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        // It ends with an error only where it has panicked, which was told.
        drop((&mut self.task).await);
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What everybody here needs.
struct Office {
    queue: Arc<dyn CommandQueue>,
    clerk: Arc<dyn Answers>,
    metrics: Arc<Metrics>,
    lead: watch::Sender<Lead>,
    stopping: watch::Receiver<bool>,
}

/// Whether this server leads, as far as it knows.
#[derive(Debug, Clone, Copy, Default)]
struct Lead {
    until: Option<Instant>,
    /// Another each time that it begins to: whoever has led before has nothing to say any more.
    term: u64,
}

impl Lead {
    fn holds(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// It was heard that it leads, for so long.
    fn extend(&mut self, until: Instant) {
        if !self.holds() {
            self.term += 1;
        }
        self.until = Some(until);
    }
}

/// A command in the line.
#[derive(Debug)]
struct Job {
    entry: Entry,
    command: Result<Command, Problem>,
    /// In which term it was taken.
    term: u64,
    /// It may have been done before.
    repeated: bool,
}

impl Office {
    async fn run(self: Arc<Self>) {
        tokio::join!(self.keep(), self.work());
        if let Err(error) = self.queue.leave().await {
            tracing::debug!(%error, "another server has commands done a moment later");
        }
        self.metrics.leads.set(0);
    }

    /// Asks for the lead, and to keep it, until it stops.
    async fn keep(&self) {
        let mut stopping = self.stopping.clone();
        loop {
            let asked_at = Instant::now();
            let led = self.queue.lead().await;
            self.heard(&led.as_ref().map(drop));
            match led {
                Ok(true) => self
                    .lead
                    .send_modify(|lead| lead.extend(asked_at + COMMAND_LEASE)),
                Ok(false) => self.lead.send_modify(|lead| lead.until = None),
                // What is known holds until it ends.
                Err(_) => {}
            }
            let leads = self.lead.borrow().holds();
            self.metrics.leads.set(i64::from(leads));
            self.count(leads).await;
            tokio::select! {
                () = sleep_until(asked_at + COMMAND_LEAD_EVERY) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Counts what is not done, where this server leads. It has to ask for the lead again whether or not that is answered.
    async fn count(&self, leads: bool) {
        let waiting = match leads {
            true => timeout(COMMAND_LEAD_EVERY, self.queue.waiting()).await,
            false => Ok(Ok(0)),
        };
        if let Ok(Ok(waiting)) = waiting {
            let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
            self.metrics.waiting.set(waiting);
        }
    }

    /// Tells the operator when the broker stops answering, and when it answers again.
    fn heard(&self, answer: &Result<(), &BrokerError>) {
        match answer {
            Ok(()) if self.metrics.answers(true) => {
                tracing::info!("commands are taken from the broker again");
            }
            Err(error) if self.metrics.answers(false) => {
                tracing::error!(%error, "commands cannot be taken from the broker; they wait there until they can");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Whether this server leads without a break since a term began, and does not stop.
    fn may_go_on(&self, term: u64) -> bool {
        let lead = *self.lead.borrow();
        lead.holds() && lead.term == term && !self.stops()
    }

    fn stops(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Leads whenever it may.
    async fn work(self: &Arc<Self>) {
        let mut stopping = self.stopping.clone();
        let mut leads = self.lead.subscribe();
        while !self.stops() {
            let lead = *leads.borrow_and_update();
            if lead.holds() {
                if let Err(error) = self.lead(lead.term).await {
                    tracing::debug!(%error, "the queue of commands is read again from what is not done");
                    let stop = stopping.wait_for(|stop| *stop);
                    drop(timeout(COMMAND_LEAD_EVERY, stop).await);
                }
                continue;
            }
            tokio::select! {
                _ = leads.changed() => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Has commands done for as long as it may; what was begun is over when it returns.
    async fn lead(self: &Arc<Self>, term: u64) -> Result<(), BrokerError> {
        self.queue.rewind().await?;
        let mut desk = Desk::new(term);
        let mut leads = self.lead.subscribe();
        let mut stopping = self.stopping.clone();
        loop {
            let goes_on = desk.failure.is_none() && self.may_go_on(term);
            if goes_on {
                desk.begin(self);
            } else if desk.jobs.is_empty() {
                return desk.failure.map_or(Ok(()), Err);
            }
            let ends = leads.borrow_and_update().until.unwrap_or_else(Instant::now);
            tokio::select! {
                taken = next(&mut desk.taking), if goes_on => desk.take(self, taken),
                Some(ended) = desk.jobs.join_next(), if !desk.jobs.is_empty() => desk.end(ended),
                _ = leads.changed(), if goes_on => {}
                () = sleep_until(ends), if goes_on => {}
                _ = stopping.wait_for(|stop| *stop), if goes_on => {}
            }
        }
    }

    /// Has one done, or given up. When the answer is `true` it is gone from the queue; otherwise this server may not go on.
    async fn carry_out(&self, job: &Job) -> bool {
        let refusal = match &job.command {
            Ok(command) => match self.until_answered(command, job).await {
                Some(refusal) => refusal,
                None => return false,
            },
            Err(problem) => {
                self.metrics.malformed.inc();
                Some(problem.json())
            }
        };
        if let Some(problem) = &refusal {
            let place = job.entry.place.to_string();
            // Not the command, and not the detail: a log holds no messages of fans.
            tracing::debug!(%place, code = %problem["code"], "a command is given up");
            let letter = letter(clock::now(), &place, problem, &job.entry.bytes);
            let bury = || self.queue.bury(&letter);
            if !self.until_taken(job.term, bury).await {
                return false;
            }
            self.metrics.dead_letters.inc();
        }
        let done = || self.queue.done(&job.entry.place);
        if !self.until_taken(job.term, done).await {
            return false;
        }
        if refusal.is_none() {
            self.metrics.done.inc();
        }
        true
    }

    /// Asks until a command is done (`Some(None)`) or refused; `None`: this server may not go on.
    async fn until_answered(&self, command: &Command, job: &Job) -> Option<Option<Value>> {
        let mut faults = 0;
        let mut attempt = 0;
        loop {
            let repeated = job.repeated || attempt > 0;
            match self.clerk.carry_out(command, repeated).await {
                Outcome::Done => return Some(None),
                Outcome::Refused(problem) => {
                    self.metrics.refused.inc();
                    return Some(Some(problem));
                }
                Outcome::Fault(problem) if faults == FAULTS_MAX => {
                    self.metrics.refused.inc();
                    tracing::error!(
                        command = command.id,
                        "a command cannot be answered, and is given up"
                    );
                    return Some(Some(problem));
                }
                Outcome::Fault(_) => faults += 1,
                Outcome::Again => {}
            }
            self.metrics.retries.inc();
            if !self.pause(job.term, attempt).await {
                return None;
            }
            attempt += 1;
        }
    }

    /// Asks the broker until it has taken something; `false`: this server may not go on.
    async fn until_taken<'a>(
        &self,
        term: u64,
        ask: impl Fn() -> BoxFuture<'a, Result<(), BrokerError>>,
    ) -> bool {
        let mut attempt = 0;
        while let Err(error) = ask().await {
            tracing::debug!(%error, "the broker does not take it now");
            if !self.pause(term, attempt).await {
                return false;
            }
            attempt += 1;
        }
        true
    }

    /// Waits before something is tried again; answers whether it may be.
    async fn pause(&self, term: u64, attempt: u32) -> bool {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = sleep(wait_after(attempt)) => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
        self.may_go_on(term)
    }
}

/// How long to wait after so many attempts.
fn wait_after(attempt: u32) -> Duration {
    RETRY_AFTER * (1 << attempt.min(RETRY_DOUBLINGS_MAX))
}

type Taking = BoxFuture<'static, Result<Vec<Entry>, BrokerError>>;

/// The next commands, where they were asked for.
async fn next(taking: &mut Option<Taking>) -> Result<Vec<Entry>, BrokerError> {
    match taking {
        Some(asked) => {
            let taken = asked.await;
            *taking = None;
            taken
        }
        None => std::future::pending().await,
    }
}

/// What a server that leads has on its desk.
struct Desk {
    term: u64,
    line: Line<Job>,
    jobs: JoinSet<Ended>,
    /// Kept while it waits: what is on its way would be lost with it.
    taking: Option<Taking>,
    bytes: usize,
    taken: usize,
    failure: Option<BrokerError>,
}

/// A job that is over.
struct Ended {
    turn: Turn,
    bytes: usize,
    /// The command is gone from the queue.
    finished: bool,
}

impl Desk {
    fn new(term: u64) -> Self {
        Self {
            term,
            line: Line::default(),
            jobs: JoinSet::new(),
            taking: None,
            bytes: 0,
            taken: 0,
            failure: None,
        }
    }

    /// Begins what may begin, and asks for more where there is room.
    fn begin(&mut self, office: &Arc<Office>) {
        while let Some((turn, job)) = self.line.begin() {
            let office = Arc::clone(office);
            self.jobs.spawn(async move {
                let finished = office.carry_out(&job).await;
                let bytes = job.entry.bytes.len();
                Ended {
                    turn,
                    bytes,
                    finished,
                }
            });
        }
        let most = TAKE_MAX.min(TAKEN_MAX.saturating_sub(self.line.len()));
        if self.taking.is_none() && most > 0 && self.bytes < TAKEN_BYTES_MAX {
            let queue = Arc::clone(&office.queue);
            self.taking = Some(Box::pin(async move { queue.take(most).await }));
        }
    }

    fn take(&mut self, office: &Office, taken: Result<Vec<Entry>, BrokerError>) {
        let entries = match taken {
            Ok(entries) => entries,
            Err(error) => {
                self.failure = Some(error);
                return;
            }
        };
        for entry in entries {
            office.metrics.taken.inc();
            self.bytes += entry.bytes.len();
            let command = commands::read(&entry.bytes);
            let claims = command.as_ref().map(|command| command.claims.clone());
            let claims = claims.unwrap_or_default();
            let job = Job {
                command,
                term: self.term,
                // Whoever led before had no more at a time.
                repeated: self.taken < TAKEN_MAX,
                entry,
            };
            self.taken = self.taken.saturating_add(1);
            self.line.push(claims, job);
        }
    }

    /// Where one is not finished, everything is read again from what is not done: what waits for it may not overtake it.
    fn end(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok(ended) if ended.finished => {
                self.line.end(ended.turn);
                self.bytes = self.bytes.saturating_sub(ended.bytes);
            }
            Ok(_) => self.failure = Some(BrokerError::unavailable("the lead was lost")),
            Err(error) => self.failure = Some(BrokerError::unavailable(&error)),
        }
    }
}

#[cfg(test)]
mod tests;
