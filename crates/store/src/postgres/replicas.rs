//! Copies of the database that follow it by streaming replication, and read the history in its place.
//!
//! 1. Only what people and back ends read of the log is read here ([`Replicas::read`]): pages, searches, exports. An engine
//!    that recovers, a recorder and everything that writes ask the database itself.
//! 2. How old a copy is, is known and not guessed: now and then the database is asked how far its write-ahead log is, and
//!    each copy how far it has replayed that ([`Samples`]). One that is older than the limit is not read.
//! 3. A copy that fails, hangs or has a damaged row is passed over. Where the database itself cannot be reached, any
//!    copy that answers is better than none.

use std::{
    collections::VecDeque,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use thiserror::Error;
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{PostgresConfig, Readers, fault::fault};
use crate::{
    StoreError,
    limits::{
        IDLE_CONNECTION_MAX, LOCK_WAIT_MAX, REPLICA_ANSWER_MAX, REPLICA_ASKED_EVERY,
        REPLICA_SAMPLES_MAX,
    },
};

/// How far the database's write-ahead log is: a primary's question.
const WRITTEN: &str = "SELECT pg_current_wal_lsn()::text";

/// How far a copy has replayed it; nothing from a database that follows no other.
const REPLAYED: &str =
    "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text END";

/// All copies of one database. Clones are the same ones; they are watched until the last is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Replicas(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    replicas: Vec<Arc<Replica>>,
    lag_max: Duration,
    /// Whose turn it is.
    turn: AtomicUsize,
    meters: Meters,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// One copy.
#[derive(Debug)]
struct Replica {
    /// As its operator calls it.
    place: String,
    readers: Readers,
    /// All that was committed by then is there.
    as_of: Mutex<Option<Instant>>,
}

/// What is counted, by the place of each copy.
#[derive(Debug, Clone, Default)]
struct Meters {
    lag: Family<[(&'static str, String); 1], Gauge<f64, std::sync::atomic::AtomicU64>>,
    reads: Family<[(&'static str, String); 1], Counter>,
}

impl Replicas {
    /// Watches the copies that `config` names, of the database that `primary` reads.
    pub(super) fn start(config: &PostgresConfig, primary: &Readers) -> Self {
        let meters = Meters::default();
        let samples = Arc::new(Mutex::new(Samples::default()));
        let mut tasks = Vec::new();
        let mut replicas = Vec::new();
        for (host, port) in &config.replicas {
            let options = config.options().host(host).port(*port);
            let replica = Arc::new(Replica {
                place: format!("{host}:{port}"),
                readers: readers(options, config.readers),
                as_of: Mutex::default(),
            });
            let watch = follow(Arc::clone(&replica), Arc::clone(&samples), meters.clone());
            tasks.push(tokio::spawn(watch));
            replicas.push(replica);
        }
        tasks.push(tokio::spawn(sample(primary.clone(), samples)));
        Self(Arc::new(Shared {
            replicas,
            lag_max: config.replica_lag,
            turn: AtomicUsize::new(0),
            meters,
            tasks,
        }))
    }

    /// Reads from a copy that is young enough, otherwise from the database itself.
    ///
    /// `trusts` says whether what a copy answers is taken.
    pub(super) async fn read<T, Asked>(
        &self,
        primary: &Readers,
        ask: impl Fn(Readers) -> Asked,
        trusts: impl Fn(&T) -> bool,
    ) -> Result<T, StoreError>
    where
        Asked: Future<Output = Result<T, StoreError>>,
    {
        if let Some(answer) = self.of(Some(self.0.lag_max), &ask, &trusts).await {
            return Ok(answer);
        }
        let answer = ask(primary.clone()).await;
        if let Err(StoreError::Unreachable(_)) = answer
            && let Some(answer) = self.of(None, &ask, &trusts).await
        {
            return Ok(answer);
        }
        answer
    }

    /// The first answer of the copies that are no older than this, who are asked in turn.
    async fn of<T, Asked>(
        &self,
        age_max: Option<Duration>,
        ask: &impl Fn(Readers) -> Asked,
        trusts: &impl Fn(&T) -> bool,
    ) -> Option<T>
    where
        Asked: Future<Output = Result<T, StoreError>>,
    {
        let Shared {
            replicas,
            turn,
            meters,
            ..
        } = &*self.0;
        let first = turn.fetch_add(1, Ordering::Relaxed);
        for next in 0..replicas.len() {
            let replica = &replicas[first.wrapping_add(next) % replicas.len()];
            let is_young = |age_max| replica.age().is_some_and(|age| age <= age_max);
            if !age_max.is_none_or(is_young) {
                continue;
            }
            match timeout(REPLICA_ANSWER_MAX, ask(replica.readers.clone())).await {
                Ok(Ok(answer)) if trusts(&answer) => {
                    meters.reads.get_or_create(&replica.label()).inc();
                    return Some(answer);
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::debug!(replica = replica.place, %error, "a replica does not answer: another is asked");
                }
                Err(_) => {
                    tracing::debug!(replica = replica.place, "a replica hangs: another is asked");
                }
            }
        }
        None
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "replica_lag",
            "How old what each replica of the chat log has is at most",
            Unit::Seconds,
            self.0.meters.lag.clone(),
        );
        registry.register(
            "replica_reads",
            "Questions about the chat log that each replica has answered",
            self.0.meters.reads.clone(),
        );
    }

    pub(super) async fn close(&self) {
        for replica in &self.0.replicas {
            replica.readers.close_pool().await;
        }
    }
}

impl Replica {
    fn label(&self) -> [(&'static str, String); 1] {
        [("replica", self.place.clone())]
    }

    /// How old what it has is at most; `None` where that is not known.
    fn age(&self) -> Option<Duration> {
        let as_of = *self.as_of.lock().unwrap_or_else(PoisonError::into_inner);
        as_of.map(|as_of| as_of.elapsed())
    }

    /// How far it has replayed the write-ahead log.
    async fn replayed(&self) -> Result<Option<Lsn>, StoreError> {
        let text: Option<String> = self.readers.scalar(REPLAYED).await?;
        text.map(|text| text.parse()).transpose().map_err(foreign)
    }
}

/// A pool that reads from one server, and connects when it is asked.
pub(super) fn readers(options: PgConnectOptions, connections_max: u32) -> Readers {
    let pool = PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(LOCK_WAIT_MAX)
        .idle_timeout(IDLE_CONNECTION_MAX)
        .connect_lazy_with(options);
    Readers::alone(pool)
}

/// Notes how far the database is, again and again.
async fn sample(primary: Readers, samples: Arc<Mutex<Samples>>) {
    let mut ticks = ticks();
    loop {
        ticks.tick().await;
        let at = Instant::now();
        let written = timeout(REPLICA_ANSWER_MAX, primary.scalar::<String>(WRITTEN)).await;
        if let Ok(Ok(text)) = written
            && let Ok(lsn) = text.parse()
        {
            samples
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .note(at, lsn);
        }
    }
}

/// Notes how old a copy is, again and again.
async fn follow(replica: Arc<Replica>, samples: Arc<Mutex<Samples>>, meters: Meters) {
    let mut ticks = ticks();
    let mut is_well = true;
    loop {
        ticks.tick().await;
        let replayed = timeout(REPLICA_ANSWER_MAX, replica.replayed()).await;
        let problem = match replayed {
            Ok(Ok(Some(lsn))) => {
                let samples = samples.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(at) = samples.reached(lsn) {
                    let mut as_of = replica.as_of.lock().unwrap_or_else(PoisonError::into_inner);
                    *as_of = (*as_of).max(Some(at));
                }
                None
            }
            Ok(Ok(None)) => Some("it follows no other database: it is no replica".to_owned()),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("it does not answer in time".to_owned()),
        };
        // Told when it begins and when it ends.
        match &problem {
            Some(problem) if is_well => {
                tracing::warn!(
                    replica = replica.place,
                    problem,
                    "a replica of the chat log cannot be read: the others and the database itself are"
                );
            }
            None if !is_well => {
                tracing::info!(
                    replica = replica.place,
                    "the replica of the chat log can be read again"
                );
            }
            _ => {}
        }
        is_well = problem.is_none();
        let lag = replica.age().map_or(f64::INFINITY, |age| age.as_secs_f64());
        meters.lag.get_or_create(&replica.label()).set(lag);
    }
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(REPLICA_ASKED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn foreign(error: LsnError) -> StoreError {
    fault(sqlx::Error::Decode(error.into()))
}

/// A place in a write-ahead log, as PostgreSQL writes it: `16/B374D848`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Lsn(u64);

/// It is none.
#[derive(Debug, Error)]
#[error("no place in a write-ahead log")]
struct LsnError;

impl FromStr for Lsn {
    type Err = LsnError;

    fn from_str(text: &str) -> Result<Self, LsnError> {
        let (high, low) = text.split_once('/').ok_or(LsnError)?;
        let half = |digits| u32::from_str_radix(digits, 16).map_err(|_| LsnError);
        Ok(Self(u64::from(half(high)?) << 32 | u64::from(half(low)?)))
    }
}

/// How far the database was when.
#[derive(Debug, Default)]
struct Samples(VecDeque<(Instant, Lsn)>);

impl Samples {
    /// At this time it was at least so far. Times ascend.
    fn note(&mut self, at: Instant, lsn: Lsn) {
        // Another database that was made of it may be behind: what was noted is of the one before.
        if self.0.back().is_some_and(|(_, newest)| *newest > lsn) {
            self.0.clear();
        }
        // Where nothing was written, the older one says less.
        if self.0.back().is_some_and(|(_, newest)| *newest == lsn) {
            self.0.pop_back();
        }
        if self.0.len() == REPLICA_SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((at, lsn));
    }

    /// The newest time at which all that was written is there, for a copy that is so far.
    fn reached(&self, replayed: Lsn) -> Option<Instant> {
        let behind = self.0.partition_point(|(_, lsn)| *lsn <= replayed);
        behind.checked_sub(1).map(|newest| self.0[newest].0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn a_place_is_read_as_it_is_written(place: u64) {
            let text = format!("{:X}/{:X}", place >> 32, place & 0xffff_ffff);
            prop_assert_eq!(text.parse::<Lsn>().unwrap(), Lsn(place));
        }

        #[test]
        fn what_is_no_place_is_refused_and_nothing_worse(text in "\\PC{0,20}") {
            if let Ok(Lsn(place)) = text.parse() {
                let again = format!("{:x}/{:x}", place >> 32, place & 0xffff_ffff);
                prop_assert_eq!(again.parse::<Lsn>().unwrap(), Lsn(place));
            }
        }

        /// A copy is never taken for younger than it is, and no older than two samples tell.
        #[test]
        fn the_age_of_a_copy_is_told_by_what_it_has(
            steps in vec((0_u64..3, 1_u64..1_000), 1..REPLICA_SAMPLES_MAX),
            replayed in 0_u64..100,
        ) {
            let began = Instant::now();
            let mut samples = Samples::default();
            let (mut written, mut at) = (0, began);
            let mut history = Vec::new();
            for (more, pause) in steps {
                written += more;
                at += Duration::from_millis(pause);
                samples.note(at, Lsn(written));
                history.push((at, written));
            }
            let expected = history.iter().rev().find(|(_, lsn)| *lsn <= replayed).map(|(at, _)| *at);
            prop_assert_eq!(samples.reached(Lsn(replayed)), expected);
        }
    }

    #[test]
    fn what_was_noted_is_bounded_and_ends_with_its_database() {
        let began = Instant::now();
        let mut samples = Samples::default();
        for count in 0..1_000 {
            samples.note(began + Duration::from_millis(count), Lsn(count));
        }
        assert_eq!(samples.0.len(), REPLICA_SAMPLES_MAX);
        samples.note(began + Duration::from_secs(2), Lsn(7));
        assert_eq!(samples.reached(Lsn(6)), None);
        assert_eq!(samples.0.len(), 1);
    }
}
