//! The protocol in JSON. This file writes JSON into a byte buffer, piece by piece; those below it know the protocol.
//!
//! A writer keeps no state beside the buffer and whether a comma is due. Strings are
//! valid UTF-8 already, so writing cannot fail.

pub(super) mod command;
pub(super) mod push;
pub(super) mod reply;

/// An object under construction. Fields are written in the order of the calls.
#[must_use = "an object ends with `end`"]
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Opens the object.
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// The fields alone, without the braces around them: whoever writes those need not write the fields again.
    pub(super) fn fields(out: &'a mut Vec<u8>) -> Self {
        Self { out, empty: true }
    }

    /// Writes the name of a field; the caller writes its value into what is returned.
    ///
    /// Names are our own constants and need no escaping.
    pub(super) fn field(&mut self, name: &'static str) -> &mut Vec<u8> {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Like [`Object::field`] with a name that is data.
    pub(super) fn entry(&mut self, name: &str) -> &mut Vec<u8> {
        self.comma();
        push_str(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// A boolean that is left out when it is false.
    pub(super) fn flag(&mut self, name: &'static str, value: bool) {
        if value {
            self.field(name).extend_from_slice(b"true");
        }
    }

    /// A number that is left out when it is zero.
    pub(super) fn number(&mut self, name: &'static str, value: u64) {
        if value != 0 {
            push_u64(self.field(name), value);
        }
    }

    /// A string that is left out when it is empty.
    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        if !value.is_empty() {
            push_str(self.field(name), value);
        }
    }

    /// Closes the object.
    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    fn comma(&mut self) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
    }
}

/// Writes the values as an array.
pub(super) fn push_array<T>(
    out: &mut Vec<u8>,
    values: impl IntoIterator<Item = T>,
    mut push: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push(out, value);
    }
    out.push(b']');
}

/// Writes a boolean.
pub(super) fn push_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Writes a number in decimal.
pub(super) fn push_u64(out: &mut Vec<u8>, mut value: u64) {
    // The longest u64 has 20 digits; they come out last digit first.
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = DIGITS[usize::try_from(value % 10).unwrap_or(0)];
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

const DIGITS: [u8; 10] = *b"0123456789";

/// Writes a string with its quotes.
///
/// Beside what RFC 8259, section 7 demands, the line separators U+2028 and U+2029 are escaped: JSON allows them in a
/// string, but whoever splits frames at line ends, or pastes them into a script, may not.
pub(super) fn push_str(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut written = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        // Nearly all bytes of nearly all messages end here, and are copied in runs.
        if byte >= b' ' && byte != b'"' && byte != b'\\' && byte != SEPARATOR_LEAD {
            continue;
        }
        let Some((escape, width)) = escape_at(&bytes[index..]) else {
            continue;
        };
        out.extend_from_slice(&bytes[written..index]);
        out.extend_from_slice(&escape.0[..escape.1]);
        written = index + width;
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

/// First byte of U+2028 and U+2029 in UTF-8 (and of many other characters).
const SEPARATOR_LEAD: u8 = 0xE2;

/// The escape of what stands at the start of `bytes`, with its length, and how many bytes it replaces.
fn escape_at(bytes: &[u8]) -> Option<(([u8; 6], usize), usize)> {
    let short = |letter: u8| Some((([b'\\', letter, 0, 0, 0, 0], 2), 1));
    match *bytes {
        [b'"', ..] => short(b'"'),
        [b'\\', ..] => short(b'\\'),
        [b'\n', ..] => short(b'n'),
        [b'\r', ..] => short(b'r'),
        [b'\t', ..] => short(b't'),
        [0x08, ..] => short(b'b'),
        [0x0C, ..] => short(b'f'),
        [control @ 0..=0x1F, ..] => {
            let hex = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            Some((
                (
                    [
                        b'\\',
                        b'u',
                        b'0',
                        b'0',
                        hex(control >> 4),
                        hex(control & 0xF),
                    ],
                    6,
                ),
                1,
            ))
        }
        [SEPARATOR_LEAD, 0x80, 0xA8, ..] => Some(((*b"\\u2028", 6), 3)),
        [SEPARATOR_LEAD, 0x80, 0xA9, ..] => Some(((*b"\\u2029", 6), 3)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted(text: &str) -> String {
        let mut out = Vec::new();
        push_str(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_must_be_escaped_is() {
        assert_eq!(quoted(""), r#""""#);
        assert_eq!(quoted("say \"hi\" \\ now"), r#""say \"hi\" \\ now""#);
        assert_eq!(
            quoted("\n\r\t\u{8}\u{c}\u{0}\u{1f}"),
            r#""\n\r\t\b\f\u0000\u001f""#
        );
        assert_eq!(quoted("a\u{2028}b\u{2029}c"), r#""a\u2028b\u2029c""#);
    }

    #[test]
    fn the_rest_stays_as_it_is() {
        // U+2027 and U+202A stand beside the separators; U+20AC shares only their first byte.
        for text in [
            "사랑해 언니 💜",
            "</script>&'",
            "\u{2027}\u{202a}€",
            "\u{7f}\u{80}\u{feff}",
        ] {
            assert_eq!(quoted(text), format!("\"{text}\""));
        }
    }

    #[test]
    fn an_object_has_commas_between_its_fields_only() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.flag("no", false);
        object.number("zero", 0);
        object.text("empty", "");
        object.flag("yes", true);
        object.number("n", u64::MAX);
        object.text("t", "x");
        push_u64(object.entry("k\"ey"), 0);
        object.end();
        assert_eq!(
            out,
            br#"{"yes":true,"n":18446744073709551615,"t":"x","k\"ey":0}"#
        );
    }

    proptest! {
        #[test]
        fn any_string_reads_back_as_it_was(text in "\\PC*|[\\x00-\\x7f\u{2028}\u{2029}€💜]*") {
            let json = quoted(&text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            let line_end = json.contains(['\n', '\u{2028}', '\u{2029}']);
            prop_assert!(!line_end);
        }

        #[test]
        fn any_number_reads_back_as_it_was(value: u64) {
            let mut out = Vec::new();
            push_u64(&mut out, value);
            prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }
}
