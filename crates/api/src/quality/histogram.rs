//! How often something was between fixed bounds: enough to say what half of all stay below, in a few dozen numbers. Pure.

/// Upper bounds of the buckets, milliseconds. What is larger is in one more.
pub(super) const BOUNDS_MS: [u32; 16] = [
    250, 500, 750, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 7_500, 10_000, 15_000, 20_000,
    30_000, 60_000,
];

const BUCKETS: usize = BOUNDS_MS.len() + 1;

/// Spans of time, counted by bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Histogram {
    counts: [u32; BUCKETS],
}

impl Histogram {
    /// One more.
    pub(super) fn count(&mut self, ms: u32) {
        let bucket = BOUNDS_MS.partition_point(|bound| *bound < ms);
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
    }

    /// All of another, too.
    pub(super) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
    }

    /// How many were counted.
    pub(super) fn total(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// What so many percent stay below, milliseconds: as if those of a bucket lay evenly in it. Of the last, which has no end, its
    /// beginning. `None` where nothing was counted.
    pub(super) fn quantile(&self, percent: u64) -> Option<u64> {
        let total = self.total();
        let rank = (total * percent.min(100)).div_ceil(100).max(1);
        let mut below = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            let count = u64::from(*count);
            if below + count >= rank {
                let lower = match bucket {
                    0 => 0,
                    _ => u64::from(BOUNDS_MS[bucket - 1]),
                };
                let upper = BOUNDS_MS
                    .get(bucket)
                    .map_or(lower, |bound| u64::from(*bound));
                let place = 2 * (rank - below) - 1;
                return Some(lower + (upper - lower) * place / (2 * count));
            }
            below += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_has_no_middle() {
        assert_eq!(Histogram::default().quantile(50), None);
    }

    #[test]
    fn a_value_is_between_the_bounds_of_its_bucket() {
        for (ms, told) in [
            (0, 125),
            (250, 125),
            (251, 375),
            (60_000, 45_000),
            (600_000, 60_000),
        ] {
            let mut histogram = Histogram::default();
            histogram.count(ms);
            assert_eq!(histogram.quantile(50), Some(told), "{ms}");
            assert_eq!(histogram.quantile(95), Some(told), "{ms}");
        }
    }

    proptest! {
        #[test]
        fn a_quantile_is_no_further_off_than_its_bucket_is_wide(
            mut values in proptest::collection::vec(0..70_000_u32, 1..200),
            percent in 1..=100_u64,
        ) {
            let mut histogram = Histogram::default();
            let (front, back) = values.split_at(values.len() / 2);
            let mut other = Histogram::default();
            for value in front {
                histogram.count(*value);
            }
            for value in back {
                other.count(*value);
            }
            histogram.add(&other);
            prop_assert_eq!(histogram.total(), values.len() as u64);
            let told = histogram.quantile(percent).unwrap();
            prop_assert!(histogram.quantile(percent - 1).unwrap() <= told);
            values.sort_unstable();
            let rank = (values.len() * usize::try_from(percent).unwrap()).div_ceil(100);
            let exact = u64::from(values[rank - 1]);
            let bucket = BOUNDS_MS.partition_point(|bound| u64::from(*bound) < exact);
            let bound = |at: usize| BOUNDS_MS.get(at).map_or(60_000, |bound| u64::from(*bound));
            let lower = bucket.checked_sub(1).map_or(0, bound);
            prop_assert!((lower..=bound(bucket)).contains(&told), "{} is not {}", told, exact);
        }
    }
}
