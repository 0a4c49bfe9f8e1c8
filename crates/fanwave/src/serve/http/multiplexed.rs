//! A connection of HTTP/2 and all its requests, as one task around `fanwave_http2`'s machine.
//!
//! When a part is ready, every request that waits for it is woken. Were each a task of its own, each would wake its
//! connection, which would write one answer at a time: here whoever is woken takes their turn first ([`Awaiting`]), and what it comes to
//! leaves at once ([`Outbox`]). A request that panics takes its connection with it; handlers that may panic are caught before.

use std::{
    cell::RefCell,
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use axum::http::{HeaderValue, Method, StatusCode, header};
use fanwave_gateway::{PlainIo, TlsIo};
use fanwave_http2::{Code, Connection, Event, Packed, StreamId};
use fanwave_origin::{Look, Prepared, ViewerRequest};
use futures_util::{StreamExt, stream::FuturesUnordered};
use hyper::{Request, Response, body::Body, rt::Write};
use tokio::time::Instant;

use super::{
    awaiting::{Awaiting, Waits},
    connection::reply_to_viewer,
    exchanges::{Answer, Exchange, UnderWay},
    fields::complete,
    outbox::{GATHERED_BYTES_MAX, Outbox},
    recent::Recent,
    upload::{Upload, Uploading, upload},
};

/// Bytes that are read at a time.
const READ_BYTES: usize = TlsIo::READ_BUFFER_BYTES;

/// Times that a connection reads before it hands on what came of it: others wait for their turn.
const READS_MAX: usize = 8;

thread_local! {
    /// What connections read into, one after the other.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// What a connection is read from.
pub(super) trait Source {
    /// Reads as much as there is and fits; nothing at the end.
    fn poll_read_into(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>>;
}

impl Source for TlsIo {
    fn poll_read_into(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_read_into(context, buffer)
    }
}

impl Source for PlainIo {
    fn poll_read_into(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket().poll_read_ready(context))?;
            match self.read_now(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }
}

/// What becomes of a request.
pub(super) enum Asking {
    /// It is a viewer's: what it asks for is mostly there at once, or many wait for it.
    Viewer(Exchange, ViewerRequest),
    /// Anything else.
    Other(Answering),
}

/// Ready with the answer.
pub(super) type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// What a request is answered.
pub(super) enum Reply {
    /// As many others.
    Prepared(Arc<Prepared>, UnderWay),
    /// What few are.
    Other(Response<Answer>),
}

thread_local! {
    /// Heads of what was prepared.
    static PACKED: RefCell<Recent<Packed>> = const { RefCell::new(Recent::new()) };
}

/// The connection with its requests; ends as the connection does.
pub(super) struct Multiplexed<I, S> {
    io: I,
    machine: Connection,
    /// `Alt-Svc` of its answers.
    offer: Option<HeaderValue>,
    service: S,
    awaiting: Awaiting<ViewerRequest, (StreamId, Exchange)>,
    later: FuturesUnordered<Later>,
    answers: Vec<Pouring>,
    uploads: Vec<(StreamId, Uploading)>,
    outbox: Outbox,
    ends: bool,
}

/// What an answer belongs to.
#[derive(Debug, Clone, Copy)]
struct Of {
    stream: StreamId,
    is_head: bool,
}

/// An answer until all of it is written: so long the request is under way for whoever judges how it is taken.
struct Pouring {
    stream: StreamId,
    content: Content,
    /// Whether the machine has been given all of it.
    is_poured: bool,
}

/// Where the body of an answer is.
enum Content {
    /// Here, as far as the machine does not have it.
    Streamed(Answer),
    /// With the machine, all of it: it was prepared.
    Whole { _under_way: UnderWay },
}

/// A request whose answer is not there yet.
struct Later {
    of: Of,
    /// None once nobody wants it.
    answering: Option<Answering>,
    waker: Option<Waker>,
}

impl Future for Later {
    type Output = Option<(Of, Reply)>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(answering) = &mut this.answering else {
            return Poll::Ready(None);
        };
        let response = match answering.as_mut().poll(context) {
            Poll::Ready(response) => response,
            Poll::Pending => {
                if this.waker.is_none() {
                    this.waker = Some(context.waker().clone());
                }
                return Poll::Pending;
            }
        };
        Poll::Ready(Some((this.of, response)))
    }
}

/// Nobody wants an answer any more.
fn drop_of(later: &mut FuturesUnordered<Later>, stream: StreamId) {
    for asked in later.iter_mut().filter(|asked| asked.of.stream == stream) {
        asked.answering = None;
        // It is looked at once more, and taken out.
        if let Some(waker) = asked.waker.take() {
            waker.wake();
        }
    }
}

impl<I, S> Multiplexed<I, S>
where
    I: Source + Write + Unpin,
    S: FnMut(Request<Option<Upload>>) -> Asking,
{
    /// A connection that has just begun; `service` is asked for what becomes of each request.
    pub(super) fn new(
        io: I,
        header_list_bytes_max: u32,
        offer: Option<HeaderValue>,
        service: S,
    ) -> Self {
        Self {
            io,
            machine: Connection::new(header_list_bytes_max),
            offer,
            service,
            awaiting: Awaiting::new(),
            later: FuturesUnordered::new(),
            answers: Vec::new(),
            uploads: Vec::new(),
            outbox: Outbox::default(),
            ends: false,
        }
    }

    /// Asks the peer for no new request. Takes effect with the next turn.
    pub(super) fn wind_down(&mut self) {
        self.machine.wind_down();
    }

    /// Another while has gone by. False where the peer has not been heard of for all of it.
    pub(super) fn look(&mut self) -> bool {
        self.machine.forgive();
        self.machine.ping()
    }

    /// Reads what has come, as far as a turn goes; pending where there is no more.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..READS_MAX {
            let machine = &mut self.machine;
            let io = &mut self.io;
            let read = READ.with_borrow_mut(|bytes| {
                let read = ready!(io.poll_read_into(context, bytes))?;
                machine.receive(bytes.get(..read).unwrap_or_default());
                Poll::Ready(Ok::<_, io::Error>(read))
            });
            if ready!(read)? == 0 {
                self.ends = true;
                return Poll::Ready(Ok(()));
            }
            while let Some(event) = self.machine.poll_event() {
                self.handle(event, context);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn handle(&mut self, event: Event, context: &mut Context<'_>) {
        match event {
            Event::Request {
                stream,
                head,
                has_body,
            } => {
                let body = has_body.then(|| {
                    let (uploading, upload) = upload();
                    self.uploads.push((stream, uploading));
                    upload
                });
                let of = Of {
                    stream,
                    is_head: head.method() == Method::HEAD,
                };
                match (self.service)(head.map(|()| body)) {
                    Asking::Viewer(exchange, asked) => {
                        let of = (stream, exchange);
                        self.ask(Waits { asked, of }, context);
                    }
                    Asking::Other(answering) => self.answer(of, answering, context),
                }
            }
            Event::Data { stream, data } => {
                match self.uploads.iter().find(|(of, _)| *of == stream) {
                    Some((_, uploading)) => uploading.put(data),
                    None => self.machine.used(stream, data.len()),
                }
            }
            Event::Gone { stream } => {
                self.awaiting.forget(|(of, _)| *of == stream);
                drop_of(&mut self.later, stream);
                self.answers.retain(|pouring| pouring.stream != stream);
                self.end_upload(stream);
            }
        }
    }

    /// Answers a viewer, or has them wait.
    fn ask(
        &mut self,
        mut asks: Waits<ViewerRequest, (StreamId, Exchange)>,
        context: &mut Context<'_>,
    ) {
        loop {
            // A handler that panics does so once more where that costs one answer.
            let look = catch_unwind(AssertUnwindSafe(|| asks.asked.look()));
            match look.unwrap_or(Look::Other) {
                Look::Waits => match self.awaiting.add(asks, context) {
                    Some(again) => asks = again,
                    None => return,
                },
                Look::Ready(prepared, woken) => {
                    let (stream, exchange) = asks.of;
                    let bytes = u64::try_from(prepared.body().len()).ok();
                    let under_way = exchange.goes_out(bytes, woken, Instant::now());
                    return self.begin_prepared(stream, &prepared, under_way);
                }
                Look::Other => {
                    let (stream, exchange) = asks.of;
                    let is_head = false;
                    let answering = Box::pin(reply_to_viewer(exchange, asks.asked));
                    return self.answer(Of { stream, is_head }, answering, context);
                }
            }
        }
    }

    /// Has an answer begin when it is there.
    fn answer(&mut self, of: Of, mut answering: Answering, context: &mut Context<'_>) {
        // Most answers are there at once.
        match answering.as_mut().poll(context) {
            Poll::Ready(response) => self.begin(of, response),
            Poll::Pending => self.later.push(Later {
                of,
                answering: Some(answering),
                waker: None,
            }),
        }
    }

    /// The head of an answer is there.
    fn begin(&mut self, of: Of, reply: Reply) {
        match reply {
            Reply::Prepared(prepared, under_way) => {
                self.begin_prepared(of.stream, &prepared, under_way);
            }
            Reply::Other(response) => self.begin_other(of, response),
        }
    }

    /// One that was asked for by a GET, as all that is prepared is.
    fn begin_prepared(&mut self, stream: StreamId, prepared: &Arc<Prepared>, under_way: UnderWay) {
        let offer = self.offer.as_ref();
        let body = prepared.body();
        PACKED.with_borrow_mut(|packed| {
            let pack = |_, date: &HeaderValue| {
                let mut headers = prepared.headers().clone();
                headers.insert(header::DATE, date.clone());
                if let Some(offer) = offer {
                    headers.insert(header::ALT_SVC, offer.clone());
                }
                Packed::new(StatusCode::OK, &headers)
            };
            let head = packed.of(prepared, offer, pack);
            self.machine.respond(stream, head, body.is_empty());
        });
        self.machine.send(stream, body.clone(), true);
        under_way.sent(body.len());
        self.answers.push(Pouring {
            stream,
            content: Content::Whole {
                _under_way: under_way,
            },
            is_poured: true,
        });
    }

    fn begin_other(&mut self, Of { stream, is_head }: Of, response: Response<Answer>) {
        let (mut head, answer) = response.into_parts();
        let ended = is_head || answer.is_end_stream();
        complete(&mut head, answer.size_hint().exact(), is_head);
        if let Some(offer) = &self.offer {
            head.headers.insert(header::ALT_SVC, offer.clone());
        }
        let head = Packed::new(head.status, &head.headers);
        self.machine.respond(stream, &head, ended);
        if !ended {
            self.answers.push(Pouring {
                stream,
                content: Content::Streamed(answer),
                is_poured: false,
            });
        }
    }

    /// Gives the machine what there is of answers, as far as it has room.
    fn pour(&mut self, context: &mut Context<'_>) {
        let machine = &mut self.machine;
        self.answers.retain_mut(|pouring| {
            let stream = pouring.stream;
            while let Content::Streamed(answer) = &mut pouring.content
                && !pouring.is_poured
                && machine.room(stream) > 0
            {
                let data = match Pin::new(&mut *answer).poll_frame(context) {
                    Poll::Pending => break,
                    Poll::Ready(None) => None,
                    // Trailers: nothing of ours has any.
                    Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
                    Poll::Ready(Some(Err(error))) => {
                        tracing::debug!(%error, "an answer broke off");
                        machine.abandon(stream, Code::INTERNAL_ERROR);
                        return false;
                    }
                };
                pouring.is_poured = data.is_none() || answer.is_end_stream();
                machine.send(stream, data.unwrap_or_default(), pouring.is_poured);
            }
            true
        });
    }

    /// Tells the machine what was read of bodies.
    fn settle_uploads(&mut self) {
        let mut index = 0;
        while let Some((stream, uploading)) = self.uploads.get(index) {
            let stream = *stream;
            self.machine.used(stream, uploading.used());
            if uploading.is_over() {
                self.end_upload(stream);
            } else {
                index += 1;
            }
        }
    }

    fn end_upload(&mut self, stream: StreamId) {
        if let Some(index) = self.uploads.iter().position(|(of, _)| *of == stream) {
            let (_, uploading) = self.uploads.swap_remove(index);
            self.machine.used(stream, uploading.end());
        }
    }

    /// Writes all that there is, as far as the peer takes it. Whether it took anything.
    fn write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut wrote = false;
        loop {
            ready!(self.outbox.drain(&mut self.io, context))?;
            let machine = &mut self.machine;
            self.outbox
                .gather(|out| machine.poll_output(out, GATHERED_BYTES_MAX));
            if self.outbox.is_empty() {
                return Poll::Ready(Ok(wrote));
            }
            wrote = true;
        }
    }
}

impl<I, S> Future for Multiplexed<I, S>
where
    I: Source + Write + Unpin,
    S: FnMut(Request<Option<Upload>>) -> Asking + Unpin,
{
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        for woken in this.awaiting.poll(context) {
            this.ask(woken, context);
        }
        loop {
            let read = this.read(context)?;
            if this.ends {
                return Poll::Ready(Ok(()));
            }
            while !this.later.is_empty()
                && let Poll::Ready(Some(answered)) = this.later.poll_next_unpin(context)
            {
                if let Some((of, response)) = answered {
                    this.begin(of, response);
                }
            }
            this.pour(context);
            if !this.uploads.is_empty() {
                this.settle_uploads();
            }
            let wrote = match this.write(context)? {
                Poll::Ready(wrote) => wrote,
                // Woken when the peer takes more, or sends.
                Poll::Pending => false,
            };
            if this.machine.is_over() && this.outbox.is_empty() && !this.machine.has_output() {
                ready!(Pin::new(&mut this.io).poll_shutdown(context))?;
                return Poll::Ready(match this.machine.failure() {
                    None => Ok(()),
                    Some(code) => Err(io::Error::other(format!("the peer was left with {code}"))),
                });
            }
            let machine = &this.machine;
            this.answers
                .retain(|pouring| machine.is_open(pouring.stream));
            // What was written has made room for more of answers.
            let may_pour = wrote && this.answers.iter().any(|pouring| !pouring.is_poured);
            if read.is_pending() && !may_pour {
                return Poll::Pending;
            }
        }
    }
}
