//! Counts of latencies by size: exact below 128 microseconds, within 1.6 % above.

/// Buckets of each power of two.
const FINE: u64 = 64;

/// A histogram of microseconds.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    most: u64,
}

impl Histogram {
    /// Counts one value.
    pub fn add(&mut self, microseconds: u64) {
        let bucket = bucket(microseconds);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.most = self.most.max(microseconds);
    }

    /// How many values there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The largest value, 0 when there is none.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most
    }

    /// The smallest value that `per_mille` thousandths of all values do not exceed, rounded up to its bucket's end; 0 when
    /// there is none.
    #[must_use]
    pub fn percentile(&self, per_mille: u64) -> u64 {
        let wanted = (self.total * per_mille).div_ceil(1000);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return last_of(bucket).min(self.most);
            }
        }
        self.most
    }
}

fn bucket(value: u64) -> usize {
    if value < 2 * FINE {
        return usize::try_from(value).unwrap_or(usize::MAX);
    }
    let shift = u64::from(value.ilog2()) - 6;
    usize::try_from((shift + 1) * FINE + (value >> shift) - FINE).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    if bucket < 2 * FINE {
        return bucket;
    }
    let shift = bucket / FINE - 1;
    ((bucket % FINE + FINE + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_holds_its_value_and_is_narrow(value in 0_u64..1 << 40) {
            let last = last_of(bucket(value));
            prop_assert!(last >= value);
            prop_assert!(last - value <= value / 64);
            prop_assert_eq!(bucket(last), bucket(value));
            prop_assert_eq!(bucket(last + 1), bucket(value) + 1);
        }

        #[test]
        fn percentiles_are_near_the_sorted_ones(mut values in proptest::collection::vec(0_u64..10_000_000, 1..500), per_mille in 1_u64..=1000) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.add(*value));
            values.sort_unstable();
            let rank = (values.len() * usize::try_from(per_mille).unwrap()).div_ceil(1000);
            let exact = values[rank - 1];
            let told = histogram.percentile(per_mille);
            prop_assert!(told >= exact && told - exact <= exact / 64, "{told} for {exact}");
        }
    }

    #[test]
    fn an_empty_one_is_all_zero() {
        let empty = Histogram::default();
        assert_eq!(
            (empty.percentile(990), empty.most(), empty.total()),
            (0, 0, 0)
        );
    }
}
