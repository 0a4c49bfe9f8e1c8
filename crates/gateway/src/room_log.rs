//! A channel's encoded frames on this node: an append-only log that every fan reads with a cursor of their own.
//!
//! A frame is encoded once and lies here once, however many fans follow the channel; what a fan lacks is
//! `log[cursor..head]`, so messages that gathered merge into one write by themselves and a slow fan costs a cursor,
//! never a queue. The log is bounded in bytes and forgets whole frames from its old end. Positions are bytes since the
//! channel was opened and never wrap (2^64). It never splits a frame by itself: only a socket can do that, and the
//! reactor then carries the rest.

use std::collections::VecDeque;

/// The log; see the module.
#[derive(Debug)]
pub(crate) struct RoomLog {
    bytes: VecDeque<u8>,
    /// Position of the first byte held.
    base: u64,
    /// Where each held frame ends, ascending.
    ends: VecDeque<u64>,
    bytes_max: usize,
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

impl RoomLog {
    /// An empty log of at most `bytes_max`. Takes no memory until the first frame.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            base: 0,
            ends: VecDeque::new(),
            bytes_max,
        }
    }

    /// The position after the newest frame: the cursor of a reader who has everything.
    pub(crate) fn head(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// Adds a frame, forgetting the oldest ones when it would not fit. A frame larger than the log is held alone.
    pub(crate) fn append(&mut self, frame: &[u8]) {
        while self.bytes.len() + frame.len() > self.bytes_max {
            let Some(end) = self.ends.pop_front() else {
                break;
            };
            let forgotten = usize::try_from(end - self.base).unwrap_or(self.bytes.len());
            self.bytes.drain(..forgotten);
            self.base = end;
        }
        self.bytes.extend(frame);
        self.ends.push_back(self.head());
    }

    /// What a reader at `cursor` still lacks, in whole frames: `bytes_max` bytes (above 0) and the rest of the frame there.
    pub(crate) fn since(&self, cursor: u64, bytes_max: usize) -> Stretch<'_> {
        debug_assert!(cursor <= self.head(), "a cursor cannot be ahead of its log");
        if cursor < self.base {
            return Stretch::Lapped;
        }
        if cursor >= self.head() {
            return Stretch::Current;
        }
        let (first, second) = self.between(
            cursor,
            self.boundary_at_or_after(cursor.saturating_add(bytes_max as u64)),
        );
        Stretch::Frames(first, second)
    }

    /// A copy of what stands between two positions that are held.
    pub(crate) fn copy(&self, from: u64, to: u64) -> Vec<u8> {
        let (first, second) = self.between(from, to);
        [first, second].concat()
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
    pub(crate) fn boundary_at_or_after(&self, position: u64) -> u64 {
        if position <= self.base {
            return self.base;
        }
        let index = self.ends.partition_point(|end| *end < position);
        self.ends.get(index).copied().unwrap_or_else(|| self.head())
    }

    /// How many frames end after `from` and at or before `to`.
    pub(crate) fn frames_between(&self, from: u64, to: u64) -> u64 {
        let until = |position: u64| self.ends.partition_point(|end| *end <= position);
        until(to).saturating_sub(until(from)) as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(log: &RoomLog, cursor: u64) -> Vec<u8> {
        match log.since(cursor, usize::MAX) {
            Stretch::Frames(first, second) => [first, second].concat(),
            Stretch::Current => Vec::new(),
            Stretch::Lapped => panic!("lapped"),
        }
    }

    #[test]
    fn a_reader_gets_what_it_lacks_and_no_more() {
        let mut log = RoomLog::new(100);
        assert_eq!(log.since(0, 100), Stretch::Current);
        log.append(b"one");
        let after_one = log.head();
        log.append(b"two");
        assert_eq!(bytes(&log, 0), b"onetwo");
        assert_eq!(bytes(&log, after_one), b"two");
        assert_eq!(log.since(log.head(), 100), Stretch::Current);
        assert_eq!(log.frames_between(0, log.head()), 2);
        assert_eq!(log.frames_between(after_one, log.head()), 1);
    }

    #[test]
    fn a_full_log_forgets_whole_frames_and_says_so() {
        let mut log = RoomLog::new(8);
        log.append(b"aaa");
        log.append(b"bbb");
        log.append(b"ccc");
        assert_eq!(log.since(0, 100), Stretch::Lapped);
        assert_eq!(log.since(2, 100), Stretch::Lapped);
        assert_eq!(bytes(&log, 3), b"bbbccc");
        log.append(b"larger than the log");
        assert_eq!(log.since(6, 100), Stretch::Lapped);
        assert_eq!(bytes(&log, 9), b"larger than the log");
    }

    #[test]
    fn a_stretch_ends_with_the_frame_that_goes_over_its_bound() {
        let mut log = RoomLog::new(100);
        log.append(b"aaa");
        log.append(b"bbb");
        log.append(b"ccc");
        assert_eq!(log.since(0, 3), Stretch::Frames(b"aaa", b""));
        assert_eq!(log.since(0, 4), Stretch::Frames(b"aaabbb", b""));
        assert_eq!(log.since(3, 1), Stretch::Frames(b"bbb", b""));
        assert_eq!(log.copy(4, 9), b"bbccc");
    }

    #[test]
    fn positions_stay_right_when_the_ring_wraps() {
        let mut log = RoomLog::new(64);
        let mut cursor = 0;
        for n in 0..500_u32 {
            let frame = format!("<{n}>");
            log.append(frame.as_bytes());
            assert_eq!(bytes(&log, cursor), frame.as_bytes());
            cursor = log.head();
        }
        let held = bytes(&log, log.base);
        assert!(held.len() <= 64);
        assert!(held.starts_with(b"<") && held.ends_with(b"<499>"));
    }

    proptest! {
        /// Against a plain list: a reader gets exactly the frames it lacks, in order, or is told that some are gone.
        #[test]
        fn any_reader_gets_exactly_what_it_lacks(
            bytes_max in 1_usize..60,
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..60),
            stride in 1_usize..7,
            at_once in 1_usize..40,
        ) {
            let mut log = RoomLog::new(bytes_max);
            let mut all = Vec::new();
            let mut ends = vec![0_u64];
            let mut cursor = 0;
            for (n, frame) in frames.iter().enumerate() {
                log.append(frame);
                all.extend_from_slice(frame);
                ends.push(all.len() as u64);
                let held: usize = log.bytes.len();
                prop_assert!(held <= bytes_max || log.ends.len() == 1);
                prop_assert_eq!(log.head(), all.len() as u64);
                if n % stride != 0 {
                    continue;
                }
                match log.since(cursor, at_once) {
                    Stretch::Current => prop_assert_eq!(cursor, log.head()),
                    Stretch::Lapped => {
                        prop_assert!(cursor < log.base);
                        cursor = log.head();
                    }
                    Stretch::Frames(first, second) => {
                        let got = [first, second].concat();
                        let reached = cursor + got.len() as u64;
                        prop_assert_eq!(&got, &all[usize::try_from(cursor).unwrap()..usize::try_from(reached).unwrap()]);
                        prop_assert!(ends.contains(&reached), "a stretch ends with a frame");
                        prop_assert!(!first.is_empty() && got.len() < at_once + 20);
                        let between = ends.iter().filter(|end| **end > cursor && **end <= reached).count();
                        prop_assert_eq!(log.frames_between(cursor, reached), between as u64);
                        cursor = reached;
                    }
                }
            }
        }
    }

    #[test]
    fn a_torn_position_is_carried_to_its_frames_end() {
        let mut log = RoomLog::new(100);
        log.append(b"four");
        log.append(b"five5");
        for (position, boundary) in [(0, 0), (1, 4), (3, 4), (4, 4), (5, 9), (8, 9), (9, 9)] {
            assert_eq!(
                log.boundary_at_or_after(position),
                boundary,
                "from {position}"
            );
        }
    }
}
