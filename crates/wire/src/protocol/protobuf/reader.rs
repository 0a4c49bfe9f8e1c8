//! Reads Protobuf fields from bytes of a stranger.
//!
//! A reader is a window onto the frame; a nested message is a smaller window. Nothing is copied, nothing is kept, and
//! nesting is as deep as the schema, because only fields that are known are entered.

use serde_json::value::RawValue;

use super::writer::{DELIMITED, VARINT, VARINT_BYTES_MAX};
use crate::protocol::ProtocolError;

/// Wire type of 8 bytes; the schema has no such field.
const FIXED_64: u64 = 1;

/// Wire type of 4 bytes; the schema has no such field.
const FIXED_32: u64 = 5;

/// A message, and how far it has been read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    frame: &'a [u8],
    at: usize,
    end: usize,
}

/// The value of one field.
pub(super) enum Value<'a> {
    /// A number.
    Varint {
        /// The number.
        number: u64,
        /// Where it stands.
        at: usize,
    },
    /// A text, bytes or a nested message.
    Delimited(Reader<'a>),
    /// A value of a type that no field of the schema has.
    Fixed {
        /// Where it stands.
        at: usize,
    },
}

impl<'a> Reader<'a> {
    /// A reader of the whole frame.
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self {
            frame,
            at: 0,
            end: frame.len(),
        }
    }

    /// Whether everything has been read.
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.end
    }

    /// The next field with its number, until the message ends.
    pub(super) fn next_field(&mut self) -> Result<Option<(u64, Value<'a>)>, ProtocolError> {
        if self.is_at_end() {
            return Ok(None);
        }
        let at = self.at;
        let tag = self.varint()?;
        let (field, wire_type) = (tag >> 3, tag & 7);
        if field == 0 || tag > u64::from(u32::MAX) {
            return Err(malformed(at));
        }
        let at = self.at;
        let value = match wire_type {
            _ if wire_type == u64::from(VARINT) => Value::Varint {
                number: self.varint()?,
                at,
            },
            _ if wire_type == u64::from(DELIMITED) => Value::Delimited(self.delimited()?),
            FIXED_64 => {
                self.take(8)?;
                Value::Fixed { at }
            }
            FIXED_32 => {
                self.take(4)?;
                Value::Fixed { at }
            }
            // Groups are gone from the language since its third edition.
            _ => return Err(malformed(at)),
        };
        Ok(Some((field, value)))
    }

    /// What follows its length.
    pub(super) fn delimited(&mut self) -> Result<Self, ProtocolError> {
        let at = self.at;
        let length = usize::try_from(self.varint()?).map_err(|_| malformed(at))?;
        self.take(length)
    }

    /// All that is left, as bytes.
    fn rest(&self) -> &'a [u8] {
        self.frame.get(self.at..self.end).unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> Result<Self, ProtocolError> {
        if length > self.end - self.at {
            return Err(malformed(self.at));
        }
        let taken = Self {
            end: self.at + length,
            ..*self
        };
        self.at += length;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, ProtocolError> {
        let mut number = 0;
        for (index, byte) in self.rest().iter().take(VARINT_BYTES_MAX).enumerate() {
            let bits = u64::from(byte & 0x7F);
            // The tenth byte has room for one bit.
            if index == VARINT_BYTES_MAX - 1 && bits > 1 {
                break;
            }
            number |= bits << (7 * index);
            if byte & 0x80 == 0 {
                self.at += index + 1;
                return Ok(number);
            }
        }
        Err(malformed(self.at))
    }
}

impl<'a> Value<'a> {
    /// The number.
    pub(super) fn u64(&self) -> Result<u64, ProtocolError> {
        match self {
            Self::Varint { number, .. } => Ok(*number),
            Self::Delimited(_) | Self::Fixed { .. } => Err(self.malformed()),
        }
    }

    /// The number, if it has 32 bits.
    pub(super) fn u32(&self) -> Result<u32, ProtocolError> {
        u32::try_from(self.u64()?).map_err(|_| self.malformed())
    }

    /// The number with its sign, if it has 32 bits; a negative one is written as one of 64.
    pub(super) fn i32(&self) -> Result<i32, ProtocolError> {
        i32::try_from(self.u64()?.cast_signed()).map_err(|_| self.malformed())
    }

    /// Any number but zero.
    pub(super) fn flag(&self) -> Result<bool, ProtocolError> {
        Ok(self.u64()? != 0)
    }

    /// The text.
    pub(super) fn text(&self) -> Result<String, ProtocolError> {
        let bytes = self.message()?.rest();
        let text = simdutf8::basic::from_utf8(bytes).map_err(|_| self.malformed())?;
        Ok(text.to_owned())
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> Result<&'a [u8], ProtocolError> {
        Ok(self.message()?.rest())
    }

    /// The nested message.
    pub(super) fn message(&self) -> Result<Reader<'a>, ProtocolError> {
        match self {
            Self::Delimited(reader) => Ok(*reader),
            Self::Varint { .. } | Self::Fixed { .. } => Err(self.malformed()),
        }
    }

    /// What the application says. Bytes that are not JSON are as good as none: the protocol lets an application say what
    /// it likes, but ours speaks JSON.
    pub(super) fn data(&self) -> Result<Option<Box<RawValue>>, ProtocolError> {
        Ok(serde_json::from_slice(self.message()?.rest()).ok())
    }

    /// What is said of a value that its field cannot have.
    fn malformed(&self) -> ProtocolError {
        malformed(match self {
            Self::Varint { at, .. } | Self::Fixed { at } => *at,
            Self::Delimited(reader) => reader.at,
        })
    }
}

fn malformed(at: usize) -> ProtocolError {
    ProtocolError::MalformedBytes { at }
}
