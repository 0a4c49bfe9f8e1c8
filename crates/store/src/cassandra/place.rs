//! In which partition a message is.

use fanwave_wire::{Channel, Offset, Publication, UnixMillis};

use crate::rows::signed;

const WEEK_MILLIS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// Offsets of one stretch, as a power of two: 16,384 messages of 300 bytes are 5 MB; of 2,400 bytes, which is the largest,
/// 40 MB, and sealed 56 MB. Cassandra does well with partitions of up to 100 MB.
const STRETCH_BITS: u32 = 14;

/// What is in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Sort {
    /// What was said; it goes when its time is over.
    Texts,
    /// What happened; it stays.
    Events,
}

impl Sort {
    const ALL: [Self; 2] = [Self::Texts, Self::Events];

    /// As its column has it.
    pub(super) fn column(self) -> i8 {
        match self {
            Self::Texts => 0,
            Self::Events => 1,
        }
    }

    pub(super) fn from_column(column: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.column() == column)
    }

    pub(super) fn of(publication: &Publication) -> Self {
        match publication.draft.body.as_event() {
            Some(_) => Self::Events,
            None => Self::Texts,
        }
    }
}

/// Partitions of one sort, of one run of a channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Row {
    pub(super) channel: String,
    pub(super) run: i32,
    pub(super) sort: Sort,
}

impl Row {
    pub(super) fn new(channel: &Channel, run: i32, sort: Sort) -> Self {
        Self {
            channel: channel.to_string(),
            run,
            sort,
        }
    }
}

/// One partition of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Bucket {
    /// Which stretch of offsets.
    pub(super) stretch: i64,
    /// Which week since 1970-01-01.
    pub(super) week: i32,
}

impl Bucket {
    /// Where a message is. It follows from the message alone: whoever records it, and however often, writes the same row.
    pub(super) fn of(publication: &Publication) -> Self {
        Self {
            stretch: stretch(publication.offset),
            week: week(publication.at),
        }
    }
}

/// Which stretch an offset is in.
pub(super) fn stretch(offset: Offset) -> i64 {
    signed(offset.0 >> STRETCH_BITS)
}

fn week(at: UnixMillis) -> i32 {
    i32::try_from(at.0 / WEEK_MILLIS).unwrap_or(i32::MAX)
}

/// Whether a week has ended for so long, milliseconds.
pub(super) fn is_over(week: i32, keeps: i64, now: UnixMillis) -> bool {
    let end = (i64::from(week) + 1).saturating_mul(signed(WEEK_MILLIS));
    end.saturating_add(keeps) <= signed(now.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: UnixMillis = UnixMillis(1_800_000_000_000);

    #[test]
    fn a_week_is_over_when_all_of_it_is() {
        let week = week(AT);
        let begins = u64::try_from(week).unwrap() * WEEK_MILLIS;
        let day = 24 * 60 * 60 * 1_000;
        let ends = UnixMillis(begins + WEEK_MILLIS);
        assert!(!is_over(week, day, ends));
        assert!(!is_over(
            week,
            day,
            UnixMillis(ends.0 + day.unsigned_abs() - 1)
        ));
        assert!(is_over(week, day, UnixMillis(ends.0 + day.unsigned_abs())));
        assert!(!is_over(week, i64::MAX, UnixMillis(1 << 62)));
    }

    proptest! {
        #[test]
        fn a_message_is_over_only_when_its_week_is(at: u64, keeps in 0..i64::MAX, now: u64) {
            let at = UnixMillis(at / 1_000);
            if is_over(week(at), keeps, UnixMillis(now)) {
                prop_assert!(at.0.saturating_add(keeps.unsigned_abs()) <= now);
            }
        }

        #[test]
        fn stretches_follow_one_another(offset in 0..u64::MAX) {
            let (here, next) = (stretch(Offset(offset)), stretch(Offset(offset + 1)));
            prop_assert!(next == here || next == here + 1);
        }
    }
}
