//! The clock in the picture that a machine can read: a block code of the wall clock.
//!
//! It is what makes glass-to-glass latency measurable from the picture alone: a viewer's page draws the video element
//! on a canvas, reads the code, and compares it with its own clock.
//!
//! # Format
//!
//! In the picture of 1280 x 720, the code is a grid of 16 columns and 4 rows of square cells, each 16 x 16 pixels. The
//! upper left cell's upper left corner is at x = 32, y = 32; every cell is exactly one macroblock of the encoder, so
//! that no cell bleeds into another. In a picture of another size all of it scales with the width. A border of one
//! white cell goes around the grid. A white cell is 1, a black one 0; read the middle of a cell, and compare its
//! luma with the middle between black and white (128).
//!
//! The 64 bits are read row by row from the upper left, the most significant bit first:
//!
//! | Bits | What |
//! |---|---|
//! | 4 | the marker `1010` |
//! | 44 | the time, milliseconds since 1970-01-01 UTC |
//! | 16 | CRC-16 of the six bytes that the 48 bits before make: polynomial 0x1021, initial value 0xFFFF, not reflected, no final xor (CRC-16/IBM-3740, also called CCITT-FALSE) |
//!
//! The time is the wall clock at the moment at which the frame was painted, before encoding. A code whose marker or
//! checksum is wrong was not readable and must be skipped, never guessed.

/// Columns of the grid.
pub const COLUMNS: usize = 16;

/// Rows of the grid.
pub const ROWS: usize = 4;

/// Edge of a cell, pixels.
pub const CELL: usize = 16;

/// What stands in the first four bits.
const MARKER: u64 = 0b1010;

/// Bits of the time: enough until the year 2527.
const TIME_BITS: u32 = 44;

/// Bits of the checksum.
const CRC_BITS: u32 = 16;

const _: () = assert!(
    4 + TIME_BITS as usize + CRC_BITS as usize == COLUMNS * ROWS,
    "the code fills the grid"
);

/// The 64 bits for a time; what is beyond 44 bits of it is dropped.
#[must_use]
pub fn encode(unix_ms: u64) -> u64 {
    let time = unix_ms & ((1 << TIME_BITS) - 1);
    let head = MARKER << TIME_BITS | time;
    head << CRC_BITS | u64::from(crc16(head))
}

/// The time in 64 bits, when they are a code.
#[must_use]
pub fn decode(code: u64) -> Option<u64> {
    (encode(code >> CRC_BITS) == code).then_some(code >> CRC_BITS & ((1 << TIME_BITS) - 1))
}

/// The bit of a cell: 1 is white.
#[must_use]
pub fn is_white(code: u64, column: usize, row: usize) -> bool {
    let index = row * COLUMNS + column;
    code >> (COLUMNS * ROWS - 1 - index) & 1 == 1
}

/// CRC-16/IBM-3740 over the lower six bytes.
fn crc16(head: u64) -> u16 {
    let [_, _, bytes @ ..] = head.to_be_bytes();
    bytes.iter().fold(0xFFFF, |crc, byte| {
        let mixed = crc ^ u16::from(*byte) << 8;
        (0..8).fold(mixed, |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_the_format_names() {
        // The catalogue's check value is over "123456789"; over its first six characters it is 0x2EF4.
        assert_eq!(crc16(0x3132_3334_3536), 0x2EF4);
    }

    #[test]
    fn a_time_goes_there_and_back() {
        for time in [0, 1, 1_700_000_000_000, 1_795_374_123_456, (1 << 44) - 1] {
            assert_eq!(decode(encode(time)), Some(time));
        }
    }

    #[test]
    fn one_known_code_bit_by_bit() {
        let code = encode(1_795_374_123_456);
        let rows: Vec<String> = (0..ROWS)
            .map(|row| {
                (0..COLUMNS)
                    .map(|column| {
                        if is_white(code, column, row) {
                            '#'
                        } else {
                            '.'
                        }
                    })
                    .collect()
            })
            .collect();
        insta::assert_snapshot!(rows.join("\n"));
    }

    #[test]
    fn no_single_wrong_cell_goes_unnoticed() {
        let code = encode(1_795_374_123_456);
        for bit in 0..64 {
            assert_eq!(decode(code ^ 1 << bit), None, "bit {bit}");
        }
    }

    #[test]
    fn black_white_and_noise_are_no_codes() {
        for code in [0, u64::MAX, 0xAAAA_AAAA_AAAA_AAAA, 0x1234_5678_9ABC_DEF0] {
            assert_eq!(decode(code), None, "{code:#x}");
        }
    }
}
