//! What Enhanced RTMP tells of a video track beside its pictures (section "Metadata Frame"): the colour description.
//!
//! AMF0, of which only numbers in nested objects are looked at. The rest of `colorInfo`, the light levels of a mastering
//! display, is left to the coded pictures, which carry it too.

use crate::{color::Color, limits::METADATA_DEPTH_MAX};

// AMF0 markers.
const NUMBER: u8 = 0;
const BOOLEAN: u8 = 1;
const STRING: u8 = 2;
const OBJECT: u8 = 3;
const NULL: u8 = 5;
const UNDEFINED: u8 = 6;
const ECMA_ARRAY: u8 = 8;
const OBJECT_END: u8 = 9;
/// "Unspecified" in the tables of ITU-T H.273.
const UNSPECIFIED: u8 = 2;

/// The colour that a metadata packet describes; `None` when it describes none, or cannot be read.
#[must_use]
pub fn color(data: &[u8]) -> Option<Color> {
    let mut found = Found::default();
    let mut reader = Reader { rest: data };
    // "a series of [name, value] pairs"
    while !reader.rest.is_empty() {
        (reader.byte()? == STRING).then_some(())?;
        let is_color = reader.text()? == b"colorInfo";
        reader.value(
            if is_color {
                Place::Info
            } else {
                Place::Elsewhere
            },
            0,
            &mut found,
        )?;
    }
    let code = |code: Option<u8>| code.unwrap_or(UNSPECIFIED);
    let color = Color {
        primaries: code(found.primaries),
        transfer: code(found.transfer),
        matrix: code(found.matrix),
        full_range: false,
    };
    Some(color).filter(Color::is_specified)
}

#[derive(Debug, Default)]
struct Found {
    primaries: Option<u8>,
    transfer: Option<u8>,
    matrix: Option<u8>,
}

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is `colorInfo`.
    Info,
    /// It is `colorInfo.colorConfig`.
    Config,
    Primaries,
    Transfer,
    Matrix,
    Elsewhere,
}

impl Place {
    fn within(self, name: &[u8]) -> Self {
        match (self, name) {
            (Self::Info, b"colorConfig") => Self::Config,
            (Self::Config, b"colorPrimaries") => Self::Primaries,
            (Self::Config, b"transferCharacteristics") => Self::Transfer,
            (Self::Config, b"matrixCoefficients") => Self::Matrix,
            _ => Self::Elsewhere,
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    /// A length of 16 bits and as many bytes.
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.bytes(2)?.first_chunk().copied()?;
        self.bytes(u16::from_be_bytes(length).into())
    }

    fn value(&mut self, place: Place, depth: usize, found: &mut Found) -> Option<()> {
        match self.byte()? {
            NUMBER => {
                let number = f64::from_be_bytes(*self.bytes(8)?.first_chunk()?);
                let code = code_point(number);
                match place {
                    Place::Primaries => found.primaries = code,
                    Place::Transfer => found.transfer = code,
                    Place::Matrix => found.matrix = code,
                    Place::Info | Place::Config | Place::Elsewhere => {}
                }
            }
            BOOLEAN => drop(self.byte()?),
            STRING => drop(self.text()?),
            NULL | UNDEFINED => {}
            marker @ (OBJECT | ECMA_ARRAY) => {
                if depth == METADATA_DEPTH_MAX {
                    return None;
                }
                if marker == ECMA_ARRAY {
                    // How many there are, which the end says too.
                    self.bytes(4)?;
                }
                loop {
                    let name = self.text()?;
                    if name.is_empty() && self.rest.first() == Some(&OBJECT_END) {
                        self.byte()?;
                        break;
                    }
                    self.value(place.within(name), depth + 1, found)?;
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// A whole number that the tables have room for.
fn code_point(number: f64) -> Option<u8> {
    (0..=u8::MAX).find(|&code| (f64::from(code) - number).abs() < 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Vec<u8> {
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        [&length[..], text.as_bytes()].concat()
    }

    fn number(name: &str, value: f64) -> Vec<u8> {
        [text(name), vec![NUMBER], value.to_be_bytes().to_vec()].concat()
    }

    fn object(name: &str, fields: &[Vec<u8>]) -> Vec<u8> {
        [
            text(name),
            vec![OBJECT],
            fields.concat(),
            vec![0, 0, OBJECT_END],
        ]
        .concat()
    }

    fn message(fields: &[Vec<u8>]) -> Vec<u8> {
        [vec![STRING], object("colorInfo", fields)].concat()
    }

    fn pq() -> Vec<u8> {
        let config = [
            number("bitDepth", 10.0),
            number("colorPrimaries", 9.0),
            number("transferCharacteristics", 16.0),
            number("matrixCoefficients", 9.0),
        ];
        let levels = [number("maxFall", 400.0), number("maxCLL", 1_000.0)];
        message(&[object("colorConfig", &config), object("hdrCll", &levels)])
    }

    #[test]
    fn the_color_of_a_high_dynamic_range_is_read() {
        let color = color(&pq()).unwrap();
        assert_eq!((color.primaries, color.transfer, color.matrix), (9, 16, 9));
        assert_eq!(color.range(), crate::color::Range::Pq);
    }

    #[test]
    fn what_says_nothing_is_nothing() {
        let config = [number("transferCharacteristics", 1e9)];
        for data in [
            vec![],
            message(&[]),
            message(&[object("colorConfig", &config)]),
            // Undefined puts everything back.
            [vec![STRING], text("colorInfo"), vec![UNDEFINED]].concat(),
            [
                vec![STRING],
                object("another", &[number("colorPrimaries", 9.0)]),
            ]
            .concat(),
        ] {
            assert_eq!(color(&data), None);
        }
        let deep = [OBJECT, 0, 1, b'a'].repeat(10_000);
        assert_eq!(
            color(&[vec![STRING], text("colorInfo"), deep].concat()),
            None
        );
    }

    proptest! {
        #[test]
        fn cut_and_mutated_messages_never_panic(at in 0_usize..120, value in any::<u8>(), cut in 0_usize..200) {
            let mut data = pq();
            let whole = data.len();
            if let Some(byte) = data.get_mut(at) {
                *byte = value;
            }
            data.truncate(cut);
            let read = color(&data);
            prop_assert!(cut >= whole || read.is_none());
        }
    }
}
