//! One kind of question to one address.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fanwave_origin::{Secret, sign};
use hyper::{StatusCode, Uri, header::HeaderName};
use serde_json::Value;
use thiserror::Error;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    answer::Unreadable,
    breaker::{Breaker, Ended, Pass, Standing},
    limits::{ANSWER_BYTES_MAX, UNDER_WAY_MAX, WAITING_MAX},
    metrics::Metrics,
};
use crate::{
    clock,
    fetch::{self, FetchError, Posted, Question},
};

const SIGNATURE: HeaderName = HeaderName::from_static("fanwave-signature");

/// What is done where there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// As if nobody were asked.
    Allow,
    /// Refused for now: it may be tried again.
    Refuse,
}

/// Whom to ask, and how.
#[derive(Clone)]
pub struct HookConfig {
    /// Where; it may hold a secret.
    pub url: Uri,
    /// Longest time of a question, from when it is put.
    pub timeout: Duration,
    /// Signs the questions.
    pub secret: Option<Secret>,
    /// What is done where there is no answer.
    pub on_failure: OnFailure,
}

impl fmt::Debug for HookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookConfig")
            .field("timeout", &self.timeout)
            .field("on_failure", &self.on_failure)
            .finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Debug, Error)]
enum Unanswered {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("it did not answer in time")]
    Late,
}

/// See the module.
pub(super) struct Hook {
    name: &'static str,
    config: HookConfig,
    breaker: Mutex<Breaker>,
    places: Semaphore,
    waiting: AtomicUsize,
    began: Instant,
    metrics: Metrics,
}

impl Hook {
    pub(super) fn new(name: &'static str, config: HookConfig, metrics: Metrics) -> Self {
        metrics.begin(name);
        Self {
            name,
            config,
            breaker: Mutex::default(),
            places: Semaphore::new(UNDER_WAY_MAX),
            waiting: AtomicUsize::new(0),
            began: Instant::now(),
            metrics,
        }
    }

    /// Puts a question, and reads the answer; without one, says what is to be done.
    pub(super) async fn ask<T>(
        &self,
        question: &Value,
        read: impl FnOnce(&[u8]) -> Result<T, Unreadable> + Send,
    ) -> Result<T, OnFailure> {
        let put_at = Instant::now();
        let ended = |outcome| self.metrics.ended(self.name, outcome, put_at.elapsed());
        let Some(trial) = self.begin() else {
            ended("not_asked");
            return Err(self.config.on_failure);
        };
        let Some(_waits) = Waits::begin(&self.waiting) else {
            // The back end is not to blame for how many come.
            ended("crowded");
            return Err(self.config.on_failure);
        };
        let body = question.to_string();
        let answered = timeout(self.config.timeout, async {
            // The semaphore is never closed.
            let _place = self.places.acquire().await;
            self.post(body).await
        });
        let answered = answered.await.unwrap_or(Err(Unanswered::Late));
        let answered = answered.and_then(|body| read(&body).map_err(Unanswered::from));
        match answered {
            Ok(answer) => {
                ended("answered");
                trial.end(Ended::Well, None);
                Ok(answer)
            }
            Err(error) => {
                ended("failed");
                trial.end(Ended::Badly, Some(&error));
                Err(self.config.on_failure)
            }
        }
    }

    /// Has so much time pass for the breaker.
    #[cfg(test)]
    pub(super) fn age(&mut self, by: Duration) {
        self.began -= by;
    }

    fn begin(&self) -> Option<Trial<'_>> {
        let (pass, standing) = {
            let mut breaker = self.breaker();
            let pass = breaker.handle_question(self.began.elapsed());
            (pass?, breaker.standing())
        };
        self.metrics.standing(self.name, standing);
        Some(Trial {
            hook: self,
            pass: Some(pass),
        })
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn post(&self, body: String) -> Result<bytes::Bytes, Unanswered> {
        let now = fanwave_live::WallTime(clock::now().0);
        let signed = |secret| (SIGNATURE, sign(secret, now, body.as_bytes()));
        let posted = Posted {
            content_type: "application/json",
            header: self.config.secret.as_ref().map(signed),
            body: body.into(),
        };
        let question = Question {
            url: &self.config.url,
            token: None,
            bytes_max: ANSWER_BYTES_MAX,
            outgoing: None,
        };
        let answer = fetch::post(question, posted).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            status => Err(Unanswered::Status(status)),
        }
    }

    /// Says in the log when the back end is asked no more, and when it is again.
    fn tell(&self, (before, after): (Standing, Standing), why: Option<&Unanswered>) {
        let hook = self.name;
        match (before, after) {
            (Standing::Closed, Standing::Open) => {
                let why = why.map(ToString::to_string).unwrap_or_default();
                tracing::warn!(hook, %why, "the back end does not answer: it is not asked for a while");
            }
            (Standing::Trying, Standing::Closed) => {
                tracing::info!(hook, "the back end answers again");
            }
            _ => {}
        }
        self.metrics.standing(hook, after);
    }
}

/// A question that was let through: it ends, whatever becomes of its task.
struct Trial<'a> {
    hook: &'a Hook,
    pass: Option<Pass>,
}

impl Trial<'_> {
    fn end(mut self, ended: Ended, why: Option<&Unanswered>) {
        self.ended(ended, why);
    }

    fn ended(&mut self, ended: Ended, why: Option<&Unanswered>) {
        let Some(pass) = self.pass.take() else {
            return;
        };
        let now = self.hook.began.elapsed();
        let mut breaker = self.hook.breaker();
        let before = breaker.standing();
        breaker.handle_end(now, pass, ended);
        let after = breaker.standing();
        drop(breaker);
        self.hook.tell((before, after), why);
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        self.ended(Ended::Dropped, None);
    }
}

/// One of those that wait or are under way.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = count.fetch_add(1, Ordering::Relaxed);
        let waits = Self(count);
        (waiting < UNDER_WAY_MAX + WAITING_MAX).then_some(waits)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
