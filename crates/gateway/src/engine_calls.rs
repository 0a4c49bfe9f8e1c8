//! The engine's side of the gateway: calls go from the reactor to tokio tasks, answers come back through the inbox.
//!
//! The reactor never waits for an engine. A call is accepted into a bounded queue or refused at once, and every
//! accepted call has exactly one answer, whatever becomes of its task: a call that panics, is cut off by the deadline or
//! is dropped with the runtime is answered as a failure. So the reactor may keep a place open for the answer, and the
//! inbox needs no bound of its own for answers.
//!
//! Order: the reactor has at most one call of a connection and one of a channel under way. Calls of different
//! connections run at the same time and are ordered by the engine alone.

use std::sync::Arc;

use fanwave_bus::{Ack, Engine, EngineError, History, HistoryQuery, Snapshot};
use fanwave_wire::{Channel, ClientMessageId, Draft, Epoch};
use tokio::{runtime::Handle, sync::Semaphore};

use crate::{
    followers::Followers,
    inbox::Inbox,
    limits,
    reactor::key::{ChannelKey, ConnectionKey},
};

/// Which reply a published message is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PublishReply {
    /// The protocol's own `publish`.
    Publish,
    /// The `send` call, which also names the message.
    Send(ClientMessageId),
}

/// What the reactor asks of the engine.
#[derive(Debug)]
pub(crate) enum Call {
    /// Begin delivery of a channel.
    Open(ChannelKey, Channel),
    /// End it.
    Close(ChannelKey, Channel),
    /// Read back a stretch that deliveries skipped.
    Refill(ChannelKey, Channel, HistoryQuery),
    /// Publish for a connection.
    Publish(Asked, PublishReply, Channel, Draft),
    /// Read history for a connection, which expects this epoch if it knows one.
    History(Asked, Channel, HistoryQuery, Option<Epoch>),
}

/// Who asked, and under which command id the reply is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The connection.
    pub(crate) by: ConnectionKey,
    /// Its command.
    pub(crate) command: u32,
}

/// What the engine said.
#[derive(Debug)]
pub(crate) enum Answer {
    /// To [`Call::Open`].
    Opened(ChannelKey, Result<Snapshot, EngineError>),
    /// To [`Call::Close`].
    Closed(ChannelKey, Result<(), EngineError>),
    /// To [`Call::Refill`].
    Refilled(ChannelKey, Result<History, EngineError>),
    /// To [`Call::Publish`].
    Published(Asked, PublishReply, Result<Ack, EngineError>),
    /// To [`Call::History`].
    Read(Asked, Option<Epoch>, Result<History, EngineError>),
}

/// The node has as many calls under way as it may; here is the one that has to wait or to be refused.
#[derive(Debug)]
pub(crate) struct CallsFull(pub(crate) Box<Call>);

/// The way to the engine.
#[derive(Debug)]
pub(crate) struct EngineCalls {
    engine: EngineHandle,
    inbox: Arc<Inbox>,
    runtime: Handle,
    places: Arc<Semaphore>,
    followers: Arc<Followers>,
}

/// `dyn Engine` has no `Debug`.
struct EngineHandle(Arc<dyn Engine>);

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl EngineCalls {
    /// A way to `engine` on `runtime` for a reactor's calls, which are answered into its inbox.
    pub(crate) fn new(engine: Arc<dyn Engine>, inbox: Arc<Inbox>, runtime: Handle) -> Self {
        Self {
            engine: EngineHandle(engine),
            inbox,
            runtime,
            places: Arc::new(Semaphore::new(limits::ENGINE_CALLS_MAX)),
            followers: Arc::default(),
        }
    }

    /// The same way, with the same bound, for another reactor's calls.
    pub(crate) fn answering_to(&self, inbox: Arc<Inbox>) -> Self {
        Self {
            engine: EngineHandle(Arc::clone(&self.engine.0)),
            inbox,
            runtime: self.runtime.clone(),
            places: Arc::clone(&self.places),
            followers: Arc::clone(&self.followers),
        }
    }

    /// Starts a call, unless too many are under way.
    pub(crate) fn start(&self, call: Call) -> Result<(), CallsFull> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(CallsFull(Box::new(call)));
        };
        let engine = Arc::clone(&self.engine.0);
        let followers = Arc::clone(&self.followers);
        let owed = Owed {
            inbox: Arc::clone(&self.inbox),
            failure: Some(call.failure()),
        };
        self.runtime.spawn(async move {
            let answer = call.perform(&*engine, &followers).await;
            // First, so that the reactor finds a place when the answer lets it start the next call.
            drop(place);
            owed.pay(answer);
        });
        Ok(())
    }

    /// Waits until no call is under way; calls end by themselves at their deadline.
    pub(crate) async fn idle(places: Arc<Semaphore>) {
        let all = u32::try_from(limits::ENGINE_CALLS_MAX).unwrap_or(u32::MAX);
        // The semaphore is never closed, and nothing is to be done when it were.
        drop(places.acquire_many(all).await);
    }

    /// What [`EngineCalls::idle`] waits on, for whoever outlives the reactor.
    pub(crate) fn places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.places)
    }
}

impl Call {
    /// Who is owed a reply; a channel's own call owes none.
    pub(crate) fn asked(&self) -> Option<Asked> {
        match self {
            Self::Publish(asked, ..) | Self::History(asked, ..) => Some(*asked),
            Self::Open(..) | Self::Close(..) | Self::Refill(..) => None,
        }
    }

    /// The answer that the reactor gets if the call never comes to an end of its own.
    fn failure(&self) -> Answer {
        match self {
            Self::Open(channel, _) => Answer::Opened(*channel, Err(EngineError::Stopping)),
            Self::Close(channel, _) => Answer::Closed(*channel, Err(EngineError::Stopping)),
            Self::Refill(channel, ..) => Answer::Refilled(*channel, Err(EngineError::Stopping)),
            Self::Publish(asked, reply, ..) => {
                Answer::Published(*asked, reply.clone(), Err(EngineError::Stopping))
            }
            Self::History(asked, _, _, epoch) => {
                Answer::Read(*asked, epoch.clone(), Err(EngineError::Stopping))
            }
        }
    }

    async fn perform(self, engine: &dyn Engine, followers: &Followers) -> Answer {
        match self {
            Self::Open(key, channel) => {
                Answer::Opened(key, in_time(followers.open(engine, &channel)).await)
            }
            Self::Close(key, channel) => {
                Answer::Closed(key, in_time(followers.close(engine, &channel)).await)
            }
            Self::Refill(key, channel, query) => {
                Answer::Refilled(key, in_time(engine.history(&channel, query)).await)
            }
            Self::Publish(asked, reply, channel, draft) => {
                Answer::Published(asked, reply, in_time(engine.publish(&channel, draft)).await)
            }
            Self::History(asked, channel, query, epoch) => {
                Answer::Read(asked, epoch, in_time(engine.history(&channel, query)).await)
            }
        }
    }
}

/// Cuts a call off at its deadline. A publish cut off may still be stored: the sender sends again under the same id.
async fn in_time<T>(call: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    match tokio::time::timeout(limits::ENGINE_CALL_TIMEOUT, call).await {
        Ok(result) => result,
        Err(_) => Err(EngineError::Unavailable {
            reason: "the engine did not answer in time".to_owned(),
        }),
    }
}

/// An answer that will be given: by [`Owed::pay`], or as a failure when the task ends any other way.
struct Owed {
    inbox: Arc<Inbox>,
    failure: Option<Answer>,
}

impl Owed {
    fn pay(mut self, answer: Answer) {
        self.failure = None;
        self.inbox.answer(answer);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(failure) = self.failure.take() {
            self.inbox.answer(failure);
        }
    }
}
