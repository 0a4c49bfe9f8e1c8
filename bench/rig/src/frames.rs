//! Reads a server's WebSocket frames (RFC 6455, section 5.2) out of a byte stream that may be cut anywhere.
//!
//! Only what a server sends: unmasked, without extensions. What is not yet whole is carried to the next read.

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, binary, or the continuation of either.
    Data,
    /// The peer ends the connection.
    Close,
    /// The peer wants a pong with the same bytes.
    Ping,
    /// The answer to a ping.
    Pong,
}

/// The stream is not what a server may send; the connection is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFrames;

/// What one connection has received of a frame that is not whole.
#[derive(Debug, Default)]
pub struct Frames {
    carry: Vec<u8>,
}

impl Frames {
    /// Gives every frame that is whole by now to `each`.
    ///
    /// # Errors
    ///
    /// The stream holds something that no server sends.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Kind, &[u8]),
    ) -> Result<(), NotFrames> {
        if self.carry.is_empty() {
            let used = whole_frames(bytes, &mut each)?;
            self.carry.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        self.carry.extend_from_slice(bytes);
        let used = whole_frames(&self.carry, &mut each)?;
        self.carry.drain(..used);
        if self.carry.is_empty() {
            // Fifteen thousand fans must not each keep the room of their longest frame.
            self.carry = Vec::new();
        }
        Ok(())
    }
}

/// The bytes of all frames that are whole.
fn whole_frames(bytes: &[u8], each: &mut impl FnMut(Kind, &[u8])) -> Result<usize, NotFrames> {
    let mut used = 0;
    while let Some((kind, payload, end)) = first_frame(&bytes[used..])? {
        each(kind, payload);
        used += end;
    }
    Ok(used)
}

type Frame<'a> = (Kind, &'a [u8], usize);

fn first_frame(bytes: &[u8]) -> Result<Option<Frame<'_>>, NotFrames> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let kind = match first & 0x0f {
        0..=2 => Kind::Data,
        8 => Kind::Close,
        9 => Kind::Ping,
        10 => Kind::Pong,
        _ => return Err(NotFrames),
    };
    // Reserved bits belong to extensions, and the mask to clients.
    if first & 0x70 != 0 || second & 0x80 != 0 {
        return Err(NotFrames);
    }
    let (length, header) = match (second, rest) {
        (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10)
        }
        (126 | 127, _) => return Ok(None),
        (length, _) => (u64::from(*length), 2),
    };
    let end = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_add(header))
        .ok_or(NotFrames)?;
    Ok(bytes.get(header..end).map(|payload| (kind, payload, end)))
}

/// Appends a client's text frame. The mask is zero, which leaves the payload as it is.
pub fn append_text(payload: &[u8], to: &mut Vec<u8>) {
    append_masked(0x81, payload, to);
}

/// Appends a client's pong.
pub fn append_pong(payload: &[u8], to: &mut Vec<u8>) {
    append_masked(0x8a, payload, to);
}

fn append_masked(first: u8, payload: &[u8], to: &mut Vec<u8>) {
    to.push(first);
    append_length(payload.len(), 0x80, to);
    to.extend_from_slice(&[0; 4]);
    to.extend_from_slice(payload);
}

/// Appends a server's text frame, as `floor` sends it.
pub fn append_server_text(payload: &[u8], to: &mut Vec<u8>) {
    to.push(0x81);
    append_length(payload.len(), 0, to);
    to.extend_from_slice(payload);
}

fn append_length(length: usize, mask: u8, to: &mut Vec<u8>) {
    if let Ok(short) = u8::try_from(length)
        && short < 126
    {
        to.push(mask | short);
    } else if let Ok(middle) = u16::try_from(length) {
        to.push(mask | 126);
        to.extend_from_slice(&middle.to_be_bytes());
    } else {
        to.push(mask | 127);
        to.extend_from_slice(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn server_frame(kind: Kind, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        append_server_text(payload, &mut bytes);
        bytes[0] = match kind {
            Kind::Data => 0x81,
            Kind::Close => 0x88,
            Kind::Ping => 0x89,
            Kind::Pong => 0x8a,
        };
        bytes
    }

    fn a_frame() -> impl Strategy<Value = (Kind, Vec<u8>)> {
        prop_oneof![
            (
                Just(Kind::Data),
                proptest::collection::vec(any::<u8>(), 0..400)
            ),
            (
                Just(Kind::Data),
                proptest::collection::vec(any::<u8>(), 65_530..65_540)
            ),
            (
                Just(Kind::Ping),
                proptest::collection::vec(any::<u8>(), 0..20)
            ),
            (
                Just(Kind::Close),
                proptest::collection::vec(any::<u8>(), 0..20)
            ),
        ]
    }

    proptest! {
        #[test]
        fn frames_survive_any_cuts(
            frames in proptest::collection::vec(a_frame(), 1..6),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let stream: Vec<u8> = frames.iter().flat_map(|(kind, payload)| server_frame(*kind, payload)).collect();
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
            ends.push(stream.len());
            ends.sort_unstable();
            let mut reader = Frames::default();
            let mut seen = Vec::new();
            let mut begin = 0;
            for end in ends {
                reader.feed(&stream[begin..end], |kind, payload| seen.push((kind, payload.to_vec()))).unwrap();
                begin = end;
            }
            prop_assert_eq!(seen, frames);
            prop_assert!(reader.carry.is_empty());
        }
    }

    #[test]
    fn what_no_server_sends_is_told() {
        let mut masked = Vec::new();
        append_text(b"hello", &mut masked);
        assert_eq!(Frames::default().feed(&masked, |_, _| {}), Err(NotFrames));
        assert_eq!(
            Frames::default().feed(&[0x83, 0], |_, _| {}),
            Err(NotFrames)
        );
    }

    #[test]
    fn a_clients_frame_says_its_length() {
        let mut bytes = Vec::new();
        append_text(&[b'x'; 300], &mut bytes);
        assert_eq!(bytes[..4], [0x81, 0x80 | 126, 1, 44]);
        assert_eq!(bytes.len(), 4 + 4 + 300);
    }
}
