//! An answer on its way: its head and its body, in the thread's memory and given to the socket in one piece.
//!
//! What was prepared for many is written there once ([`Whole`]), and a large one also to a file without a name that the system
//! sends without copying it: to those who wait for the same part no byte is moved again. Anything else is gathered for each.
//! One write of one aligned piece costs the kernel less than a list of pieces as they lie in a playlist or a part. What the socket
//! does not take stays in the pieces themselves, which are shared and not copied: so a peer that reads slowly costs
//! no more than what it was going to be sent, and the thread's memory is free for the next.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, Write as _},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::{Buf, Bytes};
use fanwave_origin::{Answered, Prepared, Woken};
use hyper::body::Body as HttpBody;
use prometheus_client::metrics::counter::Counter;

use super::{
    super::{exchanges::time_to_take, fields::date, recent::Recent},
    road::{Polled, Road},
    whole::{Whole, clear, write},
};

/// Most bytes of a prepared body that is written down for all who are sent it: a second of the largest pictures. A thread keeps
/// some of them ([`Recent`]), in memory and as files.
pub(super) const WHOLE_BYTES_MAX: usize = 1024 * 1024;

/// Most bytes that are gathered: a playlist, a part, or a quarter of a second of the largest pictures.
const GATHERED_BYTES_MAX: usize = 256 * 1024;

/// The same for a peer whose socket was full: it has room for less, and what is gathered beyond that is gathered in vain.
const RESUMED_BYTES_MAX: usize = 64 * 1024;

/// What the connections of a thread use in turn.
#[derive(Debug)]
struct Desk {
    wholes: Recent<Whole>,
    gathered: Vec<u8>,
    /// Room for the pieces of one answer.
    pieces: VecDeque<Bytes>,
}

thread_local! {
    static DESK: RefCell<Desk> = const {
        RefCell::new(Desk { wholes: Recent::new(), gathered: Vec::new(), pieces: VecDeque::new() })
    };
}

/// What is said with an answer of its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    /// `Alt-Svc`.
    pub(super) offer: Option<&'a HeaderValue>,
    /// This answer is the connection's last.
    pub(super) last: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    /// As long as nothing of it has been sent.
    prepared: Option<Arc<Prepared>>,
    head: Option<(StatusCode, HeaderMap)>,
    /// What was gathered and not taken, or not gathered yet.
    pieces: VecDeque<Bytes>,
    body: Option<Body>,
    length: Option<u64>,
    /// Bytes that the body has still to come to, where that is known.
    due: Option<u64>,
    woken: Option<Woken>,
    said: Said<'a>,
    was_full: bool,
}

impl<'a> Reply<'a> {
    /// An answer whose length nobody knows ends with its connection.
    pub(super) fn new(answered: Answered, woken: Option<Woken>, said: Said<'a>) -> Self {
        match answered {
            // A last answer says so, unlike all others.
            Answered::Prepared(prepared)
                if !said.last && prepared.body().len() <= WHOLE_BYTES_MAX =>
            {
                Self {
                    length: u64::try_from(prepared.body().len()).ok(),
                    prepared: Some(prepared),
                    head: None,
                    pieces: VecDeque::new(),
                    body: None,
                    due: Some(0),
                    woken,
                    said,
                    was_full: false,
                }
            }
            answered => Self::other(answered.into_response(), woken, said),
        }
    }

    /// The rest of an answer of which something has been sent.
    pub(super) fn rest_of(rest: Rest) -> Self {
        Self {
            prepared: None,
            head: None,
            pieces: rest.pieces,
            body: None,
            length: Some(rest.length),
            due: Some(0),
            woken: None,
            said: Said {
                offer: None,
                last: false,
            },
            was_full: true,
        }
    }

    fn other(response: Response, woken: Option<Woken>, said: Said<'a>) -> Self {
        let (head, body) = response.into_parts();
        let stated = head.headers.get(header::CONTENT_LENGTH);
        let stated = stated.and_then(|value| value.to_str().ok()?.parse().ok());
        let length = stated.or_else(|| body.size_hint().exact());
        let said = Said {
            last: said.last || length.is_none(),
            ..said
        };
        Self {
            prepared: None,
            head: Some((head.status, head.headers)),
            pieces: VecDeque::new(),
            body: Some(body),
            length,
            due: length,
            woken,
            said,
            was_full: false,
        }
    }

    /// Whether nothing may follow on this connection.
    pub(super) fn is_last(&self) -> bool {
        self.said.last
    }

    /// How long it may take to be taken, if it has an end.
    pub(super) fn time(&self) -> Option<Duration> {
        self.length.map(time_to_take)
    }

    /// Sends it, as far as the peer takes it now; `sent` counts the bytes of its body.
    pub(super) fn poll_send<I: Road>(
        &mut self,
        io: &mut I,
        sent: &Counter,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        DESK.with_borrow_mut(|desk| {
            if let Some(prepared) = self.prepared.take() {
                return self.poll_whole(io, (&prepared, &mut desk.wholes), sent, context);
            }
            if self.pieces.capacity() == 0 {
                std::mem::swap(&mut self.pieces, &mut desk.pieces);
            }
            let polled = self.poll_pieces(io, &mut desk.gathered, sent, context);
            if self.pieces.is_empty() {
                std::mem::swap(&mut self.pieces, &mut desk.pieces);
            }
            polled
        })
    }

    /// Sends what was prepared, as it lies there for all who are sent the same; keeps the pieces of what is not taken.
    fn poll_whole<I: Road>(
        &mut self,
        io: &mut I,
        (prepared, wholes): (&Arc<Prepared>, &mut Recent<Whole>),
        sent: &Counter,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let body = prepared.body();
        let whole = written_down(wholes, prepared, self.said);
        let written = whole.send(&mut Polled { io, context })?;
        sent.inc_by(body.len() as u64);
        self.woken = None;
        if written == whole.bytes().len() {
            return Pin::new(io).poll_flush(context);
        }
        self.was_full = true;
        self.pieces.extend(whole.pieces(body, written));
        Poll::Pending
    }

    fn poll_pieces<I: Road>(
        &mut self,
        io: &mut I,
        gathered: &mut Vec<u8>,
        sent: &Counter,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let begin = clear(gathered, GATHERED_BYTES_MAX);
            if let Some((status, headers)) = self.head.take() {
                let head = (status, &headers);
                write_head(gathered, head, self.length, self.said, &date());
            }
            let head_end = gathered.len();
            let most = if self.was_full {
                RESUMED_BYTES_MAX
            } else {
                GATHERED_BYTES_MAX
            };
            self.gather(gathered, begin + most, sent, context)?;
            let (out, head) = (&gathered[begin..], head_end - begin);
            if out.is_empty() {
                let flushed = Pin::new(io).poll_flush(context);
                // A body that has nothing now has seen to it that this is called again.
                return match flushed {
                    Poll::Ready(Ok(())) if self.body.is_some() => Poll::Pending,
                    flushed => flushed,
                };
            }
            let written = write(&mut Polled { io, context }, out)?;
            self.pass(out, head, written);
            if written < out.len() {
                self.was_full = true;
                return Poll::Pending;
            }
        }
    }

    /// Copies as much of the body as there is now, until `gathered` is so long.
    fn gather(
        &mut self,
        gathered: &mut Vec<u8>,
        end: usize,
        sent: &Counter,
        context: &mut Context<'_>,
    ) -> io::Result<()> {
        for piece in &self.pieces {
            append(gathered, piece, end);
        }
        while gathered.len() < end
            && let Some(body) = &mut self.body
        {
            if self.due == Some(0) {
                self.finish();
                break;
            }
            let frame = match Pin::new(body).poll_frame(context) {
                Poll::Pending => break,
                Poll::Ready(Some(frame)) => frame.map_err(io::Error::other)?,
                Poll::Ready(None) if self.due.is_none() => {
                    self.finish();
                    break;
                }
                // What was promised does not come: the peer has to see that.
                Poll::Ready(None) => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
            let Ok(mut piece) = frame.into_data() else {
                continue;
            };
            if let Some(due) = &mut self.due {
                piece.truncate(usize::try_from(*due).unwrap_or(usize::MAX));
                *due -= piece.len() as u64;
            }
            if !piece.is_empty() {
                sent.inc_by(piece.len() as u64);
                append(gathered, &piece, end);
                self.pieces.push_back(piece);
            }
        }
        if self.due == Some(0) {
            self.finish();
        }
        Ok(())
    }

    /// All of the body has been handed on.
    fn finish(&mut self) {
        self.body = None;
        self.woken = None;
    }

    /// So many bytes of the head and of the pieces behind it have been taken.
    fn pass(&mut self, out: &[u8], head: usize, written: usize) {
        let mut past = written.saturating_sub(head);
        while let Some(first) = self.pieces.front_mut().filter(|_| past > 0) {
            let passed = past.min(first.len());
            first.advance(passed);
            past -= passed;
            if first.is_empty() {
                self.pieces.pop_front();
            }
        }
        if written < head {
            let rest = Bytes::copy_from_slice(&out[written..head]);
            self.pieces.push_front(rest);
        }
    }
}

/// What a socket has not taken of a prepared answer.
#[derive(Debug)]
pub(in crate::serve::http) struct Rest {
    pieces: VecDeque<Bytes>,
    /// The body's, all of it.
    length: u64,
}

impl Rest {
    /// What is left behind so many bytes of head and body.
    pub(super) fn new(whole: &Whole, body: &Bytes, written: usize) -> Self {
        Self {
            pieces: whole.pieces(body, written).collect(),
            length: body.len() as u64,
        }
    }
}

/// A prepared answer as it is sent to all, with this said of their connections.
pub(super) fn written_down<'a>(
    wholes: &'a mut Recent<Whole>,
    prepared: &Arc<Prepared>,
    said: Said<'_>,
) -> &'a Whole {
    let body = prepared.body();
    wholes.of(prepared, said.offer, |spare, date| {
        let head = (StatusCode::OK, prepared.headers());
        let length = Some(body.len() as u64);
        Whole::new(spare, body, |out| {
            write_head(out, head, length, said, date);
        })
    })
}

/// Writes a head; `length` is the body's, where it is known.
fn write_head(
    out: &mut Vec<u8>,
    (status, headers): (StatusCode, &HeaderMap),
    length: Option<u64>,
    said: Said<'_>,
    date: &HeaderValue,
) {
    for text in [
        "HTTP/1.1 ",
        status.as_str(),
        " ",
        status.canonical_reason().unwrap_or_default(),
        "\r\n",
    ] {
        out.extend_from_slice(text.as_bytes());
    }
    for (name, value) in headers {
        // How the message ends, and what becomes of its connection, is said below.
        if ![
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::CONNECTION,
            header::DATE,
        ]
        .contains(name)
        {
            write_field(out, name.as_str(), value.as_bytes());
        }
    }
    if let Some(offer) = said.offer {
        write_field(out, header::ALT_SVC.as_str(), offer.as_bytes());
    }
    if said.last {
        write_field(out, header::CONNECTION.as_str(), b"close");
    }
    if let Some(length) = length {
        // Memory takes whatever is written to it.
        drop(write!(out, "content-length: {length}\r\n"));
    }
    write_field(out, header::DATE.as_str(), date.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn append(gathered: &mut Vec<u8>, piece: &[u8], end: usize) {
    let room = end.saturating_sub(gathered.len());
    gathered.extend_from_slice(piece.get(..room).unwrap_or(piece));
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for piece in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(piece);
    }
}
