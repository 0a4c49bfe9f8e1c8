//! What both sides say about themselves (RFC 9113, section 6.5).

use crate::{Code, frame, limits};

const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;
/// RFC 9218, section 2.1: the priorities of RFC 7540 are not looked at.
const NO_RFC7540_PRIORITIES: u16 = 0x9;

/// Largest window that there is (section 6.9.1).
pub(crate) const WINDOW_MAX: i64 = 0x7fff_ffff;

/// What an answer has to keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Window that each stream begins with.
    pub(crate) window: u32,
}

impl Default for Peer {
    fn default() -> Self {
        Self { window: 65_535 }
    }
}

impl Peer {
    /// Takes one frame of settings. How we write does not depend on the others.
    pub(crate) fn take(&mut self, payload: &[u8]) -> Result<(), Code> {
        let (entries, []) = payload.as_chunks::<6>() else {
            return Err(Code::FRAME_SIZE_ERROR);
        };
        for &[n0, n1, v0, v1, v2, v3] in entries {
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([n0, n1]) {
                ENABLE_PUSH if value > 1 => return Err(Code::PROTOCOL_ERROR),
                INITIAL_WINDOW_SIZE if i64::from(value) > WINDOW_MAX => {
                    return Err(Code::FLOW_CONTROL_ERROR);
                }
                INITIAL_WINDOW_SIZE => self.window = value,
                // Everybody takes frames as large as ours; what is urgent would wait for the end of larger ones.
                MAX_FRAME_SIZE if !(0x4000..=0xff_ffff).contains(&value) => {
                    return Err(Code::PROTOCOL_ERROR);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Writes ours, where a list of header fields may be so large.
pub(crate) fn put(out: &mut Vec<u8>, header_list_bytes_max: u32) {
    let mut payload = Vec::with_capacity(18);
    for (name, value) in [
        (MAX_CONCURRENT_STREAMS, limits::STREAMS_MAX.into()),
        (MAX_HEADER_LIST_SIZE, header_list_bytes_max),
        (NO_RFC7540_PRIORITIES, 1),
    ] {
        payload.extend_from_slice(&name.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame::put(out, frame::kind::SETTINGS, 0, 0, &payload);
}
