//! Units of one stream out of its packets (ISO/IEC 13818-1 section 2.4.3.6): one picture, or some frames of sound.

use super::packet::Packet;

/// Start code, stream id, length, flags and the length of what follows them.
const HEAD_BYTES: usize = 9;
/// Room for all that a header may have: its last length is one byte.
const HEAD_BYTES_MAX: usize = HEAD_BYTES + 255;

/// One unit.
#[derive(Debug)]
pub(super) struct Unit {
    /// When it is shown or heard: 33 bits, 90,000 ticks a second.
    pub(super) presented: Option<u64>,
    /// When it is decoded, if that differs.
    pub(super) decoded: Option<u64>,
    pub(super) data: Vec<u8>,
}

/// A unit has more bytes than the stream may have in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// Puts the units of one stream together.
#[derive(Debug)]
pub(super) struct Pes {
    pid: u16,
    bytes_max: usize,
    buffer: Vec<u8>,
    /// Whether the buffer holds the beginning of a unit.
    is_open: bool,
    counter: Option<u8>,
    gaps: u64,
}

impl Pes {
    pub(super) fn new(pid: u16, bytes_max: usize) -> Self {
        Self {
            pid,
            bytes_max,
            buffer: Vec::new(),
            is_open: false,
            counter: None,
            gaps: 0,
        }
    }

    pub(super) fn pid(&self) -> u16 {
        self.pid
    }

    /// Times that packets were missing.
    pub(super) fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Takes a packet, and adds what it completes: the unit before, and its own if that is over with it.
    pub(super) fn take(
        &mut self,
        packet: &Packet<'_>,
        units: &mut Vec<Unit>,
    ) -> Result<(), TooLong> {
        if packet.payload.is_empty() {
            return Ok(());
        }
        let expected = self.counter.map(|last| (last + 1) & 15);
        if self.counter == Some(packet.counter) && !packet.is_discontinuous {
            // A packet may be sent twice.
            return Ok(());
        }
        self.counter = Some(packet.counter);
        if expected.is_some_and(|expected| expected != packet.counter) && !packet.is_discontinuous {
            self.gaps = self.gaps.saturating_add(1);
            self.close();
        }
        if packet.starts {
            units.extend(self.complete());
            self.is_open = true;
        }
        if !self.is_open {
            return Ok(());
        }
        if self.buffer.len().saturating_add(packet.payload.len())
            > self.bytes_max.saturating_add(HEAD_BYTES_MAX)
        {
            return Err(TooLong);
        }
        self.buffer.extend_from_slice(packet.payload);
        if self
            .declared()
            .is_some_and(|bytes| self.buffer.len() >= bytes)
        {
            units.extend(self.complete());
        }
        Ok(())
    }

    /// How long the unit says that it is with its header; pictures need not say.
    fn declared(&self) -> Option<usize> {
        let length = u16::from_be_bytes(*self.buffer.get(4..)?.first_chunk()?);
        (length > 0).then(|| 6 + usize::from(length))
    }

    fn close(&mut self) {
        self.is_open = false;
        self.buffer.clear();
    }

    /// The unit that is open, if it is one.
    fn complete(&mut self) -> Option<Unit> {
        let declared = self.declared();
        let buffer = std::mem::take(&mut self.buffer);
        if !std::mem::take(&mut self.is_open) {
            return None;
        }
        // A unit that is cut short by the next one has lost something.
        let whole = match declared {
            Some(bytes) => buffer.get(..bytes)?,
            None => &buffer,
        };
        let (&[0, 0, 1, _, _, _, marks, flags, head_bytes], rest) =
            whole.split_first_chunk::<HEAD_BYTES>()?
        else {
            return None;
        };
        // Streams of pictures and sound have this header and no other.
        if marks & 0xc0 != 0x80 {
            return None;
        }
        let (head, data) = rest.split_at_checked(usize::from(head_bytes))?;
        let presented = head.first_chunk().filter(|_| flags & 0x80 != 0);
        let decoded = head
            .get(5..)
            .and_then(<[u8]>::first_chunk)
            .filter(|_| flags & 0xc0 == 0xc0);
        Some(Unit {
            presented: presented.map(timestamp),
            decoded: decoded.map(timestamp),
            data: data.to_vec(),
        })
    }
}

/// 33 bits in five bytes, with marks between.
fn timestamp(&[a, b, c, d, e]: &[u8; 5]) -> u64 {
    let top = u64::from(a >> 1 & 7);
    let middle = u64::from(b) << 7 | u64::from(c >> 1);
    let low = u64::from(d) << 7 | u64::from(e >> 1);
    top << 30 | middle << 15 | low
}
