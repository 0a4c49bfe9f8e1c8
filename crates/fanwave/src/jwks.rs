//! The public keys of another issuer, kept up to date.
//!
//! The set is fetched at start, after each `jwks_refresh`, and when a token was signed with a key that it lacks: issuers
//! sign with a new key as soon as they publish it. However many such tokens come, there are `Pace::between` two
//! fetches. A source that fails, or answers something that is no key set, changes nothing: the last good set stays, and
//! the log and a metric say so. Redirects are not followed: what may sign for us is at the address that was configured.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use fanwave_wire::{
    limits::JWKS_BYTES_MAX,
    token::{Jwks, JwksError, KeyRing, TokenKey},
};
use hyper::{StatusCode, Uri, http::uri::Scheme};
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use thiserror::Error;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    config::tokens::Tokens,
    fetch::{self, Question},
    outgoing::Outgoing,
};

/// Longest time of one fetch, from the name's resolution to the last byte.
const FETCH_TIME_MAX: Duration = Duration::from_secs(10);

/// Where the keys are, and how often they are read. The address may hold a secret and is in no log.
#[derive(Clone)]
pub struct Source {
    url: Uri,
    refresh: Duration,
}

impl Source {
    /// A source, if the address is one that can be fetched: `https` or `http`, with a host and without a password.
    #[must_use]
    pub fn new(url: Uri, refresh: Duration) -> Option<Self> {
        let scheme = url.scheme()?;
        let fetchable = *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
        let authority = url.authority()?;
        let plain = !authority.as_str().contains('@') && !authority.host().is_empty();
        (fetchable && plain).then_some(Self { url, refresh })
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source(every {:?})", self.refresh)
    }
}

/// Why the keys were not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// There is no answer.
    #[error(transparent)]
    Fetch(#[from] fetch::FetchError),
    /// Another answer than 200.
    #[error("answered {0}")]
    Status(StatusCode),
    /// The answer is no key set.
    #[error(transparent)]
    Keys(#[from] JwksError),
    /// It took too long.
    #[error("took longer than {FETCH_TIME_MAX:?}")]
    Slow,
}

/// How often the source may be asked.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Shortest time between two fetches.
    between: Duration,
    /// Longest time until an unknown key is noticed.
    notice: Duration,
    /// Time until a failed fetch is tried again, if the source is not to be read earlier anyway.
    retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            between: Duration::from_secs(5),
            notice: Duration::from_millis(500),
            retry: Duration::from_secs(30),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Metrics {
    fetched: Counter,
    failed: Counter,
    keys: Gauge,
}

impl Metrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("fanwave_token_keys");
        registry.register(
            "fetched",
            "Sets of public keys that were read",
            metrics.fetched.clone(),
        );
        registry.register(
            "failed",
            "Sets of public keys that could not be read",
            metrics.failed.clone(),
        );
        registry.register("known", "Public keys in use", metrics.keys.clone());
        metrics
    }
}

/// The keys that tokens are verified with, and who keeps them up to date, if they are not ours alone.
pub async fn keys(
    tokens: &Tokens,
    own: &TokenKey,
    registry: &mut Registry,
) -> (Arc<ArcSwap<KeyRing>>, Option<Follower>) {
    let ring = KeyRing::new(own, tokens.rules.clone());
    let keys = Arc::new(ArcSwap::from_pointee(ring));
    let Some(source) = tokens.jwks.clone() else {
        return (keys, None);
    };
    let follower = Follower::start(source, Arc::clone(&keys), registry).await;
    (keys, Some(follower))
}

/// Keeps the keys up to date until it is dropped.
#[derive(Debug)]
pub struct Follower {
    task: JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    /// Reads the keys once, so that the first fans find them, and goes on reading them. A source that fails does not
    /// keep the server from starting. Must be called on a tokio runtime.
    pub async fn start(
        source: Source,
        keys: Arc<ArcSwap<KeyRing>>,
        registry: &mut Registry,
    ) -> Self {
        let metrics = Metrics::register(registry);
        Self::start_at(source, keys, metrics, Pace::default()).await
    }

    async fn start_at(
        source: Source,
        keys: Arc<ArcSwap<KeyRing>>,
        metrics: Metrics,
        pace: Pace,
    ) -> Self {
        let reader = Reader {
            source,
            keys,
            metrics,
            pace,
        };
        let first = reader.read().await;
        let task = tokio::spawn(reader.follow(first));
        Self { task }
    }
}

/// Whether the keys were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Read,
    Failed,
}

struct Reader {
    source: Source,
    keys: Arc<ArcSwap<KeyRing>>,
    metrics: Metrics,
    pace: Pace,
}

impl Reader {
    async fn follow(self, first: Outcome) {
        let mut last = first;
        loop {
            self.wait(last).await;
            last = self.read().await;
        }
    }

    /// Waits until the keys are to be read again.
    async fn wait(&self, last: Outcome) {
        let longest = match last {
            Outcome::Read => self.source.refresh,
            Outcome::Failed => self.source.refresh.min(self.pace.retry),
        };
        let due = Instant::now() + longest;
        let misses = self.keys.load().misses();
        sleep(self.pace.between).await;
        while Instant::now() < due && self.keys.load().misses() == misses {
            sleep(self.pace.notice).await;
        }
    }

    async fn read(&self) -> Outcome {
        let fetched = timeout(FETCH_TIME_MAX, fetch(&self.source.url)).await;
        match fetched.unwrap_or(Err(FetchError::Slow)) {
            Ok(jwks) => {
                let (known, skipped) = (jwks.len(), jwks.skipped());
                tracing::debug!(known, skipped, "read the public keys of tokens");
                if known == 0 {
                    tracing::warn!(
                        skipped,
                        "the source of public keys has none that can be used"
                    );
                }
                self.metrics.fetched.inc();
                self.metrics
                    .keys
                    .set(i64::try_from(known).unwrap_or(i64::MAX));
                let next = self.keys.load().with_jwks(jwks);
                self.keys.store(Arc::new(next));
                Outcome::Read
            }
            Err(error) => {
                tracing::warn!(%error, "the public keys of tokens could not be read; the last ones stay");
                self.metrics.failed.inc();
                Outcome::Failed
            }
        }
    }
}

/// Reads the key set at an address once.
///
/// # Errors
///
/// See [`FetchError`].
async fn fetch(url: &Uri) -> Result<Jwks, FetchError> {
    fetch_by(url, None).await
}

/// The same by the way out for addresses that somebody else than the operator has set, if that is given.
pub(crate) async fn fetch_by(url: &Uri, outgoing: Option<&Outgoing>) -> Result<Jwks, FetchError> {
    let question = Question {
        url,
        token: None,
        bytes_max: JWKS_BYTES_MAX,
        outgoing,
    };
    let answer = fetch::get(question).await?;
    match answer.status {
        StatusCode::OK => Ok(Jwks::parse(&answer.body)?),
        status => Err(FetchError::Status(status)),
    }
}

#[cfg(test)]
mod tests;
