//! Lets go of what has not to be kept any more: whole partitions of texts, a week after the other.
//!
//! Whoever removes something of a room has its lease, and looks for a hold then; whoever puts a room under hold writes that
//! first, and waits until nobody has the lease who may not have seen it.

use std::collections::BTreeSet;

use fanwave_wire::{Channel, RoomId, UnixMillis, UserId};

use super::{
    Archive,
    erase::Outline,
    lease::Lease,
    place::{Bucket, Row, Sort, is_over},
    traces::Trace,
};
use crate::{Cause, Retention, StoreError, Swept, rows::signed};

impl Archive {
    pub(crate) async fn sweep(
        &self,
        retention: &Retention,
        now: UnixMillis,
    ) -> Result<Swept, StoreError> {
        let channels: Vec<(String,)> = self.all_pages(&self.0.statements.channels, ()).await?;
        let mut swept = Swept::default();
        for (name,) in channels {
            // A name that a newer release has given is left alone.
            let Ok(channel) = name.parse::<Channel>() else {
                continue;
            };
            let Some(keeps) = retention.millis(&channel) else {
                continue;
            };
            let over = self.over(&name, keeps, now).await?;
            if over.is_empty() {
                continue;
            }
            // Somebody else does it.
            let room = channel.room.as_str();
            let Some(mut lease) = self.room_lease(room).await? else {
                continue;
            };
            let done = self.let_go(room, &mut lease, over).await;
            lease.give_back().await;
            swept.partitions += done?;
        }
        Ok(swept)
    }

    /// The partitions of texts of a channel that are over.
    async fn over(
        &self,
        channel: &str,
        keeps: i64,
        now: UnixMillis,
    ) -> Result<Vec<(Row, Bucket)>, StoreError> {
        let buckets: Vec<(i32, i8, i64, i32)> = self
            .all_pages(&self.0.statements.buckets_of_channel, (channel,))
            .await?;
        let texts = Sort::Texts.column();
        let over = buckets
            .into_iter()
            .filter(|(_, sort, _, week)| *sort == texts && is_over(*week, keeps, now))
            .map(|(run, _, stretch, week)| {
                let row = Row {
                    channel: channel.to_owned(),
                    run,
                    sort: Sort::Texts,
                };
                (row, Bucket { stretch, week })
            });
        Ok(over.collect())
    }

    async fn let_go(
        &self,
        room: &str,
        lease: &mut Lease,
        over: Vec<(Row, Bucket)>,
    ) -> Result<u64, StoreError> {
        let mut gone = 0;
        for (row, bucket) in over {
            let traces = self.traces_in(&row, bucket).await?;
            if !lease.is_fresh() && !lease.is_held().await {
                break;
            }
            if self.is_under_hold(room).await? {
                break;
            }
            let count = self.forgotten().await?;
            let Row { channel, run, sort } = &row;
            let values = (channel, run, sort.column(), bucket.stretch, bucket.week);
            self.act(&self.0.statements.remove_bucket, values).await?;
            for trace in &traces {
                self.drop_trace(trace, count).await?;
            }
            // Last: what is not done is found again.
            self.act(&self.0.statements.drop_bucket, values).await?;
            gone += 1;
        }
        Ok(gone)
    }

    /// The traces of those who are in a partition. All partitions of the week are over at the same time.
    async fn traces_in(&self, row: &Row, bucket: Bucket) -> Result<BTreeSet<Trace>, StoreError> {
        let mut traces = BTreeSet::new();
        self.outlines(
            row,
            bucket,
            |Outline {
                 user, reply_user, ..
             }| {
                for user in [Some(user), reply_user].into_iter().flatten() {
                    traces.insert(Trace {
                        user: UserId(user.into()),
                        row: row.clone(),
                        week: bucket.week,
                    });
                }
            },
        )
        .await?;
        Ok(traces)
    }

    pub(super) async fn is_under_hold(&self, room: &str) -> Result<bool, StoreError> {
        let since: Vec<(Option<i64>,)> = self.ask_all(&self.0.statements.is_held, (room,)).await?;
        Ok(!since.is_empty())
    }

    pub(crate) async fn hold(&self, room: RoomId, since: UnixMillis) -> Result<(), StoreError> {
        let values = (room.as_str(), signed(since.0));
        // The first hold is the one that counts.
        self.act_if(&self.0.statements.put_hold, values).await?;
        self.without_room_lease(&room).await
    }

    pub(crate) async fn release(&self, room: RoomId) -> Result<(), StoreError> {
        let values = (room.as_str(),);
        self.act_if(&self.0.statements.drop_hold, values)
            .await
            .map(drop)
    }

    pub(crate) async fn holds(&self) -> Result<Vec<(RoomId, UnixMillis)>, StoreError> {
        let holds: Vec<(String, i64)> = self.all_pages(&self.0.statements.holds, ()).await?;
        let holds = holds.into_iter().map(|(room, since)| {
            let room = room
                .parse()
                .map_err(|error| StoreError::Damaged(Cause::new(error)))?;
            Ok((room, UnixMillis(since.unsigned_abs())))
        });
        holds.collect()
    }
}
