//! Reads pages: partition by partition, from the end that was asked for, until there is enough.

use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc};

use fanwave_wire::{Channel, Epoch, Offset, Publication, UserId};
use futures_util::future::try_join_all;

use super::{
    Archive,
    fault::{other_rows, unreadable},
    place::{Bucket, Row, Sort, stretch},
    rows::Found,
};
use crate::{
    Kind, Order, Page, StoreError,
    damage::{self, Around},
    keyring::Keyring,
    limits::CASSANDRA_READS_MAX,
    rows::signed,
};

/// What is read of the partitions of one sort.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    row: &'a Row,
    page: Page,
    by: Option<&'a UserId>,
}

impl Archive {
    pub(crate) async fn read_run(
        &self,
        channel: &Channel,
        epoch: Option<&Epoch>,
        page: Page,
        by: Option<&UserId>,
    ) -> Result<Vec<Arc<Publication>>, StoreError> {
        let run = match epoch {
            Some(epoch) => self.find_run(channel, epoch).await?,
            None => self.run_list(channel).await?.first().map(|(run, _)| *run),
        };
        let Some(run) = run else {
            return Ok(Vec::new());
        };
        let keyring = self.0.keyring.as_ref();
        let names = match by {
            Some(user) => Some(Keyring::names_of(keyring, user).await?),
            None => None,
        };
        let name = channel.to_string();
        let mut around = Around::new(page);
        while let Some(page) = around.next() {
            let read = match &names {
                None => self.read_numbered(channel, run, page, None).await?,
                Some(names) => self.read_named(channel, run, page, names).await?,
            };
            let rows = read.into_iter().map(damage::Row::Read).collect();
            around.take(Ok(Keyring::open(keyring, &name, rows).await?))?;
        }
        let (read, damaged) = around.finish();
        self.0.finds.tell(channel, &damaged);
        Ok(read)
    }

    /// What one person has said, who has these names in the archive.
    async fn read_named(
        &self,
        channel: &Channel,
        run: i32,
        page: Page,
        names: &[UserId],
    ) -> Result<Vec<Arc<Publication>>, StoreError> {
        let mut found = Vec::new();
        for name in names {
            found.extend(self.read_numbered(channel, run, page, Some(name)).await?);
        }
        arrange(&mut found, page.order);
        found.truncate(page.limit);
        Ok(found)
    }

    /// A page of a run by its number, as it is written.
    pub(super) async fn read_numbered(
        &self,
        channel: &Channel,
        run: i32,
        page: Page,
        by: Option<&UserId>,
    ) -> Result<Vec<Arc<Publication>>, StoreError> {
        let limit = page.limit.min(page.kind.read_max());
        let page = Page { limit, ..page };
        let events = Row::new(channel, run, Sort::Events);
        let row = &events;
        let mut found = self.read_sort(Wanted { row, page, by }).await?;
        if page.kind == Kind::Everything {
            let texts = Row::new(channel, run, Sort::Texts);
            let row = &texts;
            found.extend(self.read_sort(Wanted { row, page, by }).await?);
            arrange(&mut found, page.order);
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn read_sort(&self, wanted: Wanted<'_>) -> Result<Vec<Arc<Publication>>, StoreError> {
        let Page {
            after,
            through,
            limit,
            order,
            ..
        } = wanted.page;
        if limit == 0 || after >= through {
            return Ok(Vec::new());
        }
        let Row { channel, run, sort } = wanted.row;
        let weeks = match wanted.by {
            Some(user) => Some(self.weeks_of(user, channel, *run, *sort).await?),
            None => None,
        };
        let statements = &self.0.statements;
        let statement = match order {
            Order::OldestFirst => &statements.buckets_up,
            Order::NewestFirst => &statements.buckets_down,
        };
        let range = (stretch(after.next()), stretch(through));
        let values = (channel, run, sort.column(), range.0, range.1);
        let mut gathered = Gathered::default();
        let mut pages = self.pages(statement, values);
        while let Some(buckets) = pages.next().await? {
            let buckets = buckets_in(buckets, weeks.as_ref());
            let gathered = self.gather(wanted, &buckets, &mut gathered).await?;
            if gathered.is_break() {
                break;
            }
        }
        let mut found = gathered.found;
        arrange(&mut found, order);
        found.truncate(limit);
        Ok(found)
    }

    /// Reads partitions until there is enough.
    async fn gather(
        &self,
        wanted: Wanted<'_>,
        buckets: &[Bucket],
        gathered: &mut Gathered,
    ) -> Result<ControlFlow<()>, StoreError> {
        let mut rest = buckets;
        while !rest.is_empty() {
            // The first is usually enough; when it is not, these are small.
            let at_once = if gathered.buckets == 0 {
                1
            } else {
                CASSANDRA_READS_MAX
            };
            let (now, later) = rest.split_at(at_once.min(rest.len()));
            rest = later;
            let mut reads = Vec::new();
            for bucket in now {
                reads.push(self.read_bucket(wanted, *bucket));
            }
            let pages = try_join_all(reads).await?;
            for (bucket, page) in now.iter().zip(pages) {
                if gathered.is_done(*bucket, wanted.page.limit) {
                    return Ok(ControlFlow::Break(()));
                }
                gathered.found.extend(page);
                gathered.buckets += 1;
                gathered.last = Some(*bucket);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn read_bucket(
        &self,
        Wanted { row, page, by }: Wanted<'_>,
        bucket: Bucket,
    ) -> Result<Vec<Arc<Publication>>, StoreError> {
        let statements = &self.0.statements;
        let Row { channel, run, sort } = row;
        let Bucket { stretch, week } = bucket;
        let (after, through) = (signed(page.after.0), signed(page.through.0));
        let limit = i32::try_from(page.limit).unwrap_or(i32::MAX);
        let key = (channel, run, sort.column(), stretch, week);
        let answer = match by {
            None => {
                let statement = match page.order {
                    Order::OldestFirst => &statements.page_up,
                    Order::NewestFirst => &statements.page_down,
                };
                let values = (key.0, key.1, key.2, key.3, key.4, after, through, limit);
                self.ask(statement, values).await?
            }
            Some(user) => {
                let statement = match page.order {
                    Order::OldestFirst => &statements.page_up_by,
                    Order::NewestFirst => &statements.page_down_by,
                };
                let user = &*user.0;
                let values = (
                    key.0, key.1, key.2, key.3, key.4, after, through, user, limit,
                );
                self.ask(statement, values).await?
            }
        };
        let rows = answer.rows::<Found<'_>>().map_err(other_rows)?;
        rows.map(|row| row.map_err(unreadable)?.publication())
            .collect()
    }

    /// The same of one partition, of everybody.
    pub(super) async fn read_partition(
        &self,
        row: &Row,
        page: Page,
        bucket: Bucket,
    ) -> Result<Vec<Arc<Publication>>, StoreError> {
        let by = None;
        self.read_bucket(Wanted { row, page, by }, bucket).await
    }

    /// One message of a run's texts, if it is there, and where.
    pub(super) async fn text_at(
        &self,
        row: &Row,
        offset: Offset,
    ) -> Result<Vec<(Bucket, Arc<Publication>)>, StoreError> {
        let page = Page {
            after: Offset(offset.0.saturating_sub(1)),
            through: offset,
            limit: 1,
            order: Order::OldestFirst,
            kind: Kind::Everything,
        };
        let mut found = Vec::new();
        for bucket in self.buckets_up(row, (offset, offset)).await? {
            let there = self.read_partition(row, page, bucket).await?;
            found.extend(there.into_iter().map(|there| (bucket, there)));
        }
        Ok(found)
    }

    /// The partitions in which messages of these offsets may be.
    pub(super) async fn buckets_up(
        &self,
        row: &Row,
        (first, last): (Offset, Offset),
    ) -> Result<Vec<Bucket>, StoreError> {
        let Row { channel, run, sort } = row;
        let values = (channel, run, sort.column(), stretch(first), stretch(last));
        let buckets = self
            .all_pages(&self.0.statements.buckets_up, values)
            .await?;
        Ok(buckets_in(buckets, None))
    }
}

/// What a read has.
#[derive(Debug, Default)]
struct Gathered {
    found: Vec<Arc<Publication>>,
    /// How many partitions were read.
    buckets: usize,
    last: Option<Bucket>,
    /// Whether the one behind the last that was needed was read, too.
    is_sure: bool,
}

impl Gathered {
    /// Whether the next partition need not be read.
    ///
    /// Within a stretch they follow one another by the time, which may go back by a little where a week ends: so one more
    /// of the stretch is read when there is enough.
    fn is_done(&mut self, next: Bucket, limit: usize) -> bool {
        if self.found.len() < limit {
            return false;
        }
        let same_stretch = self.last.is_some_and(|last| last.stretch == next.stretch);
        if !same_stretch || self.is_sure {
            return true;
        }
        self.is_sure = true;
        false
    }
}

fn buckets_in(buckets: Vec<(i64, i32)>, weeks: Option<&BTreeSet<i32>>) -> Vec<Bucket> {
    let buckets = buckets.into_iter();
    let buckets = buckets.map(|(stretch, week)| Bucket { stretch, week });
    buckets
        .filter(|bucket| weeks.is_none_or(|weeks| weeks.contains(&bucket.week)))
        .collect()
}

fn arrange(found: &mut [Arc<Publication>], order: Order) {
    found.sort_by_key(|publication| publication.offset);
    if order == Order::NewestFirst {
        found.reverse();
    }
}
