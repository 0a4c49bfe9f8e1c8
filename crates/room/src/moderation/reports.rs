//! What fans have told the moderators about: how often of which message, and what was done with.

use std::collections::BTreeMap;

use fanwave_wire::Offset;

use crate::limits::REPORTED_MAX;

/// How a message stands with the moderators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// So many fans have reported it, and nobody has looked at that.
    Open(u32),
    /// A moderator has, and leaves it.
    Dismissed,
}

/// The messages that were reported, by their offset in the chat lane; at most [`REPORTED_MAX`], the oldest makes way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reports(BTreeMap<Offset, Reported>);

impl Reports {
    pub(super) fn of(&self, message: Offset) -> Reported {
        self.0.get(&message).copied().unwrap_or(Reported::Open(0))
    }

    pub(super) fn add(&mut self, message: Offset) {
        if let Reported::Open(count) = self.of(message) {
            self.put(message, Reported::Open(count.saturating_add(1)));
        }
    }

    pub(super) fn dismiss(&mut self, message: Offset) {
        self.put(message, Reported::Dismissed);
    }

    fn put(&mut self, message: Offset, reported: Reported) {
        self.0.insert(message, reported);
        if self.0.len() > REPORTED_MAX {
            self.0.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_counted_until_a_moderator_has_looked_at_them() {
        let mut reports = Reports::default();
        assert_eq!(reports.of(Offset(7)), Reported::Open(0));
        reports.add(Offset(7));
        reports.add(Offset(7));
        assert_eq!(reports.of(Offset(7)), Reported::Open(2));
        reports.dismiss(Offset(7));
        reports.add(Offset(7));
        assert_eq!(reports.of(Offset(7)), Reported::Dismissed);
    }

    #[test]
    fn the_oldest_message_makes_way() {
        let mut reports = Reports::default();
        let last = REPORTED_MAX as u64 + 1;
        for message in 1..=last {
            reports.add(Offset(message));
        }
        let counts = [1, 2, last].map(|message| reports.of(Offset(message)));
        assert_eq!(
            counts,
            [Reported::Open(0), Reported::Open(1), Reported::Open(1)]
        );
    }
}
