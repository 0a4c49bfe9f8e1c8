//! The mark inside every message: `fw|ROOM|NUMBER|INTENDED|`, padded to the message's size. It needs no escaping in JSON, so
//! it is found in the bytes of any protocol.

use memchr::memmem::Finder;

const BEGIN: &[u8] = b"fw|";

/// What a message says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Which room it was sent to, so that a message in the wrong room is seen.
    pub room: u64,
    /// Its number in the room, from 1.
    pub number: u64,
    /// When it should have been sent, by [`crate::clock::now`].
    pub intended: u64,
}

impl Mark {
    /// The message: `bytes` long, if the mark fits.
    #[must_use]
    pub fn message(&self, bytes: usize) -> String {
        let mut text = format!("fw|{}|{}|{}|", self.room, self.number, self.intended);
        text.extend(std::iter::repeat_n('x', bytes.saturating_sub(text.len())));
        text
    }
}

/// Finds marks; made once, because preparing the search costs more than a search.
#[derive(Debug)]
pub struct Marks {
    begin: Finder<'static>,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            begin: Finder::new(BEGIN),
        }
    }
}

impl Marks {
    /// Gives every mark of a payload to `each`. What only looks like one is passed over.
    pub fn find(&self, payload: &[u8], mut each: impl FnMut(Mark)) {
        for at in self.begin.find_iter(payload) {
            if let Some(mark) = parse(&payload[at + BEGIN.len()..]) {
                each(mark);
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Mark> {
    let (room, rest) = number(bytes)?;
    let (number_in_room, rest) = number(rest)?;
    let (intended, _) = number(rest)?;
    Some(Mark {
        room,
        number: number_in_room,
        intended,
    })
}

/// Digits up to a bar, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?,
            b'|' if at > 0 => return Some((value, &bytes[at + 1..])),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Frames, append_server_text};

    const A: Mark = Mark {
        room: 0,
        number: 12,
        intended: 9_876_543_210,
    };
    const B: Mark = Mark {
        room: 1,
        number: u64::MAX,
        intended: 1,
    };

    fn found(payload: &[u8]) -> Vec<Mark> {
        let mut marks = Vec::new();
        Marks::default().find(payload, |mark| marks.push(mark));
        marks
    }

    #[test]
    fn a_message_has_its_size_and_its_mark() {
        let text = A.message(200);
        assert_eq!(text.len(), 200);
        assert_eq!(
            found(format!("{{\"text\":\"{text}\"}}{}", B.message(0)).as_bytes()),
            [A, B]
        );
    }

    #[test]
    fn what_only_looks_like_a_mark_is_passed_over() {
        for text in [
            "fw|",
            "fw||1|2|",
            "fw|1|2",
            "fw|1|2|3",
            "fw|1|x|3|",
            "fw|1|99999999999999999999|3|",
            "f|1|2|3|",
        ] {
            assert_eq!(found(text.as_bytes()), [], "{text}");
        }
    }

    #[test]
    fn marks_survive_a_cut_at_every_byte() {
        let mut stream = Vec::new();
        append_server_text(A.message(200).as_bytes(), &mut stream);
        append_server_text(B.message(200).as_bytes(), &mut stream);
        for cut in 0..=stream.len() {
            let (marks, mut frames, mut seen) = (Marks::default(), Frames::default(), Vec::new());
            for part in [&stream[..cut], &stream[cut..]] {
                frames
                    .feed(part, |_, payload| {
                        marks.find(payload, |mark| seen.push(mark))
                    })
                    .unwrap();
            }
            assert_eq!(seen, [A, B], "cut at {cut}");
        }
    }
}
