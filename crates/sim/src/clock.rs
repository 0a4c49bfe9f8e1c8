//! Virtual time: what is to happen, in order. What is planned for the same moment happens in the order of planning.

use std::collections::BTreeMap;

use fanwave_wire::UnixMillis;

/// What is to happen.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    now: UnixMillis,
    planned: u64,
    entries: BTreeMap<(UnixMillis, u64), E>,
}

impl<E> Agenda<E> {
    pub(crate) fn starting_at(now: UnixMillis) -> Self {
        Self {
            now,
            planned: 0,
            entries: BTreeMap::new(),
        }
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.now
    }

    /// Plans something at a time; what is past happens now.
    pub(crate) fn at(&mut self, at: UnixMillis, event: E) {
        self.planned += 1;
        self.entries.insert((at.max(self.now), self.planned), event);
    }

    /// Plans something so many milliseconds from now.
    pub(crate) fn after(&mut self, millis: u64, event: E) {
        self.at(UnixMillis(self.now.0 + millis), event);
    }

    /// What happens next; time moves there.
    pub(crate) fn next(&mut self) -> Option<E> {
        let ((at, _), event) = self.entries.pop_first()?;
        self.now = at;
        Some(event)
    }
}
