//! The strip that the demo lays over its picture: the clock as a block code and, under it, as digits.
//!
//! Both show the one moment at which the strip was painted. The digits are drawn here rather than by ffmpeg, so that
//! they cannot disagree with the code, and so that an ffmpeg without fonts will do.

use super::clock_code::{self, CELL, COLUMNS, ROWS};

/// Width of the strip, pixels: the grid and its white border.
pub const WIDTH: usize = (COLUMNS + 2) * CELL;

/// Height of the strip, pixels: the grid, its border, and two cells for the digits.
pub const HEIGHT: usize = (ROWS + 4) * CELL;

/// Where the strip's upper left corner is in the picture, both ways.
pub const PLACE: usize = CELL;

/// Luma of white and black in video range.
const WHITE: u8 = 235;
const BLACK: u8 = 16;

/// Edge of a glyph's dot, pixels.
const DOT: usize = 3;

/// Dots from one glyph to the next: five of the glyph, one between.
const ADVANCE: usize = 6;

/// Above the digits.
const TEXT_TOP: usize = (ROWS + 2) * CELL + 2;

const _: () = assert!(
    "00:00:00.000 UTC".len() * ADVANCE * DOT <= WIDTH,
    "the digits fit the strip"
);

/// One gray frame of [`WIDTH`] x [`HEIGHT`] bytes, painted over and over.
#[derive(Debug)]
pub struct Strip {
    pixels: Vec<u8>,
}

impl Default for Strip {
    fn default() -> Self {
        Self {
            pixels: vec![WHITE; WIDTH * HEIGHT],
        }
    }
}

impl Strip {
    /// Paints a moment, and returns the pixels, row by row.
    pub fn paint(&mut self, unix_ms: u64) -> &[u8] {
        self.pixels.fill(WHITE);
        let code = clock_code::encode(unix_ms);
        for row in 0..ROWS {
            for column in (0..COLUMNS).filter(|column| !clock_code::is_white(code, *column, row)) {
                self.fill((column + 1) * CELL, (row + 1) * CELL, CELL);
            }
        }
        for (index, character) in clock(unix_ms).chars().enumerate() {
            self.glyph(character, index * ADVANCE * DOT);
        }
        &self.pixels
    }

    fn glyph(&mut self, character: char, left: usize) {
        for (row, bits) in glyph(character).into_iter().enumerate() {
            for column in (0..5).filter(|column| bits >> (4 - column) & 1 == 1) {
                self.fill(left + column * DOT, TEXT_TOP + row * DOT, DOT);
            }
        }
    }

    /// A black square.
    fn fill(&mut self, left: usize, top: usize, edge: usize) {
        for row in self.pixels.chunks_exact_mut(WIDTH).skip(top).take(edge) {
            row[left..left + edge].fill(BLACK);
        }
    }
}

/// `12:34:56.789 UTC`.
fn clock(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (hours, minutes, seconds) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!(
        "{hours:02}:{minutes:02}:{seconds:02}.{:03} UTC",
        unix_ms % 1000
    )
}

/// Seven rows of five dots, the leftmost the most significant; empty for what the clock does not need.
fn glyph(character: char) -> [u8; 7] {
    match character {
        '0' => [
            0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110,
        ],
        '1' => [
            0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110,
        ],
        '2' => [
            0b01110, 0b10001, 0b00001, 0b00010, 0b00100, 0b01000, 0b11111,
        ],
        '3' => [
            0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110,
        ],
        '4' => [
            0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010,
        ],
        '5' => [
            0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110,
        ],
        '6' => [
            0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110,
        ],
        '7' => [
            0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000,
        ],
        '8' => [
            0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110,
        ],
        '9' => [
            0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100,
        ],
        ':' => [
            0b00000, 0b00100, 0b00100, 0b00000, 0b00100, 0b00100, 0b00000,
        ],
        '.' => [
            0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b01100, 0b01100,
        ],
        'U' => [
            0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110,
        ],
        'T' => [
            0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100,
        ],
        'C' => [
            0b01110, 0b10001, 0b10000, 0b10000, 0b10000, 0b10001, 0b01110,
        ],
        _ => [0; 7],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_can_be_read_back_from_the_pixels() {
        let mut strip = Strip::default();
        for time in [1_795_374_123_456, 1_795_374_123_489] {
            let pixels = strip.paint(time).to_vec();
            let mut code = 0_u64;
            for cell in 0..COLUMNS * ROWS {
                let (column, row) = (cell % COLUMNS, cell / COLUMNS);
                let (x, y) = ((column + 1) * CELL + CELL / 2, (row + 1) * CELL + CELL / 2);
                code = code << 1 | u64::from(pixels[y * WIDTH + x] > 128);
            }
            assert_eq!(clock_code::decode(code), Some(time));
        }
    }

    #[test]
    fn the_digits_say_the_same_moment() {
        assert_eq!(clock(1_795_374_123_456), "19:02:03.456 UTC");
        let mut strip = Strip::default();
        let pixels = strip.paint(1_795_374_123_456);
        let dots: Vec<String> = (0..7)
            .map(|row| {
                let line = &pixels[(TEXT_TOP + row * DOT) * WIDTH..][..WIDTH];
                let dots = line
                    .chunks_exact(DOT)
                    .map(|dot| if dot[0] == BLACK { '#' } else { ' ' });
                dots.collect::<String>().trim_end().to_owned()
            })
            .collect();
        insta::assert_snapshot!(dots.join("\n"));
    }
}
