//! Whether a publisher may publish, asked of a server of the operator's.
//!
//! 1. The question is one POST, in Fanwave's own form ([`own`]) or in that of nginx-rtmp's `on_publish` ([`nginx`]), so
//!    that an authoriser that is there already keeps working. With a secret it is signed ([`signature`]).
//! 2. Any answer is a verdict: yes, perhaps with a channel, or no, perhaps with a reason. No answer in time is no verdict,
//!    and whoever asked is turned away: a publisher that nobody vouches for is not put on the air.
//! 3. While it publishes it may be asked about again; an answer that is not a yes ends it. No answer does not: a show
//!    that was allowed does not end because the authoriser is away.
//! 4. When it is over the authoriser is told, once.
//!
//! The request itself is the root's ([`Endpoint`]): this crate is no HTTP client. Keys are in the questions and nowhere
//! else: in no log and no error.

mod nginx;
mod own;
mod signature;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use fanwave_live::Moment;
use futures_util::future::BoxFuture;
use thiserror::Error;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

pub use self::signature::sign;
use crate::{
    clock::Clock,
    config::Secret,
    ingest::{Denial, Publisher},
    limits::AUTHORISER_CALLS_MAX,
};

/// How the origin reaches the operator's server; the root implements it, and knows the address.
pub trait Endpoint: fmt::Debug + Send + Sync {
    /// Posts once, and follows no redirect. It need not end by itself: whoever calls has a deadline.
    fn post(&self, post: Post) -> BoxFuture<'static, Result<Answer, EndpointError>>;
}

/// One request.
#[derive(Clone)]
pub struct Post {
    /// What the body is.
    pub content_type: &'static str,
    /// Value of the header `Fanwave-Signature`, if it is signed.
    pub signature: Option<String>,
    /// The body; it holds keys.
    pub body: Bytes,
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post")
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header `Location`.
    pub location: Option<String>,
    /// The body, up to [`crate::limits::AUTHORISER_ANSWER_BYTES_MAX`].
    pub body: Bytes,
}

/// Why nothing came back, without the address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct EndpointError(pub String);

/// Who decides about publishers, and how it is asked.
#[derive(Debug, Clone)]
pub struct AuthoriserConfig {
    /// The operator's server.
    pub endpoint: Arc<dyn Endpoint>,
    /// In which form.
    pub form: Form,
    /// Longest wait for an answer, within [`crate::limits::BEFORE_PUBLISH_DEADLINE`].
    pub timeout: Duration,
    /// Signs the questions.
    pub secret: Option<Secret>,
    /// What a stream key is worth by itself.
    pub stream_keys: StreamKeys,
    /// How often a publisher is asked about while it publishes; `None`: never.
    pub recheck: Option<Duration>,
}

/// In which form an authoriser is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A JSON object.
    Fanwave,
    /// What nginx-rtmp's `on_publish`, `on_update` and `on_publish_done` send.
    NginxRtmp,
}

/// What a channel's stream key is worth where there is an authoriser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKeys {
    /// Whoever has one is let in without a question.
    Known,
    /// The authoriser is asked about everybody.
    Asked,
}

/// What an authoriser says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may publish, to this channel if one is named.
    Allowed {
        /// A channel's id.
        channel: Option<String>,
    },
    /// It may not.
    Refused {
        /// What the encoder is told.
        reason: String,
    },
}

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Unanswered {
    /// Nothing came in time.
    #[error("no answer in time")]
    TooLate,
    /// Nothing came.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// It says that it cannot answer now.
    #[error("it answered {0}")]
    Status(u16),
    /// What came is no answer of this form.
    #[error("its answer cannot be read: {0}")]
    Answer(&'static str),
}

impl Unanswered {
    /// What becomes of the publisher.
    pub(crate) fn told(&self) -> Denial {
        Denial::Unasked {
            why: self.to_string(),
        }
    }
}

/// What is asked, or told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// May it publish?
    Publish,
    /// May it go on, so long after it began?
    Update(Duration),
    /// It is over, so long after it began.
    Done(Duration),
}

/// Asks the operator's server, at most [`AUTHORISER_CALLS_MAX`] times at once.
#[derive(Debug)]
pub(crate) struct Authoriser {
    config: AuthoriserConfig,
    calls: Semaphore,
}

impl Authoriser {
    pub(crate) fn new(config: AuthoriserConfig) -> Self {
        Self {
            config,
            calls: Semaphore::new(AUTHORISER_CALLS_MAX),
        }
    }

    pub(crate) fn stream_keys(&self) -> StreamKeys {
        self.config.stream_keys
    }

    /// Whether it may publish; ends by the deadline.
    pub(crate) async fn ask_to_publish(
        &self,
        publisher: &Publisher,
        deadline: Instant,
    ) -> Result<Verdict, Unanswered> {
        self.ask(publisher, Occasion::Publish, deadline).await
    }

    async fn ask(
        &self,
        publisher: &Publisher,
        occasion: Occasion,
        deadline: Instant,
    ) -> Result<Verdict, Unanswered> {
        let deadline = deadline.min(Instant::now() + self.config.timeout);
        let answer = timeout_at(deadline, self.post(publisher, occasion))
            .await
            .map_err(|_| Unanswered::TooLate)??;
        match self.config.form {
            Form::Fanwave => own::read(&answer),
            Form::NginxRtmp => nginx::read(&answer),
        }
    }

    async fn post(&self, publisher: &Publisher, occasion: Occasion) -> Result<Answer, Unanswered> {
        // The semaphore is never closed.
        let _place = self.calls.acquire().await;
        let (content_type, body) = match self.config.form {
            Form::Fanwave => (own::CONTENT_TYPE, own::write(publisher, occasion)),
            Form::NginxRtmp => (nginx::CONTENT_TYPE, nginx::write(publisher, occasion)),
        };
        let signed = |secret: &Secret| sign(secret, crate::clock::machine(), &body);
        let post = Post {
            content_type,
            signature: self.config.secret.as_ref().map(signed),
            body: body.clone(),
        };
        Ok(self.config.endpoint.post(post).await?)
    }
}

/// The authoriser's word for one publisher, from its yes until it has been told that it is over.
#[derive(Debug)]
pub(crate) struct Granted {
    authoriser: Arc<Authoriser>,
    publisher: Publisher,
    clock: Clock,
    since: Moment,
}

impl Granted {
    pub(crate) fn new(authoriser: Arc<Authoriser>, publisher: Publisher, clock: Clock) -> Self {
        Self {
            authoriser,
            publisher,
            clock,
            since: clock.now(),
        }
    }

    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// Asks again and again whether it may go on; returns the reason once it may not.
    pub(crate) async fn revoked(&self) -> String {
        let Some(recheck) = self.authoriser.config.recheck else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(recheck).await;
            let far = Instant::now() + self.authoriser.config.timeout;
            let occasion = Occasion::Update(self.age());
            match self.authoriser.ask(&self.publisher, occasion, far).await {
                Ok(Verdict::Allowed { .. }) => {}
                Ok(Verdict::Refused { reason }) => return reason,
                Err(why) => {
                    tracing::warn!(peer = %self.publisher.peer, %why, "whether a publisher may go on could not be asked: it goes on");
                }
            }
        }
    }

    /// Tells the authoriser that it is over; ends in time, whatever comes of it.
    pub(crate) async fn finish(self) {
        let far = Instant::now() + self.authoriser.config.timeout;
        let occasion = Occasion::Done(self.age());
        if let Err(why) = self.authoriser.ask(&self.publisher, occasion, far).await {
            tracing::warn!(peer = %self.publisher.peer, %why, "the authoriser could not be told that a publisher is gone");
        }
    }

    fn age(&self) -> Duration {
        self.clock.now().0.saturating_sub(self.since.0)
    }
}

/// A stranger's words as an encoder and a log are given them: one line, and not much of it.
fn readable(reason: &str) -> String {
    const CHARS_MAX: usize = 200;
    let words = reason.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>();
    let line: String = line.join(" ").chars().take(CHARS_MAX).collect();
    if line.is_empty() {
        "You may not publish here.".to_owned()
    } else {
        line
    }
}

#[cfg(test)]
mod tests;
