//! Reads header blocks: RFC 7541, sections 3, 5 and 6.
//!
//! All of a block comes from a stranger. Nothing here takes more memory than the dynamic table may have and the longest
//! string of the block needs: a caller that bounds the block has bounded both. The fields that a block stands for can be far
//! longer than the block, as one byte may name an entry of the size of the table: who keeps fields has to count them.

use std::ops::Range;

use thiserror::Error;

use super::{
    huffman,
    table::{SIZE_AT_FIRST, Table},
};

/// An integer has this many bytes after its prefix at most: values up to 268 million, which no block comes near.
const CONTINUATION_BYTES_MAX: u32 = 4;

/// The first bits of a field, which say what it is (section 6). The rest of the byte is the prefix of an integer.
const INDEXED: u8 = 0b1000_0000;
const INCREMENTAL: u8 = 0b0100_0000;
const SIZE_UPDATE: u8 = 0b0010_0000;
/// The first bit of a string: it is Huffman-coded (section 5.2).
const HUFFMAN: u8 = 0b1000_0000;

/// Why a block cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Malformed {
    /// The last field of the block is not all there.
    #[error("the header block ends inside a field")]
    Truncated,
    /// Section 5.1 leaves the limit to us.
    #[error(
        "an integer in the header block has more than {CONTINUATION_BYTES_MAX} bytes after its prefix"
    )]
    IntegerTooLong,
    /// Index 0, or one beyond the dynamic table.
    #[error("the header block names an entry that is in no table")]
    UnknownIndex,
    /// A whole byte of padding, or more: section 5.2.
    #[error("a Huffman-coded string has more than 7 bits of padding")]
    PaddingTooLong,
    /// The last bits are neither a code nor the beginning of EOS: section 5.2.
    #[error("a Huffman-coded string is padded with something else than ones")]
    PaddingNotOnes,
    /// Section 5.2 forbids it.
    #[error("a Huffman-coded string contains EOS")]
    EndOfString,
    /// Section 4.2 allows it at the beginning of a block alone.
    #[error("the size of the dynamic table changes after a field")]
    SizeUpdateTooLate,
    /// More than our settings allow: section 6.3.
    #[error("the dynamic table is to be larger than our settings allow")]
    SizeUpdateTooLarge,
}

/// What is known of one direction of a connection: the dynamic table.
#[derive(Debug)]
pub(crate) struct Decoder {
    table: Table,
    table_bytes_max: usize,
}

impl Decoder {
    /// The table may be made as large as `table_bytes_max`: what our `SETTINGS_HEADER_TABLE_SIZE` says, 4,096 if it is not
    /// sent.
    ///
    /// A table begins with 4,096 bytes however much more is allowed, until the client asks for more (section 4.2).
    pub(crate) fn new(table_bytes_max: usize) -> Self {
        Self {
            table: Table::new(table_bytes_max.min(SIZE_AT_FIRST)),
            table_bytes_max,
        }
    }

    /// Decodes one whole header block: calls `field` with each name and value, in order.
    ///
    /// The table is kept in step whatever the caller does with the fields. `scratch` is where Huffman-coded strings are
    /// written; what it has and leaves means nothing.
    ///
    /// # Errors
    ///
    /// When the block is malformed. The fields before that have been told, and nothing more can be decoded after it.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        scratch: &mut Vec<u8>,
        mut field: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Malformed> {
        let mut rest = block;
        self.size_updates(&mut rest)?;
        while let Some(&first) = rest.first() {
            if first & INDEXED != 0 {
                let index = integer(&mut rest, INDEXED - 1)?;
                let (name, value) = self.table.get(index).ok_or(Malformed::UnknownIndex)?;
                field(name, value);
            } else if first & INCREMENTAL != 0 {
                let literal = Literal::read(&mut rest, INCREMENTAL - 1, scratch)?;
                let (name, value) = literal.texts(&self.table, scratch)?;
                field(name, value);
                let entry = self.table.entry(name, value);
                self.table.insert(entry);
            } else if first & SIZE_UPDATE != 0 {
                return Err(Malformed::SizeUpdateTooLate);
            } else {
                // Without indexing, or never indexed: that differs for those alone who pass the field on.
                let literal = Literal::read(&mut rest, 0b1111, scratch)?;
                let (name, value) = literal.texts(&self.table, scratch)?;
                field(name, value);
            }
        }
        Ok(())
    }

    /// The updates before the first field: two, if the size was lowered and raised again in between, but more do no harm.
    fn size_updates(&mut self, rest: &mut &[u8]) -> Result<(), Malformed> {
        while let Some(&first) = rest.first()
            && first & (INDEXED | INCREMENTAL | SIZE_UPDATE) == SIZE_UPDATE
        {
            let bytes_max = integer(rest, SIZE_UPDATE - 1)?;
            if bytes_max > self.table_bytes_max {
                return Err(Malformed::SizeUpdateTooLarge);
            }
            self.table.resize(bytes_max);
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }
}

/// A field that is written out: section 6.2.
struct Literal<'b> {
    name: Name<'b>,
    value: Text<'b>,
}

enum Name<'b> {
    Indexed(usize),
    New(Text<'b>),
}

/// Where a string is: raw in the block, or decoded in the scratch.
enum Text<'b> {
    Raw(&'b [u8]),
    Decoded(Range<usize>),
}

impl<'b> Literal<'b> {
    fn read(rest: &mut &'b [u8], prefix: u8, scratch: &mut Vec<u8>) -> Result<Self, Malformed> {
        scratch.clear();
        let name = match integer(rest, prefix)? {
            0 => Name::New(Text::read(rest, scratch)?),
            index => Name::Indexed(index),
        };
        let value = Text::read(rest, scratch)?;
        Ok(Self { name, value })
    }

    /// The name and the value, wherever they are.
    fn texts<'t>(
        self,
        table: &'t Table,
        scratch: &'t [u8],
    ) -> Result<(&'t [u8], &'t [u8]), Malformed>
    where
        'b: 't,
    {
        let name = match self.name {
            Name::Indexed(index) => table.get(index).ok_or(Malformed::UnknownIndex)?.0,
            Name::New(text) => text.bytes(scratch),
        };
        Ok((name, self.value.bytes(scratch)))
    }
}

impl<'b> Text<'b> {
    /// Section 5.2.
    fn read(rest: &mut &'b [u8], scratch: &mut Vec<u8>) -> Result<Self, Malformed> {
        let first = *rest.first().ok_or(Malformed::Truncated)?;
        let length = integer(rest, HUFFMAN - 1)?;
        let (text, after) = rest.split_at_checked(length).ok_or(Malformed::Truncated)?;
        *rest = after;
        if first & HUFFMAN == 0 {
            return Ok(Self::Raw(text));
        }
        let start = scratch.len();
        huffman::decode(text, scratch)?;
        Ok(Self::Decoded(start..scratch.len()))
    }

    fn bytes<'t>(self, scratch: &'t [u8]) -> &'t [u8]
    where
        'b: 't,
    {
        match self {
            Self::Raw(text) => text,
            Self::Decoded(range) => scratch.get(range).unwrap_or_default(),
        }
    }
}

/// Section 5.1. `prefix` has a one for each bit of the first byte that belongs to the integer.
fn integer(rest: &mut &[u8], prefix: u8) -> Result<usize, Malformed> {
    let (first, mut after) = rest.split_first().ok_or(Malformed::Truncated)?;
    let mut value = usize::from(first & prefix);
    if value == usize::from(prefix) {
        let mut shift = 0;
        loop {
            if shift == 7 * CONTINUATION_BYTES_MAX {
                return Err(Malformed::IntegerTooLong);
            }
            let (byte, more) = after.split_first().ok_or(Malformed::Truncated)?;
            after = more;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
    }
    *rest = after;
    Ok(value)
}
