//! Bytes from a client become messages and control frames.
//!
//! The [`Decoder`] is what a connection keeps between two reads: nothing while no frame is cut in two, otherwise a box
//! with what has arrived of it. It never allocates what a header merely announces. Whether a stream is cut here or
//! there makes no difference to its events or to its verdict; a property test and a fuzz target hold it to that.

use std::fmt;

use super::{
    deflate::{InflateError, Inflater},
    event::{Event, parse_close, text},
    header::{self, Control, Data, HEADER_BYTES_MAX, Header, Opcode, Packing, Parsed, Rsv1},
    mask::Mask,
    violation::Violation,
};

/// One connection's reading state: 16 bytes, and a box only while a frame or a message is incomplete.
#[derive(Default)]
pub struct Decoder {
    held: Option<Box<Held>>,
    ended: bool,
}

impl Decoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            held: None,
            ended: false,
        }
    }

    /// Takes the next bytes of the stream; messages of more than `message_bytes_max` bytes are a violation.
    ///
    /// The bytes are unmasked in place. All of them are consumed once [`Feed::next_event`] has answered `None`; a feed
    /// that is dropped before loses its place in the stream, so the connection must then be closed.
    pub fn feed<'d, 'b>(
        &'d mut self,
        bytes: &'b mut [u8],
        message_bytes_max: usize,
    ) -> Feed<'d, 'b> {
        Feed {
            decoder: self,
            rest: bytes,
            message_bytes_max,
            inflater: None,
            done: Vec::new(),
        }
    }

    /// Whether the stream has ended, by a close frame or a violation: further bytes are ignored.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// Bytes on the heap for what is incomplete; 0 between messages.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held
            .as_deref()
            .map_or(0, |held| size_of::<Held>() + held.payload_capacity())
    }

    fn end(&mut self) {
        self.held = None;
        self.ended = true;
    }

    /// Frees the box when nothing is in it.
    fn settle(&mut self) {
        if self.held.as_deref().is_some_and(Held::is_empty) {
            self.held = None;
        }
    }
}

/// Says how much is held and not what: it may be a token.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("held_bytes", &self.held_bytes())
            .field("ended", &self.ended)
            .finish()
    }
}

/// The bytes of one read, being turned into events.
#[must_use = "bytes are consumed by `next_event`"]
pub struct Feed<'d, 'b> {
    decoder: &'d mut Decoder,
    rest: &'b mut [u8],
    message_bytes_max: usize,
    /// Present where compression was negotiated.
    inflater: Option<&'d mut Inflater>,
    /// The payload of the last event, when it came in pieces.
    done: Vec<u8>,
}

impl fmt::Debug for Feed<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("decoder", &self.decoder)
            .field("rest_bytes", &self.rest.len())
            .finish_non_exhaustive()
    }
}

/// A frame or message that is complete, with its payload where it is.
enum Whole<'b> {
    Message(Data, Packing, Payload<'b>),
    Control(Control, Payload<'b>),
}

enum Payload<'b> {
    /// In the read buffer, where it arrived.
    Here(&'b [u8]),
    /// Gathered from pieces, in [`Feed::done`].
    Gathered,
}

impl<'d, 'b> Feed<'d, 'b> {
    /// Takes compressed messages too, as negotiated. The inflater may serve any number of connections.
    ///
    /// The limit on a message holds for what is sent and for what it inflates to.
    pub fn inflating(self, inflater: &'d mut Inflater) -> Self {
        Self {
            inflater: Some(inflater),
            ..self
        }
    }

    /// The next event, or `None` when the bytes are used up.
    ///
    /// # Errors
    ///
    /// The client broke the protocol. The stream has ended with it: every further call answers `None`.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, Violation> {
        let whole = match self.advance() {
            Ok(Some(whole)) => whole,
            Ok(None) => {
                self.decoder.settle();
                return Ok(None);
            }
            Err(violation) => {
                self.decoder.end();
                return Err(violation);
            }
        };
        let max = self.message_bytes_max;
        let Self {
            decoder,
            done,
            inflater,
            ..
        } = self;
        let payload = |payload| match payload {
            Payload::Here(bytes) => bytes,
            Payload::Gathered => done.as_slice(),
        };
        let event = match whole {
            Whole::Message(kind, packing, bytes) => {
                unpack(packing, payload(bytes), inflater.as_deref_mut(), max).and_then(|payload| {
                    match kind {
                        Data::Text => text(payload).map(Event::Text),
                        Data::Binary => Ok(Event::Binary(payload)),
                    }
                })
            }
            Whole::Control(Control::Ping, bytes) => Ok(Event::Ping(payload(bytes))),
            Whole::Control(Control::Pong, bytes) => Ok(Event::Pong(payload(bytes))),
            Whole::Control(Control::Close, bytes) => parse_close(payload(bytes)),
        };
        if matches!(event, Err(_) | Ok(Event::Close { .. })) {
            decoder.end();
        }
        event.map(Some)
    }

    /// Goes on until something is complete or the bytes are used up.
    fn advance(&mut self) -> Result<Option<Whole<'b>>, Violation> {
        while !self.decoder.ended {
            let open = self
                .decoder
                .held
                .as_deref_mut()
                .and_then(|held| held.frame.take());
            let whole = if let Some(frame) = open {
                self.gather(frame)?
            } else if let Some(header) = self.read_header()? {
                self.begin(header)?
            } else {
                return Ok(None);
            };
            match whole {
                Progress::Whole(whole) => return Ok(Some(whole)),
                Progress::Fragment => {}
                Progress::Starved => return Ok(None),
            }
        }
        Ok(None)
    }

    fn rsv1(&self) -> Rsv1 {
        if self.inflater.is_some() {
            Rsv1::Compressed
        } else {
            Rsv1::Zero
        }
    }

    /// Reads a header, of which some bytes may have come before.
    fn read_header(&mut self) -> Result<Option<Header>, Violation> {
        let before = self
            .decoder
            .held
            .as_deref()
            .map_or(0, |held| held.header_bytes);
        if before == 0 {
            // The usual case: the header starts in the read buffer.
            if let Parsed::Header(header, header_bytes) = header::parse(self.rest, self.rsv1())? {
                self.consume(header_bytes);
                return Ok(Some(header));
            }
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let rsv1 = self.rsv1();
        let held = self.decoder.held.get_or_insert_default();
        let added = self.rest.len().min(HEADER_BYTES_MAX - before);
        held.header[before..before + added].copy_from_slice(&self.rest[..added]);
        match header::parse(&held.header[..before + added], rsv1)? {
            Parsed::Header(header, header_bytes) => {
                held.header_bytes = 0;
                self.consume(header_bytes - before);
                Ok(Some(header))
            }
            Parsed::Incomplete => {
                held.header_bytes = before + added;
                self.consume(added);
                Ok(None)
            }
        }
    }

    /// Judges a frame by its header, then hands it out if it is here, or starts to gather it.
    fn begin(&mut self, header: Header) -> Result<Progress<'b>, Violation> {
        let message = self
            .decoder
            .held
            .as_deref()
            .and_then(|held| held.message.as_ref());
        let before = match (header.opcode, message) {
            (Opcode::Control(_), _) | (Opcode::Data(_), None) => 0,
            (Opcode::Continuation, Some(message)) => message.bytes.len(),
            (Opcode::Continuation, None) => return Err(Violation::Continuation),
            (Opcode::Data(_), Some(_)) => return Err(Violation::Interrupted),
        };
        let max = self.message_bytes_max;
        let payload_bytes =
            usize::try_from(header.payload_bytes).map_err(|_| Violation::TooBig { max })?;
        if !matches!(header.opcode, Opcode::Control(_))
            && payload_bytes > max.saturating_sub(before)
        {
            return Err(Violation::TooBig { max });
        }
        if payload_bytes <= self.rest.len() {
            match header.opcode {
                Opcode::Control(kind) => {
                    return Ok(Progress::Whole(Whole::Control(
                        kind,
                        self.unmask_here(header.mask, payload_bytes),
                    )));
                }
                Opcode::Data(kind) if header.fin => {
                    return Ok(Progress::Whole(Whole::Message(
                        kind,
                        header.packing,
                        self.unmask_here(header.mask, payload_bytes),
                    )));
                }
                Opcode::Data(_) | Opcode::Continuation => {}
            }
        }
        if let Opcode::Data(kind) = header.opcode {
            self.decoder.held.get_or_insert_default().message = Some(Message {
                kind,
                packing: header.packing,
                bytes: Vec::new(),
                checked: 0,
            });
        }
        self.gather(Frame {
            fin: header.fin,
            opcode: header.opcode,
            missing: payload_bytes,
            mask: header.mask,
        })
    }

    fn unmask_here(&mut self, mut mask: Mask, payload_bytes: usize) -> Payload<'b> {
        let payload = self.consume(payload_bytes);
        mask.apply(payload);
        Payload::Here(payload)
    }

    /// Moves what has arrived of a frame's payload to the heap.
    fn gather(&mut self, mut frame: Frame) -> Result<Progress<'b>, Violation> {
        let piece = self.consume(frame.missing.min(self.rest.len()));
        frame.mask.apply(piece);
        let held = self.decoder.held.get_or_insert_default();
        match (&frame.opcode, &mut held.message) {
            (Opcode::Control(_), _) => append(&mut held.control, piece, header::CONTROL_BYTES_MAX),
            (_, Some(message)) => {
                // The last frame says how long the message is; before it, that is anybody's guess.
                let bytes_max = if frame.fin {
                    message.bytes.len() + frame.missing
                } else {
                    self.message_bytes_max
                };
                message.append(piece, bytes_max)?;
            }
            (_, None) => return Err(Violation::Continuation),
        }
        frame.missing -= piece.len();
        if frame.missing > 0 {
            held.frame = Some(frame);
            return Ok(Progress::Starved);
        }
        match frame.opcode {
            Opcode::Control(kind) => {
                self.done = std::mem::take(&mut held.control);
                Ok(Progress::Whole(Whole::Control(kind, Payload::Gathered)))
            }
            Opcode::Data(_) | Opcode::Continuation if !frame.fin => Ok(Progress::Fragment),
            Opcode::Data(_) | Opcode::Continuation => {
                let Some(message) = held.message.take() else {
                    return Err(Violation::Continuation);
                };
                self.done = message.bytes;
                Ok(Progress::Whole(Whole::Message(
                    message.kind,
                    message.packing,
                    Payload::Gathered,
                )))
            }
        }
    }

    fn consume(&mut self, count: usize) -> &'b mut [u8] {
        let (taken, rest) = std::mem::take(&mut self.rest).split_at_mut(count);
        self.rest = rest;
        taken
    }
}

/// A message as it was before it was packed.
fn unpack<'a>(
    packing: Packing,
    payload: &'a [u8],
    inflater: Option<&'a mut Inflater>,
    max: usize,
) -> Result<&'a [u8], Violation> {
    match (packing, inflater) {
        (Packing::Plain, _) => Ok(payload),
        (Packing::Deflated, Some(inflater)) => {
            inflater.inflate(payload, max).map_err(|error| match error {
                InflateError::Corrupt => Violation::Deflate,
                InflateError::TooBig => Violation::TooBig { max },
            })
        }
        // A message that began while compression was on and ends in a feed without an inflater.
        (Packing::Deflated, None) => Err(Violation::ReservedBits),
    }
}

/// What became of a frame.
enum Progress<'b> {
    /// It, or the message that it ends, is complete.
    Whole(Whole<'b>),
    /// It is complete, its message is not.
    Fragment,
    /// It is not complete, and the bytes are used up.
    Starved,
}

/// What a decoder keeps of an incomplete frame or message.
#[derive(Default)]
struct Held {
    /// The first bytes of a header that was cut.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    /// The frame whose payload is arriving.
    frame: Option<Frame>,
    /// What has arrived of a control frame, which may stand inside a message.
    control: Vec<u8>,
    /// What has arrived of a message.
    message: Option<Message>,
}

impl Held {
    fn is_empty(&self) -> bool {
        self.header_bytes == 0 && self.frame.is_none() && self.message.is_none()
    }

    fn payload_capacity(&self) -> usize {
        self.control.capacity()
            + self
                .message
                .as_ref()
                .map_or(0, |message| message.bytes.capacity())
    }
}

struct Frame {
    fin: bool,
    opcode: Opcode,
    /// Bytes of payload that have not arrived.
    missing: usize,
    mask: Mask,
}

struct Message {
    kind: Data,
    packing: Packing,
    bytes: Vec<u8>,
    /// So many bytes of a text are known to be UTF-8; at most three after them may be the start of a character.
    checked: usize,
}

impl Message {
    fn append(&mut self, piece: &[u8], bytes_max: usize) -> Result<(), Violation> {
        append(&mut self.bytes, piece, bytes_max);
        if (self.kind, self.packing) != (Data::Text, Packing::Plain) {
            return Ok(());
        }
        // Text is judged as it arrives, so that nobody can make us hold 64 KiB of nonsense.
        match simdutf8::compat::from_utf8(&self.bytes[self.checked..]) {
            Ok(text) => self.checked += text.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(Violation::InvalidUtf8),
        }
        Ok(())
    }
}

/// Appends without reserving more than twice what has arrived, nor more than there can be.
///
/// Doubling keeps a message of very many fragments from being copied once for each of them.
fn append(bytes: &mut Vec<u8>, piece: &[u8], bytes_max: usize) {
    let needed = bytes.len() + piece.len();
    if needed > bytes.capacity() {
        let target = needed.max(bytes_max.min(bytes.capacity() * 2));
        bytes.reserve_exact(target - bytes.len());
    }
    bytes.extend_from_slice(piece);
}
