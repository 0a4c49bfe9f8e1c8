//! A run from the first request to the report.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    client::{Ask, Client, Line},
    dial::Dial,
    fetch, follow, probes,
};
use crate::{
    address::Address,
    bench::Bench,
    finding::Finding,
    limits::{ANSWER_TIME_MAX, FETCH_QUEUE_MAX},
    observation::Outcome,
    parse::Media,
    report::Report,
    rules::{Rule, Severity},
};

/// How often findings are told.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// How many times that until progress is told.
const TELLS_PER_PROGRESS: u32 = 8;

/// What to judge.
#[derive(Debug, Clone)]
pub struct Order {
    /// The playlist.
    pub address: Address,
    /// For how long.
    pub time: Duration,
    /// Rules to judge by; all where none is named.
    pub only: Vec<Rule>,
    /// How connections are made.
    pub dial: Arc<dyn Dial>,
    /// Microseconds since 1970 now.
    pub began: i64,
    /// Ends the run early, with a report.
    pub stop: Arc<Notify>,
}

/// What is told while a run lasts.
#[derive(Debug, Clone)]
pub enum Tell {
    /// Something was found.
    Found(Box<Finding>),
    /// How far it is.
    Progress(Progress),
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Time since the start.
    pub elapsed: Duration,
    /// Renditions that are followed.
    pub renditions: usize,
    /// Versions of playlists that were seen.
    pub versions: u64,
    /// Parts and segments that were fetched.
    pub pieces: u64,
    /// Findings that are errors.
    pub errors: usize,
    /// Findings that are warnings.
    pub warnings: usize,
}

/// What came of a run.
pub type Judged = Result<Report, RunError>;

/// Why nothing could be judged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no answer.
    #[error(
        "{url} cannot be reached: {why}; is the address right, and the server running? For a certificate of your own, add --insecure"
    )]
    Unreachable {
        /// What was asked.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// The answer is no playlist.
    #[error(
        "{url} is no playlist: status {status}, Content-Type {content_type}; name a multivariant or media playlist, mostly *.m3u8, of a stream that is live"
    )]
    NoPlaylist {
        /// What was asked.
        url: String,
        /// The answer's status.
        status: u16,
        /// The answer's type.
        content_type: String,
    },
    /// None of the media playlists could be loaded.
    #[error("none of the media playlists of {url} could be loaded; is the stream live?")]
    NothingLive {
        /// What was asked.
        url: String,
    },
}

/// What the tasks of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) client: Arc<Client>,
    bench: Mutex<Bench>,
    newest: Vec<watch::Sender<Option<Arc<Media>>>>,
}

impl Shared {
    /// The bench. Never held across a wait.
    pub(crate) fn bench(&self) -> MutexGuard<'_, Bench> {
        self.bench.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lanes(&self) -> usize {
        self.newest.len()
    }

    pub(crate) fn address(&self, lane: usize) -> Option<Address> {
        self.bench()
            .lanes()
            .get(lane)
            .map(|lane| lane.address.clone())
    }

    pub(crate) fn publish(&self, lane: usize, media: Arc<Media>) {
        if let Some(newest) = self.newest.get(lane) {
            newest.send_replace(Some(media));
        }
    }

    pub(crate) fn newest(&self, lane: usize) -> Option<Arc<Media>> {
        self.newest.get(lane)?.borrow().clone()
    }

    pub(crate) fn subscribe(&self, lane: usize) -> Option<watch::Receiver<Option<Arc<Media>>>> {
        self.newest.get(lane).map(watch::Sender::subscribe)
    }
}

/// Judges a stream, and tells what is found meanwhile.
///
/// # Errors
///
/// Nothing could be judged: see [`RunError`].
pub async fn run(order: &Order, tell: &mut (dyn FnMut(Tell) + Send)) -> Judged {
    let client = Arc::new(Client {
        dial: order.dial.clone(),
        start: Instant::now(),
    });
    let bench = begin(order, &client).await?;
    let newest = bench
        .lanes()
        .iter()
        .map(|_| watch::Sender::new(None))
        .collect();
    let shared = Arc::new(Shared {
        client,
        bench: Mutex::new(bench),
        newest,
    });
    let mut tasks = JoinSet::new();
    for lane in 0..shared.lanes() {
        let (sender, receiver) = mpsc::channel(FETCH_QUEUE_MAX);
        tasks.spawn(follow::follow(shared.clone(), lane, sender));
        tasks.spawn(fetch::fetch(shared.clone(), lane, receiver));
    }
    let mut probing = JoinSet::new();
    probing.spawn(probes::probe(shared.clone()));
    let mut ticks = interval(TELL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0;
    while shared.client.now() < order.time {
        tokio::select! {
            _ = ticks.tick() => {}
            () = order.stop.notified() => break,
            // Nothing is left to ask: the stream has ended.
            Some(_) = probing.join_next() => break,
            Some(_) = tasks.join_next() => {}
        }
        count += 1;
        tell_all(&shared, count % TELLS_PER_PROGRESS == 0, tell);
    }
    tasks.shutdown().await;
    probing.shutdown().await;
    let elapsed = shared.client.now();
    shared.bench().finish(elapsed);
    tell_all(&shared, true, tell);
    let bench = shared.bench();
    if bench.lanes().iter().all(|lane| lane.versions == 0) {
        let url = order.address.to_string();
        return Err(RunError::NothingLive { url });
    }
    Ok(Report::of(
        &bench,
        &order.address.to_string(),
        elapsed,
        &order.only,
    ))
}

/// The first request.
async fn begin(order: &Order, client: &Arc<Client>) -> Result<Bench, RunError> {
    let url = order.address.to_string();
    let ask = Ask {
        address: order.address.clone(),
        is_media: false,
        range: None,
        patience: ANSWER_TIME_MAX,
    };
    let why = match Line::new(client.clone()).get(&ask).await {
        Outcome::Answered(answer) => {
            let mut bench = Bench::new(order.only.clone(), order.began);
            if answer.status == 200 && bench.begin(&order.address, &answer) {
                return Ok(bench);
            }
            let content_type = answer.header("content-type").unwrap_or("none").to_owned();
            let status = answer.status;
            return Err(RunError::NoPlaylist {
                url,
                status,
                content_type,
            });
        }
        Outcome::Silent(waited) => format!("no answer for {:.0} s", waited.as_secs_f64()),
        Outcome::Broken(why) => why,
    };
    Err(RunError::Unreachable { url, why })
}

fn tell_all(shared: &Shared, is_progress: bool, tell: &mut (dyn FnMut(Tell) + Send)) {
    let mut bench = shared.bench();
    while let Some(finding) = bench.poll_fresh() {
        tell(Tell::Found(Box::new(finding)));
    }
    if is_progress {
        tell(Tell::Progress(Progress {
            elapsed: shared.client.now(),
            renditions: bench.lanes().len(),
            versions: bench.lanes().iter().map(|lane| lane.versions).sum(),
            pieces: bench.lanes().iter().map(|lane| lane.pieces).sum(),
            errors: bench.count(Severity::Error),
            warnings: bench.count(Severity::Warning),
        }));
    }
}
