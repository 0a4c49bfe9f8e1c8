//! The header of a client's frame (RFC 6455, section 5.2), read as soon as its bytes are there.
//!
//! ```text
//! |F|R R R|opcode |M| length      | 0, 2 or 8 bytes of length | 4 bytes of masking key |
//! ```

use super::{mask::Mask, violation::Violation};

/// The longest header: 2 bytes, 8 of length, 4 of masking key.
pub(super) const HEADER_BYTES_MAX: usize = 14;

/// Most payload of a control frame (section 5.5).
pub(super) const CONTROL_BYTES_MAX: usize = 125;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    /// More of the message that is under way.
    Continuation,
    /// A message, or its first fragment.
    Data(Data),
    /// May stand between the fragments of a message, and is never fragmented itself.
    Control(Control),
}

/// Kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    Text,
    Binary,
}

/// Kind of a control frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Close,
    Ping,
    Pong,
}

/// What the first reserved bit of a frame may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rsv1 {
    /// 0: no extension was negotiated.
    Zero,
    /// 1 on the first frame of a compressed message (RFC 7692, section 6).
    Compressed,
}

/// How a message is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Deflated,
}

/// A frame whose payload comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    /// Of the message that begins with it.
    pub(super) packing: Packing,
    pub(super) payload_bytes: u64,
    pub(super) mask: Mask,
}

/// How far reading a header got.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// The header took so many bytes.
    Header(Header, usize),
    /// More bytes are needed.
    Incomplete,
}

/// Reads a header from the start of `bytes`.
///
/// What can be judged from the first two bytes is judged from them, so that the verdict on a stream does not depend
/// on how it was cut.
pub(super) fn parse(bytes: &[u8], rsv1: Rsv1) -> Result<Parsed, Violation> {
    let &[first, second, ref rest @ ..] = bytes else {
        return Ok(Parsed::Incomplete);
    };
    let (fin, packing, opcode) = parse_first(first, rsv1)?;
    // "a server MUST close the connection upon receiving a frame that is not masked"
    if second & 0x80 == 0 {
        return Err(Violation::Unmasked);
    }
    let short = second & 0x7F;
    if matches!(opcode, Opcode::Control(_)) && (usize::from(short) > CONTROL_BYTES_MAX || !fin) {
        return Err(Violation::ControlFrame);
    }
    // "the minimal number of bytes MUST be used to encode the length", and the highest bit of 64 must be 0.
    let (payload_bytes, rest, length_bytes) = match short {
        126 => {
            let Some((length, rest)) = rest.split_first_chunk::<2>() else {
                return Ok(Parsed::Incomplete);
            };
            (u64::from(u16::from_be_bytes(*length)), rest, 2)
        }
        127 => {
            let Some((length, rest)) = rest.split_first_chunk::<8>() else {
                return Ok(Parsed::Incomplete);
            };
            (u64::from_be_bytes(*length), rest, 8)
        }
        _ => (u64::from(short), rest, 0),
    };
    let minimal = match length_bytes {
        2 => payload_bytes > 125,
        8 => payload_bytes > u64::from(u16::MAX) && payload_bytes >> 63 == 0,
        _ => true,
    };
    if !minimal {
        return Err(Violation::Length);
    }
    let Some(key) = rest.first_chunk::<4>() else {
        return Ok(Parsed::Incomplete);
    };
    let header = Header {
        fin,
        opcode,
        packing,
        payload_bytes,
        mask: Mask::new(*key),
    };
    Ok(Parsed::Header(header, 2 + length_bytes + 4))
}

fn parse_first(first: u8, rsv1: Rsv1) -> Result<(bool, Packing, Opcode), Violation> {
    // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values."
    let packing = match (first & 0x70, rsv1) {
        (0, _) => Packing::Plain,
        (0x40, Rsv1::Compressed) => Packing::Deflated,
        _ => return Err(Violation::ReservedBits),
    };
    let opcode = match first & 0x0F {
        0x0 => Opcode::Continuation,
        0x1 => Opcode::Data(Data::Text),
        0x2 => Opcode::Data(Data::Binary),
        0x8 => Opcode::Control(Control::Close),
        0x9 => Opcode::Control(Control::Ping),
        0xA => Opcode::Control(Control::Pong),
        _ => return Err(Violation::ReservedOpcode),
    };
    // "An endpoint MUST NOT set the bit of control frames and non-first fragments of a data message."
    if packing == Packing::Deflated && !matches!(opcode, Opcode::Data(_)) {
        return Err(Violation::ReservedBits);
    }
    Ok((first & 0x80 != 0, packing, opcode))
}
