//! Timed events among the media: an `emsg` box in front of a fragment, and in it an ID3 tag.
//!
//! The box is version 1 of ISO/IEC 23009-1 section 5.10.3.3, which says its time on the track's own timeline, so that it may
//! lie before or after the fragment that the box is in front of. What it carries is ID3 as the Alliance for Open Media's
//! "Carriage of ID3 Timed Metadata in CMAF" has it, which is what players of HLS look for. Nothing here decides which
//! fragment has which event.

use bytes::Bytes;
use mp4_atom::{Emsg, EmsgTimestamp, Encode};

use crate::{cmaf::WriteError, limits::EVENT_TEXT_BYTES_MAX};

/// `scheme_id_uri` of a message that is an ID3 tag.
pub const SCHEME: &str = "https://aomedia.org/emsg/ID3";

/// `event_duration` of an event whose end nobody knows.
pub const DURATION_UNKNOWN: u32 = u32::MAX;

/// Bytes of the tag in front of its frame, and of a frame in front of what it holds.
const ID3_HEADER_BYTES: usize = 10;

/// One event, in ticks of the track that it goes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// Number of the event within its stream: two boxes of one number are one event.
    pub id: u32,
    /// Ticks a second, as of the track.
    pub timescale: u32,
    /// When it happens.
    pub presentation_time: u64,
    /// How long it lasts; [`DURATION_UNKNOWN`] while nobody knows.
    pub duration: u32,
    /// What the text is, in ASCII.
    pub description: &'a str,
    /// What happens, at most [`EVENT_TEXT_BYTES_MAX`].
    pub text: &'a str,
}

/// A time of a track that lies so many nanoseconds from `from`, to the nearest tick; not before the track's beginning.
#[must_use]
pub fn time_from(from: u64, timescale: u32, nanos: i64) -> u64 {
    const NANOS: i128 = 1_000_000_000;
    let ticks = (i128::from(nanos) * i128::from(timescale) + NANOS / 2).div_euclid(NANOS);
    u64::try_from((i128::from(from) + ticks).max(0)).unwrap_or(u64::MAX)
}

/// So many nanoseconds in ticks; [`DURATION_UNKNOWN`] where the field of the box cannot say it.
#[must_use]
pub fn duration_of(timescale: u32, nanos: u128) -> u32 {
    let ticks = nanos.saturating_mul(u128::from(timescale)) / 1_000_000_000;
    u32::try_from(ticks).unwrap_or(DURATION_UNKNOWN)
}

/// Writes the box of one event.
///
/// # Errors
/// When the text is longer than is allowed, or the description is no plain text.
pub fn emsg(event: &Event<'_>) -> Result<Bytes, WriteError> {
    let Event {
        description, text, ..
    } = event;
    if text.len() > EVENT_TEXT_BYTES_MAX || description.len() > EVENT_TEXT_BYTES_MAX {
        return Err(WriteError::Box(format!(
            "an event of {} bytes, the limit is {EVENT_TEXT_BYTES_MAX}",
            text.len()
        )));
    }
    let is_plain = |text: &str| !text.contains('\0');
    if !description.is_ascii() || !is_plain(description) || !is_plain(text) {
        return Err(WriteError::Box("an event with a zero byte".to_owned()));
    }
    let emsg = Emsg {
        timescale: event.timescale,
        presentation_time: EmsgTimestamp::Absolute(event.presentation_time),
        event_duration: event.duration,
        id: event.id,
        scheme_id_uri: SCHEME.to_owned(),
        value: String::new(),
        message_data: id3(description, text),
    };
    let mut out = Vec::with_capacity(128 + emsg.message_data.len());
    emsg.encode(&mut out)?;
    Ok(out.into())
}

/// An ID3v2.4 tag of one frame: TXXX, a text of the user's own, in UTF-8 (sections 3.1, 4 and 4.2.6 of the structure and
/// frames documents). Players hand its text to the page as it is, which they do with no other frame's.
fn id3(description: &str, text: &str) -> Vec<u8> {
    const UTF_8: u8 = 3;
    let content = 1 + description.len() + 1 + text.len();
    let mut tag = Vec::with_capacity(2 * ID3_HEADER_BYTES + content);
    tag.extend_from_slice(b"ID3\x04\x00\x00");
    tag.extend_from_slice(&synchsafe(ID3_HEADER_BYTES + content));
    tag.extend_from_slice(b"TXXX");
    tag.extend_from_slice(&synchsafe(content));
    tag.extend_from_slice(&[0, 0, UTF_8]);
    tag.extend_from_slice(description.as_bytes());
    tag.push(0);
    tag.extend_from_slice(text.as_bytes());
    tag
}

/// Seven bits to a byte, so that no length looks like the beginning of a frame of sound; see the limits for its range.
fn synchsafe(length: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| u8::try_from((length >> shift) & 0x7f).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mp4_atom::Decode;
    use proptest::prelude::*;

    /// Reads a tag as a player does; gives back the description and the text of its one frame.
    fn read(tag: &[u8]) -> (String, String) {
        let length = |bytes: &[u8]| {
            assert!(bytes.iter().all(|byte| *byte < 0x80), "synchsafe");
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 7 | usize::from(*byte))
        };
        assert_eq!(&tag[..6], b"ID3\x04\x00\x00");
        let body = &tag[10..];
        assert_eq!(length(&tag[6..10]), body.len());
        assert_eq!(&body[..4], b"TXXX");
        let content = &body[10..];
        assert_eq!(length(&body[4..8]), content.len());
        assert_eq!((&body[8..10], content[0]), (&[0, 0][..], 3));
        let mut texts = content[1..].splitn(2, |byte| *byte == 0);
        let mut next = || String::from_utf8(texts.next().unwrap().to_vec()).unwrap();
        (next(), next())
    }

    #[test]
    fn an_event_in_its_box_byte_by_byte() {
        let event = Event {
            id: 7,
            timescale: 90_000,
            presentation_time: 0x1_0000_0002,
            duration: 180_000,
            description: "d",
            text: "hé",
        };
        let expected = [
            &[0, 0, 0, 0x58][..],
            b"emsg",
            // Version 1.
            &[1, 0, 0, 0],
            &90_000_u32.to_be_bytes(),
            &0x1_0000_0002_u64.to_be_bytes(),
            &180_000_u32.to_be_bytes(),
            &7_u32.to_be_bytes(),
            b"https://aomedia.org/emsg/ID3\0",
            b"\0",
            b"ID3\x04\x00\x00\x00\x00\x00\x10",
            b"TXXX\x00\x00\x00\x06\x00\x00",
            b"\x03d\0h\xc3\xa9",
        ]
        .concat();
        assert_eq!(emsg(&event).unwrap(), expected);
    }

    #[test]
    fn what_no_tag_holds_is_refused() {
        let event = Event {
            id: 0,
            timescale: 1,
            presentation_time: 0,
            duration: 0,
            description: "d",
            text: "",
        };
        let long = "x".repeat(EVENT_TEXT_BYTES_MAX + 1);
        for (description, text) in [("d", long.as_str()), ("d", "a\0b"), ("é", ""), ("a\0", "")] {
            let event = Event {
                description,
                text,
                ..event.clone()
            };
            assert!(emsg(&event).is_err(), "{description:?}");
        }
        let most = "x".repeat(EVENT_TEXT_BYTES_MAX);
        let written = emsg(&Event {
            text: &most,
            ..event
        })
        .unwrap();
        let emsg = Emsg::decode(&mut &written[..]).unwrap();
        assert_eq!(read(&emsg.message_data).1, most);
    }

    #[test]
    fn times_are_exact_to_the_tick() {
        let cases = [
            (900_000, 90_000, 1_000_000, 900_090),
            (900_000, 90_000, -1_000_000, 899_910),
            // Cut off to whole nanoseconds before it comes here.
            (3_000, 90_000, 966_666_667, 90_000),
            (44_100, 44_100, 1_000_000, 44_144),
            (44_100, 44_100, -1_000_000, 44_056),
            (10, 90_000, -1_000_000, 0),
            (u64::MAX, 90_000, 1_000_000, u64::MAX),
        ];
        for (from, timescale, nanos, expected) in cases {
            assert_eq!(
                time_from(from, timescale, nanos),
                expected,
                "{from} {nanos}"
            );
        }
        assert_eq!(duration_of(90_000, 2_000_000_000), 180_000);
        assert_eq!(duration_of(90_000, 48_000_000_000_000), DURATION_UNKNOWN);
    }

    proptest! {
        #[test]
        fn whatever_is_written_parses_back(
            (id, timescale, duration) in (any::<u32>(), any::<u32>(), any::<u32>()),
            presentation_time in any::<u64>(),
            description in "[ -~]{0,40}",
            text in "[^\u{0}]{0,400}",
        ) {
            let event = Event { id, timescale, presentation_time, duration, description: &description, text: &text };
            let written = emsg(&event).unwrap();
            let mut rest = &written[..];
            let read_back = Emsg::decode(&mut rest).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(read_back.presentation_time, EmsgTimestamp::Absolute(presentation_time));
            prop_assert_eq!((read_back.id, read_back.timescale, read_back.event_duration), (id, timescale, duration));
            prop_assert_eq!(read_back.scheme_id_uri, SCHEME);
            prop_assert_eq!(read_back.value, "");
            prop_assert_eq!(read(&read_back.message_data), (description, text));
        }

        #[test]
        fn a_time_and_back_is_the_same_tick(from in 0..1_u64 << 40, ticks in 0_u32..9_000_000, timescale in 1_000_u32..200_000) {
            let nanos = i64::try_from(u128::from(ticks) * 1_000_000_000 / u128::from(timescale)).unwrap();
            prop_assert_eq!(time_from(from, timescale, nanos), from + u64::from(ticks));
        }
    }
}
