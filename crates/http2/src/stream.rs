//! One request and its answer (RFC 9113, section 5.1), from the request's head until both sides have said all.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    Packed,
    frame::{self, Head, flag, kind},
    hpack,
    limits::{FRAME_BYTES_MAX, RECEIVE_WINDOW_BYTES},
    priority::Priority,
};

/// What is kept of it.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) priority: Priority,
    /// When it last had a turn, among those that take turns.
    pub(crate) served: u64,
    /// What of its answer the peer takes now; below zero where it has taken back what it had allowed (section 6.9.2).
    pub(crate) window: i64,
    /// What of its request the peer may still send.
    pub(crate) receive_window: u32,
    /// What of it has been used and not been given back.
    pub(crate) used: u32,
    /// What is still to come by the length that the request states.
    pub(crate) expected: Option<u64>,
    /// Whether the request is whole.
    pub(crate) peer_ended: bool,
    pub(crate) answer: Answer,
}

/// An answer as far as it is there.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The block of its head, until it is written.
    head: Option<Bytes>,
    pub(crate) begun: bool,
    data: VecDeque<Bytes>,
    queued: usize,
    /// Whether nothing comes behind what is there.
    pub(crate) ended: bool,
    /// Whether the peer has been told so.
    pub(crate) told: bool,
}

impl Answer {
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    pub(crate) fn push(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.queued += data.len();
            self.data.push_back(data);
        }
    }

    /// Moves so many bytes, of which there are as many.
    fn pour(&mut self, out: &mut Vec<u8>, mut bytes: usize) {
        while bytes > 0
            && let Some(first) = self.data.front_mut()
        {
            let piece = first.split_to(bytes.min(first.len()));
            out.extend_from_slice(&piece);
            bytes -= piece.len();
            self.queued -= piece.len();
            if first.is_empty() {
                self.data.pop_front();
            }
        }
    }
}

impl Stream {
    pub(crate) fn new(id: u32, window: u32, priority: Priority) -> Self {
        Self {
            id,
            priority,
            served: 0,
            window: i64::from(window),
            receive_window: RECEIVE_WINDOW_BYTES,
            used: 0,
            expected: None,
            peer_ended: false,
            answer: Answer::default(),
        }
    }

    /// Whether so many bytes more of the request, and its end, are what it states; section 8.1.1.
    pub(crate) fn is_as_stated(&mut self, bytes: usize, ends: bool) -> bool {
        let Some(expected) = &mut self.expected else {
            return true;
        };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        match expected.checked_sub(bytes) {
            Some(left) => {
                *expected = left;
                !ends || left == 0
            }
            None => false,
        }
    }

    /// Whether something of it can be written, where the connection's window is open or not.
    pub(crate) fn is_ready(&self, connection_is_open: bool) -> bool {
        let Answer {
            head,
            queued,
            ended,
            told,
            begun,
            ..
        } = &self.answer;
        if *told || !*begun {
            return false;
        }
        head.is_some()
            || *queued > 0 && self.window > 0 && connection_is_open
            || *queued == 0 && *ended
    }

    /// What decides whose turn it is; the smallest has it.
    pub(crate) fn rank(&self) -> (u8, u64, u32) {
        let served = if self.priority.incremental {
            self.served
        } else {
            0
        };
        (self.priority.urgency, served, self.id)
    }

    /// Writes the head of the answer, or a frame of it within the connection's window; how much of that was used. Before the
    /// first head of a connection the peer is told that no table is used.
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        connection_window: i64,
        has_no_table: &mut bool,
    ) -> usize {
        let Answer {
            head,
            queued,
            ended,
            told,
            ..
        } = &mut self.answer;
        if let Some(block) = head.take() {
            *told = *ended && *queued == 0;
            let flags = if *told { flag::END_STREAM } else { 0 };
            let mut before = Vec::new();
            if !std::mem::replace(has_no_table, true) {
                hpack::forget_table(&mut before);
            }
            frame::put_headers(out, flags, self.id, &before, &block);
            return 0;
        }
        let window = usize::try_from(self.window.min(connection_window)).unwrap_or(0);
        let length = (*queued).min(FRAME_BYTES_MAX).min(window);
        let last = *ended && length == *queued;
        *told = last;
        let head = Head {
            length,
            kind: kind::DATA,
            flags: if last { flag::END_STREAM } else { 0 },
            stream: self.id,
        };
        out.extend_from_slice(&head.bytes());
        self.answer.pour(out, length);
        self.window -= i64::try_from(length).unwrap_or(0);
        length
    }

    /// Puts the answer's head in, once.
    pub(crate) fn begin(&mut self, head: &Packed, ended: bool) {
        if let Some(priority) = &head.priority {
            self.priority.take(priority.as_bytes());
        }
        self.answer.head = Some(head.block.clone());
        self.answer.begun = true;
        self.answer.ended = ended;
    }
}
