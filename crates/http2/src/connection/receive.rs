//! What the peer sends: frames, one after the other, and what each of them does.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{Connection, Event, FAREWELL, PREFACE, Stage, StreamId, count};
use crate::{
    Code, Packed,
    frame::{self, HEAD_BYTES, Head, flag, kind, number, number_31, unpadded},
    head::{Gathered, Gathering},
    hpack,
    limits::{BLOCK_FRAMES_MAX, CONTROL_BYTES_MAX, FRAME_BYTES_MAX, IDLE_FRAMES_MAX, STREAMS_MAX},
    priority::Priority,
    settings::WINDOW_MAX,
    stream::Stream,
};

/// What is kept between two receipts.
#[derive(Debug)]
pub(super) struct Receiving {
    /// The beginning of a frame, or of the preface.
    held: Vec<u8>,
    met: Met,
    decoder: hpack::Decoder,
    block: Option<Block>,
}

/// How far the peer's introduction is (RFC 9113, section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    Nothing,
    Preface,
    Settings,
}

/// A header block that comes in several frames.
#[derive(Debug)]
struct Block {
    stream: u32,
    ends_stream: bool,
    bytes: Vec<u8>,
    frames: u32,
}

impl Default for Receiving {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            met: Met::Nothing,
            decoder: hpack::Decoder::new(4_096),
            block: None,
        }
    }
}

impl Connection {
    /// Takes what the peer has sent; how it is cut makes no difference. After a failure nothing is taken.
    pub fn receive(&mut self, mut bytes: &[u8]) {
        if self.stage < Stage::Failed && !self.receive.held.is_empty() {
            let mut held = std::mem::take(&mut self.receive.held);
            while !bytes.is_empty() {
                let missing = self.missing(&held).min(bytes.len());
                let (piece, rest) = bytes.split_at(missing);
                held.extend_from_slice(piece);
                bytes = rest;
                if self.missing(&held) == 0 {
                    self.take_whole(&held);
                    held.clear();
                    break;
                }
            }
            self.receive.held = held;
            if !self.receive.held.is_empty() {
                return;
            }
            self.receive.held = Vec::new();
        }
        while self.stage < Stage::Failed && !bytes.is_empty() {
            // At least one byte more than nothing is missing, or the length of what is there.
            let length = self.whole(bytes);
            match length.and_then(|length| bytes.split_at_checked(length)) {
                Some((whole, rest)) => {
                    self.take_whole(whole);
                    bytes = rest;
                }
                None => {
                    self.receive.held = bytes.to_vec();
                    return;
                }
            }
        }
    }

    /// The length of the preface or frame that begins here, once it is known.
    fn whole(&self, bytes: &[u8]) -> Option<usize> {
        if self.receive.met == Met::Nothing {
            return Some(PREFACE.len());
        }
        let length = Head::read(bytes)?.length;
        // What is not taken is not waited for either.
        Some(if length > FRAME_BYTES_MAX {
            HEAD_BYTES
        } else {
            HEAD_BYTES + length
        })
    }

    /// How many bytes are missing until the next look.
    fn missing(&self, held: &[u8]) -> usize {
        self.whole(held)
            .unwrap_or(HEAD_BYTES)
            .saturating_sub(held.len())
    }

    fn take_whole(&mut self, whole: &[u8]) {
        let taken = if self.receive.met == Met::Nothing {
            self.receive.met = Met::Preface;
            if whole == PREFACE {
                Ok(())
            } else {
                Err(Code::PROTOCOL_ERROR)
            }
        } else {
            match Head::read(whole) {
                Some(head) if head.length > FRAME_BYTES_MAX => Err(Code::FRAME_SIZE_ERROR),
                Some(head) => self.take_frame(head, whole.get(HEAD_BYTES..).unwrap_or_default()),
                None => Err(Code::FRAME_SIZE_ERROR),
            }
        };
        let taken = taken.and_then(|()| {
            // A peer that provokes answers and does not read them.
            if self.control.len() > CONTROL_BYTES_MAX {
                return Err(Code::ENHANCE_YOUR_CALM);
            }
            Ok(())
        });
        if let Err(code) = taken {
            self.fail(code);
        }
    }

    fn take_frame(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        if self.receive.met == Met::Preface {
            if head.kind != kind::SETTINGS || head.has(flag::ACK) {
                return Err(Code::PROTOCOL_ERROR);
            }
            self.receive.met = Met::Settings;
        }
        // Section 6.10: nothing comes between the frames of a block.
        if let Some(block) = &self.receive.block
            && (head.kind != kind::CONTINUATION || head.stream != block.stream)
        {
            return Err(Code::PROTOCOL_ERROR);
        }
        match head.kind {
            kind::DATA => self.take_data(head, payload),
            kind::HEADERS => self.take_headers(head, payload),
            kind::CONTINUATION => self.take_continuation(head, payload),
            kind::PRIORITY => self.take_old_priority(head, payload),
            kind::RST_STREAM => self.take_reset(head, payload),
            kind::SETTINGS => self.take_settings(head, payload),
            kind::PUSH_PROMISE => Err(Code::PROTOCOL_ERROR),
            kind::PING => self.take_ping(head, payload),
            kind::GOAWAY => self.take_goaway(head, payload),
            kind::WINDOW_UPDATE => self.take_window_update(head, payload),
            kind::PRIORITY_UPDATE => self.take_priority(head, payload),
            // Section 5.5.
            _ => count(&mut self.idle_frames, IDLE_FRAMES_MAX),
        }
    }

    fn take_data(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        if head.stream == 0 || head.stream > self.last {
            return Err(Code::PROTOCOL_ERROR);
        }
        let data = unpadded(head, payload).ok_or(Code::PROTOCOL_ERROR)?;
        let ends = head.has(flag::END_STREAM);
        if data.is_empty() && !ends {
            count(&mut self.idle_frames, IDLE_FRAMES_MAX)?;
        }
        // Padding counts, too (section 6.9.1).
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let left = self.receive_window.checked_sub(length);
        self.receive_window = left.ok_or(Code::FLOW_CONTROL_ERROR)?;
        let Some(stream) = self.find(head.stream) else {
            self.give_back(length);
            return self.reset(head.stream, Code::STREAM_CLOSED);
        };
        let problem = if stream.peer_ended {
            Some(Code::STREAM_CLOSED)
        } else if stream.receive_window < length {
            Some(Code::FLOW_CONTROL_ERROR)
        } else if !stream.is_as_stated(data.len(), ends) {
            Some(Code::PROTOCOL_ERROR)
        } else {
            None
        };
        if let Some(code) = problem {
            self.give_back(length);
            return self.reset(head.stream, code);
        }
        stream.receive_window -= length;
        stream.peer_ended = ends;
        let stream = StreamId(head.stream);
        if !data.is_empty() {
            let data = Bytes::copy_from_slice(data);
            self.events.push_back(Event::Data { stream, data });
        }
        if ends {
            let data = Bytes::new();
            self.events.push_back(Event::Data { stream, data });
        }
        self.used(stream, payload.len() - data.len());
        Ok(())
    }

    fn take_headers(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        // Section 5.1.1: a client's streams are odd.
        if head.stream.is_multiple_of(2) {
            return Err(Code::PROTOCOL_ERROR);
        }
        let mut block = unpadded(head, payload).ok_or(Code::PROTOCOL_ERROR)?;
        let mut depends_on_itself = false;
        if head.has(flag::PRIORITY) {
            let (old, rest) = block.split_at_checked(5).ok_or(Code::FRAME_SIZE_ERROR)?;
            depends_on_itself = old.get(..4).and_then(number_31) == Some(head.stream);
            block = rest;
        }
        let ends_stream = head.has(flag::END_STREAM);
        if depends_on_itself {
            // RFC 7540, section 5.3.1; who still sends priorities of that kind sends good ones.
            return Err(Code::PROTOCOL_ERROR);
        }
        if head.has(flag::END_HEADERS) {
            return self.take_block(head.stream, ends_stream, block);
        }
        self.receive.block = Some(Block {
            stream: head.stream,
            ends_stream,
            bytes: block.to_vec(),
            frames: 1,
        });
        Ok(())
    }

    fn take_continuation(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        let mut block = self.receive.block.take().ok_or(Code::PROTOCOL_ERROR)?;
        block.frames += 1;
        block.bytes.extend_from_slice(payload);
        // Endless ones are CVE-2024-27316. What is sent packed is shorter than what it stands for.
        if block.frames > BLOCK_FRAMES_MAX || block.bytes.len() > self.header_list_bytes_max {
            return Err(Code::ENHANCE_YOUR_CALM);
        }
        if head.has(flag::END_HEADERS) {
            return self.take_block(block.stream, block.ends_stream, &block.bytes);
        }
        self.receive.block = Some(block);
        Ok(())
    }

    /// A whole block, of a request that begins, or behind the body of one.
    fn take_block(&mut self, id: u32, ends_stream: bool, block: &[u8]) -> Result<(), Code> {
        let mut gathering = Gathering::new(self.header_list_bytes_max);
        let (decoder, mut text) = (&mut self.receive.decoder, Vec::new());
        let decoded = decoder.decode(block, &mut text, |name, value| gathering.take(name, value));
        decoded.map_err(|_| Code::COMPRESSION_ERROR)?;
        if id > self.last {
            return self.open(id, ends_stream, gathering.finish());
        }
        let stream = self.find(id).ok_or(Code::STREAM_CLOSED)?;
        if stream.peer_ended {
            return self.reset(id, Code::STREAM_CLOSED);
        }
        if !ends_stream || !stream.is_as_stated(0, true) {
            return self.reset(id, Code::PROTOCOL_ERROR);
        }
        // Trailers (section 8.1) are read by nobody.
        stream.peer_ended = true;
        self.events.push_back(Event::Data {
            stream: StreamId(id),
            data: Bytes::new(),
        });
        Ok(())
    }

    fn open(&mut self, id: u32, ends_stream: bool, gathered: Gathered) -> Result<(), Code> {
        self.last = id;
        if self.stage > Stage::Farewell {
            // Section 6.8: the peer asks again somewhere else.
            return Ok(());
        }
        if self.streams.len() >= usize::from(STREAMS_MAX) {
            return self.reset(id, Code::REFUSED_STREAM);
        }
        let (head, priority, length) = match gathered {
            Gathered::Request(head, priority, length) => (head, priority, length),
            Gathered::TooLarge => {
                self.begin(id, Priority::default(), ends_stream);
                let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                self.respond(StreamId(id), &Packed::new(status, &HeaderMap::new()), true);
                return Ok(());
            }
            Gathered::Malformed => return self.reset(id, Code::PROTOCOL_ERROR),
        };
        if ends_stream && length.is_some_and(|length| length > 0) {
            return self.reset(id, Code::PROTOCOL_ERROR);
        }
        self.begin(id, priority, ends_stream).expected = length;
        self.events.push_back(Event::Request {
            stream: StreamId(id),
            head,
            has_body: !ends_stream,
        });
        Ok(())
    }

    fn begin(&mut self, id: u32, priority: Priority, ends_stream: bool) -> &mut Stream {
        let mut stream = Stream::new(id, self.peer.window, priority);
        stream.peer_ended = ends_stream;
        self.streams.push_mut(stream)
    }

    /// Of RFC 7540, of which RFC 9113 keeps the form (section 6.3).
    fn take_old_priority(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        if head.stream == 0 {
            return Err(Code::PROTOCOL_ERROR);
        }
        count(&mut self.idle_frames, IDLE_FRAMES_MAX)?;
        if payload.len() != 5 {
            return self.reset(head.stream, Code::FRAME_SIZE_ERROR);
        }
        if payload.get(..4).and_then(number_31) == Some(head.stream) {
            return self.reset(head.stream, Code::PROTOCOL_ERROR);
        }
        Ok(())
    }

    fn take_reset(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        number(payload).ok_or(Code::FRAME_SIZE_ERROR)?;
        if head.stream == 0 || head.stream > self.last {
            return Err(Code::PROTOCOL_ERROR);
        }
        match self.index(head.stream) {
            Some(index) => self.taken_back(index),
            None => Ok(()),
        }
    }

    fn take_settings(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        if head.stream != 0 {
            return Err(Code::PROTOCOL_ERROR);
        }
        if head.has(flag::ACK) {
            return if payload.is_empty() {
                Ok(())
            } else {
                Err(Code::FRAME_SIZE_ERROR)
            };
        }
        count(&mut self.idle_frames, IDLE_FRAMES_MAX)?;
        let before = i64::from(self.peer.window);
        self.peer.take(payload)?;
        // Section 6.9.2: it counts for what is under way.
        let change = i64::from(self.peer.window) - before;
        for stream in &mut self.streams {
            stream.window += change;
            if stream.window > WINDOW_MAX {
                return Err(Code::FLOW_CONTROL_ERROR);
            }
        }
        frame::put(&mut self.control, kind::SETTINGS, flag::ACK, 0, &[]);
        Ok(())
    }

    fn take_ping(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        if head.stream != 0 {
            return Err(Code::PROTOCOL_ERROR);
        }
        if payload.len() != 8 {
            return Err(Code::FRAME_SIZE_ERROR);
        }
        if head.has(flag::ACK) {
            self.pinged = false;
            if payload == FAREWELL && self.stage == Stage::Farewell {
                self.close();
            }
            return Ok(());
        }
        count(&mut self.idle_frames, IDLE_FRAMES_MAX)?;
        frame::put(&mut self.control, kind::PING, flag::ACK, 0, payload);
        Ok(())
    }

    /// The peer leaves: what it has asked for is answered.
    fn take_goaway(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        if head.stream != 0 {
            return Err(Code::PROTOCOL_ERROR);
        }
        if payload.len() < 8 {
            return Err(Code::FRAME_SIZE_ERROR);
        }
        self.close();
        count(&mut self.idle_frames, IDLE_FRAMES_MAX)
    }

    fn take_window_update(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        let more = i64::from(number_31(payload).ok_or(Code::FRAME_SIZE_ERROR)?);
        if head.stream == 0 {
            self.window += more;
            return match more {
                0 => Err(Code::PROTOCOL_ERROR),
                _ if self.window > WINDOW_MAX => Err(Code::FLOW_CONTROL_ERROR),
                _ => Ok(()),
            };
        }
        if head.stream > self.last {
            return Err(Code::PROTOCOL_ERROR);
        }
        if more == 0 {
            return self.reset(head.stream, Code::PROTOCOL_ERROR);
        }
        let Some(stream) = self.find(head.stream) else {
            // The answer was faster.
            return Ok(());
        };
        stream.window += more;
        if stream.window > WINDOW_MAX {
            return self.reset(head.stream, Code::FLOW_CONTROL_ERROR);
        }
        Ok(())
    }

    /// RFC 9218, section 7.1. What is said of a request before it is made is not kept.
    fn take_priority(&mut self, head: Head, payload: &[u8]) -> Result<(), Code> {
        if head.stream != 0 {
            return Err(Code::PROTOCOL_ERROR);
        }
        count(&mut self.idle_frames, IDLE_FRAMES_MAX)?;
        let (id, field) = payload.split_at_checked(4).ok_or(Code::FRAME_SIZE_ERROR)?;
        let id = number_31(id).ok_or(Code::FRAME_SIZE_ERROR)?;
        if id == 0 {
            return Err(Code::PROTOCOL_ERROR);
        }
        if let Some(stream) = self.find(id) {
            stream.priority.take(field);
        }
        Ok(())
    }
}
