//! Decodes strings in the Huffman code: RFC 7541, section 5.2 and appendix B.
//!
//! The code is canonical: codes of one length are consecutive numbers in the order of the bytes that they stand for, and
//! longer ones go on from where shorter ones end. The lengths alone say all of it; the tests hold the printed codes against
//! that. Letters, digits and most of what else a request has are of 8 bits or fewer: one look into a table for each byte. The
//! others, such as control characters, are found by the length of their code.

use super::decode::Malformed;

const EOS: u16 = 256;

/// The codes that one look finds.
const SHORT_BITS: u8 = 8;
const BITS_MIN: u8 = 5;
const BITS_MAX: u8 = 30;

/// The length in bits of the code of each byte, and of EOS.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

static CODE: Code = Code::new();

struct Code {
    /// What the next 8 bits begin with, if that is a short code: the byte and the length of its code. Else length 0.
    short: [(u8, u8); 256],
    /// The codes of each length.
    runs: [Run; BITS_MAX as usize + 1],
    /// All bytes and EOS, in the order of their codes.
    symbols: [u16; LENGTHS.len()],
}

/// The codes of one length.
#[derive(Clone, Copy)]
struct Run {
    first: u32,
    /// The last 32 bits that begin with one of them: what is greater has a longer code.
    last_bits: u32,
    /// Where the symbol of the first is.
    start: u16,
}

impl Code {
    const fn new() -> Self {
        let mut this = Self {
            short: [(0, 0); 256],
            runs: [Run {
                first: 0,
                last_bits: 0,
                start: 0,
            }; BITS_MAX as usize + 1],
            symbols: [0; LENGTHS.len()],
        };
        let mut code: u32 = 0;
        let mut used: u16 = 0;
        let mut length = BITS_MIN;
        while length <= BITS_MAX {
            let first = code;
            let start = used;
            let mut symbol: u16 = 0;
            while symbol <= EOS {
                if LENGTHS[symbol as usize] == length {
                    this.symbols[used as usize] = symbol;
                    if length <= SHORT_BITS {
                        this.add_short(code, symbol, length);
                    }
                    used += 1;
                    code += 1;
                }
                symbol += 1;
            }
            this.runs[length as usize] = Run {
                first,
                // Of a length that no code has, this is what the run before has: it is never found.
                last_bits: (code - 1) << (32 - length) | u32::MAX >> length,
                start,
            };
            code <<= 1;
            length += 1;
        }
        this
    }

    /// Whatever follows the code in the 8 bits.
    const fn add_short(&mut self, code: u32, symbol: u16, length: u8) {
        let free = SHORT_BITS - length;
        let mut after = 0;
        while after < 1 << free {
            self.short[(code << free) as usize + after] = (symbol.to_le_bytes()[0], length);
            after += 1;
        }
    }

    /// The byte whose code the bits begin with, and the length of that.
    #[inline]
    fn next(&self, bits: u64) -> Result<(u8, u32), Malformed> {
        let [head, ..] = bits.to_be_bytes();
        let (byte, length) = self.short[usize::from(head)];
        if length > 0 {
            return Ok((byte, u32::from(length)));
        }
        self.next_long(bits)
    }

    #[cold]
    fn next_long(&self, bits: u64) -> Result<(u8, u32), Malformed> {
        let [a, b, c, d, ..] = bits.to_be_bytes();
        let bits = u32::from_be_bytes([a, b, c, d]);
        let lengths = u32::from(SHORT_BITS) + 1..;
        let runs = self.runs.iter().skip(usize::from(SHORT_BITS) + 1);
        let (length, run) = lengths
            .zip(runs)
            .find(|(_, run)| bits <= run.last_bits)
            .ok_or(Malformed::EndOfString)?;
        let place = u32::from(run.start) + ((bits >> (32 - length)) - run.first);
        let symbol = usize::try_from(place)
            .ok()
            .and_then(|at| self.symbols.get(at));
        // Of all symbols, EOS alone is no byte.
        let byte = symbol.and_then(|&symbol| u8::try_from(symbol).ok());
        Ok((byte.ok_or(Malformed::EndOfString)?, length))
    }
}

/// Appends what a Huffman-coded string stands for: at most 8/5 of its length, as no code is shorter than 5 bits.
pub(crate) fn decode(mut coded: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    out.reserve(coded.len() * 8 / usize::from(BITS_MIN));
    // The next bits, from the most significant on, and how many of them there are.
    let mut bits: u64 = 0;
    let mut count: u32 = 0;
    while let Some((word, rest)) = coded.split_first_chunk() {
        coded = rest;
        bits |= u64::from(u32::from_be_bytes(*word)) << (32 - count);
        count += 32;
        // What is left fits with the next word, and what is there is longer than any code.
        while count > 32 {
            let (byte, length) = CODE.next(bits)?;
            out.push(byte);
            bits <<= length;
            count -= length;
        }
    }
    for &byte in coded {
        bits |= u64::from(byte) << (56 - count);
        count += 8;
    }
    last(bits, count, out)
}

/// The end of a string: fewer than 64 bits. They may end with up to 7 bits of padding, which are the beginning of EOS: ones.
fn last(mut bits: u64, mut count: u32, out: &mut Vec<u8>) -> Result<(), Malformed> {
    loop {
        bits |= u64::MAX >> count;
        if bits == u64::MAX && count < u32::from(BITS_MAX) {
            return if count < 8 {
                Ok(())
            } else {
                Err(Malformed::PaddingTooLong)
            };
        }
        let (byte, length) = CODE.next(bits)?;
        count = count.checked_sub(length).ok_or(Malformed::PaddingNotOnes)?;
        out.push(byte);
        bits <<= length;
    }
}
