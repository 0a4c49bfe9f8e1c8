//! Bodies of the fuzz targets: each takes any bytes and panics when a law is broken.
//!
//! They live here so that the targets are one line each, and so that a test runs them on every change.

use crate::simulcast::hold_to_the_laws;

/// A platform that a show is pushed to says this, read by read: after its half of a handshake, or (odd first byte) instead of one.
pub fn fuzz_push(data: &[u8]) {
    let Some((&choice, said)) = data.split_first() else {
        return;
    };
    let read = usize::from(choice).max(1) * 16;
    hold_to_the_laws(choice % 2 == 0, said.chunks(read));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn platforms_of_bytes(data in proptest::collection::vec(any::<u8>(), 0..4_096)) {
            fuzz_push(&data);
        }
    }
}
