//! Events for an operator's own server: each is one signed POST, sent until it is answered, in order.
//!
//! ```text
//! whoever knows of something --Webhook::tell--> queue --> task: outbox (what is sent when) --> fetch --> the receiver
//! ```
//!
//! Telling never waits and never fails: a receiver that is slow, away or wrong costs the oldest events and nothing else. The
//! form is the same whatever is told ([`Event`], `docs/webhooks.md`); this module knows no event.

pub mod limits;
mod metrics;
pub(crate) mod outbox;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use fanwave_origin::sign;
use fanwave_wire::{RoomId, UnixMillis};
use futures_util::future::BoxFuture;
use hyper::{Uri, header::HeaderName};
use prometheus_client::registry::Registry;
use serde::Serialize;
use thiserror::Error;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use self::{
    limits::{ANSWER_BYTES_MAX, EVENT_BYTES_MAX, EVENTS_WAITING_MAX, FLUSH_MAX},
    metrics::Metrics,
    outbox::{Fate, Outbox, Outcome, Output},
};
use crate::{
    clock,
    fetch::{self, FetchError, Posted, Question},
    outgoing::Outgoing,
};

const SIGNATURE: HeaderName = HeaderName::from_static("fanwave-signature");

/// Something that happened, in the form in which it is told. Fields may be added.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Names it for good: what comes twice has the same.
    pub id: String,
    /// What kind of thing it is, such as `encoder.lost`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When it happened, Unix time in milliseconds.
    pub at: UnixMillis,
    /// Rises by one with every event of this process.
    pub number: u64,
    /// Whose show it is about, if it is about one.
    pub channel: Option<RoomId>,
    /// How many of its like were not told of since the one before.
    pub withheld: u32,
    /// What is to be said of it, by its kind.
    pub data: serde_json::Value,
}

impl Event {
    /// The object that is told.
    #[must_use]
    pub fn body(&self) -> Bytes {
        // An object of texts and numbers is always JSON.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

/// Where events go.
#[derive(Clone)]
pub struct WebhookConfig {
    /// The receiver; it may hold a secret.
    pub url: Uri,
    /// Longest wait for its answer.
    pub timeout: Duration,
    /// Signs the events.
    pub secret: Option<fanwave_origin::Secret>,
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Tells a receiver. Dropping it ends the telling at once; [`Webhook::shutdown`] sends what waits first.
#[derive(Debug)]
pub struct Webhook {
    events: Option<mpsc::Sender<Bytes>>,
    metrics: Metrics,
    task: JoinHandle<()>,
}

impl Webhook {
    /// Has to be called within a tokio runtime.
    pub fn start(config: WebhookConfig, registry: &mut Registry) -> Self {
        let metrics = Metrics::register(registry);
        let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
        let sending = Sending {
            config: Arc::new(config),
            outbox: Outbox::default(),
            metrics: metrics.clone(),
            began: Instant::now(),
            failing: false,
        };
        Self {
            events: Some(sender),
            metrics,
            task: tokio::spawn(sending.run(events)),
        }
    }

    /// Tells of an event, sooner or later.
    pub fn tell(&self, event: &Event) {
        let body = event.body();
        let fits = body.len() <= EVENT_BYTES_MAX;
        let taken = self.events.as_ref().filter(|_| fits);
        // The task takes what comes as fast as it comes: there is always room, but for a process that is stopped.
        if taken.is_none_or(|events| events.try_send(body).is_err()) {
            self.metrics.over(Fate::Crowded);
        }
    }

    /// So many events were not heard of in time.
    pub fn missed(&self, events: u64) {
        self.metrics.missed(events);
    }

    /// Sends what waits, for [`FLUSH_MAX`] at most.
    pub async fn shutdown(mut self) {
        drop(self.events.take());
        if timeout(FLUSH_MAX, &mut self.task).await.is_err() {
            tracing::warn!(
                "the webhook's receiver does not take what waits for it: it is given up"
            );
        }
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Sending {
    config: Arc<WebhookConfig>,
    outbox: Outbox,
    metrics: Metrics,
    began: Instant,
    /// Whether it was said in the log that the receiver does not answer as it should.
    failing: bool,
}

/// What the task waits for.
enum Heard {
    Event(Bytes),
    /// Nobody tells any more.
    Closed,
    Answer(Result<u16, String>),
    Time,
}

impl Sending {
    async fn run(mut self, mut events: mpsc::Receiver<Bytes>) {
        let mut attempt: Attempt = None;
        let mut closed = false;
        loop {
            while let Some(output) = self.outbox.poll_output() {
                match output {
                    Output::Send(body) => {
                        attempt = Some(Box::pin(post(Arc::clone(&self.config), body)));
                    }
                    Output::Over(fate) => self.metrics.over(fate),
                }
            }
            self.metrics.waiting(self.outbox.waiting());
            if closed && self.outbox.waiting() == 0 {
                return;
            }
            let due = self.outbox.poll_timeout();
            let heard = tokio::select! {
                event = events.recv(), if !closed => event.map_or(Heard::Closed, Heard::Event),
                answer = answer(&mut attempt) => Heard::Answer(answer),
                () = until(self.began, due) => Heard::Time,
            };
            match heard {
                Heard::Event(body) => self.outbox.handle_event(body),
                Heard::Closed => closed = true,
                Heard::Answer(answer) => {
                    attempt = None;
                    self.judge(answer);
                }
                Heard::Time => self.outbox.handle_timeout(self.began.elapsed()),
            }
        }
    }

    fn judge(&mut self, answer: Result<u16, String>) {
        let outcome = answer
            .as_ref()
            .map_or(Outcome::Failed, |status| Outcome::of(*status));
        match (outcome, &answer) {
            (Outcome::Taken, _) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the webhook's receiver takes events again");
                }
            }
            (Outcome::Refused, _) => {
                tracing::warn!(status = ?answer.ok(), "the webhook's receiver refused an event, which is given up");
            }
            // Told once: it is tried again and again.
            (Outcome::Failed, _) => {
                self.metrics.failed();
                if !std::mem::replace(&mut self.failing, true) {
                    match answer {
                        Ok(status) => {
                            tracing::warn!(
                                status,
                                "the webhook's receiver does not take events: they wait"
                            );
                        }
                        Err(why) => {
                            tracing::warn!(%why, "the webhook's receiver is not reached: events wait");
                        }
                    }
                }
            }
        }
        let random = getrandom::u64().unwrap_or_default();
        self.outbox
            .handle_outcome(self.began.elapsed(), outcome, random);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.metrics.waiting(0);
    }
}

/// What is under way: the status it will be answered with, or why it will not.
type Attempt = Option<BoxFuture<'static, Result<u16, String>>>;

/// The answer to what is under way, if anything is.
async fn answer(attempt: &mut Attempt) -> Result<u16, String> {
    match attempt {
        Some(attempt) => attempt.await,
        None => std::future::pending().await,
    }
}

async fn until(began: Instant, due: Option<Duration>) {
    match due.and_then(|due| began.checked_add(due)) {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Posts once; says with which status it was answered.
async fn post(config: Arc<WebhookConfig>, body: Bytes) -> Result<u16, String> {
    let letter = Letter {
        url: &config.url,
        secret: config.secret.as_ref(),
        wait: config.timeout,
        outgoing: None,
    };
    letter.post(body).await.map_err(|missed| missed.to_string())
}

/// Whom an event is posted to, and how.
pub(crate) struct Letter<'a> {
    /// The receiver.
    pub(crate) url: &'a Uri,
    /// Signs it.
    pub(crate) secret: Option<&'a fanwave_origin::Secret>,
    /// Longest wait for the answer.
    pub(crate) wait: Duration,
    /// What the connection goes through, where the operator has not set the address.
    pub(crate) outgoing: Option<&'a Outgoing>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum Missed {
    /// None came.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// None came in time.
    #[error("no answer in time")]
    Late,
}

impl Letter<'_> {
    /// Posts it once; says with which status it was answered.
    pub(crate) async fn post(self, body: Bytes) -> Result<u16, Missed> {
        let now = fanwave_live::WallTime(clock::now().0);
        let posted = Posted {
            content_type: "application/json",
            header: self
                .secret
                .map(|secret| (SIGNATURE, sign(secret, now, &body))),
            body,
        };
        let question = Question {
            url: self.url,
            token: None,
            bytes_max: ANSWER_BYTES_MAX,
            outgoing: self.outgoing,
        };
        match timeout(self.wait, fetch::post(question, posted)).await {
            Ok(answer) => Ok(answer?.status.as_u16()),
            Err(_) => Err(Missed::Late),
        }
    }
}

#[cfg(test)]
mod tests;
