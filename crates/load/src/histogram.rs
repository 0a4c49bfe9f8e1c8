//! A log-linear histogram of microseconds: 64 steps per doubling, so that no value is off by more than 1.6 %.
//!
//! Recording is an increment. Histograms of many workers and seconds merge by addition, and travel as the few buckets
//! that are not empty. Percentiles say the upper end of a bucket: never better than what was seen.

use serde::{Deserialize, Serialize};

/// Bits of a value that are kept below its highest one.
const STEP_BITS: u32 = 6;

/// Steps per doubling.
const STEPS: u64 = 1 << STEP_BITS;

/// Values from here on are counted as this one: 2^36 microseconds are 19 hours.
const VALUE_MAX: u64 = (1 << 36) - 1;

/// Buckets: the exact ones, and one group of steps per doubling after them.
const BUCKETS: usize = 64 * (36 - 6 + 1);

/// Counts of values, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Sparse", into = "Sparse")]
pub struct Histogram {
    /// One count per bucket; empty until the first value, so that a quiet second costs nothing.
    counts: Vec<u64>,
    total: u64,
    largest: u64,
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, micros: u64) {
        self.record_many(micros, 1);
    }

    /// Counts the same value several times.
    pub fn record_many(&mut self, micros: u64, times: u64) {
        if times == 0 {
            return;
        }
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count += times;
        }
        self.total += times;
        self.largest = self.largest.max(micros);
    }

    /// Adds everything that another one counted.
    pub fn merge(&mut self, other: &Self) {
        if other.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        for (mine, others) in self.counts.iter_mut().zip(&other.counts) {
            *mine += others;
        }
        self.total += other.total;
        self.largest = self.largest.max(other.largest);
    }

    /// How many values were counted.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The largest value, exactly.
    #[must_use]
    pub const fn largest(&self) -> u64 {
        self.largest
    }

    /// The value that so many in a thousand do not exceed; 0 when nothing was counted.
    #[must_use]
    pub fn per_mille(&self, share: u32) -> u64 {
        let rank = (u128::from(self.total) * u128::from(share.min(1000))).div_ceil(1000);
        let rank = u64::try_from(rank).unwrap_or(u64::MAX).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_end(index).min(self.largest);
            }
        }
        self.largest
    }
}

/// The bucket of a value. Values below 128 have one of their own.
fn bucket(micros: u64) -> usize {
    let value = micros.min(VALUE_MAX);
    let exponent = value
        .checked_ilog2()
        .map_or(0, |log| log.saturating_sub(STEP_BITS));
    // The highest bit and the six after it: 64 to 127, or below 64 for the smallest values.
    let mantissa = value >> exponent;
    usize::try_from(u64::from(exponent) * STEPS + mantissa).unwrap_or(BUCKETS - 1)
}

/// The largest value that falls into a bucket.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let exponent = bucket / STEPS - 1;
    let mantissa = bucket - exponent * STEPS;
    ((mantissa + 1) << exponent) - 1
}

/// How a histogram travels: bucket and count of those that are not empty.
#[derive(Serialize, Deserialize)]
struct Sparse {
    buckets: Vec<(usize, u64)>,
    largest: u64,
}

impl From<Histogram> for Sparse {
    fn from(histogram: Histogram) -> Self {
        let filled = histogram.counts.into_iter().enumerate();
        Self {
            buckets: filled.filter(|(_, count)| *count > 0).collect(),
            largest: histogram.largest,
        }
    }
}

impl From<Sparse> for Histogram {
    fn from(sparse: Sparse) -> Self {
        let mut histogram = Self::default();
        for (index, count) in sparse.buckets {
            histogram.record_many(upper_end(index.min(BUCKETS - 1)), count);
        }
        histogram.largest = sparse.largest;
        histogram
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.record(*value);
        }
        histogram
    }

    #[test]
    fn every_value_has_a_bucket_that_is_close_above_it() {
        let values = (0..200_u64).chain((0..36).flat_map(|bit| {
            let power = 1_u64 << bit;
            [power.saturating_sub(1), power, power + 1, power + power / 3]
        }));
        for value in values.filter(|value| *value <= VALUE_MAX) {
            let end = upper_end(bucket(value));
            assert!(end >= value, "{value} -> {end}");
            assert!(end - value <= value / 64, "{value} -> {end}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn an_empty_one_says_zero() {
        let empty = Histogram::default();
        assert_eq!(
            (empty.per_mille(990), empty.largest(), empty.total()),
            (0, 0, 0)
        );
    }

    #[test]
    fn percentiles_of_a_hundred_values() {
        let values: Vec<u64> = (1..=100).collect();
        let histogram = of(&values);
        assert_eq!(histogram.per_mille(500), 50);
        assert_eq!(histogram.per_mille(990), 99);
        assert_eq!(histogram.per_mille(1000), 100);
    }

    proptest! {
        #[test]
        fn a_percentile_is_the_sorted_list_s_within_a_step(
            mut values in prop::collection::vec(0_u64..1 << 36, 1..300), share in 1_u32..=1000,
        ) {
            let histogram = of(&values);
            values.sort_unstable();
            let rank = (values.len() as u64 * u64::from(share)).div_ceil(1000).max(1);
            let exact = values[usize::try_from(rank).unwrap() - 1];
            let told = histogram.per_mille(share);
            prop_assert!(told >= exact && told - exact <= exact / 64, "{told} for {exact}");
        }

        #[test]
        fn merging_is_recording_everything_in_one(
            left in prop::collection::vec(any::<u64>(), 0..60), right in prop::collection::vec(any::<u64>(), 0..60),
        ) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            let all: Vec<u64> = left.into_iter().chain(right).collect();
            prop_assert_eq!(merged, of(&all));
        }

        #[test]
        fn it_travels_unchanged(values in prop::collection::vec(any::<u64>(), 0..60)) {
            let histogram = of(&values);
            let line = serde_json::to_string(&histogram).unwrap();
            let back: Histogram = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(back, histogram);
        }
    }
}
