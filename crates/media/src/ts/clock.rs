//! The clock of a transport stream: 33 bits, 90,000 ticks a second (ISO/IEC 13818-1 section 2.4.2.1).

/// A difference of two 33-bit timestamps, in the nearer of its two readings.
pub(super) fn signed_33(difference: u64) -> i64 {
    let low = difference & (u64::MAX >> 31);
    (low << 31).cast_signed() >> 31
}

/// Follows the 33-bit clock of a stream over its wraps, which come every 26.5 hours.
#[derive(Debug, Default)]
pub(super) struct Unwrap {
    last: Option<(u64, i64)>,
}

impl Unwrap {
    /// The timestamp as ticks since the first one; the nearer of the two readings of a step is taken.
    pub(super) fn next(&mut self, timestamp: u64) -> i64 {
        let value = match self.last {
            None => 0,
            Some((last, value)) => value.saturating_add(signed_33(timestamp.wrapping_sub(last))),
        };
        self.last = Some((timestamp, value));
        value
    }
}
