//! A feed's encoded frames on a reactor: an append-only log that every fan reads with a cursor of their own.
//!
//! A frame is encoded once and lies here once, however many fans read the feed; what a fan lacks is
//! `log[cursor..head]`, so messages that gathered merge into one write by themselves and a slow fan costs a cursor,
//! never a queue. The log is bounded in bytes and forgets whole frames from its old end. It never splits a frame by
//! itself: only a socket can do that, and the reactor then carries the rest.

use std::collections::VecDeque;

/// The log; see the module.
#[derive(Debug)]
pub(crate) struct RoomLog {
    bytes: VecDeque<u8>,
    /// Position of the first byte held, counted from the log's beginning; never wraps (2^64).
    base: u64,
    /// The cursor of a reader whose next byte is the first one held.
    tail: Cursor,
    /// Where each held frame ends, ascending: 16 bytes a frame.
    ends: VecDeque<End>,
    bytes_max: usize,
}

/// Where a reader stands: always between two frames. What is before it has been read.
///
/// It counts the messages there have been, and in its low bits the frames that hold none (notices) since the last of
/// them. So it says exactly how many messages lie between two readers, however long ago the log has forgotten them.
/// After 2^20 notices without a message it counts one message too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Cursor(u64);

impl Cursor {
    const NOTICE_BITS: u32 = 20;

    /// Behind a frame of so many messages.
    const fn after(self, messages: u32) -> Self {
        match messages {
            0 => Self(self.0 + 1),
            more => Self(((self.0 >> Self::NOTICE_BITS) + more as u64) << Self::NOTICE_BITS),
        }
    }

    /// How many messages a reader here has yet to read before it stands at `later`.
    pub(crate) const fn messages_until(self, later: Self) -> u64 {
        (later.0 >> Self::NOTICE_BITS).saturating_sub(self.0 >> Self::NOTICE_BITS)
    }
}

/// The end of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    position: u64,
    cursor: Cursor,
}

/// What a reader at some cursor has before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stretch<'a> {
    /// Nothing new.
    Current,
    /// These bytes, in two pieces where the ring wraps; the second may be empty.
    Frames(&'a [u8], &'a [u8]),
    /// The cursor points at what the log no longer holds.
    Lapped,
}

/// Where a reader stands after a socket has taken some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The next place between two frames.
    pub(crate) cursor: Cursor,
    /// What the socket did not take of the frame before it; empty unless it was torn.
    pub(crate) rest: Vec<u8>,
}

impl RoomLog {
    /// An empty log of at most `bytes_max`. Takes no memory until the first frame.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            base: 0,
            tail: Cursor::default(),
            ends: VecDeque::new(),
            bytes_max,
        }
    }

    /// The cursor of a reader who has everything.
    pub(crate) fn head(&self) -> Cursor {
        self.ends.back().map_or(self.tail, |end| end.cursor)
    }

    /// Adds a frame of so many messages (none: a notice), forgetting the oldest frames when it would not fit. A frame
    /// larger than the log is held alone.
    pub(crate) fn append(&mut self, frame: &[u8], messages: u32) {
        while self.bytes.len() + frame.len() > self.bytes_max {
            let Some(end) = self.ends.pop_front() else {
                break;
            };
            let forgotten = usize::try_from(end.position - self.base).unwrap_or(self.bytes.len());
            self.bytes.drain(..forgotten);
            self.base = end.position;
            self.tail = end.cursor;
        }
        let cursor = self.head().after(messages);
        self.bytes.extend(frame);
        let position = self.base + self.bytes.len() as u64;
        self.ends.push_back(End { position, cursor });
    }

    /// Forgets all frames and their memory; the head stays where it is.
    pub(crate) fn clear(&mut self) {
        if let Some(end) = self.ends.back().copied() {
            self.base = end.position;
            self.tail = end.cursor;
            self.bytes = VecDeque::new();
            self.ends = VecDeque::new();
        }
    }

    /// What a reader at `cursor` still lacks, in whole frames: `bytes_max` bytes (above 0) and the rest of the frame there.
    pub(crate) fn since(&self, cursor: Cursor, bytes_max: usize) -> Stretch<'_> {
        debug_assert!(cursor <= self.head(), "a cursor cannot be ahead of its log");
        if cursor < self.tail {
            return Stretch::Lapped;
        }
        if cursor >= self.head() {
            return Stretch::Current;
        }
        let from = self.position(cursor);
        let end = self.boundary_at_or_after(from.saturating_add(bytes_max as u64));
        let (first, second) = self.between(from, end.position);
        Stretch::Frames(first, second)
    }

    /// Where a reader at `cursor`, which is held, stands when a socket has taken `written` bytes from there.
    pub(crate) fn advance(&self, cursor: Cursor, written: usize) -> Progress {
        if written == 0 {
            let rest = Vec::new();
            return Progress { cursor, rest };
        }
        let reached = self.position(cursor) + written as u64;
        let end = self.boundary_at_or_after(reached);
        let (first, second) = self.between(reached, end.position);
        Progress {
            cursor: end.cursor,
            rest: [first, second].concat(),
        }
    }

    /// The position of the first byte behind a cursor that is held.
    fn position(&self, cursor: Cursor) -> u64 {
        let read = self.ends.partition_point(|end| end.cursor <= cursor);
        let last = read.checked_sub(1).and_then(|last| self.ends.get(last));
        last.map_or(self.base, |end| end.position)
    }

    /// The bytes between two positions, in two pieces where the ring wraps; the first is not empty unless both are.
    fn between(&self, from: u64, to: u64) -> (&[u8], &[u8]) {
        let at = |position: u64| {
            usize::try_from(position.saturating_sub(self.base)).unwrap_or(usize::MAX)
        };
        let (from, to) = (at(from), at(to).min(self.bytes.len()));
        let (first, second) = self.bytes.as_slices();
        let split = first.len();
        let head = first
            .get(from.min(split)..to.min(split))
            .unwrap_or_default();
        let tail = second
            .get(from.saturating_sub(split)..to.saturating_sub(split))
            .unwrap_or_default();
        if head.is_empty() {
            (tail, head)
        } else {
            (head, tail)
        }
    }

    /// The first boundary between two frames that is not before `position`.
    fn boundary_at_or_after(&self, position: u64) -> End {
        let tail = End {
            position: self.base,
            cursor: self.tail,
        };
        if position <= self.base {
            return tail;
        }
        let index = self.ends.partition_point(|end| end.position < position);
        let end = self.ends.get(index).or_else(|| self.ends.back());
        end.copied().unwrap_or(tail)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(log: &RoomLog, cursor: Cursor) -> Vec<u8> {
        match log.since(cursor, usize::MAX) {
            Stretch::Frames(first, second) => [first, second].concat(),
            Stretch::Current => Vec::new(),
            Stretch::Lapped => panic!("lapped"),
        }
    }

    const START: Cursor = Cursor(0);

    #[test]
    fn a_reader_gets_what_it_lacks_and_no_more() {
        let mut log = RoomLog::new(100);
        assert_eq!(log.since(START, 100), Stretch::Current);
        log.append(b"one", 1);
        let after_one = log.head();
        log.append(b"two", 1);
        assert_eq!(bytes(&log, START), b"onetwo");
        assert_eq!(bytes(&log, after_one), b"two");
        assert_eq!(log.since(log.head(), 100), Stretch::Current);
        assert_eq!(START.messages_until(log.head()), 2);
        assert_eq!(after_one.messages_until(log.head()), 1);
    }

    #[test]
    fn a_full_log_forgets_whole_frames_and_still_counts_their_messages() {
        let mut log = RoomLog::new(8);
        log.append(b"aaa", 1);
        let second = log.head();
        log.append(b"bbb", 3);
        log.append(b"ccc", 1);
        assert_eq!(log.since(START, 100), Stretch::Lapped);
        assert_eq!(bytes(&log, second), b"bbbccc");
        let third = log.head();
        log.append(b"larger than the log", 2);
        assert_eq!(log.since(second, 100), Stretch::Lapped);
        assert_eq!(bytes(&log, third), b"larger than the log");
        assert_eq!(START.messages_until(log.head()), 7);
    }

    #[test]
    fn notices_move_the_cursor_and_are_no_messages() {
        let mut log = RoomLog::new(100);
        log.append(b"text", 1);
        let before = log.head();
        log.append(b"notice", 0);
        let between = log.head();
        log.append(b"notice", 0);
        assert!(before < between && between < log.head());
        assert_eq!(before.messages_until(log.head()), 0);
        log.append(b"text", 1);
        assert_eq!(bytes(&log, between), b"noticetext");
        assert_eq!(between.messages_until(log.head()), 1);
    }

    #[test]
    fn a_cleared_log_goes_on_where_it_was() {
        let mut log = RoomLog::new(100);
        log.append(b"one", 1);
        let head = log.head();
        log.clear();
        assert_eq!(log.head(), head);
        assert_eq!(log.since(START, 100), Stretch::Lapped);
        log.append(b"two", 1);
        assert_eq!(bytes(&log, head), b"two");
    }

    #[test]
    fn a_stretch_ends_with_the_frame_that_goes_over_its_bound() {
        let mut log = RoomLog::new(100);
        log.append(b"aaa", 1);
        let second = log.head();
        log.append(b"bbb", 1);
        log.append(b"ccc", 1);
        assert_eq!(log.since(START, 3), Stretch::Frames(b"aaa", b""));
        assert_eq!(log.since(START, 4), Stretch::Frames(b"aaabbb", b""));
        assert_eq!(log.since(second, 1), Stretch::Frames(b"bbb", b""));
    }

    #[test]
    fn a_torn_frame_is_carried_to_its_end() {
        let mut log = RoomLog::new(100);
        log.append(b"four", 1);
        let second = log.head();
        log.append(b"five5", 1);
        let cases: [(usize, Cursor, &[u8]); 6] = [
            (0, START, b""),
            (1, second, b"our"),
            (4, second, b""),
            (5, log.head(), b"ive5"),
            (8, log.head(), b"5"),
            (9, log.head(), b""),
        ];
        for (written, cursor, rest) in cases {
            let progress = log.advance(START, written);
            assert_eq!(progress.cursor, cursor, "{written}");
            assert_eq!(progress.rest, rest, "{written}");
        }
    }

    #[test]
    fn positions_stay_right_when_the_ring_wraps() {
        let mut log = RoomLog::new(64);
        let mut cursor = START;
        for n in 0..500_u32 {
            let frame = format!("<{n}>");
            log.append(frame.as_bytes(), 1);
            assert_eq!(bytes(&log, cursor), frame.as_bytes());
            cursor = log.head();
        }
        let held = bytes(&log, log.tail);
        assert!(held.len() <= 64);
        assert!(held.starts_with(b"<") && held.ends_with(b"<499>"));
    }

    proptest! {
        /// Against a plain list: a reader gets exactly the frames it lacks, in order, however a socket tears them, or
        /// is told how many messages are gone.
        #[test]
        fn any_reader_gets_exactly_what_it_lacks(
            bytes_max in 1_usize..60,
            frames in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..20), 0_u32..4), 0..60),
            stride in 1_usize..7,
            at_once in 1_usize..40,
            takes in 1_usize..30,
        ) {
            let mut log = RoomLog::new(bytes_max);
            let mut all = Vec::new();
            let mut ends = vec![(0_usize, 0_u64)];
            let mut cursor = START;
            let mut read = 0;
            for (n, (frame, messages)) in frames.iter().enumerate() {
                log.append(frame, *messages);
                all.extend_from_slice(frame);
                let counted = ends.last().unwrap().1 + u64::from(*messages);
                ends.push((all.len(), counted));
                prop_assert!(log.bytes.len() <= bytes_max || log.ends.len() == 1);
                prop_assert_eq!(START.messages_until(log.head()), counted);
                if n % stride != 0 {
                    continue;
                }
                match log.since(cursor, at_once) {
                    Stretch::Current => prop_assert_eq!(read, all.len()),
                    Stretch::Lapped => {
                        let had = ends.iter().find(|end| end.0 == read).unwrap().1;
                        prop_assert_eq!(cursor.messages_until(log.head()), counted - had);
                        cursor = log.head();
                        read = all.len();
                    }
                    Stretch::Frames(first, second) => {
                        let got = [first, second].concat();
                        prop_assert_eq!(&got, &all[read..read + got.len()]);
                        prop_assert!(!first.is_empty() && got.len() < at_once + 20);
                        let taken = takes.min(got.len());
                        let progress = log.advance(cursor, taken);
                        let end = read + taken + progress.rest.len();
                        prop_assert_eq!(&progress.rest, &all[read + taken..end]);
                        prop_assert!(ends.iter().any(|known| known.0 == end), "a cursor stands between two frames");
                        cursor = progress.cursor;
                        read = end;
                    }
                }
            }
        }
    }
}
