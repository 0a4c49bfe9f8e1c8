//! The reactors' way to the desk and the engine: calls go to tokio tasks, answers come back through the inbox.
//!
//! The reactor never waits for an engine. A call is accepted into a bounded queue or refused at once, and every
//! accepted call has exactly one answer, whatever becomes of its task: a call that panics, is cut off by the deadline or
//! is dropped with the runtime is answered as a failure. So the reactor may keep a place open for the answer, and the
//! inbox needs no bound of its own for answers.
//!
//! Order: the reactor has at most one call of a connection and one of a channel under way. Calls of different
//! connections run at the same time and are ordered by the engine alone.

use std::sync::Arc;

use fanwave_bus::{EngineError, History, HistoryQuery, Snapshot};
use fanwave_wire::{Channel, Epoch, Offset, RoomId, Sender, protocol::SubscribeRequest};
use tokio::{runtime::Handle, sync::Semaphore};

use crate::{
    consult::{Arrival, Consult, Permit, Ruling, Saying, Welcome},
    desk::{Desk, Outcome, Request, in_time},
    inbox::Inbox,
    limits,
    reactor::key::{ChannelKey, ConnectionKey},
    roll_call::Present,
};

/// Which reply a request is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyForm {
    /// The protocol's own `publish`.
    Publish,
    /// A call by RPC, whose answer says more.
    Rpc,
}

/// What the reactor asks of the engine.
#[derive(Debug)]
pub(crate) enum Call {
    /// Begin delivery of a channel.
    Open(ChannelKey, Channel),
    /// End it.
    Close(ChannelKey, Channel),
    /// Read back what was shown after an offset.
    Refill(ChannelKey, Channel, Offset),
    /// Ask a room for a connection.
    Ask(Asked, ReplyForm, RoomId, Request),
    /// Read history for a connection, which expects this epoch if it knows one.
    History(Asked, Channel, HistoryQuery, Option<Epoch>),
    /// Ask all reactors who follows a channel.
    Presence(Asked, Channel),
    /// Ask whoever is consulted whether somebody may connect, or stay.
    Welcome(Asked, Box<Arrival>),
    /// Ask them whether somebody may follow a channel.
    Permit(Asked, Box<Wanted>),
}

/// Somebody who wants to follow a channel.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) who: Sender,
    pub(crate) channel: Channel,
    pub(crate) request: SubscribeRequest,
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
    Closed(ChannelKey),
    /// To [`Call::Refill`].
    Refilled(ChannelKey, Result<History, EngineError>),
    /// To [`Call::Ask`].
    Answered(Asked, ReplyForm, Outcome),
    /// To [`Call::History`].
    Read(Asked, Option<Epoch>, Result<History, EngineError>),
    /// To [`Call::Presence`].
    Present(Asked, Result<Vec<Present>, EngineError>),
    /// To [`Call::Welcome`].
    Welcomed(Asked, Box<Arrival>, Welcome),
    /// To [`Call::Permit`].
    Permitted(Asked, Box<SubscribeRequest>, Permit),
}

/// The node has as many calls under way as it may; here is the one that has to wait or to be refused.
#[derive(Debug)]
pub(crate) struct CallsFull(pub(crate) Box<Call>);

/// The way to the desk.
#[derive(Debug)]
pub(crate) struct EngineCalls {
    desk: Arc<Desk>,
    /// Who has a say, if anybody has.
    consult: Option<Arc<dyn Consult>>,
    /// Which reactor's calls these are.
    reactor: usize,
    inbox: Arc<Inbox>,
    runtime: Handle,
    places: Arc<Semaphore>,
}

impl EngineCalls {
    /// A way to the desk on `runtime` for the first reactor's calls, which are answered into its inbox.
    pub(crate) fn new(desk: Arc<Desk>, inbox: Arc<Inbox>, runtime: Handle) -> Self {
        Self {
            desk,
            consult: None,
            reactor: 0,
            inbox,
            runtime,
            places: Arc::new(Semaphore::new(limits::ENGINE_CALLS_MAX)),
        }
    }

    /// The same way, with the same bound, for the calls of a reactor, about which somebody may have a say.
    pub(crate) fn answering_to(
        &self,
        (reactor, consult): (usize, &Option<Arc<dyn Consult>>),
        inbox: Arc<Inbox>,
    ) -> Self {
        Self {
            desk: Arc::clone(&self.desk),
            consult: consult.clone(),
            reactor,
            inbox,
            runtime: self.runtime.clone(),
            places: Arc::clone(&self.places),
        }
    }

    /// The rooms, for what they can answer without a wait.
    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Starts a call, unless too many are under way.
    pub(crate) fn start(&self, call: Call) -> Result<(), CallsFull> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(CallsFull(Box::new(call)));
        };
        let (desk, reactor) = (Arc::clone(&self.desk), self.reactor);
        let consult = self.consult.clone();
        let owed = Owed {
            inbox: Arc::clone(&self.inbox),
            failure: Some(call.failure()),
        };
        self.runtime.spawn(async move {
            let answer = call.perform(&desk, consult.as_deref(), reactor).await;
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
            Self::Ask(asked, ..)
            | Self::History(asked, ..)
            | Self::Presence(asked, ..)
            | Self::Welcome(asked, ..)
            | Self::Permit(asked, ..) => Some(*asked),
            Self::Open(..) | Self::Close(..) | Self::Refill(..) => None,
        }
    }

    /// The answer that the reactor gets if the call never comes to an end of its own.
    fn failure(&self) -> Answer {
        match self {
            Self::Open(channel, _) => Answer::Opened(*channel, Err(EngineError::Stopping)),
            Self::Close(channel, _) => Answer::Closed(*channel),
            Self::Refill(channel, ..) => Answer::Refilled(*channel, Err(EngineError::Stopping)),
            Self::Ask(asked, form, ..) => {
                Answer::Answered(*asked, *form, Outcome::Failed(EngineError::Stopping))
            }
            Self::History(asked, _, _, epoch) => {
                Answer::Read(*asked, epoch.clone(), Err(EngineError::Stopping))
            }
            Self::Presence(asked, _) => Answer::Present(*asked, Err(EngineError::Stopping)),
            Self::Welcome(asked, arrival) => {
                Answer::Welcomed(*asked, arrival.clone(), Welcome::Later)
            }
            Self::Permit(asked, wanted) => {
                let request = Box::new(wanted.request.clone());
                Answer::Permitted(*asked, request, Permit::Later)
            }
        }
    }

    async fn perform(
        self,
        desk: &Arc<Desk>,
        consult: Option<&dyn Consult>,
        reactor: usize,
    ) -> Answer {
        match self {
            Self::Open(key, channel) => Answer::Opened(key, desk.follow(reactor, &channel).await),
            Self::Close(key, channel) => {
                desk.unfollow(reactor, &channel);
                Answer::Closed(key)
            }
            Self::Refill(key, channel, since) => {
                Answer::Refilled(key, desk.shown_since(&channel, since).await)
            }
            Self::Ask(asked, form, room, request) => {
                let outcome = match ruled(consult, &room, request).await {
                    Ok(request) => desk.ask(&room, request).await,
                    Err(outcome) => outcome,
                };
                Answer::Answered(asked, form, outcome)
            }
            Self::History(asked, channel, query, epoch) => {
                Answer::Read(asked, epoch, in_time(desk.history(&channel, query)).await)
            }
            Self::Presence(asked, channel) => {
                Answer::Present(asked, in_time(desk.call_roll(&channel)).await)
            }
            Self::Welcome(asked, arrival) => {
                let welcome = match consult {
                    Some(consult) => consult.connect((*arrival).clone()).await,
                    None => Welcome::ByToken,
                };
                Answer::Welcomed(asked, arrival, welcome)
            }
            Self::Permit(asked, wanted) => {
                let Wanted {
                    who,
                    channel,
                    request,
                } = *wanted;
                let permit = match consult {
                    Some(consult) => consult.subscribe(&who, &channel).await,
                    None => Permit::Yes,
                };
                Answer::Permitted(asked, Box::new(request), permit)
            }
        }
    }
}

/// What a room is asked after those have had their say who are consulted about what is said; or the answer without asking it.
async fn ruled(
    consult: Option<&dyn Consult>,
    room: &RoomId,
    request: Request,
) -> Result<Request, Outcome> {
    let Some(consult) = consult.filter(|consult| consult.about().publish) else {
        return Ok(request);
    };
    let mut say = match request {
        Request::Say(say) => say,
        other => return Ok(other),
    };
    let channel = Channel {
        lane: say.lane,
        room: room.clone(),
    };
    let saying = Saying {
        who: &say.sender,
        channel: &channel,
        id: &say.id,
        text: &say.text,
    };
    match consult.publish(saying).await {
        Ruling::Yes => {}
        Ruling::Instead(text) => say.text = text,
        Ruling::Hold => say.held = true,
        Ruling::No(why) => return Err(Outcome::Declined(why)),
        Ruling::Later => return Err(Outcome::Failed(EngineError::Busy)),
    }
    Ok(Request::Say(say))
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
