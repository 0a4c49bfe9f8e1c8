//! Which partitions there are, and in which a person has left a trace: written before the messages, and once.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use fanwave_wire::{Publication, UserId};

use super::{
    Archive,
    place::{Bucket, Row, Sort},
};
use crate::{StoreError, limits::CASSANDRA_KNOWN_MAX, seal::people};

/// Where a person has said, done or been named something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trace {
    pub(super) user: UserId,
    pub(super) row: Row,
    pub(super) week: i32,
}

/// What is known to be written.
#[derive(Debug, Default)]
pub(super) struct Traces(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    buckets: BTreeSet<(Row, Bucket)>,
    traces: BTreeSet<Trace>,
    /// How often somebody had been forgotten when the traces were written.
    count: i64,
}

impl Traces {
    /// Which of these are not known to be written, when somebody has been forgotten so often.
    fn unknown(
        &self,
        count: i64,
        buckets: &BTreeSet<(Row, Bucket)>,
        traces: &BTreeSet<Trace>,
    ) -> (Vec<(Row, Bucket)>, Vec<Trace>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.count != count {
            known.traces.clear();
            known.count = count;
        }
        (
            buckets.difference(&known.buckets).cloned().collect(),
            traces.difference(&known.traces).cloned().collect(),
        )
    }

    fn learn(&self, count: i64, buckets: BTreeSet<(Row, Bucket)>, traces: BTreeSet<Trace>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.buckets.len() + buckets.len() > CASSANDRA_KNOWN_MAX {
            known.buckets.clear();
        }
        known.buckets.extend(buckets);
        if known.count != count {
            return;
        }
        if known.traces.len() + traces.len() > CASSANDRA_KNOWN_MAX {
            known.traces.clear();
        }
        known.traces.extend(traces);
    }
}

impl Archive {
    /// Names the partitions of messages that are about to be written, and whom they name, when somebody has been forgotten
    /// so often.
    pub(super) async fn announce(
        &self,
        count: i64,
        messages: &[(Row, Bucket, &Publication)],
    ) -> Result<(), StoreError> {
        let mut buckets = BTreeSet::new();
        let mut traces = BTreeSet::new();
        for (row, bucket, publication) in messages {
            buckets.insert((row.clone(), *bucket));
            traces.extend(people(publication).map(|user| Trace {
                user: user.clone(),
                row: row.clone(),
                week: bucket.week,
            }));
        }
        let (new_buckets, new_traces) = self.0.traces.unknown(count, &buckets, &traces);
        let statements = &self.0.statements;
        for (row, bucket) in &new_buckets {
            let values = (
                &row.channel,
                row.run,
                row.sort.column(),
                bucket.stretch,
                bucket.week,
            );
            self.act(&statements.put_bucket, values).await?;
        }
        let mut writes = Vec::new();
        for Trace { user, row, week } in &new_traces {
            let sort = row.sort.column();
            let values = (&*user.0, &row.channel, row.run, sort, week, count);
            writes.push(self.act(&statements.put_trace, values));
        }
        self.all_of(writes).await?;
        self.0.traces.learn(count, buckets, traces);
        Ok(())
    }

    /// The weeks in which a person has left a trace.
    pub(super) async fn weeks_of(
        &self,
        user: &UserId,
        channel: &str,
        run: i32,
        sort: Sort,
    ) -> Result<BTreeSet<i32>, StoreError> {
        let values = (&*user.0, channel, run, sort.column());
        let weeks: Vec<(i32,)> = self.all_pages(&self.0.statements.traces_in, values).await?;
        Ok(weeks.into_iter().map(|(week,)| week).collect())
    }
}
