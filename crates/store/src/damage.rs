//! What of a log is damaged: it is left out, told and counted once, and the rest is read around it.
//!
//! A row whose checksum is not that of its columns is one message. Where the database itself cannot read a stretch, its
//! halves are asked for, and theirs, until all but the offsets that cannot be read are there.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use fanwave_wire::{Channel, Offset, Publication};
use prometheus_client::metrics::counter::Counter;

use crate::{
    Cause, Order, Page, StoreError,
    limits::{DAMAGED_KNOWN_MAX, READ_AROUND_MAX},
};

/// A message that is not as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Damaged {
    pub(crate) offset: Offset,
    pub(crate) cause: Cause,
}

/// What a database has in one row.
#[derive(Debug)]
pub(crate) enum Row {
    /// A message.
    Read(Arc<Publication>),
    /// One that is not as it was written.
    Damaged(Damaged),
    /// One of somebody who is forgotten: it is passed over.
    Gone(Offset),
}

impl Row {
    pub(crate) fn publication(&self) -> Option<&Arc<Publication>> {
        match self {
            Self::Read(publication) => Some(publication),
            Self::Damaged(_) | Self::Gone(_) => None,
        }
    }
}

/// A page that is read piece by piece, where it cannot be read whole.
#[derive(Debug)]
pub(crate) struct Around {
    page: Page,
    /// What is to be read yet, as `after` and `through`; the next is the last.
    stretches: Vec<(u64, u64)>,
    failures: usize,
    read: Vec<Arc<Publication>>,
    damaged: Vec<Damaged>,
}

impl Around {
    pub(crate) fn new(page: Page) -> Self {
        let limit = page.limit.min(page.kind.read_max());
        Self {
            page: Page { limit, ..page },
            stretches: vec![(page.after.0, page.through.0)],
            failures: 0,
            read: Vec::new(),
            damaged: Vec::new(),
        }
    }

    /// What to read next; `None` at the end.
    pub(crate) fn next(&self) -> Option<Page> {
        let limit = self.page.limit - self.read.len();
        let (after, through) = self.stretches.last().filter(|_| limit > 0)?;
        Some(Page {
            after: Offset(*after),
            through: Offset(*through),
            limit,
            ..self.page
        })
    }

    /// Takes what [`next`](Self::next) asked for.
    pub(crate) fn take(&mut self, answer: Result<Vec<Row>, StoreError>) -> Result<(), StoreError> {
        let Some(asked) = self.next() else {
            return Ok(());
        };
        let (after, through) = (asked.after.0, asked.through.0);
        match answer {
            Ok(rows) => {
                self.stretches.pop();
                let is_full = rows.len() >= asked.limit;
                let mut last = after;
                for row in rows {
                    match row {
                        Row::Read(publication) => {
                            last = publication.offset.0;
                            self.read.push(publication);
                        }
                        Row::Damaged(damaged) => {
                            last = damaged.offset.0;
                            self.damaged.push(damaged);
                        }
                        Row::Gone(offset) => last = offset.0,
                    }
                }
                if is_full {
                    self.stretches.push(match asked.order {
                        Order::OldestFirst => (last, through),
                        Order::NewestFirst => (after, last.saturating_sub(1)),
                    });
                }
                Ok(())
            }
            Err(StoreError::Damaged(cause)) if self.failures < READ_AROUND_MAX => {
                self.stretches.pop();
                self.failures += 1;
                let length = through.saturating_sub(after);
                if length <= 1 {
                    let offset = Offset(through);
                    self.damaged.push(Damaged { offset, cause });
                    return Ok(());
                }
                let middle = after + length / 2;
                let (older, newer) = ((after, middle), (middle, through));
                self.stretches.extend(match asked.order {
                    Order::OldestFirst => [newer, older],
                    Order::NewestFirst => [older, newer],
                });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The page without what is damaged, and that.
    pub(crate) fn finish(self) -> (Vec<Arc<Publication>>, Vec<Damaged>) {
        (self.read, self.damaged)
    }
}

/// What was found damaged so far. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finds {
    known: Arc<Mutex<BTreeSet<(String, Offset)>>>,
    pub(crate) count: Counter,
}

impl Finds {
    /// Tells of each once.
    pub(crate) fn tell(&self, channel: &Channel, damaged: &[Damaged]) {
        if damaged.is_empty() {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for Damaged { offset, cause } in damaged {
            if known.len() < DAMAGED_KNOWN_MAX && known.insert((channel.to_string(), *offset)) {
                self.count.inc();
                tracing::error!(
                    %channel, offset = offset.0, %cause,
                    "a message of the chat log is damaged and is left out: check the disk, and restore the log from a backup to have it back"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_set, prelude::*};

    use super::*;
    use crate::{Kind, tests::message};

    #[derive(Debug, thiserror::Error)]
    #[error("flipped")]
    struct Flipped;

    /// A log that has some offsets, of which some rows are damaged, and a stretch that the database cannot read.
    #[derive(Debug)]
    struct Model {
        offsets: BTreeSet<u64>,
        rows: BTreeSet<u64>,
        gone: BTreeSet<u64>,
        stretch: std::ops::Range<u64>,
    }

    impl Model {
        fn read(&self, page: Page) -> Result<Vec<Row>, StoreError> {
            let mut rows = Vec::new();
            let mut asked: Vec<u64> =
                (page.after.0.saturating_add(1)..=page.through.0.min(99)).collect();
            if page.order == Order::NewestFirst {
                asked.reverse();
            }
            for offset in asked {
                if rows.len() == page.limit {
                    break;
                }
                if self.stretch.contains(&offset) {
                    return Err(StoreError::Damaged(Cause::new(Flipped)));
                }
                if self.rows.contains(&offset) {
                    let (offset, cause) = (Offset(offset), Cause::new(Flipped));
                    rows.push(Row::Damaged(Damaged { offset, cause }));
                } else if self.gone.contains(&offset) {
                    rows.push(Row::Gone(Offset(offset)));
                } else if self.offsets.contains(&offset) {
                    rows.push(Row::Read(message(offset, &format!("m{offset}"))));
                }
            }
            Ok(rows)
        }
    }

    proptest! {
        #[test]
        fn all_that_can_be_read_is_read_in_its_order(
            offsets in btree_set(1..100_u64, 0..60),
            rows in btree_set(1..100_u64, 0..6),
            gone in btree_set(1..100_u64, 0..30),
            from in 1..100_u64,
            length in 0..12_u64,
            after in 0..100_u64,
            through in prop_oneof![0..100_u64, Just(u64::MAX)],
            limit in 0..50_usize,
            newest_first: bool,
        ) {
            let model = Model { offsets, rows, gone, stretch: from..from + length };
            let order = if newest_first { Order::NewestFirst } else { Order::OldestFirst };
            let page = Page {
                after: Offset(after),
                through: Offset(through),
                limit,
                order,
                kind: Kind::Everything,
            };
            let mut around = Around::new(page);
            while let Some(page) = around.next() {
                let answer = model.read(page);
                around.take(answer).unwrap();
            }
            let (read, damaged) = around.finish();
            let read: Vec<u64> = read.iter().map(|publication| publication.offset.0).collect();
            let mut readable: Vec<u64> = model
                .offsets
                .iter()
                .copied()
                .filter(|offset| *offset > after && *offset <= through)
                .filter(|offset| !model.rows.contains(offset) && !model.stretch.contains(offset))
                .filter(|offset| !model.gone.contains(offset))
                .collect();
            if newest_first {
                readable.reverse();
            }
            readable.truncate(limit);
            prop_assert_eq!(read, readable);
            for Damaged { offset, .. } in damaged {
                prop_assert!(model.rows.contains(&offset.0) || model.stretch.contains(&offset.0));
            }
        }
    }

    #[test]
    fn a_log_that_cannot_be_read_at_all_is_given_up() {
        let page = Page {
            after: Offset(0),
            through: Offset(u64::MAX),
            limit: 10,
            order: Order::OldestFirst,
            kind: Kind::Everything,
        };
        let mut around = Around::new(page);
        let mut asked = 0;
        let error = loop {
            asked += 1;
            let answer = Err(StoreError::Damaged(Cause::new(Flipped)));
            if let Err(error) = around.take(answer) {
                break error;
            }
        };
        assert!(matches!(error, StoreError::Damaged(_)));
        assert_eq!(asked, READ_AROUND_MAX + 1);
    }
}
