//! What one fan got of one sender's numbered messages: each exactly once, and in order, or it is written down here.
//!
//! A fan who misses nothing costs eight bytes and one comparison per message. Only one who does miss something gets a
//! list of stretches, which tells a late message (a reorder) from a repeated one (a duplicate).

use serde::{Deserialize, Serialize};

use crate::limits::MISSING_STRETCHES_MAX;

/// One fan's account.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    /// The number that must come next.
    next: u32,
    start: Start,
    /// What was skipped, oldest first, as first and last number. Boxed twice so that an honest server's fans pay one
    /// pointer.
    #[expect(
        clippy::box_collection,
        reason = "a Vec is three words, a Box is one, and there are 100,000"
    )]
    missing: Option<Box<Vec<(u32, u32)>>>,
}

/// From which message on a fan is owed everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Start {
    /// From the first: it was there before the sender began.
    #[default]
    Zero,
    /// From whichever comes first: it came while the sender was at it.
    FirstSeen,
}

/// What one message was to the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The next one.
    InOrder,
    /// A later one: so many were skipped.
    Skipped(u32),
    /// One that had been skipped.
    Late,
    /// One that had come before.
    Duplicate,
}

/// What is wrong with accounts, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Messages that fans were owed.
    pub expected: u64,
    /// Different messages that they got.
    pub received: u64,
    /// What never came.
    pub missing: u64,
    /// Fans who miss something.
    pub fans_missing: u64,
}

impl Balance {
    /// Adds another's figures.
    pub(crate) const fn add(&mut self, other: Self) {
        self.expected += other.expected;
        self.received += other.received;
        self.missing += other.missing;
        self.fans_missing += other.fans_missing;
    }
}

impl Ledger {
    /// The account of a fan who came while messages were being sent already.
    pub(crate) const fn from_first_seen() -> Self {
        Self {
            next: 0,
            start: Start::FirstSeen,
            missing: None,
        }
    }

    /// Enters one message.
    pub(crate) fn enter(&mut self, number: u32) -> Entry {
        if self.start == Start::FirstSeen && self.next == 0 {
            self.next = number.saturating_add(1);
            return Entry::InOrder;
        }
        match number.cmp(&self.next) {
            std::cmp::Ordering::Equal => {
                self.next = self.next.saturating_add(1);
                Entry::InOrder
            }
            std::cmp::Ordering::Greater => {
                let first = self.next;
                self.next = number.saturating_add(1);
                let missing = self.missing.get_or_insert_default();
                if missing.len() < MISSING_STRETCHES_MAX {
                    missing.push((first, number - 1));
                }
                Entry::Skipped(number - first)
            }
            std::cmp::Ordering::Less => self.enter_old(number),
        }
    }

    fn enter_old(&mut self, number: u32) -> Entry {
        let Some(missing) = &mut self.missing else {
            return Entry::Duplicate;
        };
        let holds = |(first, last): &(u32, u32)| (*first..=*last).contains(&number);
        let Some(index) = missing.iter().position(holds) else {
            return Entry::Duplicate;
        };
        let (first, last) = missing[index];
        match (number == first, number == last) {
            (true, true) => {
                missing.remove(index);
            }
            (true, false) => missing[index].0 = number + 1,
            (false, true) => missing[index].1 = number - 1,
            (false, false) => {
                missing[index].1 = number - 1;
                missing.insert(index + 1, (number + 1, last));
            }
        }
        Entry::Late
    }

    /// Whether everything that was sent has come. `sent` messages were, but for the refused ones (sorted).
    pub(crate) fn is_settled(&self, sent: u32, refused: &[u32]) -> bool {
        self.missing_of(sent, refused) == 0
    }

    /// The account at the end; see [`Ledger::is_settled`]. `received` is what was entered without the duplicates.
    pub(crate) fn close(&self, sent: u32, refused: &[u32], received: u64) -> Balance {
        let missing = self.missing_of(sent, refused);
        Balance {
            expected: received + missing,
            received,
            missing,
            fans_missing: u64::from(missing > 0),
        }
    }

    fn missing_of(&self, sent: u32, refused: &[u32]) -> u64 {
        if self.start == Start::FirstSeen && self.next == 0 {
            return 0;
        }
        let inner = self.missing.iter().flat_map(|missing| missing.iter());
        let mut owed: u64 = inner
            .map(|(first, last)| accepted(*first, *last, refused))
            .sum();
        if self.next < sent {
            owed += accepted(self.next, sent - 1, refused);
        }
        owed
    }
}

/// How many of the numbers from `first` to `last` the server took.
fn accepted(first: u32, last: u32, refused: &[u32]) -> u64 {
    let from = refused.partition_point(|number| *number < first);
    let to = refused.partition_point(|number| *number <= last);
    u64::from(last - first) + 1 - (to - from) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_honest_server_s_fan_is_settled() {
        let mut ledger = Ledger::default();
        for number in 0..5 {
            assert_eq!(ledger.enter(number), Entry::InOrder);
        }
        assert!(ledger.is_settled(5, &[]));
        assert!(!ledger.is_settled(6, &[]), "one more was sent");
        assert!(ledger.is_settled(6, &[5]), "but it was refused");
    }

    #[test]
    fn who_came_late_is_owed_what_follows() {
        let mut ledger = Ledger::from_first_seen();
        assert!(ledger.is_settled(100, &[]), "nothing was promised yet");
        assert_eq!(ledger.enter(40), Entry::InOrder);
        assert_eq!(ledger.enter(42), Entry::Skipped(1));
        assert_eq!(ledger.enter(41), Entry::Late);
        assert_eq!(ledger.enter(39), Entry::Duplicate);
        assert_eq!(ledger.close(44, &[], 3).missing, 1);
    }

    #[test]
    fn an_account_has_its_bounds() {
        let mut ledger = Ledger::default();
        for number in 0..1_000 {
            ledger.enter(number * 2 + 1);
        }
        let kept = ledger.missing.as_ref().unwrap().len();
        assert_eq!(kept, MISSING_STRETCHES_MAX);
    }

    /// The account as anybody would keep it.
    #[derive(Default)]
    struct Model {
        seen: BTreeSet<u32>,
        next: u32,
    }

    impl Model {
        fn enter(&mut self, number: u32) -> Entry {
            if !self.seen.insert(number) {
                return Entry::Duplicate;
            }
            let next = self.next;
            self.next = next.max(number + 1);
            match number.checked_sub(next) {
                None => Entry::Late,
                Some(0) => Entry::InOrder,
                Some(skipped) => Entry::Skipped(skipped),
            }
        }
    }

    proptest! {
        #[test]
        fn any_order_of_messages_is_judged_as_by_the_model(
            numbers in prop::collection::vec(0_u32..60, 0..150), sent in 60_u32..70,
            refused in prop::collection::btree_set(0_u32..70, 0..8),
        ) {
            let mut ledger = Ledger::default();
            let mut model = Model::default();
            for number in numbers {
                prop_assert_eq!(ledger.enter(number), model.enter(number));
            }
            // What was refused but came nevertheless is no loss, and no credit for another message either.
            let refused: Vec<u32> = refused.into_iter().filter(|number| *number < sent).collect();
            let owed = (0..sent).filter(|n| !model.seen.contains(n) && !refused.contains(n)).count() as u64;
            let balance = ledger.close(sent, &refused, model.seen.len() as u64);
            prop_assert_eq!(balance.missing, owed);
            prop_assert_eq!(ledger.is_settled(sent, &refused), owed == 0);
            prop_assert_eq!(balance.expected - balance.received, owed);
        }
    }
}
