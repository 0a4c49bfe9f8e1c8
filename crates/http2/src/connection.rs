//! The machine of a connection.

mod receive;

use std::collections::VecDeque;

use bytes::Bytes;
use http::Request;

use crate::{
    Code, Packed, frame,
    limits::{
        CONTROL_BYTES_MAX, ERRORS_MAX, GIVE_BACK_BYTES, RECEIVE_WINDOW_BYTES, RESETS_MAX,
        SEND_BYTES_MAX,
    },
    settings::{self, Peer},
    stream::Stream,
};

/// What a connection begins with (RFC 9113, section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a ping of ours carries.
const PING: [u8; 8] = *b"fanwave\0";

/// The same of the one that goes with a farewell.
const FAREWELL: [u8; 8] = *b"farewell";

/// As the last stream: any that there may be.
const ANY: u32 = 0x7fff_ffff;

/// Names a request of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub(crate) u32);

/// What the peer has done.
#[derive(Debug)]
pub enum Event {
    /// It asks.
    Request {
        /// By which the request is named.
        stream: StreamId,
        /// All but its body.
        head: Box<Request<()>>,
        /// Whether a body follows, as [`Event::Data`].
        has_body: bool,
    },
    /// A piece of the body of a request.
    Data {
        /// The request's.
        stream: StreamId,
        /// None at its end. What was used of it is told to [`Connection::used`].
        data: Bytes,
    },
    /// It wants no answer any more, or none can be given: the request is over.
    Gone {
        /// The request's.
        stream: StreamId,
    },
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Open,
    /// The peer is asked for no new request. What it has sent before it hears of that is still taken.
    Farewell,
    /// No new request is taken.
    WindingDown,
    /// The peer has been told why, and nothing else is said or heard.
    Failed,
}

/// See the module.
#[derive(Debug)]
pub struct Connection {
    header_list_bytes_max: usize,
    stage: Stage,
    failure: Option<Code>,
    receive: receive::Receiving,
    /// Streams that are not over, by their numbers.
    streams: Vec<Stream>,
    /// The highest number that the peer has used, and the one that it was told to be the last.
    last: u32,
    announced: Option<u32>,
    events: VecDeque<Event>,
    peer: Peer,
    /// Frames that belong to no answer.
    control: Vec<u8>,
    /// What of all answers the peer takes now.
    window: i64,
    receive_window: u32,
    used: u32,
    /// Turns that incremental answers have had.
    turn: u64,
    /// Whether the peer has been told that no head of an answer uses a table.
    has_no_table: bool,
    pinged: bool,
    resets: u32,
    errors: u32,
    idle_frames: u32,
}

impl Connection {
    /// A connection whose peer has not been heard yet. `header_list_bytes_max`: as RFC 9113 counts them, section 6.5.2.
    #[must_use]
    pub fn new(header_list_bytes_max: u32) -> Self {
        let mut control = Vec::new();
        settings::put(&mut control, header_list_bytes_max);
        Self {
            header_list_bytes_max: usize::try_from(header_list_bytes_max).unwrap_or(usize::MAX),
            stage: Stage::Open,
            failure: None,
            receive: receive::Receiving::default(),
            streams: Vec::new(),
            last: 0,
            announced: None,
            events: VecDeque::new(),
            peer: Peer::default(),
            control,
            window: i64::from(RECEIVE_WINDOW_BYTES),
            receive_window: RECEIVE_WINDOW_BYTES,
            used: 0,
            turn: 0,
            has_no_table: false,
            pinged: false,
            resets: 0,
            errors: 0,
            idle_frames: 0,
        }
    }

    /// The next of what has come of what was received. The events of one receipt are as many as its bytes allow, so they are
    /// taken before more is received.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Begins the answer, once; `ended` where it has no body. Of a request that is gone it is dropped.
    pub fn respond(&mut self, stream: StreamId, head: &Packed, ended: bool) {
        if let Some(stream) = self.find(stream.0).filter(|found| !found.answer.begun) {
            stream.begin(head, ended);
        }
    }

    /// Bytes that an answer may be given now, beyond which it would be held here; what comes at once may be more.
    #[must_use]
    pub fn room(&self, stream: StreamId) -> usize {
        self.stream(stream.0).map_or(0, |found| {
            SEND_BYTES_MAX.saturating_sub(found.answer.queued())
        })
    }

    /// Whether a request is not over: its answer is not written to its end.
    #[must_use]
    pub fn is_open(&self, stream: StreamId) -> bool {
        self.index(stream.0).is_some()
    }

    /// Goes on with an answer that was begun; `ended` with its last bytes, or behind them.
    pub fn send(&mut self, stream: StreamId, data: Bytes, ended: bool) {
        if let Some(stream) = self.find(stream.0)
            && !stream.answer.ended
        {
            stream.answer.push(data);
            stream.answer.ended = ended;
        }
    }

    /// Ends a request that cannot be answered, or not to its end.
    pub fn abandon(&mut self, stream: StreamId, code: Code) {
        if let Some(index) = self.index(stream.0) {
            self.streams.remove(index);
            frame::put_reset(&mut self.control, stream.0, code);
        }
    }

    /// So many bytes of a request's body have been used: the peer may send as many again.
    pub fn used(&mut self, stream: StreamId, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.give_back(bytes);
        let Some(index) = self.index(stream.0) else {
            return;
        };
        let found = &mut self.streams[index];
        found.used = found.used.saturating_add(bytes);
        if found.used >= GIVE_BACK_BYTES && !found.peer_ended {
            frame::put_window_update(&mut self.control, stream.0, found.used);
            found.receive_window = found.receive_window.saturating_add(found.used);
            found.used = 0;
        }
    }

    /// Asks the peer for no new request; those under way are answered, and those that come before it has heard of it (RFC 9113,
    /// section 6.8).
    pub fn wind_down(&mut self) {
        if self.stage == Stage::Open {
            self.stage = Stage::Farewell;
            frame::put_goaway(&mut self.control, ANY, Code::NO_ERROR);
            frame::put(&mut self.control, frame::kind::PING, 0, 0, &FAREWELL);
        }
    }

    /// Takes no new request from here on.
    fn close(&mut self) {
        if self.stage < Stage::WindingDown {
            self.stage = Stage::WindingDown;
            self.say_goodbye(Code::NO_ERROR);
        }
    }

    /// Asks whether the peer is there. False if it has not answered the last time.
    #[must_use]
    pub fn ping(&mut self) -> bool {
        if self.pinged {
            return false;
        }
        self.pinged = true;
        frame::put(&mut self.control, frame::kind::PING, 0, 0, &PING);
        true
    }

    /// Forgets what the peer has provoked: the limits are for the time between two of these.
    pub fn forgive(&mut self) {
        (self.resets, self.errors, self.idle_frames) = (0, 0, 0);
    }

    /// Whether there is something to write.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.control.is_empty() || self.next().is_some()
    }

    /// Appends what is to be written: all that belongs to no answer, and of answers until there are `bytes_max` or a frame more.
    pub fn poll_output(&mut self, out: &mut Vec<u8>, bytes_max: usize) {
        out.append(&mut self.control);
        while out.len() < bytes_max
            && let Some(index) = self.next()
        {
            let stream = &mut self.streams[index];
            let sent = stream.write(out, self.window, &mut self.has_no_table);
            self.window -= i64::try_from(sent).unwrap_or(0);
            if stream.priority.incremental {
                self.turn += 1;
                stream.served = self.turn;
            }
            if stream.answer.told {
                if !stream.peer_ended {
                    // The rest of the request is of no use (section 8.1).
                    frame::put_reset(out, stream.id, Code::NO_ERROR);
                }
                self.streams.remove(index);
            }
        }
        if self.control.capacity() > CONTROL_BYTES_MAX / 16 {
            self.control = Vec::new();
        }
    }

    /// Whether nothing comes of it any more: everything is said, once there is no output.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self.stage {
            Stage::Open | Stage::Farewell => false,
            Stage::WindingDown => self.streams.is_empty(),
            Stage::Failed => true,
        }
    }

    /// What the peer did that ended it.
    #[must_use]
    pub fn failure(&self) -> Option<Code> {
        self.failure
    }

    /// The stream that is to be written.
    fn next(&self) -> Option<usize> {
        if self.stage == Stage::Failed {
            return None;
        }
        let is_open = self.window > 0;
        let ready = self.streams.iter().enumerate();
        let ready = ready.filter(|(_, stream)| stream.is_ready(is_open));
        ready
            .min_by_key(|(_, stream)| stream.rank())
            .map(|(index, _)| index)
    }

    fn index(&self, id: u32) -> Option<usize> {
        self.streams
            .binary_search_by_key(&id, |stream| stream.id)
            .ok()
    }

    fn stream(&self, id: u32) -> Option<&Stream> {
        self.streams.get(self.index(id)?)
    }

    fn find(&mut self, id: u32) -> Option<&mut Stream> {
        let index = self.index(id)?;
        self.streams.get_mut(index)
    }

    /// Lets the peer send so many bytes more, of all requests.
    fn give_back(&mut self, bytes: u32) {
        self.used = self.used.saturating_add(bytes);
        if self.used >= GIVE_BACK_BYTES {
            frame::put_window_update(&mut self.control, 0, self.used);
            self.receive_window = self.receive_window.saturating_add(self.used);
            self.used = 0;
        }
    }

    /// Ends the connection, and says why.
    fn fail(&mut self, code: Code) {
        if self.stage < Stage::Failed {
            self.stage = Stage::Failed;
            self.failure = Some(code);
            self.say_goodbye(code);
            for stream in self.streams.drain(..) {
                self.events.push_back(Event::Gone {
                    stream: StreamId(stream.id),
                });
            }
        }
    }

    /// Once a last stream is told, none above it is (RFC 9113, section 6.8).
    fn say_goodbye(&mut self, code: Code) {
        let last = *self.announced.get_or_insert(self.last);
        frame::put_goaway(&mut self.control, last, code);
    }

    /// Ends a stream because of what the peer did with it.
    fn reset(&mut self, id: u32, code: Code) -> Result<(), Code> {
        if let Some(index) = self.index(id) {
            self.streams.remove(index);
            self.events.push_back(Event::Gone {
                stream: StreamId(id),
            });
        }
        frame::put_reset(&mut self.control, id, code);
        count(&mut self.errors, ERRORS_MAX)
    }

    /// The peer has taken a request back.
    fn taken_back(&mut self, index: usize) -> Result<(), Code> {
        let stream = self.streams.remove(index);
        self.events.push_back(Event::Gone {
            stream: StreamId(stream.id),
        });
        if stream.answer.begun {
            return Ok(());
        }
        count(&mut self.resets, RESETS_MAX)
    }
}

/// One more, within a limit.
fn count(counter: &mut u32, most: u32) -> Result<(), Code> {
    *counter += 1;
    if *counter > most {
        return Err(Code::ENHANCE_YOUR_CALM);
    }
    Ok(())
}
