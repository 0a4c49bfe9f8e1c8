//! The examples of RFC 7541, appendix C; what must be refused; and the decoder beside a plain model of it.

use proptest::{collection::vec, prelude::*};

use super::{
    Decoder,
    codes::CODES,
    decode::Malformed,
    field, forget_table, huffman, status,
    table::{SIZE_AT_FIRST, STATIC},
};

type Field = (Vec<u8>, Vec<u8>);

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn owned((name, value): (&[u8], &[u8])) -> Field {
    (name.to_vec(), value.to_vec())
}

/// The fields up to where the block is malformed, and whether it is.
fn try_decode(decoder: &mut Decoder, block: &[u8]) -> (Vec<Field>, Result<(), Malformed>) {
    let mut fields = Vec::new();
    let mut scratch = b"of the block before".to_vec();
    let result = decoder.decode(block, &mut scratch, |name, value| {
        fields.push(owned((name, value)));
    });
    (fields, result)
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Vec<Field> {
    let (fields, result) = try_decode(decoder, block);
    assert_eq!(result, Ok(()));
    fields
}

fn malformed(block: &[u8]) -> Malformed {
    try_decode(&mut Decoder::new(SIZE_AT_FIRST), block)
        .1
        .unwrap_err()
}

fn table(decoder: &Decoder) -> Vec<Field> {
    decoder.table().entries().map(owned).collect()
}

/// Fields as the RFC prints them: one a line.
fn listed(text: &str) -> Vec<Field> {
    text.lines()
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            owned((name.as_bytes(), value.as_bytes()))
        })
        .collect()
}

/// Blocks in order, with the fields, the table and its size after each.
fn example(table_bytes_max: usize, blocks: &[(&str, &str, &str, usize)]) {
    let mut decoder = Decoder::new(table_bytes_max);
    for &(block, fields, entries, bytes) in blocks {
        assert_eq!(decode(&mut decoder, &hex(block)), listed(fields));
        assert_eq!(table(&decoder), listed(entries));
        assert_eq!(decoder.table().bytes(), bytes);
    }
}

fn huffman_coded(text: &[u8]) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    for &byte in text {
        push_code(&mut bits, usize::from(byte));
    }
    while !bits.len().is_multiple_of(8) {
        bits.push(true);
    }
    packed(&bits)
}

fn push_code(bits: &mut Vec<bool>, symbol: usize) {
    let (code, length) = CODES[symbol];
    bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
}

fn packed(bits: &[bool]) -> Vec<u8> {
    assert!(bits.len().is_multiple_of(8));
    bits.chunks(8)
        .map(|byte| byte.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit)))
        .collect()
}

fn unhuffman(coded: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::new();
    huffman::decode(coded, &mut out).map(|()| out)
}

#[test]
fn integers_of_the_rfc() {
    // C.1 by way of what has such a prefix: a size update has 5 bits, an indexed field 7.
    let mut decoder = Decoder::new(SIZE_AT_FIRST);
    assert_eq!(decode(&mut decoder, &[0x2a]), []);
    assert_eq!(decoder.table().bytes_max(), 10);
    assert_eq!(decode(&mut decoder, &[0x3f, 0x9a, 0x0a]), []);
    assert_eq!(decoder.table().bytes_max(), 1_337);
    // A prefix full of ones, and nothing to add to it; also with bytes that add nothing.
    assert_eq!(decode(&mut decoder, &[0x3f, 0x00]), []);
    assert_eq!(decoder.table().bytes_max(), 31);
    assert_eq!(decode(&mut decoder, &[0x3f, 0x81, 0x80, 0x80, 0x00]), []);
    assert_eq!(decoder.table().bytes_max(), 32);
}

#[test]
fn literals_of_the_rfc() {
    // C.2.1 to C.2.4
    let custom = "custom-key: custom-header";
    example(
        SIZE_AT_FIRST,
        &[(
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            custom,
            custom,
            55,
        )],
    );
    example(
        SIZE_AT_FIRST,
        &[
            (
                "040c 2f73 616d 706c 652f 7061 7468",
                ":path: /sample/path",
                "",
                0,
            ),
            (
                "1008 7061 7373 776f 7264 0673 6563 7265 74",
                "password: secret",
                "",
                0,
            ),
            ("82", ":method: GET", "", 0),
        ],
    );
}

/// C.3 and C.4 have the same fields.
fn requests(blocks: [&str; 3]) {
    let authority = ":authority: www.example.com";
    let cached = format!("cache-control: no-cache\n{authority}");
    let custom = format!("custom-key: custom-value\n{cached}");
    let [first, second, third] = blocks;
    let fields = format!(":method: GET\n:scheme: http\n:path: /\n{authority}");
    let fields_cached = format!("{fields}\ncache-control: no-cache");
    let fields_custom = format!(
        ":method: GET\n:scheme: https\n:path: /index.html\n{authority}\ncustom-key: custom-value"
    );
    example(
        SIZE_AT_FIRST,
        &[
            (first, &fields, authority, 57),
            (second, &fields_cached, &cached, 110),
            (third, &fields_custom, &custom, 164),
        ],
    );
}

#[test]
fn requests_of_the_rfc() {
    requests([
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ]);
}

#[test]
fn requests_of_the_rfc_with_huffman() {
    requests([
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e95b a97d7f 8925 a849 e95b b8e8 b4bf",
    ]);
}

/// C.5 and C.6 have the same fields. The table has 256 bytes, so that entries are evicted.
fn responses(blocks: [&str; 3]) {
    let [first, second, third] = blocks;
    let location = "location: https://www.example.com";
    let dated = "date: Mon, 21 Oct 2013 20:13:21 GMT";
    let later = "date: Mon, 21 Oct 2013 20:13:22 GMT";
    let private = "cache-control: private";
    let gzip = "content-encoding: gzip";
    let cookie = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
    let rest = format!("{private}\n{dated}\n{location}");
    example(
        256,
        &[
            (
                first,
                &format!(":status: 302\n{rest}"),
                &format!("{location}\n{dated}\n{private}\n:status: 302"),
                222,
            ),
            (
                second,
                &format!(":status: 307\n{rest}"),
                &format!(":status: 307\n{location}\n{dated}\n{private}"),
                222,
            ),
            (
                third,
                &format!(":status: 200\n{private}\n{later}\n{location}\n{gzip}\n{cookie}"),
                &format!("{cookie}\n{gzip}\n{later}"),
                215,
            ),
        ],
    );
}

#[test]
fn responses_of_the_rfc() {
    responses([
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
         2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
         6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
         54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
         5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
         3d31",
    ]);
}

#[test]
fn responses_of_the_rfc_with_huffman() {
    responses([
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
         2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
         77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
         9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ]);
}

#[test]
fn integers_must_not_be_longer_than_any_block() {
    for block in [
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0x00][..],
        &[0xff, 0x80, 0x80, 0x80, 0x80, 0x00],
        &[0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f],
    ] {
        assert_eq!(malformed(block), Malformed::IntegerTooLong, "{block:x?}");
    }
    // The greatest there are.
    assert_eq!(
        malformed(&[0xff, 0xff, 0xff, 0xff, 0x7f]),
        Malformed::UnknownIndex
    );
    assert_eq!(
        malformed(&[0x00, 0x7f, 0xff, 0xff, 0xff, 0x7f]),
        Malformed::Truncated
    );
}

#[test]
fn indices_must_be_of_an_entry() {
    // 0, the first one of an empty dynamic table, and as the name of a literal of each kind.
    for block in [
        &[0x80][..],
        &[0xbe],
        &[0x7e, 0x01, b'a'],
        &[0x0f, 0x2f, 0x01, b'a'],
        &[0x1f, 0x2f, 0x01, b'a'],
    ] {
        assert_eq!(malformed(block), Malformed::UnknownIndex, "{block:x?}");
    }
    let mut decoder = Decoder::new(SIZE_AT_FIRST);
    let block = [0x40, 0x01, b'a', 0x01, b'b', 0xbe, 0xbf];
    let (fields, result) = try_decode(&mut decoder, &block);
    assert_eq!(fields, listed("a: b\na: b"));
    assert_eq!(result, Err(Malformed::UnknownIndex));
}

#[test]
fn a_block_must_not_end_inside_a_field() {
    for block in [
        &[0xff][..],
        &[0xff, 0x80],
        &[0x40],
        &[0x40, 0x01],
        &[0x40, 0x01, b'a'],
        &[0x40, 0x01, b'a', 0x02, b'b'],
        &[0x44],
        &[0x0f],
        &[0x04, 0x82, 0x60],
        &[0x3f],
    ] {
        assert_eq!(malformed(block), Malformed::Truncated, "{block:x?}");
    }
    assert_eq!(decode(&mut Decoder::new(SIZE_AT_FIRST), &[]), []);
}

#[test]
fn sizes_change_at_the_beginning_alone() {
    assert_eq!(malformed(&[0x82, 0x20]), Malformed::SizeUpdateTooLate);
    assert_eq!(
        malformed(&[0x20, 0x82, 0x3f, 0x01]),
        Malformed::SizeUpdateTooLate
    );
    // 4,097
    assert_eq!(
        malformed(&[0x3f, 0xe2, 0x1f]),
        Malformed::SizeUpdateTooLarge
    );
    let mut decoder = Decoder::new(SIZE_AT_FIRST);
    decode(&mut decoder, &[0x40, 0x01, b'a', 0x01, b'b']);
    // To nothing and back to 4,096: what was there is gone.
    assert_eq!(
        decode(&mut decoder, &[0x20, 0x3f, 0xe1, 0x1f, 0x82]),
        listed(":method: GET")
    );
    assert_eq!(decoder.table().bytes_max(), 4_096);
    assert_eq!(table(&decoder), []);
}

#[test]
fn a_larger_table_has_to_be_asked_for() {
    let mut decoder = Decoder::new(65_536);
    assert_eq!(decoder.table().bytes_max(), 4_096);
    // 65,536
    decode(&mut decoder, &[0x3f, 0xe1, 0xff, 0x03]);
    assert_eq!(decoder.table().bytes_max(), 65_536);
}

#[test]
fn a_lower_size_evicts_the_oldest() {
    let mut decoder = Decoder::new(SIZE_AT_FIRST);
    decode(
        &mut decoder,
        &[0x40, 1, b'a', 1, b'b', 0x40, 1, b'c', 1, b'd'],
    );
    // 34 bytes are one of the two, 33 are none.
    decode(&mut decoder, &[0x3f, 0x03]);
    assert_eq!(table(&decoder), listed("c: d"));
    decode(&mut decoder, &[0x3f, 0x02]);
    assert_eq!(table(&decoder), []);
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    let mut decoder = Decoder::new(40);
    decode(&mut decoder, &[0x40, 1, b'a', 1, b'b']);
    assert_eq!(decoder.table().bytes(), 34);
    let large = decode(
        &mut decoder,
        &[0x40, 1, b'a', 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x82],
    );
    assert_eq!(large[0], (b"a".to_vec(), vec![1, 2, 3, 4, 5, 6, 7, 8]));
    assert_eq!(large.len(), 2);
    assert_eq!(table(&decoder), []);
    assert_eq!(decoder.table().bytes(), 0);
    // As large as the table is not larger.
    decode(&mut decoder, &[0x40, 1, b'a', 7, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(decoder.table().bytes(), 40);
}

#[test]
fn a_name_may_be_of_the_entry_that_is_evicted() {
    let mut decoder = Decoder::new(40);
    decode(&mut decoder, &[0x40, 1, b'a', 1, b'b']);
    assert_eq!(decode(&mut decoder, &[0x7e, 1, b'c']), listed("a: c"));
    assert_eq!(table(&decoder), listed("a: c"));
    // And of one that is evicted for an entry which then does not fit.
    let block = [0x7e, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(decode(&mut decoder, &block)[0].0, b"a");
    assert_eq!(table(&decoder), []);
}

#[test]
fn a_literal_that_is_not_to_be_indexed_is_not() {
    let mut decoder = Decoder::new(SIZE_AT_FIRST);
    let block = [0x00, 1, b'a', 1, b'b', 0x10, 1, b'c', 0, 0x1f, 0, 1, b'd'];
    let fields = decode(&mut decoder, &block);
    assert_eq!(fields, listed("a: b\nc: \naccept-charset: d"));
    assert_eq!(table(&decoder), []);
}

#[test]
fn every_code_of_the_rfc() {
    for symbol in 0..=255_u8 {
        // At each place in a byte, before and behind others.
        for before in 0..8 {
            let mut text = vec![b'0'; before];
            text.extend([symbol, b'z', symbol]);
            assert_eq!(unhuffman(&huffman_coded(&text)), Ok(text));
        }
    }
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(unhuffman(&huffman_coded(&all)), Ok(all));
}

#[test]
fn padding_is_the_beginning_of_eos() {
    assert_eq!(unhuffman(&[]), Ok(vec![]));
    // "0" is 00000.
    assert_eq!(unhuffman(&[0b0000_0111]), Ok(vec![b'0']));
    for byte in [0b0000_0110, 0b0000_0011, 0b0000_0000] {
        assert_eq!(unhuffman(&[byte]), Err(Malformed::PaddingNotOnes));
    }
    // "&" is 11111000, and its beginning is no padding.
    assert_eq!(unhuffman(&[0b0000_0111, 0b1100_0111]), Ok(b"0&".to_vec()));
    assert_eq!(
        unhuffman(&[0b0000_0111, 0b1100_0110]),
        Err(Malformed::PaddingNotOnes)
    );
    assert_eq!(
        unhuffman(&[0b0010_1011, 0b1111_1001]),
        Err(Malformed::PaddingNotOnes)
    );
    // A code of 30 bits that ends too early.
    let long = huffman_coded(b"\n");
    assert_eq!(unhuffman(&long[..3]), Err(Malformed::PaddingTooLong));
    for bytes in 1..=3 {
        assert_eq!(
            unhuffman(&vec![0xff; bytes]),
            Err(Malformed::PaddingTooLong)
        );
        let mut coded = vec![0b0000_0111];
        coded.extend(vec![0xff; bytes]);
        assert_eq!(unhuffman(&coded), Err(Malformed::PaddingTooLong));
    }
    // In a block, too.
    assert_eq!(
        malformed(&[0x04, 0x82, 0x07, 0xff]),
        Malformed::PaddingTooLong
    );
}

#[test]
fn eos_is_no_part_of_a_string() {
    assert_eq!(unhuffman(&[0xff; 4]), Err(Malformed::EndOfString));
    assert_eq!(unhuffman(&[0xff; 40]), Err(Malformed::EndOfString));
    for before in 0..16 {
        for after in 0..16 {
            let mut bits = Vec::new();
            (0..before).for_each(|_| push_code(&mut bits, usize::from(b'0')));
            push_code(&mut bits, 256);
            (0..after).for_each(|_| push_code(&mut bits, usize::from(b'0')));
            while !bits.len().is_multiple_of(8) {
                bits.push(true);
            }
            assert_eq!(unhuffman(&packed(&bits)), Err(Malformed::EndOfString));
        }
    }
}

#[test]
fn names_and_fields_are_those_of_the_static_table() {
    for (place, (name, value)) in STATIC.into_iter().enumerate() {
        let mut out = Vec::new();
        field(&mut out, name, value);
        assert_eq!(out, [0x81 + u8::try_from(place).unwrap()]);
        let mut out = Vec::new();
        field(&mut out, name, b"?");
        let first = STATIC.iter().position(|entry| entry.0 == name).unwrap();
        // The name is an index, so that the value is all that is written out.
        assert_eq!(out.len(), if first + 1 < 15 { 3 } else { 4 });
        assert_eq!(decode(&mut Decoder::new(0), &out), [owned((name, b"?"))]);
    }
}

#[test]
fn what_an_answer_looks_like() {
    let mut out = Vec::new();
    forget_table(&mut out);
    status(&mut out, 200);
    status(&mut out, 429);
    field(&mut out, b"vary", b"");
    field(&mut out, b"age", b"7");
    field(&mut out, b"x", &[b'y'; 127]);
    let mut expected = hex("20 88 08 03 343239 bb 0f06 01 37 00 01 78 7f00");
    expected.extend([b'y'; 127]);
    assert_eq!(out, expected);
}

/// What a client may do.
#[derive(Debug, Clone)]
enum Step {
    /// Of all indices there are then.
    Indexed(prop::sample::Index),
    /// The first bits of its kind, a name if it is not indexed, a value; and whether they are Huffman-coded.
    Literal(u8, Result<Vec<u8>, prop::sample::Index>, Vec<u8>, bool),
    /// The block ends, and the next one begins with this size.
    Resize(usize),
}

fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>();
    let name = prop_oneof![vec(any::<u8>(), 0..24).prop_map(Ok), index.prop_map(Err)];
    let kind = prop_oneof![3 => Just(0x40_u8), 1 => Just(0x00), 1 => Just(0x10)];
    let step = prop_oneof![
        4 => any::<prop::sample::Index>().prop_map(Step::Indexed),
        8 => (kind, name, vec(any::<u8>(), 0..60), any::<bool>())
            .prop_map(|(kind, name, value, coded)| Step::Literal(kind, name, value, coded)),
        1 => (0..=256_usize).prop_map(Step::Resize),
    ];
    vec(step, 0..count)
}

/// The other side of the connection, done plainly.
struct Model {
    entries: Vec<Field>,
    bytes_max: usize,
    block: Vec<u8>,
    fields: Vec<Field>,
}

impl Model {
    fn new() -> Self {
        Self {
            entries: Vec::new(),
            bytes_max: 256,
            block: Vec::new(),
            fields: Vec::new(),
        }
    }

    fn bytes(&self) -> usize {
        let sizes = self
            .entries
            .iter()
            .map(|(name, value)| name.len() + value.len() + 32);
        sizes.sum()
    }

    fn evict(&mut self) {
        while self.bytes() > self.bytes_max {
            self.entries.pop();
        }
    }

    fn field(&self, index: prop::sample::Index) -> (usize, Field) {
        let all: Vec<Field> = STATIC
            .into_iter()
            .map(owned)
            .chain(self.entries.iter().cloned())
            .collect();
        let place = index.index(all.len());
        (place + 1, all[place].clone())
    }

    fn integer(&mut self, mark: u8, prefix: u8, value: usize) {
        if value < usize::from(prefix) {
            self.block.push(mark | u8::try_from(value).unwrap());
            return;
        }
        self.block.push(mark | prefix);
        let mut left = value - usize::from(prefix);
        while left >= 128 {
            self.block.push(u8::try_from(left % 128 + 128).unwrap());
            left /= 128;
        }
        self.block.push(u8::try_from(left).unwrap());
    }

    fn string(&mut self, text: &[u8], coded: bool) {
        let (mark, text) = if coded {
            (0x80, huffman_coded(text))
        } else {
            (0, text.to_vec())
        };
        self.integer(mark, 0x7f, text.len());
        self.block.extend(text);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Indexed(index) => {
                let (index, field) = self.field(index);
                self.integer(0x80, 0x7f, index);
                self.fields.push(field);
            }
            Step::Literal(kind, name, value, coded) => {
                let prefix = if kind == 0x40 { 0x3f } else { 0x0f };
                let name = match name {
                    Ok(name) => {
                        self.integer(kind, prefix, 0);
                        self.string(&name, coded);
                        name
                    }
                    Err(index) => {
                        let (index, (name, _)) = self.field(index);
                        self.integer(kind, prefix, index);
                        name
                    }
                };
                self.string(&value, coded);
                self.fields.push((name.clone(), value.clone()));
                if kind == 0x40 {
                    self.entries.insert(0, (name, value));
                    self.evict();
                }
            }
            Step::Resize(bytes_max) => {
                self.integer(0x20, 0x1f, bytes_max);
                self.bytes_max = bytes_max;
                self.evict();
            }
        }
    }
}

/// Any bytes, and such as are likelier to mean something.
fn blocks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = prop_oneof![
        2 => any::<u8>(),
        1 => prop_oneof![Just(0x40), Just(0xbe), Just(0xbf), Just(0x20), Just(0x3f), 0..4_u8],
    ];
    vec(vec(byte, 0..120), 0..8)
}

proptest! {
    #[test]
    fn both_sides_agree(steps in steps(60)) {
        let mut model = Model::new();
        let mut decoder = Decoder::new(256);
        for step in steps {
            if matches!(step, Step::Resize(_)) {
                let block = std::mem::take(&mut model.block);
                prop_assert_eq!(decode(&mut decoder, &block), std::mem::take(&mut model.fields));
                prop_assert_eq!(table(&decoder), &model.entries[..]);
            }
            model.step(step);
        }
        prop_assert_eq!(decode(&mut decoder, &model.block), &model.fields[..]);
        prop_assert_eq!(table(&decoder), &model.entries[..]);
        prop_assert_eq!(decoder.table().bytes(), model.bytes());
    }

    #[test]
    fn what_is_written_is_read(
        code in 100..1_000_u16,
        fields in vec((
            prop_oneof![
                prop::sample::select(STATIC.to_vec()).prop_map(|entry| entry.0.to_vec()),
                vec(any::<u8>(), 0..200),
            ],
            prop_oneof![
                prop::sample::select(STATIC.to_vec()).prop_map(|entry| entry.1.to_vec()),
                vec(any::<u8>(), 0..400),
            ],
        ), 0..20),
    ) {
        let mut out = Vec::new();
        forget_table(&mut out);
        status(&mut out, code);
        for (name, value) in &fields {
            field(&mut out, name, value);
        }
        let mut decoder = Decoder::new(SIZE_AT_FIRST);
        let decoded = decode(&mut decoder, &out);
        prop_assert_eq!(&decoded[0], &owned((b":status", code.to_string().as_bytes())));
        prop_assert_eq!(&decoded[1..], &fields[..]);
        prop_assert_eq!(decoder.table().bytes_max(), 0);
        prop_assert_eq!(table(&decoder), []);
    }

    #[test]
    fn any_bytes_keep_to_the_limit(table_bytes_max in 0..200_usize, blocks in blocks()) {
        let mut decoder = Decoder::new(table_bytes_max);
        for block in blocks {
            drop(try_decode(&mut decoder, &block));
            let entries = decoder.table().entries();
            let bytes: usize = entries.map(|(name, value)| name.len() + value.len() + 32).sum();
            prop_assert_eq!(decoder.table().bytes(), bytes);
            prop_assert!(bytes <= decoder.table().bytes_max());
            prop_assert!(decoder.table().bytes_max() <= table_bytes_max);
        }
    }

    #[test]
    fn a_block_cut_off_has_fewer_fields(steps in steps(10)) {
        let mut model = Model::new();
        steps
            .into_iter()
            .filter(|step| !matches!(step, Step::Resize(_)))
            .for_each(|step| model.step(step));
        for end in 0..model.block.len() {
            let (fields, result) = try_decode(&mut Decoder::new(256), &model.block[..end]);
            prop_assert!(matches!(result, Ok(()) | Err(Malformed::Truncated)));
            prop_assert!(fields.len() < model.fields.len());
            prop_assert!(model.fields.starts_with(&fields));
        }
    }

    #[test]
    fn any_text_is_the_same_in_the_huffman_code(text in vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(unhuffman(&huffman_coded(&text)), Ok(text));
    }

    /// There is one way to code a text, so that whatever is accepted is that.
    #[test]
    fn any_bytes_in_the_huffman_code(
        coded in vec(prop_oneof![3 => any::<u8>(), 1 => Just(0xff)], 0..40),
    ) {
        if let Ok(text) = unhuffman(&coded) {
            prop_assert!(text.len() <= coded.len() * 8 / 5);
            prop_assert_eq!(huffman_coded(&text), coded);
        }
    }
}
