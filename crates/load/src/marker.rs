//! The mark that a sender puts into its text, and the scanner that finds it in whatever a server made of the message.
//!
//! ```text
//! fl|9f3a01c2|r0|17|1700000000000000000|padding...
//!    run      ||  |  intended send time, Unix nanoseconds
//!             ||  number of the message, counted from 0
//!             |feed, counted from 0: a room, or a room of one server when each server is alone
//!             lane: r lossless, c lossy
//! ```
//!
//! The characters need no escaping in JSON and are themselves in Protobuf, so that a delivery is judged without
//! parsing the message around it. The run's tag keeps an earlier run's messages in the room's history out of the count.

use std::fmt::Write;

use memchr::memmem::Finder;

/// Which promise a message was sent under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Every fan gets it once, in order.
    Lossless,
    /// Fans get what they can read.
    Lossy,
}

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) promise: Promise,
    pub(crate) feed: u32,
    pub(crate) number: u32,
    pub(crate) intended_ns: u64,
}

/// Writes and finds the marks of one run.
#[derive(Debug, Clone)]
pub(crate) struct Marker {
    prefix: String,
    finder: Finder<'static>,
}

impl Marker {
    /// The marks of the run with this tag.
    pub(crate) fn new(run: u32) -> Self {
        let prefix = format!("fl|{run:08x}|");
        Self {
            finder: Finder::new(prefix.as_bytes()).into_owned(),
            prefix,
        }
    }

    /// Appends a text of at least `bytes` bytes that bears the mark.
    pub(crate) fn write(&self, mark: Mark, bytes: u16, out: &mut String) {
        const PADDING: &str = "so good to be here tonight ";
        let start = out.len();
        let lane = match mark.promise {
            Promise::Lossless => 'r',
            Promise::Lossy => 'c',
        };
        out.push_str(&self.prefix);
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "{lane}{}|{}|{}|",
            mark.feed, mark.number, mark.intended_ns
        );
        let missing = usize::from(bytes).saturating_sub(out.len() - start);
        out.extend(PADDING.chars().cycle().take(missing.saturating_sub(1)));
        // A room trims a text; a blank at its end would not arrive.
        if missing > 0 {
            out.push('.');
        }
    }

    /// The first mark in the bytes, and where it begins. What looks like one but is not whole is no mark.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<(Mark, usize)> {
        let mut from = 0;
        while let Some(at) = self.finder.find(&bytes[from..]) {
            let start = from + at;
            let body = start + self.prefix.len();
            if let Some(mark) = parse(&bytes[body..]) {
                return Some((mark, start));
            }
            from = body;
        }
        None
    }

    /// Every mark in the bytes, in their order.
    pub(crate) fn find_all<'a>(
        &'a self,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = (Mark, usize)> + 'a {
        let mut from = 0;
        std::iter::from_fn(move || {
            let (mark, at) = self.find(&bytes[from..])?;
            let start = from + at;
            from = start + self.prefix.len();
            Some((mark, start))
        })
    }
}

fn parse(body: &[u8]) -> Option<Mark> {
    let (lane, rest) = body.split_first()?;
    let promise = match lane {
        b'r' => Promise::Lossless,
        b'c' => Promise::Lossy,
        _ => return None,
    };
    let (feed, rest) = number(rest)?;
    let (number_in_feed, rest) = number(rest)?;
    let (intended_ns, _) = number(rest)?;
    Some(Mark {
        promise,
        feed: u32::try_from(feed).ok()?,
        number: u32::try_from(number_in_feed).ok()?,
        intended_ns,
    })
}

/// Digits up to a bar, which is taken, too.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
            }
            b'|' if index > 0 => return Some((value, &bytes[index + 1..])),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frames::{Frame, FrameReader};

    fn marks() -> impl Strategy<Value = Mark> {
        (any::<bool>(), any::<u32>(), any::<u32>(), any::<u64>()).prop_map(
            |(lossless, feed, number, intended_ns)| Mark {
                promise: if lossless {
                    Promise::Lossless
                } else {
                    Promise::Lossy
                },
                feed,
                number,
                intended_ns,
            },
        )
    }

    #[test]
    fn the_text_has_the_length_asked_for() {
        let mark = Mark {
            promise: Promise::Lossless,
            feed: 0,
            number: 17,
            intended_ns: 5,
        };
        let mut text = String::new();
        Marker::new(0x9f3a).write(mark, 40, &mut text);
        assert_eq!(text, "fl|00009f3a|r0|17|5|so good to be here .");
        assert_eq!(text.len(), 40);
        let mut short = String::new();
        Marker::new(1).write(mark, 0, &mut short);
        assert_eq!(short, "fl|00000001|r0|17|5|");
    }

    #[test]
    fn what_only_looks_like_a_mark_is_none() {
        let marker = Marker::new(1);
        for text in [
            "",
            "fl|",
            "fl|00000001|",
            "fl|00000001|r",
            "fl|00000001|r|1|2|",
            "fl|00000001|x0|1|2|",
            "fl|00000001|r0|1|2",
            "fl|00000001|r0|1|99999999999999999999999|",
            "fl|00000002|r0|1|2|",
            "fl|00000001|r4294967296|1|2|",
        ] {
            assert_eq!(marker.find(text.as_bytes()), None, "{text}");
        }
        let broken_then_whole = b"fl|00000001|r0|1fl|00000001|c3|4|5|";
        let (mark, at) = marker.find(broken_then_whole).unwrap();
        assert_eq!(
            (mark.feed, mark.number, mark.intended_ns, at),
            (3, 4, 5, 16)
        );
    }

    proptest! {
        #[test]
        fn none_is_missed_wherever_the_stream_is_cut(
            run: u32, marks in prop::collection::vec(marks(), 0..12), bytes in 0_u16..200,
            cuts in prop::collection::vec(1_usize..90, 1..60), per_frame in 1_usize..4,
        ) {
            let marker = Marker::new(run);
            let mut stream = Vec::new();
            for chunk in marks.chunks(per_frame) {
                let mut payload = String::new();
                for mark in chunk {
                    payload.push_str("{\"push\":{\"text\":\"");
                    marker.write(*mark, bytes, &mut payload);
                    payload.push_str("\"}}\n");
                }
                fanwave_wire::ws::frame::encode_text(&mut stream, &payload);
            }
            let mut reader = FrameReader::default();
            let mut found = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (mut piece, after) = rest.split_at((*cut).min(rest.len()));
                rest = after;
                while let Some(frame) = reader.next(&mut piece).unwrap() {
                    if let Frame::Message(payload) = frame {
                        found.extend(marker.find_all(payload).map(|(mark, _)| mark));
                    }
                }
            }
            prop_assert_eq!(found, marks);
        }

        #[test]
        fn any_bytes_are_scanned_without_harm(bytes: Vec<u8>) {
            prop_assert_eq!(Marker::new(0).find_all(&bytes).count(), 0);
        }
    }
}
