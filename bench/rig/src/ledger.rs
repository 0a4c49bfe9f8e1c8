//! The books of one fan: which messages arrived, in which order, and how often.

/// How a message came, against what the fan has had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The next one, or the first.
    Next,
    /// A newer one; so many between are missing for now.
    Skipped(u64),
    /// One that was missing, after a newer one.
    Late,
    /// One that the fan has had, or one too old to know.
    Duplicate,
}

/// Remembers the newest message and which of the 64 before it came. Messages are numbered from 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ledger {
    newest: u64,
    /// Bit `n` stands for message `newest - n`.
    seen: u64,
}

impl Ledger {
    /// Enters a message.
    pub fn enter(&mut self, number: u64) -> Arrival {
        if number > self.newest {
            let ahead = number - self.newest;
            let first = self.newest == 0;
            self.seen = self
                .seen
                .checked_shl(u32::try_from(ahead).unwrap_or(u32::MAX))
                .unwrap_or(0)
                | 1;
            self.newest = number;
            return match ahead {
                _ if first => Arrival::Next,
                1 => Arrival::Next,
                _ => Arrival::Skipped(ahead - 1),
            };
        }
        let behind = self.newest - number;
        if behind < 64 && self.seen & (1 << behind) == 0 {
            self.seen |= 1 << behind;
            Arrival::Late
        } else {
            Arrival::Duplicate
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(numbers: &[u64]) -> Vec<Arrival> {
        let mut ledger = Ledger::default();
        numbers.iter().map(|number| ledger.enter(*number)).collect()
    }

    #[test]
    fn order_gaps_and_repetitions_are_told_apart() {
        use Arrival::{Duplicate, Late, Next, Skipped};
        assert_eq!(entered(&[1, 2, 3]), [Next, Next, Next]);
        assert_eq!(entered(&[7, 8]), [Next, Next], "a fan may come late");
        assert_eq!(
            entered(&[1, 4, 2, 4, 2, 3, 5]),
            [Next, Skipped(2), Late, Duplicate, Duplicate, Late, Next]
        );
        assert_eq!(
            entered(&[1, 200, 1, 199, 137]),
            [Next, Skipped(198), Duplicate, Late, Late]
        );
        assert_eq!(
            entered(&[1, 65, 1, 2]),
            [Next, Skipped(63), Duplicate, Late]
        );
    }
}
