//! One fan: from the first packet into the room, and what they read there.

use std::sync::Arc;

use super::{
    Settings,
    dialect::{self, Heard, Since},
    stream::{Got, Stream},
    tally::Tally,
};
use crate::{
    clock,
    frames::{self, Frames, Kind, NotFrames},
    ledger::Ledger,
    marker::Marks,
};

/// Longest answer to an upgrade.
const UPGRADE_BYTES_MAX: usize = 8 * 1024;

/// Reads before the other fans have their turn; a socket with more is visited again by itself, because it is not empty.
const READS_MAX: usize = 64;

/// How far a fan is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Not connected.
    #[default]
    Away,
    /// Waits for the socket.
    Connecting,
    /// Waits for the answer to the upgrade.
    Upgrading,
    /// Waits for the room.
    Joining,
    /// In the room, or at the open socket when that is all that was asked.
    Ready,
}

/// What a visit changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing that others care about.
    Same,
    /// In the room, just now.
    Ready,
    /// The connection is over: a close code, an HTTP status, or 0.
    Gone(u16),
}

/// One fan.
#[derive(Debug, Default)]
pub(super) struct Fan {
    pub(super) state: State,
    pub(super) stream: Option<Stream>,
    /// Does not read.
    pub(super) stalled: bool,
    /// Was dropped and comes back by itself.
    pub(super) dropped: bool,
    /// Failed attempts since the last success.
    pub(super) attempt: u32,
    /// The newest message's place in the log.
    pub(super) offset: u64,
    head: Vec<u8>,
    frames: Frames,
    ledger: Ledger,
}

/// What a fan needs from the crowd while it is visited.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    pub(super) settings: &'a Settings,
    pub(super) only_upgrade: bool,
    /// The peer has ended the stream: nothing more will be told of it.
    pub(super) ending: bool,
    pub(super) token: &'a str,
    pub(super) since: Option<Since<'a>>,
    pub(super) tally: &'a mut Tally,
    pub(super) marks: &'a Marks,
    pub(super) scratch: &'a mut [u8],
    pub(super) epoch: &'a mut Option<Arc<str>>,
}

impl Fan {
    /// A new socket is on its way.
    pub(super) fn begin(&mut self, stream: Stream) {
        self.state = State::Connecting;
        self.stream = Some(stream);
        self.head = Vec::new();
        self.frames = Frames::default();
    }

    /// The socket is gone, at once.
    pub(super) fn cut(&mut self) {
        self.state = State::Away;
        if let Some(stream) = self.stream.take() {
            stream.cut();
        }
    }

    /// Does what the socket allows.
    pub(super) fn visit(&mut self, mut visit: Visit<'_>) -> Progress {
        let was = self.state;
        match self.visit_inner(&mut visit) {
            Ok(()) if self.state == State::Ready && was != State::Ready => {
                self.attempt = 0;
                Progress::Ready
            }
            Ok(()) => Progress::Same,
            Err(code) => Progress::Gone(code),
        }
    }

    fn visit_inner(&mut self, visit: &mut Visit<'_>) -> Result<(), u16> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        if self.state == State::Connecting {
            if !matches!(stream.socket.take_error(), Ok(None)) || stream.socket.peer_addr().is_err()
            {
                return Err(0);
            }
            let host = visit.settings.target.to_string();
            match visit.settings.dialect.upgrade(&visit.settings.path, &host) {
                None => self.state = State::Ready,
                Some(request) => {
                    stream.send(&request).map_err(|_| 0_u16)?;
                    self.state = State::Upgrading;
                }
            }
        } else {
            stream.flush().map_err(|_| 0_u16)?;
        }
        for _ in 0..READS_MAX {
            let Some(stream) = &mut self.stream else {
                break;
            };
            let (read, more) = match stream.read(visit.scratch) {
                Ok(Got::More(read)) => (read, true),
                Ok(Got::Last(read)) => (read, false),
                Ok(Got::End) | Err(_) => return Err(0),
            };
            if read > 0 {
                // The buffer is the crowd's: it is lent out so that the fan can be changed meanwhile.
                let scratch = std::mem::take(&mut visit.scratch);
                let taken = self.take(&scratch[..read], visit);
                visit.scratch = scratch;
                taken?;
            }
            // A short read empties the socket, but is not the end of the stream.
            if !more && (read == 0 || !visit.ending) {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], visit: &mut Visit<'_>) -> Result<(), u16> {
        if self.state != State::Upgrading {
            return self.take_frames(bytes, visit);
        }
        self.head.extend_from_slice(bytes);
        let Some(end) = memchr::memmem::find(&self.head, b"\r\n\r\n") else {
            return if self.head.len() > UPGRADE_BYTES_MAX {
                Err(0)
            } else {
                Ok(())
            };
        };
        let head = std::mem::take(&mut self.head);
        let status = head
            .get(9..12)
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        if status != Some(101) {
            return Err(status.unwrap_or(0));
        }
        let Visit {
            settings,
            token,
            since,
            only_upgrade,
            ..
        } = visit;
        let joined = *only_upgrade || settings.dialect.joins_by_upgrade();
        self.state = if joined { State::Ready } else { State::Joining };
        if !joined
            && let Some(greeting) = settings.dialect.greeting(token, &settings.channel, *since)
        {
            self.send_text(greeting.as_bytes())?;
        }
        self.take_frames(&head[end + 4..], visit)
    }

    fn take_frames(&mut self, bytes: &[u8], visit: &mut Visit<'_>) -> Result<(), u16> {
        let now = clock::now();
        visit.tally.reads += 1;
        visit.tally.bytes += u64::try_from(bytes.len()).unwrap_or(0);
        let mut frames = std::mem::take(&mut self.frames);
        let mut closed = None;
        let mut failed = None;
        let fed = frames.feed(bytes, |kind, payload| match kind {
            Kind::Data => failed = failed.or(self.hear(now, payload, visit).err()),
            Kind::Ping => {
                let mut pong = Vec::new();
                frames::append_pong(payload, &mut pong);
                failed = failed.or(self.send(&pong).err());
            }
            Kind::Close => closed = Some(close_code(payload)),
            Kind::Pong => {}
        });
        self.frames = frames;
        match (closed.or(failed), fed) {
            (Some(code), _) => Err(code),
            (None, Err(NotFrames)) => Err(0),
            (None, Ok(())) => Ok(()),
        }
    }

    fn hear(&mut self, now: u64, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), u16> {
        visit.marks.find(payload, |mark| {
            let arrival = self.ledger.enter(mark.number);
            visit.tally.enter(now, mark, arrival, self.dropped);
        });
        if visit.settings.dialect == dialect::Dialect::Centrifuge
            && let Some(offset) = dialect::newest_offset(payload)
        {
            self.offset = self.offset.max(offset);
        }
        match visit
            .settings
            .dialect
            .hear(payload, self.state == State::Ready)
        {
            Heard::Other => Ok(()),
            Heard::Answer(answer) => self.send_text(answer),
            Heard::Refused => Err(1),
            Heard::Joined => {
                if visit.epoch.is_none() {
                    *visit.epoch = dialect::epoch(payload).map(Arc::from);
                }
                self.state = State::Ready;
                Ok(())
            }
        }
    }

    fn send_text(&mut self, text: &[u8]) -> Result<(), u16> {
        let mut frame = Vec::new();
        frames::append_text(text, &mut frame);
        self.send(&frame)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), u16> {
        match &mut self.stream {
            Some(stream) => stream.send(bytes).map_err(|_| 0),
            None => Ok(()),
        }
    }
}

fn close_code(payload: &[u8]) -> u16 {
    match payload {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 1005,
    }
}
