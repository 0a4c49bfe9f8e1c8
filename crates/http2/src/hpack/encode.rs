//! Writes header blocks with the static table alone: RFC 7541, sections 5, 6.1 and 6.2.2.
//!
//! Nothing is put into a dynamic table, so that a block means the same whenever it is written: an answer can be kept packed
//! and sent again. Strings are raw: for the little that Huffman coding would save, each answer would have to be packed
//! bit by bit.

/// The first bits of a field that is in the table: section 6.1.
const INDEXED: u8 = 0b1000_0000;
const INDEXED_PREFIX: u8 = INDEXED - 1;
/// The first four bits of a literal without indexing are zeros: section 6.2.2.
const LITERAL: u8 = 0;
const LITERAL_PREFIX: u8 = 0b1111;
/// A string that is not Huffman-coded begins with a zero: section 5.2.
const RAW: u8 = 0;
const RAW_PREFIX: u8 = 0b0111_1111;
/// The dynamic table is to have 0 bytes: section 6.3.
const TABLE_OF_NOTHING: u8 = 0b0010_0000;

/// The first entry of the static table that is a `:status`.
const STATUS: usize = 8;

/// Tells the client that we use no dynamic table. It belongs before the first field of the first block of a connection:
/// section 4.2.
pub(crate) fn forget_table(out: &mut Vec<u8>) {
    out.push(TABLE_OF_NOTHING);
}

/// Writes `:status`. All there are have three digits.
pub(crate) fn status(out: &mut Vec<u8>, status: u16) {
    let digits = [status / 100, status / 10, status].map(|number| {
        let [digit, _] = (number % 10).to_le_bytes();
        b'0' + digit
    });
    named(out, STATUS, &digits);
}

/// Writes a field: as the static table's if it is there, else as a literal without indexing.
pub(crate) fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if let Some(index) = name_index(name) {
        return named(out, index, value);
    }
    out.push(LITERAL);
    string(out, name);
    string(out, value);
}

/// Writes a field whose name is in the static table.
fn named(out: &mut Vec<u8>, name: usize, value: &[u8]) {
    if let Some(index) = field_index(name, value) {
        return integer(out, INDEXED, INDEXED_PREFIX, index);
    }
    integer(out, LITERAL, LITERAL_PREFIX, name);
    string(out, value);
}

/// Section 5.2.
fn string(out: &mut Vec<u8>, text: &[u8]) {
    integer(out, RAW, RAW_PREFIX, text.len());
    out.extend_from_slice(text);
}

/// Section 5.1. The first byte has the bits of `mark` outside of the prefix.
fn integer(out: &mut Vec<u8>, mark: u8, prefix: u8, value: usize) {
    let Some(mut left) = value.checked_sub(usize::from(prefix)) else {
        return out.push(mark | low(value));
    };
    out.push(mark | prefix);
    while left >= 0x80 {
        out.push(low(left) | 0x80);
        left >>= 7;
    }
    out.push(low(left));
}

/// The first entry of the static table that has this name.
fn name_index(name: &[u8]) -> Option<usize> {
    Some(match name {
        b":authority" => 1,
        b":method" => 2,
        b":path" => 4,
        b":scheme" => 6,
        b":status" => STATUS,
        b"accept-charset" => 15,
        b"accept-encoding" => 16,
        b"accept-language" => 17,
        b"accept-ranges" => 18,
        b"accept" => 19,
        b"access-control-allow-origin" => 20,
        b"age" => 21,
        b"allow" => 22,
        b"authorization" => 23,
        b"cache-control" => 24,
        b"content-disposition" => 25,
        b"content-encoding" => 26,
        b"content-language" => 27,
        b"content-length" => 28,
        b"content-location" => 29,
        b"content-range" => 30,
        b"content-type" => 31,
        b"cookie" => 32,
        b"date" => 33,
        b"etag" => 34,
        b"expect" => 35,
        b"expires" => 36,
        b"from" => 37,
        b"host" => 38,
        b"if-match" => 39,
        b"if-modified-since" => 40,
        b"if-none-match" => 41,
        b"if-range" => 42,
        b"if-unmodified-since" => 43,
        b"last-modified" => 44,
        b"link" => 45,
        b"location" => 46,
        b"max-forwards" => 47,
        b"proxy-authenticate" => 48,
        b"proxy-authorization" => 49,
        b"range" => 50,
        b"referer" => 51,
        b"refresh" => 52,
        b"retry-after" => 53,
        b"server" => 54,
        b"set-cookie" => 55,
        b"strict-transport-security" => 56,
        b"transfer-encoding" => 57,
        b"user-agent" => 58,
        b"vary" => 59,
        b"via" => 60,
        b"www-authenticate" => 61,
        _ => return None,
    })
}

/// The entry of the static table that has this value, and the name of the entry `name`, which is the first that has it.
fn field_index(name: usize, value: &[u8]) -> Option<usize> {
    Some(match (name, value) {
        (2, b"GET") => 2,
        (2, b"POST") => 3,
        (4, b"/") => 4,
        (4, b"/index.html") => 5,
        (6, b"http") => 6,
        (6, b"https") => 7,
        (STATUS, b"200") => 8,
        (STATUS, b"204") => 9,
        (STATUS, b"206") => 10,
        (STATUS, b"304") => 11,
        (STATUS, b"400") => 12,
        (STATUS, b"404") => 13,
        (STATUS, b"500") => 14,
        (16, b"gzip, deflate") => 16,
        // Those have a value; all others have an empty one.
        (2 | 4 | 6 | STATUS | 16, _) => return None,
        (name, b"") => name,
        _ => return None,
    })
}

fn low(number: usize) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low
}
