//! The lane of viewers: connections of HTTP/1.1 on which nothing but playlists and media is asked for.
//!
//! A player asks for a part and for the playlist that names the next one, several times a second, for as long as a show
//! lasts, on one connection, and a show has thousands of them. That is most of what a server does over HTTP/1.1, and
//! none of it needs what hyper can do beyond it. So it is done here, in as little time as can be: a read of what has
//! come, a look at the fields that matter, and one write of what was written for the one before.
//!
//! | what has come | what becomes of it |
//! |---|---|
//! | a whole, plain GET for something that [`Viewing`](fanwave_origin::Viewing) knows | it is answered here |
//! | the end of the stream, or nothing within the header wait | the end |
//! | anything else | the connection is hyper's from there on, with all of it unread |
//!
//! A request that comes in two pieces is something else too: to wait for the other one is hyper's trade. What holds for a
//! viewer's connection holds here as it does there: how long a peer may say nothing, and take an answer ([`exchanges`](super::exchanges)), that one who
//! hangs up is not waited for, and what becomes of everybody when the server stops. There is one timer for all of that, which
//! is set when it has run out and not for each request.
//!
//! A task is much for somebody who does the same every second. So a connection in the clear has one only until it has been given a
//! playlist or a part as all are: then a thread has it ([`reactor`]), with many others, until it asks for something else.

mod head;
pub(super) mod reactor;
mod reply;
mod road;
#[cfg(test)]
mod tests;
mod whole;

use std::{
    fmt::Debug,
    future::poll_fn,
    hash::Hash,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
    time::Duration,
};

use axum::http::HeaderValue;
use fanwave_origin::{Answered, Ask, Awaited, Look, ViewerRequest, Woken};
use futures_util::FutureExt;
use tokio::{
    sync::watch,
    time::{Instant, Sleep, sleep},
};

pub(super) use self::road::Road;
use self::{
    reply::{Reply, Rest, Said},
    road::News,
};
use super::{
    Stage,
    connection::{LOOK_EVERY, failed},
    reached,
};
use crate::telemetry::HttpMetrics;

/// A request that the lane answers.
pub(super) trait Asked: Send {
    /// What several may wait for.
    type Awaited: Copy + Debug + Eq + Hash + Send + 'static;

    /// The answer, and what is dropped when it has been handed on.
    fn answer(self) -> impl Future<Output = (Answered, Option<Woken>)> + Send;

    /// What can be said at once.
    fn look(&mut self) -> Look;

    /// What it waits for, if it waits.
    fn awaited(&self) -> Self::Awaited;

    /// Told whenever it may be worth looking again, by a change after this.
    fn changes(&self) -> Option<watch::Receiver<Instant>>;
}

impl Asked for ViewerRequest {
    type Awaited = Awaited;

    fn answer(self) -> impl Future<Output = (Answered, Option<Woken>)> + Send {
        Self::answer(self)
    }

    fn look(&mut self) -> Look {
        Self::look(self)
    }

    fn awaited(&self) -> Awaited {
        Self::awaited(self)
    }

    fn changes(&self) -> Option<watch::Receiver<Instant>> {
        Self::changes(self)
    }
}

/// What holds for a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manners<'a> {
    /// How long the peer may say nothing.
    pub(super) header_wait: Duration,
    /// `Alt-Svc` of its answers.
    pub(super) offer: Option<&'a HeaderValue>,
    pub(super) metrics: &'a HttpMetrics,
    /// Whether a bare socket is left to a reactor once all that comes are requests for what was prepared.
    pub(super) leaves_bare: bool,
}

/// What a connection has still to do that comes from a reactor.
#[derive(Debug)]
pub(super) enum Begun<R> {
    /// To answer this.
    Asked(R),
    /// To send the rest of an answer.
    Sends(Rest),
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Something else has come, which is left unread.
    Other,
    /// It has just been given what was prepared for many, and nothing more has come.
    Bare,
    Over,
}

/// What has come of a peer that may ask.
#[derive(Debug)]
enum Come<R> {
    Ours(R),
    Other,
    End,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    Taken,
    /// It was not taken in time.
    Late,
    /// The peer is gone, or the server closed.
    Lost,
}

/// Answers what viewers ask, as `ask` recognises it, and first of all what has begun.
pub(super) async fn keep<I, A, R>(
    io: &mut I,
    ask: A,
    manners: Manners<'_>,
    staged: &mut watch::Receiver<Stage>,
    mut begun: Option<Begun<R>>,
) -> Left
where
    I: Road,
    A: Fn(&Ask<'_>) -> Option<R>,
    R: Asked,
{
    let drains = AtomicBool::new(false);
    let stop = pin!(async {
        reached(staged, Stage::Draining).await;
        drains.store(true, Ordering::Relaxed);
        reached(staged, Stage::Closed).await;
    });
    let period = LOOK_EVERY.min(manners.header_wait);
    let mut guard = Guard {
        period,
        sleep: pin!(sleep(period)),
        stop,
        drains: &drains,
        over: None,
    };
    loop {
        let come = match begun.take() {
            Some(Begun::Asked(asked)) => Come::Ours(asked),
            Some(Begun::Sends(rest)) => {
                let became = taken(io, Reply::rest_of(rest), manners.metrics, &mut guard).await;
                if became != Became::Taken {
                    return lost(became, manners.metrics);
                }
                continue;
            }
            None => {
                let until = Instant::now() + manners.header_wait;
                poll_fn(|context| guard.poll_come(io, &ask, until, context)).await
            }
        };
        match come {
            Come::Ours(asked) => {
                let Some((answered, woken)) = answered(io, asked, &mut guard).await else {
                    return Left::Over;
                };
                let said = Said {
                    offer: manners.offer,
                    last: guard.drains(),
                };
                let was_prepared = matches!(answered, Answered::Prepared(_));
                let reply = Reply::new(answered, woken, said);
                let was_last = reply.is_last();
                match taken(io, reply, manners.metrics, &mut guard).await {
                    Became::Taken if was_last => break,
                    Became::Taken if was_prepared && manners.leaves_bare && io.is_read_out() => {
                        return Left::Bare;
                    }
                    Became::Taken => {}
                    became => return lost(became, manners.metrics),
                }
            }
            Come::Other => return Left::Other,
            Come::End => break,
        }
    }
    let until = Instant::now() + manners.header_wait;
    poll_fn(|context| match Pin::new(&mut *io).poll_shutdown(context) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => guard.poll(Some(until), context).map(|_| ()),
    })
    .await;
    Left::Over
}

/// Of a connection that has not taken an answer.
fn lost(became: Became, metrics: &HttpMetrics) -> Left {
    if became == Became::Late {
        metrics.cut.inc();
    }
    Left::Over
}

/// The answer, also where the handler panics; `None` if the peer hangs up or the server closes before there is one.
async fn answered<I: Road, R: Asked>(
    io: &mut I,
    asked: R,
    guard: &mut Guard<'_, impl Future<Output = ()>>,
) -> Option<(Answered, Option<Woken>)> {
    let mut answer = pin!(AssertUnwindSafe(asked.answer()).catch_unwind());
    let mut listens = true;
    poll_fn(|context| {
        if let Poll::Ready(answered) = answer.as_mut().poll(context) {
            return Poll::Ready(Some(answered.unwrap_or_else(|_| failed())));
        }
        guard
            .poll_lost(io, &mut listens, None, context)
            .map(|_| None)
    })
    .await
}

/// Sends an answer.
async fn taken<I: Road>(
    io: &mut I,
    mut reply: Reply<'_>,
    metrics: &HttpMetrics,
    guard: &mut Guard<'_, impl Future<Output = ()>>,
) -> Became {
    let (mut listens, mut until) = (true, None);
    poll_fn(|context| {
        if let Poll::Ready(sent) = reply.poll_send(io, &metrics.sent, context) {
            return Poll::Ready(sent.map_or(Became::Lost, |()| Became::Taken));
        }
        // Most answers are taken at once, and need no clock.
        let time = || reply.time().map(|time| Instant::now() + time);
        let until = *until.get_or_insert_with(time);
        guard.poll_lost(io, &mut listens, until, context)
    })
    .await
}

/// Why a connection that waits for something is not to wait on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// What was waited for did not come in time.
    Late,
    /// The server is closed.
    Closed,
}

/// What ends a connection that its peer does not end.
#[derive(Debug)]
struct Guard<'a, S> {
    /// How often the timer runs out at least: no wait that is limited is shorter, so that none is overslept that
    /// begins while it runs.
    period: Duration,
    sleep: Pin<&'a mut Sleep>,
    /// Ends when the server is closed.
    stop: Pin<&'a mut S>,
    drains: &'a AtomicBool,
    over: Option<Over>,
}

impl<S: Future<Output = ()>> Guard<'_, S> {
    /// Whether the server takes no more requests.
    fn drains(&self) -> bool {
        self.drains.load(Ordering::Relaxed)
    }

    /// Ready when the server is closed, or it is that late.
    fn poll(&mut self, until: Option<Instant>, context: &mut Context<'_>) -> Poll<Over> {
        if self.over.is_none() && self.stop.as_mut().poll(context).is_ready() {
            self.over = Some(Over::Closed);
        }
        if let Some(over) = self.over {
            return Poll::Ready(over);
        }
        while self.sleep.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if until.is_some_and(|until| until <= now) {
                return Poll::Ready(Over::Late);
            }
            let next = now + self.period;
            let next = until.map_or(next, |until| until.min(next));
            self.sleep.as_mut().reset(next);
        }
        Poll::Pending
    }

    /// What has come. The guard has its turn first, so that a peer who asks without a pause is stopped like all others.
    fn poll_come<I: Road, R>(
        &mut self,
        io: &mut I,
        ask: impl Fn(&Ask<'_>) -> Option<R>,
        until: Instant,
        context: &mut Context<'_>,
    ) -> Poll<Come<R>> {
        if self.poll(Some(until), context).is_ready() || self.drains() {
            return Poll::Ready(Come::End);
        }
        let come = io.poll_look(context, |bytes| judge(bytes, &ask));
        come.map(|come| come.unwrap_or(Come::End))
    }

    /// Ready when what is waited for, and is not the peer's turn, is in vain. A peer that has said more is listened to no
    /// longer.
    fn poll_lost<I: Road>(
        &mut self,
        io: &mut I,
        listens: &mut bool,
        until: Option<Instant>,
        context: &mut Context<'_>,
    ) -> Poll<Became> {
        if *listens {
            match io.poll_news(context) {
                Poll::Ready(News::Gone) => return Poll::Ready(Became::Lost),
                Poll::Ready(News::More) => *listens = false,
                Poll::Pending => {}
            }
        }
        self.poll(until, context).map(|over| match over {
            Over::Late => Became::Late,
            Over::Closed => Became::Lost,
        })
    }
}

/// What these bytes are, and how many of them are taken.
fn judge<R>(bytes: &[u8], ask: impl Fn(&Ask<'_>) -> Option<R>) -> (usize, Come<R>) {
    if bytes.is_empty() {
        return (0, Come::End);
    }
    let ours = || {
        let head = head::read(bytes)?;
        Some((head.length, Come::Ours(ask(&head.ask())?)))
    };
    ours().unwrap_or((0, Come::Other))
}
