//! Writes Protobuf fields into a byte buffer.
//!
//! Fields at their zero value are left out, as proto3 has it. The length of a nested message is known only when it has
//! been written: it is then put in front, which moves the message by a byte or two.

/// Most bytes of a varint of 64 bits: 7 in each.
pub(super) const VARINT_BYTES_MAX: usize = 10;

/// Wire type of a varint.
pub(super) const VARINT: u32 = 0;

/// Wire type of what follows its length.
pub(super) const DELIMITED: u32 = 2;

/// A number that is left out when it is zero.
pub(super) fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        tag(out, field, VARINT);
        varint(out, value);
    }
}

/// A boolean that is left out when it is false.
pub(super) fn flag(out: &mut Vec<u8>, field: u32, value: bool) {
    number(out, field, u64::from(value));
}

/// A text that is left out when it is empty.
pub(super) fn text(out: &mut Vec<u8>, field: u32, value: &str) {
    if !value.is_empty() {
        bytes(out, field, value.as_bytes());
    }
}

/// Bytes, also when there are none.
pub(super) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    tag(out, field, DELIMITED);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A nested message, or bytes that are written in place; also when it is empty.
pub(super) fn nested(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, DELIMITED);
    delimited(out, write);
}

/// What is written, after its length.
pub(super) fn delimited(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let end = out.len();
    varint(out, (end - start) as u64);
    let prefix = out.len() - end;
    if let Some(message) = out.get_mut(start..) {
        message.rotate_right(prefix);
    }
}

/// A number in groups of 7 bits, the lowest first.
pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_bits(value) | 0x80);
        value >>= 7;
    }
    out.push(low_bits(value));
}

fn low_bits(value: u64) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low & 0x7F
}

fn tag(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}
