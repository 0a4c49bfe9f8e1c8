//! Compressed messages (RFC 7692, section 7.2), each by itself: there is no context takeover.
//!
//! Because nothing is carried from one message to the next, one [`Deflater`] and one [`Inflater`] serve any number of
//! connections; a shell has one of each per thread. What an inflater puts out is bounded by its caller, so that a few
//! bytes which stand for gigabytes cost what the longest allowed message costs, and no more.

use std::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use thiserror::Error;

use super::extension::WindowBits;

/// What a compressor ends a flushed block with, and the sender leaves out (section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// First size of an inflater's output.
const OUTPUT_BYTES_MIN: usize = 4 * 1024;

/// Compresses messages, one after the other: about 270 KB.
pub struct Deflater {
    state: Compress,
}

impl Deflater {
    /// A compressor that looks back no further than the window.
    #[must_use]
    pub fn new(window: WindowBits) -> Self {
        Self {
            state: Compress::new_with_window_bits(Compression::default(), false, window.get()),
        }
    }

    /// Appends the compressed payload of one message.
    ///
    /// # Panics
    ///
    /// The compressor is broken: it has no failure that its input could cause.
    pub fn deflate(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        self.state.reset();
        let start = out.len();
        // Enough for nearly every message at once; text shrinks to a third.
        out.reserve(payload.len() / 2 + 64);
        loop {
            let taken = usize::try_from(self.state.total_in()).unwrap_or(usize::MAX);
            let rest = payload.get(taken..).unwrap_or_default();
            self.state
                .compress_vec(rest, out, FlushCompress::Sync)
                .expect("a compressor takes any bytes");
            // With room to spare everything has been flushed.
            if out.len() < out.capacity() {
                break;
            }
            out.reserve(out.len() - start + 64);
        }
        if out[start..].ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").finish_non_exhaustive()
    }
}

/// Inflates messages, one after the other: about 50 KB, and the longest message there was.
pub struct Inflater {
    state: Decompress,
    /// Its length is what may be written to; what was written last is in front.
    output: Vec<u8>,
    filled: usize,
}

/// Why a message cannot be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InflateError {
    /// It is not what a compressor writes.
    #[error("message is not deflated data")]
    Corrupt,
    /// It is longer than allowed.
    #[error("message is longer than allowed when inflated")]
    TooBig,
}

/// How far the compressed bytes reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// All were taken, and more may follow.
    End,
    /// A final block ended behind so many of them.
    Final(usize),
}

impl Inflater {
    /// An inflater for compressors of any window.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Decompress::new(false),
            output: Vec::new(),
            filled: 0,
        }
    }

    /// Inflates the payload of one message, which may have at most `bytes_max` bytes when it is whole.
    ///
    /// # Errors
    ///
    /// The payload is not deflated data, or stands for more than `bytes_max` bytes; no more than those were written.
    pub fn inflate(&mut self, payload: &[u8], bytes_max: usize) -> Result<&[u8], InflateError> {
        self.state.reset(false);
        self.filled = 0;
        match self.push(payload, bytes_max)? {
            Reached::End => {
                self.push(&TAIL, bytes_max)?;
            }
            // Compressors that can only finish a stream leave a byte of 0 behind it (section 7.2.3.4), or nothing.
            Reached::Final(taken) if matches!(payload[taken..], [] | [0]) => {}
            Reached::Final(_) => return Err(InflateError::Corrupt),
        }
        Ok(&self.output[..self.filled])
    }

    fn push(&mut self, input: &[u8], bytes_max: usize) -> Result<Reached, InflateError> {
        // One byte more than allowed shows that there is more than allowed.
        let bound = bytes_max.saturating_add(1);
        let mut taken = 0;
        loop {
            if self.filled == self.output.len() {
                let larger = (self.output.len() * 2).max(OUTPUT_BYTES_MIN);
                self.output.resize(larger.min(bound), 0);
            }
            let end = self.output.len().min(bound);
            let before = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(
                    &input[taken..],
                    &mut self.output[self.filled..end],
                    FlushDecompress::Sync,
                )
                .map_err(|_| InflateError::Corrupt)?;
            let moved = |from: u64, to: u64| usize::try_from(to - from).unwrap_or(usize::MAX);
            taken += moved(before.0, self.state.total_in());
            self.filled += moved(before.1, self.state.total_out());
            if self.filled > bytes_max {
                return Err(InflateError::TooBig);
            }
            match status {
                Status::StreamEnd => return Ok(Reached::Final(taken)),
                // Room was left over, so that all there is has been written.
                Status::Ok | Status::BufError if self.filled < end => {
                    return if taken == input.len() {
                        Ok(Reached::End)
                    } else {
                        Err(InflateError::Corrupt)
                    };
                }
                Status::Ok | Status::BufError => {}
            }
        }
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self::new()
    }
}

/// Says how much is held and not what: it may be a token.
impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("output_bytes", &self.output.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use flate2::{read::DeflateDecoder, write::DeflateEncoder};
    use proptest::prelude::*;

    use super::*;

    fn deflated(window: WindowBits, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Deflater::new(window).deflate(payload, &mut out);
        out
    }

    fn inflated(payload: &[u8], bytes_max: usize) -> Result<Vec<u8>, InflateError> {
        Inflater::new()
            .inflate(payload, bytes_max)
            .map(<[u8]>::to_vec)
    }

    /// The examples of RFC 7692, sections 7.2.3.1, 7.2.3.3, 7.2.3.4 and 7.2.3.6.
    #[test]
    fn the_examples_of_the_specification() {
        let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00".as_slice();
        assert_eq!(deflated(WindowBits::MAX, b"Hello"), hello);
        for form in [
            hello,
            b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
            b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        ] {
            assert_eq!(inflated(form, 5), Ok(b"Hello".to_vec()), "{form:x?}");
        }
        assert_eq!(deflated(WindowBits::MAX, b""), [0]);
        assert_eq!(inflated(&[0], 0), Ok(Vec::new()));
        assert_eq!(inflated(&[], 0), Ok(Vec::new()));
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        let bomb = deflated(WindowBits::MAX, &vec![0; 16 * 1024 * 1024]);
        assert!(bomb.len() < 20_000, "{}", bomb.len());
        let mut inflater = Inflater::new();
        assert_eq!(inflater.inflate(&bomb, 65_536), Err(InflateError::TooBig));
        assert!(inflater.output.capacity() <= 2 * 65_536);
        // And it is as good as new.
        let hello = deflated(WindowBits::MAX, b"Hello");
        assert_eq!(inflater.inflate(&hello, 65_536), Ok(b"Hello".as_slice()));
    }

    #[test]
    fn the_limit_is_exact() {
        for bytes in [0, 1, 4095, 4096, 4097, 65_535, 65_536, 65_537] {
            let payload = deflated(WindowBits::MAX, &vec![7; bytes]);
            assert_eq!(inflated(&payload, bytes), Ok(vec![7; bytes]));
            if bytes > 0 {
                assert_eq!(inflated(&payload, bytes - 1), Err(InflateError::TooBig));
            }
        }
    }

    #[test]
    fn what_no_compressor_writes_is_corrupt() {
        // A reserved kind of block, a stored block whose lengths contradict each other, data behind the final block.
        for payload in [
            b"\x07\x00".as_slice(),
            b"\x00\x05\x00\x00\x00",
            b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00\x00",
        ] {
            assert_eq!(
                inflated(payload, 100),
                Err(InflateError::Corrupt),
                "{payload:x?}"
            );
        }
    }

    /// What is text-like enough to have repetitions, and what is not.
    fn payload() -> impl Strategy<Value = Vec<u8>> {
        let words = prop::collection::vec("[a-f]{1,4} |사랑", 0..400)
            .prop_map(|words| words.concat().into_bytes());
        prop_oneof![words, prop::collection::vec(any::<u8>(), 0..3000)]
    }

    proptest! {
        #[test]
        fn what_is_deflated_inflates_to_the_same(
            payloads in prop::collection::vec(payload(), 1..4),
            bits in 9u8..=15,
        ) {
            let mut deflater = Deflater::new(WindowBits::new(bits).unwrap());
            let mut inflater = Inflater::new();
            for payload in payloads {
                let mut compressed = b"before".to_vec();
                deflater.deflate(&payload, &mut compressed);
                let compressed = &compressed[6..];
                prop_assert!(compressed.len() <= payload.len() + payload.len() / 8 + 64);
                prop_assert_eq!(inflater.inflate(compressed, payload.len()), Ok(payload.as_slice()));
                // A stream decoder that knows nothing of messages reads the same, once the tail is back.
                let mut plain = Vec::new();
                let whole = [compressed, TAIL.as_slice(), &[3, 0]].concat();
                DeflateDecoder::new(whole.as_slice()).read_to_end(&mut plain).unwrap();
                prop_assert_eq!(plain, payload);
            }
        }

        #[test]
        fn finished_streams_of_another_compressor_inflate(payload in payload(), level in 0u32..=9) {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&payload).unwrap();
            let mut compressed = encoder.finish().unwrap();
            prop_assert_eq!(inflated(&compressed, payload.len()), Ok(payload.clone()));
            compressed.push(0);
            prop_assert_eq!(inflated(&compressed, payload.len()), Ok(payload));
        }

        #[test]
        fn any_bytes_have_an_answer_within_the_limit(payload: Vec<u8>, bytes_max in 0usize..200) {
            if let Ok(plain) = inflated(&payload, bytes_max) {
                prop_assert!(plain.len() <= bytes_max);
            }
        }
    }
}
