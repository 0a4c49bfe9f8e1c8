//! Unmasking (RFC 6455, section 5.3): `transformed[i] = original[i] XOR key[i MOD 4]`.

/// A masking key, turned so that its first byte is for the next byte of payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mask([u8; 4]);

impl Mask {
    pub(super) fn new(key: [u8; 4]) -> Self {
        Self(key)
    }

    /// Unmasks (or masks) a piece of payload in place, and turns the key for the next piece.
    pub(super) fn apply(&mut self, payload: &mut [u8]) {
        let [a, b, c, d] = self.0;
        let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let (words, rest) = payload.as_chunks_mut::<8>();
        for word in words {
            *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
        }
        for (byte, key) in rest.iter_mut().zip(wide.to_ne_bytes()) {
            *byte ^= key;
        }
        self.0.rotate_left(payload.len() % 4);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn in_any_pieces_it_is_the_formula(
            key: [u8; 4], payload: Vec<u8>, cuts in prop::collection::vec(0usize..40, 0..20),
        ) {
            let expected: Vec<u8> = payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
            let mut masked = payload;
            let mut mask = Mask::new(key);
            let mut rest = masked.as_mut_slice();
            for cut in cuts {
                let (piece, after) = rest.split_at_mut(cut.min(rest.len()));
                mask.apply(piece);
                rest = after;
            }
            mask.apply(rest);
            prop_assert_eq!(masked, expected);
        }
    }
}
