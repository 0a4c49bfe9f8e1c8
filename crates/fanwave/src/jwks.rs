//! The public keys of another issuer, kept up to date.
//!
//! The set is fetched at start, after each `jwks_refresh`, and when a token was signed with a key that it lacks: issuers
//! sign with a new key as soon as they publish it. However many such tokens come, there are `Pace::between` two
//! fetches. A source that fails, or answers something that is no key set, changes nothing: the last good set stays, and
//! the log and a metric say so. Redirects are not followed: what may sign for us is at the address that was configured.

use std::{
    fmt, io,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use fanwave_wire::{
    limits::JWKS_BYTES_MAX,
    token::{Jwks, JwksError, KeyRing, TokenKey},
};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, StatusCode, Uri,
    client::conn::http1,
    header::{ACCEPT, HOST, USER_AGENT},
    http::uri::Scheme,
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use thiserror::Error;
use tokio::{
    net::TcpStream,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, crypto::aws_lc_rs::default_provider, pki_types::ServerName,
    },
};

use crate::config::tokens::Tokens;

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
    /// No connection, or it broke.
    #[error("cannot connect: {0}")]
    Io(#[from] io::Error),
    /// The machine has no certificates of authorities, or they cannot be used.
    #[error("cannot speak TLS: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// The host's name cannot be in a certificate.
    #[error("host has no name that a certificate could have")]
    HostName,
    /// The other side does not speak HTTP.
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    /// The request cannot be made of this address.
    #[error("address makes no request")]
    Address,
    /// Another answer than 200.
    #[error("answered {0}")]
    Status(StatusCode),
    /// The answer is too long, or broke off.
    #[error("answer is too long or broke off")]
    Body,
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
    let host = url.host().ok_or(FetchError::Address)?;
    // An IPv6 address stands in brackets in a URL, and nowhere else.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_https = url.scheme() == Some(&Scheme::HTTPS);
    let port = url.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    let socket = TcpStream::connect((host, port)).await?;
    if is_https {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| FetchError::HostName)?;
        let stream = TlsConnector::from(tls()?).connect(name, socket).await?;
        request(TokioIo::new(stream), url).await
    } else {
        request(TokioIo::new(socket), url).await
    }
}

/// The authorities that the machine trusts. They are read at every fetch: fetches are rare, and certificates change.
fn tls() -> Result<Arc<ClientConfig>, FetchError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

async fn request<S>(stream: S, url: &Uri) -> Result<Jwks, FetchError>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let authority = url.authority().ok_or(FetchError::Address)?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority.as_str())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("fanwave/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Address)?;
    let (mut sender, connection) = http1::handshake(stream).await?;
    // The connection does its work beside us and ends with the answer, or with us.
    let answer = async {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), JWKS_BYTES_MAX);
        let bytes = body
            .collect()
            .await
            .map_err(|_| FetchError::Body)?
            .to_bytes();
        Ok(Jwks::parse(&bytes)?)
    };
    tokio::pin!(answer);
    tokio::select! {
        biased;
        result = &mut answer => result,
        // All that the other side had to say has been read: the answer is complete or broke off.
        _ = connection => answer.await,
    }
}

#[cfg(test)]
mod tests;
