//! Packets of a transport stream (ISO/IEC 13818-1 section 2.4.3.2) out of bytes that begin anywhere.

/// Bytes of a packet.
pub(super) const PACKET_BYTES: usize = 188;

/// The first byte of every packet.
const SYNC: u8 = 0x47;

/// Cuts bytes into packets.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    /// The beginning of a packet, less than all of it between two calls.
    partial: Vec<u8>,
    /// Whether the last packet was followed by another: then a byte that looks like a beginning is one.
    is_locked: bool,
    skipped_bytes: u64,
}

impl Splitter {
    pub(super) fn skipped_bytes(&self) -> u64 {
        self.skipped_bytes
    }

    /// Takes bytes from the front until they make a packet.
    pub(super) fn take(&mut self, bytes: &mut &[u8]) -> Option<[u8; PACKET_BYTES]> {
        loop {
            if self.partial.is_empty() {
                let found = bytes.iter().position(|byte| *byte == SYNC);
                let noise = found.unwrap_or(bytes.len());
                self.skip(noise);
                *bytes = bytes.get(noise..).unwrap_or_default();
            }
            let wanted = PACKET_BYTES.saturating_sub(self.partial.len());
            let (now, later) = bytes.split_at(wanted.min(bytes.len()));
            self.partial.extend_from_slice(now);
            *bytes = later;
            let packet = *self.partial.first_chunk::<PACKET_BYTES>()?;
            let follows = later.first().is_none_or(|byte| *byte == SYNC);
            if self.is_locked || follows {
                self.is_locked = follows;
                self.partial.clear();
                return Some(packet);
            }
            // That was a byte of something else: the packet begins further on.
            let further = packet.iter().skip(1).position(|byte| *byte == SYNC);
            let noise = further.map_or(PACKET_BYTES, |at| at + 1);
            self.skip(noise);
            self.partial.drain(..noise.min(PACKET_BYTES));
        }
    }

    fn skip(&mut self, bytes: usize) {
        if bytes > 0 {
            self.is_locked = false;
            self.skipped_bytes = self.skipped_bytes.saturating_add(bytes as u64);
        }
    }
}

/// One packet's header, and what it carries.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    pub(super) pid: u16,
    /// Whether a unit or a section begins in it.
    pub(super) starts: bool,
    /// Whether it may follow any other: the stream says so.
    pub(super) is_discontinuous: bool,
    /// Counts the packets of one stream that carry something, modulo 16.
    pub(super) counter: u8,
    /// Empty when it carries nothing that can be read.
    pub(super) payload: &'a [u8],
}

impl<'a> Packet<'a> {
    pub(super) fn parse(packet: &'a [u8; PACKET_BYTES]) -> Self {
        let [
            _,
            second,
            third,
            fourth,
            adaptation_bytes,
            adaptation_flags,
            ..,
        ] = *packet;
        let is_damaged = second & 0x80 != 0;
        let is_scrambled = fourth & 0xc0 != 0;
        let has_adaptation = fourth & 0x20 != 0;
        let has_payload = fourth & 0x10 != 0 && !is_damaged && !is_scrambled;
        let begin = if has_adaptation {
            5 + usize::from(adaptation_bytes)
        } else {
            4
        };
        let payload = packet.get(begin..).filter(|_| has_payload);
        Self {
            pid: u16::from(second & 0x1f) << 8 | u16::from(third),
            starts: second & 0x40 != 0,
            is_discontinuous: has_adaptation
                && adaptation_bytes > 0
                && adaptation_flags & 0x80 != 0,
            counter: fourth & 0x0f,
            payload: payload.unwrap_or_default(),
        }
    }
}
