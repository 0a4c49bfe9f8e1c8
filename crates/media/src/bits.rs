//! Bits of a codec configuration, from the most significant one on; every read ends where the data does.

/// Reads bits, and is at its end for good once they run out.
#[derive(Debug, Clone)]
pub(crate) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The next `count` bits, at most 32.
    pub(crate) fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..count {
            let byte = *self.data.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// Passes over bits, which have to be there.
    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        let at = self.at.checked_add(count)?;
        if at > self.data.len().saturating_mul(8) {
            return None;
        }
        self.at = at;
        Some(())
    }

    /// An unsigned Exp-Golomb number (H.264 section 9.1, H.265 section 9.2); `None` too for one of more than 32 bits.
    pub(crate) fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros >= 32 {
                return None;
            }
        }
        // At most 2^31 - 1 is added to at most 2^31 - 1.
        Some((1_u32 << zeros) - 1 + self.take(zeros)?)
    }
}

/// The payload of a NAL unit without what keeps start codes out of it: `00 00 03` stands for `00 00` (H.265 section
/// 7.3.1.1).
pub(crate) fn unescaped(nal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes of a text of 0 and 1, filled up with zeros.
    pub(crate) fn pack(bits: &str) -> Vec<u8> {
        let bits: Vec<_> = bits.bytes().filter(|b| matches!(b, b'0' | b'1')).collect();
        let byte = |bits: &[u8]| {
            bits.iter()
                .enumerate()
                .fold(0, |sum, (i, bit)| sum | (bit - b'0') << (7 - i))
        };
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn numbers_are_read_and_end_with_the_data() {
        let data = pack("1 010 011 00100 0001");
        let mut bits = Bits::new(&data);
        let read = [(); 4].map(|()| bits.golomb());
        assert_eq!(read, [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(bits.golomb(), None);
        let mut bits = Bits::new(&data);
        assert_eq!((bits.skip(12), bits.take(4)), (Some(()), Some(1)));
        assert_eq!((bits.take(1), bits.skip(1)), (None, None));
        assert_eq!(bits.skip(usize::MAX), None);
        assert_eq!(Bits::new(&[0; 8]).golomb(), None);
        // The largest number that 63 bits hold.
        let largest = pack(&format!("{:031b}1{}", 0, "1".repeat(31)));
        assert_eq!(Bits::new(&largest).golomb(), Some(u32::MAX - 1));
    }

    #[test]
    fn escapes_are_taken_out() {
        assert_eq!(unescaped(&[0, 0, 3, 1, 0, 0, 3]), [0, 0, 1, 0, 0]);
        assert_eq!(unescaped(&[0, 3, 0, 0, 0, 3]), [0, 3, 0, 0, 0]);
        assert_eq!(unescaped(&[0, 0, 3, 0, 0, 3, 3]), [0, 0, 0, 0, 3]);
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read(values in proptest::collection::vec(0..u32::MAX - 1, 0..20)) {
            let mut text = String::new();
            for &value in &values {
                let number = u64::from(value) + 1;
                let digits = format!("{number:b}");
                text.push_str(&"0".repeat(digits.len() - 1));
                text.push_str(&digits);
            }
            let data = pack(&text);
            let mut bits = Bits::new(&data);
            for value in values {
                prop_assert_eq!(bits.golomb(), Some(value));
            }
        }
    }
}
